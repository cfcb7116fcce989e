"""Make docs/benchmarks.md, the README's table and the pictures from results/*.json.

python -m benchmarks.report [--results DIR] [--root DIR] [--no-pictures]
"""

import argparse
import json
import re
from pathlib import Path
from statistics import median

from benchmarks.definitions import BENCHMARKS, Times

HERE = Path(__file__).parent
RESULTS = HERE / "results"
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
PEERS = "JAX", "PyTorch", "scikit-learn", "NumPy", "textbook"
CLOSE = 1.1  # times mlpcore's: below that a peer is as fast, within the noise, or faster
HEADLINES = (  # benchmark, case, and what the README and the picture call it
    ("main", "", "784-100-10, minibatch 100"),
    ("minibatch", "minibatch 1", "784-100-10, minibatch 1"),
    ("minibatch", "minibatch 10", "784-100-10, minibatch 10"),
    ("minibatch", "minibatch 1,000", "784-100-10, minibatch 1,000"),
    ("float64", "", "784-100-10, minibatch 100, float64"),
    ("gaussian", "", "784-100-10, no background in the data"),
    ("wide", "784-800-10", "784-800-10"),
    ("wide", "784-500-150-10", "784-500-150-10"),
    ("deep", "", "784-2500-2000-1500-1000-500-10"),
    ("predict", "1 row", "predict 1 row"),
    ("predict", "10,000 rows", "predict 10,000 rows"),
    ("estimators", "MNIST, adam", "MLPClassifier, MNIST, Adam"),
    ("estimators", "digits, adam", "MLPClassifier, digits, Adam"),
    ("estimators", "breast cancer, lbfgs", "MLPClassifier, breast cancer, L-BFGS"),
    ("tables", "100,000 x 50-100-1, float64", "MLPRegressor, 50-100-1, float64"),
    ("tables", "100,000 x 50-100-1, float32", "MLPRegressor, 50-100-1, float32"),
    ("busy", "beside 1 busy program", "784-100-10 beside a busy program"),
    ("search", "", "GridSearchCV of 48 fits, n_jobs=2"),
)
Results = dict[str, dict]


def load(folder: Path) -> Results:
    """The results of every benchmark that is defined, in the order of the definitions."""
    files = {path.stem: path for path in folder.glob("*.json")}
    return {name: json.loads(files[name].read_text()) for name in BENCHMARKS if name in files}


def samples(result: dict, case: dict, implementation: str) -> list[float]:
    """The values of one implementation, divided by the rows where their number differs."""
    rows = case["task"]["rows"] if BENCHMARKS[result["benchmark"]].per_row else 1
    values = case["implementations"].get(implementation, {}).get("samples", [])
    return [value / rows for value in values]


def medians(result: dict) -> Times:
    return {
        case["label"]: {
            name: median(values)
            for name in case["implementations"]
            if (values := samples(result, case, name))
        }
        for case in result["cases"]
    }


def amount(value: float, unit: str = "") -> str:
    """Three digits and a readable unit: 0.0661 s is 66.1 ms."""
    if unit == "%":
        return f"{value:.0%}"
    if unit.startswith("s"):
        scales = (1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")
        scale, name = next((pair for pair in scales if value >= pair[0]), scales[-1])
        return f"{value / scale:#.3g} {name}".replace(". ", " ")
    if unit == "B":
        return f"{value / 1e6:.1f} MB"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def setting(implementation: dict) -> str:
    """The settings chosen by trial, the fixed ones, and those that the implementation reported."""
    words = []
    for name, value in implementation.get("setting", {}).items():
        match name:
            case "threads":
                words.append(f"{value} thread{'s' * (value != 1)}")
            case "mode":
                words.append(value)
            case _:
                words.append(f"{name} {value}")
    return ", ".join(words)


def section(result: dict) -> str:
    """One benchmark: every implementation of every case."""
    benchmark, times = BENCHMARKS[result["benchmark"]], medians(result)
    rows = []
    for case in result["cases"]:
        for name, implementation in case["implementations"].items():
            values = samples(result, case, name)
            if not values:
                failed = implementation.get("failed", "not run")
                rows.append((case["label"], name, failed, "", "", ""))
                continue
            own, reference = times[case["label"]][name], times[case["label"]].get("mlpcore")
            ratio = amount(own / reference) if reference else ""
            low, high = (amount(value, benchmark.unit) for value in (min(values), max(values)))
            middle = amount(own, benchmark.unit)
            rows.append(
                (case["label"], name, middle, f"{low} to {high}", ratio, setting(implementation))
            )
    header = (
        "case",
        "implementation",
        f"median, {benchmark.unit}",
        "range",
        "times mlpcore's",
        "setting",
    )
    if not any(row[0] for row in rows):
        header, rows = header[1:], [row[1:] for row in rows]
    parts = [f"### {benchmark.title}", benchmark.about, table(header, rows)]
    return "\n\n".join(part for part in parts if part) + "\n"


def ratios_to_peers(results: Results) -> list[tuple[str, str, str, float]]:
    """Every comparison with a peer: benchmark, case, peer, and its time over that of mlpcore."""
    return [
        (name, case, peer, times[peer] / times["mlpcore"])
        for name, result in results.items()
        for case, times in medians(result).items()
        for peer in PEERS
        if peer in times and "mlpcore" in times
    ]


def close_cases(results: Results) -> str:
    """The comparisons in which a peer is faster than mlpcore, or about as fast."""
    ratios = ratios_to_peers(results)
    rows = []
    for name, case, peer, ratio in ratios:
        if ratio < CLOSE:
            title = BENCHMARKS[name].title
            rows.append((f"{title}: {case}" if case else title, peer, amount(ratio)))
    found = (
        f"{len(rows)} of {len(ratios)} comparisons, a peer takes less than {CLOSE} times as long "
        "as mlpcore"
    )
    if not rows:
        return f"In {found}."
    return f"In {found}:\n\n{table(('case', 'peer', 'its time over that of mlpcore'), rows)}"


def limits(results: Results) -> str:
    """The sections of limits.md under the titles of their benchmarks."""
    text = (HERE / "limits.md").read_text(encoding="utf-8")
    reasons = dict(re.findall(r"^## (\S+)\n+(.*?)(?=^## |\Z)", text, re.M | re.S))
    return "\n\n".join(
        f"### Limits: {BENCHMARKS[name].title}\n\n{reasons[name].strip()}"
        for name in results
        if name in reasons
    )


def machines(results: Results) -> str:
    """Machines and versions, each with its benchmarks."""
    groups: dict[str, list[str]] = {}
    for name, result in results.items():
        facts = {**result["machine"], **result["versions"]}
        lines = [f"- {key}: {plain(value)}" for key, value in facts.items()]
        groups.setdefault("\n".join(lines), []).append(f"{name} ({result['date'][:10]})")
    return "\n\n".join(f"{', '.join(names)}:\n\n{text}" for text, names in groups.items())


def plain(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def document(results: Results) -> str:
    method = (HERE / "README.md").read_text(encoding="utf-8")
    method = re.search(r"^## Method\n+(.*?)(?=^## )", method, re.M | re.S).group(1).strip()
    parts = [
        "# Benchmarks",
        "<!-- Made by `python -m benchmarks.report` from benchmarks/results; do not edit. -->",
        "Times of mlpcore and of other libraries for the same tasks on the same machine: the\n"
        "method, all results, the cases in which another library is as fast, and what limits\n"
        "mlpcore.",
        "![Times of the peers over that of mlpcore](images/benchmarks-ratios.png)",
        "![Times over sizes](images/benchmarks-sweeps.png)",
        "## Method",
        method,
        "## Machine",
        machines(results),
        "## Results",
        *(section(result).strip() for result in results.values()),
        "## Where other libraries are as fast",
        close_cases(results),
        "## What limits mlpcore",
        limits(results),
    ]
    return "\n\n".join(parts) + "\n"


def headlines(results: Results) -> list[tuple[str, str, dict[str, float]]]:
    """The rows shown outside docs/benchmarks.md: label, mlpcore's time, the peers' ratios to it."""
    rows = []
    for name, label, text in HEADLINES:
        if name not in results:
            continue
        times = medians(results[name]).get(label, {})
        if own := times.get("mlpcore"):
            ratios = {peer: times[peer] / own for peer in PEERS if peer in times}
            unit = BENCHMARKS[name].unit
            rows.append((text, amount(own, unit) + unit.removeprefix("s"), ratios))
    return rows


def readme_table(results: Results) -> str:
    rows = [
        (text, own, *(f"{ratios[peer]:.1f}" if peer in ratios else "" for peer in PEERS))
        for text, own, ratios in headlines(results)
    ]
    return "Time of mlpcore, and how many times as long the others take:\n\n" + table(
        ("", "mlpcore", *PEERS), rows
    )


def replace_between_markers(text: str, new: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"README.md has no lines {BEGIN} and {END} to put the table between.")
    return f"{before}{begin}\n{new}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--root", type=Path, default=HERE.parent, help="holds docs/ and README.md")
    parser.add_argument("--no-pictures", action="store_true")
    options = parser.parse_args()
    results = load(options.results)
    docs = options.root / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "benchmarks.md").write_text(document(results), encoding="utf-8")
    if not options.no_pictures:
        from benchmarks import pictures

        (docs / "images").mkdir(exist_ok=True)
        pictures.ratios(results).savefig(docs / "images/benchmarks-ratios.png", dpi=130)
        pictures.sweeps(results).savefig(docs / "images/benchmarks-sweeps.png", dpi=130)
    readme = options.root / "README.md"
    text = replace_between_markers(readme.read_text(encoding="utf-8"), readme_table(results))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Make docs/benchmarks.md, the README's table and the pictures from results/*.json.

python -m benchmarks.report [--results DIR] [--root DIR] [--no-pictures]
"""

import argparse
import json
import re
from pathlib import Path
from statistics import median

from benchmarks.contests import CONTESTS, Contest, Target, Times

HERE = Path(__file__).parent
BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
PEERS = "JAX", "PyTorch", "scikit-learn", "NumPy", "textbook"
HEADLINES = (  # contest, case, and what the README and the picture call it
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
)
Results = dict[str, dict]


def load(folder: Path) -> Results:
    """The results of every contest that is in the table, in the table's order."""
    files = {path.stem: path for path in folder.glob("*.json")}
    return {name: json.loads(files[name].read_text()) for name in CONTESTS if name in files}


def samples(contest: Contest, case: dict, entry: str) -> list[float]:
    """The values of one entry; per row where the contest compares unlike numbers of rows."""
    rows = case["task"]["rows"] if contest.per_row else 1
    return [value / rows for value in case["entries"].get(entry, {}).get("samples", [])]


def medians(contest: Contest, result: dict) -> Times:
    return {
        case["label"]: {
            entry: median(values)
            for entry in case["entries"]
            if (values := samples(contest, case, entry))
        }
        for case in result["cases"]
    }


def amount(value: float, unit: str = "") -> str:
    """Three digits and a unit that suits: 0.0661 s is 66.1 ms."""
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


def setting(entry: dict) -> str:
    """What the trial picked or was fixed, and what the contestant told of its run."""
    words = []
    for name, value in entry.get("setting", {}).items():
        match name:
            case "threads":
                words.append(f"{value} thread{'s' * (value != 1)}")
            case "mode":
                words.append(value)
            case _:
                words.append(f"{name} {value}")
    return ", ".join(words)


def target_rows(contest: Contest, times: Times) -> list[tuple[str, str, str, bool | None]]:
    """Text, limit, measured, reached; None where something was not measured."""
    return [(target.text, limit(target), *verdict(target, times)) for target in contest.targets]


def limit(target: Target) -> str:
    if target.at_most is None:
        return f"at least {target.at_least:g}"
    return f"at most {amount(target.at_most, target.unit)}"


def verdict(target: Target, times: Times) -> tuple[str, bool | None]:
    try:
        return amount(target.measure(times), target.unit), target.reached(times)
    except KeyError:
        return "not measured", None


def section(contest: Contest, result: dict) -> str:
    """One contest: every entry of every case, then the targets."""
    times = medians(contest, result)
    rows = []
    for case in result["cases"]:
        for name, entry in case["entries"].items():
            values = samples(contest, case, name)
            if not values:
                rows.append((case["label"], name, entry.get("failed", "not run"), "", "", ""))
                continue
            own, reference = times[case["label"]][name], times[case["label"]].get("mlpcore")
            share = amount(own / reference) if reference else ""
            spread = f"{amount(min(values), contest.unit)} to {amount(max(values), contest.unit)}"
            median_text = amount(own, contest.unit)
            rows.append((case["label"], name, median_text, spread, share, setting(entry)))
    header = (
        "case",
        "contestant",
        f"median, {contest.unit}",
        "from, to",
        "times mlpcore's",
        "setting",
    )
    if not any(row[0] for row in rows):
        header, rows = header[1:], [row[1:] for row in rows]
    parts = [f"### {contest.title}", contest.about, table(header, rows)]
    if contest.targets:
        yes_no = {True: "yes", False: "**no**", None: ""}
        goals = [(*row[:3], yes_no[row[3]]) for row in target_rows(contest, times)]
        parts.append(table(("target", "needed", "measured", "reached"), goals))
    return "\n\n".join(part for part in parts if part) + "\n"


def lost(results: Results) -> str:
    """Every target that was missed and every peer that was faster, with the reasons on file."""
    reasons = dict(re.findall(r"^## (\S+)\n+(.*?)(?=^## |\Z)", notes(), re.M | re.S))
    parts = []
    for name, result in results.items():
        contest, times = CONTESTS[name], medians(CONTESTS[name], result)
        lines = [
            f"- {text}: {needed}, measured {measured}."
            for text, needed, measured, reached in target_rows(contest, times)
            if reached is False
        ]
        for case, by_entry in times.items():
            for peer in PEERS:
                if peer in by_entry and by_entry[peer] < by_entry.get("mlpcore", 0):
                    share = amount(by_entry["mlpcore"] / by_entry[peer])
                    lines.append(f"- {case + ': ' if case else ''}{peer} is {share} times as fast.")
        if lines:
            parts += [f"**{contest.title}**", "\n".join(lines), reasons.get(name, "").strip()]
    return "\n\n".join(part for part in parts if part) or "None."


def notes() -> str:
    path = HERE / "lost.md"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def machines(results: Results) -> str:
    """The machine and the versions, once for all contests that share them."""
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
    reached = [
        row[3]
        for name, result in results.items()
        for row in target_rows(CONTESTS[name], medians(CONTESTS[name], result))
    ]
    parts = [
        "# Benchmarks",
        "Made by `python -m benchmarks.report` from `benchmarks/results/*.json`; do not edit. "
        f"Of {len(reached)} targets {reached.count(True)} were reached, "
        f"{reached.count(False)} were missed, {reached.count(None)} not measured.",
        "![Times of the peers over that of mlpcore](images/benchmarks-ratios.png)",
        "![Times over sizes](images/benchmarks-sweeps.png)",
        "## Method",
        method,
        "## Machine",
        machines(results),
        "## Contests",
        *(section(CONTESTS[name], result).strip() for name, result in results.items()),
        "## Cases lost",
        lost(results),
    ]
    return "\n\n".join(parts) + "\n"


def headlines(results: Results) -> list[tuple[str, str, dict[str, float]]]:
    """What is shown outside docs/benchmarks.md: label, mlpcore's time, the peers' ratios to it."""
    rows = []
    for name, label, text in HEADLINES:
        if name not in results:
            continue
        times = medians(CONTESTS[name], results[name]).get(label, {})
        if own := times.get("mlpcore"):
            ratios = {peer: times[peer] / own for peer in PEERS if peer in times}
            unit = CONTESTS[name].unit
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
    parser.add_argument("--results", type=Path, default=HERE / "results")
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

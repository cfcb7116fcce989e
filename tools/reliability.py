"""Keep the figures of docs/reliability.md, each as the tool that measured it wrote it.

    python tools/reliability.py [--NAME FILE ...]

NAME is one of suite, without-gil, address, undefined and thread, for a report of pytest's
(`--junitxml=FILE -o junit_family=xunit1`), or fuzz and breaks, for what tools/fuzz.py and
tools/mutants.py write with `--json FILE`. What is given replaces what docs/reliability.json has
under that name; then the tables of docs/reliability.md are made from it. With --check, fails if
they are not what they would become.
"""

import argparse
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
FIGURES, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
REPORTS = ("suite", "without-gil", "address", "undefined", "thread")


def of_pytest(path):
    """The counts of a report of pytest's, and what tests recorded in it."""
    (suite,) = ElementTree.parse(path).getroot().iter("testsuite")
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    recorded = {}
    for element in suite.iter("property"):
        name, value = element.get("name"), element.get("value")
        if value.lstrip("-").isdigit():
            recorded[name] = recorded.get(name, 0) + int(value)
        else:
            recorded[name] = value
    passed = counts["tests"] - counts["failures"] - counts["errors"] - counts["skipped"]
    return {
        "passed": passed,
        "failed": counts["failures"] + counts["errors"],
        "skipped": counts["skipped"],
        "reports": suite.get("reports"),
        "date": suite.get("timestamp")[:10],
        "recorded": recorded,
    }


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def tests_table(figures):
    names = {
        "suite": "the whole suite",
        "without-gil": "the suite without the GIL",
        "address": "address sanitizer, indices checked",
        "undefined": "undefined behaviour sanitizer, indices checked",
        "thread": "thread sanitizer",
    }
    rows = []
    for name, words in names.items():
        if report := figures.get(name):
            about = report["recorded"]
            rows.append([words, report["passed"], report["failed"], report["skipped"],
                         report["reports"] or "-", about["python"], report["date"]])  # fmt: skip
    return table(["run", "passed", "failed", "skipped", "reports", "Python", "date"], rows)


def runs_table(figures):
    recorded = figures["suite"]["recorded"]
    rows = [
        ["kills by SIGKILL, each resumed", recorded["kills"]],
        ["of them with a half-written checkpoint left behind", recorded["kills in a write"]],
        ["Python objects more after 1,000 fits and 100,000 predictions", recorded["objects more"]],
        ["bytes of the C library's more after these", recorded["bytes more"]],
    ]
    return table(["counted by the suite", ""], rows)


def fuzz_table(figures):
    rows = []
    for target in dict.fromkeys(record["target"] for record in figures["fuzz"]):
        records = [record for record in figures["fuzz"] if record["target"] == target]
        minutes = sum(record["seconds"] for record in records) / 60
        rows.append([target, f"{minutes:.0f}", f"{sum(r['executions'] for r in records):,}",
                     max(r["edges"] for r in records),
                     sum(len(r["found"]) for r in records)])  # fmt: skip
    return table(["reader", "minutes", "inputs", "edges of the code", "broken promises"], rows)


def breaks_table(figures):
    breaks = figures["breaks"]["breaks"]
    noticed = sum(record["outcome"] is not None for record in breaks)
    rows = [[r["break"], f"`{r['test']}`", r["outcome"] or "PASSES"] for r in breaks]
    return f"{noticed} of {len(breaks)} noticed.\n\n" + table(["break", "test", "it"], rows)


TABLES = {
    "tests": tests_table,
    "runs": runs_table,
    "fuzz": fuzz_table,
    "breaks": breaks_table,
}


def page(figures):
    """The page with its tables made anew."""
    text = PAGE.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"{PAGE} has no place for the table of {name}: {begin.strip()} and {end}")
        text = before + begin + make(figures) + "\n" + end + after
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in (*REPORTS, "fuzz", "breaks"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", dest=name)
    parser.add_argument("--check", action="store_true")
    options = vars(parser.parse_args())
    figures = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name in (*REPORTS, "fuzz", "breaks"):
        if path := options[name]:
            figures[name] = of_pytest(path) if name in REPORTS else json.loads(path.read_text())
    made = page(figures)
    if options["check"]:
        if made != PAGE.read_text(encoding="utf-8"):
            sys.exit("docs/reliability.md is not what its figures make: tools/reliability.py")
        return
    FIGURES.write_text(re.sub(r"\n {3,}", " ", json.dumps(figures, indent=1)) + "\n")
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Store the measurements of docs/reliability.md, and make its tables from them.

    python tools/reliability.py [--NAME FILE ...]

NAME is one of suite, without-gil, address, undefined and thread, for a report of pytest
(`--junitxml=FILE -o junit_family=xunit1`), or fuzz and mutants, for the output of tools/fuzz.py and
tools/mutants.py with `--json FILE`. A given file replaces the entry of that name in
docs/reliability.json; then the tables of docs/reliability.md are made from the JSON. With --check,
nothing is written, and the program fails if the tables are not those that the JSON makes.
"""

import argparse
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
STORED, PAGE = DOCS / "reliability.json", DOCS / "reliability.md"
REPORTS = ("suite", "without-gil", "address", "undefined", "thread")


def of_pytest(path):
    """The counts of a report of pytest, and the properties that tests recorded in it."""
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


def tests_table(results):
    names = {
        "suite": "the whole suite",
        "without-gil": "the suite without the GIL",
        "address": "address sanitizer, indices checked",
        "undefined": "undefined behaviour sanitizer, indices checked",
        "thread": "thread sanitizer",
    }
    rows = []
    for name, words in names.items():
        if report := results.get(name):
            about = report["recorded"]
            rows.append([words, report["passed"], report["failed"], report["skipped"],
                         report["reports"] or "-", about["python"], report["date"]])  # fmt: skip
    return table(["run", "passed", "failed", "skipped", "reports", "Python", "date"], rows)


def runs_table(results):
    recorded = results["suite"]["recorded"]
    rows = [
        ["runs killed by SIGKILL, all resumed", recorded["kills"]],
        ["kills that left a partly written checkpoint", recorded["kills in a write"]],
        [
            "additional Python objects after 1,000 fits and 100,000 predictions",
            recorded["objects more"],
        ],
        ["additional bytes allocated by the C library after these", recorded["bytes more"]],
    ]
    return table(["counted by the suite", "number"], rows)


def fuzz_table(results):
    rows = []
    for target in dict.fromkeys(record["target"] for record in results["fuzz"]):
        records = [record for record in results["fuzz"] if record["target"] == target]
        minutes = sum(record["seconds"] for record in records) / 60
        rows.append([target, f"{minutes:.0f}", f"{sum(r['executions'] for r in records):,}",
                     max(r["edges"] for r in records),
                     sum(len(r["found"]) for r in records)])  # fmt: skip
    return table(["reader", "minutes", "inputs", "edges covered", "failures"], rows)


def mutants_table(results):
    mutants = results["mutants"]["mutants"]
    killed = sum(record["outcome"] is not None for record in mutants)
    rows = [[r["mutant"], f"`{r['test']}`", r["outcome"] or "SURVIVES"] for r in mutants]
    return f"{killed} of {len(mutants)} killed.\n\n" + table(["mutant", "test", "outcome"], rows)


TABLES = {
    "tests": tests_table,
    "runs": runs_table,
    "fuzz": fuzz_table,
    "mutants": mutants_table,
}


def page(results):
    """The page with its tables made from these results."""
    text = PAGE.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"{PAGE} must have the lines {begin.strip()} and {end}, for a table")
        text = before + begin + make(results) + "\n" + end + after
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in (*REPORTS, "fuzz", "mutants"):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", dest=name)
    parser.add_argument("--check", action="store_true")
    options = vars(parser.parse_args())
    results = json.loads(STORED.read_text()) if STORED.exists() else {}
    for name in (*REPORTS, "fuzz", "mutants"):
        if path := options[name]:
            results[name] = of_pytest(path) if name in REPORTS else json.loads(path.read_text())
    made = page(results)
    if options["check"]:
        if made != PAGE.read_text(encoding="utf-8"):
            sys.exit(
                "docs/reliability.md differs from docs/reliability.json; run tools/reliability.py"
            )
        return
    STORED.write_text(re.sub(r"\n {3,}", " ", json.dumps(results, indent=1)) + "\n")
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()

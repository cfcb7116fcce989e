"""Run contests and write results/*.json. README.md has the method, `report` makes the tables."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, report, runner
from benchmarks.contests import CONTESTS

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--list", action="store_true", help="list the contests and stop")
    add(
        "--contest", action="append", choices=CONTESTS, metavar="NAME", help="only this; repeatable"
    )
    add("--quick", action="store_true", help="two minutes: fewer cases, epochs and rounds")
    add("--rounds", type=int, help="rounds after the warm-up, instead of the contest's own")
    add("--threads", type=int, default=2, help="processors for everybody (default 2)")
    add("--output", type=Path, help="where the JSON goes (default benchmarks/results)")
    options = parser.parse_args(arguments)
    if options.list:
        for contest in CONTESTS.values():
            print(f"{contest.name:10} {contest.title}")
        return 0
    output = options.output or (RESULTS / "quick" if options.quick else RESULTS)
    output.mkdir(parents=True, exist_ok=True)
    if (load := machine.load()) > 0.5:
        print(f"Something else is running here (load {load:.1f}): do not trust the times.")
    processors = machine.cores(options.threads)
    machine.pin(processors)
    neighbours = machine.Neighbours(processors)
    failures = 0
    for name in options.contest or CONTESTS:
        contest = CONTESTS[name]
        if options.quick:
            contest = runner.quick(contest)
        if options.rounds:
            contest = replace(contest, rounds=options.rounds)
        if not contest.cases:
            continue
        try:
            result = runner.run_contest(contest, neighbours)
        except runner.Failed as failure:  # the reference itself
            print(f"{name}: {failure}", file=sys.stderr)
            failures += 1
            continue
        (output / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(report.section(CONTESTS[name], result))
        entries = [entry for case in result["cases"] for entry in case["entries"].values()]
        failures += sum("failed" in entry and not entry["missing"] for entry in entries)
    print(f"Results are in {output}; `python -m benchmarks.report` makes the tables from them.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

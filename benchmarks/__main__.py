"""Run the benchmarks and write results/*.json.

README.md has the method; `benchmarks.report` makes the tables.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks import machine, report, runner
from benchmarks.definitions import BENCHMARKS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--list", action="store_true", help="list the benchmarks and stop")
    add(
        "--benchmark",
        action="append",
        choices=BENCHMARKS,
        metavar="NAME",
        help="run only this one; repeatable",
    )
    add("--quick", action="store_true", help="three minutes: fewer cases, epochs and rounds")
    add("--rounds", type=int, help="rounds after the warm-up, in place of the benchmark's number")
    add("--threads", type=int, default=2, help="processors for all implementations (default 2)")
    add("--output", type=Path, help="where the JSON goes (default benchmarks/results)")
    options = parser.parse_args(arguments)
    if options.list:
        for benchmark in BENCHMARKS.values():
            print(f"{benchmark.name:18} {benchmark.title}")
        return 0
    output = options.output or (report.RESULTS / "quick" if options.quick else report.RESULTS)
    output.mkdir(parents=True, exist_ok=True)
    if (load := machine.load()) > 0.5:
        print(f"Something else is running here (load {load:.1f}): do not trust the times.")
    processors = machine.cores(options.threads)
    machine.pin(processors)
    neighbours = machine.Neighbours(processors)
    failures = 0
    for name in options.benchmark or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        if options.quick:
            benchmark = runner.quick(benchmark)
        if options.rounds:
            benchmark = replace(benchmark, rounds=options.rounds)
        if not benchmark.cases:
            continue
        try:
            result = runner.run_benchmark(benchmark, neighbours)
        except runner.Failed as failure:  # the reference itself
            print(f"{name}: {failure}", file=sys.stderr)
            failures += 1
            continue
        (output / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
        print(report.section(result))
        runs = [run for case in result["cases"] for run in case["implementations"].values()]
        failures += sum("failed" in run and not run["missing"] for run in runs)
    print(f"Results are in {output}; `python -m benchmarks.report` makes the tables from them.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

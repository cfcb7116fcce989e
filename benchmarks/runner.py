"""Run a benchmark: one process for each implementation, interleaved, with equal outcomes."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.definitions import Benchmark, Case, Implementation
from benchmarks.tasks import Task

# After some epochs float32 differs from the reference's float64 by rounding that has grown.
COST_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}  # relative
# Adam divides by what may be next to nothing. After five epochs of a table, scikit-learn, mlpcore,
# JAX and PyTorch differ by up to 1.2e-2 in float32 where they differ by 3e-16 in float64.
ADAM_TOLERANCE = {"float64": 1e-9, "float32": 5e-2}
ACCURACY_TOLERANCE = 2e-3  # one row in 500: at a tie, rounding decides
PATIENCE = 5.0  # seconds that a process has to end
PAUSE = 0.1  # seconds before each run, so that the threads of the previous run have gone to sleep


class Failed(Exception):
    """An implementation did not finish, or its results differ from the reference."""


class Missing(Failed):
    """A library that is not installed."""


class Worker:
    """One implementation's process, ready when the constructor returns; idle except in run()."""

    def __init__(self, implementation: Implementation, case: Case, threads: int) -> None:
        job = {
            "module": implementation.module,
            "task": asdict(case.task),
            "setting": {**case.setting, **implementation.setting},
            "threads": threads,
        }
        script = str(Path(__file__).with_name("worker.py"))
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-P", script, json.dumps(job)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=machine.environment(threads),
        )
        try:
            ready = self.answer()
            if "missing" in ready:
                raise Missing(f"{ready['missing']} is not installed")
            self.trials = ready["trials"]
        except BaseException:
            self.close()
            raise

    def answer(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines()[-1:]
            raise Failed(*last or [f"ended with {self.process.returncode}"])
        return json.loads(line)

    def run(self) -> dict:
        time.sleep(PAUSE)
        try:
            print(file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass  # the missing answer says more
        return self.answer()

    def close(self) -> None:
        """End the process, and give it time to end those that it has started itself."""
        try:
            self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
        self.errors.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def require_equal(outcome: dict | None, reference: dict | None, task: Task) -> None:
    """Raise Failed unless cost and accuracies are those of the reference, to rounding."""
    for name in sorted(set(outcome or ()) & set(reference or ())):
        value, expected = outcome[name], reference[name]
        if name == "cost":
            tolerance = ADAM_TOLERANCE if task.solver == "adam" else COST_TOLERANCE
            allowed = tolerance[task.dtype] * abs(expected)
        else:
            allowed = ACCURACY_TOLERANCE
        if not abs(value - expected) <= allowed:
            raise Failed(f"not the same training: {name} {value:.8g} instead of {expected:.8g}")


def run_case(
    benchmark: Benchmark,
    case: Case,
    threads: int,
    settle: Callable[[], float | None] = lambda: None,
) -> dict:
    """All implementations, interleaved: a warm-up round, then those whose samples are kept."""
    records = {}
    record = {
        "label": case.label,
        "task": asdict(case.task),
        "reference": None,
        "implementations": records,
    }
    if benchmark.reference and len(benchmark.implementations) > 1:
        with Worker(
            benchmark.reference, replace(case, setting={"threads": threads}), threads
        ) as worker:
            record["reference"] = worker.run()["outcome"]
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for number in range(benchmark.rounds + 1):
            for implementation in benchmark.implementations:
                name = implementation.name
                results = records.setdefault(name, {"samples": [], "round_trips_ns": []})
                if "failed" in results:
                    continue
                try:
                    round_trip = settle()
                    # The trials of an implementation that has a choice need the same condition.
                    with machine.busy(case.busy):
                        if number == 0 or benchmark.fresh:
                            if number > 0:
                                workers[name].close()
                            worker = Worker(implementation, case, threads)
                            workers[name] = stack.enter_context(worker)
                        run = workers[name].run()
                    require_equal(run["outcome"], record["reference"], case.task)
                except Failed as failure:
                    missing = isinstance(failure, Missing)
                    results.update(
                        samples=[], round_trips_ns=[], failed=str(failure), missing=missing
                    )
                    continue
                results.update(
                    setting=run["setting"], trials=workers[name].trials, outcome=run["outcome"]
                )
                if number > 0:
                    results["samples"].append(run["value"])
                    results["round_trips_ns"].append(round_trip)
    return record


def quick(benchmark: Benchmark) -> Benchmark:
    """The same in less time: a case or two, two epochs, three rounds, PyTorch uncompiled."""
    return replace(
        benchmark,
        cases=tuple(
            replace(case, task=replace(case.task, repeat=min(case.task.repeat, 2)))
            for case in benchmark.cases
            if case.quick
        ),
        implementations=tuple(
            replace(implementation, setting={**implementation.quick, **implementation.setting})
            for implementation in benchmark.implementations
        ),
        rounds=min(benchmark.rounds, 3),
    )


def run_benchmark(benchmark: Benchmark, neighbours: machine.Neighbours, say=print) -> dict:
    threads = len(neighbours.processors)
    load = machine.load()  # before the first case: of others, or of the benchmark before
    cases = []
    for case in benchmark.cases:
        if case.setting.get("threads", 1) <= threads:
            say(f"{benchmark.name}: {case.label or benchmark.title}")
            cases.append(run_case(benchmark, case, threads, neighbours.settle))
    return {
        "benchmark": benchmark.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(neighbours.processors),
        "versions": machine.versions(),
        "load before": load,
        "rounds": benchmark.rounds,
        "cases": cases,
    }

"""Run a contest: a process for each entry, in turns, equal outcomes required of all."""

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
from benchmarks.contests import Case, Contest, Entry
from benchmarks.tasks import Task

# After some epochs float32 differs from the reference's float64 by rounding that has grown.
COST_TOLERANCE = {"float64": 1e-9, "float32": 1e-4}  # relative
ACCURACY_TOLERANCE = 2e-3  # one row in 500: at a tie, rounding decides
PAUSE = 0.1  # seconds before each run, for the threads of the last one to go to sleep


class Failed(Exception):
    """A contestant did not finish, or did something else than the others."""


class Missing(Failed):
    """A library that is not installed."""


class Worker:
    """One entry's process, ready when the constructor returns; idle but for run()."""

    def __init__(self, entry: Entry, case: Case, threads: int) -> None:
        job = {
            "module": entry.module,
            "task": asdict(case.task),
            "setting": {**case.setting, **entry.setting},
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
            pass  # the answer, or rather its absence, tells more
        return self.answer()

    def close(self) -> None:
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
            allowed = COST_TOLERANCE[task.dtype] * abs(expected)
        else:
            allowed = ACCURACY_TOLERANCE
        if not abs(value - expected) <= allowed:
            raise Failed(f"not the same training: {name} {value:.8g} instead of {expected:.8g}")


def run_case(
    contest: Contest, case: Case, threads: int, settle: Callable[[], float | None] = lambda: None
) -> dict:
    """All entries in turn, a warm-up and then the rounds; every sample of every entry."""
    record = {"label": case.label, "task": asdict(case.task), "reference": None, "entries": {}}
    if contest.reference and len(contest.entries) > 1:
        with Worker(
            contest.reference, replace(case, setting={"threads": threads}), threads
        ) as worker:
            record["reference"] = worker.run()["outcome"]
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for turn in range(contest.rounds + 1):
            for entry in contest.entries:
                results = record["entries"].setdefault(entry.name, {"samples": [], "trips": []})
                if "failed" in results:
                    continue
                try:
                    if turn == 0 or contest.fresh:
                        if turn > 0:
                            workers[entry.name].close()
                        workers[entry.name] = stack.enter_context(Worker(entry, case, threads))
                    trip = settle()
                    run = workers[entry.name].run()
                    require_equal(run["outcome"], record["reference"], case.task)
                except Failed as failure:
                    missing = isinstance(failure, Missing)
                    results.update(samples=[], trips=[], failed=str(failure), missing=missing)
                    continue
                results.update(
                    setting=run["setting"],
                    trials=workers[entry.name].trials,
                    outcome=run["outcome"],
                )
                if turn > 0:
                    results["samples"].append(run["value"])
                    results["trips"].append(trip)  # nanoseconds
    return record


def quick(contest: Contest) -> Contest:
    """The same in less time: a case or two, two epochs, three rounds, PyTorch uncompiled."""
    return replace(
        contest,
        cases=tuple(
            replace(case, task=replace(case.task, repeat=min(case.task.repeat, 2)))
            for case in contest.cases
            if case.quick
        ),
        entries=tuple(
            replace(entry, setting={**entry.quick, **entry.setting}) for entry in contest.entries
        ),
        rounds=min(contest.rounds, 3),
    )


def run_contest(contest: Contest, neighbours: machine.Neighbours, say=print) -> dict:
    threads = len(neighbours.processors)
    load = machine.load()  # before the first case: of others, or of the contest before
    cases = []
    for case in contest.cases:
        if case.setting.get("threads", 1) <= threads:
            say(f"{contest.name}: {case.label or contest.title}")
            cases.append(run_case(contest, case, threads, neighbours.settle))
    return {
        "contest": contest.name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine.describe(neighbours.processors),
        "versions": machine.versions(),
        "load before": load,
        "rounds": contest.rounds,
        "cases": cases,
    }

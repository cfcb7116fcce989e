"""What the developers want mlpcore to reach, and whether the stored results reach it.

python -m benchmarks.targets [--results DIR]

Targets steer the work on the engine and were set before the results were known, most of them on
another machine. Users find the measurements themselves in docs/benchmarks.md.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from benchmarks.definitions import (
    BUSY_TASKS,
    DATA_SETS,
    SIZES,
    SOLVERS,
    TABLES,
    WIDTHS,
    Times,
    beside,
    narrow,
    narrow_task,
    table_name,
    table_task,
)
from benchmarks.report import RESULTS, Results, amount, load, medians, table
from benchmarks.tasks import Task

GEMM_SHARE = 0.7  # of gemm's rate; what is as fast as that need not be faster than a peer


@dataclass(frozen=True)
class Target:
    """A number made of the medians, `times[case][implementation]`, and its limit."""

    text: str
    measure: Callable[[Times], float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""  # "s", "B", "%"; "": a ratio
    gemm_share: Callable[[Times], float] | None = None  # GEMM_SHARE of it is enough, too

    @property
    def limit(self) -> str:
        if self.at_most is None:
            instead = f", or {GEMM_SHARE:.0%} of gemm's rate" if self.gemm_share else ""
            return f"at least {self.at_least:g}{instead}"
        return f"at most {amount(self.at_most, self.unit)}"

    def verdict(self, times: Times) -> tuple[str, bool | None]:
        """The measured value and whether the target is reached; None where it was not measured."""
        try:
            value = self.measure(times)
            share = self.gemm_share(times) if self.gemm_share else None
        except KeyError:
            return "not measured", None
        reached = value >= self.at_least if self.at_most is None else value <= self.at_most
        text = amount(value, self.unit)
        if share is None:
            return text, reached
        return f"{text}, {share:.0%} of gemm's rate", reached or share >= GEMM_SHARE


def ratio(over: str, under: str = "mlpcore", case: str = "") -> Callable[[Times], float]:
    return lambda times: times[case][over] / times[case][under]


def against(peer: str, limit: float, case: str = "") -> Target:
    """mlpcore is at least `limit` times as fast as `peer`."""
    text = f"{case}, against {peer}" if case else f"against {peer}"
    return Target(text, ratio(peer, case=case), at_least=limit)


def largest_fall(times: Times) -> float:
    """The fraction by which the time falls, at worst, from one width to the next."""
    own = [times[narrow(width)]["mlpcore"] for width in WIDTHS]
    return max(0.0, *(1 - wider / narrower for narrower, wider in pairwise(own)))


def largest_rise(times: Times) -> float:
    """How many times faster than the operations the time rises, at worst."""
    own = [times[narrow(width)]["mlpcore"] / narrow_task(width).flops for width in WIDTHS]
    return max(wider / narrower for narrower, wider in pairwise(own))


def gemm_share(task: Task) -> Callable[[Times], float]:
    """mlpcore's rate on a table over that of gemm.

    The targets count three products a layer, also the errors of the inputs, which nobody needs.
    """
    layers = sum(a * b for a, b in pairwise(task.widths))
    counted = 6 * task.rows * layers / task.flops
    return lambda times: counted * ratio("dense floor", case=table_name(task))(times)


def on_table(task: Task, peer: str, limit: float) -> Target:
    target = against(peer, limit, table_name(task))
    return replace(target, gemm_share=gemm_share(task))


def two_threads(task: Task) -> Target:
    case = table_name(task)
    measure = ratio("mlpcore, 1 thread", case=case)
    return Target(f"{case}, all threads against 1", measure, at_least=1.6)


def over_fixed(case: str) -> Target:
    """mlpcore takes about as long as with the better of two fixed numbers of threads."""

    def measure(times: Times) -> float:
        fixed = "mlpcore, 1 thread", "mlpcore, all threads always"
        return times[case]["mlpcore"] / min(times[case][name] for name in fixed)

    return Target(f"{case}, over the best fixed number of threads", measure, at_most=1.1)


AGAINST_ESTIMATORS = {"MNIST": (6, 5, 3.5), "digits": (8, 7, 3), "breast cancer": (8, 7, 3)}
BUSY_PEERS = ("JAX", 2.8), ("PyTorch", 4.5)
NARROWEST = table_task(SIZES[3], "float32")
TARGETS: dict[str, tuple[Target, ...]] = {
    "main": (
        against("JAX", 3),
        against("PyTorch", 5.5),
        against("scikit-learn", 5.5),
        against("textbook", 12),
        Target("fraction of the dense floor's time", ratio("mlpcore", "dense floor"), at_most=0.5),
        Target("1 thread, against JAX on all", ratio("JAX", "mlpcore, 1 thread"), at_least=2.4),
        Target("all threads against 1", ratio("mlpcore, 1 thread"), at_least=1.75),
    ),
    "minibatch": (
        against("PyTorch", 100, "minibatch 1"),
        against("scikit-learn", 50, "minibatch 1"),
        against("PyTorch", 15, "minibatch 10"),
        against("PyTorch", 3, "minibatch 1,000"),
    ),
    "float64": (against("textbook", 10), against("JAX", 3)),
    "gaussian": (against("JAX", 1.25), against("PyTorch", 2)),
    "wide": tuple(
        against(peer, limit, case)
        for case in ("784-800-10", "784-500-150-10")
        for peer, limit in (("JAX", 1.5), ("PyTorch", 2))
    ),
    "deep": (
        against("JAX", 1.15),
        against("PyTorch", 1),
        Target("fraction of sgemm's peak", ratio("dense floor"), at_least=0.75),
    ),
    "narrow": (
        *(against("PyTorch", 4, narrow(w)) for w in WIDTHS if w <= 64),
        *(against("PyTorch", 2, narrow(w)) for w in WIDTHS if 64 < w <= 256),
        *(against("PyTorch", 1.1, narrow(w)) for w in WIDTHS if w > 256),
        Target("largest fall from one w to the next", largest_fall, at_most=0.05, unit="%"),
        Target("largest rise, over that of the operations", largest_rise, at_most=1.25),
    ),
    "predict": (
        against("PyTorch", 12, "1 row"),
        against("scikit-learn", 80, "1 row"),
        Target("1 row", lambda times: times["1 row"]["mlpcore"], at_most=2e-6, unit="s"),
        against("PyTorch", 3, "10,000 rows"),
        against("scikit-learn", 4, "10,000 rows"),
        against("NumPy", 2.5, "10,000 rows"),
        against("JAX", 1.5, "10,000 rows"),
    ),
    "estimators": tuple(
        against("scikit-learn", least, f"{name}, {solver}")
        for name, _, _ in DATA_SETS
        for solver, least in zip(SOLVERS, AGAINST_ESTIMATORS[name], strict=True)
    ),
    "estimators-predict": (against("scikit-learn", 3, "1 row"),),
    "tables": (
        *(
            on_table(task, peer, limit)
            for task in TABLES
            for peer, limit in (("scikit-learn", 8), ("PyTorch", 8), ("JAX", 3))
        ),
        *(two_threads(task) for task in TABLES if task.widths != NARROWEST.widths),
        Target(
            f"{table_name(NARROWEST)}, 1 thread, a row and epoch",
            lambda times: times[table_name(NARROWEST)]["mlpcore, 1 thread"] / NARROWEST.rows,
            at_most=60e-9,
            unit="s",
        ),
    ),
    "busy": (
        *(over_fixed(beside(n)) for n in (1, 2)),
        *(against(peer, limit, beside(n)) for n in (1, 2) for peer, limit in BUSY_PEERS),
    ),
    "busy-tables": tuple(over_fixed(f"{name}, {beside(n)}") for name in BUSY_TASKS for n in (1, 2)),
    "search": (against("scikit-learn", 5),),
    "accuracy": (
        Target("median of five seeds", lambda times: times[""]["mlpcore"], at_most=1.0, unit="s"),
        against("PyTorch", 5),
    ),
    "distortions": (
        Target(
            "1 thread, an image",
            lambda times: times[""]["mlpcore, 1 thread"],
            at_most=12e-6,
            unit="s",
        ),
    ),
    "distorted-fit": (against("PyTorch", 4),),
    "rows": (
        Target(
            "growth of the time per row, from 10,000 to 1,000,000",
            lambda times: times["1,000,000 rows"]["mlpcore"] / times["10,000 rows"]["mlpcore"] - 1,
            at_most=0.15,
            unit="%",
        ),
    ),
    "memory": (
        Target(
            "peak over the data and the import",
            lambda times: times[""]["mlpcore"],
            at_most=40e6,
            unit="B",
        ),
    ),
}


def report(results: Results) -> str:
    """Every target of the benchmarks in `results`, and how many were reached."""
    rows = [
        (name, target.text, target.limit, *target.verdict(medians(result)))
        for name, result in results.items()
        for target in TARGETS.get(name, ())
    ]
    words = {True: "yes", False: "**no**", None: ""}
    reached = [row[-1] for row in rows]
    lines = table(
        ("benchmark", "target", "needed", "measured", "reached"),
        [(*row[:-1], words[row[-1]]) for row in rows],
    )
    counts = (
        f"{reached.count(True)} of {len(rows)} targets reached, {reached.count(False)} missed, "
        f"{reached.count(None)} not measured."
    )
    return f"{lines}\n\n{counts}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.targets", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    print(report(load(parser.parse_args().results)))


if __name__ == "__main__":
    main()

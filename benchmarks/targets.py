"""What the developers want mlpcore to reach, and whether the stored results reach it.

python -m benchmarks.targets [--results DIR]

Targets steer the work on the engine and were set before the results were known, most of them on
another machine. Users find the measurements themselves in docs/benchmarks.md.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.definitions import SOLVERS, TABLES, WIDTHS, Times, narrow, narrow_task
from benchmarks.report import RESULTS, Results, amount, load, medians, table


@dataclass(frozen=True)
class Target:
    """A number made of the medians, `times[case][implementation]`, and its limit."""

    text: str
    measure: Callable[[Times], float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""  # "s", "B", "%"; "": a ratio

    @property
    def limit(self) -> str:
        if self.at_most is None:
            return f"at least {self.at_least:g}"
        return f"at most {amount(self.at_most, self.unit)}"

    def verdict(self, times: Times) -> tuple[str, bool | None]:
        """The measured value and whether the target is reached; None where it was not measured."""
        try:
            value = self.measure(times)
        except KeyError:
            return "not measured", None
        reached = value >= self.at_least if self.at_most is None else value <= self.at_most
        return amount(value, self.unit), reached


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


TARGETS: dict[str, tuple[Target, ...]] = {
    "main": (
        against("JAX", 4),
        against("PyTorch", 7),
        against("scikit-learn", 5),
        against("textbook", 15),
        Target("fraction of the dense floor's time", ratio("mlpcore", "dense floor"), at_most=0.5),
        Target("1 thread, against JAX on all", ratio("JAX", "mlpcore, 1 thread"), at_least=2.4),
        Target("all threads against 1", ratio("mlpcore, 1 thread"), at_least=1.6),
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
        against("JAX", 1),
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
        against("JAX", 1.5, "10,000 rows"),
    ),
    "estimators": tuple(
        against("scikit-learn", 1.5 if solver == "lbfgs" else least, f"{name}, {solver}")
        for (name, _, _), least in zip(TABLES, (3, 4, 4), strict=True)
        for solver in SOLVERS
    ),
    "estimators-predict": (against("scikit-learn", 3, "1 row"),),
    "accuracy": (
        Target("median of five seeds", lambda times: times[""]["mlpcore"], at_most=1.0, unit="s"),
        against("PyTorch", 5),
    ),
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

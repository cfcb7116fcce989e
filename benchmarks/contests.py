"""The table of contests: what is done, by whom, and what mlpcore is to reach. To add one, add it.

A contest has cases (one task each) and entries (who does it, each in its own process). A target
takes the medians, `times[case][entry]`, and gives the number to compare with its limit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from benchmarks.tasks import Task

Times = dict[str, dict[str, float]]
FULL = {"rows": 55_000, "valid": 5_000}
TENTH = {"rows": 5_500, "valid": 500}


@dataclass(frozen=True)
class Entry:
    name: str  # as the tables show it
    module: str  # in contestants/
    setting: dict = field(default_factory=dict)  # fixed, not chosen by trial
    quick: dict = field(default_factory=dict)  # fixed as well in a quick run


MLPCORE = Entry("mlpcore", "mlpcore_")
ONE_THREAD = Entry("mlpcore, 1 thread", "mlpcore_", {"threads": 1})
DENSE = Entry("mlpcore, dense path", "mlpcore_", {"path": "dense"})
SPARSE = Entry("mlpcore, sparse path", "mlpcore_", {"path": "sparse"})
JAX = Entry("JAX", "jax_")
TORCH = Entry("PyTorch", "torch_", quick={"mode": "eager"})
SKLEARN = Entry("scikit-learn", "sklearn_")
NUMPY = Entry("NumPy", "numpy_")
TEXTBOOK = Entry("textbook", "textbook")
FLOOR = Entry("dense floor", "blas")


@dataclass(frozen=True)
class Case:
    label: str
    task: Task
    x: float | None = None  # its place on the picture's axis
    setting: dict = field(default_factory=dict)
    quick: bool = False


@dataclass(frozen=True)
class Target:
    text: str
    measure: Callable[[Times], float]
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""  # "s", "B", "%"; "": a ratio

    def reached(self, times: Times) -> bool:
        value = self.measure(times)
        return value >= self.at_least if self.at_most is None else value <= self.at_most


@dataclass(frozen=True)
class Contest:
    name: str
    title: str
    cases: tuple[Case, ...]
    entries: tuple[Entry, ...]
    targets: tuple[Target, ...] = ()
    about: str = ""
    unit: str = "s an epoch"
    axis: str = ""  # the picture's; "": none
    per_row: bool = False  # times are divided by the rows: cases have unlike numbers of them
    fresh: bool = False  # a new process for every round, and no warm-up
    reference: Entry | None = TEXTBOOK  # whose outcome all must reach
    rounds: int = 5


def ratio(over: str, under: str = "mlpcore", case: str = "") -> Callable[[Times], float]:
    return lambda times: times[case][over] / times[case][under]


def against(peer: str, limit: float, case: str = "") -> Target:
    """mlpcore is at least `limit` times as fast as `peer`."""
    text = f"{case}, against {peer}" if case else f"against {peer}"
    return Target(text, ratio(peer, case=case), at_least=limit)


MAIN = Contest(
    "main",
    "784-100-10, minibatch 100, float32",
    (Case("", Task(), quick=True),),
    (MLPCORE, ONE_THREAD, JAX, TORCH, SKLEARN, NUMPY, TEXTBOOK, FLOOR),
    (
        against("JAX", 4),
        against("PyTorch", 7),
        against("scikit-learn", 5),
        against("textbook", 15),
        Target("share of the dense floor's time", ratio("mlpcore", "dense floor"), at_most=0.5),
        Target("1 thread, against JAX on all", ratio("JAX", "mlpcore, 1 thread"), at_least=2.4),
        Target("all threads against 1", ratio("mlpcore, 1 thread"), at_least=1.6),
    ),
    about="The textbook's network on MNIST, 55,000 rows. The dense floor is the time that the "
    "additions and multiplications of one epoch would take at the peak rate of sgemm, measured in "
    "the same rounds. The textbook's class computes in float64, as printed; NumPy is the same "
    "formulas in float32, evaluated in one pass.",
)

MINIBATCH = Contest(
    "minibatch",
    "784-100-10 with minibatches of 1 to 10,000",
    (
        Case("minibatch 1", Task(batch=1, **TENTH), 1, quick=True),
        Case("minibatch 10", Task(batch=10), 10),
        Case("minibatch 100", Task(batch=100), 100),
        Case("minibatch 1,000", Task(batch=1_000), 1_000),
        Case("minibatch 10,000", Task(batch=10_000, rows=50_000, eta=5e-5), 10_000),
    ),
    (MLPCORE, JAX, TORCH, SKLEARN),
    (
        against("PyTorch", 100, "minibatch 1"),
        against("scikit-learn", 50, "minibatch 1"),
        against("PyTorch", 15, "minibatch 10"),
        against("PyTorch", 3, "minibatch 1,000"),
    ),
    about="Minibatch 1 trains on a tenth of the rows and validates on a tenth, because the peers "
    "are slow at it; times are given per row for that reason. At minibatch 10,000 the "
    "rate is a tenth, because gradients are sums.",
    unit="s a row and epoch",
    per_row=True,
    axis="rows in a minibatch",
)

FLOAT64 = Contest(
    "float64",
    "784-100-10, minibatch 100, float64",
    (Case("", Task(dtype="float64")),),
    (MLPCORE, JAX, NUMPY, TEXTBOOK),
    (against("textbook", 10), against("JAX", 3)),
)

GAUSSIAN = Contest(
    "gaussian",
    "784-100-10 on data without any background",
    (Case("", Task(data="made-up")),),
    (MLPCORE, JAX, TORCH),
    (against("JAX", 1.25), against("PyTorch", 2)),
    about="Gaussian entries, so that there is nothing to skip and every peer has the same "
    "operations to do.",
)

WIDE = Contest(
    "wide",
    "wider and deeper networks on MNIST",
    (
        Case("784-800-10", Task(hidden=(800,), repeat=2)),
        Case("784-500-150-10", Task(hidden=(500, 150), repeat=2)),
    ),
    (MLPCORE, JAX, TORCH),
    tuple(
        against(peer, limit, case)
        for case in ("784-800-10", "784-500-150-10")
        for peer, limit in (("JAX", 1.5), ("PyTorch", 2))
    ),
)

DEEP = Contest(
    "deep",
    "784-2500-2000-1500-1000-500-10, minibatch 100",
    (Case("", Task(hidden=(2500, 2000, 1500, 1000, 500), repeat=2, **TENTH)),),
    (MLPCORE, JAX, TORCH, FLOOR),
    (
        against("JAX", 1),
        against("PyTorch", 1),
        Target("share of sgemm's peak", ratio("dense floor"), at_least=0.75),
    ),
    about="A tenth of the rows, two epochs a fit. Drawing 12 million starting weights is in the "
    "time of everybody.",
)

WIDTHS = 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024


def narrow(width: int) -> str:
    return f"w = {width:,}"


def narrow_task(width: int) -> Task:
    sizes = {"columns": 10, "hidden": (width, width), "rows": 12_800, "valid": 1_280}
    return Task(data="made-up", batch=128, eta=5e-5, **sizes)


def largest_fall(times: Times) -> float:
    """The share by which the time falls, at worst, from one width to the next."""
    own = [times[narrow(width)]["mlpcore"] for width in WIDTHS]
    return max(0.0, *(1 - wider / narrower for narrower, wider in pairwise(own)))


def largest_rise(times: Times) -> float:
    """How many times faster than the operations the time rises, at worst."""
    own = [times[narrow(width)]["mlpcore"] / narrow_task(width).flops for width in WIDTHS]
    return max(wider / narrower for narrower, wider in pairwise(own))


NARROW = Contest(
    "narrow",
    "10-w-w-10, minibatch 128",
    tuple(Case(narrow(w), narrow_task(w), w, quick=w == 64) for w in WIDTHS),
    (MLPCORE, TORCH),
    (
        *(against("PyTorch", 4, narrow(w)) for w in WIDTHS if w <= 64),
        *(against("PyTorch", 2, narrow(w)) for w in WIDTHS if 64 < w <= 256),
        *(against("PyTorch", 1.1, narrow(w)) for w in WIDTHS if w > 256),
        Target("largest fall from one w to the next", largest_fall, at_most=0.05, unit="%"),
        Target("largest rise, over that of the operations", largest_rise, at_most=1.25),
    ),
    about="The case of PyTorch issue 144633, where more threads made small layers slower: the time "
    "should rise with w, smoothly. PyTorch has the better of its thread counts for each w.",
    axis="w",
)

PREDICT = Contest(
    "predict",
    "prediction with 784-100-10",
    (
        Case("1 row", Task("predict", rows=5_500, valid=1_000, batch=1), quick=True),
        Case("10,000 rows", Task("predict", rows=5_500, valid=10_000, batch=10_000, repeat=20)),
    ),
    (MLPCORE, JAX, TORCH, SKLEARN, NUMPY),
    (
        against("PyTorch", 12, "1 row"),
        against("scikit-learn", 80, "1 row"),
        Target("1 row", lambda times: times["1 row"]["mlpcore"], at_most=2e-6, unit="s"),
        against("PyTorch", 3, "10,000 rows"),
        against("scikit-learn", 4, "10,000 rows"),
        against("JAX", 1.5, "10,000 rows"),
    ),
    about="Labels of rows that lie ready in each library's own kind of array; one row at a time "
    "through 1,000 different rows, and 10,000 at once.",
    unit="s a call",
)

# The drop-in for scikit-learn's estimators: the import line is all that differs.
OURS = Entry("mlpcore", "estimators", {"library": "mlpcore.sklearn"})
THEIRS = Entry("scikit-learn", "estimators", {"library": "sklearn.neural_network"})
BATCH = 200  # scikit-learn's
ON_MNIST = Task(batch=BATCH, rows=60_000, valid=0)
DIGITS = Task(data="digits", columns=64, rows=1_797, valid=0, batch=BATCH, dtype="float64")
CANCER = Task(data="breast cancer", columns=30, rows=569, valid=0, batch=BATCH, dtype="float64")
TABLES = (("MNIST", ON_MNIST, 5), ("digits", DIGITS, 100), ("breast cancer", CANCER, 100))
SOLVERS = "adam", "sgd", "lbfgs"

ESTIMATORS = Contest(
    "estimators",
    "MLPClassifier(random_state=1).fit, with either import line",
    tuple(
        Case(
            f"{name}, {solver}", replace(task, solver=solver, repeat=epochs), quick=name == "digits"
        )
        for name, task, epochs in TABLES
        for solver in SOLVERS
    ),
    (OURS, THEIRS),
    tuple(
        against("scikit-learn", 1.5 if solver == "lbfgs" else least, f"{name}, {solver}")
        for (name, _, _), least in zip(TABLES, (3, 4, 4), strict=True)
        for solver in SOLVERS
    ),
    about="One hidden layer of 100 relu units and minibatches of 200, scikit-learn's defaults: all "
    "60,000 images of MNIST in float32, and two small tables in float64. Both libraries draw the "
    "same numbers and end with the same loss. Checks and everything else that fit does is in the "
    "time, spread over 5 epochs (MNIST) or 100.",
    reference=THEIRS,
)

ONE_ROW = Contest(
    "estimators-predict",
    "MLPClassifier.predict with 784-100-10, with either import line",
    (
        Case(
            "1 row",
            Task("predict", rows=5_500, valid=1_000, batch=1, solver="adam"),
            quick=True,
        ),
        Case("1,000 rows", Task("predict", rows=5_500, valid=10_000, batch=1_000, solver="adam")),
    ),
    (OURS, THEIRS),
    (against("scikit-learn", 3, "1 row"),),
    unit="s a call",
    reference=THEIRS,
)

ACCURACY = Contest(
    "accuracy",
    "from MNIST's files to the textbook's accuracy",
    (Case("", Task("accuracy", rows=60_000, valid=0, batch=32, repeat=1)),),
    (Entry("mlpcore", "recipe"), Entry("PyTorch", "recipe_torch")),
    (
        Target("median of five seeds", lambda times: times[""]["mlpcore"], at_most=1.0, unit="s"),
        against("PyTorch", 5),
    ),
    about="The recipe of examples/one_second.py, which was chosen on held-out training images: "
    "784-100-10 with rectified linear units, Adam and one cycle of the learning rate, 3 epochs of "
    "all 60,000 images, 32 at a time. From the compressed IDX files to the accuracy on the test "
    "images; each round has a seed of its own, and none may stay below 97.54 %.",
    unit="s a run",
    reference=None,
)

ROWS = 10_000, 30_000, 100_000, 300_000, 1_000_000
MANY_ROWS = Contest(
    "rows",
    "784-100-10 on up to a million rows of bytes",
    tuple(Case(f"{n:,} rows", Task(dtype="uint8", rows=n, valid=n // 10), n) for n in ROWS),
    (MLPCORE,),
    (
        Target(
            "growth of the time per row, from 10,000 to 1,000,000",
            lambda times: times["1,000,000 rows"]["mlpcore"] / times["10,000 rows"]["mlpcore"] - 1,
            at_most=0.15,
            unit="%",
        ),
    ),
    about="MNIST's training images, again and again, each time moved by other pixels; handed over "
    "as uint8. The validation rows are a tenth of the training rows throughout.",
    unit="s a row and epoch",
    per_row=True,
    axis="rows",
)

MEMORY = Contest(
    "memory",
    "memory of a fit from bytes",
    (Case("", Task("memory", dtype="uint8", repeat=1), quick=True),),
    (MLPCORE,),
    (
        Target(
            "peak over the data and the import",
            lambda times: times[""]["mlpcore"],
            at_most=40e6,
            unit="B",
        ),
    ),
    about="The highest resident memory during a fit on 55,000 rows of uint8, less the resident "
    "memory just before it, in a new process each time.",
    unit="B",
    fresh=True,
)

WIDTH = Contest(
    "width",
    "784-w-10, minibatch 100, a fifth of MNIST",
    tuple(
        Case(narrow(w), Task(hidden=(w,), rows=11_000, valid=1_000), w)
        for w in (25, 50, 100, 200, 400, 800, 1600)
    ),
    (MLPCORE, JAX, TORCH),
    axis="hidden units",
)

DENSITIES = 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0
DENSITY = Contest(
    "density",
    "784-100-10 on made-up data with a share of background",
    tuple(
        Case(f"{p:.0%} filled", Task(data="made-up", density=p, rows=11_000, valid=1_000), p)
        for p in DENSITIES
    ),
    (MLPCORE, DENSE, SPARSE, JAX),
    about="The place of the background is random here, unlike in images. mlpcore counts and takes "
    "one of its two ways through the first layer; both are also shown by themselves.",
    axis="share of entries that are not background",
)

THREADS = Contest(
    "threads",
    "784-100-10, minibatch 100, by threads",
    tuple(
        Case(f"{n} thread{'s' * (n > 1)}", Task(), n, {"threads": n})
        for n in (1, 2, 3, 4, 6, 8, 12, 16)
    ),
    (MLPCORE, replace(TORCH, setting={"mode": "eager"}), NUMPY),
    about="Up to as many as the contest has cores. PyTorch is not compiled here.",
    axis="threads",
)

CONTESTS = {
    contest.name: contest
    for contest in (
        MAIN, MINIBATCH, FLOAT64, GAUSSIAN, WIDE, DEEP, NARROW, PREDICT, ESTIMATORS, ONE_ROW,
        ACCURACY, MANY_ROWS, MEMORY, WIDTH, DENSITY, THREADS,
    )
}  # fmt: skip

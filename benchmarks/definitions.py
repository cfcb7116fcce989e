"""The benchmarks: what is run, and by which implementations. A new one goes into this table.

A benchmark has cases, one task each, and implementations, each of which runs in its own process.
The reference points that developers watch are in `targets`.
"""

from dataclasses import dataclass, field, replace

from benchmarks.tasks import Task

Times = dict[str, dict[str, float]]
TENTH = {"rows": 5_500, "valid": 500}


@dataclass(frozen=True)
class Implementation:
    name: str  # as the tables show it
    module: str  # in implementations/
    setting: dict = field(default_factory=dict)  # fixed, not chosen by trial
    quick: dict = field(default_factory=dict)  # fixed as well in a quick run


MLPCORE = Implementation("mlpcore", "mlpcore_")
ONE_THREAD = Implementation("mlpcore, 1 thread", "mlpcore_", {"threads": 1})
# As in the fixed number of earlier versions; the number is otherwise chosen during the fit.
ALWAYS_ALL = Implementation("mlpcore, all threads always", "mlpcore_", {"always": "all threads"})
DENSE = Implementation("mlpcore, dense path", "mlpcore_", {"path": "dense"})
SPARSE = Implementation("mlpcore, sparse path", "mlpcore_", {"path": "sparse"})
JAX = Implementation("JAX", "jax_")
TORCH = Implementation("PyTorch", "torch_", quick={"mode": "eager"})
SKLEARN = Implementation("scikit-learn", "sklearn_")
NUMPY = Implementation("NumPy", "numpy_")
TEXTBOOK = Implementation("textbook", "textbook")
FLOOR = Implementation("dense floor", "blas")


@dataclass(frozen=True)
class Case:
    label: str
    task: Task
    x: float | None = None  # its place on the picture's axis
    setting: dict = field(default_factory=dict)
    quick: bool = False
    busy: int = 0  # programs that compute beside each run


@dataclass(frozen=True)
class Benchmark:
    """All implementations run all cases, interleaved; `runner` says how."""

    name: str
    title: str
    cases: tuple[Case, ...]
    implementations: tuple[Implementation, ...]
    about: str = ""
    unit: str = "s an epoch"
    axis: str = ""  # the picture's; "": none
    per_row: bool = False  # times are divided by the rows: their number differs between the cases
    fresh: bool = False  # a new process for every round, and no warm-up
    reference: Implementation | None = TEXTBOOK  # all must reach its outcome
    rounds: int = 5


MAIN = Benchmark(
    "main",
    "784-100-10, minibatch 100, float32",
    (Case("", Task(), quick=True),),
    (MLPCORE, ONE_THREAD, JAX, TORCH, SKLEARN, NUMPY, TEXTBOOK, FLOOR),
    about="The textbook's network on MNIST, 55,000 rows. The dense floor is the time that the "
    "additions and multiplications of one epoch would take at the peak rate of sgemm, measured in "
    "the same rounds. The textbook's class computes in float64, as printed; NumPy is the same "
    "formulas in float32, evaluated in one pass.",
)

MINIBATCH = Benchmark(
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
    about="Minibatch 1 trains on a tenth of the rows and validates on a tenth, because the peers "
    "are slow at it; times are given per row for that reason. At minibatch 10,000 the "
    "rate is a tenth, because gradients are sums.",
    unit="s a row and epoch",
    per_row=True,
    axis="rows in a minibatch",
)

FLOAT64 = Benchmark(
    "float64",
    "784-100-10, minibatch 100, float64",
    (Case("", Task(dtype="float64")),),
    (MLPCORE, JAX, NUMPY, TEXTBOOK),
)

GAUSSIAN = Benchmark(
    "gaussian",
    "784-100-10 on data without any background",
    (Case("", Task(data="synthetic")),),
    (MLPCORE, JAX, TORCH),
    about="Gaussian numbers, so that there is nothing to skip and every peer has the same "
    "operations to do.",
)

WIDE = Benchmark(
    "wide",
    "wider and deeper networks on MNIST",
    (
        Case("784-800-10", Task(hidden=(800,), repeat=2)),
        Case("784-500-150-10", Task(hidden=(500, 150), repeat=2)),
    ),
    (MLPCORE, JAX, TORCH),
)

DEEP = Benchmark(
    "deep",
    "784-2500-2000-1500-1000-500-10, minibatch 100",
    (Case("", Task(hidden=(2500, 2000, 1500, 1000, 500), repeat=2, **TENTH)),),
    (MLPCORE, JAX, TORCH, FLOOR),
    about="A tenth of the rows, two epochs a fit. Drawing 12 million starting weights is in the "
    "time of every implementation.",
)

WIDTHS = 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024


def narrow(width: int) -> str:
    return f"w = {width:,}"


def narrow_task(width: int) -> Task:
    sizes = {"columns": 10, "hidden": (width, width), "rows": 12_800, "valid": 1_280}
    return Task(data="synthetic", batch=128, eta=5e-5, **sizes)


NARROW = Benchmark(
    "narrow",
    "10-w-w-10, minibatch 128",
    tuple(Case(narrow(w), narrow_task(w), w, quick=w == 64) for w in WIDTHS),
    (MLPCORE, TORCH),
    about="The case of PyTorch issue 144633, where more threads made small layers slower: the time "
    "should rise with w, smoothly. PyTorch has the better of its thread counts for each w.",
    axis="w",
)

PREDICT = Benchmark(
    "predict",
    "prediction with 784-100-10",
    (
        Case("1 row", Task("predict", rows=5_500, valid=1_000, batch=1), quick=True),
        Case("10,000 rows", Task("predict", rows=5_500, valid=10_000, batch=10_000, repeat=20)),
    ),
    (MLPCORE, JAX, TORCH, SKLEARN, NUMPY),
    about="Labels of rows that are already in each library's array type; one row at a time "
    "through 1,000 different rows, and 10,000 in one call.",
    unit="s a call",
)

# The replacement of scikit-learn's estimators: only the import line differs.
OUR_LIBRARY = {"library": "mlpcore.sklearn"}
OURS = Implementation("mlpcore", "mlpcore_estimators", OUR_LIBRARY)
THEIRS = Implementation("scikit-learn", "estimators", {"library": "sklearn.neural_network"})
BATCH = 200  # scikit-learn's
ON_MNIST = Task(batch=BATCH, rows=60_000, valid=0)
DIGITS = Task(data="digits", columns=64, rows=1_797, valid=0, batch=BATCH, dtype="float64")
CANCER = Task(data="breast cancer", columns=30, rows=569, valid=0, batch=BATCH, dtype="float64")
DATA_SETS = (("MNIST", ON_MNIST, 5), ("digits", DIGITS, 100), ("breast cancer", CANCER, 100))
SOLVERS = "adam", "sgd", "lbfgs"

ESTIMATORS = Benchmark(
    "estimators",
    "MLPClassifier(random_state=1).fit, with either import line",
    tuple(
        Case(
            f"{name}, {solver}", replace(task, solver=solver, repeat=epochs), quick=name == "digits"
        )
        for name, task, epochs in DATA_SETS
        for solver in SOLVERS
    ),
    (OURS, THEIRS),
    about="One hidden layer of 100 relu units and minibatches of 200, scikit-learn's defaults: all "
    "60,000 images of MNIST in float32, and two small tables in float64. Both libraries draw the "
    "same numbers and end with the same loss. Checks and everything else that fit does is in the "
    "time, spread over 5 epochs (MNIST) or 100.",
    reference=THEIRS,
)

ONE_ROW = Benchmark(
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
    unit="s a call",
    reference=THEIRS,
)

ON_ONE_THREAD = replace(OURS, name=ONE_THREAD.name, setting={**OUR_LIBRARY, "threads": 1})
ON_ALL_ALWAYS = replace(
    OURS, name=ALWAYS_ALL.name, setting={**OUR_LIBRARY, "always": "all threads"}
)
SIZES = (  # of the tables: rows, columns, hidden layers
    (100_000, 50, (100,)),
    (100_000, 50, (100, 50)),
    (100_000, 20, (64, 64)),
    (200_000, 10, (32,)),
    (50_000, 200, (100,)),
    (20_000, 50, (256, 256, 256)),
)
FLOATS = "float64", "float32"


def table_task(size: tuple[int, int, tuple[int, ...]], dtype: str, target: str = "number") -> Task:
    rows, columns, hidden = size
    shape = {"columns": columns, "hidden": hidden, "rows": rows, "valid": 0, "batch": BATCH}
    return Task(data="table", target=target, dtype=dtype, solver="adam", **shape)


def table_name(task: Task) -> str:
    network = "-".join(map(str, task.widths))
    kind = "two classes, " if task.target == "binary" else ""
    return f"{task.rows:,} x {network}, {kind}{task.dtype}"


TABLES = (
    *(table_task(size, dtype) for size in SIZES for dtype in FLOATS),
    *(table_task(SIZES[0], dtype, "binary") for dtype in FLOATS),
)
TABULAR = Benchmark(
    "tables",
    "MLPRegressor and MLPClassifier on tables of 10 to 200 columns",
    tuple(Case(table_name(task), task, quick=task in (TABLES[0], TABLES[-1])) for task in TABLES),
    (
        OURS,
        ON_ONE_THREAD,
        Implementation("JAX", "jax_tables"),
        Implementation("PyTorch", "torch_tables", quick=TORCH.quick),
        THEIRS,
        FLOOR,
    ),
    about="Random rows with one target, a number or one of two classes; relu, Adam, minibatches of "
    "200, scikit-learn's defaults. JAX and PyTorch train with scikit-learn's starting weights and "
    "minibatches, and spend no time on the loss that scikit-learn and mlpcore report for each "
    "epoch. The dense floor counts no errors of the inputs, which nobody needs.",
    reference=THEIRS,
)


def beside(count: int) -> str:
    return f"beside {count} busy program{'s' * (count > 1)}"


BUSY = Benchmark(
    "busy",
    "784-100-10, minibatch 100, on a busy machine",
    tuple(Case(beside(n), Task(repeat=10), quick=n == 1, busy=n) for n in (1, 2)),
    (MLPCORE, ONE_THREAD, ALWAYS_ALL, JAX, TORCH),
    about="The benchmark `main` while one or two other programs compute all the time on the same "
    "processors. mlpcore chooses during the fit how many of its threads work; beside that, one "
    "thread, and all threads all the time.",
    rounds=7,
)

BUSY_TASKS = {
    **{
        table_name(task): replace(task, repeat=10)
        for task in (table_task(SIZES[0], "float64"), table_task(SIZES[4], "float32"))
    },
    "digits": replace(DIGITS, solver="adam", repeat=500),
}
BUSY_TABLES = Benchmark(
    "busy-tables",
    "MLPRegressor and MLPClassifier on a busy machine",
    tuple(
        Case(f"{name}, {beside(n)}", task, quick=n == 1 and name == "digits", busy=n)
        for name, task in BUSY_TASKS.items()
        for n in (1, 2)
    ),
    (OURS, ON_ONE_THREAD, ON_ALL_ALWAYS),
    about="Two of the benchmark `tables` and the digits of `estimators`, with Adam, while one or "
    "two other programs compute all the time on the same processors.",
    reference=THEIRS,
    rounds=7,
)

SEARCH = Benchmark(
    "search",
    "GridSearchCV of 48 small fits, n_jobs=2, with either import line",
    (Case("", replace(DIGITS, action="search", solver="adam", repeat=1), quick=True),),
    (OURS, THEIRS),
    about="MLPClassifier on the 1,797 digits: two hidden layer sizes, four penalties and two "
    "learning rates with three folds each, 30 epochs a fit, in two processes with one thread each. "
    "Both libraries find the same candidate with the same score. The start of the processes is not "
    "in the time.",
    unit="s a search",
    reference=THEIRS,
)

ACCURACY = Benchmark(
    "accuracy",
    "from MNIST's files to the textbook's accuracy",
    (Case("", Task("accuracy", rows=60_000, valid=0, batch=32, repeat=1)),),
    (Implementation("mlpcore", "recipe"), Implementation("PyTorch", "recipe_torch")),
    about="The recipe of examples/one_second.py, which was chosen on held-out training images: "
    "784-100-10 with rectified linear units, Adam and one cycle of the learning rate, 3 epochs of "
    "all 60,000 images, 32 at a time. From the compressed IDX files to the accuracy on the test "
    "images; each round has its own seed, and none may stay below 97.54 %.",
    unit="s a run",
    reference=None,
)

DISTORTED = (
    Implementation("mlpcore", "distort_mlpcore"),
    Implementation("PyTorch", "distort_torch", quick=TORCH.quick),
)
DISTORTIONS = Benchmark(
    "distortions",
    "distortions of 28 x 28 images",
    (Case("", Task("distort", rows=2_000, valid=0, repeat=1), quick=True),),
    (
        DISTORTED[0],
        replace(DISTORTED[0], name=ONE_THREAD.name, setting=ONE_THREAD.setting),
        DISTORTED[1],
        Implementation("SciPy", "distort_scipy"),
    ),
    about="Each image is turned, scaled, sheared, shifted and displaced elastically, another way "
    "in each epoch: by `mlpcore.Distortion`, by torchvision's `ElasticTransform` and "
    "`RandomAffine`, and by SciPy's `gaussian_filter` and `map_coordinates`. torchvision "
    "interpolates twice.",
    unit="s an image",
    per_row=True,
    reference=None,
)

DISTORTED_FIT = Benchmark(
    "distorted-fit",
    "784-1000-500-10 on distorted images, minibatch 100",
    (
        Case(
            "",
            Task(
                "distorted fit", hidden=(1000, 500), eta=1e-3, l2=0.05, dropout=0.2, repeat=1,
                **TENTH,
            ),
            quick=True,
        ),
    ),
    DISTORTED,
    about="The network and the recipe of three minutes of examples/record.py on a tenth of the "
    "rows: AdamW, dropout, and the distortions of the benchmark `distortions`, which PyTorch gets "
    "from torchvision. Each library draws its own starting weights.",
    reference=None,
)  # fmt: skip

ROWS = 10_000, 30_000, 100_000, 300_000, 1_000_000
MANY_ROWS = Benchmark(
    "rows",
    "784-100-10 on up to a million rows of bytes",
    tuple(Case(f"{n:,} rows", Task(dtype="uint8", rows=n, valid=n // 10), n) for n in ROWS),
    (MLPCORE,),
    about="MNIST's training images, repeated, each time shifted by other pixels; passed as "
    "uint8. The validation rows are a tenth of the training rows throughout.",
    unit="s a row and epoch",
    per_row=True,
    axis="rows",
)

MEMORY = Benchmark(
    "memory",
    "memory of a fit from bytes",
    (Case("", Task("memory", dtype="uint8", repeat=1), quick=True),),
    (MLPCORE,),
    about="The highest resident memory during a fit on 55,000 rows of uint8, less the resident "
    "memory just before it, in a new process each time.",
    unit="B",
    fresh=True,
)

WIDTH = Benchmark(
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
DENSITY = Benchmark(
    "density",
    "784-100-10 on synthetic data of varying density",
    tuple(
        Case(f"{p:.0%} filled", Task(data="synthetic", density=p, rows=11_000, valid=1_000), p)
        for p in DENSITIES
    ),
    (MLPCORE, DENSE, SPARSE, JAX),
    about="The background's positions are random here, unlike in images. mlpcore counts and takes "
    "the dense or the sparse path through the first layer; both are also shown by themselves.",
    axis="fraction of entries that differ from the background",
)

THREADS = Benchmark(
    "threads",
    "784-100-10, minibatch 100, by threads",
    tuple(
        Case(f"{n} thread{'s' * (n > 1)}", Task(), n, {"threads": n})
        for n in (1, 2, 3, 4, 6, 8, 12, 16)
    ),
    (MLPCORE, replace(TORCH, setting={"mode": "eager"}), NUMPY),
    about="Up to as many threads as there are cores. PyTorch is not compiled here.",
    axis="threads",
)

IN_A_FILE = {"dtype": "uint8", "rows": 200_000, "valid": 5_000, "repeat": 3}
OUT_OF_CORE = Benchmark(
    "outofcore",
    "784-100-10 on rows in a file that is four times as large as the buffer",
    (
        Case("bytes of MNIST", Task("outofcore", **IN_A_FILE)),
        Case(
            "Gaussian float32",
            Task("outofcore", data="synthetic", rows=50_000, valid=5_000, repeat=3),
        ),
        Case("small", Task("outofcore", **{**IN_A_FILE, "rows": 20_000, "repeat": 1}), quick=True),
    ),
    (
        Implementation("mlpcore", "mlpcore_file"),
        Implementation("mlpcore, in memory", "mlpcore_file", {"memory": True}),
        Implementation("PyTorch's DataLoader", "torch_file", quick={"workers": 0}),
    ),
    about="A mapped .npy file of 157 MB, which the system has in memory after the first epoch, "
    "is read in pieces with buffer_bytes of a quarter of it. PyTorch reads batches of random rows "
    "from the same mapped file, with the best of its numbers of workers and threads; its step is "
    "not compiled. There is one evaluation in three epochs of mlpcore, and none of PyTorch.",
    unit="s a row and epoch",
    per_row=True,
    reference=None,
)

BENCHMARKS = {
    benchmark.name: benchmark
    for benchmark in (
        MAIN, MINIBATCH, FLOAT64, GAUSSIAN, WIDE, DEEP, NARROW, PREDICT, ESTIMATORS, ONE_ROW,
        TABULAR, BUSY, BUSY_TABLES, SEARCH, ACCURACY, DISTORTIONS, DISTORTED_FIT,
        MANY_ROWS, MEMORY, WIDTH, DENSITY, THREADS, OUT_OF_CORE,
    )
}  # fmt: skip

"""Count the instructions of short fixed trainings, and compare them with stored counts.

    python -m benchmarks.instructions [--renew]

valgrind's callgrind counts the same on any machine, loaded or not, so continuous integration can
compare counts where it cannot compare times. README.md says what is counted and when to renew.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

STORED = Path(__file__).with_name("instructions.json")
BAND = 0.05
LIBRARY_START = 0.01
# valgrind knows no AVX-512. OpenBLAS would pick its kernels by the processor, too.
ENVIRONMENT = {
    "MLPCORE_SIMD": "v3",
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
}
SHARED = {"epochs": 5, "eta": 0.005, "l2": 0.01, "seed": 1, "n_threads": 1, "progress": False}
DENSE, SPARSE = {"input_path": "dense"}, {"input_path": "sparse"}
BYTES = {"input_scale": (1 / 8, -1)}
CASES = {  # dtype of the data, rows to train on, and the parameters
    "sparse, float32": ("float32", 1500, {"n_hidden": 40, "minibatch_size": 50, **SPARSE}),
    "sparse, float64": ("float64", 1500, {"n_hidden": 40, "minibatch_size": 50, **SPARSE}),
    "sparse, bytes": ("uint8", 1500, {"n_hidden": 40, "minibatch_size": 50, **SPARSE, **BYTES}),
    "dense, float32": ("float32", 1500, {"n_hidden": 40, "minibatch_size": 50, **DENSE}),
    "dense, float64": ("float64", 1500, {"n_hidden": 40, "minibatch_size": 50, **DENSE}),
    # Only weights past a core's second-level cache go through BLAS.
    "dense, BLAS": ("float32", 100, {"n_hidden": (500, 600), "minibatch_size": 100, "epochs": 1}),
    "dense, deep": ("float32", 1500, {"n_hidden": (40, 30, 20), "minibatch_size": 50, **DENSE}),
    "sparse, minibatch 1": ("float32", 1500, {"n_hidden": 40, "minibatch_size": 1, **SPARSE}),
    "dense, minibatch 1": ("float32", 1500, {"n_hidden": 40, "minibatch_size": 1, **DENSE}),
}
TABLE = "table, one output"


def train_table() -> None:
    """Regression with Adam on random rows, and prediction."""
    import numpy as np

    from mlpcore.sklearn import MLPRegressor

    X = np.random.RandomState(1).normal(size=(2000, 50))
    y = np.sin(X[:, 0]) + X[:, 1]
    model = MLPRegressor(max_iter=5, random_state=1, n_threads=1).fit(X, y)
    model.predict(X)


def train(name: str) -> None:
    """5 epochs on the bundled digits, and prediction."""
    from mlpcore import NeuralNetMLP, load_digits

    dtype, rows, parameters = CASES[name]
    X, y = load_digits(scale=False) if dtype == "uint8" else load_digits(dtype=dtype)
    model = NeuralNetMLP(**{**SHARED, **parameters}).fit(X[:rows], y[:rows], X[-100:], y[-100:])
    model.predict(X[-200:])
    for row in range(100):
        model.predict(X[row : row + 1])


def train_all() -> None:
    """Train every case in its own process, forked after the imports; print process and case."""
    import mlpcore  # noqa: F401

    for name in (*CASES, TABLE):
        child = os.fork()
        if child == 0:
            train_table() if name == TABLE else train(name)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise SystemExit(f"'{name}' failed")
        print(child, name, flush=True)


def count() -> dict[str, dict[str, int]]:
    """Count each case's instructions in mlpcore's compiled modules and in the BLAS called."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--compress-strings=no", f"--callgrind-out-file={folder}/%p"]
        # -P: mlpcore is the installed one, not the folder beside this file's.
        program = [sys.executable, "-P", __file__, "--train"]
        run = subprocess.run(
            ["valgrind", "--tool=callgrind", *options, *program],
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
        )
        if run.returncode:
            raise SystemExit(f"The training under valgrind failed:\n{run.stderr[-2000:]}")
        counts = {}
        for line in run.stdout.splitlines():
            process, _, name = line.partition(" ")
            with Path(folder, process).open() as lines:
                by_object = per_object(lines).items()
            counts[name] = {
                "engine": sum(n for path, n in by_object if "/mlpcore/" in path),
                "blas": sum(n for path, n in by_object if "blas" in Path(path).name.lower()),
            }
    return counts


def per_object(lines) -> Counter[str]:
    """Instructions by shared object, from the lines of a callgrind file.

    A line that starts with a digit, + , - or * is a cost of the current object, except after
    `calls=`, where it repeats what the callee has cost.
    """
    counts: Counter[str] = Counter()
    current, skip = "", False
    for line in lines:
        if line.startswith("ob="):
            current = line[3:].strip()
        elif line.startswith("calls="):
            skip = True
        elif line[0] in "0123456789+-*":
            if not skip:
                counts[current] += int(line.split()[1])
            skip = False
    return counts


def compiler() -> str:
    """The version of the gcc that built the installed engine."""
    program = "import mlpcore.engine.trainer as t; print(t.__file__)"
    run = subprocess.run([sys.executable, "-P", "-c", program], stdout=-1, text=True, check=True)
    found = re.search(rb"GCC: \([^)]*\) ([\d.]+)", Path(run.stdout.strip()).read_bytes())
    return found.group(1).decode() if found else "not gcc"


def compare(stored: dict, current: dict) -> list[str]:
    """Sentences about every count outside the band."""
    problems = []
    for name, counts in current["counts"].items():
        for part, now in counts.items():
            if part == "blas" and stored["scipy"] != current["scipy"]:
                continue  # another OpenBLAS, whose counts say nothing about mlpcore
            before = stored["counts"].get(name, {}).get(part, 0)
            if part == "blas" and max(before, now) < LIBRARY_START * counts["engine"]:
                continue  # it is not called, and its start depends on what else was imported
            if abs(now - before) > BAND * before:
                change = f"{now / before - 1:+.1%}" if before else "new"
                problems.append(f"{name}, {part}: {before:,} stored, {now:,} now ({change})")
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--renew", action="store_true", help="store the counts instead")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train_all()
        return 0
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is not installed; it is in the package `valgrind`.")
    counts = count()
    for name, parts in counts.items():
        print(f"{name:24}", *(f"{part} {n:>13,}" for part, n in parts.items()))
    current = {"gcc": compiler(), "scipy": version("scipy"), "counts": counts}
    if options.renew:
        STORED.write_text(json.dumps(current, indent=1) + "\n")
        return 0
    stored = json.loads(STORED.read_text())
    if stored["gcc"].split(".")[0] != current["gcc"].split(".")[0]:
        print(f"NOT COMPARED: the stored counts are of gcc {stored['gcc']}, not {current['gcc']}.")
        return 0
    if problems := compare(stored, current):
        print(f"More than {BAND:.0%} away from benchmarks/instructions.json:", *problems, sep="\n")
        print("If that is meant, run `python -m benchmarks.instructions --renew` and commit it.")
        return 1
    print(f"All within {BAND:.0%} of benchmarks/instructions.json.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

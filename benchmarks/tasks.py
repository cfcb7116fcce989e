"""The task of one case: data, network, starting weights and batches, the same for all."""

import gzip
import os
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

N_CLASSES = 10
BACKGROUND = -1.0  # what black becomes when pixels are scaled to [-1, 1]
# Distortions of images, in degrees, fractions and pixels, as mlpcore.Distortion has them.
AFFINE = {"rotation": 10.0, "scale": 0.12, "shear": 10.0, "translation": 1.5}
ELASTIC = {"elastic": 1.2, "smoothness": 4.0}


@dataclass(frozen=True)
class Task:
    """The parameters of a task; the defaults are the textbook's network on MNIST."""

    action: str = "fit"  # or "predict", "memory", "accuracy", "search", "distort", "distorted fit"
    data: str = "mnist"  # or "synthetic", "table"; "digits" and "breast cancer" are scikit-learn's
    target: str = "classes"  # or of a table: "number", "binary"
    rows: int = 55_000
    valid: int = 5_000
    columns: int = 784  # of synthetic data and tables
    density: float = (
        1.0  # of synthetic data: the fraction of entries that differ from the background
    )
    dtype: str = "float32"  # or "float64"; "uint8" leaves the pixels as they are
    hidden: tuple[int, ...] = (100,)
    batch: int = 100  # rows in a minibatch, or in one call of predict
    repeat: int = 5  # epochs in one timed fit, or times to predict all validation rows
    eta: float = 0.0005
    l2: float = 0.01
    seed: int = 1
    dropout: float = 0.0  # of the units of each hidden layer
    solver: str = ""  # of scikit-learn's estimators; "" for all others

    @property
    def widths(self) -> tuple[int, ...]:
        return (self.columns, *self.hidden, N_CLASSES if self.target == "classes" else 1)

    @property
    def units(self) -> int:
        """The divisor of a timed run: its epochs, or its calls of predict."""
        return self.repeat * (self.valid // self.batch if self.action == "predict" else 1)

    @property
    def training(self) -> "Task":
        """The one epoch that gives the network to predict with."""
        return replace(self, action="fit", batch=100, repeat=1)

    @property
    def flops(self) -> int:
        """Additions and multiplications of one epoch, evaluation included, done densely.

        scikit-learn's estimators, and what is compared with them, do not evaluate.
        """
        layers = [a * b for a, b in pairwise(self.widths)]
        training = 2 * sum(layers) + sum(layers[1:])  # forward, gradients, errors passed back
        if self.solver:
            return 2 * self.rows * training
        return 2 * (self.rows * (training + sum(layers)) + self.valid * sum(layers))


class Data(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    X_valid: np.ndarray
    y_valid: np.ndarray


def load(task: Task) -> Data:
    """The data of `task`, the same in every process."""
    total = task.rows + task.valid
    if task.data == "mnist":
        X, y = mnist(total)
    elif task.data == "synthetic":
        X, y = synthetic(task, total)
    elif task.data == "table":
        X, y = random_table(task)
    else:
        X, y = small_table(task)
    if X.dtype == np.uint8 and task.dtype != "uint8":
        levels = (np.arange(256) / 255 - 0.5) * 2
        X = levels.astype(task.dtype)[X]
    return Data(X[: task.rows], y[: task.rows], X[task.rows :], y[task.rows :])


def mnist(total: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `total` training images; past 60,000 the same ones, moved by some pixels."""
    folder = os.environ.get("MLPCORE_DATA")
    if not folder:
        raise FileNotFoundError("Set MLPCORE_DATA to the folder that holds the MNIST files.")
    images = read_idx(folder, "train-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    labels = read_idx(folder, "train-labels-idx1-ubyte", 8).astype(np.int64)
    X = np.empty((total, 28, 28), np.uint8)
    for copy, start in enumerate(range(0, total, len(images))):
        part = X[start : start + len(images)]
        part[:] = np.roll(images[: len(part)], (copy // 5 % 5, copy % 5), axis=(1, 2))
    return X.reshape(total, 784), np.resize(labels, total)


def read_idx(folder: str, name: str, header: int) -> np.ndarray:
    # Not mlpcore's reader: then the peers can be timed where mlpcore is not installed.
    raw = next(path for path in sorted(Path(folder).glob(f"{name}*"))).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    return np.frombuffer(raw, np.uint8, offset=header)


def synthetic(task: Task, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian numbers in a fraction `density` of the entries, background in the others.

    A random matrix gives the labels.
    """
    rng = np.random.default_rng(task.seed)
    X = rng.standard_normal((total, task.columns), np.float32).astype(task.dtype, copy=False)
    if task.density < 1:
        X[rng.random(X.shape, np.float32) >= task.density] = BACKGROUND
    teacher = rng.standard_normal((task.columns, N_CLASSES)).astype(task.dtype)
    return X, np.argmax((X - X.mean(axis=0)) @ teacher, axis=1)


def random_table(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian columns, and a smooth function of them with noise; or whether that is above 0."""
    rng = np.random.default_rng(task.seed)
    X = rng.standard_normal((task.rows, task.columns))
    inner = rng.standard_normal((task.columns, 8)) / np.sqrt(task.columns)
    y = np.tanh(X @ inner) @ rng.standard_normal(8) + 0.1 * rng.standard_normal(task.rows)
    y -= y.mean()
    y /= y.std()
    return X.astype(task.dtype), y.astype(task.dtype) if task.target == "number" else y > 0


def small_table(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """A data set of scikit-learn, its columns centred and scaled."""
    from sklearn.datasets import load_breast_cancer, load_digits

    X, y = {"digits": load_digits, "breast cancer": load_breast_cancer}[task.data](return_X_y=True)
    spread = X.std(axis=0)
    return ((X - X.mean(axis=0)) / np.where(spread == 0, 1, spread)).astype(task.dtype), y


class Start:
    """The textbook's random numbers: the starting weights, then the order of each epoch."""

    def __init__(self, task: Task, dtype: str | None = None) -> None:
        dtype = dtype or task.dtype
        self.task, self.rng = task, np.random.RandomState(task.seed)
        shapes = pairwise(task.widths)
        self.weights = [self.rng.normal(0, 0.1, shape).astype(dtype) for shape in shapes]
        self.biases = [np.zeros(width, dtype) for width in task.widths[1:]]

    def batches(self) -> np.ndarray:
        """The rows of every minibatch of the next epoch, a minibatch a line."""
        order = np.arange(self.task.rows)
        self.rng.shuffle(order)
        whole = self.task.rows // self.task.batch
        return order[: whole * self.task.batch].reshape(whole, self.task.batch)


class EstimatorStart:
    """The random numbers of scikit-learn's estimators, by the same `random_state`."""

    def __init__(self, task: Task) -> None:
        self.task, self.rng = task, np.random.RandomState(task.seed)
        self.order = np.arange(task.rows)
        self.weights, self.biases = [], []
        for inputs, units in pairwise(task.widths):
            bound = np.sqrt(6 / (inputs + units))
            for arrays, shape in (self.weights, (inputs, units)), (self.biases, units):
                arrays.append(self.rng.uniform(-bound, bound, shape).astype(task.dtype))

    def batches(self) -> np.ndarray:
        """The rows of every minibatch of the next epoch, a minibatch a line."""
        places = np.arange(self.task.rows)
        self.rng.shuffle(places)
        self.order = self.order[places]
        return self.order.reshape(-1, self.task.batch)


def one_hot(y: np.ndarray, dtype: str) -> np.ndarray:
    return np.eye(N_CLASSES, dtype=dtype)[y]


def accuracy(predicted: np.ndarray, y: np.ndarray) -> float:
    return float(np.mean(predicted == y))

"""The textbook's network in NumPy: always float64, and two passes to evaluate, as in the book.

Its outcome is the reference that all others must reach.
"""

from collections.abc import Iterable

import numpy as np
from threadpoolctl import ThreadpoolController

from benchmarks.tasks import Data, Start, Task, accuracy, one_hot

BLAS = ThreadpoolController().select(user_api="blas")


def settings(task: Task, threads: int) -> Iterable[dict]:
    return ({"threads": count} for count in sorted({1, threads}))


def forward(X, weights, biases) -> tuple[list[np.ndarray], np.ndarray]:
    """The activations of all layers, the input first, and the pre-activations of the last."""
    activations = [X]
    for w, b in zip(weights, biases, strict=True):
        z = activations[-1] @ w + b
        activations.append(1 / (1 + np.exp(-np.clip(z, -250, 250))))
    return activations, z


def predict(X, weights, biases) -> np.ndarray:
    return forward(X, weights, biases)[1].argmax(axis=1)


def cost(z, T, weights, l2: float) -> float:
    """Logistic cross-entropy of pre-activations z and targets T, finite however large z gets."""
    penalty = l2 * sum(np.sum(w * w, dtype=np.float64) for w in weights)
    return float(np.sum(np.logaddexp(0, z) - T * z, dtype=np.float64) + penalty)


class Fit:
    dtype: str | None = "float64"  # None: that of the data

    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.setting, dtype = task, setting, self.dtype or task.dtype
        self.data = Data(
            data.X.astype(dtype, copy=False), data.y, data.X_valid.astype(dtype), data.y_valid
        )
        self.T = one_hot(data.y, dtype)

    def run(self, epochs: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            start = Start(self.task, self.dtype)
            self.weights, self.biases = start.weights, start.biases
            for _ in range(epochs):
                for rows in start.batches():
                    self.step(self.data.X[rows], self.T[rows])
                self.evaluation = self.evaluate()

    def step(self, X: np.ndarray, T: np.ndarray) -> None:
        """One minibatch: w -= eta * (sum of the rows' gradients + l2 * w)."""
        task, weights, biases = self.task, self.weights, self.biases
        activations, _ = forward(X, weights, biases)
        delta = activations[-1] - T
        for layer in reversed(range(len(weights))):
            below, w = activations[layer], weights[layer]
            grad_w, grad_b = below.T @ delta, delta.sum(axis=0)
            if layer > 0:
                delta = (delta @ w.T) * below * (1 - below)
            w -= task.eta * (grad_w + task.l2 * w)
            biases[layer] -= task.eta * grad_b

    def evaluate(self) -> dict[str, float]:
        data, network = self.data, (self.weights, self.biases)
        z = forward(data.X, *network)[1]
        return {
            "cost": cost(z, self.T, self.weights, self.task.l2),
            "train_acc": accuracy(self.train_labels(z), data.y),
            "valid_acc": accuracy(predict(data.X_valid, *network), data.y_valid),
        }

    def train_labels(self, z: np.ndarray) -> np.ndarray:
        return predict(self.data.X, self.weights, self.biases)

    def outcome(self) -> dict[str, float]:
        return self.evaluation


class Predict(Fit):
    """Labels of the validation rows, `batch` at a time, from one epoch's training."""

    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        super().__init__(task.training, data, setting)
        super().run(1)
        self.calls = np.split(self.data.X_valid, len(data.X_valid) // task.batch)

    def run(self, passes: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            for _ in range(passes):
                self.labels = [predict(X, self.weights, self.biases) for X in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.data.y_valid)}


ACTIONS = {"fit": Fit, "predict": Predict}


def trained(task: Task, data: Data) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases for predictions, in the dtype of the task."""
    fit = Fit(task.training, data, {"threads": 1})
    fit.run(1)
    return tuple([a.astype(task.dtype) for a in arrays] for arrays in (fit.weights, fit.biases))

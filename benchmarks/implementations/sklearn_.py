"""scikit-learn's MLPClassifier, which has no evaluation after each epoch.

Trained on one-hot targets it has logistic outputs and the textbook's cost, but takes means where
the textbook takes sums: a learning rate `batch` times larger makes every step the same.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.implementations import textbook
from benchmarks.implementations.textbook import BLAS, cost, forward, predict, settings
from benchmarks.tasks import Data, Start, Task, accuracy, one_hot

__all__ = ["ACTIONS", "settings"]


def classifier(task: Task) -> MLPClassifier:
    return MLPClassifier(
        task.hidden,
        activation="logistic",
        solver="sgd",
        alpha=task.l2,
        batch_size=task.batch,
        learning_rate_init=task.eta * task.batch,
        momentum=0,
        tol=0,
        n_iter_no_change=10**6,
        max_iter=1,
        warm_start=True,
    )


class SameOrder(np.random.RandomState):
    """A generator with shuffles that make scikit-learn visit the rows in the textbook's order."""

    def __init__(self, start: Start) -> None:
        super().__init__(0)
        self.start, self.place = start, np.arange(start.task.rows)

    def shuffle(self, x: np.ndarray) -> None:
        # scikit-learn shuffles the previous order: look up the current position of each row.
        order = self.start.batches().ravel()
        x[:] = self.place[order]
        self.place[order] = np.arange(len(order))


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        assert task.rows % task.batch == 0, "scikit-learn would train on the shorter last batch"
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.task, self.data, self.setting = task, data, setting
        self.T = one_hot(data.y, "int64")
        few = slice(task.batch)  # only to make the arrays, which run() then replaces
        self.model = classifier(task).fit(data.X[few], self.T[few])

    def run(self, epochs: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            start = Start(self.task)
            self.model.coefs_, self.model.intercepts_ = start.weights, start.biases
            self.model.set_params(random_state=SameOrder(start), max_iter=epochs)
            self.model.fit(self.data.X, self.T)

    def outcome(self) -> dict[str, float]:
        data, network = self.data, (self.model.coefs_, self.model.intercepts_)
        z = forward(data.X, *network)[1]
        return {
            "cost": cost(z, self.T, self.model.coefs_, self.task.l2),
            "train_acc": accuracy(z.argmax(axis=1), data.y),
            "valid_acc": accuracy(predict(data.X_valid, *network), data.y_valid),
        }


class Predict:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.setting, self.y = setting, data.y_valid
        warnings.simplefilter("ignore", ConvergenceWarning)
        self.model = classifier(task.training).fit(data.X, data.y)
        self.model.coefs_, self.model.intercepts_ = textbook.trained(task, data)
        self.calls = np.split(data.X_valid, len(self.y) // task.batch)

    def run(self, passes: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            for _ in range(passes):
                self.labels = [self.model.predict(x) for x in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.y)}


ACTIONS = {"fit": Fit, "predict": Predict}

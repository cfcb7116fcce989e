"""MLPClassifier of scikit-learn or of mlpcore: the same program after either import line.

`setting["library"]` is the module that the import line names. Nothing else differs, and by the same
`random_state` the outcomes of both are the same.
"""

import importlib
import os
import warnings
from collections.abc import Iterable

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from benchmarks.implementations import textbook
from benchmarks.implementations.textbook import BLAS
from benchmarks.tasks import Data, Task, accuracy


def settings(task: Task, threads: int) -> Iterable[dict]:
    # SciPy's part of L-BFGS is products of short vectors, on which BLAS's threads wait for each
    # other; the trial's single iteration does not show it.
    short = task.solver == "lbfgs" and task.rows < 10_000
    return [{"threads": 1}] if short else textbook.settings(task, threads)


def classifier(task: Task, setting: dict):
    warnings.simplefilter("ignore", ConvergenceWarning)
    # mlpcore counts its own threads by this; scikit-learn's are BLAS's, which run() holds.
    os.environ["OMP_NUM_THREADS"] = str(setting["threads"])
    kind = importlib.import_module(setting["library"]).MLPClassifier
    return kind(
        task.hidden,
        solver=task.solver,
        batch_size=min(task.batch, task.rows),
        tol=0,
        n_iter_no_change=10**6,
        random_state=task.seed,
    )


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.data, self.setting = task, data, setting
        self.model = classifier(task, setting)

    def run(self, epochs: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            self.model.set_params(max_iter=epochs).fit(self.data.X, self.data.y)

    def outcome(self) -> dict[str, float]:
        found = {"train_acc": self.model.score(self.data.X, self.data.y)}
        # Rounding grows: after 1,500 steps of Adam in float32 scikit-learn on one thread differs
        # from itself on two by 3e-3 of the loss, and after many iterations of L-BFGS both do.
        if self.task.solver != "lbfgs" and self.task.dtype == "float64":
            found["cost"] = float(self.model.loss_)
        return found


class Predict:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.setting, self.y = setting, data.y_valid
        self.model = classifier(task.training, setting).set_params(max_iter=1)
        self.model.fit(data.X, data.y)
        self.calls = np.split(data.X_valid, len(self.y) // task.batch)

    def run(self, passes: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            for _ in range(passes):
                self.labels = [self.model.predict(x) for x in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.y)}


ACTIONS = {"fit": Fit, "predict": Predict}

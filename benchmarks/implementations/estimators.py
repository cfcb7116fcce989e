"""The estimators of scikit-learn or of mlpcore: the same program after either import line.

`setting["library"]` is the module that the import line names. Nothing else differs, and by the same
`random_state` the outcomes of both are the same.
"""

import importlib
import os
import warnings
from collections.abc import Iterable

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from benchmarks import machine
from benchmarks.implementations import adam, textbook
from benchmarks.implementations.textbook import BLAS
from benchmarks.tasks import Data, Task, accuracy

GRID = {
    "hidden_layer_sizes": [(20,), (50,)],
    "alpha": [1e-5, 1e-3, 1e-1, 1.0],
    "learning_rate_init": [1e-3, 1e-2],
}


def settings(task: Task, threads: int) -> Iterable[dict]:
    if task.action == "search":
        return [{"threads": 1, "n_jobs": 2}]
    # SciPy's part of L-BFGS is products of short vectors, on which BLAS's threads wait for each
    # other; the trial's single iteration does not show it.
    short = task.solver == "lbfgs" and task.rows < 10_000
    return [{"threads": 1}] if short else textbook.settings(task, threads)


def estimator(task: Task, setting: dict):
    warnings.simplefilter("ignore", ConvergenceWarning)
    # mlpcore counts its own threads by this; scikit-learn's are BLAS's, which run() holds.
    os.environ["OMP_NUM_THREADS"] = str(setting["threads"])
    kind = "MLPRegressor" if task.target == "number" else "MLPClassifier"
    return getattr(importlib.import_module(setting["library"]), kind)(
        hidden_layer_sizes=task.hidden,
        solver=task.solver,
        batch_size=min(task.batch, task.rows),
        tol=0,
        n_iter_no_change=10**6,
        random_state=task.seed,
    )


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.data, self.setting = task, data, setting
        self.model = estimator(task, setting)

    def run(self, epochs: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            self.model.set_params(max_iter=epochs).fit(self.data.X, self.data.y)

    def outcome(self) -> dict[str, float]:
        if self.task.data == "table":
            network = self.model.coefs_, self.model.intercepts_
            return {"cost": adam.cost(self.task, self.data, *network)}
        found = {"train_acc": self.model.score(self.data.X, self.data.y)}
        # Rounding grows: after 1,500 steps of Adam in float32 scikit-learn on one thread differs
        # from itself on two by 3e-3 of the loss, and after many iterations of L-BFGS both do.
        if self.task.solver != "lbfgs" and self.task.dtype == "float64":
            found["cost"] = float(self.model.loss_)
        return found


class Predict:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.setting, self.y = setting, data.y_valid
        self.model = estimator(task.training, setting).set_params(max_iter=1)
        self.model.fit(data.X, data.y)
        self.calls = np.split(data.X_valid, len(self.y) // task.batch)

    def run(self, passes: int) -> None:
        with BLAS.limit(limits=self.setting["threads"]):
            for _ in range(passes):
                self.labels = [self.model.predict(x) for x in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.y)}


class Search:
    """A search over 16 candidates with 3 folds each: 48 fits of 30 epochs in two processes."""

    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.data = data
        model = estimator(task, setting).set_params(max_iter=30)
        # joblib's processes inherit this: one thread each, of BLAS as well.
        os.environ.update(machine.environment(setting["threads"]))
        jobs = setting["n_jobs"]
        self.search = GridSearchCV(model, GRID, cv=3, n_jobs=jobs, refit=False)

    def run(self, times: int) -> None:
        for _ in range(times):
            self.search.fit(self.data.X, self.data.y)

    def outcome(self) -> dict[str, float]:
        return {
            "best_score": float(self.search.best_score_),
            "best_index": int(self.search.best_index_),
            "mean_score": float(self.search.cv_results_["mean_test_score"].mean()),
        }


ACTIONS = {"fit": Fit, "predict": Predict, "search": Search}

"""mlpcore.sklearn's estimators with their default threads, among which a fit chooses by itself."""

from collections.abc import Iterable

from benchmarks.implementations import estimators, fixed_threads
from benchmarks.tasks import Data, Task


def settings(task: Task, threads: int) -> Iterable[dict]:
    if task.action == "search" or task.solver == "lbfgs":
        return estimators.settings(task, threads)  # processes, or BLAS's threads as well
    return [{"threads": threads}]


class Fit(estimators.Fit):
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        if setting.get("always"):
            fixed_threads.always_all()
        super().__init__(task, data, setting)


ACTIONS = {**estimators.ACTIONS, "fit": Fit}

"""mlpcore itself: one call of NeuralNetMLP.fit, with nothing tuned for the benchmark."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.implementations import fixed_threads
from benchmarks.tasks import Data, Task, accuracy
from mlpcore import NeuralNetMLP


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": threads, "path": "auto"}]


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.data, self.setting = data, setting
        if setting.get("always"):
            fixed_threads.always_all()
        self.model = NeuralNetMLP(
            n_hidden=task.hidden,
            l2=task.l2,
            eta=task.eta,
            minibatch_size=task.batch,
            seed=task.seed,
            n_threads=setting["threads"],
            input_path=setting["path"],
            input_scale=(2 / 255, -1) if task.dtype == "uint8" else None,
            progress=False,
        )

    def run(self, epochs: int) -> None:
        self.model.epochs = epochs
        self.model.fit(*self.data)
        self.setting["path"] = self.model.input_path_  # what "auto" has chosen

    def outcome(self) -> dict[str, float]:
        return {name: values[-1] for name, values in self.model.eval_.items()}


class Predict(Fit):
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        super().__init__(task.training, data, setting)
        super().run(1)
        self.calls = np.split(data.X_valid, len(data.X_valid) // task.batch)

    def run(self, passes: int) -> None:
        for _ in range(passes):
            self.labels = [self.model.predict(X) for X in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.data.y_valid)}


class Memory(Fit):
    """The peak memory of a fit, less the memory of the process just before."""

    def run(self, epochs: int) -> float:
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = resident("VmRSS")
        super().run(epochs)
        return resident("VmHWM") - before


def resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) * 1024 for line in lines if line.startswith(name))


ACTIONS = {"fit": Fit, "predict": Predict, "memory": Memory}

"""mlpcore's distortions: by themselves, and in the training of a network."""

from collections.abc import Iterable

import numpy as np

from benchmarks.tasks import AFFINE, ELASTIC, Data, Task
from mlpcore import Distortion, NeuralNetMLP


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": threads}]


def distortion() -> Distortion:
    return Distortion(**AFFINE, **ELASTIC)


class Distort:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.X, self.setting, self.distortion = data.X, setting, distortion()

    def run(self, epochs: int) -> None:
        for epoch in range(epochs):
            self.images = self.distortion.transform(
                self.X, seed=1, epoch=epoch, n_threads=self.setting["threads"]
            )

    def outcome(self) -> dict[str, float]:
        return {"change": float(np.mean(np.abs(self.images - self.X)))}


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.data = data
        self.model = NeuralNetMLP(
            n_hidden=task.hidden,
            activation="relu",
            optimizer="adamw",
            eta=task.eta,
            weight_decay=task.l2,
            minibatch_size=task.batch,
            dropout=(0.0, *(task.dropout for _ in task.hidden)),
            seed=task.seed,
            n_threads=setting["threads"],
            augment=distortion(),
            progress=False,
        )

    def run(self, epochs: int) -> None:
        self.model.epochs, self.model.eval_every = epochs, epochs
        self.model.fit(*self.data)

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": self.model.eval_["valid_acc"][-1]}


ACTIONS = {"distort": Distort, "distorted fit": Fit}

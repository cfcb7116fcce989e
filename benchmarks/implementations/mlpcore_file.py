"""mlpcore on rows in a file that is larger than its buffer, or on the same rows in memory."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks.tasks import Data, Task
from mlpcore import NeuralNetMLP

# The fraction of the file that the buffer holds.
BUFFERED = 1 / 4


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": threads, "memory": False}]


def mapped(X: np.ndarray, folder: str) -> np.ndarray:
    """Rows in a new file, mapped."""
    path = Path(folder, "rows.npy")
    np.save(path, X)
    return np.load(path, mmap_mode="r")


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.folder = tempfile.TemporaryDirectory()
        X = data.X if setting["memory"] else mapped(data.X, self.folder.name)
        self.data = X, data.y
        self.valid = data.X_valid, data.y_valid
        self.model = NeuralNetMLP(
            n_hidden=task.hidden,
            l2=task.l2,
            eta=task.eta,
            minibatch_size=task.batch,
            seed=task.seed,
            n_threads=setting["threads"],
            input_scale=(2 / 255, -1) if task.dtype == "uint8" else None,
            buffer_bytes=int(data.X.nbytes * BUFFERED),
            eval_every=1000,
            progress=False,
        )

    def run(self, epochs: int) -> None:
        self.model.epochs = epochs
        self.model.fit(*self.data)

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": self.model.score(*self.valid)}


ACTIONS = {"outofcore": Fit}

"""PyTorch's DataLoader over the rows of a mapped file; a short trial picks among its settings.

A batch is read by one index of all its rows, which is several times faster than row by row. With
workers, processes read ahead.
"""

import tempfile
from collections.abc import Iterable

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from benchmarks.implementations.mlpcore_file import mapped
from benchmarks.implementations.torch_ import cross_entropy, network
from benchmarks.tasks import N_CLASSES, Data, Start, Task


def settings(task: Task, threads: int) -> Iterable[dict]:
    for workers in (0, 2):
        for count in sorted({1, threads}):
            yield {"workers": workers, "threads": count}


class Rows(Dataset):
    """Batches of rows, by lists of their numbers."""

    def __init__(self, X: np.ndarray, y: np.ndarray) -> None:
        self.X, self.y = X, torch.from_numpy(y)

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        # Sorting the numbers first, for the order of the file, took longer on a warm file.
        return torch.from_numpy(self.X[rows]), self.y[rows]


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.setting, self.valid = task, setting, data[2:]
        self.folder = tempfile.TemporaryDirectory()
        rows = Rows(mapped(data.X, self.folder.name), data.y)
        batches = BatchSampler(RandomSampler(rows), task.batch, drop_last=True)
        self.loader = DataLoader(
            rows,
            sampler=batches,
            batch_size=None,
            num_workers=setting["workers"],
            persistent_workers=setting["workers"] > 0,
            prefetch_factor=8 if setting["workers"] else None,
        )

    def run(self, epochs: int) -> None:
        torch.set_num_threads(self.setting["threads"])
        torch.manual_seed(self.task.seed)
        start = Start(self.task, "float32")
        self.weights = [torch.from_numpy(w).requires_grad_() for w in start.weights]
        self.biases = [torch.from_numpy(b).requires_grad_() for b in start.biases]
        groups = [
            {"params": self.weights, "weight_decay": self.task.l2},
            {"params": self.biases},
        ]
        optimizer = torch.optim.SGD(groups, lr=self.task.eta, fused=True)
        unit = torch.eye(N_CLASSES)
        for _ in range(epochs):
            for X, y in self.loader:
                optimizer.zero_grad()
                cross_entropy(
                    network(self.scaled(X), self.weights, self.biases), unit[y]
                ).backward()
                optimizer.step()

    def scaled(self, X: torch.Tensor) -> torch.Tensor:
        return X.float().mul_(2 / 255).sub_(1) if X.dtype == torch.uint8 else X

    @torch.inference_mode()
    def outcome(self) -> dict[str, float]:
        X, y = (torch.from_numpy(np.ascontiguousarray(array)) for array in self.valid)
        predicted = network(self.scaled(X), self.weights, self.biases).argmax(dim=1)
        return {"valid_acc": float((predicted == y).float().mean())}


ACTIONS = {"outofcore": Fit}

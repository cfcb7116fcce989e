"""The dense floor: the task's additions and multiplications at the full speed of gemm."""

from collections.abc import Iterable
from time import perf_counter

import numpy as np
from scipy.linalg import blas

from benchmarks.implementations.textbook import BLAS
from benchmarks.tasks import Data, Task

SIZES = 1024, 2048, 3072  # square; the fastest counts


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": threads}]


class Floor:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.setting = task, setting
        self.gemm = blas.sgemm if task.dtype == "float32" else blas.dgemm
        rng = np.random.default_rng(0)
        self.squares = [np.asfortranarray(rng.random((n, n)), task.dtype) for n in SIZES]

    def run(self, epochs: int) -> float:
        """Seconds for as many epochs, if all of them ran at the peak just measured."""
        with BLAS.limit(limits=self.setting["threads"]):
            self.peak = max(self.rate(square) for square in self.squares for _ in range(3))
        return epochs * self.task.flops / self.peak

    def rate(self, square: np.ndarray) -> float:
        start = perf_counter()
        self.gemm(1.0, square, square)
        return 2 * len(square) ** 3 / (perf_counter() - start)

    def outcome(self) -> None:
        self.setting["GFLOP/s"] = round(self.peak / 1e9, 1)


ACTIONS = {"fit": Floor}

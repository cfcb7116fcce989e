from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlpcore.engine.distortion import DistortedRows
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network

class Trainer:
    def __new__(
        cls,
        network: Network,
        train: Input,
        targets: NDArray[Any],
        *,
        sample_weight: NDArray[np.float64] | None = None,
        label_smoothing: float = 0.0,
        valid: Input | None = None,
        valid_targets: NDArray[Any] | None = None,
        valid_weight: NDArray[np.float64] | None = None,
        optimizer: str = "sgd",
        learning_rate: float = 0.0,
        l1: float = 0.0,
        l2: float | Sequence[float] = 0.0,
        average: bool = False,
        minibatch_size: int = 1,
        keep_last: bool = False,
        dropout: Sequence[float] = (),
        seed: int = 0,
        clip_norm: float = 0.0,
        max_norm: float = 0.0,
        average_decay: float = 0.0,
        augment: DistortedRows | None = None,
        track_loss: bool = False,
        n_threads: int = 1,
        **hyperparameters: float | Sequence[float],
    ) -> Self: ...
    @property
    def network(self) -> Network: ...
    @property
    def state(self) -> NDArray[Any]: ...
    @property
    def averaged(self) -> NDArray[Any]: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def usual_threads(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    learning_rate: float
    step_count: int
    seed: int
    epoch_count: int
    def epoch(
        self, order: NDArray[np.intp], learning_rates: NDArray[np.float64] | None = None
    ) -> float: ...
    def begin_epoch(
        self, steps: int, learning_rates: NDArray[np.float64] | None = None
    ) -> None: ...
    def segment(self, order: NDArray[np.intp]) -> None: ...
    def end_epoch(self) -> float: ...
    def evaluate(self) -> tuple[float, int, int]: ...
    def valid_loss(self) -> float: ...
    def evaluate_rows(
        self,
        rows: Input,
        targets: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
        *,
        training: bool = False,
    ) -> tuple[list[float], int]: ...
    def replace_rows(
        self,
        rows: Input,
        targets: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
        *,
        first_row: int = 0,
    ) -> None: ...
    def release_rows(self) -> None: ...

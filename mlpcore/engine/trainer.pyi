from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network

class Trainer:
    def __new__(
        cls,
        network: Network,
        train: Input,
        train_labels: NDArray[np.intc],
        *,
        valid: Input | None = None,
        valid_labels: NDArray[np.intc] | None = None,
        optimizer: str = "sgd",
        learning_rate: float = 0.0,
        l2: float = 0.0,
        minibatch_size: int = 1,
        n_threads: int = 1,
    ) -> Self: ...
    @property
    def network(self) -> Network: ...
    @property
    def state(self) -> NDArray[Any]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def epoch(self, order: NDArray[np.intp]) -> None: ...
    def evaluate(self) -> tuple[float, int, int]: ...

def gradient(
    network: Network,
    X: Input,
    labels: NDArray[np.intc],
    *,
    l2: float = 0.0,
    n_threads: int = 1,
) -> tuple[float, NDArray[Any]]: ...

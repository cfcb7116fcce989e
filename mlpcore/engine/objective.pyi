from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network

class Objective:
    def __init__(
        self,
        network: Network,
        X: Input,
        targets: NDArray[Any],
        *,
        sample_weight: NDArray[np.float64] | None = None,
        label_smoothing: float = 0.0,
        l1: float = 0.0,
        l2: float | Sequence[float] = 0.0,
        average: bool = False,
        n_threads: int = 1,
        shared: Any = None,
    ) -> None: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def usual_threads(self) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def __call__(self) -> tuple[float, NDArray[Any]]: ...

def gradient(
    network: Network, X: Input, targets: NDArray[Any], **options: Any
) -> tuple[float, NDArray[Any]]: ...

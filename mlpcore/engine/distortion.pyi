from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore.engine.inputs import Input

class DistortedRows:
    def __init__(
        self,
        rows: Input,
        image_shape: tuple[int, int],
        *,
        background: float,
        rotation: float,
        scale: float,
        shear: float,
        translation: float,
        elastic: float,
        smoothness: float,
        thickness: float,
    ) -> None: ...
    @property
    def rows(self) -> Input: ...
    @property
    def image_shape(self) -> tuple[int, int]: ...
    def replace(self, rows: Input) -> None: ...
    def distort(
        self, out: NDArray[Any], *, seed: int, epoch: int = 0, n_threads: int = 1
    ) -> None: ...

class AllRows:
    def lead(self) -> None: ...

def node_weights(n: int, smoothness: float) -> tuple[NDArray[np.intc], NDArray[np.float64]]: ...

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

class Input:
    def __init__(
        self,
        X: Any,  # an ndarray, or a compressed sparse row matrix or array
        dtype: DTypeLike,
        *,
        scale: float = 1.0,
        offset: float = 0.0,
        path: str = "dense",
        background: Any = None,
        n_threads: int = 1,
    ) -> None: ...
    @property
    def path(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def density(self) -> float: ...
    @property
    def seen_finite(self) -> bool: ...
    @property
    def background(self) -> float | None: ...
    @property
    def n_features(self) -> int: ...
    def nonzeros_per_block(self, n_blocks: int) -> NDArray[Any]: ...

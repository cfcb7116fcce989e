from typing import Any

import numpy as np
from numpy.typing import NDArray

def row_losses(
    name: str,
    z: NDArray[Any],
    t: NDArray[Any],
    *,
    output: str | None = None,
    parameter: float | None = None,
    clip: bool = False,
) -> NDArray[np.float64]: ...

class TargetRows:
    def __init__(
        self,
        targets: NDArray[Any],
        weights: NDArray[np.float64] | None,
        n_rows: int,
        n_outputs: int,
        dtype: np.dtype[Any],
        name: str,
        smoothing: float = 0.0,
    ) -> None: ...

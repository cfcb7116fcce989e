from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LOSSES: Final[dict[str, str]]
CLIPPED: Final[tuple[str, ...]]
MATCHED: Final[tuple[str, ...]]
PARAMETERS: Final[dict[str, tuple[str, float, float, float]]]
MEANS: Final[tuple[str, ...]]

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
    ) -> None: ...

from typing import Any

from numpy.typing import DTypeLike, NDArray

def factors(
    seed: int, epoch: int, row: int, layer: int, rate: float, n: int, dtype: DTypeLike = "float64"
) -> NDArray[Any]: ...

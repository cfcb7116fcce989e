from typing import Any

from numpy.typing import NDArray

def matmul(
    a: NDArray[Any],
    b: NDArray[Any],
    c: NDArray[Any],
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    trans_a: bool = False,
    trans_b: bool = False,
) -> None: ...

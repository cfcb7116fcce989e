from typing import Any

from numpy.typing import DTypeLike, NDArray

def aligned_zeros(size: int, dtype: DTypeLike) -> NDArray[Any]: ...

class Arena: ...

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LOSSES: Final[tuple[str, ...]]

def row_losses(name: str, z: NDArray[Any], t: NDArray[Any]) -> NDArray[np.float64]: ...

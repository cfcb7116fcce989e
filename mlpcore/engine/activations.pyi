from typing import Any, Final

from numpy.typing import ArrayLike, NDArray

ACTIVATIONS: Final[tuple[str, ...]]
NETS: Final[tuple[str, ...]]
OUTPUTS: Final[tuple[str, ...]]

def activation(name: str, z: ArrayLike) -> NDArray[Any]: ...
def slope(name: str, z: ArrayLike) -> NDArray[Any]: ...

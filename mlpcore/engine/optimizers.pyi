from typing import Final

OPTIMIZERS: Final[dict[str, int]]
ADAMS: Final[tuple[str, ...]]

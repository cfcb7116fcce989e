from typing import Final

OPTIMIZERS: Final[dict[str, int]]

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

class Activation(NamedTuple):
    needs_preactivation: bool
    positive: bool

class Loss(NamedTuple):
    output: str
    canonical: bool
    probabilities: bool
    averaged_over_outputs: bool
    positive_outputs: bool
    parameter: str | None
    default: float
    above: float
    below: float

class Optimizer(NamedTuple):
    n_vectors: int
    bias_corrected: bool
    internal: bool
    hyperparameters: tuple[str, ...]

class Hyperparameter(NamedTuple):
    default: float
    low: float
    below: float

ACTIVATIONS: Final[dict[str, Activation]]
OUTPUTS: Final[tuple[str, ...]]
POSITIVE_UNITS: Final[tuple[str, ...]]
LOSSES: Final[dict[str, Loss]]
OPTIMIZERS: Final[dict[str, Optimizer]]
TRAINING: Final[tuple[str, ...]]
HYPERPARAMETERS: Final[dict[str, Hyperparameter]]
INPUT_KINDS: Final[tuple[str, ...]]

def index_of(name: str, names: Collection[str], what: str) -> int: ...
def hyperparameters_of(optimizer: str, given: Mapping[str, float]) -> dict[str, float]: ...

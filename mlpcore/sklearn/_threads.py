"""The number of threads that pay off for a fit."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

from mlpcore.engine.network import Network

# Multiplications of a forward pass from which one more thread pays off. With less work, waking the
# thread and waiting for it takes longer: about 150 us for each pass, and 1 ms where other work
# between two passes lets it fall asleep.
WORTH_A_THREAD = 3_000_000
WORTH_A_SLEEPING_THREAD = 20_000_000


def worthwhile(X: Any, network: Network, *, asleep: bool = False) -> int:
    """The number of threads that pay off for a pass over X, asleep or not between two passes."""
    first, *others = network.n_units[1:]
    work = (X.nnz if issparse(X) else X.size) * first
    for more in others:
        work += X.shape[0] * first * more
        first = more
    return max(1, work // (WORTH_A_SLEEPING_THREAD if asleep else WORTH_A_THREAD))

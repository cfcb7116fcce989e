"""How many threads a fit is worth, of those that it may use."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse

from mlpcore.engine.network import Network

# Multiplications, forward and in one pass, that a thread more must bring. Below that, waking it and
# waiting for it takes longer: some 150 us for each pass; and where something else is done between
# two passes, so that it falls fast asleep, 1 ms.
WORTH_A_THREAD = 3_000_000
WORTH_A_SLEEPING_THREAD = 20_000_000


def worthwhile(X: Any, network: Network, *, asleep: bool = False) -> int:
    """Threads that bring more to a pass over X than they take, `asleep` or not in between."""
    first, *others = network.n_units[1:]
    work = (X.nnz if issparse(X) else X.size) * first
    for more in others:
        work += X.shape[0] * first * more
        first = more
    return max(1, work // (WORTH_A_SLEEPING_THREAD if asleep else WORTH_A_THREAD))

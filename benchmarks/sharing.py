"""How well a step can be shared among 2 to 64 threads, counted where there are not so many cores.

    python -m benchmarks.sharing

For some networks: the largest part of a thread in each phase of a step, over the mean, which is
what the others wait for at the barrier; and the kilobytes that a thread reads in a step and another
one has written. The engine's own partition is counted, and nothing is timed.
"""

from itertools import pairwise

import numpy as np

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.partition import order_of_sums, partition
from mlpcore.engine.trainer import Trainer

THREADS = 2, 4, 8, 16, 32, 64
CASES = {  # units of each layer, rows of a minibatch, fraction of nonzeros in the inputs
    "784-100-10, minibatch 100, packed rows": ((784, 100, 10), 100, 0.19),
    "784-100-10, minibatch 4,000, packed rows": ((784, 100, 10), 4_000, 0.19),
    "50-100-1, minibatch 200": ((50, 100, 1), 200, 1.0),
    "50-100-1, minibatch 4,000": ((50, 100, 1), 4_000, 1.0),
    "50-256-256-256-1, minibatch 200": ((50, 256, 256, 256, 1), 200, 1.0),
}
BYTES, LINE = 4, 16  # of a float32, and how many there are in a cache line


def trainer(units: tuple[int, ...], batch: int, filled: float) -> Trainer:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(batch, units[0])).astype(np.float32)
    X[rng.random(X.shape) >= filled] = 0
    network = Network(units, activation="relu", loss="squared_error", dtype="float32")
    targets = np.zeros((batch, units[-1]), np.float32)
    return Trainer(network, Input(X, "float32"), targets, minibatch_size=batch)


def largest(bounds: list[int]) -> float:
    """The largest of the parts over the mean."""
    parts = np.diff(bounds)
    return float(parts.max() / parts.mean())


def count(name: str, threads: int) -> tuple[float, float, float]:
    """The largest part in both phases, and the kilobytes that others have written."""
    units, batch, filled = CASES[name]
    training = trainer(units, batch, filled)
    rows, updated = partition(training, threads)
    weights = [a * b for a, b in pairwise(units)]
    # In phase 2 a row of W costs the products of its gradient, or, where the gradients of chunks of
    # rows are added up, these sums over whole cache lines.
    chunks = "over chunks" in str(order_of_sums(training))
    costs = [-(-n // LINE) * LINE if chunks else batch * n for n in units[1:]]
    costs[0] *= filled
    parts = sum(np.diff(bounds) * cost for bounds, cost in zip(updated, costs, strict=True))
    others = 1 - 1 / threads
    read = others * sum(weights)
    if chunks:  # the gradients of the other threads' chunks, for this thread's rows of W
        read += others * sum(weights) * (np.count_nonzero(np.diff(rows))) / threads
    else:  # activations for this thread's rows of W, and all errors
        inputs = [0.0 if filled < 1 else units[0], *units[1:-1]]
        read += others * batch * (sum(inputs) / threads + sum(units[1:]))
    return largest(rows), float(parts.max() / parts.mean()), read * BYTES / 1e3


def table() -> str:
    """The counts as a table in Markdown."""
    lines = [
        "| step | threads | phase 1 | phase 2 | read from others |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name in CASES:
        for threads in THREADS:
            rows, weights, read = count(name, threads)
            lines.append(f"| {name} | {threads} | {rows:.2f} | {weights:.2f} | {read:.0f} KB |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")

"""Training jobs that go through each part of the engine, and the bits of their results."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np

from mlpcore import NeuralNetMLP
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer

# Features, hidden units, classes, rows of a minibatch, share of background in the rows. Each has
# enough to do in a minibatch that the engine gives it five threads (see `threads_at_work`), but for
# online learning from rows with a background, which one thread does.
CASES = {
    "one layer": (331, (151,), 5, 7, 0.0),
    "rows in whole lines": (331, (256,), 16, 16, 0.0),
    "online": (1001, (119, 1003, 117), 3, 1, 0.0),
    "background": (1021, (121,), 5, 29, 0.9),
    "background, many rows": (1101, (33,), 5, 140, 0.9),
    "background, few weights": (97, (121,), 5, 140, 0.8),
    "background, online": (331, (151, 33), 5, 1, 0.9),
    "few outputs": (51, (127, 65), 2, 23, 0.0),
    "chunks of rows": (43, (61, 67), 5, 97, 0.0),
    "three layers": (211, (121, 93, 67), 3, 9, 0.0),
    "wide first layer": (1361, (257,), 3, 3, 0.0),
    "wide first layer, background": (1361, (257,), 3, 33, 0.9),
    "wide layers": (37, (533, 531, 17), 3, 3, 0.0),
    "wide layers, online": (57, (563, 561, 17), 3, 1, 0.0),
    "wide last layer": (19, (4801,), 61, 3, 0.0),
}


def data(case):
    """300 rows, of which `fit` uses some to train and the last hundred for validation."""
    features, _, classes, _, background = CASES[case]
    rng = np.random.default_rng(7)
    X = rng.normal(size=(300, features))
    X[rng.random(X.shape) < background] = -1
    return X, np.arange(300) % classes


def training_rows(case):
    _, _, classes, batch, _ = CASES[case]
    return max(27, classes, 2 * batch) + 3


def settings(case, dtype, n_threads):
    _, hidden, _, batch, _ = CASES[case]
    return {
        "n_hidden": hidden, "l2": 0.05, "epochs": 2, "eta": 0.01, "minibatch_size": batch,
        "seed": 3, "dtype": dtype, "n_threads": n_threads, "progress": False,
    }  # fmt: skip


def fit(case, dtype, n_threads):
    X, y = data(case)
    n = training_rows(case)
    model = NeuralNetMLP(**settings(case, dtype, n_threads))
    return model.fit(X[:n], y[:n], X[200:], y[200:])


def threads_at_work(case, dtype, n_threads):
    """How many threads the engine takes for an epoch of a case."""
    features, hidden, classes, batch, _ = CASES[case]
    X, y = data(case)
    n = training_rows(case)
    network = Network((features, *hidden, classes), dtype=dtype)
    source = Input(X[:n].astype(dtype), dtype, path="auto")
    trainer = Trainer(network, source, y[:n].astype(np.intc), minibatch_size=batch,
                      n_threads=n_threads)  # fmt: skip
    with trainer:
        trainer.epoch(np.arange(n))
        return trainer.n_threads


def engine_threads():
    """Threads of the engine in this process, as Linux counts them, beside those that called it."""
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            names.append(Path("/proc/self/task", task, "comm").read_text())
        except OSError:  # it has ended meanwhile
            continue
    return sum(name.startswith("mlpcore_") for name in names)


def await_no_engine_threads():
    """Return once they are gone: Linux may list one for a moment after it has been joined."""
    while engine_threads():
        time.sleep(0.001)


def arrays(model):
    return [*model.coefs_, *model.intercepts_, *map(np.array, model.eval_.values())]


def weights(model):
    """What was learned, as one vector."""
    return np.concatenate([array.ravel() for array in model.coefs_ + model.intercepts_])


def digest(model):
    """Equal for equal bits."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays(model))).hexdigest()

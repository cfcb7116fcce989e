"""Short runs to interrupt and to resume, and what two of them must have in common."""

from pathlib import Path

import numpy as np

from mlpcore import NeuralNetMLP, load_digits
from mlpcore.training.checkpoint import read_checkpoint

X, Y = load_digits()
DATA = (X[:300], Y[:300], X[300:400], Y[300:400])
FAST = {"n_hidden": 9, "eta": 0.01, "l2": 0.01, "minibatch_size": 20, "seed": 1}


def model(epochs, **keywords):
    return NeuralNetMLP(**{"epochs": epochs, **FAST, **keywords})


def stop_after(n):
    return lambda epoch, history: epoch == n


def assert_same(a, b):
    """All that was learned, to the bit."""
    for mine, its in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True):
        assert mine.dtype == its.dtype
        assert np.array_equal(mine, its)
    assert a.eval_ == b.eval_
    assert a.n_iter_ == b.n_iter_
    assert a.classes_.tolist() == b.classes_.tolist()


def epoch_of(path):
    return read_checkpoint(path)[0]["epoch"]


def get(name):
    return Path(name).read_bytes()


def put(name, data):
    Path(name).write_bytes(data)

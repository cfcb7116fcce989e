"""Small problems, which take milliseconds."""

import numpy as np

from mlpcore import NeuralNetMLP, load_digits
from mlpcore.engine.network import Network

X, Y = load_digits()
X = X[:120].astype(np.float64)
Y = Y[:120]
FAST = {"n_hidden": 7, "epochs": 2, "eta": 0.01, "minibatch_size": 13, "seed": 1}


def model(**keywords):
    return NeuralNetMLP(**{**FAST, **keywords})


def small_network(dtype="float64", units=(5, 7, 3), rows=23):
    """A network with random weights, rows for it and their labels."""
    rng = np.random.default_rng(0)
    network = Network(units, dtype=dtype)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(size=array.shape)
    X = rng.normal(size=(rows, units[0])).astype(dtype)
    return network, X, rng.integers(units[-1], size=rows).astype(np.intc)

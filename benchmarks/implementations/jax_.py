"""JAX: a whole epoch of training in one compiled scan, its evaluation in the same call.

XLA takes as many threads as the process may use processors, which the runner has set.
"""

import os
from collections.abc import Iterable
from functools import partial

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.implementations import textbook
from benchmarks.tasks import Data, Start, Task, accuracy, one_hot

LARGEST_BLOCK = 2000  # rows evaluated at once


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": threads}]


def network(x, weights, biases):
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = jax.nn.sigmoid(x @ w + b)
    return x @ weights[-1] + biases[-1]


def cross_entropy(parameters, x, t):
    z = network(x, *parameters)
    # log(1 + exp(z)) written out: measured no slower than logaddexp, and finite for all z
    return jnp.sum(jnp.maximum(z, 0) - t * z + jnp.log1p(jnp.exp(-jnp.abs(z)))), z


@partial(jax.jit, static_argnames=("eta", "l2"), donate_argnames="parameters")
def epoch(parameters, data, T, batches, *, eta, l2):
    """Train on every minibatch, then evaluate."""

    def step(parameters, rows):
        gradient = jax.grad(cross_entropy, has_aux=True)
        (grad_w, grad_b), _ = gradient(parameters, data.X[rows], T[rows])
        weights, biases = parameters
        weights = [w - eta * (g + l2 * w) for w, g in zip(weights, grad_w, strict=True)]
        biases = [b - eta * g for b, g in zip(biases, grad_b, strict=True)]
        return (weights, biases), None

    # Gathering each batch inside the scan: 0.20 s, permuting all rows before it: 0.29 s.
    parameters, _ = jax.lax.scan(step, parameters, batches)

    def evaluate(_, block):
        x, y, t = block
        cost, z = cross_entropy(parameters, x, t)
        return None, (cost, jnp.sum(z.argmax(1) == y))

    rows = len(data.X)
    block = max(size for size in range(1, LARGEST_BLOCK + 1) if rows % size == 0)
    blocks = [a.reshape(rows // block, block, *a.shape[1:]) for a in (data.X, data.y, T)]
    _, (costs, correct) = jax.lax.scan(evaluate, None, blocks)
    penalty = l2 * sum(jnp.sum(w * w) for w in parameters[0])
    z_valid = network(data.X_valid, *parameters)
    evaluation = {
        "cost": jnp.sum(costs) + penalty,
        "train_acc": jnp.sum(correct) / rows,
        "valid_acc": jnp.mean(z_valid.argmax(1) == data.y_valid),
    }
    return parameters, evaluation


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        jax.config.update("jax_enable_x64", task.dtype == "float64")
        self.task = task
        self.data = Data(*(jnp.asarray(array) for array in data))
        self.T = jnp.asarray(one_hot(data.y, task.dtype))

    def run(self, epochs: int) -> None:
        task, start = self.task, Start(self.task)
        parameters = tuple([jnp.array(a) for a in x] for x in (start.weights, start.biases))
        for _ in range(epochs):
            batches = jnp.asarray(start.batches().astype(np.int32))
            parameters, evaluation = epoch(
                parameters, self.data, self.T, batches, eta=task.eta, l2=task.l2
            )
            self.evaluation = {name: float(value) for name, value in evaluation.items()}

    def outcome(self) -> dict[str, float]:
        return self.evaluation


class Predict:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.y = data.y_valid
        parameters = textbook.trained(task, data)
        self.parameters = [[jnp.asarray(a) for a in x] for x in parameters]
        self.calls = [jnp.asarray(x) for x in np.split(data.X_valid, len(self.y) // task.batch)]

    def run(self, passes: int) -> None:
        for _ in range(passes):
            self.labels = [predict(x, *self.parameters).block_until_ready() for x in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.y)}


@jax.jit
def predict(x, weights, biases):
    return network(x, weights, biases).argmax(1)


ACTIONS = {"fit": Fit, "predict": Predict}

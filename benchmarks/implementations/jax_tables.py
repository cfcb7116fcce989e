"""JAX on tables: an epoch of Adam in one compiled scan, its rows gathered in either of two ways.

It sums up no losses, as scikit-learn and mlpcore do, and so has less to do.
"""

import os
from collections.abc import Iterable
from functools import partial

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.implementations import adam
from benchmarks.tasks import Data, EstimatorStart, Task


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": threads, "gathers": gathers} for gathers in ("minibatches", "epochs")]


def network(x, weights, biases):
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = jax.nn.relu(x @ w + b)
    return (x @ weights[-1] + biases[-1])[:, 0]


def loss(parameters, x, y, target):
    z = network(x, *parameters)
    if target == "number":
        return jnp.mean((z - y) ** 2) / 2
    return jnp.mean(jnp.maximum(z, 0) - y * z + jnp.log1p(jnp.exp(-jnp.abs(z))))


@partial(jax.jit, static_argnames=("target", "gathers"), donate_argnames="state")
def epoch(state, X, y, batches, rates, *, target, gathers):
    def step(state, minibatch):
        (rows, rate), ((weights, biases), means, squares) = minibatch, state
        x, t = (X[rows], y[rows]) if gathers == "minibatches" else rows
        grad_w, grad_b = jax.grad(loss)((weights, biases), x, t, target)
        decay = adam.ALPHA / batches.shape[1]
        gradient = [g + decay * w for g, w in zip(grad_w, weights, strict=True)], grad_b
        means = jax.tree.map(lambda m, g: adam.BETA_1 * m + (1 - adam.BETA_1) * g, means, gradient)
        squares = jax.tree.map(
            lambda v, g: adam.BETA_2 * v + (1 - adam.BETA_2) * g * g, squares, gradient
        )
        parameters = jax.tree.map(
            lambda p, m, v: p - rate * m / (jnp.sqrt(v) + adam.EPSILON),
            (weights, biases),
            means,
            squares,
        )
        return (parameters, means, squares), None

    rows = batches if gathers == "minibatches" else (X[batches], y[batches])
    return jax.lax.scan(step, state, (rows, rates))[0]


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        jax.config.update("jax_enable_x64", task.dtype == "float64")
        self.task, self.data, self.gathers = task, data, setting["gathers"]
        self.X, self.y = jnp.asarray(data.X), jnp.asarray(data.y.astype(task.dtype))

    def run(self, epochs: int) -> None:
        task, start = self.task, EstimatorStart(self.task)
        parameters = [jnp.array(a) for a in start.weights], [jnp.array(a) for a in start.biases]
        state = (parameters, *(jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)))
        for number in range(epochs):
            batches = start.batches().astype(np.int32)
            rates = adam.rates(number * len(batches), len(batches)).astype(task.dtype)
            state = epoch(
                state, self.X, self.y, batches, rates, target=task.target, gathers=self.gathers
            )
        self.parameters = jax.block_until_ready(state[0])

    def outcome(self) -> dict[str, float]:
        weights, biases = ([np.asarray(a, np.float64) for a in x] for x in self.parameters)
        return {"cost": adam.cost(self.task, self.data, weights, biases)}


ACTIONS = {"fit": Fit}

"""SciPy's L-BFGS, with loss and gradient from the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective
from mlpcore.engine.team import single_threaded_blas
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._network import check_weights_are_finite
from mlpcore.sklearn._optimizer import STOCHASTIC
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._solvers import prints, skip_in_prediction
from mlpcore.sklearn._table import Table, as_target
from mlpcore.training.progress import Progress


def check_lbfgs(model: Any, held_out: Table | None) -> None:
    """Refuse what has no meaning where all rows make up one step."""
    for name, on in (
        ("X_val", held_out is not None),
        ("dropout", np.any(model.dropout)),
        ("clip_norm", model.clip_norm is not None),
        ("max_norm", model.max_norm is not None),
    ):
        if on:
            raise ValueError(
                f"{name} is for the solvers {', '.join(STOCHASTIC)}; got solver='lbfgs'. "
                "Leave it out, or choose another solver."
            )


class PackedObjective:
    """Loss and gradient by all parameters in one vector: all weights, then all biases.

    A context manager, as the engine's Objective.
    """

    def __init__(self, model: Any, network: Network, table: Table) -> None:
        self.network = network
        # SciPy works for a while between two evaluations.
        n_threads = model._threads(table.X, network, asleep=True)
        self.rows = Input(table.X, network.dtype, path="auto", n_threads=n_threads)
        self.objective = Objective(
            network,
            self.rows,
            as_target(table.target, network),
            sample_weight=table.weight,
            l1=model.l1,
            l2=model.alpha,
            average=True,
            n_threads=n_threads,
        )
        self._parts = network.coefs + network.intercepts

    def __enter__(self) -> PackedObjective:
        self.objective.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.objective.__exit__(*error)

    def packed(self) -> NDArray[Any]:
        """The present parameters."""
        return np.concatenate([part.ravel() for part in self._parts])

    def load(self, theta: NDArray[Any]) -> None:
        """Set the parameters."""
        start = 0
        for part in self._parts:
            part[:] = theta[start : start + part.size].reshape(part.shape)
            start += part.size

    def __call__(self, theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        self.load(theta)
        loss, gradient = self.objective()
        coefs, intercepts = self.network.views(gradient)
        return loss, np.concatenate([part.ravel() for part in coefs + intercepts])


class Iterations:
    """What happens after each iteration: the callback that SciPy calls.

    Attributes
    ----------
    count : int
        Iterations so far, with those before a checkpoint.
    theta : ndarray
        The last iterate.
    stopped : bool
        Whether a callback has asked to stop.
    """

    def __init__(
        self,
        model: Any,
        objective: PackedObjective,
        progress: Progress,
        bridge: CallbackBridge | None,
        resume: Resume | None,
    ) -> None:
        self._model, self._objective, self._progress = model, objective, progress
        self._bridge, self._resume = bridge, resume
        self.count, self.theta, self.stopped = 0, objective.packed(), False

    def __call__(self, intermediate_result: Any) -> None:
        self.theta = intermediate_result.x
        self.count += 1
        self._progress.update(self.count, {"loss": intermediate_result.fun})
        if prints(self._model):
            print(f"Iteration {self.count}, loss = {intermediate_result.fun:.8f}")
        if self._resume is not None and self.count % self._resume.every == 0:
            self.save()
        if self._bridge is not None:
            self._objective.load(self.theta)
            self.stopped = self._bridge.end()
            if self.stopped:
                raise StopIteration
            self._bridge.begin()

    def save(self) -> None:
        """Write the checkpoint, where there is one."""
        if self._resume is not None:
            self._resume.save_iterate(type(self._model).__name__, self.count, self.theta)


def fit_lbfgs(
    model: Any,
    network: Network,
    table: Table,
    bridge: CallbackBridge | None,
    resume: Resume | None,
) -> None:
    """Train by SciPy's L-BFGS-B on all rows at once.

    A checkpoint holds the last iterate and not what the method knows of the curvature: a fit that
    goes on from it begins the method again there, and takes another way to the same minimum.
    """
    network.background = None
    objective = PackedObjective(model, network, table)
    progress = Progress(model.verbose == "bar", model.max_iter)
    after = Iterations(model, objective, progress, bridge, resume)
    if resume is not None:
        known = resume.last_iterate(model, table, after.theta.size)
        if known is not None:
            after.count, after.theta = known
    left = model.max_iter - after.count
    if bridge is not None:
        bridge.begin()
    try:
        # SciPy multiplies short vectors, which BLAS's threads make many times slower where the
        # cores are not idle.
        with objective, single_threaded_blas(), progress:
            result = scipy.optimize.minimize(
                objective,
                after.theta,
                method="L-BFGS-B",
                jac=True,
                callback=after,
                options={"maxfun": model.max_fun, "maxiter": left, "gtol": model.tol},
            )
    except BaseException:
        # The objective may have been evaluated on the way to the next iterate.
        objective.load(after.theta)
        model.n_iter_ = after.count
        after.save()
        raise
    if not after.stopped:
        done = model.max_iter - left
        after.count = done + int(_check_optimize_result("lbfgs", result, left))
    model.n_iter_, model.loss_ = after.count, float(result.fun)
    after.theta = result.x
    objective.load(after.theta)
    check_weights_are_finite(network)
    skip_in_prediction(model, network, objective.rows)
    after.save()

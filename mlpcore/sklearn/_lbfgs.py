"""SciPy's L-BFGS, with loss and gradient from the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from mlpcore._progress import Progress
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective
from mlpcore.engine.team import single_threaded_blas
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._optimizer import STOCHASTIC
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._solvers import prints, skip_in_prediction
from mlpcore.sklearn._table import Table, as_target


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
    theta, before = objective.packed(), 0
    if resume is not None:
        known = resume.last_iterate(model, table, theta.size)
        if known is not None:
            before, theta = known
            objective.load(theta)
    iterations, stopped, kind = before, False, type(model).__name__
    progress = Progress(model.verbose == "bar", model.max_iter, before)

    def after_iteration(intermediate_result: Any) -> None:
        nonlocal iterations, stopped, theta
        # In this order: an interrupt in between leaves an iteration more than is counted.
        theta = intermediate_result.x
        iterations += 1
        progress.update(iterations, {"loss": intermediate_result.fun})
        if prints(model):
            print(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")
        if resume is not None and iterations % resume.every == 0:
            resume.save_iterate(kind, iterations, theta)
        if bridge is not None:
            objective.load(theta)
            stopped = bridge.end()
            if stopped:
                raise StopIteration
            bridge.begin()

    if bridge is not None:
        bridge.begin()
    # SciPy multiplies short vectors, which BLAS's threads make many times slower where the cores
    # are not idle.
    try:
        with objective, single_threaded_blas(), progress:
            options = {
                "maxfun": model.max_fun,
                "maxiter": model.max_iter - before,
                "gtol": model.tol,
            }
            result = scipy.optimize.minimize(
                objective,
                theta,
                method="L-BFGS-B",
                jac=True,
                callback=after_iteration,
                options=options,
            )
    except BaseException:
        # The objective may have been evaluated on the way to the next iterate.
        objective.load(theta)
        model.n_iter_ = iterations
        if resume is not None:
            resume.save_iterate(kind, iterations, theta)
        raise
    if stopped:
        model.n_iter_ = iterations
    else:
        made = int(_check_optimize_result("lbfgs", result, model.max_iter - before))
        model.n_iter_ = before + made
    model.loss_ = float(result.fun)
    objective.load(result.x)
    skip_in_prediction(model, network, objective.rows)
    if resume is not None:
        resume.save_iterate(kind, model.n_iter_, result.x)

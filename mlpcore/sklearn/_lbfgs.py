"""SciPy's L-BFGS, with loss and gradient from the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective
from mlpcore.engine.team import single_threaded_blas
from mlpcore.sklearn._solvers import Table, Watch, as_target, skip_in_prediction

if TYPE_CHECKING:
    from mlpcore.sklearn._base import BaseMLP


class PackedObjective:
    """Loss and gradient by all parameters in one vector: all weights, then all biases.

    A context manager, as the engine's Objective.
    """

    def __init__(self, model: BaseMLP, network: Network, table: Table) -> None:
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


def fit_lbfgs(model: BaseMLP, network: Network, table: Table, watch: Watch | None) -> None:
    """Train by SciPy's L-BFGS-B on all rows at once."""
    network.background = None
    objective = PackedObjective(model, network, table)
    iterations = 0
    stopped = False

    def after_iteration(intermediate_result: Any) -> None:
        nonlocal iterations, stopped
        iterations += 1
        if model.verbose:
            print(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")
        if watch is not None:
            objective.load(intermediate_result.x)
            stopped = watch.end(model)
            if stopped:
                raise StopIteration
            watch.begin()

    if watch is not None:
        watch.begin()
    # SciPy's share are products of short vectors, which BLAS's threads make many times slower where
    # the cores are not idle.
    with objective, single_threaded_blas():
        result = scipy.optimize.minimize(
            objective,
            objective.packed(),
            method="L-BFGS-B",
            jac=True,
            callback=after_iteration if model.verbose or watch is not None else None,
            options={"maxfun": model.max_fun, "maxiter": model.max_iter, "gtol": model.tol},
        )
    if stopped:
        model.n_iter_ = iterations
    else:
        model.n_iter_ = int(_check_optimize_result("lbfgs", result, model.max_iter))
    model.loss_ = float(result.fun)
    objective.load(result.x)
    skip_in_prediction(model, network, objective.rows)

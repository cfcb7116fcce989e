"""SciPy's L-BFGS, with loss and gradient from the engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from mlpcore.engine.blas_threads import single_threaded_blas
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._data import TrainingData, as_target
from mlpcore.sklearn._network import check_weights_are_finite
from mlpcore.sklearn._optimizer import STOCHASTIC
from mlpcore.sklearn._parameters import Settings
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._shared import Division
from mlpcore.training.progress import Progress


def check_lbfgs(settings: Settings, held_out: TrainingData | None) -> None:
    """Refuse parameters that have no meaning where all rows make up one step."""
    for name, on in (
        ("X_val", held_out is not None),
        ("dropout", any(settings.dropout)),
        ("clip_norm", settings.clip_norm),
        ("max_norm", settings.max_norm),
        ("warmup_epochs", settings.warmup_epochs),
        ("weight_average", settings.weight_average),
        ("augment", settings.augment),
    ):
        if on:
            raise ValueError(
                f"{name} is for the solvers {', '.join(STOCHASTIC)}; got solver='lbfgs'. "
                "Leave it out, or choose another solver."
            )


class PackedObjective:
    """Loss and gradient as functions of one vector: all weights, then all biases.

    A context manager, as the engine's Objective.
    """

    def __init__(
        self,
        model: Any,
        settings: Settings,
        network: Network,
        data: TrainingData,
        division: Division | None = None,
    ) -> None:
        self.network = network
        n_threads = model._threads()
        path, background = "auto", None
        if division is not None:
            path, background = division.path, division.background
        self.rows = Input(
            data.X, network.dtype, path=path, n_threads=n_threads, background=background
        )
        self.objective = Objective(
            network,
            self.rows,
            as_target(data.target, network),
            sample_weight=data.weight,
            label_smoothing=settings.label_smoothing,
            l1=settings.l1,
            l2=settings.l2,
            average=True,
            n_threads=n_threads,
            shared=None if division is None else division.shared,
        )
        self._parts = network.coefs + network.intercepts

    def __enter__(self) -> PackedObjective:
        self.objective.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.objective.__exit__(*error)

    def packed(self) -> NDArray[Any]:
        """The current parameters."""
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
    """SciPy's callback after each iteration: progress, checkpoint, scikit-learn's callbacks.

    Attributes
    ----------
    count : int
        Iterations so far, including those before a checkpoint.
    theta : ndarray
        The last iterate.
    stopped : bool
        Whether a callback has asked to stop.
    """

    def __init__(
        self,
        model: Any,
        settings: Settings,
        objective: PackedObjective,
        progress: Progress,
        bridge: CallbackBridge | None,
        resume: Resume | None,
        division: Division | None,
    ) -> None:
        self._ranks = None if division is None else division.ranks
        self._kind, self._prints = type(model).__name__, settings.prints
        self._objective, self._progress = objective, progress
        self._bridge, self._resume = bridge, resume
        self.count, self.theta, self.stopped = 0, objective.packed(), False

    def __call__(self, intermediate_result: Any) -> None:
        self.theta = intermediate_result.x
        self.count += 1
        self._progress.update(self.count, {"loss": intermediate_result.fun})
        if self._prints:
            print(f"Iteration {self.count}, loss = {intermediate_result.fun:.8f}")
        if self._resume is not None and self.count % self._resume.every == 0:
            self.save()
        if self._bridge is not None:
            self._objective.load(self.theta)
            self.stopped = self._bridge.end()
            if self._ranks is not None:
                self.stopped = self._ranks.agree(stop=self.stopped)
            if self.stopped:
                raise StopIteration
            self._bridge.begin()

    def save(self) -> None:
        """Write the checkpoint, where there is one."""
        if self._resume is not None:
            self._resume.save_iterate(self._kind, self.count, self.theta)


def fit_lbfgs(
    model: Any,
    settings: Settings,
    network: Network,
    data: TrainingData,
    bridge: CallbackBridge | None,
    resume: Resume | None,
    division: Division | None = None,
) -> None:
    """Train by SciPy's L-BFGS-B on all rows at once.

    A checkpoint holds the last iterate and not the method's approximation of the curvature: a fit
    that goes on from it begins the method again there, on another path to the same minimum.
    """
    network.background = None
    objective = PackedObjective(model, settings, network, data, division)
    progress = Progress(settings.shows_bar, settings.epochs)
    after = Iterations(model, settings, objective, progress, bridge, resume, division)
    if resume is not None:
        shared = None if division is None else division.shared
        known = resume.last_iterate(model, data, after.theta.size, shared)
        if known is not None:
            after.count, after.theta = known
    left = settings.epochs - after.count
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
                options={"maxfun": settings.max_fun, "maxiter": left, "gtol": settings.tol},
            )
    except BaseException:
        # The objective may have been evaluated on the way to the next iterate.
        objective.load(after.theta)
        model._record_iterations(after.count, objective.objective)
        after.save()
        raise
    if not after.stopped:
        done = settings.epochs - left
        after.count = done + int(_check_optimize_result("lbfgs", result, left))
    model._record_iterations(after.count, objective.objective, float(result.fun))
    after.theta = result.x
    objective.load(after.theta)
    check_weights_are_finite(network)
    model._skip_in_prediction(network, objective.rows)
    after.save()

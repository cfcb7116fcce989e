"""The steps of a fit of both estimators: check, encode, weigh, start, and hand on to a solver."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state

from mlpcore._html_page import pixel_range
from mlpcore.engine.evaluation import BLOCK_ROWS
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._data import TrainingData, check_sample_weight, readable, weighed
from mlpcore.sklearn._held_out import check_enough, own_rows
from mlpcore.sklearn._lbfgs import check_lbfgs, fit_lbfgs
from mlpcore.sklearn._network import FLOATS
from mlpcore.sklearn._parameters import Settings
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._shared import Collected, Division
from mlpcore.sklearn._solvers import fit_stochastic
from mlpcore.sklearn._streams import check_settings
from mlpcore.streams.source import Source

Model = TypeVar("Model", bound=Any)


def fit_estimator(
    model: Model,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    incremental: bool,
    validation: tuple[Any, Any, Any] = (None, None, None),
    resume: Resume | None = None,
    collected: Collected | None = None,
) -> Model:
    """Fit an estimator, or go on with it.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    X, y, sample_weight
        As in `BaseMLP.fit`; or those of this rank's shards, with `collected`.
    incremental : bool
        Whether this is `partial_fit`.
    validation : tuple
        X_val, y_val and sample_weight_val.
    resume : Resume, optional
        The checkpoint.
    collected : Collected, optional
        What ranks know that have the rows together.

    Returns
    -------
    model : MLPClassifier or MLPRegressor
    """
    hidden = model._hidden_units()
    first = not hasattr(model, "coefs_") or (not model.warm_start and not incremental)
    given = X, y, sample_weight
    model._check_missing(y, "y")
    X, y = model._validate_input(X, y, incremental, reset=first)
    n_hidden = len(hidden) if first else len(model.coefs_) - 1
    settings = model._training_settings(n_hidden, incremental)
    look = None
    if collected is not None:
        settings, look = _in_common(model, settings, X, collected)
    data, held_out = _weigh(model, X, y, sample_weight, incremental, validation, collected)
    check_settings(settings, data, held_out, model.buffer_bytes)
    if held_out is not None and settings.early_stopping and collected is None:
        check_enough(held_out)
    if settings.solver == "lbfgs":
        check_lbfgs(settings, held_out)
    model.n_outputs_ = model._units_of_target(data.target)
    rng = check_random_state(model.random_state)
    if collected is not None:
        rng = collected.ranks.broadcast(lambda: rng)
    model._random_state = rng
    if resume is not None:
        model._random_state = resume.random_state(rng, type(model).__name__)
    if first:
        if look is None:
            model._pixels = pixel_range(X[:BLOCK_ROWS] if isinstance(X, Source) else X)
        else:
            model._pixels = look.pixels
        model._initialize((X.shape[1], *hidden, model.n_outputs_), _dtype(X))
    network = model._trainable()
    bridge = None
    if not incremental and (
        hasattr(model, "_skl_callbacks") or hasattr(model, "_parent_callback_ctx")
    ):
        # SciPy's L-BFGS reports one iteration more than it makes.
        bridge = CallbackBridge(model, *given, tasks=settings.epochs + 1)
    if settings.solver == "lbfgs":
        fit_lbfgs(model, settings, network, data, bridge, resume, look)
    else:
        fit_stochastic(model, settings, network, data, held_out, bridge, resume, look, first=first)
    if bridge is not None:
        bridge.close()
    return model


def _weigh(
    model: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    incremental: bool,
    validation: tuple[Any, Any, Any],
    collected: Collected | None,
) -> tuple[TrainingData, TrainingData | None]:
    """The training rows and the caller's validation rows, with the weights of their classes."""
    totals: tuple[Any, Any] = np.sum, np.sum
    count: Any = np.bincount
    if collected is not None:
        valid = collected.valid
        count = collected.train.count
        totals = collected.train.total, np.sum if valid is None else valid.total
    sample_weight = check_sample_weight(sample_weight, X, "sample_weight")
    target = model._encode(y)
    class_weights = model._class_weights(target, sample_weight, incremental, count)
    data = weighed(X, y, target, sample_weight, class_weights, "", totals[0])
    return data, own_rows(model, validation, _dtype(X), class_weights, totals[1])


def _dtype(X: Any) -> np.dtype[Any]:
    """The network's dtype for rows, of which those that are read in pieces may have any."""
    return X.dtype if X.dtype in FLOATS else np.dtype(np.float64)


def _in_common(
    model: Any, settings: Settings, X: Any, collected: Collected
) -> tuple[Settings, Division]:
    """Set what the rows of all ranks decide; the settings of this rank; how rows are divided."""
    if collected.names is not None:
        model.feature_names_in_ = collected.names
    if collected.labels is not None:
        model._set_labels(collected.labels)
    rows = readable(X)
    path, background, pixels = collected.train.look(rows, rows, "auto", X.dtype)
    augment = settings.augment
    if augment is not None and augment.background is None:
        augment = replace(augment, background=background[0])
    first = collected.ranks.rank == 0
    settings = replace(
        settings,
        augment=augment,
        prints=settings.prints and first,
        shows_bar=settings.shows_bar and first,
    )
    valid_starts = None if collected.valid is None else collected.valid.starts
    division = Division(
        collected.train, collected.valid, None, 0, valid_starts, path, background[0], pixels
    )
    return settings, division

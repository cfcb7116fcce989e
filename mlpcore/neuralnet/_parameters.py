"""The classifier's parameters, checked and in the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlpcore._threads import available_threads
from mlpcore._validation import (
    check_choice,
    check_float,
    check_fraction,
    check_int,
    check_scale,
    check_seed,
    check_units,
)
from mlpcore.engine.registry import ACTIVATIONS, HYPERPARAMETERS, OPTIMIZERS, TRAINING
from mlpcore.training.schedules import PLANNED, SCHEDULES

_EARLY_STOPPING = {False: None, True: "valid_acc", "valid_acc": "valid_acc", "cost": "cost"}


def check_parameters(model: Any) -> dict[str, Any]:
    """Check what the constructor stored.

    Parameters
    ----------
    model : NeuralNetMLP

    Returns
    -------
    settings : dict
        Plain values by the parameters' names, without `dtype`, `input_path`, `progress` and
        `callback`.

    Raises
    ------
    TypeError, ValueError
        With the name of the first parameter that is not as described.
    """
    if model.progress != "auto" and not isinstance(model.progress, bool):
        raise ValueError(f'progress must be "auto", True or False; got {model.progress!r}.')
    if model.class_weight is not None and not (
        isinstance(model.class_weight, Mapping)
        or (isinstance(model.class_weight, str) and model.class_weight == "balanced")
    ):
        raise ValueError(
            f'class_weight must be None, "balanced" or a dict from class labels to weights; got '
            f"{model.class_weight!r}."
        )
    if model.callback is not None and not callable(model.callback):
        raise TypeError(f"callback must be callable or None; got {model.callback!r}.")
    if not isinstance(model.shuffle, (bool, np.bool_)):
        raise TypeError(f"shuffle must be True or False; got {model.shuffle!r}.")
    if model.input_path not in ("auto", "dense", "sparse"):
        raise ValueError(
            f'input_path must be "auto", "dense" or "sparse"; got {model.input_path!r}.'
        )
    if not isinstance(model.early_stopping, (bool, np.bool_, str)) or (
        model.early_stopping not in _EARLY_STOPPING
    ):
        raise ValueError(
            f'early_stopping must be False, True, "valid_acc" or "cost"; got '
            f"{model.early_stopping!r}."
        )
    n_hidden = check_units(model.n_hidden, "n_hidden")
    return {
        "input_scale": check_scale(model.input_scale),
        "n_hidden": n_hidden,
        "l2": check_float(model.l2, "l2", low=0, hint="Values up to 0.1 are usual."),
        "epochs": check_int(model.epochs, "epochs", low=0),
        "eta": check_float(
            model.eta, "eta", low=0, strict=True,
            hint="Values from 0.0001 to 0.1 are usual for scaled inputs.",
        ),
        "minibatch_size": check_int(model.minibatch_size, "minibatch_size", low=1),
        "eval_every": check_int(model.eval_every, "eval_every", low=1),
        "shuffle": bool(model.shuffle),
        "early_stopping": _EARLY_STOPPING[model.early_stopping],
        "patience": check_int(model.patience, "patience", low=1),
        "seed": check_seed(model.seed),
        "n_threads": check_threads(model.n_threads),
        "activation": check_activation(model.activation, len(n_hidden)),
        "optimizer": check_choice(model.optimizer, "optimizer", TRAINING),
        **{
            name: _check_hyperparameter(getattr(model, name), name)
            for name in HYPERPARAMETERS if hasattr(model, name)
        },
        "dropout": _check_dropout(model.dropout, len(n_hidden)),
        "schedule": check_choice(model.schedule, "schedule", SCHEDULES),
        "power_t": check_float(model.power_t, "power_t", low=0),
        "clip_norm": _check_norm(model.clip_norm, "clip_norm"),
        "max_norm": _check_norm(model.max_norm, "max_norm"),
    }  # fmt: skip


def check_activation(value: Any, n_layers: int) -> tuple[str, ...]:
    """A name for each hidden layer."""
    if isinstance(value, str) or not np.iterable(value):
        return (check_choice(value, "activation", ACTIVATIONS),) * n_layers
    names = tuple(check_choice(name, "activation", ACTIVATIONS) for name in value)
    if len(names) != n_layers:
        raise ValueError(
            f"activation must be one name, or one for each of the {n_layers} hidden layers; got "
            f"{len(names)}."
        )
    return names


def _check_hyperparameter(value: Any, name: str) -> float:
    """A number from the lowest to below the bound that an optimiser's hyperparameter has."""
    _, low, below = HYPERPARAMETERS[name]
    number = check_float(value, name, low=low)
    if number >= below:
        raise ValueError(
            f"{name} must be a number from {low:g} to below {below:g}; got {number:g}."
        )
    return number


def _check_dropout(value: Any, n_layers: int) -> tuple[float, ...]:
    """What is left out of the inputs and of each hidden layer; empty for nothing at all."""
    if isinstance(value, (str, bytes)) or not np.iterable(value):
        rates = (check_fraction(value, "dropout"),) * n_layers
    else:
        rates = tuple(check_fraction(rate, "dropout") for rate in value)
        if len(rates) not in (n_layers, n_layers + 1):
            raise ValueError(
                f"dropout must be one number, one for each of the {n_layers} hidden layers, or one "
                f"more, in front, for the inputs; got {len(rates)}."
            )
    rates = (0.0,) * (n_layers + 1 - len(rates)) + rates
    return rates if any(rates) else ()


def _check_norm(value: Any, name: str) -> float | None:
    return None if value is None else check_float(value, name, low=0, strict=True)


def resume_identity(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings that decide about a run's bits, and so must be the same to resume it.

    Not the hyperparameters of other optimisers, which change nothing.
    """
    schedule = settings["schedule"]
    free = {"epochs", "n_threads", "patience", "power_t", *HYPERPARAMETERS}
    free.difference_update(OPTIMIZERS[settings["optimizer"]].hyperparameters)
    if schedule in PLANNED:  # laid out over all epochs
        free.remove("epochs")
    if schedule == "invscaling":
        free.remove("power_t")
    if settings["early_stopping"] is not None or schedule == "adaptive":
        free.remove("patience")
    return {name: value for name, value in settings.items() if name not in free}


def check_threads(n_threads: Any) -> int:
    """How many threads there may be: a number from 1, or for None as many as are available."""
    return available_threads() if n_threads is None else check_int(n_threads, "n_threads", low=1)

"""The classifier's parameters: checked once for each fit, in the engine's terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlpcore._threads import available_threads
from mlpcore._validation import (
    check_choice,
    check_dtype,
    check_float,
    check_fraction,
    check_int,
    check_scale,
    check_seed,
    check_units,
)
from mlpcore.distortion import Distortion, check_pair
from mlpcore.engine.registry import ACTIVATIONS, HYPERPARAMETERS, OPTIMIZERS, TRAINING
from mlpcore.training.averaging import check_weight_average
from mlpcore.training.schedules import PLANNED, SCHEDULES, check_warmup
from mlpcore.training.snapshot import fingerprint

_EARLY_STOPPING = {False: None, True: "valid_acc", "valid_acc": "valid_acc", "cost": "cost"}

# Settings that may differ when a run goes on, or that are compared in another form: class weights
# within the weights of the rows, dtype and input path as the data decided them.
_NOT_COMPARED = {
    "n_threads", "progress", "callback", "class_weight", "dtype", "input_path", "hyperparameters",
    "coefs_init", "intercepts_init", "augment", "image_shape", "buffer_bytes",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The parameters of one fit: plain values, checked.

    Attributes
    ----------
    n_hidden : tuple of int
        Units of each hidden layer.
    activation : tuple of str
        Their activations.
    dropout : tuple of float
        The fraction that is dropped of the inputs and of each hidden layer; empty for no dropout.
    early_stopping : str or None
        The metric that must improve; None trains for all epochs.
    l2 : float or tuple of float
        Of all layers, or of each where they differ; the hyperparameter weight_decay likewise.
    hyperparameters : dict
        Those of all optimisers, by name.
    n_threads : int
        From 1.
    dtype : dtype or None
        None is decided by the data.
    buffer_bytes : int
        Compared as the order of rows that follows from it.
    input_scale : (float, float)
        Scale and offset; (1, 0) leaves the data as they are.
    coefs_init, intercepts_init : sequence of array_like or None
        Checked later, when there is a network to compare their shapes with.
    image_shape : (int, int) or None
        The same, with the features of the data.
    others
        As in `NeuralNetMLP`.
    """

    n_hidden: tuple[int, ...]
    l2: float | tuple[float, ...]
    epochs: int
    eta: float
    shuffle: bool
    minibatch_size: int
    seed: int | None
    dtype: np.dtype[Any] | None
    n_threads: int
    progress: bool | str
    input_path: str
    input_scale: tuple[float, float]
    buffer_bytes: int
    eval_every: int
    callback: Callable[[int, dict[str, list[float]]], Any] | None
    early_stopping: str | None
    patience: int
    activation: tuple[str, ...]
    optimizer: str
    hyperparameters: Mapping[str, Any]
    dropout: tuple[float, ...]
    coefs_init: Sequence[ArrayLike] | None
    intercepts_init: Sequence[ArrayLike] | None
    schedule: str
    power_t: float
    warmup_epochs: float
    clip_norm: float | None
    max_norm: float | None
    weight_average: float | int | None
    label_smoothing: float
    class_weight: Mapping[Any, float] | str | None
    augment: Distortion | None
    image_shape: tuple[int, int] | None

    def resume_identity(self) -> dict[str, Any]:
        """What decides a run's bits, and so must be the same to resume it, by name.

        The hyperparameters of other optimisers change nothing, and are left out.
        """
        free = {"epochs", "patience", "power_t"}
        if self.schedule in PLANNED or isinstance(self.weight_average, int):
            # They are planned over all epochs.
            free.remove("epochs")
        if self.schedule == "invscaling":
            free.remove("power_t")
        if self.early_stopping is not None or self.schedule == "adaptive":
            free.remove("patience")
        names = [field.name for field in fields(self)]
        used = OPTIMIZERS[self.optimizer].hyperparameters
        return {
            **{name: getattr(self, name) for name in names if name not in free | _NOT_COMPARED},
            **{name: value for name, value in self.hyperparameters.items() if name in used},
            "coefs_init": _fingerprints(self.coefs_init),
            "intercepts_init": _fingerprints(self.intercepts_init),
            "augment": None if self.augment is None else repr(self.augment),
        }

    def earlier_identity(self) -> dict[str, Any]:
        """What mlpcore 0.1 wrote in place of some of that."""
        # It wrote none of these, whose defaults were all it had.
        defaults = {"schedule": "constant", "warmup_epochs": 0.0, "label_smoothing": 0.0}
        return {name: None for name, value in defaults.items() if getattr(self, name) == value}


def check_parameters(model: Any) -> Settings:
    """Check what the constructor stored.

    Parameters
    ----------
    model : NeuralNetMLP

    Returns
    -------
    settings : Settings

    Raises
    ------
    TypeError, ValueError
        With the name of the first parameter that is not as described.
    """
    _check_kinds(model)
    n_hidden = check_units(model.n_hidden, "n_hidden")
    settings = Settings(
        input_scale=check_scale(model.input_scale),
        n_hidden=n_hidden,
        l2=_check_each(model.l2, "l2", len(n_hidden) + 1, _check_l2),
        epochs=check_int(model.epochs, "epochs", low=0),
        eta=check_float(
            model.eta, "eta", low=0, strict=True,
            hint="Values from 0.0001 to 0.1 are usual for scaled inputs.",
        ),
        minibatch_size=check_int(model.minibatch_size, "minibatch_size", low=1),
        eval_every=check_int(model.eval_every, "eval_every", low=1),
        shuffle=bool(model.shuffle),
        early_stopping=_EARLY_STOPPING[model.early_stopping],
        patience=check_int(model.patience, "patience", low=1),
        seed=check_seed(model.seed),
        n_threads=check_threads(model.n_threads),
        buffer_bytes=check_int(model.buffer_bytes, "buffer_bytes", low=1, high=2**62),
        activation=check_activation(model.activation, len(n_hidden)),
        optimizer=check_choice(model.optimizer, "optimizer", TRAINING),
        hyperparameters={
            name: _check_hyperparameter(getattr(model, name), name, len(n_hidden) + 1)
            for name in HYPERPARAMETERS if hasattr(model, name)
        },
        dropout=_check_dropout(model.dropout, len(n_hidden)),
        schedule=check_choice(model.schedule, "schedule", SCHEDULES),
        power_t=check_float(model.power_t, "power_t", low=0),
        warmup_epochs=check_float(model.warmup_epochs, "warmup_epochs", low=0),
        clip_norm=_check_norm(model.clip_norm, "clip_norm"),
        max_norm=_check_norm(model.max_norm, "max_norm"),
        weight_average=check_weight_average(model.weight_average),
        label_smoothing=check_fraction(model.label_smoothing, "label_smoothing"),
        dtype=check_dtype(model.dtype),
        progress=model.progress,
        input_path=model.input_path,
        callback=model.callback,
        coefs_init=model.coefs_init,
        intercepts_init=model.intercepts_init,
        class_weight=model.class_weight,
        augment=model.augment,
        image_shape=None if model.image_shape is None else check_pair(model.image_shape),
    )  # fmt: skip
    check_warmup(settings.warmup_epochs, settings.schedule, settings.epochs, "schedule", "epochs")
    return settings


def _check_kinds(model: Any) -> None:
    """Raise for parameters that are none of a few values, or of another type."""
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
    if model.augment is not None and not isinstance(model.augment, Distortion):
        raise TypeError(f"augment must be a Distortion or None; got {model.augment!r}.")
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


def _check_each(
    value: Any, name: str, n_layers: int, check: Callable[[Any, str], float]
) -> float | tuple[float, ...]:
    """A number, or one for each layer of weights; one where all are equal."""
    if isinstance(value, (str, bytes)) or not np.iterable(value):
        return check(value, name)
    numbers = tuple(check(number, name) for number in value)
    if len(numbers) != n_layers:
        raise ValueError(
            f"{name} must be one number, or one for each of the {n_layers} layers of weights; got "
            f"{len(numbers)}."
        )
    return numbers[0] if len(set(numbers)) == 1 else numbers


def _check_l2(value: Any, name: str) -> float:
    return check_float(value, name, low=0, hint="Values up to 0.1 are usual.")


def _check_hyperparameter(value: Any, name: str, n_layers: int) -> float | tuple[float, ...]:
    """What an optimiser's hyperparameter may be; only decay may differ from layer to layer."""
    if name == "weight_decay":
        return _check_each(value, name, n_layers, _check_bounds)
    return _check_bounds(value, name)


def _check_bounds(value: Any, name: str) -> float:
    """A number from the lowest to below the bound that an optimiser's hyperparameter has."""
    _, low, below = HYPERPARAMETERS[name]
    number = check_float(value, name, low=low)
    if number >= below:
        raise ValueError(
            f"{name} must be a number from {low:g} to below {below:g}; got {number:g}."
        )
    return number


def _check_dropout(value: Any, n_layers: int) -> tuple[float, ...]:
    """The fraction dropped of the inputs and of each hidden layer; empty for no dropout."""
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


def check_threads(n_threads: Any) -> int:
    """How many threads there may be: a number from 1, or for None as many as are available."""
    return available_threads() if n_threads is None else check_int(n_threads, "n_threads", low=1)


def _fingerprints(arrays: Sequence[ArrayLike] | None) -> list[str | None] | None:
    return None if arrays is None else [fingerprint(np.asarray(array)) for array in arrays]


def check_validation(settings: Settings, X_valid: Any, y_valid: Any) -> None:
    """Raise ValueError unless there are both or none, and both where early stopping needs them."""
    if (X_valid is None) != (y_valid is None):
        raise ValueError("X_valid and y_valid belong together; got only one of them.")
    if X_valid is None and settings.early_stopping == "valid_acc":
        raise ValueError(
            "early_stopping needs X_valid and y_valid; got none. Give them, or use "
            'early_stopping="cost".'
        )

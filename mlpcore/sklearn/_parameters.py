"""The parameters of both estimators: their constraints, and their values for the engine."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from mlpcore._threads import available_threads
from mlpcore.distortion import Distortion
from mlpcore.engine.registry import ACTIVATIONS, HYPERPARAMETERS, OUTPUTS
from mlpcore.sklearn._optimizer import STOCHASTIC
from mlpcore.training.averaging import check_weight_average
from mlpcore.training.schedules import PLANNED, SCHEDULES, check_warmup


@dataclass(frozen=True)
class Settings:
    """The parameters of one fit that training reads, after scikit-learn has checked them.

    Attributes
    ----------
    incremental : bool
        Whether this is `partial_fit`: one epoch, after which others may follow.
    epochs : int
        Epochs, or iterations of L-BFGS, at most.
    l2 : float or tuple of float
        The parameter `alpha`, for all layers or for each.
    dropout : tuple of float
        Rates for each hidden layer, or before them one for the inputs; empty for no dropout.
    clip_norm, max_norm : float
        0 for no limit.
    prints, shows_bar : bool
        What `verbose` asks for: a line for each epoch, or a progress bar.
    others
        The parameters of the same name.
    """

    incremental: bool
    epochs: int
    solver: str
    learning_rate: str
    batch_size: Any
    shuffle: bool
    l1: float
    l2: Any
    dropout: tuple[float, ...]
    clip_norm: float
    max_norm: float
    label_smoothing: float
    tol: float
    n_iter_no_change: float
    max_fun: int
    warmup_epochs: float
    weight_average: float | int | None
    augment: Distortion | None
    image_shape: Any
    early_stopping: bool
    validation_fraction: float
    scoring: Any
    prints: bool
    shows_bar: bool


class Parameters(BaseEstimator):
    """The parameters by themselves; `_signatures` describes them."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        # Where scikit-learn has the same hyperparameter, its limits follow and replace these.
        **{
            name: [Interval(Real, low, below if np.isfinite(below) else None, closed="left")]
            for name, (_, low, below) in HYPERPARAMETERS.items()
        },
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC})],
        # One for each layer is an extension, which scikit-learn's text does not name.
        "alpha": [Interval(Real, 0, None, closed="left"), Hidden("array-like")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES))],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose", StrOptions({"bar"})],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [
            Interval(Integral, 1, None, closed="left"),
            Options(Real, {np.inf}),
        ],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        # The following are extensions.
        "out_activation": [StrOptions(set(OUTPUTS)), None],
        "coefs_init": ["array-like", None],
        "intercepts_init": ["array-like", None],
        "warmup_epochs": [Interval(Real, 0, None, closed="left")],
        "weight_average": [
            Interval(Real, 0, 1, closed="neither"),
            Interval(Integral, 2, None, closed="left"),
            None,
        ],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "weight_decay": [Interval(Real, 0, None, closed="left"), "array-like"],
        "l1": [Interval(Real, 0, None, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "max_norm": [Interval(Real, 0, None, closed="neither"), None],
        "scoring": [str, callable, None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
        "buffer_bytes": [Interval(Integral, 1, None, closed="left")],
    }

    # __init__ sets the parameters.
    hidden_layer_sizes: Any
    activation: Any
    solver: str
    alpha: Any
    batch_size: Any
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    loss: str
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    out_activation: str | None
    coefs_init: Any
    intercepts_init: Any
    dropout: Any
    warmup_epochs: float = 0.0
    weight_average: Any = None
    l1: float
    weight_decay: Any
    clip_norm: float | None
    max_norm: float | None
    scoring: Any
    n_threads: int | None
    buffer_bytes: int = 1 << 28  # pickles of version 0.1 have none
    # The classifier's __init__ sets these.
    label_smoothing: float = 0.0
    augment: Distortion | None = None
    image_shape: Any = None

    def _store(self, parameters: dict[str, Any]) -> None:
        """Set every parameter under its own name; `parameters` are the locals() of __init__."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _hidden_units(self) -> list[int]:
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if np.iterable(sizes) else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return [operator.index(size) for size in sizes]

    def _activations(self, n_hidden: int) -> list[str]:
        """Names for each hidden layer."""
        if isinstance(self.activation, str):
            return [self.activation] * n_hidden
        names = list(self.activation)
        unknown = [name for name in names if name not in ACTIVATIONS]
        if unknown:
            raise ValueError(
                f"activation must hold names among {', '.join(sorted(ACTIVATIONS))}; got "
                f"{unknown[0]!r}."
            )
        if len(names) != n_hidden:
            raise ValueError(
                f"activation must be one name, or one for each of the {n_hidden} hidden layers; "
                f"got {len(names)}: {names}."
            )
        return names

    def _dropout(self, n_hidden: int) -> tuple[float, ...]:
        """Rates for each hidden layer, optionally after one for the inputs; () for no dropout."""
        if isinstance(self.dropout, Real):
            return (float(self.dropout),) * n_hidden if self.dropout else ()
        rates = tuple(float(rate) for rate in self.dropout)
        if len(rates) not in (n_hidden, n_hidden + 1) or not all(0 <= rate < 1 for rate in rates):
            raise ValueError(
                f"dropout must be one rate from 0 up to and without 1, a rate for each of the "
                f"{n_hidden} hidden layers, or {n_hidden + 1} rates, the first one for the "
                f"features; got {self.dropout!r}."
            )
        return rates

    def _each(self, name: str, n_layers: int) -> Any:
        """A parameter that is a number, or one for each layer of weights."""
        value = getattr(self, name)
        if isinstance(value, Real):
            return value
        numbers = tuple(float(number) for number in value)
        if len(numbers) != n_layers or not all(0 <= number < np.inf for number in numbers):
            raise ValueError(
                f"{name} must be one number >= 0, or one for each of the {n_layers} layers of "
                f"weights; got {value!r}."
            )
        return numbers

    def _training_settings(self, n_hidden: int, incremental: bool) -> Settings:
        """The parameters that training reads, or ValueError.

        Parameters
        ----------
        n_hidden : int
            Hidden layers of the network.
        incremental : bool
        """
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if incremental and self.learning_rate in PLANNED:
            raise ValueError(
                f"partial_fit does not support learning_rate={self.learning_rate!r}, which is "
                "planned for the whole of a fit. Use fit, or another learning_rate."
            )
        if incremental and isinstance(self.weight_average, Integral):
            raise ValueError(
                f"partial_fit does not support weight_average={self.weight_average}, which is the "
                "number of the last epochs of a fit. Use fit, or a decay below 1."
            )
        self._each("weight_decay", n_hidden + 1)
        check_warmup(
            self.warmup_epochs, self.learning_rate, self.max_iter, "learning_rate", "max_iter"
        )
        return Settings(
            incremental=incremental,
            epochs=1 if incremental else self.max_iter,
            solver=self.solver,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            shuffle=self.shuffle,
            l1=self.l1,
            l2=self._each("alpha", n_hidden + 1),
            dropout=self._dropout(n_hidden),
            clip_norm=self.clip_norm or 0.0,
            max_norm=self.max_norm or 0.0,
            label_smoothing=self.label_smoothing,
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            max_fun=self.max_fun,
            warmup_epochs=self.warmup_epochs,
            weight_average=check_weight_average(self.weight_average),
            augment=self.augment,
            image_shape=self.image_shape,
            early_stopping=bool(self.early_stopping),
            validation_fraction=self.validation_fraction,
            scoring=self.scoring,
            prints=bool(self.verbose) and self.verbose != "bar",
            shows_bar=self.verbose == "bar",
        )

    def _threads(self) -> int:
        """Threads at most; the engine finds out how many are worth it."""
        return available_threads() if self.n_threads is None else self.n_threads

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC:
            raise AttributeError(
                "partial_fit is only available for stochastic"
                f" optimizers. {self.solver} is not stochastic."
            )
        return True

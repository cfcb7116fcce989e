"""The stochastic solvers: epochs of the engine's steps, schedules and stopping; callbacks."""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.registry import HYPERPARAMETERS, OPTIMIZERS, TRAINING
from mlpcore.engine.trainer import Trainer

if TYPE_CHECKING:
    from mlpcore.sklearn._base import BaseMLP

# The engine's optimisers, of which two are scikit-learn's "sgd" with momentum.
STOCHASTIC = tuple(name for name in TRAINING if name not in ("momentum", "nesterov"))
# Schedules that are laid out from the first step to the last, for every stochastic solver.
PLANNED = ("cosine", "one_cycle")

# Of the one-cycle schedule: the share of steps in which the rate rises, how much smaller it is at
# the start, and how much smaller again at the end. The settings that PyTorch has for defaults.
RISING = 0.3
START_DIVISOR = 25.0
END_DIVISOR = 1e4


class Table(NamedTuple):
    """Rows in the forms in which they are needed.

    X : ndarray, or CSR matrix with sorted indices and no duplicates
    y : as the caller has it, for scorers
    target : intc (n_samples,), output units; or any numbers (n_samples, n_outputs)
    weight : float64 (n_samples,) or None
    """

    X: Any
    y: Any
    target: NDArray[Any]
    weight: NDArray[np.float64] | None

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return Table(self.X[rows], self.y[rows], self.target[rows], weight)


class Optimizer:
    """What a stochastic solver keeps from one epoch to the next, under scikit-learn's names.

    Like scikit-learn's it keeps the settings that it was made with.

    Attributes
    ----------
    rule : str
        The engine's name for the update.
    state : ndarray or None
        The engine's vectors, such as velocities; None before the first epoch.
    t : int
        Minibatches so far.
    epochs : int
        Epochs so far.
    momentum, beta_1, ... : float
        All hyperparameters of the engine's optimisers.
    """

    momentum: float
    beta_1: float
    beta_2: float
    epsilon: float

    def __init__(self, model: BaseMLP) -> None:
        self.learning_rate_init = float(model.learning_rate_init)
        self.lr_schedule = model.learning_rate
        self.power_t = model.power_t
        for name in HYPERPARAMETERS:
            setattr(self, name, getattr(model, name))
        self.nesterov = model.nesterovs_momentum
        if model.solver != "sgd":
            self.rule = model.solver
        elif self.momentum == 0:
            self.rule = "sgd"
        else:
            self.rule = "nesterov" if self.nesterov else "momentum"
        # scikit-learn's schedules are for SGD only.
        if model.solver != "sgd" and self.lr_schedule not in PLANNED:
            self.lr_schedule = "constant"
        self.step_size = self.learning_rate_init
        self.state: NDArray[Any] | None = None
        self.t = 0
        self.epochs = 0

    @property
    def learning_rate(self) -> float:
        """The present learning rate; that of Adam includes the correction of its bias."""
        if not OPTIMIZERS[self.rule].bias_corrected or self.t == 0:
            return self.step_size
        correction = math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
        return self.step_size * correction

    def rates(self, batches: int, epochs: int) -> NDArray[np.float64] | None:
        """Learning rates for each minibatch of the next epoch; None where they are all the same."""
        if self.lr_schedule not in PLANNED:
            return None
        step = self.epochs * batches + np.arange(batches, dtype=np.float64)
        plan = one_cycle if self.lr_schedule == "one_cycle" else cosine
        return self.learning_rate_init * plan(step, batches * epochs)

    def iteration_ends(self, time_step: int) -> None:
        """Set the learning rate for the epoch that follows `time_step` rows."""
        if self.lr_schedule == "invscaling":
            self.step_size = self.learning_rate_init / (time_step + 1) ** self.power_t

    def trigger_stopping(self, message: str, verbose: bool | int) -> bool:
        """Whether to stop where there is no progress, or to go on with a lower rate."""
        stop = self.lr_schedule != "adaptive" or self.step_size <= 1e-6
        if stop:
            small = " Learning rate too small." if self.lr_schedule == "adaptive" else ""
            message += f"{small} Stopping."
        else:
            self.step_size /= 5.0
            message += f" Setting learning rate to {self.step_size:f}"
        if verbose:
            print(message)
        return stop


def cosine(step: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Half a cosine from 1 down towards 0 [1]_.

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """
    return 0.5 * (1 + np.cos(np.pi * step / steps))


def one_cycle(step: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Half a cosine up to 1, then half a cosine down to next to nothing [1]_.

    References
    ----------
    .. [1] Smith & Topin, "Super-convergence", 2018; the cosines and where they begin and end are
       those of PyTorch's OneCycleLR.
    """
    peak = max(RISING * steps - 1, 0.0)
    low, end = 1 / START_DIVISOR, 1 / START_DIVISOR / END_DIVISOR
    up = step / max(peak, 1.0)
    down = (step - peak) / max(steps - 1 - peak, 1.0)
    rising = low + (1 - low) * 0.5 * (1 - np.cos(np.pi * up))
    falling = end + (1 - end) * 0.5 * (1 + np.cos(np.pi * down))
    return np.where(step < peak, rising, falling)


class Validation:
    """The rows that are held out: their loss and score with the present weights.

    A context manager, as the engine's Trainer.
    """

    def __init__(self, model: BaseMLP, network: Network, table: Table) -> None:
        self.model, self.network, self.table = model, network, table
        self.rows = Input(table.X, network.dtype)
        self.total = table.X.shape[0] if table.weight is None else table.weight.sum()
        # One that only evaluates; few rows are not worth the threads that training may have.
        self.n_threads = model._threads(table.X, network)
        self.trainer = Trainer(
            network,
            self.rows,
            as_target(table.target, network),
            sample_weight=table.weight,
            n_threads=self.n_threads,
        )
        self.scorer = None
        if model.scoring is not None:
            # A shallow copy, which sees the weights as they are during training, and which has no
            # feature names: these rows have lost theirs.
            self.view = object.__new__(type(model))
            self.view.__dict__.update(model.__dict__)
            self.view.__dict__.pop("feature_names_in_", None)
            self.scorer = check_scoring(self.view, model.scoring)

    def __enter__(self) -> Validation:
        self.trainer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.trainer.__exit__(*error)

    def loss(self) -> float:
        """Mean loss, without penalties."""
        return float(self.trainer.evaluate()[0] / self.total)

    def score(self) -> float:
        """What early stopping goes by; can be NaN."""
        y, weight = self.table.y, self.table.weight
        if self.scorer is None:
            outputs = self.network.outputs(self.rows, self.n_threads)
            return self.model._score_outputs(outputs, y, weight)
        more = {} if weight is None else {"sample_weight": weight}
        return float(self.scorer(self.view, self.table.X, y, **more))


def as_target(target: NDArray[Any], network: Network) -> NDArray[Any]:
    """Targets as the engine reads them."""
    return target if target.ndim == 1 else np.ascontiguousarray(target, network.dtype)


def skip_in_prediction(model: BaseMLP, network: Network, rows: Input) -> None:
    """Let prediction skip the zeros that are most of the rows.

    Not another background: what the network would keep of its share misses what the caller writes
    to `coefs_`.
    """
    model._background = network.background = 0.0 if rows.background == 0 else None


def fit_stochastic(
    model: BaseMLP,
    network: Network,
    table: Table,
    held_out: Table | None,
    watch: Watch | None,
    *,
    incremental: bool,
) -> None:
    """Train by gradient descent on minibatches, for one epoch if `incremental`."""
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if incremental and model.learning_rate in PLANNED:
        raise ValueError(
            f"partial_fit does not support learning_rate={model.learning_rate!r}, which is planned "
            "for the whole of a fit. Use fit, or another learning_rate."
        )
    rng = model._random_state
    train = np.arange(table.X.shape[0])
    if model.early_stopping and held_out is None:
        # Row numbers take the same draws as the rows, and the rows need no copy.
        one_column = model.n_outputs_ == 1 and model._stratify
        train, rest = train_test_split(
            train,
            random_state=rng,
            test_size=model.validation_fraction,
            stratify=table.target.astype(bool) if one_column else None,
        )
        if len(rest) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' "
                "or the size of your dataset."
            )
        held_out = table.take(rest)
    if not incremental or not hasattr(model, "_optimizer"):
        model._optimizer = Optimizer(model)
    optimizer = model._optimizer
    batch = _batch_size(model, len(train))
    batches = -(-len(train) // batch)
    dropout = model._dropout(network.n_layers - 1)
    n_threads = model._threads(table.X, network)
    # Counting what could be skipped pays over many epochs.
    rows = Input(
        table.X, network.dtype, path="dense" if incremental else "auto", n_threads=n_threads
    )
    network.background = None
    validation = None if held_out is None else Validation(model, network, held_out)
    trainer = Trainer(
        network,
        rows,
        as_target(table.target, network),
        sample_weight=table.weight,
        optimizer=optimizer.rule,
        l1=model.l1,
        l2=model.alpha,
        average=True,
        minibatch_size=batch,
        keep_last=True,
        **{name: getattr(optimizer, name) for name in HYPERPARAMETERS},
        dropout=dropout,
        # A draw only where it is needed: scikit-learn has no such draw.
        seed=int(rng.randint(2**31 - 1)) if any(dropout) else 0,
        clip_norm=model.clip_norm or 0.0,
        max_norm=model.max_norm or 0.0,
        track_loss=True,
        n_threads=n_threads,
    )
    if optimizer.state is not None:
        trainer.state[:] = optimizer.state
    optimizer.state = trainer.state
    trainer.step_count, trainer.epoch_count = optimizer.t, optimizer.epochs
    order = train
    try:
        with trainer, validation or contextlib.nullcontext():
            model.n_iter_ = 0
            for _ in range(model.max_iter):
                if watch is not None:
                    watch.begin()
                if model.shuffle:
                    # The draws of sklearn.utils.shuffle, without its checks.
                    places = np.arange(len(order))
                    rng.shuffle(places)
                    order = order[places]
                trainer.learning_rate = optimizer.step_size
                loss = trainer.epoch(order, optimizer.rates(batches, model.max_iter))
                optimizer.t += batches
                optimizer.epochs += 1
                model.n_iter_ += 1
                model.loss_ = loss
                model.t_ += len(order)
                model.loss_curve_.append(loss)
                if model.verbose:
                    print(f"Iteration {model.n_iter_}, loss = {loss:.8f}")
                _count_without_progress(model, network, validation)
                optimizer.iteration_ends(model.t_)
                asked_to_stop = watch is not None and watch.end(model)
                if model._no_improvement_count > model.n_iter_no_change:
                    what = "Validation score" if model.early_stopping else "Training loss"
                    message = (
                        f"{what} did not improve more than tol={model.tol:f} "
                        f"for {model.n_iter_no_change} consecutive epochs."
                    )
                    if optimizer.trigger_stopping(message, model.verbose):
                        break
                    model._no_improvement_count = 0
                if incremental or asked_to_stop:
                    break
                if model.n_iter_ == model.max_iter and optimizer.lr_schedule not in PLANNED:
                    warnings.warn(
                        f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) "
                        "reached and the optimization hasn't converged yet.",
                        ConvergenceWarning,
                        stacklevel=5,
                    )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=5)
    finally:
        skip_in_prediction(model, network, rows)
    if model.early_stopping:
        network.parameters[:] = 0  # what lies between the rows, too: it may be infinite by now
        for mine, best in zip(
            network.coefs + network.intercepts,
            model._best_coefs + model._best_intercepts,
            strict=True,
        ):
            mine[:] = best


def _batch_size(model: BaseMLP, n_samples: int) -> int:
    if model.batch_size == "auto":
        return min(200, n_samples)
    if model.batch_size > n_samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=6,
        )
    return int(np.clip(model.batch_size, 1, n_samples))


def _count_without_progress(
    model: BaseMLP, network: Network, validation: Validation | None
) -> None:
    """Count the epochs without progress, and keep the best weights for early stopping."""
    if validation is not None:
        model.validation_loss_curve_.append(validation.loss())
    if not model.early_stopping:
        if model.loss_curve_[-1] > model.best_loss_ - model.tol:
            model._no_improvement_count += 1
        else:
            model._no_improvement_count = 0
        model.best_loss_ = min(model.best_loss_, model.loss_curve_[-1])
        return
    assert validation is not None  # held out in any case, for early stopping
    score = validation.score()
    model.validation_scores_.append(score)
    if model.verbose:
        print(f"Validation score: {score:f}")
    if score < model.best_validation_score_ + model.tol:
        model._no_improvement_count += 1
    else:
        model._no_improvement_count = 0
    if score > model.best_validation_score_:
        model.best_validation_score_ = score
        model._keep_best(network)


class Watch:
    """scikit-learn's callbacks during a fit: the fit is one task, each epoch a task within it.

    Parameters
    ----------
    model : estimator
    X, y, sample_weight
        As they were given to `fit`.
    tasks : int
        Epochs at most.
    """

    def __init__(self, model: BaseMLP, X: Any, y: Any, sample_weight: Any, tasks: int) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": model, "X": X, "y": y, "metadata": metadata}
        self._fit = model._init_callback_context(max_subtasks=tasks)
        self._fit.call_on_fit_task_begin(**self._about)
        self._epoch: Any = None

    def begin(self) -> None:
        """An epoch begins."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._about)

    def end(self, model: BaseMLP) -> bool:
        """An epoch has ended; whether a callback asks to stop."""
        epoch, self._epoch = self._epoch, None
        stop = epoch.call_on_fit_task_end(
            **self._about,
            # Called only where a callback wants an estimator to predict with.
            reconstruction_attributes=lambda: {
                "coefs_": [part.copy() for part in model.coefs_],
                "intercepts_": [part.copy() for part in model.intercepts_],
            },
        )
        return cast("bool", stop)

    def close(self) -> None:
        """The fit has ended."""
        if self._epoch is not None:  # begun, and L-BFGS found that the one before was its last
            self._epoch.call_on_fit_task_end(estimator=self._about["estimator"])
        self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})

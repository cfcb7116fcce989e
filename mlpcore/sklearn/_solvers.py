"""The stochastic solvers: epochs of the engine's steps, schedules and stopping; callbacks."""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn._held_out import BestWeights, Validation, split
from mlpcore.sklearn._table import Table, as_target

if TYPE_CHECKING:
    from mlpcore.sklearn._base import BaseMLP

STOCHASTIC = ("sgd", "adam", "adamw")
# Schedules that are laid out from the first step to the last, for every stochastic solver.
PLANNED = ("cosine", "one_cycle")

# Of the one-cycle schedule: the share of steps in which the rate rises, how much smaller it is at
# the start, and how much smaller again at the end. The settings that PyTorch has for defaults.
RISING = 0.3
START_DIVISOR = 25.0
END_DIVISOR = 1e4


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
    """

    def __init__(self, model: BaseMLP) -> None:
        self.learning_rate_init = float(model.learning_rate_init)
        self.lr_schedule = model.learning_rate
        self.power_t = model.power_t
        self.momentum = model.momentum
        self.nesterov = model.nesterovs_momentum
        self.beta_1, self.beta_2 = model.beta_1, model.beta_2
        self.epsilon = model.epsilon
        self.weight_decay = model.weight_decay
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
        if self.rule not in ("adam", "adamw") or self.t == 0:
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
    first: bool,
    incremental: bool,
) -> None:
    """Train by gradient descent on minibatches, for one epoch if `incremental`.

    `first` is whether the weights are new.
    """
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if incremental and model.learning_rate in PLANNED:
        raise ValueError(
            f"partial_fit does not support learning_rate={model.learning_rate!r}, which is planned "
            "for the whole of a fit. Use fit, or another learning_rate."
        )
    _start_curves(model, held_out is not None, first)
    rng = model._random_state
    train = np.arange(table.X.shape[0])
    if model.early_stopping and held_out is None:
        train, held_out = split(model, table, rng)
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
        momentum=optimizer.momentum,
        beta_1=optimizer.beta_1,
        beta_2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        weight_decay=optimizer.weight_decay,
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
    best = BestWeights(network) if model.early_stopping else None
    interrupted = False
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
                _count_without_progress(model, validation, best)
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
        interrupted = True
        warnings.warn("Training interrupted by user.", stacklevel=5)
    finally:
        skip_in_prediction(model, network, rows)
    if best is not None:
        best.restore()
        if model.best_validation_score_ == -np.inf and not interrupted:
            raise _no_score(model)


def _batch_size(model: BaseMLP, n_samples: int) -> int:
    if model.batch_size == "auto":
        return min(200, n_samples)
    if model.batch_size > n_samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=6,
        )
    return int(np.clip(model.batch_size, 1, n_samples))


def _start_curves(model: BaseMLP, own_validation: bool, first: bool) -> None:
    """Begin what is recorded of each epoch, or what of it a warm start has not recorded yet.

    Scores are of the rows that one fit holds out: what was best in a fit before says nothing here.
    """

    def missing(name: str) -> bool:
        return first or getattr(model, name, None) is None

    if missing("loss_curve_"):
        model.loss_curve_ = []
        model._no_improvement_count = 0
    if not (own_validation or model.early_stopping):
        model.validation_loss_curve_ = None
    elif missing("validation_loss_curve_"):
        model.validation_loss_curve_ = []
    if not model.early_stopping:
        if missing("best_loss_"):
            model.best_loss_ = np.inf
        model.validation_scores_ = None
        model.best_validation_score_ = None
        return
    if missing("validation_scores_"):
        model.validation_scores_ = []
    model.best_validation_score_ = -np.inf
    model._no_improvement_count = 0
    model.best_loss_ = None


def _count_without_progress(
    model: BaseMLP, validation: Validation | None, best: BestWeights | None
) -> None:
    """Count the epochs without progress, and keep the best weights for early stopping."""
    if validation is not None:
        model.validation_loss_curve_.append(validation.loss())
    if best is None:
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
    # NaN and infinity compare with nothing: such a score is no progress, and never the best.
    finite = math.isfinite(score)
    if finite and score >= model.best_validation_score_ + model.tol:
        model._no_improvement_count = 0
    else:
        model._no_improvement_count += 1
    if finite and score > model.best_validation_score_:
        model.best_validation_score_ = score
        best.keep()


def _no_score(model: BaseMLP) -> ValueError:
    """The error where early stopping had nothing to go by."""
    if model.scoring is None:
        what = "the score"
        advice = "Training diverges: lower learning_rate_init, or scale X and y."
    else:
        what = f"scoring={model.scoring!r}"
        advice = (
            "Many a score needs validation rows of every class and finite predictions: give other "
            "X_val and y_val, another scoring, or a lower learning_rate_init."
        )
    return ValueError(
        f"early_stopping=True needs a finite score to go by; {what} on the validation rows was "
        f"finite in none of {model.n_iter_} epochs, and {model.validation_scores_[-1]} in the "
        f"last. The weights are those that this fit began with. {advice}"
    )


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

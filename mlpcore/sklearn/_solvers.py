"""The stochastic solvers: a fit as a run of the training loop, with scikit-learn's conventions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.registry import HYPERPARAMETERS
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._held_out import Validation, split
from mlpcore.sklearn._network import check_weights_are_finite
from mlpcore.sklearn._optimizer import OptimizerState
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._table import Table, as_target
from mlpcore.training.progress import Progress
from mlpcore.training.run import History, Plan, Run
from mlpcore.training.schedules import PLANNED
from mlpcore.training.stopping import Best, Stopping

Optimizer = OptimizerState  # the name in pickles of version 0.1


def skip_in_prediction(model: Any, network: Network, rows: Input) -> None:
    """Let prediction skip the zeros that are most of the rows.

    Not another background: the background term that the network would keep misses what the caller
    writes to `coefs_`.
    """
    model._background = network.background = 0.0 if rows.background == 0 else None


def fit_stochastic(
    model: Any,
    network: Network,
    table: Table,
    held_out: Table | None,
    bridge: CallbackBridge | None,
    resume: Resume | None,
    *,
    first: bool,
    incremental: bool,
) -> None:
    """Train by gradient descent on minibatches, for one epoch if `incremental`.

    `first` is whether the weights are new.
    """
    _check_incremental(model, incremental)
    _start_curves(model, held_out is not None, first)
    rng = model._random_state
    train = np.arange(table.X.shape[0])
    own_validation = held_out
    if model.early_stopping and held_out is None:
        train, held_out = split(model, table, rng)
    if not incremental or not hasattr(model, "_optimizer"):
        model._optimizer = OptimizerState(model)
    # Counting what could be skipped pays over many epochs.
    path = "dense" if incremental else "auto"
    rows = Input(table.X, network.dtype, path=path, n_threads=model._threads(table.X, network))
    network.background = None
    validation = None if held_out is None else Validation(model, network, held_out)
    batch = _batch_size(model, len(train))
    trainer = _new_trainer(model, network, rows, table, batch, validation)
    epochs, steps = 1 if incremental else model.max_iter, -(-len(train) // batch)
    run = _new_run(model, trainer, train, epochs, steps, validation, bridge, resume)
    if resume is not None:
        resume.resume_or_begin(run, model, table, own_validation)
    try:
        with trainer:
            asked_to_stop = _train(model, run, trainer, bridge, resume)
        if not (run.stopped_early or asked_to_stop or incremental):
            _warn_of_the_end(model)
    except KeyboardInterrupt as error:
        run.give_up(error)
        warnings.warn("Training interrupted by user.", stacklevel=5)
    except BaseException as error:
        run.give_up(error)
        raise
    finally:
        _record(model, run, trainer)
        skip_in_prediction(model, network, rows)
        run.restore_best()
    if model.early_stopping:
        if run.best.value is None and run.epoch:
            raise _no_score(model)
        check_weights_are_finite(network)


def _check_incremental(model: Any, incremental: bool) -> None:
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    if incremental and model.learning_rate in PLANNED:
        raise ValueError(
            f"partial_fit does not support learning_rate={model.learning_rate!r}, which is planned "
            "for the whole of a fit. Use fit, or another learning_rate."
        )


def _batch_size(model: Any, n_samples: int) -> int:
    if model.batch_size == "auto":
        return min(200, n_samples)
    if model.batch_size > n_samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=6,
        )
    return int(np.clip(model.batch_size, 1, n_samples))


def _start_curves(model: Any, own_validation: bool, first: bool) -> None:
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


def _new_trainer(
    model: Any,
    network: Network,
    rows: Input,
    table: Table,
    batch: int,
    validation: Validation | None,
) -> Trainer:
    optimizer, rng = model._optimizer, model._random_state
    dropout = model._dropout(network.n_layers - 1)
    trainer = Trainer(
        network,
        rows,
        as_target(table.target, network),
        sample_weight=table.weight,
        valid=None if validation is None else validation.rows,
        valid_targets=None if validation is None else validation.target,
        valid_weight=None if validation is None else validation.table.weight,
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
        n_threads=model._threads(table.X, network),
    )
    if optimizer.state is not None:
        trainer.state[:] = optimizer.state
    optimizer.state = trainer.state
    trainer.step_count, trainer.epoch_count = optimizer.t, optimizer.epochs
    return trainer


def _new_run(
    model: Any,
    trainer: Trainer,
    train: NDArray[np.intp],
    epochs: int,
    steps: int,
    validation: Validation | None,
    bridge: CallbackBridge | None,
    resume: Resume | None,
) -> Run:
    """The run of a fit: scikit-learn's orders, curves, tolerance and patience."""
    network, early_stopping = trainer.network, bool(model.early_stopping)
    history: History = {"loss": model.loss_curve_}
    if validation is not None:
        history["validation_loss"] = model.validation_loss_curve_
    if early_stopping:
        history["validation_score"] = model.validation_scores_

    def evaluate(loss: float) -> dict[str, float]:
        metrics = {"loss": loss}
        if validation is not None:
            metrics["validation_loss"] = validation.loss(trainer)
            if early_stopping:
                metrics["validation_score"] = validation.score()
        return metrics

    def check(epoch: int, metrics: dict[str, float]) -> None:
        if not early_stopping:  # which ends with the best weights, and checks those
            check_weights_are_finite(network)

    plan = Plan(
        kind=type(model).__name__,
        epochs=epochs,
        shuffle=model.shuffle,
        cumulative=True,
        rows=train,
        steps=steps,
        eval_every=1,
        metrics=tuple(history),
        evaluate=evaluate,
        check=check,
        stopping=_stopping(model),
        begin=None if bridge is None else bridge.begin,
        report=lambda rate: _print_no_progress(model, rate),
        start=None if resume is None else resume.start,
        keep_state=True,
    )
    best = _best_so_far(model, network)
    rng, optimizer = model._random_state, model._optimizer
    return Run(plan, trainer, rng, optimizer, history, rows_seen=model.t_, best=best)


def _print_no_progress(model: Any, rate: float | None) -> None:
    """Say that training stops (None), or goes on with a lower rate."""
    if not prints(model):
        return
    what = "Validation score" if model.early_stopping else "Training loss"
    small = " Learning rate too small." if model._optimizer.lr_schedule == "adaptive" else ""
    end = f"{small} Stopping." if rate is None else f" Setting learning rate to {rate:f}"
    print(
        f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} "
        f"consecutive epochs.{end}"
    )


def _stopping(model: Any) -> Stopping:
    early_stopping = bool(model.early_stopping)
    return Stopping(
        "validation_score" if early_stopping else "loss",
        higher_is_better=early_stopping,
        # scikit-learn stops when its count is above n_iter_no_change.
        patience=model.n_iter_no_change + 1,
        tol=model.tol,
        keep_best=early_stopping,
    )


def _best_so_far(model: Any, network: Network) -> Best:
    """What stopping remembers when a fit begins."""
    if model.early_stopping:  # the weights that the fit begins with, should no score be finite
        return Best(None, 0, network.parameters.copy())
    value = model.best_loss_ if np.isfinite(model.best_loss_) else None
    return Best(value, model._no_improvement_count, network.parameters[:0].copy())


def prints(model: Any) -> bool:
    """Whether `verbose` asks for a line for each epoch."""
    return bool(model.verbose) and model.verbose != "bar"


def _train(
    model: Any,
    run: Run,
    trainer: Trainer,
    bridge: CallbackBridge | None,
    resume: Resume | None,
) -> bool:
    """Train to the end; whether a callback has asked to stop."""
    lines, asked_to_stop = prints(model), False
    _record(model, run, trainer)
    with Progress(model.verbose == "bar", model.max_iter, run.epoch) as progress:
        for epoch, metrics in run.epochs():
            _record(model, run, trainer)
            progress.update(epoch, metrics)
            if lines:
                print(f"Iteration {epoch}, loss = {metrics['loss']:.8f}")
                if model.early_stopping:
                    print(f"Validation score: {metrics['validation_score']:f}")
            if resume is not None and epoch % resume.every == 0:
                run.save()
            if bridge is not None and bridge.end():
                asked_to_stop = True
                break
    run.save()
    return asked_to_stop


def _record(model: Any, run: Run, trainer: Trainer) -> None:
    """Let the model's attributes be those of the last finished epoch."""
    model.n_iter_, model.t_ = run.epoch, run.rows_seen
    if run.epoch:
        model.loss_ = model.loss_curve_[-1]
    model._no_improvement_count = run.best.waited
    if run.best.value is not None:
        if model.early_stopping:
            model.best_validation_score_ = run.best.value
        else:
            model.best_loss_ = run.best.value
    model._optimizer.t = trainer.step_count


def _warn_of_the_end(model: Any) -> None:
    if model._optimizer.lr_schedule not in PLANNED:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) "
            "reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=6,
        )


def _no_score(model: Any) -> ValueError:
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

"""The stochastic solvers: a fit as a run of the training loop, with scikit-learn's conventions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from mlpcore.distortion import rows_to_distort
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.registry import HYPERPARAMETERS
from mlpcore.engine.sharded import ShardedTrainer
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._data import TrainingData, as_target
from mlpcore.sklearn._held_out import Validation, split
from mlpcore.sklearn._network import check_weights_are_finite
from mlpcore.sklearn._optimizer import OptimizerState
from mlpcore.sklearn._parameters import Settings
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._shared import Division, split_shards
from mlpcore.sklearn._streams import train_stream
from mlpcore.streams.source import Source
from mlpcore.streams.stream import Stream
from mlpcore.training.averaging import WeightAverage, average_decay
from mlpcore.training.plan import History, Plan
from mlpcore.training.progress import Progress
from mlpcore.training.run import Run
from mlpcore.training.schedules import PLANNED
from mlpcore.training.stopping import Best, Stopping

Optimizer = OptimizerState  # the name in pickles of version 0.1


def fit_stochastic(
    model: Any,
    settings: Settings,
    network: Network,
    data: TrainingData,
    held_out: TrainingData | None,
    bridge: CallbackBridge | None,
    resume: Resume | None,
    division: Division | None = None,
    *,
    first: bool,
) -> None:
    """Train by gradient descent on minibatches.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        It starts its own curves and records each epoch in its attributes.
    settings : Settings
    network : Network
        The model's.
    data : TrainingData
    held_out : TrainingData or None
        The caller's validation rows.
    bridge : CallbackBridge or None
    resume : Resume or None
    division : Division, optional
        How ranks have divided the rows.
    first : bool
        Whether the weights are new.
    """
    model._start_curves(held_out is not None, first)
    own_validation = held_out
    train, n_train, held_out, division = _hold_out(model, settings, data, held_out, division)
    if not settings.incremental or not hasattr(model, "_optimizer"):
        model._start_optimizer()
    batch = _batch_size(settings, n_train)
    rows, stream = _rows(model, settings, network, data, batch, division)
    network.background = None
    validation = None
    if held_out is not None:
        validation = Validation(model, settings, network, held_out, division)
    trainer = _new_trainer(
        model, settings, network, rows, data, stream, batch, validation, division
    )
    average = _average(model, settings, trainer)
    run = _new_run(
        model, settings, trainer, train, -(-n_train // batch), validation, bridge, resume,
        average, stream,
    )  # fmt: skip
    if resume is not None:
        shared = None if division is None else (division.shared, division.shared_valid)
        resume.resume_or_begin(run, model, data, own_validation, shared)
    try:
        with trainer:
            asked_to_stop = _train(model, settings, run, trainer, bridge, resume, division)
        if not (run.stopped_early or asked_to_stop or settings.incremental):
            _warn_of_the_end(model, settings)
    except KeyboardInterrupt as error:
        run.roll_back_and_save(error)
        warnings.warn("Training interrupted by user.", stacklevel=6)
    except BaseException as error:
        run.roll_back_and_save(error)
        raise
    finally:
        model._record(run, trainer)
        if average is not None:
            model._optimizer.raw = average.raw
            model._optimizer.averaged = network.parameters.copy()
        model._skip_in_prediction(network, rows)
        run.restore_best()
    if settings.early_stopping:
        if run.best.value is None and run.epoch:
            raise _no_score(model, settings)
        check_weights_are_finite(network)


def _hold_out(
    model: Any,
    settings: Settings,
    data: TrainingData,
    held_out: TrainingData | None,
    division: Division | None,
) -> tuple[NDArray[np.intp], int, TrainingData | None, Division | None]:
    """The rows to train on and their number, and the held-out rows, drawn if none are given."""
    train = np.arange(0 if isinstance(data.X, Source) else data.X.shape[0])
    if settings.early_stopping and held_out is None:
        if division is None:
            train, held_out = split(model, settings, data, model._random_state)
        else:
            division, held_out = split_shards(model, settings, data, division)
    if division is not None:
        return train, division.n_train, held_out, division
    return train, len(train) or data.X.shape[0], held_out, None


def _average(model: Any, settings: Settings, trainer: Trainer) -> WeightAverage | None:
    if settings.weight_average is None:
        return None
    raw = model._optimizer.raw_weights(trainer.network)
    return WeightAverage(trainer, settings.weight_average, raw)


def _rows(
    model: Any,
    settings: Settings,
    network: Network,
    data: TrainingData,
    batch: int,
    division: Division | None,
) -> tuple[Input, Stream | None]:
    """The rows to train on as the engine reads them, or a sample and what reads all of them."""
    if isinstance(data.X, Source):
        stream = train_stream(model, settings, data, network, batch)
        return stream.input, stream
    # Counting the entries that could be skipped pays off over many epochs only.
    path, background = "dense" if settings.incremental else "auto", None
    if division is not None:
        path, background = division.path, division.background
    how = {"path": path, "background": background, "n_threads": model._threads()}
    return Input(data.X, network.dtype, **how), None


def _batch_size(settings: Settings, n_samples: int) -> int:
    if settings.batch_size == "auto":
        return min(200, n_samples)
    if settings.batch_size > n_samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=7,
        )
    return int(np.clip(settings.batch_size, 1, n_samples))


def _new_trainer(
    model: Any,
    settings: Settings,
    network: Network,
    rows: Input,
    data: TrainingData,
    stream: Stream | None,
    batch: int,
    validation: Validation | None,
    division: Division | None,
) -> Trainer:
    grid = None if division is None else division.grid(batch)
    optimizer, rng = model._optimizer, model._random_state
    images = None
    if settings.augment is not None:
        some = data.X if stream is None else stream.sample
        images = rows_to_distort(settings.augment, some, network.dtype, settings.image_shape)
    valid = None if validation is None or validation.stream is not None else validation
    trainer = (Trainer if grid is None else ShardedTrainer)(
        network,
        rows,
        as_target(data.target, network) if stream is None else stream.sample_targets,
        sample_weight=data.weight if stream is None else None,
        label_smoothing=settings.label_smoothing,
        valid=None if valid is None else valid.rows,
        valid_targets=None if valid is None else valid.target,
        valid_weight=None if valid is None else valid.own.weight,
        optimizer=optimizer.rule,
        l1=settings.l1,
        l2=settings.l2,
        average=True,
        minibatch_size=batch if grid is None else grid.largest,
        keep_last=True,
        **{name: getattr(optimizer, name) for name in HYPERPARAMETERS},
        dropout=settings.dropout,
        # Drawn only where it is needed, since scikit-learn has no such draw.
        seed=int(rng.randint(2**31 - 1)) if any(settings.dropout) or images else 0,
        clip_norm=settings.clip_norm,
        max_norm=settings.max_norm,
        average_decay=average_decay(settings.weight_average),
        augment=images,
        track_loss=True,
        n_threads=model._threads(),
    )
    if division is not None and isinstance(trainer, ShardedTrainer):
        trainer.divide(division.ranks, grid, division.valid_starts)
    if optimizer.state is not None:
        trainer.state[:] = optimizer.state
    optimizer.state = trainer.state
    trainer.step_count, trainer.epoch_count = optimizer.t, optimizer.epochs
    return trainer


def _new_run(
    model: Any,
    settings: Settings,
    trainer: Trainer,
    train: NDArray[np.intp],
    steps: int,
    validation: Validation | None,
    bridge: CallbackBridge | None,
    resume: Resume | None,
    average: WeightAverage | None,
    stream: Stream | None,
) -> Run:
    """The run of a fit: scikit-learn's orders, curves, tolerance and patience."""
    network, early_stopping = trainer.network, settings.early_stopping
    history: History = {"loss": model.loss_curve_}
    if validation is not None:
        history["validation_loss"] = model.validation_loss_curve_
    if early_stopping:
        history["validation_score"] = model.validation_scores_

    grid = trainer.grid if isinstance(trainer, ShardedTrainer) else None

    def evaluate(loss: float) -> dict[str, float]:
        metrics = {"loss": loss}
        if validation is not None:
            metrics["validation_loss"] = validation.loss(trainer)
            if early_stopping:
                metrics["validation_score"] = validation.score()
        return metrics

    def check(epoch: int, metrics: dict[str, float]) -> None:
        if not early_stopping:  # then the best weights count, which are checked at the end
            check_weights_are_finite(network)

    plan = Plan(
        kind=type(model).__name__,
        epochs=settings.epochs,
        shuffle=settings.shuffle,
        cumulative=grid is None and stream is None,
        rows=train,
        steps=steps,
        eval_every=1,
        metrics=tuple(history),
        evaluate=evaluate,
        check=check,
        stopping=_stopping(settings),
        begin=None if bridge is None else bridge.begin,
        report=lambda rate: _print_no_progress(model, settings, rate),
        start=None if resume is None else resume.start,
        keep_state=True,
        average=average,
        grid=grid,
        stream=stream,
    )
    best = _best_so_far(model, settings, network)
    rng, optimizer = model._random_state, model._optimizer
    return Run(plan, trainer, rng, optimizer, history, rows_seen=model.t_, best=best)


def _print_no_progress(model: Any, settings: Settings, rate: float | None) -> None:
    """Print that training stops (None), or goes on with a lower rate."""
    if not settings.prints:
        return
    what = "Validation score" if settings.early_stopping else "Training loss"
    small = " Learning rate too small." if model._optimizer.lr_schedule == "adaptive" else ""
    end = f"{small} Stopping." if rate is None else f" Setting learning rate to {rate:f}"
    print(
        f"{what} did not improve more than tol={settings.tol:f} for {settings.n_iter_no_change} "
        f"consecutive epochs.{end}"
    )


def _stopping(settings: Settings) -> Stopping:
    return Stopping(
        "validation_score" if settings.early_stopping else "loss",
        higher_is_better=settings.early_stopping,
        # scikit-learn stops when its count is above n_iter_no_change.
        patience=settings.n_iter_no_change + 1,
        tol=settings.tol,
        keep_best=settings.early_stopping,
    )


def _best_so_far(model: Any, settings: Settings, network: Network) -> Best:
    """The state of early stopping when a fit begins."""
    if settings.early_stopping:  # if no score is finite, the weights stay those of the beginning
        return Best(None, 0, network.parameters.copy())
    value = model.best_loss_ if np.isfinite(model.best_loss_) else None
    return Best(value, model._no_improvement_count, network.parameters[:0].copy())


def _train(
    model: Any,
    settings: Settings,
    run: Run,
    trainer: Trainer,
    bridge: CallbackBridge | None,
    resume: Resume | None,
    division: Division | None,
) -> bool:
    """Train to the end; whether a callback asked to stop."""
    asked_to_stop = False
    model._record(run, trainer)
    with Progress(settings.shows_bar, settings.epochs, run.epoch) as progress:
        for epoch, metrics in run.epochs():
            model._record(run, trainer)
            progress.update(epoch, metrics)
            if settings.prints:
                print(f"Iteration {epoch}, loss = {metrics['loss']:.8f}")
                if settings.early_stopping:
                    print(f"Validation score: {metrics['validation_score']:f}")
            if resume is not None and epoch % resume.every == 0:
                run.save()
            if bridge is not None:
                asked_to_stop = bridge.end()
                if division is not None:
                    asked_to_stop = division.ranks.agree(stop=asked_to_stop)
                if asked_to_stop:
                    break
    run.save()
    return asked_to_stop


def _warn_of_the_end(model: Any, settings: Settings) -> None:
    if model._optimizer.lr_schedule not in PLANNED:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({settings.epochs}) "
            "reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=7,
        )


def _no_score(model: Any, settings: Settings) -> ValueError:
    """The error where no score was finite."""
    if settings.scoring is None:
        what = "the score"
        advice = "Training diverges: lower learning_rate_init, or scale X and y."
    else:
        what = f"scoring={settings.scoring!r}"
        advice = (
            "Many scores need validation rows of every class and finite predictions: give other "
            "X_val and y_val, another scoring, or a lower learning_rate_init."
        )
    return ValueError(
        f"early_stopping=True needs a finite score to go by; {what} on the validation rows was "
        f"finite in none of {model.n_iter_} epochs, and {model.validation_scores_[-1]} in the "
        f"last. The weights are those that this fit began with. {advice}"
    )

"""The textbook's training run: sums in place of means, cost and accuracies after each epoch."""

from __future__ import annotations

import math

import numpy as np

from mlpcore._validation import check_start
from mlpcore.engine.network import Network
from mlpcore.engine.sharded import ShardedTrainer
from mlpcore.engine.trainer import Trainer
from mlpcore.neuralnet._data import Data
from mlpcore.neuralnet._parameters import Settings
from mlpcore.training.averaging import WeightAverage, average_decay
from mlpcore.training.plan import History, Plan
from mlpcore.training.run import Run
from mlpcore.training.schedules import Schedule
from mlpcore.training.stopping import Stopping


def new_network(settings: Settings, data: Data, rng: np.random.RandomState) -> Network:
    """A network with its starting weights, which are drawn in any case: the order of rows is
    drawn after them."""
    network = Network(
        (data.train.scaled.shape[1], *settings.n_hidden, len(data.classes)),
        activation=settings.activation,
        dtype=data.dtype.name,
    )
    for weights in network.coefs:
        weights[:] = rng.normal(0.0, 0.1, weights.shape)
    for name, parts in (("coefs_init", network.coefs), ("intercepts_init", network.intercepts)):
        starts = getattr(settings, name)
        if starts is not None:
            arrays = check_start(starts, name, [part.shape for part in parts])
            for part, array in zip(parts, arrays, strict=True):
                part[:] = array
    return network


def new_trainer(
    settings: Settings, data: Data, network: Network, rng: np.random.RandomState
) -> Trainer:
    """The engine's trainer for checked parameters and data."""
    seed, size = settings.seed, settings.minibatch_size
    valid, shared = data.valid, data.shared
    if valid is not None and valid.stream is not None:
        valid = None
    grid = None if shared is None else shared.grid(size)
    trainer = (Trainer if grid is None else ShardedTrainer)(
        network,
        data.train.input,
        data.train.labels,
        sample_weight=data.weights if data.train.stream is None else None,
        label_smoothing=settings.label_smoothing,
        valid=None if valid is None else valid.input,
        valid_targets=None if valid is None else valid.labels,
        learning_rate=settings.eta,
        optimizer=settings.optimizer,
        **settings.hyperparameters,
        l2=settings.l2,
        dropout=settings.dropout,
        clip_norm=settings.clip_norm or 0.0,
        max_norm=settings.max_norm or 0.0,
        average_decay=average_decay(settings.weight_average),
        augment=data.images,
        seed=int(rng.randint(2**32, dtype=np.uint64)) if seed is None else seed,
        minibatch_size=size if grid is None else grid.largest,
        n_threads=settings.n_threads,
    )
    if shared is not None and isinstance(trainer, ShardedTrainer):
        trainer.divide(shared.ranks, grid, data.shared_valid and data.shared_valid.starts)
    return trainer


def _evaluate(trainer: Trainer, data: Data) -> tuple[float, int, int]:
    """As `Trainer.evaluate`, also where rows are read in pieces."""
    stream = data.train.stream
    if stream is None:
        loss, train_correct, valid_correct = trainer.evaluate()
    else:
        loss, train_correct = stream.evaluate(trainer, training=True)
        valid_correct = 0
    if data.valid is not None and data.valid.stream is not None:
        _, valid_correct = data.valid.stream.evaluate(trainer)
    return loss, train_correct, valid_correct


def new_run(settings: Settings, data: Data, trainer: Trainer, rng: np.random.RandomState) -> Run:
    """The run of the textbook: its cost and accuracies after each epoch."""
    network, stream = trainer.network, data.train.stream
    n_samples, n_valid = data.n_rows
    history: History = {"cost": [], "train_acc": [], "valid_acc": []}

    def penalty() -> float:
        if isinstance(settings.l2, tuple):
            return network.weights_squared(settings.l2)
        return settings.l2 * network.weights_squared()

    def evaluate(loss: float) -> dict[str, float]:
        loss, train_correct, valid_correct = _evaluate(trainer, data)
        metrics = {"cost": loss + penalty(), "train_acc": train_correct / n_samples}
        if n_valid:
            metrics["valid_acc"] = valid_correct / n_valid
        return metrics

    def check(epoch: int, metrics: dict[str, float]) -> None:
        cost = metrics["cost"] if metrics else penalty()
        # The biases must be finite, too, and are not part of the penalty.
        if not (math.isfinite(cost) and np.isfinite(network.parameters).all()):
            raise FloatingPointError(
                f"the cost is not finite after epoch {epoch}; lower eta ({settings.eta:g}) or "
                f"scale X_train. The model is as it was after epoch {epoch - 1}."
            )

    stopping = None
    if settings.early_stopping is not None or settings.schedule == "adaptive":
        metric = settings.early_stopping or "cost"
        stopping = Stopping(
            metric,
            higher_is_better=metric == "valid_acc",
            patience=settings.patience,
            keep_best=settings.early_stopping is not None,
        )
    average = None
    if settings.weight_average is not None:
        average = WeightAverage(trainer, settings.weight_average)
    plan = Plan(
        kind="NeuralNetMLP",
        epochs=settings.epochs,
        shuffle=settings.shuffle,
        cumulative=False,
        rows=np.arange(len(data.train.labels) if stream is None else 0),
        grid=trainer.grid if isinstance(trainer, ShardedTrainer) else None,
        steps=n_samples // settings.minibatch_size,
        eval_every=settings.eval_every,
        metrics=tuple(history)[: 3 if n_valid else 2],
        evaluate=evaluate,
        check=check,
        stopping=stopping,
        average=average,
        stream=stream,
    )
    schedule = Schedule(settings.schedule, settings.eta, settings.power_t, settings.warmup_epochs)
    return Run(plan, trainer, rng, schedule, history)

"""The textbook's fit: check, prepare, resume or begin, train."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from mlpcore._validation import check_int
from mlpcore.engine.trainer import Trainer
from mlpcore.neuralnet._data import prepare
from mlpcore.neuralnet._parameters import Settings, check_parameters
from mlpcore.neuralnet._run import new_network, new_run, new_trainer
from mlpcore.neuralnet._shared import collect
from mlpcore.neuralnet._streams import prepare_data
from mlpcore.training.interrupts import exit_on_sigterm
from mlpcore.training.progress import Progress
from mlpcore.training.ranks import Ranks
from mlpcore.training.run import Run
from mlpcore.training.shared import open_checkpoint

Model = TypeVar("Model", bound=Any)


def fit_model(
    model: Model,
    given: tuple[Any, Any, Any, Any, Any],
    checkpoint: str | os.PathLike[str] | None,
    checkpoint_every: int,
    ranks: Ranks | None = None,
) -> Model:
    """Fit a model; see `NeuralNetMLP.fit`.

    Parameters
    ----------
    model : NeuralNetMLP
    given : tuple
        X_train, y_train, X_valid, y_valid and sample_weight.
    checkpoint : str, PathLike or None
    checkpoint_every : int
    ranks : Ranks, optional
        Those that fit the model together.

    Returns
    -------
    model : NeuralNetMLP
    """
    settings = check_parameters(model)
    checkpoint_every = check_int(checkpoint_every, "checkpoint_every", low=1)
    name = type(model).__name__
    if ranks is None:
        data = prepare_data(settings, *given, name)
    else:
        collected = collect(ranks, settings, *given, checkpoint)
        if ranks.rank:
            settings = replace(settings, progress=False)
        data = prepare(settings, *collected[:5], name, collected)
    rng = np.random.RandomState(settings.seed)
    if ranks is not None:
        rng = ranks.broadcast(lambda: rng)
    network = new_network(settings, data, rng)
    trainer = new_trainer(settings, data, network, rng)
    run = new_run(settings, data, trainer, rng)
    opened: Any = contextlib.nullcontext((None, None))
    if checkpoint is not None:
        opened = open_checkpoint(checkpoint, ranks)
    with exit_on_sigterm(), opened as (file, content):
        if file is not None:
            identity = {**settings.resume_identity(), **data.resume_identity()}
            earlier = {**settings.earlier_identity(), **data.earlier_identity()}
            run.resume_or_begin(file, content, identity, earlier)
        # In one call, so that Ctrl-C leaves either the old model or this one.
        model.__dict__.update(
            _network=network,
            _activation=settings.activation,
            classes_=data.classes,
            n_features_in_=network.n_units[0],
            input_path_=data.train.input.path,
            _scale=settings.input_scale,
            _names=data.names,
            _pixels=data.pixels,
            eval_=run.history,
            n_iter_=run.epoch,
        )
        try:
            _train(model, settings, run, trainer, checkpoint_every, ranks)
        except BaseException as error:
            run.roll_back_and_save(error)
            model.n_iter_ = run.epoch
            raise
        finally:
            network.background = data.train.input.background
            model.n_threads_ = trainer.usual_threads
    return model


def _train(
    model: Any,
    settings: Settings,
    run: Run,
    trainer: Trainer,
    checkpoint_every: int,
    ranks: Ranks | None,
) -> None:
    callback = settings.callback
    with trainer, Progress(settings.progress, settings.epochs, run.epoch) as progress:
        for epoch, metrics in run.epochs():
            model.n_iter_ = epoch
            progress.update(epoch, metrics)
            if epoch % checkpoint_every == 0:
                run.save()
            stop = callback is not None and bool(callback(epoch, run.history))
            if ranks is not None and callback is not None:
                stop = ranks.agree(stop=stop)
            if stop:
                break
        run.save()
        run.restore_best()

"""A training run: what it has between two epochs, and how that is kept."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore._checkpoint import (
    Checkpoint,
    check_same,
    pack,
    pack_random,
    take,
    unpack,
    unpack_random,
)
from mlpcore._validation import check_float, check_int
from mlpcore.engine.trainer import Trainer

History = dict[str, list[float]]

_KIND = "NeuralNetMLP"


class Best(NamedTuple):
    """What early stopping remembers."""

    figure: float | None  # the best so far; None before the first
    waited: int  # evaluations since
    parameters: NDArray[Any]  # the network's at that time, empty before


class Snapshot(NamedTuple):
    """A run after a whole epoch: all that the next one depends on."""

    epoch: int
    parameters: NDArray[Any]
    state: NDArray[Any]  # the optimiser's, empty where there is no checkpoint
    steps: int
    random: tuple[dict[str, Any], NDArray[np.uint32]]
    lengths: list[int]  # of the history's lists
    best: Best


class Run:
    """A training run between two epochs.

    Parameters
    ----------
    trainer : Trainer
        Of a network with its starting weights.
    rng : RandomState
        For the order of rows.
    n_samples, n_valid : int
        Rows for training and for validation.
    settings : dict
        Checked parameters under their own names: ``eta``, ``l2``, ``shuffle``, ``eval_every``,
        ``epochs``, ``early_stopping`` and ``patience``.

    Attributes
    ----------
    epoch : int
        Epochs that are finished.
    history : dict of list of float
    """

    def __init__(
        self,
        trainer: Trainer,
        rng: np.random.RandomState,
        n_samples: int,
        n_valid: int,
        settings: dict[str, Any],
    ) -> None:
        self.history: History = {"cost": [], "train_acc": [], "valid_acc": []}
        self._trainer, self._network, self._rng = trainer, trainer.network, rng
        self._n_samples, self._n_valid = n_samples, n_valid
        self._settings = settings
        self._file: Checkpoint | None = None
        self._saved = -1
        self._best = Best(None, 0, self._network.parameters[:0].copy())
        self._keep(0)

    @property
    def epoch(self) -> int:
        return self._kept.epoch

    def _keep(self, epoch: int) -> None:
        # In one assignment: an interrupt comes before it or after it.
        self._kept = Snapshot(
            epoch,
            self._network.parameters.copy(),
            self._trainer.state[: 0 if self._file is None else None].copy(),
            self._trainer.step_count,
            pack_random(self._rng),
            [len(figures) for figures in self.history.values()],
            self._best,
        )

    def epochs(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Train to the last epoch, or until early stopping stops.

        Yields
        ------
        epoch : int
            From 1, or from where the checkpoint stands.
        figures : dict of float
            What this epoch added to the history.
        """
        last = self._settings["epochs"]
        if self.epoch == last and len(self.history["cost"]) < self._evaluations(last, last):
            # The run that wrote the checkpoint was on its way further, and made none here.
            self._finish(last)
            self._saved = -1
        while self.epoch < last and self._best.waited < self._settings["patience"]:
            epoch = self.epoch + 1
            order = np.arange(self._n_samples)
            if self._settings["shuffle"]:
                self._rng.shuffle(order)  # mutant: shuffle all rows but one
            self._trainer.epoch(order)
            yield epoch, self._finish(epoch)

    def _evaluations(self, epoch: int, last: int) -> int:
        """How many there are up to an epoch, if the run ends at another."""
        every: int = self._settings["eval_every"]
        return epoch // every + (epoch == last and epoch % every > 0)

    def _finish(self, epoch: int) -> dict[str, float]:
        """What follows the updates of an epoch; what it adds to the history."""
        penalty = self._settings["l2"] * self._network.weights_squared()
        figures = {}
        last = self._settings["epochs"]
        if self._evaluations(epoch, last) > self._evaluations(epoch - 1, last):
            loss, train_hits, valid_hits = self._trainer.evaluate()
            figures = {"cost": loss + penalty, "train_acc": train_hits / self._n_samples}
            if self._n_valid:
                figures["valid_acc"] = valid_hits / self._n_valid
        # Biases, too, which the penalty does not see.
        finite = math.isfinite(figures.get("cost", penalty)) and (
            np.isfinite(self._network.parameters).all()
        )
        if not finite:
            raise FloatingPointError(
                f"the cost is not finite after epoch {epoch}; lower eta "
                f"({self._settings['eta']:g}) or scale X_train. The model is as it was after epoch "
                f"{epoch - 1}."
            )
        for name, figure in figures.items():
            self.history[name].append(figure)
        # Not in an evaluation that the last epoch of a shorter run has and that of a longer lacks.
        if self._settings["early_stopping"] and epoch % self._settings["eval_every"] == 0:
            self._judge(figures[self._settings["early_stopping"]])
        self._keep(epoch)
        return figures

    def _judge(self, figure: float) -> None:
        """Remember the best weights, and how long ago that was."""
        best = self._best.figure
        lower_is_better = self._settings["early_stopping"] == "cost"
        if best is None or (figure < best if lower_is_better else figure > best):
            self._best = Best(figure, 0, self._network.parameters.copy())
        else:
            self._best = self._best._replace(waited=self._best.waited + 1)

    def settle(self) -> None:
        """At the end of training, take the best weights, where early stopping knows them."""
        if self._best.figure is not None:
            self._network.parameters[:] = self._best.parameters

    def attach(self, file: Checkpoint, identity: dict[str, Any]) -> None:
        """Go on from where a checkpoint stands, or begin one.

        Parameters
        ----------
        file : Checkpoint
        identity : dict
            Parameters and fingerprints of data, which must be those that the checkpoint has.

        Raises
        ------
        ValueError
            If the checkpoint is damaged, of another run, or of a later epoch than the last.
        OSError
            If it cannot be read, or not be begun.
        """
        self._file, self._identity = file, identity
        content = file.read()
        if content is None:
            self._keep(0)
            # Whether it can be written at all shows before hours are spent.
            self.save()
            return
        about, arrays = content
        if about.get("kind") != _KIND:
            raise ValueError(
                f"{file.path}: expected a checkpoint of {_KIND}.fit; got one of "
                f"{about.get('kind')!r}. Give another name."
            )
        check_same(file.path, about.get("run"), identity)
        try:
            self._restore(about, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file.path}: not a complete checkpoint: {error}.") from error
        last = self._settings["epochs"]
        if self.epoch > last:
            raise ValueError(
                f"{file.path}: epochs must be at least {self.epoch}, where the checkpoint stands; "
                f"got {last}."
            )

    def _restore(self, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Take everything from a checkpoint's content, which may be wrong in any way."""
        epoch = check_int(about["epoch"], "epoch", low=0)
        n = len(take(arrays, "cost", np.float64, (None,)))
        usual = self._evaluations(epoch, epoch + 1)
        if not usual <= n <= self._evaluations(epoch, epoch):
            raise ValueError(f"{n} evaluations in {epoch} epochs")
        # The last epoch of a run has one that a longer run does without.
        keep = usual if epoch < self._settings["epochs"] else n
        for name in self.history:
            length = n if name != "valid_acc" or self._n_valid else 0
            figures = take(arrays, name, np.float64, (length,))
            self.history[name][:] = figures[:keep].tolist()
        network = self._network
        for name, flat in (("parameters", network.parameters), ("state", self._trainer.state)):
            packed = take(arrays, name, flat.dtype, pack(network, flat).shape)
            unpack(network, packed, flat)
        self._trainer.step_count = check_int(about["steps"], "steps", low=0, high=2**62)
        self._trainer.seed = check_int(about["seed"], "seed", low=0, high=2**64 - 1)
        self._trainer.epoch_count = epoch
        self._best = self._restore_best(about["best"], arrays)
        for weights in (network.parameters, self._best.parameters):
            if not np.isfinite(weights).all():
                raise ValueError("weights or biases that are not finite")
        # mutant: resume with other random numbers
        unpack_random(self._rng, about["random"], take(arrays, "random", np.uint32, (624,)))
        self._keep(epoch)
        self._saved = epoch

    def _restore_best(self, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Best:
        network = self._network
        known = about["figure"] is not None
        parameters = np.zeros(network.size if known else 0, network.dtype)
        shape = pack(network, parameters).shape
        unpack(network, take(arrays, "best", network.dtype, shape), parameters)
        return Best(
            check_float(about["figure"], "the best figure", low=-math.inf) if known else None,
            check_int(about["waited"], "the evaluations since", low=0),
            parameters,
        )

    def save(self) -> None:
        """Write the checkpoint, where there is one and it does not hold this epoch already.

        Raises
        ------
        OSError
            If it cannot be written. It is not tried again.
        """
        kept = self._kept
        if self._file is None or self._saved == kept.epoch:
            return
        random, key = kept.random
        about = {
            "kind": _KIND,
            "run": self._identity,
            "epoch": kept.epoch,
            "steps": kept.steps,
            "seed": self._trainer.seed,
            "random": random,
            "best": {"figure": kept.best.figure, "waited": kept.best.waited},
        }
        arrays = {
            "parameters": pack(self._network, kept.parameters),
            "state": pack(self._network, kept.state),
            "best": pack(self._network, kept.best.parameters),
            "random": key,
        }
        for (name, figures), length in zip(self.history.items(), kept.lengths, strict=True):
            arrays[name] = np.array(figures[:length], np.float64)
        try:
            self._file.write(about, arrays)
        except OSError:
            self._file = None
            raise
        self._saved = kept.epoch

    def give_up(self, error: BaseException) -> None:
        """Return to the last finished epoch and save it, after what ended training early.

        Parameters
        ----------
        error : BaseException
            Gets a note if the checkpoint cannot be written.
        """
        self._network.parameters[:] = self._kept.parameters
        for figures, length in zip(self.history.values(), self._kept.lengths, strict=True):
            del figures[length:]
        try:
            self.save()
        except OSError as trouble:
            error.add_note(str(trouble))

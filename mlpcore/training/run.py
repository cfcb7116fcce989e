"""A training run: order, epoch, metrics, early stopping, snapshot; and its checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_float, check_int
from mlpcore.engine.partition import order_of_sums
from mlpcore.engine.trainer import Trainer
from mlpcore.streams.stream import Stream
from mlpcore.training.checkpoint import Checkpoint, check_kind, check_same, checked_array
from mlpcore.training.plan import History, Metrics, Plan
from mlpcore.training.schedules import Schedule
from mlpcore.training.snapshot import Snapshot, pack, pack_random, unpack, unpack_random
from mlpcore.training.stopping import Best


class Run:
    """A training run between two epochs.

    Parameters
    ----------
    plan : Plan
    trainer : Trainer
        Of a network with its starting weights.
    rng : RandomState
        For the order of rows.
    schedule : Schedule
    history : dict of list of float
        The lists that the metrics are appended to, by name; they need not be empty.
    rows_seen : int, default=0
        Rows seen in earlier fits, for schedules.
    best : Best, optional
        What early stopping remembers of earlier fits.

    Attributes
    ----------
    epoch : int
        Epochs that are finished; 0 where none of this run is.
    history : dict of list of float
    rows_seen : int
    best : Best
    stopped_early : bool
        Whether early stopping has ended the run.
    """

    def __init__(
        self,
        plan: Plan,
        trainer: Trainer,
        rng: np.random.RandomState,
        schedule: Schedule,
        history: History,
        *,
        rows_seen: int = 0,
        best: Best | None = None,
    ) -> None:
        self.history, self.stopped_early = history, False
        self._plan, self._trainer, self._network, self._rng = plan, trainer, trainer.network, rng
        self._schedule = schedule
        self._before = {name: len(values) for name, values in history.items()}
        self._order = plan.rows
        self._rows_seen = rows_seen
        self._best = Best(None, 0, self._network.parameters[:0].copy()) if best is None else best
        self._file: Checkpoint | None = None
        self._saved = -1
        self._snapshot(0)

    @property
    def stream(self) -> Stream | None:
        """What the rows are read by, where they are read in pieces."""
        return self._plan.stream

    @property
    def epoch(self) -> int:
        return self._kept.epoch

    @property
    def rows_seen(self) -> int:
        return self._kept.rows_seen

    @property
    def best(self) -> Best:
        return self._best

    def _snapshot(self, epoch: int) -> None:
        plan, resumable = self._plan, self._file is not None
        parameters, state = self._network.parameters, self._trainer.state
        raw = parameters[:0] if plan.average is None else plan.average.raw
        if not resumable and not plan.keep_state:
            state = state[:0]
        keep_best = plan.stopping is not None and plan.stopping.keep_best
        if epoch < plan.epochs or keep_best:
            # After the last epoch nothing changes them but `restore_best`, and no copy is needed.
            parameters, state, raw = parameters.copy(), state.copy(), raw.copy()
        # One assignment, so that an interrupt comes before it or after it.
        self._kept = Snapshot(
            epoch,
            self._rows_seen,
            parameters,
            raw,
            state,
            self._trainer.step_count,
            (self._schedule.step_size, self._schedule.epochs),
            pack_random(self._rng) if resumable else None,
            self._order,
            [len(values) for values in self.history.values()],
            self._best,
        )

    def epochs(self) -> Iterator[tuple[int, Metrics]]:
        """Train to the last epoch, or until early stopping stops.

        Yields
        ------
        epoch : int
            From 1, or from where the checkpoint stands.
        metrics : dict of float
            What this epoch added to the history.
        """
        plan, last = self._plan, self._plan.epochs
        if self.epoch == last and self._evaluations_made() < self._evaluations(last, last):
            # The run that wrote the checkpoint was longer, and had no evaluation here.
            self._finish(last, math.nan)
            self._saved = -1
        while not self._must_stop() and self.epoch < last:
            epoch = self.epoch + 1
            if plan.begin is not None:
                plan.begin()
            self._trainer.learning_rate = self._schedule.step_size
            if plan.average is not None:
                plan.average.begin_epoch()
            loss = self._train(self._schedule.rates(plan.steps, last))
            if plan.average is not None:
                plan.average.end_epoch(epoch, last)
            self._rows_seen += plan.n_rows
            self._schedule.epoch_ends(self._rows_seen)
            yield epoch, self._finish(epoch, loss)

    def _train(self, rates: NDArray[np.float64] | None) -> float:
        """Train for one epoch; the loss that the trainer has tracked."""
        plan = self._plan
        if plan.stream is not None:
            rng = self._rng if plan.shuffle else None
            return plan.stream.epoch(self._trainer, rng, rates, plan.steps)
        order = self._next_order()
        loss = self._trainer.epoch(order, rates)
        self._order = order if plan.cumulative else plan.rows
        return loss

    def _next_order(self) -> NDArray[np.intp]:
        if self._plan.grid is not None:
            return self._plan.grid.order(self._rng, self._plan.shuffle)
        if not self._plan.shuffle:
            return self._order
        if not self._plan.cumulative:
            order = self._plan.rows.copy()
            self._rng.shuffle(order)  # mutant: shuffle all rows but one
            return order
        places = np.arange(len(self._order))
        self._rng.shuffle(places)  # the draws of sklearn.utils.shuffle, without its checks
        return self._order[places]

    def _must_stop(self) -> bool:
        """Whether there has been no progress for too long, and the rate is not to be lowered."""
        stopping = self._plan.stopping
        # One epoch is trained in any case, even if earlier fits made no progress.
        if stopping is None or self.epoch == 0 or self._best.waited < stopping.patience:
            return False
        self.stopped_early = not self._schedule.reduce()
        if not self.stopped_early:
            self._best = self._best._replace(waited=0)
        if self._plan.report is not None:
            self._plan.report(None if self.stopped_early else self._schedule.step_size)
        return self.stopped_early

    def _evaluations(self, epoch: int, last: int) -> int:
        """The number of evaluations up to an epoch, if `last` is the run's last epoch."""
        every = self._plan.eval_every
        return epoch // every + (epoch == last and epoch % every > 0)

    def _evaluations_made(self) -> int:
        name = self._plan.metrics[0]
        return len(self.history[name]) - self._before[name]

    def _finish(self, epoch: int, loss: float) -> Metrics:
        """Evaluate and record an epoch after its updates; the metrics it adds to the history."""
        plan, metrics = self._plan, {}
        if self._evaluations(epoch, plan.epochs) > self._evaluations(epoch - 1, plan.epochs):
            metrics = plan.evaluate(loss)
        plan.check(epoch, metrics)
        for name, value in metrics.items():
            self.history[name].append(value)
        # The last epoch may have an evaluation that a longer run does without: that one must not
        # count, or the longer run would stop at another epoch.
        if plan.stopping is not None and epoch % plan.eval_every == 0:
            value = metrics[plan.stopping.metric]
            self._best = plan.stopping.update(self._best, value, self._network.parameters)
        self._snapshot(epoch)
        return metrics

    def restore_best(self) -> None:
        """At the end of training, restore the parameters of the best metric, if they are kept."""
        stopping = self._plan.stopping
        if stopping is not None and stopping.keep_best and self._best.parameters.size:
            self._network.parameters[:] = self._best.parameters
            self._network.parameters_changed()

    def roll_back(self) -> None:
        """Restore the last finished epoch, after an exception within the next one."""
        kept = self._kept
        self._network.parameters[:] = kept.parameters
        self._network.parameters_changed()
        if self._plan.average is not None:
            self._plan.average.raw = kept.raw
        if kept.state.size:
            self._trainer.state[:] = kept.state
        self._trainer.step_count = kept.steps
        self._schedule.step_size, self._schedule.epochs = kept.schedule
        self._best, self._rows_seen = kept.best, kept.rows_seen
        for values, length in zip(self.history.values(), kept.lengths, strict=True):
            del values[length:]

    def roll_back_and_save(self, error: BaseException) -> None:
        """Restore the last finished epoch, after an exception within the next one, and save it.

        Parameters
        ----------
        error : BaseException
            Gets a note if the checkpoint cannot be written.
        """
        self.roll_back()
        try:
            self.save()
        except OSError as trouble:
            error.add_note(str(trouble))

    def resume_or_begin(
        self,
        file: Checkpoint,
        content: tuple[dict[str, Any], dict[str, NDArray[Any]]] | None,
        identity: dict[str, Any],
        earlier: dict[str, Any],
    ) -> None:
        """Resume from a checkpoint, or begin one.

        Parameters
        ----------
        file : Checkpoint
        content : as `Checkpoint.read` returns it
        identity : dict
            Parameters and fingerprints of data, which must equal those in the checkpoint.
        earlier : dict
            What an earlier version wrote in place of some of these, and is accepted as well.

        Raises
        ------
        ValueError
            If the checkpoint is damaged, of another run, or of a later epoch than the last.
        OSError
            If it cannot be begun.
        """
        # A run that went on from the checkpoint of a build with other orders would end with bits
        # that no uninterrupted run has.
        identity = {**identity, **order_of_sums(self._trainer)}
        self._file, self._identity = file, identity
        if content is None:
            self._snapshot(0)
            # If it cannot be written, the error comes now and not after hours of training.
            self.save()
            return
        about, arrays = content
        check_kind(file, about, self._plan.kind)
        check_same(file.path, about.get("run"), identity, earlier)
        try:
            self._restore(about, arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file.path}: not a complete checkpoint: {error}.") from error
        last = self._plan.epochs
        if self.epoch > last:
            raise ValueError(
                f"{file.path}: epochs must be at least {self.epoch}, where the checkpoint "
                f"stands; got {last}."
            )

    def _restore(self, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        """Restore a checkpoint's content, which may be invalid in any way."""
        epoch = check_int(about["epoch"], "epoch", low=0)
        self._restore_history(epoch, arrays)
        network, plan = self._network, self._plan
        for name, flat in (("parameters", network.parameters), ("state", self._trainer.state)):
            packed = checked_array(arrays, name, flat.dtype, pack(network, flat).shape)
            unpack(network, packed, flat)
        network.parameters_changed()
        if plan.average is not None:
            size = network.size * plan.average.replaces(epoch, plan.epochs)
            raw = np.zeros(size, network.dtype)
            packed = checked_array(arrays, "raw", raw.dtype, pack(network, raw).shape)
            unpack(network, packed, raw)
            plan.average.raw = raw
        self._trainer.step_count = check_int(about["steps"], "steps", low=0, high=2**62)
        self._trainer.seed = check_int(about["seed"], "seed", low=0, high=2**64 - 1)
        # Version 0.1 had neither schedules nor warm starts, and wrote none of these.
        rate, epochs, rows = about.get("schedule", (self._schedule.step_size, epoch, 0))
        self._schedule.step_size = check_float(rate, "the learning rate", low=0)
        self._schedule.epochs = check_int(epochs, "the schedule's epochs", low=0)
        self._trainer.epoch_count = self._schedule.epochs
        self._rows_seen = check_int(rows, "the rows seen", low=0, high=2**62)
        self._best = self._restore_stopping(about["best"], arrays)
        raw = network.parameters if plan.average is None else plan.average.raw
        for weights in (network.parameters, raw, self._best.parameters):
            if not np.isfinite(weights).all():
                raise ValueError("weights or biases that are not finite")
        key = checked_array(arrays, "random", np.uint32, (624,))
        # mutant: resume with other random numbers
        unpack_random(self._rng, about["random"], key)
        if plan.cumulative:
            order = checked_array(arrays, "order", np.int64, plan.rows.shape)
            if not np.array_equal(np.sort(order), np.sort(plan.rows)):
                raise ValueError("the order is one of other rows")
            self._order = order.astype(np.intp)
        self._snapshot(epoch)
        self._saved = epoch

    def _restore_history(self, epoch: int, arrays: dict[str, NDArray[Any]]) -> None:
        metrics = self._plan.metrics
        n = len(checked_array(arrays, metrics[0], np.float64, (None,)))
        usual = self._evaluations(epoch, epoch + 1)
        if not usual <= n <= self._evaluations(epoch, epoch):
            raise ValueError(f"{n} evaluations in {epoch} epochs")
        # The last epoch of a run may have an evaluation that a longer run does without.
        keep = usual if epoch < self._plan.epochs else n
        for name, values in self.history.items():
            saved = checked_array(arrays, name, np.float64, (n if name in metrics else 0,))
            values[self._before[name] :] = saved[:keep].tolist()

    def _restore_stopping(self, about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Best:
        network, stopping = self._network, self._plan.stopping
        known = about["figure"] is not None
        kept = known and (stopping is None or stopping.keep_best)
        parameters = np.zeros(network.size if kept else 0, network.dtype)
        shape = pack(network, parameters).shape
        unpack(network, checked_array(arrays, "best", network.dtype, shape), parameters)
        if not kept:
            parameters = self._best.parameters
        return Best(
            check_float(about["figure"], "the best metric", low=-math.inf) if known else None,
            check_int(about["waited"], "the evaluations since", low=0),
            parameters,
        )

    def save(self) -> None:
        """Write the checkpoint, if there is one and it does not hold this epoch already.

        Raises
        ------
        OSError
            If it cannot be written. Later calls do not try again.
        """
        kept = self._kept
        if self._file is None or self._saved == kept.epoch:
            return
        assert kept.random is not None
        random, key = kept.random
        about = {
            "kind": self._plan.kind,
            "run": self._identity,
            "epoch": kept.epoch,
            "steps": kept.steps,
            "seed": self._trainer.seed,
            "schedule": [*kept.schedule, kept.rows_seen],
            "random": random,
            "best": {"figure": kept.best.value, "waited": kept.best.waited},
        }
        best = kept.best.parameters[: 0 if kept.best.value is None else None]
        arrays = {
            "parameters": pack(self._network, kept.parameters),
            "state": pack(self._network, kept.state),
            "best": pack(self._network, best),
            "random": key,
        }
        if self._plan.average is not None:
            arrays["raw"] = pack(self._network, kept.raw)
        if self._plan.cumulative:
            arrays["order"] = kept.order.astype(np.int64)
        if self._plan.start is not None:
            about["start"], arrays["start"] = self._plan.start
        for (name, values), length in zip(self.history.items(), kept.lengths, strict=True):
            arrays[name] = np.array(values[self._before[name] : length], np.float64)
        try:
            self._file.write(about, arrays)
        except OSError:
            self._file = None
            raise
        self._saved = kept.epoch

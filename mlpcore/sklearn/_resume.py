"""Checkpoints of the two estimators: the identity of a fit, and its resumption."""

from __future__ import annotations

import os
from numbers import Integral, Number
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_int
from mlpcore.distortion import Distortion, check_image_shape
from mlpcore.sklearn._data import TrainingData
from mlpcore.training.checkpoint import check_kind, check_same, checked_array
from mlpcore.training.ranks import Ranks
from mlpcore.training.run import Run
from mlpcore.training.schedules import PLANNED
from mlpcore.training.shared import Shared, open_checkpoint
from mlpcore.training.snapshot import fingerprint, fingerprint_classes, pack_random, unpack_random

# Parameters that may differ when a fit goes on: none of them changes a bit of the epochs before.
# The buffer is compared as the order of rows that follows from it.
_FREE = (
    "max_iter", "max_fun", "verbose", "n_threads", "warm_start", "class_weight", "scoring",
    "buffer_bytes",
)  # fmt: skip
# Parameters that only some solvers use.
_ONLY_FOR = {
    "momentum": ("sgd",),
    "nesterovs_momentum": ("sgd",),
    "power_t": ("sgd",),
    "beta_1": ("adam", "adamw"),
    "beta_2": ("adam", "adamw"),
    "epsilon": ("adam", "adamw"),
    "weight_decay": ("adamw",),
}
# Parameters that earlier versions did not have and did not write, with what these did.
_LATER = {"label_smoothing": 0.0, "warmup_epochs": 0.0}


class Resume:
    """The checkpoint of a fit, as a context manager: no other fit can use it meanwhile.

    The random numbers are those of the fit that began it: starting weights, held-out rows and
    dropout are drawn again from the state that the checkpoint has of the beginning.

    Parameters
    ----------
    path : str or PathLike
    every : int
        Epochs, or iterations of L-BFGS, from one checkpoint to the next.
    ranks : Ranks, optional
        Those that fit together. Only rank 0 writes the checkpoint.

    Attributes
    ----------
    start : tuple
        The state of the random numbers at the beginning, as `pack_random` returns it.
    """

    def __init__(
        self, path: str | os.PathLike[str], every: int, ranks: Ranks | None = None
    ) -> None:
        self.every = check_int(every, "checkpoint_every", low=1)
        self._opened = open_checkpoint(path, ranks)
        self.start: Any = None

    def __enter__(self) -> Self:
        self.file, self._content = self._opened.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.__exit__(*error)

    def random_state(self, rng: np.random.RandomState, kind: str) -> np.random.RandomState:
        """The random state to fit with: the caller's, or the one at the beginning of a resumed fit.

        Raises
        ------
        ValueError
            If the checkpoint is of another class, or the generator is not a Mersenne twister.
        """
        if rng.get_state(legacy=False)["bit_generator"] != "MT19937":
            raise ValueError(
                "checkpoint needs a random_state that is None, a whole number or a RandomState of "
                "the Mersenne twister; got one of another bit generator."
            )
        if self._content is not None:
            about, arrays = self._content
            check_kind(self.file, about, kind)
            rng = np.random.RandomState()
            try:
                unpack_random(
                    rng, about["start"], checked_array(arrays, "start", np.uint32, (624,))
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"{self.file.path}: not a complete checkpoint: {error}."
                ) from error
        self.start = pack_random(rng)
        return rng

    def resume_or_begin(
        self,
        run: Run,
        model: Any,
        data: TrainingData,
        held_out: TrainingData | None,
        shared: tuple[Shared, Shared | None] | None = None,
    ) -> None:
        """Resume a run of a stochastic solver from the checkpoint, or begin it."""
        identity = resume_identity(model, data, held_out, shared)
        if run.stream is not None:
            identity["order of rows"] = str(run.stream.grid)
        run.resume_or_begin(self.file, self._content, identity, _earlier(model))

    def last_iterate(
        self, model: Any, data: TrainingData, size: int, shared: Shared | None = None
    ) -> tuple[int, NDArray[Any]] | None:
        """The checkpoint's iteration of L-BFGS and its parameters; None without a checkpoint.

        Raises
        ------
        ValueError
            If the checkpoint is damaged, or of another fit.
        """
        both = None if shared is None else (shared, None)
        self._identity = resume_identity(model, data, None, both)
        if self._content is None:
            return None
        about, arrays = self._content
        check_same(self.file.path, about.get("run"), self._identity, _earlier(model))
        try:
            iteration = check_int(about["epoch"], "iteration", low=0)
            theta = checked_array(arrays, "parameters", np.float64, (size,))
            if not np.isfinite(theta).all():
                raise ValueError("weights or biases that are not finite")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.file.path}: not a complete checkpoint: {error}.") from error
        return iteration, theta

    def save_iterate(self, kind: str, iteration: int, theta: NDArray[Any]) -> None:
        """Write the checkpoint of an iteration of L-BFGS."""
        about = {"kind": kind, "run": self._identity, "epoch": iteration, "start": self.start[0]}
        self.file.write(about, {"parameters": theta, "start": self.start[1]})


def resume_identity(
    model: Any,
    data: TrainingData,
    held_out: TrainingData | None,
    shared: tuple[Shared, Shared | None] | None = None,
) -> dict[str, Any]:
    """What must be equal to resume a fit: parameters that decide bits, fingerprints of data."""
    about = plain_parameters(model)
    if model.augment is not None:
        about["image_shape"] = check_image_shape(model.image_shape, data.X.shape[1])
    mark = mark_val = fingerprint
    if shared is not None:
        about["shards"], mark = shared[0].ranks.all_shards, shared[0].fingerprint
        mark_val = fingerprint if shared[1] is None else shared[1].fingerprint
    about["X"], about["y"] = mark(data.X), mark(data.target)
    about["sample_weight"] = mark(data.weight)
    if hasattr(model, "classes_"):
        about["classes"] = fingerprint_classes(np.asarray(model.classes_))
    if held_out is not None:
        about["X_val"], about["y_val"] = mark_val(held_out.X), mark_val(held_out.target)
        about["sample_weight_val"] = mark_val(held_out.weight)
    return about


def plain_parameters(model: Any) -> dict[str, Any]:
    """Parameters that decide bits, as plain values."""
    parameters = model.get_params(deep=False)
    about: dict[str, Any] = {
        name: _plain(value)
        for name, value in parameters.items()
        if name not in _FREE and model.solver in _ONLY_FOR.get(name, (model.solver,))
    }
    about["hidden_layer_sizes"] = model._hidden_units()
    about["activation"] = model._activations(len(about["hidden_layer_sizes"]))
    if model.augment is None:
        about.pop("image_shape", None)
    if model.early_stopping:
        about["scoring"] = _name(model.scoring)
    planned = model.learning_rate in PLANNED or isinstance(model.weight_average, Integral)
    if planned and model.solver != "lbfgs":
        about["max_iter"] = model.max_iter  # over which the schedule or the average is planned
    return about


def _earlier(model: Any) -> dict[str, Any]:
    """What earlier versions wrote in place of some parameters."""
    return {name: None for name, value in _LATER.items() if getattr(model, name) == value}


def _plain(value: Any) -> Any:
    """A parameter as a value for JSON."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Distortion):
        return repr(value)
    if isinstance(value, np.random.RandomState):
        return "RandomState"  # its state at the beginning is in the checkpoint
    if isinstance(value, Number):
        return np.asarray(value).item()
    return [fingerprint(np.asarray(part)) if np.ndim(part) else _plain(part) for part in value]


def _name(scoring: Any) -> str | None:
    return scoring if scoring is None else getattr(scoring, "__qualname__", str(scoring))

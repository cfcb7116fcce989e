"""What several ranks give to one `fit` of an estimator: checked, compared, exchanged."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore._validation import check_total
from mlpcore.sklearn._data import TrainingData, check_sample_weight, readable
from mlpcore.sklearn._held_out import check_pairs
from mlpcore.sklearn._parameters import Settings
from mlpcore.sklearn._resume import plain_parameters
from mlpcore.training.grid import Grid
from mlpcore.training.ranks import Ranks
from mlpcore.training.shared import Shared, distinct, facts_of


class Collected(NamedTuple):
    """The data of this rank's shards, and what all ranks know.

    X, y, sample_weight, validation : as in `BaseMLP.fit`
    names : the names of the columns, or None
    labels : each label of the ranks once, where y is one column
    train, valid : what the ranks know of these rows
    """

    X: Any
    y: Any
    sample_weight: NDArray[np.float64] | None
    validation: tuple[Any, Any, Any]
    names: NDArray[np.object_] | None
    labels: NDArray[Any] | None
    train: Shared
    valid: Shared | None

    @property
    def ranks(self) -> Ranks:
        """The ranks that have the rows together."""
        return self.train.ranks


def collect(
    model: Any, ranks: Ranks, X: Any, y: Any, sample_weight: Any, validation: Any, checkpoint: Any
) -> Collected:
    """Let each rank have the rows of its shards.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    ranks : Ranks
    X, y, sample_weight, validation, checkpoint
        What this rank was given.

    Returns
    -------
    collected : Collected

    Raises
    ------
    ValueError
        In every rank, if the data of any rank are not as described, or do not go together.
    """

    def check() -> tuple[Any, ...]:
        if model.warm_start:
            raise ValueError("warm_start=True is for fits without comm and shards; leave it out.")
        given = check_pairs(validation)
        rows, target, weight = _check(model, X, y, sample_weight, "")
        some = (None, None, None)
        if given:
            X_val, y_val, weight_val = validation
            some = _check(model, X_val, y_val, weight_val, "_val", rows.dtype)
        return rows, target, weight, some

    rows, target, weight, some = ranks.together(check)
    names = getattr(model, "feature_names_in_", None)
    callbacks = hasattr(model, "_skl_callbacks") or hasattr(model, "_parent_callback_ctx")
    ranks.same(
        {
            "the class": type(model).__name__,
            **{f"the parameter {name}": value for name, value in plain_parameters(model).items()},
            "callbacks": "given" if callbacks else "none",
            "checkpoint": None if checkpoint is None else str(checkpoint),
            **facts_of(rows, "X"),
            "the names of the columns": None if names is None else names.tolist(),
            "the kind of y": (target.dtype.kind, target.shape[1:]),
            "sample_weight": "none" if weight is None else "given",
            **facts_of(some[0], "X_val"),
            "sample_weight_val": "none" if some[2] is None else "given",
        }
    )
    train = Shared(ranks, ranks.gather(rows.shape[0]), "X")
    valid = None
    if some[0] is not None:
        valid = Shared(ranks, ranks.gather(some[0].shape[0]), "X_val")
        some = tuple(valid.take(each) for each in some)
    rows, target, weight = (train.take(each) for each in (rows, target, weight))
    labels = None
    if target.ndim == 1 and model._stratify:
        labels = np.unique(np.concatenate(ranks.gather(distinct(target))))
    return Collected(rows, target, weight, some, names, labels, train, valid)


def _check(
    model: Any, X: Any, y: Any, sample_weight: Any, suffix: str, dtype: Any = None
) -> tuple[Any, Any, Any]:
    """Rows, targets and weights of this rank, as `_fit` would have them."""
    model._check_missing(y, f"y{suffix}")
    if dtype is None:
        X, y = model._validate_rows(X, y, reset=True)
    else:
        X, y = model._validate_rows(X, y, dtype=dtype, reset=False)
    return readable(X), y, check_sample_weight(sample_weight, X, f"sample_weight{suffix}")


class Division(NamedTuple):
    """How the rows of a fit are divided.

    shared, shared_valid : what the ranks know of the training and validation rows
    chosen : rows of each shard to train on, or None for all
    held_out : rows of all ranks that early stopping holds out
    valid_starts : where the shards begin and end among the validation rows, or None
    path, background, pixels : see `Shared.look`
    """

    shared: Shared
    shared_valid: Shared | None
    chosen: list[NDArray[np.intp]] | None
    held_out: int
    valid_starts: NDArray[np.intp] | None
    path: str
    background: float | None
    pixels: tuple[float, float]

    @property
    def ranks(self) -> Ranks:
        """The ranks that have the rows together."""
        return self.shared.ranks

    @property
    def n_train(self) -> int:
        """Rows of all ranks to train on."""
        return self.shared.n_rows - self.held_out

    def grid(self, minibatch_size: int) -> Grid:
        """The grid of the rows to train on."""
        return self.shared.grid(
            minibatch_size, keep_last=True, held_out=self.held_out, chosen=self.chosen
        )


def split_shards(
    model: Any,
    settings: Settings,
    data: TrainingData,
    division: Division,
) -> tuple[Division, TrainingData]:
    """Hold out rows of each shard; of classes in proportion.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    settings : Settings
    data : TrainingData
        Of this rank.
    division : Division
        With all rows to train on.

    Returns
    -------
    division : Division
        Without the rows that are held out.
    held_out : TrainingData
        Those of this rank.

    Raises
    ------
    ValueError
        If there are too few rows, or their weights sum to 0 or less.
    """
    shared = division.shared
    n_held_out = int(np.ceil(settings.validation_fraction * shared.n_rows))
    n_shards = shared.ranks.all_shards
    if min(n_held_out, shared.n_rows - n_held_out) < max(2, n_shards):
        raise ValueError(
            f"The validation set is too small. validation_fraction={settings.validation_fraction} "
            f"of {shared.n_rows} rows must be at least one row for each of {n_shards} shards, and "
            "leave as many. Change validation_fraction, or lower shards."
        )
    kept = shared.grid(shared.n_rows - n_held_out, held_out=n_held_out).counts[0]
    seed = int(model._random_state.randint(2**31 - 1))
    codes = None
    if model._stratify and (data.target.ndim == 1 or data.target.shape[1] == 1):
        codes = data.target.ravel()
    chosen, rest = [], []
    for i, shard in enumerate(shared.ranks.shards):
        rows = np.arange(shared.starts[i], shared.starts[i + 1])
        order = np.random.RandomState([seed, shard]).permutation(rows)
        if codes is not None:
            order = order[np.argsort(codes[order], kind="stable")]
        n = len(rows) - kept[i]
        out = order[((np.arange(n) + 0.5) * len(rows) / n).astype(np.intp)]
        rest.append(np.sort(out))
        chosen.append(np.setdiff1d(rows, out))
    _check_weights(data, np.concatenate(rest), shared)
    starts = np.concatenate([[0], np.cumsum([len(part) for part in rest])]).astype(np.intp)
    division = division._replace(chosen=chosen, held_out=n_held_out, valid_starts=starts)
    return division, data.take(np.concatenate(rest))


def _check_weights(data: TrainingData, rest: NDArray[np.intp], shared: Shared) -> None:
    if data.weight is None:
        return
    held_out = np.zeros(len(data.weight))
    held_out[rest] = data.weight[rest]
    advice = "Leave out rows of no weight, change validation_fraction, or give X_val and y_val."
    for weights, what in (
        (held_out, "the rows that early stopping holds out"),
        (data.weight - held_out, "the rows that are left to train on"),
    ):
        check_total(weights, data.weight_name, what, advice, shared.total)

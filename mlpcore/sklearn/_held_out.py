"""Held-out rows: their choice, loss and score."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from itertools import pairwise
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from mlpcore._validation import check_total
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn._data import TrainingData, as_target, check_sample_weight, weighed
from mlpcore.sklearn._parameters import Settings
from mlpcore.sklearn._streams import held_out_stream
from mlpcore.training.ranks import Ranks, stack


def check_pairs(validation: tuple[Any, Any, Any]) -> bool:
    """Whether the caller gave validation rows; ValueError if they are incomplete."""
    given = [value is not None for value in validation]
    if any(given) and not (given[0] and given[1]):
        names = [
            name
            for name, is_there in zip(("X_val", "y_val", "sample_weight_val"), given, strict=True)
            if is_there
        ]
        raise ValueError(
            "X_val and y_val belong together, and sample_weight_val to both of them; got only "
            + " and ".join(names)
            + "."
        )
    return any(given)


def own_rows(
    model: Any,
    validation: tuple[Any, Any, Any],
    dtype: np.dtype[Any],
    class_weights: list[NDArray[np.float64]] | None,
    total: Callable[[NDArray[Any]], float] = np.sum,
) -> TrainingData | None:
    """The caller's validation rows, with the weights that their classes have in training."""
    if not check_pairs(validation):
        return None
    X, y, sample_weight = validation
    model._check_missing(y, "y_val")
    X, y = model._validate_rows(X, y, dtype=dtype, reset=False)
    model._check_known(y, "y_val")
    sample_weight = check_sample_weight(sample_weight, X, "sample_weight_val")
    return weighed(X, y, model._encode(y), sample_weight, class_weights, "_val", total)


def check_enough(held_out: TrainingData) -> None:
    """Raise ValueError for the caller's validation rows if early stopping cannot go by them."""
    if held_out.X.shape[0] < 2:
        raise ValueError(
            f"X_val is too small for early_stopping=True: it must have two rows or more; got "
            f"{held_out.X.shape[0]}. Give more rows, or leave X_val out to hold out rows of X."
        )


def split(
    model: Any, settings: Settings, data: TrainingData, rng: np.random.RandomState
) -> tuple[NDArray[np.intp], TrainingData]:
    """The numbers of the rows to train on, and the rows that are held out."""
    stratify: NDArray[Any] | None = None
    if model._stratify:
        if model.n_outputs_ == 1:
            stratify = data.target.astype(bool)
        elif settings.scoring is not None and data.target.ndim == 1:
            stratify = data.target
    every_class = settings.scoring is not None and stratify is not None
    try:
        # Row numbers take the same draws as the rows, and the rows need no copy.
        train, rest = train_test_split(
            np.arange(data.X.shape[0]),
            random_state=rng,
            test_size=settings.validation_fraction,
            stratify=stratify,
        )
    except ValueError as error:
        if every_class:
            raise _not_every_class(settings, str(error).rstrip(".")) from error
        raise
    if len(rest) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    if every_class:
        codes = data.target.ravel()
        lost = np.setdiff1d(codes, codes[rest])
        if len(lost):
            label = model.classes_[int(lost[0])]
            raise _not_every_class(
                settings, f"class {label!s} has {np.sum(codes == lost[0])} of {len(codes)} rows"
            )
    held_out = data.take(rest)
    if data.weight is not None:
        advice = "Leave out rows of no weight, change validation_fraction, or give X_val and y_val."
        for rows, what in ((rest, "the rows that early stopping holds out"),
                           (train, "the rows that are left to train on")):  # fmt: skip
            check_total(data.weight[rows], data.weight_name, what, advice)
    return train, held_out


def _not_every_class(settings: Settings, reason: str) -> ValueError:
    return ValueError(
        f"early_stopping=True with scoring={settings.scoring!r} holds out rows of every class, but "
        f"validation_fraction={settings.validation_fraction} does not allow it: {reason}. Raise "
        "validation_fraction, leave rare classes out, or give X_val and y_val."
    )


class Validation:
    """The rows that are held out: their loss and score with the present weights."""

    def __init__(
        self,
        model: Any,
        settings: Settings,
        network: Network,
        data: TrainingData,
        division: Any = None,
    ) -> None:
        self.scoring = settings.scoring
        self.model, self.network, self.data, self.own = model, network, data, data
        self.stream = held_out_stream(model, data, network)
        self.rows = self.stream.input if self.stream else Input(data.X, network.dtype)
        self.target = as_target(data.target, network)
        self.total = data.X.shape[0] if data.weight is None else data.weight.sum()
        self.shards = [self.rows]
        self.ranks = None if division is None else division.ranks
        if division is not None:
            self._share(division.ranks, division.valid_starts)
            data = self.data
        self.n_threads = model._threads()
        self.scorer = None
        if self.scoring is not None:
            # A shallow copy has the weights as they are during training. It has no feature names,
            # since these rows have none any more.
            self.view = object.__new__(type(model))
            self.view.__dict__.update(model.__dict__)
            self.view.__dict__.pop("feature_names_in_", None)
            self.scorer = check_scoring(self.view, self.scoring)
            weight = data.given_weight
            passed = weight is not None and _takes_weights(self.scorer)
            self.metadata = {"sample_weight": weight} if passed else {}

    def _share(self, ranks: Ranks, starts: NDArray[np.intp]) -> None:
        """Let all ranks have the targets of all rows, and for `scoring` the rows, too."""
        own, dtype = self.data, self.network.dtype
        self.shards = [Input(own.X[start:stop], dtype) for start, stop in pairwise(starts)]
        X = stack(ranks.gather(own.X)) if self.scoring is not None else own.X
        y = stack(ranks.gather(own.y))
        weight, given = (
            None if part is None else stack(ranks.gather(part))
            for part in (own.weight, own.given_weight)
        )
        self.data = own._replace(X=X, y=y, weight=weight, given_weight=given)
        self.own = own
        self.total = y.shape[0] if weight is None else weight.sum()

    def loss(self, trainer: Trainer) -> float:
        """Mean loss, without penalties, by a trainer that has these rows for validation."""
        if self.stream is not None:
            return float(self.stream.evaluate(trainer)[0] / self.total)
        return float(trainer.valid_loss() / self.total)

    def score(self) -> float:
        """The score for early stopping; can be NaN."""
        if self.scorer is None:
            if self.stream is not None:
                outputs = self.stream.predict(
                    lambda rows: self.network.outputs(rows, self.n_threads)
                )
                return self.model._score_outputs(outputs, self.data.y, self.data.weight)
            parts = [self.network.outputs(rows, self.n_threads) for rows in self.shards]
            if self.ranks is not None:
                parts = [part for each in self.ranks.gather(parts) for part in each]
            outputs = np.concatenate(parts) if len(parts) > 1 else parts[0]
            return self.model._score_outputs(outputs, self.data.y, self.data.weight)
        score = self.scorer(self.view, self.data.X, self.data.y, **self.metadata)
        if isinstance(score, (np.ndarray, np.generic)) and score.size == 1:
            score = score.item()
        if not isinstance(score, Real):
            raise TypeError(f"scoring must return a number; got {score!r} from {self.scoring!r}.")
        return float(score)


def _takes_weights(scorer: Any) -> bool:
    """Whether a scorer, or the metric in one of scikit-learn's, has a `sample_weight`."""
    try:
        parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    except (TypeError, ValueError):  # a compiled function without a signature
        return False
    return "sample_weight" in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()
    )

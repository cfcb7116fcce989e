"""The interface that scikit-learn's tools need of a class outside their own hierarchy."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from mlpcore.neuralnet._html import table

Init = TypeVar("Init", bound=Callable[..., None])

_FROM_THE_DATA = "is taken from the data in fit; leave it out"
# Names of parameters in other editions of the book and in scikit-learn's estimator.
_ELSEWHERE = {
    "n_output": _FROM_THE_DATA,
    "n_outputs": _FROM_THE_DATA,
    "n_classes": _FROM_THE_DATA,
    "num_classes": _FROM_THE_DATA,
    "n_features": _FROM_THE_DATA,
    "num_features": _FROM_THE_DATA,
    "num_hidden": "is n_hidden here",
    "hidden_layer_sizes": "is n_hidden here",
    "minibatches": "is minibatch_size here, the rows of a minibatch instead of their number",
    "batch_size": "is minibatch_size here",
    "random_state": "is seed here",
    "random_seed": "is seed here",
    "alpha": 'is momentum here, with optimizer="momentum"; or l2, if it is scikit-learn\'s',
    "learning_rate": "is eta here, for gradients that are summed over the minibatch",
    "learning_rate_init": "is eta here, for gradients that are summed over the minibatch",
    "max_iter": "is epochs here",
    "solver": "is optimizer here",
}


def explain_unknown(init: Init) -> Init:
    """Let a constructor's error name the parameter that corresponds to an unknown one.

    Parameters
    ----------
    init : function
        The ``__init__`` of an estimator.

    Returns
    -------
    init : function
        The same, with the same signature and a longer text of the TypeError for unknown parameters.
    """

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        for name in kwargs:
            if name not in known:
                raise TypeError(f"{type(self).__name__}: {unknown_parameter(name, known)}")
        init(self, *args, **kwargs)

    known = [name for name in inspect.signature(init).parameters if name != "self"]
    return cast("Init", __init__)


def unknown_parameter(name: str, known: list[str]) -> str:
    """The message about a parameter that is not among the known ones."""
    hint = _ELSEWHERE.get(name)
    if hint is not None:
        return f"no parameter {name!r}: it {hint}."
    similar = difflib.get_close_matches(name, known, 1)
    did_you_mean = f" Did you mean {similar[0]!r}?" if similar else ""
    return f"no parameter {name!r}; the parameters are {', '.join(known)}.{did_you_mean}"


class Estimator:
    """Parameters by name, and scikit-learn's tags of a classifier."""

    _estimator_type = "classifier"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, as scikit-learn's tools do.

        Parameters
        ----------
        deep : bool, default=True
            Without effect: there are no parameters of parameters.

        Returns
        -------
        parameters : dict
        """
        return {name: getattr(self, name) for name in _parameter_names(type(self))}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; they take effect in the next `fit`.

        Parameters
        ----------
        **parameters
            As in the constructor.

        Returns
        -------
        self : the estimator

        Raises
        ------
        ValueError
            If there is no such parameter. Nothing is set then.
        """
        names = _parameter_names(type(self))
        for name in parameters:
            if name not in names:
                raise ValueError(unknown_parameter(name, names))
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = [f"{name}={text}" for name, text in self._changed_parameters().items()]
        return f"{type(self).__name__}({', '.join(changed)})"

    def _repr_html_(self) -> str:
        """A table for notebooks: parameters, layers and accuracy."""
        return table(self, self._changed_parameters())

    def _changed_parameters(self) -> dict[str, str]:
        """The parameters that differ from their defaults, as text."""
        defaults = inspect.signature(type(self).__init__).parameters
        return {
            name: repr(value)
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        }

    def __sklearn_is_fitted__(self) -> bool:
        return "_network" in self.__dict__

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(sparse=True),
        )


def _parameter_names(cls: type) -> list[str]:
    """The constructor's parameters, in order."""
    return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]  # type: ignore[misc]

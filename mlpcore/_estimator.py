"""What scikit-learn's tools ask of an estimator that does not derive from their base class."""

from __future__ import annotations

import inspect
from typing import Any, Self


class Estimator:
    """Parameters by name, and what scikit-learn wants to know about a classifier."""

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
                raise ValueError(f"no parameter {name!r}; the parameters are {', '.join(names)}.")
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

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

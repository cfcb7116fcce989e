"""MLPRegressor: its parameters; targets and prediction of numbers."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from mlpcore.engine.registry import LOSSES, OUTPUTS, POSITIVE_UNITS
from mlpcore.sklearn._base import BaseMLP, fit_context
from mlpcore.sklearn._network import FLOATS
from mlpcore.sklearn._onnx import Model, regressor
from mlpcore.sklearn._signatures import (
    ATTRIBUTES,
    EXTENSIONS,
    N_THREADS,
    PARAMETERS,
    RegressorSignature,
)
from mlpcore.sklearn._streams import check_pairs_outside
from mlpcore.streams.source import as_array, is_large

# The losses for regression.
_LOSSES = {name: loss for name, loss in LOSSES.items() if not loss.probabilities}
# The Poisson deviance is defined for outputs above zero.
_POSITIVE = tuple(name for name in POSITIVE_UNITS if name != "softmax")


class MLPRegressor(RegressorMixin, RegressorSignature, BaseMLP):
    # Most of the text is the same for both estimators.
    __doc__ = f"""scikit-learn's multi-layer perceptron regressor on the compiled engine.

    Parameters, attributes and results are those of ``sklearn.neural_network.MLPRegressor``, whose
    documentation [1]_ says more about each. With the same `random_state` it is the same network.
    The parameters from `out_activation` on are additions, without effect unless given, and so are
    three of the losses.

    Parameters
    ----------
    loss : str, default="squared_error"
        "squared_error" (half of it) or "poisson" (half the deviance, with outputs ``exp``) as in
        scikit-learn; or "absolute_error", "huber" or "pinball".
    {PARAMETERS}
    out_activation : str or None, default=None
        Activation of the output units: "identity" (None, except for "poisson", where it is "exp"),
        "exp", or any other that `activation` has, with its derivative in the gradient. For
        "poisson" one with values above zero.
    {EXTENSIONS}
    scoring : str, callable or None, default=None
        The score for early stopping, as in ``sklearn.model_selection``; None is the R2 score. A
        callable takes (estimator, X, y), and `sample_weight` by that name if it has it and `fit`
        was given weights of these rows.
    delta : float, default=1.0
        For "huber": errors up to this count by half their square, larger ones linearly.
    quantile : float, default=0.5
        For "pinball": the quantile to estimate, between 0 and 1.
    {N_THREADS}

    Attributes
    ----------
    {ATTRIBUTES}

    See Also
    --------
    MLPClassifier : The same for classes.

    References
    ----------
    .. [1] https://scikit-learn.org/stable/modules/generated/sklearn.neural_network.MLPRegressor.html

    Examples
    --------
    >>> import numpy as np
    >>> from mlpcore.sklearn import MLPRegressor
    >>> X = np.linspace(-2, 2, 200).reshape(-1, 1)
    >>> reg = MLPRegressor(activation="tanh", solver="lbfgs", random_state=1, max_iter=500)
    >>> reg.fit(X, np.sin(2 * X[:, 0])).score(X, np.sin(2 * X[:, 0])) > 0.99
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "loss": [StrOptions(set(_LOSSES))],
        "out_activation": [StrOptions(set(OUTPUTS) - {"softmax"}), None],
        **{
            loss.parameter: [
                Interval(
                    Real,
                    loss.above,
                    loss.below if np.isfinite(loss.below) else None,
                    closed="neither",
                )
            ]
            for loss in _LOSSES.values()
            if loss.parameter is not None
        },
    }

    delta: float
    quantile: float

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    @available_if(lambda self: self._check_solver())
    @fit_context
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train for one epoch on some rows, from the present weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : MLPRegressor
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _validate_rows(self, X: Any, y: Any, *, dtype: Any = FLOATS, reset: bool) -> Any:
        if is_large(X, self.buffer_bytes):
            X, y = check_pairs_outside(self, X, y, y_numeric=True, reset=reset)
            return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        X, y = validate_data(
            self,
            as_array(X),
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=True,
            dtype=dtype,
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        return self._validate_rows(X, y, reset=reset)

    def _encode(self, y: Any) -> NDArray[Any]:
        y = y.toarray() if issparse(y) else y
        return y.reshape(-1, 1) if y.ndim == 1 else y

    def _units_of_target(self, target: NDArray[Any]) -> int:
        return target.shape[1]

    def _default_out_activation(self) -> str:
        return _LOSSES[self.loss].output

    def _check_out_activation(self, name: str) -> None:
        if _LOSSES[self.loss].positive_outputs and name not in _POSITIVE:
            raise ValueError(
                f"loss={self.loss!r} needs outputs above zero: an out_activation among "
                f"{', '.join(_POSITIVE)}, or None for {_LOSSES[self.loss].output}; got {name!r}."
            )

    def _engine_loss(self) -> dict[str, Any]:
        parameter = _LOSSES[self.loss].parameter
        return {"loss": self.loss, "loss_parameter": parameter and getattr(self, parameter)}

    @property
    def to_html(self) -> Any:
        """Classifiers have it; AttributeError here."""
        raise AttributeError(
            "to_html writes a page with the probabilities of classes, and an MLPRegressor predicts "
            "numbers. Use MLPClassifier, or to_onnx."
        )

    def _onnx_model(self) -> Model:
        return regressor(self)

    def _score_outputs(self, outputs: NDArray[Any], y: Any, sample_weight: Any) -> float:
        if not np.isfinite(outputs).all():
            return float("nan")
        return float(r2_score(y, outputs, sample_weight=sample_weight))

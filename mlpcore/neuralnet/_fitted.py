"""A fitted classifier: weights by name, prediction, scores, pickles."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mlpcore._feature_names import check_names_match, feature_names
from mlpcore._labels import check_labels, check_same_kind
from mlpcore._validation import check_finite, check_rows, check_source, check_total, check_weights
from mlpcore._version import __version__, warn_if_newer
from mlpcore.engine.activations import activation
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.exceptions import NotFittedError
from mlpcore.neuralnet._convert import to_html, to_onnx
from mlpcore.neuralnet._data import AS_IT_IS, make_input, scale_rows
from mlpcore.neuralnet._parameters import check_threads
from mlpcore.streams.source import Source, as_array, is_large
from mlpcore.streams.stream import rows_to_predict


class Fitted:
    """A classifier that keeps its network under ``_network`` once it is fitted."""

    classes_: NDArray[Any]
    n_features_in_: int
    n_threads: int | None
    buffer_bytes: int = 1 << 28  # pickles of version 0.1 have none
    _network: Network
    _activation: tuple[str, ...]  # of each hidden layer
    _scale: tuple[float, float]
    _names: NDArray[np.object_] | None = None
    _pixels: tuple[float, float] | None = None  # an empty one and full ink, in fit

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the columns in `fit`; AttributeError where these had none."""
        if self._names is None:
            raise AttributeError("feature_names_in_ is there only after a fit on named columns.")
        return self._names

    @property
    def coefs_(self) -> tuple[NDArray[Any], ...]:
        """Weights of each layer."""
        return tuple(_read_only(weights) for weights in self._fitted().coefs)

    @property
    def intercepts_(self) -> tuple[NDArray[Any], ...]:
        """Biases of each layer."""
        return tuple(_read_only(biases) for biases in self._fitted().intercepts)

    @property
    def w_h(self) -> NDArray[Any]:
        """Weights of the first hidden layer, shape (n_features, n_hidden)."""
        return self.coefs_[0]

    @property
    def b_h(self) -> NDArray[Any]:
        """Biases of the first hidden layer, shape (n_hidden,)."""
        return self.intercepts_[0]

    @property
    def w_out(self) -> NDArray[Any]:
        """Weights of the output layer, shape (n_hidden, n_classes)."""
        return self.coefs_[-1]

    @property
    def b_out(self) -> NDArray[Any]:
        """Biases of the output layer, shape (n_classes,)."""
        return self.intercepts_[-1]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each row: that of the output unit with the largest pre-activation.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray, shape (n_samples,)
            In the dtype of `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `X` is not as in `fit`.
        """
        network = self._fitted()
        if type(X) is np.ndarray and self._scale == AS_IT_IS and self._names is None:
            # One row of the network's own dtype needs a microsecond or two; the slow path, which
            # anything else takes, needs a hundred.
            index = network.classify(X)
            if index >= 0:
                return self.classes_[index : index + 1].copy()
        return cast("NDArray[Any]", self.classes_[self._forward(X, Network.classes)])

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Estimate the probability of each class.

        The logistic output units answer for their own class each; as in one-vs-rest classification,
        their activations are divided by their sum.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray, shape (n_samples, n_classes)
            Rows sum to 1; columns are in the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `X` is not as in `fit`.
        """
        return self._probabilities(X).astype(self._network.dtype)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Estimate the logarithm of the probability of each class.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)

        Returns
        -------
        log_probabilities : ndarray, shape (n_samples, n_classes)
            Finite also where `predict_proba` rounds to 0 in float32.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `X` is not as in `fit`.
        """
        return np.log(self._probabilities(X)).astype(self._network.dtype)

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Fraction of rows that are predicted right.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)
        sample_weight : array_like, shape (n_samples,), optional
            A weight for each row; all weigh the same by default.

        Returns
        -------
        accuracy : float
            From 0 to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If `y` holds labels of another type than those in `fit`, such as text in place of
            numbers.
        ValueError
            If `X` is not as in `fit`, or `y` or `sample_weight` has another length.
        """
        predicted = self.predict(X)
        labels = check_labels(y, "y", len(predicted), "X")
        check_same_kind(labels, "y", self.classes_, "classes_")
        weights = None
        if sample_weight is not None:
            weights = check_weights(sample_weight, "sample_weight", len(predicted), "X")
            check_total(weights, "sample_weight", "the rows of X")
        return float(np.average(predicted == labels, weights=weights))

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        dtype: DTypeLike | None = None,
        input_dtype: DTypeLike | None = None,
    ) -> None:
        """Write the fitted model as an ONNX file, which runs without Python or mlpcore.

        Its input ``X`` has shape ``(n_samples, n_features_in_)``. Its outputs are ``label``, of
        shape (n_samples,) and as `predict` returns it, and ``probabilities``, as `predict_proba`
        returns them. `input_scale` is part of it. Its metadata are the versions of mlpcore
        (``mlpcore``), the class (``estimator``), and as JSON ``classes`` and, where the columns
        have names, ``feature_names``.

        Parameters
        ----------
        path : str or PathLike
            The file appears under exactly this name, when it is complete.
        dtype : {numpy.float32, numpy.float64} or None, default=None
            What the file computes in. None is the network's dtype, as in `predict`.
        input_dtype : {numpy.float32, numpy.float64, numpy.uint8} or None, default=None
            The dtype of ``X``. None is uint8 where `input_scale` was given, and otherwise `dtype`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ImportError
            If the package onnx is not installed: ``pip install "mlpcore[onnx]"``.
        TypeError
            If ONNX has no such class labels: bytes, dates, mixed kinds, other objects.
        ValueError
            If a dtype is another one, or the network has more than 2 GiB.
        OSError
            If the file cannot be written.

        See Also
        --------
        save : Save the model for mlpcore.
        to_html : Write a page to draw on.
        """
        to_onnx(self, self._fitted(), path, dtype, input_dtype)

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        image_shape: tuple[int, int] | None = None,
        pixel_range: tuple[float, float] | None = None,
    ) -> None:
        """Write a page to draw on, on which the fitted model answers while one draws.

        It is one file of HTML with the weights in it, which works in any browser, without a
        network. What is drawn becomes an image as MNIST's are: its longer side is 20 of 28 pixels,
        and its centre of mass in the middle. Images of less than 16 pixels are filled as those of
        `load_digits` are.

        Parameters
        ----------
        path : str or PathLike
            The file appears under exactly this name, when it is complete.
        image_shape : (int, int) or None, default=None
            Height and width of the images. None is the parameter `image_shape`, or a square.
        pixel_range : (float, float) or None, default=None
            The numbers of an empty pixel and of full ink, as in `X_train`. None is what they were
            in `fit`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the features are no image of this shape, or `pixel_range` is no range.
        OSError
            If the file cannot be written.

        See Also
        --------
        to_onnx : Write a file for other programs.
        """
        to_html(self, self._fitted(), path, image_shape, pixel_range)

    def _probabilities(self, X: ArrayLike) -> NDArray[np.float64]:
        z = self._forward(X, Network.logits)
        # In float64 the smallest activation, at the clipped pre-activation -250, is far from zero.
        a = activation("logistic", z.astype(np.float64))
        return cast("NDArray[np.float64]", a / a.sum(axis=1, keepdims=True))

    def _forward(
        self, X: ArrayLike, method: Callable[[Network, Input, int], NDArray[Any]]
    ) -> NDArray[Any]:
        network = self._fitted()
        n_features = self.n_features_in_
        if is_large(X, self.buffer_bytes):
            check_source(X, "X", n_features)
            check_names_match(self._names, feature_names(X), "X", type(self).__name__)
            n_threads = check_threads(self.n_threads)
            stream = rows_to_predict(
                Source(X, "X"), network.dtype, self._scale, self.buffer_bytes, n_threads
            )
            return stream.predict(lambda source: method(network, source, n_threads))
        X = as_array(X)
        rows = check_rows(X, "X", dtype=network.dtype, n_features=n_features, finite=False)
        check_names_match(self._names, feature_names(X), "X", type(self).__name__)
        source = make_input(scale_rows(rows, self._scale), network.dtype, self._scale, "dense")
        try:
            return method(network, source, check_threads(self.n_threads))
        except ValueError:
            check_finite(rows, "X", network.dtype)  # names the place
            raise

    def _fitted(self) -> Network:
        try:
            return cast("Network", self.__dict__["_network"])
        except KeyError:
            text = f"this {type(self).__name__} is not fitted yet; call fit first."
            if "sklearn.exceptions" in sys.modules:
                from mlpcore import _sklearn_errors

                raise _sklearn_errors.NotFittedError(text) from None
            raise NotFittedError(text) from None

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_mlpcore_version": __version__}
        # The load of a machine at one moment must not change a pickle's bytes.
        state.pop("n_threads_", None)
        network = state.pop("_network", None)
        if network is not None:
            state["_layers"] = (
                [weights.copy() for weights in network.coefs],
                [biases.copy() for biases in network.intercepts],
                network.background,
            )
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = state.copy()
        warn_if_newer(state.pop("_mlpcore_version", None), f"this {type(self).__name__}")
        layers = state.pop("_layers", None)
        self.__dict__.update(state)
        if layers is not None:
            coefs, intercepts, background = layers
            units = [len(coefs[0]), *(len(biases) for biases in intercepts)]
            # Pickles of version 0.1 have no activations.
            activation = state.get("_activation", ("logistic",) * (len(units) - 2))
            network = Network(units, activation=activation, dtype=coefs[0].dtype.name)
            for mine, saved in zip(
                network.coefs + network.intercepts, [*coefs, *intercepts], strict=True
            ):
                mine[:] = saved
            network.background = background
            self._network = network


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    """A view that can't be written to: prediction keeps sums that depend on the parameters."""
    view = array.view()
    view.flags.writeable = False
    return view

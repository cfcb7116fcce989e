"""MLPClassifier: its parameters; labels, class weights and prediction of classes."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpcore import _html_page
from mlpcore.distortion import Distortion
from mlpcore.sklearn._base import BaseMLP, fit_context
from mlpcore.sklearn._network import FLOATS
from mlpcore.sklearn._onnx import Model, classifier
from mlpcore.sklearn._signatures import (
    ATTRIBUTES,
    EXTENSIONS,
    N_THREADS,
    PARAMETERS,
    ClassifierSignature,
)
from mlpcore.sklearn._streams import check_pairs_outside
from mlpcore.streams.source import as_array, is_large
from mlpcore.training.class_weight import class_weights


class MLPClassifier(ClassifierMixin, ClassifierSignature, BaseMLP):
    # Most of the text is the same for both estimators.
    __doc__ = f"""scikit-learn's multi-layer perceptron classifier on the compiled engine.

    Parameters, attributes and results are those of ``sklearn.neural_network.MLPClassifier``, whose
    documentation [1]_ says more about each. With the same `random_state` it is the same network.
    The parameters from `out_activation` on are additions, without effect unless given.

    Parameters
    ----------
    {PARAMETERS}
    out_activation : {{"softmax", "logistic"}} or None, default=None
        Activation of the output units. None is "softmax" for three classes or more and "logistic"
        for two and for labels of which several apply. "logistic" for three classes or more trains
        each output for its own class; probabilities are then the outputs divided by their sum.
    {EXTENSIONS}
    scoring : str, callable or None, default=None
        The score for early stopping, as in ``sklearn.model_selection``; None is the accuracy. Rows
        of every class are then held out, in proportion. A callable takes (estimator, X, y), and
        `sample_weight` by that name if it has it and `fit` was given weights of these rows; the
        weights of the classes are not in it.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weights of the classes, which multiply `sample_weight`: a dict of labels, or where several
        apply a list with a dict of 0 and 1 for each column of y, whose weights are multiplied.
        "balanced" lets all classes weigh the same: the weight of all rows given to `fit`, divided
        by the number of classes and by the weight of the class. Validation rows get the weights
        that training rows of their class get. They count in the loss and in the accuracy that early
        stopping goes by, but not in `scoring`.
    label_smoothing : float, default=0.0
        The fraction s of the targets, from 0 to below 1, that training spreads evenly over the K
        classes: 1 - s + s / K for a row's own class and s / K for the others [2]_. Where several
        labels apply, each is one of two classes. Validation losses are those of the labels.
    augment : mlpcore.Distortion or None, default=None
        How images are varied in training: each row in another way in each epoch. Scores,
        validation losses and predictions are those of the rows as they are. Not for "lbfgs".
    image_shape : (int, int) or None, default=None
        Height and width of the images, for `augment`. None is a square.
    {N_THREADS}

    Attributes
    ----------
    classes_ : ndarray or list of ndarray of shape (n_classes,)
        The class labels, sorted.
    {ATTRIBUTES}

    See Also
    --------
    MLPRegressor : The same for numbers.
    mlpcore.NeuralNetMLP : The textbook's class on the same engine.

    References
    ----------
    .. [1] https://scikit-learn.org/stable/modules/generated/sklearn.neural_network.MLPClassifier.html
    .. [2] Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.

    Examples
    --------
    >>> from mlpcore import load_digits
    >>> from mlpcore.sklearn import MLPClassifier
    >>> X, y = load_digits()
    >>> clf = MLPClassifier(random_state=1, learning_rate="one_cycle", learning_rate_init=0.01,
    ...                     max_iter=20)
    >>> clf.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMLP._parameter_constraints,
        "out_activation": [StrOptions({"softmax", "logistic"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "augment": [Distortion, None],
        "image_shape": ["array-like", None],
    }

    class_weight: Any
    classes_: Any
    _label_binarizer: LabelBinarizer

    loss = "log_loss"
    _stratify = True

    def predict(self, X: Any) -> Any:
        """Predict classes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        network = self._fast_path(X)
        if network is not None and self._label_binarizer.y_type_ == "multiclass":
            index = network.classify(X)
            if index >= 0:
                return self.classes_[index : index + 1].copy()
        return self._decide(self._outputs(X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Estimate probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        outputs = self._outputs(X)
        if self.n_outputs_ == 1:
            return np.hstack([1 - outputs, outputs])
        if self.out_activation_ == "logistic" and self._label_binarizer.y_type_ == "multiclass":
            # All outputs can be zero for a row that is far from every class.
            tiny = np.finfo(outputs.dtype).tiny
            outputs = np.maximum(outputs, tiny)
            outputs /= outputs.sum(axis=1, keepdims=True)
        return outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Estimate logarithms of probabilities.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            ``log(predict_proba(X))``.
        """
        proba = self.predict_proba(X)
        return np.log(proba, out=proba)

    @available_if(lambda self: self._check_solver())
    @fit_context
    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, classes: Any = None
    ) -> Self:
        """Train for one epoch on some rows, from the present weights.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes of this and later calls: needed in the first call.

        Returns
        -------
        self : MLPClassifier
        """
        self._check_missing(y, "y")
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def _validate_rows(self, X: Any, y: Any, *, dtype: Any = FLOATS, reset: bool) -> Any:
        if is_large(X, self.buffer_bytes):
            X, y = check_pairs_outside(self, X, y, y_numeric=False, reset=reset)
            return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        X, y = validate_data(
            self,
            as_array(X),
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=dtype,
            reset=reset,
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return X, y

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = self._validate_rows(X, y, reset=reset)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start:
            classes = unique_labels(y)
            if set(classes) != set(self.classes_):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {self.classes_}, `y` has {classes}"
                )
        else:
            self._check_known(y, "y")
        return X, y

    def _set_labels(self, labels: NDArray[Any]) -> None:
        # Four times each, since scikit-learn warns of classes that have few rows.
        self._label_binarizer = LabelBinarizer().fit(np.tile(labels, 4))
        self.classes_ = self._label_binarizer.classes_

    def _check_missing(self, y: Any, name: str) -> None:
        if issparse(y):
            return
        try:
            labels = np.asarray(y)
        except ValueError:  # rows of several lengths, which scikit-learn reports
            return
        if labels.dtype.kind == "U" and isinstance(y, (list, tuple)):
            labels = np.asarray(y, object)  # NumPy turns a NaN among text into text
        if labels.dtype.kind not in "OMm" or labels.ndim == 0:
            return
        for place, label in enumerate(labels.ravel()):
            # NaN and NaT differ from themselves; pandas' NA says neither yes nor no to it.
            if label is None or type(label).__name__ == "NAType" or _differs_from_itself(label):
                row = place // (labels.size // len(labels))
                raise ValueError(
                    f"{name} must hold a class for each row; got {label!r} in row {row}. Leave "
                    "such rows out, or give them a separate class."
                )

    def _check_known(self, y: Any, name: str) -> None:
        if self._are_known(y):
            return
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has "
                f"{self.classes_}. '{name}' has {classes}."
            )

    def _are_known(self, y: Any) -> bool:
        """Whether a search for each label finds it among the known ones.

        It takes 15 us for 200 rows, and `unique_labels`, which also determines the type of y, 160.
        A y with more classes than half its rows is left to that, since scikit-learn warns of it.
        """
        if y.ndim != 1 or y.dtype.kind not in "biuUS" or y.dtype.kind != self.classes_.dtype.kind:
            return False
        if 2 * len(self.classes_) > len(y):
            return False
        places = np.searchsorted(self.classes_, y)
        return bool((self.classes_.take(places, mode="clip") == y).all())

    def _encode(self, y: Any) -> NDArray[Any]:
        if self._label_binarizer.y_type_ == "multiclass" and y.ndim == 1:
            return np.searchsorted(self.classes_, y).astype(np.intc)
        return np.asarray(self._label_binarizer.transform(y))

    def _units_of_target(self, target: NDArray[Any]) -> int:
        return len(self.classes_) if target.ndim == 1 else target.shape[1]

    def _class_weights(
        self,
        target: NDArray[Any],
        sample_weight: NDArray[Any] | None,
        incremental: bool,
        count: Callable[..., NDArray[Any]] = np.bincount,
    ) -> list[NDArray[np.float64]] | None:
        if self.class_weight is None:
            return None
        if incremental and self.class_weight == "balanced":
            raise ValueError(
                'class_weight="balanced" is not supported by partial_fit, which does not see all '
                "rows. Give a dict, such as that of sklearn.utils.class_weight."
            )
        return class_weights(self.class_weight, target, self.classes_, sample_weight, count)

    def _default_out_activation(self) -> str:
        multiclass = self._label_binarizer.y_type_ == "multiclass"
        return "softmax" if multiclass else "logistic"

    def _check_out_activation(self, name: str) -> None:
        if name == "softmax" and self._default_out_activation() != "softmax":
            raise ValueError(
                'out_activation="softmax" is for three classes or more of which one applies; got '
                f'{self._label_binarizer.y_type_} y. Use "logistic" or None.'
            )

    def _engine_loss(self) -> dict[str, Any]:
        softmax = self.out_activation_ == "softmax"
        return {
            "loss": "cross_entropy" if softmax else "binary_cross_entropy",
            "loss_clip": True,  # as scikit-learn reports it
        }

    def _decide(self, outputs: NDArray[Any]) -> Any:
        """Classes for outputs of the network."""
        binarizer = self._label_binarizer
        # The fast path to the result of the binarizer for dense labels.
        if binarizer.y_type_ == "multiclass":
            return self.classes_[outputs.argmax(axis=1)]
        if binarizer.y_type_ == "binary" and len(self.classes_) == 2:
            return self.classes_[(outputs[:, 0] > 0.5).astype(np.intp)]
        return binarizer.inverse_transform(outputs[:, 0] if self.n_outputs_ == 1 else outputs)

    def _onnx_model(self) -> Model:
        return classifier(self)

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
        `mlpcore.load_digits` are.

        Parameters
        ----------
        path : str or PathLike
            The file appears under exactly this name, when it is complete.
        image_shape : (int, int) or None, default=None
            Height and width of the images. None is the parameter `image_shape`, or a square.
        pixel_range : (float, float) or None, default=None
            The numbers of an empty pixel and of full ink, as in X. None is what they were in `fit`.

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
        check_is_fitted(self)
        network = self._current()
        activations, output, _ = self._built
        kind = self._label_binarizer.y_type_
        several = kind == "multilabel-indicator"
        shared = "shares" if output == "logistic" else "softmax"
        if pixel_range is None:  # pickles of earlier versions do not have it
            pixel_range = getattr(self, "_pixels", (-1, 1))
        _html_page.write(
            path,
            coefs=network.coefs,
            intercepts=network.intercepts,
            activations=activations,
            output="several" if several else shared if kind == "multiclass" else "two",
            # Where y had one class, both outputs stand for it.
            classes=np.resize(self.classes_, 2) if kind == "binary" else self.classes_,
            image_shape=self.image_shape if image_shape is None else image_shape,
            pixel_range=pixel_range,
            least=float(np.log(np.finfo(network.dtype).tiny)),
        )

    def _score_outputs(self, outputs: NDArray[Any], y: Any, sample_weight: Any) -> float:
        predicted = self._decide(outputs)
        if issparse(y):
            y, predicted = y.toarray(), predicted.toarray()
        correct = predicted == y
        if correct.ndim == 2:  # where several labels apply, all must be correct
            correct = correct.all(axis=1)
        return float(np.average(correct, weights=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _differs_from_itself(label: Any) -> bool:
    return isinstance(label, (float, np.generic, datetime.datetime)) and bool(label != label)

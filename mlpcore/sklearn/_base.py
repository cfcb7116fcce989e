"""The base of both estimators: checks, starting weights, `fit`, attributes, pickling."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from mlpcore._html_page import pixel_range
from mlpcore._validation import check_start
from mlpcore._version import __version__, warn_if_newer
from mlpcore.engine.evaluation import BLOCK_ROWS
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.objective import Objective
from mlpcore.engine.trainer import Trainer
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._convert import from_sklearn, to_sklearn
from mlpcore.sklearn._data import TrainingData, check_sample_weight, readable, weighed
from mlpcore.sklearn._held_out import check_enough, own_rows
from mlpcore.sklearn._lbfgs import PackedObjective, check_lbfgs, fit_lbfgs
from mlpcore.sklearn._network import FLOATS, NetworkOwner
from mlpcore.sklearn._onnx import Model, write
from mlpcore.sklearn._optimizer import OptimizerState
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._solvers import fit_stochastic
from mlpcore.sklearn._streams import check_settings
from mlpcore.streams.source import Source
from mlpcore.training.interrupts import exit_on_sigterm
from mlpcore.training.run import Run

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Callbacks exist from scikit-learn 1.9 on."""


def fit_context(method: Any) -> Any:
    """Check the parameters before a method fits, as scikit-learn does."""
    return _fit_context(prefer_skip_nested_validation=True)(method)


class BaseMLP(CallbackSupportMixin, NetworkOwner):
    """A multi-layer perceptron with scikit-learn's parameters; two classes derive from it."""

    # `fit` sets these.
    n_features_in_: int
    n_outputs_: int
    n_iter_: int
    n_threads_: int
    t_: int
    loss_: float
    loss_curve_: list[float]
    best_loss_: Any
    validation_loss_curve_: Any
    validation_scores_: Any
    best_validation_score_: Any
    _random_state: np.random.RandomState
    _optimizer: OptimizerState
    _no_improvement_count: int

    # Whether early stopping holds out rows of each class in proportion.
    _stratify = False

    # The two estimators define these.

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Checked X and y; sets the attributes that depend on y alone."""
        raise NotImplementedError

    def _encode(self, y: Any) -> NDArray[Any]:
        """Targets of checked y: indices of output units (intc), or a number for each output."""
        raise NotImplementedError

    def _units_of_target(self, target: NDArray[Any]) -> int:
        """The number of output units for such targets."""
        raise NotImplementedError

    def _default_out_activation(self) -> str:
        raise NotImplementedError

    def _check_out_activation(self, name: str) -> None:
        """Raise ValueError unless the loss goes with these output units."""
        raise NotImplementedError

    def _class_weights(
        self, target: NDArray[Any], sample_weight: NDArray[Any] | None, incremental: bool
    ) -> list[NDArray[np.float64]] | None:
        """Weights of the classes in each column of the targets; None where all weigh the same."""
        return None

    def _onnx_model(self) -> Model:
        """What `to_onnx` writes."""
        raise NotImplementedError

    def _score_outputs(self, outputs: NDArray[Any], y: Any, sample_weight: Any) -> float:
        """The score for early stopping; NaN where there is none."""
        raise NotImplementedError

    @fit_context
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: ArrayLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
    ) -> Self:
        """Learn from rows and targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows of features. Sparse matrices are trained on as CSR.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Class labels, or numbers in regression.
        sample_weight : array-like of shape (n_samples,), default=None
            A weight for each row. Some may be negative, but their sum must be above 0, in what is
            trained on and in what is held out.
        X_val, y_val, sample_weight_val : like X, y and sample_weight, default=None
            A custom validation set. Its loss goes into `validation_loss_curve_`, and early
            stopping goes by it instead of holding out rows of X. Not for ``solver="lbfgs"``.
        checkpoint : str or PathLike, default=None
            A file that stores the run: written before the first epoch and then after every
            `checkpoint_every`, after the last, and when training is interrupted. Where it exists,
            training goes on from it, and ends with the bits of a fit that was never interrupted.
            With "lbfgs" it holds the last iterate, from which the method begins again on another
            path to the same minimum. The previous checkpoint stays under the same name with
            ``.previous`` at the end.
        checkpoint_every : int, default=1
            Epochs, or iterations of L-BFGS, from one checkpoint to the next.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If parameters, data or the checkpoint are invalid, the weights of rows sum to 0 or less,
            the score of early stopping was finite in no epoch, or weights of the network have
            become infinite.
        """
        validation = X_val, y_val, sample_weight_val
        if checkpoint is None:
            with exit_on_sigterm():
                return self._fit(X, y, sample_weight, incremental=False, validation=validation)
        with exit_on_sigterm(), Resume(checkpoint, checkpoint_every) as resume:
            return self._fit(
                X, y, sample_weight, incremental=False, validation=validation, resume=resume
            )

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool,
        validation: tuple[Any, Any, Any] = (None, None, None),
        resume: Resume | None = None,
    ) -> Self:
        hidden = self._hidden_units()
        first = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        given = X, y, sample_weight
        self._check_missing(y, "y")
        X, y = self._validate_input(X, y, incremental, reset=first)
        n_hidden = len(hidden) if first else len(self.coefs_) - 1
        settings = self._training_settings(n_hidden, incremental)
        sample_weight = check_sample_weight(sample_weight, X, "sample_weight")
        target = self._encode(y)
        class_weights = self._class_weights(target, sample_weight, incremental)
        data = weighed(X, y, target, sample_weight, class_weights, "")
        dtype = X.dtype if X.dtype in FLOATS else np.dtype(np.float64)
        held_out = own_rows(self, validation, dtype, class_weights)
        check_settings(settings, data, held_out, self.buffer_bytes)
        if held_out is not None and settings.early_stopping:
            check_enough(held_out)
        if settings.solver == "lbfgs":
            check_lbfgs(settings, held_out)
        self.n_outputs_ = self._units_of_target(data.target)
        self._random_state = check_random_state(self.random_state)
        if resume is not None:
            self._random_state = resume.random_state(self._random_state, type(self).__name__)
        if first:
            self._pixels = pixel_range(X[:BLOCK_ROWS] if isinstance(X, Source) else X)
            self._initialize((X.shape[1], *hidden, self.n_outputs_), dtype)
        network = self._trainable()
        bridge = None
        if not incremental and (
            hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")
        ):
            # SciPy's L-BFGS reports one iteration more than it makes.
            bridge = CallbackBridge(self, *given, tasks=settings.epochs + 1)
        if settings.solver == "lbfgs":
            fit_lbfgs(self, settings, network, data, bridge, resume)
        else:
            fit_stochastic(self, settings, network, data, held_out, bridge, resume, first=first)
        if bridge is not None:
            bridge.close()
        return self

    def _validate_rows(self, X: Any, y: Any, *, dtype: Any = FLOATS, reset: bool) -> Any:
        """Rows and targets that belong together, in NumPy's or SciPy's arrays."""
        raise NotImplementedError

    def _check_missing(self, y: Any, name: str) -> None:
        """Raise ValueError for missing targets that scikit-learn does not refuse itself."""

    def _check_known(self, y: Any, name: str) -> None:
        """Raise ValueError for classes that this model does not have."""

    # The network.

    def _initialize(self, units: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        """A new network with its starting weights."""
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_ = len(units)
        self.out_activation_ = self.out_activation or self._default_out_activation()
        self._check_out_activation(self.out_activation_)
        # SciPy's L-BFGS computes in float64, and scikit-learn with it.
        network = self._new_network(
            units, np.dtype(np.float64) if self.solver == "lbfgs" else dtype
        )
        names = self._activations(len(units) - 2)
        kinds = [*names, names[-1] if names else self.activation]
        for coef, intercept, kind in zip(network.coefs, network.intercepts, kinds, strict=True):
            # Glorot & Bengio's bounds, as scikit-learn has them.
            bound = np.sqrt((2.0 if kind == "logistic" else 6.0) / sum(coef.shape))
            for part in (coef, intercept):
                part[:] = self._random_state.uniform(-bound, bound, part.shape).astype(dtype)
        for name, parts in (("coefs_init", network.coefs), ("intercepts_init", network.intercepts)):
            starts = getattr(self, name)
            if starts is not None:
                arrays = check_start(starts, name, [part.shape for part in parts])
                for part, array in zip(parts, arrays, strict=True):
                    part[:] = array
        self._install(network)

    def _loss_grad_lbfgs(
        self, packed: NDArray[Any], X: Any, y: Any, *_: Any
    ) -> tuple[float, NDArray[Any]]:
        """Loss and gradient at some parameters: scikit-learn's private method, for its test.

        Further arguments are buffers of scikit-learn's, and unused.
        """
        data = TrainingData(readable(X), y, y, None)
        settings = self._training_settings(len(self.coefs_) - 1, incremental=False)
        with PackedObjective(self, settings, self._from_arrays(), data) as objective:
            return objective(packed)

    # `fit` and its solvers record their results by these.

    def _start_curves(self, own_validation: bool, first: bool) -> None:
        """Begin the records of epochs, or those that a warm start does not have yet.

        Scores are of the rows that one fit holds out: the best one of an earlier fit says nothing
        about them.
        """

        def missing(name: str) -> bool:
            return first or getattr(self, name, None) is None

        if missing("loss_curve_"):
            self.loss_curve_ = []
            self._no_improvement_count = 0
        if not (own_validation or self.early_stopping):
            self.validation_loss_curve_ = None
        elif missing("validation_loss_curve_"):
            self.validation_loss_curve_ = []
        if not self.early_stopping:
            if missing("best_loss_"):
                self.best_loss_ = np.inf
            self.validation_scores_ = None
            self.best_validation_score_ = None
            return
        if missing("validation_scores_"):
            self.validation_scores_ = []
        self.best_validation_score_ = -np.inf
        self._no_improvement_count = 0
        self.best_loss_ = None

    def _start_optimizer(self) -> None:
        self._optimizer = OptimizerState(self)

    def _record(self, run: Run, trainer: Trainer) -> None:
        """Set the attributes to those of the last finished epoch."""
        self.n_iter_, self.t_ = run.epoch, run.rows_seen
        if run.epoch:
            self.loss_ = self.loss_curve_[-1]
        self._no_improvement_count = run.best.waited
        if run.best.value is not None:
            if self.early_stopping:
                self.best_validation_score_ = run.best.value
            else:
                self.best_loss_ = run.best.value
        self._optimizer.t = trainer.step_count
        self._record_threads(trainer)

    def _record_iterations(
        self, count: int, objective: Objective, loss: float | None = None
    ) -> None:
        """The same for L-BFGS, whose loss is known when it ends."""
        self.n_iter_ = count
        self._record_threads(objective)
        if loss is not None:
            self.loss_ = loss

    def _record_threads(self, engine: Trainer | Objective) -> None:
        self.n_threads_ = engine.usual_threads
        if self.verbose != "bar" and self.verbose > 1:
            print(f"Threads: {self.n_threads_} of {engine.n_threads} worked longest")

    def _skip_in_prediction(self, network: Network, rows: Input) -> None:
        """Let prediction skip the zeros that are most of the rows.

        It skips no other background: the background term that the network would keep misses what
        the caller writes to `coefs_`.
        """
        self._background = network.background = 0.0 if rows.background == 0 else None

    # Conversion, copies and tags.

    def to_sklearn(self) -> Any:
        """scikit-learn's own estimator with the same parameters and weights.

        Parameters that scikit-learn does not have are left out where they only matter in training.
        The optimiser's state is converted, too, so that `partial_fit` can go on.

        Returns
        -------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted if this one is. It shares no memory with this one.

        Raises
        ------
        ValueError
            If its predictions would differ: scikit-learn lacks an activation or a loss.
        """
        return to_sklearn(self)

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Self:
        """The same model as an estimator of scikit-learn's own class.

        Parameters
        ----------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            The one that corresponds to this class; fitted or not.

        Returns
        -------
        model : MLPClassifier or MLPRegressor
            It shares no memory with `estimator`.

        Raises
        ------
        TypeError
            If `estimator` is no such estimator.
        """
        return from_sklearn(cls, estimator)

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        *,
        dtype: DTypeLike | None = None,
        input_dtype: DTypeLike | None = None,
    ) -> None:
        """Write the fitted model as an ONNX file, which runs without Python or mlpcore.

        Its input ``X`` has shape ``(n_samples, n_features_in_)``. The outputs of a classifier are
        ``label``, as `predict` returns it, and ``probabilities``, as `predict_proba` returns them,
        and that of a regressor is ``prediction``, as `predict` returns it. Its metadata are the
        version of mlpcore (``mlpcore``), the class (``estimator``), and as JSON ``classes`` of a
        classifier and, where the columns have names, ``feature_names``.

        Parameters
        ----------
        path : str or PathLike
            The file appears under exactly this name, when it is complete.
        dtype : {numpy.float32, numpy.float64} or None, default=None
            What the file computes in. None is the dtype of the weights, as in `predict`.
        input_dtype : {numpy.float32, numpy.float64, numpy.uint8} or None, default=None
            The dtype of ``X``. None is `dtype`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ImportError
            If the package onnx is not installed: ``pip install "mlpcore[onnx]"``.
        TypeError
            If ONNX has no such class labels: objects of several kinds, or text with a zero byte.
        ValueError
            If a dtype is another one, or the network has more than 2 GiB.
        OSError
            If the file cannot be written.

        See Also
        --------
        register_onnx : Let sklearn-onnx convert pipelines with this class.
        """
        check_is_fitted(self)
        write(self, self._current(), self._onnx_model(), path, dtype, input_dtype)

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "_mlpcore_version": __version__}
        # The weights are in coefs_ and intercepts_, and the network is made from them again.
        state.pop("_network", None)
        # The load of a machine at one moment must not change a pickle's bytes.
        state.pop("n_threads_", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        warn_if_newer(state.pop("_mlpcore_version", None), f"this {type(self).__name__}")
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

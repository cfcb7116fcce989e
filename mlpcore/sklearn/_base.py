"""What both estimators share: checks, starting weights, `fit`, prediction, pickling."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpcore._signals import exit_on_sigterm
from mlpcore._validation import check_start
from mlpcore._version import __version__, warn_if_newer
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.sklearn._callbacks import CallbackBridge
from mlpcore.sklearn._convert import from_sklearn, to_sklearn
from mlpcore.sklearn._held_out import check_enough, check_pairs
from mlpcore.sklearn._lbfgs import PackedObjective, check_lbfgs, fit_lbfgs
from mlpcore.sklearn._optimizer import OptimizerState
from mlpcore.sklearn._parameters import Parameters
from mlpcore.sklearn._resume import Resume
from mlpcore.sklearn._solvers import fit_stochastic
from mlpcore.sklearn._table import Table, check_weight, readable, weighed

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Callbacks are there from scikit-learn 1.9 on."""


# What `fit` reads as it is; anything else becomes float64, as in scikit-learn.
FLOATS = (np.float64, np.float32)


def fit_context(method: Any) -> Any:
    """Check the parameters before a method fits, as scikit-learn does."""
    return _fit_context(prefer_skip_nested_validation=True)(method)


class BaseMLP(CallbackSupportMixin, Parameters):
    """A multi-layer perceptron with scikit-learn's parameters; see the two that derive from it."""

    # What fit learns.
    coefs_: list[NDArray[Any]]
    intercepts_: list[NDArray[Any]]
    n_features_in_: int
    n_outputs_: int
    n_layers_: int
    n_iter_: int
    t_: int
    out_activation_: str
    loss_: float
    loss_curve_: list[float]
    best_loss_: Any
    validation_loss_curve_: Any
    validation_scores_: Any
    best_validation_score_: Any
    _random_state: np.random.RandomState
    _optimizer: OptimizerState
    _no_improvement_count: int
    _network: Network
    _built: tuple[Any, ...]
    _background: float | None = None  # what prediction skips

    # Whether early stopping holds out rows of each class in proportion.
    _stratify = False

    # What differs between the estimators.

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """X and y checked, and what is learned from y alone set."""
        raise NotImplementedError

    def _encode(self, y: Any) -> NDArray[Any]:
        """Targets of checked y: intc (n_samples,), output units; or (n_samples, n_outputs)."""
        raise NotImplementedError

    def _units_of_target(self, target: NDArray[Any]) -> int:
        """Output units for such targets."""
        raise NotImplementedError

    def _default_out_activation(self) -> str:
        raise NotImplementedError

    def _check_out_activation(self, name: str) -> None:
        """Raise ValueError unless the loss goes with these output units."""
        raise NotImplementedError

    def _engine_loss(self) -> dict[str, Any]:
        """The network's loss in the engine's words."""
        raise NotImplementedError

    def _class_weights(
        self, target: NDArray[Any], sample_weight: NDArray[Any] | None, incremental: bool
    ) -> list[NDArray[np.float64]] | None:
        """Weights of the classes in each column of such targets; None where all weigh the same."""
        return None

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
            A file that keeps the run: written before the first epoch and then after every
            `checkpoint_every`, after the last, and when training is interrupted. Where it exists,
            training goes on from it, and ends with the bits of a fit that was never interrupted.
            With "lbfgs" it holds the last iterate, from which the method begins again: another way
            to the same minimum. The one before stays under the same name with ``.previous`` at the
            end.
        checkpoint_every : int, default=1
            Epochs, or iterations of L-BFGS, from one checkpoint to the next.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If parameters, data or the checkpoint are not what they must be, the weights of rows sum
            to 0 or less, the score of early stopping was finite in no epoch, or weights of the
            network have become infinite.
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
        sample_weight = check_weight(sample_weight, X, "sample_weight")
        target = self._encode(y)
        class_weights = self._class_weights(target, sample_weight, incremental)
        table = weighed(X, y, target, sample_weight, class_weights, "")
        held_out = self._held_out(validation, X.dtype, class_weights)
        if self.solver == "lbfgs":
            check_lbfgs(self, held_out)
        self.n_outputs_ = self._units_of_target(table.target)
        self._random_state = check_random_state(self.random_state)
        if resume is not None:
            self._random_state = resume.random_state(self._random_state, type(self).__name__)
        if first:
            self._initialize((X.shape[1], *hidden, self.n_outputs_), X.dtype)
        network = self._trainable()
        bridge = None
        if not incremental and (
            hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")
        ):
            # SciPy's L-BFGS reports one iteration more than it makes.
            bridge = CallbackBridge(self, *given, tasks=self.max_iter + 1)
        if self.solver == "lbfgs":
            fit_lbfgs(self, network, table, bridge, resume)
        else:
            fit_stochastic(
                self,
                network,
                table,
                held_out,
                bridge,
                resume,
                first=first,
                incremental=incremental,
            )
        # Not of the memory between the rows, which takes part in what overflows.
        if not all(np.isfinite(part).all() for part in network.coefs + network.intercepts):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may"
                " contain large values and need to be preprocessed."
            )
        if bridge is not None:
            bridge.close()
        return self

    def _held_out(
        self,
        validation: tuple[Any, Any, Any],
        dtype: np.dtype[Any],
        class_weights: list[NDArray[np.float64]] | None,
    ) -> Table | None:
        """The validation rows of the caller's, under the classes' weights in training."""
        if not check_pairs(validation):
            return None
        X, y, sample_weight = validation
        self._check_missing(y, "y_val")
        X, y = self._validate_rows(X, y, dtype=dtype, reset=False)
        self._check_known(y, "y_val")
        sample_weight = check_weight(sample_weight, X, "sample_weight_val")
        held_out = weighed(X, y, self._encode(y), sample_weight, class_weights, "_val")
        check_enough(held_out, self)
        return held_out

    def _validate_rows(self, X: Any, y: Any, *, dtype: Any = FLOATS, reset: bool) -> Any:
        """Rows and targets that belong together, in NumPy's or SciPy's arrays."""
        raise NotImplementedError

    def _check_missing(self, y: Any, name: str) -> None:
        """Raise ValueError for targets that are missing, where scikit-learn has no words for it."""

    def _check_known(self, y: Any, name: str) -> None:
        """Raise ValueError for targets that are none of this model's."""

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

    def _settings(self) -> tuple[Any, ...]:
        """What a network is built from besides its sizes."""
        names = self._activations(self.n_layers_ - 2)
        return names, self.out_activation_, self._engine_loss()

    def _new_network(self, units: Sequence[int], dtype: np.dtype[Any]) -> Network:
        names, output, loss = self._built = self._settings()
        return Network(units, activation=names, output=output, dtype=dtype.name, **loss)

    def _install(self, network: Network) -> None:
        """Make this the network, and its weights the attributes.

        `coefs_` and `intercepts_` are views: writing to them changes the network. Where somebody
        has put other arrays into the lists, that shows by their identity.
        """
        self._network = network
        self.coefs_ = list(network.coefs)
        self.intercepts_ = list(network.intercepts)

    def _from_arrays(self) -> Network:
        """A new network with the weights that `coefs_` and `intercepts_` hold."""
        coefs = [np.asarray(part) for part in self.coefs_]
        intercepts = [np.asarray(part) for part in self.intercepts_]
        units = [len(coefs[0]), *(part.shape[1] for part in coefs)]
        single = all(part.dtype == np.float32 for part in coefs + intercepts)
        network = self._new_network(units, np.dtype(np.float32 if single else np.float64))
        for mine, part in zip(network.coefs + network.intercepts, coefs + intercepts, strict=True):
            if part.shape != mine.shape:
                raise ValueError(
                    f"coefs_ and intercepts_ must fit together; got shapes "
                    f"{[part.shape for part in coefs]} and {[part.shape for part in intercepts]}."
                )
            mine[:] = part
        network.background = self._background
        return network

    def _is_current(self, network: Network) -> bool:
        """Whether `coefs_` and `intercepts_` are still this network's memory."""
        return all(
            len(given) == len(mine) and all(map(operator.is_, given, mine))
            for given, mine in (
                (self.coefs_, network.coefs),
                (self.intercepts_, network.intercepts),
            )
        )

    def _current(self) -> Network:
        """The network to predict with."""
        network = self.__dict__.get("_network")
        if network is None:  # unpickled, or weights of one's own on a new estimator
            self._install(self._from_arrays())
            return self._network
        if self._is_current(network):
            return network
        # The caller's arrays stay where they are, and may change again.
        return self._from_arrays()

    def _trainable(self) -> Network:
        """The network to train: with the present parameters, weights, and its own memory."""
        network = self.__dict__.get("_network")
        single = network is not None and network.single
        if (
            network is None
            or not self._is_current(network)
            or self._built != self._settings()
            or (single and self.solver == "lbfgs")
        ):
            network = self._from_arrays()
            if network.single and self.solver == "lbfgs":
                self.coefs_ = [part.astype(np.float64) for part in network.coefs]
                network = self._from_arrays()
            self._install(network)
        return network

    # Prediction.

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Outputs of the network, shape (n_samples, n_outputs)."""
        quick = self._quick(X)
        if quick is not None:
            outputs = quick.row_outputs(X)
            if outputs is not None:
                return outputs
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)
        network = self._current()
        n_threads = self._threads()
        if self._is_plain(X, network):
            try:
                return network.outputs(Input(readable(X), network.dtype), n_threads)
            except ValueError:  # not finite, which the long way says in scikit-learn's words
                pass
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        return network.outputs(Input(readable(X), network.dtype), n_threads)

    def _quick(self, X: Any) -> Network | None:
        """The network, if it may be asked about X by itself: one row, as far as this can tell."""
        network = self.__dict__.get("_network")
        if (
            network is not None
            and type(X) is np.ndarray
            and X.ndim == 2
            and len(X) == 1
            and "feature_names_in_" not in self.__dict__
            and self._is_current(network)
        ):
            return network
        return None

    def _is_plain(self, X: Any, network: Network) -> bool:
        """Whether validate_data would return X as it is, unless some of it is not finite."""
        return (
            type(X) is np.ndarray
            and X.dtype == network.dtype
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == network.n_units[0]
            and "feature_names_in_" not in self.__dict__
        )

    def _loss_grad_lbfgs(
        self, packed: NDArray[Any], X: Any, y: Any, *_: Any
    ) -> tuple[float, NDArray[Any]]:
        """Loss and gradient at some parameters: scikit-learn's private method, for its test.

        What comes behind y are that one's buffers.
        """
        table = Table(readable(X), y, y, None)
        with PackedObjective(self, self._from_arrays(), table) as objective:
            return objective(packed)

    # Conversion, copies and tags.

    def to_sklearn(self) -> Any:
        """scikit-learn's own estimator with the same parameters and weights.

        Parameters that scikit-learn does not have are left out where they only matter in training.
        The optimiser's state goes along, so that `partial_fit` can go on.

        Returns
        -------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted if this one is. It shares no memory with this one.

        Raises
        ------
        ValueError
            If it would predict otherwise: scikit-learn lacks an activation or a loss.
        """
        return to_sklearn(self)

    @classmethod
    def from_sklearn(cls, estimator: Any) -> Self:
        """The same model as an estimator of scikit-learn's own class.

        Parameters
        ----------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            That of the two that corresponds to this class; fitted or not.

        Returns
        -------
        model : MLPClassifier or MLPRegressor
            It shares no memory with `estimator`.

        Raises
        ------
        TypeError
            If `estimator` is something else.
        """
        return from_sklearn(cls, estimator)

    def __getstate__(self) -> dict[str, Any]:
        state = {**super().__getstate__(), "_mlpcore_version": __version__}
        # The weights are in coefs_ and intercepts_, and the network is made from them again.
        state.pop("_network", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        warn_if_newer(state.pop("_mlpcore_version", None), f"this {type(self).__name__}")
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

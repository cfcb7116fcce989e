"""The network of an estimator, its weights as attributes, and its outputs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.sklearn._data import readable
from mlpcore.sklearn._parameters import Parameters
from mlpcore.sklearn._streams import outputs_of_stream
from mlpcore.streams.source import as_array, is_large

# `fit` reads these dtypes without conversion; others become float64, as in scikit-learn.
FLOATS = (np.float64, np.float32)


def check_weights_are_finite(network: Network) -> None:
    """Raise ValueError, in scikit-learn's words, for weights or biases that are not finite."""
    if np.isfinite(network.parameters).all():
        return
    # The padding between the rows does not count, which takes part in what overflows.
    if not all(np.isfinite(part).all() for part in network.coefs + network.intercepts):
        raise ValueError(
            "Solver produced non-finite parameter weights. The input data may contain large "
            "values and need to be preprocessed."
        )


class NetworkOwner(Parameters):
    """An estimator that keeps its network, and shows its memory as `coefs_` and `intercepts_`."""

    coefs_: list[NDArray[Any]]
    intercepts_: list[NDArray[Any]]
    n_layers_: int
    out_activation_: str
    _network: Network
    _built: tuple[Any, ...]
    _background: float | None = None  # prediction skips entries of this value

    def _engine_loss(self) -> dict[str, Any]:
        """The network's loss as arguments of `Network`."""
        raise NotImplementedError

    def _settings(self) -> tuple[Any, ...]:
        """The parameters of a network besides its sizes."""
        names = self._activations(self.n_layers_ - 2)
        return names, self.out_activation_, self._engine_loss()

    def _new_network(self, units: Sequence[int], dtype: np.dtype[Any]) -> Network:
        names, output, loss = self._built = self._settings()
        return Network(units, activation=names, output=output, dtype=dtype.name, **loss)

    def _install(self, network: Network) -> None:
        """Make this the network, and its weights the attributes.

        `coefs_` and `intercepts_` are views: a write to them changes the network. If the user puts
        other arrays into the lists, `_is_current` sees that they are not the same objects.
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
        return network.holds(list(self.coefs_), list(self.intercepts_))

    def _current(self) -> Network:
        """The network to predict with."""
        network = self.__dict__.get("_network")
        if network is None:  # unpickled, or the caller's weights on a new estimator
            self._install(self._from_arrays())
            return self._network
        if self._is_current(network):
            return network
        # The caller's arrays stay in the lists, and may change again.
        return self._from_arrays()

    def _trainable(self) -> Network:
        """The network to train, with the current parameters and weights in its own memory."""
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

    def without_optimizer(self) -> Self:
        """A copy to predict with, whose pickle holds the weights and not the optimiser's state.

        That state, which `partial_fit` and warm starts go on with, is two times the weights for
        Adam, and crosses the wire with a model that is sent to the workers of a cluster. A
        `partial_fit` of the copy begins with a new optimiser.

        Returns
        -------
        model : MLPClassifier or MLPRegressor
            It shares no memory with this one.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        other = copy.copy(self)  # by __getstate__, which leaves out the network
        other.__dict__.pop("_optimizer", None)
        return copy.deepcopy(other)

    # Prediction.

    def _outputs(self, X: Any) -> NDArray[Any]:
        """Outputs of the network, shape (n_samples, n_outputs)."""
        network = self._fast_path(X)
        if network is not None:
            outputs = network.row_outputs(X)
            if outputs is not None:
                return outputs
        if "coefs_" not in self.__dict__:
            check_is_fitted(self)
        network = self._current()
        n_threads = self._threads()
        if is_large(X, self.buffer_bytes):
            return outputs_of_stream(self, network, X)
        X = as_array(X)
        if self._is_plain(X, network):
            try:
                return network.outputs(Input(readable(X), network.dtype), n_threads)
            except ValueError:  # not finite: the slow path raises scikit-learn's error
                pass
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        return network.outputs(Input(readable(X), network.dtype), n_threads)

    def _fast_path(self, X: Any) -> Network | None:
        """The network, if it can predict X without the checks of validate_data: one row."""
        network = self.__dict__.get("_network")
        if (
            network is not None
            and type(X) is np.ndarray
            and X.shape[0:1] == (1,)
            and "feature_names_in_" not in self.__dict__
            and self._is_current(network)
        ):
            return network
        return None

    def _is_plain(self, X: Any, network: Network) -> bool:
        """Whether validate_data would return X unchanged, or refuse it as not finite."""
        return (
            type(X) is np.ndarray
            and X.dtype == network.dtype
            and X.ndim == 2
            and len(X) > 0
            and X.shape[1] == network.n_units[0]
            and "feature_names_in_" not in self.__dict__
        )

"""What a fit leaves behind: the network's weights by name, and their way through pickles."""

from __future__ import annotations

from typing import Any, cast

from numpy.typing import NDArray

from mlpcore._validation import NotFittedError
from mlpcore.engine.network import Network


class Fitted:
    """A model that keeps its network under ``_network`` once it is fitted."""

    _network: Network
    _activation: tuple[str, ...]  # of each hidden layer

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

    def _fitted(self) -> Network:
        try:
            return cast("Network", self.__dict__["_network"])
        except KeyError:
            raise NotFittedError(
                f"this {type(self).__name__} is not fitted yet; call fit first."
            ) from None

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
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
        layers = state.pop("_layers", None)
        self.__dict__.update(state)
        if layers is not None:
            coefs, intercepts, background = layers
            units = [len(coefs[0]), *(len(biases) for biases in intercepts)]
            # Pickles of the first version have no activations.
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

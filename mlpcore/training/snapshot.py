"""A run between two epochs; and the forms in which a checkpoint stores arrays and random states."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpcore._files import PIECE
from mlpcore._validation import check_float, check_int
from mlpcore.engine.network import Network
from mlpcore.training.stopping import Best

_PLAIN_LABELS = (str, bytes, int, float, np.generic, type(None))


class Snapshot(NamedTuple):
    """A run after a finished epoch: all that the next epoch depends on."""

    epoch: int
    rows_seen: int
    parameters: NDArray[Any]
    raw: NDArray[Any]  # the weights that training goes on from, where `parameters` are an average
    state: NDArray[Any]  # the optimiser's; empty where no later epoch can need it
    steps: int
    schedule: tuple[float, int]  # rate and epochs
    random: tuple[dict[str, Any], NDArray[np.uint32]] | None  # None where there is no checkpoint
    order: NDArray[np.intp]  # of the last epoch, which a cumulative shuffle starts from
    lengths: list[int]  # of the history's lists
    best: Best


def pack(network: Network, flat: NDArray[Any]) -> NDArray[Any]:
    """Remove the padding from vectors that have the layout of a network's parameters.

    Parameters
    ----------
    network : Network
    flat : ndarray, shape (n_vectors * network.size,)
        The parameters, or an optimiser's state.

    Returns
    -------
    packed : ndarray, shape (n_vectors, n)
        All weights and then all biases of each vector.
    """
    vectors = flat.reshape(-1, network.size)
    n = sum(view.size for views in network.views(network.parameters) for view in views)
    packed = np.empty((len(vectors), n), flat.dtype)
    for vector, row in zip(vectors, packed, strict=True):
        np.concatenate([view.ravel() for views in network.views(vector) for view in views], out=row)
    return packed


def unpack(network: Network, packed: NDArray[Any], flat: NDArray[Any]) -> None:
    """The inverse of `pack`.

    Parameters
    ----------
    network : Network
    packed : ndarray, shape (n_vectors, n)
    flat : ndarray, shape (n_vectors * network.size,)
        Written to, except for its padding.
    """
    for row, vector in zip(packed, flat.reshape(-1, network.size), strict=True):
        place = 0
        for views in network.views(vector):
            for view in views:
                view[:] = row[place : place + view.size].reshape(view.shape)
                place += view.size


def pack_random(rng: np.random.RandomState) -> tuple[dict[str, Any], NDArray[np.uint32]]:
    """The state of a generator as a dict for JSON and an array.

    Parameters
    ----------
    rng : RandomState

    Returns
    -------
    about : dict
    key : ndarray of uint32, shape (624,)
    """
    state: Any = rng.get_state(legacy=False)
    key = state["state"].pop("key")
    return state, key


def unpack_random(rng: np.random.RandomState, about: Any, key: NDArray[np.uint32]) -> None:
    """Set the state of a generator.

    Parameters
    ----------
    rng : RandomState
    about : dict
        As returned by `pack_random`.
    key : ndarray of uint32, shape (624,)

    Raises
    ------
    ValueError, TypeError, KeyError
        If this is no valid state. (NumPy itself reads out of bounds for some.)
    """
    place = check_int(about["state"]["pos"], "the random state's place", low=0)
    if place > len(key) or about["bit_generator"] != "MT19937":
        raise ValueError(f"the random state stands at {place} of {len(key)}")
    gauss = check_float(about["gauss"], "the random state's number", low=-math.inf)
    rng.set_state(("MT19937", key, place, check_int(about["has_gauss"], "has_gauss", low=0), gauss))


def fingerprint(data: Any) -> str | None:
    """Dtype, shape and hash of an array, by which data are compared.

    Parameters
    ----------
    data : ndarray, scipy.sparse CSR matrix, or None

    Returns
    -------
    text : str or None
        Without spaces in the hash; None for None.
    """
    if data is None:
        return None
    import hashlib

    digest = hashlib.sha256()
    if hasattr(data, "indptr"):
        parts = [np.asarray(data.indptr, np.int64), np.asarray(data.indices, np.int64), data.data]
    elif data.dtype == object:
        # The text of other objects may differ from process to process, so that only their type
        # counts.
        names = [repr(x) if isinstance(x, _PLAIN_LABELS) else type(x).__name__ for x in data]
        parts = [np.frombuffer("\n".join(names).encode("utf-8", "surrogatepass"), np.uint8)]
    else:
        parts = [data]
    for part in parts:
        rows = max(1, 4 * PIECE // max(1, part[:1].nbytes))
        for start in range(0, len(part), rows):
            block = np.ascontiguousarray(part[start : start + rows])
            digest.update(memoryview(block.reshape(-1).view(np.uint8)))
    return f"{data.dtype.name} {'x'.join(map(str, data.shape))} {digest.hexdigest()[:32]}"


def fingerprint_classes(classes: NDArray[Any]) -> str:
    """The fingerprint of class labels, the same for equal labels in any dtype.

    Parameters
    ----------
    classes : ndarray, shape (n_classes,)

    Returns
    -------
    text : str
        Whole numbers have the fingerprint of int64, and text that of objects, whatever their dtype.
    """
    plain = classes.tolist()
    if all(isinstance(label, (int, float)) and label % 1 == 0 for label in plain):
        whole = np.array([int(label) for label in plain], object)
        fits = all(abs(label) < 2**63 for label in whole)
        return str(fingerprint(whole.astype(np.int64) if fits else whole))
    if all(isinstance(label, str) for label in plain):
        return str(fingerprint(np.array(plain, object)))
    return str(fingerprint(classes))

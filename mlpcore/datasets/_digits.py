"""The small data set inside the package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpcore.datasets._idx import read_idx
from mlpcore.datasets._mnist import to_matrix

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_DATA = os.path.join(os.path.dirname(__file__), "data")


def load_digits(
    *, dtype: DTypeLike = np.float32, scale: bool = True
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Load 1,797 handwritten digits of 8 x 8 pixels, which come with the package.

    They are the test set of the "Optical Recognition of Handwritten Digits" data [1]_ of
    the UCI Machine Learning Repository, by E. Alpaydin and C. Kaynak, under the licence
    Creative Commons Attribution 4.0 (CC BY 4.0). Each pixel counts the ink in a 4 x 4 block
    of a 32 x 32 bitmap.

    Parameters
    ----------
    dtype : floating-point dtype, default numpy.float32
        The dtype of the scaled pixels. Not used when `scale` is False.
    scale : bool, default True
        True for (pixel / 16 - 0.5) * 2, computed in float64 and rounded once to `dtype`;
        False for the counts themselves, 0 to 16.

    Returns
    -------
    X : ndarray of dtype, shape (1797, 64)
        One image per row, in [-1, 1]; uint8 when `scale` is False.
    y : ndarray of int64, shape (1797,)
        The digits, 0 to 9, 174 to 183 of each.

    Raises
    ------
    ValueError
        If `dtype` is not a floating-point dtype although `scale` is True.

    See Also
    --------
    load_mnist : The large data set.

    References
    ----------
    .. [1] E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
       Learning Repository, 1998, https://doi.org/10.24432/C50P49

    Examples
    --------
    >>> from mlpcore import load_digits
    >>> X, y = load_digits()
    >>> X.shape, X.dtype, y[:10]
    ((1797, 64), dtype('float32'), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    """
    images = read_idx(os.path.join(_DATA, "digits-images-idx3-ubyte.gz"))
    labels = read_idx(os.path.join(_DATA, "digits-labels-idx1-ubyte.gz"))
    return to_matrix(images, 16, dtype, scale), labels.astype(np.int64)

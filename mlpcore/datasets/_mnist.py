"""Image data sets in the four files of MNIST, and the scaling of their pixels."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpcore.datasets._idx import IMAGES, LABELS, read_expected
from mlpcore.datasets._source import IDXError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from mlpcore._paths import StrPath

_PREFIXES = {"train": "train", "t10k": "t10k", "test": "t10k"}


def load_mnist(
    path: StrPath, kind: str = "train", *, dtype: DTypeLike = np.float32, scale: bool = True
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Load the training or the test images of MNIST with their labels.

    Data sets in the same files load as well: Fashion-MNIST, KMNIST, and those of EMNIST
    under MNIST's file names.

    Parameters
    ----------
    path : str or PathLike
        The folder with the files. Each is looked for as ``train-images-idx3-ubyte.gz``, as
        ``train-images-idx3-ubyte``, and as both with ``.idx3`` in place of ``-idx3``; the
        first one found is taken. Whether it is compressed is seen from its bytes, not from
        its name.
    kind : {"train", "t10k", "test"}, default "train"
        The 60,000 training images, or the 10,000 test images under either name.
    dtype : floating-point dtype, default numpy.float32
        Of the scaled pixels. Not used when `scale` is False.
    scale : bool, default True
        True for (pixel / 255 - 0.5) * 2, computed in float64 and rounded once to `dtype`;
        False for the bytes themselves, 0 to 255.

    Returns
    -------
    X : ndarray of dtype, shape (n_samples, n_rows * n_columns)
        One image per row, in [-1, 1]; uint8 when `scale` is False.
    y : ndarray of int64, shape (n_samples,)
        The labels, for MNIST the digits 0 to 9.

    Raises
    ------
    FileNotFoundError
        If the folder or one of the two files is not there. The message tells what was
        looked for and what was found.
    IDXError
        If a file is damaged, or the two do not fit together. IDXError is a ValueError.
    ValueError
        If `kind` or `dtype` is none of the above.

    See Also
    --------
    fetch_mnist : Download the files.
    load_digits : A small set of digits that needs no files.
    read_idx : Read any IDX file.

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to
       document recognition", Proceedings of the IEEE 86 (1998), 2278-2324.
    .. [2] S. Raschka, V. Mirjalili, *Python Machine Learning*, 2nd ed., chapter 12, for the
       scaling.
    """
    if kind not in _PREFIXES:
        raise ValueError(f'kind must be "train", "t10k" or "test"; got {kind!r}.')
    prefix, folder = _PREFIXES[kind], os.fsdecode(path)
    images_path = _require(folder, f"{prefix}-images-idx3-ubyte")
    labels_path = _require(folder, f"{prefix}-labels-idx1-ubyte")
    labels = read_expected(labels_path, LABELS)
    images = read_expected(images_path, IMAGES)
    if len(images) != len(labels):
        raise IDXError(
            f"{images_path}: expected one image per label; got {len(images)} images, and "
            f"{len(labels)} labels in {labels_path}. Are the files from two data sets?"
        )
    return to_matrix(images, 255, dtype, scale), labels.astype(np.int64)


def find(folder: str, name: str) -> str | None:
    """Return the path of one of the four files under the first spelling that is there.

    Parameters
    ----------
    folder : str
    name : str
        The plain name, such as ``train-images-idx3-ubyte``.

    Returns
    -------
    path : str or None
    """
    paths = (os.path.join(folder, spelling) for spelling in _spellings(name))
    return next(filter(os.path.isfile, paths), None)


def to_matrix(
    images: NDArray[np.uint8], largest: int, dtype: DTypeLike, scale: bool
) -> NDArray[Any]:
    """Flatten images into rows and scale their pixels to [-1, 1].

    Parameters
    ----------
    images : ndarray of uint8, shape (n_samples, n_rows, n_columns), C-contiguous
    largest : int
        The pixel that becomes 1.
    dtype : floating-point dtype
    scale : bool
        False to leave the pixels as they are.

    Returns
    -------
    X : ndarray of dtype, or of uint8 if not `scale`, shape (n_samples, n_rows * n_columns)

    Raises
    ------
    ValueError
        If `dtype` is not a floating-point dtype although the pixels are to be scaled.
    """
    n_samples, n_rows, n_columns = images.shape
    matrix = images.reshape(n_samples, n_rows * n_columns)
    if not scale:
        return matrix
    if np.dtype(dtype).kind != "f":
        raise ValueError(
            f"dtype must be a floating-point dtype for scaled pixels; got {np.dtype(dtype)}. Pass "
            "scale=False for the bytes."
        )
    table = ((np.arange(256) / float(largest) - 0.5) * 2).astype(dtype)
    X = np.empty(matrix.shape, dtype)
    pixels, scaled = matrix.reshape(-1), X.reshape(-1)
    # In pieces, because take turns the indices into 64-bit integers. mode="clip" changes no
    # index here; it spares take a copy of the output.
    for start in range(0, pixels.size, 1 << 16):
        piece = slice(start, start + (1 << 16))
        np.take(table, pixels[piece], out=scaled[piece], mode="clip")
    return X


def _spellings(name: str) -> tuple[str, ...]:
    """Return the four names of one file, the one that `fetch_mnist` writes first."""
    dotted = name.replace("-idx", ".idx")
    return f"{name}.gz", name, f"{dotted}.gz", dotted


def _require(folder: str, name: str) -> str:
    """Return the path of one of the four files; raise FileNotFoundError if it is not there."""
    path = find(folder, name)
    if path is not None:
        return path
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT,
            "expected the folder with the MNIST files, which mlpcore.fetch_mnist downloads",
            folder,
        )
    present = sorted(os.listdir(folder))
    shown = ", ".join(present[:8]) or "nothing"
    more = f" and {len(present) - 8} more" if len(present) > 8 else ""
    raise FileNotFoundError(
        errno.ENOENT,
        f"expected one of {', '.join(_spellings(name))}; the folder holds {shown}{more}. "
        f"mlpcore.fetch_mnist({folder!r}) downloads the files",
        folder,
    )

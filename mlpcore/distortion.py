"""Random distortions of images, for training and for use by itself."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore._threads import available_threads
from mlpcore._validation import check_float, check_int, check_rows
from mlpcore.engine.distortion import DistortedRows
from mlpcore.engine.inputs import Input
from mlpcore.engine.packing import most_frequent

# Bounds that the parameters must stay below; for pixels far beyond any use, so that float32 holds
# all places.
_BELOW = {
    "rotation": 360.0,
    "scale": 1.0,
    "shear": 90.0,
    "translation": 1e4,
    "elastic": 1e4,
    "smoothness": 1e4,
    "thickness": 100.0,
}
# A Gaussian of less than half a pixel would smooth nothing.
_LOWEST_SMOOTHNESS = 0.5


@dataclass(frozen=True, kw_only=True, repr=False)
class Distortion:
    """Random distortions of images: affine maps, elastic displacements, thickness of lines.

    The elastic displacements are those of Simard et al. [1]_. Each row gets another distortion in
    each epoch, which follows from the seed, the epoch and the row's number alone. Give it to
    `NeuralNetMLP` or to `mlpcore.sklearn.MLPClassifier` as `augment`, or call `transform`.
    Everything is off by default.

    Parameters
    ----------
    rotation : float, default=0.0
        Degrees to either side by which an image is turned at most, about its middle; below 360.
    scale : float, default=0.0
        Fraction by which the width is stretched or shrunk at most, and independently the height;
        below 1.
    shear : float, default=0.0
        Degrees to either side by which upright lines are slanted at most; below 90.
    translation : float, default=0.0
        Pixels by which an image is moved at most, along the width and along the height.
    elastic : float, default=0.0
        Standard deviation of the elastic displacements, in pixels, along the width and along the
        height. Each pixel has its own; `smoothness` says how alike they are.
    smoothness : float, default=4.0
        Standard deviation of the Gaussian that smooths the displacements, in pixels, from 0.5 on.
        Large ones turn and bend whole parts of an image, small ones ripple its lines.
    thickness : float, default=0.0
        Pixels by which lines become thicker or thinner at most. Lines that are thinner than this
        may vanish.
    background : float or None, default=None
        What is around the lines, and comes into the image from beyond its edges: a number as in the
        data. None is the most frequent one.

    Notes
    -----
    Rotation, scale, shear, translation and thickness are drawn uniformly from minus to plus their
    limits. The thickness changes first: pixels move towards the largest of their 3 x 3 neighbours,
    or the smallest one for thinner lines, by a part of the way for parts of a pixel. Then each
    pixel of the result is the bilinear interpolation of the image at the place that it comes from.

    Displacements are sums of numbers drawn uniformly at nodes `smoothness` pixels apart, with
    Gaussian weights. Their covariance at a distance of d pixels is that of smoothed white noise,
    ``elastic**2 * exp(-d**2 / (4 * smoothness**2))``. An alpha of 34 with a sigma of 4, as in [1]_,
    is ``elastic=1.4``.

    Where an image has nothing but background around the place that a pixel comes from, the result
    is exactly the background.

    References
    ----------
    .. [1] Simard, Steinkraus & Platt, "Best practices for convolutional neural networks applied to
       visual document analysis", ICDAR 2003.
    .. [2] Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, for the generator.

    Examples
    --------
    >>> from mlpcore import Distortion, load_digits
    >>> X, y = load_digits()
    >>> distortion = Distortion(rotation=10, scale=0.1, translation=0.5, elastic=0.4, smoothness=2)
    >>> distortion.transform(X, seed=1).shape == X.shape
    True
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    translation: float = 0.0
    elastic: float = 0.0
    smoothness: float = 4.0
    thickness: float = 0.0
    background: float | None = None

    def __post_init__(self) -> None:
        for name, below in _BELOW.items():
            low = _LOWEST_SMOOTHNESS if name == "smoothness" else 0.0
            number = check_float(getattr(self, name), name, low=low)
            if number >= below:
                raise ValueError(
                    f"{name} must be a number from {low:g} to below {below:g}; got {number:g}."
                )
            object.__setattr__(self, name, number)
        if self.background is not None:
            background = check_float(self.background, "background", low=-math.inf)
            object.__setattr__(self, "background", background)

    def __repr__(self) -> str:
        given = ", ".join(
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        )
        return f"Distortion({given})"

    def transform(
        self,
        X: ArrayLike,
        *,
        seed: int,
        epoch: int = 0,
        image_shape: tuple[int, int] | None = None,
        n_threads: int | None = None,
    ) -> NDArray[Any]:
        """Distort images, each in its own way.

        Parameters
        ----------
        X : array_like, shape (n_images, height * width) or (n_images, height, width)
            Finite numbers.
        seed : int
            From 0 to 2**64 - 1. The same seed, epoch and row give the same distortion.
        epoch : int, default=0
            From 0 to 2**32 - 1.
        image_shape : (int, int) or None, default=None
            Height and width of an image. None is that of X, or a square.
        n_threads : int or None, default=None
            Threads at most; None is all that are available. Changes no bit.

        Returns
        -------
        images : ndarray, in the shape of X
            uint8, float32 or float64 as X; bytes are rounded. Other dtypes become float32, or
            float64 where that cannot hold them.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described.
        """
        seed = check_int(seed, "seed", low=0, high=2**64 - 1)
        epoch = check_int(epoch, "epoch", low=0, high=2**32 - 1)
        if n_threads is not None:
            n_threads = check_int(n_threads, "n_threads", low=1)
        given = np.shape(X)
        if len(given) == 3:
            if image_shape is not None and tuple(image_shape) != given[1:]:
                raise ValueError(f"image_shape is {image_shape}, and X has images of {given[1:]}.")
            image_shape = given[1:]
            X = np.reshape(X, (given[0], -1))
        rows = check_rows(X, "X")
        if hasattr(rows, "indptr"):
            raise TypeError("X must be an array; got a sparse matrix. Give X.toarray().")
        source = Input(rows, np.float64 if rows.dtype == np.float64 else np.float32)
        background = self.background
        if background is None:
            background = float(most_frequent(rows)[0])
        elif rows.dtype == np.uint8 and not 0 <= background <= 255:
            raise ValueError(f"background must be from 0 to 255 for bytes; got {background:g}.")
        images = self._rows(source, check_image_shape(image_shape, rows.shape[1]), background)
        out = np.empty(rows.shape, rows.dtype)
        threads = available_threads() if n_threads is None else n_threads
        images.distort(out, seed=seed, epoch=epoch, n_threads=threads)
        return out.reshape(given)

    def _rows(self, rows: Input, shape: tuple[int, int], background: float) -> DistortedRows:
        """The engine's rows, to be distorted as they are read; `background` as it reads them."""
        return DistortedRows(rows, shape, **{**asdict(self), "background": background})


def check_pair(value: Any) -> tuple[int, int]:
    """Height and width of images, whole numbers from 1."""
    try:
        height, width = (check_int(side, "image_shape", low=1) for side in value)
    except (TypeError, ValueError):
        raise ValueError(
            f"image_shape must be (height, width), whole numbers from 1; got {value!r}."
        ) from None
    return height, width


def check_image_shape(value: Any, n_features: int) -> tuple[int, int]:
    """Height and width of images with so many pixels; None is a square."""
    if value is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"image_shape must be given for images of {n_features} features, which is no "
                "square number: image_shape=(height, width)."
            )
        return side, side
    height, width = check_pair(value)
    if height * width != n_features:
        raise ValueError(
            f"image_shape must be (height, width) with height * width = {n_features}, the number "
            f"of features; got {value!r}."
        )
    return height, width


def rows_to_distort(
    distortion: Distortion,
    rows: NDArray[Any],
    dtype: np.dtype[Any],
    image_shape: Any,
    scale: tuple[float, float] = (1.0, 0.0),
) -> DistortedRows:
    """The training rows of a network, to be distorted as they are read.

    Parameters
    ----------
    distortion : Distortion
    rows : ndarray, shape (n_samples, n_features)
        Floats that are scaled already, or integers.
    dtype : dtype
        The network's.
    image_shape : (int, int) or None
    scale : (float, float)
        Scale and offset by which the data are read.

    Returns
    -------
    rows : DistortedRows

    Raises
    ------
    TypeError, ValueError
        If the rows are not images of that shape.
    """
    if hasattr(rows, "indptr"):
        raise TypeError("augment is for arrays; got a sparse matrix. Give X.toarray().")
    shape = check_image_shape(image_shape, rows.shape[1])
    factor, offset = scale
    number = distortion.background
    floats = rows.dtype.kind == "f"
    if number is None:
        number = float(most_frequent(rows)[0])
        background = number if floats else number * factor + offset
    elif floats:  # in the arithmetic that scaled the rows, so that it equals their numbers
        kind = rows.dtype.type
        background = float(kind(number) * kind(factor) + kind(offset))
    else:
        background = number * factor + offset
    source = Input(rows, dtype, scale=factor, offset=offset)
    return distortion._rows(source, shape, background)

"""Distortions of one image in NumPy and SciPy, from the same random words as the engine's."""

import numpy as np
from scipy.ndimage import grey_dilation, grey_erosion, map_coordinates

from oracle.words import philox

LAYER = 0x8000  # in place of a layer's number


def uniform(first, n, row, epoch, seed):
    """4 n numbers from -1 to 1, from n counters: first the words number 0 of all, and so on."""
    layer = LAYER ^ (row >> 32 << 16) & 0xFFFFFFFF
    words = [philox(first + i, row & 0xFFFFFFFF, epoch, layer, seed) for i in range(n)]
    return np.array(words).T.ravel().astype(np.int32) / 2**31


def gaussian(n, smoothness):
    """Weights of nodes that are `smoothness` apart, for each of n pixels: shape (n, nodes)."""
    nodes = np.arange(-4, int(np.ceil((n - 1) / smoothness)) + 5)
    distance = nodes - np.arange(n)[:, None] / smoothness
    first = np.ceil(np.arange(n) / smoothness)[:, None] - 4
    weights = np.exp(-(distance**2) / 2)
    weights[(nodes < first) | (nodes > first + 8)] = 0
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)


def fields(shape, row, epoch, seed, *, elastic, smoothness):
    """Displacements along the width and along the height."""
    down, across = (gaussian(n, smoothness) for n in shape)
    n_nodes = down.shape[1] * across.shape[1]
    n = -(-n_nodes // 2)
    n = -(-n // 16) * 16
    numbers = uniform(2, n, row, epoch, seed)
    for part in (numbers[: 2 * n], numbers[2 * n :]):
        noise = part[:n_nodes].reshape(down.shape[1], across.shape[1])
        yield elastic * 3**0.5 * (down @ noise @ across.T)


def thicken(image, pixels):
    """Lines of an image on a background of 0, thicker by so many pixels."""
    operation = grey_dilation if (pixels > 0) == (image.sum() > 0) else grey_erosion
    rest = abs(pixels) / 2
    while rest > 0:
        end = operation(image, (3, 3), mode="constant", cval=0)
        image = image + min(rest, 1) * (end - image)
        rest -= 1
    return image


def distort(image, row, epoch, seed, *, background=0.0, rotation=0.0, scale=0.0, shear=0.0,
            translation=0.0, elastic=0.0, smoothness=4.0, thickness=0.0):  # fmt: skip
    """The image as training on this row sees it in an epoch, float64."""
    u = uniform(0, 2, row, epoch, seed).reshape(4, 2).T.ravel()
    image = np.asarray(image, np.float64) - background
    if thickness:
        image = thicken(image, thickness * u[6])
    angle, slant = np.radians(rotation) * u[0], np.tan(np.radians(shear) * u[3])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = turn @ [[1, slant], [0, 1]] @ np.diag([1 + scale * u[1], 1 + scale * u[2]])
    height, width = image.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2])[:, None]
    y, x = np.indices(image.shape)
    moved = np.array([x.ravel(), y.ravel()]) - middle - translation * np.array([[u[4]], [u[5]]])
    place = np.linalg.solve(forward, moved) + middle
    if elastic:
        place += [
            part.ravel()
            for part in fields(
                image.shape, row, epoch, seed, elastic=elastic, smoothness=smoothness
            )
        ]
    place = place.reshape(2, height, width)
    # SciPy's "constant" does not interpolate between the outermost pixels and the constant.
    return background + map_coordinates(image, place[::-1], order=1, mode="grid-constant", cval=0)

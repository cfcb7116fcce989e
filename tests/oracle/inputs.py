"""Kinds of numbers in dense rows: what a number x stands for, in float64.

To add one: an entry in INPUT_KINDS.
"""

import numpy as np


def as_it_is(x, scale, offset):
    return x.astype(np.float64)


def scaled(x, scale, offset):
    """Integers are scaled while they are read."""
    return x.astype(np.float64) * scale + offset


INPUT_KINDS = {"float32": as_it_is, "float64": as_it_is, "uint8": scaled}


def rows(kind, shape, rng, background=0.0):
    """Random rows of a kind, a fraction of them the same number: of integers any that there are,
    with the lowest and the highest among them."""
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        x, most = rng.normal(size=shape).astype(dtype), dtype.type(-0.75)
    else:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        x, most = rng.integers(low, high, shape, dtype, endpoint=True), dtype.type(high // 3)
        x.flat[:2] = low, high
    x[rng.random(shape) < background] = most
    return x

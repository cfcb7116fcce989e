"""load_digits: the data set inside the package against what is published about it."""

from importlib import resources

import numpy as np
import pytest

from mlpcore.datasets import load_digits

# The first line of optdigits.tes, as UCI distributes it.
FIRST = (
    "0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,"
    "0,5,8,0,0,9,8,0,0,4,11,0,1,12,7,0,0,2,14,5,10,12,0,0,0,0,6,13,10,0,0,0,0"
)


def test_first_digit_is_that_of_the_source():
    X, y = load_digits(scale=False)
    assert [*X[0], y[0]] == [int(field) for field in FIRST.split(",")]


def test_shape_range_and_classes():
    X, y = load_digits(scale=False)
    assert X.shape == (1797, 64)
    assert X.dtype == np.uint8
    assert (X.min(), X.max()) == (0, 16)
    assert y.shape == (1797,)
    assert y.dtype == np.int64
    # The class distribution of the test set, from optdigits.names.
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_every_pixel_is_scikit_learns():
    bunch = pytest.importorskip("sklearn.datasets").load_digits()
    X, y = load_digits(scale=False)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaling(dtype):
    X, _ = load_digits(dtype=dtype)
    assert X.dtype == dtype
    # Sixteenths are exact in both dtypes.
    np.testing.assert_array_equal(X, (load_digits(scale=False)[0] / 16 - 0.5) * 2)
    assert (X.min(), X.max()) == (-1, 1)


def test_float32_is_the_default():
    assert load_digits()[0].dtype == np.float32


def test_scaled_pixels_need_a_floating_point_dtype():
    with pytest.raises(ValueError, match="floating-point dtype"):
        load_digits(dtype=np.uint8)


def test_two_calls_share_nothing():
    X, y = load_digits(scale=False)
    X[:], y[:] = 0, 0
    assert load_digits(scale=False)[0].any()


def test_attribution_comes_with_the_data():
    text = resources.files("mlpcore.datasets").joinpath("data", "ATTRIBUTION.md").read_text()
    for words in ("10.24432/C50P49", "CC BY 4.0", "Alpaydin", "Kaynak"):
        assert words in text
        assert words in load_digits.__doc__

"""Activations and their slopes, against the formulas in extended precision."""

import numpy as np
import pytest
from oracle import UNITS

from mlpcore.engine.activations import ACTIVATIONS, activation, slope

DTYPES = ["float32", "float64"]


def test_every_activation_has_a_formula():
    assert set(ACTIVATIONS) == set(UNITS)


def tolerance(dtype):
    """A few roundings, and what lies below the smallest normal number."""
    return {"rtol": 6 * np.finfo(dtype).eps, "atol": np.finfo(dtype).tiny}


def dtype_of(name):
    return np.dtype(name).type


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_activation_equals_its_formula(name, dtype):
    # Dense around zero, where tanh needs care, and out to where the logistic function is clipped.
    small = np.geomspace(1e-30, 1, 500)
    z = np.concatenate([-small, [0], small, np.linspace(-300, 300, 5001)]).astype(dtype)
    expected = UNITS[name][0](z.astype(np.longdouble))
    a = activation(name, z)
    assert a.dtype == dtype
    np.testing.assert_allclose(a, expected.astype(np.float64), **tolerance(dtype))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_length_has_all_its_elements_computed(name, dtype):
    for n in range(70):
        z = np.linspace(-2, 3, n, dtype=dtype)
        expected = UNITS[name][0](z.astype(np.longdouble)).astype(np.float64)
        np.testing.assert_allclose(activation(name, z), expected, **tolerance(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("identity", -np.inf, np.inf),
        ("logistic", 0, 1),
        ("tanh", -1, 1),
        ("relu", 0, np.inf),
        ("leaky_relu", -np.inf, np.inf),
        ("elu", -1, np.inf),
        ("gelu", 0, np.inf),
        ("silu", 0, np.inf),
        ("softplus", 0, np.inf),
    ],
)
def test_limits(name, low, high, dtype):
    huge = np.finfo(dtype).max
    a = activation(name, np.array([-np.inf, -huge, -1e4, 1e4, huge, np.inf], dtype))
    # The clipped logistic function ends at 1 / (1 + exp(250)) = 3e-109.
    np.testing.assert_allclose(a[[0, -1]], [low, high], atol=1e-38)
    if np.isinf(high):
        assert np.array_equal(a[3:5], np.array([1e4, huge], dtype))
    else:
        assert np.array_equal(a[3:], [high] * 3)
    if np.isinf(low):
        factor = dtype_of(dtype)(0.01 if name == "leaky_relu" else 1)
        assert np.array_equal(a[1:3], np.array([-huge, -1e4], dtype) * factor)
    else:
        np.testing.assert_allclose(a[:3], [low] * 3, atol=1e-38)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_goes_through_alone(name, dtype):
    z = np.linspace(-1, 1, 41, dtype=dtype)
    z[17] = np.nan
    assert np.flatnonzero(np.isnan(activation(name, z))).tolist() == [17]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_subnormal_numbers(name, dtype):
    z = np.array([1, 5, 1000], dtype) * np.finfo(dtype).smallest_subnormal
    z = np.concatenate([z, -z])
    # To first order: value(0) + slope(0) z.
    expected = {
        "logistic": np.full(6, 0.5, dtype),
        "relu": np.maximum(z, 0),
        "leaky_relu": np.where(z > 0, z, z * dtype_of(dtype)(0.01)),
        "gelu": z / 2,
        "silu": z / 2,
        "softplus": np.full(6, np.log(dtype_of(dtype)(2)), dtype),
    }.get(name, z)
    a = activation(name, z)
    # Halves of odd multiples of the smallest number lie between two.
    assert np.all(abs(a - expected) <= np.finfo(dtype).smallest_subnormal)
    if name not in ("gelu", "silu"):
        assert np.array_equal(a, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_units_are_clipped_at_250_like_the_textbooks(dtype):
    a = activation("logistic", np.array([-1e4, -251, -250, 250, 251, 1e4], dtype))
    assert a[0] == a[1] == a[2] > 0
    assert a[3] == a[4] == a[5] == 1
    if dtype == "float64":
        np.testing.assert_allclose(a[0], np.exp(-250.0), rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_slope_equals_the_central_difference(name, dtype):
    # An even number of points, so that none lies on relu's kink.
    z = np.linspace(-6, 6, 1000).astype(dtype)
    x = z.astype(np.longdouble)
    h, value = np.longdouble(1e-5), UNITS[name][0]
    numeric = (value(x + h) - value(x - h)) / (2 * h)
    out = slope(name, z)
    assert out.dtype == dtype
    # Slopes are about 1; rounding a moves them by at most 2 |a| times its error.
    np.testing.assert_allclose(
        out, numeric.astype(np.float64), rtol=0, atol=1e-9 + 4 * np.finfo(dtype).eps
    )


def test_relus_slope_at_its_kink_is_zero():
    assert slope("relu", np.array([0.0, 5e-324])).tolist() == [0, 1]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_any_shape_in_and_a_new_array_out(name):
    z = np.asfortranarray(np.linspace(-1, 1, 24).reshape(4, 6))[::-1, ::2]
    before = z.copy()
    a = activation(name, z)
    assert a.shape == z.shape
    assert np.array_equal(z, before)
    assert np.array_equal(a, activation(name, z.ravel()).reshape(z.shape))
    assert np.array_equal(slope(name, z), slope(name, z.ravel()).reshape(z.shape))


@pytest.mark.parametrize("function", [activation, slope])
def test_unknown_name_is_told_with_the_known_ones(function):
    with pytest.raises(ValueError, match=r"logistic.*'step'"):
        function("step", np.zeros(3))

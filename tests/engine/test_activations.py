"""Activations and their derivatives, against the formulas in extended precision."""

import numpy as np
import pytest
from oracle import ACTIVATIONS

from mlpcore.engine.activations import activation, derivative

DTYPES = ["float32", "float64"]


def tolerance(dtype):
    """A few roundings, and what lies below the smallest normal number."""
    return {"rtol": 6 * np.finfo(dtype).eps, "atol": np.finfo(dtype).tiny}


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_activation_equals_its_formula(name, dtype):
    # Dense around zero, where tanh needs care, and out to where the logistic function is clipped.
    small = np.geomspace(1e-30, 1, 500)
    z = np.concatenate([-small, [0], small, np.linspace(-300, 300, 5001)]).astype(dtype)
    expected = ACTIVATIONS[name].value(z.astype(np.longdouble))
    a = activation(name, z)
    assert a.dtype == dtype
    np.testing.assert_allclose(a, expected.astype(np.float64), **tolerance(dtype))


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_length_has_all_its_elements_computed(name, dtype):
    for n in range(70):
        z = np.linspace(-2, 3, n, dtype=dtype)
        expected = ACTIVATIONS[name].value(z.astype(np.longdouble)).astype(np.float64)
        np.testing.assert_allclose(activation(name, z), expected, **tolerance(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_limits(name, dtype):
    low, high = ACTIVATIONS[name].limits
    huge = np.finfo(dtype).max
    z = np.array([-np.inf, -huge, -1e4, 1e4, huge, np.inf], dtype)
    a = activation(name, z)
    # The clipped logistic function ends at 1 / (1 + exp(250)) = 3e-109.
    np.testing.assert_allclose(a[[0, -1]], [low, high], atol=1e-38)
    # Of what has no limit, so that infinity itself would be wrong.
    with np.errstate(over="ignore", invalid="ignore"):
        exact = ACTIVATIONS[name].value(z[1:5].astype(np.longdouble)).astype(dtype)
    if np.isinf(low):
        np.testing.assert_allclose(a[1:3], exact[:2], **tolerance(dtype))
    else:
        np.testing.assert_allclose(a[:3], [low] * 3, atol=1e-38)
    if np.isinf(high):
        np.testing.assert_allclose(a[3:5], exact[2:], **tolerance(dtype))
    else:
        np.testing.assert_allclose(a[3:], [high] * 3, atol=1e-38)


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
    exact = ACTIVATIONS[name].value(z.astype(np.longdouble))
    a = activation(name, z)
    # Halves of odd multiples of the smallest number lie between two.
    assert np.all(abs(a - exact.astype(dtype)) <= np.finfo(dtype).smallest_subnormal)
    representable = exact.astype(dtype) == exact
    assert np.array_equal(a[representable], exact[representable])


@pytest.mark.parametrize("dtype", DTYPES)
def test_logistic_units_are_clipped_at_250_like_the_textbooks(dtype):
    a = activation("logistic", np.array([-1e4, -251, -250, 250, 251, 1e4], dtype))
    assert a[0] == a[1] == a[2] > 0
    assert a[3] == a[4] == a[5] == 1
    if dtype == "float64":
        np.testing.assert_allclose(a[0], np.exp(-250.0), rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_derivative_equals_the_central_difference(name, dtype):
    # An even number of points, so that none lies on relu's corner.
    z = np.linspace(-6, 6, 1000).astype(dtype)
    x = z.astype(np.longdouble)
    h, value = np.longdouble(1e-5), ACTIVATIONS[name].value
    numeric = (value(x + h) - value(x - h)) / (2 * h)
    out = derivative(name, z)
    assert out.dtype == dtype
    # Derivatives are about 1; rounding a moves them by at most 2 |a| times its error.
    np.testing.assert_allclose(
        out, numeric.astype(np.float64), rtol=0, atol=1e-9 + 4 * np.finfo(dtype).eps
    )


def test_relus_derivative_at_its_corner_is_zero():
    assert derivative("relu", np.array([0.0, 5e-324])).tolist() == [0, 1]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_any_shape_in_and_a_new_array_out(name):
    z = np.asfortranarray(np.linspace(-1, 1, 24).reshape(4, 6))[::-1, ::2]
    before = z.copy()
    a = activation(name, z)
    assert a.shape == z.shape
    assert np.array_equal(z, before)
    assert np.array_equal(a, activation(name, z.ravel()).reshape(z.shape))
    assert np.array_equal(derivative(name, z), derivative(name, z.ravel()).reshape(z.shape))


@pytest.mark.parametrize("function", [activation, derivative])
def test_unknown_name_is_told_with_the_known_ones(function):
    with pytest.raises(ValueError, match=r"logistic.*'step'"):
        function("step", np.zeros(3))

"""BLAS behind row-major matrices, against the product in extended precision."""

import numpy as np
import pytest

from mlpcore.engine.blas import matmul

# No two sizes equal; the second fills no whole tile of any BLAS.
SIZES = [(2, 3, 5), (67, 37, 131)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("trans_a", [False, True])
@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize(("m", "n", "k"), SIZES)
def test_matmul_equals_the_product(dtype, trans_a, trans_b, m, n, k):
    rng = np.random.default_rng(1)
    alpha, beta = -1.75, 0.375  # exact in both dtypes
    a, b, c = (rng.normal(size=size).astype(dtype) for size in [(m, k), (k, n), (m, n)])
    x, y, z = (array.astype(np.longdouble) for array in (a, b, c))
    expected = alpha * (x @ y) + beta * z
    # The textbook bound for a sum of k products in any order, and for the two steps after it.
    size = abs(alpha) * (abs(x) @ abs(y)) + abs(beta * z)
    matmul(
        np.ascontiguousarray(a.T) if trans_a else a,
        np.ascontiguousarray(b.T) if trans_b else b,
        c,
        alpha=alpha,
        beta=beta,
        trans_a=trans_a,
        trans_b=trans_b,
    )
    assert np.all(abs(c - expected) <= (k + 3) * np.finfo(dtype).eps * size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matmul_overwrites_what_beta_zero_leaves_out(dtype):
    c = np.full((1, 1), np.nan, dtype)
    matmul(np.array([[2, 3]], dtype), np.array([[5], [7]], dtype), c)
    assert c == 2 * 5 + 3 * 7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_sum_of_nothing_is_zero(dtype):
    nothing = np.empty((2, 0), dtype)
    c = np.ones((2, 3), dtype)
    matmul(nothing, np.empty((0, 3), dtype), c, beta=0.25)
    assert np.array_equal(c, np.full((2, 3), 0.25))
    c[:] = np.nan
    matmul(nothing, np.empty((0, 3), dtype), c)
    assert np.array_equal(c, np.zeros((2, 3)))


@pytest.mark.parametrize(("m", "n"), [(0, 3), (2, 0), (0, 0)])
def test_a_product_without_elements_leaves_an_empty_array(m, n):
    c = np.empty((m, n))
    matmul(np.ones((m, 5)), np.ones((5, n)), c)
    assert c.shape == (m, n)


def test_factors_may_be_read_only():
    a, b, c = np.eye(2), np.array([[1.0, 2, 3], [4, 5, 6]]), np.zeros((2, 3))
    a.flags.writeable = b.flags.writeable = False
    matmul(a, b, c)
    assert np.array_equal(c, b)


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "shape_c"),
    [
        ((2, 3), (4, 5), (2, 5)),
        ((2, 3), (3, 5), (2, 4)),
        ((2, 3), (3, 5), (5, 2)),
        ((2, 3), (3, 5), (0, 0)),
    ],
)
def test_shapes_that_do_not_fit(shape_a, shape_b, shape_c):
    with pytest.raises(ValueError, match="cannot multiply"):
        matmul(np.ones(shape_a), np.ones(shape_b), np.ones(shape_c))


def test_transposing_swaps_the_shape_that_must_fit():
    with pytest.raises(ValueError, match=r"cannot multiply \(3, 2\) by \(3, 5\)"):
        matmul(np.ones((2, 3)), np.ones((3, 5)), np.ones((2, 5)), trans_a=True)


def test_sizes_that_a_blas_integer_cannot_count():
    with pytest.raises(ValueError, match="below 2\\*\\*31"):
        matmul(np.empty((0, 2**31)), np.empty((2**31, 0)), np.empty((0, 0)))


def test_arrays_that_are_not_of_one_real_type_and_contiguous():
    with pytest.raises((TypeError, ValueError)):
        matmul(np.ones((2, 2)), np.ones((2, 2), np.float32), np.ones((2, 2)))
    with pytest.raises(TypeError):
        matmul(*(np.ones((2, 2), int) for _ in range(3)))
    with pytest.raises(ValueError, match="contiguous"):
        matmul(np.ones((4, 2))[::2], np.ones((2, 2)), np.ones((2, 2)))

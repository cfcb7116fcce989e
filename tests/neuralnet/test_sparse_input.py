"""Sparse matrices are the arrays they stand for, or refused."""

import numpy as np
import pytest
import scipy.sparse
from small import X, Y, model

SPARSE = [
    kind for name in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    for kind in (getattr(scipy.sparse, f"{name}_matrix"), getattr(scipy.sparse, f"{name}_array"))
]  # fmt: skip


def with_zeros(dtype="float64"):
    """Rows of which most is zero; the first is all zero and the last column as well."""
    rng = np.random.default_rng(0)
    rows = rng.integers(1, 100, X.shape) * (rng.random(X.shape) < 0.2)
    rows[0] = 0
    rows[:, -1] = 0
    return rows.astype(dtype)


@pytest.mark.filterwarnings("ignore:Constructing a DIA matrix")
@pytest.mark.parametrize("kind", SPARSE, ids=lambda kind: kind.__name__)
def test_sparse_matrices_are_the_arrays_they_stand_for(kind):
    rows = with_zeros()
    plain = model(input_path="sparse").fit(rows, Y, rows[:20], Y[:20])
    matrix, valid = kind(rows), kind(rows[:20])
    nn = model().fit(matrix, Y, valid, Y[:20])
    assert nn.input_path_ == "sparse"
    for a, b in zip(nn.coefs_ + nn.intercepts_, plain.coefs_ + plain.intercepts_, strict=True):
        assert np.array_equal(a, b)
    assert nn.eval_ == plain.eval_
    np.testing.assert_allclose(nn.predict_proba(matrix), plain.predict_proba(rows), rtol=1e-12)
    assert np.array_equal(nn.predict(matrix), plain.predict(rows))
    assert nn.score(matrix, Y) == plain.score(rows, Y)


@pytest.mark.parametrize(
    ("dtype", "network"),
    [("f4", "f4"), ("f8", "f8"), ("i8", "f8"), ("u1", "f4"), ("i2", "f4"), ("?", "f4")],
)
def test_sparse_matrices_count_as_arrays_of_their_dtype(dtype, network):
    rows = with_zeros().astype(dtype)
    nn = model().fit(scipy.sparse.csr_array(rows), Y)
    assert nn.w_h.dtype == network
    plain = model(input_path="sparse").fit(rows, Y)
    assert plain.w_h.dtype == network
    assert np.array_equal(nn.w_h, plain.w_h)


def test_sparse_matrices_in_disorder():
    """Columns of a row in any order, one of them twice, and zeros that are written down."""
    rows = np.zeros((4, 5))
    rows[0, [4, 1]] = 2, 3
    rows[2, 3] = 1 + 6
    matrix = scipy.sparse.csr_array(
        (np.array([2.0, 3, 0, 1, 6]), np.array([4, 1, 2, 3, 3]), np.array([0, 2, 3, 5, 5])),
        shape=(4, 5),
    )
    data, indices = matrix.data.copy(), matrix.indices.copy()
    labels = [0, 1, 0, 1]
    nn = model(minibatch_size=2).fit(matrix, labels)
    plain = model(minibatch_size=2, input_path="sparse").fit(rows, labels)
    np.testing.assert_allclose(nn.w_h, plain.w_h, rtol=1e-12)
    np.testing.assert_allclose(nn.predict_proba(matrix), plain.predict_proba(rows), rtol=1e-12)
    # The caller's matrix stays in the disorder it was in.
    assert np.array_equal(matrix.data, data)
    assert np.array_equal(matrix.indices, indices)


def test_sparse_and_dense_rows_mix():
    rows = with_zeros()
    nn = model().fit(scipy.sparse.csr_array(rows), Y, rows[:20], Y[:20])
    assert nn.eval_["valid_acc"][-1] == nn.score(rows[:20], Y[:20])
    dense = model(input_path="dense").fit(rows, Y, scipy.sparse.csr_array(rows[:20]), Y[:20])
    assert dense.eval_["valid_acc"][-1] == dense.score(rows[:20], Y[:20])
    np.testing.assert_allclose(
        dense.predict_proba(scipy.sparse.csr_array(rows)), dense.predict_proba(rows), rtol=1e-12
    )
    np.testing.assert_allclose(nn.w_h, dense.w_h, rtol=1e-10, atol=1e-12)


def test_more_columns_than_sixteen_bits_count():
    rows = np.zeros((6, 70_001))
    rows[np.arange(6), [0, 65_535, 65_536, 69_999, 70_000, 5]] = range(1, 7)
    labels = [0, 1] * 3
    plain = model(n_hidden=2, minibatch_size=2, input_path="dense").fit(rows, labels)
    for matrix, path in ((scipy.sparse.csr_array(rows), "sparse"), (rows, None)):
        nn = model(n_hidden=2, minibatch_size=2, input_path="auto").fit(matrix, labels)
        assert path is None or nn.input_path_ == path
        np.testing.assert_allclose(nn.w_h, plain.w_h, rtol=1e-12)
        np.testing.assert_allclose(nn.predict_proba(matrix), plain.predict_proba(rows), rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 63), (1, 0), (17, 5), (119, 62)])
def test_sparse_matrices_must_be_finite(bad, place):
    rows = with_zeros()
    rows[place] = bad
    message = rf"X_train must be finite, .* got .* in row {place[0]}, column {place[1]}\."
    with pytest.raises(ValueError, match=message):
        model().fit(scipy.sparse.csr_array(rows), Y)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (scipy.sparse.csr_array(np.eye(120, 64) * 1j), "Complex data not supported"),
        (scipy.sparse.csr_array((0, 64)), "at least one row"),
        (scipy.sparse.csr_array((120, 0)), "one column"),
        (scipy.sparse.coo_array(np.ones(64)), "two dimensions"),
    ],
)
def test_sparse_matrices_that_are_refused(matrix, message):
    with pytest.raises((ValueError, TypeError), match=f"(?=.*X_train).*{message}"):
        model().fit(matrix, Y[: matrix.shape[0]])
    with pytest.raises(ValueError, match="expecting 64 features"):
        model().fit(X, Y).predict(scipy.sparse.csr_array((3, 63)))


def test_sparse_matrices_that_lie_do_no_harm(run_python):
    """Parts that were written to after SciPy had looked at them: columns that are not there and
    rows that end before they start are refused, and any order is put in order."""
    code = """
import numpy as np, scipy.sparse
from mlpcore import NeuralNetMLP

def far(matrix): matrix.indices[:3] = [2**31 - 1, 10**6, 64]
def negative(matrix): matrix.indices[:3] = [-1, -(2**31), -64]
def ends(matrix): matrix.indptr[1:4] = [2**31 - 1, 2**30, -5]
def order(matrix): matrix.indices[:] = matrix.indices[::-1].copy()
def twice(matrix): matrix.indices[:] = 3

y = np.arange(40) % 3

def train(rows):
    return NeuralNetMLP(5, epochs=2, minibatch_size=3, seed=1, input_path="sparse").fit(rows, y).w_h

def predict(rows):
    return NeuralNetMLP(5, epochs=2, seed=1).fit(np.eye(40, 64), y).predict_proba(rows)

for call in (train, predict):
    for spoil in (far, negative, ends, order, twice):
        matrix = scipy.sparse.random_array((40, 64), density=0.3, format="csr", random_state=0)
        assert matrix.has_canonical_format  # SciPy remembers this
        spoil(matrix)
        try:
            result = call(matrix)
        except ValueError as error:
            assert spoil in (far, negative, ends), error
            assert str(error).startswith("X"), error
        else:
            assert spoil in (order, twice), spoil
            again = scipy.sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), (40, 64))
            np.testing.assert_allclose(result, call(again.toarray()), rtol=1e-9, atol=1e-12)
print("unharmed")
"""
    assert run_python(code) == "unharmed\n"

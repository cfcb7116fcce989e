"""Arrays that the engine gets: refused if it would misread them, or read as what they are."""

import numpy as np
import pytest
import scipy.sparse
from oracle import INPUT_KINDS

from mlpcore.engine.activations import activation
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer

ROWS = np.random.default_rng(5).normal(size=(40, 6))
SPARSE = scipy.sparse.csr_array(np.where(ROWS > 0.3, ROWS, 0))


def csr(**parts):
    """A matrix with some parts replaced, behind SciPy's back."""
    matrix = SPARSE.copy()
    for name, part in parts.items():
        setattr(matrix, name, part)
    return matrix


def moved(array, place, value):
    array = array.copy()
    array[place] = value
    return array


def off_line(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    raw[:] = array
    return raw


REFUSED = {
    "whole numbers": lambda: Input(ROWS.astype(np.int64), "float64"),
    "half precision": lambda: Input(ROWS.astype(np.float16), "float64"),
    "long doubles": lambda: Input(ROWS.astype(np.longdouble), "float64"),
    "complex numbers": lambda: Input(ROWS.astype(complex), "float64"),
    "truth values": lambda: Input(ROWS > 0, "float64"),
    "objects": lambda: Input(ROWS.astype(object), "float64"),
    "text": lambda: Input(ROWS.astype("U9"), "float64"),
    "records": lambda: Input(np.zeros((4, 2), "f4,f4"), "float64"),
    "the other byte order": lambda: Input(ROWS.astype(ROWS.dtype.newbyteorder()), "float64"),
    "out of line": lambda: Input(off_line(ROWS), "float64"),
    "one dimension": lambda: Input(ROWS[0], "float64"),
    "three dimensions": lambda: Input(ROWS[None], "float64"),
    "a number": lambda: Input(np.float64(3), "float64"),
    "a list": lambda: Input(ROWS.tolist(), "float64"),
    "nothing": lambda: Input(None, "float64"),
    "a masked array": lambda: Input(np.ma.array(ROWS), "float64"),
    "columns backwards": lambda: Input(ROWS[:, ::-1], "float64"),
    "Fortran order": lambda: Input(np.asfortranarray(ROWS), "float64"),
    "a network of whole numbers": lambda: Input(ROWS, "int32"),
    "a network of the other byte order": lambda: Input(ROWS, ROWS.dtype.newbyteorder()),
    "an unknown way": lambda: Input(ROWS, "float64", path="short"),
    "no threads": lambda: Input(ROWS, "float64", n_threads=0),
    "fewer than no threads": lambda: Input(ROWS, "float64", path="sparse", n_threads=-3),
    "columns of a sparse matrix": lambda: Input(SPARSE.tocsc(), "float64"),
    "coordinates": lambda: Input(SPARSE.tocoo(), "float64"),
    "an index beyond": lambda: Input(csr(indices=moved(SPARSE.indices, 3, 6)), "float64"),
    "an index far beyond": lambda: Input(
        csr(indices=moved(SPARSE.indices.astype(np.int64), -1, 2**32 + 5)), "float64"
    ),
    "a negative index": lambda: Input(csr(indices=moved(SPARSE.indices, 0, -1)), "float64"),
    "indices in disorder": lambda: Input(csr(indices=SPARSE.indices[::-1].copy()), "float64"),
    "an index twice": lambda: Input(
        scipy.sparse.csr_array(([1.0, 2.0], [4, 4], [0, 2]), shape=(1, 6)), "float64"
    ),
    "rows that begin before": lambda: Input(csr(indptr=moved(SPARSE.indptr, 0, -1)), "float64"),
    "rows that end before": lambda: Input(csr(indptr=moved(SPARSE.indptr, 5, 0)), "float64"),
    "rows beyond the end": lambda: Input(csr(indptr=moved(SPARSE.indptr, -1, 10**6)), "float64"),
    "too few rows": lambda: Input(csr(indptr=SPARSE.indptr[:-1]), "float64"),
    "too few numbers": lambda: Input(csr(data=SPARSE.data[:-1]), "float64"),
    "too many columns": lambda: Input(np.broadcast_to(np.float32(1), (2, 2**31)), "float32"),
    "too many columns of zeros": lambda: Input(
        scipy.sparse.csr_array((1, 2**31), dtype=np.float32), "float32"
    ),
    "more weights than memory has places": lambda: Network([2**31 - 17] * 5),
    "units that are no numbers": lambda: Network((3, "4")),
    "half a unit": lambda: Network((3, 2.5, 2)),
    "a network of half precision": lambda: Network((3, 2), dtype="float16"),
    "a target that is NaN": lambda: trainer(np.full(40, np.nan)),
    "targets as int64": lambda: trainer(np.zeros(40, np.int64)),
    "targets as objects": lambda: trainer(np.zeros(40, object)),
    "targets of the other byte order": lambda: trainer(
        np.zeros(40, np.dtype(np.intc).newbyteorder())
    ),
    "targets in every other place": lambda: trainer(np.zeros(80, np.intc)[::2]),
    "targets of another dtype": lambda: trainer(np.zeros((40, 3), np.float32)),
    "targets of another width": lambda: trainer(np.zeros((40, 2))),
    "targets in Fortran order": lambda: trainer(np.zeros((3, 40)).T),
    "targets in three dimensions": lambda: trainer(np.zeros((40, 3, 1))),
    "no targets": lambda: trainer(None),
    "infinite weights": lambda: trainer(sample_weight=np.full(40, -np.inf)),
    "weights that are NaN": lambda: trainer(sample_weight=np.full(40, np.nan)),
    "too few weights": lambda: trainer(sample_weight=np.ones(39)),
    "weights as float32": lambda: trainer(sample_weight=np.ones(40, np.float32)),
    "an order of floats": lambda: epoch(np.arange(40.0)),
    "an order as int32": lambda: epoch(np.arange(40, dtype=np.int32)),
    "an order in two dimensions": lambda: epoch(np.arange(40)[None]),
    "an order backwards in memory": lambda: epoch(np.arange(40)[::-1]),
    "too few rates": lambda: epoch(np.arange(40), np.ones(39)),
    "an activation of objects": lambda: activation("tanh", [None]),
    "an activation of text": lambda: activation("tanh", ["x"]),
}


def trainer(targets=(), **keywords):
    targets = np.zeros(40, np.intc) if isinstance(targets, tuple) else targets
    return Trainer(Network((6, 4, 3)), Input(ROWS, "float64"), targets, **keywords)


def epoch(*arguments):
    with trainer() as one:
        one.epoch(*arguments)


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what):
    with pytest.raises((TypeError, ValueError)) as caught:
        REFUSED[what]()
    assert len(str(caught.value)) > 10


# What is read as it is: the result is NumPy's for the same numbers in the plainest form.


def mapped(array, folder):
    file = np.memmap(folder / "rows", array.dtype, "w+", shape=array.shape)
    file[:] = array
    return np.memmap(folder / "rows", array.dtype, "r", shape=array.shape)


def locked(array, _):
    array = array.copy()
    array.flags.writeable = False
    return array


def far_apart(array, folder):
    file = np.memmap(folder / "far", array.dtype, "w+", shape=(len(array), 2**31 + 7))
    file[:, 3 : 3 + array.shape[1]] = array
    return file[:, 3 : 3 + array.shape[1]]


FORMS = {
    "plain": lambda a, _: a,
    "read-only": locked,
    "memory-mapped": mapped,
    "rows backwards": lambda a, _: a[::-1].copy()[::-1],
    "every third row": lambda a, _: np.repeat(a, 3, axis=0)[::3],
    "part of wider rows": lambda a, _: np.pad(a, ((0, 0), (5, 3)))[:, 5:-3],
    "a subclass": lambda a, _: a.view(np.matrix),
    "one row for all": lambda a, _: np.broadcast_to(a[7], a.shape),
    "one row": lambda a, _: a[9:10],
    "one column of six": lambda a, _: a[:, 2:3],
    "gigabytes apart": lambda a, folder: far_apart(a[:4], folder),
}


@pytest.mark.parametrize("path", ["dense", "auto", "sparse"])
@pytest.mark.parametrize("dtype", INPUT_KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_rows(form, dtype, path, tmp_path):
    if form == "gigabytes apart":
        dtype = "uint8"  # six gigabytes of which all but a few bytes are a hole
    whole = np.where(ROWS > 0.3, np.abs(ROWS * 40), 0).astype(dtype)
    rows = FORMS[form](whole, tmp_path)
    network = Network((rows.shape[1], 4, 3), activation="tanh")
    rng = np.random.default_rng(1)
    for array in network.coefs + network.intercepts:
        array[:] = rng.normal(size=array.shape)
    (w, v), (b, c) = network.coefs, network.intercepts
    expected = np.tanh(np.array(rows, float) @ w + b) @ v + c
    source = Input(rows, "float64", path=path)
    np.testing.assert_allclose(network.logits(source), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.csr_matrix])
def test_forms_of_the_same_sparse_rows(kind, index):
    matrix = kind((SPARSE.data, SPARSE.indices.astype(index), SPARSE.indptr.astype(index)),
                  shape=SPARSE.shape)  # fmt: skip
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.flags.writeable = False
    network = Network((6, 3))
    network.coefs[0][:] = ROWS[:6, :3]
    z = network.logits(Input(matrix, "float64"))
    np.testing.assert_allclose(z, SPARSE.toarray() @ ROWS[:6, :3], atol=1e-13)


def test_no_rows_at_all():
    for path in ("dense", "auto", "sparse"):
        assert Input(ROWS[:0], "float64", path=path).density == 1
        assert Network((6, 3)).logits(Input(ROWS[:0], "float64", path=path)).shape == (0, 3)

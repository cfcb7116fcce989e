"""Rows and labels: refused with a message that helps, or read as what they mean."""

import sys
from pathlib import Path

import numpy as np
import pytest
from cases import engine_threads
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small import X, Y, model

from mlpcore import NeuralNetMLP


def results(nn, rows):
    return [*nn.coefs_, *nn.intercepts_, nn.eval_["cost"], nn.eval_["valid_acc"],
            nn.predict_proba(rows), nn.predict(rows), nn.predict(rows[3:4])]  # fmt: skip


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.array_equal(a, b)


# Forms of the same numbers


class Frame:
    """Something that is an array to NumPy only."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)

    def __getitem__(self, key):
        return Frame(self.array[key])


class Matrix(np.ndarray):
    """An array that multiplies in its own way, as numpy.matrix did."""

    def __mul__(self, other):
        raise AssertionError("asked to multiply")

    __add__ = __matmul__ = __mul__


def in_a_file(array, folder):
    mapped = np.memmap(folder / "rows", array.dtype, "w+", shape=array.shape)
    mapped[:] = array
    mapped.flush()
    return np.memmap(folder / "rows", array.dtype, "r", shape=array.shape)


def misaligned(array, _):
    raw = np.empty(array.nbytes + 1, np.uint8)
    odd = raw[1:].view(array.dtype).reshape(array.shape)
    odd[:] = array
    assert not odd.flags.aligned
    return odd


def read_only(array, _):
    array = array.copy()
    array.flags.writeable = False
    return array


def columns_of_wider_rows(array, _):
    wider = np.full((len(array), array.shape[1] + 9), np.nan)
    wider[:, 4:-5] = array
    return wider.astype(array.dtype)[:, 4:-5]


def every_other(array, _):
    wider = np.full((2 * len(array), 3 * array.shape[1]), np.nan, array.dtype)
    wider[::2, ::3] = array
    return wider[::2, ::3]


def field_of_records(array, _):
    records = np.zeros(len(array), [("tag", "u1"), ("pixels", array.dtype, array.shape[1])])
    records["pixels"] = array
    return records["pixels"]


FORMS = {
    "a list of lists": lambda a, _: a.tolist(),
    "a tuple of arrays": lambda a, _: tuple(a),
    "Fortran order": lambda a, _: np.asfortranarray(a),
    "rows backwards": lambda a, _: a[::-1].copy()[::-1],
    "columns backwards": lambda a, _: a[:, ::-1].copy()[:, ::-1],
    "both backwards": lambda a, _: a[::-1, ::-1].copy()[::-1, ::-1],
    "columns of wider rows": columns_of_wider_rows,
    "every other row and third column": every_other,
    "a field of records": field_of_records,
    "the other byte order": lambda a, _: a.astype(a.dtype.newbyteorder()),
    "objects": lambda a, _: a.astype(object),
    "objects with whole numbers":
        lambda a, _: np.array([[int(v) if v == int(v) else v for v in row] for row in a], object),
    "read-only": read_only,
    "a memory map": in_a_file,
    "misaligned": misaligned,
    "a masked array without masks": lambda a, _: np.ma.array(a),
    "a masked array with an empty mask":
        lambda a, _: np.ma.array(a, mask=np.zeros(a.shape, bool)),
    "a subclass": lambda a, _: a.view(Matrix),
    "something with __array__": lambda a, _: Frame(a),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_rows_give_the_same_bits(form, dtype, tmp_path):
    rows = X.astype(dtype)
    # A Python list holds doubles, whatever it was made from.
    asked = dtype if form.startswith(("a list", "objects")) else None
    plain = model(dtype=dtype).fit(rows[:100], Y[:100], rows[100:], Y[100:])
    other = FORMS[form](rows, tmp_path)
    nn = model(dtype=asked).fit(other[:100], Y[:100], other[100:], Y[100:])
    assert_same(results(nn, other), results(plain, rows))


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_same_bytes_give_the_same_bits(form, tmp_path):
    rows = (X * 8 + 8).astype(np.uint8)
    plain = model(dtype="float32").fit(rows[:100], Y[:100], rows[100:], Y[100:])
    if form in ("columns of wider rows", "every other row and third column"):
        other = FORMS[form](rows.astype(np.float32), tmp_path)  # bytes have no NaN for the gaps
    else:
        other = FORMS[form](rows, tmp_path) if form != "misaligned" else rows
    nn = model(dtype="float32").fit(other[:100], Y[:100], other[100:], Y[100:])
    assert_same(results(nn, other), results(plain, rows))


def test_one_row_for_all(tmp_path):
    """Rows that share their memory."""
    row = np.broadcast_to(X[7], (50, 64))
    labels = np.arange(50) % 2
    assert_same(results(model().fit(row, labels, row, labels), row),
                results(model().fit(row.copy(), labels, row, labels), row))  # fmt: skip


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.uint8]),
        st.tuples(st.integers(2, 9), st.integers(1, 9)),
        elements=st.integers(0, 5),
    ),
    st.tuples(st.sampled_from([1, 2, -1, -3]), st.sampled_from([1, 2, -1, -3])),
)
def test_any_strides(array, steps):
    padded = np.zeros((array.shape[0] * 4, array.shape[1] * 4), array.dtype)
    view = padded[:: steps[0], :: steps[1]][: array.shape[0], : array.shape[1]]
    view[:] = array
    labels = np.arange(len(array)) % 2
    settings = {"epochs": 1, "minibatch_size": 1}
    a, b = (model(**settings).fit(rows, labels) for rows in (view, array))
    assert_same([a.w_h, a.predict_proba(view)], [b.w_h, b.predict_proba(array)])


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_arrays_are_never_written_to(dtype):
    rows, labels = (X * 8 + 8).astype(dtype), Y.copy()
    copies = rows.copy(), labels.copy()
    for scale in (None, (0.5, -1)):
        nn = model(input_scale=scale).fit(rows[:100], labels[:100], rows[100:], labels[100:])
        nn.predict(rows)
        nn.predict(rows[:1])
        nn.predict_proba(rows)
        nn.score(rows, labels)
    assert np.array_equal(rows, copies[0])
    assert np.array_equal(labels, copies[1])


def test_a_model_does_not_depend_on_its_rows_later():
    rows = X.copy()
    nn = model().fit(rows, Y)
    before = nn.predict_proba(X)
    rows[:] = np.nan
    assert np.array_equal(nn.predict_proba(X), before)


LABEL_FORMS = {
    "a list": lambda y: y.tolist(),
    "a tuple": lambda y: tuple(y.tolist()),
    "small numbers": lambda y: y.astype(np.int8),
    "whole floats": lambda y: y.astype(np.float32),
    "backwards": lambda y: y[::-1].copy()[::-1],
    "every third": lambda y: np.repeat(y, 3)[::3],
    "the other byte order": lambda y: y.astype(y.dtype.newbyteorder()),
    "objects": lambda y: y.astype(object),
    "NumPy's numbers in a list": list,
    "something with __array__": Frame,
    "a masked array without masks": np.ma.array,
    "read-only": lambda y: np.broadcast_to(y, y.shape),
    "a memory map": lambda y: in_a_file(y, Path.cwd()),
}


@pytest.mark.parametrize("form", LABEL_FORMS)
def test_forms_of_the_same_labels(form):
    plain = model().fit(X, Y, X, Y)
    labels = LABEL_FORMS[form](Y)
    nn = model().fit(X, labels, X, labels)
    assert nn.classes_.tolist() == list(range(10))
    assert_same([nn.w_h, nn.eval_["valid_acc"]], [plain.w_h, plain.eval_["valid_acc"]])
    assert nn.score(X, labels) == plain.score(X, Y)


# Rows that are refused

BAD_ROWS = {
    "a number": (5.0, r"two dimensions, rows and features; got shape \(\)"),
    "an array of one number": (np.array(5.0), r"two dimensions.*got shape \(\)"),
    "numbers in a row": (np.array([5.0]), r"two dimensions.*got shape \(1,\)"),
    "one image": (X[:1].reshape(1, 8, 8), r"two dimensions.*got shape \(1, 8, 8\)"),
    "one row": (X[0], r"two dimensions.*reshape\(1, -1\)"),
    "a block of images": (X.reshape(120, 8, 8), r"two dimensions.*got shape \(120, 8, 8\)"),
    "no rows": (np.empty((0, 64)), r"at least one row and one column; got 0 sample\(s\)"),
    "no columns": (np.empty((120, 0)), r"at least one row and one column; got 0 feature\(s\)"),
    "an empty list": ([], "two dimensions"),
    "too many columns": (
        np.broadcast_to(np.float32(1), (120, 2**31)),
        "at most 2147483647 columns",
    ),
    "text": (X.astype("U9"), "must hold numbers; got dtype <U"),
    "a word": ("rows", "must be an array or a list of rows; got str"),
    "bytes": (X.astype("S9"), r"must hold numbers; got dtype \|S"),
    "nothing": (None, "must be an array or a list of rows; got NoneType"),
    "complex numbers": (X + 1j, "must hold real numbers; got dtype complex128"),
    "dates": (X.astype("M8[s]"), "must hold numbers; got dtype datetime64"),
    "durations": (X.astype("m8[s]"), "must hold numbers; got dtype timedelta64"),
    "records": (np.zeros((120, 2), "i4,f4"), "must hold numbers"),
    "missing numbers": (np.full((120, 2), None), "must be finite.* got nan in row 0, column 0"),
    "objects that are no numbers": (
        np.full((120, 2), object()),
        "must hold numbers; got dtype object",
    ),
    "words among objects": (np.array([[1.0, "x"]] * 120, object), "must hold numbers"),
    "rows of unlike length": ([[1.0, 2.0], [3.0]] * 60, "same length|inhomogeneous"),
    "a dict": ({"a": 1}, "must be an array or a list of rows; got dict"),
    "a generator": ((row for row in X), "must be an array or a list of rows; got generator"),
    "a masked entry": (np.ma.masked_less(X, -0.9), r"masked entries; fill them in.*filled\(\)"),
}


@pytest.mark.parametrize("what", BAD_ROWS)
def test_rows_that_are_refused(what):
    rows, message = BAD_ROWS[what]
    for call, name in (
        (lambda: model().fit(rows, Y), "X_train"),
        (lambda: model().fit(X, Y, rows, Y), "X_valid"),
        (lambda: model().fit(X, Y).predict(rows), "X"),
        (lambda: model().fit(X, Y).predict_proba(rows), "X"),
        (lambda: model().fit(X, Y).score(rows, Y), "X"),
    ):
        # In prediction and validation a wrong number of columns comes first.
        other = "|is expecting 64 features|belong together" if name != "X_train" else ""
        with pytest.raises((ValueError, TypeError), match=rf"{name} .*({message}{other})"):
            call()


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[s]", "U9", "S9", "V8"])
def test_one_row_that_is_refused(dtype):
    """Prediction of one row has a way of its own, which must not have errors of its own."""
    fitted = model().fit(X, Y)
    row = X[:1].astype(dtype)
    for call in (fitted.predict, fitted.predict_proba, lambda row: fitted.score(row, Y[:1])):
        with pytest.raises(TypeError, match=r"^X must hold numbers; got dtype"):
            call(row)


def test_one_row_is_too_little_to_learn_from():
    with pytest.raises(ValueError, match=r"^y_train must hold at least two classes"):
        model(minibatch_size=1).fit(X[:1], Y[:1])


def test_two_rows_of_one_column_are_enough():
    nn = NeuralNetMLP(1, epochs=300, eta=1.0, seed=1).fit([[-1], [1]], ["no", "yes"])
    assert nn.predict([[-2], [3]]).tolist() == ["no", "yes"]


def test_rows_that_lie_gigabytes_apart(tmp_path):
    """In a file of which all but a few bytes are a hole."""
    rows = (X[:6] * 8 + 8).astype(np.uint8)
    file = np.memmap(tmp_path / "rows", np.uint8, "w+", shape=(6, 2**31 + 99))
    file[:, 5:69] = rows
    wide = np.memmap(tmp_path / "rows", np.uint8, "r", shape=(6, 2**31 + 99))[:, 5:69]
    nn, plain = (model(minibatch_size=2).fit(x, Y[:6], x, Y[:6]) for x in (wide, rows))
    assert_same(results(nn, wide), results(plain, rows))
    assert_same(results(nn, wide[::-1]), results(plain, rows[::-1]))


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell in the same way")
@pytest.mark.parametrize("n_threads", [2**31 - 1, 10**5])
def test_more_threads_than_there_is_work_for(n_threads):
    """Asked for by a model file, for example."""
    most = 0

    def count(epoch, history):
        nonlocal most
        most = max(most, engine_threads())

    nn = model(n_threads=n_threads, callback=count, input_path="sparse").fit(X, Y, X, Y)
    assert most < 30
    assert_same(results(nn, X), results(model(n_threads=1, input_path="sparse").fit(X, Y, X, Y), X))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "object", ">f8"])
def test_rows_must_be_finite(bad, dtype):
    rows = X.copy()
    rows[17, 5] = bad
    rows = rows.astype(dtype)
    fitted = model().fit(X, Y)
    for call, name in (
        (lambda: model().fit(rows, Y), "X_train"),
        (lambda: model().fit(X, Y, rows, Y), "X_valid"),
        (lambda: fitted.predict(rows), "X"),
        (lambda: fitted.predict_proba(rows), "X"),
        (lambda: fitted.score(rows, Y), "X"),
    ):
        with pytest.raises(ValueError, match=rf"^{name} must be finite, .* row 17, column 5\."):
            call()
    for rows_of_one in (rows[17:18], rows[17:18].astype("f4"), rows[17:18].astype("f8")):
        with pytest.raises(ValueError, match=r"^X must be finite, .* got .* row 0, column 5\."):
            fitted.predict(rows_of_one)


@pytest.mark.parametrize("place", [(0, 0), (1023, 63), (1024, 0), (2999, 31)])
def test_the_one_bad_entry_is_found_wherever_it_is(place):
    rows = np.zeros((3000, 64))
    rows[place] = np.nan
    with pytest.raises(ValueError, match=f"row {place[0]}, column {place[1]}"):
        model().fit(rows, np.arange(3000) % 2)


@pytest.mark.parametrize("dtype", ["float64", "longdouble", "object"])
def test_numbers_that_the_networks_dtype_cannot_hold(dtype):
    rows = X.astype(dtype)
    rows[17, 5] = 1e39
    with pytest.raises(ValueError, match=r"X_train must be finite.*row 17, column 5"):
        model(dtype="float32").fit(rows, Y)
    assert model(dtype="float64").fit(rows, Y).n_iter_ == 2
    fitted = model(dtype="float32").fit(X, Y)
    for call in (fitted.predict, fitted.predict_proba):
        with pytest.raises(ValueError, match="X must be finite"):
            call(rows)
        with pytest.raises(ValueError, match="X must be finite"):
            call(rows[17:18])


@pytest.mark.skipif(np.finfo("longdouble").max == np.finfo("float64").max, reason="is float64 here")
def test_numbers_that_only_a_longdouble_holds():
    rows = X.astype("longdouble")
    rows[17, 5] = np.longdouble("1e400")
    with pytest.raises(ValueError, match=r"X_train must be finite"):
        model().fit(rows, Y)


def test_another_number_of_columns_than_in_fit():
    fitted = model().fit(X, Y)
    for columns in (1, 63, 65):
        rows = np.zeros((5, columns))
        message = f"has {columns} features, but NeuralNetMLP is expecting 64 features as input"
        for call in (fitted.predict, fitted.predict_proba, lambda rows: fitted.score(rows, [1] * 5),
                     lambda rows: fitted.predict(rows[:1])):  # fmt: skip
            with pytest.raises(ValueError, match=f"^X {message}"):
                call(rows)
        with pytest.raises(ValueError, match=f"^X_valid {message}"):
            model().fit(X, Y, rows, Y[:5])


# Labels that are refused

BAD_LABELS = {
    "one-hot rows": (np.eye(10)[Y], r"one dimension.*got shape \(120, 10\).*argmax"),
    "two columns": (Y.reshape(-1, 2), r"one dimension.*got shape \(60, 2\)"),
    "a number": (3, r"one dimension.*got shape \(\)"),
    "nothing": (None, "label for each row"),
    "a set": (set(Y.tolist()), "one dimension"),
    "too few": (Y[:-1], "label for each of the 120 rows of X_train; got 119"),
    "too many": (np.append(Y, 0), "label for each of the 120 rows of X_train; got 121"),
    "none": ([], "label for each of the 120 rows of X_train; got 0"),
    "NaN": (np.where(Y == 3, np.nan, Y), "missing values .* got nan in 13 of 120 rows"),
    "infinity": (np.where(Y == 3, np.inf, Y), "infinity.* got inf"),
    "NaN among objects": (np.where(Y == 3, np.nan, Y).astype(object), "NaN"),
    "None among text": (np.where(Y == 3, None, "x"), "None.* got None in 13 of 120 rows"),
    "no date": (np.where(Y == 3, np.datetime64("NaT"), np.datetime64("2000-01-01")), "NaN|NaT"),
    "masked labels": (np.ma.masked_equal(Y, 3), "masked entries; leave those rows out"),
    "one class": (np.full(120, "a"), "at least two classes; got one class, 'a'"),
    "one class among objects": (
        np.full(120, 1j, object),
        "at least two classes; got one class, 1j",
    ),
    "lists": (np.fromiter(([1], [2]) * 60, object), "must be hashable"),
}


@pytest.mark.parametrize("what", BAD_LABELS)
def test_labels_that_are_refused(what):
    labels, message = BAD_LABELS[what]
    with pytest.raises((ValueError, TypeError), match=rf"(y_train|class labels)\b.*({message})"):
        model().fit(X, labels)


@pytest.mark.parametrize(
    "what", [what for what in BAD_LABELS if "class" not in what and what != "nothing"]
)
def test_validation_labels_that_are_refused(what):
    labels, message = BAD_LABELS[what]
    message = message.replace("X_train", "X_valid")
    with pytest.raises((ValueError, TypeError), match=rf"^(y_valid|class labels) .*({message})"):
        model().fit(X, Y, X, labels)


def test_lists_of_unlike_labels_keep_their_kinds():
    """NumPy alone would make text of the number."""
    nn = model(minibatch_size=1).fit(X[:4], [1, "1", 1, "1"])
    assert set(nn.classes_.tolist()) == {1, "1"}


@pytest.mark.parametrize(
    ("known", "unknown"),
    [
        ([3, 5], 4),
        (["a", "b"], "c"),
        (["a", "b"], 1),
        ([3, 5], "3"),
        ([0.0, 2.0], 1),
        ([1, "a"], 2),
    ],
)
def test_validation_labels_that_fit_never_saw(known, unknown):
    message = rf"y_valid must hold only classes that y_train has; got .*{unknown!r}.*{known[0]!r}"
    with pytest.raises(ValueError, match=message):
        model(minibatch_size=1).fit(X[:4], known * 2, X[:3], [known[0], unknown, known[1]])


def test_many_classes_are_not_all_listed():
    with pytest.raises(ValueError, match="9 and 90 more") as caught:
        model(minibatch_size=1).fit(X[:100], range(100), X[:1], [1000])
    assert len(str(caught.value)) < 200


def test_validation_data_come_in_pairs():
    for valid in ((X, None), (None, Y)):
        with pytest.raises(ValueError, match="X_valid and y_valid belong together"):
            model().fit(X, Y, *valid)


@pytest.mark.parametrize("what", [what for what in BAD_LABELS if "class" not in what])
def test_labels_that_score_refuses(what):
    labels, message = BAD_LABELS[what]
    with pytest.raises((ValueError, TypeError), match=rf"(\by|class labels)\b.*({message[:20]})"):
        model().fit(X, Y).score(X, labels)


def test_score_of_labels_that_fit_never_saw():
    assert model().fit(X, Y).score(X, np.full(120, 77)) == 0
    assert model().fit(X, Y).score(X, np.full(120, 0.5)) == 0


@pytest.mark.parametrize("labels", [Y[:-1], np.append(Y, 1), np.eye(10)[Y], 5, []])
def test_score_wants_a_label_for_each_row(labels):
    with pytest.raises(ValueError, match=r"^y must have"):
        model().fit(X, Y).score(X, labels)

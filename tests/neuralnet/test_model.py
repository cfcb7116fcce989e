"""NeuralNetMLP's manners; what it learns is for test_textbook.py, what it refuses for
test_validation.py."""

import copy
import inspect
import itertools
import json

import numpy as np
import oracle
import pytest

import mlpcore
from mlpcore import NeuralNetMLP, NotFittedError, load_digits

X, Y = load_digits()
FAST = {"n_hidden": 12, "epochs": 3, "eta": 0.02, "minibatch_size": 20, "seed": 1}


@pytest.fixture(scope="module")
def fitted():
    return NeuralNetMLP(**FAST, l2=0.01).fit(X[:1000], Y[:1000], X[1000:], Y[1000:])


# Parameters


def test_parameters_are_the_textbooks_with_its_defaults():
    parameters = inspect.signature(NeuralNetMLP).parameters.values()
    textbook = {
        "n_hidden": 30, "l2": 0.0, "epochs": 100, "eta": 0.001, "shuffle": True,
        "minibatch_size": 1, "seed": None,
    }  # fmt: skip
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert {p.name: p.default for p in positional} == textbook
    assert [p.name for p in positional] == list(textbook)
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters if p.name not in textbook)


def test_the_constructor_only_stores():
    arguments = {name: object() for name in inspect.signature(NeuralNetMLP).parameters}
    nn = NeuralNetMLP(**arguments)
    assert vars(nn) == arguments
    assert nn.get_params() == arguments


def test_set_params():
    nn = NeuralNetMLP()
    assert nn.set_params(eta=0.5, n_hidden=[3, 4]) is nn
    assert (nn.eta, nn.n_hidden) == (0.5, [3, 4])
    assert nn.set_params() is nn
    defaults = NeuralNetMLP().get_params()
    assert nn.get_params(deep=False) == {**defaults, "eta": 0.5, "n_hidden": [3, 4]}


def test_set_params_with_an_unknown_name_sets_nothing():
    nn = NeuralNetMLP()
    with pytest.raises(ValueError, match=r"'depth'.*n_hidden, l2, epochs, eta"):
        nn.set_params(epochs=7, depth=0.1)
    assert nn.epochs == 100


def test_parameters_of_a_subclass():
    class Wider(NeuralNetMLP):
        def __init__(self, n_hidden=60, *, label="a"):
            super().__init__(n_hidden)
            self.label = label

    assert Wider(7, label="b").get_params() == {"n_hidden": 7, "label": "b"}
    assert repr(Wider(7)) == "Wider(n_hidden=7)"


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({}, "NeuralNetMLP()"),
        ({"eta": 0.001, "shuffle": True}, "NeuralNetMLP()"),
        ({"n_hidden": (5, 4), "seed": 0}, "NeuralNetMLP(n_hidden=(5, 4), seed=0)"),
        ({"n_hidden": np.array([5, 4])}, "NeuralNetMLP(n_hidden=array([5, 4]))"),
        ({"eta": float("nan")}, "NeuralNetMLP(eta=nan)"),
    ],
)
def test_repr_shows_what_differs_from_the_defaults(keywords, text):
    assert repr(NeuralNetMLP(**keywords)) == text


def test_fit_leaves_the_parameters_as_they_were_given(fitted):
    assert fitted.get_params() == NeuralNetMLP(**FAST, l2=0.01).get_params()


@pytest.mark.parametrize(
    "n_hidden", [12, (12,), [12], np.int64(12), np.array(12), np.array([12], np.uint8)]
)
def test_units_as_a_number_or_a_sequence(n_hidden, fitted):
    nn = NeuralNetMLP(**{**FAST, "n_hidden": n_hidden}, l2=0.01)
    nn.fit(X[:1000], Y[:1000])
    assert np.array_equal(nn.w_h, fitted.w_h)


# What is learned


def test_shapes_and_names(fitted):
    assert fitted.n_features_in_ == 64
    assert fitted.classes_.tolist() == list(range(10))
    assert fitted.n_iter_ == 3
    assert [w.shape for w in fitted.coefs_] == [(64, 12), (12, 10)]
    assert [b.shape for b in fitted.intercepts_] == [(12,), (10,)]
    for name, array in {
        "w_h": fitted.coefs_[0], "w_out": fitted.coefs_[-1],
        "b_h": fitted.intercepts_[0], "b_out": fitted.intercepts_[-1],
    }.items():  # fmt: skip
        assert np.array_equal(getattr(fitted, name), array)
    deep = NeuralNetMLP(**{**FAST, "n_hidden": (7, 6, 5)}).fit(X, Y)
    assert [w.shape for w in deep.coefs_] == [(64, 7), (7, 6), (6, 5), (5, 10)]
    assert deep.w_h.shape == (64, 7)
    assert deep.b_h.shape == (7,)
    assert deep.w_out.shape == (5, 10)


def test_fit_returns_itself(fitted):
    nn = NeuralNetMLP(**FAST)
    assert nn.fit(X[:50], Y[:50]) is nn


def test_history_is_plain_numbers(fitted):
    assert json.loads(json.dumps(fitted.eval_)) == fitted.eval_
    assert {name: len(figures) for name, figures in fitted.eval_.items()} == {
        "cost": 3, "train_acc": 3, "valid_acc": 3,
    }  # fmt: skip
    assert all(type(figure) is float for figures in fitted.eval_.values() for figure in figures)


def test_accuracies_are_those_of_score(fitted):
    assert fitted.eval_["train_acc"][-1] == fitted.score(X[:1000], Y[:1000])
    assert fitted.eval_["valid_acc"][-1] == fitted.score(X[1000:], Y[1000:])
    assert fitted.eval_["valid_acc"][-1] > 0.5  # it does learn: guessing is right in 0.1


def test_validation_rows_change_nothing_but_the_history(fitted):
    nn = NeuralNetMLP(**FAST, l2=0.01).fit(X[:1000], Y[:1000])
    assert nn.eval_ == {**fitted.eval_, "valid_acc": []}
    assert np.array_equal(nn.w_out, fitted.w_out)


def test_no_epochs_leave_the_starting_weights():
    nn = NeuralNetMLP(**{**FAST, "epochs": 0}).fit(X, Y)
    assert nn.n_iter_ == 0
    assert nn.eval_ == {"cost": [], "train_acc": [], "valid_acc": []}
    (w_h, b_h), (w_out, b_out) = oracle.initial((64, 12, 10), np.random.RandomState(1))
    for array, expected in zip(
        (nn.w_h, nn.b_h, nn.w_out, nn.b_out), (w_h, b_h, w_out, b_out), strict=True
    ):
        assert np.array_equal(array, expected.astype(np.float32))
    assert nn.predict(X[:5]).shape == (5,)


def test_without_a_seed_every_fit_is_another():
    nn = NeuralNetMLP(**{**FAST, "seed": None})
    first = nn.fit(X, Y).w_h.copy()
    assert not np.array_equal(nn.fit(X, Y).w_h, first)


def test_fit_neither_reads_nor_moves_numpys_own_generator():
    np.random.seed(5)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = NeuralNetMLP(**FAST).fit(X[:100], Y[:100])
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    np.random.seed(6)  # noqa: NPY002
    assert np.array_equal(NeuralNetMLP(**FAST).fit(X[:100], Y[:100]).w_h, first.w_h)


def test_a_second_fit_forgets_the_first():
    nn = NeuralNetMLP(**FAST)
    nn.fit(X[:100, :30], np.where(Y[:100] % 2, "odd", "even"), X[:9, :30], ["odd"] * 9)
    nn.fit(X[:500], Y[:500])
    again = NeuralNetMLP(**FAST).fit(X[:500], Y[:500])
    assert nn.eval_ == again.eval_
    assert np.array_equal(nn.w_h, again.w_h)
    assert nn.classes_.tolist() == list(range(10))
    assert nn.n_features_in_ == 64


def test_a_fit_that_is_refused_leaves_the_model(fitted):
    nn = copy.deepcopy(fitted)
    for arguments in ((X, Y[:3]), (X, Y, X, None), (X[:4], [1, 1, 1, 1])):
        with pytest.raises(ValueError, match=r"y_|class"):
            nn.fit(*arguments)
    with pytest.raises(ValueError, match="eta"):
        nn.set_params(eta=-1).fit(X, Y)
    assert nn.eval_ == fitted.eval_
    assert np.array_equal(nn.predict_proba(X), fitted.predict_proba(X))


def test_learned_arrays_cannot_be_written_to(fitted):
    for array in [*fitted.coefs_, *fitted.intercepts_, fitted.w_h, fitted.b_out]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_eval_every_leaves_out_figures_and_nothing_else(fitted):
    settings = {**FAST, "epochs": 7, "l2": 0.01}
    whole = NeuralNetMLP(**settings).fit(X, Y, X[:9], Y[:9])
    for every in (2, 3, 7, 100):
        nn = NeuralNetMLP(**settings, eval_every=every).fit(X, Y, X[:9], Y[:9])
        epochs = sorted({*range(every, 8, every), 7})
        for name, figures in whole.eval_.items():
            assert nn.eval_[name] == [figures[epoch - 1] for epoch in epochs]
        assert nn.n_iter_ == 7
        assert np.array_equal(nn.w_h, whole.w_h)


# Before fit


@pytest.mark.parametrize(
    "ask",
    [
        lambda nn: nn.predict(X),
        lambda nn: nn.predict(X[:1]),
        lambda nn: nn.predict_proba(X),
        lambda nn: nn.predict_log_proba(X),
        lambda nn: nn.to_sklearn(),
        lambda nn: nn.score(X, Y),
        lambda nn: nn.save("never.npz"),
        lambda nn: nn.coefs_,
        lambda nn: nn.intercepts_,
        lambda nn: nn.w_h,
        lambda nn: nn.b_h,
        lambda nn: nn.w_out,
        lambda nn: nn.b_out,
    ],
)
def test_what_is_learned_is_not_there_before_fit(ask):
    with pytest.raises(NotFittedError, match="this NeuralNetMLP is not fitted yet; call fit first"):
        ask(NeuralNetMLP())


def test_not_fitted_is_both_kinds_of_error_that_callers_look_for():
    assert issubclass(NotFittedError, ValueError)
    assert issubclass(NotFittedError, AttributeError)
    assert mlpcore.NotFittedError is NotFittedError
    for name in ("w_h", "coefs_", "classes_", "eval_", "n_iter_", "n_features_in_"):
        assert not hasattr(NeuralNetMLP(), name)


# Prediction


def test_probabilities(fitted):
    proba = fitted.predict_proba(X)
    assert proba.shape == (1797, 10)
    assert proba.dtype == np.float32
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    assert np.array_equal(fitted.classes_[proba.argmax(axis=1)], fitted.predict(X))
    layers = [
        (w.astype(float), b.astype(float))
        for w, b in zip(fitted.coefs_, fitted.intercepts_, strict=True)
    ]
    a = oracle.logistic(oracle.pre_activations(layers, X.astype(float))[-1])
    np.testing.assert_allclose(proba, a / a.sum(axis=1, keepdims=True), rtol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_where_every_unit_is_saturated(dtype):
    """Net inputs down to where the logistic function is clipped, and up to where it is 1."""
    nn = NeuralNetMLP(3, epochs=40, eta=30.0, minibatch_size=1, seed=0, dtype=dtype)
    nn.fit(X[:60], Y[:60])
    rows = X * 100
    proba = nn.predict_proba(rows)
    assert np.isfinite(proba).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)
    # No class is more probable than the predicted one.
    best = proba[np.arange(len(rows)), np.searchsorted(nn.classes_, nn.predict(rows))]
    assert np.array_equal(best, proba.max(axis=1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_where_no_class_is_likely(dtype, tmp_path):
    """Logistic units of exp(-90) and exp(-100), of which a float32 holds neither: in shares of
    their sum the first has 1 / (1 + exp(-10))."""
    NeuralNetMLP(2, epochs=0, dtype=dtype).fit(X, Y > 4).save(tmp_path / "a")
    arrays = mlpcore.load_npz(tmp_path / "a")
    arrays["coef_1"][:] = 0
    arrays["intercept_1"][:] = [-90, -100]
    mlpcore.save_npz(tmp_path / "b", **arrays)
    first, second = NeuralNetMLP.load(tmp_path / "b").predict_proba(X[:1])[0]
    np.testing.assert_allclose(first, 1 / (1 + np.exp(-10)), rtol=1e-6)
    np.testing.assert_allclose(second, 1 / (1 + np.exp(10)), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", [Y, np.array(list("abcdefghij"))[Y]], ids=["numbers", "text"])
def test_one_row_is_predicted_as_among_others(dtype, labels):
    """One row has a way of its own."""
    nn = NeuralNetMLP(**FAST, dtype=dtype).fit(X, labels)
    rows = X.astype(dtype)
    together = nn.predict(rows)
    alone = [nn.predict(row[None]) for row in rows]
    assert all(label.shape == (1,) and label.dtype == together.dtype for label in alone)
    assert np.array_equal(np.concatenate(alone), together)
    # Rows in any other form, too.
    for row in (rows[:1].tolist(), rows[:1].astype("f8"), rows[:1].astype("f4"),
                rows[::-1][-1:], np.asfortranarray(rows)[:1], rows[:1].astype(">f4")):  # fmt: skip
        assert nn.predict(row) == together[0]


def test_one_rows_label_is_a_copy(fitted):
    label = fitted.predict(X[:1])
    label[:] = 77
    assert 77 not in fitted.classes_


def test_predict_sees_a_new_fit():
    nn = NeuralNetMLP(**FAST)
    nn.fit(X[:300], Y[:300])
    nn.predict(X[:1])
    nn.fit(X[:300], 9 - Y[:300])
    assert [nn.predict(row[None])[0] for row in X[:300]] == nn.predict(X[:300]).tolist()
    assert nn.score(X[:300], 9 - Y[:300]) > nn.score(X[:300], Y[:300])


def test_score_is_the_share_of_right_predictions(fitted):
    predicted = fitted.predict(X)
    assert fitted.score(X, predicted) == 1
    assert fitted.score(X, predicted + 1) == 0
    wrong = predicted.copy()
    wrong[:599] += 1  # of 1797, a third
    assert fitted.score(X, wrong) == pytest.approx(2 / 3)
    assert type(fitted.score(X, wrong)) is float
    # Labels that fit never saw are never right.
    assert fitted.score(X, np.full(1797, 99)) == 0


# Class labels

LABELS = {
    "numbers from 0": [0, 1, 2],
    "other numbers": [-7, 1000, 2**40],
    "bytes": np.array([0, 7, 255], np.uint8),
    "floats": [-1.0, 2.0, 1e300],
    "text": ["cat", "dog", "äöü"],
    "NumPy's text": np.array(["cat", "dog", "zebra"]),
    "NumPy's bytes": np.array([b"x", b"yy", b"zzz"]),
    "objects": np.array(["a", "bb", "ccc"], object),
    "dates": np.array(["2000-01-01", "2010-01-01", "2020-01-01"], "M8[D]"),
    "complex numbers": [1 + 2j, 3 - 1j, 3 + 1j],
    "big numbers": [10**30, 10**31, 10**32],
    "a mixture of numbers": [1, 2.0, 3],
    "tuples": np.fromiter([(1, 2), (1, 3), (2, 0)], object),
    "tuples without order": np.fromiter([(1, "a"), ("a", 1), (2, 2)], object),
    "a mixture": [1, "one", 2j],
    "a mixture with tuples": [1, (1, 2), "x"],
    "sets, which have an order of their own": np.fromiter(
        [frozenset({1}), frozenset({2}), frozenset({1, 3})], object
    ),
}
# Classes of these have no order, or none that is promised.
UNSORTED = {
    "tuples",
    "tuples without order",
    "a mixture",
    "a mixture with tuples",
    "sets, which have an order of their own",
}


@pytest.mark.parametrize("kind", LABELS)
def test_class_labels_of_every_kind(kind):
    names = LABELS[kind]
    plain_list = names.tolist() if isinstance(names, np.ndarray) else names
    codes = 2 - Y[:200] % 3  # which appear as 2, 1, 0
    labels = names[codes] if isinstance(names, np.ndarray) else [names[code] for code in codes]
    settings = {**FAST, "epochs": 15}
    plain = NeuralNetMLP(**settings).fit(X[:200], codes, X[:50], codes[:50])
    nn = NeuralNetMLP(**settings).fit(X[:200], labels, X[:50], labels[:50])

    assert nn.classes_.shape == (3,)
    assert set(nn.classes_.tolist()) == set(plain_list)
    assert nn.eval_["valid_acc"][-1] == nn.score(X[:50], labels[:50])
    if kind not in UNSORTED:
        # Sorted classes take the places of 0, 1 and 2.
        assert nn.classes_.tolist() == plain_list
        assert nn.eval_ == plain.eval_
        assert nn.predict(X).tolist() == [nn.classes_.tolist()[i] for i in plain.predict(X)]
    assert nn.predict(X).dtype == nn.classes_.dtype
    assert set(nn.predict(X).tolist()) <= set(nn.classes_.tolist())
    assert nn.score(X[:200], labels) > 0.5


def test_labels_that_cannot_be_sorted_are_in_order_of_appearance():
    nn = NeuralNetMLP(**FAST).fit(X[:60], ["b", 1, 2j] * 20)
    assert nn.classes_.tolist() == ["b", 1, 2j]


def test_two_classes_of_truth_values():
    labels = Y[:200] > 4
    nn = NeuralNetMLP(**FAST).fit(X[:200], labels)
    assert nn.classes_.tolist() == [False, True]
    assert nn.predict(X).dtype == bool
    assert nn.predict_proba(X).shape == (1797, 2)
    assert NeuralNetMLP(**FAST).fit(X[:200], labels.tolist()).eval_ == nn.eval_


def test_order_of_rows_does_not_change_the_order_of_classes():
    for order in itertools.permutations([5, 3, 9]):
        nn = NeuralNetMLP(**{**FAST, "epochs": 0, "minibatch_size": 1}).fit(X[:3], order)
        assert nn.classes_.tolist() == [3, 5, 9]


def test_validation_rows_may_lack_classes(fitted):
    rows = np.flatnonzero(Y[1000:] == 3) + 1000
    nn = NeuralNetMLP(**FAST, l2=0.01).fit(X[:1000], Y[:1000], X[rows], Y[rows])
    assert np.array_equal(nn.w_h, fitted.w_h)
    assert nn.eval_["valid_acc"][-1] == np.mean(fitted.predict(X[rows]) == 3)


def test_validation_labels_of_another_kind_of_number():
    nn = NeuralNetMLP(**FAST).fit(X, Y, X[:50], Y[:50].astype(float))
    assert nn.eval_["valid_acc"][-1] == nn.score(X[:50], Y[:50])


# Callbacks


def test_a_callback_sees_every_epoch_and_the_model_as_it_is():
    seen = []

    def look(epoch, history):
        seen.append(epoch)
        assert history is nn.eval_
        assert len(history["cost"]) == epoch
        assert nn.n_iter_ == epoch
        assert nn.score(X[:500], Y[:500]) == history["train_acc"][-1]
        assert nn.predict(X[:1]) == nn.predict(X[:2])[0]

    nn = NeuralNetMLP(**FAST, callback=look)
    nn.fit(X[:500], Y[:500])
    assert seen == [1, 2, 3]
    assert nn.eval_ == NeuralNetMLP(**FAST).fit(X[:500], Y[:500]).eval_


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_callback_that_returns_true_stops(epoch):
    nn = NeuralNetMLP(**FAST, callback=lambda now, history: now == epoch).fit(X, Y, X, Y)
    whole = NeuralNetMLP(**{**FAST, "epochs": epoch}).fit(X, Y, X, Y)
    assert nn.n_iter_ == epoch
    assert nn.eval_ == whole.eval_
    assert np.array_equal(nn.w_h, whole.w_h)


def test_what_else_a_callback_returns_does_not_stop():
    for value in (None, False, 0):
        nn = NeuralNetMLP(**FAST, callback=lambda *_, value=value: value).fit(X[:99], Y[:99])
        assert nn.n_iter_ == 3


def test_history_starts_anew_for_each_fit():
    nn = NeuralNetMLP(**FAST).fit(X[:99], Y[:99])
    history = nn.eval_
    before = copy.deepcopy(history)
    nn.fit(X[:200], Y[:200])
    assert history == before
    assert nn.eval_ != before


# Data types


@pytest.mark.parametrize(
    ("data", "dtype", "network"),
    [
        ("f4", None, "f4"), ("f8", None, "f8"), ("f2", None, "f4"), ("f16", None, "f8"),
        ("?", None, "f4"), ("u1", None, "f4"), ("i1", None, "f4"), ("i2", None, "f4"),
        ("u2", None, "f4"), ("i4", None, "f8"), ("i8", None, "f8"), ("u8", None, "f8"),
        ("f8", np.float32, "f4"), ("f4", "float64", "f8"), ("i8", np.dtype("f4"), "f4"),
        ("u1", float, "f8"), ("f4", np.float32, "f4"), ("f8", np.float64, "f8"),
    ],
)  # fmt: skip
def test_dtype_of_the_network(data, dtype, network):
    rows = (X[:99] > 0).astype(data)
    nn = NeuralNetMLP(**FAST, dtype=dtype).fit(rows, Y[:99])
    assert {a.dtype for a in [*nn.coefs_, *nn.intercepts_, nn.predict_proba(rows)]} == {
        np.dtype(network)
    }
    # The same as in plain arrays of that type.
    plain = NeuralNetMLP(**FAST, dtype=network).fit(rows.astype(network), Y[:99])
    assert nn.eval_ == plain.eval_
    assert np.array_equal(nn.predict_proba(rows), plain.predict_proba(rows.astype(network)))


def test_float32_and_float64_learn_the_same():
    a, b = (NeuralNetMLP(**FAST, dtype=dtype).fit(X, Y) for dtype in ("float32", "float64"))
    assert a.eval_ != b.eval_
    np.testing.assert_allclose(a.eval_["cost"], b.eval_["cost"], rtol=1e-5)


def test_the_smallest_job():
    nn = NeuralNetMLP(1, epochs=1, seed=0).fit([[0.0], [1.0]], ["no", "yes"])
    assert nn.predict([[0.0]])[0] in ("no", "yes")
    assert nn.eval_["train_acc"][0] in (0, 0.5, 1)


# The package


def test_import_loads_neither_scikit_learn_nor_matplotlib(run_python):
    loaded = run_python("import mlpcore, sys; print(*sys.modules)").split()
    assert "mlpcore.neuralnet" in loaded
    heavy = {"sklearn", "matplotlib", "pandas", "tqdm", "pooch", "IPython"}
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)


def test_training_needs_neither_scikit_learn_nor_tqdm_nor_matplotlib(run_python):
    code = """
import sys
for name in ("sklearn", "tqdm", "matplotlib", "pooch"):
    sys.modules[name] = None  # as if it were not installed
from mlpcore import NeuralNetMLP, load_digits
X, y = load_digits()
nn = NeuralNetMLP(5, epochs=1, minibatch_size=50, progress=True).fit(X, y)
nn.save("model.npz")
print(NeuralNetMLP.load("model.npz").score(X, y) == nn.score(X, y))
"""
    assert run_python(code) == "True\n"


def test_public_names():
    for name in mlpcore.__all__:
        assert getattr(mlpcore, name).__doc__
    assert mlpcore.__all__ == sorted(mlpcore.__all__)

"""mlpcore.sklearn at home in the ecosystem: frames, copies, conversion, tools, threads, memory."""

import copy
import io
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
import scipy.sparse
import sklearn.neural_network as theirs
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from mlpcore._threads import available_threads
from mlpcore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_classification(120, 8, n_informative=6, n_classes=3, random_state=0)
NUMBERS = make_regression(120, 8, noise=3, random_state=0)[1]
FAST = {"hidden_layer_sizes": 6, "max_iter": 5, "random_state": 0, "learning_rate_init": 0.01}
BOTH = [(MLPClassifier, Y), (MLPRegressor, NUMBERS)]


def fitted(cls=MLPClassifier, y=Y, **settings):
    return cls(**{**FAST, **settings}).fit(X, y)


def probabilities(layers, rows):
    """Of a network with relu units and softmax outputs, from its weights."""
    (w_h, w_out), (b_h, b_out) = layers
    z = np.maximum(rows @ w_h + b_h, 0) @ w_out + b_out
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# The weights as attributes.


def test_weights_that_are_put_into_the_lists_count():
    clf = fitted()
    other = [part + 0.5 for part in clf.coefs_]
    clf.coefs_[1] = other[1]
    expected = probabilities(([clf.coefs_[0], other[1]], clf.intercepts_), X)
    np.testing.assert_allclose(clf.predict_proba(X), expected)
    assert np.array_equal(clf.predict(X), expected.argmax(axis=1))
    assert clf.predict(X[:1])[0] == expected[0].argmax()
    # They are still the caller's, and may change again.
    other[1][:] = -other[1]
    assert clf.coefs_[1] is other[1]
    expected = probabilities((clf.coefs_, clf.intercepts_), X)
    np.testing.assert_allclose(clf.predict_proba(X), expected)
    # Training goes on from them.
    start = clf.coefs_[1].copy()
    clf.partial_fit(X, Y)
    assert 0 < abs(clf.coefs_[1] - start).max() < 0.1


@pytest.mark.parametrize("shift", [0, 5])
def test_what_is_written_to_the_weights_counts(shift):
    """Also where a row has been predicted before, and for a first layer with a background."""
    rows = np.where(abs(X) < 2, 0.0, X) + shift  # so that most entries are one number
    clf = MLPClassifier(**FAST).fit(rows, Y)
    for change in (3.0, -2.0):
        clf.predict(rows[:1])
        clf.intercepts_[0][:] += change
        clf.coefs_[0][2:4] *= change
        expected = probabilities((clf.coefs_, clf.intercepts_), rows)
        np.testing.assert_allclose(clf.predict_proba(rows), expected, rtol=1e-6)
        single = [clf.predict(row[None])[0] for row in rows]
        assert single == expected.argmax(axis=1).tolist()


def test_new_lists_of_weights():
    clf = fitted()
    other = fitted(random_state=3)
    clf.coefs_, clf.intercepts_ = other.coefs_, other.intercepts_
    assert np.array_equal(clf.predict_proba(X), other.predict_proba(X))


def test_weights_that_do_not_fit_together():
    clf = fitted()
    clf.intercepts_[0] = np.zeros(3)
    with pytest.raises(ValueError, match=r"coefs_ and intercepts_ must fit together; got shapes"):
        clf.predict(X)


def test_a_new_fit_leaves_the_old_weights_alone():
    clf = fitted()
    old = clf.coefs_
    kept = [part.copy() for part in old]
    clf.fit(X[:50], Y[:50])
    assert all(map(np.array_equal, old, kept))
    assert clf.coefs_ is not old


# One row, the quick way.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [Y, Y > 0, np.array(["x", "y", "z"])[Y]])
def test_one_row_is_predicted_as_in_a_table(dtype, labels):
    rows = X.astype(dtype)
    clf = MLPClassifier(**FAST).fit(rows, labels)
    table = clf.predict(rows)
    assert [clf.predict(row[None])[0] for row in rows] == table.tolist()
    assert clf.predict(rows[:1]).dtype == table.dtype
    proba = np.concatenate([clf.predict_proba(row[None]) for row in rows])
    np.testing.assert_allclose(proba, clf.predict_proba(rows), rtol=1e-5)
    assert clf.predict(rows[:1].tolist()) == table[0]
    assert clf.predict(rows[:1].astype("f4" if dtype == np.float64 else "f8")) == table[0]


def test_one_row_of_numbers():
    for y in (NUMBERS, np.column_stack([NUMBERS, -NUMBERS])):
        reg = MLPRegressor(**FAST).fit(X, y)
        single = np.concatenate([reg.predict(row[None]) for row in X])
        np.testing.assert_allclose(single, reg.predict(X), rtol=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(("cls", "y"), BOTH)
def test_rows_that_are_not_finite(cls, y, bad):
    model = fitted(cls, y)
    for rows in (X[:1].copy(), X.copy()):
        rows[0, 3] = bad
        with pytest.raises(ValueError, match=r"contains (NaN|infinity)"):
            model.predict(rows)


def test_rows_whose_sum_is_not_finite():
    rows = np.full((1, 8), 1e308)
    clf = fitted()
    assert clf.predict(rows) in (0, 1, 2)
    assert clf.predict(np.vstack([rows, rows])).shape == (2,)


# Frames.


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_frames(library, early_stopping):
    frames = pytest.importorskip(library)
    if library == "polars":
        pytest.importorskip("sklearn", "1.9", reason="an older one does not see polars' names")
    names = [f"column {i}" for i in range(8)]
    if library == "pandas":
        table = frames.DataFrame(X, columns=names)
    else:
        table = frames.DataFrame(X, schema=names, orient="row")
    settings = {**FAST, "early_stopping": early_stopping, "scoring": "accuracy"}
    clf = MLPClassifier(**settings).fit(table, frames.Series(Y))
    assert clf.feature_names_in_.tolist() == names
    plain = MLPClassifier(**settings).fit(X, Y)
    assert np.array_equal(clf.predict_proba(table), plain.predict_proba(X))
    assert np.array_equal(clf.predict(table[:1]), plain.predict(X[:1]))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clf.predict(X[:1])
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(table[names[::-1]])
    with pytest.raises(ValueError, match="feature names should match"):
        clf.partial_fit(table[names[::-1]], Y)


def test_validation_rows_must_have_the_same_names():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X).add_prefix("c")
    with pytest.raises(ValueError, match="feature names should match"):
        MLPClassifier(**FAST).fit(table, Y, X_val=table.add_prefix("d"), y_val=Y)


# Copies.


def restored(model, how):
    if how == "pickle":
        return pickle.loads(pickle.dumps(model))
    if how == "deepcopy":
        return copy.deepcopy(model)
    if how == "copy":
        return copy.copy(model)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("how", ["pickle", "deepcopy", "copy", "joblib"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "lbfgs"])
@pytest.mark.parametrize(("cls", "y"), BOTH)
def test_copies_predict_the_same_and_train_on_in_the_same_way(cls, y, solver, how):
    model = fitted(cls, y, solver=solver)
    again = restored(model, how)
    assert np.array_equal(again.predict(X), model.predict(X))
    if solver == "lbfgs" or how == "copy":  # a shallow copy shares the optimiser
        return
    before = model.coefs_[0].copy()
    again.partial_fit(X[:50], y[:50])
    assert np.array_equal(model.coefs_[0], before)  # no memory is shared
    model.partial_fit(X[:50], y[:50])
    assert all(map(np.array_equal, again.coefs_ + again.intercepts_,
                   model.coefs_ + model.intercepts_))  # fmt: skip


@pytest.mark.parametrize(("cls", "y"), BOTH)
def test_copies_have_the_same_bits_for_rows_of_zeros(cls, y):
    """The zeros are skipped, in a copy as in the original."""
    rows = np.where(abs(X) < 2, 0, X)
    rows[:, ::2] = 0
    model = cls(**FAST).fit(rows, y)
    for how in ("pickle", "deepcopy", "copy"):
        assert np.array_equal(restored(model, how).predict(rows), model.predict(rows))
    assert restored(model, "pickle")._current().background == model._network.background == 0


@pytest.mark.parametrize(("cls", "y"), BOTH)
def test_clone(cls, y):
    model = fitted(cls, y, coefs_init=None, activation=["gelu"], dropout=[0.1])
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "coefs_")
    assert np.array_equal(again.fit(X, y).coefs_[0], model.coefs_[0])


def test_what_they_are():
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())
    for cls, other in ((MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)):
        assert get_tags(cls()) == get_tags(other())
        # What scikit-learn has comes first, in its order and with its defaults.
        mine, known = cls().get_params(), other().get_params()
        assert known.items() <= mine.items()
        assert repr(cls(alpha=0.5)) == repr(other(alpha=0.5))
    assert not hasattr(MLPClassifier(solver="lbfgs"), "partial_fit")


def test_positional_parameters_are_those_of_scikit_learn():
    assert MLPClassifier((3,), "tanh").get_params()["activation"] == "tanh"
    assert MLPRegressor("poisson", (3,), "tanh").get_params()["hidden_layer_sizes"] == (3,)
    for cls in (MLPClassifier, MLPRegressor):
        with pytest.raises(TypeError, match="positional"):
            cls("squared_error", (3,), "relu", "adam")


# Conversion.


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(
    ("name", "y"),
    [
        ("MLPClassifier", Y),
        ("MLPClassifier", np.array(["a", "b"])[Y // 2]),
        ("MLPClassifier", np.eye(3, dtype=int)[Y]),
        ("MLPRegressor", NUMBERS),
        ("MLPRegressor", np.column_stack([NUMBERS, NUMBERS])),
    ],
)
def test_conversion_both_ways(name, y, solver):
    cls = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    mine = fitted(cls, y, solver=solver)
    other = mine.to_sklearn()
    assert type(other) is getattr(theirs, name)
    back = cls.from_sklearn(other)
    assert type(back) is cls
    assert back.get_params() == mine.get_params()
    for model in (other, back):
        assert model.n_iter_ == mine.n_iter_
        np.testing.assert_allclose(model.predict_proba(X) if hasattr(model, "predict_proba")
                                   else model.predict(X),
                                   mine.predict_proba(X) if hasattr(mine, "predict_proba")
                                   else mine.predict(X), rtol=1e-6, atol=1e-12)  # fmt: skip
    if solver == "lbfgs":
        return
    # The optimisers' states went along, and no memory is shared.
    assert back.loss_curve_ == mine.loss_curve_ == other.loss_curve_
    for model in (mine, other, back):
        model.partial_fit(X, y)
        model.partial_fit(X[:40], y[:40])
    assert np.array_equal(back.coefs_[0], mine.coefs_[0])
    np.testing.assert_allclose(other.coefs_[0], mine.coefs_[0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("cls", "y"), BOTH)
def test_conversion_in_a_pipeline(cls, y):
    """The last step is replaced, for tools that know scikit-learn's own classes only."""
    pipe = make_pipeline(StandardScaler(), cls(**FAST)).fit(X, y)
    methods = ["predict", *(["predict_proba"] if cls is MLPClassifier else [])]
    expected = [getattr(pipe, method)(X) for method in methods]
    name, model = pipe.steps[-1]
    pipe.steps[-1] = (name, model.to_sklearn())
    assert all(type(step).__module__.startswith("sklearn.") for _, step in pipe.steps)
    for method, values in zip(methods, expected, strict=True):
        np.testing.assert_allclose(getattr(pipe, method)(X), values, rtol=1e-6)


def test_conversion_of_theirs():
    other = theirs.MLPClassifier(**FAST).fit(X, Y)
    mine = MLPClassifier.from_sklearn(other)
    np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), rtol=1e-9)
    kept = other.coefs_[0].copy()
    mine.coefs_[0][:] = 0
    assert np.array_equal(other.coefs_[0], kept)


def test_conversion_copies_the_random_state():
    mine = MLPClassifier(random_state=np.random.RandomState(3))
    other = mine.to_sklearn()
    assert other.random_state.randint(10**6) == mine.random_state.randint(10**6)


def test_conversion_before_fit():
    assert MLPClassifier(alpha=0.3).to_sklearn().alpha == 0.3
    assert not hasattr(MLPRegressor().to_sklearn(), "coefs_")
    mine = MLPRegressor.from_sklearn(theirs.MLPRegressor(max_iter=7))
    assert mine.max_iter == 7
    assert not hasattr(mine, "coefs_")


def test_conversion_that_would_change_predictions():
    for settings in ({"activation": "gelu"}, {"activation": ["relu", "tanh"]}):
        clf = MLPClassifier((4, 3), **settings)
        with pytest.raises(ValueError, match="has no activation="):
            clf.to_sklearn()
    with pytest.raises(ValueError, match="has no loss='huber'"):
        MLPRegressor("huber").to_sklearn()
    clf = fitted(out_activation="logistic")
    with pytest.raises(ValueError, match="has no out_activation='logistic'"):
        clf.to_sklearn()


def test_conversion_leaves_out_what_matters_in_training_only():
    mine = fitted(
        solver="adamw",
        learning_rate="cosine",
        dropout=0.2,
        activation=["tanh"],
        class_weight={1: 2},
    )
    other = mine.to_sklearn()
    assert (other.solver, other.learning_rate, other.activation) == ("adam", "constant", "tanh")
    np.testing.assert_allclose(other.predict_proba(X), mine.predict_proba(X), rtol=1e-9)


def test_conversion_of_something_else():
    with pytest.raises(TypeError, match=r"takes a sklearn.neural_network.MLPClassifier; got MLPR"):
        MLPClassifier.from_sklearn(theirs.MLPRegressor())


def test_conversion_of_derived_classes():
    class Mine(MLPClassifier):
        pass

    mine = Mine(**FAST).fit(X, Y)
    assert type(mine.to_sklearn()) is theirs.MLPClassifier
    assert type(Mine.from_sklearn(mine.to_sklearn())) is Mine


# Warm starts with other settings, where scikit-learn's own fail.


@pytest.mark.parametrize(
    "changes",
    [
        [{"early_stopping": True}, {"early_stopping": False}],
        [{"early_stopping": False}, {"early_stopping": True}],
        [{"solver": "lbfgs"}, {"solver": "adam"}],
        [{"solver": "adam"}, {"solver": "lbfgs"}, {"solver": "sgd", "early_stopping": True}],
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_warm_start_with_other_settings(changes, dtype):
    clf = MLPClassifier(**FAST, warm_start=True)
    losses = []
    for settings in changes:
        clf.set_params(**settings).fit(X.astype(dtype), Y)
        losses.append(clf.loss_)
        if clf.solver != "lbfgs":
            recorded = clf.validation_scores_ if clf.early_stopping else clf.loss_curve_
            assert len(recorded) >= clf.n_iter_
            assert (clf.best_loss_ is None) == clf.early_stopping
            assert (clf.validation_scores_ is None) != clf.early_stopping
    assert losses[-1] < losses[0]


def test_warm_start_with_another_activation():
    """The weights go on under the new one, as in scikit-learn."""
    found = []
    for kind in (theirs.MLPClassifier, MLPClassifier):
        model = kind(**FAST, warm_start=True).fit(X, Y)
        found.append(model.set_params(activation="tanh").fit(X, Y).predict_proba(X))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-7)


# Tools and threads.


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sparse", [False, True])
def test_threads_change_no_bit(solver, dtype, sparse):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 60)).astype(dtype)
    if sparse:
        rows = scipy.sparse.csr_matrix(np.where(rows > 1, rows, 0))
    y = rng.integers(0, 4, 500)
    models = [
        MLPClassifier((70, 40), solver=solver, random_state=0, max_iter=4, n_threads=n).fit(rows, y)
        for n in (1, 2, 3)
    ]
    for model in models[1:]:
        assert all(map(np.array_equal, model.coefs_, models[0].coefs_))
        assert model.loss_ == models[0].loss_
        assert np.array_equal(model.predict_proba(rows), models[0].predict_proba(rows))


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_grid_search_in_parallel(backend):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**FAST))
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__solver": ["adam", "lbfgs"]}
    one = GridSearchCV(pipe, grid, cv=2).fit(X, Y)
    with joblib.parallel_config(backend, n_jobs=2):
        two = GridSearchCV(pipe, grid, cv=2).fit(X, Y)
    found = [s.cv_results_["mean_test_score"].tolist() for s in (one, two)]
    assert found[0] == found[1]
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))


def test_predictions_in_several_threads_at_once():
    clf = pickle.loads(pickle.dumps(fitted()))  # so that the network is yet to be made
    expected = fitted().predict_proba(X)
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda _: clf.predict_proba(X), range(40)))
        rows = list(pool.map(lambda i: clf.predict_proba(X[i : i + 1])[0], range(len(X))))
    assert all(np.array_equal(table, expected) for table in tables)
    np.testing.assert_allclose(rows, expected, rtol=1e-12)


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_parallel_fits_share_the_cores(backend):
    cores = available_threads()
    jobs = 2
    with joblib.parallel_config(backend, n_jobs=jobs):
        each = joblib.Parallel()(joblib.delayed(available_threads)() for _ in range(4))
    assert len(each) == 4
    assert all(1 <= threads <= max(1, cores // jobs) for threads in each)


def test_the_threads_that_worked_can_be_read():
    """Too little work for a second thread, and enough for several."""
    small = MLPClassifier(**FAST, n_threads=3).fit(X[:20], Y[:20])
    assert small.n_threads_ == 1
    rows = np.random.default_rng(0).normal(size=(3000, 40))
    for solver in ("adam", "lbfgs"):
        clf = MLPRegressor(hidden_layer_sizes=(200, 200), max_iter=2, solver=solver, n_threads=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.fit(rows, rows[:, 0])
        assert clf.n_threads_ in (1, 2)


def test_cross_validation_with_sparse_rows():
    rows = scipy.sparse.csc_matrix(np.where(abs(X) > 1, X, 0))
    found = cross_val_score(MLPClassifier(**FAST), rows, Y, cv=3)
    assert found.tolist() == cross_val_score(MLPClassifier(**FAST), rows.tocsr(), Y, cv=3).tolist()


# Sparse rows.


def test_sparse_rows_take_memory_for_entries_and_weights_only(run_python):
    """Rows as of 20 newsgroups: as a dense table they would take 5.7 GB, a minibatch 0.5 GB."""
    found = run_python(
        """
import resource, sys, warnings
import numpy as np
from scipy.sparse import csr_matrix
from mlpcore.sklearn import MLPClassifier

def peak():
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * (1 if sys.platform == "darwin" else 1024)

warnings.simplefilter("ignore")  # two epochs do not converge

n, d, per_row, hidden = 11_000, 130_000, 130, 16
rng = np.random.default_rng(0)
index = (np.arange(0, d, d // per_row) + rng.integers(0, d // per_row, (n, per_row))).astype("i4")
rows = csr_matrix(
    (rng.random(n * per_row, "f4"), index.ravel(), np.arange(n + 1) * per_row), shape=(n, d)
)
y = (index[:, 0] > 500).astype(int)
settings = {"random_state": 0, "batch_size": 1000, "n_threads": 1}
MLPClassifier(hidden, max_iter=1, **settings).fit(rows[:2000, :50], y[:2000])  # what is loaded late
before = peak()
clf = MLPClassifier(hidden, max_iter=2, **settings).fit(rows, y)
assert clf.predict(rows).shape == (n,)
assert clf.coefs_[0].dtype == "f4" and np.isfinite(clf.loss_curve_).all()
print(peak() - before, rows.data.nbytes + rows.indices.nbytes, 4 * d * hidden)
""".replace("import resource", "import warnings; warnings.simplefilter('ignore')\nimport resource")
    )
    more, entries, weights = map(int, found.split())
    # Entries: their indices in the engine's type, and what scikit-learn makes while it looks for
    # NaN. Weights: themselves, two vectors of Adam's, and draws in float64.
    assert more < 3 * entries + 8 * weights + 20e6


def test_sparse_rows_in_disorder():
    """Duplicates count as their sum, and the caller's matrix stays as it is."""
    rows = scipy.sparse.csr_matrix(np.where(abs(X) > 1, X, 0))
    twice = scipy.sparse.csr_matrix(
        (
            np.repeat(rows.data / 2, 2),
            np.repeat(rows.indices, 2),
            rows.indptr * 2,
        ),
        shape=rows.shape,
    )
    kept = twice.copy()
    a, b = (MLPClassifier(**FAST).fit(matrix, Y) for matrix in (rows, twice))
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-12)
    assert (twice.data == kept.data).all()
    np.testing.assert_allclose(a.predict_proba(twice), a.predict_proba(rows), rtol=1e-12)


def test_sparse_rows_that_lie():
    """About where their entries are, after SciPy has looked at them once."""
    rows = scipy.sparse.csr_matrix(np.where(abs(X) > 1, X, 0))
    clf = MLPClassifier(**FAST).fit(rows, Y)
    assert rows.has_canonical_format
    rows.indices[5] = 100
    for call in (clf.fit, clf.partial_fit, lambda rows, _: clf.predict(rows)):
        with pytest.raises(ValueError, match="not a correct sparse matrix"):
            call(rows, Y)


def test_rows_out_of_line_in_memory():
    packed = np.zeros(len(X), dtype=[("flag", "i1"), ("row", "f8", 8)])
    packed["row"] = X
    assert not packed["row"].flags.aligned
    clf = MLPClassifier(**FAST).fit(packed["row"], Y)
    expected = fitted().predict_proba(X)
    assert np.array_equal(clf.predict_proba(packed["row"]), expected)
    np.testing.assert_allclose(clf.predict_proba(packed["row"][:1]), expected[:1], rtol=1e-12)


def test_column_order_and_strides_do_not_matter():
    expected = fitted().predict_proba(X)
    for rows in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], np.repeat(X, 2, 0)[::2]):
        clf = MLPClassifier(**FAST).fit(rows, Y)
        assert np.array_equal(clf.predict_proba(rows), expected)


def test_interrupted_training_leaves_a_model(monkeypatch):
    import mlpcore.sklearn._solvers as solvers

    class Interrupted(solvers.Trainer):
        epochs = 0

        def epoch(self, *args):
            self.epochs += 1
            if self.epochs == 3:
                raise KeyboardInterrupt
            return super().epoch(*args)

    monkeypatch.setattr(solvers, "Trainer", Interrupted)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clf = fitted()
    assert clf.n_iter_ == 2
    assert len(clf.loss_curve_) == 2
    assert np.isfinite(clf.predict_proba(X)).all()


def test_a_warning_points_at_the_callers_line():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPClassifier(3, max_iter=1, batch_size=500).fit(X, Y)
    assert [warning.filename for warning in caught] == [__file__, __file__]

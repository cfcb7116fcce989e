"""mlpcore.sklearn trains the networks that scikit-learn trains: curves, weights, predictions."""

import numpy as np
import pytest

pytest.importorskip(
    "sklearn", minversion="1.9", reason="the classes to compare with are scikit-learn 1.9's"
)

import sklearn.neural_network as theirs
from scipy.sparse import csc_matrix, csr_array, csr_matrix
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    make_classification,
    make_multilabel_classification,
    make_regression,
)

import mlpcore.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 83
SOLVERS = {
    "plain": {"solver": "sgd", "momentum": 0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd", "momentum": 0.8},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "n_iter_no_change": 1},
    "adam": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6},
    "lbfgs": {"solver": "lbfgs"},
}
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]


def classes(n):
    X, y = make_classification(
        N, 9, n_informative=6, n_classes=n, class_sep=0.7, flip_y=0.1, random_state=3
    )
    return "MLPClassifier", X, y


def labels():
    X, y = make_multilabel_classification(N, 9, n_classes=4, random_state=3)
    return "MLPClassifier", (X - X.mean(axis=0)) / 3, y


def numbers(targets, **settings):
    X, y = make_regression(N, 9, n_informative=5, n_targets=targets, noise=5, random_state=3)
    y = y / y.std()
    if settings:
        y = np.random.default_rng(3).poisson(np.exp(y)).astype(float)
    return "MLPRegressor", X, y, settings


TASKS = {
    "binary": classes(2),
    "multiclass": classes(4),
    "multilabel": labels(),
    "one number": numbers(1),
    "three numbers": numbers(3),
    "counts": numbers(1, loss="poisson", learning_rate_init=0.002),
    "two counts": numbers(2, loss="poisson", learning_rate_init=0.002),
}


def fit_once(model, X, y, **about):
    return model.fit(X, y, **about)


def both(task, X=None, sample_weight=None, fit=fit_once, **settings):
    """Their model and ours, fitted in the same way."""
    name, X0, y, *more = TASKS[task]
    X = X0 if X is None else X
    settings = {
        "hidden_layer_sizes": (7, 5),
        "batch_size": 20,
        "max_iter": 6,
        "learning_rate_init": 0.02,
        "alpha": 0.05,
        "random_state": 5,
        **(more[0] if more else {}),
        **settings,
    }
    about = {} if sample_weight is None else {"sample_weight": sample_weight}
    return [fit(getattr(module, name)(**settings), X, y, **about) for module in (theirs, ours)]


def same(a, b, X, rtol=1e-6):
    """Assert that two fitted models are one network, to rounding."""
    assert a.n_iter_ == b.n_iter_
    assert a.t_ == b.t_
    assert a.n_layers_ == b.n_layers_
    assert a.n_outputs_ == b.n_outputs_
    assert a.out_activation_ == b.out_activation_
    np.testing.assert_allclose(b.loss_, a.loss_, rtol)
    if hasattr(a, "loss_curve_"):
        np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, rtol)
        assert a._no_improvement_count == b._no_improvement_count
        assert b._optimizer.learning_rate == pytest.approx(a._optimizer.learning_rate, rel=1e-12)
    if getattr(a, "best_loss_", None) is not None:
        assert b.best_loss_ == pytest.approx(a.best_loss_, rel=rtol)
    scale = max(abs(part).max() for part in a.coefs_)
    for mine, other in zip(b.coefs_ + b.intercepts_, a.coefs_ + a.intercepts_, strict=True):
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=0, atol=100 * rtol * scale)
    if hasattr(a, "predict_proba"):
        proba = b.predict_proba(X)
        np.testing.assert_allclose(proba, a.predict_proba(X), rtol=0, atol=100 * rtol)
        np.testing.assert_allclose(b.predict_log_proba(X), np.log(proba))
        assert np.mean(a.predict(X) == b.predict(X)) > 0.99
        assert a.predict(X).dtype == b.predict(X).dtype
    else:
        guess = a.predict(X)
        np.testing.assert_allclose(b.predict(X), guess, rtol=0, atol=100 * rtol * abs(guess).max())
        assert guess.dtype == b.predict(X).dtype


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", TASKS)
def test_same_network(task, solver, activation):
    a, b = both(task, activation=activation, **SOLVERS[solver])
    assert np.isfinite(a.loss_)
    same(a, b, TASKS[task][1])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("task", TASKS)
def test_same_network_in_float32(task, solver):
    X = TASKS[task][1].astype(np.float32)
    a, b = both(task, X, activation="tanh", **SOLVERS[solver])
    # scikit-learn's L-BFGS ends up in float64 all the same, and on the same rows.
    same(a, b, X, rtol=1e-6 if solver == "lbfgs" else 2e-5)


@pytest.mark.parametrize("solver", ["nesterov", "adam", "lbfgs"])
@pytest.mark.parametrize("task", TASKS)
def test_same_network_with_sample_weights(task, solver):
    weight = np.random.default_rng(1).uniform(0.1, 3, N)
    a, b = both(task, sample_weight=weight, **SOLVERS[solver])
    same(a, b, TASKS[task][1])
    plain = both(task, **SOLVERS[solver])[1]
    assert abs(plain.coefs_[0] - b.coefs_[0]).max() > 1e-4


@pytest.mark.parametrize("hidden", [(), 3, (4,), (6, 5, 4, 3)])
@pytest.mark.parametrize("task", ["binary", "multiclass", "three numbers"])
def test_same_network_of_any_depth(task, hidden):
    a, b = both(task, hidden_layer_sizes=hidden)
    same(a, b, TASKS[task][1])


@pytest.mark.parametrize("batch", ["auto", 1, N - 1, N])
@pytest.mark.parametrize("shuffle", [True, False])
def test_same_network_for_any_minibatch(batch, shuffle):
    a, b = both("multiclass", batch_size=batch, shuffle=shuffle)
    same(a, b, TASKS["multiclass"][1])


def test_minibatch_larger_than_the_data_warns_as_theirs():
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        a, b = both("binary", batch_size=N + 1)
    same(a, b, TASKS["binary"][1])


@pytest.mark.parametrize("kind", [csr_matrix, csc_matrix, csr_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_same_network_from_sparse_rows(kind, dtype, solver):
    X = TASKS["multiclass"][1].astype(dtype)
    X[abs(X) < 0.8] = 0
    a, b = both("multiclass", kind(X), **SOLVERS[solver])
    same(a, b, kind(X), rtol=1e-6 if dtype == np.float64 or solver == "lbfgs" else 2e-5)
    np.testing.assert_allclose(b.predict_proba(X), b.predict_proba(kind(X)), rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("task", TASKS)
def test_same_early_stopping(task, weighted):
    """The same rows are held out, stopping comes in the same epoch, the best weights are kept."""
    weight = np.random.default_rng(1).uniform(0.1, 3, N) if weighted else None
    a, b = both(
        task,
        sample_weight=weight,
        early_stopping=True,
        validation_fraction=0.25,
        n_iter_no_change=3,
        tol=0.01,
        max_iter=100,
    )
    assert a.n_iter_ < 100  # or else nothing has stopped
    np.testing.assert_allclose(b.validation_scores_, a.validation_scores_, 1e-6)
    assert b.best_validation_score_ == pytest.approx(a.best_validation_score_, rel=1e-6)
    assert b.best_loss_ is None
    same(a, b, TASKS[task][1])


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_warm_start(solver):
    def twice(model, X, y):
        return model.fit(X, y).set_params(max_iter=4, alpha=0.2).fit(X, y)

    a, b = both("multiclass", fit=twice, warm_start=True, **SOLVERS[solver])
    same(a, b, TASKS["multiclass"][1])


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "lbfgs"])
@pytest.mark.parametrize("task", TASKS)
def test_same_partial_fit(task, solver):
    """Momentum and its like go on from call to call, whatever rows come."""

    def piecewise(model, X, y):
        classes = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
        more = {"classes": classes} if hasattr(model, "predict_proba") else {}
        for rows in (slice(0, 40), slice(20, 83), slice(0, 30)):
            model.partial_fit(X[rows], y[rows], **more)
        return model

    a, b = both(task, fit=piecewise, **SOLVERS[solver])
    same(a, b, TASKS[task][1])


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_same_partial_fit_after_fit(solver):
    def further(model, X, y):
        model.fit(X, y)
        for _ in range(3):
            model.partial_fit(X[:50], y[:50], np.linspace(0.5, 2, 50))
        return model

    a, b = both("multiclass", fit=further, solver=solver)
    same(a, b, TASKS["multiclass"][1])


@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c", "d"]])
def test_same_labels(names):
    X, y = TASKS["binary" if len(names) == 2 else "multiclass"][1:]
    for kind in (object, str):
        text = np.array(names, kind)[y]
        a, b = (
            module.MLPClassifier(5, max_iter=5, random_state=1, early_stopping=True).fit(X, text)
            for module in (theirs, ours)
        )
        assert np.array_equal(a.predict(X), b.predict(X))
        assert a.predict(X).dtype == b.predict(X).dtype
        assert np.array_equal(a.classes_, b.classes_)
        assert a.score(X, text) == b.score(X, text)


def test_one_class_only():
    X = TASKS["binary"][1]
    a, b = (
        module.MLPClassifier(5, max_iter=5, random_state=1).fit(X, ["only"] * N)
        for module in (theirs, ours)
    )
    assert np.array_equal(a.predict(X), b.predict(X))
    assert set(b.predict(X)) == {"only"}


def test_sparse_labels():
    _, X, y = TASKS["multilabel"]
    a, b = (
        module.MLPClassifier(5, max_iter=5, random_state=1, early_stopping=True).fit(
            X, csr_matrix(y)
        )
        for module in (theirs, ours)
    )
    np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, 1e-6)
    assert (a.predict(X) != b.predict(X)).nnz == 0


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_same_network_on_real_tables(solver):
    for load in (load_digits, load_breast_cancer):
        X, y = load(return_X_y=True)
        X = (X - X.mean(axis=0)) / (X.std(axis=0) + 1e-3)
        a, b = (
            module.MLPClassifier(
                solver=solver, max_iter=12, random_state=0, learning_rate_init=0.01
            ).fit(X, y)
            for module in (theirs, ours)
        )
        if solver != "lbfgs":
            np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, 1e-6)
        np.testing.assert_allclose(b.loss_, a.loss_, 1e-6)
        assert a.score(X, y) == b.score(X, y)


def printed(module, capsys, **settings):
    module.MLPClassifier(3, verbose=True, random_state=1, **settings).fit(*TASKS["binary"][1:])
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "settings",
    [
        {"max_iter": 2},
        {"tol": 1.0, "n_iter_no_change": 2},
        {"early_stopping": True, "n_iter_no_change": 2},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1},
    ],
)
def test_same_lines_are_printed(settings, capsys):
    assert printed(ours, capsys, **settings) == printed(theirs, capsys, **settings)


def wrong(module, call):
    """Type and text of the exception."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(module)
    return type(caught.value).__name__, str(caught.value)


X, Y = TASKS["binary"][1:]
MISTAKES = {
    "units": lambda m: m.MLPClassifier((5, 0)).fit(X, Y),
    "negative units": lambda m: m.MLPClassifier([-1]).fit(X, Y),
    "alpha": lambda m: m.MLPClassifier(alpha=-1).fit(X, Y),
    "beta": lambda m: m.MLPRegressor(beta_1=1.0).fit(X, Y),
    "max_iter": lambda m: m.MLPRegressor(max_iter=0).fit(X, Y),
    "momentum": lambda m: m.MLPRegressor(momentum=2).fit(X, Y),
    "shuffle": lambda m: m.MLPRegressor(shuffle="yes").fit(X, Y),
    "no such parameter": lambda m: m.MLPRegressor().set_params(eta=1),
    "NaN": lambda m: m.MLPClassifier().fit(np.full((4, 2), np.nan), [0, 1, 0, 1]),
    "lengths": lambda m: m.MLPClassifier().fit(X, Y[1:]),
    "weights": lambda m: m.MLPClassifier().fit(X, Y, sample_weight=[1, 2]),
    "numbers for classes": lambda m: m.MLPClassifier().fit(X, X[:, 0]),
    "not fitted": lambda m: m.MLPClassifier().predict(X),
    "columns": lambda m: m.MLPClassifier(2, max_iter=2).fit(X, Y).predict(X[:, 1:]),
    "one row": lambda m: m.MLPClassifier(2, max_iter=2).fit(X, Y).predict(X[0]),
    "infinite row": lambda m: m.MLPClassifier(2, max_iter=2).fit(X, Y).predict(X[:1] / 0.0),
    "classes first": lambda m: m.MLPClassifier().partial_fit(X, Y),
    "new class": lambda m: m.MLPClassifier(2).partial_fit(X, Y, classes=[0, 1]).partial_fit(
        X, Y + 1
    ),
    "stopping in parts": lambda m: m.MLPRegressor(early_stopping=True).partial_fit(X, Y),
    "held out": lambda m: m.MLPRegressor(early_stopping=True).fit(X[:3], Y[:3]),
    "classes of a warm start": lambda m: m.MLPClassifier(2, warm_start=True, max_iter=2)
    .fit(X, Y)
    .fit(X, Y + 1),
    "huge numbers": lambda m: m.MLPRegressor(solver="sgd").fit(1e305 * X, Y),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_same_complaints(mistake):
    kind, text = wrong(theirs, MISTAKES[mistake])
    kind_here, text_here = wrong(ours, MISTAKES[mistake])
    assert kind_here == kind
    if mistake == "no such parameter":  # of which a list follows, longer here
        text, text_here = (full.partition("[")[0] for full in (text, text_here))
    assert text_here == text

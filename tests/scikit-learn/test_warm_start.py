"""mlpcore.sklearn fit after fit: what a later fit goes by, and sequences beside scikit-learn's own.

Where scikit-learn compares one fit with another, or stumbles over what another solver has left, its
private attributes are set before the fit to what the fit needs (`prepare`). All else is its own.
"""

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
from cases import weights
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import get_scorer

import mlpcore.sklearn as ours
from mlpcore.sklearn import MLPClassifier, MLPRegressor, _solvers

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*iprint.*:DeprecationWarning"),  # of older scikit-learn
]

N = 90
CLASSES = make_classification(N, 8, n_informative=6, n_classes=3, class_sep=0.7, random_state=3)
LABELS = make_multilabel_classification(N, 8, n_classes=4, random_state=3)
NUMBERS = make_regression(N, 8, noise=5, random_state=3)
TASKS = {
    "binary": ("MLPClassifier", CLASSES[0], (CLASSES[1] > 0).astype(int)),
    "multiclass": ("MLPClassifier", *CLASSES),
    "multilabel": ("MLPClassifier", (LABELS[0] - LABELS[0].mean(axis=0)) / 3, LABELS[1]),
    "numbers": ("MLPRegressor", NUMBERS[0], NUMBERS[1] / NUMBERS[1].std()),
}


# Early stopping of a fit goes by this fit alone.

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 300, 5))
FIRST, SECOND = A[:, 0] + 0.1, B[:, 1] + 0.1  # by another rule
STOPPING = {
    "hidden_layer_sizes": (20,),
    "early_stopping": True,
    "warm_start": True,
    "max_iter": 40,
    "learning_rate_init": 0.02,
    "random_state": 0,
    "n_iter_no_change": 1000,
}


def targets(cls):
    return [part > 0 if cls is MLPClassifier else part for part in (FIRST, SECOND)]


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("own", [False, True])
def test_best_weights_are_those_of_the_last_fit(cls, own):
    y_a, y_b = targets(cls)
    validation = [
        {"X_val": X[:50], "y_val": y[:50]} if own else {} for X, y in ((A, y_a), (B, y_b))
    ]
    model = cls(**STOPPING).fit(A[50:], y_a[50:], **validation[0])
    assert model.best_validation_score_ == max(model.validation_scores_)
    first = model.validation_scores_.copy()
    model.fit(B[50:], y_b[50:], **validation[1])
    assert model.validation_scores_[:40] == first
    assert model.best_validation_score_ == max(model.validation_scores_[40:])
    assert len(model.validation_scores_) == len(model.loss_curve_) == 80
    assert model.score(B[50:], y_b[50:]) > 0.9
    if own:
        assert model.score(B[:50], y_b[:50]) == model.best_validation_score_


def test_another_measure_in_the_second_fit():
    """A negative log loss is below any accuracy; the best of them still counts."""
    clf = MLPClassifier(**STOPPING).fit(A, FIRST > 0)
    clf.set_params(scoring="neg_log_loss").fit(B, SECOND > 0, X_val=A[:50], y_val=FIRST[:50] > 0)
    assert clf.best_validation_score_ == max(clf.validation_scores_[40:]) < 0
    found = get_scorer("neg_log_loss")(clf, A[:50], FIRST[:50] > 0)
    assert found == pytest.approx(clf.best_validation_score_)


def test_a_fit_after_one_that_has_stopped():
    """It may take as many epochs as the first one, when the rule has changed."""
    clf = MLPClassifier(**STOPPING | {"n_iter_no_change": 3, "max_iter": 200}).fit(A, FIRST > 0)
    assert 4 < clf.n_iter_ < 200
    clf.fit(B, SECOND > 0)
    assert clf.n_iter_ > 4
    assert clf.score(B, SECOND > 0) > 0.9


def test_a_fit_without_early_stopping_goes_on_counting_as_in_scikit_learn():
    """It ends after an epoch unless the loss falls. A new best loss starts the count again."""
    settings = STOPPING | {"early_stopping": False, "n_iter_no_change": 2, "tol": 0.02}
    found = []
    for module in (theirs, ours):
        clf = module.MLPClassifier(**settings).fit(A, FIRST > 0)
        epochs = [clf.n_iter_]
        epochs.append(clf.fit(B, SECOND > 0).n_iter_)
        clf.best_loss_ = np.inf
        epochs.append(clf.fit(B, SECOND > 0).n_iter_)
        found.append(epochs)
    assert found[0] == found[1]
    assert found[1][0] > 3
    assert found[1][1] == 1
    assert found[1][2] > 3


def interrupt_in(monkeypatch, epoch):
    class Interrupted(_solvers.Trainer):
        done = 0

        def epoch(self, *args):
            self.done += 1
            if self.done == epoch:
                super().epoch(*args)  # whose weights do not count
                raise KeyboardInterrupt
            return super().epoch(*args)

    monkeypatch.setattr(_solvers, "Trainer", Interrupted)


@pytest.mark.parametrize("epoch", [1, 7])
def test_interrupt_in_the_second_fit(monkeypatch, epoch):
    """The best weights of the second fit so far, or before its first score those it began with."""
    clf = MLPClassifier(**STOPPING).fit(A, FIRST > 0)
    other = pickle.loads(pickle.dumps(clf))
    if epoch > 1:
        other.set_params(max_iter=epoch - 1).fit(B, SECOND > 0)
    interrupt_in(monkeypatch, epoch)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clf.fit(B, SECOND > 0)
    assert clf.n_iter_ == epoch - 1
    assert np.array_equal(weights(clf), weights(other))
    assert clf.best_validation_score_ == (-np.inf if epoch == 1 else other.best_validation_score_)


def test_interrupt_before_the_first_score_of_all():
    def scorer(model, rows, y):
        raise KeyboardInterrupt

    clf = MLPClassifier(**STOPPING, scoring=scorer)
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        clf.fit(A, FIRST > 0)
    start = MLPClassifier(**STOPPING | {"learning_rate_init": 1e-300, "max_iter": 1, "alpha": 0})
    assert np.array_equal(weights(clf), weights(start.fit(A, FIRST > 0)))
    assert clf.validation_scores_ == []


def test_a_model_without_progress_goes_on_in_scikit_learn():
    """Where no score of its next fit is better, scikit-learn ends with those it had kept."""
    clf = MLPClassifier(**STOPPING | {"max_iter": 3}).fit(A, FIRST > 0)
    other = clf.to_sklearn()
    other.best_validation_score_ = 2.0
    other.fit(A, FIRST > 0)
    assert np.isfinite(other.predict_proba(A)).all()


def test_refused_partial_fit_changes_nothing():
    clf = MLPClassifier(**STOPPING).fit(A, FIRST > 0)
    before = pickle.dumps(clf)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        clf.partial_fit(A, FIRST > 0)
    kept = pickle.loads(before)
    assert clf.best_validation_score_ == kept.best_validation_score_ > 0
    assert clf._no_improvement_count == kept._no_improvement_count
    assert np.array_equal(weights(clf), weights(kept))


# Sequences.

CHANGES = [
    {"early_stopping": True},
    {"early_stopping": False},
    {"solver": "sgd"},
    {"solver": "adam"},
    {"solver": "lbfgs"},
    {"batch_size": 17},
    {"batch_size": "auto"},
    {"learning_rate": "invscaling"},
    {"learning_rate": "adaptive"},
    {"learning_rate": "constant"},
    {"learning_rate_init": 0.003},
    {"momentum": 0.0},
    {"alpha": 0.3},
    {"tol": 0.05, "n_iter_no_change": 1},
    {"tol": 1e-4, "n_iter_no_change": np.inf},
    {"shuffle": False},
    {"scoring": "other"},
    {"scoring": None},
]
# Another measure than the usual one, for tasks whose rows both hold out in the same way.
SCORINGS = {"binary": "neg_log_loss", "numbers": "neg_mean_absolute_error"}


def steps(task, seed):
    """A sequence of changes, fits, partial fits, copies and conversions."""
    rng = np.random.default_rng([seed, list(TASKS).index(task)])
    found = [("fit", 0, N)]
    for _ in range(12):
        kind = rng.choice(["set", "set", "fit", "fit", "partial_fit", "pickle", "convert"])
        if kind == "set":
            found.append(("set", CHANGES[rng.integers(len(CHANGES))]))
        elif kind in ("fit", "partial_fit"):
            start = int(rng.integers(0, 40))
            found.append((kind, start, start + 50))
        else:
            found.append((kind,))
    return [*found, ("fit", 0, N)]


def prepare(model, scoring):
    """What scikit-learn needs for a fit by itself, under its private names."""
    vars(model).pop("_score", None)
    if scoring is not None:
        scorer = get_scorer(scoring)
        model._score = lambda X, y, sample_weight=None: scorer(model, X, y)
    if not hasattr(model, "coefs_") or model.solver == "lbfgs":
        return
    if not hasattr(model, "loss_curve_"):  # the first solver was L-BFGS
        model.loss_curve_, model._no_improvement_count = [], 0
    if model.early_stopping:
        model._best_coefs = [part.copy() for part in model.coefs_]
        model._best_intercepts = [part.copy() for part in model.intercepts_]
        model.best_validation_score_, model.best_loss_ = -np.inf, None
        model._no_improvement_count = 0
        model.validation_scores_ = getattr(model, "validation_scores_", None) or []
    else:
        if getattr(model, "best_loss_", None) is None:
            model.best_loss_ = np.inf
        model.validation_scores_ = model.best_validation_score_ = None


def apply(step, task, a, b):
    """Both models after a step of a sequence."""
    kind, *about = step
    _, X, y = TASKS[task]
    if kind == "set":
        change = dict(about[0])
        if change.get("scoring") == "other":
            change["scoring"] = SCORINGS.get(task)
        b.set_params(**change)
        change.pop("scoring", None)
        a.set_params(**change)
    elif kind == "pickle":
        b = pickle.loads(pickle.dumps(b))
    elif kind == "convert" and hasattr(b, "coefs_"):
        scoring = b.scoring
        a, b = b.to_sklearn(), type(b).from_sklearn(b.to_sklearn()).set_params(scoring=scoring)
    elif kind == "fit":
        rows = slice(*about)
        prepare(a, b.scoring)
        a.fit(X[rows], y[rows])
        b.fit(X[rows], y[rows])
    elif kind == "partial_fit":
        rows = slice(*about)
        if b.solver == "lbfgs":
            assert not hasattr(b, "partial_fit")  # scikit-learn's regressor has it nevertheless
        elif b.early_stopping:
            for model in (a, b):
                with pytest.raises(ValueError, match="does not support early_stopping=True"):
                    model.partial_fit(X[rows], y[rows])
        else:
            prepare(a, None)
            a.partial_fit(X[rows], y[rows])
            b.partial_fit(X[rows], y[rows])
    return a, b


def compare(a, b, X):
    for name in ("n_iter_", "t_", "_no_improvement_count"):
        assert getattr(a, name, None) == getattr(b, name, None), name
    for name in ("loss_", "loss_curve_", "validation_scores_", "best_validation_score_",
                 "best_loss_"):  # fmt: skip
        expected, found = getattr(a, name, None), getattr(b, name, None)
        assert (expected is None) == (found is None), name
        if expected is not None:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7, err_msg=name)
    predict = "predict_proba" if hasattr(a, "predict_proba") else "predict"
    expected, found = getattr(a, predict)(X), getattr(b, predict)(X)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", range(12))
def test_sequences_are_those_of_scikit_learn(task, seed):
    name, X, _ = TASKS[task]
    settings = {
        "hidden_layer_sizes": (6, 5),
        "activation": "tanh",
        "max_iter": 5,
        "learning_rate_init": 0.01,
        "alpha": 0.05,
        "random_state": seed,
        "warm_start": True,
        "batch_size": 25,
        "validation_fraction": 0.2,
    }
    a, b = (getattr(module, name)(**settings) for module in (theirs, ours))
    for step in steps(task, seed):
        a, b = apply(step, task, a, b)
        compare(a, b, X)

"""mlpcore.sklearn's early stopping by any score: rows, weights, and scores of no use."""

import math

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from cases import weights
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import f1_score, get_scorer, make_scorer, max_error, mean_absolute_error
from sklearn.model_selection import train_test_split

from mlpcore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 60
X, Y = make_classification(N, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
NUMBERS = make_regression(N, 6, noise=1, random_state=0)[1] / 100
FAST = {
    "hidden_layer_sizes": (5, 4),
    "max_iter": 6,
    "random_state": 0,
    "learning_rate_init": 0.01,
    "early_stopping": True,
}


def scores_of(values):
    """A scorer that returns these, one in each epoch, and the last of them from then on."""
    left = list(values)

    def scorer(model, rows, y):
        return left.pop(0) if len(left) > 1 else left[0]

    return scorer


def held_out(y, stratify, fraction=0.1):
    """Numbers of the rows that a fit of FAST holds out: the draws are weights, then the split."""
    rng = np.random.RandomState(0)
    for shape in [(6, 5), 5, (5, 4), 4, (4, 3), 3]:
        rng.uniform(-1, 1, shape)
    rows = np.arange(len(y))
    return train_test_split(rows, test_size=fraction, random_state=rng, stratify=stratify)[1]


@pytest.mark.parametrize("scoring", ["neg_log_loss", "roc_auc_ovr", "balanced_accuracy", None])
@pytest.mark.parametrize("own", [False, True])
def test_the_best_weights_are_kept(scoring, own):
    """Rows of every class are held out for a given score, and scikit-learn's rows for its own."""
    validation = {"X_val": X[40:], "y_val": Y[40:]} if own else {}
    train = slice(0, 40) if own else slice(None)
    clf = MLPClassifier(**FAST | {"max_iter": 40}, scoring=scoring)
    clf.fit(X[train], Y[train], **validation)
    rows = np.arange(40, N) if own else held_out(Y, None if scoring is None else Y)
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    found = get_scorer(scoring or "accuracy")(clf, X[rows], Y[rows])
    assert found == pytest.approx(clf.best_validation_score_)


def test_rows_of_every_class_are_held_out():
    seen = []

    def scorer(model, rows, y):
        seen.append(np.bincount(y).tolist())
        return 0.5

    y = np.repeat([0, 1, 2], [40, 14, 6])
    MLPClassifier(**FAST, scoring=scorer, validation_fraction=0.25).fit(X, y)
    assert seen[0] == [10, 4, 1] or seen[0] == [10, 3, 2]


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([47, 10, 3], r"class c has 3 of 60 rows. Raise validation_fraction"),
        ([47, 12, 1], r"[Ll]east populated class.*Raise validation_fraction.*or give X_val"),
        ([57, 3], r"class b has 3 of 60 rows"),
    ],
)
def test_a_class_too_rare_to_be_held_out(counts, text):
    y = np.repeat(list("abc")[: len(counts)], counts)
    with pytest.raises(ValueError, match=text):
        MLPClassifier(**FAST, scoring="f1_macro").fit(X, y)


def test_several_labels_are_held_out_as_in_scikit_learn():
    rows, y = make_multilabel_classification(N, 6, n_classes=3, random_state=0)
    clf = MLPClassifier(**FAST, scoring="f1_macro").fit(rows, y)
    found = held_out(y, None)
    score = f1_score(y[found], clf.predict(rows[found]), average="macro")
    assert score == pytest.approx(clf.best_validation_score_)


# Scores of no use.


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_no_finite_score_is_an_error(bad):
    """Not an untrained model. The count ends the fit, as it does for a score that stands still."""
    clf = MLPClassifier(**FAST | {"max_iter": 40, "n_iter_no_change": 3}, scoring=scores_of([bad]))
    with pytest.raises(ValueError, match=rf"finite in none of 4 epochs, and {bad} in the last"):
        clf.fit(X, Y)
    clf = MLPClassifier(**FAST, scoring=scores_of([0.5, bad]), warm_start=True).fit(X, Y)
    before = weights(clf)
    with pytest.raises(ValueError, match="finite in none of 6 epochs"):
        clf.fit(X, Y)
    assert np.array_equal(weights(clf), before)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_validation_rows_of_one_class():
    y = Y > 0
    clf = MLPClassifier(**FAST, scoring="roc_auc")
    with pytest.raises(ValueError, match=r"scoring='roc_auc' .*rows of every class"):
        # scikit-learn before 1.6 raised here by itself.
        clf.fit(X, y, X_val=X[y][:9], y_val=y[y][:9])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_training_that_diverges_at_once():
    reg = MLPRegressor(**FAST | {"learning_rate_init": 1e200}, solver="sgd", activation="identity")
    with pytest.raises(ValueError, match=r"the score .* nan in the last.*Training diverges: lower"):
        reg.fit(X, NUMBERS)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_some_scores_are_not_finite(bad):
    """They are never the best, and count as no progress."""
    settings = FAST | {"max_iter": 40, "n_iter_no_change": 3}
    scores = [bad, 0.2, bad, 0.4, bad, 0.3, bad, bad, 0.9]
    clf = MLPClassifier(**settings, scoring=scores_of(scores)).fit(X, Y)
    assert clf.n_iter_ == 8
    assert clf.best_validation_score_ == 0.4
    assert np.array_equal(clf.validation_scores_, scores[:8], equal_nan=True)
    few = MLPClassifier(**settings | {"max_iter": 4}, scoring=scores_of([0.1, 0.2, 0.3, 0.4]))
    assert np.array_equal(weights(few.fit(X, Y)), weights(clf))


@pytest.mark.parametrize("value", [None, "0.5", [0.5, 0.6], {"a": 1}])
def test_a_scorer_must_return_a_number(value):
    with pytest.raises(TypeError, match=r"scoring must return a number; got .* from <function"):
        MLPClassifier(**FAST, scoring=lambda *_: value).fit(X, Y)


@pytest.mark.parametrize("value", [1, True, np.float32(0.5), np.array(0.5), np.array([0.25])])
def test_numbers_of_any_kind(value):
    clf = MLPClassifier(**FAST, scoring=lambda *_: value).fit(X, Y)
    assert clf.validation_scores_ == [float(np.ravel(value)[0])] * 6
    assert all(type(score) is float for score in clf.validation_scores_)


def test_a_scorer_that_raises():
    """Its exception comes through, and the model can be used and fitted again."""
    calls = []

    def scorer(model, rows, y):
        calls.append(0)
        if len(calls) == 3:
            raise LookupError("what the scorer says")
        return 0.5

    clf = MLPClassifier(**FAST, scoring=scorer, n_threads=2)
    with pytest.raises(LookupError, match="what the scorer says"):
        clf.fit(X, Y)
    assert clf.n_iter_ == len(clf.loss_curve_) == 2  # the last epoch that has a score
    assert clf.fit(X, Y).n_iter_ == 6


def test_validation_rows_too_few():
    for scoring in (None, "accuracy"):
        clf = MLPClassifier(**FAST, scoring=scoring)
        with pytest.raises(ValueError, match=r"X_val is too small for early_stopping.*; got 1"):
            clf.fit(X, Y, X_val=X[:1], y_val=Y[:1])
        assert len(clf.fit(X, Y, X_val=X[:2], y_val=Y[:2]).validation_scores_) == 6
    # One row has a loss, if not a score.
    clf = MLPClassifier(**FAST | {"early_stopping": False}).fit(X, Y, X_val=X[:1], y_val=Y[:1])
    expected = -math.log(clf.predict_proba(X[:1])[0, Y[0]])
    assert clf.validation_loss_curve_[-1] == pytest.approx(expected)


# Weights that scorers get: those of the caller, where they have a place for them.


def recorder(takes):
    seen = []
    if takes:

        def scorer(model, rows, y, sample_weight=None):
            seen.append(sample_weight)
            return 0.5
    else:

        def scorer(model, rows, y):
            seen.append(None)
            return 0.5

    return scorer, seen


WEIGHT = np.linspace(1, 2, N)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0}])
@pytest.mark.parametrize("own", [False, True])
def test_a_scorer_gets_the_callers_weights_alone(class_weight, own):
    rows = np.arange(9) if own else held_out(Y, Y)
    about = {"X_val": X[:9], "y_val": Y[:9], "sample_weight_val": WEIGHT[:9]} if own else {}
    scorer, seen = recorder(takes=True)
    clf = MLPClassifier(**FAST, scoring=scorer, class_weight=class_weight)
    clf.fit(X, Y, WEIGHT, **about)
    assert [given.tolist() for given in seen] == [WEIGHT[rows].tolist()] * 6


def test_no_weights_where_the_caller_gave_none():
    scorer, seen = recorder(takes=True)
    clf = MLPClassifier(**FAST, scoring=scorer, class_weight="balanced")
    clf.fit(X, Y)
    clf.fit(X, Y, WEIGHT, X_val=X[:9], y_val=Y[:9])
    assert seen == [None] * 12


def test_a_scorer_without_a_place_for_weights():
    """A callable as scikit-learn documents it, and a metric that knows no weights."""
    scorer, seen = recorder(takes=False)
    MLPClassifier(**FAST, scoring=scorer, class_weight={0: 2.0}).fit(X, Y, WEIGHT)
    assert seen == [None] * 6
    about = {"X_val": X[:9], "y_val": NUMBERS[:9], "sample_weight_val": WEIGHT[:9]}
    reg = MLPRegressor(**FAST, scoring="neg_max_error").fit(X, NUMBERS, WEIGHT, **about)
    found = -max_error(NUMBERS[:9], reg.predict(X[:9]))
    assert found == pytest.approx(reg.best_validation_score_)


def test_a_metric_that_takes_weights():
    about = {"X_val": X[:9], "y_val": NUMBERS[:9], "sample_weight_val": WEIGHT[:9] ** 4}
    for scoring in (
        "neg_mean_absolute_error",
        make_scorer(mean_absolute_error, greater_is_better=False),
        lambda model, rows, y, **more: -mean_absolute_error(y, model.predict(rows), **more),
    ):
        reg = MLPRegressor(**FAST, scoring=scoring).fit(X, NUMBERS, WEIGHT, **about)
        found = -mean_absolute_error(NUMBERS[:9], reg.predict(X[:9]), sample_weight=WEIGHT[:9] ** 4)
        assert found == pytest.approx(reg.best_validation_score_)

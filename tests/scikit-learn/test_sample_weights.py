"""mlpcore.sklearn's weights of rows and classes: balance, negative ones, and sums of nothing."""

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn
import sklearn.neural_network as theirs
from cases import weights
from scipy.sparse import csr_matrix
from scipy.special import xlogy
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.utils.class_weight import compute_sample_weight

from mlpcore.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N = 60
X, Y = make_classification(N, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
NUMBERS = make_regression(N, 6, noise=1, random_state=0)[1] / 100
ROWS, LABELS = make_multilabel_classification(N, 6, n_classes=3, random_state=0)
FAST = {"hidden_layer_sizes": (5, 4), "max_iter": 6, "random_state": 0, "learning_rate_init": 0.01}
FEW = np.concatenate([np.flatnonzero(Y == 0)[:5], np.flatnonzero(Y > 0)])
OWN = np.linspace(1, 2, len(FEW))


def balanced(y, sample_weight):
    """Weights of rows under which every class weighs the same, by the formula."""
    found = np.zeros(len(y))
    for label in np.unique(y):
        rows = y == label
        found[rows] = sample_weight.sum() / len(np.unique(y)) / sample_weight[rows].sum()
    return found


# Weights of classes.


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 2: 0.5}, {0: 2.0, 1: 1, 2: 3, 9: 9}])
def test_class_weights_are_sample_weights(class_weight, solver):
    settings = FAST | {"solver": solver}
    x, y = X[FEW], Y[FEW]
    expected = compute_sample_weight(class_weight, y)
    a = MLPClassifier(**settings, class_weight=class_weight).fit(x, y)
    b = MLPClassifier(**settings).fit(x, y, expected)
    assert np.array_equal(weights(a), weights(b))
    assert not np.array_equal(weights(a), weights(MLPClassifier(**settings).fit(x, y)))
    # With weights of the rows, too.
    if class_weight == "balanced":
        expected = balanced(y, OWN)
    a = MLPClassifier(**settings, class_weight=class_weight).fit(x, y, OWN)
    b = MLPClassifier(**settings).fit(x, y, expected * OWN)
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("y", [Y, (Y > 0).astype(int), np.array(list("xyz"))[Y], LABELS])
def test_balanced_weights_are_those_of_repeated_rows(y):
    """A row of weight 3 is three rows, in the loss and in the balance of the classes."""
    times = np.random.default_rng(0).integers(1, 5, N)
    times[Y == 0] *= 3
    settings = FAST | {"solver": "lbfgs", "max_iter": 40, "activation": "tanh", "alpha": 0}
    a = MLPClassifier(**settings, class_weight="balanced").fit(X, y, times)
    b = MLPClassifier(**settings, class_weight="balanced")
    b.fit(np.repeat(X, times, axis=0), np.repeat(y, times, axis=0))
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), atol=1e-3)
    assert a.loss_ == pytest.approx(b.loss_, rel=1e-4)
    plain = MLPClassifier(**settings).fit(X, y, times)
    assert abs(plain.predict_proba(X) - a.predict_proba(X)).max() > 0.05


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 7),
    reason="scikit-learn has compute_class_weight(sample_weight=...) from 1.7 on",
)
def test_balanced_weights_are_those_of_scikit_learn():
    from sklearn.utils.class_weight import compute_class_weight

    x, y = X[FEW], Y[FEW]
    classes = compute_class_weight("balanced", classes=np.arange(3), y=y, sample_weight=OWN)
    a = MLPClassifier(**FAST, class_weight="balanced").fit(x, y, OWN)
    b = MLPClassifier(**FAST, class_weight=dict(enumerate(classes))).fit(x, y, OWN)
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-9, atol=1e-12)


def test_validation_rows_get_the_weights_of_the_training_rows():
    """All rows of X count for the balance; y_val, of other proportions, does not."""
    val = np.concatenate([np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:3]])
    own = np.linspace(3, 1, len(val))
    of_class = {label: balanced(Y[FEW], OWN)[Y[FEW] == label][0] for label in range(3)}
    expected = own * np.array([of_class[label] for label in Y[val]])
    clf = MLPClassifier(**FAST, class_weight="balanced", early_stopping=True)
    clf.fit(X[FEW], Y[FEW], OWN, X_val=X[val], y_val=Y[val], sample_weight_val=own)
    best = int(np.argmax(clf.validation_scores_))
    loss = log_loss(Y[val], clf.predict_proba(X[val]), sample_weight=expected, labels=[0, 1, 2])
    assert clf.validation_loss_curve_[best] == pytest.approx(loss)
    score = accuracy_score(Y[val], clf.predict(X[val]), sample_weight=expected)
    assert clf.best_validation_score_ == pytest.approx(score)


def test_held_out_rows_count_for_the_balance():
    """The rows' weights are those of all rows given, whichever of them are held out."""
    settings = FAST | {"early_stopping": True}
    a = MLPClassifier(**settings, class_weight="balanced").fit(X[FEW], Y[FEW], OWN)
    b = MLPClassifier(**settings).fit(X[FEW], Y[FEW], OWN * balanced(Y[FEW], OWN))
    np.testing.assert_allclose(a.loss_curve_, b.loss_curve_)
    np.testing.assert_allclose(a.validation_loss_curve_, b.validation_loss_curve_)
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_)


def test_class_weights_in_parts():
    clf = MLPClassifier(**FAST, class_weight="balanced")
    with pytest.raises(ValueError, match="not supported by partial_fit, which does not see all"):
        clf.partial_fit(X, Y, classes=[0, 1, 2])
    a = MLPClassifier(**FAST, class_weight={1: 3.0, 2: 2.0})
    b = MLPClassifier(**FAST)
    for rows in (np.arange(N), np.flatnonzero(Y < 2)):  # in the second part no row of class 2
        a.partial_fit(X[rows], Y[rows], classes=[0, 1, 2])
        b.partial_fit(X[rows], Y[rows], np.array([1, 3.0, 2])[Y[rows]], classes=[0, 1, 2])
        assert np.array_equal(weights(a), weights(b))


@pytest.mark.parametrize("kind", [np.asarray, csr_matrix])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_of_several_labels(kind, solver):
    """A dict for each column, or balance in each; a row's weight is their product."""
    settings = FAST | {"solver": solver}
    listed = [{0: 1.0, 1: 4.0}, {1: 0.5}, {}]
    given = [{0: 1.0, 1: 4.0}, {0: 1.0, 1: 0.5}, {0: 1.0, 1: 1.0}]
    for class_weight, known in ((listed, given), ("balanced", "balanced")):
        a = MLPClassifier(**settings, class_weight=class_weight).fit(ROWS, kind(LABELS))
        b = MLPClassifier(**settings).fit(ROWS, LABELS, compute_sample_weight(known, LABELS))
        np.testing.assert_allclose(weights(a), weights(b), rtol=1e-9, atol=1e-12)
    a = MLPClassifier(**settings, class_weight="balanced").fit(ROWS, kind(LABELS), WEIGHT)
    product = np.prod([balanced(column, WEIGHT) for column in LABELS.T], axis=0)
    b = MLPClassifier(**settings).fit(ROWS, LABELS, WEIGHT * product)
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-6, atol=1e-9)


WEIGHT = np.linspace(0.5, 2, N)
NO = np.zeros(N)


def test_validation_loss_under_the_weights_of_several_labels():
    clf = MLPClassifier(**FAST, class_weight=[{1: 4.0}, {0: 2.0}, {}])
    clf.fit(ROWS, LABELS, X_val=ROWS[:20], y_val=LABELS[:20])
    w = np.where(LABELS[:20, 0], 4, 1) * np.where(LABELS[:20, 1], 1, 2)
    p, y = clf.predict_proba(ROWS[:20]), LABELS[:20]
    expected = -np.average((xlogy(y, p) + xlogy(1 - y, 1 - p)).sum(axis=1), weights=w)
    assert clf.validation_loss_curve_[-1] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("class_weight", "y", "kind", "text"),
    [
        ({0: 1, 1: 2}, LABELS, ValueError, r"a list of 3 dicts, one for each column.*got a dict"),
        ([{0: 1}] * 2, LABELS, ValueError, r"a list of 3 dicts.*got 2 of them"),
        ([{}, {}, {1: np.inf}], LABELS, ValueError, r"class_weight\[2\] must.*got inf for 1"),
        ([{}, None, {}], LABELS, TypeError, r"class_weight\[1\] must be a dict.*got None"),
        ([{0: 1}], Y, ValueError, r"one dict or 'balanced' where one label applies; got a list"),
        ({0: np.nan, 1: 1}, Y > 0, ValueError, r"^class_weight must hold finite numbers; got nan"),
        ({0: "2"}, Y, TypeError, r"class_weight must hold numbers; got '2' for 0"),
        ({0: None}, Y, TypeError, r"class_weight must hold numbers; got None for 0"),
        ({"0": 1, "1": 2}, Y, ValueError, r"labels of y for keys; got \['0', '1'\].*\[0, 1, 2\]"),
        ({0: 0, 1: 0, 2: 0}, Y, ValueError, r"^class_weight must sum to.*rows of X; got 0"),
        ({0: -5}, Y, ValueError, r"^class_weight must sum to a finite number above zero"),
        ("even", Y, ValueError, r"'class_weight' parameter of MLPClassifier"),
    ],
)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_that_do_not_fit(class_weight, y, kind, text, solver):
    with pytest.raises(kind, match=text):
        MLPClassifier(**FAST | {"solver": solver}, class_weight=class_weight).fit(X, y)


def test_balance_of_a_class_without_weight():
    w = np.where(Y == 1, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"balanced' needs rows of every class.*got 0 for 1 in y"):
        MLPClassifier(**FAST, class_weight="balanced").fit(X, Y, w)


def test_labels_are_the_keys_whatever_they_are():
    plain = MLPClassifier(**FAST, class_weight={0: 1.0, 1: 5.0, 2: 2.0}).fit(X, Y)
    for names in (["1", "2", "3"], ["a", "b", "c"], [0.5, 1.0, 2.0]):
        y = np.array(names)[Y]
        given = dict(zip(names, [1.0, 5.0, 2.0], strict=True))
        # scikit-learn takes numbers that are text, and those with a fraction, for whole numbers.
        if isinstance(names[0], float):
            y, given = np.array(["x", "y", "z"])[Y], {"x": 1.0, "y": 5.0, "z": 2.0}
        clf = MLPClassifier(**FAST, class_weight=given).fit(X, y)
        assert np.array_equal(weights(clf), weights(plain))
    clf = MLPClassifier(**FAST, class_weight={False: 1.0, True: 5.0}).fit(X, Y > 0)
    same = MLPClassifier(**FAST, class_weight={0: 1.0, 1: 5.0}).fit(X, (Y > 0).astype(int))
    assert np.array_equal(weights(clf), weights(same))


# Sums of nothing.


@pytest.mark.parametrize(("cls", "y"), [(MLPClassifier, Y > 0), (MLPRegressor, NUMBERS)])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("weight", [NO, np.where(np.arange(N) < 40, -1.0, 1.0)])
def test_weights_that_sum_to_nothing(cls, y, solver, weight):
    text = r"[Ss]ample.?weights? must (sum to a finite number|contain at least one non-zero)"
    model = cls(**FAST | {"solver": solver})
    with pytest.raises(ValueError, match=text):
        model.fit(X, y, weight)
    if solver != "lbfgs":
        with pytest.raises(ValueError, match=f"sample_weight_val.*{text}|sample_weight_val must"):
            model.fit(X, y, X_val=X, y_val=y, sample_weight_val=weight)
        more = {"classes": [False, True]} if cls is MLPClassifier else {}
        with pytest.raises(ValueError, match=text):
            model.partial_fit(X, y, weight, **more)


@pytest.mark.parametrize("side", ["holds out", "left to train on"])
@pytest.mark.parametrize(("cls", "y"), [(MLPClassifier, Y > 0), (MLPRegressor, NUMBERS)])
def test_held_out_rows_that_weigh_nothing(cls, y, side):
    fraction = 0.1 if side == "holds out" else 0.9
    weight = np.r_[1.0, NO[1:]]
    for seed in range(20):
        model = cls(**FAST | {"random_state": seed}, early_stopping=True)
        model.set_params(validation_fraction=fraction)
        with pytest.raises(ValueError, match="sample_weight must sum to") as caught:
            model.fit(X, y, weight)
        if side in str(caught.value):
            return
    raise AssertionError("the row that weighs was never on the other side")


@pytest.mark.parametrize("less", [0.0, -0.5])
def test_a_minibatch_of_no_positive_weight_changes_nothing(less):
    weight = np.r_[np.full(20, less), np.ones(40)]
    settings = FAST | {"solver": "sgd", "momentum": 0, "shuffle": False, "batch_size": 20}
    a = MLPClassifier(**settings).fit(X, Y, weight)
    b = MLPClassifier(**settings).fit(X[20:], Y[20:])
    starts = MLPClassifier(**settings | {"max_iter": 1, "learning_rate_init": 1e-300})
    assert np.array_equal(starts.fit(X, Y).coefs_[0], starts.fit(X[20:], Y[20:]).coefs_[0])
    np.testing.assert_allclose(weights(a), weights(b), rtol=1e-12)


# Negative weights, which generators of physics give to some events.


@pytest.mark.skipif(
    tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="the classes to compare with are scikit-learn 1.9's",
)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(
    ("name", "y", "settings"),
    [
        ("MLPClassifier", (Y > 0).astype(int), {}),
        ("MLPClassifier", Y, {}),
        ("MLPClassifier", LABELS, {}),
        ("MLPClassifier", (Y > 0).astype(int), {"early_stopping": True}),
        ("MLPRegressor", NUMBERS, {}),
        ("MLPRegressor", NUMBERS, {"early_stopping": True}),
        ("MLPRegressor", abs(NUMBERS), {"loss": "poisson"}),
    ],
)
def test_negative_weights_are_those_of_scikit_learn(name, y, settings, solver):
    weight = np.linspace(0.5, 2, N)
    weight[::9] *= -1
    # No minibatch of few rows: where their weights sum to less than 0, the two differ.
    batch = 14 if "early_stopping" in settings else 20
    settings = FAST | {"solver": solver, "batch_size": batch, "validation_fraction": 0.3} | settings
    mine = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name](**settings)
    other = getattr(theirs, name)(**settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other.fit(X, y, weight)
        mine.fit(X, y, weight)
    assert mine.n_iter_ == other.n_iter_
    np.testing.assert_allclose(mine.loss_, other.loss_, rtol=1e-6)
    if solver != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-6)
        if mine.early_stopping:
            np.testing.assert_allclose(mine.validation_scores_, other.validation_scores_)
    np.testing.assert_allclose(weights(mine), weights(other), rtol=1e-4, atol=1e-6)


def test_weights_that_are_no_numbers():
    bad = np.ones(N)
    bad[7] = np.nan
    for about in ({"sample_weight": bad}, {"sample_weight": np.nan}):
        with pytest.raises(ValueError, match=r"sample_weight (contains NaN|must be finite)"):
            MLPClassifier(**FAST).fit(X, Y, **about)
    for weight in (bad, np.inf):
        with pytest.raises(ValueError, match=r"sample_weight_val(: .*NaN| must be finite)"):
            MLPClassifier(**FAST).fit(X, Y, X_val=X, y_val=Y, sample_weight_val=weight)


# Labels that are missing.


@pytest.mark.parametrize("missing", [None, np.nan, np.datetime64("NaT")])
def test_missing_labels(missing):
    y = np.array(["a", "b", "c"], object)[Y]
    y[5] = missing
    text = r"y must hold a class for each row; got .* in row 5. Leave such rows out"
    clf = MLPClassifier(**FAST)
    for labels in (y, y.reshape(-1, 1), y.tolist()):
        with pytest.raises(ValueError, match=text):
            clf.fit(X, labels)
        with pytest.raises(ValueError, match=text):
            clf.partial_fit(X, labels, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="y_val must hold a class for each row"):
        clf.fit(X, np.array(["a", "b", "c"], object)[Y], X_val=X, y_val=y)


def test_missing_labels_of_pandas():
    pandas = pytest.importorskip("pandas")
    for values, dtype in ((["a", None, "b"], "string"), (["a", None, "b"], "category")):
        y = pandas.Series(values * 20, dtype=dtype)
        with pytest.raises(ValueError, match=r"y must hold a class for each row; got .* in row 1"):
            MLPClassifier(**FAST).fit(X, y)
    with pytest.raises(ValueError, match=r"got np\.datetime64\('NaT'"):
        MLPClassifier(**FAST).fit(X, pandas.to_datetime(["2020-01-01", None, "2021-01-01"] * 20))

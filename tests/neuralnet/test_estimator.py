"""NeuralNetMLP among scikit-learn's estimators and data frames."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.exceptions
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import mlpcore
from mlpcore import NeuralNetMLP, NotFittedError, load_digits
from mlpcore import _version as version_module

X, Y = load_digits()
X = X[:300].astype(np.float64)
Y = Y[:300]
FAST = {"n_hidden": 9, "epochs": 5, "eta": 0.02, "minibatch_size": 20, "seed": 1}

EXPECTED_FAILURES = {
    "check_fit_score_takes_y": "the textbook calls the arguments of fit X_train and y_train",
    "check_sample_weight_equivalence_on_dense_data": "it calls fit(X, y=y)",
    "check_sample_weight_equivalence_on_sparse_data": "it calls fit(X, y=y)",
}
# These set random_state, which is called seed here, and then compare two fits: with seed=None the
# two draw different starting weights.
COMPARES_FITS = dict.fromkeys(
    [
        "check_classifier_data_not_an_array",
        "check_fit_idempotent",
        "check_pipeline_consistency",
        "check_supervised_y_2d",
    ],
    "the parameter for the random numbers is called seed",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", [None, 1])
def test_every_check_of_scikit_learn_passes_but_those_with_a_reason(seed):
    expected = EXPECTED_FAILURES | (COMPARES_FITS if seed is None else {})
    results = check_estimator(
        NeuralNetMLP(seed=seed), expected_failed_checks=expected, on_skip=None
    )
    names = {"passed": set(), "skipped": set(), "xfail": set()}
    for result in results:
        names[result["status"]].add(result["check_name"])
    assert set(EXPECTED_FAILURES) <= names["xfail"] <= set(expected)
    assert names["skipped"] <= {"check_array_api_input"}
    assert len(names["passed"]) > 45


def test_not_fitted_is_an_error_of_scikit_learn_too():
    nn = NeuralNetMLP()
    with pytest.raises(sklearn.exceptions.NotFittedError, match="call fit first") as caught:
        nn.predict(X)
    assert isinstance(caught.value, NotFittedError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is type(caught.value)
    assert str(again) == str(caught.value)


def test_not_fitted_without_scikit_learn(run_python):
    code = """
import sys
from mlpcore import NeuralNetMLP, NotFittedError
try:
    NeuralNetMLP().predict([[1.0]])
except NotFittedError as error:
    print(type(error).__module__, "sklearn" in sys.modules)
"""
    assert run_python(code) == "mlpcore.exceptions False\n"


# Columns with names


def frame(rows=X):
    return pd.DataFrame(rows, columns=[f"pixel {i}" for i in range(64)])


def test_names_of_columns_are_kept_and_compared():
    plain = NeuralNetMLP(**FAST).fit(X, Y)
    assert not hasattr(plain, "feature_names_in_")
    nn = NeuralNetMLP(**FAST).fit(frame(), Y, frame(X[:50]), Y[:50])
    assert nn.feature_names_in_.dtype == object
    assert nn.feature_names_in_.tolist() == frame().columns.tolist()
    assert np.array_equal(nn.predict(frame()), plain.predict(X))

    turned = frame()[frame().columns[::-1]]
    for ask in (nn.predict, nn.predict_proba, nn.predict_log_proba, lambda X: nn.score(X, Y)):
        with pytest.raises(ValueError, match=r"same order[\s\S]*X\[model\.feature_names_in_\]"):
            ask(turned)
    with pytest.raises(ValueError, match="same order"):
        NeuralNetMLP(**FAST).fit(frame(), Y, turned, Y)
    with pytest.raises(ValueError, match="- pixel 3") as caught:
        nn.predict(frame().rename(columns={"pixel 3": "other"}))
    assert "- other" in str(caught.value)


def test_names_on_one_side_only_are_a_warning():
    named, plain = NeuralNetMLP(**FAST).fit(frame(), Y), NeuralNetMLP(**FAST).fit(X, Y)
    for rows in (X, X[:1]):
        with pytest.warns(UserWarning, match="^X does not have valid feature names, but NeuralNet"):
            named.predict(rows)
    with pytest.warns(UserWarning, match="^X has feature names, but NeuralNetMLP was fitted with"):
        plain.predict(frame())


def test_a_fit_forgets_the_names_of_the_one_before():
    nn = NeuralNetMLP(**FAST).fit(frame(), Y).fit(X, Y)
    assert not hasattr(nn, "feature_names_in_")
    assert nn.predict(X[:1]).shape == (1,)


def test_names_that_are_no_text_or_only_some_of_them():
    numbered = pd.DataFrame(X)
    nn = NeuralNetMLP(**FAST).fit(numbered, Y)
    assert not hasattr(nn, "feature_names_in_")
    mixed = numbered.rename(columns={0: "first"})
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        nn.fit(mixed, Y)


@pytest.mark.parametrize("how", ["pickle", "file"])
def test_names_survive(how, tmp_path):
    nn = NeuralNetMLP(**FAST).fit(frame(), Y)
    if how == "pickle":
        again = pickle.loads(pickle.dumps(nn))
    else:
        nn.save(tmp_path / "model.npz")
        again = NeuralNetMLP.load(tmp_path / "model.npz")
    assert again.feature_names_in_.tolist() == nn.feature_names_in_.tolist()
    with pytest.raises(ValueError, match="same order"):
        again.predict(frame()[frame().columns[::-1]])


# Rows and labels out of frames


def test_missing_numbers_of_pandas_are_found_where_they_are():
    rows = frame().astype("Float64")
    assert NeuralNetMLP(**FAST).fit(rows, Y).n_iter_ == 5
    rows.iloc[17, 5] = pd.NA
    with pytest.raises(ValueError, match=r"must be finite.* got nan in row 17, column 5"):
        NeuralNetMLP(**FAST).fit(rows, Y)


@pytest.mark.parametrize("missing", [None, pd.NA, np.nan, pd.NaT])
@pytest.mark.parametrize("others", ["text", "numbers"])
def test_missing_labels_are_no_class(missing, others):
    labels = Y.astype(object) if others == "numbers" else Y.astype(str).astype(object)
    labels[7] = missing
    for form in (labels, labels.tolist(), pd.Series(labels)):
        with pytest.raises(ValueError, match=r"^y_train must not hold missing .* in 1 of 300"):
            NeuralNetMLP(**FAST).fit(X, form)


def test_a_frame_of_one_column_is_taken_for_labels():
    nn = NeuralNetMLP(**FAST)
    with pytest.warns(sklearn.exceptions.DataConversionWarning, match="y_train has shape"):
        nn.fit(X, pd.DataFrame({"digit": Y}))
    assert np.array_equal(nn.w_h, NeuralNetMLP(**FAST).fit(X, Y).w_h)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
def test_numbers_of_other_packages(name):
    """What bits of a type of ml_dtypes mean is for that package to say."""
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    rows = (X * 7).astype(getattr(ml_dtypes, name))
    nn, plain = (NeuralNetMLP(**FAST).fit(each, Y) for each in (rows, np.asarray(rows, np.float32)))
    assert np.array_equal(nn.w_h, plain.w_h)
    assert nn.w_h.dtype == np.float32


# Targets of regression, and labels of another type


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, object])
def test_a_continuous_target_is_refused_as_by_scikit_learn(dtype):
    target = (X[:, 20] * 2 + np.linspace(0, 0.3, 300)).astype(dtype)
    with pytest.raises(ValueError, match=r"Unknown label type: continuous.*MLPRegressor"):
        NeuralNetMLP(**FAST).fit(X, target)
    # One number that is not whole is enough, as in sklearn.utils.multiclass.type_of_target.
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        NeuralNetMLP(**FAST).fit(X, np.where(np.arange(300) == 5, 0.5, Y).astype(dtype))
    assert len(NeuralNetMLP(**FAST).fit(X, Y.astype(dtype)).classes_) == 10


def test_score_of_labels_of_another_type_is_an_error():
    nn = NeuralNetMLP(**FAST).fit(X, Y.astype(str))
    with pytest.raises(TypeError, match=r"y holds numbers \(int64\) and classes_ holds text"):
        nn.score(X, Y)
    assert nn.score(X, Y.astype(str).astype(object)) == nn.score(X, Y.astype(str)) > 0.5
    numbers = NeuralNetMLP(**FAST).fit(X, Y)
    with pytest.raises(TypeError, match=r"text"):
        numbers.score(X, Y.astype(str))
    assert numbers.score(X, Y.astype(float)) == numbers.score(X, Y)


# Scores with weights, logarithms of probabilities


def test_score_with_weights_is_scikit_learns():
    nn = NeuralNetMLP(**FAST).fit(X, Y)
    weights = np.random.default_rng(0).uniform(0, 3, 300)
    expected = accuracy_score(Y, nn.predict(X), sample_weight=weights)
    assert nn.score(X, Y, weights) == pytest.approx(expected, rel=1e-12)
    assert nn.score(X, Y, sample_weight=2) == pytest.approx(nn.score(X, Y), rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(299), "a weight for each of the 300 rows of X"),
        (np.zeros(300), "sum to a finite number above zero"),
        (np.where(np.arange(300) == 7, np.nan, 1), "finite; got nan in row 7"),
        (["heavy"] * 300, "must hold numbers"),
    ],
)
def test_weights_of_score_that_are_refused(weights, message):
    with pytest.raises((ValueError, TypeError), match=f"^sample_weight .*{message}"):
        NeuralNetMLP(**FAST).fit(X, Y).score(X, Y, weights)


def test_logarithms_of_probabilities():
    nn = NeuralNetMLP(**FAST).fit(X, Y)
    np.testing.assert_allclose(np.exp(nn.predict_log_proba(X)), nn.predict_proba(X), rtol=1e-12)
    # The first class has logistic(-200) = exp(-200), which float32 cannot hold, the others 1 / 2.
    starts = {
        "coefs_init": [np.zeros((64, 9)), np.zeros((9, 10))],
        "intercepts_init": [np.zeros(9), np.r_[-200.0, np.zeros(9)]],
    }
    nn = NeuralNetMLP(**{**FAST, "epochs": 0}, **starts, dtype="float32").fit(X, Y)
    assert (nn.predict_proba(X)[:, 0] == 0).all()
    np.testing.assert_allclose(nn.predict_log_proba(X)[:, 0], -200 - np.log(4.5), rtol=1e-6)


# Starting weights


def test_starting_weights_of_the_callers_own_are_taken_as_they_are():
    drawn = NeuralNetMLP(**{**FAST, "epochs": 0}).fit(X, Y)
    assert not any(b.any() for b in drawn.intercepts_)
    again = NeuralNetMLP(**FAST, coefs_init=drawn.coefs_, intercepts_init=drawn.intercepts_)
    plain = NeuralNetMLP(**FAST).fit(X, Y)
    # The order of the rows is drawn after the weights, so that these alone change nothing.
    assert np.array_equal(again.fit(X, Y).w_h, plain.w_h)
    others = [np.ones((64, 9)), np.full((9, 10), 0.25)]
    nn = NeuralNetMLP(**{**FAST, "epochs": 0}, coefs_init=others).fit(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(nn.coefs_, others, strict=True))


def test_starting_weights_survive_in_files(tmp_path):
    starts = {"coefs_init": [np.ones((64, 9)), np.ones((9, 10))], "intercepts_init": None}
    nn = NeuralNetMLP(**FAST, **starts).fit(X, Y)
    nn.save(tmp_path / "model.npz")
    again = NeuralNetMLP.load(tmp_path / "model.npz")
    assert again.intercepts_init is None
    assert np.array_equal(again.fit(X, Y).w_h, nn.w_h)


# Conversion


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
def test_to_sklearn_predicts_the_same_classes(classes, activation):
    names = np.array([f"class {i}" for i in range(classes)])
    nn = NeuralNetMLP(**{**FAST, "n_hidden": (9, 5), "eta": 0.005}, activation=activation)
    nn.fit(X, names[Y % classes])
    theirs = nn.to_sklearn()
    assert np.array_equal(theirs.predict(X), nn.predict(X))
    # Theirs are the logistic outputs; here they are divided by their sum.
    outputs = theirs.predict_proba(X)
    np.testing.assert_allclose(
        outputs / outputs.sum(axis=1, keepdims=True), nn.predict_proba(X), rtol=1e-9
    )
    theirs.coefs_[0][:] = 0
    assert nn.w_h.any()


def test_to_sklearn_with_a_scale_of_the_inputs():
    pixels = ((X + 1) * 8).astype(np.uint8)
    nn = NeuralNetMLP(**FAST, input_scale=(2 / 16, -1), dtype="float64").fit(pixels, Y)
    assert np.array_equal(nn.to_sklearn().predict(pixels), nn.predict(pixels))


def test_to_sklearn_goes_on_training_like_the_network():
    """One epoch of plain gradient descent without shuffling is the same step by step."""
    settings = {**FAST, "shuffle": False, "l2": 0.1, "activation": "tanh", "dtype": "float64"}
    nn = NeuralNetMLP(**settings).fit(X, Y)
    theirs = nn.to_sklearn().partial_fit(X, Y)
    again = NeuralNetMLP(
        **{**settings, "epochs": 1}, coefs_init=nn.coefs_, intercepts_init=nn.intercepts_
    ).fit(X, Y)
    for a, b in zip(theirs.coefs_, again.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("activation", ["gelu", ["relu", "tanh"]])
def test_to_sklearn_says_what_scikit_learn_lacks(activation):
    nn = NeuralNetMLP(**{**FAST, "n_hidden": (5, 4), "activation": activation}).fit(X, Y)
    with pytest.raises(ValueError, match="scikit-learn has one activation"):
        nn.to_sklearn()


# Names of parameters elsewhere


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("n_output", "taken from the data"),
        ("n_features", "taken from the data"),
        ("num_features", "taken from the data"),
        ("num_classes", "taken from the data"),
        ("num_hidden", "is n_hidden"),
        ("minibatches", "is minibatch_size"),
        ("random_state", "is seed"),
        ("hidden_layer_sizes", "is n_hidden"),
        ("max_iter", "is epochs"),
        ("optimiser", "Did you mean 'optimizer'"),
        ("nonsense", "the parameters are n_hidden, l2"),
    ],
)
def test_names_of_other_editions_get_a_hint(name, hint):
    with pytest.raises(TypeError, match=f"^NeuralNetMLP: no parameter '{name}'.*{hint}"):
        NeuralNetMLP(**{name: 3})
    with pytest.raises(ValueError, match=f"no parameter '{name}'.*{hint}"):
        NeuralNetMLP().set_params(**{name: 3})


# Versions


@pytest.mark.parametrize("how", ["pickle", "file"])
def test_a_model_of_a_newer_version_warns(how, tmp_path, monkeypatch):
    nn = NeuralNetMLP(**FAST).fit(X, Y)
    path = tmp_path / "model.npz"

    def save():
        nn.save(path)
        return pickle.dumps(nn)

    def load(pickled):
        return pickle.loads(pickled) if how == "pickle" else NeuralNetMLP.load(path)

    saved = save()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(load(saved).w_h, nn.w_h)
    for module in ("_version", "neuralnet._persistence", "neuralnet._fitted"):
        monkeypatch.setattr(f"mlpcore.{module}.__version__", "99.1")
    saved = save()
    monkeypatch.setattr(version_module, "__version__", mlpcore.__version__)
    with pytest.warns(UserWarning, match=r"was saved by mlpcore 99\.1, and this is"):
        again = load(saved)
    assert "_mlpcore_version" not in vars(again)


def test_versions_are_compared_by_their_numbers():
    keys = ["0.1.0", "0.2", "0.10.0", "1.0"]
    assert sorted(keys, key=version_module._key) == keys


# A subclass with a constructor of its own


class Wider(NeuralNetMLP):
    def __init__(self, n_hidden=60, *, label="a"):
        super().__init__(n_hidden, epochs=2, minibatch_size=20, seed=1)
        self.label = label


def test_a_subclass_with_its_own_constructor_is_saved(tmp_path):
    nn = Wider(7, label="b").fit(X, Y)
    nn.save(tmp_path / "model.npz")
    again = Wider.load(tmp_path / "model.npz")
    assert type(again) is Wider
    assert (again.n_hidden, again.label, again.epochs) == (7, "b", 2)
    assert np.array_equal(again.predict(X), nn.predict(X))


@pytest.mark.filterwarnings("ignore")
def test_cross_validation_with_text_labels():
    scores = cross_val_score(NeuralNetMLP(**FAST), frame(), Y.astype(str), cv=2)
    numbers = cross_val_score(NeuralNetMLP(**FAST), X, Y, cv=2)
    assert np.array_equal(scores, numbers)
    assert np.isfinite(scores).all()

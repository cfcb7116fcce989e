"""to_onnx of scikit-learn's estimators, and pipelines that sklearn-onnx converts."""

import functools
import json
import sys

import numpy as np
import pytest
from onnx_files import DTYPES, X, assert_close, export, randomise, run

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.ensemble import VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlpcore._onnx_nodes import FORMULAS
from mlpcore.engine.registry import ACTIVATIONS, LOSSES
from mlpcore.sklearn import MLPClassifier, MLPRegressor, register_onnx

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FAST = {"hidden_layer_sizes": (9, 8), "max_iter": 1, "random_state": 0}
RNG = np.random.default_rng(1)
CLASSES = np.arange(len(X)) % 4
SEVERAL = RNG.integers(0, 2, (len(X), 3))
NUMBERS = RNG.normal(size=(len(X), 2))


def randomised(model, rows, y):
    """A fitted model with the weights of `randomise`."""
    model.fit(rows, y)
    randomise([*model.coefs_, *model.intercepts_])
    return model


def assert_same(model, rows, outputs):
    """A classifier's labels and probabilities, or a regressor's numbers, are the model's."""
    if isinstance(model, MLPRegressor):
        assert list(outputs) == ["prediction"]
        assert_close(outputs["prediction"], model.predict(rows))
        return
    assert list(outputs) == ["label", "probabilities"]
    expected = model.predict(rows)
    assert outputs["label"].shape == expected.shape
    assert outputs["label"].tolist() == expected.tolist()
    assert_close(outputs["probabilities"], model.predict_proba(rows))


TASKS = {
    "classes": (MLPClassifier, CLASSES),
    "two classes": (MLPClassifier, CLASSES > 1),
    "several labels": (MLPClassifier, SEVERAL),
    "each class for itself": (functools.partial(MLPClassifier, out_activation="logistic"), CLASSES),
    "one number": (MLPRegressor, NUMBERS[:, 0]),
    "two numbers": (MLPRegressor, NUMBERS),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name in FORMULAS])
@pytest.mark.parametrize("task", TASKS)
def test_every_activation_and_task(task, activation, dtype):
    make, y = TASKS[task]
    rows = X.astype(dtype)
    model = randomised(make(activation=activation, **FAST), rows, y)
    assert_same(model, rows, export(model, rows)[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "softmax"])
def test_every_output_activation_of_a_regressor(name, dtype):
    rows = X.astype(dtype)
    model = randomised(MLPRegressor(out_activation=name, activation="tanh", **FAST), rows, NUMBERS)
    assert_same(model, rows, export(model, rows)[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["logistic", "elu", "gelu", "silu", "softplus"])
def test_small_outputs_are_right_relative_to_their_size(name, dtype):
    """Those of units that are far below zero, where 1 + e^z is rounded to 1."""
    rows = np.linspace(-12, -1e-4, 80).reshape(-1, 1).astype(dtype)
    rows = np.vstack([rows, np.linspace(-80, -12, 60).reshape(-1, 1).astype(dtype)])
    if name == "gelu":  # e^(-z^2 / 2) must not be below the smallest number
        rows = rows[rows[:, 0] > -12]
    model = MLPRegressor(out_activation=name, hidden_layer_sizes=(1,), activation="identity")
    model.set_params(max_iter=1, coefs_init=[[[1.0]], [[1.0]]], intercepts_init=[[0.0], [0.0]])
    model.set_params(learning_rate_init=1e-30).fit(rows, rows[:, 0])
    model.coefs_[0][:] = model.coefs_[1][:] = 1
    expected = model.predict(rows)
    found = export(model, rows)[1]["prediction"]
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=0)
    assert (expected != 0).all()


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if not loss.probabilities])
def test_every_loss_of_numbers(loss):
    model = randomised(MLPRegressor(loss=loss, **FAST), X, np.abs(NUMBERS))
    assert_same(model, X, export(model, X)[1])


def test_activations_of_each_layer():
    model = randomised(MLPClassifier(**{**FAST, "activation": ["gelu", "tanh"]}), X, CLASSES)
    assert_same(model, X, export(model, X)[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_of_rows_far_from_every_class(dtype):
    """All activations are less than the smallest normal number of float32."""
    rows = X.astype(dtype)
    model = MLPClassifier(out_activation="logistic", activation="tanh", **FAST).fit(rows, CLASSES)
    for weights in model.coefs_:
        weights[:] = 0
    model.intercepts_[-1][:] = [-95, -100, -120, -200]
    outputs = export(model, rows)[1]
    np.testing.assert_allclose(
        outputs["probabilities"], model.predict_proba(rows), rtol=2e-5, atol=1e-30
    )


def test_other_weights_in_the_lists():
    model = MLPClassifier(**FAST).fit(X, CLASSES)
    model.coefs_[1] = np.ones(model.coefs_[1].shape)
    assert_same(model, X, export(model, X)[1])


def test_a_copy_of_scikit_learns_own_estimator():
    from sklearn.neural_network import MLPClassifier as Theirs

    theirs = Theirs(**FAST).fit(X, CLASSES)
    model = MLPClassifier.from_sklearn(theirs)
    outputs = export(model, X)[1]
    assert_same(model, X, outputs)
    np.testing.assert_allclose(outputs["probabilities"], theirs.predict_proba(X), atol=1e-12)


LABELS = {
    "text": ["ant", "bee", "größer"],
    "two texts": ["no", "yes"],
    "booleans": [False, True],
    "large integers": [-5, 7, 2**40],
    "bytes": np.array([3, 1, 200], np.uint8),
    "floats": [0.0, 1.0, -2.0],
    "objects": np.array(["x", "yy", "z"], object),
}


@pytest.mark.parametrize("kind", LABELS)
def test_class_labels_are_those_of_fit(kind):
    classes = np.asarray(LABELS[kind])
    model = MLPClassifier(**FAST).fit(X, classes[CLASSES % len(classes)])
    proto, outputs = export(model, X)
    assert_same(model, X, outputs)
    if classes.dtype.kind in "biuf":
        assert outputs["label"].dtype == classes.dtype
    stored = {each.key: each.value for each in proto.metadata_props}
    assert json.loads(stored["classes"]) == model.classes_.tolist()
    assert stored["estimator"] == "MLPClassifier"


def test_one_class_alone():
    model = MLPClassifier(**FAST).fit(X, np.full(len(X), 7))
    assert_same(model, X, export(model, X)[1])


def test_names_of_columns():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X).add_prefix("c")
    proto, outputs = export(MLPRegressor(**FAST).fit(table, NUMBERS), X)
    stored = {each.key: each.value for each in proto.metadata_props}
    assert json.loads(stored["feature_names"]) == table.columns.tolist()
    assert "classes" not in stored
    assert outputs["prediction"].shape == (len(X), 2)


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor])
def test_before_fit(make):
    with pytest.raises(NotFittedError):
        make().to_onnx("model.onnx")


def test_without_the_package(monkeypatch):
    model = MLPRegressor(**FAST).fit(X, NUMBERS)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'to_onnx needs .*pip install "mlpcore\[onnx\]"'):
        model.to_onnx("model.onnx")
    with pytest.raises(ImportError, match="register_onnx needs"):
        register_onnx()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ImportError, match="pip install skl2onnx"):
        register_onnx()


def test_labels_that_onnx_has_not_are_refused(tmp_path):
    model = MLPClassifier(**FAST).fit(X, np.array(["a\0b", "c"], object)[CLASSES % 2])
    with pytest.raises(TypeError, match="ONNX holds class labels that are text"):
        model.to_onnx("model.onnx")
    assert list(tmp_path.iterdir()) == []


# Pipelines


@pytest.fixture(scope="module")
def convert():
    """Return a function that converts a pipeline and gives its outputs for rows."""
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    register_onnx()

    def outputs(model, rows, **options):
        chosen = {id(model): options} if options else None
        return run(skl2onnx.to_onnx(model, rows[:1], options=chosen), rows)

    return outputs


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("n_numbers", [1, 2])
def test_pipeline_of_a_regressor(n_numbers, activation, dtype, convert):
    rows = X.astype(dtype)
    y = NUMBERS[:, :n_numbers]
    model = MLPRegressor(activation=activation, **FAST | {"max_iter": 20})
    pipe = make_pipeline(StandardScaler(), model).fit(rows, y[:, 0] if n_numbers == 1 else y)
    (prediction,) = convert(pipe, rows).values()
    assert prediction.shape == (len(X), n_numbers)
    assert_close(prediction, pipe.predict(rows).reshape(-1, n_numbers))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LABELS)
def test_pipeline_of_a_classifier(kind, dtype, convert):
    """Fitted in float64, which stays the network's dtype where the rows are float32."""
    classes = np.asarray(LABELS[kind])
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**FAST))
    pipe.fit(X, classes[CLASSES % len(classes)])
    rows = X.astype(dtype)
    outputs = convert(pipe, rows, zipmap=False)
    assert outputs["label"].tolist() == pipe.predict(rows).tolist()
    assert outputs["label"].dtype.kind == {"U": "O", "u": "i"}.get(
        classes.dtype.kind, classes.dtype.kind
    )
    assert_close(outputs["probabilities"], pipe.predict_proba(rows).astype(dtype))


def test_pipeline_of_several_labels(convert):
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**FAST)).fit(X, SEVERAL)
    outputs = convert(pipe, X, zipmap=False)
    assert outputs["label"].tolist() == pipe.predict(X).tolist()
    assert_close(outputs["probabilities"], pipe.predict_proba(X))


def test_probabilities_by_name(convert):
    """sklearn-onnx's default, where its dicts can hold the labels."""
    rows = X.astype("float32")
    text = MLPClassifier(**FAST).fit(rows, np.array(["a", "b", "c", "d"])[CLASSES])
    label, probabilities = convert(text, rows).values()
    assert label.tolist() == text.predict(rows).tolist()
    assert list(probabilities[0]) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(
        [list(row.values()) for row in probabilities], text.predict_proba(rows), atol=1e-6
    )
    floats = MLPClassifier(**FAST).fit(rows, CLASSES.astype(float))
    label, probabilities = convert(floats, rows).values()
    assert label.tolist() == floats.predict(rows).tolist()
    assert_close(probabilities, floats.predict_proba(rows))


def test_integers_of_64_bits_without_a_sign(convert):
    model = MLPClassifier(**FAST).fit(X, np.array([1, 2**63 + 1], np.uint64)[CLASSES % 2])
    with pytest.raises(TypeError, match="63 bits"):
        convert(model, X, zipmap=False)


def test_regressors_within_another_estimator(convert):
    members = [(str(i), MLPRegressor(**FAST | {"random_state": i})) for i in range(2)]
    voting = VotingRegressor(members).fit(X, NUMBERS[:, 0])
    (prediction,) = convert(voting, X).values()
    assert_close(prediction[:, 0], voting.predict(X))

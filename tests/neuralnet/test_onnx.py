"""NeuralNetMLP.to_onnx: onnxruntime predicts from the file what the model predicts."""

import itertools
import json
import sys

import numpy as np
import pytest
from onnx_files import DTYPES, X, assert_close, export, onnx, randomise
from small import FAST

import mlpcore
from mlpcore import NeuralNetMLP, NotFittedError
from mlpcore._onnx_nodes import FORMULAS, SINGLE
from mlpcore.engine.registry import ACTIVATIONS

Y = np.arange(len(X)) % 3
KEYS = ["label", "probabilities"]


def fitted(dtype="float64", y=Y, rows=X, **keywords):
    """A model with the starting weights of `randomise`, which one step of almost nothing keeps."""
    n_hidden = keywords.setdefault("n_hidden", (9, 8))
    units = [rows.shape[1], *n_hidden, len(set(y.tolist()))]
    coefs = [np.empty(shape) for shape in itertools.pairwise(units)]
    intercepts = [np.empty(n) for n in units[1:]]
    randomise([*coefs, *intercepts])
    settings = {**FAST, "epochs": 1, "eta": 1e-30, "dtype": dtype}
    settings |= {"coefs_init": coefs, "intercepts_init": intercepts, **keywords}
    return NeuralNetMLP(**settings).fit(rows, y)


def assert_same(model, rows, outputs):
    assert list(outputs) == KEYS
    expected = model.predict(rows)
    assert outputs["label"].tolist() == expected.tolist()
    assert_close(outputs["probabilities"], model.predict_proba(rows))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name in FORMULAS])
def test_every_activation(activation, dtype):
    rows = X.astype(dtype)
    model = fitted(dtype, activation=activation)
    proto, outputs = export(model, rows)
    assert_same(model, rows, outputs)
    assert np.ptp(outputs["probabilities"], axis=0).max() > 0.02
    # Operators of ai.onnx alone.
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 11)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_of_each_layer(dtype):
    rows = X.astype(dtype)
    model = fitted(dtype, n_hidden=(9, 4, 7), activation=("gelu", "tanh", "elu"))
    assert_same(model, rows, export(model, rows)[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_of_rows_far_from_every_class(dtype):
    """Their activations are as small as the clipped pre-activations allow, and so are the sums."""
    model = fitted(dtype)
    bias = np.array([-600, -40, -39.5])
    model = fitted(
        dtype,
        coefs_init=[0 * part for part in model.coefs_],
        intercepts_init=[*model.intercepts_[:-1], bias],
    )
    expected = model.predict_proba(X.astype(dtype))
    assert expected[0, 1] == pytest.approx(1 / (1 + np.exp(0.5)))
    outputs = export(model, X.astype(dtype))[1]
    np.testing.assert_allclose(outputs["probabilities"], expected, rtol=2e-5, atol=0)
    assert_close(outputs["probabilities"], expected)
    assert (outputs["label"] == 2).all()


@pytest.mark.parametrize(
    "classes",
    [
        ["ant", "bee", "größer"],
        [False, True],
        [-5, 7, 2**40],
        [0.0, 1.0, -2.0],
        np.array([3, 1, 200], np.uint8),
        np.array([3, 1, 2], np.float32),
        np.array([1, 2**63 + 1, 5], np.uint64),
        np.array(["x", "yy", "z"], object),
        np.array([3, 4, 2**50], object),
    ],
    ids=str,
)
def test_class_labels_are_those_of_fit(classes):
    classes = np.asarray(classes)
    y = classes[np.arange(len(X)) % len(classes)]
    model = fitted(y=y)
    proto, outputs = export(model, X)
    assert_same(model, X, outputs)
    if classes.dtype.kind in "biuf":
        assert outputs["label"].dtype == classes.dtype
    stored = {each.key: each.value for each in proto.metadata_props}
    assert json.loads(stored["classes"]) == model.classes_.tolist()


@pytest.mark.parametrize(
    "classes",
    [
        np.array([b"a", b"b"]),
        np.array(["2020-01-01", "2021-01-01"], "M8[D]"),
        np.array([1, "a"], object),
        np.array([(1, 2), (3, 4), 0], object)[:2],
        np.array([2**70, 1], object),
        np.array([1 + 2j, 3]),
        np.array(["a\0b", "c"], object),
        np.array(["\ud800", "c"], object),
    ],
    ids=str,
)
def test_class_labels_that_onnx_has_not_are_refused(classes, tmp_path):
    model = fitted(y=classes[np.arange(len(X)) % 2])
    with pytest.raises(TypeError, match="ONNX holds class labels that are text, booleans"):
        model.to_onnx("model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", DTYPES)
def test_bytes_are_scaled_in_the_file(dtype):
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (90, 12)).astype(np.uint8)
    y = np.arange(90) % 3
    model = fitted(dtype, y, rows, input_scale=(2 / 255, -1))
    proto, outputs = export(model, rows)
    assert_same(model, rows, outputs)
    assert [node.op_type for node in proto.graph.node][:4] == ["Cast", "Mul", "Add", "Gemm"]
    # The same of numbers that are no bytes.
    floats = rows.astype(dtype) + 0.5 if dtype == "float64" else rows.astype(dtype)
    _, outputs = export(model, floats, input_dtype=dtype)
    assert_same(model, floats, outputs)


def test_bytes_without_a_scale():
    rows = np.random.default_rng(0).integers(0, 9, (90, 12)).astype(np.uint8)
    model = fitted(None, np.arange(90) % 3, rows)
    _, outputs = export(model, rows, input_dtype="uint8")
    assert_same(model, rows, outputs)


@pytest.mark.parametrize("dtype", DTYPES)
def test_files_that_compute_in_another_dtype(dtype):
    """float32 of a float64 network for devices without float64; and float64, which is exact."""
    other = "float32" if dtype == "float64" else "float64"
    model = fitted(dtype)
    rows = X.astype("float32")  # exact in both
    _, outputs = export(model, rows.astype(other), dtype=other)
    assert outputs["probabilities"].dtype == other
    np.testing.assert_allclose(outputs["probabilities"], model.predict_proba(rows), atol=2e-6)
    # One that only takes its rows in another dtype computes in that of the network.
    _, outputs = export(model, rows.astype(other), input_dtype=other)
    assert_same(model, rows, outputs)


def test_models_of_packed_rows():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    rows = np.where(X > 0.5, X, 0)
    model = fitted(rows=scipy_sparse.csr_matrix(rows), input_path="sparse")
    assert model.input_path_ == "sparse"
    assert_same(model, rows, export(model, rows)[1])


def test_one_row_and_many():
    model = fitted()
    for n in (1, 2, 77):
        assert_same(model, X[:n], export(model, X[:n])[1])


def test_metadata():
    pandas = pytest.importorskip("pandas")
    names = [f"column {i}" for i in range(X.shape[1])]
    proto, _ = export(fitted(rows=pandas.DataFrame(X, columns=names)), X)
    assert proto.producer_name == "mlpcore"
    assert proto.producer_version == mlpcore.__version__
    assert {each.key: each.value for each in proto.metadata_props} == {
        "mlpcore": mlpcore.__version__,
        "estimator": "NeuralNetMLP",
        "classes": "[0, 1, 2]",
        "feature_names": json.dumps(names),
    }
    assert all(output.doc_string for output in proto.graph.output)
    (given,) = proto.graph.input
    assert given.name == "X"
    n_samples, n_features = given.type.tensor_type.shape.dim
    assert n_samples.dim_param == "n_samples"
    assert n_features.dim_value == X.shape[1]
    assert given.type.tensor_type.elem_type == onnx.TensorProto.DOUBLE


# What is refused


def test_before_fit():
    with pytest.raises(NotFittedError, match="call fit first"):
        NeuralNetMLP().to_onnx("model.onnx")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "mlpcore\[onnx\]"'):
        fitted().to_onnx("model.onnx")


@pytest.mark.parametrize("dtype", ["float16", "int64", "no dtype", 7])
def test_other_dtypes(dtype):
    model = fitted()
    with pytest.raises(ValueError, match="dtype must be float32, float64"):
        model.to_onnx("model.onnx", dtype=dtype)
    with pytest.raises(ValueError, match="input_dtype must be one of float32, float64, uint8; got"):
        model.to_onnx("model.onnx", input_dtype=dtype)


def test_more_than_a_file_holds(monkeypatch):
    model = fitted()
    n_parameters = 6 * 9 + 9 + 9 * 8 + 8 + 8 * 3 + 3
    monkeypatch.setattr("mlpcore._onnx._MAX_BYTES", 8 * n_parameters - 1)
    with pytest.raises(ValueError, match=rf'than 2 GiB; .* {n_parameters} .*dtype="float32"'):
        model.to_onnx("model.onnx")
    model.to_onnx("model.onnx", dtype="float32")


def test_an_activation_without_a_formula_is_refused(monkeypatch, tmp_path):
    model = fitted(activation="softplus")
    monkeypatch.delitem(FORMULAS, "softplus")
    monkeypatch.delitem(SINGLE, "softplus")
    for dtype in DTYPES:
        with pytest.raises(ValueError, match="no formula for the activation 'softplus'"):
            model.to_onnx(tmp_path / "model.onnx", dtype=dtype)
    assert not list(tmp_path.iterdir())

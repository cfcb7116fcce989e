"""ONNX files as onnxruntime runs them, and networks with weights to export."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

DTYPES = ["float32", "float64"]
X = np.random.default_rng(5).normal(size=(120, 6))
# Rows whose pre-activations are near zero, and rows whose are far from it.
X[:40] *= 1e-3
X[80:] *= 10


def run(proto, X):
    """The outputs of a graph by their names."""
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: X}), strict=True))


def export(model, X, **options):
    """The file of a model, which passes ONNX's checks, and its outputs."""
    model.to_onnx("model.onnx", **options)
    proto = onnx.load("model.onnx")
    onnx.checker.check_model(proto, full_check=True)
    return proto, run(proto, X)


def randomise(arrays, seed=0):
    """Fill weights and biases with numbers that let units of all layers work in all their range."""
    rng = np.random.default_rng(seed)
    for array in arrays:
        array[:] = rng.normal(size=array.shape) * (1 / np.sqrt(len(array)))


def assert_close(found, expected):
    """To 1e-6 in float32 and 1e-9 in float64, of the largest number or of 1."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    tolerance = {"float32": 1e-6, "float64": 1e-9}[expected.dtype.name]
    error = np.abs(found.astype(np.float64) - expected).max()
    assert error <= tolerance * max(1, np.abs(expected).max())

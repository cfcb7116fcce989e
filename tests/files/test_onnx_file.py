"""An ONNX file is there when it is complete, and not before."""

import os

import numpy as np
import pytest
from onnx_files import onnx
from small import X, Y, model


@pytest.fixture
def nn():
    return model().fit(X, Y)


def test_a_file_that_cannot_be_finished_leaves_the_old_one(nn, tmp_path, monkeypatch):
    nn.to_onnx("model.onnx")
    old = (tmp_path / "model.onnx").read_bytes()

    def fsync(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=r"No space left.*model\.onnx"):
        nn.to_onnx("model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == old


def test_paths(nn, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    nn.to_onnx("~/at home")
    nn.to_onnx(tmp_path / "as Path")
    # The same model makes the same bytes.
    assert (tmp_path / "at home").read_bytes() == (tmp_path / "as Path").read_bytes()
    with pytest.raises(FileNotFoundError, match="missing"):
        nn.to_onnx(tmp_path / "missing" / "model.onnx")


def test_weights_are_stored_as_they_are(nn):
    nn.to_onnx("model.onnx")
    arrays = [
        onnx.numpy_helper.to_array(each) for each in onnx.load("model.onnx").graph.initializer
    ]
    for weights in (*nn.coefs_, *nn.intercepts_):
        assert any(np.array_equal(weights, array) for array in arrays)

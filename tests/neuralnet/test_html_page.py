"""to_html: what it writes and what it refuses. test_draw_a_digit.py opens its page in a browser."""

import base64
import json
import re

import numpy as np
import pytest
from small import X, Y, model

from mlpcore import NeuralNetMLP, NotFittedError
from mlpcore._html_page import FORMULAS, pixel_range


def parts(path):
    """The description of a model in a page, and its parameters."""
    text = path.read_text(encoding="utf-8")
    (about,) = re.findall(r'<script type="application/json" id="model">(.*)</script>', text)
    (numbers,) = re.findall(r'<script type="text/plain" id="parameters">(.*)</script>', text)
    about = json.loads(about)
    dtype = np.dtype(about["dtype"]).newbyteorder("<")
    return about, np.frombuffer(base64.b64decode(numbers), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_page_holds_the_weights_as_they_are(dtype, tmp_path):
    nn = model(n_hidden=(7, 5), dtype=dtype, activation=("tanh", "relu")).fit(X, Y)
    nn.to_html(tmp_path / "page.html")
    about, numbers = parts(tmp_path / "page.html")
    layers = zip(nn.coefs_, nn.intercepts_, strict=True)
    expected = np.concatenate([part.ravel() for layer in layers for part in layer])
    assert about["dtype"] == dtype
    np.testing.assert_array_equal(numbers, expected)
    assert [layer["activation"] for layer in about["layers"]] == ["tanh", "relu", None]
    assert about["classes"] == list("0123456789")
    assert (about["height"], about["width"]) == (8, 8)


def test_the_page_is_one_file_that_asks_for_no_other(tmp_path):
    model().fit(X, Y).to_html(tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|src=|@import|url\(", text)
    assert "default-src 'none'" in text
    assert len(text) < 40_000


def test_an_older_file_is_replaced_when_the_page_is_complete(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    nn = model(activation="relu").fit(X, Y)
    monkeypatch.delitem(FORMULAS, "relu")
    with pytest.raises(ValueError, match="no formula for the activation 'relu'; it has identity, "):
        nn.to_html(path)
    assert path.read_text() == "old"
    monkeypatch.undo()
    nn.to_html(path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        nn.to_html(tmp_path)


# The numbers of pixels


def test_pixel_range_is_that_of_fit():
    rng = np.random.default_rng(0)
    rows = np.where(rng.uniform(size=(3000, 64)) < 0.2, rng.uniform(2, 9, (3000, 64)), 2)
    rows[::7, 3] = 9
    scipy_sparse = pytest.importorskip("scipy.sparse")
    assert pixel_range(rows) == (2, 9)
    assert pixel_range(11 - rows) == (9, 2)
    assert pixel_range(rows[:1, :1]) == (2, 2)
    assert pixel_range(rows.astype(np.uint8)) == (2, 9)
    assert pixel_range(scipy_sparse.csr_matrix(rows - 2)) == (0, 7)
    # Numbers whose sum overflows in their dtype are no reason for a warning.
    assert pixel_range(rows.astype(np.float32) * 3e37) == (np.float32(6e37), np.float32(2.7e38))
    low, high = pixel_range(rows * 1.9e307)
    assert {low, high} == {2 * 1.9e307, 9 * 1.9e307}


def test_pixel_range_is_saved(tmp_path):
    nn = model().fit((X + 1) / 2, Y)
    nn.save("model.npz")
    NeuralNetMLP.load("model.npz").to_html("page.html")
    about, _ = parts(tmp_path / "page.html")
    assert (about["empty"], about["ink"]) == (0, 1)


@pytest.mark.parametrize(
    ("options", "expected"), [({}, (-1, 1)), ({"input_scale": (2 / 255, -1)}, (0, 255))]
)
def test_pixel_range_of_models_that_do_not_know_it(options, expected, tmp_path):
    """Those of older files: as load_mnist scales its images, or bytes."""
    nn = model(**options).fit(X, Y)
    nn._pixels = None
    nn.to_html("page.html")
    about, _ = parts(tmp_path / "page.html")
    assert (about["empty"], about["ink"]) == expected


# What is refused


def test_before_fit():
    with pytest.raises(NotFittedError, match="call fit first"):
        NeuralNetMLP().to_html("page.html")
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    with pytest.raises(ValueError, match="not fitted yet"):
        sklearn.MLPClassifier().to_html("page.html")


def test_features_that_are_no_image(tmp_path):
    nn = model().fit(X[:, :60], Y)
    with pytest.raises(ValueError, match="image_shape must be given for images of 60 features"):
        nn.to_html("page.html")
    with pytest.raises(ValueError, match=r"height \* width = 60, .* got \(5, 13\)"):
        nn.to_html("page.html", image_shape=(5, 13))
    nn.to_html("page.html", image_shape=(6, 10))
    assert parts(tmp_path / "page.html")[0]["width"] == 10


@pytest.mark.parametrize("value", [(1, 1), (0, np.nan), (0, np.inf), 5, (1, 2, 3), "ab", (0, "1")])
def test_pixel_range_that_is_none(value):
    nn = model().fit(X, Y)
    with pytest.raises(ValueError, match="pixel_range must be two different finite numbers"):
        nn.to_html("page.html", pixel_range=value)


def test_data_without_any_ink():
    nn = model().fit(X * 0, Y)
    with pytest.raises(ValueError, match="pixel_range must be two different finite numbers"):
        nn.to_html("page.html")


def test_regressors():
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    regressor = sklearn.MLPRegressor(hidden_layer_sizes=5, max_iter=1, learning_rate="cosine").fit(
        X, Y
    )
    with pytest.raises(AttributeError, match="an MLPRegressor predicts numbers"):
        regressor.to_html("page.html")
    assert not hasattr(regressor, "to_html")

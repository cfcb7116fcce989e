"""What a notebook shows of a NeuralNetMLP."""

from html.parser import HTMLParser

import numpy as np
import pytest
from small import X, Y, model

from mlpcore import NeuralNetMLP


class Table(HTMLParser):
    """A table's rows as a dict, and its caption; anything but a table is an error."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.caption = [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []
        self.rows = dict(zip(self.cells[::2], self.cells[1::2], strict=True))

    def handle_starttag(self, tag, attributes):
        assert tag in ("table", "caption", "tr", "th", "td")
        self.open.append(tag)
        if tag in ("th", "td"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1] == "caption":
            self.caption += text
        else:
            self.cells[-1] += text


def test_before_fit_only_what_differs_from_the_defaults():
    table = Table(NeuralNetMLP(n_hidden=50, l2=0.01, progress="auto")._repr_html_())
    assert table.caption == "NeuralNetMLP, not fitted"
    assert table.rows == {"n_hidden": "50", "l2": "0.01"}
    assert Table(NeuralNetMLP()._repr_html_()).rows == {}


def test_after_fit_layers_and_accuracies():
    nn = model(n_hidden=(7, 5), activation=("relu", "tanh"), epochs=3)
    nn.fit(X[:90], Y[:90], X[90:], Y[90:])
    table = Table(nn._repr_html_())
    assert table.caption == "NeuralNetMLP, fitted"
    assert table.rows["layers"] == "64 inputs → 7 relu → 5 tanh → 10 logistic, float64"
    assert table.rows["classes"] == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    assert table.rows["finished epochs"] == "3"
    assert table.rows["training accuracy"] == f"{nn.score(X[:90], Y[:90]):.2%}"
    assert table.rows["validation accuracy"] == f"{nn.score(X[90:], Y[90:]):.2%}"
    assert "validation accuracy" not in Table(model().fit(X, Y)._repr_html_()).rows


def test_text_is_escaped():
    labels = np.array(["<script>alert(1)</script>", "a & b", "it's"])[Y % 3]
    table = Table(model().fit(X, labels)._repr_html_())
    assert table.rows["classes"] == "<script>alert(1)</script>, a & b, it's"
    assert Table(model(activation="<b>")._repr_html_()).rows["activation"] == "'<b>'"


def test_long_values_are_cut():
    rng = np.random.default_rng(0)
    nn = model(coefs_init=[rng.normal(size=(64, 7)), rng.normal(size=(7, 10))])
    assert max(map(len, Table(nn._repr_html_()).rows.values())) == 80


def test_no_epoch_at_all():
    with pytest.raises(ValueError, match="epochs"):
        model(epochs=-1).fit(X, Y)
    table = Table(model(epochs=0).fit(X, Y)._repr_html_())
    assert table.rows["finished epochs"] == "0"
    assert "training accuracy" not in table.rows

"""Curves of training: of dicts and of models, after a fit and during it."""

import copy
import pickle
import sys
import types

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from small import X, Y, model

from mlpcore.plotting import LiveCurves, plot_history

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def _closed():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def lines(fig):
    """What a figure shows: for each Axes its label, and epochs and values by the lines' labels."""
    return {
        ax.get_ylabel(): {
            line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist())
            for line in ax.lines
        }
        for ax in fig.axes
    }


def fitted(**keywords):
    return model(**{"epochs": 5, **keywords}).fit(X[:90], Y[:90], X[90:], Y[90:])


def test_the_textbooks_class():
    nn = fitted()
    epochs = [1, 2, 3, 4, 5]
    expected = {
        "Cost": {"training": (epochs, nn.eval_["cost"])},
        "Accuracy": {
            "training": (epochs, nn.eval_["train_acc"]),
            "validation": (epochs, nn.eval_["valid_acc"]),
        },
    }
    assert lines(plot_history(nn)) == expected
    assert lines(plot_history(nn.eval_)) == expected


def test_epochs_are_those_that_were_evaluated():
    shown = lines(plot_history(fitted(eval_every=2)))
    assert shown["Cost"]["training"][0] == [2, 4, 5]
    assert shown["Accuracy"]["validation"][0] == [2, 4, 5]


def test_without_validation_data():
    fig = plot_history(model().fit(X, Y))
    assert list(lines(fig)["Accuracy"]) == ["training"]


@pytest.mark.parametrize("library", ["mlpcore.sklearn", "sklearn.neural_network"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_scikit_learns_classes(name, early_stopping, library):
    estimators = pytest.importorskip(library, reason="scikit-learn is not installed")
    estimator = getattr(estimators, name)(
        max_iter=3, random_state=0, early_stopping=early_stopping
    ).fit(X, Y)
    shown = lines(plot_history(estimator))
    assert shown["Loss"]["training"] == ([1, 2, 3], estimator.loss_curve_)
    if early_stopping:
        scores = [float(score) for score in estimator.validation_scores_]
        assert shown["Validation score"]["validation"] == ([1, 2, 3], scores)
        own = getattr(estimator, "validation_loss_curve_", None)
        assert ("validation" in shown["Loss"]) == (own is not None)
    else:
        assert list(shown) == ["Loss"]


def test_numbers_that_are_not_finite_leave_gaps():
    history = {"cost": [3.0, np.nan, 1.0], "train_acc": [0.5, 0.6, 0.7], "valid_acc": []}
    fig = plot_history(history)
    fig.draw_without_rendering()
    assert np.isnan(fig.axes[0].lines[0].get_ydata()[1])


def test_a_given_figure_is_drawn_on_and_returned():
    fig = Figure()
    assert plot_history(fitted(), fig=fig) is fig
    part = Figure().subfigures(1, 2)[1]
    assert plot_history(fitted(), fig=part) is part
    assert plt.get_fignums() == []
    assert plot_history(fitted()) is plt.figure(plt.get_fignums()[0])


@pytest.mark.parametrize("history", [model(), [1.0, 2.0], None])
def test_what_has_no_record_is_refused(history):
    with pytest.raises(TypeError, match=r"history must be a fitted model .*Call fit first"):
        plot_history(history)
    with pytest.raises(ValueError, match="at least one epoch"):
        plot_history({"cost": [], "train_acc": [], "valid_acc": []})


def test_lbfgs_records_nothing():
    estimators = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    with pytest.raises(TypeError, match="L-BFGS records none"):
        plot_history(estimators.MLPRegressor(solver="lbfgs", max_iter=3).fit(X, Y))


# While a model is fitted


def test_live_curves_show_the_whole_history_at_the_end():
    curves = LiveCurves()
    nn = fitted(callback=curves)
    assert lines(curves.figure) == lines(plot_history(nn))
    again = fitted(callback=curves, eval_every=2)
    assert lines(curves.figure) == lines(plot_history(again))
    assert plt.get_fignums() == [1, 2]  # none of them is the callback's


def test_live_curves_change_nothing():
    nn = fitted(callback=LiveCurves())
    assert nn.n_iter_ == 5
    assert nn.eval_ == fitted().eval_


def test_live_curves_of_every_few_epochs(monkeypatch):
    drawn = []
    curves = LiveCurves(every=2, fig=Figure())
    monkeypatch.setattr(curves, "_draw", lambda history: drawn.append(len(history["cost"])))
    fitted(callback=curves)
    assert drawn == [2, 4]
    with pytest.raises(ValueError, match="every must be at least 1; got 0"):
        LiveCurves(every=0)


def test_a_figure_with_a_window_is_drawn_on(monkeypatch):
    fig = Figure()
    drawn = []
    monkeypatch.setattr(fig.canvas, "draw_idle", lambda: drawn.append("drawn"))
    monkeypatch.setattr(fig.canvas, "flush_events", lambda: drawn.append("shown"))
    curves = LiveCurves(fig=fig)
    fitted(callback=curves)
    assert curves.figure is fig
    assert drawn == 5 * ["drawn", "shown"]


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook was asked to show: the pictures of each place, in order."""
    places = []

    class Handle:
        def __init__(self, image):
            places.append([image])
            self.place = places[-1]

        def update(self, image):
            self.place.append(image)

    module = types.ModuleType("IPython.display")
    module.Image = bytes
    module.display = lambda image, display_id: Handle(image)
    parent = types.ModuleType("IPython")
    parent.display = module
    for name, fake in (("ipykernel", parent), ("IPython", parent), ("IPython.display", module)):
        monkeypatch.setitem(sys.modules, name, fake)
    return places


def test_one_picture_in_a_notebook_is_replaced(notebook):
    nn = model(epochs=3, callback=LiveCurves(), progress=False)
    nn.fit(X, Y)
    nn.fit(X, Y)
    assert [len(place) for place in notebook] == [3, 3]
    assert all(image.startswith(b"\x89PNG") for place in notebook for image in place)
    assert len(set(notebook[0])) == 3
    assert plt.get_fignums() == []


def test_models_with_live_curves_can_be_copied():
    curves = LiveCurves(every=2)
    nn = model(callback=curves)
    assert copy.deepcopy(nn).callback.every == 2
    assert pickle.loads(pickle.dumps(nn)).callback.every == 2


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_live_curves_are_a_callback_of_scikit_learns(solver, monkeypatch):
    pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")
    from mlpcore.sklearn import MLPClassifier

    drawn = []
    curves = LiveCurves(every=2)
    draw = curves._draw
    monkeypatch.setattr(
        curves,
        "_draw",
        lambda estimator: (drawn.append(len(estimator.loss_curve_)), draw(estimator)),
    )
    clf = MLPClassifier(max_iter=5, solver=solver, random_state=0, early_stopping=solver == "adam")
    clf.set_callbacks(curves).fit(X, Y)
    assert drawn == ([2, 4, 5] if solver == "adam" else [])
    if solver == "adam":
        assert lines(curves.figure) == lines(plot_history(clf))


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (plot_history, lambda history: LiveCurves()(1, history)):
        with pytest.raises(ImportError, match=r'pip install "mlpcore\[plot\]"'):
            call({"cost": [1.0], "train_acc": [0.5], "valid_acc": []})

"""The pictures: what is drawn is what was given, and everything on them can be read."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from mlpcore import Distortion, plotting

rng = np.random.default_rng(12)
IMAGES = rng.uniform(-1.0, 1.0, (150, 64))
DIGITS = rng.integers(0, 10, 150)
GUESSES = np.where(rng.random(150) < 0.5, DIGITS, rng.integers(0, 10, 150))
WRONG = np.flatnonzero(DIGITS != GUESSES)
NAMES = np.array(["bag", "boot", "coat", "dress", "heel", "shirt", "shoe", "tee", "$x$", "a_b"])
LONG_NAMES = np.array([3 * name for name in NAMES])


@pytest.fixture(autouse=True)
def _manners(monkeypatch):
    """No function shows a figure or changes a global setting; no test leaves a figure behind."""

    def show(*args, **kwargs):
        raise AssertionError("show() was called")

    plt.switch_backend("agg")
    monkeypatch.setattr(plt, "show", show)
    monkeypatch.setattr(Figure, "show", show)
    settings = dict(matplotlib.rcParams)
    yield
    plt.close("all")
    assert dict(matplotlib.rcParams) == settings


def shown(ax):
    """Return the array that an Axes shows as an image."""
    (image,) = ax.images
    return np.asarray(image.get_array())


def titles(fig):
    return [ax.get_title() for ax in fig.axes]


# The grids of images ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_images", "rows", "columns"),
    [(1, 1, 1), (3, 1, 3), (10, 2, 5), (25, 5, 5), (26, 5, 6), (100, 10, 10)],
)
def test_grid_is_filled_row_by_row(n_images, rows, columns):
    fig = plotting.plot_digits(IMAGES, n=n_images)
    assert len(fig.axes) == n_images
    corners = [(round(1 - ax.get_position().y1, 6), ax.get_position().x0) for ax in fig.axes]
    assert corners == sorted(corners)
    assert len({y for y, _ in corners}) == rows
    assert max(Counter(y for y, _ in corners).values()) == columns


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int64, bool])
def test_digits_are_the_rows_under_their_own_labels(dtype):
    X = (IMAGES * 100 + 100).astype(dtype)
    fig = plotting.plot_digits(X, DIGITS)
    assert len(fig.axes) == 25
    for row, ax in enumerate(fig.axes):
        np.testing.assert_array_equal(shown(ax), X[row].reshape(8, 8))
        assert ax.get_title() == str(DIGITS[row])
        assert ax.images[0].get_clim() == (X[:25].min(), X[:25].max())


def test_digits_are_dark_on_light():
    (ax,) = plotting.plot_digits([[0.0, 1.0, 1.0, 1.0]]).axes
    light, dark = ax.images[0].to_rgba(np.array([0.0, 1.0]))[:, 0]
    assert light == 1.0
    assert dark == 0.0


def test_digits_without_labels_have_no_titles():
    assert titles(plotting.plot_digits(IMAGES[:4])) == [""] * 4


def test_digits_of_other_shapes():
    fig = plotting.plot_digits(IMAGES[:2], shape=(4, 16))
    np.testing.assert_array_equal(shown(fig.axes[1]), IMAGES[1].reshape(4, 16))
    solid = IMAGES[:2].reshape(2, 16, 4)
    fig = plotting.plot_digits(solid)
    np.testing.assert_array_equal(shown(fig.axes[1]), solid[1])
    fig = plotting.plot_digits(solid, shape=(8, 8))
    np.testing.assert_array_equal(shown(fig.axes[1]), solid[1].reshape(8, 8))


@pytest.mark.parametrize("shape", [(1, 6400), (6400, 1)])
def test_long_images_keep_a_sensible_figure(shape):
    images = np.tile(IMAGES[:25], (1, 100))
    width, height = plotting.plot_digits(images, shape=shape).get_size_inches()
    assert 0.2 < height / width < 6


def test_rows_stay_together_under_the_heading_of_a_tall_figure():
    fig = plotting.plot_misclassified(IMAGES, DIGITS, GUESSES, n=3, fig=Figure(figsize=(3, 9)))
    heading, *_, image = [boxes_of(fig)[name] for name in ("heading", "title 0", "image 0")]
    assert heading.y0 - image.y1 < 50


def test_constant_image_is_drawn():
    fig = plotting.plot_digits(np.zeros((1, 4)))
    fig.draw_without_rendering()
    np.testing.assert_array_equal(shown(fig.axes[0]), np.zeros((2, 2)))


def test_nan_matters_only_where_it_is_drawn():
    X = IMAGES.copy()
    X[30] = np.nan
    assert len(plotting.plot_digits(X).axes) == 25
    with pytest.raises(ValueError, match="X must be finite"):
        plotting.plot_digits(X, n=31)


def test_distortions_are_those_of_the_seed():
    image, distortion = IMAGES[0], Distortion(rotation=20, elastic=0.5, smoothness=2)
    fig = plotting.plot_distortions(image, distortion, seed=3)
    expected = distortion.transform(np.repeat(image.reshape(1, 8, 8), 25, axis=0), seed=3)
    assert len(fig.axes) == 25
    for ax, variant in zip(fig.axes, expected, strict=True):
        np.testing.assert_array_equal(shown(ax), variant)
    fig = plotting.plot_distortions(image.reshape(4, 16), distortion, n=2, fig=Figure())
    assert [shown(ax).shape for ax in fig.axes] == [(4, 16)] * 2
    fig = plotting.plot_distortions(image, Distortion(), n=1, shape=(16, 4))
    np.testing.assert_array_equal(shown(fig.axes[0]), image.reshape(16, 4))


@pytest.mark.parametrize(
    ("image", "keywords", "message"),
    [
        (IMAGES, {"shape": (8, 8, 8)}, "shape must be"),
        (IMAGES.reshape(-1, 8, 8), {}, "image must be one image"),
        (IMAGES[0, 1:], {}, "square number of features"),
        (np.full(64, np.nan), {}, "image must be finite"),
        (IMAGES[0], {"n": 0}, "n must be at least 1"),
    ],
)
def test_what_cannot_be_drawn_distorted(image, keywords, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_distortions(image, Distortion(), **keywords)


@pytest.mark.parametrize("labels", [np.arange(10), NAMES], ids=["numbers", "names"])
def test_misclassified_images_have_their_own_labels(labels):
    true, predicted = labels[DIGITS], labels[GUESSES]
    fig = plotting.plot_misclassified(IMAGES, true, predicted)
    assert len(fig.axes) == 25
    for row, ax in zip(WRONG, fig.axes, strict=False):
        np.testing.assert_array_equal(shown(ax), IMAGES[row].reshape(8, 8))
        words = ax.get_title().replace(",", "").split()
        assert words == ["true", str(true[row]), "predicted", str(predicted[row])]
    share = f"{len(WRONG)} of 150 misclassified ({len(WRONG) / 150:.2%})"
    assert fig.get_suptitle() == f"{share}; the first 25"


def test_fewer_misclassified_than_asked_for():
    rows = WRONG[:3]
    fig = plotting.plot_misclassified(IMAGES[rows], DIGITS[rows], GUESSES[rows])
    assert len(fig.axes) == 3
    assert fig.get_suptitle() == "3 of 3 misclassified (100.00%)"


@pytest.mark.parametrize("given", [False, True])
def test_nothing_misclassified_is_said(given):
    fig = plotting.plot_misclassified(
        IMAGES, DIGITS, DIGITS, fig=Figure(layout="constrained") if given else None
    )
    fig.draw_without_rendering()
    assert fig.axes == []
    assert fig.get_suptitle() == "None of the 150 images is misclassified."


def test_weights_are_the_columns_on_one_symmetric_scale():
    w = rng.normal(0.0, 0.1, (64, 120))
    w[7, 3] = -2.5
    w[7, 110] = 9.0  # not drawn, so it must not set the scale
    fig = plotting.plot_weights(w)
    *units, bar = fig.axes
    assert len(units) == 100
    for unit, ax in enumerate(units):
        np.testing.assert_array_equal(shown(ax), w[:, unit].reshape(8, 8))
        assert ax.images[0].get_clim() == (-2.5, 2.5)
    assert bar.get_ylim() == (-2.5, 2.5)
    assert bar.get_ylabel() == "weight"
    below, zero, above = units[0].images[0].to_rgba(np.array([-2.5, 0.0, 2.5]))[:, :3]
    assert zero.min() > 0.95  # white
    assert above[0] > above[2]  # red
    assert below[2] > below[0]  # blue


def test_zero_weights_are_white():
    fig = plotting.plot_weights(np.zeros((9, 2), dtype=np.float32))
    fig.draw_without_rendering()
    assert fig.axes[0].images[0].to_rgba(np.zeros(1)).min() > 0.95


GRIDS = {
    "digits": lambda fig: plotting.plot_digits(IMAGES, DIGITS, fig=fig),
    "distortions": lambda fig: plotting.plot_distortions(
        IMAGES[0], Distortion(rotation=9), fig=fig
    ),
    "misclassified": lambda fig: plotting.plot_misclassified(IMAGES, DIGITS, GUESSES, fig=fig),
    "named": lambda fig: plotting.plot_misclassified(
        IMAGES, NAMES[DIGITS], NAMES[GUESSES], fig=fig
    ),
    "long names": lambda fig: plotting.plot_misclassified(
        IMAGES, LONG_NAMES[DIGITS], LONG_NAMES[GUESSES], fig=fig
    ),
    "one": lambda fig: plotting.plot_misclassified(
        IMAGES[: WRONG[0] + 1], DIGITS[: WRONG[0] + 1], GUESSES[: WRONG[0] + 1], fig=fig
    ),
    "many": lambda fig: plotting.plot_misclassified(IMAGES, DIGITS, 10 + DIGITS, n=49, fig=fig),
    "weights": lambda fig: plotting.plot_weights(IMAGES.T, n=25, fig=fig),
    "tiny weights": lambda fig: plotting.plot_weights(2.5e-7 * IMAGES.T, n=10, fig=fig),
}
FIGURES = {
    "new": lambda: None,
    "small": lambda: Figure(figsize=(4, 4)),
    "wide": lambda: Figure(figsize=(16, 5), dpi=50),
    "tall": lambda: Figure(figsize=(5, 12), dpi=50),
    "constrained": lambda: Figure(layout="constrained"),
    "part": lambda: Figure(figsize=(12, 6), layout="constrained").subfigures(1, 2)[1],
}


def boxes_of(fig):
    """Return what a reader sees of a rendered figure: a box in pixels for each thing."""
    fig.get_figure(root=True).canvas.draw()
    boxes = {}
    for number, ax in enumerate(fig.axes):
        boxes[f"image {number}"] = ax.get_window_extent()
        if ax.get_title():
            boxes[f"title {number}"] = ax.title.get_window_extent()
        for side, axis in (("x", ax.xaxis), ("y", ax.yaxis)):
            if axis.get_ticklabels():
                boxes[f"{side} axis {number}"] = axis.get_tightbbox()
    if fig.get_suptitle():
        boxes["heading"] = fig._suptitle.get_window_extent()
    return boxes


def assert_readable(boxes, whole):
    """Assert that nothing overlaps and nothing is cut off, to half a pixel."""
    names = list(boxes)
    corners = np.array([box.extents for box in boxes.values()])
    low, high = corners[:, :2], corners[:, 2:]
    common = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    overlaps = np.argwhere(np.triu((common > 0.5).all(axis=2), k=1))
    assert [(names[one], names[other]) for one, other in overlaps] == []
    assert np.all(low > whole.p0 - 0.5)
    assert np.all(high < whole.p1 + 0.5)


@pytest.mark.parametrize("where", FIGURES)
@pytest.mark.parametrize("what", GRIDS)
def test_nothing_overlaps_and_each_title_is_over_its_image(what, where):
    given = FIGURES[where]()
    fig = GRIDS[what](given)
    if given is not None:
        assert fig is given
        assert plt.get_fignums() == []
    boxes = boxes_of(fig)
    assert_readable(boxes, fig.bbox)
    for number in range(len(fig.axes)):
        if f"title {number}" in boxes:
            title, image = boxes[f"title {number}"], boxes[f"image {number}"]
            assert (title.x0 + title.x1) / 2 == pytest.approx((image.x0 + image.x1) / 2, abs=1)
            assert -0.5 < title.y0 - image.y1 < 10


def test_short_titles_keep_their_size():
    fig = plotting.plot_misclassified(IMAGES, DIGITS, GUESSES)
    assert {ax.title.get_fontsize() for ax in fig.axes} == {8.5}


def test_labels_are_written_as_they_are():
    fig = plotting.plot_digits(IMAGES[:2], ["$\\frac$", "a_b^c"])
    fig.draw_without_rendering()  # as mathematics the first would not parse
    assert titles(fig) == ["$\\frac$", "a_b^c"]


def test_figure_too_small_for_the_grid():
    with pytest.raises(ValueError, match=r"fig must be larger for 100 images; it has 1\.0 x 1\.0"):
        plotting.plot_weights(IMAGES.T, fig=Figure(figsize=(1, 1)))


# The lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_epochs", [1, 2, 30, 200])
def test_cost_is_drawn_at_epochs_from_one(n_epochs):
    cost = np.geomspace(60_000, 5_000, n_epochs)
    ax = plotting.plot_cost(list(cost))
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, n_epochs + 1))
    np.testing.assert_array_equal(line.get_ydata(), cost)
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Cost"
    ax.figure.draw_without_rendering()
    ticks = ax.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))
    if n_epochs == 1:
        assert line.get_marker() == "o"  # a line alone would not be seen


@pytest.mark.parametrize(("cost", "label"), [(60_000.0, "60,000"), (0.5, "0.50")])
def test_cost_axis_is_easy_to_read(cost, label):
    ax = plotting.plot_cost([cost, 0.8 * cost])
    ax.figure.draw_without_rendering()
    assert label in [text.get_text() for text in ax.get_yticklabels()]


def test_cost_of_two_networks_on_one_log_axis():
    _, ax = plt.subplots()
    ax.set_yscale("log")
    plotting.plot_cost([100.0, 10.0, 1.0], ax=ax)
    plotting.plot_cost([200.0, 2.0], ax=ax)
    ax.figure.draw_without_rendering()
    assert ax.get_yscale() == "log"
    assert ax.get_xlim()[1] >= 3
    assert len({line.get_color() for line in ax.lines}) == 2


def test_accuracies_have_a_legend():
    ax = plotting.plot_accuracy([0.8, 0.9, 0.95], [0.7, 0.85, 0.9])
    train, valid = ax.lines
    np.testing.assert_array_equal(train.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(train.get_ydata(), [0.8, 0.9, 0.95])
    np.testing.assert_array_equal(valid.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(valid.get_ydata(), [0.7, 0.85, 0.9])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]
    assert [handle.get_color() for handle in ax.get_legend().legend_handles] == [
        train.get_color(),
        valid.get_color(),
    ]
    assert train.get_color() != valid.get_color()
    assert train.get_linestyle() != valid.get_linestyle()
    assert ax.get_ylabel() == "Accuracy"


@pytest.mark.parametrize("nothing", [None, [], np.array([])])
def test_accuracy_without_validation(nothing):
    ax = plotting.plot_accuracy([0.8, 0.9], nothing)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training"]
    assert len(ax.lines) == 1


# The confusion matrix -----------------------------------------------------------------------------


def contrast(colour, background):
    """Return the contrast ratio of WCAG 2 of two RGB colours."""

    def luminance(rgb):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted([luminance(colour), luminance(background)], reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("classes", [np.arange(10), NAMES], ids=["numbers", "names"])
def test_confusion_counts_every_row_once(classes):
    true, predicted = classes[DIGITS], classes[GUESSES]
    ax = plotting.plot_confusion(true, predicted)
    order = sorted(classes.tolist())
    counted = Counter(zip(true.tolist(), predicted.tolist(), strict=True))
    expected = [[counted[row, column] for column in order] for row in order]
    np.testing.assert_array_equal(shown(ax), expected)
    for axis in (ax.xaxis, ax.yaxis):
        assert [text.get_text() for text in axis.get_ticklabels()] == [str(c) for c in order]
    assert ax.get_xlabel() == "Predicted label"
    assert ax.get_ylabel() == "True label"

    written = {text.get_position(): text.get_text() for text in ax.texts}
    cells = {
        (column, row): str(count)
        for (row, column), count in np.ndenumerate(np.array(expected))
        if count
    }
    assert written == cells


def test_confusion_counts_can_be_read_on_every_colour():
    counts = [0, *np.unique(np.geomspace(1, 2000, 40).astype(int))]
    true = np.repeat(np.arange(len(counts)), counts)
    ax = plotting.plot_confusion(true, np.zeros_like(true))
    assert len(ax.texts) == len(counts) - 1
    for text in ax.texts:
        background = ax.images[0].to_rgba(int(text.get_text()))[:3]
        assert contrast(matplotlib.colors.to_rgb(text.get_color()), background) >= 4.5


@pytest.mark.parametrize("n_classes", [1, 2, 10, 26, 45])
@pytest.mark.parametrize("width", [1, 2, 12])
def test_confusion_labels_and_counts_fit(n_classes, width):
    classes = np.array([f"{number:0{width}}"[-width:] for number in range(n_classes)])
    classes = classes if len(set(classes)) == n_classes else np.arange(n_classes)
    true = np.repeat(np.arange(n_classes), 1000)
    ax = plotting.plot_confusion(classes[true], classes[np.roll(true, 500)])
    ax.figure.canvas.draw()
    for axis in (ax.xaxis, ax.yaxis):
        boxes = [text.get_window_extent() for text in axis.get_ticklabels()]
        assert_readable(dict(enumerate(boxes)), ax.figure.bbox)
    cell = ax.get_window_extent().width / n_classes
    assert all(text.get_window_extent().width < cell for text in ax.texts)


def test_confusion_with_labels_in_an_order():
    ax = plotting.plot_confusion(["b", "a"], ["b", "b"], labels=["c", "b", "a"])
    np.testing.assert_array_equal(shown(ax), [[0, 0, 0], [0, 1, 0], [0, 1, 0]])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["c", "b", "a"]


# Where it is drawn --------------------------------------------------------------------------------

LINES = {
    "cost": lambda ax: plotting.plot_cost([3.0, 2.0], ax=ax),
    "accuracy": lambda ax: plotting.plot_accuracy([0.5, 0.6], [0.4, 0.5], ax=ax),
    "confusion": lambda ax: plotting.plot_confusion(DIGITS, GUESSES, ax=ax),
}


@pytest.mark.parametrize("what", LINES)
def test_given_axes_are_drawn_on_and_returned(what):
    ax = Figure().subplots()
    assert LINES[what](ax) is ax
    assert ax.has_data()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("what", [*LINES, *GRIDS])
def test_new_figure_is_pyplots(what):
    made = {**LINES, **GRIDS}[what](None)
    (number,) = plt.get_fignums()
    assert plt.figure(number) is (made if what in GRIDS else made.figure)


def test_figures_can_be_saved(tmp_path):
    plotting.plot_misclassified(IMAGES, DIGITS, GUESSES).savefig(tmp_path / "grid.png", dpi=50)
    picture = plt.imread(tmp_path / "grid.png")
    assert picture.shape[2] == 4
    assert picture[..., :3].min() < 0.1
    assert picture[..., :3].max() == 1.0


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.plot_digits(IMAGES[0]), r"one image per row.*\(64,\).*X\[None\]"),
        (lambda p: p.plot_digits(7.0), r"one image per row.*got shape \(\)"),
        (lambda p: p.plot_digits(np.empty((0, 64))), r"at least one image; got shape \(0, 64\)"),
        (lambda p: p.plot_digits(np.empty((4, 0))), r"at least one image; got shape \(4, 0\)"),
        (lambda p: p.plot_digits(IMAGES[:, 1:]), r"square number of features.*got 63.*shape="),
        (lambda p: p.plot_digits(IMAGES, shape=(8, 9)), r"rows \* columns = 64.*got \(8, 9\)"),
        (lambda p: p.plot_digits(IMAGES, shape=(-8, -8)), r"rows \* columns = 64"),
        (lambda p: p.plot_digits(IMAGES, shape=(64,)), r"shape must be \(rows, columns\)"),
        (lambda p: p.plot_digits(IMAGES, DIGITS[1:]), "got 149 for 150 images"),
        (lambda p: p.plot_digits(IMAGES, DIGITS[:, None]), r"y must have one dimension; got shape"),
        (lambda p: p.plot_digits(IMAGES, n=0), "n must be at least 1; got 0"),
        (lambda p: p.plot_digits(IMAGES.astype(str)), "X must hold real numbers; got dtype <U"),
        (lambda p: p.plot_digits(IMAGES + 1j), "X must hold real numbers; got dtype complex128"),
        (lambda p: p.plot_digits(IMAGES / [[0.0]]), "X must be finite"),
        (lambda p: p.plot_misclassified(IMAGES, DIGITS, GUESSES[1:]), "got 150 and 149 labels"),
        (lambda p: p.plot_misclassified(IMAGES[1:], DIGITS, GUESSES), "got 149 rows for 150"),
        (lambda p: p.plot_misclassified(IMAGES, DIGITS, GUESSES, n=-1), "at least 1; got -1"),
        (lambda p: p.plot_misclassified(IMAGES[:, 1:], DIGITS, GUESSES), "square number"),
        (lambda p: p.plot_misclassified(IMAGES[0], DIGITS, GUESSES), "one image per row"),
        (lambda p: p.plot_weights(IMAGES[0]), r"w must be a matrix.*got shape \(64,\)"),
        (lambda p: p.plot_weights(np.empty((64, 0))), r"w must be a matrix.*got shape \(64, 0\)"),
        (lambda p: p.plot_weights(IMAGES[:, :63].T), "w must have a square number of features"),
        (lambda p: p.plot_weights(np.full((4, 4), np.nan)), "w must be finite"),
        (lambda p: p.plot_cost([]), r"cost must be a list of one number per epoch; got shape \(0,"),
        (lambda p: p.plot_cost(3.0), r"cost must be a list.*got shape \(\)"),
        (lambda p: p.plot_cost([[3.0]]), r"cost must be a list.*got shape \(1, 1\)"),
        (lambda p: p.plot_cost([3.0, np.inf, np.nan]), "finite; got inf in epoch 2"),
        (lambda p: p.plot_accuracy([]), "train_acc must be a list"),
        (lambda p: p.plot_accuracy([0.5, np.nan]), "train_acc must be finite; got nan in epoch 2"),
        (lambda p: p.plot_accuracy([0.5, 97.0]), "train_acc must hold fractions.*from 0.5 to 97"),
        (lambda p: p.plot_accuracy([0.5], [-0.1]), "valid_acc must hold fractions"),
        (lambda p: p.plot_accuracy([0.5, 0.6], [0.5]), "got 2 and 1 values"),
        (lambda p: p.plot_confusion([], []), "at least one label"),
        (lambda p: p.plot_confusion(DIGITS, GUESSES[1:]), "got 150 and 149 labels"),
        (lambda p: p.plot_confusion([[1]], [[1]]), "y_true must have one dimension"),
        (
            lambda p: p.plot_confusion(np.array([1, "a"], dtype=object), [1, 1]),
            "cannot be sorted.*Pass labels=",
        ),
        (lambda p: p.plot_confusion([1, 2], [1, 3], labels=[1, 2]), "3 is not among"),
        (lambda p: p.plot_confusion([1], [1], labels=[1, 1]), "each class once"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_arrays_are_refused_before_a_figure_is_made(call, message):
    with pytest.raises(ValueError, match=message):
        call(plotting)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("convert", [str, bytes, lambda label: np.datetime64(label, "D")])
@pytest.mark.parametrize("as_objects", [False, True])
def test_labels_that_are_never_equal_are_refused(convert, as_objects):
    """fetch_openml, for one, gives the digits of MNIST as text."""
    true = np.array([convert(int(digit)) for digit in DIGITS], dtype=object if as_objects else None)
    for call in (
        lambda y_true: plotting.plot_misclassified(IMAGES, y_true, DIGITS),
        lambda y_true: plotting.plot_confusion(y_true, DIGITS),
        lambda y_true: plotting.plot_confusion(y_true, DIGITS, labels=range(10)),
    ):
        with pytest.raises(TypeError, match=r"y_true holds \w+ \(.*y_pred holds numbers \(int64\)"):
            call(true)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("dtype", [float, np.int8, object, "bool"])
def test_numbers_of_any_dtype_are_compared(dtype):
    true = np.array([0, 1, 1])
    fig = plotting.plot_misclassified(IMAGES[:3], true, np.array([0, 1, 0]).astype(dtype))
    assert fig.get_suptitle() == "1 of 3 misclassified (33.33%)"


# Matplotlib is optional ---------------------------------------------------------------------------


@pytest.mark.parametrize("what", [*LINES, *GRIDS])
def test_without_matplotlib_the_error_says_what_to_install(what, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "mlpcore\[plot\]"'):
        {**LINES, **GRIDS}[what](None)


def test_import_brings_neither_matplotlib_nor_the_engine():
    code = (
        "import sys; before = set(sys.modules); import mlpcore.plotting; "
        "print(*(m for m in sys.modules if m.startswith('matplotlib')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

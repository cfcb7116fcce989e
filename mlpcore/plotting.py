"""Pictures of digits, of a training history, and of what a network got wrong.

Every function takes plain arrays, draws on the Axes or Figure it is given or on a new one, and
returns what it drew on. None calls ``show()`` or changes a global setting; save a picture with
``figure.savefig(path)``, or call ``matplotlib.pyplot.show()`` to see it in a window.

Matplotlib is imported when a figure is asked for, and not with this module:
``pip install "mlpcore[plot]"`` brings it.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mlpcore._labels import check_same_kind

if TYPE_CHECKING:
    from types import ModuleType

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.text import Text
    from typing_extensions import TypeVar

    from mlpcore.distortion import Distortion

    # A call without ``fig`` gives a Figure; a call with one gives that one back.
    FigureT = TypeVar("FigureT", bound=Figure | SubFigure, default=Figure)

__all__ = [
    "LiveCurves",
    "plot_accuracy",
    "plot_confusion",
    "plot_cost",
    "plot_digits",
    "plot_distortions",
    "plot_history",
    "plot_misclassified",
    "plot_weights",
]

# Lengths are in points (1/72 inch), matplotlib's unit for text.
_TITLE = 8.5  # font size of the line over each image of a grid
_HEADING = 11.0  # font size of the line over the whole grid
_CHARACTER = 0.7  # width of a character as a part of the font size, on the safe side
_GAP = 5.0  # white space around each image
_IMAGE = 95.0  # width of an image in a new grid of five columns or fewer
_COLOUR_BAR = 72.0  # width of a colour bar with its numbers
_GRID_WIDTH = 500.0  # most that a new grid of images takes, about a page's width


def plot_digits(
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    n: int = 25,
    shape: tuple[int, int] | None = None,
    fig: FigureT | None = None,
) -> FigureT:
    """Draw the first images of an array in a grid, dark on light.

    Choose the images by indexing, as in the examples below. Ten fill a grid of 2 x 5, and
    twenty-five one of 5 x 5. The smallest value drawn is white and the largest black.

    Parameters
    ----------
    X : array-like of numbers, shape (n_images, n_features) or (n_images, rows, columns)
        One image per row.
    y : array-like, shape (n_images,), optional
        Labels, written over the images.
    n : int, default 25
        How many images to draw at most; the first ones are taken.
    shape : (rows, columns), optional
        Size of an image. By default images are square: 784 features are 28 x 28 pixels.
    fig : Figure or SubFigure, optional
        An empty figure to draw on; the grid fills it, without its layout engine. By default a
        new one is made with ``matplotlib.pyplot``.

    Returns
    -------
    fig : Figure or SubFigure
        The figure drawn on, with one Axes per image, row by row.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If X has no images, holds NaN or infinity where it is drawn, or does not fit `shape` or `y`.

    Examples
    --------
    One image of each class, then twenty-five of one class:

    >>> import numpy as np
    >>> from mlpcore import load_digits
    >>> from mlpcore.plotting import plot_digits
    >>> X, y = load_digits()
    >>> classes, first = np.unique(y, return_index=True)
    >>> len(plot_digits(X[first], y[first]).axes)
    10
    >>> len(plot_digits(X[y == 7]).axes)
    25
    """
    pixels = _as_rows("X", X)
    titles: list[str] = []
    if y is not None:
        labels = _as_labels("y", y)
        if len(labels) != len(pixels):
            raise ValueError(
                f"y must have one label for each image; got {len(labels)} for {len(pixels)} images."
            )
        titles = [f"{label}" for label in labels[: _at_least_one(n)]]
    return _draw_grid(fig, _as_images("X", pixels[: _at_least_one(n)], shape), titles=titles)


def plot_distortions(
    image: ArrayLike,
    distortion: Distortion,
    *,
    n: int = 25,
    seed: int = 0,
    shape: tuple[int, int] | None = None,
    fig: FigureT | None = None,
) -> FigureT:
    """Draw an image in several distortions, dark on light.

    Parameters
    ----------
    image : array-like of numbers, shape (n_features,) or (rows, columns)
    distortion : mlpcore.Distortion
    n : int, default 25
        How many distortions to draw.
    seed : int, default 0
        Another seed gives other distortions.
    shape : (rows, columns), optional
        Size of an image of features. By default it is square.
    fig : Figure or SubFigure, optional
        An empty figure to draw on. By default a new one is made with ``matplotlib.pyplot``.

    Returns
    -------
    fig : Figure or SubFigure
        The figure drawn on, with one Axes per distortion, row by row.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the image holds NaN or infinity, or does not fit `shape`.

    Examples
    --------
    >>> from mlpcore import Distortion, load_digits
    >>> from mlpcore.plotting import plot_distortions
    >>> X, y = load_digits()
    >>> len(plot_distortions(X[0], Distortion(rotation=15, elastic=0.5, smoothness=2)).axes)
    25
    """
    pixels = np.asarray(image)
    if pixels.ndim not in (1, 2):
        raise ValueError(
            "image must be one image, shape (n_features,) or (rows, columns); "
            f"got shape {pixels.shape}."
        )
    images = _as_images("image", _as_rows("image", pixels[None]), shape)
    variants = np.repeat(images, _at_least_one(n), axis=0)
    return _draw_grid(fig, distortion.transform(variants, seed=seed))


def plot_misclassified(
    X: ArrayLike,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    n: int = 25,
    shape: tuple[int, int] | None = None,
    fig: FigureT | None = None,
) -> FigureT:
    """Draw the first images whose predicted label is not the true one.

    Each image has both labels over it, and the figure says how many are wrong in all; where
    none is, it says that.

    Parameters
    ----------
    X : array-like of numbers, shape (n_images, n_features) or (n_images, rows, columns)
        One image per row.
    y_true : array-like, shape (n_images,)
        The true labels, of any kind that can be compared and printed.
    y_pred : array-like, shape (n_images,)
        The predicted labels.
    n : int, default 25
        How many images to draw at most.
    shape : (rows, columns), optional
        Size of an image. By default images are square.
    fig : Figure or SubFigure, optional
        An empty figure to draw on. By default a new one is made with ``matplotlib.pyplot``.

    Returns
    -------
    fig : Figure or SubFigure
        The figure drawn on, with one Axes per image, row by row.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If one array of labels holds text and the other numbers, so that no label could be right.
    ValueError
        If the three arrays differ in length or are empty, or X does not fit `shape`.
    """
    pixels = _as_rows("X", X)
    true, predicted = _as_label_pair(y_true, y_pred)
    if len(true) != len(pixels):
        raise ValueError(
            f"X must have one row for each label; got {len(pixels)} rows for {len(true)} labels."
        )
    wrong = [row for row, label in enumerate(true) if label != predicted[row]]
    if not wrong:
        figure = _figure(fig, 320, 80)
        message = f"None of the {len(true):,} images is misclassified."
        figure.suptitle(message, y=0.5, va="center", size=_HEADING)
        return figure

    shown = wrong[: _at_least_one(n)]
    images = _as_images("X", pixels[shown], shape)
    heading = f"{len(wrong):,} of {len(true):,} misclassified ({len(wrong) / len(true):.2%})"
    if len(shown) < len(wrong):
        heading += f"; the first {len(shown)}"
    longest = max(len(f"{label}") for row in shown for label in (true[row], predicted[row]))
    between = ", " if longest <= 3 else "\n"
    titles = [f"true {true[row]}{between}predicted {predicted[row]}" for row in shown]
    return _draw_grid(fig, images, titles=titles, heading=heading)


def plot_weights(
    w: ArrayLike,
    *,
    n: int = 100,
    shape: tuple[int, int] | None = None,
    fig: FigureT | None = None,
) -> FigureT:
    """Draw the incoming weights of hidden units as images.

    All units share one scale, symmetric around a white zero: red raises a unit's pre-activation
    where the pixel is large, blue lowers it.

    Parameters
    ----------
    w : array-like of float, shape (n_features, n_hidden)
        Weights of the first layer, one column per unit: ``nn.w_h``, or ``nn.coefs_[0]``.
    n : int, default 100
        How many units to draw at most; the first ones are taken.
    shape : (rows, columns), optional
        Size of an image. By default images are square.
    fig : Figure or SubFigure, optional
        An empty figure to draw on. By default a new one is made with ``matplotlib.pyplot``.

    Returns
    -------
    fig : Figure or SubFigure
        The figure drawn on, with one Axes per unit, row by row, and the colour bar's after them.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If w is not a matrix, is empty, holds NaN or infinity, or does not fit `shape`.
    """
    weights = np.asarray(w)
    if weights.ndim != 2 or weights.size == 0:
        raise ValueError(
            "w must be a matrix of shape (n_features, n_hidden), such as nn.w_h; "
            f"got shape {weights.shape}."
        )
    images = _as_images("w", weights.T[: _at_least_one(n)], shape)
    limit = float(np.abs(images).max()) or 1.0
    return _draw_grid(fig, images, cmap="RdBu_r", limits=(-limit, limit), colour_bar="weight")


def plot_cost(cost: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw the cost after each epoch.

    Parameters
    ----------
    cost : array-like of float, shape (n_epochs,)
        The history of the cost: ``nn.eval_["cost"]``.
    ax : Axes, optional
        Where to draw. By default a new figure is made with ``matplotlib.pyplot``.

    Returns
    -------
    ax : Axes
        The Axes drawn on. ``ax.set_yscale("log")`` shows the late epochs of a long run better.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If the history is empty, not one-dimensional, or holds NaN or infinity.

    Examples
    --------
    >>> from mlpcore.plotting import plot_cost
    >>> plot_cost([66739.7, 47830.4, 40336.6]).get_ylabel()
    'Cost'
    """
    history = _as_history("cost", cost)
    ax = _new_axes(6.0, 4.0) if ax is None else ax
    _draw_history(ax, history)
    ax.set_ylabel("Cost")
    if history.max() >= 10_000:
        ax.yaxis.set_major_formatter("{x:,.10g}")
    return ax


def plot_accuracy(
    train_acc: ArrayLike, valid_acc: ArrayLike | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the training accuracy after each epoch, and the validation accuracy beside it.

    Parameters
    ----------
    train_acc : array-like of float, shape (n_epochs,), from 0 to 1
        The history of the training accuracy: ``nn.eval_["train_acc"]``.
    valid_acc : array-like of float, shape (n_epochs,), from 0 to 1, optional
        The history of the validation accuracy: ``nn.eval_["valid_acc"]``. An empty one, as a fit
        without validation data leaves it, is the same as None.
    ax : Axes, optional
        Where to draw. By default a new figure is made with ``matplotlib.pyplot``.

    Returns
    -------
    ax : Axes
        The Axes drawn on.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If a history is empty, not one-dimensional, or leaves the range from 0 to 1, or if the
        two differ in length.
    """
    train = _as_accuracy("train_acc", train_acc)
    valid = None
    if valid_acc is not None and np.size(valid_acc) > 0:
        valid = _as_accuracy("valid_acc", valid_acc)
        if len(valid) != len(train):
            raise ValueError(
                "train_acc and valid_acc must have one value for each epoch; "
                f"got {len(train)} and {len(valid)} values."
            )
    ax = _new_axes(6.0, 4.0) if ax is None else ax
    # The lines differ in their dashes too, for print and for readers who see no colours.
    _draw_history(ax, train, label="training", linestyle="--")
    if valid is not None:
        _draw_history(ax, valid, label="validation")
    ax.set_ylabel("Accuracy")
    ax.legend()
    return ax


def plot_history(history: Any, *, fig: FigureT | None = None) -> FigureT:
    """Draw what training has recorded after each epoch: cost or loss, and accuracies or scores.

    Parameters
    ----------
    history : fitted model or dict
        A `NeuralNetMLP`, an `MLPClassifier` or `MLPRegressor` of `mlpcore.sklearn` or of
        scikit-learn, or ``nn.eval_``. (``solver="lbfgs"`` records nothing.)
    fig : Figure or SubFigure, optional
        An empty figure to draw on. By default a new one is made with ``matplotlib.pyplot``.

    Returns
    -------
    fig : Figure or SubFigure
        The figure drawn on: an Axes of the cost or loss, and beside it one of the accuracies or
        validation scores where there are any. Numbers that are not finite leave gaps.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `history` has no record of epochs, as before `fit`.
    ValueError
        If it has the record of none.

    See Also
    --------
    LiveCurves : The same while a model is fitted.

    Examples
    --------
    >>> from mlpcore import NeuralNetMLP, load_digits
    >>> from mlpcore.plotting import plot_history
    >>> nn = NeuralNetMLP(epochs=3, eta=0.005, minibatch_size=20, seed=1).fit(*load_digits())
    >>> [ax.get_ylabel() for ax in plot_history(nn).axes]
    ['Cost', 'Accuracy']
    """
    epochs, panels = _as_panels(history)
    if fig is None:
        width = 5.0 * len(panels)
        fig = cast("FigureT", _pyplot().figure(figsize=(width, 3.6), layout="constrained"))
    _draw_panels(fig, epochs, panels)
    return fig


class LiveCurves:
    """A callback that draws the history while a model is fitted, as `plot_history` does.

    In a notebook, one picture under the cell is replaced after each epoch. Elsewhere `fig` is drawn
    on, which shows in its window if it has one (``fig=plt.figure()`` after ``plt.ion()``).

    Parameters
    ----------
    every : int, default 1
        Epochs from one picture to the next. A picture takes about a tenth of a second.
    fig : Figure, optional
        The figure to draw on, which is cleared for each picture. By default one without a window.

    Attributes
    ----------
    figure : Figure or None
        The figure last drawn on; None before the first picture.

    Raises
    ------
    ValueError
        If `every` is below 1.

    See Also
    --------
    plot_history : The picture after `fit`.

    Examples
    --------
    >>> from mlpcore import NeuralNetMLP, load_digits
    >>> from mlpcore.plotting import LiveCurves
    >>> curves = LiveCurves(every=2)
    >>> nn = NeuralNetMLP(epochs=4, eta=0.005, minibatch_size=20, seed=1, callback=curves)
    >>> nn = nn.fit(*load_digits())
    >>> len(curves.figure.axes)
    2

    With scikit-learn 1.9 or newer, the estimators of `mlpcore.sklearn` take it by
    ``MLPClassifier().set_callbacks(LiveCurves())``.
    """

    def __init__(self, every: int = 1, fig: Figure | None = None) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1; got {every}.")
        self.every, self.figure = every, fig
        self._display: Any = None
        self._epochs: list[int] = []  # that the model has evaluated

    def __call__(self, epoch: int, history: Mapping[str, Sequence[float]]) -> None:
        """Draw after an epoch: the callback of `NeuralNetMLP`."""
        if epoch == 1:
            self._display, self._epochs = None, []
        if len(history["cost"]) > len(self._epochs):
            self._epochs.append(epoch)
        if epoch % self.every == 0 and history["cost"]:
            self._draw(history)

    # scikit-learn's callbacks have these methods.

    def setup(self, estimator: Any, context: Any) -> None:
        """Begin a new picture."""
        self._display, self._epochs = None, []

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Draw after an epoch."""
        if context.task_name == "epoch" and (context.task_id + 1) % self.every == 0:
            self._draw_estimator(estimator)

    def teardown(self, estimator: Any, context: Any) -> None:
        """Draw all epochs."""
        self._draw_estimator(estimator)

    def _draw_estimator(self, estimator: Any) -> None:
        if getattr(estimator, "loss_curve_", None):  # L-BFGS has none
            self._draw(estimator)

    def _draw(self, history: Any) -> None:
        _pyplot()  # or say how to get matplotlib
        from matplotlib.figure import Figure

        epochs, panels = _as_panels(history)
        if len(self._epochs) == len(epochs):
            epochs = np.array(self._epochs)
        if self.figure is None:
            # Not pyplot's, which a notebook would show a second time at the end of the cell.
            self.figure = Figure(figsize=(5.0 * len(panels), 3.6), layout="constrained")
        self.figure.clear()
        _draw_panels(self.figure, epochs, panels)
        if "ipykernel" not in sys.modules:
            self.figure.canvas.draw_idle()
            self.figure.canvas.flush_events()
            return
        import IPython.display

        picture = io.BytesIO()
        self.figure.savefig(picture, format="png")
        image = IPython.display.Image(picture.getvalue())
        if self._display is None:
            self._display = IPython.display.display(image, display_id=True)
        else:
            self._display.update(image)


def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[Hashable] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many rows of each true class got each predicted label.

    The number is written in each cell. The colour grows with its cube root, so that a few
    errors are visible beside hundreds of correct predictions.

    Parameters
    ----------
    y_true : array-like, shape (n_samples,)
        The true labels, of any hashable kind.
    y_pred : array-like, shape (n_samples,)
        The predicted labels.
    labels : sequence of labels, optional
        The classes in the order to draw them. By default all that occur, sorted.
    ax : Axes, optional
        Where to draw. By default a new figure is made with ``matplotlib.pyplot``.

    Returns
    -------
    ax : Axes
        The Axes drawn on; ``ax.images[0].get_array()`` holds the counts, one row per true class.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If one array of labels holds text and the other numbers, so that no label could be right.
    ValueError
        If the two arrays differ in length or are empty, if a label is not in `labels` or is there
        twice, or if the labels cannot be sorted.
    """
    true, predicted = _as_label_pair(y_true, y_pred)
    classes = _classes(true, predicted, labels)
    place = {label: index for index, label in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for true_label, predicted_label in zip(true, predicted, strict=True):
        counts[place[true_label], place[predicted_label]] += 1

    side = min(max(4.5, 0.45 * len(classes) + 1.0), 14.0)
    ax = _new_axes(side, side) if ax is None else ax
    from matplotlib.colors import PowerNorm

    image = ax.imshow(counts, cmap="Blues", norm=PowerNorm(1 / 3, vmin=0, vmax=counts.max()))
    cell = ax.get_window_extent().width / len(classes) * 72 / ax.figure.dpi
    _write_counts(ax, image, counts, cell)

    names = [f"{label}" for label in classes]
    size = min(10.0, 0.9 * cell)
    upright = 90 if max(map(len, names)) * _CHARACTER * size > cell else 0
    ax.set_xticks(range(len(names)), names, size=size, rotation=upright, parse_math=False)
    ax.set_yticks(range(len(names)), names, size=size, parse_math=False)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("Predicted label")
    ax.set_ylabel("True label")
    return ax


# Checks ------------------------------------------------------------------------------------------


def _as_rows(name: str, values: ArrayLike) -> NDArray[Any]:
    """Check an array of one image per row; shape (n, features) or (n, rows, columns)."""
    array = np.asarray(values)
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{name} must have one image per row, shape (n_images, n_features); "
            f"got shape {array.shape}. Pass {name}[None] to draw a single image."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} must hold at least one image; got shape {array.shape}.")
    return array


def _as_images(name: str, rows: NDArray[Any], shape: tuple[int, int] | None) -> NDArray[np.float64]:
    """Give the rows that are to be drawn the shape of images, (n, rows, columns)."""
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold real numbers; got dtype {rows.dtype}.")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must be finite; the images to draw hold NaN or infinity.")
    n_features = math.prod(rows.shape[1:])
    if shape is None and rows.ndim == 3:
        shape = rows.shape[1:]
    elif shape is None:
        side = math.isqrt(n_features)
        shape = (side, side)
        if side * side != n_features:
            raise ValueError(
                f"{name} must have a square number of features, such as 784 = 28 x 28; "
                f"got {n_features}. Pass shape=(rows, columns)."
            )
    elif len(shape) != 2 or min(shape) < 1 or math.prod(shape) != n_features:
        raise ValueError(
            f"shape must be (rows, columns) with rows * columns = {n_features}, "
            f"the number of features; got {shape}."
        )
    return rows.reshape(-1, *shape).astype(np.float64)


def _as_labels(name: str, values: ArrayLike) -> list[Any]:
    """Check an array of labels and return them as a list of Python objects."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension; got shape {array.shape}.")
    return list(array.tolist())


def _as_label_pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[list[Any], list[Any]]:
    """Check true and predicted labels against each other."""
    true, predicted = _as_labels("y_true", y_true), _as_labels("y_pred", y_pred)
    if len(true) != len(predicted):
        raise ValueError(
            "y_true and y_pred must have the same length; "
            f"got {len(true)} and {len(predicted)} labels."
        )
    if not true:
        raise ValueError("y_true and y_pred must hold at least one label; got none.")
    check_same_kind(y_true, "y_true", y_pred, "y_pred")
    return true, predicted


def _as_history(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Check one number per epoch."""
    history = np.asarray(values, dtype=np.float64)
    if history.ndim != 1 or history.size == 0:
        raise ValueError(
            f"{name} must be a list of one number per epoch; got shape {history.shape}."
        )
    if not np.isfinite(history).all():
        first = int(np.flatnonzero(~np.isfinite(history))[0])
        raise ValueError(f"{name} must be finite; got {history[first]} in epoch {first + 1}.")
    return history


def _as_accuracy(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Check one fraction per epoch."""
    history = _as_history(name, values)
    if history.min() < 0 or history.max() > 1:
        raise ValueError(
            f"{name} must hold fractions from 0 to 1; "
            f"got values from {history.min():g} to {history.max():g}."
        )
    return history


# The label of an Axes, and its lines: labels and numbers.
_Panel = tuple[str, list[tuple[str, Sequence[float]]]]


def _as_panels(history: Any) -> tuple[NDArray[np.int64], list[_Panel]]:
    """The epochs that a dict or a model has records of, and what to draw of them."""
    record = history if isinstance(history, Mapping) else getattr(history, "eval_", None)
    every, last = 1, None
    if record is not None:
        panels: list[_Panel] = [
            ("Cost", [("training", record["cost"])]),
            ("Accuracy", [("training", record["train_acc"]), ("validation", record["valid_acc"])]),
        ]
        if record is not history:
            every, last = history.eval_every, history.n_iter_
    elif hasattr(history, "loss_curve_"):
        held_out = getattr(history, "validation_loss_curve_", None)
        scores = getattr(history, "validation_scores_", None)
        panels = [
            ("Loss", [("training", history.loss_curve_), ("validation", held_out or [])]),
            ("Validation score", [("validation", scores or [])]),
        ]
    else:
        raise TypeError(
            "history must be a fitted model that has recorded its epochs (L-BFGS records none), or "
            f"nn.eval_; got {type(history).__name__}. Call fit first."
        )
    panels = [(name, [line for line in lines if len(line[1])]) for name, lines in panels]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        raise ValueError("history must have at least one epoch; got none.")
    count = max(len(values) for _, lines in panels for _, values in lines)
    # Only every few epochs are evaluated, and the last one.
    epochs = np.arange(1, count + 1) * every
    return np.minimum(epochs, last or epochs[-1]), panels


def _at_least_one(n: int) -> int:
    """Check how many images to draw."""
    if n < 1:
        raise ValueError(f"n must be at least 1; got {n}.")
    return n


def _classes(
    true: list[Any], predicted: list[Any], labels: Sequence[Hashable] | None
) -> list[Hashable]:
    """Return the classes in the order to draw them."""
    found = {*true, *predicted}
    if labels is None:
        try:
            return sorted(found)
        except TypeError as error:
            raise ValueError(
                f"y_true and y_pred hold labels that cannot be sorted ({error}). "
                "Pass labels=, in the order to draw them."
            ) from error
    classes = list(labels)
    if len(set(classes)) < len(classes):
        raise ValueError(f"labels must name each class once; got {classes}.")
    if unknown := found.difference(classes):
        raise ValueError(f"labels must name every class; {unknown.pop()!r} is not among {classes}.")
    return classes


# Drawing -----------------------------------------------------------------------------------------


def _pyplot() -> ModuleType:
    """Import matplotlib, or say how to get it."""
    try:
        import matplotlib.pyplot
    except ModuleNotFoundError as error:
        raise ImportError('Pictures need matplotlib: pip install "mlpcore[plot]"') from error
    return matplotlib.pyplot


def _figure(fig: FigureT | None, width: float, height: float) -> FigureT:
    """Return the figure that was given, or a new one of a size in points."""
    if fig is None:
        fig = cast("FigureT", _pyplot().figure(figsize=(width / 72, height / 72)))
    if hasattr(fig, "set_layout_engine"):  # A SubFigure has none: its parent lays it out.
        fig.set_layout_engine("none")
    return fig


def _new_axes(width: float, height: float) -> Axes:
    """Make a figure of one Axes, its size in inches."""
    _, ax = _pyplot().subplots(figsize=(width, height), layout="constrained")
    return cast("Axes", ax)


def _draw_panels(
    fig: Figure | SubFigure, epochs: NDArray[np.int64], panels: Sequence[_Panel]
) -> None:
    """Draw the panels that `_as_panels` returns side by side."""
    axes = fig.subplots(1, len(panels), squeeze=False)[0]
    for ax, (name, lines) in zip(axes, panels, strict=True):
        for label, values in lines:
            # As in plot_accuracy: lines differ in their dashes, too.
            style = "--" if label == "training" and len(lines) > 1 else "-"
            history = np.asarray(values, np.float64)
            _draw_history(ax, history, epochs[: len(history)], label=label, linestyle=style)
        ax.set_ylabel(name)
        if name == "Accuracy" or len(lines) > 1:
            ax.legend()


def _draw_history(
    ax: Axes, history: NDArray[np.float64], epochs: NDArray[np.int64] | None = None, **style: Any
) -> None:
    """Draw one number per epoch in the next colour of the Axes' own cycle."""
    from matplotlib.ticker import MaxNLocator

    # A line through few points is hard to see, and through one point invisible.
    marker = "o" if len(history) <= 30 else ""
    if epochs is None:
        epochs = np.arange(1, len(history) + 1)
    ax.plot(epochs, history, marker=marker, markersize=4, **style)
    ax.margins(x=0.02)
    ax.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    ax.set_xlabel("Epoch")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)


def _write_counts(ax: Axes, image: AxesImage, counts: NDArray[np.int64], cell: float) -> None:
    """Write each count into its cell, in black or white, whichever stands out more."""
    size = min(9.0, cell / (_CHARACTER * len(f"{counts.max()}")))
    # Zeros are left out, so that the errors are found at a glance.
    for row, column in np.argwhere(counts).tolist():
        count = counts[row, column]
        rgb = np.asarray(image.to_rgba(count))[:3]
        # Relative luminance as WCAG 2 has it. Black on more than 0.18 and white on less both have
        # a contrast of 4.5 or better.
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        colour = "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.18 else "white"
        ax.text(column, row, f"{count}", ha="center", va="center", size=size, color=colour)


def _draw_grid(
    fig: FigureT | None,
    images: NDArray[np.float64],
    *,
    titles: Sequence[str] = (),
    heading: str = "",
    cmap: str = "Greys",
    limits: tuple[float, float] | None = None,
    colour_bar: str = "",
) -> FigureT:
    """Draw images on one colour scale in a grid, a title over each and a heading over all.

    The Axes are placed by hand: matplotlib's layout engines take seconds for a hundred of them,
    and a figure that was given may have any engine or none.
    """
    n_images, n_rows, n_columns = images.shape
    across = min(n_images, max(5, math.ceil(math.sqrt(n_images))))
    down = math.ceil(n_images / across)
    over_grid = _GAP + (1.6 * _HEADING if heading else 0.0)
    over_image = _TITLE * max((1.6 + 1.2 * title.count("\n") for title in titles), default=0.0)
    beside_grid = _GAP + (_COLOUR_BAR if colour_bar else 0.0)

    tall = min(max(n_rows / n_columns, 0.2), 5.0)  # Height by width, within reason.
    wide = min(_IMAGE, _GRID_WIDTH / across - _GAP)
    figure = _figure(
        fig,
        width=max(beside_grid + across * (wide + _GAP), _CHARACTER * _HEADING * len(heading)),
        height=over_grid + down * (over_image + tall * wide + _GAP),
    )
    # From here on with the size of the figure that is there, in the same way for a given one.
    points = 72 / figure.dpi
    width, height = figure.bbox.width * points, figure.bbox.height * points
    wide = (width - beside_grid) / across - _GAP
    # In a figure with height to spare, the rows stay together at the top.
    high = min((height - over_grid) / down - over_image - _GAP, tall * wide)
    if min(wide, high) < 1:
        raise ValueError(
            f"fig must be larger for {n_images} images; "
            f"it has {width / 72:.1f} x {height / 72:.1f} inches."
        )

    def add_axes(left: float, top: float, wide: float, high: float) -> Axes:
        """Place an Axes by points from the upper left corner."""
        bottom = height - top - high
        return figure.add_axes((left / width, bottom / height, wide / width, high / height))

    if limits is None:
        limits = (images.min(), images.max())
    texts = []
    for index, pixels in enumerate(images):
        row, column = divmod(index, across)
        left = _GAP + column * (wide + _GAP)
        top = over_grid + over_image + row * (over_image + high + _GAP)
        ax = add_axes(left, top, wide, high)
        drawn = ax.imshow(pixels, cmap=cmap, vmin=limits[0], vmax=limits[1])
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("0.8")
        if titles:
            texts.append(ax.set_title(titles[index], size=_TITLE, pad=3, parse_math=False))
    _shrink(texts, wide / points)
    if heading:
        text = figure.suptitle(heading, y=1 - _GAP / height, va="top", size=_HEADING)
        _shrink([text], (width - 2 * _GAP) / points)
    if colour_bar:
        grid_height = down * (over_image + high + _GAP) - _GAP
        ax = add_axes(width - _COLOUR_BAR + _GAP, over_grid, 10.0, grid_height)
        figure.colorbar(drawn, cax=ax, format="{x:.3g}")
        ax.tick_params(labelsize=_TITLE)
        ax.set_ylabel(colour_bar, size=_TITLE, labelpad=1)
    return figure


def _shrink(texts: Sequence[Text], width: float) -> None:
    """Make texts of one size small enough for a width in pixels."""
    widest = max((text.get_window_extent().width for text in texts), default=0.0)
    if widest > width:
        for text in texts:
            text.set_fontsize(float(text.get_fontsize()) * width / widest)

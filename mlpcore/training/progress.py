"""The progress of a fit: a bar on terminals and in notebooks, or lines on request."""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import FrameType, TracebackType
from typing import Any

_FORMATS = {"cost": ".2f", "train_acc": ".2%", "valid_acc": ".2%"}


def _watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    if "ipykernel" in sys.modules:
        return True
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # no standard error, or a closed one
        return False


def _one_of_many() -> bool:
    """Whether joblib called this fit, as it does for cross_val_score and GridSearchCV.

    joblib itself reports that only in its workers: `joblib.parallel.get_active_backend` gives the
    same inside and outside of a `Parallel` with one job, which is scikit-learn's default.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__") != "joblib.parallel":
        frame = frame.f_back
    return frame is not None


def _bar_class() -> Any:
    """Return tqdm's bar for where this runs, or None without tqdm.

    In a notebook, tqdm.auto draws with ipywidgets and warns if there are none.
    """
    try:
        if "ipykernel" in sys.modules:
            with contextlib.suppress(ImportError):
                importlib.import_module("ipywidgets")
                return importlib.import_module("tqdm.auto").tqdm
        return importlib.import_module("tqdm").tqdm
    except ImportError:
        return None


class Progress:
    """Shows each finished epoch on standard error.

    Parameters
    ----------
    mode : {"auto", True, False}
        "auto" shows a bar on a terminal or in a notebook, where tqdm is installed, and nothing
        elsewhere or if joblib runs the fit as one of several. True always shows the bar, and a
        line for each epoch where there can be none.
    epochs : int
        The number of all epochs.
    start : int, default=0
        The number of those that are finished.
    """

    def __init__(self, mode: bool | str, epochs: int, start: int = 0) -> None:
        self._epochs = epochs
        self._bar: Any = None
        self._lines = mode is True
        if mode is False or not _watched() or (mode == "auto" and _one_of_many()):
            return
        bar_class = _bar_class()
        if bar_class is not None:
            self._bar = bar_class(total=epochs, initial=start, unit="epoch")
            self._lines = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, epoch: int, metrics: dict[str, float]) -> None:
        """Show that an epoch is finished.

        Parameters
        ----------
        epoch : int
            From 1.
        metrics : dict of float
            The metrics of this epoch. Accuracies have names that end in ``"_acc"``, and are
            fractions from 0 to 1.
        """
        if self._bar is None and not self._lines:
            return
        texts = {
            name.removesuffix("_acc"): f"{value:{_FORMATS.get(name, '.6g')}}"
            for name, value in metrics.items()
        }
        if self._bar is not None:
            if texts:
                self._bar.set_postfix(texts, refresh=False)
            self._bar.update()
        elif sys.stderr is not None and not getattr(sys.stderr, "closed", False):
            text = ", ".join(f"{name} {value}" for name, value in texts.items())
            line = f"epoch {epoch}/{self._epochs}" + (f": {text}" if text else "")
            print(line, file=sys.stderr, flush=True)

"""The progress of a fit: a bar where somebody watches, lines where somebody asked for them."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


def _watched() -> bool:
    """Whether standard error is a terminal, or this is a notebook."""
    if "ipykernel" in sys.modules:
        return True
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # no standard error, or a closed one
        return False


class Progress:
    """Shows each finished epoch on standard error.

    Parameters
    ----------
    mode : {"auto", True, False}
        "auto" shows a bar on a terminal or in a notebook, where tqdm is installed, and nothing
        elsewhere. True shows the same bar, and a line for each epoch where there can be none.
    epochs : int
        How many there are in all.
    start : int, default=0
        How many of them are over already.
    """

    def __init__(self, mode: bool | str, epochs: int, start: int = 0) -> None:
        self._epochs = epochs
        self._bar: Any = None
        self._lines = mode is True
        if mode is not False and _watched():
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=epochs, initial=start, unit="epoch")
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

    def update(self, epoch: int, figures: dict[str, float]) -> None:
        """Show that an epoch is over.

        Parameters
        ----------
        epoch : int
            From 1.
        figures : dict of float
            What was computed of ``"cost"`` and of the shares of rows ``"train_acc"`` and
            ``"valid_acc"``, 0 to 1.
        """
        texts = {
            name.removesuffix("_acc"): f"{figure:.2f}" if name == "cost" else f"{figure:.2%}"
            for name, figure in figures.items()
        }
        if self._bar is not None:
            if texts:
                self._bar.set_postfix(texts, refresh=False)
            self._bar.update()
        elif self._lines and sys.stderr is not None and not getattr(sys.stderr, "closed", False):
            text = ", ".join(f"{name} {figure}" for name, figure in texts.items())
            line = f"epoch {epoch}/{self._epochs}" + (f": {text}" if text else "")
            print(line, file=sys.stderr, flush=True)

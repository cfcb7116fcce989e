"""What a notebook shows of a NeuralNetMLP."""

from __future__ import annotations

import html
from typing import Any

# Longer values are cut: an array or a long list of class labels would fill the page.
_MOST_CHARACTERS = 80
_ROW = '<tr><th style="text-align: left">{}</th><td style="text-align: left">{}</td></tr>'


def table(model: Any, parameters: dict[str, str]) -> str:
    """A table in HTML: some parameters, and what `fit` has learned.

    Parameters
    ----------
    model : NeuralNetMLP
    parameters : dict of str
        Those to list, by name.

    Returns
    -------
    text : str
        Class labels and parameters are escaped in it.
    """
    fitted = "_network" in vars(model)
    rows = {**parameters, **_learned(model)} if fitted else parameters
    title = f"{type(model).__name__}, {'fitted' if fitted else 'not fitted'}"
    lines = [_ROW.format(html.escape(name), html.escape(_cut(rows[name]))) for name in rows]
    return f"<table><caption>{html.escape(title)}</caption>{''.join(lines)}</table>"


def _learned(model: Any) -> dict[str, str]:
    units = model._network.n_units
    kinds = ["inputs", *model._activation, "logistic"]
    layers = " → ".join(f"{n:,} {kind}" for n, kind in zip(units, kinds, strict=True))
    rows = {
        "layers": f"{layers}, {model._network.dtype}",
        "classes": ", ".join(map(str, model.classes_.tolist())),
        "finished epochs": str(model.n_iter_),
    }
    for key, name in (("train_acc", "training accuracy"), ("valid_acc", "validation accuracy")):
        if model.eval_[key]:
            rows[name] = f"{model.eval_[key][-1]:.2%}"
    return rows


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"

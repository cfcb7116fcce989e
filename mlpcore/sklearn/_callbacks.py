"""scikit-learn's callbacks during a fit."""

from __future__ import annotations

from typing import Any, cast


class CallbackBridge:
    """scikit-learn's callbacks during a fit: the fit is one task, each epoch a task within it.

    Parameters
    ----------
    model : estimator
    X, y, sample_weight
        As they were given to `fit`.
    tasks : int
        The largest number of epochs.
    """

    def __init__(self, model: Any, X: Any, y: Any, sample_weight: Any, tasks: int) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._about = {"estimator": model, "X": X, "y": y, "metadata": metadata}
        self._fit = model._init_callback_context(max_subtasks=tasks)
        self._fit.call_on_fit_task_begin(**self._about)
        self._epoch: Any = None

    def begin(self) -> None:
        """An epoch begins."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._about)

    def end(self) -> bool:
        """An epoch has ended; whether a callback asks to stop."""
        epoch, self._epoch = self._epoch, None
        model = self._about["estimator"]
        stop = epoch.call_on_fit_task_end(
            **self._about,
            # Called only where a callback needs an estimator to predict with.
            reconstruction_attributes=lambda: {
                "coefs_": [part.copy() for part in model.coefs_],
                "intercepts_": [part.copy() for part in model.intercepts_],
            },
        )
        return cast("bool", stop)

    def close(self) -> None:
        """The fit has ended."""
        if self._epoch is not None:  # L-BFGS ended after the previous iteration
            self._epoch.call_on_fit_task_end(estimator=self._about["estimator"])
        self._fit.call_on_fit_task_end(**self._about, reconstruction_attributes={})

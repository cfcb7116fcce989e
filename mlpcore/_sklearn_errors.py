"""Errors that scikit-learn's tools catch, too; imported only where scikit-learn is loaded."""

import sklearn.exceptions

from mlpcore import _validation


class NotFittedError(_validation.NotFittedError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]
    """A model was asked for what it learns in `fit`, before `fit`."""

"""Errors that scikit-learn's tools catch, too; imported only where scikit-learn is loaded."""

import sklearn.exceptions

from mlpcore import exceptions


class NotFittedError(exceptions.NotFittedError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]
    """A model was asked for what it learns in `fit`, before `fit`."""

"""Errors that scikit-learn's tools also catch; imported only where scikit-learn is loaded."""

import sklearn.exceptions

from mlpcore import exceptions


class NotFittedError(exceptions.NotFittedError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]
    """A method or attribute that needs `fit` was used before `fit`."""

"""The errors of models; readers of files define their own."""


class NotFittedError(ValueError, AttributeError):
    """A method or attribute that needs `fit` was used before `fit`.

    Where scikit-learn is loaded, the error also derives from its class of the same name.
    """

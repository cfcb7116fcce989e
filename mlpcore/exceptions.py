"""The errors of models; those of files are with their readers."""


class NotFittedError(ValueError, AttributeError):
    """A model was asked for what it learns in `fit`, before `fit`.

    Where scikit-learn is loaded, the error that is raised derives from its class of the same name,
    too.
    """

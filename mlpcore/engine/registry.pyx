"""The tables of activations, losses, optimisers and kinds of input.

Each of them is defined once, in the table of a C header (``simd/activations.h``, ``losses.h``,
``optimizers.h`` and ``inputs.h``), in the order in which the kernels number them. This module turns
the tables into dictionaries, which all other modules read.
"""

from typing import NamedTuple


cdef extern from "simd/registry.h":
    ctypedef struct Row "mlp_table_row":
        const char* name
        int flags, n_vectors
        const char* text
        const char* parameter
        double initial, low, high

    const Row* mlp_activations
    const Row* mlp_output_activations
    const Row* mlp_losses
    const Row* mlp_optimizers
    const Row* mlp_hyperparameters
    const Row* mlp_input_kinds

    int NEEDS_PREACTIVATION, POSITIVE
    int CANONICAL, PROBABILITIES, AVERAGED_OVER_OUTPUTS, POSITIVE_OUTPUTS
    int BIAS_CORRECTED, INTERNAL


class Activation(NamedTuple):
    """An activation of hidden units.

    Attributes
    ----------
    needs_preactivation : bool
        Whether its derivative cannot be written in terms of the activation alone.
    positive : bool
        Whether its values are above zero.
    """

    needs_preactivation: bool
    positive: bool


class Loss(NamedTuple):
    """A loss.

    Attributes
    ----------
    output : str
        Its canonical output units, one of `OUTPUTS`.
    canonical : bool
        Whether with these units the derivative by an output's pre-activation is output - target.
    probabilities : bool
        Whether outputs are probabilities: a loss of classes, not of numbers.
    averaged_over_outputs : bool
        Whether a row's loss is the mean over its outputs and not their sum.
    positive_outputs : bool
        Whether outputs must be above zero.
    parameter : str or None
        The name of its parameter.
    default, above, below : float
        The parameter's default, and the numbers that it must lie between.
    """

    output: str
    canonical: bool
    probabilities: bool
    averaged_over_outputs: bool
    positive_outputs: bool
    parameter: str | None
    default: float
    above: float
    below: float


class Optimizer(NamedTuple):
    """An update rule.

    Attributes
    ----------
    n_vectors : int
        State vectors, each as long as the parameters.
    bias_corrected : bool
        Whether the learning rate corrects the bias of moments that start from zero.
    internal : bool
        Whether it does not train, but computes the gradient.
    hyperparameters : tuple of str
        Those of `HYPERPARAMETERS` that it reads; no other changes its steps.
    """

    n_vectors: int
    bias_corrected: bool
    internal: bool
    hyperparameters: tuple[str, ...]


class Hyperparameter(NamedTuple):
    """A number that some optimisers have.

    Attributes
    ----------
    default : float
    low, below : float
        It is `low` or more, and less than `below`.
    """

    default: float
    low: float
    below: float


cdef list _rows(const Row* row):
    """The rows of a table, whose last has no name."""
    cdef list rows = []
    while row.name is not NULL:
        rows.append((row.name.decode(), row[0]))
        row += 1
    return rows


ACTIVATIONS = {
    name: Activation(bool(row["flags"] & NEEDS_PREACTIVATION), bool(row["flags"] & POSITIVE))
    for name, row in _rows(mlp_activations)
}
# The output units. Softmax is no activation of one unit: it needs the whole row.
OUTPUTS = (*ACTIVATIONS, *dict(_rows(mlp_output_activations)), "softmax")
# Output units whose values are above zero.
POSITIVE_UNITS = (
    *(name for name, row in _rows(mlp_activations) + _rows(mlp_output_activations)
      if row["flags"] & POSITIVE),
    "softmax",
)
LOSSES = {
    name: Loss(
        row["text"].decode(),
        *(bool(row["flags"] & flag) for flag in (
            CANONICAL, PROBABILITIES, AVERAGED_OVER_OUTPUTS, POSITIVE_OUTPUTS)),
        row["parameter"].decode() or None,
        row["initial"], row["low"], row["high"],
    )
    for name, row in _rows(mlp_losses)
}
OPTIMIZERS = {
    name: Optimizer(
        row["n_vectors"], bool(row["flags"] & BIAS_CORRECTED), bool(row["flags"] & INTERNAL),
        tuple(row["text"].decode().split()),
    )
    for name, row in _rows(mlp_optimizers)
}
# The optimisers that train.
TRAINING = tuple(name for name, optimizer in OPTIMIZERS.items() if not optimizer.internal)
HYPERPARAMETERS = {
    name: Hyperparameter(row["initial"], row["low"], row["high"])
    for name, row in _rows(mlp_hyperparameters)
}
# The dtypes of dense rows, by NumPy's names.
INPUT_KINDS = tuple(name for name, _ in _rows(mlp_input_kinds))


cpdef int index_of(name, names, str what) except -1:
    """The index of a name in a table, which is its number in the kernels.

    Parameters
    ----------
    name : str
    names : collection of str
        One of this module's tables.
    what : str
        The kind of name, for the message.

    Returns
    -------
    index : int

    Raises
    ------
    ValueError
        If there is no such name.
    """
    try:
        return list(names).index(name)
    except ValueError:
        raise ValueError(f"{what} must be one of {', '.join(names)}; got {name!r}") from None


def hyperparameters_of(optimizer, given):
    """The hyperparameters of an optimiser: those that are given, and defaults.

    Parameters
    ----------
    optimizer : str
        One of `OPTIMIZERS`.
    given : dict of float
        Any of `HYPERPARAMETERS`; those of other optimisers are left out.

    Returns
    -------
    values : dict of float
        One for each hyperparameter that the optimiser reads.

    Raises
    ------
    TypeError
        If no optimiser has a hyperparameter of a name that is given.
    """
    for name in given:
        if name not in HYPERPARAMETERS:
            raise TypeError(
                f"{name} is no parameter, and no hyperparameter of an optimizer; those are "
                f"{', '.join(HYPERPARAMETERS)}"
            )
    return {
        name: given.get(name, HYPERPARAMETERS[name].default)
        for name in OPTIMIZERS[optimizer].hyperparameters
    }

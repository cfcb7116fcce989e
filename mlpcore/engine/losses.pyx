"""Losses, the output units that belong to them, and targets; the loops are in simd/losses.h.

Each loss has canonical output units (logistic units for the binary cross-entropy). With those, the
error of an output's net input is output - target for the first four (Bishop, "Pattern Recognition
and Machine Learning", section 4.3.6). With other units, and for other losses, it is the product of
the loss's slope by the output and the output's by the net input.
"""

import numpy as np

from libc.string cimport memset

from mlpcore.engine.activations cimport activate, activate_keeping
from mlpcore.engine.blocking cimport CACHE_LINE
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.activations import OUTPUTS
from mlpcore.engine.kernels import place_of

# Name: canonical output units. Same order as in simd/losses.h.
LOSSES = {
    "binary_cross_entropy": "logistic",
    "cross_entropy": "softmax",
    "squared_error": "identity",
    "poisson": "exp",
    "absolute_error": "identity",
    "huber": "identity",
    "pinball": "identity",
}
# Those whose outputs are probabilities and can be clipped, those that are a mean over the outputs,
# and those whose canonical error is output - target.
CLIPPED = ("binary_cross_entropy", "cross_entropy")
MEANS = ("squared_error", "absolute_error", "huber", "pinball")
MATCHED = ("binary_cross_entropy", "cross_entropy", "squared_error", "poisson")
# Of those that have a parameter: what it is called, its usual value, and where it must lie between.
PARAMETERS = {"huber": ("delta", 1.0, 0, np.inf), "pinball": ("quantile", 0.5, 0, 1)}


cdef extern from "simd/losses.h" nogil:
    double loss_f32 "MLP_PICK(loss, f32)" (
        int, int, const float*, int, const float*, int, int, double)
    double loss_f64 "MLP_PICK(loss, f64)" (
        int, int, const double*, int, const double*, int, int, double)
    void loss_slopes_f32 "MLP_PICK(loss_slopes, f32)" (int, float*, const float*, int, double)
    void loss_slopes_f64 "MLP_PICK(loss_slopes, f64)" (int, double*, const double*, int, double)
    void softmax_f32 "MLP_PICK(softmax, f32)" (float*, int, int)
    void softmax_f64 "MLP_PICK(softmax, f64)" (double*, int, int)
    void softmax_chain_f32 "MLP_PICK(softmax_chain, f32)" (const float*, float*, int)
    void softmax_chain_f64 "MLP_PICK(softmax_chain, f64)" (const double*, double*, int)


cdef Loss loss_of(name, output, parameter, bint clip) except *:
    """The loss of that name; None for its own output units and the usual parameter."""
    cdef Loss loss
    loss.kind = place_of(name, LOSSES, "loss")
    canonical = output is None or output == LOSSES[name]
    loss.output = place_of(LOSSES[name] if output is None else output, OUTPUTS, "output")
    loss.softmax = OUTPUTS[loss.output] == "softmax"
    loss.matched = canonical and name in MATCHED
    loss.exact = canonical and not (clip and name in CLIPPED)
    loss.mean = name in MEANS
    what, usual, low, high = PARAMETERS.get(name, (None, 0.0, None, None))
    if parameter is not None and what is None:
        raise ValueError(f"{name} has no parameter; got {parameter}")
    loss.parameter = usual if parameter is None else parameter
    if what is not None and not low < loss.parameter < high:
        raise ValueError(f"the {what} of {name} must lie between {low} and {high}; got {parameter}")
    return loss


cdef class TargetRows:
    """What the rows of a set are to become.

    Parameters
    ----------
    targets : ndarray of intc, shape (n_rows,), or of `dtype`, shape (n_rows, n_outputs), C order
        Of each row the number of the output that shall be one while all others are zero; or the
        target of each output.
    weights : ndarray of float64, shape (n_rows,), or None
    n_rows, n_outputs : int
    dtype : dtype of the network
    name : str
        What the set is called, for messages.
    """

    def __init__(self, targets, weights, n_rows, n_outputs, dtype, name):
        cdef const int[::1] labels
        cdef const double[::1] row_weights
        targets = np.asarray(targets)
        if targets.ndim == 2:
            if (targets.shape != (n_rows, n_outputs) or targets.dtype != dtype
                    or not targets.flags.c_contiguous):
                raise ValueError(
                    f"{name}_targets must be {n_rows} x {n_outputs} numbers as {dtype}, adjacent "
                    f"in memory; got shape {targets.shape} as {targets.dtype}"
                )
            self.targets.values = <const void*> <size_t> targets.__array_interface__["data"][0]
        else:
            if targets.shape != (n_rows,):
                raise ValueError(
                    f"{name} must have a target for each of its {n_rows} rows; got targets of "
                    f"shape {targets.shape}"
                )
            labels = targets
            if not 0 <= np.min(labels) <= np.max(labels) < n_outputs:
                raise ValueError(
                    f"{name}_targets must be numbers of output units, below {n_outputs}")
            self.targets.labels = &labels[0]
        if weights is not None:
            row_weights = weights
            if len(row_weights) != n_rows or not np.min(weights) >= 0:
                raise ValueError(
                    f"the weights of {name} must be {n_rows} numbers >= 0; got {len(row_weights)}")
            self.targets.weights = &row_weights[0]
        self._keep = (targets, weights)


cdef void output(const Loss* loss, real_t* z, int n, int width) noexcept nogil:
    if not loss.softmax:
        activate[real_t](loss.output, z, width)
    elif real_t is float:
        softmax_f32(z, n, width)
    else:
        softmax_f64(z, n, width)


cdef double _value(const Loss* loss, bint exact, const real_t* v, int v_width, const real_t* t,
                   int t_width, int n) noexcept nogil:
    """The loss of a row without its weight, from net inputs (exact) or outputs v."""
    cdef double value
    if real_t is float:
        value = loss_f32(loss.kind, exact, v, v_width, t, t_width, n, loss.parameter)
    else:
        value = loss_f64(loss.kind, exact, v, v_width, t, t_width, n, loss.parameter)
    return value / n if loss.mean else value


cdef const real_t* _target(const Targets* targets, Py_ssize_t row, int n, int width,
                           real_t* room) noexcept nogil:
    """Targets of a row; those of a label are made in the room."""
    if targets.labels is NULL:
        return <const real_t*> targets.values + row * n
    memset(room, 0, width * sizeof(real_t))
    room[targets.labels[row]] = 1
    return room


cdef double row_loss(const Loss* loss, const Targets* targets, Py_ssize_t row, real_t* z, int n,
                     int width, real_t* room) noexcept nogil:
    cdef const real_t* t = _target[real_t](targets, row, n, width, room)
    cdef int t_width = n if targets.labels is NULL else width
    if not loss.exact:
        output(loss, z, n, width)
    cdef double value = _value[real_t](loss, loss.exact, z, width, t, t_width, n)
    return value * targets.weights[row] if targets.weights is not NULL else value


cdef double row_error(const Loss* loss, const Targets* targets, Py_ssize_t row, bint wanted,
                      real_t* z, int n, int width, real_t* room) noexcept nogil:
    cdef const real_t* t = NULL
    cdef int t_width = n if targets.labels is NULL else width
    cdef double value = 0
    cdef real_t weight
    cdef int j
    if wanted or not loss.matched or targets.labels is NULL:
        t = _target[real_t](targets, row, n, width, room)
    if wanted and loss.exact:
        value = _value[real_t](loss, True, z, width, t, t_width, n)
    if loss.matched or loss.softmax:
        output(loss, z, n, width)
    else:
        activate_keeping[real_t](loss.output, z, room + width, width)
    if wanted and not loss.exact:
        value = _value[real_t](loss, False, z, width, t, t_width, n)
    if not loss.matched:
        _chain_to_error[real_t](loss, z, t, n, room + width)
    elif targets.labels is not NULL:
        z[targets.labels[row]] -= 1
    else:
        for j in range(n):
            z[j] -= t[j]
    if targets.weights is not NULL:
        weight = <real_t> targets.weights[row]
        for j in range(n):
            z[j] *= weight
        value *= targets.weights[row]
    # So that the padding of the weights stays 0.
    memset(z + n, 0, (width - n) * sizeof(real_t))
    return value


cdef void _chain_to_error(const Loss* loss, real_t* o, const real_t* t, int n,
                          real_t* slope) noexcept nogil:
    """Outputs of a row become errors by the chain rule. slope: the outputs' by their net inputs, or
    room for softmax units, where each output depends on all net inputs."""
    cdef int j
    if loss.softmax:
        for j in range(n):
            slope[j] = o[j]
    if real_t is float:
        loss_slopes_f32(loss.kind, o, t, n, loss.parameter)
    else:
        loss_slopes_f64(loss.kind, o, t, n, loss.parameter)
    if not loss.softmax:
        for j in range(n):
            o[j] *= slope[j]
    elif real_t is float:
        softmax_chain_f32(slope, o, n)
    else:
        softmax_chain_f64(slope, o, n)


cdef _row_losses(const Loss* loss, real_t[:, ::1] z, real_t[:, ::1] t, int n, double[::1] losses):
    cdef Py_ssize_t i
    cdef int width = <int> z.shape[1]
    for i in range(z.shape[0]):
        if not loss.exact:
            output(loss, &z[i, 0], n, width)
        losses[i] = _value[real_t](loss, loss.exact, &z[i, 0], width, &t[i, 0], width, n)


def row_losses(name, z, t, *, output=None, parameter=None, clip=False):
    """The loss of each row, as the engine computes it.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    z : ndarray of float32 or float64, shape (n_samples, n_outputs)
        Net inputs of the output units.
    t : ndarray of the same dtype and shape
        Targets; for a cross-entropy between 0 and 1.
    output, parameter, clip : optional
        See `mlpcore.engine.network.Network`, where they have ``loss_`` before their names.

    Returns
    -------
    losses : ndarray of float64, shape (n_samples,)
    """
    z, t = np.ascontiguousarray(z), np.ascontiguousarray(t)
    cdef Loss loss = loss_of(name, output, parameter, clip)
    if z.ndim != 2 or z.shape != t.shape or z.shape[1] == 0 or z.dtype != t.dtype:
        raise ValueError(f"z and t must be alike, rows of outputs; got {z.shape} and {t.shape}")
    # Rows of whole lines, as in the engine.
    n_rows, n = z.shape
    padded = np.zeros((2, n_rows, (n + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE), z.dtype)
    padded[0, :, :n], padded[1, :, :n] = z, t
    losses = np.zeros(n_rows)
    if z.dtype == np.float32:
        _row_losses[float](&loss, padded[0], padded[1], n, losses)
    else:
        _row_losses[double](&loss, padded[0], padded[1], n, losses)
    return losses

"""Losses, the output units that belong to them, and targets; the loops are in simd/losses.h.

Each loss has canonical output units (logistic units for the binary cross-entropy). With those, the
error, which is the derivative by an output's pre-activation, is output - target for the losses that
the table calls CANONICAL. With other units, and for other losses, it is the product of the loss's
derivative by the output and the output's by its pre-activation.
"""

import numpy as np

from libc.string cimport memset

from mlpcore.engine.activations cimport activate, activate_with_derivative
from mlpcore.engine.blocking cimport CACHE_LINE
from mlpcore.engine.registry cimport index_of
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.registry import LOSSES, OUTPUTS


cdef extern from "simd/losses.h" nogil:
    double _loss "MLP_FUSED(loss)" (
        int, int, const real_t*, int, const real_t*, int, int, double)
    void _losses_of_one_output "MLP_FUSED(losses_of_one_output)" (
        int, int, const real_t*, const real_t*, int, double, double*)
    void _loss_derivatives "MLP_FUSED(loss_derivatives)" (int, real_t*, const real_t*, int, double)
    void _softmax "MLP_FUSED(softmax)" (real_t*, int, int)
    void _softmax_chain "MLP_FUSED(softmax_chain)" (const real_t*, real_t*, int)


# Rows whose outputs are worked on together where there is one output.
cdef enum:
    OUTPUTS_AT_A_TIME = 64


cdef Loss loss_of(name, output, parameter, bint clip) except *:
    cdef Loss loss
    loss.kind = index_of(name, LOSSES, "loss")
    known = LOSSES[name]
    output = known.output if output is None else output
    loss.output = index_of(output, OUTPUTS, "output")
    loss.softmax = output == "softmax"
    loss.canonical = known.canonical and output == known.output
    loss.exact = output == known.output and not (clip and known.probabilities)
    loss.averaged = known.averaged_over_outputs
    if parameter is not None and known.parameter is None:
        raise ValueError(f"{name} has no parameter; got {parameter}")
    loss.parameter = known.default if parameter is None else parameter
    if known.parameter is not None and not known.above < loss.parameter < known.below:
        raise ValueError(
            f"the {known.parameter} of {name} must lie between {known.above:g} and "
            f"{known.below:g}; got {parameter}")
    return loss


cdef class TargetRows:
    """The targets of some rows.

    Parameters
    ----------
    targets : ndarray of intc, shape (n_rows,), or of `dtype`, shape (n_rows, n_outputs), C order
        The number of the output whose target is one, while those of the others are zero; or the
        target of each output.
    weights : ndarray of float64, shape (n_rows,), or None
        Some may be negative. A minibatch whose weights sum to 0 or less has no mean, and changes
        nothing where gradients are averaged.
    n_rows, n_outputs : int
    dtype : dtype of the network
    name : str
        The name of the set, for messages.
    smoothing : float, default=0.0
        Label smoothing (Szegedy et al., "Rethinking the Inception architecture for computer
        vision", CVPR 2016), from 0 to below 1: the target of a row's class is 1 - s + s / K and
        that of the other outputs s / K, with K outputs. Targets of each output are those of two
        classes each, t (1 - s) + s / 2.
    """

    def __init__(self, targets, weights, n_rows, n_outputs, dtype, name, double smoothing=0.0):
        cdef const int[::1] labels
        cdef const double[::1] row_weights
        targets = np.asarray(targets)
        if not 0 <= smoothing < 1:
            raise ValueError(f"label_smoothing must be from 0 to below 1; got {smoothing:g}")
        self.targets.smoothing = smoothing
        if targets.ndim == 2:
            if (targets.shape != (n_rows, n_outputs) or targets.dtype != dtype
                    or not targets.flags.c_contiguous):
                raise ValueError(
                    f"{name}_targets must be {n_rows} x {n_outputs} numbers as {dtype}, adjacent "
                    f"in memory; got shape {targets.shape} as {targets.dtype}"
                )
            if smoothing:
                targets = (targets * (1 - smoothing) + smoothing / 2).astype(dtype, copy=False)
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
            if len(row_weights) != n_rows:
                raise ValueError(
                    f"the weights of {name} must be {n_rows} finite numbers; got {len(row_weights)}"
                )
            infinite = np.flatnonzero(~np.isfinite(weights))
            if len(infinite):
                raise ValueError(
                    f"the weights of {name} must be {n_rows} finite numbers; got "
                    f"{weights[infinite[0]]} for row {infinite[0]}"
                )
            self.targets.weights = &row_weights[0]
        self._arrays = (targets, weights)


cdef void output(const Loss* loss, real_t* z, int n, int width) noexcept nogil:
    if loss.softmax:
        _softmax(z, n, width)
    else:
        activate[real_t](loss.output, z, width)


cdef double _value(const Loss* loss, bint exact, const real_t* v, int v_width, const real_t* t,
                   int t_width, int n) noexcept nogil:
    """The loss of a row without its weight, from pre-activations (exact) or outputs v."""
    cdef double value = _loss(loss.kind, exact, v, v_width, t, t_width, n, loss.parameter)
    return value / n if loss.averaged else value


cdef const real_t* _target(const Targets* targets, Py_ssize_t row, int n, int width,
                           real_t* scratch) noexcept nogil:
    """The targets of a row; those of a label are written to `scratch`."""
    cdef double rest
    cdef int j
    if targets.labels is NULL:
        return <const real_t*> targets.values + row * n
    memset(scratch, 0, width * sizeof(real_t))
    scratch[targets.labels[row]] = 1
    if targets.smoothing > 0:
        rest = targets.smoothing / n
        for j in range(n):
            # mutant: smooth no labels
            scratch[j] = <real_t> (scratch[j] * (1 - targets.smoothing) + rest)
    return scratch


cdef double row_loss(const Loss* loss, const Targets* targets, Py_ssize_t row, real_t* z, int n,
                     int width, real_t* scratch) noexcept nogil:
    cdef const real_t* t = _target[real_t](targets, row, n, width, scratch)
    cdef int t_width = n if targets.labels is NULL else width
    if not loss.exact:
        output(loss, z, n, width)
    cdef double value = _value[real_t](loss, loss.exact, z, width, t, t_width, n)
    return value * targets.weights[row] if targets.weights is not NULL else value


cdef double row_error(const Loss* loss, const Targets* targets, Py_ssize_t row, bint wanted,
                      real_t* z, int n, int width, real_t* scratch) noexcept nogil:
    cdef const real_t* t = NULL
    cdef int t_width = n if targets.labels is NULL else width
    cdef double value = 0
    cdef real_t weight
    cdef int j
    cdef bint of_label = targets.labels is not NULL and targets.smoothing == 0
    if wanted or not loss.canonical or not of_label:
        t = _target[real_t](targets, row, n, width, scratch)
    if wanted and loss.exact:
        value = _value[real_t](loss, True, z, width, t, t_width, n)
    if loss.canonical or loss.softmax:
        output(loss, z, n, width)
    else:
        activate_with_derivative[real_t](loss.output, z, scratch + width, width)
    if wanted and not loss.exact:
        value = _value[real_t](loss, False, z, width, t, t_width, n)
    if not loss.canonical:
        _chain_to_error[real_t](loss, z, t, n, scratch + width)
    elif of_label:
        z[targets.labels[row]] -= 1
    else:
        for j in range(n):
            z[j] -= t[j]
    if targets.weights is not NULL:
        weight = <real_t> targets.weights[row]
        for j in range(n):
            z[j] *= weight
        value *= targets.weights[row]
    # Then the padding of the weights stays 0.
    memset(z + n, 0, (width - n) * sizeof(real_t))
    return value


cdef void errors_of_one_output(const Loss* loss, const Targets* targets, const Py_ssize_t* rows,
                               Py_ssize_t n, bint wanted, real_t* z, Py_ssize_t ld,
                               real_t* scratch, double* losses) noexcept nogil:
    # One number after the other, so that a vector holds the outputs of several rows.
    cdef real_t* o = scratch
    cdef real_t* t = o + OUTPUTS_AT_A_TIME
    cdef real_t* derivative = t + OUTPUTS_AT_A_TIME
    cdef Py_ssize_t start = 0, i
    cdef int count
    while start < n:
        count = <int> min(OUTPUTS_AT_A_TIME, n - start)
        for i in range(count):
            o[i] = z[i * ld]
            # The target of the only class stays 1, smoothed or not.
            t[i] = 1 if targets.labels is not NULL else (
                <const real_t*> targets.values)[rows[start + i]]
        if wanted and loss.exact:
            _losses_of_one_output(loss.kind, True, o, t, count, loss.parameter, losses + start)
        if loss.canonical:
            activate[real_t](loss.output, o, count)
        else:
            activate_with_derivative[real_t](loss.output, o, derivative, count)
        if wanted and not loss.exact:
            _losses_of_one_output(loss.kind, False, o, t, count, loss.parameter, losses + start)
        if loss.canonical:
            for i in range(count):
                o[i] -= t[i]
        else:
            _loss_derivatives(loss.kind, o, t, count, loss.parameter)
            for i in range(count):
                o[i] *= derivative[i]
        if targets.weights is not NULL:
            for i in range(count):
                o[i] *= <real_t> targets.weights[rows[start + i]]
                if wanted:
                    losses[start + i] *= targets.weights[rows[start + i]]
        for i in range(count):
            memset(z, 0, ld * sizeof(real_t))
            z[0] = o[i]
            z += ld
        start += count


cdef void _chain_to_error(const Loss* loss, real_t* o, const real_t* t, int n,
                          real_t* derivative) noexcept nogil:
    """Turn outputs of a row into errors by the chain rule. derivative: of each output by its
    pre-activation; or scratch for softmax units, whose outputs depend on all pre-activations."""
    cdef int j
    if loss.softmax:
        for j in range(n):
            derivative[j] = o[j]
    _loss_derivatives(loss.kind, o, t, n, loss.parameter)
    if loss.softmax:
        _softmax_chain(derivative, o, n)
    else:
        for j in range(n):
            o[j] *= derivative[j]


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
        One of `mlpcore.engine.registry.LOSSES`.
    z : ndarray of float32 or float64, shape (n_samples, n_outputs)
        Pre-activations of the output units.
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
        raise ValueError(
            f"z and t must have the same dtype and shape, rows of outputs; got {z.shape} and "
            f"{t.shape}")
    # Rows are padded to whole lines, as in the engine.
    n_rows, n = z.shape
    padded = np.zeros((2, n_rows, (n + CACHE_LINE - 1) // CACHE_LINE * CACHE_LINE), z.dtype)
    padded[0, :, :n], padded[1, :, :n] = z, t
    losses = np.zeros(n_rows)
    if z.dtype == np.float32:
        _row_losses[float](&loss, padded[0], padded[1], n, losses)
    else:
        _row_losses[double](&loss, padded[0], padded[1], n, losses)
    return losses

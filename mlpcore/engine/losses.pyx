"""Losses and their output units; the functions themselves are in simd/losses.h.

Each loss comes with its canonical output units (logistic units with the binary cross-entropy), so
that the error of an output's net input is output - target for all of them (Bishop, "Pattern
Recognition and Machine Learning", section 4.3.6).
"""

import numpy as np

from mlpcore.engine.typedefs cimport LINE, real_t

from mlpcore.engine.kernels import place_of

# Same order as in simd/losses.h.
LOSSES = ("binary_cross_entropy",)


cdef extern from "simd/losses.h" nogil:
    void output_f32 "MLP_PICK(output, f32)" (int, float*, int, int)
    void output_f64 "MLP_PICK(output, f64)" (int, double*, int, int)
    double loss_f32 "MLP_PICK(loss, f32)" (int, const float*, const float*, int)
    double loss_f64 "MLP_PICK(loss, f64)" (int, const double*, const double*, int)


cdef void output(int kind, real_t* z, int n, int width) noexcept nogil:
    if real_t is float:
        output_f32(kind, z, n, width)
    else:
        output_f64(kind, z, n, width)


cdef double loss(int kind, const real_t* z, const real_t* t, int n) noexcept nogil:
    if real_t is float:
        return loss_f32(kind, z, t, n)
    else:
        return loss_f64(kind, z, t, n)


cdef _row_losses(int kind, real_t[:, ::1] z, real_t[:, ::1] t, int n, double[::1] losses):
    cdef Py_ssize_t i
    for i in range(z.shape[0]):
        losses[i] = loss(kind, &z[i, 0], &t[i, 0], n)


def row_losses(name, z, t):
    """The loss of each row, as the engine computes it.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    z : ndarray of float32 or float64, shape (n_samples, n_outputs)
        Net inputs of the output units.
    t : ndarray of the same dtype and shape
        Targets; for a cross-entropy between 0 and 1.

    Returns
    -------
    losses : ndarray of float64, shape (n_samples,)
    """
    z, t = np.ascontiguousarray(z), np.ascontiguousarray(t)
    cdef int kind = place_of(name, LOSSES, "loss")
    if z.ndim != 2 or z.shape != t.shape or z.shape[1] == 0 or z.dtype != t.dtype:
        raise ValueError(f"z and t must be alike, rows of outputs; got {z.shape} and {t.shape}")
    # Rows of whole lines, as in the engine.
    n_rows, n = z.shape
    padded = np.zeros((2, n_rows, (n + LINE - 1) // LINE * LINE), z.dtype)
    padded[0, :, :n], padded[1, :, :n] = z, t
    losses = np.zeros(n_rows)
    if z.dtype == np.float32:
        _row_losses[float](kind, padded[0], padded[1], n, losses)
    else:
        _row_losses[double](kind, padded[0], padded[1], n, losses)
    return losses

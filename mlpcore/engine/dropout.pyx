"""Dropout; the loops are in simd/dropout.h.

Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", JMLR 15,
2014; with the factor at training time, so that prediction does not depend on it.
"""

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t

from mlpcore.engine.inputs cimport Packed
from mlpcore.engine.typedefs cimport real_t


cdef extern from "simd/dropout.h" nogil:
    void _drop_units "MLP_FUSED(drop_units)" (
        const Dropout*, int64_t, int, double, real_t*, real_t*, Py_ssize_t)
    void _drop_nonzeros "MLP_FUSED(drop_nonzeros)" (
        const Dropout*, int64_t, double, const Packed*, real_t*)


cdef void drop_units(const Dropout* dropout, int64_t row, int layer, double rate, real_t* a,
                     real_t* derivative, Py_ssize_t n) noexcept nogil:
    _drop_units(dropout, row, layer, rate, a, derivative, n)


cdef void drop_nonzeros(const Dropout* dropout, int64_t row, double rate, const Packed* packed,
                        real_t* value) noexcept nogil:
    _drop_nonzeros(dropout, row, rate, packed, value)


cdef _factors(const Dropout* dropout, int64_t row, int layer, double rate, real_t[::1] a):
    if a.shape[0]:
        drop_units[real_t](dropout, row, layer, rate, &a[0], NULL, a.shape[0])


def factors(uint64_t seed, uint32_t epoch, int64_t row, int layer, double rate, n, dtype="float64"):
    """What the units of one layer are multiplied by for one row in one epoch.

    Parameters
    ----------
    seed : int
    epoch : int
        From 0.
    row : int
        Its number among the training rows.
    layer : int
        0 for the inputs, 1 for the first hidden layer.
    rate : float
        The fraction that becomes zero.
    n : int
        Units of the layer.
    dtype : {"float32", "float64"}, default="float64"

    Returns
    -------
    factors : ndarray, shape (n,)
        0 or 1 / (1 - rate).
    """
    cdef Dropout dropout
    dropout.seed, dropout.epoch, dropout.first_row = seed, epoch, 0
    out = np.ones(n, dtype)
    if out.dtype == np.float32:
        _factors[float](&dropout, row, layer, rate, out)
    else:
        _factors[double](&dropout, row, layer, rate, out)
    return out

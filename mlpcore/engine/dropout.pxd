"""Dropout; the loops are in simd/dropout.h."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from mlpcore.engine.inputs cimport Packed
from mlpcore.engine.typedefs cimport real_t

cdef extern from "simd/dropout.h" nogil:
    ctypedef struct Dropout "mlp_dropout":
        uint64_t seed
        uint32_t epoch
        int64_t first_row

# A fraction `rate` of n units of one row becomes zero, the others are multiplied by 1 / (1 - rate);
# so are their derivatives, unless NULL. Layer 0 is the inputs, layer 1 the first hidden layer.
cdef void drop_units(const Dropout* dropout, int64_t row, int layer, double rate, real_t* a,
                     real_t* derivative, Py_ssize_t n) noexcept nogil
# The same for the nonzeros of one packed row of inputs: the results go to `value`, at the same
# indices.
cdef void drop_nonzeros(const Dropout* dropout, int64_t row, double rate, const Packed* packed,
                        real_t* value) noexcept nogil

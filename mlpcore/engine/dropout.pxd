"""Dropout; the loops are in simd/dropout.h."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from mlpcore.engine.inputs cimport Records
from mlpcore.engine.typedefs cimport real_t

cdef extern from "simd/dropout.h" nogil:
    ctypedef struct Dropout "mlp_dropout":
        uint64_t seed
        uint32_t epoch

# Of n units of one row a share `rate` becomes zero, the others are multiplied by 1 / (1 - rate);
# their slopes likewise, unless NULL. Layer 0 is the inputs, layer 1 the first hidden layer.
cdef void drop_units(const Dropout* dropout, int64_t row, int layer, double rate, real_t* a,
                     real_t* slope, Py_ssize_t n) noexcept nogil
# The entries of one row of records, as inputs; what remains of them into `value`, at their places.
cdef void drop_entries(const Dropout* dropout, int64_t row, double rate, const Records* records,
                       real_t* value) noexcept nogil

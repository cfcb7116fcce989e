"""Activations of units; the functions themselves are in simd/activations.h."""

from mlpcore.engine.typedefs cimport real_t

# z := activation(z), over n elements.
cdef void activate(int kind, real_t* z, Py_ssize_t n) noexcept nogil
# The same, and each slope into a buffer of its own.
cdef void activate_keeping(int kind, real_t* z, real_t* slope, Py_ssize_t n) noexcept nogil
# delta := delta * slope, the slope written in terms of the activation a; not for NETS.
cdef void chain(int kind, const real_t* a, real_t* delta, Py_ssize_t n) noexcept nogil

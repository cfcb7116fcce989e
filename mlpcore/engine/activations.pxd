"""Activations of units; the functions themselves are in simd/activations.h."""

from mlpcore.engine.typedefs cimport real_t

# z := activation(z), over n elements.
cdef void activate(int kind, real_t* z, Py_ssize_t n) noexcept nogil
# The same; the derivatives at z go into a buffer.
cdef void activate_with_derivative(int kind, real_t* z, real_t* derivative,
                                   Py_ssize_t n) noexcept nogil
# delta := delta * derivative, for activations whose derivative can be written in terms of a alone.
cdef void chain(int kind, const real_t* a, real_t* delta, Py_ssize_t n) noexcept nogil

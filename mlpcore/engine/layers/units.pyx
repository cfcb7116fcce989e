"""Units of a layer: their activations and derivatives."""

from mlpcore.engine.activations cimport activate, activate_with_derivative, chain
from mlpcore.engine.kernels cimport multiply
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.typedefs cimport real_t


cdef void activate_units(const Layer* layer, real_t* work, Py_ssize_t capacity, Py_ssize_t offset,
                         Py_ssize_t n) noexcept nogil:
    cdef real_t* z = work + capacity * layer.a + offset
    if layer.derivative:
        activate_with_derivative(layer.activation, z,
                                 work + capacity * layer.derivative + offset, n)
    elif layer.hidden:
        activate(layer.activation, z, n)


cdef void multiply_by_derivatives(const Layer* layer, real_t* work, Py_ssize_t capacity,
                                  Py_ssize_t offset, Py_ssize_t n) noexcept nogil:
    cdef real_t* delta = work + capacity * layer.delta + offset
    if layer.derivative:
        multiply(delta, work + capacity * layer.derivative + offset, n)
    else:
        chain[real_t](layer.activation, work + capacity * layer.a + offset, delta, n)

"""Units of a layer: their activations and derivatives."""

from mlpcore.engine.layout cimport Layer
from mlpcore.engine.typedefs cimport real_t

# Pre-activations of hidden units become activations: n elements from an offset on, in the layer's
# rows of a workspace that is made for `capacity` rows. Those of outputs stay, since the loss reads
# them.
cdef void activate_units(const Layer* layer, real_t* work, Py_ssize_t capacity, Py_ssize_t offset,
                         Py_ssize_t n) noexcept nogil
# Errors of activations become errors of pre-activations, likewise.
cdef void multiply_by_derivatives(const Layer* layer, real_t* work, Py_ssize_t capacity,
                                  Py_ssize_t offset, Py_ssize_t n) noexcept nogil

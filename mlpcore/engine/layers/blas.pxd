"""A layer whose weights do not fit in the cache, by BLAS."""

from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# As in `dense`, for rows of prediction and evaluation.
cdef void forward(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t at, Py_ssize_t rows) noexcept nogil
# All rows of the minibatch through this thread's units.
cdef void forward_units(Plan* plan, const Layer* layer, const real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil
# Errors of this thread's units of the layer below in all rows, and the step of the weights that led
# to them.
cdef void backward(Plan* plan, const Layer* layer, real_t* theta, int thread,
                   Py_ssize_t rows) noexcept nogil

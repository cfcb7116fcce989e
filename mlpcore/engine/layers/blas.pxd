"""A layer whose weights do not fit in the cache, by BLAS."""

from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# The forward pass of some rows in this thread alone, as in `dense`.
cdef void forward(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t work_row, Py_ssize_t rows) noexcept nogil
# The forward pass of all rows of the minibatch in this thread's units.
cdef void forward_units(Plan* plan, const Layer* layer, const real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil
# Errors of this thread's units of the layer below in all rows, and the update of the rows of W that
# they were computed with.
cdef void backward(Plan* plan, const Layer* layer, real_t* theta, int thread,
                   Py_ssize_t rows) noexcept nogil

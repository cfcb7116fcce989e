"""A layer whose weights fit in the cache, by the engine's own kernels."""

from mlpcore.engine.inputs cimport Rows
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Dense rows into rows `at` and on of the part of a workspace that the first layer reads: those that
# `order` lists from `first` on, or those rows themselves.
cdef void fetch(const Layer* layer, const Rows* source, const Py_ssize_t* order, Py_ssize_t first,
                Py_ssize_t rows, real_t* work, Py_ssize_t at) noexcept nogil
# Some rows of a workspace that is made for `capacity`: x to activation(x @ W + b).
cdef void forward(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t at, Py_ssize_t rows) noexcept nogil
# Errors of some rows of the layer below: (delta @ W.T) * derivative.
cdef void backward(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                   Py_ssize_t rows) noexcept nogil
# Gradient and step of rows [start, stop) of W, from `rows` rows of the minibatch.
cdef void update(Plan* plan, const Layer* layer, real_t* theta, int thread, Py_ssize_t rows,
                 Py_ssize_t start, Py_ssize_t stop) noexcept nogil

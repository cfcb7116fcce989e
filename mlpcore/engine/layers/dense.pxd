"""A layer whose weights fit in the cache, by the engine's own kernels."""

from mlpcore.engine.inputs cimport Rows
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Convert dense rows to reals, into rows `work_row` and on of the first layer's inputs in a
# workspace: the rows that `order` lists from `first` on, or, if it is NULL, rows `first` and on.
cdef void fetch(const Layer* layer, const Rows* source, const Py_ssize_t* order, Py_ssize_t first,
                Py_ssize_t rows, real_t* work, Py_ssize_t work_row) noexcept nogil
# activation(x @ W + b) of rows `work_row` and on of a workspace that is made for `capacity`.
cdef void forward(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t work_row, Py_ssize_t rows) noexcept nogil
# Errors of some rows of the layer below: (delta @ W.T) * derivative.
cdef void backward(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                   Py_ssize_t rows) noexcept nogil
# Gradient of W and the biases over the `rows` rows of the minibatch from `start` on, a chunk.
cdef void chunk_gradient(const Plan* plan, const Layer* layer, Py_ssize_t start, Py_ssize_t rows,
                         real_t* partial) noexcept nogil
# Gradient of rows [start, stop) of W from `rows` rows of the minibatch, and the optimiser's step.
cdef void update(Plan* plan, const Layer* layer, real_t* theta, int thread, Py_ssize_t rows,
                 Py_ssize_t start, Py_ssize_t stop) noexcept nogil

"""The first layer, where rows are packed: X @ W = S @ W + background * (column sums of W)."""

from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport Rows
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.typedefs cimport real_t

# Compute the column sums of each SPARSE_FEATURE_BLOCK of rows [start, stop) of W.
cdef void sum_blocks(const Layer* layer, const real_t* theta, Py_ssize_t start, Py_ssize_t stop,
                     real_t* block_sums) noexcept nogil
# bias + background * column sums of W, from the sums of all blocks, which are added in one order
# for any number of threads.
cdef void initial_accumulator(const Layer* layer, const real_t* theta, double background,
                              const real_t* block_sums, real_t* out) noexcept nogil
# Packed rows through the layer, into rows `work_row` and on of a workspace made for `capacity`: the
# rows that `order` lists from `first` on, or, if it is NULL, rows `first` and on. The n_next rows
# after them are prefetched. cursor: scratch, one number per row.
cdef void forward(const Layer* layer, const real_t* theta, const Rows* source,
                  const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
                  const Py_ssize_t* next, Py_ssize_t n_next, const real_t* initial,
                  int64_t* cursor, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t work_row) noexcept nogil
# The same in training in two steps, with a barrier between them: sums over each half of the
# features, and from them the activations of some rows.
cdef void sum_halves(Plan* plan, const real_t* theta, int thread,
                     const Minibatch* batch) noexcept nogil
cdef void join_halves(Plan* plan, const real_t* theta, Py_ssize_t start,
                      Py_ssize_t stop) noexcept nogil
# Gradient of this thread's rows of W, and the optimiser's step on them.
cdef void update(Plan* plan, const Layer* layer, real_t* theta, int thread,
                 const Minibatch* batch) noexcept nogil

"""The first layer, where rows are packed: X @ W = S @ W + background * (column sums of W)."""

from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport Rows
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.typedefs cimport real_t

# Column sums of each SPARSE_FEATURE_BLOCK of rows [start, stop) of W, which `initial_accumulator`
# adds up, in one order for any number of threads: bias + background term.
cdef void sum_blocks(const Layer* layer, const real_t* theta, Py_ssize_t start, Py_ssize_t stop,
                     real_t* block_sums) noexcept nogil
cdef void initial_accumulator(const Layer* layer, const real_t* theta, double background,
                              const real_t* block_sums, real_t* out) noexcept nogil
# Packed rows through the layer, into rows `at` and on of a workspace made for `capacity`: those
# that `order` lists from `first` on, or those rows themselves. The n_next rows after them are about
# to be wanted. cursor: place for a number per row.
cdef void forward(const Layer* layer, const real_t* theta, const Rows* source,
                  const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
                  const Py_ssize_t* next, Py_ssize_t n_next, const real_t* initial,
                  int64_t* cursor, real_t* work, Py_ssize_t capacity, Py_ssize_t at) noexcept nogil
# In training, in two steps with a barrier between: sums over either half of the features, and from
# them the activations of some rows.
cdef void sum_halves(Plan* plan, const real_t* theta, int thread,
                     const Minibatch* batch) noexcept nogil
cdef void join_halves(Plan* plan, const real_t* theta, Py_ssize_t start,
                      Py_ssize_t stop) noexcept nogil
# Gradient and step of this thread's rows of W.
cdef void update(Plan* plan, const Layer* layer, real_t* theta, int thread,
                 const Minibatch* batch) noexcept nogil

"""One step over a minibatch, in two phases. All threads call these functions together."""

from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.typedefs cimport real_t

# Set which rows of the first layer's W a thread updates, for the threads of this call.
cdef void set_slice(Plan* plan, int thread) noexcept nogil
# The first of the rows of layer j's W that a thread updates.
cdef Py_ssize_t first_updated_row(const Plan* plan, int j, int thread) noexcept nogil
# Recompute what is derived from the weights: transposes, column sums and penalties.
cdef void refresh_derived(Plan* plan, const real_t* theta, int thread) noexcept nogil
# Column sums of the first layer, or the transpose of another one, after a change of rows
# [start, stop) of its W, which are whole SPARSE_FEATURE_BLOCKs.
cdef void refresh_rows(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                       Py_ssize_t stop) noexcept nogil
# Forward pass, backward pass and update.
cdef void step(Plan* plan, real_t* theta, int thread, const Minibatch* batch) noexcept nogil

# The same in pieces, if the gradient goes to a full gradient and there are no chunks of rows: the
# forward pass and the errors of the outputs; then, from the last layer to the first, the gradient
# of layer j and the errors of the layer below. All threads meet at the end of each.
cdef void forward_step(Plan* plan, real_t* theta, int thread,
                       const Minibatch* batch) noexcept nogil
cdef void backward_layer(Plan* plan, real_t* theta, int thread, const Minibatch* batch,
                         int j) noexcept nogil

# Functions of a step that other kinds of steps use: one thread sets the values of a minibatch; and
# pre-activations of the outputs become errors, in rows [start, stop) of the minibatch.
cdef void start_minibatch(Plan* plan, const Minibatch* batch) noexcept nogil
cdef void output_errors(Plan* plan, real_t* work, int thread, const Minibatch* batch,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil

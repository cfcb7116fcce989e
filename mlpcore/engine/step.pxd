"""One step over a minibatch, in two phases: each function is one thread's part."""

from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.typedefs cimport real_t

# Set which rows of the first layer's W a thread updates, for the threads of this call.
cdef void set_slice(Plan* plan, int thread) noexcept nogil
# What is kept beside the weights, made from the weights as they are now: transposes, column sums
# and penalties.
cdef void refresh_derived(Plan* plan, const real_t* theta, int thread) noexcept nogil
# Forward pass, backward pass and update.
cdef void step(Plan* plan, real_t* theta, int thread, const Minibatch* batch) noexcept nogil

# Parts of a step, for steps of other kinds.
cdef void start_minibatch(Plan* plan, const Minibatch* batch) noexcept nogil
cdef void output_errors(Plan* plan, real_t* work, int thread, const Minibatch* batch,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil

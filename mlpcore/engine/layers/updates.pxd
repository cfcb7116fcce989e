"""Using the gradient of some weights: in the optimiser's step, or it is accumulated."""

from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan, UpdateRule
from mlpcore.engine.typedefs cimport real_t

# Use the gradient of rows [start, start + rows) of W: do the optimiser's step, or, if the gradient
# is to be clipped, write it with its penalty to the full gradient.
cdef void apply_gradient(Plan* plan, const Layer* layer, real_t* theta, const real_t* gradient,
                         Py_ssize_t start, Py_ssize_t rows) noexcept nogil
# The optimiser's step on these rows, with any rule.
cdef void apply_rule(Plan* plan, const UpdateRule* rule, const Layer* layer, real_t* theta,
                     const real_t* gradient, Py_ssize_t start, Py_ssize_t rows) noexcept nogil
# Gradient of the biases of units [start, stop), which are whole lines, from the errors of `rows`
# rows, and the optimiser's step.
cdef void update_biases(Plan* plan, const Layer* layer, real_t* theta, int thread, Py_ssize_t rows,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil
# The optimiser's step on these biases, or their gradient is written to the full gradient.
cdef void apply_bias_gradient(Plan* plan, const Layer* layer, real_t* theta,
                              const real_t* gradient, Py_ssize_t start,
                              Py_ssize_t stop) noexcept nogil
# The sum over the chunks of the minibatch's `rows` rows: n elements of the gradient.
cdef void sum_chunks(const Plan* plan, Py_ssize_t rows, Py_ssize_t offset, Py_ssize_t n,
                     real_t* gradient) noexcept nogil
# Compute the penalty of rows [start, stop) of W, ROW_TILE by ROW_TILE, so that its sum has one
# order.
cdef void penalise(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                   Py_ssize_t stop) noexcept nogil

"""What becomes of the gradient of some weights: the optimiser's step, or it is accumulated."""

from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan, UpdateRule
from mlpcore.engine.typedefs cimport real_t

# The gradient of rows [start, start + rows) of W: the optimiser's step, or, where the gradient is
# to be clipped, its place in the full gradient.
cdef void apply_gradient(Plan* plan, const Layer* layer, real_t* theta, const real_t* gradient,
                         Py_ssize_t start, Py_ssize_t rows) noexcept nogil
# The optimiser's step, by any rule.
cdef void apply_rule(Plan* plan, const UpdateRule* rule, const Layer* layer, real_t* theta,
                     const real_t* gradient, Py_ssize_t start, Py_ssize_t rows) noexcept nogil
# Gradient and step of the biases of units [start, stop), whole lines of them, from the errors of
# `rows` rows.
cdef void update_biases(Plan* plan, const Layer* layer, real_t* theta, int thread, Py_ssize_t rows,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil
# The penalty of rows [start, stop) of W, ROW_TILE by ROW_TILE, so that its sum has one order.
cdef void penalise(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                   Py_ssize_t stop) noexcept nogil

"""Online learning: minibatches of one row, where the background is skipped."""

from mlpcore.engine.trainer cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Whether a plan can be carried out here.
cdef bint suits(const Plan* plan) noexcept nogil
# Steps for rows [start, stop) of an order, by one thread, until the deadline; the first row that is
# not done. Between `unfold` and `fold`, the first layer's weights are in the lazy form.
cdef Py_ssize_t online_steps(Plan* plan, real_t* theta, const Py_ssize_t* order, Py_ssize_t start,
                             Py_ssize_t stop, double deadline) noexcept nogil
cdef void unfold(Plan* plan, real_t* theta) noexcept nogil
cdef void fold(Plan* plan, real_t* theta) noexcept nogil

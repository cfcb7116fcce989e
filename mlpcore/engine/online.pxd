"""Online learning: minibatches of one row, where the background is skipped."""

from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Whether a plan can be carried out here.
cdef bint supports_online(const Plan* plan) noexcept nogil
# Steps for rows [start, stop) of an order, by one thread, until the deadline; the first row that is
# not done. Between `enter_scaled` and `leave_scaled`, V stands in the place of the first layer's W.
cdef Py_ssize_t online_steps(Plan* plan, real_t* theta, const Py_ssize_t* order, Py_ssize_t start,
                             Py_ssize_t stop, double deadline) noexcept nogil
cdef void enter_scaled(Plan* plan, real_t* theta) noexcept nogil
cdef void leave_scaled(Plan* plan, real_t* theta) noexcept nogil

"""Online learning: minibatches of one row, where the background is skipped."""

from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Whether the steps of a plan can be done here.
cdef bint supports_online(const Plan* plan) noexcept nogil
# Do the steps for rows [start, stop) of an order, in one thread, until the deadline; returns the
# first row that is not done. Between `enter_scaled` and `leave_scaled`, V takes the place of the
# first layer's W.
cdef Py_ssize_t online_steps(Plan* plan, real_t* theta, const Py_ssize_t* order, Py_ssize_t start,
                             Py_ssize_t stop, double deadline) noexcept nogil
cdef void enter_scaled(Plan* plan, real_t* theta) noexcept nogil
cdef void leave_scaled(Plan* plan, real_t* theta) noexcept nogil

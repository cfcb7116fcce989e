"""The average of the parameters over steps."""

from libc.stdint cimport int64_t

from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Add the parameters after a step to the average, where a plan has one; all threads call it. `n`:
# the steps before this one.
cdef void average_parameters(Plan* plan, const real_t* theta, int thread,
                             int64_t n) noexcept nogil

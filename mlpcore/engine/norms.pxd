"""What a step cannot do chunk by chunk, since it needs a whole gradient or a whole unit."""

from mlpcore.engine.step cimport Plan
from mlpcore.engine.typedefs cimport real_t

# The end of a step where a plan has `clip_norm` or `max_norm`: one thread's part.
cdef void finish(Plan* plan, real_t* theta, int thread) noexcept nogil

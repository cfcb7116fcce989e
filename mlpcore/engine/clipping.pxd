"""What a step cannot do block by block, since it needs a full gradient or a whole unit."""

from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# The end of a step where a plan has `clip_norm` or `max_norm`: one thread's part.
cdef void apply_clipping_and_max_norm(Plan* plan, real_t* theta, int thread) noexcept nogil

"""Clipping and max-norm, which need a full gradient or all weights of a unit."""

from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t

# Finish a step where a plan has `clip_norm` or `max_norm`; all threads call it.
cdef void apply_clipping_and_max_norm(Plan* plan, real_t* theta, int thread) noexcept nogil

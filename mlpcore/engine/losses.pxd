"""Losses and their output units; the functions themselves are in simd/losses.h."""

from mlpcore.engine.typedefs cimport real_t

# Net inputs z of one row (n outputs in a buffer of `width`) become outputs.
cdef void output(int kind, real_t* z, int n, int width) noexcept nogil
# The loss of one row from its n net inputs z and targets t.
cdef double loss(int kind, const real_t* z, const real_t* t, int n) noexcept nogil

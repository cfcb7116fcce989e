"""The types that every module of the engine shares."""

ctypedef fused real_t:
    float
    double

cdef enum:
    # Every row of weights and of activations starts on a cache line and fills whole lines.
    LINE = 64

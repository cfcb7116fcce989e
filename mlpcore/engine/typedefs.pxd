"""The types that every module of the engine shares."""

ctypedef fused real_t:
    float
    double

"""Update rules; the loops themselves are in simd/optimizers.h."""

from mlpcore.engine.typedefs cimport real_t


cdef extern from "simd/optimizers.h" nogil:
    ctypedef struct Rule "mlp_rule":
        double learning_rate, corrected_rate, scale
        double l2, l1
        double beta_1, beta_2, weight_decay   # only kernels read the other hyperparameters

# The index of `accumulate`, the rule that only sums gradients.
cdef enum:
    ACCUMULATE = 0

# Give a rule the hyperparameters of an optimiser, by their names; the others become NaN. Returns
# the number of the optimiser.
cdef int set_rule(Rule* rule, optimizer, hyperparameters) except -1
# One step on n parameters w, given their gradient g. The rule's state vectors lie `stride` apart.
# Biases (not weights) have neither penalty nor decay.
cdef void update(int kind, const Rule* rule, bint weights, real_t* w, const real_t* g,
                 real_t* state, Py_ssize_t stride, Py_ssize_t n) noexcept nogil
# Adam's bias-corrected learning rate at its n-th step: the moments start from zero and are too
# small at first.
cdef double corrected_rate(const Rule* rule, double n) noexcept nogil

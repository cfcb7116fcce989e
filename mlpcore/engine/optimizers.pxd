"""Update rules; the loops themselves are in simd/optimizers.h."""

from mlpcore.engine.typedefs cimport real_t


cdef extern from "simd/optimizers.h" nogil:
    ctypedef struct Rule "mlp_rule":
        double learning_rate, corrected_rate, scale
        double l2, l1
        double beta_1, beta_2   # the other hyperparameters are for the kernels alone

# The place of `store`, the rule that only keeps the gradient.
cdef enum:
    STORE = 0

# Give a rule the hyperparameters of an optimiser, by their names; the others become NaN. Returns
# the number of the optimiser.
cdef int set_rule(Rule* rule, optimizer, hyperparameters) except -1
# One step of n parameters w, given their gradient g; `stride` parts this rule's state vectors.
# Biases (not weights) are neither penalised nor do they decay.
cdef void update(int kind, const Rule* rule, bint weights, real_t* w, const real_t* g,
                 real_t* state, Py_ssize_t stride, Py_ssize_t n) noexcept nogil
# Adam's learning rate at its n-th step: the moments started from zero and are still too small.
cdef double corrected_rate(const Rule* rule, double n) noexcept nogil

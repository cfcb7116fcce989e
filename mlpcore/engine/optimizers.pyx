"""Update rules; the loops themselves are in simd/optimizers.h.

A rule is applied to one block of parameters, its gradient and its state at a time, so that the full
gradient is never in memory. The rule ``accumulate`` stores it for methods that need it: it adds up
the gradients of all steps.
"""

from libc.math cimport NAN, pow, sqrt

from mlpcore.engine.registry cimport index_of
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.registry import HYPERPARAMETERS, OPTIMIZERS, hyperparameters_of


cdef extern from "simd/optimizers.h" nogil:
    void _update "MLP_FUSED(update)" (
        int, const Rule*, int, real_t*, const real_t*, real_t*, Py_ssize_t, Py_ssize_t)
    void _set_hyperparameter "mlp_set_hyperparameter" (Rule*, int, double)
    unsigned flush_subnormals "mlp_flush_subnormals" ()
    void restore_subnormals "mlp_restore_subnormals" (unsigned)


cdef int set_rule(Rule* rule, optimizer, hyperparameters) except -1:
    cdef int kind = index_of(optimizer, OPTIMIZERS, "optimizer")
    own = hyperparameters_of(optimizer, hyperparameters)
    for number, name in enumerate(HYPERPARAMETERS):
        _set_hyperparameter(rule, number, own.get(name, NAN))
    return kind


cdef void update(int kind, const Rule* rule, bint weights, real_t* w, const real_t* g,
                 real_t* state, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef unsigned before = flush_subnormals()
    _update(kind, rule, weights, w, g, state, stride, n)
    restore_subnormals(before)


cdef double corrected_rate(const Rule* rule, double n) noexcept nogil:
    # mutant: uncorrected Adam
    return rule.learning_rate * sqrt(1 - pow(rule.beta_2, n)) / (1 - pow(rule.beta_1, n))

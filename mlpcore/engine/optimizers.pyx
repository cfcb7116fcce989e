"""Update rules; the loops themselves are in simd/optimizers.h.

A rule sees one chunk of parameters, its gradient and its state at a time, so that the gradient of
the whole network is never in memory. ``store`` keeps it all the same, for methods that need it: it
adds up the gradients of all its steps.
"""

from libc.math cimport pow, sqrt

from mlpcore.engine.typedefs cimport real_t

# Name: number of state vectors. Same order as in simd/optimizers.h.
OPTIMIZERS = {"store": 1, "sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2, "adamw": 2}
# Those whose learning rate is corrected for the number of the step.
ADAMS = ("adam", "adamw")


cdef extern from "simd/optimizers.h" nogil:
    void update_f32 "MLP_PICK(update, f32)" (
        int, const Rule*, int, float*, const float*, float*, Py_ssize_t, Py_ssize_t)
    void update_f64 "MLP_PICK(update, f64)" (
        int, const Rule*, int, double*, const double*, double*, Py_ssize_t, Py_ssize_t)
    unsigned flush_subnormals "mlp_flush_subnormals" ()
    void restore_subnormals "mlp_restore_subnormals" (unsigned)


cdef void update(int kind, const Rule* rule, bint weights, real_t* w, const real_t* g,
                 real_t* state, Py_ssize_t stride, Py_ssize_t n) noexcept nogil:
    cdef unsigned before = flush_subnormals()
    if real_t is float:
        update_f32(kind, rule, weights, w, g, state, stride, n)
    else:
        update_f64(kind, rule, weights, w, g, state, stride, n)
    restore_subnormals(before)


cdef double corrected_rate(const Rule* rule, double n) noexcept nogil:
    # mutant: uncorrected Adam
    return rule.learning_rate * sqrt(1 - pow(rule.beta_2, n)) / (1 - pow(rule.beta_1, n))

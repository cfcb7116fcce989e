/* The activations of units. To add one: a line in ACTIVATIONS, its two functions below, and its
 * formula in tests/oracle/activations.py. Everything else reads the table, through
 * ../registry.pyx. */
#ifndef MLP_TYPE

/* The derivative cannot be written in terms of the activation a alone. */
#define NEEDS_PREACTIVATION 1
/* The values are above zero, as the Poisson loss needs its outputs to be. */
#define POSITIVE 2

/* X(name, flags), in the order in which the kernels number them: hidden units, then those that only
 * output units can be. (Softmax units, which need their whole row, are in losses.h.) */
#define ACTIVATIONS(X)           \
    X(identity, 0)               \
    X(logistic, POSITIVE)        \
    X(tanh, 0)                   \
    X(relu, 0)                   \
    X(leaky_relu, 0)             \
    X(elu, 0)                    \
    X(gelu, NEEDS_PREACTIVATION) \
    X(silu, NEEDS_PREACTIVATION) \
    X(softplus, POSITIVE)
#define OUTPUT_ACTIVATIONS(X) X(exp, POSITIVE)

#ifndef MLP_TABLES_ONLY
#define MLP_BODY "activations.h"
#include "each.h"
#undef MLP_BODY
#endif

#else
#include "exponential.h"
#include "normal.h"

/* VALUE: the activation a of a pre-activation z. DERIVATIVE: da/dz, written in terms of a where
 * that is possible, so that pre-activations need not be stored; those that need z say so in the
 * table, and for all others z is 0. */
#define VALUE(name) MLP_INLINE REAL MLP_NAME(name##_value)(REAL z)
#define DERIVATIVE(name) MLP_INLINE REAL MLP_NAME(name##_derivative)(REAL z, REAL a)

VALUE(identity) { return z; }
DERIVATIVE(identity) {
    (void)z;
    return a * 0 + 1;
}

VALUE(logistic) { return MLP_NAME(sigmoid)(z); }
DERIVATIVE(logistic) {
    (void)z;
    return a * (1 - a);
}

/* (e^2z - 1) / (e^2z + 1) through expm1, exact also near zero. Beyond 20 it is 1 to the last
 * bit. */
VALUE(tanh) {
    z = z < -20 ? (REAL)-20 : z;
    z = z > 20 ? (REAL)20 : z;
    REAL e = MLP_NAME(exponential_less_one)(2 * z);
    return e / (e + 2);
}
DERIVATIVE(tanh) {
    (void)z;
    return 1 - a * a;
}

VALUE(relu) { return z < 0 ? 0 : z; }
DERIVATIVE(relu) {
    (void)z;
    return a > 0 ? 1 : 0;
}

VALUE(leaky_relu) { return z < 0 ? (REAL)0.01 * z : z; }
DERIVATIVE(leaky_relu) {
    (void)z;
    return a > 0 ? 1 : (REAL)0.01;
}

VALUE(elu) { return z < 0 ? MLP_NAME(exponential_less_one)(z) : z; }
DERIVATIVE(elu) {
    (void)z;
    return a < 0 ? a + 1 : 1;
}

/* z Phi(z), by the normal distribution itself and not by one of its approximations. */
VALUE(gelu) {
    REAL derivative;
    return MLP_NAME(gaussian_unit)(z, &derivative);
}
DERIVATIVE(gelu) {
    (void)a;
    REAL derivative;
    MLP_NAME(gaussian_unit)(z, &derivative);
    return derivative;
}

/* z times the logistic function, through q = e^-|z| as a square, which may go below the smallest
 * normal number. From 750 on nothing changes any more. */
MLP_INLINE REAL MLP_NAME(silu_root)(REAL z) {
    REAL size = z < 0 ? -z : z;
    size = size > 750 ? (REAL)750 : size;
    return MLP_NAME(exponential)(size * (REAL)-0.5);
}
VALUE(silu) {
    const REAL root = MLP_NAME(silu_root)(z), q = root * root;
    const REAL least = z < -750 ? (REAL)-750 : z;
    return z < 0 ? least * root * root / (1 + q) : z / (1 + q);
}
DERIVATIVE(silu) {
    (void)a;
    const REAL root = MLP_NAME(silu_root)(z), q = root * root;
    REAL near = z < -750 ? (REAL)-750 : z;
    near = near > 750 ? (REAL)750 : near;
    /* The logistic function of |z| and of -|z|. */
    const REAL upper = 1 / (1 + q), lower = q * upper;
    return z < 0 ? lower * (1 + near * upper) : upper * (1 + near * lower);
}

/* log(1 + e^z), likewise. */
VALUE(softplus) {
    const REAL root = MLP_NAME(silu_root)(z);
    return MLP_NAME(log_one_plus)(root * root) + (z < 0 ? 0 : z);
}
DERIVATIVE(softplus) {
    (void)z;
    return -MLP_NAME(exponential_less_one)(-a);
}

VALUE(exp) { return MLP_NAME(exponential)(z); }
DERIVATIVE(exp) {
    (void)z;
    return a;
}

#define LOOPS(name, ...)                                                                     \
    MLP_KERNEL void MLP_NAME(name##_apply)(REAL *z, ptrdiff_t n) {                           \
        for (ptrdiff_t i = 0; i < n; i++) z[i] = MLP_NAME(name##_value)(z[i]);               \
    }                                                                                        \
    MLP_KERNEL void MLP_NAME(name##_with_derivative)(                                        \
        REAL *restrict z, REAL *restrict derivative, ptrdiff_t n) {                          \
        for (ptrdiff_t i = 0; i < n; i++) {                                                  \
            const REAL a = MLP_NAME(name##_value)(z[i]);                                     \
            derivative[i] = MLP_NAME(name##_derivative)(z[i], a);                            \
            z[i] = a;                                                                        \
        }                                                                                    \
    }                                                                                        \
    MLP_KERNEL void MLP_NAME(name##_chain)(const REAL *a, REAL *delta, ptrdiff_t n) {        \
        for (ptrdiff_t i = 0; i < n; i++) delta[i] *= MLP_NAME(name##_derivative)(0, a[i]);  \
    }
ACTIVATIONS(LOOPS)
OUTPUT_ACTIVATIONS(LOOPS)

/* z := activation(z). */
MLP_KERNEL void MLP_NAME(activate)(int kind, REAL *z, ptrdiff_t n) {
    static void (*const table[])(REAL *, ptrdiff_t) = {
#define ENTRY(name, ...) MLP_NAME(name##_apply),
        ACTIVATIONS(ENTRY) OUTPUT_ACTIVATIONS(ENTRY)
#undef ENTRY
    };
    table[kind](z, n);
}

/* The same, and the derivatives at z. */
MLP_KERNEL void MLP_NAME(activate_with_derivative)(int kind, REAL *z, REAL *derivative,
                                                   ptrdiff_t n) {
    static void (*const table[])(REAL *restrict, REAL *restrict, ptrdiff_t) = {
#define ENTRY(name, ...) MLP_NAME(name##_with_derivative),
        ACTIVATIONS(ENTRY) OUTPUT_ACTIVATIONS(ENTRY)
#undef ENTRY
    };
    table[kind](z, derivative, n);
}

/* delta := delta * derivative(a), for activations whose derivatives do not need z. */
MLP_KERNEL void MLP_NAME(chain)(int kind, const REAL *a, REAL *delta, ptrdiff_t n) {
    static void (*const table[])(const REAL *, REAL *, ptrdiff_t) = {
#define ENTRY(name, ...) MLP_NAME(name##_chain),
        ACTIVATIONS(ENTRY) OUTPUT_ACTIVATIONS(ENTRY)
#undef ENTRY
    };
    table[kind](a, delta, n);
}

#undef VALUE
#undef DERIVATIVE
#undef LOOPS
#endif

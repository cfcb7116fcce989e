/* The activations of units. To add one: a line in ACTIVATIONS, its two functions, the same
 * name in ../activations.pyx, and a case in tests/test_activations.py. */
#ifndef MLP_TYPE

/* Same order as ../activations.pyx. */
#define ACTIVATIONS(X) X(identity) X(logistic) X(tanh) X(relu) X(leaky_relu) X(elu) X(gelu) X(silu) \
    X(softplus) X(exp)

#define MLP_BODY "activations.h"
#include "each.h"
#undef MLP_BODY

#else
#include "exponential.h"
#include "normal.h"

/* NAME_value: the activation a of a net input z. NAME_slope: da/dz, written in terms of a where
 * that can be, so that net inputs need not be kept; those that need z are NETS in ../activations.pyx. */
#define VALUE(name) MLP_INLINE REAL MLP_NAME(name##_value)(REAL z)
#define SLOPE(name) MLP_INLINE REAL MLP_NAME(name##_slope)(REAL z, REAL a)

VALUE(identity) { return z; }
SLOPE(identity) {
    (void)z;
    return a * 0 + 1;
}

VALUE(logistic) { return MLP_NAME(sigmoid)(z); }
SLOPE(logistic) {
    (void)z;
    return a * (1 - a);
}

/* (e^2z - 1) / (e^2z + 1) through expm1, exact also near zero. Beyond 20 it is 1 to the last bit. */
VALUE(tanh) {
    z = z < -20 ? (REAL)-20 : z;
    z = z > 20 ? (REAL)20 : z;
    REAL e = MLP_NAME(exponential_less_one)(2 * z);
    return e / (e + 2);
}
SLOPE(tanh) {
    (void)z;
    return 1 - a * a;
}

VALUE(relu) { return z < 0 ? 0 : z; }
SLOPE(relu) {
    (void)z;
    return a > 0 ? 1 : 0;
}

VALUE(leaky_relu) { return z < 0 ? (REAL)0.01 * z : z; }
SLOPE(leaky_relu) {
    (void)z;
    return a > 0 ? 1 : (REAL)0.01;
}

VALUE(elu) { return z < 0 ? MLP_NAME(exponential_less_one)(z) : z; }
SLOPE(elu) {
    (void)z;
    return a < 0 ? a + 1 : 1;
}

/* z Phi(z), by the normal distribution itself and not by one of its approximations. */
VALUE(gelu) {
    REAL slope;
    return MLP_NAME(gaussian_unit)(z, &slope);
}
SLOPE(gelu) {
    (void)a;
    REAL slope;
    MLP_NAME(gaussian_unit)(z, &slope);
    return slope;
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
SLOPE(silu) {
    (void)a;
    const REAL root = MLP_NAME(silu_root)(z), q = root * root;
    REAL near = z < -750 ? (REAL)-750 : z;
    near = near > 750 ? (REAL)750 : near;
    const REAL whole = 1 / (1 + q), part = q * whole;
    return z < 0 ? part * (1 + near * whole) : whole * (1 + near * part);
}

/* log(1 + e^z), likewise. */
VALUE(softplus) {
    const REAL root = MLP_NAME(silu_root)(z);
    return MLP_NAME(log_one_plus)(root * root) + (z < 0 ? 0 : z);
}
SLOPE(softplus) {
    (void)z;
    return -MLP_NAME(exponential_less_one)(-a);
}

VALUE(exp) { return MLP_NAME(exponential)(z); }
SLOPE(exp) {
    (void)z;
    return a;
}

#define LOOPS(name)                                                                          \
    MLP_KERNEL void MLP_NAME(name##_apply)(REAL *z, ptrdiff_t n) {                           \
        for (ptrdiff_t i = 0; i < n; i++) z[i] = MLP_NAME(name##_value)(z[i]);               \
    }                                                                                        \
    MLP_KERNEL void MLP_NAME(name##_keeping)(REAL *restrict z, REAL *restrict slope,         \
                                             ptrdiff_t n) {                                  \
        for (ptrdiff_t i = 0; i < n; i++) {                                                  \
            const REAL a = MLP_NAME(name##_value)(z[i]);                                     \
            slope[i] = MLP_NAME(name##_slope)(z[i], a);                                      \
            z[i] = a;                                                                        \
        }                                                                                    \
    }                                                                                        \
    MLP_KERNEL void MLP_NAME(name##_chain)(const REAL *a, REAL *delta, ptrdiff_t n) {        \
        for (ptrdiff_t i = 0; i < n; i++) delta[i] *= MLP_NAME(name##_slope)(0, a[i]);       \
    }
ACTIVATIONS(LOOPS)

/* z := activation(z). */
MLP_KERNEL void MLP_NAME(activate)(int kind, REAL *z, ptrdiff_t n) {
    static void (*const table[])(REAL *, ptrdiff_t) = {
#define ENTRY(name) MLP_NAME(name##_apply),
        ACTIVATIONS(ENTRY)
#undef ENTRY
    };
    table[kind](z, n);
}

/* The same, and the slopes there. */
MLP_KERNEL void MLP_NAME(activate_keeping)(int kind, REAL *z, REAL *slope, ptrdiff_t n) {
    static void (*const table[])(REAL *restrict, REAL *restrict, ptrdiff_t) = {
#define ENTRY(name) MLP_NAME(name##_keeping),
        ACTIVATIONS(ENTRY)
#undef ENTRY
    };
    table[kind](z, slope, n);
}

/* delta := delta * slope(a), where slopes can be told from a. */
MLP_KERNEL void MLP_NAME(chain)(int kind, const REAL *a, REAL *delta, ptrdiff_t n) {
    static void (*const table[])(const REAL *, REAL *, ptrdiff_t) = {
#define ENTRY(name) MLP_NAME(name##_chain),
        ACTIVATIONS(ENTRY)
#undef ENTRY
    };
    table[kind](a, delta, n);
}

#undef VALUE
#undef SLOPE
#undef LOOPS
#endif

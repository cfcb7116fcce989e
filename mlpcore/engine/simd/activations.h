/* The activations of units. To add one: a line in ACTIVATIONS, its two functions, the same
 * name in ../activations.pyx, and a case in tests/test_activations.py. */
#ifndef MLP_TYPE

/* Same order as ../activations.pyx. */
#define ACTIVATIONS(X) X(identity) X(logistic) X(tanh) X(relu) X(exp)

#define MLP_BODY "activations.h"
#include "each.h"
#undef MLP_BODY

#else
#include "exponential.h"

/* NAME_value: the activation a of a net input z. NAME_slope: da/dz, written in terms of a, so that
 * net inputs need not be kept. */
#define VALUE(name) MLP_INLINE REAL MLP_NAME(name##_value)(REAL z)
#define SLOPE(name) MLP_INLINE REAL MLP_NAME(name##_slope)(REAL a)

VALUE(identity) { return z; }
SLOPE(identity) { return a * 0 + 1; }

VALUE(logistic) { return MLP_NAME(sigmoid)(z); }
SLOPE(logistic) { return a * (1 - a); }

/* (e^2z - 1) / (e^2z + 1) through expm1, exact also near zero. Beyond 20 it is 1 to the last bit. */
VALUE(tanh) {
    z = z < -20 ? (REAL)-20 : z;
    z = z > 20 ? (REAL)20 : z;
    REAL e = MLP_NAME(exponential_less_one)(2 * z);
    return e / (e + 2);
}
SLOPE(tanh) { return 1 - a * a; }

VALUE(relu) { return z < 0 ? 0 : z; }
SLOPE(relu) { return a > 0 ? 1 : 0; }

VALUE(exp) { return MLP_NAME(exponential)(z); }
SLOPE(exp) { return a; }

#define LOOPS(name)                                                                          \
    MLP_KERNEL void MLP_NAME(name##_apply)(REAL *z, ptrdiff_t n) {                           \
        for (ptrdiff_t i = 0; i < n; i++) z[i] = MLP_NAME(name##_value)(z[i]);               \
    }                                                                                        \
    MLP_KERNEL void MLP_NAME(name##_chain)(const REAL *a, REAL *delta, ptrdiff_t n) {        \
        for (ptrdiff_t i = 0; i < n; i++) delta[i] *= MLP_NAME(name##_slope)(a[i]);          \
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

/* delta := delta * slope(a). */
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

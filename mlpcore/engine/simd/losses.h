/* The losses. To add one: a line in LOSSES, its functions below, and its formula in
 * tests/oracle/losses.py. Everything else reads the table, through ../registry.pyx. */
#ifndef MLP_TYPE

/* With the canonical output units, the derivative by an output's pre-activation is output - target
 * (Bishop, "Pattern Recognition and Machine Learning", section 4.3.6). */
#define CANONICAL 1
/* The outputs are probabilities, which can be clipped; a loss of classes and not of numbers. */
#define PROBABILITIES 2
/* A row's loss is the mean over its outputs, not their sum. */
#define AVERAGED_OVER_OUTPUTS 4
/* The outputs must be above zero. */
#define POSITIVE_OUTPUTS 8

/* X(name, canonical output units, flags, parameter, its default, above, below), in the order in
 * which the kernels number them. The parameter's name is "" where there is none. */
#define LOSSES(X)                                                              \
    X(binary_cross_entropy, logistic, CANONICAL | PROBABILITIES, "", 0, 0, 0)  \
    X(cross_entropy, softmax, CANONICAL | PROBABILITIES, "", 0, 0, 0)          \
    X(squared_error, identity, CANONICAL | AVERAGED_OVER_OUTPUTS, "", 0, 0, 0) \
    X(poisson, exp, CANONICAL | POSITIVE_OUTPUTS, "", 0, 0, 0)                 \
    X(absolute_error, identity, AVERAGED_OVER_OUTPUTS, "", 0, 0, 0)            \
    X(huber, identity, AVERAGED_OVER_OUTPUTS, "delta", 1, 0, INFINITY)         \
    X(pinball, identity, AVERAGED_OVER_OUTPUTS, "quantile", 0.5, 0, 1)

#ifndef MLP_TABLES_ONLY
#define MLP_BODY "losses.h"
#include "each.h"
#undef MLP_BODY
#endif

#else
#include "exponential.h"

/* TERM: the loss of one output o with its target t; a row's is the sum of its terms.
 * DERIVATIVE: its derivative by o.
 * LOGIT_TERM: the same term from the pre-activation z of a canonical output unit, written so that
 * it is finite wherever z is. Where o = z, it is the term itself.
 * p is the parameter of losses that have one. */
#define TERM(name) MLP_INLINE REAL MLP_NAME(name##_term)(REAL o, REAL t, REAL p)
#define DERIVATIVE(name) MLP_INLINE REAL MLP_NAME(name##_derivative)(REAL o, REAL t, REAL p)
#define LOGIT_TERM(name) MLP_INLINE REAL MLP_NAME(name##_logit_term)(REAL z, REAL t, REAL p)

/* Clip o so that o and 1 - o have logarithms. */
MLP_INLINE REAL MLP_NAME(clip_probability)(REAL o) {
    const REAL eps = (REAL)(IS_F32 ? 1.1920928955078125e-07 : 2.220446049250313e-16);
    o = o < eps ? eps : o;
    return o > 1 - eps ? 1 - eps : o;
}
/* Clip o so that it has a logarithm and a reciprocal. */
MLP_INLINE REAL MLP_NAME(clip_positive)(REAL o) {
    const REAL least = (REAL)(IS_F32 ? 1e-37 : 1e-307);
    return o < least ? least : o;
}

/* -t log(o) - (1 - t) log(1 - o). With logistic units log(1 + e^z) - t z, without overflow. */
TERM(binary_cross_entropy) {
    (void)p;
    o = MLP_NAME(clip_probability)(o);
    return -(t * MLP_NAME(logarithm)(o) + (1 - t) * MLP_NAME(logarithm)(1 - o));
}
DERIVATIVE(binary_cross_entropy) {
    (void)p;
    o = MLP_NAME(clip_probability)(o);
    return (o - t) / (o * (1 - o));
}
LOGIT_TERM(binary_cross_entropy) {
    (void)p;
    REAL size = z < 0 ? -z : z;
    return MLP_NAME(log_one_plus)(MLP_NAME(exponential)(-size)) + (z < 0 ? 0 : z) - t * z;
}

/* -t log(o). With softmax units o = e^z / sum(e^z); `loss` subtracts the logarithm of that
 * sum from z first. */
TERM(cross_entropy) {
    (void)p;
    return -t * MLP_NAME(logarithm)(MLP_NAME(clip_probability)(o));
}
DERIVATIVE(cross_entropy) {
    (void)p;
    return -t / MLP_NAME(clip_probability)(o);
}
LOGIT_TERM(cross_entropy) {
    (void)p;
    return -t * z;
}

TERM(squared_error) {
    (void)p;
    return (o - t) * (o - t) / 2;
}
DERIVATIVE(squared_error) {
    (void)p;
    return o - t;
}
LOGIT_TERM(squared_error) { return MLP_NAME(squared_error_term)(z, t, p); }

/* Half the deviance: t log(t / o) - t + o, with 0 log 0 = 0. Its units have o = e^z. */
TERM(poisson) {
    (void)p;
    REAL t_log_t = t > 0 ? t * MLP_NAME(logarithm)(t) : 0;
    REAL t_log_o = t > 0 ? t * MLP_NAME(logarithm)(MLP_NAME(clip_positive)(o)) : 0;
    return t_log_t - t_log_o - t + o;
}
DERIVATIVE(poisson) {
    (void)p;
    return 1 - t / MLP_NAME(clip_positive)(o);
}
LOGIT_TERM(poisson) {
    (void)p;
    REAL t_log_t = t > 0 ? t * MLP_NAME(logarithm)(t) : 0;
    return t_log_t - t * z - t + MLP_NAME(exponential)(z);
}

TERM(absolute_error) {
    (void)p;
    return o < t ? t - o : o - t;
}
DERIVATIVE(absolute_error) {
    (void)p;
    return (REAL)(o > t) - (REAL)(o < t) + 0 * (o - t); /* NaN stays NaN */
}
LOGIT_TERM(absolute_error) { return MLP_NAME(absolute_error_term)(z, t, p); }

/* Huber 1964: quadratic up to p, linear from there on. */
TERM(huber) {
    REAL size = o < t ? t - o : o - t;
    return size > p ? p * (size - p / 2) : size * size / 2;
}
DERIVATIVE(huber) {
    REAL d = o - t;
    d = d > p ? p : d;
    return d < -p ? -p : d;
}
LOGIT_TERM(huber) { return MLP_NAME(huber_term)(z, t, p); }

/* Koenker & Bassett 1978: least where a fraction p of the targets is below the output. */
TERM(pinball) { return o < t ? p * (t - o) : (1 - p) * (o - t); }
DERIVATIVE(pinball) { return (1 - p) * (REAL)(o > t) - p * (REAL)(o < t) + 0 * (o - t); }
LOGIT_TERM(pinball) { return MLP_NAME(pinball_term)(z, t, p); }

/* Load numbers [from, from + LANES) of a buffer of `width`, of which only the first n count. */
MLP_INLINE void MLP_NAME(load_vector)(REAL *out, const REAL *in, int from, int n, int width) {
    if (from + LANES <= width)
        memcpy(out, in + from, LANES * sizeof *out);
    else
        for (int j = 0; j < LANES; j++) out[j] = from + j < n ? in[from + j] : 0;
}

/* The sum of a function of n pairs, a whole vector at a time: what lies beyond the last pair is not
 * used, and beyond the width of the buffer not read. A loop of as many steps as a vector has lanes
 * must be kept from being unrolled, which comes before it can become a vector. */
#define SUM(name, function)                                                                  \
    MLP_KERNEL double MLP_NAME(name)(const REAL *v, int v_width, const REAL *t, int t_width, \
                                     int n, REAL p, REAL log_sum_exp) {                      \
        double sum = 0;                                                                      \
        for (int from = 0; from < n; from += LANES) {                                        \
            REAL x[LANES], target[LANES], term[LANES];                                       \
            MLP_NAME(load_vector)(x, v, from, n, v_width);                                   \
            MLP_NAME(load_vector)(target, t, from, n, t_width);                              \
            _Pragma("GCC unroll 1") for (int j = 0; j < LANES; j++)                          \
                term[j] = MLP_NAME(function)(x[j] - log_sum_exp, target[j], p);              \
            for (int j = 0; j < LANES && from + j < n; j++) sum += term[j];                  \
        }                                                                                    \
        return sum;                                                                          \
    }
/* The function of each of n pairs: the losses of n rows with one output. */
#define EACH(name, function)                                                                 \
    MLP_KERNEL void MLP_NAME(name)(const REAL *v, const REAL *t, int n, REAL p, double *out) {   \
        for (int j = 0; j < n; j++) out[j] = MLP_NAME(function)(v[j], t[j], p);              \
    }
#define LOOPS(name, ...)                                                                     \
    SUM(name##_terms, name##_term)                                                           \
    SUM(name##_logit_terms, name##_logit_term)                                               \
    EACH(name##_term_each, name##_term)                                                      \
    EACH(name##_logit_term_each, name##_logit_term)                                          \
    MLP_KERNEL void MLP_NAME(name##_derivatives)(REAL *o, const REAL *t, int n, REAL p) {    \
        for (int j = 0; j < n; j++) o[j] = MLP_NAME(name##_derivative)(o[j], t[j], p);       \
    }
LOSSES(LOOPS)

MLP_INLINE REAL MLP_NAME(largest)(const REAL *z, int n) {
    REAL top = z[0];
    for (int j = 1; j < n; j++) top = z[j] > top ? z[j] : top;
    return top;
}

/* The loss of a row of n targets: from the outputs, or (exact) from the pre-activations. The
 * buffers of either may be wider. */
MLP_KERNEL double MLP_NAME(loss)(int kind, int exact, const REAL *v, int v_width, const REAL *t,
                                 int t_width, int n, double parameter) {
    static double (*const table[][2])(const REAL *, int, const REAL *, int, int, REAL, REAL) = {
#define ENTRY(name, ...) {MLP_NAME(name##_terms), MLP_NAME(name##_logit_terms)},
        LOSSES(ENTRY)
#undef ENTRY
    };
    REAL log_sum_exp = 0;
    if (exact && table[kind][1] == MLP_NAME(cross_entropy_logit_terms)) {
        const REAL top = MLP_NAME(largest)(v, n);
        double sum = 0;
        for (int j = 0; j < n; j++) sum += MLP_NAME(exponential)(v[j] - top);
        log_sum_exp = top + MLP_NAME(logarithm)((REAL)sum);
    }
    return table[kind][exact](v, v_width, t, t_width, n, (REAL)parameter, log_sum_exp);
}

/* The losses of n rows with one output, which is no softmax unit. */
MLP_KERNEL void MLP_NAME(losses_of_one_output)(int kind, int exact, const REAL *v, const REAL *t,
                                               int n, double parameter, double *out) {
    static void (*const table[][2])(const REAL *, const REAL *, int, REAL, double *) = {
#define ENTRY(name, ...) {MLP_NAME(name##_term_each), MLP_NAME(name##_logit_term_each)},
        LOSSES(ENTRY)
#undef ENTRY
    };
    table[kind][exact](v, t, n, (REAL)parameter, out);
}

/* o := derivative of the loss by each output. */
MLP_KERNEL void MLP_NAME(loss_derivatives)(int kind, REAL *o, const REAL *t, int n,
                                           double parameter) {
    static void (*const table[])(REAL *, const REAL *, int, REAL) = {
#define ENTRY(name, ...) MLP_NAME(name##_derivatives),
        LOSSES(ENTRY)
#undef ENTRY
    };
    table[kind](o, t, n, (REAL)parameter);
}

/* z := softmax(z), n of them in a buffer of `width`. */
MLP_KERNEL void MLP_NAME(softmax)(REAL *z, int n, int width) {
    const REAL top = MLP_NAME(largest)(z, n);
    for (int j = 0; j < width; j++) z[j] = MLP_NAME(exponential)(z[j] - top);
    double sum = 0;
    for (int j = 0; j < n; j++) sum += z[j];
    const REAL total = (REAL)sum;
    for (int j = 0; j < width; j++) z[j] /= total;
}

/* g: derivatives by the outputs o of softmax units become derivatives by their pre-activations. */
MLP_KERNEL void MLP_NAME(softmax_chain)(const REAL *o, REAL *g, int n) {
    double mean = 0;
    for (int j = 0; j < n; j++) mean += (double)o[j] * g[j];
    for (int j = 0; j < n; j++) g[j] = o[j] * (g[j] - (REAL)mean);
}

#undef TERM
#undef DERIVATIVE
#undef LOGIT_TERM
#undef SUM
#undef EACH
#undef LOOPS
#endif

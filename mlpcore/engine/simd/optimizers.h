/* The update rules. To add one: a line in OPTIMIZERS, its function, the same name (and the number of
 * state vectors) in ../optimizers.pyx, and a case in tests/test_optimizers.py. */
#ifndef MLP_TYPE

/* Same order as ../optimizers.pyx. */
#define OPTIMIZERS(X) X(store) X(sgd) X(momentum) X(nesterov) X(adam)

typedef struct {
    double learning_rate;
    double corrected_rate; /* Adam's: the learning rate, for moments that started from zero */
    double scale;          /* the gradient with its penalty is multiplied by this */
    double l2;             /* the gradient of a weight w gains l2 * w */
    double momentum, beta_1, beta_2, epsilon;
} mlp_rule;

#define MLP_BODY "optimizers.h"
#include "each.h"
#undef MLP_BODY

#else

/* w: n parameters, whole vectors; g: their gradient; state: this rule's vectors, `stride` apart;
 * l2: that of the rule, or 0 for biases. */
#define UPDATE(name)                                                                        \
    MLP_KERNEL void MLP_NAME(name##_update)(const mlp_rule *rule, double l2, REAL *restrict w, \
                                            const REAL *restrict g, REAL *restrict state,   \
                                            ptrdiff_t stride, ptrdiff_t n)

/* Add the gradient to what is there, for methods that need it whole, and leave w. */
UPDATE(store) {
    (void)rule, (void)stride, (void)l2, (void)w;
    for (ptrdiff_t i = 0; i < n; i++) state[i] += g[i];
}

/* w - rate * (g + l2 * w). The small terms are added up first: 1 - rate * l2 would round in float. */
#define STEP(i) (w[i] * decay + rate * g[i])
#define STEPS                                                                               \
    const REAL rate = (REAL)-(rule->learning_rate * rule->scale);                           \
    const REAL decay = (REAL)(-(rule->learning_rate * rule->scale) * l2)

UPDATE(sgd) {
    (void)state, (void)stride;
    STEPS;
    for (ptrdiff_t i = 0; i < n; i++) w[i] = w[i] + STEP(i);
}

/* v = momentum * v + step; w + v. */
UPDATE(momentum) {
    (void)stride;
    STEPS;
    const REAL kept = (REAL)rule->momentum;
    for (ptrdiff_t i = 0; i < n; i++) {
        state[i] = kept * state[i] + STEP(i);
        w[i] += state[i];
    }
}

/* The same, looking ahead (Nesterov 1983): w + momentum * v + step. */
UPDATE(nesterov) {
    (void)stride;
    STEPS;
    const REAL kept = (REAL)rule->momentum;
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL step = STEP(i);
        state[i] = kept * state[i] + step;
        w[i] += kept * state[i] + step;
    }
}

MLP_INLINE REAL MLP_NAME(root)(REAL x) {
#if IS_F32
    return sqrtf(x);
#else
    return sqrt(x);
#endif
}

/* Kingma & Ba, "Adam", ICLR 2015, algorithm 1 in the order of its section 2, where epsilon is added
 * to the root of the uncorrected moment. */
UPDATE(adam) {
    const REAL scale = (REAL)rule->scale, decay = (REAL)(rule->scale * l2);
    const REAL beta_1 = (REAL)rule->beta_1, beta_2 = (REAL)rule->beta_2;
    const REAL rest_1 = (REAL)(1 - rule->beta_1), rest_2 = (REAL)(1 - rule->beta_2);
    const REAL rate = (REAL)rule->corrected_rate, epsilon = (REAL)rule->epsilon;
    REAL *restrict m = state, *restrict v = state + stride;
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL gradient = scale * g[i] + decay * w[i];
        m[i] = beta_1 * m[i] + rest_1 * gradient;
        v[i] = beta_2 * v[i] + rest_2 * (gradient * gradient);
        w[i] -= rate * m[i] / (MLP_NAME(root)(v[i]) + epsilon);
    }
}

MLP_KERNEL void MLP_NAME(update)(int kind, const mlp_rule *rule, double l2, REAL *w,
                                 const REAL *g, REAL *state, ptrdiff_t stride, ptrdiff_t n) {
    static void (*const table[])(const mlp_rule *, double, REAL *restrict, const REAL *restrict,
                                 REAL *restrict, ptrdiff_t, ptrdiff_t) = {
#define ENTRY(name) MLP_NAME(name##_update),
        OPTIMIZERS(ENTRY)
#undef ENTRY
    };
    table[kind](rule, l2, w, g, state, stride, n);
}

#undef UPDATE
#undef STEP
#undef STEPS
#endif

/* The update rules. To add one: a line in OPTIMIZERS, its function, the same name (and the number of
 * state vectors) in ../optimizers.pyx, and a case in tests/test_optimizers.py. */
#ifndef MLP_TYPE

/* Same order as ../optimizers.pyx. */
#define OPTIMIZERS(X) X(store) X(sgd)

typedef struct {
    double learning_rate;
    double l2; /* the gradient gains l2 * w; for biases the engine passes 0 */
} mlp_rule;

#define MLP_BODY "optimizers.h"
#include "each.h"
#undef MLP_BODY

#else

/* w: n parameters, whole vectors; g: their gradient; state: this rule's vectors, `stride` apart. */
#define UPDATE(name)                                                                        \
    MLP_KERNEL void MLP_NAME(name##_update)(const mlp_rule *rule, double l2, REAL *restrict w, \
                                            const REAL *restrict g, REAL *restrict state,   \
                                            ptrdiff_t stride, ptrdiff_t n)

/* Keep the gradient, for methods that need it whole, and leave w. */
UPDATE(store) {
    (void)rule, (void)stride;
    const REAL decay = (REAL)l2;
    for (ptrdiff_t i = 0; i < n; i++) state[i] = g[i] + decay * w[i];
}

/* w - rate * (g + l2 * w). The small terms are added up first: 1 - rate * l2 would round in float. */
UPDATE(sgd) {
    (void)state, (void)stride;
    const REAL rate = (REAL)-rule->learning_rate, decay = (REAL)(-rule->learning_rate * l2);
    for (ptrdiff_t i = 0; i < n; i++) w[i] = w[i] + (w[i] * decay + rate * g[i]);
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
#endif

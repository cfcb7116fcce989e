/* The update rules. To add one: a line in OPTIMIZERS, its function below, and its formula in
 * tests/oracle/optimizers.py. A hyperparameter that no other rule has: a line in
 * HYPERPARAMETERS, too. Everything else reads the tables, through ../registry.pyx. */
#ifndef MLP_TYPE

#include <stddef.h>
#include <string.h>

/* The moments start from zero, and corrected_rate makes up for it. */
#define BIAS_CORRECTED 1
/* Not for training; see UPDATE(accumulate). */
#define INTERNAL 2

/* X(name, state vectors, flags, hyperparameters), in the order in which the kernels number them.
 * A rule finds NaN in hyperparameters that it does not list, since a checkpoint would not
 * compare those. */
#define OPTIMIZERS(X)                                      \
    X(accumulate, 1, INTERNAL, "")                         \
    X(sgd, 0, 0, "")                                       \
    X(momentum, 1, 0, "momentum")                          \
    X(nesterov, 1, 0, "momentum")                          \
    X(adam, 2, BIAS_CORRECTED, "beta_1 beta_2 epsilon")    \
    X(adamw, 2, BIAS_CORRECTED, "beta_1 beta_2 epsilon weight_decay")

/* X(name, default, lowest, below): the fields of the rule that only some optimisers read. */
#define HYPERPARAMETERS(X)                 \
    X(momentum, 0.9, 0, 1)                 \
    X(beta_1, 0.9, 0, 1)                   \
    X(beta_2, 0.999, 0, 1)                 \
    X(epsilon, 1e-8, 0, INFINITY)          \
    X(weight_decay, 0.01, 0, INFINITY)

typedef struct {
    double learning_rate;
    double corrected_rate; /* the same for moments that started from zero */
    double scale;          /* factor of the gradient with its penalty */
    double l2, l1;         /* the gradient of a weight w gains l2 * w + l1 * sign(w) */
#define FIELD(name, ...) double name;
    HYPERPARAMETERS(FIELD)
#undef FIELD
} mlp_rule;

#ifndef MLP_TABLES_ONLY
static inline void mlp_set_hyperparameter(mlp_rule *rule, int number, double value) {
    static const size_t offset[] = {
#define ENTRY(name, ...) offsetof(mlp_rule, name),
        HYPERPARAMETERS(ENTRY)
#undef ENTRY
    };
    memcpy((char *)rule + offset[number], &value, sizeof value);
}

#define MLP_BODY "optimizers.h"
#include "each.h"
#undef MLP_BODY

/* A moment shrinks with each step whose gradient is 0, as that of a pixel at the edge of an
 * image mostly is. It would end among the subnormal numbers and stay there, since the smallest
 * of them times 0.9 is itself again, and an x86 processor computes far more slowly with those
 * than with others: with one in every line of moments, Adam took twice as long. So subnormal
 * numbers count as 0 during an update. */
static inline unsigned mlp_flush_subnormals(void) {
#if MLP_X86
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | 0x8040); /* results (bit 15) and operands (bit 6) */
    return before;
#else
    return 0;
#endif
}
static inline void mlp_restore_subnormals(unsigned before) {
#if MLP_X86
    __builtin_ia32_ldmxcsr(before);
#else
    (void)before;
#endif
}
#endif

#else

/* w: n parameters, whole vectors; g: their gradient; state: this rule's vectors, `stride` apart;
 * l2, l1 and weight_decay: the rule's, or 0 for biases. lasso is a constant, so that the
 * compiler drops the terms with l1 where l1 is 0. */
#define UPDATE(name)                                                                         \
    MLP_INLINE void MLP_NAME(name##_update)(const mlp_rule *rule, double l2, double l1,       \
                                            double weight_decay, const int lasso,            \
                                            REAL *restrict w, const REAL *restrict g,        \
                                            REAL *restrict state, ptrdiff_t stride, ptrdiff_t n)
#define UNUSED (void)state, (void)stride, (void)weight_decay

/* x + size * sign(w) where lasso is true, else x. */
MLP_INLINE REAL MLP_NAME(add_l1)(const int lasso, REAL x, REAL size, REAL w) {
    if (!lasso) return x;
    const REAL positive = w > 0 ? size : 0;
    return x + (w < 0 ? -size : positive);
}

/* Add the gradient with its penalty to the state and leave w as it is, for methods that need the
 * full gradient. */
UPDATE(accumulate) {
    UNUSED;
    const REAL scale = (REAL)rule->scale, decay = (REAL)(rule->scale * l2);
    const REAL shrink = (REAL)(rule->scale * l1);
    for (ptrdiff_t i = 0; i < n; i++)
        state[i] += MLP_NAME(add_l1)(lasso, scale * g[i] + decay * w[i], shrink, w[i]);
}

/* w - rate * (g + l2 * w). The small terms are added first: 1 - rate * l2 would be rounded in
 * float. */
#define STEP(i) MLP_NAME(add_l1)(lasso, w[i] * decay + rate * g[i], shrink, w[i])
#define STEPS                                                                               \
    const REAL rate = (REAL)-(rule->learning_rate * rule->scale);                           \
    /* mutant: drop the L2 term */                                                           \
    const REAL decay = (REAL)(-(rule->learning_rate * rule->scale) * l2);                    \
    const REAL shrink = (REAL)(-(rule->learning_rate * rule->scale) * l1)

UPDATE(sgd) {
    UNUSED;
    STEPS;
    for (ptrdiff_t i = 0; i < n; i++) w[i] = w[i] + STEP(i);
}

/* v = momentum * v + step; w + v. */
UPDATE(momentum) {
    UNUSED;
    STEPS;
    const REAL momentum = (REAL)rule->momentum;
    for (ptrdiff_t i = 0; i < n; i++) {
        state[i] = momentum * state[i] + STEP(i); /* mutant: forget the momentum */
        w[i] += state[i];
    }
}

/* The same, looking ahead (Nesterov 1983): w + momentum * v + step. */
UPDATE(nesterov) {
    UNUSED;
    STEPS;
    const REAL momentum = (REAL)rule->momentum;
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL step = STEP(i);
        state[i] = momentum * state[i] + step;
        w[i] += momentum * state[i] + step;
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
MLP_INLINE void MLP_NAME(moments)(const mlp_rule *rule, double l2, double l1, double weight_decay,
                                  const int lasso, REAL *restrict w, const REAL *restrict g,
                                  REAL *restrict m, REAL *restrict v, ptrdiff_t n) {
    const REAL scale = (REAL)rule->scale, decay = (REAL)(rule->scale * l2);
    const REAL shrink = (REAL)(rule->scale * l1);
    const REAL beta_1 = (REAL)rule->beta_1, beta_2 = (REAL)rule->beta_2;
    const REAL rest_1 = (REAL)(1 - rule->beta_1), rest_2 = (REAL)(1 - rule->beta_2);
    const REAL rate = (REAL)rule->corrected_rate, epsilon = (REAL)rule->epsilon;
    const REAL shrinkage = (REAL)(rule->learning_rate * weight_decay);
    for (ptrdiff_t i = 0; i < n; i++) {
        const REAL gradient =
            MLP_NAME(add_l1)(lasso, scale * g[i] + decay * w[i], shrink, w[i]);
        m[i] = beta_1 * m[i] + rest_1 * gradient;
        v[i] = beta_2 * v[i] + rest_2 * (gradient * gradient);
        w[i] -= rate * m[i] / (MLP_NAME(root)(v[i]) + epsilon) + shrinkage * w[i];
    }
}
UPDATE(adam) {
    (void)weight_decay;
    MLP_NAME(moments)(rule, l2, l1, 0, lasso, w, g, state, state + stride, n);
}

/* With a decay of the weights that does not go through the moments: Loshchilov & Hutter, "Decoupled
 * weight decay regularization", ICLR 2019, with the learning rate for its schedule. */
UPDATE(adamw) {
    MLP_NAME(moments)(rule, l2, l1, weight_decay, lasso, w, g, state, state + stride, n);
}

#define BOTH(name, ...)                                                                        \
    MLP_KERNEL void MLP_NAME(name##_plain)(const mlp_rule *rule, double l2, double l1,         \
                                           double weight_decay, REAL *w, const REAL *g,        \
                                           REAL *state, ptrdiff_t stride, ptrdiff_t n) {       \
        MLP_NAME(name##_update)(rule, l2, l1, weight_decay, 0, w, g, state, stride, n);        \
    }                                                                                          \
    MLP_KERNEL void MLP_NAME(name##_lasso)(const mlp_rule *rule, double l2, double l1,         \
                                           double weight_decay, REAL *w, const REAL *g,        \
                                           REAL *state, ptrdiff_t stride, ptrdiff_t n) {       \
        MLP_NAME(name##_update)(rule, l2, l1, weight_decay, 1, w, g, state, stride, n);        \
    }
OPTIMIZERS(BOTH)

/* weights: false for biases, which have neither penalty nor decay. */
MLP_KERNEL void MLP_NAME(update)(int kind, const mlp_rule *rule, int weights, REAL *w,
                                 const REAL *g, REAL *state, ptrdiff_t stride, ptrdiff_t n) {
    static void (*const table[][2])(const mlp_rule *, double, double, double, REAL *,
                                    const REAL *, REAL *, ptrdiff_t, ptrdiff_t) = {
#define ENTRY(name, ...) {MLP_NAME(name##_plain), MLP_NAME(name##_lasso)},
        OPTIMIZERS(ENTRY)
#undef ENTRY
    };
    const double l2 = weights ? rule->l2 : 0, l1 = weights ? rule->l1 : 0;
    table[kind][l1 != 0](rule, l2, l1, weights ? rule->weight_decay : 0, w, g, state, stride, n);
}

#undef UPDATE
#undef STEP
#undef STEPS
#undef UNUSED
#undef BOTH
#endif

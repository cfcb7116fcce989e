/* The losses, each with the output units that belong to it. To add one: a line in LOSSES, its two
 * functions, the same name in ../losses.pyx, and a case in tests/test_losses.py. */
#ifndef MLP_TYPE

/* Same order as ../losses.pyx. */
#define LOSSES(X) X(binary_cross_entropy)

#define MLP_BODY "losses.h"
#include "each.h"
#undef MLP_BODY

#else
#include "exponential.h"

/* A row has n outputs in a buffer of `width` (whole lines); z are net inputs, t targets.
 *
 * NAME_output: z becomes the output. Then output - target is the error of the net input, whatever
 * the loss: each loss here comes with its canonical output units.
 * NAME_value: the loss of a row, from its net inputs, so that it is finite wherever they are. */
#define OUTPUT(name) MLP_KERNEL void MLP_NAME(name##_output)(REAL *z, int n, int width)
#define VALUE(name) MLP_KERNEL double MLP_NAME(name##_value)(const REAL *z, const REAL *t, int n)

/* Logistic units, the loss summed over them: log(1 + e^z) - t z, without overflow. */
OUTPUT(binary_cross_entropy) {
    (void)n;
    for (int j = 0; j < width; j++) z[j] = MLP_NAME(sigmoid)(z[j]);
}
VALUE(binary_cross_entropy) {
    double sum = 0;
    for (int from = 0; from < n; from += LANES) {
        /* A whole vector at a time, of which what lies beyond the outputs is neither read nor used. */
        REAL part[LANES];
        for (int j = 0; j < LANES; j++) {
            const int there = from + j < n;
            REAL x = there ? z[from + j] : 0, target = there ? t[from + j] : 0;
            REAL size = x < 0 ? -x : x;
            part[j] = MLP_NAME(log_one_plus)(MLP_NAME(exponential)(-size)) + (x < 0 ? 0 : x)
                      - target * x;
        }
        for (int j = 0; j < LANES && from + j < n; j++) sum += part[j];
    }
    return sum;
}

MLP_KERNEL void MLP_NAME(output)(int kind, REAL *z, int n, int width) {
    static void (*const table[])(REAL *, int, int) = {
#define ENTRY(name) MLP_NAME(name##_output),
        LOSSES(ENTRY)
#undef ENTRY
    };
    table[kind](z, n, width);
}

MLP_KERNEL double MLP_NAME(loss)(int kind, const REAL *z, const REAL *t, int n) {
    static double (*const table[])(const REAL *, const REAL *, int) = {
#define ENTRY(name) MLP_NAME(name##_value),
        LOSSES(ENTRY)
#undef ENTRY
    };
    return table[kind](z, t, n);
}

#undef OUTPUT
#undef VALUE
#endif

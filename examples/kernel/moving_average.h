/* An exponential moving average of parameters: an example of a kernel, made to be copied.
 *
 * This file is included seven times. The first time, MLP_TYPE is not defined, and each.h includes the
 * part below #else once for each instruction set (v4, v3, base) and each of float and double. There,
 * REAL is the type, V a vector of LANES reals, and MLP_NAME(f) the function's name for this pass, such
 * as f_v3_f32. */
#ifndef MLP_TYPE

#define MLP_BODY "moving_average.h"
#include "simd/each.h"
#undef MLP_BODY

#else

/* Vectors that are added up in REAL before the sum goes on in double. */
#define RUN 8

/* average += rate * (w - average), for n numbers. Returns the sum of the squared changes.
 *
 * Both arrays start on a cache line, and n is a number of whole lines, so that there is no remainder
 * loop. Numbers in the padding are zero in both arrays and stay zero. The order of the sum depends on n
 * and LANES only. */
MLP_KERNEL double MLP_NAME(moving_average)(REAL *restrict average, const REAL *restrict w, double rate,
                                           ptrdiff_t n) {
    const REAL step = (REAL)rate;
    double total = 0;
    for (ptrdiff_t from = 0; from < n; from += RUN * LANES) {
        const ptrdiff_t to = n - from < RUN * LANES ? n : from + RUN * LANES;
        V sum = (V){0};
        for (ptrdiff_t i = from; i < to; i += LANES) {
            V *const place = (V *)(average + i);
            const V change = step * (*(const V *)(w + i) - *place);
            *place += change;
            sum += change * change;
        }
        for (int j = 0; j < LANES; j++) total += sum[j];
    }
    return total;
}

#undef RUN
#endif

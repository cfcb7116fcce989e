/* Dropout, with random bits that are a function of unit, row, epoch, layer and seed alone: the
 * counter of philox.h is (unit / 4, row, epoch, layer), and word unit % 4 of the four is taken. */
#ifndef MLP_TYPE

#include "packed.h"
#include "philox.h"

/* first_row: the number of the first row, where there are only some of the rows. */
typedef struct {
    uint64_t seed;
    uint32_t epoch;
    int64_t first_row;
} mlp_dropout;

#define MLP_BODY "dropout.h"
#include "each.h"
#undef MLP_BODY

#else

#define LEAST(rate) ((uint32_t)((rate) * 4294967296.0))

/* n units of one row: a fraction `rate` of the activations a and of their derivatives (NULL for
 * none) becomes zero, and the others are multiplied by 1 / (1 - rate). */
MLP_KERNEL void MLP_NAME(drop_units)(const mlp_dropout *dropout, int64_t row, int layer,
                                     double rate, REAL *a, REAL *derivative, ptrdiff_t n) {
    enum { BLOCKS = 16 };
    const uint32_t least = LEAST(rate);
    const REAL scale = (REAL)(1 / (1 - rate));
    row += dropout->first_row;
    for (ptrdiff_t from = 0; from < n; from += 4 * BLOCKS) {
        uint32_t word[4 * BLOCKS];
        REAL factor[4 * BLOCKS];
        for (int j = 0; j < BLOCKS; j++)
            MLP_NAME(philox)((uint32_t)(from / 4 + j), (uint32_t)row, dropout->epoch,
                             MLP_LAYER(layer, row), dropout->seed, word + j, BLOCKS);
        for (int j = 0; j < BLOCKS; j++)
            for (int w = 0; w < 4; w++)
                factor[4 * j + w] = word[w * BLOCKS + j] >= least ? scale : 0;
        const ptrdiff_t left = n - from < 4 * BLOCKS ? n - from : 4 * BLOCKS;
        for (ptrdiff_t j = 0; j < left; j++) a[from + j] *= factor[j];
        if (derivative)
            for (ptrdiff_t j = 0; j < left; j++) derivative[from + j] *= factor[j];
    }
}

/* The same for the nonzeros of one packed row of inputs: the results go to `value`, at the same
 * indices. */
MLP_KERNEL void MLP_NAME(drop_nonzeros)(const mlp_dropout *dropout, int64_t row, double rate,
                                        const mlp_packed *s, REAL *value) {
    const uint32_t least = LEAST(rate);
    const REAL scale = (REAL)(1 / (1 - rate));
    const int64_t number = row + dropout->first_row;
    uint32_t word[4], block = UINT32_MAX;
    for (int64_t p = s->start[row], end = s->start[row + 1]; p < end; p++) {
        const uint32_t unit = s->wide_index ? (uint32_t)((const int32_t *)s->index)[p]
                                            : ((const uint16_t *)s->index)[p];
        if (unit / 4 != block) {
            block = unit / 4;
            MLP_NAME(philox)(block, (uint32_t)number, dropout->epoch, MLP_LAYER(0, number),
                             dropout->seed, word, 1);
        }
        const REAL x = s->encoded ? ((const REAL *)s->table)[((const uint8_t *)s->value)[p]]
                                : ((const REAL *)s->value)[p];
        value[p] = word[unit % 4] >= least ? x * scale : 0;
    }
}

#undef LEAST
#endif

/* Dropout, with random bits that are a function of unit, row, epoch, layer and seed alone:
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). The
 * counter is (unit / 4, row, epoch, layer), the key is the seed, and word unit % 4 of the four
 * is taken. */
#ifndef MLP_TYPE

#include "packed.h"

typedef struct {
    uint64_t seed;
    uint32_t epoch;
} mlp_dropout;

#define MLP_BODY "dropout.h"
#include "each.h"
#undef MLP_BODY

#else

/* Four words for one counter. Ten rounds, each of two products of 32 bits to 64. */
MLP_INLINE void MLP_NAME(philox)(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint64_t seed,
                                 uint32_t *word, ptrdiff_t stride) {
    uint32_t key_0 = (uint32_t)seed, key_1 = (uint32_t)(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)c0 * 0xD2511F53u, b = (uint64_t)c2 * 0xCD9E8D57u;
        c0 = (uint32_t)(b >> 32) ^ c1 ^ key_0;
        c2 = (uint32_t)(a >> 32) ^ c3 ^ key_1;
        c1 = (uint32_t)b;
        c3 = (uint32_t)a;
        key_0 += 0x9E3779B9u;
        key_1 += 0xBB67AE85u;
    }
    word[0] = c0, word[stride] = c1, word[2 * stride] = c2, word[3 * stride] = c3;
}

/* The upper half of a row's number, if it is not 0, is combined with the layer's number. */
#define LAYER(layer, row) ((uint32_t)(layer) ^ (uint32_t)((uint64_t)(row) >> 32 << 16))
#define LEAST(rate) ((uint32_t)((rate) * 4294967296.0))

/* n units of one row: a fraction `rate` of the activations a and of their derivatives (NULL for
 * none) becomes zero, and the others are multiplied by 1 / (1 - rate). */
MLP_KERNEL void MLP_NAME(drop_units)(const mlp_dropout *dropout, int64_t row, int layer,
                                     double rate, REAL *a, REAL *derivative, ptrdiff_t n) {
    enum { BLOCKS = 16 };
    const uint32_t least = LEAST(rate);
    const REAL scale = (REAL)(1 / (1 - rate));
    for (ptrdiff_t from = 0; from < n; from += 4 * BLOCKS) {
        uint32_t word[4 * BLOCKS];
        REAL factor[4 * BLOCKS];
        for (int j = 0; j < BLOCKS; j++)
            MLP_NAME(philox)((uint32_t)(from / 4 + j), (uint32_t)row, dropout->epoch,
                             LAYER(layer, row), dropout->seed, word + j, BLOCKS);
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
    uint32_t word[4], block = UINT32_MAX;
    for (int64_t p = s->start[row], end = s->start[row + 1]; p < end; p++) {
        const uint32_t unit = s->wide_index ? (uint32_t)((const int32_t *)s->index)[p]
                                            : ((const uint16_t *)s->index)[p];
        if (unit / 4 != block) {
            block = unit / 4;
            MLP_NAME(philox)(block, (uint32_t)row, dropout->epoch, LAYER(0, row), dropout->seed,
                             word, 1);
        }
        const REAL x = s->encoded ? ((const REAL *)s->table)[((const uint8_t *)s->value)[p]]
                                : ((const REAL *)s->value)[p];
        value[p] = word[unit % 4] >= least ? x * scale : 0;
    }
}

#undef LAYER
#undef LEAST
#endif

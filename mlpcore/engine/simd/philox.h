/* Random bits that are a function of what they are for: Philox4x32-10 (Salmon et al., "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011). The key is the seed; the counter is a number, a row,
 * an epoch, and a layer. */
#ifndef MLP_TYPE
#ifndef MLP_PHILOX_H
#define MLP_PHILOX_H

#define MLP_BODY "philox.h"
#include "each.h"
#undef MLP_BODY

/* The upper half of a row's number, if it is not 0, is combined with the layer's number. */
#define MLP_LAYER(layer, row) \
    ((uint32_t)(layer) ^ (uint32_t)((uint64_t)(row) >> 32 << 16))
/* In place of a layer, for the distortion of a row's image; no network has so many layers. */
#define MLP_DISTORTION_LAYER 0x8000

#endif
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

#endif

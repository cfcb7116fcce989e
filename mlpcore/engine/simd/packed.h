/* Packed sparse rows: what differs from a background value, row by row (CSR). */
#ifndef MLP_PACKED_H
#define MLP_PACKED_H

#include <stdint.h>

/* Nonzeros start[i] to start[i + 1] of `index` (ascending features) and of `value` belong to row
 * i. */
typedef struct {
    const int64_t *start;
    const void *index; /* uint16_t, or int32_t where there are too many features */
    const void *value; /* X - background: real numbers, or bytes that stand for table[byte] */
    const void *table; /* lookup table of dictionary-encoded values */
    int wide_index;
    int encoded;
} mlp_packed;

#endif

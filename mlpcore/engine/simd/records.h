#ifndef MLP_RECORDS_H
#define MLP_RECORDS_H

#include <stdint.h>

/* Compressed rows: entries start[i] to start[i + 1] of index (ascending) and value belong to row i. */
typedef struct {
    const int64_t *start;
    const void *index; /* uint16_t, or int32_t where there are too many features */
    const void *value; /* real numbers, or bytes that stand for table[byte] */
    const void *table;
    int wide_index;
    int coded;
} mlp_records;

#endif

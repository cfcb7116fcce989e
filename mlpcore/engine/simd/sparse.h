/* The background-skipping first layer: rows kept as the entries that differ from a background.
 *
 * X = background + S with S mostly zero, so X @ W = S @ W + background * (column sums of W), and the
 * gradient likewise. Only S is touched here; the caller adds the background term as the value
 * that the sums start from. An element's sum runs over the entries in one order whatever tile,
 * panel or group they fall into, so the result has the same bits however the work is partitioned. */
#ifndef MLP_TYPE

#include "records.h"

#define MLP_BODY "sparse.h"
#include "each.h"
#undef MLP_BODY

#else

/* Vectors of hidden units that stay in registers, and bytes of W that a tile of features may have:
 * small enough for the nearer half of the cache, large enough to keep visits to a row few. */
#define PANEL 8
#define TILE_BYTES (64 * 1024)

typedef struct {
    REAL x;
    int32_t at; /* offset of the row's errors */
} MLP_NAME(entry);

MLP_INLINE ptrdiff_t MLP_NAME(feature)(const mlp_records *s, const int wide, int64_t p) {
    return wide ? ((const int32_t *)s->index)[p] : ((const uint16_t *)s->index)[p];
}

MLP_INLINE REAL MLP_NAME(value)(const mlp_records *s, const int coded, int64_t p) {
    return coded ? ((const REAL *)s->table)[((const uint8_t *)s->value)[p]]
                 : ((const REAL *)s->value)[p];
}

/* Rows arrive in random order, so the processor can't guess what comes next; we can tell it. Of the
 * row, sixteenths [from, to). */
MLP_INLINE void MLP_NAME(prefetch_row)(const mlp_records *s, ptrdiff_t row, int from, int to) {
    int64_t entries = s->start[row + 1] - s->start[row];
    int64_t start = s->start[row] + entries * from / 16, stop = s->start[row] + entries * to / 16;
    int64_t index_size = s->wide_index ? 4 : 2, value_size = s->coded ? 1 : (int64_t)sizeof(REAL);
    for (int64_t at = start * index_size; at < stop * index_size; at += MLP_LINE)
        __builtin_prefetch((const char *)s->index + at, 0, 2);
    for (int64_t at = start * value_size; at < stop * value_size; at += MLP_LINE)
        __builtin_prefetch((const char *)s->value + at, 0, 2);
}

/* Features below `stop` of some rows: z += S @ W for one panel of hidden units. */
MLP_INLINE void MLP_NAME(forward_tile)(const int vectors, const int wide, const int coded,
                                       const mlp_records *s, const ptrdiff_t *order,
                                       ptrdiff_t first, ptrdiff_t rows, ptrdiff_t stop,
                                       const REAL *w, ptrdiff_t ld, REAL *z, int64_t *cursor) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        int64_t p = cursor[i], end = s->start[(order ? order[first + i] : first + i) + 1];
        if (p == end || MLP_NAME(feature)(s, wide, p) >= stop) continue;
        V sum[PANEL];
        REAL *out = z + i * ld;
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) sum[j] = *(V *)(out + j * LANES);
        do {
            const REAL *line = w + MLP_NAME(feature)(s, wide, p) * ld;
            REAL x = MLP_NAME(value)(s, coded, p);
            p++;
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++) sum[j] += x * *(const V *)(line + j * LANES);
        } while (p < end && MLP_NAME(feature)(s, wide, p) < stop);
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) *(V *)(out + j * LANES) = sum[j];
        cursor[i] = p;
    }
}

/* Entries of features [from, stop) of some rows, listed by feature: `slots` places for each. */
MLP_INLINE void MLP_NAME(turn)(const int wide, const int coded, const mlp_records *s,
                               const ptrdiff_t *order, ptrdiff_t rows, ptrdiff_t from,
                               ptrdiff_t stop, ptrdiff_t slots, ptrdiff_t ld, int64_t *cursor,
                               MLP_NAME(entry) *list, int *count) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        int64_t p = cursor[i], end = s->start[order[i] + 1];
        for (; p < end; p++) {
            ptrdiff_t f = MLP_NAME(feature)(s, wide, p);
            if (f >= stop) break;
            MLP_NAME(entry) *entry = list + (f - from) * slots + count[f - from]++;
            entry->at = (int32_t)(i * ld);
            entry->x = MLP_NAME(value)(s, coded, p);
        }
        cursor[i] = p;
    }
}

/* gradient = start + (listed entries).T @ delta for one panel of hidden units. */
MLP_INLINE void MLP_NAME(gradient_panel)(const int vectors, ptrdiff_t features,
                                         const MLP_NAME(entry) *list, const int *count,
                                         ptrdiff_t slots, const REAL *delta, ptrdiff_t ld,
                                         const REAL *start, ptrdiff_t start_row, REAL *gradient) {
    for (ptrdiff_t f = 0; f < features; f++) {
        V sum[PANEL];
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++)
            sum[j] = *(const V *)(start + f * start_row + j * LANES);
        const MLP_NAME(entry) *entry = list + f * slots, *end = entry + count[f];
        for (; entry < end; entry++) {
            const REAL *line = delta + entry->at;
            REAL x = entry->x;
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++) sum[j] += x * *(const V *)(line + j * LANES);
        }
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) *(V *)(gradient + f * ld + j * LANES) = sum[j];
    }
}

/* Call `what(vectors, wide, coded)` with constants, so that each case is compiled by itself. */
#define CASES(vectors, what)                         \
    switch (vectors) {                               \
        case 1: what(1); break;                      \
        case 2: what(2); break;                      \
        case 3: what(3); break;                      \
        case 4: what(4); break;                      \
        case 5: what(5); break;                      \
        case 6: what(6); break;                      \
        case 7: what(7); break;                      \
        default: what(8);                            \
    }

/* Where the entries from feature `from` on start, of rows first, first + 1, ... of the order, or of
 * the records where there is none. */
MLP_KERNEL void MLP_NAME(sparse_seek)(const mlp_records *s, const ptrdiff_t *order, ptrdiff_t first,
                                      ptrdiff_t rows, ptrdiff_t from, int64_t *cursor) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        const ptrdiff_t row = order ? order[first + i] : first + i;
        int64_t low = s->start[row], length = s->start[row + 1] - low;
        if (from == 0) length = 0;
        while (length > 0) {
            int64_t half = length / 2;
            int below = MLP_NAME(feature)(s, s->wide_index, low + half) < from;
            low = below ? low + half + 1 : low;
            length = below ? length - half - 1 : half;
        }
        cursor[i] = low;
    }
}

/* z += S @ W over features [from, to) of `features`, for the same rows. n_next more are about to be
 * wanted: those in `next`, or those that follow; of their entries, where only some features are asked
 * for, about half. cursor: room for one number per row. */
MLP_KERNEL void MLP_NAME(sparse_forward)(const mlp_records *s, const ptrdiff_t *order,
                                         ptrdiff_t first, ptrdiff_t rows, const ptrdiff_t *next,
                                         ptrdiff_t n_next, ptrdiff_t from, ptrdiff_t to,
                                         ptrdiff_t features, const REAL *w, ptrdiff_t ld,
                                         ptrdiff_t width, REAL *z, int64_t *cursor) {
    const ptrdiff_t all = width / LANES, panels = (all + PANEL - 1) / PANEL;
    ptrdiff_t asked = 0;
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t at = all * panel / panels, vectors = all * (panel + 1) / panels - at;
        const ptrdiff_t fit = TILE_BYTES / (vectors * BYTES), tiles = (to - from + fit - 1) / fit;
        const REAL *panel_w = w + at * LANES;
        REAL *panel_z = z + at * LANES;
        MLP_NAME(sparse_seek)(s, order, first, rows, from, cursor);
        for (ptrdiff_t tile = 0; tile < tiles; tile++) {
            const ptrdiff_t stop = from + (to - from) * (tile + 1) / tiles;
#define TILE(v)                                                                                 \
    do {                                                                                        \
        if (s->wide_index)                                                                      \
            MLP_NAME(forward_tile)(v, 1, 0, s, order, first, rows, stop, panel_w, ld, panel_z,  \
                                   cursor);                                                     \
        else if (s->coded)                                                                      \
            MLP_NAME(forward_tile)(v, 0, 1, s, order, first, rows, stop, panel_w, ld, panel_z,  \
                                   cursor);                                                     \
        else                                                                                    \
            MLP_NAME(forward_tile)(v, 0, 0, s, order, first, rows, stop, panel_w, ld, panel_z,  \
                                   cursor);                                                     \
    } while (0)
            CASES(vectors, TILE)
#undef TILE
            for (; asked < n_next * (panel * tiles + tile + 1) / (panels * tiles); asked++)
                MLP_NAME(prefetch_row)(s, order ? next[asked] : first + rows + asked,
                                       from > 0 ? 7 : 0, to < features ? 9 : 16);
        }
    }
}

/* Entries of features [from, stop) of the rows of an order, whose cursors stand at feature `from` and
 * move to `stop`, listed by feature. list: (stop - from) * slots entries, a slot for each row; count:
 * how many there are of each feature. */
MLP_KERNEL void MLP_NAME(sparse_turn)(const mlp_records *s, const ptrdiff_t *order, ptrdiff_t rows,
                                      ptrdiff_t from, ptrdiff_t stop, ptrdiff_t slots,
                                      ptrdiff_t ld, int64_t *cursor, void *list, int *count) {
    memset(count, 0, (size_t)(stop - from) * sizeof *count);
    if (s->wide_index)
        MLP_NAME(turn)(1, 0, s, order, rows, from, stop, slots, ld, cursor, list, count);
    else if (s->coded)
        MLP_NAME(turn)(0, 1, s, order, rows, from, stop, slots, ld, cursor, list, count);
    else
        MLP_NAME(turn)(0, 0, s, order, rows, from, stop, slots, ld, cursor, list, count);
}

/* gradient (features, ld) = start + S[:, some features].T @ delta, from the lists of those features,
 * the first of which is number `place` of what was transposed. */
MLP_KERNEL void MLP_NAME(sparse_gradient)(const void *list, const int *count, ptrdiff_t place,
                                          ptrdiff_t features, ptrdiff_t slots, const REAL *delta,
                                          ptrdiff_t ld, ptrdiff_t width, const REAL *start,
                                          ptrdiff_t start_row, REAL *gradient) {
    const ptrdiff_t all = width / LANES, panels = (all + PANEL - 1) / PANEL;
    const MLP_NAME(entry) *entries = (const MLP_NAME(entry) *)list + place * slots;
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t at = all * panel / panels, vectors = all * (panel + 1) / panels - at;
#define GRADIENT(v)                                                                             \
    MLP_NAME(gradient_panel)(v, features, entries, count + place, slots, delta + at * LANES,    \
                             ld, start + at * LANES, start_row, gradient + at * LANES)
        CASES(vectors, GRADIENT)
#undef GRADIENT
    }
}

/* W[f] += x * delta for the entries (f, x) of one row. */
MLP_INLINE void MLP_NAME(spread_panel)(const int vectors, const int wide, const int coded,
                                       const mlp_records *s, ptrdiff_t row, const REAL *delta,
                                       REAL *w, ptrdiff_t ld) {
    V error[PANEL];
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) error[j] = *(const V *)(delta + j * LANES);
    for (int64_t p = s->start[row], end = s->start[row + 1]; p < end; p++) {
        REAL *line = w + MLP_NAME(feature)(s, wide, p) * ld;
        REAL x = MLP_NAME(value)(s, coded, p);
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) *(V *)(line + j * LANES) += x * error[j];
    }
}
MLP_KERNEL void MLP_NAME(sparse_spread)(const mlp_records *s, ptrdiff_t row, const REAL *delta,
                                        ptrdiff_t width, REAL *w, ptrdiff_t ld) {
    const ptrdiff_t all = width / LANES, panels = (all + PANEL - 1) / PANEL;
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t at = all * panel / panels * LANES;
        const ptrdiff_t vectors = all * (panel + 1) / panels - at / LANES;
#define SPREAD(v)                                                                              \
    do {                                                                                       \
        if (s->wide_index)                                                                     \
            MLP_NAME(spread_panel)(v, 1, 0, s, row, delta + at, w + at, ld);                   \
        else if (s->coded)                                                                     \
            MLP_NAME(spread_panel)(v, 0, 1, s, row, delta + at, w + at, ld);                   \
        else                                                                                   \
            MLP_NAME(spread_panel)(v, 0, 0, s, row, delta + at, w + at, ld);                   \
    } while (0)
        CASES(vectors, SPREAD)
#undef SPREAD
    }
}

/* The sum of one row's entries. */
MLP_KERNEL double MLP_NAME(sparse_sum)(const mlp_records *s, ptrdiff_t row) {
    double sum = 0;
    for (int64_t p = s->start[row], end = s->start[row + 1]; p < end; p++)
        sum += s->coded ? MLP_NAME(value)(s, 1, p) : MLP_NAME(value)(s, 0, p);
    return sum;
}

#if !IS_F32
/* Codes of n numbers, their places in a table of 256; false if one is not in it. A number's code is in
 * the slot that its bits, times a factor, lead to. */
MLP_KERNEL int MLP_NAME(encode)(const double *value, int64_t n, const double *table,
                                const uint8_t *slots, uint64_t factor, uint8_t *code) {
    int missing = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, value + i, sizeof bits);
        code[i] = slots[bits * factor >> 48];
        missing |= value[i] != table[code[i]];
    }
    return !missing;
}
#endif

#undef CASES
#undef PANEL
#undef TILE_BYTES
#endif

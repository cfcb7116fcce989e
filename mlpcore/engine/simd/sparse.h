/* Products with packed sparse rows, for the first layer.
 *
 * X = background + S with S mostly zero, so X @ W = S @ W + background * (column sums of W), and
 * the gradient likewise. These loops go through the nonzeros of S only; the caller adds the
 * background term, in the initial accumulator. An element's sum runs over the nonzeros in one
 * order whatever tile, panel or block they fall into, so the result has the same bits however
 * the work is partitioned. */
#ifndef MLP_TYPE

#include "packed.h"

#define MLP_BODY "sparse.h"
#include "each.h"
#undef MLP_BODY

#else

/* PANEL_VECTORS: vectors of hidden units whose sums stay in registers. TILE_BYTES: bytes of W in
 * a tile of features, small enough for the nearer half of the cache, large enough for few visits
 * to a row. */
#define PANEL_VECTORS 8
#define TILE_BYTES (64 * 1024)

/* A nonzero in the bucket of its feature. */
typedef struct {
    REAL x;
    int32_t row_offset; /* of the row's errors, from the first row's */
} MLP_NAME(bucket_item);

MLP_INLINE ptrdiff_t MLP_NAME(feature)(const mlp_packed *s, const int wide, int64_t p) {
    return wide ? ((const int32_t *)s->index)[p] : ((const uint16_t *)s->index)[p];
}

MLP_INLINE REAL MLP_NAME(value)(const mlp_packed *s, const int encoded, int64_t p) {
    return encoded ? ((const REAL *)s->table)[((const uint8_t *)s->value)[p]]
                 : ((const REAL *)s->value)[p];
}

/* Prefetch sixteenths [from, to) of a row's nonzeros. Rows are visited in random order, so that the
 * processor cannot predict the next one. */
MLP_INLINE void MLP_NAME(prefetch_row)(const mlp_packed *s, ptrdiff_t row, int from, int to) {
    int64_t nonzeros = s->start[row + 1] - s->start[row];
    int64_t start = s->start[row] + nonzeros * from / 16, stop = s->start[row] + nonzeros * to / 16;
    int64_t index_size = s->wide_index ? 4 : 2, value_size = s->encoded ? 1 : (int64_t)sizeof(REAL);
    for (int64_t i = start * index_size; i < stop * index_size; i += MLP_CACHE_LINE)
        __builtin_prefetch((const char *)s->index + i, 0, 2);
    for (int64_t i = start * value_size; i < stop * value_size; i += MLP_CACHE_LINE)
        __builtin_prefetch((const char *)s->value + i, 0, 2);
}

/* z += S @ W for one panel of hidden units, over some rows' features from their cursors to
 * `stop`. */
MLP_INLINE void MLP_NAME(forward_tile)(const int vectors, const int wide, const int encoded,
                                       const mlp_packed *s, const ptrdiff_t *order,
                                       ptrdiff_t first, ptrdiff_t rows, ptrdiff_t stop,
                                       const REAL *w, ptrdiff_t ld, REAL *z, int64_t *cursor) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        int64_t p = cursor[i], end = s->start[(order ? order[first + i] : first + i) + 1];
        if (p == end || MLP_NAME(feature)(s, wide, p) >= stop) continue;
        V sum[PANEL_VECTORS];
        REAL *out = z + i * ld;
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) sum[j] = *(V *)(out + j * LANES);
        do {
            const REAL *line = w + MLP_NAME(feature)(s, wide, p) * ld;
            REAL x = MLP_NAME(value)(s, encoded, p);
            p++;
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++) sum[j] += x * *(const V *)(line + j * LANES);
        } while (p < end && MLP_NAME(feature)(s, wide, p) < stop);
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) *(V *)(out + j * LANES) = sum[j];
        cursor[i] = p;
    }
}

/* Transpose the nonzeros of features [from, stop) of some rows: one bucket of `capacity` items for
 * each feature. */
MLP_INLINE void MLP_NAME(transpose_to_buckets)(const int wide, const int encoded,
                                               const mlp_packed *s, const ptrdiff_t *order,
                                               ptrdiff_t rows, ptrdiff_t from, ptrdiff_t stop,
                                               ptrdiff_t capacity, ptrdiff_t ld, int64_t *cursor,
                                               MLP_NAME(bucket_item) *items, int *count) {
    for (ptrdiff_t i = 0; i < rows; i++) {
        int64_t p = cursor[i], end = s->start[order[i] + 1];
        for (; p < end; p++) {
            ptrdiff_t f = MLP_NAME(feature)(s, wide, p);
            if (f >= stop) break;
            MLP_NAME(bucket_item) *item = items + (f - from) * capacity + count[f - from]++;
            item->row_offset = (int32_t)(i * ld);
            item->x = MLP_NAME(value)(s, encoded, p);
        }
        cursor[i] = p;
    }
}

/* gradient = initial + S.T @ delta for one panel of hidden units, from the buckets of S. */
MLP_INLINE void MLP_NAME(gradient_panel)(const int vectors, ptrdiff_t features,
                                         const MLP_NAME(bucket_item) *items, const int *count,
                                         ptrdiff_t capacity, const REAL *delta, ptrdiff_t ld,
                                         const REAL *initial, ptrdiff_t initial_ld,
                                         REAL *gradient) {
    for (ptrdiff_t f = 0; f < features; f++) {
        V sum[PANEL_VECTORS];
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++)
            sum[j] = *(const V *)(initial + f * initial_ld + j * LANES);
        const MLP_NAME(bucket_item) *item = items + f * capacity, *end = item + count[f];
        for (; item < end; item++) {
            const REAL *line = delta + item->row_offset;
            REAL x = item->x;
#pragma GCC unroll 8
            for (int j = 0; j < vectors; j++) sum[j] += x * *(const V *)(line + j * LANES);
        }
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) *(V *)(gradient + f * ld + j * LANES) = sum[j];
    }
}

/* Call `kernel(vectors)` with a constant, so that each case is compiled by itself. */
#define CASES(vectors, kernel)                         \
    switch (vectors) {                                 \
        case 1: kernel(1); break;                      \
        case 2: kernel(2); break;                      \
        case 3: kernel(3); break;                      \
        case 4: kernel(4); break;                      \
        case 5: kernel(5); break;                      \
        case 6: kernel(6); break;                      \
        case 7: kernel(7); break;                      \
        default: kernel(8);                            \
    }

/* Set the cursors of rows first, first + 1, ... of the order, or of the packed rows where there
 * is no order, to their first nonzeros from feature `from` on. */
MLP_KERNEL void MLP_NAME(sparse_seek)(const mlp_packed *s, const ptrdiff_t *order, ptrdiff_t first,
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

/* z += S @ W over features [from, to) of `features`, for the same rows. n_next rows are
 * prefetched: those in `next`, or those that follow; about half of their nonzeros, where the
 * features are only some of all. cursor: scratch, one number for each row. */
MLP_KERNEL void MLP_NAME(sparse_forward)(const mlp_packed *s, const ptrdiff_t *order,
                                         ptrdiff_t first, ptrdiff_t rows, const ptrdiff_t *next,
                                         ptrdiff_t n_next, ptrdiff_t from, ptrdiff_t to,
                                         ptrdiff_t features, const REAL *w, ptrdiff_t ld,
                                         ptrdiff_t width, REAL *z, int64_t *cursor) {
    const ptrdiff_t all = width / LANES, panels = (all + PANEL_VECTORS - 1) / PANEL_VECTORS;
    ptrdiff_t prefetched = 0;
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t first_vector = all * panel / panels;
        const ptrdiff_t vectors = all * (panel + 1) / panels - first_vector;
        const ptrdiff_t fit = TILE_BYTES / (vectors * BYTES), tiles = (to - from + fit - 1) / fit;
        const REAL *panel_w = w + first_vector * LANES;
        REAL *panel_z = z + first_vector * LANES;
        MLP_NAME(sparse_seek)(s, order, first, rows, from, cursor);
        for (ptrdiff_t tile = 0; tile < tiles; tile++) {
            const ptrdiff_t stop = from + (to - from) * (tile + 1) / tiles;
#define TILE(v)                                                                                 \
    do {                                                                                        \
        if (s->wide_index)                                                                      \
            MLP_NAME(forward_tile)(v, 1, 0, s, order, first, rows, stop, panel_w, ld, panel_z,  \
                                   cursor);                                                     \
        else if (s->encoded)                                                                    \
            MLP_NAME(forward_tile)(v, 0, 1, s, order, first, rows, stop, panel_w, ld, panel_z,  \
                                   cursor);                                                     \
        else                                                                                    \
            MLP_NAME(forward_tile)(v, 0, 0, s, order, first, rows, stop, panel_w, ld, panel_z,  \
                                   cursor);                                                     \
    } while (0)
            CASES(vectors, TILE)
#undef TILE
            const ptrdiff_t due = n_next * (panel * tiles + tile + 1) / (panels * tiles);
            for (; prefetched < due; prefetched++)
                MLP_NAME(prefetch_row)(s, order ? next[prefetched] : first + rows + prefetched,
                                       from > 0 ? 7 : 0, to < features ? 9 : 16);
        }
    }
}

/* Transpose features [from, stop) of the rows of an order to buckets (CSC with a fixed
 * capacity). The rows' cursors stand at feature `from` and move to `stop`. items: (stop - from)
 * * capacity, with a capacity of `rows` or more; count: items in each bucket. */
MLP_KERNEL void MLP_NAME(sparse_to_buckets)(const mlp_packed *s, const ptrdiff_t *order,
                                            ptrdiff_t rows, ptrdiff_t from, ptrdiff_t stop,
                                            ptrdiff_t capacity, ptrdiff_t ld, int64_t *cursor,
                                            void *items, int *count) {
    memset(count, 0, (size_t)(stop - from) * sizeof *count);
    if (s->wide_index)
        MLP_NAME(transpose_to_buckets)(1, 0, s, order, rows, from, stop, capacity, ld, cursor,
                                       items, count);
    else if (s->encoded)
        MLP_NAME(transpose_to_buckets)(0, 1, s, order, rows, from, stop, capacity, ld, cursor,
                                       items, count);
    else
        MLP_NAME(transpose_to_buckets)(0, 0, s, order, rows, from, stop, capacity, ld, cursor,
                                       items, count);
}

/* gradient (features, ld) = initial + S[:, some features].T @ delta, from the buckets of those
 * features, which are number `first` and on. */
MLP_KERNEL void MLP_NAME(bucket_gradient)(const void *buckets, const int *count, ptrdiff_t first,
                                          ptrdiff_t features, ptrdiff_t capacity,
                                          const REAL *delta, ptrdiff_t ld, ptrdiff_t width,
                                          const REAL *initial, ptrdiff_t initial_ld,
                                          REAL *gradient) {
    const ptrdiff_t all = width / LANES, panels = (all + PANEL_VECTORS - 1) / PANEL_VECTORS;
    const MLP_NAME(bucket_item) *items =
        (const MLP_NAME(bucket_item) *)buckets + first * capacity;
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t first_vector = all * panel / panels;
        const ptrdiff_t vectors = all * (panel + 1) / panels - first_vector;
/* With a variable for first_vector * LANES, GCC 12 needs 2.6 % more instructions in an epoch. */
#define GRADIENT(v)                                                                             \
    MLP_NAME(gradient_panel)(v, features, items, count + first, capacity,                       \
                             delta + first_vector * LANES, ld, initial + first_vector * LANES,  \
                             initial_ld, gradient + first_vector * LANES)
        CASES(vectors, GRADIENT)
#undef GRADIENT
    }
}

/* Scatter-add: W[f] += x * delta for the nonzeros (f, x) of one row. */
MLP_INLINE void MLP_NAME(scatter_add_panel)(const int vectors, const int wide, const int encoded,
                                            const mlp_packed *s, ptrdiff_t row,
                                            const REAL *delta, REAL *w, ptrdiff_t ld) {
    V error[PANEL_VECTORS];
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) error[j] = *(const V *)(delta + j * LANES);
    for (int64_t p = s->start[row], end = s->start[row + 1]; p < end; p++) {
        REAL *line = w + MLP_NAME(feature)(s, wide, p) * ld;
        REAL x = MLP_NAME(value)(s, encoded, p);
#pragma GCC unroll 8
        for (int j = 0; j < vectors; j++) *(V *)(line + j * LANES) += x * error[j];
    }
}
MLP_KERNEL void MLP_NAME(sparse_scatter_add)(const mlp_packed *s, ptrdiff_t row,
                                             const REAL *delta, ptrdiff_t width, REAL *w,
                                             ptrdiff_t ld) {
    const ptrdiff_t all = width / LANES, panels = (all + PANEL_VECTORS - 1) / PANEL_VECTORS;
    for (ptrdiff_t panel = 0; panel < panels; panel++) {
        const ptrdiff_t first_vector = all * panel / panels, column = first_vector * LANES;
        const ptrdiff_t vectors = all * (panel + 1) / panels - first_vector;
#define SCATTER_ADD(v)                                                                         \
    do {                                                                                       \
        if (s->wide_index)                                                                     \
            MLP_NAME(scatter_add_panel)(v, 1, 0, s, row, delta + column, w + column, ld);      \
        else if (s->encoded)                                                                   \
            MLP_NAME(scatter_add_panel)(v, 0, 1, s, row, delta + column, w + column, ld);      \
        else                                                                                   \
            MLP_NAME(scatter_add_panel)(v, 0, 0, s, row, delta + column, w + column, ld);      \
    } while (0)
        CASES(vectors, SCATTER_ADD)
#undef SCATTER_ADD
    }
}

/* The sum of one row's nonzeros. */
MLP_KERNEL double MLP_NAME(sparse_sum)(const mlp_packed *s, ptrdiff_t row) {
    double sum = 0;
    for (int64_t p = s->start[row], end = s->start[row + 1]; p < end; p++)
        sum += s->encoded ? MLP_NAME(value)(s, 1, p) : MLP_NAME(value)(s, 0, p);
    return sum;
}

#if !IS_F32
/* Dictionary-encode n numbers: `code` gets their indices in a table of 256. False if one is not
 * in it. The indices are found through a hash table without collisions: a number's slot is its
 * bits times a factor, the upper 16 bits of that. */
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
#undef PANEL_VECTORS
#undef TILE_BYTES
#endif

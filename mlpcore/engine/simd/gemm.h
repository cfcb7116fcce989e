/* Matrix products for matrices that fit in the cache, where the cost of calling BLAS (which copies
 * both into its own layout each time) would rule. Columns are whole lines, so there is no remainder
 * in that direction, and an element's sum runs over k in order whatever block it falls into: the
 * result has the same bits however the rows are partitioned. */
#ifndef MLP_TYPE

#define MLP_BODY "gemm.h"
#include "each.h"
#undef MLP_BODY

#else

/* Rows and vectors of columns held in registers at a time: AVX-512 has 32 of them, others 16. */
#if BYTES == 64
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif
#define TILE_VECTORS 3

MLP_INLINE void MLP_NAME(gemm_tile)(const int rows, const int vectors, ptrdiff_t k,
                                    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_col,
                                    const REAL *b, ptrdiff_t ldb, const REAL *start,
                                    ptrdiff_t start_row, REAL *c, ptrdiff_t ldc) {
    V sum[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            sum[i][j] = start ? *(const V *)(start + i * start_row + j * LANES) : (V){0};
    for (ptrdiff_t p = 0; p < k; p++) {
        V line[TILE_VECTORS];
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) line[j] = *(const V *)(b + p * ldb + j * LANES);
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
            REAL x = a[i * a_row + p * a_col];
#pragma GCC unroll 3
            for (int j = 0; j < vectors; j++) sum[i][j] += x * line[j];
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++) *(V *)(c + i * ldc + j * LANES) = sum[i][j];
}

/* One panel of columns: full tiles of rows, then what is left in halves. */
MLP_INLINE void MLP_NAME(gemm_panel)(const int vectors, ptrdiff_t m, ptrdiff_t k, const REAL *a,
                                     ptrdiff_t a_row, ptrdiff_t a_col, const REAL *b,
                                     ptrdiff_t ldb, const REAL *start, ptrdiff_t start_row,
                                     REAL *c, ptrdiff_t ldc) {
    ptrdiff_t i = 0;
#define TILES(rows)                                                                            \
    for (; i + (rows) <= m; i += (rows))                                                       \
        MLP_NAME(gemm_tile)(rows, vectors, k, a + i * a_row, a_row, a_col, b, ldb,             \
                            start ? start + i * start_row : NULL, start_row, c + i * ldc, ldc)
    TILES(TILE_ROWS);
#if TILE_ROWS > 4
    TILES(4);
#endif
    TILES(2);
    TILES(1);
#undef TILES
}

MLP_INLINE void MLP_NAME(gemm_panels)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const REAL *a,
                               ptrdiff_t a_row, ptrdiff_t a_col, const REAL *b, ptrdiff_t ldb,
                               const REAL *start, ptrdiff_t start_row, REAL *c, ptrdiff_t ldc) {
    ptrdiff_t j = 0;
#define PANELS(vectors)                                                                      \
    for (; j + (vectors)*LANES <= n; j += (vectors)*LANES)                                   \
        MLP_NAME(gemm_panel)(vectors, m, k, a, a_row, a_col, b + j, ldb,                     \
                             start ? start + j : NULL, start_row, c + j, ldc)
    /* Four vectors left are two panels of two, not three and one. */
    while (n - j >= 3 * LANES && n - j != 4 * LANES) {
        MLP_NAME(gemm_panel)(3, m, k, a, a_row, a_col, b + j, ldb, start ? start + j : NULL,
                             start_row, c + j, ldc);
        j += 3 * LANES;
    }
    PANELS(2);
    PANELS(1);
#undef PANELS
}

/* C (m, n) = start + A (m, k) @ B (k, n), n a whole number of vectors.
 *
 * A has any two strides, so that its transpose is the same call; rows of B and C lie ldb and ldc
 * apart; `start` is NULL for zero, or has start_row 0 for a bias. A long k goes in blocks, for which
 * a panel of B stays in the cache; an element's sum is the same. */
MLP_KERNEL void MLP_NAME(gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const REAL *a,
                               ptrdiff_t a_row, ptrdiff_t a_col, const REAL *b, ptrdiff_t ldb,
                               const REAL *start, ptrdiff_t start_row, REAL *c, ptrdiff_t ldc) {
    const ptrdiff_t block = 1024;
    ptrdiff_t p = 0;
    do {
        MLP_NAME(gemm_panels)(m, n, k - p < block ? k - p : block, a + p * a_col, a_row, a_col,
                              b + p * ldb, ldb, start, start_row, c, ldc);
        start = c;
        start_row = ldc;
        p += block;
    } while (p < k);
}

#undef TILE_ROWS
#undef TILE_VECTORS
#endif

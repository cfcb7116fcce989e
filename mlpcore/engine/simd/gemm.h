/* Matrix products for matrices that fit in the cache, where the cost of calling BLAS (which
 * copies both into its own layout each time) would dominate. Columns are whole lines, so there
 * is no remainder in that direction, and an element's sum runs over k in order whatever block it
 * falls into: the result has the same bits however the rows are partitioned. */
#ifndef MLP_TYPE

#define MLP_BODY "gemm.h"
#include "each.h"
#undef MLP_BODY

#else

/* Rows and vectors of columns whose sums stay in registers: AVX-512 has 32 of these, others 16. */
#if BYTES == 64
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif
#define TILE_VECTORS 3

MLP_INLINE void MLP_NAME(gemm_tile)(const int rows, const int vectors, ptrdiff_t k,
                                    const REAL *a, ptrdiff_t a_row, ptrdiff_t a_col,
                                    const REAL *b, ptrdiff_t ldb, const REAL *initial,
                                    ptrdiff_t initial_ld, REAL *c, ptrdiff_t ldc) {
    V sum[TILE_ROWS][TILE_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
        for (int j = 0; j < vectors; j++)
            sum[i][j] = initial ? *(const V *)(initial + i * initial_ld + j * LANES) : (V){0};
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

/* One panel of columns: full tiles of rows, and the remaining rows in tiles of half the size. */
MLP_INLINE void MLP_NAME(gemm_panel)(const int vectors, ptrdiff_t m, ptrdiff_t k, const REAL *a,
                                     ptrdiff_t a_row, ptrdiff_t a_col, const REAL *b,
                                     ptrdiff_t ldb, const REAL *initial, ptrdiff_t initial_ld,
                                     REAL *c, ptrdiff_t ldc) {
    ptrdiff_t i = 0;
#define TILES(rows)                                                                            \
    for (; i + (rows) <= m; i += (rows))                                                       \
        MLP_NAME(gemm_tile)(rows, vectors, k, a + i * a_row, a_row, a_col, b, ldb,             \
                            initial ? initial + i * initial_ld : NULL, initial_ld, c + i * ldc, ldc)
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
                               const REAL *initial, ptrdiff_t initial_ld, REAL *c, ptrdiff_t ldc) {
    ptrdiff_t j = 0;
#define PANELS(vectors)                                                                      \
    for (; j + (vectors)*LANES <= n; j += (vectors)*LANES)                                   \
        MLP_NAME(gemm_panel)(vectors, m, k, a, a_row, a_col, b + j, ldb,                     \
                             initial ? initial + j : NULL, initial_ld, c + j, ldc)
    /* Four vectors left are two panels of two, not three and one. */
    while (n - j >= 3 * LANES && n - j != 4 * LANES) {
        MLP_NAME(gemm_panel)(3, m, k, a, a_row, a_col, b + j, ldb, initial ? initial + j : NULL,
                             initial_ld, c + j, ldc);
        j += 3 * LANES;
    }
    PANELS(2);
    PANELS(1);
#undef PANELS
}

/* C (m, n) = initial + A (m, k) @ B (k, n), n a whole number of vectors.
 *
 * A has any two strides, so that its transpose is the same call; rows of B and C lie ldb and ldc
 * apart; `initial` is NULL for zero, or has initial_ld 0 for a bias. A long k is cut into
 * blocks, for which a panel of B stays in the cache; an element's sum is the same. */
MLP_KERNEL void MLP_NAME(gemm)(ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, const REAL *a,
                               ptrdiff_t a_row, ptrdiff_t a_col, const REAL *b, ptrdiff_t ldb,
                               const REAL *initial, ptrdiff_t initial_ld, REAL *c, ptrdiff_t ldc) {
    const ptrdiff_t block = 1024;
    ptrdiff_t p = 0;
    do {
        MLP_NAME(gemm_panels)(m, n, k - p < block ? k - p : block, a + p * a_col, a_row, a_col,
                              b + p * ldb, ldb, initial, initial_ld, c, ldc);
        initial = c;
        initial_ld = ldc;
        p += block;
    } while (p < k);
}

#undef TILE_ROWS
#undef TILE_VECTORS
#endif

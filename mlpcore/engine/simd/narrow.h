/* Products of a layer with few outputs. Its rows of W fill a vector only in part, so that the products in
 * gemm.h would mostly compute padding: with one output and 100 inputs in float32 they take 7 us for 200
 * rows, and these less than 1. Here vectors run along the inputs, whose padding must be finite. An
 * element's sum does not depend on the other rows, nor on how the inputs are partitioned. */
#ifndef MLP_TYPE

/* Inputs whose weights are copied into columns at a time, and outputs at most. */
enum { MLP_NARROW_INPUTS = 512, MLP_NARROW_OUTPUTS = 4 };

#define MLP_BODY "narrow.h"
#include "each.h"
#undef MLP_BODY

#else

/* The sum of a vector's lanes, in halves. The vectors of half the length stay in registers. */
#define HALVE(bytes, from, to)                                                                    \
    REAL to __attribute__((vector_size(bytes)));                                                  \
    {                                                                                             \
        union {                                                                                   \
            __typeof__(from) all;                                                                 \
            __typeof__(to) half[2];                                                               \
        } both = {from};                                                                          \
        to = both.half[0] + both.half[1];                                                         \
    }
MLP_INLINE REAL MLP_NAME(sum_lanes)(V vector) {
#if BYTES == 64
    HALVE(32, vector, half)
    HALVE(16, half, quarter)
#elif BYTES == 32
    HALVE(16, vector, quarter)
#else
    const V quarter = vector;
#endif
#if IS_F32
    return (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
#else
    return quarter[0] + quarter[1];
#endif
}
#undef HALVE

/* Z (rows, n_out) = b + X (rows, n_in) @ W (n_in, n_out), and 0 in the padding of Z. Rows of X lie ldx
 * apart, those of W and Z ld. */
MLP_KERNEL void MLP_NAME(narrow_forward)(ptrdiff_t rows, ptrdiff_t n_in, int n_out, const REAL *x,
                                         ptrdiff_t ldx, const REAL *w, ptrdiff_t ld, const REAL *b,
                                         REAL *z) {
    V columns[MLP_NARROW_OUTPUTS][MLP_NARROW_INPUTS / LANES];
    for (ptrdiff_t i = 0; i < rows; i++) memcpy(z + i * ld, b, ld * sizeof *b);
    for (ptrdiff_t from = 0; from < n_in; from += MLP_NARROW_INPUTS) {
        const ptrdiff_t n = n_in - from < MLP_NARROW_INPUTS ? n_in - from : MLP_NARROW_INPUTS;
        const ptrdiff_t vectors = (n + LANES - 1) / LANES;
        for (int k = 0; k < n_out; k++) {
            REAL column[LANES] = {0};
            for (ptrdiff_t j = 0; j < vectors; j++) {
                for (ptrdiff_t p = 0; p < LANES; p++)
                    column[p] = j * LANES + p < n ? w[(from + j * LANES + p) * ld + k] : 0;
                memcpy(&columns[k][j], column, sizeof column);
            }
        }
        for (ptrdiff_t i = 0; i < rows; i++) {
            const V *row = (const V *)(x + i * ldx + from);
            for (int k = 0; k < n_out; k++) {
                V sum = (V){0};
                for (ptrdiff_t j = 0; j < vectors; j++) sum += row[j] * columns[k][j];
                z[i * ld + k] += MLP_NAME(sum_lanes)(sum);
            }
        }
    }
}

/* Sums over the rows of x[j] * delta[k] for some vectors of inputs. */
MLP_INLINE void MLP_NAME(narrow_sums)(const int vectors, ptrdiff_t rows, const REAL *x, ptrdiff_t ldx,
                                      const REAL *delta, ptrdiff_t ld, REAL *out) {
    V sum[4];
#pragma GCC unroll 4
    for (int j = 0; j < vectors; j++) sum[j] = (V){0};
    for (ptrdiff_t i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++)
            sum[j] += delta[i * ld] * *(const V *)(x + i * ldx + j * LANES);
#pragma GCC unroll 4
    for (int j = 0; j < vectors; j++) memcpy(out + j * LANES, &sum[j], sizeof sum[j]);
}

/* G (n, n_out) = X[:, :n].T @ delta (rows, n_out), and 0 in the padding of G, whose rows lie ld apart as
 * those of delta do. x begins on a cache line. */
MLP_KERNEL void MLP_NAME(narrow_gradient)(ptrdiff_t rows, ptrdiff_t n, int n_out, const REAL *x,
                                          ptrdiff_t ldx, const REAL *delta, ptrdiff_t ld,
                                          REAL *gradient) {
    memset(gradient, 0, n * ld * sizeof *gradient);
    for (int k = 0; k < n_out; k++)
        for (ptrdiff_t from = 0; from < n; from += 4 * LANES) {
            REAL sums[4 * LANES];
            const ptrdiff_t left = n - from < 4 * LANES ? n - from : 4 * LANES;
            switch ((left + LANES - 1) / LANES) {
#define VECTORS(vectors)                                                                          \
    case vectors:                                                                                 \
        MLP_NAME(narrow_sums)(vectors, rows, x + from, ldx, delta + k, ld, sums);                 \
        break;
                VECTORS(1)
                VECTORS(2)
                VECTORS(3)
                VECTORS(4)
#undef VECTORS
            }
            for (ptrdiff_t j = 0; j < left; j++) gradient[(from + j) * ld + k] = sums[j];
        }
}

#endif

/* Loops over rows of a padded matrix: summing, transposing, comparing. */
#ifndef MLP_TYPE

/* Arrays that sum_pairwise sums at most: the gradients of the chunks of a minibatch's rows. */
enum { MLP_MAX_CHUNKS = 64 };

#define MLP_BODY "rows.h"
#include "each.h"
#undef MLP_BODY

#else

/* out (width) = the sum of the rows, first to last; they lie ld apart. */
MLP_KERNEL void MLP_NAME(column_sums)(const REAL *a, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t width,
                                      REAL *out) {
    for (ptrdiff_t j = 0; j < width; j += LANES) {
        V sum = (V){0};
        for (ptrdiff_t i = 0; i < rows; i++) sum += *(const V *)(a + i * ld + j);
        *(V *)(out + j) = sum;
    }
}

/* The sum of n squares, n a whole number of vectors. Short runs are added in REAL, the runs in
 * double. */
MLP_KERNEL double MLP_NAME(sum_squares)(const REAL *a, ptrdiff_t n) {
    double total = 0;
    for (ptrdiff_t from = 0; from < n; from += 8 * LANES) {
        V sum = (V){0};
        for (ptrdiff_t i = from; i < n && i < from + 8 * LANES; i += LANES) {
            V x = *(const V *)(a + i);
            sum += x * x;
        }
        for (int j = 0; j < LANES; j++) total += sum[j];
    }
    return total;
}

/* a := a + b, n of each. */
MLP_KERNEL void MLP_NAME(add)(REAL *restrict a, const REAL *restrict b, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) a[i] += b[i];
}
/* out = the sum of `count` arrays of n numbers, `stride` apart, added in pairs: 0 and 1, 2 and 3, then
 * the sums of both, and so on. n is whole vectors. */
MLP_INLINE void MLP_NAME(add_pairs)(const int count, const REAL *a, ptrdiff_t stride, ptrdiff_t n,
                                    REAL *out) {
    for (ptrdiff_t i = 0; i < n; i += LANES) {
        V sum[MLP_MAX_CHUNKS];
#pragma GCC unroll 8
        for (int c = 0; c < count; c++) sum[c] = *(const V *)(a + c * stride + i);
#pragma GCC unroll 8
        for (int apart = 1; apart < count; apart *= 2)
#pragma GCC unroll 8
            for (int c = 0; c + apart < count; c += 2 * apart) sum[c] += sum[c + apart];
        *(V *)(out + i) = sum[0];
    }
}
MLP_KERNEL void MLP_NAME(sum_pairwise)(int count, const REAL *a, ptrdiff_t stride, ptrdiff_t n,
                                       REAL *out) {
    switch (count) {
    case 2: MLP_NAME(add_pairs)(2, a, stride, n, out); break;
    case 4: MLP_NAME(add_pairs)(4, a, stride, n, out); break;
    default: MLP_NAME(add_pairs)(count, a, stride, n, out);
    }
}
/* a := a * b, n of each. */
MLP_KERNEL void MLP_NAME(multiply)(REAL *restrict a, const REAL *restrict b, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) a[i] *= b[i];
}

/* average := average + rate * (w - average), n of each. */
MLP_KERNEL void MLP_NAME(move_average)(REAL *restrict average, const REAL *restrict w, double rate,
                                       ptrdiff_t n) {
    const REAL step = (REAL)rate;
    for (ptrdiff_t i = 0; i < n; i++) average[i] += step * (w[i] - average[i]);
}

/* l2 / 2 times the sum of n squares and l1 times that of the absolute values; n is whole
 * vectors. Runs are added in REAL, the sums of the runs in double. */
MLP_KERNEL double MLP_NAME(penalty)(const REAL *a, ptrdiff_t n, double l2, double l1) {
    double squares = 0, sizes = 0;
    for (ptrdiff_t from = 0; from < n; from += 64 * LANES) {
        const ptrdiff_t end = n < from + 64 * LANES ? n : from + 64 * LANES;
        REAL square[LANES] = {0}, size[LANES] = {0};
        if (l2 != 0)
            for (ptrdiff_t i = from; i < end; i += LANES)
                for (int j = 0; j < LANES; j++) square[j] += a[i + j] * a[i + j];
        if (l1 != 0)
            for (ptrdiff_t i = from; i < end; i += LANES)
                for (int j = 0; j < LANES; j++) size[j] += a[i + j] < 0 ? -a[i + j] : a[i + j];
        for (int j = 0; j < LANES; j++) squares += square[j], sizes += size[j];
    }
    return l2 / 2 * squares + l1 * sizes;
}

/* Scale columns [from, to) of a (rows of ld), whole vectors, each to a norm of at most max_norm. */
MLP_KERNEL void MLP_NAME(cap_columns)(REAL *a, ptrdiff_t ld, ptrdiff_t rows, ptrdiff_t from,
                                      ptrdiff_t to, double max_norm) {
    for (ptrdiff_t j = from; j < to; j += LANES) {
        V sum = (V){0};
        REAL factor[LANES], above = 0;
        for (ptrdiff_t i = 0; i < rows; i++) {
            V x = *(const V *)(a + i * ld + j);
            sum += x * x;
        }
        for (int k = 0; k < LANES; k++) {
            const double norm = sqrt((double)sum[k]);
            factor[k] = norm > max_norm ? (REAL)(max_norm / norm) : 1;
            above += factor[k] != 1;
        }
        for (ptrdiff_t i = 0; i < (above ? rows : 0); i++)
            for (int k = 0; k < LANES; k++) a[i * ld + j + k] *= factor[k];
    }
}

/* Rows [from, to) of a (rows of lda) become columns [from, to) of out (rows of ldo). */
MLP_KERNEL void MLP_NAME(transpose)(const REAL *a, ptrdiff_t lda, ptrdiff_t from, ptrdiff_t to,
                                    ptrdiff_t columns, REAL *out, ptrdiff_t ldo) {
    for (ptrdiff_t i = from; i < to; i += 8)
        for (ptrdiff_t j = 0; j < columns; j++)
            for (ptrdiff_t p = i; p < to && p < i + 8; p++) out[j * ldo + p] = a[p * lda + j];
}

/* out[i] = row i of W times delta: the errors of the layer below, for one row of a minibatch,
 * where a transpose of W would not pay. W has n_in rows of `width`, which is whole vectors. */
MLP_KERNEL void MLP_NAME(row_times_transpose)(const REAL *w, ptrdiff_t ld, ptrdiff_t n_in,
                                              ptrdiff_t width, const REAL *delta, REAL *out) {
    for (ptrdiff_t i = 0; i < n_in; i++) {
        V sum = (V){0};
        for (ptrdiff_t j = 0; j < width; j += LANES)
            sum += *(const V *)(w + i * ld + j) * *(const V *)(delta + j);
        REAL total[LANES];
        memcpy(total, &sum, sizeof sum);
        for (int half = LANES / 2; half > 0; half /= 2)
            for (int j = 0; j < half; j++) total[j] += total[j + half];
        out[i] = total[0];
    }
}

/* Whether all of n are finite. */
MLP_KERNEL int MLP_NAME(all_finite)(const REAL *a, ptrdiff_t n) {
    int bad = 0;
    for (ptrdiff_t i = 0; i < n; i++) bad |= !(a[i] - a[i] == 0);
    return !bad;
}

/* The index of the largest of n numbers; the first one, where several are equal. */
MLP_KERNEL int MLP_NAME(argmax)(const REAL *a, int n) {
    int best = 0;
    for (int j = 1; j < n; j++)
        if (a[j] > a[best]) best = j;
    return best;
}

#endif

/* The kinds of numbers that dense rows may hold, and how rows of each are read and packed. To
 * add one: a line in INPUT_KINDS, and what its numbers mean in tests/oracle/inputs.py.
 * Everything else reads the table, through ../registry.pyx. */
#ifndef MLP_TYPE

/* What a number x of a row stands for: x itself; or, for integers of at most 16 bits, which are
 * scaled as they are read, an element of a lookup table. `table` points at the element for 0. */
#define AS_IT_IS(x) (REAL)(x)
#define BY_TABLE(x) ((const REAL *)table)[x]

/* X(NumPy's name, type in C, what a number stands for), in the order of mlp_input_kind. */
#define INPUT_KINDS(X)             \
    X(float32, float, AS_IT_IS)    \
    X(float64, double, AS_IT_IS)   \
    X(uint8, uint8_t, BY_TABLE)

typedef enum {
#define KIND(name, ...) MLP_##name,
    INPUT_KINDS(KIND)
#undef KIND
    MLP_packed /* no dense rows, but packed sparse ones */
} mlp_input_kind;

#ifndef MLP_TABLES_ONLY
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Rows in a random order are asked for this many ahead, and of each the first bytes; the processor
 * foresees what follows. A table of 10 columns is fetched in half the time. */
enum { MLP_ROWS_AHEAD = 8, MLP_BYTES_AHEAD = 1024 };
static inline void mlp_prefetch(const char *row, ptrdiff_t bytes) {
    for (ptrdiff_t at = 0; at < bytes && at < MLP_BYTES_AHEAD; at += 64)
        __builtin_prefetch(row + at, 0, 3);
}

#define MLP_BODY "inputs.h"
#include "each.h"
#undef MLP_BODY
#endif

#else

#define FETCH(name, source, number)                                                              \
    MLP_INLINE void MLP_NAME(fetch_##name)(const source *restrict x, ptrdiff_t n,                \
                                           const void *restrict table, REAL *restrict out) {     \
        (void)table;                                                                             \
        for (ptrdiff_t i = 0; i < n; i++) out[i] = number(x[i]);                                 \
    }                                                                                            \
    MLP_INLINE void MLP_NAME(fetch_all_##name)(const char *data, ptrdiff_t row_bytes,            \
                                               const ptrdiff_t *order, ptrdiff_t rows,           \
                                               ptrdiff_t n, const void *table, REAL *out,        \
                                               ptrdiff_t ld) {                                   \
        for (ptrdiff_t i = 0; i < rows; i++) {                                                   \
            const ptrdiff_t row = order ? order[i] : i;                                          \
            if (order && i + MLP_ROWS_AHEAD < rows)                                              \
                mlp_prefetch(data + order[i + MLP_ROWS_AHEAD] * row_bytes,                       \
                             n * (ptrdiff_t)sizeof(source));                                     \
            MLP_NAME(fetch_##name)((const source *)(data + row * row_bytes), n, table,           \
                                   out + i * ld);                                                \
        }                                                                                        \
    }
INPUT_KINDS(FETCH)

/* Rows of n numbers of any kind as REAL, ld apart: those that `order` lists, or the first ones. */
MLP_KERNEL void MLP_NAME(fetch)(int kind, const char *data, ptrdiff_t row_bytes,
                                const ptrdiff_t *order, ptrdiff_t rows, ptrdiff_t n,
                                const void *table, REAL *out, ptrdiff_t ld) {
    switch (kind) {
#define CASE(name, source, number)                                                               \
    case MLP_##name:                                                                             \
        MLP_NAME(fetch_all_##name)(data, row_bytes, order, rows, n, table, out, ld);             \
        break;
        INPUT_KINDS(CASE)
#undef CASE
    }
}

/* Append the nonzeros among `run` numbers of a row to the `found` ones before: the column of
 * each, and either what it stands for less what the background stands for, or the number itself,
 * where that is a byte that indexes a lookup table. */
#define PACK_RUN(name, source, number)                                                           \
    MLP_INLINE int64_t MLP_NAME(pack_run_##name)(                                                \
        const source *x, ptrdiff_t from, int run, source background, const void *table,          \
        int64_t found, uint16_t *index, REAL *value, uint8_t *code) {                            \
        (void)table;                                                                             \
        for (int j = 0; j < run; j++) {                                                          \
            index[found] = (uint16_t)(from + j);                                                 \
            if (value) value[found] = number(x[from + j]) - number(background);                  \
            if (code) code[found] = (uint8_t)x[from + j];                                        \
            found += x[from + j] != background;                                                  \
        }                                                                                        \
        return found;                                                                            \
    }
INPUT_KINDS(PACK_RUN)

/* AVX-512 compresses a vector to the selected elements. For these two kinds, that costs no more
 * than to ask first whether a run has any nonzero. */
#if BYTES == 64 && IS_F32
MLP_INLINE int64_t MLP_NAME(compress_columns)(__mmask16 selected, ptrdiff_t from, int64_t found,
                                   uint16_t *index) {
    const __m512i columns = _mm512_add_epi32(
        _mm512_set1_epi32((int)from),
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    _mm256_storeu_si256((__m256i *)(index + found),
                        _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(selected, columns)));
    return found + __builtin_popcount(selected);
}
MLP_INLINE int64_t MLP_NAME(compress_float32)(const float *x, ptrdiff_t from, int run,
                                          float background, const void *table, int64_t found,
                                           uint16_t *index, float *value, uint8_t *code) {
    const __mmask16 there = (__mmask16)((1u << run) - 1);
    const __m512 number = _mm512_maskz_loadu_ps(there, x + from), back = _mm512_set1_ps(background);
    const __mmask16 selected = _mm512_mask_cmp_ps_mask(there, number, back, _CMP_NEQ_UQ);
    (void)table, (void)code;
    _mm512_storeu_ps(value + found,
                     _mm512_maskz_compress_ps(selected, _mm512_sub_ps(number, back)));
    return MLP_NAME(compress_columns)(selected, from, found, index);
}
MLP_INLINE int64_t MLP_NAME(compress_uint8)(const uint8_t *x, ptrdiff_t from, int run,
                                         uint8_t background, const void *table, int64_t found,
                                         uint16_t *index, float *value, uint8_t *code) {
    const __mmask16 there = (__mmask16)((1u << run) - 1);
    const __m512i number = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(there, x + from));
    const __mmask16 selected =
        _mm512_mask_cmpneq_epi32_mask(there, number, _mm512_set1_epi32(background));
    (void)table, (void)value;
    _mm_storeu_si128((__m128i *)(code + found),
                     _mm512_cvtepi32_epi8(_mm512_maskz_compress_epi32(selected, number)));
    return MLP_NAME(compress_columns)(selected, from, found, index);
}
#define COMPRESSES(x) _Generic((x), const float *: 1, const uint8_t *: 1, default: 0)
#define RUN(name, x)                                     \
    _Generic((x), const float *: MLP_NAME(compress_float32), \
             const uint8_t *: MLP_NAME(compress_uint8),       \
             default: MLP_NAME(pack_run_##name))
#else
#define COMPRESSES(x) 0
#define RUN(name, x) MLP_NAME(pack_run_##name)
#endif

/* The nonzeros of one row. Most runs of 16 numbers are all background, bit for bit, which a few
 * vector operations show. In the others every number is written, and the next one overwrites it
 * unless it is a nonzero, which is cheaper than branches. Up to 16 elements after the last
 * nonzero are written to. */
#define PACK(name, source, number)                                                               \
    enum { MLP_NAME(words_##name) = 16 * sizeof(source) < BYTES ? 16 * sizeof(source) : BYTES }; \
    typedef uint64_t MLP_NAME(words_of_##name)                                                   \
        __attribute__((vector_size(MLP_NAME(words_##name)), aligned(1), may_alias));             \
    MLP_INLINE int64_t MLP_NAME(pack_##name)(const source *x, ptrdiff_t n, source background,    \
                                             const void *table, uint16_t *index, REAL *value,    \
                                             uint8_t *code) {                                    \
        int64_t found = 0;                                                                       \
        ptrdiff_t from = 0;                                                                      \
        MLP_NAME(words_of_##name) pattern;                                                       \
        for (size_t j = 0; j < sizeof pattern / sizeof background; j++)                          \
            memcpy((char *)&pattern + j * sizeof background, &background, sizeof background);    \
        for (; from + 16 <= n; from += 16) {                                                     \
            const MLP_NAME(words_of_##name) *words = (const void *)(x + from);                   \
            MLP_NAME(words_of_##name) unlike = words[0] ^ pattern;                               \
            for (size_t j = 1; j < 16 * sizeof background / sizeof pattern; j++)                 \
                unlike |= words[j] ^ pattern;                                                    \
            uint64_t differs = COMPRESSES(x);                                                    \
            for (size_t j = 0; j < sizeof pattern / 8; j++) differs |= unlike[j];                \
            if (differs)                                                                         \
                found = RUN(name, x)(x, from, 16, background, table, found, index, value, code); \
        }                                                                                        \
        return RUN(name, x)(x, from, (int)(n - from), background, table, found, index, value,    \
                            code);                                                               \
    }
INPUT_KINDS(PACK)

/* Pack n numbers of a row: the columns of those that differ from the background, which is a
 * number of the same kind, and their values or their codes; the other one of the two pointers is
 * NULL. Returns how many there are. */
MLP_KERNEL int64_t MLP_NAME(pack)(int kind, const void *x, ptrdiff_t n, double background,
                                  const void *table, uint16_t *index, REAL *value, uint8_t *code) {
    switch (kind) {
#define CASE(name, source, number)                                                               \
    case MLP_##name:                                                                             \
        return MLP_NAME(pack_##name)((const source *)x, n, (source)background, table, index,     \
                                     value, code);
        INPUT_KINDS(CASE)
#undef CASE
    }
    return 0;
}

#undef FETCH
#undef PACK_RUN
#undef COMPRESSES
#undef RUN
#undef PACK
#endif

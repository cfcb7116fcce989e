"""The engine's own loops over padded matrices, vectorised for each instruction set."""

from mlpcore.engine.typedefs cimport real_t


cdef extern from "simd/gemm.h" nogil:
    void _gemm "MLP_FUSED(gemm)" (
        Py_ssize_t, Py_ssize_t, Py_ssize_t, const real_t*, Py_ssize_t, Py_ssize_t,
        const real_t*, Py_ssize_t, const real_t*, Py_ssize_t, real_t*, Py_ssize_t)

cdef extern from "simd/narrow.h" nogil:
    void _narrow_forward "MLP_FUSED(narrow_forward)" (
        Py_ssize_t, Py_ssize_t, int, const real_t*, Py_ssize_t, const real_t*, Py_ssize_t,
        const real_t*, real_t*)
    void _narrow_gradient "MLP_FUSED(narrow_gradient)" (
        Py_ssize_t, Py_ssize_t, int, const real_t*, Py_ssize_t, const real_t*, Py_ssize_t, real_t*)

cdef extern from "simd/rows.h" nogil:
    void _column_sums "MLP_FUSED(column_sums)" (
        const real_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, real_t*)
    double _sum_squares "MLP_FUSED(sum_squares)" (const real_t*, Py_ssize_t)
    void _sum_pairwise "MLP_FUSED(sum_pairwise)" (
        int, const real_t*, Py_ssize_t, Py_ssize_t, real_t*)
    void _add "MLP_FUSED(add)" (real_t*, const real_t*, Py_ssize_t)
    void _multiply "MLP_FUSED(multiply)" (real_t*, const real_t*, Py_ssize_t)
    void _move_average "MLP_FUSED(move_average)" (
        real_t*, const real_t*, double, Py_ssize_t)
    double _penalty "MLP_FUSED(penalty)" (const real_t*, Py_ssize_t, double, double)
    void _cap_columns "MLP_FUSED(cap_columns)" (
        real_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double)
    void _transpose "MLP_FUSED(transpose)" (
        const real_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, real_t*, Py_ssize_t)
    void _row_times_transpose "MLP_FUSED(row_times_transpose)" (
        const real_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const real_t*, real_t*)
    bint _all_finite "MLP_FUSED(all_finite)" (const real_t*, Py_ssize_t)
    int _argmax "MLP_FUSED(argmax)" (const real_t*, int)
    int mlp_isa


cdef bint vectorised() noexcept nogil:
    return mlp_isa > 0


cdef void small_gemm(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                     const real_t* a, Py_ssize_t a_row, Py_ssize_t a_col,
                     const real_t* b, Py_ssize_t ldb, const real_t* initial, Py_ssize_t initial_ld,
                     real_t* c, Py_ssize_t ldc) noexcept nogil:
    _gemm(m, n, k, a, a_row, a_col, b, ldb, initial, initial_ld, c, ldc)


cdef void narrow_forward(Py_ssize_t rows, Py_ssize_t n_in, int n_out, const real_t* x,
                         Py_ssize_t ldx, const real_t* w, Py_ssize_t ld, const real_t* b,
                         real_t* z) noexcept nogil:
    _narrow_forward(rows, n_in, n_out, x, ldx, w, ld, b, z)


cdef void narrow_gradient(Py_ssize_t rows, Py_ssize_t n, int n_out, const real_t* x,
                          Py_ssize_t ldx, const real_t* delta, Py_ssize_t ld,
                          real_t* gradient) noexcept nogil:
    _narrow_gradient(rows, n, n_out, x, ldx, delta, ld, gradient)


cdef void column_sums(const real_t* a, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t width,
                      real_t* out) noexcept nogil:
    _column_sums(a, ld, rows, width, out)


cdef double sum_squares(const real_t* a, Py_ssize_t n) noexcept nogil:
    return _sum_squares(a, n)


cdef void sum_pairwise(int count, const real_t* a, Py_ssize_t stride, Py_ssize_t n,
                       real_t* out) noexcept nogil:
    _sum_pairwise(count, a, stride, n, out)


cdef void add(real_t* a, const real_t* b, Py_ssize_t n) noexcept nogil:
    _add(a, b, n)


cdef void multiply(real_t* a, const real_t* b, Py_ssize_t n) noexcept nogil:
    _multiply(a, b, n)


cdef void move_average(real_t* average, const real_t* w, double rate,
                       Py_ssize_t n) noexcept nogil:
    _move_average(average, w, rate, n)


cdef double penalty(const real_t* a, Py_ssize_t n, double l2, double l1) noexcept nogil:
    return _penalty(a, n, l2, l1)


cdef void cap_columns(real_t* a, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop,
                      double max_norm) noexcept nogil:
    _cap_columns(a, ld, rows, start, stop, max_norm)


cdef void transpose(const real_t* a, Py_ssize_t lda, Py_ssize_t start, Py_ssize_t stop,
                    Py_ssize_t columns, real_t* out, Py_ssize_t ldo) noexcept nogil:
    _transpose(a, lda, start, stop, columns, out, ldo)


cdef void row_times_transpose(const real_t* w, Py_ssize_t ld, Py_ssize_t n_in, Py_ssize_t width,
                              const real_t* delta, real_t* out) noexcept nogil:
    _row_times_transpose(w, ld, n_in, width, delta, out)


cdef bint all_finite(const real_t* a, Py_ssize_t n) noexcept nogil:
    return _all_finite(a, n)


cdef int argmax(const real_t* a, int n) noexcept nogil:
    return _argmax(a, n)


def instruction_set():
    """Tell which set of instructions the kernels use.

    Returns
    -------
    name : {"base", "v3", "v4"}
        ``v3`` and ``v4`` are the x86-64 levels (AVX2, AVX-512); ``base`` is plain C. The
        environment variable ``MLPCORE_SIMD`` asks for a lesser set than the processor has.
    """
    return ("base", "v3", "v4")[mlp_isa]

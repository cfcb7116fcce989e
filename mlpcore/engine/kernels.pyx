"""The engine's own loops over padded matrices, vectorised for each instruction set."""

from mlpcore.engine.typedefs cimport real_t


cdef extern from "simd/gemm.h" nogil:
    void gemm_f32 "MLP_PICK(gemm, f32)" (
        Py_ssize_t, Py_ssize_t, Py_ssize_t, const float*, Py_ssize_t, Py_ssize_t,
        const float*, Py_ssize_t, const float*, Py_ssize_t, float*, Py_ssize_t)
    void gemm_f64 "MLP_PICK(gemm, f64)" (
        Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, Py_ssize_t, Py_ssize_t,
        const double*, Py_ssize_t, const double*, Py_ssize_t, double*, Py_ssize_t)

cdef extern from "simd/rows.h" nogil:
    void column_sums_f32 "MLP_PICK(column_sums, f32)" (
        const float*, Py_ssize_t, Py_ssize_t, float*)
    void column_sums_f64 "MLP_PICK(column_sums, f64)" (
        const double*, Py_ssize_t, Py_ssize_t, double*)
    double sum_squares_f32 "MLP_PICK(sum_squares, f32)" (const float*, Py_ssize_t)
    double sum_squares_f64 "MLP_PICK(sum_squares, f64)" (const double*, Py_ssize_t)
    void add_f32 "MLP_PICK(add, f32)" (float*, const float*, Py_ssize_t)
    void add_f64 "MLP_PICK(add, f64)" (double*, const double*, Py_ssize_t)
    void multiply_f32 "MLP_PICK(multiply, f32)" (float*, const float*, Py_ssize_t)
    void multiply_f64 "MLP_PICK(multiply, f64)" (double*, const double*, Py_ssize_t)
    double penalty_f32 "MLP_PICK(penalty, f32)" (const float*, Py_ssize_t, double, double)
    double penalty_f64 "MLP_PICK(penalty, f64)" (const double*, Py_ssize_t, double, double)
    void cap_columns_f32 "MLP_PICK(cap_columns, f32)" (
        float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double)
    void cap_columns_f64 "MLP_PICK(cap_columns, f64)" (
        double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double)
    void transpose_f32 "MLP_PICK(transpose, f32)" (
        const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, float*, Py_ssize_t)
    void transpose_f64 "MLP_PICK(transpose, f64)" (
        const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double*, Py_ssize_t)
    void row_times_transpose_f32 "MLP_PICK(row_times_transpose, f32)" (
        const float*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const float*, float*)
    void row_times_transpose_f64 "MLP_PICK(row_times_transpose, f64)" (
        const double*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const double*, double*)
    bint all_finite_f32 "MLP_PICK(all_finite, f32)" (const float*, Py_ssize_t)
    bint all_finite_f64 "MLP_PICK(all_finite, f64)" (const double*, Py_ssize_t)
    int argmax_f32 "MLP_PICK(argmax, f32)" (const float*, int)
    int argmax_f64 "MLP_PICK(argmax, f64)" (const double*, int)
    int mlp_isa


cdef void small_gemm(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                     const real_t* a, Py_ssize_t a_row, Py_ssize_t a_col,
                     const real_t* b, Py_ssize_t ldb, const real_t* start, Py_ssize_t start_row,
                     real_t* c, Py_ssize_t ldc) noexcept nogil:
    if real_t is float:
        gemm_f32(m, n, k, a, a_row, a_col, b, ldb, start, start_row, c, ldc)
    else:
        gemm_f64(m, n, k, a, a_row, a_col, b, ldb, start, start_row, c, ldc)


cdef void column_sums(const real_t* a, Py_ssize_t rows, Py_ssize_t width,
                      real_t* out) noexcept nogil:
    if real_t is float:
        column_sums_f32(a, rows, width, out)
    else:
        column_sums_f64(a, rows, width, out)


cdef double sum_squares(const real_t* a, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        return sum_squares_f32(a, n)
    else:
        return sum_squares_f64(a, n)


cdef void add(real_t* a, const real_t* b, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        add_f32(a, b, n)
    else:
        add_f64(a, b, n)


cdef void multiply(real_t* a, const real_t* b, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        multiply_f32(a, b, n)
    else:
        multiply_f64(a, b, n)


cdef double penalty(const real_t* a, Py_ssize_t n, double l2, double l1) noexcept nogil:
    if real_t is float:
        return penalty_f32(a, n, l2, l1)
    else:
        return penalty_f64(a, n, l2, l1)


cdef void cap_columns(real_t* a, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop,
                      double most) noexcept nogil:
    if real_t is float:
        cap_columns_f32(a, ld, rows, start, stop, most)
    else:
        cap_columns_f64(a, ld, rows, start, stop, most)


cdef void transpose(const real_t* a, Py_ssize_t lda, Py_ssize_t start, Py_ssize_t stop,
                    Py_ssize_t columns, real_t* out, Py_ssize_t ldo) noexcept nogil:
    if real_t is float:
        transpose_f32(a, lda, start, stop, columns, out, ldo)
    else:
        transpose_f64(a, lda, start, stop, columns, out, ldo)


cdef void row_times_transpose(const real_t* w, Py_ssize_t ld, Py_ssize_t n_in, Py_ssize_t width,
                              const real_t* delta, real_t* out) noexcept nogil:
    if real_t is float:
        row_times_transpose_f32(w, ld, n_in, width, delta, out)
    else:
        row_times_transpose_f64(w, ld, n_in, width, delta, out)


cdef bint all_finite(const real_t* a, Py_ssize_t n) noexcept nogil:
    if real_t is float:
        return all_finite_f32(a, n)
    else:
        return all_finite_f64(a, n)


cdef int argmax(const real_t* a, int n) noexcept nogil:
    if real_t is float:
        return argmax_f32(a, n)
    else:
        return argmax_f64(a, n)


def instruction_set():
    """Tell which set of instructions the kernels use.

    Returns
    -------
    name : {"base", "v3", "v4"}
        ``v3`` and ``v4`` are the x86-64 levels (AVX2, AVX-512); ``base`` is plain C. The
        environment variable ``MLPCORE_SIMD`` asks for a lesser set than the processor has.
    """
    return ("base", "v3", "v4")[mlp_isa]


def place_of(name, names, what):
    """Place of a name in a tuple of names, which is how the kernels know it.

    Parameters
    ----------
    name : str
    names : sequence of str
    what : str
        What they are names of, for the message.

    Returns
    -------
    place : int

    Raises
    ------
    ValueError
        If there is no such name.
    """
    try:
        return list(names).index(name)
    except ValueError:
        raise ValueError(f"{what} must be one of {', '.join(names)}; got {name!r}") from None

"""The engine's own loops over padded matrices, vectorised for each instruction set."""

from mlpcore.engine.typedefs cimport real_t

cdef extern from "simd/rows.h":
    enum: MAX_CHUNKS "MLP_MAX_CHUNKS"   # arrays that sum_pairwise sums at most

# Whether the kernels have vectors of 32 bytes or more, as BLAS has.
cdef bint vectorised() noexcept nogil
# C (m, n) = initial + A @ B for matrices in the cache; see simd/gemm.h for the strides.
cdef void small_gemm(Py_ssize_t m, Py_ssize_t n, Py_ssize_t k,
                     const real_t* a, Py_ssize_t a_row, Py_ssize_t a_col,
                     const real_t* b, Py_ssize_t ldb, const real_t* initial, Py_ssize_t initial_ld,
                     real_t* c, Py_ssize_t ldc) noexcept nogil
# Z = b + X @ W and G = X[:, :n].T @ delta for a layer with few outputs; see simd/narrow.h.
cdef void narrow_forward(Py_ssize_t rows, Py_ssize_t n_in, int n_out, const real_t* x,
                         Py_ssize_t ldx, const real_t* w, Py_ssize_t ld, const real_t* b,
                         real_t* z) noexcept nogil
cdef void narrow_gradient(Py_ssize_t rows, Py_ssize_t n, int n_out, const real_t* x,
                          Py_ssize_t ldx, const real_t* delta, Py_ssize_t ld,
                          real_t* gradient) noexcept nogil
cdef void column_sums(const real_t* a, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t width,
                      real_t* out) noexcept nogil
cdef double sum_squares(const real_t* a, Py_ssize_t n) noexcept nogil
# The sum of `count` arrays of n numbers, `stride` apart, in pairs; see simd/rows.h.
cdef void sum_pairwise(int count, const real_t* a, Py_ssize_t stride, Py_ssize_t n,
                       real_t* out) noexcept nogil
# a := a + b, and a * b.
cdef void add(real_t* a, const real_t* b, Py_ssize_t n) noexcept nogil
cdef void multiply(real_t* a, const real_t* b, Py_ssize_t n) noexcept nogil
# average := average + rate * (w - average)
cdef void move_average(real_t* average, const real_t* w, double rate, Py_ssize_t n) noexcept nogil
# l2 / 2 * sum(a**2) + l1 * sum(abs(a))
cdef double penalty(const real_t* a, Py_ssize_t n, double l2, double l1) noexcept nogil
# Scale columns [start, stop) of a, whole lines, each to a norm of at most max_norm.
cdef void cap_columns(real_t* a, Py_ssize_t ld, Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop,
                      double max_norm) noexcept nogil
cdef void transpose(const real_t* a, Py_ssize_t lda, Py_ssize_t start, Py_ssize_t stop,
                    Py_ssize_t columns, real_t* out, Py_ssize_t ldo) noexcept nogil
# out = W[:n_in] @ delta, for the backward pass of one row.
cdef void row_times_transpose(const real_t* w, Py_ssize_t ld, Py_ssize_t n_in, Py_ssize_t width,
                              const real_t* delta, real_t* out) noexcept nogil
cdef bint all_finite(const real_t* a, Py_ssize_t n) noexcept nogil
cdef int argmax(const real_t* a, int n) noexcept nogil

"""BLAS for row-major matrices, sizes by value."""

from mlpcore.engine.typedefs cimport real_t

# C (m, n) = alpha * op(A) @ op(B) + beta * C, where op(A) is (m, k) and op(B) is (k, n); rows of
# the matrices as they lie in memory are lda, ldb and ldc elements apart.
cdef void gemm(bint trans_a, bint trans_b, int m, int n, int k, real_t alpha,
               const real_t* a, int lda, const real_t* b, int ldb,
               real_t beta, real_t* c, int ldc) noexcept nogil

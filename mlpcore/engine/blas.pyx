"""The only module that calls BLAS: row-major for callers, Fortran order for BLAS.

`setup.py` writes which integer type ``blas_int`` is, since it depends on SciPy's version.
"""

import os

import numpy as np

from scipy.linalg.cython_blas cimport dgemm, sgemm

include "blas_int.pxi"

cdef extern from "threads/fork_gate.h" nogil:
    void gate_enter "mlp_gate_enter" ()
    void gate_leave "mlp_gate_leave" ()
    void gate_close "mlp_gate_close" ()
    void gate_open "mlp_gate_open" ()
    void gate_reset "mlp_gate_reset" ()


def _before_fork():
    with nogil:
        gate_close()


def _after_fork_in_parent():
    gate_open()


def _after_fork_in_child():
    gate_reset()


if hasattr(os, "register_at_fork"):   # not Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                        after_in_child=_after_fork_in_child)


cdef void gemm(bint trans_a, bint trans_b, int m, int n, int k, real_t alpha,
               const real_t* a, int lda, const real_t* b, int ldb,
               real_t beta, real_t* c, int ldc) noexcept nogil:
    # BLAS reads our rows as columns, so it sees the transposes of A, B and C. Asking it for
    # C.T = op(B).T @ op(A).T gives the answer without moving any data.
    cdef char op_a = b"T" if trans_a else b"N"  # mutant: transpose a product
    cdef char op_b = b"T" if trans_b else b"N"
    cdef blas_int rows = n, columns = m, inner = k, ld_a = lda, ld_b = ldb, ld_c = ldc
    gate_enter()
    if real_t is float:
        sgemm(&op_b, &op_a, &rows, &columns, &inner, &alpha, <float*> b, &ld_b,
              <float*> a, &ld_a, &beta, c, &ld_c)
    else:
        dgemm(&op_b, &op_a, &rows, &columns, &inner, &alpha, <double*> b, &ld_b,
              <double*> a, &ld_a, &beta, c, &ld_c)
    gate_leave()


def matmul(const real_t[:, ::1] a, const real_t[:, ::1] b, real_t[:, ::1] c, *,
           double alpha=1.0, double beta=0.0, bint trans_a=False, bint trans_b=False):
    """Add a matrix product to a matrix in place: ``c = alpha * op(a) @ op(b) + beta * c``.

    Parameters
    ----------
    a, b : ndarray of float32 or float64, 2-D, C-contiguous
    c : ndarray of the same dtype, shape (m, n), C-contiguous
        Overwritten with the result.
    alpha, beta : float, default=1.0 and 0.0
    trans_a, trans_b : bool, default=False
        Whether to use the transpose of `a`, of `b`.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    shape_a, shape_b = (a.shape[0], a.shape[1]), (b.shape[0], b.shape[1])
    (m, k), (k_b, n) = shape_a[:: -1 if trans_a else 1], shape_b[:: -1 if trans_b else 1]
    if k != k_b or (m, n) != (c.shape[0], c.shape[1]):
        raise ValueError(
            f"cannot multiply ({m}, {k}) by ({k_b}, {n}) into ({c.shape[0]}, {c.shape[1]})"
        )
    if max(m, n, k) > np.iinfo(np.intc).max:
        raise ValueError(f"BLAS takes sizes below 2**31; got ({m}, {k}) by ({k_b}, {n})")
    if min(m, n, k) > 0:
        gemm[real_t](trans_a, trans_b, m, n, k, <real_t> alpha, &a[0, 0], <int> a.shape[1],
                     &b[0, 0], <int> b.shape[1], <real_t> beta, &c[0, 0], <int> c.shape[1])
    elif min(m, n) > 0:  # nothing to sum: BLAS would return at once and leave c as it is
        result = np.asarray(c)
        result[:] = beta * result if beta != 0 else 0

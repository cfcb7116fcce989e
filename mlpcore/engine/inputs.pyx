"""What the first layer reads: rows of numbers in the form that the caller has them.

Rows are fetched as they are needed, so the caller's array is never copied as a whole.
"""

import numpy as np

from libc.stdint cimport uint8_t

from mlpcore.engine.typedefs cimport real_t


cdef extern from "simd/rows.h" nogil:
    void fetch_f32_f32 "MLP_PICK(fetch_f32, f32)" (const float*, Py_ssize_t, float*)
    void fetch_f32_f64 "MLP_PICK(fetch_f32, f64)" (const float*, Py_ssize_t, double*)
    void fetch_f64_f32 "MLP_PICK(fetch_f64, f32)" (const double*, Py_ssize_t, float*)
    void fetch_f64_f64 "MLP_PICK(fetch_f64, f64)" (const double*, Py_ssize_t, double*)
    void fetch_u8_f32 "MLP_PICK(fetch_u8, f32)" (
        const uint8_t*, Py_ssize_t, const float*, float*)
    void fetch_u8_f64 "MLP_PICK(fetch_u8, f64)" (
        const uint8_t*, Py_ssize_t, const double*, double*)

KINDS = {"float32": FLOAT32, "float64": FLOAT64, "uint8": UINT8}


cdef class Input:
    """Rows of features for a network of the given dtype.

    Parameters
    ----------
    X : ndarray of float32, float64 or uint8, shape (n_samples, n_features)
        Elements of a row must be adjacent; rows may lie any distance apart. Not copied.
    dtype : {"float32", "float64"}
        The network's; elements are converted to it row by row.
    """

    def __init__(self, X, dtype):
        if X.shape[1] > 1 and X.strides[1] != X.itemsize:
            raise ValueError("elements of a row must be adjacent")
        self._array = X
        self._table = np.arange(256, dtype=dtype)
        self.rows.kind = KINDS[X.dtype.name]
        self.rows.data = <const char*> <size_t> X.__array_interface__["data"][0]
        self.rows.row_bytes = X.strides[0]
        self.rows.n_rows, self.rows.n_features = X.shape
        self.rows.table = <const void*> <size_t> self._table.__array_interface__["data"][0]


cdef void fetch_row(const Rows* rows, Py_ssize_t i, real_t* out) noexcept nogil:
    cdef const char* row = rows.data + i * rows.row_bytes
    cdef Py_ssize_t n = rows.n_features
    if real_t is float:
        if rows.kind == FLOAT32:
            fetch_f32_f32(<const float*> row, n, out)
        elif rows.kind == FLOAT64:
            fetch_f64_f32(<const double*> row, n, out)
        else:
            fetch_u8_f32(<const uint8_t*> row, n, <const float*> rows.table, out)
    else:
        if rows.kind == FLOAT32:
            fetch_f32_f64(<const float*> row, n, out)
        elif rows.kind == FLOAT64:
            fetch_f64_f64(<const double*> row, n, out)
        else:
            fetch_u8_f64(<const uint8_t*> row, n, <const double*> rows.table, out)

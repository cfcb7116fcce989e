"""What the first layer reads: rows of numbers in the form that the caller has them."""

from mlpcore.engine.typedefs cimport real_t

cdef enum InputKind:
    FLOAT32
    FLOAT64
    UINT8

cdef struct Rows:
    InputKind kind
    const char* data
    Py_ssize_t row_bytes      # from one row to the next, as in ndarray.strides
    Py_ssize_t n_rows
    int n_features
    const void* table         # UINT8: the 256 numbers that the bytes stand for, as real_t

cdef class Input:
    cdef Rows rows
    cdef object _array, _table   # keep alive what `rows` points into

# One row as real_t, into the first n_features elements of out.
cdef void fetch_row(const Rows* rows, Py_ssize_t i, real_t* out) noexcept nogil

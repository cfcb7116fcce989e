"""What the first layer reads: rows of numbers in the form that the caller has them.

The first layer asks two things of its input, the way forward of some rows and the gradient of some
features. Dense rows answer with products of matrices, records by skipping the background.
"""

from libc.stdint cimport int64_t, uint16_t

from mlpcore.engine.typedefs cimport real_t

cdef extern from "simd/records.h" nogil:
    ctypedef struct Records "mlp_records":
        const int64_t* start
        const void* index
        const void* value
        const void* table
        int wide_index
        int coded

# Those that the engine names; all are in the header's table.
cdef extern from "simd/inputs.h" nogil:
    ctypedef enum InputKind "mlp_input_kind":
        FLOAT32 "MLP_float32"
        FLOAT64 "MLP_float64"
        UINT8 "MLP_uint8"
        RECORDS "MLP_packed"

cdef struct Rows:
    InputKind kind
    Py_ssize_t n_rows
    int n_features
    const char* data          # dense rows
    Py_ssize_t row_bytes      # from one row to the next, as in ndarray.strides
    const void* table         # what integers stand for, as real_t, from the place for 0
    Records records           # RECORDS: the entries, less the background
    double background

cdef class Input:
    cdef Rows rows
    cdef readonly str path
    cdef readonly object dtype
    cdef readonly double density
    cdef readonly bint seen_finite
    cdef object _keep         # what `rows` points into

# Dense rows as real_t, into the first n_features elements of rows of `out` that lie ld apart: those
# that `order` lists from `first` on, or those rows themselves.
cdef void fetch_rows(const Rows* rows, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n,
                     real_t* out, Py_ssize_t ld) noexcept nogil

# z += records @ W over features [start, stop), for the rows that `order` lists from `first` on, or
# for those rows themselves; the n_next rows in `next` are about to be wanted. cursor: room for one
# number per row.
cdef void records_forward(const Rows* rows, const Py_ssize_t* order, Py_ssize_t first,
                          Py_ssize_t n, const Py_ssize_t* next, Py_ssize_t n_next,
                          Py_ssize_t start, Py_ssize_t stop, const real_t* w, Py_ssize_t ld,
                          Py_ssize_t width, real_t* z, int64_t* cursor) noexcept nogil
# Move the rows' cursors to a feature.
cdef void records_seek(const Rows* rows, const Py_ssize_t* order, Py_ssize_t n, Py_ssize_t feature,
                       int64_t* cursor) noexcept nogil
# Transposed nonzeros: for each of some features a list of rows and values, and its length.
cdef struct Lists:
    void* entries
    int* count

# Make the lists of features [start, stop) for the rows that `order` lists, whose cursors stand at
# `start` and move to `stop`. A list has `slots` places, as many as there are rows or more.
cdef void records_turn(const Rows* rows, const Py_ssize_t* order, Py_ssize_t n, Py_ssize_t start,
                       Py_ssize_t stop, Py_ssize_t slots, Py_ssize_t ld, int64_t* cursor,
                       const Lists* lists, real_t tag) noexcept nogil
# gradient = first + records[:, features].T @ delta for some of those features, from number `place`
# on; rows of `first` lie first_row apart.
cdef void records_gradient(const Lists* lists, Py_ssize_t place, Py_ssize_t features,
                           Py_ssize_t slots, const real_t* delta, Py_ssize_t ld, Py_ssize_t width,
                           const real_t* first, Py_ssize_t first_row,
                           real_t* gradient) noexcept nogil
# W[f] += x * delta for one row's entries (f, x), and the sum of those x.
cdef void records_spread(const Rows* rows, Py_ssize_t row, const real_t* delta, Py_ssize_t width,
                         real_t* w, Py_ssize_t ld) noexcept nogil
cdef double records_sum(const Rows* rows, Py_ssize_t row, real_t tag) noexcept nogil

# Buffers for a few packed rows, which `pack_block` makes from dense ones in a forward pass.
cdef struct PackBuffers:
    int64_t* start
    uint16_t* index
    void* value
    void* row                 # one row as real_t

cdef void pack_block(const Rows* source, Py_ssize_t first, Py_ssize_t n, real_t background,
                     const PackBuffers* buffers, Rows* out) noexcept nogil

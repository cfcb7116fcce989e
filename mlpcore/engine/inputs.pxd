"""What the first layer reads: rows of numbers in the form that the caller has them.

The first layer needs two things from its input: the forward pass of some rows and the gradient of
some features. For dense rows these are products of matrices; packed rows skip the background.
"""

from libc.stdint cimport int64_t, uint16_t

from mlpcore.engine.typedefs cimport real_t

# The nonzeros of X - background in CSR format; the header explains the fields.
cdef extern from "simd/packed.h" nogil:
    ctypedef struct Packed "mlp_packed":
        const int64_t* start
        const void* index
        const void* value
        const void* table
        int wide_index
        int encoded

# The kinds that the engine names; the header's table has all.
cdef extern from "simd/inputs.h" nogil:
    ctypedef enum InputKind "mlp_input_kind":
        FLOAT32 "MLP_float32"
        FLOAT64 "MLP_float64"
        UINT8 "MLP_uint8"
        PACKED "MLP_packed"

cdef struct Rows:
    InputKind kind
    Py_ssize_t n_rows
    int n_features
    const char* data          # dense rows
    Py_ssize_t row_bytes      # from one row to the next, as in ndarray.strides
    const void* table         # lookup table of integers: real_t, and this is the element for 0
    Packed packed             # where kind is PACKED: the rows less the background
    double background

cdef class Input:
    cdef Rows rows
    cdef readonly str path
    cdef readonly object dtype
    cdef readonly double density
    cdef readonly bint seen_finite
    cdef object _arrays       # what `rows` points into

# Rows [start, stop) by themselves, of rows that must live as long.
cdef Rows rows_from(const Rows* rows, Py_ssize_t start, Py_ssize_t stop) noexcept nogil

# Dense rows as real_t, into the first n_features elements of rows of `out` that lie ld apart: those
# that `order` lists from `first` on, or those rows themselves.
cdef void fetch_rows(const Rows* rows, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n,
                     real_t* out, Py_ssize_t ld) noexcept nogil

# z += packed rows @ W over features [start, stop), for the n rows that `order` lists from `first`
# on, or, if it is NULL, for rows `first` and on. The n_next rows in `next` are prefetched, since
# they are read next. cursor: scratch, one number per row.
cdef void packed_forward(const Rows* rows, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n,
                         const Py_ssize_t* next, Py_ssize_t n_next, Py_ssize_t start,
                         Py_ssize_t stop, const real_t* w, Py_ssize_t ld, Py_ssize_t width,
                         real_t* z, int64_t* cursor) noexcept nogil
# Move the rows' cursors to their first nonzeros from a feature on.
cdef void packed_seek(const Rows* rows, const Py_ssize_t* order, Py_ssize_t n, Py_ssize_t feature,
                      int64_t* cursor) noexcept nogil

# Nonzeros transposed to CSC: a bucket of rows and values for each of some features.
cdef struct Buckets:
    void* items
    int* count                # items in each bucket

# Fill the buckets of features [start, stop) from the n rows that `order` lists, whose cursors stand
# at `start` and move to `stop`. A bucket holds up to `capacity` items, which is n or more.
cdef void packed_to_buckets(const Rows* rows, const Py_ssize_t* order, Py_ssize_t n,
                            Py_ssize_t start, Py_ssize_t stop, Py_ssize_t capacity, Py_ssize_t ld,
                            int64_t* cursor, const Buckets* buckets, real_t tag) noexcept nogil
# gradient = initial + packed rows[:, features].T @ delta for the features of some buckets, which
# are number `first` and on; rows of `initial` lie initial_ld apart.
cdef void bucket_gradient(const Buckets* buckets, Py_ssize_t first, Py_ssize_t features,
                          Py_ssize_t capacity, const real_t* delta, Py_ssize_t ld,
                          Py_ssize_t width, const real_t* initial, Py_ssize_t initial_ld,
                          real_t* gradient) noexcept nogil
# W[f] += x * delta for one row's nonzeros (f, x), and the sum of those x.
cdef void packed_scatter_add(const Rows* rows, Py_ssize_t row, const real_t* delta,
                             Py_ssize_t width, real_t* w, Py_ssize_t ld) noexcept nogil
cdef double packed_sum(const Rows* rows, Py_ssize_t row, real_t tag) noexcept nogil

# Pack n numbers: the columns of those that differ from the background, and their values less the
# background. Returns how many there are; both arrays have room for PACK_PADDING more.
cdef int64_t pack_numbers(const real_t* x, Py_ssize_t n, real_t background, uint16_t* index,
                          real_t* value) noexcept nogil

# Buffers for a block of packed rows, which `pack_block` makes from dense ones in a forward pass.
cdef struct PackBuffers:
    int64_t* start
    uint16_t* index
    void* value
    void* row                 # scratch for one dense row as real_t

# Rows [first, first + n) of a dense source, packed into the buffers; `out` describes them.
cdef void pack_block(const Rows* source, Py_ssize_t first, Py_ssize_t n, real_t background,
                     const PackBuffers* buffers, Rows* out) noexcept nogil

"""What the first layer reads: rows of numbers in the form that the caller has them.

There are two paths through the first layer. Dense rows are fetched as they are needed, so that the
caller's array is never copied as a whole, and multiplied as matrices. Where most entries equal one
background value (81 % of MNIST's pixels), only the others are stored, as packed sparse rows: they
take fewer operations than any dense product could.
"""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint16_t

from mlpcore.engine.blocking cimport SPARSE_FEATURE_BLOCK
from mlpcore.engine.packing cimport MAX_FEATURES, PackedRows, pack
from mlpcore.engine.registry cimport index_of
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.registry import INPUT_KINDS


cdef extern from "simd/inputs.h" nogil:
    void _fetch "MLP_FUSED(fetch)" (int, const char*, Py_ssize_t, const Py_ssize_t*, Py_ssize_t,
                                    Py_ssize_t, const void*, real_t*, Py_ssize_t)
    int64_t _pack "MLP_FUSED(pack)" (
        int, const void*, Py_ssize_t, double, const void*, uint16_t*, real_t*, uint8_t*)

cdef extern from "simd/sparse.h" nogil:
    void _sparse_forward "MLP_FUSED(sparse_forward)" (
        const Packed*, const Py_ssize_t*, Py_ssize_t, Py_ssize_t, const Py_ssize_t*, Py_ssize_t,
        Py_ssize_t, Py_ssize_t, Py_ssize_t, const real_t*, Py_ssize_t, Py_ssize_t, real_t*,
        int64_t*)
    void sparse_seek "MLP_PICK(sparse_seek, f32)" (
        const Packed*, const Py_ssize_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, int64_t*)
    void sparse_to_buckets_f32 "MLP_PICK(sparse_to_buckets, f32)" (
        const Packed*, const Py_ssize_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
        Py_ssize_t, int64_t*, void*, int*)
    void sparse_to_buckets_f64 "MLP_PICK(sparse_to_buckets, f64)" (
        const Packed*, const Py_ssize_t*, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t,
        Py_ssize_t, int64_t*, void*, int*)
    void _bucket_gradient "MLP_FUSED(bucket_gradient)" (
        const void*, const int*, Py_ssize_t, Py_ssize_t, Py_ssize_t, const real_t*, Py_ssize_t,
        Py_ssize_t, const real_t*, Py_ssize_t, real_t*)
    void _sparse_scatter_add "MLP_FUSED(sparse_scatter_add)" (
        const Packed*, Py_ssize_t, const real_t*, Py_ssize_t, real_t*, Py_ssize_t)
    double sparse_sum_f32 "MLP_PICK(sparse_sum, f32)" (const Packed*, Py_ssize_t)
    double sparse_sum_f64 "MLP_PICK(sparse_sum, f64)" (const Packed*, Py_ssize_t)

PATHS = ("auto", "dense", "sparse")

# Rows in which nonzeros are counted to estimate how many each feature has.
SAMPLED_ROWS = 512


cdef class Input:
    """Rows of features for a network of the given dtype.

    Parameters
    ----------
    X : ndarray of one of `mlpcore.engine.registry.INPUT_KINDS`, shape (n_samples, n_features), or
        scipy.sparse CSR
        Elements of a dense row must be adjacent; rows may lie any distance apart. Not copied,
        unless rows are packed. A sparse matrix must have sorted indices without duplicates.
    dtype : {"float32", "float64"}
        The network's; elements are converted to it as they are read.
    scale, offset : float, default=1.0 and 0.0
        For data of integers, where x stands for ``x * scale + offset``.
    path : {"auto", "dense", "sparse"}, default="dense"
        The path through the first layer. "auto" decides by the fraction of nonzeros.
    background : number, optional
        The number in X to skip on the sparse path, where it is the background of other rows as
        well; by default the most frequent one.
    n_threads : int, default=1
        For counting and packing.

    Attributes
    ----------
    path : {"dense", "sparse"}
    density : float
        Fraction of entries that differ from the background, where they were counted, else 1.
    background : float or None
        The number that is skipped, on the sparse path.
    seen_finite : bool
        Whether all numbers were seen to be finite, which is checked when dense rows are packed.
        Rows with other numbers stay dense, whatever `path` asks for.

    Raises
    ------
    ValueError
        If X would be misread or lead out of its memory.
    """

    def __init__(self, X, dtype, *, double scale=1.0, double offset=0.0, path="dense",
                 background=None, int n_threads=1):
        self.dtype = np.dtype(dtype)
        if self.dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype must be float32 or float64; got {self.dtype}")
        index_of(path, PATHS, "path")
        if n_threads < 1:
            raise ValueError(f"n_threads must be >= 1; got {n_threads}")
        self.density = 1.0
        if getattr(X, "format", None) == "csr":
            self._from_csr(X, self.dtype.name)
            return
        if not isinstance(X, np.ndarray) or isinstance(X, np.ma.MaskedArray):
            raise ValueError(f"X must be an array or a CSR matrix; got {type(X).__name__}")
        if X.ndim != 2 or X.dtype.name not in INPUT_KINDS or not X.dtype.isnative:
            raise ValueError(
                f"X must have rows of a dtype among {', '.join(INPUT_KINDS)}, in this machine's "
                f"byte order; got {X.dtype} of shape {X.shape}"
            )
        self._set_shape(X)
        if not X.flags.aligned:
            raise ValueError("elements must lie at multiples of their size in memory")
        if X.shape[1] > 1 and X.strides[1] != X.itemsize:
            raise ValueError("elements of a row must be adjacent")
        self.rows.kind = <InputKind> index_of(X.dtype.name, INPUT_KINDS, "the dtype of X")
        self.rows.data = <const char*> _address(X)
        self.rows.row_bytes = X.strides[0]
        self.path = "dense"
        # The lookup table of what each integer stands for, from the lowest one on.
        table, lowest = None, 0
        if X.dtype.kind != "f":
            lowest = np.iinfo(X.dtype).min
            table = np.arange(lowest, np.iinfo(X.dtype).max + 1, dtype=np.float64) * scale + offset
            converted = table.astype(dtype)
            self.rows.table = _address(converted[-lowest:])
        self._arrays = (X, None if table is None else converted)
        if path != "dense" and X.size > 0 and self.rows.n_features <= MAX_FEATURES:
            self._pack(X, self.dtype.name, table, lowest, background, path == "sparse", n_threads)

    def _set_shape(self, X):
        if X.shape[1] > np.iinfo(np.intc).max:
            raise ValueError(f"X must have less than 2**31 columns; got {X.shape[1]}")
        self.rows.n_rows, self.rows.n_features = X.shape

    def _from_csr(self, X, dtype):
        """Use a CSR matrix as it is; only arrays of another dtype are converted."""
        self._set_shape(X)
        start = np.ascontiguousarray(X.indptr, np.int64)
        if X.indices.dtype != np.int32 and X.nnz and X.indices.max() > np.iinfo(np.int32).max:
            raise ValueError("indices of X must lie below its number of columns")
        index = np.ascontiguousarray(X.indices, np.int32)
        value = np.ascontiguousarray(X.data, dtype)
        if len(start) != X.shape[0] + 1 or len(index) != len(value) or not _in_order(
                start, index, self.rows.n_features):
            raise ValueError(
                "X must be a whole CSR matrix with sorted indices and no duplicates; see its "
                "check_format and sum_duplicates"
            )
        self.density = X.nnz / max(1, X.shape[0] * X.shape[1])
        self._set_packed(start, index, value, None, 0.0)

    def _set_packed(self, start, index, value, table, double background):
        self.path = "sparse"
        self.rows.kind = PACKED
        self.rows.data = NULL
        self.rows.table = NULL
        self.rows.background = background
        self.rows.packed.start = <const int64_t*> _address(start)
        self.rows.packed.index = _address(index)
        self.rows.packed.value = _address(value)
        self.rows.packed.table = NULL if table is None else _address(table)
        self.rows.packed.wide_index = index.dtype == np.int32
        self.rows.packed.encoded = table is not None
        self._arrays = (start, index, value, table)

    def _pack(self, X, dtype, table, lowest, background, bint forced, int n_threads):
        """Replace X by packed rows, if it has a background."""
        cdef PackedRows packed = pack(
            X, dtype, table, lowest, background, forced, n_threads, _pack_row, &self.rows)
        if packed is None:
            return
        self.seen_finite = True
        self.density = packed.density
        self._set_packed(packed.start, packed.index, packed.value, packed.table, packed.background)

    @property
    def n_features(self):
        return self.rows.n_features

    @property
    def background(self):
        return self.rows.background if self.path == "sparse" else None

    def nonzeros_per_block(self, n_blocks):
        """Mean number of nonzeros of a row in each SPARSE_FEATURE_BLOCK, from a sample of rows."""
        start, index = self._arrays[:2]
        sampled = min(len(start) - 1, SAMPLED_ROWS)
        blocks = index[: start[sampled]] // SPARSE_FEATURE_BLOCK
        return np.bincount(blocks, minlength=n_blocks) / max(1, sampled)


cdef int64_t _pack_row(const void* source, Py_ssize_t i, double background, bint single,
                       uint16_t* index, char* value) noexcept nogil:
    """Pack one row of `source`, which is a Rows; see packing.pxd."""
    cdef const Rows* rows = <const Rows*> source
    cdef const char* row = rows.data + i * rows.row_bytes
    cdef Py_ssize_t n = rows.n_features
    if rows.kind == UINT8:   # bytes are indices of the lookup table themselves
        return _pack[float](UINT8, row, n, background, NULL, index, NULL, <uint8_t*> value)
    if single:
        return _pack[float](rows.kind, row, n, background, rows.table, index, <float*> value, NULL)
    return _pack[double](rows.kind, row, n, background, rows.table, index, <double*> value, NULL)


cdef bint _in_order(const int64_t[::1] start, const int[::1] index, Py_ssize_t n_features):
    """Whether each row's indices rise and lie below the number of features."""
    cdef Py_ssize_t row
    cdef int64_t at, stop
    cdef int last
    for row in range(start.shape[0] - 1):
        at, stop = start[row], start[row + 1]
        if not 0 <= at <= stop <= index.shape[0]:
            return False
        last = -1
        while at < stop:
            if not last < index[at] < n_features:
                return False
            last = index[at]
            at += 1
    return True


cdef const void* _address(array) except? NULL:
    return <const void*> <size_t> array.__array_interface__["data"][0]


cdef Rows rows_from(const Rows* rows, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Rows some = rows[0]
    some.n_rows = stop - start
    if rows.kind == PACKED:
        some.packed.start = rows.packed.start + start
    else:
        some.data = rows.data + start * rows.row_bytes
    return some


cdef void fetch_rows(const Rows* rows, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n,
                     real_t* out, Py_ssize_t ld) noexcept nogil:
    if order is NULL:
        _fetch(rows.kind, rows.data + first * rows.row_bytes, rows.row_bytes, NULL, n,
               rows.n_features, rows.table, out, ld)
    else:
        _fetch(rows.kind, rows.data, rows.row_bytes, order + first, n, rows.n_features, rows.table,
               out, ld)


cdef void packed_forward(const Rows* rows, const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t n,
                         const Py_ssize_t* next, Py_ssize_t n_next, Py_ssize_t start,
                         Py_ssize_t stop, const real_t* w, Py_ssize_t ld, Py_ssize_t width,
                         real_t* z, int64_t* cursor) noexcept nogil:
    _sparse_forward(&rows.packed, order, first, n, next, n_next, start, stop, rows.n_features, w,
                    ld, width, z, cursor)


cdef void packed_seek(const Rows* rows, const Py_ssize_t* order, Py_ssize_t n, Py_ssize_t feature,
                      int64_t* cursor) noexcept nogil:
    sparse_seek(&rows.packed, order, 0, n, feature, cursor)


cdef void packed_to_buckets(const Rows* rows, const Py_ssize_t* order, Py_ssize_t n,
                            Py_ssize_t start, Py_ssize_t stop, Py_ssize_t capacity, Py_ssize_t ld,
                            int64_t* cursor, const Buckets* buckets, real_t tag) noexcept nogil:
    if real_t is float:
        sparse_to_buckets_f32(&rows.packed, order, n, start, stop, capacity, ld, cursor,
                              buckets.items, buckets.count)
    else:
        sparse_to_buckets_f64(&rows.packed, order, n, start, stop, capacity, ld, cursor,
                              buckets.items, buckets.count)


cdef void bucket_gradient(const Buckets* buckets, Py_ssize_t first, Py_ssize_t features,
                          Py_ssize_t capacity, const real_t* delta, Py_ssize_t ld,
                          Py_ssize_t width, const real_t* initial, Py_ssize_t initial_ld,
                          real_t* gradient) noexcept nogil:
    _bucket_gradient(buckets.items, buckets.count, first, features, capacity, delta, ld, width,
                     initial, initial_ld, gradient)


cdef void packed_scatter_add(const Rows* rows, Py_ssize_t row, const real_t* delta,
                             Py_ssize_t width, real_t* w, Py_ssize_t ld) noexcept nogil:
    _sparse_scatter_add(&rows.packed, row, delta, width, w, ld)


cdef double packed_sum(const Rows* rows, Py_ssize_t row, real_t tag) noexcept nogil:
    if real_t is float:
        return sparse_sum_f32(&rows.packed, row)
    else:
        return sparse_sum_f64(&rows.packed, row)


cdef int64_t pack_numbers(const real_t* x, Py_ssize_t n, real_t background, uint16_t* index,
                          real_t* value) noexcept nogil:
    return _pack(FLOAT32 if real_t is float else FLOAT64, x, n, background, NULL, index, value,
                 NULL)


cdef void pack_block(const Rows* source, Py_ssize_t first, Py_ssize_t n, real_t background,
                     const PackBuffers* buffers, Rows* out) noexcept nogil:
    cdef Py_ssize_t i
    cdef InputKind own = FLOAT32 if real_t is float else FLOAT64
    cdef const real_t* row = <const real_t*> buffers.row
    cdef real_t* value = <real_t*> buffers.value
    out.kind, out.n_rows, out.n_features = PACKED, n, source.n_features
    out.background = background
    out.packed.start, out.packed.index = buffers.start, buffers.index
    out.packed.value = buffers.value
    out.packed.wide_index = out.packed.encoded = 0
    buffers.start[0] = 0
    for i in range(n):
        if source.kind == own:   # there is nothing to convert
            row = <const real_t*> (source.data + (first + i) * source.row_bytes)
        else:
            fetch_rows(source, NULL, first + i, 1, <real_t*> buffers.row, 0)
        buffers.start[i + 1] = buffers.start[i] + pack_numbers[real_t](
            row, source.n_features, background, buffers.index + buffers.start[i],
            value + buffers.start[i])

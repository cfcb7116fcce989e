"""Dense rows to packed sparse rows: the nonzeros of X - background, row by row (CSR)."""

from libc.stdint cimport int64_t, uint16_t

cdef enum:
    # Features that 16 bits can number.
    MAX_FEATURES = 65536

# Pack row i of a source: write the features that differ from the background to `index`, their
# values less the background to `value` (bytes as they are), and return their number.
ctypedef int64_t (*PackRow)(const void* source, Py_ssize_t i, double background, bint single,
                            uint16_t* index, char* value) noexcept nogil

cdef class PackedRows:
    cdef readonly object start, index, value, table
    cdef readonly double background, density

# Pack X; None if too few numbers equal the background (None: the most frequent number) or one is
# not finite. `table` holds what integers stand for, from `lowest` on. `pack_row` reads X through
# `source`.
cdef PackedRows pack(X, dtype, table, lowest, background, bint forced, int n_threads,
                     PackRow pack_row, const void* source)

"""Dense rows to packed sparse rows: the nonzeros of X - background, row by row (CSR)."""

from libc.stdint cimport int64_t, uint16_t

cdef enum:
    # Features that 16 bits can number.
    MOST_FEATURES = 65536

# Pack row i of a source: the features that differ from the background, into `index`, and their
# values less the background, into `value`; how many there are. Bytes are values as they are.
ctypedef int64_t (*PackRow)(const void* source, Py_ssize_t i, double background, bint single,
                            uint16_t* index, char* value) noexcept nogil

cdef class PackedRows:
    cdef readonly object start, index, value, table
    cdef readonly double background, density

# X packed, or None where it has too few equal numbers or one that is not finite. `table` holds what
# integers stand for, from `lowest` on, and `source` is what `pack_row` reads X from.
cdef PackedRows pack(X, dtype, table, lowest, bint forced, int n_threads, PackRow pack_row,
                     const void* source)

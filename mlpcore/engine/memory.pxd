"""Memory for the engine: arrays that start on a cache line."""

# Where an array's elements start.
cdef void* address(array) except? NULL

cdef class Arena:
    cdef dict _buffers
    # Zeros for `size` elements, kept under that name as long as the arena lives.
    cdef void* reserve(self, str name, Py_ssize_t size, dtype) except NULL

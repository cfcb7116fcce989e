"""Memory of the engine: arrays that start on a cache line."""

# The address of an array's first element.
cdef void* address(array) except? NULL

cdef class Arena:
    cdef dict _buffers
    # Allocate zeros for `size` elements, which live as long as the arena.
    cdef void* reserve(self, str name, Py_ssize_t size, dtype) except NULL
    # A copy of an array's numbers, which are adjacent in memory.
    cdef void* copy(self, str name, array) except NULL

"""Memory of the engine: arrays that start on a cache line."""

import numpy as np

from libc.string cimport memcpy

from mlpcore.engine.blocking cimport CACHE_LINE


def aligned_zeros(size, dtype):
    """Make an array of zeros that starts on a cache line.

    Parameters
    ----------
    size : int
    dtype : dtype

    Returns
    -------
    array : ndarray, shape (size,)
    """
    dtype = np.dtype(dtype)
    raw, offset = _zeros(size * dtype.itemsize)
    return raw[offset : offset + size * dtype.itemsize].view(dtype)


cdef tuple _zeros(Py_ssize_t n_bytes):
    """Bytes, and the first of them from which n_bytes start on a cache line."""
    raw = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    cdef const unsigned char[::1] view = raw
    return raw, (CACHE_LINE - <size_t> &view[0] % CACHE_LINE) % CACHE_LINE


cdef void* address(array) except? NULL:
    return <void*> <size_t> array.__array_interface__["data"][0]


cdef class Arena:
    """Buffers by name, which live as long as the arena.

    Each buffer is an allocation by itself, so that a sanitizer knows its bounds.
    """

    def __cinit__(self):
        self._buffers = {}

    cdef void* reserve(self, str name, Py_ssize_t size, dtype) except NULL:
        if name in self._buffers:
            raise ValueError(f"there is a buffer {name!r} already")
        cdef Py_ssize_t itemsize = np.dtype(dtype).itemsize
        raw, offset = _zeros(size * itemsize)
        cdef const unsigned char[::1] view = raw
        self._buffers[name] = raw
        return <void*> (&view[0] + <Py_ssize_t> offset)

    cdef void* copy(self, str name, array) except NULL:
        cdef void* numbers = self.reserve(name, array.size, array.dtype)
        memcpy(numbers, address(array), array.nbytes)
        return numbers

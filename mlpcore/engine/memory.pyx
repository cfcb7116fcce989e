"""Memory of the engine: arrays that start on a cache line."""

import numpy as np

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
    raw = np.zeros(size * dtype.itemsize + CACHE_LINE, np.uint8)
    start = -raw.__array_interface__["data"][0] % CACHE_LINE
    return raw[start : start + size * dtype.itemsize].view(dtype)


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
        self._buffers[name] = aligned_zeros(size, dtype)
        return address(self._buffers[name])

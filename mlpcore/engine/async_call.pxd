"""A Python function that runs in another thread of the system's, while the caller goes on."""

from cpython.pythread cimport PyThread_type_lock

from mlpcore.engine.team cimport Team

cdef class AsyncCall:
    cdef Team team
    cdef PyThread_type_lock done   # held while a function runs in the thread
    cdef bint running
    cdef object function, result, error
    cdef _finish(self)
    cdef _call(self)

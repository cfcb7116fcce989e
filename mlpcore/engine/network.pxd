"""A network: its layers, and its parameters in one block of memory."""

from mlpcore.engine.layout cimport Layout
from mlpcore.engine.prediction cimport OneRow

cdef class Network:
    cdef Layout layout
    cdef void* theta          # address of `parameters`
    cdef readonly object parameters, coefs, intercepts, dtype
    cdef readonly object n_units
    cdef object _background
    cdef OneRow _one_row      # None after a change of the parameters
    cdef int _classify(self, x, void* outputs) except -2

"""A network: its layers, and its parameters in one block of memory."""

from mlpcore.engine.layout cimport Layout
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.prediction cimport OneRow, Wanted

cdef class Network:
    cdef Layout layout
    cdef void* theta          # address of `parameters`
    cdef readonly object parameters, coefs, intercepts, dtype
    cdef readonly object n_units
    cdef object _background
    cdef object _team_size    # the number of threads for predictions, chosen by what each took
    cdef OneRow _one_row      # None after a change of the parameters
    cdef _predict(self, Input X, int n_threads, Wanted wanted)
    cdef int _classify(self, x, void* outputs) except -2

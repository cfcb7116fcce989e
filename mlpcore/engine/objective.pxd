"""Loss and gradient of all rows, for full-batch methods such as L-BFGS."""

from mlpcore.engine.trainer cimport Trainer

cdef class Objective:
    cdef Trainer _trainer
    cdef double _l1, _l2, _total
    cdef bint _average
    cdef object _order, _weights, _factors

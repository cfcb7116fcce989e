"""Prediction of many rows by threads, and of one row by a fast path."""

from cpython.pythread cimport PyThread_type_lock

from mlpcore.engine.blocks cimport ForwardPass
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.layout cimport Layout

# The results that a prediction can have for each row.
cdef enum Wanted:
    LOGITS                    # pre-activations of the outputs
    OUTPUTS
    CLASSES

# Predict each row; network.Network describes the results; team_size is a TeamSize.
cdef predict(const Layout* layout, const void* theta, background, Input X, int n_threads,
             Wanted wanted, team_size)

cdef class OneRow:
    cdef ForwardPass _forward
    cdef PyThread_type_lock _lock
    # The class of one row, or -1. Its outputs go to `outputs` unless that is NULL.
    cdef int classify(self, x, void* outputs) except -2

# The fast path for one row, with the present parameters.
cdef OneRow one_row(const Layout* layout, const void* theta, background)

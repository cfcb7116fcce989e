"""Prediction: of many rows by threads, and of one row without anything that takes long."""

from cpython.pythread cimport PyThread_type_lock

from mlpcore.engine.blocks cimport ForwardPass
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.layout cimport Layout

# What is wanted of rows.
cdef enum Wanted:
    LOGITS                    # pre-activations of the outputs
    OUTPUTS
    CLASSES

# Of each row, in an array; see network.Network for what they are. team_size: a TeamSize.
cdef predict(const Layout* layout, const void* theta, background, Input X, int n_threads,
             Wanted wanted, team_size)

cdef class OneRow:
    cdef ForwardPass _forward
    cdef PyThread_type_lock _lock
    # The class of one row, or -1; its outputs go where there is a place for them.
    cdef int classify(self, x, void* outputs) except -2

# What one row needs, for the parameters as they are.
cdef OneRow one_row(const Layout* layout, const void* theta, background)

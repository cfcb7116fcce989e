"""Training: epochs of steps, and the evaluation."""

from mlpcore.engine.inputs cimport Input
from mlpcore.engine.network cimport Network
from mlpcore.engine.step cimport Plan
from mlpcore.engine.team cimport Team

cdef class Trainer:
    cdef Plan plan
    cdef readonly Network network
    cdef readonly object state
    cdef Input _train, _valid
    cdef int[::1] _train_labels, _valid_labels
    cdef Team _team, _evaluators
    cdef object _buffers, _exits

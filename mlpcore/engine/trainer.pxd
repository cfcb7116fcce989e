"""Training: epochs of steps."""

from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.network cimport Layer, Network
from mlpcore.engine.step cimport Plan
from mlpcore.engine.team cimport Team

# An epoch, for the threads.
cdef struct Job:
    Plan* plan
    void* theta
    bint single
    const Py_ssize_t* order
    Py_ssize_t n

cdef class Trainer:
    cdef Plan plan
    cdef Layer* _layers       # the network's, with room for what only training needs
    cdef readonly Network network
    cdef readonly object state
    cdef Input _train, _valid
    cdef TargetRows _targets, _valid_targets
    cdef bint _keep_last
    cdef Team _team, _evaluators
    cdef Job _job
    cdef object _buffers, _exits

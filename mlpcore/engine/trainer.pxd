"""Training: epochs of steps."""

from mlpcore.engine.distortion cimport DistortedRows
from mlpcore.engine.evaluation cimport Evaluator
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.network cimport Network
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.team cimport Team

# What the threads need for an epoch. They work on it in rounds, between which their number may
# change.
cdef struct Epoch:
    Plan* plan
    void* theta
    const Py_ssize_t* order
    Py_ssize_t n
    Py_ssize_t start, stop    # the rows of this round

cdef class Trainer:
    cdef Plan plan
    cdef readonly Network network
    cdef readonly object state, averaged
    cdef Input _train, _valid
    cdef DistortedRows _images
    cdef TargetRows _targets, _valid_targets
    cdef bint _keep_last
    cdef Team _team
    cdef Evaluator _evaluator
    cdef Arena _arena         # the memory of the plan
    cdef Epoch _epoch
    cdef int _first_size      # the number of threads to begin with
    cdef object _size         # chooses the number of threads
    cdef object _exits

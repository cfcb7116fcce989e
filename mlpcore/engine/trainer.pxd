"""Training: epochs of steps."""

from mlpcore.engine.distortion cimport DistortedRows
from mlpcore.engine.evaluation cimport Evaluator
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.network cimport Network
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.rounds cimport Rounds
from mlpcore.engine.team cimport Team

cdef class Trainer:
    cdef Plan plan
    cdef readonly Network network
    cdef readonly object state, averaged
    cdef Input _train, _valid
    cdef DistortedRows _images
    cdef TargetRows _targets, _valid_targets
    cdef Input _replaced      # what the plan's rows are in, where they are not `_train`
    cdef double _smoothing
    cdef bint _keep_last
    cdef Team _team
    cdef Evaluator _evaluator
    cdef Arena _arena         # the memory of the plan
    cdef Rounds _rounds
    cdef object _rates        # what the plan's learning rates point into
    cdef Py_ssize_t _steps_left, _rows_trained   # of this epoch
    cdef int _first_size      # the number of threads to begin with
    cdef object _exits
    cdef Py_ssize_t _steps(self, Py_ssize_t n)

"""Loss and correct predictions of many rows, with the parameters as they are."""

from mlpcore.engine.blocks cimport ForwardPass
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.network cimport Network
from mlpcore.engine.team cimport Team

cdef class Evaluator:
    cdef Team team
    cdef ForwardPass _forward
    cdef object _size         # the number of threads, chosen by what each took
    # The losses of all rows summed up (0 unless they are wanted), and the rows predicted right.
    cdef evaluate(self, Input rows, TargetRows targets, bint wants_loss)

# Evaluation by a team, of up to `capacity` rows at a time, in `work`; see blocks.forward_pass.
cdef Evaluator evaluator(Network network, Team team, Py_ssize_t capacity, void* work)

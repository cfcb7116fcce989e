"""Loss and correct predictions of many rows, with the parameters as they are."""

from mlpcore.engine.blocks cimport ForwardPass
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.network cimport Network
from mlpcore.engine.team cimport Team

cdef class Evaluator:
    cdef Team team
    cdef ForwardPass _forward
    cdef object _size         # chooses the number of threads
    # The losses of the blocks of rows (0 unless they are wanted), to be summed in this order, and
    # the number of correct predictions; and those of rows [start, stop).
    cdef evaluate(self, Input rows, TargetRows targets, bint wants_loss)
    cdef evaluate_rows(self, Input rows, TargetRows targets, bint wants_loss, Py_ssize_t start,
                       Py_ssize_t stop)

# Make an evaluator for a team and up to `capacity` rows at a time, in `work`; see
# blocks.forward_pass.
cdef Evaluator evaluator(Network network, Team team, Py_ssize_t capacity, void* work)

"""Loss and correct predictions of many rows, with the parameters as they are."""

import numpy as np

from mlpcore.engine.blocking cimport EVALUATION_ROW_BLOCK
from mlpcore.engine.blocks cimport Block, forward_pass
from mlpcore.engine.inputs cimport Input, Rows, rows_from
from mlpcore.engine.kernels cimport argmax
from mlpcore.engine.layout cimport Layer, Layout
from mlpcore.engine.losses cimport TargetRows, Targets, row_loss
from mlpcore.engine.memory cimport address
from mlpcore.engine.network cimport Network
from mlpcore.engine.status cimport OK, Status
from mlpcore.engine.team cimport Team, clock
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.team_size import TeamSize

# For Python: pieces of this many rows each have the sums of all rows together.
BLOCK_ROWS = EVALUATION_ROW_BLOCK

cdef struct Evaluation:
    const Layout* layout
    const Targets* targets
    Py_ssize_t first          # the number of the first row
    bint wants_loss
    double* losses            # the sum of each block
    Py_ssize_t* n_correct     # the number of each block


cdef Evaluator evaluator(Network network, Team team, Py_ssize_t capacity, void* work):
    """Allocate the buffers."""
    cdef Evaluator evaluator = Evaluator()
    evaluator.team = team
    evaluator._forward = forward_pass(&network.layout, network.theta, None, team.n_threads,
                                      capacity, work)
    return evaluator


cdef class Evaluator:
    """Buffers for evaluation; `evaluator` makes them."""

    cdef evaluate(self, Input rows, TargetRows targets, bint wants_loss):
        return self.evaluate_rows(rows, targets, wants_loss, 0, rows.rows.n_rows)

    cdef evaluate_rows(self, Input rows, TargetRows targets, bint wants_loss, Py_ssize_t start,
                       Py_ssize_t stop):
        cdef Evaluation evaluation
        cdef Rows some = rows_from(&rows.rows, start, stop)
        blocks = (some.n_rows + EVALUATION_ROW_BLOCK - 1) // EVALUATION_ROW_BLOCK
        losses, n_correct = np.zeros(blocks), np.zeros(blocks, np.intp)
        evaluation.layout, evaluation.targets = self._forward.job.layout, &targets.targets
        evaluation.first = start
        evaluation.wants_loss, evaluation.losses = wants_loss, <double*> address(losses)
        evaluation.n_correct = <Py_ssize_t*> address(n_correct)
        if self._size is None:
            self._size = TeamSize(self.team.n_threads)
        size, _ = self._size.choose()
        begin = clock()
        self._forward.for_each_block(self.team, size, &some, _add_block, &evaluation)
        self._size.record(size, clock() - begin, some.n_rows)
        # One fixed order, so that the sum has the same bits for any number of threads.
        return losses.tolist(), int(n_correct.sum())


cdef Status _add_block(void* consumer, const Block* block) noexcept nogil:
    cdef Evaluation* evaluation = <Evaluation*> consumer
    if evaluation.layout.single:
        _evaluate_block(evaluation, block, <float*> block.z)
    else:
        _evaluate_block(evaluation, block, <double*> block.z)
    return OK


cdef void _evaluate_block(Evaluation* evaluation, const Block* block, real_t* z) noexcept nogil:
    """Loss and correct predictions of a block of rows."""
    cdef const Layout* layout = evaluation.layout
    cdef const Layer* last = &layout.layers[layout.n_layers - 1]
    cdef const int* labels = evaluation.targets.labels
    cdef Py_ssize_t number = block.first // EVALUATION_ROW_BLOCK, row, i
    cdef double loss = 0
    cdef Py_ssize_t n_correct = 0
    for i in range(block.rows):
        row = evaluation.first + block.first + i
        if labels is not NULL:
            n_correct += argmax[real_t](z, last.n_out) == labels[row]
        if evaluation.wants_loss:
            loss += row_loss[real_t](&layout.loss, evaluation.targets, row, z, last.n_out,
                                     last.width, <real_t*> block.buffers.row)
        z += last.ld
    evaluation.losses[number], evaluation.n_correct[number] = loss, n_correct

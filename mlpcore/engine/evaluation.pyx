"""Loss and hits of many rows, with the parameters as they are."""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals

from mlpcore.engine.inputs cimport RECORDS, Input, Rows
from mlpcore.engine.kernels cimport argmax
from mlpcore.engine.losses cimport TargetRows, Targets, row_loss
from mlpcore.engine.network cimport (
    BLOCK,
    Layer,
    Network,
    chunk_sums,
    forward,
    forward_first,
    start_of_sums,
)
from mlpcore.engine.step cimport Plan
from mlpcore.engine.team cimport (
    SECONDS_BETWEEN_SIGNALS,
    Barrier,
    Team,
    barrier_stopped,
    barrier_take,
    clock,
)
from mlpcore.engine.typedefs cimport real_t


cdef evaluate_rows(Plan* plan, Network network, Team team, Input rows, TargetRows targets,
                   bint wanted):
    """The losses of all rows summed up (0 unless they are wanted), and the rows predicted right."""
    cdef Evaluation evaluation = Evaluation(network, rows.rows.n_rows)
    cdef Job* job = &evaluation.job
    job.plan, job.barrier, job.rows, job.targets = plan, team.barrier, &rows.rows, &targets.targets
    job.wanted = wanted
    if network.single:
        _start_of_blocks[float](plan, <float*> network.theta, job.rows)
    else:
        _start_of_blocks[double](plan, <double*> network.theta, job.rows)
    team.share_out(_part, job, evaluation.lead)
    # One fixed order, so that the sum has the same bits for any number of threads.
    return sum(evaluation.losses.tolist()), int(evaluation.hits.sum())


# What the threads work on together.
cdef struct Job:
    Plan* plan
    const Layer* layers   # not the plan's, whose workspace has room for slopes
    const void* theta
    bint single
    Barrier* barrier
    const Rows* rows
    const Targets* targets
    bint wanted
    double* losses        # of each block
    Py_ssize_t* hits


cdef class Evaluation:
    """The same with what it points into, and the calling thread's part."""
    cdef Job job
    cdef object losses, hits

    def __cinit__(self, Network network, Py_ssize_t n_rows):
        cdef Py_ssize_t blocks = (n_rows + BLOCK - 1) // BLOCK
        self.losses, self.hits = np.zeros(blocks), np.zeros(blocks, np.intp)
        cdef double[::1] losses = self.losses
        cdef Py_ssize_t[::1] hits = self.hits
        self.job.losses, self.job.hits = &losses[0], &hits[0]
        self.job.layers, self.job.theta, self.job.single = \
            network.layers, network.theta, network.single

    def lead(self):
        cdef bint more = True
        while more:
            with nogil:
                more = _some_blocks(&self.job, 0, clock() + SECONDS_BETWEEN_SIGNALS)
            PyErr_CheckSignals()


cdef void _part(void* job, int thread) noexcept nogil:
    _some_blocks(<Job*> job, thread, 1e300)


cdef void _start_of_blocks(Plan* plan, const real_t* theta, const Rows* source) noexcept nogil:
    """What the first layer's sums start from."""
    cdef const Layer* first = plan.layers
    cdef real_t* sums = <real_t*> plan.sums
    if source.kind == RECORDS and source.background != 0:
        chunk_sums(first, theta, 0, first.n_in, sums)
    start_of_sums[real_t](first, theta, source, sums, <real_t*> plan.start)


cdef bint _some_blocks(Job* job, int thread, double deadline) noexcept nogil:
    """Blocks until the deadline or none is left; whether there may be more."""
    if job.single:
        return _blocks[float](job, <const float*> job.theta, thread, deadline)
    return _blocks[double](job, <const double*> job.theta, thread, deadline)


cdef bint _blocks(Job* job, const real_t* theta, int thread, double deadline) noexcept nogil:
    cdef Plan* plan = job.plan
    cdef const Rows* source = job.rows
    cdef const int* labels = job.targets.labels
    cdef const Layer* last = &job.layers[plan.n_layers - 1]
    cdef real_t* work = <real_t*> plan.work + thread * BLOCK * plan.forward_width
    cdef real_t* room = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef real_t* z
    cdef Py_ssize_t block, start, rows, i
    cdef int j
    while not barrier_stopped(job.barrier):
        block = barrier_take(job.barrier)
        start = block * BLOCK
        if start >= source.n_rows:  # mutant: skip the last block of rows
            return False
        rows = min(BLOCK, source.n_rows - start)
        forward_first[real_t](job.layers, theta, source, NULL, start, rows,
                              NULL, min(BLOCK, source.n_rows - start - rows),
                              <const real_t*> plan.start, plan.cursor + thread * plan.cursor_size,
                              work, BLOCK, 0)
        for j in range(1, plan.n_layers):
            forward(&job.layers[j], theta, work, BLOCK, 0, rows)
        for i in range(rows):
            z = work + BLOCK * last.a + i * last.ld
            if labels is not NULL:
                job.hits[block] += argmax[real_t](z, last.n_out) == labels[start + i]
            if job.wanted:
                job.losses[block] += row_loss[real_t](&plan.loss, job.targets, start + i, z,
                                                      last.n_out, last.width, room)
        if clock() > deadline:
            return True
    return False

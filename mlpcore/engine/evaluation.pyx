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
    blocks = (rows.rows.n_rows + BLOCK - 1) // BLOCK
    losses, hits = np.zeros(blocks), np.zeros(blocks, np.intp)
    cdef Job job = Job()
    job.plan, job.barrier, job.rows, job.targets = plan, team.barrier, &rows.rows, &targets.targets
    # Not the plan's layers, whose workspace has room for slopes.
    job.layers, job.wanted, job.losses, job.hits = \
        network.layers, wanted, losses, hits
    if network.single:
        _start_of_blocks[float](plan, <float*> network.theta, job.rows)
        team.run(lambda thread: _blocks[float](job, <float*> network.theta, thread))
    else:
        _start_of_blocks[double](plan, <double*> network.theta, job.rows)
        team.run(lambda thread: _blocks[double](job, <double*> network.theta, thread))
    # One fixed order, so that the sum has the same bits for any number of threads.
    return sum(losses.tolist()), int(hits.sum())


cdef class Job:
    """What the threads work on together."""
    cdef Plan* plan
    cdef const Layer* layers
    cdef Barrier* barrier
    cdef const Rows* rows
    cdef const Targets* targets
    cdef bint wanted
    cdef double[::1] losses
    cdef Py_ssize_t[::1] hits


cdef void _start_of_blocks(Plan* plan, const real_t* theta, const Rows* source) noexcept nogil:
    """What the first layer's sums start from."""
    cdef const Layer* first = plan.layers
    cdef real_t* sums = <real_t*> plan.sums
    if source.kind == RECORDS and source.background != 0:
        chunk_sums(first, theta, 0, first.n_in, sums)
    start_of_sums[real_t](first, theta, source, sums, <real_t*> plan.start)


cdef _blocks(Job job, const real_t* theta, int thread):
    """Evaluate blocks of rows until none is left."""
    cdef bint more = True
    cdef double deadline
    while more:
        deadline = clock() + SECONDS_BETWEEN_SIGNALS if thread == 0 else 1e300
        with nogil:
            more = _some_blocks(job, theta, thread, deadline)
        if thread == 0:
            PyErr_CheckSignals()


cdef bint _some_blocks(Job job, const real_t* theta, int thread, double deadline) noexcept nogil:
    """Blocks until the deadline; whether there may be more."""
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
        if start >= source.n_rows:
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

"""The forward pass of many rows, block by block: for prediction and for evaluation.

Blocks go to whichever thread is free. The results of a block do not depend on the thread, and sums
over rows are made block by block.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint16_t

cimport mlpcore.engine.layers.blas as blas
cimport mlpcore.engine.layers.dense as dense
cimport mlpcore.engine.layers.sparse as sparse
from mlpcore.engine.blocking cimport EVALUATION_ROW_BLOCK, PACK_PADDING, SPARSE_FEATURE_BLOCK
from mlpcore.engine.inputs cimport PACKED, Rows, pack_block
from mlpcore.engine.layout cimport BLAS, Layer, Layout
from mlpcore.engine.memory cimport Arena
from mlpcore.engine.packing cimport MAX_FEATURES
from mlpcore.engine.status cimport OK, Status
from mlpcore.engine.team cimport (
    SECONDS_BETWEEN_SIGNALS,
    Team,
    clock,
    team_stop,
    team_stopped,
    team_take,
)
from mlpcore.engine.typedefs cimport real_t


cdef ForwardPass forward_pass(const Layout* layout, const void* theta, background, int n_threads,
                              Py_ssize_t capacity, void* work=NULL):
    """Allocate the buffers."""
    cdef ForwardPass forward = ForwardPass()
    cdef ForwardJob* job = &forward.job
    cdef Arena arena = Arena()
    cdef const Layer* first = layout.layers
    cdef const Layer* last = &layout.layers[layout.n_layers - 1]
    cdef Py_ssize_t blocks = (first.n_in + SPARSE_FEATURE_BLOCK - 1) // SPARSE_FEATURE_BLOCK
    cdef Py_ssize_t size = capacity * layout.forward_width, nonzeros
    cdef BlockBuffers* buffers
    cdef int i
    dtype = np.float32 if layout.single else np.float64
    forward._arena = arena
    job.layout, job.theta = layout, theta
    job.packs = background is not None and first.n_in <= MAX_FEATURES
    job.background = background if job.packs else 0.0
    job.block_sums = arena.reserve("block_sums", blocks * first.ld, dtype)
    job.initial = arena.reserve("initial", first.ld, dtype)
    job.buffers = <BlockBuffers*> arena.reserve("buffers", n_threads * sizeof(BlockBuffers), "u1")
    nonzeros = capacity * first.n_in + PACK_PADDING if job.packs else 0
    if work is NULL:
        work = arena.reserve("work", n_threads * size, dtype)
    for i in range(n_threads):
        buffers = &job.buffers[i]
        buffers.capacity = capacity
        buffers.work = <char*> work + i * size * (4 if layout.single else 8)
        buffers.cursor = <int64_t*> arena.reserve(f"cursor {i}", capacity, np.int64)
        buffers.row = arena.reserve(f"row {i}", last.ld, dtype)
        buffers.packed.start = <int64_t*> arena.reserve(f"start {i}", capacity + 1, np.int64)
        buffers.packed.index = <uint16_t*> arena.reserve(f"index {i}", nonzeros, np.uint16)
        buffers.packed.value = arena.reserve(f"value {i}", nonzeros, dtype)
        buffers.packed.row = arena.reserve(f"dense {i}", first.ld_in, dtype)
    return forward


cdef class ForwardPass:
    """Buffers for the forward pass of blocks of rows; `forward_pass` makes them."""

    cdef Status for_each_block(self, Team team, int size, const Rows* rows, Consume consume,
                               void* consumer) except *:
        cdef ForwardJob* job = &self.job
        cdef int i
        job.rows, job.team, job.consume, job.consumer = rows, team.state, consume, consumer
        job.ready = False
        refresh_initial(job, rows)
        for i in range(team.state.capacity):
            job.buffers[i].status = OK
        team.execute(size, _all_blocks, job, self._lead)
        for i in range(team.state.capacity):
            if job.buffers[i].status != OK:
                return job.buffers[i].status
        return OK

    def _lead(self):
        """The work of the calling thread, which looks for signals between blocks."""
        cdef bint more = True
        while more:
            with nogil:
                more = _some_blocks(&self.job, 0, clock() + SECONDS_BETWEEN_SIGNALS)
            PyErr_CheckSignals()


cdef void _all_blocks(void* job, int thread) noexcept nogil:
    _some_blocks(<ForwardJob*> job, thread, 1e300)


cdef bint _some_blocks(ForwardJob* job, int thread, double deadline) noexcept nogil:
    """Work on blocks until the deadline or none is left; returns whether there may be more."""
    cdef Block block
    cdef Status status
    cdef Py_ssize_t first
    while not team_stopped(job.team):
        first = team_take(job.team) * EVALUATION_ROW_BLOCK
        if first >= job.rows.n_rows:  # mutant: skip the last block of rows
            return False
        forward_block(job, job.rows, thread, first,
                      min(EVALUATION_ROW_BLOCK, job.rows.n_rows - first), &block)
        status = job.consume(job.consumer, &block)
        if status != OK:
            job.buffers[thread].status = status
            team_stop(job.team)
            return False
        if clock() > deadline:
            return True
    return False


cdef void forward_block(ForwardJob* job, const Rows* source, int thread, Py_ssize_t first,
                        Py_ssize_t rows, Block* block) noexcept nogil:
    cdef BlockBuffers* buffers = &job.buffers[thread]
    cdef Py_ssize_t a = job.layout.layers[job.layout.n_layers - 1].a
    block.first, block.rows, block.buffers = first, rows, buffers
    if job.layout.single:
        _forward(job, <const float*> job.theta, source, buffers, first, rows)
        block.z = <float*> buffers.work + buffers.capacity * a
    else:
        _forward(job, <const double*> job.theta, source, buffers, first, rows)
        block.z = <double*> buffers.work + buffers.capacity * a


cdef void _forward(const ForwardJob* job, const real_t* theta, const Rows* source,
                   BlockBuffers* buffers, Py_ssize_t first, Py_ssize_t rows) noexcept nogil:
    """Take some rows through all layers."""
    cdef const Layer* layers = job.layout.layers
    cdef const real_t* initial = <const real_t*> job.initial
    cdef real_t* work = <real_t*> buffers.work
    cdef Rows packed
    cdef int i
    if source.kind == PACKED:
        sparse.forward(layers, theta, source, NULL, first, rows, NULL,
                       min(EVALUATION_ROW_BLOCK, source.n_rows - first - rows), initial,
                       buffers.cursor, work, buffers.capacity, 0)
    elif job.packs:
        pack_block[real_t](source, first, rows, <real_t> job.background, &buffers.packed, &packed)
        sparse.forward(layers, theta, &packed, NULL, 0, rows, NULL, 0, initial, buffers.cursor,
                       work, buffers.capacity, 0)
    else:
        dense.fetch(layers, source, NULL, first, rows, work, 0)
        _forward_layer(layers, theta, work, buffers.capacity, rows)
    for i in range(1, job.layout.n_layers):
        _forward_layer(&layers[i], theta, work, buffers.capacity, rows)


cdef void _forward_layer(const Layer* layer, const real_t* theta, real_t* work,
                         Py_ssize_t capacity, Py_ssize_t rows) noexcept nogil:
    if layer.kind == BLAS:
        blas.forward(layer, theta, work, capacity, 0, rows)
    else:
        dense.forward(layer, theta, work, capacity, 0, rows)


cdef void refresh_initial(ForwardJob* job, const Rows* rows) noexcept nogil:
    cdef double background = rows.background if rows.kind == PACKED else job.background
    if job.ready or rows.kind != PACKED and not job.packs:
        return
    if job.layout.single:
        _initial(job, <const float*> job.theta, background)
    else:
        _initial(job, <const double*> job.theta, background)
    # Biases alone are copied each time, since the caller may have written to them.
    job.ready = background != 0


cdef void _initial(ForwardJob* job, const real_t* theta, double background) noexcept nogil:
    cdef const Layer* first = job.layout.layers
    cdef real_t* sums = <real_t*> job.block_sums
    if background != 0:
        sparse.sum_blocks(first, theta, 0, first.n_in, sums)
    sparse.initial_accumulator(first, theta, background, <const real_t*> sums,
                               <real_t*> job.initial)

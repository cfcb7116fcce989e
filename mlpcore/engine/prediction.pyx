"""Prediction of many rows by threads, and of one row by a fast path."""

import contextlib

import numpy as np

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_STRIDES,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.pythread cimport (
    NOWAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)
from libc.string cimport memcpy

from mlpcore.engine.blocking cimport EVALUATION_ROW_BLOCK
from mlpcore.engine.blocks cimport (
    Block,
    BlockBuffers,
    ForwardJob,
    ForwardPass,
    forward_block,
    forward_pass,
    refresh_initial,
)
from mlpcore.engine.inputs cimport FLOAT32, FLOAT64, PACKED, UINT8, Input, Rows
from mlpcore.engine.kernels cimport all_finite, argmax
from mlpcore.engine.layout cimport Layer, Layout, uses_blas
from mlpcore.engine.losses cimport output as to_outputs
from mlpcore.engine.memory cimport address
from mlpcore.engine.status cimport NON_FINITE, OK, Status
from mlpcore.engine.team cimport Team, clock
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.blas_threads import single_threaded_blas
from mlpcore.engine.team_size import worthwhile

cdef struct Prediction:
    const ForwardJob* job
    Wanted wanted
    void* z                   # rows of logits or outputs, without padding
    Py_ssize_t* index


cdef predict(const Layout* layout, const void* theta, background, Input X, int n_threads,
             Wanted wanted, team_size):
    """The wanted result for each row; ValueError if one is not finite."""
    cdef const Layer* last = &layout.layers[layout.n_layers - 1]
    cdef Py_ssize_t n = X.rows.n_rows
    cdef Py_ssize_t blocks = (n + EVALUATION_ROW_BLOCK - 1) // EVALUATION_ROW_BLOCK
    cdef Prediction prediction
    cdef Status status = OK
    most = worthwhile(n * <double> layout.size, min(n_threads, blocks))
    size = min(most, team_size.choose()[0])
    cdef Team team = Team(size)
    cdef ForwardPass forward = forward_pass(layout, theta, background, team.n_threads,
                                            min(EVALUATION_ROW_BLOCK, n))
    if wanted == CLASSES:
        result = np.empty(n, np.intp)
    else:
        result = np.empty((n, last.n_out), X.dtype)
    prediction.job, prediction.wanted = &forward.job, wanted
    prediction.z, prediction.index = address(result), <Py_ssize_t*> address(result)
    hold = single_threaded_blas if uses_blas(layout) else contextlib.nullcontext
    begin = clock()
    with team, hold():
        status = forward.for_each_block(team, size, &X.rows, _store, &prediction)
    if most > 1:
        team_size.record(size, clock() - begin, n)
    if status == NON_FINITE:
        raise ValueError(f"X must be finite as {X.dtype}")
    return result


cdef Status _store(void* consumer, const Block* block) noexcept nogil:
    cdef Prediction* prediction = <Prediction*> consumer
    if prediction.job.layout.single:
        return _store_block(prediction, block, <float*> block.z)
    return _store_block(prediction, block, <double*> block.z)


cdef Status _store_block(Prediction* prediction, const Block* block, real_t* z) noexcept nogil:
    """Store the wanted results of a block of rows, unless a number was not finite."""
    cdef const Layout* layout = prediction.job.layout
    cdef const Layer* last = &layout.layers[layout.n_layers - 1]
    cdef real_t* out = <real_t*> prediction.z + block.first * last.n_out
    cdef Py_ssize_t i
    if not _finite(prediction.job, prediction.job.rows, block, z):
        return NON_FINITE
    for i in range(block.rows):
        if prediction.wanted == CLASSES:
            prediction.index[block.first + i] = argmax[real_t](z + i * last.ld, last.n_out)
            continue
        if prediction.wanted == OUTPUTS:
            to_outputs[real_t](&layout.loss, z + i * last.ld, last.n_out, last.width)
        memcpy(out + i * last.n_out, z + i * last.ld, last.n_out * sizeof(real_t))
    return OK


cdef bint _finite(const ForwardJob* job, const Rows* source, const Block* block,
                  const real_t* tag) noexcept nogil:
    """Whether the rows of a block are finite, checked while they are still in the cache. Packed
    rows were checked before, and bytes always are."""
    cdef const Layer* first = job.layout.layers
    cdef const BlockBuffers* buffers = block.buffers
    if source.kind == PACKED or source.kind == UINT8:
        return True
    if job.packs:
        return all_finite[real_t](<const real_t*> buffers.packed.value,
                                  buffers.packed.start[block.rows])
    return all_finite[real_t](<const real_t*> buffers.work + buffers.capacity * first.x,
                              block.rows * first.ld_in)


cdef OneRow one_row(const Layout* layout, const void* theta, background):
    """Allocate the buffers."""
    cdef OneRow one = OneRow()
    one._forward = forward_pass(layout, theta, background, 1, 1)
    return one


cdef class OneRow:
    """The fast path for one row; `one_row` makes it."""

    def __cinit__(self):
        self._lock = PyThread_allocate_lock()
        if self._lock is NULL:
            raise MemoryError("no memory for a lock")

    def __dealloc__(self):
        if self._lock is not NULL:
            PyThread_free_lock(self._lock)

    cdef int classify(self, x, void* outputs) except -2:
        cdef Py_buffer view
        cdef const Layout* layout = self._forward.job.layout
        cdef int index = -1
        try:
            PyObject_GetBuffer(x, &view, PyBUF_STRIDES | PyBUF_FORMAT)
        except (BufferError, TypeError, ValueError):  # NumPy exports no buffers of dates
            return -1
        # One thread at a time uses the buffers; another one takes the slow path.
        if PyThread_acquire_lock(self._lock, NOWAIT_LOCK):
            try:
                if (view.ndim == 2 and view.shape[0] == 1
                        and view.shape[1] == layout.layers.n_in
                        and view.strides[1] == view.itemsize
                        and view.format[0] == (c"f" if layout.single else c"d")
                        and view.format[1] == 0):
                    if layout.single:
                        index = _classify[float](&self._forward.job, <float*> view.buf,
                                                 <float*> outputs)
                    else:
                        index = _classify[double](&self._forward.job, <double*> view.buf,
                                                  <double*> outputs)
            finally:
                PyThread_release_lock(self._lock)
        PyBuffer_Release(&view)
        return index


cdef int _classify(ForwardJob* job, real_t* x, real_t* outputs) noexcept:
    cdef const Layout* layout = job.layout
    cdef const Layer* last = &layout.layers[layout.n_layers - 1]
    cdef Rows source
    cdef Block block
    cdef real_t* z
    cdef int index
    source.kind = FLOAT32 if real_t is float else FLOAT64
    source.n_rows, source.n_features = 1, layout.layers.n_in
    source.data, source.row_bytes = <const char*> x, 0
    source.background = 0
    refresh_initial(job, &source)
    forward_block(job, &source, 0, 0, 1, &block)
    z = <real_t*> block.z
    if not _finite(job, &source, &block, z):
        return -1
    index = argmax[real_t](z, last.n_out)
    if outputs is not NULL:
        to_outputs[real_t](&layout.loss, z, last.n_out, last.width)
        memcpy(outputs, z, last.n_out * sizeof(real_t))
    return index

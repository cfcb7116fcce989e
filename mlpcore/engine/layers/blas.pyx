"""A layer whose weights do not fit in the cache, by BLAS.

Its units are partitioned among the threads, so that each core reads only some of W, and the update
follows the backward pass while its rows of W are still in the cache. BLAS may order sums by the
size of a block, so the layer is cut on a grid that does not depend on the threads. The forward pass
of a minibatch goes through the engine's own product where that has wide vectors.
"""

from libc.string cimport memset

cimport mlpcore.engine.layers.dense as dense
from mlpcore.engine.blas cimport gemm
from mlpcore.engine.blocking cimport BLAS_SPLITS, CACHE_LINE, OWN_PRODUCT_ROWS, ROW_TILE
from mlpcore.engine.kernels cimport small_gemm, vectorised
from mlpcore.engine.layers.units cimport activate_units, multiply_by_derivatives
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.team cimport thread_slice
from mlpcore.engine.typedefs cimport real_t


cdef void _columns(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                   Py_ssize_t work_row, Py_ssize_t rows, Py_ssize_t start,
                   Py_ssize_t stop) noexcept nogil:
    """Pre-activations of some rows in units [start, stop)."""
    cdef const real_t* x = work + capacity * layer.x + work_row * layer.ld_in
    cdef real_t* z = work + capacity * layer.a + work_row * layer.ld
    cdef Py_ssize_t i, j
    if rows <= OWN_PRODUCT_ROWS and vectorised():
        small_gemm[real_t](rows, layer.width - start if stop == layer.n_out else stop - start,
                           layer.n_in, x, layer.ld_in, 1, theta + layer.w + start, layer.ld,
                           theta + layer.b + start, 0, z + start, layer.ld)
        return
    for i in range(rows):
        for j in range(start, stop):
            z[i * layer.ld + j] = theta[layer.b + j]
    gemm[real_t](False, False, <int> rows, <int> (stop - start), layer.n_in, 1, x, layer.ld_in,
                 theta + layer.w + start, layer.ld, 1, z + start, layer.ld)


cdef void forward(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t work_row, Py_ssize_t rows) noexcept nogil:
    _columns(layer, theta, work, capacity, work_row, rows, 0, layer.n_out)
    activate_units(layer, work, capacity, work_row * layer.ld, rows * layer.ld)


cdef void forward_units(Plan* plan, const Layer* layer, const real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil:
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef Py_ssize_t batch = plan.rule.minibatch_size
    cdef Py_ssize_t line = CACHE_LINE // sizeof(real_t)
    cdef Py_ssize_t split = (layer.width // line + BLAS_SPLITS - 1) // BLAS_SPLITS * line
    cdef Py_ssize_t start, stop, end, i
    thread_slice(layer.n_out, split, thread, plan.team.size, &start, &end)
    while start < end:
        stop = min(end, start + split)
        _columns(layer, theta, work, batch, 0, rows, start, stop)
        for i in range(rows):
            activate_units(layer, work, batch, i * layer.ld + start, stop - start)
        start = stop


cdef void backward(Plan* plan, const Layer* layer, real_t* theta, int thread,
                   Py_ssize_t rows) noexcept nogil:
    cdef const Layer* below = layer - 1
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef Py_ssize_t batch = plan.rule.minibatch_size
    cdef const real_t* delta = work + batch * layer.delta
    cdef real_t* delta_below = work + batch * below.delta
    cdef Py_ssize_t unit = BLAS_SPLITS * ROW_TILE
    cdef Py_ssize_t split = (layer.n_in + unit - 1) // unit * ROW_TILE
    cdef Py_ssize_t start, stop, end, i
    thread_slice(layer.n_in, split, thread, plan.team.size, &start, &end)
    while start < end:
        stop = min(end, start + split)
        # mutant: errors with updated weights
        gemm[real_t](False, True, <int> rows, <int> (stop - start), layer.n_out, 1,
                     delta, layer.ld, theta + layer.w + start * layer.ld, layer.ld,
                     0, delta_below + start, below.ld)
        for i in range(rows):
            multiply_by_derivatives(below, work, batch, i * below.ld + start, stop - start)
            if stop == layer.n_in:   # padding has no error, as in losses.row_error
                memset(delta_below + i * below.ld + stop, 0,
                       (below.width - stop) * sizeof(real_t))
        dense.update(plan, layer, theta, thread, rows, start, stop)
        # end of mutant
        start = stop

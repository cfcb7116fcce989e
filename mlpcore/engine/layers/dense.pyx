"""A layer whose weights fit in the cache, by the engine's own kernels.

A thread takes some rows of the minibatch through the forward and the backward pass, and then some
rows of W through the update. The sum for an element of a product has one order whatever block it
falls into.
"""

from libc.string cimport memset

from mlpcore.engine.blocking cimport DENSE_FEATURE_BLOCK
from mlpcore.engine.inputs cimport Rows, fetch_rows
from mlpcore.engine.kernels cimport (
    column_sums,
    narrow_forward,
    narrow_gradient,
    row_times_transpose,
    small_gemm,
)
from mlpcore.engine.layers.units cimport activate_units, multiply_by_derivatives
from mlpcore.engine.layers.updates cimport apply_gradient, sum_chunks
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.typedefs cimport real_t


cdef void fetch(const Layer* layer, const Rows* source, const Py_ssize_t* order, Py_ssize_t first,
                Py_ssize_t rows, real_t* work, Py_ssize_t work_row) noexcept nogil:
    fetch_rows(source, order, first, rows, work + work_row * layer.ld_in, layer.ld_in)


cdef void forward(const Layer* layer, const real_t* theta, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t work_row, Py_ssize_t rows) noexcept nogil:
    cdef const real_t* x = work + capacity * layer.x + work_row * layer.ld_in
    cdef real_t* z = work + capacity * layer.a + work_row * layer.ld
    if layer.narrow:
        narrow_forward[real_t](rows, layer.n_in, layer.n_out, x, layer.ld_in, theta + layer.w,
                               layer.ld, theta + layer.b, z)
    else:
        small_gemm[real_t](rows, layer.width, layer.n_in, x, layer.ld_in, 1, theta + layer.w,
                           layer.ld, theta + layer.b, 0, z, layer.ld)
    activate_units(layer, work, capacity, work_row * layer.ld, rows * layer.ld)


cdef void backward(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                   Py_ssize_t rows) noexcept nogil:
    cdef const Layer* below = layer - 1
    cdef Py_ssize_t batch = plan.rule.minibatch_size
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef const real_t* delta = work + batch * layer.delta + start * layer.ld
    cdef real_t* delta_below = work + batch * below.delta + start * below.ld
    if rows == 0:
        return
    if batch == 1:
        row_times_transpose[real_t](theta + layer.w, layer.ld, layer.n_in, layer.width, delta,
                                    delta_below)
        memset(delta_below + layer.n_in, 0, (below.width - layer.n_in) * sizeof(real_t))
    else:
        small_gemm[real_t](rows, below.width, layer.n_out, delta, layer.ld, 1,
                           <const real_t*> plan.workspace.transposed + layer.wt, layer.ld_in, NULL,
                           0, delta_below, below.ld)
    # mutant: forget the derivative
    multiply_by_derivatives(below, work, batch, start * below.ld, rows * below.ld)


cdef void chunk_gradient(const Plan* plan, const Layer* layer, Py_ssize_t start, Py_ssize_t rows,
                         real_t* partial) noexcept nogil:
    cdef const real_t* delta = <const real_t*> plan.workspace.work + \
        plan.rule.minibatch_size * layer.delta + start * layer.ld
    _gradient(plan, layer, start, rows, 0, layer.n_in, partial + layer.w)
    column_sums(delta, layer.ld, rows, layer.width, partial + layer.b)


cdef void update(Plan* plan, const Layer* layer, real_t* theta, int thread, Py_ssize_t rows,
                 Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef real_t* gradient = <real_t*> plan.workspace.scratch[thread].gradient
    cdef Py_ssize_t block
    while start < stop:
        block = min(DENSE_FEATURE_BLOCK, stop - start)
        if plan.rule.chunk_rows:
            sum_chunks(plan, rows, layer.w + start * layer.ld, block * layer.ld, gradient)
        else:
            _gradient(plan, layer, 0, rows, start, block, gradient)
        apply_gradient(plan, layer, theta, gradient, start, block)
        start += block


cdef void _gradient(const Plan* plan, const Layer* layer, Py_ssize_t first, Py_ssize_t rows,
                    Py_ssize_t start, Py_ssize_t n, real_t* gradient) noexcept nogil:
    """The gradient of n rows of W from `start` on, from `rows` rows of the minibatch from `first`
    on."""
    cdef const real_t* work = <const real_t*> plan.workspace.work
    cdef const real_t* x = work + plan.rule.minibatch_size * layer.x + first * layer.ld_in + start
    cdef const real_t* delta = work + plan.rule.minibatch_size * layer.delta + first * layer.ld
    if layer.narrow:
        narrow_gradient[real_t](rows, n, layer.n_out, x, layer.ld_in, delta, layer.ld, gradient)
    else:
        small_gemm[real_t](n, layer.width, rows, x, 1, layer.ld_in, delta, layer.ld, NULL, 0,
                           gradient, layer.ld)

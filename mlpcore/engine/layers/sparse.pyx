"""The first layer, where rows are packed: X @ W = S @ W + background * (column sums of W).

In training the forward pass may begin with the layer's sums in two halves, one for each half of
the features, and a barrier: a thread then reads weights that it has written itself, and does not
fetch half of all weights from another core's cache in each step.

For the update, nonzeros are transposed to CSC: a bucket of rows and values for each feature.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from mlpcore.engine.blocking cimport SPARSE_FEATURE_BLOCK, TRANSPOSE_ROW_BLOCK
from mlpcore.engine.inputs cimport (
    Rows,
    bucket_gradient,
    packed_forward,
    packed_seek,
    packed_to_buckets,
)
from mlpcore.engine.kernels cimport add, column_sums
from mlpcore.engine.layers.units cimport activate_units
from mlpcore.engine.layers.updates cimport apply_gradient
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.plan cimport Minibatch, Plan, Scratch, Workspace
from mlpcore.engine.team cimport thread_slice
from mlpcore.engine.typedefs cimport real_t


cdef void sum_blocks(const Layer* layer, const real_t* theta, Py_ssize_t start, Py_ssize_t stop,
                     real_t* block_sums) noexcept nogil:
    while start < stop:
        column_sums[real_t](theta + layer.w + start * layer.ld, layer.ld,
                            min(SPARSE_FEATURE_BLOCK, stop - start), layer.ld,
                            block_sums + start // SPARSE_FEATURE_BLOCK * layer.ld)
        start += SPARSE_FEATURE_BLOCK


cdef void initial_accumulator(const Layer* layer, const real_t* theta, double background,
                              const real_t* block_sums, real_t* out) noexcept nogil:
    cdef const real_t* b = theta + layer.b
    cdef real_t number = <real_t> background
    cdef Py_ssize_t j
    if number == 0:
        memcpy(out, b, layer.ld * sizeof(real_t))
        return
    column_sums[real_t](block_sums, layer.ld,
                        (layer.n_in + SPARSE_FEATURE_BLOCK - 1) // SPARSE_FEATURE_BLOCK, layer.ld,
                        out)
    for j in range(layer.ld):
        out[j] = b[j] + number * out[j]


cdef void forward(const Layer* layer, const real_t* theta, const Rows* source,
                  const Py_ssize_t* order, Py_ssize_t first, Py_ssize_t rows,
                  const Py_ssize_t* next, Py_ssize_t n_next, const real_t* initial,
                  int64_t* cursor, real_t* work, Py_ssize_t capacity,
                  Py_ssize_t work_row) noexcept nogil:
    cdef real_t* z = work + capacity * layer.a + work_row * layer.ld
    cdef Py_ssize_t i
    for i in range(rows):
        memcpy(z + i * layer.ld, initial, layer.ld * sizeof(real_t))
    packed_forward[real_t](source, order, first, rows, next, n_next, 0, layer.n_in,
                           theta + layer.w, layer.ld, layer.width, z, cursor)
    activate_units(layer, work, capacity, work_row * layer.ld, rows * layer.ld)


cdef void sum_halves(Plan* plan, const real_t* theta, int thread,
                     const Minibatch* batch) noexcept nogil:
    """Pre-activations from each half of the features, each in a buffer of its own. The threads
    partition pairs of a half and a row, so that a core reads few weights of the other half, which
    another core has just written."""
    cdef const Layer* first = plan.layout.layers
    cdef const Workspace* workspace = &plan.workspace
    cdef real_t* z = <real_t*> workspace.work + plan.rule.minibatch_size * first.a
    cdef real_t* initial = <real_t*> workspace.scratch[thread].initial
    cdef Py_ssize_t middle = plan.rule.split_feature, slice_start, slice_stop, row, stop, i
    cdef int half
    thread_slice(2 * batch.rows, 1, thread, plan.team.size, &slice_start, &slice_stop)
    for half in range(2):
        row = max(0, slice_start - half * batch.rows)
        stop = min(batch.rows, slice_stop - half * batch.rows)
        if row >= stop:
            continue
        if half == 0:
            initial_accumulator(first, theta, plan.rows.background,
                                <const real_t*> workspace.block_sums, initial)
        else:
            z = <real_t*> workspace.second_half
            memset(initial, 0, first.ld * sizeof(real_t))
        for i in range(row, stop):
            memcpy(z + i * first.ld, initial, first.ld * sizeof(real_t))
        packed_forward[real_t](&plan.rows, batch.order, row, stop - row,
                               batch.order + batch.rows + row,
                               max(0, min(batch.n_next, stop) - row), middle if half else 0,
                               first.n_in if half else middle, theta + first.w, first.ld,
                               first.width, z + row * first.ld, workspace.scratch[thread].cursor)


cdef void join_halves(Plan* plan, const real_t* theta, Py_ssize_t start,
                      Py_ssize_t stop) noexcept nogil:
    """Add the halves of some rows, which gives their pre-activations, and activate these."""
    cdef const Layer* first = plan.layout.layers
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef Py_ssize_t batch = plan.rule.minibatch_size
    cdef Py_ssize_t offset = start * first.ld, n = (stop - start) * first.ld
    # mutant: forget half of the features
    add(work + batch * first.a + offset, <const real_t*> plan.workspace.second_half + offset, n)
    activate_units(first, work, batch, offset, n)


cdef void update(Plan* plan, const Layer* layer, real_t* theta, int thread,
                 const Minibatch* batch) noexcept nogil:
    cdef const Workspace* workspace = &plan.workspace
    cdef const Scratch* scratch = &workspace.scratch[thread]
    cdef const real_t* delta = <const real_t*> workspace.work + \
        plan.rule.minibatch_size * layer.delta
    cdef real_t* background_term = <real_t*> scratch.initial
    cdef real_t background = <real_t> plan.rows.background
    cdef Py_ssize_t start = scratch.start, stop, row, n, j
    column_sums[real_t](delta, layer.ld, batch.rows, layer.ld, background_term)
    for j in range(layer.ld):
        background_term[j] *= background  # mutant: wrong background term
    packed_seek(&plan.rows, batch.packed, batch.rows, start, scratch.cursor)
    while start < scratch.stop:
        stop = min(scratch.stop, start + workspace.transpose_feature_block)
        row = 0
        while row < batch.rows:
            n = min(TRANSPOSE_ROW_BLOCK, batch.rows - row)
            packed_to_buckets[real_t](&plan.rows, batch.packed + row, n, start, stop,
                                      workspace.bucket_capacity, layer.ld, scratch.cursor + row,
                                      &scratch.buckets, 0)
            _update_from_buckets(plan, layer, theta, thread, batch, row, n, start, stop)
            row += n
        # With a full gradient the weights are still the old ones.
        if background != 0 and workspace.full_gradient is NULL:
            # mutant: outdated column sums
            sum_blocks(layer, theta, start, stop, <real_t*> workspace.block_sums)
        start = stop


cdef void _update_from_buckets(Plan* plan, const Layer* layer, real_t* theta, int thread,
                               const Minibatch* batch, Py_ssize_t row, Py_ssize_t rows,
                               Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Add the contribution of some rows of the minibatch to the gradient of W's rows [start, stop),
    and apply the gradient after the last of them."""
    cdef const Scratch* scratch = &plan.workspace.scratch[thread]
    cdef const real_t* delta = <const real_t*> plan.workspace.work + \
        plan.rule.minibatch_size * layer.delta + row * layer.ld
    cdef real_t* gradient = <real_t*> scratch.gradient
    # The gradient of one block of rows is complete, and is applied while it is in the nearest
    # cache.
    cdef Py_ssize_t block = plan.workspace.transpose_feature_block
    cdef Py_ssize_t feature = start, features
    if batch.rows <= TRANSPOSE_ROW_BLOCK:
        block = SPARSE_FEATURE_BLOCK
    while feature < stop:
        features = min(block, stop - feature)
        bucket_gradient[real_t](&scratch.buckets, feature - start, features,
                                plan.workspace.bucket_capacity, delta, layer.ld, layer.width,
                                <const real_t*> scratch.initial if row == 0 else gradient,
                                0 if row == 0 else layer.ld, gradient)
        if row + rows == batch.rows:
            apply_gradient(plan, layer, theta, gradient, feature, features)
        feature += features

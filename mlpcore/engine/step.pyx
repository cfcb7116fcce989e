"""One step over a minibatch, in two phases.

For a network whose weights fit in the cache:

    phase 1, the minibatch's rows partitioned     phase 2, rows of every W partitioned
      fetch the rows                                gradient of a block of W, into a buffer
      forward pass through all layers                 that stays in the cache
      outputs to errors, backward pass              the optimiser's step on that block
      ---- barrier ----                             ---- barrier ----

For a small network, whose gradient takes less memory than the activations of a minibatch, phase 1
also computes the gradient of each chunk of rows, and phase 2 sums these in place of the first step.
Then rows, activations and errors stay with the core that computed them.

No number depends on how the work is partitioned: the sum for an element of a product has one order
whatever block it falls into, and neither the chunks of rows nor the grid on which layers are cut
that go through BLAS depend on the threads.

Within phase 1 there is one rule for barriers: wait before a layer that needs all rows, and after
one that wrote them.
"""

from libc.stdint cimport int64_t

cimport mlpcore.engine.layers.blas as blas
cimport mlpcore.engine.layers.dense as dense
cimport mlpcore.engine.layers.sparse as sparse
from mlpcore.engine.blocking cimport ROW_TILE, SPARSE_FEATURE_BLOCK, UPDATE_TILE
from mlpcore.engine.distortion cimport distort_row
from mlpcore.engine.dropout cimport drop_nonzeros, drop_units
from mlpcore.engine.inputs cimport PackBuffers, pack_numbers
from mlpcore.engine.kernels cimport transpose
from mlpcore.engine.layers.updates cimport penalise, update_biases
from mlpcore.engine.layout cimport BLAS, DENSE, SPARSE, Layer, needs_all_rows
from mlpcore.engine.losses cimport errors_of_one_output, row_error
from mlpcore.engine.optimizers cimport corrected_rate
from mlpcore.engine.plan cimport Minibatch, Plan, Progress, Scratch
from mlpcore.engine.team cimport team_barrier, thread_slice
from mlpcore.engine.typedefs cimport real_t

# Rows [start, stop) of a minibatch, which one thread takes through all layers at a time.
cdef struct Slice:
    const Minibatch* batch
    Py_ssize_t start, stop
    const Py_ssize_t* next    # the n_next rows that the thread takes after these
    Py_ssize_t n_next
    bint needs_barrier        # whether other threads may still be writing to these rows


cdef void set_slice(Plan* plan, int thread) noexcept nogil:
    cdef Scratch* scratch = &plan.workspace.scratch[thread]
    scratch.start = first_updated_row(plan, 0, thread)
    scratch.stop = first_updated_row(plan, 0, thread + 1)


cdef void refresh_derived(Plan* plan, const real_t* theta, int thread) noexcept nogil:
    cdef const Layer* layer
    cdef Py_ssize_t start, stop
    cdef int i
    for i in range(plan.layout.n_layers):
        layer = &plan.layout.layers[i]
        start, stop = first_updated_row(plan, i, thread), first_updated_row(plan, i, thread + 1)
        penalise(plan, layer, theta, start, stop)
        refresh_rows(plan, layer, theta, start, stop)
    team_barrier(plan.team, thread)


cdef void refresh_rows(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                       Py_ssize_t stop) noexcept nogil:
    if layer.kind == SPARSE:
        sparse.sum_blocks(layer, theta, start, stop, <real_t*> plan.workspace.block_sums)
    elif layer.kind == DENSE and layer != plan.layout.layers:
        _transpose(plan, layer, theta, start, stop)


cdef Py_ssize_t first_updated_row(const Plan* plan, int j, int thread) noexcept nogil:
    cdef const Layer* layer = &plan.layout.layers[j]
    cdef const double* cost = plan.rule.update_cost + j
    cdef double begins = <double> thread / plan.team.size
    cdef Py_ssize_t block = 0, tile
    if thread == plan.team.size:
        return layer.n_in
    if layer.kind == SPARSE:
        while plan.rule.cost[block] < begins:
            block += 1
        return min(block * SPARSE_FEATURE_BLOCK, layer.n_in)
    if cost[0] >= begins:
        return 0
    if cost[1] <= begins:
        return layer.n_in
    tile = ROW_TILE if j == 0 else UPDATE_TILE
    block = <Py_ssize_t> ((begins - cost[0]) / (cost[1] - cost[0]) * layer.n_in / tile + 0.5)
    return min(block * tile, layer.n_in)


cdef void _transpose(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                     Py_ssize_t stop) noexcept nogil:
    transpose[real_t](theta + layer.w, layer.ld, start, stop, layer.n_out,
                      <real_t*> plan.workspace.transposed + layer.wt, layer.ld_in)


cdef void step(Plan* plan, real_t* theta, int thread, const Minibatch* batch) noexcept nogil:
    cdef Slice rows
    cdef Py_ssize_t start, stop
    rows.batch, rows.needs_barrier = batch, False
    # Phase 1: this thread's rows, as many at a time as stay in the cache.
    if thread == 0:
        start_minibatch(plan, batch)
    if plan.rule.split_feature:
        sparse.sum_halves(plan, theta, thread, batch)
        rows.needs_barrier = True
    thread_slice(batch.rows, plan.rule.row_unit, thread, plan.team.size, &start, &stop)
    rows.start = start
    while True:
        rows.stop = min(stop, rows.start + plan.rule.row_block)
        if rows.stop < stop:
            rows.next = batch.order + rows.stop
            rows.n_next = min(plan.rule.row_block, stop - rows.stop)
        else:   # this thread's first rows of the next minibatch
            rows.next = batch.order + batch.rows + start
            rows.n_next = max(0, min(batch.n_next, stop, start + plan.rule.row_block) - start)
        _forward_pass(plan, theta, thread, &rows)
        _wait_for_rows(plan, thread, False, &rows)
        output_errors(plan, <real_t*> plan.workspace.work, thread, batch, rows.start, rows.stop)
        _backward_pass(plan, theta, thread, &rows)
        if plan.rule.chunk_rows and rows.start < rows.stop:
            _chunk_gradient(plan, &rows, <real_t*> plan.workspace.partials)
        rows.start = rows.stop
        if rows.start >= stop:
            break
    team_barrier(plan.team, thread)  # mutant: leave out a barrier

    # Phase 2: this thread's rows of every W.
    if thread == 0 and plan.rule.track_loss:
        _sum_losses(plan, batch.rows)
    _update(plan, theta, thread, batch)
    team_barrier(plan.team, thread)


cdef void _wait_for_rows(Plan* plan, int thread, bint needs_all, Slice* rows) noexcept nogil:
    """The rule for barriers: called before each pass that reads rows."""
    if needs_all or rows.needs_barrier:
        team_barrier(plan.team, thread)
    rows.needs_barrier = needs_all


cdef void _forward_pass(Plan* plan, real_t* theta, int thread, Slice* rows) noexcept nogil:
    """Take some rows of the minibatch through all layers."""
    cdef const Layer* layers = plan.layout.layers
    cdef const Layer* layer
    cdef const Minibatch* batch = rows.batch
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef int j
    if plan.images is not NULL:
        _distort_rows(plan, thread, rows, work)
    elif layers.kind == SPARSE:
        if plan.undropped is not NULL:
            _drop_nonzeros[real_t](plan, rows, theta)
    else:
        dense.fetch(layers, &plan.rows, batch.order, rows.start, rows.stop - rows.start, work,
                    rows.start)
    for j in range(plan.layout.n_layers):
        layer = &layers[j]
        if _drops(plan, j) and layer.kind != SPARSE:
            _wait_for_rows(plan, thread, False, rows)
            _drop(plan, j, rows, work)
        _wait_for_rows(plan, thread, needs_all_rows(layer), rows)
        if layer.kind == BLAS:
            blas.forward_units(plan, layer, theta, thread, batch.rows)
        elif layer.kind == DENSE:
            dense.forward(layer, theta, work, plan.rule.minibatch_size, rows.start,
                          rows.stop - rows.start)
        elif plan.rule.split_feature:
            sparse.join_halves(plan, theta, rows.start, rows.stop)
        else:
            _forward_sparse(plan, theta, thread, rows)


cdef void _distort_rows(Plan* plan, int thread, const Slice* rows, real_t* work) noexcept nogil:
    """Read some rows of images, each distorted in its way for this epoch, as the inputs of the
    first layer."""
    cdef const Layer* first = plan.layout.layers
    cdef const Scratch* scratch = &plan.workspace.scratch[thread]
    cdef const PackBuffers* packed = &plan.workspace.packed
    cdef real_t* image = <real_t*> scratch.image
    cdef Py_ssize_t i, row
    cdef int64_t slot
    for i in range(rows.start, rows.stop):
        row = rows.batch.order[i]
        if first.kind != SPARSE:
            image = work + i * first.ld_in
        # mutant: distort all epochs alike
        distort_row[real_t](plan.images, plan.progress.dropout.seed, plan.progress.dropout.epoch,
                            row, image, <real_t*> scratch.distortion)
        if first.kind != SPARSE:
            continue
        if _drops(plan, 0):
            drop_units[real_t](&plan.progress.dropout, row, 0, plan.rule.dropout[0], image, NULL,
                               first.n_in)
        slot = packed.start[2 * i]
        packed.start[2 * i + 1] = slot + pack_numbers[real_t](
            image, first.n_in, <real_t> plan.rows.background, packed.index + slot,
            <real_t*> packed.value + slot)


cdef void _forward_sparse(Plan* plan, const real_t* theta, int thread,
                          const Slice* rows) noexcept nogil:
    cdef const Layer* first = plan.layout.layers
    cdef real_t* initial = <real_t*> plan.workspace.scratch[thread].initial
    sparse.initial_accumulator(first, theta, plan.rows.background,
                               <const real_t*> plan.workspace.block_sums, initial)
    # Distorted rows have just been packed, and need not be prefetched.
    sparse.forward[real_t](first, theta, &plan.rows, rows.batch.packed, rows.start,
                           rows.stop - rows.start, rows.next,
                           0 if plan.images is not NULL else rows.n_next, initial,
                           plan.workspace.scratch[thread].cursor, <real_t*> plan.workspace.work,
                           plan.rule.minibatch_size, rows.start)


cdef void _backward_pass(Plan* plan, real_t* theta, int thread, Slice* rows) noexcept nogil:
    """Compute the errors of all layers from those of the outputs."""
    cdef const Layer* layer
    cdef int j
    for j in range(plan.layout.n_layers - 1, 0, -1):
        layer = &plan.layout.layers[j]
        _wait_for_rows(plan, thread, needs_all_rows(layer), rows)
        if layer.kind == BLAS:
            blas.backward(plan, layer, theta, thread, rows.batch.rows)
        else:
            dense.backward(plan, layer, theta, rows.start, rows.stop - rows.start)


cdef void _chunk_gradient(const Plan* plan, const Slice* rows, real_t* partials) noexcept nogil:
    """Compute the gradient of all layers over some rows, which are a chunk."""
    cdef Py_ssize_t chunk = rows.start // plan.rule.chunk_rows
    cdef int j
    for j in range(plan.layout.n_layers):
        dense.chunk_gradient(plan, &plan.layout.layers[j], rows.start, rows.stop - rows.start,
                             partials + chunk * plan.layout.size)


cdef void _update(Plan* plan, real_t* theta, int thread, const Minibatch* batch) noexcept nogil:
    """Compute the gradient of this thread's rows of every W, and of the biases of some layers, and
    do the optimiser's step on them."""
    cdef int j
    for j in range(plan.layout.n_layers):
        _update_weights(plan, theta, thread, batch, j)
    for j in range(plan.layout.n_layers):
        _update_biases(plan, theta, thread, batch, j)


cdef void _update_weights(Plan* plan, real_t* theta, int thread, const Minibatch* batch,
                          int j) noexcept nogil:
    cdef const Layer* layer = &plan.layout.layers[j]
    cdef Py_ssize_t start, stop
    if layer.kind == SPARSE:
        sparse.update(plan, layer, theta, thread, batch)
        return
    if j > 0 and layer.kind != DENSE:   # BLAS layers are updated in the backward pass
        return
    start, stop = first_updated_row(plan, j, thread), first_updated_row(plan, j, thread + 1)
    dense.update(plan, layer, theta, thread, batch.rows, start, stop)
    # With a full gradient the weights are still the old ones.
    if j > 0 and plan.rule.minibatch_size > 1 and plan.workspace.full_gradient is NULL:
        _transpose(plan, layer, theta, start, stop)  # mutant: errors with old weights


cdef void _update_biases(Plan* plan, real_t* theta, int thread, const Minibatch* batch,
                         int j) noexcept nogil:
    cdef const Layer* layer = &plan.layout.layers[j]
    cdef Py_ssize_t start, stop
    thread_slice(layer.width, UPDATE_TILE, thread, plan.team.size, &start, &stop)
    if start < stop:  # mutant: forget the bias update
        update_biases(plan, layer, theta, thread, batch.rows, start, stop)


cdef void forward_step(Plan* plan, real_t* theta, int thread,
                       const Minibatch* batch) noexcept nogil:
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef Slice rows
    cdef Py_ssize_t stop
    rows.batch, rows.needs_barrier, rows.n_next = batch, False, 0
    if thread == 0:
        start_minibatch(plan, batch)
    thread_slice(batch.rows, plan.rule.row_unit, thread, plan.team.size, &rows.start, &stop)
    while True:
        rows.stop = min(stop, rows.start + plan.rule.row_block)
        _forward_pass(plan, theta, thread, &rows)
        _wait_for_rows(plan, thread, False, &rows)
        output_errors(plan, work, thread, batch, rows.start, rows.stop)
        rows.start = rows.stop
        if rows.start >= stop:
            break
    team_barrier(plan.team, thread)
    if thread == 0 and plan.rule.track_loss:
        _sum_losses(plan, batch.rows)


cdef void backward_layer(Plan* plan, real_t* theta, int thread, const Minibatch* batch,
                         int j) noexcept nogil:
    cdef const Layer* layer = &plan.layout.layers[j]
    cdef Py_ssize_t start, stop
    _update_biases(plan, theta, thread, batch, j)
    if j > 0 and layer.kind == BLAS:
        blas.backward(plan, layer, theta, thread, batch.rows)
    else:
        _update_weights(plan, theta, thread, batch, j)
        if j > 0:
            thread_slice(batch.rows, plan.rule.row_unit, thread, plan.team.size, &start, &stop)
            dense.backward(plan, layer, theta, start, stop - start)
    team_barrier(plan.team, thread)


cdef void start_minibatch(Plan* plan, const Minibatch* batch) noexcept nogil:
    """Set the values of a whole minibatch: one thread, before the first barrier."""
    cdef Progress* progress = &plan.progress
    cdef Py_ssize_t i
    progress.row_weight = batch.rows
    if plan.targets.weights is not NULL:
        progress.row_weight = 0
        for i in range(batch.rows):
            progress.row_weight += plan.targets.weights[batch.order[i]]
    if plan.rule.average:   # rows with a total weight of 0 change nothing
        progress.update.scale = 1 / progress.row_weight if progress.row_weight > 0 else 0
    if progress.learning_rates is not NULL:
        progress.update.learning_rate = progress.learning_rates[progress.minibatch]
    progress.minibatch += 1
    progress.step_count += 1
    if plan.rule.bias_corrected:
        progress.update.corrected_rate = corrected_rate(
            &progress.update, <double> progress.step_count)
    progress.penalty = 0
    if plan.rule.track_loss:
        for i in range(plan.layout.n_tiles):
            progress.penalty += plan.workspace.penalties[i]


cdef void _sum_losses(Plan* plan, Py_ssize_t rows) noexcept nogil:
    """Add the minibatch to both sums of losses: one thread, when all rows have their losses."""
    cdef Progress* progress = &plan.progress
    cdef double loss = 0
    cdef Py_ssize_t i
    for i in range(rows):
        loss += plan.workspace.losses[i]
    progress.loss_sum += loss
    if progress.row_weight > 0:
        progress.loss_curve += (loss + progress.penalty) / progress.row_weight * rows


cdef void output_errors(Plan* plan, real_t* work, int thread, const Minibatch* batch,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef const Layer* last = &plan.layout.layers[plan.layout.n_layers - 1]
    cdef real_t* z = work + plan.rule.minibatch_size * last.a
    cdef real_t* scratch = <real_t*> plan.workspace.scratch[thread].gradient
    cdef double loss
    cdef Py_ssize_t i
    if last.n_out == 1 and not plan.layout.loss.softmax:
        errors_of_one_output[real_t](&plan.layout.loss, &plan.targets, batch.order + start,
                                     stop - start, plan.rule.track_loss, z + start * last.ld,
                                     last.ld, scratch, plan.workspace.losses + start)
        return
    for i in range(start, stop):
        # mutant: labels of other rows
        loss = row_error[real_t](&plan.layout.loss, &plan.targets, batch.order[i],
                                 plan.rule.track_loss, z + i * last.ld, last.n_out, last.width,
                                 scratch)
        if plan.rule.track_loss:
            plan.workspace.losses[i] = loss


cdef bint _drops(const Plan* plan, int j) noexcept nogil:
    """Whether there is dropout in the inputs of layer j."""
    return plan.rule.dropout is not NULL and plan.rule.dropout[j] > 0


cdef void _drop(Plan* plan, int j, const Slice* rows, real_t* work) noexcept nogil:
    """Apply dropout to some rows of layer j's inputs, and to derivatives for the backward pass."""
    cdef const Layer* layer = &plan.layout.layers[j]
    cdef Py_ssize_t batch = plan.rule.minibatch_size, i
    cdef real_t* x = work + batch * layer.x
    cdef real_t* derivative = NULL
    if j > 0:
        derivative = work + batch * plan.layout.layers[j - 1].derivative
    for i in range(rows.start, rows.stop):
        drop_units[real_t](&plan.progress.dropout, rows.batch.order[i], j, plan.rule.dropout[j],
                           x + i * layer.ld_in,
                           NULL if j == 0 else derivative + i * layer.ld_in, layer.n_in)


cdef void _drop_nonzeros(Plan* plan, const Slice* rows, const real_t* tag) noexcept nogil:
    """The same for packed rows of inputs: the results go to a copy of their values."""
    cdef Py_ssize_t i
    for i in range(rows.start, rows.stop):
        drop_nonzeros[real_t](&plan.progress.dropout, rows.batch.order[i], plan.rule.dropout[0],
                              &plan.undropped.packed, <real_t*> plan.rows.packed.value)

"""One step over a minibatch, in two phases.

For a network whose weights fit in the cache:

    phase 1, the minibatch's rows dealt out       phase 2, rows of every W dealt out
      fetch the rows                                gradient of a chunk of W, into a buffer
      forward through all layers                      that stays in the cache
      outputs to errors, and back                   the optimiser's step on that chunk
      ---- barrier ----                             ---- barrier ----

No number depends on how the work was dealt out: an element of a product is summed in one order
whatever block it falls into, and what goes through BLAS, which may order sums by the size of a
block, is cut on a grid that does not depend on the threads.

Where rows are records, phase 1 begins with the first layer's sums in two halves, one for either
half of the features, and a barrier: a thread then reads the weights that it has written itself, and
not half of all weights out of another core's cache in each step.

A `wide` layer, too large for the cache, is dealt out by its units instead, so that each core reads
only its share of W: with a barrier before and after, and its gradient and update follow its
backward pass while its rows of W are still at hand.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from mlpcore.engine.activations cimport chain
from mlpcore.engine.blas cimport gemm
from mlpcore.engine.dropout cimport drop_entries, drop_units
from mlpcore.engine.inputs cimport (
    CHUNK,
    ENTRY,
    GROUP,
    RECORDS,
    Lists,
    records_forward,
    records_gradient,
    records_seek,
    records_turn,
)
from mlpcore.engine.kernels cimport (
    add,
    column_sums,
    multiply,
    penalty,
    row_times_transpose,
    small_gemm,
    transpose,
)
from mlpcore.engine.losses cimport row_error
from mlpcore.engine.network cimport (
    TILE,
    Layer,
    activate_units,
    chunk_sums,
    fetch,
    forward,
    forward_first,
    start_of_sums,
)
from mlpcore.engine.optimizers cimport STORE, Rule, corrected_rate, update
from mlpcore.engine.team cimport barrier_wait, share
from mlpcore.engine.typedefs cimport real_t

# Rows that go there and back at a time: of 128 rows of 112 floats a layer's activations are 57 KB.
cdef Py_ssize_t PART = 128
# Pieces that a wide layer is cut into, along its inputs or its outputs.
cdef int WIDE_PIECES = 8


cdef void prepare(Plan* plan, const real_t* theta, int thread) noexcept nogil:
    """What is kept beside the weights, from the weights as they are now: transposes and sums."""
    cdef const Layer* layer = plan.layers
    cdef Py_ssize_t start, stop
    cdef int i
    start, stop = _boundary(plan, thread), _boundary(plan, thread + 1)
    plan.slices[2 * thread], plan.slices[2 * thread + 1] = start, stop
    chunk_sums(layer, theta, start, stop, <real_t*> plan.sums)
    _penalise(plan, layer, theta, start, stop)
    for i in range(1, plan.n_layers):
        layer = &plan.layers[i]
        share(layer.n_in, TILE, thread, plan.barrier.size, &start, &stop)
        _penalise(plan, layer, theta, start, stop)
        if not layer.wide:
            transpose[real_t](theta + layer.w, layer.ld, start, stop, layer.n_out,
                              <real_t*> plan.transposed + layer.wt, layer.ld_in)
    barrier_wait(plan.barrier, thread)


cdef Py_ssize_t _boundary(const Plan* plan, int thread) noexcept nogil:
    """The row of the first layer's weights at which a thread's slice begins."""
    cdef Py_ssize_t n_rows = plan.layers[0].n_in, chunk = 0
    if thread == plan.barrier.size:
        return n_rows
    while plan.cost[chunk] < <double> thread / plan.barrier.size:
        chunk += 1
    return min(chunk * CHUNK, n_rows)


cdef void start_minibatch(Plan* plan, const Py_ssize_t* order, Py_ssize_t rows) noexcept nogil:
    """Set what holds for a whole minibatch: one thread, before the first barrier."""
    cdef Py_ssize_t i
    plan.total = rows
    if plan.targets.weights is not NULL:
        plan.total = 0
        for i in range(rows):
            plan.total += plan.targets.weights[order[i]]
    if plan.average:   # rows without any weight change nothing
        plan.rule.scale = 1 / plan.total if plan.total > 0 else 0
    if plan.rates is not NULL:
        plan.rule.learning_rate = plan.rates[plan.minibatch]
    plan.minibatch += 1
    plan.step_count += 1
    if plan.bias_corrected:
        plan.rule.corrected_rate = corrected_rate(&plan.rule, <double> plan.step_count)
    plan.penalty = 0
    if plan.track_loss:
        for i in range(plan.n_tiles):
            plan.penalty += plan.penalties[i]


cdef void _sum_losses(Plan* plan, Py_ssize_t rows) noexcept nogil:
    """The minibatch's share of both sums of losses: one thread, when all rows have theirs."""
    cdef double loss = 0
    cdef Py_ssize_t i
    for i in range(rows):
        loss += plan.losses[i]
    plan.loss_sum += loss
    if plan.total > 0:
        plan.loss_curve += (loss + plan.penalty) / plan.total * rows


cdef void _penalise(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                    Py_ssize_t stop) noexcept nogil:
    """The penalty of rows [start, stop) of W, TILE by TILE, so that its sum has one order."""
    if not plan.track_loss or plan.rule.l2 == 0 and plan.rule.l1 == 0:
        return
    while start < stop:
        plan.penalties[layer.tile + start // TILE] = penalty[real_t](
            theta + layer.w + start * layer.ld, min(TILE, stop - start) * layer.ld, plan.rule.l2,
            plan.rule.l1)
        start += TILE


cdef void _there_and_back(Plan* plan, real_t* theta, int thread, const Py_ssize_t* order,
                          Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop,
                          const Py_ssize_t* following, Py_ssize_t n_following) noexcept nogil:
    """Outputs and errors of rows [start, stop) of the minibatch. This thread's next rows follow."""
    cdef real_t* work = <real_t*> plan.work
    cdef const Layer* first = plan.layers
    cdef const Layer* layer
    cdef real_t* sums = <real_t*> plan.start + thread * first.ld
    cdef int j
    cdef bint shared = False   # what comes next reads rows that other threads may still be writing
    if plan.undropped is not NULL:
        _drop_records[real_t](plan, order, start, stop, work)
    if plan.rows.kind != RECORDS and (first.wide or _drops(plan, 0)):
        fetch(first, &plan.rows, order, start, stop - start, work, start)
        _drop(plan, 0, order, start, stop, work)
        if first.wide:
            barrier_wait(plan.barrier, thread)
            _wide_forward(plan, first, theta, thread, rows)
            shared = True
        else:
            forward(first, theta, work, plan.batch, start, stop - start)
    elif plan.halves:
        _join_halves(plan, first, start, stop, work)
    else:
        start_of_sums[real_t](first, theta, &plan.rows, <real_t*> plan.sums, sums)
        forward_first[real_t](first, theta, &plan.rows, order, start, stop - start,
                              following, n_following, sums,
                              plan.cursor + thread * plan.cursor_size, work, plan.batch, start)
    for j in range(1, plan.n_layers):
        layer = &plan.layers[j]
        if _drops(plan, j):
            if shared:
                barrier_wait(plan.barrier, thread)
            shared = False
            _drop(plan, j, order, start, stop, work)
        if layer.wide:
            barrier_wait(plan.barrier, thread)
            _wide_forward(plan, layer, theta, thread, rows)
        else:
            if shared:
                barrier_wait(plan.barrier, thread)
            forward(layer, theta, work, plan.batch, start, stop - start)
        shared = layer.wide
    if shared:
        barrier_wait(plan.barrier, thread)
    output_errors(plan, work, thread, order, start, stop)
    shared = False
    for j in range(plan.n_layers - 1, 0, -1):
        layer = &plan.layers[j]
        if layer.wide:
            barrier_wait(plan.barrier, thread)
            _wide_backward(plan, layer, theta, thread, rows)
        else:
            if shared:
                barrier_wait(plan.barrier, thread)
            backward(plan, layer, theta, work, start, stop - start)
        shared = layer.wide


cdef void _sum_halves(Plan* plan, const real_t* theta, int thread, const Py_ssize_t* order,
                      Py_ssize_t rows, Py_ssize_t n_next) noexcept nogil:
    """Net inputs of the first layer, from records: the sums over either half of the features, each
    in its own place. Halves of rows are dealt out, so that a core meets few weights of the other
    half, which another core has just written."""
    cdef const Layer* first = plan.layers
    cdef real_t* z = <real_t*> plan.work + plan.batch * first.a
    cdef real_t* start = <real_t*> plan.start + thread * first.ld
    cdef Py_ssize_t mine, end, row, stop, i
    cdef int half
    share(2 * rows, 1, thread, plan.barrier.size, &mine, &end)
    for half in range(2):
        row, stop = max(0, mine - half * rows), min(rows, end - half * rows)
        if row >= stop:
            continue
        if half == 0:
            start_of_sums[real_t](first, theta, &plan.rows, <real_t*> plan.sums, start)
        else:
            z = <real_t*> plan.second_half
            memset(start, 0, first.ld * sizeof(real_t))
        for i in range(row, stop):
            memcpy(z + i * first.ld, start, first.ld * sizeof(real_t))
        records_forward[real_t](&plan.rows, order, row, stop - row, order + rows + row,
                                max(0, min(n_next, stop) - row), plan.middle if half else 0,
                                first.n_in if half else plan.middle, theta + first.w, first.ld,
                                first.width, z + row * first.ld,
                                plan.cursor + thread * plan.cursor_size)


cdef void _join_halves(Plan* plan, const Layer* first, Py_ssize_t start, Py_ssize_t stop,
                       real_t* work) noexcept nogil:
    """The halves of my rows become net inputs, and those activations."""
    cdef Py_ssize_t place = start * first.ld, n = (stop - start) * first.ld
    # mutant: forget half of the features
    add(work + plan.batch * first.a + place, <const real_t*> plan.second_half + place, n)
    activate_units(first, work, plan.batch, place, n)


cdef void step(Plan* plan, real_t* theta, int thread, const Py_ssize_t* order, Py_ssize_t rows,
               Py_ssize_t n_next) noexcept nogil:
    """One thread's part of one minibatch: the rows that `order` lists. n_next come after them."""
    cdef const Layer* first = plan.layers
    cdef const Layer* layer
    cdef Py_ssize_t start, stop, end, mine, part = PART
    cdef int j

    # Phase 1: my rows, there and back, as many at a time as stay in the cache. Layers that all
    # threads meet at need them all.
    if thread == 0:
        start_minibatch(plan, order, rows)
    if plan.halves:
        _sum_halves(plan, theta, thread, order, rows, n_next)
        barrier_wait(plan.barrier, thread)
    share(rows, TILE, thread, plan.barrier.size, &start, &stop)
    mine = start
    for j in range(plan.n_layers):
        if plan.layers[j].wide:
            part = rows
    while True:
        end = min(stop, start + part)
        if end < stop:
            _there_and_back(plan, theta, thread, order, rows, start, end, order + end,
                            min(part, stop - end))
        else:   # my first rows of the next minibatch
            _there_and_back(plan, theta, thread, order, rows, start, end, order + rows + mine,
                            max(0, min(n_next, stop, mine + part) - mine))
        start = end
        if start >= stop:
            break
    barrier_wait(plan.barrier, thread)  # mutant: leave out a barrier

    # Phase 2: my rows of every W.
    if thread == 0 and plan.track_loss:
        _sum_losses(plan, rows)
    if plan.rows.kind == RECORDS:
        _update_from_records(plan, first, theta, thread, order, rows)
    else:
        update_weights(plan, first, theta, thread, rows, plan.slices[2 * thread],
                       plan.slices[2 * thread + 1])
    for j in range(1, plan.n_layers):
        layer = &plan.layers[j]
        if not layer.wide:
            share(layer.n_in, TILE, thread, plan.barrier.size, &start, &stop)
            update_weights(plan, layer, theta, thread, rows, start, stop)
            if plan.batch > 1:  # mutant: errors with old weights
                transpose[real_t](theta + layer.w, layer.ld, start, stop, layer.n_out,
                                  <real_t*> plan.transposed + layer.wt, layer.ld_in)
    for j in range(plan.n_layers):
        if j % plan.barrier.size == thread:  # mutant: forget the bias update
            update_biases(plan, &plan.layers[j], theta, thread, rows)
    barrier_wait(plan.barrier, thread)


cdef bint _drops(const Plan* plan, int j) noexcept nogil:
    """Whether dropout takes something from what layer j reads."""
    return plan.rates_of_dropout is not NULL and plan.rates_of_dropout[j] > 0


cdef void _drop(Plan* plan, int j, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t stop,
                real_t* work) noexcept nogil:
    """Dropout in my rows of what layer j reads, and in the slopes that errors pass back by."""
    cdef const Layer* layer = &plan.layers[j]
    cdef real_t* x = work + plan.batch * layer.x
    cdef real_t* slope = NULL
    cdef Py_ssize_t i
    if not _drops(plan, j):
        return
    if j > 0:
        slope = work + plan.batch * plan.layers[j - 1].slope
    for i in range(start, stop):
        drop_units[real_t](&plan.dropout, order[i], j, plan.rates_of_dropout[j],
                           x + i * layer.ld_in, NULL if j == 0 else slope + i * layer.ld_in,
                           layer.n_in)


cdef void _drop_records(Plan* plan, const Py_ssize_t* order, Py_ssize_t start, Py_ssize_t stop,
                        real_t* tag) noexcept nogil:
    """The same for inputs that are records: into a copy of their values."""
    cdef Py_ssize_t i
    for i in range(start, stop):
        drop_entries[real_t](&plan.dropout, order[i], plan.rates_of_dropout[0],
                             &plan.undropped.records, <real_t*> plan.rows.records.value)


cdef void output_errors(Plan* plan, real_t* work, int thread, const Py_ssize_t* order,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Net inputs of the output units of my rows become errors."""
    cdef const Layer* last = &plan.layers[plan.n_layers - 1]
    cdef real_t* z = work + plan.batch * last.a
    cdef real_t* room = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef double loss
    cdef Py_ssize_t i
    for i in range(start, stop):
        # mutant: labels of other rows
        loss = row_error[real_t](&plan.loss, &plan.targets, order[i], plan.track_loss,
                                 z + i * last.ld, last.n_out, last.width, room)
        if plan.track_loss:
            plan.losses[i] = loss


cdef void backward(Plan* plan, const Layer* layer, const real_t* theta, real_t* work,
                   Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """Errors of my rows of the layer below: (delta @ W.T) * slope."""
    cdef const Layer* below = layer - 1
    cdef const real_t* delta = work + plan.batch * layer.delta + start * layer.ld
    cdef real_t* delta_below = work + plan.batch * below.delta + start * below.ld
    if rows == 0:
        return
    if plan.batch == 1:
        row_times_transpose[real_t](theta + layer.w, layer.ld, layer.n_in, layer.width, delta,
                                    delta_below)
        memset(delta_below + layer.n_in, 0, (below.width - layer.n_in) * sizeof(real_t))
    else:
        small_gemm[real_t](rows, below.width, layer.n_out, delta, layer.ld, 1,
                           <const real_t*> plan.transposed + layer.wt, layer.ld_in, NULL, 0,
                           delta_below, below.ld)
    # mutant: forget the derivative
    _chain[real_t](plan, below, start * below.ld, rows * below.ld, work)


cdef void _chain(Plan* plan, const Layer* layer, Py_ssize_t place, Py_ssize_t n,
                 real_t* work) noexcept nogil:
    """Errors of activations become errors of net inputs: n elements from a place on."""
    cdef real_t* delta = work + plan.batch * layer.delta + place
    if layer.slope:
        multiply(delta, work + plan.batch * layer.slope + place, n)
    else:
        chain[real_t](layer.activation, work + plan.batch * layer.a + place, delta, n)


cdef void update_weights(Plan* plan, const Layer* layer, real_t* theta, int thread,
                         Py_ssize_t rows, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """Gradient and step of rows [start, stop) of W, a chunk at a time."""
    cdef const real_t* x = <const real_t*> plan.work + plan.batch * layer.x
    cdef const real_t* delta = <const real_t*> plan.work + plan.batch * layer.delta
    cdef real_t* gradient = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef Py_ssize_t chunk
    while start < stop:
        chunk = min(DENSE_CHUNK, stop - start)
        small_gemm[real_t](chunk, layer.width, rows, x + start, 1, layer.ld_in, delta, layer.ld,
                           NULL, 0, gradient, layer.ld)
        _apply(plan, layer, theta, gradient, start, chunk)
        start += chunk


cdef void _apply(Plan* plan, const Layer* layer, real_t* theta, const real_t* gradient,
                 Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """What becomes of the gradient of some rows of W: the optimiser's step, or it is collected."""
    if plan.whole is NULL:
        apply_rule(plan, &plan.rule, layer, theta, gradient, start, rows)
        _penalise(plan, layer, theta, start, start + rows)
    else:
        _collect(plan, layer, theta, gradient, start, rows)


cdef void _collect(Plan* plan, const Layer* layer, const real_t* theta, const real_t* gradient,
                   Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """Keep a gradient with its penalty, and its squares TILE by TILE, for `norms`."""
    cdef real_t* whole = <real_t*> plan.whole + layer.w + start * layer.ld
    cdef Py_ssize_t i
    memset(whole, 0, rows * layer.ld * sizeof(real_t))
    for i in range(rows):
        update[real_t](STORE, &plan.rule, True, <real_t*> theta + layer.w + (start + i) * layer.ld,
                       gradient + i * layer.ld, whole + i * layer.ld, 0, layer.width)
    i = 0
    while i < rows:
        plan.squares[layer.tile + (start + i) // TILE] = penalty[real_t](
            whole + i * layer.ld, min(TILE, rows - i) * layer.ld, 2, 0)
        i += TILE


cdef void apply_rule(Plan* plan, const Rule* rule, const Layer* layer, real_t* theta,
                     const real_t* gradient, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """The optimiser's step on some rows of W, without what parts them beyond whole lines."""
    cdef real_t* w = theta + layer.w + start * layer.ld
    cdef real_t* state = <real_t*> plan.state + layer.w + start * layer.ld
    cdef Py_ssize_t i
    if layer.ld == layer.width:
        update[real_t](plan.optimizer, rule, True, w, gradient, state, plan.state_stride,
                       rows * layer.ld)
    else:
        for i in range(rows):
            update[real_t](plan.optimizer, rule, True, w + i * layer.ld, gradient + i * layer.ld,
                           state + i * layer.ld, plan.state_stride, layer.width)


cdef void _update_from_records(Plan* plan, const Layer* layer, real_t* theta, int thread,
                               const Py_ssize_t* order, Py_ssize_t rows) noexcept nogil:
    """The same for my rows of the first layer's W, from records."""
    cdef const real_t* delta = <const real_t*> plan.work + plan.batch * layer.delta
    cdef real_t* gradient = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef real_t* first = <real_t*> plan.start + thread * layer.ld
    cdef int64_t* cursor = plan.cursor + thread * plan.cursor_size
    cdef real_t background = <real_t> plan.rows.background
    cdef Py_ssize_t start = plan.slices[2 * thread], end = plan.slices[2 * thread + 1]
    cdef Py_ssize_t stop, chunk, features, row, n, j
    # Of few rows, the gradient is applied while it is in the nearest cache.
    cdef Py_ssize_t unit = CHUNK if rows <= GROUP else plan.strip
    cdef Lists lists
    lists.entries = plan.entries + thread * plan.strip * plan.slots * ENTRY
    lists.count = plan.counts + thread * plan.strip
    column_sums[real_t](delta, rows, layer.ld, first)
    for j in range(layer.ld):
        first[j] *= background  # mutant: wrong background term
    records_seek(&plan.rows, order, rows, start, cursor)
    while start < end:
        stop = min(end, start + plan.strip)
        row = 0
        while row < rows:
            n = min(GROUP, rows - row)
            records_turn[real_t](&plan.rows, order + row, n, start, stop, plan.slots, layer.ld,
                                 cursor + row, &lists, 0)
            chunk = start
            while chunk < stop:
                features = min(unit, stop - chunk)
                records_gradient[real_t](&lists, chunk - start, features, plan.slots,
                                         delta + row * layer.ld, layer.ld, layer.width,
                                         first if row == 0 else gradient,
                                         0 if row == 0 else layer.ld, gradient)
                if row + n == rows:
                    _apply(plan, layer, theta, gradient, chunk, features)
                chunk += features
            row += n
        if background != 0:
            # mutant: outdated column sums
            chunk_sums(layer, theta, start, stop, <real_t*> plan.sums)
        start = stop


cdef void update_biases(Plan* plan, const Layer* layer, real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil:
    """Gradient and step of the biases: sums over the rows, and no penalty."""
    cdef real_t* gradient = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef real_t* whole = <real_t*> plan.whole + layer.b
    column_sums[real_t](<const real_t*> plan.work + plan.batch * layer.delta, rows, layer.ld,
                        gradient)
    if plan.whole is NULL:
        # mutant: penalise the biases
        update[real_t](plan.optimizer, &plan.rule, False, theta + layer.b, gradient,
                       <real_t*> plan.state + layer.b, plan.state_stride, layer.width)
        return
    memset(whole, 0, layer.ld * sizeof(real_t))
    update[real_t](STORE, &plan.rule, False, theta + layer.b, gradient, whole, 0, layer.width)
    plan.squares[plan.n_tiles + (layer - plan.layers)] = penalty[real_t](whole, layer.ld, 2, 0)


cdef void _wide_forward(Plan* plan, const Layer* layer, const real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil:
    """All rows of the minibatch through my units of a wide layer."""
    cdef real_t* work = <real_t*> plan.work
    cdef real_t* z = work + plan.batch * layer.a
    cdef const real_t* x = <const real_t*> plan.work + plan.batch * layer.x
    cdef Py_ssize_t piece = (layer.width // TILE + WIDE_PIECES - 1) // WIDE_PIECES * TILE
    cdef Py_ssize_t start, stop, end, i, j
    share(layer.n_out, piece, thread, plan.barrier.size, &start, &end)
    while start < end:
        stop = min(end, start + piece)
        for i in range(rows):
            for j in range(start, stop):
                z[i * layer.ld + j] = theta[layer.b + j]
        gemm[real_t](False, False, <int> rows, <int> (stop - start), layer.n_in, 1,
                     x, layer.ld_in, theta + layer.w + start, layer.ld, 1, z + start, layer.ld)
        for i in range(rows):
            activate_units(layer, work, plan.batch, i * layer.ld + start, stop - start)
        start = stop


cdef void _wide_backward(Plan* plan, const Layer* layer, real_t* theta, int thread,
                         Py_ssize_t rows) noexcept nogil:
    """Errors of my units of the layer below, then the step of the weights that led to them."""
    cdef const Layer* below = layer - 1
    cdef const real_t* delta = <const real_t*> plan.work + plan.batch * layer.delta
    cdef real_t* work = <real_t*> plan.work
    cdef real_t* delta_below = work + plan.batch * below.delta
    cdef Py_ssize_t piece = (layer.n_in + WIDE_PIECES * TILE - 1) // (WIDE_PIECES * TILE) * TILE
    cdef Py_ssize_t start, stop, end, i
    share(layer.n_in, piece, thread, plan.barrier.size, &start, &end)
    while start < end:
        stop = min(end, start + piece)
        # mutant: errors with updated weights
        gemm[real_t](False, True, <int> rows, <int> (stop - start), layer.n_out, 1,
                     delta, layer.ld, theta + layer.w + start * layer.ld, layer.ld,
                     0, delta_below + start, below.ld)
        for i in range(rows):
            _chain(plan, below, i * below.ld + start, stop - start, work)
            if stop == layer.n_in:   # padding has no error, as in output_error
                memset(delta_below + i * below.ld + stop, 0,
                       (below.width - stop) * sizeof(real_t))
        update_weights(plan, layer, theta, thread, rows, start, stop)
        # end of mutant
        start = stop

"""Training: one step over a minibatch in two phases, epochs of steps, and the evaluation.

A step of a network whose weights fit in the cache:

    phase 1, the minibatch's rows dealt out       phase 2, rows of every W dealt out
      fetch the rows                                gradient of a chunk of W, into a buffer
      forward through all layers                      that stays in the cache
      outputs to errors, and back                   the optimiser's step on that chunk
      ---- barrier ----                             ---- barrier ----

No number depends on how the work was dealt out: an element of a product is summed in one order
whatever block it falls into, and what goes through BLAS, which may order sums by the size of a
block, is cut on a grid that does not depend on the threads.

A `wide` layer, too large for the cache, is dealt out by its units instead, so that each core reads
only its share of W: with a barrier before and after, and its gradient and update follow its
backward pass while its rows of W are still at hand.
"""

import contextlib

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from mlpcore.engine.activations cimport activate, chain
from mlpcore.engine.blas cimport gemm
from mlpcore.engine.inputs cimport (
    CHUNK,
    GROUP,
    RECORDS,
    Input,
    Rows,
    records_gradient,
    records_seek,
)
from mlpcore.engine.kernels cimport argmax, column_sums, small_gemm, transpose
from mlpcore.engine.losses cimport loss as row_loss
from mlpcore.engine.losses cimport output
from mlpcore.engine.network cimport (
    BLOCK,
    Layer,
    Network,
    chunk_sums,
    fetch,
    forward,
    forward_first,
    start_of_sums,
)
from mlpcore.engine.optimizers cimport update
from mlpcore.engine.team cimport (
    Team,
    barrier_stopped,
    barrier_take,
    barrier_wait,
    clock,
    share,
)
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.network import aligned_zeros
from mlpcore.engine.optimizers import OPTIMIZERS
from mlpcore.engine.team import single_threaded_blas

# Rows of W whose gradient is made and applied at a time, from dense rows: 64 of 112 floats are
# 28 KB, about a first-level cache.
cdef Py_ssize_t DENSE_CHUNK = 64
# A chunk of the records turned about: for each feature, up to GROUP entries of 16 bytes at most.
cdef Py_ssize_t ENTRIES_BYTES = CHUNK * GROUP * 16
# Pieces that a wide layer is cut into, along its inputs or its outputs.
cdef int WIDE_PIECES = 8
# Rows that are dealt out together: whole tiles of the products.
cdef Py_ssize_t TILE = 8
# The calling thread looks for signals this often.
cdef double SECONDS_BETWEEN_SIGNALS = 0.05
# A thread more must bring this many multiplications a minibatch, or the barriers cost more.
cdef double WORTH_A_THREAD = 200_000
# What an entry costs against a chunk of weights, when the shares of the first layer are made.
cdef double COST_OF_ENTRY = 0.01


cdef class Trainer:
    """Trains one network on one set of rows.

    Use it as a context manager: its threads live for the ``with`` block.

    Parameters
    ----------
    network : Network
        Trained in place.
    train : Input
    train_labels : ndarray of intc, shape (n_samples,)
        Index of each row's output unit.
    valid, valid_labels : the same for validation, optional
    optimizer : str, default="sgd"
        See `mlpcore.engine.optimizers.OPTIMIZERS`.
    learning_rate : float, default=0.0
    l2 : float, default=0.0
        The gradient of each weight w gains ``l2 * w``; biases have no penalty.
    minibatch_size : int, default=1
    n_threads : int, default=1
        At most; a small network gets fewer. Changes the time and not one bit of the result.

    Attributes
    ----------
    state : ndarray
        The optimiser's vectors, each laid out as ``network.parameters``.
    """

    def __cinit__(self, Network network, Input train, train_labels, *, Input valid=None,
                  valid_labels=None, optimizer="sgd", double learning_rate=0.0, double l2=0.0,
                  Py_ssize_t minibatch_size=1, int n_threads=1):
        cdef Plan* plan = &self.plan
        cdef Py_ssize_t longest = 0
        cdef int i
        for i in range(network.n_layers):
            longest = max(longest, network.layers[i].ld)
        size = self._worthwhile(network, train, minibatch_size, n_threads)
        self._team = Team(size)
        self.network, self._train, self._valid = network, train, valid
        self._train_labels, self._valid_labels = train_labels, valid_labels
        self.state = aligned_zeros(OPTIMIZERS[optimizer] * network.size, network.dtype)
        rows = max(minibatch_size, size * BLOCK)
        chunks = (network.layers[0].n_in + CHUNK - 1) // CHUNK
        self._buffers = {
            "work": aligned_zeros(rows * network.full_width, network.dtype),
            "transposed": aligned_zeros(network.transposed_size, network.dtype),
            "sums": aligned_zeros(chunks * network.layers[0].ld, network.dtype),
            "bounds": _bounds(train, chunks, minibatch_size, size),
            "gradient": aligned_zeros(size * DENSE_CHUNK * longest, network.dtype),
            "start": aligned_zeros(size * network.layers[0].ld, network.dtype),
            "cursor": np.empty(size * max(minibatch_size, BLOCK), np.int64),
            "entries": aligned_zeros(size * ENTRIES_BYTES if train.path == "sparse" else 0, "u1"),
        }
        plan.layers, plan.n_layers, plan.loss = network.layers, network.n_layers, network.loss
        plan.optimizer = list(OPTIMIZERS).index(optimizer)
        plan.rule.learning_rate, plan.rule.l2 = learning_rate, l2
        plan.state_stride = network.size
        plan.rows, plan.labels = train.rows, &self._train_labels[0]
        plan.batch = minibatch_size
        plan.barrier = self._team.barrier
        plan.forward_width = network.forward_width
        plan.gradient_size = DENSE_CHUNK * longest
        plan.cursor_size = max(minibatch_size, BLOCK)
        plan.state = _address(self.state)
        plan.work = _address(self._buffers["work"])
        plan.transposed = _address(self._buffers["transposed"])
        plan.sums = _address(self._buffers["sums"])
        plan.bounds = <Py_ssize_t*> _address(self._buffers["bounds"])
        plan.gradient = _address(self._buffers["gradient"])
        plan.start = _address(self._buffers["start"])
        plan.cursor = <int64_t*> _address(self._buffers["cursor"])
        plan.entries = <char*> _address(self._buffers["entries"])

    @staticmethod
    def _worthwhile(Network network, Input train, minibatch_size, n_threads):
        """Threads that pay for their barriers."""
        sizes = [a * b for a, b in zip(network.n_units, network.n_units[1:])]
        sizes[0] *= train.density
        work = 3 * minibatch_size * sum(sizes)
        return max(1, min(n_threads, int(work / WORTH_A_THREAD)))

    def __enter__(self):
        self._exits = contextlib.ExitStack()
        self._exits.enter_context(self._team)
        if self.network.uses_blas():
            self._exits.enter_context(single_threaded_blas())
        return self

    def __exit__(self, *_):
        self._exits.close()

    def epoch(self, const Py_ssize_t[::1] order):
        """Train on minibatches of consecutive rows in the given order.

        A shorter last slice is left out. Signals are looked for every few hundredths of a second;
        after an exception the parameters are those of some unfinished step.

        Parameters
        ----------
        order : ndarray of intp
            Indices of training rows.
        """
        if len(order) and not 0 <= np.min(order) <= np.max(order) < self.plan.rows.n_rows:
            raise ValueError(f"order must hold row numbers below {self.plan.rows.n_rows}")
        if self.network.single:
            self._team.run(lambda thread: _epoch[float](self, NULL, thread, order))
        else:
            self._team.run(lambda thread: _epoch[double](self, NULL, thread, order))

    def evaluate(self):
        """Loss and hits over all rows, with the present parameters.

        Returns
        -------
        loss : float
            Sum over the training rows, without a penalty.
        train_hits, valid_hits : int
            Rows whose largest net input is that of their class.
        """
        loss, train_hits = self._evaluate(self._train, self._train_labels)
        if self._valid is None:
            return loss, train_hits, 0
        return loss, train_hits, self._evaluate(self._valid, self._valid_labels)[1]

    def _evaluate(self, Input rows, int[::1] labels):
        blocks = (rows.rows.n_rows + BLOCK - 1) // BLOCK
        losses, hits = np.zeros(blocks), np.zeros(blocks, np.intp)
        if self.network.single:
            self._team.run(
                lambda thread: _blocks[float](self, NULL, thread, rows, labels, losses, hits))
        else:
            self._team.run(
                lambda thread: _blocks[double](self, NULL, thread, rows, labels, losses, hits))
        # One fixed order, so that the sum has the same bits for any number of threads.
        return sum(losses.tolist()), int(hits.sum())


cdef void* _address(buffer) except? NULL:
    return <void*> <size_t> buffer.__array_interface__["data"][0]


def _bounds(Input train, chunks, minibatch_size, size):
    """Features at which the threads' shares of the first layer's weights begin and end.

    A chunk costs its entries and its weights. Of the entries a sample tells: pixels in the middle
    of an image are seldom background, those at its edges always.
    """
    cost = np.full(chunks, 1.0)
    if train.path == "sparse":
        cost += train.entries_per_chunk(chunks) * minibatch_size * COST_OF_ENTRY
    done = np.concatenate([[0.0], np.cumsum(cost)]) / cost.sum()
    bounds = np.searchsorted(done, np.arange(1, size) / size)
    return np.minimum(np.array([0, *bounds, chunks], np.intp) * CHUNK, train.n_features)


cdef _epoch(Trainer trainer, real_t* _, int thread, const Py_ssize_t[::1] order):
    """One thread's part of an epoch."""
    cdef Plan* plan = &trainer.plan
    cdef real_t* theta = <real_t*> trainer.network.theta
    cdef const Py_ssize_t* rows = &order[0] if order.shape[0] else NULL
    cdef Py_ssize_t n = order.shape[0], position = 0
    cdef double deadline
    with nogil:
        _prepare(plan, theta, thread)
    while position + plan.batch <= n and not barrier_stopped(plan.barrier):
        deadline = clock() + SECONDS_BETWEEN_SIGNALS if thread == 0 else 0
        with nogil:
            while position + plan.batch <= n and not barrier_stopped(plan.barrier):
                _step(plan, theta, thread, rows + position, plan.batch,
                      min(plan.batch, n - position - plan.batch))
                position += plan.batch
                if thread == 0 and clock() > deadline:
                    break
        if thread == 0:
            PyErr_CheckSignals()


cdef void _prepare(Plan* plan, const real_t* theta, int thread) noexcept nogil:
    """What is kept beside the weights, from the weights as they are now: transposes and sums."""
    cdef const Layer* layer = plan.layers
    cdef Py_ssize_t start, stop
    cdef int i
    chunk_sums(layer, theta, plan.bounds[thread], plan.bounds[thread + 1], <real_t*> plan.sums)
    for i in range(1, plan.n_layers):
        layer = &plan.layers[i]
        if not layer.wide:
            share(layer.n_in, TILE, thread, plan.barrier.size, &start, &stop)
            transpose[real_t](theta + layer.w, layer.ld, start, stop, layer.n_out,
                              <real_t*> plan.transposed + layer.wt, layer.ld_in)
    barrier_wait(plan.barrier)


cdef void _step(Plan* plan, real_t* theta, int thread, const Py_ssize_t* order, Py_ssize_t rows,
                Py_ssize_t n_next) noexcept nogil:
    """One thread's part of one minibatch: the rows that `order` lists. n_next come after them."""
    cdef real_t* work = <real_t*> plan.work
    cdef const Layer* first = plan.layers
    cdef const Layer* last = &plan.layers[plan.n_layers - 1]
    cdef const Layer* layer
    cdef real_t* sums = <real_t*> plan.start + thread * first.ld
    cdef Py_ssize_t start, stop, i
    cdef int j
    cdef bint shared = False   # what comes next reads rows that other threads may still be writing

    # Phase 1: my rows, there and back.
    share(rows, TILE, thread, plan.barrier.size, &start, &stop)
    if first.wide and plan.rows.kind != RECORDS:
        fetch(first, &plan.rows, order, start, stop - start, work, start)
        barrier_wait(plan.barrier)
        _wide_forward(plan, first, theta, thread, rows)
        shared = True
    else:
        start_of_sums[real_t](first, theta, &plan.rows, <real_t*> plan.sums, sums)
        forward_first[real_t](first, first != last, theta, &plan.rows, order, start, stop - start,
                              order + rows + start, max(0, min(n_next, stop) - start), sums,
                              plan.cursor + thread * plan.cursor_size, work, plan.batch, start)
    for j in range(1, plan.n_layers):
        layer = &plan.layers[j]
        if layer.wide:
            barrier_wait(plan.barrier)
            _wide_forward(plan, layer, theta, thread, rows)
        else:
            if shared:
                barrier_wait(plan.barrier)
            forward(layer, layer != last, theta, work, plan.batch, start, stop - start)
        shared = layer.wide
    if shared:
        barrier_wait(plan.barrier)
    for i in range(start, stop):
        _output_error(plan, last, work + plan.batch * last.a + i * last.ld, plan.labels[order[i]])
    shared = False
    for j in range(plan.n_layers - 1, 0, -1):
        layer = &plan.layers[j]
        if layer.wide:
            barrier_wait(plan.barrier)
            _wide_backward(plan, layer, theta, thread, rows)
        else:
            if shared:
                barrier_wait(plan.barrier)
            _backward(plan, layer, work, start, stop - start)
        shared = layer.wide
    barrier_wait(plan.barrier)

    # Phase 2: my rows of every W.
    if plan.rows.kind == RECORDS:
        _update_from_records(plan, first, theta, thread, order, rows)
    else:
        _update_weights(plan, first, theta, thread, rows, plan.bounds[thread],
                        plan.bounds[thread + 1])
    for j in range(1, plan.n_layers):
        layer = &plan.layers[j]
        if not layer.wide:
            share(layer.n_in, TILE, thread, plan.barrier.size, &start, &stop)
            _update_weights(plan, layer, theta, thread, rows, start, stop)
            transpose[real_t](theta + layer.w, layer.ld, start, stop, layer.n_out,
                              <real_t*> plan.transposed + layer.wt, layer.ld_in)
    for j in range(plan.n_layers):
        if j % plan.barrier.size == thread:
            _update_biases(plan, &plan.layers[j], theta, thread, rows)
    barrier_wait(plan.barrier)


cdef void _output_error(Plan* plan, const Layer* last, real_t* z, int label) noexcept nogil:
    """Net inputs of one row of output units become errors: output - target."""
    cdef int j
    output(plan.loss, z, last.n_out, last.width)
    z[label] -= 1
    for j in range(last.n_out, last.width):
        z[j] = 0   # padding has no error, so that padded weights stay 0


cdef void _backward(Plan* plan, const Layer* layer, real_t* work, Py_ssize_t start,
                    Py_ssize_t rows) noexcept nogil:
    """Errors of my rows of the layer below: (delta @ W.T) * slope."""
    cdef const Layer* below = layer - 1
    cdef const real_t* delta = work + plan.batch * layer.delta + start * layer.ld
    cdef real_t* delta_below = work + plan.batch * below.delta + start * below.ld
    small_gemm[real_t](rows, below.width, layer.n_out, delta, layer.ld, 1,
                       <const real_t*> plan.transposed + layer.wt, layer.ld_in, NULL, 0,
                       delta_below, below.ld)
    chain[real_t](below.activation, work + plan.batch * below.a + start * below.ld, delta_below,
                  rows * below.ld)


cdef void _update_weights(Plan* plan, const Layer* layer, real_t* theta, int thread,
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
        update[real_t](plan.optimizer, &plan.rule, plan.rule.l2,
                       theta + layer.w + start * layer.ld, gradient,
                       <real_t*> plan.state + layer.w + start * layer.ld, plan.state_stride,
                       chunk * layer.ld)
        start += chunk


cdef void _update_from_records(Plan* plan, const Layer* layer, real_t* theta, int thread,
                               const Py_ssize_t* order, Py_ssize_t rows) noexcept nogil:
    """The same for my rows of the first layer's W, from records."""
    cdef const real_t* delta = <const real_t*> plan.work + plan.batch * layer.delta
    cdef real_t* gradient = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef real_t* first = <real_t*> plan.start + thread * layer.ld
    cdef int64_t* cursor = plan.cursor + thread * plan.cursor_size
    cdef real_t background = <real_t> plan.rows.background
    cdef Py_ssize_t start = plan.bounds[thread], end = plan.bounds[thread + 1], stop, j
    column_sums[real_t](delta, rows, layer.ld, first)
    for j in range(layer.ld):
        first[j] *= background
    records_seek(&plan.rows, order, rows, start, cursor)
    while start < end:
        stop = min(end, start + CHUNK)
        records_gradient[real_t](&plan.rows, order, rows, start, stop, delta, layer.ld, layer.width,
                                 first, gradient, cursor, plan.entries + thread * ENTRIES_BYTES)
        update[real_t](plan.optimizer, &plan.rule, plan.rule.l2,
                       theta + layer.w + start * layer.ld, gradient,
                       <real_t*> plan.state + layer.w + start * layer.ld, plan.state_stride,
                       (stop - start) * layer.ld)
        if background != 0:
            chunk_sums(layer, theta, start, stop, <real_t*> plan.sums)
        start = stop


cdef void _update_biases(Plan* plan, const Layer* layer, real_t* theta, int thread,
                         Py_ssize_t rows) noexcept nogil:
    """Gradient and step of the biases: sums over the rows, and no penalty."""
    cdef real_t* gradient = <real_t*> plan.gradient + thread * plan.gradient_size
    column_sums[real_t](<const real_t*> plan.work + plan.batch * layer.delta, rows, layer.ld,
                        gradient)
    update[real_t](plan.optimizer, &plan.rule, 0, theta + layer.b, gradient,
                   <real_t*> plan.state + layer.b, plan.state_stride, layer.ld)


cdef void _wide_forward(Plan* plan, const Layer* layer, const real_t* theta, int thread,
                        Py_ssize_t rows) noexcept nogil:
    """All rows of the minibatch through my units of a wide layer."""
    cdef real_t* z = <real_t*> plan.work + plan.batch * layer.a
    cdef const real_t* x = <const real_t*> plan.work + plan.batch * layer.x
    cdef Py_ssize_t piece = (layer.width // TILE + WIDE_PIECES - 1) // WIDE_PIECES * TILE
    cdef Py_ssize_t start, stop, mine, end, i, j
    share(layer.n_out, piece, thread, plan.barrier.size, &start, &end)
    while start < end:
        stop = min(end, start + piece)
        for i in range(rows):
            for j in range(start, stop):
                z[i * layer.ld + j] = theta[layer.b + j]
        gemm[real_t](False, False, <int> rows, <int> (stop - start), layer.n_in, 1,
                     x, layer.ld_in, theta + layer.w + start, layer.ld, 1, z + start, layer.ld)
        if layer.delta != layer.a:
            for i in range(rows):
                activate(layer.activation, z + i * layer.ld + start, stop - start)
        start = stop


cdef void _wide_backward(Plan* plan, const Layer* layer, real_t* theta, int thread,
                         Py_ssize_t rows) noexcept nogil:
    """Errors of my units of the layer below, then the step of the weights that led to them."""
    cdef const Layer* below = layer - 1
    cdef const real_t* delta = <const real_t*> plan.work + plan.batch * layer.delta
    cdef real_t* delta_below = <real_t*> plan.work + plan.batch * below.delta
    cdef const real_t* a = <const real_t*> plan.work + plan.batch * below.a
    cdef Py_ssize_t piece = (layer.n_in + WIDE_PIECES * TILE - 1) // (WIDE_PIECES * TILE) * TILE
    cdef Py_ssize_t start, stop, end, i
    share(layer.n_in, piece, thread, plan.barrier.size, &start, &end)
    while start < end:
        stop = min(end, start + piece)
        gemm[real_t](False, True, <int> rows, <int> (stop - start), layer.n_out, 1,
                     delta, layer.ld, theta + layer.w + start * layer.ld, layer.ld,
                     0, delta_below + start, below.ld)
        for i in range(rows):
            chain[real_t](below.activation, a + i * below.ld + start,
                          delta_below + i * below.ld + start, stop - start)
        _update_weights(plan, layer, theta, thread, rows, start, stop)
        start = stop


cdef _blocks(Trainer trainer, real_t* _, int thread, Input rows, int[::1] labels,
             double[::1] losses, Py_ssize_t[::1] hits):
    """Evaluate blocks of rows until none is left."""
    cdef bint more = True
    cdef double deadline
    cdef Plan* plan = &trainer.plan
    cdef real_t* theta = <real_t*> trainer.network.theta
    with nogil:
        _prepare(plan, theta, thread)
        start_of_sums[real_t](plan.layers, theta, &rows.rows, <real_t*> plan.sums,
                              <real_t*> plan.start + thread * plan.layers.ld)
    while more:
        deadline = clock() + SECONDS_BETWEEN_SIGNALS if thread == 0 else 1e300
        with nogil:
            more = _some_blocks(plan, theta, thread, &rows.rows, &labels[0], &losses[0],
                                &hits[0], deadline)
        if thread == 0:
            PyErr_CheckSignals()


cdef bint _some_blocks(Plan* plan, const real_t* theta, int thread, const Rows* source,
                       const int* labels, double* losses, Py_ssize_t* hits,
                       double deadline) noexcept nogil:
    """Blocks until the deadline; whether there may be more."""
    cdef const Layer* last = &plan.layers[plan.n_layers - 1]
    cdef real_t* work = <real_t*> plan.work + thread * BLOCK * plan.forward_width
    cdef real_t* target = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef const real_t* z
    cdef Py_ssize_t block, start, rows, i
    cdef int j
    for j in range(last.n_out):
        target[j] = 0
    while not barrier_stopped(plan.barrier):
        block = barrier_take(plan.barrier)
        start = block * BLOCK
        if start >= source.n_rows:
            return False
        rows = min(BLOCK, source.n_rows - start)
        forward_first[real_t](plan.layers, plan.n_layers > 1, theta, source, NULL, start, rows,
                              NULL, 0, <real_t*> plan.start + thread * plan.layers.ld,
                              plan.cursor + thread * plan.cursor_size, work, BLOCK, 0)
        for j in range(1, plan.n_layers):
            forward(&plan.layers[j], j < plan.n_layers - 1, theta, work, BLOCK, 0, rows)
        for i in range(rows):
            z = work + BLOCK * last.a + i * last.ld
            target[labels[start + i]] = 1
            losses[block] += row_loss[real_t](plan.loss, z, target, last.n_out)
            target[labels[start + i]] = 0
            hits[block] += argmax[real_t](z, last.n_out) == labels[start + i]
        if clock() > deadline:
            return True
    return False


def gradient(Network network, Input X, labels, *, double l2=0.0, int n_threads=1):
    """Loss over all rows and its gradient by every parameter.

    Parameters
    ----------
    network : Network
    X : Input
    labels : ndarray of intc, shape (n_samples,)
    l2 : float, default=0.0
        The gradient of each weight w gains ``l2 * w``: that of ``l2 / 2 * sum(w**2)``.
    n_threads : int, default=1

    Returns
    -------
    loss : float
        Sum over the rows, without the penalty.
    gradient : ndarray, shape (network.size,)
        Laid out as ``network.parameters``; see `Network.views`.
    """
    trainer = Trainer(network, X, labels, optimizer="store", l2=l2,
                      minibatch_size=X.rows.n_rows, n_threads=n_threads)
    with trainer:
        trainer.epoch(np.arange(X.rows.n_rows))
        return trainer.evaluate()[0], trainer.state

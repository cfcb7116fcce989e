"""Training: epochs of steps, and the evaluation."""

import contextlib

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from mlpcore.engine.inputs cimport CHUNK, ENTRY, GROUP, RECORDS, Input, Rows
from mlpcore.engine.kernels cimport argmax
from mlpcore.engine.losses cimport loss as row_loss
from mlpcore.engine.network cimport (
    BLOCK,
    Layer,
    Network,
    chunk_sums,
    forward,
    forward_first,
    start_of_sums,
)
from mlpcore.engine.online cimport fold, online_steps, suits, unfold
from mlpcore.engine.step cimport DENSE_CHUNK, LIST_BYTES, Plan, prepare, step
from mlpcore.engine.team cimport Barrier, Team, barrier_stopped, barrier_take, clock
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.kernels import place_of
from mlpcore.engine.network import aligned_zeros
from mlpcore.engine.optimizers import OPTIMIZERS
from mlpcore.engine.team import single_threaded_blas

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
        _check(network, train, train_labels, "train")
        if (valid is None) != (valid_labels is None):
            raise ValueError("valid and valid_labels belong together; got only one of them")
        if valid is not None:
            _check(network, valid, valid_labels, "valid")
        if minibatch_size < 1 or n_threads < 1:
            raise ValueError(
                f"minibatch_size and n_threads must be >= 1; got {minibatch_size} and {n_threads}"
            )
        for i in range(network.n_layers):
            longest = max(longest, network.layers[i].ld)
        size = self._worthwhile(network, train, minibatch_size, n_threads)
        self._team = Team(size)
        self._evaluators = Team(n_threads) if n_threads > size else self._team
        self.network, self._train, self._valid = network, train, valid
        self._train_labels, self._valid_labels = train_labels, valid_labels
        plan.optimizer = place_of(optimizer, OPTIMIZERS, "optimizer")
        self.state = aligned_zeros(OPTIMIZERS[optimizer] * network.size, network.dtype)
        rows = max(minibatch_size, n_threads * BLOCK)
        if train.path == "sparse":
            plan.slots = min(minibatch_size, GROUP)
            widest = LIST_BYTES // (plan.slots * ENTRY) // DENSE_CHUNK * DENSE_CHUNK
            plan.strip = min(max(widest, DENSE_CHUNK), train.n_features)
        chunks = (network.layers[0].n_in + CHUNK - 1) // CHUNK
        self._buffers = {
            "work": aligned_zeros(rows * network.full_width, network.dtype),
            "transposed": aligned_zeros(network.transposed_size, network.dtype),
            "sums": aligned_zeros(chunks * network.layers[0].ld, network.dtype),
            "bounds": _bounds(train, chunks, minibatch_size, size),
            "gradient": aligned_zeros(n_threads * DENSE_CHUNK * longest, network.dtype),
            "start": aligned_zeros(n_threads * network.layers[0].ld, network.dtype),
            "cursor": np.empty(n_threads * max(minibatch_size, BLOCK), np.int64),
            "lazy": aligned_zeros(2 * network.layers[0].ld, network.dtype),
            "entries": aligned_zeros(size * plan.strip * plan.slots * ENTRY, "u1"),
            "counts": aligned_zeros(size * plan.strip, np.intc),
        }
        plan.layers, plan.n_layers, plan.loss = network.layers, network.n_layers, network.loss
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
        plan.lazy = _address(self._buffers["lazy"])
        plan.is_sgd = optimizer == "sgd"
        plan.entries = <char*> _address(self._buffers["entries"])
        plan.counts = <int*> _address(self._buffers["counts"])

    @staticmethod
    def _worthwhile(Network network, Input train, minibatch_size, n_threads):
        """Threads that pay for their barriers. Online learning has nothing to deal out."""
        if minibatch_size == 1 and train.path == "sparse":
            return 1
        sizes = [a * b for a, b in zip(network.n_units, network.n_units[1:])]
        sizes[0] *= train.density
        work = 3 * minibatch_size * sum(sizes)
        return max(1, min(n_threads, int(work / WORTH_A_THREAD)))

    def __enter__(self):
        self._exits = contextlib.ExitStack()
        self._exits.enter_context(self._team)
        if self._evaluators is not self._team:
            self._exits.enter_context(self._evaluators)
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
        self.network.one = None
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
        blocks = (self._train.rows.n_rows + BLOCK - 1) // BLOCK
        losses = np.zeros(blocks)
        train_hits = self._hits(self._train, self._train_labels, losses)
        valid_hits = 0
        if self._valid is not None:
            valid_hits = self._hits(self._valid, self._valid_labels, None)
        # One fixed order, so that the sum has the same bits for any number of threads.
        return sum(losses.tolist()), train_hits, valid_hits

    def _hits(self, Input rows, int[::1] labels, losses):
        """Rows predicted right; the sum of losses of each block of rows goes into `losses`."""
        hits = np.zeros((rows.rows.n_rows + BLOCK - 1) // BLOCK, np.intp)
        if self.network.single:
            _start_of_blocks[float](&self.plan, <float*> self.network.theta, &rows.rows)
            self._evaluators.run(
                lambda thread: _blocks[float](self, NULL, thread, rows, labels, losses, hits))
        else:
            _start_of_blocks[double](&self.plan, <double*> self.network.theta, &rows.rows)
            self._evaluators.run(
                lambda thread: _blocks[double](self, NULL, thread, rows, labels, losses, hits))
        return int(hits.sum())


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


def _check(Network network, Input rows, labels, name):
    """Raise ValueError unless these are rows and labels for the network."""
    network.check(rows)
    n_outputs = network.n_units[len(network.n_units) - 1]
    if rows.rows.n_rows < 1 or np.shape(labels) != (rows.rows.n_rows,):
        raise ValueError(
            f"{name} must have a row or more, and a label for each; got {rows.rows.n_rows} rows "
            f"and labels of shape {np.shape(labels)}"
        )
    if not 0 <= np.min(labels) <= np.max(labels) < n_outputs:
        raise ValueError(f"{name}_labels must be numbers of output units, below {n_outputs}")


cdef _epoch(Trainer trainer, real_t* _, int thread, const Py_ssize_t[::1] order):
    """One thread's part of an epoch."""
    cdef Plan* plan = &trainer.plan
    cdef real_t* theta = <real_t*> trainer.network.theta
    cdef const Py_ssize_t* rows = &order[0] if order.shape[0] else NULL
    cdef Py_ssize_t n = order.shape[0], position = 0
    cdef double deadline
    cdef bint online = suits(plan)
    with nogil:
        prepare(plan, theta, thread)
        if online:
            unfold(plan, theta)
    while position + plan.batch <= n and not barrier_stopped(plan.barrier):
        deadline = clock() + SECONDS_BETWEEN_SIGNALS
        with nogil:
            if online:
                position = online_steps(plan, theta, rows, position, n, deadline)
            else:
                position = _steps(plan, theta, thread, rows, position, n, deadline)
        if thread == 0:
            PyErr_CheckSignals()
    if online:
        fold(plan, theta)


cdef Py_ssize_t _steps(Plan* plan, real_t* theta, int thread, const Py_ssize_t* order,
                       Py_ssize_t position, Py_ssize_t n, double deadline) noexcept nogil:
    """Steps from a position on; in the calling thread until the deadline. The new position."""
    while position + plan.batch <= n and not barrier_stopped(plan.barrier):
        step(plan, theta, thread, order + position, plan.batch,
             min(plan.batch, n - position - plan.batch))
        position += plan.batch
        if thread == 0 and clock() > deadline:
            break
    return position


cdef void _start_of_blocks(Plan* plan, const real_t* theta, const Rows* source) noexcept nogil:
    """What the first layer's sums start from, for an evaluation."""
    cdef const Layer* first = plan.layers
    cdef real_t* sums = <real_t*> plan.sums
    if source.kind == RECORDS and source.background != 0:
        chunk_sums(first, theta, 0, first.n_in, sums)
    start_of_sums[real_t](first, theta, source, sums, <real_t*> plan.start)


cdef _blocks(Trainer trainer, real_t* _, int thread, Input rows, int[::1] labels,
             double[::1] losses, Py_ssize_t[::1] hits):
    """Evaluate blocks of rows until none is left."""
    cdef bint more = True
    cdef double deadline
    cdef Plan* plan = &trainer.plan
    cdef real_t* theta = <real_t*> trainer.network.theta
    cdef Barrier* barrier = trainer._evaluators.barrier
    while more:
        deadline = clock() + SECONDS_BETWEEN_SIGNALS if thread == 0 else 1e300
        with nogil:
            more = _some_blocks(plan, barrier, theta, thread, &rows.rows, &labels[0],
                                NULL if losses is None else &losses[0], &hits[0], deadline)
        if thread == 0:
            PyErr_CheckSignals()


cdef bint _some_blocks(Plan* plan, Barrier* barrier, const real_t* theta, int thread,
                       const Rows* source, const int* labels, double* losses, Py_ssize_t* hits,
                       double deadline) noexcept nogil:
    """Blocks until the deadline; whether there may be more."""
    cdef const Layer* last = &plan.layers[plan.n_layers - 1]
    cdef real_t* work = <real_t*> plan.work + thread * BLOCK * plan.forward_width
    cdef real_t* target = <real_t*> plan.gradient + thread * plan.gradient_size
    cdef const real_t* z
    cdef Py_ssize_t block, start, rows, i
    cdef int j
    for j in range(last.width):
        target[j] = 0
    while not barrier_stopped(barrier):
        block = barrier_take(barrier)
        start = block * BLOCK
        if start >= source.n_rows:
            return False
        rows = min(BLOCK, source.n_rows - start)
        forward_first[real_t](plan.layers, plan.n_layers > 1, theta, source, NULL, start, rows,
                              NULL, min(BLOCK, source.n_rows - start - rows),
                              <const real_t*> plan.start, plan.cursor + thread * plan.cursor_size,
                              work, BLOCK, 0)
        for j in range(1, plan.n_layers):
            forward(&plan.layers[j], j < plan.n_layers - 1, theta, work, BLOCK, 0, rows)
        for i in range(rows):
            z = work + BLOCK * last.a + i * last.ld
            if losses is not NULL:
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

"""Training: epochs of steps."""

import contextlib

import numpy as np

from cython cimport critical_section

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from mlpcore.engine.evaluation cimport evaluate_rows
from mlpcore.engine.inputs cimport CHUNK, ENTRY, GROUP, Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.network cimport BLOCK, Layer, Network
from mlpcore.engine.norms cimport finish
from mlpcore.engine.online cimport fold, online_steps, suits, unfold
from mlpcore.engine.optimizers cimport set_rule
from mlpcore.engine.step cimport DENSE_CHUNK, LIST_BYTES, Plan, prepare, step
from mlpcore.engine.team cimport SECONDS_BETWEEN_SIGNALS, Team, barrier_stopped, clock
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.network import aligned_zeros
from mlpcore.engine.registry import ACTIVATIONS, OPTIMIZERS
from mlpcore.engine.team import single_threaded_blas

# A thread more must bring this many multiplications a minibatch, or the barriers cost more.
cdef double WORTH_A_THREAD = 200_000
# What an entry costs against a chunk of weights, when the shares of the first layer are made.
cdef double COST_OF_ENTRY = 0.01
# Bytes of the first layer's weights from which its sums are made in two halves, so that its weights
# cross less between cores, and rows of a minibatch up to which that pays.
cdef Py_ssize_t WORTH_HALVES = 1 << 17
cdef Py_ssize_t MOST_HALVED = 256
# Rows that go through together where the gradient of all is wanted.
cdef Py_ssize_t GRADIENT_ROWS = 256


cdef class Trainer:
    """Trains one network on one set of rows.

    Use it as a context manager: its threads live for the ``with`` block.

    Parameters
    ----------
    network : Network
        Trained in place.
    train : Input
    targets : ndarray of intc, shape (n_samples,), or real, shape (n_samples, n_outputs)
        Of each row the index of the output unit that shall be one, or what each output shall be, in
        the network's dtype.
    sample_weight : ndarray of float64, shape (n_samples,), optional
        What each row's loss and error are multiplied by.
    valid, valid_targets, valid_weight : the same for validation, optional
    optimizer : str, default="sgd"
        See `mlpcore.engine.registry.OPTIMIZERS`.
    learning_rate : float, default=0.0
    l1, l2 : float, default=0.0
        The gradient of each weight w gains ``l2 * w + l1 * sign(w)``; biases have no penalty.
    average : bool, default=False
        Divide a minibatch's gradient and penalty by its rows, or by the sum of their weights,
        instead of summing up, as scikit-learn does.
    minibatch_size : int, default=1
    keep_last : bool, default=False
        Train on a shorter last minibatch, too.
    **hyperparameters : float
        Those of the optimizer that differ from the defaults in
        `mlpcore.engine.registry.HYPERPARAMETERS`. Those of other optimizers are ignored.
    dropout : sequence of float, default=()
        Of each hidden layer the share of units that are zero in a minibatch, while the others are
        multiplied by 1 / (1 - share); one number more, in front, for the inputs. Sparse inputs can
        be dropped from only if their background is 0.
    seed : int, default=0
        Together with `epoch_count`, the row and the unit it says what is dropped, whatever the
        threads and the order of the rows.
    clip_norm : float, default=0.0
        Above 0, a minibatch's gradient, with its penalty, is scaled to at most this 2-norm.
    max_norm : float, default=0.0
        Above 0, after each step the weights that lead into a unit are, to at most this 2-norm.
    track_loss : bool, default=False
        Let `epoch` return the loss.
    n_threads : int, default=1
        At most; a small network gets fewer, and so does a process that may start no more. Changes
        the time and not one bit of the result.

    Attributes
    ----------
    state : ndarray
        The optimiser's vectors, each laid out as ``network.parameters``.
    step_count : int
        Minibatches in all epochs. Together with `epoch_count`, `state`, the network's parameters
        and what orders the rows it is all that another trainer needs to go on.
    epoch_count : int
        Epochs so far, which dropout depends on.
    seed : int
    learning_rate : float
    n_threads : int
        That an epoch is done by; inside the block as many as the system has started.
    """

    def __cinit__(self, Network network, Input train, targets, *, sample_weight=None,
                  Input valid=None, valid_targets=None, valid_weight=None, optimizer="sgd",
                  double learning_rate=0.0, double l1=0.0, double l2=0.0, bint average=False,
                  Py_ssize_t minibatch_size=1, bint keep_last=False, dropout=(), seed=0,
                  double clip_norm=0.0, double max_norm=0.0, bint track_loss=False,
                  int n_threads=1, **hyperparameters):
        cdef Plan* plan = &self.plan
        cdef Py_ssize_t longest = 0
        cdef int i
        if (valid is None) != (valid_targets is None):
            raise ValueError("valid and valid_targets belong together; got only one of them")
        if minibatch_size < 1 or n_threads < 1:
            raise ValueError(
                f"minibatch_size and n_threads must be >= 1; got {minibatch_size} and {n_threads}"
            )
        self._targets = _target_rows(network, train, targets, sample_weight, "train")
        if valid is not None:
            self._valid_targets = _target_rows(network, valid, valid_targets, valid_weight, "valid")
        for i in range(network.n_layers):
            longest = max(longest, network.layers[i].ld)
        size = self._worthwhile(network, train, minibatch_size, n_threads)
        # No more than there are blocks to evaluate.
        rows = max(train.rows.n_rows, 0 if valid is None else valid.rows.n_rows)
        n_threads = max(size, min(n_threads, (rows + BLOCK - 1) // BLOCK))
        self._team = Team(size)
        self._evaluators = Team(n_threads) if n_threads > size else self._team
        self.network, self._train, self._valid = network, train, valid
        self._keep_last = keep_last
        plan.optimizer = set_rule(&plan.rule, optimizer, hyperparameters)
        self.state = aligned_zeros(OPTIMIZERS[optimizer].n_vectors * network.size, network.dtype)
        rows = max(minibatch_size, n_threads * BLOCK)
        rates = self._rates_of_dropout(dropout)
        if train.path == "sparse":
            plan.slots = min(minibatch_size, GROUP)
            widest = LIST_BYTES // (plan.slots * ENTRY) // DENSE_CHUNK * DENSE_CHUNK
            plan.strip = min(max(widest, DENSE_CHUNK), train.n_features)
            self._halve(network, train, minibatch_size, rates)
        plan.gradient_size = DENSE_CHUNK * longest
        if minibatch_size > GROUP:
            plan.gradient_size = max(plan.gradient_size, plan.strip * network.layers[0].ld)
        chunks = (network.layers[0].n_in + CHUNK - 1) // CHUNK
        self._buffers = {
            "rates": rates,
            "whole": aligned_zeros(network.size if clip_norm > 0 else 0, network.dtype),
            "squares": np.zeros(network.n_tiles + network.n_layers),
            "work": aligned_zeros(rows * self._lay_out(rates), network.dtype),
            "transposed": aligned_zeros(network.transposed_size, network.dtype),
            "sums": aligned_zeros(chunks * network.layers[0].ld, network.dtype),
            "cost": _costs(train, chunks, minibatch_size),
            "slices": np.zeros(2 * size, np.intp),
            "gradient": aligned_zeros(n_threads * plan.gradient_size, network.dtype),
            "start": aligned_zeros(n_threads * network.layers[0].ld, network.dtype),
            "cursor": np.empty(n_threads * max(minibatch_size, BLOCK), np.int64),
            "second_half": aligned_zeros(
                minibatch_size * network.layers[0].ld if plan.halves else 0, network.dtype),
            "lazy": aligned_zeros(2 * network.layers[0].ld, network.dtype),
            "entries": aligned_zeros(size * plan.strip * plan.slots * ENTRY, "u1"),
            "counts": aligned_zeros(size * plan.strip, np.intc),
            "losses": np.zeros(minibatch_size),
            "penalties": np.zeros(network.n_tiles),
        }
        plan.layers, plan.n_layers, plan.loss = self._layers, network.n_layers, network.loss
        plan.rule.learning_rate = plan.learning_rate = learning_rate
        plan.rule.l1, plan.rule.l2, plan.rule.scale = l1, l2, 1
        plan.average, plan.track_loss = average, track_loss
        plan.state_stride = network.size
        plan.rows, plan.targets = train.rows, self._targets.targets
        plan.dropout.seed = seed
        plan.clip_norm, plan.max_norm = max(0.0, clip_norm), max(0.0, max_norm)
        plan.batch = minibatch_size
        plan.barrier = self._team.barrier
        plan.forward_width = network.forward_width
        plan.cursor_size = max(minibatch_size, BLOCK)
        plan.state = _address(self.state)
        plan.work = _address(self._buffers["work"])
        plan.transposed = _address(self._buffers["transposed"])
        plan.sums = _address(self._buffers["sums"])
        plan.cost = <double*> _address(self._buffers["cost"])
        plan.slices = <Py_ssize_t*> _address(self._buffers["slices"])
        plan.gradient = _address(self._buffers["gradient"])
        plan.start = _address(self._buffers["start"])
        plan.cursor = <int64_t*> _address(self._buffers["cursor"])
        plan.second_half = _address(self._buffers["second_half"])
        plan.lazy = _address(self._buffers["lazy"])
        plan.losses = <double*> _address(self._buffers["losses"])
        plan.penalties = <double*> _address(self._buffers["penalties"])
        plan.n_tiles = network.n_tiles
        plan.squares = <double*> _address(self._buffers["squares"])
        if clip_norm > 0:
            plan.whole = _address(self._buffers["whole"])
        if rates.any():
            plan.rates_of_dropout = <double*> _address(rates)
        self._drop_inputs(train, rates)
        plan.is_sgd = optimizer == "sgd"
        plan.bias_corrected = OPTIMIZERS[optimizer].bias_corrected
        plan.entries = <char*> _address(self._buffers["entries"])
        plan.counts = <int*> _address(self._buffers["counts"])

    def __dealloc__(self):
        free(self._layers)

    def _rates_of_dropout(self, dropout):
        """Rates of what each layer reads, or ValueError."""
        n_hidden = self.network.n_layers - 1
        rates = np.array([0.0] * (len(dropout) <= n_hidden) + list(dropout), np.float64)
        shares = np.all((0 <= rates) & (rates < 1))
        if not shares or len(dropout) not in (0, n_hidden, n_hidden + 1):
            raise ValueError(
                f"dropout must be a number from 0 to below 1 for each of the {n_hidden} hidden "
                f"layers, and one in front for the inputs if at all; got {dropout}"
            )
        return rates if len(dropout) else np.zeros(n_hidden + 1)

    def _halve(self, Network network, Input train, minibatch_size, rates):
        """Whether the first layer's sums are made in two halves, and which. The bits depend on it,
        so it does not depend on the threads."""
        cdef const Layer* first = network.layers
        chunks = (first.n_in + CHUNK - 1) // CHUNK
        size = first.n_in * first.ld * network.dtype.itemsize
        middle = np.searchsorted(_costs(train, chunks, minibatch_size), 0.5) * CHUNK
        self.plan.middle = min(middle, train.n_features)
        self.plan.halves = (size >= WORTH_HALVES and 1 < minibatch_size <= MOST_HALVED
                            and 0 < self.plan.middle < first.n_in and rates[0] == 0)

    def _drop_inputs(self, Input train, rates):
        """Room for what remains of records, which stay in place themselves."""
        if rates[0] == 0 or train.path == "dense":
            return
        if train.background != 0:
            raise ValueError(
                f"inputs can be dropped from only where the background is 0; it is "
                f"{train.background}. Use path='dense'."
            )
        values = aligned_zeros(max(1, train.rows.records.start[train.rows.n_rows]), train.dtype)
        self._buffers["values"] = values
        self.plan.rows.records.value = _address(values)
        self.plan.rows.records.coded = 0
        self.plan.undropped = &self._train.rows

    def _lay_out(self, rates):
        """Layers of one's own, with places for slopes; the width of a workspace for them."""
        cdef Network network = self.network
        cdef Py_ssize_t width = network.full_width
        cdef Layer* layer
        cdef int i
        activations = list(ACTIVATIONS.values())
        self._layers = <Layer*> malloc(network.n_layers * sizeof(Layer))
        if self._layers is NULL:
            raise MemoryError("no memory for the layers")
        memcpy(self._layers, network.layers, network.n_layers * sizeof(Layer))
        for i in range(network.n_layers - 1):
            layer = &self._layers[i]
            # Activations that were dropped do not tell their slopes, either.
            if activations[layer.activation].needs_preactivation or rates[i + 1] > 0:
                layer.slope = width
                width += layer.ld
        return width

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

    @property
    def n_threads(self):
        return self._team.n_threads

    @property
    def learning_rate(self):
        return self.plan.learning_rate

    @learning_rate.setter
    def learning_rate(self, double rate):
        self.plan.learning_rate = rate

    @property
    def seed(self):
        return self.plan.dropout.seed

    @seed.setter
    def seed(self, uint64_t seed):
        self.plan.dropout.seed = seed

    @property
    def epoch_count(self):
        return self.plan.dropout.epoch

    @epoch_count.setter
    def epoch_count(self, uint32_t count):
        self.plan.dropout.epoch = count

    @property
    def step_count(self):
        return self.plan.step_count

    @step_count.setter
    def step_count(self, int64_t count):
        self.plan.step_count = count

    def epoch(self, const Py_ssize_t[::1] order, const double[::1] rates=None):
        """Train on minibatches of consecutive rows in the given order.

        A shorter last slice is left out, or not; see ``keep_last``. Signals are looked for every
        few hundredths of a second; after an exception the parameters are those of some unfinished
        step.

        Parameters
        ----------
        order : ndarray of intp
            Indices of training rows.
        rates : ndarray of float64, optional
            A learning rate for each minibatch, in the place of ``learning_rate``.

        Returns
        -------
        loss : float
            Of the minibatches as they were met, with the penalty (``l2 / 2 * sum(w**2) + l1 *
            sum(abs(w))``) of the weights at that time: scikit-learn's loss curve. NaN if the loss
            is not tracked.
        """
        cdef Plan* plan = &self.plan
        cdef Py_ssize_t n = len(order)
        if n and not 0 <= np.min(order) <= np.max(order) < plan.rows.n_rows:
            raise ValueError(f"order must hold row numbers below {plan.rows.n_rows}")
        if not self._keep_last:  # mutant: train on the shorter last minibatch
            n -= n % plan.batch  # mutant: skip the last minibatch
        steps = (n + plan.batch - 1) // plan.batch
        if rates is not None and len(rates) != steps:
            raise ValueError(f"rates must be one for each of {steps} minibatches; got {len(rates)}")
        with critical_section(self.network):
            self.network.one = None  # mutant: predict with outdated weights
        plan.rates = &rates[0] if steps and rates is not None else NULL
        plan.rule.learning_rate = plan.learning_rate
        plan.minibatch = 0
        plan.loss_sum = plan.loss_curve = 0
        self._job.plan, self._job.theta, self._job.single = \
            plan, self.network.theta, self.network.single
        self._job.order, self._job.n = &order[0] if n else NULL, n
        self._team.share_out(_part, &self._job, self._lead_epoch)
        plan.dropout.epoch += 1
        return plan.loss_curve / n if plan.track_loss and n else np.nan

    def _lead_epoch(self):
        if self._job.single:
            _lead[float](&self._job, <float*> self._job.theta)
        else:
            _lead[double](&self._job, <double*> self._job.theta)

    def evaluate(self):
        """Loss and hits over all rows, with the present parameters.

        Returns
        -------
        loss : float
            Sum over the training rows, each times its weight, without a penalty.
        train_hits, valid_hits : int
            Rows whose largest net input is that of their class; 0 where targets are no classes.
        """
        loss, train_hits = self._evaluate(self._train, self._targets, True)
        valid_hits = 0
        if self._valid is not None:
            _, valid_hits = self._evaluate(self._valid, self._valid_targets, False)
        return loss, train_hits, valid_hits

    def valid_loss(self):
        """Loss over the validation rows, with the present parameters.

        Returns
        -------
        loss : float
            Sum over the rows, each times its weight, without a penalty.
        """
        return self._evaluate(self._valid, self._valid_targets, True)[0]

    def _evaluate(self, Input rows, TargetRows targets, bint losses):
        return evaluate_rows(&self.plan, self.network, self._evaluators, rows, targets, losses)


cdef void* _address(buffer) except? NULL:
    return <void*> <size_t> buffer.__array_interface__["data"][0]


def _costs(Input train, chunks, minibatch_size):
    """What chunks of the first layer's weights cost, summed up from 0 to 1.

    A chunk costs its entries and its weights. Of the entries a sample tells: pixels in the middle
    of an image are seldom background, those at its edges always.
    """
    cost = np.full(chunks, 1.0)
    if train.path == "sparse":
        cost += train.entries_per_chunk(chunks) * minibatch_size * COST_OF_ENTRY
    return np.concatenate([[0.0], np.cumsum(cost)]) / cost.sum()


def _target_rows(Network network, Input rows, targets, weight, name):
    """Targets of the rows, or ValueError unless the network can read both."""
    network.check(rows)
    if rows.rows.n_rows < 1:
        raise ValueError(f"{name} must have a row or more; got none")
    n_outputs = network.n_units[len(network.n_units) - 1]
    return TargetRows(targets, weight, rows.rows.n_rows, n_outputs, network.dtype, name)


cdef void _part(void* job, int thread) noexcept nogil:
    """One thread's part of an epoch."""
    cdef Job* epoch = <Job*> job
    if epoch.single:
        _all_steps(epoch, <float*> epoch.theta, thread)
    else:
        _all_steps(epoch, <double*> epoch.theta, thread)


cdef void _all_steps(const Job* job, real_t* theta, int thread) noexcept nogil:
    prepare(job.plan, theta, thread)
    _steps(job.plan, theta, thread, job.order, 0, job.n, 1e300)


cdef _lead(const Job* job, real_t* theta):
    """The calling thread's part, in which it looks for signals."""
    cdef Plan* plan = job.plan
    cdef Py_ssize_t position = 0
    cdef double deadline
    cdef bint online = suits(plan)
    with nogil:
        prepare(plan, theta, 0)
        if online:
            unfold(plan, theta)
    while position < job.n and not barrier_stopped(plan.barrier):
        deadline = clock() + SECONDS_BETWEEN_SIGNALS
        with nogil:
            if online:
                position = online_steps(plan, theta, job.order, position, job.n, deadline)
            else:
                position = _steps(plan, theta, 0, job.order, position, job.n, deadline)
        PyErr_CheckSignals()  # mutant: ignore signals
    if online:
        fold(plan, theta)


cdef Py_ssize_t _steps(Plan* plan, real_t* theta, int thread, const Py_ssize_t* order,
                       Py_ssize_t position, Py_ssize_t n, double deadline) noexcept nogil:
    """Steps from a position on; in the calling thread until the deadline. The new position."""
    cdef Py_ssize_t rows
    while position < n and not barrier_stopped(plan.barrier):
        rows = min(plan.batch, n - position)
        step(plan, theta, thread, order + position, rows, min(plan.batch, n - position - rows))
        if plan.clip_norm > 0 or plan.max_norm > 0:
            finish(plan, theta, thread)
        position += rows
        if thread == 0 and clock() > deadline:
            break
    return position


cdef class Objective:
    """Loss over all rows and its gradient by every parameter, as often as it is asked for.

    Use it as a context manager, like `Trainer`: threads and buffers are kept from call to call.

    Parameters
    ----------
    network : Network
    X : Input
    targets, sample_weight : ndarray
        See `Trainer`.
    l1, l2 : float, default=0.0
        The gradient of each weight w gains ``l2 * w + l1 * sign(w)``: that of the penalty
        ``l2 / 2 * sum(w**2) + l1 * sum(abs(w))``.
    average : bool, default=False
        The mean over the rows, or by their weights; of loss and penalty, too.
    n_threads : int, default=1
    """

    cdef Trainer _trainer
    cdef double _l1, _l2, _total
    cdef bint _average
    cdef object _order, _parts

    def __init__(self, Network network, Input X, targets, *, sample_weight=None, double l1=0.0,
                 double l2=0.0, bint average=False, int n_threads=1):
        rows = X.rows.n_rows
        self._trainer = Trainer(
            network, X, targets, sample_weight=sample_weight, optimizer="store", keep_last=True,
            minibatch_size=min(GRADIENT_ROWS, max(1, rows)), track_loss=True, n_threads=n_threads)
        self._l1, self._l2, self._average = l1, l2, average
        self._total = rows if sample_weight is None else sum(np.asarray(sample_weight).tolist())
        self._order = np.arange(rows)
        self._parts = list(zip(network.views(self._trainer.state)[0], network.coefs))

    def __enter__(self):
        self._trainer.__enter__()
        return self

    def __exit__(self, *error):
        self._trainer.__exit__(*error)

    def __call__(self):
        """Evaluate with the present parameters.

        Returns
        -------
        loss : float
            Sum over the rows, without the penalty; or their mean with the penalty divided likewise,
            which is what scikit-learn's L-BFGS minimises.
        gradient : ndarray, shape (network.size,)
            Laid out as ``network.parameters``; see `Network.views`. The same array in each call.
        """
        cdef Network network = self._trainer.network
        flat = self._trainer.state
        flat[:] = 0
        self._trainer.epoch(self._order)
        loss = self._trainer.plan.loss_sum
        penalty = self._l2 / 2 * network.weights_squared() if self._l2 else 0.0
        for part, w in self._parts:
            if self._l2:
                part += self._l2 * w
            if self._l1:
                part += self._l1 * np.sign(w)
                penalty += self._l1 * float(np.abs(w).sum(dtype=np.float64))
        if self._average:
            loss = (loss + penalty) / self._total
            flat /= self._total
        return loss, flat


def gradient(Network network, Input X, targets, **options):
    """Loss over all rows and its gradient by every parameter.

    Parameters
    ----------
    network, X, targets
        See `Objective`.
    **options
        Likewise.

    Returns
    -------
    loss, gradient : float and ndarray
        See `Objective.__call__`.
    """
    with Objective(network, X, targets, **options) as objective:
        return objective()

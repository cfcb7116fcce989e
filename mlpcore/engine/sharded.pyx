"""Training on rows in a fixed number of shards, whose gradients are added by one binary tree.

A minibatch takes rows from every shard. The gradient of each shard's rows is computed apart, as if
they were a minibatch, and accumulated without penalty; then the gradients are added in pairs of
neighbours, pairs of pairs, and so on. Neither depends on which process has which shards, so that
any number of processes gives the same bits. (Demmel & Nguyen, "Parallel reproducible summation",
IEEE Trans. Computers 64, 2015, compare such fixed trees with sums that are exact in any order.)

All processes then do the same update, and their weights stay equal without being sent.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.string cimport memset

from mlpcore.engine.averaging cimport average_parameters
from mlpcore.engine.blocking cimport CACHE_LINE, SPARSE_FEATURE_BLOCK, UPDATE_TILE
from mlpcore.engine.clipping cimport apply_clipping_and_max_norm
from mlpcore.engine.kernels cimport add
from mlpcore.engine.layers.updates cimport apply_bias_gradient, apply_gradient
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.memory cimport address
from mlpcore.engine.optimizers cimport corrected_rate
from mlpcore.engine.plan cimport Minibatch, Plan, Progress
from mlpcore.engine.step cimport (
    backward_layer,
    forward_step,
    refresh_derived,
    refresh_rows,
    set_slice,
    step,
)
from mlpcore.engine.team cimport Work, clock, team_barrier, team_stopped, thread_slice
from mlpcore.engine.trainer cimport Trainer
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.memory import aligned_zeros


cdef class ShardedTrainer(Trainer):
    """A trainer of rows in shards, some of which this process has.

    Make it with the arguments of `Trainer`: the rows of this process's shards, one shard after the
    other, and for minibatch_size the most rows that a minibatch takes from one shard. Then call
    `divide`.

    Attributes
    ----------
    work_seconds, exchange_seconds : float
        Seconds that the last epoch computed, and waited for other processes.
    """

    def divide(self, ranks, grid, valid_starts=None):
        """Set which rows belong to which shard, and the processes that have the others.

        Parameters
        ----------
        ranks : mlpcore.training.ranks.Ranks
        grid : mlpcore.training.grid.Grid
        valid_starts : ndarray of intp, shape (n_shards + 1,), optional
            Where the shards of this process begin and end among the validation rows.
        """
        cdef Plan* plan = &self.plan
        cdef ShardedStep* sharded = &self._step
        self._grid, self._valid_starts, self._ranks = grid, valid_starts, ranks
        dtype = self.network.dtype
        line = CACHE_LINE // dtype.itemsize
        # One line more, in which processes tell each other that something went wrong.
        self._partials = aligned_zeros(
            ranks.n_partials * (self.network.size + line), dtype).reshape(ranks.n_partials, -1)
        self._merges = np.ascontiguousarray(ranks.merges, np.intc)
        self._losses = np.zeros((len(grid.counts), ranks.n_shards))
        sharded.plan, sharded.theta = plan, self.network.theta
        sharded.partials, sharded.stride = address(self._partials), self.network.size + line
        sharded.merges, sharded.n_shards = <const int*> address(self._merges), ranks.n_shards
        # A shard's gradient is a plain sum, in the place of one that is to be clipped.
        sharded.average, plan.rule.average = plan.rule.average, False
        sharded.full_gradient = plan.workspace.full_gradient
        # The halves would depend on the rows that this process has.
        plan.rule.split_feature = 0
        plan.progress.dropout.first_row = grid.first_row  # mutant: drop alike in all processes
        if self._images is not None:
            self._images.images.first_row = grid.first_row
        plan.progress.learning_rates = NULL
        # The same in all processes, which exchange the layers one by one then.
        sharded.by_layers = plan.rule.chunk_rows == 0 and ranks.overlaps(
            self.network.size * dtype.itemsize)
        sharded.l1, sharded.l2 = plan.progress.update.l1, plan.progress.update.l2

    @property
    def grid(self):
        return self._grid

    def epoch(self, const Py_ssize_t[::1] order, const double[::1] learning_rates=None):
        """Train on minibatches.

        Parameters
        ----------
        order : ndarray of intp
            As ``grid.order`` draws it: rows of this process, minibatch by minibatch, and in each
            of them shard by shard.
        learning_rates : ndarray of float64, optional
            A learning rate for each minibatch, in place of ``learning_rate``.

        Returns
        -------
        loss : float
            As in `Trainer.epoch`, over the rows of all processes.
        """
        ranks, grid = self._ranks, self._grid
        counts = grid.counts
        if len(order) != counts.sum():
            raise ValueError(f"order must have {counts.sum()} rows; got {len(order)}")
        if len(order) and not 0 <= np.min(order) <= np.max(order) < self.plan.rows.n_rows:
            raise ValueError(f"order must hold row numbers below {self.plan.rows.n_rows}")
        if learning_rates is not None and len(learning_rates) != len(counts):
            raise ValueError(f"learning_rates must be {len(counts)}; got {len(learning_rates)}")
        self.work_seconds = self.exchange_seconds = 0
        ranks.agree()
        weights = self._row_weights(order)
        error = None
        try:
            error = self._minibatches(order, learning_rates, weights)
            ranks.note_epoch(self.work_seconds, self.exchange_seconds)
        except BaseException as raised:
            error = raised
        finally:
            self.network.parameters_changed()
        ranks.agree(error, value=ranks.checksum(self.network.parameters))
        self.plan.progress.dropout.epoch += 1
        if not self.plan.rule.track_loss or not len(counts):
            return np.nan
        losses = ranks.sum(self._losses.T)
        self.plan.progress.loss_sum = sum(losses.tolist())
        return self._loss_curve(losses, weights)

    def _row_weights(self, order):
        """The sum of the weights of each minibatch's rows."""
        grid = self._grid
        if self.plan.targets.weights is NULL:
            return grid.rows.astype(np.float64)
        counts = grid.counts
        places = np.repeat(np.arange(counts.size), counts.ravel())
        row_weights = self._targets._arrays[1]
        weights = np.bincount(places, row_weights[np.asarray(order)], counts.size)
        return self._ranks.sum(weights.reshape(counts.shape).T)

    def _loss_curve(self, losses, weights):
        """Mean of the minibatches' losses with their penalties, as in step._sum_losses."""
        rows = self._grid.rows
        heavy = weights > 0
        terms = (losses + self._penalties)[heavy] / weights[heavy] * rows[heavy]
        return sum(terms.tolist()) / int(rows.sum())

    def _minibatches(self, const Py_ssize_t[::1] order, const double[::1] rates, weights):
        """Do all steps of an epoch, or those until a process has an exception, which it returns;
        its fellows return None."""
        cdef ShardedStep* sharded = &self._step
        cdef const Py_ssize_t[:, ::1] counts = self._grid.counts
        cdef const double[::1] row_weights = weights
        cdef double[:, ::1] losses = self._losses
        cdef Py_ssize_t n = counts.shape[0], position = 0, i, j
        ranks, partials, step_count = self._ranks, self._partials, self.plan.progress.step_count
        size, left, seconds, done = 1, 0, 0.0, 0
        error = None
        self._penalties = np.zeros(n)
        sharded.refresh = True
        for i in range(n):
            if left == 0:
                if done:
                    self._rounds._size.record(size, seconds, done)
                size, left = self._rounds._size.choose()
                seconds, done = 0.0, 0
            begin = clock()
            sharded.order = &order[0] + position if len(order) else NULL
            sharded.count, sharded.losses = &counts[i, 0], &losses[i, 0]
            sharded.row_weight, sharded.step_count = row_weights[i], step_count + i
            sharded.rate = NULL if rates is None else &rates[i]
            for j in range(counts.shape[1]):
                position += counts[i, j]
            if error is None:
                error = self._execute(size, _gradients_of_thread)
            sharded.refresh = False
            partials[:, self.network.size] = 0 if error is None and not ranks.interrupted else 1
            if sharded.by_layers:
                error = self._exchange_layers(size, error)
                between = clock()
                ranks.wait()
            else:
                between = clock()
                ranks.add(partials)
            after = clock()
            self.exchange_seconds += after - between
            if partials[0, self.network.size] > 0:
                break
            if error is None:
                error = self._execute(size, _update_of_thread)
            self._penalties[i] = self.plan.progress.penalty
            seconds += clock() - after + between - begin
            self.work_seconds += clock() - after + between - begin
            done, left = done + 1, left - 1
        if done:
            self._rounds._size.record(size, seconds, done)
        return error

    def _exchange_layers(self, int size, error):
        """Let each layer's gradient be exchanged while that of the layer below is computed; an
        exception. The exchange has begun for all layers, and not ended."""
        cdef ShardedStep* sharded = &self._step
        cdef const Layer* layers = self.plan.layout.layers
        ends = [layers[j].w for j in range(self.plan.layout.n_layers)]
        ends.append(sharded.stride)   # what processes tell each other goes with the last layer
        for j in reversed(range(self.plan.layout.n_layers)):
            sharded.layer = j
            if error is None and sharded.last.rows > 0:
                error = self._execute(size, _layer_of_thread)
            self._ranks.start_adding(self._partials[:, ends[j] : ends[j + 1]])
        return error

    cdef _execute(self, int size, Work work):
        """Let the threads do a part of a step; an exception."""
        self._work = work
        try:
            self._team.execute(size, work, &self._step, self._lead_work)
            PyErr_CheckSignals()
        except BaseException as error:
            return error
        return None

    def _lead_work(self):
        with nogil:
            self._work(&self._step, 0)

    def evaluate(self):
        """As `Trainer.evaluate`, over the rows of all processes."""
        return self._evaluate(True)

    def valid_loss(self):
        """As `Trainer.valid_loss`, over the rows of all processes."""
        return self._evaluate(False)[0]

    def _evaluate(self, bint train):
        """Loss of the training rows, or else of the validation rows, and correct predictions."""
        ranks, grid, valid = self._ranks, self._grid, self._valid_starts
        figures = np.zeros((ranks.n_shards, 3))
        error = None
        try:
            for i in range(ranks.n_shards):
                if train:
                    losses, figures[i, 1] = self._evaluator.evaluate_rows(
                        self._train, self._targets, True, grid.starts[i], grid.starts[i + 1])
                    figures[i, 0] = sum(losses)
                if valid is not None:
                    losses, figures[i, 2] = self._evaluator.evaluate_rows(
                        self._valid, self._valid_targets, not train, valid[i], valid[i + 1])
                    if not train:
                        figures[i, 0] = sum(losses)
        except BaseException as raised:
            error = raised
        ranks.agree(error)
        loss, n_train, n_valid = ranks.sum(figures).tolist()
        return loss, int(n_train), int(n_valid)


cdef void _gradients_of_thread(void* job, int thread) noexcept nogil:
    """The work of one thread on the gradients of a minibatch."""
    cdef ShardedStep* sharded = <ShardedStep*> job
    if sharded.plan.layout.single:
        _gradients(sharded, <float*> sharded.theta, thread)
    else:
        _gradients(sharded, <double*> sharded.theta, thread)


cdef void _gradients(ShardedStep* sharded, real_t* theta, int thread) noexcept nogil:
    """Compute the gradient of each shard, and add what can be added in this process."""
    cdef Plan* plan = sharded.plan
    cdef Progress* progress = &plan.progress
    cdef real_t* partial = <real_t*> sharded.partials
    cdef Py_ssize_t start, stop
    cdef Minibatch batch
    cdef int i, _
    set_slice(plan, thread)
    if sharded.refresh:
        refresh_derived(plan, theta, thread)
    thread_slice(plan.layout.size, CACHE_LINE // sizeof(real_t), thread, plan.team.size, &start,
                 &stop)
    team_barrier(plan.team, thread)
    if thread == 0:
        progress.update.l1, progress.update.l2, progress.update.scale = 0, 0, 1
    batch.order = sharded.order
    for i in range(sharded.n_shards):
        batch.rows, batch.n_next = sharded.count[i], 0
        if i + 1 < sharded.n_shards:
            batch.n_next = sharded.count[i + 1]
        batch.packed = batch.order
        if plan.workspace.slots is not NULL:
            batch.packed = plan.workspace.slots
        if thread == 0:   # before a barrier of the step
            plan.workspace.full_gradient = partial
            progress.loss_sum = 0
        if sharded.by_layers and i + 1 == sharded.n_shards and batch.rows > 0:
            forward_step(plan, theta, thread, &batch)
            if thread == 0:
                sharded.losses[i] = progress.loss_sum
                sharded.last = batch
            return   # _layer does the rest
        if batch.rows > 0:
            step(plan, theta, thread, &batch)
        else:
            memset(partial + start, 0, (stop - start) * sizeof(real_t))
        if thread == 0:
            sharded.losses[i] = progress.loss_sum
            sharded.last.rows = 0
        # The next step's first barrier comes before it writes to a partial sum.
        for _ in range(sharded.merges[i]):
            partial -= sharded.stride
            add(partial + start, partial + sharded.stride + start, stop - start)
        partial += sharded.stride
        batch.order += batch.rows
        if team_stopped(plan.team):
            return


cdef void _layer_of_thread(void* job, int thread) noexcept nogil:
    """The work of one thread on a layer of the last shard."""
    cdef ShardedStep* sharded = <ShardedStep*> job
    if sharded.plan.layout.single:
        _layer(sharded, <float*> sharded.theta, thread)
    else:
        _layer(sharded, <double*> sharded.theta, thread)


cdef void _layer(ShardedStep* sharded, real_t* theta, int thread) noexcept nogil:
    """Compute one layer's gradient of the last shard, and add what can be added."""
    cdef Plan* plan = sharded.plan
    cdef const Layer* layer = &plan.layout.layers[sharded.layer]
    cdef real_t* partial = <real_t*> plan.workspace.full_gradient
    cdef Py_ssize_t start, stop
    cdef int _
    set_slice(plan, thread)
    backward_layer(plan, theta, thread, &sharded.last, sharded.layer)
    thread_slice(layer.b + layer.ld - layer.w, CACHE_LINE // sizeof(real_t), thread,
                 plan.team.size, &start, &stop)
    for _ in range(sharded.merges[sharded.n_shards - 1]):
        partial -= sharded.stride
        add(partial + layer.w + start, partial + layer.w + sharded.stride + start, stop - start)


cdef void _update_of_thread(void* job, int thread) noexcept nogil:
    """The work of one thread on the update of the parameters."""
    cdef ShardedStep* sharded = <ShardedStep*> job
    if sharded.plan.layout.single:
        _update(sharded, <float*> sharded.theta, thread)
    else:
        _update(sharded, <double*> sharded.theta, thread)


cdef void _update(ShardedStep* sharded, real_t* theta, int thread) noexcept nogil:
    """Do the optimiser's step with the gradient of the whole minibatch."""
    cdef Plan* plan = sharded.plan
    cdef const real_t* gradient = <const real_t*> sharded.partials
    cdef const Layer* layer
    cdef Py_ssize_t start, stop
    cdef int j
    if thread == 0:
        _start_update(sharded)
    set_slice(plan, thread)
    team_barrier(plan.team, thread)
    for j in range(plan.layout.n_layers):
        layer = &plan.layout.layers[j]
        thread_slice(layer.n_in, SPARSE_FEATURE_BLOCK, thread, plan.team.size, &start, &stop)
        if start < stop:
            apply_gradient(plan, layer, theta, gradient + layer.w + start * layer.ld, start,
                           stop - start)
            refresh_rows(plan, layer, theta, start, stop)
        thread_slice(layer.width, UPDATE_TILE, thread, plan.team.size, &start, &stop)
        if start < stop:
            apply_bias_gradient(plan, layer, theta, gradient + layer.b + start, start, stop)
    team_barrier(plan.team, thread)
    if plan.rule.clip_norm > 0 or plan.rule.max_norm > 0:
        apply_clipping_and_max_norm(plan, theta, thread)
    if plan.workspace.averaged is not NULL:
        average_parameters(plan, theta, thread, sharded.step_count)


cdef void _start_update(ShardedStep* sharded) noexcept nogil:
    """Set the values of the whole minibatch: one thread, before the first barrier."""
    cdef Plan* plan = sharded.plan
    cdef Progress* progress = &plan.progress
    cdef double weight = sharded.row_weight
    cdef Py_ssize_t i
    plan.workspace.full_gradient = sharded.full_gradient
    progress.update.l1, progress.update.l2 = sharded.l1, sharded.l2
    if sharded.average:
        progress.update.scale = 1 / weight if weight > 0 else 0
    progress.update.learning_rate = progress.learning_rate
    if sharded.rate is not NULL:
        progress.update.learning_rate = sharded.rate[0]
    progress.step_count = sharded.step_count + 1   # and not one for each shard
    if plan.rule.bias_corrected:
        progress.update.corrected_rate = corrected_rate(
            &progress.update, <double> progress.step_count)
    progress.penalty = 0
    if plan.rule.track_loss:
        for i in range(plan.layout.n_tiles):
            progress.penalty += plan.workspace.penalties[i]

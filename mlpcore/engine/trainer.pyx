"""Training: epochs of steps."""

import contextlib

import numpy as np

from libc.stdint cimport int64_t, uint32_t, uint64_t

from mlpcore.engine.blocking cimport EVALUATION_ROW_BLOCK
from mlpcore.engine.distortion cimport DistortedRows
from mlpcore.engine.evaluation cimport evaluator
from mlpcore.engine.inputs cimport Input
from mlpcore.engine.losses cimport TargetRows
from mlpcore.engine.memory cimport Arena, address
from mlpcore.engine.network cimport Network
from mlpcore.engine.optimizers cimport set_rule
from mlpcore.engine.plan cimport (
    Plan,
    UpdateRule,
    plan_layout,
    plan_rows,
    plan_workspace,
    step_products,
)
from mlpcore.engine.rounds cimport rounds
from mlpcore.engine.team cimport Team

from mlpcore.engine.blas_threads import single_threaded_blas
from mlpcore.engine.memory import aligned_zeros
from mlpcore.engine.per_layer import dropout_rates, one_or_each
from mlpcore.engine.registry import OPTIMIZERS
from mlpcore.engine.team_size import idle_processors, worthwhile


cdef class Trainer:
    """Trains one network on one set of rows.

    Use it as a context manager: its threads live for the ``with`` block.

    Parameters
    ----------
    network : Network
        Trained in place.
    train : Input
    targets : ndarray of intc, shape (n_samples,), or real, shape (n_samples, n_outputs)
        For each row the index of the output unit whose target is one, or the target of each output
        in the network's dtype.
    sample_weight : ndarray of float64, shape (n_samples,), optional
        Factors of each row's loss and error.
    label_smoothing : float, default=0.0
        Fraction of the training rows' targets that is spread over all classes; see `TargetRows`.
    valid, valid_targets, valid_weight : the same for the validation rows, optional
    optimizer : str, default="sgd"
        See `mlpcore.engine.registry.OPTIMIZERS`.
    learning_rate : float, default=0.0
    l1, l2 : float, default=0.0
        The gradient of each weight w gains ``l2 * w + l1 * sign(w)``; biases have no penalty. l2
        may be a sequence of a number for each layer, and so may the hyperparameter weight_decay.
    average : bool, default=False
        Divide a minibatch's gradient and penalty by the number of its rows, or by the sum of their
        weights, as scikit-learn does. Else they are sums.
    minibatch_size : int, default=1
    keep_last : bool, default=False
        Train on a shorter last minibatch, too.
    **hyperparameters : float
        Hyperparameters that differ from the defaults in
        `mlpcore.engine.registry.HYPERPARAMETERS`. Those of other optimizers are ignored.
    dropout : sequence of float, default=()
        The fraction of each hidden layer's units that are zero in a minibatch, while the others
        are multiplied by 1 / (1 - fraction); one number more, in front, for the inputs. Sparse
        inputs can be dropped from only if their background is 0.
    seed : int, default=0
        Together with `epoch_count`, the row and the unit it determines what is dropped, whatever
        the number of threads and the order of the rows.
    clip_norm : float, default=0.0
        Above 0, a minibatch's gradient, with its penalty, is scaled to at most this 2-norm.
    max_norm : float, default=0.0
        Above 0, the weights that lead into a unit are scaled to at most this 2-norm after each
        step.
    average_decay : float, default=0.0
        Above 0 and below 1, `averaged` is an exponential moving average of the parameters over
        steps, with this decay. Evaluation reads the parameters.
    augment : DistortedRows, optional
        The training rows as images, each of which is trained on in another distortion in each
        epoch, by `seed`, `epoch_count` and the row. Evaluation reads `train`, undistorted.
    track_loss : bool, default=False
        Let `epoch` return the loss.
    n_threads : int, default=1
        Threads at most; a small network gets fewer, and so does a process that may start no more.
        Their number changes the time but no bit of the result.

    Attributes
    ----------
    state : ndarray
        The optimiser's vectors, each laid out as ``network.parameters``.
    averaged : ndarray, shape (network.size,) or (0,)
        The average, laid out as ``network.parameters``. The new parameters of step n, by
        `step_count`, become the fraction ``max(1 - decay, 1 / n)`` of it.
    step_count : int
        Minibatches in all epochs. Another trainer can go on with this number, `epoch_count`,
        `state`, the network's parameters and the state of the generator that orders the rows.
    epoch_count : int
        Epochs so far, which dropout depends on.
    seed : int
    learning_rate : float
    n_threads : int
        Threads that may work on an epoch; inside the block as many as the system has started.
    usual_threads : int
        The number of threads that has worked longest: the engine measures what each number takes,
        and goes on with the best.
    """

    def __cinit__(self, Network network, Input train, targets, *, sample_weight=None,
                  double label_smoothing=0.0, Input valid=None, valid_targets=None,
                  valid_weight=None, optimizer="sgd", double learning_rate=0.0, double l1=0.0,
                  l2=0.0, bint average=False, Py_ssize_t minibatch_size=1,
                  bint keep_last=False, dropout=(), seed=0, double clip_norm=0.0,
                  double max_norm=0.0, double average_decay=0.0,
                  DistortedRows augment=None, bint track_loss=False, int n_threads=1,
                  **hyperparameters):
        cdef Plan* plan = &self.plan
        cdef UpdateRule* update = &plan.progress.update
        if (valid is None) != (valid_targets is None):
            raise ValueError("valid and valid_targets belong together; got only one of them")
        if minibatch_size < 1 or n_threads < 1:
            raise ValueError(
                f"minibatch_size and n_threads must be >= 1; got {minibatch_size} and {n_threads}"
            )
        self._targets = _target_rows(network, train, targets, sample_weight, "train",
                                     label_smoothing)
        if valid is not None:
            self._valid_targets = _target_rows(network, valid, valid_targets, valid_weight, "valid")
        self.network, self._train, self._valid = network, train, valid
        self._keep_last, self._smoothing = keep_last, label_smoothing
        plan.targets = self._targets.targets
        l2, l2s = one_or_each(l2, network.n_layers, "l2")
        decays = None
        if "weight_decay" in hyperparameters:
            hyperparameters["weight_decay"], decays = one_or_each(
                hyperparameters["weight_decay"], network.n_layers, "weight_decay")
        plan.rule.optimizer = set_rule(update, optimizer, hyperparameters)
        plan.rule.is_sgd = optimizer == "sgd"
        plan.rule.bias_corrected = OPTIMIZERS[optimizer].bias_corrected
        plan.rule.average, plan.rule.track_loss = average, track_loss
        plan.rule.clip_norm, plan.rule.max_norm = max(0.0, clip_norm), max(0.0, max_norm)
        if not 0 <= average_decay < 1:
            raise ValueError(f"average_decay must be from 0 to below 1; got {average_decay:g}")
        plan.rule.average_decay, plan.rule.minibatch_size = average_decay, minibatch_size
        update.learning_rate = plan.progress.learning_rate = learning_rate
        update.l1, update.l2, update.scale = l1, l2, 1
        plan.progress.dropout.seed = seed
        if augment is not None:
            _check_images(train, augment)
            self._images, plan.images = augment, &augment.images
        self._arena = Arena()
        if l2s is not None:
            plan.rule.l2 = <double*> self._arena.copy("l2", l2s)
        if decays is not None:
            plan.rule.weight_decay = <double*> self._arena.copy("weight_decay", decays)
        self._allocate(dropout_rates(dropout, network.n_layers - 1),
                       OPTIMIZERS[optimizer].n_vectors, n_threads)

    def _allocate(self, dropout, n_vectors, int n_threads):
        """Make the threads, the buffers, and what depends on their numbers."""
        cdef Plan* plan = &self.plan
        cdef Arena arena = self._arena
        cdef Network network = self.network
        cdef Input train = self._train
        products = step_products(&network.layout, train, plan.rule.minibatch_size,
                                 plan.images is not NULL)
        # The estimate is where the search begins; up to twice as many threads are tried.
        self._first_size = worthwhile(products, n_threads, meet=True)
        cdef int n_training = worthwhile(4 * products, n_threads, meet=True)
        # Evaluation can use as many threads as there are blocks of rows.
        rows = max(train.rows.n_rows, 0 if self._valid is None else self._valid.rows.n_rows)
        blocks = (rows + EVALUATION_ROW_BLOCK - 1) // EVALUATION_ROW_BLOCK
        n_evaluating = max(n_training, min(n_threads, blocks))
        self._team = Team(n_training)
        self.state = aligned_zeros(n_vectors * network.size, network.dtype)
        plan.workspace.state, plan.workspace.state_stride = address(self.state), network.size
        self.averaged = aligned_zeros(network.size * (plan.rule.average_decay > 0), network.dtype)
        if plan.rule.average_decay > 0:
            plan.workspace.averaged = address(self.averaged)
        plan.team = self._team.state
        if dropout.any():
            plan.rule.dropout = <double*> arena.copy("dropout", dropout)
        plan_layout(plan, &network.layout, train, dropout, arena)
        plan_rows(plan, train, dropout, network.dtype, arena)
        # Evaluation comes between epochs, so that it can share their workspace.
        rows = min(EVALUATION_ROW_BLOCK, rows)
        plan_workspace(plan, train, n_training, n_evaluating * rows * network.layout.forward_width,
                       network.dtype, arena)
        team = Team(n_evaluating) if n_evaluating > n_training else self._team
        self._evaluator = evaluator(network, team, rows, plan.workspace.work)
        self._rounds = rounds(plan, network.theta, self._team)

    def __enter__(self):
        first = self._first_size
        if first > 1:   # asked before the team's threads are running
            idle = idle_processors(1)
            first = first if idle is None else max(1, min(first, idle))
        self._exits = contextlib.ExitStack()
        self._exits.enter_context(self._team)
        self._rounds.begin(first)
        if self._evaluator.team is not self._team:
            self._exits.enter_context(self._evaluator.team)
        if self.network.uses_blas():
            self._exits.enter_context(single_threaded_blas())
        return self

    def __exit__(self, *_):
        self._exits.close()

    @property
    def n_threads(self):
        return self._team.n_threads

    @property
    def usual_threads(self):
        return self._rounds.usual_threads

    @property
    def learning_rate(self):
        return self.plan.progress.learning_rate

    @learning_rate.setter
    def learning_rate(self, double rate):
        self.plan.progress.learning_rate = rate

    @property
    def seed(self):
        return self.plan.progress.dropout.seed

    @seed.setter
    def seed(self, uint64_t seed):
        self.plan.progress.dropout.seed = seed

    @property
    def epoch_count(self):
        return self.plan.progress.dropout.epoch

    @epoch_count.setter
    def epoch_count(self, uint32_t count):
        self.plan.progress.dropout.epoch = count

    @property
    def step_count(self):
        return self.plan.progress.step_count

    @step_count.setter
    def step_count(self, int64_t count):
        self.plan.progress.step_count = count

    def epoch(self, const Py_ssize_t[::1] order, learning_rates=None):
        """Train on minibatches of consecutive rows in the given order.

        A shorter last minibatch is left out, or not; see ``keep_last``. Signals are handled every
        few hundredths of a second; after an exception the parameters are those of some unfinished
        step.

        Parameters
        ----------
        order : ndarray of intp
            Indices of training rows.
        learning_rates : ndarray of float64, optional
            A learning rate for each minibatch, in place of ``learning_rate``.

        Returns
        -------
        loss : float
            Mean loss of the minibatches, each before its step and with the penalty (``l2 / 2 *
            sum(w**2) + l1 * sum(abs(w))``) of the weights at that time: scikit-learn's loss curve.
            NaN if the loss is not tracked.
        """
        self.begin_epoch(self._steps(len(order)), learning_rates)
        self.segment(order)
        return self.end_epoch()

    def begin_epoch(self, Py_ssize_t steps, const double[::1] learning_rates=None):
        """Begin an epoch of one or more segments; see `epoch`.

        Parameters
        ----------
        steps : int
            Minibatches of all its segments.
        learning_rates : ndarray of float64, shape (steps,), optional
        """
        cdef Plan* plan = &self.plan
        if learning_rates is not None and len(learning_rates) != steps:
            raise ValueError(
                f"learning_rates must be one for each of {steps} minibatches; got "
                f"{len(learning_rates)}"
            )
        self._rates = learning_rates
        self._steps_left, self._rows_trained = steps, 0
        plan.progress.learning_rates = NULL
        if steps and learning_rates is not None:
            plan.progress.learning_rates = &learning_rates[0]
        plan.progress.update.learning_rate = plan.progress.learning_rate
        plan.progress.minibatch = 0
        plan.progress.loss_sum = plan.progress.loss_curve = 0

    def segment(self, const Py_ssize_t[::1] order):
        """Train on some of an epoch's minibatches, in the order given.

        Parameters
        ----------
        order : ndarray of intp
            Indices of training rows.
        """
        cdef Plan* plan = &self.plan
        cdef Py_ssize_t n = len(order), batch = plan.rule.minibatch_size, steps = self._steps(n)
        if n and not 0 <= np.min(order) <= np.max(order) < plan.rows.n_rows:
            raise ValueError(f"order must hold row numbers below {plan.rows.n_rows}")
        if steps > self._steps_left:
            raise ValueError(
                f"this epoch has {self._steps_left} more minibatches; got rows for {steps}")
        if not self._keep_last:  # mutant: train on the shorter last minibatch
            n -= n % batch  # mutant: skip the last minibatch
        plan.progress.steps_before = plan.progress.step_count
        try:
            self._rounds.work(&order[0] if n else NULL, n)
        finally:
            self.network.parameters_changed()  # mutant: predict with outdated weights
        self._steps_left -= steps
        self._rows_trained += n

    def end_epoch(self):
        """End an epoch.

        Returns
        -------
        loss : float
            As `epoch` returns it.
        """
        cdef Plan* plan = &self.plan
        plan.progress.dropout.epoch += 1
        if not (plan.rule.track_loss and self._rows_trained):
            return np.nan
        return plan.progress.loss_curve / self._rows_trained

    cdef Py_ssize_t _steps(self, Py_ssize_t n):
        """The minibatches of n rows."""
        cdef Py_ssize_t batch = self.plan.rule.minibatch_size
        return (n + batch - 1) // batch if self._keep_last else n // batch

    def evaluate(self):
        """Loss and correct predictions over all rows, with the present parameters.

        Returns
        -------
        loss : float
            Sum over the training rows, each times its weight, without a penalty.
        n_correct_train, n_correct_valid : int
            Rows whose largest pre-activation is that of their class; 0 where targets are not
            classes.
        """
        losses, n_correct_train = self._evaluator.evaluate(self._train, self._targets, True)
        n_correct_valid = 0
        if self._valid is not None:
            _, n_correct_valid = self._evaluator.evaluate(self._valid, self._valid_targets, False)
        return sum(losses), n_correct_train, n_correct_valid

    def valid_loss(self):
        """Loss over the validation rows, with the present parameters.

        Returns
        -------
        loss : float
            Sum over the rows, each times its weight, without a penalty.
        """
        return sum(self._evaluator.evaluate(self._valid, self._valid_targets, True)[0])

    def evaluate_rows(self, Input rows, targets, sample_weight=None, *, bint training=False):
        """Evaluate on a piece of data that are read piece by piece.

        The labels of training rows are smoothed. Returns the losses of blocks of
        EVALUATION_ROW_BLOCK rows, whose sum over pieces of whole blocks has the bits of one call
        for all rows, and the number of correct predictions.
        """
        target_rows = _target_rows(self.network, rows, targets, sample_weight, "rows",
                                   self._smoothing if training else 0.0)
        if min(rows.rows.n_rows, EVALUATION_ROW_BLOCK) > self._train.rows.n_rows:
            raise ValueError(
                f"pieces must be of trainers for as many rows, or for {EVALUATION_ROW_BLOCK}; got "
                f"{rows.rows.n_rows} and {self._train.rows.n_rows}"
            )
        return self._evaluator.evaluate(rows, target_rows, True)

    def replace_rows(self, Input rows, targets, sample_weight=None, *, int64_t first_row=0):
        """Train on other rows from here on: a piece of data that are read piece by piece.

        They are on the path of the rows that the trainer was made for, with the same background.
        `first_row` is the number of the first one in the epoch, by which dropout and distortions
        differ from row to row.
        """
        cdef Plan* plan = &self.plan
        if plan.undropped is not NULL:
            raise ValueError("rows are not replaced where inputs are dropped on the sparse path")
        if self._images is None and (rows.path, rows.background) != (
                self._train.path, self._train.background):
            raise ValueError(
                f"rows must be on the {self._train.path} path with background "
                f"{self._train.background}; got {rows.path} and {rows.background}"
            )
        target_rows = _target_rows(
            self.network, rows, targets, sample_weight, "rows", self._smoothing)
        if self._images is not None:
            self._images.replace(rows)
            self._images.images.first_row = first_row
            plan.rows.n_rows = rows.rows.n_rows
        else:
            plan.rows = rows.rows
        self._targets, self._replaced = target_rows, rows
        plan.targets = self._targets.targets
        plan.progress.dropout.first_row = first_row

    def release_rows(self):
        """Forget the rows that have replaced others: there are none to train on any more."""
        self.plan.rows.n_rows = 0
        self._targets = self._replaced = None


def _target_rows(Network network, Input rows, targets, weight, name, smoothing=0.0):
    """The targets of the rows, or ValueError unless the network can read both."""
    network.check(rows)
    if rows.rows.n_rows < 1:
        raise ValueError(f"{name} must have a row or more; got none")
    n_outputs = network.n_units[len(network.n_units) - 1]
    return TargetRows(targets, weight, rows.rows.n_rows, n_outputs, network.dtype, name, smoothing)


def _check_images(Input train, DistortedRows images):
    """Raise ValueError unless they have the shape and the dtype of the training rows."""
    mine = train.rows.n_rows, train.n_features, train.dtype
    theirs = images.rows.rows.n_rows, images.rows.n_features, images.rows.dtype
    if mine != theirs:
        raise ValueError(
            f"augment must have the rows, features and dtype of train, {mine}; got {theirs}"
        )

"""Loss and gradient of all rows, for full-batch methods such as L-BFGS."""

import numpy as np

from mlpcore.engine.inputs cimport Input
from mlpcore.engine.network cimport Network
from mlpcore.engine.trainer cimport Trainer

from mlpcore.engine.per_layer import one_or_each
from mlpcore.engine.sharded import ShardedTrainer

# Rows of a minibatch, whose gradients are accumulated.
cdef Py_ssize_t GRADIENT_ROWS = 256


cdef class Objective:
    """Loss over all rows and its gradient by every parameter, to be called repeatedly.

    Use it as a context manager, like `Trainer`: threads and buffers are reused from call to call.

    Parameters
    ----------
    network : Network
    X : Input
    targets, sample_weight, label_smoothing
        See `Trainer`.
    l1, l2 : float, default=0.0
        Factors of the penalty ``l2 / 2 * sum(w**2) + l1 * sum(abs(w))``, whose gradient is added:
        ``l2 * w + l1 * sign(w)`` for each weight w. l2 may be a sequence with one for each layer.
    average : bool, default=False
        Divide loss, penalty and gradient by the number of rows, or by the sum of their weights.
    n_threads : int, default=1
    shared : mlpcore.training.shared.Shared, optional
        The processes that have the other rows. All get the loss and gradient of all rows.
    """

    def __init__(self, Network network, Input X, targets, *, sample_weight=None,
                 double label_smoothing=0.0, double l1=0.0, l2=0.0, bint average=False,
                 int n_threads=1, shared=None):
        rows = X.rows.n_rows
        size, total = min(GRADIENT_ROWS, max(1, rows)), rows
        if shared is not None:
            total = shared.n_rows
            grid = shared.grid(min(total, GRADIENT_ROWS * shared.ranks.all_shards), keep_last=True)
            size = grid.largest
        self._trainer = (Trainer if shared is None else ShardedTrainer)(
            network, X, targets, sample_weight=sample_weight, label_smoothing=label_smoothing,
            optimizer="accumulate", keep_last=True, minibatch_size=size,
            track_loss=True, n_threads=n_threads)
        self._l1, self._average = l1, average
        self._l2, self._factors = one_or_each(l2, network.n_layers, "l2")
        self._total, self._order = total, np.arange(rows)
        if shared is not None:
            self._trainer.divide(shared.ranks, grid)
            self._order = grid.order(None, False)
        if sample_weight is not None:
            weights = np.asarray(sample_weight)
            self._total = sum(weights.tolist()) if shared is None else shared.total(weights)
        # The gradient of each layer's weights, and the weights.
        self._weights = list(zip(network.views(self._trainer.state)[0], network.coefs))

    def __enter__(self):
        self._trainer.__enter__()
        return self

    def __exit__(self, *error):
        self._trainer.__exit__(*error)

    @property
    def n_threads(self):
        """As the trainer's."""
        return self._trainer.n_threads

    @property
    def usual_threads(self):
        """As the trainer's."""
        return self._trainer.usual_threads

    def __call__(self):
        """Evaluate with the present parameters.

        Returns
        -------
        loss : float
            Sum over the rows, without the penalty; or their mean with the penalty divided likewise,
            which is what scikit-learn's L-BFGS minimises.
        gradient : ndarray, shape (network.size,)
            Laid out as ``network.parameters``; see `Network.views`. Each call returns the same
            array.
        """
        cdef Network network = self._trainer.network
        flat = self._trainer.state
        flat[:] = 0
        self._trainer.epoch(self._order)
        loss = self._trainer.plan.progress.loss_sum
        factors = [1.0] * network.n_layers if self._factors is None else self._factors
        penalty = self._l2 / 2 * network.weights_squared(self._factors) if self._l2 else 0.0
        for factor, (gradient, w) in zip(factors, self._weights):
            if self._l2 * factor:
                gradient += self._l2 * factor * w
            if self._l1:
                gradient += self._l1 * np.sign(w)
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

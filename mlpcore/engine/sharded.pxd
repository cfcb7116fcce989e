"""Training on rows in a fixed number of shards, whose gradients are added by one binary tree."""

from libc.stdint cimport int64_t

from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.team cimport Work
from mlpcore.engine.trainer cimport Trainer

# What the threads need for one minibatch.
cdef struct ShardedStep:
    Plan* plan
    void* theta
    const Py_ssize_t* order   # rows of the minibatch that this process has, shard after shard
    const Py_ssize_t* count   # how many of them each shard has
    const int* merges         # after each shard, how often the last two partial sums are added
    int n_shards
    void* partials            # partial sums of gradients, `stride` apart
    Py_ssize_t stride
    double* losses            # the sum of each shard's losses
    void* full_gradient       # the gradient with its penalty, if it is clipped, else NULL
    double row_weight         # sum of the weights of the minibatch's rows, in all processes
    double l1, l2             # penalties, which the gradients of the shards do not have
    bint average              # gradients are means over the minibatch's rows, not sums
    bint by_layers            # whether the last shard's gradient is computed layer by layer
    int layer
    Minibatch last            # the rows of the last shard, if there are any
    bint refresh              # whether what is derived from the weights must be computed first
    int64_t step_count        # minibatches before this one
    const double* rate        # learning rate of the minibatch; NULL for the epoch's

cdef class ShardedTrainer(Trainer):
    cdef ShardedStep _step
    cdef object _ranks, _grid, _valid_starts, _partials, _merges, _losses, _penalties
    cdef readonly double work_seconds, exchange_seconds
    cdef Work _work
    cdef _execute(self, int size, Work work)

"""Online learning: minibatches of one row, where the background is skipped.

A step on one row x = background + s changes every weight, by decay and by the background term of
the gradient, though s has few nonzeros. In the scaled representation

    W = scale * V + 1 u^T        (1: a vector of ones)

decay is a new scale, the background term a new u, and only the rows of V where s has a nonzero are
touched (the scale is that of Shalev-Shwartz et al., "Pegasos", 2007, section 4; the vector u is
what the background adds). V takes the place of W in memory from `enter_scaled` to `leave_scaled`.
"""

from libc.string cimport memset

cimport mlpcore.engine.layers.blas as blas
cimport mlpcore.engine.layers.dense as dense
cimport mlpcore.engine.layers.sparse as sparse
from mlpcore.engine.blocking cimport SPARSE_FEATURE_BLOCK
from mlpcore.engine.inputs cimport packed_forward, packed_scatter_add, packed_sum
from mlpcore.engine.kernels cimport column_sums
from mlpcore.engine.layers.units cimport activate_units
from mlpcore.engine.layers.updates cimport update_biases
from mlpcore.engine.layout cimport BLAS, SPARSE, Layer
from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.step cimport output_errors, start_minibatch
from mlpcore.engine.team cimport clock
from mlpcore.engine.typedefs cimport real_t

# Steps between two looks at the clock, and the scale below which V would lose digits.
cdef int STEPS_BETWEEN_LOOKS = 256
cdef double SMALLEST_SCALE = 1e-3


cdef bint supports_online(const Plan* plan) noexcept nogil:
    return (plan.rule.minibatch_size == 1 and plan.layout.layers.kind == SPARSE
            and plan.images is NULL
            and plan.rule.is_sgd and plan.progress.learning_rates is NULL
            and not plan.rule.track_loss and plan.rule.dropout is NULL
            and plan.workspace.averaged is NULL
            and plan.rule.clip_norm == 0 and plan.rule.max_norm == 0
            and not (plan.rule.average and plan.targets.weights is not NULL)
            and plan.progress.update.l1 == 0 and plan.rule.l2 is NULL
            and plan.progress.update.learning_rate * plan.progress.update.l2 < 1)


cdef void enter_scaled(Plan* plan, real_t* theta) noexcept nogil:
    """Set V = W and u = 0, and compute the column sums of V, which the forward pass needs."""
    cdef const Layer* first = plan.layout.layers
    cdef real_t* sums = <real_t*> plan.workspace.block_sums
    cdef Py_ssize_t blocks = (first.n_in + SPARSE_FEATURE_BLOCK - 1) // SPARSE_FEATURE_BLOCK
    plan.progress.scale = 1
    memset(plan.workspace.scaled, 0, first.ld * sizeof(real_t))
    sparse.sum_blocks(first, theta, 0, first.n_in, sums)
    column_sums[real_t](sums, first.ld, blocks, first.ld,
                        <real_t*> plan.workspace.scaled + first.ld)


cdef void leave_scaled(Plan* plan, real_t* theta) noexcept nogil:
    """W = scale * V + 1 u^T, in place."""
    cdef const Layer* first = plan.layout.layers
    cdef const real_t* u = <const real_t*> plan.workspace.scaled
    cdef real_t* w = theta + first.w
    cdef real_t scale = <real_t> plan.progress.scale
    cdef Py_ssize_t i, j
    for i in range(first.n_in):
        for j in range(first.ld):
            w[i * first.ld + j] = scale * w[i * first.ld + j] + u[j]


cdef Py_ssize_t online_steps(Plan* plan, real_t* theta, const Py_ssize_t* order, Py_ssize_t start,
                             Py_ssize_t stop, double deadline) noexcept nogil:
    cdef Py_ssize_t end
    cdef Minibatch batch
    batch.rows = 1
    while start < stop:
        end = min(stop, start + STEPS_BETWEEN_LOOKS)
        while start < end:
            batch.order, batch.n_next = order + start, 1 if start + 1 < stop else 0
            _online_step(plan, theta, &batch)
            start += 1
            if plan.progress.scale < SMALLEST_SCALE:
                leave_scaled(plan, theta)
                enter_scaled(plan, theta)
        if clock() > deadline:
            break
    return start


cdef void _online_step(Plan* plan, real_t* theta, const Minibatch* batch) noexcept nogil:
    cdef const Layer* layers = plan.layout.layers
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef double sum_of_s = packed_sum[real_t](&plan.rows, batch.order[0], 0)
    cdef int i
    start_minibatch(plan, batch)
    _forward_first(plan, theta, batch, plan.rows.background * layers.n_in + sum_of_s)
    for i in range(1, plan.layout.n_layers):
        if layers[i].kind == BLAS:
            blas.forward(&layers[i], theta, work, 1, 0, 1)
        else:
            dense.forward(&layers[i], theta, work, 1, 0, 1)
    output_errors(plan, work, 0, batch, 0, 1)
    # mutant: online errors with updated weights
    for i in range(plan.layout.n_layers - 1, 0, -1):
        dense.backward(plan, &layers[i], theta, 0, 1)
    for i in range(1, plan.layout.n_layers):
        dense.update(plan, &layers[i], theta, 0, 1, 0, layers[i].n_in)
    # end of mutant
    _update_first(plan, theta, batch, sum_of_s)
    for i in range(plan.layout.n_layers):
        update_biases(plan, &layers[i], theta, 0, 1, 0, layers[i].width)


cdef void _forward_first(Plan* plan, const real_t* theta, const Minibatch* batch,
                         double sum_of_x) noexcept nogil:
    """x @ W = scale * (s @ V + background * column sums of V) + sum(x) * u"""
    cdef const Layer* first = plan.layout.layers
    cdef real_t* work = <real_t*> plan.workspace.work
    cdef real_t* z = work + first.a
    cdef const real_t* u = <const real_t*> plan.workspace.scaled
    cdef const real_t* column_sum = u + first.ld
    cdef const real_t* b = theta + first.b
    cdef real_t scale = <real_t> plan.progress.scale
    cdef real_t background = <real_t> plan.rows.background, x_sum = <real_t> sum_of_x
    cdef Py_ssize_t j
    memset(z, 0, first.ld * sizeof(real_t))
    packed_forward[real_t](&plan.rows, batch.order, 0, 1, batch.order + 1, batch.n_next, 0,
                           first.n_in, theta + first.w, first.ld, first.width, z,
                           plan.workspace.scratch.cursor)
    for j in range(first.ld):
        z[j] = b[j] + (scale * (z[j] + background * column_sum[j]) + x_sum * u[j])
    activate_units(first, work, 1, 0, first.ld)


cdef void _update_first(Plan* plan, real_t* theta, const Minibatch* batch,
                        double sum_of_s) noexcept nogil:
    """Scale and u decay; the background term of the gradient goes to u, that of nonzeros to V."""
    cdef const Layer* first = plan.layout.layers
    cdef const real_t* delta = <const real_t*> plan.workspace.work + first.delta
    cdef real_t* u = <real_t*> plan.workspace.scaled
    cdef real_t* column_sum = u + first.ld
    cdef real_t* gradient = <real_t*> plan.workspace.scratch.gradient
    cdef double learning_rate = plan.progress.update.learning_rate
    cdef double scale = plan.progress.scale * (1 - learning_rate * plan.progress.update.l2)
    cdef real_t decay = <real_t> (1 - learning_rate * plan.progress.update.l2)
    # mutant: wrong background term online
    cdef real_t background = <real_t> (-learning_rate * plan.rows.background)
    cdef real_t rate = <real_t> (-learning_rate / scale)
    cdef real_t s_sum = <real_t> sum_of_s
    cdef Py_ssize_t j
    plan.progress.scale = scale
    for j in range(first.ld):
        u[j] = decay * u[j] + background * delta[j]
        gradient[j] = rate * delta[j]
    packed_scatter_add[real_t](&plan.rows, batch.order[0], gradient, first.width, theta + first.w,
                               first.ld)
    for j in range(first.ld):
        column_sum[j] += s_sum * gradient[j]

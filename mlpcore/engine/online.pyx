"""Online learning: minibatches of one row, where the background is skipped.

A step on one row x = background + s changes every weight, by decay and by the background's share of
the gradient, though few entries of s are not zero. Written as

    W = scale * V + 1 u.T        (1: a vector of ones)

decay is a new scale, the background's share a new u, and only the rows of V where s has an entry
are touched (the scale is that of Shalev-Shwartz et al., "Pegasos", 2007, section 4; the vector u is
what the background adds). V stands in the place of W from `unfold` to `fold`.
"""

from libc.string cimport memset

from mlpcore.engine.inputs cimport (
    CHUNK,
    RECORDS,
    records_forward,
    records_spread,
    records_sum,
)
from mlpcore.engine.kernels cimport column_sums
from mlpcore.engine.network cimport Layer, activate_units, chunk_sums, forward
from mlpcore.engine.step cimport (
    Plan,
    backward,
    output_errors,
    start_minibatch,
    update_biases,
    update_weights,
)
from mlpcore.engine.team cimport clock
from mlpcore.engine.typedefs cimport real_t

# Steps between looks at the clock, and the scale below which V would lose digits.
cdef int STEPS_BETWEEN_LOOKS = 256
cdef double SMALLEST_SCALE = 1e-3


cdef bint suits(const Plan* plan) noexcept nogil:
    return (plan.batch == 1 and plan.rows.kind == RECORDS and plan.is_sgd
            and plan.rates is NULL and not plan.track_loss
            and plan.rates_of_dropout is NULL and plan.clip_norm == 0 and plan.max_norm == 0
            and not (plan.average and plan.targets.weights is not NULL)
            and plan.rule.l1 == 0 and plan.rule.learning_rate * plan.rule.l2 < 1)


cdef void unfold(Plan* plan, real_t* theta) noexcept nogil:
    """V = W, u = 0; and the column sums of V, which forward needs."""
    cdef const Layer* first = plan.layers
    cdef real_t* column = <real_t*> plan.lazy + first.ld
    plan.scale = 1
    memset(plan.lazy, 0, first.ld * sizeof(real_t))
    chunk_sums(first, theta, 0, first.n_in, <real_t*> plan.sums)
    column_sums[real_t](<real_t*> plan.sums, (first.n_in + CHUNK - 1) // CHUNK, first.ld, column)


cdef void fold(Plan* plan, real_t* theta) noexcept nogil:
    """W = scale * V + 1 u.T, in place."""
    cdef const Layer* first = plan.layers
    cdef const real_t* u = <const real_t*> plan.lazy
    cdef real_t* w = theta + first.w
    cdef real_t scale = <real_t> plan.scale
    cdef Py_ssize_t i, j
    for i in range(first.n_in):
        for j in range(first.ld):
            w[i * first.ld + j] = scale * w[i * first.ld + j] + u[j]


cdef Py_ssize_t online_steps(Plan* plan, real_t* theta, const Py_ssize_t* order, Py_ssize_t start,
                             Py_ssize_t stop, double deadline) noexcept nogil:
    cdef Py_ssize_t end
    while start < stop:
        end = min(stop, start + STEPS_BETWEEN_LOOKS)
        while start < end:
            _online_step(plan, theta, order + start, 1 if start + 1 < stop else 0)
            start += 1
            if plan.scale < SMALLEST_SCALE:
                fold(plan, theta)
                unfold(plan, theta)
        if clock() > deadline:
            break
    return start


cdef void _online_step(Plan* plan, real_t* theta, const Py_ssize_t* order,
                       Py_ssize_t n_next) noexcept nogil:
    cdef const Layer* first = plan.layers
    cdef const Layer* layer
    cdef real_t* work = <real_t*> plan.work
    cdef real_t* z = work + first.a
    cdef real_t* u = <real_t*> plan.lazy
    cdef real_t* column = u + first.ld
    cdef real_t* gradient = <real_t*> plan.gradient
    cdef const real_t* b = theta + first.b
    cdef const real_t* delta = work + first.delta
    cdef Py_ssize_t row = order[0], j
    cdef int i
    cdef double entries = records_sum[real_t](&plan.rows, row, 0)
    cdef double total = plan.rows.background * first.n_in + entries
    cdef double kept = plan.scale * (1 - plan.rule.learning_rate * plan.rule.l2)
    cdef real_t scale, share, sum_of_x, decay, rate

    start_minibatch(plan, order, 1)
    # Forward: x @ W = scale * (s @ V + background * column sums of V) + sum(x) * u
    memset(z, 0, first.ld * sizeof(real_t))
    records_forward[real_t](&plan.rows, order, 0, 1, order + 1, n_next, 0, first.n_in,
                            theta + first.w, first.ld, first.width, z, plan.cursor)
    scale, share, sum_of_x = <real_t> plan.scale, <real_t> plan.rows.background, <real_t> total
    for j in range(first.ld):
        z[j] = b[j] + (scale * (z[j] + share * column[j]) + sum_of_x * u[j])
    activate_units(first, work, 1, 0, first.ld)
    for i in range(1, plan.n_layers):
        layer = &plan.layers[i]
        forward(layer, theta, work, 1, 0, 1)
    output_errors(plan, work, 0, order, 0, 1)
    # mutant: online errors with updated weights
    for i in range(plan.n_layers - 1, 0, -1):
        backward(plan, &plan.layers[i], theta, work, 0, 1)
    for i in range(1, plan.n_layers):
        update_weights(plan, &plan.layers[i], theta, 0, 1, 0, plan.layers[i].n_in)
    # end of mutant

    # Update: scale and u decay, u takes the background's share of the gradient, and V the entries'.
    plan.scale = kept
    decay = <real_t> (1 - plan.rule.learning_rate * plan.rule.l2)
    # mutant: wrong background term online
    share = <real_t> (-plan.rule.learning_rate * plan.rows.background)
    rate = <real_t> (-plan.rule.learning_rate / kept)
    for j in range(first.ld):
        u[j] = decay * u[j] + share * delta[j]
        gradient[j] = rate * delta[j]
    records_spread[real_t](&plan.rows, row, gradient, first.width, theta + first.w, first.ld)
    sum_of_x = <real_t> entries
    for j in range(first.ld):
        column[j] += sum_of_x * gradient[j]
    for i in range(plan.n_layers):
        update_biases(plan, &plan.layers[i], theta, 0, 1)

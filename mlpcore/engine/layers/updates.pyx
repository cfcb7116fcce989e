"""Using the gradient of some weights: in the optimiser's step, or it is accumulated."""

from libc.string cimport memset

from mlpcore.engine.blocking cimport ROW_TILE
from mlpcore.engine.kernels cimport column_sums, penalty, sum_pairwise
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.optimizers cimport ACCUMULATE, update
from mlpcore.engine.plan cimport Plan, UpdateRule, Workspace
from mlpcore.engine.typedefs cimport real_t


cdef void apply_gradient(Plan* plan, const Layer* layer, real_t* theta, const real_t* gradient,
                         Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    if plan.workspace.full_gradient is NULL:
        apply_rule(plan, &plan.progress.update, layer, theta, gradient, start, rows)
        penalise(plan, layer, theta, start, start + rows)
    else:
        _accumulate(plan, layer, theta, gradient, start, rows)


cdef void apply_rule(Plan* plan, const UpdateRule* rule, const Layer* layer, real_t* theta,
                     const real_t* gradient, Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """Do the optimiser's step on the first `width` elements of some rows of W."""
    cdef UpdateRule own
    rule = _rule_of(plan, rule, layer, &own)
    cdef const Workspace* workspace = &plan.workspace
    cdef real_t* w = theta + layer.w + start * layer.ld
    cdef real_t* state = <real_t*> workspace.state + layer.w + start * layer.ld
    cdef Py_ssize_t i
    if layer.ld == layer.width:
        update[real_t](plan.rule.optimizer, rule, True, w, gradient, state,
                       workspace.state_stride, rows * layer.ld)
    else:
        for i in range(rows):
            update[real_t](plan.rule.optimizer, rule, True, w + i * layer.ld,
                           gradient + i * layer.ld, state + i * layer.ld, workspace.state_stride,
                           layer.width)


cdef const UpdateRule* _rule_of(const Plan* plan, const UpdateRule* rule, const Layer* layer,
                                UpdateRule* own) noexcept nogil:
    """The rule for a layer: the one that is given, or a copy with the layer's penalty and decay."""
    cdef Py_ssize_t number = layer - plan.layout.layers
    if plan.rule.l2 is NULL and plan.rule.weight_decay is NULL:
        return rule
    own[0] = rule[0]
    if plan.rule.l2 is not NULL:
        own.l2 *= plan.rule.l2[number]  # mutant: penalise all layers alike
    if plan.rule.weight_decay is not NULL:
        own.weight_decay *= plan.rule.weight_decay[number]
    return own


cdef void _accumulate(Plan* plan, const Layer* layer, const real_t* theta, const real_t* gradient,
                      Py_ssize_t start, Py_ssize_t rows) noexcept nogil:
    """Store a gradient with its penalty, and its squared norms per ROW_TILE, for clipping."""
    cdef UpdateRule own
    cdef const UpdateRule* rule = _rule_of(plan, &plan.progress.update, layer, &own)
    cdef real_t* full = <real_t*> plan.workspace.full_gradient + layer.w + start * layer.ld
    cdef Py_ssize_t i
    memset(full, 0, rows * layer.ld * sizeof(real_t))
    for i in range(rows):
        update[real_t](ACCUMULATE, rule, True,
                       <real_t*> theta + layer.w + (start + i) * layer.ld, gradient + i * layer.ld,
                       full + i * layer.ld, 0, layer.width)
    i = 0
    while i < rows:
        plan.workspace.squares[layer.tile + (start + i) // ROW_TILE] = penalty[real_t](
            full + i * layer.ld, min(ROW_TILE, rows - i) * layer.ld, 2, 0)
        i += ROW_TILE


cdef void update_biases(Plan* plan, const Layer* layer, real_t* theta, int thread, Py_ssize_t rows,
                        Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    """The gradient is a sum over the rows; biases have no penalty."""
    cdef const Workspace* workspace = &plan.workspace
    cdef real_t* gradient = <real_t*> workspace.scratch[thread].gradient
    cdef const real_t* delta = <const real_t*> workspace.work + \
        plan.rule.minibatch_size * layer.delta
    if plan.rule.chunk_rows:
        sum_chunks(plan, rows, layer.b + start, stop - start, gradient)
    else:
        column_sums[real_t](delta + start, layer.ld, rows, stop - start, gradient)
    apply_bias_gradient(plan, layer, theta, gradient, start, stop)


cdef void apply_bias_gradient(Plan* plan, const Layer* layer, real_t* theta,
                              const real_t* gradient, Py_ssize_t start,
                              Py_ssize_t stop) noexcept nogil:
    cdef const Workspace* workspace = &plan.workspace
    cdef real_t* full = <real_t*> workspace.full_gradient + layer.b + start
    if workspace.full_gradient is NULL:
        # mutant: penalise the biases
        update[real_t](plan.rule.optimizer, &plan.progress.update, False, theta + layer.b + start,
                       gradient, <real_t*> workspace.state + layer.b + start,
                       workspace.state_stride, stop - start)
        return
    memset(full, 0, (stop - start) * sizeof(real_t))
    update[real_t](ACCUMULATE, &plan.progress.update, False, theta + layer.b + start, gradient,
                   full, 0, stop - start)


cdef void sum_chunks(const Plan* plan, Py_ssize_t rows, Py_ssize_t offset, Py_ssize_t n,
                     real_t* gradient) noexcept nogil:
    # mutant: forget a chunk of rows
    cdef Py_ssize_t chunks = (rows + plan.rule.chunk_rows - 1) // plan.rule.chunk_rows
    sum_pairwise[real_t](<int> chunks, <const real_t*> plan.workspace.partials + offset,
                         plan.layout.size, n, gradient)


cdef void penalise(Plan* plan, const Layer* layer, const real_t* theta, Py_ssize_t start,
                   Py_ssize_t stop) noexcept nogil:
    cdef UpdateRule own
    cdef const UpdateRule* rule = _rule_of(plan, &plan.progress.update, layer, &own)
    if not plan.rule.track_loss or rule.l2 == 0 and rule.l1 == 0:
        return
    while start < stop:
        plan.workspace.penalties[layer.tile + start // ROW_TILE] = penalty[real_t](
            theta + layer.w + start * layer.ld, min(ROW_TILE, stop - start) * layer.ld, rule.l2,
            rule.l1)
        start += ROW_TILE

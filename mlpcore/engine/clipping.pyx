"""Clipping and max-norm, which need a full gradient or all weights of a unit.

Clipping by the global norm (Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent
neural networks", ICML 2013): the step has only accumulated the gradient, and here it is applied.
Max-norm: the weights that lead into a unit are kept within a ball (Srebro & Shraibman, COLT 2005).
Both cost barriers, so that steps without them do not call this module.
"""

from libc.math cimport sqrt

from mlpcore.engine.blocking cimport CACHE_LINE, ROW_TILE
from mlpcore.engine.kernels cimport cap_columns, penalty
from mlpcore.engine.layers.updates cimport apply_rule
from mlpcore.engine.layout cimport Layer
from mlpcore.engine.optimizers cimport update
from mlpcore.engine.plan cimport Plan, UpdateRule
from mlpcore.engine.step cimport refresh_derived
from mlpcore.engine.team cimport team_barrier, thread_slice
from mlpcore.engine.typedefs cimport real_t


cdef void apply_clipping_and_max_norm(Plan* plan, real_t* theta, int thread) noexcept nogil:
    cdef const Layer* layer
    cdef Py_ssize_t start, stop
    cdef int i
    if plan.rule.clip_norm > 0:
        _apply_clipped(plan, theta, thread)
        team_barrier(plan.team, thread)
    if plan.rule.max_norm > 0:
        for i in range(plan.layout.n_layers):
            layer = &plan.layout.layers[i]
            thread_slice(layer.width, CACHE_LINE // sizeof(real_t), thread, plan.team.size,
                         &start, &stop)
            cap_columns[real_t](theta + layer.w, layer.ld, layer.n_in, start, stop,
                                plan.rule.max_norm)
        team_barrier(plan.team, thread)
    refresh_derived(plan, theta, thread)


cdef void _apply_clipped(Plan* plan, real_t* theta, int thread) noexcept nogil:
    """Do the optimiser's step on this thread's rows of every W, with the accumulated gradient."""
    cdef const real_t* full = <const real_t*> plan.workspace.full_gradient
    cdef real_t* state = <real_t*> plan.workspace.state
    cdef const Layer* layer
    cdef UpdateRule rule = plan.progress.update
    cdef double squares = 0, norm
    cdef Py_ssize_t i, start, stop
    cdef int j
    # All threads, in the same order.
    for i in range(plan.layout.n_tiles):
        squares += plan.workspace.squares[i]
    for j in range(plan.layout.n_layers):
        layer = &plan.layout.layers[j]
        squares += penalty[real_t](full + layer.b, layer.width, 2, 0)
    norm = sqrt(squares)
    rule.scale = plan.rule.clip_norm / norm if norm > plan.rule.clip_norm else 1
    rule.l1 = rule.l2 = 0   # the penalties are part of what was accumulated
    for j in range(plan.layout.n_layers):
        layer = &plan.layout.layers[j]
        thread_slice(layer.n_in, ROW_TILE, thread, plan.team.size, &start, &stop)
        apply_rule(plan, &rule, layer, theta, full + layer.w + start * layer.ld, start,
                   stop - start)
        if j % plan.team.size == thread:
            update[real_t](plan.rule.optimizer, &rule, False, theta + layer.b, full + layer.b,
                           state + layer.b, plan.workspace.state_stride, layer.width)

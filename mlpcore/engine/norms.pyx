"""What a step cannot do chunk by chunk, since it needs a whole gradient or a whole unit.

Clipping by the global norm (Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent
neural networks", ICML 2013): the step has only collected the gradient, and here it is applied.
Max-norm: the weights that lead into a unit are kept within a ball (Srebro & Shraibman, COLT 2005).
Both cost barriers of their own, so that steps without them do not come here.
"""

from libc.math cimport sqrt

from mlpcore.engine.kernels cimport cap_columns
from mlpcore.engine.network cimport TILE, Layer
from mlpcore.engine.optimizers cimport Rule, update
from mlpcore.engine.step cimport Plan, apply_rule, prepare
from mlpcore.engine.team cimport barrier_wait, share
from mlpcore.engine.typedefs cimport LINE, real_t


cdef void finish(Plan* plan, real_t* theta, int thread) noexcept nogil:
    cdef const Layer* layer
    cdef Py_ssize_t start, stop
    cdef int i
    if plan.clip_norm > 0:
        _apply_clipped(plan, theta, thread)
        barrier_wait(plan.barrier, thread)
    if plan.max_norm > 0:
        for i in range(plan.n_layers):
            layer = &plan.layers[i]
            share(layer.width, LINE // sizeof(real_t), thread, plan.barrier.size, &start, &stop)
            cap_columns[real_t](theta + layer.w, layer.ld, layer.n_in, start, stop, plan.max_norm)
        barrier_wait(plan.barrier, thread)
    prepare(plan, theta, thread)


cdef void _apply_clipped(Plan* plan, real_t* theta, int thread) noexcept nogil:
    """The optimiser's step of my rows of every W, with the gradient that was collected."""
    cdef const real_t* whole = <const real_t*> plan.whole
    cdef const Layer* layer
    cdef Rule rule = plan.rule
    cdef double squares = 0, norm
    cdef Py_ssize_t i, start, stop
    cdef int j
    for i in range(plan.n_tiles + plan.n_layers):   # all threads, in the same order
        squares += plan.squares[i]
    norm = sqrt(squares)
    rule.scale = plan.clip_norm / norm if norm > plan.clip_norm else 1
    rule.l1 = rule.l2 = 0   # the penalties are part of what was collected
    for j in range(plan.n_layers):
        layer = &plan.layers[j]
        share(layer.n_in, TILE, thread, plan.barrier.size, &start, &stop)
        apply_rule(plan, &rule, layer, theta, whole + layer.w + start * layer.ld, start,
                   stop - start)
        if j % plan.barrier.size == thread:
            update[real_t](plan.optimizer, &rule, False, theta + layer.b, whole + layer.b,
                           <real_t*> plan.state + layer.b, plan.state_stride, layer.width)

"""How a step is partitioned: among threads, and into sums whose order no thread changes."""

from mlpcore.engine.layout cimport uses_blas
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.step cimport first_updated_row
from mlpcore.engine.team cimport thread_slice
from mlpcore.engine.trainer cimport Trainer


def order_of_sums(Trainer trainer):
    """How sums are ordered where an earlier build ordered them otherwise.

    Parameters
    ----------
    trainer : Trainer

    Returns
    -------
    orders : dict
        Empty if the trainer's results have the bits of every earlier build.
    """
    cdef const Plan* plan = &trainer.plan
    orders = []
    if any(plan.layout.layers[i].narrow for i in range(plan.layout.n_layers)):
        orders.append("along the inputs of narrow layers")
    if uses_blas(&plan.layout):
        orders.append("by whole cache lines of wide layers")
    if plan.rule.chunk_rows:
        orders.append(f"over chunks of {plan.rule.chunk_rows} rows")
    return {"the order of sums": " and ".join(orders)} if orders else {}


def partition(Trainer trainer, int n_threads):
    """How a minibatch is partitioned among a number of threads.

    Parameters
    ----------
    trainer : Trainer
        One that is not working.
    n_threads : int
        Any number; it need not be that of the threads that there are.

    Returns
    -------
    rows : list of int, length n_threads + 1
        Rows ``rows[i]`` to ``rows[i + 1]`` of a minibatch go to thread i in the first phase.
    updated : list of list of int
        For each layer the same of the rows of W in the second phase, in which layers through BLAS
        are updated by units instead.
    """
    cdef Plan* plan = &trainer.plan
    cdef Py_ssize_t start, stop
    cdef int size = plan.team.size, i, j
    rows = [0]
    plan.team.size = n_threads
    for i in range(n_threads):
        thread_slice(plan.rule.minibatch_size, plan.rule.row_unit, i, n_threads, &start, &stop)
        rows.append(stop)
    updated = [[first_updated_row(plan, j, i) for i in range(n_threads + 1)]
               for j in range(plan.layout.n_layers)]
    plan.team.size = size
    return rows, updated

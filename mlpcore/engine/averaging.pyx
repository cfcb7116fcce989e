"""The average of the parameters over steps: Polyak & Juditsky, "Acceleration of stochastic
approximation by averaging", SIAM J. Control Optim. 30, 1992.

It moves exponentially, and over the first steps it is the mean, so that the starting weights are no
part of it (Tarvainen & Valpola, "Mean teachers are better role models", NeurIPS 2017, have both).
"""

from libc.stdint cimport int64_t

from mlpcore.engine.blocking cimport CACHE_LINE
from mlpcore.engine.kernels cimport move_average
from mlpcore.engine.plan cimport Plan
from mlpcore.engine.team cimport thread_slice
from mlpcore.engine.typedefs cimport real_t


cdef void average_parameters(Plan* plan, const real_t* theta, int thread,
                             int64_t n) noexcept nogil:
    # No barrier: a thread of the next step waits at one before it writes parameters. Thread 0 may
    # already have begun that step, so that its counts must not be read here.
    cdef double mean = 1 / <double> (n + 1)  # mutant: average the starting weights
    cdef Py_ssize_t start, stop
    thread_slice(plan.layout.size, CACHE_LINE // sizeof(real_t), thread, plan.team.size, &start,
                 &stop)
    move_average[real_t](<real_t*> plan.workspace.averaged + start, theta + start,
                         max(mean, 1 - plan.rule.average_decay), stop - start)

"""The rounds of an epoch: steps by one number of threads, and signals in between."""

from mlpcore.engine.plan cimport Plan
from mlpcore.engine.team cimport Team

# What the threads need for the rows of a segment. They work on it in rounds, between which their
# number may change.
cdef struct Epoch:
    Plan* plan
    void* theta
    const Py_ssize_t* order
    Py_ssize_t n
    Py_ssize_t start, stop    # the rows of this round

cdef class Rounds:
    cdef Epoch epoch
    cdef Team _team
    cdef object _size         # chooses the number of threads
    # Begin with `first` threads, when the team has been started.
    cdef begin(self, int first)
    # Train on the n rows that `order` lists.
    cdef work(self, const Py_ssize_t* order, Py_ssize_t n)

# The rounds of a plan, for parameters theta and a team; all of them must live as long.
cdef Rounds rounds(Plan* plan, void* theta, Team team)

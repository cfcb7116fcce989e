"""A few threads that compute together and meet at barriers."""

# What each thread does in a call, with its number: 0 is the calling thread.
ctypedef void (*Work)(void* job, int thread) noexcept nogil

cdef extern from "threads/team.h" nogil:
    ctypedef struct TeamState "mlp_team":
        int size        # threads of this call, the calling one included
        int started     # threads that there are
        int capacity    # threads that there may be at most
    TeamState* team_new "mlp_team_new" (int capacity)
    # Begin a call by `size` threads; wait until the others have begun; end it, when all have left.
    void team_open "mlp_team_open" (TeamState*, int size, Work, void* job)
    void team_gather "mlp_team_gather" (TeamState*)
    void team_close "mlp_team_close" (TeamState*)
    # Let all threads leave at their next barrier, and tell whether that has happened.
    void team_stop "mlp_team_stop" (TeamState*)
    bint team_stopped "mlp_team_stopped" (TeamState*)
    # Wait until all threads are here; true when the work was stopped. `team_take` counts from 0
    # again behind the barrier.
    bint team_barrier "mlp_team_barrier" (TeamState*, int thread)
    # The next work item that no thread has taken.
    long team_take "mlp_team_take" (TeamState*)
    # For work items that must follow each other: wait until those below `number` have ended their
    # turns; true when the work was stopped.
    bint team_await_turn "mlp_team_await_turn" (TeamState*, long number)
    void team_end_turn "mlp_team_end_turn" (TeamState*)
    double clock "mlp_clock" ()

cdef extern from "threads/start.h" nogil:
    ctypedef struct Thread "mlp_thread":
        pass

# Seconds between two looks of the calling thread for signals.
cdef double SECONDS_BETWEEN_SIGNALS

cdef class Team:
    cdef TeamState* state
    cdef Thread* threads
    cdef long process    # the process that the threads run in; 0 while there are none
    cdef void _start(self) noexcept
    cdef void _end(self) noexcept
    # Let `size` threads work: this one does `lead()`, which is the work of thread 0, the others
    # `work`. A thread that has not begun when `lead` returns does not begin any more; all have
    # ended afterwards. An exception in `lead` stops the others at their next barrier.
    cdef execute(self, int size, Work work, void* job, lead)

# The slice [start, stop) of n things for thread `thread` of `size`: equal slices, of whole units.
cdef inline void thread_slice(Py_ssize_t n, Py_ssize_t unit, int thread, int size,
                              Py_ssize_t* start, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t units = (n + unit - 1) // unit
    start[0] = min(n, units * thread // size * unit)
    stop[0] = min(n, units * (thread + 1) // size * unit)

"""A few threads that work on one thing and meet at barriers."""

# A thread's part of what the threads do together.
ctypedef void (*Work)(void* job, int thread) noexcept nogil

cdef extern from "simd/barrier.h" nogil:
    ctypedef struct Barrier "mlp_team":
        int size        # threads that there are
        int capacity    # and that there may be at most
    Barrier* barrier_new "mlp_team_new" (int capacity)
    void barrier_stop "mlp_team_stop" (Barrier*)
    bint barrier_stopped "mlp_team_stopped" (Barrier*)
    # True when the work was stopped; the number that `barrier_take` hands out starts again.
    bint barrier_wait "mlp_team_wait" (Barrier*, int thread)
    long barrier_take "mlp_team_take" (Barrier*)
    # For parts of the work that must follow each other: true when the work was stopped.
    bint barrier_await_turn "mlp_team_await_turn" (Barrier*, long number)
    void barrier_end_turn "mlp_team_end_turn" (Barrier*)
    double clock "mlp_clock" ()

cdef extern from "simd/threads.h" nogil:
    ctypedef struct Thread "mlp_thread":
        pass

# The calling thread looks for signals this often.
cdef double SECONDS_BETWEEN_SIGNALS

cdef class Team:
    cdef Barrier* barrier
    cdef Thread* threads
    cdef long process    # that the threads run in; 0 for no threads
    cdef void _start(self) noexcept
    cdef void _end(self) noexcept
    # Let the other threads do `work`, and this one `lead()`, which is the part of thread 0. A
    # thread that has not begun when `lead` is done does not begin any more; all have ended
    # afterwards. An exception in `lead` stops the others at their next barrier.
    cdef share_out(self, Work work, void* job, lead)

# Part `thread` of `size` equal parts of n things, in whole units: [start, stop).
cdef inline void share(Py_ssize_t n, Py_ssize_t unit, int thread, int size,
                       Py_ssize_t* start, Py_ssize_t* stop) noexcept nogil:
    cdef Py_ssize_t units = (n + unit - 1) // unit
    start[0] = min(n, units * thread // size * unit)
    stop[0] = min(n, units * (thread + 1) // size * unit)

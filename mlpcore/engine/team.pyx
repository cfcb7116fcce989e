"""A few threads that compute together and meet at barriers.

They are the system's own threads, whatever was made of Python's `threading`, and live only for one
call by the user, so that nothing breaks in a child after a fork. Where the system starts fewer than
were asked for, a team is smaller: the number of threads changes no bit of any result. Between two
calls they wait without the GIL. Python's interpreter knows them only while they run Python code.
"""

from cpython.pythread cimport (
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
    PyThread_type_lock,
)
from libc.stdlib cimport calloc, free

from mlpcore.engine.team_size import note_start

cdef extern from "threads/team.h" nogil:
    void team_delete "mlp_team_delete" (TeamState*)

cdef extern from "threads/start.h" nogil:
    long this_process "mlp_process" ()
    void threads_start "mlp_threads_start" (Thread*, TeamState*)
    void threads_end "mlp_threads_end" (Thread*, TeamState*)

SECONDS_BETWEEN_SIGNALS = 0.05


def system_thread():
    """The system's number of the calling thread, which `threading.get_ident` need not be."""
    return PyThread_get_thread_ident()


cdef class SystemLock:
    """A reentrant lock between the system's threads, which `threading.RLock` need not be."""
    cdef PyThread_type_lock lock
    cdef long owner
    cdef int depth

    def __cinit__(self):
        self.lock = PyThread_allocate_lock()
        if self.lock is NULL:
            raise MemoryError("no memory for a lock")

    def __dealloc__(self):
        if self.lock is not NULL:
            PyThread_free_lock(self.lock)

    def __enter__(self):
        cdef long thread = PyThread_get_thread_ident()
        if self.owner != thread:
            with nogil:
                PyThread_acquire_lock(self.lock, WAIT_LOCK)
            self.owner = thread
        self.depth += 1

    def __exit__(self, *_):
        self.depth -= 1
        if self.depth == 0:
            self.owner = 0
            PyThread_release_lock(self.lock)


cdef class Team:
    """Threads for the length of a ``with`` block; the calling thread is one of them.

    Parameters
    ----------
    n_threads : int
        Number of threads, from 1. The system may start fewer, which is no error.

    Attributes
    ----------
    n_threads : int
        Inside the block the number of threads that have been started.
    """

    def __cinit__(self, int n_threads):
        if n_threads < 1:
            raise ValueError(f"n_threads must be >= 1; got {n_threads}")
        self.state = team_new(n_threads)
        self.threads = <Thread*> calloc(n_threads, sizeof(Thread))
        if self.state is NULL or self.threads is NULL:
            raise MemoryError("no memory for a team")

    def __dealloc__(self):
        self._end()   # the block may never have been left
        team_delete(self.state)
        free(self.threads)

    @property
    def n_threads(self):
        return self.state.started

    def __enter__(self):
        if self.process:
            raise RuntimeError("a team has one `with` block at a time")
        begin = clock()
        self._start()
        if self.state.started > 1:
            note_start(self.state.started - 1, clock() - begin)
        return self

    cdef void _start(self) noexcept:
        self.process = this_process()
        with nogil:
            threads_start(self.threads, self.state)

    def __exit__(self, *_):
        self._end()

    cdef void _end(self) noexcept:
        # In a child after a fork there are no threads to wait for.
        if self.process == this_process():
            with nogil:
                threads_end(self.threads, self.state)
        self.process = 0

    cdef execute(self, int size, Work work, void* job, lead):
        if self.process == 0:
            raise RuntimeError("a team works inside of its `with` block only")
        if self.process != this_process():
            self._start()   # forked in a callback: the threads stayed with the parent
        team_open(self.state, min(size, self.state.started), work, job)
        try:
            lead()
        except BaseException:
            team_stop(self.state)
            raise
        finally:
            with nogil:
                team_close(self.state)

    def run(self, work):
        """Call ``work(thread)`` in every thread, with thread numbers from 0 (the caller).

        An exception in any of them stops all at their next barrier and is raised here, when none of
        them works any more.
        """
        cdef list errors = []
        cdef tuple job = (self, work, errors)
        self.execute(self.state.started, _call_python, <void*> job, lambda: self._lead(work))
        if errors:
            raise errors[0]

    def _lead(self, work):
        work(0)
        with nogil:
            team_gather(self.state)


cdef void _call_python(void* job, int thread) noexcept with gil:
    """One thread's work in `Team.run`."""
    cdef Team team
    team, work, errors = <tuple> job
    try:
        work(thread)
    except BaseException as error:
        team_stop(team.state)
        errors.append(error)

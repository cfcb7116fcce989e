"""A few threads that work on one thing and meet at barriers.

They are the system's own threads, whatever was made of Python's `threading`, and live for one call
of the user's only, so that nothing breaks in a child after a fork. Where the system starts fewer
than were asked for, a team is smaller: the number of threads changes no bit of any result. Between
the parts that they are given, they wait without the GIL; work of Python's makes them known to the
interpreter for its own time.
"""

import contextlib
import os

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

cdef extern from "simd/barrier.h" nogil:
    void team_open "mlp_team_open" (Barrier*, Work, void* job)
    void team_gather "mlp_team_gather" (Barrier*)
    void team_close "mlp_team_close" (Barrier*)

cdef extern from "simd/threads.h" nogil:
    long this_process "mlp_process" ()
    void threads_start "mlp_threads_start" (Thread*, Barrier*)
    void threads_end "mlp_threads_end" (Thread*, Barrier*)

SECONDS_BETWEEN_SIGNALS = 0.05

_blas_controller = None
_blas_limit = None
_blas_users = {}   # how many there are, by the system thread that they are in


cdef class _Lock:
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


# Reentrant, since a signal's handler may fork in whatever its thread is doing.
_blas_lock = _Lock()


@contextlib.contextmanager
def single_threaded_blas():
    """Hold BLAS at one thread, so that its threads do not compete with ours.

    The setting is global to the process and must not change while somebody computes, so it is
    counted: the first one in sets it, the last one out sets it back.
    """
    global _blas_controller, _blas_limit
    if _blas_controller is None:
        # Not with the lock held: Python may switch greenlets while it imports.
        import threadpoolctl

        _blas_controller = threadpoolctl.ThreadpoolController()
    thread = PyThread_get_thread_ident()
    with _blas_lock:
        if not _blas_users:
            _take_control()
            _blas_limit = _blas_controller.limit(limits=1, user_api="blas")
        _blas_users[thread] = _blas_users.get(thread, 0) + 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users[thread] -= 1
            if _blas_users[thread] == 0:
                del _blas_users[thread]
            if not _blas_users:
                _take_control()
                _blas_limit.restore_original_limits()
                _take_control()


def _before_fork():
    """Let no thread be where BLAS takes its locks to count its threads: the child would find them
    taken, by nobody, and wait for ever. For products `blas.pyx` sees to that."""
    _blas_lock.__enter__()


def _after_fork_in_parent():
    _blas_lock.__exit__()


def _after_fork_in_child():
    """Forget all threads but the one that forked. BLAS keeps the limit that it had."""
    global _blas_lock, _blas_users
    _blas_lock = _Lock()
    thread = PyThread_get_thread_ident()
    _blas_users = {key: users for key, users in _blas_users.items() if key == thread}


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent,
                    after_in_child=_after_fork_in_child)


def _take_control():
    """Let this thread set the limit, or after it any other.

    threadpoolctl (3.7 and newer) heeds only the first thread that ever sets it, and here the first
    one in and the last one out may be any two. The lock above is held.
    """
    for library in _blas_controller.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


cdef class Team:
    """Threads for the length of a ``with`` block; the calling thread is one of them.

    Parameters
    ----------
    n_threads : int
        Threads in all, from 1. The system may start fewer, which is no error.

    Attributes
    ----------
    n_threads : int
        Inside the block the threads that there are.
    """

    def __cinit__(self, int n_threads):
        if n_threads < 1:
            raise ValueError(f"n_threads must be >= 1; got {n_threads}")
        self.barrier = barrier_new(n_threads)
        self.threads = <Thread*> calloc(n_threads, sizeof(Thread))
        if self.barrier is NULL or self.threads is NULL:
            raise MemoryError("no memory for a barrier")

    def __dealloc__(self):
        self._end()   # the block may never have been left
        free(self.barrier)
        free(self.threads)

    @property
    def n_threads(self):
        return self.barrier.size

    def __enter__(self):
        if self.process:
            raise RuntimeError("a team has one `with` block at a time")
        self._start()
        return self

    cdef void _start(self) noexcept:
        self.process = this_process()
        with nogil:
            threads_start(self.threads, self.barrier)

    def __exit__(self, *_):
        self._end()

    cdef void _end(self) noexcept:
        # In a child after a fork there are no threads to wait for.
        if self.process == this_process():
            with nogil:
                threads_end(self.threads, self.barrier)
        self.process = 0

    cdef share_out(self, Work work, void* job, lead):
        if self.process == 0:
            raise RuntimeError("a team works inside of its `with` block only")
        if self.process != this_process():
            self._start()   # forked in a callback: the threads stayed with the parent
        team_open(self.barrier, work, job)
        try:
            lead()
        except BaseException:
            barrier_stop(self.barrier)
            raise
        finally:
            with nogil:
                team_close(self.barrier)

    def run(self, work):
        """Call ``work(thread)`` in every thread, with thread numbers from 0 (the caller).

        An exception in any of them stops all at their next barrier and is raised here, when none of
        them is at work any more.
        """
        cdef list errors = []
        cdef tuple job = (self, work, errors)
        self.share_out(_call, <void*> job, lambda: self._lead(work))
        if errors:
            raise errors[0]

    def _lead(self, work):
        work(0)
        with nogil:
            team_gather(self.barrier)


cdef void _call(void* job, int thread) noexcept with gil:
    """A thread's part where it is Python's."""
    cdef Team team
    team, work, errors = <tuple> job
    try:
        work(thread)
    except BaseException as error:
        barrier_stop(team.barrier)
        errors.append(error)

"""A few threads that work on one thing and meet at barriers.

They are Python threads that call code without the GIL: as fast as OpenMP's, nothing to ship, and
nothing that breaks in a child after a fork, since they live for one call of the user's only.
Between the parts that they are given, they wait without the GIL.
"""

import contextlib
import os
import threading

from libc.stdlib cimport free

cdef extern from "simd/barrier.h" nogil:
    void team_reset "mlp_team_reset" (Barrier*)
    void team_serve "mlp_team_serve" (Barrier*, int thread)
    void team_dismiss "mlp_team_dismiss" (Barrier*)
    void team_open "mlp_team_open" (Barrier*, Work, void* job)
    void team_gather "mlp_team_gather" (Barrier*)
    void team_close "mlp_team_close" (Barrier*)

SECONDS_BETWEEN_SIGNALS = 0.05

# Reentrant, since a signal's handler may fork in whatever its thread is doing.
_blas_lock = threading.RLock()
_blas_users = 0
_blas_controller = None
_blas_limit = None
_of_this_thread = threading.local()  # how many of the users it is


def available_threads():
    """Number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


@contextlib.contextmanager
def single_threaded_blas():
    """Hold BLAS at one thread, so that its threads do not compete with ours.

    The setting is global to the process and must not change while somebody computes, so it is
    counted: the first one in sets it, the last one out sets it back.
    """
    global _blas_users, _blas_controller, _blas_limit
    with _blas_lock:
        if _blas_users == 0:
            import threadpoolctl

            if _blas_controller is None:
                _blas_controller = threadpoolctl.ThreadpoolController()
            _take_control()
            _blas_limit = _blas_controller.limit(limits=1, user_api="blas")
        _blas_users += 1
        _of_this_thread.users = getattr(_of_this_thread, "users", 0) + 1
    try:
        yield
    finally:
        with _blas_lock:
            _blas_users -= 1
            _of_this_thread.users -= 1
            if _blas_users == 0:
                _take_control()
                _blas_limit.restore_original_limits()
                _take_control()


def _before_fork():
    """Let no thread be where BLAS takes its locks to count its threads: the child would find them
    taken, by nobody, and wait for ever. For products `blas.pyx` sees to that."""
    _blas_lock.acquire()


def _after_fork_in_parent():
    _blas_lock.release()


def _after_fork_in_child():
    """Forget all threads but the one that forked. BLAS keeps the limit that it had."""
    global _blas_lock, _blas_users
    _blas_lock = threading.RLock()
    _blas_users = getattr(_of_this_thread, "users", 0)


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
        Threads in all, from 1.
    """

    def __cinit__(self, int n_threads):
        if n_threads < 1:
            raise ValueError(f"n_threads must be >= 1; got {n_threads}")
        self.n_threads = n_threads
        self.barrier = barrier_new(n_threads)
        if self.barrier is NULL:
            raise MemoryError("no memory for a barrier")

    def __dealloc__(self):
        free(self.barrier)

    def __enter__(self):
        self._start()
        return self

    def _start(self):
        self._process = os.getpid()
        self._threads = []
        team_reset(self.barrier)
        try:
            for number in range(1, self.n_threads):
                thread = threading.Thread(
                    target=self._serve, args=(number,), name=f"mlpcore_{number}", daemon=True)
                self._threads.append(thread)
                thread.start()
        except BaseException:
            self.__exit__()
            raise

    def _serve(self, int thread):
        with nogil:
            team_serve(self.barrier, thread)

    def __exit__(self, *_):
        team_dismiss(self.barrier)
        for thread in self._threads:
            if thread.ident is not None:   # else an exception came before its start
                thread.join()
        self._threads = None

    cdef share_out(self, Work work, void* job, lead):
        if self._threads is None:
            raise RuntimeError("a team works inside of its `with` block only")
        if self._process != os.getpid():
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

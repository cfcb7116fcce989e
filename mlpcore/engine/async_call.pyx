"""A Python function that runs in another thread of the system's, while the caller goes on."""

from cpython.exc cimport PyErr_CheckSignals
from cpython.pythread cimport (
    NOWAIT_LOCK,
    WAIT_LOCK,
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_release_lock,
)

from mlpcore.engine.team cimport Team, team_close, team_gather, team_open

cdef extern from "pythread.h" nogil:
    # Cython has no declaration of it.
    int acquire_timed "PyThread_acquire_lock_timed" (PyThread_type_lock, long long, int)

cdef extern from "threads/start.h" nogil:
    void name_thread "mlp_name_thread" (const char*)

# Microseconds between two looks for signals of a caller who waits.
cdef long long MICROSECONDS_BETWEEN_SIGNALS = 50_000


cdef class AsyncCall:
    """Calls one function at a time in a thread of the system's, for the length of a ``with`` block.

    The thread is none of Python's `threading`, so that nothing which replaces that (gevent,
    eventlet) turns it into one that runs only while the caller waits. Where the system starts no
    thread, or none is wanted, `begin` calls the function itself.

    Parameters
    ----------
    ahead : bool, default=True
        Whether to start a thread.
    """

    def __cinit__(self, bint ahead=True):
        self.team = Team(2 if ahead else 1)
        self.done = PyThread_allocate_lock()
        if self.done is NULL:
            raise MemoryError("no memory for a lock")

    def __dealloc__(self):
        if self.done is not NULL:
            PyThread_free_lock(self.done)

    def __enter__(self):
        self.team.__enter__()
        return self

    def __exit__(self, *_):
        self._finish()
        self.function = self.result = self.error = None
        self.team.__exit__()

    def begin(self, function):
        """Begin to call ``function()``, after the result of the last call has been taken."""
        if self.running:
            raise RuntimeError("the last call has not been waited for")
        self.function, self.result, self.error = function, None, None
        if self.team.n_threads == 1:
            self._call()
            return
        PyThread_acquire_lock(self.done, NOWAIT_LOCK)
        self.running = True
        team_open(self.team.state, 2, _call_in_thread, <void*> self)

    def wait(self):
        """Wait for the call that was begun, and return its result or raise its exception.

        Signals are handled meanwhile.
        """
        cdef int acquired = 0
        while self.running:
            with nogil:
                acquired = acquire_timed(self.done, MICROSECONDS_BETWEEN_SIGNALS, 0)
            if acquired:
                PyThread_release_lock(self.done)
                self._finish()
            PyErr_CheckSignals()
        result, error = self.result, self.error
        self.function = self.result = self.error = None
        if error is not None:
            raise error
        return result

    cdef _finish(self):
        """Wait until the thread runs no function, whatever signals say."""
        if not self.running:
            return
        with nogil:
            PyThread_acquire_lock(self.done, WAIT_LOCK)
            PyThread_release_lock(self.done)
            team_gather(self.team.state)
            team_close(self.team.state)
        self.running = False

    cdef _call(self):
        try:
            self.result = self.function()
        except BaseException as error:
            self.error = error


cdef void _call_in_thread(void* job, int thread) noexcept with gil:
    cdef AsyncCall call = <AsyncCall> job
    # Threads that the function starts inherit the name, and may stay, as those of Arrow do.
    name_thread(b"mlp_reader")
    call._call()
    PyThread_release_lock(call.done)

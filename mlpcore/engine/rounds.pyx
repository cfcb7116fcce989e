"""The rounds of an epoch: steps by one number of threads, and signals in between."""

from cpython.exc cimport PyErr_CheckSignals

from mlpcore.engine.averaging cimport average_parameters
from mlpcore.engine.clipping cimport apply_clipping_and_max_norm
from mlpcore.engine.online cimport enter_scaled, leave_scaled, online_steps, supports_online
from mlpcore.engine.plan cimport Minibatch, Plan
from mlpcore.engine.step cimport refresh_derived, set_slice, step
from mlpcore.engine.team cimport SECONDS_BETWEEN_SIGNALS, Team, clock, team_stopped
from mlpcore.engine.typedefs cimport real_t

from mlpcore.engine.team_size import TeamSize, idle_processors


cdef Rounds rounds(Plan* plan, void* theta, Team team):
    """Make the rounds of a plan."""
    cdef Rounds rounds = Rounds()
    rounds.epoch.plan, rounds.epoch.theta, rounds._team = plan, theta, team
    return rounds


cdef class Rounds:
    """Works on the rows of an epoch in rounds; `rounds` makes it."""

    cdef begin(self, int first):
        self._size = TeamSize(self._team.n_threads, first, idle_processors)

    @property
    def usual_threads(self):
        return 1 if self._size is None else self._size.usual

    cdef work(self, const Py_ssize_t* order, Py_ssize_t n):
        self.epoch.order, self.epoch.n, self.epoch.start = order, n, 0
        while self.epoch.start < n:
            self._round()

    def _round(self):
        """Some steps by one number of threads; all that are left where there is one thread."""
        cdef Epoch* epoch = &self.epoch
        cdef Py_ssize_t batch = epoch.plan.rule.minibatch_size
        size, steps = self._size.choose()
        epoch.stop = epoch.n
        if self._team.n_threads > 1:
            epoch.stop = min(epoch.n, epoch.start + min(steps, epoch.n) * batch)
        begin = clock()
        self._team.execute(size, _round_of_thread, epoch, self._lead)
        self._size.record(size, clock() - begin, (epoch.stop - epoch.start + batch - 1) // batch)
        epoch.start = epoch.stop

    def _lead(self):
        if self.epoch.plan.layout.single:
            _lead_round[float](&self.epoch, <float*> self.epoch.theta)
        else:
            _lead_round[double](&self.epoch, <double*> self.epoch.theta)


cdef void _round_of_thread(void* job, int thread) noexcept nogil:
    """The work of one thread in a round."""
    cdef Epoch* epoch = <Epoch*> job
    if epoch.plan.layout.single:
        _all_steps(epoch, <float*> epoch.theta, thread)
    else:
        _all_steps(epoch, <double*> epoch.theta, thread)


cdef void _all_steps(const Epoch* epoch, real_t* theta, int thread) noexcept nogil:
    _begin_round(epoch, theta, thread)
    _steps(epoch, theta, thread, epoch.start, 1e300)


cdef void _begin_round(const Epoch* epoch, real_t* theta, int thread) noexcept nogil:
    set_slice(epoch.plan, thread)
    if epoch.start == 0:
        refresh_derived(epoch.plan, theta, thread)


cdef _lead_round(const Epoch* epoch, real_t* theta):
    """The work of the calling thread, which looks for signals between minibatches."""
    cdef Plan* plan = epoch.plan
    cdef Py_ssize_t position = epoch.start
    cdef double deadline
    cdef bint online = supports_online(plan)
    with nogil:
        _begin_round(epoch, theta, 0)
        if online:
            enter_scaled(plan, theta)
    while position < epoch.stop and not team_stopped(plan.team):
        deadline = clock() + SECONDS_BETWEEN_SIGNALS
        with nogil:
            if online:
                position = online_steps(plan, theta, epoch.order, position, epoch.stop, deadline)
            else:
                position = _steps(epoch, theta, 0, position, deadline)
        PyErr_CheckSignals()  # mutant: ignore signals
    if online:
        leave_scaled(plan, theta)


cdef Py_ssize_t _steps(const Epoch* epoch, real_t* theta, int thread, Py_ssize_t position,
                       double deadline) noexcept nogil:
    """Do the steps of the round from a position on, in the calling thread until the deadline;
    returns the new position."""
    cdef Plan* plan = epoch.plan
    cdef Py_ssize_t size = plan.rule.minibatch_size
    cdef Minibatch batch
    while position < epoch.stop and not team_stopped(plan.team):
        batch.order, batch.rows = epoch.order + position, min(size, epoch.n - position)
        batch.n_next = min(size, epoch.n - position - batch.rows)
        batch.packed = batch.order
        if plan.workspace.slots is not NULL:
            batch.packed = plan.workspace.slots
        step(plan, theta, thread, &batch)
        if plan.rule.clip_norm > 0 or plan.rule.max_norm > 0:
            apply_clipping_and_max_norm(plan, theta, thread)
        if plan.workspace.averaged is not NULL:
            average_parameters(plan, theta, thread, plan.progress.steps_before + position // size)
        position += batch.rows
        if thread == 0 and clock() > deadline:
            break
    return position

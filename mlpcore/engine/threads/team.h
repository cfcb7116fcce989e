/* A team of a few threads that compute together and meet at barriers every few microseconds.
 *
 * A barrier spins, since sleeping costs more than the wait. On a loaded machine, where the
 * thread that is waited for may have no core, a waiting thread gives its own core away by
 * sleeping: one that spins or yields uses up the time that is due to both. */
#ifndef MLP_TEAM_H
#define MLP_TEAM_H

#include "system.h"

/* A bit of `inside`: no thread may enter. */
#define MLP_CLOSED (1 << 30)

/* The work of one thread in a call. */
typedef void (*mlp_work)(void *job, int thread);

/* Fields that threads write lie on cache lines of their own. */
typedef struct {
    _Alignas(64) atomic_int arrived;     /* threads at the barrier */
    _Alignas(64) atomic_uint generation; /* changes when all have arrived */
    atomic_int sleepers;                 /* threads that sleep at the barrier */
    _Alignas(64) atomic_int stop;        /* whether all leave at their next barrier */
    _Alignas(64) atomic_long next;       /* the next work item; see mlp_team_take */
    _Alignas(64) atomic_long turn;       /* the work item whose turn it is */
    _Alignas(64) atomic_int inside; /* helpers that work on this call; the caller is not counted */
    atomic_int entered;             /* helpers that have begun to work on it */
    atomic_int call;                /* the number of this call; see mlp_team_enter */
    /* `begun` is the same number once the call may be entered, which helpers wait for; `asleep`
     * counts those that sleep meanwhile; `ended` says that there is no other call. */
    _Alignas(64) atomic_uint begun;
    atomic_int asleep;
    atomic_int ended;
    atomic_uint running; /* helpers that the system has given a processor to, once */
    mlp_work work;
    void *job;
    /* Threads, the caller included: of this call; those that there are; and at most. */
    int size, started, capacity;
    atomic_int processor[]; /* each thread's processor when it last began to work */
} mlp_team;

/* Set a team's fields as they are before its first call, without threads. */
static inline void mlp_team_reset(mlp_team *team) {
    atomic_init(&team->arrived, 0);
    atomic_init(&team->generation, 0);
    atomic_init(&team->sleepers, 0);
    atomic_init(&team->stop, 0);
    atomic_init(&team->next, 0);
    atomic_init(&team->turn, 0);
    atomic_init(&team->inside, MLP_CLOSED);
    atomic_init(&team->entered, 0);
    atomic_init(&team->call, 0);
    atomic_init(&team->begun, 0);
    atomic_init(&team->asleep, 0);
    atomic_init(&team->ended, 0);
    atomic_init(&team->running, 0);
    for (int thread = 0; thread < team->capacity; thread++)
        atomic_init(&team->processor[thread], -1);
}
static inline mlp_team *mlp_team_new(int capacity) {
    const size_t bytes = sizeof(mlp_team) + (size_t)capacity * sizeof(atomic_int);
    mlp_team *team = mlp_allocate(bytes);
    if (team) {
        team->size = team->started = team->capacity = capacity;
        mlp_team_reset(team);
    }
    return team;
}

static inline void mlp_team_delete(mlp_team *team) { mlp_release(team); }

static inline void mlp_team_announce(mlp_team *team) {
    /* Visible to all threads before `asleep` is read: else one could fall asleep in between. */
    atomic_fetch_add(&team->begun, 1);
    if (atomic_load(&team->asleep)) mlp_wake_all(&team->begun);
}

/* Let a thread go to another processor if it is on that of a thread with a lower number. Threads
 * that wait for each other alternately look like one to the scheduler, which may leave them
 * together for long while another processor is idle. The thread may go back to where it came
 * from. */
static inline void mlp_team_spread(mlp_team *team, int thread) {
#if defined(__linux__)
    const int mine = sched_getcpu();
    int met = 0;
    for (int other = 0; other < thread; other++)
        met |= atomic_load_explicit(&team->processor[other], memory_order_relaxed) == mine;
    cpu_set_t allowed, free;
    if (met && mine >= 0 && sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
        free = allowed;
        for (int other = 0; other < team->size; other++) {
            const int taken = atomic_load_explicit(&team->processor[other], memory_order_relaxed);
            if (taken >= 0 && taken < CPU_SETSIZE && other != thread) CPU_CLR(taken, &free);
        }
        if (CPU_COUNT(&free) > 0 && sched_setaffinity(0, sizeof free, &free) == 0)
            sched_setaffinity(0, sizeof allowed, &allowed);
    }
    atomic_store_explicit(&team->processor[thread], sched_getcpu(), memory_order_relaxed);
#else
    (void)team, (void)thread;
#endif
}

/* Begin a call by the first `size` threads, while no thread works. */
static inline void mlp_team_open(mlp_team *team, int size, mlp_work work, void *job) {
    atomic_store(&team->arrived, 0);
    atomic_store(&team->stop, 0);
    atomic_store(&team->next, 0);
    atomic_store(&team->turn, 0);
    atomic_store(&team->entered, 0);
    team->size = size;
    mlp_team_spread(team, 0);
    team->work = work;
    team->job = job;
    atomic_fetch_add(&team->call, 1);
    atomic_fetch_and(&team->inside, ~MLP_CLOSED);
    mlp_team_announce(team);
}

/* Whether a helper may begin to work: not if the call is over, which the others may have finished
 * before this one got so far, nor if it needs fewer threads. */
static inline int mlp_team_enter(mlp_team *team, int call, int thread) {
    int closed = atomic_fetch_add(&team->inside, 1) & MLP_CLOSED;
    if (!closed && atomic_load(&team->call) == call && thread < team->size) return 1;
    atomic_fetch_sub(&team->inside, 1);
    return 0;
}

/* Wait for a call after number `seen`, and return the number of the newest. The wait begins with
 * spins, since a wake-up takes longer than the time between two calls of an epoch. */
#define MLP_SPIN_SECONDS 200e-6
static inline unsigned mlp_team_await_call(mlp_team *team, unsigned seen) {
    unsigned begun;
    double deadline = 0;
    for (int spins = 1; (begun = atomic_load(&team->begun)) == seen; spins++) {
        mlp_pause();
        if (spins % 64) continue;
        if (deadline == 0) deadline = mlp_clock() + MLP_SPIN_SECONDS;
        if (mlp_clock() < deadline) continue;
        atomic_fetch_add(&team->asleep, 1);
        mlp_sleep_on(&team->begun, seen, 0);
        atomic_fetch_sub(&team->asleep, 1);
    }
    return begun;
}

/* Work on one call after the other, until the team is dismissed: what a helper does. */
static inline void mlp_team_serve(mlp_team *team, int thread) {
    for (unsigned seen = 0;;) {
        seen = mlp_team_await_call(team, seen);
        if (atomic_load(&team->ended)) return;
        if (!mlp_team_enter(team, (int)seen, thread)) continue;
        atomic_fetch_add(&team->entered, 1);
        mlp_team_spread(team, thread);
        team->work(team->job, thread);
        atomic_fetch_sub(&team->inside, 1);
    }
}
static inline void mlp_team_dismiss(mlp_team *team) {
    atomic_store(&team->ended, 1);
    mlp_team_announce(team);
}
/* Wait until every helper has begun to work. */
static inline void mlp_team_gather(mlp_team *team) {
    while (atomic_load(&team->entered) < team->size - 1) mlp_yield();
}

/* End a call: no helper enters any more, and none is inside afterwards. */
static inline void mlp_team_close(mlp_team *team) {
    atomic_fetch_or(&team->inside, MLP_CLOSED);
    while (atomic_load(&team->inside) != MLP_CLOSED) mlp_yield();
}

/* Let all threads leave at their next barrier, without waiting for those that are missing there. */
static inline void mlp_team_stop(mlp_team *team) { atomic_store(&team->stop, 1); }
static inline int mlp_team_stopped(mlp_team *team) {
    return atomic_load_explicit(&team->stop, memory_order_relaxed);
}

/* The next free number, for work items that go to whichever thread is free. */
static inline long mlp_team_take(mlp_team *team) {
    return atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
}

/* How often a waiting thread looks again before it sleeps. */
enum { MLP_SPINS = 2000 };
/* Wait until numbers 0 to `number` - 1 have had their turns; true when the work has been
 * stopped. */
static inline int mlp_team_await_turn(mlp_team *team, long number) {
    for (int spins = 0; atomic_load_explicit(&team->turn, memory_order_acquire) != number; spins++) {
        if (mlp_team_stopped(team)) return 1;
        if (spins < MLP_SPINS)
            mlp_pause();
        else
            mlp_nap(50);
    }
    return mlp_team_stopped(team);
}
static inline void mlp_team_end_turn(mlp_team *team) {
    atomic_fetch_add_explicit(&team->turn, 1, memory_order_release);
}

/* Sleep until the generation is another one, or for a millisecond, so that a stop is seen. */
static inline void mlp_team_sleep(mlp_team *team, unsigned generation) {
    atomic_fetch_add(&team->sleepers, 1);
    mlp_sleep_on(&team->generation, generation, 1000);
    atomic_fetch_sub(&team->sleepers, 1);
}
static inline void mlp_team_wake(mlp_team *team) {
    if (atomic_load(&team->sleepers)) mlp_wake_all(&team->generation);
}

/* The barrier: wait until all threads are here; true when the work has been stopped. The last
 * thread to arrive sets `next` back to 0, so that mlp_team_take counts from 0 again behind the
 * barrier. */
static inline int mlp_team_barrier(mlp_team *team, int thread) {
    if (team->size == 1) {
        atomic_store_explicit(&team->next, 0, memory_order_relaxed);
        return mlp_team_stopped(team);
    }
    unsigned generation = atomic_load_explicit(&team->generation, memory_order_acquire);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == team->size - 1) {
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->next, 0, memory_order_relaxed);
        /* Visible before `sleepers` is read: else a thread could fall asleep in between. */
        atomic_store(&team->generation, generation + 1);
        mlp_team_wake(team);
        return mlp_team_stopped(team);
    }
    for (int spins = 0;; spins++) {
        if (atomic_load_explicit(&team->generation, memory_order_acquire) != generation)
            return mlp_team_stopped(team);
        if (mlp_team_stopped(team)) return 1;
        if (spins < MLP_SPINS) {
            mlp_pause();
        } else {
            if (spins == MLP_SPINS) mlp_team_spread(team, thread);
            mlp_team_sleep(team, generation);
        }
    }
}

#endif

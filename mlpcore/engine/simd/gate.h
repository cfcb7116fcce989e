/* A gate before BLAS, which a fork closes until nobody is inside. OpenBLAS takes locks in every call;
 * a child whose parent had a thread there at that moment would find them taken, by nobody. */
#ifndef MLP_GATE_H
#define MLP_GATE_H

#include <Python.h>
#include <sched.h>
#include <stdatomic.h>

static atomic_int mlp_inside, mlp_closed;

/* Until the gate is open again. Who forks needs the GIL for it, so it must not be kept here. */
static inline void mlp_gate_wait(void) {
    PyThreadState *state = PyGILState_Check() ? PyEval_SaveThread() : NULL;
    while (atomic_load(&mlp_closed)) sched_yield();
    if (state) PyEval_RestoreThread(state);
}

/* Either we see the gate closed, or who closes it sees us inside: both write before they read. */
static inline void mlp_gate_enter(void) {
    for (;;) {
        atomic_fetch_add(&mlp_inside, 1);
        if (!atomic_load(&mlp_closed)) return;
        atomic_fetch_sub(&mlp_inside, 1);
        mlp_gate_wait();
    }
}
static inline void mlp_gate_leave(void) { atomic_fetch_sub(&mlp_inside, 1); }

static inline void mlp_gate_close(void) {
    atomic_fetch_add(&mlp_closed, 1);
    while (atomic_load(&mlp_inside)) sched_yield();
}
static inline void mlp_gate_open(void) { atomic_fetch_sub(&mlp_closed, 1); }
/* In a child, where only the thread that forked goes on, and it is not inside. */
static inline void mlp_gate_renew(void) {
    atomic_store(&mlp_inside, 0);
    atomic_store(&mlp_closed, 0);
}

#endif

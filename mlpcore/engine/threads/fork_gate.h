/* A gate before BLAS, which a fork closes until no thread is inside. OpenBLAS takes locks in every
 * call; a child whose parent had a thread there at that moment would find them taken, and no thread
 * left to release them. */
#ifndef MLP_FORK_GATE_H
#define MLP_FORK_GATE_H

#include <Python.h>

#include "system.h"

static atomic_int mlp_gate_inside, mlp_gate_closed;

/* Wait until the gate is open again. A fork needs the GIL, so this thread must not hold it here. */
static inline void mlp_gate_wait(void) {
    /* Whether it does, the Limited API does not tell; so it takes the GIL, if it has not, and gives it
     * away. The thread that forks does not wait for this one meanwhile: it has closed the gate. */
    const PyGILState_STATE before = PyGILState_Ensure();
    PyThreadState *state = PyEval_SaveThread();
    while (atomic_load(&mlp_gate_closed)) mlp_yield();
    PyEval_RestoreThread(state);
    PyGILState_Release(before);
}

/* Either the thread that enters sees the gate closed, or the one that closes it sees the other
 * inside: both write before they read. */
static inline void mlp_gate_enter(void) {
    for (;;) {
        atomic_fetch_add(&mlp_gate_inside, 1);
        if (!atomic_load(&mlp_gate_closed)) return;
        atomic_fetch_sub(&mlp_gate_inside, 1);
        mlp_gate_wait();
    }
}
static inline void mlp_gate_leave(void) { atomic_fetch_sub(&mlp_gate_inside, 1); }

static inline void mlp_gate_close(void) {
    atomic_fetch_add(&mlp_gate_closed, 1);
    while (atomic_load(&mlp_gate_inside)) mlp_yield();
}
static inline void mlp_gate_open(void) { atomic_fetch_sub(&mlp_gate_closed, 1); }
/* Open the gate in a child, where only the thread that forked goes on, and that is not inside. */
static inline void mlp_gate_reset(void) {
    atomic_store(&mlp_gate_inside, 0);
    atomic_store(&mlp_gate_closed, 0);
}

#endif

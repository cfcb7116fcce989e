/* The threads of a team, started and ended. They are the system's own: Python's `threading` may
 * have been patched, by gevent for example, so that its threads are run by turns in a single
 * one, where waiting at a barrier never ends. All use of POSIX threads is here. */
#ifndef MLP_START_H
#define MLP_START_H

#include "team.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* How many of a team's threads run. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
} mlp_running;

typedef struct {
    pthread_t id;
    mlp_team *team;
    mlp_running *running; /* valid until the thread runs */
    int number;
} mlp_thread;

/* musl and macOS give a thread 128 and 512 KB of stack, glibc 2 to 8 MB. */
enum { MLP_STACK = 1 << 21 };

static inline long mlp_process(void) { return (long)getpid(); }

static void *mlp_thread_main(void *argument) {
    const mlp_thread *thread = argument;
    char name[16];
    snprintf(name, sizeof name, "mlpcore_%d", thread->number);
#if defined(__linux__)
    pthread_setname_np(pthread_self(), name);
#elif defined(__APPLE__)
    pthread_setname_np(name);
#endif
    pthread_mutex_lock(&thread->running->lock);
    thread->running->count++;
    pthread_cond_signal(&thread->running->changed);
    pthread_mutex_unlock(&thread->running->lock);
    mlp_team_serve(thread->team, thread->number);
    return NULL;
}

/* Start a team's threads beside the calling one: as many as the system has, up to the team's
 * capacity; `started` is set to their number. Signals are left to the threads that Python
 * knows, but for those that report a thread's own fault. The caller sleeps until all run: on a
 * loaded machine a new thread would else wait for milliseconds for a processor that the caller
 * keeps busy. */
static inline void mlp_threads_start(mlp_thread *threads, mlp_team *team) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    mlp_running running = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    pthread_attr_t attributes;
    sigset_t blocked, before;
    size_t stack;
    mlp_team_reset(team);
    team->started = 1; /* mutant: count threads that did not start */
    if (team->capacity == 1 || pthread_attr_init(&attributes)) return;
    if (pthread_attr_getstacksize(&attributes, &stack) || stack < MLP_STACK)
        pthread_attr_setstacksize(&attributes, MLP_STACK);
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before); /* mutant: let threads take signals */
    for (int number = 1; number < team->capacity; number++) {
        mlp_thread *thread = &threads[number - 1];
        thread->team = team;
        thread->running = &running;
        thread->number = number;
        if (pthread_create(&thread->id, &attributes, mlp_thread_main, thread)) break;
        team->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&running.lock);
    while (running.count < team->started - 1) pthread_cond_wait(&running.changed, &running.lock);
    pthread_mutex_unlock(&running.lock);
    pthread_cond_destroy(&running.changed);
    pthread_mutex_destroy(&running.lock);
}

/* End the threads, while none works. */
static inline void mlp_threads_end(mlp_thread *threads, mlp_team *team) {
    mlp_team_dismiss(team);
    for (int number = 1; number < team->started; number++)
        pthread_join(threads[number - 1].id, NULL);
}

#endif

/* The threads of a team, started and ended. They are the system's own: Python's `threading` may
 * have been patched, by gevent for example, so that its threads are run by turns in a single
 * one, where waiting at a barrier never ends. */
#ifndef MLP_START_H
#define MLP_START_H

#include "team.h"

/* musl and macOS give a thread 128 and 512 KB of stack, glibc 2 to 8 MB. */
enum { MLP_STACK = 1 << 21 };

#if defined(_WIN32)

#include <process.h>

typedef struct {
    HANDLE id;
    mlp_team *team;
    int number;
} mlp_thread;

static inline long mlp_process(void) { return (long)GetCurrentProcessId(); }

#else

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

typedef struct {
    pthread_t id;
    mlp_team *team;
    int number;
} mlp_thread;

static inline long mlp_process(void) { return (long)getpid(); }

#endif

static inline void mlp_thread_serve(const mlp_thread *thread) {
    atomic_fetch_add(&thread->team->running, 1);
    mlp_wake_all(&thread->team->running);
    mlp_team_serve(thread->team, thread->number);
}

#if defined(_WIN32)

static unsigned __stdcall mlp_thread_main(void *argument) {
    mlp_thread_serve(argument);
    return 0;
}
static inline void mlp_threads_create(mlp_thread *threads, mlp_team *team) {
    for (int number = 1; number < team->capacity; number++) {
        mlp_thread *thread = &threads[number - 1];
        const unsigned flags = STACK_SIZE_PARAM_IS_A_RESERVATION;
        thread->team = team;
        thread->number = number;
        thread->id = (HANDLE)_beginthreadex(NULL, MLP_STACK, mlp_thread_main, thread, flags, NULL);
        if (!thread->id) break;
        team->started++;
    }
}
static inline void mlp_name_thread(const char *name) { (void)name; }
static inline void mlp_thread_join(mlp_thread *thread) {
    WaitForSingleObject(thread->id, INFINITE);
    CloseHandle(thread->id);
}

#else

/* The calling thread's name, of up to 15 bytes. */
static inline void mlp_name_thread(const char *name) {
#if defined(__linux__)
    pthread_setname_np(pthread_self(), name);
#elif defined(__APPLE__)
    pthread_setname_np(name);
#else
    (void)name;
#endif
}

static void *mlp_thread_main(void *argument) {
    char name[16];
    snprintf(name, sizeof name, "mlpcore_%d", ((const mlp_thread *)argument)->number);
    mlp_name_thread(name);
    mlp_thread_serve(argument);
    return NULL;
}

/* Signals are left to the threads that Python knows, but for those that report a thread's own
 * fault. */
static inline void mlp_threads_create(mlp_thread *threads, mlp_team *team) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    pthread_attr_t attributes;
    sigset_t blocked, before;
    size_t stack;
    if (pthread_attr_init(&attributes)) return;
    if (pthread_attr_getstacksize(&attributes, &stack) || stack < MLP_STACK)
        pthread_attr_setstacksize(&attributes, MLP_STACK);
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before); /* mutant: let threads take signals */
    for (int number = 1; number < team->capacity; number++) {
        mlp_thread *thread = &threads[number - 1];
        thread->team = team;
        thread->number = number;
        if (pthread_create(&thread->id, &attributes, mlp_thread_main, thread)) break;
        team->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}
static inline void mlp_thread_join(mlp_thread *thread) { pthread_join(thread->id, NULL); }

#endif

/* Start a team's threads beside the calling one: as many as the system has, up to the team's
 * capacity; `started` is set to their number. The caller sleeps until all run: on a loaded
 * machine a new thread would else wait for milliseconds for a processor that the caller keeps
 * busy. */
static inline void mlp_threads_start(mlp_thread *threads, mlp_team *team) {
    mlp_team_reset(team);
    team->started = 1; /* mutant: count threads that did not start */
    if (team->capacity > 1) mlp_threads_create(threads, team);
    for (unsigned running; (int)(running = atomic_load(&team->running)) < team->started - 1;)
        mlp_sleep_on(&team->running, running, 0);
}

/* End the threads, while none works. */
static inline void mlp_threads_end(mlp_thread *threads, mlp_team *team) {
    mlp_team_dismiss(team);
    for (int number = 1; number < team->started; number++) mlp_thread_join(&threads[number - 1]);
}

#endif

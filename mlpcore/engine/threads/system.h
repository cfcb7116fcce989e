/* What a team of threads needs of the system: to sleep until a number changes, to give a processor
 * away, the time, and memory that starts on a cache line. */
#ifndef MLP_SYSTEM_H
#define MLP_SYSTEM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <malloc.h>
#include <windows.h>
#else
#include <limits.h>
#include <sched.h>
#include <time.h>
#endif
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
/* Not in Apple's headers, but what its C++ library waits with, too. */
int __ulock_wait(uint32_t operation, void *address, uint64_t value, uint32_t microseconds);
int __ulock_wake(uint32_t operation, void *address, uint64_t value);
enum { MLP_COMPARE_AND_WAIT = 1, MLP_WAKE_ALL = 0x100 };
#endif

/* Tell the processor that this thread spins. */
static inline void mlp_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Let other threads of the system use this processor. */
static inline void mlp_yield(void) {
#if defined(_WIN32)
    SwitchToThread();
#else
    sched_yield();
#endif
}

/* Sleep for so many microseconds, below a second; on Windows for as little as it offers. */
static inline void mlp_nap(long microseconds) {
#if defined(_WIN32)
    (void)microseconds;
    Sleep(SwitchToThread() ? 0 : 1);
#else
    nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
#endif
}

/* Seconds since some moment. */
static inline double mlp_clock(void) {
#if defined(_WIN32)
    LARGE_INTEGER now, second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&second);
    return (double)now.QuadPart / (double)second.QuadPart;
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
#endif
}

/* Sleep while a number is `value`, until it is announced that it changed, or for so many
 * microseconds below a second, if not 0. May end earlier. */
static inline void mlp_sleep_on(atomic_uint *number, unsigned value, long microseconds) {
#if defined(__linux__)
    const struct timespec most = {0, microseconds * 1000};
    syscall(SYS_futex, number, FUTEX_WAIT_PRIVATE, value, microseconds ? &most : NULL, NULL, 0);
#elif defined(__APPLE__)
    __ulock_wait(MLP_COMPARE_AND_WAIT, number, value, (uint32_t)microseconds);
#elif defined(_WIN32)
    const DWORD most = microseconds ? (DWORD)(microseconds + 999) / 1000 : INFINITE;
    WaitOnAddress((volatile void *)number, &value, sizeof value, most);
#else
    (void)number, (void)value, (void)microseconds;
    mlp_nap(100);
#endif
}
static inline void mlp_wake_all(atomic_uint *number) {
#if defined(__linux__)
    syscall(SYS_futex, number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#elif defined(__APPLE__)
    __ulock_wake(MLP_COMPARE_AND_WAIT | MLP_WAKE_ALL, number, 0);
#elif defined(_WIN32)
    WakeByAddressAll((void *)number);
#else
    (void)number;
#endif
}

/* Memory on a cache line of its own, and its end. */
static inline void *mlp_allocate(size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
#if defined(_WIN32)
    return _aligned_malloc(bytes, 64);
#else
    return aligned_alloc(64, bytes);
#endif
}
static inline void mlp_release(void *memory) {
#if defined(_WIN32)
    _aligned_free(memory);
#else
    free(memory);
#endif
}

#endif

/* Threads, locks and waiting.
 *
 * Threads started here block every asynchronous signal, so that signals go to the embedding program's own threads
 * (Python handles Ctrl-C on its main thread). Faults (SIGSEGV and the like) stay open: they are delivered to the thread
 * that caused them, and a crash reporter should see them. */
#ifndef PF_PRIM_THREAD_H
#define PF_PRIM_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../include/purefold/status.h"

/* ---- threads ---- */

typedef struct pf_thread {
    pthread_t handle;
} pf_thread;

/* Runs main(arg) on a new thread. name is copied; at most 15 bytes of it are shown by tools. arg has to live until main
 * is done with it. PF_NOMEM, or PF_OS where no thread is to be had; then nothing was started. */
PF_MUST_CHECK pf_status pf_thread_start(pf_thread *thread, const char *name, void (*main)(void *), void *arg);
/* Waits for the end of a started thread, once. What it wrote is visible afterwards. */
void pf_thread_join(pf_thread *thread);

void pf_thread_yield(void); /* gives the rest of the time slice away */

/* One step of a short spin, easy on the sibling hyperthread. */
static inline void pf_thread_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* ---- a lock ---- */

typedef struct pf_mutex {
    pthread_mutex_t lock;
} pf_mutex;

#define PF_MUTEX_INIT {PTHREAD_MUTEX_INITIALIZER}

PF_MUST_CHECK pf_status pf_mutex_init(pf_mutex *mutex); /* for mutexes on the heap; needs a destroy */
void pf_mutex_destroy(pf_mutex *mutex);
void pf_mutex_lock(pf_mutex *mutex);
void pf_mutex_unlock(pf_mutex *mutex);

/* ---- waiting for a condition that lives in other memory ---- */

/* An eventcount: the condition is the caller's own (atomics, or data under a lock); this only puts threads to sleep and
 * wakes them without losing a wake-up in between.
 *
 *     waiter                                            waker
 *     for (;;) {                                        make the condition true
 *         ticket = pf_eventcount_ticket(&ec)            pf_eventcount_wake(&ec)
 *         if (condition) break
 *         pf_eventcount_wait(&ec, ticket, -1)
 *     }
 *
 * A wake after the ticket was taken makes the wait return at once. What the waker wrote before pf_eventcount_wake is
 * visible to whoever sees that wake. Any number of waiters and wakers. */
typedef struct pf_eventcount {
    _Atomic uint32_t epoch;   /* number of wakes so far, modulo 2**32 */
    _Atomic uint32_t waiters; /* threads in or near a sleep; 0 spares the waker the system call */
#if !defined(__linux__)
    pthread_mutex_t lock;
    pthread_cond_t changed;
#endif
} pf_eventcount;

PF_MUST_CHECK pf_status pf_eventcount_init(pf_eventcount *ec);
void pf_eventcount_destroy(pf_eventcount *ec); /* nobody may be waiting */
uint32_t pf_eventcount_ticket(pf_eventcount *ec);
/* Sleeps until a wake that is newer than the ticket; a negative timeout is forever. False when the time ran out. */
bool pf_eventcount_wait(pf_eventcount *ec, uint32_t ticket, int64_t timeout_ns);
void pf_eventcount_wake(pf_eventcount *ec); /* all waiters */

#endif

/* Threads, locks and waiting (thread.h), over pthreads; sleeping is a futex on Linux and a condition variable
 * elsewhere. */
#include "thread.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/mem.h"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* ---- threads ---- */

/* Belongs to the new thread as soon as it exists: the starter's stack may be gone by then. */
typedef struct start {
    void (*main)(void *);
    void *arg;
    char name[16];
} start;

static void *thread_main(void *opaque)
{
    start own = *(start *)opaque;
    pf_mem_free(opaque);
#if defined(__linux__)
    pthread_setname_np(pthread_self(), own.name);
#elif defined(__APPLE__)
    pthread_setname_np(own.name);
#endif
    own.main(own.arg);
    return NULL;
}

/* A new thread inherits the mask of its maker, so it never runs an instruction with signals open. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sigdelset(&blocked, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

pf_status pf_thread_start(pf_thread *thread, const char *name, void (*main)(void *), void *arg)
{
    start *own = pf_mem_alloc(sizeof(*own));
    if (own == NULL) {
        return PF_NOMEM;
    }
    own->main = main;
    own->arg = arg;
    snprintf(own->name, sizeof(own->name), "%s", name);

    sigset_t before;
    block_signals(&before);
    int error = pthread_create(&thread->handle, NULL, thread_main, own);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        pf_mem_free(own);
        return PF_OS;
    }
    return PF_OK;
}

void pf_thread_join(pf_thread *thread)
{
    pthread_join(thread->handle, NULL);
}

void pf_thread_yield(void)
{
    sched_yield();
}

/* ---- a lock ---- */

pf_status pf_mutex_init(pf_mutex *mutex)
{
    return pthread_mutex_init(&mutex->lock, NULL) == 0 ? PF_OK : PF_OS;
}

void pf_mutex_destroy(pf_mutex *mutex)
{
    pthread_mutex_destroy(&mutex->lock);
}

void pf_mutex_lock(pf_mutex *mutex)
{
    pthread_mutex_lock(&mutex->lock);
}

void pf_mutex_unlock(pf_mutex *mutex)
{
    pthread_mutex_unlock(&mutex->lock);
}

/* ---- eventcount ---- */

/* Why no wake-up is lost: the waiter counts itself in, then sleeps only if the epoch is still its ticket; the waker
 * moves the epoch, then looks for waiters. In the one total order of these four steps (all seq_cst), either the
 * waiter's count comes before the waker's look, and it is woken, or the epoch moved before the waiter's check, and it
 * does not sleep. */

uint32_t pf_eventcount_ticket(pf_eventcount *ec)
{
    /* acquire: who sees a wake sees what was written before it */
    return atomic_load_explicit(&ec->epoch, memory_order_acquire);
}

static bool is_over(pf_eventcount *ec, uint32_t ticket)
{
    return pf_eventcount_ticket(ec) != ticket;
}

#if defined(__linux__)

pf_status pf_eventcount_init(pf_eventcount *ec)
{
    atomic_init(&ec->epoch, 0);
    atomic_init(&ec->waiters, 0);
    return PF_OK;
}

void pf_eventcount_destroy(pf_eventcount *ec)
{
    (void)ec;
}

/* Against an absolute deadline, so that signals and spurious returns do not stretch it. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

bool pf_eventcount_wait(pf_eventcount *ec, uint32_t ticket, int64_t timeout_ns)
{
    int64_t until = timeout_ns < 0 ? 0 : pf_clock_ns() + timeout_ns;
    struct timespec deadline = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    atomic_fetch_add_explicit(&ec->waiters, 1, memory_order_seq_cst);
    while (!is_over(ec, ticket) && (timeout_ns < 0 || pf_clock_ns() < until)) {
        futex_wait(&ec->epoch, ticket, timeout_ns < 0 ? NULL : &deadline);
    }
    /* relaxed: a waker that still counts us makes one needless system call */
    atomic_fetch_sub_explicit(&ec->waiters, 1, memory_order_relaxed);
    return is_over(ec, ticket);
}

void pf_eventcount_wake(pf_eventcount *ec)
{
    atomic_fetch_add_explicit(&ec->epoch, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&ec->waiters, memory_order_seq_cst) != 0) {
        syscall(SYS_futex, &ec->epoch, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    }
}

#else /* any POSIX */

pf_status pf_eventcount_init(pf_eventcount *ec)
{
    atomic_init(&ec->epoch, 0);
    atomic_init(&ec->waiters, 0);
    if (pthread_mutex_init(&ec->lock, NULL) != 0) {
        return PF_OS;
    }
    if (pthread_cond_init(&ec->changed, NULL) != 0) {
        pthread_mutex_destroy(&ec->lock);
        return PF_OS;
    }
    return PF_OK;
}

void pf_eventcount_destroy(pf_eventcount *ec)
{
    pthread_cond_destroy(&ec->changed);
    pthread_mutex_destroy(&ec->lock);
}

/* One sleep of at most `left` nanoseconds, on the wall clock: macOS has no monotonic one for conditions. The caller's
 * loop measures the real deadline, so a clock that jumps costs a wake-up and no more. */
static void sleep_once(pf_eventcount *ec, int64_t left)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    int64_t nsec = deadline.tv_nsec + left % 1000000000;
    deadline.tv_sec += (time_t)(left / 1000000000 + nsec / 1000000000);
    deadline.tv_nsec = (long)(nsec % 1000000000);
    pthread_cond_timedwait(&ec->changed, &ec->lock, &deadline);
}

bool pf_eventcount_wait(pf_eventcount *ec, uint32_t ticket, int64_t timeout_ns)
{
    int64_t until = pf_clock_ns() + timeout_ns;
    atomic_fetch_add_explicit(&ec->waiters, 1, memory_order_seq_cst);
    pthread_mutex_lock(&ec->lock);
    while (!is_over(ec, ticket)) {
        int64_t left = until - pf_clock_ns();
        if (timeout_ns < 0) {
            pthread_cond_wait(&ec->changed, &ec->lock);
        } else if (left > 0) {
            sleep_once(ec, left);
        } else {
            break;
        }
    }
    pthread_mutex_unlock(&ec->lock);
    atomic_fetch_sub_explicit(&ec->waiters, 1, memory_order_relaxed);
    return is_over(ec, ticket);
}

void pf_eventcount_wake(pf_eventcount *ec)
{
    atomic_fetch_add_explicit(&ec->epoch, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&ec->waiters, memory_order_seq_cst) != 0) {
        pthread_mutex_lock(&ec->lock); /* between a waiter's check and its sleep nobody gets in */
        pthread_cond_broadcast(&ec->changed);
        pthread_mutex_unlock(&ec->lock);
    }
}

#endif

/* The worker pool (sched.h).
 *
 * The protocol. One lock guards everything but the sleeping itself: the list of jobs on offer, each job's tickets and head
 * count, and who is idle. Work is shared out in portions of some 50 us, so a lock taken once per entry costs nothing that
 * can be measured, and every argument below is a plain one about a critical section.
 *
 *   worker                                   owner
 *   ------                                   -----
 *   lock                                     offer: lock, tickets = n, list it,
 *   a job with tickets? tickets--, inside++         pick n idle workers, unlock, wake those
 *   unlock, work, lock
 *   inside--; the last one out of a job      withdraw: lock, tickets = 0, unlist it,
 *     wakes those who wait in withdraw                 sleep until inside == 0, unlock
 *   nothing on offer? note "idle", take
 *     a sleep ticket, unlock, sleep
 *
 * - A worker enters only under the lock and only with a ticket, so after withdraw's critical section nobody can enter, and
 *   `inside` can only fall. The worker's last touch of a job is `inside--` under the lock: when withdraw has seen
 *   0 under the lock, the job may be freed. What workers wrote is visible through the lock.
 * - No wake-up is lost: a worker takes its sleep ticket (prim/thread.h) while it holds the lock and has seen no offer; an
 *   offer that comes later sees it idle and wakes it after that ticket was taken.
 * - An offer wakes as many idle workers as it has tickets. A woken worker that comes too late, because a busy one finished and
 *   took the ticket, goes back to sleep. Tickets left over are taken by whoever becomes free.
 * - A worker that leaves a job does not come back to it without a new ticket, so a job that has nothing to claim at the
 *   moment (its owner has to merge first) does not keep anybody spinning.
 *
 * Stopping sets a flag that jobs poll, wakes everyone and joins. A quiesce holds its own lock throughout, so that two of them
 * do not join the same thread; offers made meanwhile are ignored, which is allowed, since workers only help. */
#include "sched.h"

#include "../prim/thread.h"

typedef struct worker {
    pf_thread thread;
    pf_eventcount wake;
    bool idle; /* asleep or about to be; cleared by who wakes it */
} worker;

static struct pool {
    pf_mutex lock;
    pf_job *jobs; /* on offer, oldest first */
    worker workers[PF_SCHED_MAX_WORKERS];
    int nworkers;
    pf_eventcount left; /* the last worker left some job */
    bool ready; /* `left` is initialised */
    _Atomic bool stopping;
} pool = {.lock = PF_MUTEX_INIT};

static pf_mutex quiesce_lock = PF_MUTEX_INIT;

/* ---- workers ---- */

/* With the lock held. */
static pf_job *enter_some_job(void)
{
    for (pf_job *job = pool.jobs; job != NULL; job = job->next) {
        if (job->tickets > 0) {
            job->tickets--;
            /* relaxed: written under the lock only; a peek without it decides nothing */
            atomic_fetch_add_explicit(&job->inside, 1, memory_order_relaxed);
            return job;
        }
    }
    return NULL;
}

/* With the lock held. */
static void leave_job(pf_job *job)
{
    /* relaxed: as above */
    if (atomic_fetch_sub_explicit(&job->inside, 1, memory_order_relaxed) == 1) {
        pf_eventcount_wake(&pool.left);
    }
}

bool pf_sched_is_stopping(void)
{
    /* relaxed: a hint; the join is what synchronises */
    return atomic_load_explicit(&pool.stopping, memory_order_relaxed);
}

static void worker_main(void *arg)
{
    worker *self = arg;
    pf_mutex_lock(&pool.lock);
    while (!pf_sched_is_stopping()) {
        pf_job *job = enter_some_job();
        if (job != NULL) {
            pf_mutex_unlock(&pool.lock);
            job->work(job->ctx);
            pf_mutex_lock(&pool.lock);
            leave_job(job);
            continue;
        }
        self->idle = true;
        uint32_t ticket = pf_eventcount_ticket(&self->wake);
        pf_mutex_unlock(&pool.lock);
        pf_eventcount_wait(&self->wake, ticket, -1);
        pf_mutex_lock(&pool.lock);
    }
    pf_mutex_unlock(&pool.lock);
}

/* With the lock held. False when the system grants no more threads. */
static bool start_worker(void)
{
    worker *fresh = &pool.workers[pool.nworkers];
    fresh->idle = false;
    if (pf_eventcount_init(&fresh->wake) != PF_OK) {
        return false;
    }
    if (pf_thread_start(&fresh->thread, "purefold", worker_main, fresh) != PF_OK) {
        pf_eventcount_destroy(&fresh->wake);
        return false;
    }
    pool.nworkers++;
    return true;
}

/* With the lock held: wakes idle workers. New ones are started only up to the greatest number anybody asked for, so that
 * several jobs at once share the workers instead of crowding the CPUs; busy workers come when they are done. */
static void muster(int helpers)
{
    int wanted = helpers;
    for (int i = 0; i < pool.nworkers && wanted > 0; i++) {
        if (pool.workers[i].idle) {
            pool.workers[i].idle = false;
            pf_eventcount_wake(&pool.workers[i].wake);
            wanted--;
        }
    }
    while (wanted > 0 && pool.nworkers < helpers && start_worker()) {
        wanted--;
    }
}

/* With the lock held: what cannot be initialised statically. */
static bool is_ready(void)
{
    pool.ready = pool.ready || pf_eventcount_init(&pool.left) == PF_OK;
    return pool.ready;
}

/* ---- owners ---- */

void pf_sched_offer(pf_job *job, int helpers)
{
    pf_mutex_lock(&pool.lock);
    if (!pf_sched_is_stopping() && is_ready()) {
        if (!job->listed) {
            pf_job **end = &pool.jobs;
            while (*end != NULL) {
                end = &(*end)->next;
            }
            job->next = NULL;
            job->listed = true;
            *end = job;
        }
        job->tickets = helpers;
        muster(helpers < PF_SCHED_MAX_WORKERS ? helpers : PF_SCHED_MAX_WORKERS);
    }
    pf_mutex_unlock(&pool.lock);
}

/* With the lock held. In the child of a fork the list is empty, although the job remembers being on it. */
static void unlist(pf_job *job)
{
    for (pf_job **link = &pool.jobs; *link != NULL; link = &(*link)->next) {
        if (*link == job) {
            *link = job->next;
            break;
        }
    }
    job->listed = false;
    job->tickets = 0;
}

/* Workers are mostly about to leave when a job is withdrawn; a few microseconds of patience save a sleep. */
static void linger(pf_job *job)
{
    enum { STEPS = 64 };
    for (int i = 0; i < STEPS; i++) {
        /* relaxed: only how long to wait depends on it */
        if (atomic_load_explicit(&job->inside, memory_order_relaxed) == 0) {
            return;
        }
        pf_thread_pause();
    }
}

void pf_sched_withdraw(pf_job *job)
{
    if (!job->listed) {
        return; /* only the owner lists and unlists, and only workers that came by the list can be inside */
    }
    pf_mutex_lock(&pool.lock);
    unlist(job);
    pf_mutex_unlock(&pool.lock);
    linger(job);
    pf_mutex_lock(&pool.lock);
    /* relaxed: read under the lock */
    while (atomic_load_explicit(&job->inside, memory_order_relaxed) != 0) {
        uint32_t ticket = pf_eventcount_ticket(&pool.left);
        pf_mutex_unlock(&pool.lock);
        pf_eventcount_wait(&pool.left, ticket, -1);
        pf_mutex_lock(&pool.lock);
    }
    pf_mutex_unlock(&pool.lock);
}

/* ---- the whole pool ---- */

void pf_sched_quiesce(void)
{
    pf_mutex_lock(&quiesce_lock);
    pf_mutex_lock(&pool.lock);
    /* relaxed: under the lock, for those who decide by it */
    atomic_store_explicit(&pool.stopping, true, memory_order_relaxed);
    int count = pool.nworkers;
    for (int i = 0; i < count; i++) {
        pf_eventcount_wake(&pool.workers[i].wake);
    }
    pf_mutex_unlock(&pool.lock);
    for (int i = 0; i < count; i++) {
        pf_thread_join(&pool.workers[i].thread);
        pf_eventcount_destroy(&pool.workers[i].wake);
    }
    pf_mutex_lock(&pool.lock);
    pool.nworkers = 0;
    /* relaxed: as above */
    atomic_store_explicit(&pool.stopping, false, memory_order_relaxed);
    pf_mutex_unlock(&pool.lock);
    pf_mutex_unlock(&quiesce_lock);
}

void pf_sched_after_fork(void)
{
    /* Another thread of the parent may have held a lock: that thread is not here, so its lock is made anew. */
    pool = (struct pool){.lock = PF_MUTEX_INIT};
    quiesce_lock = (pf_mutex)PF_MUTEX_INIT;
}

int pf_sched_workers(void)
{
    pf_mutex_lock(&pool.lock);
    int count = pool.nworkers;
    pf_mutex_unlock(&pool.lock);
    return count;
}

/* Worker threads, shared by the whole process, that help whoever has work to share.
 *
 * A job is a function that several threads may run at once and that shares its work out by itself (claims.h). Who owns a job
 * offers it, works on it too, and withdraws it before looking at the outcome. Workers only help: an offer promises nothing, so
 * an owner must be able to finish alone, and jobs may be offered from inside a job, or from many threads at once.
 *
 * Threads start at the first offer that wants them, block all signals (prim/thread.h) and sleep when nothing is offered.
 *
 * Thread-safety: all functions may be called from any thread; offer and withdraw of one job only by its owner. */
#ifndef PF_SCHED_H
#define PF_SCHED_H

#include <stdatomic.h>
#include <stdbool.h>

enum { PF_SCHED_MAX_WORKERS = 63 };

/* Lives on the heap of its owner, who may free it as soon as it is withdrawn. Zeroed, but for work and ctx. */
typedef struct pf_job {
    /* Returns when there is nothing left to claim, and soon after pf_sched_is_stopping() turned true. */
    void (*work)(void *ctx);
    void *ctx;
    /* the scheduler's own, guarded by its lock; `inside` is peeked at without it */
    struct pf_job *next;
    int tickets;        /* workers that may still enter */
    _Atomic int inside; /* workers within work */
    bool listed;
} pf_job;

/* Asks for up to `helpers` workers to enter the job from now on; wakes or starts them. An earlier offer of the same job that
 * is not used up is replaced, so that offering again means: there is new work. */
void pf_sched_offer(pf_job *job, int helpers);
/* No worker enters any more; returns when none is inside. What they wrote is visible. Cheap where nothing was offered. */
void pf_sched_withdraw(pf_job *job);

bool pf_sched_is_stopping(void);  /* polled by work */
void pf_sched_quiesce(void);      /* stops and joins all workers; later offers start new ones */
void pf_sched_after_fork(void);   /* in the child of a fork, whose workers do not exist; only the forking thread does */
int pf_sched_workers(void);       /* threads that exist */

#endif

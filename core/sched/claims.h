/* Sharing work out: numbers handed to whoever asks first, each exactly once.
 *
 * `next` is the first number nobody has, `end` the bound up to which the owner has made ready what a number stands for.
 * Only the owner moves `end`; anyone may take. Numbers only go up, so a compare-and-swap cannot be fooled. */
#ifndef PF_SCHED_CLAIMS_H
#define PF_SCHED_CLAIMS_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef PF_PLANTED_BUG_ITEM_TAKEN_TWICE
#include "../prim/thread.h"
#endif

typedef struct pf_claims {
    _Atomic int64_t next, end;
} pf_claims;

/* A number that is now the caller's alone, or -1 when there is none at present. */
static inline int64_t pf_claims_take(pf_claims *claims)
{
    /* relaxed: the number itself says nothing about memory; `end` does */
    int64_t mine = atomic_load_explicit(&claims->next, memory_order_relaxed);
    do {
        /* acquire: what the owner made ready before it moved `end` here */
        if (mine >= atomic_load_explicit(&claims->end, memory_order_acquire)) {
            return -1;
        }
#ifdef PF_PLANTED_BUG_ITEM_TAKEN_TWICE
        pf_thread_yield();
        atomic_store_explicit(&claims->next, mine + 1, memory_order_relaxed);
        return mine;
#endif
        /* relaxed: uniqueness needs only the atomicity of this one variable */
    } while (!atomic_compare_exchange_weak_explicit(&claims->next, &mine, mine + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return mine;
}

/* Owner only. */
static inline void pf_claims_open(pf_claims *claims, int64_t end)
{
    /* release: pairs with the acquire in take */
    atomic_store_explicit(&claims->end, end, memory_order_release);
}

/* Anyone: nothing is handed out any more, apart from what a taker in the middle of take still gets. */
static inline void pf_claims_close(pf_claims *claims)
{
    /* relaxed: who has to be sure withdraws the job, which waits for all takers */
    atomic_store_explicit(&claims->end, -1, memory_order_relaxed);
}

#endif

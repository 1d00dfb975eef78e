/* The engine's one door to malloc (mem.h).
 *
 * Behind one door, a test can count what is alive and make the n-th request fail, and so walk through every path
 * that an allocation can break. Both counters are relaxed: they order nothing, they only have to add up. */
#include "mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int64_t fail_countdown = -1; /* requests to let through before the one that fails; negative: off */
static _Atomic int64_t live_blocks;

/* Several threads may pass the first check together; only the one that takes the countdown through 0 fails, and the
 * rest leave it negative, which is off. */
static bool must_fail(void)
{
    return atomic_load_explicit(&fail_countdown, memory_order_relaxed) >= 0 &&
           atomic_fetch_sub_explicit(&fail_countdown, 1, memory_order_relaxed) == 0;
}

static void *counted(void *block)
{
    if (block != NULL) {
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    }
    return block;
}

/* What malloc(0) returns is up to the platform; here NULL always means failure. */
static size_t at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *pf_mem_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(at_least_one(size)));
}

void *pf_mem_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : counted(calloc(at_least_one(count), at_least_one(size)));
}

void *pf_mem_realloc(void *old, size_t size)
{
    if (must_fail()) {
        return NULL;
    }
    if (old == NULL) {
        return counted(malloc(at_least_one(size)));
    }
    return realloc(old, at_least_one(size));
}

void *pf_mem_aligned(size_t size)
{
    if (size > SIZE_MAX - PF_CACHE_LINE || must_fail()) {
        return NULL;
    }
    /* C11 wants the size to be a multiple of the alignment. */
    size_t whole = (at_least_one(size) + PF_CACHE_LINE - 1) / PF_CACHE_LINE * PF_CACHE_LINE;
    return counted(aligned_alloc(PF_CACHE_LINE, whole));
}

void *pf_mem_aligned_realloc(void *old, size_t used, size_t size)
{
    void *grown = pf_mem_aligned(size);
    if (grown != NULL && old != NULL) {
        memcpy(grown, old, used);
        pf_mem_free(old);
    }
    return grown;
}

void pf_mem_free(void *block)
{
    if (block != NULL) {
        atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
        free(block);
    }
}

int64_t pf_mem_fail_after(int64_t n)
{
    return atomic_exchange_explicit(&fail_countdown, n, memory_order_relaxed);
}

int64_t pf_mem_live(void)
{
    return atomic_load_explicit(&live_blocks, memory_order_relaxed);
}

/* All memory of the engine comes from here, so that a test can make every n-th allocation fail.
 *
 * Thread-safety: all functions may be called from any thread. Ownership: what is returned belongs to the caller,
 * who gives it back with pf_mem_free. */
#ifndef PF_BASE_MEM_H
#define PF_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

enum { PF_CACHE_LINE = 64 }; /* bytes, of every CPU that matters; a kernel's widest vector too */

void *pf_mem_alloc(size_t size);                /* uninitialised; NULL when there is none */
void *pf_mem_calloc(size_t count, size_t size); /* zeroed; NULL on overflow of count * size too */
void *pf_mem_realloc(void *old, size_t size);   /* as realloc; old stays valid on NULL */
void *pf_mem_aligned(size_t size);              /* to PF_CACHE_LINE, uninitialised; free with pf_mem_free */
/* As realloc, aligned, for a block of which the first `used` bytes are kept. */
void *pf_mem_aligned_realloc(void *old, size_t used, size_t size);
void pf_mem_free(void *block);                  /* NULL is allowed */

/* Test support: fail the n-th allocation from now on (0: the next one), once; -1 switches it off.
 * Counting is process-wide. Returns how many allocations the last call still had to let through: negative once it has failed. */
int64_t pf_mem_fail_after(int64_t n);
int64_t pf_mem_live(void); /* blocks handed out and not yet freed */

#endif

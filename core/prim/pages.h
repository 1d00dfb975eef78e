/* Pages of memory, as the operating system hands them out. Thread-safe. */
#ifndef PF_PRIM_PAGES_H
#define PF_PRIM_PAGES_H

#include <stddef.h>

/* All of the block is about to be written: where the system can, its whole pages are made at once, for less than one by
 * one costs. A hint: nothing is changed or reported, and any memory that may be written is allowed. */
void pf_pages_populate(void *block, size_t size);

#endif

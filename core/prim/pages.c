#include "pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

void pf_pages_populate(void *block, size_t size)
{
#ifdef MADV_POPULATE_WRITE
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)block + page - 1) / page * page, to = ((uintptr_t)block + size) / page * page;
    if (from < to) {
        (void)madvise((void *)from, to - from, MADV_POPULATE_WRITE); /* EINVAL: a system that does not know it */
    }
#else
    (void)block;
    (void)size;
#endif
}

#include "code.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

void *pf_code_new(const uint8_t *bytes, size_t size)
{
    void *code = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) {
        return NULL;
    }
    memcpy(code, bytes, size);
    if (mprotect(code, size, PROT_READ | PROT_EXEC) != 0) {
        munmap(code, size);
        return NULL;
    }
    __builtin___clear_cache((char *)code, (char *)code + size);
    return code;
}

void pf_code_free(void *code, size_t size)
{
    if (code != NULL) {
        munmap(code, size);
    }
}

bool pf_code_allowed(void)
{
    static _Atomic int decided; /* 1: yes, -1: no */
    /* relaxed: the decision is the whole message, and threads that race decide alike */
    int now = atomic_load_explicit(&decided, memory_order_relaxed);
    if (now == 0) {
        const uint8_t nothing = 0;
        void *code = pf_code_new(&nothing, sizeof nothing);
        pf_code_free(code, sizeof nothing);
        now = code != NULL ? 1 : -1;
        atomic_store_explicit(&decided, now, memory_order_relaxed);
    }
    return now > 0;
}

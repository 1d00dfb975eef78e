/* PyObject_SetArenaAllocator's allocator is one for the whole process, and other interpreters (3.12) read it under GILs
 * of their own, member by member. So what is put there is right with any member of what was there before: its context
 * is the same, only `alloc` is another. */
#include <Python.h>

#include "../core/prim/pages.h"
#include "arenas.h"

static PyObjectArenaAllocator plain;

static void *alloc(void *ctx, size_t size)
{
    void *arena = plain.alloc(ctx, size);
    if (arena != NULL) {
        pf_pages_populate(arena, size);
    }
    return arena;
}

/* Whoever has put an allocator of his own there since the first time keeps it. */
void pf_arenas_begin(void)
{
    PyObjectArenaAllocator now;
    PyObject_GetArenaAllocator(&now);
    if (plain.alloc == NULL) {
        plain = now;
    }
    if (now.alloc == plain.alloc && now.ctx == plain.ctx) {
        now.alloc = alloc;
        PyObject_SetArenaAllocator(&now);
    }
}

void pf_arenas_end(void)
{
    PyObjectArenaAllocator now;
    PyObject_GetArenaAllocator(&now);
    if (now.alloc == alloc) {
        PyObject_SetArenaAllocator(&plain);
    }
}

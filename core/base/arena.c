/* The bump allocator (arena.h).
 *
 *     arena.head -> [ block | used ... | free ] -> [ block | full ] -> NULL
 *
 * Only the newest block has room to give. A request that does not fit opens a block of twice the last size, at most
 * LARGEST; one that is large itself gets a block of its own size. Blocks come zeroed, so allocating is an addition. */
#include "arena.h"

#include <stdint.h>
#include <string.h>

#include "mem.h"

enum { ALIGNMENT = 16, FIRST = 1 << 10, LARGEST = 1 << 16 }; /* bytes */

struct pf_arena_block {
    pf_arena_block *older;
    size_t size; /* bytes behind this header */
    size_t used; /* a multiple of ALIGNMENT; used <= size */
};

_Static_assert(sizeof(pf_arena_block) <= 2 * ALIGNMENT, "the header takes two units");

static unsigned char *bytes_of(pf_arena_block *block)
{
    return (unsigned char *)block + 2 * ALIGNMENT;
}

void pf_arena_init(pf_arena *arena)
{
    arena->head = NULL;
}

void pf_arena_free(pf_arena *arena)
{
    pf_arena_block *block = arena->head;
    while (block != NULL) {
        pf_arena_block *older = block->older;
        pf_mem_free(block);
        block = older;
    }
    arena->head = NULL;
}

static pf_arena_block *open_block(pf_arena *arena, size_t need)
{
    size_t size = arena->head == NULL ? FIRST : arena->head->size * 2;
    if (size > LARGEST) {
        size = LARGEST;
    }
    if (size < need) {
        size = need;
    }
    pf_arena_block *block = pf_mem_calloc(1, size + 2 * ALIGNMENT);
    if (block != NULL) {
        block->size = size;
        block->older = arena->head;
        arena->head = block;
    }
    return block;
}

void *pf_arena_alloc(pf_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t need = (size + (size == 0) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    pf_arena_block *block = arena->head;
    if (block == NULL || block->size - block->used < need) {
        block = open_block(arena, need);
        if (block == NULL) {
            return NULL;
        }
    }
    void *out = bytes_of(block) + block->used;
    block->used += need;
    return out;
}

char *pf_arena_strdup(pf_arena *arena, const char *s)
{
    size_t size = strlen(s) + 1;
    char *copy = pf_arena_alloc(arena, size);
    return copy == NULL ? NULL : memcpy(copy, s, size);
}

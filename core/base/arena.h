/* A bump allocator for things that die together: an IR function, a plan.
 *
 * Not thread-safe: one owner at a time. pf_arena_free releases everything at once. */
#ifndef PF_BASE_ARENA_H
#define PF_BASE_ARENA_H

#include <stddef.h>

typedef struct pf_arena_block pf_arena_block;
typedef struct pf_arena {
    pf_arena_block *head; /* newest block first */
} pf_arena;

void pf_arena_init(pf_arena *arena);
void pf_arena_free(pf_arena *arena);                   /* the arena is empty and usable again */
void *pf_arena_alloc(pf_arena *arena, size_t size);    /* 16-byte aligned, zeroed; NULL when there is no memory */
char *pf_arena_strdup(pf_arena *arena, const char *s); /* NULL when there is no memory */

#endif

/* Nested loops over few rows (loops.h): a table of code objects, each in the one place its address gives it. */
#include "loops.h"

#include "decode.h"

enum { ENTRIES = 1024, FIRST_REST = 16, MOST_REST = 4096, WORTH_ROWS = 128 };

typedef struct entry {
    const PyCodeObject *code; /* compared, never followed */
    bool nested;
    int32_t rest, next_rest;  /* calls */
} entry;

static entry entries[ENTRIES];

static bool has_several_fors(PyCodeObject *code)
{
    pf_code *decoded;
    if (pf_decode(code, &decoded) < 0) {
        PyErr_Clear(); /* no memory to look: it is small, then */
        return false;
    }
    int loops = 0;
    for (int i = 0; i < decoded->n; i++) {
        loops += decoded->instrs[i].op == PF_BC_FOR_ITER;
    }
    pf_decode_free(decoded);
    return loops > 1;
}

static entry *entry_of(PyCodeObject *code)
{
    entry *e = &entries[((uintptr_t)code >> 5) % ENTRIES];
    if (e->code != code) {
        *e = (entry){.code = code, .nested = has_several_fors(code), .next_rest = FIRST_REST};
    }
    return e;
}

bool pf_loops_due(PyCodeObject *code)
{
    const entry *e = entry_of(code);
    return e->nested && e->rest == 0;
}

bool pf_loops_begin(PyCodeObject *code)
{
    entry *e = entry_of(code);
    if (!e->nested || e->rest == 0) {
        return e->nested;
    }
    e->rest--;
    return false;
}

void pf_loops_made(PyCodeObject *code, int64_t rows)
{
    entry *e = entry_of(code);
    if (rows >= WORTH_ROWS) {
        e->next_rest = FIRST_REST;
    } else {
        e->rest = e->next_rest;
        e->next_rest = e->next_rest < MOST_REST ? e->next_rest * 2 : MOST_REST;
    }
}

/* What the loops of generator expressions make of rows (loops.h): a table of code objects, each in the one place its address gives it. */
#include "loops.h"

#include "decode.h"

enum { ENTRIES = 1024, FIRST_REST = 16, MOST_REST = 4096, WORTH_ROWS = 128 };

typedef struct entry {
    const PyCodeObject *code; /* compared, never followed */
    bool nested;
    bool steady;              /* one item for each row */
    int32_t rest, next_rest;  /* calls */
} entry;

static entry entries[ENTRIES];

static entry look_at(PyCodeObject *code)
{
    entry e = {.code = code, .next_rest = FIRST_REST};
    pf_code *decoded;
    if (pf_decode(code, &decoded) < 0) {
        PyErr_Clear(); /* no memory to look: it is small, then */
        return e;
    }
    int loops = 0, yields = 0, branches = 0;
    for (int i = 0; i < decoded->n; i++) {
        int op = decoded->instrs[i].op;
        loops += op == PF_BC_FOR_ITER;
        yields += op == PF_BC_YIELD_VALUE;
        branches += op == PF_BC_POP_JUMP_IF_FALSE || op == PF_BC_POP_JUMP_IF_NONE;
    }
    pf_decode_free(decoded);
    e.nested = loops > 1;
    e.steady = loops == 1 && yields == 1 && branches == 0;
    return e;
}

static entry *entry_of(PyCodeObject *code)
{
    entry *e = &entries[((uintptr_t)code >> 5) % ENTRIES];
    if (e->code != code) {
        *e = look_at(code);
    }
    return e;
}

bool pf_loops_steady(PyCodeObject *code) { return entry_of(code)->steady; }

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

/* What generator expressions make of a row: an item, none, or a lot of work, where they have several `for`s.
 *
 * A call over fewer than 16 rows is not worth reading, as a rule (chain.h, pf_chain_glance). `x * y for x in range(3) for y in
 * range(10**6)` is. What is known of a code object is remembered, by its address: should another take its place, only time is lost.
 * Calls that turn out to be small after all rest, as many at a time as it takes for them to cost nothing. Needs the GIL. */
#ifndef PF_EXT_LOOPS_H
#define PF_EXT_LOOPS_H

#include "chain.h"

typedef struct pf_loop {
    const PyCodeObject *code; /* compared, never followed */
    Py_hash_t lines;          /* of the line table it had */
    bool genexpr;             /* what follows says something */
    bool nested;              /* several `for`s */
    bool steady;              /* one item for each row: one `for`, and no way past its yield */
    uint8_t passed;           /* searches in a row whose first row did not decide */
    int32_t near;             /* searches in a row that ended near their beginning */
    int32_t rest, next_rest;  /* calls */
} pf_loop;

/* Each code object has a place for two, the one met last first. */
enum { PF_LOOP_PLACES = 512 };
extern pf_loop pf_loops[PF_LOOP_PLACES][2];

pf_loop *pf_loop_find(PyCodeObject *code);

static inline pf_loop *pf_loop_of(PyCodeObject *code)
{
    pf_loop *place = pf_loops[((uintptr_t)code >> 5) % PF_LOOP_PLACES];
    return place->code == code ? place : pf_loop_find(code);
}

/* Of what stands on top of a chain, as far as Python code decides what it gives: a generator's code or a function's. NULL: none. */
PyCodeObject *pf_loop_code(PyObject *iterator);

/* Does it give one item for each row? Has it several `for`s? Certain, even where another code object has taken the
 * address. */
bool pf_loops_steady(PyCodeObject *code);
bool pf_loops_nested(PyCodeObject *code);
/* Whether it has several `for`s and is not resting, at the beginning of a call: where it rests, it has rested for one
 * call more. */
static inline bool pf_loop_begins(pf_loop *loop)
{
    if (!loop->nested || loop->rest == 0) {
        return loop->nested;
    }
    loop->rest--;
    return false;
}
/* How many rows a call over few rows came to that ran natively because of it. */
void pf_loops_made(PyCodeObject *code, int64_t rows);

/* ---- searches: any, all and next, and what an islice cuts off ----
 *
 * Where they end near their beginning, CPython is there before a plan is found. Nobody knows beforehand, so the last ones are asked,
 * and never more rows are staked than those have earned. */

/* Whether a search among so many rows had better be CPython's. */
static inline bool pf_loop_is_near(const pf_loop *loop, int64_t rows)
{
    enum { ENOUGH = 2, EARNED = 32 };
    return loop->near >= ENOUGH && rows <= (int64_t)loop->near * EARNED && !loop->nested;
}

/* Whether CPython is to try the first row, which is at hand. */
static inline bool pf_loop_tries_first(const pf_loop *loop)
{
    enum { ENOUGH = 4, SELDOM = 16 };
    return loop->passed < ENOUGH || loop->passed % SELDOM == 0;
}

/* How a search by this code, which may be gone, has ended: `before` rows were left before and `left` are now, INT64_MAX: who knows. */
void pf_loop_ended(const PyCodeObject *code, int64_t before, int64_t left);

#endif

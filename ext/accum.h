/* The accumulator of a reduce or fold whose function is not called: `part op e` for each part, over columns of e (pf_step).
 *
 * It is an object, as the function would have got or made it, or a state of machine numbers, and goes from one to the other as
 * rows come from CPython or in pieces. Ints are exact whatever their size: an int part is an object and what has been put
 * together since (`object op by`), since exact ints associate. Floats are added one by one, in order (core/run/fsum.h), or
 * compared one by one. A piece is taken as a whole or not at all.
 *
 * Needs the GIL. Runs no code of others: all operands are exact builtin numbers. */
#ifndef PF_ACCUM_H
#define PF_ACCUM_H

#include "plan.h"

typedef enum pf_part_kind {
    PF_PART_OBJECT, /* object, which no op touches */
    PF_PART_INT,    /* ADD...XOR: object op by; `by` alone where object is NULL */
    PF_PART_FLOAT,  /* ADD: f */
    PF_PART_LEAST_INT, /* KEEP_LT...: i */
    PF_PART_LEAST_FLOAT /* KEEP_LT...: f */
} pf_part_kind;

typedef struct pf_part {
    uint8_t kind;     /* pf_part_kind */
    PyObject *object; /* owned; but for INT: what the value is as an object, NULL: to be made */
    __int128 by;
    int64_t i;
    double f;
} pf_part;

typedef struct pf_accum {
    PyObject *object; /* owned; NULL: nothing yet, or the parts have it */
    bool in_parts;
    pf_step step; /* in_parts: a copy, since the plan may be gone when the result is asked for */
    pf_part parts[PF_MAX_PARTS];
} pf_accum; /* all zeros: nothing yet */

static inline bool pf_accum_is_empty(const pf_accum *acc) { return acc->object == NULL && !acc->in_parts; }

/* The accumulator is this object now. Takes the reference over. */
void pf_accum_set(pf_accum *acc, PyObject *object);
/* As an object, borrowed; NULL: empty, or with an exception. */
PyObject *pf_accum_object(pf_accum *acc);
/* Puts a piece on top. Empty, it begins with the piece's first row (pf_step.row_first). False: what it is now is nothing that can go
 * on in numbers, and it has been left as it was; an exception may be set. *guess (may be NULL): as pf_fsum_apply. */
bool pf_accum_piece(pf_accum *acc, const pf_step *step, pf_sink_kind sink, const pf_piece *piece, int *guess);
void pf_accum_clear(pf_accum *acc);

#endif

/* The oracle: a row program run one row and one op at a time, obvious and slow.
 *
 * What each op means is written here once, as CPython means it; rules fold constants with it, tests hold the rules and
 * the vector tier to it, and a debug hook of the binding shows it. Nothing else runs rows through it.
 *
 * Thread-safety: pure functions of their arguments. */
#ifndef PF_IR_EVAL_H
#define PF_IR_EVAL_H

#include "../column/vec.h"
#include "ir.h"

/* One op on operands of the kinds it takes (no terminators, no values of the whole function; inst gives op, kinds and
 * immediate). Returns 0 and *out, or the reason (PF_BAIL_*) for which the row leaves native code. str_view is needed
 * for str alone. */
int pf_eval_op(const pf_inst *inst, const pf_scalar operands[3], pf_str_view_fn str_view, pf_scalar *out);

typedef struct pf_eval_in {
    const pf_scalar *columns; /* one per pf_fn.columns; kinds outside the declared ones bail where the column is read */
    const pf_scalar *params;
    const uint64_t *strings; /* handle of each pf_fn.strings */
    pf_str_view_fn str_view; /* NULL when the program has no str */
    int64_t row;
    int64_t *counts; /* one per pf_fn.ncounters, counted on */
} pf_eval_in;

typedef struct pf_eval_out {
    uint8_t how;    /* PF_OP_yield, PF_OP_end, PF_OP_stop or PF_OP_bail */
    uint8_t op;     /* bail: pf_op that bailed */
    uint8_t reason; /* bail: PF_BAIL_* */
    uint16_t place; /* bail: its place */
} pf_eval_out;

/* Runs one row of a finished function. values has room for fn->noutputs scalars, which a yield fills. PF_NOMEM. */
PF_MUST_CHECK pf_status pf_eval_row(const pf_fn *fn, const pf_eval_in *in, pf_scalar *values, pf_eval_out *out);

/* exact.c: the same row in ints of any size that 128 bits can follow. Output i, if an int, is high[i] * 2**64 plus
 * values[i] read unsigned. A bail for OVERFLOW says that the row is not known; for any other reason, that CPython's own
 * answer is an exception or another type. For tests, as the judge of results that pf_eval_row leaves to CPython. */
PF_MUST_CHECK pf_status pf_eval_exact(const pf_fn *fn, const pf_eval_in *in, pf_scalar *values, int64_t *high, pf_eval_out *out);

#endif

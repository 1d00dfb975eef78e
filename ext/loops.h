/* What generator expressions make of a row: an item, none, or a lot of work, where they have several `for`s.
 *
 * A call over fewer than 16 rows is not worth reading, as a rule (chain.h, pf_chain_is_short). `x * y for x in range(3) for y in
 * range(10**6)` is. What is known of a code object is remembered, by its address: should another take its place, only time is lost.
 * Calls that turn out to be small after all rest, as many at a time as it takes for them to cost nothing. Needs the GIL. */
#ifndef PF_EXT_LOOPS_H
#define PF_EXT_LOOPS_H

#include "chain.h"

/* Whether it gives one item for each row: one `for`, and no way past its yield. */
bool pf_loops_steady(PyCodeObject *code);
/* Whether the generator expression of this code has several `for`s, and is not resting. */
bool pf_loops_due(PyCodeObject *code);
/* The same, at the beginning of a call: where it rests, it has rested for one call more. */
bool pf_loops_begin(PyCodeObject *code);
/* How many rows a call over few rows came to that ran natively because of it. */
void pf_loops_made(PyCodeObject *code, int64_t rows);

#endif

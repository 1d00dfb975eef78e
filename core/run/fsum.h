/* Float sums, bit-identical to adding left to right, yet computed in blocks.
 *
 * While the running sum stays inside one binade, adding x equals adding x rounded to that binade's ulp, ties apart.
 * So workers sum blocks for a guessed binade exactly, in any order, and an in-order merge verifies guess, ties and
 * bounds, or adds that block's values one by one. Two flavours: PLAIN (CPython up to 3.11) and NEUMAIER
 * (compensated, from 3.12). State and result are exactly those of the serial loop.
 *
 * Thread-safety: a pf_fsum belongs to its caller; pf_fblocks_compute is pure. */
#ifndef PF_FSUM_H
#define PF_FSUM_H

#include <purefold/status.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum pf_fsum_flavour { PF_FSUM_PLAIN, PF_FSUM_NEUMAIER } pf_fsum_flavour;

typedef struct pf_fsum {
    double sum, c;
    pf_fsum_flavour flavour;
} pf_fsum;

enum { PF_FBLOCK = 1024, PF_FSUM_NO_GUESS = -9999 };

typedef struct pf_fblock {
    double positive, negative, error; /* sums of the rounded positive and negative parts, and of what rounding left */
    int guess;                        /* binade they were rounded for */
    bool ok, ok_c;
} pf_fblock;

/* Whether it can be applied at all, to a sum in its binade. */
static inline bool pf_fblock_is_sound(const pf_fblock *block, int flavour)
{
    return block->ok && (flavour == PF_FSUM_PLAIN || block->ok_c);
}

typedef struct pf_fblocks {
    const pf_fblock *blocks; /* one per full PF_FBLOCK values; the rest is added serially */
    int64_t nblocks;
} pf_fblocks;

/* PF_FBLOCK values, which are written to `copy` on the way unless that is NULL. */
void pf_fblock_compute(const double *x, double *copy, int guess, pf_fsum_flavour flavour, pf_fblock *out);
/* Adds n values; blocks may be NULL. *guess (may be NULL) gets the binade to guess next. */
void pf_fsum_apply(pf_fsum *state, const double *x, int64_t n, const pf_fblocks *blocks, int *guess);
/* Whether all these blocks can be applied one after the other: then pf_fsum_apply with them asks for no value of
 * theirs. */
bool pf_fsum_takes(const pf_fsum *state, const pf_fblocks *blocks);
/* Whether a sum that was `before` a piece ago is likely to stay in its binade for the pieces to come. */
bool pf_fsum_is_steady(const pf_fsum *state, double before);
int pf_fsum_guess(const pf_fsum *state); /* PF_FSUM_NO_GUESS when no block can be applied */
double pf_fsum_result(const pf_fsum *state); /* with the compensation added as CPython adds it */

#endif

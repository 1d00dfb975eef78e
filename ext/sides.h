/* Sides: what a map or zip of several pulls, where it drops rows.
 *
 *     map(f, (x for x in a if p(x)), b)         its item k is made of a's k-th item that passes and of b's k-th item
 *
 * Rows of such a chain cannot be numbered by the items of its leaves. So the side, here the generator expression, is
 * run natively by itself, as list() would, a few thousand items ahead; what it gives becomes a container, and the chain
 * over that container is an ordinary one, `pf_sides.chain`, whose plan runs as any other. Where each item came from is
 * kept for the feeder, which hands rows to the real chain and settles it (pf_feed_side).
 *
 * What has been computed ahead holds as long as no other code runs. So a run ends with it, and when anything has to be
 * CPython's: the next one begins with new sides. Up to a row that failed in a side everything is known, then CPython
 * computes one item.
 *
 * A side may have sides itself, and where a step in it counts what was not dropped, enumerate(x for x in a if p(x)),
 * what the step counts is one too. Those run first.
 *
 * All functions need the GIL; none runs code of others. */
#ifndef PF_SIDES_H
#define PF_SIDES_H

#include "feed.h"
#include "gather.h"

typedef struct pf_side pf_side;

typedef struct pf_sides {
    int n;
    pf_side *list;                   /* owned */
    pf_feed_side feed[PF_MAX_SIDES]; /* what the feed has to know; each before those within it */
    pf_chain chain;                  /* with a leaf in place of each */
    int real[PF_MAX_NODES];          /* numbers of its nodes in the chain that was read */
} pf_sides;

/* Looks for sides, and marks them (pf_node.side). *out: new, or NULL: there are none. 0, or the reason why rows of this
 * chain cannot be numbered. */
int pf_sides_find(pf_chain *chain, pf_sides **out);
/* How many rows the leaves that are in no side allow for. */
int64_t pf_sides_most(const pf_chain *chain);
/* Runs them until each has so many items, or has ended, or needs CPython for its next one; then sides->chain is
 * complete. 0, or the reason why they do not run; -1 with an exception. depth: how many Python frames may still be
 * entered. forced: plans that rest are run all the same. */
int pf_sides_run(pf_sides *sides, const pf_chain *chain, int64_t wanted, int depth, bool forced, pf_refusal *refusal);
/* Whether it was worth it; if not, their plans rest for some calls. */
void pf_sides_judge(const pf_sides *sides, bool worth);
/* Is CPython to compute the next item, if `rows` items of each side are done with, before there can be more? */
bool pf_sides_wait(const pf_sides *sides, int64_t rows);
/* How many items of its leaves a side is spared: the one that most is known of, or where there is no row, the first
 * that has no item. */
int64_t pf_sides_gain(const pf_sides *sides, int64_t rows);
const pf_pyplan *pf_sides_plan(const pf_sides *sides, int side); /* once they have been run; borrowed */
void pf_sides_free(pf_sides *sides);                             /* NULL allowed; may run code */

#endif

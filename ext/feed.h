/* The feeder: the iterator of ours that stands at the bottom of a chain while it runs natively (docs/architecture.md).
 *
 * pf_feed_attach takes the real leaves out of their holders (a generator frame's slot, a map's tuple, a zip's tuple, an islice...)
 * and puts feeders there; pf_feed_detach puts them back. While attached, a pull by the chain calls ops->next_row, which runs
 * natively until the real chain has to see a row, the rows end, or native running is given up.
 *
 * Before a row is handed over, every stateful step (enumerate's index, islice's counters) is set to what it would be had the
 * chain itself taken all rows before. Pulls from another thread, and all pulls once transparent, go to the real leaves.
 * Needs the GIL. Nothing here decides what runs natively. */
#ifndef PF_FEED_H
#define PF_FEED_H

#include "chain.h"

typedef enum pf_feed_answer {
    PF_FEED_ROW,         /* *row is to be computed by the chain */
    PF_FEED_TRANSPARENT, /* from row *row on, CPython goes on alone (also at the end: *row is then the number of rows) */
    PF_FEED_LAST_ROW,    /* *row is to be computed by the chain, and whatever comes after it is CPython's too */
    PF_FEED_ERROR        /* a Python error is set; leaves are settled at *row */
} pf_feed_answer;

typedef struct pf_feed_ops {
    pf_feed_answer (*next_row)(void *ctx, int64_t *row);
    void *ctx;
} pf_feed_ops;

typedef struct pf_feed pf_feed;

/* root: the outermost iterator (may itself be a leaf). Returns NULL with an error set on memory trouble. The feed keeps what it
 * needs alive. */
pf_feed *pf_feed_attach(PyObject *root, const pf_chain *chain, const pf_feed_ops *ops);
/* The iterator the consumer pulls from: the root, or the feeder itself where the root is a leaf. Borrowed. */
PyObject *pf_feed_root(pf_feed *feed);
/* Puts real leaves back where they belong, at their rows; also after an error (keeps a set exception). Frees the feed. */
void pf_feed_detach(pf_feed *feed);
/* Real leaves back in place at `row`, so that user code (a signal handler) sees true iterators; attach again with resume. */
int pf_feed_suspend(pf_feed *feed, int64_t row);
int pf_feed_resume(pf_feed *feed);

#endif

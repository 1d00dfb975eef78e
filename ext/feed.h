/* The feeder: the iterator of ours that stands at the bottom of a chain while it runs natively (docs/architecture.md).
 *
 * pf_feed_attach takes the real leaves out of their holders (a generator frame's slot, a map's tuple, a zip's tuple, an islice...)
 * and puts feeders there; pf_feed_detach puts them back. While attached, a pull by the chain calls ops->next_row, which runs
 * natively until the real chain has to see a row, the rows end, or native running is given up.
 *
 * Before a row is handed over, every stateful step (enumerate's index, islice's counters) is set to what it would be had the
 * chain itself taken all rows before. Pulls from another thread, and all pulls once transparent, go to the real leaves.
 * Rows are counted in items of the leaves since the chain was read: row r is item r of every leaf (of all segments of an itertools
 * chain together; of an islice over a leaf, what the islice gives). Another islice(it, start, stop, step) gives its input's items number next - cnt + k * step, as long as
 * cnt + number < stop; where it stands over leaves, zip, enumerate and chain only, the rows in between may be named or not, as
 * the engine likes: they are taken by the islice when it is pulled next. Rows from pf_feed_limit on must not be named, but as the
 * first that is CPython's again. A step with a counter (pf_node.counter) stands over dropped rows: how many items it has
 * been given, only the engine can tell (pf_feed_counts). None of these limits holds as long as every row from 0 on is answered
 * with PF_FEED_ROW: then CPython keeps its own counts, and rows are those of the first leaf.
 *
 * Needs the GIL. Nothing here decides what runs natively. */
#ifndef PF_FEED_H
#define PF_FEED_H

#include "chain.h"

typedef enum pf_feed_answer {
    PF_FEED_ROW,         /* *row is to be computed by the chain */
    PF_FEED_TRANSPARENT, /* from row *row on, CPython goes on alone (also at the end: *row is then the number of rows) */
    PF_FEED_LAST_ROW,    /* *row is to be computed by the chain, and whatever comes after it is CPython's too. For the feeder the
                          * same as TRANSPARENT: from this row on the real leaves answer */
    PF_FEED_ERROR        /* a Python error is set; leaves are settled at *row */
} pf_feed_answer;

/* A child, of a map or zip of several, that drops rows and was computed before the feed was attached (sides.h): its
 * item number k, the one of row k, comes of item rows[k] of its own leaves. */
typedef struct pf_feed_side {
    int node, end;       /* pf_node.side; it and all below it: [node, end) */
    const int64_t *rows; /* borrowed, as long as the feed lives */
    int64_t n;           /* items known */
    int64_t decided;     /* so many items of its leaves give these, or nothing */
} pf_feed_side;          /* of a side with sides within it, items of those are meant where they stand for leaves */

typedef struct pf_feed_ops {
    /* *row: on entry, all rows before it are done. single: this very row is to be named, or the end. */
    pf_feed_answer (*next_row)(void *ctx, int64_t *row, bool single);
    void *ctx;
    /* block > 0: going on alone, CPython gets its rows in blocks of so many. The items of a block are taken from the
     * first leaf (or zip... of leaves) before any of its rows is computed. When they are used up `close` is asked: all
     * rows before `row` are done. False: no row of the next block is to be computed, and the chain is told that its
     * leaves have ended. Where the chain ends or raises on its own, the rest of the block is taken as well. */
    int64_t block;
    bool (*close)(void *ctx, int64_t row);
    const pf_feed_side *sides; /* each before those within it. Where there are some, no row but the last is named */
    int nsides;
} pf_feed_ops;

typedef struct pf_feed pf_feed;

int pf_feed_init(void); /* at module exec; -1 with an error set */

/* How many of the first `rows` rows may be computed beside the chain, its islices considered: the last row that one takes is the
 * chain's own, since an islice ends behind it without another pull. Of islices with a counter nothing is known here; while there is
 * no plan yet (planned false), neither of those that may get one. -1: some islice ends before it takes anything. */
int64_t pf_feed_limit(const pf_chain *chain, int64_t rows, bool planned);

/* root: the outermost iterator (may itself be a leaf). Returns NULL with an error set on memory trouble. The feed keeps what it
 * needs alive. */
pf_feed *pf_feed_attach(PyObject *root, const pf_chain *chain, const pf_feed_ops *ops);
/* The next item of the chain: a pull of the root, or of the feeder itself where the root is a leaf. NULL at the end, or
 * with an exception (StopIteration included). New reference.
 * NULL and *over: the rows are all done and the feed is transparent, but no pull is in progress. What has ended is a
 * segment of some itertools.chain, which has left it and goes on to others, or what was known of the sides. */
PyObject *pf_feed_pull(pf_feed *feed, bool *over);
bool pf_feed_is_transparent(const pf_feed *feed);
/* Settled or transparent: has anything been taken since it was attached? */
bool pf_feed_has_moved(const pf_feed *feed);
/* One number per counter of the plan: how many items the step with that counter has been given. True when next_row is called;
 * next_row, and whoever suspends, sets them to what they are before the row it names. */
int64_t *pf_feed_counts(pf_feed *feed);
/* Puts real leaves back where they belong, at their rows; also after an error (keeps a set exception). Frees the feed. */
void pf_feed_detach(pf_feed *feed);
/* From inside of next_row. Real leaves back in place at `row`, so that user code (a signal handler) and other threads see true
 * iterators. Always 0. */
int pf_feed_suspend(pf_feed *feed, int64_t row);
/* Feeders in place again. 1: somebody has moved an iterator meanwhile, so the feed is transparent from here on: return
 * PF_FEED_TRANSPARENT from next_row at once (*row does not matter), or PF_FEED_ERROR. Else 0. After an error in
 * user code it need not be called: return PF_FEED_ERROR. */
int pf_feed_resume(pf_feed *feed);

#endif

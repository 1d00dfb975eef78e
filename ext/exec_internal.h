/* What the files of one call share.
 *
 *   exec_runs.c    all runs of a call
 *   exec.c         whether there is to be a run, and how it is set up
 *   exec_sides.c   what is run before it, where its rows are made of what other chains give
 *   exec_rows.c    answers the feeder while it goes on */
#ifndef PF_EXEC_INTERNAL_H
#define PF_EXEC_INTERNAL_H

#include "config.h"
#include "exec.h"
#include "feed.h"
#include "gather.h"
#include "later.h"
#include "replay.h"
#include "sides.h"
#include "turns.h"

enum { PF_MAX_STRUNG = 4, PF_EXEC_MORE = PF_SINK_MORE, PF_LOOK_FIRST = -1 };
enum { PF_LEAST_ROWS = 64 }; /* fewer rows of a run with sides were not worth it */

typedef struct pf_exec {
    pf_chain chain;
    pf_request request;
    pf_pyplan *plan;
    pf_run *run;
    pf_feed *feed;
    pf_sink *sink;
    pf_gather gather;
    pf_scalar params[PF_MAX_PARAMS], again[PF_MAX_PARAMS];
    pf_table *tables[PF_MAX_TABLES]; /* owned: what the params refer to */
    int ntables;
    Py_ssize_t searched; /* items compared whenever the watches are walked */
    pf_report *report;
    int64_t rows, failed;
    const pf_plan *core;   /* the plan's own form, or the strided one */
    pf_stride_rows stride; /* row i of the run is row first_row + i * row_step of the source */
    bool strided;
    pf_later later;
    bool collector; /* it has been switched off, and is to be on again */
    pf_proof proof; /* of all ways through the chain's functions */
    enum { PF_TURNS_UNKNOWN, PF_TURNS_TOLD, PF_TURNS_UNTOLD } telling; /* pf_turns_tell, since the last window */
    uint64_t turns;                                                    /* when the chain was last given a row */
    int64_t redo;   /* row that absorb could not take and CPython is to do, or -1 */
    bool gave_up;
    bool unproved; /* it gave up since so few rows were left: no reason to rest */
    bool forced;   /* rows are few for testing's sake */
    int64_t hand; /* row of the run from which on the sink wants objects, or -1 */
    int64_t handing,
        hand_end; /* handing >= 0: rows of the run from here on go to the chain, until the sink has its object */
    int64_t handed;
    int hands;
    struct {
        PyObject *chain; /* owned */
        Py_ssize_t past; /* it has moved on when its source stands beyond this */
    } strung[PF_MAX_STRUNG];
    int nstrung;          /* itertools.chains in the chain that have segments to come */
    bool sided;           /* the chain has sides */
    pf_sides *sides;      /* owned, NULL: none, or the run is over */
    const pf_chain *seen; /* the chain as the plan sees it: `chain`, or that of the sides */
    int64_t wanted;       /* items of each side; 0: none yet, and CPython has not looked first */
    int64_t got_over;     /* rows of the run before */
    int64_t
        plainly;  /* so many items are CPython's before it is worth while to try again; PF_LOOK_FIRST: up to a time */
    int64_t done; /* rows of the last run that it has got over with */
    bool cut;     /* it ended because a row, or an item of a side, was CPython's */
    int64_t turn; /* when others had theirs, 0: they were not asked yet */
    bool unread;           /* the chain could not be read */
    bool reported;         /* the report is to have the plan */
    struct pf_exec *spare; /* free list */
} pf_exec;

/* ---- exec.c ---- */

/* Everything up to the end of a run. 1: the consumer is done, -1: exception, 0: refused, the report says why;
 * PF_EXEC_MORE: it is not, some itertools.chain has moved on to segments that were not read. */
int pf_exec_try(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator);
/* What pulling has come to once there is no item: 1 done, or -1 with an exception. */
int pf_exec_ended(pf_exec *ex);

int pf_exec_depth_left(void); /* frames that may still be entered before RecursionError */

/* ---- exec_sides.c ---- */

/* Runs the sides; from here on rows are numbered by what they give. 1, or 0: refused, -1: exception. */
int pf_exec_run_sides(pf_exec *ex, const pf_settings *settings);
bool pf_exec_may_end_soon(const pf_exec *ex); /* after a few rows, whatever follows */

/* ---- exec_runs.c ---- */

/* All runs of a call. As pf_exec_try; not PF_EXEC_MORE. */
int pf_exec_runs(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator);
/* Notes which itertools.chains ex->chain has that go on, be it read or not. */
void pf_exec_note_segments(pf_exec *ex);
bool pf_exec_moved_on(const pf_exec *ex); /* one of them has */

/* ---- exec_rows.c ---- */

int pf_exec_make_run(pf_exec *ex, const pf_settings *settings); /* 0, or -1: no memory. No exception is set */
/* pf_feed_ops.next_row, with a pf_exec for its context. */
pf_feed_answer pf_exec_next_row(void *ctx, int64_t *row, bool single);
/* pf_feed_ops.close, for a sink that takes blocks. */
bool pf_exec_close(void *ctx, int64_t row);
/* An object that the chain gave: 0 go on, 1 the consumer is done, -1 with an exception. */
int pf_exec_take(pf_exec *ex, PyObject *item);
static inline bool pf_exec_may_go_on(const pf_exec *ex)
{
    return ex->nstrung > 0 || ex->sided;
}
/* Native running is over, until the next run at least. */
void pf_exec_calm(pf_exec *ex);
bool pf_exec_calls(const pf_exec *ex);       /* the sink runs Python code for each output */
int64_t pf_exec_rows(const pf_exec *ex);     /* of the run */
bool pf_exec_fails_too_often(const pf_exec *ex, int64_t rows); /* of so many rows that have been tried */
int64_t pf_exec_frontier(const pf_exec *ex); /* source rows before it are merged or were handed out */

#endif

/* What has to outlive a window, and what has to wait for its end.
 *
 * Pins. Results computed beyond a failed row name objects by address only: the source's container keeps them alive.
 * While that row goes through CPython, threads, signal handlers and finalizers may empty the container, so before it
 * goes, every object that is named is held.
 *
 * Waiting outputs. A consumer that calls Python code (reduce, fold) cannot do so in the middle of a window: the code
 * may let other threads run, while workers read memory that only the GIL protects. Its outputs are boxed at once and
 * queued; the calls are made when no worker is in flight. An exception out of such a call is kept and raised when the
 * chain has given the same row as an object, for that is where CPython would have made the call.
 *
 * A fold's outputs wait until all rows of their block are there, those that CPython computed among them: only then are
 * the calls made (docs/fold.md). An exception is kept until no row of the block is to come, for a row's own goes first.
 *
 * All functions need the GIL. */
#ifndef PF_LATER_H
#define PF_LATER_H

#include "sink.h"

typedef struct pf_later {
    PyObject **pins; /* owned */
    int64_t npins, pin_room;
    struct pf_waiting {
        PyObject *item; /* owned */
        int64_t row;    /* of the run */
    } *waiting;
    int64_t nwaiting, waiting_room;
    PyObject *error, *value, *traceback; /* owned; error NULL: none */
    int64_t error_end;                   /* fold: where the block of the call that raised ends */
    int64_t before; /* with an error: outputs of its row that the sink has taken before */
} pf_later; /* all zeros: empty */

/* Holds what the run's results beyond its frontier name. On PF_NOMEM some are not held. */
PF_MUST_CHECK pf_status pf_later_pin(pf_later *later, pf_run *run);
void pf_later_unpin(pf_later *later); /* may run code */

/* Queues a piece's outputs. 0, or -1, perhaps with an exception: outputs from row *row on are not queued, those before are. */
int pf_later_queue(pf_later *later, const pf_pyplan *plan, const pf_piece *piece, int64_t *row);
/* Gives the sink what is queued. -1, or the source row whose call raised; the exception is kept then and the rest of the
 * queue dropped. `source_row` makes source rows of the run's rows. */
int64_t pf_later_call(pf_later *later, pf_sink *sink, int64_t (*source_row)(const void *ctx, int64_t row), const void *ctx);
/* The chain gives an object of the row whose call raised, or one behind it. 1: the sink has had it; -1: it is the one, and the
 * exception is set; 0: none was kept. */
int pf_later_raise(pf_later *later);

/* Nothing that was computed ahead of its time is still to be met by the chain. */
static inline bool pf_later_is_over(const pf_later *later)
{
    return later->error == NULL && later->before == 0;
}

/* fold: queues one object; -1 with an exception. */
int pf_later_add(pf_later *later, PyObject *item, int64_t row);
/* Keeps the exception that is set: of a call for sink->row. */
void pf_later_keep(pf_later *later, const pf_sink *sink);
/* Gives the sink what is queued of blocks that end at `row` or before it. -1, or where a block ends behind which
 * nothing is to be done natively: a call raised (the exception is kept then), or the accumulator may run code now. The
 * rest of the queue is dropped then. */
int64_t pf_later_close(pf_later *later, pf_sink *sink, int64_t row);

void pf_later_clear(pf_later *later); /* may run code */

#endif

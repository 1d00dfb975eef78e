/* One call of a consumer, run natively.
 *
 * pf_exec_run reads the chain, finds a plan and runs it: the consumer's own loop pulls from the real chain, at whose bottom a
 * feeder runs the plan (docs/architecture.md). Needs the GIL. */
#ifndef PF_EXEC_H
#define PF_EXEC_H

#include "sink.h"

typedef struct pf_call {
    pf_consumer consumer;
    PyObject *iterable;       /* what the consumer was given; borrowed */
    PyObject *const *extra;   /* callables, borrowed */
    int nextra;
    pf_sink *sink;
} pf_call;

/* 1: the sink has everything (or is done with its first item); -1: an exception is set, iterators stand as CPython would
 * leave them; 0: nothing was touched, the builtin is to be called. */
int pf_exec_run(const pf_call *call);

/* The same in CPython alone, but block by block (fold). An iterable that purefold does not read counts its items as
 * rows. Never 0. */
int pf_exec_by_block(const pf_call *call);

/* The iterator behind what a consumer was given: new reference. NULL where purefold does not read it (no exception, see
 * pf_unread_reason) or with an exception. */
PyObject *pf_iterator_of(PyObject *iterable);
int pf_unread_reason(PyObject *iterable);

/* ---- reports: what the calling thread's last call did, and counts since the start ---- */

typedef struct pf_report {
    pf_consumer consumer;
    bool native;
    pf_refusal refusal; /* why not; reason 0 when native */
    int64_t rows, rows_native, rows_replayed, rows_fallback;
    int64_t compute_ns, windows, morsels, workers;
    struct {
        uint8_t op;
        uint16_t place;
        int64_t count;
    } bails[8];
    int nbails;
    pf_pyplan *plan; /* owned; NULL when there was none */
} pf_report;

void pf_report_bail(pf_report *report, const pf_event_info *info); /* one more row failed, there */
const pf_report *pf_last_report(void); /* NULL: no call yet on this thread */
void pf_keep_report(const pf_report *report); /* makes it the thread's last; takes the plan over; may run code */

typedef struct pf_totals {
    int64_t calls, calls_native, calls_fallback, rows_native, rows_replayed, rows_fallback;
    int64_t reasons[128]; /* by number of reasons.def */
} pf_totals;
extern pf_totals pf_stats_now;

/* Whether anything watches execution: a trace or profile function, a monitoring tool, a frame evaluator. */
bool pf_is_traced(void);

#endif

/* A run, seen from the feeder: what each pull of the chain at its leaf is answered with (exec_internal.h). */
#include "exec_internal.h"

#include <string.h>

enum { FAILED_BEFORE_GIVING_UP = 32, TOLD_ROWS = 8, UNTOLD_ROWS = 20, MOST_HANDS = 8 };
static const int64_t CALLING_WINDOW_NS =
    500000; /* where outputs queue for Python code, which takes its time over them */

/* ---- what the run asks for ---- */

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    return pf_gather_rows(&((pf_exec *)ctx)->gather, row0, n, columns, kind_memory);
}

static pf_status expand(void *ctx, int stage, const pf_inner *inner, pf_vec *columns, uint8_t *const *kind_memory,
                        int32_t *taken)
{
    const pf_exec *ex = ctx;
    pf_gather_inner(ex->plan, ex->core->stages[stage + 1].fn, inner, columns, kind_memory, taken);
    return PF_OK;
}

/* Source row of a row of the run. */
static int64_t source_row(const void *ctx, int64_t row)
{
    const pf_exec *ex = ctx;
    if (!ex->strided) {
        return row;
    }
    return row < ex->stride.n ? ex->stride.first_row + row * ex->stride.row_step : ex->rows;
}

int64_t pf_exec_rows(const pf_exec *ex)
{
    return ex->strided ? ex->stride.n : ex->rows;
}

/* The first row of the run that is not before a source row. */
static int64_t run_row(const pf_exec *ex, int64_t row)
{
    if (!ex->strided) {
        return row;
    }
    int64_t behind = row - ex->stride.first_row;
    int64_t i = behind <= 0 ? 0 : (behind - 1) / ex->stride.row_step + 1;
    return i < ex->stride.n ? i : ex->stride.n;
}

int64_t pf_exec_frontier(const pf_exec *ex)
{
    return source_row(ex, pf_run_frontier(ex->run));
}

/* Tells the feeder where the counters stood before a source row. */
static void tell_counts(pf_exec *ex, int64_t row)
{
    int64_t *counts = pf_feed_counts(ex->feed);
    if (pf_run_counts(ex->run, run_row(ex, row), counts) != PF_OK) {
        memset(counts, 0, sizeof *counts * (size_t)ex->plan->ncounters); /* no memory even for what had it before */
    }
}

bool pf_exec_calls(const pf_exec *ex)
{
    return ex->sink->type->calls && ex->plan->step.n == 0;
}

static pf_status absorb(void *ctx, const pf_piece *piece)
{
    pf_exec *ex = ctx;
    int status = 0;
    if (ex->later.error != NULL) {
        /* nothing counts any more but whether a row of the block raises */
    } else if (pf_exec_calls(ex)) {
        status = pf_later_queue(&ex->later, ex->plan, piece, &ex->sink->row) < 0 ? PF_SINK_REDO : 0;
    } else {
        status = ex->sink->hungry ? PF_SINK_HAND : ex->sink->type->piece(ex->sink, piece);
    }
    ex->redo = status == PF_SINK_REDO ? source_row(ex, ex->sink->row) : -1;
    ex->hand = status == PF_SINK_HAND ? piece->row_begin : -1;
    return status < 0 ? PF_CALLBACK : PF_OK;
}

static bool takes_blocks(void *ctx, const pf_fblocks *blocks)
{
    const pf_exec *ex = ctx;
    return ex->sink->type->takes_blocks(ex->sink, blocks);
}

void pf_exec_calm(pf_exec *ex)
{
    ex->sink->wary = (pf_exec_may_go_on(ex) || ex->plainly != 0) && !ex->sink->type->stores;
}

static pf_feed_answer give_up(pf_exec *ex, int64_t at, int64_t *row)
{
    pf_later_unpin(&ex->later); /* what was computed ahead will not be used */
    pf_exec_calm(ex);
    ex->gave_up |= at < ex->rows && ex->sides == NULL;
    *row = at;
    return PF_FEED_TRANSPARENT;
}

/* A row that the chain computes, the last one of the native run. */
static pf_feed_answer last_row(pf_exec *ex, int64_t at, int64_t *row)
{
    pf_exec_calm(ex);
    *row = ex->sink->row = at;
    return PF_FEED_LAST_ROW;
}

/* The next of the rows that the sink wants as objects. */
static pf_feed_answer hand_row(pf_exec *ex, int64_t *row)
{
    int64_t at = source_row(ex, ex->handing);
    if (ex->sink->type->block > 0 && (ex->sink->foreign || !pf_gather_open(&ex->gather) ||
                                      !pf_replay_is_free(&ex->gather, &ex->request, at, &ex->proof))) {
        return give_up(ex, at, row); /* the items of its block are to be read first */
    }
    ex->handed++;
    *row = ex->sink->row = source_row(ex, ex->handing++);
    return PF_FEED_ROW;
}

/* From here on the sink wants objects: the first row's, or one after which it can go on in numbers. */
static pf_feed_answer hand_from(pf_exec *ex, int64_t at, int64_t *row)
{
    if (++ex->hands > MOST_HANDS) {
        return give_up(ex, source_row(ex, at), row);
    }
    pf_later_unpin(&ex->later);
    ex->handing = at;
    ex->hand_end = pf_exec_rows(ex);
    return hand_row(ex, row);
}

/* Between windows other code may run: threads, signal handlers. Afterwards nothing is taken for granted. */
static bool between_windows(pf_exec *ex, int *error)
{
    tell_counts(ex, pf_exec_frontier(ex));
    *error = pf_feed_suspend(ex->feed, pf_exec_frontier(ex)); /* first: other threads have to find true iterators */
    Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS if (*error < 0 || PyErr_CheckSignals() < 0)
    {
        *error = -1;
        return false;
    }
    return pf_feed_resume(ex->feed) == 0;
}

static bool still_holds(pf_exec *ex)
{
    const pf_watch_roots roots = pf_roots_of(&ex->request);
    memcpy(ex->again, ex->params, sizeof(pf_scalar) * (size_t)ex->plan->watches.nparams);
    return pf_watches_hold(&ex->plan->watches, &roots, ex->again) && pf_pyplan_types_hold(ex->plan) &&
           memcmp(ex->again, ex->params, sizeof(pf_scalar) * (size_t)ex->plan->watches.nparams) == 0 &&
           !pf_is_traced() && PyThreadState_Get()->async_exc == NULL; /* which only CPython's own loop delivers */
}

/* Whether it will be noticed that others ran while a row went through CPython. Else what lies beyond each failed row is
 * dropped. */
static bool tells_turns(pf_exec *ex)
{
    if (ex->telling == PF_TURNS_UNKNOWN) {
        ex->telling = pf_turns_tell() ? PF_TURNS_TOLD : PF_TURNS_UNTOLD;
    }
    return ex->telling == PF_TURNS_TOLD;
}

/* After each failed row the watches are walked, which takes longer the more there is to compare, and rows may have to
 * be computed again. */
bool pf_exec_fails_too_often(const pf_exec *ex, int64_t rows)
{
    int64_t worth = (ex->telling == PF_TURNS_UNTOLD ? UNTOLD_ROWS : TOLD_ROWS) + ex->searched / 16;
    return ex->failed * worth > rows;
}

/* One stretch of native work. The collector waits: boxing must not run finalizers while workers read. */
static pf_event advance(pf_exec *ex, pf_event_info *info)
{
    int collector = PyGC_Disable();
    pf_event event = pf_run_advance(ex->run, info);
    if (collector) {
        PyGC_Enable();
    }
    return event;
}

/* No worker is in flight any more: now other code may run. Returns a row from which on the chain has to give objects,
 * or -1. */
static int64_t after_window(pf_exec *ex, pf_event event, const pf_event_info *info)
{
    if (event == PF_EVENT_FAILED && !info->barrier) {
        if (!tells_turns(ex)) {
            pf_run_alone(ex->run);
        } else if (pf_later_pin(&ex->later, ex->run) != PF_OK) {
            pf_run_drop(ex->run);
        }
    }
    int64_t redo = event == PF_EVENT_ERROR ? ex->redo : -1;
    if (redo >= 0) { /* the row's object is CPython's to compute, and the consumer's to choke on */
        PyErr_Clear();
    }
    Py_CLEAR(ex->sink->old);
    if (ex->sink->type->block > 0) {
        bool hands = event == PF_EVENT_FAILED || event == PF_EVENT_STOP; /* the row before the frontier */
        int64_t closed = pf_later_close(&ex->later, ex->sink, hands ? source_row(ex, info->row) : pf_exec_frontier(ex));
        redo = closed >= 0 ? closed : redo;
    } else if (ex->later.nwaiting > 0) {
        int64_t raised = pf_later_call(&ex->later, ex->sink, source_row, ex);
        redo = raised >= 0 ? raised : redo;
    }
    return redo;
}

/* Whether a failed row may disturb those beyond it. A proof costs as much as some hundred rows in CPython; where no
 * more are left, it is not worth its while. */
static bool is_barrier(pf_exec *ex, int64_t row)
{
    enum { WORTH_A_PROOF = 500 };
    pf_proof none = PF_PROOF_NONE;
    const bool few = ex->proof == PF_PROOF_UNKNOWN && ex->rows - row < WORTH_A_PROOF && !ex->forced;
    const bool free = pf_replay_is_free(&ex->gather, &ex->request, row, few ? &none : &ex->proof);
#ifdef PF_PLANTED_BUG_STALE_AFTER_BARRIER
    return false;
#endif
    ex->unproved = !free && few;
    return !free;
}

static pf_feed_answer run_natively(pf_exec *ex, int64_t *row)
{
    for (;;) {
        pf_event_info info;
        int error;
        pf_event event = advance(ex, &info);
        if (event == PF_EVENT_FAILED && !info.barrier) {
            info.barrier = is_barrier(ex, source_row(ex, info.row));
        }
        int64_t redo = after_window(ex, event, &info);
        if (redo >= 0) {
            return ex->sides != NULL ? last_row(ex, redo, row) : give_up(ex, redo, row);
        }
        if (ex->sink->foreign && event != PF_EVENT_FAILED) {
            return give_up(ex, pf_exec_frontier(ex), row);
        }
        switch (event) {
        case PF_EVENT_END:
            return give_up(ex, pf_exec_frontier(ex), row);
        case PF_EVENT_STOP:
            return last_row(ex, source_row(ex, info.row), row);
        case PF_EVENT_FAILED:
            *row = ex->sink->row = source_row(ex, info.row);
            ex->failed++;
            if (ex->reported) { /* else the place is one of another plan's */
                pf_report_bail(ex->report, &info);
            }
            if (ex->sides != NULL) { /* what is known of them is out of date afterwards */
                ex->cut = true;
                return last_row(ex, *row, row);
            }
            if (info.barrier || ex->sink->foreign ||
                (ex->failed >= FAILED_BEFORE_GIVING_UP && pf_exec_fails_too_often(ex, info.row + 1))) {
                ex->gave_up = true;
                return last_row(ex, *row, row);
            }
            return PF_FEED_ROW;
        case PF_EVENT_TICK:
            pf_later_unpin(&ex->later); /* everything is merged */
            if (ex->sides != NULL) {
                return give_up(ex, pf_exec_frontier(ex), row);
            }
            ex->proof = PF_PROOF_UNKNOWN;
            ex->telling = PF_TURNS_UNKNOWN;
            if (!between_windows(ex, &error)) {
                *row = pf_exec_frontier(ex);
                return error < 0 ? PF_FEED_ERROR : give_up(ex, *row, row);
            }
            if (!still_holds(ex) || !pf_gather_open(&ex->gather)) {
                return give_up(ex, pf_exec_frontier(ex), row);
            }
            break;
        case PF_EVENT_ERROR:
            if (info.status == PF_CALLBACK && ex->hand >= 0 && ex->sides == NULL) {
                return hand_from(ex, ex->hand, row);
            }
            if (info.status == PF_CALLBACK && ex->hand < 0) {
                *row = pf_exec_frontier(ex);
                return PF_FEED_ERROR;
            }
            return give_up(ex, pf_exec_frontier(ex), row); /* no memory to go on natively: CPython may have enough */
        }
    }
}

/* After a row went through CPython the collector, signals and other threads may have run. */
pf_feed_answer pf_exec_next_row(void *ctx, int64_t *row, bool single)
{
    pf_exec *ex = ctx;
    if (ex->handing >= 0) {
        if (ex->sink->hungry && ex->handing < ex->hand_end) {
            return hand_row(ex, row);
        }
        pf_run_skip(ex->run, ex->handing);
        ex->handing = -1;
    }
    if (ex->failed > 0 && ex->turns != pf_turns()) { /* the rows computed ahead may have been edited meanwhile */
        ex->telling = PF_TURNS_UNKNOWN;
        pf_run_drop(ex->run);
    }
    int64_t done = pf_exec_frontier(ex) > *row ? pf_exec_frontier(ex) : *row;
    /* What the consumer did with the last row's object may have changed anything, or what it has now runs code at every
     * row. */
    if (ex->sink->foreign || ((ex->failed + ex->handed > 0 || ex->chain.in_row) && !still_holds(ex)) ||
        (single && done >= ex->rows)) {
        return give_up(ex, done, row);
    }
    if (single) {
        *row = ex->sink->row = done;
        return ex->sides != NULL ? last_row(ex, done, row) : PF_FEED_ROW;
    }
    if (!pf_gather_open(&ex->gather)) { /* other code ran since the last time */
        return give_up(ex, done, row);
    }
    if (ex->plan->ncounters > 0 || done > pf_exec_frontier(ex)) {
        pf_run_go_on(ex->run, run_row(ex, done), pf_feed_counts(ex->feed));
    }
    pf_feed_answer answer = run_natively(ex, row);
    if (ex->plan->ncounters > 0) {
        tell_counts(ex, *row);
    }
    ex->turns = pf_turns();
    return answer;
}

/* ---- what the chain gives ---- */

bool pf_exec_close(void *ctx, int64_t row)
{
    pf_exec *ex = ctx;
    if (ex->sink->type->block == 0) {
        return true;
    }
    ex->sink->wary = false; /* native running is over */
    pf_later_close(&ex->later, ex->sink, row);
    ex->sink->row = row;
    return ex->later.error == NULL || row < ex->later.error_end;
}

/* A fold's function may be called ahead of its time where nothing can be seen of that: a row that ran natively or could
 * have, an accumulator in numbers. */
static int take_in_block(pf_exec *ex, PyObject *item)
{
    pf_sink *sink = ex->sink;
    if (!sink->wary || sink->foreign || pf_exec_calls(ex)) {
        return pf_later_add(&ex->later, item, sink->row);
    }
    if (ex->later.error != NULL || sink->type->object(sink, item) == 0) {
        return 0;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) { /* an interrupt, say, which no row is to outdo */
        return -1;
    }
    sink->hungry = false;
    pf_later_keep(&ex->later, sink);
    return 0;
}

int pf_exec_take(pf_exec *ex, PyObject *item)
{
    pf_sink *sink = ex->sink;
    sink->foreign |= sink->wary && !pf_is_harmless(item);
    if (sink->type->block > 0) {
        return take_in_block(ex, item);
    }
    int status = pf_later_raise(&ex->later);
    return status == 0 ? sink->type->object(sink, item) : status > 0 ? 0 : -1;
}

/* ---- a new run ---- */

/* Nobody can change the source between two windows. */
static bool has_only_ranges(const pf_exec *ex)
{
    bool only = true;
    for (int i = 0; i < ex->gather.nleaves; i++) {
        only = only && ex->gather.leaves[i].leaf.kind == PF_LEAF_RANGE;
    }
    return only;
}

int pf_exec_make_run(pf_exec *ex, const pf_settings *settings)
{
    pf_pyplan *plan = ex->plan;
    pf_hooks hooks = {.ctx = ex, .gather = gather, .expand = expand, .absorb = absorb, .recalled = pf_is_interrupted};
    hooks.takes_blocks = ex->sink->type->takes_blocks != NULL ? takes_blocks : NULL;
    pf_run_config config = pf_pyplan_config(plan, settings, ex->params, pf_exec_rows(ex));
    config.may_pause = has_only_ranges(ex);
    if (pf_exec_calls(ex)) {
        config.window_ns = CALLING_WINDOW_NS;
    }
    return pf_run_new(ex->core, &config, &hooks, &ex->run) == PF_OK ? 0 : -1;
}

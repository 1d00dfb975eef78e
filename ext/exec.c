/* Running a plan below a real chain (exec.h). */
#include "exec.h"

#include <string.h>

#include "../core/base/mem.h"
#include "../core/prim/cpus.h"
#include "config.h"
#include "feed.h"
#include "gather.h"
#include "later.h"
#include "loops.h"
#include "reasons.h"
#include "replay.h"

enum { PLANNING_DEPTH = 32, SMALL_ROWS = 16, FAILED_BEFORE_GIVING_UP = 32, MOST_REST = 1024, MOST_HANDS = 8 };
static const int64_t WINDOW_NS = 5000000;
static const int64_t CALLING_WINDOW_NS = 500000; /* where outputs queue for Python code, which takes its time over them */

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
    const pf_plan *core; /* the plan's own form, or the strided one */
    pf_stride_rows stride; /* row i of the run is row first_row + i * row_step of the source */
    bool strided;
    pf_later later;
    bool collector;   /* it has been switched off, and is to be on again */
    pf_proof proof;   /* of all ways through the chain's functions */
    int64_t redo;     /* row that absorb could not take and CPython is to do, or -1 */
    bool gave_up;
    int64_t hand;     /* row of the run from which on the sink wants objects, or -1 */
    int64_t handing, hand_end; /* handing >= 0: rows of the run from here on go to the chain, until the sink has its object */
    int64_t handed;
    int hands;
    int64_t by_row;   /* >= 0: native running is over, each row from this one on is handed to the chain by itself */
    struct pf_exec *spare; /* free list */
} pf_exec;

pf_totals pf_stats_now;
static pf_exec *spares; /* guarded by the GIL */

/* ---- who is watching ---- */

static bool monitored(void)
{
#if PY_VERSION_HEX >= 0x030c0000
    static PyObject *get_tool; /* sys.monitoring.get_tool, kept for the process */
    if (get_tool == NULL) {
        PyObject *monitoring = PySys_GetObject("monitoring");
        get_tool = monitoring != NULL ? PyObject_GetAttrString(monitoring, "get_tool") : NULL;
        if (get_tool == NULL) {
            PyErr_Clear();
            return true;
        }
    }
    for (long id = 0; id < 6; id++) {
        PyObject *number = PyLong_FromLong(id); /* small: no allocation */
        PyObject *name = PyObject_CallOneArg(get_tool, number);
        bool taken = name != Py_None;
        Py_XDECREF(name);
        Py_DECREF(number);
        if (taken) {
            PyErr_Clear();
            return true;
        }
    }
#endif
    return false;
}

bool pf_is_traced(void)
{
    PyThreadState *tstate = PyThreadState_Get();
    return tstate->c_tracefunc != NULL || tstate->c_profilefunc != NULL ||
           _PyInterpreterState_GetEvalFrameFunc(tstate->interp) != _PyEval_EvalFrameDefault || monitored();
}

/* Frames that may still be entered before RecursionError. */
static int depth_left(void)
{
    PyThreadState *tstate = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030c0000
    return tstate->py_recursion_remaining;
#else
    return tstate->recursion_remaining;
#endif
}

/* ---- the run, seen from the feeder ---- */

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    return pf_gather_rows(&((pf_exec *)ctx)->gather, row0, n, columns, kind_memory);
}

static pf_status expand(void *ctx, int stage, pf_scalar item, int64_t offset, int32_t want, int32_t lane, pf_vec *columns,
                        uint8_t *const *kind_memory, int32_t *got)
{
    const pf_fn *fn = ((pf_exec *)ctx)->core->stages[stage + 1].fn;
    return pf_gather_inner(fn, (PyObject *)(uintptr_t)item.u.handle, offset, want, lane, columns, kind_memory, got);
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

static int64_t run_rows(const pf_exec *ex) { return ex->strided ? ex->stride.n : ex->rows; }

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

static int64_t frontier(const pf_exec *ex) { return source_row(ex, pf_run_frontier(ex->run)); }

/* Tells the feeder where the counters stood before a source row. */
static void tell_counts(pf_exec *ex, int64_t row)
{
    int64_t *counts = pf_feed_counts(ex->feed);
    if (pf_run_counts(ex->run, run_row(ex, row), counts) != PF_OK) {
        memset(counts, 0, sizeof *counts * (size_t)ex->plan->ncounters); /* no memory even for what had it before */
    }
}

static bool calls(const pf_exec *ex)
{
    return ex->sink->type->calls && ex->plan->step.n == 0;
}

static pf_status absorb(void *ctx, const pf_piece *piece)
{
    pf_exec *ex = ctx;
    int status;
    if (calls(ex)) {
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

/* The next row by itself: how a consumer that must know each row's number goes on without a plan. */
static pf_feed_answer single_row(pf_exec *ex, int64_t *row)
{
    *row = ex->sink->row = ex->by_row;
    if (ex->by_row >= ex->rows) {
        return PF_FEED_TRANSPARENT;
    }
    ex->by_row++;
    return PF_FEED_ROW;
}

static pf_feed_answer give_up(pf_exec *ex, int64_t at, int64_t *row)
{
    pf_later_unpin(&ex->later); /* what was computed ahead will not be used */
    ex->gave_up |= at < ex->rows;
    if (ex->request.consumer == PF_CONSUME_FOLD) {
        ex->by_row = at;
        return single_row(ex, row);
    }
    *row = at;
    return PF_FEED_TRANSPARENT;
}

/* A row that the chain computes, the last one of the native run. */
static pf_feed_answer last_row(pf_exec *ex, int64_t at, int64_t *row)
{
    if (ex->request.consumer == PF_CONSUME_FOLD) {
        return give_up(ex, at, row);
    }
    *row = ex->sink->row = at;
    return PF_FEED_LAST_ROW;
}

/* The next of the rows that the sink wants as objects. */
static pf_feed_answer hand_row(pf_exec *ex, int64_t *row)
{
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
    ex->hand_end = run_rows(ex);
    return hand_row(ex, row);
}

/* Between windows other code may run: threads, signal handlers. Afterwards nothing is taken for granted. */
static bool between_windows(pf_exec *ex, int *error)
{
    tell_counts(ex, frontier(ex));
    *error = pf_feed_suspend(ex->feed, frontier(ex)); /* first: other threads have to find true iterators */
    Py_BEGIN_ALLOW_THREADS
    Py_END_ALLOW_THREADS
    if (*error < 0 || PyErr_CheckSignals() < 0) {
        *error = -1;
        return false;
    }
    return pf_feed_resume(ex->feed) == 0;
}

static bool still_holds(pf_exec *ex)
{
    pf_watch_roots roots = {&ex->chain, ex->request.extra, ex->request.nextra};
    memcpy(ex->again, ex->params, sizeof(pf_scalar) * (size_t)ex->plan->watches.nparams);
    return pf_watches_hold(&ex->plan->watches, &roots, ex->again) && pf_pyplan_types_hold(ex->plan) &&
           memcmp(ex->again, ex->params, sizeof(pf_scalar) * (size_t)ex->plan->watches.nparams) == 0 && !pf_is_traced() &&
           PyThreadState_Get()->async_exc == NULL; /* which only CPython's own loop delivers */
}

static void count_bail(pf_report *report, const pf_event_info *info)
{
    for (int i = 0; i < report->nbails; i++) {
        if (report->bails[i].op == info->op && report->bails[i].place == info->place) {
            report->bails[i].count++;
            return;
        }
    }
    if (report->nbails < (int)(sizeof report->bails / sizeof report->bails[0])) {
        report->bails[report->nbails].op = info->op;
        report->bails[report->nbails].place = info->place;
        report->bails[report->nbails++].count = 1;
    }
}

/* After each failed row the watches are walked, which takes longer the more there is to compare. */
static bool fails_too_often(const pf_exec *ex, int64_t row)
{
    return ex->failed >= FAILED_BEFORE_GIVING_UP && ex->failed * (8 + ex->searched / 16) > row + 1;
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

/* No worker is in flight any more: now other code may run. Returns a row that the chain has to give as an object, or -1. */
static int64_t after_window(pf_exec *ex, pf_event event, const pf_event_info *info)
{
    if (event == PF_EVENT_FAILED && !info->barrier && pf_later_pin(&ex->later, ex->run) != PF_OK) {
        pf_run_drop(ex->run);
    }
    int64_t redo = event == PF_EVENT_ERROR ? ex->redo : -1;
    if (redo >= 0) { /* the row's object is CPython's to compute, and the consumer's to choke on */
        PyErr_Clear();
    }
    Py_CLEAR(ex->sink->old);
    if (ex->later.nwaiting > 0) {
        int64_t raised = pf_later_call(&ex->later, ex->sink, source_row, ex);
        redo = raised >= 0 ? raised : redo;
    }
    return redo;
}

static pf_feed_answer run_natively(pf_exec *ex, int64_t *row)
{
    for (;;) {
        pf_event_info info;
        int error;
        pf_event event = advance(ex, &info);
        if (event == PF_EVENT_FAILED && !info.barrier) {
            info.barrier = !pf_replay_is_free(&ex->gather, &ex->request, source_row(ex, info.row), &ex->proof);
        }
        int64_t redo = after_window(ex, event, &info);
        if (redo >= 0) {
            return give_up(ex, redo, row);
        }
        switch (event) {
        case PF_EVENT_END:
            return give_up(ex, frontier(ex), row);
        case PF_EVENT_STOP:
            return last_row(ex, source_row(ex, info.row), row);
        case PF_EVENT_FAILED:
            *row = ex->sink->row = source_row(ex, info.row);
            ex->failed++;
            count_bail(ex->report, &info);
            if (info.barrier || fails_too_often(ex, info.row)) {
                ex->gave_up = true;
                return last_row(ex, *row, row);
            }
            return PF_FEED_ROW;
        case PF_EVENT_TICK:
            pf_later_unpin(&ex->later); /* everything is merged */
            ex->proof = PF_PROOF_UNKNOWN;
            if (!between_windows(ex, &error)) {
                *row = frontier(ex);
                return error < 0 ? PF_FEED_ERROR : give_up(ex, *row, row);
            }
            if (!still_holds(ex) || !pf_gather_open(&ex->gather)) {
                return give_up(ex, frontier(ex), row);
            }
            break;
        case PF_EVENT_ERROR:
            if (info.status == PF_CALLBACK && ex->hand >= 0) {
                return hand_from(ex, ex->hand, row);
            }
            if (info.status == PF_CALLBACK) {
                *row = frontier(ex);
                return PF_FEED_ERROR;
            }
            return give_up(ex, frontier(ex), row); /* no memory to go on natively: CPython may have enough */
        }
    }
}

/* After a row went through CPython the collector, signals and other threads may have run. */
static pf_feed_answer next_row(void *ctx, int64_t *row, bool single)
{
    pf_exec *ex = ctx;
    if (ex->by_row >= 0) {
        return single_row(ex, row);
    }
    if (ex->handing >= 0) {
        if (ex->sink->hungry && ex->handing < ex->hand_end) {
            return hand_row(ex, row);
        }
        pf_run_skip(ex->run, ex->handing);
        ex->handing = -1;
    }
    int64_t done = frontier(ex) > *row ? frontier(ex) : *row;
    if ((ex->failed + ex->handed > 0 && !still_holds(ex)) || (single && done >= ex->rows)) {
        return give_up(ex, done, row);
    }
    if (single) {
        *row = ex->sink->row = done;
        return PF_FEED_ROW;
    }
    if (!pf_gather_open(&ex->gather)) { /* other code ran since the last time */
        return give_up(ex, done, row);
    }
    if (ex->plan->ncounters > 0 || done > frontier(ex)) {
        pf_run_go_on(ex->run, run_row(ex, done), pf_feed_counts(ex->feed));
    }
    pf_feed_answer answer = run_natively(ex, row);
    if (ex->plan->ncounters > 0) {
        tell_counts(ex, *row);
    }
    return answer;
}

/* ---- setting up ---- */

static int default_threads(void)
{
    static int cpus; /* reading it takes a while */
    if (cpus == 0) {
        cpus = pf_cpus_usable();
    }
    return cpus;
}

static pf_exec *new_exec(void)
{
    pf_exec *ex = spares;
    if (ex != NULL) {
        spares = ex->spare;
        return ex;
    }
    ex = pf_mem_calloc(1, sizeof *ex);
    if (ex == NULL) {
        PyErr_NoMemory();
    }
    return ex;
}

static void free_exec(pf_exec *ex)
{
    ex->spare = spares;
    spares = ex;
}

static void refuse(pf_refusal *refusal, int reason)
{
    refusal->reason = reason;
    refusal->where[0] = 0;
}

/* array.array itself. Looked for only when something of that name comes by, so that nobody pays for the import. */
static bool is_array(PyTypeObject *type)
{
    static PyObject *array_type; /* kept for the process */
    if (array_type == NULL && strcmp(type->tp_name, "array.array") == 0) {
        PyObject *module = PyImport_ImportModule("array");
        array_type = module != NULL ? PyObject_GetAttrString(module, "array") : NULL;
        Py_XDECREF(module);
        PyErr_Clear();
    }
    return (PyObject *)type == array_type;
}

PyObject *pf_iterator_of(PyObject *iterable)
{
    PyTypeObject *type = Py_TYPE(iterable);
    if (type->tp_iter == PyObject_SelfIter) {
        return Py_NewRef(iterable);
    }
    if (type == &PyList_Type || type == &PyTuple_Type || type == &PyRange_Type || type == &PyBytes_Type ||
        type == &PyByteArray_Type || type == &PyMemoryView_Type || is_array(type)) {
        return PyObject_GetIter(iterable); /* exact builtin types: no user code */
    }
    return NULL;
}

int pf_unread_reason(PyObject *iterable)
{
    return strcmp(Py_TYPE(iterable)->tp_name, "numpy.ndarray") == 0 ? PF_REASON_NUMPY_ARRAY : PF_REASON_NOT_LAZY;
}

/* Where the first filter of a range keeps every so-manieth row, only those are looked at. */
static void choose_form(pf_exec *ex)
{
    pf_leaf *leaf = &ex->gather.leaves[0].leaf;
    int64_t step;
    ex->core = &ex->plan->core;
    ex->strided = ex->plan->has_stride &&
                  pf_stride_apply(&ex->plan->stride, ex->params, leaf->start, leaf->step, ex->rows, &ex->stride) &&
                  !__builtin_mul_overflow(leaf->step, ex->stride.row_step, &step);
    if (ex->strided) {
        ex->core = &ex->plan->strided;
        leaf->start += ex->stride.first_row * leaf->step;
        leaf->step = step;
        leaf->length = ex->stride.n;
    }
}

/* Nobody can change the source between two windows. */
static bool has_only_ranges(const pf_exec *ex)
{
    bool only = true;
    for (int i = 0; i < ex->gather.nleaves; i++) {
        only = only && ex->gather.leaves[i].leaf.kind == PF_LEAF_RANGE;
    }
    return only;
}

static int make_run(pf_exec *ex, const pf_settings *settings)
{
    pf_pyplan *plan = ex->plan;
    pf_hooks hooks = {.ctx = ex, .gather = gather, .expand = expand, .absorb = absorb};
    hooks.takes_blocks = ex->sink->type->takes_blocks != NULL ? takes_blocks : NULL;
    pf_run_config config = {
        .threads = plan->caller_only ? 1 : settings->threads > 0 ? settings->threads : default_threads(),
        .min_rows = settings->min_rows,
        .window_ns = calls(ex) ? CALLING_WINDOW_NS : WINDOW_NS,
        .rows = run_rows(ex),
        .params = ex->params,
        .strings = (const uint64_t *)(const void *)plan->strings,
        .str_view = pf_unicode_view,
        .want_rows = plan->wants_rows,
        .may_pause = has_only_ranges(ex),
        .fsum_flavour = PY_VERSION_HEX >= 0x030c0000 && plan->consumer == PF_CONSUME_SUM ? PF_FSUM_NEUMAIER : PF_FSUM_PLAIN,
        .fsum_guess = PF_FSUM_NO_GUESS,
    };
    return pf_run_new(ex->core, &config, &hooks, &ex->run) == PF_OK ? 0 : -1;
}

/* The consumer's loop: 1 done, -1 exception. */
static int pull(pf_exec *ex)
{
    PyObject *item;
    while ((item = pf_feed_pull(ex->feed)) != NULL) {
        int status = pf_later_raise(&ex->later);
        status = status == 0 ? ex->sink->type->object(ex->sink, item) : status > 0 ? 0 : -1;
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
    }
    if (PyErr_Occurred()) {
#ifndef PF_PLANTED_BUG_SWALLOWED_EXCEPTION
        if (ex->sink->lets_stop_out || !PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return -1;
        }
#endif
        PyErr_Clear();
    }
    return 1;
}

static void finish_report(pf_exec *ex, PyCodeObject *few)
{
    pf_run_stats stats;
    pf_run_get_stats(ex->run, &stats);
    if (few != NULL) {
        pf_loops_made(few, stats.inner_rows);
    }
    pf_report *report = ex->report;
    report->rows_native = stats.rows_native;
    report->rows_replayed = ex->failed + ex->handed;
    report->compute_ns = stats.compute_ns;
    report->windows = stats.window_count;
    report->morsels = stats.morsels;
    report->workers = stats.workers_used;
    pf_stats_now.rows_native += stats.rows_native;
    pf_stats_now.rows_replayed += report->rows_replayed;
    if (ex->gave_up) {
        int64_t left = ex->rows - frontier(ex);
        report->rows_fallback = left > 0 ? left : 0;
        pf_stats_now.rows_fallback += report->rows_fallback;
        ex->plan->next_rest = ex->plan->next_rest == 0 ? 4 : ex->plan->next_rest < MOST_REST ? ex->plan->next_rest * 2 : MOST_REST;
        ex->plan->rest = ex->plan->next_rest;
    } else {
        ex->plan->next_rest = 0;
    }
}

/* From the reading of a chain until its leaves are watched: making a plan makes objects, up to 3.11 the collector may run at any of
 * them, and what it calls may take the chain's items. */
static void hold_collector(pf_exec *ex) { ex->collector = PyGC_Disable() != 0; }

static void let_collector_go(pf_exec *ex)
{
    if (ex->collector) {
        ex->collector = false;
        PyGC_Enable();
    }
}

/* few: NULL, or the code of the generator expression for whose sake few rows are run natively. */
static int run_plan(pf_exec *ex, PyObject *iterator, const pf_settings *settings, PyCodeObject *few)
{
    pf_feed_ops ops = {next_row, ex};
    if (make_run(ex, settings) < 0) {
        refuse(&ex->report->refusal, PF_REASON_NO_MEMORY);
        return 0;
    }
    ex->feed = pf_feed_attach(iterator, &ex->chain, &ops);
    let_collector_go(ex);
    if (ex->feed == NULL) {
        PyErr_Clear();
        pf_run_free(ex->run);
        refuse(&ex->report->refusal, PF_REASON_NO_MEMORY);
        return 0;
    }
    ex->sink->plan = ex->plan;
    ex->sink->run = ex->run;
    Py_XINCREF(few); /* the chain lets go of what has ended */
    if (ex->core->sink == PF_SINK_ISUM && ex->plan->step.row_first) {
        ex->sink->hungry = false; /* unless it turns out that there is but one: then it is the result itself */
    }
    /* mostly the first row is the sink's first object: nothing is computed that would have to be dropped for it */
    ex->handing = ex->sink->hungry && !calls(ex) ? 0 : -1;
    ex->hand_end = run_rows(ex) > 0 ? 1 : 0;
    int status = pull(ex);
    ex->sink->run = NULL;
    pf_feed_detach(ex->feed);
    pf_later_clear(&ex->later);
    finish_report(ex, few);
    Py_XDECREF(few);
    pf_run_free(ex->run);
    ex->report->native = true;
    return status;
}

/* The code of the generator expression that may make a lot of work of few rows, or NULL. */
static PyCodeObject *multiplier(const pf_chain *chain)
{
    for (int i = 0; i < chain->nnodes; i++) {
        PyObject *code = chain->nodes[i].func;
        if (chain->nodes[i].kind == PF_NODE_GENEXPR && pf_loops_due((PyCodeObject *)code)) {
            return (PyCodeObject *)code;
        }
    }
    return NULL;
}

/* The rows that may be computed beside the chain are too few. *few: what makes few rows worth it. */
static bool too_small(pf_exec *ex, const pf_settings *settings, bool planned, PyCodeObject **few)
{
    ex->rows = pf_feed_limit(&ex->chain, ex->rows, planned);
    if (*few == NULL && settings->min_rows == 0 && ex->rows > 0 && ex->rows < SMALL_ROWS) {
        *few = multiplier(&ex->chain);
    }
    int64_t least = *few != NULL ? 1 : settings->min_rows > 0 ? settings->min_rows : SMALL_ROWS;
    if (ex->rows > 0 && ex->rows < least && pf_chain_flattens_many(&ex->chain, least)) {
        least = 1;
    }
    if (ex->rows < least) {
        refuse(&ex->report->refusal, PF_REASON_SMALL);
    }
    return ex->rows < least;
}

/* Everything up to a plan; on refusal the report says why. 1 ran, 0 refused, -1 exception. */
static int try_native(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator)
{
    pf_report *report = ex->report;
    int read = pf_chain_read(iterator, &ex->chain);
    if (read <= 0) {
        refuse(&report->refusal, ex->chain.reason);
        return read;
    }
    pf_gather_init(&ex->gather, NULL, &ex->chain, &ex->rows);
    report->rows = ex->rows;
    int unsettled = pf_feed_refuses(&ex->chain);
    if (unsettled != 0) {
        refuse(&report->refusal, unsettled);
        return 0;
    }
    PyCodeObject *few = NULL;
    if (too_small(ex, settings, false, &few)) {
        return 0;
    }
    if (pf_is_traced()) {
        refuse(&report->refusal, PF_REASON_TRACED);
        return 0;
    }
    if (depth_left() < PLANNING_DEPTH) { /* making a plan takes a few levels itself */
        refuse(&report->refusal, PF_REASON_DEPTH);
        return 0;
    }
    ex->request = (pf_request){&ex->chain, call->consumer, call->extra, call->nextra, call->flavour};
    ex->plan = pf_plan_find(&ex->request, ex->params, &report->refusal);
    if (ex->plan == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int status = 0;
    report->plan = ex->plan; /* the report owns it from here on */
    pf_plan_mark(ex->plan, &ex->chain);
    if (too_small(ex, settings, true, &few)) {
        return 0;
    }
    ex->ntables = pf_watches_tables(&ex->plan->watches, ex->tables, &ex->searched);
    if (ex->plan->rest > 0 && settings->min_rows != 1) {
        ex->plan->rest--;
        refuse(&report->refusal, PF_REASON_BACKING_OFF);
    } else if (call->consumer == PF_CONSUME_REDUCE && ex->plan->step.n == 0 && settings->min_rows != 1) {
        refuse(&report->refusal, PF_REASON_NOT_ASSOCIATIVE); /* boxing rows for a function CPython calls gains nothing */
    } else if (depth_left() < ex->plan->depth + ex->chain.nnodes + 4) {
        refuse(&report->refusal, PF_REASON_DEPTH);
    } else {
        ex->gather.plan = ex->plan;
        choose_form(ex);
        status = run_plan(ex, iterator, settings, few);
    }
    while (ex->ntables > 0) {
        pf_table_release(ex->tables[--ex->ntables]);
    }
    return status;
}

/* Items of anything, one after the other, numbered from 0. */
static int pull_numbered(PyObject *iterator, pf_sink *sink)
{
    PyObject *item;
    for (sink->row = 0; (item = PyIter_Next(iterator)) != NULL; sink->row++) {
        int status = sink->type->object(sink, item);
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
    }
    return PyErr_Occurred() ? -1 : 1;
}

int pf_exec_by_row(const pf_call *call)
{
    PyObject *iterator = PyObject_GetIter(call->iterable);
    pf_exec *ex = iterator != NULL ? new_exec() : NULL;
    int status = -1;
    if (ex != NULL) {
        int read = pf_chain_read(iterator, &ex->chain);
        if (read == 0 || pf_chain_flattens(&ex->chain)) {
            status = pull_numbered(iterator, call->sink);
        } else if (read > 0) {
            pf_feed_ops ops = {next_row, ex};
            ex->sink = call->sink;
            ex->by_row = 0;
            ex->strided = false;
            pf_gather_init(&ex->gather, NULL, &ex->chain, &ex->rows);
            ex->feed = pf_feed_attach(iterator, &ex->chain, &ops);
            if (ex->feed != NULL) {
                status = pull(ex);
                pf_feed_detach(ex->feed);
            }
        }
        free_exec(ex);
    }
    Py_XDECREF(iterator);
    return status;
}

/* PUREFOLD_LOG=fallback: each distinct reason and place once. */
static void log_once(const pf_refusal *refusal)
{
    static uint64_t seen[256]; /* hashes; a full table just repeats itself */
    uint64_t h = (uint64_t)refusal->reason + 1;
    for (const char *c = refusal->where; *c; c++) {
        h = (h ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
    }
    for (int i = 0; i < 256 && seen[i] != h; i++) {
        if (seen[i] == 0) {
            seen[i] = h;
            PySys_FormatStderr("purefold: %s: %s%s%s\n", pf_reason_code(refusal->reason), pf_reason_sentence(refusal->reason),
                               refusal->where[0] ? " at " : "", refusal->where);
            return;
        }
    }
}

int pf_exec_run(const pf_call *call)
{
    pf_settings settings;
    pf_settings_now(&settings);
    pf_report own = {.consumer = call->consumer}, *report = &own;
    int status = 0;
    if (settings.off || settings.tier == PF_TIER_CPYTHON) {
        refuse(&report->refusal, PF_REASON_DISABLED);
    } else {
        PyObject *iterator = pf_iterator_of(call->iterable);
        pf_exec *ex = iterator != NULL ? new_exec() : NULL;
        if (ex != NULL) {
            ex->plan = NULL;
            ex->run = NULL;
            ex->feed = NULL;
            ex->sink = call->sink;
            ex->failed = ex->rows = 0;
            ex->strided = false;
            ex->redo = ex->by_row = ex->hand = ex->handing = -1;
            ex->handed = ex->hands = 0;
            ex->proof = PF_PROOF_UNKNOWN;
            ex->gave_up = false;
            ex->report = report;
            hold_collector(ex);
            status = try_native(ex, call, &settings, iterator);
            let_collector_go(ex);
            free_exec(ex);
        } else if (PyErr_Occurred()) {
            status = -1;
        } else {
            refuse(&report->refusal, pf_unread_reason(call->iterable));
        }
        Py_XDECREF(iterator);
    }
    pf_stats_now.calls++;
    if (report->native) {
        pf_stats_now.calls_native++;
    } else {
        pf_stats_now.calls_fallback++;
        pf_stats_now.reasons[report->refusal.reason]++;
        if (settings.log_fallback) {
            log_once(&report->refusal);
        }
    }
    pf_keep_report(report);
    return status;
}

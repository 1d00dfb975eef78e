/* Whether a call is to run natively, and the run set up below the real chain (exec.h). */
#include "exec_internal.h"

#include <string.h>

#include "../core/base/mem.h"
#include "loops.h"
#include "reasons.h"

enum { PLANNING_DEPTH = 32, SMALL_ROWS = 16, SMALL_SEGMENT = 32, SMALL_LOOPS = 64, SMALL_SIDE = 256 };

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

int pf_exec_depth_left(void)
{
    PyThreadState *tstate = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030c0000
    return tstate->py_recursion_remaining;
#else
    return tstate->recursion_remaining;
#endif
}

/* ---- setting up ---- */

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

int pf_exec_ended(pf_exec *ex)
{
    if (PyErr_Occurred()) {
#ifndef PF_PLANTED_BUG_SWALLOWED_EXCEPTION
        if (ex->sink->lets_stop_out || !PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return -1;
        }
#endif
        PyErr_Clear();
    }
    return pf_exec_close(ex, INT64_MAX) ? 1 : pf_later_raise(&ex->later);
}

/* The consumer's loop: 1 done, -1 exception, PF_EXEC_MORE. */
static int pull(pf_exec *ex)
{
    PyObject *item;
    bool over;
    while ((item = pf_feed_pull(ex->feed, &over)) != NULL) {
        int status = pf_exec_take(ex, item);
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
        if (pf_exec_may_go_on(ex) && pf_feed_is_transparent(ex->feed) && pf_later_is_over(&ex->later) &&
            (ex->sides != NULL || pf_exec_moved_on(ex))) {
            return PF_EXEC_MORE;
        }
    }
    return over ? PF_EXEC_MORE : pf_exec_ended(ex);
}

/* The source may raise when the rest of a block is taken. */
static int detach(pf_exec *ex, int status)
{
    pf_feed_detach(ex->feed);
    return PyErr_Occurred() ? -1 : status;
}

static void finish_report(pf_exec *ex, PyCodeObject *few)
{
    pf_run_stats stats;
    pf_run_get_stats(ex->run, &stats);
    if (few != NULL) {
        pf_loops_made(few, stats.inner_rows);
    }
    pf_report *report = ex->report;
    report->rows_native += stats.rows_native;
    report->rows_replayed += ex->failed + ex->handed;
    report->compute_ns += stats.compute_ns;
    report->windows += stats.window_count;
    report->morsels += stats.morsels;
    report->workers = stats.workers_used > report->workers ? stats.workers_used : report->workers;
    pf_stats_now.rows_native += stats.rows_native;
    pf_stats_now.rows_replayed += ex->failed + ex->handed;
    if (ex->gave_up) {
        int64_t left = ex->rows - pf_exec_frontier(ex);
        left = left > 0 ? left : 0;
        report->rows_fallback += left;
        pf_stats_now.rows_fallback += left;
    }
    const bool whole = ex->sides == NULL && ex->nstrung == 0; /* else a few rows of many, of runs to come */
    if ((ex->gave_up && !ex->unproved) || (whole && pf_exec_fails_too_often(ex, pf_exec_frontier(ex)))) {
        pf_pyplan_rest(ex->plan);
    } else {
        pf_pyplan_did_well(ex->plan);
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
    pf_feed_ops ops = {pf_exec_next_row, ex, ex->sink->type->block, pf_exec_close};
    if (ex->sides != NULL) {
        ops.sides = ex->sides->feed;
        ops.nsides = ex->sides->n;
    }
    if (pf_exec_make_run(ex, settings) < 0) {
        pf_refuse(&ex->report->refusal, PF_REASON_NO_MEMORY);
        return 0;
    }
    ex->feed = pf_feed_attach(iterator, &ex->chain, &ops);
    let_collector_go(ex);
    if (ex->feed == NULL) {
        PyErr_Clear();
        pf_run_free(ex->run);
        pf_refuse(&ex->report->refusal, PF_REASON_NO_MEMORY);
        return 0;
    }
    ex->sink->plan = ex->plan;
    ex->sink->run = ex->run;
    ex->sink->wary = !ex->sink->type->stores;
    ex->sink->foreign = false;
    Py_XINCREF(few); /* the chain lets go of what has ended */
    if (ex->core->sink == PF_SINK_ISUM && ex->plan->step.row_first) {
        ex->sink->hungry = false; /* unless it turns out that there is but one: then it is the result itself */
    }
    /* mostly the first row is the sink's first object: nothing is computed that would have to be dropped for it */
    ex->handing = ex->sink->hungry && !pf_exec_calls(ex) ? 0 : -1;
    ex->hand_end = pf_exec_rows(ex) > 0 ? 1 : 0;
    int status = pull(ex);
    ex->sink->run = NULL;
    status = detach(ex, status);
    pf_later_clear(&ex->later);
    ex->done = pf_exec_frontier(ex);
    finish_report(ex, few);
    Py_XDECREF(few);
    pf_run_free(ex->run);
    ex->report->native = true;
    return status;
}

/* The code of the generator expression that may make a lot of work of few rows, or NULL. *loops: there is one, though
 * it may rest; `counts`: for one call more. */
static PyCodeObject *multiplier(const pf_chain *chain, bool counts, bool *loops)
{
    for (int i = 0; i < chain->nnodes; i++) {
        PyCodeObject *code = chain->nodes[i].kind == PF_NODE_GENEXPR ? (PyCodeObject *)chain->nodes[i].func : NULL;
        pf_loop *loop = code != NULL ? pf_loop_of(code) : NULL;
        if (loop != NULL && loop->nested) {
            *loops = true;
            if (counts ? pf_loop_begins(loop) : loop->rest == 0) {
                return code;
            }
        }
    }
    return NULL;
}

/* The rows that may be computed beside the chain are too few. *few: what makes few rows worth it. */
static bool too_small(pf_exec *ex, const pf_settings *settings, bool planned, PyCodeObject **few)
{
    if (ex->sides == NULL || ex->seen != &ex->chain) { /* else rows are not numbered yet */
        ex->rows = pf_feed_limit(&ex->chain, ex->rows, planned);
    }
    bool loops = false;
    if (*few == NULL && settings->min_rows == 0 && ex->rows > 0 && ex->rows < SMALL_LOOPS) {
        *few =
            multiplier(&ex->chain, !planned && ex->rows >= SMALL_ROWS, &loops); /* fewer were counted in the glance */
    }
    int64_t least = *few != NULL             ? 1
                    : settings->min_rows > 0 ? settings->min_rows
                    : ex->sides != NULL      ? (ex->seen == &ex->chain ? SMALL_SIDE : 1)
                    : ex->nstrung > 0        ? SMALL_SEGMENT /* what a run costs may come many times */
                    : loops                  ? SMALL_LOOPS
                                             : SMALL_ROWS;
    if (ex->rows > 0 && ex->rows < least && pf_chain_flattens_many(&ex->chain, least)) {
        least = 1;
    }
    if (ex->rows < least) {
        pf_refuse(&ex->report->refusal, PF_REASON_SMALL);
    }
    return ex->rows < least;
}

/* Why the source's rows say nothing of where a fold's blocks end: then they are of the chain's own items. 0: they do.
 */
static int unread_by_block(const pf_chain *chain)
{
    return chain->in_row              ? PF_REASON_STEP_STATE
           : pf_chain_goes_on(chain)  ? PF_REASON_SEGMENT
           : pf_chain_flattens(chain) ? PF_REASON_CONSUMER
                                      : 0;
}

/* Reads the chain, as far as its rows can be numbered. 1, or 0: refused, -1: exception. */
static int read_chain(pf_exec *ex, const pf_call *call, PyObject *iterator)
{
    pf_report *report = ex->report;
    const bool by_block =
        call->sink->type->block > 0; /* at every so-manieth row of all segments, or of the first leaf */
    int read = pf_chain_read(iterator, &ex->chain);
    if (!by_block) {
        pf_exec_note_segments(ex);
    }
    if (read <= 0) {
        pf_refuse(&report->refusal, ex->chain.reason);
        return read;
    }
    pf_gather_init(&ex->gather, NULL, &ex->chain, &ex->rows);
    int reason = by_block ? unread_by_block(&ex->chain) : 0;
    reason = reason != 0 ? reason : pf_sides_find(&ex->chain, &ex->sides);
    if (ex->sides != NULL && (by_block || ex->chain.in_row)) {
        reason = PF_REASON_UNALIGNED;
    }
    pf_refuse(&report->refusal, reason);
    ex->sided = ex->sides != NULL;
    return reason == 0;
}

/* Before time is spent on a plan. */
static bool may_plan(pf_exec *ex, const pf_settings *settings, PyCodeObject **few)
{
    if (too_small(ex, settings, false, few)) {
        return false;
    }
    if (pf_is_traced()) {
        pf_refuse(&ex->report->refusal, PF_REASON_TRACED);
        return false;
    }
    if (pf_exec_depth_left() < PLANNING_DEPTH) { /* making a plan takes a few levels itself */
        pf_refuse(&ex->report->refusal, PF_REASON_DEPTH);
        return false;
    }
    return true;
}

static pf_feed_answer alone(void *ctx, int64_t *row, bool single)
{
    (void)ctx;
    (void)row;
    (void)single;
    return PF_FEED_TRANSPARENT;
}

/* The sides give nothing that makes a row, after so many items of their leaves: the chain goes on behind those. */
static int leap(pf_exec *ex, PyObject *iterator)
{
    pf_feed_ops ops = {alone, ex, .sides = ex->sides->feed, .nsides = ex->sides->n};
    ex->feed = pf_feed_attach(iterator, &ex->chain, &ops);
    let_collector_go(ex);
    if (ex->feed == NULL) {
        return -1;
    }
    ex->report->native = true;
    int status = pull(ex);
    ex->done =
        pf_feed_has_moved(ex->feed) ? pf_sides_gain(ex->sides, 0) : 0; /* what an islice skips is still to be skipped */
    return detach(ex, status);
}

/* The counters of a plan, in the chain that it was made for and in that which the feed has. */
static void mark(pf_exec *ex)
{
    if (ex->sides == NULL) {
        pf_plan_mark(ex->plan, &ex->chain);
        return;
    }
    pf_chain *seen = &ex->sides->chain;
    pf_plan_mark(ex->plan, seen);
    for (int n = 0; n < seen->nnodes; n++) {
        ex->chain.nodes[ex->sides->real[n]].counter = seen->nodes[n].counter;
    }
    ex->chain.expands = seen->expands;
}

/* Is there a generator expression that makes any amount of work of a row, or another such step? *stops: where CPython
 * stops in it, we can go on. */
static bool has_loops(const pf_exec *ex, bool *stops)
{
    bool loops = false;
    *stops = ex->sink->type->block == 0;
    for (int i = 0; i < ex->chain.nnodes; i++) {
        const pf_node *node = &ex->chain.nodes[i];
        const bool nested = node->kind == PF_NODE_GENEXPR && pf_loops_nested((PyCodeObject *)node->func);
        loops |= nested || node->kind == PF_NODE_FLATTEN;
        *stops = *stops && node->kind != PF_NODE_FLATTEN && (!nested || pf_chain_may_stop_in_row(&ex->chain, i));
    }
    return loops;
}

/* Rows that speak for a plan; 0: it is to be made, since the rows may be any amount of work, or sides have been
 * planned. *look: CPython looks first, for a while, since many a search ends near its beginning, and many loops are
 * short: those of the row that it stops in remain its own, so there have to be others. */
static int64_t at_stake(const pf_exec *ex, const pf_settings *settings, bool *look)
{
    enum { ITEMS_OF_A_LOOP = 16 };
    *look = false;
    if (settings->min_rows == 1 || ex->sides != NULL) {
        return 0;
    }
    const bool first = ex->wanted == 0;
    if (first && pf_exec_may_end_soon(ex)) {
        *look = true;
        return 1;
    }
    bool stops;
    if (!has_loops(ex, &stops)) {
        return ex->rows;
    }
    *look = first && stops && ex->rows >= SMALL_ROWS;
    return *look ? ex->rows * ITEMS_OF_A_LOOP : 0;
}

static int try_native(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator)
{
    pf_report *report = ex->report;
    PyCodeObject *few = NULL;
    int status = read_chain(ex, call, iterator);
    if (status <= 0) {
        return status;
    }
    if (!may_plan(ex, settings, &few)) {
        return 0;
    }
    status = ex->sides != NULL ? pf_exec_run_sides(ex, settings) : 1;
    if (status <= 0) {
        return status;
    }
    if (ex->rows == 0) {
        return leap(ex, iterator);
    }
    report->rows += ex->rows;
    bool look;
    ex->request = (pf_request){.chain = ex->seen,
                               .consumer = call->consumer,
                               .extra = call->extra,
                               .nextra = call->nextra,
                               .flavour = call->sink->type->begin(call->sink),
                               .rows = at_stake(ex, settings, &look)};
    ex->plan = pf_plan_find(&ex->request, ex->params, &report->refusal);
    if (ex->plan == NULL) {
        if (look && report->refusal.reason == PF_REASON_NEW) {
            ex->plainly = PF_LOOK_FIRST;
            ex->wanted = 1;
        }
        return PyErr_Occurred() ? -1 : 0;
    }
    mark(ex);
    if (too_small(ex, settings, true, &few)) {
        return 0;
    }
    status = 0;
    ex->ntables = pf_watches_tables(&ex->plan->watches, ex->tables, &ex->searched);
    if (ex->plan->rest > 0 && settings->min_rows != 1) {
        ex->plan->rest--;
        pf_refuse(&report->refusal, PF_REASON_BACKING_OFF);
    } else if (call->consumer == PF_CONSUME_REDUCE && ex->plan->step.n == 0 && settings->min_rows != 1) {
        pf_refuse(&report->refusal,
                  PF_REASON_NOT_ASSOCIATIVE); /* boxing rows for a function CPython calls gains nothing */
    } else if (settings->min_rows != 1 && pf_plan_is_idle(ex->plan, &ex->chain)) {
        pf_refuse(&report->refusal, PF_REASON_NOTHING_TO_COMPUTE);
    } else if (pf_exec_depth_left() < ex->plan->depth + ex->chain.nnodes + 4) {
        pf_refuse(&report->refusal, PF_REASON_DEPTH);
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

/* The report gets the plan of the first run, or else what came nearest to one. */
static void give_plan(pf_exec *ex)
{
    pf_pyplan *plan = ex->plan;
    if (ex->reported && plan != NULL) {
        plan = ex->report->plan;
        ex->report->plan = ex->plan;
    }
    ex->plan = NULL;
    pf_pyplan_release(plan);
}

int pf_exec_try(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator)
{
    ex->plan = NULL;
    ex->run = NULL;
    ex->feed = NULL;
    ex->failed = ex->rows = 0;
    ex->strided = false;
    ex->redo = ex->hand = ex->handing = -1;
    ex->handed = ex->hands = 0;
    ex->proof = PF_PROOF_UNKNOWN;
    ex->telling = PF_TURNS_UNKNOWN;
    ex->gave_up = ex->unproved = false;
    ex->forced = settings->min_rows == 1;
    ex->reported = !ex->report->native;
    ex->sides = NULL;
    ex->sided = false;
    ex->seen = &ex->chain;
    ex->plainly = ex->done = 0;
    ex->cut = false;
    hold_collector(ex);
    int status = try_native(ex, call, settings, iterator);
    let_collector_go(ex);
    if (ex->seen != &ex->chain && settings->min_rows == 0) {
        pf_sides_judge(ex->sides, !ex->cut || ex->done >= PF_LEAST_ROWS);
    }
    pf_sides_free(ex->sides);
    ex->sides = NULL;
    give_plan(ex);
    pf_plans_release_dropped();
    return status;
}

/* Items of anything, which are rows themselves. */
static int pull_blocks(pf_exec *ex, PyObject *iterator)
{
    int64_t row = 0, start;
    do {
        PyObject *item;
        for (start = row; row < start + ex->sink->type->block && (item = PyIter_Next(iterator)) != NULL; row++) {
            int status = pf_later_add(&ex->later, item, row);
            Py_DECREF(item);
            if (status < 0) {
                return -1;
            }
        }
        if (PyErr_Occurred()) {
            return -1;
        }
        if (!pf_exec_close(ex, INT64_MAX)) {
            return pf_later_raise(&ex->later);
        }
    } while (row > start);
    return 1;
}

int pf_exec_by_block(const pf_call *call)
{
    PyObject *iterator = PyObject_GetIter(call->iterable);
    pf_exec *ex = iterator != NULL ? new_exec() : NULL;
    int status = -1;
    if (ex != NULL) {
        int read = pf_chain_read(iterator, &ex->chain);
        ex->sink = call->sink;
        ex->sink->wary = false;
        ex->sides = NULL;
        ex->sided = false;
        ex->nstrung = 0;
        if (read == 0 || (read > 0 && unread_by_block(&ex->chain) != 0)) {
            status = pull_blocks(ex, iterator);
        } else if (read > 0) {
            pf_feed_ops ops = {alone, ex, ex->sink->type->block, pf_exec_close};
            ex->feed = pf_feed_attach(iterator, &ex->chain, &ops);
            if (ex->feed != NULL) {
                status = detach(ex, pull(ex));
            }
        }
        pf_later_clear(&ex->later);
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
        pf_refuse(&report->refusal, PF_REASON_DISABLED);
    } else {
        PyObject *iterator = pf_iterator_of(call->iterable);
        pf_exec *ex = iterator != NULL ? new_exec() : NULL;
        if (ex != NULL) {
            ex->sink = call->sink;
            ex->sink->wary = ex->sink->foreign = false;
            ex->nstrung = 0;
            ex->report = report;
            status = pf_exec_runs(ex, call, &settings, iterator);
            free_exec(ex);
        } else if (PyErr_Occurred()) {
            status = -1;
        } else {
            pf_refuse(&report->refusal, pf_unread_reason(call->iterable));
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

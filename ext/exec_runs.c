/* All runs of a call, one after the other, with the same sink (exec_internal.h).
 *
 * Mostly there is one. A chain whose segments have steps of their own needs one for each:
 *
 *     chain(map(f, a), (g(x) for x in b), c)        run: map   run: genexpr   run: c
 *
 * What is read of it is the segment that comes next (chain.h), so a run is over when that has ended. If no pull is in
 * progress then, the feed has the chain leave it, and the next run begins with the first row of the next segment. Else
 * CPython goes on by itself, until the chain has moved on and given an item: from there it is read anew. So it is with
 * short segments, and where the chain is pulled after something else, zip(a, chain(...)): whether it will be is not
 * ours to say. A segment that cannot run natively ends it: no consumer of ours is faster than the builtin that it had
 * better be given to, and where it ends cannot be told for nothing.
 *
 * A chain with sides (sides.h) needs one run for every so many items of theirs. */
#include "exec_internal.h"

#include "../core/base/clock.h"
#include "introspect_layout.h"
#include "reasons.h"

enum { MOST_FRUITLESS = 4 }; /* runs in a row that came to nothing, before no more are tried */
enum { LOOK_ITEMS = 1024 };
static const int64_t TURN_NS = 5000000, LOOK_NS = 100000;

static void forget(pf_exec *ex)
{
    while (ex->nstrung > 0) {
        Py_DECREF(ex->strung[--ex->nstrung].chain);
    }
}

void pf_exec_note_segments(pf_exec *ex)
{
    for (int n = 0; n < ex->chain.nnodes && ex->nstrung < PF_MAX_STRUNG; n++) {
        const pf_node *node = &ex->chain.nodes[n];
        if (node->more) {
            int64_t read = node->kind == PF_NODE_SEGMENT ? 1 : node->nchildren;
            ex->strung[ex->nstrung].past = (Py_ssize_t)(node->count + read - (node->started ? 1 : 0));
            ex->strung[ex->nstrung++].chain = Py_NewRef(node->object);
        }
    }
}

bool pf_exec_moved_on(const pf_exec *ex)
{
    for (int i = 0; i < ex->nstrung; i++) {
        const pf_seq_iter *source = (const pf_seq_iter *)((const pf_chain_iter *)ex->strung[i].chain)->source;
        if (source == NULL || source->seq == NULL || source->index > ex->strung[i].past) {
            return true;
        }
    }
    return false;
}

/* In CPython, so many items. */
static int pull_items(pf_exec *ex, PyObject *iterator, int64_t most)
{
    if (ex->sink->type->drain != NULL) {
        int status = ex->sink->type->drain(ex->sink, iterator, most);
        return status == 0 ? pf_exec_ended(ex) : status;
    }
    PyObject *item;
    for (; most > 0; most--) {
        if ((item = Py_TYPE(iterator)->tp_iternext(iterator)) == NULL) {
            return pf_exec_ended(ex);
        }
        int status = pf_exec_take(ex, item);
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
    }
    return PF_EXEC_MORE;
}

/* Up to the next segment. */
static int pull_segment(pf_exec *ex, PyObject *iterator)
{
    int status = PF_EXEC_MORE;
    while (status == PF_EXEC_MORE && !pf_exec_moved_on(ex)) {
        status = pull_items(ex, iterator, 1);
        ex->report->rows_fallback++;
        pf_stats_now.rows_fallback++;
    }
    return status;
}

/* Many a search ends near its beginning. */
static int look_first(pf_exec *ex, PyObject *iterator)
{
    const int64_t begin = pf_clock_ns();
    int status = PF_EXEC_MORE;
    for (int64_t n = 1; n <= LOOK_ITEMS && status == PF_EXEC_MORE && pf_clock_ns() - begin < LOOK_NS; n *= 2) {
        status = pull_items(ex, iterator, n);
    }
    return status;
}

static int pull_some(pf_exec *ex, PyObject *iterator)
{
    pf_exec_calm(ex);
    return ex->plainly < 0   ? look_first(ex, iterator)
           : ex->plainly > 0 ? pull_items(ex, iterator, ex->plainly)
                             : pull_segment(ex, iterator);
}

/* To the end. */
static int pull_rest(pf_exec *ex, PyObject *iterator)
{
    int status = PF_EXEC_MORE;
    ex->sink->wary = false;
    while (status == PF_EXEC_MORE) {
        status = pull_items(ex, iterator, INT64_MAX);
    }
    return status;
}

/* Refused for what comes next, not for what may follow. */
static bool may_try_again(const pf_exec *ex)
{
    const int reason = ex->report->refusal.reason;
    bool is_short =
        ex->nstrung > 0 && (reason == PF_REASON_SMALL || reason == PF_REASON_EXHAUSTED || reason == PF_REASON_NEW);
    return (is_short || ex->plainly != 0) && !ex->sink->foreign;
}

/* Threads and signal handlers have their turn between runs too, however short those are. -1 with an exception. */
static int give_turns(pf_exec *ex)
{
    const int64_t now = pf_clock_ns(), last = ex->turn > 0 ? ex->turn : now;
    ex->turn = last;
    if (now - last < TURN_NS) {
        return 0;
    }
    ex->turn = now;
    Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS return PyErr_CheckSignals();
}

/* A run has ended, or was refused: on to the next. */
static int go_on(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator, int status,
                 bool again)
{
    if (!again) {
        return pull_rest(ex, iterator);
    }
    if (status == 0) {
        status = pull_some(ex, iterator);
    }
    if (status != PF_EXEC_MORE) {
        return status;
    }
    forget(ex);
    ex->got_over = ex->done;
    return give_turns(ex) < 0 ? -1 : ex->sink->foreign ? 0 : pf_exec_try(ex, call, settings, iterator);
}

int pf_exec_runs(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator)
{
    ex->wanted = ex->got_over = ex->turn = 0;
    int status = pf_exec_try(ex, call, settings, iterator), fruitless = 0;
    if (status != PF_EXEC_MORE && (status != 0 || !may_try_again(ex))) {
        forget(ex);
        return status;
    }
    const pf_refusal first = ex->report->refusal;
    while (status == 0 || status == PF_EXEC_MORE) {
        const bool little = ex->sided && ex->done < (settings->min_rows > 0 ? 1 : PF_LEAST_ROWS);
        fruitless = status == 0 || little ? fruitless + 1 : 0;
        const int most = ex->cut && settings->min_rows == 0 ? 0 : MOST_FRUITLESS;
        const bool again = fruitless <= most && (status == PF_EXEC_MORE ? !ex->sink->foreign : may_try_again(ex));
        status = go_on(ex, call, settings, iterator, status, again);
    }
    forget(ex);
    ex->report->refusal = ex->report->native ? (pf_refusal){0} : first;
    return status;
}

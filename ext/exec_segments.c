/* Chains of segments with steps of their own: one run after the other, with the same sink (exec_internal.h).
 *
 *     chain(map(f, a), (g(x) for x in b), c)        run: map   run: genexpr   run: c
 *
 * What is read of such a chain is the segment that comes next (chain.h), so a run is over when that has ended. If no
 * pull is in progress then, the feed has the chain leave it, and the next run begins with the first row of the next
 * segment. Else CPython goes on by itself, until the chain has moved on and given an item: from there it is read anew.
 * So it is with segments that do not run natively, and with rows of a chain that is pulled after something else, zip(a,
 * chain(...)): whether it will be is not ours to say. */
#include "exec_internal.h"

#include "introspect_layout.h"
#include "reasons.h"

enum { MOST_FRUITLESS = 4 }; /* short segments in a row, before no more are looked at */

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

/* In CPython, up to the next segment. */
static int pull_segment(pf_exec *ex, PyObject *iterator)
{
    PyObject *item;
    pf_exec_calm(ex);
    while ((item = Py_TYPE(iterator)->tp_iternext(iterator)) != NULL) {
        int status = pf_exec_take(ex, item);
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
        ex->report->rows_fallback++;
        pf_stats_now.rows_fallback++;
        if (pf_exec_moved_on(ex)) {
            return PF_EXEC_MORE;
        }
    }
    return pf_exec_ended(ex);
}

/* In CPython, to the end. */
static int pull_rest(pf_exec *ex, PyObject *iterator)
{
    ex->sink->wary = false;
    if (ex->sink->type->drain != NULL) {
        return ex->sink->type->drain(ex->sink, iterator) < 0 ? -1 : pf_exec_ended(ex);
    }
    PyObject *item;
    while ((item = Py_TYPE(iterator)->tp_iternext(iterator)) != NULL) {
        int status = ex->sink->type->object(ex->sink, item);
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
    }
    return pf_exec_ended(ex);
}

/* Is the segment that comes next refused for being short, and does another follow? */
static bool is_short_of_several(const pf_exec *ex)
{
    const int reason = ex->report->refusal.reason;
    return ex->nstrung > 0 && (reason == PF_REASON_SMALL || reason == PF_REASON_EXHAUSTED);
}

int pf_exec_segments(pf_exec *ex, const pf_call *call, const pf_settings *settings, PyObject *iterator)
{
    int status = pf_exec_try(ex, call, settings, iterator), fruitless = 0;
    const pf_refusal first = ex->report->refusal;
    if (status == 0 && !is_short_of_several(ex)) {
        forget(ex);
        return 0;
    }
    while (status == 0 || status == PF_EXEC_MORE) {
        fruitless = status == 0 ? fruitless + 1 : 0;
        if (status == 0) {
            bool goes_on = is_short_of_several(ex) && fruitless <= MOST_FRUITLESS && !ex->sink->foreign;
            status = goes_on ? pull_segment(ex, iterator) : pull_rest(ex, iterator);
        }
        if (status == PF_EXEC_MORE) {
            forget(ex);
            status = ex->sink->foreign ? 0 : pf_exec_try(ex, call, settings, iterator);
        }
    }
    forget(ex);
    ex->report->refusal = ex->report->native ? (pf_refusal){0} : first;
    return status;
}

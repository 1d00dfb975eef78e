/* reduce (left to right), fold (a tree over blocks of 4,096 source rows), and the consumers that stop at one item.
 *
 * Where the plan knows what the function does (pf_step) pieces go to an accumulator in numbers. Else, and for rows that CPython has
 * computed, the function is called from here, never within a window (later.h). */
#include <string.h>

#include "replay.h"
#include "sink.h"

/* *acc = function(*acc, item); item is borrowed. */
static int combine(PyObject *function, PyObject **acc, PyObject *item)
{
    if (*acc == NULL) {
        *acc = Py_NewRef(item);
        return 0;
    }
    PyObject *args[2] = {*acc, item};
    PyObject *next = PyObject_Vectorcall(function, args, 2, NULL);
    if (next == NULL) {
        return -1;
    }
    Py_SETREF(*acc, next);
    return 0;
}

/* The same for an accumulator. */
static int accumulate(pf_sink *base, PyObject *function, pf_accum *acc, PyObject *item)
{
    PyObject *object = pf_accum_object(acc);
    if (object == NULL && PyErr_Occurred()) {
        return -1;
    }
    object = Py_XNewRef(object);
    int status = combine(function, &object, item);
    if (status < 0) {
        Py_XDECREF(object);
        return -1;
    }
    base->foreign |= base->wary && !pf_is_harmless(object);
    pf_accum_set(acc, object);
    base->hungry = false;
    return 0;
}

/* A piece that the accumulator cannot take as it is: perhaps it can after the next row. */
static int accumulate_piece(pf_sink *base, pf_accum *acc, const pf_piece *piece)
{
    const pf_pyplan *plan = base->plan;
    int guess;
    if (!pf_accum_piece(acc, &plan->step, plan->core.sink, piece, &guess)) {
        PyErr_Clear();
        base->hungry = true;
        return PF_SINK_HAND;
    }
    if (plan->core.sink == PF_SINK_FSUM) {
        pf_run_set_guess(base->run, guess, false);
    }
    return 0;
}

/* PF_START_*: what the accumulator starts from. */
static int start_of(PyObject *initial)
{
    if (initial == NULL) {
        return PF_START_NONE;
    }
    if (PyTuple_CheckExact(initial) && PyTuple_GET_SIZE(initial) <= PF_MAX_PARTS) {
        return PF_START_TUPLE + (int)PyTuple_GET_SIZE(initial);
    }
    return PyLong_Check(initial) ? PF_START_INT : PF_START_OTHER;
}

/* ---- reduce ---- */

static int reduce_begin(pf_sink *base)
{
    PyObject *object = pf_accum_object(&((pf_reduce_sink *)base)->acc);
    if (object == NULL && PyErr_Occurred()) {
        PyErr_Clear();
        return PF_START_OTHER;
    }
    return start_of(object);
}

static int reduce_piece(pf_sink *base, const pf_piece *piece)
{
    return piece->count == 0 ? 0 : accumulate_piece(base, &((pf_reduce_sink *)base)->acc, piece);
}

static int reduce_object(pf_sink *base, PyObject *item)
{
    pf_reduce_sink *sink = (pf_reduce_sink *)base;
    return accumulate(base, sink->function, &sink->acc, item);
}

static const pf_sink_type reduce_type = {
    .begin = reduce_begin, .piece = reduce_piece, .object = reduce_object, .calls = true};

void pf_reduce_init(pf_reduce_sink *sink, PyObject *function, PyObject *initial)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &reduce_type;
#ifndef PF_PLANTED_BUG_REDUCE_FIRST_ROW_STEPPED
    sink->base.hungry = initial == NULL;
#endif
    sink->function = function;
    sink->acc.object = Py_XNewRef(initial);
}

PyObject *pf_reduce_result(pf_reduce_sink *sink)
{
    return Py_XNewRef(pf_accum_object(&sink->acc));
}

void pf_reduce_clear(pf_reduce_sink *sink) { pf_accum_clear(&sink->acc); }

/* ---- fold ---- */

/* Closes the block being folded when the next row belongs to another one. */
static int turn_to(pf_fold_sink *sink, int64_t row)
{
#ifdef PF_PLANTED_BUG_FOLD_BLOCK_SHIFTED
    int64_t number = (row + 1) / PF_FOLD_BLOCK;
#else
    int64_t number = row / PF_FOLD_BLOCK;
#endif
    if (number == sink->number) {
        return 0;
    }
    sink->number = number;
    if (pf_accum_is_empty(&sink->block)) {
        return 0;
    }
    PyObject *block = pf_accum_object(&sink->block);
    if (block == NULL || (sink->results == NULL && (sink->results = PyList_New(0)) == NULL) ||
        PyList_Append(sink->results, block) < 0) {
        return -1;
    }
    pf_accum_clear(&sink->block);
    return 0;
}

static void start_block(pf_fold_sink *sink)
{
    if (pf_accum_is_empty(&sink->block) && sink->identity != NULL) {
        pf_accum_set(&sink->block, Py_NewRef(sink->identity));
    }
}

static int fold_piece(pf_sink *base, const pf_piece *piece)
{
    pf_fold_sink *sink = (pf_fold_sink *)base;
    if (piece->count == 0) {
        return 0;
    }
    if (turn_to(sink, piece->row_begin) < 0) {
        return -1;
    }
    start_block(sink);
    return accumulate_piece(base, &sink->block, piece);
}

static int fold_object(pf_sink *base, PyObject *item)
{
    pf_fold_sink *sink = (pf_fold_sink *)base;
    if (turn_to(sink, base->row) < 0) {
        return -1;
    }
    start_block(sink);
    return accumulate(base, sink->function, &sink->block, item);
}

static int fold_begin(pf_sink *base)
{
    return start_of(((const pf_fold_sink *)base)->identity);
}

static const pf_sink_type fold_type = {
    .begin = fold_begin, .piece = fold_piece, .object = fold_object, .calls = true, .block = PF_FOLD_BLOCK};

void pf_fold_init(pf_fold_sink *sink, PyObject *function, PyObject *identity, PyObject *combine_function)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &fold_type;
    sink->base.hungry = identity == NULL; /* one row alone is the result itself */
    sink->function = function;
    sink->identity = identity;
    sink->combine = combine_function;
}

PyObject *pf_fold_result(pf_fold_sink *sink)
{
    if (turn_to(sink, (sink->number + 1) * PF_FOLD_BLOCK) < 0) {
        return NULL;
    }
    PyObject *result = NULL, *function = sink->combine != NULL ? sink->combine : sink->function;
    for (Py_ssize_t i = 0; sink->results != NULL && i < PyList_GET_SIZE(sink->results); i++) {
        if (combine(function, &result, PyList_GET_ITEM(sink->results, i)) < 0) {
            Py_CLEAR(result);
            break;
        }
    }
    return result;
}

void pf_fold_clear(pf_fold_sink *sink)
{
    pf_accum_clear(&sink->block);
    Py_CLEAR(sink->results);
}

/* ---- any, all, next ---- */

static int first_piece(pf_sink *base, const pf_piece *piece)
{
    (void)base;
    (void)piece;
    return 0;
}

static int first_object(pf_sink *base, PyObject *item)
{
    pf_first_sink *sink = (pf_first_sink *)base;
    int found = 1;
    if (sink->wanted >= 0) {
        int truth = PyObject_IsTrue(item);
        if (truth < 0) {
            return -1;
        }
        found = truth == sink->wanted;
    }
    if (found) {
        sink->item = Py_NewRef(item);
    }
    return found;
}

static int first_drain(pf_sink *base, PyObject *iterator, int64_t most)
{
    const pf_first_sink *sink = (const pf_first_sink *)base;
    const PyObject *other = sink->wanted == 1 ? Py_False : sink->wanted == 0 ? Py_True : NULL;
    for (; most > 0; most--) {
        PyObject *item = Py_TYPE(iterator)->tp_iternext(iterator);
        int status = 0;
        if (item == NULL) {
            return 0;
        }
        if (item != other) {
            base->foreign |= base->wary && !pf_is_harmless(item);
            status = first_object(base, item);
        }
        Py_DECREF(item);
        if (status != 0) {
            return status;
        }
    }
    return PF_SINK_MORE;
}

static int first_begin(pf_sink *base)
{
    (void)base;
    return 0;
}

static const pf_sink_type first_type = {
    .begin = first_begin, .piece = first_piece, .object = first_object, .drain = first_drain, .searches = true};

void pf_first_init(pf_first_sink *sink, int wanted)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &first_type;
    sink->base.lets_stop_out = wanted < 0;
    sink->wanted = wanted;
}

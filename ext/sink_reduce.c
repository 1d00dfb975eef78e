/* reduce (left to right), fold (a tree over blocks of 4,096 source rows), and the consumers that stop at one item.
 *
 * The function is called from here only where the plan found no monoid, and never within a window (later.h). */
#include <string.h>

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

/* The sum of exact ints that a piece is. A first row that is the only one so far is itself the answer, and may be a source's own
 * object: that is for CPython to give. Behind anything but an exact int (an initial value, a row that CPython added) the order
 * of additions may show. */
static int reduce_isum(pf_reduce_sink *sink, const pf_piece *piece)
{
    bool passes = sink->result == NULL && piece->count == 1 && sink->base.plan->shape[0].handle >= 0;
    if (passes || (sink->result != NULL && !PyLong_CheckExact(sink->result))) {
        sink->base.row = piece->row_begin;
        return PF_SINK_REDO;
    }
    PyObject *sum = pf_box_isum(piece);
    PyObject *next = sum == NULL ? NULL : sink->result == NULL ? Py_NewRef(sum) : PyNumber_Add(sink->result, sum);
    Py_XDECREF(sum);
    if (next == NULL) {
        return -1;
    }
    Py_XSETREF(sink->result, next);
    return 0;
}

/* ---- reduce ---- */

/* The smallest or largest exact int that a piece has; of equal ones the first stays, as it does in the function. */
static int reduce_extreme(pf_reduce_sink *sink, const pf_piece *piece)
{
    const pf_pyplan *plan = sink->base.plan;
    if (sink->result != NULL && !PyLong_CheckExact(sink->result)) { /* an initial value of another type */
        sink->base.row = piece->row_begin;
        return PF_SINK_REDO;
    }
    PyObject *item = piece->has_best ? pf_box_scalars(plan, piece->best) : NULL;
    if (item == NULL) {
        return piece->has_best ? -1 : 0;
    }
    int better = sink->result == NULL ? 1 : PyObject_RichCompareBool(item, sink->result, plan->core.sink == PF_SINK_MIN ? Py_LT : Py_GT);
    if (better > 0) {
        Py_XSETREF(sink->result, Py_NewRef(item));
    }
    Py_DECREF(item);
    return better < 0 ? -1 : 0;
}

static int reduce_piece(pf_sink *base, const pf_piece *piece)
{
    pf_reduce_sink *sink = (pf_reduce_sink *)base;
    if (piece->count == 0) {
        return 0;
    }
    return base->plan->core.sink == PF_SINK_ISUM ? reduce_isum(sink, piece) : reduce_extreme(sink, piece);
}

static int reduce_object(pf_sink *base, PyObject *item)
{
    pf_reduce_sink *sink = (pf_reduce_sink *)base;
    return combine(sink->function, &sink->result, item);
}

static const pf_sink_type reduce_type = {reduce_piece, reduce_object, true};

void pf_reduce_init(pf_reduce_sink *sink, PyObject *function, PyObject *initial)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &reduce_type;
    sink->function = function;
    sink->result = Py_XNewRef(initial);
}

void pf_reduce_clear(pf_reduce_sink *sink) { Py_CLEAR(sink->result); }

/* ---- fold ---- */

/* Closes the block being folded when the next row belongs to another one. */
static int turn_to(pf_fold_sink *sink, int64_t row)
{
    int64_t number = row / PF_FOLD_BLOCK;
    if (number == sink->number) {
        return 0;
    }
    sink->number = number;
    if (sink->block == NULL) {
        return 0;
    }
    PyObject *block = sink->block;
    sink->block = NULL;
    int status = combine(sink->combine != NULL ? sink->combine : sink->function, &sink->result, block);
    Py_DECREF(block);
    return status;
}

static int fold_one(pf_fold_sink *sink, PyObject *item)
{
    if (sink->block == NULL && sink->identity != NULL) {
        sink->block = Py_NewRef(sink->identity);
    }
    return combine(sink->function, &sink->block, item);
}

static int fold_object(pf_sink *base, PyObject *item)
{
    pf_fold_sink *sink = (pf_fold_sink *)base;
    return turn_to(sink, base->row) < 0 ? -1 : fold_one(sink, item);
}

static const pf_sink_type fold_type = {NULL, fold_object, true};

void pf_fold_init(pf_fold_sink *sink, PyObject *function, PyObject *identity, PyObject *combine_function)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &fold_type;
    sink->function = function;
    sink->identity = identity;
    sink->combine = combine_function;
}

PyObject *pf_fold_result(pf_fold_sink *sink)
{
    if (turn_to(sink, (sink->number + 1) * PF_FOLD_BLOCK) < 0) {
        return NULL;
    }
    PyObject *result = sink->result;
    sink->result = NULL;
    return result;
}

void pf_fold_clear(pf_fold_sink *sink)
{
    Py_CLEAR(sink->block);
    Py_CLEAR(sink->result);
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

static const pf_sink_type first_type = {first_piece, first_object};

void pf_first_init(pf_first_sink *sink, int wanted)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &first_type;
    sink->wanted = wanted;
}

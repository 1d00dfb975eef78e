/* sum: CPython's own three phases, fed by pieces and by objects.
 *
 * INT while everything was an int and fitted a C long, FLOAT from the first float on, GENERIC (PyNumber_Add) for the rest.
 * In FLOAT, up to 3.11 floats are added plainly, from 3.12 they are compensated; ints are added plainly by both.
 * The phases, and what leaves them, follow Python/bltinmodule.c of the running version. */
#include <math.h>
#include <string.h>

#include "pylong.h"
#include "replay.h"
#include "sink.h"

#if PY_VERSION_HEX >= 0x030c0000
#define FLAVOUR PF_FSUM_NEUMAIER
#else
#define FLAVOUR PF_FSUM_PLAIN
#endif

/* The running value as an object; the phase becomes GENERIC. */
static int leave_phase(pf_sum_sink *sink)
{
    if (sink->phase == PF_SUM_GENERIC) {
        return 0;
    }
    sink->result = sink->phase == PF_SUM_INT ? pf_box_i128(sink->total) : PyFloat_FromDouble(pf_fsum_result(&sink->floats));
    sink->phase = PF_SUM_GENERIC;
    return sink->result == NULL ? -1 : 0;
}

static int add_object(pf_sum_sink *sink, PyObject *item)
{
    PyObject *sum = PyNumber_Add(sink->result, item);
    Py_XSETREF(sink->result, sum);
    return sum == NULL ? -1 : 0;
}

static void enter_float(pf_sum_sink *sink, double value)
{
    sink->phase = PF_SUM_FLOAT;
    sink->floats = (pf_fsum){.sum = value, .c = 0.0, .flavour = FLAVOUR};
}

/* An item that the INT phase cannot take: PyNumber_Add once, and on in the phase of its result. A sum beyond a C long has left
 * the phase before, at the row that took it there, and never comes back. */
static int add_beyond_int(pf_sum_sink *sink, PyObject *item)
{
    if (sink->total != (int64_t)sink->total) {
        return leave_phase(sink) < 0 ? -1 : add_object(sink, item);
    }
    if (leave_phase(sink) < 0 || add_object(sink, item) < 0) {
        return -1;
    }
    if (PyFloat_CheckExact(sink->result)) {
        double value = PyFloat_AS_DOUBLE(sink->result);
        Py_CLEAR(sink->result);
        enter_float(sink, value);
    }
    return 0;
}

static bool add_int(pf_sum_sink *sink, int64_t v)
{
    int64_t now = (int64_t)sink->total;
    if (sink->total != now || __builtin_add_overflow(now, v, &now)) {
        return false;
    }
    sink->total = now;
    return true;
}

static int add_one(pf_sum_sink *sink, PyObject *item)
{
    int64_t v = 0;
    if (sink->phase == PF_SUM_INT) {
        bool whole = PyBool_Check(item) || (PyLong_CheckExact(item) && pf_long_as_i64(item, &v));
        v = PyBool_Check(item) ? item == Py_True : v;
        return whole && add_int(sink, v) ? 0 : add_beyond_int(sink, item);
    }
    if (sink->phase == PF_SUM_FLOAT) {
        if (PyFloat_CheckExact(item)) {
            double x = PyFloat_AS_DOUBLE(item);
            pf_fsum_apply(&sink->floats, &x, 1, NULL, NULL);
            return 0;
        }
        if (PyLong_Check(item)) {
            int overflow;
            long value = PyLong_AsLongAndOverflow(item, &overflow);
            if (!overflow) {
                sink->floats.sum += (double)value;
                return 0;
            }
        }
        if (leave_phase(sink) < 0) {
            return -1;
        }
    }
    return add_object(sink, item);
}

static int sum_object(pf_sink *base, PyObject *item) { return add_one((pf_sum_sink *)base, item); }

static int sum_drain(pf_sink *base, PyObject *iterator, int64_t most)
{
    pf_sum_sink *sink = (pf_sum_sink *)base;
    const iternextfunc next = Py_TYPE(iterator)->tp_iternext;
    for (; most > 0; most--) {
        PyObject *item = next(iterator);
        if (item == NULL) {
            return 0;
        }
        int64_t v;
        int status = 0;
        if (sink->phase != PF_SUM_INT || !PyLong_CheckExact(item) || !pf_long_as_i64(item, &v) || !add_int(sink, v)) {
            base->foreign |= base->wary && !pf_is_harmless(item);
            status = add_one(sink, item);
        }
        Py_DECREF(item);
        if (status < 0) {
            return -1;
        }
    }
    return PF_SINK_MORE;
}

/* One lane, in CPython's order and phase. */
static int add_scalar(pf_sum_sink *sink, const pf_scalar *scalar)
{
    if (sink->phase == PF_SUM_INT && scalar->kind != PF_K_F64 && add_int(sink, scalar->u.i)) {
        return 0;
    }
    if (sink->phase == PF_SUM_FLOAT) {
        if (scalar->kind == PF_K_F64) {
            pf_fsum_apply(&sink->floats, &scalar->u.f, 1, NULL, NULL);
        } else {
            sink->floats.sum += (double)scalar->u.i;
        }
        return 0;
    }
    PyObject *item = pf_box_scalar(scalar);
    int status = item == NULL ? -1 : add_one(sink, item);
    Py_XDECREF(item);
    return status;
}

static int add_lanes(pf_sum_sink *sink, const pf_column_out *column, int64_t first, int64_t n)
{
    for (int64_t i = first; i < n; i++) {
        pf_scalar scalar = pf_column_scalar(column, i);
        if (scalar.kind == PF_K_BOOL) {
            scalar.kind = PF_K_I64;
        }
        if (add_scalar(sink, &scalar) < 0) {
            return -1;
        }
    }
    return 0;
}

static int add_floats(pf_sum_sink *sink, const pf_piece *piece)
{
    const double *x = piece->columns[0].data;
    int64_t n = piece->count, done = 0;
    if (n > 0 && sink->phase == PF_SUM_INT) { /* the first float decides the phase */
        if (add_lanes(sink, &piece->columns[0], 0, 1) < 0) {
            return -1;
        }
        done = 1;
    }
    if (sink->phase != PF_SUM_FLOAT) {
        return add_lanes(sink, &piece->columns[0], done, n);
    }
    int guess = PF_FSUM_NO_GUESS;
    const double before = sink->floats.sum;
    pf_fsum_apply(&sink->floats, x + done, n - done, done == 0 ? piece->fblocks : NULL, &guess);
    if (sink->base.run != NULL) {
        pf_run_set_guess(sink->base.run, guess, pf_fsum_is_steady(&sink->floats, before));
    }
    return 0;
}

static bool takes_blocks(const pf_sink *base, const pf_fblocks *blocks)
{
    const pf_sum_sink *sink = (const pf_sum_sink *)base;
    return sink->phase == PF_SUM_FLOAT && pf_fsum_takes(&sink->floats, blocks);
}

/* A piece of ints by its sum. CPython leaves the phase for good at the row that takes the sum beyond a C long, even if later ones bring
 * it back, and from 3.12 on the digits of floats behind show it. Where it cannot be told whether there is such a row: -1. */
static int add_ints(pf_sum_sink *sink, const pf_piece *piece)
{
    __int128 after = sink->total + piece->isum;
    bool within = sink->total + piece->isum_least >= INT64_MIN && sink->total + piece->isum_most <= INT64_MAX;
    bool leaves = after != (int64_t)after || (!within && !piece->isum_loose);
    if (!within && !leaves && FLAVOUR != PF_FSUM_PLAIN) {
        return -1;
    }
    sink->total = after;
    return leaves ? leave_phase(sink) : 0;
}

static int add_piece(pf_sum_sink *sink, const pf_piece *piece)
{
    pf_sink *base = &sink->base;
    switch (base->plan->core.sink) {
    case PF_SINK_FSUM:
        return add_floats(sink, piece);
    case PF_SINK_COLLECT:
        return add_lanes(sink, &piece->columns[0], 0, piece->count);
    default:
        break;
    }
    if (piece->count == 0) {
        return 0;
    }
    if (sink->phase == PF_SUM_INT && !piece->beyond) {
        return add_ints(sink, piece);
    }
    if (sink->phase == PF_SUM_INT && leave_phase(sink) < 0) {
        return -1;
    }
    PyObject *sum = pf_box_isum(piece);
    /* behind a float, or anything else that does not associate, each row has to be added by itself */
    bool whole = sink->phase == PF_SUM_GENERIC && PyLong_CheckExact(sink->result);
    int status = sum != NULL && whole ? add_object(sink, sum) : -1;
    if (sum != NULL && !whole) {
        PyErr_SetString(PyExc_SystemError, "purefold: an exact int sum behind a float");
    }
    Py_XDECREF(sum);
    return status;
}

/* All of a piece or nothing: where an addition raises, the piece's rows are given again one by one, so that the chain stands at
 * the right one when it raises anew. */
static int sum_piece(pf_sink *base, const pf_piece *piece)
{
    pf_sum_sink *sink = (pf_sum_sink *)base, before = *sink;
    Py_XINCREF(before.result);
    if (add_piece(sink, piece) == 0) {
        Py_XDECREF(before.result);
        return 0;
    }
    Py_XDECREF(sink->result);
    *sink = before;
    base->row = piece->row_begin;
    return PF_SINK_REDO;
}

/* Exact int sums may be taken as a whole only while ints are all there is. */
static int sum_begin(pf_sink *base)
{
    const pf_sum_sink *sink = (const pf_sum_sink *)base;
    return sink->phase == PF_SUM_FLOAT || (sink->phase == PF_SUM_GENERIC && !PyLong_CheckExact(sink->result));
}

static const pf_sink_type sum_type = {
    .begin = sum_begin, .piece = sum_piece, .object = sum_object, .drain = sum_drain, .takes_blocks = takes_blocks};

void pf_sum_init(pf_sum_sink *sink, PyObject *start)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &sum_type;
    int64_t v = 0;
    if (start == NULL || (PyLong_CheckExact(start) && pf_long_as_i64(start, &v))) {
        sink->phase = PF_SUM_INT;
        sink->total = v;
    } else if (PyFloat_CheckExact(start)) {
        enter_float(sink, PyFloat_AS_DOUBLE(start));
    } else {
        sink->phase = PF_SUM_GENERIC;
        sink->result = Py_NewRef(start);
    }
}

PyObject *pf_sum_result(pf_sum_sink *sink)
{
    PyObject *result = sink->phase == PF_SUM_GENERIC ? sink->result
                       : sink->phase == PF_SUM_INT   ? pf_box_i128(sink->total)
                                                     : PyFloat_FromDouble(pf_fsum_result(&sink->floats));
    sink->result = NULL;
    return result;
}

void pf_sum_clear(pf_sum_sink *sink) { Py_CLEAR(sink->result); }

/* min and max: the first item whose key no later key beats, by CPython's comparison. */
#include <string.h>

#include "replay.h"
#include "sink.h"

static bool number(pf_kinds kind) { return kind == PF_K_I64 || kind == PF_K_F64; }

/* The best item's key, as good as it is for comparing native ones with it. */
static PyObject *key_object(const pf_extreme_sink *sink)
{
    PyObject *key = sink->keyfunc == NULL ? sink->item : sink->key;
    return key != NULL ? Py_NewRef(key) : pf_box_scalar(&sink->scalar);
}

/* As the object that it is in CPython, maybe a field of the item: a comparison may look at it, and errors name its
 * type. */
static PyObject *true_key(pf_extreme_sink *sink)
{
    if (sink->keyfunc != NULL && sink->boxed) {
        PyObject *key = PyObject_CallOneArg(sink->keyfunc, sink->item);
        if (key == NULL) {
            return NULL;
        }
        Py_XSETREF(sink->key, key);
        sink->boxed = false;
    }
    return key_object(sink);
}

/* The key of a native result, where it is no plain number; of such a key the object itself is kept. */
static PyObject *box_key(const pf_pyplan *plan, const pf_scalar *keys)
{
    if (!plan->key_tuple) {
        return pf_box_scalar(&keys[0]);
    }
    PyObject *tuple = PyTuple_New(plan->core.nkeys);
    for (int k = 0; tuple != NULL && k < plan->core.nkeys; k++) {
        PyObject *item = pf_box_scalar(&keys[k]);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, k, item);
        }
    }
    return tuple;
}

static bool is_plain(const pf_pyplan *plan, const pf_scalar *keys) { return !plan->key_tuple && number(keys[0].kind); }

/* Whether a native key replaces the best one: 1, 0, or -1 with an exception. */
static int beats(const pf_extreme_sink *sink, const pf_scalar *key)
{
    const pf_scalar *best = &sink->scalar;
    if (sink->key == NULL && key->kind == best->kind && is_plain(sink->base.plan, key)) {
        if (key->kind == PF_K_I64) {
            return sink->op == Py_LT ? key->u.i < best->u.i : key->u.i > best->u.i;
        }
        return sink->op == Py_LT ? key->u.f < best->u.f : key->u.f > best->u.f;
    }
    PyObject *mine = box_key(sink->base.plan, key), *theirs = key_object(sink);
    int answer = mine == NULL || theirs == NULL ? -1 : PyObject_RichCompareBool(mine, theirs, sink->op);
    Py_XDECREF(mine);
    Py_XDECREF(theirs);
    return answer;
}

/* Within a window: only what was there before it can be anybody's last reference. */
static void put_aside(pf_extreme_sink *sink)
{
    if (sink->base.old == NULL) {
        sink->base.old = sink->item;
        sink->item = NULL;
    }
}

static int take(pf_extreme_sink *sink, PyObject *item, const pf_scalar *scalar, PyObject *key)
{
    if (item == NULL) {
        return -1;
    }
    Py_XSETREF(sink->item, item);
    Py_XSETREF(sink->key, Py_XNewRef(key));
    sink->boxed = scalar != NULL;
    if (scalar != NULL) {
        sink->scalar = *scalar;
    }
    return 0;
}

/* NaN is smaller than nothing, and nothing is smaller than NaN: as the very first item it stays for good, later ones never win. */
static int extreme_piece(pf_sink *base, const pf_piece *piece)
{
    pf_extreme_sink *sink = (pf_extreme_sink *)base;
    if (sink->item == NULL && piece->nan_first) {
        return take(sink, pf_box_scalars(base->plan, piece->first), &piece->first[0], NULL);
    }
    if (!piece->has_best) {
        return 0;
    }
    int better = sink->item == NULL ? 1 : beats(sink, &piece->best[0]);
    if (better < 0) { /* the two cannot be compared: the consumer's own loop is to find that out */
        base->row = piece->row_begin;
        return PF_SINK_REDO;
    }
    if (better == 0) {
        return 0;
    }
    const bool plain = is_plain(base->plan, piece->best);
    PyObject *key = plain ? NULL : box_key(base->plan, piece->best);
    PyObject *item = !plain && key == NULL ? NULL : pf_box_scalars(base->plan, piece->best);
    if (item != NULL) {
        put_aside(sink);
    }
    int status = take(sink, item, &piece->best[0], key);
    Py_XDECREF(key);
    return status;
}

static int extreme_object(pf_sink *base, PyObject *item)
{
    pf_extreme_sink *sink = (pf_extreme_sink *)base;
    PyObject *key = sink->keyfunc == NULL ? Py_NewRef(item) : PyObject_CallOneArg(sink->keyfunc, item);
    if (key == NULL) {
        return -1;
    }
    base->foreign |= base->wary && !pf_is_harmless(key);
    int better = 1;
    if (sink->item != NULL) {
        PyObject *best = true_key(sink);
        better = best == NULL ? -1 : PyObject_RichCompareBool(key, best, sink->op);
        Py_XDECREF(best);
    }
    int status = better <= 0 ? better : take(sink, Py_NewRef(item), NULL, key);
    Py_DECREF(key);
    return status;
}

static int extreme_drain(pf_sink *base, PyObject *iterator, int64_t most)
{
    pf_extreme_sink *sink = (pf_extreme_sink *)base;
    for (; most > 0; most--) {
        PyObject *item = Py_TYPE(iterator)->tp_iternext(iterator);
        if (item == NULL) {
            return 0;
        }
        if (base->wary || sink->keyfunc != NULL || sink->item == NULL) {
            int status = extreme_object(base, item);
            Py_DECREF(item);
            if (status < 0) {
                return -1;
            }
            continue;
        }
        int better = PyObject_RichCompareBool(item, sink->item, sink->op);
        if (better > 0) {
            take(sink, item, NULL, item);
        } else {
            Py_DECREF(item);
        }
        if (better < 0) {
            return -1;
        }
    }
    return PF_SINK_MORE;
}

static int extreme_begin(pf_sink *base)
{
    return ((const pf_extreme_sink *)base)->keyfunc != NULL;
}

static const pf_sink_type extreme_type = {
    .begin = extreme_begin, .piece = extreme_piece, .object = extreme_object, .drain = extreme_drain};

void pf_extreme_init(pf_extreme_sink *sink, int op, PyObject *keyfunc)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &extreme_type;
    sink->op = op;
    sink->keyfunc = keyfunc;
}

void pf_extreme_clear(pf_extreme_sink *sink)
{
    Py_CLEAR(sink->item);
    Py_CLEAR(sink->key);
    Py_CLEAR(sink->base.old);
}

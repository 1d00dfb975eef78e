/* list and tuple: items in order.
 *
 * The list grows by doubling and is untracked until it is complete, so that nobody finds it half-made through the collector. */
#include <string.h>

#include "../core/prim/pages.h"
#include "arenas.h"
#include "sink.h"

enum { FRESH = 128 * 1024 }; /* items: so long a list is memory straight from the system */

static int reserve(PyListObject *list, Py_ssize_t more)
{
    Py_ssize_t need = Py_SIZE(list) + more;
    if (need <= list->allocated) {
        return 0;
    }
    Py_ssize_t room = need + (need >> 3) + 6;
    PyObject **items = (size_t)room > PY_SSIZE_T_MAX / sizeof(PyObject *) ? NULL : PyMem_Realloc(list->ob_item, (size_t)room * sizeof(PyObject *));
    if (items == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    list->ob_item = items;
    list->allocated = room;
    return 0;
}

static void append_owned(PyListObject *list, PyObject *item)
{
    list->ob_item[Py_SIZE(list)] = item;
    Py_SET_SIZE(list, Py_SIZE(list) + 1);
}

/* One column of one kind: the loops that matter. Returns how many were appended. */
static int64_t append_column(PyListObject *list, const pf_pyplan *plan, const pf_piece *piece)
{
    const pf_shape *shape = &plan->shape[0];
    if (plan->nshape != 1 || shape->outer || shape->ntuple >= 0 || (shape->payload >= 0 && shape->handle >= 0)) {
        return 0;
    }
    const pf_column_out *column = &piece->columns[shape->handle >= 0 ? shape->handle : shape->payload];
    PyObject **to = list->ob_item + Py_SIZE(list);
    int64_t n = piece->count, i = 0;
    const bool whole = column->kind != NULL && column->seen == (PF_K_I64 | PF_K_U64);
    if (column->kind != NULL && !whole) {
        return 0;
    }
    if (column->seen == PF_K_OBJ) {
        for (; i < n; i++) {
            to[i] = Py_NewRef((PyObject *)(uintptr_t)((const uint64_t *)column->data)[i]);
#ifdef PF_PLANTED_BUG_PASSENGER_COPIED
            if (PyFloat_CheckExact(to[i])) {
                Py_SETREF(to[i], PyFloat_FromDouble(PyFloat_AS_DOUBLE(to[i])));
            }
#endif
#ifdef PF_PLANTED_BUG_REFCOUNT_LEAK
            Py_INCREF(to[i]);
#endif
        }
    } else if (whole) {
        const uint64_t *bits = column->data;
        for (; i < n; i++) {
            to[i] = column->kind[i] == PF_K_U64 ? PyLong_FromUnsignedLongLong(bits[i]) : PyLong_FromLongLong((int64_t)bits[i]);
            if (to[i] == NULL) {
                break;
            }
        }
    } else if (column->seen == PF_K_BOOL && column->bytes) {
        for (; i < n; i++) {
#ifdef PF_PLANTED_BUG_INT_AS_BOOL_LOST
            to[i] = PyLong_FromLong(((const uint8_t *)column->data)[i]);
#else
            to[i] = Py_NewRef(((const uint8_t *)column->data)[i] ? Py_True : Py_False);
#endif
        }
    } else if (column->seen == PF_K_F64) {
        for (; i < n && (to[i] = PyFloat_FromDouble(((const double *)column->data)[i])) != NULL; i++) {
        }
    } else if (column->seen == PF_K_I64) {
        for (; i < n && (to[i] = PyLong_FromLongLong(((const int64_t *)column->data)[i])) != NULL; i++) {
        }
    }
    Py_SET_SIZE(list, Py_SIZE(list) + (Py_ssize_t)i);
    return i;
}

/* The same; a long list and its objects take memory that nobody has written yet. */
static int64_t append_fresh(PyListObject *list, const pf_pyplan *plan, const pf_piece *piece)
{
    if (list->allocated <= FRESH) {
        return append_column(list, plan, piece);
    }
    pf_pages_populate(list->ob_item + Py_SIZE(list), (size_t)piece->count * sizeof(PyObject *));
    pf_arenas_begin();
    const int64_t n = append_column(list, plan, piece);
    pf_arenas_end();
    return n;
}

static int list_piece(pf_sink *base, const pf_piece *piece)
{
    PyListObject *list = ((pf_list_sink *)base)->list;
    if (reserve(list, (Py_ssize_t)piece->count) < 0) {
        return -1;
    }
    int64_t i = append_fresh(list, base->plan, piece);
    if (PyErr_Occurred()) {
        return -1;
    }
    const bool flat = pf_shape_is_flat(base->plan);
    for (PyObject *item; i < piece->count; i++) {
        item = flat ? pf_box_flat(base->plan, piece->columns, i)
               : base->plan->has_outer
                   ? pf_box_output_of(base->plan, piece->columns, i, piece->rows[i], &((pf_list_sink *)base)->outer)
                   : pf_box_output(base->plan, piece->columns, i);
        if (item == NULL) {
            return -1;
        }
        append_owned(list, item);
    }
    return 0;
}

static int list_object(pf_sink *base, PyObject *item)
{
    PyListObject *list = ((pf_list_sink *)base)->list;
    if (reserve(list, 1) < 0) {
        return -1;
    }
    append_owned(list, Py_NewRef(item));
    return 0;
}

static int list_drain(pf_sink *base, PyObject *iterator, int64_t most)
{
    PyListObject *list = ((pf_list_sink *)base)->list;
    const iternextfunc next = Py_TYPE(iterator)->tp_iternext;
    for (; most > 0; most--) {
        PyObject *item = next(iterator);
        if (item == NULL) {
            return 0;
        }
        if (Py_SIZE(list) == list->allocated && reserve(list, 1) < 0) {
            Py_DECREF(item);
            return -1;
        }
        append_owned(list, item);
    }
    return PF_SINK_MORE;
}

static int list_begin(pf_sink *base)
{
#ifndef PF_PLANTED_BUG_SEGMENT_OUTER_KEPT
    pf_outer_clear(&((pf_list_sink *)base)->outer);
#else
    (void)base;
#endif
    return 0;
}

static const pf_sink_type list_type = {
    .begin = list_begin, .piece = list_piece, .object = list_object, .drain = list_drain, .stores = true};

int pf_list_init(pf_list_sink *sink)
{
    memset(sink, 0, sizeof *sink);
    sink->base.type = &list_type;
    sink->list = (PyListObject *)PyList_New(0);
    if (sink->list == NULL) {
        return -1;
    }
    PyObject_GC_UnTrack(sink->list);
    return 0;
}

PyObject *pf_list_result(pf_list_sink *sink)
{
    PyObject *list = (PyObject *)sink->list;
    sink->list = NULL;
    PyObject_GC_Track(list);
    return list;
}

PyObject *pf_list_as_tuple(pf_list_sink *sink)
{
    Py_ssize_t n = Py_SIZE(sink->list);
    PyObject *tuple = PyTuple_New(n);
    if (tuple == NULL) {
        return NULL;
    }
    if (n > 0) {
        memcpy(((PyTupleObject *)tuple)->ob_item, sink->list->ob_item, (size_t)n * sizeof(PyObject *));
        Py_SET_SIZE(sink->list, 0); /* the references have moved */
    }
    pf_list_clear(sink);
    return tuple;
}

void pf_list_clear(pf_list_sink *sink)
{
    pf_outer_clear(&sink->outer);
    if (sink->list != NULL) {
        PyObject_GC_Track(sink->list);
        Py_CLEAR(sink->list);
    }
}

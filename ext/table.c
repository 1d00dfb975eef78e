/* Reading containers into tables (table.h). */
#include "table.h"

#include "../core/base/mem.h"
#include "gather.h"
#include "watch.h"

/* A walk over the items of a container, borrowed. */
typedef struct walk {
    PyObject *container;
    Py_ssize_t at;
} walk;

static PyObject *next_item(walk *w)
{
    PyObject *key, *value;
    if (PyList_CheckExact(w->container)) {
        return w->at < PyList_GET_SIZE(w->container) ? PyList_GET_ITEM(w->container, w->at++) : NULL;
    }
    if (PyTuple_CheckExact(w->container)) {
        return w->at < PyTuple_GET_SIZE(w->container) ? PyTuple_GET_ITEM(w->container, w->at++) : NULL;
    }
    if (PyDict_CheckExact(w->container)) {
        return PyDict_Next(w->container, &w->at, &key, &value) ? key : NULL;
    }
    const PySetObject *set = (const PySetObject *)w->container;
    while (w->at <= set->mask) {
        const setentry *entry = &set->table[w->at++];
        if (entry->key != NULL && entry->hash != -1) { /* that of a deleted one */
            return entry->key;
        }
    }
    return NULL;
}

bool pf_table_is_of(PyObject *container)
{
    return PyList_CheckExact(container) || PyTuple_CheckExact(container) || PyDict_CheckExact(container) ||
           PySet_CheckExact(container) || PyFrozenSet_CheckExact(container);
}

Py_ssize_t pf_table_size(PyObject *container)
{
    return PyDict_CheckExact(container)     ? PyDict_GET_SIZE(container)
           : PyAnySet_CheckExact(container) ? PySet_GET_SIZE(container)
                                            : Py_SIZE(container);
}

static bool same_item(const pf_table_item *item, PyObject *object)
{
    pf_scalar now;
    if (item->held == NULL) {
        return pf_scalar_of(object, &now) == item->scalar.kind && now.u.handle == item->scalar.u.handle;
    }
    return object == item->held || (PyLong_CheckExact(object) && PyLong_CheckExact(item->held) &&
                                    PyObject_RichCompareBool(object, item->held, Py_EQ) == 1);
}

bool pf_table_matches(const pf_table *table, PyObject *container)
{
    if (pf_table_size(container) != table->n) {
        return false;
    }
    walk w = {container, 0};
    for (Py_ssize_t i = 0; i < table->n; i++) {
        PyObject *object = next_item(&w);
        if (object == NULL || !same_item(&table->items[i], object)) {
            return false;
        }
    }
    return true;
}

/* An int beyond 64 bits equals a float at most: that float. False: not even one. */
static bool large_as_float(PyObject *item, pf_scalar *out)
{
    double d = PyLong_AsDouble(item);
    PyObject *back = PyErr_Occurred() ? NULL : PyLong_FromDouble(d);
    bool exact = back != NULL && PyObject_RichCompareBool(item, back, Py_EQ) == 1;
    Py_XDECREF(back);
    PyErr_Clear();
    *out = (pf_scalar){.kind = PF_K_F64, .u.f = d};
    return exact;
}

/* Another int of the same value. */
static PyObject *copy_of(PyObject *number)
{
    PyObject *zero = PyLong_FromLong(0);
    PyObject *copy = zero != NULL ? PyNumber_Add(number, zero) : NULL;
    Py_XDECREF(zero);
    return copy;
}

/* The user's own numbers are not kept alive. False: an item that is no scalar. */
static bool read_items(pf_table *table, PyObject *container, pf_scalar *scalars, size_t *nscalars)
{
    walk w = {container, 0};
    for (PyObject *object; (object = next_item(&w)) != NULL; table->n++) {
        pf_table_item *item = &table->items[table->n];
        pf_kinds kind = pf_scalar_of(object, &item->scalar);
        item->held = kind == PF_K_STR ? Py_NewRef(object) : NULL;
        if (kind < PF_K_OBJ) {
            scalars[(*nscalars)++] = item->scalar;
            continue;
        }
        item->held = PyLong_CheckExact(object) ? copy_of(object) : NULL;
        if (item->held == NULL) {
            PyErr_Clear();
            return false;
        }
        *nscalars += large_as_float(object, &scalars[*nscalars]);
    }
    return true;
}

pf_table *pf_table_new(PyObject *container)
{
    const size_t n = (size_t)pf_table_size(container);
    pf_table *table = pf_mem_alloc(sizeof *table + n * sizeof table->items[0]);
    pf_scalar *scalars = pf_mem_alloc((n + 1) * sizeof *scalars);
    bool made = false;
    if (table != NULL) {
        *table = (pf_table){.refs = 1};
        size_t nscalars = 0;
        made = scalars != NULL && read_items(table, container, scalars, &nscalars) &&
               pf_set_new(scalars, nscalars, pf_unicode_view, &table->set) == PF_OK;
    }
    pf_mem_free(scalars);
    if (!made) {
        pf_table_release(table);
        return NULL;
    }
    return table;
}

void pf_table_release(pf_table *table)
{
    if (table == NULL || --table->refs > 0) {
        return;
    }
    pf_set_free(table->set);
    for (Py_ssize_t i = 0; i < table->n; i++) {
        Py_XDECREF(table->items[i].held);
    }
    pf_mem_free(table);
}

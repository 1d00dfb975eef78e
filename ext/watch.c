/* Reading outside values again, and comparing (watch.h). */
#include "watch.h"

#include <string.h>

#include "../core/base/mem.h"
#include "dicts.h"
#include "pylong.h"

/* functools.partial: the fields that C code of CPython keeps first; checked by pf_partial_selftest in intrinsics.c. */
#include "intrinsics.h"

pf_kinds pf_scalar_of(PyObject *object, pf_scalar *out)
{
    pf_scalar scratch;
    if (out == NULL) {
        out = &scratch;
    }
    out->u.i = 0;
    out->kind = PF_K_FOREIGN;
    if (object == NULL) {
        return PF_K_FOREIGN;
    }
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyLong_Type) {
        out->kind = pf_long_as_i64(object, &out->u.i) ? PF_K_I64 : PF_K_OTHER;
    } else if (type == &PyFloat_Type) {
        out->u.f = PyFloat_AS_DOUBLE(object);
        out->kind = PF_K_F64;
    } else if (type == &PyBool_Type) {
        out->u.i = object == Py_True;
        out->kind = PF_K_BOOL;
    } else if (object == Py_None) {
        out->kind = PF_K_NONE;
    } else if (type == &PyUnicode_Type && pf_text_is_plain(object)) {
        out->u.handle = (uint64_t)(uintptr_t)object;
        out->kind = PF_K_STR;
    } else if (type == &PyUnicode_Type || type == &PyBytes_Type || type == &PyTuple_Type) {
        out->kind = PF_K_OTHER;
    }
    return out->kind;
}

static PyObject *cell_contents(PyObject *cell)
{
    return cell != NULL && PyCell_Check(cell) ? PyCell_GET(cell) : NULL;
}

/* A str key in an exact dict; borrowed. NULL also where it cannot be told without running code. */
static PyObject *dict_get(PyObject *dict, PyObject *name)
{
    PyObject *value;
    (void)pf_dict_find(dict, name, &value);
    return value;
}

static PyObject *read_global(PyObject *owner, PyObject *name)
{
    PyObject *globals, *builtins;
    if (PyFunction_Check(owner)) {
        globals = ((PyFunctionObject *)owner)->func_globals;
        builtins = ((PyFunctionObject *)owner)->func_builtins;
    } else {
        globals = pf_genexpr_globals(owner);
        builtins = pf_genexpr_builtins(owner);
    }
    PyObject *value;
    return pf_dict_find(globals, name, &value) == 0 ? dict_get(builtins, name) : value;
}

static PyObject *read_tuple(PyObject *tuple, int32_t index)
{
    return tuple != NULL && PyTuple_Check(tuple) && index < PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, index) : NULL;
}

PyObject *pf_watch_read(const pf_watch *watch, PyObject *parent, const pf_watch_roots *roots)
{
    switch ((pf_watch_how)watch->how) {
    case PF_WATCH_NODE: {
        const pf_node *node = &roots->chain->nodes[watch->index];
        return node->kind == PF_NODE_GENEXPR ? node->object : node->func;
    }
    case PF_WATCH_EXTRA:
        return watch->index < roots->nextra ? roots->extra[watch->index] : NULL;
    case PF_WATCH_GLOBAL:
        return read_global(parent, watch->name);
    case PF_WATCH_CLOSURE:
        return cell_contents(read_tuple(((PyFunctionObject *)parent)->func_closure, watch->index));
    case PF_WATCH_CELL:
        return cell_contents(pf_genexpr_local(parent, watch->index));
    case PF_WATCH_DEFAULT:
        return read_tuple(((PyFunctionObject *)parent)->func_defaults, watch->index);
    case PF_WATCH_KWDEFAULT:
        return dict_get(((PyFunctionObject *)parent)->func_kwdefaults, watch->name);
    case PF_WATCH_RANGE:
        return pf_range_field(parent, watch->index);
    case PF_WATCH_MODULE:
        return dict_get(PyModule_GetDict(parent), watch->name);
    case PF_WATCH_PARTIAL_FUNC:
        return pf_partial_func(parent);
    case PF_WATCH_PARTIAL_ARG:
        return read_tuple(pf_partial_args(parent), watch->index);
    case PF_WATCH_PARTIAL_KEYWORD:
        return dict_get(pf_partial_keywords(parent), watch->name);
    case PF_WATCH_CONSTANT:
        return watch->expected;
    }
    return NULL;
}

PyObject *pf_watch_value(const pf_watch *list, int index, const pf_watch_roots *roots)
{
    const int parent = list[index].parent;
    return pf_watch_read(&list[index], parent >= 0 ? pf_watch_value(list, parent, roots) : NULL, roots);
}

static Py_ssize_t tuple_size(PyObject *tuple) { return tuple != NULL && PyTuple_Check(tuple) ? PyTuple_GET_SIZE(tuple) : 0; }

static bool same_keywords(PyObject *keywords, PyObject *names)
{
    Py_ssize_t n = PyTuple_GET_SIZE(names);
    if (keywords == NULL || !PyDict_CheckExact(keywords)) {
        return n == 0;
    }
    if (PyDict_GET_SIZE(keywords) != n) {
        return false;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (dict_get(keywords, PyTuple_GET_ITEM(names, i)) == NULL) {
            return false;
        }
    }
    return true;
}

static bool same_items(PyObject *value, const pf_watch *watch)
{
    if (Py_TYPE(value) != watch->container || Py_SIZE(value) != Py_SIZE(watch->expected)) {
        return false;
    }
    PyObject **items = watch->container == &PyList_Type ? ((PyListObject *)value)->ob_item : ((PyTupleObject *)value)->ob_item;
    for (Py_ssize_t i = 0; i < Py_SIZE(value); i++) {
        if (items[i] != PyTuple_GET_ITEM(watch->expected, i)) {
            return false;
        }
    }
    return true;
}

/* Words of getters that get the same: nothing but the value of a str or int is ever looked at. */
static bool same_word(PyObject *a, PyObject *b, int level)
{
    enum { LEVELS = 2 }; /* the tuple of all, and names with dots in them */
    if (a == b || Py_TYPE(a) != Py_TYPE(b)) {
        return a == b;
    }
    if (PyUnicode_CheckExact(a)) {
        return pf_text_is_plain(a) && pf_text_is_plain(b) && PyUnicode_GET_LENGTH(a) == PyUnicode_GET_LENGTH(b) && PyUnicode_Compare(a, b) == 0;
    }
    if (PyLong_CheckExact(a)) {
        int64_t v = 0, w = 0;
        return pf_long_as_i64(a, &v) && pf_long_as_i64(b, &w) && v == w;
    }
    bool same = PyTuple_CheckExact(a) && PyTuple_GET_SIZE(a) == PyTuple_GET_SIZE(b) && level < LEVELS;
    for (Py_ssize_t i = 0; same && i < PyTuple_GET_SIZE(a); i++) {
        same = same_word(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i), level + 1);
    }
    return same;
}

static bool same_getter(PyObject *value, const pf_watch *watch)
{
    Py_ssize_t n;
    PyObject *words = Py_TYPE(value) == watch->container ? pf_getter_words(value, &n) : NULL;
    return words != NULL && n == watch->size && same_word(words, watch->expected, 0);
}

static bool holds(const pf_watch *watch, PyObject *value, pf_scalar *params)
{
    switch ((pf_watch_expect)watch->expect) {
    case PF_EXPECT_SAME:
        return value == watch->expected;
    case PF_EXPECT_TYPE:
        return (PyObject *)Py_TYPE(value) == watch->expected;
    case PF_EXPECT_ITEMS:
        return same_items(value, watch);
    case PF_EXPECT_CODE:
        return PyFunction_Check(value) && ((PyFunctionObject *)value)->func_code == watch->expected &&
               tuple_size(((PyFunctionObject *)value)->func_defaults) == watch->size;
    case PF_EXPECT_GENEXPR:
        return (PyObject *)pf_genexpr_code(value) == watch->expected;
    case PF_EXPECT_PARTIAL:
        return pf_is_partial(value) && tuple_size(pf_partial_args(value)) == watch->size &&
               same_keywords(pf_partial_keywords(value), watch->expected);
    case PF_EXPECT_GETTER:
#ifdef PF_PLANTED_BUG_STALE_GETTER
        return Py_TYPE(value) == (PyTypeObject *)watch->container;
#endif
        return same_getter(value, watch);
    case PF_EXPECT_EQUAL: {
        pf_scalar now, then;
        return pf_scalar_of(value, &now) == PF_K_I64 && pf_scalar_of(watch->expected, &then) == PF_K_I64 && now.u.i == then.u.i;
    }
    case PF_EXPECT_SCALAR: {
        pf_scalar scalar;
        if (pf_scalar_of(value, &scalar) != watch->kind) {
            return false;
        }
#if defined PF_PLANTED_BUG_STALE_GLOBAL || defined PF_PLANTED_BUG_STALE_CLOSURE
#ifdef PF_PLANTED_BUG_STALE_GLOBAL
        bool remembered = watch->how == PF_WATCH_GLOBAL;
#else
        bool remembered = watch->how == PF_WATCH_CELL || watch->how == PF_WATCH_CLOSURE;
#endif
        if (remembered && watch->expected != NULL) {
            (void)pf_scalar_of(watch->expected, &scalar);
        } else if (remembered) {
            ((pf_watch *)watch)->expected = Py_NewRef(value);
        }
#endif
        if (watch->param >= 0) {
            params[watch->param].u = scalar.u; /* field by field: params are compared byte by byte */
            params[watch->param].kind = scalar.kind;
        }
        return true;
    }
    }
    return false;
}

/* ---- tables ---- */

/* Reading a container costs time for each item, which the rows have to pay for. */
static bool may_be_read(PyObject *container, const pf_watch_roots *roots)
{
    enum { FEW = 64, MOST = 1 << 16 };
    Py_ssize_t n = pf_table_size(container);
    int64_t rows = 0;
    for (int i = 0; i < roots->chain->nleaves; i++) {
        rows = roots->chain->leaves[i].length > rows ? roots->chain->leaves[i].length : rows;
    }
    return n <= FEW || (n <= MOST && n <= rows);
}

static pf_table *read_table(PyObject *container, const pf_watch_roots *roots)
{
    return pf_table_is_of(container) && may_be_read(container, roots) ? pf_table_new(container) : NULL;
}

pf_watched_table *pf_watch_table(const pf_watch *watch, PyObject *value, const pf_watch_roots *roots, int32_t param)
{
    pf_watched_table *made = pf_mem_alloc(sizeof *made);
    if (made != NULL) {
        pf_table *table = read_table(value, roots);
        *made = (pf_watched_table){table, param, table == NULL, watch->how == PF_WATCH_CONSTANT};
    }
    return made;
}

void pf_watched_table_free(pf_watched_table *table)
{
    if (table != NULL) {
        pf_table_release(table->now);
        pf_mem_free(table);
    }
}

static bool table_holds(pf_watched_table *watched, PyObject *value, const pf_watch_roots *roots, pf_scalar *params)
{
    pf_table *now = watched->now;
    if (now == NULL || !watched->constant) {
#ifdef PF_PLANTED_BUG_STALE_CONTAINER
        bool same = now != NULL;
#else
        bool same = now != NULL && may_be_read(value, roots) && pf_table_matches(now, value);
#endif
        pf_table *read = same ? NULL : read_table(value, roots);
        if (watched->refused) {
            pf_table_release(read);
            return read == NULL;
        }
        if (!same && read == NULL) {
            return false;
        }
        if (!same) {
            pf_table_release(now); /* runs have their own reference */
            watched->now = now = read;
        }
    }
    params[watched->param].u.handle = (uint64_t)(uintptr_t)now->set;
    params[watched->param].kind = PF_K_OBJ;
    return true;
}

int pf_watches_tables(const pf_watches *watches, pf_table *out[PF_MAX_TABLES], Py_ssize_t *searched)
{
    int n = 0;
    *searched = 0;
    for (int i = 0; i < watches->n; i++) {
        const pf_watched_table *watched = watches->list[i].table;
        if (watched != NULL && watched->now != NULL && n < PF_MAX_TABLES) {
            watched->now->refs++;
            *searched += watched->constant ? 0 : watched->now->n;
            out[n++] = watched->now;
        }
    }
    return n;
}

bool pf_watches_hold(const pf_watches *watches, const pf_watch_roots *roots, pf_scalar *params)
{
    PyObject *values[PF_MAX_WATCHES];
    for (int i = 0; i < watches->n; i++) {
        const pf_watch *watch = &watches->list[i];
        PyObject *value = pf_watch_read(watch, watch->parent >= 0 ? values[watch->parent] : NULL, roots);
        if (value == NULL || !holds(watch, value, params) ||
            (watch->table != NULL && !table_holds(watch->table, value, roots, params))) {
            return false;
        }
        if (watch->handle_param >= 0) {
            params[watch->handle_param].u.handle = (uint64_t)(uintptr_t)value;
            params[watch->handle_param].kind = PF_K_OBJ;
        }
        values[i] = value;
    }
    for (int p = 0; p < watches->nparams; p++) {
        if (watches->constants[p] != NULL) {
            params[p].u.handle = (uint64_t)(uintptr_t)watches->constants[p];
        }
        if (params[p].kind == 0) { /* a constant, or the handle of no object */
            params[p].kind = PF_K_OBJ;
        }
    }
    return true;
}

void pf_watches_clear(pf_watches *watches)
{
    for (int i = 0; i < watches->n; i++) {
        Py_CLEAR(watches->list[i].name);
        Py_CLEAR(watches->list[i].expected);
        pf_watched_table_free(watches->list[i].table);
    }
    for (int p = 0; p < watches->nparams; p++) {
        Py_CLEAR(watches->constants[p]);
    }
    pf_mem_free(watches->list);
    pf_mem_free(watches->constants);
    memset(watches, 0, sizeof *watches);
}

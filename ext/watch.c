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
    } else if (type == &PyUnicode_Type) {
        out->u.handle = (uint64_t)(uintptr_t)object;
        out->kind = PF_K_STR;
    } else if (type == &PyBytes_Type || type == &PyTuple_Type) {
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
    }
    return NULL;
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

bool pf_watches_hold(const pf_watches *watches, const pf_watch_roots *roots, pf_scalar *params)
{
    PyObject *values[PF_MAX_WATCHES];
    for (int i = 0; i < watches->n; i++) {
        const pf_watch *watch = &watches->list[i];
        PyObject *value = pf_watch_read(watch, watch->parent >= 0 ? values[watch->parent] : NULL, roots);
        if (value == NULL || !holds(watch, value, params)) {
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
    }
    for (int p = 0; p < watches->nparams; p++) {
        Py_CLEAR(watches->constants[p]);
    }
    pf_mem_free(watches->list);
    pf_mem_free(watches->constants);
    memset(watches, 0, sizeof *watches);
}

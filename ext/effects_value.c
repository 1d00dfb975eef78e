/* Values of the purity analysis: where objects come from, and what it means to change them. */
#include "effects_internal.h"

const pf_e_value pf_e_bottom = {.kind = E_BOTTOM};
const pf_e_value pf_e_plain = {.kind = E_PLAIN};
const pf_e_value pf_e_opaque = {.kind = E_SHARED, .root = ROOT_OPAQUE};

pf_e_value pf_e_shared(pf_e_root root, PyObject *name)
{
    return (pf_e_value){.kind = E_SHARED, .root = (uint8_t)root, .name = name};
}

/* Loops read the same few objects over and over. */
static bool is_kept_lately(PyObject *keep, PyObject *object)
{
    Py_ssize_t n = PyList_GET_SIZE(keep);
    for (Py_ssize_t i = n; i > 0 && i > n - 16; i--) {
        if (PyList_GET_ITEM(keep, i - 1) == object) {
            return true;
        }
    }
    return false;
}

PyObject *pf_e_keep(pf_analysis *a, PyObject *object)
{
    if (object != NULL) {
        if (!is_kept_lately(a->keep, object) && PyList_Append(a->keep, object) < 0) {
            a->failed = true;
        }
        Py_DECREF(object); /* the list holds it, or the analysis is over */
    }
    return a->failed ? NULL : object;
}

/* ---- known objects ---- */

/* Immutable all the way down, and no callable. */
static bool is_plain_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    return object == Py_None || object == Py_Ellipsis || object == Py_NotImplemented || type == &PyLong_Type ||
           type == &PyFloat_Type || type == &PyBool_Type || type == &PyUnicode_Type || type == &PyBytes_Type ||
           type == &PyComplex_Type || type == &PyRange_Type;
}

pf_e_value pf_e_of(pf_analysis *a, PyObject *object, PyObject *name)
{
    if (is_plain_object(object)) {
        return pf_e_plain;
    }
    Py_INCREF(object);
    pf_e_keep(a, object);
    return (pf_e_value){.kind = E_PY, .root = ROOT_CAPTURED, .name = name, .py = object};
}

pf_e_value pf_e_default(pf_analysis *a, PyObject *object, PyObject *name)
{
    pf_e_value v = pf_e_of(a, object, name);
    v.root = v.kind == E_PY ? ROOT_DEFAULT : v.root;
    return v;
}

bool pf_e_is_builtin_type(PyTypeObject *type)
{
    return !(type->tp_flags & Py_TPFLAGS_HEAPTYPE) || (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE);
}

bool pf_e_is_data_type(PyTypeObject *type)
{
    return type == &PyLong_Type || type == &PyFloat_Type || type == &PyBool_Type || type == &PyUnicode_Type ||
           type == &PyBytes_Type || type == &PyComplex_Type || type == Py_TYPE(Py_None) || type == &PyRange_Type ||
           type == &PyTuple_Type || type == &PyList_Type || type == &PyDict_Type || type == &PySet_Type ||
           type == &PyFrozenSet_Type || type == &PyByteArray_Type || type == &PyMemoryView_Type ||
           type == &PySlice_Type;
}

/* Changing it in place only raises. */
static bool is_immutable_type(PyTypeObject *type)
{
    return type == &PyTuple_Type || type == &PyFrozenSet_Type || type == &PySlice_Type;
}

/* ---- sites and joins ---- */

pf_e_site *pf_e_find(pf_e_site *site)
{
    while (site != NULL && site->parent != NULL) {
        site = site->parent;
    }
    return site;
}

bool pf_e_same(const pf_e_value *x, const pf_e_value *y)
{
    return x->kind == y->kind && x->root == y->root && x->name == y->name && x->py == y->py && x->entry == y->entry &&
           pf_e_find(x->site) == pf_e_find(y->site);
}

static bool is_ordinary_class(PyObject *object)
{
    return PyType_Check(object) && Py_TYPE(object) == &PyType_Type;
}

/* What remains of a value of which only the way it was reached is known; it must still be safe to operate on. */
static pf_e_value loosen(pf_e_value v)
{
    if (v.kind == E_SHARED || (v.kind == E_PY && pf_e_is_data_type(Py_TYPE(v.py)))) {
        return pf_e_shared(v.root, v.name);
    }
    if (v.kind == E_PY && is_ordinary_class(v.py)) {
        return pf_e_shared(ROOT_TYPES, NULL);
    }
    return v.kind == E_FRESH ? pf_e_shared(ROOT_MIXED, NULL) : pf_e_opaque;
}

static pf_e_value join_shared(pf_e_value x, pf_e_value y)
{
    if (x.root == ROOT_OPAQUE || y.root == ROOT_OPAQUE || (x.root == ROOT_TYPES) != (y.root == ROOT_TYPES)) {
        return pf_e_opaque;
    }
    pf_e_value joined = {.kind = E_SHARED, .root = x.root, .name = x.name, .py = x.py == y.py ? x.py : NULL};
    if (x.root != y.root || x.name != y.name) {
        joined.root = ROOT_MIXED;
        joined.name = NULL;
    }
    return joined;
}

static void unify(pf_analysis *a, pf_e_site *x, pf_e_site *y)
{
    x = pf_e_find(x);
    y = pf_e_find(y);
    if (x != y) {
        y->parent = x;
        x->container = x->container && y->container;
        x->slice = x->slice || y->slice;
        a->changed = true;
        pf_e_add(a, &x->content, y->content);
        pf_e_add(a, &x->keys, y->keys);
    }
}

pf_e_value pf_e_join(pf_analysis *a, pf_e_value x, pf_e_value y)
{
    if (x.kind == E_BOTTOM || (x.kind == E_PLAIN && y.kind != E_BOTTOM) || pf_e_same(&x, &y)) {
        return y;
    }
    if (y.kind <= E_PLAIN) {
        return x;
    }
    if (x.kind == E_FRESH && y.kind == E_FRESH) {
        unify(a, x.site, y.site);
        return x;
    }
    if (x.kind == E_FRESH && y.kind == E_SHARED) {
        return y.root == ROOT_TYPES ? pf_e_opaque : y;
    }
    if (x.kind == E_SHARED && y.kind == E_FRESH) {
        return x.root == ROOT_TYPES ? pf_e_opaque : x;
    }
    return join_shared(loosen(x), loosen(y));
}

void pf_e_add(pf_analysis *a, pf_e_value *to, pf_e_value v)
{
    pf_e_value joined = pf_e_join(a, *to, v);
    if (!pf_e_same(&joined, to)) {
        *to = joined;
        a->changed = true;
    }
}

pf_e_value pf_e_fresh(pf_analysis *a, const pf_e_entry *entry, int instr, int part, pf_e_value content)
{
    const PyCodeObject *code = entry->code->code;
    pf_e_site *site = a->sites;
    while (site != NULL && (site->code != code || site->instr != instr || site->part != part)) {
        site = site->next;
    }
    if (site == NULL) {
        site = pf_arena_alloc(&a->arena, sizeof *site);
        if (site == NULL) {
            PyErr_NoMemory();
            a->failed = true;
            return pf_e_plain;
        }
        *site = (pf_e_site){.next = a->sites, .code = code, .instr = instr, .part = part};
        a->sites = site;
        a->changed = true;
    }
    site = pf_e_find(site);
    pf_e_add(a, &site->content, content);
    return (pf_e_value){.kind = E_FRESH, .site = site};
}

/* ---- items ---- */

/* One item of a captured container: stays plain, or is some data, or anything. */
static pf_e_value scan_item(pf_analysis *a, pf_e_value sofar, pf_e_value container, PyObject *item)
{
    if (is_plain_object(item)) {
        return sofar;
    }
    bool data = pf_e_is_data_type(Py_TYPE(item));
    return pf_e_join(a, sofar, data ? pf_e_shared(container.root, container.name) : pf_e_opaque);
}

/* What is in a captured container right now. Beyond a few thousand items nobody looks. */
static pf_e_value scan(pf_analysis *a, pf_e_value v)
{
    enum { FEW = 4096 };
    PyObject *o = v.py, *key, *value;
    pf_e_value found = pf_e_plain;
    Py_ssize_t at = 0;
    if (PyList_CheckExact(o) && PyList_GET_SIZE(o) <= FEW) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(o); i++) {
            found = scan_item(a, found, v, PyList_GET_ITEM(o, i));
        }
    } else if (PyTuple_CheckExact(o) && PyTuple_GET_SIZE(o) <= FEW) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); i++) {
            found = scan_item(a, found, v, PyTuple_GET_ITEM(o, i));
        }
    } else if (PyDict_CheckExact(o) && PyDict_GET_SIZE(o) <= FEW) {
        while (PyDict_Next(o, &at, &key, &value)) {
            found = scan_item(a, scan_item(a, found, v, key), v, value);
        }
    } else if (PyAnySet_CheckExact(o) && PySet_GET_SIZE(o) <= FEW) {
        PySetObject *set = (PySetObject *)o;
        for (Py_ssize_t i = 0; i <= set->mask; i++) {
            if (set->table[i].key != NULL && set->table[i].hash != -1) { /* -1: a removed one */
                found = scan_item(a, found, v, set->table[i].key);
            }
        }
    } else if (Py_TYPE(o) == &PyByteArray_Type || Py_TYPE(o) == &PyMemoryView_Type) {
        return found;
    } else {
        return pf_e_opaque;
    }
    return found;
}

pf_e_value pf_e_value_in(pf_analysis *a, pf_e_value v)
{
    switch (v.kind) {
    case E_FRESH:
    case E_BOUND:
        return v.site != NULL ? pf_e_join(a, pf_e_plain, pf_e_find(v.site)->content) : pf_e_plain;
    case E_PY:
        return scan(a, v);
    case E_SHARED:
        return pf_e_shared(v.root, v.name);
    case E_FUNC:
        return pf_e_opaque;
    default:
        return pf_e_plain;
    }
}

pf_e_value pf_e_item(pf_analysis *a, pf_e_value v)
{
    pf_e_value item = pf_e_value_in(a, v);
    if ((v.kind == E_FRESH || v.kind == E_BOUND) && v.site != NULL) {
        item = pf_e_join(a, item, pf_e_find(v.site)->keys);
    }
    return item;
}

void pf_e_add_key(pf_analysis *a, pf_e_value container, pf_e_value key)
{
    if (container.kind == E_FRESH) {
        pf_e_add(a, &pf_e_find(container.site)->keys, key);
    }
}

/* ---- offences ---- */

void pf_e_stop(pf_analysis *a, const pf_e_entry *entry, int instr, int reason, PyObject *name)
{
    if (!pf_e_done(a)) {
        a->stopped = true;
        a->reason = reason;
        a->where = entry;
        a->instr = instr;
        a->name = Py_XNewRef(name);
    }
}

void pf_e_stop_text(pf_analysis *a, const pf_e_entry *entry, int instr, int reason, const char *name)
{
    PyObject *text = pf_e_keep(a, PyUnicode_FromString(name));
    if (text == NULL) {
        a->failed = true;
        return;
    }
    pf_e_stop(a, entry, instr, reason, text);
}

void pf_e_unresolved(pf_analysis *a, const pf_e_entry *entry, int instr, PyObject *name)
{
    int known = PySequence_Contains(a->unresolved, name);
    if (PyErr_Occurred() || known < 0 || (known == 0 && PyList_Append(a->unresolved, name) < 0)) {
        a->failed = true;
    }
    if (a->where == NULL) { /* the first place, should nothing worse be found */
        a->where = entry;
        a->instr = instr;
    }
}

static int root_reason(pf_e_root root, int otherwise)
{
    switch (root) {
    case ROOT_ARG:
        return PF_REASON_MUTATES_ARGUMENT;
    case ROOT_DEFAULT:
        return PF_REASON_MUTATES_DEFAULT;
    case ROOT_CAPTURED:
        return PF_REASON_MUTATES_CAPTURED;
    default:
        return otherwise;
    }
}

void pf_e_mutate(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v, pf_e_value stored, int reason)
{
    switch (v.kind) {
    case E_FRESH:
        pf_e_add(a, &pf_e_find(v.site)->content, stored);
        return;
    case E_PY:
        if (is_immutable_type(Py_TYPE(v.py))) {
            return;
        }
        pf_e_stop(a, entry, instr, root_reason(v.root, reason), v.name);
        return;
    case E_SHARED:
        pf_e_stop(a, entry, instr, root_reason(v.root, reason), v.name);
        return;
    default:
        return; /* nothing there, or it raises */
    }
}

void pf_e_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    if (v.kind == E_SHARED && v.root == ROOT_OPAQUE) {
        pf_e_stop(a, entry, instr, PF_REASON_UNKNOWN_CALL, v.name);
    } else if (v.kind == E_PY && !pf_e_is_builtin_type(Py_TYPE(v.py))) {
        pf_e_stop_text(a, entry, instr, PF_REASON_UNKNOWN_CALL, Py_TYPE(v.py)->tp_name);
    }
}

/* Objects in objects: deep enough for anything that a function builds, and an end for what contains itself. */
static void check_inside(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v, int depth)
{
    pf_e_operand(a, entry, instr, v);
    if (depth == 0 || pf_e_done(a)) {
        return;
    }
    if (v.kind == E_FRESH) {
        check_inside(a, entry, instr, pf_e_find(v.site)->content, depth - 1);
        check_inside(a, entry, instr, pf_e_find(v.site)->keys, depth - 1);
    } else if (v.kind == E_PY && pf_e_is_data_type(Py_TYPE(v.py))) {
        pf_e_operand(a, entry, instr, scan(a, v));
    }
}

void pf_e_deep_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    check_inside(a, entry, instr, v, 5);
}

void pf_e_iterated(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    pf_e_operand(a, entry, instr, v);
    if (v.kind == E_PY && Py_TYPE(v.py)->tp_iternext != NULL) {
        pf_e_stop(a, entry, instr, PF_REASON_CONSUMES_ITERATOR, v.name);
    }
}

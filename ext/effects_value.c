/* Values of the purity analysis: where objects come from, and what it means to change them. */
#include "effects_internal.h"
#include "replay.h"

const pf_e_value pf_e_bottom = {.kind = E_BOTTOM};
const pf_e_value pf_e_plain = {.kind = E_PLAIN};
const pf_e_value pf_e_opaque = {.kind = E_SHARED, .root = ROOT_OPAQUE};

pf_e_value pf_e_shared(pf_e_root root, PyObject *name)
{
    return (pf_e_value){.kind = E_SHARED, .root = (uint8_t)root, .name = name};
}

pf_e_value pf_e_exception(void)
{
    return (pf_e_value){.kind = E_SHARED, .root = ROOT_OPAQUE, .py = PyExc_BaseException};
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

/* Immutable all the way down, and no callable. Not NotImplemented: asking for its truth warns. */
static bool is_plain_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    return object == Py_None || object == Py_Ellipsis || type == &PyLong_Type || type == &PyFloat_Type ||
           type == &PyBool_Type || type == &PyUnicode_Type || type == &PyBytes_Type || type == &PyComplex_Type ||
           type == &PyRange_Type;
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

/* Looking at one runs no code but its type's own. Not so of what stands for other objects or shows what it holds:
 * proxies, deques, views, defaultdicts, iterators. */
static bool is_inert(PyTypeObject *type)
{
    return pf_e_is_data_type(type) || type == &PyType_Type || type == &PyFunction_Type || type == &PyCFunction_Type ||
           type == &PyMethodDescr_Type;
}

/* Changing it in place only raises. */
static bool is_immutable_type(PyTypeObject *type)
{
    return type == &PyTuple_Type || type == &PyFrozenSet_Type || type == &PySlice_Type;
}

/* ---- what is in them ---- */

typedef enum holds { PLAIN_ITEMS, DATA_ITEMS, OTHER_ITEMS } holds;

enum { MOST_ITEMS = 1 << 16, MOST_LEVELS = 8 };

/* What is in a captured container right now: plain items, or data all the way down, or anything. Beyond MOST_ITEMS
 * nobody looks. `keys`: of a dict, only these. */
static holds look_into(PyObject *o, bool keys, int level, int *left);

static holds look_at(PyObject *item, holds sofar, int level, int *left)
{
    if (sofar == OTHER_ITEMS || --*left < 0) {
        return OTHER_ITEMS;
    }
    if (is_plain_object(item)) {
        return sofar;
    }
    return look_into(item, false, level + 1, left) == OTHER_ITEMS ? OTHER_ITEMS : DATA_ITEMS;
}

static holds look_into(PyObject *o, bool keys, int level, int *left)
{
    holds found = PLAIN_ITEMS;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (level > MOST_LEVELS) {
        return OTHER_ITEMS;
    }
    if (PyList_CheckExact(o) || PyTuple_CheckExact(o)) {
        PyObject **items = PyList_CheckExact(o) ? ((PyListObject *)o)->ob_item : ((PyTupleObject *)o)->ob_item;
        for (Py_ssize_t i = 0; i < Py_SIZE(o) && found != OTHER_ITEMS; i++) {
            found = look_at(items[i], found, level, left);
        }
    } else if (PyDict_CheckExact(o)) {
        while (found != OTHER_ITEMS && PyDict_Next(o, &at, &key, &value)) {
            found = look_at(key, found, level, left);
            found = keys ? found : look_at(value, found, level, left);
        }
    } else if (PyAnySet_CheckExact(o)) {
        PySetObject *set = (PySetObject *)o;
        for (Py_ssize_t i = 0; i <= set->mask && found != OTHER_ITEMS; i++) {
            if (set->table[i].key != NULL && set->table[i].hash != -1) { /* -1: a removed one */
                found = look_at(set->table[i].key, found, level, left);
            }
        }
    } else if (Py_TYPE(o) != &PyByteArray_Type && Py_TYPE(o) != &PyMemoryView_Type) {
        found = OTHER_ITEMS;
    }
    return found;
}

static pf_e_value scan(pf_e_value v, bool keys)
{
    int left = MOST_ITEMS;
    switch (look_into(v.py, keys, 0, &left)) {
    case PLAIN_ITEMS:
        return pf_e_plain;
    case DATA_ITEMS:
        return pf_e_shared(v.root, v.name);
    default:
        return pf_e_opaque;
    }
}

bool pf_e_is_data(PyObject *object)
{
    int left = MOST_ITEMS;
    return look_into(object, false, 0, &left) != OTHER_ITEMS;
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
    if (v.kind == E_SHARED || (v.kind == E_PY && pf_e_is_data(v.py))) {
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
        joined.root = x.root == y.root ? x.root : ROOT_MIXED;
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
        x->record = x->record == y->record ? x->record : SITE_MIXED;
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

pf_e_value pf_e_value_in(pf_analysis *a, pf_e_value v)
{
    switch (v.kind) {
    case E_FRESH:
    case E_BOUND:
        return v.site != NULL ? pf_e_join(a, pf_e_plain, pf_e_find(v.site)->content) : pf_e_plain;
    case E_PY:
        return scan(v, false);
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

static bool made_of_rows(pf_e_value v, int depth)
{
    switch (v.kind) {
    case E_BOTTOM:
    case E_PLAIN:
        return true;
    case E_FRESH:
        return depth > 0 && made_of_rows(pf_e_find(v.site)->content, depth - 1) &&
               made_of_rows(pf_e_find(v.site)->keys, depth - 1);
    case E_PY:
        return pf_is_harmless(v.py);
    default:
        return v.kind == E_SHARED && v.root == ROOT_ARG && v.py == NULL;
    }
}

bool pf_e_is_row(pf_e_value v)
{
    return made_of_rows(v, 5);
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
    } else if (v.kind == E_PY && !is_inert(Py_TYPE(v.py))) {
        pf_e_stop_text(a, entry, instr, PF_REASON_UNKNOWN_CALL, Py_TYPE(v.py)->tp_name);
    }
}

static void named_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    bool code = v.kind == E_PY ? !pf_e_is_data_type(Py_TYPE(v.py)) : v.kind == E_SHARED && v.root == ROOT_TYPES;
    pf_e_operand(a, entry, instr, v);
    if (code) {
        pf_e_stop(a, entry, instr, PF_REASON_UNKNOWN_CALL, v.name);
    }
}

typedef void check(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v);

/* Objects in objects; a site is looked at once, so there is an end for what contains itself. */
static void check_inside(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v, check *one)
{
    one(a, entry, instr, v);
    pf_e_site *site = v.kind == E_FRESH ? pf_e_find(v.site) : NULL;
    if (pf_e_done(a) || (site != NULL && site->check == a->check)) {
        return;
    }
    if (site != NULL) {
        site->check = a->check;
        check_inside(a, entry, instr, site->content, one);
        check_inside(a, entry, instr, site->keys, one);
    } else if (v.kind == E_PY && pf_e_is_data_type(Py_TYPE(v.py))) {
        one(a, entry, instr, scan(v, false));
    }
}

void pf_e_deep_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    a->check++;
    check_inside(a, entry, instr, v, pf_e_operand);
}

void pf_e_named_operand(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    a->check++;
    check_inside(a, entry, instr, v, named_operand);
}

void pf_e_searched(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    if (v.kind == E_FRESH && pf_e_find(v.site)->keys.kind != E_BOTTOM) {
        pf_e_deep_operand(a, entry, instr, pf_e_find(v.site)->keys);
    } else if (v.kind == E_PY && PyDict_CheckExact(v.py)) {
        pf_e_operand(a, entry, instr, scan(v, true));
    }
}

void pf_e_iterated(pf_analysis *a, const pf_e_entry *entry, int instr, pf_e_value v)
{
    if (v.kind == E_PY && Py_TYPE(v.py)->tp_iternext != NULL && pf_e_is_builtin_type(Py_TYPE(v.py))) {
        pf_e_stop(a, entry, instr, PF_REASON_CONSUMES_ITERATOR, v.name);
    }
    pf_e_operand(a, entry, instr, v);
}

/* What calling something does: Python functions are entered (effects_bind.c), everything else is looked up in
 * pure_callables.def. */
#include <string.h>

#include "effects_internal.h"
#include "intrinsics.h"
#include "replay.h"

typedef enum result {
    PLAIN,
    FLAG,
    ANY,
    VALUE,
    VALUES,
    NEXT,
    FRESH,
    SIFTED,
    NEW,
    HOLDS,
    TUPLES,
    CALLED,
    FOLDED,
    SLICE,
    OPAQUE
} result;
typedef enum calls {
    CALLS_NONE,
    CALLS_SENTINEL,
    CALLS_FIRST,
    CALLS_KEY,
    CALLS_KEY2,
    CALLS_FOLD,
    CALLS_FOLD2,
    CALLS_SPREAD
} calls;
typedef enum stores { STORES_NONE, STORES_ARGS, STORES_ITEMS, STORES_ALL, STORES_PAIR } stores;

typedef struct function_row {
    const char *module; /* NULL: a type */
    const char *name;
    result result;
    calls calls;
} function_row;

typedef struct method_row {
    const char *name;
    bool mutates;
    stores stores;
    result result;
} method_row;

#define FUNCTION(module, name, result, calls) {module, name, result, CALLS_##calls},
#define TYPE(name, result, calls) {NULL, name, result, CALLS_##calls},
#define METHOD(name, result)
#define MUTATOR(name, stores, result)
#define IMPURE(module)
static const function_row functions[] = {
#include "pure_callables.def"
};
#undef FUNCTION
#undef TYPE
#undef METHOD
#undef MUTATOR
#undef IMPURE

#define FUNCTION(module, name, result, calls)
#define TYPE(name, result, calls)
#define METHOD(name, result) {name, false, STORES_NONE, result},
#define MUTATOR(name, stores, result) {name, true, STORES_##stores, result},
#define IMPURE(module)
static const method_row methods[] = {
#include "pure_callables.def"
};
#undef METHOD
#undef MUTATOR
#undef IMPURE

#define METHOD(name, result)
#define MUTATOR(name, stores, result)
#define IMPURE(module) module,
static const char *const impure_modules[] = {
#include "pure_callables.def"
};
#undef FUNCTION
#undef TYPE
#undef METHOD
#undef MUTATOR
#undef IMPURE

static const function_row *find_function(const char *module, const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const function_row *row = &functions[i];
        bool same_module = module == NULL ? row->module == NULL : row->module && strcmp(row->module, module) == 0;
        if (same_module && strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

static const method_row *find_method(PyObject *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (PyUnicode_CompareWithASCIIString(name, methods[i].name) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}

static bool is_impure_module(const char *module)
{
    for (size_t i = 0; i < sizeof impure_modules / sizeof *impure_modules; i++) {
        if (strcmp(impure_modules[i], module) == 0) {
            return true;
        }
    }
    return false;
}

bool pf_e_is_method(PyObject *name)
{
    return find_method(name) != NULL;
}

/* Functions that read attributes of their arguments, by names that they are given. */
static bool reads_names(const char *name)
{
    return strcmp(name, "getattr") == 0 || strcmp(name, "hasattr") == 0 || strcmp(name, "format") == 0 ||
           strcmp(name, "format_map") == 0;
}

/* Codecs and their error handlers may be the user's: more arguments than these name one. */
static bool names_codec(const char *name, const pf_e_call *c)
{
    bool method = strcmp(name, "encode") == 0 || strcmp(name, "decode") == 0;
    bool type = strcmp(name, "str") == 0 || strcmp(name, "bytes") == 0 || strcmp(name, "bytearray") == 0;
    return (method || type) && (c->nargs > type || c->spread);
}

/* ---- arguments ---- */

/* The argument passed by keyword, or NULL. */
static pf_e_value *find_keyword(const pf_e_call *c, const char *name)
{
    int nkw = pf_e_keyword_count(c);
    for (int i = 0; i < nkw; i++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(c->kwnames, i), name) == 0) {
            return &c->args[c->nargs - nkw + i];
        }
    }
    return NULL;
}

static pf_e_value join_args(pf_analysis *a, const pf_e_call *c, int from)
{
    pf_e_value all = pf_e_plain;
    for (int i = from; i < c->nargs; i++) {
        all = pf_e_join(a, all, c->args[i]);
    }
    return all;
}

/* Item by item, because joining first would lose what is in fresh ones. */
static pf_e_value join_items(pf_analysis *a, const pf_e_call *c, int from)
{
    pf_e_value all = pf_e_plain;
    for (int i = from; i < c->nargs; i++) {
        all = pf_e_join(a, all, pf_e_item(a, c->args[i]));
    }
    return all;
}

static pf_e_value join_both(pf_analysis *a, const pf_e_call *c, int from)
{
    return pf_e_join(a, join_items(a, c, from), join_args(a, c, from));
}

static pf_e_value join_all(pf_analysis *a, const pf_e_call *c, int from)
{
    pf_e_value items = join_items(a, c, from);
    return pf_e_join(a, pf_e_join(a, pf_e_item(a, items), items), join_args(a, c, from));
}

static pf_e_value unknown(pf_analysis *a, const pf_e_call *c, int reason, PyObject *name)
{
    pf_e_stop(a, c->entry, c->instr, reason, name);
    return pf_e_plain;
}

static pf_e_value unknown_text(pf_analysis *a, const pf_e_call *c, int reason, const char *name)
{
    pf_e_stop_text(a, c->entry, c->instr, reason, name);
    return pf_e_plain;
}

/* ---- results of the tables ---- */

static pf_e_value fresh(pf_analysis *a, const pf_e_call *c, int part, pf_e_value content)
{
    return pf_e_fresh(a, c->entry, c->instr, part, content);
}

static pf_e_value container(pf_analysis *a, const pf_e_call *c, pf_e_value content)
{
    pf_e_value v = fresh(a, c, 0, content);
    if (v.kind == E_FRESH) {
        pf_e_find(v.site)->container = true;
    }
    return v;
}

static pf_e_value slice(pf_analysis *a, const pf_e_call *c)
{
    pf_e_value v = fresh(a, c, 0, pf_e_plain);
    if (v.kind == E_FRESH) {
        pf_e_find(v.site)->slice = true;
    }
    return v;
}

/* items and both start from the arguments after those that are called, and a method's receiver. */
static pf_e_value make_result(pf_analysis *a, const pf_e_call *c, result kind, pf_e_value items, pf_e_value all,
                              pf_e_value called)
{
    switch (kind) {
    case ANY:
    case NEXT:
    case VALUE:
        return all;
    case FRESH:
    case SIFTED:
    case VALUES:
        return fresh(a, c, 0, items);
    case NEW:
        return container(a, c, items);
    case HOLDS:
        return container(a, c, all);
    case TUPLES:
        return fresh(a, c, 0, fresh(a, c, 4, items));
    case CALLED:
        return fresh(a, c, 0, called);
    case FOLDED:
        return pf_e_join(a, called, all);
    case SLICE:
        return slice(a, c);
    case OPAQUE:
        return pf_e_opaque;
    default:
        return pf_e_plain;
    }
}

/* ---- callables passed as arguments ---- */

static pf_e_value call_with(pf_analysis *a, const pf_e_call *c, pf_e_value callee, pf_e_value *args, int n, bool spread)
{
    pf_e_call inner = {
        .entry = c->entry, .instr = c->instr, .callee = callee, .args = args, .nargs = n, .spread = spread};
    return pf_e_do_call(a, &inner);
}

/* f(result so far, item) until the result grows no more. */
static pf_e_value fold(pf_analysis *a, const pf_e_call *c, pf_e_value callee, pf_e_value start, pf_e_value items)
{
    pf_e_value sofar = pf_e_join(a, start, items);
    for (int round = 0; round < 4 && !pf_e_done(a); round++) {
        pf_e_value args[2] = {sofar, items};
        sofar = pf_e_join(a, sofar, call_with(a, c, callee, args, 2, false));
    }
    return sofar;
}

/* key on the items of the arguments, on themselves, and on those of a method's receiver. */
static pf_e_value call_key(pf_analysis *a, const pf_e_call *c, pf_e_value *key, pf_e_value receiver)
{
    if (key == NULL) {
        return pf_e_plain;
    }
    pf_e_value v = pf_e_item(a, receiver);
    for (pf_e_value *arg = c->args; arg < c->args + c->nargs; arg++) {
        v = arg == key ? v : pf_e_join(a, v, pf_e_join(a, pf_e_item(a, *arg), *arg));
    }
    v = call_with(a, c, *key, &v, 1, false);
    pf_e_deep_operand(a, c->entry, c->instr, v); /* results are compared */
    return v;
}

/* map, filter: one item of each of the others. `sifted`: the result's truth decides, or the item's if there is no
 * function. */
static pf_e_value call_first(pf_analysis *a, const pf_e_call *c, bool sifted)
{
    pf_e_value args[8];
    int n = c->nargs - 1;
    if (n > 8) {
        return unknown(a, c, PF_REASON_UNKNOWN_CALL, c->callee.name);
    }
    for (int i = 0; i < n; i++) {
        args[i] = pf_e_item(a, c->args[i + 1]);
    }
    pf_e_value result = call_with(a, c, c->args[0], args, n, c->spread);
    if (sifted) {
        pf_e_operand(a, c->entry, c->instr, result);
        pf_e_operand(a, c->entry, c->instr, c->args[0].kind == E_PLAIN ? args[0] : result);
    }
    return result;
}

static pf_e_value call_passed(pf_analysis *a, const pf_e_call *c, calls how, bool sifted)
{
    int npos = c->nargs - pf_e_keyword_count(c);
    pf_e_value *key;
    switch (how) {
    case CALLS_FIRST:
        return npos >= 2 ? call_first(a, c, sifted) : pf_e_plain;
    case CALLS_KEY:
        return call_key(a, c, find_keyword(c, "key"), pf_e_plain);
    case CALLS_KEY2:
        return call_key(a, c, npos >= 2 ? &c->args[1] : find_keyword(c, "key"), pf_e_plain);
    case CALLS_FOLD:
        return npos >= 2 ? fold(a, c, c->args[0], npos > 2 ? c->args[2] : pf_e_plain, pf_e_item(a, c->args[1]))
                         : pf_e_plain;
    case CALLS_FOLD2:
        key = npos >= 2 ? &c->args[1] : find_keyword(c, "func");
        if (key == NULL || key->kind == E_PLAIN) { /* adds */
            pf_e_deep_operand(a, c->entry, c->instr, join_both(a, c, 0));
        }
        return key != NULL ? fold(a, c, *key, join_args(a, c, 2), pf_e_item(a, c->args[0]))
                           : pf_e_join(a, fresh(a, c, 5, pf_e_plain), pf_e_item(a, c->args[0]));
    case CALLS_SPREAD:
        if (npos >= 2) {
            pf_e_value one = pf_e_item(a, c->args[1]), all = pf_e_item(a, one);
            pf_e_iterated(a, c->entry, c->instr, one);
            return call_with(a, c, c->args[0], &all, 1, true);
        }
        return pf_e_plain;
    default:
        return pf_e_plain;
    }
}

/* ---- functions and types written in C ---- */

/* The call without the function that is passed by keyword or second: it is called, not looked at. */
static bool without_callable(const pf_e_call *c, calls how, pf_e_call *rest, pf_e_value *room, int size)
{
    const pf_e_value *skip = how == CALLS_FOLD2 ? find_keyword(c, "func") : find_keyword(c, "key");
    int npos = c->nargs - pf_e_keyword_count(c);
    if (skip == NULL && npos >= 2 && (how == CALLS_KEY2 || how == CALLS_FOLD2)) {
        skip = &c->args[1];
    }
    *rest = *c;
    if (skip == NULL || how == CALLS_NONE) {
        return true;
    }
    if (c->nargs > size) {
        return false;
    }
    rest->args = room;
    rest->nargs = 0;
    rest->kwnames = NULL;
    for (const pf_e_value *arg = c->args; arg < c->args + c->nargs; arg++) {
        if (arg != skip) {
            room[rest->nargs++] = *arg;
        }
    }
    return true;
}

/* Functions that look into their arguments compare, hash or format what is there. */
static bool looks_inside(result kind)
{
    return kind == PLAIN || kind == ANY || kind == NEW || kind == HOLDS || kind == SIFTED;
}

static void check_args(pf_analysis *a, const pf_e_call *c, int from, bool deep)
{
    for (int i = from; i < c->nargs; i++) {
        pf_e_iterated(a, c->entry, c->instr, c->args[i]);
        if (deep) {
            pf_e_deep_operand(a, c->entry, c->instr, c->args[i]);
        }
    }
}

static bool may_be_called(pf_e_value v)
{
    bool unknown = v.kind == E_SHARED && (v.root == ROOT_OPAQUE || v.root == ROOT_TYPES);
    return v.kind == E_FUNC || v.kind == E_BOUND || unknown || (v.kind == E_PY && PyCallable_Check(v.py));
}

/* f(*args): no telling what is called, or whether a key is among the arguments that are not data. */
static bool hides_callable(const pf_e_call *c, calls how)
{
    if (how == CALLS_SENTINEL) {
        return c->spread || c->nargs > 1;
    }
    if (!c->spread || how == CALLS_NONE) {
        return false;
    }
    return how == CALLS_KEY || how == CALLS_KEY2 || how == CALLS_FOLD2 ? may_be_called(c->args[c->nargs - 1])
                                                                       : c->nargs < 2;
}

static pf_e_value call_row(pf_analysis *a, const pf_e_call *c, const function_row *row)
{
    int skip = row->calls == CALLS_FIRST || row->calls == CALLS_FOLD || row->calls == CALLS_SPREAD;
    pf_e_value room[16], all;
    pf_e_call rest;
    if (hides_callable(c, row->calls) || names_codec(row->name, c) ||
        !without_callable(c, row->calls, &rest, room, 16)) {
        return unknown_text(a, c, PF_REASON_UNKNOWN_CALL, row->name);
    }
    if (strcmp(row->name, "inv") == 0 || strcmp(row->name, "invert") == 0) {
        pf_e_inverts(a);
    }
    check_args(a, &rest, skip, looks_inside(row->result));
    for (int i = 0; i < c->nargs && reads_names(row->name); i++) {
        pf_e_named_operand(a, c->entry, c->instr, c->args[i]);
    }
    if (row->result == NEXT && c->nargs > 0 && c->args[0].kind == E_SHARED) {
        return unknown(a, c, PF_REASON_CONSUMES_ITERATOR, c->args[0].name);
    }
    pf_e_value called = call_passed(a, c, row->calls, row->result == SIFTED);
    pf_e_value items = join_items(a, &rest, skip);
    if (row->result == HOLDS) {
        pf_e_iterated(a, c->entry, c->instr, items); /* pairs */
    }
    if (row->result == NEXT) {
        all = pf_e_join(a, pf_e_item(a, c->nargs ? c->args[0] : pf_e_plain), join_args(a, c, 1));
    } else {
        all = row->result == HOLDS ? join_all(a, &rest, skip) : join_both(a, &rest, skip);
    }
    return make_result(a, c, row->result, items, all, called);
}

static void store(pf_analysis *a, const pf_e_call *c, pf_e_value receiver, stores how)
{
    pf_e_value stored = how == STORES_ARGS    ? join_args(a, c, 0)
                        : how == STORES_ITEMS ? join_items(a, c, 0)
                        : how == STORES_ALL   ? join_all(a, c, 0)
                        : how == STORES_PAIR  ? join_args(a, c, 1)
                                              : pf_e_plain;
    pf_e_searched(a, c->entry, c->instr, receiver);
    if (how == STORES_ALL) {
        pf_e_iterated(a, c->entry, c->instr, join_items(a, c, 0)); /* pairs */
    }
    pf_e_mutate(a, c->entry, c->instr, receiver, stored, PF_REASON_MUTATES_UNKNOWN);
    if (how == STORES_PAIR && c->nargs > 0) {
        pf_e_add_key(a, receiver, c->args[0]);
    }
}

static pf_e_value method_result(pf_analysis *a, const pf_e_call *c, pf_e_value receiver, result kind)
{
    pf_e_value inside = kind == VALUE || kind == VALUES ? pf_e_value_in(a, receiver) : pf_e_item(a, receiver), all;
    pf_e_value items = pf_e_join(a, join_items(a, c, 0), inside);
    if (kind == VALUE) {
        all = pf_e_join(a, inside, join_args(a, c, c->spread ? 0 : 1));
    } else if (kind == HOLDS) {
        all = join_all(a, c, 0);
    } else {
        all = pf_e_join(a, pf_e_join(a, items, join_args(a, c, 0)), receiver);
    }
    return make_result(a, c, kind, items, all, pf_e_plain);
}

static pf_e_value call_method(pf_analysis *a, const pf_e_call *c, pf_e_value receiver, PyObject *name)
{
    const method_row *row = find_method(name);
    bool known = receiver.kind != E_PY || pf_e_is_data_type(Py_TYPE(receiver.py));
    bool opaque = receiver.kind == E_SHARED && (receiver.root == ROOT_OPAQUE || receiver.root == ROOT_TYPES);
    pf_e_value room[16];
    pf_e_call rest;
    if (row == NULL || !known || opaque || hides_callable(c, CALLS_KEY) || names_codec(row->name, c) ||
        !without_callable(c, CALLS_KEY, &rest, room, 16)) {
        return unknown(a, c, PF_REASON_IMPURE_METHOD, name);
    }
    call_key(a, c, find_keyword(c, "key"), receiver);
    check_args(a, &rest, 0, true);
    for (int i = 0; i < c->nargs && reads_names(row->name); i++) {
        pf_e_named_operand(a, c->entry, c->instr, c->args[i]);
    }
    if (row->result == PLAIN || row->result == NEW) {
        pf_e_deep_operand(a, c->entry, c->instr, receiver);
    }
    pf_e_searched(a, c->entry, c->instr, receiver);
    if (row->mutates) {
        store(a, &rest, receiver, row->stores);
    }
    return method_result(a, &rest, receiver, row->result);
}

static pf_e_value call_prefixed(pf_analysis *a, const pf_e_call *c, pf_e_value callee, const pf_e_value *first, int n)
{
    pf_e_value args[16];
    if (n + c->nargs > 16) {
        return unknown(a, c, PF_REASON_UNKNOWN_CALL, c->callee.name);
    }
    memcpy(args, first, sizeof(pf_e_value) * (size_t)n);
    memcpy(args + n, c->args, sizeof(pf_e_value) * (size_t)c->nargs);
    pf_e_call inner = *c;
    inner.callee = callee;
    inner.args = args;
    inner.nargs = n + c->nargs;
    return pf_e_do_call(a, &inner);
}

/* ---- classes ---- */

/* A getter made in the function: any one stands for it, since call_getter does not ask what it gets. */
static pf_e_value make_getter(pf_analysis *a, const pf_e_call *c, PyTypeObject *type)
{
    PyObject *getter = pf_e_keep(a, PyObject_CallFunction((PyObject *)type, "s", "x"));
    a->failed = a->failed || getter == NULL;
    return getter != NULL ? pf_e_of(a, getter, c->callee.name) : pf_e_plain;
}

static pf_e_value make_namedtuple(pf_analysis *a, const pf_e_call *c, PyTypeObject *type)
{
    enum { RECORD = 6 }; /* what else the instruction makes has a site of its own */
    PyObject *make = PyDict_GetItemString(type->tp_dict, "__new__");
    make = make != NULL && Py_TYPE(make) == &PyStaticMethod_Type
               ? pf_e_keep(a, Py_TYPE(make)->tp_descr_get(make, NULL, (PyObject *)type))
               : make;
    if (make == NULL || !PyFunction_Check(make)) {
        return unknown_text(a, c, PF_REASON_UNKNOWN_CALL, type->tp_name);
    }
    pf_e_value self = pf_e_of(a, (PyObject *)type, NULL);
    call_prefixed(a, c, pf_e_of(a, make, NULL), &self, 1);
    pf_e_value v = fresh(a, c, RECORD, join_args(a, c, 0));
    if (v.kind == E_FRESH) {
        pf_e_find(v.site)->record = SITE_RECORD;
    }
    return v;
}

static pf_e_value call_type(pf_analysis *a, const pf_e_call *c, PyTypeObject *type)
{
    if (type == &PyType_Type && (c->nargs != 1 || c->spread)) {
        return unknown(a, c, PF_REASON_CLASS_BODY, NULL);
    }
    if (pf_e_is_builtin_type(type)) {
        const function_row *row = find_function(NULL, type->tp_name);
        if (row != NULL) {
            return call_row(a, c, row);
        }
    }
    if (pf_e_is_plain_exception(type)) {
        check_args(a, c, pf_e_takes_any(type) ? c->nargs : 0, true);
        return pf_e_exception();
    }
    if (pf_e_is_getter(type)) {
        check_args(a, c, 0, true);
        return make_getter(a, c, type);
    }
    if (pf_e_is_plain_namedtuple(type)) {
        return make_namedtuple(a, c, type);
    }
    return unknown_text(a, c, PF_REASON_UNKNOWN_CALL, type->tp_name);
}

/* ---- objects ---- */

/* Member of a type of the standard library that holds a plain reference: no user code. New reference, kept. */
static PyObject *member(pf_analysis *a, PyObject *object, const char *text)
{
    PyObject *name = PyUnicode_FromString(text);
    PyObject *value = name != NULL ? PyObject_GenericGetAttr(object, name) : NULL;
    Py_XDECREF(name);
    if (value == NULL) {
        a->failed = true;
    }
    return pf_e_keep(a, value);
}

static pf_e_value call_partial(pf_analysis *a, const pf_e_call *c, PyObject *partial)
{
    PyObject *func = member(a, partial, "func"), *given = member(a, partial, "args");
    PyObject *keywords = member(a, partial, "keywords");
    pf_e_value first[8];
    if (a->failed) {
        return pf_e_plain;
    }
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) > 8 || !PyDict_Check(keywords) ||
        PyDict_GET_SIZE(keywords) > 0) {
        return unknown(a, c, PF_REASON_UNKNOWN_CALL, c->callee.name);
    }
    int n = (int)PyTuple_GET_SIZE(given);
    for (int i = 0; i < n; i++) {
        first[i] = pf_e_of(a, PyTuple_GET_ITEM(given, i), c->callee.name);
    }
    return call_prefixed(a, c, pf_e_of(a, func, c->callee.name), first, n);
}

/* A method of an object of an impure module: random.random is one of a hidden Random's. */
static bool is_impure_self(PyTypeObject *type)
{
    for (; type != NULL; type = type->tp_base) {
        const char *dot = strrchr(type->tp_name, '.');
        for (size_t i = 0; dot != NULL && i < sizeof impure_modules / sizeof *impure_modules; i++) {
            size_t length = strlen(impure_modules[i]);
            if (length == (size_t)(dot - type->tp_name) && strncmp(impure_modules[i], type->tp_name, length) == 0) {
                return true;
            }
        }
    }
    return false;
}

static pf_e_value call_cfunction(pf_analysis *a, const pf_e_call *c, PyObject *object)
{
    PyCFunctionObject *f = (PyCFunctionObject *)object;
    const char *name = f->m_ml->ml_name;
    const char *module = f->m_module != NULL && PyUnicode_Check(f->m_module) ? PyUnicode_AsUTF8(f->m_module) : NULL;
    if (f->m_self == (PyObject *)&PyTuple_Type && strcmp(name, "__new__") == 0) {
        check_args(a, c, 0, false);
        return fresh(a, c, 0, join_items(a, c, 1));
    }
    if (f->m_self != NULL && pf_e_is_data_type(Py_TYPE(f->m_self))) { /* a bound method that somebody kept */
        PyObject *text = pf_e_keep(a, PyUnicode_FromString(name));
        pf_e_value receiver = pf_e_of(a, f->m_self, c->callee.name);
        return text == NULL ? pf_e_plain : call_method(a, c, receiver, text);
    }
    const function_row *row = module != NULL ? find_function(module, name) : NULL;
    if (row != NULL) {
        return call_row(a, c, row);
    }
    bool impure = module != NULL ? is_impure_module(module) : f->m_self != NULL && is_impure_self(Py_TYPE(f->m_self));
    return unknown_text(a, c, impure ? PF_REASON_IMPURE_CALL : PF_REASON_UNKNOWN_CALL, name);
}

/* What is got is not asked, but a key of a class of the user's would be. */
static bool gets_by_data(PyObject *getter)
{
    Py_ssize_t n;
    PyObject *words = pf_getter_words(getter, &n);
    return words != NULL && pf_is_harmless(words);
}

static pf_e_value call_getter(pf_analysis *a, const pf_e_call *c)
{
    if (!gets_by_data(c->callee.py)) {
        return unknown_text(a, c, PF_REASON_UNKNOWN_CALL, Py_TYPE(c->callee.py)->tp_name);
    }
    for (int i = 0; i < c->nargs; i++) {
        pf_e_named_operand(a, c->entry, c->instr, c->args[i]);
    }
    pf_e_value items = join_items(a, c, 0);
    items = pf_e_join(a, items, pf_e_item(a, items));
    return pf_e_join(a, items, fresh(a, c, 0, items));
}

static pf_e_value call_descriptor(pf_analysis *a, const pf_e_call *c, PyObject *descriptor)
{
    pf_e_call rest = *c;
    PyObject *name = ((PyDescrObject *)descriptor)->d_name;
    if (c->nargs < 1) {
        return pf_e_plain; /* raises */
    }
    if (!c->spread || c->nargs > 1) {
        rest.args++;
        rest.nargs--;
    }
    return call_method(a, &rest, c->args[0], name);
}

static pf_e_value call_object(pf_analysis *a, const pf_e_call *c)
{
    PyObject *o = c->callee.py;
    if (PyFunction_Check(o)) {
        return pf_e_call_function(a, c, (PyFunctionObject *)o);
    }
    if (PyMethod_Check(o)) {
        pf_e_value self = pf_e_of(a, PyMethod_GET_SELF(o), c->callee.name);
        return call_prefixed(a, c, pf_e_of(a, PyMethod_GET_FUNCTION(o), c->callee.name), &self, 1);
    }
    if (PyCFunction_Check(o)) {
        return call_cfunction(a, c, o);
    }
    if (PyType_Check(o)) {
        return call_type(a, c, (PyTypeObject *)o);
    }
    if (Py_TYPE(o) == &PyMethodDescr_Type) {
        return call_descriptor(a, c, o);
    }
    if (pf_e_is_type(o, "functools.partial")) {
        return call_partial(a, c, o);
    }
    if (pf_e_is_getter(Py_TYPE(o))) {
        return call_getter(a, c);
    }
    return c->callee.name ? unknown(a, c, PF_REASON_UNKNOWN_CALL, c->callee.name)
                          : unknown_text(a, c, PF_REASON_UNKNOWN_CALL, Py_TYPE(o)->tp_name);
}

static pf_e_value call_value(pf_analysis *a, const pf_e_call *c)
{
    pf_e_value callee = c->callee;
    switch (callee.kind) {
    case E_PY:
        return call_object(a, c);
    case E_FUNC:
        return pf_e_call_made(a, c);
    case E_BOUND:
        callee.kind = callee.site != NULL ? E_FRESH : E_PLAIN;
        return call_method(a, c, callee, c->callee.py);
    case E_SHARED:
        if (callee.py != NULL && callee.root != ROOT_OPAQUE) {
            return call_method(a, c, pf_e_shared(callee.root, callee.name), callee.py);
        }
        return unknown(a, c, PF_REASON_UNKNOWN_CALL, callee.name);
    case E_FRESH:
        return unknown(a, c, PF_REASON_UNKNOWN_CALL, callee.name);
    default:
        return pf_e_plain; /* not callable: raises */
    }
}

pf_e_value pf_e_do_call(pf_analysis *a, const pf_e_call *c)
{
    pf_e_value result = pf_e_plain;
    if (a->level >= PF_E_MAX_LEVEL) {
        return unknown(a, c, PF_REASON_TOO_COMPLEX, NULL);
    }
    a->level++;
    if (!pf_e_done(a)) {
        result = call_value(a, c);
    }
    a->level--;
    return result;
}

/* The consumers: builtins' names, signatures and messages; native where the engine can, the builtin itself elsewhere.
 *
 * Each one decides only what is its own: arguments, which sink, what an empty source means. Whatever it does not want to know
 * about goes to the builtin unchanged. */
#include "consume.h"

#include <string.h>

#include "chain.h"
#include "config.h"
#include "exec.h"
#include "introspect_layout.h"
#include "loops.h"
#include "replay.h"

/* The builtins themselves, kept for the process, and what a call of one comes to: of the functions, at most one is not NULL. */
static struct {
    PyObject *object, *self;
    PyCFunction one;                   /* METH_O */
    _PyCFunctionFast fast;             /* METH_FASTCALL */
    _PyCFunctionFastWithKeywords full; /* METH_FASTCALL | METH_KEYWORDS */
    PyCFunction packed;                /* METH_VARARGS */
    PyCFunctionWithKeywords packed_full; /* METH_VARARGS | METH_KEYWORDS */
    vectorcallfunc type;
} builtin[PF_CONSUMER_COUNT];
static PyObject *empty_tuple;

static const struct {
    const char *module, *name;
} names[PF_CONSUMER_COUNT] = {
    [PF_CONSUME_SUM] = {"builtins", "sum"},   [PF_CONSUME_MIN] = {"builtins", "min"},
    [PF_CONSUME_MAX] = {"builtins", "max"},   [PF_CONSUME_ANY] = {"builtins", "any"},
    [PF_CONSUME_ALL] = {"builtins", "all"},   [PF_CONSUME_LIST] = {"builtins", "list"},
    [PF_CONSUME_TUPLE] = {"builtins", "tuple"}, [PF_CONSUME_NEXT] = {"builtins", "next"},
    [PF_CONSUME_REDUCE] = {"_functools", "reduce"},
};

/* The builtin runs in our place, not below us: up to 3.11 a call of a C function counts as a level of recursion, unless
 * its call site is specialised, and RecursionError has to come where it would. Calls of ours count as those of the
 * builtin do, so its own level does not: where those count always, ours take their arguments in a tuple, and are never
 * specialised (pack). */
static PyObject *call(pf_consumer consumer, PyObject *const *args, size_t nargs, PyObject *kwnames)
{
#if PY_VERSION_HEX < 0x030c0000
    PyThreadState *tstate = PyThreadState_Get();
    tstate->recursion_remaining++;
    PyObject *result = PyObject_Vectorcall(builtin[consumer].object, args, nargs, kwnames);
    tstate->recursion_remaining--;
    return result;
#else
    return PyObject_Vectorcall(builtin[consumer].object, args, nargs, kwnames);
#endif
}

/* Arguments that came in a tuple, and in a dict, given on to who takes them one by one. */
static PyObject *unpack(_PyCFunctionFastWithKeywords consume, PyObject *module, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t nargs = PyTuple_GET_SIZE(args), nkw = kwargs == NULL ? 0 : PyDict_GET_SIZE(kwargs), at = 0;
    PyObject *const *items = &PyTuple_GET_ITEM(args, 0);
    if (nkw == 0) {
        return consume(module, items, nargs, NULL);
    }
    PyObject **all = PyMem_New(PyObject *, nargs + nkw), *names = PyTuple_New(nkw), *name, *value;
    PyObject *result = NULL;
    if (all == NULL || names == NULL) {
        PyErr_NoMemory();
    } else {
        memcpy(all, items, (size_t)nargs * sizeof *all);
        for (Py_ssize_t i = 0; PyDict_Next(kwargs, &at, &name, &value); i++) {
            PyTuple_SET_ITEM(names, i, Py_NewRef(name));
            all[nargs + i] = value; /* the call holds the dict */
        }
        result = consume(module, all, nargs, names);
    }
    Py_XDECREF(names);
    PyMem_Free(all);
    return result;
}

/* Mostly its C function can be called as it is, which counts for nothing anyway. */
static inline PyObject *plain(pf_consumer consumer, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (builtin[consumer].full != NULL) {
        return builtin[consumer].full(builtin[consumer].self, args, nargs, kwnames);
    }
    if (builtin[consumer].fast != NULL && kwnames == NULL) {
        return builtin[consumer].fast(builtin[consumer].self, args, nargs);
    }
    return call(consumer, args, (size_t)nargs, kwnames);
}

static inline PyObject *plain_one(pf_consumer consumer, PyObject *arg)
{
    if (builtin[consumer].one != NULL) {
        return builtin[consumer].one(builtin[consumer].self, arg);
    }
    PyObject *args[2] = {NULL, arg}; /* room for a bound self */
    return call(consumer, args + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static inline PyObject *plain_type(pf_consumer consumer, PyObject *const *args, size_t nargsf)
{
    vectorcallfunc type = builtin[consumer].type;
    return type != NULL ? type(builtin[consumer].object, args, nargsf, NULL) : call(consumer, args, nargsf, NULL);
}

/* Too few rows to be worth a look. */
static inline bool is_few(int64_t rows)
{
    enum { FEW = 16 };
    return rows < FEW && pf_few_rows_stay();
}

static inline bool few(PyObject *iterable) { return is_few(pf_chain_glance(iterable).rows); }

static bool is_kw(PyObject *name, const char *text) { return PyUnicode_CompareWithASCIIString(name, text) == 0; }

/* ---- sum ---- */

static bool plain_number(PyObject *start)
{
    return start == NULL || PyLong_CheckExact(start) || PyFloat_CheckExact(start) || PyBool_Check(start);
}

/* What follows in a consumer once there is something to run natively stands by itself: calls over few rows never get there. */
static PyObject *sum_of_many(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t nkw = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    bool known = nargs + nkw == 1 || (nargs + nkw == 2 && (nkw == 0 || is_kw(PyTuple_GET_ITEM(kwnames, 0), "start")));
    PyObject *start = nargs + nkw == 2 ? args[1] : NULL;
    if (!known || !plain_number(start)) {
        return plain(PF_CONSUME_SUM, args, nargs, kwnames);
    }
    pf_sum_sink sink;
    pf_sum_init(&sink, start);
    pf_call call = {PF_CONSUME_SUM, args[0], NULL, 0, &sink.base};
    int status = pf_exec_run(&call);
    PyObject *result = status > 0 ? pf_sum_result(&sink) : NULL;
    pf_sum_clear(&sink);
    return status == 0 ? plain(PF_CONSUME_SUM, args, nargs, kwnames) : result;
}

static PyObject *consume_sum(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return nargs == 0 || few(args[0]) ? plain(PF_CONSUME_SUM, args, nargs, kwnames) : sum_of_many(args, nargs, kwnames);
}

/* ---- min, max ---- */

static PyObject *extreme_of_many(pf_consumer consumer, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t nkw = kwnames != NULL ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *key = NULL, *fallback = NULL;
    bool known = nargs == 1;
    for (Py_ssize_t i = 0; i < nkw; i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        if (is_kw(name, "key")) {
            key = args[nargs + i] == Py_None ? NULL : args[nargs + i];
        } else if (is_kw(name, "default")) {
            fallback = args[nargs + i];
        } else {
            known = false;
        }
    }
    if (!known) {
        return plain(consumer, args, nargs, kwnames);
    }
    pf_extreme_sink sink;
    pf_extreme_init(&sink, consumer == PF_CONSUME_MIN ? Py_LT : Py_GT, key);
    pf_call call = {consumer, args[0], &key, key != NULL, &sink.base};
    int status = pf_exec_run(&call);
    PyObject *result = NULL;
    if (status > 0 && sink.item != NULL) {
        result = Py_NewRef(sink.item);
    } else if (status > 0) {
        result = fallback != NULL ? Py_NewRef(fallback) : plain_one(consumer, empty_tuple);
    }
    pf_extreme_clear(&sink);
    return status == 0 ? plain(consumer, args, nargs, kwnames) : result;
}

static inline PyObject *consume_extreme(pf_consumer consumer, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return nargs != 1 || few(args[0]) ? plain(consumer, args, nargs, kwnames) : extreme_of_many(consumer, args, nargs, kwnames);
}

static PyObject *consume_min(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return consume_extreme(PF_CONSUME_MIN, args, nargs, kwnames);
}

static PyObject *consume_max(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return consume_extreme(PF_CONSUME_MAX, args, nargs, kwnames);
}

static inline PyObject *packed_extreme(pf_consumer consumer, _PyCFunctionFastWithKeywords consume, PyObject *module,
                                       PyObject *args, PyObject *kwargs)
{
    const bool stays = PyTuple_GET_SIZE(args) != 1 || few(PyTuple_GET_ITEM(args, 0));
    return stays ? builtin[consumer].packed_full(builtin[consumer].self, args, kwargs)
                 : unpack(consume, module, args, kwargs);
}

static PyObject *packed_min(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return packed_extreme(PF_CONSUME_MIN, consume_min, module, args, kwargs);
}

static PyObject *packed_max(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return packed_extreme(PF_CONSUME_MAX, consume_max, module, args, kwargs);
}

/* ---- any, all, next ---- */

/* The first row as the builtin takes it: many a search ends there. 1 found, or there is none; 0 goes on; -1 exception. */
static int first_row(PyObject *iterator, int wanted, bool *found)
{
    PyObject *item = PyIter_Next(iterator);
    if (item == NULL) {
        *found = false;
        return PyErr_Occurred() ? -1 : 1;
    }
    int truth = PyObject_IsTrue(item);
    Py_DECREF(item);
    *found = truth == wanted;
    return truth < 0 ? -1 : *found;
}

static PyObject *truth(bool found, int wanted) { return PyBool_FromLong(found == (wanted == 1)); }

/* Any and all of what is not short. */
static PyObject *search_natively(pf_consumer consumer, PyObject *iterable, int wanted)
{
    pf_first_sink sink;
    pf_first_init(&sink, wanted);
    pf_call call = {consumer, iterable, NULL, 0, &sink.base};
    int status = pf_exec_run(&call);
    bool found = sink.item != NULL;
    Py_XDECREF(sink.item);
    return status == 0 ? plain_one(consumer, iterable) : status < 0 ? NULL : truth(found, wanted);
}

/* What is known of the code on top of a chain, or NULL. */
static pf_loop *loop_above(PyObject *iterator, const PyCodeObject **code)
{
    PyCodeObject *found = pf_loop_code(iterator);
    *code = found;
    return found != NULL ? pf_loop_of(found) : NULL;
}

static bool stays_near(const pf_loop *loop, int64_t rows)
{
    return loop != NULL && pf_loop_is_near(loop, rows) && pf_few_rows_stay();
}

/* A search has ended: result NULL with an exception. */
static PyObject *ended(PyObject *result, const PyCodeObject *code, PyObject *iterator, int64_t rows)
{
    if (code != NULL) {
        pf_loop_ended(code, rows, result != NULL ? pf_chain_glance(iterator).rows : INT64_MAX);
    }
    return result;
}

/* The first row, and all where the last searches by this code ended near (loops.h), is CPython's. */
static PyObject *search_many(pf_consumer consumer, PyObject *iterable, int wanted, pf_glance glance)
{
    if (glance.at_once && is_few(glance.rows - 1)) { /* too few would be left */
        return plain_one(consumer, iterable);
    }
    const PyCodeObject *code;
    pf_loop *loop = loop_above(iterable, &code);
    if (glance.at_once && (loop == NULL || pf_loop_tries_first(loop)) && pf_few_rows_stay()) {
        bool found;
        int status = first_row(iterable, wanted, &found);
        if (status != 0) {
            if (loop != NULL) {
                loop->passed = 0;
            }
            return status < 0 ? NULL : truth(found, wanted);
        }
    }
    PyObject *result = stays_near(loop, glance.rows) ? plain_one(consumer, iterable) : search_natively(consumer, iterable, wanted);
    return ended(result, code, iterable, glance.rows);
}

/* Wrong calls go to the builtin as they came: its words are its own. */
static inline PyObject *consume_first(pf_consumer consumer, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int wanted)
{
    if (nargs != 1 || kwnames != NULL) {
        return call(consumer, args, (size_t)nargs, kwnames);
    }
    pf_glance glance = pf_chain_glance(args[0]);
    return is_few(glance.rows) ? plain_one(consumer, args[0])
                               : search_many(consumer, args[0], wanted, glance);
}

static PyObject *consume_any(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return consume_first(PF_CONSUME_ANY, args, nargs, kwnames, 1);
}

static PyObject *consume_all(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    return consume_first(PF_CONSUME_ALL, args, nargs, kwnames, 0);
}

static PyObject *packed_any(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return unpack(consume_any, module, args, kwargs);
}

static PyObject *packed_all(PyObject *module, PyObject *args, PyObject *kwargs)
{
    return unpack(consume_all, module, args, kwargs);
}

/* What an islice takes its items from; NULL: it is none, or has ended. */
static inline PyObject *islice_input(PyObject *iterator)
{
    bool is = Py_TYPE(iterator) == pf_types.types[PF_T_ISLICE] && pf_types.ok[PF_T_ISLICE];
    return is ? ((pf_islice *)iterator)->it : NULL;
}

/* One item of a plain iterator is CPython's; only a generator expression or a filter may have to look far for it, itself or below an
 * islice. */
static inline bool may_look_far(PyObject *iterator)
{
    PyObject *input = islice_input(iterator);
    iterator = input != NULL ? input : iterator;
    return PyGen_CheckExact(iterator) || Py_TYPE(iterator) == &PyFilter_Type;
}

static PyObject *next_natively(PyObject *const *args, Py_ssize_t nargs)
{
    pf_first_sink sink;
    pf_first_init(&sink, -1);
    pf_call call = {PF_CONSUME_NEXT, args[0], NULL, 0, &sink.base};
    int status = pf_exec_run(&call);
    if (status == 0) {
        return plain(PF_CONSUME_NEXT, args, nargs, NULL);
    }
    if (status < 0 && nargs == 2 && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
        status = 1;
    }
    if (status > 0 && sink.item == NULL) {
        if (nargs == 2) {
            return Py_NewRef(args[1]);
        }
        PyErr_SetNone(PyExc_StopIteration);
    }
    return sink.item;
}

static PyObject *next_of_many(PyObject *const *args, Py_ssize_t nargs, int64_t rows)
{
    const PyCodeObject *code;
    const pf_loop *loop = loop_above(args[0], &code);
    PyObject *result = stays_near(loop, rows) ? plain(PF_CONSUME_NEXT, args, nargs, NULL) : next_natively(args, nargs);
    return ended(result, code, args[0], rows);
}

static PyObject *consume_next(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    if (nargs < 1 || nargs > 2 || kwnames != NULL || !may_look_far(args[0])) {
        return plain(PF_CONSUME_NEXT, args, nargs, kwnames);
    }
    pf_glance glance = pf_chain_glance(args[0]);
    bool stays = is_few(glance.rows) || (glance.at_once && pf_few_rows_stay());
    return stays ? plain(PF_CONSUME_NEXT, args, nargs, NULL) : next_of_many(args, nargs, glance.rows);
}

/* ---- list, tuple ---- */

static PyObject *items_natively(pf_consumer consumer, PyObject *const *args, size_t nargsf)
{
    pf_list_sink sink;
    if (pf_list_init(&sink) < 0) {
        return NULL;
    }
    pf_call call = {consumer, args[0], NULL, 0, &sink.base};
    int status = pf_exec_run(&call);
    PyObject *result = NULL;
    if (status > 0) {
        result = consumer == PF_CONSUME_LIST ? pf_list_result(&sink) : pf_list_as_tuple(&sink);
    }
    pf_list_clear(&sink);
    return status == 0 ? plain_type(consumer, args, nargsf) : result;
}

/* An islice that has enough after a few rows ends like a search. */
static PyObject *items_of_many(pf_consumer consumer, PyObject *const *args, size_t nargsf)
{
    PyObject *input = islice_input(args[0]);
    if (input == NULL) {
        return items_natively(consumer, args, nargsf);
    }
    const PyCodeObject *code;
    const pf_loop *loop = loop_above(input, &code);
    int64_t rows = pf_chain_glance(input).rows;
    Py_INCREF(input); /* the islice lets go of it at its end */
    PyObject *result = stays_near(loop, rows) ? plain_type(consumer, args, nargsf) : items_natively(consumer, args, nargsf);
    result = ended(result, code, input, rows);
    Py_DECREF(input);
    return result;
}

static inline PyObject *consume_items(pf_consumer consumer, PyObject *const *args, size_t nargsf)
{
    PyTypeObject *type = Py_TYPE(args[0]);
    bool stays = type == &PyList_Type || type == &PyTuple_Type || few(args[0]); /* a copy: nothing to compute */
    return stays ? plain_type(consumer, args, nargsf) : items_of_many(consumer, args, nargsf);
}

PyObject *pf_consume_list(PyObject *const *args, size_t nargsf) { return consume_items(PF_CONSUME_LIST, args, nargsf); }
PyObject *pf_consume_tuple(PyObject *const *args, size_t nargsf) { return consume_items(PF_CONSUME_TUPLE, args, nargsf); }

/* ---- reduce ---- */

static PyObject *reduce_of_many(PyObject *const *args, Py_ssize_t nargs)
{
    pf_reduce_sink sink;
    pf_reduce_init(&sink, args[0], nargs == 3 ? args[2] : NULL);
    pf_call call = {PF_CONSUME_REDUCE, args[1], args, 1, &sink.base};
    int status = pf_exec_run(&call);
    PyObject *result = status > 0 ? pf_reduce_result(&sink) : NULL;
    pf_reduce_clear(&sink);
    if (status == 0) {
        return plain(PF_CONSUME_REDUCE, args, nargs, NULL);
    }
    if (status > 0 && result == NULL && !PyErr_Occurred()) { /* nothing to reduce: reduce's own words */
        PyObject *empty[2] = {args[0], empty_tuple};
        result = plain(PF_CONSUME_REDUCE, empty, 2, NULL);
    }
    return result;
}

static PyObject *consume_reduce(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    (void)module;
    bool stays = nargs < 2 || nargs > 3 || kwnames != NULL || few(args[1]) || (nargs == 3 && !pf_is_harmless(args[2]));
    return stays ? plain(PF_CONSUME_REDUCE, args, nargs, kwnames) : reduce_of_many(args, nargs);
}

static PyObject *packed_reduce(PyObject *module, PyObject *args, PyObject *kwargs)
{
    const bool stays = kwargs == NULL && (PyTuple_GET_SIZE(args) < 2 || few(PyTuple_GET_ITEM(args, 1)));
    return stays ? builtin[PF_CONSUME_REDUCE].packed(builtin[PF_CONSUME_REDUCE].self, args)
                 : unpack(consume_reduce, module, args, kwargs);
}

/* ---- fold ---- */

static PyObject *fold_items(PyObject *op, PyObject *iterable, PyObject *identity, PyObject *combine)
{
    pf_fold_sink sink;
    pf_fold_init(&sink, op, identity, combine);
    pf_call call = {PF_CONSUME_FOLD, iterable, &op, 1, &sink.base};
    bool stays = identity != NULL && !pf_is_harmless(identity);
    int status = stays ? 0 : pf_exec_run(&call);
    if (status == 0) {
        status = pf_exec_by_block(&call);
    }
    PyObject *result = status > 0 ? pf_fold_result(&sink) : NULL;
    pf_fold_clear(&sink);
    if (result == NULL && !PyErr_Occurred()) {
        if (identity != NULL) {
            return Py_NewRef(identity);
        }
        PyErr_SetString(PyExc_TypeError, "fold() of empty iterable with no identity value");
    }
    return result;
}

static PyObject *consume_fold(PyObject *module, PyObject *args, PyObject *kwargs)
{
    (void)module;
    static char *keywords[] = {"op", "iterable", "identity", "combine", NULL};
    PyObject *op, *iterable, *identity = NULL, *combine = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OO:fold", keywords, &op, &iterable, &identity, &combine)) {
        return NULL;
    }
    combine = combine == Py_None ? NULL : combine;
    if (combine != NULL && identity == NULL) {
        PyErr_SetString(PyExc_TypeError, "fold() needs identity where combine is given");
        return NULL;
    }
    return fold_items(op, iterable, identity, combine);
}

/* ---- the table ---- */

/* Docstring and signature of a stand-in are its original's, which differ between versions: see pf_consume_add. */
static PyMethodDef methods[] = {
    {"sum", (PyCFunction)(void (*)(void))consume_sum, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"min", (PyCFunction)(void (*)(void))consume_min, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"max", (PyCFunction)(void (*)(void))consume_max, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"any", (PyCFunction)(void (*)(void))consume_any, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"all", (PyCFunction)(void (*)(void))consume_all, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"next", (PyCFunction)(void (*)(void))consume_next, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"reduce", (PyCFunction)(void (*)(void))consume_reduce, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"fold", (PyCFunction)(void (*)(void))consume_fold, METH_VARARGS | METH_KEYWORDS,
     "fold($module, op, iterable, identity=<none>, combine=None)\n--\n\n"
     "Folds the iterable with op, which the caller declares associative: a parallel reduce.\n\n"
     "Blocks of 4,096 source positions are folded from left to right, each from identity if it is given, and\n"
     "their results from left to right with combine (default: op)."},
    {NULL, NULL, 0, NULL},
};

static void copy_doc(const char *name, PyObject *original)
{
    for (PyMethodDef *method = methods; method->ml_name != NULL; method++) {
        if (strcmp(method->ml_name, name) == 0 && PyCFunction_Check(original)) {
            method->ml_doc = ((PyCFunctionObject *)original)->m_ml->ml_doc;
        }
    }
}

/* How it can be called without a detour. */
static void look_at(pf_consumer consumer)
{
    PyObject *object = builtin[consumer].object;
    if (object == (PyObject *)&PyList_Type || object == (PyObject *)&PyTuple_Type) {
        builtin[consumer].type = ((PyTypeObject *)object)->tp_vectorcall;
    }
    if (!PyCFunction_CheckExact(object)) {
        return;
    }
    void (*function)(void) = (void (*)(void))PyCFunction_GET_FUNCTION(object);
    builtin[consumer].self = PyCFunction_GET_SELF(object);
    switch (PyCFunction_GET_FLAGS(object)) {
    case METH_O:
        builtin[consumer].one = (PyCFunction)function;
        break;
    case METH_FASTCALL:
        builtin[consumer].fast = (_PyCFunctionFast)function;
        break;
    case METH_FASTCALL | METH_KEYWORDS:
        builtin[consumer].full = (_PyCFunctionFastWithKeywords)function;
        break;
    case METH_VARARGS:
        builtin[consumer].packed = (PyCFunction)function;
        break;
    case METH_VARARGS | METH_KEYWORDS:
        builtin[consumer].packed_full = (PyCFunctionWithKeywords)function;
        break;
    default:
        break;
    }
}

/* A call is to count as one of the builtin does (see call). */
static void pack(const char *name, PyCFunctionWithKeywords packed, bool builtin_is)
{
    for (PyMethodDef *method = methods; method->ml_name != NULL; method++) {
        if (builtin_is && strcmp(method->ml_name, name) == 0) {
            method->ml_meth = (PyCFunction)(void (*)(void))packed;
            method->ml_flags = METH_VARARGS | METH_KEYWORDS;
        }
    }
}

int pf_consume_add(PyObject *module)
{
    for (pf_consumer i = 0; i < PF_CONSUMER_COUNT; i++) {
        if (names[i].name == NULL || builtin[i].object != NULL) {
            continue;
        }
        PyObject *from = PyImport_ImportModule(names[i].module);
        builtin[i].object = from != NULL ? PyObject_GetAttrString(from, names[i].name) : NULL;
        Py_XDECREF(from);
        if (builtin[i].object == NULL) {
            return -1;
        }
        copy_doc(names[i].name, builtin[i].object);
        look_at(i);
    }
    if (empty_tuple == NULL && (empty_tuple = PyTuple_New(0)) == NULL) {
        return -1;
    }
    const bool counts = PY_VERSION_HEX < 0x030c0000; /* calls of METH_O do, specialised or not */
    pack("any", packed_any, counts && builtin[PF_CONSUME_ANY].one != NULL);
    pack("all", packed_all, counts && builtin[PF_CONSUME_ALL].one != NULL);
    pack("min", packed_min, builtin[PF_CONSUME_MIN].packed_full != NULL);
    pack("max", packed_max, builtin[PF_CONSUME_MAX].packed_full != NULL);
    pack("reduce", packed_reduce, builtin[PF_CONSUME_REDUCE].packed != NULL);
    return PyModule_AddFunctions(module, methods);
}

/* The table of known callables (intrinsics.def), and the structs of partial. */
#include "intrinsics.h"

#include <math.h>
#include <string.h>

#include "../core/interp/kernels.h"
#include "../core/ir/ir.h"
#include "decode.h"

/* CPython has an algorithm of its own, and changed it. */
#if PY_VERSION_HEX >= 0x030c0000
#define HYPOT_OP PF_OP_hypot
#else
#define HYPOT_OP PF_OP_hypot311
#endif

static pf_intrinsic table[] = {
#define INTRINSIC(module, name, how, op) {NULL, PF_CALL_##how, op, module, name},
#include "intrinsics.def"
#undef INTRINSIC
};
enum { COUNT = sizeof table / sizeof table[0], BUCKETS = 256 };

static const pf_intrinsic *buckets[BUCKETS]; /* open addressing by the object's address */
static PyTypeObject *partial_type, *itemgetter_type, *attrgetter_type;

/* The fields of functools.partial that all supported versions keep first. */
typedef struct partial_fields {
    PyObject_HEAD
    PyObject *fn, *args, *kw;
} partial_fields;

/* Those of operator.itemgetter and attrgetter. */
typedef struct getter_fields {
    PyObject_HEAD
    Py_ssize_t n;
    PyObject *words;
} getter_fields;

static bool getters_ok;

static size_t bucket_of(PyObject *object) { return ((uintptr_t)object >> 4) * 0x9E3779B97F4A7C15u >> 56; }

static PyObject *import_attribute(const char *module, const char *name)
{
    PyObject *m = PyImport_ImportModule(module);
    PyObject *value = m != NULL ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return value;
}

static PyTypeObject *import_type(const char *module, const char *name)
{
    PyObject *value = import_attribute(module, name);
    if (value == NULL || !PyType_Check(value)) {
        Py_XDECREF(value);
        PyErr_Clear();
        return NULL;
    }
    return (PyTypeObject *)value;
}

/* A partial whose fields are not where we look is no partial to us. */
static bool partial_selftest(void)
{
    PyObject *args = Py_BuildValue("(Oi)", (PyObject *)&PyLong_Type, 7);
    PyObject *kwargs = Py_BuildValue("{s:i}", "base", 7);
    PyObject *made = args != NULL && kwargs != NULL ? PyObject_Call((PyObject *)partial_type, args, kwargs) : NULL;
    bool ok = false;
    if (made != NULL && partial_type->tp_basicsize >= (Py_ssize_t)sizeof(partial_fields)) {
        partial_fields *p = (partial_fields *)made;
        ok = p->fn == (PyObject *)&PyLong_Type && p->args != NULL && PyTuple_CheckExact(p->args) &&
             PyTuple_GET_SIZE(p->args) == 1 && p->kw != NULL && PyDict_CheckExact(p->kw) && PyDict_GET_SIZE(p->kw) == 1;
    }
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_XDECREF(made);
    PyErr_Clear();
    return ok;
}

/* A getter of the given words keeps what we expect: words[0] itself, or a tuple of it all. */
static bool getter_keeps(PyTypeObject *type, PyObject *args, bool bare)
{
    PyObject *made = type != NULL && args != NULL ? PyObject_Call((PyObject *)type, args, NULL) : NULL;
    bool ok = false;
    if (made != NULL && type->tp_basicsize >= (Py_ssize_t)sizeof(getter_fields)) {
        const getter_fields *g = (getter_fields *)made;
        ok = g->n == PyTuple_GET_SIZE(args) && g->words != NULL &&
             (bare ? g->words == PyTuple_GET_ITEM(args, 0)
                   : PyTuple_CheckExact(g->words) && PyObject_RichCompareBool(g->words, args, Py_EQ) == 1);
    }
    Py_XDECREF(made);
    return ok;
}

static bool getters_selftest(void)
{
    PyObject *one = Py_BuildValue("(s)", "x"), *two = Py_BuildValue("(ss)", "x", "y");
    bool ok = getter_keeps(itemgetter_type, one, true) && getter_keeps(itemgetter_type, two, false) &&
              getter_keeps(attrgetter_type, one, false) && getter_keeps(attrgetter_type, two, false);
    Py_XDECREF(one);
    Py_XDECREF(two);
    PyErr_Clear();
    return ok;
}

/* Whether our hypot gives the running math.hypot's bits, over all binades: a build of CPython may differ from what we
 * know. */
static bool hypot_agrees(PyObject *hypot)
{
    enum { TRIES = 400 };
    static double a[TRIES], b[TRIES], r[TRIES];
    uint64_t bits = UINT64_C(0x9E3779B97F4A7C15);
    for (int i = 0; i < TRIES; i++) {
        int apart = i % 4 == 0 ? 0 : (int)(bits >> 58) - 32;
        bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407u;
        a[i] = ldexp((double)(bits >> 11), i * 5 - 1100);
        bits = bits * UINT64_C(6364136223846793005) + 1442695040888963407u;
        b[i] = ldexp((double)(bits >> 11), i * 5 - 1100 + apart);
    }
    pf_kernel kernel = pf_kernels_for(PF_CPU_AVX512)->op[HYPOT_OP][PF_T_F64][PF_F_VV];
    (void)kernel(r, a, b, NULL, TRIES); /* what bails is not finite */
    bool same = true;
    for (int i = 0; same && i < TRIES; i++) {
        PyObject *answer = PyObject_CallFunction(hypot, "dd", a[i], b[i]);
        double theirs = answer != NULL ? PyFloat_AsDouble(answer) : -1.0;
        same = memcmp(&theirs, &r[i], sizeof theirs) == 0 || (isinf(theirs) && isinf(r[i]));
        Py_XDECREF(answer);
    }
    PyErr_Clear();
    return same;
}

int pf_intrinsics_init(void)
{
    if (partial_type != NULL) {
        return 0;
    }
    for (int i = 0; i < COUNT; i++) {
        PyObject *callable = import_attribute(table[i].module, table[i].name);
        if (callable == NULL) {
            if (!PyErr_ExceptionMatches(PyExc_AttributeError) && !PyErr_ExceptionMatches(PyExc_ImportError)) {
                return -1;
            }
            PyErr_Clear();
            continue;
        }
        table[i].callable = callable;
        if (table[i].op == HYPOT_OP && table[i].how == PF_CALL_FLOAT2 && !hypot_agrees(callable)) {
            table[i].how = PF_CALL_UNKNOWN;
        }
        size_t at = bucket_of(callable);
        while (buckets[at] != NULL) {
            at = (at + 1) % BUCKETS;
        }
        buckets[at] = &table[i];
    }
    partial_type = import_type("functools", "partial");
    itemgetter_type = import_type("_operator", "itemgetter");
    attrgetter_type = import_type("_operator", "attrgetter");
    if (partial_type != NULL && !partial_selftest()) {
        Py_CLEAR(partial_type);
    }
    getters_ok = getters_selftest();
    return 0;
}

const pf_intrinsic *pf_intrinsic_of(PyObject *callable)
{
    for (size_t at = bucket_of(callable); buckets[at] != NULL; at = (at + 1) % BUCKETS) {
        if (buckets[at]->callable == callable) {
            return buckets[at];
        }
    }
    return NULL;
}

bool pf_is_partial(PyObject *object) { return partial_type != NULL && Py_TYPE(object) == partial_type; }
PyObject *pf_partial_func(PyObject *partial) { return ((partial_fields *)partial)->fn; }
PyObject *pf_partial_args(PyObject *partial) { return ((partial_fields *)partial)->args; }
PyObject *pf_partial_keywords(PyObject *partial) { return ((partial_fields *)partial)->kw; }
bool pf_is_itemgetter(PyObject *object) { return itemgetter_type != NULL && Py_TYPE(object) == itemgetter_type; }
bool pf_is_attrgetter(PyObject *object) { return attrgetter_type != NULL && Py_TYPE(object) == attrgetter_type; }

PyObject *pf_getter_words(PyObject *getter, Py_ssize_t *n)
{
    *n = getters_ok ? ((getter_fields *)getter)->n : 0;
    return getters_ok ? ((getter_fields *)getter)->words : NULL;
}

PyObject *pf_getter_args(PyObject *getter)
{
    PyObject *reduced = PyObject_CallMethod(getter, "__reduce__", NULL);
    PyObject *args = reduced != NULL && PyTuple_Check(reduced) && PyTuple_GET_SIZE(reduced) >= 2
                         ? Py_NewRef(PyTuple_GET_ITEM(reduced, 1))
                         : NULL;
    Py_XDECREF(reduced);
    if (args != NULL && !PyTuple_CheckExact(args)) {
        Py_CLEAR(args);
    }
    if (args == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "a getter that does not say what it gets");
    }
    return args;
}

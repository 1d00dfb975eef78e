/* Settings, context-local at no cost: see config.h.
 *
 * Two layers. `defaults` is the process's, written once from the environment. A context that changed something holds its own copy,
 * packed in a capsule, in a ContextVar. `changed` says whether any context ever did; until then the ContextVar is
 * not even looked at. */
#include "config.h"

#include <string.h>

#include "../core/prim/cpus.h"

static const char *const CAPSULE = "purefold.settings";

/* A plan takes about as long to make as CPython takes for some thousand rows. */
enum { WORTH_A_PLAN = 4096 };

static pf_settings defaults = {.tier = PF_TIER_AUTO, .plan_after = WORTH_A_PLAN};
static bool changed;
bool pf_settings_few_stay = true;
static PyObject *variable; /* the ContextVar */
static const char *const *rule_names;
static int rule_count;

void pf_settings_now(pf_settings *out)
{
    *out = defaults;
    if (!changed) {
        return;
    }
    PyObject *value = NULL;
    if (PyContextVar_Get(variable, NULL, &value) < 0) {
        PyErr_Clear();
        return;
    }
    const pf_settings *own = value == NULL ? NULL : PyCapsule_GetPointer(value, CAPSULE);
    if (own != NULL) {
        *out = *own;
    }
    Py_XDECREF(value);
}

int pf_settings_threads(const pf_settings *settings)
{
    static int cpus; /* reading it takes a while */
    if (cpus == 0) {
        cpus = pf_cpus_usable();
    }
    return settings->threads > 0 ? settings->threads : cpus;
}

int64_t pf_settings_min_rows(void)
{
    if (!changed) {
        return defaults.min_rows;
    }
    pf_settings settings;
    pf_settings_now(&settings);
    return settings.min_rows;
}

/* ---- to Python ---- */

static PyObject *disabled_names(const pf_settings *s)
{
    PyObject *names = PyList_New(0);
    for (int i = 0; names != NULL && i < rule_count + 1; i++) {
        bool listed = i == rule_count ? s->off : pf_rule_set_has(&s->rules_off, i);
        PyObject *name = listed ? PyUnicode_FromString(i == rule_count ? "all" : rule_names[i]) : NULL;
        if (listed && (name == NULL || PyList_Append(names, name) < 0)) {
            Py_CLEAR(names);
        }
        Py_XDECREF(name);
    }
    PyObject *tuple = names == NULL ? NULL : PyList_AsTuple(names);
    Py_XDECREF(names);
    return tuple;
}

static PyObject *config_get(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(none))
{
    pf_settings s;
    pf_settings_now(&s);
    PyObject *disable = disabled_names(&s);
    if (disable == NULL) {
        return NULL;
    }
    PyObject *tier = s.tier == PF_TIER_AUTO ? PyUnicode_FromString("auto") : PyLong_FromLong(s.tier);
    if (tier == NULL) {
        Py_DECREF(disable);
        return NULL;
    }
    return Py_BuildValue("{s:i,s:L,s:L,s:N,s:N,s:s}", "threads", s.threads, "min_rows", (long long)s.min_rows,
                         "plan_after", (long long)s.plan_after, "tier", tier, "disable", disable, "log",
                         s.log_fallback ? "fallback" : "");
}

/* ---- from Python ---- */

static int read_count(PyObject *value, const char *name, int64_t most, int64_t *out)
{
    long long n = PyLong_Check(value) && !PyBool_Check(value) ? PyLong_AsLongLong(value) : -2;
    if (n < 0 || n > most) {
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "purefold config: %s must be an int from 0 to %lld, not %R", name, (long long)most,
                     value);
        return -1;
    }
    *out = n;
    return 0;
}

static int read_tier(PyObject *value, int *out)
{
    if (PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, "auto") == 0) {
        *out = PF_TIER_AUTO;
        return 0;
    }
    int64_t n;
    if (!PyLong_Check(value) || read_count(value, "tier", PF_TIER_VECTORS, &n) < 0) {
        PyErr_Format(PyExc_ValueError, "purefold config: tier must be 0, 1 or 'auto', not %R", value);
        return -1;
    }
    *out = (int)n;
    return 0;
}

static int disable_one(PyObject *name, pf_settings *s)
{
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "all") == 0) {
        s->off = true;
        return 0;
    }
    for (int i = 0; PyUnicode_Check(name) && i < rule_count; i++) {
        if (PyUnicode_CompareWithASCIIString(name, rule_names[i]) == 0) {
            s->rules_off.bits[i / 64] |= UINT64_C(1) << (i % 64);
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "purefold config: nothing is called %R that could be disabled", name);
    return -1;
}

static int read_disable(PyObject *value, pf_settings *s)
{
    PyObject *names = PySequence_Fast(value, "purefold config: disable must be a collection of names");
    if (names == NULL) {
        return -1;
    }
    s->off = false;
    memset(&s->rules_off, 0, sizeof s->rules_off);
    int status = 0;
    for (Py_ssize_t i = 0; status == 0 && i < PySequence_Fast_GET_SIZE(names); i++) {
        status = disable_one(PySequence_Fast_GET_ITEM(names, i), s);
    }
    Py_DECREF(names);
    return status;
}

static int read_log(PyObject *value, bool *out)
{
    bool on = PyUnicode_Check(value) && PyUnicode_CompareWithASCIIString(value, "fallback") == 0;
    if (!on && !(PyUnicode_Check(value) && PyUnicode_GetLength(value) == 0)) {
        PyErr_Format(PyExc_ValueError, "purefold config: log must be '' or 'fallback', not %R", value);
        return -1;
    }
    *out = on;
    return 0;
}

static int read_setting(PyObject *key, PyObject *value, pf_settings *s)
{
    const char *name = PyUnicode_Check(key) ? PyUnicode_AsUTF8(key) : NULL;
    int64_t n;
    if (name == NULL) {
        PyErr_SetString(PyExc_TypeError, "purefold config: names of settings are str");
        return -1;
    }
    if (strcmp(name, "threads") == 0) {
        if (read_count(value, name, 1024, &n) < 0) {
            return -1;
        }
        s->threads = (int)n;
        return 0;
    }
    if (strcmp(name, "min_rows") == 0) {
        return read_count(value, name, INT64_MAX, &s->min_rows);
    }
    if (strcmp(name, "plan_after") == 0) {
        return read_count(value, name, INT64_MAX, &s->plan_after);
    }
    if (strcmp(name, "tier") == 0) {
        return read_tier(value, &s->tier);
    }
    if (strcmp(name, "disable") == 0) {
        return read_disable(value, s);
    }
    if (strcmp(name, "log") == 0) {
        return read_log(value, &s->log_fallback);
    }
    PyErr_Format(PyExc_AttributeError, "purefold config has no setting %R", key);
    return -1;
}

/* All or nothing: s is written only when every setting is good. */
static int read_settings(PyObject *dict, pf_settings *s)
{
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "a dict of settings is needed");
        return -1;
    }
    pf_settings draft = *s;
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (read_setting(key, value, &draft) < 0) {
            return -1;
        }
    }
    *s = draft;
    return 0;
}

static void free_settings(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, CAPSULE));
}

static PyObject *config_set(PyObject *Py_UNUSED(module), PyObject *dict)
{
    pf_settings *own = PyMem_Malloc(sizeof *own);
    if (own == NULL) {
        return PyErr_NoMemory();
    }
    pf_settings_now(own);
    PyObject *capsule = read_settings(dict, own) < 0 ? NULL : PyCapsule_New(own, CAPSULE, free_settings);
    if (capsule == NULL) {
        PyMem_Free(own);
        return NULL;
    }
    PyObject *token = PyContextVar_Set(variable, capsule);
    Py_DECREF(capsule);
    if (token == NULL) {
        return NULL;
    }
    Py_DECREF(token);
    changed = true;
    pf_settings_few_stay = false;
    Py_RETURN_NONE;
}

static PyObject *config_default(PyObject *Py_UNUSED(module), PyObject *dict)
{
    if (read_settings(dict, &defaults) < 0) {
        return NULL;
    }
    pf_settings_few_stay = !changed && defaults.min_rows == 0;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"_config_get", config_get, METH_NOARGS, "The settings of this context, as a dict."},
    {"_config_set", config_set, METH_O, "Changes the settings of this context to those of a dict; others stay."},
    {"_config_default", config_default, METH_O, "Changes the settings of contexts that set none themselves."},
    {NULL, NULL, 0, NULL},
};

int pf_config_add(PyObject *module, const char *const *rules, int nrules)
{
    rule_names = rules;
    rule_count = nrules < PF_MAX_RULES ? nrules : PF_MAX_RULES;
    if (variable == NULL && (variable = PyContextVar_New("purefold.settings", NULL)) == NULL) {
        return -1;
    }
    return PyModule_AddFunctions(module, methods);
}

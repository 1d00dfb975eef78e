/* @pf.pure, as far as C is needed: the proof, the error, and the functions whose proof had to wait.
 *
 * A function may be declared pure before the names it uses are defined (mutual recursion, helpers further down). It is
 * then kept in a registry and proven at its first use by a chain. The registry maps the function's address to a weak
 * reference whose callback takes it out again, so that a function that dies unproven leaves nothing behind. */
#include "effects.h"

#include "reasons.h"

static PyObject *purity_error; /* PurityError */
static PyObject *pending;      /* dict: address of the function -> weak reference */

/* ---- the error ---- */

static PyObject *defined_at(PyObject *function)
{
    PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
    return PyUnicode_FromFormat("%U (%U:%d)", code->co_qualname, code->co_filename, code->co_firstlineno);
}

/* Where Python stands now; "" when no Python code is running. */
static PyObject *used_at(void)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    if (frame == NULL) {
        return PyUnicode_FromString("");
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *text = PyUnicode_FromFormat("; used at %U:%d", code->co_filename, PyFrame_GetLineNumber(frame));
    Py_DECREF(code);
    Py_DECREF(frame);
    return text;
}

static void raise_impure(PyObject *function, const pf_effects *effects, bool at_use)
{
    PyObject *defined = defined_at(function), *what = pf_effects_message(effects);
    PyObject *use = at_use ? used_at() : PyUnicode_FromString("");
    const char *hint = pf_reason_hint(effects->reason);
    if (defined != NULL && what != NULL && use != NULL) {
        PyErr_Format(purity_error, "%U is not pure. %U%U%s%s", defined, what, use, *hint ? " Hint: " : "", hint);
    }
    Py_XDECREF(defined);
    Py_XDECREF(what);
    Py_XDECREF(use);
}

/* ---- the registry ---- */

static PyObject *forget(PyObject *key, PyObject *reference)
{
    (void)reference;
    if (pending != NULL && PyDict_Contains(pending, key) == 1) {
        if (PyDict_DelItem(pending, key) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef forget_def = {"_forget", forget, METH_O, NULL};

static int postpone(PyObject *function)
{
    int result = -1;
    PyObject *key = PyLong_FromVoidPtr(function);
    PyObject *callback = key != NULL ? PyCFunction_New(&forget_def, key) : NULL;
    PyObject *reference = callback != NULL ? PyWeakref_NewRef(function, callback) : NULL;
    if (reference != NULL) {
        result = PyDict_SetItem(pending, key, reference);
    }
    Py_XDECREF(reference);
    Py_XDECREF(callback);
    Py_XDECREF(key);
    return result;
}

static int is_pending(PyObject *function)
{
    if (pending == NULL || PyDict_GET_SIZE(pending) == 0) {
        return 0;
    }
    PyObject *key = PyLong_FromVoidPtr(function);
    int found = key != NULL ? PyDict_Contains(pending, key) : -1;
    Py_XDECREF(key);
    return found;
}

static int settle(PyObject *function)
{
    PyObject *key = PyLong_FromVoidPtr(function);
    int result = key != NULL ? PyDict_DelItem(pending, key) : -1;
    Py_XDECREF(key);
    return result;
}

/* ---- proofs ---- */

/* At definition what is not defined yet may wait; at use nothing may. */
static int prove(PyObject *function, bool at_use)
{
    pf_effects effects;
    int result = 0;
    if (pf_effects_function(function, &effects) < 0) {
        return -1;
    }
    if (!effects.pure) {
        if (!at_use && effects.reason == PF_REASON_UNRESOLVED) {
            result = postpone(function);
        } else {
            raise_impure(function, &effects, at_use);
            result = -1;
        }
    }
    pf_effects_clear(&effects);
    return result;
}

int pf_prove_pending(PyObject *function)
{
    int found = is_pending(function);
    if (found <= 0) {
        return found;
    }
    return prove(function, true) < 0 ? -1 : settle(function);
}

/* ---- the module's functions ---- */

PyDoc_STRVAR(prove_doc, "_prove(function, /)\n--\n\n"
                        "Proves a Python function pure, or raises PurityError. If names are missing it is kept for "
                        "_prove_pending.");

static PyObject *purity_prove(PyObject *module, PyObject *function)
{
    (void)module;
    if (!PyFunction_Check(function)) {
        PyErr_Format(PyExc_TypeError, "pure() wants a Python function, not %.100s", Py_TYPE(function)->tp_name);
        return NULL;
    }
    return prove(function, false) < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(prove_pending_doc,
             "_prove_pending(function, /)\n--\n\n"
             "If the proof of this function had to wait, do it now: True if it had, or PurityError.");

static PyObject *purity_prove_pending(PyObject *module, PyObject *function)
{
    (void)module;
    int found = is_pending(function);
    if (found < 0 || (found > 0 && pf_prove_pending(function) < 0)) {
        return NULL;
    }
    return PyBool_FromLong(found);
}

PyDoc_STRVAR(effects_doc,
             "_effects(callable, /)\n--\n\n"
             "The verdict on a callable, or on a code object in the caller's globals: a dict of pure, reason, "
             "sentence, hint, function, file, line, col, name, unresolved.");

static PyObject *or_none(PyObject *object)
{
    return object != NULL ? object : Py_None;
}

static PyObject *purity_effects(PyObject *module, PyObject *callable)
{
    (void)module;
    pf_effects e;
    bool bare = PyCode_Check(callable);
    pf_effects_scope scope = {.code = (PyCodeObject *)callable, .globals = PyEval_GetGlobals()};
    if ((bare ? pf_effects_code(&scope, &e) : pf_effects_function(callable, &e)) < 0) {
        return NULL;
    }
    PyObject *dict =
        Py_BuildValue("{s:O,s:s,s:s,s:s,s:O,s:O,s:i,s:i,s:O,s:O}", "pure", e.pure ? Py_True : Py_False, "reason",
                      pf_reason_code(e.reason), "sentence", pf_reason_sentence(e.reason), "hint",
                      pf_reason_hint(e.reason), "function", or_none(e.function), "file", or_none(e.file), "line",
                      e.line, "col", e.col, "name", or_none(e.name), "unresolved", or_none(e.unresolved));
    pf_effects_clear(&e);
    return dict;
}

static PyMethodDef purity_methods[] = {
    {"_prove", purity_prove, METH_O, prove_doc},
    {"_prove_pending", purity_prove_pending, METH_O, prove_pending_doc},
    {"_effects", purity_effects, METH_O, effects_doc},
    {NULL, NULL, 0, NULL},
};

int pf_purity_add(PyObject *module)
{
    if (purity_error == NULL) {
        purity_error = PyErr_NewExceptionWithDoc("purefold.PurityError",
                                                 "A function declared pure is not, or cannot be proven to be.",
                                                 PyExc_ValueError, NULL);
    }
    if (pending == NULL) {
        pending = PyDict_New();
    }
    if (purity_error == NULL || pending == NULL || PyModule_AddObjectRef(module, "PurityError", purity_error) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, purity_methods);
}

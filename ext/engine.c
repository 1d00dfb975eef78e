/* What purefold._engine is made of, where the engine is built (module.h).
 *
 * Each part of the binding adds its own names; this file only says in which order. In a sub-interpreter `_unsupported`
 * says why the package hands out the plain builtins instead. */
#include <Python.h>

#include <pthread.h>
#include <stdbool.h>

#include "../core/rewrite/rewrite.h"
#include "../core/run/run.h"
#include "chain.h"
#include "config.h"
#include "consume.h"
#include "debug.h"
#include "debug_chain.h"
#include "debug_ops.h"
#include "decode.h"
#include "dicts.h"
#include "effects.h"
#include "explain.h"
#include "feed.h"
#include "intrinsics.h"
#include "module.h"
#include "plan.h"
#include "turns.h"
#include "types.h"

/* Why this interpreter gets the plain builtins, or NULL. */
static const char *unsupported(void)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        return PF_ASIDE_SUBINTERPRETER;
    }
    if (!pf_decode_supported()) {
        return PF_ASIDE_NO_TABLE;
    }
    return NULL;
}

static PyObject *at_exit(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    pf_run_quiesce(); /* before finalization begins */
    pf_plan_forget_all();
    Py_RETURN_NONE;
}

static PyMethodDef exit_method = {"_at_exit", at_exit, METH_NOARGS, NULL};

/* Workers end before the interpreter does, and before a fork: a forked child has none of them. */
static int add_hooks(PyObject *module)
{
    static bool added; /* hooks are the process's */
    if (added) {
        return 0;
    }
    PyObject *function = PyCFunction_New(&exit_method, module), *atexit = PyImport_ImportModule("atexit");
    PyObject *done = function != NULL && atexit != NULL ? PyObject_CallMethod(atexit, "register", "O", function) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(atexit);
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    if (pthread_atfork(pf_run_quiesce, NULL, pf_run_after_fork) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    added = true;
    return 0;
}

static int add_config(PyObject *module)
{
    static const char *rules[PF_MAX_RULES];
    for (int i = 0; i < PF_RULE_COUNT; i++) {
        rules[i] = pf_rules[i].name;
    }
    rules[PF_RULE_RANGE_STRIDE] = "range_stride";
    return pf_config_add(module, rules, PF_ALL_RULES);
}

int pf_module_exec(PyObject *module)
{
    const char *why = unsupported();
    if (why != NULL) {
        return PyModule_AddStringConstant(module, "_unsupported", why);
    }
    pf_dicts_init();
    bool ok = PyModule_AddObjectRef(module, "_unsupported", Py_None) == 0 && pf_chain_init() == 0 &&
              pf_feed_init() == 0 && pf_turns_init() == 0 && add_config(module) == 0 && pf_consume_add(module) == 0 &&
              pf_intrinsics_init() == 0 && pf_types_add(module) == 0 && pf_explain_add(module) == 0 &&
              pf_debug_chain_add(module) == 0 && pf_debug_add(module) == 0 && pf_debug_ops_add(module) == 0 &&
              pf_purity_add(module) == 0 && add_hooks(module) == 0;
    return ok ? 0 : -1;
}

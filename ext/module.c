/* purefold._engine: the module itself.
 *
 * Each part of the binding adds its own names; this file only says in which order. The module uses multi-phase
 * initialisation and declares sub-interpreters and free threading supported: there `_unsupported` says why the
 * package hands out the plain builtins instead. */
#include <Python.h>

#include "chain.h"
#include "debug.h"
#include "debug_chain.h"

PyMODINIT_FUNC PyInit__engine(void);

static int engine_exec(PyObject *module)
{
    if (PyModule_AddStringConstant(module, "_unsupported", "the engine is not wired to the consumers") < 0) {
        return -1;
    }
    if (pf_chain_init() < 0 || pf_debug_chain_add(module) < 0) {
        return -1;
    }
    return pf_debug_add(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, engine_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef engine = {
    PyModuleDef_HEAD_INIT,
    .m_name = "purefold._engine",
    .m_doc = "The native engine behind purefold. Its names are the package's business.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__engine(void)
{
    return PyModuleDef_Init(&engine);
}

/* purefold._engine where nothing of the engine is built, as it knows nothing of this Python's inner workings: the
 * reason, and nothing else (ext/meson.build says where). */
#include <Python.h>

#include "aside.h"

PyMODINIT_FUNC PyInit__engine(void);

static int aside_exec(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    return PyModule_AddStringConstant(module, "_unsupported", PF_ASIDE_NO_GIL);
#else
    return PyModule_AddStringConstant(module, "_unsupported", PF_ASIDE_NO_TABLE);
#endif
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, aside_exec},
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
    .m_doc = "Says why there is no native engine behind purefold here.",
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__engine(void)
{
    return PyModuleDef_Init(&engine);
}

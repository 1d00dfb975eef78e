/* purefold._engine: the module itself, by multi-phase initialisation. It declares sub-interpreters and builds without
 * the GIL supported: `_unsupported` says there why the package hands out the plain builtins. */
#include "module.h"

PyMODINIT_FUNC PyInit__engine(void);

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, pf_module_exec},
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

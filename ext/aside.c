/* purefold._engine where the engine knows nothing of this Python's inner workings: the reason, and nothing else. */
#include "module.h"

int pf_module_exec(PyObject *module)
{
#ifdef Py_GIL_DISABLED
    return PyModule_AddStringConstant(module, "_unsupported", PF_ASIDE_NO_GIL);
#else
    return PyModule_AddStringConstant(module, "_unsupported", PF_ASIDE_NO_TABLE);
#endif
}

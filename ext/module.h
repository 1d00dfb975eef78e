/* What fills purefold._engine: engine.c, or aside.c where nothing of the engine is built (meson.build says where). */
#ifndef PF_MODULE_H
#define PF_MODULE_H

#include <Python.h>

/* Adds `_unsupported`: None, or the reason why nothing else is there. 0, or -1 with an exception. */
int pf_module_exec(PyObject *module);

#define PF_ASIDE_NO_TABLE "This Python version has no bytecode table yet; 3.11, 3.12 and 3.13 have."
#define PF_ASIDE_NO_GIL "Builds without the GIL run plain for now."
#define PF_ASIDE_SUBINTERPRETER "Sub-interpreters run plain."

#endif

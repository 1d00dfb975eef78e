/* Views into the engine for tests and curious people: not part of the public face, and free to change. */
#ifndef PF_EXT_DEBUG_H
#define PF_EXT_DEBUG_H

#include <Python.h>

/* Adds the debug functions to the module. 0, or -1 with an exception set. */
int pf_debug_add(PyObject *module);

#endif

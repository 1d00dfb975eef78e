/* The op table and row programs for tests. */
#ifndef PF_EXT_DEBUG_OPS_H
#define PF_EXT_DEBUG_OPS_H

#include <Python.h>

/* Adds _ops and _ir_run to the module. 0, or -1 with an error set. Needs the GIL. */
int pf_debug_ops_add(PyObject *module);

#endif

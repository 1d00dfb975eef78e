/* Drop-ins for builtin types: purefold.list and purefold.tuple. */
#ifndef PF_TYPES_H
#define PF_TYPES_H

#include <Python.h>

/* Adds the drop-in types `list` and `tuple` to the module. 0, or -1 with an error set. Needs the GIL. */
int pf_types_add(PyObject *module);

#endif

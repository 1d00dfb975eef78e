/* The consumers, as the rest of the binding calls them. */
#ifndef PF_CONSUME_H
#define PF_CONSUME_H

#include <Python.h>

/* list(iterable) and tuple(iterable), natively where possible. args, nargsf: of a vectorcall with one argument. New reference to a
 * true list or tuple, or NULL with the error CPython would have raised. Needs the GIL. */
PyObject *pf_consume_list(PyObject *const *args, size_t nargsf);
PyObject *pf_consume_tuple(PyObject *const *args, size_t nargsf);

/* Adds sum, min, max, any, all, next, reduce and fold to the module. 0, or -1 with an error set. */
int pf_consume_add(PyObject *module);

#endif

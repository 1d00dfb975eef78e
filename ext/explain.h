/* Explanations as dicts (docs/explain.md lists their keys), counts, and the doctor's facts. */
#ifndef PF_EXPLAIN_H
#define PF_EXPLAIN_H

#include <Python.h>

/* Adds _explain, _last, _stats and _doctor to the module. 0, or -1 with an error set. */
int pf_explain_add(PyObject *module);

#endif

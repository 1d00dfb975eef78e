/* Test hooks of chain reading, leaves and the feeder. */
#ifndef PF_EXT_DEBUG_CHAIN_H
#define PF_EXT_DEBUG_CHAIN_H

#include <Python.h>

/* Adds _read_chain, _selftest and _feed_demo to the module. 0, or -1 with an error set. Needs the GIL. */
int pf_debug_chain_add(PyObject *module);

#endif

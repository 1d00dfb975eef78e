/* Dicts, read without running anybody's code.
 *
 * A look-up by a str compares it with every key of the same hash, and a key of a subclass of str (or of any class that
 * chooses its hash) brings an __eq__ of its own: CPython calls that in its turn, once a row, and it may say or do anything.
 * So a dict is read only where it cannot come to that: where the table holds nothing but exact strs, which the table
 * itself knows, or where every key is an exact builtin. Anything else cannot be told.
 *
 * All functions need the GIL; none leaves an exception. */
#ifndef PF_DICTS_H
#define PF_DICTS_H

#include <Python.h>
#include <stdbool.h>

/* Compares what is known of the layout with fresh dicts and instances, at module exec. Where it does not fit, nothing can be told. */
void pf_dicts_init(void);

/* True: `dict` is an exact dict in which looking up a str runs no code. */
bool pf_dict_is_plain(PyObject *dict);

/* 1: *value is what stands under the exact str `name`, borrowed. 0: nothing does. -1: it cannot be told. */
int pf_dict_find(PyObject *dict, PyObject *name, PyObject **value);

/* True: reading an attribute through the object's own dictionary runs no code; so does an object that has none. */
bool pf_instance_is_plain(PyObject *object);

/* The same of the dictionaries of a class and its bases. */
bool pf_type_is_plain(PyTypeObject *type);

#endif

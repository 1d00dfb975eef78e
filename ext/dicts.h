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
#include <stdint.h>

/* Compares what is known of the layout with fresh dicts and instances, at module exec. Where it does not fit, nothing can be told. */
void pf_dicts_init(void);

/* True: `dict` is an exact dict in which looking up a str runs no code. */
bool pf_dict_is_plain(PyObject *dict);

/* 1: *value is what stands under the exact str `name`, borrowed. 0: nothing does. -1: it cannot be told. */
int pf_dict_find(PyObject *dict, PyObject *name, PyObject **value);

/* The same for dicts that were mostly filled alike: it looks at the entry where the last one had it, before it
 * searches. NULL for what pf_dict_find gives 0 or -1 for. A guess begins zeroed, and holds while no code of anybody's
 * runs. */
typedef struct pf_dict_guess {
    Py_ssize_t place;
    PyObject *key; /* borrowed; equal to the name. Often not the same: rows of csv.DictReader have its own */
    int misses;
} pf_dict_guess;
PyObject *pf_dict_find_alike(PyObject *dict, PyObject *name, pf_dict_guess *guess);

/* True: reading an attribute through the object's own dictionary runs no code; so does an object that has none. */
bool pf_instance_is_plain(PyObject *object);

/* The place among an instance's values at which the attribute `name` is kept, beside the object and not in a
 * dictionary. -1: it cannot be told. True as long as the class lives. */
int pf_instance_place(PyTypeObject *type, PyObject *name);
/* What an instance of that very class keeps there, borrowed. NULL: nothing, or it has a dictionary by now. */
static inline PyObject *pf_instance_value(PyObject *object, int place)
{
#if PY_VERSION_HEX >= 0x030d0000
    const unsigned char *head = (const unsigned char *)object + sizeof(PyObject); /* capacity, size, embedded, valid */
    return head[3] && place < head[0] ? ((PyObject *const *)(head + sizeof(PyObject *)))[place] : NULL;
#elif PY_VERSION_HEX >= 0x030c0000
    uintptr_t values = ((const uintptr_t *)object)[-3]; /* tagged, else it is a dictionary */
    return (values & 1) != 0 ? ((PyObject *const *)(values + 1))[place] : NULL;
#else
    PyObject *const *values = ((PyObject *const *const *)object)[-4];
    return values != NULL ? values[place] : NULL;
#endif
}

/* The same of the dictionaries of a class and its bases. */
bool pf_type_is_plain(PyTypeObject *type);

#endif

/* Callables of CPython that are known by heart: a table from the object to how it is built.
 *
 * Filled once at import from the modules' own dictionaries; a name that is missing there is simply not known.
 * Needs the GIL. All references are kept until the process ends. */
#ifndef PF_INTRINSICS_H
#define PF_INTRINSICS_H

#include <Python.h>
#include <stdbool.h>

typedef enum pf_intrinsic_how {
    PF_CALL_UNKNOWN,
    PF_CALL_TO_INT,
    PF_CALL_TO_FLOAT,
    PF_CALL_TO_BOOL,
    PF_CALL_ABS,
    PF_CALL_SMALLEST,
    PF_CALL_LARGEST,
    PF_CALL_DIVMOD,
    PF_CALL_ROUND,
    PF_CALL_LEN,
    PF_CALL_ISINSTANCE,
    PF_CALL_FLOAT1,
    PF_CALL_FLOAT2,
    PF_CALL_LOG,
    PF_CALL_TO_WHOLE,
    PF_CALL_INT1,
    PF_CALL_INT2,
    PF_CALL_BINARY,
    PF_CALL_UNARY,
    PF_CALL_COMPARE,
    PF_CALL_IS,
    PF_CALL_GETITEM,
    PF_CALL_CONTAINS
} pf_intrinsic_how;

typedef struct pf_intrinsic {
    PyObject *callable;
    pf_intrinsic_how how;
    int op;
    const char *module, *name;
} pf_intrinsic;

int pf_intrinsics_init(void); /* -1 with an error */
const pf_intrinsic *pf_intrinsic_of(PyObject *callable); /* NULL: not known */

/* functools.partial, operator.itemgetter and attrgetter, by exact type. Fields are borrowed. */
bool pf_is_partial(PyObject *object);
PyObject *pf_partial_func(PyObject *partial);
PyObject *pf_partial_args(PyObject *partial);     /* a tuple */
PyObject *pf_partial_keywords(PyObject *partial); /* a dict or NULL */
bool pf_is_itemgetter(PyObject *object);
bool pf_is_attrgetter(PyObject *object);
/* What a getter gets, as it keeps it, and how many that is; borrowed. One item of an itemgetter is itself, else it is a tuple; names of
 * an attrgetter with dots in them are tuples. NULL: not known. */
PyObject *pf_getter_words(PyObject *getter, Py_ssize_t *n);
/* What a getter was made with: a new tuple, or NULL with an error. */
PyObject *pf_getter_args(PyObject *getter);

#endif

/* Classes that the proof of purity knows by what they are made of: named tuples, exceptions, getters. */
#include <string.h>

#include "effects_internal.h"

static PyTypeObject *builtin_base(PyTypeObject *type)
{
    while (type != NULL && !pf_e_is_builtin_type(type)) {
        type = type->tp_base;
    }
    return type;
}

bool pf_e_is_type(PyObject *object, const char *name)
{
    return pf_e_is_builtin_type(Py_TYPE(object)) && strcmp(Py_TYPE(object)->tp_name, name) == 0;
}

/* What namedtuple puts into a class, and runs by itself: a __repr__ of its own, and data. __new__ is called, so it is
 * proven. */
static bool is_of_namedtuple(PyObject *name, PyObject *value)
{
    static const char *const never_run[] = {"__new__", "_make", "_replace", "__replace__", "_asdict", "__getnewargs__"};
    for (size_t i = 0; i < sizeof never_run / sizeof *never_run; i++) {
        if (PyUnicode_CompareWithASCIIString(name, never_run[i]) == 0) {
            return true;
        }
    }
    if (PyFunction_Check(value)) {
        PyObject *module = ((PyFunctionObject *)value)->func_module;
        return PyUnicode_CompareWithASCIIString(name, "__repr__") == 0 && module != NULL && PyUnicode_Check(module) &&
               PyUnicode_CompareWithASCIIString(module, "collections") == 0;
    }
    return pf_e_is_data_type(Py_TYPE(value)) ||
           pf_e_is_type(value, "_collections._tuplegetter") /* as 3.11 calls it */ ||
           pf_e_is_type(value, "collections._tuplegetter");
}

/* A named tuple that adds nothing but its fields. */
bool pf_e_is_plain_namedtuple(PyTypeObject *type)
{
    PyObject *key, *value, *dict = type->tp_dict;
    Py_ssize_t at = 0;
    if (type->tp_base != &PyTuple_Type || Py_TYPE(type) != &PyType_Type || dict == NULL ||
        PyDict_GetItemString(dict, "_fields") == NULL) {
        return false;
    }
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (!is_of_namedtuple(key, value)) {
            return false;
        }
    }
    return true;
}

bool pf_e_is_getter(PyTypeObject *type)
{
    return pf_e_is_builtin_type(type) &&
           (strcmp(type->tp_name, "operator.itemgetter") == 0 || strcmp(type->tp_name, "operator.attrgetter") == 0);
}

bool pf_e_is_plain_exception(PyTypeObject *type)
{
    const PyTypeObject *base = builtin_base(type);
    return PyExceptionClass_Check((PyObject *)type) && base != NULL && type->tp_init == base->tp_init &&
           type->tp_new == base->tp_new && type->tp_finalize == base->tp_finalize && type->tp_del == base->tp_del &&
           Py_TYPE(type) == &PyType_Type;
}

/* Most exceptions keep their arguments; some look into them (SyntaxError, ExceptionGroup). */
bool pf_e_takes_any(const PyTypeObject *type)
{
    const PyTypeObject *base = (const PyTypeObject *)PyExc_BaseException;
    return type->tp_new == base->tp_new && type->tp_init == base->tp_init;
}

/* What reading an attribute gives, without running anything: modules by their dict, classes and captured instances
 * where nothing of the user's interferes, everything else by name. */
#include "dicts.h"
#include "effects_internal.h"

static pf_e_value module_attribute(pf_analysis *a, pf_e_entry *entry, int instr, PyObject *module, PyObject *name)
{
    PyObject *value;
    switch (pf_dict_find(PyModule_GetDict(module), name, &value)) {
    case 1:
        return pf_e_of(a, value, name);
    case 0:
        pf_e_unresolved(a, entry, instr, name);
        return pf_e_plain;
    default:
        return pf_e_opaque;
    }
}

/* Reading it is a call: of a property, of another descriptor, of __getattr__, or of __eq__ in a dictionary. */
static pf_e_value runs_code(pf_analysis *a, pf_e_entry *entry, int instr, PyObject *name)
{
    pf_e_stop(a, entry, instr, PF_REASON_UNKNOWN_CALL, name);
    return pf_e_opaque;
}

static pf_e_value type_attribute(pf_analysis *a, pf_e_entry *entry, int instr, PyTypeObject *type, PyObject *name)
{
    pf_e_value by_name = {.kind = E_BOUND, .py = name};
    if (Py_TYPE(type) != &PyType_Type || !pf_type_is_plain(type)) {
        return pf_e_is_builtin_type(Py_TYPE(type)) && pf_type_is_plain(type) ? pf_e_opaque
                                                                             : runs_code(a, entry, instr, name);
    }
    PyObject *found = _PyType_Lookup(type, name);
    if (found == NULL) {
        return pf_e_opaque;
    }
    if (PyFunction_Check(found) || Py_TYPE(found) == &PyMethodDescr_Type) {
        return pf_e_of(a, found, name);
    }
    if (Py_TYPE(found) == &PyStaticMethod_Type && !pf_e_is_builtin_type(type)) {
        PyObject *inner = pf_e_keep(a, Py_TYPE(found)->tp_descr_get(found, NULL, (PyObject *)type));
        return inner != NULL ? pf_e_of(a, inner, name) : pf_e_plain;
    }
    if (pf_e_is_builtin_type(type)) {
        return by_name; /* dict.fromkeys, bytes.fromhex, str.maketrans */
    }
    if (Py_TYPE(found)->tp_descr_get == NULL) {
        return pf_e_of(a, found, name);
    }
    return pf_e_is_builtin_type(Py_TYPE(found)) && Py_TYPE(found) != &PyClassMethod_Type
               ? pf_e_opaque
               : runs_code(a, entry, instr, name);
}

/* An attribute of a captured instance whose class does not interfere. */
static pf_e_value instance_attribute(pf_analysis *a, pf_e_entry *entry, int instr, pf_e_value owner, PyObject *name)
{
    PyObject *object = owner.py, *found, *value;
    PyTypeObject *type = Py_TYPE(object);
    if (pf_e_is_data_type(type)) {
        pf_e_deep_operand(a, entry, instr, owner); /* its methods compare items, or give them away */
        return (pf_e_value){.kind = E_SHARED, .root = owner.root, .name = owner.name, .py = name};
    }
    if (type->tp_getattro != PyObject_GenericGetAttr || !pf_type_is_plain(type) || !pf_instance_is_plain(object)) {
        return runs_code(a, entry, instr, name);
    }
    if (pf_e_is_builtin_type(type)) {
        return pf_e_opaque;
    }
    found = _PyType_Lookup(type, name);
    if (found != NULL && Py_TYPE(found)->tp_descr_get != NULL &&
        (!pf_e_is_builtin_type(Py_TYPE(found)) || Py_TYPE(found) == &PyProperty_Type ||
         Py_TYPE(found) == &PyClassMethod_Type)) {
        return runs_code(a, entry, instr, name);
    }
    value = PyObject_GenericGetAttr(object, name);
    if (value == NULL) { /* AttributeError, an outcome; anything else is a lack of memory */
        a->failed = !PyErr_ExceptionMatches(PyExc_AttributeError);
        if (!a->failed) {
            PyErr_Clear();
        }
        return pf_e_plain;
    }
    value = pf_e_keep(a, value);
    return value != NULL ? pf_e_of(a, value, name) : pf_e_plain;
}

static pf_e_value object_attribute(pf_analysis *a, pf_e_entry *entry, int instr, pf_e_value owner, PyObject *name)
{
    if (PyModule_CheckExact(owner.py)) {
        return module_attribute(a, entry, instr, owner.py, name);
    }
    return PyType_Check(owner.py) ? type_attribute(a, entry, instr, (PyTypeObject *)owner.py, name)
                                  : instance_attribute(a, entry, instr, owner, name);
}

/* Of what was made here: the items of a named tuple, and methods. Others lead anywhere (gi_frame). */
static pf_e_value own_attribute(pf_analysis *a, pf_e_value owner, PyObject *name)
{
    const pf_e_site *site = pf_e_find(owner.site);
    if (site->record == SITE_RECORD && PyUnicode_READ_CHAR(name, 0) != '_') {
        return pf_e_item(a, owner);
    }
    return site->record == SITE_OTHER && pf_e_is_method(name)
               ? (pf_e_value){.kind = E_BOUND, .site = owner.site, .py = name}
               : pf_e_opaque;
}

pf_e_value pf_e_attribute(pf_analysis *a, pf_e_entry *entry, int instr, pf_e_value owner, PyObject *name)
{
    pf_e_value v;
    switch (owner.kind) {
    case E_PY:
        v = object_attribute(a, entry, instr, owner, name);
        v.name = v.name == NULL && v.kind == E_SHARED ? name : v.name;
        return v;
    case E_SHARED:
        pf_e_operand(a, entry, instr, owner);
        if (owner.root == ROOT_TYPES) {
            return runs_code(a, entry, instr, name);
        }
        return (pf_e_value){.kind = E_SHARED, .root = owner.root, .name = owner.name, .py = name};
    case E_FRESH:
        return own_attribute(a, owner, name);
    case E_BOUND:
        return owner.site != NULL ? pf_e_opaque : (pf_e_value){.kind = E_BOUND, .py = name};
    case E_FUNC:
        return pf_e_opaque;
    default:
        return (pf_e_value){.kind = E_BOUND, .py = name};
    }
}

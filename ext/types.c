/* Drop-ins for builtin types.
 *
 * A drop-in has to be a type, since people write isinstance(x, list), list[int], class A(list), case list(): and
 * {list: ...}[t]; and yet calling it must cost next to nothing over the builtin. So a drop-in is an empty subclass of
 * the type it stands for (its *true type*, tp_base), under a metaclass of ours:
 *
 *      type  <-----  drop-in metaclass          attributes, ==, hash, |, isinstance and subclassing
 *        ^ type          ^ type                 are answered by the true type
 *      list  <-----  purefold.list              a call goes through tp_vectorcall straight to the consumer
 *             base
 *
 * No instance of a drop-in ever exists: whatever would make one makes an instance of the true type, and
 * class A(purefold.list) has the true type as its base. What cannot be hidden is `type(x) is purefold.list`, and a
 * second metaclass beside it (class A(purefold.list, metaclass=ABCMeta)), which Python rejects with a TypeError.
 *
 * Pickling goes by name and finds the drop-in again, so __module__ is the drop-in's own. */
#include "types.h"

#include <stddef.h>
#include <structmember.h>

#include "consume.h"

typedef struct dropin {
    const char *name;
    PyTypeObject *true_type;
    vectorcallfunc call;
} dropin;

static PyObject *dropin_getattro(PyObject *self, PyObject *name);

/* A drop-in is recognised by its metaclass's slot, so that no state has to be looked up; subclasses have the true
 * type as their base and so never come here. */
static int is_dropin(PyObject *object)
{
    return Py_TYPE(object)->tp_getattro == dropin_getattro;
}

static PyObject *true_type(PyObject *object)
{
    return is_dropin(object) ? (PyObject *)((PyTypeObject *)object)->tp_base : object;
}

/* ---- calling ---- */

/* One positional argument is the consumer's; anything else is rare or wrong, and the true type knows what to do. */
#define DEFINE_CALL(name, consume)                                                                                     \
    static PyObject *name(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)                     \
    {                                                                                                                  \
        if (PyVectorcall_NARGS(nargsf) == 1 && kwnames == NULL) {                                                      \
            return consume(args, nargsf);                                                                              \
        }                                                                                                              \
        return PyObject_Vectorcall(true_type(self), args, nargsf, kwnames);                                            \
    }

DEFINE_CALL(call_list, pf_consume_list)
DEFINE_CALL(call_tuple, pf_consume_tuple)

/* type.__call__(drop-in, ...) and drop-in.__new__(drop-in, ...) end here. */
static PyObject *new_instance(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyTypeObject *base = (PyTypeObject *)true_type((PyObject *)type);
    return PyObject_Call((PyObject *)base, args, kwargs);
}

static const dropin dropins[] = {
    {"list", &PyList_Type, call_list},
    {"tuple", &PyTuple_Type, call_tuple},
};

/* purefold.list.__new__: list.__new__, which would refuse a drop-in as the type to make one of. */
static PyObject *static_new(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *function = PyObject_GetAttrString(true_type(self), "__new__");
    PyObject *own_args = PySequence_List(args);
    PyObject *result = NULL;
    if (function == NULL || own_args == NULL) {
        goto out;
    }
    if (PyList_GET_SIZE(own_args) > 0) {
        PyObject *type = Py_NewRef(true_type(PyList_GET_ITEM(own_args, 0)));
        if (PyList_SetItem(own_args, 0, type) < 0) {
            goto out;
        }
    }
    PyObject *tuple = PyList_AsTuple(own_args);
    if (tuple != NULL) {
        result = PyObject_Call(function, tuple, kwargs);
        Py_DECREF(tuple);
    }
out:
    Py_XDECREF(function);
    Py_XDECREF(own_args);
    return result;
}

static PyMethodDef new_method = {"__new__", (PyCFunction)(void (*)(void))static_new, METH_VARARGS | METH_KEYWORDS, NULL};

/* ---- the metaclass: everything but calling is the true type's business ---- */

static PyObject *dropin_getattro(PyObject *self, PyObject *name)
{
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__module__") == 0) {
        return PyUnicode_FromString("purefold");
    }
    if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "__new__") == 0) {
        return PyCFunction_New(&new_method, self);
    }
    return PyObject_GetAttr(true_type(self), name);
}

static int dropin_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    return PyObject_SetAttr(true_type(self), name, value);
}

static PyObject *dropin_repr(PyObject *self)
{
    return PyObject_Repr(true_type(self));
}

static Py_hash_t dropin_hash(PyObject *self)
{
    return PyObject_Hash(true_type(self));
}

static PyObject *dropin_compare(PyObject *self, PyObject *other, int op)
{
    return PyObject_RichCompare(true_type(self), true_type(other), op);
}

static PyObject *dropin_or(PyObject *left, PyObject *right)
{
    return PyNumber_Or(true_type(left), true_type(right));
}

static PyObject *dropin_instancecheck(PyObject *self, PyObject *object)
{
    int answer = PyObject_IsInstance(object, true_type(self));
    return answer < 0 ? NULL : PyBool_FromLong(answer);
}

static PyObject *dropin_subclasscheck(PyObject *self, PyObject *type)
{
    int answer = PyObject_IsSubclass(true_type(type), true_type(self));
    return answer < 0 ? NULL : PyBool_FromLong(answer);
}

/* ---- subclassing: class A(purefold.list) is class A(list) ---- */

static PyObject *true_bases(PyObject *bases)
{
    Py_ssize_t n = PyTuple_GET_SIZE(bases);
    PyObject *out = PyTuple_New(n);
    for (Py_ssize_t i = 0; out != NULL && i < n; i++) {
        PyTuple_SET_ITEM(out, i, Py_NewRef(true_type(PyTuple_GET_ITEM(bases, i))));
    }
    return out;
}

/* The most derived metaclass of the bases, as type.__new__ would choose it without the drop-ins. On a conflict any
 * answer will do: the class statement it is handed to raises the TypeError. */
static PyObject *metaclass_of(PyObject *bases)
{
    PyTypeObject *winner = &PyType_Type;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
        PyTypeObject *meta = Py_TYPE(PyTuple_GET_ITEM(bases, i));
        if (PyType_IsSubtype(meta, winner)) {
            winner = meta;
        }
    }
    return (PyObject *)winner;
}

static PyObject *subclass_new(PyTypeObject *Py_UNUSED(metaclass), PyObject *args, PyObject *kwargs)
{
    PyObject *name, *bases, *namespace;
    if (!PyArg_ParseTuple(args, "UO!O!:type.__new__", &name, &PyTuple_Type, &bases, &PyDict_Type, &namespace)) {
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *own_bases = true_bases(bases);
    if (own_bases == NULL) {
        return NULL;
    }
    PyObject *own_args = PyTuple_Pack(3, name, own_bases, namespace);
    if (own_args != NULL) {
        result = PyObject_Call(metaclass_of(own_bases), own_args, kwargs);
        Py_DECREF(own_args);
    }
    Py_DECREF(own_bases);
    return result;
}

static PyMethodDef metaclass_methods[] = {
    {"__instancecheck__", dropin_instancecheck, METH_O, NULL},
    {"__subclasscheck__", dropin_subclasscheck, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* A type's vectorcall slot lies in the type itself, so the metaclass names it as its instances' slot. */
static PyMemberDef metaclass_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyTypeObject, tp_vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot metaclass_slots[] = {
    {Py_tp_base, &PyType_Type},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_new, subclass_new},
    {Py_tp_getattro, dropin_getattro},
    {Py_tp_setattro, dropin_setattro},
    {Py_tp_repr, dropin_repr},
    {Py_tp_hash, dropin_hash},
    {Py_tp_richcompare, dropin_compare},
    {Py_nb_or, dropin_or},
    {Py_tp_methods, metaclass_methods},
    {Py_tp_members, metaclass_members},
    {0, NULL},
};

/* Messages of CPython name a wrong object's type: for `raise list` that has to be "type". */
static PyType_Spec metaclass_spec = {
    .name = "builtins.type",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = metaclass_slots,
};

/* ---- making them ---- */

static PyObject *make_dropin(PyTypeObject *metaclass, const dropin *what)
{
    PyObject *args = Py_BuildValue("(s(O){s()})", what->name, what->true_type, "__slots__");
    if (args == NULL) {
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)PyType_Type.tp_new(metaclass, args, NULL);
    Py_DECREF(args);
    if (type != NULL) {
        type->tp_vectorcall = what->call;
        type->tp_new = new_instance;
        type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE; /* so that the interpreter specialises calls of it */
        PyType_Modified(type);
    }
    return (PyObject *)type;
}

int pf_types_add(PyObject *module)
{
    PyObject *bases = PyTuple_Pack(1, (PyObject *)&PyType_Type);
    if (bases == NULL) {
        return -1;
    }
    PyObject *metaclass = PyType_FromModuleAndSpec(module, &metaclass_spec, bases);
    Py_DECREF(bases);
    if (metaclass != NULL) {
        ((PyTypeObject *)metaclass)->tp_name = "type"; /* as messages print it; the module is in its dictionary */
    }
    int status = metaclass == NULL ? -1 : 0;
    for (size_t i = 0; status == 0 && i < sizeof dropins / sizeof dropins[0]; i++) {
        PyObject *type = make_dropin((PyTypeObject *)metaclass, &dropins[i]);
        status = type == NULL ? -1 : PyModule_AddObjectRef(module, dropins[i].name, type);
        Py_XDECREF(type);
    }
    Py_XDECREF(metaclass);
    return status;
}

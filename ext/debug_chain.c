/* Test hooks: a chain as nested dicts, the self-test's result, and a feeder that follows a script instead of an engine. */
#include "debug_chain.h"

#include "introspect_layout.h"
#include "reasons.h"

static const char *const node_names[] = {"leaf",   "genexpr",   "map",   "filter", "zip", "enumerate",
                                         "islice", "takewhile", "chain", "starmap"};
static const char *const leaf_names[] = {"range",     "list",  "list_rev", "tuple",     "seq_rev",
                                         "array",     "bytes", "bytearray", "memoryview"};

/* Steals value. */
static int put(PyObject *dict, const char *key, PyObject *value) {
    int status = value != NULL ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return status;
}

static int put_object(PyObject *dict, const char *key, PyObject *object) {
    return object == NULL ? 0 : PyDict_SetItemString(dict, key, object);
}

static int leaf_fields(PyObject *dict, const pf_leaf *leaf) {
    char format[2] = {leaf->format, 0};
    return put(dict, "leaf", PyUnicode_FromString(leaf_names[leaf->kind])) < 0 ||
                   put_object(dict, "container", leaf->container) < 0 ||
                   put(dict, "begun", PyBool_FromLong(leaf->iterator != NULL)) < 0 ||
                   put(dict, "first", PyLong_FromLongLong(leaf->first)) < 0 ||
                   put(dict, "step", PyLong_FromLongLong(leaf->step)) < 0 ||
                   put(dict, "start", PyLong_FromLongLong(leaf->start)) < 0 ||
                   put(dict, "length", PyLong_FromLongLong(leaf->length)) < 0 ||
                   put(dict, "format", PyUnicode_FromString(format)) < 0
               ? -1
               : 0;
}

static int genexpr_fields(PyObject *dict, const pf_node *node) {
    PyCodeObject *code = pf_genexpr_code(node->object);
    PyObject *locals = PyList_New(0);
    for (int i = 0; locals != NULL && i < code->co_nlocalsplus; i++) {
        PyObject *local = pf_genexpr_local(node->object, i);
        if (PyList_Append(locals, local != NULL ? local : Py_None) < 0) {
            Py_CLEAR(locals);
        }
    }
    return put(dict, "locals", locals) < 0 || put_object(dict, "globals", pf_genexpr_globals(node->object)) < 0 ||
                   put_object(dict, "builtins", pf_genexpr_builtins(node->object)) < 0 ||
                   put(dict, "lasti", PyLong_FromLong(pf_genexpr_lasti(node->object))) < 0
               ? -1
               : 0;
}

static int step_fields(PyObject *dict, const pf_node *node) {
    switch (node->kind) {
    case PF_NODE_GENEXPR:
        return put(dict, "started", PyBool_FromLong(node->started)) < 0 ? -1 : genexpr_fields(dict, node);
    case PF_NODE_CHAIN:
        return put(dict, "started", PyBool_FromLong(node->started));
    case PF_NODE_ZIP:
        return put(dict, "strict", PyBool_FromLong(node->strict));
    case PF_NODE_ENUMERATE:
        return put(dict, "count", PyLong_FromLongLong(node->count));
    case PF_NODE_ISLICE:
        return put(dict, "state", Py_BuildValue("(LLLL)", (long long)node->count, (long long)node->next,
                                                (long long)node->stop, (long long)node->islice_step));
    default:
        return 0;
    }
}

static PyObject *node_dict(const pf_chain *chain, int index) {
    const pf_node *node = &chain->nodes[index];
    PyObject *dict = PyDict_New(), *children = PyList_New(0);
    int status = dict == NULL || children == NULL ? -1 : 0;
    for (int i = 0; status == 0 && i < node->nchildren; i++) {
        PyObject *child = node_dict(chain, node->children[i]);
        status = child != NULL ? PyList_Append(children, child) : -1;
        Py_XDECREF(child);
    }
    if (status == 0) {
        status = put(dict, "kind", PyUnicode_FromString(node_names[node->kind])) < 0 ||
                         put_object(dict, "object", node->object) < 0 || put_object(dict, "func", node->func) < 0 ||
                         put_object(dict, "children", children) < 0
                     ? -1
                     : 0;
    }
    if (status == 0) {
        status = node->leaf >= 0 ? leaf_fields(dict, &chain->leaves[node->leaf]) : step_fields(dict, node);
    }
    Py_XDECREF(children);
    if (status < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyDoc_STRVAR(read_chain_doc, "_read_chain(iterator, /)\n--\n\n"
                             "The chain as nested dicts, or the reason code why it is not read.");

static PyObject *debug_read_chain(PyObject *module, PyObject *iterator) {
    (void)module;
    pf_chain chain;
    int status = pf_chain_read(iterator, &chain);
    if (status < 0) {
        return NULL;
    }
    return status == 1 ? node_dict(&chain, 0) : PyUnicode_FromString(pf_reason_code(chain.reason));
}

PyDoc_STRVAR(selftest_doc, "_selftest()\n--\n\n"
                           "Struct mirrors against the running interpreter: {type name: 'ok' or what was wrong}.");

static PyObject *debug_selftest(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    return pf_chain_selftest();
}

static PyMethodDef methods[] = {
    {"_read_chain", debug_read_chain, METH_O, read_chain_doc},
    {"_selftest", debug_selftest, METH_NOARGS, selftest_doc},
    {NULL, NULL, 0, NULL},
};

int pf_debug_chain_add(PyObject *module) {
    return PyModule_AddFunctions(module, methods);
}

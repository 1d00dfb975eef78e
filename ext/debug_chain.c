/* Test hooks: a chain as nested dicts, the self-test's result, and a feeder that follows a script instead of an engine. */
#include "debug_chain.h"

#include "feed.h"
#include "introspect_layout.h"
#include "reasons.h"
#include "sides.h"

static const char *const node_names[] = {"leaf",   "genexpr",   "map",   "filter",  "zip",     "enumerate",
                                         "islice", "takewhile", "chain", "segment", "starmap", "flatten"};
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
        return put(dict, "started", PyBool_FromLong(node->started)) < 0 ||
                       put(dict, "in_row", PyBool_FromLong(node->in_row)) < 0
                   ? -1
                   : genexpr_fields(dict, node);
    case PF_NODE_CHAIN:
    case PF_NODE_SEGMENT:
        return put(dict, "started", PyBool_FromLong(node->started)) < 0 ||
                       put(dict, "more", PyBool_FromLong(node->more)) < 0
                   ? -1
                   : 0;
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

/* ---- a feeder that follows a script ---- */

typedef struct script {
    PyObject *plan; /* sequence of tuples (what, argument...) */
    Py_ssize_t at;
    pf_feed *feed;
} script;

/* ('suspend', row, callable): everything in place, callable called, on with the next entry. */
static int play_suspended(script *s, PyObject *entry, int64_t row) {
    (void)pf_feed_suspend(s->feed, row);
    PyObject *done = PyObject_CallNoArgs(PyTuple_GET_ITEM(entry, 2));
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    return pf_feed_resume(s->feed);
}

static pf_feed_answer play(void *ctx, int64_t *row, bool single) {
    script *s = ctx;
    int64_t done = *row;
    if (single) {
        return PF_FEED_ROW;
    }
    while (s->at < PyList_GET_SIZE(s->plan)) {
        PyObject *entry = PyList_GET_ITEM(s->plan, s->at++), *argument = PyTuple_GET_ITEM(entry, 1);
        const char *what = PyUnicode_AsUTF8(PyTuple_GET_ITEM(entry, 0));
        if (what[0] == 'e') { /* ('error', row, exception) */
            *row = PyLong_AsLongLong(argument);
            PyErr_SetObject((PyObject *)Py_TYPE(PyTuple_GET_ITEM(entry, 2)), PyTuple_GET_ITEM(entry, 2));
            return PF_FEED_ERROR;
        }
        *row = PyLong_AsLongLong(argument);
        if (*row < done && what[0] == 'r') { /* the chain has taken it by itself */
            continue;
        }
        *row = *row < done ? done : *row;
        if (what[0] != 's') {
            return what[0] == 'r' ? PF_FEED_ROW : what[0] == 'l' ? PF_FEED_LAST_ROW : PF_FEED_TRANSPARENT;
        }
        int moved = play_suspended(s, entry, *row);
        if (moved != 0) {
            return moved < 0 ? PF_FEED_ERROR : PF_FEED_TRANSPARENT;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "the script is over");
    return PF_FEED_ERROR;
}

static int drain(pf_feed *feed, PyObject *out, Py_ssize_t limit) {
    for (; limit != 0; limit--) {
        bool over;
        PyObject *item = pf_feed_pull(feed, &over);
        if (over) {
            item = pf_feed_pull(feed, &over);
        }
        if (item == NULL && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
        }
        if (item == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        int status = PyList_Append(out, item);
        Py_DECREF(item);
        if (status < 0) {
            return -1;
        }
    }
    return 0;
}

/* The rows of a chain with sides are not numbered by its leaves' items, as a plan of the demo's would have it. */
static int unnumbered(pf_chain *chain)
{
    pf_sides *sides;
    int reason = pf_sides_find(chain, &sides);
    reason = sides != NULL ? PF_REASON_UNALIGNED : reason;
    pf_sides_free(sides);
    return reason;
}

PyDoc_STRVAR(feed_demo_doc,
             "_feed_demo(iterator, plan, out, limit=-1, every_row=False, /)\n--\n\n"
             "Runs a chain with a feeder that answers as the plan says: ('row', r), ('transparent', r), ('last', r),\n"
             "('error', r, exception), ('suspend', r, callable). Appends what the chain yields to out, at most limit items.");

static PyObject *debug_feed_demo(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *iterator, *out;
    script s = {NULL, 0, NULL};
    Py_ssize_t limit = -1;
    int every_row = 0;
    pf_chain chain;
    if (!PyArg_ParseTuple(args, "OO!O!|np", &iterator, &PyList_Type, &s.plan, &PyList_Type, &out, &limit, &every_row)) {
        return NULL;
    }
    int status = pf_chain_read(iterator, &chain);
    int reason = status != 1 ? chain.reason : every_row ? 0 : unnumbered(&chain);
    if (status != 1 || reason != 0) {
        return status < 0 ? NULL : PyUnicode_FromString(pf_reason_code(reason));
    }
    pf_feed_ops ops = {play, &s};
    chain.expands = false;
    s.feed = pf_feed_attach(iterator, &chain, &ops);
    if (s.feed == NULL) {
        return NULL;
    }
    status = drain(s.feed, out, limit);
    pf_feed_detach(s.feed);
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(limit_doc, "_feed_limit(iterator, rows, /)\n--\n\nHow many of the rows may be computed beside the chain.");

static PyObject *debug_feed_limit(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *iterator;
    long long rows;
    pf_chain chain;
    if (!PyArg_ParseTuple(args, "OL", &iterator, &rows)) {
        return NULL;
    }
    int status = pf_chain_read(iterator, &chain);
    return status < 0 ? NULL : PyLong_FromLongLong(status == 1 ? pf_feed_limit(&chain, rows, true) : rows);
}

static PyObject *debug_feed_cost(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *iterator;
    Py_ssize_t n;
    pf_chain chain;
    script s = {NULL, 0, NULL};
    pf_feed_ops ops = {play, &s};
    if (!PyArg_ParseTuple(args, "On", &iterator, &n)) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (pf_chain_read(iterator, &chain) != 1) {
            break;
        }
        pf_feed *feed = pf_feed_attach(iterator, &chain, &ops);
        if (feed == NULL) {
            return NULL;
        }
        pf_feed_detach(feed);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"_read_chain", debug_read_chain, METH_O, read_chain_doc},
    {"_selftest", debug_selftest, METH_NOARGS, selftest_doc},
    {"_feed_demo", debug_feed_demo, METH_VARARGS, feed_demo_doc},
    {"_feed_limit", debug_feed_limit, METH_VARARGS, limit_doc},
    {"_feed_cost", debug_feed_cost, METH_VARARGS,
     PyDoc_STR("_feed_cost(iterator, n, /)\n--\n\nReads, attaches and detaches n times, to be timed.")},
    {NULL, NULL, 0, NULL},
};

int pf_debug_chain_add(PyObject *module) {
    return PyModule_AddFunctions(module, methods);
}

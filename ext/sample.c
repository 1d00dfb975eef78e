/* Learning from a few source items what the rest will look like, and how attributes of rows are read (gather.h). */
#include <string.h>

#include "gather.h"

#include <structmember.h>
#include "dicts.h"
#include "pylong.h"

/* ---- paths through one item ---- */

PyObject *pf_path_walk(PyObject *object, const pf_path_step *path, int npath, PyObject **owned)
{
    bool asked = false; /* the interpreter, which may have raised */
    for (int i = 0; i < npath && object != NULL; i++) {
        const pf_path_step *step = &path[i];
        if (Py_TYPE(object) != step->type) {
            return NULL;
        }
        switch (step->how) {
        case PF_PATH_INDEX: {
            Py_ssize_t n = Py_SIZE(object), at = step->index + (step->index < 0 ? n : 0);
            PyObject *const *items =
                step->type == &PyList_Type ? ((PyListObject *)object)->ob_item : ((PyTupleObject *)object)->ob_item;
            object = (step->size >= 0 && n != step->size) || at < 0 || at >= n ? NULL : items[at];
            break;
        }
        case PF_PATH_SLOT:
            object = *(PyObject **)((char *)object + step->index);
            break;
        case PF_PATH_KEY:
            (void)pf_dict_find(object, step->name, &object);
            break;
        case PF_PATH_EACH: /* not one object */
            object = NULL;
            break;
        case PF_PATH_ATTR: {
            asked = true;
            PyObject *value = pf_instance_is_plain(object) ? PyObject_GenericGetAttr(object, step->name) : NULL;
            Py_XSETREF(*owned, value); /* keeps it alive while its own attributes are read */
            object = value;
            break;
        }
        }
    }
    if (object == NULL && asked) { /* only then: other paths are walked on threads that Python does not know */
        PyErr_Clear();
    }
    return object;
}

static pf_kinds format_kinds(char format)
{
    switch (format) {
    case 'f':
    case 'd':
    case 'e':
        return PF_K_F64;
    case '?':
        return PF_K_BOOL;
    case 'u':
    case 'w':
    case 'c':
        return PF_K_OBJ;
    default:
        return PF_K_I64;
    }
}

/* PF_K_OTHER and above: no scalar. */
static pf_kinds kind_of(PyObject *object)
{
    return PyLong_CheckExact(object) ? PF_K_I64 : pf_scalar_of(object, NULL); /* a big int among ints fails by itself */
}

static void sample_object(PyObject *object, pf_sample *out)
{
    pf_kinds kind = kind_of(object);
    if (kind < PF_K_OTHER) {
        out->kinds |= kind;
        return;
    }
    PyTypeObject *type = Py_TYPE(object);
    out->kinds |= PF_K_OBJ;
    out->mixed |= out->type != NULL && out->type != type;
    if (PyTuple_Check(object) || PyList_CheckExact(object)) {
        int size = (int)Py_SIZE(object);
        out->size = out->type == NULL || out->size == size ? size : -1;
    }
    out->type = type;
}

static int64_t available(const pf_leaf *leaf)
{
    if (leaf->container == NULL) {
        return 0;
    }
    /* the container may have shrunk since the iterator was made */
    Py_ssize_t n = leaf->kind == PF_LEAF_LIST || leaf->kind == PF_LEAF_LIST_REV ? PyList_GET_SIZE(leaf->container)
                                                                                 : PyTuple_GET_SIZE(leaf->container);
    int64_t left = leaf->step > 0 ? n - leaf->first : (leaf->first < n ? leaf->first + 1 : 0);
    return left < leaf->length ? left : leaf->length;
}

static bool is_object_leaf(const pf_leaf *leaf)
{
    return leaf->kind == PF_LEAF_LIST || leaf->kind == PF_LEAF_LIST_REV || leaf->kind == PF_LEAF_TUPLE ||
           leaf->kind == PF_LEAF_SEQ_REV;
}

static PyObject *object_at(const pf_leaf *leaf, int64_t row)
{
    Py_ssize_t at = (Py_ssize_t)(leaf->first + row * leaf->step);
    return PyList_CheckExact(leaf->container) ? PyList_GET_ITEM(leaf->container, at) : PyTuple_GET_ITEM(leaf->container, at);
}

/* Where item i of a sample of `most` out of n lies: the first few, then one in each of as many stretches of the rest,
 * now here, now there in it, since data may come in turns; the last one included. A glance looks at some of the items
 * of the whole sample, so that it finds nothing that a plan was not made for. */
static int64_t place_in_sample(int i, int most, int64_t n)
{
    enum { CLOSE = 8 };
    const int whole = n < PF_SAMPLE ? (int)n : PF_SAMPLE;
    i = most < whole ? i * (whole - 1) / (most - 1) : i;
    if (i < CLOSE || n <= PF_SAMPLE) {
        return i;
    }
    const int64_t stretch = (n - 1 - CLOSE) / (PF_SAMPLE - 1 - CLOSE);
    const int64_t within = (int64_t)((uint32_t)i * UINT32_C(0x9E3779B9) >> 8) % stretch;
    return i == PF_SAMPLE - 1 ? n - 1 : CLOSE + stretch * (i - CLOSE) + within;
}

/* Of how many items of an inner list, so that three loops in one another are sampled in the time of some rows. What a
 * glance looks at is always among these. */
static int most_inside(int most, int level)
{
    enum { FEW = 9 };
    return level == 0 ? most : most <= PF_GLANCE || level > 1 ? PF_GLANCE : FEW;
}

/* What a path leads to from an object. level: how many lists that differ from row to row it is in. */
static void sample_from(PyObject *object, const pf_path_step *path, int npath, int most, int level, pf_sample *out)
{
    int n = 0;
    while (n < npath && path[n].how != PF_PATH_EACH) {
        n++;
    }
    PyObject *owned = NULL, *end = pf_path_walk(object, path, n, &owned), *const * items;
    Py_ssize_t size;
    if (end != NULL && n == npath) {
        sample_object(end, out);
    } else if (end != NULL && pf_items_of(end, &items, &size)) {
        const int inside = most_inside(most, level + 1);
        for (int i = 0; i < inside && i < size; i++) {
            sample_from(items[place_in_sample(i, inside, size)], path + n + 1, npath - n - 1, most, level + 1, out);
        }
    }
    Py_XDECREF(owned);
}

/* Leaves of objects only. */
static void sample_leaf(const pf_leaf *leaf, const pf_access *access, int most, pf_sample *out)
{
    const int64_t n = available(leaf);
    for (int i = 0; i < most && i < n; i++) {
        sample_from(object_at(leaf, place_in_sample(i, most, n)), access->path, access->npath, most, 0, out);
    }
}

/* The leaves that share row numbers with this one: itself, or the segments of its itertools.chain. How many, from *first on. */
static int segments_of(const pf_chain *chain, int leaf, int *first)
{
    for (int i = 0; i < chain->nnodes; i++) {
        int n = chain->nodes[i].kind == PF_NODE_CHAIN && !chain->nodes[i].nested ? pf_chain_segments(chain, i, first) : 0;
        if (n > 0 && leaf >= *first && leaf < *first + n) {
            return n;
        }
    }
    *first = leaf;
    return 1;
}

static void sample_segments(const pf_chain *chain, const pf_access *access, int most, pf_sample *out)
{
    int first, n = segments_of(chain, access->leaf, &first);
    for (int each = first; each < first + n; each++) {
        const pf_leaf *l = &chain->leaves[each];
        if (is_object_leaf(l)) {
            sample_leaf(l, access, most, out);
        } else if (access->npath == 0) {
            out->kinds |=
                l->kind == PF_LEAF_ARRAY || l->kind == PF_LEAF_MEMORYVIEW ? format_kinds(l->format) : PF_K_I64;
        }
    }
}

void pf_sample_at(const pf_access *access, const pf_watch *watches, const pf_watch_roots *roots, int most,
                  pf_sample *out)
{
    memset(out, 0, sizeof *out);
    out->size = -1;
    if (access->leaf >= 0) {
        sample_segments(roots->chain, access, most, out);
    } else {
        PyObject *captured = pf_watch_value(watches, access->watch, roots);
        if (captured != NULL) {
            sample_from(captured, access->path, access->npath, most, -1, out);
        }
    }
    if (out->kinds == 0) {
        out->kinds = PF_K_OBJ;
    }
}

pf_objects pf_leaf_objects(const pf_chain *chain, const pf_leaf *leaf)
{
    int first, n = segments_of(chain, (int)(leaf - chain->leaves), &first), with = 0;
    for (int each = first; each < first + n; each++) {
        with += is_object_leaf(&chain->leaves[each]);
    }
    return with == 0 ? PF_OBJECTS_NONE : with == n ? PF_OBJECTS_ALL : PF_OBJECTS_SOME;
}

/* ---- types ---- */

bool pf_type_is_tuple(PyTypeObject *type)
{
    if (type == &PyTuple_Type) {
        return true;
    }
    return PyType_IsSubtype(type, &PyTuple_Type) && type->tp_iter == PyTuple_Type.tp_iter &&
           type->tp_getattro == PyObject_GenericGetAttr && type->tp_as_mapping != NULL &&
           type->tp_as_mapping->mp_subscript == PyTuple_Type.tp_as_mapping->mp_subscript;
}

bool pf_step_through(pf_path_step *step, PyTypeObject *type)
{
    step->type = type;
    step->version = 0;
    if ((type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) != 0) {
        return true;
    }
    if (!pf_type_is_plain(type)) { /* finding anything in it might run code */
        return false;
    }
    static PyObject *any; /* a look-up makes the type take a tag, if it has none */
    if (any == NULL && (any = PyUnicode_InternFromString("__getitem__")) == NULL) {
        PyErr_Clear();
        return false;
    }
    (void)_PyType_Lookup(type, any);
    step->version = type->tp_version_tag;
    return step->version != 0; /* no tag, no way to notice that the class changes */
}

/* The index behind a namedtuple's field; -1: the descriptor is something else. */
static int field_index(PyObject *descriptor)
{
    static PyTypeObject *getter_type; /* _collections._tuplegetter, kept for the process */
    if (getter_type == NULL) {
        PyObject *module = PyImport_ImportModule("_collections");
        getter_type = module != NULL ? (PyTypeObject *)PyObject_GetAttrString(module, "_tuplegetter") : NULL;
        Py_XDECREF(module);
        if (getter_type == NULL) {
            PyErr_Clear();
            return -1;
        }
    }
    if (Py_TYPE(descriptor) != getter_type) {
        return -1;
    }
    int index = -1;
    PyObject *reduced = PyObject_CallMethod(descriptor, "__reduce__", NULL);
    if (reduced != NULL && PyTuple_Check(reduced) && PyTuple_GET_SIZE(reduced) == 2) {
        PyObject *args = PyTuple_GET_ITEM(reduced, 1);
        PyObject *first = PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : NULL;
        index = first != NULL && PyLong_CheckExact(first) ? (int)PyLong_AsLong(first) : -1;
    }
    Py_XDECREF(reduced);
    PyErr_Clear();
    return index;
}

static bool has_instance_dict(PyTypeObject *type)
{
    return type->tp_dictoffset != 0
#ifdef Py_TPFLAGS_MANAGED_DICT
           || (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0
#endif
        ;
}

/* A value of a class that is no descriptor and cannot become one: an instance's own attribute goes before it. */
static bool is_plain(PyObject *value)
{
    PyTypeObject *type = Py_TYPE(value);
    return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 && type->tp_descr_get == NULL && type->tp_descr_set == NULL;
}

bool pf_attribute_step(PyTypeObject *type, PyObject *name, pf_path_step *step)
{
    if (type->tp_getattro != PyObject_GenericGetAttr || !pf_step_through(step, type)) {
        return false;
    }
    PyObject *descriptor = _PyType_Lookup(type, name);
    step->size = -1;
    if (descriptor == NULL ? has_instance_dict(type) : is_plain(descriptor)) {
        step->how = PF_PATH_ATTR; /* of the instance, or else the class's own value, which no descriptor computes */
        step->name = name;
        return true;
    }
    if (descriptor == NULL) {
        return false;
    }
    if (pf_type_is_tuple(type)) {
        step->how = PF_PATH_INDEX;
        step->index = field_index(descriptor);
        return step->index >= 0;
    }
    if (Py_TYPE(descriptor) == &PyMemberDescr_Type) {
        const PyMemberDescrObject *member = (PyMemberDescrObject *)descriptor;
        if (member->d_member->type == T_OBJECT_EX && PyType_IsSubtype(type, member->d_common.d_type)) {
            step->how = PF_PATH_SLOT;
            step->index = (int32_t)member->d_member->offset;
            return true;
        }
    }
    return false;
}

/* Reading a lazy chain without running it.
 *
 * The walk goes from the outermost iterator down. Every object is told by its exact type, so a subclass (which may
 * override anything) is never mistaken for what it derives from, and every field comes from a mirror of CPython's struct that
 * passed the self-test. Nothing is looked up, called or counted: reading a chain cannot be observed.
 *
 * An iterator that is met twice would lose its items to two places in an order that rows in step do not have; such a
 * chain is not read. */
#include "config.h"
#include "introspect_layout.h"
#include "reasons.h"

#include <string.h>

typedef struct reader {
    pf_chain *out;
    PyObject *seen[PF_MAX_NODES + PF_MAX_LEAVES]; /* iterators met; sources of chains too, which are no nodes */
    int nseen;
} reader;

static int read_node(reader *r, PyObject *object);

static int refuse(reader *r, int reason, PyObject *where) {
    r->out->reason = reason;
    r->out->where = where;
    return -1;
}

static int meet(reader *r, PyObject *iterator) {
    for (int i = 0; i < r->nseen; i++) {
        if (r->seen[i] == iterator) {
            return refuse(r, PF_REASON_SHARED_ITERATOR, iterator);
        }
    }
    if (r->nseen == (int)(sizeof r->seen / sizeof *r->seen)) {
        return refuse(r, PF_REASON_CHAIN_TOO_LARGE, iterator);
    }
    r->seen[r->nseen++] = iterator;
    return 0;
}

/* Number of a new node, or -1. */
static int add_node(reader *r, pf_node_kind kind, PyObject *object) {
    if (r->out->nnodes == PF_MAX_NODES) {
        return refuse(r, PF_REASON_CHAIN_TOO_LARGE, object);
    }
    pf_node *node = &r->out->nodes[r->out->nnodes];
    *node = (pf_node){.kind = kind, .object = object, .leaf = -1, .stop = -1, .counter = -1};
    return r->out->nnodes++;
}

static int add_leaf(reader *r, PyObject *object, pf_leaf **leaf) {
    if (r->out->nleaves == PF_MAX_LEAVES) {
        return refuse(r, PF_REASON_CHAIN_TOO_LARGE, object);
    }
    int node = add_node(r, PF_NODE_LEAF, object);
    if (node >= 0) {
        r->out->nodes[node].leaf = r->out->nleaves;
        *leaf = &r->out->leaves[r->out->nleaves++];
    }
    return node;
}

static int read_leaf(reader *r, PyObject *object, pf_type_id id) {
    pf_leaf *leaf;
    int node = add_leaf(r, object, &leaf);
    if (node < 0) {
        return -1;
    }
    int reason = pf_leaf_read(object, id, leaf);
    return reason == 0 ? node : refuse(r, reason, object);
}

static int read_child(reader *r, int parent, PyObject *child) {
    int slot = r->out->nodes[parent].nchildren;
    if (slot == PF_MAX_CHILDREN) {
        return refuse(r, PF_REASON_CHAIN_TOO_LARGE, child);
    }
    int node = read_node(r, child);
    if (node >= 0) {
        r->out->nodes[parent].children[slot] = node;
        r->out->nodes[parent].nchildren = slot + 1;
    }
    return node;
}

/* A node over one iterator. */
static int read_over(reader *r, pf_node_kind kind, PyObject *object, PyObject *func, PyObject *child) {
    int node = add_node(r, kind, object);
    if (node < 0) {
        return -1;
    }
    if (child == NULL) {
        return refuse(r, PF_REASON_EXHAUSTED, object);
    }
    r->out->nodes[node].func = func;
    return read_child(r, node, child) < 0 ? -1 : node;
}

static int read_tuple_children(reader *r, int node, PyObject *iters) {
    if (node < 0) {
        return -1;
    }
    if (iters == NULL || !PyTuple_CheckExact(iters) || PyTuple_GET_SIZE(iters) == 0) {
        return refuse(r, PF_REASON_STEP_STATE, r->out->nodes[node].object);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(iters); i++) {
        if (read_child(r, node, PyTuple_GET_ITEM(iters, i)) < 0) {
            return -1;
        }
    }
    return node;
}

static int read_genexpr(reader *r, PyObject *object) {
    PyObject *source;
    pf_gen_place place;
    int reason = pf_gen_source(object, &source, &place);
    if (reason != 0) {
        return refuse(r, reason, object);
    }
    int node = read_over(r, PF_NODE_GENEXPR, object, (PyObject *)pf_genexpr_code(object), source);
    if (node >= 0) {
        r->out->nodes[node].started = place != PF_GEN_AT_START;
        r->out->nodes[node].in_row = place == PF_GEN_IN_ROW;
    }
    return node;
}

static int read_enumerate(reader *r, PyObject *object) {
    const pf_enumerate *e = (const pf_enumerate *)object;
    /* far from the end, so that no row count can carry the index over it */
    if (e->long_index != NULL || e->index > PY_SSIZE_T_MAX / 2 || e->index < -(PY_SSIZE_T_MAX / 2)) {
        return refuse(r, PF_REASON_STEP_STATE, object);
    }
    int node = read_over(r, PF_NODE_ENUMERATE, object, NULL, e->it);
    if (node >= 0) {
#ifndef PF_PLANTED_BUG_ENUMERATE_START_LOST
        r->out->nodes[node].count = e->index;
#endif
    }
    return node;
}

/* Over a leaf, and no step leads out of 64 bits. */
static bool is_view(const pf_chain *chain, const pf_node *islice) {
    int64_t step = islice->islice_step;
    const pf_node *below = &chain->nodes[islice->children[0]];
    for (; below->kind == PF_NODE_ISLICE && below->view; below = &chain->nodes[below->children[0]]) {
        if (__builtin_mul_overflow(step, below->islice_step, &step)) {
            return false;
        }
    }
    return below->kind == PF_NODE_LEAF && !__builtin_mul_overflow(step, chain->leaves[below->leaf].step, &step);
}

static int read_islice(reader *r, PyObject *object) {
    const pf_islice *s = (const pf_islice *)object;
    int node = read_over(r, PF_NODE_ISLICE, object, NULL, s->it);
    if (node >= 0) {
        pf_node *n = &r->out->nodes[node];
        n->count = s->cnt;
        n->next = s->next;
        n->stop = s->stop;
        n->islice_step = s->step;
        n->view = is_view(r->out, n);
    }
    return node;
}

static int read_segment(reader *r, int parent, PyObject *iterable) {
    if (pf_type_of(iterable) != PF_T_COUNT) {
        return read_child(r, parent, iterable);
    }
    pf_leaf *leaf;
    int slot = r->out->nodes[parent].nchildren;
    if (slot == PF_MAX_CHILDREN) {
        return refuse(r, PF_REASON_CHAIN_TOO_LARGE, iterable);
    }
    int node = add_leaf(r, iterable, &leaf);
    if (node < 0) {
        return -1;
    }
    r->out->nodes[parent].children[slot] = node;
    r->out->nodes[parent].nchildren = slot + 1;
    int reason = pf_leaf_read_container(iterable, leaf);
    return reason == 0 ? node : refuse(r, reason, iterable);
}

/* How far the reader had come. */
typedef struct mark {
    int nnodes, nleaves, nseen;
} mark;

static mark mark_of(const reader *r)
{
    return (mark){r->out->nnodes, r->out->nleaves, r->nseen};
}

static void unread(reader *r, mark to)
{
    r->out->nnodes = to.nnodes;
    r->out->nleaves = to.nleaves;
    r->nseen = to.nseen;
    r->out->reason = PF_REASON_NONE;
}

/* What gives a chain its iterables, if it is a list's or tuple's iterator: how many are still to come, and number i of
 * them. */
static Py_ssize_t iterables_left(const pf_seq_iter *source)
{
    bool some = source->seq != NULL && source->index >= 0; /* at its end the index may be -1 */
    return some && source->index < Py_SIZE(source->seq) ? Py_SIZE(source->seq) - source->index : 0;
}

static PyObject *iterable_to_come(const pf_seq_iter *source, Py_ssize_t i)
{
    i += source->index;
    return PyList_CheckExact(source->seq) ? PyList_GET_ITEM(source->seq, i) : PyTuple_GET_ITEM(source->seq, i);
}

/* Too many to be read as segments, and plain containers as far as one looks: each had better be a row. */
static bool had_better_flatten(const pf_chain_iter *c)
{
    const pf_seq_iter *source = (const pf_seq_iter *)c->source;
    enum { LOOK_AT = 64 };
    bool plain = c->active == NULL;
    for (Py_ssize_t i = 0; plain && i < iterables_left(source) && i < LOOK_AT; i++) {
        plain = pf_type_of(iterable_to_come(source, i)) == PF_T_COUNT;
    }
    return plain;
}

/* One more segment, with so many behind it. 1: the next one is to follow; 0: the chain is read up to here; -1: not
 * read. */
static int add_segment(reader *r, int parent, PyObject *iterable, Py_ssize_t behind)
{
    const mark before = mark_of(r);
    pf_node *node = &r->out->nodes[parent];
    const int earlier = node->nchildren, child = read_segment(r, parent, iterable);
    const pf_node *made = child >= 0 ? &r->out->nodes[child] : NULL;
    if (made != NULL && (made->kind == PF_NODE_LEAF || (made->kind == PF_NODE_CHAIN && !made->more))) {
        r->out->nodes[child].nested = made->kind == PF_NODE_CHAIN;
        return 1;
    }
    node->more = earlier > 0 || behind > 0;
    if (earlier == 0) {
        node->kind = PF_NODE_SEGMENT;
        return child >= 0 ? 0 : -1;
    }
    if (r->out->reason == PF_REASON_CHAIN_TOO_LARGE && had_better_flatten((const pf_chain_iter *)node->object)) {
        return -1;
    }
    unread(r, before);
    node->nchildren = earlier;
    return 0;
}

static int read_segments(reader *r, PyObject *object) {
    const pf_chain_iter *c = (const pf_chain_iter *)object;
    int node = add_node(r, PF_NODE_CHAIN, object);
    if (node < 0 || c->source == NULL) {
        return node;
    }
    r->out->nodes[node].func = c->source;
    r->out->nodes[node].started = c->active != NULL;
    if (!pf_types.ok[pf_type_of(c->source)]) {
        return refuse(r, PF_REASON_UNKNOWN_SOURCE, c->source);
    }
    if (meet(r, c->source) < 0) {
        return -1;
    }
    const pf_seq_iter *source = (const pf_seq_iter *)c->source;
    const Py_ssize_t left = iterables_left(source);
    r->out->nodes[node].count = source->index;
    int next = c->active != NULL ? add_segment(r, node, c->active, left) : 1;
    for (Py_ssize_t i = 0; next > 0 && i < left; i++) {
        next = add_segment(r, node, iterable_to_come(source, i), left - i - 1);
    }
    return next < 0 ? -1 : node;
}

bool pf_chain_computes(const pf_chain *chain, int n)
{
    const pf_node *node = &chain->nodes[n];
    bool any = node->kind != PF_NODE_LEAF && node->kind != PF_NODE_ZIP && node->kind != PF_NODE_ENUMERATE &&
               node->kind != PF_NODE_ISLICE && node->kind != PF_NODE_CHAIN && node->kind != PF_NODE_SEGMENT;
    for (int i = 0; i < node->nchildren; i++) {
        any = any || pf_chain_computes(chain, node->children[i]);
    }
    return any;
}

bool pf_chain_runs_python(const pf_chain *chain, int n)
{
    const pf_node *node = &chain->nodes[n];
    bool any = node->kind == PF_NODE_GENEXPR || (node->func != NULL && PyFunction_Check(node->func));
    for (int i = 0; i < node->nchildren; i++) {
        any = any || pf_chain_runs_python(chain, node->children[i]);
    }
    return any;
}

/* How many items the iterable has that is a row of this leaf; 0 where it is no list or tuple. */
static int64_t items_at(const pf_leaf *leaf, int64_t row)
{
    PyObject *iterable = pf_leaf_item(leaf, row);
    bool counted = iterable != NULL && (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable));
    int64_t items = counted ? Py_SIZE(iterable) : 0;
    Py_XDECREF(iterable);
    PyErr_Clear();
    return items;
}

/* Nothing is computed but which item comes next, and the iterables are lists or tuples of a few items: CPython is
 * faster. */
static bool strings_few(const pf_chain *chain)
{
    enum { LOOK_AT = 16, FEW_ITEMS = 6 };
    int64_t rows = 0, items = 0;
    for (int n = 0; n < chain->nnodes; n++) {
        const pf_node *node = &chain->nodes[n];
        int leaf = node->kind == PF_NODE_FLATTEN ? chain->nodes[node->children[0]].leaf : -1;
        if (leaf < 0 && node->kind != PF_NODE_LEAF && node->kind != PF_NODE_ENUMERATE && node->kind != PF_NODE_ISLICE) {
            return false;
        }
        for (int64_t row = 0; leaf >= 0 && row < LOOK_AT && row < chain->leaves[leaf].length; row++, rows++) {
            items += items_at(&chain->leaves[leaf], row);
        }
    }
    return rows > 0 && items <= FEW_ITEMS * rows;
}

/* A chain forgets the segment that a signal handler has begun while it was being given another. In CPython that takes a handler inside
 * of a Python frame below it; with us handlers run in the feeder, which makes up for it if it is right below (feed_pull.c). */
static int read_flatten(reader *r, PyObject *object, PyObject *source) {
    int node = read_over(r, PF_NODE_FLATTEN, object, NULL, source);
    int child = node >= 0 ? r->out->nodes[node].children[0] : -1;
    if (child >= 0 && pf_chain_computes(r->out, child) && !pf_chain_runs_python(r->out, child)) {
        return refuse(r, PF_REASON_SEGMENT, object);
    }
    if (child >= 0 && pf_few_rows_stay() && strings_few(r->out)) {
        return refuse(r, PF_REASON_NOTHING_TO_COMPUTE, object);
    }
    return node;
}

/* One chain of segments, or where it has too many, or they come of other steps, a row for each. */
static int read_chain(reader *r, PyObject *object) {
    const pf_chain_iter *c = (const pf_chain_iter *)object;
    const mark before = mark_of(r);
    pf_type_id id = c->source != NULL ? pf_type_of(c->source) : PF_T_TUPLE_ITER;
    if (id == PF_T_TUPLE_ITER || id == PF_T_LIST_ITER) {
        int node = read_segments(r, object);
        if (node >= 0 || r->out->reason != PF_REASON_CHAIN_TOO_LARGE ||
            r->out->nodes[before.nnodes].kind == PF_NODE_SEGMENT) {
            return node;
        }
    }
    if (c->active != NULL) { /* its rest comes before all rows */
        return refuse(r, PF_REASON_STEP_STATE, object);
    }
    unread(r, before);
    return read_flatten(r, object, c->source);
}

int pf_chain_end(const pf_chain *chain, int node)
{
    const pf_node *n = &chain->nodes[node];
    return n->nchildren > 0 ? pf_chain_end(chain, n->children[n->nchildren - 1]) : node + 1;
}

int pf_chain_segments(const pf_chain *chain, int node, int *first) {
    const pf_node *n = &chain->nodes[node];
    if (n->kind == PF_NODE_LEAF) {
        *first = n->leaf;
        return 1;
    }
    int segments = 0;
    for (int i = n->nchildren - 1; i >= 0; i--) { /* the leaves of an earlier child have smaller numbers */
        int at, more = pf_chain_segments(chain, n->children[i], &at);
        *first = more > 0 ? at : *first;
        segments += more;
    }
    return segments;
}

bool pf_chain_flattens(const pf_chain *chain) {
    bool any = false;
    for (int n = 0; n < chain->nnodes; n++) {
        any = any || chain->nodes[n].kind == PF_NODE_FLATTEN;
    }
    return any;
}

bool pf_chain_goes_on(const pf_chain *chain)
{
    bool more = false;
    for (int n = 0; n < chain->nnodes; n++) {
        more = more || chain->nodes[n].more;
    }
    return more;
}

bool pf_chain_flattens_many(const pf_chain *chain, int64_t least) {
    for (int n = 0; n < chain->nnodes; n++) {
        const pf_node *node = &chain->nodes[n];
        int leaf = node->kind == PF_NODE_FLATTEN ? chain->nodes[node->children[0]].leaf : -1;
        int64_t items = 0;
        for (int64_t row = 0; leaf >= 0 && items < least && row < chain->leaves[leaf].length; row++) {
            items += items_at(&chain->leaves[leaf], row);
        }
        if (items >= least && leaf >= 0) {
            return true;
        }
    }
    return false;
}

/* Why an object is none of ours. */
static int unknown(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    if (type == &PyLongRangeIter_Type) {
        return PF_REASON_RANGE_TOO_LARGE;
    }
    if (type == &PySeqIter_Type) {
        PyObject *seq = ((const pf_old_seq_iter *)object)->seq;
        if (seq != NULL && strcmp(Py_TYPE(seq)->tp_name, "numpy.ndarray") == 0) {
            return PF_REASON_NUMPY_ARRAY;
        }
        return PF_REASON_UNKNOWN_SOURCE;
    }
    return strncmp(type->tp_name, "itertools.", 10) == 0 ? PF_REASON_UNKNOWN_STEP : PF_REASON_UNKNOWN_SOURCE;
}

static int read_step(reader *r, PyObject *object, pf_type_id id) {
    const pf_func_iter *f = (const pf_func_iter *)object;
    int node;
    switch (id) {
    case PF_T_GENERATOR:
        return read_genexpr(r, object);
    case PF_T_MAP:
        node = add_node(r, PF_NODE_MAP, object);
        if (node >= 0) {
            r->out->nodes[node].func = ((const pf_map *)object)->func;
        }
        return read_tuple_children(r, node, ((const pf_map *)object)->iters);
    case PF_T_FILTER:
        return read_over(r, PF_NODE_FILTER, object, f->func == Py_None ? NULL : f->func, f->it);
    case PF_T_ZIP:
        node = add_node(r, PF_NODE_ZIP, object);
        if (node >= 0) {
            r->out->nodes[node].strict = ((const pf_zip *)object)->strict != 0;
        }
        return read_tuple_children(r, node, ((const pf_zip *)object)->iters);
    case PF_T_ENUMERATE:
        return read_enumerate(r, object);
    case PF_T_ISLICE:
        return read_islice(r, object);
    case PF_T_TAKEWHILE:
        if (((const pf_takewhile *)object)->stop != 0) {
            return refuse(r, PF_REASON_EXHAUSTED, object);
        }
        return read_over(r, PF_NODE_TAKEWHILE, object, f->func, f->it);
    case PF_T_STARMAP:
        return read_over(r, PF_NODE_STARMAP, object, f->func, f->it);
    case PF_T_CHAIN:
        return read_chain(r, object);
    default:
        return read_leaf(r, object, id);
    }
}

static int read_node(reader *r, PyObject *object) {
    pf_type_id id = pf_type_of(object);
    if (id == PF_T_COUNT) {
        return refuse(r, unknown(object), object);
    }
    if (!pf_types.ok[id]) {
        return refuse(r, PF_REASON_UNTESTED_TYPE, object);
    }
    return meet(r, object) < 0 ? -1 : read_step(r, object, id);
}

/* Whoever frees this object runs code that can be seen. */
static bool is_watched(PyObject *item, PyTypeObject *type) {
    return type->tp_finalize != NULL || type->tp_del != NULL ||
           (type->tp_weaklistoffset != 0 && *(PyObject **)((char *)item + type->tp_weaklistoffset) != NULL);
}

/* How many references a chain itself may hold to a container: a segment that has been begun is with its iterator and with the source. */
static Py_ssize_t references(const pf_chain *chain, PyObject *container) {
    Py_ssize_t n = 0;
    for (int i = 0; i < chain->nnodes; i++) {
        const pf_node *node = &chain->nodes[i];
        const pf_node *begun = node->kind == PF_NODE_CHAIN && node->started ? &chain->nodes[node->children[0]] : NULL;
        n += node->leaf >= 0 && chain->leaves[node->leaf].container == container;
        n += begun != NULL && begun->leaf >= 0 && chain->leaves[begun->leaf].container == container;
    }
    return n;
}

static bool holds_watched(PyObject *container) {
    if (!PyList_Check(container) && !PyTuple_Check(container)) {
        return false;
    }
    PyTypeObject *quiet = NULL; /* a type that cannot be watched in any way */
    PyObject **items = PySequence_Fast_ITEMS(container);
    for (Py_ssize_t i = 0; i < Py_SIZE(container); i++) {
        PyTypeObject *type = items[i] != NULL ? Py_TYPE(items[i]) : quiet;
        if (type == quiet) {
            continue;
        }
        if (is_watched(items[i], type)) {
            return true;
        }
        quiet = type->tp_weaklistoffset == 0 ? type : quiet;
    }
    return false;
}

/* CPython frees a list that only its iterator holds when the iterator ends, while the generator still has its last item;
 * we free it after the call. That can be seen where items have finalizers or weak references. */
static bool frees_watched(const pf_chain *chain, const pf_leaf *leaf) {
    PyObject *container = leaf->container;
    return container != NULL && Py_REFCNT(container) <= references(chain, container) && holds_watched(container);
}

/* The same of what a nested chain has taken before: it lets go of all that when it ends, and rows follow. */
static PyObject *taken_and_watched(const pf_node *node) {
    PyObject *seq = node->func != NULL ? ((const pf_seq_iter *)node->func)->seq : NULL;
    for (int64_t i = 0; seq != NULL && i < node->count && i < Py_SIZE(seq); i++) {
        PyObject *item = PySequence_Fast_GET_ITEM(seq, i);
        if ((Py_REFCNT(item) == 1 && is_watched(item, Py_TYPE(item))) || (Py_REFCNT(item) <= 2 && holds_watched(item))) {
            return item;
        }
    }
    return NULL;
}

/* And of what only the source of a flattened chain keeps. */
static bool frees_watched_segments(const pf_chain *chain, const pf_node *node) {
    int leaf = chain->nodes[node->children[0]].leaf;
    PyObject *container = leaf >= 0 ? chain->leaves[leaf].container : NULL;
    if (container == NULL || Py_REFCNT(container) > 1 || (!PyList_Check(container) && !PyTuple_Check(container))) {
        return false;
    }
    PyObject **items = PySequence_Fast_ITEMS(container);
    for (Py_ssize_t i = 0; i < Py_SIZE(container); i++) {
        if (items[i] != NULL && Py_REFCNT(items[i]) == 1 && holds_watched(items[i])) {
            return true;
        }
    }
    return false;
}

/* Steps that must know, before they are pulled, what they will be pulled for. */
static bool looks_ahead(const pf_node *node)
{
    return pf_node_has_source(node) || node->kind == PF_NODE_FLATTEN || node->kind == PF_NODE_ISLICE;
}

bool pf_chain_may_stop_in_row(const pf_chain *chain, int generator)
{
    bool may = true;
    for (int n = 0; n < chain->nnodes && may; n++) {
        may = !looks_ahead(&chain->nodes[n]);
#ifdef PF_PLANTED_BUG_LEFTOVERS_OVERTAKEN
        may = true;
#endif
    }
    for (int n = 0; n != generator && may; n = chain->nodes[n].children[0]) {
        const pf_node *node = &chain->nodes[n];
        const bool passes = node->kind == PF_NODE_MAP || node->kind == PF_NODE_FILTER ||
                            node->kind == PF_NODE_STARMAP || node->kind == PF_NODE_TAKEWHILE ||
                            node->kind == PF_NODE_GENEXPR;
        may = passes && node->nchildren == 1;
    }
    return may;
}

/* What can be told of a chain only when all of it has been read. */
static int look_over(reader *r) {
    const pf_chain *chain = r->out;
    for (int i = 0; i < chain->nleaves; i++) {
        if (frees_watched(chain, &chain->leaves[i])) {
            return refuse(r, PF_REASON_SOLE_OWNER, chain->leaves[i].container);
        }
    }
    for (int n = 0; n < chain->nnodes; n++) {
        const pf_node *node = &chain->nodes[n];
        int first;
        if (node->in_row && !pf_chain_may_stop_in_row(chain, n)) {
            return refuse(r, PF_REASON_STEP_STATE, node->object);
        }
        r->out->in_row |= node->in_row;
        if (node->kind == PF_NODE_FLATTEN && frees_watched_segments(chain, node)) {
            return refuse(r, PF_REASON_SOLE_OWNER, node->object);
        }
        if (node->kind != PF_NODE_CHAIN) {
            continue;
        }
        if (!node->nested && pf_chain_segments(chain, n, &first) == 0) {
            return refuse(r, PF_REASON_EXHAUSTED, node->object);
        }
        PyObject *watched = node->nested ? taken_and_watched(node) : NULL;
        if (watched != NULL) {
            return refuse(r, PF_REASON_SOLE_OWNER, watched);
        }
    }
    return 0;
}

int pf_chain_read(PyObject *iterator, pf_chain *out) {
    reader r;
    r.out = out;
    r.nseen = 0;
    out->nnodes = out->nleaves = 0;
    out->expands = true;
    out->in_row = false;
    out->reason = PF_REASON_NONE;
    out->where = NULL;
    if (!pf_types.filled) {
        out->reason = PF_REASON_UNTESTED_TYPE;
        out->where = iterator;
        return 0;
    }
    return read_node(&r, iterator) == 0 && look_over(&r) == 0;
}

/* The feeder: what stands at the bottom of a chain while its rows are computed natively.
 *
 *     consumer --pull--> map --pull--> generator --pull--> feeder --next_row--> engine
 *                                                            |
 *                                                            +--> the row's item, when the chain has to see it
 *                                                            +--> the real iterator, once transparent
 *
 * Holders. The feeder's reference takes the place of the real iterator's in its holder, and takes it back from there, so all
 * counts stay as they were. A generator loads its iterator on its stack when it starts; if that happens while a
 * feeder is attached, the feeder is found in both places at detach. Whoever else got hold of a feeder (a borrowed pointer in
 * the C frame of filter or islice, on another thread) finds that it forwards to the real iterator for as long as it lives. */
#include "feed_internal.h"

#include "introspect_layout.h"

#include "../core/base/mem.h"

#include <string.h>

static PyTypeObject feeder_type;

/* ---- free lists: attach is on the path of small calls ---- */

enum { MAX_FREE = 16 };
static feeder *free_feeders[MAX_FREE];
static int nfree_feeders;
static pf_feed *free_feeds;
static int nfree_feeds;

static feeder *new_feeder(void) {
    if (nfree_feeders > 0) {
        return (feeder *)PyObject_Init((PyObject *)free_feeders[--nfree_feeders], &feeder_type);
    }
    return PyObject_GC_New(feeder, &feeder_type);
}

static void feeder_dealloc(PyObject *self) {
    feeder *f = (feeder *)self;
    PyObject *real = f->real;
    f->real = NULL;
    f->feed = NULL;
    if (nfree_feeders < MAX_FREE) {
        free_feeders[nfree_feeders++] = f;
    } else {
        PyObject_GC_Del(f);
    }
    Py_XDECREF(real);
}

static pf_feed *new_feed(void) {
    pf_feed *feed = free_feeds;
    if (feed != NULL) {
        free_feeds = feed->next_free;
        nfree_feeds--;
        return feed;
    }
    feed = pf_mem_alloc(sizeof *feed);
    if (feed == NULL) {
        PyErr_NoMemory();
    }
    return feed;
}

static void free_feed(pf_feed *feed) {
    if (nfree_feeds < MAX_FREE) {
        feed->next_free = free_feeds;
        free_feeds = feed;
        nfree_feeds++;
    } else {
        pf_mem_free(feed);
    }
}

/* It is never tracked (it lives for one call and owns nothing the collector could free), yet it has to look like something
 * that could be: a tuple that holds only objects beyond the collector's reach is untracked for good. */
static int feeder_traverse(PyObject *self, visitproc visit, void *arg) {
    Py_VISIT(((feeder *)self)->real);
    return 0;
}

static PyTypeObject feeder_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "purefold._engine.feeder",
    .tp_basicsize = sizeof(feeder),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = feeder_dealloc,
    .tp_traverse = feeder_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = feed_next,
};

int pf_feed_init(void) { return PyType_Ready(&feeder_type); }

/* ---- what can be fed ---- */

static bool may_drop(const pf_chain *chain, int n) {
    const pf_node *node = &chain->nodes[n];
    if (node->side) {
        return false;
    }
    bool drops = node->kind == PF_NODE_FILTER || node->kind == PF_NODE_GENEXPR || node->kind == PF_NODE_FLATTEN ||
                 pf_node_skips(node);
    for (int i = 0; i < node->nchildren && node->kind != PF_NODE_CHAIN; i++) {
        drops = drops || may_drop(chain, node->children[i]);
    }
    return drops;
}

int64_t pf_feed_limit(const pf_chain *chain, int64_t rows, bool planned) {
    bool structural[PF_MAX_NODES];
    feed_structural(chain, structural);
    for (int n = 0; n < chain->nnodes; n++) {
        const pf_node *node = &chain->nodes[n];
        if (node->side) { /* which has numbers of its own */
            n = pf_chain_end(chain, n) - 1;
            continue;
        }
        if (node->kind != PF_NODE_ISLICE || node->stop < 0 || node->view) {
            continue;
        }
        int child = node->children[0];
        int64_t takes = structural[n] ? node->stop - node->count : feed_islice_end(node) - node->count;
        if (takes <= 0) {
            return -1;
        }
        if (!structural[n] && (planned ? node->counter >= 0 : may_drop(chain, child))) {
            continue;
        }
        int64_t last = feed_row_of(chain, child, takes - 1), limit = structural[n] && last < INT64_MAX ? last + 1 : last;
        rows = limit < rows ? limit : rows;
    }
    return rows;
}

/* ---- attach and detach ---- */

static void copy_chain(pf_chain *to, const pf_chain *from) {
    to->nnodes = from->nnodes;
    to->nleaves = from->nleaves;
    to->expands = from->expands;
    memcpy(to->nodes, from->nodes, (size_t)from->nnodes * sizeof *from->nodes);
    memcpy(to->leaves, from->leaves, (size_t)from->nleaves * sizeof *from->leaves);
}

/* Keeps alive what the copied chain points to. A segment not begun has its iterable as node->object. */
static void hold(const pf_chain *chain) {
    for (int n = 0; n < chain->nnodes; n++) {
        Py_INCREF(chain->nodes[n].object);
        if (pf_node_has_source(&chain->nodes[n])) {
            Py_XINCREF(chain->nodes[n].func);
        }
    }
    for (int i = 0; i < chain->nleaves; i++) {
        Py_XINCREF(chain->leaves[i].container);
    }
}

static void let_go(const pf_chain *chain) {
    for (int i = 0; i < chain->nleaves; i++) {
        Py_XDECREF(chain->leaves[i].container);
    }
    for (int n = chain->nnodes - 1; n >= 0; n--) {
        if (pf_node_has_source(&chain->nodes[n])) {
            Py_XDECREF(chain->nodes[n].func);
        }
        Py_DECREF(chain->nodes[n].object);
    }
}

static int add_slot(pf_feed *feed, int node, int parent, int child, int generator)
{
    feeder *f = new_feeder();
    if (f == NULL) {
        return -1;
    }
    f->feed = feed;
    f->real = NULL;
    f->slot = feed->nslots;
    feed->slots[feed->nslots++] =
        (feed_slot){.feeder = f, .node = node, .parent = parent, .child = child, .generator = generator};
    return 0;
}

static bool has_genexpr(const pf_chain *chain, int n) {
    const pf_node *node = &chain->nodes[n];
    for (int i = 0; i < node->nchildren; i++) {
        if (has_genexpr(chain, node->children[i])) {
            return true;
        }
    }
    return node->kind == PF_NODE_GENEXPR;
}

static bool is_below(const pf_chain *chain, int n, int root) {
    bool below = n == root;
    for (int i = 0; i < chain->nodes[root].nchildren && !below; i++) {
        below = is_below(chain, n, chain->nodes[root].children[i]);
    }
    return below;
}

/* Subtrees behind the first child of a map or zip, if there are generators in them. */
static void find_laggards(pf_feed *feed, const bool *structural, int n) {
    const pf_node *node = &feed->chain.nodes[n];
    for (int i = 0; i < node->nchildren && !structural[n]; i++) {
        if (i == 0) {
            find_laggards(feed, structural, node->children[i]);
        } else if (has_genexpr(&feed->chain, node->children[i])) {
            feed->laggards[feed->nlaggards++] = node->children[i];
            for (int slot = 0; slot < feed->nslots; slot++) {
                feed->slots[slot].lags |= is_below(&feed->chain, feed->slots[slot].node, node->children[i]);
            }
        }
    }
}

/* A chain that pulls a segment forgets it when that ends, even if a signal handler has begun another meanwhile. In
 * CPython that takes a handler inside of a Python frame below it; with us handlers run in the feeder. So where there is
 * no such frame (`bare`), nothing is computed natively inside of a pull. */
static void find_segment(pf_feed *feed)
{
    const pf_chain *chain = &feed->chain;
    for (int n = 0; n < chain->nnodes; n++) {
        feed->bare |= chain->nodes[n].kind == PF_NODE_SEGMENT && !pf_chain_runs_python(chain, n);
    }
    for (int n = 0;; n = chain->nodes[n].children[0]) {
        if (chain->nodes[n].more) {
            feed->segment = n;
        }
        if (chain->nodes[n].nchildren == 0) {
            return;
        }
    }
}

/* Feeders for the largest structural subtrees, from left to right: that is in the order CPython pulls them. */
static int add_slots(pf_feed *feed, const bool *structural, int n, int parent, int child, int generator)
{
    const pf_node *node = &feed->chain.nodes[n];
    if (structural[n]) {
        return add_slot(feed, n, parent, child, generator);
    }
    if (node->kind == PF_NODE_ENUMERATE || node->kind == PF_NODE_ISLICE) {
        feed->steps[feed->nsteps++] = n;
        feed->nslices += node->kind == PF_NODE_ISLICE;
    }
    feed->above[n] = (int8_t)generator;
    generator = node->kind == PF_NODE_GENEXPR ? n : generator;
    for (int i = 0; i < node->nchildren; i++) {
        if (add_slots(feed, structural, node->children[i], n, i, generator) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Iterators of segments that are not begun yet: made now, so that settling cannot fail. */
static int bear(pf_feed *feed) {
    for (int i = 0; i < feed->chain.nleaves; i++) {
        pf_leaf *leaf = &feed->chain.leaves[i];
        if (leaf->iterator == NULL) {
            leaf->iterator = PyObject_GetIter(leaf->container);
            if (leaf->iterator == NULL) {
                return -1;
            }
            feed->born[feed->nborn++] = leaf->iterator;
            if (leaf->kind == PF_LEAF_RANGE && pf_type_of(leaf->iterator) != PF_T_RANGE_ITER) {
                PyErr_SetString(PyExc_SystemError, "a range of 64 bits made another iterator");
                return -1;
            }
        }
    }
    return 0;
}

static void drop(pf_feed *feed) {
    for (int i = 0; i < feed->nslots; i++) {
        Py_DECREF(feed->slots[i].feeder);
    }
    for (int i = 0; i < feed->nborn; i++) {
        Py_DECREF(feed->born[i]);
    }
    Py_XDECREF(feed->ahead);
    pf_chain *chain = &feed->chain;
    PyObject *root = feed->root;
    let_go(chain);
    Py_DECREF(root);
    free_feed(feed);
}

pf_feed *pf_feed_attach(PyObject *root, const pf_chain *chain, const pf_feed_ops *ops) {
    bool structural[PF_MAX_NODES];
    pf_feed *feed = new_feed();
    if (feed == NULL) {
        return NULL;
    }
    feed->ops = *ops;
    feed->thread = PyThreadState_Get();
    feed->frame = feed_frame_of(feed->thread);
    feed->catching_up = NULL;
    feed->busy = feed->transparent = feed->restored = feed->suspended = feed->revealed = feed->foreign = feed->asked = false;
    feed->closed = feed->dry = feed->bare = false;
    feed->skipped = ops->nsides > 0; /* what they drop is left out */
    feed->segment = -1;
    for (int i = 0; i < ops->nsides; i++) {
        feed->leapt[i] = -1;
    }
    feed->ahead = NULL;
    feed->row = feed->seen = -1;
    feed->error[0] = feed->error[1] = feed->error[2] = NULL;
    feed->nsteps = feed->nslices = feed->nlaggards = feed->nslots = feed->nborn = 0;
    feed->root = Py_NewRef(root);
    copy_chain(&feed->chain, chain);
    hold(&feed->chain);
    feed_structural(chain, structural);
    int collecting = PyGC_Disable(); /* a finalizer must not come between reading the chain and claiming it */
    bool made = add_slots(feed, structural, 0, -1, 0, -1) == 0 && bear(feed) == 0;
    if (collecting) {
        PyGC_Enable();
    }
    if (!made) {
        drop(feed);
        return NULL;
    }
    find_segment(feed);
    feed_begin_segments(feed);
    for (int i = 0; i < feed->nslots; i++) {
        const feed_slot *slot = &feed->slots[i];
        feed_swap_holder(feed, slot, feed_real_of(feed, slot), (PyObject *)slot->feeder);
    }
    if (feed->nslots > 1) {
        find_laggards(feed, structural, 0);
    }
    feed_note_positions(feed); /* a generator may let a signal handler in before it pulls for the first time */
    feed->revealed = true;
    return feed;
}

int64_t *pf_feed_counts(pf_feed *feed) {
    return feed->counts;
}

void pf_feed_detach(pf_feed *feed) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!feed->transparent && !feed->suspended && !feed->revealed) {
        feed_settle_slots(feed);
    }
    if (!feed->transparent) {
        feed_take_rest(feed);
    }
    if (feed->error[0] != NULL) { /* the source's own: goes before a row's */
        PyErr_Restore(type, value, traceback);
        PyErr_Clear();
        type = feed->error[0];
        value = feed->error[1];
        traceback = feed->error[2];
    }
    feed_put_real(feed);
    feed_unbegin_segments(feed);
    for (int i = 0; i < feed->nslots; i++) {
        feed_slot *slot = &feed->slots[i];
        slot->feeder->feed = NULL;
        if (feed->foreign) {
            Py_INCREF(slot->feeder); /* for good: a C frame of another thread may go back to it */
        }
        if (Py_REFCNT(slot->feeder) > 1) {
            slot->feeder->real = Py_NewRef(feed_real_of(feed, slot));
        }
    }
    drop(feed);
    PyErr_Restore(type, value, traceback);
}

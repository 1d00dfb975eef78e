/* Where everything stands after so many rows.
 *
 * Rows are counted in items of the leaves since the chain was read. What a node has *given* by then is its ordinal: the same
 * number for most nodes, fewer above an islice that skips:
 *
 *     islice(next = 2, step = 3) over a zip      row       0 1 2 3 4 5 6 7 8
 *                                                ordinal   0 0 0 1 1 1 2 2 2   (items given by rows before this one)
 *                                                gives         *     *     *
 *
 * Over a leaf itself it is a view of it (pf_node.view): there rows are counted in the items it gives.
 *
 * An islice rests right behind the item it gave last: the items it skips it takes at the start of the next pull. So after k
 * items its input has given the ordinal of the k-th item plus one, whatever row the engine has reached.
 *
 * An islice over computed values cannot be replaced by a feeder; it is pulled by the consumer and pulls, through the steps
 * below it, the feeder. Its C loop has two places to pull from: items to be skipped, and the item to be given. Which one
 * a pull comes from shows in its counters (cnt < next: skipping), and cannot be changed any more: an item given to
 * the skipping place is dropped. So with such islices the engine is asked *before* the chain is pulled, and their counters
 * are set to what they are at the row that comes up; then the pull finds its places by itself. Where a row that was handed over
 * gives nothing, the pull goes on; and of a row that may give several items nobody can tell from outside if it is done. Then, if
 * the islices wait for an item to give, and give every one from here on, rows may be computed beside them; if not,
 * the chain takes row after row until the pull is over. */
#include "feed_internal.h"

#include "introspect_layout.h"

static bool may_be_structural(pf_node_kind kind) {
    return kind == PF_NODE_LEAF || kind == PF_NODE_ZIP || kind == PF_NODE_ENUMERATE || kind == PF_NODE_ISLICE ||
           kind == PF_NODE_CHAIN;
}

void feed_structural(const pf_chain *chain, bool out[PF_MAX_NODES]) {
    for (int n = chain->nnodes - 1; n >= 0; n--) {
        const pf_node *node = &chain->nodes[n];
        out[n] = may_be_structural(node->kind) && !node->side;
        for (int i = 0; i < node->nchildren; i++) {
            out[n] = out[n] && out[node->children[i]];
        }
    }
}

static const pf_leaf *leaf_of(const pf_chain *chain, int node) {
    return &chain->leaves[chain->nodes[node].leaf];
}

/* ---- ordinals ---- */

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t islice_limit(const pf_node *node) {
    if (node->stop < 0) {
        return INT64_MAX;
    }
    return node->stop > node->next ? (node->stop - node->next - 1) / node->islice_step + 1 : 0;
}

int64_t feed_ordinal(const pf_chain *chain, int n, int64_t row) {
    const pf_node *node = &chain->nodes[n];
    if (node->kind == PF_NODE_LEAF || node->kind == PF_NODE_CHAIN || node->view || node->side) {
        return node->view ? min64(row, islice_limit(node)) : row;
    }
    int64_t input = feed_ordinal(chain, node->children[0], row);
    if (node->kind != PF_NODE_ISLICE) {
        return input;
    }
    int64_t skipped = node->next - node->count, limit = islice_limit(node);
    int64_t given = input <= skipped ? 0 : (input - skipped - 1) / node->islice_step + 1;
    return min64(given, limit);
}

int64_t feed_row_of(const pf_chain *chain, int n, int64_t k) {
    const pf_node *node = &chain->nodes[n];
    if (node->kind == PF_NODE_LEAF || node->kind == PF_NODE_CHAIN || node->view || node->side) {
        return k;
    }
    if (node->kind == PF_NODE_ISLICE &&
        (__builtin_mul_overflow(k, node->islice_step, &k) || __builtin_add_overflow(k, node->next - node->count, &k))) {
        return INT64_MAX; /* no source has it */
    }
    return feed_row_of(chain, node->children[0], k);
}

int64_t feed_ordinal_at(const pf_feed *feed, const feed_slot *slot, int64_t row)
{
    return feed_ordinal(&feed->chain, slot->node, feed_position(feed, slot->node, row));
}

/* ---- items ---- */

/* How many items a leaf, or a chain of such, has left. */
static int64_t length_of(const pf_chain *chain, int n) {
    int first = 0, segments = pf_chain_segments(chain, n, &first);
    int64_t length = 0;
    for (int leaf = first; leaf < first + segments; leaf++) {
        length += chain->leaves[leaf].length;
    }
    return length;
}

/* The child of a chain that item k is in, and k within it; the number of children when there is none. */
static int segment_of(const pf_chain *chain, const pf_node *node, int64_t *k) {
    int i = 0;
    for (; i < node->nchildren; i++) {
        int64_t length = length_of(chain, node->children[i]);
        if (*k < length) {
            break;
        }
        *k -= length;
    }
    return i;
}

static PyObject *pair_with_index(int64_t index, PyObject *item) {
    PyObject *pair = item != NULL ? PyTuple_New(2) : NULL, *number = NULL;
    if (pair != NULL) {
        number = PyLong_FromLongLong(index);
    }
    if (number == NULL) {
        Py_XDECREF(pair);
        Py_XDECREF(item);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, number);
    PyTuple_SET_ITEM(pair, 1, item);
    return pair;
}

static PyObject *zip_item(const pf_chain *chain, const pf_node *node, int64_t k) {
    PyObject *tuple = PyTuple_New(node->nchildren);
    for (int i = 0; tuple != NULL && i < node->nchildren; i++) {
        PyObject *item = feed_item(chain, node->children[i], k);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

PyObject *feed_item(const pf_chain *chain, int n, int64_t k) {
    const pf_node *node = &chain->nodes[n];
    switch (node->kind) {
    case PF_NODE_ENUMERATE:
        return pair_with_index(node->count + k, feed_item(chain, node->children[0], k));
    case PF_NODE_ZIP:
        return zip_item(chain, node, k);
    case PF_NODE_ISLICE:
        return feed_item(chain, node->children[0], node->next - node->count + k * node->islice_step);
    case PF_NODE_CHAIN: {
        int segment = segment_of(chain, node, &k);
        return segment < node->nchildren ? feed_item(chain, node->children[segment], k) : NULL;
    }
    default:
        return pf_leaf_item(leaf_of(chain, n), k);
    }
}

/* ---- settling ---- */

/* k items given: after the k-th, which is input item number next - count + (k - 1) * step. Returns the input's items. */
static int64_t islice_state(const pf_node *node, int64_t k, Py_ssize_t *cnt, Py_ssize_t *next) {
    if (k == 0) {
        *cnt = node->count;
        *next = node->next;
        return 0;
    }
    int64_t last = node->next + (k - 1) * node->islice_step;
    int64_t after = (int64_t)((uint64_t)last + (uint64_t)node->islice_step);
    *cnt = last + 1;
    *next = after < last || (node->stop >= 0 && after > node->stop) ? node->stop : after;
#ifdef PF_PLANTED_BUG_ISLICE_OFF_BY_ONE
    return last + 1 - node->count + (node->islice_step > 1);
#else
    return last + 1 - node->count;
#endif
}

static void settle_islice(pf_chain *chain, const pf_node *node, int64_t k) {
    pf_islice *s = (pf_islice *)node->object;
    int64_t input = islice_state(node, k, &s->cnt, &s->next);
    if (s->it == NULL) { /* another thread met its end while the rows were claimed */
        s->it = Py_NewRef(chain->nodes[node->children[0]].object);
    }
    feed_settle(chain, node->children[0], input);
}

static void put(PyObject **field, PyObject *now) {
    PyObject *was = *field;
    *field = Py_XNewRef(now);
    Py_XDECREF(was);
}

/* Segments that are behind have been pulled to their end: leaves are latched, and chains have let go of their source. */
static void finish_segment(pf_chain *chain, int n) {
    const pf_node *node = &chain->nodes[n];
    for (int i = 0; i < node->nchildren; i++) {
        finish_segment(chain, node->children[i]);
    }
    if (node->kind == PF_NODE_CHAIN) {
        pf_chain_iter *c = (pf_chain_iter *)node->object;
        put(&c->active, NULL);
        if (node->func != NULL) {
            pf_seq_iter_end(node->func);
        }
        put(&c->source, NULL);
    } else {
        pf_leaf_end(leaf_of(chain, n));
    }
}

static PyObject *iterator_of(const pf_chain *chain, int n) {
    return chain->nodes[n].leaf >= 0 ? leaf_of(chain, n)->iterator : chain->nodes[n].object;
}

static void settle_chain(pf_chain *chain, const pf_node *node, int64_t k) {
    pf_chain_iter *c = (pf_chain_iter *)node->object;
    int64_t within = k - 1;
    int at = k > 0 ? segment_of(chain, node, &within) : -1; /* the one that gave the last item */
    if (at == node->nchildren) {
        at--;
        within = length_of(chain, node->children[at]) - 1;
    }
    for (int i = 0; i < node->nchildren; i++) {
        if (i < at) {
            finish_segment(chain, node->children[i]);
        } else {
            feed_settle(chain, node->children[i], i == at ? within + 1 : 0);
        }
    }
    if (node->func == NULL) { /* it had ended before */
        return;
    }
    put(&c->active, at >= 0 || node->started ? iterator_of(chain, node->children[at > 0 ? at : 0]) : NULL);
    if (c->source == NULL) {
        c->source = Py_NewRef(node->func);
    }
    /* node->count: where the source stood; it gives one iterable per segment, but the first if that had been begun */
    ((pf_seq_iter *)c->source)->index = (Py_ssize_t)(node->count + at + 1 - (node->started && at >= 0 ? 1 : 0));
}

static feed_source source_of(const pf_node *node) {
    const pf_chain_iter *c = (const pf_chain_iter *)node->object;
    return (feed_source){c->active, c->source != NULL ? ((const pf_seq_iter *)c->source)->index : -1};
}

void feed_note_sources(pf_feed *feed) {
    for (int n = 0; n < feed->chain.nnodes; n++) {
        const pf_node *node = &feed->chain.nodes[n];
        if (pf_node_has_source(node)) {
            feed->sources[n] = source_of(node);
        }
    }
}

void feed_begin_segments(pf_feed *feed)
{
    for (int n = 0; n < feed->chain.nnodes; n++) {
        const pf_node *node = &feed->chain.nodes[n];
        if (node->kind == PF_NODE_SEGMENT && !node->started) {
            pf_chain_iter *c = (pf_chain_iter *)node->object;
            put(&c->active, feed->chain.nodes[node->children[0]].object);
            ((pf_seq_iter *)c->source)->index++;
        }
    }
}

static bool is_untouched(const pf_chain *chain, int n)
{
    const pf_node *node = &chain->nodes[n];
    bool untouched = node->leaf < 0 || pf_leaf_taken(leaf_of(chain, n)) == 0;
    if (node->kind == PF_NODE_CHAIN && node->func != NULL) { /* it may have made iterators of its own */
        untouched = source_of(node).index == (Py_ssize_t)node->count;
    }
    for (int i = 0; i < node->nchildren && untouched; i++) {
        untouched = is_untouched(chain, node->children[i]);
    }
    return untouched;
}

void feed_unbegin_segments(pf_feed *feed)
{
    for (int n = 0; n < feed->chain.nnodes; n++) {
        const pf_node *node = &feed->chain.nodes[n];
        pf_chain_iter *c = (pf_chain_iter *)node->object;
        if (node->kind == PF_NODE_SEGMENT && !node->started && is_untouched(&feed->chain, n) &&
            c->active == feed->chain.nodes[node->children[0]].object) {
            put(&c->active, NULL);
            ((pf_seq_iter *)c->source)->index--;
        }
    }
}

/* The iterables that are still to come are numbered on from node->count, where the source stood; a tuple stays what it is. */
static bool segments_hold(const pf_chain *chain, const pf_node *node) {
    const pf_seq_iter *source = (const pf_seq_iter *)node->func;
    if (node->kind == PF_NODE_SEGMENT || source == NULL || source->seq == NULL || !PyList_CheckExact(source->seq)) {
        return true; /* what follows does not matter yet, or it has ended, or cannot change */
    }
    const Py_ssize_t first = (Py_ssize_t)node->count - (node->started ? 1 : 0), size = Py_SIZE(source->seq);
    const Py_ssize_t end = first + node->nchildren;
    bool hold = node->more ? size > end : size == end;
    for (Py_ssize_t i = source->index; i < end && hold; i++) {
        hold = PyList_GET_ITEM(source->seq, i) == chain->nodes[node->children[i - first]].object;
    }
    return hold;
}

bool feed_sources_hold(const pf_feed *feed) {
    for (int n = 0; n < feed->chain.nnodes; n++) {
        const pf_node *node = &feed->chain.nodes[n];
        if (pf_node_has_source(node)) {
            const feed_source then = feed->sources[n], now = source_of(node);
            if (then.active != now.active || then.index != now.index || !segments_hold(&feed->chain, node)) {
                return false;
            }
        }
    }
    return true;
}

void feed_settle(pf_chain *chain, int n, int64_t k) {
    const pf_node *node = &chain->nodes[n];
    switch (node->kind) {
    case PF_NODE_LEAF: {
        const pf_leaf *leaf = leaf_of(chain, n);
        (void)pf_leaf_seek(leaf, k < leaf->length ? k : leaf->length);
        return;
    }
    case PF_NODE_CHAIN:
        settle_chain(chain, node, k);
        return;
    case PF_NODE_ISLICE:
        settle_islice(chain, node, k);
        return;
    case PF_NODE_ENUMERATE:
        ((pf_enumerate *)node->object)->index = (Py_ssize_t)(node->count + k);
        break;
    default:
        break;
    }
    for (int i = 0; i < node->nchildren; i++) {
        feed_settle(chain, node->children[i], k);
    }
}

/* ---- steps over computed values ---- */

int64_t feed_islice_end(const pf_node *node) {
    return node->stop < 0 ? INT64_MAX : node->stop > node->next ? node->stop : node->next;
}

/* How many items a step has been given. */
static int64_t given_to(const pf_feed *feed, const pf_node *node, int64_t row) {
    int below = node->children[0];
    return node->counter >= 0
               ? feed->counts[node->counter]
               : feed_ordinal(&feed->chain, below, feed_position(feed, (int)(node - feed->chain.nodes), row));
}

/* What islice_next makes of its counters: after an item, `next` is the number of the next one to give, but never beyond the stop. */
static void place_islice(const pf_node *node, int64_t cnt) {
    pf_islice *s = (pf_islice *)node->object;
    int64_t next = node->next;
    if (cnt > next) {
        int64_t last = next + (cnt - 1 - next) / node->islice_step * node->islice_step;
        next = (int64_t)((uint64_t)last + (uint64_t)node->islice_step);
        next = next < last || (node->stop >= 0 && next > node->stop) ? node->stop : next;
    }
    s->cnt = (Py_ssize_t)cnt;
    s->next = (Py_ssize_t)next;
}

void feed_place_steps(const pf_feed *feed, int64_t row) {
    for (int i = 0; i < feed->nsteps; i++) {
        const pf_node *node = &feed->chain.nodes[feed->steps[i]];
        int64_t given = given_to(feed, node, row);
        if (node->kind == PF_NODE_ENUMERATE) {
            ((pf_enumerate *)node->object)->index = (Py_ssize_t)(node->count + given);
        } else {
            place_islice(node, node->count + given);
        }
    }
}

void feed_count_structural(pf_feed *feed, int64_t row) {
    const feed_slot *first = &feed->slots[0]; /* a step that counts is above everything, so in the one structural subtree or above */
    for (int n = first->node; n < feed->chain.nnodes; n++) {
        const pf_node *node = &feed->chain.nodes[n];
        if (node->counter >= 0) {
            feed->counts[node->counter] = feed_ordinal(&feed->chain, node->children[0], row);
        }
    }
}

/* What a step has counted itself since the chain was read. */
static int64_t counted_by(const pf_node *node) {
    return (node->kind == PF_NODE_ENUMERATE ? ((const pf_enumerate *)node->object)->index : ((const pf_islice *)node->object)->cnt) -
           node->count;
}

void feed_read_counts(pf_feed *feed, int64_t row) {
    feed_count_structural(feed, row);
    for (int i = 0; i < feed->nsteps; i++) {
        const pf_node *node = &feed->chain.nodes[feed->steps[i]];
        if (node->counter >= 0) {
            feed->counts[node->counter] = counted_by(node);
        }
    }
}

bool feed_in_step(const pf_feed *feed) {
#ifdef PF_PLANTED_BUG_DROPPED_ROW_COUNTED
    return true;
#endif
    const int64_t row = feed->slots[0].row;
    for (int i = 1; i < feed->nslots; i++) {
        const feed_slot *slot = &feed->slots[i];
        if (feed_ordinal_at(feed, slot, slot->row) != feed_ordinal_at(feed, slot, row)) {
            return false;
        }
    }
    for (int i = 0; i < feed->nsteps; i++) {
        const pf_node *node = &feed->chain.nodes[feed->steps[i]];
        if (node->counter < 0 && counted_by(node) != given_to(feed, node, row)) {
            return false;
        }
    }
    return true;
}

bool feed_in_place(const pf_feed *feed) {
    for (int i = 0; feed->nslices > 0 && i < feed->nsteps; i++) {
        const pf_node *node = &feed->chain.nodes[feed->steps[i]];
        const pf_islice *s = (const pf_islice *)node->object;
        if (node->kind == PF_NODE_ISLICE && (node->islice_step != 1 || s->cnt < s->next)) {
            return false;
        }
    }
    return true;
}

static bool is_ended_islice(const pf_node *node)
{
    const pf_islice *s = (const pf_islice *)node->object;
    return node->kind == PF_NODE_ISLICE && (s->it == NULL || s->cnt >= feed_islice_end(node));
}

bool feed_at_end(const pf_feed *feed) {
    for (int i = 0; i < feed->nsteps; i++) {
        if (is_ended_islice(&feed->chain.nodes[feed->steps[i]])) {
            return true;
        }
    }
    return false;
}

static bool is_used_up(const pf_chain *chain, int n)
{
    const pf_node *node = &chain->nodes[n];
    if (node->leaf >= 0) {
        const pf_leaf *leaf = leaf_of(chain, n);
        return pf_leaf_taken(leaf) >= leaf->length && !pf_leaf_has_grown(leaf);
    }
    bool all = true;
    for (int i = 0; i < node->nchildren && all; i++) {
        all = is_used_up(chain, node->children[i]);
    }
    return all || is_ended_islice(node);
}

bool feed_root_reaches(const pf_feed *feed, int node)
{
#ifdef PF_PLANTED_BUG_SEGMENT_LEFT_EARLY
    return true;
#endif
    for (int n = 0; n != node; n = feed->chain.nodes[n].children[0]) {
        if (is_ended_islice(&feed->chain.nodes[n])) {
            return false;
        }
    }
    return true;
}

bool feed_segment_is_used_up(const pf_feed *feed)
{
    return feed_root_reaches(feed, feed->segment) && is_used_up(&feed->chain, feed->segment);
}

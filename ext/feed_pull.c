/* What a pull at a feeder is answered with, and what others see meanwhile.
 *
 * FOR_ITER drops the very object that it pulled from when that ends. So whoever returns the end to a holder must stand
 * in it: a feeder that is going transparent gives its place back together with an item, never with the end.
 *
 * Claiming. While attached, leaves stand at their end. Another thread that holds a leaf sees an iterator all of whose
 * items are taken: the interleaving in which this thread came first. It may not be told so when rows are handed back
 * later, therefore the engine suspends the feed (true positions) whenever it lets the GIL go; what others take then is
 * noticed by pf_feed_resume, and the chain goes on in CPython. A row that is handed to the chain runs in the
 * interpreter, which may let threads and signal handlers in, and finalizers: so the leaves are revealed with it, as
 * they stand behind the row, and the next pull looks whether they still do. Other threads that pull a feeder itself are
 * sent to the real iterator, and so is code on this thread that the chain did not call to pull for it, which is told by
 * the frames it pulls from, down to the consumer's caller. A generator of the chain that is being pulled is executing
 * in the literal sense, as CPython would show it.
 *
 * Several feeders (map or zip over computed values) advance in step: CPython pulls them from left to right, so the
 * first one asks for the next row and the others answer with the same. Each remembers how many rows were taken from it:
 * after an exception in between, the left ones have lost one item more, as in CPython. As long as no row was computed
 * natively they need not be in step: each gives its own next item, so any chain that can be read can be handed over row
 * by row. */
#include "feed_internal.h"

#include "introspect_layout.h"

/* ---- holders ---- */

static int swap_field(PyObject **field, PyObject *was, PyObject *now) {
    if (*field != was) {
        return 0;
    }
    *field = Py_NewRef(now);
    Py_DECREF(was);
    return 1;
}

static int swap_in_tuple(PyObject *tuple, int i, PyObject *was, PyObject *now) {
    if (tuple == NULL || i >= PyTuple_GET_SIZE(tuple)) {
        return 0;
    }
    return swap_field(&PyTuple_GET_ITEM(tuple, i), was, now);
}

int feed_swap_holder(const pf_feed *feed, const feed_slot *slot, PyObject *was, PyObject *now) {
    if (slot->parent < 0) {
        return 1;
    }
    const pf_node *parent = &feed->chain.nodes[slot->parent];
    switch (parent->kind) {
    case PF_NODE_GENEXPR:
        return pf_gen_swap(parent->object, was, now);
    case PF_NODE_MAP:
        return swap_in_tuple(((pf_map *)parent->object)->iters, slot->child, was, now);
    case PF_NODE_ZIP:
        return swap_in_tuple(((pf_zip *)parent->object)->iters, slot->child, was, now);
    case PF_NODE_ENUMERATE:
        return swap_field(&((pf_enumerate *)parent->object)->it, was, now);
    case PF_NODE_ISLICE:
        return swap_field(&((pf_islice *)parent->object)->it, was, now);
    case PF_NODE_FILTER:
    case PF_NODE_TAKEWHILE:
    case PF_NODE_STARMAP:
        return swap_field(&((pf_func_iter *)parent->object)->it, was, now);
    case PF_NODE_FLATTEN:
        return swap_field(&((pf_chain_iter *)parent->object)->source, was, now);
    case PF_NODE_SEGMENT:
        return swap_field(&((pf_chain_iter *)parent->object)->active, was, now);
    default:
        return 0;
    }
}

PyObject *feed_real_of(const pf_feed *feed, const feed_slot *slot) {
    return feed->chain.nodes[slot->node].object;
}

void feed_put_real(const pf_feed *feed) {
    for (int i = 0; i < feed->nslots; i++) {
        const feed_slot *slot = &feed->slots[i];
        feed_swap_holder(feed, slot, (PyObject *)slot->feeder, feed_real_of(feed, slot));
    }
}

/* ---- settling ---- */

void feed_settle_slots(pf_feed *feed) {
    for (int i = 0; i < feed->nslots; i++) {
        const feed_slot *slot = &feed->slots[i];
        feed_settle(&feed->chain, slot->node, feed_ordinal_at(feed, slot, slot->row));
    }
}

/* Has CPython computed every row before this one? Then all counters stand by themselves, and feeders need not even be in step. */
static bool follows(pf_feed *feed, int64_t row) {
    const feed_slot *first = &feed->slots[0];
    if (!feed->skipped && feed_ordinal_at(feed, first, row) != feed_ordinal_at(feed, first, first->row)) {
        feed->skipped = true;
    }
    return !feed->skipped;
}

/* All rows before `row` are done: what was taken from every feeder, and the steps that count. */
static void advance_to(pf_feed *feed, int64_t row) {
    if (follows(feed, row)) {
        return;
    }
    for (int i = 0; i < feed->nslots; i++) {
        feed->slots[i].row = row;
    }
    feed_place_steps(feed, row);
}

static void settle_at(pf_feed *feed, int64_t row) {
    advance_to(feed, row);
    feed_settle_slots(feed);
}

static void claim(pf_feed *feed) {
    for (int i = 0; i < feed->chain.nleaves; i++) {
        (void)pf_leaf_seek(&feed->chain.leaves[i], feed->chain.leaves[i].length);
    }
}

void feed_note_positions(pf_feed *feed) {
    for (int i = 0; i < feed->chain.nleaves; i++) {
        feed->taken[i] = pf_leaf_taken(&feed->chain.leaves[i]);
    }
    feed_note_sources(feed);
}

/* Has anybody else taken items since, or changed what is to be taken from? */
static bool have_moved(const pf_feed *feed) {
    for (int i = 0; i < feed->chain.nleaves; i++) {
        if (pf_leaf_taken(&feed->chain.leaves[i]) != feed->taken[i]) {
            return true;
        }
    }
    return !feed_sources_hold(feed);
}

static void reveal(pf_feed *feed) {
    feed_settle_slots(feed);
    feed_note_positions(feed);
    feed->revealed = true;
}

/* Before more rows are computed. False: others have taken items, from where they stand now CPython goes on. */
static bool conceal(pf_feed *feed) {
    if (feed->revealed) {
        feed->revealed = false;
        if (have_moved(feed)) {
            feed->transparent = true;
        } else {
            claim(feed);
        }
    }
    return !feed->transparent;
}

/* ---- pulls ---- */

static PyObject *forward(PyObject *real) {
    return Py_TYPE(real)->tp_iternext(real);
}

/* The chain that flattens, and is being pulled: a handler may have pulled it too while the feed was suspended, and begun a segment,
 * whose rest is next. As CPython runs no handler there, the chain would begin another over it. True: *item is the answer. */
static bool pulled_meanwhile(const pf_feed *feed, const feed_slot *slot, PyObject **item) {
    const pf_node *parent = slot->parent >= 0 ? &feed->chain.nodes[slot->parent] : NULL;
    if (parent == NULL || parent->kind != PF_NODE_FLATTEN) {
        return false;
    }
    pf_chain_iter *c = (pf_chain_iter *)parent->object;
    *item = c->active;
    c->active = NULL;
    return *item != NULL || c->source == NULL;
}

static void keep_error(pf_feed *feed)
{
    PyErr_Fetch(&feed->error[0], &feed->error[1], &feed->error[2]);
}

static void raise_error(pf_feed *feed)
{
    PyErr_Restore(feed->error[0], feed->error[1], feed->error[2]);
    feed->error[0] = feed->error[1] = feed->error[2] = NULL;
}

/* ---- blocks ---- */

/* The row of item number k of what the first feeder stands for: an islice may skip some. */
static int64_t row_of_item(const pf_feed *feed, int64_t k)
{
    int64_t row = feed_row_of(&feed->chain, feed->slots[0].node, k);
    return row <= INT64_MAX - feed->ops.block ? row : INT64_MAX - feed->ops.block;
}

/* Number of the next one. */
static int64_t next_item(const pf_feed *feed)
{
    return feed_ordinal(&feed->chain, feed->slots[0].node, feed->slots[0].row);
}

/* feed->ahead: from that one on to the end of its block, or of all. -1 with an error. */
static int take_block(pf_feed *feed)
{
    feed_slot *first = &feed->slots[0];
    int64_t k = next_item(feed), row = row_of_item(feed, k), end = row - row % feed->ops.block + feed->ops.block;
    PyObject *ahead = PyList_New(0);
    if (ahead == NULL) {
        return -1;
    }
    Py_XSETREF(feed->ahead, ahead);
    feed->given = 0;
    first->row = end;
    do {
        PyObject *item = forward(feed_real_of(feed, first));
        feed->dry = item == NULL || PyList_Append(ahead, item) < 0;
        Py_XDECREF(item);
    } while (!feed->dry && row_of_item(feed, ++k) < end);
    return PyErr_Occurred() ? -1 : 0;
}

static void next_block(pf_feed *feed)
{
    int64_t row = row_of_item(feed, next_item(feed));
    feed->busy = true;
    feed->closed = !feed->ops.close(feed->ops.ctx, row);
    feed->busy = false;
    if (!feed->closed && take_block(feed) < 0) {
        keep_error(feed);
        feed->closed = true;
    }
}

/* Only the source is read ahead: what else the chain has leaves for are steps. */
static PyObject *next_of_block(pf_feed *feed, const feed_slot *slot)
{
    bool first = slot == feed->slots;
    if (first && !feed->dry && (feed->ahead == NULL || feed->given == PyList_GET_SIZE(feed->ahead))) {
        next_block(feed);
    }
    if (feed->closed || (first && feed->given == PyList_GET_SIZE(feed->ahead))) {
        return NULL;
    }
    return first ? Py_NewRef(PyList_GET_ITEM(feed->ahead, feed->given++)) : forward(feed_real_of(feed, slot));
}

void feed_take_rest(pf_feed *feed)
{
    if (feed->ops.block > 0 && row_of_item(feed, next_item(feed)) % feed->ops.block != 0 && take_block(feed) < 0) {
        keep_error(feed);
    }
}

/* Transparent: the real iterator answers. With its item the real iterators go back to their holders; with its end the feeder
 * has to be found in this slot's. */
static PyObject *forward_slot(pf_feed *feed, const feed_slot *slot) {
    if (feed->ops.block > 0) {
        return next_of_block(feed, slot);
    }
    PyObject *real = feed_real_of(feed, slot), *item;
    if (!pulled_meanwhile(feed, slot, &item)) {
        item = forward(real);
    }
    if (item != NULL && !feed->restored) {
        feed_put_real(feed);
        feed->restored = true;
    } else if (item == NULL && !PyErr_Occurred()) {
#ifdef PF_PLANTED_BUG_ZIP_LEFTOVER_FIRST
        feed_settle_slots(feed);
#endif
        feed_swap_holder(feed, slot, real, (PyObject *)slot->feeder);
    }
    return item;
}

static PyObject *serve(pf_feed *feed, feed_slot *slot, int64_t row) {
    const bool in_side = feed_side_of(feed, slot->node) != NULL;
    const int64_t source = feed_source_of(feed, slot->node, row);
    if (source < 0) {
        return NULL;
    }
    int64_t k = feed_ordinal(&feed->chain, slot->node, source);
    PyObject *item = feed_item(&feed->chain, slot->node, k);
    if (item != NULL) {
        slot->row = in_side ? row + 1 : feed_row_of(&feed->chain, slot->node, k) + 1;
    }
    return item;
}

/* Sides among the laggards are taken up for the row that they are behind by. */
static void take_up_laggards(pf_feed *feed)
{
    if (feed->ops.nsides == 0) {
        return;
    }
    for (int i = 0; i < feed->nslots; i++) {
        if (feed->slots[i].lags) {
            feed_take_up(feed, feed->slots[i].node, feed->row);
        }
    }
    feed_place_steps(feed, feed->row);
}

/* In zip(a, g) or map(f, a, g), a generator g is not inside of a pull when a is asked for its next row: it rests at the
 * yield of the row before, with that row's values in its locals, and may never be pulled again (a ends, or raises).
 * If the row before was computed natively, g takes it now and its item is dropped: a pure function of a row that is
 * known to succeed. 1: others have taken items meanwhile, and the feed is transparent. */
static int catch_up(pf_feed *feed, int64_t row) {
    if (feed->nlaggards == 0 || row == 0 || feed->seen == row - 1 || follows(feed, row)) {
        return 0;
    }
    advance_to(feed, row - 1);
    feed->row = feed->seen = row - 1;
    for (int i = 0; i < feed->nslots; i++) {
        feed->slots[i].row += feed->slots[i].lags ? 0 : 1;
    }
    take_up_laggards(feed);
    reveal(feed);
    feed->catching_up = feed_frame_of(feed->thread);
    bool raised = false;
    for (int i = 0; i < feed->nlaggards && !raised; i++) {
        PyObject *item = forward(feed->chain.nodes[feed->laggards[i]].object);
        raised = item == NULL && PyErr_Occurred();
        Py_XDECREF(item);
    }
    feed->catching_up = NULL;
    if (raised) {
        return -1;
    }
    if (conceal(feed)) {
        return 0;
    }
    feed_place_steps(feed, row);
    return 1;
}

static PyObject *go_transparent(pf_feed *feed, const feed_slot *slot, int64_t row) {
    int late = catch_up(feed, row);
    if (late != 0) {
        return late < 0 ? NULL : forward_slot(feed, slot);
    }
    feed_leap(feed, row);
    settle_at(feed, row);
    feed->transparent = true;
    feed->row = -1;
    return forward_slot(feed, slot);
}

static PyObject *act_on(pf_feed *feed, feed_slot *slot, pf_feed_answer answer, int64_t row) {
    if (answer == PF_FEED_ERROR) {
        if (!feed->suspended) { /* else it has been settled, and user code may have gone on from there */
            settle_at(feed, row);
        }
        feed->suspended = false;
        feed->transparent = true;
        raise_error(feed);
        return NULL;
    }
    if (answer == PF_FEED_ROW) {
        int late = catch_up(feed, row);
        if (late != 0) {
            return late < 0 ? NULL : forward_slot(feed, slot);
        }
        advance_to(feed, row);
        feed->row = feed->seen = row;
        PyObject *item = serve(feed, slot, row);
        if (item != NULL || PyErr_Occurred()) {
            reveal(feed);
            return item;
        }
        /* no such item any more: the list has shrunk */
    }
    PyObject *item = go_transparent(feed, slot, row);
#ifdef PF_PLANTED_BUG_LEFTOVER_OFF_BY_ONE
    if (item != NULL && answer == PF_FEED_LAST_ROW) {
        settle_at(feed, row + 2);
    }
#endif
#ifdef PF_PLANTED_BUG_TAKEWHILE_NOT_CONSUMED
    if (item != NULL && answer == PF_FEED_LAST_ROW && feed->chain.nodes[0].kind == PF_NODE_TAKEWHILE) {
        settle_at(feed, row);
    }
#endif
    return item;
}

/* Rows that a structural islice skips are nobody's business. */
static bool gives(const pf_feed *feed, const feed_slot *slot, int64_t row) {
    return feed_ordinal_at(feed, slot, row + 1) > feed_ordinal_at(feed, slot, row);
}

/* From here on CPython is alone: every iterator goes on from where it is. */
static void part_ways(pf_feed *feed) {
    feed_settle_slots(feed);
    feed->transparent = true;
}

/* What the engine says next. Within a pull that stands in the wrong place, the very next row it is. */
static void ask(pf_feed *feed, bool single) {
    const feed_slot *first = &feed->slots[0];
    feed->asked = true;
    feed->answer_row = first->row;
    if (!feed_in_step(feed)) {
        feed->answer = PF_FEED_ROW;
        part_ways(feed);
        return;
    }
    feed->busy = true;
    feed_read_counts(feed, first->row);
    feed->answer = feed->ops.next_row(feed->ops.ctx, &feed->answer_row, single);
    while (feed->answer == PF_FEED_ROW && !gives(feed, first, feed->answer_row)) {
        feed_count_structural(feed, ++feed->answer_row);
        feed->answer = feed->ops.next_row(feed->ops.ctx, &feed->answer_row, single);
    }
    feed->busy = false;
    if (feed->answer == PF_FEED_ERROR) {
        keep_error(feed);
    } else if (feed->suspended && !feed->transparent) {
        (void)pf_feed_resume(feed);
    }
}

static PyObject *next_of_chain(pf_feed *feed, feed_slot *slot) {
    if (!feed->asked) {
        if (!conceal(feed)) {
            return forward_slot(feed, slot);
        }
        ask(feed, !feed_in_place(feed) || feed->bare);
    }
    feed->asked = false;
    if (feed->transparent && feed->answer != PF_FEED_ERROR) { /* something moved while the feed was suspended */
        return forward_slot(feed, slot);
    }
    return act_on(feed, slot, feed->answer, feed->answer_row);
}

const void *feed_frame_of(const PyThreadState *thread) {
#if PY_VERSION_HEX >= 0x030d0000
    return thread->current_frame;
#else
    return thread->cframe->current_frame;
#endif
}

/* Is it the chain that pulls, for its consumer? Its generators may as well have been resumed by somebody else: a
 * function of the chain, or a signal handler. */
static bool is_pulled_by_chain(const pf_feed *feed, const feed_slot *slot)
{
    const void *frame = feed_frame_of(feed->thread);
    for (int n = slot->generator; n >= 0; n = feed->above[n]) {
        if (frame != (const void *)((PyGenObject *)feed->chain.nodes[n].object)->gi_iframe) {
            return false;
        }
        frame = pf_frame_below(frame);
#ifdef PF_PLANTED_BUG_ANYBODYS_PULL
        return true;
#endif
        if (frame == feed->catching_up && frame != NULL) {
            return true;
        }
    }
    return frame == feed->frame;
}

PyObject *feed_next(PyObject *self) {
    feeder *f = (feeder *)self;
    pf_feed *feed = f->feed;
    if (feed == NULL) {
        return f->real != NULL ? forward(f->real) : NULL;
    }
    feed_slot *slot = &feed->slots[f->slot];
    PyThreadState *thread = PyThreadState_Get();
    if (thread != feed->thread) {
        feed->foreign = true;
        return forward(feed_real_of(feed, slot));
    }
    if (feed->busy || !is_pulled_by_chain(feed, slot)) {
        return forward(feed_real_of(feed, slot));
    }
    if (feed->transparent) {
        return forward_slot(feed, slot);
    }
    if (f->slot == 0) {
        return next_of_chain(feed, slot);
    }
    if (feed->revealed && have_moved(feed)) {
        feed->revealed = false;
        feed->transparent = true;
        return forward_slot(feed, slot);
    }
    if (!feed->skipped || slot->row <= feed->row) {
        PyObject *item = serve(feed, slot, feed->skipped ? feed->row : slot->row);
        if (item != NULL || PyErr_Occurred()) {
            reveal(feed);
            return item;
        }
    }
    /* out of step, or its list has shrunk */
    part_ways(feed);
    return forward_slot(feed, slot);
}

/* ---- from the consumer's side ---- */

/* Islices over computed values: see feed_place.c. Segments and sides: their rows are computed, and their end is found,
 * outside of a pull. */
static void ask_ahead(pf_feed *feed) {
    if (feed_at_end(feed)) { /* and goes on in CPython; no pull is in progress that could miss its feeder */
        if (!feed->revealed) {
            feed_settle_slots(feed);
        }
        feed_take_rest(feed);
        feed_put_real(feed);
        feed->transparent = feed->restored = true;
        return;
    }
    if (!conceal(feed)) {
        return;
    }
    ask(feed, false);
    if (!feed->transparent && feed->answer == PF_FEED_LAST_ROW) { /* now comes the pull */
        feed_leap(feed, feed->answer_row);
    }
    if (!feed->transparent && feed->answer != PF_FEED_ERROR) {
        advance_to(feed, feed->answer_row);
    }
}

/* The chain pulls what it is in, which has ended, forgets it, and begins the next one when it is pulled itself. -1 with
 * an exception. */
static int leave_segment(pf_chain_iter *c)
{
    PyObject *active = Py_XNewRef(c->active), *item = active != NULL ? forward(active) : NULL, *rest = NULL;
    if (item != NULL) { /* a signal handler has made it longer, of all moments, inside of the pull */
        rest = PyObject_CallFunction((PyObject *)Py_TYPE(c), "[N]O", item, active);
    } else if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
    }
    bool raised = PyErr_Occurred() != NULL;
    if (!raised && c->active == active) {
        c->active = rest;
        Py_XDECREF(active);
        rest = NULL;
    }
    Py_XDECREF(rest);
    Py_XDECREF(active);
    return raised ? -1 : 0;
}

/* The engine has answered that no row is left: is that the end of no more than a segment, or of what is known of the
 * sides? Then all is settled as the next pull would find it. -1 with an exception. */
static int end_run(pf_feed *feed, bool *over)
{
    const int64_t row = feed->answer_row;
    bool may_end = feed->segment >= 0 || feed->ops.nsides > 0;
    if (!may_end || !feed->asked || feed->transparent || feed->answer != PF_FEED_TRANSPARENT) {
        return 0;
    }
    int late = catch_up(feed, row);
    if (late != 0) {
        return late < 0 ? -1 : 0;
    }
    settle_at(feed, row);
    if (feed->ops.nsides > 0 && feed_root_reaches(feed, feed->slots[0].node)) {
        feed_leap(feed, row);
        settle_at(feed, row);
    }
    bool left = feed->segment >= 0 && feed_segment_is_used_up(feed);
    if (!left && feed->ops.nsides == 0) {
        return 0;
    }
    feed_put_real(feed);
    feed->transparent = feed->restored = *over = true;
    return left ? leave_segment((pf_chain_iter *)feed->chain.nodes[feed->segment].object) : 0;
}

bool pf_feed_has_moved(const pf_feed *feed)
{
    bool moved = false;
    for (int i = 0; i < feed->chain.nleaves; i++) {
        moved = moved || pf_leaf_taken(&feed->chain.leaves[i]) != 0;
    }
    return moved;
}

bool pf_feed_is_transparent(const pf_feed *feed)
{
    return feed->transparent;
}

PyObject *pf_feed_pull(pf_feed *feed, bool *over)
{
    PyObject *root = feed->slots[0].parent < 0 ? (PyObject *)feed->slots[0].feeder : feed->root;
    bool between = !feed->chain.expands || feed->seen < 0; /* nothing of a row that was handed over is still to come */
    bool ahead = feed->nslices > 0 || feed->segment >= 0 || feed->bare || feed->ops.nsides > 0;
    *over = false;
    if (ahead && between && !feed->transparent && !feed->asked) {
        ask_ahead(feed);
        int status = end_run(feed, over);
        if (status < 0 || *over) {
            *over = status == 0;
            return NULL;
        }
    }
    PyObject *item = forward(root);
    if (feed->error[0] != NULL) { /* nobody came to raise it */
        Py_CLEAR(item);
        PyErr_Clear();
        raise_error(feed);
    }
    return item;
}

/* ---- while signals and other threads may run ---- */

int pf_feed_suspend(pf_feed *feed, int64_t row) {
    if (feed->transparent || feed->suspended) {
        return 0;
    }
    settle_at(feed, row);
    feed_put_real(feed);
    feed_note_positions(feed);
    feed->suspended = true;
    return 0;
}

int pf_feed_resume(pf_feed *feed) {
    if (!feed->suspended) {
        return feed->transparent;
    }
    feed->suspended = false;
    bool moved = have_moved(feed);
    for (int i = 0; i < feed->nslots; i++) {
        const feed_slot *slot = &feed->slots[i];
        moved = !feed_swap_holder(feed, slot, feed_real_of(feed, slot), (PyObject *)slot->feeder) || moved;
    }
    if (moved) {
        feed->transparent = true;
        return 1;
    }
    claim(feed);
    return 0;
}

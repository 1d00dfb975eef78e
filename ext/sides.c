/* Sides (sides.h). */
#include "sides.h"

#include <string.h>

#include "../core/base/mem.h"
#include "introspect_layout.h"
#include "loops.h"
#include "reasons.h"
#include "sink.h"
#include "watch.h"

struct pf_side {
    pf_chain chain; /* its part alone */
    pf_pyplan *plan;
    pf_gather gather;
    pf_scalar params[PF_MAX_PARAMS];
    pf_table *tables[PF_MAX_TABLES]; /* owned */
    int ntables;
    int64_t *rows; /* owned: where items came from */
    int64_t n, room;
    int64_t decided;
    bool waits;    /* the next item is CPython's to compute */
    char format;   /* of numbers: struct letter; else 0, and items are objects: */
    char *numbers; /* owned */
    pf_list_sink objects;
    PyObject *container; /* owned */
};

/* ---- finding them ---- */

static bool drops(const pf_chain *chain, int n)
{
    for (;; n = chain->nodes[n].children[0]) {
        const pf_node *node = &chain->nodes[n];
        if (node->kind == PF_NODE_FILTER || node->kind == PF_NODE_FLATTEN || pf_node_skips(node) ||
            (node->kind == PF_NODE_GENEXPR && !pf_loops_steady((PyCodeObject *)node->func))) {
            return true;
        }
        if (node->nchildren != 1 || node->kind == PF_NODE_CHAIN) {
            return false;
        }
    }
}

/* A side computes something, so that a step holds its iterator, and reads its leaves to their end. */
static bool may_be_side(const pf_chain *chain, int n, int end)
{
    bool may = pf_chain_computes(chain, n);
    for (int i = n; i < end && may; i++) {
        may = !chain->nodes[i].more && chain->nodes[i].kind != PF_NODE_SEGMENT;
    }
    return may;
}

/* Does the step need to know how many items its children have given? One that counts does in a side, where the plan
 * cannot say. */
static bool numbers(const pf_node *node, bool inside)
{
    bool several = node->nchildren > 1 && (node->kind == PF_NODE_MAP || node->kind == PF_NODE_ZIP);
    bool counts = node->kind == PF_NODE_ENUMERATE || (node->kind == PF_NODE_ISLICE && !node->view);
    return several || (inside && counts);
}

/* Sides at node n and below it, each before those within it. False: they cannot be numbered. */
static bool find_below(pf_chain *chain, int n, bool inside, pf_feed_side *found, int *count)
{
    const pf_node *node = &chain->nodes[n];
    for (int c = 0; c < node->nchildren; c++) {
        int child = node->children[c], end = pf_chain_end(chain, child);
        bool side = numbers(node, inside) && drops(chain, child);
        if (side && (*count == PF_MAX_SIDES || !may_be_side(chain, child, end))) {
            return false;
        }
        if (side) {
            chain->nodes[child].side = true;
            found[(*count)++] = (pf_feed_side){.node = child, .end = end};
        }
        if (!find_below(chain, child, inside || side, found, count)) {
            return false;
        }
    }
    return true;
}

int pf_sides_find(pf_chain *chain, pf_sides **out)
{
    pf_feed_side found[PF_MAX_SIDES];
    int n = 0;
    *out = NULL;
    if (!find_below(chain, 0, false, found, &n)) {
        return PF_REASON_UNALIGNED;
    }
    if (n == 0) {
        return 0;
    }
    pf_sides *sides = pf_mem_calloc(1, sizeof *sides);
    if (sides == NULL || (sides->list = pf_mem_calloc((size_t)n, sizeof *sides->list)) == NULL) {
        pf_mem_free(sides);
        return PF_REASON_NO_MEMORY;
    }
    sides->n = n;
    memcpy(sides->feed, found, sizeof *found * (size_t)n);
    *out = sides;
    return 0;
}

/* ---- parts of chains ---- */

static const pf_side *side_at(const pf_sides *sides, int node)
{
    for (int i = 0; i < sides->n; i++) {
        if (sides->feed[i].node == node) {
            return &sides->list[i];
        }
    }
    return NULL;
}

typedef struct copying {
    const pf_sides *sides;
    const pf_chain *from;
    pf_chain *to;
    int *real; /* numbers in `from` of nodes in `to`, or NULL */
} copying;

/* Node n and what is below it; containers stand for sides, but for the node that is copied itself. Its number, or -1.
 */
static int copy_node(const copying *c, int n, bool top)
{
    const pf_node *node = &c->from->nodes[n];
    const pf_side *side = node->side && !top ? side_at(c->sides, n) : NULL;
    const int at = c->to->nnodes++;
    pf_node *made = &c->to->nodes[at];
    *made = *node;
    made->side = false;
    if (c->real != NULL) {
        c->real[at] = n;
    }
    if (side != NULL) {
        *made = (pf_node){.kind = PF_NODE_LEAF,
                          .object = side->container,
                          .leaf = c->to->nleaves++,
                          .stop = -1,
                          .counter = -1,
                          .side = true};
        return pf_leaf_read_container(side->container, &c->to->leaves[made->leaf]) == 0 ? at : -1;
    }
    if (node->leaf >= 0) {
        made->leaf = c->to->nleaves++;
        c->to->leaves[made->leaf] = c->from->leaves[node->leaf];
    }
    for (int i = 0; i < node->nchildren; i++) {
        int child = copy_node(c, node->children[i], false);
        if (child < 0) {
            return -1;
        }
        c->to->nodes[at].children[i] = child;
    }
    return at;
}

/* 0, or -1: what stands for a side is not read on this machine. */
static int copy_chain(const copying *c, int n)
{
    c->to->nnodes = c->to->nleaves = 0;
    c->to->expands = c->from->expands;
    return copy_node(c, n, true) < 0 ? -1 : 0;
}

/* ---- running one ---- */

static bool reserve(pf_side *side, int64_t more)
{
    if (side->n + more <= side->room) {
        return true;
    }
    const int64_t room = side->n + more > 2 * side->room ? side->n + more + 64 : 2 * side->room;
    const size_t width = (size_t)pf_format_size(side->format);
    int64_t *rows = pf_mem_realloc(side->rows, (size_t)room * sizeof *rows);
    side->rows = rows != NULL ? rows : side->rows;
    char *numbers = side->format != 0 ? pf_mem_realloc(side->numbers, (size_t)room * width) : NULL;
    side->numbers = numbers != NULL ? numbers : side->numbers;
    if (rows == NULL || (side->format != 0 && numbers == NULL)) {
        return false;
    }
    side->room = room;
    return true;
}

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    return pf_gather_rows(&((pf_side *)ctx)->gather, row0, n, columns, kind_memory);
}

static pf_status absorb(void *ctx, const pf_piece *piece)
{
    pf_side *side = ctx;
    const pf_column_out *column = &piece->columns[0];
    if (!reserve(side, piece->count)) {
        return PF_NOMEM;
    }
    if (side->format != 0) {
        if (column->kind != NULL) { /* an int beyond 63 bits */
            return PF_CALLBACK;
        }
        const size_t width = (size_t)pf_format_size(side->format);
        memcpy(side->numbers + (size_t)side->n * width, column->data, (size_t)piece->count * width);
    }
    if (side->format == 0 && side->objects.base.type->piece(&side->objects.base, piece) < 0) {
        PyErr_Clear();
        (void)PyList_SetSlice((PyObject *)side->objects.list, (Py_ssize_t)side->n, PY_SSIZE_T_MAX, NULL);
        return PF_NOMEM;
    }
    memcpy(side->rows + side->n, piece->rows, (size_t)piece->count * sizeof *side->rows);
    side->n += piece->count;
    return PF_OK;
}

/* Numbers of one kind that are no objects of the source's, or objects. */
static char format_of(const pf_pyplan *plan)
{
    const pf_shape *shape = &plan->shape[0];
    if (plan->nshape != 1 || shape->ntuple >= 0 || shape->handle >= 0 || shape->payload != 0) {
        return 0;
    }
    const pf_kinds kinds = plan->core.stages[0].fn->outputs[0];
    return kinds == PF_K_I64 ? 'q' : kinds == PF_K_F64 ? 'd' : kinds == PF_K_BOOL ? '?' : 0;
}

static pf_run *new_run(pf_side *side, int64_t rows)
{
    const pf_pyplan *plan = side->plan;
    pf_settings settings;
    pf_settings_now(&settings);
    pf_hooks hooks = {.ctx = side, .gather = gather, .absorb = absorb};
    pf_run_config config = pf_pyplan_config(plan, &settings, side->params, rows);
    config.want_rows = true;
    pf_run *run;
    return pf_run_new(&plan->core, &config, &hooks, &run) == PF_OK ? run : NULL;
}

/* limit: how many rows there are, and may be computed beside the chain. */
static int run_side(pf_side *side, int64_t limit, int64_t wanted)
{
    int64_t rows = wanted < limit ? wanted : limit;
    pf_run *run = pf_gather_open(&side->gather) ? new_run(side, rows) : NULL;
    if (run == NULL) {
        return PF_REASON_NO_MEMORY;
    }
    pf_event_info info;
    pf_event event;
    while ((event = pf_run_advance(run, &info)) == PF_EVENT_END && side->n < wanted && rows < limit) {
        rows = rows > limit / 2 ? limit : 2 * rows;
        pf_run_set_rows(run, rows);
    }
    side->waits = event == PF_EVENT_FAILED || event == PF_EVENT_STOP || event == PF_EVENT_ERROR;
    side->decided = event == PF_EVENT_FAILED || event == PF_EVENT_STOP ? info.row : pf_run_frontier(run);
    pf_run_free(run);
    return 0;
}

/* What it gives, as a container that nobody else knows of. */
static PyObject *contain(pf_side *side)
{
    if (side->format == 0) {
        return Py_NewRef(side->objects.list);
    }
    if (side->n == 0) {
        return PyTuple_New(0);
    }
    PyObject *bytes =
        PyMemoryView_FromMemory(side->numbers, (Py_ssize_t)side->n * pf_format_size(side->format), PyBUF_READ);
    PyObject *view = bytes != NULL ? PyObject_CallMethod(bytes, "cast", "C", side->format) : NULL;
    Py_XDECREF(bytes);
    return view;
}

static int plan_side(pf_side *side, int64_t rows, int depth, bool forced, pf_refusal *refusal)
{
    const pf_request request = {.chain = &side->chain, .consumer = PF_CONSUME_LIST, .rows = forced ? 0 : rows};
    side->plan = pf_plan_find(&request, side->params, refusal);
    if (side->plan == NULL) {
        return PyErr_Occurred() ? -1 : refusal->reason;
    }
    Py_ssize_t searched;
    side->ntables = pf_watches_tables(&side->plan->watches, side->tables, &searched);
    if (side->plan->rest > 0 && !forced) {
        side->plan->rest--;
        return PF_REASON_BACKING_OFF;
    }
    const bool counts = side->plan->ncounters > 0 || side->plan->core.nstages > 1;
    return counts ? PF_REASON_UNALIGNED : depth < side->plan->depth + side->chain.nnodes + 4 ? PF_REASON_DEPTH : 0;
}

static int make_side(pf_side *side, int64_t wanted, int depth, bool forced, pf_refusal *refusal)
{
    int64_t rows;
    pf_gather_init(&side->gather, NULL, &side->chain, &rows);
    int reason = plan_side(side, rows < wanted ? rows : wanted, depth, forced, refusal);
    if (reason != 0) {
        return reason;
    }
    side->gather.plan = side->plan;
    rows = pf_feed_limit(&side->chain, rows, true);
    side->format = format_of(side->plan);
    if (side->format == 0 && pf_list_init(&side->objects) < 0) {
        return -1;
    }
    side->objects.base.plan = side->plan;
    reason = rows > 0 ? run_side(side, rows, wanted) : 0;
    if (reason == 0 && (side->container = contain(side)) == NULL) {
        return -1;
    }
    return reason;
}

/* ---- all of them ---- */

static bool is_within(const pf_sides *sides, int inner, int outer)
{
    return sides->feed[inner].node > sides->feed[outer].node && sides->feed[inner].end <= sides->feed[outer].end;
}

int pf_sides_run(pf_sides *sides, const pf_chain *chain, int64_t wanted, int depth, bool forced, pf_refusal *refusal)
{
    for (int i = sides->n - 1; i >= 0; i--) {
        pf_side *side = &sides->list[i];
        pf_feed_side *known = &sides->feed[i];
        const copying part = {sides, chain, &side->chain, NULL};
        if (copy_chain(&part, known->node) < 0) {
            return PF_REASON_UNALIGNED;
        }
        int reason = make_side(side, wanted, depth, forced, refusal);
        if (reason != 0) {
            return reason;
        }
        for (int j = i + 1; j < sides->n; j++) { /* what it takes its items from may need CPython next */
            side->waits = side->waits || (is_within(sides, j, i) && sides->list[j].waits);
        }
        known->rows = side->rows;
        known->n = side->n;
        known->decided = side->decided;
    }
    const copying whole = {sides, chain, &sides->chain, sides->real};
    return copy_chain(&whole, 0) < 0 ? PF_REASON_UNALIGNED : 0;
}

bool pf_sides_wait(const pf_sides *sides, int64_t rows)
{
    bool wait = false;
    for (int i = 0; i < sides->n; i++) {
        wait = wait || (sides->list[i].waits && sides->list[i].n <= rows);
    }
    return wait;
}

int64_t pf_sides_most(const pf_chain *chain)
{
    int64_t most = INT64_MAX;
    for (int n = 0; n < chain->nnodes; n++) {
        const pf_node *node = &chain->nodes[n];
        if (node->side || node->kind == PF_NODE_CHAIN) { /* segments follow one another */
            n = pf_chain_end(chain, n) - 1;
        } else if (node->leaf >= 0 && chain->leaves[node->leaf].length < most) {
            most = chain->leaves[node->leaf].length;
        }
    }
    return most;
}

void pf_sides_judge(const pf_sides *sides, bool worth)
{
    for (int i = 0; i < sides->n && sides->list[i].plan != NULL; i++) {
        if (worth) {
            sides->list[i].plan->next_rest = 0;
        } else {
            pf_pyplan_rest(sides->list[i].plan);
        }
    }
}

int64_t pf_sides_gain(const pf_sides *sides, int64_t rows)
{
    int64_t most = 0;
    for (int i = 0; i < sides->n; i++) {
        const pf_side *side = &sides->list[i];
        if (rows == 0 && side->n == 0) {
            return side->decided;
        }
        most = rows > 0 && side->decided > most ? side->decided : most;
    }
    return most;
}

const pf_pyplan *pf_sides_plan(const pf_sides *sides, int side)
{
    return sides->list[side].plan;
}

void pf_sides_free(pf_sides *sides)
{
    if (sides == NULL) {
        return;
    }
    for (int i = 0; i < sides->n; i++) {
        pf_side *side = &sides->list[i];
        while (side->ntables > 0) {
            pf_table_release(side->tables[--side->ntables]);
        }
        pf_pyplan_release(side->plan);
        Py_XDECREF(side->container);
        pf_list_clear(&side->objects);
        pf_mem_free(side->numbers);
        pf_mem_free(side->rows);
    }
    pf_mem_free(sides->list);
    pf_mem_free(sides);
}

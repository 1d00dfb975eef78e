/* The chain's steps, from the leaves outward: what each does to the states that a row may be in. */
#include <string.h>

#include "build_internal.h"
#include "loops.h"

void pf_b_append(pf_state **list, pf_state *more)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = more;
}

pf_state *pf_b_each(pf_builder *b, pf_state *list, pf_b_work work, int node, int base)
{
    const pf_node *n = node >= 0 ? &b->request->chain->nodes[node] : NULL;
    pf_state *out = NULL;
    while (list != NULL && !pf_b_dead(b)) {
        pf_state *st = list;
        list = list->next;
        st->next = NULL;
        pf_b_open(b, st);
        work(b, st, n, node, base, &out);
        while (b->split != NULL) {
            pf_state *half = b->split;
            b->split = half->next;
            half->next = list;
            list = half;
        }
    }
    return pf_b_dead(b) ? NULL : pf_b_merge(b, out);
}

void pf_b_keep(pf_builder *b, pf_state *st, pf_state **out)
{
    pf_b_close(b, st);
    st->next = NULL;
    pf_b_append(out, st);
}

/* ---- steps ---- */

static pf_av step_function(pf_builder *b, int node, PyObject *func)
{
    pf_watch watch = {.how = PF_WATCH_NODE, .parent = -1, .index = node};
    pf_av av;
    (void)func;
    av = pf_b_watched(b, watch);
    return av;
}

static void work_leaf(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)base;
    int leaf = 0;
    (void)pf_chain_segments(b->request->chain, index, &leaf);
    st->value = pf_b_item(b, pf_b_leaf_path(b, leaf));
    pf_b_keep(b, st, out);
}

static void work_genexpr(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)base;
    pf_state *results = NULL;
    if (pf_b_run_genexpr(b, st, index, st->value, &results)) {
        pf_b_append(out, results);
    }
}

static void work_flatten(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    (void)base;
    pf_av iterable = st->value, item;
    if (pf_b_get_iter(b, &iterable, &st->value) && pf_b_expand(b, st, &st->value, 0, &item)) {
        st->value = item;
        pf_b_keep(b, st, out);
    }
}

static void work_remember(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    (void)base;
    if (st->ncarry == PF_MAX_CARRY) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return;
    }
    st->carry[st->ncarry++] = st->value;
    pf_b_keep(b, st, out);
}

static void work_call(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    pf_av func = step_function(b, index, node->func);
    pf_state *results = NULL;
    if (!pf_b_dead(b) && pf_b_call(b, st, &func, &st->carry[base], st->ncarry - base, NULL, &results)) {
        pf_b_append(out, results);
    }
}

static void work_forget(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    st->ncarry = base;
    pf_b_keep(b, st, out);
}

/* value is the predicate's answer, carry[base] the item */
static void work_choose(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)index;
    pf_ref truth;
    pf_state *yes, *no;
    if (!pf_b_truth(b, st, &st->value, &truth)) {
        return;
    }
    pf_b_branch(b, st, truth, &yes, &no);
    if (yes == NULL || no == NULL) {
        return;
    }
    pf_b_open(b, no);
    if (node->kind == PF_NODE_TAKEWHILE) {
        pf_ir_stop(b->fn); /* no row is missing before this one */
    } else {
        pf_ir_end(b->fn);
        b->ends++;
    }
    yes->value = yes->carry[base];
    yes->ncarry = base;
    pf_b_append(out, yes);
}

static void work_tuple(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    int n = st->ncarry - base;
    pf_av tuple = pf_av_tuple(b, n);
    if (tuple.items != NULL) {
        memcpy(tuple.items, &st->carry[base], sizeof(pf_av) * (size_t)n);
        st->value = tuple;
        st->ncarry = base;
        pf_b_keep(b, st, out);
    }
}

static pf_ref chain_param(pf_builder *b, int node, int what)
{
    pf_pyplan *plan = b->plan;
    if (b->nparams == PF_MAX_PARAMS || plan->nchain_params == PF_MAX_CHAIN_PARAMS) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return PF_NOREF;
    }
    pf_chain_param *made = &plan->chain_params[plan->nchain_params++];
    made->node = (uint8_t)node;
    made->what = what;
    made->param = b->nparams++;
    return pf_ir_param(b->fn, pf_ir_add_param(b->fn, PF_K_I64));
}

/* How many rows have come to this step before: the row's number, unless rows are dropped below. */
static pf_ref rank_of(pf_builder *b, int index)
{
    pf_pyplan *plan = b->plan;
    int counter = plan->nodes[index].counter;
    return counter < 0 ? pf_ir_row(b->fn) : pf_ir_rank(b->fn, (uint32_t)counter);
}

static void work_enumerate(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)base;
    pf_av pair = pf_av_tuple(b, 2);
    if (pair.items != NULL) {
        pf_ref first = chain_param(b, index, PF_CHAIN_COUNT);
        pair.items[0] = pf_av_of(PF_K_I64, pf_ir_op2(b->fn, PF_OP_add, rank_of(b, index), first, 0));
        pair.items[1] = st->value;
        st->value = pair;
        pf_b_keep(b, st, out);
    }
}

/* An islice takes no item behind its last one: that row is the chain's, and ends native running. Where no row is dropped below, the
 * end is a matter of the number of rows (pf_feed_limit). */
static pf_state *stop_at_last(pf_builder *b, pf_state *st, int index, pf_ref rank)
{
    pf_state *last, *before;
    pf_ref number = chain_param(b, index, PF_CHAIN_SLICE_LAST);
    pf_b_branch(b, st, pf_ir_op2(b->fn, PF_OP_ge, rank, number, 0), &last, &before);
    if (last == NULL || before == NULL) {
        return NULL;
    }
    pf_b_open(b, last);
    pf_ir_stop(b->fn);
    pf_b_open(b, before);
    return before;
}

/* Items of an islice: number r passes when r >= first and (r - first) % step == 0. */
static void work_islice(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)base;
    pf_fn *fn = b->fn;
    pf_ref rank = rank_of(b, index);
    if (node->stop >= 0 && b->plan->nodes[index].counter >= 0) {
        st = stop_at_last(b, st, index, rank);
    }
    if (st == NULL) {
        return;
    }
    pf_ref first = chain_param(b, index, PF_CHAIN_SLICE_FIRST);
    pf_ref pass = pf_ir_op2(fn, PF_OP_ge, rank, first, 0);
    if (node->islice_step != 1) {
        pf_ref step = chain_param(b, index, PF_CHAIN_SLICE_STEP);
        pf_ref beyond = pf_ir_op2(fn, PF_OP_sub, rank, first, 0);
        pf_ref modulo = pf_ir_op2(fn, PF_OP_mod, beyond, step, 0);
        pass = pf_ir_op2(fn, PF_OP_and, pass, pf_ir_op2(fn, PF_OP_eq, modulo, pf_ir_const_i64(fn, 0), 0), 0);
    }
    pf_state *yes, *no;
    pf_b_branch(b, st, pass, &yes, &no);
    if (yes != NULL && no != NULL) {
        pf_b_open(b, no);
        pf_ir_end(fn);
        b->ends++;
        pf_b_append(out, yes);
    }
}

/* starmap: each item is unpacked into the arguments */
static void work_spread(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    int n = st->value.tag == PF_AV_TUPLE                             ? st->value.n
            : st->value.tag == PF_AV_SCALAR && st->value.path >= 0 ? b->paths[st->value.path].size
                                                                     : -1;
    if (n < 0 || base + n > PF_MAX_CARRY) {
        pf_b_refuse(b, PF_REASON_UNPACK);
        return;
    }
    pf_av items[PF_MAX_CARRY];
    if (n == 0 || pf_b_unpack(b, st, &st->value, n, items)) {
        memcpy(&st->carry[base], items, sizeof(pf_av) * (size_t)n);
        st->ncarry = base + n;
        pf_b_keep(b, st, out);
    }
}

/* All children one after the other; their values end up in carry. With several, no row of theirs may be dropped: they run in step. */
static pf_state *flow_children(pf_builder *b, const pf_node *node, pf_state *list)
{
    int ends = b->ends;
    for (int i = 0; i < node->nchildren && !pf_b_dead(b); i++) {
        list = pf_b_each(b, pf_b_flow(b, node->children[i], list), work_remember, -1, 0);
        if (node->nchildren > 1 && b->ends != ends) {
            pf_b_refuse(b, PF_REASON_UNALIGNED);
        }
    }
    return list;
}

/* Below a step that counts. Where rows are dropped there, it gets a counter, and all ways of a row come together to be counted. */
static pf_state *flow_counted(pf_builder *b, const pf_node *node, int index, pf_state *list)
{
    int ends = b->ends;
    list = pf_b_flow(b, node->children[0], list);
    if (b->ends == ends || pf_b_dead(b)) {
        return list;
    }
    if (b->plan->ncounters == PF_MAX_COUNTERS) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return NULL;
    }
    b->plan->nodes[index].counter = (int8_t)b->plan->ncounters++;
    return pf_b_unite(b, list, PF_REASON_UNALIGNED);
}

pf_state *pf_b_flow(pf_builder *b, int index, pf_state *list)
{
    const pf_node *node = &b->request->chain->nodes[index];
    if (pf_b_dead(b) || list == NULL) {
        return NULL;
    }
    int base = list->ncarry;
    b->act = NULL;
    switch (node->kind) {
    case PF_NODE_LEAF:
    case PF_NODE_CHAIN:
        return pf_b_each(b, list, work_leaf, index, base);
    case PF_NODE_SEGMENT:
        return pf_b_flow(b, node->children[0], list);
    case PF_NODE_GENEXPR:
        list = pf_b_flow(b, node->children[0], list);
        if (pf_loops_nested((PyCodeObject *)node->func)) { /* a stage begins with one state */
            list = pf_b_unite(b, list, PF_REASON_TOO_MANY_WAYS);
        }
        return pf_b_each(b, list, work_genexpr, index, base);
    case PF_NODE_MAP:
        list = pf_b_each(b, flow_children(b, node, list), work_call, index, base);
        return pf_b_each(b, list, work_forget, index, base);
    case PF_NODE_FILTER:
    case PF_NODE_TAKEWHILE:
        list = pf_b_each(b, pf_b_flow(b, node->children[0], list), work_remember, index, base);
        if (node->func != NULL) {
            list = pf_b_each(b, list, work_call, index, base);
        }
        return pf_b_each(b, list, work_choose, index, base);
    case PF_NODE_ZIP:
        return pf_b_each(b, flow_children(b, node, list), work_tuple, index, base);
    case PF_NODE_ENUMERATE:
        return pf_b_each(b, flow_counted(b, node, index, list), work_enumerate, index, base);
    case PF_NODE_ISLICE:
        if (node->view) {
            return pf_b_flow(b, node->children[0], list);
        }
        return pf_b_each(b, flow_counted(b, node, index, list), work_islice, index, base);
    case PF_NODE_FLATTEN:
        list = pf_b_unite(b, pf_b_flow(b, node->children[0], list), PF_REASON_TOO_MANY_WAYS);
        return pf_b_each(b, list, work_flatten, index, base);
    case PF_NODE_STARMAP:
        list = pf_b_each(b, pf_b_flow(b, node->children[0], list), work_spread, index, base);
        list = pf_b_each(b, list, work_call, index, base);
        return pf_b_each(b, list, work_forget, index, base);
    }
    pf_b_refuse(b, PF_REASON_UNSUPPORTED_OPERATION);
    return NULL;
}

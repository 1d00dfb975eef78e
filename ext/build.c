/* From a chain to a plan: the steps from the leaves outward, then what the consumer wants of each row. */
#include <string.h>

#include "build_internal.h"
#include "effects.h"
#include "../core/base/mem.h"
#include "../core/rewrite/rewrite.h"
#include "gather.h"
#include "intrinsics.h"

void *pf_b_alloc(pf_builder *b, size_t size)
{
    void *block = pf_arena_alloc(&b->arena, size);
    if (block == NULL && !b->error) {
        b->error = true;
        PyErr_NoMemory();
    }
    return block;
}

static void say_where(pf_builder *b, char *out, size_t size)
{
    if (b->act == NULL) {
        out[0] = 0;
        return;
    }
    PyCodeObject *code = b->act->code->code;
    pf_position at = pf_code_position(b->act->code, b->pc);
    const char *name = PyUnicode_AsUTF8(code->co_qualname), *file = PyUnicode_AsUTF8(code->co_filename);
    if (name == NULL || file == NULL) {
        PyErr_Clear();
    }
    snprintf(out, size, "%s, %s:%d:%d", name != NULL ? name : "?", file != NULL ? file : "?", at.line, at.col);
}

void pf_b_refuse(pf_builder *b, int reason)
{
    if (!b->refused) {
        b->refused = true;
        b->plan->refusal.reason = reason;
        say_where(b, b->plan->refusal.where, sizeof b->plan->refusal.where);
    }
}

uint16_t pf_b_place(pf_builder *b)
{
    if (b->act == NULL) {
        return 0;
    }
    PyCodeObject *code = b->act->code->code;
    pf_position at = pf_code_position(b->act->code, b->pc);
    const char *name = PyUnicode_AsUTF8(code->co_qualname), *file = PyUnicode_AsUTF8(code->co_filename);
    if (name == NULL || file == NULL) {
        PyErr_Clear();
        return 0;
    }
    return pf_ir_add_place(b->fn, name, file, at.line, at.col);
}

static void append(pf_state **list, pf_state *more)
{
    while (*list != NULL) {
        list = &(*list)->next;
    }
    *list = more;
}

/* Does `work` for each state of the list; halves of split states are tried again. work ends or keeps its state, and adds to *out. */
typedef void (*step_work)(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out);

static pf_state *each(pf_builder *b, pf_state *list, step_work work, int node, int base)
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

static void keep(pf_builder *b, pf_state *st, pf_state **out)
{
    pf_b_close(b, st);
    st->next = NULL;
    append(out, st);
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
    (void)index;
    (void)base;
    int leaf = node->kind == PF_NODE_CHAIN ? b->request->chain->nodes[node->children[0]].leaf : node->leaf;
    st->value = pf_b_item(b, pf_b_leaf_path(b, leaf));
    keep(b, st, out);
}

static void work_genexpr(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)base;
    pf_state *results = NULL;
    if (pf_b_run_genexpr(b, st, index, st->value, &results)) {
        append(out, results);
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
    keep(b, st, out);
}

static void work_call(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    pf_av func = step_function(b, index, node->func);
    pf_state *results = NULL;
    if (!pf_b_dead(b) && pf_b_call(b, st, &func, &st->carry[base], st->ncarry - base, NULL, &results)) {
        append(out, results);
    }
}

static void work_forget(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    st->ncarry = base;
    keep(b, st, out);
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
        pf_ir_stop(b->fn);
    } else {
        pf_ir_end(b->fn);
    }
    b->ends++;
    yes->value = yes->carry[base];
    yes->ncarry = base;
    append(out, yes);
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
        keep(b, st, out);
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

static void work_enumerate(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)base;
    pf_av pair = pf_av_tuple(b, 2);
    if (pair.items != NULL) {
        pf_ref first = chain_param(b, index, PF_CHAIN_COUNT);
        pair.items[0] = pf_av_of(PF_K_I64, pf_ir_op2(b->fn, PF_OP_add, pf_ir_row(b->fn), first, 0));
        pair.items[1] = st->value;
        st->value = pair;
        keep(b, st, out);
    }
}

/* Rows of an islice: row r passes when r >= first and (r - first) % step == 0; the end is a matter of the number of rows. */
static void work_islice(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)base;
    pf_fn *fn = b->fn;
    pf_ref first = chain_param(b, index, PF_CHAIN_SLICE_FIRST);
    pf_ref pass = pf_ir_op2(fn, PF_OP_ge, pf_ir_row(fn), first, 0);
    if (node->islice_step != 1) {
        pf_ref step = chain_param(b, index, PF_CHAIN_SLICE_STEP);
        pf_ref beyond = pf_ir_op2(fn, PF_OP_sub, pf_ir_row(fn), first, 0);
        pf_ref modulo = pf_ir_op2(fn, PF_OP_mod, beyond, step, 0);
        pass = pf_ir_op2(fn, PF_OP_and, pass, pf_ir_op2(fn, PF_OP_eq, modulo, pf_ir_const_i64(fn, 0), 0), 0);
    }
    pf_state *yes, *no;
    pf_b_branch(b, st, pass, &yes, &no);
    if (yes != NULL && no != NULL) {
        pf_b_open(b, no);
        pf_ir_end(fn);
        b->ends++;
        append(out, yes);
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
        keep(b, st, out);
    }
}

static pf_state *flow(pf_builder *b, int index, pf_state *list);

/* All children one after the other; their values end up in carry. With several, no row of theirs may be dropped: they run in step. */
static pf_state *flow_children(pf_builder *b, const pf_node *node, pf_state *list)
{
    int ends = b->ends;
    for (int i = 0; i < node->nchildren && !pf_b_dead(b); i++) {
        list = each(b, flow(b, node->children[i], list), work_remember, -1, 0);
        if (node->nchildren > 1 && b->ends != ends) {
            pf_b_refuse(b, PF_REASON_UNALIGNED);
        }
    }
    return list;
}

/* Steps that count rows need rows to arrive one by one. */
static pf_state *flow_aligned(pf_builder *b, const pf_node *node, pf_state *list)
{
    int ends = b->ends;
    list = flow(b, node->children[0], list);
    if (b->ends != ends) {
        pf_b_refuse(b, PF_REASON_UNALIGNED);
    }
    return list;
}

static pf_state *flow(pf_builder *b, int index, pf_state *list)
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
        return each(b, list, work_leaf, index, base);
    case PF_NODE_GENEXPR:
        return each(b, flow(b, node->children[0], list), work_genexpr, index, base);
    case PF_NODE_MAP:
        list = each(b, flow_children(b, node, list), work_call, index, base);
        return each(b, list, work_forget, index, base);
    case PF_NODE_FILTER:
    case PF_NODE_TAKEWHILE:
        list = each(b, flow(b, node->children[0], list), work_remember, index, base);
        if (node->func != NULL) {
            list = each(b, list, work_call, index, base);
        }
        return each(b, list, work_choose, index, base);
    case PF_NODE_ZIP:
        return each(b, flow_children(b, node, list), work_tuple, index, base);
    case PF_NODE_ENUMERATE:
        return each(b, flow_aligned(b, node, list), work_enumerate, index, base);
    case PF_NODE_ISLICE:
        return each(b, flow_aligned(b, node, list), work_islice, index, base);
    case PF_NODE_STARMAP:
        list = each(b, flow(b, node->children[0], list), work_spread, index, base);
        list = each(b, list, work_call, index, base);
        return each(b, list, work_forget, index, base);
    }
    pf_b_refuse(b, PF_REASON_UNSUPPORTED_OPERATION);
    return NULL;
}

/* ---- what the consumer wants of a row ---- */

static void work_number(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    pf_ref ref;
    pf_kinds kind;
    (void)node;
    (void)index;
    (void)base;
    if (pf_b_number(b, st, &st->value, false, &ref, &kind)) {
        pf_ir_yield(b->fn, 1, &ref);
        b->plan->noutputs = 1;
        (void)out;
    }
}

static void work_stop_on(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    pf_ref truth;
    (void)node;
    (void)index;
    (void)base;
    (void)out;
    if (b->plan->consumer == PF_CONSUME_NEXT) {
        pf_ir_stop(b->fn);
        return;
    }
    pf_state *ways[2];
    if (!pf_b_truth(b, st, &st->value, &truth)) {
        return;
    }
    pf_b_branch(b, st, truth, &ways[0], &ways[1]);
    for (int i = 0; i < 2 && ways[i] != NULL; i++) {
        pf_b_open(b, ways[i]);
        if ((i == 0) == (b->plan->consumer == PF_CONSUME_ANY)) {
            pf_ir_stop(b->fn);
        } else {
            pf_ir_end(b->fn);
        }
    }
}

static void work_collect_final(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    (void)base;
    (void)out;
    pf_b_close(b, st);
    st->next = b->finals;
    b->finals = st;
}

/* key(value) into value, the item itself into carry[0] */
static void work_key(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    st->carry[base] = st->value;
    st->ncarry = base + 1;
    if (b->request->nextra == 0) {
        keep(b, st, out);
        return;
    }
    pf_watch watch = {.how = PF_WATCH_EXTRA, .parent = -1, .index = 0};
    pf_av func = pf_b_watched(b, watch);
    pf_state *results = NULL;
    if (!pf_b_dead(b) && pf_b_call(b, st, &func, &st->carry[base], 1, NULL, &results)) {
        append(out, results);
    }
}

static void work_key_number(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    pf_ref ref;
    pf_kinds kind;
    (void)node;
    (void)index;
    if (st->value.tag == PF_AV_TUPLE || (st->value.kinds & PF_K_STR)) {
        pf_b_refuse(b, PF_REASON_KEY_TYPE);
        return;
    }
    if (!pf_b_number(b, st, &st->value, false, &ref, &kind)) {
        return;
    }
    /* the key's value stays in carry[base + 1] while value becomes the item */
    st->carry[base + 1] = pf_av_of(kind, ref);
    st->value = st->carry[base];
    st->ncarry = base + 2;
    keep(b, st, out);
}

enum { MAX_FINALS = 24 };

/* The yields of all final states, side by side. */
typedef struct yields {
    pf_builder *b;
    pf_state *states[MAX_FINALS];
    pf_ref refs[MAX_FINALS][PF_MAX_OUTPUTS];
    const pf_av *nodes[PF_MAX_SHAPE][MAX_FINALS]; /* what each node of the shape stands for */
    int k, noutputs;
} yields;

static int add_output(yields *y, const pf_ref *refs)
{
    if (y->noutputs == PF_MAX_OUTPUTS) {
        pf_b_refuse(y->b, PF_REASON_TOO_LARGE);
        return 0;
    }
    for (int s = 0; s < y->k; s++) {
        y->refs[s][y->noutputs] = refs[s];
    }
    return y->noutputs++;
}

static pf_ref no_handle(pf_builder *b)
{
    if (b->null_handle == PF_NOREF && b->nparams < PF_MAX_PARAMS) {
        b->nparams++;
        b->null_handle = pf_ir_param(b->fn, pf_ir_add_param(b->fn, PF_K_OBJ));
    }
    return b->null_handle;
}

static void shape_scalar(yields *y, pf_shape *shape, const pf_av *const *avs)
{
    pf_ref handles[MAX_FINALS], payloads[MAX_FINALS];
    int with = 0, whole = 0; /* ways that have an object; ways on which every row has one */
    for (int s = 0; s < y->k; s++) {
        if (avs[s]->tag != PF_AV_SCALAR && avs[s]->tag != PF_AV_PY) {
            pf_b_refuse(y->b, avs[s]->tag == PF_AV_TUPLE ? PF_REASON_MIXED_RESULTS : PF_REASON_UNBOUND);
            return;
        }
        handles[s] = pf_b_handle(y->b, avs[s]);
        with += handles[s] != PF_NOREF;
        whole += handles[s] != PF_NOREF && pf_b_always_object(y->b, avs[s]);
        payloads[s] = avs[s]->tag == PF_AV_SCALAR && avs[s]->kinds != PF_K_OBJ ? avs[s]->ref : pf_ir_const_none(y->b->fn);
    }
    shape->payload = whole == y->k ? -1 : (int16_t)add_output(y, payloads);
    if (with > 0) {
        for (int s = 0; s < y->k; s++) {
            handles[s] = handles[s] != PF_NOREF ? handles[s] : no_handle(y->b);
        }
        shape->handle = (int16_t)add_output(y, handles);
    }
}

/* One value used twice in a row is one object: an earlier node that stands for the same, or -1. */
static int same_node(const yields *y, const pf_av *const *avs, int nodes)
{
    for (int i = 0; i < nodes; i++) {
        bool same = true;
        for (int s = 0; s < y->k && same; s++) {
            const pf_av *a = avs[s], *other = y->nodes[i][s];
            same = a->tag == other->tag && (a->tag == PF_AV_SCALAR ? a->ref == other->ref && a->handle == other->handle
                                            : a->tag == PF_AV_TUPLE  ? a->n > 0 && a->items == other->items
                                                                     : false);
        }
        if (same) {
            return i;
        }
    }
    return -1;
}

/* A value that was made outside of a nested for is one object in all rows of the loop. `outer` where that can be kept up; else
 * the plan is refused, unless the consumer keeps no objects. */
static bool made_outside(yields *y, const pf_av *const *avs, bool boxed)
{
    bool outside = false, one = avs[0]->origin == 1;
    for (int s = 0; s < y->k; s++) {
        outside |= avs[s]->origin != 0;
        one &= avs[s]->origin == 1 && avs[s]->tag == avs[0]->tag && avs[s]->ref == avs[0]->ref && avs[s]->items == avs[0]->items;
    }
    pf_consumer consumer = y->b->plan->consumer;
    if (!boxed || !outside || (consumer != PF_CONSUME_LIST && consumer != PF_CONSUME_TUPLE)) {
        return false;
    }
    if (!one) {
        pf_b_refuse(y->b, PF_REASON_IDENTITY);
        return false;
    }
    y->b->plan->has_outer = y->b->plan->wants_rows = true;
    return true;
}

static void shape_value(yields *y, const pf_av *const *avs)
{
    pf_pyplan *plan = y->b->plan;
    if (pf_b_dead(y->b)) {
        return;
    }
    if (plan->nshape == PF_MAX_SHAPE) {
        pf_b_refuse(y->b, PF_REASON_TOO_LARGE);
        return;
    }
    int same = same_node(y, avs, plan->nshape);
    for (int s = 0; s < y->k; s++) {
        y->nodes[plan->nshape][s] = avs[s];
    }
    pf_shape *shape = &plan->shape[plan->nshape++];
    shape->same = (int16_t)same;
    shape->payload = shape->handle = shape->ntuple = -1;
    shape->outer = false;
    if (same >= 0) {
        return;
    }
    bool tuples = true;
    for (int s = 0; s < y->k; s++) {
        tuples &= avs[s]->tag == PF_AV_TUPLE && avs[s]->n == avs[0]->n;
    }
    if (!tuples) {
        shape_scalar(y, shape, avs);
        shape->outer = made_outside(y, avs, shape->payload >= 0 && (avs[0]->kinds & (PF_K_I64 | PF_K_F64)) != 0);
        return;
    }
    shape->outer = made_outside(y, avs, true);
    shape->ntuple = (int16_t)avs[0]->n;
    for (int i = 0; i < avs[0]->n; i++) {
        const pf_av *parts[MAX_FINALS];
        for (int s = 0; s < y->k; s++) {
            parts[s] = &avs[s]->items[i];
        }
        shape_value(y, parts);
    }
}

static void yield_finals(pf_builder *b, bool keyed)
{
    yields *y = pf_b_alloc(b, sizeof *y);
    if (y == NULL) {
        return;
    }
    y->b = b;
    const pf_av *avs[MAX_FINALS];
    pf_ref keys[MAX_FINALS];
    for (pf_state *st = b->finals; st != NULL; st = st->next) {
        if (y->k == MAX_FINALS) {
            pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
            return;
        }
        keys[y->k] = keyed ? st->carry[1].ref : PF_NOREF;
        avs[y->k] = &st->value;
        y->states[y->k++] = st;
    }
    if (y->k == 0) { /* no row ever gets here */
        return;
    }
    if (keyed) {
        add_output(y, keys);
        b->plan->first_shape_output = 1;
    }
    shape_value(y, avs);
    for (int s = 0; s < y->k && !pf_b_dead(b); s++) {
        pf_b_open(b, y->states[s]);
        pf_ir_yield(b->fn, (uint32_t)y->noutputs, y->refs[s]);
    }
    b->plan->noutputs = y->noutputs;
}

/* `a if a >= b else b` and its like: the larger or smaller of two, the first of two equal ones. */
static pf_monoid extreme_of(const pf_instr *in)
{
    bool shape = in[0].op == PF_BC_LOAD_FAST && in[1].op == PF_BC_LOAD_FAST && in[2].op == PF_BC_COMPARE &&
                 in[3].op == PF_BC_POP_JUMP_IF_FALSE && in[3].target == 6 && in[4].op == PF_BC_LOAD_FAST &&
                 in[5].op == PF_BC_RETURN_VALUE && in[6].op == PF_BC_LOAD_FAST && in[7].op == PF_BC_RETURN_VALUE;
    if (!shape || in[0].arg + in[1].arg != 1 || in[4].arg + in[6].arg != 1 || in[2].sub == PF_CMP_EQ ||
        in[2].sub == PF_CMP_NE) {
        return PF_MONOID_NONE;
    }
    bool greater = in[2].sub == PF_CMP_GT || in[2].sub == PF_CMP_GE, equal = in[2].sub == PF_CMP_LE || in[2].sub == PF_CMP_GE;
    if (in[equal ? 4 : 6].arg != 0) {
        return PF_MONOID_NONE; /* of two equal ones it would be the last */
    }
    bool takes_left = in[4].arg == in[0].arg;
    return takes_left == greater ? PF_MONOID_MAX : PF_MONOID_MIN;
}

/* A function of two arguments that does nothing but combine them in a way we know: `lambda a, b: a + b`, operator.add, max... */
static pf_monoid monoid_of(pf_builder *b, PyObject *func)
{
    const pf_intrinsic *known = pf_intrinsic_of(func);
    if (known != NULL) {
        return known->how == PF_CALL_SMALLEST                                    ? PF_MONOID_MIN
               : known->how == PF_CALL_LARGEST                                   ? PF_MONOID_MAX
               : known->how == PF_CALL_BINARY && known->op == PF_BINOP_ADD ? PF_MONOID_ADD
                                                                                 : PF_MONOID_NONE;
    }
    if (!PyFunction_Check(func)) {
        return PF_MONOID_NONE;
    }
    const pf_code *code = pf_b_decode(b, ((PyFunctionObject *)func)->func_code);
    if (code == NULL || code->npos != 2 || code->nkwonly != 0 || code->varargs || code->varkeywords) {
        return PF_MONOID_NONE;
    }
    const pf_instr *in = code->instrs;
    if (code->n != 4) {
        return code->n == 8 ? extreme_of(in) : PF_MONOID_NONE;
    }
    bool loads = in[0].op == PF_BC_LOAD_FAST && in[1].op == PF_BC_LOAD_FAST && in[0].arg + in[1].arg == 1;
    return loads && in[2].op == PF_BC_BINARY_OP && in[2].sub == PF_BINOP_ADD && in[3].op == PF_BC_RETURN_VALUE ? PF_MONOID_ADD
                                                                                                                : PF_MONOID_NONE;
}

/* The function is called between rows that ran ahead: it must not be able to tell. */
static void require_pure(pf_builder *b, PyObject *func)
{
    pf_effects effects;
    if (pf_intrinsic_of(func) != NULL) {
        return;
    }
    if (pf_effects_function(func, &effects) < 0) {
        b->error = true;
        return;
    }
    if (!effects.pure) {
        pf_b_refuse(b, effects.reason);
    }
    pf_effects_clear(&effects);
}

static void build_reduce(pf_builder *b, pf_state *list)
{
    pf_watch watch = {.how = PF_WATCH_EXTRA, .parent = -1, .index = 0};
    pf_b_watched(b, watch);
    require_pure(b, b->request->extra[0]);
    each(b, list, work_collect_final, -1, 0);
    pf_monoid monoid = pf_b_dead(b) ? PF_MONOID_NONE : monoid_of(b, b->request->extra[0]);
    bool ints = true;
    for (pf_state *st = b->finals; st != NULL; st = st->next) {
        ints &= st->value.tag == PF_AV_SCALAR && st->value.kinds == PF_K_I64;
    }
    /* only exact ints: floats do not associate, and the identity of other objects is the function's business */
    b->plan->monoid = ints && (monoid == PF_MONOID_ADD || b->plan->consumer == PF_CONSUME_REDUCE) ? monoid : PF_MONOID_NONE;
    bool extreme = b->plan->monoid == PF_MONOID_MIN || b->plan->monoid == PF_MONOID_MAX;
    bool objects = false; /* the sum is over the first output: not over handles */
    for (pf_state *st = b->finals; st != NULL && b->plan->monoid != PF_MONOID_NONE && !pf_b_dead(b); st = st->next) {
        objects |= pf_b_handle(b, &st->value) != PF_NOREF;
        st->carry[1] = st->value;
    }
    yield_finals(b, objects || extreme);
    b->plan->core.sink = !extreme ? PF_SINK_COLLECT : b->plan->monoid == PF_MONOID_MIN ? PF_SINK_MIN : PF_SINK_MAX;
    b->plan->wants_rows = !extreme;
}

static void build_tail(pf_builder *b, pf_state *list)
{
    pf_plan *core = &b->plan->core;
    switch (b->plan->consumer) {
    case PF_CONSUME_SUM:
        each(b, list, work_number, -1, 0);
        break;
    case PF_CONSUME_ANY:
    case PF_CONSUME_ALL:
    case PF_CONSUME_NEXT:
        each(b, list, work_stop_on, -1, 0);
        core->sink = PF_SINK_NONE;
        break;
    case PF_CONSUME_MIN:
    case PF_CONSUME_MAX:
        list = each(b, list, work_key, -1, 0);
        list = each(b, list, work_key_number, -1, 0);
        each(b, list, work_collect_final, -1, 0);
        yield_finals(b, true);
        core->sink = b->plan->consumer == PF_CONSUME_MIN ? PF_SINK_MIN : PF_SINK_MAX;
        break;
    case PF_CONSUME_REDUCE:
        build_reduce(b, list);
        break;
    case PF_CONSUME_FOLD:
        build_reduce(b, list);
        core->sink = PF_SINK_FOLD;
        core->fold_block = 4096;
        break;
    default:
        each(b, list, work_collect_final, -1, 0);
        yield_finals(b, false);
        core->sink = PF_SINK_COLLECT;
        break;
    }
}

/* ---- the finished plan ---- */

static void describe_request(pf_pyplan *plan, const pf_request *request)
{
    const pf_chain *chain = request->chain;
    plan->consumer = request->consumer;
    plan->flavour = request->flavour;
    plan->nextra = request->nextra;
    plan->nnodes = chain->nnodes;
    for (int i = 0; i < chain->nnodes; i++) {
        plan->nodes[i].kind = (uint8_t)chain->nodes[i].kind;
        plan->nodes[i].nchildren = (uint8_t)chain->nodes[i].nchildren;
        plan->nodes[i].strict = chain->nodes[i].strict;
        plan->nodes[i].unit_step = chain->nodes[i].islice_step == 1;
        plan->nodes[i].has_func = chain->nodes[i].func != NULL;
        for (int c = 0; c < PF_MAX_CHILDREN && c < chain->nodes[i].nchildren; c++) {
            plan->nodes[i].children[c] = (int8_t)chain->nodes[i].children[c];
        }
    }
    plan->nleaves = chain->nleaves;
    for (int i = 0; i < chain->nleaves; i++) {
        plan->leaves[i].kind = (uint8_t)chain->leaves[i].kind;
        plan->leaves[i].format = chain->leaves[i].format;
    }
}

static void own_steps(pf_path_step *steps, int n)
{
    for (int i = 0; i < n; i++) {
        Py_XINCREF(steps[i].type);
        Py_XINCREF(steps[i].name);
    }
}

/* Moves what the builder found into the plan, refused or not: a refusal holds as long as these do. */
static bool hand_over(pf_builder *b)
{
    pf_pyplan *plan = b->plan;
    pf_watches *watches = &plan->watches;
    watches->list = pf_mem_alloc(sizeof(pf_watch) * (size_t)(b->nwatches + 1));
    watches->constants = pf_mem_calloc((size_t)b->nparams + 1, sizeof(PyObject *));
    plan->strings = pf_mem_calloc((size_t)b->nstrings + 1, sizeof(PyObject *));
    if (watches->list == NULL || watches->constants == NULL || plan->strings == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(watches->list, b->watches, sizeof(pf_watch) * (size_t)b->nwatches);
    memcpy(watches->constants, b->constants, sizeof(PyObject *) * (size_t)b->nparams);
    memcpy(plan->strings, b->strings, sizeof(PyObject *) * (size_t)b->nstrings);
    watches->n = b->nwatches;
    watches->nparams = b->nparams;
    plan->nstrings = b->nstrings;
    b->nwatches = b->nstrings = 0;
    memset(b->constants, 0, sizeof b->constants);
    for (int i = 0; i < plan->ncolumns; i++) {
        own_steps(plan->columns[i].path, plan->columns[i].npath);
    }
    b->owned = true;
    for (int i = 0; i < b->npaths && i < PF_MAX_CHECKS; i++) {
        pf_check *check = &plan->checks[plan->nchecks++];
        const pf_path *path = &b->paths[i];
        check->leaf = path->leaf;
        check->npath = path->npath;
        memcpy(check->path, path->steps, sizeof check->path);
        own_steps(check->path, check->npath);
        check->kinds = path->kinds;
        check->type = path->mixed ? NULL : path->type;
        Py_XINCREF(check->type);
    }
    plan->depth = b->max_level;
    return true;
}

static void choose_sum_sink(pf_pyplan *plan, const pf_fn *fn)
{
    if (plan->consumer == PF_CONSUME_SUM) {
        pf_kinds kinds = fn->noutputs == 1 ? fn->outputs[0] : PF_K_I64;
        bool whole = kinds == PF_K_I64 && plan->flavour == 0; /* a float start takes ints one by one */
        plan->core.sink = whole ? PF_SINK_ISUM : kinds == PF_K_F64 ? PF_SINK_FSUM : PF_SINK_COLLECT;
    }
    if (plan->consumer == PF_CONSUME_REDUCE && plan->monoid == PF_MONOID_ADD) {
        plan->core.sink = PF_SINK_ISUM;
    }
    if ((plan->core.sink == PF_SINK_MIN || plan->core.sink == PF_SINK_MAX) && fn->noutputs > 0 && !pf_kinds_single(fn->outputs[0])) {
        plan->refusal.reason = PF_REASON_MIXED_KEYS;
    }
    if (fn->noutputs == 0 && plan->core.sink != PF_SINK_FOLD) { /* no row ever gets to the end (`if False`) */
        plan->core.sink = PF_SINK_NONE;
    }
}

/* Ends building: order, rewrite, lower. False: an exception is set, or the plan became a refusal. */
static bool compile(pf_builder *b)
{
    pf_pyplan *plan = b->plan;
    char error[256] = "";
    pf_status status = PF_OK;
    plan->core.stages[b->nstages].fn = b->fn;
    plan->core.stages[b->nstages].expand = PF_EXPAND_LAST;
    plan->core.nstages = b->nstages + 1;
    b->fn = NULL;
    for (int s = 0; s < plan->core.nstages && status == PF_OK; s++) {
        status = pf_ir_finish(plan->core.stages[s].fn, error, sizeof error);
    }
    if (status == PF_OK) {
        choose_sum_sink(plan, plan->core.stages[b->nstages].fn);
        status = pf_plan_rewrite(plan);
    }
    if (status == PF_OK && plan->refusal.reason == 0) {
        for (int i = 0; i < plan->ncolumns; i++) {
            plan->columns[i].used = pf_ir_column_used(plan->core.stages[0].fn, (uint32_t)i);
        }
        status = pf_plan_compile(&plan->core);
        if (status == PF_OK) {
            status = pf_plan_find_stride(plan);
        }
    }
    switch (status) {
    case PF_OK:
        return true;
    case PF_UNSUPPORTED:
        plan->refusal.reason = PF_REASON_NO_KERNEL;
        return true;
    case PF_NOMEM:
        PyErr_NoMemory();
        return false;
    default:
        PyErr_Format(PyExc_SystemError, "purefold built a row program that does not verify: %s", error);
        return false;
    }
}

static bool build_plan(pf_builder *b)
{
    pf_state *start = pf_b_alloc(b, sizeof *start);
    if (start == NULL) {
        return false;
    }
    start->open = true; /* block 0 is current from the start */
    build_tail(b, flow(b, 0, start));
    if (b->fn->failed) {
        PyErr_NoMemory();
        return false;
    }
    if (b->error) {
        return false;
    }
    if (b->again) {
        return true;
    }
    return hand_over(b) && (b->refused || compile(b));
}

/* One attempt. NULL with an exception; *again: a later stage wants more columns (build_expand.c). */
static pf_pyplan *attempt(const pf_request *request, pf_wants *wants, bool *again)
{
    pf_builder *b = pf_mem_calloc(1, sizeof *b);
    pf_pyplan *plan = pf_mem_calloc(1, sizeof *plan);
    pf_fn *fn = pf_ir_new();
    if (b == NULL || plan == NULL || fn == NULL) {
        pf_mem_free(b);
        pf_mem_free(plan);
        pf_ir_free(fn);
        PyErr_NoMemory();
        return NULL;
    }
    plan->refs = 1;
    b->request = request;
    b->plan = plan;
    b->fn = fn;
    b->wants = wants;
    pf_arena_init(&b->arena);
    describe_request(plan, request);
    bool ok = build_plan(b);
    *again = b->again;
    if (!b->owned) { /* its columns' types and names are borrowed still */
        plan->ncolumns = 0;
    }
    for (int i = 0; i < b->nwatches; i++) {
        Py_XDECREF(b->watches[i].name);
        Py_XDECREF(b->watches[i].expected);
    }
    for (int i = 0; i < b->nstrings; i++) {
        Py_XDECREF(b->strings[i]);
    }
    for (int i = 0; i < PF_MAX_PARAMS; i++) {
        Py_XDECREF(b->constants[i]);
    }
    for (int i = 0; i < b->ncodes; i++) {
        pf_decode_free(b->codes[i]);
    }
    pf_ir_free(b->fn);
    pf_arena_free(&b->arena);
    pf_mem_free(b);
    if (!ok || *again) {
        pf_pyplan_release(plan);
        return NULL;
    }
    return plan;
}

pf_pyplan *pf_plan_build(const pf_request *request)
{
    pf_wants *wants = pf_mem_calloc(1, sizeof *wants);
    bool again = false;
    pf_pyplan *plan = NULL;
    if (wants == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    do { /* each attempt wants one column more than the one before */
        plan = attempt(request, wants, &again);
    } while (plan == NULL && again && !PyErr_Occurred());
    pf_mem_free(wants);
    return plan;
}

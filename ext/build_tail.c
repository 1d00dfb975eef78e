/* What the consumer wants of each row: a number, a truth, a key beside the item, or the parts of the object to be made. */
#include "build_internal.h"

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

void pf_b_collect(pf_builder *b, pf_state *list) { pf_b_each(b, list, work_collect_final, -1, 0); }

/* key(value) into value, the item itself into carry[0] */
static void work_key(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    st->carry[base] = st->value;
    st->ncarry = base + 1;
    if (b->request->nextra == 0) {
        pf_b_keep(b, st, out);
        return;
    }
    pf_watch watch = {.how = PF_WATCH_EXTRA, .parent = -1, .index = 0};
    pf_av func = pf_b_watched(b, watch);
    pf_state *results = NULL;
    if (!pf_b_dead(b) && pf_b_call(b, st, &func, &st->carry[base], 1, NULL, &results)) {
        pf_b_append(out, results);
    }
}

/* The items of a key that is a tuple: each of one kind, none of them NaN, which is its own equal when it is the same object. */
static bool key_items(pf_builder *b, pf_state *st, const pf_av *key)
{
    for (int i = 0; i < key->n; i++) {
        if (!pf_b_mono(b, st, &key->items[i])) {
            return false;
        }
    }
    for (int i = 0; i < key->n; i++) {
        const pf_av *item = &key->items[i];
        if (item->tag != PF_AV_SCALAR || item->kinds == PF_K_OBJ) {
            pf_b_refuse(b, PF_REASON_KEY_TYPE);
            return false;
        }
        if (item->kinds == PF_K_F64 && !pf_b_bail_where(b, st, pf_ir_op1(b->fn, PF_OP_isnan, item->ref, 0))) {
            return false;
        }
    }
    return true;
}

static void work_key_value(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    pf_ref ref;
    pf_kinds kind;
    pf_av key;
    (void)node;
    (void)index;
    if (pf_b_is_tuple(b, &st->value)) {
        if (!pf_b_take_apart(b, st, &st->value) || !key_items(b, st, &st->value)) {
            return;
        }
        key = st->value;
    } else if (!pf_b_mono(b, st, &st->value)) {
        return;
    } else if (st->value.tag == PF_AV_SCALAR && (st->value.kinds & (PF_K_STR | PF_K_BOOL))) {
        key = pf_av_of(st->value.kinds, st->value.ref); /* a bool stays one, for whoever it may be compared with */
    } else if (pf_b_number(b, st, &st->value, false, &ref, &kind)) {
        key = pf_av_of(kind, ref);
    } else {
        return;
    }
    /* the key's value stays in carry[base + 1] while value becomes the item */
    st->carry[base + 1] = key;
    st->value = st->carry[base];
    st->ncarry = base + 2;
    pf_b_keep(b, st, out);
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
            handles[s] = handles[s] != PF_NOREF ? handles[s] : pf_b_null_handle(y->b);
        }
        shape->handle = (int16_t)add_output(y, handles);
    }
}

/* One value used twice in a row is one object: an earlier node that stands for the same on way s, or -1. */
static int same_node(const yields *y, const pf_av *a, int s, int nodes)
{
    for (int i = 0; i < nodes; i++) {
        const pf_av *other = y->nodes[i][s];
        if (a->tag == other->tag && (a->tag == PF_AV_SCALAR  ? a->ref == other->ref && a->handle == other->handle
                                     : a->tag == PF_AV_TUPLE ? a->n > 0 && a->items == other->items
                                                             : false)) {
            return i;
        }
    }
    return -1;
}

/* Finds the earlier node of each way; where ways differ, an output says which. */
static void find_same(yields *y, pf_shape *shape, const pf_av *const *avs, int nodes)
{
    int same[MAX_FINALS] = {-1};
    bool differ = false;
    for (int s = 0; s < y->k; s++) {
        same[s] = same_node(y, avs[s], s, nodes);
        differ |= same[s] != same[0];
    }
    shape->same = (int16_t)(differ ? -1 : same[0]);
    shape->alias = -1;
    if (differ) {
        pf_ref refs[MAX_FINALS];
        for (int s = 0; s < y->k; s++) {
            refs[s] = pf_ir_const_i64(y->b->fn, same[s]);
        }
        shape->alias = (int16_t)add_output(y, refs);
    }
}

/* Whether values that met may have been one object with others on some of their ways: then those ways have to go on apart. */
static bool lost_identity(const yields *y)
{
    const pf_pyplan *plan = y->b->plan;
    int fresh = 0;
    bool joined = false;
    for (int i = 1; i < plan->nshape; i++) { /* node 0 is all of it */
        bool made = false;
        for (int s = 0; s < y->k; s++) {
            const pf_av *av = y->nodes[i][s];
            bool number = av->tag == PF_AV_SCALAR && (av->kinds & (PF_K_I64 | PF_K_F64)) != 0;
            if (av->tag == PF_AV_TUPLE || (number && !pf_b_always_object(y->b, av))) {
                made = true;
                joined |= av->joined;
            }
        }
        fresh += made;
    }
    return fresh > 1 && joined && !y->b->wants->identities;
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
    for (int s = 0; s < y->k; s++) {
        y->nodes[plan->nshape][s] = avs[s];
    }
    pf_shape *shape = &plan->shape[plan->nshape++];
    shape->payload = shape->handle = shape->ntuple = -1;
    shape->outer = false;
    find_same(y, shape, avs, plan->nshape - 1);
    if (shape->same >= 0) {
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

/* The outputs that make up the key come first. All ways must agree on whether it is a tuple, and of how many items. */
static void add_keys(yields *y)
{
    pf_pyplan *plan = y->b->plan;
    const pf_av *first = &y->states[0]->carry[1];
    const bool tuple = first->tag == PF_AV_TUPLE;
    const int n = tuple ? first->n : 1;
    for (int s = 1; s < y->k; s++) {
        const pf_av *key = &y->states[s]->carry[1];
        if (key->tag != first->tag || (tuple && key->n != n)) {
            pf_b_refuse(y->b, PF_REASON_MIXED_KEYS);
            return;
        }
    }
    if (n == 0) {
        pf_b_refuse(y->b, PF_REASON_KEY_TYPE);
        return;
    }
    for (int i = 0; i < n && !pf_b_dead(y->b); i++) {
        pf_ref refs[MAX_FINALS];
        for (int s = 0; s < y->k; s++) {
            const pf_av *key = &y->states[s]->carry[1];
            refs[s] = tuple ? key->items[i].ref : key->ref;
        }
        add_output(y, refs);
    }
    plan->key_tuple = tuple;
    plan->core.nkeys = n;
}

void pf_b_yield_finals(pf_builder *b, bool keyed)
{
    yields *y = pf_b_alloc(b, sizeof *y);
    if (y == NULL) {
        return;
    }
    y->b = b;
    const pf_av *avs[MAX_FINALS];
    for (pf_state *st = b->finals; st != NULL; st = st->next) {
        if (y->k == MAX_FINALS) {
            pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
            return;
        }
        avs[y->k] = &st->value;
        y->states[y->k++] = st;
    }
    if (y->k == 0) { /* no row ever gets here */
        return;
    }
    if (keyed) {
        add_keys(y);
    }
    shape_value(y, avs);
    if (!pf_b_dead(b) && lost_identity(y)) {
        b->wants->identities = b->again = true;
    }
    for (int s = 0; s < y->k && !pf_b_dead(b); s++) {
        pf_b_open(b, y->states[s]);
        pf_ir_yield(b->fn, (uint32_t)y->noutputs, y->refs[s]);
    }
    b->plan->noutputs = y->noutputs;
}

void pf_b_tail(pf_builder *b, pf_state *list)
{
    pf_plan *core = &b->plan->core;
    if (b->plan->ncounters > 0 && (b->plan->consumer == PF_CONSUME_REDUCE || b->plan->consumer == PF_CONSUME_FOLD)) {
        /* where the function raises, counts of a row long past would be needed; and others may have written to it meanwhile */
        pf_b_refuse(b, PF_REASON_UNALIGNED);
        return;
    }
    switch (b->plan->consumer) {
    case PF_CONSUME_SUM:
        pf_b_each(b, list, work_number, -1, 0);
        break;
    case PF_CONSUME_ANY:
    case PF_CONSUME_ALL:
    case PF_CONSUME_NEXT:
        pf_b_each(b, list, work_stop_on, -1, 0);
        core->sink = PF_SINK_NONE;
        break;
    case PF_CONSUME_MIN:
    case PF_CONSUME_MAX:
        list = pf_b_each(b, list, work_key, -1, 0);
        list = pf_b_each(b, list, work_key_value, -1, 0);
        pf_b_collect(b, list);
        pf_b_yield_finals(b, true);
        core->sink = b->plan->consumer == PF_CONSUME_MIN ? PF_SINK_MIN : PF_SINK_MAX;
        break;
    case PF_CONSUME_REDUCE:
        pf_b_reduce(b, list);
        break;
    case PF_CONSUME_FOLD:
        pf_b_reduce(b, list);
        core->sink = PF_SINK_FOLD;
        core->fold_block = 4096;
        break;
    default:
        pf_b_collect(b, list);
        pf_b_yield_finals(b, false);
        core->sink = PF_SINK_COLLECT;
        break;
    }
}

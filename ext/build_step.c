/* reduce and fold without their function: what it does to an accumulator that nobody knows.
 *
 * The function is run, as any other is, on the row's value and on an accumulator whose parts are *unknown*: nothing of them is in
 * the IR. An operator that meets an unknown part and a value of the row's own notes `part op e`; comparisons of a part
 * with such a value become tests, and a branch on a test is followed both ways in one block, as long as these do nothing but move
 * values about (build_frame.c). Any other use of a part is refused. So whatever e stands in the result depends on no part, and the row
 * program yields the e's. How they are put together is the sink's affair (accum.h).
 *
 * A refusal here is none of the chain's: the plan is built anew, with its rows as they are. */
#include <math.h>
#include <string.h>

#include "build_internal.h"
#include "effects.h"
#include "intrinsics.h"

#define INTS (PF_K_BOOL | PF_K_I64)

static bool refuse(pf_builder *b)
{
    pf_b_refuse(b, PF_REASON_NOT_ASSOCIATIVE);
    return false;
}

/* ---- parts under operators ---- */

/* The other operand as one kind that a number can be combined with; false as pf_b_mono. */
static bool number_of_row(pf_builder *b, pf_state *st, pf_av *e, pf_kinds kinds)
{
    if (!pf_b_mono(b, st, e)) {
        return false;
    }
    if (e->tag == PF_AV_SCALAR && e->kinds == PF_K_NONE) { /* often a None that a filter has dropped; else it raises */
        pf_b_bail(b, st);
        return false;
    }
    return (e->tag == PF_AV_SCALAR && (e->kinds & kinds) != 0) || refuse(b);
}

static bool note(pf_builder *b, uint8_t tag, int8_t part, uint8_t op, const pf_av *e, pf_av *out)
{
    *out = pf_av_tuple(b, 1);
    if (out->items == NULL) {
        return false;
    }
    out->tag = tag;
    out->part = part;
    out->op = op;
    out->items[0] = *e;
    return true;
}

static bool step_of(pf_binop op, pf_step_op *out)
{
    switch (op) {
    case PF_BINOP_ADD:
        *out = PF_STEP_ADD;
        return true;
    case PF_BINOP_MUL:
        *out = PF_STEP_MUL;
        return true;
    case PF_BINOP_AND:
        *out = PF_STEP_AND;
        return true;
    case PF_BINOP_OR:
        *out = PF_STEP_OR;
        return true;
    case PF_BINOP_XOR:
        *out = PF_STEP_XOR;
        return true;
    default:
        return false;
    }
}

bool pf_b_step_binary(pf_builder *b, pf_state *st, pf_binop op, pf_av *left, pf_av *right, pf_av *out)
{
    pf_av *part = left->tag == PF_AV_PART ? left : right, *e = part == left ? right : left;
    pf_step_op step;
    if (part->tag != PF_AV_PART || pf_av_is_unknown(e) || !step_of(op, &step)) {
        return refuse(b);
    }
    /* Floats: only sums, and only from the left. Two NaNs give the left one. */
    bool sum = step == PF_STEP_ADD && part == left;
    if (!number_of_row(b, st, e, INTS | (sum ? PF_K_F64 : 0))) {
        return false;
    }
    pf_av whole = e->kinds == PF_K_BOOL ? pf_av_of(PF_K_I64, pf_ir_op1(b->fn, PF_OP_toint, e->ref, 0)) : *e;
    return note(b, PF_AV_STEP, part->part, (uint8_t)step, &whole, out);
}

bool pf_b_step_compare(pf_builder *b, pf_state *st, pf_cmp op, pf_av *left, pf_av *right, pf_av *out)
{
    static const uint8_t mirrored[PF_CMP_COUNT] = {
        [PF_CMP_LT] = PF_CMP_GT, [PF_CMP_LE] = PF_CMP_GE, [PF_CMP_GT] = PF_CMP_LT, [PF_CMP_GE] = PF_CMP_LE};
    pf_av *part = left->tag == PF_AV_PART ? left : right, *e = part == left ? right : left;
    if (part->tag != PF_AV_PART || pf_av_is_unknown(e) || op == PF_CMP_EQ || op == PF_CMP_NE) {
        return refuse(b);
    }
    return number_of_row(b, st, e, PF_K_I64 | PF_K_F64) && note(b, PF_AV_TEST, part->part, part == left ? (uint8_t)op : mirrored[op], e, out);
}

bool pf_b_step_extreme(pf_builder *b, pf_state *st, pf_cmp cmp, pf_av *args, pf_av *out)
{
    pf_av test;
    if (!pf_b_step_compare(b, st, cmp, &args[1], &args[0], &test)) {
        return false;
    }
    *out = args[1];
    return pf_b_step_unite(b, &test, out, &args[0]) || refuse(b);
}

/* ---- two ways into one ---- */

static bool same_scalar(const pf_av *a, const pf_av *c)
{
    return a->ref == c->ref && a->kinds == c->kinds && a->handle == c->handle && a->partial == c->partial && a->py == c->py &&
           a->watch == c->watch && a->path == c->path;
}

static bool same_value(const pf_av *a, const pf_av *c)
{
    if (a->tag != c->tag || a->n != c->n || a->part != c->part || a->op != c->op) {
        return false;
    }
    switch (a->tag) {
    case PF_AV_SCALAR:
        return same_scalar(a, c);
    case PF_AV_PY:
        return a->py == c->py && a->watch == c->watch;
    case PF_AV_TUPLE: /* two tuples are two objects */
        return a->items == c->items;
    default:
        for (int i = 0; i < a->n; i++) {
            if (!same_value(&a->items[i], &c->items[i])) {
                return false;
            }
        }
        return true;
    }
}

/* The part where the test is `keep`, the value it was compared with elsewhere. */
static bool unite_part(pf_builder *b, const pf_av *test, bool keep, const pf_av *e, pf_av *out)
{
    static const uint8_t kept[PF_CMP_COUNT] = {
        [PF_CMP_LT] = PF_STEP_KEEP_LT, [PF_CMP_LE] = PF_STEP_KEEP_LE, [PF_CMP_GT] = PF_STEP_KEEP_GT, [PF_CMP_GE] = PF_STEP_KEEP_GE};
    static const uint8_t taken[PF_CMP_COUNT] = {
        [PF_CMP_LT] = PF_STEP_TAKE_LT, [PF_CMP_LE] = PF_STEP_TAKE_LE, [PF_CMP_GT] = PF_STEP_TAKE_GT, [PF_CMP_GE] = PF_STEP_TAKE_GE};
    return same_value(e, &test->items[0]) && note(b, PF_AV_STEP, test->part, keep ? kept[test->op] : taken[test->op], e, out);
}

bool pf_b_step_unite(pf_builder *b, const pf_av *test, pf_av *yes, const pf_av *no)
{
    if (same_value(yes, no)) {
        return true;
    }
    if (yes->tag == PF_AV_PART && yes->part == test->part) {
        return unite_part(b, test, true, no, yes);
    }
    if (no->tag == PF_AV_PART && no->part == test->part) {
        pf_av e = *yes;
        return unite_part(b, test, false, &e, yes);
    }
    /* tuples made on both ways; the accumulator itself would be another object than one that is made */
    if (yes->tag != PF_AV_TUPLE || no->tag != PF_AV_TUPLE || yes->n != no->n || yes->part == PF_WHOLE || no->part == PF_WHOLE) {
        return false;
    }
    pf_av tuple = pf_av_tuple(b, yes->n);
    for (int i = 0; i < yes->n; i++) {
        if (tuple.items == NULL) {
            return false;
        }
        tuple.items[i] = yes->items[i];
        if (!pf_b_step_unite(b, test, &tuple.items[i], &no->items[i])) {
            return false;
        }
    }
    *yes = tuple;
    return true;
}

/* ---- running the function ---- */

/* How many parts the accumulator has when it comes to this row: -1 for a number. */
static int parts_of(const pf_builder *b, const pf_av *row)
{
    if (b->plan->flavour != PF_START_NONE) {
        return b->plan->flavour - PF_START_TUPLE < 0 ? -1 : b->plan->flavour - PF_START_TUPLE;
    }
    if (row->tag == PF_AV_TUPLE) {
        return row->n;
    }
    const pf_path *path = row->tag == PF_AV_SCALAR && row->kinds == PF_K_OBJ && row->path >= 0 ? &b->paths[row->path] : NULL;
    return path != NULL && !path->mixed && path->type == &PyTuple_Type ? path->size : -1;
}

static pf_av unknown_part(pf_builder *b, int number)
{
    pf_av part = pf_av_tuple(b, 0);
    part.tag = PF_AV_PART;
    part.part = (int8_t)number;
    return part;
}

static pf_av unknown_accumulator(pf_builder *b, int n)
{
    if (n < 0) {
        return unknown_part(b, 1);
    }
    pf_av tuple = pf_av_tuple(b, n);
    tuple.part = PF_WHOLE;
    for (int i = 0; tuple.items != NULL && i < n; i++) {
        tuple.items[i] = unknown_part(b, i + 1);
    }
    return tuple;
}

/* The function's result into value, the row into carry[1]. */
static void work_step(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out)
{
    (void)node;
    (void)index;
    (void)base;
    int n = parts_of(b, &st->value), parts = n < 0 ? 1 : n;
    pf_step *step = &b->plan->step;
    if (parts == 0 || parts > PF_MAX_PARTS || (step->n > 0 && (step->n != parts || step->tuple != (n > 0)))) {
        refuse(b);
        return;
    }
    step->n = parts;
    step->tuple = n > 0;
    st->carry[0] = unknown_accumulator(b, n);
    st->carry[1] = st->value;
    st->ncarry = 2;
    pf_watch watch = {.how = PF_WATCH_EXTRA, .parent = -1, .index = 0};
    pf_av func = pf_b_watched(b, watch);
    pf_state *results = NULL;
    if (!pf_b_dead(b) && pf_b_call(b, st, &func, &st->carry[0], 2, NULL, &results)) {
        pf_b_append(out, results);
    }
}

/* ---- what came out ---- */

enum { MAX_WAYS = 24 };

/* The final states side by side. */
typedef struct ways {
    pf_builder *b;
    pf_state *states[MAX_WAYS];
    pf_ref refs[MAX_WAYS][PF_MAX_OUTPUTS];
    int k, noutputs;
} ways;

static const pf_av *part_of(const ways *w, int way, int i)
{
    const pf_av *value = &w->states[way]->value;
    return w->b->plan->step.tuple ? &value->items[i] : value;
}

static int16_t add_output(ways *w, const pf_ref *refs)
{
    if (w->noutputs == PF_MAX_OUTPUTS) {
        refuse(w->b);
        return -1;
    }
    for (int s = 0; s < w->k; s++) {
        w->refs[s][w->noutputs] = refs[s];
    }
    return (int16_t)w->noutputs++;
}

/* e for ways that leave the part as it is: x op neutral == x, to the bit. */
static pf_ref neutral(pf_builder *b, pf_step_op op, pf_kinds kinds)
{
    switch (op) {
    case PF_STEP_ADD:
#ifdef PF_PLANTED_BUG_REDUCE_NEUTRAL_ZERO
        if (kinds == PF_K_F64) {
            return pf_ir_const_f64(b->fn, 0.0);
        }
#endif
        return kinds == PF_K_F64 ? pf_ir_const_f64(b->fn, -0.0) : kinds == PF_K_I64 ? pf_ir_const_i64(b->fn, 0) : PF_NOREF;
    case PF_STEP_MUL:
        return pf_ir_const_i64(b->fn, 1);
    case PF_STEP_AND:
        return pf_ir_const_i64(b->fn, -1);
    case PF_STEP_OR:
    case PF_STEP_XOR:
        return pf_ir_const_i64(b->fn, 0);
    default:
        return PF_NOREF;
    }
}

/* One op on all ways that do not leave the part alone, and the kinds of its e's. */
static bool agree(const ways *w, int i, struct pf_step_part *part, pf_kinds *kinds)
{
    part->op = PF_STEP_KEEP;
    part->always = true;
    part->output = part->handle = -1;
    *kinds = 0;
    for (int s = 0; s < w->k; s++) {
        const pf_av *av = part_of(w, s, i);
        if ((av->tag != PF_AV_PART && av->tag != PF_AV_STEP) || av->part != i + 1) {
            return false;
        }
        if (av->tag == PF_AV_PART) {
            part->always = false;
            continue;
        }
        if (part->op != PF_STEP_KEEP && part->op != av->op) {
            return false;
        }
        part->op = av->op;
        *kinds |= av->items[0].kinds;
    }
    return true;
}

static const pf_inst *int_constant(const ways *w, int way, int i)
{
    const pf_inst *inst = &w->b->fn->insts[part_of(w, way, i)->items[0].ref];
    return inst->op == PF_OP_const && inst->kinds == PF_K_I64 ? inst : NULL;
}

/* `count + 1`: the number of rows tells, no output is needed. */
static bool is_constant(const ways *w, int i, struct pf_step_part *part)
{
    if (part->op != PF_STEP_ADD || !part->always) {
        return false;
    }
    for (int s = 0; s < w->k; s++) {
        const pf_inst *inst = int_constant(w, s, i);
        if (inst == NULL || (s > 0 && inst->imm.i != part->value)) {
            return false;
        }
        part->value = inst->imm.i;
    }
    return true;
}

static void output_objects(ways *w, int i, struct pf_step_part *part)
{
    pf_ref handles[MAX_WAYS];
    bool any = false;
    for (int s = 0; s < w->k; s++) {
        handles[s] = pf_b_handle(w->b, &part_of(w, s, i)->items[0]);
        any |= handles[s] != PF_NOREF;
    }
    for (int s = 0; any && s < w->k; s++) {
        handles[s] = handles[s] != PF_NOREF ? handles[s] : pf_b_null_handle(w->b);
    }
    part->handle = any ? add_output(w, handles) : -1;
}

static bool settle_part(ways *w, int i)
{
    struct pf_step_part *part = &w->b->plan->step.parts[i];
    pf_kinds kinds;
    pf_ref refs[MAX_WAYS];
    if (!agree(w, i, part, &kinds)) {
        return false;
    }
    if (part->op == PF_STEP_KEEP || (w->b->plan->step.n > 1 && (part->constant = is_constant(w, i, part)))) {
        return true;
    }
    bool extreme = part->op >= PF_STEP_KEEP_LT;
    for (int s = 0; s < w->k; s++) {
        const pf_av *av = part_of(w, s, i);
        refs[s] = av->tag == PF_AV_STEP ? av->items[0].ref : neutral(w->b, (pf_step_op)part->op, kinds);
        if (refs[s] == PF_NOREF) {
            return false;
        }
    }
    part->output = add_output(w, refs);
    if (extreme) {
        output_objects(w, i, part);
    }
    return !pf_b_dead(w->b);
}

/* Whether item i of a row (the row itself where i < 0) is the very value e. */
static bool is_of_row(const pf_builder *b, const pf_av *row, int i, const pf_av *e)
{
    if (i >= 0 && row->tag == PF_AV_TUPLE) {
        return i < row->n && row->items[i].tag == PF_AV_SCALAR && same_scalar(&row->items[i], e);
    }
    if (i < 0 || row->tag != PF_AV_SCALAR || row->path < 0 || e->path < 0) {
        return i < 0 && row->tag == PF_AV_SCALAR && same_scalar(row, e);
    }
    pf_access of_item = b->paths[e->path].at;
    const int last = --of_item.npath;
    return last >= 0 && pf_same_access(&of_item, &b->paths[row->path].at) && of_item.path[last].how == PF_PATH_INDEX &&
           of_item.path[last].index == i;
}

static bool row_is_first(const ways *w)
{
    const pf_step *step = &w->b->plan->step;
    for (int s = 0; s < w->k; s++) {
        for (int i = 0; i < step->n; i++) {
            const pf_av *av = part_of(w, s, i);
            if (av->tag != PF_AV_STEP || !is_of_row(w->b, &w->states[s]->carry[1], step->tuple ? i : -1, &av->items[0])) {
                return false;
            }
        }
    }
    return true;
}

static bool settle(ways *w)
{
    pf_step *step = &w->b->plan->step;
    for (const pf_state *st = w->b->finals; st != NULL; st = st->next) {
        const pf_av *value = &st->value;
        bool fits = !step->tuple || (value->tag == PF_AV_TUPLE && value->n == step->n && value->part != PF_WHOLE);
        if (w->k == MAX_WAYS || !fits) {
            return false;
        }
        w->states[w->k++] = (pf_state *)st;
    }
    for (int i = 0; i < step->n; i++) {
        if (!settle_part(w, i)) {
            return false;
        }
    }
    step->row_first = row_is_first(w);
    bool starts = w->b->plan->consumer != PF_CONSUME_FOLD || w->b->plan->flavour != PF_START_NONE || step->row_first;
    return w->noutputs > 0 && starts;
}

/* Rows through the function. False: it has no such form. */
static bool run_step(pf_builder *b, pf_state *list)
{
    pf_b_collect(b, pf_b_each(b, list, work_step, -1, 0));
    if (pf_b_dead(b)) {
        return false;
    }
    if (b->finals == NULL) { /* no row ever gets here */
        b->plan->step = (pf_step){.n = 1};
        return true;
    }
    ways *w = pf_b_alloc(b, sizeof *w);
    if (w == NULL) {
        return false;
    }
    w->b = b;
    if (!settle(w)) {
        return refuse(b);
    }
#ifdef PF_PLANTED_BUG_REDUCE_COMPONENT_SWAPPED
    if (w->noutputs == 2) {
        for (int s = 0; s < w->k; s++) {
            pf_ref first = w->refs[s][0];
            w->refs[s][0] = w->refs[s][1];
            w->refs[s][1] = first;
        }
    }
#endif
    for (int s = 0; s < w->k && !pf_b_dead(b); s++) {
        pf_b_open(b, w->states[s]);
        pf_ir_yield(b->fn, (uint32_t)w->noutputs, w->refs[s]);
    }
    b->plan->noutputs = w->noutputs;
    return true;
}

/* ---- reduce, fold ---- */

/* The function is called between rows that ran ahead, or not at all: it must not be able to tell. */
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
    if (!effects.pure || (effects.may_warn && b->wants->plain_step)) {
        pf_b_refuse(b, effects.pure ? PF_REASON_IMPURE : effects.reason);
    }
    pf_effects_clear(&effects);
}

void pf_b_reduce(pf_builder *b, pf_state *list)
{
    pf_watch watch = {.how = PF_WATCH_EXTRA, .parent = -1, .index = 0};
    pf_b_watched(b, watch);
    require_pure(b, b->request->extra[0]);
    b->plan->core.sink = PF_SINK_COLLECT;
    if (pf_b_dead(b)) {
        return;
    }
    if (b->wants->plain_step) {
        pf_b_collect(b, list);
        pf_b_yield_finals(b, false);
        b->plan->wants_rows = true;
    } else if (!run_step(b, list) && b->refused) {
        b->refused = false;
        b->wants->plain_step = b->again = true;
    }
}

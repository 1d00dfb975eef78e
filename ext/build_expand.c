/* Nested `for`s: a generator expression's inner loop makes a new stage of the plan, and so does a chain that takes its
 * iterables from its input, which is the loop `for x in iterable` without a frame.
 *
 * The stage being built ends where the inner loop begins: it yields what the loop runs over, and every value that is
 * still needed behind. The next stage begins with those as columns from its parent, and one item of the loop. A row of
 * the source stays the unit of failure and of stopping, so nothing of this shows outside the plan.
 *
 * What a row of the source or an item of a loop holds is read where its stage begins, and nowhere else. Where a later
 * stage turns out to need more of it, that is noted (b->wants) and the whole plan is built again, with that column
 * handed down. */
#include <string.h>

#include "build_internal.h"
#include "gather.h"

/* ---- what can be iterated ---- */

/* path: of the container, -1 for a range. */
static bool iterator_over(pf_builder *b, const pf_av *items, int n, int path, pf_av *out)
{
    *out = pf_av_tuple(b, n);
    out->tag = PF_AV_ITERATOR;
    out->path = path;
    if (out->items != NULL) {
        memcpy(out->items, items, sizeof(pf_av) * (size_t)n);
    }
    return out->items != NULL && !pf_b_dead(b);
}

bool pf_b_get_iter(pf_builder *b, const pf_av *value, pf_av *out)
{
    if (value->tag == PF_AV_RANGE) {
        return iterator_over(b, value->items, 3, -1, out);
    }
    pf_av handle = pf_av_of(PF_K_OBJ, PF_NOREF);
    int path = -1;
    if (value->tag == PF_AV_PY && (PyList_CheckExact(value->py) || PyTuple_CheckExact(value->py))) {
        handle.ref = pf_b_handle(b, value);
        path = pf_b_captured_path(b, value);
        b->plan->loops_over_capture = true;
    } else if (value->tag == PF_AV_SCALAR && value->kinds == PF_K_OBJ && value->path >= 0 && !b->paths[value->path].mixed) {
        handle.ref = value->ref;
        path = value->path;
    }
    const PyTypeObject *type = path >= 0 ? b->paths[path].type : NULL;
    if (type != &PyList_Type && type != &PyTuple_Type) {
        pf_b_refuse(b, PF_REASON_UNKNOWN_SOURCE);
        return false;
    }
    return iterator_over(b, &handle, 1, path, out);
}

/* ---- from one stage to the next ---- */

enum { MAX_EXPORTS = 40 };

typedef struct handing_over {
    pf_builder *b;
    pf_fn *from, *to;
    pf_ref refs[MAX_EXPORTS]; /* outputs of the stage that ends */
    pf_ref column[MAX_EXPORTS]; /* the same in the new stage */
    int n;
} handing_over;

static int export(handing_over *h, pf_ref ref)
{
    for (int i = 0; i < h->n; i++) {
        if (h->refs[i] == ref) {
            return i;
        }
    }
    if (h->n == MAX_EXPORTS) {
        pf_b_refuse(h->b, PF_REASON_TOO_LARGE);
        return 0;
    }
    h->refs[h->n] = ref;
    return h->n++;
}

static bool is_invariant(const pf_fn *fn, pf_ref ref)
{
    return fn->insts[ref].op == PF_OP_const || fn->insts[ref].op == PF_OP_param;
}

typedef void (*visit)(handing_over *h, pf_ref *ref);

static void each_ref(handing_over *h, pf_av *av, visit work)
{
    if (h->to != NULL && av->origin == 0) { /* crossing over: one object for all rows of the new stage that come of one of the old */
        av->origin = (uint8_t)(h->b->nstages + 1);
    }
    if (av->tag == PF_AV_SCALAR) {
        work(h, &av->ref);
        if (av->handle != PF_NOREF) {
            work(h, &av->handle);
        }
    } else if (av->n > 0) {
        pf_av copy = pf_av_tuple(h->b, av->n);
        for (int i = 0; copy.items != NULL && i < av->n; i++) {
            copy.items[i] = av->items[i];
            each_ref(h, &copy.items[i], work);
        }
        av->items = copy.items;
        av->n = copy.items != NULL ? av->n : 0;
    }
}

/* Whether a local is read at or behind an instruction. */
static bool is_live(const pf_code *code, int pc, int local)
{
    for (int i = pc; i < code->n; i++) {
        if (code->instrs[i].op == PF_BC_LOAD_FAST && code->instrs[i].arg == local) {
            return true;
        }
    }
    return false;
}

static void each_value(handing_over *h, pf_state *st, int pc, visit work)
{
    for (pf_frame_state *f = st->frame; f != NULL; f = f->parent) {
        for (int i = 0; i < f->act->code->nlocalsplus; i++) {
            if (f == st->frame && !is_live(f->act->code, pc, i)) {
                memset(&f->locals[i], 0, sizeof f->locals[i]); /* unbound: nobody asks */
            }
            each_ref(h, &f->locals[i], work);
        }
        for (int i = 0; i < f->depth; i++) {
            each_ref(h, &f->stack[i], work);
        }
    }
    for (int i = 0; i < st->ncarry; i++) {
        each_ref(h, &st->carry[i], work);
    }
    each_ref(h, &st->value, work);
}

static void collect(handing_over *h, pf_ref *ref)
{
    if (!is_invariant(h->from, *ref)) {
        export(h, *ref);
    }
}

static void translate(handing_over *h, pf_ref *ref)
{
    const pf_inst *inst = &h->from->insts[*ref];
    if (inst->op == PF_OP_param) {
        *ref = pf_ir_param(h->to, inst->imm.k);
    } else if (inst->op == PF_OP_const) {
        *ref = inst->kinds == PF_K_I64    ? pf_ir_const_i64(h->to, inst->imm.i)
               : inst->kinds == PF_K_F64  ? pf_ir_const_f64(h->to, inst->imm.f)
               : inst->kinds == PF_K_BOOL ? pf_ir_const_bool(h->to, inst->imm.i != 0)
               : inst->kinds == PF_K_STR  ? pf_ir_const_str(h->to, inst->imm.k)
                                          : pf_ir_const_none(h->to);
    } else {
        *ref = h->column[export(h, *ref)];
    }
}

/* Every other way must have ended: a stage begins with one state. */
static bool alone(const pf_builder *b)
{
    for (uint32_t i = 1; i < b->fn->nblocks; i++) {
        if (b->fn->blocks[i].first == 0) {
            return false;
        }
    }
    return true;
}

static pf_fn *next_function(pf_builder *b)
{
    pf_fn *to = pf_ir_new();
    if (to == NULL) {
        b->error = true;
        PyErr_NoMemory();
        return NULL;
    }
    for (uint32_t i = 0; i < b->fn->nparams; i++) { /* one numbering for all stages */
        pf_ir_add_param(to, b->fn->params[i]);
    }
    for (uint32_t i = 0; i < b->fn->nstrings; i++) {
        pf_ir_add_string(to, b->fn->strings[i]);
    }
    return to;
}

static pf_av inner_item(pf_builder *b, const pf_av *iterator)
{
    if (iterator->path < 0) {
        return pf_av_of(PF_K_I64, pf_ir_column(b->fn, pf_ir_add_column(b->fn, PF_K_I64, PF_FROM_INNER, 0)));
    }
    pf_path_step each;
    memset(&each, 0, sizeof each);
    each.how = PF_PATH_EACH;
    each.index = b->nstages;
    return pf_b_item(b, pf_b_path_step(b, iterator->path, &each));
}

/* Columns of this stage's rows that a later one asked for in an earlier attempt, and all that was handed down so far.
 */
static void export_paths(handing_over *h)
{
    pf_builder *b = h->b;
    for (int i = 0; i < b->wants->n && !pf_b_dead(b); i++) {
        if (pf_access_stage(&b->wants->list[i].at) == b->nstages) {
            int path = pf_b_add_path(b, &b->wants->list[i].at);
            int column = path < 0 ? -1 : pf_b_path_column(b, path, b->wants->list[i].what);
            if (column >= 0) {
                export(h, pf_ir_column(h->from, (uint32_t)column));
            }
        }
    }
    for (int p = 0; p < b->npaths; p++) {
        for (int what = 0; what < PF_PATH_COLUMNS && pf_access_stage(&b->paths[p].at) < b->nstages; what++) {
            if (b->paths[p].column[what] >= 0) {
                export(h, pf_ir_column(h->from, (uint32_t)b->paths[p].column[what]));
            }
        }
    }
}

static void import_paths(handing_over *h)
{
    pf_builder *b = h->b;
    for (int p = 0; p < b->npaths; p++) {
        for (int what = 0; what < PF_PATH_COLUMNS; what++) {
            int column = b->paths[p].column[what];
            int found = -1;
            for (int i = 0; column >= 0 && i < h->n; i++) {
                const pf_inst *inst = &h->from->insts[h->refs[i]];
                found = inst->op == PF_OP_column && inst->imm.k == (uint32_t)column ? i : found;
            }
            b->paths[p].column[what] = found < 0 ? -1 : (int)h->to->insts[h->column[found]].imm.k;
        }
    }
}

bool pf_b_expand(pf_builder *b, pf_state *st, pf_av *top, int pc, pf_av *item)
{
    const pf_av iterator = *top;
    if (!alone(b)) {
        pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
    }
    if (b->nstages + 1 >= PF_MAX_STAGES) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
    }
    handing_over *h = pf_b_dead(b) ? NULL : pf_b_alloc(b, sizeof *h);
    if (h == NULL) {
        return false;
    }
    h->b = b;
    h->from = b->fn;
    for (int i = 0; i < iterator.n; i++) { /* what the loop runs over comes first, even where it is a constant */
        h->refs[h->n++] = iterator.items[i].ref;
    }
    top->n = 0; /* the loop's own operands end here */
    each_value(h, st, pc, collect);
    export_paths(h);
    h->to = pf_b_dead(b) ? NULL : next_function(b);
    if (h->to == NULL) {
        return false;
    }
    pf_ir_yield(h->from, (uint32_t)h->n, h->refs);
    for (int i = 0; i < h->n; i++) {
        uint32_t column = pf_ir_add_column(h->to, h->from->insts[h->refs[i]].kinds, PF_FROM_PARENT, (uint32_t)i);
        h->column[i] = pf_ir_column(h->to, column);
    }
    import_paths(h);
    each_value(h, st, pc, translate);
    b->plan->core.stages[b->nstages].fn = h->from;
    b->plan->core.stages[b->nstages].expand = iterator.n == 3 ? PF_EXPAND_RANGE : PF_EXPAND_ITEMS;
    b->nstages++;
    b->fn = h->to;
    b->null_handle = PF_NOREF;
    b->ends++;
    *item = inner_item(b, &iterator);
    st->block = 0; /* the new stage's entry, which is being filled */
    st->open = true;
    return !pf_b_dead(b);
}

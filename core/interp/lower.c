/* SSA to steps: program.h tells what comes out, this file how.
 *
 * Passes: survey.c looks at the blocks (which of them are cuts, which only end the row, who dominates whom); modes.c
 * finds the ints that may go beyond 64 bits;
 * here every block's instructions become steps, some of which fuse.c joins as they come; alloc.c gives values their
 * places. */
#include "lower.h"

#include <string.h>

#include "../base/mem.h"
#include "../prim/code.h"

/* ---- growing the program ---- */

/* Room for one more of `size` bytes in an array of n that grows by doubling. */
static bool reserve(lowering *l, void **array, uint32_t n, size_t size)
{
    if (l->status != PF_OK) {
        return false;
    }
    if (n < 8 ? n != 0 : (n & (n - 1)) != 0) {
        return true;
    }
    void *grown = pf_mem_realloc(*array, (n < 8 ? 8 : 2 * (size_t)n) * size);
    if (grown == NULL) {
        l->status = PF_NOMEM;
        return false;
    }
    *array = grown;
    return true;
}

static pf_step *add_step(lowering *l, pf_step_code code)
{
    pf_program *p = l->program;
    if (!reserve(l, (void **)&p->steps, p->nsteps, sizeof *p->steps)) {
        return &l->nowhere;
    }
    pf_step *step = &p->steps[p->nsteps++];
    *step = (pf_step){.code = (uint8_t)code, .mask = l->mask};
    return step;
}

pf_val lower_add_value(lowering *l, pf_value_origin origin, pf_kinds kinds, bool scalar, uint32_t index)
{
    pf_program *p = l->program;
    if (p->nvalues > UINT16_MAX - 1) {
        l->status = l->status == PF_OK ? PF_UNSUPPORTED : l->status;
    }
    if (!reserve(l, (void **)&p->values, p->nvalues, sizeof *p->values)) {
        return 0;
    }
    p->values[p->nvalues] = (pf_value){
        .origin = (uint8_t)origin,
        .lane = kinds == PF_K_BOOL || origin == PF_VALUE_MASK ? PF_LANE_BYTE : PF_LANE_WORD,
        .scalar = scalar,
        .kinds = kinds,
        .index = index,
    };
    return (pf_val)p->nvalues++;
}

static void add_item(lowering *l, operand o)
{
    pf_program *p = l->program;
    if (reserve(l, (void **)&p->items, p->nitems, sizeof *p->items)) {
        p->items[p->nitems++] = (pf_item){o.value, o.kinds};
    }
}

operand lower_add_constant(lowering *l, int64_t payload, pf_kinds kind)
{
    pf_program *p = l->program;
    if (!reserve(l, (void **)&p->constants, p->nconstants, sizeof *p->constants)) {
        return (operand){0, kind};
    }
    p->constants[p->nconstants] = payload;
    return (operand){lower_add_value(l, PF_VALUE_CONST, kind, true, p->nconstants++), kind};
}

/* ---- operands ---- */

/* The operand a ref stands for, with what the branches on the way to this block have told about its kinds. */
operand lower_use(const lowering *l, pf_ref ref)
{
    operand o = l->of[ref];
    for (uint32_t b = l->block; !pf_kinds_single(o.kinds);) {
        const block_survey *s = &l->blocks[b];
        if (s->known_value == o.value && s->known_value != 0) {
            o.kinds &= s->known_kinds;
        }
        if (b == 0) {
            break;
        }
        b = s->idom;
    }
    return o;
}

/* Lanes of more than 64 bits bail, as the op that made them; without_sign: not those below 2**64. */
static void fit_into(lowering *l, operand o, bool without_sign)
{
    const pf_value *v = lower_value(l, o);
    if (l->status != PF_OK || !v->wide) {
        return;
    }
    const bool constant = v->origin == PF_VALUE_CONST;
    const pf_inst *from = constant ? NULL : &l->fn->insts[v->index];
    pf_step *step = add_step(l, PF_STEP_FIT);
    step->op = constant ? PF_OP_large : from->op;
    step->place = constant ? 0 : from->place;
    step->a = o.value;
    step->ka = PF_K_I64;
    step->negate = without_sign;
}

static void fit(lowering *l, operand o)
{
    fit_into(l, o, false);
}

/* An operand of those who cannot take more than 64 bits. */
static operand use_fitting(lowering *l, pf_ref ref)
{
    operand o = lower_use(l, ref);
    fit(l, o);
    return o;
}

void lower_define(lowering *l, pf_ref ref, operand o)
{
    l->of[ref] = o;
}

/* `ref` is another name for what `source` stands for. */
static void rename_ref(lowering *l, pf_ref ref, pf_ref source, operand o)
{
    if (l->uses[source] > 1) {
        l->program->values[o.value].shared = true;
    }
    lower_define(l, ref, o);
}

/* A bool's byte lanes as 8-byte lanes, for where it meets other kinds. */
static operand widened(lowering *l, operand o, pf_kinds target)
{
    if (lower_value(l, o)->lane == PF_LANE_WORD || target == PF_K_BOOL) {
        return o;
    }
    pf_val d = lower_add_value(l, PF_VALUE_COMPUTED, o.kinds, lower_is_scalar(l, o), 0);
    if (l->status == PF_OK) {
        l->program->values[d].lane = PF_LANE_WORD;
    }
    pf_step *step = add_step(l, PF_STEP_WIDEN);
    step->d = d;
    step->a = o.value;
    step->ka = o.kinds;
    return (operand){d, o.kinds};
}

/* ---- values from outside ---- */

static operand outside(lowering *l, const pf_inst *inst)
{
    const pf_fn *fn = l->fn;
    int64_t payload = 0;
    switch (inst->op) {
    case PF_OP_const:
        if (inst->kinds == PF_K_STR) {
            return (operand){lower_add_value(l, PF_VALUE_STRING, PF_K_STR, true, inst->imm.k), PF_K_STR};
        }
        if (inst->kinds != PF_K_NONE) {
            memcpy(&payload, &inst->imm, sizeof payload);
        }
        return lower_add_constant(l, payload, inst->kinds);
    case PF_OP_param:
        if (!pf_kinds_single(fn->params[inst->imm.k])) {
            l->status = PF_UNSUPPORTED;
        }
        return (operand){lower_add_value(l, PF_VALUE_PARAM, inst->kinds, true, inst->imm.k), inst->kinds};
    case PF_OP_row:
        if (l->row == 0) {
            l->row = lower_add_value(l, PF_VALUE_ROW, PF_K_I64, false, 0);
        }
        return (operand){l->row, PF_K_I64};
    default: { /* column: its check stands where the instruction stands, its lanes are there from the start */
        pf_val *v = &l->column[inst->imm.k];
        if (*v == 0) {
            *v = lower_add_value(l, PF_VALUE_COLUMN, fn->columns[inst->imm.k].kinds, false, inst->imm.k);
        }
        pf_step *step = add_step(l, PF_STEP_COLUMN);
        step->op = PF_OP_column;
        step->place = inst->place;
        step->a = *v;
        step->ka = inst->kinds;
        return (operand){*v, inst->kinds};
    }
    }
}

/* ---- ops ---- */

/* A step whose result is bool, i64 or f64; scalar when its operands are. */
static pf_step *result_step(lowering *l, const pf_inst *inst, pf_ref ref, pf_step_code code, bool scalar)
{
    pf_val d = lower_add_value(l, PF_VALUE_COMPUTED, inst->kinds, scalar, ref);
    pf_step *step = add_step(l, code);
    step->op = inst->op;
    step->place = inst->place;
    step->d = d;
    step->kd = inst->kinds;
    lower_define(l, ref, (operand){d, inst->kinds});
    return step;
}

/* Ops on i64 whose interval may choose another kernel, or whose result has an interval worth knowing. */
static bool has_interval(uint8_t op)
{
    switch (op) {
    case PF_OP_add:
    case PF_OP_sub:
    case PF_OP_mul:
    case PF_OP_neg:
    case PF_OP_abs:
    case PF_OP_fdiv:
    case PF_OP_mod:
    case PF_OP_and:
    case PF_OP_or:
    case PF_OP_xor:
    case PF_OP_shl:
    case PF_OP_shr:
    case PF_OP_float:
    case PF_OP_fexact:
    case PF_OP_invert:
    case PF_OP_isqrt:
        return true;
    default:
        return false;
    }
}

static void lower_op(lowering *l, const pf_inst *inst, pf_ref ref)
{
    if (fuse_mod_test(l, inst, ref) || fuse_mul_add(l, inst, ref)) {
        return;
    }
    const pf_op_info *info = &pf_ops[inst->op];
    const pf_kinds kind = l->fn->insts[inst->a].kinds;
    const bool any_width = kind == PF_K_I64 && takes_wide(inst->op);
    operand a = any_width ? lower_use(l, inst->a) : use_fitting(l, inst->a), b = a;
    if (info->arity > 1) {
        b = any_width ? lower_use(l, inst->b) : use_fitting(l, inst->b);
    }
    if ((info->laws & PF_LAW_COMM) != 0 && lower_is_scalar(l, a) && !lower_is_scalar(l, b)) {
        operand t = a;
        a = b;
        b = t;
    }
    const bool scalar = lower_is_scalar(l, a) && lower_is_scalar(l, b);
    const uint8_t form = scalar || info->arity == 1 ? PF_F_VV
                         : lower_is_scalar(l, b)    ? PF_F_VS
                         : lower_is_scalar(l, a)    ? PF_F_SV
                                                    : PF_F_VV;
    const int type = kind == PF_K_I64 ? PF_T_I64 : kind == PF_K_F64 ? PF_T_F64 : PF_T_BOOL;
    const bool low = (l->modes[ref] & MODE_LOW) != 0;
    const bool from_wide = any_width && (lower_value(l, a)->wide || lower_value(l, b)->wide);
    const bool wide = inst->kinds == PF_K_I64 && any_width && (l->modes[ref] & MODE_WIDE) != 0 &&
                      (from_wide || may_overflow(inst->op));
    const pf_step_code code = low || wide || from_wide                     ? PF_STEP_WIDE
                              : kind == PF_K_STR                           ? PF_STEP_STR
                              : type == PF_T_I64 && has_interval(inst->op) ? PF_STEP_INT
                                                                           : PF_STEP_OP;
    pf_step *step = result_step(l, inst, ref, code, scalar);
    if (l->status == PF_OK) {
        l->program->values[step->d].wide = wide && !low;
    }
    step->form = form;
    step->low = !low ? PF_LOW_NO : (l->modes[ref] & MODE_GUARDED) != 0 ? PF_LOW_GUARDED : PF_LOW_YES;
    step->a = a.value;
    step->b = info->arity > 1 ? b.value : 0;
    step->ka = a.kinds;
    step->kb = b.kinds;
    step->kernel = l->program->kernels->op[inst->op][type][form];
    if (step->kernel == NULL && code != PF_STEP_STR && l->status == PF_OK) {
        l->status = PF_UNSUPPORTED;
    }
}

static void lower_select(lowering *l, const pf_inst *inst, pf_ref ref)
{
    operand c = lower_use(l, inst->a);
    operand a = widened(l, use_fitting(l, inst->b), inst->kinds), b = widened(l, use_fitting(l, inst->c), inst->kinds);
    const bool sa = lower_is_scalar(l, a), sb = lower_is_scalar(l, b);
    const bool scalar = lower_is_scalar(l, c) && sa && sb && pf_kinds_single(inst->kinds);
    if (!scalar && fuse_choice(l, inst, ref, a, b)) {
        return;
    }
    pf_step *step = result_step(l, inst, ref, PF_STEP_SELECT, scalar);
    step->form = scalar ? PF_F_VV : sa && sb ? PF_F_SS : sa ? PF_F_SV : sb ? PF_F_VS : PF_F_VV;
    step->a = a.value;
    step->b = b.value;
    step->c = c.value;
    step->ka = a.kinds;
    step->kb = b.kinds;
}

static void lower_in(lowering *l, const pf_inst *inst, pf_ref ref)
{
    const operand a = use_fitting(l, inst->a), b = lower_use(l, inst->b);
    pf_step *step = result_step(l, inst, ref, PF_STEP_IN, lower_is_scalar(l, a));
    step->form = PF_F_VS;
    step->a = a.value;
    step->b = b.value;
    step->ka = a.kinds;
}

static void lower_is_kind(lowering *l, const pf_inst *inst, pf_ref ref)
{
    operand a = lower_use(l, inst->a);
    const pf_kinds asked = (pf_kinds)inst->imm.i;
    if ((a.kinds & ~asked) == 0 || (a.kinds & asked) == 0) {
        lower_define(l, ref, lower_add_constant(l, (a.kinds & asked) != 0, PF_K_BOOL));
        return;
    }
    pf_step *step = result_step(l, inst, ref, PF_STEP_IS_KIND, false);
    step->a = a.value;
    step->ka = a.kinds;
    step->kb = asked;
}

static void bail_step(lowering *l, const pf_inst *inst)
{
    pf_step *step = add_step(l, PF_STEP_BAIL);
    step->op = inst->op;
    step->place = inst->place;
}

/* A kind of those, not bool unless it is alone, whose lanes are others. */
static pf_kinds one_of(pf_kinds kinds)
{
    const unsigned words = kinds & ~(unsigned)PF_K_BOOL;
    return (pf_kinds)(words != 0 ? words & -words : kinds);
}

static void lower_narrow(lowering *l, const pf_inst *inst, pf_ref ref)
{
    operand a = use_fitting(l, inst->a);
    const pf_kinds kind = inst->kinds;
    if ((a.kinds & kind) == 0) {
        bail_step(l, inst);
        /* no lane is left that could tell: a scalar has no kinds */
        lower_define(l, ref, lower_add_constant(l, 0, one_of(kind)));
        return;
    }
    if ((a.kinds & ~kind) != 0) {
        pf_step *step = add_step(l, PF_STEP_NARROW);
        step->op = inst->op;
        step->place = inst->place;
        step->a = a.value;
        step->ka = a.kinds;
        step->kb = kind;
    }
    if (kind == PF_K_BOOL && lower_value(l, a)->lane == PF_LANE_WORD) {
        pf_step *step = result_step(l, inst, ref, PF_STEP_PACK, lower_is_scalar(l, a));
        step->a = a.value;
        step->ka = PF_K_BOOL;
        return;
    }
    rename_ref(l, ref, inst->a, (operand){a.value, kind});
}

/* ---- edges ---- */

/* The argument may live where its first source lives when nobody else looks at that source. */
static bool can_take_over(const lowering *l, operand source, pf_ref ref, pf_kinds kinds)
{
    const pf_value *v = lower_value(l, source);
    return !v->scalar && !v->wide && (v->origin == PF_VALUE_COMPUTED || v->origin == PF_VALUE_ARG) &&
           l->uses[ref] == 1 && !v->shared && v->kinds == source.kinds &&
           v->lane == (kinds == PF_K_BOOL ? PF_LANE_BYTE : PF_LANE_WORD);
}

/* Lanes of l->mask bring `source` (named `ref`) to an argument that several edges write. */
static void bring(lowering *l, operand *arg, pf_kinds kinds, pf_ref ref)
{
    operand plain = use_fitting(l, ref), source = widened(l, plain, kinds);
    const bool fresh = source.value != plain.value;
    if (arg->value == 0) {
        if (l->status == PF_OK && can_take_over(l, source, ref, kinds) && !fresh) {
            pf_value *v = &l->program->values[source.value];
            v->origin = PF_VALUE_ARG;
            v->kinds = kinds;
            *arg = (operand){source.value, kinds};
            return;
        }
        *arg = (operand){lower_add_value(l, PF_VALUE_ARG, kinds, false, 0), kinds};
    }
    pf_step *step = add_step(l, PF_STEP_BLEND);
    step->d = arg->value;
    step->a = source.value;
    step->ka = source.kinds;
    step->form = lower_is_scalar(l, source) ? PF_F_VS : PF_F_VV;
}

/* The lanes of `mask` go to block `to` (nblocks: the exit), with args. */
static void lower_edge(lowering *l, uint32_t to, const pf_ref *args, uint32_t nargs, pf_val mask)
{
    block_survey *t = &l->blocks[to];
    if (t->only_ends) {
        return;
    }
    const pf_val here = l->mask;
    const bool leaves = to == l->fn->nblocks;
    l->mask = mask;
    for (uint32_t i = 0; i < nargs; i++) {
        operand *arg = leaves ? &l->out[i] : &l->of[l->fn->blocks[to].first + i];
        const pf_kinds kinds = leaves ? l->fn->outputs[i] : l->fn->insts[l->fn->blocks[to].first + i].kinds;
        if (t->nin > 1) {
            bring(l, arg, kinds, args[i]);
        } else if (leaves) {
            *arg = lower_use(l, args[i]);
            const bool wide = wide_output(l, i) && !lower_is_scalar(l, *arg);
            if (!wide || l->program->ints == PF_OUTPUTS_U64) {
                fit_into(l, *arg, wide);
            }
        } else {
            rename_ref(l, l->fn->blocks[to].first + i, args[i], use_fitting(l, args[i]));
        }
    }
    if (!t->cut || t->lost) {
        if (t->nin == 1) {
            t->mask = mask;
        } else {
            t->mask = t->mask != 0 ? t->mask : lower_add_value(l, PF_VALUE_MASK, 0, false, 0);
            add_step(l, PF_STEP_MERGE)->d = t->mask;
        }
    }
    l->mask = here;
}

/* What a branch on a kind tells its targets. */
static void learn_kinds(lowering *l, const pf_inst *branch, const pf_edge *edges)
{
    const pf_inst *test = &l->fn->insts[branch->a];
    bool positive = true;
    for (; test->op == PF_OP_not; test = &l->fn->insts[test->a]) {
        positive = !positive;
    }
    if (test->op != PF_OP_is_kind) {
        return;
    }
    for (int i = 0; i < 2; i++) {
        block_survey *t = &l->blocks[edges[i].to];
        if (t->nin == 1) {
            t->known_value = l->of[test->a].value;
            t->known_kinds = (pf_kinds)((i == 0) == positive ? test->imm.i : ~test->imm.i);
        }
    }
}

static void lower_branch(lowering *l, const pf_inst *inst)
{
    pf_edge e[2];
    pf_ir_edges(l->fn, inst, e);
    learn_kinds(l, inst, e);
    const operand c = lower_use(l, inst->a);
    const bool ends[2] = {l->blocks[e[0].to].only_ends, l->blocks[e[1].to].only_ends};
    if (ends[0] && ends[1]) {
        return;
    }
    if (l->mask == 0 && ends[0] != ends[1]) {
        const int stays = ends[0] ? 1 : 0;
        block_survey *t = &l->blocks[e[stays].to];
        if (t->cut && t->nin == 1) { /* a filter: the condition itself says who stays */
            lower_edge(l, e[stays].to, e[stays].args, e[stays].nargs, 0);
            t->mask = c.value;
            t->negate = stays == 1;
            return;
        }
    }
    pf_val side[2];
    for (int i = 0; i < 2; i++) {
        side[i] = ends[i] ? 0 : lower_add_value(l, PF_VALUE_MASK, 0, false, 0);
    }
    pf_step *step = add_step(l, PF_STEP_BRANCH);
    step->c = c.value;
    step->d = side[0];
    step->a = side[1];
    for (int i = 0; i < 2; i++) {
        lower_edge(l, e[i].to, e[i].args, e[i].nargs, side[i]);
    }
}

/* ---- blocks ---- */

static void lower_inst(lowering *l, pf_ref ref)
{
    const pf_inst *inst = &l->fn->insts[ref];
    pf_edge e[2];
    switch (inst->op) {
    case PF_OP_const:
    case PF_OP_param:
    case PF_OP_row:
    case PF_OP_column:
        lower_define(l, ref, outside(l, inst));
        break;
    case PF_OP_large:
        lower_define(l, ref, lower_add_constant(l, inst->imm.i, PF_K_I64));
        l->program->values[l->of[ref].value].wide = l->status == PF_OK;
        break;
    case PF_OP_arg: /* defined by the edges */
    case PF_OP_end:
        break;
    case PF_OP_rank:
        result_step(l, inst, ref, PF_STEP_RANK, false)->index = inst->imm.k;
        break;
    case PF_OP_select:
        lower_select(l, inst, ref);
        break;
    case PF_OP_in:
        lower_in(l, inst, ref);
        break;
    case PF_OP_is_kind:
        lower_is_kind(l, inst, ref);
        break;
    case PF_OP_narrow:
        lower_narrow(l, inst, ref);
        break;
    case PF_OP_jump:
        pf_ir_edges(l->fn, inst, e);
        lower_edge(l, e[0].to, e[0].args, e[0].nargs, l->mask);
        break;
    case PF_OP_branch:
        lower_branch(l, inst);
        break;
    case PF_OP_yield:
        lower_edge(l, l->fn->nblocks, l->fn->pool + inst->imm.p.first, inst->imm.p.count, l->mask);
        break;
    case PF_OP_stop:
        add_step(l, PF_STEP_STOP);
        break;
    case PF_OP_bail:
        bail_step(l, inst);
        break;
    default:
        lower_op(l, inst, ref);
        break;
    }
}

/* Makes the block's mask the current one, by a COMPACT at a cut that some rows did not reach, else by an ENTER.
 * Returns the number of that ENTER, or UINT32_MAX. */
static uint32_t enter_block(lowering *l, uint32_t b)
{
    const block_survey *s = &l->blocks[b];
    l->block = b;
    l->mask = s->cut ? 0 : s->mask;
    if (s->cut && (s->lost || b == l->fn->nblocks)) { /* at the exit for the sake of lanes that failed */
        pf_step *step = add_step(l, PF_STEP_COMPACT);
        step->c = s->lost ? s->mask : 0;
        step->negate = s->negate;
        l->program->ncompacts++;
    }
    if (l->mask != 0) {
        add_step(l, PF_STEP_ENTER);
    }
    l->first_step = l->program->nsteps;
    return l->mask == 0 ? UINT32_MAX : l->first_step - 1;
}

static void lower_block(lowering *l, uint32_t b)
{
    const uint32_t enter = enter_block(l, b);
    const pf_block_info *info = &l->fn->blocks[b];
    for (pf_ref ref = info->first; ref < info->end && l->status == PF_OK; ref++) {
        lower_inst(l, ref);
    }
    if (enter != UINT32_MAX && l->status == PF_OK) {
        l->program->steps[enter].index = l->program->nsteps;
    }
}

/* The exit: outputs become registers of the declared width. */
static void lower_exit(lowering *l)
{
    const pf_fn *fn = l->fn;
    enter_block(l, fn->nblocks);
    for (uint32_t i = 0; i < fn->noutputs && l->status == PF_OK; i++) {
        operand o = widened(l, l->out[i], fn->outputs[i]);
        if (lower_is_scalar(l, o)) {
            pf_val d = lower_add_value(l, PF_VALUE_COMPUTED, o.kinds, false, 0);
            if (l->status == PF_OK) {
                l->program->values[d].lane = lower_value(l, o)->lane;
            }
            pf_step *step = add_step(l, PF_STEP_FILL);
            step->d = d;
            step->a = o.value;
            step->ka = o.kinds;
            o.value = d;
        }
        l->out[i] = o;
    }
    pf_step *step = add_step(l, PF_STEP_EXIT);
    step->index = l->program->nitems;
    step->count = fn->noutputs;
    for (uint32_t i = 0; i < fn->noutputs; i++) {
        add_item(l, l->out[i]);
    }
}

static void count_uses(lowering *l)
{
    const pf_fn *fn = l->fn;
    for (pf_ref ref = 1; ref < fn->ninsts; ref++) {
        const pf_inst *inst = &fn->insts[ref];
        l->uses[inst->a]++;
        l->uses[inst->b]++;
        l->uses[inst->c]++;
        pf_edge e[2];
        const uint32_t nedges = pf_ir_edges(fn, inst, e);
        for (uint32_t k = 0; k < nedges; k++) {
            for (uint32_t i = 0; i < e[k].nargs; i++) {
                l->uses[e[k].args[i]]++;
            }
        }
        for (uint32_t i = 0; inst->op == PF_OP_yield && i < inst->imm.p.count; i++) {
            l->uses[fn->pool[inst->imm.p.first + i]]++;
        }
    }
}

static void lower_all(lowering *l)
{
    lower_add_value(l, PF_VALUE_CONST, 0, true, 0); /* number 0 is no value */
    for (uint32_t b = 0; b < l->fn->nblocks && l->status == PF_OK; b++) {
        if ((b == 0 || l->blocks[b].nin > 0) && !l->blocks[b].only_ends) {
            lower_block(l, b);
        }
    }
    if (l->blocks[l->fn->nblocks].nin > 0 && l->status == PF_OK) {
        lower_exit(l);
    }
}

static pf_program *new_program(const pf_fn *fn, const pf_kernels *kernels)
{
    pf_program *p = pf_mem_calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->kernels = kernels;
    p->ncolumns = fn->ncolumns;
    p->noutputs = fn->noutputs;
    p->nparams = fn->nparams;
    p->nstrings = fn->nstrings;
    p->columns = pf_mem_calloc(fn->ncolumns + 1, sizeof *p->columns);
    p->fetched = pf_mem_calloc(fn->ncolumns + 1, sizeof *p->fetched);
    p->outputs = pf_mem_calloc(fn->noutputs + 1, sizeof *p->outputs);
    if (p->columns == NULL || p->fetched == NULL || p->outputs == NULL) {
        pf_interp_free(p);
        return NULL;
    }
    for (uint32_t i = 0; i < fn->ncolumns; i++) {
        p->columns[i] = fn->columns[i].kinds;
    }
    for (uint32_t i = 0; i < fn->noutputs; i++) {
        p->outputs[i] = fn->outputs[i];
    }
    return p;
}

pf_status pf_interp_compile_for(const pf_fn *fn, pf_outputs ints, const pf_kernels *kernels, pf_program **out)
{
    lowering l = {.fn = fn, .program = new_program(fn, kernels)};
    pf_status status = PF_NOMEM;
    uint32_t *low_uses = pf_mem_calloc(fn->ninsts + 1, sizeof *low_uses);
    l.blocks = pf_mem_calloc(fn->nblocks + 1, sizeof *l.blocks);
    l.of = pf_mem_calloc(fn->ninsts + 1, sizeof *l.of);
    l.uses = pf_mem_calloc(fn->ninsts + 1, sizeof *l.uses);
    l.modes = pf_mem_calloc(fn->ninsts + 1, sizeof *l.modes);
    l.column = pf_mem_calloc(fn->ncolumns + 1, sizeof *l.column);
    l.out = pf_mem_calloc(fn->noutputs + 1, sizeof *l.out);
    if (l.program == NULL || l.blocks == NULL || l.of == NULL || l.uses == NULL || l.modes == NULL ||
        l.column == NULL || l.out == NULL || low_uses == NULL) {
        goto out;
    }
    l.program->ints = ints;
    status = survey_blocks(&l);
    if (status != PF_OK) {
        goto out;
    }
    count_uses(&l);
    find_modes(&l, low_uses);
    lower_all(&l);
    status = l.status;
    if (status == PF_OK) {
        status = plan_steps(l.program);
    }
    if (status == PF_OK) {
        status = pf_interp_allocate(l.program);
    }
out:
    pf_mem_free(l.blocks);
    pf_mem_free(l.of);
    pf_mem_free(l.uses);
    pf_mem_free(l.modes);
    pf_mem_free(low_uses);
    pf_mem_free(l.column);
    pf_mem_free(l.out);
    if (status != PF_OK) {
        pf_interp_free(l.program);
        return status;
    }
    *out = l.program;
    return PF_OK;
}

pf_status pf_interp_compile(const pf_fn *fn, pf_outputs ints, pf_program **out)
{
    return pf_interp_compile_for(fn, ints, pf_kernels_for(PF_CPU_AVX512), out);
}

void pf_interp_free(pf_program *program)
{
    if (program == NULL) {
        return;
    }
    pf_mem_free(program->steps);
    pf_mem_free(program->values);
    pf_mem_free(program->items);
    for (uint32_t i = 0; i < program->njoins; i++) {
        pf_code_free(program->joins[i].code, program->joins[i].size);
    }
    pf_mem_free(program->joins);
    pf_mem_free(program->constants);
    pf_mem_free(program->columns);
    pf_mem_free(program->fetched);
    pf_mem_free(program->outputs);
    pf_mem_free(program);
}

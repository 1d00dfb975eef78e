/* Values on their way into the new function: folded, rewritten by the rules, shared, or emitted.
 *
 * Sharing is value numbering over dominating blocks: the hash chain of an instruction holds all alike, and the one
 * whose block dominates the current one is taken. A value computed twice is thereby computed once; outputs and
 * arguments are positions, so two equal outputs stay two. */
#include "rewrite_internal.h"

#include "../ir/eval.h"

#include <string.h>

bool pf_rw_dominates(const pf_rw *rw, pf_block above, pf_block below)
{
    while (rw->blocks[below].rank > rw->blocks[above].rank) {
        below = rw->blocks[below].idom;
    }
    return above == below;
}

/* ---- sharing ---- */

/* What makes two instructions alike; narrow's immediate is a note, not a meaning. No two counters are. */
static int64_t immediate(const pf_inst *inst)
{
    bool matters = inst->op == PF_OP_is_kind || inst->op == PF_OP_large;
    return matters ? inst->imm.i : inst->op == PF_OP_rank ? inst->imm.k : 0;
}

static uint32_t bucket(const pf_inst *inst)
{
    uint32_t h = inst->op * 31u + inst->kinds;
    h = (h ^ inst->a) * 2654435761u;
    h = (h ^ inst->b) * 2654435761u;
    h = (h ^ inst->c ^ (uint32_t)immediate(inst)) * 2654435761u;
    return h >> 24;
}

static bool alike(const pf_inst *x, const pf_inst *y)
{
    return x->op == y->op && x->kinds == y->kinds && x->a == y->a && x->b == y->b && x->c == y->c &&
           immediate(x) == immediate(y);
}

void pf_rw_note(pf_rw *rw, pf_ref ref)
{
    while (rw->nvalues <= ref) {
        if (rw->nvalues == rw->cap_values) {
            uint32_t cap = rw->cap_values < 64 ? 128 : rw->cap_values * 2;
            pf_made_value *room = pf_arena_alloc(&rw->tmp, cap * sizeof *room);
            if (room == NULL) {
                rw->failed = true;
                return;
            }
            if (rw->nvalues > 0) {
                memcpy(room, rw->values, rw->nvalues * sizeof *room);
            }
            rw->values = room;
            rw->cap_values = cap;
        }
        rw->values[rw->nvalues++] = (pf_made_value){.where = 0}; /* values of the whole function: the entry block */
    }
    pf_ref *chain = &rw->chains[bucket(&rw->fn->insts[ref])];
    rw->values[ref] = (pf_made_value){.where = rw->at, .next = *chain};
    *chain = ref;
}

static pf_ref computed_before(const pf_rw *rw, const pf_inst *inst)
{
    for (pf_ref r = rw->chains[bucket(inst)]; r != PF_NOREF; r = rw->values[r].next) {
        if (alike(&rw->fn->insts[r], inst) && pf_rw_dominates(rw, rw->values[r].where, rw->at)) {
            return r;
        }
    }
    return PF_NOREF;
}

/* a op b == b op a, NaN's bits included: float arithmetic takes the payload of its first NaN. */
static bool exchangeable(const pf_rw *rw, const pf_inst *inst)
{
    bool test = inst->op == PF_OP_eq || inst->op == PF_OP_ne;
    return (pf_ops[inst->op].laws & PF_LAW_COMM) && (test || rw->fn->insts[inst->a].kinds != PF_K_F64);
}

static pf_ref share_or_emit(pf_rw *rw, const pf_inst *inst)
{
    if (pf_rw_on(rw, PF_RULE_common_subexpressions)) {
        pf_inst turned = *inst;
        turned.a = inst->b;
        turned.b = inst->a;
        pf_ref before = computed_before(rw, inst);
        if (before == PF_NOREF && exchangeable(rw, inst)) {
            before = computed_before(rw, &turned);
        }
        if (before != PF_NOREF) {
            pf_rw_fired(rw, PF_RULE_common_subexpressions);
            return before;
        }
    }
    pf_ref ref = pf_ir_emit(rw->fn, inst);
    if (ref != PF_NOREF) {
        pf_rw_note(rw, ref);
    }
    return ref;
}

/* ---- folding ---- */

static bool fold(pf_rw *rw, const pf_inst *inst, pf_ref *out)
{
    pf_scalar operands[3] = {0}, result;
    pf_ref refs[3] = {inst->a, inst->b, inst->c};
    if (!pf_rw_on(rw, PF_RULE_fold_constants) || (pf_ops[inst->op].laws & PF_LAW_LIBM) || pf_ops[inst->op].arity == 0) {
        return false;
    }
    for (int i = 0; i < pf_ops[inst->op].arity; i++) {
        const pf_inst *operand = &rw->fn->insts[refs[i]];
        if (operand->op != PF_OP_const || operand->kinds == PF_K_STR) {
            return false;
        }
        operands[i] = (pf_scalar){.kind = operand->kinds, .u.i = operand->imm.i};
    }
    if (pf_eval_op(inst, operands, NULL, &result) != 0) {
        return false;
    }
    switch (result.kind) {
    case PF_K_I64:
        *out = pf_ir_const_i64(rw->fn, result.u.i);
        break;
    case PF_K_F64:
        *out = pf_ir_const_f64(rw->fn, result.u.f);
        break;
    case PF_K_BOOL:
        *out = pf_ir_const_bool(rw->fn, result.u.i != 0);
        break;
    default:
        return false;
    }
    pf_rw_fired(rw, PF_RULE_fold_constants);
    return true;
}

/* ---- kinds ---- */

/* What is asked of a condition whose truth is known, and of the conditions it implies. */
typedef struct question {
    pf_ref value;   /* whose kinds, or whose truth */
    pf_kinds kinds; /* those left */
    int truth;
} question;

static void learn(const pf_rw *rw, pf_ref cond, bool truth, question *q)
{
    const pf_inst *inst = &rw->fn->insts[cond];
    if (cond == q->value) {
        q->truth = truth;
    }
    if (inst->op == PF_OP_is_kind && inst->a == q->value) {
        q->kinds &= (pf_kinds)(truth ? inst->imm.i : ~inst->imm.i);
    } else if (inst->op == PF_OP_not) {
        learn(rw, inst->a, !truth, q);
    } else if (inst->op == (truth ? PF_OP_and : PF_OP_or) && inst->kinds == PF_K_BOOL) {
        learn(rw, inst->a, truth, q);
        learn(rw, inst->b, truth, q);
    }
}

static question ask(const pf_rw *rw, pf_ref value)
{
    question q = {.value = value, .kinds = rw->fn->insts[value].kinds, .truth = -1};
    for (pf_block b = rw->at; b != 0; b = rw->blocks[b].idom) {
        if (rw->blocks[b].fact != PF_NOREF) {
            learn(rw, rw->blocks[b].fact, rw->blocks[b].fact_value, &q);
        }
    }
    return q;
}

int pf_rw_known_truth(const pf_rw *rw, pf_ref cond)
{
    const pf_inst *inst = &rw->fn->insts[cond];
    return inst->op == PF_OP_const ? inst->imm.i != 0 : ask(rw, cond).truth;
}

static bool kind_known(pf_rw *rw, pf_inst *inst, pf_ref *out)
{
    if (!pf_rw_on(rw, PF_RULE_kind_known)) {
        return false;
    }
    pf_kinds kinds = ask(rw, inst->a).kinds;
    if (inst->op == PF_OP_is_kind) {
        bool yes = (kinds & (pf_kinds)~inst->imm.i) == 0, no = (kinds & inst->imm.i) == 0;
        if (yes || no) {
            pf_rw_fired(rw, PF_RULE_kind_known);
            *out = pf_ir_const_bool(rw->fn, yes && !no);
        }
        return yes || no;
    }
    if (rw->fn->insts[inst->a].kinds == inst->kinds) {
        pf_rw_fired(rw, PF_RULE_kind_known);
        *out = inst->a;
        return true;
    }
    if ((kinds & (pf_kinds)~inst->kinds) == 0 && inst->imm.i == 0) { /* it cannot bail: noted for dead_values */
        pf_rw_fired(rw, PF_RULE_kind_known);
        inst->imm.i = 1;
    }
    return false;
}

/* ---- all of it ---- */

pf_ref pf_rw_simplify(pf_rw *rw, const pf_inst *original)
{
    pf_inst inst = *original;
    pf_ref out;
    if (rw->fn->failed || rw->failed) {
        return PF_NOREF;
    }
    if ((inst.op == PF_OP_is_kind || inst.op == PF_OP_narrow) && kind_known(rw, &inst, &out)) {
        return out;
    }
    if (fold(rw, &inst, &out) || pf_rw_apply_rules(rw, &inst, &out)) {
        return out;
    }
    return share_or_emit(rw, &inst);
}

static pf_ref pinned(pf_rw *rw, const pf_inst *inst)
{
    switch (inst->op) {
    case PF_OP_param:
        return pf_ir_param(rw->fn, inst->imm.k);
    case PF_OP_column:
        return pf_ir_column(rw->fn, inst->imm.k);
    case PF_OP_row:
        return pf_ir_row(rw->fn);
    default:
        break;
    }
    switch (inst->kinds) {
    case PF_K_I64:
        return pf_ir_const_i64(rw->fn, inst->imm.i);
    case PF_K_F64:
        return pf_ir_const_f64(rw->fn, inst->imm.f);
    case PF_K_BOOL:
        return pf_ir_const_bool(rw->fn, inst->imm.i != 0);
    case PF_K_STR:
        return pf_ir_const_str(rw->fn, inst->imm.k);
    default:
        return pf_ir_const_none(rw->fn);
    }
}

pf_ref pf_rw_value(pf_rw *rw, pf_ref old)
{
    while (rw->same[old] != PF_NOREF) {
        old = rw->same[old];
    }
    if (rw->map[old] == PF_NOREF && pf_ir_is_pinned(rw->old->insts[old].op)) {
        rw->map[old] = pinned(rw, &rw->old->insts[old]);
    }
    return rw->map[old];
}

/* What a round has to know of the old function before it builds the new one.
 *
 * Edges go forward, so one walk from the end settles which values live: whatever a value is used by stands after it.
 * `ways` counts the edges into a block as the round will draw them, that is with empty blocks jumped over; a block
 * with one way may be moved into the block it comes from. */
#include "rewrite_internal.h"

const pf_inst *pf_rw_terminator(const pf_fn *fn, pf_block block)
{
    return &fn->insts[fn->blocks[block].end - 1];
}

static bool const_divisor(const pf_fn *fn, const pf_inst *inst, pf_kinds kinds)
{
    const pf_inst *b = &fn->insts[inst->b];
    if (b->op != PF_OP_const) {
        return false;
    }
    if (kinds == PF_K_F64) {
        return b->imm.f != 0.0;
    }
    return b->imm.i != 0 && (inst->op == PF_OP_mod || (inst->op == PF_OP_fdiv && b->imm.i != -1));
}

bool pf_rw_can_bail(const pf_fn *fn, const pf_inst *inst)
{
    pf_kinds kinds = fn->insts[inst->a].kinds;
    if (pf_ops[inst->op].bails == 0 || inst->op == PF_OP_column) {
        return false;
    }
    switch (inst->op) {
    case PF_OP_add:
    case PF_OP_sub:
    case PF_OP_mul:
    case PF_OP_neg:
    case PF_OP_abs:
        return kinds != PF_K_F64;
    case PF_OP_div:
    case PF_OP_fdiv:
    case PF_OP_mod:
        return !const_divisor(fn, inst, kinds);
    case PF_OP_shr:
        return fn->insts[inst->b].op != PF_OP_const || fn->insts[inst->b].imm.i < 0;
    case PF_OP_narrow:
        return inst->imm.i == 0;
    case PF_OP_large: /* a constant: only those who use it can fail */
        return false;
    default:
        return true;
    }
}

bool pf_rw_is_empty(const pf_fn *fn, pf_block block)
{
    const pf_block_info *info = &fn->blocks[block];
    return block != 0 && info->end - info->first == info->nargs + 1;
}

bool pf_rw_jumps_on(const pf_rw *rw, pf_block block)
{
    return pf_rw_on(rw, PF_RULE_thread_jumps) && pf_rw_is_empty(rw->old, block) && rw->own_args[block] &&
           pf_rw_terminator(rw->old, block)->op == PF_OP_jump;
}

/* ---- walks ---- */

/* Calls visit(rw, user, used) for everything an instruction uses. */
static void each_use(pf_rw *rw, pf_ref user, void (*visit)(pf_rw *rw, pf_ref user, pf_ref used))
{
    const pf_inst *inst = &rw->old->insts[user];
    pf_ref operands[3] = {inst->a, inst->b, inst->c};
    for (int i = 0; i < 3 && operands[i] != PF_NOREF; i++) {
        visit(rw, user, operands[i]);
    }
    pf_edge edges[2];
    uint32_t n = pf_ir_edges(rw->old, inst, edges);
    for (uint32_t e = 0; e < n; e++) {
        for (uint32_t i = 0; i < edges[e].nargs; i++) {
            visit(rw, user, edges[e].args[i]);
        }
    }
    for (uint32_t i = 0; inst->op == PF_OP_yield && i < inst->imm.p.count; i++) {
        visit(rw, user, rw->old->pool[inst->imm.p.first + i]);
    }
}

static void note_owner(pf_rw *rw, pf_ref user, pf_ref used)
{
    if (rw->old->insts[used].op == PF_OP_arg && rw->where[user] != rw->where[used]) {
        rw->own_args[rw->where[used]] = false;
    }
}

static void keep_alive(pf_rw *rw, pf_ref user, pf_ref used)
{
    (void)user;
    rw->live[used] = true;
}

/* Arguments of an edge live as the arguments they become. */
static void keep_edges_alive(pf_rw *rw, const pf_inst *inst)
{
    pf_edge edges[2];
    uint32_t n = pf_ir_edges(rw->old, inst, edges);
    for (uint32_t e = 0; e < n; e++) {
        for (uint32_t i = 0; i < edges[e].nargs; i++) {
            rw->live[edges[e].args[i]] |= rw->live[rw->old->blocks[edges[e].to].first + i];
        }
    }
}

static void find_live(pf_rw *rw)
{
    bool all = !pf_rw_on(rw, PF_RULE_dead_values);
    for (pf_ref r = rw->old->ninsts - 1; r > 0; r--) {
        const pf_inst *inst = &rw->old->insts[r];
        bool checked = inst->op == PF_OP_column && rw->old->columns[inst->imm.k].checked;
        rw->live[r] |= all || inst->kinds == 0 || checked || inst->op == PF_OP_rank || pf_rw_can_bail(rw->old, inst);
        if (!rw->live[r]) {
            continue;
        }
        if (inst->op == PF_OP_jump || inst->op == PF_OP_branch) {
            if (inst->a != PF_NOREF) {
                rw->live[inst->a] = true;
            }
            keep_edges_alive(rw, inst);
        } else {
            each_use(rw, r, keep_alive);
        }
    }
}

/* An argument that is handed the same value on every edge; the kinds have to be the argument's own, so that no value
 * changes its kinds by being replaced. */
static void find_same(pf_rw *rw)
{
    const pf_fn *fn = rw->old;
    enum { UNSEEN = PF_NOREF };
    for (pf_block b = 0; b < fn->nblocks; b++) {
        pf_edge edges[2];
        uint32_t n = pf_ir_edges(fn, pf_rw_terminator(fn, b), edges);
        for (uint32_t e = 0; e < n; e++) {
            for (uint32_t i = 0; i < edges[e].nargs; i++) {
                pf_ref arg = fn->blocks[edges[e].to].first + i, value = edges[e].args[i];
                bool fits = fn->insts[value].kinds == fn->insts[arg].kinds;
                /* its own number stands for "differs" until the end */
                rw->same[arg] = fits && (rw->same[arg] == UNSEEN || rw->same[arg] == value) ? value : arg;
            }
        }
    }
    for (pf_ref r = 1; r < fn->ninsts; r++) {
        if (rw->same[r] == r || !pf_rw_on(rw, PF_RULE_same_arguments)) {
            rw->same[r] = PF_NOREF;
        } else if (rw->same[r] != PF_NOREF) {
            pf_rw_fired(rw, PF_RULE_same_arguments);
            note_owner(rw, r, rw->same[r]); /* who uses r uses that now */
        }
    }
}

/* Of blocks alike the last stands for all, so that edges still go forward. */
static void find_end_like(pf_rw *rw)
{
    const pf_fn *fn = rw->old;
    pf_block last[2] = {PF_NOBLOCK, PF_NOBLOCK};
    for (pf_block b = fn->nblocks; b-- > 0;) {
        uint8_t op = pf_rw_terminator(fn, b)->op;
        rw->end_like[b] = b;
        if ((op != PF_OP_end && op != PF_OP_stop) || !pf_rw_is_empty(fn, b) || fn->blocks[b].nargs > 0 ||
            !pf_rw_on(rw, PF_RULE_thread_jumps)) {
            continue;
        }
        pf_block *one = &last[op == PF_OP_stop];
        *one = *one == PF_NOBLOCK ? b : *one;
        rw->end_like[b] = *one;
    }
}

pf_block pf_rw_lands(const pf_rw *rw, pf_block to)
{
    while (pf_rw_jumps_on(rw, to)) {
        pf_edge on[2];
        (void)pf_ir_edges(rw->old, pf_rw_terminator(rw->old, to), on);
        to = on[0].to;
    }
    return rw->end_like[to];
}

static void count_ways(pf_rw *rw)
{
    for (pf_block b = 0; b < rw->old->nblocks; b++) {
        pf_edge edges[2];
        uint32_t n = pf_rw_jumps_on(rw, b) ? 0 : pf_ir_edges(rw->old, pf_rw_terminator(rw->old, b), edges);
        for (uint32_t e = 0; e < n; e++) {
            rw->ways[pf_rw_lands(rw, edges[e].to)]++;
        }
    }
}

pf_status pf_rw_analyse(pf_rw *rw)
{
    const pf_fn *fn = rw->old;
    rw->live = pf_arena_alloc(&rw->tmp, fn->ninsts * sizeof *rw->live);
    rw->same = pf_arena_alloc(&rw->tmp, fn->ninsts * sizeof *rw->same);
    rw->where = pf_arena_alloc(&rw->tmp, fn->ninsts * sizeof *rw->where);
    rw->own_args = pf_arena_alloc(&rw->tmp, fn->nblocks * sizeof *rw->own_args);
    rw->end_like = pf_arena_alloc(&rw->tmp, fn->nblocks * sizeof *rw->end_like);
    rw->ways = pf_arena_alloc(&rw->tmp, fn->nblocks * sizeof *rw->ways);
    if (rw->live == NULL || rw->same == NULL || rw->where == NULL || rw->own_args == NULL || rw->end_like == NULL ||
        rw->ways == NULL) {
        return PF_NOMEM;
    }
    for (pf_block b = 0; b < fn->nblocks; b++) {
        rw->own_args[b] = true;
        for (pf_ref r = fn->blocks[b].first; r < fn->blocks[b].end; r++) {
            rw->where[r] = b;
        }
    }
    for (pf_ref r = 1; r < fn->ninsts; r++) {
        each_use(rw, r, note_owner);
    }
    find_same(rw);
    find_live(rw);
    find_end_like(rw);
    count_ways(rw);
    return PF_OK;
}

/* Terminators on their way into the new function: jumps shortened, blocks joined, branches decided or made values.
 *
 * A `way` is an edge as the new function will have it: empty blocks are jumped over, and its arguments are new values
 * (PF_NOREF for those that the target no longer takes). A block may be taken into the one before it when a single way
 * leads to it; `ways` is counted beforehand, and a way found only while building (a constant decides an empty
 * block's branch) is added at once, which is early enough, as all blocks that lead there still lie ahead. */
#include "rewrite_internal.h"

enum {
    MAX_ARM = 8,    /* instructions in a block that is computed by all rows */
    MAX_SPENT = 16, /* instructions that one branch may make all rows compute */
    MAX_SELECTS = 4
};

typedef struct way {
    pf_block to; /* old block */
    pf_ref *args;
} way;

static pf_ref argument(const pf_rw *rw, pf_block block, uint32_t i)
{
    return rw->old->blocks[block].first + i;
}

/* Arguments that nobody uses, or that are some other value anyway, are dropped from blocks and edges. */
static bool kept(const pf_rw *rw, pf_block block, uint32_t i)
{
    return rw->live[argument(rw, block, i)] && rw->same[argument(rw, block, i)] == PF_NOREF;
}

static uint32_t count_kept(const pf_rw *rw, pf_block block)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < rw->old->blocks[block].nargs; i++) {
        n += kept(rw, block, i);
    }
    return n;
}

/* ---- ways ---- */

static void land(pf_rw *rw, const pf_edge *edge, way *out)
{
    out->to = edge->to;
    out->args = pf_arena_alloc(&rw->tmp, (edge->nargs + 1) * sizeof *out->args);
    for (uint32_t i = 0; out->args != NULL && i < edge->nargs; i++) {
        out->args[i] = kept(rw, edge->to, i) ? pf_rw_value(rw, edge->args[i]) : PF_NOREF;
    }
    rw->failed |= out->args == NULL;
}

static void bind(pf_rw *rw, const way *w)
{
    for (uint32_t i = 0; i < rw->old->blocks[w->to].nargs; i++) {
        if (kept(rw, w->to, i)) {
            rw->map[argument(rw, w->to, i)] = w->args[i];
        }
    }
}

/* An empty block that branches on an argument of its own, handed a constant: which edge is taken. */
static bool decided(const pf_rw *rw, const way *w, uint32_t *edge)
{
    const pf_inst *last = pf_rw_terminator(rw->old, w->to);
    if (last->op != PF_OP_branch || !pf_rw_is_empty(rw->old, w->to) || !rw->own_args[w->to] ||
        !pf_rw_on(rw, PF_RULE_thread_jumps)) {
        return false;
    }
    uint32_t i = last->a - argument(rw, w->to, 0);
    if (i >= rw->old->blocks[w->to].nargs || !kept(rw, w->to, i)) {
        return false;
    }
    const pf_inst *value = &rw->fn->insts[w->args[i]];
    *edge = value->imm.i == 0;
    return value->op == PF_OP_const;
}

static way resolve(pf_rw *rw, const pf_edge *edge)
{
    way w;
    bool unforeseen = false;
    land(rw, edge, &w);
    while (!rw->failed && !rw->fn->failed) {
        uint32_t which = 0;
        pf_edge on[2];
        bool by_constant = decided(rw, &w, &which);
        if (!by_constant && !pf_rw_jumps_on(rw, w.to)) {
            break;
        }
        unforeseen |= by_constant;
        pf_rw_fired(rw, PF_RULE_thread_jumps);
        bind(rw, &w);
        (void)pf_ir_edges(rw->old, pf_rw_terminator(rw->old, w.to), on);
        land(rw, &on[which], &w);
    }
    if (rw->end_like[w.to] != w.to) {
        pf_rw_fired(rw, PF_RULE_thread_jumps);
        w.to = rw->end_like[w.to];
    }
    rw->ways[w.to] += unforeseen;
    return w;
}

/* Whether the block at the end of a way may become part of the current one. */
static bool joins(const pf_rw *rw, const way *w)
{
    for (uint32_t i = 0; i < rw->old->blocks[w->to].nargs; i++) {
        if (kept(rw, w->to, i) && rw->fn->insts[w->args[i]].kinds != rw->old->blocks[w->to].arg_kinds[i]) {
            return false;
        }
    }
    return rw->ways[w->to] == 1;
}

/* ---- bodies ---- */

/* range_stride: on the rows that stay the test and the remainder are known. */
static bool given(pf_rw *rw, pf_ref old)
{
    const pf_stride *s = rw->stride;
    if (old == s->test) {
        rw->map[old] = pf_ir_const_bool(rw->fn, s->keep);
    } else if (old == rw->old->insts[s->test].a) {
        rw->map[old] =
            s->residue_is_param ? pf_ir_param(rw->fn, (uint32_t)s->residue) : pf_ir_const_i64(rw->fn, s->residue);
    }
    return old == s->test || old == rw->old->insts[s->test].a;
}

static void copy_inst(pf_rw *rw, pf_ref old)
{
    pf_inst inst = rw->old->insts[old];
    if (pf_ir_is_pinned(inst.op)) {
        if (!rw->live[old] && inst.op == PF_OP_column) {
            pf_rw_fired(rw, PF_RULE_dead_values);
        } else if (inst.op == PF_OP_column || !pf_rw_on(rw, PF_RULE_dead_values)) {
            (void)pf_rw_value(rw, old);
        }
        return;
    }
    if (rw->stride != NULL && given(rw, old)) {
        return;
    }
    if (!rw->live[old]) {
        pf_rw_fired(rw, PF_RULE_dead_values);
        return;
    }
    pf_ref *operands[3] = {&inst.a, &inst.b, &inst.c};
    for (int i = 0; i < pf_ops[inst.op].arity; i++) {
        *operands[i] = pf_rw_value(rw, *operands[i]);
    }
    rw->map[old] = pf_rw_simplify(rw, &inst);
}

static void copy_body(pf_rw *rw, pf_block block)
{
    const pf_block_info *info = &rw->old->blocks[block];
    for (pf_ref r = info->first + info->nargs; r + 1 < info->end; r++) {
        copy_inst(rw, r);
    }
}

/* Takes the block at the end of a way into the current one, its terminator aside. */
static void take_in(pf_rw *rw, const way *w)
{
    bind(rw, w);
    copy_body(rw, w->to);
}

/* The size of a block that all rows may compute, or -1. str is never computed for rows that did not ask for it. */
static int movable_size(const pf_rw *rw, const way *w)
{
    const pf_block_info *info = &rw->old->blocks[w->to];
    int size = 0;
    if (w->to == 0 || !joins(rw, w)) {
        return -1;
    }
    for (pf_ref r = info->first + info->nargs; r + 1 < info->end; r++) {
        const pf_inst *inst = &rw->old->insts[r];
        if (!rw->live[r]) {
            continue;
        }
        if (!(pf_ops[inst->op].laws & PF_LAW_CHEAP) || pf_rw_can_bail(rw->old, inst) || inst->op == PF_OP_narrow ||
            rw->old->insts[inst->a].kinds == PF_K_STR || ++size > MAX_ARM) {
            return -1;
        }
    }
    return size;
}

/* ---- edges ---- */

static pf_block meet(const pf_rw *rw, pf_block a, pf_block b)
{
    while (a != b) {
        if (rw->blocks[a].rank > rw->blocks[b].rank) {
            a = rw->blocks[a].idom;
        } else {
            b = rw->blocks[b].idom;
        }
    }
    return a;
}

/* The new block of an old one, with an edge from the current block; the edge's arguments are moved together. */
static pf_block draw_edge(pf_rw *rw, way *w, uint32_t *nargs, pf_ref fact, bool fact_value)
{
    const pf_block_info *info = &rw->old->blocks[w->to];
    pf_kinds *kinds = pf_arena_alloc(&rw->tmp, info->nargs + 1);
    rw->failed |= kinds == NULL;
    *nargs = 0;
    for (uint32_t i = 0; i < info->nargs && kinds != NULL; i++) {
        if (kept(rw, w->to, i)) {
            kinds[*nargs] = info->arg_kinds[i];
            w->args[(*nargs)++] = w->args[i];
        }
    }
    if (rw->made[w->to] == PF_NOBLOCK) {
        rw->made[w->to] = pf_ir_block(rw->fn, *nargs, kinds);
        if (*nargs < info->nargs && !rw->fn->failed) {
            pf_rw_fired(rw, PF_RULE_dead_values);
        }
    }
    pf_made_block *to = &rw->blocks[rw->made[w->to]];
    to->idom = to->nedges == 0 ? rw->at : meet(rw, to->idom, rw->at);
    to->fact = to->nedges == 0 ? fact : PF_NOREF;
    to->fact_value = fact_value;
    to->nedges++;
    return rw->made[w->to];
}

static void draw_jump(pf_rw *rw, way *w)
{
    const pf_inst *last = pf_rw_terminator(rw->old, w->to);
    uint32_t nargs;
    if (pf_rw_is_empty(rw->old, w->to) && pf_rw_on(rw, PF_RULE_thread_jumps) &&
        (last->op == PF_OP_end || last->op == PF_OP_stop)) {
        pf_rw_fired(rw, PF_RULE_thread_jumps);
        (last->op == PF_OP_end ? pf_ir_end : pf_ir_stop)(rw->fn);
        return;
    }
    pf_block to = draw_edge(rw, w, &nargs, PF_NOREF, false);
    pf_ir_jump(rw->fn, to, nargs, w->args);
}

static void draw_branch(pf_rw *rw, pf_ref cond, way *yes, way *no)
{
    uint32_t nyes, nno;
    pf_block to_yes = draw_edge(rw, yes, &nyes, cond, true);
    pf_block to_no = draw_edge(rw, no, &nno, cond, false);
    pf_ir_branch(rw->fn, cond, to_yes, nyes, yes->args, to_no, nno, no->args);
}

/* ---- branches ---- */

typedef struct fork {
    pf_ref cond;
    way yes, no;
    int spent;
} fork;

static pf_ref op(pf_rw *rw, pf_op op, pf_ref a, pf_ref b)
{
    return pf_rw_simplify(rw, &(pf_inst){.op = (uint8_t)op, .kinds = PF_K_BOOL, .a = a, .b = b});
}

/* Both edges lead to one block and hand it different values there. */
static bool differs(const pf_rw *rw, const fork *f, uint32_t i)
{
    pf_ref a = f->yes.args[i], b = f->no.args[i];
    pf_kinds kinds = rw->fn->insts[a].kinds | rw->fn->insts[b].kinds;
    return kept(rw, f->yes.to, i) && a != b && kinds != PF_K_NONE;
}

/* How many arguments differ, or -1 when one of them cannot be a select. */
static int count_differing(const pf_rw *rw, const fork *f)
{
    int n = 0;
    for (uint32_t i = 0; i < rw->old->blocks[f->yes.to].nargs; i++) {
        if (differs(rw, f, i)) {
            pf_kinds a = rw->fn->insts[f->yes.args[i]].kinds, b = rw->fn->insts[f->no.args[i]].kinds;
            if (!pf_kinds_single(a) || a != b) {
                return -1;
            }
            n++;
        }
    }
    return n;
}

/* Turns a branch both of whose edges lead to one block into a jump there, with selects for arguments. */
static bool join_edges(pf_rw *rw, fork *f)
{
    int n = f->yes.to == f->no.to ? count_differing(rw, f) : -1;
    if (n < 0 || n > MAX_SELECTS || !pf_rw_on(rw, PF_RULE_if_convert)) {
        return false;
    }
    for (uint32_t i = 0; i < rw->old->blocks[f->yes.to].nargs; i++) {
        if (differs(rw, f, i)) {
            pf_ref a = f->yes.args[i], b = f->no.args[i];
            pf_inst inst = {.op = PF_OP_select, .kinds = rw->fn->insts[a].kinds, .a = f->cond, .b = a, .c = b};
            f->yes.args[i] = pf_rw_simplify(rw, &inst);
        }
    }
    pf_rw_fired(rw, PF_RULE_if_convert);
    return true;
}

static bool selectable(const pf_rw *rw, pf_block block)
{
    for (uint32_t i = 0; i < rw->old->blocks[block].nargs; i++) {
        if (kept(rw, block, i) && !pf_kinds_single(rw->old->blocks[block].arg_kinds[i])) {
            return false;
        }
    }
    return count_kept(rw, block) <= MAX_SELECTS;
}

/* An arm: a block that only computes a little and jumps. Its landing block, or PF_NOBLOCK. */
static pf_block arm(const pf_rw *rw, const way *w, int *size)
{
    const pf_inst *last = pf_rw_terminator(rw->old, w->to);
    pf_edge on[2];
    *size = movable_size(rw, w);
    if (*size < 0 || last->op != PF_OP_jump) {
        return PF_NOBLOCK;
    }
    (void)pf_ir_edges(rw->old, last, on);
    return pf_rw_lands(rw, on[0].to);
}

static void take_arm(pf_rw *rw, way *w)
{
    pf_edge on[2];
    take_in(rw, w);
    (void)pf_ir_edges(rw->old, pf_rw_terminator(rw->old, w->to), on);
    *w = resolve(rw, &on[0]);
}

/* A diamond or a triangle: the arms are computed here and both edges lead to where they meet. */
static bool take_arms(pf_rw *rw, fork *f)
{
    int yes_size, no_size;
    if (!pf_rw_on(rw, PF_RULE_if_convert)) {
        return false;
    }
    pf_block after_yes = arm(rw, &f->yes, &yes_size), after_no = arm(rw, &f->no, &no_size);
    bool take_yes = after_yes != PF_NOBLOCK && (after_yes == f->no.to || after_yes == after_no);
    bool take_no = after_no != PF_NOBLOCK && (after_no == f->yes.to || after_no == after_yes);
    int size = (take_yes ? yes_size : 0) + (take_no ? no_size : 0);
    pf_block join = take_yes ? after_yes : after_no;
    if ((!take_yes && !take_no) || f->spent + size > MAX_SPENT || !selectable(rw, join)) {
        return false;
    }
    if (take_yes) {
        take_arm(rw, &f->yes);
    }
    if (take_no) {
        take_arm(rw, &f->no);
    }
    f->spent += size + 1;
    pf_rw_fired(rw, PF_RULE_if_convert);
    return true;
}

/* One edge leads to a second, cheap test that shares the other edge's target: one test of both.
 *     branch c, A, Z;  A: branch d, X, Z   ->  branch c and d, X, Z
 *     branch c, A, X;  A: branch d, X, Z   ->  branch not c or d, X, Z
 *     branch c, X, A;  A: branch d, X, Z   ->  branch c or d, X, Z
 *     branch c, Z, A;  A: branch d, X, Z   ->  branch not c and d, X, Z */
static bool take_test(pf_rw *rw, fork *f, bool at_yes)
{
    way *test = at_yes ? &f->yes : &f->no;
    pf_block other = at_yes ? f->no.to : f->yes.to;
    const pf_inst *last = pf_rw_terminator(rw->old, test->to);
    int size = movable_size(rw, test);
    if (!pf_rw_on(rw, PF_RULE_short_circuit) || size < 0 || f->spent + size > MAX_SPENT || last->op != PF_OP_branch ||
        count_kept(rw, other) > 0) {
        return false;
    }
    pf_edge on[2];
    (void)pf_ir_edges(rw->old, last, on);
    bool shares_yes = pf_rw_lands(rw, on[0].to) == other, shares_no = pf_rw_lands(rw, on[1].to) == other;
    if (shares_yes == shares_no) {
        return false;
    }
    take_in(rw, test);
    pf_ref second = pf_rw_value(rw, last->a), first = f->cond;
    if (at_yes ? shares_yes : shares_no) {
        first = op(rw, PF_OP_not, first, PF_NOREF);
    }
    f->cond = op(rw, shares_yes ? PF_OP_or : PF_OP_and, first, second);
    f->yes = resolve(rw, &on[0]);
    f->no = resolve(rw, &on[1]);
    f->spent += size + 1;
    pf_rw_fired(rw, PF_RULE_short_circuit);
    return true;
}

static void strip_not(pf_rw *rw, fork *f)
{
    while (rw->fn->insts[f->cond].op == PF_OP_not && pf_rw_on(rw, PF_RULE_branch_not)) {
        way yes = f->yes;
        f->cond = rw->fn->insts[f->cond].a;
        f->yes = f->no;
        f->no = yes;
        pf_rw_fired(rw, PF_RULE_branch_not);
    }
}

/* True: the branch is a jump, *out. False: it has been drawn. */
static bool choose(pf_rw *rw, const pf_inst *last, way *out)
{
    pf_edge edges[2];
    fork f = {.cond = pf_rw_value(rw, last->a)};
    (void)pf_ir_edges(rw->old, last, edges);
    f.yes = resolve(rw, &edges[0]);
    f.no = resolve(rw, &edges[1]);
    while (!rw->failed && !rw->fn->failed) {
        strip_not(rw, &f);
        int truth = pf_rw_on(rw, PF_RULE_branch_known) ? pf_rw_known_truth(rw, f.cond) : -1;
        if (truth >= 0) {
            pf_rw_fired(rw, PF_RULE_branch_known);
        }
        if (truth >= 0 || join_edges(rw, &f)) {
            *out = truth == 0 ? f.no : f.yes;
            return true;
        }
        if (!take_arms(rw, &f) && !take_test(rw, &f, true) && !take_test(rw, &f, false)) {
            draw_branch(rw, f.cond, &f.yes, &f.no);
            return false;
        }
    }
    return false;
}

/* ---- blocks ---- */

static void copy_last(pf_rw *rw, const pf_inst *last)
{
    pf_ref *values;
    switch (last->op) {
    case PF_OP_yield:
        values = pf_arena_alloc(&rw->tmp, (last->imm.p.count + 1) * sizeof *values);
        rw->failed |= values == NULL;
        for (uint32_t i = 0; i < last->imm.p.count && values != NULL; i++) {
            values[i] = pf_rw_value(rw, rw->old->pool[last->imm.p.first + i]);
        }
        if (values != NULL) {
            pf_ir_yield(rw->fn, last->imm.p.count, values);
        }
        break;
    case PF_OP_end:
        pf_ir_end(rw->fn);
        break;
    case PF_OP_stop:
        pf_ir_stop(rw->fn);
        break;
    default:
        pf_ir_bail(rw->fn, last->place);
        break;
    }
}

void pf_rw_fill(pf_rw *rw, pf_block old)
{
    copy_body(rw, old);
    while (!rw->failed && !rw->fn->failed) {
        const pf_inst *last = pf_rw_terminator(rw->old, old);
        way w;
        if (last->op == PF_OP_jump) {
            pf_edge edges[2];
            (void)pf_ir_edges(rw->old, last, edges);
            w = resolve(rw, &edges[0]);
        } else if (last->op != PF_OP_branch) {
            copy_last(rw, last);
            return;
        } else if (!choose(rw, last, &w)) {
            return;
        }
        if (rw->failed || rw->fn->failed) {
            return;
        }
        if (!joins(rw, &w) || !pf_rw_on(rw, PF_RULE_merge_blocks)) {
            draw_jump(rw, &w);
            return;
        }
        pf_rw_fired(rw, PF_RULE_merge_blocks);
        take_in(rw, &w);
        old = w.to;
    }
}

/* From what the builder was told to a row program in its final order.
 *
 * Blocks are put in reverse post-order, the true edge's block first, so every edge goes forward and one walk over the
 * blocks in their order sees every value before its uses. What no path reaches is left behind. Values of the whole
 * function move to the start of the entry block, which dominates everything. Nothing of the function changes before
 * all memory is at hand. */
#include "ir_internal.h"

#include <string.h>

typedef struct arrangement {
    pf_fn *fn;
    char *error;
    size_t error_size;
    pf_block *order; /* old numbers of the blocks in their new order */
    uint32_t norder;
    pf_block *number; /* new number of each old block, or PF_NOBLOCK */
    pf_ref *refs;     /* new number of each old instruction, 0 when it is gone */
    pf_inst *insts;
    uint32_t ninsts;
    pf_block_info *blocks;
    uint32_t *pool;
    uint32_t npool;
    pf_kinds *outputs;
    uint32_t noutputs;
} arrangement;

static const pf_inst *terminator(const pf_fn *fn, pf_block block)
{
    return &fn->insts[fn->blocks[block].end - 1];
}

static pf_status allocate(arrangement *m)
{
    pf_arena *arena = &m->fn->arena;
    m->order = pf_arena_alloc(arena, m->fn->nblocks * sizeof *m->order);
    m->number = pf_arena_alloc(arena, m->fn->nblocks * sizeof *m->number);
    m->refs = pf_arena_alloc(arena, m->fn->ninsts * sizeof *m->refs);
    m->insts = pf_arena_alloc(arena, m->fn->ninsts * sizeof *m->insts);
    m->blocks = pf_arena_alloc(arena, m->fn->nblocks * sizeof *m->blocks);
    m->pool = pf_arena_alloc(arena, (m->fn->npool + 1) * sizeof *m->pool);
    bool all = m->order != NULL && m->number != NULL && m->refs != NULL && m->insts != NULL && m->blocks != NULL &&
               m->pool != NULL;
    return all ? PF_OK : PF_NOMEM;
}

/* ---- order ---- */

/* Depth first with a stack of our own; a block is numbered when all it leads to is. Edges are visited false first,
 * so that reversing puts the true one first. */
static pf_status order_blocks(arrangement *m)
{
    enum { UNSEEN, OPEN, DONE };
    uint32_t n = m->fn->nblocks;
    uint8_t *state = pf_arena_alloc(&m->fn->arena, n), *visited = pf_arena_alloc(&m->fn->arena, n);
    pf_block *stack = pf_arena_alloc(&m->fn->arena, n * sizeof *stack);
    if (state == NULL || visited == NULL || stack == NULL) {
        return PF_NOMEM;
    }
    uint32_t depth = 0, done = 0;
    stack[depth++] = 0;
    state[0] = OPEN;
    while (depth > 0) {
        pf_block block = stack[depth - 1];
        if (m->fn->blocks[block].end == 0) {
            return pf_ir_invalid(m->error, m->error_size, "block %u is reached but was not filled up to a terminator",
                                 block);
        }
        pf_edge edges[2];
        uint32_t nedges = pf_ir_edges(m->fn, terminator(m->fn, block), edges);
        if (visited[block] == nedges) {
            state[block] = DONE;
            m->order[n - ++done] = block;
            depth--;
            continue;
        }
        pf_block to = edges[nedges - 1 - visited[block]++].to;
        if (to >= n) {
            return pf_ir_invalid(m->error, m->error_size, "block %u leads to block %u, which does not exist", block,
                                 to);
        }
        if (state[to] == OPEN) {
            return pf_ir_invalid(m->error, m->error_size, "blocks %u and %u lie on a cycle", to, block);
        }
        if (state[to] == UNSEEN) {
            state[to] = OPEN;
            stack[depth++] = to;
        }
    }
    memmove(m->order, m->order + (n - done), done * sizeof *m->order);
    m->norder = done;
    for (uint32_t i = 0; i < n; i++) {
        m->number[i] = PF_NOBLOCK;
    }
    for (uint32_t i = 0; i < done; i++) {
        m->number[m->order[i]] = i;
    }
    return PF_OK;
}

/* ---- instructions ---- */

static void take(arrangement *m, pf_ref old)
{
    m->refs[old] = m->ninsts;
    m->insts[m->ninsts++] = m->fn->insts[old];
}

static void take_blocks(arrangement *m)
{
    const pf_fn *fn = m->fn;
    m->ninsts = 1;
    for (uint32_t i = 0; i < m->norder; i++) {
        const pf_block_info *old = &fn->blocks[m->order[i]];
        m->blocks[i] = *old;
        m->blocks[i].first = m->ninsts;
        for (pf_ref r = 1; i == 0 && r < fn->ninsts; r++) { /* the entry block has no arguments to come before */
            if (pf_ir_is_pinned(fn->insts[r].op)) {
                take(m, r);
            }
        }
        for (pf_ref r = old->first; r < old->end; r++) {
            if (!pf_ir_is_pinned(fn->insts[r].op)) {
                take(m, r);
            }
        }
        m->blocks[i].end = m->ninsts;
    }
}

static pf_status renumber(arrangement *m, pf_ref *ref)
{
    if (*ref != PF_NOREF && m->refs[*ref] == PF_NOREF) {
        return pf_ir_invalid(m->error, m->error_size, "value %u is used where no path has computed it", *ref);
    }
    *ref = m->refs[*ref];
    return PF_OK;
}

static pf_status renumber_list(arrangement *m, const pf_ref *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        m->pool[m->npool] = list[i];
        PF_TRY(renumber(m, &m->pool[m->npool]));
        m->npool++;
    }
    return PF_OK;
}

static pf_status renumber_inst(arrangement *m, pf_inst *inst)
{
    PF_TRY(renumber(m, &inst->a));
    PF_TRY(renumber(m, &inst->b));
    PF_TRY(renumber(m, &inst->c));
    pf_edge edges[2];
    uint32_t nedges = pf_ir_edges(m->fn, inst, edges), old_first = inst->imm.p.first;
    if (nedges > 0 || inst->op == PF_OP_yield) {
        inst->imm.p.first = m->npool;
    }
    for (uint32_t i = 0; i < nedges; i++) {
        m->pool[m->npool++] = m->number[edges[i].to];
        m->pool[m->npool++] = edges[i].nargs;
        PF_TRY(renumber_list(m, edges[i].args, edges[i].nargs));
    }
    if (inst->op == PF_OP_yield) {
        PF_TRY(renumber_list(m, m->fn->pool + old_first, inst->imm.p.count));
    }
    return PF_OK;
}

/* ---- outputs ---- */

static pf_status unite_outputs(arrangement *m, const pf_inst *yield)
{
    if (m->outputs == NULL) {
        m->noutputs = yield->imm.p.count;
        m->outputs = pf_arena_alloc(&m->fn->arena, m->noutputs + 1);
        if (m->outputs == NULL) {
            return PF_NOMEM;
        }
    }
    if (yield->imm.p.count != m->noutputs) {
        return pf_ir_invalid(m->error, m->error_size, "a yield of %u values where another has %u", yield->imm.p.count,
                             m->noutputs);
    }
    for (uint32_t i = 0; i < m->noutputs; i++) {
        m->outputs[i] |= m->insts[m->pool[yield->imm.p.first + i]].kinds;
    }
    return PF_OK;
}

pf_status pf_ir_arrange(pf_fn *fn, char *error, size_t error_size)
{
    if (fn->failed) {
        return PF_NOMEM;
    }
    if (fn->misuse != NULL) {
        return pf_ir_invalid(error, error_size, "%s", fn->misuse);
    }
    arrangement m = {.fn = fn, .error = error, .error_size = error_size};
    PF_TRY(allocate(&m));
    PF_TRY(order_blocks(&m));
    take_blocks(&m);
    for (pf_ref r = 1; r < m.ninsts; r++) {
        PF_TRY(renumber_inst(&m, &m.insts[r]));
    }
    for (pf_ref r = 1; r < m.ninsts && fn->outputs == NULL; r++) {
        if (m.insts[r].op == PF_OP_yield) {
            PF_TRY(unite_outputs(&m, &m.insts[r]));
        }
    }
    fn->insts = m.insts;
    fn->ninsts = m.ninsts;
    fn->cap_insts = m.ninsts;
    fn->blocks = m.blocks;
    fn->nblocks = m.norder;
    fn->cap_blocks = m.norder;
    fn->pool = m.pool;
    fn->npool = m.npool;
    fn->cap_pool = m.npool;
    if (fn->outputs == NULL) {
        fn->outputs = m.outputs;
        fn->noutputs = m.noutputs;
    }
    fn->current = PF_NOBLOCK;
    fn->npinned = 0;
    return PF_OK;
}

pf_status pf_ir_finish(pf_fn *fn, char *error, size_t error_size)
{
    PF_TRY(pf_ir_arrange(fn, error, error_size));
    return pf_ir_verify(fn, error, error_size);
}

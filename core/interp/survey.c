/* The shape of a row program's blocks. Blocks come in reverse post-order: every edge goes forward. */
#include "lower.h"

static bool only_ends(const pf_fn *fn, const pf_block_info *block)
{
    for (pf_ref ref = block->first; ref + 1 < block->end; ref++) {
        if (fn->insts[ref].op != PF_OP_arg) {
            return false;
        }
    }
    return fn->insts[block->end - 1].op == PF_OP_end;
}

/* The closest block that dominates both. */
static uint32_t common_dominator(const block_survey *blocks, uint32_t a, uint32_t b)
{
    while (a != b) {
        if (a > b) {
            a = blocks[a].idom;
        } else {
            b = blocks[b].idom;
        }
    }
    return a;
}

static void add_edge(block_survey *blocks, uint32_t from, uint32_t to)
{
    block_survey *t = &blocks[to];
    t->idom = t->nin == 0 ? from : common_dominator(blocks, t->idom, from);
    t->nin++;
}

pf_status survey_blocks(lowering *l)
{
    const pf_fn *fn = l->fn;
    block_survey *blocks = l->blocks;
    uint32_t far = 0; /* the furthest block an edge from before here goes to */
    bool lost = false;
    for (uint32_t b = 0; b < fn->nblocks; b++) {
        blocks[b].only_ends = only_ends(fn, &fn->blocks[b]);
    }
    blocks[0].only_ends = false;
    for (uint32_t b = 0; b <= fn->nblocks; b++) {
        if ((b != 0 && blocks[b].nin == 0) || blocks[b].only_ends) {
            continue;
        }
        if (far <= b) {
            blocks[b].cut = true;
            blocks[b].lost = lost;
            lost = false;
        }
        if (b == fn->nblocks) {
            break;
        }
        const pf_inst *last = &fn->insts[fn->blocks[b].end - 1];
        pf_edge e[2];
        uint32_t nedges = pf_ir_edges(fn, last, e);
        for (uint32_t k = 0; k < nedges; k++) {
            if (e[k].to <= b || e[k].to >= fn->nblocks) {
                return PF_UNSUPPORTED;
            }
            if (blocks[e[k].to].only_ends) {
                lost = true;
                continue;
            }
            add_edge(blocks, b, e[k].to);
            far = far > e[k].to ? far : e[k].to;
        }
        if (last->op == PF_OP_yield) {
            add_edge(blocks, b, fn->nblocks);
            far = fn->nblocks;
        }
        lost = lost || last->op == PF_OP_end || last->op == PF_OP_stop;
    }
    return PF_OK;
}

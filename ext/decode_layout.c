/* The same program gets the same shape, whatever order its compiler left the blocks in.
 *
 * Wide instructions are cut into blocks; jumps become edges. Blocks that do nothing are looked through, and small
 * exits (at most EXIT_SIZE instructions, ending in a return or raise) are repeated at each edge that leads to them,
 * because the versions differ in when they do that themselves, but none repeats more than that. Then the blocks are
 * written in reverse post-order from the entry, followed by those that only exceptions reach; a JUMP is written only
 * where an edge does not lead to the next block.
 *
 *   block:  [own range] [tail: a repeated exit]  --primary-->    the true, not None, has item, only successor
 *                                                --secondary-->  the other one
 */
#include "decode_internal.h"

#include "../core/base/mem.h"

#include <string.h>

enum { EXIT_SIZE = 5, NONE = -1 };

typedef struct block {
    int first, end;         /* own wide range; a JUMP at its end is not counted */
    int count;              /* instructions it is going to have, tail included */
    int tail;               /* block of a repeated exit, or NONE */
    int primary, secondary; /* blocks, or NONE */
    int start;              /* index of its first instruction once written */
    bool exits;             /* ends in a return or raise */
    bool visited;
} block;

typedef struct layout {
    const pf_wide_code *wide;
    pf_code *out;
    block *blocks;
    int n; /* blocks, copies of exits included */
    int capacity;
    int *block_of; /* wide index -> block */
    int *order;    /* blocks as they are written */
    int placed;
    int *stack;         /* of the depth-first walk */
    int *handler_of;    /* wide handler -> handler of out, NONE: not yet used */
    int *handler_block; /* handler of out -> its block */
    int instr_capacity;
} layout;

static int block_at(const layout *l, int index)
{
    return index < 0 || index >= l->wide->n ? NONE : l->block_of[index];
}

/* Finds the end, the size and the edges of the block that starts at first. */
static void scan_block(layout *l, block *b)
{
    const pf_wide *ops = l->wide->ops;
    int i = b->first;
    for (; i < l->wide->n && (i == b->first || !ops[i].leader); i++) {
        const pf_wide *op = &ops[i];
        if (op->op == PF_BC_JUMP) {
            b->end = i;
            b->primary = block_at(l, op->target);
            return;
        }
        b->count += op->op != W_NOP;
        if (pf_wide_ends(op)) {
            b->end = i + 1;
            b->exits = op->op != PF_BC_UNKNOWN;
            return;
        }
        if (op->target >= 0) {
            bool inverted =
                (op->op == PF_BC_POP_JUMP_IF_FALSE || op->op == PF_BC_POP_JUMP_IF_NONE) && op->sub == W_INVERTED;
            b->end = i + 1;
            b->primary = block_at(l, inverted ? op->target : i + 1);
            b->secondary = block_at(l, inverted ? i + 1 : op->target);
            return;
        }
    }
    b->end = i;
    b->primary = block_at(l, i);
}

/* A block that does nothing is as good as the one behind it; a loop that does nothing stays. */
static int look_through(const layout *l, int b)
{
    for (int steps = 0; b != NONE && l->blocks[b].count == 0 && steps < l->n; steps++) {
        if (l->blocks[b].primary == NONE) {
            break;
        }
        b = l->blocks[b].primary;
    }
    return b;
}

static bool is_small_exit(const layout *l, int b)
{
    return b != NONE && l->blocks[b].exits && l->blocks[b].count <= EXIT_SIZE;
}

/* Blocks that only lead to a small exit end in a copy of it; that can make them small exits in turn. */
static void append_exits(layout *l)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (int i = 0; i < l->n; i++) {
            block *b = &l->blocks[i];
            if (b->secondary == NONE && is_small_exit(l, b->primary)) {
                b->tail = b->primary;
                b->count += l->blocks[b->tail].count;
                b->exits = true;
                b->primary = NONE;
                changed = true;
            }
        }
    }
}

/* A branch to a small exit gets a copy of its own. */
static int copy_exit(layout *l, int b)
{
    if (!is_small_exit(l, b)) {
        return b;
    }
    block copy = {.count = l->blocks[b].count, .tail = b, .primary = NONE, .secondary = NONE, .exits = true};
    l->blocks[l->n] = copy;
    return l->n++;
}

static pf_status cut_blocks(layout *l)
{
    const pf_wide_code *wide = l->wide;
    for (int i = 0; i < wide->n; i++) {
        l->n += wide->ops[i].leader;
        l->block_of[i] = l->n - 1;
    }
    l->capacity = 3 * l->n; /* every block may have two edges to copied exits */
    l->blocks = pf_mem_calloc((size_t)l->capacity, sizeof(block));
    l->order = pf_mem_calloc((size_t)l->capacity, sizeof(int));
    l->stack = pf_mem_calloc((size_t)l->capacity * 4, sizeof(int));
    if (l->blocks == NULL || l->order == NULL || l->stack == NULL) {
        return PF_NOMEM;
    }
    for (int i = 0; i < wide->n; i++) {
        if (wide->ops[i].leader) {
            block *b = &l->blocks[l->block_of[i]];
            *b = (block){.first = i, .tail = NONE, .primary = NONE, .secondary = NONE};
            scan_block(l, b);
        }
    }
    for (int i = 0; i < l->n; i++) {
        l->blocks[i].primary = look_through(l, l->blocks[i].primary);
        l->blocks[i].secondary = look_through(l, l->blocks[i].secondary);
    }
    append_exits(l);
    for (int i = 0, n = l->n; i < n; i++) {
        if (l->blocks[i].secondary != NONE) {
            l->blocks[i].primary = copy_exit(l, l->blocks[i].primary);
            l->blocks[i].secondary = copy_exit(l, l->blocks[i].secondary);
        }
    }
    return PF_OK;
}

/* Post-order from root into order[placed...], reversed at the end. The secondary edge is walked first, so that the
 * primary successor comes right behind its block where it can. A stack entry is a block, or ~block to finish it. */
static void place_from(layout *l, int root)
{
    int depth = 0, from = l->placed;
    l->stack[depth++] = root;
    while (depth > 0) {
        int b = l->stack[--depth];
        if (b < 0) {
            l->order[l->placed++] = ~b;
            continue;
        }
        if (l->blocks[b].visited) {
            continue;
        }
        l->blocks[b].visited = true;
        l->stack[depth++] = ~b;
        if (l->blocks[b].primary != NONE) {
            l->stack[depth++] = l->blocks[b].primary;
        }
        if (l->blocks[b].secondary != NONE) {
            l->stack[depth++] = l->blocks[b].secondary;
        }
    }
    for (int i = from, j = l->placed - 1; i < j; i++, j--) {
        int b = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = b;
    }
}

static int use_handler(layout *l, int wide_handler)
{
    if (wide_handler < 0) {
        return -1;
    }
    if (l->handler_of[wide_handler] == NONE) {
        int index = l->out->nhandlers++;
        l->handler_of[wide_handler] = index;
        l->handler_block[index] = look_through(l, block_at(l, l->wide->handlers[wide_handler].target));
        l->out->handlers[index] = l->wide->handlers[wide_handler];
    }
    return l->handler_of[wide_handler];
}

static pf_status append(layout *l, pf_instr instr)
{
    pf_code *out = l->out;
    if (out->n == l->instr_capacity) {
        int capacity = l->instr_capacity * 2 + 16;
        pf_instr *grown = pf_mem_realloc(out->instrs, sizeof(pf_instr) * (size_t)capacity);
        if (grown == NULL) {
            return PF_NOMEM;
        }
        out->instrs = grown;
        l->instr_capacity = capacity;
    }
    out->instrs[out->n++] = instr;
    return PF_OK;
}

static pf_status write_jump(layout *l, int lasti, int depth, int target, int flags)
{
    pf_instr jump = {
        .op = PF_BC_JUMP, .flags = (uint16_t)flags, .target = target, .handler = -1, .depth = depth, .lasti = lasti};
    return append(l, jump);
}

/* Writes the range of b and its tail. Targets are block numbers until all blocks are written. */
static pf_status write_range(layout *l, const block *b, const block *owner, int flags)
{
    for (int i = b->first; i < b->end; i++) {
        const pf_wide *op = &l->wide->ops[i];
        if (op->op == W_NOP) {
            continue;
        }
        bool branch = op->op == PF_BC_POP_JUMP_IF_FALSE || op->op == PF_BC_POP_JUMP_IF_NONE;
        pf_instr instr = {.op = op->op,
                          .sub = branch ? 0 : op->sub,
                          .flags = (uint16_t)flags,
                          .arg = op->arg,
                          .arg2 = op->arg2,
                          .target = op->target >= 0 ? owner->secondary : -1,
                          .handler = use_handler(l, op->handler),
                          .depth = op->depth,
                          .lasti = op->lasti};
        PF_TRY(append(l, instr));
        l->out->has_unknown = l->out->has_unknown || op->op == PF_BC_UNKNOWN;
    }
    return b->tail == NONE ? PF_OK : write_range(l, &l->blocks[b->tail], owner, flags);
}

static pf_status write_block(layout *l, int position, int flags)
{
    block *b = &l->blocks[l->order[position]];
    int next = position + 1 < l->placed ? l->order[position + 1] : NONE;
    pf_code *out = l->out;
    b->start = out->n;
    PF_TRY(write_range(l, b, b, flags));
    if (b->primary == NONE || b->primary == next) {
        return PF_OK;
    }
    if (out->n == b->start) { /* a loop that does nothing */
        const pf_wide *op = &l->wide->ops[b->first];
        return write_jump(l, op->lasti, op->depth < 0 ? 0 : op->depth, b->primary, flags);
    }
    int pops, pushes;
    pf_instr last = out->instrs[out->n - 1];
    pf_instr_effect(&last, false, &pops, &pushes);
    return write_jump(l, last.lasti, last.depth - pops + pushes, b->primary, flags);
}

static pf_status write_placed(layout *l, int from, int flags)
{
    for (int i = from; i < l->placed; i++) {
        PF_TRY(write_block(l, i, flags));
    }
    return PF_OK;
}

static void resolve_targets(layout *l)
{
    pf_code *out = l->out;
    for (int i = 0; i < out->n; i++) {
        pf_instr *instr = &out->instrs[i];
        int pops, pushes;
        if (instr->target >= 0) {
            instr->target = l->blocks[instr->target].start;
            instr->flags |= instr->target <= i ? PF_INSTR_BACK : 0;
            out->instrs[instr->target].flags |= PF_INSTR_LEADER;
        }
        pf_instr_effect(instr, false, &pops, &pushes);
        int depth = instr->depth - pops + pushes;
        out->max_depth = depth > out->max_depth ? depth : out->max_depth;
    }
    for (int i = 0; i < out->nhandlers; i++) {
        pf_handler *h = &out->handlers[i];
        h->target = l->blocks[l->handler_block[i]].start;
        out->instrs[h->target].flags |= PF_INSTR_LEADER;
    }
}

static pf_status place_and_write(layout *l)
{
    place_from(l, look_through(l, 0));
    PF_TRY(write_placed(l, 0, 0));
    for (int i = 0; i < l->out->nhandlers; i++) { /* grows while handlers are written */
        int from = l->placed;
        place_from(l, l->handler_block[i]);
        PF_TRY(write_placed(l, from, PF_INSTR_HANDLER));
    }
    resolve_targets(l);
    return PF_OK;
}

pf_status pf_decode_layout(const pf_wide_code *wide, pf_code *out)
{
    layout l = {.wide = wide, .out = out};
    size_t handlers = (size_t)wide->nhandlers + 1;
    pf_status status = PF_NOMEM;
    l.block_of = pf_mem_calloc((size_t)wide->n, sizeof(int));
    l.handler_of = pf_mem_alloc(handlers * sizeof(int));
    l.handler_block = pf_mem_calloc(handlers, sizeof(int));
    out->handlers = pf_mem_calloc(handlers, sizeof(pf_handler));
    if (l.block_of == NULL || l.handler_of == NULL || l.handler_block == NULL || out->handlers == NULL) {
        goto out;
    }
    for (size_t i = 0; i < handlers; i++) {
        l.handler_of[i] = NONE;
    }
    status = cut_blocks(&l);
    if (status == PF_OK) {
        status = place_and_write(&l);
    }
out:
    pf_mem_free(l.block_of);
    pf_mem_free(l.handler_of);
    pf_mem_free(l.handler_block);
    pf_mem_free(l.blocks);
    pf_mem_free(l.order);
    pf_mem_free(l.stack);
    return status;
}

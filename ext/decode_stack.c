/* The NULLs go, and calls say how they call.
 *
 * CPython passes every call a pair below its arguments: (callable, NULL) or (method, self), in an order that depends
 * on the version, and pushes the NULL far from the call. Which pair it is, is known for every instruction by walking
 * the paths with a tag per stack slot. Two walks: the first finds the tags at the start of each block until nothing
 * changes (they only ever get worse, so this ends), the second rewrites depths, calls and stack distances.
 *
 * CPython's compiler never makes paths that disagree, nor uses a NULL as a value; where hand-made bytecode does, the
 * instruction becomes UNKNOWN. */
#include "decode_internal.h"

#include "../core/base/mem.h"

#include <string.h>

enum { TAG_VALUE, TAG_NULL, TAG_METHOD, TAG_BAD };

typedef struct walker {
    pf_wide_code *wide;
    int width;         /* slots a stack may have */
    int32_t *block_of; /* wide index -> block number, -1 where no block starts */
    uint8_t *tags;     /* block number * width: the stack at its start */
    int32_t *depths;   /* block number -> raw depth at its start, -1: not reached */
    int32_t *pending;  /* wide indices of block starts to walk */
    bool *queued;      /* block number -> is pending */
    int npending;
    uint8_t *stack; /* the current one */
    uint8_t *saved;
    int depth;
} walker;

static int count_values(const uint8_t *tags, int n)
{
    int values = 0;
    for (int i = 0; i < n; i++) {
        values += tags[i] != TAG_NULL;
    }
    return values;
}

static void make_unknown(pf_wide *op)
{
    op->op = PF_BC_UNKNOWN;
    op->sub = 0;
    op->arg = -1;
    op->arg2 = 0;
    op->target = -1;
}

/* The raw effect: what the instruction does while NULLs are still there. */
static void raw_effect(const pf_wide *op, bool jump, int *pops, int *pushes)
{
    switch (op->op) {
    case W_NOP:
        *pops = *pushes = 0;
        return;
    case W_PUSH_NULL:
        *pops = 0;
        *pushes = 1;
        return;
    case PF_BC_CALL:
        *pops = op->arg + 2;
        *pushes = 1;
        return;
    case PF_BC_CALL_EX:
        *pops = op->arg + 3;
        *pushes = 1;
        return;
    default:
        pf_wide_effect(op, jump, pops, pushes);
    }
}

/* How far below the top an instruction looks, beyond what it pops. */
static int reach(const pf_wide *op)
{
    switch (op->op) {
    case PF_BC_COPY:
    case PF_BC_SWAP:
        return op->arg;
    case PF_BC_LIST_APPEND:
    case PF_BC_SET_ADD:
    case PF_BC_LIST_EXTEND:
    case PF_BC_SET_UPDATE:
    case PF_BC_DICT_UPDATE:
    case PF_BC_DICT_MERGE:
        return op->arg + 1;
    case PF_BC_MAP_ADD:
        return op->arg + 2;
    case PF_BC_WITH_EXCEPT_START:
        return 4;
    default:
        return 0;
    }
}

/* Whether the current stack is deep enough for op, and has room for what it pushes. */
static bool fits(const walker *w, const pf_wide *op, bool jump)
{
    int pops, pushes;
    if (op->op == W_NOP) {
        return true;
    }
    if (op->arg < 0 || op->arg > INT16_MAX * 1024) {
        return false;
    }
    raw_effect(op, jump, &pops, &pushes);
    return pops <= w->depth && reach(op) <= w->depth && w->depth - pops + pushes <= w->width;
}

/* Applies op to the current stack, which it fits. */
static void step(walker *w, const pf_wide *op, bool jump)
{
    int pops, pushes;
    raw_effect(op, jump, &pops, &pushes);
    if (op->op == PF_BC_SWAP && op->arg > 0) {
        uint8_t *top = &w->stack[w->depth - 1], *other = &w->stack[w->depth - op->arg], tag = *top;
        *top = *other;
        *other = tag;
        return;
    }
    w->depth -= pops;
    memset(w->stack + w->depth, op->op == W_PUSH_NULL ? TAG_NULL : TAG_VALUE, (size_t)pushes);
    if (op->op == PF_BC_COPY && op->arg > 0) {
        w->stack[w->depth] = w->stack[w->depth - op->arg];
    } else if (op->op == PF_BC_LOAD_METHOD || op->op == PF_BC_LOAD_SUPER_METHOD) {
        w->stack[w->depth] = TAG_METHOD;
    }
    w->depth += pushes;
}

/* The current stack, cut to depth and with `extra` values on top, reaches the block that starts at index. */
static void arrive(walker *w, int index, int depth, int extra)
{
    int block = w->block_of[index];
    uint8_t *tags = w->tags + (size_t)block * (size_t)w->width;
    int total = depth + extra;
    bool changed = false;
    if (depth > w->depth || total > w->width || (w->depths[block] >= 0 && w->depths[block] != total)) {
        make_unknown(&w->wide->ops[index]);
        return;
    }
    if (w->depths[block] < 0) {
        memcpy(tags, w->stack, (size_t)depth);
        memset(tags + depth, TAG_VALUE, (size_t)extra);
        w->depths[block] = total;
        changed = true;
    } else {
        for (int i = 0; i < depth; i++) {
            if (tags[i] != w->stack[i] && tags[i] != TAG_BAD) {
                tags[i] = TAG_BAD;
                changed = true;
            }
        }
    }
    if (changed && !w->queued[block]) {
        w->queued[block] = true;
        w->pending[w->npending++] = index;
    }
}

static void arrive_jump(walker *w, const pf_wide *op)
{
    int depth = w->depth;
    memcpy(w->saved, w->stack, (size_t)w->width);
    if (fits(w, op, true)) {
        step(w, op, true);
        arrive(w, op->target, w->depth, 0);
    }
    memcpy(w->stack, w->saved, (size_t)w->width);
    w->depth = depth;
}

static void load_block(walker *w, int index)
{
    int block = w->block_of[index];
    w->depth = w->depths[block];
    memcpy(w->stack, w->tags + (size_t)block * (size_t)w->width, (size_t)w->width);
}

static void walk_block(walker *w, int index)
{
    load_block(w, index);
    for (int i = index;; i++) {
        pf_wide *op = &w->wide->ops[i];
        if (i > index && op->leader) {
            arrive(w, i, w->depth, 0);
            return;
        }
        if (op->op == PF_BC_UNKNOWN) {
            return;
        }
        if (op->handler >= 0 && op->op != W_NOP) {
            pf_handler h = w->wide->handlers[op->handler];
            arrive(w, h.target, h.depth, h.lasti + 1);
        }
        if (op->target >= 0) {
            arrive_jump(w, op);
        }
        if (!fits(w, op, false)) {
            make_unknown(op);
            return;
        }
        step(w, op, false);
        if (pf_wide_ends(op)) {
            return;
        }
    }
}

/* The second walk, per instruction: the current stack still counts NULLs. */

static void settle_call(walker *w, pf_wide *op)
{
    const uint8_t *pair = &w->stack[w->depth - op->arg - 2];
    bool null0 = pair[0] == TAG_NULL, null1 = pair[1] == TAG_NULL;
    if (pair[0] == TAG_BAD || pair[1] == TAG_BAD || (null0 && null1)) {
        make_unknown(op);
    } else if (pair[0] == TAG_METHOD) {
        op->sub = PF_CALL_METHOD;
    } else if (!null0 && !null1) {
        op->arg += 1; /* the self slot holds an ordinary first argument */
    }
}

static void settle_call_ex(walker *w, pf_wide *op)
{
    const uint8_t *pair = &w->stack[w->depth - op->arg - 3];
    if ((pair[0] == TAG_NULL) == (pair[1] == TAG_NULL)) {
        make_unknown(op);
    }
}

/* Distances count values only. */
static void settle_reach(walker *w, pf_wide *op)
{
    int far = reach(op), pops = far - op->arg;
    if (op->op == PF_BC_COPY || op->op == PF_BC_SWAP) {
        pops = 0;
    }
    if (far == 0 || op->op == PF_BC_WITH_EXCEPT_START) {
        return;
    }
    const uint8_t *slot = &w->stack[w->depth - far];
    if (*slot == TAG_NULL) {
        make_unknown(op);
    } else {
        op->arg = count_values(slot, far) - pops;
    }
}

static bool pops_null(walker *w, const pf_wide *op)
{
    int pops, pushes;
    raw_effect(op, false, &pops, &pushes);
    return count_values(w->stack + w->depth - pops, pops) != pops;
}

static void settle_op(walker *w, pf_wide *op)
{
    if (op->op == PF_BC_CALL) {
        settle_call(w, op);
    } else if (op->op == PF_BC_CALL_EX) {
        settle_call_ex(w, op);
    } else if (op->op == W_PUSH_NULL) {
        op->op = W_NOP;
    } else if (op->op != W_NOP && pops_null(w, op)) {
        make_unknown(op);
    } else {
        settle_reach(w, op);
    }
}

static void settle_block(walker *w, int index)
{
    load_block(w, index);
    for (int i = index; i < w->wide->n; i++) {
        pf_wide *op = &w->wide->ops[i];
        if (i > index && op->leader) {
            return;
        }
        op->reached = true;
        op->depth = count_values(w->stack, w->depth);
        if (op->op == PF_BC_UNKNOWN || !fits(w, op, false)) {
            if (op->op != PF_BC_UNKNOWN) {
                make_unknown(op);
            }
            return;
        }
        pf_wide raw = *op;
        settle_op(w, op);
        step(w, &raw, false);
        if (pf_wide_ends(op)) {
            return;
        }
    }
}

static pf_status open_walker(walker *w, pf_wide_code *wide)
{
    int blocks = 0;
    *w = (walker){.wide = wide};
    w->width = wide->code->co_stacksize + 8; /* expansions may need a slot or two more than the compiler counted */
    w->block_of = pf_mem_alloc(sizeof(int32_t) * (size_t)wide->n);
    if (w->block_of == NULL) {
        return PF_NOMEM;
    }
    for (int i = 0; i < wide->n; i++) {
        w->block_of[i] = wide->ops[i].leader ? blocks++ : -1;
    }
    w->tags = pf_mem_calloc((size_t)blocks, (size_t)w->width);
    w->depths = pf_mem_alloc(sizeof(int32_t) * (size_t)blocks);
    w->pending = pf_mem_alloc(sizeof(int32_t) * (size_t)blocks);
    w->queued = pf_mem_calloc((size_t)blocks, sizeof(bool));
    w->stack = pf_mem_calloc(2, (size_t)w->width);
    if (w->tags == NULL || w->depths == NULL || w->pending == NULL || w->queued == NULL || w->stack == NULL) {
        return PF_NOMEM;
    }
    w->saved = w->stack + w->width;
    for (int i = 0; i < blocks; i++) {
        w->depths[i] = -1;
    }
    return PF_OK;
}

static void close_walker(walker *w)
{
    pf_mem_free(w->block_of);
    pf_mem_free(w->tags);
    pf_mem_free(w->depths);
    pf_mem_free(w->pending);
    pf_mem_free(w->queued);
    pf_mem_free(w->stack);
}

pf_status pf_decode_stack(pf_wide_code *wide)
{
    walker w;
    pf_status status = open_walker(&w, wide);
    if (status != PF_OK) {
        goto out;
    }
    arrive(&w, 0, 0, 0);
    while (w.npending > 0) {
        int index = w.pending[--w.npending];
        w.queued[w.block_of[index]] = false;
        walk_block(&w, index);
    }
    for (int i = 0; i < wide->n; i++) {
        if (wide->ops[i].leader && w.depths[w.block_of[i]] >= 0) {
            settle_block(&w, i);
        }
    }
    for (int i = 0; i < wide->nhandlers; i++) {
        pf_handler *h = &wide->handlers[i];
        int block = w.block_of[h->target];
        if (w.depths[block] >= 0) {
            h->depth = count_values(w.tags + (size_t)block * (size_t)w.width, h->depth);
        }
    }
out:
    close_walker(&w);
    return status;
}

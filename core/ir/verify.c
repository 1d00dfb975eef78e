/* The verifier: everything the tiers and the rules take for granted, checked from the op table alone.
 *
 * It runs after the builder and, in debug builds, after every round of the rewriter. What it promises its readers:
 * blocks stand in an order in which edges only go forward, and all are reachable; arguments come first and terminators
 * last; values of the whole function stand in the entry block; a use is dominated by its definition; operands are of
 * the kinds their op takes; edges bring a block exactly the arguments it asks for, and yields the declared outputs. */
#include "ir_internal.h"

#include "../base/mem.h"

#include <stdarg.h>
#include <stdio.h>

pf_status pf_ir_invalid(char *error, size_t error_size, const char *format, ...)
{
    if (error != NULL && error_size > 0) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(error, error_size, format, args);
        va_end(args);
    }
    return PF_INVALID;
}

typedef struct check {
    const pf_fn *fn;
    pf_block *idom;  /* immediate dominator of each block */
    pf_block *where; /* block of each instruction */
    bool counted[PF_MAX_COUNTERS]; /* some op rank has this counter */
    char *error;
    size_t error_size;
} check;

#define INVALID(c, ...) pf_ir_invalid((c)->error, (c)->error_size, __VA_ARGS__)

/* ---- dominators ---- */

static pf_block meet(const pf_block *idom, pf_block a, pf_block b)
{
    while (a != b) {
        if (a > b) {
            a = idom[a];
        } else {
            b = idom[b];
        }
    }
    return a;
}

void pf_ir_dominators(const pf_fn *fn, pf_block *idom)
{
    for (pf_block b = 0; b < fn->nblocks; b++) {
        idom[b] = PF_NOBLOCK;
    }
    idom[0] = 0;
    for (pf_block b = 0; b < fn->nblocks; b++) { /* forward edges: one pass sees all that leads to a block */
        pf_edge edges[2];
        uint32_t n = pf_ir_edges(fn, &fn->insts[fn->blocks[b].end - 1], edges);
        for (uint32_t i = 0; i < n && idom[b] != PF_NOBLOCK; i++) {
            pf_block to = edges[i].to;
            idom[to] = idom[to] == PF_NOBLOCK ? b : meet(idom, idom[to], b);
        }
    }
}

/* ---- shape ---- */

static pf_status check_block(check *c, pf_block b)
{
    const pf_fn *fn = c->fn;
    const pf_block_info *info = &fn->blocks[b];
    if (info->first >= info->end || info->end > fn->ninsts || info->end - info->first <= info->nargs) {
        return INVALID(c, "block %u has no instructions of its own", b);
    }
    if (info->first != (b == 0 ? 1 : fn->blocks[b - 1].end)) {
        return INVALID(c, "block %u does not begin where the one before it ends", b);
    }
    if (b == 0 && info->nargs != 0) {
        return INVALID(c, "the entry block has arguments");
    }
    for (pf_ref r = info->first; r < info->end; r++) {
        const pf_inst *inst = &fn->insts[r];
        if (inst->op >= PF_OP_COUNT) {
            return INVALID(c, "instruction %u has no op", r);
        }
        bool last = r + 1 == info->end, args = r - info->first < info->nargs;
        if (((pf_ops[inst->op].laws & PF_LAW_TERM) != 0) != last) {
            return INVALID(c, "block %u: %s in the wrong place", b, pf_ops[inst->op].name);
        }
        if ((inst->op == PF_OP_arg) != args || (args && inst->imm.k != r - info->first) ||
            (args && inst->kinds != info->arg_kinds[r - info->first])) {
            return INVALID(c, "block %u: arguments do not come first, in their order, as declared", b);
        }
        if (b != 0 && pf_ir_is_pinned(inst->op)) {
            return INVALID(c, "block %u: %s outside of the entry block", b, pf_ops[inst->op].name);
        }
        c->where[r] = b;
    }
    const pf_inst *last = &fn->insts[info->end - 1];
    if (last->op == PF_OP_yield && (uint64_t)last->imm.p.first + last->imm.p.count > fn->npool) {
        return INVALID(c, "block %u: yield beyond the pool", b);
    }
    return PF_OK;
}

static pf_status check_edges(check *c, pf_block b)
{
    const pf_fn *fn = c->fn;
    const pf_inst *last = &fn->insts[fn->blocks[b].end - 1];
    uint32_t expected = last->op == PF_OP_jump ? 1 : last->op == PF_OP_branch ? 2 : 0;
    uint64_t word = last->imm.p.first;
    for (uint32_t i = 0; i < expected; i++) {
        if (word + 2 > fn->npool || word + 2 + fn->pool[word + 1] > fn->npool) {
            return INVALID(c, "block %u: an edge beyond the pool", b);
        }
        uint32_t to = fn->pool[word], nargs = fn->pool[word + 1];
        if (to <= b || to >= fn->nblocks) {
            return INVALID(c, "block %u: an edge to block %u", b, to);
        }
        if (nargs != fn->blocks[to].nargs) {
            return INVALID(c, "block %u gives block %u %u arguments, not %u", b, to, nargs, fn->blocks[to].nargs);
        }
        word += 2 + nargs;
    }
    return PF_OK;
}

/* ---- values ---- */

static pf_status check_use(const check *c, pf_ref at, pf_ref use)
{
    if (use == PF_NOREF || use >= c->fn->ninsts || c->fn->insts[use].kinds == 0) {
        return INVALID(c, "instruction %u uses %u, which is no value", at, use);
    }
    pf_block b = c->where[at], def = c->where[use];
    if (b == def) {
        return use < at ? PF_OK : INVALID(c, "instruction %u uses %u before it is computed", at, use);
    }
    while (b > def) {
        b = c->idom[b];
    }
    return b == def ? PF_OK : INVALID(c, "instruction %u uses %u, which not every path computes", at, use);
}

static bool kinds_fit(uint8_t class, pf_kinds kinds)
{
    switch (class) {
    case PF_ARGS_NUM:
        return kinds == PF_K_I64 || kinds == PF_K_F64;
    case PF_ARGS_BITS:
        return kinds == PF_K_I64 || kinds == PF_K_BOOL;
    case PF_ARGS_I64:
        return kinds == PF_K_I64;
    case PF_ARGS_F64:
        return kinds == PF_K_F64;
    case PF_ARGS_BOOL:
        return kinds == PF_K_BOOL;
    case PF_ARGS_EQUAL:
        return kinds == PF_K_I64 || kinds == PF_K_F64 || kinds == PF_K_BOOL || kinds == PF_K_STR;
    case PF_ARGS_MEMBER:
        return pf_kinds_single(kinds);
    case PF_ARGS_ORDER:
        return kinds == PF_K_I64 || kinds == PF_K_F64 || kinds == PF_K_STR;
    default:
        return true;
    }
}

static bool subset(pf_kinds part, pf_kinds whole)
{
    return (part & (pf_kinds)~whole) == 0;
}

/* What an instruction declares by itself. */
static pf_status check_declared(const check *c, pf_ref r, const pf_inst *inst)
{
    const pf_fn *fn = c->fn;
    bool ok = true;
    switch (inst->op) {
    case PF_OP_const:
        ok = inst->kinds == PF_K_NONE || inst->kinds == PF_K_I64 || inst->kinds == PF_K_F64 ||
             (inst->kinds == PF_K_BOOL && (inst->imm.i == 0 || inst->imm.i == 1)) ||
             (inst->kinds == PF_K_STR && inst->imm.k < fn->nstrings);
        break;
    case PF_OP_param:
        ok = inst->imm.k < fn->nparams && inst->kinds == fn->params[inst->imm.k];
        break;
    case PF_OP_column:
        ok = inst->imm.k < fn->ncolumns && inst->kinds == fn->columns[inst->imm.k].kinds;
        break;
    case PF_OP_select:
        ok = fn->insts[inst->a].kinds == PF_K_BOOL && inst->kinds == fn->insts[inst->b].kinds &&
             inst->kinds == fn->insts[inst->c].kinds;
        break;
    case PF_OP_large:
        ok = inst->imm.i < 0;
        break;
    case PF_OP_is_kind:
        ok = inst->imm.i > 0 && inst->imm.i <= PF_K_ALL;
        break;
    case PF_OP_narrow:
        ok = subset(inst->kinds, fn->insts[inst->a].kinds);
        break;
    default:
        break;
    }
    if (!ok || !subset(inst->kinds, PF_K_ALL) || inst->place >= fn->nplaces) {
        return INVALID(c, "instruction %u: %s declares what it may not", r, pf_ops[inst->op].name);
    }
    return PF_OK;
}

static pf_status check_counter(check *c, pf_ref r, uint32_t counter)
{
    if (counter >= PF_MAX_COUNTERS || c->counted[counter]) {
        return INVALID(c, "instruction %u: counter %u counts elsewhere", r, counter);
    }
    c->counted[counter] = true;
    return PF_OK;
}

static pf_status check_inst(check *c, pf_ref r)
{
    const pf_inst *inst = &c->fn->insts[r];
    if (inst->op == PF_OP_rank) {
        PF_TRY(check_counter(c, r, inst->imm.k));
    }
    const pf_op_info *info = &pf_ops[inst->op];
    pf_ref operands[3] = {inst->a, inst->b, inst->c};
    for (uint32_t i = 0; i < 3; i++) {
        if (i >= info->arity) {
            if (operands[i] != PF_NOREF) {
                return INVALID(c, "instruction %u: %s has an operand too many", r, info->name);
            }
            continue;
        }
        PF_TRY(check_use(c, r, operands[i]));
        pf_kinds kinds = c->fn->insts[operands[i]].kinds;
        bool alike = i == 0 || info->operands == PF_ARGS_ANY || kinds == c->fn->insts[operands[0]].kinds;
        if (info->operands == PF_ARGS_MEMBER && i == 1) {
            alike = kinds == PF_K_OBJ && c->fn->insts[operands[1]].op == PF_OP_param;
        }
        if (!kinds_fit(info->operands, kinds) || !alike) {
            return INVALID(c, "instruction %u: %s does not take operand %u", r, info->name, i);
        }
    }
    pf_kinds operand = info->arity > 0 ? c->fn->insts[inst->a].kinds : 0;
    bool declared = info->result == PF_RES_DECLARED;
    if (declared ? inst->kinds == 0 : inst->kinds != pf_ir_result(inst->op, operand)) {
        return INVALID(c, "instruction %u: %s has another result", r, info->name);
    }
    return check_declared(c, r, inst);
}

static pf_status check_handed_on(const check *c, pf_ref r)
{
    const pf_fn *fn = c->fn;
    const pf_inst *inst = &fn->insts[r];
    pf_edge edges[2];
    uint32_t n = pf_ir_edges(fn, inst, edges);
    for (uint32_t e = 0; e < n; e++) {
        for (uint32_t i = 0; i < edges[e].nargs; i++) {
            PF_TRY(check_use(c, r, edges[e].args[i]));
            if (!subset(fn->insts[edges[e].args[i]].kinds, fn->blocks[edges[e].to].arg_kinds[i])) {
                return INVALID(c, "instruction %u: block %u does not take argument %u", r, edges[e].to, i);
            }
        }
    }
    if (inst->op != PF_OP_yield) {
        return PF_OK;
    }
    if (inst->imm.p.count != fn->noutputs) {
        return INVALID(c, "instruction %u yields %u values, not %u", r, inst->imm.p.count, fn->noutputs);
    }
    for (uint32_t i = 0; i < fn->noutputs; i++) {
        pf_ref value = fn->pool[inst->imm.p.first + i];
        PF_TRY(check_use(c, r, value));
        if (!subset(fn->insts[value].kinds, fn->outputs[i])) {
            return INVALID(c, "instruction %u: output %u is not of these kinds", r, i);
        }
    }
    return PF_OK;
}

static pf_status check_all(check *c)
{
    const pf_fn *fn = c->fn;
    for (uint32_t i = 0; i < fn->ncolumns; i++) {
        if (fn->columns[i].kinds == 0 || !subset(fn->columns[i].kinds, PF_K_ALL)) {
            return INVALID(c, "column %u has no kinds", i);
        }
    }
    for (uint32_t i = 0; i < fn->nparams; i++) {
        if (!pf_kinds_single(fn->params[i]) || !subset(fn->params[i], PF_K_ALL)) {
            return INVALID(c, "param %u is not of one kind", i);
        }
    }
    for (pf_block b = 0; b < fn->nblocks; b++) {
        PF_TRY(check_block(c, b));
        PF_TRY(check_edges(c, b));
    }
    if (fn->blocks[fn->nblocks - 1].end != fn->ninsts) {
        return INVALID(c, "instructions outside of any block");
    }
    pf_ir_dominators(fn, c->idom);
    for (pf_ref r = 1; r < fn->ninsts; r++) {
        if (c->idom[c->where[r]] == PF_NOBLOCK) {
            return INVALID(c, "no path leads to block %u", c->where[r]);
        }
        PF_TRY(check_inst(c, r));
        PF_TRY(check_handed_on(c, r));
    }
    return PF_OK;
}

pf_status pf_ir_verify(const pf_fn *fn, char *error, size_t error_size)
{
    if (fn->failed) {
        return PF_NOMEM;
    }
    check c = {.fn = fn, .error = error, .error_size = error_size};
    if (fn->nblocks == 0) {
        return INVALID(&c, "no blocks");
    }
    c.idom = pf_mem_calloc(fn->nblocks, sizeof *c.idom);
    c.where = pf_mem_calloc(fn->ninsts, sizeof *c.where);
    pf_status status = c.idom == NULL || c.where == NULL ? PF_NOMEM : check_all(&c);
    pf_mem_free(c.idom);
    pf_mem_free(c.where);
    return status;
}

/* Which ints may have more than 64 bits, and of which only the lowest 64 are wanted.
 *
 * Every i64 of the IR is an int of Python's; where its result does not fit, an op bails. It need not where all that
 * happens to the result is harmless:
 *
 *     low    all who use it look at its low 64 bits alone: & with a constant of at most 64 bits, % a power of two, and
 *            + - * << & | ^ ~ of which the same is true. It wraps, and never bails.      ((x * A + B) & M) ^ x & M
 *     wide   somebody can take it in 128 bits: arithmetic, comparisons, a sum. Where it does not fit 64 it goes on
 *            in 128, and bails only before those who cannot.                              x * y % m, sum(x * x)
 *
 * One walk from the end: whatever uses a value stands behind it. What else wide values come from, and that an op has a
 * wide operand at all, is seen by lower.c, which goes the other way. */
#include "lower.h"

bool takes_wide(uint8_t op)
{
    switch (op) {
    case PF_OP_add:
    case PF_OP_sub:
    case PF_OP_mul:
    case PF_OP_fdiv:
    case PF_OP_mod:
    case PF_OP_neg:
    case PF_OP_abs:
    case PF_OP_and:
    case PF_OP_or:
    case PF_OP_xor:
    case PF_OP_invert:
    case PF_OP_shl:
    case PF_OP_shr:
    case PF_OP_lt:
    case PF_OP_le:
    case PF_OP_eq:
    case PF_OP_ne:
    case PF_OP_gt:
    case PF_OP_ge:
    case PF_OP_truth:
        return true;
    default:
        return false;
    }
}

static const pf_inst *constant(const pf_fn *fn, pf_ref ref)
{
    return fn->insts[ref].op == PF_OP_const ? &fn->insts[ref] : NULL;
}

/* The low 64 bits of the result come from those of the operands. */
static bool keeps_low(const pf_fn *fn, const pf_inst *inst)
{
    switch (inst->op) {
    case PF_OP_add:
    case PF_OP_sub:
    case PF_OP_mul:
    case PF_OP_neg:
    case PF_OP_and:
    case PF_OP_or:
    case PF_OP_xor:
    case PF_OP_invert:
        return inst->kinds == PF_K_I64;
    case PF_OP_shl: {
        const pf_inst *by = constant(fn, inst->b);
        return by != NULL && by->imm.i >= 0 && by->imm.i < 64;
    }
    default:
        return false;
    }
}

/* The whole result comes from the low 64 bits of the operands. */
static bool is_mask(const pf_fn *fn, const pf_inst *inst)
{
    const pf_inst *b = inst->op == PF_OP_and || inst->op == PF_OP_mod ? constant(fn, inst->b) : NULL;
    if (inst->kinds != PF_K_I64) {
        return false;
    }
    if (inst->op == PF_OP_mod) {
        return b != NULL && b->imm.i > 0 && (b->imm.i & (b->imm.i - 1)) == 0;
    }
    return inst->op == PF_OP_and && ((b != NULL && b->imm.i >= 0) || fn->insts[inst->b].op == PF_OP_large ||
                                     fn->insts[inst->a].op == PF_OP_large);
}

static void count_operands(lowering *l, uint32_t *low_uses, const pf_inst *inst, bool low)
{
    const pf_ref operands[2] = {inst->a, inst->b};
    const bool ints = l->fn->insts[inst->a].kinds == PF_K_I64;
    for (int i = 0; ints && i < pf_ops[inst->op].arity && i < 2; i++) {
        low_uses[operands[i]] += low;
        l->modes[operands[i]] |= takes_wide(inst->op) ? MODE_WIDE : 0;
    }
}

void find_modes(lowering *l, uint32_t *low_uses)
{
    const pf_fn *fn = l->fn;
    for (pf_ref r = fn->ninsts - 1; r > 0; r--) {
        const pf_inst *inst = &fn->insts[r];
        if (inst->op == PF_OP_yield && l->blocks[fn->nblocks].nin == 1) {
            for (uint32_t i = 0; i < inst->imm.p.count && i < 64; i++) {
                l->modes[fn->pool[inst->imm.p.first + i]] |= (l->wide_outputs >> i & 1) != 0 ? MODE_WIDE : 0;
            }
            continue;
        }
        const bool low = keeps_low(fn, inst) && l->uses[r] > 0 && low_uses[r] == l->uses[r];
        if (low) {
            l->modes[r] = MODE_LOW;
        }
        if (pf_ops[inst->op].arity > 0 && (pf_ops[inst->op].laws & PF_LAW_TERM) == 0) {
            count_operands(l, low_uses, inst, low || is_mask(fn, inst));
        }
    }
}

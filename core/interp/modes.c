/* Which ints may have more than 64 bits, and of which only the lowest 64 are wanted.
 *
 * Every i64 of the IR is an int of Python's; where its result does not fit, an op bails. It need not where all that
 * happens to the result is harmless:
 *
 *     low    all who use it look at its low 64 bits alone: & with a constant of at most 64 bits, % a power of two, and
 *            + - * << & | ^ ~ of which the same is true. It wraps, and never bails; so does what nobody uses at all.
 *            A mask may be a param too, if it is from 0 to 2**63 - 1 when the program runs.
 *            ((x * A + B) & M) ^ x & M
 *     wide   somebody can take it in 128 bits: arithmetic, comparisons, a sum; or a list, in 64 without sign. Where it
 *            does not fit 64 it goes on in 128, and bails only before those who cannot.
 *            x * y % m, sum(x * x)
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

/* How sure it is that the low bits are enough: not at all, or if a param is as the guards have it, or always. */
typedef enum sure { NEVER, IF_GUARDED, ALWAYS } sure;

static sure worse(sure a, sure b)
{
    return a < b ? a : b;
}

/* A constant or a param from 0 to `most`. What a param is, is known when the program runs: a guard is kept. */
static sure is_within(lowering *l, pf_ref ref, int64_t most)
{
    const pf_inst *inst = &l->fn->insts[ref];
    pf_program *p = l->program;
    if (inst->op == PF_OP_const) {
        return inst->imm.i >= 0 && inst->imm.i <= most ? ALWAYS : NEVER;
    }
    if (inst->op != PF_OP_param || inst->kinds != PF_K_I64) {
        return NEVER;
    }
    for (uint32_t i = 0; i < p->nguards; i++) {
        if (p->guards[i].param == inst->imm.k && p->guards[i].most == most) {
            return IF_GUARDED;
        }
    }
    if (p->nguards == PF_MAX_LOW_GUARDS) {
        return NEVER;
    }
    p->guards[p->nguards++] = (pf_low_guard){inst->imm.k, most};
    return IF_GUARDED;
}

/* The low 64 bits of the result come from those of the operands. */
static sure keeps_low(lowering *l, const pf_inst *inst)
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
        return inst->kinds == PF_K_I64 ? ALWAYS : NEVER;
    case PF_OP_shl:
        return is_within(l, inst->b, 63);
    default:
        return NEVER;
    }
}

static bool is_power_of_two(const pf_inst *inst)
{
    return inst->op == PF_OP_const && inst->imm.i > 0 && (inst->imm.i & (inst->imm.i - 1)) == 0;
}

/* The whole result comes from the low 64 bits of the operands. */
static sure is_mask(lowering *l, const pf_inst *inst)
{
    const pf_fn *fn = l->fn;
    if (inst->op == PF_OP_mod && inst->kinds == PF_K_I64) {
        return is_power_of_two(&fn->insts[inst->b]) ? ALWAYS : NEVER;
    }
    if (inst->op != PF_OP_and || inst->kinds != PF_K_I64) {
        return NEVER;
    }
    if (fn->insts[inst->a].op == PF_OP_large || fn->insts[inst->b].op == PF_OP_large) {
        return ALWAYS;
    }
    const sure b = is_within(l, inst->b, INT64_MAX);
    return b != NEVER ? b : is_within(l, inst->a, INT64_MAX);
}

static void count_operands(lowering *l, uint32_t *low_uses, const pf_inst *inst, sure low)
{
    const pf_ref operands[2] = {inst->a, inst->b};
    const bool ints = l->fn->insts[inst->a].kinds == PF_K_I64;
    for (int i = 0; ints && i < pf_ops[inst->op].arity && i < 2; i++) {
        low_uses[operands[i]] += low != NEVER;
        l->modes[operands[i]] |= (takes_wide(inst->op) ? MODE_WIDE : 0) | (low == IF_GUARDED ? MODE_GUARDED : 0);
    }
}

bool wide_output(const lowering *l, uint32_t i)
{
    const pf_outputs ints = l->program->ints;
    return l->blocks[l->fn->nblocks].nin == 1 && l->fn->outputs[i] == PF_K_I64 &&
           (ints == PF_OUTPUTS_U64 || (ints == PF_OUTPUTS_SUM && i == 0));
}

void find_modes(lowering *l, uint32_t *low_uses)
{
    const pf_fn *fn = l->fn;
    for (pf_ref r = fn->ninsts - 1; r > 0; r--) {
        const pf_inst *inst = &fn->insts[r];
        for (uint32_t i = 0; inst->op == PF_OP_yield && i < inst->imm.p.count; i++) {
            l->modes[fn->pool[inst->imm.p.first + i]] |= wide_output(l, i) ? MODE_WIDE : 0;
        }
        if (pf_ops[inst->op].arity == 0 || (pf_ops[inst->op].laws & PF_LAW_TERM) != 0) {
            continue;
        }
        sure low = low_uses[r] == l->uses[r] ? keeps_low(l, inst) : NEVER;
        if (low != NEVER) {
            low = (l->modes[r] & MODE_GUARDED) != 0 ? worse(low, IF_GUARDED) : low;
            l->modes[r] = low == ALWAYS ? MODE_LOW : MODE_LOW | MODE_GUARDED;
        }
        const sure mask = is_mask(l, inst);
        count_operands(l, low_uses, inst, mask > low ? mask : low);
    }
}

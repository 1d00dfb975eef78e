/* A row as CPython computes it, where ints have more than 64 bits: what tier 1 is held to beyond pf_eval_row.
 *
 * An int is known in 128 bits, or only its low 64 bits are, which are exact at any size. The latter is enough for
 * + - * << & | ^ ~ and becomes a number again under a mask. Everything that is not an int is eval.c's. */
#include "eval.h"
#include "ir_internal.h"

#include "../base/mem.h"

typedef __int128 wide;
typedef unsigned __int128 uwide;

typedef struct exact {
    pf_scalar s; /* i64: unused */
    wide v;      /* i64: the int, if it is known */
    uint64_t low;
    bool known;
} exact;

typedef struct exact_run {
    const pf_fn *fn;
    const pf_eval_in *in;
    exact *regs, *fresh;
} exact_run;

static exact of_wide(wide v)
{
    return (exact){.s.kind = PF_K_I64, .v = v, .low = (uint64_t)v, .known = true};
}

static exact of_low(uint64_t low)
{
    return (exact){.s.kind = PF_K_I64, .low = low};
}

static exact of_scalar(const pf_scalar *s)
{
    return s->kind == PF_K_I64 ? of_wide(s->u.i) : (exact){.s = *s};
}

static bool fits(const exact *x)
{
    return x->s.kind != PF_K_I64 || (x->known && x->v == (int64_t)x->v);
}

static pf_scalar scalar_of(const exact *x)
{
    return x->s.kind == PF_K_I64 ? (pf_scalar){.kind = PF_K_I64, .u.i = (int64_t)x->low} : x->s;
}

/* ---- ops ---- */

/* |a * b| < 2**127, by long multiplication of the magnitudes, bit by bit. */
static bool multiply(wide a, wide b, wide *r)
{
    uwide x = a < 0 ? -(uwide)a : (uwide)a, y = b < 0 ? -(uwide)b : (uwide)b, product = 0;
    const uwide limit = (uwide)1 << 127;
    for (; y != 0; y >>= 1, x += x) {
        if ((y & 1) != 0 && (x >= limit || product >= limit - x)) {
            return false;
        }
        product += (y & 1) != 0 ? x : 0;
        if (x >= limit && y > 1) {
            return false;
        }
    }
    *r = (a < 0) != (b < 0) ? -(wide)product : (wide)product;
    return true;
}

/* Ops whose low bits come from those of the operands. Returns whether it was one. */
static bool ring(pf_op op, const exact *a, const exact *b, exact *out)
{
    wide v = 0;
    bool known = a->known && b->known;
    switch (op) {
    case PF_OP_add:
        *out = of_low(a->low + b->low);
        known = known && !__builtin_add_overflow(a->v, b->v, &v);
        break;
    case PF_OP_sub:
        *out = of_low(a->low - b->low);
        known = known && !__builtin_sub_overflow(a->v, b->v, &v);
        break;
    case PF_OP_neg:
        *out = of_low(0 - a->low);
        known = known && !__builtin_sub_overflow((wide)0, a->v, &v);
        break;
    case PF_OP_mul:
        *out = of_low(a->low * b->low);
        known = known && multiply(a->v, b->v, &v);
        break;
    case PF_OP_invert:
        *out = of_low(~a->low);
        v = ~a->v;
        break;
    case PF_OP_or:
        *out = of_low(a->low | b->low);
        v = a->v | b->v;
        break;
    case PF_OP_xor:
        *out = of_low(a->low ^ b->low);
        v = a->v ^ b->v;
        break;
    case PF_OP_and:
        *out = of_low(a->low & b->low);
        v = a->v & b->v;
        for (int i = 0; i < 2 && !known; i++) { /* a mask of at most 64 bits */
            const exact *mask = i == 0 ? a : b;
            known = mask->known && mask->v >= 0 && mask->v >> 64 == 0;
            v = out->low;
        }
        break;
    default:
        return false;
    }
    if (known) {
        *out = of_wide(v);
    }
    return true;
}

static int divide(pf_op op, const exact *a, const exact *b, exact *out)
{
    if (b->known && b->v == 0) {
        return PF_BAIL_ZERO;
    }
    const bool power = op == PF_OP_mod && b->known && b->v > 0 && b->v >> 63 == 0 && (b->v & (b->v - 1)) == 0;
    if (!a->known && power) {
        *out = of_wide(a->low & (uint64_t)(b->v - 1));
        return 0;
    }
    if (!a->known || !b->known) {
        return PF_BAIL_OVERFLOW;
    }
    if (b->v == -1) { /* C leaves the least number by -1 undefined */
        (void)ring(PF_OP_neg, a, a, out);
        *out = op == PF_OP_mod ? of_wide(0) : *out;
        return 0;
    }
    wide q = a->v / b->v, m = a->v % b->v;
    const bool down = m != 0 && (m < 0) != (b->v < 0);
    *out = of_wide(op == PF_OP_mod ? (down ? m + b->v : m) : q - down);
    return 0;
}

static int shift(pf_op op, const exact *a, const exact *b, exact *out)
{
    if (!b->known || b->v < 0) {
        return b->known ? PF_BAIL_DOMAIN : PF_BAIL_OVERFLOW;
    }
    if (op == PF_OP_shr) {
        *out = of_wide(a->v >> (b->v > 127 ? 127 : (int)b->v));
        return a->known ? 0 : PF_BAIL_OVERFLOW;
    }
    *out = of_low(b->v > 63 ? 0 : a->low << b->v);
    if (a->known && (a->v == 0 || (b->v < 127 && (wide)((uwide)a->v << b->v) >> b->v == a->v))) {
        *out = of_wide(a->v == 0 ? 0 : (wide)((uwide)a->v << b->v));
    }
    return 0;
}

static int compare(pf_op op, const exact *a, const exact *b, exact *out)
{
    const wide x = a->v, y = b->v;
    const bool is = op == PF_OP_lt   ? x < y
                    : op == PF_OP_le ? x <= y
                    : op == PF_OP_eq ? x == y
                    : op == PF_OP_ne ? x != y
                    : op == PF_OP_gt ? x > y
                    : op == PF_OP_ge ? x >= y
                                     : x != 0;
    *out = (exact){.s = {.kind = PF_K_BOOL, .u.i = is}};
    return a->known && b->known ? 0 : PF_BAIL_OVERFLOW;
}

static int exact_op(const exact_run *run, const pf_inst *inst, exact *out)
{
    const exact *a = &run->regs[inst->a], *b = &run->regs[inst->b], *c = &run->regs[inst->c];
    const bool ints = a->s.kind == PF_K_I64 && pf_ops[inst->op].arity > 0;
    const bool test = (inst->op >= PF_OP_lt && inst->op <= PF_OP_ge) || inst->op == PF_OP_truth;
    if (inst->op == PF_OP_large) {
        *out = of_wide((uint64_t)inst->imm.i);
        return 0;
    }
    if (inst->op == PF_OP_select) {
        *out = a->s.u.i ? *b : *c;
        return 0;
    }
    if (inst->op == PF_OP_narrow) {
        *out = *a;
        return (a->s.kind & inst->kinds) != 0 ? 0 : PF_BAIL_KIND;
    }
    if (ints && ring((pf_op)inst->op, a, pf_ops[inst->op].arity == 2 ? b : a, out)) {
        return 0;
    }
    if (ints && inst->op == PF_OP_abs && a->known) {
        *out = *a;
        return a->v < 0 ? !ring(PF_OP_neg, a, a, out) : 0;
    }
    if (ints && (inst->op == PF_OP_fdiv || inst->op == PF_OP_mod)) {
        return divide((pf_op)inst->op, a, b, out);
    }
    if (ints && (inst->op == PF_OP_shl || inst->op == PF_OP_shr)) {
        return shift((pf_op)inst->op, a, b, out);
    }
    if (ints && test) {
        return compare((pf_op)inst->op, a, inst->op == PF_OP_truth ? a : b, out);
    }
    if (inst->op != PF_OP_is_kind && (!fits(a) || (pf_ops[inst->op].arity == 2 && !fits(b)))) {
        return PF_BAIL_OVERFLOW;
    }
    pf_scalar operands[3] = {scalar_of(a), scalar_of(b), scalar_of(c)}, result;
    int reason = pf_eval_op(inst, operands, run->in->str_view, &result);
    *out = of_scalar(&result);
    return reason;
}

/* ---- rows ---- */

static int value_of(const exact_run *run, const pf_inst *inst, exact *out)
{
    pf_scalar s = {.kind = inst->kinds, .u.i = inst->imm.i};
    if (!pf_ir_is_pinned(inst->op)) {
        return exact_op(run, inst, out);
    }
    if (inst->op == PF_OP_const && inst->kinds == PF_K_STR) {
        s.u.handle = run->in->strings[inst->imm.k];
    } else if (inst->op == PF_OP_param) {
        s = run->in->params[inst->imm.k];
    } else if (inst->op == PF_OP_column) {
        s = run->in->columns[inst->imm.k];
    } else if (inst->op == PF_OP_row) {
        s = (pf_scalar){.kind = PF_K_I64, .u.i = run->in->row};
    }
    *out = of_scalar(&s);
    return inst->op != PF_OP_column || (s.kind & inst->kinds) != 0 ? 0 : PF_BAIL_KIND;
}

static pf_block follow(const exact_run *run, const pf_edge *edge)
{
    for (uint32_t i = 0; i < edge->nargs; i++) {
        run->fresh[i] = run->regs[edge->args[i]];
    }
    for (uint32_t i = 0; i < edge->nargs; i++) {
        run->regs[run->fn->blocks[edge->to].first + i] = run->fresh[i];
    }
    return edge->to;
}

static void finish(const exact_run *run, const pf_inst *last, pf_scalar *values, int64_t *high, pf_eval_out *out)
{
    *out = (pf_eval_out){.how = last->op};
    if (last->op == PF_OP_bail) {
        *out = (pf_eval_out){PF_OP_bail, PF_OP_bail, PF_BAIL_ALWAYS, last->place};
    }
    for (uint32_t i = 0; last->op == PF_OP_yield && i < run->fn->noutputs; i++) {
        const exact *x = &run->regs[run->fn->pool[last->imm.p.first + i]];
        values[i] = scalar_of(x);
        high[i] = (int64_t)(x->v >> 64);
        if (x->s.kind == PF_K_I64 && !x->known) {
            *out = (pf_eval_out){.how = PF_OP_bail, .op = PF_OP_yield, .reason = PF_BAIL_OVERFLOW};
        }
    }
}

pf_status pf_eval_exact(const pf_fn *fn, const pf_eval_in *in, pf_scalar *values, int64_t *high, pf_eval_out *out)
{
    exact_run run = {.fn = fn, .in = in};
    run.regs = pf_mem_calloc((size_t)fn->ninsts * 2, sizeof *run.regs);
    if (run.regs == NULL) {
        return PF_NOMEM;
    }
    run.fresh = run.regs + fn->ninsts;
    for (pf_block block = 0;;) {
        const pf_block_info *info = &fn->blocks[block];
        const pf_inst *last = &fn->insts[info->end - 1];
        int reason = 0;
        for (pf_ref r = info->first + info->nargs; r < info->end - 1 && reason == 0; r++) {
            reason = value_of(&run, &fn->insts[r], &run.regs[r]);
            *out = (pf_eval_out){PF_OP_bail, fn->insts[r].op, (uint8_t)reason, fn->insts[r].place};
        }
        pf_edge edges[2];
        uint32_t n = pf_ir_edges(fn, last, edges);
        if (reason == 0 && n > 0) {
            block = follow(&run, &edges[n == 2 && !run.regs[last->a].s.u.i]);
            continue;
        }
        if (reason == 0) {
            finish(&run, last, values, high, out);
        }
        break;
    }
    pf_mem_free(run.regs);
    return PF_OK;
}

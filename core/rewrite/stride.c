/* range_stride: a filter on a range's remainder is a range.
 *
 * Law: item i of range(start, ..., step) is start + i * step; those with item % m == r are again evenly spaced, when
 * they exist: i runs over one residue class modulo |m| / gcd(step, |m|). Order, number and value of the rows that stay
 * are what they were, and a row that is left out could neither have yielded nor bailed. */
#include "rewrite_internal.h"

static bool scalar_operand(const pf_fn *fn, pf_ref ref, bool *is_param, int64_t *out)
{
    const pf_inst *inst = &fn->insts[ref];
    if (inst->kinds != PF_K_I64 || (inst->op != PF_OP_const && inst->op != PF_OP_param)) {
        return false;
    }
    *is_param = inst->op == PF_OP_param;
    *out = *is_param ? inst->imm.k : inst->imm.i;
    return true;
}

static bool is_remainder(const pf_fn *fn, pf_ref ref, uint32_t column, pf_stride *out)
{
    const pf_inst *mod = &fn->insts[ref], *item = &fn->insts[mod->a];
    return mod->op == PF_OP_mod && mod->kinds == PF_K_I64 && item->op == PF_OP_column && item->imm.k == column &&
           scalar_operand(fn, mod->b, &out->modulus_is_param, &out->modulus);
}

/* Rows stay where test has the value out->keep: item % m == r, or no remainder, or the remainder of an odd number. */
static bool is_filter(const pf_fn *fn, pf_ref test, uint32_t column, pf_stride *out)
{
    const pf_inst *inst = &fn->insts[test];
    if (!is_remainder(fn, inst->a, column, out)) {
        return false;
    }
    out->test = test;
    if (inst->op == (out->keep ? PF_OP_eq : PF_OP_ne)) {
        return scalar_operand(fn, inst->b, &out->residue_is_param, &out->residue);
    }
    out->residue_is_param = false;
    out->residue = out->keep;
    return inst->op == PF_OP_truth && (!out->keep || (!out->modulus_is_param && out->modulus == 2));
}

/* The filter among the conditions that all have to be true, or all false. */
static bool find_filter(const pf_fn *fn, pf_ref cond, uint32_t column, pf_stride *out)
{
    const pf_inst *inst = &fn->insts[cond];
    if (inst->op == (out->keep ? PF_OP_and : PF_OP_or) && inst->kinds == PF_K_BOOL) {
        return find_filter(fn, inst->a, column, out) || find_filter(fn, inst->b, column, out);
    }
    return is_filter(fn, cond, column, out);
}

static bool only_ends(const pf_fn *fn, pf_block block)
{
    return pf_rw_is_empty(fn, block) && pf_rw_terminator(fn, block)->op == PF_OP_end;
}

bool pf_rewrite_find_stride(const pf_fn *fn, uint32_t column, pf_stride *out)
{
    const pf_inst *last = pf_rw_terminator(fn, 0);
    pf_edge edges[2];
    if (last->op != PF_OP_branch || fn->columns[column].kinds != PF_K_I64) {
        return false;
    }
    (void)pf_ir_edges(fn, last, edges);
    out->keep = only_ends(fn, edges[1].to);
    if (!only_ends(fn, edges[out->keep].to) || !find_filter(fn, last->a, column, out)) {
        return false;
    }
    pf_ref mod = fn->insts[out->test].a;
    for (pf_ref r = 1; r + 1 < fn->blocks[0].end; r++) {
        const pf_inst *inst = &fn->insts[r];
        bool other = inst->op == PF_OP_row || inst->op == PF_OP_rank || (inst->op == PF_OP_column && inst->imm.k != column);
        if (other || (r != mod && pf_rw_can_bail(fn, inst))) {
            return false;
        }
    }
    return true;
}

/* Of a modulo m > 1, where they have no factor in common. */
static __int128 inverse(__int128 a, __int128 m)
{
    __int128 r0 = m, r1 = a, t0 = 0, t1 = 1;
    while (r1 != 0) {
        __int128 q = r0 / r1, r2 = r0 - q * r1, t2 = t0 - q * t1;
        r0 = r1;
        r1 = r2;
        t0 = t1;
        t1 = t2;
    }
    return t0 < 0 ? t0 + m : t0;
}

static __int128 gcd(__int128 a, __int128 b)
{
    while (b != 0) {
        __int128 rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static __int128 floor_mod(__int128 a, __int128 m) /* m > 0 */
{
    __int128 r = a % m;
    return r < 0 ? r + m : r;
}

static bool bound(bool is_param, int64_t v, const pf_scalar *params, int64_t *out)
{
    *out = is_param ? params[v].u.i : v;
    return !is_param || params[v].kind == PF_K_I64;
}

bool pf_stride_apply(const pf_stride *stride, const pf_scalar *params, int64_t start, int64_t step, int64_t n,
                     pf_stride_rows *out)
{
    int64_t modulus, residue;
    if (!bound(stride->modulus_is_param, stride->modulus, params, &modulus) ||
        !bound(stride->residue_is_param, stride->residue, params, &residue) || modulus == 0) {
        return false;
    }
    __int128 m = modulus < 0 ? -(__int128)modulus : modulus;
    *out = (pf_stride_rows){.first_row = 0, .row_step = 1, .n = 0};
    /* a remainder has its divisor's sign and is smaller */
    if (modulus > 0 ? residue < 0 || residue >= modulus : residue > 0 || residue <= modulus) {
        return true;
    }
    __int128 g = gcd(m, floor_mod(step, m));
    __int128 distance = floor_mod((__int128)residue - start, m), period = m / g, first = 0;
    if (distance % g != 0) {
        return true;
    }
    if (period > 1) {
        first = distance / g * inverse(floor_mod(step / g, period), period) % period;
    }
    if (first < n) {
        out->first_row = (int64_t)first;
        out->row_step = period > n ? n : (int64_t)period; /* a single row: any step, but one that fits */
        out->n = (int64_t)((n - 1 - first) / period) + 1;
    }
    return true;
}

/* Ints beyond 64 bits while a vector runs: modes.c says which steps come here.
 *
 * A value has the width of its widest lane, and mostly that is 64 bits: then a step here is the very step it would be
 * in run.c, by the same kernel, and costs nothing. Only where the checked kernel finds a lane that does not fit are
 * all lanes computed again in 128 bits, and their high halves kept beside. What uses the value next looks at its width.
 *
 *     width   lanes                      comes from                  goes on by
 *     I64     data                       anything                    the kernels of kernels.c
 *     U64     data, unsigned             e & (2**64 - 1), constants  the loops for U64 below, or as I128
 *     I128    data and high              an overflow                 wide_op, lane by lane
 *
 * A `low` step wants the low 64 bits of its result alone, of whatever width its operands are: two's complement has the
 * same low bits for + - * << & | ^ ~ at any width, so it wraps, and its lanes are no ints but bits. */
#include "running.h"

#include <string.h>

typedef __int128 wide;
typedef unsigned __int128 uwide;

static const wide wide_min = (wide)((uwide)1 << 127);

/* ---- one lane ---- */

static bool fits(wide x)
{
    return x == (int64_t)x;
}

/* Nonzero: the product has more than 127 bits. Written out, as a compiler's own check may call a function that no
 * library here has. */
static unsigned multiply(wide a, wide b, wide *r)
{
    if (fits(a) && fits(b)) {
#ifdef PF_PLANTED_BUG_MULMOD_TRUNCATED
        *r = (int64_t)((uint64_t)a * (uint64_t)b);
        return 0;
#endif
        *r = a * b;
        return 0;
    }
    const uwide x = a < 0 ? -(uwide)a : (uwide)a, y = b < 0 ? -(uwide)b : (uwide)b;
    const uwide big = x > y ? x : y, small = x > y ? y : x;
    if (small >> 64 != 0) {
        return 1;
    }
    const uwide low = (big & UINT64_MAX) * small, high = (big >> 64) * small + (low >> 64);
    const uwide product = high << 64 | (low & UINT64_MAX);
    *r = (wide)((a < 0) != (b < 0) ? -product : product);
    return high >> 63 != 0;
}

/* Floors, as Python does. */
static unsigned divide(wide a, wide b, wide *quotient, wide *rest)
{
    *quotient = *rest = 0;
    if (b == 0 || (b == -1 && a == wide_min)) {
        return 1;
    }
    wide q = fits(a) && fits(b) && b != -1 ? (int64_t)a / (int64_t)b : a / b, m = a - q * b;
    const bool down = m != 0 && (m < 0) != (b < 0);
    *quotient = q - down;
    *rest = down ? m + b : m;
    return 0;
}

static unsigned shift_left(wide a, wide b, wide *r)
{
    const int count = b >= 0 && b < 127 ? (int)b : 127;
    *r = (wide)((uwide)a << count);
    return b < 0 || (a != 0 && (count == 127 || *r >> count != a));
}

/* A lane's result, comparisons as 0 and 1; nonzero where it bails. Total, as every op is. */
static unsigned wide_op(uint8_t op, wide a, wide b, wide *r)
{
    wide other;
    *r = 0;
    switch (op) {
    case PF_OP_add:
        return __builtin_add_overflow(a, b, r);
    case PF_OP_sub:
        return __builtin_sub_overflow(a, b, r);
    case PF_OP_mul:
        return multiply(a, b, r);
    case PF_OP_neg:
        return __builtin_sub_overflow((wide)0, a, r);
    case PF_OP_abs:
        *r = a;
        return a < 0 && __builtin_sub_overflow((wide)0, a, r);
    case PF_OP_fdiv:
        return divide(a, b, r, &other);
    case PF_OP_mod:
        return divide(a, b, &other, r);
    case PF_OP_and:
        *r = a & b;
        return 0;
    case PF_OP_or:
        *r = a | b;
        return 0;
    case PF_OP_xor:
        *r = a ^ b;
        return 0;
    case PF_OP_invert:
        *r = ~a;
        return 0;
    case PF_OP_shl:
        return shift_left(a, b, r);
    case PF_OP_shr:
        *r = a >> (b >= 0 && b < 127 ? (int)b : 127);
        return b < 0;
    case PF_OP_lt:
        *r = a < b;
        return 0;
    case PF_OP_le:
        *r = a <= b;
        return 0;
    case PF_OP_eq:
        *r = a == b;
        return 0;
    case PF_OP_ne:
        *r = a != b;
        return 0;
    case PF_OP_gt:
        *r = a > b;
        return 0;
    case PF_OP_ge:
        *r = a >= b;
        return 0;
    default: /* truth: modes.c lets nothing else in */
        *r = a != 0;
        return 0;
    }
}

/* ---- lanes ---- */

typedef struct wide_lanes {
    const int64_t *low, *high;
    uint8_t width;
    unsigned by; /* 0: one lane for all */
} wide_lanes;

static wide_lanes lanes_of(const run *r, pf_val v)
{
    const int64_t *low = lanes(r, v);
    return (wide_lanes){low, r->st[v].high, r->st[v].width, !r->p->values[v].scalar};
}

static inline wide lane(const wide_lanes *x, int32_t i)
{
    const size_t at = x->by * (size_t)i;
    switch (x->width) {
    case PF_WIDTH_I64:
        return x->low[at];
    case PF_WIDTH_U64:
        return (uint64_t)x->low[at];
    default:
        return (wide)((uwide)(uint64_t)x->high[at] << 64 | (uint64_t)x->low[at]);
    }
}

static int32_t count_of(const run *r, const pf_step *s)
{
    return r->p->values[s->d].scalar ? 1 : r->m->n;
}

/* The live lanes that `bad` names bail. */
static void fail_bad(run *r, const pf_step *s, const uint8_t *bad)
{
    if (r->p->values[s->d].scalar) {
        pf_step_fail_all(r, s);
        return;
    }
    const uint8_t *mask = mask_bytes(r, s->mask);
    for (int32_t i = 0; i < r->m->n; i++) {
        if (bad[i] != 0 && is_live(r, mask, i)) {
            pf_step_fail(r, s, i);
        }
    }
}

static void written(run *r, const pf_step *s, pf_width width, pf_interval range)
{
    pf_state *d = &r->st[s->d];
    d->seen = s->kd;
    d->iota = false;
    d->width = (uint8_t)width;
    d->range = range;
}

/* The step in 128 bits. Dead lanes are skipped. */
static void compute(run *r, const pf_step *s)
{
    const bool scalar = r->p->values[s->d].scalar, may_be_wide = r->p->values[s->d].wide, one_byte = s->kd == PF_K_BOOL;
    const wide_lanes a = lanes_of(r, s->a), b = s->b != 0 ? lanes_of(r, s->b) : a;
    const uint8_t *mask = scalar ? NULL : mask_bytes(r, s->mask);
    pf_state *d = &r->st[s->d];
    int64_t *low = d->data;
    uint8_t bad[PF_LANES];
    unsigned any = 0, beyond = 0;
    for (int32_t i = 0; i < count_of(r, s); i++) {
        wide x;
        bad[i] = 0;
        if (mask != NULL && mask[i] == 0) {
            continue;
        }
        bad[i] = (uint8_t)wide_op(s->op, lane(&a, i), lane(&b, i), &x);
        if (one_byte) {
            ((uint8_t *)d->data)[i] = (uint8_t)x;
        } else if (may_be_wide) {
            low[i] = (int64_t)x;
            d->high[i] = (int64_t)(x >> 64);
            beyond |= !fits(x);
        } else {
            low[i] = (int64_t)x;
            bad[i] |= !fits(x);
        }
        any |= bad[i];
    }
    written(r, s, beyond != 0 ? PF_WIDTH_I128 : PF_WIDTH_I64, PF_INTERVAL_ALL);
    if (any != 0) {
        fail_bad(r, s, bad);
    }
}

/* ---- steps whose operands have 64 bits ---- */

/* As the step would run if there were no others; but where it would bail it is computed again. */
static void run_plain(run *r, const pf_step *s)
{
    const bool scalar = r->p->values[s->d].scalar;
    const pf_interval a = r->st[s->a].range, b = r->st[s->b].range;
    pf_state *d = &r->st[s->d];
    pf_interval out = PF_INTERVAL_ALL;
    d->width = PF_WIDTH_I64;
    if (s->kd == PF_K_BOOL) {
        pf_step_op(r, s, s->kernel);
        return;
    }
    pf_kernel kernel = scalar ? s->kernel : pf_step_int_kernel(r, s, a, b, &out);
    if (!scalar && kernel != s->kernel && pf_step_sequence(r, s, out)) {
        return;
    }
    if (!r->p->values[s->d].wide) {
        pf_step_op(r, s, kernel);
        d->range = out;
        return;
    }
    const uint8_t *mask = scalar ? NULL : mask_bytes(r, s->mask);
    const void *x = lanes(r, s->a), *y = s->b == 0 ? NULL : lanes(r, s->b);
    written(r, s, PF_WIDTH_I64, out);
    if (kernel(d->data, x, y, mask, count_of(r, s)) != 0) {
        compute(r, s);
    }
}

/* ---- steps of which the low 64 bits are wanted ---- */

static pf_interval narrow_range(const pf_state *x)
{
    return x->width == PF_WIDTH_I64 ? x->range : PF_INTERVAL_ALL;
}

static void run_low(run *r, const pf_step *s)
{
    const pf_kernels *k = r->k;
    const bool scalar = r->p->values[s->d].scalar;
    const pf_state *a = &r->st[s->a], *b = &r->st[s->b];
    pf_state *d = &r->st[s->d];
    pf_interval out = PF_INTERVAL_ALL;
    d->width = PF_WIDTH_I64;
    pf_kernel kernel = pf_step_int_kernel(r, s, narrow_range(a), narrow_range(b), &out);
    const bool proven = kernel != s->kernel || !may_overflow(s->op);
    if (!scalar && kernel != s->kernel && a->width == PF_WIDTH_I64 && b->width == PF_WIDTH_I64 && pf_step_sequence(r, s, out)) {
        return;
    }
    if (!proven) { /* the interval is that of results that fit, and these wrap */
        out = PF_INTERVAL_ALL;
        kernel = s->op == PF_OP_add   ? k->add[s->form]
                 : s->op == PF_OP_sub ? k->sub[s->form]
                 : s->op == PF_OP_mul ? k->mul[s->form]
                 : s->op == PF_OP_shl ? k->shl[s->form]
                                      : s->kernel; /* neg wraps too: what it says is not heard */
    }
    const void *x = lanes(r, s->a), *y = s->b == 0 ? NULL : lanes(r, s->b);
    (void)kernel(d->data, x, y, NULL, count_of(r, s));
    written(r, s, PF_WIDTH_I64, out);
}

/* ---- steps on unsigned 64 bits ---- */

static bool is_positive(const pf_state *x)
{
    return x->width == PF_WIDTH_U64 || (x->width == PF_WIDTH_I64 && x->range.lo >= 0);
}

/* The lanes are written and unsigned. Where d may not be, those from 2**63 on bail. */
static void written_unsigned(run *r, const pf_step *s)
{
    const int64_t *d = r->st[s->d].data;
    const bool may_be_wide = r->p->values[s->d].wide;
    uint8_t bad[PF_LANES];
    unsigned any = 0;
    written(r, s, may_be_wide ? PF_WIDTH_U64 : PF_WIDTH_I64, PF_INTERVAL_ALL);
    for (int32_t i = 0; !may_be_wide && i < count_of(r, s); i++) {
        bad[i] = d[i] < 0;
        any |= bad[i];
    }
    if (any != 0) {
        fail_bad(r, s, bad);
    }
}

/* Bits of both operands side by side, when the result is known to be no less than 0 and to have 64 bits. */
static bool run_unsigned_bits(run *r, const pf_step *s)
{
    const pf_state *a = &r->st[s->a], *b = &r->st[s->b];
    if (s->op == PF_OP_and ? !is_positive(a) && !is_positive(b) : !is_positive(a) || !is_positive(b)) {
        return false;
    }
    pf_interval least = {0, INT64_MAX};
    bool small = false; /* below 2**63 */
    const pf_state *both[2] = {a, b};
    for (int i = 0; s->op == PF_OP_and && i < 2; i++) {
        if (both[i]->width == PF_WIDTH_I64 && both[i]->range.lo >= 0) {
            small = true;
            least.hi = both[i]->range.hi < least.hi ? both[i]->range.hi : least.hi;
        }
    }
    const void *x = lanes(r, s->a), *y = lanes(r, s->b);
    (void)s->kernel(r->st[s->d].data, x, y, NULL, count_of(r, s));
    if (small) {
        written(r, s, PF_WIDTH_I64, least);
    } else {
        written_unsigned(r, s);
    }
    return true;
}

/* x >> k, x % m and x // m of an unsigned x by something positive. */
static bool run_unsigned_part(run *r, const pf_step *s)
{
    const wide_lanes a = lanes_of(r, s->a), b = lanes_of(r, s->b);
    const pf_interval by = r->st[s->b].range;
    int64_t *d = r->st[s->d].data;
    const int32_t n = count_of(r, s);
    if (a.width != PF_WIDTH_U64 || b.width != PF_WIDTH_I64 || by.lo < (s->op == PF_OP_fdiv ? 2 : 1) ||
        (s->op != PF_OP_mod && by.lo != by.hi) || (s->op == PF_OP_shr && by.hi > 63)) {
        return false;
    }
    switch (s->op) {
    case PF_OP_shr:
        for (int32_t i = 0; i < n; i++) {
#ifdef PF_PLANTED_BUG_WRAP_MASK_SIGNED
            d[i] = a.low[i * (int32_t)a.by] >> by.lo;
            continue;
#endif
            d[i] = (int64_t)((uint64_t)a.low[i * (int32_t)a.by] >> by.lo);
        }
        written(r, s, PF_WIDTH_I64, (pf_interval){0, (int64_t)(UINT64_MAX >> by.lo)});
        return true;
    case PF_OP_mod:
        for (int32_t i = 0; i < n; i++) { /* a dead lane's divisor may be anything */
            const uint64_t m = (uint64_t)b.low[i * (int32_t)b.by];
            d[i] = m == 0 ? 0 : (int64_t)((uint64_t)a.low[i * (int32_t)a.by] % m);
        }
        written(r, s, PF_WIDTH_I64, (pf_interval){0, by.hi - 1});
        return true;
    default:
        for (int32_t i = 0; i < n; i++) {
            d[i] = (int64_t)((uint64_t)a.low[i * (int32_t)a.by] / (uint64_t)by.lo);
        }
        written(r, s, PF_WIDTH_I64, (pf_interval){0, (int64_t)(UINT64_MAX / (uint64_t)by.lo)});
        return true;
    }
}

static bool run_unsigned(run *r, const pf_step *s)
{
    switch (s->op) {
    case PF_OP_and:
    case PF_OP_or:
    case PF_OP_xor:
        return run_unsigned_bits(r, s);
    case PF_OP_shr:
    case PF_OP_mod:
    case PF_OP_fdiv:
        return run_unsigned_part(r, s);
    default:
        return false;
    }
}

/* ---- the steps ---- */

void pf_step_wide(run *r, const pf_step *s)
{
    if (s->low == PF_LOW_YES || (s->low == PF_LOW_GUARDED && r->low_holds)) {
        run_low(r, s);
    } else if (r->st[s->a].width == PF_WIDTH_I64 && (s->b == 0 || r->st[s->b].width == PF_WIDTH_I64)) {
        run_plain(r, s);
    } else if (!run_unsigned(r, s)) {
        compute(r, s);
    }
    pf_state *d = &r->st[s->d];
    if (r->p->values[s->d].scalar && d->width == PF_WIDTH_I64 && s->kd == PF_K_I64) { /* a scalar's interval is its value */
        d->range.lo = d->range.hi = *(const int64_t *)d->data;
    }
}

void pf_step_fit(run *r, const pf_step *s)
{
    const pf_state *a = &r->st[s->a];
    if (a->width == PF_WIDTH_I64 || mask_count(r, s->mask) == 0) {
        return;
    }
    const wide_lanes x = lanes_of(r, s->a);
    const uint8_t *mask = mask_bytes(r, s->mask);
    for (int32_t i = 0; i < r->m->n; i++) {
        if (is_live(r, mask, i) && !fits(lane(&x, i)) && !(s->negate && lane(&x, i) >> 64 == 0)) {
            pf_step_fail(r, s, i);
        }
    }
}

/* The kinds go where the high halves are: byte i is written when those that begin before it have been read. */
void pf_step_unsigned_output(const run *r, pf_val v, pf_vec *out)
{
    const pf_state *s = &r->st[v];
    const int64_t *low = s->data, *high = s->high;
    uint8_t *kind = (uint8_t *)s->high;
    for (int32_t i = 0; i < r->m->n; i++) {
        const int64_t above = s->width == PF_WIDTH_U64 ? 0 : high[i];
        const bool large = above == 0 && low[i] < 0;
        kind[i] = large ? PF_K_U64 : PF_K_I64;
        out->seen |= kind[i];
    }
    out->kind = kind;
    out->width = PF_WIDTH_I64;
    out->high = NULL;
}

void pf_step_wide_mod_is(run *r, const pf_step *s)
{
    const wide_lanes a = lanes_of(r, s->a);
    const int64_t m = r->st[s->b].range.lo, c = r->st[s->c].range.lo;
    uint8_t *d = r->st[s->d].data;
    if (m == 0) {
        pf_step_fail_all(r, s);
        return;
    }
    const uint8_t *mask = mask_bytes(r, s->mask);
    for (int32_t i = 0; i < r->m->n; i++) {
        wide quotient, rest = 0;
        if (mask == NULL || mask[i] != 0) {
            (void)divide(lane(&a, i), m, &quotient, &rest);
        }
        d[i] = (rest == c) ^ s->negate;
    }
}

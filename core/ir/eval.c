/* Each op as CPython computes it; the functions that follow one of CPython's name it.
 *
 * Rounding is to nearest even and contraction is off, as in CPython's own build; the process's libm is CPython's.
 * An op that has nothing exact to say bails, and a test for bailing never relies on the overflow it looks for. */
#include "eval.h"
#include "ir_internal.h"

#include "../base/mem.h"
#include "../column/set.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define TWO_53 9007199254740992 /* all ints up to here have an exact float */
#define TWO_63 9223372036854775808.0

/* ---- ints ---- */

static int fdiv_i64(int64_t a, int64_t b, int64_t *r)
{
    if (b == 0) {
        return PF_BAIL_ZERO;
    }
    if (a == INT64_MIN && b == -1) {
        return PF_BAIL_OVERFLOW;
    }
    *r = a / b - (a % b != 0 && (a < 0) != (b < 0));
    return 0;
}

static int mod_i64(int64_t a, int64_t b, int64_t *r)
{
    if (b == 0) {
        return PF_BAIL_ZERO;
    }
    int64_t m = b == -1 ? 0 : a % b; /* C leaves INT64_MIN % -1 undefined */
    *r = m != 0 && (m < 0) != (b < 0) ? m + b : m;
    return 0;
}

static int pow_i64(int64_t a, int64_t b, int64_t *r)
{
    if (b < 0) {
        return PF_BAIL_DOMAIN;
    }
    int64_t result = 1;
    while (b > 0) {
        if ((b & 1) && __builtin_mul_overflow(result, a, &result)) {
            return PF_BAIL_OVERFLOW;
        }
        b >>= 1;
        /* a square that is still needed and does not fit exceeds 2**63, and so does the result */
        if (b > 0 && __builtin_mul_overflow(a, a, &a)) {
            return PF_BAIL_OVERFLOW;
        }
    }
    *r = result;
    return 0;
}

static int shl_i64(int64_t a, int64_t b, int64_t *r)
{
    if (b < 0) {
        return PF_BAIL_DOMAIN;
    }
    *r = 0;
    if (a == 0) {
        return 0;
    }
    if (b > 63) {
        return PF_BAIL_OVERFLOW;
    }
    *r = (int64_t)((uint64_t)a << b);
    return (*r >> b) == a ? 0 : PF_BAIL_OVERFLOW;
}

static int gcd_i64(int64_t a, int64_t b, int64_t *r)
{
    uint64_t x = a < 0 ? -(uint64_t)a : (uint64_t)a, y = b < 0 ? -(uint64_t)b : (uint64_t)b;
    while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    *r = (int64_t)x;
    return x > INT64_MAX ? PF_BAIL_OVERFLOW : 0;
}

static int isqrt_i64(int64_t a, int64_t *r)
{
    if (a < 0) {
        return PF_BAIL_DOMAIN;
    }
    int64_t root = 0;
    for (int64_t bit = INT64_C(1) << 31; bit > 0; bit >>= 1) { /* the largest root is below 2**32 */
        int64_t next = root + bit;
        root = next <= a / next ? next : root;
    }
    *r = root;
    return 0;
}

static int two_i64(pf_op op, int64_t a, int64_t b, pf_scalar *out)
{
    int64_t *r = &out->u.i;
    switch (op) {
    case PF_OP_add:
        return __builtin_add_overflow(a, b, r) ? PF_BAIL_OVERFLOW : 0;
    case PF_OP_sub:
        return __builtin_sub_overflow(a, b, r) ? PF_BAIL_OVERFLOW : 0;
    case PF_OP_mul:
        return __builtin_mul_overflow(a, b, r) ? PF_BAIL_OVERFLOW : 0;
    case PF_OP_div:
        if (b == 0) {
            return PF_BAIL_ZERO;
        }
        if (a > TWO_53 || a < -TWO_53 || b > TWO_53 || b < -TWO_53) {
            return PF_BAIL_INEXACT;
        }
        out->u.f = (double)a / (double)b;
        return 0;
    case PF_OP_fdiv:
        return fdiv_i64(a, b, r);
    case PF_OP_mod:
        return mod_i64(a, b, r);
    case PF_OP_pow:
        return pow_i64(a, b, r);
    case PF_OP_and:
        *r = a & b;
        return 0;
    case PF_OP_or:
        *r = a | b;
        return 0;
    case PF_OP_xor:
        *r = a ^ b;
        return 0;
    case PF_OP_shl:
        return shl_i64(a, b, r);
    case PF_OP_shr:
        *r = b < 0 ? 0 : a >> (b > 63 ? 63 : b);
        return b < 0 ? PF_BAIL_DOMAIN : 0;
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
    case PF_OP_gcd:
        return gcd_i64(a, b, r);
    default:
        return PF_BAIL_ALWAYS;
    }
}

static int one_i64(pf_op op, int64_t a, pf_scalar *out)
{
    switch (op) {
    case PF_OP_neg:
        return __builtin_sub_overflow(0, a, &out->u.i) ? PF_BAIL_OVERFLOW : 0;
    case PF_OP_abs:
        out->u.i = a;
        return a < 0 && __builtin_sub_overflow(0, a, &out->u.i) ? PF_BAIL_OVERFLOW : 0;
    case PF_OP_invert:
        out->u.i = ~a;
        return 0;
    case PF_OP_not:
        out->u.i = !a;
        return 0;
    case PF_OP_truth:
        out->u.i = a != 0;
        return 0;
    case PF_OP_toint:
        out->u.i = a;
        return 0;
    case PF_OP_float:
        out->u.f = (double)a;
        return 0;
    case PF_OP_fexact:
        out->u.f = (double)a;
        return out->u.f < TWO_63 && (int64_t)out->u.f == a ? 0 : PF_BAIL_INEXACT;
    case PF_OP_isqrt:
        return isqrt_i64(a, &out->u.i);
    default:
        return PF_BAIL_ALWAYS;
    }
}

/* ---- floats ---- */

/* float_rem and the first half of _float_div_mod. */
static double rem_f64(double vx, double wx)
{
    double mod = fmod(vx, wx);
    if (mod == 0.0) {
        return copysign(0.0, wx);
    }
    return (wx < 0) != (mod < 0) ? mod + wx : mod;
}

/* _float_div_mod, the quotient. */
static double floor_div_f64(double vx, double wx)
{
    double mod = fmod(vx, wx), div = (vx - mod) / wx;
    if (mod != 0.0 && (wx < 0) != (mod < 0)) {
        div -= 1.0;
    }
    if (div == 0.0) {
        return copysign(0.0, vx / wx);
    }
    double whole = floor(div);
    return div - whole > 0.5 ? whole + 1.0 : whole;
}

/* float_pow on finite operands; it leaves infinities and NaN to CPython. */
static int pow_f64(double v, double w, double *r)
{
    if (!isfinite(v) || !isfinite(w)) {
        return PF_BAIL_DOMAIN;
    }
    bool odd = fmod(fabs(w), 2.0) == 1.0, negative = v < 0.0 && odd;
    if (w == 0.0) {
        *r = 1.0;
        return 0;
    }
    if (v == 0.0) {
        *r = odd ? v : 0.0;
        return w < 0.0 ? PF_BAIL_ZERO : 0;
    }
    if (v < 0.0 && w != floor(w)) { /* a complex number */
        return PF_BAIL_DOMAIN;
    }
    double whole = fabs(v) == 1.0 ? 1.0 : pow(fabs(v), w);
    *r = negative ? -whole : whole;
    return isfinite(whole) ? 0 : PF_BAIL_OVERFLOW;
}

/* math's functions: CPython's checks of errno and special cases begin where a number stops being finite. */
static int if_finite(double r, double *out)
{
    *out = r;
    return isfinite(r) ? 0 : PF_BAIL_DOMAIN;
}

/* x scaled by a power of two so that |x| < 1, at least 0.5 for the larger operand; sums of squares of such are kept
 * with what rounding lost of them, then the root is corrected by what its own square misses. vector_norm of
 * Modules/mathmodule.c, as it is from 3.12 on and as it was in 3.11, for two operands. */
static double norm(double a, double b)
{
    int exponent;
    (void)frexp(fmax(a, b), &exponent);
    if (exponent < -1023) { /* 2**-exponent would be infinite */
        return DBL_MIN * norm(a / DBL_MIN, b / DBL_MIN);
    }
    double scale = ldexp(1.0, -exponent), sum = 1.0, products = 0.0, sums = 0.0;
    const double scaled[2] = {a * scale, b * scale};
    for (int i = 0; i < 2; i++) {
        double x = scaled[i], square = x * x, before = sum;
        sum = before + square;
        products += fma(x, x, -square);
        sums += (before - sum) + square;
    }
    double root = sqrt(sum - 1.0 + (products + sums)), square = -root * root, before = sum;
    sum = before + square;
    products += fma(-root, root, -square);
    sums += (before - sum) + square;
    double missing = sum - 1.0 + (products + sums);
    return (root + missing / (2.0 * root)) / scale;
}

static double hypot_f64(double a, double b)
{
    return a == 0.0 && b == 0.0 ? 0.0 : norm(fabs(a), fabs(b));
}

static void add_part(double *sum, double *lost, double part)
{
    double before = *sum;
    *sum = before + part;
    *lost += (before - *sum) + part;
}

/* The square of x, of which sign times the three parts are added: Veltkamp's split makes each of them exact. */
static void add_square(double *sum, double lost[3], double x, double sign)
{
    double t = x * 134217729.0, high = t - (t - x), low = x - high;
    add_part(sum, &lost[0], sign * high * high);
    add_part(sum, &lost[1], sign * 2.0 * high * low);
    if (sign > 0) {
        lost[2] += low * low; /* too small for the sum to notice */
    } else {
        add_part(sum, &lost[2], -low * low);
    }
}

static double hypot311_f64(double a, double b)
{
    double most = fmax(fabs(a), fabs(b)), sum = 1.0, lost[3] = {0.0, 0.0, 0.0};
    int exponent;
    if (most == 0.0) {
        return 0.0;
    }
    (void)frexp(most, &exponent);
    if (exponent < -1023) {
        add_part(&sum, &lost[0], (fabs(a) / most) * (fabs(a) / most));
        add_part(&sum, &lost[0], (fabs(b) / most) * (fabs(b) / most));
        return most * sqrt(sum - 1.0 + lost[0]);
    }
    double scale = ldexp(1.0, -exponent);
    add_square(&sum, lost, fabs(a) * scale, 1.0);
    add_square(&sum, lost, fabs(b) * scale, 1.0);
    double root = sqrt(sum - 1.0 + (lost[0] + lost[1] + lost[2]));
    add_square(&sum, lost, root, -1.0);
    double missing = sum - 1.0 + (lost[0] + lost[1] + lost[2]);
    return (root + missing / (2.0 * root)) / scale;
}

/* float.__round__(x, n), which goes by way of the decimal digits: the double nearest to x * 10**n rounded half to even,
 * divided by 10**n. Why this is that: interp/scalar.h. */
static int roundto_f64(double x, double n, double *r)
{
    if (n != floor(n) || fabs(n) > 22.0) {
        return PF_BAIL_DOMAIN;
    }
    double power = 1.0; /* exact up to 10**22 */
    for (int i = 0; i < (int)fabs(n); i++) {
        power *= 10.0;
    }
    if (n < 0.0) {
        *r = copysign(x - remainder(x, power), x);
        return 0;
    }
    double product = x * power;
    if (fabs(x) >= 4503599627370496.0 || fabs(product) >= 18014398509481984.0) {
        *r = x;
        return 0;
    }
    if (fabs(product) >= 4503599627370496.0) {
        return PF_BAIL_DOMAIN;
    }
    double error = fma(x, power, -product), whole = rint(product), rest = product - whole;
    if (rest == 0.5 && error > 0.0) {
        whole += 1.0;
    } else if (rest == -0.5 && error < 0.0) {
        whole -= 1.0;
    }
    *r = whole / power;
    return 0;
}

static int two_f64(pf_op op, double a, double b, pf_scalar *out)
{
    double *r = &out->u.f;
    switch (op) {
    case PF_OP_add:
        *r = a + b;
        return 0;
    case PF_OP_sub:
        *r = a - b;
        return 0;
    case PF_OP_mul:
        *r = a * b;
        return 0;
    case PF_OP_div:
        *r = b == 0.0 ? 0.0 : a / b;
        return b == 0.0 ? PF_BAIL_ZERO : 0;
    case PF_OP_fdiv:
        *r = b == 0.0 ? 0.0 : floor_div_f64(a, b);
        return b == 0.0 ? PF_BAIL_ZERO : 0;
    case PF_OP_mod:
        *r = b == 0.0 ? 0.0 : rem_f64(a, b);
        return b == 0.0 ? PF_BAIL_ZERO : 0;
    case PF_OP_pow:
        return pow_f64(a, b, r);
    case PF_OP_lt:
        out->u.i = a < b;
        return 0;
    case PF_OP_le:
        out->u.i = a <= b;
        return 0;
    case PF_OP_eq:
        out->u.i = a == b;
        return 0;
    case PF_OP_ne:
        out->u.i = a != b;
        return 0;
    case PF_OP_gt:
        out->u.i = a > b;
        return 0;
    case PF_OP_ge:
        out->u.i = a >= b;
        return 0;
    case PF_OP_copysign:
        *r = copysign(a, b);
        return 0;
    default:
        break;
    }
    if (!isfinite(a) || !isfinite(b)) {
        return PF_BAIL_DOMAIN;
    }
    switch (op) {
    case PF_OP_atan2:
        return if_finite(atan2(a, b), r);
    case PF_OP_fmod:
        return if_finite(fmod(a, b), r);
    case PF_OP_mathpow:
        return if_finite(pow(a, b), r);
    case PF_OP_hypot:
        return if_finite(hypot_f64(a, b), r);
    case PF_OP_hypot311:
        return if_finite(hypot311_f64(a, b), r);
    case PF_OP_roundto:
        return roundto_f64(a, b, r);
    default:
        return PF_BAIL_ALWAYS;
    }
}

static int to_i64(double whole, int64_t *r)
{
    if (!(whole >= -TWO_63 && whole < TWO_63)) {
        return PF_BAIL_DOMAIN;
    }
    *r = (int64_t)whole;
    return 0;
}

static int libm_f64(pf_op op, double a, double *r)
{
    switch (op) {
#define CALL(name)                                                                                                     \
    case PF_OP_##name:                                                                                                 \
        return if_finite(name(a), r);
        CALL(exp)
        CALL(expm1)
        CALL(log)
        CALL(log2)
        CALL(log10)
        CALL(log1p)
        CALL(sin)
        CALL(cos)
        CALL(tan)
        CALL(asin)
        CALL(acos)
        CALL(atan)
        CALL(sinh)
        CALL(cosh)
        CALL(tanh)
        CALL(cbrt)
        CALL(exp2)
#undef CALL
    case PF_OP_degrees:
        return if_finite(a * (180.0 / 3.14159265358979323846), r);
    case PF_OP_radians:
        return if_finite(a * (3.14159265358979323846 / 180.0), r);
    default:
        return PF_BAIL_ALWAYS;
    }
}

static int one_f64(pf_op op, double a, pf_scalar *out)
{
    switch (op) {
    case PF_OP_neg:
        out->u.f = -a;
        return 0;
    case PF_OP_abs:
        out->u.f = fabs(a);
        return 0;
    case PF_OP_truth:
        out->u.i = a != 0.0;
        return 0;
    case PF_OP_int:
        return to_i64(trunc(a), &out->u.i);
    case PF_OP_round:
        return to_i64(rint(a), &out->u.i);
    case PF_OP_floor:
        return to_i64(floor(a), &out->u.i);
    case PF_OP_ceil:
        return to_i64(ceil(a), &out->u.i);
    case PF_OP_isnan:
        out->u.i = isnan(a) != 0;
        return 0;
    case PF_OP_isinf:
        out->u.i = isinf(a) != 0;
        return 0;
    case PF_OP_sqrt: /* inf and NaN have one too */
        out->u.f = sqrt(a);
        return a < 0 ? PF_BAIL_DOMAIN : 0;
    case PF_OP_isfinite:
        out->u.i = isfinite(a) != 0;
        return 0;
    default:
        return isfinite(a) ? libm_f64(op, a, &out->u.f) : PF_BAIL_DOMAIN;
    }
}

/* ---- strs ---- */

static bool equal_str(uint64_t a, uint64_t b, pf_str_view_fn str_view)
{
    if (a == b) {
        return true;
    }
    pf_str_view x = str_view(a), y = str_view(b);
    return x.length == y.length && x.width == y.width && memcmp(x.data, y.data, (size_t)x.length * x.width) == 0;
}

static uint32_t code_point(const pf_str_view *s, uint32_t i)
{
    return s->width == 1   ? ((const uint8_t *)s->data)[i]
           : s->width == 2 ? ((const uint16_t *)s->data)[i]
                           : ((const uint32_t *)s->data)[i];
}

static int order_str(const pf_str_view *a, const pf_str_view *b)
{
    for (uint32_t i = 0; i < a->length && i < b->length; i++) {
        uint32_t x = code_point(a, i), y = code_point(b, i);
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return a->length < b->length ? -1 : a->length > b->length;
}

static int on_str(pf_op op, const pf_scalar *operands, pf_str_view_fn str_view, pf_scalar *out)
{
    if (op == PF_OP_truth) {
        out->u.i = str_view(operands[0].u.handle).length != 0;
        return 0;
    }
    if (op == PF_OP_eq || op == PF_OP_ne) {
        out->u.i = equal_str(operands[0].u.handle, operands[1].u.handle, str_view) == (op == PF_OP_eq);
        return 0;
    }
    pf_str_view a = str_view(operands[0].u.handle), b = str_view(operands[1].u.handle);
    int order = order_str(&a, &b);
    switch (op) {
    case PF_OP_lt:
        out->u.i = order < 0;
        return 0;
    case PF_OP_le:
        out->u.i = order <= 0;
        return 0;
    case PF_OP_gt:
        out->u.i = order > 0;
        return 0;
    case PF_OP_ge:
        out->u.i = order >= 0;
        return 0;
    default:
        return PF_BAIL_ALWAYS;
    }
}

/* ---- in ---- */

static bool equal_numbers(const pf_scalar *a, const pf_scalar *b)
{
    if (a->kind == PF_K_F64 && b->kind == PF_K_F64) {
        return a->u.f == b->u.f;
    }
    const pf_scalar *f = a->kind == PF_K_F64 ? a : b->kind == PF_K_F64 ? b : NULL, *i = f == a ? b : a;
    if (f == NULL) {
        return a->u.i == b->u.i;
    }
    return f->u.f >= -TWO_63 && f->u.f < TWO_63 && (int64_t)f->u.f == i->u.i && floor(f->u.f) == f->u.f;
}

static int is_in(const pf_scalar *value, const pf_set *set, pf_str_view_fn str_view, pf_scalar *out)
{
    const pf_kinds numbers = PF_K_BOOL | PF_K_I64 | PF_K_F64;
    bool nan = value->kind == PF_K_F64 && isnan(value->u.f);
    for (size_t k = 0; k < set->n; k++) {
        const pf_scalar *item = &set->items[k];
        if (nan && item->kind == PF_K_F64 && isnan(item->u.f)) {
            return PF_BAIL_DOMAIN;
        }
        out->u.i |= (value->kind & numbers) != 0 && (item->kind & numbers) != 0 ? equal_numbers(value, item)
                    : value->kind != item->kind                                 ? false
                    : value->kind == PF_K_STR ? equal_str(value->u.handle, item->u.handle, str_view)
                                              : value->kind == PF_K_NONE;
    }
    return 0;
}

/* ---- one op ---- */

int pf_eval_op(const pf_inst *inst, const pf_scalar operands[3], pf_str_view_fn str_view, pf_scalar *out)
{
    pf_op op = (pf_op)inst->op;
    const pf_scalar *a = &operands[0], *b = &operands[1];
    *out = (pf_scalar){.kind = inst->kinds};
    switch (op) {
    case PF_OP_large:
        return PF_BAIL_OVERFLOW;
    case PF_OP_select:
        *out = a->u.i ? operands[1] : operands[2];
        return 0;
    case PF_OP_is_kind:
        out->u.i = (a->kind & inst->imm.i) != 0;
        return 0;
    case PF_OP_in:
        return is_in(a, (const pf_set *)(uintptr_t)b->u.handle, str_view, out);
    case PF_OP_narrow:
        *out = *a;
        return (a->kind & inst->kinds) != 0 ? 0 : PF_BAIL_KIND;
    default:
        break;
    }
    bool two = pf_ops[op].arity == 2;
    switch (a->kind) {
    case PF_K_STR:
        return on_str(op, operands, str_view, out);
    case PF_K_F64:
        return two ? two_f64(op, a->u.f, b->u.f, out) : one_f64(op, a->u.f, out);
    default:
        return two ? two_i64(op, a->u.i, b->u.i, out) : one_i64(op, a->u.i, out);
    }
}

/* ---- one row ---- */

typedef struct row_run {
    const pf_fn *fn;
    const pf_eval_in *in;
    pf_scalar *regs;  /* one per instruction */
    pf_scalar *fresh; /* the arguments of one edge, before they become another block's */
} row_run;

static int read_value(const row_run *run, const pf_inst *inst, pf_scalar *out)
{
    switch (inst->op) {
    case PF_OP_const:
        *out = (pf_scalar){.kind = inst->kinds, .u.i = inst->imm.i};
        if (inst->kinds == PF_K_STR) {
            out->u.handle = run->in->strings[inst->imm.k];
        }
        return 0;
    case PF_OP_param:
        *out = run->in->params[inst->imm.k];
        return 0;
    case PF_OP_column:
        *out = run->in->columns[inst->imm.k];
        return (out->kind & inst->kinds) != 0 ? 0 : PF_BAIL_KIND;
    default:
        *out = (pf_scalar){.kind = PF_K_I64, .u.i = run->in->row};
        return 0;
    }
}

static int run_inst(const row_run *run, pf_ref r)
{
    const pf_inst *inst = &run->fn->insts[r];
    if (pf_ir_is_pinned(inst->op)) {
        return read_value(run, inst, &run->regs[r]);
    }
    if (inst->op == PF_OP_rank) {
        run->regs[r] = (pf_scalar){.kind = PF_K_I64, .u.i = run->in->counts[inst->imm.k]++};
        return 0;
    }
    pf_scalar operands[3] = {run->regs[inst->a], run->regs[inst->b], run->regs[inst->c]};
    return pf_eval_op(inst, operands, run->in->str_view, &run->regs[r]);
}

static pf_block follow(const row_run *run, const pf_edge *edge)
{
    const pf_block_info *to = &run->fn->blocks[edge->to];
    for (uint32_t i = 0; i < edge->nargs; i++) {
        run->fresh[i] = run->regs[edge->args[i]];
    }
    for (uint32_t i = 0; i < edge->nargs; i++) {
        run->regs[to->first + i] = run->fresh[i];
    }
    return edge->to;
}

static void run_row(const row_run *run, pf_scalar *values, pf_eval_out *out)
{
    const pf_fn *fn = run->fn;
    pf_block block = 0;
    *out = (pf_eval_out){0};
    for (;;) {
        const pf_block_info *info = &fn->blocks[block];
        const pf_inst *last = &fn->insts[info->end - 1];
        for (pf_ref r = info->first + info->nargs; r < info->end - 1; r++) {
            int reason = run_inst(run, r);
            if (reason != 0) {
                *out = (pf_eval_out){PF_OP_bail, fn->insts[r].op, (uint8_t)reason, fn->insts[r].place};
                return;
            }
        }
        pf_edge edges[2];
        uint32_t n = pf_ir_edges(fn, last, edges);
        if (n > 0) {
            block = follow(run, &edges[n == 2 && !run->regs[last->a].u.i]);
            continue;
        }
        for (uint32_t i = 0; last->op == PF_OP_yield && i < fn->noutputs; i++) {
            values[i] = run->regs[fn->pool[last->imm.p.first + i]];
        }
        out->how = last->op;
        if (last->op == PF_OP_bail) {
            *out = (pf_eval_out){PF_OP_bail, PF_OP_bail, PF_BAIL_ALWAYS, last->place};
        }
        return;
    }
}

pf_status pf_eval_row(const pf_fn *fn, const pf_eval_in *in, pf_scalar *values, pf_eval_out *out)
{
    row_run run = {.fn = fn, .in = in};
    run.regs = pf_mem_calloc((size_t)fn->ninsts * 2, sizeof *run.regs);
    if (run.regs == NULL) {
        return PF_NOMEM;
    }
    run.fresh = run.regs + fn->ninsts;
    run_row(&run, values, out);
    pf_mem_free(run.regs);
    return PF_OK;
}

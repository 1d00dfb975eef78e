/* The meaning of every op on one lane, written once; kernels.c makes the loops.
 *
 * op_<name>_<type>(operands, result) returns nonzero when the lane bails. Every function is total: dead lanes hold any
 * bits, so nothing here traps, and a lane that bails still gets some result. i64 wraps through uint64_t.
 * Functions whose flag is an expression without branches let the compiler vectorise the loop around them.
 *
 * Only for kernels.c, which is compiled once per instruction set: everything here is static. */
#ifndef PF_INTERP_SCALAR_H
#define PF_INTERP_SCALAR_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

#define UNARY_OP(name, T, R) static inline uint64_t op_##name(T a, R *r)
#define BINARY_OP(name, T, R) static inline uint64_t op_##name(T a, T b, R *r)

static inline bool finite(double x)
{
    return __builtin_fabs(x) <= DBL_MAX;
}

/* ---- i64 arithmetic ---- */

BINARY_OP(add_i64, int64_t, int64_t)
{
    uint64_t s = (uint64_t)a + (uint64_t)b;
    *r = (int64_t)s;
#ifdef PF_PLANTED_BUG_WRAP_ADD64
    return 0;
#endif
    return (((uint64_t)a ^ s) & ((uint64_t)b ^ s)) >> 63;
}

BINARY_OP(sub_i64, int64_t, int64_t)
{
    uint64_t s = (uint64_t)a - (uint64_t)b;
    *r = (int64_t)s;
#ifdef PF_PLANTED_BUG_WRAP_ADD64
    return 0;
#endif
    return (((uint64_t)a ^ (uint64_t)b) & ((uint64_t)a ^ s)) >> 63;
}

BINARY_OP(mul_i64, int64_t, int64_t)
{
    bool over = __builtin_mul_overflow(a, b, r);
#ifdef PF_PLANTED_BUG_WRAP_MUL64
    over = false;
#endif
    return over;
}

UNARY_OP(neg_i64, int64_t, int64_t)
{
    *r = (int64_t)(0 - (uint64_t)a);
    return a == INT64_MIN;
}

UNARY_OP(abs_i64, int64_t, int64_t)
{
    *r = a < 0 ? (int64_t)(0 - (uint64_t)a) : a;
    return a == INT64_MIN;
}

UNARY_OP(invert_i64, int64_t, int64_t)
{
    *r = ~a;
    return 0;
}

BINARY_OP(fdiv_i64, int64_t, int64_t)
{
    if (b == 0 || (b == -1 && a == INT64_MIN)) {
        *r = 0;
        return 1;
    }
    int64_t q = a / b;
#ifndef PF_PLANTED_BUG_C_FLOORDIV
    q -= (a % b != 0) & ((a ^ b) < 0);
#endif
    *r = q;
    return 0;
}

BINARY_OP(mod_i64, int64_t, int64_t)
{
    if (b == 0 || b == -1) { /* x % -1 is 0, but the CPU would trap on INT64_MIN */
        *r = 0;
        return b == 0;
    }
    int64_t m = a % b;
#ifndef PF_PLANTED_BUG_C_MOD
    m += ((m != 0) & ((m ^ b) < 0)) != 0 ? b : 0;
#endif
    *r = m;
    return 0;
}

/* By squaring; the last squaring, which nothing would use, is left out, so that it cannot overflow. */
BINARY_OP(pow_i64, int64_t, int64_t)
{
    *r = 0;
    if (b < 0) {
#ifdef PF_PLANTED_BUG_POW_NEGATIVE_AS_INT
        return 0;
#endif
        return 1;
    }
    int64_t result = 1, base = a;
    for (uint64_t e = (uint64_t)b; e != 0; e >>= 1) {
        if ((e & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
            return 1;
        }
        if (e > 1 && __builtin_mul_overflow(base, base, &base)) {
            return 1;
        }
    }
    *r = result;
    return 0;
}

BINARY_OP(shl_i64, int64_t, int64_t)
{
#ifdef PF_PLANTED_BUG_SHIFT_MASKED
    *r = (int64_t)((uint64_t)a << (b & 63));
    return 0;
#endif
    uint64_t count = (uint64_t)b < 63 ? (uint64_t)b : 63;
    int64_t s = (int64_t)((uint64_t)a << count);
    *r = s;
    return (b < 0) | ((s >> count) != a) | ((b > 63) & (a != 0));
}

BINARY_OP(shr_i64, int64_t, int64_t)
{
#ifdef PF_PLANTED_BUG_SHIFT_MASKED
    *r = a >> (b & 63);
    return 0;
#endif
    *r = a >> ((uint64_t)b < 63 ? b : 63);
    return b < 0;
}

BINARY_OP(gcd_i64, int64_t, int64_t)
{
    uint64_t x = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, y = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    *r = (int64_t)x;
    return x >> 63;
}

UNARY_OP(isqrt_i64, int64_t, int64_t)
{
    uint64_t x = a < 0 ? 0 : (uint64_t)a;
    uint64_t root = (uint64_t)__builtin_sqrt((double)x); /* at most one off: 53 bits are plenty for 32 */
    root -= root * root > x;
    root += (root + 1) * (root + 1) <= x;
    *r = (int64_t)root;
    return a < 0;
}

#define BITS(T, suffix)                                                                                                \
    BINARY_OP(and_##suffix, T, T)                                                                                      \
    {                                                                                                                  \
        *r = (T)(a & b);                                                                                               \
        return 0;                                                                                                      \
    }                                                                                                                  \
    BINARY_OP(or_##suffix, T, T)                                                                                       \
    {                                                                                                                  \
        *r = (T)(a | b);                                                                                               \
        return 0;                                                                                                      \
    }                                                                                                                  \
    BINARY_OP(xor_##suffix, T, T)                                                                                      \
    {                                                                                                                  \
        *r = (T)(a ^ b);                                                                                               \
        return 0;                                                                                                      \
    }
BITS(int64_t, i64)
BITS(uint8_t, bool)
#undef BITS

/* ---- comparison and truth ---- */

#define COMPARE(name, T, operator)                                                                                     \
    BINARY_OP(name, T, uint8_t)                                                                                        \
    {                                                                                                                  \
        *r = a operator b;                                                                                             \
        return 0;                                                                                                      \
    }
#define EQUALITY(T, suffix)                                                                                            \
    COMPARE(eq_##suffix, T, ==)                                                                                        \
    COMPARE(ne_##suffix, T, !=)                                                                                        \
    UNARY_OP(truth_##suffix, T, uint8_t)                                                                               \
    {                                                                                                                  \
        *r = a != 0;                                                                                                   \
        return 0;                                                                                                      \
    }
#define ORDER(T, suffix)                                                                                               \
    COMPARE(lt_##suffix, T, <)                                                                                         \
    COMPARE(le_##suffix, T, <=)                                                                                        \
    COMPARE(gt_##suffix, T, >)                                                                                         \
    COMPARE(ge_##suffix, T, >=)
EQUALITY(int64_t, i64)
EQUALITY(double, f64)
EQUALITY(uint8_t, bool)
ORDER(int64_t, i64)
ORDER(double, f64)
#undef EQUALITY
#undef ORDER
#undef COMPARE

UNARY_OP(not_bool, uint8_t, uint8_t)
{
    *r = a == 0;
    return 0;
}

/* ---- f64 arithmetic ---- */

BINARY_OP(add_f64, double, double)
{
    *r = a + b;
    return 0;
}

BINARY_OP(sub_f64, double, double)
{
    *r = a - b;
    return 0;
}

BINARY_OP(mul_f64, double, double)
{
    *r = a * b;
    return 0;
}

BINARY_OP(div_f64, double, double)
{
    *r = a / b;
    return b == 0;
}

UNARY_OP(neg_f64, double, double)
{
#ifdef PF_PLANTED_BUG_LOST_NEG_ZERO
    *r = 0.0 - a;
#else
    *r = -a;
#endif
    return 0;
}

UNARY_OP(abs_f64, double, double)
{
    *r = __builtin_fabs(a);
    return 0;
}

/* CPython's float_rem. */
BINARY_OP(mod_f64, double, double)
{
    double m = pf_libm.fmod(a, b);
#ifndef PF_PLANTED_BUG_FLOAT_MOD_SIGN
    if (m != 0) {
        m += (b < 0) != (m < 0) ? b : 0;
    } else {
        m = __builtin_copysign(0.0, b);
    }
#endif
    *r = m;
    return b == 0;
}

/* CPython's _float_div_mod, the quotient's half. */
BINARY_OP(fdiv_f64, double, double)
{
    double m = pf_libm.fmod(a, b);
    double q = (a - m) / b;
    if (m != 0 && (b < 0) != (m < 0)) {
        q -= 1.0;
    }
    if (q != 0) {
        double down = __builtin_floor(q);
        q = q - down > 0.5 ? down + 1.0 : down;
    } else {
        q = __builtin_copysign(0.0, a / b);
    }
    *r = q;
    return b == 0;
}

/* CPython's float_pow gives libm a base without sign. What is not finite or complex bails. */
BINARY_OP(pow_f64, double, double)
{
    *r = 0;
    bool integral = b == __builtin_floor(b);
    if (!finite(a) || !finite(b) || (a == 0 && b < 0) || (a < 0 && !integral)) {
        return 1;
    }
    bool odd = integral && __builtin_fabs(pf_libm.fmod(b, 2.0)) == 1.0;
    double p;
    if (b == 0) {
        p = 1.0;
    } else if (a == 0) {
        p = odd ? a : 0.0;
    } else {
        p = pf_libm.pow(__builtin_fabs(a), b);
        if (!finite(p)) {
            return 1;
        }
        p = a < 0 && odd ? -p : p;
    }
    *r = p;
    return 0;
}

/* ---- conversion ---- */

UNARY_OP(float_i64, int64_t, double)
{
    *r = (double)a;
    return 0;
}

UNARY_OP(fexact_i64, int64_t, double)
{
    double d = (double)a;
    *r = d;
#ifdef PF_PLANTED_BUG_INT_FLOAT_COMPARE_ROUNDS
    return 0;
#endif
    return !(d < 0x1p63) || (int64_t)d != a;
}

/* CPython divides correctly rounded; dividing doubles is the same only while both operands are exact. */
BINARY_OP(div_i64, int64_t, double)
{
    *r = (double)a / (double)b;
#ifdef PF_PLANTED_BUG_TRUEDIV_ROUNDS_BIG
    return b == 0;
#endif
    const uint64_t limit = UINT64_C(1) << 53;
    return ((uint64_t)a + limit > 2 * limit) | ((uint64_t)b + limit > 2 * limit) | (b == 0);
}

/* x is integral or bails; NaN fails both comparisons. */
static inline uint64_t to_i64(double x, int64_t *r)
{
    bool fits = x >= -0x1p63 && x < 0x1p63;
    *r = (int64_t)(fits ? x : 0.0);
    return !fits;
}

UNARY_OP(int_f64, double, int64_t)
{
    return to_i64(a, r); /* the conversion truncates */
}

UNARY_OP(round_f64, double, int64_t)
{
#ifdef PF_PLANTED_BUG_ROUND_HALF_UP
    return to_i64(__builtin_round(a), r);
#endif
    return to_i64(__builtin_rint(a), r);
}

UNARY_OP(floor_f64, double, int64_t)
{
    return to_i64(__builtin_floor(a), r);
}

UNARY_OP(ceil_f64, double, int64_t)
{
    return to_i64(__builtin_ceil(a), r);
}

UNARY_OP(toint_bool, uint8_t, int64_t)
{
    *r = a;
    return 0;
}

/* ---- math ---- */

UNARY_OP(sqrt_f64, double, double)
{
    *r = __builtin_sqrt(a);
    return a < 0;
}

#define LIBM1(name)                                                                                                    \
    UNARY_OP(name##_f64, double, double)                                                                               \
    {                                                                                                                  \
        double x = pf_libm.name(a);                                                                                    \
        *r = x;                                                                                                        \
        return !finite(a) || !finite(x);                                                                               \
    }
#define LIBM2(name, function)                                                                                          \
    BINARY_OP(name##_f64, double, double)                                                                              \
    {                                                                                                                  \
        double x = pf_libm.function(a, b);                                                                             \
        *r = x;                                                                                                        \
        return !finite(a) || !finite(b) || !finite(x);                                                                 \
    }
LIBM1(exp)
LIBM1(expm1)
LIBM1(log)
LIBM1(log2)
LIBM1(log10)
LIBM1(sin)
LIBM1(cos)
LIBM1(tan)
LIBM1(asin)
LIBM1(acos)
LIBM1(atan)
LIBM1(sinh)
LIBM1(cosh)
LIBM1(tanh)
LIBM1(cbrt)
LIBM1(exp2)
LIBM2(atan2, atan2)
LIBM2(fmod, fmod)
LIBM2(mathpow, pow)
#undef LIBM1
#undef LIBM2

/* CPython keeps the sign of zero even where a libm does not. */
UNARY_OP(log1p_f64, double, double)
{
    double x = a == 0 ? a : pf_libm.log1p(a);
    *r = x;
    return !finite(a) || !finite(x);
}

/* CPython's vector_norm for two operands, from 3.12 on (`norm312`) and in 3.11 (`norm311`); eval.c tells the idea.
 * Every rounding is where CPython's is. a and b are finite, not negative, and not both 0. */

/* 2**exponent, which is at least -1024. */
static inline double two_to(int exponent)
{
    const uint64_t bits = exponent >= -1022 ? (uint64_t)(exponent + 1023) << 52 : UINT64_C(1) << (exponent + 1074);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* The exponent that frexp gives: x is in [0.5, 1) * 2**exponent. */
static inline int exponent_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 52 != 0 ? (int)(bits >> 52) - 1022 : 64 - __builtin_clzll(bits) - 1074;
}

/* The upper half of x's digits, which times another such half is exact. */
static inline double upper_half(double x)
{
    const double t = x * 134217729.0; /* 2**27 + 1 */
    return t - (t - x);
}

/* a * b - p, where p is a * b rounded; exact while nothing under- or overflows. */
static inline double product_error(double a, double b, double p)
{
#if defined(__FMA__)
    return __builtin_fma(a, b, -p);
#else
    const double ah = upper_half(a), al = a - ah, bh = upper_half(b), bl = b - bh;
    return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
#endif
}

/* *sum += x, and what that loses of x to *lost. */
static inline void add_keeping(double *sum, double *lost, double x)
{
    const double before = *sum;
    *sum = before + x;
    *lost += (before - *sum) + x;
}

static inline double norm312(double a, double b)
{
    double outer = 1.0;
    int exponent = exponent_of(a > b ? a : b);
    if (exponent < -1023) {
        a /= DBL_MIN;
        b /= DBL_MIN;
        outer = DBL_MIN;
        exponent = exponent_of(a > b ? a : b);
    }
    const double scale = two_to(-exponent);
    double sum = 1.0, products = 0.0, sums = 0.0;
    const double x = a * scale, y = b * scale, xx = x * x, yy = y * y;
    add_keeping(&sum, &sums, xx);
    add_keeping(&sum, &sums, yy);
    products += product_error(x, x, xx);
    products += product_error(y, y, yy);
    const double root = __builtin_sqrt(sum - 1.0 + (products + sums)), square = -root * root;
    add_keeping(&sum, &sums, square);
    products += product_error(-root, root, square);
    const double missing = sum - 1.0 + (products + sums);
    return outer * ((root + missing / (2.0 * root)) / scale);
}

static inline double norm311(double a, double b)
{
    const double most = a > b ? a : b;
    const int exponent = exponent_of(most);
    double sum = 1.0, lost1 = 0.0, lost2 = 0.0, lost3 = 0.0;
    if (exponent < -1023) {
        const double x = a / most, y = b / most;
        add_keeping(&sum, &lost1, x * x);
        add_keeping(&sum, &lost1, y * y);
        return most * __builtin_sqrt(sum - 1.0 + lost1);
    }
    const double scale = two_to(-exponent);
    const double parts[2] = {a * scale, b * scale};
    for (int i = 0; i < 2; i++) {
        const double high = upper_half(parts[i]), low = parts[i] - high;
        add_keeping(&sum, &lost1, high * high);
        add_keeping(&sum, &lost2, 2.0 * high * low);
        lost3 += low * low;
    }
    const double root = __builtin_sqrt(sum - 1.0 + (lost1 + lost2 + lost3));
    const double high = upper_half(root), low = root - high;
    add_keeping(&sum, &lost1, -high * high);
    add_keeping(&sum, &lost2, -2.0 * high * low);
    add_keeping(&sum, &lost3, -low * low);
    const double missing = sum - 1.0 + (lost1 + lost2 + lost3);
    return (root + missing / (2.0 * root)) / scale;
}

#define HYPOT(name, norm)                                                                                              \
    BINARY_OP(name, double, double)                                                                                    \
    {                                                                                                                  \
        *r = 0;                                                                                                        \
        if (!finite(a) || !finite(b)) {                                                                                \
            return 1;                                                                                                  \
        }                                                                                                              \
        if (a != 0 || b != 0) {                                                                                        \
            *r = norm(__builtin_fabs(a), __builtin_fabs(b));                                                           \
        }                                                                                                              \
        return !finite(*r);                                                                                            \
    }
HYPOT(hypot_f64, norm312)
HYPOT(hypot311_f64, norm311)
#undef HYPOT

/* round(a, n), n = b. CPython writes a with n decimals, correctly rounded and half to even, and reads that back: the
 * double nearest to z / 10**n, where z is the integer nearest to the real number a * 10**n. Below, p = 10**|n| is
 * exact, as |n| <= 22.
 *
 * n >= 0. With h = a * p rounded and e its error, the real product is h + e, |e| <= u / 2 for h's unit u. Let |h| <
 * 2**52, so u <= 1/2, and 1/2 is a multiple of it. z0 = rint(h), and d = h - z0 is exact, a multiple of u, |d| <= 1/2.
 * If |d| < 1/2, then |d| <= 1/2 - u and |d + e| < 1/2: z = z0. If d = 1/2 (rint chose the even side below), then z = z0
 * + 1 just when e > 0; d = -1/2 likewise; and a true tie, e = 0, went to the even side already. e is exact unless a * p
 * is tiny, and then |h| < 1/4 and e decides nothing. |z| <= 2**52 and p are doubles, so z / p, correctly rounded, is
 * the double nearest to the decimal. A z of 0 has h's sign, which is a's, as CPython has it ("-0.00").
 *
 * If |a| >= 2**52, a is an integer, its own decimal. If |h| >= 2**54, the decimal is within 1 / (2 p) of a, and that is
 * less than |a| / 2**54, at most half of the way to any other double: a it is. Between the two the lane bails.
 *
 * n < 0. remainder() is exact: a - q * p for the integer q nearest to a / p, half to even. So a minus it, rounded once,
 * is the double nearest to q * p; its sign, that of 0 too, is a's. */
BINARY_OP(roundto_f64, double, double)
{
    static const double tens[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    *r = a;
    if (!finite(a) || !(__builtin_fabs(b) <= 22) || b != __builtin_floor(b)) {
        return 1;
    }
    const double p = tens[(int)__builtin_fabs(b)];
    if (b < 0) {
        *r = __builtin_copysign(a - pf_libm.remainder(a, p), a);
        return 0;
    }
    const double h = a * p;
    if (__builtin_fabs(a) >= 0x1p52 || __builtin_fabs(h) >= 0x1p54) {
        return 0;
    }
#ifdef PF_PLANTED_BUG_ROUND_BY_PRODUCT
    const double e = 0;
#else
    const double e = product_error(a, p, h);
#endif
    double z = __builtin_rint(h);
    const double d = h - z;
    if (d == 0.5 && e > 0) { /* a sum with 0.0 otherwise would lose the sign of -0.0 */
        z += 1.0;
    } else if (d == -0.5 && e < 0) {
        z -= 1.0;
    }
    *r = z / p;
    return __builtin_fabs(h) >= 0x1p52;
}

BINARY_OP(copysign_f64, double, double)
{
    *r = __builtin_copysign(a, b);
    return 0;
}

static const double pi = 3.141592653589793238462643383279502884197;

UNARY_OP(degrees_f64, double, double)
{
    double x = a * (180.0 / pi);
    *r = x;
    return !finite(x);
}

UNARY_OP(radians_f64, double, double)
{
    double x = a * (pi / 180.0);
    *r = x;
    return !finite(x);
}

UNARY_OP(isnan_f64, double, uint8_t)
{
    *r = a != a;
    return 0;
}

UNARY_OP(isinf_f64, double, uint8_t)
{
    *r = __builtin_fabs(a) > DBL_MAX;
    return 0;
}

UNARY_OP(isfinite_f64, double, uint8_t)
{
    *r = finite(a);
    return 0;
}

#undef UNARY_OP
#undef BINARY_OP

#endif

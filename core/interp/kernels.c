/* The kernels: loops around scalar.h, and the few that pay for intrinsics.
 *
 * Compiled once per instruction set (base/isa.h). The compiler vectorises the plain loops; what it cannot see
 * (compress, byte masks to bits) is written with intrinsics, each beside a plain version that any CPU runs.
 * The table at the end is made from ops.def: an op without its kernels does not compile. */
#include "kernels.h"

#include <string.h>

#include "../base/isa.h"
#include "scalar.h"
#if defined(__AVX2__)
#include "simd.h"
#endif
#include "compress.h"

/* ---- one op, all lanes ---- */

#define LOOP(live, call)                                                                                               \
    uint64_t bad = 0;                                                                                                  \
    (void)mask;                                                                                                        \
    for (int i = 0; i < n; i++) {                                                                                      \
        if (live) {                                                                                                    \
            bad |= (call);                                                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    return bad != 0;

#define UNARY_LOOP(name, T, R, live)                                                                                   \
    static unsigned name##_v(void *d, const void *a, const void *b, const uint8_t *mask, int n)                        \
    {                                                                                                                  \
        R *restrict r = d;                                                                                             \
        const T *x = a;                                                                                                \
        (void)b;                                                                                                       \
        LOOP(live, op_##name(x[i], &r[i]))                                                                             \
    }

#define BINARY_LOOP(name, T, R, live)                                                                                  \
    static unsigned name##_vv(void *d, const void *a, const void *b, const uint8_t *mask, int n)                       \
    {                                                                                                                  \
        R *restrict r = d;                                                                                             \
        const T *x = a, *y = b;                                                                                        \
        LOOP(live, op_##name(x[i], y[i], &r[i]))                                                                       \
    }                                                                                                                  \
    static unsigned name##_vs(void *d, const void *a, const void *b, const uint8_t *mask, int n)                       \
    {                                                                                                                  \
        R *restrict r = d;                                                                                             \
        const T *x = a, y = *(const T *)b;                                                                             \
        LOOP(live, op_##name(x[i], y, &r[i]))                                                                          \
    }                                                                                                                  \
    static unsigned name##_sv(void *d, const void *a, const void *b, const uint8_t *mask, int n)                       \
    {                                                                                                                  \
        R *restrict r = d;                                                                                             \
        const T x = *(const T *)a, *y = b;                                                                             \
        LOOP(live, op_##name(x, y[i], &r[i]))                                                                          \
    }

#define UNARY(name, T, R) UNARY_LOOP(name, T, R, true)
#define BINARY(name, T, R) BINARY_LOOP(name, T, R, true)
/* Expensive per lane: dead lanes are skipped, and their flags with them. */
#define LIVE (mask == NULL || mask[i] != 0)
#define UNARY_LIVE(name, T, R) UNARY_LOOP(name, T, R, LIVE)
#define BINARY_LIVE(name, T, R) BINARY_LOOP(name, T, R, LIVE)

BINARY(add_i64, int64_t, int64_t)
BINARY(sub_i64, int64_t, int64_t)
BINARY(mul_i64, int64_t, int64_t)
UNARY(neg_i64, int64_t, int64_t)
UNARY(abs_i64, int64_t, int64_t)
UNARY(invert_i64, int64_t, int64_t)
BINARY_LIVE(fdiv_i64, int64_t, int64_t)
BINARY_LIVE(mod_i64, int64_t, int64_t)
BINARY_LIVE(pow_i64, int64_t, int64_t)
BINARY(shl_i64, int64_t, int64_t)
BINARY(shr_i64, int64_t, int64_t)
BINARY_LIVE(gcd_i64, int64_t, int64_t)
UNARY_LIVE(isqrt_i64, int64_t, int64_t)
BINARY(and_i64, int64_t, int64_t)
BINARY(or_i64, int64_t, int64_t)
BINARY(xor_i64, int64_t, int64_t)
BINARY(and_bool, uint8_t, uint8_t)
BINARY(or_bool, uint8_t, uint8_t)
BINARY(xor_bool, uint8_t, uint8_t)

/* Comparisons write a byte for every 8-byte lane; the compiler's own narrowing is slow. */
#if defined(__AVX2__)
#define COMPARE_LOOP(name, form, A, B, test, flip)                                                                     \
    static unsigned name##_##form(void *d, const void *a, const void *b, const uint8_t *mask, int n)                   \
    {                                                                                                                  \
        (void)mask;                                                                                                    \
        for (int i = 0; i < n; i += 32) {                                                                              \
            __m256i m[8];                                                                                              \
            for (int k = 0; k < 8; k++) {                                                                              \
                m[k] = test(A(a, i + 4 * k), B(b, i + 4 * k));                                                         \
            }                                                                                                          \
            store_bools((uint8_t *)d + i, m, flip);                                                                    \
        }                                                                                                              \
        return 0;                                                                                                      \
    }
#define COMPARE(name, T, test, flip)                                                                                   \
    COMPARE_LOOP(name, vv, load4, load4, test, flip)                                                                   \
    COMPARE_LOOP(name, vs, load4, same4, test, flip)                                                                   \
    COMPARE_LOOP(name, sv, same4, load4, test, flip)
#else
#define COMPARE(name, T, test, flip) BINARY(name, T, uint8_t)
#endif
COMPARE(eq_i64, int64_t, equal_i64, 0)
COMPARE(ne_i64, int64_t, equal_i64, 1)
COMPARE(gt_i64, int64_t, greater_i64, 0)
COMPARE(le_i64, int64_t, greater_i64, 1)
COMPARE(lt_i64, int64_t, less_i64, 0)
COMPARE(ge_i64, int64_t, less_i64, 1)
COMPARE(eq_f64, double, equal_f64, 0)
COMPARE(ne_f64, double, equal_f64, 1)
COMPARE(lt_f64, double, less_f64, 0)
COMPARE(le_f64, double, less_equal_f64, 0)
COMPARE(gt_f64, double, greater_f64, 0)
COMPARE(ge_f64, double, greater_equal_f64, 0)
BINARY(eq_bool, uint8_t, uint8_t)
BINARY(ne_bool, uint8_t, uint8_t)
UNARY(truth_i64, int64_t, uint8_t)
UNARY(truth_f64, double, uint8_t)
UNARY(truth_bool, uint8_t, uint8_t)
UNARY(not_bool, uint8_t, uint8_t)

BINARY(add_f64, double, double)
BINARY(sub_f64, double, double)
BINARY(mul_f64, double, double)
BINARY(div_f64, double, double)
UNARY(neg_f64, double, double)
UNARY(abs_f64, double, double)
BINARY_LIVE(mod_f64, double, double)
BINARY_LIVE(fdiv_f64, double, double)
BINARY_LIVE(pow_f64, double, double)

UNARY(float_i64, int64_t, double)
UNARY(fexact_i64, int64_t, double)
BINARY(div_i64, int64_t, double)
UNARY(toint_bool, uint8_t, int64_t)

UNARY(sqrt_f64, double, double)
UNARY_LIVE(exp_f64, double, double)
UNARY_LIVE(expm1_f64, double, double)
UNARY_LIVE(log_f64, double, double)
UNARY_LIVE(log2_f64, double, double)
UNARY_LIVE(log10_f64, double, double)
UNARY_LIVE(log1p_f64, double, double)
UNARY_LIVE(sin_f64, double, double)
UNARY_LIVE(cos_f64, double, double)
UNARY_LIVE(tan_f64, double, double)
UNARY_LIVE(asin_f64, double, double)
UNARY_LIVE(acos_f64, double, double)
UNARY_LIVE(atan_f64, double, double)
UNARY_LIVE(sinh_f64, double, double)
UNARY_LIVE(cosh_f64, double, double)
UNARY_LIVE(tanh_f64, double, double)
UNARY_LIVE(cbrt_f64, double, double)
UNARY_LIVE(exp2_f64, double, double)
BINARY_LIVE(atan2_f64, double, double)
BINARY_LIVE(fmod_f64, double, double)
BINARY_LIVE(mathpow_f64, double, double)
BINARY_LIVE(hypot_f64, double, double)
BINARY_LIVE(hypot311_f64, double, double)
BINARY_LIVE(roundto_f64, double, double)
BINARY(copysign_f64, double, double)
UNARY(degrees_f64, double, double)
UNARY(radians_f64, double, double)
UNARY(isnan_f64, double, uint8_t)
UNARY(isinf_f64, double, uint8_t)
UNARY(isfinite_f64, double, uint8_t)

/* ---- i64 whose result is known to fit ---- */

static inline uint64_t op_wrap_add(int64_t a, int64_t b, int64_t *r)
{
    *r = (int64_t)((uint64_t)a + (uint64_t)b);
    return 0;
}

static inline uint64_t op_wrap_sub(int64_t a, int64_t b, int64_t *r)
{
    *r = (int64_t)((uint64_t)a - (uint64_t)b);
    return 0;
}

static inline uint64_t op_wrap_mul(int64_t a, int64_t b, int64_t *r)
{
    *r = (int64_t)((uint64_t)a * (uint64_t)b);
    return 0;
}

static inline uint64_t op_wrap_shl(int64_t a, int64_t b, int64_t *r)
{
    *r = (int64_t)((uint64_t)a << (b & 63));
    return 0;
}

BINARY(wrap_add, int64_t, int64_t)
BINARY(wrap_sub, int64_t, int64_t)
BINARY(wrap_mul, int64_t, int64_t)
BINARY(wrap_shl, int64_t, int64_t)
#if defined(__AVX2__)
#define MUL32(form, A, B)                                                                                              \
    static unsigned mul32_##form(void *d, const void *a, const void *b, const uint8_t *mask, int n)                    \
    {                                                                                                                  \
        (void)mask;                                                                                                    \
        for (int i = 0; i < n; i += WORDS) {                                                                           \
            store_words(d, i, mul_words32(A(a, i), B(b, i)));                                                          \
        }                                                                                                              \
        return 0;                                                                                                      \
    }
MUL32(vv, load_words, load_words)
MUL32(vs, load_words, same_words)
MUL32(sv, same_words, load_words)
#else
static inline uint64_t op_mul32(int64_t a, int64_t b, int64_t *r)
{
    *r = (int64_t)(int32_t)a * (int32_t)b;
    return 0;
}

BINARY(mul32, int64_t, int64_t)
#endif

/* Small i64 as f64 and back by the mantissa's own bits, which every CPU can do to vectors. */
static const uint64_t magic = UINT64_C(0x4338000000000000); /* bits of 1.5 * 2**52 */

static inline double small_f64(int64_t a)
{
    uint64_t bits = (uint64_t)a + magic;
    double d;
    memcpy(&d, &bits, sizeof d);
    return d - 0x1.8p52;
}

static inline int64_t small_i64(double d)
{
    uint64_t bits;
    d += 0x1.8p52;
    memcpy(&bits, &d, sizeof bits);
    return (int64_t)(bits - magic);
}

static inline uint64_t op_float_small(int64_t a, double *r)
{
    *r = small_f64(a);
    return 0;
}
UNARY(float_small, int64_t, double)

/* To i64: where every lane is small it takes the way of the mantissa too, after one look at all lanes. */
static bool all_small(const double *x, int n)
{
    int large = 0;
    for (int i = 0; i < n; i++) {
        large |= !(__builtin_fabs(x[i]) < 0x1p50);
    }
    return large == 0;
}

#define TO_INT(name, round)                                                                                            \
    static unsigned name##_v(void *d, const void *a, const void *b, const uint8_t *mask, int n)                        \
    {                                                                                                                  \
        int64_t *restrict r = d;                                                                                       \
        const double *x = a;                                                                                           \
        (void)b;                                                                                                       \
        if (all_small(x, n)) {                                                                                         \
            for (int i = 0; i < n; i++) {                                                                              \
                r[i] = small_i64(round(x[i]));                                                                         \
            }                                                                                                          \
            return 0;                                                                                                  \
        }                                                                                                              \
        LOOP(true, op_##name(x[i], &r[i]))                                                                             \
    }
TO_INT(int_f64, __builtin_trunc)
#ifdef PF_PLANTED_BUG_ROUND_HALF_UP
TO_INT(round_f64, __builtin_round)
#else
TO_INT(round_f64, __builtin_rint)
#endif
TO_INT(floor_f64, __builtin_floor)
TO_INT(ceil_f64, __builtin_ceil)

/* a = q * m + rest with q = a / m rounded to an integer: below 2**50 the product's error is far less than a half, so
 * |rest| < m, and one correction by the sign makes it the floored remainder. All of it is exact but the rounding of q.
 */
#define SMALL_LOOP(name, result)                                                                                       \
    static unsigned name(void *d, const void *a, const void *b, const uint8_t *mask, int n)                            \
    {                                                                                                                  \
        int64_t *restrict r = d;                                                                                       \
        const int64_t *x = a;                                                                                          \
        const double m = (double)*(const int64_t *)b, inverse = 1.0 / m;                                               \
        (void)mask;                                                                                                    \
        for (int i = 0; i < n; i++) {                                                                                  \
            double v = small_f64(x[i]);                                                                                \
            double q = v * inverse + 0x1.8p52 - 0x1.8p52;                                                              \
            double rest = v - q * m;                                                                                   \
            r[i] = small_i64(result);                                                                                  \
        }                                                                                                              \
        return 0;                                                                                                      \
    }
#ifdef PF_PLANTED_BUG_C_MOD
SMALL_LOOP(mod_small, v < 0 ? (rest > 0 ? rest - m : rest) : (rest < 0 ? rest + m : rest))
#else
SMALL_LOOP(mod_small, rest < 0 ? rest + m : rest)
#endif
#ifdef PF_PLANTED_BUG_C_FLOORDIV
SMALL_LOOP(fdiv_small, v < 0 ? (rest > 0 ? q + 1 : q) : (rest < 0 ? q - 1 : q))
#else
SMALL_LOOP(fdiv_small, rest < 0 ? q - 1 : q)
#endif

static unsigned mod_pow2(void *d, const void *a, const void *b, const uint8_t *mask, int n)
{
    int64_t *restrict r = d;
    const int64_t *x = a, low = *(const int64_t *)b - 1;
    (void)mask;
    for (int i = 0; i < n; i++) {
        r[i] = x[i] & low;
    }
    return 0;
}

static unsigned fdiv_pow2(void *d, const void *a, const void *b, const uint8_t *mask, int n)
{
    int64_t *restrict r = d;
    const int64_t *x = a;
    const int shift = __builtin_ctzll(*(const uint64_t *)b);
    (void)mask;
    for (int i = 0; i < n; i++) {
        r[i] = x[i] >> shift;
    }
    return 0;
}

/* ---- remainders that are only compared ---- */

static void mod_test(uint8_t *restrict d, const int64_t *a, const pf_mod_test *test, int n)
{
    for (int i = 0; i < n; i++) {
        int64_t rest;
        op_mod_i64(a[i], test->m, &rest);
        d[i] = (rest == test->c) ^ test->flip;
    }
}

#if defined(__AVX2__)
#define MOD_TEST(name, prepared, prepare, equal)                                                                       \
    static void name(uint8_t *d, const int64_t *a, const pf_mod_test *test, int n)                                     \
    {                                                                                                                  \
        const prepared by = prepare(test);                                                                             \
        for (int i = 0; i < n; i += 32) {                                                                              \
            __m256i m[8];                                                                                              \
            for (int k = 0; k < 8; k++) {                                                                              \
                m[k] = equal(load4(a, i + 4 * k), &by);                                                                \
            }                                                                                                          \
            store_bools(d + i, m, test->flip);                                                                         \
        }                                                                                                              \
    }
MOD_TEST(mod_test_pow2, low_bits, bits_of, has_bits)
#if defined(__AVX512F__)
static void mod_test_small(uint8_t *d, const int64_t *a, const pf_mod_test *test, int n)
{
    const divisor by = divisor_of(test);
    for (int i = 0; i < n; i += 64) {
        uint64_t word = 0;
        for (int k = 0; k < 64; k += WORDS) {
            word |= (uint64_t)divides(load_words(a, i + k), &by) << k;
        }
        _mm512_storeu_si512(d + i, _mm512_maskz_set1_epi8(word, 1));
    }
}
#else
MOD_TEST(mod_test_small, small_divisor, divisor_of, divides)
#endif
#undef MOD_TEST
#else
static void mod_test_pow2(uint8_t *restrict d, const int64_t *a, const pf_mod_test *test, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] = ((a[i] & (test->m - 1)) == test->c) ^ test->flip;
    }
}

/* a % m == c just when m divides a - c. */
static void mod_test_small(uint8_t *restrict d, const int64_t *a, const pf_mod_test *test, int n)
{
    const double m = (double)test->m;
    for (int i = 0; i < n; i++) {
        double v = small_f64(a[i] - test->c);
        double q = v * test->reciprocal + 0x1.8p52 - 0x1.8p52;
        d[i] = (q * m == v) ^ test->flip;
    }
}
#endif

#if defined(__AVX512F__)
/* Of 64 lanes: a bit for each, and those whose bit is set. A store may write more of them than that, never as far as
 * lanes that are still to be read. */
static inline uint64_t mod_keep_word(int64_t *kept, const int64_t *a, const divisor *by)
{
    uint64_t word = 0;
    for (int i = 0; i < 64; i += WORDS) {
        const words x = load_words(a, i);
        const __mmask8 yes = divides(x, by);
        store_words(kept, 0, _mm512_maskz_compress_epi64(yes, x));
        kept += __builtin_popcount(yes);
        word |= (uint64_t)yes << i;
    }
    return word;
}

static int mod_keep(uint64_t *bits, int64_t *kept, const int64_t *a, const pf_mod_test *test, int n)
{
    const divisor by = divisor_of(test);
    int count = 0;
    for (int i = 0; i < n; i += 64) {
        uint64_t word = mod_keep_word(kept + count, a + i, &by);
#ifndef PF_PLANTED_BUG_KEPT_BEYOND_THE_END
        word &= first_bits(n - i);
#endif
        bits[i / 64] = word;
        count += __builtin_popcountll(word);
    }
    return count;
}
#endif

/* The remainders of a sequence repeat: one period is worked out, the rest copied. */
static void mod_test_iota(uint8_t *d, int64_t start, int64_t step, const pf_mod_test *test, int n)
{
    int64_t first, stride;
    op_mod_i64(start, test->m, &first);
    op_mod_i64(step, test->m, &stride);
    uint64_t rest = (uint64_t)first;
    int done = 0;
    do {
        d[done++] = (rest == (uint64_t)test->c) ^ test->flip;
        rest += (uint64_t)stride;
        rest -= rest >= (uint64_t)test->m ? (uint64_t)test->m : 0;
    } while (done < n && rest != (uint64_t)first);
    while (done < n) {
        int more = done < n - done ? done : n - done;
        memcpy(d + done, d, (size_t)more);
        done += more;
    }
}

/* ---- two ops in one pass ---- */

/* -ffp-contract=off: the product is rounded, as by an op of its own. */
#define MUL_ADD(name, B, op, C)                                                                                        \
    static void name(double *restrict d, const double *a, const double *b, const double *c, int n)                     \
    {                                                                                                                  \
        const double b0 = *b, c0 = *c;                                                                                 \
        (void)b0, (void)c0;                                                                                            \
        for (int i = 0; i < n; i++) {                                                                                  \
            d[i] = a[i] * B op C;                                                                                      \
        }                                                                                                              \
    }
MUL_ADD(mul_add_vv, b[i], +, c[i])
MUL_ADD(mul_sub_vv, b[i], -, c[i])
MUL_ADD(mul_add_vs, b[i], +, c0)
MUL_ADD(mul_sub_vs, b[i], -, c0)
MUL_ADD(mul_add_sv, b0, +, c[i])
MUL_ADD(mul_sub_sv, b0, -, c[i])
MUL_ADD(mul_add_ss, b0, +, c0)
MUL_ADD(mul_sub_ss, b0, -, c0)
#undef MUL_ADD

/* ---- choosing, copying, kinds ---- */

#if !defined(__AVX2__)
#define SELECT(name, T, A, B)                                                                                          \
    static void name(void *d, const uint8_t *c, const void *a, const void *b, int n)                                   \
    {                                                                                                                  \
        T *restrict r = d;                                                                                             \
        const T *x = a, *y = b;                                                                                        \
        const T x0 = *x, y0 = *y;                                                                                      \
        (void)x0;                                                                                                      \
        (void)y0;                                                                                                      \
        for (int i = 0; i < n; i++) {                                                                                  \
            r[i] = c[i] != 0 ? (A) : (B);                                                                              \
        }                                                                                                              \
    }
#define SELECTS(name, T)                                                                                               \
    SELECT(name##_vv, T, x[i], y[i])                                                                                   \
    SELECT(name##_vs, T, x[i], y0)                                                                                     \
    SELECT(name##_sv, T, x0, y[i])                                                                                     \
    SELECT(name##_ss, T, x0, y0)                                                                                       \
    static void name##_into(void *d, const uint8_t *m, const void *a, int n)                                           \
    {                                                                                                                  \
        T *restrict r = d;                                                                                             \
        const T *x = a;                                                                                                \
        for (int i = 0; i < n; i++) {                                                                                  \
            r[i] = m[i] != 0 ? x[i] : r[i];                                                                            \
        }                                                                                                              \
    }                                                                                                                  \
    static void name##_into_s(void *d, const uint8_t *m, const void *a, int n)                                         \
    {                                                                                                                  \
        T *restrict r = d;                                                                                             \
        const T x = *(const T *)a;                                                                                     \
        for (int i = 0; i < n; i++) {                                                                                  \
            r[i] = m[i] != 0 ? x : r[i];                                                                               \
        }                                                                                                              \
    }
SELECTS(select8, uint64_t)
SELECTS(select1, uint8_t)
#else
#define SELECT(name, A, B, step, choose, store)                                                                        \
    static void name(void *d, const uint8_t *c, const void *a, const void *b, int n)                                   \
    {                                                                                                                  \
        for (int i = 0; i < n; i += step) {                                                                            \
            store(d, i, choose(c, i, A(a, i), B(b, i)));                                                               \
        }                                                                                                              \
    }
#define SELECTS(name, step, load, same, choose, store)                                                                 \
    SELECT(name##_vv, load, load, step, choose, store)                                                                 \
    SELECT(name##_vs, load, same, step, choose, store)                                                                 \
    SELECT(name##_sv, same, load, step, choose, store)                                                                 \
    SELECT(name##_ss, same, same, step, choose, store)                                                                 \
    static void name##_into(void *d, const uint8_t *m, const void *a, int n)                                           \
    {                                                                                                                  \
        name##_vv(d, m, a, d, n);                                                                                      \
    }                                                                                                                  \
    static void name##_into_s(void *d, const uint8_t *m, const void *a, int n)                                         \
    {                                                                                                                  \
        name##_sv(d, m, a, d, n);                                                                                      \
    }
SELECTS(select8, WORDS, load_words, same_words, choose_words, store_words)
SELECTS(select1, 32, load32, same32, choose32, store32)
#endif

static void fill(void *d, uint64_t value, int n)
{
    uint64_t *r = d;
    for (int i = 0; i < n; i++) {
        r[i] = value;
    }
}

static void iota(int64_t *d, int64_t start, int64_t step, int n)
{
    uint64_t x = (uint64_t)start;
    for (int i = 0; i < n; i++) {
        d[i] = (int64_t)x;
        x += (uint64_t)step;
    }
}

static void widen(uint64_t *restrict d, const uint8_t *a, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] = a[i];
    }
}

static void pack(uint8_t *restrict d, const uint64_t *a, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] = (uint8_t)a[i];
    }
}

static void is_kind(uint8_t *restrict d, const uint8_t *kind, pf_kinds kinds, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] = (kind[i] & kinds) != 0;
    }
}

static unsigned other_kind(const uint8_t *kind, pf_kinds kinds, const uint8_t *mask, int n)
{
    uint8_t bad = 0;
    if (mask == NULL) {
        for (int i = 0; i < n; i++) {
            bad |= kind[i] & (uint8_t)~kinds;
        }
    } else {
        for (int i = 0; i < n; i++) {
            bad |= mask[i] != 0 ? kind[i] & (uint8_t)~kinds : 0;
        }
    }
    return bad;
}

/* ---- masks: bytes of 0 or 1. A condition's dead lanes may hold anything; only their lowest bit is looked at. ---- */

static int count_ones(const uint8_t *m, int n)
{
    int count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, m + i, sizeof eight);
        count += (int)(eight * UINT64_C(0x0101010101010101) >> 56);
    }
    for (; i < n; i++) {
        count += m[i];
    }
    return count;
}

static int branch(uint8_t *restrict yes, uint8_t *restrict no, const uint8_t *c, const uint8_t *m, int n)
{
    if (m == NULL) {
        for (int i = 0; yes != NULL && i < n; i++) {
            yes[i] = c[i] & 1;
        }
        for (int i = 0; no != NULL && i < n; i++) {
            no[i] = ~c[i] & 1;
        }
        return yes != NULL ? count_ones(yes, n) : n - count_ones(no, n);
    }
    for (int i = 0; yes != NULL && i < n; i++) {
        yes[i] = m[i] & c[i];
    }
    for (int i = 0; no != NULL && i < n; i++) {
        no[i] = m[i] & ~c[i];
    }
    return yes != NULL ? count_ones(yes, n) : count_ones(m, n) - count_ones(no, n);
}

static void merge(uint8_t *restrict d, const uint8_t *m, int n)
{
    for (int i = 0; i < n; i++) {
        d[i] |= m[i];
    }
}

/* ---- the table ---- */

#define FORMS(name) {name##_vv, name##_vs, name##_sv}
#define I64(...) [PF_T_I64] = __VA_ARGS__
#define F64(...) [PF_T_F64] = __VA_ARGS__
#define BOOLS(...) [PF_T_BOOL] = __VA_ARGS__
/* By operands, arity and result of the op's line. */
#define KERNELS_NUM_1_SAME(name) {I64({name##_i64_v}), F64({name##_f64_v})}
#define KERNELS_NUM_2_SAME(name) {I64(FORMS(name##_i64)), F64(FORMS(name##_f64))}
#define KERNELS_NUM_2_F64(name) KERNELS_NUM_2_SAME(name)
#define KERNELS_ORDER_2_BOOL(name) KERNELS_NUM_2_SAME(name)
#define KERNELS_BITS_2_SAME(name) {I64(FORMS(name##_i64)), BOOLS(FORMS(name##_bool))}
#define KERNELS_EQUAL_1_BOOL(name) {I64({name##_i64_v}), F64({name##_f64_v}), BOOLS({name##_bool_v})}
#define KERNELS_EQUAL_2_BOOL(name) {I64(FORMS(name##_i64)), F64(FORMS(name##_f64)), BOOLS(FORMS(name##_bool))}
#define KERNELS_I64_1_I64(name) {I64({name##_i64_v})}
#define KERNELS_I64_1_F64(name) {I64({name##_i64_v})}
#define KERNELS_I64_2_I64(name) {I64(FORMS(name##_i64))}
#define KERNELS_F64_1_F64(name) {F64({name##_f64_v})}
#define KERNELS_F64_1_I64(name) {F64({name##_f64_v})}
#define KERNELS_F64_1_BOOL(name) {F64({name##_f64_v})}
#define KERNELS_F64_2_F64(name) {F64(FORMS(name##_f64))}
#define KERNELS_BOOL_1_BOOL(name) {BOOLS({name##_bool_v})}
#define KERNELS_BOOL_1_I64(name) {BOOLS({name##_bool_v})}
/* Values from outside, choice and kinds, terminators: the lowering has instructions of its own for them. */
#define KERNELS_NIL_0_DECLARED(name) {{0}}
#define KERNELS_NIL_0_I64(name) {{0}}
#define KERNELS_ANY_1_BOOL(name) {{0}}
#define KERNELS_MEMBER_2_BOOL(name) {{0}}
#define KERNELS_ANY_1_DECLARED(name) {{0}}
#define KERNELS_ANY_3_DECLARED(name) {{0}}
#define KERNELS_NIL_0_NOTHING(name) {{0}}
#define KERNELS_BOOL_1_NOTHING(name) {{0}}

#define STRING_(x) #x
#define STRING(x) STRING_(x)

extern const pf_kernels PF_ISA_FN(pf_kernels);
const pf_kernels PF_ISA_FN(pf_kernels) = {
    .name = STRING(PF_ISA),
    .lanes = PF_ISA_LANES,
    .op =
        {
#define OP(name, arity, operands, result, bails, laws, text)                                                           \
    [PF_OP_##name] = KERNELS_##operands##_##arity##_##result(name),
#include "../ir/ops.def"
#undef OP
        },
    .add = FORMS(wrap_add),
    .sub = FORMS(wrap_sub),
    .mul = FORMS(wrap_mul),
    .mul32 = FORMS(mul32),
    .shl = FORMS(wrap_shl),
    .mod_pow2 = mod_pow2,
    .mod_small = mod_small,
    .fdiv_pow2 = fdiv_pow2,
    .fdiv_small = fdiv_small,
    .float_small = float_small_v,
    .mod_test = mod_test,
    .mod_test_pow2 = mod_test_pow2,
    .mod_test_small = mod_test_small,
#if defined(__AVX512F__)
    .mod_keep = mod_keep,
#endif
    .mod_test_iota = mod_test_iota,
    .mul_add = {{{mul_add_vv, mul_sub_vv}, {mul_add_vs, mul_sub_vs}},
                {{mul_add_sv, mul_sub_sv}, {mul_add_ss, mul_sub_ss}}},
    .select = {{select8_vv, select8_vs, select8_sv, select8_ss}, {select1_vv, select1_vs, select1_sv, select1_ss}},
    .blend = {{select8_into, select8_into_s}, {select1_into, select1_into_s}},
    .fill = fill,
    .iota = iota,
    .widen = widen,
    .pack = pack,
    .is_kind = is_kind,
    .other_kind = other_kind,
    .branch = branch,
    .merge = merge,
    .bits = to_bits,
    .compress8 = compress8,
    .compress_iota = compress_iota,
    .compress1 = compress1,
};

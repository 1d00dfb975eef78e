/* Kernels of the run layer, compiled once per instruction set (base/isa.h), in the compilers' own vector types.
 *
 * Reductions keep several accumulators, which is right here although floats do not associate: integer sums do, minima
 * of NaN-free values do, and the float block sums are sums of small multiples of one unit, exact in any order (fsum.c). */
#include "kernels.h"

#include "../base/isa.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum { LANES = PF_ISA_LANES };

typedef double fvec __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef int64_t ivec __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef uint64_t uvec __attribute__((vector_size(8 * LANES), aligned(8), may_alias));

/* ---- block sums ---- */

/* x + y, rounded once as any sum, by the units that multiply: every second sum of a block goes there, as the units that
 * add are what a block waits for. */
#if defined(__AVX512F__)
#define SUM(x, y) ((fvec)_mm512_fmadd_pd((__m512d)(x), _mm512_set1_pd(1.0), (__m512d)(y)))
#else
#define SUM(x, y) ((x) + (y))
#endif

/* Of lanes. Where y is NaN, so is the result; where only x is, it is forgotten. */
#if defined(__AVX512F__)
#define LARGER(x, y) ((fvec)_mm512_max_pd((__m512d)(x), (__m512d)(y)))
#elif defined(__AVX2__)
#define LARGER(x, y) ((fvec)_mm256_max_pd((__m256d)(x), (__m256d)(y)))
#else
static inline fvec larger(fvec x, fvec y)
{
    const ivec keep = x > y;
    return (fvec)(((ivec)x & keep) | ((ivec)y & ~keep));
}
#define LARGER larger
#endif

static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* Rounds the values to multiples of u, the ulp of binade `guess`, and sums what rounding kept and what it left:
 *
 *   r = (x + C) - C with C = 1.5 * 2**guess   x rounded to a multiple of u, as long as |x| < 2**(guess-1)
 *   d = x - r                                 exact: a subset of x's low bits
 *
 * Sums of multiples of u up to 2**53 u are exact in any order, and so are the errors' sums of multiples of the quantum
 * q. `ok` says that no x was too big (or NaN) and none a tie (|d| == u/2, which rounds by the parity of the running
 * sum); `ok_c` that every d is a multiple of q.
 *
 * Positive and negative come from the sums of r and of |r|. Should those have been inexact, |r| summed to more than
 * 2**53 u, and by the monotony of rounding one of the two comes out at 2**guess or more: the caller's bounds refuse it.
 *
 * No |r| is above the sum of all, so a sum below 2**(guess-1) says that no x was too big, and x itself need not be
 * looked at. False: that cannot be said of these values, they have to be summed thoroughly. */
static inline __attribute__((always_inline)) bool sum_block(const double *x, double *copy, int guess, bool want_c,
                                                            bool thoroughly, pf_fblock *out)
{
    const fvec zero = {0};
    const ivec yes = zero == zero, absolute = yes & INT64_MAX;
    const double top = power_of_two(guess - 1);
    const fvec big = zero + 1.5 * power_of_two(guess), limit = zero + top;
    const fvec fine = zero + 1.5 * power_of_two(guess - PF_FSUM_QUANTUM_BITS + 52);
    fvec total0 = zero, total1 = zero, size0 = zero, size1 = zero, error0 = zero, error1 = zero;
    fvec worst0 = zero, worst1 = zero;
    ivec small = yes, good_c = yes;
    for (int i = 0; i < PF_FBLOCK; i += 2 * LANES) {
        fvec v0 = *(const fvec *)(x + i), v1 = *(const fvec *)(x + i + LANES);
        if (copy != NULL) {
            *(fvec *)(copy + i) = v0;
            *(fvec *)(copy + i + LANES) = v1;
        }
        fvec r0 = SUM(v0, big) - big, r1 = SUM(v1, big) - big;
        fvec d0 = v0 - r0, d1 = v1 - r1;
        fvec off0 = (fvec)((ivec)d0 & absolute), off1 = (fvec)((ivec)d1 & absolute);
        worst0 = LARGER(worst0, off0);
        worst1 = LARGER(worst1, off1);
        total0 = SUM(r0, total0);
        total1 = SUM(r1, total1);
        size0 = SUM((fvec)((ivec)r0 & absolute), size0);
        size1 = SUM((fvec)((ivec)r1 & absolute), size1);
        if (thoroughly) {
            small &= ((fvec)((ivec)v0 & absolute) < limit) & ((fvec)((ivec)v1 & absolute) < limit);
        }
        if (want_c) {
            good_c &= (((d0 + fine) - fine) == d0) & (((d1 + fine) - fine) == d1);
            error0 += d0;
            error1 += d1;
        }
    }
    fvec total = total0 + total1, size = size0 + size1, error = error0 + error1, worst = LARGER(worst0, worst1);
    double sum = 0.0, sizes = 0.0, errors = 0.0, off = 0.0;
    int64_t all_small = -1, all_c = -1;
    for (int k = 0; k < LANES; k++) {
        sum += total[k];
        sizes += size[k];
        errors += error[k];
        off = worst[k] > off ? worst[k] : off;
        all_small &= small[k];
        all_c &= good_c[k];
    }
    if (!thoroughly && !(sizes < top)) { /* also where there was a NaN, which `worst` may have forgotten */
        return false;
    }
    *out = (pf_fblock){.positive = (sizes + sum) * 0.5,
                       .negative = (sum - sizes) * 0.5,
                       .error = errors,
                       .guess = guess,
                       .ok = all_small != 0 && off < power_of_two(guess - 53),
                       .ok_c = want_c && all_c != 0};
    return true;
}

static void block(const double *x, double *copy, int guess, bool want_c, pf_fblock *out)
{
    const bool summed = copy == NULL ? want_c ? sum_block(x, NULL, guess, true, false, out)
                                              : sum_block(x, NULL, guess, false, false, out)
                        : want_c     ? sum_block(x, copy, guess, true, false, out)
                                     : sum_block(x, copy, guess, false, false, out);
    if (!summed) {
        sum_block(x, NULL, guess, want_c, true, out);
    }
}

/* ---- integer sums ---- */

static int64_t sum_narrow(const int64_t *x, int32_t n)
{
    ivec a = {0}, b = {0};
    int32_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        a += *(const ivec *)(x + i);
        b += *(const ivec *)(x + i + LANES);
    }
    a += b;
    int64_t sum = 0;
    for (int k = 0; k < LANES; k++) {
        sum += a[k];
    }
    for (; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

/* With the sign bit flipped every value is unsigned, x + 2**63; its halves are summed apart and cannot overflow. */
static __int128 sum_wide(const int64_t *x, int32_t n)
{
    const uvec zero = {0}, sign = zero + ((uint64_t)1 << 63), low_half = zero + 0xffffffffu;
    uvec high = zero, low = zero;
    int32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        uvec v = *(const uvec *)(x + i) ^ sign;
        high += v >> 32;
        low += v & low_half;
    }
    __int128 sum = 0;
    for (int k = 0; k < LANES; k++) {
        sum += ((__int128)high[k] << 32) + (__int128)low[k];
    }
    sum -= (__int128)i << 63;
    for (; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

/* A place is its word's first and the six bits of its number within the word: summed bit by bit of those. */
static uint64_t sum_places(const uint64_t *bits, int32_t n)
{
    static const uint64_t has_bit[6] = {0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0xf0f0f0f0f0f0f0f0,
                                        0xff00ff00ff00ff00, 0xffff0000ffff0000, 0xffffffff00000000};
    uint64_t sum = 0;
    for (int32_t i = 0; i < n; i += 64) {
        const uint64_t word = bits[i / 64];
        sum += (uint64_t)i * (uint64_t)__builtin_popcountll(word);
        for (int k = 0; k < 6; k++) {
            sum += (uint64_t)__builtin_popcountll(word & has_bit[k]) << k;
        }
    }
    return sum;
}

static int64_t sum_bytes(const uint8_t *x, int32_t n)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < n; i++) {
        sum += x[i];
    }
    return sum;
}

/* ---- the first smallest and largest ---- */

/* One pass for the value, one for its first place: comparing for equality puts -0.0 and 0.0 together, as < does. */
#ifdef PF_PLANTED_BUG_MINMAX_LAST_OF_EQUALS
#define PLACE(j) (n - 1 - (j))
#else
#define PLACE(j) (j)
#endif
#define FIND_FIRST                                                                                                     \
    for (int32_t j = 0; j < n; j++) {                                                                                  \
        if (x[PLACE(j)] == best) {                                                                                     \
            return PLACE(j);                                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
    return -1;

#define EXTREME(name, scalar, vec, less)                                                                               \
    static int32_t name(const scalar *x, int32_t n)                                                                    \
    {                                                                                                                  \
        int32_t first = 0;                                                                                             \
        while (x[first] != x[first]) { /* NaN */                                                                       \
            if (++first == n) {                                                                                        \
                return -1;                                                                                             \
            }                                                                                                          \
        }                                                                                                              \
        scalar best = x[first];                                                                                        \
        vec bests;                                                                                                     \
        for (int k = 0; k < LANES; k++) {                                                                              \
            bests[k] = best;                                                                                           \
        }                                                                                                              \
        int32_t i = 0;                                                                                                 \
        for (; i + LANES <= n; i += LANES) {                                                                           \
            vec v = *(const vec *)(x + i);                                                                             \
            ivec better = v less bests; /* false for NaN */                                                            \
            bests = (vec)(((ivec)v & better) | ((ivec)bests & ~better));                                               \
        }                                                                                                              \
        for (int k = 0; k < LANES; k++) {                                                                              \
            best = bests[k] less best ? bests[k] : best;                                                               \
        }                                                                                                              \
        for (; i < n; i++) {                                                                                           \
            best = x[i] less best ? x[i] : best;                                                                       \
        }                                                                                                              \
        FIND_FIRST                                                                                                     \
    }

EXTREME(least_i64, int64_t, ivec, <)
EXTREME(most_i64, int64_t, ivec, >)
EXTREME(least_f64, double, fvec, <)
EXTREME(most_f64, double, fvec, >)

extern const pf_run_kernel_table PF_ISA_FN(pf_run_kernel_table);
const pf_run_kernel_table PF_ISA_FN(pf_run_kernel_table) = {
    .block = block,
    .sum_narrow = sum_narrow,
    .sum_wide = sum_wide,
    .sum_places = sum_places,
    .sum_bytes = sum_bytes,
    .least_i64 = least_i64,
    .most_i64 = most_i64,
    .least_f64 = least_f64,
    .most_f64 = most_f64,
};

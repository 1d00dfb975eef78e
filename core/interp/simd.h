/* Building blocks of kernels.c, of 256 bits or (where it says so) the widest there are, for AVX2 and above. Vectors are
 * aligned; scalars fill a 64-byte room. */
#ifndef PF_INTERP_SIMD_H
#define PF_INTERP_SIMD_H

#include <immintrin.h>
#include <stdint.h>

#include "kernels.h"

/* Lanes from i on: 4 of 8 bytes, or 32 of 1 byte. */
static inline __m256i load4(const void *p, int i)
{
    return _mm256_load_si256((const __m256i *)((const int64_t *)p + i));
}

static inline __m256i same4(const void *p, int i)
{
    (void)i;
    return _mm256_set1_epi64x(*(const int64_t *)p);
}

static inline void store4(void *p, int i, __m256i x)
{
    _mm256_store_si256((__m256i *)((int64_t *)p + i), x);
}

static inline __m256i load32(const void *p, int i)
{
    return _mm256_loadu_si256((const __m256i *)((const uint8_t *)p + i));
}

static inline __m256i same32(const void *p, int i)
{
    (void)i;
    return _mm256_set1_epi8(*(const char *)p);
}

static inline void store32(void *p, int i, __m256i x)
{
    _mm256_store_si256((__m256i *)((uint8_t *)p + i), x);
}

/* c ? a : b by the lowest bit of each condition byte. */
static inline __m256i choose4(const uint8_t *c, int i, __m256i a, __m256i b)
{
    int32_t four;
    __builtin_memcpy(&four, c + i, sizeof four);
    __m256d top = _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_cvtepi8_epi64(_mm_cvtsi32_si128(four)), 63));
    return _mm256_castpd_si256(_mm256_blendv_pd(_mm256_castsi256_pd(b), _mm256_castsi256_pd(a), top));
}

static inline __m256i choose32(const uint8_t *c, int i, __m256i a, __m256i b)
{
    return _mm256_blendv_epi8(b, a, _mm256_slli_epi16(load32(c, i), 7));
}

/* The widest vectors of 8-byte lanes. */
#if defined(__AVX512F__)
enum { WORDS = 8 };
typedef __m512i words;

static inline words load_words(const void *p, int i)
{
    return _mm512_loadu_si512((const int64_t *)p + i);
}

static inline words same_words(const void *p, int i)
{
    (void)i;
    return _mm512_set1_epi64(*(const int64_t *)p);
}

static inline void store_words(void *p, int i, words x)
{
    _mm512_storeu_si512((int64_t *)p + i, x);
}

static inline words choose_words(const uint8_t *c, int i, words a, words b)
{
    const __mmask8 low = _mm_test_epi8_mask(_mm_loadl_epi64((const __m128i *)(c + i)), _mm_set1_epi8(1));
    return _mm512_mask_blend_epi64(low, b, a);
}
#define mul_words32 _mm512_mul_epi32
#else
enum { WORDS = 4 };
typedef __m256i words;
#define load_words load4
#define same_words same4
#define store_words store4
#define choose_words choose4
#define mul_words32 _mm256_mul_epi32
#endif

/* Comparisons: all ones where true. */
static inline __m256i equal_i64(__m256i a, __m256i b)
{
    return _mm256_cmpeq_epi64(a, b);
}

static inline __m256i greater_i64(__m256i a, __m256i b)
{
    return _mm256_cmpgt_epi64(a, b);
}

static inline __m256i less_i64(__m256i a, __m256i b)
{
    return _mm256_cmpgt_epi64(b, a);
}

#define COMPARE_F64(name, predicate)                                                                                   \
    static inline __m256i name(__m256i a, __m256i b)                                                                   \
    {                                                                                                                  \
        return _mm256_castpd_si256(_mm256_cmp_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b), predicate));          \
    }
COMPARE_F64(equal_f64, _CMP_EQ_OQ)
COMPARE_F64(less_f64, _CMP_LT_OQ)
COMPARE_F64(less_equal_f64, _CMP_LE_OQ)
COMPARE_F64(greater_f64, _CMP_GT_OQ)
COMPARE_F64(greater_equal_f64, _CMP_GE_OQ)
#undef COMPARE_F64

/* The low 32-bit halves of a's lanes, then of b's, within each 128 bits. */
static inline __m256i halves(__m256i a, __m256i b)
{
    return _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), 0x88));
}

/* 32 comparisons as bytes of 0 and 1, or of 1 and 0 when flip is 1. Packing works within 128 bits: its lower half ends
 * up with lanes 0, 1, 4, 5, 8, 9..., its upper half with 2, 3, 6, 7...; interleaving pairs puts them in order. */
static inline void store_bools(uint8_t *d, const __m256i m[8], int flip)
{
    __m256i low = _mm256_packs_epi32(halves(m[0], m[1]), halves(m[2], m[3]));
    __m256i high = _mm256_packs_epi32(halves(m[4], m[5]), halves(m[6], m[7]));
    __m256i all = _mm256_packs_epi16(low, high);
    const __m256i ones = _mm256_set1_epi8(1);
    all = flip != 0 ? _mm256_andnot_si256(all, ones) : _mm256_and_si256(all, ones);
    __m128i first = _mm256_castsi256_si128(all), second = _mm256_extracti128_si256(all, 1);
    _mm_store_si128((__m128i *)d, _mm_unpacklo_epi16(first, second));
    _mm_store_si128((__m128i *)d + 1, _mm_unpackhi_epi16(first, second));
}

/* Are the low bits of x those of c, where m is a power of two? */
typedef struct low_bits {
    __m256i low, c;
} low_bits;

static inline low_bits bits_of(const pf_mod_test *test)
{
    return (low_bits){_mm256_set1_epi64x(test->m - 1), _mm256_set1_epi64x(test->c)};
}

static inline __m256i has_bits(__m256i x, const low_bits *by)
{
    return _mm256_cmpeq_epi64(_mm256_and_si256(x, by->low), by->c);
}

/* Does m divide x - c? */
#if defined(__AVX512F__)
typedef struct divisor {
    words inverse, least, shift, most;
    __mmask8 flip;
} divisor;

static inline divisor divisor_of(const pf_mod_test *test)
{
    return (divisor){
        .inverse = _mm512_set1_epi64((int64_t)test->inverse),
        .least = _mm512_set1_epi64((int64_t)test->least),
        .shift = _mm512_set1_epi64(test->shift),
        .most = _mm512_set1_epi64((int64_t)test->most),
        .flip = (__mmask8)-test->flip,
    };
}

static inline __mmask8 divides(words x, const divisor *by)
{
    const words product = _mm512_add_epi64(_mm512_mullo_epi64(x, by->inverse), by->least);
    return _mm512_cmple_epu64_mask(_mm512_rorv_epi64(product, by->shift), by->most) ^ by->flip;
}
#else
/* Small i64 become doubles by their bits (kernels.c: small_f64), with c taken off on the way. The quotient rounded to
 * an integer, times m, is exact, and gives x - c back just when m divides it. */
typedef struct small_divisor {
    __m256i magic;
    __m256d offset, round, m, inverse;
} small_divisor;

static inline small_divisor divisor_of(const pf_mod_test *test)
{
    return (small_divisor){
        .magic = _mm256_set1_epi64x(INT64_C(0x4338000000000000)),
        .offset = _mm256_set1_pd(0x1.8p52 + (double)test->c),
        .round = _mm256_set1_pd(0x1.8p52),
        .m = _mm256_set1_pd((double)test->m),
        .inverse = _mm256_set1_pd(test->reciprocal),
    };
}

static inline __m256i divides(__m256i x, const small_divisor *by)
{
    __m256d v = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_add_epi64(x, by->magic)), by->offset);
    __m256d q = _mm256_sub_pd(_mm256_add_pd(_mm256_mul_pd(v, by->inverse), by->round), by->round);
    return _mm256_castpd_si256(_mm256_cmp_pd(_mm256_mul_pd(q, by->m), v, _CMP_EQ_OQ));
}
#endif

#endif

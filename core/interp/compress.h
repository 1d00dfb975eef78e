/* Moving the lanes that stay to the front: part of kernels.c, compiled with it once per instruction set. A byte mask becomes bits,
 * and lanes are moved by those, each way with intrinsics beside a plain version. */
#ifndef PF_INTERP_COMPRESS_H
#define PF_INTERP_COMPRESS_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include "simd.h"
#endif

/* The lowest bits of 64 bytes. */
static inline uint64_t gather_bits(const uint8_t *c)
{
#if defined(__AVX2__)
    __m256i low = _mm256_slli_epi16(_mm256_loadu_si256((const __m256i *)c), 7);
    __m256i high = _mm256_slli_epi16(_mm256_loadu_si256((const __m256i *)(c + 32)), 7);
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
#else
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, c + 8 * i, sizeof eight);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        eight &= UINT64_C(0x0101010101010101);
        bits |= (eight * UINT64_C(0x0102040810204080) >> 56) << (8 * i);
    }
    return bits;
#endif
}

/* The lowest n bits of a word, all of them where it has no more. */
static inline uint64_t first_bits(int n)
{
    return n < 64 ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

static int to_bits(uint64_t *bits, const uint8_t *c, unsigned negate, const uint8_t *alive, int n)
{
    const uint64_t flip = negate != 0 ? ~UINT64_C(0) : 0;
    int count = 0;
    for (int i = 0; i < n; i += 64) {
        uint64_t word = (gather_bits(c + i) ^ flip) & first_bits(n - i);
        if (alive != NULL) {
            word &= gather_bits(alive + i);
        }
        bits[i / 64] = word;
        count += __builtin_popcountll(word);
    }
    return count;
}

#if defined(__AVX512F__)
static void compress8(uint64_t *d, const uint64_t *a, const uint64_t *bits, int n)
{
    for (int i = 0; i < n; i += 8) {
        __mmask8 eight = (__mmask8)(bits[i / 64] >> (i & 63));
        _mm512_storeu_si512(d, _mm512_maskz_compress_epi64(eight, _mm512_loadu_si512(a + i)));
        d += __builtin_popcount(eight);
    }
}
#elif defined(__AVX2__)
/* Which 32-bit halves go where, for each set of 4 lanes. */
#define H(lane) 2 * (lane), 2 * (lane) + 1
static const int32_t moves[16][8] __attribute__((aligned(64))) = {
    {0},
    {H(0)},
    {H(1)},
    {H(0), H(1)},
    {H(2)},
    {H(0), H(2)},
    {H(1), H(2)},
    {H(0), H(1), H(2)},
    {H(3)},
    {H(0), H(3)},
    {H(1), H(3)},
    {H(0), H(1), H(3)},
    {H(2), H(3)},
    {H(0), H(2), H(3)},
    {H(1), H(2), H(3)},
    {H(0), H(1), H(2), H(3)},
};
#undef H

/* Each store writes 4 lanes, of which the next one overwrites what was not wanted; it never reaches lanes unread yet.
 * Where few of 64 stay, they are fetched one by one. */
static void compress8(uint64_t *d, const uint64_t *a, const uint64_t *bits, int n)
{
    for (int i = 0; i < n; i += 64) {
        uint64_t word = bits[i / 64];
        if (__builtin_popcountll(word) <= 10) {
            for (; word != 0; word &= word - 1) {
                *d++ = a[i + __builtin_ctzll(word)];
            }
            continue;
        }
        for (int k = i; k < i + 64; k += 4, word >>= 4) {
            __m256i move = _mm256_load_si256((const __m256i *)moves[word & 15]);
            _mm256_storeu_si256((__m256i *)d, _mm256_permutevar8x32_epi32(load4(a, k), move));
            d += __builtin_popcountll(word & 15);
        }
    }
}
#else
static void compress8(uint64_t *d, const uint64_t *a, const uint64_t *bits, int n)
{
    for (int i = 0; i < n; i++) {
        *d = a[i];
        d += bits[i / 64] >> (i & 63) & 1;
    }
}
#endif

/* The sequence's lanes whose bit is set, without the others ever being written. */
#if defined(__AVX2__)
/* The numbers of the bits that are set in eight, one byte each, from the lowest byte on. */
#define PLACE(e, b) ((uint64_t)((e) >> (b) & 1) * (b) << 8 * __builtin_popcount((e) & ((1 << (b)) - 1)))
#define PLACES(e)                                                                                                      \
    PLACE(e, 1) | PLACE(e, 2) | PLACE(e, 3) | PLACE(e, 4) | PLACE(e, 5) | PLACE(e, 6) | PLACE(e, 7) /* 0 adds nothing */
#define PLACES4(e) PLACES(e), PLACES((e) + 1), PLACES((e) + 2), PLACES((e) + 3)
#define PLACES16(e) PLACES4(e), PLACES4((e) + 4), PLACES4((e) + 8), PLACES4((e) + 12)
#define PLACES64(e) PLACES16(e), PLACES16((e) + 16), PLACES16((e) + 32), PLACES16((e) + 48)
static const uint64_t places[256] = {PLACES64(0), PLACES64(64), PLACES64(128), PLACES64(192)};

static inline __m256i four_places(unsigned eight, int from)
{
    uint32_t four;
    memcpy(&four, (const char *)&places[eight] + from, sizeof four);
    return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128((int)four));
}

static void compress_iota(int64_t *d, int64_t start, int64_t step, const uint64_t *bits, int n)
{
    const __m256i by = _mm256_set1_epi64x(step), skip = _mm256_set1_epi64x(8 * step);
    __m256i base = _mm256_set1_epi64x(start);
    for (int i = 0; i < n; i += 64) {
        uint64_t word = bits[i / 64];
        for (int k = 0; k < 8; k++, word >>= 8) {
            unsigned eight = word & 255;
            _mm256_storeu_si256((__m256i *)d, _mm256_add_epi64(base, _mm256_mul_epi32(four_places(eight, 0), by)));
            _mm256_storeu_si256((__m256i *)(d + 4), _mm256_add_epi64(base, _mm256_mul_epi32(four_places(eight, 4), by)));
            base = _mm256_add_epi64(base, skip);
            d += __builtin_popcount(eight);
        }
    }
}
#else
static void compress_iota(int64_t *d, int64_t start, int64_t step, const uint64_t *bits, int n)
{
    for (int i = 0; i < n; i += 64) {
        for (uint64_t word = bits[i / 64]; word != 0; word &= word - 1) {
            *d++ = (int64_t)((uint64_t)start + (uint64_t)(i + __builtin_ctzll(word)) * (uint64_t)step);
        }
    }
}
#endif

#if defined(__BMI2__)
static void compress1(uint8_t *d, const uint8_t *a, const uint64_t *bits, int n)
{
    for (int i = 0; i < n; i += 8) {
        uint64_t eight = bits[i / 64] >> (i & 63) & 255, lanes;
        memcpy(&lanes, a + i, sizeof lanes);
        lanes = _pext_u64(lanes, _pdep_u64(eight, UINT64_C(0x0101010101010101)) * 255);
        memcpy(d, &lanes, sizeof lanes);
        d += __builtin_popcountll(eight);
    }
}
#else
static void compress1(uint8_t *d, const uint8_t *a, const uint64_t *bits, int n)
{
    for (int i = 0; i < n; i++) {
        *d = a[i];
        d += bits[i / 64] >> (i & 63) & 1;
    }
}
#endif

#endif

/* Bits, and arithmetic that says when it does not fit.
 *
 * The add, sub and mul functions return true on overflow, as the compiler's builtins do; *out then holds the result
 * wrapped. */
#ifndef PF_BASE_BITS_H
#define PF_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Leading and trailing zeros; 64 for 0, where the builtins are undefined. */
static inline int pf_bits_clz64(uint64_t x)
{
    return x == 0 ? 64 : __builtin_clzll(x);
}

static inline int pf_bits_ctz64(uint64_t x)
{
    return x == 0 ? 64 : __builtin_ctzll(x);
}

static inline int pf_bits_popcount64(uint64_t x)
{
    return __builtin_popcountll(x);
}

/* Bits needed to write x: 0 for 0, as int.bit_length(). */
static inline int pf_bits_length64(uint64_t x)
{
    return 64 - pf_bits_clz64(x);
}

/* |x| without overflow: 2**63 for INT64_MIN. */
static inline uint64_t pf_bits_abs64(int64_t x)
{
    return x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
}

static inline bool pf_bits_add64(int64_t a, int64_t b, int64_t *out)
{
    return __builtin_add_overflow(a, b, out);
}

static inline bool pf_bits_sub64(int64_t a, int64_t b, int64_t *out)
{
    return __builtin_sub_overflow(a, b, out);
}

static inline bool pf_bits_mul64(int64_t a, int64_t b, int64_t *out)
{
    return __builtin_mul_overflow(a, b, out);
}

static inline bool pf_bits_add128(__int128 a, __int128 b, __int128 *out)
{
    return __builtin_add_overflow(a, b, out);
}

static inline bool pf_bits_add_size(size_t a, size_t b, size_t *out)
{
    return __builtin_add_overflow(a, b, out);
}

static inline bool pf_bits_mul_size(size_t a, size_t b, size_t *out)
{
    return __builtin_mul_overflow(a, b, out);
}

#endif

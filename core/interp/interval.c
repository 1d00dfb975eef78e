/* Interval arithmetic. Bounds are computed in 128 bits, where nothing here overflows, and clamped to 64. */
#include "interval.h"

#include "../base/bits.h"

static int64_t clamp(__int128 x)
{
    return x < INT64_MIN ? INT64_MIN : x > INT64_MAX ? INT64_MAX : (int64_t)x;
}

static bool bound(__int128 lo, __int128 hi, pf_interval *out)
{
    *out = (pf_interval){clamp(lo), clamp(hi)};
    return lo >= INT64_MIN && hi <= INT64_MAX;
}

bool pf_interval_add(pf_interval a, pf_interval b, pf_interval *out)
{
    return bound((__int128)a.lo + b.lo, (__int128)a.hi + b.hi, out);
}

bool pf_interval_sub(pf_interval a, pf_interval b, pf_interval *out)
{
    return bound((__int128)a.lo - b.hi, (__int128)a.hi - b.lo, out);
}

bool pf_interval_mul(pf_interval a, pf_interval b, pf_interval *out)
{
    const __int128 corner[4] = {(__int128)a.lo * b.lo, (__int128)a.lo * b.hi, (__int128)a.hi * b.lo,
                                (__int128)a.hi * b.hi};
    __int128 lo = corner[0], hi = corner[0];
    for (int i = 1; i < 4; i++) {
        lo = corner[i] < lo ? corner[i] : lo;
        hi = corner[i] > hi ? corner[i] : hi;
    }
    return bound(lo, hi, out);
}

bool pf_interval_neg(pf_interval a, pf_interval *out)
{
    return bound(-(__int128)a.hi, -(__int128)a.lo, out);
}

bool pf_interval_abs(pf_interval a, pf_interval *out)
{
    if (a.lo >= 0) {
        *out = a;
        return true;
    }
    __int128 below = -(__int128)a.lo;
    if (a.hi <= 0) {
        return bound(-(__int128)a.hi, below, out);
    }
    return bound(0, below > a.hi ? below : a.hi, out);
}

bool pf_interval_shl(pf_interval a, pf_interval b, pf_interval *out)
{
    if (b.lo < 0 || b.hi > 62) {
        *out = PF_INTERVAL_ALL;
        return false;
    }
    return pf_interval_mul(a, (pf_interval){INT64_C(1) << b.lo, INT64_C(1) << b.hi}, out);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    __int128 q = (__int128)a / b;
    return clamp(q - ((__int128)a % b != 0 && (a < 0) != (b < 0)));
}

pf_interval pf_interval_fdiv(pf_interval a, pf_interval b)
{
    if (b.lo > 0) { /* monotone in a; a fixed a goes towards 0 (or -1) as b grows */
        int64_t lo = floor_div(a.lo, a.lo < 0 ? b.lo : b.hi), hi = floor_div(a.hi, a.hi < 0 ? b.hi : b.lo);
        return (pf_interval){lo, hi};
    }
    uint64_t most = pf_bits_abs64(a.lo) > pf_bits_abs64(a.hi) ? pf_bits_abs64(a.lo) : pf_bits_abs64(a.hi);
    return (pf_interval){clamp(-(__int128)most - 1), clamp(most)};
}

pf_interval pf_interval_mod(pf_interval a, pf_interval b)
{
    if (b.lo > 0) {
        if (a.lo >= 0) {
            return (pf_interval){0, a.hi < b.hi - 1 ? a.hi : b.hi - 1};
        }
        return (pf_interval){0, b.hi - 1};
    }
    return (pf_interval){b.lo < 0 ? b.lo + 1 : 0, b.hi > 0 ? b.hi - 1 : 0};
}

/* The smallest 2**k - 1 that is not below x >= 0. */
static int64_t ones(int64_t x)
{
    int length = pf_bits_length64((uint64_t)x);
    return (int64_t)((UINT64_C(1) << length) - 1);
}

/* Bits needed on both sides of zero: every value lies in [-2**k, 2**k - 1]. */
static pf_interval either_sign(pf_interval a, pf_interval b)
{
    pf_interval u = pf_interval_union(a, b);
    int64_t top = ones(u.lo < 0 && ~u.lo > u.hi ? ~u.lo : u.hi);
    return (pf_interval){-top - 1, top};
}

pf_interval pf_interval_and(pf_interval a, pf_interval b)
{
    if (a.lo >= 0 && b.lo >= 0) {
        return (pf_interval){0, a.hi < b.hi ? a.hi : b.hi};
    }
    if (a.lo >= 0 || b.lo >= 0) {
        return (pf_interval){0, a.lo >= 0 ? a.hi : b.hi};
    }
    return either_sign(a, b);
}

pf_interval pf_interval_or(pf_interval a, pf_interval b)
{
    pf_interval both = either_sign(a, b);
    return a.lo >= 0 && b.lo >= 0 ? (pf_interval){0, both.hi} : both;
}

pf_interval pf_interval_shr(pf_interval a, pf_interval b)
{
    int least = b.lo < 0 ? 0 : b.lo > 63 ? 63 : (int)b.lo;
    return (pf_interval){a.lo < 0 ? a.lo >> least : 0, a.hi >= 0 ? a.hi >> least : -1};
}

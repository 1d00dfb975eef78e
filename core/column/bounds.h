/* Bounds of int64 columns (pf_vec's lo and hi), found from the bits of the values. */
#ifndef PF_COLUMN_BOUNDS_H
#define PF_COLUMN_BOUNDS_H

#include "vec.h"

static inline void pf_widen_interval(pf_vec *vec, int64_t lo, int64_t hi)
{
    vec->lo = lo < vec->lo ? lo : vec->lo;
    vec->hi = hi > vec->hi ? hi : vec->hi;
}

/* What is or'ed together over all values bounds them within a factor of two. The highest bit in which v and 2 v differ is the
 * one above v's magnitude, whatever its sign; that takes no arithmetic shift, which baseline vectors do not have. */
static inline uint64_t pf_used_bits(uint64_t v) { return v ^ (v << 1); }

static inline void pf_widen_by_bits(pf_vec *vec, uint64_t used)
{
    int64_t bound = used == 0 ? 0 : (int64_t)((UINT64_C(1) << (63 - __builtin_clzll(used))) - 1);
    pf_widen_interval(vec, -bound - 1, bound);
}

#endif

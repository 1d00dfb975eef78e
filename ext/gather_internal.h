/* Shared by gather.c (which memory, which columns) and gather_objects.c (objects into lanes). */
#ifndef PF_GATHER_INTERNAL_H
#define PF_GATHER_INTERNAL_H

#include "gather.h"

static inline void pf_widen_interval(pf_vec *vec, int64_t lo, int64_t hi)
{
    vec->lo = lo < vec->lo ? lo : vec->lo;
    vec->hi = hi > vec->hi ? hi : vec->hi;
}

/* Bounds of int64 values, within a factor of two, from their bits. The highest bit in which v and 2 v differ is the one
 * above v's magnitude, whatever its sign; that takes no arithmetic shift, which baseline vectors do not have. */
static inline uint64_t pf_used_bits(uint64_t v) { return v ^ (v << 1); }

static inline void pf_widen_by_bits(pf_vec *vec, uint64_t used)
{
    int64_t bound = used == 0 ? 0 : (int64_t)((UINT64_C(1) << (63 - __builtin_clzll(used))) - 1);
    pf_widen_interval(vec, -bound - 1, bound);
}

static inline void pf_measure(pf_vec *vec, int32_t lane, int32_t n)
{
    const uint64_t *v = (const uint64_t *)vec->data + lane;
    uint64_t used = 0;
    for (int32_t i = 0; i < n; i++) {
        used |= pf_used_bits(v[i]);
    }
    pf_widen_by_bits(vec, used);
}

/* ---- gather_objects.c ---- */

/* Reads rows [row, row + n) of a leaf over a list or tuple into lanes from `lane` on: data, kinds (always written), the
 * columns' seen, lo and hi. Called from any thread while the caller of the run holds the GIL. */
void pf_gather_objects(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, const pf_column_spec *const *specs,
                       pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns);

#endif

/* Shared by gather.c (which memory, which columns) and gather_objects.c (objects into lanes). */
#ifndef PF_GATHER_INTERNAL_H
#define PF_GATHER_INTERNAL_H

#include "gather.h"

static inline void pf_widen_interval(pf_vec *vec, int64_t lo, int64_t hi)
{
    vec->lo = lo < vec->lo ? lo : vec->lo;
    vec->hi = hi > vec->hi ? hi : vec->hi;
}

/* The bounds of n int64 lanes just written, from the bits that are used: cheap, and within a factor of two. */
static inline void pf_measure(pf_vec *vec, int32_t lane, int32_t n)
{
    const int64_t *v = (const int64_t *)vec->data + lane;
    uint64_t bits = 0;
    for (int32_t i = 0; i < n; i++) {
        bits |= (uint64_t)(v[i] ^ (v[i] >> 63));
    }
    int64_t bound = bits == 0 ? 0 : (int64_t)(UINT64_MAX >> __builtin_clzll(bits));
    pf_widen_interval(vec, -bound - 1, bound);
}

/* ---- gather_objects.c ---- */

/* Reads rows [row, row + n) of a leaf over a list or tuple into lanes from `lane` on: data, kinds (always written), the
 * columns' seen, lo and hi. Called from any thread while the caller of the run holds the GIL. */
void pf_gather_objects(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, const pf_column_spec *const *specs,
                       pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns);

#endif

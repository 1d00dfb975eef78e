/* Shared by gather.c (which memory, which columns) and gather_objects.c (objects into lanes). */
#ifndef PF_GATHER_INTERNAL_H
#define PF_GATHER_INTERNAL_H

#include "../core/column/bounds.h"
#include "../core/column/kernels.h"
#include "gather.h"

static inline void pf_measure(pf_vec *vec, int32_t lane, int32_t n)
{
    pf_widen_by_bits(vec, pf_column_kernels()->used_bits((const uint64_t *)vec->data + lane, n));
}

/* ---- gather_objects.c ---- */

/* Reads rows [row, row + n) of a leaf over a list or tuple into lanes from `lane` on: data, kinds (always written), the
 * columns' seen, lo and hi. Called from any thread while the caller of the run holds the GIL. */
void pf_gather_objects(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, const pf_column_spec *const *specs,
                       pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns);

#endif

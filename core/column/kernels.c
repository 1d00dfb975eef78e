/* Copying columns out of foreign memory (kernels.h). It was asked for while the vector before was computed
 * (pf_vec.ahead), so that what is left to do is to move it, and to measure it on the way. */
#include "kernels.h"

#include "../base/isa.h"
#include "bounds.h"

#include <string.h>

enum { LINE = 64, VALUES = LINE / 8 }; /* bytes */

enum { LANES = PF_ISA_LANES };

typedef uint64_t lanes __attribute__((vector_size(8 * LANES), aligned(8), may_alias));
typedef uint64_t foreign_lanes __attribute__((vector_size(8 * LANES), aligned(1), may_alias)); /* a memoryview may begin anywhere */

static uint64_t copy_i64(const char *from, int32_t n, uint64_t *to)
{
    lanes used = {0};
    uint64_t all = 0;
    int32_t i = 0;
    for (; i + VALUES <= n; i += VALUES) {
        for (int k = i; k < i + VALUES; k += LANES) {
            lanes v = *(const foreign_lanes *)(from + 8 * k);
            *(lanes *)(to + k) = v;
            used |= v ^ (v << 1); /* pf_used_bits */
        }
    }
    for (int k = 0; k < LANES; k++) {
        all |= used[k];
    }
    for (; i < n; i++) {
        memcpy(to + i, from + 8 * i, sizeof *to);
        all |= pf_used_bits(to[i]);
    }
    return all;
}

static void copy_f64(const char *from, int32_t n, uint64_t *to)
{
    int32_t i = 0;
    for (; i + VALUES <= n; i += VALUES) {
        memcpy(to + i, from + 8 * i, LINE);
    }
    memcpy(to + i, from + 8 * i, 8 * (size_t)(n - i));
}

static uint64_t used_bits(const uint64_t *v, int32_t n)
{
    uint64_t used = 0;
    for (int32_t i = 0; i < n; i++) {
        used |= pf_used_bits(v[i]);
    }
    return used;
}

extern const pf_column_kernel_table PF_ISA_FN(pf_column_kernel_table);
const pf_column_kernel_table PF_ISA_FN(pf_column_kernel_table) = {
    .copy_i64 = copy_i64,
    .copy_f64 = copy_f64,
    .used_bits = used_bits,
};

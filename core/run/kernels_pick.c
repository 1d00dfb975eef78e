/* Which table of kernels this CPU runs (kernels.h). */
#include <string.h>

#include "../base/isa_pick.h"
#include "kernels.h"

PF_ISA_TABLES(pf_run_kernel_table, pf_run_kernel_table)

enum { N = PF_FBLOCK, ODD = N - 3 };

static bool same_block(const pf_run_kernel_table *k[2], const double *x, int guess, bool want_c)
{
    pf_fblock out[2];
    memset(out, 0, sizeof out);
    for (int i = 0; i < 2; i++) {
        k[i]->block(x, NULL, guess, want_c, &out[i]);
    }
    const pf_fblock *a = &out[0], *b = &out[1]; /* sums are exact where it says ok, and of any order where not */
    return a->ok == b->ok && a->ok_c == b->ok_c &&
           (!a->ok || (a->positive == b->positive && a->negative == b->negative)) && (!a->ok_c || a->error == b->error);
}

bool pf_run_kernels_agree(const pf_run_kernel_table *one, const pf_run_kernel_table *other)
{
    const pf_run_kernel_table *k[2] = {one, other};
    int64_t ints[N], wide[N];
    double floats[N], units[N];
    for (int i = 0; i < N; i++) {
        uint64_t r = (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        ints[i] = (int64_t)(r >> 40) - 5000000;
        wide[i] = (int64_t)(r ^ r << 7);
        floats[i] = (double)wide[i] * 0x1p-30;
        units[i] = (double)ints[i]; /* sums of these are exact */
    }
    return same_block(k, units, 60, false) && same_block(k, units, 60, true) && same_block(k, floats, 80, true) &&
           same_block(k, floats, 20, false) && one->sum_narrow(ints, ODD) == other->sum_narrow(ints, ODD) &&
           one->sum_wide(wide, ODD) == other->sum_wide(wide, ODD) &&
           one->sum_bytes((const uint8_t *)wide, ODD) == other->sum_bytes((const uint8_t *)wide, ODD) &&
           one->least_i64(wide, ODD) == other->least_i64(wide, ODD) &&
           one->most_i64(wide, ODD) == other->most_i64(wide, ODD) &&
           one->least_f64(floats, ODD) == other->least_f64(floats, ODD) &&
           one->most_f64(floats, ODD) == other->most_f64(floats, ODD);
}

static bool avx512_agrees(void)
{
    return pf_run_kernels_agree(PF_ISA_PICK(pf_run_kernel_table, PF_CPU_AVX512),
                                PF_ISA_PICK(pf_run_kernel_table, PF_CPU_AVX2));
}

const pf_run_kernel_table *pf_run_kernels_for(pf_cpu_isa_level level)
{
    static _Atomic int decided;
    pf_cpu_isa_level cpu = pf_cpu_isa();
    level = pf_isa_sound(level < cpu ? level : cpu, &decided, avx512_agrees);
    return PF_ISA_PICK(pf_run_kernel_table, level);
}

const pf_run_kernel_table *pf_run_kernels(void)
{
    return pf_run_kernels_for(PF_CPU_AVX512);
}

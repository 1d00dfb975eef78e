/* Which table of kernels a level of CPU gets. */
#include "kernels.h"

extern const pf_kernels pf_kernels_base;
#if defined(__x86_64__)
extern const pf_kernels pf_kernels_avx2, pf_kernels_avx512;
#endif

const pf_kernels *pf_kernels_for(pf_cpu_isa_level level)
{
    pf_cpu_isa_level cpu = pf_cpu_isa();
    level = level < cpu ? level : cpu;
#if defined(__x86_64__)
    if (level >= PF_CPU_AVX512) {
        return &pf_kernels_avx512;
    }
    if (level >= PF_CPU_AVX2) {
        return &pf_kernels_avx2;
    }
#endif
    return &pf_kernels_base;
}

/* Which table of kernels this CPU runs (kernels.h). */
#include "kernels.h"

#include "../base/cpu.h"

extern const pf_run_kernel_table pf_run_kernel_table_base;
#if defined(__x86_64__)
extern const pf_run_kernel_table pf_run_kernel_table_avx2, pf_run_kernel_table_avx512;
#endif

const pf_run_kernel_table *pf_run_kernels(void)
{
#if defined(__x86_64__)
    switch (pf_cpu_isa()) {
    case PF_CPU_AVX512:
        return &pf_run_kernel_table_avx512;
    case PF_CPU_AVX2:
        return &pf_run_kernel_table_avx2;
    default:
        break;
    }
#endif
    return &pf_run_kernel_table_base;
}

/* Which table of kernels a level of CPU gets. */
#include "../base/isa_pick.h"
#include "kernels.h"

PF_ISA_TABLES(pf_kernels, pf_kernels)

static bool avx512_agrees(void)
{
    return pf_kernels_agree(PF_ISA_PICK(pf_kernels, PF_CPU_AVX512), PF_ISA_PICK(pf_kernels, PF_CPU_AVX2));
}

const pf_kernels *pf_kernels_for(pf_cpu_isa_level level)
{
    static _Atomic int decided;
    pf_cpu_isa_level cpu = pf_cpu_isa();
    level = pf_isa_sound(level < cpu ? level : cpu, &decided, avx512_agrees);
    return PF_ISA_PICK(pf_kernels, level);
}

/* Which table of kernels a level of CPU gets. */
#include "../base/isa_pick.h"
#include "kernels.h"

PF_ISA_TABLES(pf_kernels, pf_kernels)

const pf_kernels *pf_kernels_for(pf_cpu_isa_level level)
{
    pf_cpu_isa_level cpu = pf_cpu_isa();
    return PF_ISA_PICK(pf_kernels, level < cpu ? level : cpu);
}

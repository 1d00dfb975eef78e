/* Which table of kernels this CPU runs (kernels.h). */
#include "../base/isa_pick.h"
#include "kernels.h"

PF_ISA_TABLES(pf_run_kernel_table, pf_run_kernel_table)

const pf_run_kernel_table *pf_run_kernels(void)
{
    return PF_ISA_PICK(pf_run_kernel_table, pf_cpu_isa());
}

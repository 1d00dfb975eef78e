/* Choosing among tables that were compiled once per instruction set (isa.h): the file that calls one says
 *
 *     PF_ISA_TABLES(pf_kernels, pf_kernels_table)       declares pf_kernels_table_base and its like, of type pf_kernels
 *     return PF_ISA_PICK(pf_kernels_table, level);      that of this level, a pf_cpu_isa_level that the CPU has
 */
#ifndef PF_BASE_ISA_PICK_H
#define PF_BASE_ISA_PICK_H

#include "cpu.h"

#if defined(__x86_64__)
#define PF_ISA_TABLES(type, name) extern const type name##_base, name##_avx2, name##_avx512;
#define PF_ISA_PICK(name, level)                                                                                       \
    ((level) >= PF_CPU_AVX512 ? &name##_avx512 : (level) >= PF_CPU_AVX2 ? &name##_avx2 : &name##_base)
#else
#define PF_ISA_TABLES(type, name) extern const type name##_base;
#define PF_ISA_PICK(name, level) ((void)(level), &name##_base)
#endif

#endif

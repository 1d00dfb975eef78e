/* Choosing among tables that were compiled once per instruction set (isa.h): the file that calls one says
 *
 *     PF_ISA_TABLES(pf_kernels, pf_kernels_table)       declares pf_kernels_table_base and its like, of type pf_kernels
 *     return PF_ISA_PICK(pf_kernels_table, level);      that of this level, a pf_cpu_isa_level that the CPU has
 *
 * AVX-512 is on few of the machines that tests run on, so it has to show that it computes what the set below it does:
 *
 *     static bool agrees(void);                         compares the tables of AVX-512 and AVX2
 *     level = pf_isa_sound(level, &decided, agrees);    decided is static, 0 at first; asked once per process
 */
#ifndef PF_BASE_ISA_PICK_H
#define PF_BASE_ISA_PICK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cpu.h"

#if defined(__x86_64__)
#define PF_ISA_TABLES(type, name) extern const type name##_base, name##_avx2, name##_avx512;
#define PF_ISA_PICK(name, level)                                                                                       \
    ((level) >= PF_CPU_AVX512 ? &name##_avx512 : (level) >= PF_CPU_AVX2 ? &name##_avx2 : &name##_base)
#else
#define PF_ISA_TABLES(type, name) extern const type name##_base;
#define PF_ISA_PICK(name, level) ((void)(level), &name##_base)
#endif

static inline pf_cpu_isa_level pf_isa_sound(pf_cpu_isa_level level, _Atomic int *decided, bool (*agrees)(void))
{
    if (level < PF_CPU_AVX512) {
        return level;
    }
    /* relaxed: the decision is the whole message, and threads that race decide alike */
    int now = atomic_load_explicit(decided, memory_order_relaxed);
    if (now == 0) {
        now = agrees() ? 1 : -1;
        atomic_store_explicit(decided, now, memory_order_relaxed);
    }
    return now > 0 ? level : PF_CPU_AVX2;
}

#endif

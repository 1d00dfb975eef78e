/* Names in files that are compiled once per instruction set.
 *
 * The build compiles such a file with -DPF_ISA=base, avx2 or avx512 (core/meson.build). A function that is not static
 * is written PF_ISA_FN(pf_kernels_table) and becomes pf_kernels_table_avx2. Include nothing here that defines inline
 * functions with external linkage: the linker could keep the copy that only newer CPUs can run. */
#ifndef PF_BASE_ISA_H
#define PF_BASE_ISA_H

#ifndef PF_ISA
#error "isa.h is for files in core_isa_sources (core/meson.build)"
#endif

#define PF_ISA_JOIN_(name, isa) name##_##isa
#define PF_ISA_JOIN(name, isa) PF_ISA_JOIN_(name, isa)
#define PF_ISA_FN(name) PF_ISA_JOIN(name, PF_ISA)

/* Lanes of 8 bytes in a register of this instruction set, for code in the compilers' own vector types. */
#if defined(__AVX512F__)
enum { PF_ISA_LANES = 8 };
#elif defined(__AVX2__)
enum { PF_ISA_LANES = 4 };
#else
enum { PF_ISA_LANES = 2 };
#endif

#endif

/* Which of the instruction sets that we build kernels for this CPU can run.
 *
 * The environment variable PUREFOLD_ISA (base, avx2, avx512) can only lower the answer, so that tests reach every
 * kernel a machine has; other values are ignored. */
#ifndef PF_BASE_CPU_H
#define PF_BASE_CPU_H

typedef enum pf_cpu_isa_level {
    PF_CPU_BASE = 0, /* what the compiler's plain target has: SSE2 on x86-64, NEON on aarch64 */
    PF_CPU_AVX2,     /* AVX2, BMI1, BMI2, LZCNT, POPCNT */
    PF_CPU_AVX512    /* those and AVX-512 F, VL, BW, DQ, CD */
} pf_cpu_isa_level;

/* Decided at the first call and the same ever after. Thread-safe. */
pf_cpu_isa_level pf_cpu_isa(void);
const char *pf_cpu_isa_name(pf_cpu_isa_level level); /* "base", "avx2", "avx512" */

#endif

/* CPU features (cpu.h). */
#include "cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* The builtins also ask the operating system's word (XGETBV) that it saves the wide registers. */
static pf_cpu_isa_level detect(void)
{
    unsigned eax, ebx, ecx, edx;
    const unsigned lzcnt = 1u << 5; /* the builtins of older compilers do not know this one */
    __builtin_cpu_init();
    if (!__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) || (ecx & lzcnt) == 0 || !__builtin_cpu_supports("avx2") ||
        !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("popcnt")) {
        return PF_CPU_BASE;
    }
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512cd")) {
        return PF_CPU_AVX2;
    }
    return PF_CPU_AVX512;
}
#else
static pf_cpu_isa_level detect(void)
{
    return PF_CPU_BASE;
}
#endif

const char *pf_cpu_isa_name(pf_cpu_isa_level level)
{
    static const char *const names[] = {"base", "avx2", "avx512"};
    return names[level];
}

static pf_cpu_isa_level decide(void)
{
    pf_cpu_isa_level level = detect();
    const char *wanted = getenv("PUREFOLD_ISA");
    for (int lower = PF_CPU_BASE; wanted != NULL && lower < (int)level; lower++) {
        if (strcmp(wanted, pf_cpu_isa_name((pf_cpu_isa_level)lower)) == 0) {
            return (pf_cpu_isa_level)lower;
        }
    }
    return level;
}

pf_cpu_isa_level pf_cpu_isa(void)
{
    static _Atomic int decided = -1;
    /* relaxed: the level is the whole message, and threads that race decide alike */
    int level = atomic_load_explicit(&decided, memory_order_relaxed);
    if (level < 0) {
        level = (int)decide();
        atomic_store_explicit(&decided, level, memory_order_relaxed);
    }
    return (pf_cpu_isa_level)level;
}

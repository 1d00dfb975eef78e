/* The inner loops of the run layer that are worth one build per instruction set.
 *
 * Which table this CPU runs is decided once per process (pf_run_kernels). All functions are pure and thread-safe. */
#ifndef PF_RUN_KERNELS_H
#define PF_RUN_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/cpu.h"
#include "fsum.h"

/* The quantum of the compensation's block sums is 2**(guess - PF_FSUM_QUANTUM_BITS), 40 bits below an ulp (fsum.c). */
enum { PF_FSUM_QUANTUM_BITS = 92 };

typedef struct pf_run_kernel_table {
    /* As pf_fblock_compute; `positive`, `negative`, `error` carry the sums, ok_c is false unless want_c. */
    void (*block)(const double *x, double *copy, int guess, bool want_c, pf_fblock *out);
    int64_t (*sum_narrow)(const int64_t *x, int32_t n);  /* the caller knows that nothing overflows */
    __int128 (*sum_wide)(const int64_t *x, int32_t n);   /* n <= 2**31 - 1 */
    uint64_t (*sum_places)(const uint64_t *bits,
                           int32_t n); /* of the bits among the first n that are set; those beyond are not */
    int64_t (*sum_bytes)(const uint8_t *x, int32_t n);
    /* Index of the first smallest or largest of n >= 1 values. The f64 ones look past NaN; -1: there is nothing else. */
    int32_t (*least_i64)(const int64_t *x, int32_t n);
    int32_t (*most_i64)(const int64_t *x, int32_t n);
    int32_t (*least_f64)(const double *x, int32_t n);
    int32_t (*most_f64)(const double *x, int32_t n);
} pf_run_kernel_table;

const pf_run_kernel_table *pf_run_kernels(void);
/* The best built for this CPU that is not above `level`, and sound; and whether two, which this CPU can run, compute the same. */
const pf_run_kernel_table *pf_run_kernels_for(pf_cpu_isa_level level);
bool pf_run_kernels_agree(const pf_run_kernel_table *one, const pf_run_kernel_table *other);

#endif

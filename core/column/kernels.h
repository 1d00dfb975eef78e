/* The inner loops of filling columns that are worth one build per instruction set.
 *
 * Which table this CPU runs is decided once per process (pf_column_kernels). All functions are thread-safe. */
#ifndef PF_COLUMN_KERNELS_H
#define PF_COLUMN_KERNELS_H

#include <stdint.h>

typedef struct pf_column_kernel_table {
    /* n values of 8 bytes as they lie. The ints' answer with the bits used (bounds.h). */
    uint64_t (*copy_i64)(const char *from, int32_t n, uint64_t *to);
    void (*copy_f64)(const char *from, int32_t n, uint64_t *to);
    uint64_t (*used_bits)(const uint64_t *v, int32_t n);
} pf_column_kernel_table;

const pf_column_kernel_table *pf_column_kernels(void);

#endif

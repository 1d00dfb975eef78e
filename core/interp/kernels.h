/* Kernels: what is done to all lanes of a vector by one instruction.
 *
 * kernels.c is one text compiled once per instruction set; each compilation ends in one table, and pf_kernels_for picks
 * among them. A kernel reads lanes [0, n) of its operands and writes lanes [0, n) of its result, which overlaps none
 * of them (select and compress may work in place); it may go on to the next multiple of 64 lanes unless it reports
 * bails. It returns nonzero when some lane in [0, n) bails: perhaps a dead one, so the caller then asks lane by lane.
 * `mask` (NULL: all live) lets an expensive kernel skip dead lanes; cheap ones ignore it. */
#ifndef PF_INTERP_KERNELS_H
#define PF_INTERP_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

#include "../base/cpu.h"
#include "../ir/ir.h"

typedef unsigned (*pf_kernel)(void *d, const void *a, const void *b, const uint8_t *mask, int n);

enum { PF_T_I64, PF_T_F64, PF_T_BOOL, PF_T_COUNT };      /* operand type */
enum { PF_F_VV, PF_F_VS, PF_F_SV, PF_F_SS, PF_F_COUNT }; /* which operands are vectors and which one scalar lane */
enum { PF_LANE_WORD, PF_LANE_BYTE, PF_LANE_COUNT };      /* payload width */

/* a % m == c, or != where `flip` is 1. m > 0, and c is a remainder of m; mod_test takes any but 0, and any c. It,
 * mod_test_pow2 and mod_test_iota look at no more than these.
 *
 * The others divide by multiplying. With m = 2**shift * odd, a - c times the inverse of odd modulo 2**64 is 2**shift *
 * q just where a - c = m * q. `least` takes the least of the quotients that an int64 may have to 0; rotated by shift,
 * those are then the numbers up to `most`, and where m does not divide there is a larger one. */
typedef struct pf_mod_test {
    int64_t m, c;
    uint8_t flip;
    double reciprocal; /* of m */
    int shift;
    uint64_t inverse, least, most;
} pf_mod_test;

static inline pf_mod_test pf_mod_test_of(int64_t m, int64_t c, bool flip)
{
    const int shift = __builtin_ctzll((uint64_t)m);
    const uint64_t odd = (uint64_t)m >> shift, below = ((UINT64_C(1) << 63) + (uint64_t)c) / (uint64_t)m;
    uint64_t inverse = odd; /* in its lowest 3 bits, and in twice as many after each step */
    for (int bits = 3; bits < 64; bits *= 2) {
        inverse *= 2 - odd * inverse;
    }
    return (pf_mod_test){.m = m,
                         .c = c,
                         .flip = flip,
                         .reciprocal = 1.0 / (double)m,
                         .shift = shift,
                         .inverse = inverse,
                         .least = (below << shift) - (uint64_t)c * inverse,
                         .most = below + (uint64_t)(INT64_MAX - c) / (uint64_t)m};
}

typedef struct pf_kernels {
    const char *name;
    int lanes; /* of 8 bytes, in a register */
    /* Every op of ops.def that computes; VV only for one operand. */
    pf_kernel op[PF_OP_COUNT][PF_T_COUNT][PF_F_SS];
    /* i64 whose result is known to fit */
    pf_kernel add[PF_F_SS], sub[PF_F_SS], mul[PF_F_SS], mul32[PF_F_SS]; /* mul32: operands fit 32 bits signed */
    pf_kernel shl[PF_F_SS];
    /* i64 by a positive scalar: a power of two; or |a| < 2**50, b < 2**31 */
    pf_kernel mod_pow2, mod_small, fdiv_pow2, fdiv_small;
    pf_kernel float_small; /* |a| < 2**51 */
    void (*mod_test)(uint8_t *d, const int64_t *a, const pf_mod_test *test, int n);
    void (*mod_test_pow2)(uint8_t *d, const int64_t *a, const pf_mod_test *test, int n);
    void (*mod_test_small)(uint8_t *d, const int64_t *a, const pf_mod_test *test, int n); /* |a| < 2**50, m < 2**31 */
    /* mod_test to bits and compress8 of a by them, at once; kept may be a. Returns how many are set; bits beyond n are
     * 0. NULL where one after the other is as fast. */
    int (*mod_keep)(uint64_t *bits, int64_t *kept, const int64_t *a, const pf_mod_test *test, int n);
    void (*mod_test_iota)(uint8_t *d, int64_t start, int64_t step, const pf_mod_test *test, int n);
    /* d = a * b + c or a * b - c, each op rounded: [b scalar][c scalar][minus] */
    void (*mul_add[2][2][2])(double *d, const double *a, const double *b, const double *c, int n);
    /* d = c ? a : b */
    void (*select[PF_LANE_COUNT][PF_F_COUNT])(void *d, const uint8_t *c, const void *a, const void *b, int n);
    /* d = m ? a : d, a being a vector or one lane */
    void (*blend[PF_LANE_COUNT][2])(void *d, const uint8_t *m, const void *a, int n);
    void (*fill)(void *d, uint64_t value, int n); /* 8-byte lanes; memset does bytes */
    void (*iota)(int64_t *d, int64_t start, int64_t step, int n);
    void (*widen)(uint64_t *d, const uint8_t *a, int n);
    void (*pack)(uint8_t *d, const uint64_t *a, int n);
    /* d = kind of the lane is among `kinds` */
    void (*is_kind)(uint8_t *d, const uint8_t *kind, pf_kinds kinds, int n);
    /* Nonzero when a live lane's kind is not among `kinds`. */
    unsigned (*other_kind)(const uint8_t *kind, pf_kinds kinds, const uint8_t *mask, int n);
    /* yes = m & c, no = m & ~c (m NULL: all ones); returns how many are in yes. Either result may be NULL. */
    int (*branch)(uint8_t *yes, uint8_t *no, const uint8_t *c, const uint8_t *m, int n);
    void (*merge)(uint8_t *d, const uint8_t *m, int n); /* d |= m */
    /* Bit i of bits = (c[i] ^ negate) & alive[i] (alive NULL: ones); bits beyond n are 0. Returns how many are set. */
    int (*bits)(uint64_t *bits, const uint8_t *c, unsigned negate, const uint8_t *alive, int n);
    /* Moves the lanes whose bit is set to the front; d may be a. */
    void (*compress8)(uint64_t *d, const uint64_t *a, const uint64_t *bits, int n);
    void (*compress_iota)(int64_t *d, int64_t start, int64_t step, const uint64_t *bits, int n); /* |step| < 2**31 */
    void (*compress1)(uint8_t *d, const uint8_t *a, const uint64_t *bits, int n);
} pf_kernels;

/* The best of those built for this CPU that is not above `level`, and sound. Thread-safe. */
const pf_kernels *pf_kernels_for(pf_cpu_isa_level level);

/* agree.c: whether both, which this CPU can run, compute the same. False too where there is no memory to find out. */
bool pf_kernels_agree(const pf_kernels *one, const pf_kernels *other);

/* The process's own libm, called through pointers: constants are not folded, calls not replaced. */
typedef struct pf_libm_table {
    double (*exp)(double), (*expm1)(double), (*log)(double), (*log2)(double), (*log10)(double), (*log1p)(double);
    double (*sin)(double), (*cos)(double), (*tan)(double), (*asin)(double), (*acos)(double), (*atan)(double);
    double (*sinh)(double), (*cosh)(double), (*tanh)(double), (*cbrt)(double), (*exp2)(double);
    double (*atan2)(double, double), (*fmod)(double, double), (*pow)(double, double), (*remainder)(double, double);
} pf_libm_table;
extern const pf_libm_table pf_libm;

#endif

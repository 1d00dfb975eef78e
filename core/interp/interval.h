/* What is known about the i64 lanes of a vector: all of them lie in [lo, hi]. lo > hi: no lane yet.
 *
 * Each function gives an interval that encloses every result that fits 64 bits, and returns whether all results fit,
 * whatever the operands are within theirs. So "true" selects an unchecked kernel, and a checked kernel that did not
 * bail may use the interval all the same. Lanes that failed earlier are outside all of this. */
#ifndef PF_INTERP_INTERVAL_H
#define PF_INTERP_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pf_interval {
    int64_t lo, hi;
} pf_interval;

#define PF_INTERVAL_ALL ((pf_interval){INT64_MIN, INT64_MAX})
#define PF_INTERVAL_EMPTY ((pf_interval){INT64_MAX, INT64_MIN})

static inline pf_interval pf_interval_union(pf_interval a, pf_interval b)
{
    return (pf_interval){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
}

static inline bool pf_interval_within(pf_interval a, int64_t lo, int64_t hi)
{
    return a.lo >= lo && a.hi <= hi;
}

bool pf_interval_add(pf_interval a, pf_interval b, pf_interval *out);
bool pf_interval_sub(pf_interval a, pf_interval b, pf_interval *out);
bool pf_interval_mul(pf_interval a, pf_interval b, pf_interval *out);
bool pf_interval_neg(pf_interval a, pf_interval *out);
bool pf_interval_abs(pf_interval a, pf_interval *out);
bool pf_interval_shl(pf_interval a, pf_interval b, pf_interval *out);
/* These never overflow, except fdiv of INT64_MIN by -1; a zero divisor is not their business. */
pf_interval pf_interval_fdiv(pf_interval a, pf_interval b);
pf_interval pf_interval_mod(pf_interval a, pf_interval b);
pf_interval pf_interval_and(pf_interval a, pf_interval b);
pf_interval pf_interval_or(pf_interval a, pf_interval b); /* xor too */
pf_interval pf_interval_shr(pf_interval a, pf_interval b);

#endif

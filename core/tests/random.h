/* Random numbers for tests: the same in every run, unless a test sets the seed. */
#ifndef PF_TESTS_RANDOM_H
#define PF_TESTS_RANDOM_H

#include <stdint.h>

static uint64_t seed = 88172645463325252u;

/* Marsaglia's xorshift64. */
static inline uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* In [0, n). */
static inline uint32_t pick(uint32_t n)
{
    return (uint32_t)((next_random() >> 16) % n);
}

#endif

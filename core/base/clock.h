/* Time that only goes forward. */
#ifndef PF_BASE_CLOCK_H
#define PF_BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment of this boot, on CLOCK_MONOTONIC. Thread-safe, never fails. */
int64_t pf_clock_ns(void);

#endif

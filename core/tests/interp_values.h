/* Values for test_interp.c: the edges of every kind, and random ones of a chosen wildness. */
#ifndef PF_TESTS_INTERP_VALUES_H
#define PF_TESTS_INTERP_VALUES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

#include "../column/vec.h"
#include "random.h"

/* ---- values ---- */

static const int64_t edge_i64[] = {0,
                                   1,
                                   -1,
                                   2,
                                   -2,
                                   3,
                                   -3,
                                   5,
                                   7,
                                   -7,
                                   10,
                                   -10,
                                   31,
                                   32,
                                   62,
                                   63,
                                   64,
                                   65,
                                   -63,
                                   -64,
                                   100,
                                   1000,
                                   -1000,
                                   INT32_MAX,
                                   INT32_MIN,
                                   (int64_t)INT32_MAX + 1,
                                   (int64_t)INT32_MIN - 1,
                                   INT64_C(3037000499),
                                   INT64_C(3037000500),
                                   INT64_C(-3037000500),
                                   INT64_C(1) << 50,
                                   -(INT64_C(1) << 50),
                                   (INT64_C(1) << 51) + 1,
                                   (INT64_C(1) << 53) - 1,
                                   INT64_C(1) << 53,
                                   (INT64_C(1) << 53) + 1,
                                   -(INT64_C(1) << 53),
                                   -(INT64_C(1) << 53) - 1,
                                   INT64_C(1) << 62,
                                   INT64_MAX,
                                   INT64_MAX - 1,
                                   INT64_MIN,
                                   INT64_MIN + 1,
                                   INT64_MAX / 2,
                                   INT64_MAX / 2 + 1,
                                   INT64_MIN / 2,
                                   INT64_MIN / 2 - 1};
static const double edge_f64[] = {0.0,
                                  -0.0,
                                  1.0,
                                  -1.0,
                                  0.5,
                                  -0.5,
                                  1.5,
                                  -1.5,
                                  2.0,
                                  2.5,
                                  -2.5,
                                  3.0,
                                  -3.0,
                                  0.1,
                                  -0.1,
                                  1e-300,
                                  5e-324,
                                  -5e-324,
                                  2.2250738585072014e-308,
                                  1e16,
                                  1e17,
                                  4503599627370495.5,
                                  4503599627370497.5,
                                  9007199254740993.0,
                                  9.2233720368547748e18,
                                  9.223372036854775807e18,
                                  -9.223372036854775808e18,
                                  -9.2233720368547779e18,
                                  1e19,
                                  -1e19,
                                  1e300,
                                  1e308,
                                  -1e308,
                                  1.7976931348623157e308,
                                  710.0,
                                  -746.0,
                                  3.141592653589793,
                                  1e5,
                                  0.49999999999999994,
                                  INFINITY,
                                  -INFINITY,
                                  NAN,
                                  -NAN};
static const char *const texts[] = {"", "a", "b", "ab", "UA", "UA", "SFO", "ab"};
enum { NTEXTS = 8, NKINDS = 6 };

static inline pf_str_view view_text(uint64_t handle)
{
    assert_true(handle < NTEXTS); /* dead lanes hold other bits and must not be looked at */
    return (pf_str_view){(uint32_t)strlen(texts[handle]), 1, texts[handle]};
}

/* How wild i64 lanes of one vector are: interval selection sees small ones, checked kernels the edges. */
static inline int64_t random_i64(int wildness)
{
    switch (wildness) {
    case 0:
        return (int64_t)pick(200) - 100;
    case 1:
        return (int64_t)(next_random() >> 16) % (INT64_C(1) << 33) * (pick(2) ? 1 : -1);
    case 2:
        return (int64_t)pick(1 << 20);
    default:
        return pick(3) ? edge_i64[pick(sizeof edge_i64 / 8)] : (int64_t)next_random() >> pick(64);
    }
}

static inline double random_f64(void)
{
    switch (pick(3)) {
    case 0:
        return edge_f64[pick(sizeof edge_f64 / 8)];
    case 1:
        return (double)(int64_t)(pick(4000) - 2000) / 8;
    default:
        return ((double)(next_random() >> 11) * 0x1p-53 - 0.5) * (pick(2) ? 10 : 1e6);
    }
}

static inline pf_scalar random_scalar(pf_kinds kind, int wildness)
{
    pf_scalar s = {.kind = kind};
    switch (kind) {
    case PF_K_BOOL:
        s.u.i = pick(2);
        break;
    case PF_K_I64:
        s.u.i = random_i64(wildness);
        break;
    case PF_K_F64:
        s.u.f = random_f64();
        break;
    case PF_K_STR:
        s.u.handle = pick(NTEXTS);
        break;
    case PF_K_NONE:
        break;
    default:
        s.u.handle = next_random();
        break;
    }
    return s;
}

/* One NaN is like another: which operand's NaN comes out of NaN + NaN is the compiler's choice, in CPython as here. */
static inline bool is_same(pf_scalar a, pf_scalar b)
{
    if (a.kind == PF_K_F64 && b.kind == PF_K_F64 && isnan(a.u.f) && isnan(b.u.f)) {
        return true;
    }
    return a.kind == b.kind && (a.kind == PF_K_NONE || memcmp(&a.u, &b.u, 8) == 0);
}

#endif

/* Columns copied out of foreign memory: every length of tail, every alignment, and bounds that hold. Texts that differ
 * in one byte, or in none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../column/bounds.h"
#include "../column/kernels.h"
#include "../column/order.h"

enum { MOST = 130 };

static const int64_t edges[] = {0, 1, -1, 255, -256, INT64_C(1) << 31, -(INT64_C(1) << 31), INT64_C(1) << 62, INT64_MAX, INT64_MIN};
enum { NEDGES = sizeof edges / sizeof *edges };

static void test_copies_are_copies(void **state)
{
    (void)state;
    static unsigned char from[8 * MOST + 8];
    static uint64_t to[MOST + 8];
    for (size_t i = 0; i < sizeof from; i++) {
        from[i] = (unsigned char)(i * 37 + 11);
    }
    const pf_column_kernel_table *k = pf_column_kernels();
    for (int32_t n = 0; n < MOST; n++) {
        for (int shift = 0; shift < 8; shift += 3) {
            for (int floats = 0; floats < 2; floats++) {
                memset(to, 0xee, sizeof to);
                if (floats) {
                    k->copy_f64((const char *)from + shift, n, to);
                } else {
                    k->copy_i64((const char *)from + shift, n, to);
                }
                assert_memory_equal(to, from + shift, 8 * (size_t)n);
                assert_int_equal(to[n], UINT64_C(0xeeeeeeeeeeeeeeee));
            }
        }
    }
}

static void test_bounds_hold(void **state)
{
    (void)state;
    const pf_column_kernel_table *k = pf_column_kernels();
    for (int32_t n = 1; n < 40; n++) {
        for (int e = 0; e < NEDGES; e++) {
            for (int32_t at = 0; at < n; at++) { /* one value that matters, in every place */
                int64_t values[40] = {0};
                uint64_t copy[40];
                values[at] = edges[e];
                uint64_t used = k->copy_i64((const char *)values, n, copy);
                assert_int_equal(used, k->used_bits((const uint64_t *)values, n));
                pf_vec vec = {.lo = INT64_MAX, .hi = INT64_MIN};
                pf_widen_by_bits(&vec, used);
                assert_true(vec.lo <= edges[e] && edges[e] <= vec.hi);
                assert_true(edges[e] >= 0 ? edges[e] >= vec.hi / 2 : edges[e] <= vec.lo / 2);
            }
        }
    }
}

/* Each in a block of its very size, so that a checker of memory sees what is read beyond it. */
static void test_equal_bytes(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++) {
        unsigned char *a = malloc(n + 1), *b = malloc(n + 1);
        assert_non_null(a);
        assert_non_null(b);
        unsigned char *x = a + 1, *y = b + 1; /* as odd as can be */
        for (size_t i = 0; i < n; i++) {
            x[i] = y[i] = (unsigned char)(i * 89 + 200);
        }
        assert_true(pf_bytes_equal(x, y, n));
        for (size_t i = 0; i < n; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                y[i] ^= (unsigned char)(1u << bit);
                assert_false(pf_bytes_equal(x, y, n));
                assert_false(pf_bytes_equal(y, x, n));
                y[i] ^= (unsigned char)(1u << bit);
            }
        }
        free(a);
        free(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies_are_copies),
        cmocka_unit_test(test_bounds_hold),
        cmocka_unit_test(test_equal_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

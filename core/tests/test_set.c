/* Sets and order of scalars, held to what they say in the plainest way: strs of all widths, ints beside floats, memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../base/mem.h"
#include "../column/set.h"
#include "random.h"

#include <math.h>

/* ---- strs: code points of one, two and four bytes, each as narrow as its widest asks for ---- */

enum { NTEXTS = 64, LONGEST = 12 };
static uint32_t points[NTEXTS][LONGEST];
static uint32_t lengths[NTEXTS];
static union {
    uint8_t one[LONGEST];
    uint16_t two[LONGEST];
    uint32_t four[LONGEST];
} bytes[NTEXTS];
static pf_str_view views[NTEXTS];

static void make_texts(void)
{
    static const uint32_t some[] = {0, 'a', 'b', 0x7f, 0xe9, 0xff, 0x100, 0xd800, 0xffff, 0x10000, 0x10ffff};
    for (int t = 0; t < NTEXTS; t++) {
        uint32_t widest = 0, most = t % 3 == 0 ? 6 : t % 3 == 1 ? 9 : 11;
        lengths[t] = pick(t % 2 == 0 ? 3 : LONGEST + 1);
        for (uint32_t i = 0; i < lengths[t]; i++) {
            points[t][i] = some[pick(most)];
            widest = points[t][i] > widest ? points[t][i] : widest;
        }
        const uint8_t width = widest < 0x100 ? 1 : widest < 0x10000 ? 2 : 4;
        for (uint32_t i = 0; i < lengths[t]; i++) {
            if (width == 1) {
                bytes[t].one[i] = (uint8_t)points[t][i];
            } else if (width == 2) {
                bytes[t].two[i] = (uint16_t)points[t][i];
            } else {
                bytes[t].four[i] = points[t][i];
            }
        }
        views[t] = (pf_str_view){lengths[t], width, &bytes[t]};
    }
}

static pf_str_view view(uint64_t handle)
{
    return views[handle];
}

static int order_of_points(int a, int b)
{
    for (uint32_t i = 0; i < lengths[a] && i < lengths[b]; i++) {
        if (points[a][i] != points[b][i]) {
            return points[a][i] < points[b][i] ? -1 : 1;
        }
    }
    return lengths[a] < lengths[b] ? -1 : lengths[a] > lengths[b];
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_texts(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        make_texts();
        for (int a = 0; a < NTEXTS; a++) {
            for (int b = 0; b < NTEXTS; b++) {
                const int order = order_of_points(a, b);
                assert_int_equal(sign(pf_text_compare(&views[a], &views[b])), order);
                assert_int_equal(pf_text_equal(&views[a], &views[b]), order == 0);
            }
        }
    }
}

/* ---- numbers ---- */

static const int64_t ints[] = {0,
                               1,
                               -1,
                               2,
                               INT64_C(1) << 53,
                               (INT64_C(1) << 53) + 1,
                               INT64_MAX,
                               INT64_MIN,
                               INT64_MIN + 1,
                               -7,
                               -(INT64_C(1) << 53) - 1,
                               INT64_MAX - 512};
static const double floats[] = {0.0,    -0.0,    1.0,    -1.0,   0.5,     -0.5,  1.5,    2.5,      9007199254740992.0,
                                0x1p63, -0x1p63, 0x1p62, 5e-324, -5e-324, 1e300, -1e300, HUGE_VAL, -HUGE_VAL,
                                -7.0,   -7.5};
enum { NINTS = sizeof ints / sizeof *ints, NFLOATS = sizeof floats / sizeof *floats };

/* long double has all ints of 64 bits and all doubles. */
static void test_ints_beside_floats(void **state)
{
    (void)state;
    for (int i = 0; i < NINTS; i++) {
        for (int f = 0; f < NFLOATS; f++) {
            const long double a = (long double)ints[i], b = (long double)floats[f];
            const pf_scalar x = {.u.i = ints[i], .kind = PF_K_I64}, y = {.u.f = floats[f], .kind = PF_K_F64};
            const int order = (a > b) - (a < b);
            assert_int_equal(pf_order_scalars(&x, &y, view), order);
            assert_int_equal(pf_order_scalars(&y, &x, view), -order);
        }
    }
}

/* ---- sets ---- */

static pf_scalar random_scalar(void)
{
    switch (pick(6)) {
    case 0:
        return (pf_scalar){.u.i = ints[pick(NINTS)], .kind = PF_K_I64};
    case 1:
        return (pf_scalar){.u.f = floats[pick(NFLOATS)], .kind = PF_K_F64};
    case 2:
        return (pf_scalar){.u.i = pick(300), .kind = PF_K_I64};
    case 3:
        return (pf_scalar){.u.handle = pick(NTEXTS), .kind = PF_K_STR};
    case 4:
        return (pf_scalar){.u.i = pick(2), .kind = PF_K_BOOL};
    default:
        return pick(4) == 0 ? (pf_scalar){.kind = PF_K_NONE} : (pf_scalar){.u.f = pick(9) / 4.0, .kind = PF_K_F64};
    }
}

static bool has(const pf_set *set, const pf_scalar *value)
{
    switch (value->kind) {
    case PF_K_F64:
        return pf_set_has_f64(set, value->u.f);
    case PF_K_STR:
        return pf_set_has_str(set, value->u.handle, view);
    case PF_K_NONE:
        return set->has_none;
    default:
        return pf_set_has_i64(set, value->u.i);
    }
}

static bool alike(const pf_scalar *a, const pf_scalar *b)
{
    const pf_kinds apart = PF_K_STR | PF_K_NONE;
    return ((a->kind | b->kind) & apart) != 0 ? a->kind == b->kind && pf_order_scalars(a, b, view) == 0
                                              : pf_order_scalars(a, b, view) == 0;
}

static void test_sets(void **state)
{
    (void)state;
    static pf_scalar items[400];
    for (int round = 0; round < 400; round++) {
        make_texts();
        const size_t n = pick(4) == 0 ? pick(4) : pick(400);
        for (size_t i = 0; i < n; i++) {
            items[i] = random_scalar();
        }
        pf_set *set;
        assert_int_equal(pf_set_new(items, n, view, &set), PF_OK);
        for (int k = 0; k < 500; k++) {
            const pf_scalar value = random_scalar();
            bool found = false;
            for (size_t i = 0; i < n; i++) {
                found |= alike(&items[i], &value);
            }
            assert_int_equal(has(set, &value), found);
        }
        assert_false(pf_set_has_i64(set, set->ints.empty)); /* what marks a free place is nobody's member */
        assert_false(set->has_nan);
        pf_set_free(set);
    }
}

static void test_nan(void **state)
{
    (void)state;
    const pf_scalar item = {.u.f = NAN, .kind = PF_K_F64};
    pf_set *set;
    assert_int_equal(pf_set_new(&item, 1, view, &set), PF_OK);
    assert_true(set->has_nan);
    assert_false(pf_set_has_f64(set, 0.0));
    assert_false(pf_set_has_i64(set, 0));
    pf_set_free(set);
}

static void test_no_memory(void **state)
{
    (void)state;
    const pf_scalar item = {.u.i = 3, .kind = PF_K_I64};
    pf_set *set;
    pf_status status = PF_NOMEM;
    for (int64_t n = 0; status == PF_NOMEM; n++) {
        (void)pf_mem_fail_after(n);
        status = pf_set_new(&item, 1, view, &set);
        (void)pf_mem_fail_after(-1);
    }
    assert_int_equal(status, PF_OK);
    pf_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts), cmocka_unit_test(test_ints_beside_floats), cmocka_unit_test(test_sets),
        cmocka_unit_test(test_nan),   cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* base: memory that can be made to fail, arenas, bits, the clock, the CPU. */
#include "../base/arena.h"
#include "../base/bits.h"
#include "../base/clock.h"
#include "../base/cpu.h"
#include "../base/mem.h"
#include "../include/purefold/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_status_texts(void **state)
{
    (void)state;
    for (int s = PF_OK; s <= PF_OS; s++) {
        assert_string_not_equal(pf_status_text((pf_status)s), "unknown status");
    }
    assert_string_equal(pf_status_text((pf_status)99), "unknown status");
}

static void test_mem_counts(void **state)
{
    (void)state;
    int64_t before = pf_mem_live();
    void *a = pf_mem_alloc(0);
    unsigned char *b = pf_mem_calloc(3, 5);
    void *c = pf_mem_aligned(100);
    void *d = pf_mem_realloc(NULL, 10);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_non_null(d);
    for (int i = 0; i < 15; i++) {
        assert_int_equal(b[i], 0);
    }
    assert_int_equal((uintptr_t)c % 64, 0);
    memset(c, 1, 100);
    d = pf_mem_realloc(d, 1000);
    assert_non_null(d);
    assert_int_equal(pf_mem_live(), before + 4);
    pf_mem_free(a);
    pf_mem_free(b);
    pf_mem_free(c);
    pf_mem_free(d);
    pf_mem_free(NULL);
    assert_int_equal(pf_mem_live(), before);
}

static void test_mem_refuses(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX; /* volatile: the compiler warns of constants like this */
    assert_null(pf_mem_calloc(huge / 2, 3));
    assert_null(pf_mem_aligned(huge));
    assert_null(pf_mem_aligned(huge - 64));
}

static void test_mem_fails_once(void **state)
{
    (void)state;
    void *old = pf_mem_alloc(8);
    int64_t before = pf_mem_live();
    pf_mem_fail_after(2);
    void *a = pf_mem_alloc(1);
    void *b = pf_mem_calloc(1, 1);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(pf_mem_realloc(old, 100)); /* the third */
    void *c = pf_mem_aligned(1);           /* and only that one */
    assert_non_null(c);
    pf_mem_fail_after(0);
    pf_mem_fail_after(-1);
    void *d = pf_mem_alloc(1);
    assert_non_null(d);
    assert_int_equal(pf_mem_live(), before + 4);
    pf_mem_free(a);
    pf_mem_free(b);
    pf_mem_free(c);
    pf_mem_free(d);
    pf_mem_free(old);
}

static void test_arena(void **state)
{
    (void)state;
    int64_t before = pf_mem_live();
    pf_arena arena;
    pf_arena_init(&arena);
    unsigned char *last = NULL;
    for (size_t size = 0; size < 3000; size += 7) {
        unsigned char *p = pf_arena_alloc(&arena, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_ptr_not_equal(p, last);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(p[i], 0);
        }
        memset(p, 0xff, size);
        last = p;
    }
    assert_non_null(pf_arena_alloc(&arena, 1000000));
    assert_null(pf_arena_alloc(&arena, SIZE_MAX));
    assert_null(pf_arena_alloc(&arena, SIZE_MAX - 20));
    assert_string_equal(pf_arena_strdup(&arena, "purefold"), "purefold");
    assert_string_equal(pf_arena_strdup(&arena, ""), "");
    pf_arena_free(&arena);
    assert_int_equal(pf_mem_live(), before);
    assert_non_null(pf_arena_alloc(&arena, 1)); /* usable again */
    pf_arena_free(&arena);
    pf_arena_free(&arena);
}

static void test_arena_without_memory(void **state)
{
    (void)state;
    int64_t before = pf_mem_live();
    for (int64_t n = 0; n < 3; n++) {
        pf_arena arena;
        pf_arena_init(&arena);
        pf_mem_fail_after(n);
        int failures = 0;
        for (int i = 0; i < 40; i++) {
            failures += pf_arena_alloc(&arena, 200) == NULL;
        }
        pf_mem_fail_after(0);
        failures += pf_arena_strdup(&arena, "needs no new block") == NULL;
        pf_mem_fail_after(-1);
        assert_int_equal(failures, 1);
        pf_arena_free(&arena);
    }
    assert_int_equal(pf_mem_live(), before);
}

static void test_bits(void **state)
{
    (void)state;
    assert_int_equal(pf_bits_clz64(0), 64);
    assert_int_equal(pf_bits_ctz64(0), 64);
    assert_int_equal(pf_bits_length64(0), 0);
    for (int i = 0; i < 64; i++) {
        uint64_t x = (uint64_t)1 << i;
        assert_int_equal(pf_bits_clz64(x), 63 - i);
        assert_int_equal(pf_bits_ctz64(x), i);
        assert_int_equal(pf_bits_length64(x), i + 1);
        assert_int_equal(pf_bits_popcount64(x - 1), i);
    }
    assert_int_equal(pf_bits_abs64(INT64_MIN), (uint64_t)1 << 63);
    assert_int_equal(pf_bits_abs64(-5), 5);

    int64_t r;
    assert_true(pf_bits_add64(INT64_MAX, 1, &r));
    assert_int_equal(r, INT64_MIN);
    assert_false(pf_bits_add64(INT64_MAX, -1, &r));
    assert_true(pf_bits_sub64(INT64_MIN, 1, &r));
    assert_false(pf_bits_sub64(-1, INT64_MAX, &r));
    assert_int_equal(r, INT64_MIN);
    assert_true(pf_bits_mul64(INT64_MIN, -1, &r));
    assert_false(pf_bits_mul64(INT64_MIN / 2, 2, &r));
    __int128 big = (__int128)INT64_MAX << 64;
    __int128 wide;
    assert_false(pf_bits_add128(big, INT64_MAX, &wide));
    assert_true(pf_bits_add128(big, big, &wide));
    size_t s;
    assert_true(pf_bits_add_size(SIZE_MAX, 1, &s));
    assert_true(pf_bits_mul_size(SIZE_MAX / 2, 3, &s));
    assert_false(pf_bits_mul_size(SIZE_MAX / 2, 2, &s));
}

static void test_clock(void **state)
{
    (void)state;
    int64_t last = pf_clock_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = pf_clock_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void test_cpu(void **state)
{
    (void)state;
    pf_cpu_isa_level level = pf_cpu_isa();
    assert_true(level >= PF_CPU_BASE && level <= PF_CPU_AVX512);
    assert_int_equal(pf_cpu_isa(), level);
    assert_string_equal(pf_cpu_isa_name(PF_CPU_AVX2), "avx2");

    /* Decided once per process, so `make test` runs this one under each value. */
    const char *wanted = getenv("PUREFOLD_ISA");
    if (wanted != NULL && strcmp(wanted, "base") == 0) {
        assert_int_equal(level, PF_CPU_BASE);
    } else if (wanted != NULL && strcmp(wanted, "avx2") == 0) {
        assert_true(level <= PF_CPU_AVX2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_texts), cmocka_unit_test(test_mem_counts),
        cmocka_unit_test(test_mem_refuses),  cmocka_unit_test(test_mem_fails_once),
        cmocka_unit_test(test_arena),        cmocka_unit_test(test_arena_without_memory),
        cmocka_unit_test(test_bits),         cmocka_unit_test(test_clock),
        cmocka_unit_test(test_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

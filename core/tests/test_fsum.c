/* Float sums against the loop they stand for.
 *
 * The reference below is CPython's loop and nothing else. Every array is summed with it and with blocks: computed for the
 * right guess, for a stale one, for a wrong one, or not at all, whole and in pieces; state and result agree bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../run/fsum.h"
#include "../run/kernels.h"
#include "random.h"

enum { MAX_N = 9000 };

static double uniform(void)
{
    return (double)(next_random() >> 11) * 0x1p-53;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static bool same(double a, double b)
{
    return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

/* Objects/bltinmodule.c, builtin_sum: a plain loop up to 3.11, Neumaier's from 3.12. */
static double reference(pf_fsum *state, const double *x, int64_t n)
{
    double result = state->sum, c = state->c;
    for (int64_t i = 0; i < n; i++) {
        if (state->flavour == PF_FSUM_PLAIN) {
            result += x[i];
        } else {
            volatile double t = result + x[i];
            if (fabs(result) >= fabs(x[i])) {
                c += (result - t) + x[i];
            } else {
                c += (x[i] - t) + result;
            }
            result = t;
        }
    }
    state->sum = result;
    state->c = c;
    if (state->flavour == PF_FSUM_NEUMAIER && c && isfinite(c)) {
        return result + c;
    }
    return result;
}

/* ---- arrays that hurt ---- */

enum { SHAPES = 21 };

static void fill(double *x, int64_t n, int shape)
{
    for (int64_t i = 0; i < n; i++) {
        double u = uniform(), sign = next_random() & 1 ? 1.0 : -1.0;
        switch (shape) {
        case 0: x[i] = u; break;
        case 1: x[i] = -u; break;
        case 2: x[i] = sign * u; break;
        case 3: x[i] = sqrt(u * u + 1.0); break;
        case 4: x[i] = u * u * u * u * u * u; break;             /* fine low bits: quanta overflow */
        case 5: x[i] = (double)(next_random() % 1000); break;    /* integers */
        case 6: x[i] = (double)(next_random() % 1000) * 0.5; break;
        case 7: x[i] = ldexp(sign * u, (int)(next_random() % 200) - 100); break;
        case 8: x[i] = ldexp(u, -1074 + (int)(next_random() % 60)); break; /* subnormal */
        case 9: x[i] = u * 1e300 * 1e7; break;                   /* overflows to inf */
        case 10: x[i] = i == n / 2 ? INFINITY : u; break;
        case 11: x[i] = i == n / 2 ? NAN : u; break;
        case 12: x[i] = i == n / 3 ? INFINITY : i == n / 2 ? -INFINITY : u; break;
        case 13: x[i] = -0.0; break;
        case 14: x[i] = i % 3 == 0 ? -0.0 : i % 3 == 1 ? 0.0 : u; break;
        case 15: x[i] = i == 0 ? 0x1p53 : 1.0; break;            /* every addition a tie */
        case 16: x[i] = i == 0 ? 0x1p53 : (i & 1 ? 1.0 : 3.0) + 0x1p-40 * (double)(next_random() % 3); break;
        case 17: x[i] = i == 0 ? 0x1p20 : -0x1p-33 * (double)(next_random() % 8); break; /* creeps down over 2**k */
        case 18: x[i] = i == 0 ? -0x1p20 : 0x1p-34 * (double)(next_random() % 8); break; /* its mirror image */
        case 19: x[i] = i % 1500 == 700 ? 1e16 * sign : 1.0; break;
        default: x[i] = i == 0 ? 0x1p30 + (double)(next_random() % 9) * 0x1p-22 : sign * 0x1p-23 * (double)(next_random() % 5); break;
        }
    }
}

static void check(const double *x, int64_t n, pf_fsum start, int guess)
{
    pf_fsum expected = start, whole = start, alone = start, pieces = start;
    double answer = reference(&expected, x, n);

    static pf_fblock blocks[MAX_N / PF_FBLOCK + 1];
    for (int64_t b = 0; b < n / PF_FBLOCK; b++) {
        pf_fblock_compute(x + b * PF_FBLOCK, NULL, guess, start.flavour, &blocks[b]);
    }
    pf_fblocks given = {blocks, n / PF_FBLOCK};
    pf_fsum_apply(&whole, x, n, &given, NULL);
    int next = 0;
    pf_fsum_apply(&alone, x, n, NULL, &next);
    assert_int_equal(next, pf_fsum_guess(&alone));
    for (int64_t i = 0, step; i < n; i += step) {
        step = 1 + (int64_t)(next_random() % 2100);
        step = step < n - i ? step : n - i;
        pf_fsum_apply(&pieces, x + i, step, NULL, NULL);
    }
    const pf_fsum *states[] = {&whole, &alone, &pieces};
    for (int k = 0; k < 3; k++) {
        assert_true(same(states[k]->sum, expected.sum));
        assert_true(same(states[k]->c, expected.c));
        assert_true(same(pf_fsum_result(states[k]), answer));
    }
}

static void sums_agree(void **state)
{
    (void)state;
    static double x[MAX_N];
    static const double starts[] = {0.0, -0.0, 1e16, -3.5, 0x1p53, -0x1p53, 1e308, INFINITY, NAN};
    for (int round = 0; round < 6; round++) {
        for (int shape = 0; shape < SHAPES; shape++) {
            int64_t n = (int64_t)(next_random() % MAX_N);
            fill(x, n, shape);
            for (int flavour = PF_FSUM_PLAIN; flavour <= PF_FSUM_NEUMAIER; flavour++) {
                for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
                    pf_fsum start = {starts[s], 0.0, (pf_fsum_flavour)flavour};
                    pf_fsum end = start;
                    reference(&end, x, n);
                    check(x, n, start, pf_fsum_guess(&end));
                    check(x, n, start, (int)(next_random() % 40) - 10);
                }
            }
        }
    }
}

/* Sums that hover around a power of two, where a block may only just be applied. */
static void near_the_edge(void **state)
{
    (void)state;
    static double x[PF_FBLOCK];
    for (int round = 0; round < 4000; round++) {
        int k = (int)(next_random() % 20) - 10;
        double u = ldexp(1.0, k - 52), sign = next_random() & 1 ? 1.0 : -1.0;
        int64_t steps = (int64_t)(next_random() % 64);
        double sum = sign * (ldexp(1.0, k + (int)(next_random() & 1)) + (double)(steps - 32) * u);
        for (int i = 0; i < PF_FBLOCK; i++) {
            double fine = (double)((int64_t)(next_random() % 1001) - 500) * 0x1p-10;
            x[i] = round % 2 ? fine * u * 0.03125 : fine * u;
        }
        for (int flavour = PF_FSUM_PLAIN; flavour <= PF_FSUM_NEUMAIER; flavour++) {
            pf_fsum start = {sum, 0.0, (pf_fsum_flavour)flavour};
            check(x, PF_FBLOCK, start, pf_fsum_guess(&start));
        }
    }
}

/* That the blocks are used at all: the guess settles, and the computed blocks fit it. */
static void blocks_apply(void **state)
{
    (void)state;
    static double x[MAX_N];
    fill(x, MAX_N, 3);
    for (int flavour = PF_FSUM_PLAIN; flavour <= PF_FSUM_NEUMAIER; flavour++) {
        pf_fsum sum = {1e6, 0.0, (pf_fsum_flavour)flavour};
        pf_fblock block;
        pf_fblock_compute(x, NULL, pf_fsum_guess(&sum), sum.flavour, &block);
        assert_true(block.ok);
        assert_int_equal(block.ok_c, flavour == PF_FSUM_NEUMAIER);
        assert_true(block.positive > 1024.0);
        assert_true(block.negative == 0.0);
    }
}

static void guesses_have_bounds(void **state)
{
    (void)state;
    static double x[PF_FBLOCK];
    static const double none[] = {0.0, -0.0, 0x1p-1060, 1e300, INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        pf_fsum sum = {none[i], 0.0, PF_FSUM_PLAIN};
        assert_int_equal(pf_fsum_guess(&sum), PF_FSUM_NO_GUESS);
    }
    pf_fblock block;
    pf_fblock_compute(x, NULL, PF_FSUM_NO_GUESS, PF_FSUM_NEUMAIER, &block);
    assert_false(block.ok);
    pf_fsum minus = {-5.0, 0.0, PF_FSUM_PLAIN};
    assert_int_equal(pf_fsum_guess(&minus), 2);
}

static void test_builds_agree_and_a_wrong_one_does_not(void **state)
{
    (void)state;
    const pf_run_kernel_table *base = pf_run_kernels_for(PF_CPU_BASE);
    for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
        assert_true(pf_run_kernels_agree(pf_run_kernels_for((pf_cpu_isa_level)isa), base));
    }
    pf_run_kernel_table wrong = *base;
    wrong.least_f64 = base->most_f64;
    assert_false(pf_run_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.least_i64 = base->most_i64;
    assert_false(pf_run_kernels_agree(&wrong, base));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds_agree_and_a_wrong_one_does_not),
        cmocka_unit_test(sums_agree),
        cmocka_unit_test(near_the_edge),
        cmocka_unit_test(blocks_apply),
        cmocka_unit_test(guesses_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

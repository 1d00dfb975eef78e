/* Machine code for runs of steps against the same steps as passes: random programs of floats, on every instruction set
 * that this CPU has, must agree bit for bit with the plainest kernels, which test_interp.c holds to the evaluator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cpu.h"
#include "../interp/program.h"
#include "interp_values.h"

enum { COLUMNS = 4, MOST_REFS = 100, OUTPUTS = 3, ROUNDS = 400 };

/* How a program looks: few values that are used often, or many at once; constants, or columns alone. */
typedef struct shape {
    int nsteps, recent, nconstants;
} shape;

static const uint8_t arithmetic[] = {PF_OP_add, PF_OP_sub, PF_OP_mul};
static const uint8_t tests[] = {PF_OP_truth, PF_OP_isnan, PF_OP_isinf};
static const uint8_t comparisons[] = {PF_OP_lt, PF_OP_le, PF_OP_gt, PF_OP_ge, PF_OP_eq, PF_OP_ne};

static pf_ref some(const pf_ref *refs, int n, int recent)
{
    return refs[pick(3) != 0 && n > recent ? n - 1 - (int)pick((uint32_t)recent) : (int)pick((uint32_t)n)];
}

static pf_fn *random_program(const shape *how)
{
    pf_fn *fn = pf_ir_new();
    assert_non_null(fn);
    const uint16_t place = pf_ir_add_place(fn, "f", "f.py", 1, 1);
    pf_ref refs[MOST_REFS];
    int n = 0;
    for (int c = 0; c < COLUMNS; c++) {
        refs[n++] = pf_ir_column(fn, pf_ir_add_column(fn, PF_K_F64, PF_FROM_SOURCE, (uint32_t)c));
    }
    for (int k = 0; k < how->nconstants; k++) {
        refs[n++] = pf_ir_const_f64(fn, random_f64());
    }
    for (int k = 0; k < how->nsteps; k++) {
        const pf_ref x = some(refs, n, how->recent), y = some(refs, n, how->recent);
        switch (pick(12)) {
        case 0: { /* a comparison that somebody else may look at too, or truth */
            const pf_ref c = pick(4) == 0 ? pf_ir_op1(fn, tests[pick(3)], x, place)
                                          : pf_ir_op2(fn, comparisons[pick(6)], x, y, place);
            const pf_ref first = pf_ir_select(fn, c, some(refs, n, how->recent), some(refs, n, how->recent));
            refs[n++] = pick(3) != 0 ? first : pf_ir_select(fn, c, x, first);
            break;
        }
        case 1: /* a step that is a pass */
            refs[n++] = pf_ir_op1(fn, pick(2) ? PF_OP_abs : PF_OP_neg, x, place);
            break;
        case 2: /* hardly ever bails */
            refs[n++] = pf_ir_op1(fn, PF_OP_sqrt, pf_ir_op2(fn, PF_OP_mul, x, x, place), place);
            break;
        case 3: /* bails in many rows, or never */
            if (pick(6) == 0) {
                refs[n++] = pick(2) ? pf_ir_op1(fn, PF_OP_sqrt, x, place) : pf_ir_op2(fn, PF_OP_div, x, y, place);
            } else {
                refs[n++] = pf_ir_op2(fn, PF_OP_div, x, pf_ir_const_f64(fn, random_f64()), place);
            }
            break;
        default:
            refs[n++] = pf_ir_op2(fn, arithmetic[pick(3)], x, y, place);
        }
    }
    pf_ref out[OUTPUTS] = {refs[n - 1], some(refs, n, how->recent), some(refs, n, how->recent)};
    pf_ir_yield(fn, OUTPUTS, out);
    char error[200];
    assert_int_equal(pf_ir_finish(fn, error, sizeof error), PF_OK);
    return fn;
}

/* Runs over n rows, the columns being where the program likes them best. */
static void run(const pf_program *program, pf_frame *frame, char *const *source, int32_t n)
{
    for (uint32_t c = 0; c < program->ncolumns; c++) {
        pf_vec *v = &frame->columns[c];
        v->seen = PF_K_F64;
        v->kind = NULL;
        v->source = n == PF_LANES && v->takes_source ? source[c] : NULL;
        memset(v->data, 0x77, PF_LANES * 8);
        if (v->source == NULL) {
            memcpy(v->data, source[c], (size_t)n * 8);
        }
    }
    frame->n = n;
    pf_interp_run(program, frame);
    assert_int_equal(frame->nout + frame->nfailed, n);
}

static void compare(const pf_program *program, const pf_frame *frame, const pf_frame *plain)
{
    assert_int_equal(frame->nfailed, plain->nfailed);
    assert_memory_equal(frame->failed, plain->failed, (size_t)plain->nfailed * sizeof *plain->failed);
    if (plain->nout == 0) {
        return;
    }
    for (uint32_t o = 0; o < program->noutputs; o++) {
        assert_int_equal(frame->outputs[o].seen, PF_K_F64);
        for (int32_t i = 0; i < plain->nout; i++) {
            const pf_scalar a = {.kind = PF_K_F64, .u.f = ((const double *)frame->outputs[o].data)[i]};
            const pf_scalar b = {.kind = PF_K_F64, .u.f = ((const double *)plain->outputs[o].data)[i]};
            if (!is_same(a, b)) {
                static char text[1 << 16];
                pf_interp_print(program, text, sizeof text);
                fail_msg("output %u of row %d: %a, by passes %a\n%s", o, i, a.u.f, b.u.f, text);
            }
        }
    }
}

static uint32_t joined_steps(const pf_program *program)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < program->nsteps; i++) {
        n += program->steps[i].joined;
    }
    return n;
}

static pf_program *compile(const pf_fn *fn, pf_cpu_isa_level isa, pf_frame **frame)
{
    pf_program *program;
    assert_int_equal(pf_interp_compile_for(fn, PF_OUTPUTS_I64, pf_kernels_for(isa), &program), PF_OK);
    assert_int_equal(pf_frame_new(program, frame), PF_OK);
    return program;
}

typedef struct tally {
    uint32_t joined, fetched, failed, whole;
} tally;

static void check_program(const pf_fn *fn, char *const *source, tally *t)
{
    pf_frame *plain_frame, *frame;
    pf_program *plain = compile(fn, PF_CPU_BASE, &plain_frame);
    assert_int_equal(plain->njoins, 0);
    for (int isa = PF_CPU_AVX2; isa <= (int)pf_cpu_isa(); isa++) {
        pf_program *program = compile(fn, (pf_cpu_isa_level)isa, &frame);
        t->joined += joined_steps(program);
        for (uint32_t c = 0; c < program->ncolumns; c++) {
            t->fetched += frame->columns[c].takes_source;
        }
        for (int round = 0; round < 3; round++) {
            const int32_t n = round == 0 ? PF_LANES : 1 + (int32_t)pick(PF_LANES);
            run(plain, plain_frame, source, n);
            run(program, frame, source, n);
            compare(program, frame, plain_frame);
            t->failed += plain_frame->nfailed > 0;
            t->whole += plain_frame->nfailed == 0;
        }
        pf_frame_free(frame);
        pf_interp_free(program);
    }
    pf_frame_free(plain_frame);
    pf_interp_free(plain);
}

static void test_random_programs(void **state)
{
    (void)state;
    static const shape shapes[] = {{3, 2, 1}, {10, 3, 3}, {40, 4, 6}, {60, 30, 0}, {70, 60, 12}};
    static _Alignas(64) char memory[COLUMNS][PF_LANES * 8 + 64];
    char *source[COLUMNS];
    tally t = {0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int c = 0; c < COLUMNS; c++) {
            source[c] = memory[c] + (round + c) % 8 * 8; /* sources are aligned to a double, no more */
            for (int i = 0; i < PF_LANES; i++) {
                const double x = random_f64();
                memcpy(source[c] + i * 8, &x, 8);
            }
        }
        pf_fn *fn = random_program(&shapes[round % 5]);
        check_program(fn, source, &t);
        pf_ir_free(fn);
    }
    if (pf_cpu_isa() >= PF_CPU_AVX2) {
        assert_true(t.joined > ROUNDS * 4 && t.fetched > ROUNDS && t.failed > ROUNDS / 4 && t.whole > ROUNDS / 4);
    }
}

/* What ought to be one loop is one. */
static void test_one_piece(void **state)
{
    (void)state;
    const char *text = "column 0: f64 from source 0\noutput 0: f64\nb0:\n  %1:f64 = column 0\n  %2 = mul.f64 %1, %1\n"
                       "  %3 = mul.f64 %2, 0.5\n  %4 = lt.f64 %1, 0.25\n  %5 = select %4, %3, %1\n  yield %5\n";
    char error[200];
    pf_fn *fn;
    assert_int_equal(pf_ir_parse(text, &fn, error, sizeof error), PF_OK);
    for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
        pf_frame *frame;
        pf_program *program = compile(fn, (pf_cpu_isa_level)isa, &frame);
        assert_int_equal(program->njoins, isa >= PF_CPU_AVX2);
        assert_int_equal(joined_steps(program), isa >= PF_CPU_AVX2 ? 3 : 0);
        assert_int_equal(frame->columns[0].takes_source, isa >= PF_CPU_AVX2);
        pf_frame_free(frame);
        pf_interp_free(program);
    }
    pf_ir_free(fn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_piece),
        cmocka_unit_test(test_random_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

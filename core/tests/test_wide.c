/* Ints beyond 64 bits in tier 1 (interp/modes.c, run_wide.c): programs of int arithmetic alone, rich in products, masks
 * and shifts, against exact.c; with and without a wide output; dense, masked and compacted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../interp/interp.h"
#include "../ir/eval.h"
#include "random.h"

static int64_t some_int(void)
{
    static const int64_t edges[] = {0, 1, -1, 2, -2, 3, 7, -7, 63, 64, INT64_MAX, INT64_MIN, INT64_MIN + 1, INT64_C(1) << 62,
                                    INT64_C(3037000500), INT32_MAX, INT32_MIN};
    switch (pick(4)) {
    case 0:
        return edges[pick(sizeof edges / sizeof *edges)];
    case 1:
        return (int64_t)pick(200) - 100;
    default:
        return (int64_t)next_random() >> pick(64);
    }
}

/* ---- programs ---- */

enum { MAX_REFS = 64, NCOLUMNS = 3 };

typedef struct growing {
    pf_fn *fn;
    pf_ref ints[MAX_REFS], bools[MAX_REFS];
    uint32_t nints, nbools;
} growing;

static pf_ref an_int(growing *g)
{
    switch (pick(8)) {
    case 0:
        return pf_ir_const_i64(g->fn, some_int());
    case 1:
        return pf_ir_large(g->fn, UINT64_MAX - (pick(2) ? 0 : next_random() >> 1), 0);
    case 2:
        return pf_ir_const_i64(g->fn, (INT64_C(1) << pick(63)) - (pick(2) != 0));
    default:
        return g->ints[pick(4) ? g->nints - 1 - pick(g->nints < 3 ? g->nints : 3) : pick(g->nints)];
    }
}

static void grow(growing *g)
{
    static const pf_op rings[] = {PF_OP_add, PF_OP_sub, PF_OP_mul, PF_OP_mul, PF_OP_and, PF_OP_or, PF_OP_xor, PF_OP_shl};
    static const pf_op others[] = {PF_OP_mod, PF_OP_fdiv, PF_OP_shr, PF_OP_neg, PF_OP_abs, PF_OP_invert,
                                   PF_OP_pow, PF_OP_gcd, PF_OP_isqrt};
    static const pf_op tests[] = {PF_OP_lt, PF_OP_le, PF_OP_eq, PF_OP_ne, PF_OP_gt, PF_OP_ge, PF_OP_truth};
    const uint32_t what = pick(10);
    pf_op op = what < 6 ? rings[pick(8)] : what < 9 ? others[pick(9)] : tests[pick(7)];
    if (g->nints == MAX_REFS || g->nbools == MAX_REFS) {
        return;
    }
    pf_ref a = an_int(g), b = an_int(g);
    if (op == PF_OP_shl || op == PF_OP_shr) {
        b = pick(4) ? pf_ir_const_i64(g->fn, pick(70)) : b;
    } else if (pick(8) == 0) {
        op = PF_OP_and;
        b = pick(2) ? pf_ir_large(g->fn, UINT64_MAX, 0) : pf_ir_const_i64(g->fn, INT64_MAX >> pick(50));
    }
    pf_ref r = pf_ops[op].arity == 1 ? pf_ir_op1(g->fn, op, a, 0) : pf_ir_op2(g->fn, op, a, b, 0);
    if (pf_ops[op].result == PF_RES_BOOL) {
        g->bools[g->nbools++] = r;
    } else {
        g->ints[g->nints++] = r;
    }
}

/* Straight on, behind a filter, or with an arm that only some rows take. */
static pf_fn *random_program(void)
{
    growing g = {.fn = pf_ir_new()};
    for (uint32_t c = 0; c < NCOLUMNS; c++) {
        g.ints[g.nints++] = pf_ir_column(g.fn, pf_ir_add_column(g.fn, PF_K_I64, PF_FROM_SOURCE, c));
    }
    g.ints[g.nints++] = pf_ir_param(g.fn, pf_ir_add_param(g.fn, PF_K_I64));
    for (uint32_t i = 2 + pick(8); i > 0; i--) {
        grow(&g);
    }
    const uint32_t shape = g.nbools > 0 ? pick(3) : 0;
    if (shape > 0) {
        pf_block yes = pf_ir_block(g.fn, 0, NULL), no = pf_ir_block(g.fn, 0, NULL);
        pf_ir_branch(g.fn, g.bools[g.nbools - 1], yes, 0, NULL, no, 0, NULL);
        pf_ir_start(g.fn, no);
        if (shape == 1) {
            pf_ir_end(g.fn);
        } else {
            growing arm = g;
            grow(&arm);
            pf_ir_yield(g.fn, 1, &arm.ints[arm.nints - 1]);
        }
        pf_ir_start(g.fn, yes);
        for (uint32_t i = pick(6); i > 0; i--) {
            grow(&g);
        }
    }
    pf_ir_yield(g.fn, 1, &g.ints[g.nints - 1]);
    char error[200];
    if (pf_ir_finish(g.fn, error, sizeof error) != PF_OK) {
        fail_msg("%s", error);
    }
    return g.fn;
}

/* ---- one vector ---- */

typedef struct rows {
    int64_t x[NCOLUMNS][PF_LANES];
    pf_scalar param;
    int32_t n;
} rows;

static void say(const pf_fn *fn, const pf_program *program, int32_t row)
{
    static char text[1 << 16];
    pf_ir_print(fn, text, sizeof text);
    fprintf(stderr, "row %d\n%s\n", row, text);
    pf_interp_print(program, text, sizeof text);
    fprintf(stderr, "%s\n", text);
}

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            say(fn, program, row);                                                                                     \
            fail_msg("%s", #condition);                                                                                \
        }                                                                                                              \
    } while (0)

/* An output that is to be summed may be a sequence. */
static int64_t low_half(const pf_vec *v, int32_t out)
{
    int32_t place = v->iota && v->kept == NULL ? out : -1;
    for (int32_t i = 0, left = out; v->iota && place < 0 && i < v->kept_n; i++) {
        if ((v->kept[i / 64] >> (i % 64) & 1) != 0 && left-- == 0) {
            place = i;
        }
    }
    return v->iota ? v->start + place * v->step : ((const int64_t *)v->data)[out];
}

/* Rows that 64 bits can follow must not bail; what comes out must be exact; what cannot be told must not come out. */
static void compare(const rows *b, const pf_fn *fn, const pf_program *program, const pf_frame *frame, pf_outputs ints)
{
    const pf_vec *v = &frame->outputs[0];
    int32_t out = 0, failed = 0;
    for (int32_t row = 0; row < b->n; row++) {
        pf_scalar columns[NCOLUMNS], narrow, value;
        for (int c = 0; c < NCOLUMNS; c++) {
            columns[c] = (pf_scalar){.kind = PF_K_I64, .u.i = b->x[c][row]};
        }
        int64_t high = 0;
        pf_eval_in in = {.columns = columns, .params = &b->param, .row = row};
        pf_eval_out how, whole;
        assert_int_equal(pf_eval_row(fn, &in, &narrow, &how), PF_OK);
        assert_int_equal(pf_eval_exact(fn, &in, &value, &high, &whole), PF_OK);
        if (failed < frame->nfailed && frame->failed[failed].row == row) {
            EXPECT(how.how == PF_OP_bail);
            failed++;
            continue;
        }
        EXPECT(whole.how != PF_OP_bail);
        EXPECT(how.how == PF_OP_bail || (how.how == whole.how && (how.how != PF_OP_yield || narrow.u.i == value.u.i)));
        if (whole.how != PF_OP_yield) {
            continue;
        }
        EXPECT(out < frame->nout && low_half(v, out) == value.u.i);
        const int64_t low = value.u.i, got = v->width == PF_WIDTH_I128  ? v->high[out]
                                             : v->width == PF_WIDTH_U64 ? 0
                                                                        : low >> 63;
        const pf_kinds kind = v->kind != NULL ? v->kind[out] : v->seen;
        EXPECT(ints == PF_OUTPUTS_SUM ? got == high : high == (kind == PF_K_U64 ? 0 : low >> 63));
        EXPECT(kind == PF_K_I64 || (ints == PF_OUTPUTS_U64 && kind == PF_K_U64 && low < 0));
        EXPECT(v->width != PF_WIDTH_I64 || (v->lo <= low && low <= v->hi));
        out++;
    }
    int32_t row = -1;
    EXPECT(out == frame->nout && failed == frame->nfailed);
}

static void random_rows(rows *b, pf_frame *frame)
{
    b->n = pick(3) ? PF_LANES : 1 + (int32_t)pick(PF_LANES);
    b->param = (pf_scalar){.kind = PF_K_I64, .u.i = some_int()};
    for (int c = 0; c < NCOLUMNS; c++) {
        pf_vec *v = &frame->columns[c];
        const uint32_t bits = pick(3) ? 0 : pick(62);
        *v = (pf_vec){.data = v->data, .seen = PF_K_I64, .lo = INT64_MAX, .hi = INT64_MIN, .iota = pick(4) == 0};
        v->start = some_int() >> 12;
        v->step = (int64_t)pick(200) - 100;
        for (int32_t i = 0; i < b->n; i++) {
            b->x[c][i] = v->iota ? v->start + i * v->step : bits == 0 ? some_int() : (int64_t)next_random() >> bits;
            v->lo = b->x[c][i] < v->lo ? b->x[c][i] : v->lo;
            v->hi = b->x[c][i] > v->hi ? b->x[c][i] : v->hi;
            ((int64_t *)v->data)[i] = v->iota ? 0x5555 : b->x[c][i];
        }
    }
    frame->params = &b->param;
    frame->n = b->n;
}

static void check(const pf_fn *fn, pf_outputs ints, int vectors)
{
    static rows b;
    pf_program *program;
    pf_frame *frame;
    assert_int_equal(pf_interp_compile(fn, ints, &program), PF_OK);
    assert_int_equal(pf_frame_new(program, &frame), PF_OK);
    for (; vectors > 0; vectors--) {
        random_rows(&b, frame);
        pf_interp_run(program, frame);
        compare(&b, fn, program, frame, ints);
    }
    pf_frame_free(frame);
    pf_interp_free(program);
}

static void test_programs(void **state)
{
    (void)state;
    const char *rounds = getenv("PF_TEST_ROUNDS"), *start = getenv("PF_TEST_SEED");
    seed = start != NULL ? strtoull(start, NULL, 10) : seed;
    for (int round = rounds != NULL ? atoi(rounds) : 3000; round > 0; round--) {
        pf_fn *fn = random_program();
        check(fn, (pf_outputs)pick(3), 2);
        pf_ir_free(fn);
    }
}

/* ---- what must not bail ---- */

static int32_t bails_of(const char *body, pf_outputs ints)
{
    static rows b;
    char text[2000], error[200];
    pf_fn *fn;
    pf_program *program;
    pf_frame *frame;
    (void)snprintf(text, sizeof text,
                   "column 0: i64 from source 0\ncolumn 1: i64 from source 1\ncolumn 2: i64 from source 2\n"
                   "b0:\n  %%x = column 0\n  %%y = column 1\n  %%z = column 2\n%s", body);
    if (pf_ir_parse(text, &fn, error, sizeof error) != PF_OK) {
        fail_msg("%s", error);
    }
    assert_int_equal(pf_interp_compile(fn, ints, &program), PF_OK);
    assert_int_equal(pf_frame_new(program, &frame), PF_OK);
    int32_t bails = 0;
    for (int i = 0; i < 50; i++) {
        random_rows(&b, frame);
        pf_interp_run(program, frame);
        compare(&b, fn, program, frame, ints);
        bails += frame->nfailed;
    }
    pf_frame_free(frame);
    pf_interp_free(program);
    pf_ir_free(fn);
    return bails;
}

static void test_no_bails(void **state)
{
    (void)state;
    assert_int_equal(bails_of("  %p = mul.i64 %x, %y\n  %r = mod.i64 %p, 1000000007\n  yield %r\n", PF_OUTPUTS_I64), 0);
    assert_int_equal(bails_of("  %p = mul.i64 %x, %y\n  %q = add.i64 %p, %z\n  %r = mod.i64 %q, -97\n  yield %r\n", PF_OUTPUTS_I64), 0);
    assert_int_equal(bails_of("  %p = mul.i64 %x, %y\n  yield %p\n", PF_OUTPUTS_SUM), 0);
    assert_int_equal(bails_of("  %p = mul.i64 %x, %y\n  %q = mul.i64 %z, %z\n  %r = add.i64 %p, %q\n  yield %r\n", PF_OUTPUTS_SUM), 0);
    assert_int_equal(bails_of("  %p = mul.i64 %x, %x\n  %q = mul.i64 %p, %x\n  %r = mul.i64 %q, %x\n"
                              "  %s = and.i64 %r, 9223372036854775807\n  yield %s\n", PF_OUTPUTS_I64), 0);
    assert_int_equal(bails_of("  %m = large 18446744073709551615\n  %c = large 13787848793156543929\n"
                              "  %p = mul.i64 %x, %c\n  %q = and.i64 %p, %m\n  %r = shr.i64 %q, 33\n"
                              "  %s = xor.i64 %q, %r\n  %t = mul.i64 %s, %c\n  %u = and.i64 %t, %m\n"
                              "  %v = mod.i64 %u, 1000\n  yield %v\n", PF_OUTPUTS_I64), 0);
    assert_int_equal(bails_of("  %m = large 18446744073709551615\n  %p = mul.i64 %x, %y\n  %q = and.i64 %p, %m\n"
                              "  yield %q\n", PF_OUTPUTS_SUM), 0);
    assert_int_equal(bails_of("  %p = mul.i64 %x, %y\n  %q = mul.i64 %z, %z\n  %c = lt.i64 %p, %q\n"
                              "  branch %c, b1, b2\nb1:\n  yield %x\nb2:\n  end\n", PF_OUTPUTS_I64), 0);
    assert_int_equal(bails_of("  %m = large 18446744073709551615\n  %p = mul.i64 %x, %y\n  %q = and.i64 %p, %m\n"
                              "  yield %q\n", PF_OUTPUTS_U64), 0);
    assert_true(bails_of("  %p = mul.i64 %x, %y\n  yield %p\n", PF_OUTPUTS_I64) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs),
        cmocka_unit_test(test_no_bails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Tier 1 against the evaluator, lane by lane: values bit for bit, kinds, bails with op and place, row numbers, stops.
 *
 * Every op on edge values, dense and behind a mask, with vectors and scalars on either side, for all the tail lengths
 * and all the instruction sets this CPU has; then random programs with branches, kinds and stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/cpu.h"
#include "../base/mem.h"
#include "../interp/program.h"
#include "../ir/eval.h"
#include "interp_values.h"

/* ---- one program against the evaluator ---- */

enum { MAX_COLUMNS = 4, MAX_OUT = 4 };

typedef struct bench {
    pf_scalar rows[MAX_COLUMNS][PF_LANES]; /* what the columns hold */
    pf_scalar params[4];
    int32_t n;
    int64_t row0;
    bool iota[MAX_COLUMNS];
    int64_t start[MAX_COLUMNS], step[MAX_COLUMNS];
    bool want_rows, hide_bounds;
} bench;

static const uint64_t string_handles[NTEXTS] = {0, 1, 2, 3, 4, 5, 6, 7};

static void fill_column(const bench *b, const pf_fn *fn, pf_frame *frame, uint32_t c)
{
    pf_vec *v = &frame->columns[c];
    pf_kinds seen = 0;
    int64_t lo = INT64_MAX, hi = INT64_MIN;
    for (int32_t i = 0; i < b->n; i++) {
        seen |= b->rows[c][i].kind;
        if (b->rows[c][i].kind == PF_K_I64) {
            lo = b->rows[c][i].u.i < lo ? b->rows[c][i].u.i : lo;
            hi = b->rows[c][i].u.i > hi ? b->rows[c][i].u.i : hi;
        }
    }
    uint8_t *kind = pf_kinds_single(seen) ? NULL : pf_frame_kind_memory(frame, c);
    v->kind = kind;
    v->seen = seen;
    v->lo = b->hide_bounds ? INT64_MIN : lo;
    v->hi = b->hide_bounds ? INT64_MAX : hi;
    v->iota = b->iota[c];
    v->start = b->start[c];
    v->step = b->step[c];
    for (int32_t i = 0; i < b->n; i++) {
        if (kind != NULL) {
            kind[i] = b->rows[c][i].kind;
        }
        if (pf_lane_bytes(fn->columns[c].kinds) == 1) {
            ((uint8_t *)v->data)[i] = (uint8_t)b->rows[c][i].u.i;
        } else {
            ((int64_t *)v->data)[i] = v->iota ? INT64_C(0x5555) : b->rows[c][i].u.i;
        }
    }
}

static pf_scalar output_lane(const pf_fn *fn, const pf_frame *frame, uint32_t o, int32_t i)
{
    const pf_vec *v = &frame->outputs[o];
    pf_scalar s = {.kind = v->kind == NULL ? v->seen : v->kind[i]};
    if (pf_lane_bytes(fn->outputs[o]) == 1) {
        s.u.i = ((const uint8_t *)v->data)[i];
    } else {
        s.u.i = ((const int64_t *)v->data)[i];
    }
    return s;
}

static void say(const pf_fn *fn, const pf_program *program, const pf_frame *frame, const char *what, int32_t row)
{
    static char text[1 << 16];
    pf_ir_print(fn, text, sizeof text);
    fprintf(stderr, "%s at row %d, %s\n%s\n", what, row, program->kernels->name, text);
    pf_interp_print(program, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    for (int32_t i = 0; i < frame->nfailed && i < 20; i++) {
        fprintf(stderr, "failed row %d at %s, place %d\n", frame->failed[i].row, pf_ops[frame->failed[i].op].name,
                frame->failed[i].place);
    }
    fprintf(stderr, "%d outputs, stop %d\n", frame->nout, frame->stop);
}

#define EXPECT(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            say(fn, program, frame, #condition, row);                                                                  \
            fail_msg("tier 1 and evaluator differ");                                                                   \
        }                                                                                                              \
    } while (0)

static void compare(const bench *b, const pf_fn *fn, const pf_program *program, const pf_frame *frame)
{
    int32_t out = 0, failed = 0, row = 0;
    for (; row < b->n; row++) {
        pf_scalar columns[MAX_COLUMNS], values[MAX_OUT];
        for (uint32_t c = 0; c < fn->ncolumns; c++) {
            columns[c] = b->rows[c][row];
        }
        pf_eval_in in = {columns, b->params, string_handles, view_text, b->row0 + row, NULL};
        pf_eval_out how;
        assert_int_equal(pf_eval_row(fn, &in, values, &how), PF_OK);
        const bool large = how.how == PF_OP_bail && how.reason == PF_BAIL_OVERFLOW;
        if (large && (failed == frame->nfailed || frame->failed[failed].row != row)) { /* it went on beyond 64 bits */
            int64_t high[MAX_OUT];
            assert_int_equal(pf_eval_exact(fn, &in, values, high, &how), PF_OK);
            EXPECT(how.how != PF_OP_bail);
            for (uint32_t o = 0; how.how == PF_OP_yield && o < fn->noutputs; o++) {
                EXPECT(values[o].kind != PF_K_I64 || high[o] == values[o].u.i >> 63);
            }
        }
        if (how.how == PF_OP_stop) {
            break;
        }
        if (how.how == PF_OP_bail) {
            EXPECT(failed < frame->nfailed);
            const pf_failed *f = &frame->failed[failed++];
            EXPECT(f->row == row && (large || (f->op == how.op && f->place == how.place)));
            bool foreign = false;
            for (uint32_t c = 0; c < fn->ncolumns; c++) {
                foreign = foreign || columns[c].kind == PF_K_FOREIGN;
            }
            EXPECT(f->op != PF_OP_column || !f->barrier || foreign);
            EXPECT(!foreign || f->op != PF_OP_column || fn->ncolumns > 1 || f->barrier);
        } else if (how.how == PF_OP_yield) {
            EXPECT(out < frame->nout);
            EXPECT(frame->out_rows == NULL || frame->out_rows[out] == row);
            for (uint32_t o = 0; o < fn->noutputs; o++) {
                pf_scalar got = output_lane(fn, frame, o, out);
                if (!is_same(got, values[o])) {
                    fprintf(stderr, "output %u: %d:%llx instead of %d:%llx\n", o, got.kind, (unsigned long long)got.u.i,
                            values[o].kind, (unsigned long long)values[o].u.i);
                }
                EXPECT(is_same(got, values[o]));
                EXPECT(got.kind != PF_K_I64 || (frame->outputs[o].lo <= got.u.i && got.u.i <= frame->outputs[o].hi));
            }
            out++;
        }
    }
    EXPECT(frame->stop == (row < b->n ? row : -1));
    EXPECT(frame->nout == out);
    EXPECT(frame->nfailed == failed);
    EXPECT(frame->out_rows != NULL || (!b->want_rows && failed == 0));
}

static void run_and_compare(const bench *b, const pf_fn *fn, const pf_program *program, pf_frame *frame)
{
    for (uint32_t c = 0; c < fn->ncolumns; c++) {
        fill_column(b, fn, frame, c);
    }
    frame->params = b->params;
    frame->strings = string_handles;
    frame->str_view = view_text;
    frame->row0 = b->row0;
    frame->n = b->n;
    frame->want_rows = b->want_rows;
    pf_interp_run(program, frame);
    compare(b, fn, program, frame);
}

static void finish(pf_fn *fn)
{
    char error[200];
    if (pf_ir_finish(fn, error, sizeof error) != PF_OK) {
        fail_msg("%s", error);
    }
}

/* ---- every op ---- */

typedef enum { COLUMN, PARAM, CONSTANT } operand_from;

static pf_ref make_operand(pf_fn *fn, bench *b, operand_from from, pf_kinds kind, int wildness)
{
    if (from == COLUMN) {
        return pf_ir_column(fn, pf_ir_add_column(fn, kind, PF_FROM_SOURCE, 0));
    }
    pf_scalar s = random_scalar(kind, wildness);
    if (from == PARAM) {
        uint32_t p = pf_ir_add_param(fn, kind);
        b->params[p] = s;
        return pf_ir_param(fn, p);
    }
    switch (kind) {
    case PF_K_BOOL:
        return pf_ir_const_bool(fn, s.u.i != 0);
    case PF_K_I64:
        return pf_ir_const_i64(fn, s.u.i);
    case PF_K_F64:
        return pf_ir_const_f64(fn, s.u.f);
    default:
        return pf_ir_const_str(fn, pf_ir_add_string(fn, "x"));
    }
}

static void random_rows(bench *b, const pf_fn *fn, int wildness)
{
    for (uint32_t c = 0; c < fn->ncolumns; c++) {
        for (int32_t i = 0; i < b->n; i++) {
            b->rows[c][i] = random_scalar(fn->columns[c].kinds, wildness);
        }
        b->iota[c] = fn->columns[c].kinds == PF_K_I64 && pick(3) == 0;
        if (b->iota[c]) {
            b->start[c] = random_i64(0) * 1000;
            b->step[c] = random_i64(pick(4) ? 0 : 1);
            for (int32_t i = 0; i < b->n; i++) {
                b->rows[c][i].u.i = b->start[c] + i * b->step[c];
            }
        }
    }
}

/* yield op(a, b), for all rows or for those a bool column lets in. */
static pf_fn *op_program(bench *b, pf_op op, pf_kinds kind, operand_from fa, operand_from fb, bool masked, int wildness)
{
    pf_fn *fn = pf_ir_new();
    assert_non_null(fn);
    uint16_t place = pf_ir_add_place(fn, "f", "f.py", 1, 1);
    pf_ref x = make_operand(fn, b, fa, kind, wildness);
    pf_ref y = pf_ops[op].arity == 2 ? make_operand(fn, b, fb, kind, wildness) : PF_NOREF;
    pf_block other = PF_NOBLOCK;
    if (masked) {
        pf_ref c = pf_ir_column(fn, pf_ir_add_column(fn, PF_K_BOOL, PF_FROM_SOURCE, 0));
        pf_block in = pf_ir_block(fn, 0, NULL);
        other = pf_ir_block(fn, 0, NULL);
        pf_ir_branch(fn, c, in, 0, NULL, other, 0, NULL);
        pf_ir_start(fn, in);
    }
    pf_ref r = y == PF_NOREF ? pf_ir_op1(fn, op, x, place) : pf_ir_op2(fn, op, x, y, place);
    pf_ir_yield(fn, 1, &r);
    if (masked) {
        pf_ir_start(fn, other);
        pf_ref none = pf_ir_const_none(fn);
        pf_ir_yield(fn, 1, &none);
    }
    finish(fn);
    return fn;
}

static void check_op(pf_op op, pf_kinds kind, pf_cpu_isa_level isa)
{
    static const int32_t lengths[] = {1, 7, 1023, 1024};
    static bench b;
    for (int variant = 0; variant < 18 * 4; variant++) {
        const operand_from fa = variant % 3, fb = variant / 3 % 3;
        const bool masked = variant / 9 % 2;
        const int wildness = variant / 18;
        if ((pf_ops[op].arity == 1 && fb != COLUMN) || (fa == CONSTANT && fb == CONSTANT)) {
            continue;
        }
        pf_fn *fn = op_program(&b, op, kind, fa, fb, masked, wildness);
        pf_program *program;
        pf_frame *frame;
        assert_int_equal(pf_interp_compile_for(fn, PF_OUTPUTS_I64, pf_kernels_for(isa), &program), PF_OK);
        assert_int_equal(pf_frame_new(program, &frame), PF_OK);
        for (size_t k = 0; k < 4; k++) {
            b.n = lengths[k];
            b.row0 = 0;
            b.want_rows = pick(2);
            b.hide_bounds = pick(4) == 0;
            random_rows(&b, fn, wildness);
            run_and_compare(&b, fn, program, frame);
        }
        pf_frame_free(frame);
        pf_interp_free(program);
        pf_ir_free(fn);
    }
}

static pf_kinds operand_kinds(pf_op op)
{
    switch ((pf_args_class)pf_ops[op].operands) {
    case PF_ARGS_NUM:
        return PF_K_I64 | PF_K_F64;
    case PF_ARGS_BITS:
        return PF_K_I64 | PF_K_BOOL;
    case PF_ARGS_I64:
        return PF_K_I64;
    case PF_ARGS_F64:
        return PF_K_F64;
    case PF_ARGS_BOOL:
        return PF_K_BOOL;
    case PF_ARGS_EQUAL:
        return PF_K_I64 | PF_K_F64 | PF_K_BOOL | PF_K_STR;
    case PF_ARGS_ORDER:
        return PF_K_I64 | PF_K_F64 | PF_K_STR;
    default:
        return 0;
    }
}

static void test_ops(void **state)
{
    (void)state;
    for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
        for (int op = 0; op < PF_OP_COUNT; op++) {
            for (pf_kinds kind = 1; kind < 64 && pf_ops[op].result != PF_RES_NOTHING; kind = (pf_kinds)(kind << 1)) {
                if ((operand_kinds((pf_op)op) & kind) != 0) {
                    check_op((pf_op)op, kind, (pf_cpu_isa_level)isa);
                }
            }
        }
    }
}

/* ---- filters by remainder, and arithmetic on sequences: they have kernels of their own ---- */

static void test_remainders(void **state)
{
    (void)state;
    static const int64_t divisors[] = {0,
                                       1,
                                       2,
                                       3,
                                       4,
                                       6,
                                       7,
                                       8,
                                       10,
                                       64,
                                       100,
                                       1000,
                                       1023,
                                       1024,
                                       1000003,
                                       INT32_MAX,
                                       INT64_C(1) << 31,
                                       INT64_C(1) << 40,
                                       (INT64_C(1) << 40) + 1,
                                       INT64_C(3) << 40,
                                       INT64_MAX - 1,
                                       INT64_MAX,
                                       -1,
                                       -3,
                                       INT64_MIN};
    static bench b;
    for (int round = 0; round < 2000; round++) {
        const int64_t m = divisors[pick(sizeof divisors / 8)],
                      c = pick(4) ? (int64_t)pick(5) - (m < 0 ? 3 : 0) : random_i64(3);
        const int wildness = (int)pick(4);
        pf_fn *fn = pf_ir_new();
        pf_ref x = pf_ir_column(fn, pf_ir_add_column(fn, PF_K_I64, PF_FROM_SOURCE, 0));
        uint16_t place = pf_ir_add_place(fn, "f", "f.py", 1, 1);
        if (pick(4) == 0) { /* some lanes have failed before */
            x = pf_ir_op1(fn, PF_OP_isqrt, x, place);
        }
        pf_ref rest = pf_ir_op2(fn, PF_OP_mod, x, pf_ir_const_i64(fn, m), place);
        pf_ref test = pick(4) == 0 ? pf_ir_op1(fn, PF_OP_truth, rest, 0)
                                   : pf_ir_op2(fn, pick(2) ? PF_OP_eq : PF_OP_ne, rest, pf_ir_const_i64(fn, c), 0);
        pf_block yes = pf_ir_block(fn, 0, NULL), no = pf_ir_block(fn, 0, NULL);
        const bool reversed = pick(2) == 0;
        pf_ir_branch(fn, test, reversed ? no : yes, 0, NULL, reversed ? yes : no, 0, NULL);
        pf_ir_start(fn, yes);
        pf_ref k = pf_ir_const_i64(fn, random_i64((int)pick(4)));
        static const pf_op affine[] = {PF_OP_add, PF_OP_sub, PF_OP_mul};
        pf_ref y[2] = {k, pick(2) ? test : k};
        if (pick(4) != 0) { /* what was tested is wanted */
            y[0] = pf_ir_op2(fn, affine[pick(3)], x, k, place);
            y[0] = pf_ir_op2(fn, affine[pick(3)], y[0], k, place);
            y[1] = pick(4) ? x : test;
        }
        pf_ir_yield(fn, 2, y);
        pf_ir_start(fn, no);
        if (pick(2)) {
            pf_ir_end(fn);
        } else {
            pf_ref z[2] = {pf_ir_op2(fn, PF_OP_add, x, k, place), k};
            pf_ir_yield(fn, 2, z);
        }
        finish(fn);
        for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
            pf_program *program;
            pf_frame *frame;
            assert_int_equal(pf_interp_compile_for(fn, PF_OUTPUTS_I64, pf_kernels_for((pf_cpu_isa_level)isa), &program), PF_OK);
            assert_int_equal(pf_frame_new(program, &frame), PF_OK);
            b.n = pick(2) ? PF_LANES : 1 + (int32_t)pick(PF_LANES);
            b.hide_bounds = pick(4) == 0;
            random_rows(&b, fn, wildness);
            run_and_compare(&b, fn, program, frame);
            pf_frame_free(frame);
            pf_interp_free(program);
        }
        pf_ir_free(fn);
    }
}

/* ---- a product and what is added to it: one step ---- */

static void check_product(bench *b, const operand_from from[3], pf_op op, bool right, pf_cpu_isa_level isa)
{
    pf_fn *fn = pf_ir_new();
    assert_non_null(fn);
    const int wildness = (int)pick(4);
    uint16_t place = pf_ir_add_place(fn, "f", "f.py", 1, 1);
    pf_ref x[3];
    for (int k = 0; k < 3; k++) {
        x[k] = make_operand(fn, b, from[k], PF_K_F64, wildness);
    }
    pf_ref product = pf_ir_op2(fn, PF_OP_mul, x[0], x[1], place);
    pf_ref out[2] = {pf_ir_op2(fn, op, right ? x[2] : product, right ? product : x[2], place), x[0]};
    pf_ir_yield(fn, 2, out);
    finish(fn);
    pf_program *program;
    pf_frame *frame;
    char text[4096];
    assert_int_equal(pf_interp_compile_for(fn, PF_OUTPUTS_I64, pf_kernels_for(isa), &program), PF_OK);
    assert_int_equal(pf_frame_new(program, &frame), PF_OK);
    pf_interp_print(program, text, sizeof text);
    const bool vector = from[0] == COLUMN || from[1] == COLUMN;
    assert_int_equal(strstr(text, op == PF_OP_add ? "mul_add" : "mul_sub") != NULL,
                     vector && !(right && op == PF_OP_sub));
    for (int round = 0; round < 6; round++) {
        b->n = round == 0 ? PF_LANES : 1 + (int32_t)pick(PF_LANES);
        b->row0 = 0;
        b->want_rows = b->hide_bounds = false;
        random_rows(b, fn, wildness);
        run_and_compare(b, fn, program, frame);
    }
    pf_frame_free(frame);
    pf_interp_free(program);
    pf_ir_free(fn);
}

static void test_products(void **state)
{
    (void)state;
    static bench b;
    for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
        for (int variant = 0; variant < 27 * 4; variant++) {
            const operand_from from[3] = {variant % 3, variant / 3 % 3, variant / 9 % 3};
            if (from[0] != CONSTANT || from[1] != CONSTANT) { /* else it is folded */
                check_product(&b, from, variant / 27 % 2 ? PF_OP_sub : PF_OP_add, variant / 54 != 0,
                              (pf_cpu_isa_level)isa);
            }
        }
    }
}

/* ---- random programs ---- */

/* A program under construction: values known in the present block, by IR ref. */
typedef struct growing {
    pf_fn *fn;
    pf_ref refs[200];
    int nrefs;
} growing;

static pf_kinds kinds_of(const growing *g, pf_ref r)
{
    return g->fn->insts[r].kinds;
}

/* A known value of exactly these kinds, or 0. */
static pf_ref some(const growing *g, pf_kinds kinds)
{
    pf_ref found = 0;
    int seen = 0;
    for (int i = 0; i < g->nrefs; i++) {
        if (kinds_of(g, g->refs[i]) == kinds && pick((uint32_t)++seen) == 0) {
            found = g->refs[i];
        }
    }
    return found;
}

static void know(growing *g, pf_ref r)
{
    if (g->nrefs < 200 && r != 0) {
        g->refs[g->nrefs++] = r;
    }
}

static uint16_t new_place(growing *g)
{
    return pf_ir_add_place(g->fn, "f", "f.py", (int)g->fn->ninsts, 0);
}

static void grow_op(growing *g)
{
    pf_op op = (pf_op)pick(PF_OP_COUNT);
    const pf_op_info *info = &pf_ops[op];
    pf_kinds kind = (pf_kinds)(1 << pick(NKINDS));
    if (op == PF_OP_select) {
        pf_ref c = some(g, PF_K_BOOL), a = g->refs[pick((uint32_t)g->nrefs)], b = some(g, kinds_of(g, a));
        know(g, c != 0 ? pf_ir_select(g->fn, c, a, b) : 0);
        return;
    }
    if (op == PF_OP_is_kind) {
        know(g, pf_ir_is_kind(g->fn, g->refs[pick((uint32_t)g->nrefs)], (pf_kinds)(1 + pick(63))));
        return;
    }
    if (op == PF_OP_narrow) {
        pf_ref a = g->refs[pick((uint32_t)g->nrefs)];
        if (!pf_kinds_single(kinds_of(g, a)) && (kinds_of(g, a) & kind) != 0) {
            know(g, pf_ir_narrow(g->fn, a, kind, new_place(g)));
        }
        return;
    }
    if (op == PF_OP_large) {
        know(g, pf_ir_large(g->fn, UINT64_MAX - (pick(2) ? 0 : next_random() >> 1), new_place(g)));
        return;
    }
    if (info->result == PF_RES_NOTHING || (operand_kinds(op) & kind) == 0 ||
        op == PF_OP_copysign) { /* it would tell one NaN from another */
        return;
    }
    pf_ref a = some(g, kind), b = some(g, kind);
    if (a != 0) {
        know(g, info->arity == 1 ? pf_ir_op1(g->fn, op, a, new_place(g)) : pf_ir_op2(g->fn, op, a, b, new_place(g)));
    }
}

static void grow_tail(growing *g, int budget);

/* if c: A else: B; both go on in a join with arguments, or some way ends early. */
static void grow_branch(growing *g, int budget)
{
    pf_ref c = some(g, PF_K_BOOL);
    pf_block yes = pf_ir_block(g->fn, 0, NULL), no = pf_ir_block(g->fn, 0, NULL);
    const int known = g->nrefs;
    const int shape = (int)pick(4);
    if (c == 0) {
        grow_tail(g, 0);
        return;
    }
    pf_ir_branch(g->fn, c, yes, 0, NULL, no, 0, NULL);
    if (shape == 0) { /* no join: both sides go their own ways to the end */
        pf_ir_start(g->fn, yes);
        grow_tail(g, budget / 2);
        g->nrefs = known;
        pf_ir_start(g->fn, no);
        grow_tail(g, budget / 2);
        return;
    }
    if (shape == 1) { /* a filter, either way round */
        const bool keep = pick(2);
        pf_ir_start(g->fn, keep ? no : yes);
        pf_ir_end(g->fn);
        pf_ir_start(g->fn, keep ? yes : no);
        grow_tail(g, budget - 1);
        return;
    }
    pf_kinds kinds[2] = {kinds_of(g, g->refs[pick((uint32_t)g->nrefs)]),
                         kinds_of(g, g->refs[pick((uint32_t)g->nrefs)])};
    pf_block join = pf_ir_block(g->fn, 2, kinds);
    for (int side = 0; side < 2; side++) {
        g->nrefs = known;
        pf_ir_start(g->fn, side == 0 ? yes : no);
        for (int i = (int)pick(5); i > 0; i--) {
            grow_op(g);
        }
        if (shape == 3 && side == 1 && pick(2) == 0) {
            grow_tail(g, 0);
            continue;
        }
        pf_ref args[2] = {some(g, kinds[0]), some(g, kinds[1])};
        pf_ir_jump(g->fn, join, 2, args);
    }
    g->nrefs = known;
    pf_ir_start(g->fn, join);
    know(g, pf_ir_arg(g->fn, join, 0));
    know(g, pf_ir_arg(g->fn, join, 1));
    grow_tail(g, budget - 1);
}

static void grow_tail(growing *g, int budget)
{
    for (int i = (int)pick(6); i > 0; i--) {
        grow_op(g);
    }
    if (budget > 0) {
        grow_branch(g, budget);
        return;
    }
    switch (pick(12)) {
    case 0:
        pf_ir_end(g->fn);
        break;
    case 1:
        if (pick(4) == 0) {
            pf_ir_stop(g->fn);
            break;
        }
        pf_ir_bail(g->fn, new_place(g));
        break;
    default: {
        pf_ref values[2] = {g->refs[pick((uint32_t)g->nrefs)], g->refs[pick((uint32_t)g->nrefs)]};
        pf_ir_yield(g->fn, 2, values);
        break;
    }
    }
}

static pf_fn *random_program(bench *b)
{
    growing g = {.fn = pf_ir_new()};
    assert_non_null(g.fn);
    static const pf_kinds column_kinds[] = {PF_K_I64,
                                            PF_K_I64,
                                            PF_K_F64,
                                            PF_K_BOOL,
                                            PF_K_I64 | PF_K_NONE,
                                            PF_K_STR,
                                            PF_K_F64 | PF_K_NONE | PF_K_BOOL,
                                            PF_K_I64 | PF_K_F64,
                                            PF_K_ALL,
                                            PF_K_NONE,
                                            PF_K_OBJ | PF_K_STR,
                                            PF_K_BOOL | PF_K_NONE};
    const uint32_t ncolumns = 1 + pick(MAX_COLUMNS);
    for (uint32_t c = 0; c < ncolumns; c++) {
        pf_kinds k = column_kinds[pick(sizeof column_kinds)];
        know(&g, pf_ir_column(g.fn, pf_ir_add_column(g.fn, k, PF_FROM_SOURCE, c)));
    }
    for (uint32_t p = pick(3); p > 0; p--) {
        pf_kinds k = (pf_kinds)(2 << pick(3));
        uint32_t param = pf_ir_add_param(g.fn, k);
        b->params[param] = random_scalar(k, 0);
        know(&g, pf_ir_param(g.fn, param));
    }
    know(&g, pf_ir_const_i64(g.fn, random_i64(pick(2) ? 0 : 3)));
    know(&g, pf_ir_const_f64(g.fn, random_f64()));
    if (pick(3) == 0) {
        know(&g, pf_ir_const_none(g.fn));
        know(&g, pf_ir_const_bool(g.fn, pick(2)));
        know(&g, pf_ir_const_str(g.fn, pf_ir_add_string(g.fn, "x")));
        know(&g, pf_ir_row(g.fn));
    }
    grow_tail(&g, (int)pick(6));
    finish(g.fn);
    return g.fn;
}

/* Lanes of declared kinds, in runs so that uniform vectors occur; now and then one that is not declared. */
static void random_lanes(bench *b, const pf_fn *fn)
{
    for (uint32_t c = 0; c < fn->ncolumns; c++) {
        const int wildness = (int)pick(4);
        const bool dirty = pick(4) == 0;
        pf_kinds only = pick(2) ? 0 : fn->columns[c].kinds & (pf_kinds)(1 << pick(NKINDS));
        for (int32_t i = 0; i < b->n; i++) {
            pf_kinds kind = only;
            while (kind == 0) {
                kind = fn->columns[c].kinds & (pf_kinds)(1 << pick(NKINDS));
            }
            if (dirty && pick(20) == 0) {
                kind = pick(2) ? PF_K_OTHER : PF_K_FOREIGN;
            }
            b->rows[c][i] = random_scalar(kind, wildness);
        }
        b->iota[c] = false;
        if (fn->columns[c].kinds == PF_K_I64 && !dirty && pick(3) == 0) {
            b->iota[c] = true;
            b->start[c] = random_i64(2);
            b->step[c] = random_i64(0);
            for (int32_t i = 0; i < b->n; i++) {
                b->rows[c][i] = (pf_scalar){.u.i = b->start[c] + i * b->step[c], .kind = PF_K_I64};
            }
        }
    }
}

static void test_programs(void **state)
{
    (void)state;
    static bench b;
    const char *rounds = getenv("PF_TEST_ROUNDS"), *start = getenv("PF_TEST_SEED");
    seed = start != NULL ? strtoull(start, NULL, 10) : seed;
    for (int round = rounds != NULL ? atoi(rounds) : 4000; round > 0; round--) {
        pf_fn *fn = random_program(&b);
        for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
            pf_program *program;
            pf_frame *frame;
            assert_int_equal(pf_interp_compile_for(fn, PF_OUTPUTS_I64, pf_kernels_for((pf_cpu_isa_level)isa), &program), PF_OK);
            assert_int_equal(pf_frame_new(program, &frame), PF_OK);
            for (int k = 0; k < 3; k++) {
                b.n = k == 0 ? 1 + (int32_t)pick(20) : 1 + (int32_t)pick(PF_LANES);
                b.row0 = k == 2 ? INT64_C(1) << 40 : 0;
                b.want_rows = pick(2);
                b.hide_bounds = pick(4) == 0;
                random_lanes(&b, fn);
                run_and_compare(&b, fn, program, frame);
            }
            pf_frame_free(frame);
            pf_interp_free(program);
        }
        pf_ir_free(fn);
    }
}

/* ---- memory ---- */

static void test_no_memory(void **state)
{
    (void)state;
    static bench b;
    for (int round = 0; round < 30; round++) {
        pf_fn *fn = random_program(&b);
        const int64_t live = pf_mem_live();
        bool done = false;
        for (int64_t nth = 0; !done; nth++) {
            pf_program *program = NULL;
            pf_frame *frame = NULL;
            pf_mem_fail_after(nth);
            pf_status status = pf_interp_compile(fn, PF_OUTPUTS_I64, &program);
            if (status == PF_OK) {
                status = pf_frame_new(program, &frame);
                done = status == PF_OK;
            }
            pf_mem_fail_after(-1);
            assert_true(done || status == PF_NOMEM);
            pf_frame_free(frame);
            pf_interp_free(program);
            assert_int_equal(pf_mem_live(), live);
        }
        pf_ir_free(fn);
    }
}

/* ---- builds that look at each other ---- */

static int bits_of_all(uint64_t *bits, const uint8_t *c, unsigned negate, const uint8_t *alive, int n)
{
    (void)c, (void)negate, (void)alive;
    memset(bits, 0xff, (size_t)(n + 63) / 64 * 8);
    return n;
}

static int keep_all(uint64_t *bits, int64_t *kept, const int64_t *a, const pf_mod_test *test, int n)
{
    (void)test;
    memcpy(kept, a, 8 * (size_t)n);
    return bits_of_all(bits, NULL, 0, NULL, n);
}

static void test_builds_agree_and_a_wrong_one_does_not(void **state)
{
    (void)state;
    const pf_kernels *base = pf_kernels_for(PF_CPU_BASE);
    static const char *const names[] = {"base", "avx2", "avx512"};
    for (int isa = 0; isa <= (int)pf_cpu_isa(); isa++) {
        const pf_kernels *kernels = pf_kernels_for((pf_cpu_isa_level)isa);
        assert_string_equal(kernels->name, names[isa]); /* it is sound */
        assert_true(pf_kernels_agree(kernels, base));
    }
    pf_kernels wrong = *base;
    wrong.op[PF_OP_add][PF_T_F64][PF_F_VS] = base->op[PF_OP_sub][PF_T_F64][PF_F_VS];
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.op[PF_OP_le][PF_T_I64][PF_F_VV] = base->op[PF_OP_lt][PF_T_I64][PF_F_VV];
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.mul32[PF_F_VV] = base->add[PF_F_VV];
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.mul_add[0][1][1] = base->mul_add[0][1][0];
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.bits = bits_of_all;
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.mod_keep = keep_all;
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.select[PF_LANE_BYTE][PF_F_SV] = base->select[PF_LANE_BYTE][PF_F_VV];
    assert_false(pf_kernels_agree(&wrong, base));
    wrong = *base;
    wrong.op[PF_OP_mul][PF_T_I64][PF_F_VV] = base->mul[PF_F_VV]; /* wraps, and says nothing of it */
    assert_false(pf_kernels_agree(&wrong, base));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ops),       cmocka_unit_test(test_remainders),
        cmocka_unit_test(test_products),  cmocka_unit_test(test_programs),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_builds_agree_and_a_wrong_one_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* rewrite: each rule's before and after (ir/<rule>.txt), all rules against the evaluator on random programs,
 * range_stride against the filter it replaces, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/mem.h"
#include "../ir/eval.h"
#include "../rewrite/rewrite.h"
#include "random.h"

enum { TEXT = 1 << 16 };

static pf_fn *parse(const char *text)
{
    char error[200] = "";
    pf_fn *fn = NULL;
    pf_status status = pf_ir_parse(text, &fn, error, sizeof error);
    if (status != PF_OK) {
        print_error("%s\n%s\n", error, text);
    }
    assert_int_equal(status, PF_OK);
    return fn;
}

static void print(const pf_fn *fn, char *text)
{
    assert_in_range(pf_ir_print(fn, text, TEXT), 1, TEXT - 1);
}

/* ---- the rules, one by one ---- */

static void only(pf_rewrite_options *options, pf_rule rule)
{
    for (int i = 0; i < PF_RULE_COUNT; i++) {
        options->off[i] = i != (int)rule && i != PF_RULE_dead_values;
    }
}

/* The file of a rule: a law, `--- input`, `--- expected`. The rule is applied alone, but for dead_values. */
static void check_file(pf_rule rule)
{
    static char text[TEXT], out[TEXT];
    char path[400];
    (void)snprintf(path, sizeof path, PF_TEST_IR "/%s.txt", pf_rules[rule].name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fail_msg("the rule %s has no test file", pf_rules[rule].name);
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *input = strstr(text, "--- input\n"), *expected = strstr(text, "--- expected\n");
    assert_non_null(input);
    assert_non_null(expected);
    *expected = '\0';
    pf_fn *fn = parse(input + strlen("--- input\n"));
    pf_rewrite_options options;
    pf_rewrite_log log = {{0}, 0};
    only(&options, rule);
    assert_int_equal(pf_rewrite_run(fn, &options, &log), PF_OK);
    print(fn, out);
    assert_string_equal(out, expected + strlen("--- expected\n"));
    assert_true(log.fired[rule] > 0);
    memset(log.fired, 0, sizeof log.fired);
    assert_int_equal(pf_rewrite_run(fn, &options, &log), PF_OK); /* what it leaves, it leaves alone */
    assert_int_equal(log.fired[rule], 0);
    print(fn, out);
    assert_string_equal(out, expected + strlen("--- expected\n"));
    pf_ir_free(fn);

    fn = parse(input + strlen("--- input\n"));
    memset(&options, 0, sizeof options);
    memset(&log, 0, sizeof log);
    options.off[rule] = true;
    assert_int_equal(pf_rewrite_run(fn, &options, &log), PF_OK);
    assert_int_equal(log.fired[rule], 0);
    pf_ir_free(fn);
}

static void test_each_rule(void **state)
{
    (void)state;
    for (int rule = 0; rule < PF_RULE_COUNT; rule++) {
        check_file((pf_rule)rule);
    }
}

static void test_names_and_patterns(void **state)
{
    (void)state;
    for (int i = 0; i < PF_RULE_COUNT; i++) {
        const pf_rule_info *rule = &pf_rules[i];
        assert_int_equal(pf_rewrite_rule(rule->name), i);
        assert_true(strlen(rule->law) > 0);
        if (rule->from == NULL) {
            continue;
        }
        size_t root = strlen(pf_ops[rule->op].name);
        assert_memory_equal(rule->from, pf_ops[rule->op].name, root);
        assert_int_equal(rule->from[root], '(');
        for (int j = 0; j < i; j++) { /* a rule whose pattern an earlier one takes is never reached */
            bool taken = pf_rules[j].from != NULL && strcmp(pf_rules[j].from, rule->from) == 0;
            assert_false(taken && (pf_rules[j].kinds & rule->kinds) != 0);
        }
    }
    assert_int_equal(pf_rewrite_rule("no_such_rule"), -1);
}

/* ---- columns whose kind is checked ---- */

static void test_kinds_stay_checked(void **state)
{
    (void)state;
    pf_fn *fn = parse("column 0: i64 from source 0\ncolumn 1: i64 from source 1\n"
                      "b0:\n  %1 = column 0\n  %2 = column 1\n  %3 = mul.i64 %1, 0\n  yield %3\n");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pf_rewrite_run(fn, NULL, NULL), PF_OK);
        assert_true(fn->columns[0].checked);
        assert_true(pf_ir_column_used(fn, 0));
        assert_false(pf_ir_column_used(fn, 1));
    }
    pf_ir_free(fn);
}

/* ---- random programs ---- */

enum { NKINDS = 5, MAX_VALUES = 400, NCOLUMNS = 6, NPARAMS = 3, NOUTPUTS = 3 };
static const pf_kinds single[NKINDS] = {PF_K_I64, PF_K_F64, PF_K_BOOL, PF_K_STR, PF_K_NONE};
static const pf_kinds column_kinds[NCOLUMNS] = {
    PF_K_I64, PF_K_F64, PF_K_BOOL, PF_K_I64 | PF_K_NONE, PF_K_I64 | PF_K_F64, PF_K_STR};
static const pf_kinds param_kinds[NPARAMS] = {PF_K_I64, PF_K_F64, PF_K_BOOL};

/* Values in scope, by kind: leaving a scope cuts the lists. */
typedef struct scope {
    pf_fn *fn;
    pf_ref values[NKINDS][MAX_VALUES];
    int n[NKINDS];
    bool end_used; /* some edge leads to the common end */
} scope;

static int64_t small_i64(void)
{
    static const int64_t values[] = {0, 1, -1, 2, 3, 4, 7, -5, 63, 64, INT64_MAX, INT64_MIN, INT64_C(1) << 53};
    return values[pick(sizeof values / sizeof *values)];
}

static double small_f64(void)
{
    static const double values[] = {0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 1e308, 1e-300, INFINITY, NAN, -2.5, 9e15};
    return values[pick(sizeof values / sizeof *values)];
}

static pf_ref constant(scope *s, int kind)
{
    switch (single[kind]) {
    case PF_K_I64:
        return pf_ir_const_i64(s->fn, small_i64());
    case PF_K_F64:
        return pf_ir_const_f64(s->fn, small_f64());
    case PF_K_BOOL:
        return pf_ir_const_bool(s->fn, pick(2));
    case PF_K_STR:
        return pf_ir_const_str(s->fn, pick(2));
    default:
        return pf_ir_const_none(s->fn);
    }
}

static pf_ref outside(scope *s, int kind)
{
    if (pick(3) == 0 && kind < NPARAMS) {
        return pf_ir_param(s->fn, (uint32_t)kind);
    }
    if (kind == 0 && pick(6) == 0) {
        return pf_ir_row(s->fn);
    }
    return kind == 4 ? pf_ir_const_none(s->fn) : pf_ir_column(s->fn, kind == 3 ? 5 : (uint32_t)kind);
}

static pf_ref value(scope *s, int kind)
{
    if (s->n[kind] > 0 && pick(4) != 0) {
        return s->values[kind][s->n[kind] - 1 - (int)pick((uint32_t)s->n[kind] < 6 ? (uint32_t)s->n[kind] : 6)];
    }
    return pick(2) ? constant(s, kind) : outside(s, kind);
}

static void define(scope *s, pf_ref ref)
{
    for (int k = 0; k < NKINDS && ref != PF_NOREF; k++) {
        if (s->fn->insts[ref].kinds == single[k] && s->n[k] < MAX_VALUES) {
            s->values[k][s->n[k]++] = ref;
        }
    }
}

static const pf_op on_i64[] = {PF_OP_add,   PF_OP_sub,    PF_OP_mul,   PF_OP_fdiv, PF_OP_mod,    PF_OP_pow, PF_OP_neg,
                               PF_OP_abs,   PF_OP_and,    PF_OP_or,    PF_OP_xor,  PF_OP_invert, PF_OP_shl, PF_OP_shr,
                               PF_OP_lt,    PF_OP_le,     PF_OP_eq,    PF_OP_ne,   PF_OP_gt,     PF_OP_ge,  PF_OP_truth,
                               PF_OP_float, PF_OP_fexact, PF_OP_isqrt, PF_OP_and,  PF_OP_eq,     PF_OP_lt};
static const pf_op on_f64[] = {PF_OP_add,   PF_OP_sub,      PF_OP_mul,   PF_OP_div,   PF_OP_mod,
                               PF_OP_neg,   PF_OP_abs,      PF_OP_lt,    PF_OP_eq,    PF_OP_ne,
                               PF_OP_gt,    PF_OP_truth,    PF_OP_int,   PF_OP_floor, PF_OP_sqrt,
                               PF_OP_isnan, PF_OP_copysign, PF_OP_hypot, PF_OP_sin};
static const pf_op on_bool[] = {PF_OP_and, PF_OP_or,  PF_OP_xor,   PF_OP_eq,   PF_OP_ne,
                                PF_OP_not, PF_OP_not, PF_OP_truth, PF_OP_toint};
static const pf_op on_str[] = {PF_OP_eq, PF_OP_ne, PF_OP_truth, PF_OP_lt, PF_OP_le, PF_OP_gt, PF_OP_ge};

static pf_ref random_op(scope *s)
{
    static const struct {
        const pf_op *ops;
        uint32_t n;
    } of[4] = {{on_i64, sizeof on_i64 / sizeof *on_i64},
               {on_f64, sizeof on_f64 / sizeof *on_f64},
               {on_bool, sizeof on_bool / sizeof *on_bool},
               {on_str, sizeof on_str / sizeof *on_str}};
    static const int weights[] = {0, 0, 0, 0, 1, 1, 2, 2, 2, 3};
    int kind = weights[pick(10)];
    if (pick(8) == 0) {
        pf_ref a = value(s, kind), b = value(s, kind);
        return pf_ir_select(s->fn, value(s, 2), a, b);
    }
    if (pick(12) == 0) {
        return pf_ir_is_kind(s->fn, pf_ir_column(s->fn, 3 + pick(2)), pick(2) ? PF_K_I64 : PF_K_NONE | PF_K_F64);
    }
    if (pick(14) == 0) {
        return pf_ir_narrow(s->fn, pf_ir_column(s->fn, 3 + pick(2)), PF_K_I64, 0);
    }
    pf_op op = of[kind].ops[pick(of[kind].n)];
    pf_ref a = value(s, kind);
    if (pf_ops[op].arity == 1) { /* nothing is asked for in vain: an unused column is not read any more */
        return pf_ir_op1(s->fn, op, a, 0);
    }
    return pf_ir_op2(s->fn, op, a, pick(6) == 0 ? a : value(s, kind), 0);
}

static void random_body(scope *s, uint32_t most)
{
    for (uint32_t n = pick(most + 1); n > 0; n--) {
        define(s, random_op(s));
    }
}

static void random_end(scope *s)
{
    uint32_t what = pick(10);
    if (what < 6) {
        pf_ref values[NOUTPUTS] = {value(s, 0), value(s, (int)pick(NKINDS)), value(s, 2)};
        pf_ir_yield(s->fn, NOUTPUTS, values);
    } else if (what < 8) {
        pf_ir_end(s->fn);
    } else if (what == 8) {
        pf_ir_stop(s->fn);
    } else {
        pf_ir_bail(s->fn, 0);
    }
}

static void random_rest(scope *s, int depth, pf_block end);

static void random_jump(scope *s, pf_block to, const int *kinds, uint32_t n)
{
    pf_ref args[3];
    for (uint32_t i = 0; i < n; i++) {
        args[i] = value(s, kinds[i]);
    }
    pf_ir_jump(s->fn, to, n, args);
}

/* branch, two arms (one may be missing, or go on to `end`), and a block where they meet. */
static void random_diamond(scope *s, int depth, pf_block end)
{
    int kinds[3] = {(int)pick(NKINDS), (int)pick(3), 2};
    pf_kinds arg_kinds[3] = {single[kinds[0]], single[kinds[1]], single[kinds[2]]};
    uint32_t n = pick(4);
    pf_block yes = pf_ir_block(s->fn, 0, NULL), no = pf_ir_block(s->fn, 0, NULL),
             join = pf_ir_block(s->fn, n, arg_kinds);
    pf_ref cond = value(s, 2);
    pf_ir_branch(s->fn, cond, yes, 0, NULL, no, 0, NULL);
    int before[NKINDS];
    memcpy(before, s->n, sizeof before);
    for (int arm = 0; arm < 2; arm++) {
        pf_ir_start(s->fn, arm == 0 ? yes : no);
        random_body(s, pick(2) ? 0 : 3);
        if (arm == 1 && end != PF_NOBLOCK && pick(3) == 0) {
            pf_ir_jump(s->fn, end, 0, NULL);
            s->end_used = true;
        } else {
            random_jump(s, join, kinds, n);
        }
        memcpy(s->n, before, sizeof before);
    }
    pf_ir_start(s->fn, join);
    for (uint32_t i = 0; i < n; i++) {
        define(s, pf_ir_arg(s->fn, join, i));
    }
    random_rest(s, depth, end);
}

/* branch cond, next, end: filters and short circuits. */
static void random_filter(scope *s, int depth, pf_block end)
{
    pf_block next = pf_ir_block(s->fn, 0, NULL);
    pf_ref cond = value(s, 2);
    s->end_used = true;
    if (pick(2)) {
        pf_ir_branch(s->fn, cond, next, 0, NULL, end, 0, NULL);
    } else {
        pf_ir_branch(s->fn, cond, end, 0, NULL, next, 0, NULL);
    }
    pf_ir_start(s->fn, next);
    random_rest(s, depth, end);
}

static void random_split(scope *s, int depth, pf_block end)
{
    pf_block ways[2] = {pf_ir_block(s->fn, 0, NULL), pf_ir_block(s->fn, 0, NULL)};
    pf_ir_branch(s->fn, value(s, 2), ways[0], 0, NULL, ways[1], 0, NULL);
    int before[NKINDS];
    memcpy(before, s->n, sizeof before);
    for (int i = 0; i < 2; i++) {
        pf_ir_start(s->fn, ways[i]);
        random_rest(s, depth, end);
        memcpy(s->n, before, sizeof before);
    }
}

static void random_rest(scope *s, int depth, pf_block end)
{
    random_body(s, 4);
    uint32_t what = depth > 0 ? pick(5) : 0;
    if (what == 0) {
        random_end(s);
    } else if (what == 1) {
        random_split(s, depth - 1, end);
    } else if (what == 2 && end != PF_NOBLOCK) {
        random_filter(s, depth - 1, end);
    } else {
        random_diamond(s, depth - 1, end);
    }
}

static pf_fn *random_program(void)
{
    static scope s;
    memset(&s, 0, sizeof s);
    s.fn = pf_ir_new();
    for (uint32_t i = 0; i < NCOLUMNS; i++) {
        (void)pf_ir_add_column(s.fn, column_kinds[i], PF_FROM_SOURCE, i);
    }
    for (uint32_t i = 0; i < NPARAMS; i++) {
        (void)pf_ir_add_param(s.fn, param_kinds[i]);
    }
    (void)pf_ir_add_string(s.fn, "a");
    (void)pf_ir_add_string(s.fn, "");
    pf_block end = pf_ir_block(s.fn, 0, NULL);
    random_rest(&s, 1 + (int)pick(5), end);
    memset(s.n, 0, sizeof s.n);
    pf_ir_start(s.fn, end);
    if (s.end_used && pick(3) == 0) {
        random_end(&s);
    } else {
        pf_ir_end(s.fn);
    }
    char error[200] = "";
    if (pf_ir_finish(s.fn, error, sizeof error) != PF_OK) {
        fail_msg("%s", error);
    }
    return s.fn;
}

static pf_str_view view(uint64_t handle)
{
    static const char *const texts[] = {"", "a", "b", "a"};
    return (pf_str_view){(uint32_t)strlen(texts[handle]), 1, texts[handle]};
}

static pf_scalar random_scalar(pf_kinds kinds)
{
    pf_kinds kind;
    do {
        kind = single[pick(NKINDS)];
    } while ((kind & kinds) == 0);
    pf_scalar s = {.kind = kind};
    if (kind == PF_K_I64) {
        s.u.i = pick(3) ? (int64_t)pick(12) - 4 : small_i64();
    } else if (kind == PF_K_F64) {
        s.u.f = small_f64();
    } else {
        s.u.handle = kind == PF_K_BOOL ? pick(2) : kind == PF_K_STR ? pick(4) : 0;
    }
    return s;
}

static bool same_scalar(const pf_scalar *a, const pf_scalar *b)
{
    if (a->kind == PF_K_F64 && b->kind == PF_K_F64 && isnan(a->u.f) && isnan(b->u.f)) {
        return true;
    }
    return a->kind == b->kind && (a->u.i == b->u.i || a->kind == PF_K_NONE);
}

static bool same_row(const pf_fn *before, const pf_fn *after, const pf_eval_in *in)
{
    pf_scalar x[NOUTPUTS], y[NOUTPUTS];
    pf_eval_out a, b;
    assert_int_equal(pf_eval_row(before, in, x, &a), PF_OK);
    assert_int_equal(pf_eval_row(after, in, y, &b), PF_OK);
    bool same = a.how == b.how;
    for (uint32_t i = 0; i < before->noutputs && same && a.how == PF_OP_yield; i++) {
        same = same_scalar(&x[i], &y[i]);
    }
    return same;
}

static void assert_same(const pf_fn *before, const pf_fn *after, int rows)
{
    static char x[TEXT], y[TEXT];
    uint64_t strings[2] = {1, 0};
    while (rows-- > 0) {
        pf_scalar columns[NCOLUMNS], params[NPARAMS];
        for (int i = 0; i < NCOLUMNS; i++) {
            columns[i] = random_scalar(pick(40) ? column_kinds[i] : PF_K_ALL);
        }
        for (int i = 0; i < NPARAMS; i++) {
            params[i] = random_scalar(param_kinds[i]);
        }
        pf_eval_in in = {columns, params, strings, view, (int64_t)pick(5), NULL};
        if (!same_row(before, after, &in)) {
            print(before, x);
            print(after, y);
            print_error("%s\n--- becomes\n%s\n", x, y);
            fail_msg("rows end differently");
        }
    }
}

static pf_fn *copy_of(const pf_fn *fn)
{
    static char text[TEXT], again[TEXT];
    print(fn, text);
    pf_fn *copy = parse(text);
    print(copy, again);
    assert_string_equal(again, text);
    return copy;
}

static void test_random_programs(void **state)
{
    (void)state;
    pf_rewrite_log log = {{0}, 0};
    for (int i = 0; i < 4000; i++) {
        pf_fn *fn = random_program(), *copy = copy_of(fn);
        pf_rewrite_options options = {{false}};
        for (int r = 0; r < PF_RULE_COUNT && i % 4 == 0; r++) {
            options.off[r] = pick(3) == 0;
        }
        assert_int_equal(pf_rewrite_run(copy, i % 4 == 0 ? &options : NULL, &log), PF_OK);
        assert_int_equal(pf_ir_verify(copy, NULL, 0), PF_OK);
        assert_same(fn, copy, 24);
        pf_ir_free(copy);
        pf_ir_free(fn);
    }
    for (int r = 0; r < PF_RULE_COUNT; r++) { /* the programs are worth their time */
        bool pass = pf_rules[r].from == NULL;
        if (pass && log.fired[r] == 0) {
            fail_msg("%s never fired", pf_rules[r].name);
        }
    }
}

/* Everything rewritten: a second run finds nothing. */
static void test_settles(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++) {
        pf_fn *fn = random_program();
        pf_rewrite_log first = {{0}, 0}, second = {{0}, 0};
        assert_int_equal(pf_rewrite_run(fn, NULL, &first), PF_OK);
        assert_int_equal(pf_rewrite_run(fn, NULL, &second), PF_OK);
        assert_in_range(first.rounds, 1, 15);
        for (int r = 0; r < PF_RULE_COUNT; r++) {
            if (second.fired[r] != 0 && r != PF_RULE_kind_known) {
                fail_msg("%s fires again", pf_rules[r].name);
            }
        }
        pf_ir_free(fn);
    }
}

/* ---- range_stride ---- */

static const char *const filters[] = {
    "  %t = eq.i64 %m, %r\n  branch %t, keep, out\n",
    "  %t = ne.i64 %m, %r\n  branch %t, out, keep\n",
    "  %t = eq.i64 %m, %r\n  %g = gt.i64 %x, 5\n  %u = and.bool %t, %g\n  branch %u, keep, out\n",
    "  %t = truth.i64 %m\n  branch %t, out, keep\n",
    "  %t = truth.i64 %m\n  branch %t, keep, out\n",
};

static void check_stride(const char *filter, bool by_param, int64_t modulus, int64_t residue, int64_t start,
                         int64_t step, int64_t n)
{
    char text[1000];
    int used = by_param ? snprintf(text, sizeof text, "param 0: i64\nparam 1: i64\n") : 0;
    used += snprintf(text + used, sizeof text - (size_t)used, "column 0: i64 from source 0\nb0:\n  %%x = column 0\n");
    if (by_param) {
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "  %%c = param 0\n  %%r = param 1\n  %%m = mod.i64 %%x, %%c\n%s", filter);
    } else {
        char with[400] = "";
        const char *at = strstr(filter, "%r");
        (void)snprintf(with, sizeof with, "%.*s%lld%s", at != NULL ? (int)(at - filter) : (int)strlen(filter), filter,
                       (long long)residue, at != NULL ? at + 2 : "");
        if (at == NULL) {
            (void)snprintf(with, sizeof with, "%s", filter);
        }
        used += snprintf(text + used, sizeof text - (size_t)used, "  %%m = mod.i64 %%x, %lld\n%s", (long long)modulus,
                         with);
    }
    (void)snprintf(text + used, sizeof text - (size_t)used,
                   "keep:\n  %%y = sub.i64 %%x, 3\n  yield %%y, %%m\nout:\n  end\n");
    pf_fn *fn = parse(text), *strided;
    pf_stride stride;
    pf_stride_rows rows;
    pf_scalar params[2] = {{.kind = PF_K_I64, .u.i = modulus}, {.kind = PF_K_I64, .u.i = residue}}, item, x[2], y[2];
    pf_eval_in in = {&item, params, NULL, NULL, 0, NULL};
    pf_eval_out a, b;
    bool odd = filter == filters[4];
    bool found = pf_rewrite_find_stride(fn, 0, &stride);
    assert_int_equal(found, !odd || (!by_param && modulus == 2));
    if (!found || !pf_stride_apply(&stride, params, start, step, n, &rows)) {
        assert_true(!found || modulus == 0);
        pf_ir_free(fn);
        return;
    }
    assert_int_equal(pf_rewrite_with_stride(fn, &stride, NULL, NULL, &strided), PF_OK);
    assert_int_equal(pf_ir_verify(strided, NULL, 0), PF_OK);
    int64_t next = rows.first_row, left = rows.n;
    for (int64_t i = 0; i < n; i++) {
        item = (pf_scalar){.kind = PF_K_I64, .u.i = start + i * step};
        assert_int_equal(pf_eval_row(fn, &in, x, &a), PF_OK);
        if (left == 0 || i != next) {
            assert_int_equal(a.how, PF_OP_end);
            continue;
        }
        assert_int_equal(pf_eval_row(strided, &in, y, &b), PF_OK);
        assert_int_equal(a.how, b.how);
        assert_true(a.how != PF_OP_yield || (x[0].u.i == y[0].u.i && x[1].u.i == y[1].u.i));
        next += rows.row_step;
        left--;
    }
    assert_int_equal(left, 0);
    pf_ir_free(strided);
    pf_ir_free(fn);
}

static void test_range_stride(void **state)
{
    (void)state;
    static const int64_t moduli[] = {2, 3, 1, -4, 12, 7, 0, INT64_MAX, INT64_MIN};
    static const int64_t steps[] = {1, 2, -1, -3, 6, 12, 1000003};
    for (int i = 0; i < 3000; i++) {
        int64_t modulus = moduli[pick(9)], residue = (int64_t)pick(16) - 4;
        int64_t start = pick(8) ? (int64_t)pick(50) - 25 : INT64_MIN + (int64_t)pick(9), step = steps[pick(7)];
        start = step < 0 && start < -100 ? INT64_MAX : start;
        uint32_t filter = pick(5);
        check_stride(filters[filter], filter < 4 && pick(2), modulus, filter > 2 ? 0 : residue, start, step,
                     (int64_t)pick(40));
    }
}

static void test_no_stride(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "  %y = row\n  %m = mod.i64 %x, 3\n  %t = eq.i64 %m, 0\n  branch %t, keep(%y), out\n", /* row number */
        "  %y = mul.i64 %x, %x\n  %m = mod.i64 %x, 3\n  %t = eq.i64 %m, 0\n  branch %t, keep(%y), out\n", /* may bail */
        "  %y = column 1\n  %m = mod.i64 %x, 3\n  %t = eq.i64 %m, 0\n  branch %t, keep(%y), out\n", /* other column */
        "  %m = mod.i64 %x, 3\n  %t = ne.i64 %m, 0\n  branch %t, keep(%x), out\n",                  /* the others */
        "  %m = mod.i64 %x, 3\n  %t = truth.i64 %m\n  branch %t, keep(%x), out\n",                  /* two of three */
        "  jump keep(%x)\n",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char text[600];
        (void)snprintf(text, sizeof text,
                       "column 0: i64 from source 0\ncolumn 1: i64 from source 1\nb0:\n  %%x = column 0\n%s"
                       "keep(%%z: i64):\n  yield %%z\nout:\n  end\n",
                       refused[i]);
        pf_fn *fn = parse(text);
        pf_stride stride;
        assert_false(pf_rewrite_find_stride(fn, 0, &stride));
        pf_ir_free(fn);
    }
}

/* ---- memory ---- */

static void test_memory(void **state)
{
    (void)state;
    static char before[TEXT], after[TEXT];
    for (int i = 0; i < 8; i++) {
        pf_fn *fn = random_program();
        int64_t live = pf_mem_live();
        pf_status status = PF_NOMEM;
        print(fn, before);
        for (int64_t n = 0; status != PF_OK; n++) {
            pf_mem_fail_after(n);
            status = pf_rewrite_run(fn, NULL, NULL);
            pf_mem_fail_after(-1);
            assert_true(status == PF_OK || status == PF_NOMEM);
            print(fn, after);
            if (status == PF_NOMEM) {
                assert_int_equal(pf_mem_live(), live);
                assert_string_equal(after, before);
            }
        }
        pf_ir_free(fn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule),
        cmocka_unit_test(test_names_and_patterns),
        cmocka_unit_test(test_kinds_stay_checked),
        cmocka_unit_test(test_random_programs),
        cmocka_unit_test(test_settles),
        cmocka_unit_test(test_range_stride),
        cmocka_unit_test(test_no_stride),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

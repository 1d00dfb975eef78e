/* Plans that count, against the evaluator row by row.
 *
 * The program has a counter below a filter and a second one on one side of a branch, and yields what they say. Rows of another kind
 * fail: the driver decides what they count, as the embedding program would, and tells the run. At every event the run's
 * counters have to be those of the model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../ir/eval.h"
#include "../run/run.h"

#ifdef PF_SANITIZED
enum { ROWS = 9000 };
#else
enum { ROWS = 40000 };
#endif
enum { COUNTERS = 2 };
static const int64_t STOPPER = (int64_t)1 << 40;

static const char *const program = "column 0: i64 from source 0\n"
                                   "b0:\n"
                                   "  %x:i64 = column 0\n"
                                   "  %m = mod.i64 %x, 3\n"
                                   "  %d = eq.i64 %m, 1\n"
                                   "  branch %d, dropped, kept\n"
                                   "dropped:\n"
                                   "  end\n"
                                   "kept:\n"
                                   "  %k = rank 0\n"
                                   "  %s = eq.i64 %x, 1099511627776\n"
                                   "  branch %s, stopping, going\n"
                                   "stopping:\n"
                                   "  stop\n"
                                   "going:\n"
                                   "  %o = mod.i64 %k, 4\n"
                                   "  %t = truth.i64 %o\n"
                                   "  branch %t, some, last(%k)\n"
                                   "some:\n"
                                   "  %n = rank 1\n"
                                   "  jump last(%n)\n"
                                   "last(%v: i64):\n"
                                   "  %r = row\n"
                                   "  yield %v, %r\n";

typedef struct test {
    int64_t x[ROWS];
    uint8_t kind[ROWS];
    int64_t row, outputs;          /* the model: rows done, and what they yielded */
    int64_t counts[COUNTERS];
    int64_t values[ROWS], rows[ROWS];
    int64_t absorbed;              /* outputs the run gave, or for a sum how many */
    __int128 isum, model_sum;
    int64_t fail_at;               /* the piece whose absorb fails, -1 */
    pf_plan plan;
    pf_run *run;
} test;

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    test *t = ctx;
    memcpy(columns[0].data, t->x + row0, (size_t)n * 8);
    memcpy(kind_memory[0], t->kind + row0, (size_t)n);
    columns[0].seen = 0;
    for (int32_t i = 0; i < n; i++) {
        columns[0].seen |= t->kind[row0 + i];
    }
    columns[0].kind = pf_kinds_single(columns[0].seen) ? NULL : kind_memory[0];
    columns[0].lo = INT64_MIN;
    columns[0].hi = INT64_MAX;
    return PF_OK;
}

static pf_status absorb(void *ctx, const pf_piece *piece)
{
    test *t = ctx;
    if (t->fail_at >= 0 && t->fail_at-- == 0) {
        return PF_CALLBACK;
    }
    for (int64_t i = 0; t->plan.sink != PF_SINK_ISUM && i < piece->count; i++) {
        t->values[t->absorbed + i] = ((const int64_t *)piece->columns[0].data)[i];
        t->rows[t->absorbed + i] = ((const int64_t *)piece->columns[1].data)[i];
        assert_int_equal(piece->rows[i], t->rows[t->absorbed + i]);
    }
    t->isum += piece->isum;
    t->absorbed += piece->count;
    return PF_OK;
}

/* One row of the model; true: it stops. */
static bool model_row(test *t)
{
    pf_scalar column = {.kind = t->kind[t->row], .u.i = t->x[t->row]}, values[2];
    pf_eval_in in = {.columns = &column, .row = t->row, .counts = t->counts};
    pf_eval_out out;
    int64_t before[COUNTERS];
    memcpy(before, t->counts, sizeof before);
    assert_int_equal(pf_eval_row(t->plan.stages[0].fn, &in, values, &out), PF_OK);
    if (out.how == PF_OP_stop) {
        memcpy(t->counts, before, sizeof before);
        return true;
    }
    assert_int_not_equal(out.how, PF_OP_bail);
    if (out.how == PF_OP_yield) {
        if (t->plan.sink != PF_SINK_ISUM) {
            assert_int_equal(t->values[t->outputs], values[0].u.i);
            assert_int_equal(t->rows[t->outputs], t->row);
        }
        t->model_sum += values[0].u.i;
        t->outputs++;
    }
    t->row++;
    return false;
}

static void model_to(test *t, int64_t row)
{
    int64_t counts[COUNTERS];
    while (t->row < row) {
        assert_false(model_row(t));
    }
    assert_int_equal(t->outputs, t->absorbed);
    assert_true(t->plan.sink != PF_SINK_ISUM || t->isum == t->model_sum);
    assert_int_equal(pf_run_counts(t->run, row, counts), PF_OK);
    assert_memory_equal(counts, t->counts, sizeof counts);
}

/* The failed row counts what its number says; sometimes rows behind it are done elsewhere too. */
static void pass_failed(test *t, int64_t row)
{
    int64_t beyond = row % 5 == 0 ? 1 + row % 70 : 0;
    t->counts[0] += row % 2;
    t->counts[1] += row % 3 == 0;
    t->row = row + 1;
    for (int64_t i = 0; i < beyond && t->row < ROWS; i++) {
        t->counts[0] += t->row++ % 2;
    }
    pf_run_go_on(t->run, t->row, t->counts);
}

static void drive(test *t, pf_sink_kind sink, const pf_run_config *config, int64_t fail_at)
{
    char error[200] = "";
    pf_hooks hooks = {.ctx = t, .gather = gather, .absorb = absorb};
    t->plan = (pf_plan){.nstages = 1, .sink = sink, .fold_block = 100};
    assert_int_equal(pf_ir_parse(program, &t->plan.stages[0].fn, error, sizeof error), PF_OK);
    assert_int_equal(pf_plan_compile(&t->plan), PF_OK);
    memset(t->counts, 0, sizeof t->counts);
    t->row = t->outputs = t->absorbed = 0;
    t->isum = t->model_sum = 0;
    t->fail_at = fail_at;
    assert_int_equal(pf_run_new(&t->plan, config, &hooks, &t->run), PF_OK);
    for (bool going = true; going;) {
        pf_event_info info;
        switch (pf_run_advance(t->run, &info)) {
        case PF_EVENT_FAILED:
            model_to(t, info.row);
            assert_int_not_equal(t->kind[info.row], PF_K_I64);
            pass_failed(t, info.row);
            break;
        case PF_EVENT_TICK:
            model_to(t, pf_run_frontier(t->run));
            break;
        case PF_EVENT_STOP:
            model_to(t, info.row);
            assert_true(model_row(t));
            going = false;
            break;
        case PF_EVENT_END:
            model_to(t, ROWS);
            going = false;
            break;
        case PF_EVENT_ERROR: { /* the piece was not taken: somewhere in it CPython goes on */
            assert_int_equal(info.status, PF_CALLBACK);
            model_to(t, pf_run_frontier(t->run));
            int64_t ahead = t->outputs, row = t->row + t->row % 50;
            for (int64_t r = t->row; r < row && r < ROWS && t->kind[r] == PF_K_I64 && t->x[r] != STOPPER; r++) {
                pf_scalar column = {.kind = PF_K_I64, .u.i = t->x[r]}, values[2];
                pf_eval_in in = {.columns = &column, .row = r, .counts = t->counts};
                pf_eval_out out;
                assert_int_equal(pf_eval_row(t->plan.stages[0].fn, &in, values, &out), PF_OK);
                t->row = r + 1;
            }
            t->outputs = ahead;
            int64_t counts[COUNTERS];
            assert_int_equal(pf_run_counts(t->run, t->row, counts), PF_OK);
            assert_memory_equal(counts, t->counts, sizeof counts);
            pf_run_go_on(t->run, t->row, counts);
            break;
        }
        }
    }
    pf_run_free(t->run);
    pf_plan_clear(&t->plan);
}

static test *new_test(int64_t fail_every, int64_t stop_at)
{
    test *t = calloc(1, sizeof *t);
    uint64_t random = 88172645463325252u;
    for (int64_t i = 0; i < ROWS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        t->x[i] = (int64_t)(random >> 50);
        t->kind[i] = fail_every > 0 && random % (uint64_t)fail_every == 0 ? PF_K_NONE : PF_K_I64;
    }
    if (stop_at >= 0) {
        t->x[stop_at] = STOPPER;
        t->kind[stop_at] = PF_K_I64;
    }
    return t;
}

static void counts_follow(void **state)
{
    (void)state;
    static const int64_t fails[] = {0, 3000, 150, 11}, stops[] = {-1, 0, 1, 63, 64, 1500, 8000};
    static const pf_sink_kind sinks[] = {PF_SINK_COLLECT, PF_SINK_ISUM, PF_SINK_FOLD};
    for (size_t f = 0; f < sizeof fails / sizeof *fails; f++) {
        for (size_t s = 0; s < sizeof stops / sizeof *stops; s++) {
            test *t = new_test(fails[f], stops[s]);
            for (int way = 0; way < 12; way++) {
                pf_run_config config = {.threads = way & 1 ? 3 : 1, .min_rows = way & 1, .rows = ROWS, .want_rows = true,
                                        .window_ns = way & 2 ? 1 : 5000000};
                drive(t, sinks[way % 3], &config, way < 6 ? -1 : way - 6);
            }
            free(t);
        }
    }
}

/* What the verifier and the rewriter hold to: see test_ir, test_rewrite. */
static void one_counter_counts_once(void **state)
{
    (void)state;
    char error[200] = "";
    pf_fn *fn = NULL;
    const char *twice = "b0:\n  %a = rank 0\n  %b = rank 0\n  yield %a, %b\n";
    assert_int_equal(pf_ir_parse(twice, &fn, error, sizeof error), PF_INVALID);
    assert_non_null(strstr(error, "counts elsewhere"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_follow),
        cmocka_unit_test(one_counter_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

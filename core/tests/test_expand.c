/* Nested `for`s against three loops in C.
 *
 * sum and list of `f(x, j, k) for x in xs for j in range(x % 7) for k in range(0, j * 300 % 11, 1 + j % 2)`, with rows
 * that fail or stop on any stage. Inner ranges are empty, short, and longer than a vector; a source row fails whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/mem.h"
#include "../run/run.h"

/* FAIL_j makes a row overflow on stage j, STOP_j stops there, ZERO makes a range with step 0. LONG has long inner loops. */
enum { PLAIN, FAIL_0, FAIL_1, FAIL_2, STOP_0, STOP_1, STOP_2, ZERO, LONG, KINDS };

static const char *const outer = "column 0: i64 from source 0\n"
                                 "column 1: i64 from source 1\n"
                                 "b0:\n"
                                 "  %x:i64 = column 0\n"
                                 "  %what:i64 = column 1\n"
                                 "  %f = eq.i64 %what, 1\n"
                                 "  branch %f, failing, b1\n"
                                 "failing:\n"
                                 "  bail\n"
                                 "b1:\n"
                                 "  %s = eq.i64 %what, 4\n"
                                 "  branch %s, stopping, b2\n"
                                 "stopping:\n"
                                 "  stop\n"
                                 "b2:\n"
                                 "  %n = mod.i64 %x, 7\n"
                                 "  %long = eq.i64 %what, 8\n"
                                 "  %m = select %long, 3000, %n\n"
                                 "  yield 0, %m, 1, %x, %what\n";

static const char *const middle = "column 0: i64 from inner 0\n"
                                  "column 1: i64 from parent 3\n"
                                  "column 2: i64 from parent 4\n"
                                  "b0:\n"
                                  "  %j:i64 = column 0\n"
                                  "  %x:i64 = column 1\n"
                                  "  %what:i64 = column 2\n"
                                  "  %third = eq.i64 %j, 2\n"
                                  "  branch %third, maybe, going\n"
                                  "maybe:\n"
                                  "  %f = eq.i64 %what, 2\n"
                                  "  branch %f, failing, b1\n"
                                  "failing:\n"
                                  "  bail\n"
                                  "b1:\n"
                                  "  %s = eq.i64 %what, 5\n"
                                  "  branch %s, stopping, going\n"
                                  "stopping:\n"
                                  "  stop\n"
                                  "going:\n"
                                  "  %z = eq.i64 %what, 7\n"
                                  "  %a = mul.i64 %j, 300\n"
                                  "  %b = mod.i64 %a, 11\n"
                                  "  %c = mod.i64 %j, 2\n"
                                  "  %d = add.i64 %c, 1\n"
                                  "  %e = select %z, 0, %d\n"
                                  "  yield 0, %b, %e, %x, %j, %what\n";

static const char *const inner = "column 0: i64 from inner 0\n"
                                 "column 1: i64 from parent 3\n"
                                 "column 2: i64 from parent 4\n"
                                 "column 3: i64 from parent 5\n"
                                 "b0:\n"
                                 "  %k:i64 = column 0\n"
                                 "  %x:i64 = column 1\n"
                                 "  %j:i64 = column 2\n"
                                 "  %what:i64 = column 3\n"
                                 "  %third = eq.i64 %k, 2\n"
                                 "  branch %third, maybe, going\n"
                                 "maybe:\n"
                                 "  %f = eq.i64 %what, 3\n"
                                 "  branch %f, failing, b1\n"
                                 "failing:\n"
                                 "  bail\n"
                                 "b1:\n"
                                 "  %s = eq.i64 %what, 6\n"
                                 "  branch %s, stopping, going\n"
                                 "stopping:\n"
                                 "  stop\n"
                                 "going:\n"
                                 "  %even = mod.i64 %k, 4\n"
                                 "  %drop = eq.i64 %even, 3\n"
                                 "  branch %drop, dropped, kept\n"
                                 "dropped:\n"
                                 "  end\n"
                                 "kept:\n"
                                 "  %a = mul.i64 %x, 1000\n"
                                 "  %b = mul.i64 %j, 10\n"
                                 "  %c = add.i64 %a, %b\n"
                                 "  %d = add.i64 %c, %k\n"
                                 "  yield %d\n";

typedef struct ask {
    pf_sink_kind sink;
    int threads;
    int64_t min_rows, window_ns;
    bool pausing;
    bool items; /* the last stage's items come from the expand hook */
} ask;

typedef struct sink {
    const ask *how;
    int64_t *x, *what, rows;
    int64_t *values, *from, count, capacity;
    __int128 isum;
} sink;

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    (void)kind_memory;
    sink *k = ctx;
    const int64_t *from[] = {k->x, k->what};
    for (int c = 0; c < 2; c++) {
        memcpy(columns[c].data, from[c] + row0, (size_t)n * 8);
        columns[c].kind = NULL;
        columns[c].seen = PF_K_I64;
        columns[c].lo = INT64_MIN;
        columns[c].hi = INT64_MAX;
    }
    return PF_OK;
}

/* The items of `item` are item * 10 + 0, 1, 2 ... as many as item % 5 says; 3 of them fail the row. */
static pf_status expand(void *ctx, int stage, const pf_inner *inner, pf_vec *columns, uint8_t *const *kind_memory,
                        int32_t *taken)
{
    (void)ctx;
    (void)kind_memory;
    assert_int_equal(stage, 0);
    assert_true(inner->n > 0 && inner->want > 0 && inner->lane + inner->want <= PF_LANES);
    int32_t lane = inner->lane, end = lane + inner->want, c = 0;
    int64_t offset = inner->offset;
    for (bool failed = false; c < inner->n && lane < end && !failed; c++, offset = 0) {
        int64_t item = (int64_t)inner->containers[c], count = ((item % 5) + 5) % 5, left = count - offset;
        failed = count == 3;
        inner->children[c] = failed ? -1 : (int32_t)(left < end - lane ? left : end - lane);
        for (int32_t i = 0; i < inner->children[c]; i++) {
            int64_t v = item * 10 + offset + i;
            ((int64_t *)columns[0].data)[lane++] = v;
            columns[0].seen |= PF_K_I64;
            columns[0].lo = v < columns[0].lo ? v : columns[0].lo;
            columns[0].hi = v > columns[0].hi ? v : columns[0].hi;
        }
    }
    *taken = c;
    return PF_OK;
}

static pf_status absorb(void *ctx, const pf_piece *p)
{
    sink *k = ctx;
    k->isum += p->isum;
    if (k->how->sink == PF_SINK_COLLECT) {
        while (k->count + p->count > k->capacity) {
            k->capacity = k->capacity * 2 + 1024;
            k->values = realloc(k->values, (size_t)k->capacity * 8);
            k->from = realloc(k->from, (size_t)k->capacity * 8);
        }
        memcpy(k->values + k->count, p->columns[0].data, (size_t)p->count * 8);
        memcpy(k->from + k->count, p->rows, (size_t)p->count * 8);
    }
    k->count += p->count;
    return PF_OK;
}

/* ---- the model ---- */

typedef struct model {
    int64_t row, count;
    __int128 isum;
} model;

static void model_value(model *m, const sink *k, int64_t value)
{
    if (k->how->sink == PF_SINK_COLLECT) {
        assert_true(m->count < k->count);
        assert_int_equal(k->values[m->count], value);
        assert_int_equal(k->from[m->count], m->row);
    }
    m->isum += value;
    m->count++;
}

/* What becomes of row `row`: END_* of the event, or -1 when it is good; values go to the model when `m` is given. */
static int model_row(model *m, const sink *k, int64_t row)
{
    int64_t x = k->x[row], what = k->what[row];
    if (k->how->items) {
        int64_t count = ((x % 5) + 5) % 5;
        for (int64_t i = 0; m != NULL && count != 3 && i < count; i++) {
            model_value(m, k, x * 10 + i - x);
        }
        return count == 3 ? PF_EVENT_FAILED : -1;
    }
    if (what == FAIL_0 || what == STOP_0) {
        return what == FAIL_0 ? PF_EVENT_FAILED : PF_EVENT_STOP;
    }
    int64_t js = what == LONG ? 3000 : ((x % 7) + 7) % 7;
    for (int64_t j = 0; j < js; j++) {
        if (j == 2 && (what == FAIL_1 || what == STOP_1)) {
            return what == FAIL_1 ? PF_EVENT_FAILED : PF_EVENT_STOP;
        }
        if (what == ZERO) {
            return PF_EVENT_FAILED;
        }
        for (int64_t i = 0; i < j * 300 % 11; i += 1 + j % 2) {
            if (i == 2 && (what == FAIL_2 || what == STOP_2)) {
                return what == FAIL_2 ? PF_EVENT_FAILED : PF_EVENT_STOP;
            }
            if (i % 4 != 3 && m != NULL) {
                model_value(m, k, x * 1000 + j * 10 + i);
            }
        }
    }
    return -1;
}

static void model_to(model *m, const sink *k, int64_t row)
{
    for (; m->row < row; m->row++) {
        assert_int_equal(model_row(NULL, k, m->row), -1);
        model_row(m, k, m->row);
    }
    assert_int_equal(m->count, k->count);
    assert_true(k->how->sink != PF_SINK_ISUM || m->isum == k->isum);
}

/* ---- the driver ---- */

static void plan_make(pf_plan *plan, const ask *how)
{
    static const char *const pairs = "column 0: i64 from source 0\n"
                                     "column 1: i64 from source 1\n"
                                     "b0:\n"
                                     "  %x:i64 = column 0\n"
                                     "  yield %x\n";
    static const char *const differences = "column 0: i64 from inner 0\n"
                                           "column 1: i64 from parent 0\n"
                                           "b0:\n"
                                           "  %i:i64 = column 0\n"
                                           "  %x:i64 = column 1\n"
                                           "  %d = sub.i64 %i, %x\n"
                                           "  yield %d\n";
    const char *texts[] = {how->items ? pairs : outer, how->items ? differences : middle, inner};
    *plan = (pf_plan){.nstages = how->items ? 2 : 3, .sink = how->sink};
    for (int s = 0; s < plan->nstages; s++) {
        char error[200] = "";
        pf_status status = pf_ir_parse(texts[s], &plan->stages[s].fn, error, sizeof(error));
        assert_string_equal(error, "");
        assert_int_equal(status, PF_OK);
        plan->stages[s].expand = s == plan->nstages - 1 ? PF_EXPAND_LAST : how->items ? PF_EXPAND_ITEMS : PF_EXPAND_RANGE;
    }
    assert_int_equal(pf_plan_compile(plan), PF_OK);
}

/* Returns how many errors (memory) came on the way. */
static int drive(const ask *how, int64_t *x, int64_t *what, int64_t rows, int64_t fail_after)
{
    pf_plan plan;
    plan_make(&plan, how);
    sink k = {.how = how, .x = x, .what = what, .rows = rows};
    pf_run_config config = {.threads = how->threads, .min_rows = how->min_rows, .window_ns = how->window_ns, .rows = rows,
                            .want_rows = true, .may_pause = how->pausing};
    pf_hooks hooks = {.ctx = &k, .gather = gather, .expand = expand, .absorb = absorb};
    pf_run *run;
    int errors = 0;
    pf_mem_fail_after(fail_after);
    if (pf_run_new(&plan, &config, &hooks, &run) != PF_OK) {
        errors++;
        assert_int_equal(pf_run_new(&plan, &config, &hooks, &run), PF_OK);
    }
    model m = {0};
    for (bool going = true; going;) {
        pf_event_info info;
        pf_event event = pf_run_advance(run, &info);
        int64_t row = event == PF_EVENT_FAILED || event == PF_EVENT_STOP ? info.row : pf_run_frontier(run);
        model_to(&m, &k, row);
        if (event == PF_EVENT_FAILED || event == PF_EVENT_STOP) {
            assert_int_equal(model_row(NULL, &k, row), event);
            m.row++; /* going on after a stop is allowed too */
        }
        assert_true(event != PF_EVENT_ERROR || info.status == PF_NOMEM);
        errors += event == PF_EVENT_ERROR;
        going = event != PF_EVENT_END;
    }
    pf_mem_fail_after(-1);
    model_to(&m, &k, rows);
    pf_run_free(run);
    pf_plan_clear(&plan);
    free(k.values);
    free(k.from);
    return errors;
}

static void drive_in_all_ways(int64_t *x, int64_t *what, int64_t rows, bool items)
{
    static const pf_sink_kind sinks[] = {PF_SINK_COLLECT, PF_SINK_ISUM, PF_SINK_COUNT};
    for (int way = 0; way < 18; way++) {
        ask how = {.sink = sinks[way / 6], .pausing = way % 3 == 2, .threads = way & 1 ? 3 : 1, .min_rows = way & 1,
                   .window_ns = way % 3 ? 1 : 5000000, .items = items};
        drive(&how, x, what, rows, -1);
    }
}

static void fill(int64_t *x, int64_t *what, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        x[i] = (i * 7919) % 1000;
        what[i] = PLAIN;
    }
}

#ifdef PF_SANITIZED
enum { ROWS = 1300, STEP = 11 }; /* the sanitizers are slow */
#else
enum { ROWS = 3000, STEP = 1 };
#endif
static int64_t xs[ROWS], whats[ROWS];

static void no_trouble(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0, 1, 2, 100, 1023, 1024, 1025, ROWS};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(xs, whats, sizes[i]);
        drive_in_all_ways(xs, whats, sizes[i], false);
    }
}

static void one_row_in_trouble(void **state)
{
    (void)state;
    for (int kind = FAIL_0; kind < KINDS; kind++) {
        for (int64_t at = 0; at < 1200; at += at < 10 ? STEP : 131 * STEP) {
            fill(xs, whats, 1200);
            xs[at] = 6; /* so that all loops turn */
            whats[at] = kind;
            drive_in_all_ways(xs, whats, 1200, false);
        }
    }
}

static void many_rows_in_trouble(void **state)
{
    (void)state;
    for (int every = 1; every < 300; every = every * 3 * STEP + 1) {
        int64_t rows = ROWS / STEP;
        fill(xs, whats, rows);
        for (int64_t i = 0; i < rows; i += every) {
            whats[i] = (int64_t)((uint64_t)(i * 2654435761) >> 7) % (LONG + (i % 500 == 0));
        }
        drive_in_all_ways(xs, whats, rows, false);
    }
}

static void only_long_rows(void **state)
{
    (void)state;
    fill(xs, whats, 8);
    for (int64_t i = 0; i < 8; i++) {
        whats[i] = LONG;
    }
    drive_in_all_ways(xs, whats, 8, false);
}

static void items_of_the_binding(void **state)
{
    (void)state;
    for (int64_t rows = 0; rows <= ROWS; rows += 1 + rows) {
        fill(xs, whats, rows);
        drive_in_all_ways(xs, whats, rows, true);
        for (int64_t i = 0; i < rows; i++) {
            xs[i] = i % 400 == 399 ? 3 : 4 + 5 * i; /* few failures */
        }
        drive_in_all_ways(xs, whats, rows, true);
    }
}

static void without_memory(void **state)
{
    (void)state;
    fill(xs, whats, 1200);
    for (int64_t i = 0; i < 1200; i += 50) {
        whats[i] = FAIL_2;
    }
    for (int way = 0; way < 2; way++) {
        ask how = {.sink = PF_SINK_COLLECT, .threads = way ? 3 : 1, .min_rows = way, .window_ns = 5000000};
        int errors = 1;
        for (int64_t nth = 0; errors > 0 && nth < 300; nth += STEP) {
            errors = drive(&how, xs, whats, 1200, nth);
        }
        pf_run_quiesce();
    }
}

/* Each row is the sum of so many numbers from 0 on. */
static void plan_of_long_rows(pf_plan *plan, int64_t length)
{
    char first[80];
    snprintf(first, sizeof first, "b0:\n  yield 0, %" PRId64 ", 1\n", length);
    const char *texts[] = {first, "column 0: i64 from inner 0\nb0:\n  %x:i64 = column 0\n  yield %x\n"};
    *plan = (pf_plan){.nstages = 2, .sink = PF_SINK_ISUM};
    for (int s = 0; s < 2; s++) {
        assert_int_equal(pf_ir_parse(texts[s], &plan->stages[s].fn, NULL, 0), PF_OK);
    }
    plan->stages[0].expand = PF_EXPAND_RANGE;
    assert_int_equal(pf_plan_compile(plan), PF_OK);
}

/* A row that would take minutes: windows end on time, the row is never torn, and the run can be given up in the middle. */
static void a_giant_row(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        pf_plan plan;
        plan_of_long_rows(&plan, INT64_C(1000000000000));
        ask how = {.sink = PF_SINK_ISUM};
        sink k = {.how = &how};
        pf_run_config config = {.threads = threads, .min_rows = threads > 1, .window_ns = 1000000, .rows = 5,
                                .may_pause = true};
        pf_hooks hooks = {.ctx = &k, .absorb = absorb};
        pf_run *run;
        assert_int_equal(pf_run_new(&plan, &config, &hooks, &run), PF_OK);
        for (int i = 0; i < 20; i++) {
            pf_event_info info;
            assert_int_equal(pf_run_advance(run, &info), PF_EVENT_TICK);
            assert_int_equal(pf_run_frontier(run), 0);
            if (i == 10) {
                pf_run_drop(run);
            }
        }
        assert_int_equal(k.count, 0);
        pf_run_stats stats;
        pf_run_get_stats(run, &stats);
        assert_int_equal(stats.morsels, 0);
        assert_true(stats.compute_ns > 0);
        pf_run_free(run);
        pf_plan_clear(&plan);
    }
}

/* How often the caller of a run is asked for, and how often it goes. */
static int recalls, asked;

static bool recalled(void *ctx)
{
    (void)ctx;
    asked++;
    return recalls > 0 && recalls-- > 0;
}

/* Rows that cannot be left half-way are given up when the caller is wanted elsewhere, and done anew. */
static void recalled_from_long_rows(void **state)
{
    (void)state;
    enum { LENGTH = STEP == 1 ? 20 * 1000 * 1000 : 1000 * 1000, LONG_ROWS = 5, RECALLS = 4 };
    for (int threads = 1; threads <= 3; threads += 2) {
        pf_plan plan;
        plan_of_long_rows(&plan, LENGTH);
        ask how = {.sink = PF_SINK_ISUM};
        sink k = {.how = &how};
        pf_run_config config = {.threads = threads, .min_rows = threads > 1, .window_ns = 1000000, .rows = LONG_ROWS};
        pf_hooks hooks = {.ctx = &k, .absorb = absorb, .recalled = recalled};
        pf_run *run;
        assert_int_equal(pf_run_new(&plan, &config, &hooks, &run), PF_OK);
        recalls = RECALLS;
        asked = 0;
        pf_event_info info;
        int64_t before = 0;
        for (pf_event event = PF_EVENT_TICK; event == PF_EVENT_TICK;) {
            event = pf_run_advance(run, &info);
            assert_true(event == PF_EVENT_TICK || event == PF_EVENT_END);
            assert_true(pf_run_frontier(run) >= before);
            before = pf_run_frontier(run);
        }
        assert_int_equal(before, LONG_ROWS);
        assert_true(asked > 0 && recalls < RECALLS);
        assert_true(k.isum == (__int128)LENGTH * (LENGTH - 1) / 2 * LONG_ROWS);
        pf_run_free(run);
        pf_plan_clear(&plan);
    }
}

static int clean_up(void **state)
{
    (void)state;
    pf_run_quiesce();
    return pf_mem_live() == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_trouble),           cmocka_unit_test(one_row_in_trouble),
        cmocka_unit_test(many_rows_in_trouble), cmocka_unit_test(only_long_rows),
        cmocka_unit_test(items_of_the_binding), cmocka_unit_test(without_memory),
        cmocka_unit_test(a_giant_row),          cmocka_unit_test(recalled_from_long_rows),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}

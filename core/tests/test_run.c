/* Runs against a model.
 *
 * run_parts.h has the source, the sink and the programs. The model walks the same rows one by one. A driver advances the run to its
 * end and holds every event to the model: all outputs before the event's row are merged, none beyond, each failed row is handed out
 * once and in order.
 * Everything is run with many window lengths, thread counts and ways of dropping what was computed ahead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/mem.h"
#include "../prim/thread.h"
#include "run_parts.h"
#include "random.h"

#ifdef PF_SANITIZED
enum { MAX_ROWS = 200000, STEP = 7 }; /* the sanitizers are slow */
#else
enum { MAX_ROWS = 200000, STEP = 1 };
#endif

/* ---- the model ---- */

static bool is_good(const source *s, int64_t row)
{
    return s->kind == NULL || s->kind[row] == s->good;
}

static bool is_kept(const source *s, int64_t row)
{
    return s->good == PF_K_F64 || ((s->x[row] % 3) + 3) % 3 != 1;
}

/* What the sink must hold when the rows before `row` are merged. */
typedef struct model {
    int64_t row, count;
    __int128 isum;
    sink *k;
    pf_fsum fsum;
    bool has;
    double fbest;
    int64_t ibest, best_row;
} model;

static void model_best(model *m, const source *s)
{
    bool least = m->k->how->sink == PF_SINK_MIN;
    if (s->good == PF_K_F64) {
        double x;
        memcpy(&x, &s->x[m->row], 8);
        if (!m->has || (least ? x < m->fbest : x > m->fbest)) {
            m->fbest = x;
            m->best_row = m->row;
        }
    } else if (!m->has || (least ? s->x[m->row] < m->ibest : s->x[m->row] > m->ibest)) {
        m->ibest = s->x[m->row];
        m->best_row = m->row;
    }
    m->has = true;
}

static void model_row(model *m, const source *s)
{
    if (is_kept(s, m->row)) {
        if (m->k->how->sink == PF_SINK_COLLECT || m->k->how->sink == PF_SINK_FOLD) {
            assert_int_equal(m->k->values[m->count], s->x[m->row]);
            assert_int_equal(m->k->rows[m->count], m->row);
            assert_int_equal(m->k->kinds[m->count], s->good);
        }
        m->isum += s->x[m->row];
        double x;
        memcpy(&x, &s->x[m->row], 8);
        if (m->k->how->sink == PF_SINK_FSUM) {
            pf_fsum_apply(&m->fsum, &x, 1, NULL, NULL);
        }
        model_best(m, s);
        m->count++;
    }
    m->row++;
}

/* All good rows before `row`, which the model has not been to yet; then compares. */
static void model_to(model *m, const source *s, int64_t row)
{
    while (m->row < row) {
        assert_true(is_good(s, m->row)); /* every failed row is an event */
        model_row(m, s);
    }
    const sink *k = m->k;
    assert_int_equal(m->count, k->count);
    assert_true(k->how->sink != PF_SINK_ISUM || m->isum == k->isum);
    if (k->how->sink == PF_SINK_FSUM) {
        assert_memory_equal(&m->fsum.sum, &k->fsum.sum, 8);
        assert_memory_equal(&m->fsum.c, &k->fsum.c, 8);
    }
    if ((k->how->sink == PF_SINK_MIN || k->how->sink == PF_SINK_MAX) && m->has) {
        assert_true(k->has);
        assert_int_equal(k->best_row.u.i, m->best_row);
        assert_int_equal(k->best.u.i, s->x[m->best_row]);
    }
}

/* Advances to the end, checking at every event. Returns the number of ticks. */
static int64_t drive(const ask *how, source *s)
{
    pf_plan *plan = plan_new(how->text, how->sink);
    sink k;
    sink_init(&k, s, how);
    assert_int_equal(start(plan, &k), PF_OK);
    model m = {.k = &k, .fsum = {.flavour = (pf_fsum_flavour)how->flavour}};
    int64_t ticks = 0;
    for (bool going = true; going;) {
        pf_event_info info;
        pf_event event = pf_run_advance(k.run, &info);
        switch (event) {
        case PF_EVENT_FAILED:
            model_to(&m, s, info.row);
            assert_false(is_good(s, info.row));
            assert_int_equal(info.barrier, s->kind[info.row] == PF_K_FOREIGN);
            m.row = info.row + 1;
            assert_int_equal(pf_run_frontier(k.run), m.row);
            if (info.barrier || (how->drop && info.row % 16 == 0)) {
                pf_run_drop(k.run);
            } else if (how->drop && info.row % 16 == 1) { /* the next rows are done elsewhere too */
                int64_t row = m.row + 3 < s->rows ? m.row + 3 : s->rows;
                pf_run_skip(k.run, row);
                assert_int_equal(pf_run_frontier(k.run), row);
                m.row = row;
            }
            break;
        case PF_EVENT_TICK:
            model_to(&m, s, pf_run_frontier(k.run));
            ticks++;
            break;
        case PF_EVENT_STOP:
            model_to(&m, s, info.row);
            assert_true(s->x[info.row] == STOPPER);
            going = false;
            break;
        case PF_EVENT_END:
            model_to(&m, s, s->rows);
            assert_int_equal(pf_run_frontier(k.run), s->rows);
            going = false;
            break;
        default:
            fail_msg("error %s", pf_status_text(info.status));
        }
    }
    pf_run_stats stats;
    pf_run_get_stats(k.run, &stats);
    assert_true(stats.rows_native + stats.rows_failed <= s->rows);
    assert_true(stats.workers_used <= how->threads);
    pf_run_free(k.run);
    plan_free(plan);
    sink_clear(&k);
    return ticks;
}

/* ---- sources ---- */

static source source_of_ints(int64_t rows)
{
    source s = {.good = PF_K_I64, .rows = rows, .error_row = -1};
    s.x = calloc((size_t)rows + 1, 8);
    for (int64_t i = 0; i < rows; i++) {
        s.x[i] = (int64_t)(next_random() % 2000) - 1000;
    }
    return s;
}

static void give_kinds(source *s)
{
    s->kind = malloc((size_t)s->rows + 1);
    memset(s->kind, s->good, (size_t)s->rows + 1);
}

static void source_free(source *s)
{
    free(s->x);
    free(s->kind);
}

static const pf_sink_kind all_sinks[] = {PF_SINK_NONE, PF_SINK_COUNT, PF_SINK_COLLECT, PF_SINK_ISUM,
                                         PF_SINK_MIN,  PF_SINK_MAX,   PF_SINK_FOLD};
enum { NSINKS = sizeof(all_sinks) / sizeof(all_sinks[0]) };

/* In every way that matters: alone and together, in long and in tiny windows, keeping and dropping what is ahead. */
static void drive_in_all_ways(source *s, pf_sink_kind kind)
{
    for (int way = 0; way < 8; way++) {
        ask how = {.text = s->good == PF_K_F64 ? floats : ints,
                   .sink = kind,
                   .threads = way & 1 ? 3 : 1,
                   .min_rows = way & 1,
                   .window_ns = way & 2 ? 1 : 5000000,
                   .drop = way & 4,
                   .want_rows = way & 2,
                   .flavour = way & 2 ? PF_FSUM_NEUMAIER : PF_FSUM_PLAIN};
        drive(&how, s);
    }
}

/* ---- tests ---- */

static void sizes(void **state)
{
    (void)state;
    static const int64_t rows[] = {0, 1, 2, 63, 64, 65, 319, 320, 321, 1024, 5443, 30001};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        source s = source_of_ints(rows[i]);
        for (int k = 0; k < NSINKS; k++) {
            drive_in_all_ways(&s, all_sinks[k]);
        }
        source_free(&s);
    }
}

static void a_failed_row_anywhere(void **state)
{
    (void)state;
    for (int64_t at = 0; at < 400; at += STEP * (at < 70 || at > 310 ? 1 : 17)) {
        source s = source_of_ints(400);
        give_kinds(&s);
        s.kind[at] = at % 5 == 0 ? PF_K_FOREIGN : PF_K_OTHER;
        for (int k = 0; k < NSINKS; k++) {
            drive_in_all_ways(&s, all_sinks[k]);
        }
        source_free(&s);
    }
}

static void many_failed_rows(void **state)
{
    (void)state;
    for (int one_in = 1; one_in <= 1000; one_in *= 3) {
        source s = source_of_ints(6000);
        give_kinds(&s);
        for (int64_t i = 0; i < s.rows; i++) {
            s.kind[i] = next_random() % (uint64_t)one_in == 0 ? next_random() % 50 == 0 ? PF_K_FOREIGN : PF_K_OTHER : s.good;
        }
        for (int k = 0; k < NSINKS; k++) {
            drive_in_all_ways(&s, all_sinks[k]);
        }
        source_free(&s);
    }
}

static void stopping_rows(void **state)
{
    (void)state;
    for (int64_t at = 0; at < 5000; at += 1 + at) {
        for (int before = 0; before < 3; before++) {
            source s = source_of_ints(5000);
            give_kinds(&s);
            s.x[at] = STOPPER;
            if (before > 0 && at > before * 3) {
                s.kind[at - before * 3] = PF_K_OTHER;
            }
            for (int k = 0; k < NSINKS; k++) {
                drive_in_all_ways(&s, all_sinks[k]);
            }
            source_free(&s);
        }
    }
}

static void float_columns(void **state)
{
    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        source s = {.good = PF_K_F64, .rows = 40000, .error_row = -1};
        s.x = calloc((size_t)s.rows, 8);
        give_kinds(&s);
        for (int64_t i = 0; i < s.rows; i++) {
            double x = (double)(next_random() >> 11) * 0x1p-53 - (shape == 1 ? 0.5 : 0.0);
            x = shape == 2 ? floor(x * 100) : x;
            x = shape == 3 && next_random() % 1000 == 0 ? NAN : x;
            memcpy(&s.x[i], &x, 8);
            if (i % 9000 == 8000) {
                s.kind[i] = PF_K_OTHER;
            }
        }
        drive_in_all_ways(&s, PF_SINK_FSUM);
        drive_in_all_ways(&s, PF_SINK_MIN);
        drive_in_all_ways(&s, PF_SINK_MAX);
        double nan = NAN;
        memcpy(&s.x[0], &nan, 8); /* from here on nothing is smaller */
        drive_in_all_ways(&s, PF_SINK_MIN);
        s.kind[0] = PF_K_OTHER;
        drive_in_all_ways(&s, PF_SINK_MIN);
        source_free(&s);
    }
}

/* Sums that stay in their binade, whose values are left out; until one does not, and they are wanted after all. */
static void steady_sums(void **state)
{
    (void)state;
    for (int shape = 0; shape < 12; shape++) {
        source s = {.good = PF_K_F64, .rows = 150000, .error_row = -1};
        s.x = calloc((size_t)s.rows, 8);
        give_kinds(&s);
        for (int64_t i = 0; i < s.rows; i++) {
            double x = (double)(next_random() >> 11) * 0x1p-53 - (shape % 3 == 1 ? 0.5 : 0.0);
            x = i == 0 ? shape % 2 == 0 ? 1.5e9 : -1.5e9 : x;
            x = shape >= 3 && i > 0 && next_random() % 40000 == 0 ? -2.7e9 + 5e9 * (double)(next_random() % 2) : x;
            x = shape >= 6 && next_random() % 50000 == 0 ? 0.5 : x; /* a tie, or no multiple of the quantum */
            x = shape == 8 && i == 120000 ? INFINITY : x;
            memcpy(&s.x[i], &x, 8);
            if (shape >= 9 && next_random() % 20000 == 0) {
                s.kind[i] = next_random() % 3 == 0 ? PF_K_FOREIGN : PF_K_OTHER;
            }
        }
        for (int way = 0; way < 12; way++) {
            ask how = {.text = floats,
                       .sink = PF_SINK_FSUM,
                       .threads = way % 3 + 1,
                       .window_ns = way & 4 ? 1 : 5000000,
                       .drop = way & 4,
                       .flavour = way & 8 ? PF_FSUM_NEUMAIER : PF_FSUM_PLAIN};
            s.nap = way & 4 ? 0 : 5;
            drive(&how, &s);
        }
        assert_true(s.taken > 0);
        assert_true(s.refused > 0 || shape < 3);
        source_free(&s);
    }
}

static void wide_sums(void **state)
{
    (void)state;
    source s = source_of_ints(20000);
    for (int64_t i = 0; i < s.rows; i++) {
        s.x[i] = (int64_t)next_random();
        s.x[i] -= s.x[i] == STOPPER;
    }
    drive_in_all_ways(&s, PF_SINK_ISUM);
    for (int64_t i = 0; i < s.rows; i++) {
        s.x[i] = i % 2 ? INT64_MAX - 1 : INT64_MAX;
    }
    drive_in_all_ways(&s, PF_SINK_ISUM);
    for (int64_t i = 0; i < s.rows; i++) {
        s.x[i] = INT64_MIN;
    }
    drive_in_all_ways(&s, PF_SINK_ISUM);
    source_free(&s);
}

/* Real sizes and real phases: predicted work decides, not min_rows. */
static void big_inputs(void **state)
{
    (void)state;
    source s = source_of_ints(MAX_ROWS);
    give_kinds(&s);
    s.kind[150000] = s.kind[150001] = PF_K_OTHER;
    s.nap = 20;
    for (int k = 0; k < NSINKS; k++) {
        ask how = {.text = ints, .sink = all_sinks[k], .threads = 3, .window_ns = 1000000};
        int64_t ticks = drive(&how, &s);
        assert_true(ticks > 0);
    }
    source_free(&s);
}

static void errors_come_in_order(void **state)
{
    (void)state;
    source s = source_of_ints(20000);
    give_kinds(&s);
    s.kind[500] = PF_K_OTHER;
    for (int way = 0; way < 4; way++) {
        s.error_row = 9999;
        ask how = {.text = ints, .sink = PF_SINK_ISUM, .threads = way & 1 ? 3 : 1, .min_rows = way & 1,
                   .window_ns = way & 2 ? 1 : 5000000};
        pf_plan *plan = plan_new(how.text, how.sink);
        sink k;
        sink_init(&k, &s, &how);
        k.fail_at = way;
        assert_int_equal(start(plan, &k), PF_OK);
        model m = {.k = &k};
        int errors = 0;
        pf_event_info info;
        for (pf_event event; (event = pf_run_advance(k.run, &info)) != PF_EVENT_END;) {
            model_to(&m, &s, event == PF_EVENT_FAILED ? info.row : pf_run_frontier(k.run));
            m.row += event == PF_EVENT_FAILED;
            if (event == PF_EVENT_ERROR) {
                assert_int_equal(info.status, PF_CALLBACK);
                assert_true(pf_run_frontier(k.run) <= 9999);
                errors++;
                s.error_row = errors >= 3 ? -1 : s.error_row; /* trying again works */
            }
        }
        model_to(&m, &s, s.rows);
        assert_true(errors >= 3);
        pf_run_free(k.run);
        plan_free(plan);
        sink_clear(&k);
    }
    source_free(&s);
}

static void rows_come_and_go(void **state)
{
    (void)state;
    source s = source_of_ints(30000);
    for (int way = 0; way < 2; way++) {
        ask how = {.text = ints, .sink = PF_SINK_COLLECT, .threads = way ? 3 : 1, .min_rows = way, .window_ns = 1};
        pf_plan *plan = plan_new(how.text, how.sink);
        sink k;
        s.rows = 30000;
        sink_init(&k, &s, &how);
        s.rows = 10000;
        assert_int_equal(start(plan, &k), PF_OK);
        model m = {.k = &k};
        pf_event_info info;
        assert_int_equal(pf_run_advance(k.run, &info), PF_EVENT_TICK);
        s.rows = 20000;
        pf_run_set_rows(k.run, 20000);
        for (pf_event event; (event = pf_run_advance(k.run, &info)) != PF_EVENT_END;) {
            assert_int_equal(event, PF_EVENT_TICK);
            model_to(&m, &s, pf_run_frontier(k.run));
            if (s.rows == 20000 && pf_run_frontier(k.run) > 3000) {
                s.rows = pf_run_frontier(k.run) + 1; /* shrinks below what is computed */
                pf_run_set_rows(k.run, s.rows);
            }
        }
        model_to(&m, &s, s.rows);
        s.rows += 5; /* the source grew after its end */
        pf_run_set_rows(k.run, s.rows);
        while (pf_run_advance(k.run, &info) != PF_EVENT_END) {
        }
        model_to(&m, &s, s.rows);
        pf_run_set_rows(k.run, 7); /* shorter than what was taken */
        assert_int_equal(pf_run_advance(k.run, &info), PF_EVENT_END);
        pf_run_free(k.run);
        plan_free(plan);
        sink_clear(&k);
    }
    source_free(&s);
}

static void *cancel_soon(void *run)
{
    usleep(3000);
    pf_run_cancel(run);
    return NULL;
}

static void cancelled_from_outside(void **state)
{
    (void)state;
    source s = source_of_ints(MAX_ROWS);
    s.nap = 1000; /* 200 vectors: far longer than the patience below */
    for (int threads = 1; threads <= 3; threads += 2) {
        ask how = {.text = ints, .sink = PF_SINK_ISUM, .threads = threads, .window_ns = 1000000000};
        pf_plan *plan = plan_new(how.text, how.sink);
        sink k;
        sink_init(&k, &s, &how);
        assert_int_equal(start(plan, &k), PF_OK);
        pthread_t other;
        assert_int_equal(pthread_create(&other, NULL, cancel_soon, k.run), 0);
        pf_event_info info;
        assert_int_equal(pf_run_advance(k.run, &info), PF_EVENT_ERROR);
        assert_int_equal(info.status, PF_CANCELLED);
        pthread_join(other, NULL);
        model m = {.k = &k};
        model_to(&m, &s, pf_run_frontier(k.run)); /* what is merged is exact */
        assert_int_equal(pf_run_advance(k.run, &info), PF_EVENT_ERROR);
        pf_run_free(k.run);
        plan_free(plan);
        sink_clear(&k);
    }
    source_free(&s);
}

/* A run that starts while another has results waiting, on the same plan and on a thread that already is in a run. */
static void nested_runs(void **state)
{
    (void)state;
    source s = source_of_ints(5000);
    give_kinds(&s);
    for (int64_t i = 10; i < s.rows; i += 600) {
        s.kind[i] = PF_K_OTHER;
    }
    /* a window without end: no ticks, however busy the machine */
    ask how = {.text = ints, .sink = PF_SINK_ISUM, .threads = 3, .min_rows = 1, .window_ns = INT64_C(1) << 60};
    pf_plan *plan = plan_new(how.text, how.sink);
    sink outer;
    sink_init(&outer, &s, &how);
    assert_int_equal(start(plan, &outer), PF_OK);
    model m = {.k = &outer};
    pf_event_info info;
    for (pf_event event; (event = pf_run_advance(outer.run, &info)) != PF_EVENT_END;) {
        assert_int_equal(event, PF_EVENT_FAILED);
        model_to(&m, &s, info.row);
        m.row++;
        sink inner;
        sink_init(&inner, &s, &how);
        assert_int_equal(start(plan, &inner), PF_OK);
        model n = {.k = &inner};
        while ((event = pf_run_advance(inner.run, &info)) != PF_EVENT_END) {
            model_to(&n, &s, info.row);
            n.row++;
        }
        model_to(&n, &s, s.rows);
        pf_run_free(inner.run);
        sink_clear(&inner);
    }
    model_to(&m, &s, s.rows);
    pf_run_free(outer.run);
    plan_free(plan);
    sink_clear(&outer);
    source_free(&s);
}

static void *own_runs(void *arg)
{
    (void)arg;
    source s = {.good = PF_K_I64, .rows = 3000, .error_row = -1};
    s.x = calloc((size_t)s.rows, 8);
    for (int64_t i = 0; i < s.rows; i++) {
        s.x[i] = i * i;
    }
    ask how = {.text = ints, .sink = PF_SINK_COLLECT, .threads = 3, .min_rows = 1, .window_ns = 100000};
    for (int i = 0; i < 5; i++) {
        drive(&how, &s);
    }
    source_free(&s);
    return NULL;
}

static void runs_on_many_threads(void **state)
{
    (void)state;
    pthread_t others[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&others[i], NULL, own_runs, NULL), 0);
    }
    pf_run_quiesce(); /* in the middle of it */
    own_runs(NULL);
    for (int i = 0; i < 3; i++) {
        pthread_join(others[i], NULL);
    }
}

static void forked(void **state)
{
    (void)state;
    own_runs(NULL);
    pf_run_quiesce();
    pid_t child = fork();
    if (child == 0) {
        pf_run_after_fork();
        own_runs(NULL);
        _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    own_runs(NULL);
}

/* Every n-th allocation fails: the run reports it, what is merged stays exact, and trying again goes on. */
static void without_memory(void **state)
{
    (void)state;
    source s = source_of_ints(3000);
    give_kinds(&s);
    for (int64_t i = 0; i < s.rows; i += 37) {
        s.kind[i] = PF_K_OTHER;
    }
    static const pf_sink_kind sinks[] = {PF_SINK_COLLECT, PF_SINK_ISUM, PF_SINK_MIN, PF_SINK_FOLD};
    for (int way = 0; way < 8; way++) {
        ask how = {.text = ints, .sink = sinks[way / 2], .threads = way & 1 ? 3 : 1, .min_rows = way & 1,
                   .window_ns = 5000000, .want_rows = true};
        pf_run_quiesce();
        int64_t live = pf_mem_live();
        for (int64_t nth = 0, failed = 1; failed > 0 && nth < 500; nth += STEP) {
            failed = 0;
            pf_plan *plan = plan_new(how.text, how.sink);
            sink k;
            sink_init(&k, &s, &how);
            pf_mem_fail_after(nth);
            if (start(plan, &k) != PF_OK) {
                failed++;
                assert_int_equal(start(plan, &k), PF_OK);
            }
            model m = {.k = &k};
            pf_event_info info;
            for (pf_event event; (event = pf_run_advance(k.run, &info)) != PF_EVENT_END;) {
                model_to(&m, &s, event == PF_EVENT_FAILED ? info.row : pf_run_frontier(k.run));
                m.row += event == PF_EVENT_FAILED;
                failed += event == PF_EVENT_ERROR;
                assert_true(event != PF_EVENT_ERROR || info.status == PF_NOMEM);
            }
            pf_mem_fail_after(-1);
            model_to(&m, &s, s.rows);
            pf_run_free(k.run);
            plan_free(plan);
            sink_clear(&k);
        }
        pf_run_quiesce(); /* a thread that starts owns a block for a moment */
        assert_int_equal(pf_mem_live(), live);
    }
    source_free(&s);
}

static void sinks_are_checked(void **state)
{
    (void)state;
    pf_plan plan = {.nstages = 1, .sink = PF_SINK_FSUM};
    char error[200];
    assert_int_equal(pf_ir_parse(ints, &plan.stages[0].fn, error, sizeof(error)), PF_OK);
    assert_int_equal(pf_plan_compile(&plan), PF_UNSUPPORTED);
    plan.sink = PF_SINK_FOLD;
    assert_int_equal(pf_plan_compile(&plan), PF_UNSUPPORTED);
    plan.sink = PF_SINK_ISUM;
    plan.stages[0].expand = PF_EXPAND_RANGE;
    assert_int_equal(pf_plan_compile(&plan), PF_UNSUPPORTED);
    plan.stages[0].expand = PF_EXPAND_LAST;
    assert_int_equal(pf_plan_compile(&plan), PF_OK);
    pf_plan_clear(&plan);
    pf_run_free(NULL);
}

static int clean_up(void **state)
{
    (void)state;
    pf_run_quiesce();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(a_failed_row_anywhere),
        cmocka_unit_test(many_failed_rows),
        cmocka_unit_test(stopping_rows),
        cmocka_unit_test(float_columns),
        cmocka_unit_test(steady_sums),
        cmocka_unit_test(wide_sums),
        cmocka_unit_test(big_inputs),
        cmocka_unit_test(errors_come_in_order),
        cmocka_unit_test(rows_come_and_go),
        cmocka_unit_test(cancelled_from_outside),
        cmocka_unit_test(nested_runs),
        cmocka_unit_test(runs_on_many_threads),
        cmocka_unit_test(forked),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(sinks_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}

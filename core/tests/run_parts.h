/* What the runs of test_run.c are made of: a source that gathers, a sink that keeps everything, and programs.
 *
 * The program yields (x, row) for rows with x % 3 != 1, drops the others, stops at STOPPER and fails where the gather says that
 * the lane is no int. */
#ifndef PF_TESTS_RUN_PARTS_H
#define PF_TESTS_RUN_PARTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../run/fsum.h"
#include "../run/run.h"

static const int64_t STOPPER = (int64_t)1 << 40;

/* ---- the source ---- */

typedef struct source {
    int64_t *x;     /* i64, or the bits of an f64 */
    uint8_t *kind;  /* PF_K_I64, PF_K_OTHER, PF_K_FOREIGN; NULL: all as the program wants them */
    pf_kinds good;
    int64_t rows;
    int64_t error_row; /* gather fails on a vector that holds it; -1: never */
    _Atomic int64_t gathered;
    int nap; /* microseconds per gather */
    int64_t taken, refused; /* by the runs' takes_blocks */
} source;

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory);

typedef struct ask {
    const char *text;
    pf_sink_kind sink;
    int threads;
    int64_t min_rows, window_ns;
    bool want_rows, drop;
    int flavour;
} ask;

/* ---- the sink ---- */

typedef struct sink {
    source *src;
    const ask *how;
    int64_t count;
    __int128 isum;
    int64_t *values, *rows; /* COLLECT */
    uint8_t *kinds;
    pf_fsum fsum;
    bool has;
    pf_scalar best, best_row;
    int64_t pieces, fail_at; /* the piece whose absorb fails once; -1 */
    int64_t last_row;
    pf_run *run;
} sink;

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    source *s = ((sink *)ctx)->src;
    assert_true(row0 >= 0 && row0 + n <= s->rows && n >= 1 && n <= PF_LANES);
    if (s->error_row >= row0 && s->error_row < row0 + n) {
        return PF_CALLBACK;
    }
    if (s->nap > 0) {
        usleep((useconds_t)s->nap);
    }
    memcpy(columns[0].data, s->x + row0, (size_t)n * 8);
    columns[0].seen = s->good;
    columns[0].kind = NULL;
    columns[0].lo = INT64_MIN;
    columns[0].hi = INT64_MAX;
    if (s->kind != NULL) {
        columns[0].seen = 0;
        for (int32_t i = 0; i < n; i++) {
            columns[0].seen |= s->kind[row0 + i];
        }
        memcpy(kind_memory[0], s->kind + row0, (size_t)n);
        columns[0].kind = pf_kinds_single(columns[0].seen) ? NULL : kind_memory[0];
    }
    atomic_fetch_add(&s->gathered, n);
    return PF_OK;
}

static void absorb_best(sink *k, const pf_piece *p)
{
    if (!k->has && p->nan_first) {
        k->has = true;
        k->best = p->first[0];
        k->best_row = p->first[1];
        return;
    }
    if (!p->has_best) {
        return;
    }
    bool better = p->best[0].kind == PF_K_F64 ? (k->how->sink == PF_SINK_MIN ? p->best[0].u.f < k->best.u.f
                                                                              : p->best[0].u.f > k->best.u.f)
                                              : (k->how->sink == PF_SINK_MIN ? p->best[0].u.i < k->best.u.i
                                                                             : p->best[0].u.i > k->best.u.i);
    if (!k->has || better) {
        k->has = true;
        k->best = p->best[0];
        k->best_row = p->best[1];
        assert_int_equal(p->best_row, p->best[1].u.i);
    }
}

static pf_status absorb(void *ctx, const pf_piece *p)
{
    sink *k = ctx;
    if (k->pieces == k->fail_at) {
        k->fail_at = -1;
        return PF_CALLBACK;
    }
    k->pieces++;
    assert_true(p->count > 0 && p->row_begin >= k->last_row && p->row_end > p->row_begin);
    k->last_row = p->row_end;
    switch (k->how->sink) {
    case PF_SINK_ISUM:
        k->isum += p->isum;
        break;
    case PF_SINK_MIN:
    case PF_SINK_MAX:
        absorb_best(k, p);
        break;
    case PF_SINK_COLLECT:
    case PF_SINK_FOLD:
        assert_int_equal(p->rows != NULL, k->how->want_rows);
        memcpy(k->values + k->count, p->columns[0].data, (size_t)p->count * 8);
        memcpy(k->rows + k->count, p->columns[1].data, (size_t)p->count * 8);
        for (int64_t i = 0; i < p->count; i++) {
            k->kinds[k->count + i] = p->columns[0].kind != NULL ? p->columns[0].kind[i] : p->columns[0].seen;
            assert_true(p->rows == NULL || p->rows[i] == k->rows[k->count + i]);
        }
        break;
    case PF_SINK_FSUM: {
        int guess;
        const double before = k->fsum.sum;
        pf_fsum_apply(&k->fsum, p->columns[0].data, p->count, p->fblocks, &guess);
        pf_run_set_guess(k->run, guess, pf_fsum_is_steady(&k->fsum, before));
        break;
    }
    default:
        break;
    }
    k->count += p->count;
    return PF_OK;
}

static bool takes_blocks(void *ctx, const pf_fblocks *blocks)
{
    sink *k = ctx;
    const bool takes = pf_fsum_takes(&k->fsum, blocks);
    k->src->taken += takes;
    k->src->refused += !takes;
    return takes;
}

/* ---- programs ---- */

static const char *const ints = "column 0: i64 from source 0\n"
                                "b0:\n"
                                "  %x:i64 = column 0\n"
                                "  %s = eq.i64 %x, 1099511627776\n"
                                "  branch %s, stopping, going\n"
                                "stopping:\n"
                                "  stop\n"
                                "going:\n"
                                "  %m = mod.i64 %x, 3\n"
                                "  %d = eq.i64 %m, 1\n"
                                "  branch %d, dropped, kept\n"
                                "dropped:\n"
                                "  end\n"
                                "kept:\n"
                                "  %r = row\n"
                                "  yield %x, %r\n";

static const char *const floats = "column 0: f64 from source 0\n"
                                  "b0:\n"
                                  "  %x:f64 = column 0\n"
                                  "  %r = row\n"
                                  "  yield %x, %r\n";

static pf_plan *plan_new(const char *text, pf_sink_kind kind)
{
    pf_plan *plan = calloc(1, sizeof(*plan));
    char error[200] = "";
    pf_status status = pf_ir_parse(text, &plan->stages[0].fn, error, sizeof(error));
    assert_string_equal(error, "");
    assert_int_equal(status, PF_OK);
    plan->nstages = 1;
    plan->sink = kind;
    plan->fold_block = 100;
    assert_int_equal(pf_plan_compile(plan), PF_OK);
    return plan;
}

static void plan_free(pf_plan *plan)
{
    pf_plan_clear(plan);
    free(plan);
}

static void sink_init(sink *k, source *src, const ask *how)
{
    *k = (sink){.src = src, .how = how, .fail_at = -1, .fsum = {.flavour = (pf_fsum_flavour)how->flavour}};
    k->values = malloc((size_t)src->rows * 8 + 64);
    k->rows = malloc((size_t)src->rows * 8 + 64);
    k->kinds = malloc((size_t)src->rows + 64);
}

static void sink_clear(sink *k)
{
    free(k->values);
    free(k->rows);
    free(k->kinds);
}

static pf_status start(pf_plan *plan, sink *k)
{
    pf_run_config config = {.threads = k->how->threads,
                            .min_rows = k->how->min_rows,
                            .window_ns = k->how->window_ns,
                            .rows = k->src->rows,
                            .want_rows = k->how->want_rows,
                            .fsum_flavour = k->how->flavour,
                            .fsum_guess = PF_FSUM_NO_GUESS};
    pf_hooks hooks = {.ctx = k, .gather = gather, .absorb = absorb, .takes_blocks = takes_blocks};
    return pf_run_new(plan, &config, &hooks, &k->run);
}

#endif

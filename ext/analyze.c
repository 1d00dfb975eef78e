/* A plan run for its figures alone (analyze.h): the run that a consumer would make, without the feeder and the sink. */
#include "analyze.h"

#include "feed.h"
#include "gather.h"
#include "turns.h"

typedef struct analysis {
    const pf_pyplan *plan;
    pf_gather gather;
    int64_t rows;
} analysis;

static pf_status gather(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    return pf_gather_rows(&((analysis *)ctx)->gather, row0, n, columns, kind_memory);
}

static pf_status expand(void *ctx, int stage, const pf_inner *inner, pf_vec *columns, uint8_t *const *kind_memory,
                        int32_t *taken)
{
    const pf_pyplan *plan = ((analysis *)ctx)->plan;
    pf_gather_inner(plan, plan->core.stages[stage + 1].fn, inner, columns, kind_memory, taken);
    return PF_OK;
}

static pf_status absorb(void *ctx, const pf_piece *piece)
{
    (void)ctx;
    (void)piece;
    return PF_OK;
}

static void run_to_the_end(pf_run *run, analysis *a, pf_report *report)
{
    pf_event_info info;
    for (;;) {
        switch (pf_run_advance(run, &info)) {
        case PF_EVENT_FAILED:
            report->rows_replayed++;
            pf_report_bail(report, &info);
            if (info.barrier) {
                report->rows_fallback = a->rows - info.row - 1;
                return;
            }
            break;
        case PF_EVENT_TICK:
            if (!pf_is_interrupted(NULL)) {
                break;
            }
            report->rows_fallback = a->rows - pf_run_frontier(run);
            return;
        case PF_EVENT_ERROR:
            report->rows_fallback = a->rows - pf_run_frontier(run);
            return;
        case PF_EVENT_STOP:
        case PF_EVENT_END:
            return;
        }
    }
}

static pf_run *new_run(analysis *a, const pf_scalar *params)
{
    const pf_pyplan *plan = a->plan;
    pf_settings settings;
    pf_settings_now(&settings);
    pf_hooks hooks = {.ctx = a, .gather = gather, .expand = expand, .absorb = absorb, .recalled = pf_is_interrupted};
    pf_run_config config = pf_pyplan_config(plan, &settings, params, a->rows);
    pf_run *run;
    return pf_run_new(&plan->core, &config, &hooks, &run) == PF_OK ? run : NULL;
}

int pf_analyze(const pf_pyplan *plan, const pf_chain *chain, const pf_scalar *params, pf_report *report)
{
    analysis *a = PyMem_Calloc(1, sizeof *a); /* workers read it */
    if (a == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    a->plan = plan;
    pf_gather_init(&a->gather, plan, chain, &a->rows);
    a->rows = pf_feed_limit(chain, a->rows, true);
    a->rows = a->rows > 0 ? a->rows : 0;
    report->rows = a->rows;
    int status = 0;
    if (!pf_gather_open(&a->gather)) {
        report->rows_fallback = a->rows;
        goto out;
    }
    pf_run *run = new_run(a, params);
    if (run == NULL) {
        PyErr_NoMemory();
        status = -1;
        goto out;
    }
    run_to_the_end(run, a, report);
    pf_run_stats stats;
    pf_run_get_stats(run, &stats);
    report->rows_native = stats.rows_native;
    report->compute_ns = stats.compute_ns;
    report->workers = stats.workers_used;
    pf_run_free(run);
out:
    PyMem_Free(a);
    return status;
}

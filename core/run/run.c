/* Running a plan (run.h): a run's life, its windows, and what the caller does next.
 *
 * Alone and together. A run starts with the caller alone, on 64 rows, then 256, 1,024, 4,096: small inputs never see a clock or
 * another thread, and data on which every row fails is noticed cheaply. The probes say what a row costs. When what is left is
 * predicted to take more than WAKE_NS, a *phase* is opened: the rest is cut into morsels of equal size, their numbers can be
 * claimed, and workers are invited. The caller then
 *
 *   1. merges the head slot if it is done: nothing is as urgent, since slots are few and results in row order;
 *   2. otherwise claims a morsel and computes it itself;
 *   3. otherwise (no free slot, or no rows left) sleeps until a worker finishes one.
 *
 * Before any return the phase is closed: nothing more can be claimed, and withdrawing the job waits for the workers. So
 * a phase's parameters never change under a worker, and between calls the caller has the run for itself. A slot that was claimed is
 * finished by who claimed it, or paused, so after closing every slot in [head, claims.next) is one or the other.
 *
 * A failed row at the head ends the phase too, which costs the workers their flow. So the caller first lets them (and itself)
 * fill the free slots; the failed rows found there are then handed out one after the other without computing. */
#include "run_internal.h"

#include <string.h>

#include "../base/clock.h"
#include "../base/mem.h"

enum {
    FIRST_PROBE = 64,
    FIRST_PROBE_NESTED = 1, /* one row may be a whole inner loop */
    LAST_PROBE = 4096,
    MIN_MORSEL = 1024,
    MAX_MORSEL = 16 * 1024,
    EAGER_MORSEL = 64,
    MORSEL_NS = 50 * 1000,      /* a claim costs nothing against it, and a window ends at most so late */
    WAKE_NS = 50 * 1000,        /* waking a worker costs 5 to 9 us */
    TRUST_NS = 5 * 1000,        /* a probe shorter than that says nothing about the cost of a row */
    TRUST_ONE_NS = 1000 * 1000, /* the same of a probe of one row */
    SMALL_RUN = 1024,           /* rows of a run that cannot last a window: no clock is read */
    SPIN = 200,                 /* some microseconds: less than a sleep and its wake-up */
    ASK_NS = 20 * 1000 * 1000   /* between two looks whether the caller is recalled */
};

/* The time slice of one pf_run_advance. The clock is first read when the work turns out not to be tiny. */
typedef struct window {
    bool started;
    int64_t deadline;
} window;

/* ---- a run's life ---- */

/* From n to `more` elements, the new ones zeroed, in lines of their own. Slots and crews hold no pointer to themselves.
 */
static bool grow(void *array, size_t n, size_t more, size_t size)
{
    void *old;
    memcpy(&old, array, sizeof(old));
    void *grown = pf_mem_aligned_realloc(old, n * size, more * size);
    if (grown == NULL) {
        return false;
    }
    memset((char *)grown + n * size, 0, (more - n) * size);
    memcpy(array, &grown, sizeof(grown));
    return true;
}

void run_destroy(pf_run *run)
{
    for (int i = 0; run->crews != NULL && i < run->ncrews; i++) {
        crew_clear(&run->crews[i], run);
    }
    for (int64_t i = 0; run->slots != NULL && i < run->nslots; i++) {
        slot_clear(&run->slots[i], run);
    }
    pf_eventcount_destroy(&run->done);
    pf_mem_free(run->crews);
    pf_mem_free(run->slots);
    pf_mem_free(run->params);
    pf_mem_free(run->strings);
    pf_mem_free(run->out);
    pf_mem_free(run);
}

/* What depends on the plan alone, and is kept while the run lies idle. */
static pf_status run_build(const pf_plan *plan, pf_run **out)
{
    pf_run *run = pf_mem_calloc(1, sizeof(*run));
    if (run == NULL || pf_eventcount_init(&run->done) != PF_OK) {
        pf_mem_free(run);
        return PF_NOMEM;
    }
    run->plan = plan;
    run->last = plan->stages[plan->nstages - 1].fn;
    run->noutputs = run->last->noutputs;
    run->has_columns = plan->sink == PF_SINK_COLLECT || plan->sink == PF_SINK_FSUM || plan->sink == PF_SINK_FOLD;
    run->is_extreme = plan->sink == PF_SINK_MIN || plan->sink == PF_SINK_MAX;
    run->nkeys = plan->nkeys > 1 ? (uint32_t)plan->nkeys : 1;
    run->kernels = pf_run_kernels();
    run->job.work = morsel_help;
    run->job.ctx = run;
    for (int s = 0; s < plan->nstages; s++) {
        const pf_fn *fn = plan->stages[s].fn;
        run->nparams = fn->nparams > run->nparams ? fn->nparams : run->nparams;
        run->nstrings = fn->nstrings > run->nstrings ? fn->nstrings : run->nstrings;
        run->ncounters = fn->ncounters > run->ncounters ? fn->ncounters : run->ncounters;
    }
    run->params = pf_mem_alloc((run->nparams + 1) * sizeof(*run->params));
    run->strings = pf_mem_alloc((run->nstrings + 1) * sizeof(*run->strings));
    run->out = pf_mem_alloc((run->noutputs + 1) * sizeof(*run->out));
    run->nslots = run->ncrews = 1;
    if (run->params == NULL || run->strings == NULL || run->out == NULL ||
        !grow(&run->slots, 0, 1, sizeof(*run->slots)) || !grow(&run->crews, 0, 1, sizeof(*run->crews)) ||
        slot_init(&run->slots[0], run) != PF_OK) {
        run_destroy(run);
        return PF_NOMEM;
    }
    *out = run;
    return PF_OK;
}

static int64_t first_probe(const pf_run *run)
{
    return run->plan->nstages > 1 ? FIRST_PROBE_NESTED : FIRST_PROBE;
}

/* Nested ranges, and no handle anywhere that could die between two windows. */
static bool is_pausable(const pf_plan *plan)
{
    bool pausable = plan->nstages > 1;
    for (int i = 0; i < plan->nstages; i++) {
        const pf_fn *fn = plan->stages[i].fn;
        pf_kinds kinds = 0;
        for (uint32_t k = 0; k < fn->ncolumns; k++) {
            kinds |= fn->columns[k].kinds;
        }
        for (uint32_t k = 0; k < fn->noutputs; k++) {
            kinds |= fn->outputs[k];
        }
        pausable = pausable && (kinds & (PF_K_STR | PF_K_OBJ)) == 0 && plan->stages[i].expand != PF_EXPAND_ITEMS;
    }
    return pausable;
}

static uint64_t all_crews(const pf_run *run)
{
    return run->ncrews == MAX_CREWS ? UINT64_MAX : ((uint64_t)1 << run->ncrews) - 1;
}

/* Everything of the config, and all state of a fresh run. */
static void run_set_up(pf_run *run, const pf_run_config *config, const pf_hooks *hooks)
{
    run->hooks = *hooks;
    run->threads = config->threads < 1 || run->ncounters > 0 ? 1 : config->threads > MAX_CREWS ? MAX_CREWS : config->threads;
    run->eager = config->min_rows == 1;
    run->window_ns = config->window_ns;
    run->may_pause = config->may_pause && is_pausable(run->plan);
    run->want_rows = config->want_rows && (run->plan->sink == PF_SINK_COLLECT || run->plan->sink == PF_SINK_FOLD);
    run->flavour = config->fsum_flavour;
    run->str_view = config->str_view;
    if (run->nparams > 0) {
        memcpy(run->params, config->params, run->nparams * sizeof(*run->params));
    }
    if (run->nstrings > 0) {
        memcpy(run->strings, config->strings, run->nstrings * sizeof(*run->strings));
    }
    run->rows = config->rows;
    run->frontier = run->next_row = run->head = run->counted_to = 0;
    memset(run->counts_end, 0, sizeof(run->counts_end));
    run->probe = first_probe(run);
    run->handed_out = false;
    run->ns_per_row = 0.0;
    run->rows_native = run->rows_failed = run->ticks = 0;
    run->phase = run->phase_left = false;
    atomic_init(&run->claims.next, 0);
    atomic_init(&run->claims.end, 0);
    atomic_init(&run->cancelled, false);
    atomic_init(&run->recalled, false);
    run->ask_at = 0;
    atomic_init(&run->saturated, false);
    atomic_init(&run->pause, false);
    atomic_init(&run->free_crews, all_crews(run));
    atomic_init(&run->guess, config->fsum_guess);
    atomic_init(&run->steady, false);
    run->doubts = run->redone = 0;
    for (int i = 0; i < run->ncrews; i++) {
        run->crews[i].ready = run->crews[i].used = false;
        run->crews[i].compute_ns = run->crews[i].morsels = run->crews[i].inner_rows = 0;
    }
}

pf_status pf_run_new(const pf_plan *plan, const pf_run_config *config, const pf_hooks *hooks, pf_run **out)
{
    pf_run *run = idle_take(plan);
    if (run == NULL) {
        PF_TRY(run_build(plan, &run));
    }
    run_set_up(run, config, hooks);
    pf_status status = crew_prepare(&run->crews[0], run);
    if (status != PF_OK) {
        run_destroy(run);
        return status;
    }
    *out = run;
    return PF_OK;
}

void pf_run_free(pf_run *run)
{
    if (run == NULL) {
        return;
    }
    morsel_forget(run);
    for (int64_t i = 0; i < run->nslots; i++) {
        slot_trim(&run->slots[i], run);
    }
    idle_put(run);
}

int64_t pf_run_frontier(const pf_run *run)
{
    return run->frontier;
}

/* Relaxed: read by the caller, or while no worker is inside. */
static int64_t claimed(const pf_run *run)
{
    return atomic_load_explicit(&run->claims.next, memory_order_relaxed);
}

/* Where failed rows make results be dropped, running ahead is probed anew: data full of barriers would else be computed over
 * and over. */
void pf_run_drop(pf_run *run)
{
    if (run->handed_out) {
        run->probe = first_probe(run);
    }
    morsel_forget(run);
    run->phase_left = false;
    run->head = 0;
    run->next_row = run->frontier;
    /* relaxed, all three: no worker is inside */
    atomic_store_explicit(&run->claims.next, 0, memory_order_relaxed);
    atomic_store_explicit(&run->claims.end, 0, memory_order_relaxed);
    atomic_store_explicit(&run->saturated, false, memory_order_relaxed);
}

void pf_run_alone(pf_run *run)
{
    pf_run_drop(run);
    run->threads = 1;
}

void pf_run_skip(pf_run *run, int64_t row)
{
    run->frontier = row;
    pf_run_drop(run);
}

void pf_run_go_on(pf_run *run, int64_t row, const int64_t *counts)
{
    run->frontier = row;
    run->counted_to = row;
    if (run->ncounters > 0) {
        memcpy(run->counts_end, counts, run->ncounters * sizeof(*counts));
    }
    pf_run_drop(run);
}

/* Rows of the slot before `row` are counted once more where nobody stood still there. */
pf_status pf_run_counts(pf_run *run, int64_t row, int64_t *counts)
{
    slot *s = &run->slots[0];
    const int64_t *found = run->counts_end;
    if (run->ncounters == 0) {
        return PF_OK;
    }
    if (row < run->counted_to) {
        found = run->counts_begin;
        if (row > s->row_begin) {
            morsel_compute(run, crew_take(run, true), s, s->row_begin, row, false);
            found = run->counts_end;
        }
    }
    memcpy(counts, found, run->ncounters * sizeof(*counts));
    return row > run->counted_to ? s->status : PF_OK;
}

void pf_run_set_rows(pf_run *run, int64_t rows)
{
    if (rows < run->next_row) {
        pf_run_drop(run);
    }
    run->rows = rows;
}

void pf_run_set_guess(pf_run *run, int guess, bool steady)
{
    /* relaxed, both: any value in time is as good as any other */
    atomic_store_explicit(&run->guess, guess, memory_order_relaxed);
    atomic_store_explicit(&run->steady, steady && run->doubts == 0, memory_order_relaxed);
}

void pf_run_cancel(pf_run *run)
{
    /* relaxed: polled at every vector; nothing hangs on when exactly */
    atomic_store_explicit(&run->cancelled, true, memory_order_relaxed);
}

void pf_run_get_stats(const pf_run *run, pf_run_stats *out)
{
    *out = (pf_run_stats){.rows_native = run->rows_native, .rows_failed = run->rows_failed, .window_count = run->ticks};
    for (int i = 0; i < run->ncrews; i++) {
        out->morsels += run->crews[i].morsels;
        out->compute_ns += run->crews[i].compute_ns;
        out->inner_rows += run->crews[i].inner_rows;
        out->workers_used += i == 0 || run->crews[i].used;
    }
}

/* ---- phases ---- */

/* Slots and crews for all threads, at the first phase of a run; the ring is empty. False: the caller stays alone. */
static bool enlarge(pf_run *run)
{
    int64_t nslots = (int64_t)run->threads * SLOTS_PER_THREAD;
    if (run->nslots < nslots) {
        if (!grow(&run->slots, (size_t)run->nslots, (size_t)nslots, sizeof(*run->slots))) {
            return false;
        }
        while (run->nslots < nslots) {
            if (slot_init(&run->slots[run->nslots], run) != PF_OK) {
                return false;
            }
            run->nslots++;
        }
    }
    if (run->ncrews < run->threads) {
        if (!grow(&run->crews, (size_t)run->ncrews, (size_t)run->threads, sizeof(*run->crews))) {
            return false;
        }
        run->ncrews = run->threads;
        /* relaxed: no worker is inside, and no slot is paused */
        atomic_store_explicit(&run->free_crews, all_crews(run), memory_order_relaxed);
    }
    return true;
}

/* Rows that take about as long as a morsel should. */
static int64_t morsel_rows(const pf_run *run)
{
    int64_t least = run->plan->nstages > 1 ? 1 : MIN_MORSEL;
    double rows = run->ns_per_row > 0.0 ? MORSEL_NS / run->ns_per_row : (double)MAX_MORSEL;
    int64_t size = rows < (double)MAX_MORSEL ? (int64_t)rows : MAX_MORSEL;
    size = size > PF_LANES ? size / PF_LANES * PF_LANES : size;
    return size < least ? least : size;
}

/* The same for a phase: everybody should get several. */
static int64_t phase_rows(const pf_run *run)
{
    int64_t left = run->rows - run->next_row, share = left / ((int64_t)run->threads * 4);
    if (run->eager) {
        return share < 1 ? 1 : share > EAGER_MORSEL ? EAGER_MORSEL : share;
    }
    int64_t size = morsel_rows(run);
    if (share < size && run->plan->nstages == 1) {
        share = (share + PF_LANES - 1) / PF_LANES * PF_LANES;
    }
    size = share < size ? share : size;
    return size < 1 ? 1 : size;
}

static bool is_worth_a_phase(const pf_run *run)
{
    int64_t left = run->rows - run->next_row;
    if (run->threads == 1 || left < 2) {
        return false;
    }
    return run->eager || (run->probe == 0 && run->ns_per_row * (double)left > WAKE_NS);
}

/* Slots up to this number may be claimed: there is room for them, and rows. */
static int64_t claimable_end(const pf_run *run)
{
    int64_t room = run->head + run->nslots;
    int64_t rows = run->phase_end_row - run->phase_row;
    int64_t last = run->phase_index + (rows + run->phase_size - 1) / run->phase_size;
    return room < last ? room : last;
}

static void invite(pf_run *run, int64_t morsels)
{
    int64_t helpers = morsels < run->threads - 1 ? morsels : run->threads - 1;
    if (helpers > 0) {
        pf_sched_offer(&run->job, (int)helpers);
    }
}

static bool phase_open(pf_run *run)
{
    run->head = 0;
    /* relaxed, both: no worker is inside */
    atomic_store_explicit(&run->claims.next, 0, memory_order_relaxed);
    atomic_store_explicit(&run->saturated, false, memory_order_relaxed);
    if (!enlarge(run)) {
        run->threads = 1;
        return false;
    }
    for (int64_t i = 0; i < run->nslots; i++) {
        /* relaxed: published by opening the claims */
        atomic_store_explicit(&run->slots[i].state, SLOT_BUSY, memory_order_relaxed);
    }
    run->phase = run->phase_left = true;
    run->phase_row = run->next_row;
    run->phase_end_row = run->rows;
    run->phase_index = 0;
    run->phase_size = phase_rows(run);
    pf_claims_open(&run->claims, claimable_end(run));
    invite(run, claimable_end(run) - 1);
    return true;
}

/* Slots of the last phase are paused: their crews are on the way again, and the phase goes on where it was. */
static void phase_reopen(pf_run *run)
{
    run->phase = true;
    int64_t end = claimable_end(run);
    pf_claims_open(&run->claims, end);
    invite(run, end - run->head - 1);
}

void phase_close(pf_run *run)
{
    if (!run->phase) {
        return;
    }
    pf_claims_close(&run->claims);
    /* relaxed, both: polled; withdrawing is what waits */
    atomic_store_explicit(&run->pause, true, memory_order_relaxed);
    pf_sched_withdraw(&run->job);
    atomic_store_explicit(&run->pause, false, memory_order_relaxed);
    run->phase = false;
    int64_t row = run->phase_row + (claimed(run) - run->phase_index) * run->phase_size;
    run->next_row = row < run->phase_end_row ? row : run->phase_end_row;
}

/* A slot became free. Workers that left because the ring was full are called again when half of it is. */
void claims_extend(pf_run *run)
{
    if (!run->phase) {
        return;
    }
    int64_t end = claimable_end(run);
    pf_claims_open(&run->claims, end);
    int64_t waiting = end - claimed(run);
    /* relaxed: a guess at how many more could help */
    int inside = atomic_load_explicit(&run->job.inside, memory_order_relaxed);
    if (waiting >= run->nslots / 2 && inside < run->threads - 1) {
        invite(run, waiting - 1);
    }
}

/* ---- the caller's own work ---- */

static void learn(pf_run *run, const slot *s)
{
    if (s->spent_ns > 0) {
        run->ns_per_row = (double)s->spent_ns / (double)(s->row_end - s->row_begin);
    }
}

/* Moves to the next probe, or says that probing is over. What one row takes is mostly what it takes to begin. */
static void probe_done(pf_run *run, const slot *s)
{
    const int64_t trusted = run->probe == FIRST_PROBE_NESTED ? TRUST_ONE_NS : TRUST_NS;
    if (run->probe >= LAST_PROBE || s->spent_ns >= trusted) {
        run->probe = 0;
    } else {
        run->probe *= 4;
    }
}

/* The caller computes the next rows alone, in slot 0. The ring is empty, so crew 0 is free. */
static void compute_alone(pf_run *run, const window *w)
{
    int64_t left = run->rows - run->next_row;
    int64_t size = run->probe > 0 ? run->probe : morsel_rows(run);
    size = size < left ? size : left;
    run->head = 0;
    run->phase_left = false;
    int64_t begin = run->next_row;
    run->next_row += size;
    /* relaxed, both: no worker is inside */
    atomic_store_explicit(&run->claims.next, 1, memory_order_relaxed);
    atomic_store_explicit(&run->saturated, false, memory_order_relaxed);
    crew *c = crew_take(run, true);
    c->deadline = w->started ? w->deadline : 0;
    slot *s = &run->slots[0];
    memcpy(run->counts_begin, run->counts_end, sizeof(run->counts_begin));
    morsel_compute(run, c, s, begin, begin + size, w->started);
    learn(run, s);
    if (run->probe > 0) {
        probe_done(run, s);
    }
}

static bool claim_and_compute(pf_run *run, const window *w)
{
    crew *c = crew_take_ready(run, true);
    if (c == NULL) {
        return false;
    }
    int64_t number = pf_claims_take(&run->claims);
    if (number < 0) {
        crew_give(run, c);
        return false;
    }
    c->deadline = w->started ? w->deadline : 0;
    int64_t begin, end;
    morsel_rows_of(run, number, &begin, &end);
    slot *s = slot_of(run, number);
    if (morsel_compute(run, c, s, begin, end, true)) {
        learn(run, s);
    }
    return true;
}

static int head_state(const pf_run *run)
{
    /* acquire: as in merge_head */
    return atomic_load_explicit(&slot_of(run, run->head)->state, memory_order_acquire);
}

void run_ask(pf_run *run)
{
    int64_t now = run->hooks.recalled != NULL && !run->may_pause ? pf_clock_ns() : 0;
    if (now > run->ask_at) {
        run->ask_at = now + ASK_NS;
        if (run->hooks.recalled(run->hooks.ctx)) {
            /* relaxed: sooner or later */
            atomic_store_explicit(&run->recalled, true, memory_order_relaxed);
        }
    }
}

/* The head slot is with a worker, and there is nothing to claim. The worker may also pause it, when the pool stops. */
static void wait_for_head(pf_run *run)
{
    for (int i = 0; i < SPIN; i++) {
        if (head_state(run) != SLOT_BUSY) {
            return;
        }
        pf_thread_pause();
    }
    for (;;) {
        uint32_t ticket = pf_eventcount_ticket(&run->done);
        if (head_state(run) != SLOT_BUSY) {
            return;
        }
        pf_eventcount_wait(&run->done, ticket, run->hooks.recalled != NULL ? ASK_NS : -1);
        run_ask(run);
    }
}

static bool is_saturated(const pf_run *run)
{
    /* relaxed: a hint */
    return atomic_load_explicit(&run->saturated, memory_order_relaxed);
}

/* One step forward, after merge_head had nothing to merge. The ring that looked empty may have had its last slot taken by a
 * worker meanwhile: only a closed phase is known to have used up its rows, and is merged again before anything new starts. */
static void work(pf_run *run, const window *w, bool ring_looked_empty)
{
    if (!run->phase && run->phase_left && !ring_looked_empty) {
        phase_reopen(run);
    }
    if (!ring_looked_empty && morsel_resume(run, w->started ? w->deadline : 0) != NULL) {
        return;
    }
    if (run->phase) {
        if (!is_saturated(run) && claim_and_compute(run, w)) {
            return;
        }
        if (ring_looked_empty) {
            phase_close(run);
        } else {
            wait_for_head(run);
        }
        return;
    }
    if (!is_worth_a_phase(run) || !phase_open(run)) {
        compute_alone(run, w);
    }
}

/* ---- windows ---- */

static bool is_over(const pf_run *run, window *w)
{
    if (run->rows <= SMALL_RUN && run->plan->nstages == 1 && !run->eager) {
        return false;
    }
    int64_t now = pf_clock_ns();
    if (!w->started) {
        w->started = true;
        w->deadline = now + run->window_ns;
        return false;
    }
    return now >= w->deadline;
}

/* A failed row waits at the head: whatever can be computed beyond it in this window is computed now, while workers are inside. */
static void compute_ahead(pf_run *run, window *w)
{
    while (run->phase && !is_saturated(run) && !is_over(run, w) && claim_and_compute(run, w)) {
    }
}

/* A pf_event, or MERGE_DONE to go on. Workers may be quick enough that there is always something to merge, so in a phase every
 * step looks at the clock. */
static int merge_or_work(pf_run *run, pf_event_info *info, window *w, bool first)
{
    int event = merge_head(run, info);
    if (event == PF_EVENT_FAILED && !info->barrier) {
        compute_ahead(run, w);
    }
    if (event >= 0 || (event == MERGE_DONE && !run->phase)) {
        return event;
    }
    if (event == MERGE_EMPTY && run->frontier >= run->rows) {
        return PF_EVENT_END;
    }
    if ((!first || run->plan->nstages > 1) && is_over(run, w)) { /* one row of several stages may take any time */
        run->ticks++;
        return PF_EVENT_TICK;
    }
    if (event != MERGE_DONE) {
        run->handed_out = false;
        work(run, w, event == MERGE_EMPTY);
    }
    return MERGE_DONE;
}

/* At the end of a window: what the workers finished meanwhile is merged before the caller is told to look around. */
static int merge_rest(pf_run *run, pf_event_info *info)
{
    int event = MERGE_DONE;
    while (event == MERGE_DONE) {
        event = merge_head(run, info);
    }
    if (event == MERGE_EMPTY && run->frontier >= run->rows) {
        return PF_EVENT_END;
    }
    return event >= 0 ? event : PF_EVENT_TICK;
}

/* Recalled: slots that were left half-way are forgotten. Rows that were handed out by then stay so. */
static pf_event give_up_rows(pf_run *run, int event, pf_event_info *info)
{
    if (event == PF_EVENT_END) {
        return PF_EVENT_END;
    }
    pf_run_drop(run);
    if (event == PF_EVENT_TICK || (event == PF_EVENT_ERROR && info->status == PF_CANCELLED)) {
        *info = (pf_event_info){0};
        run->ticks++;
        return PF_EVENT_TICK;
    }
    return (pf_event)event;
}

pf_event pf_run_advance(pf_run *run, pf_event_info *info)
{
    *info = (pf_event_info){0};
    /* relaxed: polled again at every vector */
    if (atomic_load_explicit(&run->cancelled, memory_order_relaxed)) {
        info->status = PF_CANCELLED;
        return PF_EVENT_ERROR;
    }
    window w = {0};
    int event = MERGE_DONE;
    for (bool first = true; event < 0; first = false) {
        event = merge_or_work(run, info, &w, first);
    }
    phase_close(run);
    /* relaxed, both: only the caller sets it, and no worker is inside */
    if (atomic_load_explicit(&run->recalled, memory_order_relaxed)) {
        atomic_store_explicit(&run->recalled, false, memory_order_relaxed);
        return give_up_rows(run, event, info);
    }
    if (event == PF_EVENT_TICK) {
        event = merge_rest(run, info);
    }
    return (pf_event)event;
}

/* ---- process-wide ---- */

void pf_run_quiesce(void)
{
    pf_sched_quiesce();
}

void pf_run_after_fork(void)
{
    pf_sched_after_fork();
    idle_after_fork();
}

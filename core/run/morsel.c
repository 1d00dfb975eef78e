/* Computing a morsel: vectors of rows through the row program into a slot, on any thread.
 *
 * A slot that was claimed is always finished, whatever goes wrong: an error is noted in it, behind the rows that are good,
 * and reaches the caller when its turn comes. That is what makes the rows before it merge as if nothing had happened. Or it
 * is paused, within a row of long inner loops: then whoever comes first goes on with it, worker or caller, in this window
 * or the next. */
#include "run_internal.h"

#include "../base/bits.h"
#include "../base/clock.h"
#include "../base/mem.h"

#include <string.h>

/* ---- crews ---- */

static pf_status prepare_stage(crew *c, const pf_run *run, int stage)
{
    const pf_stage *st = &run->plan->stages[stage];
    if (c->frames[stage] == NULL) {
        PF_TRY(pf_frame_new(st->program, &c->frames[stage]));
    }
    pf_frame *frame = c->frames[stage];
    if (c->kind_memory[stage] == NULL) {
        c->kind_memory[stage] = pf_mem_calloc(st->fn->ncolumns + 1, sizeof(uint8_t *));
        if (c->kind_memory[stage] == NULL) {
            return PF_NOMEM;
        }
        for (uint32_t k = 0; k < st->fn->ncolumns; k++) {
            c->kind_memory[stage][k] = pf_frame_kind_memory(frame, k);
        }
    }
    frame->params = run->params;
    frame->strings = run->strings;
    frame->str_view = run->str_view;
    frame->counts = c->counts;
    frame->want_rows = run->want_rows || run->is_extreme || run->plan->nstages > 1;
    return PF_OK;
}

/* What is there already is kept, so a crew can be prepared again after memory ran out, or for the next run. */
pf_status crew_prepare(crew *c, const pf_run *run)
{
    if (c->ready) {
        return PF_OK;
    }
    for (int stage = 0; stage < run->plan->nstages; stage++) {
        PF_TRY(prepare_stage(c, run, stage));
    }
    if (run->plan->nstages > 1 && c->expansion == NULL) {
        PF_TRY(expansion_new(&c->expansion));
    }
    c->ready = true;
    return PF_OK;
}

void crew_clear(crew *c, const pf_run *run)
{
    for (int stage = 0; stage < run->plan->nstages; stage++) {
        pf_frame_free(c->frames[stage]);
        pf_mem_free(c->kind_memory[stage]);
    }
    pf_mem_free(c->expansion);
    *c = (crew){0};
}

/* ---- one vector ---- */

/* A vector with failed rows, or one that stops: the good stretches one by one. */
static pf_status append_torn(pf_run *run, slot *s, const pf_frame *frame, const lanes *in, bool *stopped)
{
    int32_t done = 0;
    for (int32_t j = 0; j < frame->nfailed; j++) {
        const pf_failed *failed = &frame->failed[j];
        int32_t to = done;
        while (to < frame->nout && in->index[to] < failed->row) {
            to++;
        }
        PF_TRY(slot_append(s, run, in, done, to));
        done = to;
        failure why = {.op = failed->op, .barrier = failed->barrier, .place = failed->place};
        PF_TRY(slot_cut(s, run, in->row0 + failed->row, END_FAILED, &why));
    }
    PF_TRY(slot_append(s, run, in, done, frame->nout));
    if (frame->stop >= 0) {
        PF_TRY(slot_cut(s, run, in->row0 + frame->stop, END_STOP, NULL));
        *stopped = true;
    }
    return PF_OK;
}

static pf_status compute_vector(pf_run *run, crew *c, slot *s, int64_t row0, int32_t n, bool *stopped)
{
    pf_frame *frame = c->frames[0];
    const pf_stage *st = &run->plan->stages[0];
    if (st->fn->ncolumns > 0) {
        PF_TRY(run->hooks.gather(run->hooks.ctx, row0, n, frame->columns, c->kind_memory[0]));
    }
    frame->row0 = row0;
    frame->n = n;
    pf_interp_run(st->program, frame);
    bool torn = frame->nfailed > 0 || frame->stop >= 0;
    lanes in = {frame->outputs, frame->want_rows || torn ? frame->out_rows : NULL, row0};
    return torn ? append_torn(run, s, frame, &in, stopped) : slot_append(s, run, &in, 0, frame->nout);
}

/* Rows of the vector that begins at `row`: a fold's pieces end where its blocks do. */
static int32_t vector_rows(const pf_run *run, const slot *s, int64_t row)
{
    int64_t n = s->row_end - row < PF_LANES ? s->row_end - row : PF_LANES;
    if (run->plan->sink == PF_SINK_FOLD) {
        int64_t left = run->plan->fold_block - row % run->plan->fold_block;
        n = left < n ? left : n;
    }
    return (int32_t)n;
}

/* ---- one morsel ---- */

static pf_status compute_some(pf_run *run, crew *c, slot *s, int32_t n, bool *paused)
{
    return run->plan->nstages == 1 ? compute_vector(run, c, s, s->row, n, &s->finished_early)
                                   : expand_vector(run, c, s, s->row, n, paused);
}

static void count_from_start(crew *c, slot *s, const pf_run *run)
{
    slot_return(s, run, &c->start);
    memcpy(c->counts, c->counts_start, sizeof(c->counts));
    s->finished_early = s->has_barrier = false;
}

/* Where a row fails or stops, the counters have run past it: the rows before it (`part` of them) are done once more without the
 * rest. They were good, and are still, unless somebody without the GIL writes to the source. */
static pf_status compute_counted(pf_run *run, crew *c, slot *s, bool *paused)
{
    for (;;) {
        if (c->part > 0) {
            pf_status status = compute_some(run, c, s, c->part, paused);
            if (status != PF_OK || *paused) {
                return status;
            }
        }
        if (s->nsegments == c->start.nsegments) {
            break;
        }
        c->torn = true;
        c->cut = s->segments[c->start.nsegments];
        c->part = (int32_t)(c->cut.row_end - s->row);
        count_from_start(c, s, run);
    }
    if (c->torn) {
        failure why = {.op = c->cut.op, .stage = c->cut.stage, .barrier = c->cut.barrier, .place = c->cut.place};
        PF_TRY(slot_cut(s, run, c->cut.row_end, c->cut.end, &why));
        s->finished_early = true;
    }
    return PF_OK;
}

static void start_vector(const pf_run *run, crew *c, const slot *s, int32_t n)
{
    slot_mark(s, run, &c->start);
    if (run->ncounters > 0) {
        memcpy(c->counts_start, c->counts, sizeof(c->counts));
        c->part = n;
        c->torn = false;
    }
}

/* n rows from s->row on. Paused, it is called again with the same arguments. */
static pf_status compute_one(pf_run *run, crew *c, slot *s, int32_t n, bool *paused)
{
#ifdef PF_PLANTED_BUG_MORSEL_DROPPED
    if (n < PF_LANES && s->row > s->row_begin) {
        return PF_OK;
    }
#endif
    if (s->holder == NULL) {
        start_vector(run, c, s, n);
    }
    s->holder = NULL;
    int64_t end = s->row + n;
    pf_status status = run->ncounters > 0 ? compute_counted(run, c, s, paused) : compute_some(run, c, s, n, paused);
    if (status == PF_OK && !*paused && run->plan->sink == PF_SINK_FOLD && end % run->plan->fold_block == 0 &&
        s->now.row_begin < end && !s->finished_early) {
        status = slot_cut(s, run, end, END_OPEN, NULL);
    }
    if (status != PF_OK) {
        slot_return(s, run, &c->start);
        memcpy(c->counts, c->counts_start, run->ncounters * sizeof(*c->counts));
    }
    return status;
}

/* False: paused. */
static bool compute_rows(pf_run *run, crew *c, slot *s)
{
    while (s->status == PF_OK && s->row < s->row_end && !s->finished_early) {
        if (run_is_left(run)) {
            s->status = PF_CANCELLED;
            break;
        }
        int32_t n = vector_rows(run, s, s->row);
        bool paused = false;
        s->status = compute_one(run, c, s, n, &paused);
        if (paused) {
            return false;
        }
        s->row += s->status == PF_OK ? n : 0;
    }
    if (!s->finished_early) {
        slot_finish(s, run, s->row);
    }
    if (run->ncounters > 0) {
        memcpy(run->counts_end, c->counts, sizeof(c->counts));
        run->counted_to = s->finished_early ? s->segments[s->nsegments - 1].row_end : s->row;
    }
    return true;
}

/* Whether rows after this slot are unlikely to be wanted: a hint that saves work, never a decision. */
static bool ends_the_stream(const slot *s)
{
    return s->finished_early || s->status != PF_OK || s->has_barrier;
}

static bool go_on(pf_run *run, crew *c, slot *s, bool timed)
{
    int64_t start = timed ? pf_clock_ns() : 0;
    bool done = compute_rows(run, c, s);
    if (timed) {
        int64_t ns = pf_clock_ns() - start;
        c->compute_ns += ns;
        s->spent_ns += ns;
    }
    if (!done) {
        s->holder = c;
        /* release: slot and crew, to the acquire in morsel_resume */
        atomic_store_explicit(&s->state, SLOT_PAUSED, memory_order_release);
        return false;
    }
    c->morsels++;
    if (ends_the_stream(s)) {
        /* relaxed: a hint */
        atomic_store_explicit(&run->saturated, true, memory_order_relaxed);
    }
    crew_give(run, c);
    /* release: the slot's contents, to the caller's acquire in merge_head */
    atomic_store_explicit(&s->state, SLOT_DONE, memory_order_release);
    return true;
}

bool morsel_compute(pf_run *run, crew *c, slot *s, int64_t row_begin, int64_t row_end, bool timed)
{
    s->holder = NULL;
    s->spent_ns = 0;
    s->row = row_begin;
    if (run->ncounters > 0) {
        memcpy(c->counts, run->counts_begin, sizeof(c->counts));
        run->counted_to = INT64_MAX;
    }
    s->status = slot_begin(s, run, row_begin, row_end);
    return go_on(run, c, s, timed);
}

slot *morsel_resume(pf_run *run, int64_t deadline)
{
    for (int64_t i = 0; run->may_pause && i < run->nslots; i++) {
        slot *s = &run->slots[i];
        int paused = SLOT_PAUSED;
        /* acquire: what was left in slot and crew */
        if (atomic_compare_exchange_strong_explicit(&s->state, &paused, SLOT_BUSY, memory_order_acquire,
                                                    memory_order_relaxed)) {
            s->holder->deadline = deadline;
            go_on(run, s->holder, s, true);
            return s;
        }
    }
    return NULL;
}

/* No worker is inside. */
void morsel_forget(pf_run *run)
{
    for (int64_t i = 0; run->may_pause && i < run->nslots; i++) {
        slot *s = &run->slots[i];
        /* relaxed, both: between calls the caller has the run for itself */
        if (atomic_load_explicit(&s->state, memory_order_relaxed) == SLOT_PAUSED) {
            expansion_reset(s->holder->expansion);
            crew_give(run, s->holder);
            atomic_store_explicit(&s->state, SLOT_BUSY, memory_order_relaxed);
        }
    }
}

/* ---- workers ---- */

/* The caller takes the lowest, which was prepared when the run began, workers the highest. */
crew *crew_take(pf_run *run, bool caller)
{
    /* relaxed: only to find a candidate */
    uint64_t free = atomic_load_explicit(&run->free_crews, memory_order_relaxed);
    while (free != 0) {
        int i = caller ? pf_bits_ctz64(free) : 63 - pf_bits_clz64(free);
        /* acquire: what the crew's last user left in it */
        if (atomic_compare_exchange_weak_explicit(&run->free_crews, &free, free & ~((uint64_t)1 << i),
                                                  memory_order_acquire, memory_order_relaxed)) {
            run->crews[i].deadline = 0;
            return &run->crews[i];
        }
    }
    return NULL;
}

void crew_give(pf_run *run, const crew *c)
{
    /* release: pairs with crew_take */
    atomic_fetch_or_explicit(&run->free_crews, (uint64_t)1 << (c - run->crews), memory_order_release);
}

crew *crew_take_ready(pf_run *run, bool caller)
{
    crew *c = crew_take(run, caller);
    if (c != NULL && crew_prepare(c, run) != PF_OK) {
        crew_give(run, c);
        return NULL;
    }
    return c;
}

/* Rows of slot `number` of the phase. */
void morsel_rows_of(const pf_run *run, int64_t number, int64_t *begin, int64_t *end)
{
    *begin = run->phase_row + (number - run->phase_index) * run->phase_size;
    *end = *begin + run->phase_size < run->phase_end_row ? *begin + run->phase_size : run->phase_end_row;
}

/* A claimed number is a promise, so a worker sees to its memory first. */
static bool help_once(pf_run *run)
{
    if (morsel_resume(run, 0) != NULL) {
        return true;
    }
    crew *c = crew_take_ready(run, false);
    if (c == NULL) {
        return false;
    }
    int64_t number = pf_claims_take(&run->claims);
    if (number < 0) {
        crew_give(run, c);
        return false;
    }
    c->used = true;
    int64_t begin, end;
    morsel_rows_of(run, number, &begin, &end);
    morsel_compute(run, c, slot_of(run, number), begin, end, true);
    return true;
}

void morsel_help(void *ctx)
{
    pf_run *run = ctx;
    /* relaxed, both: hints */
    while (!pf_sched_is_stopping() && !atomic_load_explicit(&run->saturated, memory_order_relaxed) &&
           !atomic_load_explicit(&run->pause, memory_order_relaxed) && help_once(run)) {
        pf_eventcount_wake(&run->done);
    }
}

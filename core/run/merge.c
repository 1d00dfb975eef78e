/* Merging: finished slots become pieces and events, in row order. Caller only.
 *
 * The frontier moves only when a segment has been absorbed, or its failed row handed out, so at every return the sink
 * holds exactly the rows before the frontier. An absorb that fails leaves the frontier before its piece. */
#include "run_internal.h"

static void fill_columns(pf_run *run, const slot *s, const segment *seg)
{
    for (uint32_t k = 0; k < run->noutputs; k++) {
        const column *c = &s->columns[k];
        unsigned width = pf_lane_bytes(run->last->outputs[k]);
        run->out[k] = (pf_column_out){
            .data = c->data + (size_t)seg->first * width,
            .bytes = width == 1,
            .kind = c->has_kinds ? c->kinds + seg->first : NULL,
            .seen = c->seen,
        };
    }
}

static pf_status absorb(pf_run *run, const slot *s, const segment *seg)
{
    if (seg->count == 0) {
        return PF_OK;
    }
    pf_piece piece;
    piece.row_begin = seg->row_begin;
    piece.row_end = seg->row_end;
    piece.count = seg->count;
#ifdef PF_PLANTED_BUG_INT128_TRUNCATED
    piece.isum = (int64_t)seg->isum;
#else
    piece.isum = seg->isum;
#endif
    piece.isum_high = seg->isum_high;
    piece.beyond = seg->beyond;
    piece.isum_least = seg->least;
    piece.isum_most = seg->most;
    piece.isum_loose = seg->loose;
    piece.has_best = piece.nan_first = false;
    piece.columns = NULL;
    piece.rows = NULL;
    piece.fblocks = NULL;
    pf_fblocks blocks;
    if (run->is_extreme) {
        const extreme *e = &s->extremes[seg - s->segments];
        piece.has_best = e->has_best;
        piece.nan_first = e->nan_first;
        piece.best_row = e->best_row;
        piece.first_row = e->first_row;
        for (uint32_t k = 0; k < run->noutputs; k++) {
            piece.best[k] = e->best[k];
            piece.first[k] = e->first[k];
        }
    }
    if (run->has_columns) {
        fill_columns(run, s, seg);
        piece.columns = run->out;
        piece.rows = run->want_rows ? s->rows + seg->first : NULL;
        if (run->plan->sink == PF_SINK_FSUM) {
            blocks = (pf_fblocks){s->blocks + seg->first_block, seg->nblocks};
            piece.fblocks = &blocks;
        }
    }
    return run->hooks.absorb(run->hooks.ctx, &piece);
}

/* ---- events ---- */

static int fail_with(pf_run *run, pf_event_info *info, pf_status status)
{
    phase_close(run);
    info->status = status;
    return PF_EVENT_ERROR;
}

static int stop_at(pf_run *run, pf_event_info *info, int64_t row)
{
    phase_close(run);
    run->frontier = row + 1;
    pf_run_drop(run);
    info->row = row;
    return PF_EVENT_STOP;
}

static int hand_out(pf_run *run, pf_event_info *info, const segment *seg)
{
    info->row = seg->row_end;
    info->op = seg->op;
    info->stage = seg->stage;
    info->place = seg->place;
    info->barrier = seg->barrier != 0;
    run->frontier = seg->row_end + 1;
    run->handed_out = true;
    run->rows_failed++;
    if (info->barrier) {
        /* relaxed: a hint; what lies beyond a barrier may be worth computing again */
        atomic_store_explicit(&run->saturated, false, memory_order_relaxed);
    }
    if (run->ncounters > 0) { /* nothing was computed beyond it */
        pf_run_drop(run);
    }
    return PF_EVENT_FAILED;
}

/* ---- one slot ---- */

/* The sum cannot take the next segment's blocks as they are: from its first row on the slot is computed once more, with
 * all values. Each time it happens, more of the slots to come keep theirs. */
static pf_status redo_with_values(pf_run *run, slot *s)
{
    enum { FIRST_DOUBTS = 8, MOST_DOUBLINGS = 16 }; /* slots; times it doubles: then it is for good */
    crew *c = crew_take_ready(run, true);           /* the caller is not computing, so his is free */
    if (c == NULL) {
        return PF_NOMEM;
    }
    s->keep_values = true;
    morsel_compute(run, c, s, s->segments[s->next].row_begin, s->row_end, false);
    s->keep_values = false;
    run->doubts = (int64_t)FIRST_DOUBTS << (run->redone < MOST_DOUBLINGS ? run->redone : MOST_DOUBLINGS);
    run->redone++;
    /* relaxed: a hint */
    atomic_store_explicit(&run->steady, false, memory_order_relaxed);
    return PF_OK;
}

static bool takes_blocks(const pf_run *run, const slot *s, const segment *seg)
{
    const pf_fblocks blocks = {s->blocks + seg->first_block, seg->nblocks};
    bool takes = !seg->hollow || run->hooks.takes_blocks(run->hooks.ctx, &blocks);
#ifdef PF_PLANTED_BUG_HOLLOW_TAKEN
    takes = true;
#endif
    return takes;
}

/* Returns a pf_event, or MERGE_DONE to go on with the next segment. */
static int merge_segment(pf_run *run, slot *s, pf_event_info *info)
{
    if (!takes_blocks(run, s, &s->segments[s->next])) {
        pf_status redone = redo_with_values(run, s);
        return redone == PF_OK ? MERGE_DONE : fail_with(run, info, redone);
    }
    const segment *seg = &s->segments[s->next];
    pf_status status = absorb(run, s, seg);
    if (status != PF_OK) {
        return fail_with(run, info, status);
    }
    run->rows_native += seg->row_end - seg->row_begin;
    run->frontier = seg->row_end;
    s->next++;
    if (seg->end == END_STOP) {
        return stop_at(run, info, seg->row_end);
    }
    if (seg->end == END_FAILED) {
#ifdef PF_PLANTED_BUG_ROW_REPLAYED_TWICE
        static _Thread_local bool again;
        again = !again;
        if (again) {
            s->next--;
            s->segments[s->next].count = 0;
            s->segments[s->next].row_begin = seg->row_end;
        }
#endif
        return hand_out(run, info, seg);
    }
    return MERGE_DONE;
}

/* Which slot is next in line. */
static slot *slot_in_line(pf_run *run)
{
#ifdef PF_PLANTED_BUG_MERGE_OUT_OF_ORDER
    /* Any finished slot will do: it changes places with the head. */
    int64_t end = atomic_load_explicit(&run->claims.next, memory_order_relaxed);
    slot *head = slot_of(run, run->head);
    for (int64_t n = end - 1; n > run->head; n--) {
        slot *other = slot_of(run, n);
        if (head->next == 0 && atomic_load_explicit(&other->state, memory_order_acquire) == SLOT_DONE &&
            atomic_load_explicit(&head->state, memory_order_acquire) == SLOT_DONE) {
            slot swapped = *head;
            *head = *other;
            *other = swapped;
            break;
        }
    }
#endif
    return slot_of(run, run->head);
}

int merge_head(pf_run *run, pf_event_info *info)
{
    /* relaxed: a slot taken this very moment is not done anyway */
    if (run->head >= atomic_load_explicit(&run->claims.next, memory_order_relaxed)) {
        return MERGE_EMPTY;
    }
    slot *s = slot_in_line(run);
    /* acquire: pairs with the release in morsel_compute */
    if (atomic_load_explicit(&s->state, memory_order_acquire) != SLOT_DONE) {
        return MERGE_WAIT;
    }
    while (s->next < s->nsegments) {
        int event = merge_segment(run, s, info);
        if (event >= 0) {
            return event;
        }
    }
    if (s->status != PF_OK) {
        pf_status status = s->status;
        int event = fail_with(run, info, status);
        pf_run_drop(run);
        return event;
    }
    /* relaxed: only the next taker of this slot looks, after claims_extend */
    atomic_store_explicit(&s->state, SLOT_BUSY, memory_order_relaxed);
    run->head++;
    run->doubts -= run->doubts > 0;
    claims_extend(run);
    return MERGE_DONE;
}

/* ---- results that wait ---- */

typedef struct visitor {
    pf_status (*visit)(void *ctx, uint64_t handle);
    void *ctx;
} visitor;

static const pf_kinds HANDLES = PF_K_STR | PF_K_OBJ;

static pf_status visit_column(const column *c, int64_t from, int64_t to, const visitor *v)
{
    const uint64_t *data = (const uint64_t *)(const void *)c->data;
    for (int64_t i = from; i < to; i++) {
        pf_kinds kind = c->has_kinds ? c->kinds[i] : c->seen;
        if ((kind & HANDLES) != 0 && data[i] != 0) {
            PF_TRY(v->visit(v->ctx, data[i]));
        }
    }
    return PF_OK;
}

static pf_status visit_scalars(const pf_scalar *scalars, uint32_t n, const visitor *v)
{
    for (uint32_t k = 0; k < n; k++) {
        if ((scalars[k].kind & HANDLES) != 0 && scalars[k].u.handle != 0) {
            PF_TRY(v->visit(v->ctx, scalars[k].u.handle));
        }
    }
    return PF_OK;
}

static pf_status visit_slot(const pf_run *run, const slot *s, const visitor *v)
{
    for (uint32_t k = 0; run->has_columns && s->next < s->nsegments && k < run->noutputs; k++) {
        const column *c = &s->columns[k];
        if ((run->last->outputs[k] & c->seen & HANDLES) != 0) { /* others may have lanes of one byte */
            PF_TRY(visit_column(c, s->segments[s->next].first, s->filled, v));
        }
    }
    for (int64_t i = s->next; run->is_extreme && i < s->nsegments; i++) {
        const extreme *e = &s->extremes[i];
        if (e->has_best) {
            PF_TRY(visit_scalars(e->best, run->noutputs, v));
        }
        if (e->nan_first) {
            PF_TRY(visit_scalars(e->first, run->noutputs, v));
        }
    }
    return PF_OK;
}

pf_status pf_run_visit_ahead(pf_run *run, pf_status (*visit)(void *ctx, uint64_t handle), void *ctx)
{
    visitor v = {visit, ctx};
    /* relaxed: no worker is inside */
    int64_t end = atomic_load_explicit(&run->claims.next, memory_order_relaxed);
    for (int64_t n = run->head; n < end; n++) {
        slot *s = slot_of(run, n);
        if (!s->visited) {
            PF_TRY(visit_slot(run, s, &v));
            s->visited = true;
        }
    }
    return PF_OK;
}

/* A slot's memory: good rows as segments, their outputs as columns or as sums (run_internal.h).
 *
 * A slot is filled by one thread at a time, front to back. Outputs go to the segment `now`; a cut closes it. Room for one more
 * segment is kept at all times, so that ending a slot never needs memory: when an allocation fails, the rows before it are
 * delivered and nothing is torn. */
#include "run_internal.h"

#include <string.h>

#include "../base/mem.h"
#include "../column/order.h"

enum {
    KEEP_BYTES = 64 * 1024,      /* a column of that size is kept for the next run */
    MAX_VALUES = 4 * 1024 * 1024 /* one row of nested loops may yield without end; CPython sums it in constant memory */
};

static unsigned width_of(const pf_run *run, uint32_t output)
{
    return pf_lane_bytes(run->last->outputs[output]);
}

/* ---- life ---- */

pf_status slot_init(slot *s, const pf_run *run)
{
    *s = (slot){0};
    atomic_init(&s->state, SLOT_DONE);
    if (run->has_columns && run->noutputs > 0) {
        s->columns = pf_mem_calloc(run->noutputs, sizeof(*s->columns));
        if (s->columns == NULL) {
            return PF_NOMEM;
        }
    }
    return PF_OK;
}

static void free_column(column *c)
{
    pf_mem_free(c->data);
    pf_mem_free(c->kinds);
    *c = (column){0};
}

void slot_trim(slot *s, const pf_run *run)
{
    for (uint32_t k = 0; s->columns != NULL && k < run->noutputs; k++) {
        if (s->columns[k].capacity * (int64_t)width_of(run, k) > KEEP_BYTES) {
            free_column(&s->columns[k]);
        }
    }
    if (s->row_capacity * (int64_t)sizeof(*s->rows) > KEEP_BYTES) {
        pf_mem_free(s->rows);
        s->rows = NULL;
        s->row_capacity = 0;
    }
    if (s->capacity * (int64_t)(sizeof(segment) + sizeof(extreme)) > KEEP_BYTES) {
        pf_mem_free(s->segments);
        pf_mem_free(s->extremes);
        s->segments = NULL;
        s->extremes = NULL;
        s->capacity = 0;
    }
}

void slot_clear(slot *s, const pf_run *run)
{
    for (uint32_t k = 0; s->columns != NULL && k < run->noutputs; k++) {
        free_column(&s->columns[k]);
    }
    pf_mem_free(s->columns);
    pf_mem_free(s->segments);
    pf_mem_free(s->extremes);
    pf_mem_free(s->rows);
    pf_mem_free(s->blocks);
    *s = (slot){0};
}

/* ---- room ---- */

/* Grows *block, of *capacity elements, to hold at least `wanted`. A block of nothing gets exactly what is wanted or the
 * hint. */
static bool reserve(void *block, int64_t *capacity, size_t size, int64_t wanted, int64_t hint)
{
    if (wanted <= *capacity) {
        return true;
    }
    int64_t more = *capacity * 2 > hint ? *capacity * 2 : hint;
    more = more > wanted ? more : wanted;
    if ((uint64_t)more > SIZE_MAX / 2 / size) {
        return false;
    }
    void *old;
    memcpy(&old, block, sizeof(old));
    /* aligned: stores of whole cache lines would else straddle two */
    void *grown = pf_mem_aligned_realloc(old, (size_t)*capacity * size, (size_t)more * size);
    if (grown == NULL) {
        return false;
    }
    memcpy(block, &grown, sizeof(grown));
    *capacity = more;
    return true;
}

/* Room for one segment more than there are. */
static bool reserve_segments(slot *s, const pf_run *run)
{
    int64_t capacity = s->capacity;
    if (run->is_extreme && !reserve(&s->extremes, &capacity, sizeof(*s->extremes), s->nsegments + 1, 4)) {
        return false;
    }
    return reserve(&s->segments, &s->capacity, sizeof(*s->segments), s->nsegments + 1, 4);
}

/* What a slot of this many rows is likely to need, so that it grows once and small runs stay small. */
static int64_t hint_of(const slot *s)
{
    int64_t rows = s->row_end - s->row_begin;
    return rows < 16 ? 16 : rows > 64 * 1024 ? 64 * 1024 : rows;
}

static bool reserve_values(slot *s, const pf_run *run, int64_t wanted)
{
    if (wanted > MAX_VALUES) {
        return false;
    }
    for (uint32_t k = 0; k < run->noutputs; k++) {
        column *c = &s->columns[k];
        if (!reserve(&c->data, &c->capacity, width_of(run, k), wanted, hint_of(s)) ||
            (c->has_kinds && !reserve(&c->kinds, &c->kind_capacity, 1, wanted, hint_of(s)))) {
            return false;
        }
    }
    return !run->want_rows || reserve(&s->rows, &s->row_capacity, sizeof(*s->rows), wanted, hint_of(s));
}

/* ---- begin, cut, finish ---- */

static void open_segment(slot *s, int64_t row)
{
    s->now = (segment){.row_begin = row, .row_end = row, .first = s->filled, .first_block = s->nblocks};
    s->now_extreme.has_best = s->now_extreme.nan_first = false;
}

/* Whether rows of a slot can be computed once more for the values that were left out. */
static bool can_redo(const pf_run *run)
{
    return run->plan->sink == PF_SINK_FSUM && run->hooks.takes_blocks != NULL && run->plan->nstages == 1 &&
           run->ncounters == 0;
}

pf_status slot_begin(slot *s, const pf_run *run, int64_t row_begin, int64_t row_end)
{
    s->row_begin = row_begin;
    s->row_end = row_end;
    s->status = PF_OK;
    s->finished_early = s->has_barrier = s->visited = false;
    /* relaxed: a hint */
    s->may_be_hollow = can_redo(run) && !s->keep_values && atomic_load_explicit(&run->steady, memory_order_relaxed);
    s->nsegments = s->next = s->filled = s->nblocks = 0;
    open_segment(s, row_begin);
    return reserve_segments(s, run) ? PF_OK : PF_NOMEM;
}

static void push_segment(slot *s, const pf_run *run, int64_t row_end)
{
    s->now.row_end = row_end;
    if (run->is_extreme) {
        s->extremes[s->nsegments] = s->now_extreme;
    }
    s->segments[s->nsegments++] = s->now;
}

/* Closes the segment; the next one begins after the row that ended it. */
pf_status slot_cut(slot *s, const pf_run *run, int64_t row_end, int end, const failure *why)
{
    s->now.end = (uint8_t)end;
    if (why != NULL) {
        s->now.op = why->op;
        s->now.stage = why->stage;
        s->now.place = why->place;
#ifndef PF_PLANTED_BUG_STALE_AFTER_BARRIER
        s->now.barrier = why->barrier;
        s->has_barrier = s->has_barrier || why->barrier;
#endif
    }
    push_segment(s, run, row_end);
    open_segment(s, end == END_OPEN ? row_end : row_end + 1);
    return reserve_segments(s, run) ? PF_OK : PF_NOMEM;
}

/* The room is there: it was made when the segment was opened. Where even the first had none, no row was computed. */
void slot_finish(slot *s, const pf_run *run, int64_t row_end)
{
    if (s->nsegments < s->capacity && row_end > s->now.row_begin) {
        push_segment(s, run, row_end);
    }
}

void slot_mark(const slot *s, const pf_run *run, mark *out)
{
    out->now = s->now;
    out->nsegments = s->nsegments;
    out->filled = s->filled;
    out->nblocks = s->nblocks;
    if (run->is_extreme) {
        out->now_extreme = s->now_extreme;
    }
}

void slot_return(slot *s, const pf_run *run, const mark *to)
{
    s->now = to->now;
    s->nsegments = to->nsegments;
    s->filled = to->filled;
    s->nblocks = to->nblocks;
    if (run->is_extreme) {
        s->now_extreme = to->now_extreme;
    }
}

/* ---- columns ---- */

/* From now on the column has a kind byte per value; what is there gets the one kind it had. */
static bool name_kinds(column *c, int64_t filled, int64_t wanted)
{
    if (!reserve(&c->kinds, &c->kind_capacity, 1, wanted, c->capacity)) {
        return false;
    }
    memset(c->kinds, c->seen, (size_t)filled);
    c->has_kinds = true;
    return true;
}

static bool append_kinds(column *c, int64_t filled, const pf_vec *v, int32_t from, int32_t n)
{
    if (filled == 0) {
        c->has_kinds = false;
        c->seen = v->seen;
    }
    bool several = v->kind != NULL || c->seen != v->seen;
    if (several && !c->has_kinds && !name_kinds(c, filled, filled + n)) {
        return false;
    }
    if (c->has_kinds && v->kind != NULL) {
        memcpy(c->kinds + filled, v->kind + from, (size_t)n);
    } else if (c->has_kinds) {
        memset(c->kinds + filled, v->seen, (size_t)n);
    }
    c->seen |= v->seen;
    return true;
}

static void append_rows(slot *s, const lanes *in, int32_t from, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        s->rows[s->filled + i] = in->row0 + (in->index == NULL ? from + i : in->index[from + i]);
    }
}

/* Copies n values, and sums each block as soon as it is full, while it is in the cache. Writing the values takes half
 * as long as summing them, and hardly ever does anybody want them: where the sum is steady those of a block are left
 * out. */
static bool append_floats(slot *s, const pf_run *run, const double *x, int32_t n)
{
    /* relaxed: any guess is allowed, a stale one costs time only */
    int guess = atomic_load_explicit(&run->guess, memory_order_relaxed);
    double *to = (double *)(void *)s->columns[0].data + s->filled;
    int32_t open = (int32_t)((s->filled - s->now.first) % PF_FBLOCK); /* values of a block not full yet */
    while (n > 0) {
        int32_t m = PF_FBLOCK - open < n ? PF_FBLOCK - open : n;
        const bool full = open + m == PF_FBLOCK, at_once = m == PF_FBLOCK;
        if (full && !reserve(&s->blocks, &s->block_capacity, sizeof(*s->blocks), s->nblocks + 1, 16)) {
            return false;
        }
        if (!at_once) {
            memcpy(to, x, (size_t)m * sizeof(*to));
        }
        if (full) {
            pf_fblock *block = &s->blocks[s->nblocks];
            const bool hollow = at_once && s->may_be_hollow;
            pf_fblock_compute(at_once ? x : to - open, at_once && !hollow ? to : NULL, guess,
                              (pf_fsum_flavour)run->flavour, block);
            if (hollow && pf_fblock_is_sound(block, run->flavour)) {
                s->now.hollow = true;
            } else if (hollow) {
                memcpy(to, x, PF_FBLOCK * sizeof(*to));
            }
            s->nblocks++;
            s->now.nblocks++;
        }
        open = full ? 0 : open + m;
        to += m;
        x += m;
        n -= m;
    }
    return true;
}

static pf_status append_columns(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t n)
{
    if (!reserve_values(s, run, s->filled + n)) {
        return PF_NOMEM;
    }
    for (uint32_t k = 0; k < run->noutputs; k++) {
        column *c = &s->columns[k];
        const pf_vec *v = &in->outputs[k];
        size_t width = width_of(run, k);
        if (!append_kinds(c, s->filled, v, from, n)) {
            return PF_NOMEM;
        }
        const bool summed = run->plan->sink == PF_SINK_FSUM && k == 0;
        if (!summed) {
            memcpy(c->data + (size_t)s->filled * width, (const uint8_t *)v->data + (size_t)from * width,
                   (size_t)n * width);
        } else if (!append_floats(s, run, (const double *)v->data + from, n)) {
            return PF_NOMEM;
        }
    }
    if (run->want_rows) {
        append_rows(s, in, from, n);
    }
    s->filled += n;
    s->now.count += n;
    return PF_OK;
}

/* ---- sums, minima ---- */

/* On its way isum was no less and no more. */
static void note_sums(segment *now, __int128 least, __int128 most)
{
    now->least = least < now->least ? least : now->least;
    now->most = most > now->most ? most : now->most;
}

/* Ints of 64 bits without sign, or of 128: where they do not fit, low halves and high ones are summed apart. */
static void append_wide(segment *now, const pf_vec *v, int32_t from, int32_t to)
{
    const int64_t *low = v->data;
    for (int32_t i = from; i < to; i++) {
        const int64_t high = v->width == PF_WIDTH_I128 ? v->high[i] : 0;
        const bool fits = high == low[i] >> 63;
        now->isum += fits ? (__int128)low[i] : (__int128)(uint64_t)low[i];
        now->isum_high += fits ? 0 : high;
        now->beyond |= !fits;
        note_sums(now, now->isum, now->isum);
    }
}

/* Values of any size. Where all have one sign the sum goes one way only. */
static void append_any(segment *now, const pf_run *run, const int64_t *x, int32_t n)
{
    if (x[run->kernels->least_i64(x, n)] >= 0 || x[run->kernels->most_i64(x, n)] <= 0) {
        now->isum += run->kernels->sum_wide(x, n);
        note_sums(now, now->isum, now->isum);
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        now->isum += x[i];
        note_sums(now, now->isum, now->isum);
    }
}

/* n lanes that are left of a sequence, of which none was ever written. It wraps on the way, and fits in the end. */
static int64_t sum_sequence(const pf_run *run, const pf_vec *v, int32_t n)
{
    const uint64_t *kept = v->kept;
#ifdef PF_PLANTED_BUG_THINNED_SEQUENCE
    kept = NULL;
#endif
    const uint64_t places =
        kept == NULL ? (uint64_t)n * (uint64_t)(n - 1) / 2 : run->kernels->sum_places(kept, v->kept_n);
    return (int64_t)((uint64_t)v->start * (uint64_t)n + (uint64_t)v->step * places);
}

static void append_isum(slot *s, const pf_run *run, const pf_vec *v, int32_t from, int32_t n)
{
    segment *now = &s->now;
    if (width_of(run, 0) == 1) {
        now->isum += run->kernels->sum_bytes((const uint8_t *)v->data + from, n);
        note_sums(now, now->isum, now->isum);
    } else if (v->width != PF_WIDTH_I64) {
        append_wide(now, v, from, from + n);
    } else if (pf_is_narrow(v->lo, v->hi) && v->seen == PF_K_I64) {
        if (v->lo < 0 && v->hi > 0) {
            now->loose = true;
            note_sums(now, now->isum + n * v->lo, now->isum + n * v->hi);
        }
        now->isum += v->iota ? sum_sequence(run, v, n) : run->kernels->sum_narrow((const int64_t *)v->data + from, n);
        note_sums(now, now->isum, now->isum);
    } else {
        append_any(now, run, (const int64_t *)v->data + from, n);
    }
    now->count += n;
}

static pf_scalar lane_value(const pf_vec *v, unsigned width, int32_t lane)
{
    pf_scalar value = {.kind = v->kind != NULL ? v->kind[lane] : v->seen};
    if (width == 1) {
        value.u.i = ((const uint8_t *)v->data)[lane];
    } else {
        value.u.handle = ((const uint64_t *)v->data)[lane];
    }
    return value;
}

static void note_row(const pf_run *run, const lanes *in, int32_t lane, pf_scalar *values, int64_t *row)
{
    for (uint32_t k = 0; k < run->noutputs; k++) {
        values[k] = lane_value(&in->outputs[k], width_of(run, k), lane);
    }
    *row = in->row0 + (in->index == NULL ? lane : in->index[lane]);
}

/* ---- minima by any keys ---- */

/* Python's `key < best` and `key > best`, of the keys from number `first` on. */
static bool beats_from(const pf_run *run, const lanes *in, int32_t lane, const pf_scalar *best, uint32_t first)
{
    for (uint32_t k = first; k < run->nkeys; k++) {
        pf_scalar key = lane_value(&in->outputs[k], width_of(run, k), lane);
        int order = pf_order_scalars(&key, &best[k], run->str_view);
        if (order != 0) {
            return (order < 0) == (run->plan->sink == PF_SINK_MIN);
        }
    }
    return false;
}

static bool is_nan(const pf_vec *v, int32_t lane)
{
    double x;
    memcpy(&x, (const uint64_t *)v->data + lane, sizeof x);
    return (v->kind != NULL ? v->kind[lane] : v->seen) == PF_K_F64 && x != x;
}

static void take_best(const pf_run *run, const lanes *in, int32_t lane, extreme *e)
{
    e->has_best = true;
    note_row(run, in, lane, e->best, &e->best_row);
}

/* Keys that begin with a str. The best one's view is kept: most lanes are told by it alone. */
static void append_by_text(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t to)
{
    const uint64_t *handles = in->outputs[0].data;
    const int worse = run->plan->sink == PF_SINK_MIN ? 1 : -1;
    extreme *e = &s->now_extreme;
    pf_str_view best = {0};
    for (int32_t i = from; i < to; i++) {
        if (e->has_best) {
            best = best.data != NULL ? best : run->str_view(e->best[0].u.handle);
            int order = 0;
            if (handles[i] != e->best[0].u.handle) {
                const pf_str_view text = run->str_view(handles[i]);
                order = pf_text_compare(&text, &best) * worse;
            }
            if (order > 0 || (order == 0 && !beats_from(run, in, i, e->best, 1))) {
                continue;
            }
        }
        take_best(run, in, i, e);
        best.data = NULL;
    }
}

/* Keys that begin with a number of several kinds: lane by lane. NaN is only met where there is one key. */
static void append_by_keys(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t to)
{
    const pf_vec *v = &in->outputs[0];
    extreme *e = &s->now_extreme;
    const bool floats = (run->last->outputs[0] & PF_K_F64) != 0 && run->nkeys == 1;
    for (int32_t i = from; i < to; i++) {
        if (floats && is_nan(v, i)) {
            continue;
        }
        if (!e->has_best || beats_from(run, in, i, e->best, 0)) {
            take_best(run, in, i, e);
        }
    }
}

/* The first smallest or largest of a column of one kind of number; -1: there are only NaN. */
static int32_t first_best(const pf_run *run, const pf_vec *v, int32_t from, int32_t n)
{
    const bool least = run->plan->sink == PF_SINK_MIN;
    int32_t at;
    if (run->last->outputs[0] == PF_K_F64) {
        at = (least ? run->kernels->least_f64 : run->kernels->most_f64)((const double *)v->data + from, n);
    } else {
        at = (least ? run->kernels->least_i64 : run->kernels->most_i64)((const int64_t *)v->data + from, n);
    }
    return at < 0 ? at : from + at;
}

/* The first key says where to look; the others decide among the lanes that have it. */
static void append_by_first_key(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t n)
{
    const pf_vec *v = &in->outputs[0];
    extreme *e = &s->now_extreme;
    int32_t at = first_best(run, v, from, n);
    if (at < 0) {
        return;
    }
    if (!e->has_best || beats_from(run, in, at, e->best, 0)) {
        take_best(run, in, at, e);
    } else {
        pf_scalar key = lane_value(v, 8, at);
        if (pf_order_scalars(&key, &e->best[0], run->str_view) != 0) {
            return; /* all lanes are worse */
        }
    }
    for (int32_t i = at + 1; run->nkeys > 1 && i < from + n; i++) {
        pf_scalar key = lane_value(v, 8, i);
        if (pf_order_scalars(&key, &e->best[0], run->str_view) == 0 && beats_from(run, in, i, e->best, 1)) {
            take_best(run, in, i, e);
        }
    }
}

static void append_extreme(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t n)
{
    const pf_kinds kinds = run->last->outputs[0];
#ifndef PF_PLANTED_BUG_NAN_MIN
    if (s->now.count == 0 && (kinds & PF_K_F64) != 0 && is_nan(&in->outputs[0], from)) {
        extreme *e = &s->now_extreme;
        e->nan_first = true;
        note_row(run, in, from, e->first, &e->first_row);
    }
#endif
    s->now.count += n;
    if (kinds == PF_K_I64 || kinds == PF_K_F64) {
        append_by_first_key(s, run, in, from, n);
    } else if (kinds == PF_K_STR) {
        append_by_text(s, run, in, from, from + n);
    } else {
        append_by_keys(s, run, in, from, from + n);
    }
}

/* Outputs [from, to) of a vector, all of good rows. */
pf_status slot_append(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t to)
{
    int32_t n = to - from;
    if (n <= 0) {
        return PF_OK;
    }
    switch (run->plan->sink) {
    case PF_SINK_NONE:
    case PF_SINK_COUNT:
        s->now.count += n;
        return PF_OK;
    case PF_SINK_ISUM:
        append_isum(s, run, &in->outputs[0], from, n);
        return PF_OK;
    case PF_SINK_MIN:
    case PF_SINK_MAX:
        append_extreme(s, run, in, from, n);
        return PF_OK;
    default:
        return append_columns(s, run, in, from, n);
    }
}

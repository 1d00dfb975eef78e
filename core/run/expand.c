/* Nested `for`s: a row of one stage expands to rows of the next (run.h, pf_stage).
 *
 * One vector of source rows is taken through all stages before the next. Between stages stands a level, which fills child
 * vectors across parents, so that short inner loops still run in full vectors:
 *
 *      stage 0          level 1            stage 1           level 2           stage 2 (last)
 *      outputs   --->   child lanes  --->  outputs   --->    child lanes  --->  outputs  ---> slot
 *      in rows          source[] per lane                    source[] per lane
 *
 * Mostly inner loops are short, so a level takes the children of many parents together: what they run over is asked for at
 * once, and what a parent has for its children is handed down a column at a time.
 *
 * Each lane knows the source row it stems from. The deepest level with pending outputs goes first, and a partly filled
 * vector is run only when nothing above is pending, so lanes stay in order on every level. Two things follow:
 *
 *   - When an output of row r reaches the slot, everything about the rows before r is known: their lanes have passed all
 *     stages, so they are complete, and if one failed or stopped anywhere, it is marked.
 *   - Only the last row with an output so far can still turn bad. Its outputs are appended behind a mark, and taken back if it
 *     does. A row fails whole.
 *
 * All state is here and in the frames, none on the stack, so the work can pause after any vector and go on on another thread. */
#include "run_internal.h"

#include <string.h>

#include "../base/clock.h"
#include "../base/mem.h"

enum { SHORT = 8, PARENTS = 64, ASK_EVERY = 16 };

typedef struct level {
    int32_t fill;     /* child lanes filled */
    int32_t parent;   /* next output of the stage before to expand ... */
    int32_t nparents; /* ... of this many */
    bool started;     /* `parent` is partly expanded: */
    int64_t offset;   /* ITEMS: items taken so far */
    int64_t value, step; /* RANGE: the next value */
    uint64_t left;    /* RANGE: values left */
    uint16_t source[PF_LANES]; /* source row of each child lane, within the vector */
} level;

/* Outputs of the stage before whose children are taken together. */
typedef struct parents {
    int32_t n;
    int32_t output[PARENTS];   /* ascending */
    uint16_t row[PARENTS];     /* the source row of each */
    int32_t children[PARENTS]; /* lanes that each fills; -1: it fails its row */
} parents;

struct expansion {
    bool active;                 /* a vector is paused half-way */
    level levels[PF_MAX_STAGES]; /* levels[s] feeds stage s; [0] is unused */
    int32_t n;                   /* source rows of the vector */
    int32_t stop_at;             /* source row that stops; n: none */
    int32_t nbad;
    int32_t open_row;            /* the row behind the mark, -1: none */
    int32_t cut_from;            /* source rows before it are delivered or cut */
    mark open;
    bool bad[PF_LANES];
    failure why[PF_LANES];
    uint16_t index[PF_LANES];    /* source row of each output of the last stage */
};

pf_status expansion_new(expansion **out)
{
    *out = pf_mem_calloc(1, sizeof(**out));
    return *out != NULL ? PF_OK : PF_NOMEM;
}

void expansion_reset(expansion *x)
{
    x->active = false;
}

static void mark_bad(expansion *x, int32_t row, const failure *why)
{
    if (!x->bad[row]) {
        x->bad[row] = true;
        x->why[row] = *why;
        x->nbad++;
    }
}

static bool is_dead(const expansion *x, int32_t row)
{
    return row >= x->stop_at || x->bad[row];
}

/* Source row of lane `lane` of stage `stage`. */
static int32_t source_of(const expansion *x, int stage, int32_t lane)
{
    return stage == 0 ? lane : x->levels[stage].source[lane];
}

/* ---- outputs of the last stage into the slot ---- */

static pf_status cut_bad_rows(pf_run *run, expansion *x, slot *s, int64_t row0, int32_t before)
{
    for (int32_t row = x->cut_from; x->nbad > 0 && row < before; row++) {
        if (x->bad[row]) {
            PF_TRY(slot_cut(s, run, row0 + row, END_FAILED, &x->why[row]));
        }
    }
    x->cut_from = before;
    return PF_OK;
}

/* Everything before row `before` is complete. */
static pf_status settle(pf_run *run, expansion *x, slot *s, int64_t row0, int32_t before)
{
    if (x->open_row >= 0 && is_dead(x, x->open_row)) {
        slot_return(s, run, &x->open);
    }
    x->open_row = -1;
    return cut_bad_rows(run, x, s, row0, before);
}

/* Outputs are in row order, so a row's bounds are found by bisection; most often the last lane is still the same row. */

/* First of the lanes [from, count) whose row is greater than `row`; count: none. */
static int32_t first_after(const uint16_t *index, int32_t from, int32_t count, int32_t row)
{
    if (index[count - 1] <= row) {
        return count;
    }
    int32_t low = from, high = count - 1;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (index[middle] > row) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/* index: source row of each output, ascending. */
static pf_status deliver(pf_run *run, expansion *x, slot *s, const pf_frame *frame, const uint16_t *index, int64_t row0)
{
    lanes in = {frame->outputs, index, row0};
    int32_t count = frame->nout;
    for (int32_t at = 0, to; at < count; at = to) {
        int32_t row = index[at];
        if (row >= x->stop_at) {
            break;
        }
        if (row != x->open_row) {
            PF_TRY(settle(run, x, s, row0, row));
            if (x->nbad == 0 && x->stop_at == x->n) {
                row = index[count - 1];
                int32_t last = row == 0 ? at : first_after(index, at, count, row - 1);
                PF_TRY(slot_append(s, run, &in, at, last)); /* all complete rows at once */
                at = last;
                x->cut_from = row;
            }
            x->open_row = row;
            slot_mark(s, run, &x->open);
        }
        to = first_after(index, at, count, row);
        if (!x->bad[row]) {
            PF_TRY(slot_append(s, run, &in, at, to));
        }
    }
    return PF_OK;
}

/* The rows of the last stage's outputs; where every lane has one, they are those of the lanes. */
static const uint16_t *rows_of_outputs(expansion *x, const pf_frame *frame, int stage)
{
    const uint16_t *source = x->levels[stage].source, *lane = frame->out_rows;
    if (frame->nout == frame->n) {
        return source;
    }
    uint16_t *index = x->index;
    for (int32_t i = 0, n = frame->nout; i < n; i++) {
        index[i] = source[lane[i]];
    }
    return index;
}

/* ---- running a stage ---- */

static pf_status run_stage(pf_run *run, crew *c, slot *s, int stage, int64_t row0)
{
    expansion *x = c->expansion;
    pf_frame *frame = c->frames[stage];
    c->inner_rows += stage > 0 ? frame->n : 0;
    pf_interp_run(run->plan->stages[stage].program, frame);
    for (int32_t j = 0; j < frame->nfailed; j++) {
        const pf_failed *f = &frame->failed[j];
        failure why = {.op = f->op, .stage = (uint8_t)stage, .barrier = f->barrier, .place = f->place};
        int32_t row = source_of(x, stage, f->row);
        if (row < x->stop_at) {
            mark_bad(x, row, &why);
        }
    }
    if (frame->stop >= 0) {
        int32_t row = source_of(x, stage, frame->stop);
        x->stop_at = row < x->stop_at ? row : x->stop_at;
    }
    if (stage < run->plan->nstages - 1) {
        x->levels[stage + 1].parent = 0;
        x->levels[stage + 1].nparents = frame->nout;
        x->levels[stage + 1].started = false;
        return PF_OK;
    }
    return deliver(run, x, s, frame, rows_of_outputs(x, frame, stage), row0);
}

/* ---- filling child vectors ---- */

static pf_scalar read_lane(const pf_vec *v, unsigned width, int32_t lane)
{
    pf_scalar value = {.kind = v->kind != NULL ? v->kind[lane] : v->seen};
    if (width == 1) {
        value.u.i = ((const uint8_t *)v->data)[lane];
    } else {
        value.u.handle = ((const uint64_t *)v->data)[lane];
    }
    return value;
}

static void reset_columns(const pf_fn *fn, pf_frame *frame)
{
    for (uint32_t k = 0; k < fn->ncolumns; k++) {
        frame->columns[k].kind = NULL;
        frame->columns[k].seen = 0;
        frame->columns[k].lo = INT64_MAX;
        frame->columns[k].hi = INT64_MIN;
    }
}

static void widen(pf_vec *v, int64_t a, int64_t b)
{
    int64_t lo = a < b ? a : b, hi = a < b ? b : a;
    v->lo = lo < v->lo ? lo : v->lo;
    v->hi = hi > v->hi ? hi : v->hi;
}

/* Lanes [lane, lane + n) get kind `kind`; lanes before have what the column says so far. */
static void set_kind(pf_vec *v, uint8_t *memory, int32_t lane, int32_t n, pf_kinds kind)
{
    if (v->kind == NULL && lane > 0 && v->seen != kind) {
        memset(memory, v->seen, (size_t)lane);
        v->kind = memory;
    }
    if (v->kind != NULL) {
        memset(v->kind + lane, kind, (size_t)n);
    }
    v->seen |= kind;
}

/* How many lanes to write for n: short inner loops write a fixed number, without a branch that mispredicts. What lies beyond n
 * is written again by the next parent. */
static int32_t lanes_to_write(int32_t lane, int32_t n)
{
    return n <= SHORT && lane + SHORT <= PF_LANES ? SHORT : n;
}

static void write_steps(uint64_t *data, int32_t lane, int32_t n, uint64_t value, uint64_t step)
{
    data += lane;
    if (lanes_to_write(lane, n) == SHORT) {
        for (int32_t i = 0; i < SHORT; i++, value += step) {
            data[i] = value;
        }
        return;
    }
    for (int32_t i = 0; i < n; i++, value += step) {
        data[i] = value;
    }
}

static void write_source(uint16_t *source, int32_t lane, int32_t n, int32_t row)
{
    source += lane;
    if (lanes_to_write(lane, n) == SHORT) {
        for (int32_t i = 0; i < SHORT; i++) {
            source[i] = (uint16_t)row;
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        source[i] = (uint16_t)row;
    }
}

/* A column that repeats one value of the parent. */
static void broadcast(pf_vec *v, uint8_t *memory, unsigned width, int32_t lane, int32_t n, const pf_scalar *value)
{
    set_kind(v, memory, lane, n, value->kind);
    if (value->kind == PF_K_I64) {
        widen(v, value->u.i, value->u.i);
    }
    if (width == 1) {
        memset((uint8_t *)v->data + lane, (int)value->u.i, (size_t)n);
        return;
    }
    write_steps(v->data, lane, n, value->u.handle, 0);
}

/* The next n values of a range from lane `lane` on. */
static void fill_range(pf_run *run, crew *c, int stage, int32_t lane, int32_t n)
{
    const level *l = &c->expansion->levels[stage];
    const pf_fn *fn = run->plan->stages[stage].fn;
    for (uint32_t k = 0; k < fn->ncolumns && n > 0; k++) {
        if (fn->columns[k].from == PF_FROM_INNER && fn->columns[k].used) {
            pf_vec *v = &c->frames[stage]->columns[k];
            write_steps(v->data, lane, n, (uint64_t)l->value, (uint64_t)l->step);
            set_kind(v, c->kind_memory[stage][k], lane, n, PF_K_I64);
            const int64_t *data = (const int64_t *)v->data + lane;
            widen(v, data[0], data[n - 1]);
        }
    }
}

static uint64_t range_length(int64_t start, int64_t stop, int64_t step)
{
    if (step == 1) {
        return start < stop ? (uint64_t)stop - (uint64_t)start : 0;
    }
    if (step > 0) {
        return start < stop ? ((uint64_t)stop - (uint64_t)start - 1) / (uint64_t)step + 1 : 0;
    }
    return start > stop ? ((uint64_t)start - (uint64_t)stop - 1) / (0 - (uint64_t)step) + 1 : 0;
}

/* False: the row fails (a step of 0, or a bound that is no int: CPython has its own words for both). */
static bool start_range(pf_run *run, crew *c, int stage, int32_t output)
{
    level *l = &c->expansion->levels[stage];
    const pf_fn *fn = run->plan->stages[stage - 1].fn;
    int64_t bounds[3];
    for (int k = 0; k < 3; k++) {
        pf_scalar v = read_lane(&c->frames[stage - 1]->outputs[k], pf_lane_bytes(fn->outputs[k]), output);
        if ((v.kind & (PF_K_I64 | PF_K_BOOL)) == 0) {
            return false;
        }
        bounds[k] = v.u.i;
    }
    l->value = bounds[0];
    l->step = bounds[2];
    l->started = true;
    if (bounds[2] == 0) {
        return false;
    }
    l->left = range_length(bounds[0], bounds[1], bounds[2]);
    return true;
}

static void next_parent(level *l)
{
    l->parent++;
    l->started = false;
}

static void fail_expansion(expansion *x, level *l, int stage, int32_t row)
{
    failure why = {.op = PF_OP_bail, .stage = (uint8_t)(stage - 1)};
    mark_bad(x, row, &why);
    next_parent(l);
}

/* The next parents that still count; those that do not are passed over. */
static void choose_parents(crew *c, int stage, parents *out)
{
    expansion *x = c->expansion;
    level *l = &x->levels[stage];
    const pf_frame *frame = c->frames[stage - 1];
    out->n = 0;
    for (int32_t output = l->parent; output < l->nparents && out->n < PARENTS; output++) {
        int32_t row = source_of(x, stage - 1, frame->out_rows[output]);
        if (!is_dead(x, row)) {
            out->output[out->n] = output;
            out->row[out->n++] = (uint16_t)row;
        } else if (output == l->parent) {
            next_parent(l);
        }
    }
}

/* Both fill child lanes from the level's `fill` on and say in p->children how many are whose. They return how many
 * parents they came to: all, or up to the one that fails, or the one with which the vector is full and which may have
 * more. */

static int32_t take_ranges(pf_run *run, crew *c, int stage, parents *p)
{
    level *l = &c->expansion->levels[stage];
    int32_t lane = l->fill;
    for (int32_t i = 0; i < p->n; i++) {
        if (!l->started && !start_range(run, c, stage, p->output[i])) {
            p->children[i] = -1;
            return i + 1;
        }
        const int32_t room = PF_LANES - lane, n = l->left < (uint64_t)room ? (int32_t)l->left : room;
        fill_range(run, c, stage, lane, n);
        l->value = (int64_t)((uint64_t)l->value + (uint64_t)n * (uint64_t)l->step);
        l->left -= (uint64_t)n;
        p->children[i] = n;
        lane += n;
        if (lane == PF_LANES) {
            return i + 1;
        }
        l->started = false;
    }
    return p->n;
}

static pf_status take_items(pf_run *run, crew *c, int stage, parents *p, int32_t *taken)
{
    level *l = &c->expansion->levels[stage];
    const uint64_t *handles = c->frames[stage - 1]->outputs[0].data;
    uint64_t containers[PARENTS];
    for (int32_t i = 0; i < p->n; i++) {
        containers[i] = handles[p->output[i]];
    }
    l->offset = l->started ? l->offset : 0;
    const pf_inner inner = {containers, p->n, l->offset, l->fill, PF_LANES - l->fill, p->children};
    return run->hooks.expand(run->hooks.ctx, stage - 1, &inner, c->frames[stage]->columns, c->kind_memory[stage],
                             taken);
}

/* One column of the lanes [lane, ...) of all children: what their parents have for it. */
static void hand_down(const pf_vec *from, unsigned from_width, pf_vec *to, uint8_t *memory, unsigned width,
                      int32_t lane, const parents *p, int32_t taken)
{
    for (int32_t i = 0; i < taken; i++) {
        if (p->children[i] > 0) {
            int32_t output = p->output[i];
#ifdef PF_PLANTED_BUG_CHILD_OF_ANOTHER
            output = i == PARENTS - 1 ? p->output[i - 1] : output;
#endif
            pf_scalar value = read_lane(from, from_width, output);
            broadcast(to, memory, width, lane, p->children[i], &value);
            lane += p->children[i];
        }
    }
}

/* What parents contribute to their children, whose lanes are counted here. */
static void fill_from_parents(pf_run *run, crew *c, int stage, const parents *p, int32_t taken)
{
    level *l = &c->expansion->levels[stage];
    const pf_fn *fn = run->plan->stages[stage].fn, *parent_fn = run->plan->stages[stage - 1].fn;
    pf_frame *child = c->frames[stage], *parent = c->frames[stage - 1];
    for (uint32_t k = 0; k < fn->ncolumns; k++) {
        const pf_column_info *info = &fn->columns[k];
        if (info->from == PF_FROM_PARENT && info->used) {
            hand_down(&parent->outputs[info->index], pf_lane_bytes(parent_fn->outputs[info->index]), &child->columns[k],
                      c->kind_memory[stage][k], pf_lane_bytes(info->kinds), l->fill, p, taken);
        }
    }
    for (int32_t i = 0; i < taken; i++) {
        if (p->children[i] > 0) {
            write_source(l->source, l->fill, p->children[i], p->row[i]);
            l->fill += p->children[i];
        }
    }
}

/* The children of the parents that come next. */
static pf_status expand_parents(pf_run *run, crew *c, int stage)
{
    expansion *x = c->expansion;
    level *l = &x->levels[stage];
    parents p;
    choose_parents(c, stage, &p);
    if (p.n == 0) {
        return PF_OK;
    }
    if (l->fill == 0) {
        reset_columns(run->plan->stages[stage].fn, c->frames[stage]);
    }
    int32_t taken = 0;
    if (run->plan->stages[stage - 1].expand == PF_EXPAND_RANGE) {
        taken = take_ranges(run, c, stage, &p);
    } else {
        PF_TRY(take_items(run, c, stage, &p, &taken));
    }
    fill_from_parents(run, c, stage, &p, taken);
    const int32_t last = taken - 1;
    const bool same = p.output[last] == l->parent;
    l->parent = p.output[last];
    if (p.children[last] < 0) {
        fail_expansion(x, l, stage, p.row[last]);
    } else if (l->fill == PF_LANES) {
        l->started = true;
        l->offset = (same ? l->offset : 0) + p.children[last];
    } else {
        next_parent(l);
    }
    return PF_OK;
}

/* Takes pending outputs of the stage before until the child vector is full or none is left. */
static pf_status fill_level(pf_run *run, crew *c, int stage)
{
    const level *l = &c->expansion->levels[stage];
    while (l->parent < l->nparents && l->fill < PF_LANES) {
        PF_TRY(expand_parents(run, c, stage));
    }
    return PF_OK;
}

/* ---- one vector of source rows ---- */

/* Runs one vector of some stage; *more is false when all is done. */
static pf_status step(pf_run *run, crew *c, slot *s, int64_t row0, bool *more)
{
    expansion *x = c->expansion;
    int ready = 0; /* stage whose child vector is to be run */
    for (int stage = run->plan->nstages - 1; stage >= 1 && ready == 0; stage--) {
        if (x->levels[stage].parent < x->levels[stage].nparents) {
            PF_TRY(fill_level(run, c, stage));
            if (x->levels[stage].fill < PF_LANES) {
                return PF_OK; /* this stage's parents are used up: look again from the deepest */
            }
            ready = stage;
        }
    }
    for (int stage = 1; stage < run->plan->nstages && ready == 0; stage++) {
        ready = x->levels[stage].fill > 0 ? stage : 0;
    }
    *more = ready != 0;
    if (ready == 0) {
        return PF_OK;
    }
    c->frames[ready]->n = x->levels[ready].fill;
    c->frames[ready]->row0 = row0;
    x->levels[ready].fill = 0;
    return run_stage(run, c, s, ready, row0);
}

static void begin(crew *c, int32_t n)
{
    expansion *x = c->expansion;
    for (int stage = 0; stage < PF_MAX_STAGES; stage++) {
        x->levels[stage].fill = x->levels[stage].parent = x->levels[stage].nparents = 0;
        x->levels[stage].started = false;
    }
    x->n = x->stop_at = n;
    x->nbad = 0;
    x->open_row = -1;
    x->cut_from = 0;
    memset(x->bad, 0, (size_t)n * sizeof(x->bad[0]));
}

/* Up to the source rows' own outputs. */
static pf_status enter(pf_run *run, crew *c, slot *s, int64_t row0, int32_t n)
{
    pf_frame *frame = c->frames[0];
    if (run->plan->stages[0].fn->ncolumns > 0) {
        PF_TRY(run->hooks.gather(run->hooks.ctx, row0, n, frame->columns, c->kind_memory[0]));
    }
    frame->row0 = row0;
    frame->n = n;
    begin(c, n);
    return run_stage(run, c, s, 0, row0);
}

static pf_status leave(pf_run *run, crew *c, slot *s, int64_t row0)
{
    expansion *x = c->expansion;
    PF_TRY(settle(run, x, s, row0, x->stop_at));
    if (x->stop_at < x->n) {
        PF_TRY(slot_cut(s, run, row0 + x->stop_at, END_STOP, NULL));
        s->finished_early = true;
    }
    return PF_OK;
}

static bool is_time_to_pause(const pf_run *run, const crew *c)
{
    if (!run->may_pause) {
        return false;
    }
    /* relaxed: sooner or later */
    return c->deadline != 0 ? pf_clock_ns() >= c->deadline
                            : atomic_load_explicit(&run->pause, memory_order_relaxed) || pf_sched_is_stopping();
}

/* A vector that was paused goes on where it stood. Every call gets at least one vector further. */
pf_status expand_vector(pf_run *run, crew *c, slot *s, int64_t row0, int32_t n, bool *paused)
{
    bool resumed = c->expansion->active;
    c->expansion->active = false;
    if (!resumed) {
        PF_TRY(enter(run, c, s, row0, n));
    }
    int vectors = 0;
    for (bool more = true; more;) {
        if (c->deadline != 0 && ++vectors % ASK_EVERY == 0) {
            run_ask(run);
        }
        if (run_is_left(run)) {
            return PF_CANCELLED;
        }
        PF_TRY(step(run, c, s, row0, &more));
        if (more && is_time_to_pause(run, c)) {
            c->expansion->active = *paused = true;
            return PF_OK;
        }
    }
    return leave(run, c, s, row0);
}

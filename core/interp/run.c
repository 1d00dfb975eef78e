/* Running one vector: steps in order, each over all lanes.
 *
 * A step's dead lanes (not in its mask, or failed before) hold any bits. Kernels compute them along; what may let
 * them out asks `mask` and `alive`. A mask that has every lane is NULL wherever a kernel takes one. */
#include <string.h>

#include "../column/set.h"
#include "running.h"

/* ---- rows that fail ---- */

static void fail(run *r, const pf_step *s, int32_t lane, bool barrier)
{
    pf_machine_fail(r->m, lane, &(pf_failed){.place = s->place, .op = s->op, .barrier = barrier});
}

static void fail_all(run *r, const pf_step *s, bool barrier)
{
    if (mask_count(r, s->mask) == 0) {
        return;
    }
    const uint8_t *mask = mask_bytes(r, s->mask);
    for (int32_t i = 0; i < r->m->n; i++) {
        if (is_live(r, mask, i)) {
            fail(r, s, i, barrier);
        }
    }
}

void pf_step_fail(run *r, const pf_step *s, int32_t lane)
{
    fail(r, s, lane, false);
}

void pf_step_fail_all(run *r, const pf_step *s)
{
    fail_all(r, s, false);
}

/* Lanes of a whose kind is not allowed fail. `seen` are the kinds a's lanes may have. */
static void check_kinds(run *r, const pf_step *s, pf_kinds seen, pf_kinds allowed)
{
    const pf_state *a = &r->st[s->a];
    if ((seen & ~allowed) == 0 || mask_count(r, s->mask) == 0) {
        return;
    }
    if (pf_kinds_single(seen)) {
        fail_all(r, s, (seen & PF_K_FOREIGN) != 0);
        return;
    }
    const uint8_t *mask = mask_bytes(r, s->mask);
    if (r->k->other_kind(a->kind, allowed, mask, r->m->n) == 0) {
        return;
    }
    for (int32_t i = 0; i < r->m->n; i++) {
        if ((a->kind[i] & ~allowed) != 0 && is_live(r, mask, i)) {
            fail(r, s, i, (a->kind[i] & PF_K_FOREIGN) != 0);
        }
    }
}

/* ---- ops ---- */

/* Views of the operands of a string op; that of an operand which is one scalar lane is made once. Two lanes that hold the
 * same object are not looked at. */
static bool test_strs(const run *r, const pf_step *s, uint64_t a, const pf_str_view *a_view, uint64_t b, const pf_str_view *b_view)
{
    const bool equality = s->op == PF_OP_eq || s->op == PF_OP_ne;
    if (a == b) {
        return s->op == PF_OP_eq || s->op == PF_OP_le || s->op == PF_OP_ge;
    }
    const pf_str_view left = a_view != NULL ? *a_view : r->f->str_view(a);
    const pf_str_view right = b_view != NULL ? *b_view : r->f->str_view(b);
    if (equality) {
        return pf_text_equal(&left, &right) == (s->op == PF_OP_eq);
    }
    const int order = pf_text_compare(&left, &right);
    switch (s->op) {
    case PF_OP_lt:
        return order < 0;
    case PF_OP_le:
        return order <= 0;
    case PF_OP_gt:
        return order > 0;
    default:
        return order >= 0;
    }
}

/* One text against those of all lanes: what a filter by a name does. */
static void find_str(const run *r, const uint8_t *mask, const uint64_t *handles, uint64_t wanted, bool equal,
                     uint8_t *result)
{
    const pf_str_view_fn str_view = r->f->str_view;
    const pf_str_view view = str_view(wanted);
    for (int32_t i = 0; i < r->m->n; i++) {
        result[i] = 0;
        if (is_live(r, mask, i)) {
            bool same = handles[i] == wanted;
            if (!same) {
                const pf_str_view other = str_view(handles[i]);
                same = pf_text_equal(&view, &other);
            }
            result[i] = same == equal;
        }
    }
}

/* Handles of dead lanes are never looked at. */
static void run_str(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const bool scalar = r->p->values[s->d].scalar;
    const uint8_t *mask = scalar ? NULL : mask_bytes(r, s->mask);
    const uint64_t *a = r->st[s->a].data, *b = s->b == 0 ? a : r->st[s->b].data;
    const bool one_a = s->form == PF_F_SV, one_b = s->form == PF_F_VS;
    uint8_t *result = d->data;
    d->seen = PF_K_BOOL;
    if (!scalar && (one_a || one_b) && (s->op == PF_OP_eq || s->op == PF_OP_ne)) {
        find_str(r, mask, one_a ? b : a, one_a ? *a : *b, s->op == PF_OP_eq, result);
        return;
    }
    pf_str_view view = {0};
    if (one_a || one_b) {
        view = r->f->str_view(one_a ? *a : *b);
    }
    for (int32_t i = 0; i < (scalar ? 1 : r->m->n); i++) {
        if (!scalar && !is_live(r, mask, i)) {
            result[i] = 0;
        } else if (s->op == PF_OP_truth) {
            result[i] = r->f->str_view(a[i]).length != 0;
        } else {
            result[i] = test_strs(r, s, a[one_a ? 0 : i], one_a ? &view : NULL, b[one_b ? 0 : i], one_b ? &view : NULL);
        }
    }
}

/* A NaN that may be the very object among the items is CPython's to find. */
static void fail_nans(run *r, const pf_step *s, const double *a, int32_t n)
{
    const uint8_t *mask = mask_bytes(r, s->mask);
    if (n == 1 && r->p->values[s->d].scalar) {
        if (a[0] != a[0]) {
            fail_all(r, s, false);
        }
        return;
    }
    for (int32_t i = 0; i < n; i++) {
        if (a[i] != a[i] && is_live(r, mask, i)) {
            fail(r, s, i, false);
        }
    }
}

static void run_in(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const bool scalar = r->p->values[s->d].scalar;
    const int32_t n = scalar ? 1 : r->m->n;
    const pf_set *set = (const pf_set *)(uintptr_t)*(const uint64_t *)r->st[s->b].data;
    const void *a = lanes(r, s->a);
    const uint8_t *mask = scalar ? NULL : mask_bytes(r, s->mask);
    uint8_t *result = d->data;
    d->seen = PF_K_BOOL;
    switch (s->ka) {
    case PF_K_I64:
        for (int32_t i = 0; i < n; i++) {
            result[i] = pf_set_has_i64(set, ((const int64_t *)a)[i]);
        }
        break;
    case PF_K_F64:
        for (int32_t i = 0; i < n; i++) {
            result[i] = pf_set_has_f64(set, ((const double *)a)[i]); /* a NaN's bits are not there */
        }
        if (set->has_nan) {
            fail_nans(r, s, a, n);
        }
        break;
    case PF_K_STR: /* handles of dead lanes are never looked at */
        for (int32_t i = 0; i < n; i++) {
            result[i] =
                (scalar || is_live(r, mask, i)) && pf_set_has_str(set, ((const uint64_t *)a)[i], r->f->str_view);
        }
        break;
    case PF_K_BOOL: {
        const bool has[2] = {pf_set_has_i64(set, 0), pf_set_has_i64(set, 1)};
        for (int32_t i = 0; i < n; i++) {
            result[i] = has[((const uint8_t *)a)[i] & 1];
        }
        break;
    }
    default:
        memset(result, set->has_none, (size_t)n);
        break;
    }
}

/* ---- choice and kinds ---- */

static bool several(pf_kinds seen)
{
    return seen != 0 && !pf_kinds_single(seen); /* none at all: the builder knew that no lane gets here */
}

/* The interval of a's lanes, of which only some kinds are meant. */
static pf_interval range_of(const pf_state *a, pf_kinds seen)
{
    return (seen & PF_K_I64) != 0 ? a->range : PF_INTERVAL_EMPTY;
}

/* All lanes of d become those of a. */
static void assign(run *r, pf_val to, pf_val from, pf_kinds seen)
{
    pf_state *d = &r->st[to];
    const void *a = lanes(r, from);
    const size_t n = (size_t)r->m->n;
    const bool scalar = r->p->values[from].scalar;
    if (r->p->values[to].lane == PF_LANE_BYTE) {
        if (scalar) {
            memset(d->data, *(const uint8_t *)a, n);
        } else {
            memcpy(d->data, a, n);
        }
    } else if (scalar) {
        r->k->fill(d->data, *(const uint64_t *)a, r->m->n);
    } else {
        memcpy(d->data, a, n * 8);
    }
    if (several(seen)) {
        memcpy(d->kind, r->st[from].kind, n);
    }
    d->seen = seen;
    d->iota = false;
    d->range = range_of(&r->st[from], seen);
}

static void run_blend(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const pf_state *a = &r->st[s->a];
    const int32_t count = mask_count(r, s->mask);
    const pf_kinds seen = a->seen & s->ka;
    if (count == 0 || seen == 0) {
        return;
    }
    if (count == r->m->n || d->seen == 0) {
        assign(r, s->d, s->a, seen);
        return;
    }
    const uint8_t *mask = r->st[s->mask].data;
    const pf_kinds both = seen | d->seen;
    r->k->blend[r->p->values[s->d].lane][s->form == PF_F_VS](lanes(r, s->d), mask, lanes(r, s->a), r->m->n);
    if (several(both)) {
        const bool uniform = pf_kinds_single(seen);
        if (pf_kinds_single(d->seen)) {
            memset(d->kind, d->seen, (size_t)r->m->n);
        }
        r->k->blend[PF_LANE_BYTE][uniform](d->kind, mask, uniform ? &seen : a->kind, r->m->n);
    }
    d->seen = both;
    d->range = pf_interval_union(d->range, range_of(a, seen));
}

static void run_select(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const pf_state *a = &r->st[s->a], *b = &r->st[s->b];
    const pf_kinds sa = a->seen & s->ka, sb = b->seen & s->kb, both = sa | sb;
    if (r->p->values[s->d].scalar) { /* one kind */
        const pf_state *chosen = *(const uint8_t *)r->st[s->c].data != 0 ? a : b;
        memcpy(d->data, chosen->data, 8);
        d->range = chosen->range;
        d->seen = both;
        return;
    }
    if (r->p->values[s->c].scalar) {
        const bool yes = *(const uint8_t *)r->st[s->c].data != 0;
        assign(r, s->d, yes ? s->a : s->b, yes ? sa : sb);
        return;
    }
    const uint8_t *c = r->st[s->c].data;
    r->k->select[r->p->values[s->d].lane][s->form](d->data, c, lanes(r, s->a), lanes(r, s->b), r->m->n);
    if (several(both)) {
        const bool ua = pf_kinds_single(sa), ub = pf_kinds_single(sb);
        const int form = ua && ub ? PF_F_SS : ua ? PF_F_SV : ub ? PF_F_VS : PF_F_VV;
        r->k->select[PF_LANE_BYTE][form](d->kind, c, ua ? &sa : a->kind, ub ? &sb : b->kind, r->m->n);
    }
    d->seen = both;
    d->iota = false;
    d->range = pf_interval_union(range_of(a, sa), range_of(b, sb));
}

static void run_is_kind(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const pf_state *a = &r->st[s->a];
    const pf_kinds seen = a->seen & s->ka;
    d->seen = PF_K_BOOL;
    if ((seen & ~s->kb) == 0 || (seen & s->kb) == 0) {
        memset(d->data, (seen & s->kb) != 0, (size_t)r->m->n);
    } else {
        r->k->is_kind(d->data, a->kind, s->kb, r->m->n);
    }
}

/* Lanes that failed are counted: what comes behind them is done again. */
static void run_rank(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    int64_t *count = &r->f->counts[s->index];
    const uint8_t *mask = mask_bytes(r, s->mask);
    d->seen = PF_K_I64;
    d->start = *count;
    d->step = 1;
    d->iota = mask == NULL;
    d->packed = 0;
    if (mask == NULL) {
        *count += mask_count(r, s->mask);
    } else {
        int64_t *lane = d->data, rank = *count;
        for (int32_t i = 0; i < r->m->n; i++) {
            lane[i] = rank;
            rank += mask[i] != 0;
        }
        *count = rank;
    }
    d->range = (pf_interval){d->start, *count};
}

/* Between bytes and words of bool. */
static void run_resize(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const int32_t n = r->p->values[s->d].scalar ? 1 : r->m->n;
    d->seen = PF_K_BOOL;
    if (s->code == PF_STEP_PACK) {
        r->k->pack(d->data, r->st[s->a].data, n);
    } else {
        r->k->widen(d->data, r->st[s->a].data, n);
    }
}

/* ---- control ---- */

static void run_branch(run *r, const pf_step *s)
{
    const int32_t all = mask_count(r, s->mask);
    const uint8_t *mask = mask_bytes(r, s->mask);
    const uint8_t *c = r->st[s->c].data;
    pf_state *yes = s->d == 0 ? NULL : &r->st[s->d], *no = s->a == 0 ? NULL : &r->st[s->a];
    int32_t count;
    if (r->p->values[s->c].scalar) {
        pf_state *taken = *c != 0 ? yes : no;
        count = *c != 0 ? all : 0;
        if (taken != NULL && mask != NULL) {
            memcpy(taken->data, mask, (size_t)r->m->n);
        }
    } else {
        count = r->k->branch(yes == NULL ? NULL : yes->data, no == NULL ? NULL : no->data, c, mask, r->m->n);
    }
    if (yes != NULL) {
        yes->count = count;
    }
    if (no != NULL) {
        no->count = all - count;
    }
}

static void run_merge(run *r, const pf_step *s)
{
    pf_state *d = &r->st[s->d];
    const int32_t count = mask_count(r, s->mask);
    if (count == r->m->n) {
        d->count = count;
    } else if (count != 0) {
        if (d->count == 0) {
            memcpy(d->data, r->st[s->mask].data, (size_t)r->m->n);
        } else {
            r->k->merge(d->data, r->st[s->mask].data, r->m->n);
        }
        d->count += count;
    }
}

/* To `home`, those in the next record's bits. */
static void move_lanes(run *r, pf_val v, void *home)
{
    pf_machine *m = r->m;
    pf_state *s = &r->st[v];
    const uint64_t *bits = pf_machine_bits(m);
    if (r->p->values[v].lane == PF_LANE_BYTE) {
        r->k->compress1(home, s->data, bits, m->n);
    } else if (s->iota && s->packed == 0 && pf_can_pack(s->step)) {
        s->packed = m->ncompacts + 1; /* still a sequence: what is computed from it may be one too */
    } else {
        r->k->compress8(home, lanes(r, v), bits, m->n);
    }
    if (s->width == PF_WIDTH_I128) {
        r->k->compress8((uint64_t *)s->high, (const uint64_t *)s->high, bits, m->n);
    }
}

/* Drops all lanes but those in the next record's bits, of which there are `count`. */
static void compact(run *r, int32_t count, const pf_item *items, uint32_t nitems)
{
    pf_machine *m = r->m;
    for (uint32_t i = 0; count > 0 && i < nitems; i++) {
        const pf_value *value = &r->p->values[items[i].value];
        pf_state *s = &r->st[items[i].value];
        void *home = pf_machine_home(m, value);
        if (items[i].value != r->kept) {
            move_lanes(r, items[i].value, home);
        }
        s->data = home;
        if (items[i].kinds != 0 && several(s->seen)) {
            uint8_t *kind_home = m->registers + value->kind_slot;
            r->k->compress1(kind_home, s->kind, pf_machine_bits(m), m->n);
            s->kind = kind_home;
        }
    }
    pf_machine_compacted(m, count);
}

/* c 0: all who are alive. Nothing is moved when nobody leaves. */
static void run_compact(run *r, const pf_step *s)
{
    pf_machine *m = r->m;
    const pf_value *value = &r->p->values[s->c];
    const pf_state *c = &r->st[s->c];
    const uint8_t *alive = m->deaths ? m->alive : NULL;
    int32_t count;
    if (r->kept != 0) {
        count = r->kept_n;
    } else if (s->c == 0 || value->scalar || (value->origin == PF_VALUE_MASK && (c->count == 0 || c->count == m->n))) {
        bool all = s->c == 0 || (value->scalar ? *(const uint8_t *)c->data != s->negate : c->count != 0);
        if (all && alive == NULL) {
            return;
        }
        count = all ? r->k->bits(pf_machine_bits(m), alive, 0, NULL, m->n) : 0;
    } else {
        count = r->k->bits(pf_machine_bits(m), c->data, s->negate, alive, m->n);
    }
    if (count < m->n) {
        compact(r, count, r->p->items + s->index, s->count);
    }
    r->kept = 0;
}

static void run_stop(run *r, const pf_step *s)
{
    if (mask_count(r, s->mask) == 0) {
        return;
    }
    const uint8_t *mask = mask_bytes(r, s->mask);
    for (int32_t i = 0; i < r->m->n; i++) {
        if (is_live(r, mask, i)) {
            const int32_t row = pf_machine_rows(r->m)[i];
            r->f->stop = r->f->stop < 0 || row < r->f->stop ? row : r->f->stop;
            return;
        }
    }
}

/* Not where rows are wanted, failed or stop the stream: then stretches of the lanes are looked at. */
static bool can_leave_as_sequence(const run *r, const pf_state *o, pf_kinds seen)
{
    return r->p->ints == PF_OUTPUTS_SUM && o->iota && seen == PF_K_I64 && pf_is_narrow(o->range.lo, o->range.hi) &&
           !r->f->want_rows && r->m->rows_at < 0 && r->f->stop < 0;
}

static void leave_as_sequence(const run *r, const pf_state *o, pf_vec *out)
{
    const int32_t record = o->packed - 1;
    *out = (pf_vec){
        .seen = PF_K_I64,
        .iota = true,
        .start = o->start,
        .step = o->step,
        .lo = o->range.lo,
        .hi = o->range.hi,
        .kept = o->packed == 0 ? NULL : pf_machine_record(r->m, record),
        .kept_n = o->packed == 0 ? 0 : r->m->compact_n[record],
    };
}

static void run_exit(run *r, const pf_step *s)
{
    const pf_item *items = r->p->items + s->index;
    for (uint32_t i = 0; i < s->count; i++) {
        const pf_state *o = &r->st[items[i].value];
        const pf_kinds seen = o->seen & items[i].kinds;
        if (i == 0 && can_leave_as_sequence(r, o, seen)) {
            leave_as_sequence(r, o, &r->f->outputs[i]);
            continue;
        }
        r->f->outputs[i] = (pf_vec){
            .data = lanes(r, items[i].value),
            .kind = several(seen) ? o->kind : NULL,
            .seen = seen,
            .lo = o->range.lo,
            .hi = o->range.hi,
            .high = o->high,
            .width = o->width,
        };
        if (o->width != PF_WIDTH_I64 && r->p->ints == PF_OUTPUTS_U64) {
            uint32_t first = 0; /* an output that comes twice is taken apart once: its high halves are gone then */
            while (items[first].value != items[i].value) {
                first++;
            }
            if (first < i) {
                r->f->outputs[i] = r->f->outputs[first];
            } else {
                pf_step_unsigned_output(r, items[i].value, &r->f->outputs[i]);
            }
        }
    }
    r->f->nout = r->m->n;
}

/* ---- the whole ---- */

/* What comes from outside: columns, params, strings; and a clean slate for what edges write. */
static void begin(run *r)
{
    const pf_frame *f = r->f;
    r->low_holds = true;
    for (uint32_t i = 0; i < r->p->nguards; i++) {
        const int64_t param = f->params[r->p->guards[i].param].u.i;
        r->low_holds = r->low_holds && param >= 0 && param <= r->p->guards[i].most;
    }
    pf_machine_begin(r->m, f->n);
    pf_step_plan_asking(r);
    for (uint32_t v = 1; v < r->p->nvalues; v++) {
        const pf_value *value = &r->p->values[v];
        pf_state *s = &r->st[v];
        switch (value->origin) {
        case PF_VALUE_COLUMN: {
            const pf_vec *c = &f->columns[value->index];
            pf_interval range = c->lo <= c->hi ? (pf_interval){c->lo, c->hi} : PF_INTERVAL_ALL;
            *s = (pf_state){c->data, c->kind, range, c->start, c->step, 0, c->seen, c->iota, 0, PF_WIDTH_I64, NULL};
            break;
        }
        case PF_VALUE_ROW:
            s->data = r->m->registers + value->slot;
            s->range = (pf_interval){f->row0, f->row0 + f->n - 1};
            s->start = f->row0;
            s->step = 1;
            s->iota = true;
            s->packed = 0;
            break;
        case PF_VALUE_PARAM: {
            const pf_scalar *param = &f->params[value->index];
            if (value->lane == PF_LANE_BYTE) {
                *(uint8_t *)s->data = param->u.i != 0;
            } else {
                memcpy(s->data, &param->u, 8);
            }
            s->range = value->kinds == PF_K_I64 ? (pf_interval){param->u.i, param->u.i} : PF_INTERVAL_ALL;
            break;
        }
        case PF_VALUE_STRING:
            memcpy(s->data, &f->strings[value->index], 8);
            break;
        case PF_VALUE_ARG:
            s->seen = 0;
            break;
        case PF_VALUE_MASK:
            s->count = 0;
            break;
        default:
            break;
        }
    }
}

static void run_step(run *r, const pf_step *s)
{
    switch ((pf_step_code)s->code) {
    case PF_STEP_COLUMN:
        check_kinds(r, s, r->st[s->a].seen, s->ka);
        break;
    case PF_STEP_OP:
        pf_step_op(r, s, s->kernel);
        break;
    case PF_STEP_INT:
        pf_step_int(r, s);
        break;
    case PF_STEP_WIDE:
        pf_step_wide(r, s);
        break;
    case PF_STEP_FIT:
        pf_step_fit(r, s);
        break;
    case PF_STEP_MOD_IS:
        pf_step_mod_is(r, s);
        break;
    case PF_STEP_MUL_ADD:
        pf_step_mul_add(r, s);
        break;
    case PF_STEP_CHOOSE:
        pf_step_choose(r, s);
        break;
    case PF_STEP_STR:
        run_str(r, s);
        break;
    case PF_STEP_IN:
        run_in(r, s);
        break;
    case PF_STEP_SELECT:
        run_select(r, s);
        break;
    case PF_STEP_RANK:
        run_rank(r, s);
        break;
    case PF_STEP_IS_KIND:
        run_is_kind(r, s);
        break;
    case PF_STEP_NARROW:
        check_kinds(r, s, r->st[s->a].seen & s->ka, s->kb);
        break;
    case PF_STEP_PACK:
    case PF_STEP_WIDEN:
        run_resize(r, s);
        break;
    case PF_STEP_FILL:
        assign(r, s->d, s->a, s->ka);
        break;
    case PF_STEP_BLEND:
        run_blend(r, s);
        break;
    case PF_STEP_BRANCH:
        run_branch(r, s);
        break;
    case PF_STEP_MERGE:
        run_merge(r, s);
        break;
    case PF_STEP_COMPACT:
        run_compact(r, s);
        break;
    case PF_STEP_STOP:
        run_stop(r, s);
        break;
    case PF_STEP_BAIL:
        fail_all(r, s, false);
        break;
    case PF_STEP_EXIT:
        run_exit(r, s);
        break;
    case PF_STEP_ENTER:
    case PF_STEP_COUNT:
        break;
    }
}

void pf_interp_run(const pf_program *program, pf_frame *frame)
{
    run r = {program, program->kernels, frame, frame->private_, ((pf_machine *)frame->private_)->states, true, 0, 0, 0,
             0};
    frame->stop = -1;
    frame->nout = 0;
    for (uint32_t i = 0; i < program->noutputs; i++) {
        frame->outputs[i].seen = 0; /* stays so when no row gets to the exit */
    }
    begin(&r);
    for (uint32_t i = 0; i < program->nsteps && r.m->n > 0;) {
        const pf_step *s = &program->steps[i++];
        if (s->code == PF_STEP_ENTER) {
            i = r.st[s->mask].count == 0 ? s->index : i;
        } else if (s->joined > 0 && pf_step_joined(&r, s)) {
            i += s->joined - 1u;
        } else {
            if (s->strip == PF_LANES) {
                pf_ask_ahead(&r);
            }
            run_step(&r, s);
        }
    }
    pf_machine_end(r.m, frame);
}

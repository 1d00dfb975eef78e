/* Steps that are a kernel over all lanes, and which kernel that is.
 *
 * A kernel says whether some lane bails; which one, and whether it is alive, is asked afterwards.
 *
 * While a vector is computed the memory is idle, so what the next one will be copied from is asked for meanwhile,
 * evenly over the steps and the strips that they are cut into. */
#include <string.h>

#include "running.h"

static unsigned lane_bytes(const run *r, pf_val v)
{
    return r->p->values[v].lane == PF_LANE_BYTE ? 1 : 8;
}

/* The operands of a kernel, and how far each goes from lane to lane. */
typedef struct operands {
    uint8_t *d, *a, *b;
    size_t wd, wa, wb;
    const uint8_t *mask;
} operands;

static operands operands_of(const run *r, const pf_step *s)
{
    return (operands){
        .d = r->st[s->d].data,
        .a = r->st[s->a].data,
        .b = s->b == 0 ? NULL : r->st[s->b].data,
        .wd = lane_bytes(r, s->d),
        .wa = s->form == PF_F_SV ? 0 : lane_bytes(r, s->a),
        .wb = s->form == PF_F_VS || s->b == 0 ? 0 : lane_bytes(r, s->b),
        .mask = mask_bytes(r, s->mask),
    };
}

static unsigned run_part(const operands *o, pf_kernel kernel, int32_t from, int32_t n)
{
    const size_t i = (size_t)from;
    return kernel(o->d + i * o->wd, o->a + i * o->wa, o->b == NULL ? NULL : o->b + i * o->wb,
                  o->mask == NULL ? NULL : o->mask + i, n);
}

/* A kernel says that some lane in [0, n) bails: asks it again, 64 lanes and then one lane at a time. */
static void fail_lanes(run *r, const pf_step *s, pf_kernel kernel)
{
    if (r->p->values[s->d].scalar) {
        pf_step_fail_all(r, s);
        return;
    }
    const operands o = operands_of(r, s);
    for (int32_t from = 0; from < r->m->n; from += 64) {
        const int32_t n = r->m->n - from < 64 ? r->m->n - from : 64;
        for (int32_t i = run_part(&o, kernel, from, n) == 0 ? from + n : from; i < from + n; i++) {
            if (is_live(r, o.mask, i) && run_part(&o, kernel, i, 1) != 0) {
                pf_step_fail(r, s, i);
            }
        }
    }
}

/* ---- strips ---- */

enum { MOST_LINES = 24 }; /* at once: a CPU keeps some twenty such requests, and waits where more are made */

/* How many lines to ask for at once, so that all are asked for by the end. */
void pf_step_plan_asking(run *r)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < r->p->ncolumns; i++) {
        bytes += r->f->columns[i].ahead_end - r->f->columns[i].ahead;
    }
    r->asking = bytes > 0 ? 0 : r->p->ncolumns;
    if (bytes == 0) {
        return;
    }
    const int64_t lines = bytes / (PF_CACHE_LINE * (int64_t)r->p->asks) + 1;
    r->per_ask = lines < MOST_LINES ? (int32_t)lines : MOST_LINES;
}

static void mul_add_part(const run *r, const pf_step *s, int32_t from, int32_t n)
{
    const double *a = r->st[s->a].data, *b = r->st[s->b].data, *c = r->st[s->c].data;
    double *d = r->st[s->d].data;
    const bool one_b = s->form == PF_F_VS, one_c = r->p->values[s->c].scalar;
    r->k->mul_add[one_b][one_c][s->negate](d + from, a + from, b + (one_b ? 0 : from), c + (one_c ? 0 : from), n);
}

/* A light step, which bails no lane. */
static void run_light(const run *r, const pf_step *s, int32_t from, int32_t n)
{
    if (s->code == PF_STEP_MUL_ADD) {
        mul_add_part(r, s, from, n);
    } else {
        const operands o = operands_of(r, s);
        (void)run_part(&o, s->kernel, from, n);
    }
}

static bool has_waiting(const run *r, const pf_step *s)
{
    return s != r->p->steps && s[-1].waits;
}

static bool run_strips(run *r, const pf_step *s, pf_kernel kernel)
{
    const operands o = operands_of(r, s);
    const pf_step *waiting = has_waiting(r, s) ? s - 1 : NULL;
    unsigned bails = 0;
    for (int32_t i = 0; i < r->m->n; i += s->strip) {
        const int32_t n = r->m->n - i < s->strip ? r->m->n - i : s->strip;
        pf_ask_ahead(r);
        if (waiting != NULL) {
            run_light(r, waiting, i, n);
            pf_ask_ahead(r);
        }
        bails |= run_part(&o, kernel, i, n);
    }
    return bails != 0;
}

/* ---- ops ---- */

void pf_step_op(run *r, const pf_step *s, pf_kernel kernel)
{
    pf_state *d = &r->st[s->d];
    const void *a = lanes(r, s->a), *b = s->b == 0 ? NULL : lanes(r, s->b);
    const bool scalar = r->p->values[s->d].scalar;
    const uint8_t *mask = scalar ? NULL : mask_bytes(r, s->mask);
    d->seen = s->kd;
    d->iota = false;
    d->range = s->op == PF_OP_toint ? (pf_interval){0, 1} : PF_INTERVAL_ALL;
    const bool in_strips = s->strip != 0 && (has_waiting(r, s) || r->asking < r->p->ncolumns);
    if (s->waits) {
        return;
    }
    if (in_strips ? run_strips(r, s, kernel) : kernel(d->data, a, b, mask, scalar ? 1 : r->m->n) != 0) {
        fail_lanes(r, s, kernel);
    }
    if (scalar && d->seen == PF_K_I64) {
        const int64_t only = *(const int64_t *)d->data;
        d->range = (pf_interval){only, only};
    }
}

pf_kernel pf_step_int_kernel(const run *r, const pf_step *s, pf_interval a, pf_interval b, pf_interval *out)
{
    const pf_kernels *k = r->k;
    const bool by_scalar = s->form == PF_F_VS && b.lo > 0 && b.lo == b.hi;
    const bool pow2 = by_scalar && (b.lo & (b.lo - 1)) == 0;
    const bool small =
        by_scalar && b.lo < INT64_C(1) << 31 && pf_interval_within(a, -(INT64_C(1) << 50), INT64_C(1) << 50);
    switch (s->op) {
    case PF_OP_add:
        return pf_interval_add(a, b, out) ? k->add[s->form] : s->kernel;
    case PF_OP_sub:
        return pf_interval_sub(a, b, out) ? k->sub[s->form] : s->kernel;
    case PF_OP_mul:
        if (!pf_interval_mul(a, b, out)) {
            return s->kernel;
        }
        return pf_interval_within(pf_interval_union(a, b), INT32_MIN, INT32_MAX) ? k->mul32[s->form] : k->mul[s->form];
    case PF_OP_neg:
        pf_interval_neg(a, out);
        return s->kernel;
    case PF_OP_abs:
        pf_interval_abs(a, out);
        return s->kernel;
    case PF_OP_fdiv:
        *out = pf_interval_fdiv(a, b);
        return pow2 ? k->fdiv_pow2 : small ? k->fdiv_small : s->kernel;
    case PF_OP_mod:
        *out = pf_interval_mod(a, b);
        return pow2 ? k->mod_pow2 : small ? k->mod_small : s->kernel;
    case PF_OP_and:
        *out = pf_interval_and(a, b);
        return s->kernel;
    case PF_OP_or:
    case PF_OP_xor:
        *out = pf_interval_or(a, b);
        return s->kernel;
    case PF_OP_shl:
        return pf_interval_shl(a, b, out) ? k->shl[s->form] : s->kernel;
    case PF_OP_shr:
        *out = pf_interval_shr(a, b);
        return s->kernel;
    case PF_OP_invert:
        *out = (pf_interval){~a.hi, ~a.lo};
        return s->kernel;
    case PF_OP_isqrt:
        *out = (pf_interval){0, INT64_C(3037000499)};
        return s->kernel;
    default: /* float, fexact */
        return pf_interval_within(a, -(INT64_C(1) << 51), INT64_C(1) << 51) ? k->float_small : s->kernel;
    }
}

void pf_step_fill_sequence(const run *r, pf_state *s)
{
    if (s->packed == 0) {
        r->k->iota(s->data, s->start, s->step, r->m->n);
    } else {
        const int32_t record = s->packed - 1;
        r->k->compress_iota(s->data, s->start, s->step, pf_machine_record(r->m, record), r->m->compact_n[record]);
    }
    s->iota = false;
}

bool pf_step_sequence(run *r, const pf_step *s, pf_interval out)
{
    const pf_state *a = &r->st[s->a];
    pf_state *d = &r->st[s->d];
    const int64_t b = r->st[s->b].range.lo;
    const bool times = s->op == PF_OP_mul;
    if (!a->iota || s->form != PF_F_VS || (s->op != PF_OP_add && s->op != PF_OP_sub && !times)) {
        return false;
    }
    int64_t step; /* a few lanes on both sides of 0 may fit where their distance does not */
    if (__builtin_mul_overflow(a->step, times ? b : 1, &step) || (a->packed != 0 && !pf_can_pack(step))) {
        return false;
    }
    d->start = times ? a->start * b : s->op == PF_OP_add ? a->start + b : a->start - b;
    d->step = step;
    d->iota = true;
    d->packed = a->packed;
    d->seen = PF_K_I64;
    d->range = out;
    return true;
}

void pf_step_int(run *r, const pf_step *s)
{
    if (r->p->values[s->d].scalar) {
        pf_step_op(r, s, s->kernel);
        return;
    }
    pf_interval out = PF_INTERVAL_ALL;
    pf_kernel kernel = pf_step_int_kernel(r, s, r->st[s->a].range, r->st[s->b].range, &out);
    if (kernel != s->kernel && pf_step_sequence(r, s, out)) {
        return;
    }
    pf_step_op(r, s, kernel);
    r->st[s->d].range = out;
}

static void mod_test_strips(run *r, const pf_step *s, int64_t m, int64_t c)
{
    const pf_mod_test test = pf_mod_test_of(m, c, s->negate);
    const int64_t *a = lanes(r, s->a);
    uint8_t *d = r->st[s->d].data;
    const int32_t n = r->m->n;
    for (int32_t i = 0; i < n; i += s->strip) {
        pf_ask_ahead(r);
        r->k->mod_test_small(d + i, a + i, &test, n - i < s->strip ? n - i : s->strip);
    }
}

/* The test, and of the COMPACT that it is for the bits and the tested lanes. A strip is whole words of bits. */
static void mod_keep_strips(run *r, const pf_step *s, int64_t m, int64_t c)
{
    const pf_mod_test test = pf_mod_test_of(m, c, s->negate != s[1].negate);
    const int64_t *a = lanes(r, s->a);
    int64_t *home = pf_machine_home(r->m, &r->p->values[s->a]);
    uint64_t *bits = pf_machine_bits(r->m);
    const int32_t n = r->m->n;
    r->kept = s->a;
    r->kept_n = 0;
    for (int32_t i = 0; i < n; i += s->strip) {
        pf_ask_ahead(r);
        const int32_t more = n - i < s->strip ? n - i : s->strip;
        r->kept_n += r->k->mod_keep(bits + i / 64, home + r->kept_n, a + i, &test, more);
    }
}

/* m > 0, and a has lanes of 64 bits. */
static void mod_is_of(run *r, const pf_step *s, int64_t m, int64_t c)
{
    const pf_state *a = &r->st[s->a];
    uint8_t *d = r->st[s->d].data;
    const int n = r->m->n;
    const bool small = m < INT64_C(1) << 31 && pf_interval_within(a->range, -(INT64_C(1) << 49), INT64_C(1) << 49);
    const pf_mod_test test = {.m = m, .c = c, .flip = s->negate};
    if (c < 0 || c >= m) {
        memset(d, test.flip, (size_t)n);
    } else if (a->iota && a->packed == 0) {
        r->k->mod_test_iota(d, a->start, a->step, &test, n);
    } else if ((m & (m - 1)) == 0) {
        r->k->mod_test_pow2(d, lanes(r, s->a), &test, n);
    } else if (s->keeps && r->k->mod_keep != NULL && !r->m->deaths) {
        mod_keep_strips(r, s, m, c);
    } else if (small) {
        mod_test_strips(r, s, m, c);
    } else {
        r->k->mod_test(d, lanes(r, s->a), &test, n);
    }
}

void pf_step_mod_is(run *r, const pf_step *s)
{
    const pf_state *a = &r->st[s->a];
    const int64_t m = r->st[s->b].range.lo, c = r->st[s->c].range.lo;
    r->st[s->d].seen = PF_K_BOOL;
    if (a->width != PF_WIDTH_I64) {
        pf_step_wide_mod_is(r, s);
    } else if (m == 0) {
        pf_step_fail_all(r, s);
    } else if (m > 0) {
        mod_is_of(r, s, m, c);
    } else {
        const pf_mod_test test = {.m = m, .c = c, .flip = s->negate};
        r->k->mod_test(r->st[s->d].data, lanes(r, s->a), &test, r->m->n);
    }
}

static void is_float(pf_state *d)
{
    d->seen = PF_K_F64;
    d->iota = false;
    d->range = PF_INTERVAL_ALL;
}

/* How many lanes at a time. */
static int32_t strip_now(const run *r, const pf_step *s)
{
    return r->asking < r->p->ncolumns ? s->strip : PF_LANES;
}

void pf_step_mul_add(run *r, const pf_step *s)
{
    is_float(&r->st[s->d]);
    const int32_t n = s->waits ? 0 : r->m->n, strip = strip_now(r, s);
    for (int32_t i = 0; i < n; i += strip) {
        pf_ask_ahead(r);
        mul_add_part(r, s, i, n - i < strip ? n - i : strip);
    }
}

void pf_step_choose(run *r, const pf_step *s)
{
    _Alignas(PF_CACHE_LINE) uint8_t chosen[PF_LANES];
    const pf_value *values = r->p->values;
    const int condition = values[s->where].scalar ? PF_F_SV : values[s->than].scalar ? PF_F_VS : PF_F_VV;
#ifdef PF_PLANTED_BUG_CHOICE_REVERSED
    const pf_val a = s->b, b = s->a;
#else
    const pf_val a = s->a, b = s->b;
#endif
    const int form = values[a].scalar ? values[b].scalar ? PF_F_SS : PF_F_SV : values[b].scalar ? PF_F_VS : PF_F_VV;
    is_float(&r->st[s->d]);
    (void)r->k->op[s->op][PF_T_F64][condition](chosen, r->st[s->where].data, r->st[s->than].data, NULL, r->m->n);
    r->k->select[PF_LANE_WORD][form](r->st[s->d].data, chosen, r->st[a].data, r->st[b].data, r->m->n);
}

/* ---- joined steps ---- */

/* Code that may bail looks at whole registers of lanes: those behind the last become like it. */
static void repeat_last(const run *r, const pf_join *join)
{
    const int32_t n = r->m->n;
    for (uint32_t k = 0; k < join->nplaces; k++) {
        const pf_val v = join->places[k].value;
        if (!r->p->values[v].scalar) {
            double *lane = r->st[v].data;
            for (int32_t i = n; i % r->k->lanes != 0; i++) {
                lane[i] = lane[n - 1];
            }
        }
    }
}

/* The column whose lanes are still at their source, if this is a place for one. */
static pf_vec *column_to_fetch(const run *r, const pf_join_place *place)
{
    pf_vec *column = place->fetch ? &r->f->columns[r->p->values[place->value].index] : NULL;
    return column != NULL && column->source != NULL ? column : NULL;
}

static void fetch_columns(const run *r, const pf_join *join)
{
    for (uint32_t k = 0; k < join->nplaces; k++) {
        pf_vec *column = column_to_fetch(r, &join->places[k]);
        if (column != NULL) {
            memcpy(column->data, column->source, PF_LANES * 8);
            column->source = NULL;
        }
    }
}

bool pf_step_joined(run *r, const pf_step *s)
{
    static const double minus = -1.0;
    const pf_join *join = &r->p->joins[s->index];
    const void *places[PF_JOIN_PLACES];
    for (uint32_t k = 0; k < join->nplaces; k++) {
        const pf_val v = join->places[k].value;
        const pf_vec *column = column_to_fetch(r, &join->places[k]);
        places[k] = v == 0 ? (const void *)&minus : column != NULL ? column->source : r->st[v].data;
    }
    for (uint32_t k = 0; k < s->joined; k++) {
        is_float(&r->st[s[k].d]);
    }
    if (join->bails) {
        repeat_last(r, join);
    }
    int (*code)(const void *const *places, int64_t from, int64_t to);
    memcpy(&code, &join->code, sizeof code);
    const int32_t n = r->m->n, strip = strip_now(r, s);
    int bails = 0;
    for (int32_t i = 0; i < n; i += strip) {
        pf_ask_ahead(r);
        bails |= code(places, 8 * i, 8 * (n - i < strip ? n : i + strip));
    }
#ifdef PF_PLANTED_BUG_JOINED_BAIL_IGNORED
    bails = 0;
#endif
    if (join->bails && bails != 0) {
        fetch_columns(r, join);
        return false;
    }
    return true;
}

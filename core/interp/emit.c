/* Machine code for runs of float steps.
 *
 * A pass over 1,024 lanes that does little for each costs what its loads and stores cost. So a straight run of such
 * steps becomes one loop, in which what a step leaves for the next stays in a register: no pass is made for a step of
 * its own, and what nobody else wants is never written. A column's lanes are looked at once, so they need not be
 * copied first: the loop reads them from their source (pf_vec.source), which the compute of other lanes hides.
 *
 * Little is asked of the writer: each step is one or two instructions, and registers are given out in one pass, as the
 * run has no branches. A run ends where registers do. Should some lane bail, the code says so at its end, and
 * the run's steps are done as passes, which tell which lane and why. On other CPUs, and where a process may not make
 * code, every step is a pass anyway. */
#include <string.h>

#include "lower.h"

#include "../base/bits.h"
#include "../base/mem.h"
#include "../prim/code.h"

#if defined(__x86_64__)
#include "x86.h"

enum { MOST_STEPS = 32, MOST_SCALARS = 6, MOST_SCALARS_WIDE = 16, OPERANDS = 5, NO_REGISTER = -1 };

/* What one step may need: registers for four operands, its result and one to spare; as many places; and bytes, for the
 * loads and stores of all of them (15 each) and two operations. At the end, every register may have to be stored. */
enum { STEP_REGISTERS = 6, STEP_PLACES = 9, STEP_BYTES = STEP_PLACES * 15 + 16 };
enum { END_PLACES = 32, END_BYTES = END_PLACES * 15 + 24 };

typedef struct writer {
    pf_program *p;
    x86 x;
    pf_join join;
    uint16_t *left;       /* per value: how often it is looked at from here on */
    uint16_t *inside;     /* per value: how often by this run */
    int8_t *reg;          /* per value */
    bool *own;            /* per value: this run is the one to write it to memory, should that be wanted */
    bool *looked_at;      /* per value: an earlier step looks at its lanes */
    uint32_t free;        /* registers, a bit each */
    int zero, bad, minus; /* registers of a run that may bail: 0.0; negative in lanes that do; -1.0 */
    bool always;          /* every vector gets to this run, with all its lanes */
} writer;

/* ---- operands ---- */

static void list_operands(const pf_step *s, pf_val operands[OPERANDS])
{
    memcpy(operands, (pf_val[OPERANDS]){s->a, s->b, s->c, s->where, s->than}, OPERANDS * sizeof *operands);
}

static int take_register(writer *w)
{
    const int reg = pf_bits_ctz64(w->free);
    w->free &= w->free - 1;
    return reg;
}

static int add_place(writer *w, pf_val v, bool fetch)
{
    w->join.places[w->join.nplaces] = (pf_join_place){v, fetch};
    return w->join.nplaces++;
}

static int load(writer *w, pf_val v)
{
    if (w->reg[v] == NO_REGISTER) {
        const pf_value *value = &w->p->values[v];
        const bool fetch =
            w->always && value->origin == PF_VALUE_COLUMN && value->kinds == PF_K_F64 && !w->looked_at[v];
        w->reg[v] = (int8_t)take_register(w);
        x86_load(&w->x, w->reg[v], add_place(w, v, fetch));
        if (fetch) {
            w->p->fetched[value->index] = true;
            w->own[v] = true;
        }
        w->looked_at[v] = true;
    }
    return w->reg[v];
}

static void write_back(writer *w, pf_val v)
{
    if (w->own[v] && w->left[v] > 0) {
        x86_store(&w->x, w->reg[v], add_place(w, v, false));
    }
    w->own[v] = false;
}

/* Once this run has no more use for v, its register is free; it still holds v until the next is taken. */
static void let_go(writer *w, pf_val v)
{
    if (w->inside[v] == 0 && !w->p->values[v].scalar && w->reg[v] != NO_REGISTER) {
        write_back(w, v);
        w->free |= UINT32_C(1) << w->reg[v];
        w->reg[v] = NO_REGISTER;
    }
}

static void used(writer *w, pf_val v)
{
    w->inside[v]--;
    w->left[v]--;
    let_go(w, v);
}

static int result(writer *w, pf_val d)
{
    w->reg[d] = (int8_t)take_register(w);
    w->own[d] = true;
    return w->reg[d];
}

/* ---- steps ---- */

static bool may_bail(const pf_step *s)
{
    return s->code == PF_STEP_OP && (s->op == PF_OP_sqrt || s->op == PF_OP_div);
}

static unsigned arith_of(uint8_t op)
{
    return op == PF_OP_add ? X86_ADD : op == PF_OP_sub ? X86_SUB : op == PF_OP_mul ? X86_MUL : X86_DIV;
}

static unsigned predicate_of(uint8_t op)
{
    switch (op) {
    case PF_OP_lt:
        return X86_LT;
    case PF_OP_le:
        return X86_LE;
    case PF_OP_gt:
        return X86_GT;
    case PF_OP_ge:
        return X86_GE;
    case PF_OP_ne:
        return X86_NE;
    default:
        return X86_EQ;
    }
}

/* Lanes where p <predicate> 0.0 bail. negative: what has a negative lane there. */
static void check(writer *w, unsigned predicate, int p, int negative)
{
    const int spare = take_register(w);
    x86_choose(&w->x, predicate, w->bad, p, w->zero, negative, w->bad, spare);
    w->free |= UINT32_C(1) << spare;
}

static void write_op(writer *w, const pf_step *s)
{
    const int a = load(w, s->a), b = s->b == 0 ? NO_REGISTER : load(w, s->b);
    if (s->op == PF_OP_sqrt) {
        check(w, X86_LT, a, a);
    } else if (s->op == PF_OP_div) {
        check(w, X86_EQ, b, w->minus);
    }
    used(w, s->a);
    if (s->b != 0) {
        used(w, s->b);
        x86_arith(&w->x, arith_of(s->op), result(w, s->d), a, b);
    } else {
        x86_sqrt(&w->x, result(w, s->d), a);
    }
}

static void write_mul_add(writer *w, const pf_step *s)
{
    const int a = load(w, s->a), b = load(w, s->b), c = load(w, s->c);
    used(w, s->a);
    used(w, s->b);
    const int d = result(w, s->d); /* c holds on to its register */
    x86_arith(&w->x, X86_MUL, d, a, b);
    x86_arith(&w->x, s->negate ? X86_SUB : X86_ADD, d, d, c);
    used(w, s->c);
}

static void write_choice(writer *w, const pf_step *s)
{
    const int where = load(w, s->where), than = load(w, s->than), spare = take_register(w);
#ifdef PF_PLANTED_BUG_CHOICE_REVERSED
    const int a = load(w, s->b), b = load(w, s->a);
#else
    const int a = load(w, s->a), b = load(w, s->b);
#endif
    used(w, s->a);
    used(w, s->b);
    used(w, s->where);
    used(w, s->than);
    x86_choose(&w->x, predicate_of(s->op), result(w, s->d), where, than, a, b, spare);
    w->free |= UINT32_C(1) << spare;
}

static void write_step(writer *w, const pf_step *s)
{
    if (s->code == PF_STEP_OP) {
        write_op(w, s);
    } else if (s->code == PF_STEP_MUL_ADD) {
        write_mul_add(w, s);
    } else {
        write_choice(w, s);
    }
    let_go(w, s->d);
}

static bool has_room(const writer *w)
{
    return pf_bits_popcount64(w->free) >= STEP_REGISTERS &&
           w->join.nplaces + STEP_PLACES + END_PLACES <= PF_JOIN_PLACES && w->x.n + STEP_BYTES + END_BYTES <= X86_SIZE;
}

/* ---- runs ---- */

static bool fits(const pf_program *p, const pf_step *s)
{
    if (s->d == 0 || p->values[s->d].scalar) {
        return false;
    }
    const bool floats = s->kd == PF_K_F64 && s->ka == PF_K_F64 && s->kb == PF_K_F64;
    return is_light(p, s) || s->code == PF_STEP_CHOOSE ||
           (may_bail(s) && floats && s->mask == 0); /* where a mask keeps lanes from bailing, the code would not */
}

static int zeroed(writer *w)
{
    const int reg = take_register(w);
    x86_arith(&w->x, X86_XOR, reg, reg, reg);
    return reg;
}

static void ready_checks(writer *w)
{
    if (!w->join.bails) {
        w->join.bails = true;
        w->zero = zeroed(w);
        w->bad = zeroed(w);
        w->minus = take_register(w);
        x86_broadcast(&w->x, w->minus, add_place(w, 0, false));
    }
}

static void begin_run(writer *w, const pf_step *first, uint32_t length)
{
    memset(w->inside, 0, w->p->nvalues * sizeof *w->inside);
    memset(w->reg, NO_REGISTER, w->p->nvalues);
    w->x.n = 0;
    w->join = (pf_join){.code = NULL};
    w->free = w->x.wide ? UINT32_MAX : UINT16_MAX;
    for (uint32_t k = 0; k < length; k++) {
        pf_val operands[OPERANDS];
        list_operands(&first[k], operands);
        if (may_bail(&first[k])) {
            ready_checks(w);
        }
        for (int i = 0; i < OPERANDS; i++) {
            const pf_val v = operands[i];
            w->inside[v]++;
            if (v != 0 && w->p->values[v].scalar && w->reg[v] == NO_REGISTER) {
                w->reg[v] = (int8_t)take_register(w);
                x86_broadcast(&w->x, w->reg[v], add_place(w, v, false));
            }
        }
    }
}

static void end_run(writer *w, const pf_step *first, uint32_t length, size_t loop)
{
    for (uint32_t k = 0; k < length; k++) {
        pf_val values[OPERANDS + 1] = {first[k].d};
        list_operands(&first[k], values + 1);
        for (int i = 0; i < OPERANDS + 1; i++) {
            if (w->reg[values[i]] != NO_REGISTER && !w->p->values[values[i]].scalar) {
                write_back(w, values[i]);
            }
        }
    }
    x86_repeat(&w->x, loop);
    if (w->join.bails) {
        x86_result(&w->x, w->bad, w->zero);
    }
    x86_return(&w->x);
}

/* A single step is better off as a pass, unless that spares the copy of a column or takes two. */
static bool is_worth_it(const writer *w, const pf_step *first, uint32_t length)
{
    bool fetches = false;
    for (uint32_t k = 0; k < w->join.nplaces; k++) {
        fetches |= w->join.places[k].fetch;
    }
    return length > 1 || fetches || first->code == PF_STEP_CHOOSE;
}

static pf_status write_run(writer *w, pf_step *first, uint32_t most)
{
    pf_program *p = w->p;
    begin_run(w, first, most);
    const size_t loop = w->x.n;
    uint32_t length = 0;
    while (length < most && has_room(w)) {
        write_step(w, &first[length++]);
    }
    end_run(w, first, length, loop);
    if (!is_worth_it(w, first, length)) {
        return PF_OK;
    }
    w->join.size = w->x.n;
    w->join.code = pf_code_new(w->x.bytes, w->x.n);
    pf_join *grown = w->join.code == NULL ? NULL : pf_mem_realloc(p->joins, (p->njoins + 1u) * sizeof *grown);
    if (grown == NULL) {
        pf_code_free(w->join.code, w->join.size);
        return PF_NOMEM;
    }
    p->joins = grown;
    p->joins[p->njoins] = w->join;
    first->joined = (uint16_t)length;
    first->index = p->njoins++;
    return PF_OK;
}

/* How many steps from s on can be one run. */
static uint32_t length_from(const writer *w, const pf_step *s, const pf_step *end)
{
    const pf_program *p = w->p;
    const uint32_t most_scalars = w->x.wide ? MOST_SCALARS_WIDE : MOST_SCALARS;
    uint32_t length = 0, nscalars = 0;
    for (const pf_step *next = s; next < end && length < MOST_STEPS && fits(p, next); next++, length++) {
        pf_val operands[OPERANDS];
        list_operands(next, operands);
        for (int i = 0; i < OPERANDS; i++) {
            nscalars += operands[i] != 0 && p->values[operands[i]].scalar; /* one that comes twice counts twice */
        }
        if (nscalars > most_scalars) {
            break;
        }
    }
    return length;
}

static void count_operands(writer *w)
{
    const pf_program *p = w->p;
    for (uint32_t i = 0; i < p->nsteps; i++) {
        const pf_step *s = &p->steps[i];
        pf_val operands[OPERANDS];
        list_operands(s, operands);
        for (int k = 0; k < OPERANDS; k++) {
            w->left[operands[k]]++;
        }
        for (uint32_t k = 0; s->code == PF_STEP_EXIT && k < s->count; k++) {
            w->left[p->items[s->index + k].value]++;
        }
    }
}

/* A step that is a pass, or none. */
static void pass_by(writer *w, const pf_step *s)
{
    if (s->code == PF_STEP_ENTER || s->code == PF_STEP_COMPACT || s->code == PF_STEP_STOP) {
        w->always = false;
    }
    pf_val operands[OPERANDS];
    list_operands(s, operands);
    for (int k = 0; k < OPERANDS; k++) {
        w->left[operands[k]]--;
        w->looked_at[operands[k]] |= s->code != PF_STEP_COLUMN; /* which looks at kinds */
    }
}

static pf_status write_runs(writer *w)
{
    pf_program *p = w->p;
    pf_step *const end = p->steps + p->nsteps, *border = end; /* of a block that may be jumped over */
    count_operands(w);
    for (pf_step *s = p->steps; s < end;) {
        if (s->code == PF_STEP_ENTER) {
            border = p->steps + s->index;
        }
        border = border <= s ? end : border;
        const uint32_t length = length_from(w, s, border);
        if (length > 0) {
            PF_TRY(write_run(w, s, length));
            s += pf_steps_at_once(s); /* writing has counted what one step looks at */
        } else {
            pass_by(w, s++);
        }
    }
    return PF_OK;
}

static bool emits_for(const pf_kernels *kernels)
{
    return kernels->lanes >= 4 && pf_code_allowed();
}

pf_status emit_runs(pf_program *p)
{
    if (!emits_for(p->kernels)) {
        return PF_OK;
    }
    writer *w = pf_mem_calloc(1, sizeof *w);
    uint16_t *counts = pf_mem_calloc(p->nvalues, 2 * sizeof *counts);
    bool *flags = pf_mem_calloc(p->nvalues, 2);
    int8_t *registers = pf_mem_calloc(p->nvalues, 1);
    pf_status status = PF_NOMEM;
    if (w != NULL && counts != NULL && flags != NULL && registers != NULL) {
        *w = (writer){.p = p, .left = counts, .inside = counts + p->nvalues, .reg = registers, .always = true};
        w->own = flags;
        w->looked_at = flags + p->nvalues;
        w->x.wide = p->kernels->lanes == 8;
        status = write_runs(w);
    }
    pf_mem_free(w);
    pf_mem_free(counts);
    pf_mem_free(flags);
    pf_mem_free(registers);
    return status;
}

#else

static bool emits_for(const pf_kernels *kernels)
{
    (void)kernels;
    return false;
}

pf_status emit_runs(pf_program *p)
{
    (void)p;
    return PF_OK;
}

#endif

bool pf_interp_emits(void)
{
    return emits_for(pf_kernels_for(PF_CPU_AVX512));
}

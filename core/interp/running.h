/* What the files that run a vector share: run.c, run_op.c for steps that are one kernel, and run_wide.c for ints beyond
 * 64 bits. */
#ifndef PF_INTERP_RUNNING_H
#define PF_INTERP_RUNNING_H

#include "../base/mem.h"
#include "program.h"

typedef struct run {
    const pf_program *p;
    const pf_kernels *k;
    pf_frame *f;
    pf_machine *m;
    pf_state *st;  /* m->states */
    bool low_holds; /* the program's guards do */
    uint32_t asking; /* the column whose `ahead` (pf_vec) is asked for */
    int32_t per_ask; /* lines asked for at once */
    pf_val kept;     /* the next step, a COMPACT, finds its bits written and this value's lanes moved; 0: it does not */
    int32_t kept_n;  /* how many of them */
} run;

/* ---- masks and lanes ---- */

static inline int32_t mask_count(const run *r, pf_val mask)
{
    return mask == 0 ? r->m->n : r->st[mask].count;
}

static inline const uint8_t *mask_bytes(const run *r, pf_val mask)
{
    return mask_count(r, mask) == r->m->n ? NULL : r->st[mask].data;
}

static inline bool is_live(const run *r, const uint8_t *mask, int32_t lane)
{
    return (mask == NULL || mask[lane] != 0) && r->m->alive[lane] != 0;
}

void pf_step_fill_sequence(const run *r, pf_state *s); /* run_op.c */

/* The lanes of a value given as a sequence are wanted after all. */
static inline void *lanes(const run *r, pf_val v)
{
    pf_state *s = &r->st[v];
    if (s->iota) {
        pf_step_fill_sequence(r, s);
    }
    return s->data;
}

/* Kernels that pick lanes out of a sequence multiply by 32 bits. */
static inline bool pf_can_pack(int64_t step)
{
    return step == (int32_t)step;
}

/* ---- the next vector's memory: fuse.c says when to ask for it ---- */

static inline void pf_ask_ahead(run *r)
{
    pf_vec *columns = r->f->columns;
    while (r->asking < r->p->ncolumns && columns[r->asking].ahead >= columns[r->asking].ahead_end) {
        r->asking++;
    }
    if (r->asking < r->p->ncolumns) {
        pf_vec *c = &columns[r->asking];
        /* in a register: lines that waited for each other would cost more than they save */
        const char *line = c->ahead;
        for (int32_t k = 0; k < r->per_ask && line < c->ahead_end; k++, line += PF_CACHE_LINE) {
            __builtin_prefetch(line);
        }
        c->ahead = line;
    }
}

/* ---- run.c ---- */

void pf_step_fail(run *r, const pf_step *s, int32_t lane); /* a live one */
void pf_step_fail_all(run *r, const pf_step *s);           /* the live ones of the step's mask */

/* ---- run_op.c ---- */

void pf_step_plan_asking(run *r);
void pf_step_op(run *r, const pf_step *s, pf_kernel kernel);
/* The kernel for i64 operands in these intervals, and the interval of what comes out. */
pf_kernel pf_step_int_kernel(const run *r, const pf_step *s, pf_interval a, pf_interval b, pf_interval *out);
/* A sequence plus, minus or times a scalar is a sequence, if nothing overflows. Returns whether it was one. */
bool pf_step_sequence(run *r, const pf_step *s, pf_interval out);
void pf_step_int(run *r, const pf_step *s);
void pf_step_mod_is(run *r, const pf_step *s);
void pf_step_mul_add(run *r, const pf_step *s);
void pf_step_choose(run *r, const pf_step *s);
/* Runs s->joined steps at once. False: some lane bails, and nothing is done, each has to run for itself. */
bool pf_step_joined(run *r, const pf_step *s);

/* ---- run_wide.c ---- */

void pf_step_wide(run *r, const pf_step *s);
void pf_step_fit(run *r, const pf_step *s);
/* PF_OUTPUTS_U64: an output that has more than 64 bits, as lanes of two kinds. */
void pf_step_unsigned_output(const run *r, pf_val v, pf_vec *out);
/* MOD_IS on an operand that is wider than 64 bits at the moment. */
void pf_step_wide_mod_is(run *r, const pf_step *s);

#endif

/* What the files of the lowering share. */
#ifndef PF_INTERP_LOWER_H
#define PF_INTERP_LOWER_H

#include "program.h"

/* A value as one use of it sees it: only these kinds are possible there. */
typedef struct operand {
    pf_val value;
    pf_kinds kinds;
} operand;

/* What survey.c finds out about a block, and what the edges to it leave there. The exit is block number nblocks. */
typedef struct block_survey {
    bool only_ends;       /* nothing but arguments and `end`: edges to it just drop lanes */
    bool cut;             /* no edge passes it by */
    bool lost;            /* cut: some rows may have ended since the cut before */
    bool negate;          /* the mask is where `mask` is false */
    pf_val mask;          /* lanes in it; 0: every lane */
    uint32_t nin;         /* edges to it */
    uint32_t idom;        /* immediate dominator */
    pf_val known_value;   /* the branch into this block says that this value ... */
    pf_kinds known_kinds; /* ... has one of these kinds */
} block_survey;

enum { MODE_LOW = 1, MODE_WIDE = 2, MODE_GUARDED = 4 }; /* modes.c */

typedef struct lowering {
    const pf_fn *fn;
    pf_program *program;
    pf_status status; /* the first failure; everything after it is for nothing */
    block_survey *blocks;
    operand *of;     /* per ref: what it stands for */
    uint32_t *uses;  /* per ref */
    uint8_t *modes;  /* per ref: MODE_*, of instructions and of what they may be asked for */
    pf_val *column;  /* per column: its value, once used */
    pf_val row;
    operand *out;    /* per output: the exit's arguments */
    uint32_t block;  /* being lowered */
    uint32_t first_step; /* of that block */
    pf_val mask;     /* its mask */
    pf_step nowhere; /* written to when there is no memory */
} lowering;

static inline const pf_value *lower_value(const lowering *l, operand o)
{
    return &l->program->values[o.value];
}

static inline bool lower_is_scalar(const lowering *l, operand o)
{
    return lower_value(l, o)->scalar;
}

/* ---- lower.c ---- */

pf_val lower_add_value(lowering *l, pf_value_origin origin, pf_kinds kinds, bool scalar, uint32_t index);
operand lower_add_constant(lowering *l, int64_t payload, pf_kinds kind);
operand lower_use(const lowering *l, pf_ref ref);
void lower_define(lowering *l, pf_ref ref, operand o);

/* ---- fuse.c: each returns whether it took the instruction ---- */

bool fuse_mod_test(lowering *l, const pf_inst *inst, pf_ref ref);
bool fuse_mul_add(lowering *l, const pf_inst *inst, pf_ref ref);
bool fuse_choice(lowering *l, const pf_inst *select, pf_ref ref, operand a, operand b);
/* A sum, difference or product of float lanes, or one and another: cheap for each lane, and bails none. */
bool is_light(const pf_program *p, const pf_step *s);
/* Which steps run together, and in which strips, once all are there. */
PF_MUST_CHECK pf_status plan_steps(pf_program *program);

/* ---- emit.c ---- */

/* Finds the runs of float steps that become machine code (pf_step.joined), and writes it. */
PF_MUST_CHECK pf_status emit_runs(pf_program *program);

/* ---- survey.c ---- */

/* PF_UNSUPPORTED where an edge goes back. */
PF_MUST_CHECK pf_status survey_blocks(lowering *l);

/* ---- modes.c ---- */

/* Whether an op on i64 can have operands of more than 64 bits. */
bool takes_wide(uint8_t op);
/* Whether output i may leave with more than 64 bits, if only one edge brings it. */
bool wide_output(const lowering *l, uint32_t i);
/* Fills l->modes; uses are counted and blocks surveyed. low_uses: zeros, one per ref. */
void find_modes(lowering *l, uint32_t *low_uses);

#endif

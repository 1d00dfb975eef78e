/* One round of the rewriter, seen by its files. rewrite.c explains how a round works. */
#ifndef PF_REWRITE_INTERNAL_H
#define PF_REWRITE_INTERNAL_H

#include "../ir/ir_internal.h"
#include "rewrite.h"

/* What is known of a block of the new function. */
typedef struct pf_made_block {
    uint32_t rank; /* position in the order in which blocks were started */
    pf_block idom;
    uint32_t nedges; /* edges into it so far */
    pf_ref fact;     /* with one edge: the condition that led here, or PF_NOREF */
    bool fact_value;
} pf_made_block;

/* What is known of a value of the new function. */
typedef struct pf_made_value {
    pf_block where;
    pf_ref next; /* in its hash chain */
} pf_made_value;

enum { PF_CSE_BUCKETS = 256 };

typedef struct pf_rw {
    const pf_fn *old;
    pf_fn *fn;          /* being built */
    const bool *needed; /* per column: it is to be read whatever becomes of its uses */
    const pf_rewrite_options *options;
    pf_rewrite_log *log;
    pf_arena tmp; /* dies with the round */
    bool changed;
    const pf_stride *stride; /* NULL, or what is known of every row of the restricted source */

    /* analyse.c: the old function */
    bool *live;         /* per instruction */
    pf_ref *same;       /* per instruction: an argument that is this value on all edges */
    bool *own_args;     /* per block: its arguments are used by no other block */
    pf_block *where;    /* per instruction: its block */
    pf_block *end_like; /* per block: the last block like it, if it does nothing but end or stop */
    uint32_t *ways;     /* per block: edges into it once the empty blocks are jumped over */

    /* the way from old to new */
    pf_ref *map;           /* per old instruction */
    pf_block *made;        /* per old block, PF_NOBLOCK before the first edge to it */
    pf_made_block *blocks; /* per new block; as many as old ones are enough */
    uint32_t nstarted;
    pf_block at; /* new block being filled */
    pf_made_value *values;
    uint32_t nvalues, cap_values;
    pf_ref chains[PF_CSE_BUCKETS];
    bool failed; /* no memory; fn->failed says the same of the builder */
} pf_rw;

/* ---- rewrite.c ---- */

bool pf_rw_on(const pf_rw *rw, pf_rule rule);
void pf_rw_fired(pf_rw *rw, pf_rule rule);

/* ---- analyse.c ---- */

/* Whether a row can bail at this instruction, its operands' kinds and constants considered (columns aside). */
bool pf_rw_can_bail(const pf_fn *fn, const pf_inst *inst);
PF_MUST_CHECK pf_status pf_rw_analyse(pf_rw *rw);
/* A block without instructions of its own that jumps on, and whose arguments no other block uses. */
bool pf_rw_jumps_on(const pf_rw *rw, pf_block block);
/* Where an edge to a block ends once such blocks are jumped over; of blocks that only end, alike, the last. */
pf_block pf_rw_lands(const pf_rw *rw, pf_block to);
/* A block without instructions of its own, arguments aside. */
bool pf_rw_is_empty(const pf_fn *fn, pf_block block);
const pf_inst *pf_rw_terminator(const pf_fn *fn, pf_block block);

/* ---- values.c ---- */

pf_ref pf_rw_value(pf_rw *rw, pf_ref old); /* the new value of an old one */
/* The value of an instruction whose operands are new ones: a constant, one computed before, or a new instruction. */
pf_ref pf_rw_simplify(pf_rw *rw, const pf_inst *inst);
/* Notes an instruction that was emitted into the current block. */
void pf_rw_note(pf_rw *rw, pf_ref ref);
/* What the branches on the way to the current block say of a condition: 1 true, 0 false, -1 nothing. */
int pf_rw_known_truth(const pf_rw *rw, pf_ref cond);
bool pf_rw_dominates(const pf_rw *rw, pf_block above, pf_block below);

/* ---- rules.c ---- */

/* Tries the rules for inst's op. True when one was met: *out is the value instead. */
bool pf_rw_apply_rules(pf_rw *rw, const pf_inst *inst, pf_ref *out);

/* ---- flow.c ---- */

/* Fills the current new block from an old block and whatever follows it straight on, up to a terminator. */
void pf_rw_fill(pf_rw *rw, pf_block old);

#endif

/* What the stages of the decoder share: raw bytes -> wide instructions -> stack checked -> laid out.
 *
 * A wide instruction is a canonical one in the making: several may come from one raw instruction, some become nothing
 * (W_NOP), and one operation exists only here (W_PUSH_NULL, which decode_stack.c makes disappear). */
#ifndef PF_EXT_DECODE_INTERNAL_H
#define PF_EXT_DECODE_INTERNAL_H

#include "decode.h"
#include "purefold/status.h"

enum { W_NOP = PF_BC_COUNT, W_PUSH_NULL, W_COUNT };

/* sub of a POP_JUMP_IF_... in the making: it jumps on the opposite condition. Layout resolves it. */
enum { W_INVERTED = 1 };

typedef struct pf_wide {
    uint8_t op; /* pf_bc or W_... */
    uint8_t sub;
    bool leader;  /* starts a block */
    bool reached; /* on some path from the entry or from the handler of a reached instruction */
    int32_t arg;
    int32_t arg2;
    int32_t target;  /* code unit while decoding, then wide index; -1: no jump */
    int32_t handler; /* index into handlers, -1: none */
    int32_t depth;   /* canonical depth before it, once reached */
    int32_t lasti;
} pf_wide;

/* A handler in the making: target is a wide index, depth counts NULLs until decode_stack.c has run. */
typedef struct pf_wide_code {
    PyCodeObject *code;
    pf_wide *ops; /* the last one is an UNKNOWN, so that falling off the end is defined */
    int n;
    int capacity;
    pf_handler *handlers;
    int nhandlers;
    bool has_unknown;
} pf_wide_code;

/* decode_raw.c: bytes to wide instructions, jumps resolved to wide indices, peepholes done, leaders marked. */
pf_status pf_decode_raw(PyCodeObject *code, const uint8_t *bytes, int nbytes, pf_wide_code *out) PF_MUST_CHECK;

/* decode_table.c: the action for a raw opcode of the running version. */
typedef enum pf_raw_action {
    RAW_UNKNOWN = 0,
    RAW_DROP,     /* nothing to do at run time */
    RAW_PROLOGUE, /* RETURN_GENERATOR: drops itself and the POP_TOP after it */
    RAW_POP_TOP,
    RAW_OP,        /* op without argument */
    RAW_ARG,       /* op with the raw argument */
    RAW_FIXED,     /* op with aux as its argument */
    RAW_OP_POP,    /* op, then POP_TOP */
    RAW_LOAD_FAST, /* LOAD_FAST, or LOAD_CLOSURE on the slot of a cell */
    RAW_LOAD_LOAD, /* the three fused pairs: one local in each half of the argument */
    RAW_STORE_LOAD,
    RAW_STORE_STORE,
    RAW_GLOBAL, /* low bit of the argument: a NULL goes below (aux 0) or above (aux 1) */
    RAW_ATTR,   /* low bit of the argument: method form */
    RAW_SUPER,  /* low bit: method form, next bit: two-argument super */
    RAW_CLASSDEREF,
    RAW_UNPACK_EX,
    RAW_BINARY_OP,
    RAW_COMPARE, /* aux: how far the operator is shifted */
    RAW_FORMAT,  /* FORMAT_VALUE */
    RAW_RETURN_CONST,
    RAW_MAKE_FUNCTION, /* aux 1: without flags */
    RAW_KW_NAMES,
    RAW_CALL,
    RAW_CALL_KW,
    RAW_CALL_EX,
    RAW_BRANCH, /* forward, aux: W_INVERTED or 0 */
    RAW_BRANCH_BACK,
    RAW_OR_POP, /* JUMP_IF_FALSE_OR_POP (aux 0), JUMP_IF_TRUE_OR_POP (aux W_INVERTED) */
    RAW_JUMP,
    RAW_JUMP_BACK,
    RAW_FOR_ITER, /* aux: units to skip at the target */
    RAW_SEND,
    RAW_END_FOR, /* aux: how many values it pops */
    RAW_INTRINSIC_1,
    RAW_INTRINSIC_2,
    RAW_EXTENDED_ARG
} pf_raw_action;

typedef struct pf_raw_entry {
    uint8_t action; /* pf_raw_action */
    uint8_t caches; /* code units that follow it */
    uint8_t op;     /* pf_bc or W_... */
    uint8_t aux;
} pf_raw_entry;

extern const pf_raw_entry pf_raw_table[256];

/* decode_stack.c: walks every path, finds what is reached and how deep the stack is, removes NULLs and settles how
 * each CALL calls. Paths that disagree about the stack turn into UNKNOWN. */
pf_status pf_decode_stack(pf_wide_code *wide) PF_MUST_CHECK;

/* decode_layout.c: blocks, exits repeated, reverse post-order; fills instrs, n, handlers, nhandlers of out. */
pf_status pf_decode_layout(const pf_wide_code *wide, pf_code *out) PF_MUST_CHECK;

/* Whether control never goes on to the next instruction. */
static inline bool pf_wide_ends(const pf_wide *op)
{
    return op->op == PF_BC_JUMP || op->op == PF_BC_RETURN_VALUE || op->op == PF_BC_RAISE || op->op == PF_BC_RERAISE ||
           op->op == PF_BC_UNKNOWN;
}

/* pf_instr_effect for a wide instruction. */
void pf_wide_effect(const pf_wide *op, bool jump, int *pops, int *pushes);

#endif

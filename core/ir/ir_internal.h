/* What the files of the IR share with each other and with the rewriter. */
#ifndef PF_IR_INTERNAL_H
#define PF_IR_INTERNAL_H

#include "ir.h"

/* Constants, params, columns and the row number: no operands, the same in every block. */
static inline bool pf_ir_is_pinned(uint8_t op)
{
    return op == PF_OP_const || op == PF_OP_param || op == PF_OP_column || op == PF_OP_row;
}

/* ---- ir.c ---- */

/* Makes room for one more element, doubling. NULL when there is no memory; what stood there is copied. */
void *pf_ir_grow(pf_fn *fn, void *array, uint32_t n, uint32_t *cap, size_t size);
/* Appends to the current block without any check but the block's being open; for the parser and the rewriter. */
pf_ref pf_ir_emit(pf_fn *fn, const pf_inst *inst);
/* What an op's result is, given its first operand's kinds; 0 when the instruction has to declare it. */
pf_kinds pf_ir_result(pf_op op, pf_kinds operand);

/* ---- finish.c ---- */

/* pf_ir_finish, except that outputs already declared in fn->outputs are kept as they are. */
PF_MUST_CHECK pf_status pf_ir_arrange(pf_fn *fn, char *error, size_t error_size);

/* ---- verify.c ---- */

/* Writes a message into error, which may be NULL, and returns PF_INVALID. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
pf_status pf_ir_invalid(char *error, size_t error_size, const char *format, ...);
/* The immediate dominator of every block; blocks are in an order in which edges only go forward. */
void pf_ir_dominators(const pf_fn *fn, pf_block *idom);

#endif

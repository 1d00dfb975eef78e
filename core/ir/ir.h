/* The IR: one row program in SSA form.
 *
 * A row program says what happens to one row of the source: it ends in yield, end (dropped), stop or bail.
 * Blocks form an acyclic graph and hand values to each other as block arguments. Operands of an op have one kind;
 * where a column may hold several kinds, the builder tests (is_kind) and narrows, and the two ways go on apart.
 *
 * Memory: everything lives in the function's arena. References are indices, so the arrays may grow while building.
 * Not thread-safe while it is built; immutable and shareable after pf_ir_finish. */
#ifndef PF_IR_H
#define PF_IR_H

#include <purefold/kinds.h>
#include <purefold/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../base/arena.h"

typedef enum pf_op {
#define OP(name, arity, operands, result, bails, laws, text) PF_OP_##name,
#include "ops.def"
#undef OP
    PF_OP_COUNT
} pf_op;

/* Bail reasons, operand classes, result classes and laws of ops.def. */
enum { PF_BAIL_OVERFLOW = 1, PF_BAIL_ZERO = 2, PF_BAIL_DOMAIN = 4, PF_BAIL_INEXACT = 8, PF_BAIL_KIND = 16, PF_BAIL_ALWAYS = 32 };
enum { PF_MAX_COUNTERS = 8 };
enum { PF_LAW_COMM = 1, PF_LAW_ASSOC_I64 = 2, PF_LAW_CHEAP = 4, PF_LAW_TERM = 8, PF_LAW_LIBM = 16 };
typedef enum {
    PF_ARGS_NIL,
    PF_ARGS_NUM,
    PF_ARGS_BITS,
    PF_ARGS_I64,
    PF_ARGS_F64,
    PF_ARGS_BOOL,
    PF_ARGS_EQUAL,
    PF_ARGS_ORDER,
    PF_ARGS_MEMBER,
    PF_ARGS_ANY
} pf_args_class;
typedef enum { PF_RES_SAME, PF_RES_I64, PF_RES_F64, PF_RES_BOOL, PF_RES_DECLARED, PF_RES_NOTHING } pf_res_class;

typedef struct pf_op_info {
    const char *name;
    uint8_t arity, operands, result, bails, laws;
    const char *text;
} pf_op_info;
extern const pf_op_info pf_ops[PF_OP_COUNT];

typedef uint32_t pf_ref;   /* an instruction; 0 is no value */
typedef uint32_t pf_block; /* a block; 0 is the entry */
#define PF_NOREF 0u
#define PF_NOBLOCK UINT32_MAX

typedef struct pf_inst {
    uint8_t op;      /* pf_op */
    pf_kinds kinds;  /* kinds of the result; 0 for terminators */
    uint16_t place;  /* index into pf_fn.places, 0: none. Names the op in explain and in bails */
    pf_ref a, b, c;  /* operands */
    union {
        int64_t i;  /* const i64, const bool; large: its low 64 bits, the highest of which is set; is_kind: the kinds that are true; narrow: 1 when a test above proves it */
        double f;   /* const f64 */
        uint32_t k; /* param, column, rank: number; const str: index into pf_fn.strings; arg: position */
        struct {
            uint32_t first; /* jump, branch, yield: where its edges or values begin in pf_fn.pool */
            uint32_t count; /* yield: number of values */
        } p;
    } imm;
} pf_inst;

/* An edge in the pool: target block, number of arguments, the arguments. A branch has two, one after the other. */

typedef struct pf_block_info {
    pf_ref first, end; /* instructions [first, end): arguments first, the terminator last */
    uint32_t nargs;
    const pf_kinds *arg_kinds; /* nargs of them; arena */
} pf_block_info;

typedef enum pf_column_from {
    PF_FROM_SOURCE, /* gathered by the embedding program */
    PF_FROM_PARENT, /* output `index` of the stage before, broadcast over the rows it expanded to */
    PF_FROM_INNER   /* the items a row of the stage before expanded to */
} pf_column_from;

typedef struct pf_column_info {
    pf_kinds kinds; /* lanes of any other kind bail */
    uint8_t from;   /* pf_column_from */
    uint32_t index; /* opaque to the core for PF_FROM_SOURCE */
    bool used;      /* the program reads it; set by pf_plan_compile */
    bool checked;   /* a rule removed a use that would have failed on other kinds: the column is read all the same */
} pf_column_info;

typedef struct pf_place {
    const char *function, *file; /* arena */
    int line, col;
} pf_place;

typedef struct pf_fn {
    pf_arena arena;
    pf_inst *insts; /* insts[0] is unused */
    uint32_t ninsts, cap_insts;
    pf_block_info *blocks;
    uint32_t nblocks, cap_blocks;
    pf_ref *pool; /* edges and yields */
    uint32_t npool, cap_pool;
    pf_column_info *columns;
    uint32_t ncolumns, cap_columns;
    pf_kinds *params; /* kinds of each scalar parameter */
    uint32_t nparams, cap_params;
    pf_kinds *outputs; /* kinds of each output: the union over all yields */
    uint32_t noutputs;
    const char **strings; /* constants of kind str: UTF-8, for printing only; the binding supplies the handles */
    uint32_t nstrings, cap_strings;
    uint32_t ncounters; /* one more than the largest that an op rank has */
    pf_place *places; /* places[0] is unused */
    uint32_t nplaces, cap_places;
    pf_block current; /* block being filled, or PF_NOBLOCK between a terminator and the next pf_ir_start */
    pf_ref *pinned;   /* building: constants, params, columns and the row number asked for so far, each once */
    uint32_t npinned, cap_pinned;
    const char *misuse; /* building: the first call that made no sense; pf_ir_finish reports it */
    bool failed;      /* an allocation failed while building; every later builder call is a no-op */
} pf_fn;

/* ---- builder. Calls never fail one by one: memory trouble sets fn->failed, and pf_ir_finish reports it. ----
 *
 * Constants, params, columns and the row number are values of the whole function: they may be asked for at any time,
 * even between blocks, the same one gives the same ref, and pf_ir_finish puts them at the start of the entry block.
 * Refs are good until pf_ir_finish, which numbers instructions and blocks anew. */

pf_fn *pf_ir_new(void);           /* NULL: no memory. The entry block (0, no arguments) exists and is current. */
void pf_ir_free(pf_fn *fn);       /* NULL allowed */
pf_ref pf_ir_const_i64(pf_fn *fn, int64_t v);
pf_ref pf_ir_const_f64(pf_fn *fn, double v);
pf_ref pf_ir_const_bool(pf_fn *fn, bool v);
pf_ref pf_ir_const_none(pf_fn *fn);
pf_ref pf_ir_const_str(pf_fn *fn, uint32_t string);
uint32_t pf_ir_add_string(pf_fn *fn, const char *utf8);
uint32_t pf_ir_add_column(pf_fn *fn, pf_kinds kinds, pf_column_from from, uint32_t index);
uint32_t pf_ir_add_param(pf_fn *fn, pf_kinds kind);
uint16_t pf_ir_add_place(pf_fn *fn, const char *function, const char *file, int line, int col);
pf_ref pf_ir_column(pf_fn *fn, uint32_t column); /* kinds as declared */
pf_ref pf_ir_param(pf_fn *fn, uint32_t param);
pf_ref pf_ir_row(pf_fn *fn);
pf_ref pf_ir_rank(pf_fn *fn, uint32_t counter); /* each counter once */
pf_ref pf_ir_op1(pf_fn *fn, pf_op op, pf_ref a, uint16_t place);
pf_ref pf_ir_op2(pf_fn *fn, pf_op op, pf_ref a, pf_ref b, uint16_t place);
pf_ref pf_ir_select(pf_fn *fn, pf_ref cond, pf_ref a, pf_ref b);
pf_ref pf_ir_is_kind(pf_fn *fn, pf_ref v, pf_kinds kinds);
pf_ref pf_ir_large(pf_fn *fn, uint64_t v, uint16_t place); /* an int from 2**63 on. No value of the whole function: ask again in each block */
pf_ref pf_ir_narrow(pf_fn *fn, pf_ref v, pf_kinds kind, uint16_t place);
pf_block pf_ir_block(pf_fn *fn, uint32_t nargs, const pf_kinds *kinds); /* a new block, not yet filled */
void pf_ir_start(pf_fn *fn, pf_block block);                            /* fill it from now on; once per block */
pf_ref pf_ir_arg(const pf_fn *fn, pf_block block, uint32_t i);          /* after pf_ir_start */
void pf_ir_jump(pf_fn *fn, pf_block to, uint32_t nargs, const pf_ref *args);
void pf_ir_branch(pf_fn *fn, pf_ref cond, pf_block yes, uint32_t nyes, const pf_ref *yes_args, pf_block no, uint32_t nno,
                  const pf_ref *no_args);
void pf_ir_yield(pf_fn *fn, uint32_t count, const pf_ref *values); /* count is the same for all yields of fn */
void pf_ir_end(pf_fn *fn);
void pf_ir_stop(pf_fn *fn);
void pf_ir_bail(pf_fn *fn, uint16_t place);

/* Ends building: orders blocks (reverse post-order, unreachable ones dropped), unites the outputs' kinds, verifies.
 * PF_NOMEM, or PF_INVALID with the reason in error (may be NULL). */
PF_MUST_CHECK pf_status pf_ir_finish(pf_fn *fn, char *error, size_t error_size);

/* ---- reading ---- */

typedef struct pf_edge {
    pf_block to;
    uint32_t nargs;
    const pf_ref *args; /* in pf_fn.pool */
} pf_edge;

/* The edges of a terminator, true before false; returns how many (0, 1 or 2). */
uint32_t pf_ir_edges(const pf_fn *fn, const pf_inst *inst, pf_edge out[2]);
/* Sets used[ref] for every value that an instruction, an edge or a yield of the finished function looks at. */
void pf_ir_mark_uses(const pf_fn *fn, bool *used);
/* Whether the program reads the column: gather may skip the others. */
bool pf_ir_column_used(const pf_fn *fn, uint32_t column);

/* ---- verifier, text form ---- */

PF_MUST_CHECK pf_status pf_ir_verify(const pf_fn *fn, char *error, size_t error_size);
/* Prints the text form; returns the length it needs without the final NUL, as snprintf does. */
size_t pf_ir_print(const pf_fn *fn, char *out, size_t size);
/* Parses the text form; *out belongs to the caller. PF_INVALID with line and reason in error. */
PF_MUST_CHECK pf_status pf_ir_parse(const char *text, pf_fn **out, char *error, size_t error_size);

#endif

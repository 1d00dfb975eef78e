/* The lowered program: a straight list of steps over values.
 *
 * Lowering (lower.c) turns SSA blocks, which come in reverse post-order, into one list of steps. What a branch does is
 * to compute byte masks of its two sides; a block whose mask is not "every lane" begins with an ENTER step that jumps
 * over it when no lane is in it. A block argument is a value that every edge blends its lanes into.
 *
 *   entry     mask: every lane                   a *cut* is a block that no edge passes by: whoever is still alive is
 *    |  \                                        there. If rows ended since the cut before, the cut compacts the lanes
 *    A   B    masks from BRANCH                  that are left, and goes on with every lane in it; else it has every
 *    |  /                                        lane anyway. So `if` filters cost one COMPACT, and diamonds no mask
 *    C        a cut: every lane again            outside their arms.
 *    |
 *   exit      all yields jump to this last block, whose arguments are the outputs
 *
 * A value has one place in the frame: a register of 1,024 lanes (8 bytes or 1 byte each, and a byte of kind if it has
 * several), or one lane in the scalar area (constants, params, and ops on those alone, which run with n = 1).
 * Narrowing and passing to a block with one way in rename a value and cost nothing: an operand is a value together
 * with the kinds that are possible at that point (its view).
 *
 * Lanes that bail are dead from then on: the frame's `alive` bytes say so, and every later consumer that could let
 * them out (COMPACT, STOP, and further bails) looks at them. Nothing else does. */
#ifndef PF_INTERP_PROGRAM_H
#define PF_INTERP_PROGRAM_H

#include "interp.h"
#include "interval.h"
#include "kernels.h"

typedef enum pf_step_code {
    PF_STEP_ENTER,   /* no lane in mask: go on at `index` */
    PF_STEP_COLUMN,  /* a: lanes whose kind is not in ka bail */
    PF_STEP_OP,      /* d = op(a, b) by kernel */
    PF_STEP_INT,     /* the same, where the interval chooses the kernel */
    PF_STEP_WIDE,    /* the same on ints that may be wider than 64 bits */
    PF_STEP_FIT,     /* lanes of a that do not fit 64 bits bail, as op (negate: nor 64 bits without sign) */
    PF_STEP_MOD_IS,  /* d = a % b == c (negate: !=), b and c scalars; a zero b bails as op */
    PF_STEP_MUL_ADD, /* d = a * b + c (negate: - c), floats, both rounded */
    PF_STEP_CHOOSE,  /* d = where op than ? a : b, floats */
    PF_STEP_STR,     /* d = comparison or truth of strings */
    PF_STEP_IN,      /* d = a is in the set that b's handle is */
    PF_STEP_SELECT,  /* d = c ? a : b */
    PF_STEP_RANK,    /* d = lanes of mask before this one, plus what counter `index` says */
    PF_STEP_IS_KIND, /* d = kind of a is in kb */
    PF_STEP_NARROW,  /* lanes of a whose kind is not in kb bail */
    PF_STEP_PACK,    /* d (byte lanes) = a (8-byte lanes) */
    PF_STEP_WIDEN,   /* d (8-byte lanes) = a (byte lanes) */
    PF_STEP_FILL,    /* d = scalar a in every lane */
    PF_STEP_BLEND,   /* d = a in the lanes of mask; all of d if no edge has come here yet */
    PF_STEP_BRANCH,  /* d = mask where c, a = mask where not c (either may be 0) */
    PF_STEP_MERGE,   /* mask d gets the lanes of mask too */
    PF_STEP_COMPACT, /* keep the lanes where c (negate: not c; 0: any) and alive; moves items[index, index + count) */
    PF_STEP_STOP,    /* the first lane of mask stops the stream */
    PF_STEP_BAIL,    /* all lanes of mask bail */
    PF_STEP_EXIT,    /* outputs are items[index, index + count) */
    PF_STEP_COUNT
} pf_step_code;

/* Whether only the low 64 bits of a step's result are wanted: GUARDED if the params are as the program's guards have it. */
enum { PF_LOW_NO, PF_LOW_YES, PF_LOW_GUARDED };

typedef uint16_t pf_val; /* a value; 0: none, and as a mask: every lane */

typedef struct pf_step {
    uint8_t code; /* pf_step_code */
    uint8_t op;   /* pf_op */
    uint8_t form; /* PF_F_* */
    bool negate;
    pf_kinds ka, kb; /* views of a and b */
    uint8_t low;     /* WIDE: PF_LOW_* */
    pf_kinds kd;     /* OP, INT, WIDE: the kind of the result; its value may hold others too, from other edges */
    uint16_t place;
    pf_val d, a, b, c, mask;
    pf_val where, than; /* CHOOSE */
    bool keeps;         /* MOD_IS: d is nothing but the condition of the next step, a COMPACT, which moves a */
    bool waits;     /* runs in the strips of the next step, whose time hides its own */
    uint16_t strip; /* lanes at a time, before each of which memory is asked for; 0: nothing is asked */
    uint16_t joined; /* so many steps, from this one on, are one piece of code, number `index`; 0: none */
    uint32_t index, count;
    pf_kernel kernel;
} pf_step;

/* How many steps run where this one's turn comes, if they are joined. */
static inline uint32_t pf_steps_at_once(const pf_step *s)
{
    return s->joined > 0 ? s->joined : 1;
}

typedef enum pf_value_origin {
    PF_VALUE_COMPUTED, /* index: the instruction */
    PF_VALUE_ARG,    /* blended by edges: starts each run with no kind seen */
    PF_VALUE_MASK,   /* starts each run with no lane */
    PF_VALUE_COLUMN, /* index: column. The memory is the frame's or gather's, and is never written except for iota */
    PF_VALUE_ROW,
    PF_VALUE_CONST,  /* index: into constants */
    PF_VALUE_STRING, /* index: string */
    PF_VALUE_PARAM   /* index: param */
} pf_value_origin;

/* What COMPACT moves (its kind register too when `kinds` has several), and what EXIT puts out. */
typedef struct pf_item {
    pf_val value;
    pf_kinds kinds;
} pf_item;

/* Steps that are one piece of machine code (emit.c), which is given an address for each of its places: where the
 * value's lanes are, or with `fetch`, where they still are. Value 0 stands for the number -1.0. */
typedef struct pf_join_place {
    pf_val value;
    bool fetch;
} pf_join_place;

enum { PF_JOIN_PLACES = 96 };

typedef struct pf_join {
    void *code; /* int (void *const *places, int64_t from, int64_t to): offsets in bytes of doubles */
    size_t size;
    bool bails; /* it may return not zero: some lane bails, of those from..to or of the few behind */
    uint32_t nplaces;
    pf_join_place places[PF_JOIN_PLACES];
} pf_join;

/* A mask or a shift count that is a param has to be from 0 to `most`. */
typedef struct pf_low_guard {
    uint32_t param;
    int64_t most;
} pf_low_guard;

enum { PF_NO_SLOT = UINT32_MAX, PF_MAX_LOW_GUARDS = 8 };

typedef struct pf_value {
    uint8_t origin;
    uint8_t lane;   /* PF_LANE_WORD or PF_LANE_BYTE */
    bool scalar;    /* one lane in the scalar area, at slot */
    bool shared;    /* compiling: refs with other uses stand for it too */
    bool wide;      /* an int that may have more than 64 bits: it has a register for its high halves */
    pf_kinds kinds; /* declared; several: needs a kind register */
    uint32_t index;
    uint32_t slot, kind_slot, high_slot; /* byte offsets into the frame's registers */
    int32_t first, last, last_kind; /* steps that write it first, use it last, look at its kinds last; -1: none */
} pf_value;

struct pf_program {
    const pf_kernels *kernels;
    pf_step *steps;
    uint32_t nsteps;
    pf_value *values; /* values[0] is unused */
    uint32_t nvalues;
    pf_item *items;
    uint32_t nitems;
    pf_join *joins;
    uint32_t njoins;
    int64_t *constants; /* payloads */
    uint32_t nconstants;
    pf_kinds *columns;
    bool *fetched; /* per column: its lanes may be left at their source */
    uint32_t ncolumns;
    pf_kinds *outputs;
    uint32_t noutputs;
    uint32_t nstrings, nparams;
    uint32_t register_bytes; /* size of the frame's register area, the scalar area included */
    uint32_t ncompacts;
    uint32_t asks; /* how often a whole vector asks for the next one's memory */
    pf_low_guard guards[PF_MAX_LOW_GUARDS];
    uint32_t nguards;
    pf_outputs ints;
};

/* Ops on ints whose result may have more than 64 bits although the operands do not. */
static inline bool may_overflow(uint8_t op)
{
    return op == PF_OP_add || op == PF_OP_sub || op == PF_OP_mul || op == PF_OP_neg || op == PF_OP_abs || op == PF_OP_shl;
}

/* A scalar's room: kernels that work on whole vectors may read and write this much. */
enum { PF_SCALAR_BYTES = 64 };

/* ---- lower.c, alloc.c ---- */

/* As pf_interp_compile, with the kernels of one instruction set. */
PF_MUST_CHECK pf_status pf_interp_compile_for(const pf_fn *fn, pf_outputs ints, const pf_kernels *kernels, pf_program **out);
/* Finds where values live and die, fills in COMPACT's lists, and gives every value its place. */
PF_MUST_CHECK pf_status pf_interp_allocate(pf_program *program);

/* ---- frame.c ---- */

/* What is known of a value while a vector runs. */
typedef struct pf_state {
    void *data;
    uint8_t *kind;       /* bytes, valid when `seen` has several kinds */
    pf_interval range;   /* encloses all i64 lanes */
    int64_t start, step; /* iota */
    int32_t count;       /* masks: lanes in it; when it is all of them the bytes may be unwritten */
    pf_kinds seen;       /* kinds of the lanes; 0: no edge has written it yet */
    bool iota;           /* the lanes are start + i * step, data is not filled yet */
    int32_t packed;      /* iota: 1 + the number of the compaction that left only some of those lanes; 0: none did */
    uint8_t width;       /* pf_width. What is no PF_WIDTH_I64 has PF_INTERVAL_ALL for its range */
    int64_t *high;       /* PF_WIDTH_I128: the high halves, `data` holds the low ones */
} pf_state;

typedef struct pf_machine {
    pf_state *states;       /* one per value */
    uint8_t *alive;         /* PF_LANES bytes; 0: the lane failed */
    bool deaths;            /* some byte of alive is 0 */
    int32_t n;              /* lanes now */
    int32_t rows_at;        /* rows[] holds for the lanes before compaction number rows_at; -1: not at all */
    int32_t ncompacts;      /* done in this run */
    int32_t *compact_n;     /* lanes before each */
    uint64_t *compact_bits; /* PF_LANES / 64 words each */
    uint16_t *rows;         /* row of each lane */
    pf_failed *failed;      /* by row */
    uint64_t failed_rows[PF_LANES / 64];
    uint8_t **kind_memory; /* one per column */
    uint8_t *registers;
} pf_machine;

/* ---- machine.c ---- */

void pf_machine_begin(pf_machine *m, int32_t n);
/* Where a value's register is. */
static inline void *pf_machine_home(const pf_machine *m, const pf_value *value)
{
    return m->registers + value->slot;
}

uint64_t *pf_machine_record(const pf_machine *m, int32_t compaction); /* who stayed, a bit for each lane before it */
uint64_t *pf_machine_bits(const pf_machine *m);                       /* the next one's */
void pf_machine_compacted(pf_machine *m, int32_t count);
const uint16_t *pf_machine_rows(pf_machine *m);                          /* rows of the present lanes */
void pf_machine_fail(pf_machine *m, int32_t lane, const pf_failed *how); /* the row is filled in */
void pf_machine_end(pf_machine *m, pf_frame *frame); /* failed rows, row numbers, and what a stop cuts off */

#endif

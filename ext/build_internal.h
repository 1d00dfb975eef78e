/* Inside of the builder: abstract interpretation of a chain into one row program.
 *
 *   build.c        attempts, refusals, the finished plan
 *   build_chain.c  the chain's steps, from the leaves outward
 *   build_tail.c   what the consumer wants of each row
 *   build_frame.c  one Python function or generator expression: bytecode, joins, inlining
 *   build_value.c  abstract values: constants, what is watched, what is read from the source
 *   build_state.c  states: forking, splitting by kind, merging
 *   build_op.c     operators on abstract values
 *   build_call.c   calls: binding arguments, intrinsics
 *   build_expand.c nested `for`s: where one stage ends and the next begins
 *   build_step.c   the function of reduce and fold, run on an accumulator that nobody knows
 *
 * A *state* is one way the row can have come so far: an IR block that is being filled, and what is known of every
 * value in it. Where ways meet, states whose values have the same kinds are merged (block arguments where the values differ);
 * states of different kinds go on apart. Where an op needs one kind and a value may have several, the state is split
 * by is_kind branches and the op is tried again in each.
 *
 * Everything lives in the builder's arena. Errors: b->refused (this chain falls back) or b->error (Python exception set) end
 * all work; every function may return early when pf_b_dead(b). */
#ifndef PF_BUILD_INTERNAL_H
#define PF_BUILD_INTERNAL_H

#include "decode.h"
#include "plan.h"
#include "reasons.h"

typedef enum pf_av_tag {
    PF_AV_UNBOUND, /* no value: an unbound local, the self of a plain attribute call */
    PF_AV_SCALAR,  /* an IR value; of kind obj when it is something of the source that no op looks into */
    PF_AV_TUPLE,
    PF_AV_PY,      /* a Python object known now: function, module, type, constant container */
    PF_AV_RANGE,   /* a range made in the step: items are start, stop, step */
    PF_AV_ITERATOR, /* the iterator of a for: items are what a range runs over, or the container's handle */
    /* of build_step.c alone; nothing of them is in the IR: */
    PF_AV_PART,    /* a part of the accumulator */
    PF_AV_STEP,    /* `part op e`; the item is e */
    PF_AV_TEST     /* whether the comparison `part op e` holds; the item is e */
} pf_av_tag;

enum { PF_ORIGIN_MIXED = 255, PF_WHOLE = -1 };

typedef struct pf_av {
    uint8_t tag;
    bool partial;    /* SCALAR: `handle` is 0 in lanes that have no object */
    bool joined;     /* SCALAR, TUPLE: made where ways met; on some of them it was what another value is */
    uint8_t origin;  /* SCALAR, TUPLE: one more than the earlier stage that made it; 0: this stage; PF_ORIGIN_MIXED */
    pf_kinds kinds;  /* SCALAR */
    pf_ref ref;      /* SCALAR: the value */
    pf_ref handle;   /* SCALAR: the object it came as (kind obj), or PF_NOREF */
    int32_t path;    /* SCALAR, ITERATOR over items: where it (what it runs over) stands, index into b->paths, or -1 */
    int32_t watch;   /* PY, SCALAR: the watch that gives it, or -1 */
    int32_t n;       /* TUPLE, RANGE, ITERATOR, STEP, TEST: number of items */
    int8_t part;     /* PART, STEP, TEST: which one, from 1; TUPLE: PF_WHOLE for the accumulator itself */
    uint8_t op;      /* STEP: pf_step_op; TEST: pf_cmp */
    PyObject *py;    /* PY; SCALAR: the constant object itself, or NULL. Borrowed */
    struct pf_av *items; /* never changed once made */
} pf_av;

enum { PF_PATH_COLUMNS = 4 }; /* in how many ways one place is read: column_of in build_value.c */

/* A leaf's item, or something inside it. */
typedef struct pf_path {
    pf_access at;         /* types, names borrowed until the plan is finished */
    pf_kinds kinds;       /* what the sample holds, PF_K_OBJ for anything that is no scalar */
    PyTypeObject *type;   /* the one type of all sampled objects that are no scalars; NULL: none, or several */
    bool mixed;           /* several such types */
    int size;             /* length of all sampled tuples and lists, or -1 */
    int column[PF_PATH_COLUMNS]; /* columns of pf_fn, -1: not used yet */
} pf_path;

typedef struct pf_frame_state {
    struct pf_frame_state *parent; /* the caller it is inlined into; NULL: a chain step's function */
    struct pf_activation *act;
    pf_av *locals;
    pf_av *stack;
    int depth;
} pf_frame_state;

enum { PF_MAX_CARRY = 8 };

typedef struct pf_state {
    pf_block block; /* to be started when the state is run */
    bool open;      /* already started */
    pf_frame_state *frame;
    pf_av carry[PF_MAX_CARRY]; /* values that pass by a step: what has been computed for other children */
    int ncarry;
    pf_av value;    /* what the chain's step works on, or the result of a function */
    struct pf_state *next;
} pf_state;

/* One inlining of one function. */
typedef struct pf_activation {
    const pf_code *code;
    int owner;      /* watch of the function or generator that globals and cells are read from */
    PyObject *object; /* that function or generator; borrowed */
    bool is_genexpr;
    int for_index;  /* GENEXPR: its innermost FOR_ITER so far */
    int level;      /* inlining depth */
    pf_state **pending; /* one list per instruction */
    pf_state *results;  /* RETURN_VALUE or YIELD_VALUE */
    struct pf_activation *parent;
} pf_activation;

enum { PF_MAX_PATHS = 48, PF_MAX_BLOCKS = 600, PF_MAX_VERSIONS = 16, PF_MAX_INLINE = 12, PF_MAX_CODES = 32 };

typedef struct pf_wants {
    struct {
        pf_access at;
        int what;
    } list[PF_MAX_COLUMNS];
    int n;
    bool identities; /* ways on which different values are one object are to go on apart (build_state.c) */
    bool plain_step; /* the function of reduce or fold is not one that can be done without calling it */
} pf_wants;

typedef struct pf_builder {
    const pf_request *request;
    pf_refusal *refusal;
    pf_pyplan *plan;
    pf_fn *fn;
    pf_arena arena;
    bool refused, error;
    pf_path paths[PF_MAX_PATHS];
    int npaths;
    pf_watch watches[PF_MAX_WATCHES];
    int nwatches, nparams;
    PyObject *constants[PF_MAX_PARAMS]; /* owned */
    PyObject *strings[PF_MAX_PARAMS];   /* owned */
    int nstrings;
    pf_code *codes[PF_MAX_CODES];
    int ncodes;
    int max_level;
    int ends;          /* ways on which a row is dropped, so far */
    pf_state *finals;  /* rows as the consumer gets them */
    struct join *join; /* memory for the next one (build_state.c) */
    pf_state *split; /* states that pf_b_mono made; whoever runs a state tries them again at the same point */
    /* where we are, for places and refusals */
    const pf_activation *act;
    int pc;
    pf_ref null_handle;
    int nstages;                       /* stages that have ended (build_expand.c) */
    struct pf_wants *wants;            /* what was learned in earlier attempts; outlives them */
    bool owned; /* the plan owns its columns' types and names */
    bool again;                        /* `wants` has changed: build anew */
} pf_builder;

static inline bool pf_b_dead(const pf_builder *b) { return b->refused || b->error || b->again || b->fn->failed; }

/* ---- build.c ---- */
void pf_b_refuse(pf_builder *b, int reason);
void *pf_b_alloc(pf_builder *b, size_t size); /* NULL: b->error is set */
uint16_t pf_b_place(pf_builder *b);

/* ---- build_chain.c ---- */
/* Does `work` for each state of the list; halves of split states are tried again. work ends or keeps its state, and adds to *out. */
typedef void (*pf_b_work)(pf_builder *b, pf_state *st, const pf_node *node, int index, int base, pf_state **out);
pf_state *pf_b_each(pf_builder *b, pf_state *list, pf_b_work work, int node, int base);
void pf_b_keep(pf_builder *b, pf_state *st, pf_state **out);   /* adds the state, closed, to *out */
void pf_b_append(pf_state **list, pf_state *more);
pf_state *pf_b_flow(pf_builder *b, int index, pf_state *list); /* node `index` and all below it */

/* ---- build_tail.c ---- */
void pf_b_tail(pf_builder *b, pf_state *list);
void pf_b_collect(pf_builder *b, pf_state *list);              /* into b->finals */
/* Yields what the plan's shape says of all final states; keyed: with carry[1] in front of it. */
void pf_b_yield_finals(pf_builder *b, bool keyed);

/* ---- build_step.c ---- */
/* reduce and fold: the rows, or what their function makes of them if it has the form of a pf_step. */
void pf_b_reduce(pf_builder *b, pf_state *list);
static inline bool pf_av_is_unknown(const pf_av *av) { return av->tag >= PF_AV_PART; }
/* Operators of which at least one operand is unknown; false as pf_b_mono. */
bool pf_b_step_binary(pf_builder *b, pf_state *st, pf_binop op, pf_av *left, pf_av *right, pf_av *out);
bool pf_b_step_compare(pf_builder *b, pf_state *st, pf_cmp op, pf_av *left, pf_av *right, pf_av *out);
/* min, max: args[1] where `args[1] cmp args[0]`, else args[0]. */
bool pf_b_step_extreme(pf_builder *b, pf_state *st, pf_cmp cmp, pf_av *args, pf_av *out);
/* *yes becomes what is `yes` where the test holds and `no` elsewhere. False: that has no form. */
bool pf_b_step_unite(pf_builder *b, const pf_av *test, pf_av *yes, const pf_av *no);

/* ---- build_value.c ---- */
pf_av pf_av_none(pf_builder *b);
pf_av pf_av_const(pf_builder *b, PyObject *object);            /* any constant; PY when it is no scalar or tuple of such */
pf_av pf_av_of(pf_kinds kinds, pf_ref ref);                    /* a computed scalar */
pf_av pf_av_tuple(pf_builder *b, int n);                       /* items to be filled by the caller, at once */
int pf_b_leaf_path(pf_builder *b, int leaf);                   /* path of a leaf's item */
int pf_b_captured_path(pf_builder *b, const pf_av *container); /* of a PY list or tuple */
pf_av pf_b_item(pf_builder *b, int path);                      /* what is read there */
int pf_b_path_step(pf_builder *b, int path, const pf_path_step *step); /* -1: refused */
pf_ref pf_b_none_or_object(pf_builder *b, int path);           /* of a path that no None was sampled from: none or obj */
pf_ref pf_b_presence(pf_builder *b, int path);                 /* kind obj wherever the path can be walked */
bool pf_b_always_object(const pf_builder *b, const pf_av *av);  /* whether its handle is an object in every lane */
pf_ref pf_b_handle(pf_builder *b, const pf_av *av);            /* object of a value, PF_NOREF: box afresh */
pf_ref pf_b_null_handle(pf_builder *b);                        /* no object in any lane */
int pf_b_watch(pf_builder *b, pf_watch watch, PyObject *value); /* deduplicated; -1: refused. watch.name borrowed */
pf_av pf_b_watched(pf_builder *b, pf_watch watch);             /* reads it now and classifies it */
/* The items of a PY list or tuple whose values are used: a tuple, borrowed, kept by the plan; they are compared at each call. NULL:
 * refused. */
PyObject *pf_b_elements(pf_builder *b, const pf_av *av);
/* The items of a PY container as what rows are looked up in: a param. They are read anew at each call. PF_NOREF:
 * refused. */
pf_ref pf_b_table(pf_builder *b, const pf_av *container);
/* *av, which must also stand in a slot of st (a local, the stack, carry, value), as a scalar of one kind. False: nothing more to do
 * in this state: it went into b->split in two, or the work is dead. */
bool pf_b_mono(pf_builder *b, pf_state *st, pf_av *av);
/* What is built next holds only for values of the kinds that `av` was sampled with, even if its lanes are read by no op
 * (`x is None` of a column without None is False): rows of other kinds have to bail. */
void pf_b_rely(pf_builder *b, const pf_av *av);
void pf_b_bail(pf_builder *b, pf_state *st);  /* this way is CPython's, since it is for these kinds of values */
void pf_b_raise(pf_builder *b, pf_state *st); /* the same where nothing stands behind it that is not compiled on another way */
bool pf_b_bail_where(pf_builder *b, pf_state *st, pf_ref cond); /* so are rows where cond is true; st goes on with the others */
bool pf_av_same_shape(const pf_av *a, const pf_av *b);
/* Merges states of equal shape: at most one state per shape remains. */
pf_state *pf_b_merge(pf_builder *b, pf_state *list);
/* Merges all of them into one, whatever the kinds of their scalars; where that cannot be, the plan is refused. */
pf_state *pf_b_unite(pf_builder *b, pf_state *list, int reason);
pf_state *pf_b_fork(pf_builder *b, const pf_state *st, pf_block block);
void pf_b_open(pf_builder *b, pf_state *st);                   /* start its block unless already open */
void pf_b_close(pf_builder *b, pf_state *st);                  /* end the block by a jump to a new one, so that others can be filled */
/* Splits by a bool: both ways, not open. */
void pf_b_branch(pf_builder *b, pf_state *st, pf_ref cond, pf_state **yes, pf_state **no);

int pf_b_path_column(pf_builder *b, int path, int what);       /* column of pf_fn: see column_of; -1: refused */

int pf_b_add_path(pf_builder *b, const pf_access *at); /* deduplicated, sampled; -1: refused */

/* ---- build_expand.c ---- */
bool pf_b_get_iter(pf_builder *b, const pf_av *value, pf_av *out);
/* An iterator, which stands in a slot of st (on top of the stack, or as its value), begins a new stage that st goes on in. *item is
 * one of its items. False: refused. */
bool pf_b_expand(pf_builder *b, pf_state *st, pf_av *iterator, int pc, pf_av *item);

/* ---- build_op.c: false as pf_b_mono ---- */
/* An exact int from 2**63 to 2**64 - 1. */
bool pf_b_large(PyObject *object, uint64_t *out);
bool pf_b_binary(pf_builder *b, pf_state *st, pf_binop op, pf_av *left, pf_av *right, pf_av *out);
bool pf_b_compare(pf_builder *b, pf_state *st, pf_cmp op, pf_av *left, pf_av *right, pf_av *out);
bool pf_b_contains(pf_builder *b, pf_state *st, pf_av *item, pf_av *container, pf_av *out);
bool pf_b_is(pf_builder *b, pf_state *st, pf_av *left, pf_av *right, pf_av *out);
bool pf_b_truth(pf_builder *b, pf_state *st, pf_av *av, pf_ref *out);
bool pf_b_unary(pf_builder *b, pf_state *st, pf_bc op, pf_av *av, pf_av *out);
bool pf_b_number(pf_builder *b, pf_state *st, pf_av *av, bool as_float, pf_ref *out, pf_kinds *kind);
bool pf_b_subscript(pf_builder *b, pf_state *st, pf_av *container, pf_av *index, pf_av *out);
bool pf_b_attribute(pf_builder *b, pf_state *st, pf_av *owner, PyObject *name, pf_av *out);
bool pf_b_length(pf_builder *b, pf_state *st, pf_av *av, pf_av *out);
bool pf_b_unpack(pf_builder *b, pf_state *st, pf_av *value, int n, pf_av *items);
/* The n >= 1 items of a row that is a tuple; rows of another size are CPython's. */
bool pf_b_row_items(pf_builder *b, pf_state *st, const pf_av *row, int n, pf_av *items);

/* ---- build_tuple.c: false as pf_b_mono ---- */
/* A tuple made in the step, a constant or captured one, or a row of known size that compares as tuples do. */
bool pf_b_is_tuple(const pf_builder *b, const pf_av *av);
/* Makes it one of items, down to the last. It is a new object from then on: only for an operand that nobody else holds. */
bool pf_b_take_apart(pf_builder *b, pf_state *st, pf_av *av);
bool pf_b_compare_tuples(pf_builder *b, pf_state *st, pf_cmp op, pf_av *left, pf_av *right, pf_ref *out);

/* ---- build_call.c ---- */
/* Calls callable with args (the last nkw are keywords). Result states (value set, not open) in *results; false as pf_b_mono. */
bool pf_b_call(pf_builder *b, pf_state *st, const pf_av *callable, pf_av *args, int nargs, PyObject *kwnames, pf_state **results);

/* ---- build_frame.c ---- */
/* Runs a Python function on bound locals. */
bool pf_b_run_function(pf_builder *b, pf_state *st, const pf_av *function, pf_av *locals, const pf_code *code, pf_state **results);
/* Runs one row of a generator expression whose iterator gives `item`. */
bool pf_b_run_genexpr(pf_builder *b, pf_state *st, int node, pf_av item, pf_state **results);
const pf_code *pf_b_decode(pf_builder *b, PyObject *code);

#endif

/* A plan of the binding: what the core runs (pf_plan), and what ties it to Python.
 *
 *   watches   how every outside value is found again at each call, and what it has to be (watch.h)
 *   columns   how each source column is read from a leaf's items
 *   shape     how the outputs of a row become one Python object
 *
 * A plan is immutable and counted. It is shared by all calls whose chain looks alike and whose watches hold. */
#ifndef PF_EXT_PLAN_H
#define PF_EXT_PLAN_H

#include <string.h>

#include "../core/rewrite/rewrite.h"
#include "../core/run/run.h"
#include "chain.h"
#include "config.h"
#include "watch.h"

typedef enum pf_consumer {
    PF_CONSUME_SUM,
    PF_CONSUME_MIN,
    PF_CONSUME_MAX,
    PF_CONSUME_ANY,
    PF_CONSUME_ALL,
    PF_CONSUME_LIST,
    PF_CONSUME_TUPLE,
    PF_CONSUME_NEXT,
    PF_CONSUME_REDUCE,
    PF_CONSUME_FOLD,
    PF_CONSUMER_COUNT
} pf_consumer;

/* ---- columns ---- */

typedef enum pf_path_how {
    PF_PATH_INDEX, /* item `index` of an exact tuple or list, or of a namedtuple of type `type` */
    PF_PATH_SLOT,  /* member at byte offset `index` of an instance of `type` */
    PF_PATH_ATTR,  /* instance attribute `name` of an instance of `type`; the caller's thread only */
    PF_PATH_KEY,   /* value of key `name` in an exact dict; the caller's thread only */
    PF_PATH_EACH   /* any item of an exact list or tuple: the loop over them begins stage `index` */
} pf_path_how;

typedef struct pf_path_step {
    pf_path_how how;
    int32_t index;
    int32_t size;       /* INDEX: the exact length it must have, or -1 */
    unsigned version;   /* SLOT, ATTR, INDEX by name: version tag of the type when it was looked at; 0: does not matter */
    PyTypeObject *type; /* owned by the plan; lanes of another type fail */
    PyObject *name;     /* owned by the plan */
    Py_hash_t hash;
} pf_path_step;

enum { PF_MAX_PATH = 6, PF_MAX_COLUMNS = 24 };

/* An access path: where something stands in what a chain runs over. */
typedef struct pf_access {
    int16_t leaf;  /* index into pf_chain.leaves: from an item of it (of a chain of segments, the first one); -1: */
    int16_t watch; /* from the list or tuple that this watch reads */
    int npath;
    pf_path_step path[PF_MAX_PATH]; /* zeroed where nothing is said: they are compared byte by byte */
} pf_access;

/* The first step within an item of the innermost loop, or of the source where there is none. */
static inline int pf_access_within(const pf_access *access)
{
    int first = access->npath;
    while (first > 0 && access->path[first - 1].how != PF_PATH_EACH) {
        first--;
    }
    return first;
}

/* The stage that begins with these items, where the rest is read; 0: the source's own. */
static inline int pf_access_stage(const pf_access *access)
{
    const int within = pf_access_within(access);
    return within > 0 ? access->path[within - 1].index : 0;
}

static inline bool pf_same_access(const pf_access *a, const pf_access *b)
{
    return a->leaf == b->leaf && a->watch == b->watch && a->npath == b->npath &&
           memcmp(a->path, b->path, sizeof *a->path * (size_t)a->npath) == 0;
}

/* What a stage's column is read from: those of the first stage come first, as many as it has. */
typedef struct pf_column_spec {
    pf_access at;
    int npath;                /* the steps within an item of the stage */
    const pf_path_step *path; /* into `at` */
    pf_kinds kinds;
    bool presence; /* only whether the path can be walked: every lane is obj */
    bool used;
} pf_column_spec;

/* ---- shape: a tree over outputs, in preorder ---- */

typedef struct pf_shape {
    int16_t payload; /* output with the value, -1: none */
    int16_t handle;  /* output with the object, -1: none. Handle 0 in a lane means: box the payload */
    int16_t ntuple;  /* >= 0: a tuple of that many following subtrees */
    int16_t same;    /* >= 0: the very object of that earlier node; nothing follows */
    int16_t alias;   /* >= 0: output with the number of the earlier node whose very object this is in that row, or -1 */
    bool outer;      /* made outside of a nested for: one object for all that comes of one source row */
} pf_shape;

enum { PF_MAX_SHAPE = 16, PF_MAX_OUTPUTS = 8 };

/* ---- what the sample of the source has to look like for the plan to be worth trying ---- */

typedef struct pf_check {
    pf_access at; /* types and names owned by the plan */
    pf_kinds kinds;
    PyTypeObject *type; /* owned; NULL: none, or several (`mixed`) */
    bool mixed;
} pf_check;

enum { PF_MAX_CHECKS = 48 };

/* A parameter that is read from the chain's own steps. */
typedef struct pf_chain_param {
    uint8_t node;
    /* enumerate's index; islice: numbers of the first item it gives and of the last it takes, and its step */
    enum { PF_CHAIN_COUNT, PF_CHAIN_SLICE_FIRST, PF_CHAIN_SLICE_LAST, PF_CHAIN_SLICE_STEP } what;
    int param;
} pf_chain_param;

enum { PF_MAX_CHAIN_PARAMS = 16 };

typedef struct pf_refusal {
    int reason;       /* reasons.def */
    char where[160];  /* "function, file:line:col", or the name of what was refused; may be empty */
} pf_refusal;

static inline void pf_refuse(pf_refusal *refusal, int reason)
{
    refusal->reason = reason;
    refusal->where[0] = 0;
}

/* ---- the step of reduce and fold, where its function need not be called ----
 *
 * The accumulator is one number, or a tuple of `n` parts, and each part becomes `part op e`, where the row program computes e
 * from the row alone. The kinds of parts are found in the accumulator itself, when it comes (accum.h). */

typedef enum pf_step_op {
    PF_STEP_KEEP, /* the part stays as it is */
    PF_STEP_ADD,
    PF_STEP_MUL,
    PF_STEP_AND,
    PF_STEP_OR,
    PF_STEP_XOR,
    /* The smaller or larger of two. They differ in what equal ones and NaN give. */
    PF_STEP_KEEP_LT, /* the part stays where `part < e`, else e takes its place */
    PF_STEP_KEEP_LE,
    PF_STEP_KEEP_GT,
    PF_STEP_KEEP_GE,
    PF_STEP_TAKE_LT, /* e takes the part's place where `part < e` */
    PF_STEP_TAKE_LE,
    PF_STEP_TAKE_GT,
    PF_STEP_TAKE_GE
} pf_step_op;

enum { PF_MAX_PARTS = 8 };

typedef struct pf_step {
    int n;          /* parts; 0: the function is called for each row */
    bool tuple;     /* the accumulator is a tuple of the parts */
    bool row_first; /* e of a row is what the row itself is: any row can begin an accumulator */
    struct pf_step_part {
        uint8_t op;      /* pf_step_op */
        bool always;     /* there is no way for a row to leave the part alone; else e is op's neutral element then */
        bool constant;   /* ADD: e is `value` for every row, and has no output */
        int16_t output;  /* e, -1: none */
        int16_t handle;  /* KEEP_LT...: the object that e came as, 0 in lanes that have none; -1: no lane has */
        int64_t value;
    } parts[PF_MAX_PARTS];
} pf_step;

/* What the accumulator of reduce and fold starts from: the flavour of their requests. */
enum { PF_START_NONE, PF_START_INT, PF_START_OTHER, PF_START_TUPLE /* and more: of flavour - PF_START_TUPLE items */ };

typedef struct pf_pyplan {
    Py_ssize_t refs;
    pf_plan core;
    pf_consumer consumer;
    /* the chain it was made for */
    int nnodes;
    struct {
        uint8_t kind, nchildren;
        bool strict, unit_step, has_func, has_stop, view;
        int8_t counter; /* enumerate, islice over dropped rows: of the op rank that counts for it, else -1 */
        int8_t children[PF_MAX_CHILDREN];
    } nodes[PF_MAX_NODES];
    int ncounters;
    int nleaves;
    struct {
        uint8_t kind;
        char format;
    } leaves[PF_MAX_LEAVES];
    int nextra; /* callables passed to the consumer (key, reduce's function) */
    int flavour;
    pf_check checks[PF_MAX_CHECKS];
    int nchecks;
    pf_chain_param chain_params[PF_MAX_CHAIN_PARAMS];
    int nchain_params;
    pf_step step; /* REDUCE, FOLD */
    pf_refusal refusal; /* reason != 0: this chain falls back, as long as watches and checks hold */
    pf_watches watches;
    pf_column_spec columns[PF_MAX_COLUMNS];
    int ncolumns;
    int noutputs;
    bool key_tuple; /* MIN, MAX: the first core.nkeys outputs are the items of a tuple, else output 0 is the key */
    pf_shape shape[PF_MAX_SHAPE];
    int nshape;
    PyObject **strings; /* owned; handles of pf_fn.strings */
    int nstrings;
    int depth;          /* Python frames the deepest inlined call adds to those of the chain's own generators */
    bool caller_only;   /* gather needs the caller's thread state */
    bool wants_rows;    /* the sink needs the source row of each output */
    bool has_other_ways; /* rows unlike those sampled may go ways through the functions that were not compiled (replay.h) */
    bool may_warn;      /* ~: of a bool CPython warns from 3.12 on, and what a warning calls is anybody's */
    bool loops_over_capture; /* a nested for runs over a list or tuple that is no part of the source */
    bool has_outer;     /* some node of the shape is `outer` */
    PyObject *rules;    /* owned list of str: rewrite rules that fired */
    PyObject *functions; /* owned list of str: what was inlined, for explain */
    /* range_stride: the same pipeline over only those rows of its range that the first filter keeps (has_stride) */
    bool has_stride;
    pf_stride stride;
    pf_plan strided;
    /* back-off: runs left for which the plan is not even tried (atomic in effect: guarded by the GIL) */
    int32_t rest, next_rest;
    struct pf_pyplan *next_dropped;
    bool tired; /* it failed too often since it was made or last did well */
    /* of the last kernels, to plan the next call */
    double ns_per_row;
} pf_pyplan;

/* Whether no class has changed that the plan knows the insides of. */
bool pf_pyplan_types_hold(const pf_pyplan *plan);

/* The next few calls do not try it, each time twice as many. */
void pf_pyplan_rest(pf_pyplan *plan);
void pf_pyplan_did_well(pf_pyplan *plan);
void pf_pyplan_retain(pf_pyplan *plan);
void pf_pyplan_release(pf_pyplan *plan); /* NULL allowed */

/* How the plan is run over so many rows: in windows of 5 ms, as the settings and the running version's sum have it. */
pf_run_config pf_pyplan_config(const pf_pyplan *plan, const pf_settings *settings, const pf_scalar *params,
                               int64_t rows);

/* A plan for this chain and consumer from the cache, or a new one. extra are callables the consumer was given.
 * params and strings of the run are filled from the watches (run params: at least PF_MAX_PARAMS).
 * Returns a new reference, or NULL: with *reason set and no exception (falls back), or with a Python exception. */
typedef struct pf_request {
    const pf_chain *chain;
    pf_consumer consumer;
    PyObject *const *extra;
    int nextra;
    int flavour; /* consumer's own variant: MIN/MAX with key 1; REDUCE, FOLD: PF_START_* */
    int64_t rows; /* that are at stake: a plan is made when enough have come of a chain. 0: it is made at once */
} pf_request;

static inline pf_watch_roots pf_roots_of(const pf_request *request)
{
    return (pf_watch_roots){request->chain, request->extra, request->nextra};
}

pf_pyplan *pf_plan_find(const pf_request *request, pf_scalar *params, pf_refusal *refusal);

/* Nothing is computed for a row, and its consumer gains nothing by having it from us: tuples are made, or several kinds
 * of items told apart. */
bool pf_plan_is_idle(const pf_pyplan *plan, const pf_chain *chain);

/* Notes in the chain which of its steps have a counter of the plan, and whether rows expand. */
void pf_plan_mark(const pf_pyplan *plan, pf_chain *chain);

/* Makes a plan without looking at the cache (build.c); a refused chain gives a plan with refusal.reason set. NULL with an exception. */
pf_pyplan *pf_plan_build(const pf_request *request);

/* Applies the rewrite rules that are switched on (plan.c). */
PF_MUST_CHECK pf_status pf_plan_rewrite(pf_pyplan *plan);
/* Looks for a range_stride in the compiled plan and compiles the second form. */
PF_MUST_CHECK pf_status pf_plan_find_stride(pf_pyplan *plan);

/* Plans that the cache has dropped are kept until then, since releasing one may run code: call it when nothing that was
 * read of a chain is relied upon any more. */
void pf_plans_release_dropped(void);
void pf_plan_forget_all(void); /* empties the cache: every chain is new */
int64_t pf_plans_made(void);   /* plans and refusals that were built, since the import */

#endif

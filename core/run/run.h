/* Running a plan: rows in morsels on all cores, results merged in row order, failed rows handed out one by one.
 *
 * pf_run_advance works until the embedding program is needed and says why (pf_event). Whenever it returns, no worker
 * is inside a callback and none will enter one before the next call, so the caller may run arbitrary code
 * (for the CPython binding: release the GIL, run a failed row, look at signals). Results already computed
 * beyond the frontier are kept across calls unless pf_run_drop is called.
 *
 * Source rows are the unit of everything that is observable: a row's outputs (several, after an expand) are merged all
 * together or not at all, and a row that fails in any part fails whole.
 *
 * A plan that counts (op rank) is run in row order by the caller alone, and never past a failed row: only who runs that row
 * can tell what it counts, and says so by pf_run_go_on. Else it has counted nothing.
 *
 * Thread-safety: one caller per run. Runs may nest and several may be alive on different threads: workers only help,
 * a caller can always finish alone. gather and expand are called from any thread, several at a time; absorb only
 * from the caller's thread, inside pf_run_advance, in row order. Nothing a worker touches lives on a caller's stack. */
#ifndef PF_RUN_H
#define PF_RUN_H

#include "../interp/interp.h"

/* ---- what is run ---- */

typedef enum pf_expand_kind {
    PF_EXPAND_LAST,  /* the last stage: its outputs go to the sink */
    PF_EXPAND_RANGE, /* outputs 0, 1, 2 are start, stop, step of a range (step 0 fails the row) */
    PF_EXPAND_ITEMS  /* the expand callback supplies the items; output 0 is its handle or number */
} pf_expand_kind;

/* A chain with nested `for`s has one stage per `for`. The columns of stage s > 0 come from stage s - 1 (pf_column_from). */
typedef struct pf_stage {
    pf_fn *fn;
    pf_program *program;
    pf_expand_kind expand; /* how this stage's outputs become rows of the next stage */
} pf_stage;

enum { PF_MAX_STAGES = 4 };

typedef enum pf_sink_kind {
    PF_SINK_NONE,    /* no outputs are wanted: the program speaks through `stop` alone (any, all, next) */
    PF_SINK_COUNT,   /* number of outputs only */
    PF_SINK_COLLECT, /* outputs as columns, in order */
    PF_SINK_ISUM,    /* output 0, i64 (or bool): exact sum */
    PF_SINK_FSUM,    /* output 0, f64: columns plus binade block sums (fsum.h) */
    PF_SINK_MIN,     /* outputs [0, nkeys), compared one after the other: the first smallest; the other outputs of that row
                      * ride along. A key is a number of any kinds, a str or None in all rows; where nkeys is more than 1
                      * none may be NaN */
    PF_SINK_MAX,
    PF_SINK_FOLD     /* outputs as columns, pieces cut at every multiple of fold_block source rows */
} pf_sink_kind;

typedef struct pf_plan {
    pf_stage stages[PF_MAX_STAGES];
    int nstages;
    pf_sink_kind sink;
    int64_t fold_block; /* PF_SINK_FOLD */
    bool takes_u64;     /* PF_SINK_COLLECT: columns may have lanes of kind PF_K_U64 */
    int nkeys;          /* PF_SINK_MIN, MAX; 0 is 1 */
} pf_plan; /* owned by whoever made it; immutable while runs use it */

/* Fills stages[].program from stages[].fn. PF_UNSUPPORTED also where the outputs' kinds do not fit the sink or expansion. */
PF_MUST_CHECK pf_status pf_plan_compile(pf_plan *plan);
/* Frees programs and functions, and the runs kept for reuse: a plan must be cleared before its memory is given up. */
void pf_plan_clear(pf_plan *plan);

/* ---- what comes out ---- */

typedef struct pf_column_out {
    void *data;
    bool bytes;    /* one byte per value, else 8: an output that is declared bool alone. A declared none|bool may see bools only */
    uint8_t *kind; /* NULL: all of the kind `seen` */
    pf_kinds seen; /* with `kind`: may name kinds that do not occur in this piece */
} pf_column_out;

struct pf_fblocks; /* fsum.h */

/* Outputs of a run of consecutive good rows, count > 0 of them: rows that yield nothing may have no piece of their own, and a
 * run of good rows may come in several pieces. Valid only inside absorb. */
typedef struct pf_piece {
    int64_t row_begin, row_end;   /* source rows covered; rows in between that yield nothing are covered too */
    int64_t count;                /* outputs */
    __int128 isum, isum_high;     /* PF_SINK_ISUM: the sum is isum_high * 2**64 + isum. No count of rows overflows either */
    bool beyond;                  /* ISUM: some output did not fit 64 bits; else isum_high is 0, and */
    __int128 isum_least, isum_most; /* the sums of its first so many outputs lie between these, */
    bool isum_loose;              /* which none of them need reach */
    /* PF_SINK_MIN, MAX. Python's min keeps its first item until a later one is smaller, and nothing is smaller than a NaN. So a
     * sink that is still empty takes `first` when nan_first, and then nothing else ever; in all other cases `best`, where
     * has_best and it compares smaller than (MAX: larger than) what the sink holds. */
    bool has_best;                /* some output 0 is not NaN: */
    bool nan_first;               /* the first output 0 is NaN: */
    pf_scalar best[8], first[8];  /* the outputs of the first winner among the others, and of the first row with an output */
    int64_t best_row, first_row;
    const pf_column_out *columns; /* COLLECT, FSUM, FOLD: one per output */
    const int64_t *rows;          /* COLLECT, FOLD with want_rows: source row of each output */
    /* FSUM: block sums over columns[0], to be applied with pf_fsum_apply. Where takes_blocks said so for these, the
     * values of the blocks may not be in columns[0]; those behind them are. */
    const struct pf_fblocks *fblocks;
} pf_piece;

/* ---- the embedding program's side ---- */

/* Items of several containers, one after the other, until `want` lanes are filled. A container that cannot be iterated
 * ends it and fails its row. */
typedef struct pf_inner {
    const uint64_t *containers; /* output 0 of the stage before */
    int32_t n;                  /* of them; at least 1 */
    int64_t offset;             /* items of the first that have been taken before */
    int32_t lane, want;         /* where the first item goes, and how many lanes there are from there on; at least 1 */
    int32_t *children; /* to be said: lanes filled by each container that was come to; -1: it cannot be iterated */
} pf_inner;

typedef struct pf_hooks {
    void *ctx;
    /* Fills columns (data; kind and seen; lo and hi for i64) with rows [row0, row0 + n), n <= PF_LANES. kind_memory[i] is
     * where column i's kinds go if it needs them. Only columns of PF_FROM_SOURCE are to be filled. */
    pf_status (*gather)(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory);
    /* PF_EXPAND_ITEMS: writes what `inner` asks for into the columns of stage `stage + 1` that are PF_FROM_INNER and
     * used, whose kind, seen, lo and hi it widens. *taken (at least 1) is how many containers it came to. May be NULL.
     */
    pf_status (*expand)(void *ctx, int stage, const pf_inner *inner, pf_vec *columns, uint8_t *const *kind_memory,
                        int32_t *taken);
    pf_status (*absorb)(void *ctx, const pf_piece *piece); /* when it fails, the sink must be as it was before */
    /* Asked now and then by the caller of pf_run_advance while a row is computed that cannot be left half-way: whether
     * it must not wait for its end. Then that row and all beyond the frontier are given up, and there is a TICK. NULL:
     * never.
     */
    bool (*recalled)(void *ctx);
    /* FSUM: whether absorb, called now, would apply all of these (pf_fsum_takes) and look at no value of theirs. NULL:
     * never. */
    bool (*takes_blocks)(void *ctx, const struct pf_fblocks *blocks);
} pf_hooks;

typedef struct pf_run_config {
    int threads;         /* workers wanted, the caller included; 1: the caller alone */
    int64_t min_rows;    /* 1 (tests): wake workers and cut into many morsels even on the tiniest input */
    int64_t window_ns;   /* how long pf_run_advance may work before PF_EVENT_TICK; 5 ms is usual */
    int64_t rows;        /* rows of the source at the start; see pf_run_set_rows */
    const pf_scalar *params;
    const uint64_t *strings; /* one array per plan; indices are shared by all stages */
    pf_str_view_fn str_view;
    bool want_rows;      /* COLLECT, FOLD: fill pf_piece.rows */
    int fsum_flavour;    /* pf_fsum_flavour, PF_SINK_FSUM */
    int fsum_guess;      /* first guess; later ones come from pf_run_set_guess, which absorb calls */
    bool may_pause;      /* a row of long inner loops may be left half-way at a TICK, so that it cannot outlast its window. Only
                          * for sources that nobody can change: rows read in one window are then merged in a later one. Has an
                          * effect on nested ranges over plain numbers. Without it, what was read is merged at a TICK */
} pf_run_config;

typedef enum pf_event {
    PF_EVENT_END,    /* all rows are merged */
    PF_EVENT_FAILED, /* `row` must be run elsewhere; everything before it is merged. The next advance goes on after it. */
    PF_EVENT_STOP,   /* `row` stops the stream; everything before it is merged, nothing of it. A further advance would go on
                      * after it */
    PF_EVENT_TICK,   /* the window is over */
    PF_EVENT_ERROR   /* `status` says what; everything before the frontier is merged. Advancing again tries again. */
} pf_event;

typedef struct pf_event_info {
    int64_t row;     /* FAILED, STOP */
    uint8_t op;      /* FAILED: pf_op that bailed */
    uint8_t stage;
    uint16_t place;  /* FAILED: its place */
    bool barrier;    /* FAILED: a foreign type: nothing computed beyond this row may be used */
    pf_status status;
} pf_event_info;

typedef struct pf_run pf_run;

PF_MUST_CHECK pf_status pf_run_new(const pf_plan *plan, const pf_run_config *config, const pf_hooks *hooks, pf_run **out);
pf_event pf_run_advance(pf_run *run, pf_event_info *info);
int64_t pf_run_frontier(const pf_run *run);          /* rows before it are merged or were handed out */
void pf_run_drop(pf_run *run);                       /* forgets what was computed beyond the frontier */
void pf_run_alone(pf_run *run);                      /* the same, and from now on nobody is asked to compute ahead */
void pf_run_skip(pf_run *run, int64_t row);          /* rows before `row` are done elsewhere: moves the frontier on; drops */
/* All rows before `row` (not less than the frontier) are done, whoever ran them, and the counters stand at `counts`, which may be
 * NULL where the plan has none. Drops. */
void pf_run_go_on(pf_run *run, int64_t row, const int64_t *counts);
/* Where the counters stood when all rows before `row` were done. row: the frontier, or the row of the last event, or one of the
 * piece whose absorb failed; nothing of that piece can be had again afterwards. */
PF_MUST_CHECK pf_status pf_run_counts(pf_run *run, int64_t row, int64_t *counts);
/* Calls visit once for each handle (kind str or obj, not 0) among results beyond the frontier. Between advances only: the caller
 * keeps alive what is named. Stops at the first failure, and says so; the results are to be dropped then. */
PF_MUST_CHECK pf_status pf_run_visit_ahead(pf_run *run, pf_status (*visit)(void *ctx, uint64_t handle), void *ctx);
void pf_run_set_rows(pf_run *run, int64_t rows);     /* the source grew or shrank; implies drop if it shrank below computed rows */
/* FSUM: what pf_fsum_apply said, and pf_fsum_is_steady. Hints, read by workers. */
void pf_run_set_guess(pf_run *run, int guess, bool steady);
void pf_run_cancel(pf_run *run);                     /* from any thread; advance returns ERROR PF_CANCELLED soon */
void pf_run_free(pf_run *run);                       /* NULL allowed; no worker is inside */

typedef struct pf_run_stats {
    int64_t rows_native, rows_failed, morsels, window_count, workers_used, compute_ns;
    int64_t inner_rows; /* computed by stages behind the first */
} pf_run_stats;
void pf_run_get_stats(const pf_run *run, pf_run_stats *out);

/* ---- process-wide ---- */
void pf_run_quiesce(void);     /* before fork and at exit: stops and joins all workers; they restart lazily */
void pf_run_after_fork(void);  /* in the child */

#endif

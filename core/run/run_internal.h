/* What the files of core/run share.
 *
 *   run.c     a run's life, windows, when workers are called, what the caller does next
 *   merge.c   finished slots into pieces and events, in row order; caller only
 *   morsel.c  computing one slot, on any thread
 *   expand.c  the same where rows expand to rows of a next stage
 *   slot.c    the memory of a slot: segments, columns, sums
 *   idle.c    runs kept for the next call
 *
 * A morsel is a stretch of rows that one thread computes; a slot is where its results wait for their turn.
 *
 *        merged        waiting, in row order             to come
 *    ---------------|--slot--|--slot--|--slot--|----------------------->  rows
 *                   ^ head                     ^ claims.next
 *                   frontier is within the head slot
 *
 * A slot number n lives in slots[n % nslots]. Slots [head, claims.next) are taken or done; the caller alone moves head. */
#ifndef PF_RUN_INTERNAL_H
#define PF_RUN_INTERNAL_H

#include "../base/mem.h"
#include "../prim/thread.h"
#include "../sched/claims.h"
#include "../sched/sched.h"
#include "fsum.h"
#include "kernels.h"
#include "run.h"

enum {
    MAX_CREWS = PF_SCHED_MAX_WORKERS + 1,
    SLOTS_PER_THREAD = 4, /* results that wait: enough to ride out a slow merge, few enough to stay in the cache */
    MAX_BEST = 8          /* outputs of MIN, MAX: pf_piece.best */
};

typedef struct crew crew;

/* ---- slots: slot.c ---- */

enum { END_OPEN, END_FAILED, END_STOP };

/* Consecutive good rows and what ends them. The rows are [row_begin, row_end); a failed or stopping row is row_end itself. */
typedef struct segment {
    __int128 isum, isum_high; /* pf_piece */
    __int128 least, most; /* ISUM: of isum on its way */
    bool loose;
    bool hollow; /* FSUM: values of blocks were left out */
    int64_t row_begin, row_end;
    int64_t count;         /* outputs */
    int64_t first;         /* where they begin in the slot's columns */
    int64_t first_block, nblocks; /* FSUM */
    bool beyond;           /* ISUM */
    uint8_t end;           /* END_* */
    uint8_t op, stage, barrier;
    uint16_t place;
} segment;

typedef struct extreme {
    bool has_best, nan_first;
    int64_t best_row, first_row;
    pf_scalar best[MAX_BEST], first[MAX_BEST];
} extreme;

typedef struct column {
    uint8_t *data;
    uint8_t *kinds;           /* one per value, in use when has_kinds */
    int64_t capacity;         /* values */
    int64_t kind_capacity;
    pf_kinds seen;
    bool has_kinds;
} column;

/* PAUSED: the window ended within a row of long inner loops; the crew that holds the work in progress waits with the slot. */
enum { SLOT_BUSY, SLOT_DONE, SLOT_PAUSED };

/* Slots, and crews, lie side by side and are written by different threads at every vector: no two share a cache line.
 */
typedef struct slot {
    _Alignas(PF_CACHE_LINE) _Atomic int state; /* SLOT_*; release by who computed it, acquire by the caller */
    int64_t row_begin, row_end;
    int64_t row;              /* next row to compute */
    int64_t spent_ns;
    crew *holder;             /* PAUSED */
    pf_status status;         /* not PF_OK: rows from the end of the last segment on are missing */
    bool finished_early;      /* nothing after the last segment was or will be computed: a stop */
    bool has_barrier;
    bool visited;             /* pf_run_visit_ahead has been here */
    bool keep_values;         /* FSUM: for the next slot_begin */
    bool may_be_hollow;       /* FSUM */
    segment *segments;        /* capacity is always one more than in use */
    extreme *extremes;        /* MIN, MAX: one per segment */
    int64_t nsegments, capacity;
    int64_t next;             /* merge: the first segment that is not merged yet */
    segment now;              /* being filled */
    extreme now_extreme;
    column *columns;          /* COLLECT, FSUM, FOLD: one per output */
    int64_t filled;           /* values in each column */
    int64_t *rows;            /* source row of each value, when the run wants them */
    int64_t row_capacity;
    pf_fblock *blocks;
    int64_t nblocks, block_capacity;
} slot;

/* A point to return to: taken before a vector, or before a row that may still fail. */
typedef struct mark {
    segment now;
    extreme now_extreme;
    int64_t nsegments, filled, nblocks;
} mark;

/* Outputs of one vector; lane i stems from row row0 + (index == NULL ? i : index[i]). */
typedef struct lanes {
    const pf_vec *outputs;
    const uint16_t *index;
    int64_t row0;
} lanes;

typedef struct failure {
    uint8_t op, stage, barrier;
    uint16_t place;
} failure;

PF_MUST_CHECK pf_status slot_init(slot *s, const pf_run *run);
void slot_clear(slot *s, const pf_run *run);     /* frees its memory */
void slot_trim(slot *s, const pf_run *run);      /* frees what is big */
PF_MUST_CHECK pf_status slot_begin(slot *s, const pf_run *run, int64_t row_begin, int64_t row_end);
void slot_finish(slot *s, const pf_run *run, int64_t row_end);
PF_MUST_CHECK pf_status slot_append(slot *s, const pf_run *run, const lanes *in, int32_t from, int32_t to);
PF_MUST_CHECK pf_status slot_cut(slot *s, const pf_run *run, int64_t row_end, int end, const failure *why);
void slot_mark(const slot *s, const pf_run *run, mark *out);
void slot_return(slot *s, const pf_run *run, const mark *to);

/* ---- crews: what one thread needs to compute; morsel.c ---- */

typedef struct expansion expansion; /* expand.c */

struct crew {
    _Alignas(PF_CACHE_LINE) pf_frame *frames[PF_MAX_STAGES];
    uint8_t **kind_memory[PF_MAX_STAGES];
    expansion *expansion; /* more than one stage */
    mark start;           /* of the vector at hand */
    /* where the plan counts: the counters now and at that start, and what compute_counted is about */
    int64_t counts[PF_MAX_COUNTERS], counts_start[PF_MAX_COUNTERS];
    int32_t part;
    bool torn;
    segment cut;
    bool ready;           /* frames exist and are set up for this run */
    bool used;
    int64_t deadline;     /* when to pause, 0: when told to */
    int64_t compute_ns, morsels, inner_rows;
};

PF_MUST_CHECK pf_status crew_prepare(crew *c, const pf_run *run);
void crew_clear(crew *c, const pf_run *run);
crew *crew_take(pf_run *run, bool caller);       /* NULL: none is free */
crew *crew_take_ready(pf_run *run, bool caller); /* prepared too; NULL: none is free, or no memory */
void crew_give(pf_run *run, const crew *c);
/* Computes slot `number`, which was claimed, and gives the crew back; unless it pauses: then the slot holds the crew, and the
 * answer is false. */
bool morsel_compute(pf_run *run, crew *c, slot *s, int64_t row_begin, int64_t row_end, bool timed);
slot *morsel_resume(pf_run *run, int64_t deadline); /* goes on with some paused slot; NULL: there is none */
void morsel_forget(pf_run *run);                 /* gives the crews of all paused slots back */
void morsel_rows_of(const pf_run *run, int64_t number, int64_t *begin, int64_t *end);
void morsel_help(void *run);                     /* pf_job.work */

PF_MUST_CHECK pf_status expansion_new(expansion **out);
void expansion_reset(expansion *x);
PF_MUST_CHECK pf_status expand_vector(pf_run *run, crew *c, slot *s, int64_t row0, int32_t n, bool *paused);

/* ---- the run ---- */

struct pf_run {
    const pf_plan *plan;
    pf_hooks hooks;
    /* from the config, or derived from the plan; constant while the run lives */
    int threads;
    bool eager;        /* min_rows 1: workers and tiny morsels whatever the input */
    int64_t window_ns;
    bool want_rows;    /* slots note the row of each output */
    uint32_t ncounters;
    int flavour;
    pf_str_view_fn str_view;
    pf_scalar *params; /* copies */
    uint64_t *strings;
    uint32_t nparams, nstrings;
    const pf_fn *last; /* the last stage's function: its outputs go to the sink */
    uint32_t noutputs;
    bool has_columns;  /* the sink takes columns */
    bool is_extreme;   /* MIN, MAX */
    uint32_t nkeys;    /* of those */
    bool may_pause;    /* a row may take long, and nothing it reads can go away meanwhile: nested ranges */
    const pf_run_kernel_table *kernels;

    /* caller only */
    int64_t rows;
    int64_t frontier;
    int64_t next_row;  /* first row in no slot, while no phase is open */
    int64_t head;
    int64_t probe;     /* size of the next probe; 0: done probing */
    int64_t doubts;    /* FSUM: so many slots more are to have all values, as some had to be computed again: */
    int64_t redone;    /* so many */
    bool handed_out;   /* nothing was computed since the last failed row */
    double ns_per_row; /* 0: not known */
    pf_column_out *out;/* for pieces */
    int64_t rows_native, rows_failed, ticks;

    /* Counting: there is one slot then and one crew. Where the counters stand at the slot's first row, and behind its last good
     * one: row `counted_to`, INT64_MAX while the slot is being computed. */
    int64_t counts_begin[PF_MAX_COUNTERS], counts_end[PF_MAX_COUNTERS];
    int64_t counted_to;

    /* A phase is a time when workers may claim. Set before the job is offered, constant until it is withdrawn. */
    bool phase;
    bool phase_left;   /* slots of the last phase are in the ring */
    int64_t phase_row, phase_index, phase_end_row, phase_size;

    /* shared with workers */
    pf_job job;
    pf_claims claims;
    pf_eventcount done;        /* a slot was finished */
    _Atomic bool cancelled;    /* for good */
    _Atomic bool recalled;     /* the caller is wanted elsewhere: whoever computes leaves at the next vector */
    int64_t ask_at;            /* when the caller looks for that again */
    _Atomic bool pause;        /* the window ends: long rows are left for the next one */
    _Atomic bool saturated;    /* a slot ends the stream or has an error: later slots would be in vain */
    _Atomic int guess;         /* FSUM */
    _Atomic bool steady;       /* FSUM: blocks will most likely be applied, and their values not be asked for */
    _Atomic uint64_t free_crews;
    slot *slots;
    int64_t nslots;            /* 1 until the first phase */
    crew *crews;
    int ncrews;
};

static inline slot *slot_of(const pf_run *run, int64_t number)
{
    return &run->slots[number % run->nslots];
}

/* ---- merge.c ---- */

enum { MERGE_EMPTY = -1, MERGE_WAIT = -2, MERGE_DONE = -3 }; /* else a pf_event */

int merge_head(pf_run *run, pf_event_info *info); /* merges the head slot, up to an event */
void phase_close(pf_run *run);                    /* run.c: afterwards no worker is inside */
void claims_extend(pf_run *run);                  /* run.c: after head moved */
void run_ask(
    pf_run *run); /* run.c: the caller, where it may be in for a long row: is it recalled? Not oftener than sense */

/* Whoever computes gives up, with PF_CANCELLED. */
static inline bool run_is_left(const pf_run *run)
{
    /* relaxed, both: the flags carry nothing but themselves */
    return atomic_load_explicit(&run->cancelled, memory_order_relaxed) ||
           atomic_load_explicit(&run->recalled, memory_order_relaxed);
}

/* ---- idle.c ---- */

pf_run *idle_take(const pf_plan *plan); /* NULL: none */
void idle_put(pf_run *run);             /* takes ownership */
void idle_forget(const pf_plan *plan);  /* frees those of a plan that dies */
void idle_after_fork(void);
void run_destroy(pf_run *run);          /* run.c */

#endif

/* Inside of the feeder.
 *
 *   feed.c        the feeder object, what can be fed, attach and detach
 *   feed_pull.c   pulls, and what others see in between
 *   feed_place.c  where everything stands after so many rows
 *   feed_sides.c  the same, below sides
 *
 * A feeder does not stand in front of a single leaf but of the largest *structural* subtree: leaves, and zip,
 * enumerate, islice and chain over nothing but such. These compute nothing, so a row of them can be built without them,
 * and where they stand is a function of how many items they have given. So `for i, (a, b) in enumerate(zip(xs, ys))`
 * has one feeder, in the generator's frame, and the zip is not touched until the rows are settled. */
#ifndef PF_FEED_INTERNAL_H
#define PF_FEED_INTERNAL_H

#include "../core/ir/ir.h"
#include "feed.h"

typedef struct feeder {
    PyObject_HEAD
    pf_feed *feed;  /* NULL: detached, but somebody still holds it */
    PyObject *real; /* detached: what it forwards to; owned */
    int slot;
} feeder;

/* A place in the chain where a feeder stands. */
typedef struct feed_slot {
    feeder *feeder;  /* owned */
    int node;        /* the structural subtree it stands for */
    int parent;      /* the node that holds it, -1: the consumer does */
    int child;       /* number of the child there */
    int64_t row;     /* rows before this one have been taken from it */
    bool lags;       /* it is in a subtree that is behind by a row while others are asked (catch_up in feed_pull.c) */
    int generator;   /* the node of the innermost generator that it is pulled in, -1: none */
} feed_slot;

/* Where an itertools.chain stands in what gives it its segments. To be compared, never followed. */
typedef struct feed_source {
    const void *active;
    Py_ssize_t index;
} feed_source;

struct pf_feed {
    pf_feed_ops ops;
    PyThreadState *thread;
    const void *frame;          /* the Python frame that the consumer was called from */
    const void *catching_up;    /* the one that laggards are pulled from meanwhile, or NULL */
    int8_t above[PF_MAX_NODES]; /* of a generator: that which it is pulled in, -1: none */
    bool busy;        /* inside next_row: whoever pulls now is not the chain in its turn */
    bool transparent; /* everything is settled; pulls are forwarded */
    bool restored;    /* transparent, and the real iterators are back in their holders */
    bool suspended;
    bool revealed;    /* the chain has been handed a row, and leaves stand behind it for all to see */
    bool skipped;     /* some row was computed natively: CPython's own counters have been left behind */
    bool closed;      /* no further block is wanted: every feeder is at its end */
    bool dry;         /* the first one is */
    PyObject *ahead;  /* owned, NULL: none yet: a list of what was taken for the block from what it stands for */
    Py_ssize_t given; /* items of it */
    bool foreign;     /* another thread has pulled a feeder and may still be inside of that pull */
    int segment; /* the innermost chain that has segments to come, if a pull of the root is sure to reach it first, else
                    -1 */
    int64_t leapt[PF_MAX_SIDES]; /* before this row it stands where its item comes from, not behind the one before; -1:
                                    for none */
    bool bare;                   /* some segment runs no Python code below its chain, see find_segment in feed.c */
    int64_t row;      /* the row being handed over, -1: none */
    int64_t seen;     /* the last row that CPython has computed, -1: none */
    bool asked;       /* the engine's next answer is here already: */
    pf_feed_answer answer;
    int64_t answer_row;
    PyObject *error[3]; /* its exception, owned: type NULL: none */
    int steps[PF_MAX_NODES], nsteps; /* enumerate and islice over computed values */
    int nslices;      /* islices among them */
    int64_t counts[PF_MAX_COUNTERS];
    int laggards[PF_MAX_NODES], nlaggards; /* see catch_up in feed_pull.c */
    int nslots, nborn;
    feed_slot slots[PF_MAX_LEAVES];
    PyObject *root;   /* owned */
    PyObject *born[PF_MAX_LEAVES]; /* owned: iterators of segments that CPython had not made yet */
    int64_t taken[PF_MAX_LEAVES];  /* while suspended or revealed: where each leaf was left */
    feed_source sources[PF_MAX_NODES]; /* and each itertools.chain */
    pf_feed *next_free;
    pf_chain chain;   /* a copy; only its used part is filled */
};

/* ---- feed_pull.c ---- */

PyObject *feed_next(PyObject *feeder); /* tp_iternext */
/* The Python frame that this thread is in. */
const void *feed_frame_of(const PyThreadState *thread);
PyObject *feed_real_of(const pf_feed *feed, const feed_slot *slot); /* what the feeder stands for; borrowed */
/* Puts `now` where `was` stands; 0: it does not stand there. Both are held by the feed too. */
int feed_swap_holder(const pf_feed *feed, const feed_slot *slot, PyObject *was, PyObject *now);
void feed_put_real(const pf_feed *feed); /* back into all holders */
/* Every iterator as it stands when the rows that were taken from its feeder are done. */
void feed_settle_slots(pf_feed *feed);
/* The chain has ended in the middle of a block: its rest has been taken all the same. feed->error: what that raised. */
void feed_take_rest(pf_feed *feed);
void feed_note_positions(pf_feed *feed); /* for others to move: feed->taken and sources */

/* ---- feed_sides.c ---- */

/* The outermost side that a node belongs to, or NULL. */
const pf_feed_side *feed_side_of(const pf_feed *feed, int node);
/* Its sides stand where their items for `row` come from: it will be pulled for that. */
void feed_take_up(pf_feed *feed, int node, int64_t row);
/* How many items of the leaves below a node have been taken once all rows before `row` are done. */
int64_t feed_position(const pf_feed *feed, int node, int64_t row);
/* Which item of the leaves below a node a row comes from; -1: it is not known. */
int64_t feed_source_of(const pf_feed *feed, int node, int64_t row);
/* CPython goes on with `row`, and its next pull is one of the first feeder: sides are taken up where their items for it
 * come from. What lies before that is known to give nothing. */
void feed_leap(pf_feed *feed, int64_t row);

/* ---- feed_place.c ---- */

/* Will the next pull of the root, the chain being settled, come to this node, which is the first child of the first
 * child...? */
bool feed_root_reaches(const pf_feed *feed, int node);
/* out[n]: is node n structural? */
void feed_structural(const pf_chain *chain, bool out[PF_MAX_NODES]);
/* How many items a node has given once all rows before `row` are done. */
int64_t feed_ordinal(const pf_chain *chain, int node, int64_t row);
/* The same of what a feeder stands for, which may be in a side. */
int64_t feed_ordinal_at(const pf_feed *feed, const feed_slot *slot, int64_t row);
/* The row whose item is a node's item number k. */
int64_t feed_row_of(const pf_chain *chain, int node, int64_t k);
/* Item number k of a structural node; new reference. NULL: an error, or without one: there is no such item now. */
PyObject *feed_item(const pf_chain *chain, int node, int64_t k);
/* Sets a structural subtree as it stands after exactly k items. */
void feed_settle(pf_chain *chain, int node, int64_t k);
/* feed->sources as they are; whether they still are so, and the segments to come are those that were read: they may be in somebody's
 * list. */
void feed_note_sources(pf_feed *feed);
bool feed_sources_hold(const pf_feed *feed);
/* Chains as they are within the segments that were read, which CPython begins when it pulls them first; and as they
 * were, where nothing has been taken from a segment. */
void feed_begin_segments(pf_feed *feed);
void feed_unbegin_segments(pf_feed *feed);
/* Sets the counters of enumerate and islice over computed values as they stand when all rows before `row` are done. */
void feed_place_steps(const pf_feed *feed, int64_t row);
/* feed->counts, from the steps themselves; all rows before `row` are done. Those of a structural subtree are told by the row. */
void feed_read_counts(pf_feed *feed, int64_t row);
/* Asked for its next row, do the other feeders, and the steps that are told by the row, stand where it says? Not when a row that
 * failed was dropped by CPython, in a step of which the program knows that it drops none of the rows that it can compute. */
bool feed_in_step(const pf_feed *feed);
void feed_count_structural(pf_feed *feed, int64_t row);
/* What an islice takes, counted as its cnt: up to here. INT64_MAX: without end. */
int64_t feed_islice_end(const pf_node *node);
/* Do the pulls in progress stand where the chain would be pulled for any next row? */
bool feed_in_place(const pf_feed *feed);
/* Will some islice end at its next pull, before it pulls anything? */
bool feed_at_end(const pf_feed *feed);
/* Settled: has everything below feed->segment been taken, and will the next pull of the root come to it? */
bool feed_segment_is_used_up(const pf_feed *feed);

#endif

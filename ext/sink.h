/* Sinks of the binding: what a consumer does with results, native pieces and Python objects alike, in row order.
 *
 * A sink has CPython's own state machine (sum's int, float and generic phases; min's first smallest) and is fed from two sides:
 * pieces that the core computed, and objects that the real chain gave. All functions need the GIL and run on the
 * consumer's thread. */
#ifndef PF_SINK_H
#define PF_SINK_H

#include "../core/run/fsum.h"
#include "accum.h"
#include "plan.h"

typedef struct pf_sink pf_sink;

enum { PF_SINK_REDO = -2, PF_SINK_HAND = -3, PF_SINK_MORE = 2, PF_FOLD_BLOCK = 4096 };

typedef struct pf_sink_type {
    /* A run by another plan is to begin, whose rows are numbered anew. What the plan has to know of what the sink has:
     * pf_request.flavour. */
    int (*begin)(pf_sink *sink);
    /* Native results; 0, -1 with an exception, or PF_SINK_REDO: everything before row sink->row was taken, the rest of the
     * piece was not, and that row is to be given again as an object (an exception may be set; it will be raised anew). Or
     * PF_SINK_HAND: nothing of it was taken, and rows are to be given as objects until the sink is no longer hungry. */
    int (*piece)(pf_sink *sink, const pf_piece *piece);
    /* One object, borrowed: 0 go on, 1 the consumer is done, -1 with an exception. */
    int (*object)(pf_sink *sink, PyObject *item);
    /* At most so many objects that an iterator gives, as fast as the builtin takes them; NULL: they are given to
     * `object`. Notes in `foreign` what is. 0: there was no item (the iterator may have set an exception); 1: the
     * consumer is done; PF_SINK_MORE: it was so many; -1 with an exception. */
    int (*drain)(pf_sink *sink, PyObject *iterator, int64_t most);
    /* object may run any code: native results come to it as objects, between windows (later.h). Exact sums go to piece all the same. */
    bool calls;
    int64_t block; /* > 0: object is called when all source rows of a block of so many are there (docs/fold.md) */
    bool stores; /* object runs no code of the item's type */
    bool searches; /* it may be done after a few objects, whatever follows */
    /* PF_SINK_FSUM: pf_hooks.takes_blocks, or NULL. */
    bool (*takes_blocks)(const pf_sink *sink, const pf_fblocks *blocks);
} pf_sink_type;

struct pf_sink {
    const pf_sink_type *type;
    const pf_pyplan *plan; /* set before the first piece */
    pf_run *run;           /* NULL unless a native run is going on */
    int64_t row;           /* source row that the next object comes from */
    bool hungry;           /* no piece can be taken before an object has come */
    bool wary;             /* rows are still to be computed natively: */
    bool foreign; /* not after this: object was given something whose type may run any code, also the next time */
    bool lets_stop_out;    /* a StopIteration that was raised goes on as it is; else it is the end */
    PyObject *old;         /* owned: replaced in this window, to be let go after it, since that may run code */
};

/* ---- boxing ---- */

/* The object of output row i of a piece, as the plan's shape says. New reference, or NULL with an exception. */
PyObject *pf_box_output(const pf_pyplan *plan, const pf_column_out *columns, int64_t i);
/* The same where the shape is flat: no tuple, or one whose items are none, nor objects that stand elsewhere in the row.
 */
bool pf_shape_is_flat(const pf_pyplan *plan);
PyObject *pf_box_flat(const pf_pyplan *plan, const pf_column_out *columns, int64_t i);
/* The same, where nodes of the shape may be `outer`: of one source row they are one object. All zeros to begin with. */
typedef struct pf_outer {
    int64_t row;
    PyObject *object[PF_MAX_SHAPE]; /* owned */
} pf_outer;
PyObject *pf_box_output_of(const pf_pyplan *plan, const pf_column_out *columns, int64_t i, int64_t row, pf_outer *outer);
void pf_outer_clear(pf_outer *outer);
/* The same from scalars, one per output. */
PyObject *pf_box_scalars(const pf_pyplan *plan, const pf_scalar *outputs);
PyObject *pf_box_i128(__int128 v); /* new reference or NULL */
/* A scalar as a Python object; kind obj with handle 0 is an error of ours. New reference or NULL. */
PyObject *pf_box_scalar(const pf_scalar *scalar);
PyObject *pf_box_isum(const pf_piece *piece); /* PF_SINK_ISUM: the sum */
pf_scalar pf_column_scalar(const pf_column_out *column, int64_t i);

/* ---- sum ---- */

typedef struct pf_sum_sink {
    pf_sink base;
    enum { PF_SUM_INT, PF_SUM_FLOAT, PF_SUM_GENERIC } phase;
    __int128 total;   /* INT */
    pf_fsum floats;   /* FLOAT */
    PyObject *result; /* GENERIC; owned */
} pf_sum_sink;

void pf_sum_init(pf_sum_sink *sink, PyObject *start); /* start NULL: 0. Keeps a reference where it needs one. */
PyObject *pf_sum_result(pf_sum_sink *sink);           /* new reference or NULL; the sink is empty afterwards */
void pf_sum_clear(pf_sum_sink *sink);

/* ---- min, max ---- */

typedef struct pf_extreme_sink {
    pf_sink base;
    int op;            /* Py_LT or Py_GT: a new key replaces the best one when `new op best` */
    PyObject *keyfunc; /* borrowed, NULL: the item itself */
    PyObject *item, *key; /* owned; key is NULL while `scalar` holds it */
    pf_scalar scalar;
    bool boxed; /* the key is a native result, and equal to what keyfunc gives for the item */
} pf_extreme_sink;

void pf_extreme_init(pf_extreme_sink *sink, int op, PyObject *keyfunc);
void pf_extreme_clear(pf_extreme_sink *sink);

/* ---- list, tuple ---- */

typedef struct pf_list_sink {
    pf_sink base;
    PyListObject *list; /* owned, not tracked by the collector until it is complete */
    pf_outer outer;
} pf_list_sink;

int pf_list_init(pf_list_sink *sink);             /* -1 with an exception */
PyObject *pf_list_result(pf_list_sink *sink);     /* the list, tracked */
PyObject *pf_list_as_tuple(pf_list_sink *sink);   /* a tuple of its items */
void pf_list_clear(pf_list_sink *sink);

/* ---- reduce, fold ---- */

typedef struct pf_reduce_sink {
    pf_sink base;
    PyObject *function; /* borrowed */
    pf_accum acc;
} pf_reduce_sink;

void pf_reduce_init(pf_reduce_sink *sink, PyObject *function, PyObject *initial);
PyObject *pf_reduce_result(pf_reduce_sink *sink); /* new reference; NULL without an exception: nothing to reduce */
void pf_reduce_clear(pf_reduce_sink *sink);

typedef struct pf_fold_sink {
    pf_sink base;
    PyObject *function, *identity, *combine; /* borrowed; identity and combine may be NULL */
    pf_accum block;    /* the block being folded */
    PyObject *results; /* owned: a list of what the blocks before came to, NULL: none */
    int64_t number;    /* of the block being folded */
} pf_fold_sink;

void pf_fold_init(pf_fold_sink *sink, PyObject *function, PyObject *identity, PyObject *combine);
PyObject *pf_fold_result(pf_fold_sink *sink); /* NULL without an exception: nothing to fold */
void pf_fold_clear(pf_fold_sink *sink);

/* ---- any, all, next: they only look at objects ---- */

typedef struct pf_first_sink {
    pf_sink base;
    int wanted;     /* 1: the first true item ends it (any), 0: the first false one (all), -1: the first one (next) */
    PyObject *item; /* owned: what ended it */
} pf_first_sink;

void pf_first_init(pf_first_sink *sink, int wanted);

#endif

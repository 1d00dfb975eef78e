/* A lazy chain, read without running it.
 *
 * pf_chain_read walks from the outermost iterator down to the leaves through C structs only: no attribute is looked up,
 * no user code runs, no audit event is raised. What it cannot read makes the whole chain fall back, with a reason.
 *
 * A chain has one driving row counter: every leaf advances one item per source row (zip and map with several iterables
 * pull their leaves in step), or as many as an islice over it takes for one that it gives. itertools.chain over leaves,
 * and over other such chains, strings segments one after another. Of a chain whose segments are steps of their own,
 * only what comes next is read: all leaves up to the first such segment, or that one alone. What is behind it
 * (pf_node.more) is read when its turn comes. Struct offsets are self-tested once at import (pf_chain_selftest); a type
 * that fails reads as `untested-type`. */
#ifndef PF_CHAIN_H
#define PF_CHAIN_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum pf_node_kind {
    PF_NODE_LEAF,
    PF_NODE_GENEXPR, /* a generator made by a generator expression, not started or suspended at its yield, one live
                        `for` iterator */
    PF_NODE_MAP,
    PF_NODE_FILTER, /* func NULL: filter(None, ...) */
    PF_NODE_ZIP,
    PF_NODE_ENUMERATE,
    PF_NODE_ISLICE,
    PF_NODE_TAKEWHILE,
    PF_NODE_CHAIN,   /* children are leaves, segments, or other chains of such, which may have none left */
    PF_NODE_SEGMENT, /* a chain in its next segment, the only child: steps, or another chain with such */
    PF_NODE_STARMAP,
    PF_NODE_FLATTEN /* a chain that has begun no segment and is no CHAIN: its child gives the iterables, each of them a
                       row */
} pf_node_kind;

typedef enum pf_leaf_kind {
    PF_LEAF_RANGE,      /* start, step; 64-bit range_iterator only */
    PF_LEAF_LIST,       /* list_iterator */
    PF_LEAF_LIST_REV,   /* list_reverseiterator */
    PF_LEAF_TUPLE,
    PF_LEAF_SEQ_REV,    /* reversed object over a tuple (reversed of a range is a range_iterator) */
    PF_LEAF_ARRAY,      /* array.arrayiterator; from here on with step -1: reversed object over exactly that */
    PF_LEAF_BYTES,
    PF_LEAF_BYTEARRAY,
    PF_LEAF_MEMORYVIEW  /* memory_iterator, native one-letter formats this version iterates, 1-D */
} pf_leaf_kind;

typedef struct pf_leaf {
    pf_leaf_kind kind;
    PyObject *iterator;  /* the real iterator; borrowed, kept alive by the feeder once attached. NULL: a segment of a chain
                          * that CPython has not called iter() on yet */
    PyObject *container; /* list, tuple, array, bytes, bytearray, memoryview; NULL for range; borrowed; NULL when exhausted too.
                          * Where iterator is NULL: the iterable itself, range objects included */
    int64_t first;       /* index in the container of the next item when the chain was read */
    int64_t step;        /* +1, or -1 for reversed; range: its step */
    int64_t start;       /* range: value of the next item */
    int64_t length;      /* items left */
    char format;         /* array, memoryview: the element's struct letter */
} pf_leaf;

enum { PF_MAX_NODES = 24, PF_MAX_LEAVES = 12, PF_MAX_CHILDREN = 8, PF_MAX_SIDES = 6 };

typedef struct pf_node {
    pf_node_kind kind;
    PyObject *object;        /* the iterator object; borrowed. A segment not begun: the iterable */
    PyObject
        *func; /* borrowed; map, filter, takewhile, starmap; GENEXPR: the generator's code object; CHAIN, SEGMENT: the
                * iterator that gives the iterables, or NULL when it has ended, as only a nested chain's may have */
    int nchildren, children[PF_MAX_CHILDREN]; /* indices of nodes; a child always has a larger index than its parent */
    int leaf;                /* PF_NODE_LEAF: index into leaves, else -1 */
    bool started;            /* GENEXPR: suspended at a yield. CHAIN, SEGMENT: the first child has been begun */
    bool in_row;             /* GENEXPR: and inner `for`s have items left, which come before the next row's */
    bool strict;             /* ZIP */
    bool nested;             /* CHAIN: a segment of another */
    bool more; /* CHAIN, SEGMENT: segments follow that have not been read. Known even where the first could not be read
                */
    int64_t count; /* ENUMERATE: next index. ISLICE: items taken so far (cnt). CHAIN, SEGMENT: where func, its source,
                      stands */
    int64_t next, stop, islice_step; /* ISLICE; stop -1: none */
    bool side; /* a child that drops rows, of a step that pulls several (sides.h): rows are counted in what it gives */
    bool view;               /* ISLICE over a leaf, or over another such: rows are counted in the items it gives (pf_leaf_view) */
    int counter;             /* ENUMERATE, ISLICE: the plan's counter for it, -1: none, it is told by the row (plan.h) */
} pf_node;

typedef struct pf_chain {
    pf_node nodes[PF_MAX_NODES]; /* nodes[0] is the outermost */
    int nnodes;
    pf_leaf leaves[PF_MAX_LEAVES];
    int nleaves;
    bool in_row;        /* some node is: only CPython knows how to get to the next row */
    bool expands;       /* a row may give several items, as far as is known (nested `for`s; see pf_plan_mark) */
    int reason;         /* reasons.def, when pf_chain_read returned 0 */
    PyObject *where;    /* the object that could not be read; borrowed */
} pf_chain;

/* 1: read; 0: falls back, see reason; -1: Python error set. iterator is any object whose type is an iterator;
 * containers are turned into iterators by the caller first. Needs the GIL. */
int pf_chain_read(PyObject *iterator, pf_chain *out);

/* A node and all below it have the numbers [node, end), and their leaves follow one another too. */
int pf_chain_end(const pf_chain *chain, int node);
/* The segments of a chain, nested ones' included: how many. They are leaves that follow one another, from *first on. */
int pf_chain_segments(const pf_chain *chain, int node, int *first);
/* A generator in the middle of a row has items for the steps above it before the next row begins. Are these steps that
 * neither count rows nor pull several iterators, so that they cannot get out of step with it, and is there no step that
 * has to know of its rows ahead? */
bool pf_chain_may_stop_in_row(const pf_chain *chain, int generator);
/* Is there a step that makes a row for each iterable of an itertools.chain, no matter how many items it has? */
bool pf_chain_flattens(const pf_chain *chain);
/* Are there segments that have not been read? */
bool pf_chain_goes_on(const pf_chain *chain);
/* An itertools.chain that is no FLATTEN: what gives it its iterables is its func. */
static inline bool pf_node_has_source(const pf_node *node)
{
    return node->kind == PF_NODE_CHAIN || node->kind == PF_NODE_SEGMENT;
}
/* An islice that does not take every item from the next one on. */
static inline bool pf_node_skips(const pf_node *node)
{
    return node->kind == PF_NODE_ISLICE && !node->view && (node->next != node->count || node->islice_step != 1);
}
/* Is there a step, the node or below it, that does more than pass items on and put them together? */
bool pf_chain_computes(const pf_chain *chain, int node);
/* Does a pull of this node enter a Python frame, below it or its own? */
bool pf_chain_runs_python(const pf_chain *chain, int node);
/* Do some such chain's first few iterables have `least` items or more between them? They are few rows, but enough. */
bool pf_chain_flattens_many(const pf_chain *chain, int64_t least);

/* A first glance, for small calls, down to the first leaf: it looks at a few words and decides nothing else. Containers are
 * understood too. Needs the GIL. */
typedef struct pf_glance {
    int64_t rows; /* that the first leaf has left; INT64_MAX: not known, or something above it makes many of few (loops.h) */
    bool at_once; /* the next item takes the next row and no other, so that CPython gives it at once. What is pulled this way leaves
                   * a chain that can be read as well as before. Nothing is known of chains with several leaves */
} pf_glance;

pf_glance pf_chain_glance(PyObject *object);

/* start, stop or step (0, 1, 2) of a range: borrowed. NULL where this version's ranges are not read. */
PyObject *pf_range_field(PyObject *range, int field);

/* For a generator-expression node: what its code reads. All borrowed, no audit events. */
PyCodeObject *pf_genexpr_code(PyObject *generator);
PyObject *pf_genexpr_globals(PyObject *generator);
PyObject *pf_genexpr_builtins(PyObject *generator);
/* Value of local number i in the generator's frame (cells come as cell objects; free variables follow the locals); NULL: unbound. */
PyObject *pf_genexpr_local(PyObject *generator, int i);
/* Bytecode offset (in bytes from co_code's start) where a suspended generator goes on; -1: not started. */
int pf_genexpr_lasti(PyObject *generator);

/* Sets a real leaf iterator so that it has given `taken` items more than when it was read (0 <= taken <= length). */
int pf_leaf_seek(const pf_leaf *leaf, int64_t taken); /* 0; -1 without an exception: out of range, or no iterator yet */
/* Sets it as it stands once a pull has found nothing more. */
void pf_leaf_end(const pf_leaf *leaf);
/* The leaf whose items are those that an islice over `leaf` gives. */
pf_leaf pf_leaf_view(const pf_leaf *leaf, const pf_node *islice);
/* Its container had fewer items when it was read. */
bool pf_leaf_has_grown(const pf_leaf *leaf);
/* How many items it has given since it was read, as it stands now; -1: it was latched at its end meanwhile. */
int64_t pf_leaf_taken(const pf_leaf *leaf);
/* The object a leaf gives at row `row` (counted from when it was read); new reference; NULL with error, or without one: no such item. */
PyObject *pf_leaf_item(const pf_leaf *leaf, int64_t row);

/* Fills the table of types and runs the self-test: once, at module exec. 0, or -1 with an error set. Before it, every
 * type reads as untested. */
int pf_chain_init(void);
/* Checks every struct offset against the running interpreter. Returns a new dict {type name: "ok" or what was wrong}. */
PyObject *pf_chain_selftest(void);

#endif

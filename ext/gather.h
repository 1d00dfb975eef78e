/* Reading source items into columns, and learning from a few of them what they are.
 *
 * pf_gather may run on any thread while the GIL is held by the caller of the run: it touches no reference count, calls no
 * function of the interpreter that needs a thread state, and copies every value it reads exactly once. Plans whose
 * paths need more (dict keys, instance dictionaries) are marked caller_only and run on the caller's thread alone. */
#ifndef PF_GATHER_H
#define PF_GATHER_H

#include "plan.h"

typedef struct pf_sample {
    pf_kinds kinds;     /* never 0: an empty source samples as obj */
    PyTypeObject *type; /* borrowed: the type of all objects that are no scalars, NULL when there is none */
    bool mixed;         /* there are several such types */
    int size;           /* length of all sampled tuples and lists, or -1 */
} pf_sample;

/* Items that decide what a plan is made for; and those of them that tell whether it still fits. */
enum { PF_SAMPLE = 48, PF_GLANCE = 3 };

/* Looks at up to `most` items of a leaf, spread over it, and at fewer of each list that is looped over. The
 * watch of `access` is one of `watches`. Needs the GIL. */
void pf_sample_at(const pf_access *access, const pf_watch *watches, const pf_watch_roots *roots, int most,
                  pf_sample *out);

/* The items of an exact list or tuple; false: it is neither, and may have no size. */
static inline bool pf_items_of(PyObject *container, PyObject *const **items, Py_ssize_t *n)
{
    if (PyList_CheckExact(container)) {
        *items = ((PyListObject *)container)->ob_item; /* NULL where there are none */
    } else if (PyTuple_CheckExact(container)) {
        *items = ((PyTupleObject *)container)->ob_item;
    } else {
        return false;
    }
    *n = Py_SIZE(container);
    return true;
}

/* Walks a path from one item: borrowed, or NULL where it cannot be walked. *owned (NULL at first) receives a reference that
 * the caller releases, for paths through instance dictionaries. Needs the GIL for those and for dict keys. */
PyObject *pf_path_walk(PyObject *object, const pf_path_step *path, int npath, PyObject **owned);

/* Whether items of this leaf are objects with an identity (list, tuple): in no segment, some, or all. */
typedef enum { PF_OBJECTS_NONE, PF_OBJECTS_SOME, PF_OBJECTS_ALL } pf_objects;
pf_objects pf_leaf_objects(const pf_chain *chain, const pf_leaf *leaf);
/* tuple, or a namedtuple class whose indexing and iteration are tuple's own. */
bool pf_type_is_tuple(PyTypeObject *type);
/* The same, or list: PF_PATH_INDEX leads into it. */
static inline bool pf_type_has_items(PyTypeObject *type)
{
    return type == &PyList_Type || pf_type_is_tuple(type);
}
/* A step through objects of this very type, as it is now: plans notice when a class changes. False: that could not be noticed. */
bool pf_step_through(pf_path_step *step, PyTypeObject *type);
/* How attribute `name` of an instance of `type` is read without running code. False: not that way. step is zeroed before. */
bool pf_attribute_step(PyTypeObject *type, PyObject *name, pf_path_step *step);

/* What a running plan gathers from. Segments of an itertools.chain share one row numbering. */
typedef struct pf_gather_leaf {
    pf_leaf leaf;
    const char *data;  /* the item of its first row; read again by pf_gather_open */
    Py_ssize_t stride; /* bytes between rows; negative for reversed */
    int64_t begin;     /* row number of its first item: segments follow one another */
    int next_segment;  /* index of the leaf that follows, or -1 */
} pf_gather_leaf;

typedef struct pf_gather {
    const pf_pyplan *plan;
    pf_gather_leaf leaves[PF_MAX_LEAVES];
    int nleaves;
} pf_gather;

/* rows: how many rows all leaves have in common; islices aside, see pf_feed_limit. */
void pf_gather_init(pf_gather *gather, const pf_pyplan *plan, const pf_chain *chain, int64_t *rows);
/* Reads the pointers to the sources' memory, which stay true until other Python code may run. False: a source no longer
 * has the rows it had (a list shrunk, a view was released). No exception is left; no buffer export is kept. Needs the GIL. */
bool pf_gather_open(pf_gather *gather);

/* pf_hooks.gather; ctx is a pf_gather that was opened since other code ran last. */
pf_status pf_gather_rows(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory);
/* pf_hooks.expand: what the plan's columns ask for of the items of exact lists and tuples, into the columns of `fn`,
 * one of its stages, that are PF_FROM_INNER. Whatever else stands for a container cannot be iterated. */
void pf_gather_inner(const pf_pyplan *plan, const pf_fn *fn, const pf_inner *inner, pf_vec *columns,
                     uint8_t *const *kind_memory, int32_t *taken);
/* The object that a handle column holds for a row, borrowed, or NULL where the leaf has none. GIL. */
PyObject *pf_gather_item(const pf_gather *gather, int leaf, int64_t row);

/* Bytes of one element of a struct letter, 0 for letters that are not read natively. */
Py_ssize_t pf_format_size(char format);

/* How str handles are looked at (pf_frame.str_view). */
pf_str_view pf_unicode_view(uint64_t handle);

#endif

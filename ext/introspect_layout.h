/* The structs of CPython that introspection, seeking and the feeder read and write, mirrored by hand.
 *
 * None of them is in a public header. The interpreter's internal headers declare only two of them (the frame, the
 * range iterator), want Py_BUILD_CORE, and describe the version compiled against; all the rest is private to
 * a .c file of CPython anyway. So all are written down here, one variant per version where they differ, and none is
 * trusted: introspect_selftest.c holds each against the running interpreter at import, and a type that does not
 * behave as its mirror says is never read again. */
#ifndef PF_INTROSPECT_LAYOUT_H
#define PF_INTROSPECT_LAYOUT_H

#include "chain.h"

/* list_iterator, list_reverseiterator, tuple_iterator, bytes_iterator, bytearray_iterator, and `reversed` */
typedef struct pf_seq_iter {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq; /* NULL: latched at its end */
} pf_seq_iter;

typedef struct pf_array_iter {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *array;
    PyObject *(*getitem)(PyObject *array, Py_ssize_t index);
} pf_array_iter;

typedef struct pf_array_descr {
    char typecode;
} pf_array_descr;

typedef struct pf_array {
    PyObject_VAR_HEAD
    char *items;
    Py_ssize_t allocated;
    const pf_array_descr *descr;
} pf_array;

typedef struct pf_memory_iter {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *view; /* NULL: latched at its end */
    Py_ssize_t length;
    const char *format;
} pf_memory_iter;

typedef struct pf_range_iter {
    PyObject_HEAD
#if PY_VERSION_HEX < 0x030C0000
    long index; /* items given; start and len never change */
#endif
    long start; /* 3.12 on: of the next item */
    long step;
    long len;   /* 3.12 on: items left */
} pf_range_iter;

typedef struct pf_range {
    PyObject_HEAD
    PyObject *start, *stop, *step, *length;
} pf_range;

typedef struct pf_map {
    PyObject_HEAD
    PyObject *iters; /* tuple */
    PyObject *func;
} pf_map;

/* filter, takewhile and starmap begin alike */
typedef struct pf_func_iter {
    PyObject_HEAD
    PyObject *func;
    PyObject *it;
} pf_func_iter;

typedef struct pf_takewhile {
    PyObject_HEAD
    PyObject *func;
    PyObject *it;
    long stop;
} pf_takewhile;

typedef struct pf_zip {
    PyObject_HEAD
    Py_ssize_t size;
    PyObject *iters; /* tuple */
    PyObject *result;
    char strict; /* an int in 3.11, a bool later: the lowest byte is both */
} pf_zip;

typedef struct pf_enumerate {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *it;
    PyObject *result;
    PyObject *long_index; /* not NULL: the index is beyond Py_ssize_t */
} pf_enumerate;

typedef struct pf_islice {
    PyObject_HEAD
    PyObject *it; /* NULL: ended */
    Py_ssize_t next, stop, step, cnt;
} pf_islice;

typedef struct pf_chain_iter {
    PyObject_HEAD
    PyObject *source; /* NULL: ended */
    PyObject *active; /* NULL: the next iterable is to be taken */
} pf_chain_iter;

typedef struct pf_old_seq_iter { /* `iterator`: what iter() makes of anything with only __getitem__ */
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq;
} pf_old_seq_iter;

/* The types, in the order they are told apart: what is frequent first. */
typedef enum pf_type_id {
    PF_T_GENERATOR,
    PF_T_LIST_ITER,
    PF_T_RANGE_ITER,
    PF_T_MAP,
    PF_T_FILTER,
    PF_T_ZIP,
    PF_T_TUPLE_ITER,
    PF_T_ENUMERATE,
    PF_T_ARRAY_ITER,
    PF_T_MEMORY_ITER,
    PF_T_BYTES_ITER,
    PF_T_BYTEARRAY_ITER,
    PF_T_LIST_REV_ITER,
    PF_T_REVERSED,
    PF_T_ISLICE,
    PF_T_TAKEWHILE,
    PF_T_CHAIN,
    PF_T_STARMAP,
    PF_T_COUNT
} pf_type_id;

/* types[i] is NULL where the type could not be had. ok[i]: its mirror passed the self-test. Written once, at import. */
typedef struct pf_type_table {
    PyTypeObject *types[PF_T_COUNT];
    bool ok[PF_T_COUNT];
    bool range_ok, array_ok; /* pf_range, pf_array */
    PyTypeObject *array;     /* array.array, if array_ok */
    bool filled;
} pf_type_table;

extern pf_type_table pf_types;

/* Number of the exact type of an object, or PF_T_COUNT. */
static inline pf_type_id pf_type_of(PyObject *object) {
    PyTypeObject *type = Py_TYPE(object);
    for (int i = 0; i < PF_T_COUNT; i++) {
        if (pf_types.types[i] == type) {
            return (pf_type_id)i;
        }
    }
    return PF_T_COUNT;
}

/* ---- introspect_gen.c: generators and their frames ---- */

typedef enum pf_gen_state {
    PF_GEN_CREATED,
    PF_GEN_SUSPENDED,
    PF_GEN_RUNNING,
    PF_GEN_FINISHED
} pf_gen_state;

pf_gen_state pf_gen_state_of(PyObject *generator);
/* The Python frame from which the one of a running generator was resumed. Frames are compared, never followed
 * otherwise. */
const void *pf_frame_below(const void *frame);
/* Where a generator expression goes on: at its next row, the first or not, or in the middle of one, for which inner
 * `for`s have items left. */
typedef enum { PF_GEN_AT_START, PF_GEN_AT_ROW, PF_GEN_IN_ROW } pf_gen_place;
/* 0: a generator expression whose outermost iterator can be read: *source (borrowed) and *place are set. Else the
 * reason. */
int pf_gen_source(PyObject *generator, PyObject **source, pf_gen_place *place);
/* Puts `now` where `was` stands in the frame, giving and taking the references: in .0, and on the stack's bottom,
 * where the iterator of the outermost `for` lives. A frame that is gone, or holds something else, is left alone. Returns the
 * number of slots changed. */
int pf_gen_swap(PyObject *generator, PyObject *was, PyObject *now);
/* Whether generators of this code are made by a generator expression, as far as it is one that introspect_gen.c knows. */
bool pf_code_is_genexpr(const PyCodeObject *code);
/* Can this version's generators be read at all? */
bool pf_gen_known(void);

/* ---- leaf.c ---- */

/* Reads a leaf iterator of type id. 0, or a reason. */
int pf_leaf_read(PyObject *iterator, pf_type_id id, pf_leaf *out);
/* Latches a pf_seq_iter at its end. */
void pf_seq_iter_end(PyObject *iterator);
/* Reads an exact builtin container as the leaf that iter() would make of it; iterator stays NULL. 0, or a reason. */
int pf_leaf_read_container(PyObject *container, pf_leaf *out);

#endif

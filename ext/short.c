/* A first glance at a chain: is it too short to be worth reading, is its next item but a row away? (chain.h)
 *
 * Small calls are the most frequent ones, so this walks down the first leaf only, touches a handful of words, and asks for what is
 * frequent first. */
#include "frame.h"
#include "introspect_layout.h"
#include "loops.h"

static inline bool is_of(PyObject *object, pf_type_id id) { return Py_TYPE(object) == pf_types.types[id] && pf_types.ok[id]; }

/* Rows left in a list, tuple or range iterator, INT64_MAX for anything else. */
static inline int64_t rows_left(PyObject *object)
{
    if (is_of(object, PF_T_LIST_ITER) || is_of(object, PF_T_TUPLE_ITER)) {
        const pf_seq_iter *it = (pf_seq_iter *)object;
        return it->seq == NULL ? 0 : Py_SIZE(it->seq) - it->index;
    }
    if (is_of(object, PF_T_RANGE_ITER)) {
        const pf_range_iter *it = (pf_range_iter *)object;
#if PY_VERSION_HEX < 0x030C0000
        return it->len - it->index;
#else
        return it->len;
#endif
    }
    return INT64_MAX;
}

/* What a generator expression takes its items from; *steady: one for each of its own. NULL: it has ended, cannot be read, or may make
 * many of few. */
static inline PyObject *below_genexpr(PyObject *generator, bool *steady)
{
    PyCodeObject *code = pf_frame_glance(generator);
    if (code == NULL) {
        return NULL;
    }
    pf_loop *loop = pf_loop_of(code);
    if (!loop->genexpr || pf_loop_begins(loop)) {
        return NULL;
    }
    *steady = loop->steady;
    return pf_frame_argument(generator);
}

/* What is known of the steps gone down. */
typedef struct walk {
    bool at_once; /* the next item takes one row */
    bool steady;  /* below the last islice each item takes one row */
    int64_t most; /* items that islice takes yet */
} walk;

/* The first of the iterators that a map or zip pulls in step. */
static PyObject *first_of(PyObject *iters, walk *w)
{
    if (iters == NULL || !PyTuple_CheckExact(iters) || PyTuple_GET_SIZE(iters) == 0) {
        return NULL;
    }
    w->at_once &= PyTuple_GET_SIZE(iters) == 1;
    return PyTuple_GET_ITEM(iters, 0);
}

static PyObject *below_islice(const pf_islice *s, walk *w)
{
    w->at_once &= s->cnt == s->next;
    w->steady = true;
    w->most = s->stop < 0 ? INT64_MAX : (s->stop > s->next ? s->stop : s->next) - s->cnt;
    return s->it;
}

/* What a step takes its items from. NULL: it has ended, or is none of those known here. */
static PyObject *below(PyObject *step, walk *w)
{
    if (is_of(step, PF_T_GENERATOR)) {
        bool steady = true;
        PyObject *input = below_genexpr(step, &steady);
        w->at_once &= steady;
        w->steady &= steady;
        return input;
    }
    if (is_of(step, PF_T_MAP)) {
        return first_of(((pf_map *)step)->iters, w);
    }
    if (is_of(step, PF_T_ENUMERATE)) {
        return ((pf_enumerate *)step)->it;
    }
    if (is_of(step, PF_T_STARMAP)) {
        return ((pf_func_iter *)step)->it;
    }
    if (is_of(step, PF_T_ISLICE)) {
        return below_islice((pf_islice *)step, w);
    }
    w->at_once = false;
    if (is_of(step, PF_T_ZIP)) {
        return first_of(((pf_zip *)step)->iters, w);
    }
    w->steady = false;
    return is_of(step, PF_T_FILTER) ? ((pf_func_iter *)step)->it : NULL;
}

__attribute__((noinline)) static pf_glance look_down(PyObject *object, bool steady)
{
    walk w = {steady, steady, INT64_MAX};
    for (int depth = 0; object != NULL && depth < PF_MAX_NODES; depth++) {
        int64_t rows = rows_left(object);
        if (rows < INT64_MAX) {
            return (pf_glance){w.steady && w.most < rows ? w.most : rows, w.at_once};
        }
        if (PyList_CheckExact(object) || PyTuple_CheckExact(object)) {
            return (pf_glance){Py_SIZE(object), false};
        }
        object = below(object, &w);
    }
    return (pf_glance){INT64_MAX, false};
}

/* Mostly there is one generator expression over a leaf. */
pf_glance pf_chain_glance(PyObject *object)
{
    bool steady = true;
    if (is_of(object, PF_T_GENERATOR)) {
        object = below_genexpr(object, &steady);
        int64_t rows = object != NULL ? rows_left(object) : INT64_MAX;
        if (rows < INT64_MAX) {
            return (pf_glance){rows, steady};
        }
    }
    return look_down(object, steady);
}

/* First glances at a chain: is it too short to be worth reading, is its next item but a row away? (chain.h)
 *
 * Small calls are the most frequent ones, so these walk down the first leaf only and touch a handful of words. */
#include "introspect_layout.h"
#include "loops.h"

/* Rows left in a list, tuple or range iterator, INT64_MAX for anything else. */
static int64_t leaf_rows(PyObject *object, pf_type_id id)
{
    switch (id) {
    case PF_T_LIST_ITER:
    case PF_T_TUPLE_ITER: {
        const pf_seq_iter *it = (pf_seq_iter *)object;
        return it->seq == NULL ? 0 : Py_SIZE(it->seq) - it->index;
    }
    case PF_T_RANGE_ITER: {
        const pf_range_iter *it = (pf_range_iter *)object;
#if PY_VERSION_HEX < 0x030C0000
        return it->len - it->index;
#else
        return it->len;
#endif
    }
    default:
        return INT64_MAX;
    }
}

static bool is_step(pf_type_id id)
{
    return id == PF_T_GENERATOR || id == PF_T_MAP || id == PF_T_ZIP || id == PF_T_FILTER || id == PF_T_STARMAP || id == PF_T_ENUMERATE;
}

/* What a step takes its items from, the first of `inputs`. NULL: it has ended, or cannot be read. */
static PyObject *input_of(PyObject *step, pf_type_id id, Py_ssize_t *inputs)
{
    *inputs = 1;
    switch (id) {
    case PF_T_GENERATOR: {
        PyObject *source;
        bool started;
        return pf_gen_source(step, &source, &started) == 0 ? source : NULL;
    }
    case PF_T_MAP:
    case PF_T_ZIP: {
        PyObject *iters = id == PF_T_MAP ? ((pf_map *)step)->iters : ((pf_zip *)step)->iters;
        if (iters == NULL || !PyTuple_CheckExact(iters) || PyTuple_GET_SIZE(iters) == 0) {
            return NULL;
        }
        *inputs = PyTuple_GET_SIZE(iters);
        return PyTuple_GET_ITEM(iters, 0);
    }
    case PF_T_ENUMERATE:
        return ((pf_enumerate *)step)->it;
    default:
        return ((pf_func_iter *)step)->it;
    }
}

bool pf_chain_is_short(PyObject *object, int64_t rows)
{
    for (int depth = 0; object != NULL && depth < PF_MAX_NODES; depth++) {
        pf_type_id id = pf_type_of(object);
        if (id == PF_T_COUNT || !pf_types.ok[id]) {
            return Py_TYPE(object) == &PyList_Type || Py_TYPE(object) == &PyTuple_Type ? Py_SIZE(object) < rows : false;
        }
        if (!is_step(id)) {
            return leaf_rows(object, id) < rows;
        }
        Py_ssize_t inputs;
        PyObject *input = input_of(object, id, &inputs);
        if (input != NULL && id == PF_T_GENERATOR && pf_loops_begin(pf_genexpr_code(object))) {
            return false;
        }
        object = input;
    }
    return false;
}

bool pf_chain_gives_at_once(PyObject *object)
{
    for (int depth = 0; object != NULL && depth < PF_MAX_NODES; depth++) {
        pf_type_id id = pf_type_of(object);
        if (id == PF_T_COUNT || !pf_types.ok[id]) {
            return false;
        }
        if (!is_step(id)) {
            return leaf_rows(object, id) < INT64_MAX;
        }
        Py_ssize_t inputs;
        PyObject *input = input_of(object, id, &inputs);
        bool drops = id == PF_T_FILTER || (input != NULL && id == PF_T_GENERATOR && !pf_loops_steady(pf_genexpr_code(object)));
        if (drops || id == PF_T_ZIP || inputs != 1) {
            return false;
        }
        object = input;
    }
    return false;
}

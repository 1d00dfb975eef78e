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

bool pf_chain_is_short(PyObject *object, int64_t rows)
{
    for (int depth = 0; depth < PF_MAX_NODES; depth++) {
        pf_type_id id = pf_type_of(object);
        if (id == PF_T_COUNT || !pf_types.ok[id]) {
            return Py_TYPE(object) == &PyList_Type || Py_TYPE(object) == &PyTuple_Type ? Py_SIZE(object) < rows : false;
        }
        switch (id) {
        case PF_T_GENERATOR: {
            PyObject *generator = object;
            bool started;
            if (pf_gen_source(generator, &object, &started) != 0 || pf_loops_begin(pf_genexpr_code(generator))) {
                return false;
            }
            break;
        }
        case PF_T_MAP:
        case PF_T_ZIP: {
            PyObject *iters = id == PF_T_MAP ? ((pf_map *)object)->iters : ((pf_zip *)object)->iters;
            if (iters == NULL || !PyTuple_CheckExact(iters) || PyTuple_GET_SIZE(iters) == 0) {
                return false;
            }
            object = PyTuple_GET_ITEM(iters, 0);
            break;
        }
        case PF_T_FILTER:
        case PF_T_STARMAP:
            object = ((pf_func_iter *)object)->it;
            break;
        case PF_T_ENUMERATE:
            object = ((pf_enumerate *)object)->it;
            break;
        default:
            return leaf_rows(object, id) < rows;
        }
        if (object == NULL) {
            return false;
        }
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
        switch (id) {
        case PF_T_GENERATOR: {
            PyObject *generator = object;
            bool started;
            if (pf_gen_source(generator, &object, &started) != 0 || !pf_loops_steady(pf_genexpr_code(generator))) {
                return false;
            }
            break;
        }
        case PF_T_MAP: {
            PyObject *iters = ((pf_map *)object)->iters;
            if (iters == NULL || !PyTuple_CheckExact(iters) || PyTuple_GET_SIZE(iters) != 1) {
                return false;
            }
            object = PyTuple_GET_ITEM(iters, 0);
            break;
        }
        case PF_T_STARMAP:
            object = ((pf_func_iter *)object)->it;
            break;
        case PF_T_ENUMERATE:
            object = ((pf_enumerate *)object)->it;
            break;
        default:
            return leaf_rows(object, id) < INT64_MAX;
        }
    }
    return false;
}

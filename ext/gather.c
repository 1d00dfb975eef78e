/* Filling columns from source items (gather.h).
 *
 * Three ways, from fast to general: memory of one C type is converted in one loop; a list of plain numbers that is read by one
 * column has a loop of its own; everything else goes row by row, and in each row column by column, so that a row's objects are
 * touched once. */
#include "gather.h"

#include <string.h>

#include "pylong.h"

enum { AHEAD = 16 }; /* rows between prefetching an object and reading it */

/* ---- leaves ---- */

static bool open_leaf(pf_gather_leaf *g)
{
    const pf_leaf *leaf = &g->leaf;
    Py_ssize_t last = (Py_ssize_t)(leaf->first + (leaf->length - 1) * leaf->step);
    Py_ssize_t highest = leaf->step > 0 ? last : (Py_ssize_t)leaf->first;
    if (leaf->kind == PF_LEAF_RANGE || leaf->length == 0) {
        return true;
    }
    switch (leaf->kind) {
    case PF_LEAF_LIST:
    case PF_LEAF_LIST_REV:
    case PF_LEAF_TUPLE:
    case PF_LEAF_SEQ_REV: {
        bool list = PyList_CheckExact(leaf->container);
        PyObject **items = list ? ((PyListObject *)leaf->container)->ob_item : ((PyTupleObject *)leaf->container)->ob_item;
        if (highest >= Py_SIZE(leaf->container)) {
            return false;
        }
        g->stride = (Py_ssize_t)sizeof(PyObject *) * (Py_ssize_t)leaf->step;
        g->data = (const char *)(items + leaf->first);
        return true;
    }
    case PF_LEAF_MEMORYVIEW: {
        const Py_buffer *view = PyMemoryView_GET_BUFFER(leaf->container);
        if ((((PyMemoryViewObject *)leaf->container)->flags & 0x001) != 0 || view->ndim != 1 || view->shape == NULL ||
            highest >= view->shape[0]) { /* 0x001: released */
            return false;
        }
        g->stride = (view->strides != NULL ? view->strides[0] : view->itemsize) * (Py_ssize_t)leaf->step;
        g->data = (const char *)view->buf + leaf->first * (view->strides != NULL ? view->strides[0] : view->itemsize);
        return view->suboffsets == NULL;
    }
    default: {
        /* given back at once: nobody can resize it before other code runs */
        Py_buffer view;
        if (PyObject_GetBuffer(leaf->container, &view, PyBUF_SIMPLE) < 0) {
            PyErr_Clear();
            return false;
        }
        Py_ssize_t size = leaf->kind == PF_LEAF_ARRAY ? pf_format_size(leaf->format) : 1;
        bool fits = size > 0 && highest < view.len / size;
        g->stride = size * (Py_ssize_t)leaf->step;
        g->data = (const char *)view.buf + leaf->first * size;
        PyBuffer_Release(&view);
        return fits;
    }
    }
}

bool pf_gather_open(pf_gather *gather)
{
    for (int i = 0; i < gather->nleaves; i++) {
        if (!open_leaf(&gather->leaves[i])) {
            return false;
        }
    }
    return true;
}

void pf_gather_init(pf_gather *gather, const pf_pyplan *plan, const pf_chain *chain, int64_t *rows)
{
    gather->plan = plan;
    gather->nleaves = chain->nleaves;
    int64_t common = INT64_MAX;
    bool segment[PF_MAX_LEAVES] = {false};
    for (int i = 0; i < chain->nleaves; i++) {
        gather->leaves[i].leaf = chain->leaves[i];
        gather->leaves[i].begin = 0;
        gather->leaves[i].next_segment = -1;
    }
    for (int i = 0; i < chain->nnodes; i++) {
        const pf_node *node = &chain->nodes[i];
        int64_t begin = 0;
        for (int c = 0; node->kind == PF_NODE_CHAIN && c < node->nchildren; c++) {
            int leaf = chain->nodes[node->children[c]].leaf;
            gather->leaves[leaf].begin = begin;
            gather->leaves[leaf].next_segment =
                c + 1 < node->nchildren ? chain->nodes[node->children[c + 1]].leaf : -1;
            begin += chain->leaves[leaf].length;
            segment[leaf] = true;
        }
        if (node->kind == PF_NODE_CHAIN && begin < common) {
            common = begin;
        }
        if (node->kind == PF_NODE_ISLICE && node->stop >= 0 && node->stop - node->count < common) {
            common = node->stop > node->count ? node->stop - node->count : 0;
        }
    }
    for (int i = 0; i < chain->nleaves; i++) {
        if (!segment[i] && chain->leaves[i].length < common) {
            common = chain->leaves[i].length;
        }
    }
    *rows = common == INT64_MAX ? 0 : common;
}

PyObject *pf_gather_item(const pf_gather *gather, int leaf, int64_t row)
{
    const pf_gather_leaf *g = &gather->leaves[leaf];
    while (row - g->begin >= g->leaf.length && g->next_segment >= 0) {
        g = &gather->leaves[g->next_segment];
    }
    bool objects = g->leaf.kind == PF_LEAF_LIST || g->leaf.kind == PF_LEAF_LIST_REV || g->leaf.kind == PF_LEAF_TUPLE ||
                   g->leaf.kind == PF_LEAF_SEQ_REV;
    return objects ? *(PyObject **)(g->data + (row - g->begin) * g->stride) : NULL;
}

/* ---- memory of one C type ---- */

Py_ssize_t pf_format_size(char format)
{
    switch (format) {
    case 'b':
    case 'B':
    case '?':
    case 'c':
        return 1;
    case 'h':
    case 'H':
    case 'e':
        return 2;
    case 'i':
    case 'I':
    case 'f':
        return 4;
    case 'l':
    case 'L':
        return (Py_ssize_t)sizeof(long);
    case 'q':
    case 'Q':
    case 'n':
    case 'N':
    case 'P':
    case 'd':
        return 8;
    default:
        return 0;
    }
}

#define CONVERT(ctype, out_type)                                                                                       \
    do {                                                                                                               \
        out_type *to_ = (out_type *)vec->data + lane;                                                                  \
        for (int32_t i_ = 0; i_ < n; i_++) {                                                                           \
            ctype v_;                                                                                                  \
            memcpy(&v_, from + i_ * stride, sizeof v_);                                                                \
            to_[i_] = (out_type)v_;                                                                                    \
        }                                                                                                              \
    } while (0)

static void widen_interval(pf_vec *vec, int64_t lo, int64_t hi)
{
    vec->lo = lo < vec->lo ? lo : vec->lo;
    vec->hi = hi > vec->hi ? hi : vec->hi;
}

/* The bounds of what was just written, from the bits that are used: cheap, and within a factor of two. */
static void measure(pf_vec *vec, int32_t lane, int32_t n)
{
    const int64_t *v = (const int64_t *)vec->data + lane;
    uint64_t bits = 0;
    for (int32_t i = 0; i < n; i++) {
        bits |= (uint64_t)(v[i] ^ (v[i] >> 63));
    }
    int64_t bound = bits == 0 ? 0 : (int64_t)(UINT64_MAX >> __builtin_clzll(bits));
    widen_interval(vec, -bound - 1, bound);
}

/* Unsigned 64-bit values beyond int64 are left to CPython. */
static bool too_big(const pf_vec *vec, int32_t lane, int32_t n)
{
    const int64_t *v = (const int64_t *)vec->data + lane;
    int64_t any = 0;
    for (int32_t i = 0; i < n; i++) {
        any |= v[i];
    }
    return any < 0;
}

static pf_kinds fill_memory(const pf_gather_leaf *g, int64_t row, int32_t n, pf_vec *vec, int32_t lane, uint8_t *kinds)
{
    const char *from = g->data + row * g->stride;
    Py_ssize_t stride = g->stride;
    switch (g->leaf.kind == PF_LEAF_BYTES || g->leaf.kind == PF_LEAF_BYTEARRAY ? 'B' : g->leaf.format) {
    case 'b':
        CONVERT(int8_t, int64_t);
        break;
    case 'B':
        CONVERT(uint8_t, int64_t);
        break;
    case 'h':
        CONVERT(int16_t, int64_t);
        break;
    case 'H':
        CONVERT(uint16_t, int64_t);
        break;
    case 'i':
        CONVERT(int32_t, int64_t);
        break;
    case 'I':
        CONVERT(uint32_t, int64_t);
        break;
    case 'l':
        CONVERT(long, int64_t);
        break;
    case 'q':
    case 'n':
        if (stride == 8) {
            memcpy((int64_t *)vec->data + lane, from, 8 * (size_t)n);
        } else {
            CONVERT(int64_t, int64_t);
        }
        break;
    case 'L':
    case 'Q':
    case 'N':
    case 'P':
        CONVERT(uint64_t, int64_t);
        if (too_big(vec, lane, n)) {
            for (int32_t i = 0; i < n; i++) {
                kinds[lane + i] = ((int64_t *)vec->data)[lane + i] < 0 ? PF_K_OTHER : PF_K_I64;
            }
            measure(vec, lane, n);
            return PF_K_I64 | PF_K_OTHER;
        }
        break;
    case 'f':
        CONVERT(float, double);
        return PF_K_F64;
    case 'd':
        if (stride == 8) {
            memcpy((double *)vec->data + lane, from, 8 * (size_t)n);
        } else {
            CONVERT(double, double);
        }
        return PF_K_F64;
    case '?':
        for (int32_t i = 0; i < n; i++) {
            ((uint8_t *)vec->data)[lane + i] = from[i * stride] != 0;
        }
        return PF_K_BOOL;
    default:
        memset(kinds + lane, PF_K_OTHER, (size_t)n);
        return PF_K_OTHER;
    }
    measure(vec, lane, n);
    return PF_K_I64;
}

static pf_kinds fill_range(const pf_leaf *leaf, int64_t row, int32_t n, pf_vec *vec, int32_t lane, bool whole)
{
    int64_t start = leaf->start + row * leaf->step, last = start + (n - 1) * leaf->step;
    widen_interval(vec, start < last ? start : last, start < last ? last : start);
    if (whole) {
        vec->iota = true;
        vec->start = start;
        vec->step = leaf->step;
        return PF_K_I64;
    }
    int64_t *to = (int64_t *)vec->data + lane;
    for (int32_t i = 0; i < n; i++) {
        to[i] = start + i * leaf->step;
    }
    return PF_K_I64;
}

/* ---- objects ---- */

/* The kind and payload of one object in a column of these kinds. */
static inline pf_kinds lane_of(PyObject *object, pf_kinds declared, uint64_t *payload)
{
    PyTypeObject *type = Py_TYPE(object);
    pf_kinds kind;
    if (type == &PyLong_Type) {
        int64_t v = 0;
        kind = pf_long_as_i64(object, &v) ? PF_K_I64 : PF_K_OTHER;
        *payload = (uint64_t)v;
    } else if (type == &PyFloat_Type) {
        double v = PyFloat_AS_DOUBLE(object);
        memcpy(payload, &v, sizeof v);
        kind = PF_K_F64;
    } else if (type == &PyBool_Type) {
        *payload = object == Py_True;
        kind = PF_K_BOOL;
    } else if (object == Py_None) {
        *payload = 0;
        kind = PF_K_NONE;
    } else if (type == &PyUnicode_Type) {
        *payload = (uint64_t)(uintptr_t)object;
        kind = PF_K_STR;
    } else {
        *payload = (uint64_t)(uintptr_t)object;
        kind = declared & PF_K_OBJ ? PF_K_OBJ : type == &PyBytes_Type || type == &PyTuple_Type ? PF_K_OTHER : PF_K_FOREIGN;
        return kind;
    }
    if (!(declared & kind) && (declared & PF_K_OBJ)) {
        *payload = (uint64_t)(uintptr_t)object;
        return PF_K_OBJ;
    }
    return kind;
}

/* A row that cannot be walked: harmless to replay when it is an exact builtin of no other code. */
static pf_kinds unwalkable(PyObject *row, const pf_column_spec *spec)
{
    return pf_scalar_of(row, NULL) == PF_K_FOREIGN && (spec->npath == 0 || Py_TYPE(row) != spec->path[0].type) ? PF_K_FOREIGN : PF_K_OTHER;
}

static void store(pf_vec *vec, const pf_column_spec *spec, int32_t lane, uint64_t payload)
{
    if (spec->kinds == PF_K_BOOL) {
        ((uint8_t *)vec->data)[lane] = (uint8_t)payload;
    } else {
        ((uint64_t *)vec->data)[lane] = payload;
    }
}

static pf_kinds read_lane(PyObject *row, const pf_column_spec *spec, pf_vec *vec, int32_t lane)
{
    PyObject *owned = NULL, *object = spec->npath == 0 ? row : pf_path_walk(row, spec->path, spec->npath, &owned);
    uint64_t payload = 0;
    pf_kinds kind;
    if (object == NULL) {
        kind = unwalkable(row, spec);
    } else if (spec->presence || spec->kinds == PF_K_OBJ) {
        payload = (uint64_t)(uintptr_t)object;
        kind = PF_K_OBJ;
    } else {
        kind = lane_of(object, spec->kinds, &payload);
    }
    Py_XDECREF(owned);
    store(vec, spec, lane, payload);
    return kind;
}

/* Every int of a list, while they are ints of at most 64 bits; returns how many lanes were filled. */
static int32_t fill_ints(const char *from, Py_ssize_t stride, int32_t n, int64_t *to)
{
    for (int32_t i = 0; i < n; i++, from += stride) {
        PyObject *object = *(PyObject *const *)from;
        if (i + AHEAD < n) {
            __builtin_prefetch(*(PyObject *const *)(from + AHEAD * stride));
        }
        if (Py_TYPE(object) != &PyLong_Type || !pf_long_as_i64(object, &to[i])) {
            return i;
        }
    }
    return n;
}

static int32_t fill_floats(const char *from, Py_ssize_t stride, int32_t n, double *to)
{
    for (int32_t i = 0; i < n; i++, from += stride) {
        PyObject *object = *(PyObject *const *)from;
        if (i + AHEAD < n) {
            __builtin_prefetch(*(PyObject *const *)(from + AHEAD * stride));
        }
        if (Py_TYPE(object) != &PyFloat_Type) {
            return i;
        }
        to[i] = PyFloat_AS_DOUBLE(object);
    }
    return n;
}

/* One column that reads the items themselves. Returns the kinds seen; writes kinds from the first odd one on. */
static pf_kinds fill_items(const pf_gather_leaf *g, int64_t row, int32_t n, const pf_column_spec *spec, pf_vec *vec,
                           int32_t lane, uint8_t *kinds)
{
    const char *from = g->data + row * g->stride;
    int32_t done = 0;
    if (spec->kinds == PF_K_OBJ) {
        for (int32_t i = 0; i < n; i++) {
            ((uint64_t *)vec->data)[lane + i] = (uint64_t)(uintptr_t) * (PyObject *const *)(from + i * g->stride);
        }
        memset(kinds + lane, PF_K_OBJ, (size_t)n);
        return PF_K_OBJ;
    }
    if (spec->kinds == PF_K_I64) {
        done = fill_ints(from, g->stride, n, (int64_t *)vec->data + lane);
        measure(vec, lane, done);
    } else if (spec->kinds == PF_K_F64) {
        done = fill_floats(from, g->stride, n, (double *)vec->data + lane);
    }
    pf_kinds seen = done > 0 ? spec->kinds : 0;
    if (done < n) { /* odd ones among them, or several kinds: each lane has its own */
        memset(kinds + lane, spec->kinds, (size_t)done);
        for (int32_t i = done; i < n; i++) {
            pf_kinds kind = read_lane(*(PyObject *const *)(from + i * g->stride), spec, vec, lane + i);
            kinds[lane + i] = kind;
            seen |= kind;
        }
        if (spec->kinds & PF_K_I64) {
            vec->lo = INT64_MIN;
            vec->hi = INT64_MAX;
        }
    } else if (seen != 0) {
        memset(kinds + lane, spec->kinds, (size_t)n);
    }
    return seen;
}

/* All columns of one leaf, row by row. */
static void fill_rows(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, const pf_column_spec *const *specs,
                      pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns)
{
    const char *from = g->data + row * g->stride;
    for (int32_t i = 0; i < n; i++, from += g->stride) {
        PyObject *object = *(PyObject *const *)from;
        if (i + AHEAD < n) {
            __builtin_prefetch((const char *)*(PyObject *const *)(from + AHEAD * g->stride) + 64);
        }
        for (int c = 0; c < ncolumns; c++) {
            pf_kinds kind = read_lane(object, specs[c], vecs[c], lane + i);
            kinds[c][lane + i] = kind;
            vecs[c]->seen |= kind;
        }
    }
}

/* ---- one vector ---- */

/* Part of a vector that lies in one segment. */
static void fill_segment(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, bool whole, const pf_column_spec *const *specs,
                         pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns)
{
    switch (g->leaf.kind) {
    case PF_LEAF_LIST:
    case PF_LEAF_LIST_REV:
    case PF_LEAF_TUPLE:
    case PF_LEAF_SEQ_REV: {
        bool plain = true;
        for (int c = 0; c < ncolumns; c++) {
            plain &= specs[c]->npath == 0;
        }
        if (!plain) {
            fill_rows(g, row, n, lane, specs, vecs, kinds, ncolumns);
            return;
        }
        for (int c = 0; c < ncolumns; c++) {
            vecs[c]->seen |= fill_items(g, row, n, specs[c], vecs[c], lane, kinds[c]);
        }
        return;
    }
    default:
        for (int c = 0; c < ncolumns; c++) {
            pf_kinds seen;
            if (specs[c]->kinds == PF_K_OBJ) { /* the object of a number that has none */
                memset((uint64_t *)vecs[c]->data + lane, 0, 8 * (size_t)n);
                seen = PF_K_OBJ;
            } else if (g->leaf.kind == PF_LEAF_RANGE) {
                seen = fill_range(&g->leaf, row, n, vecs[c], lane, whole);
            } else {
                seen = fill_memory(g, row, n, vecs[c], lane, kinds[c]);
            }
            if (pf_kinds_single(seen)) {
                memset(kinds[c] + lane, seen, (size_t)n);
            }
            vecs[c]->seen |= seen;
        }
    }
}

static void fill_leaf(const pf_gather *gather, int leaf, int64_t row0, int32_t n, const pf_column_spec *const *specs,
                      pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns)
{
    const pf_gather_leaf *g = &gather->leaves[leaf];
    for (int c = 0; c < ncolumns; c++) {
        vecs[c]->seen = 0;
        vecs[c]->iota = false;
        vecs[c]->lo = INT64_MAX;
        vecs[c]->hi = INT64_MIN;
    }
    for (int32_t lane = 0; lane < n;) {
        while (row0 + lane - g->begin >= g->leaf.length && g->next_segment >= 0) {
            g = &gather->leaves[g->next_segment];
        }
        int64_t row = row0 + lane - g->begin, left = g->leaf.length - row;
        int32_t here = left < n - lane ? (int32_t)left : n - lane;
        fill_segment(g, row, here, lane, here == n, specs, vecs, kinds, ncolumns);
        lane += here;
    }
    for (int c = 0; c < ncolumns; c++) {
        vecs[c]->kind = pf_kinds_single(vecs[c]->seen) ? NULL : kinds[c];
        if (vecs[c]->lo > vecs[c]->hi) {
            vecs[c]->lo = INT64_MIN;
            vecs[c]->hi = INT64_MAX;
        }
    }
}

pf_status pf_gather_rows(void *ctx, int64_t row0, int32_t n, pf_vec *columns, uint8_t *const *kind_memory)
{
    const pf_gather *gather = ctx;
    const pf_pyplan *plan = gather->plan;
    bool done[PF_MAX_COLUMNS] = {false};
    for (int i = 0; i < plan->ncolumns; i++) {
        const pf_column_spec *specs[PF_MAX_COLUMNS];
        pf_vec *vecs[PF_MAX_COLUMNS];
        uint8_t *kinds[PF_MAX_COLUMNS];
        int same = 0;
        for (int j = i; j < plan->ncolumns; j++) {
            if (!done[j] && plan->columns[j].used && plan->columns[j].leaf == plan->columns[i].leaf) {
                specs[same] = &plan->columns[j];
                vecs[same] = &columns[j];
                kinds[same++] = kind_memory[j];
                done[j] = true;
            }
        }
        if (same > 0) {
            fill_leaf(gather, plan->columns[i].leaf, row0, n, specs, vecs, kinds, same);
        }
    }
    return PF_OK;
}

pf_str_view pf_unicode_view(uint64_t handle)
{
    PyObject *text = (PyObject *)(uintptr_t)handle;
    pf_str_view view = {(uint32_t)PyUnicode_GET_LENGTH(text), (uint8_t)PyUnicode_KIND(text), PyUnicode_DATA(text)};
    return view;
}

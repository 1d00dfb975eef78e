/* Filling columns from source items (gather.h): ranges by arithmetic, memory of one C type in one loop, objects in
 * gather_objects.c. */
#include "gather_internal.h"

#include <string.h>

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

/* Where a segment follows, a container that has grown has items more before that, which rows were not numbered for. */
static bool has_grown(const pf_gather_leaf *g)
{
    return g->next_segment >= 0 && pf_leaf_has_grown(&g->leaf);
}

bool pf_gather_open(pf_gather *gather)
{
    for (int i = 0; i < gather->nleaves; i++) {
        if (!open_leaf(&gather->leaves[i]) || has_grown(&gather->leaves[i])) {
            return false;
        }
    }
    return true;
}

static pf_gather_leaf *leaf_below(pf_gather *gather, const pf_chain *chain, const pf_node *node)
{
    while (node->kind != PF_NODE_LEAF) {
        node = &chain->nodes[node->children[0]];
    }
    return &gather->leaves[node->leaf];
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
        bool outermost = chain->nodes[i].kind == PF_NODE_CHAIN && !chain->nodes[i].nested;
        int first = 0, n = outermost ? pf_chain_segments(chain, i, &first) : 0;
        int64_t begin = 0;
        for (int leaf = first; leaf < first + n; leaf++) {
            gather->leaves[leaf].begin = begin;
            gather->leaves[leaf].next_segment = leaf + 1 < first + n ? leaf + 1 : -1;
            begin += chain->leaves[leaf].length;
            segment[leaf] = true;
        }
        if (outermost && begin < common) {
            common = begin;
        }
    }
    for (int i = chain->nnodes - 1; i >= 0; i--) { /* a child has a larger number: from the leaf outward */
        const pf_node *node = &chain->nodes[i];
        if (node->view) {
            pf_gather_leaf *below = leaf_below(gather, chain, node);
            below->leaf = pf_leaf_view(&below->leaf, node);
        }
    }
    for (int i = 0; i < chain->nleaves; i++) {
        if (!segment[i] && gather->leaves[i].leaf.length < common) {
            common = gather->leaves[i].leaf.length;
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

/* A column is of bytes only where bools are all that it declares: in a chain another segment may hold something else. */
static void fill_bools(const char *from, Py_ssize_t stride, int32_t n, bool bytes, pf_vec *vec, int32_t lane)
{
    for (int32_t i = 0; i < n; i++) {
        bool value = from[i * stride] != 0;
        if (bytes) {
            ((uint8_t *)vec->data)[lane + i] = value;
        } else {
            ((uint64_t *)vec->data)[lane + i] = value;
        }
    }
}

static void look_ahead(const pf_gather_leaf *g, int64_t row, int32_t n, pf_vec *vec)
{
    const int64_t left = g->leaf.length - row - n, next = left < n ? left : n;
    vec->ahead = g->data + (row + n) * g->stride;
    vec->ahead_end = vec->ahead + next * g->stride;
}

static pf_kinds fill_memory(const pf_gather_leaf *g, int64_t row, int32_t n, pf_kinds declared, pf_vec *vec, int32_t lane, uint8_t *kinds)
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
        if (sizeof(long) < 8) {
            CONVERT(long, int64_t);
            break;
        } /* fall through */
    case 'q':
    case 'n':
        if (stride == 8) {
            look_ahead(g, row, n, vec);
            pf_widen_by_bits(vec, pf_column_kernels()->copy_i64(from, n, (uint64_t *)vec->data + lane));
            return PF_K_I64;
        }
        CONVERT(int64_t, int64_t);
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
            pf_measure(vec, lane, n);
            return PF_K_I64 | PF_K_OTHER;
        }
        break;
    case 'f':
        CONVERT(float, double);
        return PF_K_F64;
    case 'd':
        if (stride == 8 && n == PF_LANES && vec->takes_source) {
            vec->source = from;
        } else if (stride == 8) {
            look_ahead(g, row, n, vec);
            pf_column_kernels()->copy_f64(from, n, (uint64_t *)vec->data + lane);
        } else {
            CONVERT(double, double);
        }
        return PF_K_F64;
    case '?':
        fill_bools(from, stride, n, pf_lane_bytes(declared) == 1, vec, lane);
        return PF_K_BOOL;
    default:
        memset(kinds + lane, PF_K_OTHER, (size_t)n);
        return PF_K_OTHER;
    }
    pf_measure(vec, lane, n);
    return PF_K_I64;
}

static pf_kinds fill_range(const pf_leaf *leaf, int64_t row, int32_t n, pf_vec *vec, int32_t lane, bool whole)
{
#ifdef PF_PLANTED_BUG_RANGE_NEGATIVE_STEP
    row = leaf->step < 0 ? -row : row;
#endif
    int64_t start = leaf->start + row * leaf->step, last = start + (n - 1) * leaf->step;
    pf_widen_interval(vec, start < last ? start : last, start < last ? last : start);
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

/* ---- one vector ---- */

/* Part of a vector that lies in one segment. */
static void fill_segment(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, bool whole, const pf_column_spec *const *specs,
                         pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns)
{
    switch (g->leaf.kind) {
    case PF_LEAF_LIST:
    case PF_LEAF_LIST_REV:
    case PF_LEAF_TUPLE:
    case PF_LEAF_SEQ_REV:
        pf_gather_objects(g, row, n, lane, specs, vecs, kinds, ncolumns);
        return;
    default:
        for (int c = 0; c < ncolumns; c++) {
            pf_kinds seen;
            if (specs[c]->kinds == PF_K_OBJ) { /* the object of a number that has none */
                memset((uint64_t *)vecs[c]->data + lane, 0, 8 * (size_t)n);
                seen = PF_K_OBJ;
            } else if (g->leaf.kind == PF_LEAF_RANGE) {
                seen = fill_range(&g->leaf, row, n, vecs[c], lane, whole);
            } else {
                seen = fill_memory(g, row, n, specs[c]->kinds, vecs[c], lane, kinds[c]);
            }
            if (!whole && pf_kinds_single(seen)) { /* the rest may be of another kind */
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
        vecs[c]->ahead = vecs[c]->ahead_end = NULL;
        vecs[c]->source = NULL;
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
    const int ncolumns = (int)plan->core.stages[0].fn->ncolumns;
    bool done[PF_MAX_COLUMNS] = {false};
    for (int i = 0; i < ncolumns; i++) {
        const pf_column_spec *specs[PF_MAX_COLUMNS];
        pf_vec *vecs[PF_MAX_COLUMNS];
        uint8_t *kinds[PF_MAX_COLUMNS];
        int same = 0;
        for (int j = i; j < ncolumns; j++) {
            if (!done[j] && plan->columns[j].used && plan->columns[j].at.leaf == plan->columns[i].at.leaf) {
                specs[same] = &plan->columns[j];
                vecs[same] = &columns[j];
                kinds[same++] = kind_memory[j];
                done[j] = true;
            }
        }
        if (same > 0) {
            fill_leaf(gather, plan->columns[i].at.leaf, row0, n, specs, vecs, kinds, same);
        }
    }
    return PF_OK;
}

/* ---- items of inner containers ---- */

static void ask_items(PyObject *container)
{
    PyObject *const *items;
    Py_ssize_t n;
    if (pf_items_of(container, &items, &n)) {
        __builtin_prefetch(items);
    }
}

/* The items asked for, one after the other. Mostly containers are short and lie anywhere: while one is copied, the
 * memory brings what the next ones are read for. Returns how many; *taken: of so many containers. */
static int32_t collect_items(const pf_inner *inner, PyObject **to, int32_t *taken)
{
    enum { HEADERS_AHEAD = 16, ITEMS_AHEAD = 8 };
    PyObject *const *containers = (PyObject *const *)inner->containers, *const * items;
    int64_t offset = inner->offset;
    Py_ssize_t size;
    int32_t done = 0, c = 0;
    for (bool good = true; c < inner->n && done < inner->want && good; c++, offset = 0) {
        if (c + HEADERS_AHEAD < inner->n) {
            __builtin_prefetch(containers[c + HEADERS_AHEAD]);
        }
        if (c + ITEMS_AHEAD < inner->n) {
            ask_items(containers[c + ITEMS_AHEAD]);
        }
        good = pf_items_of(containers[c], &items, &size);
        inner->children[c] = -1;
        if (good) {
            const int64_t left = size > offset ? size - offset : 0;
            const int32_t n = left < inner->want - done ? (int32_t)left : inner->want - done;
            inner->children[c] = n;
            for (int32_t i = 0; i < n; i++) {
                to[done++] = items[offset + i];
            }
        }
    }
    *taken = c;
    return done;
}

void pf_gather_inner(const pf_pyplan *plan, const pf_fn *fn, const pf_inner *inner, pf_vec *columns,
                     uint8_t *const *kind_memory, int32_t *taken)
{
    PyObject *items[PF_LANES];
    const pf_column_spec *specs[PF_MAX_COLUMNS];
    pf_vec *vecs[PF_MAX_COLUMNS];
    uint8_t *kinds[PF_MAX_COLUMNS];
    int ncolumns = 0;
    const int32_t n = collect_items(inner, items, taken);
    for (uint32_t k = 0; k < fn->ncolumns && n > 0; k++) {
        if (fn->columns[k].from == PF_FROM_INNER && fn->columns[k].used) {
            specs[ncolumns] = &plan->columns[fn->columns[k].index];
            vecs[ncolumns] = &columns[k];
            kinds[ncolumns++] = kind_memory[k];
        }
    }
    const pf_gather_leaf g = {.leaf.length = n, .data = (const char *)items, .stride = sizeof *items};
    pf_gather_objects(&g, 0, n, inner->lane, specs, vecs, kinds, ncolumns);
    for (int c = 0; c < ncolumns; c++) {
        vecs[c]->kind = pf_kinds_single(vecs[c]->seen) ? NULL : kinds[c];
    }
}

pf_str_view pf_unicode_view(uint64_t handle)
{
    PyObject *text = (PyObject *)(uintptr_t)handle;
    pf_str_view view = {(uint32_t)PyUnicode_GET_LENGTH(text), (uint8_t)PyUnicode_KIND(text), PyUnicode_DATA(text)};
    return view;
}

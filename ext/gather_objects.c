/* Objects into lanes (gather.h).
 *
 * Nearly all the time here goes into waiting for memory: a row, and each object behind it, is a cache line nobody has
 * touched for long. So rows are read a tile at a time in three steps, each asking the memory for what the next one
 * reads, and each a tile ahead of the next one, so that the memory has time to answer:
 *
 *      ask       for the rows of tile t + 2
 *      walk      from the rows of tile t + 1 to the objects of each column, asking for those
 *      decode    the objects of tile t into payloads and kinds
 *
 * Where the items of the list are the values themselves there is nothing to walk: each object is decoded while one some
 * way ahead is asked for, so the memory is kept as busy as it can be from the first row of a run to its last.
 *
 * Paths through dicts and instance dictionaries need the caller's thread state and hold references; they go lane by
 * lane. */
#include "gather_internal.h"

#include "dicts.h"

#include <string.h>

#include "pylong.h"

enum { TILE = 16, AHEAD = 32, MOST_LINES = 8 }; /* rows of a tile; rows between asking for a value and reading it */

/* The kind and payload of one object in a column of these kinds. A lane that is nobody's has payload 0. */
static inline pf_kinds lane_of(PyObject *object, pf_kinds declared, uint64_t *payload)
{
    PyTypeObject *type = Py_TYPE(object);
    pf_kinds kind;
    if (type == &PyLong_Type) {
        int64_t v;
        kind = PF_K_I64;
        if (!pf_long_is_short(object, &v) && !pf_long_as_i64(object, &v)) {
            v = 0;
            kind = PF_K_OTHER;
        }
        *payload = (uint64_t)v;
    } else if (type == &PyFloat_Type) {
        double v = PyFloat_AS_DOUBLE(object);
        memcpy(payload, &v, sizeof v);
        kind = PF_K_F64;
    } else if (object == Py_None) {
        *payload = 0;
        kind = PF_K_NONE;
    } else if (type == &PyUnicode_Type && pf_text_is_plain(object)) {
        *payload = (uint64_t)(uintptr_t)object;
        kind = PF_K_STR;
    } else if (type == &PyBool_Type) {
        *payload = object == Py_True;
        kind = PF_K_BOOL;
    } else {
        kind = type == &PyUnicode_Type || type == &PyBytes_Type || type == &PyTuple_Type ? PF_K_OTHER : PF_K_FOREIGN;
        *payload = 0;
    }
#ifdef PF_PLANTED_BUG_NONE_AS_ZERO
    kind = kind == PF_K_NONE && (declared & PF_K_I64) ? PF_K_I64 : kind;
#endif
#ifdef PF_PLANTED_BUG_BOOL_AS_ONE_IN_COLUMN
    kind = kind == PF_K_BOOL && (declared & PF_K_I64) ? PF_K_I64 : kind;
#endif
#ifdef PF_PLANTED_BUG_KIND_CONFUSED
    if (kind == PF_K_F64 && !(declared & PF_K_F64) && (declared & PF_K_I64)) {
        *payload = (uint64_t)(int64_t)PyFloat_AS_DOUBLE(object);
        kind = PF_K_I64;
    }
#endif
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

/* What a column wants of its objects, out of the way of stores that might alias it. */
typedef struct wanted {
    pf_kinds declared;
    bool handles; /* the object itself, whatever it is */
    bool bytes;   /* one byte per lane */
} wanted;

static wanted wanted_of(const pf_column_spec *spec)
{
    return (wanted){spec->kinds, spec->presence || spec->kinds == PF_K_OBJ, spec->kinds == PF_K_BOOL};
}

static inline pf_kinds read_object(PyObject *object, PyObject *row, const pf_column_spec *spec, wanted wanted, void *data, int32_t lane)
{
    uint64_t payload = (uint64_t)(uintptr_t)object;
    pf_kinds kind = object == NULL ? unwalkable(row, spec) : wanted.handles ? PF_K_OBJ : lane_of(object, wanted.declared, &payload);
    if (wanted.bytes) {
        ((uint8_t *)data)[lane] = (uint8_t)payload;
    } else {
        ((uint64_t *)data)[lane] = payload;
    }
    return kind;
}

/* ---- asking ahead ---- */

/* CPython's small blocks lie at 48 bytes past a line's start as often as not, so an object's type is in one line and its
 * value in the next: both are asked for. Asking twice for one line costs next to nothing. */
enum { TYPE_AT = 8, VALUE_AT = 24, TEXT_AT = sizeof(PyASCIIObject) };

static int32_t value_at(const pf_column_spec *spec) { return spec->kinds & PF_K_STR ? TEXT_AT : VALUE_AT; }

static inline void ask_object(const void *object, int32_t value_at)
{
    __builtin_prefetch((const char *)object + TYPE_AT);
    __builtin_prefetch((const char *)object + value_at);
}

/* Bytes from a row's start that the columns' first steps read. */
typedef struct lines {
    int n;
    int32_t at[MOST_LINES];
} lines;

static void add_line(lines *lines, int32_t at)
{
    for (int i = 0; i < lines->n; i++) {
        if (at - lines->at[i] < VALUE_AT - TYPE_AT && lines->at[i] - at < VALUE_AT - TYPE_AT) {
            return;
        }
    }
    if (lines->n < MOST_LINES) {
        lines->at[lines->n++] = at;
    }
}

static void find_lines(const pf_column_spec *const *specs, int ncolumns, lines *out)
{
    out->n = 0;
    for (int c = 0; c < ncolumns; c++) {
        const pf_column_spec *spec = specs[c];
        add_line(out, TYPE_AT);
        add_line(out, VALUE_AT);
        if (spec->path[0].how == PF_PATH_INDEX && spec->path[0].index >= 0) {
            add_line(out, (int32_t)offsetof(PyTupleObject, ob_item) + spec->path[0].index * (int32_t)sizeof(PyObject *));
        } else if (spec->path[0].how == PF_PATH_SLOT) {
            add_line(out, spec->path[0].index);
        }
    }
}

static void ask(const char *from, Py_ssize_t stride, int32_t n, const lines *lines)
{
    for (int32_t i = 0; i < n; i++, from += stride) {
        const char *row = *(const char *const *)from;
        for (int l = 0; l < lines->n; l++) {
            __builtin_prefetch(row + lines->at[l]);
        }
    }
}

/* ---- walking ---- */

/* PF_PATH_INDEX, from the front. */
static inline bool has_item(PyObject *row, const pf_path_step *step)
{
    return Py_TYPE(row) == step->type && step->index < Py_SIZE(row) && (step->size < 0 || Py_SIZE(row) == step->size);
}

static inline PyObject *field_of(PyObject *tuple, const pf_path_step *step)
{
    return has_item(tuple, step) ? PyTuple_GET_ITEM(tuple, step->index) : NULL;
}

/* Fields of tuples, and of tuples in them: what most rows are read by. npath is a constant at each call. */
static inline __attribute__((always_inline)) void walk_fields(const char *from, Py_ssize_t stride, int32_t n,
                                                              const pf_column_spec *spec, int npath, PyObject **out)
{
    const int32_t value = value_at(spec);
    for (int32_t i = 0; i < n; i++, from += stride) {
        PyObject *object = *(PyObject *const *)from;
        for (int s = 0; s < npath && object != NULL; s++) {
            object = field_of(object, &spec->path[s]);
        }
        ask_object(object, value);
        out[i] = object;
    }
}

/* Items of lists: one more line to ask the memory for. */
static void walk_lists(const char *from, Py_ssize_t stride, int32_t n, const pf_column_spec *spec, PyObject **out)
{
    const pf_path_step *step = &spec->path[0];
    const int32_t value = value_at(spec);
    for (int32_t i = 0; i < n; i++) {
        PyObject *row = *(PyObject *const *)(from + i * stride);
        const bool there = has_item(row, step);
        out[i] = there ? row : NULL;
        if (there) {
            __builtin_prefetch(&((PyListObject *)row)->ob_item[step->index]);
        }
    }
    for (int32_t i = 0; i < n; i++) {
        out[i] = out[i] != NULL ? PyList_GET_ITEM(out[i], step->index) : NULL;
        ask_object(out[i], value);
    }
}

static bool has_only_fields(const pf_column_spec *spec)
{
    bool only = true;
    for (int s = 0; s < spec->npath; s++) {
        only = only && spec->path[s].how == PF_PATH_INDEX && spec->path[s].index >= 0 &&
               spec->path[s].type != &PyList_Type;
    }
    return only;
}

static void walk(const char *from, Py_ssize_t stride, int32_t n, const pf_column_spec *spec, PyObject **out)
{
    if (spec->npath <= 2 && has_only_fields(spec)) {
        if (spec->npath == 1) {
            walk_fields(from, stride, n, spec, 1, out);
        } else {
            walk_fields(from, stride, n, spec, 2, out);
        }
        return;
    }
    if (spec->npath == 1 && spec->path[0].type == &PyList_Type && spec->path[0].index >= 0) {
        walk_lists(from, stride, n, spec, out);
        return;
    }
    for (int32_t i = 0; i < n; i++, from += stride) {
        PyObject *none_owned = NULL;
        out[i] = pf_path_walk(*(PyObject *const *)from, spec->path, spec->npath, &none_owned);
        ask_object(out[i], value_at(spec));
    }
}

static bool needs_caller(const pf_column_spec *spec)
{
    for (int i = 0; i < spec->npath; i++) {
        if (spec->path[i].how == PF_PATH_KEY || spec->path[i].how == PF_PATH_ATTR) {
            return true;
        }
    }
    return false;
}

/* ---- decoding ---- */

static pf_kinds decode(PyObject *const *objects, const char *from, Py_ssize_t stride, int32_t n, const pf_column_spec *spec, void *data,
                       int32_t lane, uint8_t *kinds)
{
    const wanted wanted = wanted_of(spec);
    pf_kinds seen = 0;
    for (int32_t i = 0; i < n; i++, from += stride) {
        pf_kinds kind = read_object(objects[i], *(PyObject *const *)from, spec, wanted, data, lane + i);
        kinds[lane + i] = kind;
        seen |= kind;
    }
    return seen;
}

/* The two most common columns by themselves: short ints, and floats. Both stop at the first object that is anything else,
 * and return how many they did. */
static int32_t decode_ints(PyObject *const *objects, int32_t n, int64_t *to)
{
    for (int32_t i = 0; i < n; i++) {
        if (objects[i] == NULL || Py_TYPE(objects[i]) != &PyLong_Type || !pf_long_is_short(objects[i], &to[i])) {
            return i;
        }
    }
    return n;
}

static int32_t decode_floats(PyObject *const *objects, int32_t n, double *to)
{
    for (int32_t i = 0; i < n; i++) {
        if (objects[i] == NULL || Py_TYPE(objects[i]) != &PyFloat_Type) {
            return i;
        }
        to[i] = PyFloat_AS_DOUBLE(objects[i]);
    }
    return n;
}

static pf_kinds decode_tile(PyObject *const *objects, const char *from, Py_ssize_t stride, int32_t n, const pf_column_spec *spec, void *data,
                            int32_t lane, uint8_t *kinds)
{
    int32_t done = 0;
    if (spec->kinds == PF_K_I64 && !spec->presence) {
        done = decode_ints(objects, n, (int64_t *)data + lane);
    } else if (spec->kinds == PF_K_F64 && !spec->presence) {
        done = decode_floats(objects, n, (double *)data + lane);
    }
    pf_kinds seen = 0;
    if (done > 0) {
        memset(kinds + lane, spec->kinds, (size_t)done);
        seen = spec->kinds;
    }
    return done == n ? seen : seen | decode(objects + done, from + done * stride, stride, n - done, spec, data, lane + done, kinds);
}

static inline PyObject *walk_with_caller(PyObject *row, const pf_column_spec *spec, int place, pf_dict_guess *guess,
                                         PyObject **owned)
{
    const pf_path_step *step = spec->path;
    if (spec->npath == 1 && Py_TYPE(row) == step->type) {
        PyObject *value = step->how == PF_PATH_KEY ? pf_dict_find_alike(row, step->name, guess)
                          : place >= 0             ? pf_instance_value(row, place)
                                                   : NULL;
        if (value != NULL || step->how == PF_PATH_KEY) {
            return value;
        }
    }
    return pf_path_walk(row, step, spec->npath, owned);
}

static pf_kinds walk_and_decode(const char *from, Py_ssize_t stride, int32_t n, const pf_column_spec *spec, void *data,
                                int32_t lane, uint8_t *kinds, pf_dict_guess *guess)
{
    const wanted wanted = wanted_of(spec);
    const pf_path_step *step = spec->path;
    const int place = spec->npath == 1 && step->how == PF_PATH_ATTR ? pf_instance_place(step->type, step->name) : -1;
    pf_kinds seen = 0;
    for (int32_t i = 0; i < n; i++, from += stride) {
        PyObject *row = *(PyObject *const *)from, *owned = NULL;
        PyObject *value = walk_with_caller(row, spec, place, guess, &owned);
        pf_kinds kind = read_object(value, row, spec, wanted, data, lane + i);
        Py_XDECREF(owned);
        kinds[lane + i] = kind;
        seen |= kind;
    }
    return seen;
}

/* What is known of the ints just read. Payloads of other kinds are 0 or 1, but for these. */
static void bound(const pf_column_spec *spec, pf_kinds seen, pf_vec *vec, int32_t lane, int32_t n)
{
    if (!(spec->kinds & PF_K_I64)) {
        return;
    }
    if (seen & (PF_K_F64 | PF_K_STR | PF_K_OBJ)) {
        pf_widen_interval(vec, INT64_MIN, INT64_MAX);
    } else {
        pf_measure(vec, lane, n);
    }
}

/* ---- items that are the values ---- */

typedef struct flat {
    const char *from; /* the next row */
    const char *far;  /* the row that is asked for meanwhile; past the vector's end it is one of the next */
    const char *last; /* of the list */
    Py_ssize_t stride;
} flat;

static inline PyObject *flat_next(flat *f, int32_t value_at)
{
    PyObject *object = *(PyObject *const *)f->from;
    ask_object(*(const void *const *)f->far, value_at);
    f->from += f->stride;
    f->far += f->far == f->last ? 0 : f->stride;
    return object;
}

/* `likely` (a constant at each call) are declared kinds that are looked for first; lane_of decides about all others. */
static inline __attribute__((always_inline)) pf_kinds read_flat(flat f, int32_t n, pf_kinds likely,
                                                                const pf_column_spec *spec, uint64_t *to,
                                                                uint8_t *kinds)
{
    const pf_kinds declared = spec->kinds;
    const int32_t value = value_at(spec);
    pf_kinds seen = 0;
    for (int32_t i = 0; i < n; i++) {
        PyObject *object = flat_next(&f, value);
        const PyTypeObject *type = Py_TYPE(object);
        int64_t number;
        pf_kinds kind;
        if ((likely & PF_K_I64) && type == &PyLong_Type && pf_long_is_short(object, &number)) {
            to[i] = (uint64_t)number;
            kind = PF_K_I64;
        } else if ((likely & PF_K_F64) && type == &PyFloat_Type) {
            memcpy(&to[i], &((PyFloatObject *)object)->ob_fval, sizeof *to);
            kind = PF_K_F64;
        } else if ((likely & PF_K_STR) && type == &PyUnicode_Type) {
            to[i] = (uint64_t)(uintptr_t)object;
            kind = PF_K_STR;
        } else {
            kind = lane_of(object, declared, &to[i]);
        }
        kinds[i] = kind;
        seen |= kind;
    }
    return seen;
}

static pf_kinds read_handles(flat f, int32_t n, uint64_t *to, uint8_t *kinds)
{
    for (int32_t i = 0; i < n; i++, f.from += f.stride) {
        to[i] = (uint64_t)(uintptr_t)*(PyObject *const *)f.from;
    }
    memset(kinds, PF_K_OBJ, (size_t)n);
    return PF_K_OBJ;
}

static pf_kinds read_bools(flat f, int32_t n, const pf_column_spec *spec, uint8_t *to, uint8_t *kinds)
{
    pf_kinds seen = 0;
    for (int32_t i = 0; i < n; i++) {
        uint64_t payload;
        kinds[i] = lane_of(flat_next(&f, VALUE_AT), spec->kinds, &payload);
        to[i] = (uint8_t)payload;
        seen |= kinds[i];
    }
    return seen;
}

static void gather_flat(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane, const pf_column_spec *spec,
                        pf_vec *vec, uint8_t *kinds)
{
    const int64_t last = g->leaf.length - 1, far = row + AHEAD < last ? row + AHEAD : last;
    const flat f = {g->data + row * g->stride, g->data + far * g->stride, g->data + last * g->stride, g->stride};
    uint64_t *to = (uint64_t *)vec->data + lane;
    const wanted wanted = wanted_of(spec);
    kinds += lane;
    pf_kinds seen;
    if (wanted.bytes) {
        seen = read_bools(f, n, spec, (uint8_t *)vec->data + lane, kinds);
    } else if (wanted.handles) {
        seen = read_handles(f, n, to, kinds);
    } else if ((spec->kinds & (PF_K_I64 | PF_K_F64)) == (PF_K_I64 | PF_K_F64)) {
        seen = read_flat(f, n, PF_K_I64 | PF_K_F64, spec, to, kinds);
    } else if (spec->kinds & PF_K_I64) {
        seen = read_flat(f, n, PF_K_I64, spec, to, kinds);
    } else if (spec->kinds & PF_K_F64) {
        seen = read_flat(f, n, PF_K_F64, spec, to, kinds);
    } else if (spec->kinds & PF_K_STR) {
        seen = read_flat(f, n, PF_K_STR, spec, to, kinds);
    } else {
        seen = read_flat(f, n, 0, spec, to, kinds);
    }
    bound(spec, seen, vec, lane, n);
    vec->seen |= seen;
}

/* ---- items that lead to the values ---- */

/* One call's work, and the tiles that are on their way. */
typedef struct tiles {
    const char *from;
    Py_ssize_t stride;
    int32_t n, lane; /* rows in all; lane of the first */
    const pf_column_spec *const *specs;
    pf_vec *const *vecs;
    uint8_t *const *kinds;
    int ncolumns;
    pf_kinds seen[PF_MAX_COLUMNS];
    pf_dict_guess guesses[PF_MAX_COLUMNS];
    lines lines;
    PyObject *objects[2][PF_MAX_COLUMNS][TILE]; /* of every other tile */
} tiles;

static int32_t tile_rows(const tiles *t, int32_t at)
{
    return t->n - at < TILE ? t->n - at : TILE;
}

static void ask_tile(const tiles *t, int32_t at)
{
    if (at < t->n) {
        ask(t->from + at * t->stride, t->stride, tile_rows(t, at), &t->lines);
    }
}

static void walk_tile(tiles *t, int32_t at)
{
    for (int c = 0; at < t->n && c < t->ncolumns; c++) {
        if (!needs_caller(t->specs[c])) {
            walk(t->from + at * t->stride, t->stride, tile_rows(t, at), t->specs[c], t->objects[at / TILE % 2][c]);
        }
    }
}

static void read_tile(tiles *t, int32_t at)
{
    const char *here = t->from + at * t->stride;
    const int32_t m = tile_rows(t, at), lane = t->lane + at;
    for (int c = 0; c < t->ncolumns; c++) {
        pf_kinds seen = needs_caller(t->specs[c]) ? walk_and_decode(here, t->stride, m, t->specs[c], t->vecs[c]->data,
                                                                    lane, t->kinds[c], &t->guesses[c])
                                                  : decode_tile(t->objects[at / TILE % 2][c], here, t->stride, m,
                                                                t->specs[c], t->vecs[c]->data, lane, t->kinds[c]);
        t->seen[c] |= seen;
    }
}

static void gather_paths(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane,
                         const pf_column_spec *const *specs, pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns)
{
    tiles t;
    t.from = g->data + row * g->stride;
    t.stride = g->stride;
    t.n = n;
    t.lane = lane;
    t.specs = specs;
    t.vecs = vecs;
    t.kinds = kinds;
    t.ncolumns = ncolumns;
    memset(t.seen, 0, sizeof t.seen);
    memset(t.guesses, 0, sizeof *t.guesses * (size_t)ncolumns);
    find_lines(specs, ncolumns, &t.lines);
    ask_tile(&t, 0);
    ask_tile(&t, TILE);
    walk_tile(&t, 0);
    for (int32_t at = 0; at < n; at += TILE) {
        ask_tile(&t, at + 2 * TILE);
        walk_tile(&t, at + TILE);
        read_tile(&t, at);
    }
    for (int c = 0; c < ncolumns; c++) {
        bound(specs[c], t.seen[c], vecs[c], lane, n);
        vecs[c]->seen |= t.seen[c];
    }
}

void pf_gather_objects(const pf_gather_leaf *g, int64_t row, int32_t n, int32_t lane,
                       const pf_column_spec *const *specs, pf_vec *const *vecs, uint8_t *const *kinds, int ncolumns)
{
    const pf_column_spec *path_specs[PF_MAX_COLUMNS];
    pf_vec *path_vecs[PF_MAX_COLUMNS];
    uint8_t *path_kinds[PF_MAX_COLUMNS];
    int npaths = 0;
    for (int c = 0; c < ncolumns; c++) {
        if (specs[c]->npath == 0) {
            gather_flat(g, row, n, lane, specs[c], vecs[c], kinds[c]);
        } else {
            path_specs[npaths] = specs[c];
            path_vecs[npaths] = vecs[c];
            path_kinds[npaths++] = kinds[c];
        }
    }
    if (npaths > 0) {
        gather_paths(g, row, n, lane, path_specs, path_vecs, path_kinds, npaths);
    }
}

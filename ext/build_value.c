/* Abstract values: constants, what is watched, and what is read from the items of the source. */
#include <string.h>

#include "build_internal.h"
#include "gather.h"
#include "intrinsics.h"

/* ---- making values ---- */

static pf_av blank(uint8_t tag)
{
    pf_av av;
    memset(&av, 0, sizeof av);
    av.tag = tag;
    av.path = av.watch = -1;
    return av;
}

pf_av pf_av_of(pf_kinds kinds, pf_ref ref)
{
    pf_av av = blank(PF_AV_SCALAR);
    av.kinds = kinds;
    av.ref = ref;
    return av;
}

pf_av pf_av_none(pf_builder *b)
{
    pf_av av = pf_av_of(PF_K_NONE, pf_ir_const_none(b->fn));
    av.py = Py_None;
    return av;
}

pf_av pf_av_tuple(pf_builder *b, int n)
{
    pf_av av = blank(PF_AV_TUPLE);
    av.n = n;
    av.items = pf_b_alloc(b, sizeof(pf_av) * (size_t)(n > 0 ? n : 1));
    for (int i = 0; av.items != NULL && i < n; i++) {
        av.items[i] = blank(PF_AV_UNBOUND);
    }
    return av;
}

static pf_ref const_str(pf_builder *b, PyObject *object)
{
    for (int i = 0; i < b->nstrings; i++) {
        if (b->strings[i] == object) {
            return pf_ir_const_str(b->fn, (uint32_t)i);
        }
    }
    if (b->nstrings == PF_MAX_PARAMS) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return PF_NOREF;
    }
    const char *text = PyUnicode_AsUTF8(object);
    if (text == NULL) {
        PyErr_Clear(); /* a lone surrogate: the text is for printing only */
        text = "?";
    }
    b->strings[b->nstrings++] = Py_NewRef(object);
    return pf_ir_const_str(b->fn, pf_ir_add_string(b->fn, text));
}

pf_av pf_av_const(pf_builder *b, PyObject *object)
{
    pf_scalar scalar;
    pf_av av = blank(PF_AV_PY);
    av.py = object;
    switch (pf_scalar_of(object, &scalar)) {
    case PF_K_NONE:
        return pf_av_none(b);
    case PF_K_BOOL:
        av = pf_av_of(PF_K_BOOL, pf_ir_const_bool(b->fn, scalar.u.i));
        break;
    case PF_K_I64:
        av = pf_av_of(PF_K_I64, pf_ir_const_i64(b->fn, scalar.u.i));
        break;
    case PF_K_F64:
        av = pf_av_of(PF_K_F64, pf_ir_const_f64(b->fn, scalar.u.f));
        break;
    case PF_K_STR:
        av = pf_av_of(PF_K_STR, const_str(b, object));
        break;
    default:
        return av;
    }
    av.py = object;
    return av;
}

/* ---- watches ---- */

static bool same_watch(const pf_watch *a, const pf_watch *w)
{
    return a->how == w->how && a->parent == w->parent && a->index == w->index &&
           (a->name == w->name || (a->name != NULL && w->name != NULL && PyUnicode_Compare(a->name, w->name) == 0));
}

static int new_param(pf_builder *b, pf_kinds kind)
{
    if (b->nparams == PF_MAX_PARAMS) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return -1;
    }
    pf_ir_add_param(b->fn, kind);
    return b->nparams++;
}

/* Things a plan may keep: they live as long as the code that names them, or cannot change. */
static bool is_fixture(PyObject *value)
{
    return PyType_Check(value) || PyModule_CheckExact(value) || PyCFunction_CheckExact(value) ||
           (PyLong_CheckExact(value) && pf_b_large(value, NULL)) || pf_intrinsic_of(value) != NULL;
}

/* A getter is as good as another that gets the same. */
static bool expect_getter(pf_watch *watch, PyObject *value)
{
    enum { MOST = 64 };
    Py_ssize_t n = 0;
    PyObject *words = pf_is_itemgetter(value) || pf_is_attrgetter(value) ? pf_getter_words(value, &n) : NULL;
    if (words == NULL || n > MOST) {
        return false;
    }
    watch->expect = PF_EXPECT_GETTER;
    watch->size = (int32_t)n;
    watch->container = Py_TYPE(value);
    watch->expected = Py_NewRef(words);
    return true;
}

static void expect(pf_watch *watch, PyObject *value)
{
    pf_kinds kind = pf_scalar_of(value, NULL);
    watch->param = watch->handle_param = -1;
    watch->size = 0;
    if (kind < PF_K_OTHER) {
        watch->expect = PF_EXPECT_SCALAR;
        watch->kind = kind;
    } else if (PyFunction_Check(value)) {
        PyObject *defaults = ((PyFunctionObject *)value)->func_defaults;
        watch->expect = PF_EXPECT_CODE;
        watch->expected = Py_NewRef(((PyFunctionObject *)value)->func_code);
        watch->size = defaults != NULL && PyTuple_Check(defaults) ? (int32_t)PyTuple_GET_SIZE(defaults) : 0;
    } else if (PyGen_CheckExact(value)) {
        watch->expect = PF_EXPECT_GENEXPR;
        watch->expected = Py_NewRef((PyObject *)pf_genexpr_code(value));
    } else if (pf_is_partial(value)) {
        watch->expect = PF_EXPECT_PARTIAL;
        watch->size = (int32_t)PyTuple_GET_SIZE(pf_partial_args(value));
        PyObject *keywords = pf_partial_keywords(value);
        watch->expected = keywords != NULL && PyDict_CheckExact(keywords) ? PySequence_Tuple(keywords) : PyTuple_New(0);
    } else if (expect_getter(watch, value)) {
        return;
    } else if (is_fixture(value)) {
        watch->expect = PF_EXPECT_SAME;
        watch->expected = Py_NewRef(value);
    } else {
        watch->expect = PF_EXPECT_TYPE;
        watch->expected = Py_NewRef((PyObject *)Py_TYPE(value));
    }
}

PyObject *pf_b_elements(pf_builder *b, const pf_av *av)
{
    enum { MOST = 16 };
    if (av->watch < 0) {
        return av->py;
    }
    pf_watch *watch = &b->watches[av->watch];
    if (watch->expect == PF_EXPECT_ITEMS) {
        return watch->expected;
    }
    Py_ssize_t n = Py_SIZE(av->py);
    bool list = PyList_CheckExact(av->py);
    if (n > MOST) {
        pf_b_refuse(b, PF_REASON_MUTABLE_CAPTURE);
        return NULL;
    }
    PyObject *items = PyTuple_New(n); /* a copy: the container itself is not kept alive */
    if (items == NULL) {
        b->error = true;
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(items, i, Py_NewRef(list ? PyList_GET_ITEM(av->py, i) : PyTuple_GET_ITEM(av->py, i)));
    }
    watch->expect = PF_EXPECT_ITEMS;
    watch->container = Py_TYPE(av->py);
    Py_SETREF(watch->expected, items);
    return items;
}

/* A constant container of the code, as a watch whose value is always it. */
static int constant_watch(pf_builder *b, PyObject *container)
{
    for (int i = 0; i < b->nwatches; i++) {
        if (b->watches[i].how == PF_WATCH_CONSTANT && b->watches[i].expected == container) {
            return i;
        }
    }
    pf_watch watch = {.how = PF_WATCH_CONSTANT, .parent = -1, .index = b->nwatches};
    int made = pf_b_watch(b, watch, container);
    if (made >= 0) {
        b->watches[made].expect = PF_EXPECT_SAME;
        Py_XSETREF(b->watches[made].expected, Py_NewRef(container));
    }
    return made;
}

pf_ref pf_b_table(pf_builder *b, const pf_av *container)
{
    int index = container->watch >= 0 ? container->watch : constant_watch(b, container->py), tables = 0;
    for (int i = 0; i < b->nwatches; i++) {
        tables += b->watches[i].table != NULL;
    }
    if (index < 0) {
        return PF_NOREF;
    }
    pf_watch *watch = &b->watches[index];
    if (watch->table == NULL) {
        const pf_watch_roots roots = pf_roots_of(b->request);
        int param = tables < PF_MAX_TABLES ? new_param(b, PF_K_OBJ) : -1;
        if (param < 0) {
            pf_b_refuse(b, PF_REASON_TOO_LARGE);
            return PF_NOREF;
        }
        watch->table = pf_watch_table(watch, container->py, &roots, param);
        if (watch->table == NULL) {
            b->error = true;
            PyErr_NoMemory();
            return PF_NOREF;
        }
    }
    if (watch->table->refused) {
        pf_b_refuse(b, PF_REASON_MUTABLE_CAPTURE);
        return PF_NOREF;
    }
    return pf_ir_param(b->fn, (uint32_t)watch->table->param);
}

int pf_b_watch(pf_builder *b, pf_watch watch, PyObject *value)
{
    for (int i = 0; i < b->nwatches; i++) {
        if (same_watch(&b->watches[i], &watch)) {
            return i;
        }
    }
    if (b->nwatches == PF_MAX_WATCHES) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return -1;
    }
    watch.expected = NULL;
    watch.table = NULL;
    expect(&watch, value);
    if (watch.expect != PF_EXPECT_SCALAR && watch.expected == NULL) {
        b->error = true;
        return -1;
    }
    Py_XINCREF(watch.name);
    b->watches[b->nwatches] = watch;
    return b->nwatches++;
}

/* The current value of a watch, from the objects of this very call. */
static PyObject *watch_value(pf_builder *b, int index)
{
    const pf_watch_roots roots = pf_roots_of(b->request);
    return pf_watch_value(b->watches, index, &roots);
}

/* A captured range is its three numbers; the step, which decides the direction, has to stay what it is. */
static pf_av watched_range(pf_builder *b, int index, PyObject *range)
{
    pf_av av = pf_av_tuple(b, 3);
    av.py = range;
    av.watch = index;
    av.tag = PF_AV_RANGE;
    for (int i = 0; i < 3 && av.items != NULL; i++) {
        pf_watch field = {.how = PF_WATCH_RANGE, .parent = (int16_t)index, .index = i};
        av.items[i] = pf_b_watched(b, field);
        if (av.items[i].tag != PF_AV_SCALAR || av.items[i].kinds != PF_K_I64) {
            pf_b_refuse(b, PF_REASON_RANGE_TOO_LARGE);
        }
    }
    if (!pf_b_dead(b)) {
        int step = av.items[2].watch;
        PyObject *value = watch_value(b, step);
        b->watches[step].expect = PF_EXPECT_EQUAL;
        Py_XSETREF(b->watches[step].expected, Py_NewRef(value));
        av.items[2] = pf_av_const(b, value);
    }
    return av;
}

pf_av pf_b_watched(pf_builder *b, pf_watch watch)
{
    pf_av av = blank(PF_AV_UNBOUND);
    const pf_watch_roots roots = pf_roots_of(b->request);
    PyObject *value = pf_watch_read(&watch, watch.parent >= 0 ? watch_value(b, watch.parent) : NULL, &roots);
    if (value == NULL) {
        return av;
    }
    int index = pf_b_watch(b, watch, value);
    if (index < 0) {
        return av;
    }
    pf_watch *made = &b->watches[index];
    if (PyRange_Check(value) && made->expect == PF_EXPECT_TYPE) {
        return watched_range(b, index, value);
    }
    if (made->expect != PF_EXPECT_SCALAR) {
        av.tag = PF_AV_PY;
        av.py = value;
        av.watch = index;
        return av;
    }
    if (made->kind == PF_K_NONE) {
        return pf_av_none(b);
    }
    if (made->param < 0) {
        made->param = new_param(b, made->kind);
        if (made->param < 0) {
            return av;
        }
    }
    av = pf_av_of(made->kind, pf_ir_param(b->fn, (uint32_t)made->param));
    av.watch = index;
    return av;
}

/* ---- the source's items ---- */

/* What of a path a column holds. PRESENCE reads the object only to see that the path can be walked; its kinds are two, so
 * that a test of them is not folded away. NONE_TOO is the value where no None was sampled beside objects: among these, VALUE
 * takes one for an object like any other. */
typedef enum { VALUE, HANDLE, PRESENCE, NONE_TOO } column_of;
_Static_assert(NONE_TOO + 1 == PF_PATH_COLUMNS, "a column for each");

int pf_b_add_path(pf_builder *b, const pf_access *at)
{
    for (int i = 0; i < b->npaths; i++) {
        if (pf_same_access(&b->paths[i].at, at)) {
            return i;
        }
    }
    if (b->npaths == PF_MAX_PATHS) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return -1;
    }
    pf_path *made = &b->paths[b->npaths];
    made->at = *at;
    for (int what = 0; what < PF_PATH_COLUMNS; what++) {
        made->column[what] = -1;
    }
    pf_sample sample;
    const pf_watch_roots roots = pf_roots_of(b->request);
    pf_sample_at(at, b->watches, &roots, PF_SAMPLE, &sample);
    made->kinds = sample.kinds;
    made->type = sample.type;
    made->mixed = sample.mixed;
    made->size = sample.size;
    return b->npaths++;
}

int pf_b_leaf_path(pf_builder *b, int leaf)
{
    pf_access at;
    memset(&at, 0, sizeof at);
    at.leaf = (int16_t)leaf;
    at.watch = -1;
    return pf_b_add_path(b, &at);
}

int pf_b_captured_path(pf_builder *b, const pf_av *container)
{
    pf_access at;
    memset(&at, 0, sizeof at);
    at.leaf = -1;
    at.watch = (int16_t)(container->watch >= 0 ? container->watch : constant_watch(b, container->py));
    return at.watch < 0 ? -1 : pf_b_add_path(b, &at);
}

int pf_b_path_step(pf_builder *b, int path, const pf_path_step *step)
{
    pf_access longer = b->paths[path].at;
    if (longer.npath == PF_MAX_PATH) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return -1;
    }
    longer.path[longer.npath++] = *step;
    return pf_b_add_path(b, &longer);
}

int pf_b_path_column(pf_builder *b, int path, int what)
{
    pf_path *p = &b->paths[path];
    int *column = &p->column[what];
    if (*column < 0 && b->nstages > pf_access_stage(&p->at)) { /* only there it can be read: hand it down from there */
        if (b->wants->n == PF_MAX_COLUMNS) {
            pf_b_refuse(b, PF_REASON_TOO_LARGE);
            return -1;
        }
        b->wants->list[b->wants->n].at = p->at;
        b->wants->list[b->wants->n++].what = what;
        b->again = true;
        return -1;
    }
    if (*column < 0) {
        pf_pyplan *plan = b->plan;
        if (plan->ncolumns == PF_MAX_COLUMNS) {
            pf_b_refuse(b, PF_REASON_TOO_LARGE);
            return -1;
        }
        pf_column_spec *spec = &plan->columns[plan->ncolumns];
        const int within = pf_access_within(&p->at);
        spec->at = p->at;
        spec->npath = p->at.npath - within;
        spec->path = spec->at.path + within;
        spec->kinds = what == HANDLE     ? PF_K_OBJ
                      : what == PRESENCE ? PF_K_OBJ | PF_K_NONE
                      : what == NONE_TOO ? p->kinds | PF_K_NONE
                                         : p->kinds;
        spec->presence = what == PRESENCE;
        const pf_column_from from = within == 0 ? PF_FROM_SOURCE : PF_FROM_INNER;
        *column = (int)pf_ir_add_column(b->fn, spec->kinds, from, (uint32_t)plan->ncolumns);
        plan->ncolumns++;
    }
    return *column;
}

pf_av pf_b_item(pf_builder *b, int path)
{
    if (path < 0) {
        return blank(PF_AV_UNBOUND);
    }
    int column = pf_b_path_column(b, path, b->paths[path].kinds == PF_K_OBJ ? HANDLE : VALUE);
    if (column < 0) {
        return blank(PF_AV_UNBOUND);
    }
    pf_av av = pf_av_of(b->paths[path].kinds, pf_ir_column(b->fn, (uint32_t)column));
    av.path = path;
    return av;
}

pf_ref pf_b_presence(pf_builder *b, int path)
{
    int column = pf_b_path_column(b, path, PRESENCE);
    return column < 0 ? PF_NOREF : pf_ir_column(b->fn, (uint32_t)column);
}

pf_ref pf_b_none_or_object(pf_builder *b, int path)
{
    int column = pf_b_path_column(b, path, NONE_TOO);
    return column < 0 ? PF_NOREF : pf_ir_column(b->fn, (uint32_t)column);
}

static pf_objects path_objects(const pf_builder *b, const pf_path *path)
{
    const pf_chain *chain = b->request->chain;
    return pf_access_stage(&path->at) > 0 ? PF_OBJECTS_ALL : pf_leaf_objects(chain, &chain->leaves[path->at.leaf]);
}

bool pf_b_always_object(const pf_builder *b, const pf_av *av)
{
    if (av->handle != PF_NOREF) {
        return !av->partial;
    }
    return av->py != NULL || av->watch >= 0 ||
           (av->tag == PF_AV_SCALAR && av->path >= 0 && path_objects(b, &b->paths[av->path]) == PF_OBJECTS_ALL);
}

pf_ref pf_b_handle(pf_builder *b, const pf_av *av)
{
    if (av->handle != PF_NOREF) {
        return av->handle;
    }
    if (av->py != NULL && av->watch < 0) {
        int param = -1;
        for (int p = 0; p < b->nparams && param < 0; p++) {
            param = b->constants[p] == av->py ? p : -1;
        }
        if (param < 0) {
            param = new_param(b, PF_K_OBJ);
            if (param < 0) {
                return PF_NOREF;
            }
            b->constants[param] = Py_NewRef(av->py);
        }
        return pf_ir_param(b->fn, (uint32_t)param);
    }
    if (av->watch >= 0) {
        pf_watch *watch = &b->watches[av->watch];
        if (watch->handle_param < 0) {
            watch->handle_param = new_param(b, PF_K_OBJ);
        }
        return watch->handle_param < 0 ? PF_NOREF : pf_ir_param(b->fn, (uint32_t)watch->handle_param);
    }
    if (av->tag == PF_AV_SCALAR && av->path >= 0) {
        if (path_objects(b, &b->paths[av->path]) == PF_OBJECTS_NONE) {
            return PF_NOREF;
        }
        int column = pf_b_path_column(b, av->path, HANDLE);
        return column < 0 ? PF_NOREF : pf_ir_column(b->fn, (uint32_t)column);
    }
    return PF_NOREF;
}

pf_ref pf_b_null_handle(pf_builder *b)
{
    if (b->null_handle == PF_NOREF) {
        int param = new_param(b, PF_K_OBJ); /* no constant is bound to it: its handle stays 0 */
        b->null_handle = param < 0 ? PF_NOREF : pf_ir_param(b->fn, (uint32_t)param);
    }
    return b->null_handle;
}

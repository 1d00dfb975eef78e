/* Abstract values: where they come from, how a state is split by kind, and how states are merged. */
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
           PyFrozenSet_CheckExact(value) || pf_is_itemgetter(value) || pf_is_attrgetter(value) ||
           pf_intrinsic_of(value) != NULL;
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
    const pf_watch *watch = &b->watches[index];
    pf_watch_roots roots = {b->request->chain, b->request->extra, b->request->nextra};
    return pf_watch_read(watch, watch->parent >= 0 ? watch_value(b, watch->parent) : NULL, &roots);
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
    pf_watch_roots roots = {b->request->chain, b->request->extra, b->request->nextra};
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
 * that a test of them is not folded away. */
typedef enum { VALUE, HANDLE, PRESENCE } column_of;

int pf_b_add_path(pf_builder *b, const pf_path *path)
{
    for (int i = 0; i < b->npaths; i++) {
        const pf_path *p = &b->paths[i];
        if (p->leaf == path->leaf && p->npath == path->npath &&
            memcmp(p->steps, path->steps, sizeof(pf_path_step) * (size_t)path->npath) == 0) {
            return i;
        }
    }
    if (b->npaths == PF_MAX_PATHS) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return -1;
    }
    b->paths[b->npaths] = *path;
    pf_path *made = &b->paths[b->npaths];
    made->column[VALUE] = made->column[HANDLE] = made->column[PRESENCE] = -1;
    pf_sample sample;
    pf_sample_path(b->request->chain, made->leaf, made->steps, made->npath, PF_SAMPLE, &sample);
    made->kinds = sample.kinds;
    made->type = sample.type;
    made->mixed = sample.mixed;
    made->size = sample.size;
    return b->npaths++;
}

int pf_b_leaf_path(pf_builder *b, int leaf)
{
    pf_path path;
    memset(&path, 0, sizeof path);
    path.leaf = leaf;
    return pf_b_add_path(b, &path);
}

int pf_b_path_step(pf_builder *b, int path, const pf_path_step *step)
{
    pf_path longer = b->paths[path];
    if (longer.npath == PF_MAX_PATH) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return -1;
    }
    longer.steps[longer.npath++] = *step;
    return pf_b_add_path(b, &longer);
}

int pf_b_path_column(pf_builder *b, int path, int what)
{
    pf_path *p = &b->paths[path];
    int *column = &p->column[what];
    if (*column < 0 && b->nstages > 0) { /* only the first stage reads the source: hand it down from there */
        if (b->wants->n == PF_MAX_COLUMNS) {
            pf_b_refuse(b, PF_REASON_TOO_LARGE);
            return -1;
        }
        b->wants->list[b->wants->n].path = *p;
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
        spec->leaf = p->leaf;
        spec->npath = p->npath;
        memcpy(spec->path, p->steps, sizeof p->steps);
        spec->kinds = what == HANDLE ? PF_K_OBJ : what == PRESENCE ? PF_K_OBJ | PF_K_NONE : p->kinds;
        spec->presence = what == PRESENCE;
        *column = (int)pf_ir_add_column(b->fn, spec->kinds, PF_FROM_SOURCE, (uint32_t)plan->ncolumns);
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
    pf_kinds sampled = b->paths[path].kinds;
    b->paths[path].kinds |= PF_K_NONE;
    int column = pf_b_path_column(b, path, VALUE);
    b->paths[path].kinds = sampled;
    return column < 0 ? PF_NOREF : pf_ir_column(b->fn, (uint32_t)column);
}

static pf_objects leaf_objects(const pf_builder *b, const pf_av *av)
{
    const pf_chain *chain = b->request->chain;
    return pf_leaf_objects(chain, &chain->leaves[b->paths[av->path].leaf]);
}

bool pf_b_always_object(const pf_builder *b, const pf_av *av)
{
    if (av->handle != PF_NOREF) {
        return !av->partial;
    }
    return av->py != NULL || av->watch >= 0 || (av->tag == PF_AV_SCALAR && av->path >= 0 && leaf_objects(b, av) == PF_OBJECTS_ALL);
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
        if (leaf_objects(b, av) == PF_OBJECTS_NONE) {
            return PF_NOREF;
        }
        int column = pf_b_path_column(b, av->path, HANDLE);
        return column < 0 ? PF_NOREF : pf_ir_column(b->fn, (uint32_t)column);
    }
    return PF_NOREF;
}

/* ---- states ---- */

static pf_frame_state *copy_frames(pf_builder *b, const pf_frame_state *frame)
{
    if (frame == NULL) {
        return NULL;
    }
    size_t nlocals = (size_t)frame->act->code->nlocalsplus, nstack = (size_t)frame->act->code->max_depth + 2;
    pf_frame_state *copy = pf_b_alloc(b, sizeof *copy + sizeof(pf_av) * (nlocals + nstack));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *frame;
    copy->locals = (pf_av *)(copy + 1);
    copy->stack = copy->locals + nlocals;
    memcpy(copy->locals, frame->locals, sizeof(pf_av) * nlocals);
    memcpy(copy->stack, frame->stack, sizeof(pf_av) * (size_t)frame->depth);
    copy->parent = copy_frames(b, frame->parent);
    return copy;
}

pf_state *pf_b_fork(pf_builder *b, const pf_state *st, pf_block block)
{
    pf_state *copy = pf_b_alloc(b, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *st;
    copy->block = block;
    copy->open = false;
    copy->next = NULL;
    copy->frame = copy_frames(b, st->frame);
    return copy;
}

static pf_block new_block(pf_builder *b, uint32_t nargs, const pf_kinds *kinds)
{
    if (b->fn->nblocks >= PF_MAX_BLOCKS) {
        pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
    }
    return pf_ir_block(b->fn, nargs, kinds);
}

void pf_b_open(pf_builder *b, pf_state *st)
{
    if (!st->open) {
        pf_ir_start(b->fn, st->block);
        st->open = true;
    }
}

void pf_b_close(pf_builder *b, pf_state *st)
{
    if (st->open) {
        pf_block next = new_block(b, 0, NULL);
        pf_ir_jump(b->fn, next, 0, NULL);
        st->block = next;
        st->open = false;
    }
}

void pf_b_branch(pf_builder *b, pf_state *st, pf_ref cond, pf_state **yes, pf_state **no)
{
    pf_block by = new_block(b, 0, NULL), bn = new_block(b, 0, NULL);
    pf_ir_branch(b->fn, cond, by, 0, NULL, bn, 0, NULL);
    *yes = pf_b_fork(b, st, by);
    *no = pf_b_fork(b, st, bn);
}

void pf_b_bail(pf_builder *b, pf_state *st)
{
    pf_ir_bail(b->fn, pf_b_place(b));
    st->open = false;
}

/* ---- splitting ---- */

static void replace_in(pf_builder *b, pf_av *av, pf_ref old, const pf_av *with)
{
    if (av->tag == PF_AV_SCALAR && av->ref == old) {
        pf_ref handle = av->handle;
        bool partial = av->partial;
        *av = *with;
        av->handle = handle;
        av->partial = partial;
    } else if (av->n > 0) {
        pf_av copy = pf_av_tuple(b, av->n);
        for (int i = 0; copy.items != NULL && i < av->n; i++) {
            copy.items[i] = av->items[i];
            replace_in(b, &copy.items[i], old, with);
        }
        av->items = copy.items;
    }
}

static void replace_everywhere(pf_builder *b, pf_state *st, pf_ref old, const pf_av *with)
{
    for (pf_frame_state *f = st->frame; f != NULL; f = f->parent) {
        for (int i = 0; i < f->act->code->nlocalsplus; i++) {
            replace_in(b, &f->locals[i], old, with);
        }
        for (int i = 0; i < f->depth; i++) {
            replace_in(b, &f->stack[i], old, with);
        }
    }
    for (int i = 0; i < st->ncarry; i++) {
        replace_in(b, &st->carry[i], old, with);
    }
    replace_in(b, &st->value, old, with);
}

static void push_split(pf_builder *b, pf_state *st)
{
    if (st != NULL) {
        st->next = b->split;
        b->split = st;
    }
}

void pf_b_rely(pf_builder *b, const pf_av *av)
{
    if (av->tag != PF_AV_SCALAR || av->ref == PF_NOREF || pf_b_dead(b)) {
        return;
    }
    const pf_inst *inst = &b->fn->insts[av->ref];
    if (inst->op == PF_OP_column) {
        b->fn->columns[inst->imm.k].checked = true;
    } else if (inst->op == PF_OP_arg || inst->op == PF_OP_narrow) { /* a value of several origins: all of them */
        for (uint32_t c = 0; c < b->fn->ncolumns; c++) {
            b->fn->columns[c].checked |= (b->fn->columns[c].kinds & PF_K_OBJ) == 0;
        }
    }
}

bool pf_b_mono(pf_builder *b, pf_state *st, pf_av *av)
{
    if (pf_b_dead(b)) {
        return false;
    }
    if (av->tag != PF_AV_SCALAR || pf_kinds_single(av->kinds)) {
        pf_b_rely(b, av);
        return true;
    }
    /* one kind, and the rest, which is split again when the op is tried again */
    pf_kinds first = av->kinds & (pf_kinds)-av->kinds, rest = av->kinds & (pf_kinds)~first;
    pf_state *ways[2];
    pf_b_branch(b, st, pf_ir_is_kind(b->fn, av->ref, first), &ways[0], &ways[1]);
    for (int i = 0; i < 2 && ways[i] != NULL; i++) {
        pf_kinds kinds = i == 0 ? first : rest;
        pf_b_open(b, ways[i]);
        pf_av narrow = *av;
        narrow.kinds = kinds;
        if (kinds == PF_K_NONE) {
            narrow = pf_av_none(b);
        } else {
            narrow.ref = pf_ir_narrow(b->fn, av->ref, kinds, pf_b_place(b));
        }
        replace_everywhere(b, ways[i], av->ref, &narrow);
        pf_b_close(b, ways[i]);
        push_split(b, ways[i]);
    }
    st->open = false;
    return false;
}

/* ---- merging ---- */

bool pf_av_same_shape(const pf_av *a, const pf_av *b)
{
    if (a->tag != b->tag) {
        return false;
    }
    switch (a->tag) {
    case PF_AV_SCALAR:
        /* an opaque object keeps what is known of it only together with its path */
        return a->kinds == b->kinds && (a->kinds != PF_K_OBJ || a->path == b->path);
    case PF_AV_TUPLE:
    case PF_AV_RANGE:
    case PF_AV_ITERATOR:
        if (a->n != b->n) {
            return false;
        }
        for (int i = 0; i < a->n; i++) {
            if (!pf_av_same_shape(&a->items[i], &b->items[i])) {
                return false;
            }
        }
        return true;
    case PF_AV_PY:
        return a->py == b->py && a->watch == b->watch;
    default:
        return true;
    }
}

static bool same_frames(const pf_frame_state *a, const pf_frame_state *b)
{
    for (; a != NULL && b != NULL; a = a->parent, b = b->parent) {
        if (a->act != b->act || a->depth != b->depth) {
            return false;
        }
        for (int i = 0; i < a->act->code->nlocalsplus; i++) {
            if (!pf_av_same_shape(&a->locals[i], &b->locals[i])) {
                return false;
            }
        }
        for (int i = 0; i < a->depth; i++) {
            if (!pf_av_same_shape(&a->stack[i], &b->stack[i])) {
                return false;
            }
        }
    }
    return a == b;
}

static bool same_state(const pf_state *a, const pf_state *b)
{
    if (a->ncarry != b->ncarry || !pf_av_same_shape(&a->value, &b->value) || !same_frames(a->frame, b->frame)) {
        return false;
    }
    for (int i = 0; i < a->ncarry; i++) {
        if (!pf_av_same_shape(&a->carry[i], &b->carry[i])) {
            return false;
        }
    }
    return true;
}

enum { MAX_JOIN = 24, MAX_PHI = 64 };

/* One join being made: k states, and the block arguments found so far. */
typedef struct join {
    pf_builder *b;
    int k, nphi;
    pf_state *states[MAX_JOIN];
    pf_ref args[MAX_JOIN][MAX_PHI];
    pf_kinds kinds[MAX_PHI];
    pf_av *targets[MAX_PHI]; /* values of the merged state that become arguments */
    bool is_handle[MAX_PHI];
    bool too_many;
} join;

static void add_phi(join *j, pf_av *target, const pf_ref *refs, pf_kinds kinds, bool is_handle)
{
    if (j->nphi == MAX_PHI) {
        j->too_many = true;
        return;
    }
    for (int s = 0; s < j->k; s++) {
        j->args[s][j->nphi] = refs[s];
    }
    j->kinds[j->nphi] = kinds;
    j->targets[j->nphi] = target;
    j->is_handle[j->nphi++] = is_handle;
}

static pf_ref null_handle(pf_builder *b)
{
    if (b->null_handle == PF_NOREF) {
        int param = new_param(b, PF_K_OBJ); /* no constant is bound to it: its handle stays 0 */
        b->null_handle = param < 0 ? PF_NOREF : pf_ir_param(b->fn, (uint32_t)param);
    }
    return b->null_handle;
}

static void join_scalar(join *j, pf_av *target, const pf_av *const *avs)
{
    bool differ = false, same_origin = true;
    for (int s = 1; s < j->k; s++) {
        differ |= avs[s]->ref != avs[0]->ref || avs[s]->handle != avs[0]->handle;
        same_origin &= avs[s]->py == avs[0]->py && avs[s]->watch == avs[0]->watch && avs[s]->path == avs[0]->path &&
                       avs[s]->handle == avs[0]->handle;
    }
    if (!differ && same_origin) {
        return;
    }
    for (int s = 0; s < j->k; s++) {
        target->origin = avs[s]->origin != 0 ? PF_ORIGIN_MIXED : target->origin;
    }
    pf_ref refs[MAX_JOIN], handles[MAX_JOIN];
    bool any_handle = false, partial = false, handles_differ = false, refs_differ = false;
    for (int s = 0; s < j->k; s++) {
        refs[s] = avs[s]->ref;
        handles[s] = same_origin ? PF_NOREF : pf_b_handle(j->b, avs[s]);
        any_handle |= handles[s] != PF_NOREF;
        partial |= !pf_b_always_object(j->b, avs[s]);
        refs_differ |= refs[s] != refs[0];
    }
    for (int s = 0; any_handle && s < j->k; s++) {
        handles[s] = handles[s] != PF_NOREF ? handles[s] : null_handle(j->b);
        handles_differ |= handles[s] != handles[0];
    }
    if (refs_differ && avs[0]->kinds != PF_K_NONE) {
        add_phi(j, target, refs, avs[0]->kinds, false);
    }
    if (!same_origin) {
        if (avs[0]->kinds != PF_K_OBJ) { /* the path of an opaque object is part of its shape */
            target->path = -1;
        }
        target->py = NULL;
        target->watch = -1;
        target->handle = any_handle ? handles[0] : PF_NOREF;
        target->partial = any_handle && partial;
        if (handles_differ) {
            add_phi(j, target, handles, PF_K_OBJ, true);
        }
    }
}

static void join_value(join *j, pf_av *target, const pf_av *const *avs)
{
    if (target->tag == PF_AV_SCALAR) {
        join_scalar(j, target, avs);
    } else if (target->n > 0) {
        for (int s = 1; s < j->k; s++) {
            bool one = avs[s]->items == avs[0]->items;
            target->origin = !one && (avs[s]->origin != 0 || avs[0]->origin != 0) ? PF_ORIGIN_MIXED : target->origin;
        }
        pf_av fresh = pf_av_tuple(j->b, target->n);
        for (int i = 0; fresh.items != NULL && i < target->n; i++) {
            const pf_av *parts[MAX_JOIN];
            for (int s = 0; s < j->k; s++) {
                parts[s] = &avs[s]->items[i];
            }
            fresh.items[i] = *parts[0];
            join_value(j, &fresh.items[i], parts);
        }
        target->items = fresh.items;
    }
}

/* Collects the same slot of every state: f(state) gives its address. */
#define JOIN_SLOT(j, merged, expr)                                                                                     \
    do {                                                                                                               \
        const pf_av *slots_[MAX_JOIN];                                                                                 \
        for (int s_ = 0; s_ < (j)->k; s_++) {                                                                          \
            const pf_state *each = (j)->states[s_];                                                                    \
            slots_[s_] = &(expr);                                                                                      \
        }                                                                                                              \
        join_value((j), (merged), slots_);                                                                             \
    } while (0)

static const pf_frame_state *frame_at(const pf_state *st, int up)
{
    const pf_frame_state *f = st->frame;
    while (up-- > 0) {
        f = f->parent;
    }
    return f;
}

static pf_state *join_states(join *j)
{
    pf_builder *b = j->b;
    pf_state *merged = pf_b_fork(b, j->states[0], 0);
    if (merged == NULL) {
        return NULL;
    }
    int up = 0;
    for (pf_frame_state *f = merged->frame; f != NULL; f = f->parent, up++) {
        for (int i = 0; i < f->act->code->nlocalsplus; i++) {
            JOIN_SLOT(j, &f->locals[i], frame_at(each, up)->locals[i]);
        }
        for (int i = 0; i < f->depth; i++) {
            JOIN_SLOT(j, &f->stack[i], frame_at(each, up)->stack[i]);
        }
    }
    for (int i = 0; i < merged->ncarry; i++) {
        JOIN_SLOT(j, &merged->carry[i], each->carry[i]);
    }
    JOIN_SLOT(j, &merged->value, each->value);
    if (j->too_many) {
        pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
        return NULL;
    }
    merged->block = new_block(b, (uint32_t)j->nphi, j->kinds);
    for (int s = 0; s < j->k; s++) {
        pf_b_open(b, j->states[s]);
        pf_ir_jump(b->fn, merged->block, (uint32_t)j->nphi, j->args[s]);
    }
    pf_b_open(b, merged);
    for (int p = 0; p < j->nphi; p++) {
        pf_ref arg = pf_ir_arg(b->fn, merged->block, (uint32_t)p);
        if (j->is_handle[p]) {
            j->targets[p]->handle = arg;
        } else {
            j->targets[p]->ref = arg;
        }
    }
    pf_b_close(b, merged);
    return merged;
}

pf_state *pf_b_merge(pf_builder *b, pf_state *list)
{
    pf_state *out = NULL, **tail = &out;
    int versions = 0;
    while (list != NULL && !pf_b_dead(b)) {
        join *j = pf_b_alloc(b, sizeof *j);
        if (j == NULL) {
            return NULL;
        }
        j->b = b;
        j->states[j->k++] = list;
        pf_state *rest = NULL, **rest_tail = &rest, *next;
        for (pf_state *st = list->next; st != NULL; st = next) {
            next = st->next;
            if (j->k < MAX_JOIN && same_state(list, st)) {
                j->states[j->k++] = st;
            } else {
                *rest_tail = st;
                rest_tail = &st->next;
                st->next = NULL;
            }
        }
        pf_state *one = j->k == 1 ? list : join_states(j);
        if (one == NULL) {
            return NULL;
        }
        one->next = NULL;
        *tail = one;
        tail = &one->next;
        list = rest;
        if (++versions > PF_MAX_VERSIONS) {
            pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
        }
    }
    return pf_b_dead(b) ? NULL : out;
}

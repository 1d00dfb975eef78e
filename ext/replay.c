/* Whether a failed row can disturb what was computed beyond it (replay.h). */
#include "replay.h"

#include "dicts.h"
#include "effects.h"

/* ---- objects ---- */

enum { MOST_OBJECTS = 4096, MOST_LEVELS = 8 };

/* lists: at so many levels lists may stand, since what is there is only iterated and taken apart; as an operand a list
 * is none of ours, since it may be changed in place. */
static bool harmless(PyObject *object, int lists, int level, int *left)
{
#ifdef PF_PLANTED_BUG_LISTS_ALL_THE_WAY
    lists = lists > 0 ? MOST_LEVELS : 0;
#endif
    const bool list = level < lists && PyList_CheckExact(object);
    if (!list && !PyTuple_CheckExact(object)) {
        return pf_scalar_of(object, NULL) != PF_K_FOREIGN;
    }
    Py_ssize_t n = Py_SIZE(object);
    if (level == MOST_LEVELS || n > *left) {
        return false;
    }
    *left -= (int)n;
    PyObject **items = list ? ((PyListObject *)object)->ob_item : ((PyTupleObject *)object)->ob_item;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!harmless(items[i], lists, level + 1, left)) {
            return false;
        }
    }
    return true;
}

bool pf_is_harmless(PyObject *object)
{
    int left = MOST_OBJECTS;
    return harmless(object, 0, 0, &left);
}

static bool is_harmless_to_iterate(PyObject *object, int levels)
{
    int left = MOST_OBJECTS;
    return harmless(object, levels, 0, &left);
}

/* ---- what the compiled ways look at ---- */

static bool is_within(const pf_access *inner, const pf_access *outer)
{
    pf_access same = *inner;
    same.npath = outer->npath;
    return inner->npath > outer->npath && pf_same_access(&same, outer);
}

/* How far a loop over what stands at a place leads, down to what is used as a value: 0: no loop runs over it. */
static int levels_of_loops(const pf_pyplan *plan, const pf_access *at)
{
    int levels = MOST_LEVELS;
    bool loops = false;
    for (int i = 0; i < plan->nchecks; i++) {
        const pf_check *check = &plan->checks[i];
        if (is_within(&check->at, at)) {
            const int steps = check->at.npath - at->npath;
            loops |= check->at.path[at->npath].how == PF_PATH_EACH;
            levels = check->kinds != PF_K_OBJ && steps < levels ? steps : levels;
        }
    }
    return loops ? levels : 0;
}

/* One step from *object, or to NULL: CPython's attempt raises an exception of its own. False: it may run code. */
static bool follow(PyObject **object, const pf_path_step *step, PyObject **owned)
{
    if (Py_TYPE(*object) != step->type) {
        bool free = pf_is_harmless(*object);
        *object = NULL;
        return free;
    }
    if ((step->how == PF_PATH_KEY && !pf_dict_is_plain(*object)) || (step->how == PF_PATH_ATTR && !pf_instance_is_plain(*object))) {
        return false;
    }
    *object = pf_path_walk(*object, step, 1, owned);
    return true;
}

static bool path_is_free(const pf_pyplan *plan, const pf_check *check, PyObject *object)
{
    PyObject *owned = NULL;
    bool free = true;
    for (int i = 0; free && object != NULL && i < check->at.npath; i++) {
        free = follow(&object, &check->at.path[i], &owned);
    }
    if (free && object != NULL) {
        const bool opaque = (check->kinds & PF_K_OBJ) != 0; /* no op looks into it, but a loop may run over it */
        const int levels = opaque ? levels_of_loops(plan, &check->at) : 0;
        free = opaque ? levels == 0 || is_harmless_to_iterate(object, levels) : pf_is_harmless(object);
    }
    Py_XDECREF(owned);
    return free;
}

/* A list or tuple from outside of the chain that a nested for runs over: as the source's own, it may hold anything. */
static bool captures_are_free(const pf_pyplan *plan, const pf_request *request)
{
    PyObject *values[PF_MAX_WATCHES];
    const pf_watch_roots roots = pf_roots_of(request);
    for (int i = 0; i < plan->watches.n; i++) {
        const pf_watch *watch = &plan->watches.list[i];
        values[i] = pf_watch_read(watch, watch->parent >= 0 ? values[watch->parent] : NULL, &roots);
        const pf_access at = {.leaf = -1, .watch = (int16_t)i};
        const bool container = values[i] != NULL && (PyList_CheckExact(values[i]) || PyTuple_CheckExact(values[i]));
        const int levels = container ? levels_of_loops(plan, &at) : 0;
        if (values[i] == NULL || (container && !is_harmless_to_iterate(values[i], levels > 0 ? levels : 1))) {
            return false;
        }
    }
    return true;
}

/* ---- and the others ---- */

/* `looked_at`: what comes of it goes into another function, or is asked for its truth. */
static bool settles(const pf_effects *effects, bool looked_at)
{
    return effects->pure && !effects->may_warn && (effects->gives_rows || !looked_at);
}

static bool callable_is_pure(PyObject *callable, bool looked_at)
{
    pf_effects effects;
    if (pf_effects_function(callable, &effects) < 0) {
        PyErr_Clear();
        return false;
    }
    bool pure = settles(&effects, looked_at);
    pf_effects_clear(&effects);
    return pure;
}

static bool genexpr_is_pure(PyObject *generator, bool looked_at)
{
    enum { MOST_CELLS = 64 };
    PyCodeObject *code = pf_genexpr_code(generator);
    PyObject *cells[MOST_CELLS];
    pf_effects effects;
    pf_effects_scope scope = {.code = code, .globals = pf_genexpr_globals(generator), .builtins = pf_genexpr_builtins(generator)};
    if (code->co_nfreevars > MOST_CELLS) {
        return false;
    }
    for (int i = 0; i < code->co_nfreevars; i++) {
        cells[i] = pf_genexpr_local(generator, code->co_nlocalsplus - code->co_nfreevars + i);
    }
    scope.cells = cells;
    scope.ncells = code->co_nfreevars;
    if (pf_effects_code(&scope, &effects) < 0) {
        PyErr_Clear();
        return false;
    }
    bool pure = settles(&effects, looked_at);
    pf_effects_clear(&effects);
    return pure;
}

/* All of the chain's functions, on every way through them. */
static bool prove(const pf_request *request)
{
    int collecting = PyGC_Disable(); /* the proof makes objects, and a finalizer is somebody's code */
    bool pure = true;
    for (int n = 0; n < request->chain->nnodes && pure; n++) {
        const pf_node *node = &request->chain->nodes[n];
        bool looked_at = n > 0 || node->kind == PF_NODE_FILTER || node->kind == PF_NODE_TAKEWHILE;
        if (node->kind == PF_NODE_GENEXPR) {
            pure = genexpr_is_pure(node->object, looked_at);
        } else if (!pf_node_has_source(node) && node->func != NULL) {
            pure = callable_is_pure(node->func, looked_at);
        }
    }
    for (int i = 0; i < request->nextra && pure; i++) {
        pure = callable_is_pure(request->extra[i], false);
    }
    if (collecting) {
        PyGC_Enable();
    }
    return pure;
}

static bool leaves_are_harmless(const pf_gather *gather, int64_t row)
{
    bool free = true;
    for (int i = 0; i < gather->nleaves && free; i++) {
        const pf_gather_leaf *g = &gather->leaves[i];
        if (row >= g->begin && row < g->begin + g->leaf.length) { /* of segments, the one that the row is in */
            PyObject *item = pf_gather_item(gather, i, row);
            free = item == NULL || pf_is_harmless(item);
        }
    }
    return free;
}

bool pf_replay_is_free(const pf_gather *gather, const pf_request *request, int64_t row, pf_proof *proof)
{
    const pf_pyplan *plan = gather->plan;
    bool free = !plan->may_warn;
    for (int i = 0; i < plan->nchecks && free; i++) {
        const pf_access *at = &plan->checks[i].at;
        /* of a loop's items, the container answers with all that is in it; of captured ones, all at once below */
        const bool own = at->leaf >= 0 && pf_access_stage(at) == 0;
        PyObject *item = own ? pf_gather_item(gather, at->leaf, row) : NULL;
        free = item == NULL || path_is_free(plan, &plan->checks[i], item);
    }
    free = free && (!plan->loops_over_capture || captures_are_free(plan, request));
    if (!free || !plan->has_other_ways) {
        return free;
    }
    if (*proof == PF_PROOF_UNKNOWN) {
        *proof = prove(request) ? PF_PROOF_PURE : PF_PROOF_NONE;
    }
    return *proof == PF_PROOF_PURE && leaves_are_harmless(gather, row);
}

/* The cache of plans.
 *
 * Keyed by what a chain looks like from outside: kinds of steps and leaves, code objects and builtins of its functions, the
 * consumer. Under one key there are at most PF_MAX_VARIANTS plans: for other types of rows, other bound functions, other
 * kinds of bound scalars. Refusals are plans too, so a chain that cannot run natively costs one look-up a call.
 * Bounded and oldest-out, so that nothing a plan refers to is kept for ever. Guarded by the GIL. */
#include "plan.h"

#include <string.h>

#include "../core/base/mem.h"
#include "../core/rewrite/rewrite.h"
#include "../core/run/fsum.h"
#include "gather.h"
#include "intrinsics.h"
#include "reasons.h"

enum { BUCKETS = 256, PF_MAX_VARIANTS = 6, MOST_PLANS = 512 };

typedef struct entry {
    struct entry *next;  /* same bucket */
    struct entry *older, *newer;
    uint64_t key;
    pf_rule_set rules_off; /* settings the plan was made under */
    pf_pyplan *plan;
    bool again; /* it fitted another call than that it was made for */
} entry;

static entry *buckets[BUCKETS];
static entry *newest, *oldest;
static int count;
static int64_t made;
static int64_t came[1024]; /* rows of chains that no plan fitted, since the last plan was made; by key */
static pf_pyplan *dropped; /* what the cache has let go of, while its chains may be read and their state relied upon */

/* ---- plans ---- */

void pf_pyplan_retain(pf_pyplan *plan) { plan->refs++; }

void pf_pyplan_rest(pf_pyplan *plan)
{
    enum { FIRST_REST = 4, MOST_REST = 1024 };
    plan->next_rest = plan->next_rest == 0 ? FIRST_REST : plan->next_rest < MOST_REST ? plan->next_rest * 2 : MOST_REST;
    plan->rest = plan->next_rest;
    plan->tired = true;
}

void pf_pyplan_did_well(pf_pyplan *plan)
{
    plan->next_rest /= 2;
    plan->tired = false;
}

pf_run_config pf_pyplan_config(const pf_pyplan *plan, const pf_settings *settings, const pf_scalar *params,
                               int64_t rows)
{
    const bool compensates = PY_VERSION_HEX >= 0x030c0000 && plan->consumer == PF_CONSUME_SUM;
    return (pf_run_config){
        .threads = plan->caller_only ? 1 : pf_settings_threads(settings),
        .min_rows = settings->min_rows,
        .window_ns = 5000000,
        .rows = rows,
        .params = params,
        .strings = (const uint64_t *)(const void *)plan->strings,
        .str_view = pf_unicode_view,
        .want_rows = plan->wants_rows,
        .fsum_flavour = compensates ? PF_FSUM_NEUMAIER : PF_FSUM_PLAIN,
        .fsum_guess = PF_FSUM_NO_GUESS,
    };
}

static void disown_steps(pf_access *access)
{
    for (int i = 0; i < access->npath; i++) {
        Py_CLEAR(access->path[i].type);
        Py_CLEAR(access->path[i].name);
    }
}

void pf_pyplan_release(pf_pyplan *plan)
{
    if (plan == NULL || --plan->refs > 0) {
        return;
    }
    pf_plan_clear(&plan->core);
    if (plan->has_stride) {
        pf_plan_clear(&plan->strided);
    }
    pf_watches_clear(&plan->watches);
    for (int i = 0; i < plan->ncolumns; i++) {
        disown_steps(&plan->columns[i].at);
    }
    for (int i = 0; i < plan->nchecks; i++) {
        disown_steps(&plan->checks[i].at);
        Py_CLEAR(plan->checks[i].type);
    }
    for (int i = 0; i < plan->nstrings; i++) {
        Py_CLEAR(plan->strings[i]);
    }
    pf_mem_free(plan->strings);
    Py_CLEAR(plan->rules);
    pf_mem_free(plan);
}

/* ---- keys ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}

/* Equal for getters that get the same. */
static uint64_t getter_key(PyObject *getter)
{
    Py_ssize_t n;
    PyObject *words = pf_getter_words(getter, &n);
    PyObject *first = words != NULL && PyTuple_CheckExact(words) && PyTuple_GET_SIZE(words) > 0 ? PyTuple_GET_ITEM(words, 0) : words;
    bool quiet = first != NULL && (PyUnicode_CheckExact(first) || PyLong_CheckExact(first)); /* runs nobody's code */
    return quiet ? (uint64_t)PyObject_Hash(first) + (uint64_t)n : 0;
}

/* What of a callable decides the shape of a plan: its code if it is a Python function, else itself. */
static uint64_t callable_key(PyObject *callable)
{
    if (callable == NULL) {
        return 0;
    }
    if (PyFunction_Check(callable)) {
        return (uintptr_t)((PyFunctionObject *)callable)->func_code;
    }
    if (pf_is_itemgetter(callable) || pf_is_attrgetter(callable)) {
        return (uintptr_t)Py_TYPE(callable) + getter_key(callable);
    }
    return (uintptr_t)Py_TYPE(callable) + (PyCFunction_CheckExact(callable) ? (uintptr_t)callable : 0);
}

static uint64_t request_key(const pf_request *request)
{
    const pf_chain *chain = request->chain;
    uint64_t h = mix((uint64_t)request->consumer, (uint64_t)request->flavour);
    for (int i = 0; i < chain->nnodes; i++) {
        const pf_node *node = &chain->nodes[i];
        h = mix(h, (uint64_t)node->kind << 8 | (uint64_t)node->nchildren << 1 | node->strict);
        if (node->kind == PF_NODE_GENEXPR) {
            h = mix(h, (uintptr_t)pf_genexpr_code(node->object));
        } else {
            h = mix(h, callable_key(node->func));
        }
    }
    for (int i = 0; i < chain->nleaves; i++) {
        h = mix(h, (uint64_t)chain->leaves[i].kind << 8 | (uint8_t)chain->leaves[i].format);
    }
    for (int i = 0; i < request->nextra; i++) {
        h = mix(h, callable_key(request->extra[i]));
    }
    return h;
}

static bool same_chain(const pf_pyplan *plan, const pf_request *request)
{
    const pf_chain *chain = request->chain;
    if (plan->consumer != request->consumer || plan->flavour != request->flavour || plan->nextra != request->nextra ||
        plan->nnodes != chain->nnodes || plan->nleaves != chain->nleaves) {
        return false;
    }
    for (int i = 0; i < chain->nnodes; i++) {
        const pf_node *node = &chain->nodes[i];
        if (plan->nodes[i].kind != node->kind || plan->nodes[i].nchildren != node->nchildren ||
            plan->nodes[i].strict != node->strict || plan->nodes[i].unit_step != (node->islice_step == 1) ||
            plan->nodes[i].has_stop != (node->stop >= 0) || plan->nodes[i].view != node->view) {
            return false;
        }
        for (int c = 0; c < node->nchildren; c++) {
            if (plan->nodes[i].children[c] != node->children[c]) {
                return false;
            }
        }
        if (plan->nodes[i].has_func != (node->func != NULL)) {
            return false;
        }
    }
    for (int i = 0; i < chain->nleaves; i++) {
        if (plan->leaves[i].kind != chain->leaves[i].kind || plan->leaves[i].format != chain->leaves[i].format) {
            return false;
        }
    }
    return true;
}

bool pf_pyplan_types_hold(const pf_pyplan *plan)
{
    for (int i = 0; i < plan->nchecks; i++) {
        const pf_access *at = &plan->checks[i].at;
        for (int s = 0; s < at->npath; s++) {
            if (at->path[s].version != 0 && at->path[s].version != at->path[s].type->tp_version_tag) {
                return false;
            }
        }
    }
    return true;
}

/* Nothing is there that was unknown when the plan was made. */
static bool is_known(const pf_check *check, const pf_sample *sample)
{
    const bool empty = sample->kinds == PF_K_OBJ && sample->type == NULL;
    const bool type = check->mixed || sample->type == NULL || (sample->type == check->type && !sample->mixed);
    return empty || ((sample->kinds & (pf_kinds)~check->kinds) == 0 && type);
}

/* All of that is there. */
static bool is_same(const pf_check *check, const pf_sample *sample)
{
    return sample->kinds == check->kinds && sample->mixed == check->mixed &&
           (check->mixed || sample->type == check->type);
}

/* What was refused may not be there today, so for a refusal all has to be. */
static bool is_met(const pf_check *check, const pf_pyplan *plan, const pf_watch_roots *roots)
{
    pf_sample sample;
    pf_sample_at(&check->at, plan->watches.list, roots, PF_GLANCE, &sample);
    if (!is_known(check, &sample)) {
        return false;
    }
    if (plan->refusal.reason != 0 && !is_same(check, &sample)) {
        pf_sample_at(&check->at, plan->watches.list, roots, PF_SAMPLE, &sample);
        return is_same(check, &sample);
    }
    return true;
}

/* A few rows tell whether the source still looks as it did: enough to choose between plans, since each row is checked anyway. */
static bool looks_alike(const pf_pyplan *plan, const pf_watch_roots *roots)
{
    if (!pf_pyplan_types_hold(plan)) {
        return false;
    }
    for (int i = 0; i < plan->nchecks; i++) {
        if (!is_met(&plan->checks[i], plan, roots)) {
            return false;
        }
    }
    return true;
}

/* ---- the cache ---- */

static void unlink_age(entry *e)
{
    *(e->newer != NULL ? &e->newer->older : &newest) = e->older;
    *(e->older != NULL ? &e->older->newer : &oldest) = e->newer;
}

static void make_newest(entry *e)
{
    e->newer = NULL;
    e->older = newest;
    *(newest != NULL ? &newest->newer : &oldest) = e;
    newest = e;
}

static void drop(entry *e)
{
    entry **at = &buckets[e->key % BUCKETS];
    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
    unlink_age(e);
    count--;
    e->plan->next_dropped = dropped;
    dropped = e->plan;
    pf_mem_free(e);
}

void pf_plans_release_dropped(void)
{
    while (dropped != NULL) {
        pf_pyplan *plan = dropped;
        dropped = plan->next_dropped;
        pf_pyplan_release(plan);
    }
}

static pf_pyplan *look_up(const pf_request *request, uint64_t key, const pf_rule_set *rules_off, pf_scalar *params, int *variants, entry **last)
{
    const pf_watch_roots roots = pf_roots_of(request);
    for (entry *e = buckets[key % BUCKETS]; e != NULL; e = e->next) {
        if (e->key != key || memcmp(&e->rules_off, rules_off, sizeof *rules_off) != 0 || !same_chain(e->plan, request)) {
            continue;
        }
        *last = e;
        ++*variants;
        memset(params, 0, sizeof *params * (size_t)e->plan->watches.nparams); /* another plan may have left some */
        if (pf_watches_hold(&e->plan->watches, &roots, params) && looks_alike(e->plan, &roots)) {
            if (e != newest) {
                unlink_age(e);
                make_newest(e);
            }
            return e->plan;
        }
    }
    return NULL;
}

static void remember(uint64_t key, const pf_rule_set *rules_off, pf_pyplan *plan)
{
    entry *e = pf_mem_alloc(sizeof *e);
    if (e == NULL) {
        return; /* made anew next time */
    }
    e->key = key;
    e->rules_off = *rules_off;
    e->plan = plan;
    e->again = false;
    pf_pyplan_retain(plan);
    e->next = buckets[key % BUCKETS];
    buckets[key % BUCKETS] = e;
    make_newest(e);
    if (++count > MOST_PLANS) {
        drop(oldest);
    }
}

/* Whether fewer than `enough` rows have come so far of a chain that no plan fits, in this call and others. Chains that
 * share a place are planned the sooner. */
static bool is_new(uint64_t key, int64_t rows, int64_t enough)
{
    int64_t *at = &came[key % (sizeof came / sizeof *came)];
    *at = rows < enough - *at ? *at + rows : 0;
    return *at > 0;
}

/* Chains whose plans fit no second call: of classes that are made anew each time, say. They are planned ever more
 * seldom. */
static bool is_restless(uint64_t key)
{
    enum { CHAINS = 64, MOST_REST = 1024 };
    static struct {
        uint64_t key;
        int32_t rest, next_rest;
    } chains[CHAINS]; /* guarded by the GIL */
    const int at = (int)(key % CHAINS);
    if (chains[at].key != key) {
        chains[at].key = key;
        chains[at].rest = chains[at].next_rest = 1;
    }
    if (chains[at].rest-- > 0) {
        return true;
    }
    chains[at].next_rest *= chains[at].next_rest < MOST_REST ? 2 : 1;
    chains[at].rest = chains[at].next_rest;
    return false;
}

/* A plan for what is there now. NULL: an exception, or a refusal. */
static pf_pyplan *make_plan(const pf_request *request, uint64_t key, const pf_rule_set *rules_off, int32_t next_rest,
                            pf_scalar *params, pf_refusal *refusal)
{
    pf_pyplan *plan = pf_plan_build(request);
    if (plan == NULL) {
        return NULL;
    }
    made++;
    plan->next_rest = next_rest;
    remember(key, rules_off, plan);
    memset(params, 0, sizeof(pf_scalar) * PF_MAX_PARAMS);
    const pf_watch_roots roots = pf_roots_of(request);
    if (plan->refusal.reason == 0 && !pf_watches_hold(&plan->watches, &roots, params)) {
        pf_refuse(refusal, PF_REASON_REBOUND);
        pf_pyplan_release(plan);
        return NULL;
    }
    return plan;
}

pf_pyplan *pf_plan_find(const pf_request *request, pf_scalar *params, pf_refusal *refusal)
{
    pf_settings settings;
    pf_settings_now(&settings);
    memset(params, 0, sizeof(pf_scalar) * PF_MAX_PARAMS);
    uint64_t key = request_key(request);
    int variants = 0;
    entry *last = NULL;
    pf_pyplan *plan = look_up(request, key, &settings.rules_off, params, &variants, &last);
    if (plan != NULL && !(plan->tired && plan->rest == 0)) { /* else the rows may be others for good */
        last->again = true;
        pf_pyplan_retain(plan);
    } else {
        if (plan == NULL && request->rows > 0 && is_new(key, request->rows, settings.plan_after)) {
            pf_refuse(refusal, PF_REASON_NEW);
            return NULL;
        }
        /* the tired one itself, or the one at the end of its bucket: the oldest of its key */
        entry *old = plan != NULL || variants >= PF_MAX_VARIANTS ? last : NULL;
        if (plan == NULL && old != NULL && !old->again && settings.min_rows != 1 && is_restless(key)) {
            pf_refuse(refusal, PF_REASON_RESTLESS);
            return NULL;
        }
        const int32_t next_rest = plan != NULL ? plan->next_rest : 0;
        if (old != NULL) {
            drop(old);
        }
        plan = make_plan(request, key, &settings.rules_off, next_rest, params, refusal);
        if (plan == NULL) {
            return NULL;
        }
    }
    if (plan->refusal.reason != 0) {
        *refusal = plan->refusal;
        pf_pyplan_release(plan);
        return NULL;
    }
    for (int i = 0; i < plan->nchain_params; i++) {
        const pf_chain_param *p = &plan->chain_params[i];
        const pf_node *node = &request->chain->nodes[p->node];
        params[p->param].kind = PF_K_I64;
        int64_t end = node->stop > node->next ? node->stop : node->next;
        params[p->param].u.i = p->what == PF_CHAIN_COUNT        ? node->count
                               : p->what == PF_CHAIN_SLICE_FIRST ? node->next - node->count
                               : p->what == PF_CHAIN_SLICE_LAST  ? end - node->count - 1
                                                                 : node->islice_step;
    }
    return plan;
}

bool pf_plan_is_idle(const pf_pyplan *plan, const pf_chain *chain)
{
    if (pf_chain_computes(chain, 0) || plan->core.nstages != 1) {
        return false;
    }
    const pf_fn *fn = plan->core.stages[0].fn;
    const bool mixed = fn->noutputs > 0 && (fn->outputs[0] & (fn->outputs[0] - 1)) != 0;
    switch (plan->consumer) {
    case PF_CONSUME_LIST:
    case PF_CONSUME_TUPLE:
        return plan->shape[0].ntuple >= 0 || (plan->shape[0].payload >= 0 && plan->shape[0].handle >= 0);
    case PF_CONSUME_SUM:
    case PF_CONSUME_MIN:
    case PF_CONSUME_MAX:
        return mixed;
    default:
        return false;
    }
}

void pf_plan_mark(const pf_pyplan *plan, pf_chain *chain)
{
    for (int n = 0; n < chain->nnodes; n++) {
        chain->nodes[n].counter = plan->nodes[n].counter;
    }
    chain->expands = plan->core.nstages > 1;
}

static void read_options(pf_rewrite_options *options, bool *no_stride)
{
    pf_settings settings;
    pf_settings_now(&settings);
    for (int i = 0; i < PF_RULE_COUNT; i++) {
        options->off[i] = pf_rule_set_has(&settings.rules_off, i);
    }
    *no_stride = pf_rule_set_has(&settings.rules_off, PF_RULE_RANGE_STRIDE);
}

static bool note_rule(pf_pyplan *plan, const char *rule)
{
    PyObject *name = PyUnicode_FromString(rule);
    int status = name == NULL ? -1 : PyList_Append(plan->rules, name);
    Py_XDECREF(name);
    return status == 0;
}

pf_status pf_plan_rewrite(pf_pyplan *plan)
{
    pf_rewrite_options options;
    pf_rewrite_log log;
    bool no_stride;
    memset(&log, 0, sizeof log);
    read_options(&options, &no_stride);
    for (int s = 0; s < plan->core.nstages; s++) {
        PF_TRY(pf_rewrite_run(plan->core.stages[s].fn, &options, &log));
    }
    plan->rules = PyList_New(0);
    for (int i = 0; plan->rules != NULL && i < PF_RULE_COUNT; i++) {
        if (log.fired[i] > 0 && !note_rule(plan, pf_rules[i].name)) {
            Py_CLEAR(plan->rules);
        }
    }
    return plan->rules != NULL ? PF_OK : PF_NOMEM;
}

pf_status pf_plan_find_stride(pf_pyplan *plan)
{
    pf_rewrite_options options;
    bool no_stride;
    read_options(&options, &no_stride);
    const pf_fn *fn = plan->core.stages[0].fn;
    int column = -1;
    for (int i = 0; i < plan->ncolumns; i++) {
        column = plan->columns[i].used && plan->columns[i].kinds == PF_K_I64 ? i : column;
    }
    bool range = plan->nleaves == 1 && plan->leaves[0].kind == PF_LEAF_RANGE;
    /* fold's blocks are cut at row numbers, and rows of several stages are not looked at */
    if (no_stride || !range || column < 0 || plan->consumer == PF_CONSUME_FOLD || plan->core.nstages != 1 ||
        !pf_rewrite_find_stride(fn, (uint32_t)column, &plan->stride)) {
        return PF_OK;
    }
    plan->strided = plan->core;
    memset(plan->strided.stages, 0, sizeof plan->strided.stages);
    pf_status status = pf_rewrite_with_stride(fn, &plan->stride, &options, NULL, &plan->strided.stages[0].fn);
    if (status == PF_OK) {
        status = pf_plan_compile(&plan->strided);
    }
    if (status == PF_OK && !note_rule(plan, "range_stride")) {
        status = PF_NOMEM;
    }
    plan->has_stride = status == PF_OK;
    if (status != PF_OK) {
        pf_plan_clear(&plan->strided);
    }
    return status == PF_UNSUPPORTED ? PF_OK : status;
}

int64_t pf_plans_made(void)
{
    return made;
}

void pf_plan_forget_all(void)
{
    while (oldest != NULL) {
        drop(oldest);
    }
    memset(came, 0, sizeof came);
    pf_plans_release_dropped();
}

/* From a chain to a plan: attempts at building it, places, refusals, and what is handed over to the finished plan. */
#include <string.h>

#include "build_internal.h"
#include "../core/base/mem.h"
#include "../core/rewrite/rewrite.h"

void *pf_b_alloc(pf_builder *b, size_t size)
{
    void *block = pf_arena_alloc(&b->arena, size);
    if (block == NULL && !b->error) {
        b->error = true;
        PyErr_NoMemory();
    }
    return block;
}

static void say_where(pf_builder *b, char *out, size_t size)
{
    if (b->act == NULL) {
        out[0] = 0;
        return;
    }
    PyCodeObject *code = b->act->code->code;
    pf_position at = pf_code_position(b->act->code, b->pc);
    const char *name = PyUnicode_AsUTF8(code->co_qualname), *file = PyUnicode_AsUTF8(code->co_filename);
    if (name == NULL || file == NULL) {
        PyErr_Clear();
    }
    snprintf(out, size, "%s, %s:%d:%d", name != NULL ? name : "?", file != NULL ? file : "?", at.line, at.col);
}

void pf_b_refuse(pf_builder *b, int reason)
{
    if (!b->refused) {
        b->refused = true;
        b->plan->refusal.reason = reason;
        say_where(b, b->plan->refusal.where, sizeof b->plan->refusal.where);
    }
}

uint16_t pf_b_place(pf_builder *b)
{
    if (b->act == NULL) {
        return 0;
    }
    PyCodeObject *code = b->act->code->code;
    pf_position at = pf_code_position(b->act->code, b->pc);
    const char *name = PyUnicode_AsUTF8(code->co_qualname), *file = PyUnicode_AsUTF8(code->co_filename);
    if (name == NULL || file == NULL) {
        PyErr_Clear();
        return 0;
    }
    return pf_ir_add_place(b->fn, name, file, at.line, at.col);
}

/* ---- the finished plan ---- */

static void describe_request(pf_pyplan *plan, const pf_request *request)
{
    const pf_chain *chain = request->chain;
    plan->consumer = request->consumer;
    plan->flavour = request->flavour;
    plan->nextra = request->nextra;
    plan->nnodes = chain->nnodes;
    for (int i = 0; i < chain->nnodes; i++) {
        plan->nodes[i].kind = (uint8_t)chain->nodes[i].kind;
        plan->nodes[i].nchildren = (uint8_t)chain->nodes[i].nchildren;
        plan->nodes[i].strict = chain->nodes[i].strict;
        plan->nodes[i].unit_step = chain->nodes[i].islice_step == 1;
        plan->nodes[i].has_func = chain->nodes[i].func != NULL;
        plan->nodes[i].has_stop = chain->nodes[i].stop >= 0;
        plan->nodes[i].view = chain->nodes[i].view;
        plan->nodes[i].counter = -1;
        for (int c = 0; c < PF_MAX_CHILDREN && c < chain->nodes[i].nchildren; c++) {
            plan->nodes[i].children[c] = (int8_t)chain->nodes[i].children[c];
        }
    }
    plan->nleaves = chain->nleaves;
    for (int i = 0; i < chain->nleaves; i++) {
        plan->leaves[i].kind = (uint8_t)chain->leaves[i].kind;
        plan->leaves[i].format = chain->leaves[i].format;
    }
}

static void own_steps(const pf_access *access)
{
    for (int i = 0; i < access->npath; i++) {
        Py_XINCREF(access->path[i].type);
        Py_XINCREF(access->path[i].name);
    }
}

/* Moves what the builder found into the plan, refused or not: a refusal holds as long as these do. */
static bool hand_over(pf_builder *b)
{
    pf_pyplan *plan = b->plan;
    pf_watches *watches = &plan->watches;
    watches->list = pf_mem_alloc(sizeof(pf_watch) * (size_t)(b->nwatches + 1));
    watches->constants = pf_mem_calloc((size_t)b->nparams + 1, sizeof(PyObject *));
    plan->strings = pf_mem_calloc((size_t)b->nstrings + 1, sizeof(PyObject *));
    if (watches->list == NULL || watches->constants == NULL || plan->strings == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(watches->list, b->watches, sizeof(pf_watch) * (size_t)b->nwatches);
    memcpy(watches->constants, b->constants, sizeof(PyObject *) * (size_t)b->nparams);
    memcpy(plan->strings, b->strings, sizeof(PyObject *) * (size_t)b->nstrings);
    watches->n = b->nwatches;
    watches->nparams = b->nparams;
    plan->nstrings = b->nstrings;
    b->nwatches = b->nstrings = 0;
    memset(b->constants, 0, sizeof b->constants);
    for (int i = 0; i < plan->ncolumns; i++) {
        own_steps(&plan->columns[i].at);
    }
    b->owned = true;
    for (int i = 0; i < b->npaths && i < PF_MAX_CHECKS; i++) {
        pf_check *check = &plan->checks[plan->nchecks++];
        const pf_path *path = &b->paths[i];
        check->at = path->at;
        own_steps(&check->at);
        check->kinds = path->kinds;
        check->type = path->mixed ? NULL : path->type;
        Py_XINCREF(check->type);
        check->mixed = path->mixed;
    }
    plan->depth = b->max_level;
    return true;
}

static void choose_sum_sink(pf_pyplan *plan, const pf_fn *fn)
{
    plan->core.takes_u64 = plan->consumer == PF_CONSUME_LIST || plan->consumer == PF_CONSUME_TUPLE;
    if (plan->consumer == PF_CONSUME_SUM) {
        pf_kinds kinds = fn->noutputs == 1 ? fn->outputs[0] : PF_K_I64;
        bool whole = kinds == PF_K_I64 && plan->flavour == 0; /* a float start takes ints one by one */
        plan->core.sink = whole ? PF_SINK_ISUM : kinds == PF_K_F64 ? PF_SINK_FSUM : PF_SINK_COLLECT;
    }
    const pf_step *step = &plan->step;
    if (plan->consumer == PF_CONSUME_REDUCE && step->n == 1 && !step->tuple && step->parts[0].op == PF_STEP_ADD && fn->noutputs == 1) {
        bool whole = fn->outputs[0] == PF_K_I64 && plan->flavour <= PF_START_INT;
        bool floats = fn->outputs[0] == PF_K_F64 && step->parts[0].always;
        plan->core.sink = whole ? PF_SINK_ISUM : floats ? PF_SINK_FSUM : PF_SINK_COLLECT;
    }
    bool extreme = plan->core.sink == PF_SINK_MIN || plan->core.sink == PF_SINK_MAX;
    for (int k = 0; extreme && k < plan->core.nkeys && (uint32_t)k < fn->noutputs; k++) {
        if (!pf_kinds_single(fn->outputs[k]) && (fn->outputs[k] & ~(PF_K_BOOL | PF_K_I64 | PF_K_F64)) != 0) {
            plan->refusal.reason = PF_REASON_MIXED_KEYS;
        }
    }
    if (fn->noutputs == 0 && plan->core.sink != PF_SINK_FOLD) { /* no row ever gets to the end (`if False`) */
        plan->core.sink = PF_SINK_NONE;
    }
}

/* What column c of a stage is read from; -1: nothing, it comes from the stage before or counts a range. */
static int spec_of(const pf_pyplan *plan, int stage, uint32_t c)
{
    const pf_column_info *column = &plan->core.stages[stage].fn->columns[c];
    const bool item = column->from == PF_FROM_INNER && plan->core.stages[stage - 1].expand == PF_EXPAND_ITEMS;
    return column->from == PF_FROM_SOURCE || item ? (int)column->index : -1;
}

/* What is read at a place of the rows that some rows may not have (a key, an attribute) is read even if nothing uses it: such rows
 * are CPython's. Where a place has several columns, one is enough: one that rules leave alone, or the handles, which cost least. */
static void read_what_may_be_missing(const pf_pyplan *plan, int stage, const bool *used)
{
    pf_fn *fn = plan->core.stages[stage].fn;
    for (uint32_t c = 0; c < fn->ncolumns; c++) {
        uint32_t best = c;
        const int spec = spec_of(plan, stage, c);
        bool covered = spec < 0 || plan->columns[spec].npath == 0;
        for (uint32_t d = 0; d < fn->ncolumns && !covered; d++) {
            const int other = spec_of(plan, stage, d);
            if (other >= 0 && pf_same_access(&plan->columns[spec].at, &plan->columns[other].at)) {
                covered = used[d] && (!(plan->columns[other].kinds & PF_K_OBJ) || plan->columns[other].presence);
                best = plan->columns[other].kinds == PF_K_OBJ ? d : best;
            }
        }
#ifdef PF_PLANTED_BUG_INNER_FIELD_UNREAD
        covered = covered || stage > 0;
#endif
        if (!covered) {
            fn->columns[best].checked = true;
        }
    }
}

static pf_status note_missing(const pf_pyplan *plan, int stage)
{
    const pf_fn *fn = plan->core.stages[stage].fn;
    bool *used = pf_mem_calloc(fn->ninsts + fn->ncolumns, sizeof *used),
         *columns = used != NULL ? used + fn->ninsts : NULL;
    if (used == NULL) {
        return PF_NOMEM;
    }
    pf_ir_mark_uses(fn, used);
    for (pf_ref r = 1; r < fn->ninsts; r++) {
        if (fn->insts[r].op == PF_OP_column) {
            columns[fn->insts[r].imm.k] |= used[r];
        }
    }
    read_what_may_be_missing(plan, stage, columns);
    pf_mem_free(used);
    return PF_OK;
}

/* Columns that the programs read need to be filled. */
static void note_used(pf_pyplan *plan)
{
    for (int s = 0; s < plan->core.nstages; s++) {
        const pf_fn *fn = plan->core.stages[s].fn;
        for (uint32_t c = 0; c < fn->ncolumns; c++) {
            const int spec = spec_of(plan, s, c);
            if (spec >= 0) {
                plan->columns[spec].used = fn->columns[c].used;
            }
        }
    }
}

/* Ends building: order, rewrite, lower. False: an exception is set, or the plan became a refusal. */
static bool compile(pf_builder *b)
{
    pf_pyplan *plan = b->plan;
    char error[256] = "";
    pf_status status = PF_OK;
    plan->core.stages[b->nstages].fn = b->fn;
    plan->core.stages[b->nstages].expand = PF_EXPAND_LAST;
    plan->core.nstages = b->nstages + 1;
    b->fn = NULL;
    for (int s = 0; s < plan->core.nstages && status == PF_OK; s++) {
        status = pf_ir_finish(plan->core.stages[s].fn, error, sizeof error);
    }
    for (int s = 0; s < plan->core.nstages && status == PF_OK; s++) {
        status = note_missing(plan, s);
    }
    if (status == PF_OK) {
        choose_sum_sink(plan, plan->core.stages[b->nstages].fn);
        status = pf_plan_rewrite(plan);
    }
    if (status == PF_OK && plan->refusal.reason == 0) {
        status = pf_plan_compile(&plan->core);
        note_used(plan);
        if (status == PF_OK) {
            status = pf_plan_find_stride(plan);
        }
    }
    switch (status) {
    case PF_OK:
        return true;
    case PF_UNSUPPORTED:
        plan->refusal.reason = PF_REASON_NO_KERNEL;
        return true;
    case PF_NOMEM:
        PyErr_NoMemory();
        return false;
    default:
        PyErr_Format(PyExc_SystemError, "purefold built a row program that does not verify: %s", error);
        return false;
    }
}

static bool build_plan(pf_builder *b)
{
    pf_state *start = pf_b_alloc(b, sizeof *start);
    if (start == NULL) {
        return false;
    }
    start->open = true; /* block 0 is current from the start */
    pf_b_tail(b, pf_b_flow(b, 0, start));
    if (b->fn->failed) {
        PyErr_NoMemory();
        return false;
    }
    if (b->error) {
        return false;
    }
    if (b->again) {
        return true;
    }
    return hand_over(b) && (b->refused || compile(b));
}

/* One attempt. NULL with an exception; *again: a later stage wants more columns (build_expand.c). */
static pf_pyplan *attempt(const pf_request *request, pf_wants *wants, bool *again)
{
    pf_builder *b = pf_mem_calloc(1, sizeof *b);
    pf_pyplan *plan = pf_mem_calloc(1, sizeof *plan);
    pf_fn *fn = pf_ir_new();
    if (b == NULL || plan == NULL || fn == NULL) {
        pf_mem_free(b);
        pf_mem_free(plan);
        pf_ir_free(fn);
        PyErr_NoMemory();
        return NULL;
    }
    plan->refs = 1;
    b->request = request;
    b->plan = plan;
    b->fn = fn;
    b->wants = wants;
    pf_arena_init(&b->arena);
    describe_request(plan, request);
    bool ok = build_plan(b);
    *again = b->again;
    if (plan->core.nstages == 0) { /* given up: what came before the stage that was being built is nobody's yet */
        plan->core.nstages = b->nstages;
        pf_plan_clear(&plan->core);
    }
    if (!b->owned) { /* its columns' types and names are borrowed still */
        plan->ncolumns = 0;
    }
    for (int i = 0; i < b->nwatches; i++) {
        Py_XDECREF(b->watches[i].name);
        Py_XDECREF(b->watches[i].expected);
        pf_watched_table_free(b->watches[i].table);
    }
    for (int i = 0; i < b->nstrings; i++) {
        Py_XDECREF(b->strings[i]);
    }
    for (int i = 0; i < PF_MAX_PARAMS; i++) {
        Py_XDECREF(b->constants[i]);
    }
    for (int i = 0; i < b->ncodes; i++) {
        pf_decode_free(b->codes[i]);
    }
    pf_ir_free(b->fn);
    pf_arena_free(&b->arena);
    pf_mem_free(b);
    if (!ok || *again) {
        pf_pyplan_release(plan);
        return NULL;
    }
    return plan;
}

pf_pyplan *pf_plan_build(const pf_request *request)
{
    pf_wants *wants = pf_mem_calloc(1, sizeof *wants);
    bool again = false;
    pf_pyplan *plan = NULL;
    if (wants == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    do { /* each attempt wants more than the one before: a column, identities, or a plain step */
        plan = attempt(request, wants, &again);
    } while (plan == NULL && again && !PyErr_Occurred());
    pf_mem_free(wants);
    return plan;
}

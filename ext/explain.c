/* Telling what runs natively, what does not, where and why. */
#include "explain.h"

#include <string.h>

#include "../core/base/cpu.h"
#include "../core/prim/cpus.h"
#include "analyze.h"
#include "config.h"
#include "exec.h"
#include "gather.h"
#include "intrinsics.h"
#include "reasons.h"
#include "sides.h"

static const char *const consumer_names[PF_CONSUMER_COUNT] = {"sum",  "min",   "max",  "any",    "all",
                                                              "list", "tuple", "next", "reduce", "fold"};

/* Puts a new reference into a dict; false with an exception when there is none. */
static bool put(PyObject *dict, const char *key, PyObject *value)
{
    if (value == NULL) {
        return false;
    }
    int status = PyDict_SetItemString(dict, key, value);
    Py_DECREF(value);
    return status == 0;
}

static bool add(PyObject *list, PyObject *value)
{
    if (value == NULL) {
        return false;
    }
    int status = PyList_Append(list, value);
    Py_DECREF(value);
    return status == 0;
}

/* ---- parts ---- */

static PyObject *reason_dict(const pf_refusal *refusal)
{
    PyObject *dict = Py_BuildValue("{s:s,s:s}", "code", pf_reason_code(refusal->reason), "sentence", pf_reason_sentence(refusal->reason));
    if (dict == NULL) {
        return NULL;
    }
    const char *hint = pf_reason_hint(refusal->reason), *comma = strstr(refusal->where, ", ");
    bool ok = hint[0] == 0 || put(dict, "hint", PyUnicode_FromString(hint));
    if (ok && comma != NULL) {
        ok = put(dict, "function", PyUnicode_DecodeUTF8(refusal->where, comma - refusal->where, "replace")) &&
             put(dict, "where", PyUnicode_DecodeUTF8(comma + 2, (Py_ssize_t)strlen(comma + 2), "replace"));
    }
    if (!ok) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *kinds_text(pf_kinds kinds)
{
    static const char *const names[] = {"None", "bool", "int", "float", "str", "object"};
    char text[64] = "";
    for (int k = 5; k >= 0; k--) { /* "int or None", not "None or int" */
        if (kinds & (1 << k)) {
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", text[0] ? " or " : "", names[k]);
        }
    }
    return PyUnicode_FromString(text);
}

static PyObject *path_text(const pf_access *at)
{
    PyObject *text = PyUnicode_FromString("");
    for (int i = 0; text != NULL && i < at->npath; i++) {
        const pf_path_step *step = &at->path[i];
        PyObject *more = step->how == PF_PATH_INDEX  ? PyUnicode_FromFormat("[%d]", (int)step->index)
                         : step->how == PF_PATH_EACH ? PyUnicode_FromString("[each]")
                         : step->how == PF_PATH_KEY  ? PyUnicode_FromFormat("[%R]", step->name)
                         : step->how == PF_PATH_ATTR ? PyUnicode_FromFormat(".%U", step->name)
                                                     : PyUnicode_FromFormat(".<slot %d>", (int)step->index);
        PyUnicode_AppendAndDel(&text, more);
    }
    return text;
}

static PyObject *leaf_kind(const pf_leaf *leaf)
{
    static const char *const names[] = {
        [PF_LEAF_RANGE] = "range",    [PF_LEAF_LIST] = "list",   [PF_LEAF_LIST_REV] = "reversed list",
        [PF_LEAF_TUPLE] = "tuple",    [PF_LEAF_SEQ_REV] = "reversed tuple", [PF_LEAF_ARRAY] = "array",
        [PF_LEAF_BYTES] = "bytes",    [PF_LEAF_BYTEARRAY] = "bytearray", [PF_LEAF_MEMORYVIEW] = "memoryview",
    };
    const char *backward = leaf->kind >= PF_LEAF_ARRAY && leaf->step < 0 ? "reversed " : "";
    return leaf->kind == PF_LEAF_ARRAY || leaf->kind == PF_LEAF_MEMORYVIEW
               ? PyUnicode_FromFormat("%s%s '%c'", backward, names[leaf->kind], leaf->format)
               : PyUnicode_FromFormat("%s%s", backward, names[leaf->kind]);
}

static PyObject *leaf_columns(const pf_pyplan *plan, int leaf)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && plan != NULL && i < plan->ncolumns; i++) {
        const pf_column_spec *spec = &plan->columns[i];
        if (spec->at.leaf != leaf || !spec->used || spec->kinds == PF_K_OBJ || spec->presence) {
            continue;
        }
        PyObject *path = path_text(&spec->at), *kinds = path != NULL ? kinds_text(spec->kinds) : NULL;
        if (kinds == NULL || !add(list, Py_BuildValue("{s:N,s:N}", "path", path, "kinds", kinds))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *source_list(const pf_chain *chain, const pf_pyplan *plan)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < chain->nleaves; i++) {
        PyObject *kind = leaf_kind(&chain->leaves[i]), *columns = leaf_columns(plan, i);
        if (kind == NULL || columns == NULL ||
            !add(list, Py_BuildValue("{s:N,s:L,s:N}", "kind", kind, "length", (long long)chain->leaves[i].length, "columns", columns))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static bool name_function(PyObject *step, PyObject *func, PyObject *generator)
{
    PyCodeObject *code = generator != NULL         ? pf_genexpr_code(generator)
                         : PyFunction_Check(func) ? (PyCodeObject *)((PyFunctionObject *)func)->func_code
                                                  : NULL;
    if (code != NULL) {
        return put(step, "function", Py_NewRef(code->co_qualname)) &&
               put(step, "where", PyUnicode_FromFormat("%U:%d", code->co_filename, code->co_firstlineno));
    }
    const pf_intrinsic *known = pf_intrinsic_of(func);
    return put(step, "function", known != NULL ? PyUnicode_FromString(known->name) : PyUnicode_FromString(Py_TYPE(func)->tp_name));
}

static PyObject *step_list(const pf_chain *chain, bool native)
{
    static const char *const names[] = {
        [PF_NODE_LEAF] = "leaf",     [PF_NODE_GENEXPR] = "genexpr",
        [PF_NODE_MAP] = "map",       [PF_NODE_FILTER] = "filter",
        [PF_NODE_ZIP] = "zip",       [PF_NODE_ENUMERATE] = "enumerate",
        [PF_NODE_ISLICE] = "islice", [PF_NODE_TAKEWHILE] = "takewhile",
        [PF_NODE_CHAIN] = "chain",   [PF_NODE_STARMAP] = "starmap",
        [PF_NODE_FLATTEN] = "chain", [PF_NODE_SEGMENT] = "chain",
    };
    PyObject *list = PyList_New(0);
    for (int i = chain->nnodes - 1; list != NULL && i >= 0; i--) { /* source first */
        const pf_node *node = &chain->nodes[i];
        if (node->kind == PF_NODE_LEAF) {
            continue;
        }
        PyObject *step = Py_BuildValue("{s:s,s:O}", "kind", names[node->kind], "native", native ? Py_True : Py_False);
        bool generator = node->kind == PF_NODE_GENEXPR;
        bool named = step != NULL && ((node->func == NULL && !generator) || pf_node_has_source(node) ||
                                      name_function(step, node->func, generator ? node->object : NULL));
        named = named && (!node->more || put(step, "more", Py_NewRef(Py_True)));
        if (!named || !add(list, Py_NewRef(step))) {
            Py_CLEAR(list);
        }
        Py_XDECREF(step);
    }
    return list;
}

static PyObject *stage_text(const pf_fn *fn)
{
    size_t size = pf_ir_print(fn, NULL, 0);
    char *text = PyMem_Malloc(size + 1);
    if (text == NULL) {
        return PyErr_NoMemory();
    }
    pf_ir_print(fn, text, size + 1);
    PyObject *result = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
    PyMem_Free(text);
    return result;
}

static PyObject *program_text(const pf_pyplan *plan)
{
    PyObject *text = PyUnicode_FromString("");
    for (int s = 0; text != NULL && s < plan->core.nstages; s++) {
        if (s > 0) {
            PyUnicode_AppendAndDel(&text, PyUnicode_FromString(
                plan->core.stages[s - 1].expand == PF_EXPAND_RANGE ? "expand: a range, per row\n" : "expand: items, per row\n"));
        }
        PyUnicode_AppendAndDel(&text, stage_text(plan->core.stages[s].fn));
    }
    return text;
}

/* What happens to one part of the accumulator of a reduce or fold. */
static PyObject *part_text(const pf_step *step, int i)
{
    static const char *const ops[] = {[PF_STEP_ADD] = "+",     [PF_STEP_MUL] = "*",      [PF_STEP_AND] = "&",      [PF_STEP_OR] = "|",
                                      [PF_STEP_XOR] = "^",     [PF_STEP_KEEP_LT] = "<",  [PF_STEP_KEEP_LE] = "<=", [PF_STEP_KEEP_GT] = ">",
                                      [PF_STEP_KEEP_GE] = ">=", [PF_STEP_TAKE_LT] = "<", [PF_STEP_TAKE_LE] = "<=", [PF_STEP_TAKE_GT] = ">",
                                      [PF_STEP_TAKE_GE] = ">="};
    const struct pf_step_part *how = &step->parts[i];
    char part[16] = "acc";
    if (step->tuple) {
        snprintf(part, sizeof part, "acc[%d]", i);
    }
    if (how->op == PF_STEP_KEEP) {
        return PyUnicode_FromString(part);
    }
    if (how->constant) {
        return PyUnicode_FromFormat("%s + %lld", part, (long long)how->value);
    }
    if (how->op < PF_STEP_KEEP_LT) {
        return PyUnicode_FromFormat("%s %s output %d", part, ops[how->op], how->output);
    }
    return how->op < PF_STEP_TAKE_LT ? PyUnicode_FromFormat("%s if %s %s output %d else output %d", part, part, ops[how->op], how->output, how->output)
                                     : PyUnicode_FromFormat("output %d if %s %s output %d else %s", how->output, part, ops[how->op], how->output, part);
}

static PyObject *step_parts(const pf_step *step)
{
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < step->n; i++) {
        if (!add(list, part_text(step, i))) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static PyObject *bail_list(const pf_report *report)
{
    const pf_fn *fn = report->plan != NULL ? report->plan->core.stages[0].fn : NULL;
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < report->nbails; i++) {
        PyObject *bail = Py_BuildValue("{s:s,s:L}", "op", pf_ops[report->bails[i].op].name, "rows", (long long)report->bails[i].count);
        uint16_t at = report->bails[i].place;
        if (bail != NULL && fn != NULL && at > 0 && at < fn->nplaces) {
            const pf_place *place = &fn->places[at];
            if (!put(bail, "where", PyUnicode_FromFormat("%s:%d:%d", place->file, place->line, place->col))) {
                Py_CLEAR(bail);
            }
        }
        if (!add(list, bail)) {
            Py_CLEAR(list);
        }
    }
    return list;
}

static bool add_plan(PyObject *dict, const pf_pyplan *plan)
{
    if (plan == NULL || plan->core.nstages == 0) {
        return true;
    }
    return (plan->rules == NULL || put(dict, "rules", Py_NewRef(plan->rules))) && put(dict, "ir", program_text(plan)) &&
           (plan->step.n == 0 || plan->core.sink == PF_SINK_NONE || put(dict, "step", step_parts(&plan->step))) &&
           put(dict, "tier", PyLong_FromLong(1));
}

static bool add_counts(PyObject *dict, const pf_report *report)
{
    return put(dict, "rows", Py_BuildValue("{s:L,s:L,s:L}", "native", (long long)report->rows_native, "replayed",
                                           (long long)report->rows_replayed, "fallback", (long long)report->rows_fallback)) &&
           put(dict, "bails", bail_list(report)) &&
           put(dict, "times_ms", Py_BuildValue("{s:d}", "compute", (double)report->compute_ns / 1e6)) &&
           put(dict, "workers", PyLong_FromLongLong(report->workers));
}

static bool add_analysis(PyObject *dict, pf_pyplan *plan, const pf_chain *chain, const pf_scalar *params)
{
    pf_report report = {.plan = plan};
    return pf_analyze(plan, chain, params, &report) == 0 && add_counts(dict, &report);
}

/* ---- _explain, _last ---- */

static int consumer_of(const char *name)
{
    for (int i = 0; i < PF_CONSUMER_COUNT; i++) {
        if (strcmp(consumer_names[i], name) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s is none of purefold's consumers", name);
    return -1;
}

/* The sides of a chain are run a little way, which is not to be seen. seen: the chain for which a plan is to be made.
 * False: an exception. */
static bool explain_sides(PyObject *dict, pf_chain *chain, bool all, pf_sides **sides, const pf_chain **seen,
                          pf_refusal *refusal)
{
    enum { SOME = 64, DEEP = 1 << 20 };
    int reason = pf_sides_find(chain, sides);
    *seen = chain;
    if (reason == 0 && *sides != NULL) {
        reason = pf_sides_run(*sides, chain, all ? INT64_MAX / 4 : SOME, DEEP, true, refusal);
        *seen = &(*sides)->chain;
    }
    if (reason > 0 && refusal->reason == 0) {
        pf_refuse(refusal, reason);
    }
    if (reason != 0 || *sides == NULL) {
        return reason >= 0;
    }
    PyObject *programs = PyList_New(0);
    for (int i = 0; programs != NULL && i < (*sides)->n; i++) {
        if (!add(programs, program_text(pf_sides_plan(*sides, i)))) {
            Py_CLEAR(programs);
        }
    }
    return put(dict, "sides", programs);
}

static bool explain_chain(PyObject *dict, PyObject *iterator, int consumer, bool analyze, pf_refusal *refusal)
{
    pf_chain chain;
    pf_sides *sides = NULL;
    const pf_chain *seen;
    pf_scalar params[PF_MAX_PARAMS];
    int read = pf_chain_read(iterator, &chain);
    if (read <= 0) {
        pf_refuse(refusal, chain.reason);
        return read == 0;
    }
    bool takes_function = consumer == PF_CONSUME_REDUCE || consumer == PF_CONSUME_FOLD;
    bool ok = explain_sides(dict, &chain, analyze, &sides, &seen, refusal);
    pf_request request = {seen, takes_function ? PF_CONSUME_LIST : (pf_consumer)consumer, NULL, 0, 0};
    pf_pyplan *plan = ok && refusal->reason == 0 ? pf_plan_find(&request, params, refusal) : NULL;
    if (plan != NULL && sides == NULL) {
        pf_plan_mark(plan, &chain);
    }
    if (plan != NULL && refusal->reason == 0 && pf_plan_is_idle(plan, &chain)) {
        refusal->reason = PF_REASON_NOTHING_TO_COMPUTE;
    }
    ok = ok && (plan != NULL || !PyErr_Occurred());
    ok = ok && put(dict, "source", source_list(&chain, sides == NULL ? plan : NULL)) &&
         put(dict, "steps", step_list(&chain, plan != NULL)) && add_plan(dict, plan);
    ok = ok && (!analyze || plan == NULL || add_analysis(dict, plan, seen, params));
    pf_pyplan_release(plan);
    pf_sides_free(sides);
    pf_plans_release_dropped();
    return ok;
}

static PyObject *finish(PyObject *dict, bool ok, const pf_refusal *refusal)
{
    bool native = refusal->reason == 0;
    ok = ok && put(dict, "native", PyBool_FromLong(native)) && (native || put(dict, "reason", reason_dict(refusal)));
    if (!ok) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *explain(PyObject *module, PyObject *args)
{
    PyObject *chain;
    const char *name;
    int analyze;
    (void)module;
    if (!PyArg_ParseTuple(args, "Osp:_explain", &chain, &name, &analyze)) {
        return NULL;
    }
    int consumer = consumer_of(name);
    PyObject *dict = consumer < 0 ? NULL : Py_BuildValue("{s:s}", "consumer", name);
    if (dict == NULL) {
        return NULL;
    }
    pf_refusal refusal = {0};
    PyObject *iterator = pf_iterator_of(chain);
    bool ok = true;
    if (iterator != NULL) {
        ok = explain_chain(dict, iterator, consumer, analyze, &refusal);
        Py_DECREF(iterator);
    } else {
        refusal.reason = pf_unread_reason(chain);
    }
    return finish(dict, ok, &refusal);
}

static PyObject *last(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    const pf_report *report = pf_last_report();
    if (report == NULL) {
        Py_RETURN_NONE;
    }
    PyObject *dict = Py_BuildValue("{s:s}", "consumer", consumer_names[report->consumer]);
    if (dict == NULL) {
        return NULL;
    }
    bool ok = !report->native || (add_plan(dict, report->plan) && add_counts(dict, report));
    return finish(dict, ok, &report->refusal);
}

/* ---- _stats, _doctor ---- */

static PyObject *stats(PyObject *module, PyObject *args)
{
    int reset;
    (void)module;
    if (!PyArg_ParseTuple(args, "p:_stats", &reset)) {
        return NULL;
    }
    const pf_totals *t = &pf_stats_now;
    PyObject *reasons = PyDict_New();
    for (int i = 0; reasons != NULL && i < PF_REASON_COUNT; i++) {
        if (t->reasons[i] > 0 && !put(reasons, pf_reason_code(i), PyLong_FromLongLong(t->reasons[i]))) {
            Py_CLEAR(reasons);
        }
    }
    PyObject *dict = reasons == NULL ? NULL
                                     : Py_BuildValue("{s:L,s:L,s:L,s:L,s:L,s:L,s:N}", "calls", (long long)t->calls, "calls_native",
                                                     (long long)t->calls_native, "calls_fallback", (long long)t->calls_fallback,
                                                     "rows_native", (long long)t->rows_native, "rows_replayed", (long long)t->rows_replayed,
                                                     "rows_fallback", (long long)t->rows_fallback, "fallback_reasons", reasons);
    if (dict != NULL && reset) {
        memset(&pf_stats_now, 0, sizeof pf_stats_now);
    }
    return dict;
}

static PyObject *doctor(PyObject *module, PyObject *none)
{
    (void)module;
    (void)none;
    return Py_BuildValue("{s:{s:s,s:O},s:{s:i,s:i},s:N}", "cpu", "instructions", pf_cpu_isa_name(pf_cpu_isa()),
                         "machine code", pf_interp_emits() ? Py_True : Py_False, "workers", "cpus", pf_cpus_usable(),
                         "traced", (int)pf_is_traced(), "selftest", pf_chain_selftest());
}

static PyMethodDef methods[] = {
    {"_explain", explain, METH_VARARGS, NULL},
    {"_last", last, METH_NOARGS, NULL},
    {"_stats", stats, METH_VARARGS, NULL},
    {"_doctor", doctor, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

int pf_explain_add(PyObject *module) { return PyModule_AddFunctions(module, methods); }

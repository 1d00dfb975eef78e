/* The op table and row programs, laid open: `_engine._ops` and `_engine._ir_run`.
 *
 * A test that wants to know what an op does writes a row program in the text form of core/ir/parse.c and has it run
 * over columns of Python values by the evaluator (tier 0) or the vector interpreter (tier 1); the rules are not
 * applied. Columns and params are of exact builtin types; an int beyond 64 bits or any other object is a lane of the
 * kind "other". A param of kind obj is a container for `in`. */
#include "debug_ops.h"

#include <string.h>

#include "../core/base/mem.h"
#include "../core/interp/interp.h"
#include "../core/ir/eval.h"
#include "gather.h"
#include "sink.h"
#include "watch.h"

static PyObject *op_tuple(const pf_op_info *op)
{
    static const char *const args[] = {"nil", "num", "bits", "i64", "f64", "bool", "equal", "order", "member", "any"};
    static const char *const results[] = {"same", "i64", "f64", "bool", "declared", "nothing"};
    return Py_BuildValue("(sissiis)", op->name, op->arity, args[op->operands], results[op->result], op->bails, op->laws,
                         op->text);
}

PyDoc_STRVAR(ops_doc, "_ops()\n--\n\nThe op table: tuples (name, arity, operands, result, bails, laws, text).");

static PyObject *debug_ops(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    PyObject *list = PyList_New(PF_OP_COUNT);
    for (int i = 0; list != NULL && i < PF_OP_COUNT; i++) {
        PyObject *item = op_tuple(&pf_ops[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, item);
        }
    }
    return list;
}

/* ---- a program and what it runs on ---- */

typedef struct job {
    pf_fn *fn;
    PyObject *columns; /* tuple of tuples; borrowed */
    Py_ssize_t nrows;
    pf_scalar *params;
    pf_table **tables; /* one per param; NULL: it is none */
    PyObject *strings; /* tuple of the program's constants of kind str */
    uint64_t *handles; /* of those */
    bool wide;         /* columns of ints claim no bounds */
    PyObject *results; /* one item per row */
} job;

static int fail(pf_status status, const char *error)
{
    if (status == PF_NOMEM) {
        PyErr_NoMemory();
    } else {
        PyErr_Format(PyExc_ValueError, "%s: %s", pf_status_text(status), error);
    }
    return -1;
}

static PyObject *bail_tuple(int op, int place, int reason)
{
    return Py_BuildValue("(ssii)", "bail", pf_ops[op].name, place, reason);
}

static int set_result(job *j, Py_ssize_t row, PyObject *result)
{
    return result != NULL ? PyList_SetItem(j->results, row, result) : -1;
}

static pf_scalar cell(const job *j, uint32_t column, Py_ssize_t row)
{
    pf_scalar scalar = {.u.i = 0};
    scalar.kind = pf_scalar_of(PyTuple_GET_ITEM(PyTuple_GET_ITEM(j->columns, column), row), &scalar);
    return scalar;
}

/* ---- the evaluator ---- */

static PyObject *evaluated(const job *j, const pf_eval_out *out, const pf_scalar *values)
{
    if (out->how == PF_OP_bail) {
        return bail_tuple(out->op, out->place, out->reason);
    }
    if (out->how != PF_OP_yield) {
        return PyUnicode_FromString(pf_ops[out->how].name);
    }
    PyObject *tuple = PyTuple_New(j->fn->noutputs);
    for (uint32_t i = 0; tuple != NULL && i < j->fn->noutputs; i++) {
        PyObject *item = pf_box_scalar(&values[i]);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

static int evaluate(job *j)
{
    uint32_t ncolumns = j->fn->ncolumns;
    pf_scalar *row = pf_mem_calloc(ncolumns + j->fn->noutputs + 1, sizeof *row), *values = row + ncolumns;
    int status = row != NULL ? 0 : fail(PF_NOMEM, "");
    int64_t counts[PF_MAX_COUNTERS] = {0};
    for (Py_ssize_t r = 0; status == 0 && r < j->nrows; r++) {
        for (uint32_t c = 0; c < ncolumns; c++) {
            row[c] = cell(j, c, r);
        }
        pf_eval_in in = {row, j->params, j->handles, pf_unicode_view, r, counts};
        pf_eval_out out;
        pf_status done = pf_eval_row(j->fn, &in, values, &out);
        status = done == PF_OK ? set_result(j, r, evaluated(j, &out, values)) : fail(done, "");
    }
    pf_mem_free(row);
    return status;
}

/* ---- the vector interpreter ---- */

static void fill_column(const job *j, pf_frame *frame, uint32_t c, Py_ssize_t first)
{
    pf_vec *vec = &frame->columns[c];
    uint8_t *kind = pf_frame_kind_memory(frame, c);
    bool bytes = pf_lane_bytes(j->fn->columns[c].kinds) == 1;
    vec->seen = 0;
    vec->lo = INT64_MAX;
    vec->hi = INT64_MIN;
    for (int i = 0; i < frame->n; i++) {
        pf_scalar scalar = cell(j, c, first + i);
        kind[i] = scalar.kind;
        vec->seen |= scalar.kind;
        if (bytes) {
            ((uint8_t *)vec->data)[i] = (uint8_t)scalar.u.i;
        } else {
            ((int64_t *)vec->data)[i] = scalar.u.i;
        }
        if (scalar.kind == PF_K_I64) {
            vec->lo = scalar.u.i < vec->lo ? scalar.u.i : vec->lo;
            vec->hi = scalar.u.i > vec->hi ? scalar.u.i : vec->hi;
        }
    }
    if (j->wide || vec->lo > vec->hi) {
        vec->lo = INT64_MIN;
        vec->hi = INT64_MAX;
    }
    vec->kind = pf_kinds_single(vec->seen) ? NULL : kind;
    vec->iota = false;
}

static PyObject *lane(const pf_vec *vec, bool bytes, int i)
{
    pf_scalar scalar = {.kind = vec->kind != NULL ? vec->kind[i] : vec->seen};
    scalar.u.i = bytes ? ((const uint8_t *)vec->data)[i] : ((const int64_t *)vec->data)[i];
    return pf_box_scalar(&scalar);
}

static int read_lanes(job *j, const pf_frame *frame, Py_ssize_t first)
{
    for (int i = 0; i < frame->nout; i++) {
        PyObject *tuple = PyTuple_New(j->fn->noutputs);
        for (uint32_t o = 0; tuple != NULL && o < j->fn->noutputs; o++) {
            PyObject *item = lane(&frame->outputs[o], pf_lane_bytes(j->fn->outputs[o]) == 1, i);
            if (item == NULL) {
                Py_CLEAR(tuple);
            } else {
                PyTuple_SET_ITEM(tuple, o, item);
            }
        }
        if (set_result(j, first + frame->out_rows[i], tuple) < 0) {
            return -1;
        }
    }
    for (int i = 0; i < frame->nfailed; i++) {
        const pf_failed *failed = &frame->failed[i];
        if (set_result(j, first + failed->row, bail_tuple(failed->op, failed->place, 0)) < 0) {
            return -1;
        }
    }
    return frame->stop < 0 ? 0 : set_result(j, first + frame->stop, PyUnicode_FromString("stop"));
}

static int interpret(job *j)
{
    pf_program *program = NULL;
    pf_frame *frame = NULL;
    int64_t counts[PF_MAX_COUNTERS] = {0};
    int status = -1;
    pf_status made = pf_interp_compile(j->fn, PF_OUTPUTS_I64, &program);
    made = made == PF_OK ? pf_frame_new(program, &frame) : made;
    if (made != PF_OK) {
        fail(made, "tier 1");
        goto out;
    }
    for (Py_ssize_t first = 0; first < j->nrows; first += PF_LANES) {
        frame->params = j->params;
        frame->strings = j->handles;
        frame->str_view = pf_unicode_view;
        frame->counts = counts;
        frame->row0 = first;
        frame->n = (int32_t)(j->nrows - first < PF_LANES ? j->nrows - first : PF_LANES);
        frame->want_rows = true;
        for (uint32_t c = 0; c < j->fn->ncolumns; c++) {
            fill_column(j, frame, c, first);
        }
        pf_interp_run(program, frame);
        if (read_lanes(j, frame, first) < 0) {
            goto out;
        }
        if (frame->stop >= 0) {
            break;
        }
    }
    status = 0;
out:
    pf_frame_free(frame);
    pf_interp_free(program);
    return status;
}

/* ---- the hook ---- */

static int check_columns(job *j)
{
    if (PyTuple_GET_SIZE(j->columns) != (Py_ssize_t)j->fn->ncolumns || j->fn->ncolumns == 0) {
        PyErr_SetString(PyExc_ValueError, "one tuple is wanted for each column, and one column at least");
        return -1;
    }
    for (uint32_t c = 0; c < j->fn->ncolumns; c++) {
        PyObject *column = PyTuple_GET_ITEM(j->columns, c);
        if (!PyTuple_CheckExact(column) || (c > 0 && PyTuple_GET_SIZE(column) != j->nrows)) {
            PyErr_SetString(PyExc_ValueError, "columns are tuples of one length");
            return -1;
        }
        j->nrows = PyTuple_GET_SIZE(column);
    }
    return 0;
}

static int bind(job *j, PyObject *params)
{
    if (PyTuple_GET_SIZE(params) != (Py_ssize_t)j->fn->nparams) {
        PyErr_SetString(PyExc_ValueError, "one value is wanted for each param");
        return -1;
    }
    j->params = pf_mem_calloc(j->fn->nparams + 1, sizeof *j->params);
    j->tables = pf_mem_calloc(j->fn->nparams + 1, sizeof *j->tables);
    j->handles = pf_mem_calloc(j->fn->nstrings + 1, sizeof *j->handles);
    j->strings = PyTuple_New(j->fn->nstrings);
    if (j->params == NULL || j->tables == NULL || j->handles == NULL || j->strings == NULL) {
        return fail(PF_NOMEM, "");
    }
    for (uint32_t i = 0; i < j->fn->nparams; i++) {
        PyObject *param = PyTuple_GET_ITEM(params, i);
        if (j->fn->params[i] == PF_K_OBJ && pf_table_is_of(param)) {
            j->tables[i] = pf_table_new(param);
            j->params[i].kind = j->tables[i] != NULL ? PF_K_OBJ : PF_K_FOREIGN;
            j->params[i].u.handle = j->tables[i] != NULL ? (uint64_t)(uintptr_t)j->tables[i]->set : 0;
        } else {
            j->params[i].kind = pf_scalar_of(param, &j->params[i]);
        }
        if (j->params[i].kind != j->fn->params[i]) {
            PyErr_SetString(PyExc_ValueError, "a param of another kind");
            return -1;
        }
    }
    for (uint32_t i = 0; i < j->fn->nstrings; i++) {
        PyObject *text = PyUnicode_FromString(j->fn->strings[i]);
        if (text == NULL) {
            return -1;
        }
        PyTuple_SET_ITEM(j->strings, i, text);
        j->handles[i] = (uint64_t)(uintptr_t)text;
    }
    return 0;
}

PyDoc_STRVAR(
    ir_run_doc,
    "_ir_run(text, columns, params, tier, wide, /)\n--\n\n"
    "Runs a row program over tuples of values: tier 0 is the evaluator, 1 the vector interpreter. For each row a tuple "
    "of what it yields, 'end', 'stop' (rows behind it in tier 1: 'end'), or ('bail', op, place, reason), the reason "
    "from tier 0 alone. wide: tier 1 is told nothing about the size of ints.");

static PyObject *debug_ir_run(PyObject *module, PyObject *args)
{
    (void)module;
    const char *text;
    PyObject *params;
    int tier, wide;
    char error[200] = "";
    job j = {0};
    if (!PyArg_ParseTuple(args, "sO!O!ip:_ir_run", &text, &PyTuple_Type, &j.columns, &PyTuple_Type, &params, &tier,
                          &wide)) {
        return NULL;
    }
    j.wide = wide;
    pf_status parsed = pf_ir_parse(text, &j.fn, error, sizeof error);
    if (parsed != PF_OK) {
        fail(parsed, error);
        return NULL;
    }
    int status = check_columns(&j) < 0 || bind(&j, params) < 0 ? -1 : 0;
    j.results = status == 0 ? PyList_New(j.nrows) : NULL;
    for (Py_ssize_t i = 0; j.results != NULL && i < j.nrows; i++) {
        PyList_SET_ITEM(j.results, i, PyUnicode_InternFromString("end"));
    }
    if (j.results != NULL && (tier == 0 ? evaluate(&j) : interpret(&j)) < 0) {
        Py_CLEAR(j.results);
    }
    Py_XDECREF(j.strings);
    for (uint32_t i = 0; j.tables != NULL && i < j.fn->nparams; i++) {
        pf_table_release(j.tables[i]);
    }
    pf_mem_free(j.tables);
    pf_mem_free(j.params);
    pf_mem_free(j.handles);
    pf_ir_free(j.fn);
    return j.results;
}

static PyMethodDef debug_methods[] = {
    {"_ops", debug_ops, METH_NOARGS, ops_doc},
    {"_ir_run", debug_ir_run, METH_VARARGS, ir_run_doc},
    {NULL, NULL, 0, NULL},
};

int pf_debug_ops_add(PyObject *module)
{
    return PyModule_AddFunctions(module, debug_methods);
}

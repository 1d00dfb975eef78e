/* The purity analysis from start to verdict: what is proven is called with arguments from outside, again and again
 * until nothing that was found out about it grows any more. */
#include "effects.h"

#include "effects_internal.h"

#include <string.h>

static int open_analysis(pf_analysis *a)
{
    memset(a, 0, sizeof *a);
    pf_arena_init(&a->arena);
    a->keep = PyList_New(0);
    a->unresolved = PyList_New(0);
    return a->keep != NULL && a->unresolved != NULL ? 0 : -1;
}

static void close_analysis(pf_analysis *a)
{
    for (pf_e_decoded *d = a->decoded; d != NULL; d = d->next) {
        pf_decode_free(d->code);
    }
    Py_XDECREF(a->keep);
    Py_XDECREF(a->unresolved);
    Py_XDECREF(a->name);
    pf_arena_free(&a->arena);
}

/* ---- the verdict ---- */

static void set_place(const pf_analysis *a, pf_effects *out)
{
    const pf_code *code = a->where != NULL ? a->where->code : NULL;
    if (code == NULL || code->code == NULL) {
        return;
    }
    pf_position at = pf_code_position(code, a->instr);
    out->function = Py_NewRef(code->code->co_qualname);
    out->file = Py_NewRef(code->code->co_filename);
    out->line = at.line > 0 ? at.line : 0;
    out->col = at.col >= 0 ? at.col + 1 : 0;
}

static int conclude(pf_analysis *a, pf_effects *out)
{
    *out = (pf_effects){.may_warn = a->may_warn};
    if (a->failed) {
        return -1;
    }
    if (PyList_GET_SIZE(a->unresolved) > 0) {
        out->unresolved = Py_NewRef(a->unresolved);
    }
    if (a->stopped) {
        out->reason = a->reason;
        out->name = Py_XNewRef(a->name);
        set_place(a, out);
    } else if (out->unresolved != NULL) {
        out->reason = PF_REASON_UNRESOLVED;
        out->name = Py_NewRef(PyList_GET_ITEM(a->unresolved, 0));
        set_place(a, out);
    } else {
        out->pure = true;
        out->gives_rows = pf_e_is_row(a->result);
        out->reason = PF_REASON_NONE;
    }
    return 0;
}

void pf_effects_clear(pf_effects *effects)
{
    Py_CLEAR(effects->function);
    Py_CLEAR(effects->file);
    Py_CLEAR(effects->name);
    Py_CLEAR(effects->unresolved);
}

static PyObject *place_text(const pf_effects *e)
{
    if (e->function == NULL) {
        return PyUnicode_FromString("");
    }
    if (e->line == 0) {
        return PyUnicode_FromFormat("in %U at %U", e->function, e->file);
    }
    return PyUnicode_FromFormat("in %U at %U:%d:%d", e->function, e->file, e->line, e->col);
}

PyObject *pf_effects_message(const pf_effects *e)
{
    PyObject *place = place_text(e), *text = NULL;
    const char *code = pf_reason_code(e->reason), *sentence = pf_reason_sentence(e->reason);
    if (place != NULL && e->name != NULL) {
        text = PyUnicode_FromFormat("%s: %s (%R, %U)", code, sentence, e->name, place);
    } else if (place != NULL) {
        text = PyUnicode_FromFormat("%s: %s (%U)", code, sentence, place);
    }
    Py_XDECREF(place);
    return text;
}

/* ---- what is proven ---- */

static void run_epochs(pf_analysis *a, pf_e_entry *root)
{
    do {
        a->changed = false;
        a->epoch++;
        Py_ssize_t missing = PyList_GET_SIZE(a->unresolved);
        pf_e_run(a, root, root, -1);
        a->changed = a->changed || missing != PyList_GET_SIZE(a->unresolved);
    } while (a->changed && !pf_e_done(a));
}

static bool can_change(PyObject *object)
{
    return !PyTuple_Check(object) && !PyFrozenSet_Check(object);
}

/* A parameter of what is proven. Its default stands for it where that is anything but data, as operands are; and where
 * it can be changed in place, changing the parameter may change it. */
static pf_e_value parameter(pf_analysis *a, PyObject *name, PyObject *value)
{
    if (value != NULL) {
        pf_e_value v = pf_e_default(a, value, name);
        if (v.kind == E_PY && !pf_e_is_data(value)) {
            return v;
        }
        if (v.kind == E_PY && can_change(value)) {
            return pf_e_shared(ROOT_DEFAULT, name);
        }
    }
    return pf_e_shared(ROOT_ARG, name);
}

static PyObject *default_object(const pf_e_entry *model, int param)
{
    PyFunctionObject *func = model->func;
    int npos = model->code->npos;
    if (func == NULL) {
        return NULL;
    }
    if (param < npos && func->func_defaults != NULL && PyTuple_Check(func->func_defaults)) {
        Py_ssize_t n = PyTuple_GET_SIZE(func->func_defaults), at = param - (npos - n);
        return at >= 0 && at < n ? PyTuple_GET_ITEM(func->func_defaults, at) : NULL;
    }
    if (param >= npos && func->func_kwdefaults != NULL && PyDict_Check(func->func_kwdefaults)) {
        return PyDict_GetItemWithError(func->func_kwdefaults, pf_code_local(model->code, param));
    }
    return NULL;
}

static void prove_code(pf_analysis *a, const pf_e_entry *model)
{
    const pf_code *code = model->code;
    int named = code->npos + code->nkwonly;
    pf_e_value *args = pf_arena_alloc(&a->arena, sizeof(pf_e_value) * ((size_t)code->nlocalsplus + 1));
    if (args == NULL) {
        PyErr_NoMemory();
        a->failed = true;
        return;
    }
    for (int i = 0; i < named; i++) {
        args[i] = parameter(a, pf_code_local(code, i), default_object(model, i));
    }
    for (int i = named; i < named + code->varargs + code->varkeywords; i++) {
        args[i] = pf_e_fresh(a, model, -1, i, pf_e_shared(ROOT_ARG, pf_code_local(code, i)));
    }
    pf_e_entry *root = pf_e_enter(a, model, args);
    if (root != NULL && !pf_e_done(a)) {
        run_epochs(a, root);
        a->result = code->is_generator ? root->yields : root->ret;
    }
}

static void prove_function(pf_analysis *a, PyFunctionObject *func)
{
    PyObject *closure = func->func_closure;
    pf_e_entry model = {.func = func, .globals = func->func_globals, .builtins = func->func_builtins};
    model.code = pf_e_decode(a, (PyCodeObject *)func->func_code);
    if (closure != NULL && PyTuple_Check(closure)) {
        model.cells = ((PyTupleObject *)closure)->ob_item;
        model.ncells = (int)PyTuple_GET_SIZE(closure);
    }
    if (model.code != NULL) {
        prove_code(a, &model);
    }
}

/* Anything else is called once, from nowhere, with any number of arguments. */
static void prove_object(pf_analysis *a, PyObject *callable)
{
    static const pf_code nowhere = {.n = 0};
    pf_e_entry entry = {.code = &nowhere};
    pf_e_value any = pf_e_shared(ROOT_ARG, NULL);
    pf_e_call call = {.entry = &entry, .instr = -1, .args = &any, .nargs = 1, .spread = true};
    call.callee = pf_e_of(a, callable, NULL);
    if (call.callee.kind != E_PY || !PyCallable_Check(callable)) {
        pf_e_stop_text(a, NULL, -1, PF_REASON_NOT_A_FUNCTION, Py_TYPE(callable)->tp_name);
        return;
    }
    do {
        a->changed = false;
        a->epoch++;
        a->result = pf_e_do_call(a, &call);
    } while (a->changed && !pf_e_done(a));
    a->where = a->where == &entry ? NULL : a->where;
}

int pf_effects_function(PyObject *callable, pf_effects *out)
{
    pf_analysis a;
    int result = -1;
    if (open_analysis(&a) == 0) {
        if (PyFunction_Check(callable)) {
            prove_function(&a, (PyFunctionObject *)callable);
        } else {
            prove_object(&a, callable);
        }
        result = conclude(&a, out);
    }
    close_analysis(&a);
    return result;
}

int pf_effects_code(const pf_effects_scope *scope, pf_effects *out)
{
    pf_analysis a;
    int result = -1;
    if (open_analysis(&a) == 0) {
        pf_e_entry model = {.globals = scope->globals, .cells = scope->cells, .ncells = scope->ncells};
        model.builtins = scope->builtins != NULL ? scope->builtins : PyEval_GetBuiltins();
        model.code = pf_e_decode(&a, scope->code);
        if (model.code != NULL) {
            prove_code(&a, &model);
        }
        result = conclude(&a, out);
    }
    close_analysis(&a);
    return result;
}

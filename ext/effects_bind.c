/* Calling a Python function: its parameters are bound as CPython binds them, then it is run in that context. */
#include "effects_internal.h"

#include <string.h>

typedef struct binding {
    pf_analysis *a;
    const pf_e_call *c;
    pf_e_entry model;
    pf_e_value *locals;
    bool raises; /* the arguments do not fit: TypeError, an outcome */
} binding;

static pf_e_value fresh(binding *b, int part, pf_e_value content)
{
    return pf_e_fresh(b->a, b->c->entry, b->c->instr, part, content);
}

static pf_e_value default_of(binding *b, int param)
{
    PyFunctionObject *func = b->model.func;
    const pf_code *code = b->model.code;
    PyObject *name = pf_code_local(code, param), *value = NULL;
    if (func == NULL) { /* made here: its defaults are somewhere in its site */
        return pf_e_item(b->a, (pf_e_value){.kind = E_FRESH, .site = b->c->callee.site});
    }
    if (param < code->npos && func->func_defaults != NULL && PyTuple_Check(func->func_defaults)) {
        Py_ssize_t n = PyTuple_GET_SIZE(func->func_defaults), at = param - (code->npos - n);
        value = at >= 0 && at < n ? PyTuple_GET_ITEM(func->func_defaults, at) : NULL;
    } else if (param >= code->npos && func->func_kwdefaults != NULL && PyDict_Check(func->func_kwdefaults)) {
        value = PyDict_GetItemWithError(func->func_kwdefaults, name);
    }
    if (value == NULL) {
        b->raises = true;
        return pf_e_plain;
    }
    return pf_e_default(b->a, value, name);
}

static int find_param(const pf_code *code, PyObject *name)
{
    for (int i = code->nposonly; i < code->npos + code->nkwonly; i++) {
        if (PyUnicode_Compare(pf_code_local(code, i), name) == 0) {
            return i;
        }
    }
    return -1;
}

static void bind_rest(binding *b, pf_e_value rest, pf_e_value rest_named)
{
    const pf_code *code = b->model.code;
    int slot = code->npos + code->nkwonly;
    if (code->varargs) {
        b->locals[slot++] = fresh(b, 2, rest);
    }
    if (code->varkeywords) {
        b->locals[slot] = fresh(b, 3, rest_named);
    }
}

/* The last argument may fill any parameter that the ones before it leave open. */
static void bind_spread(binding *b)
{
    const pf_code *code = b->model.code;
    int known = b->c->nargs - 1;
    pf_e_value any = b->c->args[known], rest = any;
    for (int i = 0; i < known; i++) {
        if (i < code->npos) {
            b->locals[i] = b->c->args[i];
        } else {
            rest = pf_e_join(b->a, rest, b->c->args[i]);
        }
    }
    for (int i = 0; i < code->npos + code->nkwonly; i++) {
        if (b->locals[i].kind == E_BOTTOM) {
            b->locals[i] = pf_e_join(b->a, any, default_of(b, i));
        }
    }
    b->raises = false;
    bind_rest(b, rest, any);
}

static void bind(binding *b)
{
    const pf_code *code = b->model.code;
    const pf_e_call *c = b->c;
    int nkw = pf_e_keyword_count(c), npos = c->nargs - nkw;
    pf_e_value rest = pf_e_plain, rest_named = pf_e_plain;
    for (int i = 0; i < npos; i++) {
        if (i < code->npos) {
            b->locals[i] = c->args[i];
        } else {
            b->raises = b->raises || !code->varargs;
            rest = pf_e_join(b->a, rest, c->args[i]);
        }
    }
    for (int i = 0; i < nkw; i++) {
        int param = find_param(code, PyTuple_GET_ITEM(c->kwnames, i));
        if (param >= 0) {
            b->locals[param] = c->args[npos + i];
        } else {
            b->raises = b->raises || !code->varkeywords;
            rest_named = pf_e_join(b->a, rest_named, c->args[npos + i]);
        }
    }
    for (int i = 0; i < code->npos + code->nkwonly; i++) {
        if (b->locals[i].kind == E_BOTTOM) {
            b->locals[i] = default_of(b, i);
        }
    }
    bind_rest(b, rest, rest_named);
}

static pf_e_value enter(binding *b)
{
    pf_analysis *a = b->a;
    b->locals = pf_arena_alloc(&a->arena, sizeof(pf_e_value) * ((size_t)b->model.code->nlocalsplus + 1));
    if (b->locals == NULL) {
        PyErr_NoMemory();
        a->failed = true;
        return pf_e_plain;
    }
    if (b->c->spread) {
        bind_spread(b);
    } else {
        bind(b);
    }
    if (b->raises || pf_e_done(a)) {
        return pf_e_plain;
    }
    pf_e_entry *entry = pf_e_enter(a, &b->model, b->locals);
    return entry == NULL ? pf_e_plain : pf_e_run(a, entry, b->c->entry, b->c->instr);
}

pf_e_value pf_e_call_function(pf_analysis *a, const pf_e_call *c, PyFunctionObject *func)
{
    const pf_code *code = pf_e_decode(a, (PyCodeObject *)func->func_code);
    if (code == NULL) {
        return pf_e_plain;
    }
    PyObject *closure = func->func_closure;
    binding b = {.a = a, .c = c, .model = {.func = func, .code = code, .globals = func->func_globals}};
    b.model.builtins = func->func_builtins;
    if (closure != NULL && PyTuple_Check(closure)) {
        b.model.cells = ((PyTupleObject *)closure)->ob_item;
        b.model.ncells = (int)PyTuple_GET_SIZE(closure);
    }
    return enter(&b);
}

pf_e_value pf_e_call_made(pf_analysis *a, const pf_e_call *c)
{
    pf_e_entry *outer = c->callee.entry;
    const pf_code *code = pf_e_decode(a, c->callee.site->function);
    if (code == NULL) {
        return pf_e_plain;
    }
    binding b = {.a = a, .c = c, .model = {.code = code, .outer = outer, .globals = outer->globals}};
    b.model.builtins = outer->builtins;
    return enter(&b);
}

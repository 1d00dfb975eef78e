/* `_engine._decode` and its like: what the decoder sees, as plain Python values. */
#include "debug.h"

#include "decode.h"
#include "plan.h"
#include "../core/base/mem.h"

/* The code object behind a function, generator-free: a function, a method's function or a code object; borrowed. */
static PyCodeObject *code_of(PyObject *object)
{
    if (PyMethod_Check(object)) {
        object = PyMethod_GET_FUNCTION(object);
    }
    if (PyFunction_Check(object)) {
        object = PyFunction_GET_CODE(object);
    }
    if (PyCode_Check(object)) {
        return (PyCodeObject *)object;
    }
    PyErr_Format(PyExc_TypeError, "a function or code object is wanted, not %.100s", Py_TYPE(object)->tp_name);
    return NULL;
}

static PyObject *named(const pf_instr *instr, PyObject *name)
{
    const char *op = pf_bc_name(instr->op);
    return name ? PyUnicode_FromFormat("%s %U", op, name) : PyUnicode_FromFormat("%s ?%d", op, (int)instr->arg);
}

/* Constants by value, code objects by name: the same text on every version. */
static PyObject *const_text(const pf_instr *instr, PyObject *value)
{
    if (value != NULL && PyCode_Check(value)) {
        return PyUnicode_FromFormat("%s <code %U>", pf_bc_name(instr->op), ((PyCodeObject *)value)->co_name);
    }
    return value ? PyUnicode_FromFormat("%s %R", pf_bc_name(instr->op), value) : named(instr, NULL);
}

static PyObject *call_text(const pf_code *code, const pf_instr *instr)
{
    PyObject *names = instr->arg2 >= 0 ? pf_code_const(code, instr->arg2) : NULL;
    const char *form = instr->sub == PF_CALL_METHOD ? "CALL method" : "CALL";
    return names ? PyUnicode_FromFormat("%s %d %R", form, (int)instr->arg, names)
                 : PyUnicode_FromFormat("%s %d", form, (int)instr->arg);
}

static PyObject *instr_text(const pf_code *code, const pf_instr *instr)
{
    const char *op = pf_bc_name(instr->op);
    int arg = instr->arg;
    switch (instr->op) {
    case PF_BC_LOAD_FAST:
    case PF_BC_LOAD_FAST_AND_CLEAR:
    case PF_BC_STORE_FAST:
    case PF_BC_DELETE_FAST:
    case PF_BC_MAKE_CELL:
    case PF_BC_LOAD_CLOSURE:
    case PF_BC_LOAD_DEREF:
    case PF_BC_STORE_DEREF:
    case PF_BC_DELETE_DEREF:
    case PF_BC_LOAD_FROM_DICT_OR_DEREF:
        return named(instr, pf_code_local(code, arg));
    case PF_BC_LOAD_GLOBAL:
    case PF_BC_STORE_GLOBAL:
    case PF_BC_DELETE_GLOBAL:
    case PF_BC_LOAD_NAME:
    case PF_BC_STORE_NAME:
    case PF_BC_DELETE_NAME:
    case PF_BC_LOAD_FROM_DICT_OR_GLOBALS:
    case PF_BC_LOAD_ATTR:
    case PF_BC_LOAD_METHOD:
    case PF_BC_LOAD_SUPER_ATTR:
    case PF_BC_LOAD_SUPER_METHOD:
    case PF_BC_STORE_ATTR:
    case PF_BC_DELETE_ATTR:
    case PF_BC_IMPORT_NAME:
    case PF_BC_IMPORT_FROM:
        return named(instr, pf_code_name(code, arg));
    case PF_BC_LOAD_CONST:
        return const_text(instr, pf_code_const(code, arg));
    case PF_BC_BINARY_OP:
        return PyUnicode_FromFormat("%s %s%s", op, pf_binop_text(instr->sub), arg ? "=" : "");
    case PF_BC_COMPARE:
        return PyUnicode_FromFormat("%s %s%s", op, pf_cmp_text(instr->sub), arg ? " bool" : "");
    case PF_BC_CALL:
        return call_text(code, instr);
    case PF_BC_UNPACK_EX:
    case PF_BC_UNKNOWN:
        return PyUnicode_FromFormat("%s %d %d", op, arg, (int)instr->arg2);
    case PF_BC_INTRINSIC:
        return PyUnicode_FromFormat("%s %d/%d", op, arg, (int)instr->sub);
    default:
        return instr->target >= 0 ? PyUnicode_FromFormat("%s -> %d", op, (int)instr->target)
                                  : PyUnicode_FromFormat(arg ? "%s %d" : "%s", op, arg);
    }
}

static PyObject *instr_tuple(const pf_code *code, const pf_instr *instr)
{
    PyObject *text = instr_text(code, instr);
    if (text == NULL) {
        return NULL;
    }
    return Py_BuildValue("(siiiiiiiiN)", pf_bc_name(instr->op), instr->sub, (int)instr->arg, (int)instr->arg2,
                         (int)instr->target, (int)instr->handler, instr->flags, (int)instr->depth, (int)instr->lasti,
                         text);
}

static PyObject *instr_list(const pf_code *code)
{
    PyObject *list = PyList_New(code->n);
    for (int i = 0; list != NULL && i < code->n; i++) {
        PyObject *item = instr_tuple(code, &code->instrs[i]);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, item);
        }
    }
    return list;
}

static PyObject *handler_list(const pf_code *code)
{
    PyObject *list = PyList_New(code->nhandlers);
    for (int i = 0; list != NULL && i < code->nhandlers; i++) {
        const pf_handler *h = &code->handlers[i];
        PyObject *item = Py_BuildValue("(iii)", (int)h->target, (int)h->depth, (int)h->lasti);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, item);
        }
    }
    return list;
}

PyDoc_STRVAR(decode_doc, "_decode(function_or_code, /)\n--\n\n"
                         "Canonical instructions as tuples (op, sub, arg, arg2, target, handler, flags, depth, lasti, "
                         "text).");

static PyObject *debug_decode(PyObject *module, PyObject *object)
{
    (void)module;
    PyCodeObject *code = code_of(object);
    pf_code *decoded = NULL;
    if (code == NULL || pf_decode(code, &decoded) < 0) {
        return NULL;
    }
    PyObject *list = instr_list(decoded);
    pf_decode_free(decoded);
    return list;
}

PyDoc_STRVAR(decode_info_doc, "_decode_info(function_or_code, /)\n--\n\n"
                              "What the decoder says about the code as a whole, handlers and positions included.");

static PyObject *debug_decode_info(PyObject *module, PyObject *object)
{
    (void)module;
    PyCodeObject *code = code_of(object);
    pf_code *c = NULL;
    if (code == NULL || pf_decode(code, &c) < 0) {
        return NULL;
    }
    PyObject *info = NULL, *handlers = handler_list(c), *lines = PyList_New(0);
    for (int i = 0; lines != NULL && i < c->n; i++) {
        pf_position at = pf_code_position(c, i);
        PyObject *item = Py_BuildValue("(iiii)", at.line, at.col, at.end_line, at.end_col);
        if (item == NULL || PyList_Append(lines, item) < 0) {
            Py_CLEAR(lines);
        }
        Py_XDECREF(item);
    }
    if (handlers != NULL && lines != NULL) {
        info = Py_BuildValue("{s:O,s:O,s:i,s:i,s:i,s:i,s:N,s:N,s:N,s:N}", "handlers", handlers, "positions", lines,
                             "max_depth", c->max_depth, "npos", c->npos, "nkwonly", c->nkwonly, "nfree", c->nfree,
                             "is_generator", PyBool_FromLong(c->is_generator), "is_genexpr",
                             PyBool_FromLong(c->is_genexpr), "is_async", PyBool_FromLong(c->is_async), "has_unknown",
                             PyBool_FromLong(c->has_unknown));
    }
    Py_XDECREF(handlers);
    Py_XDECREF(lines);
    pf_decode_free(c);
    return info;
}

PyDoc_STRVAR(decode_resume_doc, "_decode_resume(function_or_code, lasti, /)\n--\n\n"
                                "Index at which a generator suspended at lasti goes on, or -1.");

static PyObject *debug_decode_resume(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *object;
    int lasti;
    if (!PyArg_ParseTuple(args, "Oi:_decode_resume", &object, &lasti)) {
        return NULL;
    }
    PyCodeObject *code = code_of(object);
    pf_code *decoded = NULL;
    if (code == NULL || pf_decode(code, &decoded) < 0) {
        return NULL;
    }
    int index = pf_code_resume(decoded, lasti);
    pf_decode_free(decoded);
    return PyLong_FromLong(index);
}

PyDoc_STRVAR(mem_fail_doc, "_mem_fail_after(n, /)\n--\n\n"
                           "The engine's n-th allocation from now on fails, once (0: the next); -1 switches it off.\n"
                           "Returns what was left to let through: negative when it has failed.");

static PyObject *debug_mem_fail_after(PyObject *module, PyObject *n)
{
    (void)module;
    long long count = PyLong_AsLongLong(n);
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromLongLong(pf_mem_fail_after(count));
}

PyDoc_STRVAR(mem_live_doc, "_mem_live()\n--\n\nBlocks of memory that the engine holds.");

static PyObject *debug_mem_live(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return PyLong_FromLongLong(pf_mem_live());
}

PyDoc_STRVAR(forget_doc, "_forget_plans()\n--\n\nEmpties the cache of plans.");

static PyObject *debug_forget_plans(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    pf_plan_forget_all();
    Py_RETURN_NONE;
}

PyDoc_STRVAR(made_doc, "_plans_made()\n--\n\nHow many plans were built since the import, refusals among them.");

static PyObject *debug_plans_made(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return PyLong_FromLongLong(pf_plans_made());
}

static PyMethodDef debug_methods[] = {
    {"_plans_made", debug_plans_made, METH_NOARGS, made_doc},
    {"_forget_plans", debug_forget_plans, METH_NOARGS, forget_doc},
    {"_decode", debug_decode, METH_O, decode_doc},
    {"_decode_info", debug_decode_info, METH_O, decode_info_doc},
    {"_decode_resume", debug_decode_resume, METH_VARARGS, decode_resume_doc},
    {"_mem_fail_after", debug_mem_fail_after, METH_O, mem_fail_doc},
    {"_mem_live", debug_mem_live, METH_NOARGS, mem_live_doc},
    {NULL, NULL, 0, NULL},
};

int pf_debug_add(PyObject *module)
{
    return PyModule_AddFunctions(module, debug_methods);
}

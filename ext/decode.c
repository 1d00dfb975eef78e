/* The decoder's public face: the three stages in a row, and accessors that read C fields only. */
#include "decode.h"

#include "decode_internal.h"
#include "../core/base/mem.h"

#include <string.h>

bool pf_decode_supported(void)
{
    return pf_raw_table[1].action != RAW_UNKNOWN; /* opcode 1 is in every table */
}

static int pf_bits4(int flags)
{
    return (flags & 1) + (flags >> 1 & 1) + (flags >> 2 & 1) + (flags >> 3 & 1);
}

static void effect_of(int op, int sub, int arg, int arg2, int *pops, int *pushes)
{
    (void)sub, (void)arg, (void)arg2;
    *pops = *pushes = 0;
    switch (op) {
#define BC(name, pop, push, klass)                                                                                     \
    case PF_BC_##name:                                                                                                 \
        *pops = (pop);                                                                                                 \
        *pushes = (push);                                                                                              \
        break;
#include "bytecode.def"
#undef BC
    default:
        break;
    }
}

static void jump_effect(int op, int *pops, int *pushes)
{
    if (op == PF_BC_FOR_ITER) {
        *pushes = 0;
    } else if (op == PF_BC_SEND) {
        *pushes = 1;
    }
    (void)pops;
}

void pf_instr_effect(const pf_instr *instr, bool jump, int *pops, int *pushes)
{
    effect_of(instr->op, instr->sub, instr->arg, instr->arg2, pops, pushes);
    if (jump) {
        jump_effect(instr->op, pops, pushes);
    }
}

void pf_wide_effect(const pf_wide *op, bool jump, int *pops, int *pushes)
{
    effect_of(op->op, op->sub, op->arg, op->arg2, pops, pushes);
    if (jump) {
        jump_effect(op->op, pops, pushes);
    }
}

static void describe(PyCodeObject *code, pf_code *out)
{
    int flags = code->co_flags;
    PyObject *first = code->co_nlocalsplus > 0 ? PyTuple_GET_ITEM(code->co_localsplusnames, 0) : NULL;
    out->code = code;
    out->nlocalsplus = code->co_nlocalsplus;
    out->nfree = code->co_nfreevars;
    out->npos = code->co_argcount;
    out->nposonly = code->co_posonlyargcount;
    out->nkwonly = code->co_kwonlyargcount;
    out->varargs = (flags & CO_VARARGS) != 0;
    out->varkeywords = (flags & CO_VARKEYWORDS) != 0;
    out->is_generator = (flags & CO_GENERATOR) != 0;
    out->is_async = (flags & (CO_COROUTINE | CO_ASYNC_GENERATOR | CO_ITERABLE_COROUTINE)) != 0;
    out->is_genexpr = out->is_generator && out->npos == 1 && out->nkwonly == 0 && !out->varargs && !out->varkeywords &&
                      first != NULL && PyUnicode_CompareWithASCIIString(first, ".0") == 0 &&
                      PyUnicode_CompareWithASCIIString(code->co_name, "<genexpr>") == 0;
}

static pf_status decode_bytes(PyCodeObject *code, PyObject *bytes, pf_code *out)
{
    pf_wide_code wide = {0};
    pf_status status =
        pf_decode_raw(code, (const uint8_t *)PyBytes_AS_STRING(bytes), (int)PyBytes_GET_SIZE(bytes), &wide);
    if (status == PF_OK) {
        status = pf_decode_stack(&wide);
    }
    if (status == PF_OK) {
        status = pf_decode_layout(&wide, out);
    }
    pf_mem_free(wide.ops);
    pf_mem_free(wide.handlers);
    return status;
}

int pf_decode(PyCodeObject *code, pf_code **out)
{
    pf_status status = PF_NOMEM;
    PyObject *bytes = PyCode_GetCode(code);
    pf_code *decoded = pf_mem_calloc(1, sizeof(pf_code));
    if (bytes != NULL && decoded != NULL) {
        describe(code, decoded);
        status = decode_bytes(code, bytes, decoded);
    }
    Py_XDECREF(bytes);
    if (status != PF_OK) {
        pf_decode_free(decoded);
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return -1;
    }
    *out = decoded;
    return 0;
}

int pf_code_count(PyCodeObject *code, pf_code_counts *out)
{
    PyObject *bytes = PyCode_GetCode(code);
    if (bytes == NULL) {
        return -1;
    }
    const uint8_t *units = (const uint8_t *)PyBytes_AS_STRING(bytes);
    *out = (pf_code_counts){0};
    for (Py_ssize_t i = 0; i < PyBytes_GET_SIZE(bytes) / 2; i++) {
        const pf_raw_entry *raw = &pf_raw_table[units[2 * i]];
        out->loops += raw->action == RAW_FOR_ITER;
        out->yields += raw->action == RAW_OP && raw->op == PF_BC_YIELD_VALUE;
        out->branches += raw->action == RAW_BRANCH || raw->action == RAW_BRANCH_BACK || raw->action == RAW_OR_POP;
        i += raw->caches;
    }
    Py_DECREF(bytes);
    return 0;
}

void pf_decode_free(pf_code *decoded)
{
    if (decoded != NULL) {
        pf_mem_free(decoded->instrs);
        pf_mem_free(decoded->handlers);
        pf_mem_free(decoded);
    }
}

static PyObject *tuple_item(PyObject *tuple, int index)
{
    return index >= 0 && index < PyTuple_GET_SIZE(tuple) ? PyTuple_GET_ITEM(tuple, index) : NULL;
}

PyObject *pf_code_const(const pf_code *decoded, int index)
{
    return tuple_item(decoded->code->co_consts, index);
}

PyObject *pf_code_name(const pf_code *decoded, int index)
{
    return tuple_item(decoded->code->co_names, index);
}

PyObject *pf_code_local(const pf_code *decoded, int index)
{
    return tuple_item(decoded->code->co_localsplusnames, index);
}

/* Slot kinds as marshalled in every version; their names live in an internal header. */
static bool has_kind(const pf_code *decoded, int index, int kind)
{
    PyObject *kinds = decoded->code->co_localspluskinds;
    return index >= 0 && index < PyBytes_GET_SIZE(kinds) && (PyBytes_AS_STRING(kinds)[index] & kind) != 0;
}

bool pf_code_is_cell(const pf_code *decoded, int index)
{
    return has_kind(decoded, index, 0x40);
}

bool pf_code_is_free(const pf_code *decoded, int index)
{
    return has_kind(decoded, index, 0x80);
}

int pf_code_free_number(const pf_code *decoded, int index)
{
    return index - (decoded->nlocalsplus - decoded->nfree);
}

/* Up to 3.12 a suspended frame stands on the YIELD_VALUE, in 3.13 on the RESUME behind it. */
int pf_code_resume(const pf_code *decoded, int lasti)
{
    for (int i = 0; i < decoded->n; i++) {
        const pf_instr *instr = &decoded->instrs[i];
        if (instr->op == PF_BC_YIELD_VALUE && (instr->lasti == lasti || instr->lasti + 2 == lasti)) {
            return i + 1;
        }
    }
    return -1;
}

pf_position pf_code_position(const pf_code *decoded, int index)
{
    pf_position at = {-1, -1, -1, -1};
    if (index >= 0 && index < decoded->n) {
        PyCode_Addr2Location(decoded->code, decoded->instrs[index].lasti, &at.line, &at.col, &at.end_line, &at.end_col);
    }
    return at;
}

const char *pf_bc_name(int op)
{
    static const char *const names[] = {
#define BC(name, pops, pushes, klass) #name,
#include "bytecode.def"
#undef BC
    };
    return op >= 0 && op < PF_BC_COUNT ? names[op] : "?";
}

pf_bc_class pf_bc_class_of(int op)
{
    static const uint8_t classes[] = {
#define BC(name, pops, pushes, klass) PF_CLASS_##klass,
#include "bytecode.def"
#undef BC
    };
    return op >= 0 && op < PF_BC_COUNT ? (pf_bc_class)classes[op] : PF_CLASS_FOREIGN;
}

const char *pf_binop_text(int binop)
{
    static const char *const texts[] = {"+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^"};
    return binop >= 0 && binop < PF_BINOP_COUNT ? texts[binop] : "?";
}

const char *pf_cmp_text(int cmp)
{
    static const char *const texts[] = {"<", "<=", "==", "!=", ">", ">="};
    return cmp >= 0 && cmp < PF_CMP_COUNT ? texts[cmp] : "?";
}

/* Bytes to wide instructions.
 *
 * The raw form is a sequence of code units (opcode, argument byte), with wide arguments collected by EXTENDED_ARG and
 * inline caches after some opcodes. One action of the version's table turns each raw instruction into none, one or
 * several wide ones. Jumps are kept as code units until all is read and then resolved. A last pass over neighbours
 * undoes what only one version's compiler writes: TO_BOOL before a branch, slices built before subscription,
 * keyword names and function attributes passed over the stack. */
#include "decode_internal.h"

#include "../core/base/mem.h"

#include <string.h>

/* Kinds of localsplus slots; CPython keeps the names in an internal header, the values are marshalled. */
enum { KIND_CELL = 0x40, KIND_FREE = 0x80 };

typedef struct reader {
    pf_wide_code *out;
    const uint8_t *units;
    int nunits;
    int32_t *index_of; /* code unit -> first wide index at or after it; nunits + 1 entries */
    int unit;          /* of the raw instruction being read, its EXTENDED_ARGs left behind */
    int next;          /* unit after it and its caches: what relative jumps count from */
    int32_t kwnames;   /* argument of a pending KW_NAMES, or -1 */
    bool drop_pop;     /* a prologue was read, its POP_TOP is still to come */
} reader;

static pf_status emit_full(reader *r, int op, int sub, int32_t arg, int32_t arg2, int32_t target)
{
    pf_wide_code *out = r->out;
    if (out->n == out->capacity) {
        int capacity = out->capacity ? out->capacity * 2 : r->nunits + 16;
        pf_wide *grown = pf_mem_realloc(out->ops, sizeof(pf_wide) * (size_t)capacity);
        if (grown == NULL) {
            return PF_NOMEM;
        }
        out->ops = grown;
        out->capacity = capacity;
    }
    out->ops[out->n++] = (pf_wide){.op = (uint8_t)op,
                                   .sub = (uint8_t)sub,
                                   .arg = arg,
                                   .arg2 = arg2,
                                   .target = target,
                                   .handler = -1,
                                   .depth = -1,
                                   .lasti = r->unit * 2};
    return PF_OK;
}

static pf_status emit(reader *r, int op, int32_t arg)
{
    return emit_full(r, op, 0, arg, 0, -1);
}

static pf_status emit_pair(reader *r, int first, int32_t arg1, int second, int32_t arg2)
{
    PF_TRY(emit(r, first, arg1));
    return emit(r, second, arg2);
}

static int slot_kind(const reader *r, int32_t slot)
{
    PyObject *kinds = r->out->code->co_localspluskinds;
    return slot >= 0 && slot < PyBytes_GET_SIZE(kinds) ? (unsigned char)PyBytes_AS_STRING(kinds)[slot] : 0;
}

static pf_status emit_load_fast(reader *r, int32_t slot)
{
    bool cell = (slot_kind(r, slot) & (KIND_CELL | KIND_FREE)) != 0;
    return emit(r, cell ? PF_BC_LOAD_CLOSURE : PF_BC_LOAD_FAST, slot);
}

static pf_status emit_unknown(reader *r, int opcode, int32_t arg)
{
    return emit_full(r, PF_BC_UNKNOWN, 0, opcode, arg, -1);
}

static pf_status emit_binary(reader *r, int opcode, int32_t arg)
{
    if (arg < 0 || arg >= 2 * PF_BINOP_COUNT) {
        return emit_unknown(r, opcode, arg);
    }
    return emit_full(r, PF_BC_BINARY_OP, arg % PF_BINOP_COUNT, arg >= PF_BINOP_COUNT, 0, -1);
}

static pf_status emit_compare(reader *r, int opcode, int32_t arg, int shift)
{
    int cmp = arg >> shift;
    if (cmp < 0 || cmp >= PF_CMP_COUNT) {
        return emit_unknown(r, opcode, arg);
    }
    return emit_full(r, PF_BC_COMPARE, cmp, shift == 5 && (arg & 16), 0, -1);
}

/* FORMAT_VALUE converts under the spec; the peephole pass finds the common case of a constant spec. */
static pf_status emit_format(reader *r, int32_t arg)
{
    int conversion = arg & 3;
    bool spec = (arg & 4) != 0;
    if (conversion != 0) {
        if (spec) {
            PF_TRY(emit(r, PF_BC_SWAP, 2));
        }
        PF_TRY(emit(r, PF_BC_CONVERT_VALUE, conversion));
        if (spec) {
            PF_TRY(emit(r, PF_BC_SWAP, 2));
        }
    }
    return emit(r, spec ? PF_BC_FORMAT_WITH_SPEC : PF_BC_FORMAT_SIMPLE, 0);
}

static pf_status emit_intrinsic(reader *r, int operands, int32_t number)
{
    static const uint8_t one[] = {0,
                                  PF_BC_PRINT_EXPR,
                                  PF_BC_IMPORT_STAR,
                                  PF_BC_STOPITERATION_ERROR,
                                  PF_BC_ASYNC_GEN_WRAP,
                                  PF_BC_UNARY_POS,
                                  PF_BC_LIST_TO_TUPLE};
    if (operands == 1 && number > 0 && number < (int)sizeof one) {
        return emit(r, one[number], 0);
    }
    if (operands == 2 && number == 1) {
        return emit(r, PF_BC_PREP_RERAISE_STAR, 0);
    }
    return emit_full(r, PF_BC_INTRINSIC, operands, number, 0, -1);
}

/* x_OR_POP is what later versions write out: copy, branch, pop. */
static pf_status emit_or_pop(reader *r, int32_t arg, int sense)
{
    PF_TRY(emit(r, PF_BC_COPY, 1));
    PF_TRY(emit_full(r, PF_BC_POP_JUMP_IF_FALSE, sense, 0, 0, r->next + arg));
    return emit(r, PF_BC_POP_TOP, 0);
}

static pf_status emit_global(reader *r, int32_t arg, bool above)
{
    bool null = (arg & 1) != 0;
    if (null && !above) {
        PF_TRY(emit(r, W_PUSH_NULL, 0));
    }
    PF_TRY(emit(r, PF_BC_LOAD_GLOBAL, arg >> 1));
    return null && above ? emit(r, W_PUSH_NULL, 0) : PF_OK;
}

/* Locals, attributes, functions: actions that make one or two loads or stores. */
static pf_status emit_access(reader *r, pf_raw_entry e, int opcode, int32_t arg)
{
    int high = arg >> 4, low = arg & 15;
    switch (e.action) {
    case RAW_LOAD_FAST:
        return emit_load_fast(r, arg);
    case RAW_LOAD_LOAD:
        PF_TRY(emit_load_fast(r, high));
        return emit_load_fast(r, low);
    case RAW_STORE_LOAD:
        PF_TRY(emit(r, PF_BC_STORE_FAST, high));
        return emit_load_fast(r, low);
    case RAW_STORE_STORE:
        return emit_pair(r, PF_BC_STORE_FAST, high, PF_BC_STORE_FAST, low);
    case RAW_GLOBAL:
        return emit_global(r, arg, e.aux);
    case RAW_ATTR:
        return emit(r, arg & 1 ? PF_BC_LOAD_METHOD : PF_BC_LOAD_ATTR, arg >> 1);
    case RAW_SUPER:
        return emit(r, arg & 1 ? PF_BC_LOAD_SUPER_METHOD : PF_BC_LOAD_SUPER_ATTR, arg >> 2);
    case RAW_CLASSDEREF:
        return emit_pair(r, PF_BC_LOAD_LOCALS, 0, PF_BC_LOAD_FROM_DICT_OR_DEREF, arg);
    default:
        return emit_unknown(r, opcode, arg);
    }
}

static pf_status emit_call(reader *r, pf_raw_entry e, int opcode, int32_t arg)
{
    int32_t names = r->kwnames;
    switch (e.action) {
    case RAW_KW_NAMES:
        r->kwnames = arg;
        return PF_OK;
    case RAW_CALL:
        r->kwnames = -1;
        return emit_full(r, PF_BC_CALL, PF_CALL_PLAIN, arg, names, -1);
    case RAW_CALL_KW: /* names on the stack, marked -2 until the peephole pass has found the constant */
        return emit_full(r, PF_BC_CALL, PF_CALL_PLAIN, arg, -2, -1);
    case RAW_CALL_EX:
        return emit(r, PF_BC_CALL_EX, arg & 1);
    case RAW_MAKE_FUNCTION:
        return emit(r, PF_BC_MAKE_FUNCTION, e.aux ? 0 : arg & 15);
    default:
        return emit_unknown(r, opcode, arg);
    }
}

/* A backward target; before the start is out of range, but must not look like "no jump". */
static int32_t behind(const reader *r, int32_t arg)
{
    return arg <= r->next ? r->next - arg : INT32_MAX;
}

static pf_status emit_jump(reader *r, pf_raw_entry e, int opcode, int32_t arg)
{
    switch (e.action) {
    case RAW_BRANCH:
        return emit_full(r, e.op, e.aux, 0, 0, r->next + arg);
    case RAW_BRANCH_BACK:
        return emit_full(r, e.op, e.aux, 0, 0, behind(r, arg));
    case RAW_OR_POP:
        return emit_or_pop(r, arg, e.aux);
    case RAW_JUMP:
    case RAW_SEND:
        return emit_full(r, e.op, 0, 0, 0, r->next + arg);
    case RAW_JUMP_BACK:
        return emit_full(r, e.op, 0, 0, 0, behind(r, arg));
    case RAW_FOR_ITER:
        return emit_full(r, PF_BC_FOR_ITER, 0, 0, 0, r->next + arg + e.aux);
    default:
        return emit_unknown(r, opcode, arg);
    }
}

static pf_status emit_action(reader *r, pf_raw_entry e, int opcode, int32_t arg)
{
    switch (e.action) {
    case RAW_DROP:
        return PF_OK;
    case RAW_PROLOGUE:
        r->drop_pop = true;
        return PF_OK;
    case RAW_POP_TOP:
        if (r->drop_pop) {
            r->drop_pop = false;
            return PF_OK;
        }
        return emit(r, PF_BC_POP_TOP, 0);
    case RAW_OP:
        return emit(r, e.op, 0);
    case RAW_ARG:
        return emit(r, e.op, arg);
    case RAW_OP_POP:
        return emit_pair(r, e.op, 0, PF_BC_POP_TOP, 0);
    case RAW_END_FOR:
        return e.aux == 2 ? emit_pair(r, PF_BC_POP_TOP, 0, PF_BC_POP_TOP, 0) : emit(r, PF_BC_POP_TOP, 0);
    case RAW_UNPACK_EX:
        return emit_full(r, PF_BC_UNPACK_EX, 0, arg & 0xFF, arg >> 8, -1);
    case RAW_BINARY_OP:
        return emit_binary(r, opcode, arg);
    case RAW_COMPARE:
        return emit_compare(r, opcode, arg, e.aux);
    case RAW_FORMAT:
        return emit_format(r, arg);
    case RAW_RETURN_CONST:
        return emit_pair(r, PF_BC_LOAD_CONST, arg, PF_BC_RETURN_VALUE, 0);
    case RAW_INTRINSIC_1:
        return emit_intrinsic(r, 1, arg);
    case RAW_INTRINSIC_2:
        return emit_intrinsic(r, 2, arg);
    case RAW_LOAD_FAST:
    case RAW_LOAD_LOAD:
    case RAW_STORE_LOAD:
    case RAW_STORE_STORE:
    case RAW_GLOBAL:
    case RAW_ATTR:
    case RAW_SUPER:
    case RAW_CLASSDEREF:
        return emit_access(r, e, opcode, arg);
    case RAW_KW_NAMES:
    case RAW_CALL:
    case RAW_CALL_KW:
    case RAW_CALL_EX:
    case RAW_MAKE_FUNCTION:
        return emit_call(r, e, opcode, arg);
    default:
        return emit_jump(r, e, opcode, arg);
    }
}

static pf_status read_units(reader *r)
{
    int64_t extended = 0;
    for (int unit = 0; unit < r->nunits;) {
        int opcode = r->units[2 * unit];
        pf_raw_entry e = pf_raw_table[opcode];
        int64_t arg = extended << 8 | r->units[2 * unit + 1];
        r->unit = unit;
        r->next = unit + 1 + e.caches;
        for (; unit < r->next && unit <= r->nunits; unit++) {
            r->index_of[unit] = r->out->n;
        }
        if (e.action == RAW_EXTENDED_ARG) {
            extended = arg & 0xFFFFFF;
            continue;
        }
        extended = 0;
        PF_TRY(arg > INT32_MAX / 2 ? emit_unknown(r, opcode, 0) : emit_action(r, e, opcode, (int32_t)arg));
    }
    r->index_of[r->nunits] = r->out->n;
    return emit_unknown(r, -1, 0); /* falling off the end is defined */
}

/* The exception table: start, length, target in code units and depth << 1 | lasti, six bits to a byte. */
static const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, int *value)
{
    unsigned v = 0;
    while (p < end) {
        uint8_t byte = *p++;
        v = v << 6 | (byte & 63);
        if (!(byte & 64)) {
            break;
        }
    }
    *value = (int)(v & INT32_MAX);
    return p;
}

/* The handler 3.12+ puts around every generator: StopIteration leaves a generator as RuntimeError. Every reader of
 * generators knows that law, so the handler is left out. */
static bool is_generator_epilogue(const pf_wide_code *wide, pf_handler h)
{
    return h.depth == 0 && h.target + 1 < wide->n && wide->ops[h.target].op == PF_BC_STOPITERATION_ERROR &&
           wide->ops[h.target + 1].op == PF_BC_RERAISE;
}

static pf_status add_handler(pf_wide_code *wide, pf_handler h, int *index)
{
    for (int i = 0; i < wide->nhandlers; i++) {
        pf_handler old = wide->handlers[i];
        if (old.target == h.target && old.depth == h.depth && old.lasti == h.lasti) {
            *index = i;
            return PF_OK;
        }
    }
    pf_handler *grown = pf_mem_realloc(wide->handlers, sizeof(pf_handler) * (size_t)(wide->nhandlers + 1));
    if (grown == NULL) {
        return PF_NOMEM;
    }
    wide->handlers = grown;
    *index = wide->nhandlers;
    grown[wide->nhandlers++] = h;
    return PF_OK;
}

static pf_status read_handlers(reader *r)
{
    pf_wide_code *wide = r->out;
    PyObject *table = wide->code->co_exceptiontable;
    if (table == NULL || !PyBytes_Check(table)) {
        return PF_OK;
    }
    const uint8_t *p = (const uint8_t *)PyBytes_AS_STRING(table);
    const uint8_t *end = p + PyBytes_GET_SIZE(table);
    while (p < end) {
        int start, length, target, packed;
        p = read_varint(p, end, &start);
        p = read_varint(p, end, &length);
        p = read_varint(p, end, &target);
        p = read_varint(p, end, &packed);
        if (start > r->nunits || length > r->nunits - start || target >= r->nunits) {
            continue;
        }
        pf_handler h = {r->index_of[target], packed >> 1, packed & 1};
        if (is_generator_epilogue(wide, h)) {
            continue;
        }
        int index;
        PF_TRY(add_handler(wide, h, &index));
        wide->ops[h.target].leader = true;
        for (int i = r->index_of[start]; i < r->index_of[start + length]; i++) {
            wide->ops[i].handler = index;
        }
    }
    return PF_OK;
}

/* Jump targets from code units to wide indices; block starts marked. */
static void resolve_jumps(reader *r)
{
    pf_wide_code *wide = r->out;
    wide->ops[0].leader = true;
    for (int i = 0; i < wide->n; i++) {
        pf_wide *op = &wide->ops[i];
        if (op->target == -1 && !pf_wide_ends(op)) {
            continue;
        }
        if (i + 1 < wide->n) {
            wide->ops[i + 1].leader = true;
        }
        if (op->op == PF_BC_RETURN_VALUE || op->op == PF_BC_RAISE || op->op == PF_BC_RERAISE ||
            op->op == PF_BC_UNKNOWN) {
            op->target = -1;
        } else if (op->target < 0 || op->target >= r->nunits) {
            op->op = PF_BC_UNKNOWN;
            op->target = -1;
        } else {
            op->target = r->index_of[op->target];
            wide->ops[op->target].leader = true;
        }
    }
}

/* The instruction before i that must have run just before it, or NULL. */
static pf_wide *just_before(pf_wide_code *wide, int i)
{
    for (; i > 0 && !wide->ops[i].leader; i--) {
        if (wide->ops[i - 1].op != W_NOP) {
            return &wide->ops[i - 1];
        }
    }
    return NULL;
}

static void erase(pf_wide *op)
{
    op->op = W_NOP;
    op->target = -1;
}

static void fold_call_names(pf_wide *call, pf_wide *before)
{
    if (before != NULL && before->op == PF_BC_LOAD_CONST) {
        call->arg2 = before->arg;
        erase(before);
    } else {
        *call = (pf_wide){.op = PF_BC_UNKNOWN,
                          .leader = call->leader,
                          .target = -1,
                          .handler = call->handler,
                          .depth = -1,
                          .lasti = call->lasti};
    }
}

/* value, constant spec, [swap, convert, swap], format  ->  value, [convert], constant spec, format */
static void fold_convert(pf_wide_code *wide, int swap)
{
    pf_wide *first = &wide->ops[swap], *spec = just_before(wide, swap);
    if (swap + 2 >= wide->n || spec == NULL || spec->op != PF_BC_LOAD_CONST || first[0].op != PF_BC_SWAP ||
        first[1].op != PF_BC_CONVERT_VALUE || first[2].op != PF_BC_SWAP || first[1].lasti != first[0].lasti) {
        return;
    }
    pf_wide convert = first[1];
    first[1] = *spec;
    convert.leader = spec->leader;
    *spec = convert;
    first[1].leader = false;
    erase(&first[0]);
    erase(&first[2]);
}

static bool tests_truth(const pf_wide *op)
{
    return op->op == PF_BC_POP_JUMP_IF_FALSE || op->op == PF_BC_UNARY_NOT;
}

/* Is an iterator what this leaves? From 3.13.1 generator expressions call iter() once more on theirs, which is no step:
 * iterators that are read natively return themselves. */
static bool leaves_iterator(const pf_wide_code *wide, const pf_wide *op)
{
    PyCodeObject *code = wide->code;
    if (op->op == PF_BC_LOAD_FAST && op->arg == 0 && code->co_nlocalsplus > 0) {
        return PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(code->co_localsplusnames, 0), ".0") == 0;
    }
    return op->op == PF_BC_GET_ITER;
}

static void fold_neighbours(pf_wide_code *wide)
{
    for (int i = 1; i < wide->n; i++) {
        pf_wide *op = &wide->ops[i], *before = just_before(wide, i);
        if (op->op == PF_BC_CALL && op->arg2 == -2) {
            fold_call_names(op, before);
        } else if (before == NULL) {
            continue;
        } else if (tests_truth(op) && before->op == PF_BC_TO_BOOL) {
            erase(before);
            before = just_before(wide, i);
        } else if ((op->op == PF_BC_BINARY_SUBSCR || op->op == PF_BC_STORE_SUBSCR) && before->op == PF_BC_BUILD_SLICE &&
                   before->arg == 2) {
            op->op = op->op == PF_BC_BINARY_SUBSCR ? PF_BC_BINARY_SLICE : PF_BC_STORE_SLICE;
            erase(before);
        } else if (op->op == PF_BC_SET_FUNCTION_ATTRIBUTE && before->op == PF_BC_MAKE_FUNCTION &&
                   (before->arg == 0 || op->arg < (before->arg & -before->arg))) {
            before->arg |= op->arg & 15;
            erase(op);
        } else if (op->op == PF_BC_SWAP) {
            fold_convert(wide, i);
        } else if (op->op == PF_BC_GET_ITER && leaves_iterator(wide, before)) {
            erase(op);
        }
        if (tests_truth(op) && before != NULL && before->op == PF_BC_COMPARE) {
            before->arg = 0;
        }
    }
}

pf_status pf_decode_raw(PyCodeObject *code, const uint8_t *bytes, int nbytes, pf_wide_code *out)
{
    reader r = {.out = out, .units = bytes, .nunits = nbytes / 2, .kwnames = -1};
    out->code = code;
    r.index_of = pf_mem_calloc((size_t)r.nunits + 1, sizeof(int32_t));
    if (r.index_of == NULL) {
        return PF_NOMEM;
    }
    pf_status status = read_units(&r);
    if (status == PF_OK) {
        resolve_jumps(&r);
        status = read_handlers(&r);
    }
    if (status == PF_OK) {
        fold_neighbours(out);
    }
    pf_mem_free(r.index_of);
    return status;
}

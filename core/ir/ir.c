/* The builder: instructions are appended to the block being filled, and nothing is decided before pf_ir_finish.
 *
 * Refs are handed out in the order of calls, so a block's instructions stand in one run, in which values of the whole
 * function (constants, params, columns, the row number) lie scattered wherever they were first asked for. finish.c
 * sorts that out. A caller never looks at errors here: memory trouble latches in fn->failed, calls that make no
 * sense latch in fn->misuse, and pf_ir_finish tells. */
#include "ir_internal.h"

#include "../base/mem.h"

#include <string.h>

const pf_op_info pf_ops[PF_OP_COUNT] = {
#define OVERFLOW PF_BAIL_OVERFLOW
#define ZERO PF_BAIL_ZERO
#define DOMAIN PF_BAIL_DOMAIN
#define INEXACT PF_BAIL_INEXACT
#define KIND PF_BAIL_KIND
#define ALWAYS PF_BAIL_ALWAYS
#define COMM PF_LAW_COMM
#define ASSOC_I64 PF_LAW_ASSOC_I64
#define CHEAP PF_LAW_CHEAP
#define TERM PF_LAW_TERM
#define LIBM PF_LAW_LIBM
#define OP(name, arity, operands, result, bails, laws, text)                                                           \
    [PF_OP_##name] = {#name, arity, PF_ARGS_##operands, PF_RES_##result, bails, laws, text},
#include "ops.def"
#undef OP
#undef OVERFLOW
#undef ZERO
#undef DOMAIN
#undef INEXACT
#undef KIND
#undef ALWAYS
#undef COMM
#undef ASSOC_I64
#undef CHEAP
#undef TERM
#undef LIBM
};

_Static_assert(PF_OP_COUNT < 256, "pf_inst.op is one byte");

void *pf_ir_grow(pf_fn *fn, void *array, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    uint32_t wider = *cap < 8 ? 16 : *cap * 2;
    void *fresh = *cap > UINT32_MAX / 4 ? NULL : pf_arena_alloc(&fn->arena, wider * size);
    if (fresh == NULL) {
        return NULL;
    }
    if (n > 0) {
        memcpy(fresh, array, n * size);
    }
    *cap = wider;
    return fresh;
}

/* Room for one more in fn->field, or the function has failed. */
#define ROOM(fn, field)                                                                                                \
    do {                                                                                                               \
        void *room_ = pf_ir_grow((fn), (fn)->field, (fn)->n##field, &(fn)->cap_##field, sizeof *(fn)->field);          \
        if (room_ == NULL) {                                                                                           \
            (fn)->failed = true;                                                                                       \
            return 0;                                                                                                  \
        }                                                                                                              \
        (fn)->field = room_;                                                                                           \
    } while (0)

static void misuse(pf_fn *fn, const char *what)
{
    if (fn->misuse == NULL) {
        fn->misuse = what;
    }
}

/* ---- function ---- */

pf_fn *pf_ir_new(void)
{
    pf_fn *fn = pf_mem_calloc(1, sizeof *fn);
    if (fn == NULL) {
        return NULL;
    }
    pf_arena_init(&fn->arena);
    static const pf_inst no_inst;
    fn->current = PF_NOBLOCK;
    fn->insts = pf_ir_grow(fn, NULL, 0, &fn->cap_insts, sizeof *fn->insts);
    fn->places = pf_ir_grow(fn, NULL, 0, &fn->cap_places, sizeof *fn->places);
    if (fn->insts == NULL || fn->places == NULL) {
        pf_ir_free(fn);
        return NULL;
    }
    fn->insts[0] = no_inst;
    fn->ninsts = 1;
    fn->nplaces = 1;
    pf_ir_start(fn, pf_ir_block(fn, 0, NULL));
    if (fn->failed) {
        pf_ir_free(fn);
        return NULL;
    }
    return fn;
}

void pf_ir_free(pf_fn *fn)
{
    if (fn != NULL) {
        pf_arena_free(&fn->arena);
        pf_mem_free(fn);
    }
}

uint32_t pf_ir_add_string(pf_fn *fn, const char *utf8)
{
    if (fn->failed) {
        return 0;
    }
    ROOM(fn, strings);
    char *copy = pf_arena_strdup(&fn->arena, utf8);
    if (copy == NULL) {
        fn->failed = true;
        return 0;
    }
    fn->strings[fn->nstrings] = copy;
    return fn->nstrings++;
}

uint32_t pf_ir_add_column(pf_fn *fn, pf_kinds kinds, pf_column_from from, uint32_t index)
{
    if (fn->failed) {
        return 0;
    }
    ROOM(fn, columns);
    fn->columns[fn->ncolumns] = (pf_column_info){.kinds = kinds, .from = (uint8_t)from, .index = index};
    return fn->ncolumns++;
}

uint32_t pf_ir_add_param(pf_fn *fn, pf_kinds kind)
{
    if (fn->failed) {
        return 0;
    }
    ROOM(fn, params);
    fn->params[fn->nparams] = kind;
    return fn->nparams++;
}

uint16_t pf_ir_add_place(pf_fn *fn, const char *function, const char *file, int line, int col)
{
    if (fn->failed || fn->nplaces > UINT16_MAX) { /* a name too many only costs explain a name */
        return 0;
    }
    ROOM(fn, places);
    char *f = pf_arena_strdup(&fn->arena, function), *path = pf_arena_strdup(&fn->arena, file);
    if (f == NULL || path == NULL) {
        fn->failed = true;
        return 0;
    }
    fn->places[fn->nplaces] = (pf_place){f, path, line, col};
    return (uint16_t)fn->nplaces++;
}

/* ---- instructions ---- */

static pf_ref append(pf_fn *fn, const pf_inst *inst)
{
    ROOM(fn, insts);
    fn->insts[fn->ninsts] = *inst;
    return fn->ninsts++;
}

pf_ref pf_ir_emit(pf_fn *fn, const pf_inst *inst)
{
    if (fn->failed) {
        return PF_NOREF;
    }
    if (fn->current == PF_NOBLOCK) {
        misuse(fn, "an instruction outside of any block");
        return PF_NOREF;
    }
    pf_ref ref = append(fn, inst);
    if (inst->op == PF_OP_rank && inst->imm.k >= fn->ncounters) {
        fn->ncounters = inst->imm.k + 1;
    }
    if (pf_ops[inst->op].laws & PF_LAW_TERM) {
        fn->blocks[fn->current].end = fn->ninsts;
        fn->current = PF_NOBLOCK;
    }
    return ref;
}

/* A value of the whole function: the one made before, or a new one. Bits are compared, so 0.0 and -0.0 differ. */
static pf_ref pin(pf_fn *fn, pf_op op, pf_kinds kinds, int64_t imm)
{
    if (fn->failed) {
        return PF_NOREF;
    }
    for (uint32_t i = 0; i < fn->npinned; i++) {
        const pf_inst *old = &fn->insts[fn->pinned[i]];
        if (old->op == op && old->kinds == kinds && old->imm.i == imm) {
            return fn->pinned[i];
        }
    }
    ROOM(fn, pinned);
    pf_ref ref = append(fn, &(pf_inst){.op = (uint8_t)op, .kinds = kinds, .imm.i = imm});
    if (ref != PF_NOREF) {
        fn->pinned[fn->npinned++] = ref;
    }
    return ref;
}

pf_ref pf_ir_const_i64(pf_fn *fn, int64_t v)
{
    return pin(fn, PF_OP_const, PF_K_I64, v);
}

pf_ref pf_ir_const_f64(pf_fn *fn, double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return pin(fn, PF_OP_const, PF_K_F64, bits);
}

pf_ref pf_ir_const_bool(pf_fn *fn, bool v)
{
    return pin(fn, PF_OP_const, PF_K_BOOL, v);
}

pf_ref pf_ir_const_none(pf_fn *fn)
{
    return pin(fn, PF_OP_const, PF_K_NONE, 0);
}

/* The number of a column, param or string as the bits of an immediate: imm.k over zeroed bytes. */
static int64_t number_bits(uint32_t k)
{
    pf_inst inst = {.imm.i = 0};
    inst.imm.k = k;
    return inst.imm.i;
}

pf_ref pf_ir_const_str(pf_fn *fn, uint32_t string)
{
    if (!fn->failed && string >= fn->nstrings) {
        misuse(fn, "a string that was not added");
        return PF_NOREF;
    }
    return pin(fn, PF_OP_const, PF_K_STR, number_bits(string));
}

pf_ref pf_ir_column(pf_fn *fn, uint32_t column)
{
    if (!fn->failed && column >= fn->ncolumns) {
        misuse(fn, "a column that was not added");
        return PF_NOREF;
    }
    return fn->failed ? PF_NOREF : pin(fn, PF_OP_column, fn->columns[column].kinds, number_bits(column));
}

pf_ref pf_ir_param(pf_fn *fn, uint32_t param)
{
    if (!fn->failed && param >= fn->nparams) {
        misuse(fn, "a param that was not added");
        return PF_NOREF;
    }
    return fn->failed ? PF_NOREF : pin(fn, PF_OP_param, fn->params[param], number_bits(param));
}

pf_ref pf_ir_row(pf_fn *fn)
{
    return pin(fn, PF_OP_row, PF_K_I64, 0);
}

pf_ref pf_ir_rank(pf_fn *fn, uint32_t counter)
{
    return pf_ir_emit(fn, &(pf_inst){.op = PF_OP_rank, .kinds = PF_K_I64, .imm.k = counter});
}

pf_kinds pf_ir_result(pf_op op, pf_kinds operand)
{
    switch (pf_ops[op].result) {
    case PF_RES_SAME:
        return operand;
    case PF_RES_I64:
        return PF_K_I64;
    case PF_RES_F64:
        return PF_K_F64;
    case PF_RES_BOOL:
        return PF_K_BOOL;
    default:
        return 0;
    }
}

static bool operand_ok(pf_fn *fn, pf_ref ref)
{
    if (fn->failed) {
        return false;
    }
    if (ref == PF_NOREF || ref >= fn->ninsts) {
        misuse(fn, "an operand that is no value");
        return false;
    }
    return true;
}

pf_ref pf_ir_op1(pf_fn *fn, pf_op op, pf_ref a, uint16_t place)
{
    if (!operand_ok(fn, a)) {
        return PF_NOREF;
    }
    pf_kinds kinds = pf_ir_result(op, fn->insts[a].kinds);
    return pf_ir_emit(fn, &(pf_inst){.op = (uint8_t)op, .kinds = kinds, .place = place, .a = a});
}

pf_ref pf_ir_op2(pf_fn *fn, pf_op op, pf_ref a, pf_ref b, uint16_t place)
{
    if (!operand_ok(fn, a) || !operand_ok(fn, b)) {
        return PF_NOREF;
    }
    pf_kinds kinds = pf_ir_result(op, fn->insts[a].kinds);
    return pf_ir_emit(fn, &(pf_inst){.op = (uint8_t)op, .kinds = kinds, .place = place, .a = a, .b = b});
}

pf_ref pf_ir_select(pf_fn *fn, pf_ref cond, pf_ref a, pf_ref b)
{
    if (!operand_ok(fn, cond) || !operand_ok(fn, a) || !operand_ok(fn, b)) {
        return PF_NOREF;
    }
    return pf_ir_emit(fn, &(pf_inst){.op = PF_OP_select, .kinds = fn->insts[a].kinds, .a = cond, .b = a, .c = b});
}

pf_ref pf_ir_large(pf_fn *fn, uint64_t v, uint16_t place)
{
    if (v <= INT64_MAX) {
        misuse(fn, "a large constant that is not large");
        return PF_NOREF;
    }
    return pf_ir_emit(fn, &(pf_inst){.op = PF_OP_large, .kinds = PF_K_I64, .place = place, .imm.i = (int64_t)v});
}

pf_ref pf_ir_is_kind(pf_fn *fn, pf_ref v, pf_kinds kinds)
{
    if (!operand_ok(fn, v)) {
        return PF_NOREF;
    }
    return pf_ir_emit(fn, &(pf_inst){.op = PF_OP_is_kind, .kinds = PF_K_BOOL, .a = v, .imm.i = kinds});
}

pf_ref pf_ir_narrow(pf_fn *fn, pf_ref v, pf_kinds kind, uint16_t place)
{
    if (!operand_ok(fn, v)) {
        return PF_NOREF;
    }
    return pf_ir_emit(fn, &(pf_inst){.op = PF_OP_narrow, .kinds = kind, .place = place, .a = v});
}

/* ---- blocks ---- */

pf_block pf_ir_block(pf_fn *fn, uint32_t nargs, const pf_kinds *kinds)
{
    if (fn->failed) {
        return 0;
    }
    ROOM(fn, blocks);
    pf_kinds *copy = NULL;
    if (nargs > 0) {
        copy = pf_arena_alloc(&fn->arena, nargs * sizeof *copy);
        if (copy == NULL) {
            fn->failed = true;
            return 0;
        }
        memcpy(copy, kinds, nargs * sizeof *copy);
    }
    fn->blocks[fn->nblocks] = (pf_block_info){.nargs = nargs, .arg_kinds = copy};
    return fn->nblocks++;
}

void pf_ir_start(pf_fn *fn, pf_block block)
{
    if (fn->failed) {
        return;
    }
    if (fn->current != PF_NOBLOCK) {
        misuse(fn, "a block started before the one before it was ended");
        return;
    }
    if (block >= fn->nblocks || fn->blocks[block].first != 0) {
        misuse(fn, "a block started twice, or not made");
        return;
    }
    fn->current = block;
    fn->blocks[block].first = fn->ninsts;
    for (uint32_t i = 0; i < fn->blocks[block].nargs; i++) {
        pf_ir_emit(fn, &(pf_inst){.op = PF_OP_arg, .kinds = fn->blocks[block].arg_kinds[i], .imm.i = number_bits(i)});
    }
}

pf_ref pf_ir_arg(const pf_fn *fn, pf_block block, uint32_t i)
{
    if (fn->failed || block >= fn->nblocks || fn->blocks[block].first == 0 || i >= fn->blocks[block].nargs) {
        return PF_NOREF;
    }
    return fn->blocks[block].first + i;
}

static int push(pf_fn *fn, uint32_t word)
{
    ROOM(fn, pool);
    fn->pool[fn->npool++] = word;
    return 1;
}

static bool push_all(pf_fn *fn, uint32_t n, const pf_ref *refs)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!operand_ok(fn, refs[i]) || !push(fn, refs[i])) {
            return false;
        }
    }
    return true;
}

static bool push_edge(pf_fn *fn, pf_block to, uint32_t nargs, const pf_ref *args)
{
    return push(fn, to) && push(fn, nargs) && push_all(fn, nargs, args);
}

static void terminate(pf_fn *fn, pf_op op, pf_ref a, uint32_t first, uint32_t count, uint16_t place)
{
    pf_inst inst = {.op = (uint8_t)op, .place = place, .a = a};
    inst.imm.p.first = first;
    inst.imm.p.count = count;
    pf_ir_emit(fn, &inst);
}

void pf_ir_jump(pf_fn *fn, pf_block to, uint32_t nargs, const pf_ref *args)
{
    uint32_t first = fn->npool;
    if (!fn->failed && push_edge(fn, to, nargs, args)) {
        terminate(fn, PF_OP_jump, PF_NOREF, first, 1, 0);
    }
}

void pf_ir_branch(pf_fn *fn, pf_ref cond, pf_block yes, uint32_t nyes, const pf_ref *yes_args, pf_block no,
                  uint32_t nno, const pf_ref *no_args)
{
    uint32_t first = fn->npool;
    if (operand_ok(fn, cond) && push_edge(fn, yes, nyes, yes_args) && push_edge(fn, no, nno, no_args)) {
        terminate(fn, PF_OP_branch, cond, first, 2, 0);
    }
}

void pf_ir_yield(pf_fn *fn, uint32_t count, const pf_ref *values)
{
    uint32_t first = fn->npool;
    if (!fn->failed && push_all(fn, count, values)) {
        terminate(fn, PF_OP_yield, PF_NOREF, first, count, 0);
    }
}

void pf_ir_end(pf_fn *fn)
{
    terminate(fn, PF_OP_end, PF_NOREF, 0, 0, 0);
}

void pf_ir_stop(pf_fn *fn)
{
    terminate(fn, PF_OP_stop, PF_NOREF, 0, 0, 0);
}

void pf_ir_bail(pf_fn *fn, uint16_t place)
{
    terminate(fn, PF_OP_bail, PF_NOREF, 0, 0, place);
}

/* ---- reading ---- */

uint32_t pf_ir_edges(const pf_fn *fn, const pf_inst *inst, pf_edge out[2])
{
    uint32_t n = inst->op == PF_OP_jump ? 1 : inst->op == PF_OP_branch ? 2 : 0;
    const uint32_t *words = fn->pool + inst->imm.p.first;
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (pf_edge){.to = words[0], .nargs = words[1], .args = words + 2};
        words += 2 + words[1];
    }
    return n;
}

bool pf_ir_column_used(const pf_fn *fn, uint32_t column)
{
    if (fn->nblocks == 0) {
        return false;
    }
    for (pf_ref r = fn->blocks[0].first; r < fn->blocks[0].end; r++) { /* columns stand in the entry block */
        if (fn->insts[r].op == PF_OP_column && fn->insts[r].imm.k == column) {
            return true;
        }
    }
    return false;
}

void pf_ir_mark_uses(const pf_fn *fn, bool *used)
{
    for (pf_ref r = 1; r < fn->ninsts; r++) {
        used[fn->insts[r].a] = used[fn->insts[r].b] = used[fn->insts[r].c] = true;
    }
    for (pf_block b = 0; b < fn->nblocks; b++) {
        const pf_inst *last = &fn->insts[fn->blocks[b].end - 1];
        pf_edge edges[2];
        uint32_t n = pf_ir_edges(fn, last, edges);
        for (uint32_t e = 0; e < n; e++) {
            for (uint32_t i = 0; i < edges[e].nargs; i++) {
                used[edges[e].args[i]] = true;
            }
        }
        for (uint32_t i = 0; last->op == PF_OP_yield && i < last->imm.p.count; i++) {
            used[fn->pool[last->imm.p.first + i]] = true;
        }
    }
}

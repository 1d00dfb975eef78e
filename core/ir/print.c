/* The text form, written. parse.c reads it back; its opening describes the form.
 *
 * Constants stand where they are used. All other values are numbered in the order in which they are computed, so that
 * a rule that drops a constant leaves the rest of the text alone. */
#include "ir_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct printer {
    const pf_fn *fn;
    char *out;
    size_t size, length;
} printer;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void put(printer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool room = p->out != NULL && p->length < p->size;
    int n = vsnprintf(room ? p->out + p->length : NULL, room ? p->size - p->length : 0, format, args);
    va_end(args);
    p->length += n > 0 ? (size_t)n : 0;
}

static void put_kinds(printer *p, pf_kinds kinds)
{
    static const char *const names[] = {"none", "bool", "i64", "f64", "str", "obj"};
    const char *bar = "";
    for (int i = 0; i < 6; i++) {
        if (kinds & (1u << i)) {
            put(p, "%s%s", bar, names[i]);
            bar = "|";
        }
    }
}

static void put_quoted(printer *p, const char *s)
{
    put(p, "\"");
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') {
            put(p, "\\%c", *s);
        } else if ((unsigned char)*s < 32) {
            put(p, "\\x%02x", *s);
        } else {
            put(p, "%c", *s);
        }
    }
    put(p, "\"");
}

/* The shortest digits that read back as the same bits; always recognisable as a float. */
static void put_f64(printer *p, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (isnan(v)) {
        put(p, bits == UINT64_C(0x7ff8000000000000) ? "nan" : "nan(0x%" PRIx64 ")", bits);
        return;
    }
    if (isinf(v)) {
        put(p, v < 0 ? "-inf" : "inf");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    put(p, strpbrk(text, ".e") != NULL ? "%s" : "%s.0", text);
}

static void put_const(printer *p, const pf_inst *inst)
{
    switch (inst->kinds) {
    case PF_K_I64:
        put(p, "%" PRId64, inst->imm.i);
        break;
    case PF_K_F64:
        put_f64(p, inst->imm.f);
        break;
    case PF_K_BOOL:
        put(p, inst->imm.i ? "true" : "false");
        break;
    case PF_K_STR:
        put(p, "s%u", inst->imm.k);
        break;
    default:
        put(p, "none");
        break;
    }
}

/* Counts neither terminators (one a block) nor constants (at the start of the entry block). */
static uint32_t value_number(const pf_fn *fn, pf_ref ref)
{
    uint32_t skipped = 0;
    for (pf_ref r = 1; r < ref && pf_ir_is_pinned(fn->insts[r].op); r++) {
        skipped += fn->insts[r].op == PF_OP_const;
    }
    for (pf_block b = 0; fn->blocks[b].end <= ref; b++) {
        skipped++;
    }
    return ref - skipped;
}

static void put_value(printer *p, pf_ref ref)
{
    if (p->fn->insts[ref].op == PF_OP_const) {
        put_const(p, &p->fn->insts[ref]);
    } else {
        put(p, "%%%u", value_number(p->fn, ref));
    }
}

static void put_list(printer *p, uint32_t n, const pf_ref *refs)
{
    for (uint32_t i = 0; i < n; i++) {
        put(p, "%s", i == 0 ? "" : ", ");
        put_value(p, refs[i]);
    }
}

static void put_result(printer *p, pf_ref ref)
{
    const pf_inst *inst = &p->fn->insts[ref];
    put_value(p, ref);
    if (pf_ops[inst->op].result == PF_RES_DECLARED && inst->op != PF_OP_select) {
        put(p, ":");
        put_kinds(p, inst->kinds);
    }
    put(p, " = ");
}

static void put_op(printer *p, const pf_inst *inst)
{
    const pf_op_info *info = &pf_ops[inst->op];
    put(p, "%s", info->name);
    if (info->operands == PF_ARGS_NUM || info->operands == PF_ARGS_BITS || info->operands == PF_ARGS_EQUAL ||
        info->operands == PF_ARGS_ORDER || info->operands == PF_ARGS_MEMBER) {
        put(p, ".");
        put_kinds(p, p->fn->insts[inst->a].kinds);
    }
    pf_ref operands[3] = {inst->a, inst->b, inst->c};
    if (info->arity > 0) {
        put(p, " ");
        put_list(p, info->arity, operands);
    }
    pf_edge edges[2];
    uint32_t n = pf_ir_edges(p->fn, inst, edges);
    for (uint32_t i = 0; i < n; i++) {
        put(p, "%sb%u", inst->op == PF_OP_branch ? ", " : " ", edges[i].to);
        if (edges[i].nargs > 0) {
            put(p, "(");
            put_list(p, edges[i].nargs, edges[i].args);
            put(p, ")");
        }
    }
    if (inst->op == PF_OP_param || inst->op == PF_OP_column || inst->op == PF_OP_rank) {
        put(p, " %u", inst->imm.k);
    } else if (inst->op == PF_OP_large) {
        put(p, " %" PRIu64, (uint64_t)inst->imm.i);
    } else if (inst->op == PF_OP_is_kind) {
        put(p, ", ");
        put_kinds(p, (pf_kinds)inst->imm.i);
    } else if (inst->op == PF_OP_yield && inst->imm.p.count > 0) {
        put(p, " ");
        put_list(p, inst->imm.p.count, p->fn->pool + inst->imm.p.first);
    }
    if (inst->place != 0) {
        put(p, " @%u", inst->place);
    }
    put(p, "\n");
}

static void put_declared(printer *p, const char *what, uint32_t n, const pf_kinds *kinds)
{
    for (uint32_t i = 0; i < n; i++) {
        put(p, "%s %u: ", what, i);
        put_kinds(p, kinds[i]);
        put(p, "\n");
    }
}

static void put_header(printer *p)
{
    static const char *const from[] = {
        [PF_FROM_SOURCE] = "source", [PF_FROM_PARENT] = "parent", [PF_FROM_INNER] = "inner"};
    const pf_fn *fn = p->fn;
    for (uint32_t i = 0; i < fn->ncolumns; i++) {
        const pf_column_info *column = &fn->columns[i];
        put(p, "column %u: ", i);
        put_kinds(p, column->kinds);
        put(p, " from %s %u%s\n", from[column->from], column->index, column->checked ? " checked" : "");
    }
    put_declared(p, "param", fn->nparams, fn->params);
    put_declared(p, "output", fn->noutputs, fn->outputs);
    for (uint32_t i = 0; i < fn->nstrings; i++) {
        put(p, "string %u: ", i);
        put_quoted(p, fn->strings[i]);
        put(p, "\n");
    }
    for (uint32_t i = 1; i < fn->nplaces; i++) {
        put(p, "place %u: ", i);
        put_quoted(p, fn->places[i].function);
        put(p, " ");
        put_quoted(p, fn->places[i].file);
        put(p, " %d:%d\n", fn->places[i].line, fn->places[i].col);
    }
}

size_t pf_ir_print(const pf_fn *fn, char *out, size_t size)
{
    printer p = {.fn = fn, .out = out, .size = size};
    if (out != NULL && size > 0) {
        out[0] = '\0';
    }
    put_header(&p);
    for (pf_block b = 0; b < fn->nblocks; b++) {
        const pf_block_info *info = &fn->blocks[b];
        put(&p, "b%u", b);
        for (uint32_t i = 0; i < info->nargs; i++) {
            put(&p, "%s", i == 0 ? "(" : ", ");
            put_value(&p, info->first + i);
            put(&p, ": ");
            put_kinds(&p, info->arg_kinds[i]);
        }
        put(&p, info->nargs > 0 ? "):\n" : ":\n");
        for (pf_ref r = info->first + info->nargs; r < info->end; r++) {
            if (fn->insts[r].op == PF_OP_const) {
                continue;
            }
            put(&p, "  ");
            if (fn->insts[r].kinds != 0) {
                put_result(&p, r);
            }
            put_op(&p, &fn->insts[r]);
        }
    }
    return p.length;
}

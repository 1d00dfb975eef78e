/* The text form, read.
 *
 *     column 0: i64|none from source 0    ; what the program has: columns, params, outputs, strings, places
 *     output 0: i64
 *     b0:                                 ; the entry block comes first
 *       %1:i64|none = column 0
 *       %2 = is_kind %1, none
 *       branch %2, b1, b2
 *     b1:
 *       end
 *     b2:
 *       %3:i64 = narrow %1
 *       %4 = mod.i64 %3, 7                ; constants stand where they are used: 7, 2.5, true, none, s0 (string 0)
 *       jump b3(%4)
 *     b3(%5: i64):
 *       yield %5
 *
 * Values and blocks may have any names; a value is named before it is used, a block where it stands. The kind after an
 * op's dot and the outputs may be left out; what is written is checked. `@1` ends an instruction whose place is 1.
 *
 * Two walks over the lines: the first makes the blocks, the second fills them. Names live in the function's arena. */
#include "ir_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct name {
    const char *s; /* in the text */
    size_t n;
    uint32_t what; /* pf_ref or pf_block */
} name;

typedef struct parser {
    const char *at;
    int line;
    pf_fn *fn;
    name *values, *blocks;
    uint32_t nvalues, cap_values, nblocks, cap_blocks;
    uint32_t noutputs, cap_outputs;
    char *error;
    size_t error_size;
} parser;

static pf_status wrong(parser *p, const char *what)
{
    if (p->fn->failed) {
        return PF_NOMEM;
    }
    return pf_ir_invalid(p->error, p->error_size, "line %d: %s", p->line, what);
}

/* ---- letters ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t' || *p->at == '\r') {
        p->at++;
    }
    if (*p->at == ';') {
        p->at += strcspn(p->at, "\n");
    }
}

static bool accept(parser *p, char c)
{
    skip_blanks(p);
    if (*p->at != c) {
        return false;
    }
    p->at++;
    return true;
}

static bool at_line_end(parser *p)
{
    skip_blanks(p);
    return *p->at == '\n' || *p->at == '\0';
}

/* Steps over the rest of a line; false at the end of the text. */
static bool next_line(parser *p)
{
    p->at += strcspn(p->at, "\n");
    if (*p->at == '\0') {
        return false;
    }
    p->at++;
    p->line++;
    return true;
}

static bool word(parser *p, name *out)
{
    skip_blanks(p);
    out->s = p->at;
    while (is_letter(*p->at) || is_digit(*p->at)) {
        p->at++;
    }
    out->n = (size_t)(p->at - out->s);
    return out->n > 0;
}

static bool is_word(const name *w, const char *s)
{
    return strlen(s) == w->n && memcmp(w->s, s, w->n) == 0;
}

static bool number(parser *p, uint32_t *out)
{
    skip_blanks(p);
    if (!is_digit(*p->at)) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long v = strtoul(p->at, &end, 10);
    p->at = end;
    *out = (uint32_t)v;
    return errno == 0 && v <= INT32_MAX;
}

/* An unsigned number of 64 bits whose highest bit is set. */
static bool large_number(parser *p, int64_t *out)
{
    skip_blanks(p);
    if (!is_digit(*p->at)) {
        return false;
    }
    char *end;
    errno = 0;
    unsigned long long v = strtoull(p->at, &end, 10);
    p->at = end;
    *out = (int64_t)v;
    return errno == 0 && v > INT64_MAX;
}

static pf_status kinds(parser *p, pf_kinds *out)
{
    static const char *const names[] = {"none", "bool", "i64", "f64", "str", "obj"};
    *out = 0;
    do {
        name w;
        int k = 0;
        if (!word(p, &w)) {
            return wrong(p, "a kind is missing");
        }
        while (k < 6 && !is_word(&w, names[k])) {
            k++;
        }
        if (k == 6) {
            return wrong(p, "no such kind");
        }
        *out |= (pf_kinds)(1u << k);
    } while (accept(p, '|'));
    return PF_OK;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef", *found = c != '\0' ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* A quoted string, in the function's arena. */
static pf_status quoted(parser *p, char **out)
{
    if (!accept(p, '"')) {
        return wrong(p, "a string is missing");
    }
    char *s = pf_arena_alloc(&p->fn->arena, strcspn(p->at, "\n") + 1);
    if (s == NULL) {
        return PF_NOMEM;
    }
    *out = s;
    while (*p->at != '"') {
        if (*p->at == '\0' || *p->at == '\n') {
            return wrong(p, "a string has no end");
        }
        if (p->at[0] == '\\' && p->at[1] == 'x') {
            int high = hex_digit(p->at[2]), low = high < 0 ? -1 : hex_digit(p->at[3]);
            if (low < 0 || high + low == 0) {
                return wrong(p, "\\x takes two digits, not both 0");
            }
            *s++ = (char)(high * 16 + low);
            p->at += 4;
            continue;
        }
        if (p->at[0] == '\\' && p->at[1] != '\0' && p->at[1] != '\n') {
            p->at++;
        }
        *s++ = *p->at++;
    }
    p->at++;
    return PF_OK;
}

/* ---- names ---- */

static const name *find(const name *names, uint32_t n, const name *w)
{
    for (uint32_t i = 0; i < n; i++) {
        if (names[i].n == w->n && memcmp(names[i].s, w->s, w->n) == 0) {
            return &names[i];
        }
    }
    return NULL;
}

static pf_status define(parser *p, name **names, uint32_t *n, uint32_t *cap, const name *w, uint32_t what)
{
    if (find(*names, *n, w) != NULL) {
        return wrong(p, "a name is used twice");
    }
    name *room = pf_ir_grow(p->fn, *names, *n, cap, sizeof **names);
    if (room == NULL) {
        return PF_NOMEM;
    }
    *names = room;
    room[*n] = *w;
    room[(*n)++].what = what;
    return PF_OK;
}

static pf_status define_value(parser *p, const name *w, pf_ref ref)
{
    return define(p, &p->values, &p->nvalues, &p->cap_values, w, ref);
}

/* ---- operands ---- */

static pf_status literal_number(parser *p, pf_ref *out)
{
    char *end, *float_end;
    errno = 0;
    long long i = strtoll(p->at, &end, 10);
    bool int_fits = errno == 0;
    double f = strtod(p->at, &float_end);
    if (end == p->at && float_end == p->at) {
        return wrong(p, "an operand is missing");
    }
    if (float_end > end) {
        end = float_end;
        *out = pf_ir_const_f64(p->fn, f);
    } else if (int_fits) {
        *out = pf_ir_const_i64(p->fn, i);
    } else {
        return wrong(p, "an int that does not fit");
    }
    p->at = end;
    return PF_OK;
}

static pf_status literal_nan(parser *p, pf_ref *out)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000);
    if (accept(p, '(')) {
        char *end = NULL;
        if (p->at[0] == '0' && p->at[1] == 'x') {
            bits = strtoull(p->at, &end, 16);
            p->at = end;
        }
        if (end == NULL || !accept(p, ')')) {
            return wrong(p, "nan's bits are written (0x...)");
        }
    }
    double v;
    memcpy(&v, &bits, sizeof v);
    *out = pf_ir_const_f64(p->fn, v);
    return PF_OK;
}

static pf_status literal(parser *p, pf_ref *out)
{
    const char *start = p->at;
    name w;
    uint32_t k;
    if (is_digit(*start) || *start == '-') {
        return literal_number(p, out);
    }
    if (*start == 's' && is_digit(start[1])) {
        p->at++;
        if (!number(p, &k) || k >= p->fn->nstrings) {
            return wrong(p, "no such string");
        }
        *out = pf_ir_const_str(p->fn, k);
        return PF_OK;
    }
    if (!word(p, &w)) {
        return wrong(p, "an operand is missing");
    }
    if (is_word(&w, "true") || is_word(&w, "false")) {
        *out = pf_ir_const_bool(p->fn, is_word(&w, "true"));
    } else if (is_word(&w, "none")) {
        *out = pf_ir_const_none(p->fn);
    } else if (is_word(&w, "nan")) {
        return literal_nan(p, out);
    } else if (is_word(&w, "inf")) {
        p->at = start;
        return literal_number(p, out);
    } else {
        return wrong(p, "no such operand");
    }
    return PF_OK;
}

static pf_status operand(parser *p, pf_ref *out)
{
    if (accept(p, '%')) {
        name w;
        const name *known = word(p, &w) ? find(p->values, p->nvalues, &w) : NULL;
        if (known == NULL) {
            return wrong(p, "no such value");
        }
        *out = known->what;
        return PF_OK;
    }
    PF_TRY(literal(p, out));
    return p->fn->failed ? PF_NOMEM : PF_OK;
}

/* Operands up to the end of the list, into the arena. */
static pf_status operands(parser *p, pf_ref **out, uint32_t *n)
{
    uint32_t cap = 0;
    *out = NULL;
    *n = 0;
    do {
        pf_ref *room = pf_ir_grow(p->fn, *out, *n, &cap, sizeof **out);
        if (room == NULL) {
            return PF_NOMEM;
        }
        *out = room;
        PF_TRY(operand(p, &room[(*n)]));
        ++*n;
    } while (accept(p, ','));
    return PF_OK;
}

typedef struct target {
    pf_block to;
    pf_ref *args;
    uint32_t nargs;
} target;

static pf_status edge(parser *p, target *out)
{
    name w;
    const name *known = word(p, &w) ? find(p->blocks, p->nblocks, &w) : NULL;
    if (known == NULL) {
        return wrong(p, "no such block");
    }
    *out = (target){.to = known->what};
    if (accept(p, '(') && !accept(p, ')')) {
        PF_TRY(operands(p, &out->args, &out->nargs));
        if (!accept(p, ')')) {
            return wrong(p, "a list has no end");
        }
    }
    return PF_OK;
}

/* ---- instructions ---- */

static pf_status terminator(parser *p, pf_op op, uint16_t *place)
{
    pf_fn *fn = p->fn;
    target yes, no;
    pf_ref cond, *values = NULL;
    uint32_t n = 0;
    switch (op) {
    case PF_OP_jump:
        PF_TRY(edge(p, &yes));
        pf_ir_jump(fn, yes.to, yes.nargs, yes.args);
        break;
    case PF_OP_branch:
        PF_TRY(operand(p, &cond));
        if (!accept(p, ',')) {
            return wrong(p, "a branch has two edges");
        }
        PF_TRY(edge(p, &yes));
        if (!accept(p, ',')) {
            return wrong(p, "a branch has two edges");
        }
        PF_TRY(edge(p, &no));
        pf_ir_branch(fn, cond, yes.to, yes.nargs, yes.args, no.to, no.nargs, no.args);
        break;
    case PF_OP_yield:
        if (!at_line_end(p) && *p->at != '@') {
            PF_TRY(operands(p, &values, &n));
        }
        pf_ir_yield(fn, n, values);
        break;
    case PF_OP_end:
        pf_ir_end(fn);
        break;
    case PF_OP_stop:
        pf_ir_stop(fn);
        break;
    default:
        pf_ir_bail(fn, *place);
        break;
    }
    return PF_OK;
}

static pf_status value_of_function(parser *p, pf_op op, pf_ref *out)
{
    pf_fn *fn = p->fn;
    uint32_t k = 0;
    if (op != PF_OP_row && !number(p, &k)) {
        return wrong(p, "a number is missing");
    }
    if ((op == PF_OP_param && k >= fn->nparams) || (op == PF_OP_column && k >= fn->ncolumns)) {
        return wrong(p, "no such column or param");
    }
    *out = op == PF_OP_row ? pf_ir_row(fn) : op == PF_OP_param ? pf_ir_param(fn, k) : pf_ir_column(fn, k);
    return PF_OK;
}

static pf_status plain(parser *p, pf_op op, pf_kinds suffix, pf_kinds declared, pf_ref *out)
{
    pf_fn *fn = p->fn;
    pf_inst inst = {.op = (uint8_t)op};
    pf_ref *slots[3] = {&inst.a, &inst.b, &inst.c};
    for (int i = 0; i < pf_ops[op].arity; i++) {
        if (i > 0 && !accept(p, ',')) {
            return wrong(p, "an operand is missing");
        }
        PF_TRY(operand(p, slots[i]));
    }
    if (op == PF_OP_large && !large_number(p, &inst.imm.i)) {
        return wrong(p, "large needs a number from 2**63 to 2**64 - 1");
    }
    if (op == PF_OP_is_kind) {
        pf_kinds wanted;
        if (!accept(p, ',')) {
            return wrong(p, "is_kind needs kinds");
        }
        PF_TRY(kinds(p, &wanted));
        inst.imm.i = wanted;
    }
    if (op == PF_OP_rank && !number(p, &inst.imm.k)) {
        return wrong(p, "a number is missing");
    }
    if (suffix != 0 && suffix != fn->insts[inst.a].kinds) {
        return wrong(p, "the first operand is of another kind");
    }
    inst.kinds = op == PF_OP_select   ? fn->insts[inst.b].kinds
                 : op == PF_OP_narrow ? declared
                                      : pf_ir_result(op, fn->insts[inst.a].kinds);
    *out = pf_ir_emit(fn, &inst);
    return PF_OK;
}

static pf_status place_mark(parser *p, uint16_t *out)
{
    uint32_t k = 0;
    if (accept(p, '@') && (!number(p, &k) || k >= p->fn->nplaces)) {
        return wrong(p, "no such place");
    }
    *out = (uint16_t)k;
    return PF_OK;
}

static pf_status op_word(parser *p, pf_op *op, pf_kinds *suffix)
{
    name w;
    uint32_t i = 0;
    *suffix = 0;
    if (!word(p, &w)) {
        return wrong(p, "an op is missing");
    }
    while (i < PF_OP_COUNT && (!is_word(&w, pf_ops[i].name) || i == PF_OP_const || i == PF_OP_arg)) {
        i++;
    }
    if (i == PF_OP_COUNT) {
        return wrong(p, "no such op");
    }
    *op = (pf_op)i;
    if (*p->at == '.') {
        p->at++;
        PF_TRY(kinds(p, suffix));
    }
    return PF_OK;
}

static pf_status instruction(parser *p)
{
    name result = {0};
    pf_kinds declared = 0, suffix;
    pf_op op = PF_OP_COUNT;
    pf_ref ref = PF_NOREF;
    uint16_t place = 0;
    if (p->fn->current == PF_NOBLOCK) {
        return wrong(p, "an instruction outside of a block");
    }
    if (accept(p, '%')) {
        if (!word(p, &result)) {
            return wrong(p, "a name is missing");
        }
        if (accept(p, ':')) {
            PF_TRY(kinds(p, &declared));
        }
        if (!accept(p, '=')) {
            return wrong(p, "'=' is missing");
        }
    }
    PF_TRY(op_word(p, &op, &suffix));
    bool ends = (pf_ops[op].laws & PF_LAW_TERM) != 0;
    if (ends != (result.s == NULL)) {
        return wrong(p, ends ? "a terminator has no result" : "a value needs a name");
    }
    if (op == PF_OP_bail) {
        PF_TRY(place_mark(p, &place));
    }
    if (ends) {
        return terminator(p, op, &place);
    }
    PF_TRY(pf_ir_is_pinned((uint8_t)op) ? value_of_function(p, op, &ref) : plain(p, op, suffix, declared, &ref));
    PF_TRY(place_mark(p, &place));
    if (ref == PF_NOREF) {
        return wrong(p, "no value");
    }
    if (declared != 0 && declared != p->fn->insts[ref].kinds) {
        return wrong(p, "the result is of other kinds");
    }
    p->fn->insts[ref].place = place;
    return define_value(p, &result, ref);
}

/* ---- header ---- */

static pf_status declare_column(parser *p)
{
    static const char *const from[] = {
        [PF_FROM_SOURCE] = "source", [PF_FROM_PARENT] = "parent", [PF_FROM_INNER] = "inner"};
    pf_kinds k;
    name w;
    uint32_t index, f = 0;
    PF_TRY(kinds(p, &k));
    if (!word(p, &w) || !is_word(&w, "from") || !word(p, &w)) {
        return wrong(p, "a column comes from somewhere");
    }
    while (f < 3 && !is_word(&w, from[f])) {
        f++;
    }
    if (f == 3 || !number(p, &index)) {
        return wrong(p, "a column comes from source, parent or inner, and has a number there");
    }
    uint32_t column = pf_ir_add_column(p->fn, k, (pf_column_from)f, index);
    if (!at_line_end(p) && word(p, &w) && is_word(&w, "checked") && !p->fn->failed) {
        p->fn->columns[column].checked = true;
    }
    return PF_OK;
}

static pf_status declare_output(parser *p)
{
    pf_kinds *room = pf_ir_grow(p->fn, p->fn->outputs, p->fn->noutputs, &p->cap_outputs, sizeof *room);
    if (room == NULL) {
        return PF_NOMEM;
    }
    p->fn->outputs = room;
    return kinds(p, &room[p->fn->noutputs++]);
}

static pf_status declare_place(parser *p)
{
    char *function, *file;
    uint32_t line, col;
    PF_TRY(quoted(p, &function));
    PF_TRY(quoted(p, &file));
    if (!number(p, &line) || !accept(p, ':') || !number(p, &col)) {
        return wrong(p, "a place has a line and a column");
    }
    (void)pf_ir_add_place(p->fn, function, file, (int)line, (int)col);
    return PF_OK;
}

/* `what N: ...`; the numbers count up, so that a reader finds what an instruction names. */
static pf_status declaration(parser *p, const name *what)
{
    pf_fn *fn = p->fn;
    uint32_t k, expected;
    pf_kinds kind;
    char *text;
    if (!number(p, &k) || !accept(p, ':')) {
        return wrong(p, "a declaration has a number and a colon");
    }
    if (is_word(what, "column")) {
        expected = fn->ncolumns;
        PF_TRY(declare_column(p));
    } else if (is_word(what, "param")) {
        expected = fn->nparams;
        PF_TRY(kinds(p, &kind));
        (void)pf_ir_add_param(fn, kind);
    } else if (is_word(what, "output")) {
        expected = fn->noutputs;
        PF_TRY(declare_output(p));
    } else if (is_word(what, "string")) {
        expected = fn->nstrings;
        PF_TRY(quoted(p, &text));
        (void)pf_ir_add_string(fn, text);
    } else {
        expected = fn->nplaces;
        PF_TRY(declare_place(p));
    }
    return k == expected ? PF_OK : wrong(p, "declarations are numbered as they come");
}

static bool is_declaration(const name *w)
{
    return is_word(w, "column") || is_word(w, "param") || is_word(w, "output") || is_word(w, "string") ||
           is_word(w, "place");
}

/* ---- lines ---- */

enum { MAX_ARGS = 1024 };

/* `name(%a: kind, ...):`. The first walk makes the block, the second names its arguments. */
static pf_status block_line(parser *p, const name *block, bool making)
{
    pf_kinds list[MAX_ARGS];
    uint32_t n = 0;
    const name *known = making ? NULL : find(p->blocks, p->nblocks, block);
    if (!making) {
        pf_ir_start(p->fn, known->what);
    }
    if (accept(p, '(') && !accept(p, ')')) {
        do {
            name arg;
            if (n == MAX_ARGS || !accept(p, '%') || !word(p, &arg) || !accept(p, ':')) {
                return wrong(p, "a block's arguments are written %name: kind");
            }
            PF_TRY(kinds(p, &list[n]));
            if (!making) {
                PF_TRY(define_value(p, &arg, pf_ir_arg(p->fn, known->what, n)));
            }
            n++;
        } while (accept(p, ','));
        if (!accept(p, ')')) {
            return wrong(p, "a list has no end");
        }
    }
    if (!accept(p, ':')) {
        return wrong(p, "a block's line ends with a colon");
    }
    if (!making) {
        return PF_OK;
    }
    if (p->nblocks == 0 && n > 0) {
        return wrong(p, "the first block has no arguments");
    }
    pf_block made = p->nblocks == 0 ? 0 : pf_ir_block(p->fn, n, list);
    return define(p, &p->blocks, &p->nblocks, &p->cap_blocks, block, made);
}

static pf_status one_line(parser *p, bool making)
{
    const char *start;
    name w;
    if (at_line_end(p)) {
        return PF_OK;
    }
    start = p->at;
    if (word(p, &w)) {
        skip_blanks(p);
        if (*p->at == '(' || *p->at == ':') {
            return block_line(p, &w, making);
        }
        if (is_declaration(&w)) {
            return making ? PF_OK : declaration(p, &w);
        }
    }
    p->at = start;
    return making ? PF_OK : instruction(p);
}

static pf_status walk(parser *p, const char *text, bool making)
{
    p->at = text;
    p->line = 1;
    do {
        PF_TRY(one_line(p, making));
        if (p->fn->failed || p->fn->misuse != NULL) {
            return wrong(p, p->fn->misuse);
        }
        if (!making && !at_line_end(p)) {
            return wrong(p, "more on the line than belongs there");
        }
    } while (next_line(p));
    return PF_OK;
}

pf_status pf_ir_parse(const char *text, pf_fn **out, char *error, size_t error_size)
{
    parser p = {.fn = pf_ir_new(), .error = error, .error_size = error_size};
    *out = NULL;
    if (p.fn == NULL) {
        return PF_NOMEM;
    }
    p.fn->blocks[0].first = 0; /* the text's first block starts it */
    p.fn->current = PF_NOBLOCK;
    pf_status status = walk(&p, text, true);
    if (status == PF_OK) {
        status = walk(&p, text, false);
    }
    if (status == PF_OK) {
        status = pf_ir_arrange(p.fn, error, error_size);
    }
    if (status == PF_OK) {
        status = pf_ir_verify(p.fn, error, error_size);
    }
    if (status != PF_OK) {
        pf_ir_free(p.fn);
        return status;
    }
    *out = p.fn;
    return PF_OK;
}

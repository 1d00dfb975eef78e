/* The text of a lowered program. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "program.h"

typedef struct text {
    char *out;
    size_t size, length;
} text;

static const char *const step_names[PF_STEP_COUNT] = {
    [PF_STEP_ENTER] = "enter",   [PF_STEP_COLUMN] = "column",   [PF_STEP_OP] = "op",
    [PF_STEP_INT] = "int",       [PF_STEP_MOD_IS] = "mod_is",   [PF_STEP_STR] = "str",
    [PF_STEP_IN] = "in",         [PF_STEP_SELECT] = "select",   [PF_STEP_IS_KIND] = "is_kind",
    [PF_STEP_NARROW] = "narrow", [PF_STEP_PACK] = "pack",       [PF_STEP_WIDEN] = "widen",
    [PF_STEP_FILL] = "fill",     [PF_STEP_BLEND] = "blend",     [PF_STEP_BRANCH] = "branch",
    [PF_STEP_MERGE] = "merge",   [PF_STEP_COMPACT] = "compact", [PF_STEP_STOP] = "stop",
    [PF_STEP_BAIL] = "bail",     [PF_STEP_EXIT] = "exit",       [PF_STEP_WIDE] = "wide",
    [PF_STEP_FIT] = "fit",       [PF_STEP_RANK] = "rank",       [PF_STEP_MUL_ADD] = "mul_add",
    [PF_STEP_CHOOSE] = "choose",
};

__attribute__((format(printf, 2, 3))) static void put(text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t left = t->length < t->size ? t->size - t->length : 0;
    int n = vsnprintf(left > 0 ? t->out + t->length : NULL, left, format, args);
    va_end(args);
    t->length += n > 0 ? (size_t)n : 0;
}

static void put_value(text *t, const pf_program *p, const char *before, pf_val v)
{
    if (v == 0) {
        return;
    }
    const pf_value *value = &p->values[v];
    put(t, "%s", before);
    switch (value->origin) {
    case PF_VALUE_COLUMN:
        put(t, "column%" PRIu32, value->index);
        break;
    case PF_VALUE_ROW:
        put(t, "row");
        break;
    case PF_VALUE_CONST:
        put(t, value->kinds == PF_K_F64 ? "#0x%" PRIx64 : value->wide ? "#%" PRIu64 : "#%" PRId64, p->constants[value->index]);
        break;
    case PF_VALUE_STRING:
        put(t, "string%" PRIu32, value->index);
        break;
    case PF_VALUE_PARAM:
        put(t, "param%" PRIu32, value->index);
        break;
    case PF_VALUE_MASK:
        put(t, "m%u", v);
        break;
    default:
        put(t, "%s%u", value->scalar ? "s" : "v", v);
        break;
    }
}

static void put_step(text *t, const pf_program *p, uint32_t i, bool joined)
{
    const pf_step *s = &p->steps[i];
    const bool op =
        s->code == PF_STEP_OP || s->code == PF_STEP_INT || s->code == PF_STEP_STR || s->code == PF_STEP_WIDE;
    put(t, "%3" PRIu32 " %c", i, joined ? '|' : ' ');
    put_value(t, p, "", s->d);
    const bool minus = s->code == PF_STEP_MUL_ADD && s->negate;
    put(t, "%s%s", s->d != 0 ? " = " : "", op ? pf_ops[s->op].name : minus ? "mul_sub" : step_names[s->code]);
    if (s->code == PF_STEP_WIDE) {
        put(t, "%s", s->low != PF_LOW_NO ? ".low" : p->values[s->d].wide ? ".wide" : ".fits");
    }
    put_value(t, p, s->negate && !minus ? " not " : " ", s->c);
    put_value(t, p, " ", s->a);
    put_value(t, p, " ", s->b);
    if (s->code == PF_STEP_CHOOSE) {
        put_value(t, p, " where ", s->where);
        put(t, " %s", pf_ops[s->op].name);
        put_value(t, p, " ", s->than);
    }
    put_value(t, p, " in ", s->mask);
    if (s->code == PF_STEP_RANK) {
        put(t, " %" PRIu32, s->index);
    }
    if (s->code == PF_STEP_ENTER) {
        put(t, " else %" PRIu32, s->index);
    }
    for (uint32_t k = 0; (s->code == PF_STEP_COMPACT || s->code == PF_STEP_EXIT) && k < s->count; k++) {
        put_value(t, p, k == 0 ? ": " : ", ", p->items[s->index + k].value);
    }
    put(t, "\n");
}

size_t pf_interp_print(const pf_program *program, char *out, size_t size)
{
    text t = {out, size, 0};
    uint32_t joined_to = 0;
    for (uint32_t i = 0; i < program->nsteps; i++) {
        if (program->steps[i].joined > 0) {
            joined_to = i + program->steps[i].joined;
        }
        put_step(&t, program, i, i < joined_to);
    }
    return t.length;
}

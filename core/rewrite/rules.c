/* The matcher: walks a rule's pattern beside the instruction it is tried on, then builds the body.
 *
 * Patterns are read as they stand in rules.def. A term is a variable (one letter), a literal (0, -1, true, false) or an
 * op with terms as operands; ops are told from variables by their length. The body is built through pf_rw_simplify, so
 * what a rule makes is folded, shared and rewritten in turn. It ends because every body is smaller than its pattern or
 * has fewer powers, or moves a constant to the right for good. */
#include "rewrite_internal.h"

#include <stdlib.h>
#include <string.h>

const pf_rule_info pf_rules[PF_RULE_COUNT] = {
#define PASS(name, law) [PF_RULE_##name] = {#name, law, NULL, NULL, 0, 0},
#define RULE(name, op, kinds, from, to, law) [PF_RULE_##name] = {#name, law, from, to, PF_OP_##op, kinds},
#include "rules.def"
#undef PASS
#undef RULE
};

int pf_rewrite_rule(const char *name)
{
    for (int i = 0; i < PF_RULE_COUNT; i++) {
        if (strcmp(pf_rules[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

typedef struct term {
    const char *s;
    size_t n;
} term;

static term next_term(const char **at)
{
    *at += strspn(*at, " ,");
    term t = {*at, strcspn(*at, "(), ")};
    *at += t.n;
    return t;
}

static bool is(const term *t, const char *s)
{
    return strlen(s) == t->n && memcmp(t->s, s, t->n) == 0;
}

static bool is_literal(const term *t)
{
    return *t->s == '-' || (*t->s >= '0' && *t->s <= '9') || is(t, "true") || is(t, "false");
}

static bool literal_matches(const term *t, const pf_inst *inst)
{
    if (inst->op != PF_OP_const) {
        return false;
    }
    if (is(t, "true") || is(t, "false")) {
        return inst->kinds == PF_K_BOOL && inst->imm.i == is(t, "true");
    }
    return inst->kinds == PF_K_I64 && inst->imm.i == strtoll(t->s, NULL, 10);
}

static bool bind(pf_ref *slot, pf_ref ref)
{
    if (*slot == PF_NOREF) {
        *slot = ref;
    }
    return *slot == ref;
}

static bool matches(const pf_rw *rw, const char **at, pf_ref ref, pf_ref *bound);

static bool operands_match(const pf_rw *rw, const char **at, const pf_inst *inst, pf_ref *bound)
{
    ++*at; /* the parenthesis */
    pf_ref operands[3] = {inst->a, inst->b, inst->c};
    for (int i = 0; i < pf_ops[inst->op].arity; i++) {
        if (!matches(rw, at, operands[i], bound)) {
            return false;
        }
    }
    ++*at;
    return true;
}

static bool matches(const pf_rw *rw, const char **at, pf_ref ref, pf_ref *bound)
{
    const pf_inst *inst = &rw->fn->insts[ref];
    term t = next_term(at);
    if (is_literal(&t)) {
        return literal_matches(&t, inst);
    }
    if (t.n > 1) {
        return is(&t, pf_ops[inst->op].name) && operands_match(rw, at, inst, bound);
    }
    bool constant = inst->op == PF_OP_const;
    if ((*t.s >= 'A' && *t.s <= 'Z' && !constant) || (*t.s == 'v' && constant)) {
        return false;
    }
    return bind(&bound[*t.s & 31], ref);
}

static pf_op op_named(const term *t)
{
    int op = 0;
    while (op < PF_OP_COUNT && !is(t, pf_ops[op].name)) {
        op++;
    }
    return (pf_op)op;
}

static pf_ref build(pf_rw *rw, const char **at, const pf_ref *bound, uint16_t place)
{
    term t = next_term(at);
    if (is(&t, "true") || is(&t, "false")) {
        return pf_ir_const_bool(rw->fn, is(&t, "true"));
    }
    if (is_literal(&t)) {
        return pf_ir_const_i64(rw->fn, strtoll(t.s, NULL, 10));
    }
    if (t.n == 1) {
        return bound[*t.s & 31];
    }
    pf_inst inst = {.op = (uint8_t)op_named(&t), .place = place};
    pf_ref *slots[3] = {&inst.a, &inst.b, &inst.c};
    ++*at;
    for (int i = 0; i < pf_ops[inst.op].arity; i++) {
        *slots[i] = build(rw, at, bound, place);
        if (*slots[i] == PF_NOREF) {
            return PF_NOREF;
        }
    }
    ++*at;
    inst.kinds = inst.op == PF_OP_select ? rw->fn->insts[inst.b].kinds
                                         : pf_ir_result((pf_op)inst.op, rw->fn->insts[inst.a].kinds);
    return pf_rw_simplify(rw, &inst);
}

bool pf_rw_apply_rules(pf_rw *rw, const pf_inst *inst, pf_ref *out)
{
    pf_kinds kinds = inst->op == PF_OP_select || inst->a == PF_NOREF ? inst->kinds : rw->fn->insts[inst->a].kinds;
    for (int r = 0; r < PF_RULE_COUNT; r++) {
        const pf_rule_info *rule = &pf_rules[r];
        if (rule->from == NULL || rule->op != inst->op || (kinds & (pf_kinds)~rule->kinds) != 0 ||
            !pf_rw_on(rw, (pf_rule)r)) {
            continue;
        }
        pf_ref bound[32] = {PF_NOREF};
        const char *at = rule->from + strlen(pf_ops[inst->op].name);
        if (operands_match(rw, &at, inst, bound)) {
            pf_rw_fired(rw, (pf_rule)r);
            at = rule->to;
            *out = build(rw, &at, bound, inst->place);
            return true;
        }
    }
    return false;
}

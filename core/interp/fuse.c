/* Steps that are joined: what would be two passes over the lanes becomes one. A pass over 1,024 lanes that does little
 * for each costs what its loads and stores cost. */
#include <string.h>

#include "lower.h"

/* The step before, if it computes `ref`, which nobody else wants, into lanes. */
static pf_step *only_for_next(const lowering *l, pf_ref ref)
{
    pf_program *p = l->program;
    if (l->status != PF_OK || p->nsteps == l->first_step || l->uses[ref] != 1) {
        return NULL;
    }
    pf_step *step = &p->steps[p->nsteps - 1];
    return step->d != 0 && step->d == lower_use(l, ref).value && !p->values[step->d].scalar ? step : NULL;
}

static void give_result(lowering *l, pf_step *step, pf_kinds kind, pf_ref ref)
{
    step->kd = kind;
    step->d = lower_add_value(l, PF_VALUE_COMPUTED, kind, false, ref);
    lower_define(l, ref, (operand){step->d, kind});
}

/* `x % m`, then `== c`, `!= c` or truth. */
bool fuse_mod_test(lowering *l, const pf_inst *inst, pf_ref ref)
{
    const bool truth = inst->op == PF_OP_truth;
    if (inst->op != PF_OP_eq && inst->op != PF_OP_ne && !truth) {
        return false;
    }
    pf_step *mod = only_for_next(l, inst->a);
    if (mod == NULL || (mod->code != PF_STEP_INT && mod->code != PF_STEP_WIDE) || mod->op != PF_OP_mod ||
        mod->form != PF_F_VS || l->program->values[mod->b].wide) {
        return false;
    }
    const operand c = truth ? lower_add_constant(l, 0, PF_K_I64) : lower_use(l, inst->b);
    if (!lower_is_scalar(l, c) || lower_value(l, c)->wide) {
        return false;
    }
    mod->code = PF_STEP_MOD_IS;
    mod->negate = inst->op != PF_OP_eq;
    mod->c = c.value;
    give_result(l, mod, PF_K_BOOL, ref);
    return true;
}

/* A product of floats, then + or - something. */
bool fuse_mul_add(lowering *l, const pf_inst *inst, pf_ref ref)
{
    if ((inst->op != PF_OP_add && inst->op != PF_OP_sub) || inst->kinds != PF_K_F64) {
        return false;
    }
    pf_step *mul = only_for_next(l, inst->a);
    const bool right = mul == NULL && inst->op == PF_OP_add; /* x + a * b */
    if (right) {
        mul = only_for_next(l, inst->b);
    }
    if (mul == NULL || mul->code != PF_STEP_OP || mul->op != PF_OP_mul || mul->form == PF_F_SV) {
        return false;
    }
    const operand c = lower_use(l, right ? inst->a : inst->b);
    mul->code = PF_STEP_MUL_ADD;
    mul->negate = inst->op == PF_OP_sub;
    mul->c = c.value;
    give_result(l, mul, PF_K_F64, ref);
    return true;
}

/* The comparison of floats, or truth of one, in this block that computes `ref` for nobody else. */
static pf_step *condition_for(const lowering *l, pf_ref ref)
{
    const pf_program *p = l->program;
    const pf_val c = lower_use(l, ref).value;
    if (l->uses[ref] != 1 || p->values[c].shared || p->values[c].scalar) {
        return NULL;
    }
    for (uint32_t i = p->nsteps; i > l->first_step; i--) {
        pf_step *step = &p->steps[i - 1];
        if (step->d == c) {
            const bool decides = step->b != 0 || step->op == PF_OP_truth; /* isnan and its like do not */
            return step->code == PF_STEP_OP && step->ka == PF_K_F64 && step->kb == PF_K_F64 && decides ? step : NULL;
        }
    }
    return NULL;
}

/* `a if x < y else b`: the comparison is made where it is wanted. Truth is `x != 0.0`, of a NaN too. */
bool fuse_choice(lowering *l, const pf_inst *select, pf_ref ref, operand a, operand b)
{
    pf_program *p = l->program;
    if (l->status != PF_OK || select->kinds != PF_K_F64 || a.kinds != PF_K_F64 || b.kinds != PF_K_F64) {
        return false;
    }
    pf_step *condition = condition_for(l, select->a);
    if (condition == NULL) {
        return false;
    }
    const bool truth = condition->op == PF_OP_truth;
    const pf_val than = truth ? lower_add_constant(l, 0, PF_K_F64).value : condition->b;
    pf_step *last = &p->steps[p->nsteps - 1];
    pf_step choice = *condition;
    memmove(condition, condition + 1, (size_t)(last - condition) * sizeof *last);
    choice.code = PF_STEP_CHOOSE;
    choice.op = truth ? PF_OP_ne : choice.op;
    choice.where = choice.a;
    choice.than = than;
    choice.a = a.value;
    choice.b = b.value;
    *last = choice;
    give_result(l, last, PF_K_F64, ref);
    return true;
}

/* ---- strips ---- */

/* Lanes. Short where each takes long, so that little memory is asked for at once; a mod test works out an inverse for
 * every strip. */
enum { LONG_STRIP = 64, MOD_STRIP = 128, JOINED_STRIP = 128, LIGHT_STRIP = 512 };

static bool takes_long(uint8_t op)
{
    return op == PF_OP_sqrt || op == PF_OP_div || op == PF_OP_fdiv || op == PF_OP_mod;
}

bool is_light(const pf_program *p, const pf_step *s)
{
    const bool op =
        s->code == PF_STEP_OP && s->kd == PF_K_F64 && (s->op == PF_OP_add || s->op == PF_OP_sub || s->op == PF_OP_mul);
    return (op || s->code == PF_STEP_MUL_ADD) && !p->values[s->d].scalar;
}

/* What hides in the time that the next step takes. */
static void plan_waiting(pf_program *p)
{
    for (uint32_t i = 0, next; i + 1 < p->nsteps; i = next) {
        pf_step *s = &p->steps[i];
        next = i + pf_steps_at_once(s);
        const pf_step *heavy = s + 1;
        s->waits = s->joined == 0 && heavy->joined == 0 && heavy->code == PF_STEP_OP && takes_long(heavy->op) &&
                   !p->values[heavy->d].scalar && is_light(p, s) && heavy->a == s->d;
    }
}

/* Where nothing is waited for: how many lanes to do between asking for memory and asking again. */
static uint16_t strip_of(const pf_program *p, const pf_step *s)
{
    if (s->code == PF_STEP_EXIT) {
        return PF_LANES; /* the sink takes its time too */
    }
    if (s->d == 0 || p->values[s->d].scalar) {
        return 0;
    }
    switch (s->code) {
    case PF_STEP_MOD_IS:
        return MOD_STRIP;
    case PF_STEP_MUL_ADD:
        return LIGHT_STRIP;
    case PF_STEP_OP:
    case PF_STEP_INT:
        return takes_long(s->op) ? LONG_STRIP : LIGHT_STRIP;
    case PF_STEP_MERGE:
        return 0;
    default:
        return PF_LANES;
    }
}

static void plan_strips(pf_program *p)
{
    p->asks = 1; /* a program may have no step at all */
    for (uint32_t i = 0; i < p->nsteps; i += pf_steps_at_once(&p->steps[i])) {
        pf_step *s = &p->steps[i];
        s->strip = s->joined > 0 ? JOINED_STRIP : s->waits ? LONG_STRIP : strip_of(p, s);
        p->asks += s->strip == 0 ? 0 : PF_LANES / s->strip;
    }
}

pf_status plan_steps(pf_program *p)
{
    PF_TRY(emit_runs(p));
    plan_waiting(p);
    plan_strips(p);
    return PF_OK;
}

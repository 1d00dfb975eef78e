/* Plans: row programs compiled, and checked against the sink they feed. */
#include "run_internal.h"

static bool is_subset(pf_kinds kinds, pf_kinds of)
{
    return kinds != 0 && (kinds & ~of) == 0;
}

static bool fits_keys(const pf_fn *last, int nkeys)
{
    for (int k = 0; k < nkeys && (uint32_t)k < last->noutputs; k++) {
        pf_kinds kinds = last->outputs[k];
        if (!is_subset(kinds, PF_K_BOOL | PF_K_I64 | PF_K_F64) && kinds != PF_K_STR && (kinds != PF_K_NONE || nkeys == 1)) {
            return false;
        }
    }
    return last->noutputs >= (uint32_t)nkeys && last->noutputs <= MAX_BEST;
}

static bool fits_sink(const pf_plan *plan)
{
    const pf_fn *last = plan->stages[plan->nstages - 1].fn;
    pf_kinds first = last->noutputs > 0 ? last->outputs[0] : 0;
    switch (plan->sink) {
    case PF_SINK_ISUM:
        return is_subset(first, PF_K_I64 | PF_K_BOOL);
    case PF_SINK_FSUM:
        return first == PF_K_F64;
    case PF_SINK_MIN:
    case PF_SINK_MAX:
        return fits_keys(last, plan->nkeys > 1 ? plan->nkeys : 1);
    case PF_SINK_FOLD:
        return plan->fold_block > 0;
    default:
        return true;
    }
}

/* A stage that expands has the outputs its expansion needs, and the next one takes its columns from there. */
static bool fits_expansion(const pf_plan *plan, int stage)
{
    const pf_stage *st = &plan->stages[stage];
    if (stage == plan->nstages - 1) {
        return st->expand == PF_EXPAND_LAST;
    }
    const pf_fn *next = plan->stages[stage + 1].fn;
    for (uint32_t k = 0; k < next->ncolumns; k++) {
        const pf_column_info *info = &next->columns[k];
        if (info->from == PF_FROM_SOURCE || (info->from == PF_FROM_PARENT && info->index >= st->fn->noutputs) ||
            (info->from == PF_FROM_INNER && st->expand == PF_EXPAND_RANGE && (info->kinds & PF_K_I64) == 0)) {
            return false;
        }
    }
    return st->expand == PF_EXPAND_RANGE ? st->fn->noutputs >= 3
                                         : st->expand == PF_EXPAND_ITEMS && st->fn->noutputs >= 1 &&
                                               pf_lane_bytes(st->fn->outputs[0]) == sizeof(uint64_t);
}

static pf_outputs outputs_of(const pf_plan *plan, int stage)
{
    if (stage < plan->nstages - 1) {
        return PF_OUTPUTS_I64;
    }
    return plan->sink == PF_SINK_ISUM                          ? PF_OUTPUTS_SUM
           : plan->sink == PF_SINK_COLLECT && plan->takes_u64 ? PF_OUTPUTS_U64
                                                               : PF_OUTPUTS_I64;
}

static void mark_used(pf_fn *fn)
{
    for (uint32_t k = 0; k < fn->ncolumns; k++) {
        fn->columns[k].used = pf_ir_column_used(fn, k);
    }
}

pf_status pf_plan_compile(pf_plan *plan)
{
    if (plan->nstages < 1 || plan->nstages > PF_MAX_STAGES) {
        return PF_UNSUPPORTED;
    }
    for (int s = 0; s < plan->nstages; s++) {
        if (!fits_expansion(plan, s)) {
            return PF_UNSUPPORTED;
        }
    }
    if (!fits_sink(plan)) {
        return PF_UNSUPPORTED;
    }
    pf_status status = PF_OK;
    for (int s = 0; s < plan->nstages && status == PF_OK; s++) {
        mark_used(plan->stages[s].fn);
        if (plan->stages[s].program == NULL) {
            status = pf_interp_compile(plan->stages[s].fn, outputs_of(plan, s), &plan->stages[s].program);
        }
    }
    for (int s = 0; s < plan->nstages && status != PF_OK; s++) {
        pf_interp_free(plan->stages[s].program);
        plan->stages[s].program = NULL;
    }
    return status;
}

void pf_plan_clear(pf_plan *plan)
{
    idle_forget(plan);
    for (int s = 0; s < plan->nstages; s++) {
        pf_interp_free(plan->stages[s].program);
        pf_ir_free(plan->stages[s].fn);
        plan->stages[s].program = NULL;
        plan->stages[s].fn = NULL;
    }
    plan->nstages = 0;
}

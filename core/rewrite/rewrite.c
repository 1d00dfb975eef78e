/* The driver. A round reads the old function and builds a new one beside it, block by block in order.
 *
 * Because a value is rewritten at the moment it is emitted, one round folds, shares and simplifies along every chain of
 * operations at once; only what needs hindsight (dead values, arguments that turn out alike, blocks left with a
 * single way in) waits for the next round. Rounds go on until none changes anything. The old function is dropped only
 * when the new one is whole, so running out of memory leaves the program as it was. */
#include "rewrite_internal.h"

#include "../base/mem.h"

#include <string.h>

enum { MAX_ROUNDS = 16 };

bool pf_rw_on(const pf_rw *rw, pf_rule rule)
{
    return rw->options == NULL || !rw->options->off[rule];
}

void pf_rw_fired(pf_rw *rw, pf_rule rule)
{
    rw->changed = true;
    if (rw->log != NULL) {
        rw->log->fired[rule]++;
    }
}

/* ---- what a function declares ---- */

static void copy_declarations(const pf_fn *old, pf_fn *fn)
{
    for (uint32_t i = 0; i < old->ncolumns; i++) {
        uint32_t c =
            pf_ir_add_column(fn, old->columns[i].kinds, (pf_column_from)old->columns[i].from, old->columns[i].index);
        if (!fn->failed) {
            fn->columns[c].checked = old->columns[i].checked;
        }
    }
    for (uint32_t i = 0; i < old->nparams; i++) {
        (void)pf_ir_add_param(fn, old->params[i]);
    }
    for (uint32_t i = 0; i < old->nstrings; i++) {
        (void)pf_ir_add_string(fn, old->strings[i]);
    }
    for (uint32_t i = 1; i < old->nplaces; i++) {
        const pf_place *p = &old->places[i];
        (void)pf_ir_add_place(fn, p->function, p->file, p->line, p->col);
    }
    if (old->noutputs > 0 && !fn->failed) {
        fn->outputs = pf_arena_alloc(&fn->arena, old->noutputs);
        fn->failed |= fn->outputs == NULL;
    }
    if (old->noutputs > 0 && !fn->failed) {
        memcpy(fn->outputs, old->outputs, old->noutputs);
        fn->noutputs = old->noutputs;
    }
}

/* Law 5 of rules.def: columns that are read for the sake of the kinds that bail there, if for nothing else. */
static pf_status find_needed(const pf_fn *fn, bool **out)
{
    bool *used = pf_mem_calloc(fn->ninsts, sizeof *used), *needed = pf_mem_calloc(fn->ncolumns + 1, sizeof *needed);
    if (used != NULL && needed != NULL) {
        pf_ir_mark_uses(fn, used);
        for (pf_ref r = 1; r < fn->blocks[0].end; r++) {
            const pf_inst *inst = &fn->insts[r];
            if (inst->op == PF_OP_column) {
                needed[inst->imm.k] = (used[r] && !(inst->kinds & PF_K_OBJ)) || fn->columns[inst->imm.k].checked;
            }
        }
    }
    pf_mem_free(used);
    *out = needed;
    return used != NULL && needed != NULL ? PF_OK : PF_NOMEM;
}

static void keep_checking(const pf_rw *rw)
{
    pf_fn *fn = rw->fn;
    for (uint32_t c = 0; c < fn->ncolumns && !fn->failed; c++) {
        bool there = !rw->needed[c];
        for (uint32_t i = 0; i < fn->npinned; i++) {
            const pf_inst *p = &fn->insts[fn->pinned[i]];
            there |= p->op == PF_OP_column && p->imm.k == c;
        }
        if (!there) {
            fn->columns[c].checked = true;
            (void)pf_ir_column(fn, c);
        }
    }
}

/* ---- a round ---- */

static pf_status allocate(pf_rw *rw)
{
    const pf_fn *old = rw->old;
    rw->map = pf_arena_alloc(&rw->tmp, old->ninsts * sizeof *rw->map);
    rw->made = pf_arena_alloc(&rw->tmp, old->nblocks * sizeof *rw->made);
    rw->blocks = pf_arena_alloc(&rw->tmp, old->nblocks * sizeof *rw->blocks);
    if (rw->map == NULL || rw->made == NULL || rw->blocks == NULL) {
        return PF_NOMEM;
    }
    for (pf_block b = 0; b < old->nblocks; b++) {
        rw->made[b] = PF_NOBLOCK;
    }
    rw->made[0] = 0;
    return PF_OK;
}

static void start_block(pf_rw *rw, pf_block old)
{
    const pf_block_info *info = &rw->old->blocks[old];
    pf_block block = rw->made[old];
    uint32_t arg = 0;
    if (block != 0) {
        pf_ir_start(rw->fn, block);
    }
    rw->at = block;
    rw->blocks[block].rank = rw->nstarted++;
    for (uint32_t i = 0; i < info->nargs; i++) {
        pf_ref a = info->first + i;
        if (rw->live[a] && rw->same[a] == PF_NOREF) {
            rw->map[a] = pf_ir_arg(rw->fn, block, arg++);
        }
    }
}

static pf_status build(pf_rw *rw)
{
    PF_TRY(allocate(rw));
    copy_declarations(rw->old, rw->fn);
    PF_TRY(pf_rw_analyse(rw));
    for (pf_block b = 0; b < rw->old->nblocks && !rw->failed && !rw->fn->failed; b++) {
        if (rw->made[b] != PF_NOBLOCK) {
            start_block(rw, b);
            pf_rw_fill(rw, b);
        }
    }
    if (rw->failed || rw->fn->failed) {
        return PF_NOMEM;
    }
    keep_checking(rw);
    PF_TRY(pf_ir_arrange(rw->fn, NULL, 0));
#ifndef NDEBUG
    PF_TRY(pf_ir_verify(rw->fn, NULL, 0));
#endif
    return PF_OK;
}

/* Builds *out from old; *changed tells whether they differ. */
static pf_status round_of(const pf_fn *old, const bool *needed, const pf_rewrite_options *options, pf_rewrite_log *log,
                          const pf_stride *stride, pf_fn **out, bool *changed)
{
    pf_rw rw = {.old = old, .fn = pf_ir_new(), .needed = needed, .options = options, .log = log, .stride = stride};
    if (rw.fn == NULL) {
        return PF_NOMEM;
    }
    pf_arena_init(&rw.tmp);
    pf_status status = build(&rw);
    pf_arena_free(&rw.tmp);
    if (status != PF_OK) {
        pf_ir_free(rw.fn);
        return status;
    }
    *changed = rw.changed;
    *out = rw.fn;
    return PF_OK;
}

/* The function keeps its address; what it is becomes what `fresh` was. */
static void become(pf_fn *fn, pf_fn *fresh)
{
    pf_fn old = *fn;
    *fn = *fresh;
    *fresh = old;
    pf_ir_free(fresh);
}

/* Rounds until nothing changes; the first may know of a stride. */
static pf_status all_rounds(const pf_fn *fn, const pf_rewrite_options *options, pf_rewrite_log *log,
                            const pf_stride *stride, pf_fn **out)
{
    pf_fn *best = NULL, *fresh = NULL;
    bool changed = true, *needed = NULL;
    pf_status status = find_needed(fn, &needed);
    for (int i = 0; i < MAX_ROUNDS && changed && status == PF_OK; i++) {
        status = round_of(best != NULL ? best : fn, needed, options, log, i == 0 ? stride : NULL, &fresh, &changed);
        if (status == PF_OK) {
            pf_ir_free(best);
            best = fresh;
        }
        if (log != NULL) {
            log->rounds++;
        }
        changed |= i == 0 && stride != NULL;
    }
    pf_mem_free(needed);
    if (status != PF_OK) {
        pf_ir_free(best);
        best = NULL;
    }
    *out = best;
    return status;
}

pf_status pf_rewrite_run(pf_fn *fn, const pf_rewrite_options *options, pf_rewrite_log *log)
{
    pf_fn *fresh;
    PF_TRY(all_rounds(fn, options, log, NULL, &fresh));
    become(fn, fresh);
    return PF_OK;
}

pf_status pf_rewrite_with_stride(const pf_fn *fn, const pf_stride *stride, const pf_rewrite_options *options,
                                 pf_rewrite_log *log, pf_fn **out)
{
    return all_rounds(fn, options, log, stride, out);
}

/* One function in one context.
 *
 * An entry keeps the state (locals, then stack) at the start of each block. A sweep walks the instructions in
 * order, which is reverse post-order, so one sweep settles everything but loops; it is repeated while states grow.
 * Entries live for the whole analysis and only grow, and so the analysis as a whole is repeated by epochs. */
#include "effects_internal.h"

#include <string.h>

const pf_code *pf_e_decode(pf_analysis *a, PyCodeObject *code)
{
    for (pf_e_decoded *d = a->decoded; d != NULL; d = d->next) {
        if (d->code->code == code) {
            return d->code;
        }
    }
    pf_e_decoded *d = pf_arena_alloc(&a->arena, sizeof *d);
    if (d == NULL || pf_decode(code, &d->code) < 0) {
        if (d == NULL) {
            PyErr_NoMemory();
        }
        a->failed = true;
        return NULL;
    }
    d->next = a->decoded;
    a->decoded = d;
    return d->code;
}

static bool same_context(const pf_e_entry *entry, const pf_e_entry *model, const pf_e_value *args)
{
    if (entry->code != model->code || entry->func != model->func || entry->outer != model->outer ||
        entry->globals != model->globals || entry->cells != model->cells) {
        return false;
    }
    for (int i = 0; i < model->code->nlocalsplus; i++) {
        if (!pf_e_same(&entry->args[i], &args[i])) {
            return false;
        }
    }
    return true;
}

static bool make_states(pf_analysis *a, pf_e_entry *entry)
{
    const pf_code *code = entry->code;
    size_t n = (size_t)code->nlocalsplus;
    entry->width = code->nlocalsplus + code->max_depth + 3;
    entry->block_of = pf_arena_alloc(&a->arena, sizeof(int32_t) * (size_t)code->n);
    entry->args = pf_arena_alloc(&a->arena, sizeof(pf_e_value) * (n + 1));
    entry->cell_content = pf_arena_alloc(&a->arena, sizeof(pf_e_value) * (n + 1));
    entry->current = pf_arena_alloc(&a->arena, sizeof(pf_e_value) * (size_t)entry->width);
    if (entry->block_of == NULL || entry->args == NULL || entry->cell_content == NULL || entry->current == NULL) {
        return false;
    }
    for (int i = 0; i < code->n; i++) {
        bool starts = i == 0 || (code->instrs[i].flags & PF_INSTR_LEADER);
        entry->block_of[i] = starts ? entry->nblocks++ : -1;
    }
    size_t blocks = (size_t)entry->nblocks;
    entry->states = pf_arena_alloc(&a->arena, sizeof(pf_e_value) * blocks * (size_t)entry->width);
    entry->arrived = pf_arena_alloc(&a->arena, blocks * sizeof(bool));
    return entry->states != NULL && entry->arrived != NULL;
}

pf_e_entry *pf_e_enter(pf_analysis *a, const pf_e_entry *model, const pf_e_value *args)
{
    for (pf_e_entry *entry = a->entries; entry != NULL; entry = entry->next) {
        if (same_context(entry, model, args)) {
            return entry;
        }
    }
    pf_e_entry *entry = pf_arena_alloc(&a->arena, sizeof *entry);
    if (entry != NULL) {
        *entry = *model;
        if (make_states(a, entry)) {
            memcpy(entry->args, args, sizeof(pf_e_value) * (size_t)model->code->nlocalsplus);
            entry->next = a->entries;
            a->entries = entry;
            a->nentries++;
            a->changed = true;
            return entry;
        }
    }
    PyErr_NoMemory();
    a->failed = true;
    return NULL;
}

/* Joins n values of the current state (and whatever is put on top by the caller) into the start of a block. */
static bool arrive(pf_analysis *a, pf_e_entry *entry, int index, int depth)
{
    int block = entry->block_of[index], n = entry->code->nlocalsplus + depth;
    pf_e_value *state = entry->states + (size_t)block * (size_t)entry->width;
    bool before = a->changed, grown;
    a->changed = !entry->arrived[block];
    entry->arrived[block] = true;
    for (int i = 0; i < n; i++) {
        pf_e_add(a, &state[i], entry->current[i]);
    }
    grown = a->changed;
    a->changed = before || grown;
    return grown;
}

/* An exception may leave here: locals as they are, the stack cut and the exception on top. */
static bool arrive_handler(pf_analysis *a, pf_e_entry *entry, const pf_instr *instr)
{
    pf_handler h = entry->code->handlers[instr->handler];
    pf_e_value *stack = entry->current + entry->code->nlocalsplus, saved[2] = {stack[h.depth], stack[h.depth + 1]};
    int extra = h.lasti + 1;
    for (int i = 0; i < extra; i++) {
        stack[h.depth + i] = pf_e_exception();
    }
    bool grown = arrive(a, entry, h.target, h.depth + extra);
    stack[h.depth] = saved[0];
    stack[h.depth + 1] = saved[1];
    return grown;
}

/* The jump edge; that of SEND leaves what a delegated generator returns in the place of the generator. */
static bool arrive_target(pf_analysis *a, pf_e_entry *entry, const pf_instr *instr, int depth)
{
    pf_e_value *top = entry->current + entry->code->nlocalsplus + depth - 1, saved;
    if (instr->op != PF_BC_SEND) {
        return arrive(a, entry, instr->target, depth);
    }
    saved = *top;
    *top = pf_e_opaque;
    bool grown = arrive(a, entry, instr->target, depth);
    *top = saved;
    return grown;
}

static bool ends(const pf_instr *instr)
{
    return instr->op == PF_BC_JUMP || instr->op == PF_BC_RETURN_VALUE || instr->op == PF_BC_RAISE ||
           instr->op == PF_BC_RERAISE || instr->op == PF_BC_UNKNOWN;
}

/* One walk over all instructions that something has reached; true when a state grew at a place already passed. */
static bool sweep(pf_analysis *a, pf_e_entry *entry)
{
    const pf_code *code = entry->code;
    bool again = false, live = false;
    for (int i = 0; i < code->n && !pf_e_done(a); i++) {
        const pf_instr *instr = &code->instrs[i];
        int block = entry->block_of[i];
        if (block >= 0) {
            if (live) {
                arrive(a, entry, i, entry->depth);
            }
            live = entry->arrived[block];
            entry->depth = instr->depth;
            memcpy(entry->current, entry->states + (size_t)block * (size_t)entry->width,
                   sizeof(pf_e_value) * (size_t)entry->width);
        }
        if (!live) {
            continue;
        }
        if (++a->steps > PF_E_MAX_STEPS) {
            pf_e_stop(a, entry, i, PF_REASON_TOO_COMPLEX, NULL);
        }
        if (instr->handler >= 0) {
            arrive_handler(a, entry, instr); /* handlers are laid out last, so never passed already */
        }
        int before = entry->depth;
        pf_e_step(a, entry, i);
        if (instr->target >= 0 && !pf_e_done(a)) {
            int pops, pushes;
            pf_instr_effect(instr, true, &pops, &pushes);
            bool grown = arrive_target(a, entry, instr, before - pops + pushes);
            again = again || (grown && instr->target <= i);
        }
        live = !ends(instr);
    }
    return again;
}

/* Parameters that are cells start in their cell. */
static void start_state(pf_analysis *a, pf_e_entry *entry)
{
    for (int i = 0; i < entry->code->nlocalsplus; i++) {
        entry->current[i] = entry->args[i];
        if (pf_code_is_cell(entry->code, i)) {
            pf_e_add(a, &entry->cell_content[i], entry->args[i]);
        }
    }
    arrive(a, entry, 0, 0);
}

static pf_e_value result_of(pf_analysis *a, const pf_e_entry *entry, const pf_e_entry *caller, int instr)
{
    if (entry->code->is_generator) {
        return pf_e_fresh(a, caller, instr, 1, entry->yields);
    }
    return entry->ret.kind == E_BOTTOM ? pf_e_plain : entry->ret;
}

pf_e_value pf_e_run(pf_analysis *a, pf_e_entry *entry, const pf_e_entry *caller, int instr)
{
    if (a->nentries > PF_E_MAX_ENTRIES) {
        pf_e_stop(a, entry, 0, PF_REASON_TOO_COMPLEX, NULL);
        return pf_e_plain;
    }
    if (entry->code->is_async) {
        pf_e_stop(a, entry, 0, PF_REASON_AWAITS, NULL);
        return pf_e_plain;
    }
    if (!entry->running && entry->epoch != a->epoch) {
        entry->running = true;
        entry->epoch = a->epoch;
        start_state(a, entry);
        while (!pf_e_done(a) && sweep(a, entry)) {
        }
        entry->running = false;
    }
    return result_of(a, entry, caller, instr);
}

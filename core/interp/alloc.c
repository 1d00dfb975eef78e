/* Places for values: registers are reused as soon as the last step that looks at them is done, so that what a program
 * works on stays in the first-level cache.
 *
 * A result never shares its register with an operand of the same step: a kernel that reports bails is asked again lane
 * by lane, and then the operands must still be there. Jumps only go forward, so one pass over the steps sees lives as
 * they are: from the first step that writes a value to the last that touches it. Steps that run at once, as joined ones
 * do, and one that waits with the next, look at all of their operands until the last of them is done. */
#include "program.h"

#include "../base/mem.h"

/* Registers are a little apart from powers of two, so that equal lanes of two registers do not fight for one cache set.
 */
enum { WORD_SLOT = PF_LANES * 8 + 192, BYTE_SLOT = PF_LANES + 64 };

typedef struct free_list {
    uint32_t *slots;
    uint32_t n;
    uint32_t size;
} free_list;

typedef struct allocation {
    pf_program *program;
    free_list lists[PF_LANE_COUNT]; /* by pf_value.lane; kinds are bytes */
    uint32_t bytes;
} allocation;

static bool has_kinds(pf_kinds kinds)
{
    return kinds != 0 && !pf_kinds_single(kinds);
}

/* ---- lives ---- */

static void touch(pf_program *p, pf_val v, int32_t at, bool kinds)
{
    pf_value *value = &p->values[v];
    value->last = at;
    if (kinds) {
        value->last_kind = at;
    }
}

static void write(pf_program *p, pf_val v, int32_t at)
{
    if (p->values[v].first < 0) {
        p->values[v].first = at;
    }
    touch(p, v, at, has_kinds(p->values[v].kinds));
}

static void find_lives(pf_program *p)
{
    for (uint32_t v = 0; v < p->nvalues; v++) {
        p->values[v].first = p->values[v].last = p->values[v].last_kind = -1;
        p->values[v].slot = p->values[v].kind_slot = p->values[v].high_slot = PF_NO_SLOT;
    }
    for (uint32_t i = 0; i < p->nsteps; i++) {
        const pf_step *s = &p->steps[i];
        const int32_t at = (int32_t)i;
        const bool reads_kinds = s->code == PF_STEP_COLUMN || has_kinds(s->ka);
        if (s->code == PF_STEP_BRANCH) {
            write(p, s->a, at);
        } else {
            touch(p, s->a, at, reads_kinds);
        }
        touch(p, s->b, at, has_kinds(s->kb) && s->code == PF_STEP_SELECT);
        touch(p, s->c, at, false);
        touch(p, s->where, at, false);
        touch(p, s->than, at, false);
        touch(p, s->mask, at, false);
        write(p, s->d, at);
        for (uint32_t k = 0; s->code == PF_STEP_EXIT && k < s->count; k++) {
            touch(p, p->items[s->index + k].value, at, has_kinds(p->items[s->index + k].kinds));
        }
    }
}

/* ---- places ---- */

static uint32_t take(allocation *a, int lane)
{
    free_list *list = &a->lists[lane];
    if (list->n > 0) {
        return list->slots[--list->n];
    }
    uint32_t slot = a->bytes;
    a->bytes += list->size;
    return slot;
}

static void give_back(allocation *a, int lane, uint32_t slot)
{
    free_list *list = &a->lists[lane];
    list->slots[list->n++] = slot; /* there is room: nobody gives back what was not taken */
}

static void place(allocation *a, pf_value *value, bool kinds)
{
    if (value->slot == PF_NO_SLOT) {
        value->slot = take(a, value->lane);
    }
    if (kinds && value->kind_slot == PF_NO_SLOT) {
        value->kind_slot = take(a, PF_LANE_BYTE);
    }
    if (value->wide && value->high_slot == PF_NO_SLOT) {
        value->high_slot = take(a, PF_LANE_WORD);
    }
}

static void place_written(allocation *a, pf_val v)
{
    pf_value *value = &a->program->values[v];
    if (v != 0 && !value->scalar) {
        place(a, value, has_kinds(value->kinds));
    }
}

/* Gives back what nobody looks at after step `at`. The slot number stays; a second call for the same value does
 * nothing. */
static void release(allocation *a, pf_val v, int32_t at)
{
    pf_value *value = &a->program->values[v];
    if (v == 0 || value->scalar || value->last != at || value->slot == PF_NO_SLOT) {
        return;
    }
    value->last = -1 - at; /* done */
    give_back(a, value->lane, value->slot);
    if (value->kind_slot != PF_NO_SLOT) {
        give_back(a, PF_LANE_BYTE, value->kind_slot);
    }
    if (value->high_slot != PF_NO_SLOT) {
        give_back(a, PF_LANE_WORD, value->high_slot);
    }
}

/* Whatever step `at` was the last to look at. */
static void release_all(allocation *a, const pf_step *s, int32_t at)
{
    release(a, s->a, at);
    release(a, s->b, at);
    release(a, s->c, at);
    release(a, s->where, at);
    release(a, s->than, at);
    release(a, s->mask, at);
    release(a, s->d, at);
}

/* A COMPACT moves what is alive across it; columns get a register of their own by that. */
static pf_status list_moves(allocation *a, pf_step *step, int32_t at)
{
    pf_program *p = a->program;
    pf_item *grown = pf_mem_realloc(p->items, (p->nitems + (size_t)p->nvalues) * sizeof *grown);
    if (grown == NULL) {
        return PF_NOMEM;
    }
    p->items = grown;
    step->index = p->nitems;
    for (uint32_t v = 1; v < p->nvalues; v++) {
        pf_value *value = &p->values[v];
        const bool outside = value->origin == PF_VALUE_COLUMN || value->origin == PF_VALUE_ROW;
        if (value->scalar || value->last <= at || (!outside && (value->first < 0 || value->first > at))) {
            continue;
        }
        const bool kinds = value->last_kind > at;
        place(a, value, kinds);
        p->items[p->nitems++] = (pf_item){(pf_val)v, kinds ? PF_K_ALL : 0};
    }
    step->count = p->nitems - step->index;
    return PF_OK;
}

/* A test of a remainder that is for the COMPACT behind it alone moves the tested lanes itself. */
static void plan_keeping(pf_program *p, uint32_t compact)
{
    const int32_t at = (int32_t)compact;
    pf_step *test = compact == 0 ? NULL : &p->steps[compact - 1];
    if (test != NULL && test->code == PF_STEP_MOD_IS && test->mask == 0 && test->d == p->steps[compact].c) {
        test->keeps = p->values[test->d].last == at && p->values[test->a].last > at;
    }
}

static pf_status place_all(allocation *a)
{
    pf_program *p = a->program;
    for (uint32_t v = 1; v < p->nvalues; v++) {
        pf_value *value = &p->values[v];
        if (value->scalar) {
            value->slot = a->bytes;
            a->bytes += PF_SCALAR_BYTES;
            value->high_slot = a->bytes;
            a->bytes += value->wide ? PF_SCALAR_BYTES : 0;
        } else if (value->origin == PF_VALUE_ROW && value->last >= 0) {
            place(a, value, false);
        }
    }
    uint32_t together = 0, done = 0; /* how many steps, from this one on, run at once; whose operands are released */
    for (uint32_t i = 0; i < p->nsteps; i++) {
        pf_step *s = &p->steps[i];
        const int32_t at = (int32_t)i;
        place_written(a, s->d);
        if (s->code == PF_STEP_BRANCH) {
            place_written(a, s->a);
        }
        if (s->code == PF_STEP_COMPACT) {
            PF_TRY(list_moves(a, s, at));
            plan_keeping(p, i);
        }
        together = together > 0 ? together : s->waits ? 2 : pf_steps_at_once(s);
        together--;
        for (; together == 0 && done <= i; done++) {
            if (p->steps[done].code != PF_STEP_EXIT) {
                release_all(a, &p->steps[done], (int32_t)done);
            }
        }
    }
    p->register_bytes = a->bytes;
    return PF_OK;
}

pf_status pf_interp_allocate(pf_program *program)
{
    allocation a = {.program = program};
    pf_status status = PF_NOMEM;
    a.lists[PF_LANE_WORD] = (free_list){pf_mem_alloc(2 * program->nvalues * sizeof(uint32_t)), 0, WORD_SLOT};
    a.lists[PF_LANE_BYTE] = (free_list){pf_mem_alloc(2 * program->nvalues * sizeof(uint32_t)), 0, BYTE_SLOT};
    if (a.lists[PF_LANE_WORD].slots != NULL && a.lists[PF_LANE_BYTE].slots != NULL) {
        find_lives(program);
        status = place_all(&a);
    }
    pf_mem_free(a.lists[PF_LANE_WORD].slots);
    pf_mem_free(a.lists[PF_LANE_BYTE].slots);
    return status;
}

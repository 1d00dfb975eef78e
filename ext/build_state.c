/* States: how one is forked, split by kind where an op needs one kind, and merged where ways meet. */
#include <string.h>

#include "build_internal.h"

/* ---- states ---- */

static pf_frame_state *copy_frames(pf_builder *b, const pf_frame_state *frame)
{
    if (frame == NULL) {
        return NULL;
    }
    size_t nlocals = (size_t)frame->act->code->nlocalsplus, nstack = (size_t)frame->act->code->max_depth + 2;
    pf_frame_state *copy = pf_b_alloc(b, sizeof *copy + sizeof(pf_av) * (nlocals + nstack));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *frame;
    copy->locals = (pf_av *)(copy + 1);
    copy->stack = copy->locals + nlocals;
    memcpy(copy->locals, frame->locals, sizeof(pf_av) * nlocals);
    memcpy(copy->stack, frame->stack, sizeof(pf_av) * (size_t)frame->depth);
    copy->parent = copy_frames(b, frame->parent);
    return copy;
}

pf_state *pf_b_fork(pf_builder *b, const pf_state *st, pf_block block)
{
    pf_state *copy = pf_b_alloc(b, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *st;
    copy->block = block;
    copy->open = false;
    copy->next = NULL;
    copy->frame = copy_frames(b, st->frame);
    return copy;
}

static pf_block new_block(pf_builder *b, uint32_t nargs, const pf_kinds *kinds)
{
    if (b->fn->nblocks >= PF_MAX_BLOCKS) {
        pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
    }
    return pf_ir_block(b->fn, nargs, kinds);
}

void pf_b_open(pf_builder *b, pf_state *st)
{
    if (!st->open) {
        pf_ir_start(b->fn, st->block);
        st->open = true;
    }
}

void pf_b_close(pf_builder *b, pf_state *st)
{
    if (st->open) {
        pf_block next = new_block(b, 0, NULL);
        pf_ir_jump(b->fn, next, 0, NULL);
        st->block = next;
        st->open = false;
    }
}

void pf_b_branch(pf_builder *b, pf_state *st, pf_ref cond, pf_state **yes, pf_state **no)
{
    pf_block by = new_block(b, 0, NULL), bn = new_block(b, 0, NULL);
    pf_ir_branch(b->fn, cond, by, 0, NULL, bn, 0, NULL);
    *yes = pf_b_fork(b, st, by);
    *no = pf_b_fork(b, st, bn);
}

void pf_b_raise(pf_builder *b, pf_state *st)
{
    pf_ir_bail(b->fn, pf_b_place(b));
    st->open = false;
}

void pf_b_bail(pf_builder *b, pf_state *st)
{
    b->plan->has_other_ways = true; /* what stands behind is not looked at, and a row of another kind may get there */
    pf_b_raise(b, st);
}

bool pf_b_bail_where(pf_builder *b, pf_state *st, pf_ref cond)
{
    pf_state *yes, *no;
    pf_b_branch(b, st, cond, &yes, &no);
    if (yes == NULL || no == NULL) {
        return false;
    }
    pf_b_open(b, yes);
    pf_b_raise(b, yes);
    st->block = no->block;
    st->open = false;
    pf_b_open(b, st);
    return true;
}

/* ---- splitting ---- */

static void replace_in(pf_builder *b, pf_av *av, pf_ref old, const pf_av *with)
{
    if (av->tag == PF_AV_SCALAR && av->ref == old) {
        pf_ref handle = av->handle;
        bool partial = av->partial;
        *av = *with;
        av->handle = handle;
        av->partial = partial;
    } else if (av->n > 0) {
        pf_av copy = pf_av_tuple(b, av->n);
        for (int i = 0; copy.items != NULL && i < av->n; i++) {
            copy.items[i] = av->items[i];
            replace_in(b, &copy.items[i], old, with);
        }
        av->items = copy.items;
    }
}

static void replace_everywhere(pf_builder *b, pf_state *st, pf_ref old, const pf_av *with)
{
    for (pf_frame_state *f = st->frame; f != NULL; f = f->parent) {
        for (int i = 0; i < f->act->code->nlocalsplus; i++) {
            replace_in(b, &f->locals[i], old, with);
        }
        for (int i = 0; i < f->depth; i++) {
            replace_in(b, &f->stack[i], old, with);
        }
    }
    for (int i = 0; i < st->ncarry; i++) {
        replace_in(b, &st->carry[i], old, with);
    }
    replace_in(b, &st->value, old, with);
}

static void push_split(pf_builder *b, pf_state *st)
{
    if (st != NULL) {
        st->next = b->split;
        b->split = st;
    }
}

void pf_b_rely(pf_builder *b, const pf_av *av)
{
    if (av->tag != PF_AV_SCALAR || av->ref == PF_NOREF || pf_b_dead(b)) {
        return;
    }
    const pf_inst *inst = &b->fn->insts[av->ref];
    if (inst->op == PF_OP_column) {
        b->fn->columns[inst->imm.k].checked = true;
    } else if (inst->op == PF_OP_arg || inst->op == PF_OP_narrow) { /* a value of several origins: all of them */
        for (uint32_t c = 0; c < b->fn->ncolumns; c++) {
            b->fn->columns[c].checked |= (b->fn->columns[c].kinds & PF_K_OBJ) == 0;
        }
    }
}

bool pf_b_mono(pf_builder *b, pf_state *st, pf_av *av)
{
    if (pf_b_dead(b)) {
        return false;
    }
    if (av->tag != PF_AV_SCALAR || pf_kinds_single(av->kinds)) {
        pf_b_rely(b, av);
        return true;
    }
    /* one kind, and the rest, which is split again when the op is tried again */
    pf_kinds first = av->kinds & (pf_kinds)-av->kinds, rest = av->kinds & (pf_kinds)~first;
    pf_state *ways[2];
    pf_b_branch(b, st, pf_ir_is_kind(b->fn, av->ref, first), &ways[0], &ways[1]);
    for (int i = 0; i < 2 && ways[i] != NULL; i++) {
        pf_kinds kinds = i == 0 ? first : rest;
        pf_b_open(b, ways[i]);
        pf_av narrow = *av;
        narrow.kinds = kinds;
        if (kinds == PF_K_NONE) {
            narrow = pf_av_none(b);
        } else {
            narrow.ref = pf_ir_narrow(b->fn, av->ref, kinds, pf_b_place(b));
        }
        replace_everywhere(b, ways[i], av->ref, &narrow);
        pf_b_close(b, ways[i]);
        push_split(b, ways[i]);
    }
    st->open = false;
    return false;
}

/* ---- merging ---- */

bool pf_av_same_shape(const pf_av *a, const pf_av *b)
{
    if (a->tag != b->tag) {
        return false;
    }
    switch (a->tag) {
    case PF_AV_SCALAR:
        /* an opaque object keeps what is known of it only together with its path */
        return a->kinds == b->kinds && (a->kinds != PF_K_OBJ || a->path == b->path);
    case PF_AV_TUPLE:
    case PF_AV_RANGE:
    case PF_AV_ITERATOR:
    case PF_AV_PART:
    case PF_AV_STEP:
    case PF_AV_TEST:
        if (a->n != b->n || a->part != b->part || a->op != b->op) {
            return false;
        }
        for (int i = 0; i < a->n; i++) {
            if (!pf_av_same_shape(&a->items[i], &b->items[i])) {
                return false;
            }
        }
        return true;
    case PF_AV_PY:
        return a->py == b->py && a->watch == b->watch;
    default:
        return true;
    }
}

/* The same but for the kinds of scalars. */
static bool alike_but_for_kinds(const pf_av *a, const pf_av *b)
{
    if (a->tag != b->tag || a->n != b->n) {
        return false;
    }
    if (a->tag == PF_AV_SCALAR && ((a->kinds | b->kinds) & PF_K_OBJ) == 0) {
        return true;
    }
    if (a->tag != PF_AV_TUPLE) {
        return pf_av_same_shape(a, b);
    }
    for (int i = 0; i < a->n; i++) {
        if (!alike_but_for_kinds(&a->items[i], &b->items[i])) {
            return false;
        }
    }
    return true;
}

typedef bool (*likeness)(const pf_av *a, const pf_av *b);

static bool same_frames(const pf_frame_state *a, const pf_frame_state *b, likeness like)
{
    for (; a != NULL && b != NULL; a = a->parent, b = b->parent) {
        if (a->act != b->act || a->depth != b->depth) {
            return false;
        }
        for (int i = 0; i < a->act->code->nlocalsplus; i++) {
            if (!like(&a->locals[i], &b->locals[i])) {
                return false;
            }
        }
        for (int i = 0; i < a->depth; i++) {
            if (!like(&a->stack[i], &b->stack[i])) {
                return false;
            }
        }
    }
    return a == b;
}

static bool same_state(const pf_state *a, const pf_state *b, likeness like)
{
    if (a->ncarry != b->ncarry || !like(&a->value, &b->value) || !same_frames(a->frame, b->frame, like)) {
        return false;
    }
    for (int i = 0; i < a->ncarry; i++) {
        if (!like(&a->carry[i], &b->carry[i])) {
            return false;
        }
    }
    return true;
}

/* ---- identity ---- */

enum { MAX_IDENTITIES = 256 };

/* What the values of a state are as objects, slot by slot: equal numbers are one object, 0 is nobody else's. */
typedef struct identities {
    uintptr_t of[MAX_IDENTITIES];
    int n; /* more than fit: unknown */
} identities;

static void identify(identities *ids, const pf_av *av)
{
    uintptr_t id = 0;
    if (av->tag == PF_AV_TUPLE) {
        id = (uintptr_t)av->items;
    } else if (av->tag == PF_AV_SCALAR && av->py == NULL && av->watch < 0 && (av->handle == PF_NOREF || av->partial)) {
        id = (uintptr_t)av->ref; /* boxed afresh, once */
    }
    if (ids->n < MAX_IDENTITIES) {
        ids->of[ids->n] = id;
    }
    ids->n++;
    for (int i = 0; i < av->n; i++) {
        identify(ids, &av->items[i]);
    }
}

static void identify_all(const pf_state *st, identities *out)
{
    out->n = 0;
    for (const pf_frame_state *f = st->frame; f != NULL; f = f->parent) {
        for (int i = 0; i < f->act->code->nlocalsplus; i++) {
            identify(out, &f->locals[i]);
        }
        for (int i = 0; i < f->depth; i++) {
            identify(out, &f->stack[i]);
        }
    }
    for (int i = 0; i < st->ncarry; i++) {
        identify(out, &st->carry[i]);
    }
    identify(out, &st->value);
}

/* Whether the same slots of both are one object. Where they are not, merging would lose which: `(v if v else 1, v)`. */
static bool same_identities(const pf_state *a, const pf_state *b)
{
    identities in_a, in_b;
    identify_all(a, &in_a);
    identify_all(b, &in_b);
    bool same = in_a.n == in_b.n && in_a.n <= MAX_IDENTITIES;
    for (int i = 0; same && i < in_a.n; i++) {
        for (int j = 0; same && j < i; j++) {
            same = (in_a.of[i] != 0 && in_a.of[i] == in_a.of[j]) == (in_b.of[i] != 0 && in_b.of[i] == in_b.of[j]);
        }
    }
    return same;
}

/* ---- joins ---- */

enum { MAX_JOIN = 24, MAX_PHI = 64, MAX_TARGETS = 192, MAX_TUPLES = 32 };

/* One join being made: k states, and the block arguments found so far. */
typedef struct join {
    pf_builder *b;
    int k, nphi;
    pf_state *states[MAX_JOIN];
    pf_ref args[MAX_JOIN][MAX_PHI];
    pf_kinds kinds[MAX_PHI];
    struct {
        pf_av *av; /* of the merged state: its value or its handle becomes an argument */
        bool is_handle;
        int phi;
    } targets[MAX_TARGETS];
    int ntargets;
    struct {
        const pf_av *items[MAX_JOIN];
        pf_av *merged;
    } tuples[MAX_TUPLES]; /* a tuple that stands in several slots stays one */
    int ntuples;
    bool too_many;
} join;

/* The argument for these values: one for all slots that hold the same. */
static int find_phi(join *j, const pf_ref *refs, pf_kinds kinds)
{
    for (int p = 0; p < j->nphi; p++) {
        bool same = j->kinds[p] == kinds;
        for (int s = 0; s < j->k && same; s++) {
            same = j->args[s][p] == refs[s];
        }
        if (same) {
            return p;
        }
    }
    if (j->nphi == MAX_PHI) {
        j->too_many = true;
        return 0;
    }
    for (int s = 0; s < j->k; s++) {
        j->args[s][j->nphi] = refs[s];
    }
    j->kinds[j->nphi] = kinds;
    return j->nphi++;
}

static void add_phi(join *j, pf_av *target, const pf_ref *refs, pf_kinds kinds, bool is_handle)
{
    if (j->ntargets == MAX_TARGETS) {
        j->too_many = true;
        return;
    }
    j->targets[j->ntargets].av = target;
    j->targets[j->ntargets].is_handle = is_handle;
    j->targets[j->ntargets++].phi = find_phi(j, refs, kinds);
}

static void join_scalar(join *j, pf_av *target, const pf_av *const *avs)
{
    bool differ = false, same_origin = true;
    for (int s = 1; s < j->k; s++) {
        differ |= avs[s]->ref != avs[0]->ref || avs[s]->handle != avs[0]->handle;
        same_origin &= avs[s]->py == avs[0]->py && avs[s]->watch == avs[0]->watch && avs[s]->path == avs[0]->path &&
                       avs[s]->handle == avs[0]->handle;
    }
    if (!differ && same_origin) {
        return;
    }
    for (int s = 0; s < j->k; s++) {
        target->origin = avs[s]->origin != 0 ? PF_ORIGIN_MIXED : target->origin;
    }
    pf_ref refs[MAX_JOIN], handles[MAX_JOIN];
    bool any_handle = false, partial = false, handles_differ = false, refs_differ = false;
    for (int s = 0; s < j->k; s++) {
        refs[s] = avs[s]->ref;
        handles[s] = same_origin ? PF_NOREF : pf_b_handle(j->b, avs[s]);
        any_handle |= handles[s] != PF_NOREF;
        partial |= !pf_b_always_object(j->b, avs[s]);
        refs_differ |= refs[s] != refs[0];
    }
    for (int s = 1; s < j->k; s++) {
        target->kinds |= avs[s]->kinds;
    }
    for (int s = 0; any_handle && s < j->k; s++) {
        handles[s] = handles[s] != PF_NOREF ? handles[s] : pf_b_null_handle(j->b);
        handles_differ |= handles[s] != handles[0];
    }
    if (refs_differ && target->kinds != PF_K_NONE) {
        target->joined = true;
        add_phi(j, target, refs, target->kinds, false);
    }
    if (!same_origin) {
        if (avs[0]->kinds != PF_K_OBJ) { /* the path of an opaque object is part of its shape */
            target->path = -1;
        }
        target->py = NULL;
        target->watch = -1;
        target->handle = any_handle ? handles[0] : PF_NOREF;
        target->partial = any_handle && partial;
        if (handles_differ) {
            add_phi(j, target, handles, PF_K_OBJ, true);
        }
    }
}

static void join_value(join *j, pf_av *target, const pf_av *const *avs);

static pf_av *joined_before(const join *j, const pf_av *const *avs)
{
    for (int t = 0; t < j->ntuples; t++) {
        bool same = true;
        for (int s = 0; s < j->k && same; s++) {
            same = j->tuples[t].items[s] == avs[s]->items;
        }
        if (same) {
            return j->tuples[t].merged;
        }
    }
    return NULL;
}

static void join_tuple(join *j, pf_av *target, const pf_av *const *avs)
{
    bool one = true;
    for (int s = 1; s < j->k; s++) {
        bool differs = avs[s]->items != avs[0]->items;
        one &= !differs;
        target->origin = differs && (avs[s]->origin != 0 || avs[0]->origin != 0) ? PF_ORIGIN_MIXED : target->origin;
    }
    if (one) {
        return;
    }
    target->joined = true;
    target->items = joined_before(j, avs);
    if (target->items != NULL) {
        return;
    }
    pf_av fresh = pf_av_tuple(j->b, target->n);
    if (fresh.items == NULL || j->ntuples == MAX_TUPLES) {
        j->too_many = true;
        return;
    }
    target->items = j->tuples[j->ntuples].merged = fresh.items;
    for (int s = 0; s < j->k; s++) {
        j->tuples[j->ntuples].items[s] = avs[s]->items;
    }
    j->ntuples++;
    for (int i = 0; i < target->n; i++) {
        const pf_av *parts[MAX_JOIN];
        for (int s = 0; s < j->k; s++) {
            parts[s] = &avs[s]->items[i];
        }
        fresh.items[i] = *parts[0];
        join_value(j, &fresh.items[i], parts);
    }
}

static void join_value(join *j, pf_av *target, const pf_av *const *avs)
{
    if (target->tag == PF_AV_SCALAR) {
        join_scalar(j, target, avs);
    } else if (target->n > 0) {
        join_tuple(j, target, avs);
    }
}

/* Collects the same slot of every state: f(state) gives its address. */
#define JOIN_SLOT(j, merged, expr)                                                                                     \
    do {                                                                                                               \
        const pf_av *slots_[MAX_JOIN];                                                                                 \
        for (int s_ = 0; s_ < (j)->k; s_++) {                                                                          \
            const pf_state *each = (j)->states[s_];                                                                    \
            slots_[s_] = &(expr);                                                                                      \
        }                                                                                                              \
        join_value((j), (merged), slots_);                                                                             \
    } while (0)

static const pf_frame_state *frame_at(const pf_state *st, int up)
{
    const pf_frame_state *f = st->frame;
    while (up-- > 0) {
        f = f->parent;
    }
    return f;
}

static join *new_join(pf_builder *b, pf_state *const *states, int k)
{
    b->join = b->join != NULL ? b->join : pf_b_alloc(b, sizeof *b->join);
    if (b->join != NULL) {
        b->join->b = b;
        b->join->k = k;
        b->join->nphi = b->join->ntargets = b->join->ntuples = 0;
        b->join->too_many = false;
        memcpy(b->join->states, states, sizeof *states * (size_t)k);
    }
    return b->join;
}

static pf_state *join_states(pf_builder *b, pf_state *const *states, int k)
{
    join *j = new_join(b, states, k);
    pf_state *merged = j != NULL ? pf_b_fork(b, states[0], 0) : NULL;
    if (merged == NULL) {
        return NULL;
    }
    int up = 0;
    for (pf_frame_state *f = merged->frame; f != NULL; f = f->parent, up++) {
        for (int i = 0; i < f->act->code->nlocalsplus; i++) {
            JOIN_SLOT(j, &f->locals[i], frame_at(each, up)->locals[i]);
        }
        for (int i = 0; i < f->depth; i++) {
            JOIN_SLOT(j, &f->stack[i], frame_at(each, up)->stack[i]);
        }
    }
    for (int i = 0; i < merged->ncarry; i++) {
        JOIN_SLOT(j, &merged->carry[i], each->carry[i]);
    }
    JOIN_SLOT(j, &merged->value, each->value);
    if (j->too_many) {
        pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
        return NULL;
    }
    merged->block = new_block(b, (uint32_t)j->nphi, j->kinds);
    for (int s = 0; s < j->k; s++) {
        pf_b_open(b, j->states[s]);
        pf_ir_jump(b->fn, merged->block, (uint32_t)j->nphi, j->args[s]);
    }
    pf_b_open(b, merged);
    pf_ref args[MAX_PHI];
    for (int p = 0; p < j->nphi; p++) {
        args[p] = pf_ir_arg(b->fn, merged->block, (uint32_t)p);
    }
    for (int t = 0; t < j->ntargets; t++) {
        pf_ref *to = j->targets[t].is_handle ? &j->targets[t].av->handle : &j->targets[t].av->ref;
        *to = args[j->targets[t].phi];
    }
    pf_b_close(b, merged);
    return merged;
}

pf_state *pf_b_merge(pf_builder *b, pf_state *list)
{
    pf_state *out = NULL, **tail = &out;
    int versions = 0;
    while (list != NULL && !pf_b_dead(b)) {
        pf_state *alike[MAX_JOIN] = {list};
        int k = 1;
        pf_state *rest = NULL, **rest_tail = &rest, *next;
        for (pf_state *st = list->next; st != NULL; st = next) {
            next = st->next;
            if (k < MAX_JOIN && same_state(list, st, pf_av_same_shape) &&
                (!b->wants->identities || same_identities(list, st))) {
                alike[k++] = st;
            } else {
                *rest_tail = st;
                rest_tail = &st->next;
                st->next = NULL;
            }
        }
        pf_state *one = k == 1 ? list : join_states(b, alike, k);
        if (one == NULL) {
            return NULL;
        }
        one->next = NULL;
        *tail = one;
        tail = &one->next;
        list = rest;
        if (++versions > PF_MAX_VERSIONS) {
            pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
        }
    }
    return pf_b_dead(b) ? NULL : out;
}

pf_state *pf_b_unite(pf_builder *b, pf_state *list, int reason)
{
    if (pf_b_dead(b) || list == NULL || list->next == NULL) {
        return list;
    }
    pf_state *all[MAX_JOIN];
    int k = 0;
    for (pf_state *st = list; st != NULL; st = st->next) {
        const bool fits = k < MAX_JOIN && same_state(list, st, alike_but_for_kinds) &&
                          (!b->wants->identities || same_identities(list, st));
        if (!fits) {
            pf_b_refuse(b, reason);
            return NULL;
        }
        all[k++] = st;
    }
    return join_states(b, all, k);
}

/* One Python function, or one row of a generator expression, interpreted abstractly.
 *
 * The decoder lays code out so that every edge that is no loop goes forward. So instructions are visited in order, each
 * with the list of states that arrive there; arriving states are merged before the instruction runs. A call of another
 * Python function runs that function's instructions in between (inlining); its results arrive behind the call. */
#include <string.h>

#include "build_internal.h"

const pf_code *pf_b_decode(pf_builder *b, PyObject *code)
{
    for (int i = 0; i < b->ncodes; i++) {
        if ((PyObject *)b->codes[i]->code == code) {
            return b->codes[i];
        }
    }
    if (b->ncodes == PF_MAX_CODES) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return NULL;
    }
    if (pf_decode((PyCodeObject *)code, &b->codes[b->ncodes]) < 0) {
        b->error = true;
        return NULL;
    }
    return b->codes[b->ncodes++];
}

static void push(pf_state **list, pf_state *st)
{
    if (st != NULL) {
        st->next = *list;
        *list = st;
    }
}

/* The state goes on at instruction `index`, together with whoever else arrives there. */
static void arrive(pf_builder *b, pf_activation *act, pf_state *st, int index)
{
    pf_b_close(b, st);
    push(&act->pending[index], st);
}

/* Leaves the function with the value on top of the stack, or the yield that a generator makes. */
static void leave(pf_builder *b, pf_activation *act, pf_state *st)
{
    pf_frame_state *frame = st->frame;
    st->value = frame->stack[frame->depth - 1];
    st->frame = frame->parent;
    pf_b_close(b, st);
    push(&act->results, st);
}

static pf_av pop(pf_frame_state *f) { return f->stack[--f->depth]; }
static void put(pf_frame_state *f, pf_av av) { f->stack[f->depth++] = av; }
static pf_av *top(pf_frame_state *f, int depth) { return &f->stack[f->depth - depth]; }

/* Replaces the n topmost values by one. */
static void replace(pf_frame_state *f, int n, pf_av av)
{
    f->depth -= n;
    put(f, av);
}

typedef enum { GO_ON, DONE } outcome;

static outcome refuse(pf_builder *b, int reason)
{
    pf_b_refuse(b, reason);
    return DONE;
}

/* ---- reading names ---- */

static bool load_global(pf_builder *b, pf_activation *act, pf_frame_state *f, const pf_instr *in)
{
    pf_watch watch = {.how = PF_WATCH_GLOBAL, .parent = (int16_t)act->owner, .name = pf_code_name(act->code, in->arg)};
    pf_av av = pf_b_watched(b, watch);
    if (av.tag == PF_AV_UNBOUND) {
        pf_b_refuse(b, PF_REASON_UNBOUND);
        return false;
    }
    put(f, av);
    return true;
}

static bool load_deref(pf_builder *b, pf_activation *act, pf_frame_state *f, const pf_instr *in)
{
    if (!pf_code_is_free(act->code, in->arg)) { /* a cell of its own: only ever read here */
        pf_b_refuse(b, PF_REASON_INNER_FUNCTION);
        return false;
    }
    pf_watch watch = {.how = act->is_genexpr ? PF_WATCH_CELL : PF_WATCH_CLOSURE, .parent = (int16_t)act->owner};
    watch.index = act->is_genexpr ? in->arg : pf_code_free_number(act->code, in->arg);
    pf_av av = pf_b_watched(b, watch);
    if (av.tag == PF_AV_UNBOUND) {
        pf_b_refuse(b, PF_REASON_UNBOUND);
        return false;
    }
    put(f, av);
    return true;
}

static bool load_fast(pf_builder *b, pf_frame_state *f, const pf_instr *in)
{
    if (f->locals[in->arg].tag == PF_AV_UNBOUND) {
        pf_b_refuse(b, PF_REASON_UNBOUND);
        return false;
    }
    put(f, f->locals[in->arg]);
    return true;
}

/* ---- calls ---- */

static outcome call(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in, int pc)
{
    pf_frame_state *f = st->frame;
    int below = in->sub == PF_CALL_METHOD ? 2 : 1, total = in->arg + below;
    const pf_av callable = *top(f, total);
    if (in->sub == PF_CALL_METHOD && top(f, total - 1)->tag != PF_AV_UNBOUND) {
        return refuse(b, PF_REASON_METHOD);
    }
    PyObject *names = in->arg2 >= 0 ? pf_code_const(act->code, in->arg2) : NULL;
    pf_state *results = NULL;
    if (!pf_b_call(b, st, &callable, in->arg > 0 ? top(f, in->arg) : NULL, in->arg, names, &results)) {
        return DONE;
    }
    for (pf_state *next; results != NULL; results = next) {
        next = results->next;
        replace(results->frame, total, results->value);
        arrive(b, act, results, pc + 1);
    }
    return DONE;
}

static bool load_method(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in)
{
    pf_frame_state *f = st->frame;
    pf_av attribute;
    if (top(f, 1)->tag != PF_AV_PY || !PyModule_CheckExact(top(f, 1)->py)) {
        pf_b_refuse(b, PF_REASON_METHOD);
        return false;
    }
    if (!pf_b_attribute(b, st, top(f, 1), pf_code_name(act->code, in->arg), &attribute)) {
        return false;
    }
    replace(f, 1, attribute);
    pf_av none;
    memset(&none, 0, sizeof none);
    put(f, none); /* an attribute of a module is no method: no self */
    return true;
}

/* ---- control ---- */

/* Follows a jump edge. */
static void take_edge(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in)
{
    if (!(in->flags & PF_INSTR_BACK)) {
        arrive(b, act, st, in->target);
    } else if (act->is_genexpr && in->target == act->for_index) { /* the row is done, and gave nothing */
        pf_b_open(b, st);
        pf_ir_end(b->fn);
        b->ends++;
    } else {
        pf_b_refuse(b, PF_REASON_LOOP);
    }
}

static outcome step(pf_builder *b, pf_activation *act, pf_state *st, int pc);

enum { RETURNED = -1 };

/* Runs instructions that only move values about, up to `end` or a return; where that is. */
static int run_arm(pf_builder *b, pf_activation *act, pf_state *st, int pc, int end)
{
    while (pc < end && !pf_b_dead(b)) {
        const pf_instr *in = &act->code->instrs[pc];
        if (in->op == PF_BC_RETURN_VALUE) {
            return RETURNED;
        }
        b->pc = pc;
        if (in->op == PF_BC_JUMP && !(in->flags & PF_INSTR_BACK)) {
            pc = in->target;
        } else if (step(b, act, st, pc) == GO_ON) {
            pc++;
        } else {
            pf_b_refuse(b, PF_REASON_NOT_ASSOCIATIVE);
        }
    }
    return pc;
}

static bool unite_frames(pf_builder *b, const pf_av *test, const pf_frame_state *yes, const pf_frame_state *no)
{
    bool ok = yes->depth == no->depth;
    for (int i = 0; ok && i < yes->act->code->nlocalsplus; i++) {
        ok = pf_b_step_unite(b, test, &yes->locals[i], &no->locals[i]);
    }
    for (int i = 0; ok && i < yes->depth; i++) {
        ok = pf_b_step_unite(b, test, &yes->stack[i], &no->stack[i]);
    }
    return ok;
}

/* A branch on a part of the accumulator (build_step.c): both arms run in one block, and what they leave is united. */
static outcome branch_unknown(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in, int pc)
{
    const pf_av test = pop(st->frame);
    pf_state *other = pf_b_fork(b, st, st->block);
    if (other == NULL || in->op != PF_BC_POP_JUMP_IF_FALSE || (in->flags & PF_INSTR_BACK) || act->is_genexpr) {
        return refuse(b, PF_REASON_NOT_ASSOCIATIVE);
    }
    other->open = true;
    int end = run_arm(b, act, st, pc + 1, in->target);
    int other_end = run_arm(b, act, other, in->target, end == RETURNED ? act->code->n : end);
    if (pf_b_dead(b)) {
        return DONE;
    }
    if (end == RETURNED && other_end == RETURNED) {
        pf_av *result = top(st->frame, 1);
        if (!pf_b_step_unite(b, &test, result, top(other->frame, 1))) {
            return refuse(b, PF_REASON_NOT_ASSOCIATIVE);
        }
        leave(b, act, st);
    } else if (end == other_end && unite_frames(b, &test, st->frame, other->frame)) {
        arrive(b, act, st, end);
    } else {
        return refuse(b, PF_REASON_NOT_ASSOCIATIVE);
    }
    return DONE;
}

static outcome branch(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in, int pc)
{
    if (top(st->frame, 1)->tag == PF_AV_TEST) {
        return branch_unknown(b, act, st, in, pc);
    }
    pf_ref cond;
    if (in->op == PF_BC_POP_JUMP_IF_NONE) {
        pf_av none = pf_av_none(b), is_none;
        if (!pf_b_is(b, st, top(st->frame, 1), &none, &is_none)) {
            return DONE;
        }
        cond = pf_ir_op1(b->fn, PF_OP_not, is_none.ref, 0);
    } else if (!pf_b_truth(b, st, top(st->frame, 1), &cond)) {
        return DONE;
    }
    const pf_inst *known = &b->fn->insts[cond];
    pf_state *yes, *no;
    st->frame->depth--;
    if (known->op == PF_OP_const) { /* only one way can be taken: the other may not even be understood */
        b->plan->has_other_ways = true;
        if (known->imm.i) {
            arrive(b, act, st, pc + 1);
        } else {
            take_edge(b, act, st, in);
        }
        return DONE;
    }
    pf_b_branch(b, st, cond, &yes, &no);
    if (yes != NULL && no != NULL) {
        push(&act->pending[pc + 1], yes);
        take_edge(b, act, no, in);
    }
    return DONE;
}

/* A `for` inside a generator expression. Behind the loop there must be nothing but the way back for the next row. */
static outcome inner_loop(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in, int pc)
{
    pf_frame_state *f = st->frame;
    if (!act->is_genexpr) {
        return refuse(b, PF_REASON_LOOP);
    }
    if (in->op == PF_BC_GET_ITER) {
        pf_av iterator;
        if (!pf_b_get_iter(b, top(f, 1), &iterator)) {
            return DONE;
        }
        replace(f, 1, iterator);
        return GO_ON;
    }
    if (in->target != act->for_index || f->parent != NULL) { /* the decoder has threaded the loop's exit to where it leads */
        return refuse(b, PF_REASON_LOOP);
    }
    pf_av item;
    if (pf_b_expand(b, st, top(f, 1), pc, &item)) {
        act->for_index = pc;
        put(f, item);
        return GO_ON;
    }
    return DONE;
}

/* After its yield a row must do nothing but go back for the next. */
static outcome yield(pf_builder *b, pf_activation *act, pf_state *st, int pc)
{
    const pf_instr *after = &act->code->instrs[pc + 1];
    if (!act->is_genexpr || pc + 2 >= act->code->n || after[0].op != PF_BC_POP_TOP || after[1].op != PF_BC_JUMP ||
        after[1].target != act->for_index) {
        return refuse(b, PF_REASON_GENERATOR);
    }
    leave(b, act, st);
    return DONE;
}

/* ---- one instruction ---- */

static outcome operate(pf_builder *b, pf_activation *act, pf_state *st, const pf_instr *in)
{
    pf_frame_state *f = st->frame;
    pf_av out;
    bool ok;
    int pops = 2;
    switch (in->op) {
    case PF_BC_BINARY_OP:
        ok = pf_b_binary(b, st, in->sub, top(f, 2), top(f, 1), &out);
        break;
    case PF_BC_COMPARE:
        if (pf_b_is_tuple(b, top(f, 2)) && pf_b_is_tuple(b, top(f, 1)) &&
            (!pf_b_take_apart(b, st, top(f, 2)) || !pf_b_take_apart(b, st, top(f, 1)))) {
            return DONE;
        }
        ok = pf_b_compare(b, st, in->sub, top(f, 2), top(f, 1), &out);
        break;
    case PF_BC_BINARY_SUBSCR:
        ok = pf_b_subscript(b, st, top(f, 2), top(f, 1), &out);
        break;
    case PF_BC_IS:
        ok = pf_b_is(b, st, top(f, 2), top(f, 1), &out);
        break;
    case PF_BC_CONTAINS:
        ok = pf_b_contains(b, st, top(f, 2), top(f, 1), &out);
        break;
    case PF_BC_LOAD_ATTR:
        pops = 1;
        ok = pf_b_attribute(b, st, top(f, 1), pf_code_name(act->code, in->arg), &out);
        break;
    case PF_BC_TO_BOOL: {
        if (top(f, 1)->tag == PF_AV_TEST) {
            return GO_ON;
        }
        pf_ref truth = PF_NOREF;
        pops = 1;
        ok = pf_b_truth(b, st, top(f, 1), &truth);
        out = pf_av_of(PF_K_BOOL, truth);
        break;
    }
    default:
        pops = 1;
        ok = pf_b_unary(b, st, in->op, top(f, 1), &out);
        break;
    }
    if (!ok) {
        return DONE;
    }
    if ((in->op == PF_BC_IS || in->op == PF_BC_CONTAINS) && in->arg) {
        out = pf_av_of(PF_K_BOOL, pf_ir_op1(b->fn, PF_OP_not, out.ref, 0));
    }
    replace(f, pops, out);
    return GO_ON;
}

static outcome build(pf_builder *b, pf_state *st, const pf_instr *in)
{
    pf_frame_state *f = st->frame;
    if (in->op == PF_BC_BUILD_TUPLE) {
        pf_av tuple = pf_av_tuple(b, in->arg);
        if (tuple.items == NULL) {
            return DONE;
        }
        memcpy(tuple.items, f->stack + f->depth - in->arg, sizeof(pf_av) * (size_t)in->arg);
        replace(f, in->arg, tuple);
        return GO_ON;
    }
    enum { MOST = 16 };
    pf_av items[MOST];
    if (in->arg > MOST) {
        return refuse(b, PF_REASON_TOO_LARGE);
    }
    if (!pf_b_unpack(b, st, top(f, 1), in->arg, items)) {
        return DONE;
    }
    f->depth--;
    for (int i = in->arg - 1; i >= 0; i--) { /* the first item ends on top */
        put(f, items[i]);
    }
    return GO_ON;
}

static int reason_of(const pf_instr *in)
{
    switch (in->op) {
    case PF_BC_MAKE_FUNCTION:
    case PF_BC_MAKE_CELL:
    case PF_BC_LOAD_CLOSURE:
        return PF_REASON_INNER_FUNCTION;
    case PF_BC_CALL_EX:
        return PF_REASON_CALL;
    case PF_BC_UNKNOWN:
        return PF_REASON_UNKNOWN_BYTECODE;
    default:
        break;
    }
    switch (pf_bc_class_of(in->op)) {
    case PF_CLASS_WRITE:
    case PF_CLASS_MUTATE:
    case PF_CLASS_FOREIGN:
        return PF_REASON_IMPURE;
    case PF_CLASS_YIELD:
        return PF_REASON_GENERATOR;
    default:
        return PF_REASON_UNSUPPORTED_OPERATION;
    }
}

static outcome step(pf_builder *b, pf_activation *act, pf_state *st, int pc)
{
    const pf_instr *in = &act->code->instrs[pc];
    pf_frame_state *f = st->frame;
    if (in->handler >= 0) { /* a row for which it raises goes on there, which is not looked at */
        b->plan->has_other_ways = true;
    }
    switch (in->op) {
    case PF_BC_POP_TOP:
        f->depth--;
        return GO_ON;
    case PF_BC_COPY:
        put(f, *top(f, in->arg));
        return GO_ON;
    case PF_BC_SWAP: {
        pf_av upper = *top(f, 1);
        *top(f, 1) = *top(f, in->arg);
        *top(f, in->arg) = upper;
        return GO_ON;
    }
    case PF_BC_LOAD_FAST:
        return load_fast(b, f, in) ? GO_ON : DONE;
    case PF_BC_STORE_FAST:
        f->locals[in->arg] = pop(f);
        return GO_ON;
    case PF_BC_LOAD_CONST:
        put(f, pf_av_const(b, pf_code_const(act->code, in->arg)));
        return GO_ON;
    case PF_BC_LOAD_GLOBAL:
        return load_global(b, act, f, in) ? GO_ON : DONE;
    case PF_BC_LOAD_DEREF:
        return load_deref(b, act, f, in) ? GO_ON : DONE;
    case PF_BC_LOAD_METHOD:
        return load_method(b, act, st, in) ? GO_ON : DONE;
    case PF_BC_BINARY_OP:
    case PF_BC_COMPARE:
    case PF_BC_BINARY_SUBSCR:
    case PF_BC_IS:
    case PF_BC_CONTAINS:
    case PF_BC_LOAD_ATTR:
    case PF_BC_TO_BOOL:
    case PF_BC_UNARY_NEG:
    case PF_BC_UNARY_POS:
    case PF_BC_UNARY_NOT:
    case PF_BC_UNARY_INVERT:
        return operate(b, act, st, in);
    case PF_BC_BUILD_TUPLE:
    case PF_BC_UNPACK_SEQUENCE:
        return build(b, st, in);
    case PF_BC_CALL:
        return call(b, act, st, in, pc);
    case PF_BC_GET_ITER:
    case PF_BC_FOR_ITER:
        return inner_loop(b, act, st, in, pc);
    case PF_BC_POP_JUMP_IF_FALSE:
    case PF_BC_POP_JUMP_IF_NONE:
        return branch(b, act, st, in, pc);
    case PF_BC_JUMP:
        take_edge(b, act, st, in);
        return DONE;
    case PF_BC_RETURN_VALUE:
        if (act->is_genexpr) {
            return refuse(b, PF_REASON_GENERATOR);
        }
        leave(b, act, st);
        return DONE;
    case PF_BC_YIELD_VALUE:
        return yield(b, act, st, pc);
    case PF_BC_RAISE:
    case PF_BC_LOAD_ASSERTION_ERROR:
        pf_b_raise(b, st);
        return DONE;
    default:
        return refuse(b, reason_of(in));
    }
}

/* Runs one state until it ends, branches, or meets a point where others may join. */
static void run_state(pf_builder *b, pf_activation *act, pf_state *st, int pc)
{
    pf_b_open(b, st);
    for (int i = pc; !pf_b_dead(b); i++) {
        if (i > pc && (act->code->instrs[i].flags & PF_INSTR_LEADER)) {
            arrive(b, act, st, i);
            return;
        }
        b->act = act;
        b->pc = i;
        if (step(b, act, st, i) == DONE) {
            while (b->split != NULL) {
                pf_state *half = b->split;
                b->split = half->next;
                arrive(b, act, half, i);
            }
            return;
        }
    }
}

static void run_from(pf_builder *b, pf_activation *act, int first)
{
    for (int i = first; i < act->code->n && !pf_b_dead(b); i++) {
        const bool stage = act->is_genexpr && act->pending[i] != NULL && act->code->instrs[i].op == PF_BC_FOR_ITER;
        if (stage) { /* it begins with one state, and what has come past this point without looping has ended before */
            run_from(b, act, i + 1);
        }
        for (int rounds = 0; act->pending[i] != NULL && !pf_b_dead(b); rounds++) {
            pf_state *list =
                stage ? pf_b_unite(b, act->pending[i], PF_REASON_TOO_MANY_WAYS) : pf_b_merge(b, act->pending[i]);
            act->pending[i] = NULL;
            for (pf_state *next; list != NULL && !pf_b_dead(b); list = next) {
                next = list->next;
                list->next = NULL;
                run_state(b, act, list, i);
            }
            if (rounds > PF_MAX_VERSIONS) {
                pf_b_refuse(b, PF_REASON_TOO_MANY_WAYS);
            }
        }
    }
}

static pf_activation *activate(pf_builder *b, pf_state *st, const pf_code *code, int owner, PyObject *object)
{
    const pf_activation *parent = b->act;
    int level = parent != NULL ? parent->level + 1 : 1;
    if (level > PF_MAX_INLINE) {
        pf_b_refuse(b, PF_REASON_TOO_LARGE);
        return NULL;
    }
    for (const pf_activation *a = parent; a != NULL; a = a->parent) {
        if (a->code == code && a->object == object) {
            pf_b_refuse(b, PF_REASON_RECURSION);
            return NULL;
        }
    }
    pf_activation *act = pf_b_alloc(b, sizeof *act + sizeof(pf_state *) * (size_t)(code->n + 1));
    pf_frame_state *frame = pf_b_alloc(b, sizeof *frame + sizeof(pf_av) * (size_t)(code->nlocalsplus + code->max_depth + 2));
    if (act == NULL || frame == NULL) {
        return NULL;
    }
    act->code = code;
    act->owner = owner;
    act->object = object;
    act->level = level;
    act->parent = (pf_activation *)parent;
    act->pending = (pf_state **)(act + 1);
    frame->parent = st->frame;
    frame->act = act;
    frame->locals = (pf_av *)(frame + 1);
    frame->stack = frame->locals + code->nlocalsplus;
    st->frame = frame;
    b->max_level = level > b->max_level ? level : b->max_level;
    return act;
}

/* The results with everything but their values as it was; b->act is back at the caller. */
static bool finish(pf_builder *b, pf_activation *act, const pf_activation *caller, int pc, pf_state **results)
{
    run_from(b, act, 0);
    b->act = caller;
    b->pc = pc;
    *results = pf_b_dead(b) ? NULL : pf_b_merge(b, act->results);
    return !pf_b_dead(b);
}

bool pf_b_run_function(pf_builder *b, pf_state *st, const pf_av *function, pf_av *locals, const pf_code *code, pf_state **results)
{
    const pf_activation *caller = b->act;
    int pc = b->pc;
    pf_activation *act = activate(b, st, code, function->watch, function->py);
    if (act == NULL) {
        return false;
    }
    memcpy(st->frame->locals, locals, sizeof(pf_av) * (size_t)code->nlocalsplus);
    arrive(b, act, st, 0);
    return finish(b, act, caller, pc, results);
}

bool pf_b_run_genexpr(pf_builder *b, pf_state *st, int node, pf_av item, pf_state **results)
{
    PyObject *generator = b->request->chain->nodes[node].object;
    pf_watch watch = {.how = PF_WATCH_NODE, .parent = -1, .index = node};
    int owner = pf_b_watch(b, watch, generator);
    const pf_code *code = owner < 0 ? NULL : pf_b_decode(b, (PyObject *)pf_genexpr_code(generator));
    pf_activation *act = code == NULL ? NULL : activate(b, st, code, owner, generator);
    if (act == NULL) {
        return false;
    }
    act->is_genexpr = true;
    for (act->for_index = 0; act->for_index < code->n && code->instrs[act->for_index].op != PF_BC_FOR_ITER; act->for_index++) {
        if (code->instrs[act->for_index].op == PF_BC_YIELD_VALUE) {
            break;
        }
    }
    if (act->for_index + 1 >= code->n || code->instrs[act->for_index].op != PF_BC_FOR_ITER || !code->is_genexpr) {
        pf_b_refuse(b, PF_REASON_GENERATOR);
        return false;
    }
    pf_av iterator;
    memset(&iterator, 0, sizeof iterator);
    iterator.tag = PF_AV_ITERATOR;
    put(st->frame, iterator);
    put(st->frame, item);
    st->value = iterator;
    const pf_activation *caller = b->act;
    int pc = b->pc;
    arrive(b, act, st, act->for_index + 1);
    return finish(b, act, caller, pc, results);
}

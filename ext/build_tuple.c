/* Tuples: taken apart where an operator looks into them, and compared.
 *
 * CPython compares two tuples by their first pair of items that differ, where items differ unless they are one object or
 * equal. So None is equal to None, a NaN to itself, and what stands behind the first difference is never looked at. Here
 * all pairs are looked at, which no exact builtin can tell; only where both items of a pair are NaN, and so might be one
 * object, the row is CPython's. */
#include <math.h>
#include <string.h>

#include "build_internal.h"
#include "gather.h"

/* ---- taking apart ---- */

enum { MOST_ITEMS = 16 };

/* A row's tuple as its items. The class of a namedtuple must keep comparing as tuple does, which its version tag tells. */
static bool row_as_tuple(pf_builder *b, pf_state *st, pf_av *av)
{
    pf_av tuple = pf_av_tuple(b, b->paths[av->path].size);
    if (tuple.items == NULL || !pf_b_row_items(b, st, av, tuple.n, tuple.items)) {
        return false;
    }
    *av = tuple;
    return true;
}

static bool is_row_tuple(const pf_builder *b, const pf_av *av)
{
    if (av->tag != PF_AV_SCALAR || av->kinds != PF_K_OBJ || av->path < 0) {
        return false;
    }
    const pf_path *path = &b->paths[av->path];
    return !path->mixed && path->type != NULL && path->size >= 1 && path->size <= MOST_ITEMS && pf_type_is_tuple(path->type) &&
           path->type->tp_richcompare == PyTuple_Type.tp_richcompare &&
           (path->type == &PyTuple_Type || path->type->tp_version_tag != 0);
}

static bool is_constant_tuple(const pf_av *av)
{
    return av->tag == PF_AV_PY && PyTuple_CheckExact(av->py) && PyTuple_GET_SIZE(av->py) <= MOST_ITEMS;
}

static bool constant_as_tuple(pf_builder *b, pf_av *av)
{
    PyObject *elements = pf_b_elements(b, av);
    pf_av tuple = pf_av_tuple(b, elements != NULL ? (int)PyTuple_GET_SIZE(elements) : 0);
    for (int i = 0; elements != NULL && tuple.items != NULL && i < tuple.n; i++) {
        tuple.items[i] = pf_av_const(b, PyTuple_GET_ITEM(elements, i));
    }
    *av = tuple;
    return !pf_b_dead(b);
}

bool pf_b_is_tuple(const pf_builder *b, const pf_av *av)
{
    return av->tag == PF_AV_TUPLE || is_constant_tuple(av) || is_row_tuple(b, av);
}

bool pf_b_take_apart(pf_builder *b, pf_state *st, pf_av *av)
{
    if (is_constant_tuple(av) && !constant_as_tuple(b, av)) {
        return false;
    }
    if (is_row_tuple(b, av) && !row_as_tuple(b, st, av)) {
        return false;
    }
    if (av->tag != PF_AV_TUPLE) {
        return true;
    }
    bool inner = false;
    for (int i = 0; i < av->n; i++) {
        inner |= is_constant_tuple(&av->items[i]) || is_row_tuple(b, &av->items[i]);
    }
    if (inner) { /* items are shared with other states */
        pf_av copy = pf_av_tuple(b, av->n);
        if (copy.items == NULL) {
            return false;
        }
        memcpy(copy.items, av->items, sizeof(pf_av) * (size_t)av->n);
        av->items = copy.items;
    }
    for (int i = 0; i < av->n; i++) {
        if (pf_b_is_tuple(b, &av->items[i]) && !pf_b_take_apart(b, st, &av->items[i])) {
            return false;
        }
    }
    return true;
}

/* ---- comparing ---- */

typedef struct comparison {
    pf_builder *b;
    pf_state *st;
    pf_ref odd; /* true where both items of some pair are NaN; NOREF: nowhere */
} comparison;

static pf_ref both(pf_builder *b, pf_ref x, pf_ref y)
{
    return x == PF_NOREF ? y : pf_ir_op2(b->fn, PF_OP_and, x, y, 0);
}

static bool is_constant(const pf_builder *b, pf_ref ref, bool value)
{
    const pf_inst *inst = &b->fn->insts[ref];
    return inst->op == PF_OP_const && inst->imm.i == value;
}

/* Whether a float may be the NaN that another pair's item is: not if it is a number, or was made just here. */
static bool may_be_shared(const pf_builder *b, const pf_av *av)
{
    if (av->py != NULL && av->watch < 0) {
        return isnan(PyFloat_AS_DOUBLE(av->py));
    }
    const pf_op_info *op = &pf_ops[b->fn->insts[av->ref].op];
    return av->path >= 0 || av->watch >= 0 || av->handle != PF_NOREF || op->arity == 0 || op->operands == PF_ARGS_ANY;
}

static void look_for_nan(comparison *c, const pf_av *x, const pf_av *y)
{
    if (x->ref != y->ref && (!may_be_shared(c->b, x) || !may_be_shared(c->b, y))) {
        return;
    }
    pf_fn *fn = c->b->fn;
    pf_ref nans = pf_ir_op2(fn, PF_OP_and, pf_ir_op1(fn, PF_OP_isnan, x->ref, 0), pf_ir_op1(fn, PF_OP_isnan, y->ref, 0), 0);
    c->odd = c->odd == PF_NOREF ? nans : pf_ir_op2(fn, PF_OP_or, c->odd, nans, 0);
}

/* Every value in the two tuples has one kind. False as pf_b_mono. */
static bool all_mono(comparison *c, pf_av *x, pf_av *y)
{
    for (int i = 0; i < x->n && i < y->n; i++) {
        pf_av *l = &x->items[i], *r = &y->items[i];
        if (!pf_b_mono(c->b, c->st, l) || !pf_b_mono(c->b, c->st, r)) {
            return false;
        }
        if (l->tag == PF_AV_TUPLE && r->tag == PF_AV_TUPLE && !all_mono(c, l, r)) {
            return false;
        }
    }
    return true;
}

static bool compare_from(comparison *c, pf_cmp op, pf_av *x, pf_av *y, int i, pf_ref reached, pf_ref *out);

/* One pair by itself; `reached` is true in the rows that get to it (NOREF: all of them). */
static bool compare_pair(comparison *c, pf_cmp op, pf_av *x, pf_av *y, pf_ref reached, pf_ref *out)
{
    pf_builder *b = c->b;
    const bool equality = op == PF_CMP_EQ || op == PF_CMP_NE, tuples = x->tag == PF_AV_TUPLE && y->tag == PF_AV_TUPLE;
    const pf_kinds numbers = PF_K_BOOL | PF_K_I64 | PF_K_F64;
    if (tuples) {
        return compare_from(c, op, x, y, 0, reached, out);
    }
    if ((x->tag != PF_AV_SCALAR && x->tag != PF_AV_TUPLE) || (y->tag != PF_AV_SCALAR && y->tag != PF_AV_TUPLE) ||
        (x->tag == PF_AV_SCALAR && x->kinds == PF_K_OBJ) || (y->tag == PF_AV_SCALAR && y->kinds == PF_K_OBJ)) {
        pf_b_refuse(b, PF_REASON_OPERAND_TYPE);
        return false;
    }
    const bool scalars = x->tag == PF_AV_SCALAR && y->tag == PF_AV_SCALAR;
    const bool ordered = scalars && (((x->kinds & numbers) && (y->kinds & numbers)) || (x->kinds == PF_K_STR && y->kinds == PF_K_STR));
    if (equality && !scalars) {
        *out = pf_ir_const_bool(b->fn, op == PF_CMP_NE);
        return true;
    }
    if (equality || ordered) {
        pf_av result;
        if (!pf_b_compare(b, c->st, op, x, y, &result)) {
            return false;
        }
        *out = result.ref;
        return true;
    }
    /* TypeError, if a row gets here */
    if (reached == PF_NOREF) {
        pf_b_bail(b, c->st);
        return false;
    }
    *out = pf_ir_const_bool(b->fn, false);
    return pf_b_bail_where(b, c->st, reached);
}

/* The tuples from item i on, when all before are equal. */
static bool compare_from(comparison *c, pf_cmp op, pf_av *x, pf_av *y, int i, pf_ref reached, pf_ref *out)
{
    pf_fn *fn = c->b->fn;
    const bool equality = op == PF_CMP_EQ || op == PF_CMP_NE;
    if (i == x->n || i == y->n) {
        static const bool smaller[PF_CMP_COUNT] = {[PF_CMP_LT] = true, [PF_CMP_LE] = true, [PF_CMP_NE] = true};
        static const bool alike[PF_CMP_COUNT] = {[PF_CMP_LE] = true, [PF_CMP_EQ] = true, [PF_CMP_GE] = true};
        static const bool larger[PF_CMP_COUNT] = {[PF_CMP_GT] = true, [PF_CMP_GE] = true, [PF_CMP_NE] = true};
        *out = pf_ir_const_bool(fn, (x->n < y->n ? smaller : x->n > y->n ? larger : alike)[op]);
        return true;
    }
    pf_av *l = &x->items[i], *r = &y->items[i];
    pf_ref equal, one, rest;
    if (!compare_pair(c, PF_CMP_EQ, l, r, reached, &equal)) {
        return false;
    }
    if (l->tag == PF_AV_SCALAR && r->tag == PF_AV_SCALAR && l->kinds == PF_K_F64 && r->kinds == PF_K_F64) {
        look_for_nan(c, l, r);
    }
    if (is_constant(c->b, equal, false)) {
        return compare_pair(c, op, l, r, reached, out);
    }
    if (is_constant(c->b, equal, true)) {
        return compare_from(c, op, x, y, i + 1, reached, out);
    }
    const bool last = i + 1 == x->n && x->n == y->n;
    if (last && !equality) {
        return compare_pair(c, op, l, r, reached, out);
    }
    if (!compare_from(c, op, x, y, i + 1, both(c->b, reached, equal), &rest)) {
        return false;
    }
    if (op == PF_CMP_EQ) {
        *out = pf_ir_op2(fn, PF_OP_and, equal, rest, 0);
        return true;
    }
    if (op == PF_CMP_NE) {
        *out = pf_ir_op2(fn, PF_OP_or, pf_ir_op1(fn, PF_OP_not, equal, 0), rest, 0);
        return true;
    }
    if (!compare_pair(c, op == PF_CMP_LT || op == PF_CMP_LE ? PF_CMP_LT : PF_CMP_GT, l, r, reached, &one)) {
        return false;
    }
    *out = pf_ir_op2(fn, PF_OP_or, one, pf_ir_op2(fn, PF_OP_and, equal, rest, 0), 0);
    return true;
}

bool pf_b_compare_tuples(pf_builder *b, pf_state *st, pf_cmp op, pf_av *left, pf_av *right, pf_ref *out)
{
    comparison c = {b, st, PF_NOREF};
    if (!all_mono(&c, left, right) || !compare_from(&c, op, left, right, 0, PF_NOREF, out)) {
        return false;
    }
    return c.odd == PF_NOREF || pf_b_bail_where(b, st, c.odd);
}

/* Python's operators on abstract values.
 *
 * Each function first brings its operands to one kind each (pf_b_mono, which may split the state), then chooses the op.
 * Where CPython would raise for these kinds, the way is left to CPython (pf_b_bail): replay raises the very error. */
#include <math.h>
#include <string.h>

#include "build_internal.h"
#include "gather.h"

#define NUMBERS (PF_K_BOOL | PF_K_I64 | PF_K_F64)

static pf_kinds kind_of(const pf_av *av) { return av->tag == PF_AV_SCALAR ? av->kinds : 0; }

static bool bail(pf_builder *b, pf_state *st)
{
    pf_b_bail(b, st);
    return false;
}

static bool refuse(pf_builder *b, int reason)
{
    pf_b_refuse(b, reason);
    return false;
}

/* Operands that no op looks into. True: handled, the caller returns false. */
static bool opaque(pf_builder *b, const pf_av *av)
{
    if (av->tag == PF_AV_UNBOUND || av->tag == PF_AV_ITERATOR) {
        return !refuse(b, PF_REASON_UNBOUND);
    }
    if (av->tag == PF_AV_PY || av->tag == PF_AV_RANGE || kind_of(av) == PF_K_OBJ) {
        return !refuse(b, PF_REASON_OPERAND_TYPE);
    }
    if (pf_av_is_unknown(av)) {
        return !refuse(b, PF_REASON_NOT_ASSOCIATIVE);
    }
    return false;
}

static pf_ref as_i64(pf_builder *b, const pf_av *av)
{
    return av->kinds == PF_K_BOOL ? pf_ir_op1(b->fn, PF_OP_toint, av->ref, 0) : av->ref;
}

static pf_ref as_f64(pf_builder *b, const pf_av *av, pf_op convert)
{
    return av->kinds == PF_K_F64 ? av->ref : pf_ir_op1(b->fn, convert, as_i64(b, av), pf_b_place(b));
}

bool pf_b_number(pf_builder *b, pf_state *st, pf_av *av, bool as_float, pf_ref *out, pf_kinds *kind)
{
    if (!pf_b_mono(b, st, av) || opaque(b, av)) {
        return false;
    }
    if (!(kind_of(av) & NUMBERS)) {
        return bail(b, st);
    }
    *kind = as_float || av->kinds == PF_K_F64 ? PF_K_F64 : PF_K_I64;
    *out = *kind == PF_K_F64 ? as_f64(b, av, PF_OP_float) : as_i64(b, av);
    return true;
}

/* ---- arithmetic ---- */

static bool const_i64(const pf_av *av, int64_t *out)
{
    pf_scalar scalar;
    if (av->py == NULL || av->watch >= 0 || pf_scalar_of(av->py, &scalar) != PF_K_I64) {
        return false;
    }
    *out = scalar.u.i;
    return true;
}

bool pf_b_large(PyObject *object, uint64_t *out)
{
    if (!PyLong_CheckExact(object)) {
        return false;
    }
    unsigned long long v = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred()) { /* negative, or beyond 64 bits */
        PyErr_Clear();
        return false;
    }
    if (out != NULL) {
        *out = v;
    }
    return v > INT64_MAX;
}

/* A constant beyond 63 bits beside an int, as hashes have them, is an int of the row program after all. */
static void take_large(pf_builder *b, pf_av *av, const pf_av *beside)
{
    uint64_t v;
    bool fixed = av->tag == PF_AV_PY && (av->watch < 0 || b->watches[av->watch].expect == PF_EXPECT_SAME);
    if (fixed && (kind_of(beside) & (PF_K_I64 | PF_K_BOOL)) && pf_b_large(av->py, &v)) {
        *av = pf_av_of(PF_K_I64, pf_ir_large(b->fn, v, pf_b_place(b)));
    }
}

/* x % 2**64 is x & (2**64 - 1). */
static bool is_two_64(const pf_av *av)
{
    uint64_t v = 0;
    PyObject *one = av->tag == PF_AV_PY && av->watch < 0 && PyLong_CheckExact(av->py) ? PyLong_FromLong(1) : NULL;
    PyObject *below = one != NULL ? PyNumber_Subtract(av->py, one) : NULL;
    bool is = below != NULL && pf_b_large(below, &v) && v == UINT64_MAX;
    Py_XDECREF(below);
    Py_XDECREF(one);
    PyErr_Clear();
    return is;
}

static bool power(pf_builder *b, const pf_av *left, const pf_av *right, pf_av *out)
{
    int64_t exponent;
    uint16_t place = pf_b_place(b);
    bool known = const_i64(right, &exponent);
    if (left->kinds == PF_K_F64 || right->kinds == PF_K_F64 || (known && exponent < 0)) {
        /* int ** negative int is a float power of both, rounded first: equal to the exact value up to 2**53 */
        pf_ref a = as_f64(b, left, PF_OP_fexact), c = as_f64(b, right, PF_OP_fexact);
        *out = pf_av_of(PF_K_F64, pf_ir_op2(b->fn, PF_OP_pow, a, c, place));
    } else if (known && exponent == 2) {
        pf_ref a = as_i64(b, left);
        *out = pf_av_of(PF_K_I64, pf_ir_op2(b->fn, PF_OP_mul, a, a, place));
    } else {
        *out = pf_av_of(PF_K_I64, pf_ir_op2(b->fn, PF_OP_pow, as_i64(b, left), as_i64(b, right), place));
    }
    return true;
}

static bool bits(pf_builder *b, pf_state *st, pf_op op, const pf_av *left, const pf_av *right, pf_av *out)
{
    if ((left->kinds | right->kinds) & PF_K_F64) {
        return bail(b, st);
    }
    if (left->kinds == PF_K_BOOL && right->kinds == PF_K_BOOL && op != PF_OP_shl && op != PF_OP_shr) {
        *out = pf_av_of(PF_K_BOOL, pf_ir_op2(b->fn, op, left->ref, right->ref, 0));
    } else {
        *out = pf_av_of(PF_K_I64, pf_ir_op2(b->fn, op, as_i64(b, left), as_i64(b, right), pf_b_place(b)));
    }
    return true;
}

bool pf_b_binary(pf_builder *b, pf_state *st, pf_binop op, pf_av *left, pf_av *right, pf_av *out)
{
    static const pf_op ops[PF_BINOP_COUNT] = {
        [PF_BINOP_ADD] = PF_OP_add,    [PF_BINOP_AND] = PF_OP_and,     [PF_BINOP_FLOORDIV] = PF_OP_fdiv,
        [PF_BINOP_LSHIFT] = PF_OP_shl, [PF_BINOP_MUL] = PF_OP_mul,     [PF_BINOP_MOD] = PF_OP_mod,
        [PF_BINOP_OR] = PF_OP_or,      [PF_BINOP_POW] = PF_OP_pow,     [PF_BINOP_RSHIFT] = PF_OP_shr,
        [PF_BINOP_SUB] = PF_OP_sub,    [PF_BINOP_TRUEDIV] = PF_OP_div, [PF_BINOP_XOR] = PF_OP_xor,
    };
    if (op == PF_BINOP_MATMUL) {
        return refuse(b, PF_REASON_OPERAND_TYPE);
    }
    if (pf_av_is_unknown(left) || pf_av_is_unknown(right)) {
        return pf_b_step_binary(b, st, op, left, right, out);
    }
    if (!pf_b_mono(b, st, left) || !pf_b_mono(b, st, right)) {
        return false;
    }
    if (op == PF_BINOP_MOD && (kind_of(left) & (PF_K_I64 | PF_K_BOOL)) && is_two_64(right)) {
        *out = pf_av_of(PF_K_I64, pf_ir_op2(b->fn, PF_OP_and, as_i64(b, left), pf_ir_large(b->fn, UINT64_MAX, 0), pf_b_place(b)));
        return true;
    }
    if (op != PF_BINOP_POW && op != PF_BINOP_TRUEDIV && op != PF_BINOP_LSHIFT) { /* whose operands have to fit */
        take_large(b, left, right);
        take_large(b, right, left);
    }
    if (opaque(b, left) || opaque(b, right)) {
        return false;
    }
    if (left->tag == PF_AV_TUPLE && right->tag == PF_AV_TUPLE && op == PF_BINOP_ADD) {
        *out = pf_av_tuple(b, left->n + right->n);
        for (int i = 0; out->items != NULL && i < out->n; i++) {
            out->items[i] = i < left->n ? left->items[i] : right->items[i - left->n];
        }
        return out->items != NULL;
    }
    bool text = ((left->kinds | right->kinds) & PF_K_STR) != 0;
    if (text && ((left->kinds | right->kinds) & (NUMBERS | PF_K_NONE)) && op != PF_BINOP_MUL && op != PF_BINOP_MOD) {
        return bail(b, st); /* TypeError */
    }
    if (left->tag == PF_AV_TUPLE || right->tag == PF_AV_TUPLE || text) {
        /* text and sequences have operators of their own */
        return refuse(b, PF_REASON_OPERAND_TYPE);
    }
    if (!(left->kinds & NUMBERS) || !(right->kinds & NUMBERS)) {
        return bail(b, st);
    }
    switch (op) {
    case PF_BINOP_AND:
    case PF_BINOP_OR:
    case PF_BINOP_XOR:
    case PF_BINOP_LSHIFT:
    case PF_BINOP_RSHIFT:
        return bits(b, st, ops[op], left, right, out);
    case PF_BINOP_POW:
        return power(b, left, right, out);
    default:
        break;
    }
#ifdef PF_PLANTED_BUG_BOOL_AS_INT_RESULT
    if (left->kinds == PF_K_BOOL && right->kinds == PF_K_BOOL && op == PF_BINOP_ADD) {
        *out = pf_av_of(PF_K_BOOL, pf_ir_op2(b->fn, PF_OP_or, left->ref, right->ref, 0));
        return true;
    }
#endif
    bool floats = ((left->kinds | right->kinds) & PF_K_F64) != 0;
    pf_ref a = floats ? as_f64(b, left, PF_OP_float) : as_i64(b, left);
    pf_ref c = floats ? as_f64(b, right, PF_OP_float) : as_i64(b, right);
    *out = pf_av_of(floats || op == PF_BINOP_TRUEDIV ? PF_K_F64 : PF_K_I64, pf_ir_op2(b->fn, ops[op], a, c, pf_b_place(b)));
    return true;
}

bool pf_b_unary(pf_builder *b, pf_state *st, pf_bc op, pf_av *av, pf_av *out)
{
    if (op == PF_BC_UNARY_NOT) {
        pf_ref truth;
        if (!pf_b_truth(b, st, av, &truth)) {
            return false;
        }
        *out = pf_av_of(PF_K_BOOL, pf_ir_op1(b->fn, PF_OP_not, truth, 0));
        return true;
    }
    if (!pf_b_mono(b, st, av) || opaque(b, av)) {
        return false;
    }
    b->plan->may_warn |= op == PF_BC_UNARY_INVERT;
    if (!(kind_of(av) & NUMBERS) || (op == PF_BC_UNARY_INVERT && av->kinds != PF_K_I64)) {
        return bail(b, st); /* ~True warns from 3.12 on */
    }
    pf_kinds kind = av->kinds == PF_K_F64 ? PF_K_F64 : PF_K_I64;
    pf_ref a = kind == PF_K_F64 ? av->ref : as_i64(b, av);
    switch (op) {
    case PF_BC_UNARY_POS:
        *out = av->kinds == PF_K_BOOL ? pf_av_of(kind, a) : *av;
        return true;
    case PF_BC_UNARY_NEG:
        *out = pf_av_of(kind, pf_ir_op1(b->fn, PF_OP_neg, a, pf_b_place(b)));
        return true;
    default:
        *out = pf_av_of(kind, pf_ir_op1(b->fn, PF_OP_invert, a, 0));
        return true;
    }
}

/* ---- comparison ---- */

static pf_ref constant_bool(pf_builder *b, bool value) { return pf_ir_const_bool(b->fn, value); }

static bool compare_numbers(pf_builder *b, pf_op op, const pf_av *left, const pf_av *right, pf_ref *out)
{
    bool floats = ((left->kinds | right->kinds) & PF_K_F64) != 0;
    pf_ref a = floats ? as_f64(b, left, PF_OP_fexact) : as_i64(b, left);
    pf_ref c = floats ? as_f64(b, right, PF_OP_fexact) : as_i64(b, right);
    *out = pf_ir_op2(b->fn, op, a, c, 0);
    return true;
}

static const pf_op compare_ops[PF_CMP_COUNT] = {
    [PF_CMP_LT] = PF_OP_lt, [PF_CMP_LE] = PF_OP_le, [PF_CMP_EQ] = PF_OP_eq,
    [PF_CMP_NE] = PF_OP_ne, [PF_CMP_GT] = PF_OP_gt, [PF_CMP_GE] = PF_OP_ge,
};

static bool holds_unknown(const pf_av *av)
{
    for (int i = 0; i < av->n; i++) {
        if (pf_av_is_unknown(&av->items[i]) || holds_unknown(&av->items[i])) {
            return true;
        }
    }
    return false;
}

bool pf_b_compare(pf_builder *b, pf_state *st, pf_cmp op, pf_av *left, pf_av *right, pf_av *out)
{
    if (pf_av_is_unknown(left) || pf_av_is_unknown(right)) {
        return pf_b_step_compare(b, st, op, left, right, out);
    }
    if (!pf_b_mono(b, st, left) || !pf_b_mono(b, st, right)) {
        return false;
    }
    take_large(b, left, right);
    take_large(b, right, left);
    if (opaque(b, left) || opaque(b, right)) {
        return false;
    }
    pf_ref result = PF_NOREF;
    bool equality = op == PF_CMP_EQ || op == PF_CMP_NE;
    if (left->tag == PF_AV_TUPLE && right->tag == PF_AV_TUPLE) {
        if (holds_unknown(left) || holds_unknown(right)) {
            return refuse(b, PF_REASON_NOT_ASSOCIATIVE);
        }
        if (!pf_b_compare_tuples(b, st, op, left, right, &result)) {
            return false;
        }
    } else if ((left->kinds & NUMBERS) && (right->kinds & NUMBERS)) {
        compare_numbers(b, compare_ops[op], left, right, &result);
    } else if (left->kinds == PF_K_STR && right->kinds == PF_K_STR) {
        result = pf_ir_op2(b->fn, compare_ops[op], left->ref, right->ref, 0);
    } else if (equality) {
        result = constant_bool(b, (left->kinds == PF_K_NONE && right->kinds == PF_K_NONE) == (op == PF_CMP_EQ));
    } else {
        return bail(b, st);
    }
    *out = pf_av_of(PF_K_BOOL, result);
    return true;
}

enum { FEW_ITEMS = 16 }; /* of a constant container are compared one by one; more of them are looked up */

/* item == element, for an element of a constant container */
static bool equals_constant(pf_builder *b, const pf_av *item, PyObject *element, pf_ref *out)
{
    pf_av constant = pf_av_const(b, element);
    if ((item->kinds & NUMBERS) && (constant.kinds & NUMBERS)) {
        return compare_numbers(b, PF_OP_eq, item, &constant, out);
    }
    if (item->kinds == PF_K_STR && constant.kinds == PF_K_STR) {
        *out = pf_ir_op2(b->fn, PF_OP_eq, item->ref, constant.ref, 0);
    } else {
        *out = constant_bool(b, item->kinds == PF_K_NONE && constant.kinds == PF_K_NONE);
    }
    return true;
}

/* A constant of the code that is compared with item by item: not many, none of them a NaN, which is found by identity.
 */
static bool is_plain_constant(const pf_av *container)
{
    if (container->watch >= 0 || !pf_table_is_of(container->py) || pf_table_size(container->py) > FEW_ITEMS) {
        return false;
    }
    PyObject *elements = PySequence_Tuple(container->py);
    bool plain = elements != NULL;
    for (Py_ssize_t i = 0; plain && i < PyTuple_GET_SIZE(elements); i++) {
        pf_scalar scalar;
        pf_kinds kind = pf_scalar_of(PyTuple_GET_ITEM(elements, i), &scalar);
        plain = kind < PF_K_OBJ && (kind != PF_K_F64 || !isnan(scalar.u.f));
    }
    Py_XDECREF(elements);
    PyErr_Clear();
    return plain;
}

static bool in_elements(pf_builder *b, const pf_av *item, PyObject *elements, pf_ref *out)
{
    Py_ssize_t n = PyTuple_GET_SIZE(elements);
    pf_ref any = constant_bool(b, false);
    for (Py_ssize_t i = 0; i < n; i++) {
        pf_ref one;
        if (!equals_constant(b, item, PyTuple_GET_ITEM(elements, i), &one)) {
            return false;
        }
        any = i == 0 ? one : pf_ir_op2(b->fn, PF_OP_or, any, one, 0);
    }
    *out = any;
    return true;
}

/* item in range(start, stop, step); the step must be known */
static bool in_range(pf_builder *b, pf_state *st, const pf_av *item, const pf_av *range, pf_ref *out)
{
    pf_fn *fn = b->fn;
    const pf_inst *step = &fn->insts[range->items[2].ref];
    if (step->op != PF_OP_const || step->imm.i == 0) {
        return refuse(b, PF_REASON_LARGE_CONSTANT);
    }
    if (item->kinds == PF_K_F64) {
        return bail(b, st); /* floats are compared one by one with the range's items */
    }
    if (!(item->kinds & (PF_K_I64 | PF_K_BOOL))) {
        *out = constant_bool(b, false);
        return true;
    }
    int64_t by = step->imm.i;
    pf_ref x = as_i64(b, item), start = range->items[0].ref, stop = range->items[1].ref;
    pf_ref low = pf_ir_op2(fn, by > 0 ? PF_OP_ge : PF_OP_le, x, start, 0);
    *out = pf_ir_op2(fn, PF_OP_and, low, pf_ir_op2(fn, by > 0 ? PF_OP_lt : PF_OP_gt, x, stop, 0), 0);
    if (by != 1 && by != -1) {
        pf_ref beyond = pf_ir_op2(fn, PF_OP_sub, x, start, pf_b_place(b));
        pf_ref modulo = pf_ir_op2(fn, PF_OP_mod, beyond, pf_ir_const_i64(fn, by), 0);
        *out = pf_ir_op2(fn, PF_OP_and, *out, pf_ir_op2(fn, PF_OP_eq, modulo, pf_ir_const_i64(fn, 0), 0), 0);
    }
    return true;
}

bool pf_b_contains(pf_builder *b, pf_state *st, pf_av *item, pf_av *container, pf_av *out)
{
    if (!pf_b_mono(b, st, item) || opaque(b, item) || item->tag == PF_AV_TUPLE) {
        return pf_b_dead(b) || item->tag != PF_AV_TUPLE ? false : refuse(b, PF_REASON_OPERAND_TYPE);
    }
    pf_ref result = PF_NOREF;
    if (container->tag == PF_AV_TUPLE) {
        result = constant_bool(b, false);
        for (int i = 0; i < container->n; i++) {
            pf_av *element = &container->items[i], equal;
            if (!pf_b_compare(b, st, PF_CMP_EQ, element, item, &equal)) {
                return false;
            }
            if ((item->kinds & PF_K_F64) && element->kinds == PF_K_F64) {
                return bail(b, st); /* a NaN is found by identity */
            }
            result = pf_ir_op2(b->fn, PF_OP_or, result, equal.ref, 0);
        }
    } else if (container->tag == PF_AV_RANGE) {
        if (!in_range(b, st, item, container, &result)) {
            return false;
        }
    } else if (container->tag != PF_AV_PY) {
        return kind_of(container) & (NUMBERS | PF_K_NONE) ? bail(b, st) : refuse(b, PF_REASON_OPERAND_TYPE);
    } else if (is_plain_constant(container)) {
        PyObject *elements = PySequence_Tuple(container->py);
        bool ok = elements != NULL && in_elements(b, item, elements, &result);
        b->error |= elements == NULL;
        Py_XDECREF(elements);
        if (!ok) {
            return false;
        }
    } else if (pf_table_is_of(container->py)) {
        pf_ref table = pf_b_table(b, container);
        if (table == PF_NOREF) {
            return false;
        }
        result = pf_ir_op2(b->fn, PF_OP_in, item->ref, table, pf_b_place(b));
    } else {
        return refuse(b, PF_REASON_MUTABLE_CAPTURE);
    }
    *out = pf_av_of(PF_K_BOOL, result);
    return true;
}

bool pf_b_is(pf_builder *b, pf_state *st, pf_av *left, pf_av *right, pf_av *out)
{
    bool left_constant = left->py == Py_None || left->py == Py_True || left->py == Py_False;
    pf_av *value = left_constant ? right : left;
    PyObject *singleton = left_constant ? left->py : right->py;
    if (singleton != Py_None && singleton != Py_True && singleton != Py_False) {
        return refuse(b, PF_REASON_IDENTITY);
    }
    if (value->tag == PF_AV_UNBOUND || value->tag == PF_AV_ITERATOR) {
        return refuse(b, PF_REASON_UNBOUND);
    }
    if (pf_av_is_unknown(value)) {
        return refuse(b, PF_REASON_NOT_ASSOCIATIVE);
    }
    if (value->tag != PF_AV_SCALAR) {
        *out = pf_av_of(PF_K_BOOL, constant_bool(b, false));
        return true;
    }
    if (singleton == Py_None) {
        pf_b_rely(b, value);
        if (value->kinds & PF_K_OBJ) { /* of an object only the address is read: None has to be looked for */
            pf_ref looked = value->kinds & PF_K_NONE ? value->ref : value->path >= 0 ? pf_b_none_or_object(b, value->path) : PF_NOREF;
            if (looked == PF_NOREF) {
                return pf_b_dead(b) ? false : refuse(b, PF_REASON_IDENTITY);
            }
            *out = pf_av_of(PF_K_BOOL, pf_ir_is_kind(b->fn, looked, PF_K_NONE));
            return true;
        }
        pf_ref result = (value->kinds & PF_K_NONE) == 0 ? constant_bool(b, false)
                        : value->kinds == PF_K_NONE     ? constant_bool(b, true)
                                                        : pf_ir_is_kind(b->fn, value->ref, PF_K_NONE);
        *out = pf_av_of(PF_K_BOOL, result);
        return true;
    }
    if (!pf_b_mono(b, st, value)) {
        return false;
    }
    if (value->kinds == PF_K_OBJ) {
        return refuse(b, PF_REASON_IDENTITY);
    }
    pf_ref result = value->kinds != PF_K_BOOL ? constant_bool(b, false)
                    : singleton == Py_True    ? value->ref
                                              : pf_ir_op1(b->fn, PF_OP_not, value->ref, 0);
    *out = pf_av_of(PF_K_BOOL, result);
    return true;
}

bool pf_b_truth(pf_builder *b, pf_state *st, pf_av *av, pf_ref *out)
{
    if (!pf_b_mono(b, st, av)) {
        return false;
    }
    switch (av->tag) {
    case PF_AV_TUPLE:
        *out = constant_bool(b, av->n > 0);
        return true;
    case PF_AV_PY:
        if (PyFunction_Check(av->py) || PyCFunction_CheckExact(av->py)) {
            *out = constant_bool(b, true);
            return true;
        }
        return refuse(b, PF_REASON_OPERAND_TYPE);
    case PF_AV_SCALAR:
        break;
    default:
        return refuse(b, PF_REASON_UNBOUND);
    }
    switch (av->kinds) {
    case PF_K_BOOL:
        *out = av->ref;
        return true;
    case PF_K_NONE:
        *out = constant_bool(b, false);
        return true;
    case PF_K_OBJ: {
        /* a non-empty tuple of known size is true; anything else may have code of its own */
        return refuse(b, PF_REASON_OPERAND_TYPE);
    }
    default:
#ifdef PF_PLANTED_BUG_FILTER_INVERTED_NONE
        if (av->kinds == PF_K_F64) {
            *out = pf_ir_op2(b->fn, PF_OP_eq, av->ref, av->ref, 0);
            *out = pf_ir_op2(b->fn, PF_OP_and, *out, pf_ir_op1(b->fn, PF_OP_truth, av->ref, 0), 0);
            return true;
        }
#endif
        *out = pf_ir_op1(b->fn, PF_OP_truth, av->ref, 0);
        return true;
    }
}

/* ---- looking into things ---- */

static bool row_step(pf_builder *b, const pf_av *row, pf_path_step *step, pf_av *out)
{
    int path = pf_b_path_step(b, row->path, step);
    if (path < 0) {
        return false;
    }
    *out = pf_b_item(b, path);
    return !pf_b_dead(b);
}

static const pf_path *row_path(pf_builder *b, const pf_av *av)
{
    return av->tag == PF_AV_SCALAR && av->kinds == PF_K_OBJ && av->path >= 0 && !b->paths[av->path].mixed &&
                   b->paths[av->path].type != NULL
               ? &b->paths[av->path]
               : NULL;
}

bool pf_b_subscript(pf_builder *b, pf_state *st, pf_av *container, pf_av *index, pf_av *out)
{
    int64_t i = 0;
    if (!pf_b_mono(b, st, container)) {
        return false;
    }
    bool known = const_i64(index, &i);
    if (container->tag == PF_AV_TUPLE) {
        if (!known) {
            return refuse(b, PF_REASON_SUBSCRIPT);
        }
        i += i < 0 ? container->n : 0;
        if (i < 0 || i >= container->n) {
            return bail(b, st);
        }
        *out = container->items[i];
        return true;
    }
    if (container->tag == PF_AV_SCALAR && (container->kinds & (NUMBERS | PF_K_NONE))) {
        return bail(b, st);
    }
    const pf_path *path = row_path(b, container);
    pf_path_step step;
    memset(&step, 0, sizeof step);
    step.size = -1;
    if (path != NULL && known && i >= INT32_MIN && i <= INT32_MAX && pf_type_has_items(path->type)) {
        step.how = PF_PATH_INDEX;
        step.index = (int32_t)i;
        return pf_step_through(&step, path->type) ? row_step(b, container, &step, out) : refuse(b, PF_REASON_SUBSCRIPT);
    }
    if (path != NULL && path->type == &PyDict_Type && index->py != NULL && PyUnicode_CheckExact(index->py) &&
        index->watch < 0) {
        step.how = PF_PATH_KEY;
        step.type = path->type;
        step.name = index->py;
        step.hash = PyObject_Hash(index->py);
        b->plan->caller_only = true;
        return row_step(b, container, &step, out);
    }
    if (container->tag == PF_AV_PY && known && (PyTuple_CheckExact(container->py) || PyList_CheckExact(container->py))) {
        PyObject *elements = pf_b_elements(b, container);
        Py_ssize_t n = elements != NULL ? PyTuple_GET_SIZE(elements) : 0;
        i += i < 0 ? n : 0;
        if (elements == NULL || i < 0 || i >= n) {
            return elements == NULL ? false : bail(b, st);
        }
        *out = pf_av_const(b, PyTuple_GET_ITEM(elements, i));
        return true;
    }
    return refuse(b, PF_REASON_SUBSCRIPT);
}

bool pf_b_attribute(pf_builder *b, pf_state *st, pf_av *owner, PyObject *name, pf_av *out)
{
    if (!pf_b_mono(b, st, owner)) {
        return false;
    }
    if (owner->tag == PF_AV_PY && PyModule_CheckExact(owner->py) && owner->watch >= 0) {
        pf_watch watch = {.how = PF_WATCH_MODULE, .parent = (int16_t)owner->watch, .name = name};
        *out = pf_b_watched(b, watch);
        return out->tag != PF_AV_UNBOUND || refuse(b, PF_REASON_ATTRIBUTE);
    }
    if (owner->tag == PF_AV_SCALAR && owner->kinds == PF_K_NONE) {
        return bail(b, st);
    }
    const pf_path *path = row_path(b, owner);
    pf_path_step step;
    memset(&step, 0, sizeof step);
    if (path == NULL || !pf_attribute_step(path->type, name, &step)) {
        return refuse(b, PF_REASON_ATTRIBUTE);
    }
    b->plan->caller_only |= step.how == PF_PATH_ATTR;
    return row_step(b, owner, &step, out);
}

/* Rows that have not the size that the path of its first item asks for are CPython's, even where no item is used. */
static bool check_size(pf_builder *b, pf_state *st, int path)
{
    pf_ref check = pf_b_presence(b, path);
    if (pf_b_dead(b)) {
        return false;
    }
    return pf_b_bail_where(b, st, pf_ir_is_kind(b->fn, check, PF_K_NONE));
}

bool pf_b_length(pf_builder *b, pf_state *st, pf_av *av, pf_av *out)
{
    if (!pf_b_mono(b, st, av)) {
        return false;
    }
    int n = av->n;
    if (av->tag == PF_AV_SCALAR && (av->kinds & (NUMBERS | PF_K_NONE))) {
        return bail(b, st); /* has none */
    }
    if (av->tag == PF_AV_SCALAR && av->py != NULL && PyUnicode_CheckExact(av->py)) {
        *out = pf_av_of(PF_K_I64, pf_ir_const_i64(b->fn, PyUnicode_GET_LENGTH(av->py)));
        return true;
    }
    if (av->tag != PF_AV_TUPLE) {
        const pf_path *path = row_path(b, av);
        if (path == NULL || path->size < 1 || (path->type != &PyTuple_Type && path->type != &PyList_Type)) {
            return refuse(b, PF_REASON_OPERAND_TYPE);
        }
        n = path->size;
        pf_path_step step;
        memset(&step, 0, sizeof step);
        step.how = PF_PATH_INDEX;
        step.size = n;
        step.type = path->type;
        int first = pf_b_path_step(b, av->path, &step);
        if (first < 0 || !check_size(b, st, first)) {
            return false;
        }
    }
    *out = pf_av_of(PF_K_I64, pf_ir_const_i64(b->fn, n));
    return true;
}

bool pf_b_row_items(pf_builder *b, pf_state *st, const pf_av *row, int n, pf_av *items)
{
    PyTypeObject *type = b->paths[row->path].type;
    for (int i = 0; i < n; i++) {
        pf_path_step step;
        memset(&step, 0, sizeof step); /* steps are compared byte by byte */
        step.how = PF_PATH_INDEX;
        step.index = i;
        step.size = n;
        if (!pf_step_through(&step, type)) {
            return refuse(b, PF_REASON_UNPACK);
        }
        if (!row_step(b, row, &step, &items[i])) {
            return false;
        }
    }
    return check_size(b, st, items[0].path);
}

bool pf_b_unpack(pf_builder *b, pf_state *st, pf_av *value, int n, pf_av *items)
{
    if (!pf_b_mono(b, st, value)) {
        return false;
    }
    if (value->tag == PF_AV_TUPLE) {
        if (value->n != n) {
            return bail(b, st);
        }
        memcpy(items, value->items, sizeof(pf_av) * (size_t)n);
        return true;
    }
    if (value->tag == PF_AV_SCALAR && (value->kinds & (NUMBERS | PF_K_NONE))) {
        return bail(b, st);
    }
    const pf_path *path = row_path(b, value);
    if (path == NULL || !pf_type_has_items(path->type)) {
        return refuse(b, PF_REASON_UNPACK);
    }
    if (n == 0) {
        return refuse(b, PF_REASON_UNPACK);
    }
    return pf_b_row_items(b, st, value, n, items);
}

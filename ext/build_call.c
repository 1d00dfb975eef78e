/* Calls: binding arguments to a Python function and inlining it, partials, getters, and the callables known by heart. */
#include <string.h>

#include "build_internal.h"
#include "effects.h"
#include "gather.h"
#include "intrinsics.h"

static bool refuse(pf_builder *b, int reason)
{
    pf_b_refuse(b, reason);
    return false;
}

static bool raises(pf_builder *b, pf_state *st)
{
    pf_b_bail(b, st);
    return false;
}

/* One result, in the state the call began in. */
static bool single(pf_builder *b, pf_state *st, pf_av value, pf_state **results)
{
    if (pf_b_dead(b)) {
        return false;
    }
    st->value = value;
    pf_b_close(b, st);
    st->next = NULL;
    *results = st;
    return true;
}

/* ---- Python functions ---- */

static PyObject *code_local(const pf_code *code, int i) { return pf_code_local(code, i); }

static bool bind_keywords(pf_builder *b, pf_state *st, const pf_code *code, pf_av *locals, const pf_av *args, int nargs, PyObject *kwnames)
{
    int nkw = kwnames != NULL ? (int)PyTuple_GET_SIZE(kwnames) : 0;
    for (int k = 0; k < nkw; k++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, k);
        int slot = -1;
        for (int i = code->nposonly; i < code->npos + code->nkwonly && slot < 0; i++) {
            slot = PyUnicode_Compare(code_local(code, i), name) == 0 ? i : -1;
        }
        if (slot < 0 || locals[slot].tag != PF_AV_UNBOUND) {
            return raises(b, st);
        }
        locals[slot] = args[nargs - nkw + k];
    }
    return true;
}

static bool bind_defaults(pf_builder *b, pf_state *st, const pf_av *function, const pf_code *code, pf_av *locals)
{
    PyObject *defaults = ((PyFunctionObject *)function->py)->func_defaults;
    int ndefaults = defaults != NULL ? (int)PyTuple_GET_SIZE(defaults) : 0;
    for (int i = 0; i < code->npos + code->nkwonly; i++) {
        if (locals[i].tag != PF_AV_UNBOUND) {
            continue;
        }
        pf_watch watch = {.parent = (int16_t)function->watch};
        if (i < code->npos) {
            watch.how = PF_WATCH_DEFAULT;
            watch.index = i - (code->npos - ndefaults);
            if (watch.index < 0) {
                return raises(b, st);
            }
        } else {
            watch.how = PF_WATCH_KWDEFAULT;
            watch.name = code_local(code, i);
        }
        locals[i] = pf_b_watched(b, watch);
        if (pf_b_dead(b)) {
            return false;
        }
        if (locals[i].tag == PF_AV_UNBOUND) {
            return raises(b, st);
        }
    }
    return true;
}

static bool call_function(pf_builder *b, pf_state *st, const pf_av *function, const pf_av *args, int nargs, PyObject *kwnames,
                          pf_state **results)
{
    const pf_code *code = pf_b_decode(b, ((PyFunctionObject *)function->py)->func_code);
    if (code == NULL) {
        return false;
    }
    if (pf_prove_pending(function->py) < 0) { /* @pf.pure promised it, and names were missing then */
        b->error = true;
        return false;
    }
    if (code->is_generator || code->is_async) {
        return refuse(b, PF_REASON_GENERATOR);
    }
    if (code->varargs || code->varkeywords) {
        return refuse(b, PF_REASON_CALL);
    }
    int npositional = nargs - (kwnames != NULL ? (int)PyTuple_GET_SIZE(kwnames) : 0);
    if (npositional > code->npos) {
        return raises(b, st);
    }
    pf_av *locals = pf_b_alloc(b, sizeof(pf_av) * (size_t)(code->nlocalsplus + 1));
    if (locals == NULL) {
        return false;
    }
    if (npositional > 0) { /* else args may be NULL */
        memcpy(locals, args, sizeof(pf_av) * (size_t)npositional);
    }
    if (!bind_keywords(b, st, code, locals, args, nargs, kwnames) || !bind_defaults(b, st, function, code, locals)) {
        return false;
    }
    return pf_b_run_function(b, st, function, locals, code, results);
}

/* ---- partial and getters ---- */

enum { MAX_ARGS = 16 };

static bool call_partial(pf_builder *b, pf_state *st, const pf_av *partial, const pf_av *args, int nargs, PyObject *kwnames, pf_state **results)
{
    PyObject *bound = pf_partial_args(partial->py), *keywords = pf_partial_keywords(partial->py);
    int nbound = (int)PyTuple_GET_SIZE(bound), nkw = keywords != NULL ? (int)PyDict_GET_SIZE(keywords) : 0;
    if (nbound + nkw + nargs > MAX_ARGS || kwnames != NULL) {
        return refuse(b, PF_REASON_CALL);
    }
    pf_av all[MAX_ARGS], func;
    pf_watch watch = {.how = PF_WATCH_PARTIAL_FUNC, .parent = (int16_t)partial->watch};
    func = pf_b_watched(b, watch);
    for (int i = 0; i < nbound; i++) {
        pf_watch argument = {.how = PF_WATCH_PARTIAL_ARG, .parent = (int16_t)partial->watch, .index = i};
        all[i] = pf_b_watched(b, argument);
    }
    if (nargs > 0) {
        memcpy(all + nbound, args, sizeof(pf_av) * (size_t)nargs);
    }
    PyObject *names = NULL;
    if (nkw > 0) {
        names = PySequence_Tuple(keywords);
        b->error |= names == NULL;
        for (int i = 0; names != NULL && i < nkw; i++) {
            pf_watch argument = {.how = PF_WATCH_PARTIAL_KEYWORD, .parent = (int16_t)partial->watch, .name = PyTuple_GET_ITEM(names, i)};
            all[nbound + nargs + i] = pf_b_watched(b, argument);
        }
    }
    bool ok = !pf_b_dead(b) && pf_b_call(b, st, &func, all, nbound + nargs + nkw, names, results);
    Py_XDECREF(names);
    return ok;
}

static bool get_one(pf_builder *b, pf_state *st, bool item, PyObject *what, pf_av *owner, pf_av *out)
{
    if (item) {
        pf_av index = pf_av_const(b, what);
        return pf_b_subscript(b, st, owner, &index, out);
    }
    if (!PyUnicode_CheckExact(what) || PyUnicode_FindChar(what, '.', 0, PyUnicode_GET_LENGTH(what), 1) >= 0) {
        return refuse(b, PF_REASON_ATTRIBUTE);
    }
    PyObject *name = Py_NewRef(what);
    PyUnicode_InternInPlace(&name);
    bool ok = pf_b_attribute(b, st, owner, name, out);
    Py_DECREF(name); /* interned: lives on */
    return ok;
}

static bool call_getter(pf_builder *b, pf_state *st, PyObject *getter, pf_av *args, int nargs, pf_state **results)
{
    if (nargs != 1) {
        return raises(b, st);
    }
    PyObject *what = pf_getter_args(getter);
    if (what == NULL) {
        b->error = true;
        return false;
    }
    int n = (int)PyTuple_GET_SIZE(what);
    pf_av out = pf_av_tuple(b, n);
    bool ok = out.items != NULL;
    for (int i = 0; ok && i < n; i++) {
        ok = get_one(b, st, pf_is_itemgetter(getter), PyTuple_GET_ITEM(what, i), &args[0], &out.items[i]);
    }
    Py_DECREF(what);
    return ok && single(b, st, n == 1 ? out.items[0] : out, results);
}

/* ---- known callables ---- */

static bool to_int(pf_builder *b, pf_state *st, pf_av *args, pf_av *out)
{
    pf_ref ref;
    pf_kinds kind;
    if (args[0].tag == PF_AV_SCALAR && args[0].kinds == PF_K_STR) {
        return refuse(b, PF_REASON_TEXT);
    }
    if (!pf_b_number(b, st, &args[0], false, &ref, &kind)) {
        return false;
    }
    *out = args[0].kinds == PF_K_I64 ? args[0]
           : kind == PF_K_F64        ? pf_av_of(PF_K_I64, pf_ir_op1(b->fn, PF_OP_int, ref, pf_b_place(b)))
                                     : pf_av_of(PF_K_I64, ref);
    return true;
}

static bool to_float(pf_builder *b, pf_state *st, pf_av *args, pf_av *out)
{
    pf_ref ref;
    pf_kinds kind;
    if (args[0].tag == PF_AV_SCALAR && args[0].kinds == PF_K_STR) {
        return refuse(b, PF_REASON_TEXT);
    }
    if (!pf_b_number(b, st, &args[0], true, &ref, &kind)) {
        return false;
    }
    *out = args[0].kinds == PF_K_F64 ? args[0] : pf_av_of(PF_K_F64, ref);
    return true;
}

static bool float_op(pf_builder *b, pf_state *st, pf_av *args, int nargs, int op, pf_av *out)
{
    pf_ref refs[2];
    pf_kinds kind;
    for (int i = 0; i < nargs; i++) {
        if (!pf_b_number(b, st, &args[i], true, &refs[i], &kind)) {
            return false;
        }
    }
    pf_kinds result = pf_ops[op].result == PF_RES_BOOL ? PF_K_BOOL : PF_K_F64;
    *out = pf_av_of(result, nargs == 1 ? pf_ir_op1(b->fn, (pf_op)op, refs[0], pf_b_place(b))
                                       : pf_ir_op2(b->fn, (pf_op)op, refs[0], refs[1], pf_b_place(b)));
    return true;
}

static bool int_op(pf_builder *b, pf_state *st, pf_av *args, int nargs, int op, pf_av *out)
{
    pf_ref refs[2];
    pf_kinds kind;
    for (int i = 0; i < nargs; i++) {
        if (!pf_b_number(b, st, &args[i], false, &refs[i], &kind)) {
            return false;
        }
        if (kind != PF_K_I64) {
            return raises(b, st);
        }
    }
    *out = pf_av_of(PF_K_I64, nargs == 1 ? pf_ir_op1(b->fn, (pf_op)op, refs[0], pf_b_place(b))
                                         : pf_ir_op2(b->fn, (pf_op)op, refs[0], refs[1], pf_b_place(b)));
    return true;
}

/* round(x), math.floor(x), ...: ints come back as they are */
static bool to_whole(pf_builder *b, pf_state *st, pf_av *args, int op, pf_av *out)
{
    pf_ref ref;
    pf_kinds kind;
    if (!pf_b_number(b, st, &args[0], false, &ref, &kind)) {
        return false;
    }
    *out = args[0].kinds == PF_K_I64 ? args[0]
           : kind == PF_K_I64        ? pf_av_of(PF_K_I64, ref)
                                     : pf_av_of(PF_K_I64, pf_ir_op1(b->fn, (pf_op)op, ref, pf_b_place(b)));
    return true;
}

/* round(x, n): an int with no decimals to lose comes back as it is; fewer digits are CPython's business. */
static bool round_to(pf_builder *b, pf_state *st, pf_av *args, pf_av *out)
{
    pf_ref ref, digits;
    pf_kinds kind;
    if (!pf_b_number(b, st, &args[1], false, &digits, &kind)) {
        return false;
    }
    if (kind != PF_K_I64) {
        return raises(b, st);
    }
    if (!pf_b_number(b, st, &args[0], false, &ref, &kind)) {
        return false;
    }
    if (kind == PF_K_F64) {
        digits = pf_ir_op1(b->fn, PF_OP_float, digits, 0);
        *out = pf_av_of(PF_K_F64, pf_ir_op2(b->fn, PF_OP_roundto, ref, digits, pf_b_place(b)));
        return true;
    }
    *out = args[0].kinds == PF_K_I64 ? args[0] : pf_av_of(PF_K_I64, ref);
    return pf_b_bail_where(b, st, pf_ir_op2(b->fn, PF_OP_lt, digits, pf_ir_const_i64(b->fn, 0), 0));
}

static bool absolute(pf_builder *b, pf_state *st, pf_av *args, pf_av *out)
{
    pf_ref ref;
    pf_kinds kind;
    if (!pf_b_number(b, st, &args[0], false, &ref, &kind)) {
        return false;
    }
    *out = pf_av_of(kind, pf_ir_op1(b->fn, PF_OP_abs, ref, pf_b_place(b)));
    return true;
}

static bool divide_both(pf_builder *b, pf_state *st, pf_av *args, pf_av *out)
{
    pf_av quotient, remainder;
    if (!pf_b_binary(b, st, PF_BINOP_FLOORDIV, &args[0], &args[1], &quotient) ||
        !pf_b_binary(b, st, PF_BINOP_MOD, &args[0], &args[1], &remainder)) {
        return false;
    }
    *out = pf_av_tuple(b, 2);
    if (out->items == NULL) {
        return false;
    }
    out->items[0] = quotient;
    out->items[1] = remainder;
    return true;
}

/* math.log(x): of an int, CPython takes the log of its float; log(x, base) divides two of them. */
static bool logarithm(pf_builder *b, pf_state *st, pf_av *args, int nargs, pf_av *out)
{
    pf_av parts[2];
    for (int i = 0; i < nargs; i++) {
        if (!float_op(b, st, &args[i], 1, PF_OP_log, &parts[i])) {
            return false;
        }
    }
    if (nargs == 1) {
        *out = parts[0];
        return true;
    }
    return pf_b_binary(b, st, PF_BINOP_TRUEDIV, &parts[0], &parts[1], out);
}

/* The kinds that an object of this type can have; 0: none of ours. False: not a type we can answer for. */
static bool kinds_of_type(PyObject *type, pf_kinds *kinds)
{
    if (PyTuple_CheckExact(type)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type); i++) {
            if (!kinds_of_type(PyTuple_GET_ITEM(type, i), kinds)) {
                return false;
            }
        }
        return true;
    }
    if (type == (PyObject *)&PyLong_Type) {
        *kinds |= PF_K_I64 | PF_K_BOOL;
    } else if (type == (PyObject *)&PyFloat_Type) {
        *kinds |= PF_K_F64;
    } else if (type == (PyObject *)&PyBool_Type) {
        *kinds |= PF_K_BOOL;
    } else if (type == (PyObject *)&PyUnicode_Type) {
        *kinds |= PF_K_STR;
    } else if (type == (PyObject *)Py_TYPE(Py_None)) {
        *kinds |= PF_K_NONE;
    } else if (type == (PyObject *)&PyBaseObject_Type) {
        *kinds |= PF_K_I64 | PF_K_BOOL | PF_K_F64 | PF_K_STR | PF_K_NONE;
    } else {
        return type == (PyObject *)&PyList_Type || type == (PyObject *)&PyDict_Type || type == (PyObject *)&PyBytes_Type ||
               type == (PyObject *)&PyComplex_Type || type == (PyObject *)&PySet_Type;
    }
    return true;
}

static bool is_instance(pf_builder *b, pf_state *st, pf_av *args, pf_av *out)
{
    pf_kinds kinds = 0;
    (void)st;
    if (args[1].tag == PF_AV_TUPLE) {
        for (int i = 0; i < args[1].n; i++) {
            if (args[1].items[i].tag != PF_AV_PY || !kinds_of_type(args[1].items[i].py, &kinds)) {
                return refuse(b, PF_REASON_OPERAND_TYPE);
            }
        }
    } else if (args[1].tag != PF_AV_PY || !kinds_of_type(args[1].py, &kinds)) {
        return refuse(b, PF_REASON_OPERAND_TYPE);
    }
    if (args[0].tag != PF_AV_SCALAR || (args[0].kinds & PF_K_OBJ)) {
        return refuse(b, PF_REASON_OPERAND_TYPE);
    }
    pf_b_rely(b, &args[0]);
    pf_kinds both = args[0].kinds & kinds;
    pf_ref result = both == 0               ? pf_ir_const_bool(b->fn, false)
                    : both == args[0].kinds ? pf_ir_const_bool(b->fn, true)
                                            : pf_ir_is_kind(b->fn, args[0].ref, both);
    *out = pf_av_of(PF_K_BOOL, result);
    return true;
}

/* min(a, b, ...): each later item replaces the best if it compares as smaller; the very object is the result. */
static bool extreme(pf_builder *b, pf_state *st, pf_cmp cmp, pf_av *args, int nargs, pf_state **results)
{
    for (int i = 0; i < nargs; i++) {
        if (!pf_b_mono(b, st, &args[i])) {
            return false;
        }
    }
    pf_state *ways = st, *done = NULL;
    st->value = args[0];
    st->next = NULL;
    for (int i = 1; i < nargs; i++) {
        done = NULL;
        for (pf_state *next; ways != NULL; ways = next) {
            next = ways->next;
            pf_av smaller;
            pf_b_open(b, ways);
            if (!pf_b_compare(b, ways, cmp, &args[i], &ways->value, &smaller)) {
                if (pf_b_dead(b)) {
                    return false;
                }
                continue; /* this way raises */
            }
            pf_state *yes, *no;
            pf_b_branch(b, ways, smaller.ref, &yes, &no);
            if (yes == NULL || no == NULL) {
                return false;
            }
            yes->value = args[i];
            yes->next = no;
            no->next = done;
            done = yes;
        }
        ways = pf_b_merge(b, done);
        if (pf_b_dead(b)) {
            return false;
        }
    }
    for (pf_state *w = ways; w != NULL; w = w->next) {
        pf_b_close(b, w);
    }
    *results = ways;
    return true;
}

/* range(...): kept as its three numbers */
static bool make_range(pf_builder *b, pf_state *st, pf_av *args, int nargs, pf_state **results)
{
    pf_av range = pf_av_tuple(b, 3);
    if (nargs < 1 || nargs > 3) {
        return raises(b, st);
    }
    if (range.items == NULL) {
        return false;
    }
    range.tag = PF_AV_RANGE;
    range.items[0] = pf_av_of(PF_K_I64, pf_ir_const_i64(b->fn, 0));
    range.items[2] = pf_av_of(PF_K_I64, pf_ir_const_i64(b->fn, 1));
    for (int i = 0; i < nargs; i++) {
        pf_kinds kind;
        pf_av *part = &range.items[nargs == 1 ? 1 : i];
        *part = pf_av_of(PF_K_I64, PF_NOREF);
        if (!pf_b_number(b, st, &args[i], false, &part->ref, &kind)) {
            return false;
        }
        if (kind != PF_K_I64) {
            return raises(b, st);
        }
    }
    return single(b, st, range, results);
}

static bool known_args(const pf_intrinsic *known, int nargs)
{
    switch (known->how) {
    case PF_CALL_TO_INT:
    case PF_CALL_TO_FLOAT:
    case PF_CALL_TO_BOOL:
    case PF_CALL_ABS:
    case PF_CALL_LEN:
    case PF_CALL_FLOAT1:
    case PF_CALL_TO_WHOLE:
    case PF_CALL_INT1:
    case PF_CALL_UNARY:
        return nargs == 1;
    case PF_CALL_SMALLEST:
    case PF_CALL_LARGEST:
        return nargs >= 2;
    case PF_CALL_LOG:
    case PF_CALL_ROUND:
        return nargs == 1 || nargs == 2;
    default:
        return nargs == 2;
    }
}

static bool any_unknown(const pf_av *args, int nargs)
{
    for (int i = 0; i < nargs; i++) {
        if (pf_av_is_unknown(&args[i])) {
            return true;
        }
    }
    return false;
}

static bool call_known(pf_builder *b, pf_state *st, const pf_intrinsic *known, pf_av *args, int nargs, pf_state **results)
{
    pf_av out;
    pf_ref truth = PF_NOREF;
    bool ok = false;
    switch (known->how) {
    case PF_CALL_TO_INT:
        ok = to_int(b, st, args, &out);
        break;
    case PF_CALL_TO_FLOAT:
        ok = to_float(b, st, args, &out);
        break;
    case PF_CALL_TO_BOOL:
        ok = pf_b_truth(b, st, &args[0], &truth);
        out = pf_av_of(PF_K_BOOL, truth);
        break;
    case PF_CALL_ABS:
        ok = absolute(b, st, args, &out);
        break;
    case PF_CALL_SMALLEST:
    case PF_CALL_LARGEST: {
        pf_cmp cmp = known->how == PF_CALL_SMALLEST ? PF_CMP_LT : PF_CMP_GT;
        if (!any_unknown(args, nargs)) {
            return extreme(b, st, cmp, args, nargs, results);
        }
        if (nargs != 2) {
            return refuse(b, PF_REASON_NOT_ASSOCIATIVE);
        }
        ok = pf_b_step_extreme(b, st, cmp, args, &out);
        break;
    }
    case PF_CALL_DIVMOD:
        ok = divide_both(b, st, args, &out);
        break;
    case PF_CALL_ROUND:
        ok = nargs == 1 || args[1].py == Py_None ? to_whole(b, st, args, PF_OP_round, &out)
                                                 : round_to(b, st, args, &out);
        break;
    case PF_CALL_TO_WHOLE:
        ok = to_whole(b, st, args, known->op, &out);
        break;
    case PF_CALL_LEN:
        ok = pf_b_length(b, st, &args[0], &out);
        break;
    case PF_CALL_ISINSTANCE:
        ok = is_instance(b, st, args, &out);
        break;
    case PF_CALL_FLOAT1:
    case PF_CALL_FLOAT2:
        ok = float_op(b, st, args, nargs, known->op, &out);
        break;
    case PF_CALL_LOG:
        ok = logarithm(b, st, args, nargs, &out);
        break;
    case PF_CALL_INT1:
    case PF_CALL_INT2:
        ok = int_op(b, st, args, nargs, known->op, &out);
        break;
    case PF_CALL_BINARY:
        ok = pf_b_binary(b, st, (pf_binop)known->op, &args[0], &args[1], &out);
        break;
    case PF_CALL_UNARY:
        ok = pf_b_unary(b, st, (pf_bc)known->op, &args[0], &out);
        break;
    case PF_CALL_COMPARE:
        ok = pf_b_compare(b, st, (pf_cmp)known->op, &args[0], &args[1], &out);
        break;
    case PF_CALL_IS:
        ok = pf_b_is(b, st, &args[0], &args[1], &out);
        if (ok && known->op) {
            out = pf_av_of(PF_K_BOOL, pf_ir_op1(b->fn, PF_OP_not, out.ref, 0));
        }
        break;
    case PF_CALL_GETITEM:
        ok = pf_b_subscript(b, st, &args[0], &args[1], &out);
        break;
    case PF_CALL_CONTAINS:
        ok = pf_b_contains(b, st, &args[1], &args[0], &out);
        break;
    case PF_CALL_UNKNOWN:
        return refuse(b, PF_REASON_CALL);
    }
    return ok && single(b, st, out, results);
}

bool pf_b_call(pf_builder *b, pf_state *st, const pf_av *callable, pf_av *args, int nargs, PyObject *kwnames, pf_state **results)
{
    if (callable->tag != PF_AV_PY) {
        return refuse(b, PF_REASON_CALL);
    }
    for (int i = 0; i < nargs; i++) {
        if (args[i].tag == PF_AV_UNBOUND || args[i].tag == PF_AV_ITERATOR) {
            return refuse(b, PF_REASON_UNBOUND);
        }
    }
    if (PyFunction_Check(callable->py) && callable->watch >= 0) {
        return call_function(b, st, callable, args, nargs, kwnames, results);
    }
    if (pf_is_partial(callable->py) && callable->watch >= 0) {
        return call_partial(b, st, callable, args, nargs, kwnames, results);
    }
    if (PyExceptionClass_Check(callable->py)) { /* made to be raised: such rows are CPython's */
        return raises(b, st);
    }
    if (kwnames != NULL) {
        return refuse(b, PF_REASON_CALL);
    }
    if (pf_is_itemgetter(callable->py) || pf_is_attrgetter(callable->py)) {
        return call_getter(b, st, callable->py, args, nargs, results);
    }
    if (callable->py == (PyObject *)&PyRange_Type) {
        return make_range(b, st, args, nargs, results);
    }
    const pf_intrinsic *known = pf_intrinsic_of(callable->py);
    if (known == NULL || !known_args(known, nargs)) {
        return refuse(b, PF_REASON_CALL);
    }
    return call_known(b, st, known, args, nargs, results);
}

/* What each instruction does to a state. Offences stop the analysis; everything else moves values about. */
#include "dicts.h"
#include "effects_internal.h"

typedef struct step {
    pf_analysis *a;
    pf_e_entry *entry;
    const pf_instr *instr;
    int index;
    pf_e_value *locals;
    pf_e_value *top; /* one past the top of the stack before the instruction */
} step;

static void stop(step *s, int reason, PyObject *name)
{
    pf_e_stop(s->a, s->entry, s->index, reason, name);
}

static PyObject *name_of(const step *s)
{
    return pf_code_name(s->entry->code, s->instr->arg);
}

static pf_e_value fresh(step *s, pf_e_value content)
{
    return pf_e_fresh(s->a, s->entry, s->index, 0, content);
}

static pf_e_value item(step *s, pf_e_value v)
{
    return pf_e_item(s->a, v);
}

/* ---- reading from outside ---- */

/* Cell contents of a closure slot: found in the enclosing activations by name, or in the closure itself. */
pf_e_value pf_e_read_free(pf_analysis *a, pf_e_entry *entry, int instr, int slot)
{
    PyObject *name = pf_code_local(entry->code, slot);
    for (pf_e_entry *outer = entry->outer; outer != NULL; outer = outer->outer) {
        for (int i = 0; i < outer->code->nlocalsplus; i++) {
            if (pf_code_is_cell(outer->code, i) && PyUnicode_Compare(pf_code_local(outer->code, i), name) == 0) {
                return outer->cell_content[i];
            }
        }
        if (outer->outer == NULL) {
            for (int i = outer->code->nlocalsplus - outer->code->nfree; i < outer->code->nlocalsplus; i++) {
                if (PyUnicode_Compare(pf_code_local(outer->code, i), name) == 0) {
                    return pf_e_read_free(a, outer, instr, i);
                }
            }
        }
    }
    int number = pf_code_free_number(entry->code, slot);
    PyObject *cell = number >= 0 && number < entry->ncells ? entry->cells[number] : NULL;
    if (cell == NULL || !PyCell_Check(cell)) {
        return pf_e_opaque;
    }
    PyObject *content = PyCell_GET(cell);
    if (content == NULL) {
        pf_e_unresolved(a, entry, instr, name);
        return pf_e_plain;
    }
    return pf_e_of(a, content, name);
}

static pf_e_value read_global(step *s)
{
    PyObject *name = name_of(s), *value;
    int found = pf_dict_find(s->entry->globals, name, &value);
    if (found == 0) {
        found = pf_dict_find(s->entry->builtins, name, &value);
    }
    if (found < 0) {
        return pf_e_opaque;
    }
    if (found == 0) {
        pf_e_unresolved(s->a, s->entry, s->index, name);
        return pf_e_plain;
    }
    return pf_e_of(s->a, value, name);
}

static pf_e_value read_const(step *s)
{
    PyObject *value = pf_code_const(s->entry->code, s->instr->arg);
    if (value != NULL && PyCode_Check(value)) {
        return (pf_e_value){.kind = E_PY, .root = ROOT_CAPTURED, .py = value};
    }
    return pf_e_plain; /* compilers make no other constants than immutable ones */
}

static pf_e_value read_cell(step *s)
{
    int slot = s->instr->arg;
    pf_e_value v = pf_code_is_free(s->entry->code, slot) ? pf_e_read_free(s->a, s->entry, s->index, slot)
                                                         : s->entry->cell_content[slot];
    return v.kind == E_BOTTOM ? pf_e_plain : v;
}

/* ---- writing ---- */

/* A variable of an enclosing function may be written while that function itself is being proven. */
static void write_free(step *s, int slot, pf_e_value v)
{
    PyObject *name = pf_code_local(s->entry->code, slot);
    for (pf_e_entry *outer = s->entry->outer; outer != NULL; outer = outer->outer) {
        for (int i = 0; i < outer->code->nlocalsplus; i++) {
            if (pf_code_is_cell(outer->code, i) && PyUnicode_Compare(pf_code_local(outer->code, i), name) == 0) {
                pf_e_add(s->a, &outer->cell_content[i], v);
                return;
            }
        }
    }
    stop(s, PF_REASON_WRITES_NONLOCAL, name);
}

static void write_cell(step *s, pf_e_value v)
{
    if (pf_code_is_free(s->entry->code, s->instr->arg)) {
        write_free(s, s->instr->arg, v);
    } else {
        pf_e_add(s->a, &s->entry->cell_content[s->instr->arg], v);
    }
}

static void mutate(step *s, pf_e_value v, pf_e_value stored)
{
    bool attribute = s->instr->op == PF_BC_STORE_ATTR || s->instr->op == PF_BC_DELETE_ATTR;
    pf_e_mutate(s->a, s->entry, s->index, v, stored,
                attribute ? PF_REASON_WRITES_ATTRIBUTE : PF_REASON_MUTATES_UNKNOWN);
}

/* What `container[index] = value` stores: a slice takes the items. */
static pf_e_value assigned(step *s, pf_e_value value, pf_e_value index)
{
    if (index.kind == E_PLAIN || (index.kind == E_FRESH && !pf_e_find(index.site)->slice)) {
        return value;
    }
    pf_e_iterated(s->a, s->entry, s->index, value);
    return pf_e_join(s->a, value, item(s, value));
}

/* LIST_APPEND and its like change what the compiler keeps on the stack. */
static void collect(step *s, int popped, pf_e_value stored)
{
    pf_e_value *target = s->top - popped - s->instr->arg;
    mutate(s, *target, stored);
}

/* ---- operators ---- */

static void operands(step *s, int n)
{
    for (int i = 1; i <= n; i++) {
        pf_e_operand(s->a, s->entry, s->index, s->top[-i]);
    }
}

static void deep_operands(step *s, int n)
{
    for (int i = 1; i <= n; i++) {
        pf_e_deep_operand(s->a, s->entry, s->index, s->top[-i]);
    }
}

/* A dict is searched by its keys; what they lead to is not looked at. */
static pf_e_value contains(step *s)
{
    pf_e_value container = s->top[-1];
    pf_e_deep_operand(s->a, s->entry, s->index, s->top[-2]);
    pf_e_iterated(s->a, s->entry, s->index, container);
    if (container.kind == E_FRESH) {
        pf_e_value keys = pf_e_find(container.site)->keys;
        pf_e_deep_operand(s->a, s->entry, s->index, keys.kind != E_BOTTOM ? keys : container);
    } else if (container.kind == E_PY && PyDict_CheckExact(container.py)) {
        pf_e_searched(s->a, s->entry, s->index, container);
    } else {
        pf_e_deep_operand(s->a, s->entry, s->index, container);
    }
    return pf_e_plain;
}

static bool is_new_container(pf_e_value v)
{
    return v.kind == E_FRESH && pf_e_find(v.site)->container;
}

/* a += b may be a list's. See the header for what is assumed of operands from outside. */
static pf_e_value binary_in_place(step *s, pf_e_value left, pf_e_value right)
{
    pf_e_value items = pf_e_join(s->a, item(s, left), item(s, right));
    pf_e_iterated(s->a, s->entry, s->index, right);
    if (left.kind == E_FRESH) {
        pf_e_iterated(s->a, s->entry, s->index, item(s, right)); /* pairs, if it is a dict */
        mutate(s, left, items);
        return left;
    }
    if (left.kind == E_PY || (left.kind == E_SHARED && (left.root != ROOT_ARG || is_new_container(right)))) {
        mutate(s, left, items);
    }
    return pf_e_join(s->a, left, fresh(s, items));
}

static pf_e_value binary(step *s)
{
    pf_e_value left = s->top[-2], right = s->top[-1];
    deep_operands(s, 2);
    if (s->instr->arg) {
        return binary_in_place(s, left, right);
    }
    if (left.kind == E_PLAIN && right.kind == E_PLAIN) {
        return pf_e_plain;
    }
    return fresh(s, pf_e_join(s->a, item(s, left), item(s, right)));
}

/* `raise Class` calls it, and an exception that is kept outside is given another traceback. */
static void raised(step *s)
{
    if (s->instr->arg > 0 && s->top[-s->instr->arg].kind == E_PY && !PyType_Check(s->top[-s->instr->arg].py)) {
        mutate(s, s->top[-s->instr->arg], pf_e_plain);
    }
    for (int i = 1; i <= s->instr->arg; i++) {
        pf_e_value v = s->top[-i];
        PyTypeObject *type = v.kind == E_PY && PyType_Check(v.py) ? (PyTypeObject *)v.py : NULL;
        bool unknown = v.kind == E_SHARED && (v.root == ROOT_TYPES || v.root == ROOT_OPAQUE);
        if (type != NULL && !pf_e_is_plain_exception(type)) {
            pf_e_stop_text(s->a, s->entry, s->index, PF_REASON_UNKNOWN_CALL, type->tp_name);
        } else if (unknown && v.py != PyExc_BaseException) { /* perhaps a class */
            stop(s, PF_REASON_UNKNOWN_CALL, v.name);
        }
    }
}

/* A slice of anything is a new object. */
static pf_e_value subscript(step *s, pf_e_value container, pf_e_value index)
{
    pf_e_value v = pf_e_value_in(s->a, container);
    const bool class = container.kind == E_PY
                           ? PyType_Check(container.py) && !pf_e_is_builtin_type((PyTypeObject *)container.py)
                           : container.kind == E_SHARED && container.root == ROOT_TYPES;
    if (class) {
        pf_e_stop_text(s->a, s->entry, s->index, PF_REASON_UNKNOWN_CALL, "__class_getitem__");
    }
    pf_e_searched(s->a, s->entry, s->index, container);
    return index.kind == E_FRESH && pf_e_find(index.site)->slice ? fresh(s, v) : v;
}

static pf_e_value build(step *s, int n, bool container)
{
    pf_e_value content = pf_e_plain;
    for (int i = 1; i <= n; i++) {
        content = pf_e_join(s->a, content, s->top[-i]);
    }
    pf_e_value v = fresh(s, content);
    if (v.kind == E_FRESH && container) {
        pf_e_find(v.site)->container = true;
    }
    return v;
}

static pf_e_value build_map(step *s)
{
    pf_e_value values = pf_e_plain, keys = pf_e_plain;
    for (int i = 1; i <= 2 * s->instr->arg; i += 2) {
        values = pf_e_join(s->a, values, s->top[-i]);
        keys = pf_e_join(s->a, keys, s->top[-i - 1]);
        pf_e_deep_operand(s->a, s->entry, s->index, s->top[-i - 1]);
    }
    pf_e_value v = fresh(s, values);
    if (v.kind == E_FRESH) {
        pf_e_find(v.site)->container = true;
        pf_e_add_key(s->a, v, keys);
    }
    return v;
}

static pf_e_value build_slice(step *s)
{
    pf_e_value v = build(s, s->instr->arg, false);
    if (v.kind == E_FRESH) {
        pf_e_find(v.site)->slice = true;
    }
    return v;
}

/* The same site has one code object, so a function made in a loop is one value. */
static pf_e_value make_function(step *s)
{
    pf_e_value code = s->top[-1];
    if (code.kind != E_PY || !PyCode_Check(code.py)) {
        return pf_e_opaque;
    }
    pf_e_value content = pf_e_plain;
    int pops, pushes;
    pf_instr_effect(s->instr, false, &pops, &pushes);
    for (int i = 2; i <= pops; i++) {
        content = pf_e_join(s->a, content, pf_e_join(s->a, s->top[-i], item(s, s->top[-i])));
    }
    pf_e_value v = pf_e_fresh(s->a, s->entry, s->index, 0, content);
    if (v.kind == E_FRESH) {
        v.kind = E_FUNC;
        v.entry = s->entry;
        v.site->function = (PyCodeObject *)code.py;
    }
    return v;
}

/* ---- calls ---- */

static pf_e_value call(step *s)
{
    pf_e_call c = {.entry = s->entry, .instr = s->index, .nargs = s->instr->arg};
    c.kwnames = s->instr->arg2 >= 0 ? pf_code_const(s->entry->code, s->instr->arg2) : NULL;
    c.args = s->top - c.nargs;
    c.callee = c.args[-1 - s->instr->sub];
    return pf_e_do_call(s->a, &c);
}

static pf_e_value call_ex(step *s)
{
    int pops = 2 + s->instr->arg;
    pf_e_value *base = s->top - pops, all = item(s, base[1]);
    if (s->instr->arg) {
        all = pf_e_join(s->a, all, item(s, base[2]));
    }
    pf_e_iterated(s->a, s->entry, s->index, base[1]);
    pf_e_call c = {.entry = s->entry, .instr = s->index, .callee = base[0], .args = &all, .nargs = 1, .spread = true};
    return pf_e_do_call(s->a, &c);
}

/* Method form: the attribute with its receiver inside, and an empty self. */
static pf_e_value attribute(step *s)
{
    return pf_e_attribute(s->a, s->entry, s->index, s->top[-1], name_of(s));
}

/* ---- the instructions, by what they leave on the stack ---- */

/* One value, whatever was popped. BOTTOM: not one of these. */
static pf_e_value one_result(step *s)
{
    switch (s->instr->op) {
    case PF_BC_LOAD_CONST:
        return read_const(s);
    case PF_BC_LOAD_GLOBAL:
        return read_global(s);
    case PF_BC_LOAD_DEREF:
        return read_cell(s);
    case PF_BC_LOAD_ASSERTION_ERROR:
        return pf_e_of(s->a, PyExc_AssertionError, NULL);
    case PF_BC_LOAD_CLOSURE:
        return pf_e_plain;
    case PF_BC_UNARY_INVERT:
        pf_e_inverts(s->a);
        operands(s, 1);
        return pf_e_plain;
    case PF_BC_UNARY_NEG:
    case PF_BC_UNARY_POS:
    case PF_BC_UNARY_NOT:
    case PF_BC_TO_BOOL:
        operands(s, 1);
        return pf_e_plain;
    case PF_BC_CONVERT_VALUE:
    case PF_BC_FORMAT_SIMPLE:
        deep_operands(s, 1);
        return pf_e_plain;
    case PF_BC_COMPARE:
    case PF_BC_FORMAT_WITH_SPEC:
        deep_operands(s, 2);
        return pf_e_plain;
    case PF_BC_CONTAINS:
        return contains(s);
    case PF_BC_IS:
    case PF_BC_BUILD_STRING:
        return pf_e_plain;
    case PF_BC_BINARY_OP:
        return binary(s);
    case PF_BC_BINARY_SUBSCR:
        operands(s, 2);
        deep_operands(s, 1);
        return subscript(s, s->top[-2], s->top[-1]);
    case PF_BC_BINARY_SLICE:
        operands(s, 3);
        return fresh(s, item(s, s->top[-3]));
    case PF_BC_LOAD_ATTR:
        return attribute(s);
    case PF_BC_GET_ITER:
    case PF_BC_GET_YIELD_FROM_ITER:
        pf_e_iterated(s->a, s->entry, s->index, s->top[-1]);
        return fresh(s, item(s, s->top[-1]));
    case PF_BC_BUILD_TUPLE:
        return build(s, s->instr->arg, false);
    case PF_BC_BUILD_LIST:
        return build(s, s->instr->arg, true);
    case PF_BC_BUILD_SET:
        deep_operands(s, s->instr->arg);
        return build(s, s->instr->arg, true);
    case PF_BC_BUILD_MAP:
        return build_map(s);
    case PF_BC_BUILD_CONST_KEY_MAP:
        return build(s, s->instr->arg + 1, true);
    case PF_BC_BUILD_SLICE:
        return build_slice(s);
    case PF_BC_LIST_TO_TUPLE:
        return fresh(s, item(s, s->top[-1]));
    case PF_BC_MAKE_FUNCTION:
        return make_function(s);
    case PF_BC_SET_FUNCTION_ATTRIBUTE:
        return s->top[-1];
    case PF_BC_MATCH_CLASS:
        operands(s, 2);
        pf_e_named_operand(s->a, s->entry, s->index, s->top[-3]);
        return fresh(s, item(s, s->top[-3]));
    case PF_BC_CALL:
        return call(s);
    case PF_BC_CALL_EX:
        return call_ex(s);
    case PF_BC_YIELD_VALUE:
        pf_e_add(s->a, &s->entry->yields, s->top[-1]);
        return pf_e_opaque;
    case PF_BC_CLEANUP_THROW:
    case PF_BC_PREP_RERAISE_STAR:
    case PF_BC_STOPITERATION_ERROR:
        return pf_e_opaque;
    default:
        return pf_e_bottom;
    }
}

/* Several values, or none. False: not one of these. */
static bool other_result(step *s)
{
    pf_e_value *top = s->top, v = s->top > s->locals ? top[-1] : pf_e_plain;
    switch (s->instr->op) {
    case PF_BC_COPY:
        top[0] = top[-s->instr->arg];
        return true;
    case PF_BC_SWAP:
        top[-1] = top[-s->instr->arg];
        top[-s->instr->arg] = v;
        return true;
    case PF_BC_LOAD_FAST:
    case PF_BC_LOAD_FAST_AND_CLEAR:
        top[0] = s->locals[s->instr->arg].kind == E_BOTTOM ? pf_e_plain : s->locals[s->instr->arg];
        return true;
    case PF_BC_STORE_FAST:
        s->locals[s->instr->arg] = v;
        return true;
    case PF_BC_DELETE_FAST:
        s->locals[s->instr->arg] = pf_e_plain;
        return true;
    case PF_BC_LOAD_METHOD:
        top[-1] = attribute(s);
        top[0] = (pf_e_value){.kind = E_NOSELF};
        return true;
    case PF_BC_GET_LEN:
    case PF_BC_MATCH_MAPPING:
    case PF_BC_MATCH_SEQUENCE:
        operands(s, 1);
        top[0] = pf_e_plain;
        return true;
    case PF_BC_MATCH_KEYS:
        operands(s, 2);
        deep_operands(s, 1);
        pf_e_searched(s->a, s->entry, s->index, top[-2]);
        top[0] = fresh(s, item(s, top[-2]));
        return true;
    case PF_BC_UNPACK_SEQUENCE:
        pf_e_iterated(s->a, s->entry, s->index, v);
        for (int i = 0; i < s->instr->arg; i++) {
            top[i - 1] = item(s, v);
        }
        return true;
    case PF_BC_UNPACK_EX:
        pf_e_iterated(s->a, s->entry, s->index, v);
        for (int i = 0; i <= s->instr->arg + s->instr->arg2; i++) {
            top[i - 1] = i == s->instr->arg2 ? fresh(s, item(s, v)) : item(s, v);
        }
        return true;
    case PF_BC_FOR_ITER:
        top[0] = item(s, v);
        return true;
    case PF_BC_SEND:
        top[-1] = item(s, top[-2]);
        pf_e_add(s->a, &s->entry->yields, top[-1]);
        return true;
    case PF_BC_PUSH_EXC_INFO:
        top[0] = v;
        top[-1] = pf_e_plain;
        return true;
    case PF_BC_CHECK_EXC_MATCH:
        top[-1] = pf_e_plain;
        return true;
    case PF_BC_CHECK_EG_MATCH: /* the rest, and what matches */
        top[-2] = top[-1] = pf_e_exception();
        return true;
    case PF_BC_POP_TOP:
    case PF_BC_POP_EXCEPT:
    case PF_BC_MAKE_CELL:
    case PF_BC_JUMP:
    case PF_BC_POP_JUMP_IF_NONE:
    case PF_BC_RERAISE:
        return true;
    case PF_BC_RAISE:
        raised(s);
        return true;
    case PF_BC_POP_JUMP_IF_FALSE:
        operands(s, 1);
        return true;
    case PF_BC_RETURN_VALUE:
        pf_e_add(s->a, &s->entry->ret, v);
        return true;
    default:
        return false;
    }
}

/* Changes something. False: not one of these. */
static bool writes(step *s)
{
    pf_e_value *top = s->top;
    switch (s->instr->op) {
    case PF_BC_SET_ADD:
        deep_operands(s, 1);
        collect(s, 1, top[-1]);
        return true;
    case PF_BC_LIST_APPEND:
        collect(s, 1, top[-1]);
        return true;
    case PF_BC_MAP_ADD:
        pf_e_deep_operand(s->a, s->entry, s->index, top[-2]);
        collect(s, 2, top[-1]);
        pf_e_add_key(s->a, *(top - 2 - s->instr->arg), top[-2]);
        return true;
    case PF_BC_LIST_EXTEND:
    case PF_BC_SET_UPDATE:
        pf_e_iterated(s->a, s->entry, s->index, top[-1]);
        if (s->instr->op == PF_BC_SET_UPDATE) {
            deep_operands(s, 1);
        }
        collect(s, 1, item(s, top[-1]));
        return true;
    case PF_BC_DICT_UPDATE:
    case PF_BC_DICT_MERGE:
        pf_e_iterated(s->a, s->entry, s->index, top[-1]);
        pf_e_searched(s->a, s->entry, s->index, top[-1]);
        collect(s, 1, item(s, top[-1]));
        pf_e_add_key(s->a, *(top - 1 - s->instr->arg), item(s, top[-1]));
        return true;
    case PF_BC_STORE_SUBSCR:
        deep_operands(s, 1);
        pf_e_searched(s->a, s->entry, s->index, top[-2]);
        mutate(s, top[-2], assigned(s, top[-3], top[-1]));
        pf_e_add_key(s->a, top[-2], top[-1]);
        return true;
    case PF_BC_DELETE_SUBSCR:
        deep_operands(s, 1);
        pf_e_searched(s->a, s->entry, s->index, top[-2]);
        mutate(s, top[-2], pf_e_bottom);
        return true;
    case PF_BC_STORE_SLICE:
        operands(s, 2);
        pf_e_iterated(s->a, s->entry, s->index, top[-4]);
        mutate(s, top[-3], item(s, top[-4]));
        return true;
    case PF_BC_STORE_ATTR:
        mutate(s, top[-1], top[-2]);
        return true;
    case PF_BC_DELETE_ATTR:
        mutate(s, top[-1], pf_e_bottom);
        return true;
    case PF_BC_STORE_DEREF:
        write_cell(s, top[-1]);
        return true;
    case PF_BC_DELETE_DEREF:
        write_cell(s, pf_e_plain);
        return true;
    case PF_BC_STORE_GLOBAL:
    case PF_BC_DELETE_GLOBAL:
        stop(s, PF_REASON_WRITES_GLOBAL, name_of(s));
        return true;
    default:
        return false;
    }
}

static void foreign(step *s)
{
    switch (s->instr->op) {
    case PF_BC_IMPORT_NAME:
    case PF_BC_IMPORT_FROM:
    case PF_BC_IMPORT_STAR:
        stop(s, PF_REASON_IMPORTS, name_of(s));
        return;
    case PF_BC_BEFORE_WITH:
    case PF_BC_WITH_EXCEPT_START:
        stop(s, PF_REASON_CONTEXT_MANAGER, NULL);
        return;
    case PF_BC_LOAD_BUILD_CLASS:
        stop(s, PF_REASON_CLASS_BODY, NULL);
        return;
    case PF_BC_GET_AWAITABLE:
    case PF_BC_GET_AITER:
    case PF_BC_GET_ANEXT:
    case PF_BC_END_ASYNC_FOR:
    case PF_BC_ASYNC_GEN_WRAP:
    case PF_BC_BEFORE_ASYNC_WITH:
        stop(s, PF_REASON_AWAITS, NULL);
        return;
    case PF_BC_LOAD_SUPER_ATTR:
    case PF_BC_LOAD_SUPER_METHOD:
        stop(s, PF_REASON_IMPURE_METHOD, name_of(s));
        return;
    case PF_BC_UNKNOWN:
    case PF_BC_INTRINSIC:
        stop(s, PF_REASON_UNKNOWN_BYTECODE, NULL);
        return;
    default: /* names of module and class bodies */
        stop(s, PF_REASON_IMPURE, NULL);
    }
}

void pf_e_step(pf_analysis *a, pf_e_entry *entry, int index)
{
    step s = {.a = a, .entry = entry, .instr = &entry->code->instrs[index], .index = index, .locals = entry->current};
    int pops, pushes;
    pf_instr_effect(s.instr, false, &pops, &pushes);
    s.top = entry->current + entry->code->nlocalsplus + entry->depth;
    pf_e_value result = one_result(&s);
    if (result.kind != E_BOTTOM) {
        s.top[-pops] = result;
    } else if (!other_result(&s) && !writes(&s)) {
        foreign(&s);
    }
    entry->depth += pushes - pops;
}

/* The self-test of the mirrors, at import: fresh objects of every type are made, stepped and compared with what the
 * mirror says of them, and written through the mirror and compared with what CPython then does.
 *
 * A wrong mirror must not crash the test that finds it. So pointers are compared with the objects that have to be there before
 * anything follows them, and no field beyond the type's own size is looked at. */
#include "introspect_layout.h"

#include <string.h>

pf_type_table pf_types;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            return #condition;                                                                                         \
        }                                                                                                              \
    } while (0)

/* What the tests are made of; expressions below speak of these names. */
static const char setup[] = "import array, itertools\n"
                            "L = [10, 11, 12, 13, 14, 15]\n"
                            "T = tuple(L)\n"
                            "A = array.array('q', L)\n"
                            "B = bytes(L)\n"
                            "Y = bytearray(B)\n"
                            "V = memoryview(A)\n"
                            "R = range(10, 28, 3)\n"
                            "def F(x): return x < 11\n"
                            "def G(it, k): return (x * k for x in it if x)\n"
                            "K = 3\n";

typedef struct leaf_case {
    pf_type_id id;
    const char *container; /* NULL: a range */
    const char *expression;
} leaf_case;

static const leaf_case leaf_cases[] = {
    {PF_T_LIST_ITER, "L", "iter(L)"},          {PF_T_RANGE_ITER, NULL, "iter(R)"},
    {PF_T_TUPLE_ITER, "T", "iter(T)"},         {PF_T_ARRAY_ITER, "A", "iter(A)"},
    {PF_T_MEMORY_ITER, "V", "iter(V)"},        {PF_T_BYTES_ITER, "B", "iter(B)"},
    {PF_T_BYTEARRAY_ITER, "Y", "iter(Y)"},     {PF_T_LIST_REV_ITER, "L", "reversed(L)"},
    {PF_T_REVERSED, "T", "reversed(T)"},
};

static const char *const type_expressions[PF_T_COUNT] = {
    [PF_T_GENERATOR] = "G(L, K)",
    [PF_T_LIST_ITER] = "iter(L)",
    [PF_T_RANGE_ITER] = "iter(R)",
    [PF_T_MAP] = "map(F, L)",
    [PF_T_FILTER] = "filter(F, L)",
    [PF_T_ZIP] = "zip(L, T)",
    [PF_T_TUPLE_ITER] = "iter(T)",
    [PF_T_ENUMERATE] = "enumerate(L)",
    [PF_T_ARRAY_ITER] = "iter(A)",
    [PF_T_MEMORY_ITER] = "iter(V)",
    [PF_T_BYTES_ITER] = "iter(B)",
    [PF_T_BYTEARRAY_ITER] = "iter(Y)",
    [PF_T_LIST_REV_ITER] = "reversed(L)",
    [PF_T_REVERSED] = "reversed(T)",
    [PF_T_ISLICE] = "itertools.islice(L, 3)",
    [PF_T_TAKEWHILE] = "itertools.takewhile(F, L)",
    [PF_T_CHAIN] = "itertools.chain(L)",
    [PF_T_STARMAP] = "itertools.starmap(F, L)",
};

static PyObject *name_of(PyObject *space, const char *name) {
    return PyDict_GetItemString(space, name); /* borrowed */
}

static PyObject *make(PyObject *space, const char *expression) {
    return PyRun_String(expression, Py_eval_input, space, space);
}

static bool step_is(PyObject *iterator, PyObject *expected) {
    PyObject *item = PyIter_Next(iterator);
    int same = item != NULL && expected != NULL ? PyObject_RichCompareBool(item, expected, Py_EQ) : item == expected;
    Py_XDECREF(item);
    return same == 1;
}

/* expected: list(iterator) of a fresh one. Two items are taken first. */
static const char *test_leaf(PyObject *iterator, const leaf_case *c, PyObject *container, PyObject *expected) {
    pf_leaf leaf;
    Py_ssize_t n = PyList_GET_SIZE(expected);
    CHECK(step_is(iterator, PyList_GET_ITEM(expected, 0)) && step_is(iterator, PyList_GET_ITEM(expected, 1)));
    if (c->id == PF_T_MEMORY_ITER) {
        CHECK(Py_TYPE(iterator)->tp_basicsize >= (Py_ssize_t)sizeof(pf_memory_iter));
    }
    if (c->id == PF_T_RANGE_ITER) {
        CHECK(Py_TYPE(iterator)->tp_basicsize == (Py_ssize_t)sizeof(pf_range_iter));
    } else {
        /* the second word of all of these is the container */
        CHECK(Py_TYPE(iterator)->tp_basicsize >= (Py_ssize_t)sizeof(pf_seq_iter));
        CHECK(((pf_seq_iter *)iterator)->seq == container);
    }
    CHECK(pf_leaf_read(iterator, c->id, &leaf) == 0);
    CHECK(leaf.container == container && leaf.length == n - 2 && pf_leaf_taken(&leaf) == 0);
    for (Py_ssize_t row = 0; row < leaf.length; row++) {
        PyObject *item = pf_leaf_item(&leaf, row);
        int same = item != NULL ? PyObject_RichCompareBool(item, PyList_GET_ITEM(expected, row + 2), Py_EQ) : 0;
        Py_XDECREF(item);
        CHECK(same == 1);
    }
    CHECK(pf_leaf_seek(&leaf, 3) == 0 && step_is(iterator, PyList_GET_ITEM(expected, 5)));
    CHECK(pf_leaf_taken(&leaf) == 4 && step_is(iterator, NULL));
    CHECK(pf_leaf_seek(&leaf, 1) == 0 && step_is(iterator, PyList_GET_ITEM(expected, 3)));
    CHECK(pf_leaf_seek(&leaf, 4) == 0 && step_is(iterator, NULL) && step_is(iterator, NULL));
    return NULL;
}

static const char *test_leaf_case(PyObject *space, const leaf_case *c) {
    PyObject *iterator = make(space, c->expression), *fresh = make(space, c->expression);
    PyObject *expected = fresh != NULL ? PySequence_List(fresh) : NULL;
    const char *wrong = "could not be made";
    if (iterator != NULL && expected != NULL && PyList_GET_SIZE(expected) == 6) {
        wrong = test_leaf(iterator, c, c->container != NULL ? name_of(space, c->container) : NULL, expected);
    }
    Py_XDECREF(iterator);
    Py_XDECREF(fresh);
    Py_XDECREF(expected);
    return wrong;
}

static const char *test_range_object(PyObject *space) {
    const pf_range *range = (const pf_range *)name_of(space, "R");
    PyObject *fields[] = {range->start, range->stop, range->step, range->length};
    static const long expected[] = {10, 28, 3, 6};
    CHECK(PyRange_Type.tp_basicsize == (Py_ssize_t)sizeof(pf_range));
    for (int i = 0; i < 4; i++) {
        CHECK(fields[i] != NULL && PyLong_CheckExact(fields[i]) && PyLong_AsLong(fields[i]) == expected[i]);
    }
    return NULL;
}

static const char *test_array_object(PyObject *space) {
    const pf_array *array = (const pf_array *)name_of(space, "A");
    CHECK(Py_TYPE((PyObject *)array)->tp_basicsize >= (Py_ssize_t)sizeof(pf_array));
    CHECK(Py_SIZE(array) == 6 && ((const int64_t *)array->items)[5] == 15 && array->descr->typecode == 'q');
    return NULL;
}

static bool fits(PyObject *object, size_t size) {
    return Py_TYPE(object)->tp_basicsize >= (Py_ssize_t)size;
}

static const char *test_map(PyObject *map, PyObject *space) {
    const pf_map *m = (const pf_map *)map;
    CHECK(fits(map, sizeof *m) && m->func == name_of(space, "F"));
    CHECK(PyTuple_CheckExact(m->iters) && PyTuple_GET_SIZE(m->iters) == 1);
    CHECK(Py_TYPE(PyTuple_GET_ITEM(m->iters, 0)) == &PyListIter_Type);
    return NULL;
}

static const char *test_func_iter(PyObject *object, PyObject *space) {
    const pf_func_iter *f = (const pf_func_iter *)object;
    CHECK(fits(object, sizeof *f) && f->func == name_of(space, "F") && Py_TYPE(f->it) == &PyListIter_Type);
    return NULL;
}

static const char *test_takewhile(PyObject *object, PyObject *space) {
    const pf_takewhile *t = (const pf_takewhile *)object;
    CHECK(fits(object, sizeof *t) && test_func_iter(object, space) == NULL && t->stop == 0);
    PyObject *first = PyIter_Next(object), *second = PyIter_Next(object);
    bool stopped = first != NULL && second == NULL;
    Py_XDECREF(first);
    Py_XDECREF(second);
    CHECK(stopped && t->stop == 1);
    return NULL;
}

static const char *test_zip(PyObject *zip, PyObject *space) {
    const pf_zip *z = (const pf_zip *)zip;
    CHECK(fits(zip, sizeof *z) && z->size == 2 && PyTuple_CheckExact(z->iters) && PyTuple_GET_SIZE(z->iters) == 2);
    CHECK(Py_TYPE(PyTuple_GET_ITEM(z->iters, 1)) == &PyTupleIter_Type && z->strict == 0);
    PyObject *strict = make(space, "zip(L, T, strict=True)");
    bool right = strict != NULL && ((pf_zip *)strict)->strict == 1;
    Py_XDECREF(strict);
    CHECK(right);
    return NULL;
}

static const char *test_enumerate(PyObject *object, PyObject *space) {
    pf_enumerate *e = (pf_enumerate *)object;
    (void)space;
    CHECK(fits(object, sizeof *e) && e->index == 0 && Py_TYPE(e->it) == &PyListIter_Type && e->long_index == NULL);
    e->index = 1000;
    PyObject *pair = PyIter_Next(object);
    bool right = pair != NULL && PyTuple_CheckExact(pair) && PyLong_AsLong(PyTuple_GET_ITEM(pair, 0)) == 1000;
    Py_XDECREF(pair);
    CHECK(right && e->index == 1001);
    return NULL;
}

static const char *test_islice(PyObject *object, PyObject *space) {
    (void)object;
    PyObject *slice = make(space, "itertools.islice(L, 1, 6, 2)");
    const pf_islice *s = (const pf_islice *)slice;
    const char *wrong = "could not be made";
    if (slice != NULL && fits(slice, sizeof *s)) {
        bool before = s->next == 1 && s->stop == 6 && s->step == 2 && s->cnt == 0 && Py_TYPE(s->it) == &PyListIter_Type;
        bool stepped = step_is(slice, PyList_GET_ITEM(name_of(space, "L"), 1));
        wrong = before && stepped && s->next == 3 && s->stop == 6 && s->step == 2 && s->cnt == 2 ? NULL : "fields of islice";
    }
    Py_XDECREF(slice);
    return wrong;
}

static const char *test_chain(PyObject *object, PyObject *space) {
    const pf_chain_iter *c = (const pf_chain_iter *)object;
    CHECK(fits(object, sizeof *c) && Py_TYPE(c->source) == &PyTupleIter_Type && c->active == NULL);
    CHECK(step_is(object, PyList_GET_ITEM(name_of(space, "L"), 0)));
    CHECK(Py_TYPE(c->active) == &PyListIter_Type && ((pf_seq_iter *)c->active)->seq == name_of(space, "L"));
    return NULL;
}

/* What the attributes of a generator say about its next instruction: the offset of a RESUME. */
static const char *test_gen_position(PyObject *generator, PyObject *code) {
    int at = pf_genexpr_lasti(generator);
    PyObject *bytes = PyObject_GetAttrString(code, "co_code");
    PyObject *opmap = NULL, *opcode = PyImport_ImportModule("opcode");
    if (opcode != NULL) {
        opmap = PyObject_GetAttrString(opcode, "opmap");
    }
    PyObject *resume = opmap != NULL ? PyDict_GetItemString(opmap, "RESUME") : NULL;
    PyObject *yield_value = opmap != NULL ? PyDict_GetItemString(opmap, "YIELD_VALUE") : NULL;
    bool right = false;
    if (bytes != NULL && resume != NULL && yield_value != NULL && at >= 2 && at < PyBytes_GET_SIZE(bytes)) {
        const unsigned char *text = (const unsigned char *)PyBytes_AS_STRING(bytes);
        right = text[at] == PyLong_AsLong(resume) && text[at - 2] == PyLong_AsLong(yield_value);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(opmap);
    Py_XDECREF(opcode);
    CHECK(right);
    return NULL;
}

static const char *test_gen_fields(PyObject *generator, PyObject *space, PyObject *code) {
    PyObject *source = NULL;
    pf_gen_place place = PF_GEN_IN_ROW;
    CHECK((PyObject *)pf_genexpr_code(generator) == code);
    CHECK(pf_genexpr_globals(generator) == space && pf_genexpr_builtins(generator) == PyEval_GetBuiltins());
    CHECK(pf_gen_state_of(generator) == PF_GEN_CREATED && pf_genexpr_lasti(generator) == -1);
    CHECK(pf_gen_source(generator, &source, &place) == 0 && place == PF_GEN_AT_START &&
          Py_TYPE(source) == &PyListIter_Type);
    CHECK(((pf_seq_iter *)source)->seq == name_of(space, "L"));
    CHECK(PyCell_Check(pf_genexpr_local(generator, 2)) && pf_genexpr_local(generator, 1) == NULL);
    CHECK(PyCell_GET(pf_genexpr_local(generator, 2)) == name_of(space, "K"));
    PyObject *item = PyIter_Next(generator);
    bool right = item != NULL && PyLong_AsLong(item) == 30;
    Py_XDECREF(item);
    CHECK(right && pf_gen_state_of(generator) == PF_GEN_SUSPENDED);
    PyObject *again = NULL;
    CHECK(pf_gen_source(generator, &again, &place) == 0 && place == PF_GEN_AT_ROW && again == source);
    CHECK(pf_genexpr_local(generator, 1) == PyList_GET_ITEM(name_of(space, "L"), 0));
    return test_gen_position(generator, code);
}

/* The frame's pointer to the iterator can be exchanged, before and after the start, and counts stay right. */
static const char *test_gen_swap(PyObject *space) {
    PyObject *generator = make(space, "G(iter(T), K)"), *other = make(space, "iter(range(7, 9))");
    PyObject *source = NULL;
    pf_gen_place place;
    bool right = false;
    if (generator != NULL && other != NULL && pf_gen_source(generator, &source, &place) == 0) {
        Py_ssize_t before = Py_REFCNT(other);
        Py_INCREF(source);
        right = pf_gen_swap(generator, source, other) == 1 && Py_REFCNT(source) == 1;
        PyObject *item = PyIter_Next(generator);
        right = right && item != NULL && PyLong_AsLong(item) == 21;
        right = right && pf_gen_swap(generator, other, source) == 2 && Py_REFCNT(other) == before;
        Py_XDECREF(item);
        item = PyIter_Next(generator);
        right = right && item != NULL && PyLong_AsLong(item) == 30;
        Py_XDECREF(item);
        Py_DECREF(source);
    }
    Py_XDECREF(generator);
    Py_XDECREF(other);
    return right ? NULL : "exchange of the frame's iterator";
}

static const char *test_generator(PyObject *generator, PyObject *space) {
    if (!pf_gen_known()) {
        return "generators of this version are not known";
    }
    PyObject *code = PyObject_GetAttrString(generator, "gi_code");
    const char *wrong = code != NULL ? test_gen_fields(generator, space, code) : "gi_code";
    Py_XDECREF(code);
    if (wrong == NULL) {
        wrong = test_gen_swap(space);
    }
    PyObject *empty = make(space, "list(G([], 1))"), *finished = make(space, "G([], 1)");
    if (wrong == NULL && (empty == NULL || finished == NULL || !step_is(finished, NULL) ||
                          pf_gen_state_of(finished) != PF_GEN_FINISHED)) {
        wrong = "state of a finished generator";
    }
    Py_XDECREF(empty);
    Py_XDECREF(finished);
    return wrong;
}

static const char *test_step(PyObject *space, pf_type_id id) {
    static const char *(*const tests[PF_T_COUNT])(PyObject *, PyObject *) = {
        [PF_T_GENERATOR] = test_generator, [PF_T_MAP] = test_map,       [PF_T_FILTER] = test_func_iter,
        [PF_T_ZIP] = test_zip,             [PF_T_ENUMERATE] = test_enumerate, [PF_T_ISLICE] = test_islice,
        [PF_T_TAKEWHILE] = test_takewhile, [PF_T_CHAIN] = test_chain,   [PF_T_STARMAP] = test_func_iter,
    };
    PyObject *object = make(space, type_expressions[id]);
    const char *wrong = object != NULL && tests[id] != NULL ? tests[id](object, space) : "could not be made";
    Py_XDECREF(object);
    return wrong;
}

/* A failed test leaves the type switched off, never an exception: the package works without it. */
static int note(PyObject *result, const char *name, const char *wrong) {
    PyErr_Clear();
    PyObject *text = PyUnicode_FromString(wrong == NULL ? "ok" : wrong);
    int status = text != NULL ? PyDict_SetItemString(result, name, text) : -1;
    Py_XDECREF(text);
    return status;
}

static const char *short_name(const PyTypeObject *type) {
    const char *dot = type != NULL ? strrchr(type->tp_name, '.') : NULL;
    return type == NULL ? "?" : dot != NULL ? dot + 1 : type->tp_name;
}

static int test_all(PyObject *space, PyObject *result) {
    const char *wrong;
    for (size_t i = 0; i < sizeof leaf_cases / sizeof *leaf_cases; i++) {
        wrong = test_leaf_case(space, &leaf_cases[i]);
        pf_types.ok[leaf_cases[i].id] = wrong == NULL;
        if (note(result, short_name(pf_types.types[leaf_cases[i].id]), wrong) < 0) {
            return -1;
        }
    }
    for (int id = 0; id < PF_T_COUNT; id++) {
        if (id == PF_T_GENERATOR || id == PF_T_MAP || id == PF_T_FILTER || id == PF_T_ZIP || id == PF_T_ENUMERATE ||
            (id >= PF_T_ISLICE && id <= PF_T_STARMAP)) {
            wrong = test_step(space, (pf_type_id)id);
            pf_types.ok[id] = wrong == NULL;
            if (note(result, short_name(pf_types.types[id]), wrong) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static PyObject *make_space(void) {
    PyObject *space = PyDict_New();
    PyObject *done = NULL;
    if (space != NULL && PyDict_SetItemString(space, "__builtins__", PyEval_GetBuiltins()) == 0) {
        done = PyRun_String(setup, Py_file_input, space, space);
    }
    if (done == NULL) {
        Py_CLEAR(space);
    }
    Py_XDECREF(done);
    return space;
}

PyObject *pf_chain_selftest(void) {
    PyObject *space = make_space(), *result = PyDict_New();
    if (space == NULL || result == NULL) {
        goto fail;
    }
    for (int id = 0; id < PF_T_COUNT; id++) {
        PyObject *object = make(space, type_expressions[id]);
        if (object == NULL) {
            PyErr_Clear();
            continue;
        }
        if (pf_types.types[id] == NULL) { /* kept for good: heap types of itertools and array among them */
            pf_types.types[id] = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(object));
        }
        Py_DECREF(object);
    }
    const char *wrong = test_range_object(space);
    pf_types.range_ok = wrong == NULL;
    if (note(result, "range", wrong) < 0) {
        goto fail;
    }
    wrong = test_array_object(space);
    pf_types.array_ok = wrong == NULL;
    if (wrong == NULL && pf_types.array == NULL) {
        pf_types.array = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(name_of(space, "A")));
    }
    if (note(result, "array", wrong) < 0 || test_all(space, result) < 0) {
        goto fail;
    }
    PyDict_Clear(space); /* F and G hold it as their globals */
    Py_DECREF(space);
    pf_types.filled = true;
    return result;
fail:
    Py_XDECREF(space);
    Py_XDECREF(result);
    return NULL;
}

int pf_chain_init(void) {
    PyObject *result = pf_types.filled ? Py_NewRef(Py_None) : pf_chain_selftest();
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

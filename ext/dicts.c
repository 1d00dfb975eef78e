/* Reading dicts without running code (dicts.h). */
#include "dicts.h"

#include <stddef.h>
#include <stdint.h>

#include "watch.h"

/* struct _dictkeysobject, as it has been since 3.11. Behind it there are 2**log2_index_bytes bytes of indices, then the
 * entries. */
typedef struct dict_keys {
    Py_ssize_t refs;
    uint8_t log2_size, log2_index_bytes, kind;
    uint32_t version;
    Py_ssize_t usable, entries;
} dict_keys;

typedef struct str_entry {
    PyObject *key, *value;
} str_entry;

enum { GENERAL = 0, UNICODE = 1, MOST_KEYS = 64 };

static bool keys_known, entries_known, instances_known, places_known; /* the self-test has passed */

static bool holds_only_strs(PyObject *dict) { return ((const dict_keys *)((PyDictObject *)dict)->ma_keys)->kind != GENERAL; }

/* A table with other keys than strs: comparing exact builtins with a str is nobody's code. */
static bool has_builtin_keys(PyObject *dict)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    if (PyDict_GET_SIZE(dict) > MOST_KEYS) {
        return false;
    }
    while (PyDict_Next(dict, &at, &key, &value)) {
        if (pf_scalar_of(key, NULL) == PF_K_FOREIGN) {
            return false;
        }
    }
    return true;
}

bool pf_dict_is_plain(PyObject *dict)
{
    return dict != NULL && PyDict_CheckExact(dict) && keys_known && (holds_only_strs(dict) || has_builtin_keys(dict));
}

int pf_dict_find(PyObject *dict, PyObject *name, PyObject **value)
{
    *value = NULL;
    if (!pf_dict_is_plain(dict) || !PyUnicode_CheckExact(name)) {
        return -1;
    }
    *value = PyDict_GetItemWithError(dict, name);
    return *value != NULL;
}

static const str_entry *entries_of(const dict_keys *keys)
{
    return (const str_entry *)((const char *)(keys + 1) + ((size_t)1 << keys->log2_index_bytes));
}

/* The keys of a table of strs and their values, side by side; NULL: it is of another form. */
static const dict_keys *plain_keys(PyObject *dict)
{
    const dict_keys *keys = (const dict_keys *)((PyDictObject *)dict)->ma_keys;
    return keys->kind == UNICODE && ((PyDictObject *)dict)->ma_values == NULL ? keys : NULL;
}

/* Where `value` was found, so that the next dict is looked at there first. */
static void learn(const dict_keys *keys, PyObject *name, PyObject *value, pf_dict_guess *guess)
{
    enum { MOST_ENTRIES = 32, MOST_MISSES = 4 };
    const str_entry *entries = entries_of(keys);
    for (Py_ssize_t i = 0; i < keys->entries && i < MOST_ENTRIES && guess->misses < MOST_MISSES; i++) {
        if (entries[i].value == value && (entries[i].key == name || PyUnicode_Compare(entries[i].key, name) == 0)) {
            *guess = (pf_dict_guess){i, entries[i].key, guess->misses + 1};
            return;
        }
    }
}

PyObject *pf_dict_find_alike(PyObject *dict, PyObject *name, pf_dict_guess *guess)
{
    const dict_keys *keys = PyDict_CheckExact(dict) && entries_known ? plain_keys(dict) : NULL;
    if (keys != NULL && guess->key != NULL && guess->place < keys->entries) {
        const str_entry *entry = &entries_of(keys)[guess->place];
#ifdef PF_PLANTED_BUG_ENTRY_OF_ANOTHER
        if (entry->value != NULL) {
            return entry->value;
        }
#endif
        if (entry->key == guess->key && entry->value != NULL) {
            return entry->value;
        }
    }
    PyObject *value;
    if (pf_dict_find(dict, name, &value) == 1 && keys != NULL) {
        learn(keys, name, value, guess);
    }
    return value;
}

/* The instance's dictionary if it has one as an object by now: attributes that lie beside the object are under exact strs. */
static PyObject *own_dict(PyObject *object)
{
    if ((Py_TYPE(object)->tp_flags & Py_TPFLAGS_MANAGED_DICT) == 0) {
        PyObject **place = _PyObject_GetDictPtr(object);
        return place != NULL ? *place : NULL;
    }
    PyObject *dict = ((PyObject **)object)[-3];
#if PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000
    return ((uintptr_t)dict & 1) != 0 ? NULL : dict; /* a tagged pointer to values */
#else
    return dict;
#endif
}

bool pf_instance_is_plain(PyObject *object)
{
    if (!instances_known) {
        return false;
    }
    PyObject *dict = own_dict(object);
    return dict == NULL || pf_dict_is_plain(dict);
}

static int place_of(PyTypeObject *type, PyObject *name)
{
    unsigned long flags = Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_MANAGED_DICT;
#if PY_VERSION_HEX >= 0x030d0000
    flags |= Py_TPFLAGS_INLINE_VALUES;
#endif
    const dict_keys *keys =
        (type->tp_flags & flags) == flags ? (const dict_keys *)((PyHeapTypeObject *)type)->ht_cached_keys : NULL;
    if (keys == NULL) {
        return -1;
    }
    const str_entry *entries = entries_of(keys);
    for (Py_ssize_t i = 0; i < keys->entries; i++) {
        if (entries[i].key == name) {
            return (int)i;
        }
    }
    return -1;
}

int pf_instance_place(PyTypeObject *type, PyObject *name)
{
    return places_known ? place_of(type, name) : -1;
}

bool pf_type_is_plain(PyTypeObject *type)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro != NULL && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        /* dictionaries of static types are not where they used to be from 3.12 on; they cannot be changed either */
        if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 && !pf_dict_is_plain(base->tp_dict)) {
            return false;
        }
    }
    return mro != NULL;
}

/* ---- self-test ---- */

static bool kind_is(const char *expression, PyObject *space, int kind)
{
    PyObject *dict = PyRun_String(expression, Py_eval_input, space, space);
    bool same = dict != NULL && PyDict_CheckExact(dict) && ((const dict_keys *)((PyDictObject *)dict)->ma_keys)->kind == kind;
    Py_XDECREF(dict);
    return same;
}

/* A value behind one that was taken out, in tables of both sizes of entries. */
static bool finds_entries(PyObject *space)
{
    bool found = true;
    for (int i = 0; i < 2; i++) {
        PyObject *dict = PyDict_GetItemString(space, i == 0 ? "few" : "many"), *b = PyUnicode_InternFromString("b");
        const dict_keys *keys = dict != NULL ? plain_keys(dict) : NULL;
        found = found && keys != NULL && b != NULL && keys->entries >= 3 && entries_of(keys)[0].value == NULL &&
                entries_of(keys)[1].key == b && entries_of(keys)[1].value == PyDict_GetItemString(space, "value");
        Py_XDECREF(b);
    }
    return found;
}

/* An instance before and after its dictionary becomes an object. */
static bool finds_own_dict(PyObject *space)
{
    PyObject *object = PyDict_GetItemString(space, "c");
    if (object == NULL || (Py_TYPE(object)->tp_flags & Py_TPFLAGS_MANAGED_DICT) == 0 || own_dict(object) != NULL) {
        return false;
    }
    PyObject *dict = PyObject_GetAttrString(object, "__dict__");
    bool found = dict != NULL && own_dict(object) == dict && PyDict_GET_SIZE(dict) == 1;
    Py_XDECREF(dict);
    return found;
}

/* Two attributes of an instance, one that it lost, and one that went into a dictionary. */
static bool finds_values(PyObject *space)
{
    PyObject *object = PyDict_GetItemString(space, "d"), *a = PyUnicode_InternFromString("a"),
             *b = PyUnicode_InternFromString("b");
    bool found = object != NULL && a != NULL && b != NULL;
    if (found) {
        const int at_a = place_of(Py_TYPE(object), a), at_b = place_of(Py_TYPE(object), b);
        PyObject *value = PyDict_GetItemString(space, "value");
        found = at_a >= 0 && at_b >= 0 && at_a != at_b && pf_instance_value(object, at_b) == value &&
                pf_instance_value(object, at_a) != value && PyObject_DelAttr(object, b) == 0 &&
                pf_instance_value(object, at_b) == NULL;
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
    return found;
}

void pf_dicts_init(void)
{
    PyObject *space = PyDict_New(), *done = NULL;
    if (space != NULL && PyDict_SetItemString(space, "__builtins__", PyEval_GetBuiltins()) == 0) {
        done = PyRun_String("class C: pass\nc = C()\nc.a = 1\nS = type('S', (str,), {})\n"
                            "class D: pass\nd = D()\nvalue = object()\nd.a = object()\nd.b = value\n"
                            "few = {'a': 1, 'b': value, 'c': 3}\ndel few['a']\n"
                            "many = {'a': 1, 'b': value, **{str(i): i for i in range(300)}}\ndel many['a']\n",
                            Py_file_input, space, space);
    }
    if (done != NULL) {
        keys_known = kind_is("{}", space, UNICODE) && kind_is("{'a': 1}", space, UNICODE) && kind_is("{1: 1}", space, GENERAL) &&
                     kind_is("{'a': 1, 1: 1}", space, GENERAL) && kind_is("{S('a'): 1}", space, GENERAL);
        entries_known = keys_known && finds_entries(space);
        instances_known = keys_known && finds_own_dict(space);
        places_known = instances_known && finds_values(space);
    }
    Py_XDECREF(done);
    Py_XDECREF(space);
    PyErr_Clear();
}

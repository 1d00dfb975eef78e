/* Leaves: the iterators at the bottom of a chain. Each kind is an index (or a running value) into something that has a
 * length, so where it stands is one number, and setting that number is the same as having taken items.
 *
 * The end has two stages in CPython. An iterator that gave its last item still points at its container: a list that
 * grows later gives it more items. Only a pull that finds nothing latches it (drops the container). So seeking to `length`
 * sets the first stage and never the second: that one comes from a real pull, made by whoever pulls next. */
#include <limits.h>
#include <string.h>

#include "introspect_layout.h"
#include "reasons.h"

static Py_ssize_t clamp_left(Py_ssize_t size, Py_ssize_t index) {
    return index < size ? size - index : 0;
}

static int read_forward(pf_leaf *out, pf_leaf_kind kind, Py_ssize_t size) {
    const pf_seq_iter *it = (const pf_seq_iter *)out->iterator;
    out->kind = kind;
    out->container = it->seq;
    out->first = it->index;
    out->step = 1;
    out->length = it->seq == NULL ? 0 : clamp_left(size, it->index);
    return 0;
}

static int read_backward(pf_leaf *out, pf_leaf_kind kind, Py_ssize_t size) {
    const pf_seq_iter *it = (const pf_seq_iter *)out->iterator;
    out->kind = kind;
    out->container = it->seq;
    out->first = it->index;
    out->step = -1;
    out->length = it->seq == NULL || it->index >= size ? 0 : it->index + 1;
    return 0;
}

static int read_range(pf_leaf *out) {
    const pf_range_iter *it = (const pf_range_iter *)out->iterator;
    out->kind = PF_LEAF_RANGE;
    out->step = it->step;
#if PY_VERSION_HEX < 0x030C0000
    out->first = it->index;
    out->length = it->len - it->index;
    out->start = (int64_t)((uint64_t)it->start + (uint64_t)it->index * (uint64_t)it->step);
#else
    out->first = 0;
    out->length = it->len;
    out->start = it->start;
#endif
    return 0;
}

static int read_array(pf_leaf *out) {
    const pf_array_iter *it = (const pf_array_iter *)out->iterator;
    out->kind = PF_LEAF_ARRAY;
    out->container = it->array;
    out->first = it->index;
    out->step = 1;
    if (it->array != NULL) {
        out->length = clamp_left(Py_SIZE(it->array), it->index);
        out->format = ((const pf_array *)it->array)->descr->typecode;
    }
    return 0;
}

/* Native formats are one letter, with or without '@'. */
static char native_letter(const char *format) {
    if (format == NULL) {
        return 'B';
    }
    if (format[0] == '@') {
        format++;
    }
    return format[0] != '\0' && format[1] == '\0' ? format[0] : '\0';
}

static int check_view(PyObject *view, char *letter) {
    const Py_buffer *buffer = PyMemoryView_GET_BUFFER(view);
    const PyMemoryViewObject *object = (const PyMemoryViewObject *)view;
    bool released = (object->flags & _Py_MEMORYVIEW_RELEASED) != 0 || (object->mbuf->flags & _Py_MANAGED_BUFFER_RELEASED) != 0;
    if (released || buffer->ndim != 1) {
        return PF_REASON_STEP_STATE;
    }
    *letter = native_letter(buffer->format);
    return *letter == '\0' || strchr("bBhHiIlLqQnNPfd?", *letter) == NULL || buffer->suboffsets != NULL ? PF_REASON_UNKNOWN_SOURCE : 0;
}

static int read_memory(pf_leaf *out) {
    const pf_memory_iter *it = (const pf_memory_iter *)out->iterator;
    out->kind = PF_LEAF_MEMORYVIEW;
    out->container = it->view;
    out->first = it->index;
    out->step = 1;
    if (it->view == NULL) {
        return 0;
    }
    out->length = clamp_left(it->length, it->index);
    return check_view(it->view, &out->format);
}

/* `reversed` calls the object's own __getitem__, which is known of the exact types that are containers here. */
static int read_reversed(pf_leaf *out) {
    PyObject *seq = ((const pf_seq_iter *)out->iterator)->seq;
    pf_leaf all = {.kind = PF_LEAF_TUPLE};
    int reason = seq != NULL ? pf_leaf_read_container(seq, &all) : 0;
    if (reason != 0) {
        return reason;
    }
    out->format = all.format;
    return read_backward(out, all.kind == PF_LEAF_TUPLE ? PF_LEAF_SEQ_REV : all.kind, (Py_ssize_t)all.length);
}

int pf_leaf_read(PyObject *iterator, pf_type_id id, pf_leaf *out) {
    PyObject *seq;
    *out = (pf_leaf){.iterator = iterator};
    switch (id) {
    case PF_T_RANGE_ITER:
        return read_range(out);
    case PF_T_ARRAY_ITER:
        return pf_types.array_ok ? read_array(out) : PF_REASON_UNTESTED_TYPE;
    case PF_T_MEMORY_ITER:
        return read_memory(out);
    default:
        break;
    }
    seq = ((const pf_seq_iter *)iterator)->seq;
    switch (id) {
    case PF_T_LIST_ITER:
        return read_forward(out, PF_LEAF_LIST, seq != NULL ? Py_SIZE(seq) : 0);
    case PF_T_TUPLE_ITER:
        return read_forward(out, PF_LEAF_TUPLE, seq != NULL ? Py_SIZE(seq) : 0);
    case PF_T_BYTES_ITER:
        return read_forward(out, PF_LEAF_BYTES, seq != NULL ? Py_SIZE(seq) : 0);
    case PF_T_BYTEARRAY_ITER:
        return read_forward(out, PF_LEAF_BYTEARRAY, seq != NULL ? Py_SIZE(seq) : 0);
    case PF_T_LIST_REV_ITER:
        return read_backward(out, PF_LEAF_LIST_REV, seq != NULL ? Py_SIZE(seq) : 0);
    case PF_T_REVERSED:
        return read_reversed(out);
    default:
        return PF_REASON_UNKNOWN_SOURCE;
    }
}

static int whole(pf_leaf *out, pf_leaf_kind kind, pf_type_id iterator_type, Py_ssize_t size) {
    out->kind = kind;
    out->step = 1;
    out->length = size;
    return pf_types.ok[iterator_type] ? 0 : PF_REASON_UNTESTED_TYPE;
}

static int read_range_object(pf_leaf *out) {
    const pf_range *range = (const pf_range *)out->container;
    int over_start = 0, over_step = 0, over_length = 0, over_stop = 0;
    long long start = PyLong_AsLongLongAndOverflow(range->start, &over_start);
    long long step = PyLong_AsLongLongAndOverflow(range->step, &over_step);
    long long length = PyLong_AsLongLongAndOverflow(range->length, &over_length);
    long long stop = PyLong_AsLongLongAndOverflow(range->stop, &over_stop);
    out->kind = PF_LEAF_RANGE;
    out->start = start;
    out->step = step;
    out->length = length;
    /* where iter() makes another kind of iterator, lest start + length * step overflow: its condition is stricter than that */
    if (over_start || over_step || over_length || over_stop ||
        (length > 0 && (step > 0 ? stop > LLONG_MAX - (step - 1) : stop < LLONG_MIN + (-1 - step)))) {
        return PF_REASON_RANGE_TOO_LARGE;
    }
    return pf_types.range_ok && pf_types.ok[PF_T_RANGE_ITER] ? 0 : PF_REASON_UNTESTED_TYPE;
}

int pf_leaf_read_container(PyObject *container, pf_leaf *out) {
    *out = (pf_leaf){.container = container};
    if (PyList_CheckExact(container)) {
        return whole(out, PF_LEAF_LIST, PF_T_LIST_ITER, Py_SIZE(container));
    }
    if (PyTuple_CheckExact(container)) {
        return whole(out, PF_LEAF_TUPLE, PF_T_TUPLE_ITER, Py_SIZE(container));
    }
    if (PyRange_Check(container)) {
        return read_range_object(out);
    }
    if (PyBytes_CheckExact(container)) {
        return whole(out, PF_LEAF_BYTES, PF_T_BYTES_ITER, Py_SIZE(container));
    }
    if (PyByteArray_CheckExact(container)) {
        return whole(out, PF_LEAF_BYTEARRAY, PF_T_BYTEARRAY_ITER, Py_SIZE(container));
    }
    if (PyMemoryView_Check(container)) {
        int reason = check_view(container, &out->format);
        return reason != 0 ? reason
                           : whole(out, PF_LEAF_MEMORYVIEW, PF_T_MEMORY_ITER, PyMemoryView_GET_BUFFER(container)->shape[0]);
    }
    if (pf_types.array != NULL && Py_IS_TYPE(container, pf_types.array)) {
        out->format = ((const pf_array *)container)->descr->typecode;
        return whole(out, PF_LEAF_ARRAY, PF_T_ARRAY_ITER, Py_SIZE(container));
    }
    return PF_REASON_UNKNOWN_SOURCE;
}

static int seek_range(pf_range_iter *it, const pf_leaf *leaf, int64_t taken) {
#if PY_VERSION_HEX < 0x030C0000
    it->index = (long)(leaf->first + taken);
#else
    it->start = (long)((uint64_t)leaf->start + (uint64_t)taken * (uint64_t)leaf->step);
    it->len = (long)(leaf->length - taken);
#endif
    return 0;
}

/* Somebody else may have pulled the iterator at its end and so latched it: it gets its container back. */
static void unlatch(PyObject **slot, PyObject *container) {
    if (*slot == NULL && container != NULL) {
        *slot = Py_NewRef(container);
    }
}

/* The type of a leaf's iterator: `reversed` is the same for all. */
static pf_leaf_kind iterated(const pf_leaf *leaf) {
    return leaf->step < 0 && leaf->kind != PF_LEAF_RANGE ? PF_LEAF_SEQ_REV : leaf->kind;
}

int pf_leaf_seek(const pf_leaf *leaf, int64_t taken) {
    /* of all but ranges, whose step may be far too big for it */
    Py_ssize_t index = (Py_ssize_t)((uint64_t)leaf->first + (uint64_t)taken * (uint64_t)leaf->step);
    if (leaf->iterator == NULL || taken < 0 || taken > leaf->length) {
        return -1;
    }
    switch (iterated(leaf)) {
    case PF_LEAF_RANGE:
        return seek_range((pf_range_iter *)leaf->iterator, leaf, taken);
    case PF_LEAF_ARRAY: {
        pf_array_iter *it = (pf_array_iter *)leaf->iterator;
        unlatch(&it->array, leaf->container);
        it->index = index;
        return 0;
    }
    case PF_LEAF_MEMORYVIEW: {
        pf_memory_iter *it = (pf_memory_iter *)leaf->iterator;
        unlatch(&it->view, leaf->container);
        it->index = index;
        return 0;
    }
    default: {
        pf_seq_iter *it = (pf_seq_iter *)leaf->iterator;
        unlatch(&it->seq, leaf->container);
        it->index = index;
        return 0;
    }
    }
}

void pf_seq_iter_end(PyObject *iterator) {
    pf_seq_iter *it = (pf_seq_iter *)iterator;
    if (Py_IS_TYPE(iterator, &PyListIter_Type)) {
        it->index = -1; /* from 3.13 on that is how a list_iterator knows that it has ended */
    }
    Py_CLEAR(it->seq);
}

void pf_leaf_end(const pf_leaf *leaf) {
    if (pf_leaf_seek(leaf, leaf->length) != 0 || iterated(leaf) == PF_LEAF_RANGE) {
        return;
    }
    switch (iterated(leaf)) { /* its container may have grown since, so it is not pulled */
    case PF_LEAF_ARRAY:
        Py_CLEAR(((pf_array_iter *)leaf->iterator)->array);
        return;
    case PF_LEAF_MEMORYVIEW:
        Py_CLEAR(((pf_memory_iter *)leaf->iterator)->view);
        return;
    default:
        pf_seq_iter_end(leaf->iterator);
    }
}

pf_leaf pf_leaf_view(const pf_leaf *leaf, const pf_node *islice) {
    pf_leaf view = *leaf;
    int64_t skipped = islice->next - islice->count, left = leaf->length - skipped;
    int64_t given = left > 0 ? (left - 1) / islice->islice_step + 1 : 0;
    if (islice->stop >= 0) {
        int64_t limit = islice->stop > islice->next ? (islice->stop - islice->next - 1) / islice->islice_step + 1 : 0;
        given = given < limit ? given : limit;
    }
    view.length = given;
    if (given > 0) {
        view.first += skipped * leaf->step;
        view.start += leaf->kind == PF_LEAF_RANGE ? skipped * leaf->step : 0;
    }
    if (given > 1) { /* else the step means nothing, and may be too large */
        view.step *= islice->islice_step;
    }
    return view;
}

int64_t pf_leaf_taken(const pf_leaf *leaf) {
    switch (iterated(leaf)) {
    case PF_LEAF_RANGE: {
        const pf_range_iter *it = (const pf_range_iter *)leaf->iterator;
#if PY_VERSION_HEX < 0x030C0000
        return it->index - leaf->first;
#else
        return leaf->length - it->len;
#endif
    }
    case PF_LEAF_ARRAY: {
        const pf_array_iter *it = (const pf_array_iter *)leaf->iterator;
        return it->array == leaf->container ? it->index - leaf->first : -1;
    }
    case PF_LEAF_MEMORYVIEW: {
        const pf_memory_iter *it = (const pf_memory_iter *)leaf->iterator;
        return it->view == leaf->container ? it->index - leaf->first : -1;
    }
    default: {
        const pf_seq_iter *it = (const pf_seq_iter *)leaf->iterator;
        return it->seq == leaf->container ? (it->index - leaf->first) * leaf->step : -1;
    }
    }
}

static PyObject *array_item(const pf_leaf *leaf, Py_ssize_t index) {
    const pf_array_iter *it = (const pf_array_iter *)leaf->iterator;
    return index < Py_SIZE(leaf->container) ? it->getitem(leaf->container, index) : NULL;
}

bool pf_leaf_has_grown(const pf_leaf *leaf)
{
    bool grows = leaf->kind == PF_LEAF_LIST || leaf->kind == PF_LEAF_ARRAY || leaf->kind == PF_LEAF_BYTEARRAY;
    return grows && leaf->step > 0 && leaf->container != NULL && Py_SIZE(leaf->container) > leaf->first + leaf->length;
}

PyObject *pf_leaf_item(const pf_leaf *leaf, int64_t row) {
    PyObject *container = leaf->container;
    if (row < 0 || row >= leaf->length) {
        return NULL;
    }
    if (leaf->kind == PF_LEAF_RANGE) {
        return PyLong_FromLongLong((int64_t)((uint64_t)leaf->start + (uint64_t)row * (uint64_t)leaf->step));
    }
    Py_ssize_t index = (Py_ssize_t)(leaf->first + row * leaf->step);
    if (index < 0) {
        return NULL;
    }
    switch (leaf->kind) {
    case PF_LEAF_LIST:
    case PF_LEAF_LIST_REV:
        return index < Py_SIZE(container) ? Py_NewRef(PyList_GET_ITEM(container, index)) : NULL;
    case PF_LEAF_TUPLE:
    case PF_LEAF_SEQ_REV:
        return index < Py_SIZE(container) ? Py_NewRef(PyTuple_GET_ITEM(container, index)) : NULL;
    case PF_LEAF_ARRAY:
        return leaf->step > 0 ? array_item(leaf, index) : PySequence_GetItem(container, index);
    case PF_LEAF_BYTES:
        return index < Py_SIZE(container) ? PyLong_FromLong((unsigned char)PyBytes_AS_STRING(container)[index]) : NULL;
    case PF_LEAF_BYTEARRAY:
        return index < Py_SIZE(container) ? PyLong_FromLong((unsigned char)PyByteArray_AS_STRING(container)[index]) : NULL;
    default:
        return PySequence_GetItem(container, index);
    }
}

PyObject *pf_range_field(PyObject *object, int field) {
    if (!pf_types.range_ok || !PyRange_Check(object)) {
        return NULL;
    }
    const pf_range *range = (const pf_range *)object;
    return field == 0 ? range->start : field == 1 ? range->stop : range->step;
}

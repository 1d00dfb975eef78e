/* Native values back to Python objects. */
#include "sink.h"

#include <string.h>

static PyObject *box(pf_kinds kind, const void *data, bool bytes, int64_t i)
{
    switch (kind) {
    case PF_K_NONE:
        return Py_NewRef(Py_None);
    case PF_K_BOOL:
#ifdef PF_PLANTED_BUG_INT_AS_BOOL_LOST
        return PyLong_FromLong(bytes ? ((const uint8_t *)data)[i] : ((const int64_t *)data)[i] != 0);
#endif
        return Py_NewRef((bytes ? ((const uint8_t *)data)[i] : ((const int64_t *)data)[i]) ? Py_True : Py_False);
    case PF_K_I64:
        return PyLong_FromLongLong(((const int64_t *)data)[i]);
    case PF_K_U64:
        return PyLong_FromUnsignedLongLong(((const uint64_t *)data)[i]);
    case PF_K_F64:
        return PyFloat_FromDouble(((const double *)data)[i]);
    case PF_K_STR:
    case PF_K_OBJ:
        return Py_NewRef((PyObject *)(uintptr_t)((const uint64_t *)data)[i]);
    default:
        PyErr_SetString(PyExc_SystemError, "purefold: a value of no kind");
        return NULL;
    }
}

static PyObject *box_lane(const pf_column_out *column, int64_t i)
{
    return box(column->kind != NULL ? column->kind[i] : column->seen, column->data, column->bytes, i);
}

static PyObject *box_i128(__int128 v)
{
    unsigned char bytes[16];
    memcpy(bytes, &v, sizeof bytes);
    return _PyLong_FromByteArray(bytes, sizeof bytes, 1, 1);
}

PyObject *pf_box_isum(const pf_piece *piece)
{
    PyObject *low = box_i128(piece->isum);
    if (low == NULL || piece->isum_high == 0) {
        return low;
    }
    PyObject *bits = PyLong_FromLong(64), *high = box_i128(piece->isum_high);
    PyObject *shifted = bits != NULL && high != NULL ? PyNumber_Lshift(high, bits) : NULL;
    PyObject *sum = shifted != NULL ? PyNumber_Add(shifted, low) : NULL;
    Py_XDECREF(shifted);
    Py_XDECREF(high);
    Py_XDECREF(bits);
    Py_DECREF(low);
    return sum;
}

PyObject *pf_box_i128(__int128 v)
{
    if (v >= INT64_MIN && v <= INT64_MAX) {
        return PyLong_FromLongLong((int64_t)v);
    }
    unsigned char bytes[16];
    memcpy(bytes, &v, sizeof bytes);
    return _PyLong_FromByteArray(bytes, sizeof bytes, 1, 1);
}

PyObject *pf_box_scalar(const pf_scalar *scalar) { return box(scalar->kind, &scalar->u, false, 0); }

pf_scalar pf_column_scalar(const pf_column_out *column, int64_t i)
{
    pf_scalar out = {.kind = column->kind != NULL ? column->kind[i] : column->seen};
    if (column->bytes) {
        out.u.i = ((const uint8_t *)column->data)[i];
    } else {
        out.u.i = ((const int64_t *)column->data)[i];
    }
    return out;
}

/* Either columns and a row, or one scalar per output. */
typedef struct outputs {
    const pf_column_out *columns;
    const pf_scalar *scalars;
    int64_t i;
} outputs;

static PyObject *box_leaf(const pf_shape *shape, const outputs *from)
{
    if (shape->handle >= 0) {
        uint64_t handle = from->columns != NULL ? ((const uint64_t *)from->columns[shape->handle].data)[from->i]
                                                : from->scalars[shape->handle].u.handle;
        if (handle != 0) {
            return Py_NewRef((PyObject *)(uintptr_t)handle);
        }
    }
    return from->columns != NULL ? box_lane(&from->columns[shape->payload], from->i) : pf_box_scalar(&from->scalars[shape->payload]);
}

/* A walk over the shape of one row. */
typedef struct boxing {
    const pf_shape *shapes;
    const outputs *from;
    PyObject *made[PF_MAX_SHAPE]; /* the objects of earlier nodes, borrowed */
    pf_outer *outer;              /* or NULL */
} boxing;

/* The subtree at *at is that object, which was made before. */
static PyObject *made_before(boxing *b, int *at, PyObject *object)
{
    const pf_shape *shape = &b->shapes[*at];
    b->made[(*at)++] = object;
    for (int i = 0; shape->same < 0 && i < shape->ntuple; i++) {
        made_before(b, at, PyTuple_GET_ITEM(object, i));
    }
    return object;
}

/* The earlier node whose object this is, or -1. */
static int64_t alias_of(const pf_shape *shape, const outputs *from)
{
    if (shape->same >= 0 || shape->alias < 0) {
        return shape->same;
    }
    return from->columns != NULL ? ((const int64_t *)from->columns[shape->alias].data)[from->i] : from->scalars[shape->alias].u.i;
}

static PyObject *box_shape(boxing *b, int *at);

static PyObject *box_tuple(boxing *b, int *at, int n)
{
    PyObject *tuple = PyTuple_New(n);
    for (int i = 0; tuple != NULL && i < n; i++) {
        PyObject *item = box_shape(b, at);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

/* The subtree at node *at, which moves behind it. */
static PyObject *box_shape(boxing *b, int *at)
{
    int node = *at;
    const pf_shape *shape = &b->shapes[node];
    int64_t same = alias_of(shape, b->from);
    if (same >= 0) {
        return Py_NewRef(made_before(b, at, b->made[same]));
    }
    bool keep = b->outer != NULL && shape->outer;
    if (keep && b->outer->object[node] != NULL) {
        return Py_NewRef(made_before(b, at, b->outer->object[node]));
    }
    ++*at;
    PyObject *object = shape->ntuple < 0 ? box_leaf(shape, b->from) : box_tuple(b, at, shape->ntuple);
    if (keep) {
        b->outer->object[node] = Py_XNewRef(object);
    }
    return b->made[node] = object;
}

bool pf_shape_is_flat(const pf_pyplan *plan)
{
    const int n = plan->shape[0].ntuple;
    bool flat = n != 0 && plan->nshape == (n > 0 ? n + 1 : 1) && !plan->has_outer;
    for (int k = n > 0; flat && k < plan->nshape; k++) {
        const pf_shape *leaf = &plan->shape[k];
        flat = leaf->ntuple < 0 && leaf->same < 0 && leaf->alias < 0;
    }
    return flat;
}

PyObject *pf_box_flat(const pf_pyplan *plan, const pf_column_out *columns, int64_t i)
{
    const int n = plan->shape[0].ntuple;
    const outputs from = {columns, NULL, i};
    if (n < 0) {
        return box_leaf(&plan->shape[0], &from);
    }
    PyObject *tuple = PyTuple_New(n);
    for (int k = 0; tuple != NULL && k < n; k++) {
        PyObject *item = box_leaf(&plan->shape[1 + k], &from);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, k, item);
        }
    }
    return tuple;
}

PyObject *pf_box_output(const pf_pyplan *plan, const pf_column_out *columns, int64_t i)
{
    int at = 0;
    outputs from = {columns, NULL, i};
    boxing b = {.shapes = plan->shape, .from = &from};
    return box_shape(&b, &at);
}

PyObject *pf_box_output_of(const pf_pyplan *plan, const pf_column_out *columns, int64_t i, int64_t row, pf_outer *outer)
{
    int at = 0;
    outputs from = {columns, NULL, i};
    boxing b = {.shapes = plan->shape, .from = &from, .outer = outer};
    if (row != outer->row) {
        pf_outer_clear(outer);
        outer->row = row;
    }
    return box_shape(&b, &at);
}

void pf_outer_clear(pf_outer *outer)
{
    for (int i = 0; i < PF_MAX_SHAPE; i++) {
        Py_CLEAR(outer->object[i]);
    }
}

PyObject *pf_box_scalars(const pf_pyplan *plan, const pf_scalar *scalars)
{
    int at = 0;
    outputs from = {NULL, scalars, 0};
    boxing b = {.shapes = plan->shape, .from = &from};
    return box_shape(&b, &at);
}

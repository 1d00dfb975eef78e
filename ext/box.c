/* Native values back to Python objects. */
#include "sink.h"

static PyObject *box(pf_kinds kind, const void *data, bool narrow, int64_t i)
{
    switch (kind) {
    case PF_K_NONE:
        return Py_NewRef(Py_None);
    case PF_K_BOOL:
        return Py_NewRef((narrow ? ((const uint8_t *)data)[i] : ((const int64_t *)data)[i]) ? Py_True : Py_False);
    case PF_K_I64:
        return PyLong_FromLongLong(((const int64_t *)data)[i]);
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
    return box(column->kind != NULL ? column->kind[i] : column->seen, column->data, column->kind == NULL && column->seen == PF_K_BOOL, i);
}

PyObject *pf_box_scalar(const pf_scalar *scalar) { return box(scalar->kind, &scalar->u, false, 0); }

pf_scalar pf_column_scalar(const pf_column_out *column, int64_t i)
{
    pf_scalar out = {.kind = column->kind != NULL ? column->kind[i] : column->seen};
    if (column->kind == NULL && column->seen == PF_K_BOOL) {
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

/* The subtree at node *at, which moves behind it. made: the objects of earlier nodes, borrowed. */
static PyObject *box_shape(const pf_shape *shapes, int *at, const outputs *from, PyObject **made)
{
    int node = (*at)++;
    const pf_shape *shape = &shapes[node];
    if (shape->same >= 0) {
        return Py_NewRef(made[shape->same]);
    }
    if (shape->ntuple < 0) {
        return made[node] = box_leaf(shape, from);
    }
    PyObject *tuple = made[node] = PyTuple_New(shape->ntuple);
    for (int i = 0; tuple != NULL && i < shape->ntuple; i++) {
        PyObject *item = box_shape(shapes, at, from, made);
        if (item == NULL) {
            Py_CLEAR(tuple);
        } else {
            PyTuple_SET_ITEM(tuple, i, item);
        }
    }
    return tuple;
}

PyObject *pf_box_output(const pf_pyplan *plan, const pf_column_out *columns, int64_t i)
{
    PyObject *made[PF_MAX_SHAPE];
    int at = 0;
    outputs from = {columns, NULL, i};
    return box_shape(plan->shape, &at, &from, made);
}

PyObject *pf_box_scalars(const pf_pyplan *plan, const pf_scalar *scalars)
{
    PyObject *made[PF_MAX_SHAPE];
    int at = 0;
    outputs from = {NULL, scalars, 0};
    return box_shape(plan->shape, &at, &from, made);
}

/* Accumulators in numbers (accum.h). */
#include "accum.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../core/run/kernels.h"
#include "pylong.h"
#include "sink.h"

typedef struct pf_step_part spec;

/* ---- whole numbers ---- */

static __int128 neutral(int op) { return op == PF_STEP_MUL ? 1 : op == PF_STEP_AND ? -1 : 0; }

static binaryfunc operator_of(int op)
{
    switch (op) {
    case PF_STEP_MUL:
        return PyNumber_Multiply;
    case PF_STEP_AND:
        return PyNumber_And;
    case PF_STEP_OR:
        return PyNumber_Or;
    case PF_STEP_XOR:
        return PyNumber_Xor;
    default:
        return PyNumber_Add;
    }
}

/* New reference: the value of an INT part. */
static PyObject *int_value(const pf_part *part, int op)
{
    if (part->object != NULL && part->by == neutral(op)) {
        return Py_NewRef(part->object);
    }
    PyObject *by = pf_box_i128(part->by);
    if (by == NULL || part->object == NULL) {
        return by;
    }
    PyObject *value = operator_of(op)(part->object, by);
    Py_DECREF(by);
    return value;
}

/* ---- from and to objects ---- */

static bool set_part(pf_part *part, pf_part_kind kind, PyObject *object)
{
    part->kind = (uint8_t)kind;
    part->object = object;
    return object != NULL;
}

static bool enter_extreme(pf_part *part, PyObject *object)
{
    if (PyFloat_CheckExact(object)) {
        part->f = PyFloat_AS_DOUBLE(object);
        return set_part(part, PF_PART_LEAST_FLOAT, Py_NewRef(object));
    }
    return PyLong_CheckExact(object) && pf_long_as_i64(object, &part->i) && set_part(part, PF_PART_LEAST_INT, Py_NewRef(object));
}

static bool enter_part(pf_part *part, const spec *how, PyObject *object)
{
    if (how->op == PF_STEP_KEEP) {
        return set_part(part, PF_PART_OBJECT, Py_NewRef(object));
    }
    if (how->op >= PF_STEP_KEEP_LT) {
        return enter_extreme(part, object);
    }
    part->by = neutral(how->op);
    if (PyLong_CheckExact(object)) {
        return set_part(part, PF_PART_INT, Py_NewRef(object));
    }
    bool arithmetic = how->op == PF_STEP_ADD || how->op == PF_STEP_MUL;
    if (PyBool_Check(object) && arithmetic && how->always) { /* the first row makes an int of it */
        return set_part(part, PF_PART_INT, PyLong_FromLong(object == Py_True));
    }
    /* a sum that is NaN is another object after each row, which cannot be seen in its value */
    part->f = PyFloat_CheckExact(object) ? PyFloat_AS_DOUBLE(object) : NAN;
    return how->op == PF_STEP_ADD && !isnan(part->f) && set_part(part, PF_PART_FLOAT, Py_NewRef(object));
}

static void drop_parts(pf_accum *acc)
{
    for (int i = 0; i < PF_MAX_PARTS; i++) {
        Py_CLEAR(acc->parts[i].object);
    }
    acc->in_parts = false;
}

void pf_accum_clear(pf_accum *acc)
{
    drop_parts(acc);
    Py_CLEAR(acc->object);
}

void pf_accum_set(pf_accum *acc, PyObject *object)
{
    drop_parts(acc);
    Py_XSETREF(acc->object, object);
}

static PyObject *part_value(const pf_part *part, const spec *how)
{
    if (part->kind == PF_PART_INT) {
        return int_value(part, how->op);
    }
    if (part->object != NULL) {
        return Py_NewRef(part->object);
    }
    return part->kind == PF_PART_LEAST_INT ? PyLong_FromLongLong(part->i) : PyFloat_FromDouble(part->f);
}

PyObject *pf_accum_object(pf_accum *acc)
{
    const pf_step *step = &acc->step;
    if (!acc->in_parts) {
        return acc->object;
    }
    PyObject *object = step->tuple ? PyTuple_New(step->n) : part_value(&acc->parts[0], &step->parts[0]);
    for (int i = 0; object != NULL && step->tuple && i < step->n; i++) {
        PyObject *value = part_value(&acc->parts[i], &step->parts[i]);
        if (value == NULL) {
            Py_CLEAR(object);
        } else {
            PyTuple_SET_ITEM(object, i, value);
        }
    }
    if (object != NULL) {
        pf_accum_set(acc, object);
    }
    return object;
}

/* ---- sums ---- */

/* An int part as the float that CPython would convert it to. */
static bool become_float(pf_part *part, const spec *how)
{
    int64_t whole = 0;
    if (!how->always || (part->object != NULL && !pf_long_as_i64(part->object, &whole))) {
        return false;
    }
    part->f = (double)(part->by + whole);
    Py_CLEAR(part->object);
    part->kind = PF_PART_FLOAT;
    return true;
}

static void moved(pf_part *part, double before)
{
    if (memcmp(&before, &part->f, sizeof before) != 0) {
        Py_CLEAR(part->object);
    }
}

static bool add_floats(pf_part *part, const spec *how, const double *x, int64_t n, const pf_fblocks *blocks, int *guess)
{
    if (part->kind == PF_PART_INT && !become_float(part, how)) {
        return false;
    }
    pf_fsum sum = {.sum = part->f, .flavour = PF_FSUM_PLAIN};
    pf_fsum_apply(&sum, x, n, blocks, guess);
    double before = part->f;
    part->f = sum.sum;
    moved(part, before);
    return true;
}

static bool add_constant(pf_part *part, int64_t value, int64_t n)
{
    if (part->kind == PF_PART_INT) {
        part->by += (__int128)value * n;
        return true;
    }
    double before = part->f;
    for (int64_t i = 0; i < n; i++) {
        part->f += (double)value;
    }
    moved(part, before);
    return true;
}

/* One by one, where kinds are mixed or the sum is a float. */
static bool add_lanes(pf_part *part, const spec *how, const pf_column_out *column, int64_t from, int64_t n)
{
    double before = part->f;
    if (part->kind == PF_PART_FLOAT && !how->always) { /* 0 is not neutral to -0.0 */
        return false;
    }
    for (int64_t i = from; i < n; i++) {
        pf_scalar e = pf_column_scalar(column, i);
        if (part->kind == PF_PART_INT && e.kind == PF_K_I64) {
            part->by += e.u.i;
            continue;
        }
        if (part->kind == PF_PART_INT && !become_float(part, how)) {
            return false;
        }
        part->f += e.kind == PF_K_I64 ? (double)e.u.i : e.u.f;
    }
    if (part->kind == PF_PART_FLOAT) {
        moved(part, before);
    }
    return true;
}

static bool add_column(pf_part *part, const spec *how, const pf_column_out *column, int64_t from, int64_t n)
{
    if (column->kind == NULL && column->seen == PF_K_F64) {
        return add_floats(part, how, (const double *)column->data + from, n - from, NULL, NULL);
    }
    if (column->kind == NULL && column->seen == PF_K_I64 && part->kind == PF_PART_INT) {
        part->by += pf_run_kernels()->sum_wide((const int64_t *)column->data + from, (int32_t)(n - from));
        return true;
    }
    return add_lanes(part, how, column, from, n);
}

/* ---- the other ops on ints ---- */

/* Products beyond 64 bits are put on top of the object, up to a size at which CPython is as good. */
static bool multiply(pf_part *part, const int64_t *x, int64_t n)
{
    enum { MOST_BITS = 4096 };
    int64_t by = (int64_t)part->by;
    for (int64_t i = 0; i < n; i++) {
        int64_t product;
        if (!__builtin_mul_overflow(by, x[i], &product)) {
            by = product;
            continue;
        }
        part->by = by;
        PyObject *value = int_value(part, PF_STEP_MUL);
        if (value == NULL || _PyLong_NumBits(value) > MOST_BITS) {
            Py_XDECREF(value);
            return false;
        }
        Py_XSETREF(part->object, value);
        by = x[i];
    }
    part->by = by;
    return true;
}

static bool combine_column(pf_part *part, const spec *how, const pf_column_out *column, int64_t from, int64_t n)
{
    if (part->kind != PF_PART_INT || column->kind != NULL || column->seen != PF_K_I64) {
        return false;
    }
    const int64_t *x = column->data;
    if (how->op == PF_STEP_MUL) {
        return multiply(part, x + from, n - from);
    }
    int64_t by = (int64_t)part->by;
    for (int64_t i = from; i < n; i++) {
        by = how->op == PF_STEP_AND ? by & x[i] : how->op == PF_STEP_OR ? by | x[i] : by ^ x[i];
    }
    part->by = by;
    return true;
}

/* ---- the smaller and the larger ---- */

/* Of whole numbers only the extreme one counts: the first of equal ones, or the last. -1: the part stays. */
static int64_t extreme_int(pf_part *part, int op, const int64_t *x, int64_t n)
{
    bool largest = op == PF_STEP_KEEP_GT || op == PF_STEP_KEEP_GE || op == PF_STEP_TAKE_LT || op == PF_STEP_TAKE_LE;
    bool last = op == PF_STEP_KEEP_GT || op == PF_STEP_KEEP_LT || op == PF_STEP_TAKE_LE || op == PF_STEP_TAKE_GE;
    const pf_run_kernel_table *kernels = pf_run_kernels();
    int64_t at = (largest ? kernels->most_i64 : kernels->least_i64)(x, (int32_t)n), best = x[at];
    if (best == part->i ? !last : (best < part->i) == largest) {
        return -1;
    }
    for (int64_t i = n - 1; last; i--) {
        if (x[i] == best) {
            at = i;
            break;
        }
    }
    part->i = best;
    return at;
}

#define IN_ORDER(keeps)                                                                                                \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        if (!(keeps)) {                                                                                                \
            v = x[i];                                                                                                  \
            at = i;                                                                                                    \
        }                                                                                                              \
    }                                                                                                                  \
    break

/* Floats as they come: NaN compares with nothing, and -0.0 equals 0.0. */
static int64_t extreme_float(pf_part *part, int op, const double *x, int64_t n)
{
    double v = part->f;
    int64_t at = -1;
    switch (op) {
    case PF_STEP_KEEP_LT:
        IN_ORDER(v < x[i]);
    case PF_STEP_KEEP_LE:
        IN_ORDER(v <= x[i]);
    case PF_STEP_KEEP_GT:
        IN_ORDER(v > x[i]);
    case PF_STEP_KEEP_GE:
        IN_ORDER(v >= x[i]);
    case PF_STEP_TAKE_LT:
        IN_ORDER(!(v < x[i]));
    case PF_STEP_TAKE_LE:
        IN_ORDER(!(v <= x[i]));
    case PF_STEP_TAKE_GT:
        IN_ORDER(!(v > x[i]));
    default:
        IN_ORDER(!(v >= x[i]));
    }
    part->f = v;
    return at;
}

static bool stays(int op, long double v, long double e)
{
    switch (op) {
    case PF_STEP_KEEP_LT:
        return v < e;
    case PF_STEP_KEEP_LE:
        return v <= e;
    case PF_STEP_KEEP_GT:
        return v > e;
    case PF_STEP_KEEP_GE:
        return v >= e;
    case PF_STEP_TAKE_LT:
        return !(v < e);
    case PF_STEP_TAKE_LE:
        return !(v <= e);
    case PF_STEP_TAKE_GT:
        return !(v > e);
    default:
        return !(v >= e);
    }
}

/* Ints among floats, in order. A long double holds both exactly. */
static int64_t extreme_lane(pf_part *part, int op, const pf_column_out *column, int64_t from, int64_t n)
{
    _Static_assert(LDBL_MANT_DIG >= 64, "ints and floats are compared as long doubles");
    long double v = part->kind == PF_PART_LEAST_INT ? (long double)part->i : (long double)part->f;
    int64_t at = -1;
    for (int64_t i = from; i < n; i++) {
        pf_scalar e = pf_column_scalar(column, i);
        long double value = e.kind == PF_K_I64 ? (long double)e.u.i : (long double)e.u.f;
        if (!stays(op, v, value)) {
            v = value;
            at = i;
        }
    }
    if (at >= 0) {
        pf_scalar e = pf_column_scalar(column, at);
        part->kind = e.kind == PF_K_I64 ? PF_PART_LEAST_INT : PF_PART_LEAST_FLOAT;
        part->i = e.kind == PF_K_I64 ? e.u.i : 0;
        part->f = e.kind == PF_K_I64 ? 0.0 : e.u.f;
    }
    return at;
}

static PyObject *object_at(const pf_piece *piece, const spec *how, int64_t i)
{
    uint64_t handle = how->handle < 0 ? 0 : ((const uint64_t *)piece->columns[how->handle].data)[i];
    return Py_XNewRef((PyObject *)(uintptr_t)handle);
}

static void choose_column(pf_part *part, const spec *how, const pf_piece *piece, int64_t from, int64_t n)
{
    const pf_column_out *column = &piece->columns[how->output];
    pf_kinds kind = column->kind == NULL ? column->seen : 0;
    int64_t at = -1;
    if (n == from) {
        return;
    }
    if (kind == PF_K_I64 && part->kind == PF_PART_LEAST_INT) {
        at = extreme_int(part, how->op, (const int64_t *)column->data + from, n - from);
    } else if (kind == PF_K_F64 && part->kind == PF_PART_LEAST_FLOAT) {
        at = extreme_float(part, how->op, (const double *)column->data + from, n - from);
    } else {
        at = extreme_lane(part, how->op, column, from, n);
        at -= at >= 0 ? from : 0;
    }
    if (at >= 0) {
        Py_XSETREF(part->object, object_at(piece, how, from + at));
    }
}

/* ---- pieces ---- */

static bool enter(pf_accum *acc, const pf_step *step, PyObject *object)
{
    if (step->tuple && (!PyTuple_CheckExact(object) || PyTuple_GET_SIZE(object) != step->n)) {
        return false;
    }
    for (int i = 0; i < step->n; i++) {
        if (!enter_part(&acc->parts[i], &step->parts[i], step->tuple ? PyTuple_GET_ITEM(object, i) : object)) {
            return false;
        }
    }
    return true;
}

static void enter_row(pf_accum *acc, const pf_step *step, const pf_piece *piece)
{
    for (int i = 0; i < step->n; i++) {
        const spec *how = &step->parts[i];
        pf_part *part = &acc->parts[i];
        pf_scalar e = how->constant ? (pf_scalar){.kind = PF_K_I64, .u.i = how->value} : pf_column_scalar(&piece->columns[how->output], 0);
        bool extreme = how->op >= PF_STEP_KEEP_LT;
        part->kind = e.kind == PF_K_F64 ? (extreme ? PF_PART_LEAST_FLOAT : PF_PART_FLOAT) : extreme ? PF_PART_LEAST_INT : PF_PART_INT;
        part->by = part->i = e.kind == PF_K_I64 ? e.u.i : 0;
        part->f = e.kind == PF_K_F64 ? e.u.f : 0.0;
        part->object = extreme ? object_at(piece, how, 0) : NULL;
    }
}

static bool add_isum(pf_part *part, const pf_piece *piece)
{
    if (part->kind != PF_PART_INT) {
        return false;
    }
    if (piece->isum_high == 0) {
        part->by += piece->isum;
        return true;
    }
    PyObject *sum = pf_box_isum(piece);
    PyObject *value = sum != NULL ? int_value(part, PF_STEP_ADD) : NULL;
    PyObject *next = value != NULL ? PyNumber_Add(value, sum) : NULL;
    Py_XDECREF(sum);
    Py_XDECREF(value);
    if (next == NULL) {
        return false;
    }
    Py_XSETREF(part->object, next);
    part->by = 0;
    return true;
}

static bool take_part(pf_part *part, const spec *how, pf_sink_kind sink, const pf_piece *piece, int64_t from, int *guess)
{
    if (sink == PF_SINK_ISUM) {
        return add_isum(part, piece);
    }
    if (sink == PF_SINK_FSUM) {
        return add_floats(part, how, piece->columns[0].data, piece->count, piece->fblocks, guess);
    }
    if (how->constant) {
        return add_constant(part, how->value, piece->count - from);
    }
    switch (how->op) {
    case PF_STEP_KEEP:
        return true;
    case PF_STEP_ADD:
        return add_column(part, how, &piece->columns[how->output], from, piece->count);
    case PF_STEP_MUL:
    case PF_STEP_AND:
    case PF_STEP_OR:
    case PF_STEP_XOR:
        return combine_column(part, how, &piece->columns[how->output], from, piece->count);
    default:
        choose_column(part, how, piece, from, piece->count);
        return true;
    }
}

bool pf_accum_piece(pf_accum *acc, const pf_step *step, pf_sink_kind sink, const pf_piece *piece, int *guess)
{
    pf_accum next = {.in_parts = true, .step = *step};
    int64_t from = 0;
    bool ok = true;
    if (acc->in_parts) {
        memcpy(next.parts, acc->parts, sizeof next.parts);
        for (int i = 0; i < step->n; i++) {
            Py_XINCREF(next.parts[i].object);
        }
    } else if (acc->object != NULL) {
        ok = enter(&next, step, acc->object);
    } else if (sink == PF_SINK_ISUM) {
        next.parts[0].kind = PF_PART_INT;
        ok = piece->count > 1; /* one row alone is the result itself */
    } else {
        enter_row(&next, step, piece);
        from = 1;
    }
    for (int i = 0; ok && i < step->n; i++) {
        ok = take_part(&next.parts[i], &step->parts[i], sink, piece, from, guess);
    }
    if (!ok) {
        pf_accum_clear(&next);
        return false;
    }
    pf_accum_clear(acc);
    *acc = next;
    return true;
}

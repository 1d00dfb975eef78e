/* Reading an exact int without calling into the interpreter: any thread may do it while the GIL is held somewhere. */
#ifndef PF_EXT_PYLONG_H
#define PF_EXT_PYLONG_H

#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

/* An int of at most one digit, without a branch on its sign or on zero, since those come in any order. False: it is longer. */
static inline bool pf_long_is_short(PyObject *object, int64_t *out)
{
    const PyLongObject *v = (const PyLongObject *)object;
#if PY_VERSION_HEX >= 0x030c0000
    uintptr_t tag = v->long_value.lv_tag;
    *out = (1 - (int64_t)(tag & 3)) * (int64_t)v->long_value.ob_digit[0];
    return tag < (2 << 3);
#else
    Py_ssize_t size = Py_SIZE(v);
    const digit *first = v->ob_digit - (size == 0); /* zero has no digit to read: any other word will do */
    *out = (int64_t)size * (int64_t)*first;
    return (size_t)size + 1 <= 2;
#endif
}

/* False when the value does not fit 64 bits. object must be an exact int. */
static inline bool pf_long_as_i64(PyObject *object, int64_t *out)
{
    const PyLongObject *v = (const PyLongObject *)object;
#if PY_VERSION_HEX >= 0x030c0000
    const digit *digits = v->long_value.ob_digit;
    uintptr_t tag = v->long_value.lv_tag;
    Py_ssize_t ndigits = (Py_ssize_t)(tag >> 3);
    bool negative = (tag & 3) == 2;
#else
    const digit *digits = v->ob_digit;
    Py_ssize_t size = Py_SIZE(v);
    Py_ssize_t ndigits = size < 0 ? -size : size;
    bool negative = size < 0;
#endif
    uint64_t magnitude;
    switch (ndigits) {
    case 0:
        *out = 0;
        return true;
    case 1:
        *out = negative ? -(int64_t)digits[0] : (int64_t)digits[0];
        return true;
    case 2:
        magnitude = (uint64_t)digits[0] | (uint64_t)digits[1] << PyLong_SHIFT;
        *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
        return true;
    case 3:
        if (digits[2] >> (64 - 2 * PyLong_SHIFT) != 0) {
            return false;
        }
        magnitude = (uint64_t)digits[0] | (uint64_t)digits[1] << PyLong_SHIFT | (uint64_t)digits[2] << 2 * PyLong_SHIFT;
        if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
            return false;
        }
        *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
        return true;
    default:
        return false;
    }
}

#endif

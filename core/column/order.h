/* Comparing strs by code point, and scalars by value, as CPython does. */
#ifndef PF_COLUMN_ORDER_H
#define PF_COLUMN_ORDER_H

#include <string.h>

#include "vec.h"

/* Texts that are asked about are short, and as a rule of one length: a call of memcmp would take longer than the
 * answer. */
static inline bool pf_bytes_equal(const void *a, const void *b, size_t n)
{
    const char *x = a, *y = b;
    uint64_t first[2] = {0}, rest[2] = {0};
    if (n > 16) {
        return memcmp(x, y, n) == 0;
    }
    if (n >= 8) {
        memcpy(&first[0], x, 8);
        memcpy(&first[1], y, 8);
        memcpy(&rest[0], x + n - 8, 8);
        memcpy(&rest[1], y + n - 8, 8);
    } else if (n >= 4) {
        memcpy(&first[0], x, 4);
        memcpy(&first[1], y, 4);
        memcpy(&rest[0], x + n - 4, 4);
        memcpy(&rest[1], y + n - 4, 4);
    } else if (n >= 2) {
        memcpy(&first[0], x, 2);
        memcpy(&first[1], y, 2);
        rest[0] = (uint8_t)x[n - 1];
        rest[1] = (uint8_t)y[n - 1];
    } else if (n == 1) {
        return *x == *y;
    }
    return ((first[0] ^ first[1]) | (rest[0] ^ rest[1])) == 0;
}

static inline bool pf_text_equal(const pf_str_view *a, const pf_str_view *b)
{
    return a->length == b->length && a->width == b->width &&
           pf_bytes_equal(a->data, b->data, (size_t)a->length * a->width);
}

static inline uint32_t pf_text_at(const pf_str_view *s, uint32_t i)
{
    switch (s->width) {
    case 1:
        return ((const uint8_t *)s->data)[i];
    case 2:
        return ((const uint16_t *)s->data)[i];
    default:
        return ((const uint32_t *)s->data)[i];
    }
}

/* Less than, equal to or greater than 0, as a is smaller than, equal to or larger than b. */
static inline int pf_text_compare(const pf_str_view *a, const pf_str_view *b)
{
    const uint32_t n = a->length < b->length ? a->length : b->length;
#ifdef PF_PLANTED_BUG_TEXT_BY_BYTES
    if (a->width == b->width) {
        const int bytes = memcmp(a->data, b->data, (size_t)n * a->width);
        return bytes != 0 ? bytes : (a->length > b->length) - (a->length < b->length);
    }
#endif
    if (a->width == 1 && b->width == 1) {
        const int order = memcmp(a->data, b->data, n);
        if (order != 0) {
            return order;
        }
    } else {
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t x = pf_text_at(a, i), y = pf_text_at(b, i);
            if (x != y) {
                return x < y ? -1 : 1;
            }
        }
    }
    return (a->length > b->length) - (a->length < b->length);
}

/* An int against a float that is no NaN, exactly. */
static inline int pf_order_int_float(int64_t i, double d)
{
    if (d >= 0x1p63 || d < -0x1p63) {
        return d > 0 ? -1 : 1;
    }
    const int64_t whole = (int64_t)d; /* towards 0; what is cut off is exact, and decides where the whole parts agree */
    const double rest = d - (double)whole;
    return i != whole ? (i < whole ? -1 : 1) : (rest < 0) - (rest > 0);
}

/* Two scalars of kinds that compare with each other: numbers but no NaN, strs, or None and None, which are alike. */
static inline int pf_order_scalars(const pf_scalar *a, const pf_scalar *b, pf_str_view_fn str_view)
{
    if (a->kind == PF_K_NONE || (a->kind == PF_K_STR && a->u.handle == b->u.handle)) {
        return 0;
    }
    if (a->kind == PF_K_STR) {
        const pf_str_view x = str_view(a->u.handle), y = str_view(b->u.handle);
        return pf_text_compare(&x, &y);
    }
    if (a->kind == PF_K_F64) {
        return b->kind == PF_K_F64 ? (a->u.f > b->u.f) - (a->u.f < b->u.f) : -pf_order_int_float(b->u.i, a->u.f);
    }
    return b->kind == PF_K_F64 ? pf_order_int_float(a->u.i, b->u.f) : (a->u.i > b->u.i) - (a->u.i < b->u.i);
}

#endif

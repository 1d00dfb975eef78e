/* Comparing strs: by code point, as CPython does. */
#ifndef PF_COLUMN_TEXT_H
#define PF_COLUMN_TEXT_H

#include <string.h>

#include "vec.h"

static inline bool pf_text_equal(const pf_str_view *a, const pf_str_view *b)
{
    return a->length == b->length && a->width == b->width &&
           memcmp(a->data, b->data, (size_t)a->length * a->width) == 0;
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

#endif

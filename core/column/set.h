/* A set of scalars that rows are looked up in: the right side of `in`.
 *
 * Membership is Python's: an item that equals the value, whatever kinds they are of (1, 1.0 and True are one), or that
 * is the very value, which matters for NaN alone. So there is one table of all ints that some item equals and one of
 * all floats; a value is looked up in that of its own kind and never converted.
 *
 * Immutable once made; thread-safe. Strs are handles, which whoever made the set keeps alive as long as it. */
#ifndef PF_COLUMN_SET_H
#define PF_COLUMN_SET_H

#include <purefold/status.h>
#include <string.h>

#include "order.h"

/* Open addressing at most half full. `empty` marks free places and is no member. */
typedef struct pf_lookup {
    int64_t *places;
    unsigned shift; /* 64 less the bits of the table's size */
    int64_t empty;
} pf_lookup;

typedef struct pf_set_text {
    uint64_t hash; /* 0: free */
    uint64_t handle;
} pf_set_text;

typedef struct pf_set {
    pf_scalar *items; /* as they were given */
    size_t n;
    pf_lookup ints;
    pf_lookup floats; /* by their bits, 0.0 for both zeros */
    pf_set_text *texts;
    unsigned text_shift;
    bool has_none, has_nan;
} pf_set;

/* Items of kinds none, bool, i64, f64 and str. PF_NOMEM. */
PF_MUST_CHECK pf_status pf_set_new(const pf_scalar *items, size_t n, pf_str_view_fn str_view, pf_set **out);
void pf_set_free(pf_set *set); /* NULL allowed */

static inline uint64_t pf_lookup_place(const pf_lookup *l, int64_t key)
{
    return ((uint64_t)key * UINT64_C(0x9E3779B97F4A7C15)) >> l->shift;
}

static inline bool pf_lookup_has(const pf_lookup *l, int64_t key)
{
    const uint64_t last = UINT64_MAX >> l->shift;
    if (key == l->empty) {
        return false;
    }
    for (uint64_t at = pf_lookup_place(l, key);; at = (at + 1) & last) {
        if (l->places[at] == key || l->places[at] == l->empty) {
            return l->places[at] == key;
        }
    }
}

static inline bool pf_set_has_i64(const pf_set *set, int64_t value)
{
    return pf_lookup_has(&set->ints, value);
}

/* value is no NaN. */
static inline bool pf_set_has_f64(const pf_set *set, double value)
{
    int64_t bits = 0;
    if (value != 0) {
        memcpy(&bits, &value, sizeof bits);
    }
    return pf_lookup_has(&set->floats, bits);
}

bool pf_set_has_str(const pf_set *set, uint64_t handle, pf_str_view_fn str_view);

#endif

/* Building the tables of a set, and looking strs up (set.h). */
#include "set.h"

#include "../base/mem.h"

enum { FEWEST_BITS = 3 };

/* Bits of a table for n members that is at most half full. */
static unsigned bits_for(size_t n)
{
    unsigned bits = FEWEST_BITS;
    while (((size_t)1 << bits) < 2 * n) {
        bits++;
    }
    return bits;
}

static bool is_among(const int64_t *keys, size_t n, int64_t key)
{
    for (size_t i = 0; i < n; i++) {
        if (keys[i] == key) {
            return true;
        }
    }
    return false;
}

static pf_status fill(pf_lookup *l, const int64_t *keys, size_t n)
{
    const unsigned bits = bits_for(n);
    const size_t size = (size_t)1 << bits;
    l->shift = 64 - bits;
    l->empty = INT64_C(-0x4d8a1c96e57f3b12); /* some number that few will ask for */
    while (is_among(keys, n, l->empty)) {
        l->empty = (int64_t)((uint64_t)l->empty * UINT64_C(6364136223846793005) + 1442695040888963407u);
    }
    l->places = pf_mem_alloc(size * sizeof *l->places);
    if (l->places == NULL) {
        return PF_NOMEM;
    }
    for (size_t i = 0; i < size; i++) {
        l->places[i] = l->empty;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t at = pf_lookup_place(l, keys[i]);
        while (l->places[at] != l->empty && l->places[at] != keys[i]) {
            at = (at + 1) & (size - 1);
        }
        l->places[at] = keys[i];
    }
    return PF_OK;
}

/* The int that equals this number, if there is one. */
static bool as_int(const pf_scalar *item, int64_t *out)
{
    if (item->kind != PF_K_F64) {
        *out = item->u.i;
        return item->kind == PF_K_I64 || item->kind == PF_K_BOOL;
    }
    const bool fits = item->u.f >= -0x1p63 && item->u.f < 0x1p63;
    *out = fits ? (int64_t)item->u.f : 0;
    return fits && (double)*out == item->u.f;
}

/* The bits of the float that equals it, if there is one. */
static bool as_float(const pf_scalar *item, int64_t *out)
{
    double d = item->u.f;
    if (item->kind == PF_K_I64 || item->kind == PF_K_BOOL) {
        d = (double)item->u.i;
        if (pf_order_int_float(item->u.i, d) != 0) {
            return false;
        }
    } else if (item->kind != PF_K_F64 || d != d) {
        return false;
    }
    *out = 0;
    if (d != 0) {
        memcpy(out, &d, sizeof *out);
    }
    return true;
}

static pf_status add_numbers(pf_set *set, int64_t *keys)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        n += as_int(&set->items[i], &keys[n]);
    }
    PF_TRY(fill(&set->ints, keys, n));
    n = 0;
    for (size_t i = 0; i < set->n; i++) {
        n += as_float(&set->items[i], &keys[n]);
    }
    return fill(&set->floats, keys, n);
}

/* ---- strs ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

/* Equal strs have equal bytes: they are always as narrow as can be. */
static uint64_t hash_of(const pf_str_view *text)
{
    const char *at = text->data;
    size_t left = (size_t)text->length * text->width;
    uint64_t h = mix(text->length, text->width), word = 0;
    for (; left >= sizeof word; left -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        h = mix(h, word);
    }
    word = 0;
    memcpy(&word, at, left);
    h = mix(h, word);
    return h != 0 ? h : 1;
}

static pf_set_text *find(const pf_set *set, uint64_t hash, const pf_str_view *text, pf_str_view_fn str_view)
{
    const uint64_t last = UINT64_MAX >> set->text_shift;
    for (uint64_t at = hash >> set->text_shift;; at = (at + 1) & last) {
        pf_set_text *place = &set->texts[at];
        if (place->hash == 0) {
            return place;
        }
        if (place->hash == hash) {
            const pf_str_view other = str_view(place->handle);
            if (pf_text_equal(text, &other)) {
                return place;
            }
        }
    }
}

static pf_status add_texts(pf_set *set, pf_str_view_fn str_view)
{
    size_t n = 0;
    for (size_t i = 0; i < set->n; i++) {
        n += set->items[i].kind == PF_K_STR;
    }
    const unsigned bits = bits_for(n);
    set->text_shift = 64 - bits;
    set->texts = pf_mem_calloc((size_t)1 << bits, sizeof *set->texts);
    if (set->texts == NULL) {
        return PF_NOMEM;
    }
    for (size_t i = 0; i < set->n; i++) {
        if (set->items[i].kind == PF_K_STR) {
            const pf_str_view text = str_view(set->items[i].u.handle);
            const uint64_t hash = hash_of(&text);
            *find(set, hash, &text, str_view) = (pf_set_text){hash, set->items[i].u.handle};
        }
    }
    return PF_OK;
}

bool pf_set_has_str(const pf_set *set, uint64_t handle, pf_str_view_fn str_view)
{
    const pf_str_view text = str_view(handle);
    return find(set, hash_of(&text), &text, str_view)->hash != 0;
}

/* ---- life ---- */

pf_status pf_set_new(const pf_scalar *items, size_t n, pf_str_view_fn str_view, pf_set **out)
{
    pf_set *set = pf_mem_calloc(1, sizeof *set);
    int64_t *keys = pf_mem_alloc((n + 1) * sizeof *keys);
    pf_status status = PF_NOMEM;
    if (set == NULL || keys == NULL) {
        goto out;
    }
    set->items = pf_mem_alloc((n + 1) * sizeof *set->items);
    if (set->items == NULL) {
        goto out;
    }
    memcpy(set->items, items, n * sizeof *items);
    set->n = n;
    for (size_t i = 0; i < n; i++) {
        set->has_none |= items[i].kind == PF_K_NONE;
        set->has_nan |= items[i].kind == PF_K_F64 && items[i].u.f != items[i].u.f;
    }
    status = add_numbers(set, keys);
    if (status == PF_OK) {
        status = add_texts(set, str_view);
    }
out:
    pf_mem_free(keys);
    if (status != PF_OK) {
        pf_set_free(set);
        return status;
    }
    *out = set;
    return PF_OK;
}

void pf_set_free(pf_set *set)
{
    if (set != NULL) {
        pf_mem_free(set->items);
        pf_mem_free(set->ints.places);
        pf_mem_free(set->floats.places);
        pf_mem_free(set->texts);
        pf_mem_free(set);
    }
}

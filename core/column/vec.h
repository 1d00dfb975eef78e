/* A vector: up to 1,024 lanes of one column.
 *
 * Payload per lane: 8 bytes (int64_t, double, or a handle), except that a column of kind bool alone has 1 byte per
 * lane. `kind` is NULL when every lane has the single kind in `seen`; else one PF_K_* byte per lane, and `seen` is
 * their union. [lo, hi] encloses all i64 lanes (INT64_MIN..INT64_MAX when nothing is known). Dead lanes and lanes
 * beyond n hold any bits; kernels may read and write up to the capacity.
 *
 * A column of i64 may be given as an arithmetic sequence: with `iota` set, lane i is start + i * step (none of which
 * overflows), and `data` points at memory that whoever needs the lanes fills. So gathering a range costs nothing.
 * Whoever fills `data` himself leaves or sets `iota` false. An output of a program is a sequence only where it is
 * summed (PF_OUTPUTS_SUM): the lanes of one whose bits are set in `kept`, if that is not NULL.
 *
 * Whoever copies lanes out of memory may say in `ahead` where the next vector's will come from: it is asked for
 * (prefetched, never read) while this one is computed. */
#ifndef PF_COLUMN_VEC_H
#define PF_COLUMN_VEC_H

#include <purefold/kinds.h>
#include <stdbool.h>

enum { PF_LANES = 1024 };

/* How many bits an int has. Only an output that may be wide (pf_interp_compile) is ever more than PF_WIDTH_I64. */
typedef enum pf_width {
    PF_WIDTH_I64,
    PF_WIDTH_U64, /* the lanes are unsigned: 0 to 2**64 - 1 */
    PF_WIDTH_I128 /* the lanes are the low halves; the high ones stand beside them */
} pf_width;

typedef struct pf_vec {
    void *data;    /* 64-byte aligned, PF_LANES lanes */
    uint8_t *kind; /* 64-byte aligned, PF_LANES bytes, or NULL */
    pf_kinds seen; /* union of the kinds of all lanes, PF_K_OTHER and PF_K_FOREIGN included */
    bool iota;     /* lanes are start + i * step */
    int64_t lo, hi;
    int64_t start, step;
    const char *ahead, *ahead_end; /* equal: nothing to ask for */
    bool takes_source;   /* a column: its program reads PF_LANES floats at their source, once, and needs no copy */
    const char *source;  /* NULL: the lanes are in data */
    const int64_t *high; /* PF_WIDTH_I128 */
    const uint64_t *kept; /* iota: a bit for each of the sequence's first kept_n lanes */
    int32_t kept_n;
    uint8_t width;       /* pf_width */
} pf_vec;

/* Whether ints between lo and hi are so small that the sum of PF_LANES of them fits 64 bits. */
static inline bool pf_is_narrow(int64_t lo, int64_t hi)
{
    enum { NARROW_BITS = 52 };
    return lo > -((int64_t)1 << NARROW_BITS) && hi < (int64_t)1 << NARROW_BITS;
}

/* Bytes per lane of a column with these declared kinds. */
static inline unsigned pf_lane_bytes(pf_kinds kinds) { return kinds == PF_K_BOOL ? 1 : 8; }

/* How the core sees a str: the embedding program answers for a handle. Data stays valid as long as the handle does. */
typedef struct pf_str_view {
    uint32_t length; /* code points */
    uint8_t width;   /* bytes per code point: 1, 2 or 4; always the narrowest that fits */
    const void *data;
} pf_str_view;
typedef pf_str_view (*pf_str_view_fn)(uint64_t handle);

/* A scalar bound to a parameter when a plan runs. */
typedef struct pf_scalar {
    union {
        int64_t i; /* i64, bool */
        double f;
        uint64_t handle; /* str, obj */
    } u;
    pf_kinds kind;
} pf_scalar;

#endif

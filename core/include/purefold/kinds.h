/* Kinds: what a lane of a column can hold. A value has a set of kinds; most values have exactly one.
 *
 * A set of several kinds is stored as 8-byte payloads plus one byte per lane that names the lane's kind. */
#ifndef PUREFOLD_KINDS_H
#define PUREFOLD_KINDS_H

#include <stdint.h>

typedef uint8_t pf_kinds; /* a set: PF_K_* or'ed together */

enum {
    PF_K_NONE = 1,  /* Python's None; no payload */
    PF_K_BOOL = 2,  /* payload 0 or 1 */
    PF_K_I64 = 4,   /* an exact int that fits */
    PF_K_F64 = 8,   /* an exact float, bit for bit */
    PF_K_STR = 16,  /* an exact str: 8-byte handle of the binding, compared through pf_str_view */
    PF_K_OBJ = 32,  /* any object: an 8-byte handle that the core never follows */
    PF_K_ALL = 63,
    /* Never part of a declared set; what gather writes for a lane that native code may not touch: */
    PF_K_OTHER = 64,  /* an exact builtin outside the declared kinds: replaying it is free of effects */
    PF_K_U64 = PF_K_OTHER, /* in outputs alone (PF_OUTPUTS_U64): an int from 2**63 to 2**64 - 1, its bits the payload */
    PF_K_FOREIGN = 128 /* any other type: a barrier */
};

static inline int pf_kinds_single(pf_kinds kinds) { return kinds != 0 && (kinds & (kinds - 1)) == 0; }

#endif

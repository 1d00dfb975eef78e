/* Why something does not run natively, or is not pure: one table (reasons.def), one number each. Thread-safe. */
#ifndef PF_EXT_REASONS_H
#define PF_EXT_REASONS_H

typedef enum pf_reason {
#define SECTION(title)
#define REASON(id, code, sentence, hint) PF_REASON_##id,
#include "reasons.def"
#undef REASON
#undef SECTION
    PF_REASON_COUNT
} pf_reason;

/* Static text, never NULL; numbers out of range read as "none". */
const char *pf_reason_code(int reason);     /* "mutates-argument" */
const char *pf_reason_sentence(int reason); /* "An argument is changed in place." */
const char *pf_reason_hint(int reason);     /* "Return a changed copy.", may be empty */

#endif

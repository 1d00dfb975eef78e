/* The texts of reasons.def. */
#include "reasons.h"

typedef struct entry {
    const char *code, *sentence, *hint;
} entry;

static const entry entries[] = {
#define SECTION(title)
#define REASON(id, code, sentence, hint) {code, sentence, hint},
#include "reasons.def"
#undef REASON
#undef SECTION
};

static const entry *lookup(int reason)
{
    return &entries[reason >= 0 && reason < PF_REASON_COUNT ? reason : PF_REASON_NONE];
}

const char *pf_reason_code(int reason)
{
    return lookup(reason)->code;
}

const char *pf_reason_sentence(int reason)
{
    return lookup(reason)->sentence;
}

const char *pf_reason_hint(int reason)
{
    return lookup(reason)->hint;
}

/* How the engine reports its own failures.
 *
 * A pf_status speaks of the engine (no memory, cancelled, malformed input). It never speaks of a row: a row that
 * native code cannot finish *bails* (see ir/ops.def), which is ordinary and is answered by replay. */
#ifndef PUREFOLD_STATUS_H
#define PUREFOLD_STATUS_H

typedef enum pf_status {
    PF_OK = 0,
    PF_NOMEM,       /* an allocation failed; nothing was changed */
    PF_CANCELLED,   /* the run was asked to stop */
    PF_UNSUPPORTED, /* well formed, but this engine has no way to run it */
    PF_INVALID,     /* malformed input: IR that does not verify, text that does not parse */
    PF_CALLBACK,    /* a callback of the embedding program failed and keeps its own error */
    PF_OS           /* the operating system refused (threads, mappings) */
} pf_status;

#if defined(__GNUC__)
#define PF_MUST_CHECK __attribute__((warn_unused_result))
#else
#define PF_MUST_CHECK
#endif

/* Returns from the calling function when expr fails. */
#define PF_TRY(expr)                                                                                                   \
    do {                                                                                                               \
        pf_status pf_try_ = (expr);                                                                                    \
        if (pf_try_ != PF_OK) {                                                                                        \
            return pf_try_;                                                                                            \
        }                                                                                                              \
    } while (0)

/* Static text for a status, never NULL. Thread-safe. */
const char *pf_status_text(pf_status status);

#endif

/* Status texts (purefold/status.h). */
#include "../include/purefold/status.h"

const char *pf_status_text(pf_status status)
{
    switch (status) {
    case PF_OK:
        return "ok";
    case PF_NOMEM:
        return "out of memory";
    case PF_CANCELLED:
        return "cancelled";
    case PF_UNSUPPORTED:
        return "not supported by this engine";
    case PF_INVALID:
        return "malformed input";
    case PF_CALLBACK:
        return "a callback of the embedding program failed";
    case PF_OS:
        return "refused by the operating system";
    }
    return "unknown status";
}

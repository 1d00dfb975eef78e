/* explain(analyze=True): a plan run for its figures alone. */
#ifndef PF_ANALYZE_H
#define PF_ANALYZE_H

#include "exec.h"

/* Runs `plan` over the chain's rows and keeps nothing but counts, which go to report (zeroed before): rows, bails, time,
 * workers. No iterator moves and no Python code runs: a row that fails is counted and left out. Rows behind a barrier or
 * behind Ctrl-C, which stays pending, count as fallback. Needs the GIL and keeps it. 0, or -1 with MemoryError set. */
int pf_analyze(const pf_pyplan *plan, const pf_chain *chain, const pf_scalar *params, pf_report *report);

#endif

/* May what was computed beyond a failed row be kept while that row goes through CPython?
 *
 * It may if the row runs nobody's code but the chain's own, on values that have no code of theirs, for then nothing can
 * change under the results that wait. Not so if an object of a class of the user's own takes part: its methods may edit
 * the source, in the middle of the list that has been read already. And not so if the row goes ways of the function that were
 * never compiled, since none of the rows sampled went there, and an effect is on one of them.
 *
 * Judged row by row, when it has failed, from the source's own objects: a row that runs natively owes nothing to this.
 *
 * Needs the GIL, and runs no code. */
#ifndef PF_REPLAY_H
#define PF_REPLAY_H

#include "gather.h"

/* Whether no operator on the object can run code that others wrote: an exact builtin scalar, or tuples of such. */
bool pf_is_harmless(PyObject *object);

typedef enum pf_proof { PF_PROOF_UNKNOWN, PF_PROOF_PURE, PF_PROOF_NONE } pf_proof;

/* `proof` is PF_PROOF_UNKNOWN whenever other code may have run since the last time; it is filled in when it is needed. The gather has to
 * be open. */
bool pf_replay_is_free(const pf_gather *gather, const pf_request *request, int64_t row, pf_proof *proof);

#endif

/* Has anybody else had a turn?
 *
 * Between the bytecodes of a row that is pure itself, other threads may run, signal handlers (of Python, on the main
 * thread) and finalizers of garbage. Any of them may edit the rows behind it, so what was computed of those holds only
 * if none did.
 *
 * The interpreter counts how often the GIL has changed hands and how often the collector has run. Nobody counts calls
 * of signal handlers: where there are any of the program's own, they are taken to have run.
 *
 * Needs the GIL. */
#ifndef PF_TURNS_H
#define PF_TURNS_H

#include <stdbool.h>
#include <stdint.h>

int pf_turns_init(void); /* at module exec: holds the counters against the running interpreter. -1 with an exception */
/* Ctrl-C has come, and its handler is to run when Python code runs next: not here. pf_hooks.recalled: other handlers
 * and other threads wait for the end of a row, which a loop over lists may put off. ctx does not matter. */
bool pf_is_interrupted(void *ctx);
/* Whether pf_turns can tell, on this thread and until other code has run. */
bool pf_turns_tell(void);
/* Another number than before if anybody has had a turn since, where that can be told. */
uint64_t pf_turns(void);

#endif

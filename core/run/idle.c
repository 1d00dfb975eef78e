/* Runs kept for the next call of the same plan.
 *
 * A run owns vectors, registers and slots: some hundred kilobytes that a call over sixteen rows cannot afford to allocate.
 * The last few runs that ended are kept, whoever's they were; a plan that dies takes its own along. */
#include <string.h>

#include "run_internal.h"

enum { IDLE = 8 };

static struct {
    pf_mutex lock;
    pf_run *runs[IDLE]; /* oldest first */
    int count;
} idle = {.lock = PF_MUTEX_INIT};

/* With the lock held. */
static pf_run *remove_at(int i)
{
    pf_run *run = idle.runs[i];
    idle.count--;
    memmove(&idle.runs[i], &idle.runs[i + 1], (size_t)(idle.count - i) * sizeof(idle.runs[0]));
    return run;
}

pf_run *idle_take(const pf_plan *plan)
{
    pf_run *found = NULL;
    pf_mutex_lock(&idle.lock);
    for (int i = idle.count - 1; i >= 0 && found == NULL; i--) {
        if (idle.runs[i]->plan == plan) {
            found = remove_at(i);
        }
    }
    pf_mutex_unlock(&idle.lock);
    return found;
}

void idle_put(pf_run *run)
{
    pf_run *oldest = NULL;
    pf_mutex_lock(&idle.lock);
    if (idle.count == IDLE) {
        oldest = remove_at(0);
    }
    idle.runs[idle.count++] = run;
    pf_mutex_unlock(&idle.lock);
    if (oldest != NULL) {
        run_destroy(oldest);
    }
}

void idle_forget(const pf_plan *plan)
{
    for (pf_run *run; (run = idle_take(plan)) != NULL;) {
        run_destroy(run);
    }
}

void idle_after_fork(void)
{
    /* Another thread may have been in the middle of a change: its runs are left alone, for good. */
    idle.lock = (pf_mutex)PF_MUTEX_INIT;
    idle.count = 0;
}

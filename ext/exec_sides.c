/* How far ahead the sides of a chain are run, and whether they are at all (exec_internal.h; sides.h). */
#include "exec_internal.h"

#include "reasons.h"

bool pf_exec_may_end_soon(const pf_exec *ex)
{
    bool may = ex->sink->type->searches;
    for (int n = 0; n < ex->chain.nnodes && !may; n++) {
        const pf_node *node = &ex->chain.nodes[n];
        may = node->kind == PF_NODE_TAKEWHILE || (node->kind == PF_NODE_ISLICE && node->stop >= 0);
    }
    return may;
}

/* How many items of each side to compute now: as many as there may be rows, and no more than the last run got over with
 * would have. */
static int64_t items_wanted(const pf_exec *ex, bool forced, bool soon)
{
    enum { FEW_ITEMS = 4, FIRST_ITEMS = 4096, FIRST_OF_SEARCH = 1024, MOST_ITEMS = 1 << 14 };
    const int64_t first = forced ? FEW_ITEMS : soon ? FIRST_OF_SEARCH : FIRST_ITEMS;
    int64_t wanted = ex->got_over * 2 >= ex->wanted ? ex->wanted * 4 : ex->got_over * 2;
    wanted = wanted < first ? first : wanted < MOST_ITEMS ? wanted : MOST_ITEMS;
    int64_t most = pf_feed_limit(&ex->chain, pf_sides_most(&ex->chain), false);
    return wanted < most ? wanted : most;
}

int pf_exec_run_sides(pf_exec *ex, const pf_settings *settings)
{
    const bool forced = settings->min_rows > 0, soon = pf_exec_may_end_soon(ex);
    const int64_t least = forced ? 1 : PF_LEAST_ROWS;
    pf_refusal *refusal = &ex->report->refusal;
    if (ex->sink->hungry || (soon && !forced && ex->wanted == 0)) { /* many a search ends near its beginning */
        ex->plainly = ex->sink->hungry ? 1 : PF_LOOK_FIRST;
        ex->wanted = ex->sink->hungry ? ex->wanted : 1;
        pf_refuse(refusal, PF_REASON_SMALL);
        return 0;
    }
    ex->wanted = items_wanted(ex, forced, soon);
    if (ex->wanted < least) {
        pf_refuse(refusal, PF_REASON_SMALL);
        return 0;
    }
    int reason = pf_sides_run(ex->sides, &ex->chain, ex->wanted, pf_exec_depth_left(), forced, refusal);
    if (reason != 0) {
        if (reason > 0 && refusal->reason == 0) {
            pf_refuse(refusal, reason);
        }
        return reason < 0 ? -1 : 0;
    }
    ex->seen = &ex->sides->chain;
    pf_gather_init(&ex->gather, NULL, ex->seen, &ex->rows);
    if (ex->rows < least && pf_sides_gain(ex->sides, ex->rows) < least) {
        ex->cut = pf_sides_wait(ex->sides, ex->rows);
        ex->plainly = ex->cut ? ex->rows + 1 : 0;
        pf_refuse(refusal, PF_REASON_SMALL);
        return 0;
    }
    return 1;
}

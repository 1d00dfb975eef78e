/* Where sides stand (sides.h).
 *
 * Below a side, leaves count items of their own: row k of the chain comes from item rows[k] of the side's leaves, and
 * what lies between rows[k - 1] and rows[k] is known to give nothing. So before row k there are two places to stand at:
 *
 *     behind    rows[k - 1] + 1     where the pull for row k - 1 has left it
 *     leapt     rows[k]             where the pull for row k will come to, over all that it drops
 *
 * In CPython a side stands behind until it is pulled for row k. When CPython goes on by itself, that pull would run
 * over the dropped items once more, so the side leaps; but no side that is not *certain* to be pulled may, or it would
 * be found too far ahead. Certain to be pulled are, from left to right,
 *
 *   - the first feeder, since the chain is about to be pulled;
 *   - the next one, where the step that pulls it is the one that pulled those before, and all of these have an item for
 *     row k: a zip or map stops at the first that has none.
 *
 * Not so a generator that lags (feed_pull.c, catch_up): it rests at the yield of row k - 1. Where row k - 1 was the
 * last that the side is known to give, what it would be pulled for is not known either. */
#include "feed_internal.h"

static bool is_in(const pf_feed_side *side, int node)
{
    return node >= side->node && node < side->end;
}

const pf_feed_side *feed_side_of(const pf_feed *feed, int node)
{
    for (int i = 0; i < feed->ops.nsides; i++) {
        if (is_in(&feed->ops.sides[i], node)) {
            return &feed->ops.sides[i];
        }
    }
    return NULL;
}

int64_t feed_position(const pf_feed *feed, int node, int64_t row)
{
    for (int i = 0; i < feed->ops.nsides; i++) { /* from the outermost inward */
        const pf_feed_side *side = &feed->ops.sides[i];
        if (is_in(side, node)) {
            row = row == feed->leapt[i] ? (row < side->n ? side->rows[row] : side->decided)
                  : row > 0             ? side->rows[row - 1] + 1
                                        : 0;
#ifdef PF_PLANTED_BUG_SIDE_RESTS_LATE
            row = feed->leapt[i] < 0 && row > 0 && row < side->decided ? row + 1 : row;
#endif
        }
    }
    return row;
}

int64_t feed_source_of(const pf_feed *feed, int node, int64_t row)
{
    for (int i = 0; i < feed->ops.nsides && row >= 0; i++) {
        const pf_feed_side *side = &feed->ops.sides[i];
        if (is_in(side, node)) {
            row = row < side->n ? side->rows[row] : -1;
        }
    }
    return row;
}

static bool has_laggards(const pf_feed *feed, const pf_feed_side *side)
{
    bool has = false;
    for (int i = 0; i < feed->nslots; i++) {
        has = has || (feed->slots[i].lags && is_in(side, feed->slots[i].node));
    }
    return has;
}

void feed_take_up(pf_feed *feed, int node, int64_t row)
{
    for (int i = 0; i < feed->ops.nsides; i++) {
        const pf_feed_side *side = &feed->ops.sides[i];
        if (!is_in(side, node)) {
            continue;
        }
        if (row < side->n) {
            feed->leapt[i] = row;
            row = side->rows[row];
            continue;
        }
        if (!has_laggards(feed, side)) { /* those would have been pulled for what gives nothing */
            feed->leapt[i] = row;
        }
        return; /* nobody knows whether it pulls those within it once more */
    }
}

static bool has_item(const pf_feed *feed, const feed_slot *slot, int64_t row)
{
    const int64_t k = feed_ordinal(&feed->chain, slot->node, row);
    bool gives = feed_ordinal(&feed->chain, slot->node, row + 1) > k; /* else an islice has ended, or skips it */
    PyObject *item = gives ? feed_item(&feed->chain, slot->node, k) : NULL;
    bool has = item != NULL;
    Py_XDECREF(item);
    PyErr_Clear();
    return has;
}

static int parent_of(const pf_chain *chain, int child)
{
    for (int n = child - 1; n >= 0; n--) {
        for (int i = 0; i < chain->nodes[n].nchildren; i++) {
            if (chain->nodes[n].children[i] == child) {
                return n;
            }
        }
    }
    return -1;
}

void feed_leap(pf_feed *feed, int64_t row)
{
    int puller = -1;
    bool there = feed->ops.nsides > 0;
    for (int i = 0; i < feed->nslots && there; i++) {
        const feed_slot *slot = &feed->slots[i];
        const pf_feed_side *side = feed_side_of(feed, slot->node);
        int parent = parent_of(&feed->chain, side != NULL ? side->node : slot->node);
#ifdef PF_PLANTED_BUG_SIDE_LEAPS_AHEAD
        puller = parent;
#endif
        if (i > 0 && parent != puller) {
            return;
        }
        puller = parent;
        if (i == 0) {
            feed_take_up(feed, slot->node, row);
        } else if (side != NULL && (row < side->n || !has_laggards(feed, side))) {
            feed->leapt[side - feed->ops.sides] = row;
        }
        there = side != NULL ? row < side->n : has_item(feed, slot, row);
    }
}

"""itertools.chain over several sources, and over chains of such: answers, and where every iterator stands afterwards."""

from __future__ import annotations

import weakref
from itertools import chain

import pytest
from differential.check import exact, needs_engine, rest, same
from differential.timers import alarms

import purefold as pf

# itertools objects may still be reduced up to 3.13, with a warning from 3.12
pytestmark = pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")


def state(it):
    """An iterator as deep as it can be seen."""
    if isinstance(it, (list, tuple)):
        return [state(x) for x in it]
    return (type(it).__name__, [state(x) for x in it.__reduce__()[1:]]) if hasattr(it, "__next__") else it


@exact(native=True)
def test_nested_chains_stand_where_they_should(p):
    a, b = iter([1, 2, 3, 4]), iter(range(10, 14))
    inner = chain(a, chain((), [7]), b)
    answer = p.next(x for x in chain([0], inner, [99]) if x == 7)
    return answer, rest(a, b, inner)


@exact()
def test_a_source_of_segments_that_has_ended(p):
    source = iter([[1, 2], [3]])
    whole = chain.from_iterable(source)
    rest(source), next(whole, None)
    ended = iter([])
    assert list(ended) == []
    begun = chain.from_iterable(it := iter([[5, 6, 7], [8]]))
    return next(begun), list(it), p.list(whole), p.list(chain.from_iterable(ended)), p.list(x for x in begun), rest(begun, it)


@needs_engine
def test_items_that_are_watched():
    """What a nested chain lets go of when it ends, it lets go of before the next segment begins."""

    class A:
        pass

    log = []

    def items(n):
        made = [A() for _ in range(n)]
        for a in made:
            weakref.finalize(a, log.append, "gone")
        return made

    def work(p):
        log.clear()
        out = []
        begun = chain(items(2), [1])
        next(begun), next(begun)
        for c in (chain(chain(items(2), [1]), [2]), chain(begun, [2]), chain(chain(items(1) * 2), [3])):
            answer = p.list((type(x).__name__, x.__class__ is int and len(log)) for x in c)
            out.append((answer, list(log)))
        return out

    same(work)


@pytest.mark.parametrize("nested", [False, True])
@needs_engine
def test_the_list_of_segments_changes_meanwhile(nested):
    size = 6_000_000
    first, done = [1] * size, []
    segments = [first, [2] * 1000, [3]]

    def change():
        if not done:
            done.append(True)
            segments[1] = [5] * 10
            segments.append([7])

    made = chain.from_iterable(segments)
    made = chain(made, [11]) if nested else made
    with alarms(change, 0.002):
        answer = pf.sum(x for x in made if x < 100)
    assert done and answer == size + 50 + 3 + 7 + (11 if nested else 0)


@needs_engine
def test_a_handler_pulls_a_chain_whose_turn_has_not_come():
    first, taken = [1] * 6_000_000, []
    inner = chain([2] * 1000, [3])

    def take():
        if not taken:
            taken.append(next(inner))

    with alarms(take, 0.002):
        answer = pf.sum(x for x in chain(first, inner, [4]) if x < 100)
    assert taken == [2] and answer == len(first) + 999 * 2 + 3 + 4


@needs_engine
def test_a_segment_grows_when_it_is_over():
    first, second, done = [1] * 10, [1] * 6_000_000, []
    it = iter(first)

    def grow():
        if not done and it.__length_hint__() == 0:
            done.append(True)
            first.extend((100, 200))

    with alarms(grow, 0.002, 0.002):
        answer = pf.sum(x for x in chain(it, second, [2]) if x < 1000)
    assert done and answer == 6_000_012 and list(it) == []


# ---- more segments than are worth a column each: every iterable is a row


@pytest.mark.parametrize("pulled", ["chain", "map", "source"])
@needs_engine
def test_handlers_pull_what_flattens(pulled):
    rows = [list(range(i, i + 1000)) for i in range(3000)]
    source = iter(rows)
    c = chain.from_iterable(source)
    m = map(lambda x: x * 3 % 1000, c)
    taken, them = [], {"chain": c, "map": m, "source": source}

    def take():
        taken.append(next(them[pulled]))

    with alarms(take, 0.003):
        got = pf.list(m)
    assert len(taken) == 1
    whole = [x * 3 % 1000 for row in rows for x in row]
    gone = [x * 3 % 1000 for x in taken[0]] if pulled == "source" else [taken[0] * 3 % 1000 if pulled == "chain" else taken[0]]
    at = next((i for i, (a, b) in enumerate(zip(whole, got)) if a != b), len(got))
    assert len(got) == len(whole) - len(gone) and got[:at] + gone + got[at:] == whole and list(c) == []


@exact(native=True)
def test_the_rest_of_a_segment_is_still_there(p):
    rows = [[1, 2, 3], [4, 5, 6]] * 10
    it = iter(rows)
    c = chain.from_iterable(it)
    return p.next(x for x in c if x == 5), rest(c, it)


@exact(native=True)
def test_few_long_segments(p):
    lists = [list(range(i, i + 5000)) for i in range(9)]
    c = chain(*lists)
    found = p.any(x == 5003 for x in c)
    return found, p.sum(c), rest(c)


@needs_engine
def test_few_short_segments_are_left_alone():
    before = pf.stats()["calls_native"]
    assert pf.sum(chain(*[[1]] * 9)) == 9
    assert pf.stats()["calls_native"] == before


@needs_engine
def test_many_segments_whose_items_are_watched():
    class A:
        pass

    log = []

    def work(p):
        log.clear()
        lists = [[A(), 1] for _ in range(20)]
        for xs in lists:
            weakref.finalize(xs[0], log.append, "gone")
        c = chain(*lists)
        del lists, xs
        return p.list(type(x).__name__ for x in c), list(log)

    same(work)

"""any, all and next whose first row decides: CPython computes it, and what comes after it may still run natively."""

from __future__ import annotations

import builtins
import itertools

import pytest
from differential.check import needs_engine

import purefold as pf

ROWS = list(range(1, 400))


class Odd:
    def __bool__(self) -> bool:
        raise ValueError("no truth")


ODD = Odd()


def chains(rows):
    yield (x + 1 for x in rows)
    yield (x - 1 for x in rows)
    yield (x > 0 for x in rows)
    yield (x < 0 for x in rows)
    yield (x for x in rows if x > 300)
    yield (x > y for x in rows for y in (500, 2))
    yield (1 // (x - 1) for x in rows)
    yield (1 // (x - 9) == 7 for x in rows)
    yield (x if x > 300 else 0 for x in rows)
    yield (ODD for x in rows)
    yield map(lambda x: x - 1, rows)
    yield map(lambda x, y: x - y, rows, iter(rows))
    yield (i for i, _ in enumerate(rows))
    yield enumerate(rows)
    yield iter(rows)
    yield rows


def attempt(f, chain):
    try:
        return f(chain)
    except Exception as e:
        return type(e), str(e)


def outcome(consumer, chain):
    """The answer, and what is left."""
    return attempt(consumer, chain), attempt(list, chain)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 399])
@pytest.mark.parametrize("name", ["any", "all", "next"])
def test_answer_and_what_is_left(name, n):
    rows = ROWS[:n]
    for _ in range(3):
        for ours, theirs in zip(chains(rows), chains(rows)):
            assert outcome(getattr(pf, name), ours) == outcome(getattr(builtins, name), theirs)


def native_rows() -> int:
    return pf.stats()["rows_native"]


@needs_engine
@pytest.mark.parametrize(
    "search",
    [
        lambda: pf.any(x > 390 for x in ROWS),
        lambda: pf.all(x < 390 for x in ROWS),
        lambda: pf.any(x * y > 390 * 7 for x in ROWS for y in (1, 7)),
        lambda: pf.next(x for x in ROWS if x > 390),
    ],
)
def test_a_long_search_is_native(search):
    search()
    before = native_rows()
    search()
    assert native_rows() > before


def searches(rows):
    """By the same few code objects, whatever is looked for."""
    yield lambda ns, found: ns.any(x == found for x in rows if x > -1)
    yield lambda ns, found: ns.all(x != found for x in rows if x > -1)
    yield lambda ns, found: ns.any(x == found for x in rows)
    yield lambda ns, found: ns.all(map(lambda x: x != found, rows))
    yield lambda ns, found: ns.next((x for x in rows if x == found), None)
    yield lambda ns, found: ns.next(filter(lambda x: x == found, rows), None)
    yield lambda ns, found: ns.next((1 // (found - 7) for x in rows if x == found), None)
    yield lambda ns, found: ns.list(itertools.islice((x for x in rows if x >= found), 3))
    yield lambda ns, found: ns.tuple(itertools.islice(filter(lambda x: x >= found, rows), 1, 4))


@pytest.mark.parametrize("n", [16, 40, 64, 399])
def test_near_and_far_in_turns(n):
    rows = ROWS[:n]
    turns = [1, 2, 3, 2, 7, 15, 16, n, 1, 2, 10**6, n - 1, *[2] * 20, n, n, 3, 3, 3, 0]
    for search in searches(rows):
        for found in turns:
            assert attempt(lambda f: search(pf, f), found) == attempt(lambda f: search(builtins, f), found)


@needs_engine
def test_near_ones_keep_far_ones_native():
    """CPython takes what stays near, and never more rows than that has saved."""

    def search(found):
        before = native_rows()
        pf.next((x for x in ROWS if x == found), None)
        return native_rows() - before

    for _ in range(8):
        search(3)
    assert search(10**6) > 0
    for _ in range(40):
        search(3)
    assert search(3) == 0
    search(10**6)
    assert search(10**6) > 0


@needs_engine
def test_a_first_row_that_never_decides_is_native_too():
    def search():
        before = native_rows()
        assert pf.all(x < 390 for x in ROWS) is False
        return native_rows() - before

    rows = [search() for _ in range(40)]
    assert min(rows) > 380 and max(rows) > min(rows)


def test_islices_over_few_and_many():
    for stop in (0, 1, 3, 15, 16, 40, None):
        for start, step in ((0, 1), (2, 1), (1, 3)):
            for taken in (0, 1, 2):
                outcomes = []
                for ns in (pf, builtins):
                    below = (x * 3 for x in ROWS)
                    slice_ = itertools.islice(below, start, stop, step)
                    heads = [attempt(ns.next, slice_) for _ in range(taken)]
                    outcomes.append((heads, attempt(ns.list, slice_), attempt(builtins.next, below)))
                assert outcomes[0] == outcomes[1]

"""Which plan a call gets: plans are kept, fit what comes, and are made anew when what comes has changed for good."""

from __future__ import annotations

import pytest
from differential.check import same

import purefold as pf
from purefold import _engine

pytestmark = pytest.mark.skipif(_engine._unsupported is not None, reason="plain CPython")

ROWS = 1000
SAMPLED = (0, 7, 8, 32, ROWS - 1)


@pytest.fixture(autouse=True)
def no_plans():
    _engine._forget_plans()


def plans_made(work):
    before = _engine._plans_made()
    work()
    return _engine._plans_made() - before


def nested(rows):
    return lambda p: p.sum(x * 2 + 1 for row in rows for x in row)


def captured(items):
    rows = range(100)
    return lambda p: p.sum(x * y for x in rows for y in items)


INTS, FLOATS, NONE_AT_ALL = [1, 2, 3], [1.5, 2.5], []


@pytest.mark.parametrize("make", [lambda items: nested([items] * 100), lambda items: captured(items)], ids=["rows", "captured"])
def test_what_a_nested_for_runs_over_changes(make):
    for items in (NONE_AT_ALL, INTS, FLOATS, INTS, FLOATS, INTS + FLOATS, FLOATS, INTS):
        counts = same(make(items), native=bool(items))
        assert counts["rows_replayed"] == 0 and not counts["rows_fallback"], items
    assert plans_made(lambda: [same(make(items)) for items in (NONE_AT_ALL, INTS, FLOATS, INTS + FLOATS)]) == 0


@pytest.mark.parametrize("make", [lambda items: nested([items] * 100), lambda items: captured(items)], ids=["rows", "captured"])
def test_what_was_refused_may_go_today(make):
    same(make(["a", "b"]), native=False)
    same(make(INTS), native=True)
    same(make(["a", 1]), native=False)
    same(make(INTS), native=True)


@pytest.mark.parametrize("odd_at", [1, 8, 24, 499, 500, 501, 502, ROWS - 2])
def test_an_odd_row_does_not_cost_a_plan_each_time(odd_at):
    flat = list(range(ROWS))
    flat[odd_at] = 2.5
    rows = [[1]] * ROWS
    rows[odd_at] = [2.5]
    works = lambda p: p.sum(x * 3 for x in flat), nested(rows), captured(flat)
    for work in works:
        same(work, native=True)
        assert plans_made(lambda: same(work, native=True)) == 0


def test_a_plan_that_gave_up_is_made_anew_after_its_rest():
    def work(rows):
        return pf.sum(x * 3 for x in rows)

    usual = [i if i in SAMPLED else 2**70 for i in range(ROWS)]
    assert work(usual) == sum(x * 3 for x in usual)
    assert plans_made(lambda: [work(usual) for _ in range(3)]) == 0  # it rests
    assert plans_made(lambda: [work(usual) for _ in range(20)]) in (1, 2)  # and is tried anew, ever more seldom

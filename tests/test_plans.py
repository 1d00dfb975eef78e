"""Which plan a call gets: plans are kept, fit what comes, and are made anew when what comes has changed for good."""

from __future__ import annotations

from itertools import chain, islice

import pytest
from differential.check import needs_engine, same

import purefold as pf
from purefold import _engine

pytestmark = needs_engine

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


def test_chains_that_no_plan_fits_twice_are_planned_seldom():
    def work():
        class Row:
            def __init__(self, n):
                self.n = n

        rows = [Row(n) for n in range(100)]
        return pf.sum(row.n * 2 for row in rows)

    assert all(work() == 9900 for _ in range(50))
    assert plans_made(lambda: [work() for _ in range(100)]) <= 5
    assert pf.stats()["fallback_reasons"]["restless"] > 0


def reasons(name):
    return pf.stats()["fallback_reasons"].get(name, 0)


@pytest.mark.parametrize("rows", [100, 1000])
def test_a_plan_is_made_when_enough_rows_have_come(rows):
    work = lambda p: p.sum(x * 3 for x in range(rows))
    before = reasons("new")
    with pf.config(plan_after=4096):
        calls = 4096 // rows
        assert plans_made(lambda: [same(work, native=False, min_rows=0) for _ in range(calls)]) == 0
        assert reasons("new") - before == calls
        assert plans_made(lambda: same(work, native=True, min_rows=0)) == 1
        assert plans_made(lambda: same(work, native=True, min_rows=0)) == 0


@pytest.mark.parametrize(
    "work",
    [
        lambda p: p.sum(x * 3 for x in range(4096)),
        lambda p: p.sum(x * y for x in range(20) for y in range(400)),
        lambda p: p.sum(x + 1 for x in chain.from_iterable([[3, 4, 5]] * 20)),
        lambda p: p.sum(chain(map(abs, range(100)), (x * 3 for x in range(5000)))),
        lambda p: p.any(x < 0 for x in range(200_000)),
        lambda p: p.sum(map(lambda x, y: x + y, filter(lambda x: x % 7, range(9000)), range(9000))),
    ],
    ids=["many rows", "nested", "flattened", "second segment", "search", "sides"],
)
def test_a_plan_is_made_at_once_for_what_may_be_much_work(work):
    with pf.config(plan_after=4096):
        same(work, native=True, min_rows=0)


def test_a_plan_is_made_at_once_where_one_asks_for_it():
    few = lambda p: p.sum(x * 3 for x in range(50))
    with pf.config(plan_after=4096):
        same(few, native=True, min_rows=1)
        _engine._forget_plans()
        assert "column 0" in str(pf.explain(x * 3 for x in range(50)))
    _engine._forget_plans()
    with pf.config(plan_after=0):
        same(few, native=True, min_rows=0)


def test_types_that_change_in_turns_cost_no_plan_each_time():
    def work(p, rows):
        return p.sum(x * 3 for x in rows)

    kinds = [[1], [1.5], [True], [1, 1.5], [1, True], [1.5, True], [1, None, 2][::2], [2**40], [1, 2.5, True]]
    with pf.config(plan_after=4096):
        turns = [kind * (600 // len(kind)) for kind in kinds] * 20
        made = plans_made(lambda: [same(lambda p, rows=rows: work(p, rows), min_rows=0) for rows in turns])
    assert 0 < made <= len(turns) * 600 // 4096


def test_objects_of_mixed_types_keep_their_plan():
    rows = [1, "a", None, object(), 2.5, b"x", (), 3] * 10
    work = lambda p: p.list(x for x in rows if x is not None)
    same(work, native=True)
    assert plans_made(lambda: same(work, native=True)) == 0


@pytest.mark.parametrize("bad", [0, 3])
def test_a_segment_whose_first_rows_fail_does_not_end_what_follows(bad):
    xs = list(range(1, 20_001))
    xs[bad] = 2**70
    for _ in range(3):
        counts = same(lambda p: p.sum(chain(map(abs, xs[:40]), (x + 1 for x in xs))), native=True, min_rows=0)
        assert counts["rows_native"] > 20_000


def test_finalizers_of_dropped_plans_find_nothing_half_done():
    def work(p):
        seen, rows = [], [[n] for n in range(50)]

        class Leaves:
            def __del__(self):
                seen.append(next(it, None))

        it = iter(rows)
        for turn in range(10):
            constant = Leaves()
            names = (constant, turn)
            seen.append(p.list(len(names) + row[0] for row in islice(it, 4)))
            del constant, names
        return seen, list(it)

    same(work)
    _engine._forget_plans()


@pytest.mark.parametrize("odd", [[], (), object(), None, "text", 7, {1: 2}, range(3)], ids=repr)
@pytest.mark.parametrize("share", [5, 1000])
def test_what_stands_among_inner_lists(odd, share):
    rows = [odd if i % share == share // 2 else [1, 2, 3] for i in range(3000)]
    sampled = share == 5
    counts = same(nested(rows), native=odd == [] if sampled else True, min_rows=0)
    if odd == [] or (odd == () and not sampled):
        assert (counts["rows_native"], counts["rows_replayed"]) == (3000, 0)


@pytest.mark.parametrize("rows", [[(1, [1])] * 100, [[()]] * 100, [(1, ["a"])] * 100], ids=["captured", "refused", "text"])
def test_plans_that_take_several_attempts_leave_nothing_behind(rows):
    live = []
    for _ in range(20):
        _engine._forget_plans()
        pf.list((i, x) for i, r in rows for x in r) if len(rows[0]) == 2 else pf.list(x + 1 for r in rows for x in r if x)
        live.append(_engine._mem_live())
    assert live[-1] == live[5]

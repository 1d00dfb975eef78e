"""Loops in loops over rows that stand in inner lists: whatever is wrong with one of them, and what changes between two calls."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pytest
from differential.check import exact, needs_engine, rest, same, same_program

import purefold as pf
from fuzz import nested

pytestmark = needs_engine
ROWS = 600
AT = 301  # where no sample looks
Pair = namedtuple("Pair", "x y")


@dataclass
class Point:
    x: Any
    y: Any


class Slots:
    __slots__ = ("x", "y")

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y


def keys(x, y):
    return {"x": x, "y": y}


def pairs(x, y):
    return (x, y)


MAKERS = [pairs, Pair, Slots, Point, keys]
by_kind = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def lists(make, rows=ROWS):
    """Inner lists of none to three rows."""
    return [[make(i + j, i / 4 - j) for j in range(i % 4)] for i in range(rows)]


def numbers(make, source):
    """A chain over both fields of all rows."""
    if make is keys:
        return (r["x"] * 2 + r["y"] for rows in source for r in rows if r["x"] != 7)
    if make is pairs:
        return (x * 2 + y for rows in source for x, y in rows if x != 7)
    return (r.x * 2 + r.y for rows in source for r in rows if r.x != 7)


def natively(work, **settings):
    """As `same`, and all rows before the odd one ran natively."""
    counts = same(work, native=True, **settings)
    assert counts["rows_native"] >= AT, counts


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("batch", range(8))
def test_generated_loops(batch):
    assert sum(same_program(nested.generate(f"test:{batch}:{number}")) for number in range(120)) > 50


# ---- what stands among the rows

ODD_ROWS = [None, (), (1,), (1, 2, 3), [1, 2], 7, "ab", {"x": 3}, {"y": 1, "x": 2}, Slots(1, None), Pair(2**70, 2.5), Pair(1, "a"), (True, False), {1, 2}, Point(7, 0)]


@by_kind
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("odd", ODD_ROWS, ids=repr)
def test_an_odd_row(make, odd, threads):
    def work(p):
        source = lists(make)
        source[AT].append(odd)
        it = iter(source)
        chained = numbers(make, it)
        found = []
        for ask in (lambda: p.sum(chained), lambda: p.list(chained)):
            try:
                found.append(ask())
            except Exception as error:
                found.append(error)
        return found, rest(chained, it)

    natively(work, threads=threads)


@by_kind
@pytest.mark.parametrize("odd", [None, (), [], (1, 2), ((1, 2),), [(1, 2)], [None], 5, "ab", {}, {"x": 1}, range(2), [[]], {(3, 4): 5}], ids=repr)
def test_an_odd_inner_list(make, odd):
    def work(p):
        source = lists(make)
        source[AT] = odd
        it = iter(source)
        try:
            answer = p.list(numbers(make, it))
        except Exception as error:
            answer = error
        return answer, rest(it)

    natively(work)


@by_kind
def test_an_iterator_among_the_lists_is_used_up_once(make):
    def work(p):
        source = lists(make)
        it = iter([make(1000, 2.5), make(7, 2), make(1001, 0.75)])
        source[AT] = it
        chained = numbers(make, source)
        return p.next(value for value in chained if value > 2002.5), p.list(chained), rest(it)

    natively(work)


@exact(native=True)
def test_too_many_and_too_few_values_to_unpack(p):
    found = []
    for odd in ((1,), (1, 2, 3), (), 5, None, "a"):
        source = lists(pairs)
        source[AT].append(odd)
        it = iter(source)
        chained = (
            x
            for rows in it
            for x, y
            in rows
            if y
        )  # fmt: skip
        try:
            found.append(p.max(chained))
        except (TypeError, ValueError) as error:
            found.append(error)
        found.append(rest(chained, it))
    return found


@by_kind
def test_a_missing_field(make):
    """An attribute that was never set or is deleted, a key that is not there, an index too far."""

    def work(p):
        source = lists(make)
        if make is keys:
            del source[AT][0]["y"]
        elif make in (Slots, Point):
            del source[AT][0].y
        else:
            source[AT][0] = (1,)
        it = iter(source)
        chained = (row["y"] for rows in it for row in rows) if make is keys else (row[1] for rows in it for row in rows) if make is pairs else (row.y for rows in it for row in rows)
        try:
            p.sum(chained)
        except (AttributeError, KeyError, IndexError) as error:
            return error, rest(chained, it)

    natively(work)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_failure_among_the_fields_of_two_levels(threads):
    def work(p):
        source = [(i, [(j, i - AT) for j in range(i % 3)]) for i in range(ROWS)]
        it = iter(source)
        chained = (n // below + j for n, rows in it for j, below in rows if j < n)
        try:
            p.list(chained)
        except ZeroDivisionError as error:
            return error, rest(chained, it)

    natively(work, threads=threads)


# ---- empty and ragged ones, several kinds


@exact()
def test_nothing_in_any_of_them(p):
    source = [[] for _ in range(ROWS)]
    return p.sum(x for rows in source for x, y in rows), p.list(r.x for rows in source for r in rows), p.max((r for rows in source for r in rows), default=3)


@exact(native=True)
def test_only_the_last_has_a_row(p):
    source = [[] for _ in range(ROWS)] + [[(1, 2.5)]]
    return p.sum(x * y for rows in source for x, y in rows), p.next(y for rows in source for x, y in rows)


@by_kind
@pytest.mark.parametrize("odd", [None, True, 2**40, 2**63, 2**70, 0.1, float("nan"), -0.0, "a"], ids=repr)
@pytest.mark.parametrize("places", [(AT,), (8, 9, 10, AT, ROWS - 1)], ids=["once", "sampled"])
def test_fields_of_other_kinds(make, odd, places):
    def work(p):
        source = lists(make)
        for place in places:
            source[place] = [make(1, 2), make(odd, 3), make(4, 5)]
        found = []
        for ask in (p.list, p.max, p.sum):
            try:
                found.append(ask(numbers(make, source)))
            except TypeError as error:
                found.append(error)
        return found

    same(work, native=True if places == (AT,) else None)


@exact(native=True)
def test_kinds_that_alternate_inside_each_list(p):
    source = [[(i, None), (i / 2, i), (i % 2 == 0, 2.5)] for i in range(ROWS)]
    return p.list(x if y is None else x + y for rows in source for x, y in rows), p.sum(y for rows in source for _, y in rows if y is not None)


@exact(native=True)
def test_three_deep_and_ragged(p):
    source = [[[Pair(i, j) for j in range(k)] for k in range(i % 3)] for i in range(ROWS)]
    source[AT][1:1] = [[], [Pair(2**66, 1)], []]
    it = iter(source)
    return p.sum(q.x * q.y for block in source for rows in block for q in rows if q.y < 5), p.next(q.x for block in it for rows in block for q in rows if q.x > AT), rest(it, limit=2)


@exact(native=True)
def test_a_later_loop_goes_over_an_earlier_row_again(p):
    source = lists(pairs)
    return p.list((x, b) for rows in source for x, _ in rows for _, b in rows if b < x), p.sum(n for rows in source for r in rows for n in r)


# ---- the very objects, and where iterators stand


@by_kind
def test_rows_are_handed_on_as_they_are(make):
    source = lists(make)
    flat = [row for rows in source for row in rows]
    with pf.config(min_rows=1):
        for chained in (
            (row for rows in source for row in rows if row is not None),
            chain.from_iterable(source),
            (row for row in chain.from_iterable(source) if row is not None),
        ):
            found = pf.list(chained)
            assert len(found) == len(flat) and all(a is b for a, b in zip(found, flat))
        before = pf.stats()["calls_native"]
        found = pf.list((rows, row) for rows in source for row in rows if row is not None)
        assert pf.stats()["calls_native"] > before
    assert all(a is source[i] and b is c for (a, b), c, i in zip(found, flat, (i for i in range(ROWS) for _ in range(i % 4))))
    assert pf.max(flat, key=id) is pf.max((row for rows in source for row in rows), key=id)


@by_kind
@pytest.mark.parametrize("threads", [1, 2])
def test_iterators_stand_in_the_middle_of_an_inner_list(make, threads):
    def work(p):
        it = iter(lists(make))
        chained = numbers(make, it)
        return p.next(value for value in chained if value > 2.3 * AT), next(chained), next(it)[0] == make(0, 0), rest(chained, it, limit=9)

    natively(work, threads=threads)


@exact(native=True)
def test_from_iterable_goes_on_behind_an_exception(p):
    source = lists(pairs)
    source[AT].append((0, 0))
    it = iter(source)
    flat = chain.from_iterable(it)
    try:
        p.sum(y / x for x, y in flat if x != 1 or y)
    except ZeroDivisionError as error:
        return error, next(flat), p.sum(x for x, y in flat), rest(flat, it)


# ---- what changes between two calls


def test_rows_of_other_kinds_at_the_next_call():
    def ask(p, source):
        return p.sum(r.x * r.y for rows in source for r in rows)

    for _ in range(2):
        for make in (Pair, Point, Slots, lambda x, y: Point(x / 2, y), lambda x, y: Pair(2**40 + x, x), lambda x, y: Slots(x > 3, y)):
            source = lists(make)
            natively(lambda p: ask(p, source))
            source[AT] = lists(Slots)[AT] + source[AT] + lists(Pair)[AT]
            natively(lambda p: ask(p, source))


def test_a_captured_list_of_tuples_becomes_something_else():
    table: list[Any] = [(1, 2), (3, 4), (5, 6)]

    def ask(p):
        try:
            return p.sum(x * a - b for x in range(ROWS) for a, b in table)
        except (TypeError, ValueError) as error:
            return error

    for items, native in (
        ([(1, 2)], True),
        ([(1.5, 2.5), (0.25, 1)], True),
        ([(1, 2.5), (0.25, 1), (True, 3)], True),
        ([[1, 2], [3, 4]], None),
        ([(7, 8), (9, 10)], True),
        ([(2**62, 8), (2**70, 10)], None),
        ([Pair(3, 4)], None),
        ([(1, 2), [3, 4]], None),
        ([(1, 2, 3)], None),
        ([(1, 2), (3,)], None),
        ([], None),
        ([None], None),
        (["ab"], None),
        ([(7, 8), (9, 10)], True),
    ):
        table[:] = items
        same(ask, native=native)
        same(ask, native=native)


def test_one_item_of_a_captured_list_of_tuples_changes():
    table: list[Any] = [(i, i + 1) for i in range(200)]

    def ask(p):
        try:
            return p.list(x + a * b for x in range(40) for a, b in table if a > 9)
        except (TypeError, ValueError) as error:
            return error

    for odd in ((50, 1.5), (99, 2**70), [99, 2], (99,), None, (99, None), Pair(99, 3), (99, 100)):
        table[99] = odd
        same(ask, native=True)


@pytest.mark.parametrize("table", [((1, 2.5), (3, 4.5)), [(1, 2.5), (3, 4.5)]], ids=["tuple", "list"])
def test_a_captured_table_under_the_same_name(table):
    def make(table):
        return lambda p: p.sum(x * a + b for x in range(ROWS) for a, b in table)

    for other in (table, [[1, 2]], table, ((1, 2), (3, 4)), range(3), [(0.5, 1)], table):
        try:
            same(make(other), native=True if other in (table, ((1, 2), (3, 4)), [(0.5, 1)]) else None)
        except TypeError:
            assert other == range(3)


@pytest.mark.parametrize("kind", [Point, Slots])
def test_an_attribute_becomes_a_property(kind):
    """And a default of its class, and nothing; the rows stay what they are."""

    class Row(kind):
        __slots__ = ()

    source = lists(Row)
    log: list[Any] = []

    def ask(p):
        log.clear()
        try:
            return p.sum(r.x + r.y for rows in source for r in rows), list(log)
        except AttributeError as error:
            return error, list(log)

    same(ask, native=True)
    Row.y = property(lambda self: log.append(self.x) or 3)
    same(ask)
    del Row.y
    same(ask, native=True)
    Row.__getattribute__ = lambda self, name: log.append(name) or 5
    same(ask)
    del Row.__getattribute__
    same(ask)
    Row.__getattr__ = lambda self, name: log.append(name) or 4
    del source[AT][0].y
    same(ask)


def test_a_row_whose_field_runs_code_that_changes_the_lists():
    """The rows behind are seen as they then are, as in CPython."""

    class Acts:
        def __init__(self, act):
            self.act = act

        def __radd__(self, other):
            self.act()
            return other + 1

    def work(p):
        source = lists(pairs)
        source[AT].append((5, Acts(lambda: (source[AT].append((1000, 1)), source.__setitem__(AT + 1, [(2000, 1)]), source[AT + 2].clear(), source.__delitem__(slice(AT + 50, None))))))
        it = iter(source)
        return p.list(x * 2 + y for rows in it for x, y in rows), rest(it)

    natively(work)

"""A failed row goes through CPython while results beyond it wait: what that row can do to them.

The rows here fail natively, far from any sample, and what they then run edits the rows behind them: those must be seen as they
are by then.
"""

from __future__ import annotations

import builtins
import collections
import itertools
import warnings

import pytest
from differential.check import exact, same

import purefold as pf

AT, ROWS = 250, 300


class Acts:
    """An object whose every operation calls back first."""

    __hash__ = None

    def __init__(self, act):
        self.act = act

    def __eq__(self, other):
        self.act()
        return True

    def __getitem__(self, index):
        self.act()
        return 7

    def __iter__(self):
        self.act()
        return iter((7, 8))

    def __rmul__(self, other):
        self.act()
        return 5

    __radd__ = __rmul__

    @property
    def x(self):
        self.act()
        return 7


class Point:
    def __init__(self, x, y=0):
        self.x = x
        self.y = y


def sources(row, failing, later):
    """A list of rows, one of which acts: it puts `later` in the place behind itself."""
    rows = [row(i) for i in range(ROWS)]
    rows[AT] = failing(Acts(lambda: rows.__setitem__(AT + 1, later)))
    return rows


@exact(native=True)
def test_tuples_that_hold_acting_objects_are_compared(p):
    xs = sources(lambda i: 1, lambda acts: (acts,), 100)
    ys = [1] * ROWS
    ys[AT] = (2,)
    deep = sources(lambda i: 1, lambda acts: ((1, (acts,)),), 100)
    deeper = [1] * ROWS
    deeper[AT] = ((1, (2,)),)
    return p.sum(x == y for x, y in zip(xs, ys)), p.sum(x == y for x, y in zip(deep, deeper))


@exact(native=True)
def test_something_acting_inside_of_a_row(p):
    rows = sources(lambda i: (1, (2, 3)), lambda acts: (1, acts), (1, (1000, 3)))
    first = p.sum(t[1][0] for t in rows)
    rows = sources(lambda i: (1, (2, 3)), lambda acts: (1, acts), (1, (1000, 3)))
    second = p.sum(b + c for a, (b, c) in rows)
    rows = sources(lambda i: Point(Point(1)), Point, Point(Point(1000)))
    third = p.sum(t.x.x for t in rows)
    rows = sources(lambda i: {"a": (1, 2)}, lambda acts: {"a": acts}, {"a": (1000, 2)})
    return first, second, third, p.sum(t["a"][0] for t in rows)


@exact(native=True)
def test_something_acting_behind_what_failed(p):
    rows = sources(lambda i: (i, None), lambda acts: (2**300, acts), (10000, None))
    first = p.list(a + 1 if b is None else a + b for a, b in rows)
    rows = sources(lambda i: Point(i, 2), lambda acts: Point(None, acts), Point(9, 1000))
    return first, p.list((t.x or 3) * t.y for t in rows)


@exact(native=True)
def test_something_acting_in_an_inner_loop(p):
    rows = sources(lambda i: [1, 2], lambda acts: acts, [1000])
    first = p.sum(y for x in rows for y in x)
    rows = sources(lambda i: ([1, 2], 3), lambda acts: (acts, 3), ([1000], 3))
    second = p.sum(y * k for x, k in rows for y in x)
    rows = sources(lambda i: (i, [1, 2]), lambda acts: (2**300, [1, acts]), (1000, [1, 2]))
    third = p.list(a * 4 + a * y for a, x in rows for y in x)

    class Listed(list):
        def __iter__(self):
            rows[AT + 1] = [1000]
            return iter([5])

    rows = [[1, 2]] * ROWS
    rows[AT] = Listed()
    return first, second, third, p.sum(y for x in rows for y in x)


@exact(native=True)
def test_something_acting_in_a_captured_list(p):
    rows = [1] * ROWS
    rows[AT] = 2**300
    captured = [1] * 61 + [Acts(lambda: rows.__setitem__(AT + 1, 100))] + [1] * 60  # where no sample looks
    return p.sum(a * 4 * y if a > 1 else a for a in rows for y in captured)


def act_on_true(it):
    return lambda x: next(it) if x is True else x


def act_on_float(it):
    return lambda x: next(it) if isinstance(x, float) else x


@pytest.mark.parametrize("function, odd", [(act_on_true, True), (act_on_float, 2.5)])
def test_an_effect_where_no_sampled_row_goes(function, odd):
    def work(p):
        rows = list(range(1000))
        rows[500] = odd
        it = iter(rows)
        return p.sum(map(function(it), it)), list(it)

    same(work, native=True)


@exact(native=True)
def test_an_effect_where_no_sampled_row_goes_in_a_generator(p):
    rows = list(range(1000))
    rows[500] = "text"
    it = iter(rows)
    first = p.sum(next(it) if isinstance(x, str) else x for x in it), list(it)
    rows[500] = True
    it = iter(rows)
    return first, p.sum(it.__length_hint__() if x is True else x for x in it)


@exact(native=True)
def test_an_exception_class_that_acts_when_called(p):
    rows = [1] * ROWS
    rows[AT] = -5

    class Odd(Exception):
        def __init__(self, x):
            rows[AT + 1] = 1000

    return p.sum(map(lambda x: x if x > 0 else (Odd(x), 7)[1], rows))


@pytest.mark.parametrize(
    "function", [lambda x: x * 2 if isinstance(x, str) else x, lambda x: x + 1 if x is True else x]
)
def test_pure_ways_keep_what_was_computed(function):
    """No barrier where every way through the function is proven pure: the run stays native."""

    def work(p):
        rows = list(range(20_000))
        rows[7777] = True
        rows[8888] = True
        return p.list(map(function, rows))[7770:8890]

    counts = same(work, native=True)
    assert counts["rows_native"] >= 19_998 - 2


@exact(native=True)
def test_reduce_behind_a_row_of_another_type(p):
    rows = [1] * 1000
    rows[500] = 1e16
    add = lambda a, b: a + b  # noqa: E731
    return [
        p.reduce(add, (x for x in rows)),
        p.reduce(add, (x for x in rows), 5),
        p.reduce(add, itertools.chain(rows, rows), 0.5),
    ]


@exact(native=True)
def test_a_warning_that_acts(p):
    """From 3.12 on, ~True warns, and whoever shows warnings may do anything."""
    rows = [1] * ROWS
    rows[AT] = True
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *args, **kwargs: rows.__setitem__(AT + 1, 1000)
        return p.sum(~x for x in rows)


@pytest.mark.parametrize("default", [(), (5,)])
@pytest.mark.parametrize("n", [1, 3, 40, 3000])
def test_next_lets_a_stop_iteration_out_as_it_is(n, default):
    """With its arguments, and with the frames that it came through."""

    def stop(x):
        if x == n - 1:
            raise StopIteration("three", x)

    def ask(ns):
        try:
            return ns.next(filter(stop, range(n)), *default)
        except StopIteration as error:
            names, trace = [], error.__traceback__
            while trace is not None:
                names.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
                trace = trace.tb_next
            return error.args, names

    with pf.config(min_rows=1, threads=2):
        assert ask(pf) == ask(builtins)


def doubled(x):
    x += x
    return 1


BIG = 2**70  # fails its row, and does nothing else


def plain_rows(shared):
    rows = [[1, 2, 3] for _ in range(ROWS)]
    rows[AT - 9], rows[AT] = [BIG, shared, 6], shared
    return rows


def rows_of_pairs(shared):
    rows = [[(1, 2), (2, 3)] for _ in range(ROWS)]
    rows[AT - 9], rows[AT] = [(BIG, 1), (shared, 2)], shared
    return rows


def rows_of_rows(shared):
    rows = [[[1, 2], [3]] for _ in range(ROWS)]
    rows[AT - 9], rows[AT] = [[BIG], [shared]], [[3], shared]
    return rows


@pytest.mark.parametrize(
    ("make", "shared", "chain"),
    [
        (plain_rows, [7, 8, 9], lambda rows: (doubled(x) for r in rows for x in r)),
        (plain_rows, [7, 8, 9], lambda rows: map(doubled, itertools.chain.from_iterable(rows))),
        (plain_rows, [7, 8, 9], lambda rows: (doubled(x) for i, r in enumerate(rows) for x in r)),
        (rows_of_pairs, [(1, 2), (3, 4)], lambda rows: (doubled(x) for r in rows for x, y in r)),
        (rows_of_pairs, [(1, 2), (3, 4)], lambda rows: (doubled(t[0]) for r in rows for t in r)),
        (rows_of_rows, [7, 8, 9], lambda rows: (doubled(x) for r in rows for q in r for x in q)),
        (rows_of_rows, [7, 8, 9], lambda rows: (doubled(q[0]) for r in rows for q in r)),
        (lambda shared: [r[:1] for r in plain_rows(shared)], [7], lambda rows: (doubled(r[0]) for r in rows)),
    ],
)
def test_a_list_that_is_changed_in_place_where_a_number_stands_elsewhere(make, shared, chain):
    same(lambda p: p.sum(chain(make(list(shared)))), native=True)
    same(lambda p: p.list(chain(make(list(shared)))), native=True)


@exact()
def test_a_captured_list_that_is_changed_in_place(p):
    shared = [7, 8, 9]
    table = [[1, 2, 3] for _ in range(20)]
    table[3], table[9] = [BIG, shared, 6], shared
    return p.sum(doubled(x) for i in range(4) for r in table for x in r)


@pytest.mark.parametrize("odd", [{}, Acts(lambda: None), [1]], ids=["dict", "instance", "list"])
def test_outputs_of_a_row_are_called_for_once(odd):
    rows = [[i, i + 1] for i in range(ROWS)]
    rows[AT] = [768, odd, 966]

    def count(p):
        made = p.reduce(lambda a, b: (a[0] + 1, b), ((x,) for r in rows for x in r), (0, None))
        return made[0], p.fold(lambda a, b: a + len(b), ((x,) for r in rows for x in r), 0, lambda a, b: a + b)

    same(count)


class Keyed:
    def __init__(self, seen):
        self.seen = seen

    def __gt__(self, other):
        self.seen.append((type(other), other))
        return False

    __lt__ = __gt__


Named = collections.namedtuple("Named", "a b")


@pytest.mark.parametrize("key", [lambda i: Named(i % 17, i), lambda i: i / 8, lambda i: (i % 7, i), lambda i: i + 2**40], ids=["named", "float", "tuple", "int"])
@pytest.mark.parametrize("chain", [lambda rows: (r for r in rows), lambda rows: (x for [x] in ([r] for r in rows)), lambda rows: (x for r in [rows] for x in r)], ids=["flat", "unpacked", "nested"])
def test_keys_that_are_compared_are_the_rows_own(key, chain):
    def work(p, consumer, odd):
        seen = []
        rows = [(key(i), i) for i in range(ROWS)]
        rows[AT] = (Keyed(seen) if odd is None else odd, 1)
        try:
            best = getattr(p, consumer)(chain(rows), key=lambda r: r[0])
            found = rows.index(best)
        except TypeError as error:
            found = str(error)
        return found, [(t, [i for i, row in enumerate(rows) if row[0] is k]) for t, k in seen]

    for consumer in ("max", "min"):
        for odd in (None, "text"):
            same(lambda p, consumer=consumer, odd=odd: work(p, consumer, odd))

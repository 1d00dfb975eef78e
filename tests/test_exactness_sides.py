"""map and zip of several over rows that were dropped: answers, and where every iterator stands afterwards."""

from __future__ import annotations

import inspect
import itertools
import operator
import signal
import threading
import time
from array import array
from itertools import chain, islice, starmap, takewhile

import pytest
from differential.check import exact, needs_engine, rest, same, same_programs
from test_exactness_segments_steps import place

import purefold as pf

pytestmark = pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")


def odd(x):
    return x % 2


def twice(x):
    return x * 2


STEPS = (
    lambda s, rnd: filter(odd, s),
    lambda s, rnd: filter(None, s),
    lambda s, rnd: (x for x in s if x),
    lambda s, rnd: (x for x in s if x % 3),
    lambda s, rnd: (12 // x for x in s if x != 2),
    lambda s, rnd: (x for x in s),
    lambda s, rnd: map(twice, s),
    lambda s, rnd: map(abs, s),
    lambda s, rnd: (x for i, x in enumerate(s) if i % 3),
    lambda s, rnd: (x for i, x in enumerate(map(twice, s)) if i % 3),
    lambda s, rnd: islice(map(twice, s), 1, None, 2),
    lambda s, rnd: islice(s, rnd.randint(0, 3), None, rnd.randint(1, 3)),
    lambda s, rnd: islice((x for x in s), rnd.randint(0, 9)),
    lambda s, rnd: takewhile(lambda x: x != 5, s),
    lambda s, rnd: ((x, -x) for x in s if x),
    lambda s, rnd: (x if x > 0 else None for x in s if x % 5),
    lambda s, rnd: (x / 2 for x in s if x > 1),
    lambda s, rnd: (x > 2 for x in s if x % 4),
    lambda s, rnd: (y for x in s for y in range(x % 3)),
    lambda s, rnd: starmap(lambda i, x: x, ((i, x) for i, x in enumerate(s) if x)),
    lambda s, rnd: enumerate(filter(odd, s)),
    lambda s, rnd: (x for i, x in enumerate((x for x in s if x % 3), 5) if i % 4),
    lambda s, rnd: islice(filter(None, s), rnd.randint(0, 2), rnd.choice((None, 4, 7)), rnd.randint(1, 2)),
    lambda s, rnd: map(twice, islice((x for x in s if x), rnd.choice((3, 9)))),
    lambda s, rnd: starmap(lambda x, y: x, zip((x for x in s if x), filter(odd, range(30)))),
    lambda s, rnd: (x for x in map(lambda x, y: x * y, (x for x in s if x % 3), islice(filter(odd, range(40)), 2, 19)) if x % 2),
    lambda s, rnd: (x for x, y in zip((x for x in s if x % 3), range(20)) if y % 2),
)


class Program:
    """A map or zip of several, each of which may drop rows, may have been begun, and fails somewhere; and all iterators in it."""

    def __init__(self, rnd, items):
        self.rnd, self.items, self.iterators = rnd, iter(items), []
        children = [self.child() for _ in range(rnd.choice((2, 2, 2, 3)))]
        kind = rnd.randint(0, 4)
        if kind == 0:
            made = zip(*children, strict=True)
        elif kind == 1:
            made = map(lambda *xs: xs[0], *children)
        elif kind == 2:
            made = map(lambda x, *xs: (x, *xs) if x != 7 else 1 // 0, *children) if len(children) == 3 else map(lambda x, y: 10 // (y - 3), *children)
        else:
            made = zip(*children)
        self.whole = self.above(self.keep(made))

    def keep(self, it, most=2):
        try:
            for _ in range(self.rnd.choice((0, 0, 0, 1, most))):
                next(it, None)
        except (TypeError, ValueError, ZeroDivisionError):
            pass
        self.iterators.append(it)
        return it

    def child(self):
        values = list(islice(self.items, self.rnd.choice((0, 1, 5, 12, 12, 20))))
        make = self.rnd.choice((list, tuple, iter, lambda v: iter(tuple(v)), reversed, lambda v: range(len(v)), lambda v: array("d", [1.5, 0, 2] * len(v)), lambda v: chain(v, v)))
        made = make(values)
        made = self.keep(made if hasattr(made, "__next__") else iter(made))
        for _ in range(self.rnd.choice((0, 1, 1, 2, 3))):
            made = self.keep(self.rnd.choice(STEPS)(made, self.rnd))
        return made

    def above(self, made):
        above = self.rnd.choice((None, None, "if", "enumerate", "islice", "takewhile", "both"))
        if above in ("if", "both"):
            made = (t for t in made if t != 3)
        if above in ("enumerate", "both"):
            made = enumerate(made)
        if above == "islice":
            made = islice(made, self.rnd.randint(0, 2), self.rnd.randint(2, 9), self.rnd.randint(1, 2))
        if above == "takewhile":
            made = takewhile(lambda t: t != 4, made)
        return self.keep(made) if above else made


ITEMS = {
    "ints": lambda rnd: [rnd.randint(-9, 9) for _ in range(60)],
    "positive": lambda rnd: [rnd.randint(1, 9) for _ in range(60)],
    "odd ones": lambda rnd: [rnd.choice((1, 2, 3, 2**70, 2**63 - 1, 2.5, True, float("nan"), -0.0)) for _ in range(60)],
    "some fail": lambda rnd: [rnd.choice((1, 2, 3, 4, 5, 6, 7, 8, 0, None)) for _ in range(60)],
}
WAYS = {
    "list": lambda p, c: p.list(c),
    "tuple": lambda p, c: p.tuple(c),
    "sum": lambda p, c: p.sum(1 for x in c),
    "any": lambda p, c: p.any(x == 3 or x == (3, 3) for x in c),
    "all": lambda p, c: p.all(c),
    "next": lambda p, c: (p.next((x for x in c if x), "none"), p.next((x for x in c if x), "none"), p.list(c)),
    "max": lambda p, c: p.max(c, key=lambda x: 0, default="none"),
    "min": lambda p, c: p.min((-i for i, x in enumerate(c)), default="none"),
    "reduce": lambda p, c: p.reduce(lambda a, b: a + 1, c, 0),
    "longest": lambda p, c: p.reduce(lambda a, b: a if a >= b else b, c),
}


@pytest.mark.parametrize("items", ITEMS)
@pytest.mark.parametrize("way", WAYS)
def test_trees(way, items):
    errors = (TypeError, ValueError, ZeroDivisionError, StopIteration, OverflowError)
    natively = same_programs(range(150), lambda rnd: Program(rnd, ITEMS[items](rnd)), WAYS[way], place, errors)
    assert natively > 10


XS = range(10_000)
HALVES = [x / 2 for x in XS]


def native_rows(make, take="list"):
    """Rows that ran natively; the answer is held against the builtin's."""
    before = pf.stats()["rows_native"]
    assert getattr(pf, take)(make()) == getattr(__import__("builtins"), take)(make())
    return pf.stats()["rows_native"] - before


@needs_engine
def test_they_run_natively():
    sides = lambda: ((x for x in XS if x % 3), filter(odd, XS), (x for x in HALVES if x > 9))
    assert native_rows(lambda: zip(sides()[0], HALVES)) == 6666
    assert native_rows(lambda: zip(HALVES, sides()[0])) == 6666
    assert native_rows(lambda: zip(*sides())) == 5000
    assert native_rows(lambda: map(operator.add, *sides()[:2])) == 5000
    assert native_rows(lambda: (x * y for x, y in zip(*sides()[:2]) if x > y), "sum") == 5000
    assert native_rows(lambda: zip(zip(*sides()[:2]), sides()[2])) == 5000
    assert native_rows(lambda: enumerate(zip(*sides()))) == 5000
    assert native_rows(lambda: zip(enumerate(filter(odd, XS)), XS)) == 5000
    with pf.config(min_rows=1):
        assert native_rows(lambda: zip(islice((x for x in XS if x % 3), 5, 4000, 3), HALVES)) >= 1330
    assert native_rows(lambda: zip((x + y for x, y in zip(*sides()[:2]) if x % 2), sides()[2])) == 2500
    with pf.config(min_rows=1):
        assert native_rows(lambda: islice(zip(*sides()), 3, 4000, 7)) == 3999
    assert native_rows(lambda: chain(zip(*sides()[:2]), zip(*sides()[1:]))) >= 9998
    assert native_rows(lambda: zip((x for x in XS if x % 1000 == 999), HALVES)) == 10
    assert native_rows(lambda: (x < 0 for x, y in zip(sides()[0], HALVES)), "any") > 4000


@needs_engine
def test_rows_that_fail_often_are_left_to_cpython():
    before = pf.stats()["rows_native"]
    for _ in range(3):
        pf.list(zip((x if x % 7 else x * 2**80 for x in XS if x % 3), HALVES))
    assert pf.stats()["rows_native"] - before < 100


@exact(native=True, min_rows=0)
def test_a_row_fails_in_the_middle(p):
    a, b = iter(XS), iter(list(XS))
    m = map(lambda x, y: x // (y - 5000), (x for x in a if x % 2), b)
    log = []
    try:
        p.list(m)
    except ZeroDivisionError as error:
        log.append(error.__traceback__.tb_next.tb_frame.f_code.co_name if error.__traceback__.tb_next else None)
    return log, next(a), next(b), next(m), rest(a, b, limit=2)


@exact(native=True, min_rows=0)
def test_a_side_raises_in_the_middle(p):
    a, b = iter(XS), iter(list(XS))
    g = (7 // (x - 5001) for x in a if x % 2)
    try:
        p.list(zip(b, g))
    except ZeroDivisionError:
        return next(a), next(b), inspect.getgeneratorstate(g), rest(a, b, g, limit=2)


@exact(native=True, min_rows=0)
def test_leftovers(p):
    found = []
    for sizes in itertools.product((3000, 4000, 5000), repeat=3):
        for strict in (False, True):
            a, b, c = (iter(range(n)) for n in sizes)
            g, h = (x for x in a if x % 3), filter(odd, b)
            try:
                answer = p.sum(1 for _ in zip(g, h, c, strict=strict))
            except ValueError as error:
                answer = str(error)
            found.append((answer, rest(a, b, c, g, h, limit=2), g.gi_frame is None))
    return found


@exact(native=True, min_rows=0)
def test_a_search_stops_where_it_should(p):
    a, b = iter(XS), iter(HALVES)
    z = zip((x for x in a if x % 3), b)
    return p.any(x == 8000 for x, _ in z), next(a), next(b), p.next(t for t in z if t[0] > 9000), next(a), next(b), rest(a, b, limit=2)


@exact(native=True, min_rows=0)
def test_objects_keep_their_identity(p):
    rows = [(str(i), i) for i in XS]
    pairs = p.list(zip((r for r in rows if r[1] % 3), filter(lambda r: r[1] % 2, rows)))
    return all(x is rows[x[1]] and y is rows[y[1]] for x, y in pairs), len(pairs)


@exact(native=True, min_rows=0)
def test_what_a_side_makes_is_made_once(p):
    pairs = p.list(((t, t) for t, _ in zip(((x, x + 0.5) for x in XS if x % 3), XS)))
    return pairs, all(a is b for a, b in pairs), len({id(a) for a, _ in pairs})


@needs_engine
@pytest.mark.parametrize("pulled", ["a", "b", "g"])
def test_handlers_pull_in_between(pulled):
    a, b = iter(range(4_000_000)), iter(range(4_000_000))
    g = (x for x in a if x % 3)
    them, taken = {"a": a, "b": b, "g": g}, []

    def take(*_):
        try:
            taken.append(next(them[pulled], None))
        except ValueError:  # it is executing
            pass

    old = signal.signal(signal.SIGALRM, take)
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.02)
    try:
        got = pf.list(zip(g, b))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert taken
    xs, ys = [x for x, _ in got], [y for _, y in got]
    assert xs == sorted(xs) and ys == sorted(ys) and all(x % 3 for x in xs)
    if pulled == "b":
        assert not set(ys) & set(taken) and xs == [x for x in range(4_000_000) if x % 3]
    else:
        gone = {x for x in taken if x is not None}
        assert not set(xs) & gone and set(xs) | {x for x in gone if x % 3} == {x for x in range(4_000_000) if x % 3}


@needs_engine
def test_threads_edit_what_is_read():
    """No mixture that no order of the edits could give: pairs never show a later state of a beside an earlier one of b."""
    for _ in range(10):
        n = 200_000
        a, b = [1] * n, [1] * n
        stop = threading.Event()

        def edit(a=a, b=b, stop=stop):
            version = 2
            while not stop.is_set():
                b[:] = [version] * n
                a[:] = [version] * n
                version += 1
                time.sleep(0.0005)

        thread = threading.Thread(target=edit)
        thread.start()
        try:
            got = pf.list(zip((x for x in a if x > 0), b))
        finally:
            stop.set()
            thread.join()
        assert len(got) == n and all(x <= y for x, y in got)


@needs_engine
def test_interrupts_come_soon():
    started = time.monotonic()
    old = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            pf.sum(x * y for x, y in zip((x for x in range(10**10) if x % 3), (y for y in range(10**10) if y % 2)))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert time.monotonic() - started < 5
    assert pf.sum(x for x in XS) == sum(XS)


@needs_engine
def test_code_that_takes_the_place_of_other_code():
    """What is known of a generator expression is known by its address, but not only."""
    for _ in range(50):
        for text in ("x for x in XS", "x for x in XS if x", "(x) for x in XS", "x for x in XS if x % 2"):
            made = eval(f"lambda: zip(({text}), HALVES)", {"XS": XS, "HALVES": HALVES})
            assert native_rows(made) > 4900


def left_by(work, p):
    """The state that work leaves its generator in, and the last x in it."""
    g = work(p)
    return inspect.getgeneratorstate(g), g.gi_frame.f_locals.get("x") if g.gi_frame else None, rest(g, limit=2)


def stopper(x):
    if x == 5:
        raise StopIteration
    return x


def cut_by_an_islice(p, above=lambda it: it):
    g = (x for x in range(1, 3000) if x % 3)
    p.list(zip(above(islice(g, 700)), range(4000)))
    return g


def beside_dropped_rows(p):
    g = (x for x in range(4000))
    p.list(zip((a for a, b in zip(range(2000), g) if a < 0), range(1000)))
    return g


def beside_dropped_rows_before_an_end(p):
    g = (x for x in iter(range(40)))
    next(g), next(g)
    p.list(zip(range(100), (x for i, x in enumerate(map(lambda a, b: a, map(stopper, [8, 5, 3] * 5), g)) if i % 3)))
    return g


@pytest.mark.parametrize("min_rows", [0, 1])
@pytest.mark.parametrize(
    "work",
    [
        cut_by_an_islice,
        lambda p: cut_by_an_islice(p, lambda it: (y for y in it)),
        lambda p: cut_by_an_islice(p, lambda it: map(twice, it)),
        beside_dropped_rows,
        beside_dropped_rows_before_an_end,
    ],
)
def test_generators_are_left_where_they_would_be(work, min_rows):
    same(lambda p: left_by(work, p), min_rows=min_rows)


@pytest.mark.parametrize(
    "first",
    [
        lambda it: takewhile(lambda x: x != 500, it),
        lambda it: map(lambda x: 1 // (x - 500), it),
        lambda it: (1 // (x - 500) for x in it),
        lambda it: islice(it, 500),
        lambda it: map(lambda x: stopper(5 if x == 500 else 6), it),
    ],
)
def test_what_comes_after_an_end_is_not_pulled(first):
    def work(p):
        a, b, c = iter(range(1000)), iter(list(range(4000))), iter(range(4000))
        try:
            answer = p.list(zip(first(a), (x for x in b if x % 7 == 3), filter(odd, c)))
        except ZeroDivisionError as error:
            answer = str(error)
        return answer, rest(a, b, c, limit=2)

    assert same(work)["calls_native"] == 1

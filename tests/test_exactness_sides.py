"""map and zip of several over rows that were dropped: answers, and where every iterator stands afterwards."""

from __future__ import annotations

import inspect
import itertools
import operator
import signal
import threading
import time
from itertools import chain, islice, takewhile

import pytest
from differential.check import exact, needs_engine, rest, same, same_program
from differential.timers import alarms

import purefold as pf
from fuzz import sides

pytestmark = pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")


def odd(x):
    return x % 2


def twice(x):
    return x * 2


@needs_engine
@pytest.mark.parametrize("way", sides.Sides.ways)
def test_trees(way):
    assert sum(same_program(sides.generate(f"test:{number}", way=way)) for number in range(300)) > 40


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

    def take():
        try:
            taken.append(next(them[pulled], None))
        except ValueError:  # it is executing
            pass

    with alarms(take, 0.003, 0.02):
        got = pf.list(zip(g, b))
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

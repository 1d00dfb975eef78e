"""itertools.chain over segments that have steps of their own: answers, and where every iterator stands afterwards."""

from __future__ import annotations

import inspect
import itertools
import operator
import threading
import time
import weakref
from itertools import chain, islice

import pytest
from differential.check import exact, needs_engine, rest, same, same_program
from differential.timers import alarms
from test_exactness_segments import state

import purefold as pf
from fuzz import segments

pytestmark = pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")


def twice(x):
    return x * 2


@needs_engine
@pytest.mark.parametrize("way", segments.Segments.ways)
def test_trees_of_chains(way):
    natively = sum(same_program(segments.generate(f"test:{number}", way=way)) for number in range(150))
    assert natively > 40


def native_rows(make):
    """Rows that ran natively for a list of what it makes (range_stride leaves out what is not odd); the list is held against the builtin's."""
    before = pf.stats()["rows_native"]
    assert pf.list(make()) == list(make())
    return pf.stats()["rows_native"] - before


XS = range(1000)


@needs_engine
def test_every_segment_runs_natively():
    odd = lambda: (x for x in XS if x % 2)
    assert native_rows(lambda: chain(map(twice, XS), odd(), [*XS])) == 2500
    assert native_rows(lambda: chain([0], map(twice, XS))) == 999
    assert native_rows(lambda: chain([], map(twice, XS), (), odd())) == 1498  # the first of each by CPython
    assert native_rows(lambda: chain(chain(map(twice, XS), odd()), chain(XS, chain(odd())))) == 3000
    assert native_rows(lambda: chain.from_iterable([map(twice, XS), odd()])) == 1500
    assert native_rows(lambda: chain(*[map(twice, XS) for _ in range(20)])) == 20000
    assert native_rows(lambda: chain(*[XS] * 10, map(twice, XS))) == 11000
    assert native_rows(lambda: enumerate(x for x in chain(map(twice, XS), odd()) if x > 1)) == 1500
    assert native_rows(lambda: (x for x in chain(map(twice, XS), odd(), map(twice, XS)) if x == -1)) == 2500
    assert native_rows(lambda: zip(chain(map(twice, XS), map(twice, XS)), range(5000))) == 2000
    assert native_rows(lambda: zip(range(5000), chain(map(twice, XS), map(twice, XS)))) == 1999
    assert native_rows(lambda: chain(map(twice, XS), {1, 2}, map(twice, XS))) == 1000


@needs_engine
@pytest.mark.parametrize("last", [lambda: map(abs, range(200)), lambda: map(int, [2.5] * 200), lambda: filter(None, range(1, 201))])
@pytest.mark.parametrize("step", [lambda c: c, lambda c: (x for x in c if x)])
def test_a_last_segment_of_c_functions_runs_natively(last, step):
    counts = same(lambda p: p.list(step(chain((x + 1 for x in range(300)), last()))), native=True, min_rows=0)
    assert (counts["rows_native"], counts["rows_replayed"], counts["rows_fallback"]) == (500, 0, 0)


def test_short_segments_are_left_alone():
    small = lambda: chain(map(twice, range(9)), map(twice, range(9)))
    before = pf.stats()["calls_native"]
    assert pf.sum(small()) == sum(small())
    assert pf.stats()["calls_native"] == before
    assert (
        native_rows(lambda: chain(*[map(twice, range(9)) for _ in range(9)], map(twice, XS))) == 0
    )  # it has stopped looking
    assert native_rows(lambda: chain(*[map(twice, range(9)) for _ in range(3)], map(twice, XS))) >= 999


@exact(native=True, min_rows=0)
def test_sums_go_on_in_their_own_way(p):
    ints, floats, large = (lambda: (x for x in XS)), (lambda: (x / 7 for x in XS)), (lambda: (x * 2**60 for x in XS))
    orders = itertools.permutations([ints, floats, large, lambda: [True] * 50, lambda: [0.1, 2**70, 1e100, -1e100]])
    return [p.sum(chain(*[make() for make in order]), start) for order in orders for start in (0, 0.5, 2**63 - 1)]


@exact(native=True, min_rows=0)
def test_the_best_of_all_segments(p):
    nan = float("nan")
    segments = [
        lambda: (x for x in XS),
        lambda: (x / 2 for x in XS),
        lambda: (nan for x in XS),
        lambda: (True for x in XS),
        lambda: (2**70 for x in XS),
    ]
    found = []
    for order in itertools.permutations(segments, 3):
        for take in (p.min, p.max):
            found += [
                take(chain(*[make() for make in order])),
                take((x for x in chain(*[make() for make in order])), key=lambda x: (x % 7, x)),
            ]
    return found


@exact(native=True, min_rows=0)
def test_reduce_goes_on(p):
    made = lambda: chain((x for x in XS), (x / 3 for x in XS), [7], (x * 2**40 for x in XS))
    return (
        p.reduce(operator.add, made()),
        p.reduce(lambda a, b: a if a >= b else b, made()),
        p.reduce(lambda acc, x: (acc[0] + 1, max(acc[1], x)), made(), (0, 0)),
        p.reduce(lambda acc, x: acc * 31 % 1000003 + x, made(), 1),
    )


@exact(native=True)
def test_objects_made_once_per_row(p):
    """Rows are numbered anew in each segment: what was made for row 0 of the one before is not row 0's now."""
    twice_each = lambda xs: (t for t in ((x, -x) for x in xs) for _ in range(2))
    pairs = p.list(chain(twice_each([1]), twice_each([2]), twice_each([3, 4])))
    return pairs, [a is b for a, b in zip(pairs, pairs[1:])]


@exact(native=True, min_rows=0)
def test_a_row_raises_in_a_later_segment(p):
    first, second = iter(list(XS)), iter(list(XS))
    g = (1000 // (x - 500) for x in second)
    c = chain((x for x in first), g, [1])
    log = []
    try:
        p.sum(x for x in c)
    except ZeroDivisionError as error:
        tb = error.__traceback__
        while tb is not None:
            log.append(tb.tb_frame.f_code.co_name)
            tb = tb.tb_next
    return log, rest(first, second, g, c, limit=3)


@exact(native=True)
def test_a_strict_zip_ends_a_segment(p):
    a, b = iter(range(900)), iter(range(901))
    c = chain(zip(a, b, strict=True), map(twice, XS))
    try:
        p.list(c)
    except ValueError as error:
        return str(error), rest(a, b, c, limit=3)


@exact(native=True)
def test_a_leftover_item_in_the_middle(p):
    a, b = iter(range(1000)), iter(range(900))
    c = chain(zip(a, b), map(twice, b))
    return p.list(c), rest(a, b, c, limit=3)


@exact(native=True, min_rows=0)
def test_iterators_shared_by_segments(p):
    it = iter(list(XS))
    c = chain(islice(it, 300), map(twice, islice(it, 300)), (x for x in it), map(twice, it))
    return p.list(c), rest(it, c)


@exact(native=True, min_rows=0)
def test_what_is_not_begun_is_not_begun(p):
    """An islice that has enough at the end of a segment does not pull the chain again."""
    segments = [map(twice, range(100)), map(twice, range(100))]
    source = iter(segments)
    c = chain.from_iterable(source)
    answer = (
        p.list(islice(c, 100)),
        source.__length_hint__(),
        p.list(islice((x for x in c), 100)),
        source.__length_hint__(),
    )
    return answer, rest(source, c, limit=3)


@exact(native=True, min_rows=0)
def test_a_predicate_that_is_found_in_the_second_segment(p):
    g = (x * 3 for x in XS)
    c = chain(map(twice, XS), g)
    return p.any(x == 1500 * 3 - 3 for x in c), p.any(x == 2997 for x in c), inspect.getgeneratorstate(g), rest(c)


def test_what_segments_free_is_freed_in_time():
    class A:
        def __init__(self, log, name):
            self.finalizer = weakref.finalize(self, log.append, name)

    def work(p):
        log = []
        segments = [[A(log, i), *range(50)] for i in range(4)]
        c = chain(*[(x for x in xs) for xs in segments])
        del segments
        return p.list((type(x).__name__, len(log)) for x in c), log

    same(work, min_rows=0)


@needs_engine
@pytest.mark.parametrize("step", ["map", "c map", "genexpr"])
@pytest.mark.parametrize("pulled", ["chain", "segment", "source", "leaf"])
def test_handlers_pull_in_between(step, pulled):
    leaf = iter(range(3_000_000))
    make = {
        "map": lambda s: map(twice, s),
        "c map": lambda s: map(abs, s),
        "genexpr": lambda s: (x for x in s if x >= 0),
    }[step]
    first, second = make(leaf), make(iter(range(3_000_000, 6_000_000)))
    source = iter([first, second, [-1] * 3])
    c = chain.from_iterable(source)
    them, taken = {"chain": c, "segment": first, "source": source, "leaf": leaf}, []

    def take():
        try:
            taken.append(next(them[pulled], None))
        except ValueError:  # it is executing
            taken.append(None)

    with alarms(take, 0.003, 0.01):
        got = pf.list(c)
    factor = 2 if step == "map" else 1
    gone = [x * factor if pulled == "leaf" else x for x in taken if x is not None]
    assert taken and list(c) == []
    if pulled == "source":
        assert len(got) >= 3_000_000
    else:
        whole = [x * factor for x in range(6_000_000)] + [-1] * 3
        assert sorted(got + gone) == sorted(whole)


@needs_engine
def test_threads_take_their_share():
    for _ in range(20):
        c = chain((x for x in range(200_000)), map(twice, range(200_000)), [1] * 1000)
        seen, stop = [], threading.Event()

        def take(c=c, seen=seen, stop=stop):
            while not stop.is_set():
                try:
                    seen.append(next(c, None))
                except ValueError:  # generator already executing
                    pass
                time.sleep(0.0002)

        thread = threading.Thread(target=take)
        thread.start()
        try:
            got = pf.list(c)
        except ValueError:
            got = None
        finally:
            stop.set()
            thread.join()
        if got is not None:
            assert sorted(got + [x for x in seen if x is not None]) == sorted(
                [*range(200_000), *map(twice, range(200_000)), *[1] * 1000]
            )


@pytest.mark.parametrize("fails_at", [0, 3])
@pytest.mark.parametrize("min_rows", [0, 1])
def test_a_chain_that_was_never_pulled_has_not_begun(min_rows, fails_at):
    def work(p):
        source = iter([map(twice, range(400)), map(twice, range(400))])
        c = chain.from_iterable(source)
        try:
            p.list(zip((1 // (x - fails_at) for x in range(1000)), c))
        except ZeroDivisionError:
            return source.__length_hint__(), rest(c, source, limit=3)

    same(work, min_rows=min_rows)


@exact(native=True)
def test_an_islice_that_has_enough_where_a_segment_ends(p):
    source = iter([range(100), map(twice, range(100))])
    c = chain.from_iterable(source)
    it = islice(c, 100)
    return p.list(it), source.__length_hint__(), state(c), state(it), rest(it, c, limit=3)

"""Memory that runs out, at every single allocation, and memory that must outlive the call that made it.

Allocations are made to fail one after the other, in the engine (`_mem_fail_after`) and in CPython as the binding uses it
(`_testcapi.set_nomemory`). Whatever fails: the answer is the right one or MemoryError, nothing is lost, and the next call
works. The rest is about objects that results name while other code may let them go.
"""

from __future__ import annotations

import functools
import gc
import itertools
import operator
import signal
import sys
import threading
from array import array
from typing import NamedTuple

import pytest
from differential.check import needs_engine

import purefold as pf

pytestmark = needs_engine
testcapi = pytest.importorskip("_testcapi")

N = 300
INTS = list(range(N))
ODD = [2**70 if i % 40 == 5 else i for i in range(N)]  # rows that go through CPython
ROWS = [(i, float(i), f"name {i}") for i in range(N)]
WORDS = [f"word {i % 7}" for i in range(N)]
FLOATS = array("d", range(N))


class Named(NamedTuple):
    number: int
    weight: float | None


class Slots:
    __slots__ = ("number",)

    def __init__(self, number):
        self.number = number


NAMED = [Named(i, None if i % 9 == 4 else i / 2) for i in range(N)]
DICTS = [{"number": i, "name": f"name {i % 5}"} for i in range(N)]
SLOTS = [Slots(i) for i in range(N)]
WEIGHT = operator.attrgetter("weight")


def tangled(a, b):
    return (a * 31 + b) & 0xFFFF


def low_bits(x):
    return x & 7


def above_three(x):
    return x > 3


def below_280(x):
    return x < 280


def key_of_row(row):
    return row[0] % 11


def add(a, b):
    return a + b


# name: what to call, on builtins or on purefold
CALLS = {
    "sum of a range": lambda p: p.sum(x * 3 for x in range(N) if x % 2),
    "sum of failing rows": lambda p: p.sum(x * 3 for x in ODD),
    "sum of floats": lambda p: p.sum(x * 0.5 for x in FLOATS),
    "sum of a map": lambda p: p.sum(map(low_bits, filter(above_three, INTS))),
    "sum of a nested for": lambda p: p.sum(x * y for x in range(20) for y in range(x)),
    "sum of a field": lambda p: p.sum(row[1] for row in ROWS if row[0] > 7),
    "min": lambda p: p.min(x ^ 21 for x in INTS),
    "max by key": lambda p: p.max(ROWS, key=key_of_row),
    "list of numbers": lambda p: p.list(x * 2 for x in INTS),
    "list of new tuples": lambda p: p.list((x, x + 1) for x in ODD),
    "list of rows": lambda p: p.list(row for row in ROWS if row[0] % 3),
    "tuple of words": lambda p: p.tuple(word for word in WORDS if word != "word 3"),
    "next": lambda p: p.next(x for x in INTS if x > 250),
    "any": lambda p: p.any(x == 299 for x in INTS),
    "zip and enumerate": lambda p: p.list(a + b + i for i, (a, b) in enumerate(zip(INTS, range(N)))),
    "reduce": lambda p: p.reduce(tangled, (x + 1 for x in INTS)),
    "fold": lambda p: p.fold(tangled, (x + 1 for x in INTS), 0),
    "reduce to a sum": lambda p: p.reduce(add, (x + 1 for x in INTS)),
    "all": lambda p: p.all(x < 299 for x in INTS),
    "all of failing rows": lambda p: p.all(x + 1 for x in ODD),
    "any of a plain list": lambda p: p.any([0] * N),
    "sum with a start": lambda p: p.sum((x for x in FLOATS if x > 3), 2**64),
    "sum of a plain list": lambda p: p.sum(ODD),
    "min with a default": lambda p: p.min((x for x in INTS if x < 0), default=WORDS),
    "max of floats and ints": lambda p: p.max(x if x % 2 else x / 2 for x in INTS),
    "max row by a field": lambda p: p.max((r for r in NAMED if r.weight is not None), key=WEIGHT),
    "sum with None left out": lambda p: p.sum(r.weight for r in NAMED if r.weight is not None),
    "list of dicts' values": lambda p: p.list(row["number"] for row in DICTS if row["name"] != "name 3"),
    "list of slots": lambda p: p.list(row.number * 2 for row in SLOTS),
    "list of a filter": lambda p: p.list(filter(above_three, INTS)),
    "tuple of a map of two": lambda p: p.tuple(map(operator.mul, INTS, FLOATS)),
    "starmap over a zip": lambda p: p.sum(itertools.starmap(add, zip(INTS, INTS))),
    "takewhile and islice": lambda p: p.list(itertools.takewhile(below_280, itertools.islice(INTS, 1, None, 2))),
    "a chain of lists": lambda p: p.sum(x & 31 for x in itertools.chain(INTS, ODD)),
    "segments with steps": lambda p: p.sum(x & 31 for x in itertools.chain(map(low_bits, INTS), (x for x in ODD if x > 9), INTS)),
    "a list of segments": lambda p: p.list(itertools.chain([-1], map(low_bits, INTS), (x * 2 for x in ODD))),
    "a search through segments": lambda p: p.any(x == 299 for x in itertools.chain(map(low_bits, INTS), (x for x in INTS if x % 2))),
    "a side of numbers": lambda p: p.sum(x * y for x, y in zip((x * 2 for x in INTS if x % 3), FLOATS)),
    "a side of objects": lambda p: p.list(zip(filter(above_three, INTS), (r for r in ROWS if r[0] % 3))),
    "a side that fails": lambda p: p.list(map(operator.add, (x * 2 for x in ODD if x % 3), INTS)),
    "a side with nothing in it": lambda p: p.list(zip((x for x in INTS if x < 0), FLOATS)),
    "a strided view backwards": lambda p: p.list(x * 2 for x in memoryview(FLOATS)[::-3]),
    "backwards": lambda p: p.next(x for x in reversed(INTS) if x < 100),
    "next with a default": lambda p: p.next((x for x in INTS if x > N), "nothing"),
    "reduce without associativity": lambda p: p.reduce(lambda a, b: a - b, (x * 0.5 for x in INTS)),
    "reduce of rows": lambda p: p.reduce(lambda a, b: a if a[1] > b[1] else b, ROWS),
    "fold of pairs": lambda p: p.fold(lambda a, b: (a[0] + b[0], a[1] + b[1]), ((1, x) for x in INTS), (0, 0)),
    "an int of 128 bits": lambda p: p.sum(x * 2**55 for x in INTS),
}


class Plain:
    sum, min, max, list, tuple, next, any, all = sum, min, max, list, tuple, next, any, all
    reduce = staticmethod(functools.reduce)

    @staticmethod
    def fold(op, iterable, identity):
        return functools.reduce(op, iterable, identity)


class Failing:
    """purefold with failing allocations from the moment a consumer is called: CPython 3.12 and 3.13 crash by themselves where the
    memory for a new function is missing, so chains are made before."""

    def __init__(self, start, stop):
        self.window = start, stop

    def __getattr__(self, name):
        consume, window = getattr(pf, name), self.window

        def call(*args, **kwargs):
            try:
                testcapi.set_nomemory(*window)
                return consume(*args, **kwargs)
            finally:
                testcapi.remove_mem_hooks()

        return call


def expected(name):
    return CALLS[name](Plain)


@pytest.fixture(autouse=True)
def eager():
    with pf.config(threads=2, min_rows=1):
        yield


@pytest.mark.parametrize("fresh", [True, False], ids=["planning", "planned"])
@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_of_the_engine_fails(name, fresh):
    call, want = CALLS[name], expected(name)
    for _ in range(3):
        assert call(pf) == want
    pf._engine._forget_plans()
    call(pf)
    gc.collect()
    level = pf._engine._mem_live()
    tried = 0
    for n in range(4000):
        if fresh:
            pf._engine._forget_plans()
        pf._engine._mem_fail_after(n)
        try:
            outcome = call(pf)
        except MemoryError:
            outcome = want
        reached = pf._engine._mem_fail_after(-1) < 0
        assert outcome == want
        tried += 1
        if not reached:
            break
    assert tried > 1 or not fresh
    for _ in range(20):  # buffers that had to be given up come back
        assert call(pf) == want
    assert pf._engine._mem_live() <= level + 64


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # generators dropped without memory
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "from there on"])
@pytest.mark.parametrize("fresh", [True, False], ids=["planning", "planned"])
@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_of_the_binding_fails(name, fresh, for_good):
    call, want = CALLS[name], expected(name)
    for _ in range(3):
        assert call(pf) == want
    failed = n = good = 0
    while good < 30 and n < 1500:
        if fresh:
            pf._engine._forget_plans()
        n += 1
        try:
            outcome = call(Failing(n, 0 if for_good else n + 1))
        except MemoryError:
            outcome = None
        good = 0 if outcome is None else good + 1  # a failure may be answered by doing without
        failed += outcome is None
        assert outcome is None or outcome == want
    assert failed or not fresh
    assert call(pf) == want


@pytest.mark.parametrize("engine", [True, False], ids=["engine", "binding"])
def test_an_iterator_stands_at_a_row_when_memory_runs_out(engine):
    """Where it stands is not CPython's to say either, but rows are neither lost behind it nor seen twice."""
    for n in range(1, 400):
        it = iter(ODD)
        chain = (x + 1 for x in it if x % 3)
        pf._engine._forget_plans()
        try:
            if engine:
                pf._engine._mem_fail_after(n)
                pf.any(x == 200 for x in chain)
            else:
                Failing(n, n + 1).any(x == 200 for x in chain)
        except MemoryError:
            pass
        finally:
            pf._engine._mem_fail_after(-1)
        rest = list(it)
        assert rest == ODD[N - len(rest) :]


FACES = {
    "explain": lambda: str(pf.explain((x * 3 for x in INTS if x % 2), sum)),
    "explain with numbers": lambda: pf.explain(map(low_bits, INTS), max, analyze=True).data["native"],
    "last": lambda: (pf.sum(x * 3 for x in INTS if x % 2), pf.last().data["native"]),
    "stats": lambda: (pf.sum(x * 3 for x in INTS if x % 2), pf.stats()["calls"] > 0),
    "pure": lambda: pf.pure(low_bits)(4),
}


@pytest.mark.parametrize("name", FACES)
def test_the_rest_of_the_face_without_memory(name):
    answer = FACES[name]
    answer()
    want = answer()
    level = pf._engine._mem_live()
    for n in range(1500):
        pf._engine._forget_plans()
        pf._engine._mem_fail_after(n)
        try:
            answer()
        except MemoryError:
            pass
        if pf._engine._mem_fail_after(-1) >= 0:
            break
    assert answer() == want
    assert pf._engine._mem_live() <= level + 64


def test_a_failed_call_leaves_no_references_behind():
    class Marker:
        pass

    marker = Marker()
    rows = [(i, marker) for i in range(N)]

    def call(p):
        return p.list((m, i) for i, m in rows if i != 7)

    call(pf)
    gc.collect()
    before = sys.getrefcount(marker)
    for n in range(1, 700):
        try:
            call(Failing(n, n + 1))
        except MemoryError:
            pass
    gc.collect()
    assert sys.getrefcount(marker) == before


# ---- what results name while other code runs ----


class Collecting:
    """Runs `action` in the middle of a replayed row: there is a collection at every allocation, and it calls back."""

    def __init__(self, action, at=12):
        self.action, self.count = action, at

    def callback(self, phase, info):
        self.count -= phase == "start"
        if self.count == 0:
            self.action()

    def __enter__(self):
        self.threshold = gc.get_threshold()
        gc.callbacks.append(self.callback)
        gc.set_threshold(1)

    def __exit__(self, *_):
        gc.set_threshold(*self.threshold)
        gc.callbacks.remove(self.callback)


@pytest.mark.parametrize(
    "call",
    [
        lambda xs: pf.list((x, 1) for x in xs if x != "q"),
        lambda xs: pf.tuple((x, x) for x in xs if x != "q"),
        lambda xs: pf.list(y for x in xs for y in (x, [x]) if y != "q"),
        lambda xs: pf.reduce(lambda a, b: b, ((x, 1) for x in xs if x != "q")),
        lambda xs: pf.min(((x, len(x)) for x in xs if x != 2**70), key=lambda pair: pair[1]),
    ],
)
def test_objects_of_rows_computed_ahead_outlive_their_list(call):
    def make(tag):
        return [f"{tag} {i} {i * i}" if i % 50 else 2**70 for i in range(2000)]

    for round_ in range(6):
        xs = make(round_)
        with Collecting(
            lambda xs=xs, round_=round_: xs.__setitem__(slice(None), make(round_ + 100)), at=5 + 7 * round_
        ):
            result = call(xs)
        hash(repr(result))


def test_functions_that_reduce_calls_may_let_the_list_change():
    """The function runs Python code, so a collection, a signal or another thread may come in between any two calls."""

    def slow(a, b):
        return [a[0] + len(b)]

    for consume in (lambda xs: pf.reduce(slow, xs, [0]), lambda xs: pf.fold(slow, xs, [0], lambda a, b: [a[0] + b[0]])):
        for at in (3, 40, 400):
            xs = [f"{i} {at}" for i in range(3000)]
            with Collecting(lambda xs=xs: xs.__setitem__(slice(None), [f"new {i}" for i in range(3000)]), at=at):
                assert consume(x for x in xs if x != "q")[0] > 0
            xs = [f"{i} {at}" for i in range(3000)]
            with Collecting(xs.clear, at=at):
                consume(x for x in xs if x != "q")


class Interrupted(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
def test_exceptions_of_handlers_inside_of_reduces_function_arrive():
    """They come once: calling the function again for the same row would lose them."""

    def handler(*_):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    try:
        for consume in (lambda xs: pf.reduce(tangled, xs), lambda xs: pf.fold(tangled, xs, 0)):
            for _ in range(5):
                it = iter(range(10**12))
                signal.setitimer(signal.ITIMER_REAL, 0.03)
                with pytest.raises(Interrupted):
                    consume(x + 1 for x in it)
                signal.setitimer(signal.ITIMER_REAL, 0)
                assert 0 < next(it) < 10**10
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_reduces_function_is_called_once_for_each_row():
    calls = []

    def f(a, b):
        return a * 31 % 7 + 10 // (b - 2000)

    it = iter(range(5000))
    with pytest.raises(ZeroDivisionError) as caught:
        pf.reduce(f, (x for x in it))
    assert [entry.name for entry in caught.traceback][-1] == "f" and next(it) == 2001 and not calls


# ---- many threads ----


def test_reports_of_threads_that_end_take_their_plans_along():
    """Each thread remembers its last call, plan included, for as long as it lives and no longer."""

    def work(code):
        space = {"pf": pf}
        exec(code, space)
        with pf.config(threads=2, min_rows=1):
            space["go"]()

    def threads(start, n):
        for i in range(start, start + n):
            thread = threading.Thread(target=work, args=(f"def go(): return pf.sum(x * {i} for x in range(100))",))
            thread.start()
            thread.join()
        pf._engine._forget_plans()
        gc.collect()
        return pf._engine._mem_live()

    threads(0, 20)
    before = threads(100, 10)
    assert threads(1000, 60) - before < 60

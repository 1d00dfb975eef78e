"""exactness.md section 4: introspection and settling. Where every iterator stands afterwards."""

from __future__ import annotations

import builtins
import functools
import gc
import itertools
import sys
import types
from array import array
from itertools import chain, islice, starmap, takewhile

import pytest
from differential.check import exact, needs_engine, rest, same

import purefold as pf

N = 40
SOURCES = {
    "range": lambda: range(N),
    "range step": lambda: range(100, 100 - 3 * N, -3),
    "list": lambda: list(range(N)),
    "tuple": lambda: tuple(range(N)),
    "array": lambda: array("i", range(N)),
    "bytes": lambda: bytes(range(N)),
    "bytearray": lambda: bytearray(range(N)),
    "memoryview": lambda: memoryview(array("q", range(N))),
    "strided": lambda: memoryview(array("q", range(2 * N)))[::2],
    "reversed array": lambda: reversed(array("q", range(N))),
    "reversed bytearray": lambda: reversed(bytearray(range(N))),
    "reversed memoryview": lambda: reversed(memoryview(array("q", range(2 * N)))[::2]),
    "long list": lambda: [*range(N), *range(3000)],
}
STOPPERS = {
    "any": lambda p, c: p.any(x == 7 for x in c),
    "all": lambda p, c: p.all(x != 7 for x in c),
    "next": lambda p, c: p.next(x for x in c if x == 7),
    "takewhile": lambda p, c: p.sum(takewhile(lambda x: x != 7, c)),
    "islice": lambda p, c: p.list(islice(c, 2, 9, 3)),
    "islice none": lambda p, c: p.list(islice(c, 0)),
    "zip short": lambda p, c: p.list(zip(c, range(5))),
    "zip short first": lambda p, c: p.list(zip(range(5), c)),
    "zip strict": lambda p, c: p.list(zip(c, range(5), strict=True)),
    "zip strict first": lambda p, c: p.list(zip(range(5), c, strict=True)),
    "map two": lambda p, c: p.list(map(lambda a, b: a + b, c, [1, 2, 3])),
    "map two first": lambda p, c: p.list(map(lambda a, b: a + b, [1, 2, 3], c)),
    "error": lambda p, c: p.sum(10 // (x - 7) for x in c),
    "error in filter": lambda p, c: p.sum(x for x in c if 10 // (x - 7)),
    "error in map": lambda p, c: p.sum(map(lambda x: 10 // (x - 7), c)),
    "error in key": lambda p, c: p.max(c, key=lambda x: 10 // (x - 7)),
    "sum": lambda p, c: p.sum(x for x in c),
    "list": lambda p, c: p.list(c),
    "min": lambda p, c: p.min(c, key=lambda x: -x),
    "empty": lambda p, c: p.list(x for x in c if x < 0),
    "reduce": lambda p, c: p.reduce(lambda a, b: a - b, c),
    "enumerate": lambda p, c: p.next(i for i, x in enumerate(c, 3) if x == 7),
}


@pytest.mark.parametrize("stopper", STOPPERS)
@pytest.mark.parametrize("source", SOURCES)
def test_rest_of_a_leaf(source, stopper):
    def work(p):
        outcomes = []
        for advanced in (0, 1, 3, N):
            it = iter(SOURCES[source]())
            for _ in range(advanced):
                next(it, None)
            try:
                outcome = STOPPERS[stopper](p, it)
            except Exception as error:
                outcome = repr(error)
            state = repr(it.__reduce__()) if hasattr(it, "__reduce__") and "memory" not in type(it).__name__ and "memory" not in source and "strided" not in source else None
            outcomes.append((outcome, state, rest(it)))
        return outcomes

    same(work)


@pytest.mark.parametrize("source", ["list", "tuple", "array", "bytes", "range"])
def test_rest_of_reversed(source):
    def work(p):
        it = reversed(SOURCES[source]())
        first = p.any(x == 30 for x in it)
        return first, rest(it)

    same(work)


def test_an_exhausted_list_iterator_stays_exhausted():
    def work(p):
        xs = [1, 2, 3]
        it = iter(xs)
        total = p.sum(x * 2 for x in it)
        xs.append(4)
        return total, list(it), repr(it.__reduce__())

    same(work)


def test_a_list_iterator_short_of_its_end_sees_what_is_appended():
    def work(p):
        xs = [1, 2, 3]
        it = iter(xs)
        taken = p.list(islice(it, 3))
        xs.append(4)
        return taken, list(it)

    same(work)


def test_an_iterator_beyond_a_shrunken_list():
    def work(p):
        xs = list(range(20))
        it = iter(xs)
        for _ in range(10):
            next(it)
        del xs[5:]
        return p.list(x for x in it), rest(it)

    same(work)


STEPS = {
    "map": lambda it: map(lambda x: x * 2, it),
    "filter": lambda it: filter(lambda x: x % 3, it),
    "filter none": lambda it: filter(None, it),
    "zip": lambda it: zip(it, range(100)),
    "enumerate": lambda it: enumerate(it, 5),
    "islice": lambda it: islice(it, 1, 30, 2),
    "takewhile": lambda it: takewhile(lambda x: x < 25, it),
    "chain": lambda it: chain(it, [100, 200], range(3)),
    "starmap": lambda it: starmap(lambda a, b: a + b, zip(it, it.__class__ is int or range(50))),
    "genexpr": lambda it: (x * 2 for x in it if x % 3),
    "nested": lambda it: (x * y for x in it for y in range(3)),
    "deep": lambda it: enumerate(filter(None, map(lambda p: p[0] + p[1], zip(it, (y * 2 for y in range(60)))))),
}


@pytest.mark.parametrize("taken", [0, 1, 4])
@pytest.mark.parametrize("step", STEPS)
def test_the_step_itself_goes_on_where_it_was(step, taken):
    def work(p):
        it = iter(range(1, 40))
        steps = STEPS[step](it)
        for _ in range(taken):
            next(steps, None)
        first = p.next(steps)
        second = p.any(repr(x) in ("20", "(9, 10)") for x in islice(steps, 4))
        third = p.list(islice(steps, 3))
        state = steps.__reduce__()[1][1] if step == "enumerate" else None
        return first, second, third, state, rest(steps, it)

    same(work)


@pytest.mark.parametrize("step", STEPS)
def test_the_step_after_an_exception(step):
    def work(p):
        it = iter([3, 1, 4, "x", 5, 9, 2])
        steps = STEPS[step](it)
        try:
            answer = p.sum(x if type(x) is int else x[0] for x in steps)
        except TypeError as error:
            answer = repr(error)
        return answer, rest(steps, it)

    same(work)


def generator_state(g):
    if g.gi_frame is None:
        return "closed", g.gi_running
    return g.gi_frame.f_lineno, g.gi_running, sorted(k for k in g.gi_frame.f_locals), {k: v for k, v in g.gi_frame.f_locals.items() if isinstance(v, (int, float))}


@exact()
def test_generator_after_a_stop(p):
    it = iter(range(100))
    g = (x * 2 for x in it if x % 3)
    return p.any(x == 20 for x in g), generator_state(g), rest(g, it)


@exact()
def test_generator_after_its_end(p):
    g = (x * 2 for x in range(50) if x % 3)
    return p.sum(g), generator_state(g), rest(g), p.sum(g)


@exact()
def test_generator_after_an_exception(p):
    it = iter([1, 2, 0, 4])
    g = (1 // x for x in it)
    try:
        p.list(g)
    except ZeroDivisionError as error:
        frames = []
        tb = error.__traceback__
        while tb:
            frames.append((tb.tb_frame.f_code.co_name, {k: v for k, v in tb.tb_frame.f_locals.items() if type(v) is int}))
            tb = tb.tb_next
        return frames, generator_state(g), rest(g, it)


@exact()
def test_no_loss_when_a_chain_is_continued(p):
    it = iter(range(3000))
    g = (x for x in it if x % 2)
    return p.next(g), p.sum(islice(g, 700)), p.next(g), list(islice(it, 3)), p.sum(g)


@exact()
def test_nested_for_after_an_exception(p):
    outer, inners = iter([1, 2, 3]), [iter([4, 5]), iter([0, 7]), iter([2, 3])]
    g = (10 // y for x in outer for y in inners[x - 1])
    try:
        p.list(g)
    except ZeroDivisionError:
        return list(outer), [list(i) for i in inners]


@exact()
def test_nested_for_of_tuples_after_a_stop(p):
    rows = [(1, 2), (3, 4), (5, 6)]
    it = iter(rows)
    g = (y * 2 for row in it for y in row)
    return p.any(y == 6 for y in g), rest(g, it)


@exact()
def test_nested_for_of_ranges_after_a_stop(p):
    it = iter(range(10))
    g = ((x, y) for x in it for y in range(x) if (x + y) % 2)
    return p.next(g), p.next(t for t in g if t[1] == 3), rest(g, it)


@exact()
def test_a_real_step_never_runs_through_rejected_rows(p):
    it = iter(range(10**7))
    g = (x for x in it if x < 5)
    return p.list(islice(g, 5)), next(it)


@exact()
def test_generator_functions_are_left_where_they_are(p):
    def gen():
        for x in range(20):
            yield x * 2

    g = gen()
    return p.any(x == 6 for x in g), generator_state(g), rest(g)


@exact()
def test_order_of_release(p):
    log = []

    class A:
        def __init__(self, name):
            self.name = name

        def __del__(self):
            log.append(self.name)

        def __eq__(self, other):
            log.append("eq")
            return False

    def source():
        return chain(iter([A(1), A(2)]), (log.append("second") or A(3) for _ in range(1)))

    count = p.sum(1 for a in source())
    middle = list(log)
    list_of = p.list(a.name for a in [A(5), A(6)])
    p.any(a == 1 for a in iter([A(7), A(8)]))
    return count, middle, list_of, log


@exact()
def test_release_of_islice_source(p):
    log = []

    class A:
        def __del__(self):
            log.append("gone")

    n = p.list(x for x in islice([1, 2, A()], 2))
    return n, log


@exact()
def test_globals_of_a_dict_subclass(p):
    class D(dict):
        def __getitem__(self, key):
            return 5 if key == "k" else super().__getitem__(key)

        def __missing__(self, key):
            return 7

    code = compile("lambda xs: (x * k for x in xs)", "<g>", "eval")
    make = types.FunctionType(eval(code).__code__, D({"k": 3, "__builtins__": builtins}))
    return p.sum(make([1, 2]))


@exact()
def test_builtins_of_the_functions_own(p):
    space = {"__builtins__": {"abs": lambda x: x - 100}}
    make = eval("lambda xs: (abs(x) for x in xs)", space)
    return p.list(make([1, -2]))


@exact()
def test_an_empty_cell_that_no_row_reaches(p):
    def work(xs):
        gen = (k * x for x in xs if x < 0)  # noqa: F821
        answer = p.list(gen)
        k = 3  # noqa: F841
        return answer

    return work([1, 2, 3]), work([])


@exact()
def test_an_empty_cell_that_a_row_reaches(p):
    def work(xs):
        gen = (k * x for x in xs if x > 2)  # noqa: F821
        answer = p.list(gen)
        k = 3  # noqa: F841
        return answer

    return work([1, 2, 3])


@exact()
def test_a_missing_global_that_no_row_reaches(p):
    return p.list(missing * x if x > 10 else x for x in range(5))  # noqa: F821


@exact()
def test_a_missing_global_that_a_row_reaches(p):
    it = iter(range(20))
    try:
        return p.list(missing * x if x > 10 else x for x in it)  # noqa: F821
    except NameError as error:
        return str(error), list(it)


@exact()
def test_a_late_global(p):
    space = {}
    g = eval("(k * x for x in (1, 2))", space)
    space["k"] = 5
    return p.list(g)


@exact()
def test_generator_already_executing(p):
    def source():
        try:
            yield p.sum(g)
        except ValueError as error:
            yield str(error)

    g = (x for x in source())
    return p.list(g)


@exact()
def test_async_and_starred_oddities(p):
    async def af(xs):
        return (x for x in xs)

    coroutine = af([1])
    coroutine.close()
    return p.sum(x for x in (*range(3), *[4]))


def test_chains_are_not_kept_alive():
    import weakref

    class Row:
        def __init__(self):
            self.a = 1

    with pf.config(threads=2, min_rows=1):
        rows = [Row() for _ in range(50)]
        refs = [weakref.ref(r) for r in rows]
        g = (r.a for r in rows)
        kept = weakref.ref(g)
        assert pf.sum(g) == 50
        picked = pf.list(r for r in rows if r.a)
        assert picked == rows
        del g, rows, picked
        assert kept() is None and not any(r() for r in refs)


def test_reference_counts():
    def work(p):
        marks = [object() for _ in range(5)]
        xs = [(m, i) for i, m in enumerate(marks)] * 3
        before = [sys.getrefcount(m) for m in marks] + [sys.getrefcount(x) for x in xs[:5]] + [sys.getrefcount(xs)]
        kept = p.list(x for x in xs if x[1] % 2)
        kept2 = p.list(x[0] for x in xs)
        kept3 = p.tuple(map(lambda x: (x, x[1]), xs))
        kept4 = p.max(xs, key=lambda x: x[1])
        p.any(x[1] > 2 for x in xs)
        p.sum(x[1] for x in xs)
        after = [sys.getrefcount(m) for m in marks] + [sys.getrefcount(x) for x in xs[:5]] + [sys.getrefcount(xs)]
        del kept, kept2, kept3, kept4
        end = [sys.getrefcount(m) for m in marks] + [sys.getrefcount(x) for x in xs[:5]] + [sys.getrefcount(xs)]
        return [b - a for a, b in zip(before, after)], [b - a for a, b in zip(before, end)]

    same(work)


@needs_engine
def test_explain_consumes_nothing():
    it = iter(range(10))
    g = (x for x in it if x % 2)
    pf.explain(g)
    pf.explain(map(abs, it))
    assert list(g) == [1, 3, 5, 7, 9]


def test_intermediate_handles_in_any_order():
    def work(p):
        a = iter([1, 2, 3, 4, 5, 6])
        b = map(lambda x: x + 1, a)
        c = (x * 2 for x in b)
        d = enumerate(c)
        return p.next(d), p.next(c), p.next(b), p.next(a), p.list(d), rest(a, b, c, d), gc.is_tracked(d)

    same(work)


def test_reduce_after_stop():
    def work(p):
        xs = iter([1, 2, 3, 0, 5])
        try:
            p.reduce(lambda a, b: a // b, xs)
        except ZeroDivisionError as error:
            return repr(error), list(xs)

    same(work)


def test_partial_with_everything():
    def work(p):
        f = functools.partial(lambda a, b, *, k=3: a * b + k, 2, k=5)
        return p.list(map(f, range(5))), p.list(itertools.starmap(f, [(1,), (2,)]))

    same(work)


REVERSIBLE = {
    "bytes": bytes(range(256)) * 8,
    "bytearray": bytearray(range(256)) * 8,
    "array q": array("q", [2**63 - 1, -(2**63), 0, 5] * 500),
    "array d": array("d", [1.5, -0.0, float("nan"), float("inf")] * 500),
    "array f": array("f", [1.1, 2.5] * 1000),
    "array Q": array("Q", [2**64 - 1, 1] * 1000),
    "array u": array("u", "ab" * 1000),
    "memoryview": memoryview(array("h", range(2000))),
    "strided": memoryview(array("i", range(6000)))[::3],
    "backward": memoryview(bytes(range(256)) * 8)[::-1],
    "bools": memoryview(bytearray(b"\1\0" * 1000)).cast("?"),
    "one": array("q", [7]),
    "empty": array("q"),
}


@pytest.mark.parametrize("name", REVERSIBLE)
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_reversed_sequences_of_numbers_stand_where_they_would(name, taken):
    """`reversed` over arrays and bytes counts down an index of its own, and drops the sequence at its end."""

    def ask(ns):
        it = reversed(REVERSIBLE[name])
        for _ in range(taken):
            next(it, None)
        found = ns.any(x == 7 for x in it)
        stands = it.__length_hint__(), [next(it, None) for _ in range(2)]
        rest = ns.list(x for x in it)
        return repr((found, stands, rest)), it.__length_hint__(), next(it, "end"), it.__reduce__()

    with pf.config(min_rows=1, threads=2):
        assert ask(builtins) == ask(pf)


def test_reversed_subclass_runs_its_own_getitem():
    class Own(array):
        def __getitem__(self, index):
            return 1

    assert pf.sum(x * 2 for x in reversed(Own("q", range(1000)))) == 2000


def test_reversed_memoryview_released_on_the_way():
    view = memoryview(bytes(1000))
    it = reversed(view)
    next(it)
    view.release()
    with pytest.raises(ValueError, match="released"):
        pf.sum(x + 1 for x in it)
    assert pf.sum(x + 1 for x in it) == 0  # the error dropped the view


def test_reversed_array_that_shrinks():
    xs = array("q", range(2000))
    it = reversed(xs)
    del xs[100:]
    assert pf.list(x for x in it) == []
    xs = array("q", range(2000))
    rows = (x for x in reversed(xs))
    assert next(rows) == 1999
    del xs[1500:]
    assert pf.sum(rows) == 0

"""Generators that stand in the middle of a row, whose inner loops have items left: those are CPython's, what follows is native."""

from __future__ import annotations

import operator
from itertools import chain, islice, starmap, takewhile

import pytest
from differential.check import exact, needs_engine, rest, same
from differential.timers import alarms

import purefold as pf
from purefold import _engine

pytestmark = needs_engine
ROWS = [[i, i + 1, i + 2][: i % 4] for i in range(400)]

CHAINS = {
    "loops": lambda rows: (x * 2 for r in rows for x in r),
    "three loops": lambda rows: (x + z for r in rows for x in r for z in range(x % 3)),
    "filtered": lambda rows: (x for r in rows for x in r if x % 3 if x != 5),
    "above": lambda rows: (y + 1 for y in (x for r in rows for x in r) if y % 5),
    "two in rows": lambda rows: (y + z for y in (x for r in rows for x in r) for z in range(3)),
    "mapped": lambda rows: map(abs, (x - 9 for r in rows for x in r)),
    "chosen": lambda rows: filter(None, (x % 4 for r in rows for x in r)),
    "spread": lambda rows: starmap(operator.mul, ((x, 3) for r in rows for x in r)),
    "while": lambda rows: takewhile(lambda x: x < 300, (x for r in rows for x in r)),
    "reversed": lambda rows: (x for r in reversed(rows) for x in r),
    "numbered rows": lambda rows: (i * x for i, r in enumerate(rows) for x in r),
    "zipped rows": lambda rows: (x + i for r, i in zip(rows, range(10**6)) for x in r),
}
CONSUMERS = {
    "list": lambda p, it: p.list(it),
    "sum": lambda p, it: p.sum(it),
    "max": lambda p, it: p.max(it, default=None),
    "min": lambda p, it: p.min(it, key=lambda x: -x % 17, default=None),
    "any": lambda p, it: p.any(x > 390 for x in it),
    "all": lambda p, it: p.all(x < 390 for x in it),
    "next": lambda p, it: p.next((x for x in it if x > 200), None),
    "reduce": lambda p, it: p.reduce(lambda a, b: a + b, it, 0),
    "reduce, no start": lambda p, it: p.reduce(lambda a, b: a if a > b else b, it),
}

SEARCHES = ("any", "all", "next", "reduce, no start")


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("name", CHAINS)
def test_they_go_on_natively(name, consumer):
    def work(p, begun):
        source = iter(ROWS) if name != "reversed" else ROWS
        it = CHAINS[name](source)
        return list(islice(it, begun)), CONSUMERS[consumer](p, it), rest(it), rest(source)

    for begun in (1, 2, 3, 4, 5, 8):
        counts = same(lambda p, begun=begun: work(p, begun))
        enough = 200 if consumer not in SEARCHES else 1 if name != "reversed" else 0
        assert counts["calls_native"] == 1 and counts["rows_native"] >= enough, (begun, counts)


@pytest.mark.parametrize("begun", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "above",
    [
        lambda it: enumerate(it),
        lambda it: islice(it, 2, 100, 3),
        lambda it: zip(it, range(1000)),
        lambda it: map(operator.add, it, range(1000)),
        lambda it: zip(range(1000), it),
        lambda it: chain(it, [1, 2]),
        lambda it: chain([1, 2], it),
    ],
    ids=["enumerate", "islice", "zip", "map", "second of zip", "chain", "second of chain"],
)
def test_steps_that_count_are_in_step(above, begun):
    def work(p):
        below = (x for r in ROWS for x in r)
        head = list(islice(below, begun))
        it = above(below)
        return head, p.list(it), rest(it), rest(below)

    same(work)


@pytest.mark.parametrize("segments", [lambda rows: chain(rows[:20], rows[20:]), lambda rows: chain.from_iterable([rows[:20], rows[20:]]), lambda rows: islice(rows, 3, 90)])
def test_sources_of_several_parts(segments):
    def work(p, begun):
        it = (x for r in segments(ROWS) for x in r)
        return list(islice(it, begun)), p.list(it)

    for begun in (1, 2, 30, 31, 32):
        same(lambda p, begun=begun: work(p, begun))


@exact()
def test_fold_is_in_step(p):
    it = (x for r in ROWS for x in r)
    next(it)
    return p.fold(operator.add, it, 0)


class Meddler:
    """What its rows' loop does between two of its items, when it is added."""

    def __init__(self, act):
        self.act = act

    def __radd__(self, other):
        self.act()
        return other


def meddling(p, act_on, consumer=lambda p, it: p.list(it)):
    """An inner loop that has a meddler left, and has been begun."""
    rows = [[1, 2, 3], *([4, 5, 6] for _ in range(60))]
    seen = {}
    source = iter(rows)
    rows[0].append(Meddler(lambda: act_on(rows, seen, source)))
    space = {"K": 10}
    exec("def make(source): return (K + x for r in source for x in r)", space)
    seen["space"] = space
    it = space["make"](source)
    return list(islice(it, 2)), consumer(p, it), rest(it), rest(source), [len(r) for r in rows]


@exact()
def test_a_leftover_that_rebinds_a_global(p):
    return meddling(p, lambda rows, seen, source: seen["space"].update(K=1.5))


@exact()
def test_a_leftover_that_changes_the_rows(p):
    def act(rows, seen, source):
        rows[2][:] = [100, 200]
        rows[5] = ["a"]
        del rows[30:]

    try:
        return meddling(p, act)
    except TypeError as error:
        return str(error)


@exact()
def test_a_leftover_that_pulls_the_source(p):
    return meddling(p, lambda rows, seen, source: next(source))


@exact()
def test_a_leftover_that_raises(p):
    def act(rows, seen, source):
        raise ValueError(rest(source)[:2])

    try:
        return meddling(p, act)
    except ValueError as error:
        return str(error)


@exact()
def test_a_leftover_that_consumes_the_chain_itself(p):
    its = []

    def act(rows, seen, source):
        try:
            next(its[0])
        except ValueError as error:
            its.append(str(error))

    rows = [[1, 2, Meddler(lambda: act(None, None, None))], *([4, 5, 6] for _ in range(60))]
    its.append((10 + x for r in rows for x in r))
    return next(its[0]), p.sum(its[0]), its[1:]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_search_that_ends_among_the_leftovers(threads):
    def work(p):
        source = iter(ROWS)
        it = (x for r in source for x in r)
        head = list(islice(it, 4))  # of the row [3, 4, 5], one is left
        return head, p.any(x == 4 for x in it), next(it), rest(source)[:1]

    same(work, threads=threads)


def test_first_calls_over_loops_are_looked_into_and_go_on_natively():
    def work(p):
        return p.sum(x * y for x in range(40) for y in range(3000)), p.max(x for r in ROWS for x in r), p.list(len(ROWS) + x for r in ROWS[:20] for x in r)

    with pf.config(plan_after=4096):
        counts = same(work, native=True, min_rows=0)
        assert counts["rows_native"] > 300


class Puller:
    """A number that takes an item of the chain when it is added to."""

    def __init__(self):
        self.got = []
        self.chain = iter(())

    def __add__(self, other):
        self.got.append(next(self.chain, "end"))
        return 1000

    __radd__ = __add__


@pytest.mark.parametrize("step", ["map", "filter", "starmap", "generator", "two maps"])
@pytest.mark.parametrize("pulls", ["the outer", "the inner"])
@pytest.mark.parametrize("left", [0, 1])
def test_a_leftover_that_pulls_a_step_of_the_chain(step, pulls, left):
    def work(p, consumer):
        puller = Puller()
        rows = [[1, 2, puller, 3], *([4, 5, 6] for _ in range(60))]
        source = iter(rows)
        inner = (v for r in source for v in r)
        outer = {
            "map": lambda: map(lambda v: v + 1, inner),
            "filter": lambda: filter(lambda v: v + 1, inner),
            "starmap": lambda: starmap(lambda v: v + 1, ((v,) for v in inner)),
            "generator": lambda: (v + 1 for v in inner),
            "two maps": lambda: map(abs, map(lambda v: v + 1, inner)),
        }[step]()
        puller.chain = outer if pulls == "the outer" and step in ("map", "filter", "starmap") else inner
        next(outer)
        del rows[0][3 + left :]
        return [v if isinstance(v, int) else "puller" for v in getattr(p, consumer)(outer)], puller.got, rest(source), rest(inner)

    same(lambda p: work(p, "list"))
    same(lambda p: work(p, "tuple"))


class Summed:
    """Whatever is added to it, or compared with it, changes the last row."""

    def __init__(self, rows):
        self.rows = rows
        self.times = self.total = 0

    def __add__(self, other):
        self.times += 1
        self.rows[-1][0] += 1
        self.total += other
        return self

    __radd__ = __add__

    def __lt__(self, other):
        self.__add__(other)
        return False

    __gt__ = __lt__


@pytest.mark.parametrize("consumer", ["sum", "min", "max"])
@pytest.mark.parametrize("chain_of", [lambda rows: (x for r in rows for x in r), lambda rows: takewhile(lambda x: x is not None, (r[0] for r in rows))], ids=["loops", "while"])
def test_what_cpython_has_looked_at_first_may_be_anybodys(consumer, chain_of):
    def work(p):
        rows = [[i, i + 1] for i in range(3000)]
        odd = Summed(rows)
        rows[2][0] = odd
        result = getattr(p, consumer)(chain_of(rows))
        return result is odd or result, odd.times, odd.total, rows[-1]

    for plan_after in (0, 100, 10**6):
        _engine._forget_plans()
        with pf.config(plan_after=plan_after):
            same(work, min_rows=0)


def test_signal_handlers_that_pull_the_chain():
    def work(p, what):
        rows = [i if i % 40 else i + 2**70 for i in range(6000)]
        below = (x for x in rows)
        top = map(lambda x: (x * 5 + 3 * x) - 7 * x, below)
        pulled = {"top": top, "below": below}[what]

        def handler():
            try:
                taken.append(next(pulled, None))
            except ValueError:  # already executing
                pass

        taken: list = []
        with alarms(handler, 0.0002, 0.0002):
            result = p.list(top)
        return [x - 2**70 if x >= 2**69 else x for x in result]

    for what in ("top", "below"):
        for _ in range(3):
            result = work(pf, what)
            assert result == sorted(result)

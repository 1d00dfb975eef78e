"""Steps that count rows above steps that drop rows: enumerate and islice over filters, `if`s, nested `for`s and each other.

What such a step has counted is known only where the rows below it have been decided one by one; CPython may have to decide some of
them (a row that overflows, or raises), and every iterator has to stand where it would leave it.
"""

from __future__ import annotations

import builtins
import functools
import random
import signal
import warnings
from array import array
from itertools import chain, islice, starmap, takewhile

import pytest
from differential.check import needs_engine, rest, same

import purefold as pf

BIG = 2**62


def data(kind, n, seed):
    """n ints; `kind` says what stands between them and cannot be computed natively, or not at all."""
    rng = random.Random(seed)
    xs = [rng.randrange(-50, 200) for _ in range(n)]
    odd = {"clean": [], "overflow": [BIG, -BIG, BIG + 1], "mixed": [BIG, 1.5, True, -0.0, 2**70], "raising": [BIG, None], "late": []}
    for i in range(n):
        if odd[kind] and rng.random() < 0.03:
            xs[i] = rng.choice(odd[kind])
    if kind == "late":
        xs[-3:] = [BIG, 7, None]
    return xs


STEPS = {
    "filter": lambda c, k: filter(lambda x: x % k != 0, c),
    "filter that may overflow": lambda c, k: filter(lambda x: x * 4 % k == 1, c),
    "if": lambda c, k: (x for x in c if x % k),
    "if and value": lambda c, k: (x * 3 for x in c if x > k * 5),
    "two kinds": lambda c, k: ((x if x > 50 else -1.0) for x in c if x % k),
    "map": lambda c, k: map(lambda x: x * 5 - 1, c),
    "takewhile": lambda c, k: takewhile(lambda x: x < 195, c),
    "nested": lambda c, k: (x + y for x in c for y in range(k)),
    "nested if": lambda c, k: (x + y for x in c for y in (1, 2, 3) if (x + y) % k),
    "enumerate": lambda c, k: (i * 2 + x for i, x in enumerate(c, k)),
    "every k-th": lambda c, k: (x for i, x in enumerate(c) if i % k != 1),
    "starmap": lambda c, k: starmap(lambda i, x: i - x, enumerate(c)),
    "islice stop": lambda c, k: islice(c, k * 20),
    "islice start": lambda c, k: islice(c, k * 9, None),
    "islice start, stop": lambda c, k: islice(c, k, k * 40),
    "islice step": lambda c, k: islice(c, k, None, k),
    "islice all": lambda c, k: islice(c, k, k * 50, k + 1),
    "islice start > stop": lambda c, k: islice(c, k * 7, k * 3),
    "islice none": lambda c, k: islice(c, 0),
}
CONSUMERS = {
    "list": lambda p, c: p.list(c),
    "tuple": lambda p, c: p.tuple(c),
    "sum": lambda p, c: p.sum(c),
    "min": lambda p, c: p.min(c),
    "max": lambda p, c: p.max(c, key=lambda x: -x),
    "any": lambda p, c: p.any(x > 190 for x in c),
    "all": lambda p, c: p.all(c),
    "next": lambda p, c: p.next(c),
    "later": lambda p, c: [p.next(x for x in c if x > 120), p.next(c, None), p.list(islice(c, 30))],
    "reduce": lambda p, c: p.reduce(lambda a, b: a + b, c),
    "fold": lambda p, c: getattr(p, "fold", p.reduce)(lambda a, b: a + b, c, 0),
}


def state(step):
    """Where a step stands, as far as it says so."""
    if hasattr(step, "gi_frame"):
        frame = step.gi_frame
        return None if frame is None else (frame.f_lasti, sorted((k, repr(v)) for k, v in frame.f_locals.items() if k[0] != "."))
    if isinstance(step, (enumerate, islice)) and hasattr(step, "__reduce__"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                reduced = step.__reduce__()
            except TypeError:  # from 3.14 on
                return None
        return reduced[1][1:], reduced[2:]
    return None


def few(step):
    """Its next items, or how it ends."""
    try:
        return [next(step, "end") for _ in range(3)]
    except Exception as error:
        return repr(error)


def outcome(p, consume, xs, steps, before):
    it = iter(xs)
    c, made = it, [it]
    next(it, None)
    for (name, k), taken in zip(steps, before):
        c = STEPS[name](c, k)
        made.append(c)
        for _ in range(taken):
            few(c)
    try:
        result = CONSUMERS[consume](p, c)
    except Exception as error:
        result = repr(error)
    where = [state(step) for step in made]
    return repr(result), where, [few(step) for step in reversed(made)], [state(step) for step in made], repr(rest(it))


@pytest.mark.parametrize("kind", ["clean", "overflow", "mixed", "raising", "late", "range"])
@pytest.mark.parametrize("consume", CONSUMERS)
def test_any_order_of_steps(consume, kind):
    rng = random.Random(f"{consume} {kind}")
    for number in range(60):
        n = rng.choice([0, 1, 20, 64, 100, 300, 1100, 2500])
        xs = range(n) if kind == "range" else data(kind, n, number)
        steps = [(rng.choice(list(STEPS)), rng.randint(2, 7)) for _ in range(rng.randint(1, 4))]
        before = [rng.choice([0, 0, 0, 1]) for _ in steps]
        same(lambda p, xs=xs, steps=steps, before=before: (steps, outcome(p, consume, xs, steps, before)))


INTS = [x * 7 % 1000 - 300 for x in range(3000)]
ONES_IN_TEN = [BIG if i % 10 == 9 else i for i in range(3000)]
NATIVE = {
    "first ten": lambda p: p.list(islice((x for x in INTS if x % 3 == 0), 10)),
    "weighted": lambda p: p.sum(i * x for i, x in enumerate(x for x in INTS if x > 0)),
    "every other": lambda p: p.list(x for i, x in enumerate(filter(None, INTS)) if i % 2),
    "the sixth": lambda p: p.next(islice(filter(lambda x: x > 0, INTS), 5, None)),
    "numbered from one": lambda p: p.list(enumerate((x for x in INTS if x % 2), 1)),
    "page": lambda p: p.tuple(islice((x * 2 for x in INTS if x > 100), 40, 60)),
    "thinned": lambda p: p.list(islice(map(abs, INTS), 10, None, 7)),
    "neighbours": lambda p: p.list(a - b for a, b in zip(INTS, islice(INTS, 1, None))),
    "halves": lambda p: p.list(zip(islice(INTS, 0, None, 2), islice(INTS, 1, None, 2))),
    "thinned twice": lambda p: p.sum(islice(islice(filter(None, INTS), 3, None, 2), 5, None, 3)),
    "numbered slice": lambda p: p.list(enumerate(islice(INTS, 5, None))),
    "numbered slice of computed": lambda p: p.list(enumerate(islice((x + 1 for x in INTS), 5, 2000))),
    "numbered pairs": lambda p: p.sum(i for i, _ in enumerate((x, y) for x in INTS for y in range(3) if x > y)),
    "flat": lambda p: p.list(islice((x + y for x in INTS for y in range(4)), 50)),
    "two kinds": lambda p: p.list(i for i, x in enumerate(x for x in INTS + [0.5] * 9 if x) if i % 100 == 0),
    "numbered while": lambda p: p.list(i + x for i, x in enumerate(takewhile(lambda x: x < 690, INTS))),
    "some fail": lambda p: p.list(islice((x * 4 for x in ONES_IN_TEN if x % 3), 100, 1500, 7)),
    "any": lambda p: p.any(i > 200 and x > 600 for i, x in enumerate(x for x in INTS if x % 2)),
    "largest": lambda p: p.max(enumerate(x for x in INTS if x % 2), key=lambda pair: pair[1] - pair[0]),
}


@needs_engine
@pytest.mark.parametrize("name", NATIVE)
def test_native(name):
    same(NATIVE[name], native=True)


@pytest.mark.parametrize("size", [2**62, 2**63 - 10])
def test_counts_near_the_end_of_an_int(size):
    """Starts that no row count may carry over the end; islices longer than any source."""

    def work(p):
        it = iter(INTS)
        e = enumerate((x for x in it if x > 0), size)
        s = islice(filter(None, INTS), 3, size, 5)
        return p.sum(i - x for i, x in e), rest(it), next(e, None), p.list(s), next(s, None), p.list(islice((x for x in INTS if x), 0, size, size))

    same(work)


SOURCES = {
    "list": list,
    "tuple": tuple,
    "reversed": lambda xs: reversed(list(xs)),
    "range": lambda xs: range(1000, 1000 - 3 * len(xs), -3),
    "wide range": lambda xs: range(-(2**63) + 5, 2**63 - 5, 2**62),
    "array": lambda xs: array("q", [x if x is not None else 3 for x in xs]),
    "strided": lambda xs: memoryview(array("q", [x if x is not None else 3 for x in xs]))[::-2],
}
VIEWS = [(1, None), (0, None, 2), (3, 40, 4), (7,), (0,), (5, 5), (9, 4), (2, 2**62, 2**62), (100, None), (0, 64, 64), (1, 60, 2**61)]
OVER = {
    "alone": lambda p, it, other: p.list(it),
    "neighbours": lambda p, it, other: p.list(a - b for a, b in zip(other, it)),
    "neighbours, first": lambda p, it, other: p.sum(map(lambda a, b: a * b, it, other)),
    "strict": lambda p, it, other: p.list(zip(it, other, strict=True)),
    "numbered": lambda p, it, other: p.list(enumerate(it, 5)),
    "zipped and filtered": lambda p, it, other: p.list(islice((a for a, b in zip(it, other) if a % 3), 2, 20)),
    "found": lambda p, it, other: p.next(i for i, (a, b) in enumerate(zip(it, other)) if a > b),
    "failing": lambda p, it, other: p.sum(a * 4 for a in it),
    "again": lambda p, it, other: p.list(islice(it, 1, None, 3)),
}


@pytest.mark.parametrize("kind", ["clean", "overflow", "raising"])
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("source", SOURCES)
def test_an_islice_over_a_leaf(source, over, kind):
    """Its rows are the items it gives, wherever it stands, and the leaf is left where the islice has taken it."""
    for number, args in enumerate(VIEWS):
        for taken in (0, 1, 3):

            def work(p, args=args, taken=taken, number=number):
                xs = data(kind, 70, number)
                it, ys = iter(SOURCES[source](xs)), iter(data("clean", 50, 5))
                s = islice(it, *args)
                for _ in range(taken):
                    next(s, None)
                other = islice(ys, 1, None) if number % 2 else ys
                try:
                    result = OVER[over](p, s, other)
                except Exception as error:
                    result = repr(error)
                return args, taken, repr(result), state(s), few(s), state(s), few(other), rest(it), rest(ys)

            same(work)


def test_an_islice_that_is_over():
    """It takes nothing more, whoever asks, and lets its source go."""

    def work(p):
        it = iter(INTS)
        g = (x for x in it if x > 0)
        s = islice(g, 3, 40, 2)
        first = p.list(s)
        return first, p.list(s), p.list(x for x in s if x), p.next(s, None), next(it), p.list(islice(g, 2)), rest(g)

    same(work)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers")
@pytest.mark.parametrize(("make", "below"), [
    (lambda it: enumerate(x for x in it if x % 3), lambda n: n - (n + 2) // 3),
    (lambda it: islice((x for x in it if x % 3), 7, None), lambda n: n - (n + 2) // 3),
    (lambda it: islice((x for x in it if x % 3), 0, None, 5), lambda n: n - (n + 2) // 3),
    (lambda it: enumerate(x for x in it for y in range(2) if (x + y) % 3), lambda n: n // 3 * 4 + (0, 1, 3)[n % 3]),
])  # fmt: skip
def test_a_handler_sees_true_counts(make, below):
    """In the middle of a long run: the step has counted what stands before its source's place, and nothing else."""
    seen = []

    class Enough(Exception):
        pass

    def handler(number, frame):
        seen.append((it.__reduce__()[2], state(steps)))
        if len(seen) > 3:
            raise Enough

    it = iter(range(10**9))
    if not isinstance(it.__reduce__()[-1], int):
        pytest.skip("a range_iterator says where it stands up to 3.11 only")
    steps = make(it)
    old = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        with pytest.raises(Enough), pf.config(threads=2):
            pf.sum(i & x for i, x in steps) if isinstance(steps, enumerate) else pf.sum(x & 7 for x in steps)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    for place, (fields, tail) in seen:
        counted = fields[0] if isinstance(steps, enumerate) else tail[0]
        assert counted == below(place)


# A filter that every row passes which the program can compute: the types say so. A row of another type fails, and CPython drops it.
SURELY_KEPT = {
    "enumerate": lambda xs, ys: enumerate(0 for x in xs if isinstance(x, float)),
    "enumerate filter": lambda xs, ys: enumerate(filter(lambda x: isinstance(x, float), xs), 5),
    "enumerate not None": lambda xs, ys: enumerate(1 for x in xs if x is not None),
    "enumerate twice": lambda xs, ys: ((i, j) for i, (j, x) in enumerate(p for p in enumerate(xs) if isinstance(p[1], float))),
    "enumerate starmap": lambda xs, ys: enumerate(starmap(lambda a, b: b, ((x, 1) for x in xs if isinstance(x, float)))),
    "enumerate nested": lambda xs, ys: enumerate(0 for x in xs for y in (1, 2) if isinstance(x, float)),
    "enumerate chain": lambda xs, ys: enumerate(1 for x in chain(xs, ys) if isinstance(x, float)),
    "enumerate takewhile": lambda xs, ys: enumerate(takewhile(lambda i: i < 1900, (1 for x in xs if isinstance(x, float)))),
    "islice": lambda xs, ys: islice((0 for x in xs if isinstance(x, float)), 30, 500, 3),
    "enumerate islice": lambda xs, ys: enumerate(islice((1 for x in xs if isinstance(x, float)), 3, None, 2)),
    "zip first": lambda xs, ys: zip((0 for x in xs if isinstance(x, float)), ys),
    "zip second": lambda xs, ys: zip(ys, (0 for x in xs if isinstance(x, float))),
    "map of two": lambda xs, ys: map(lambda a, b: (a, b), (0 for x in xs if isinstance(x, float)), ys),
}


@pytest.mark.parametrize("name", SURELY_KEPT)
@pytest.mark.parametrize("odd", ["a", None, 1j, 2**70, 3])
@pytest.mark.parametrize(("n", "places"), [(100, [17]), (2100, [361, 362, 1500]), (2100, [0]), (2100, [2099])])
def test_rows_dropped_where_the_program_keeps_all(name, odd, n, places):
    xs = [1.0] * n
    for at in places:
        xs[at] = odd

    def ask(ns, consume):
        it = SURELY_KEPT[name](xs, iter(range(n)))
        return repr(consume(ns, it)), next(it, "end")

    for consume in (
        lambda ns, it: ns.list(it),
        lambda ns, it: ns.max(it, default=None),
        lambda ns, it: ns.any(x == (20, 0) for x in it),
        lambda ns, it: (ns.reduce if ns is pf else functools.reduce)(min, it, (9, 9)) if name[0] in "ez" else ns.sum(1 for _ in it),
    ):
        with pf.config(min_rows=1, threads=2):
            assert ask(pf, consume) == ask(builtins, consume)

"""fold where rows raise, where its functions raise, and where either has effects: held to the text of docs/fold.md.

There a block's items are taken from the source, then all of its rows are computed, then they are folded."""

from __future__ import annotations

import functools
import itertools

import pytest
from differential.check import needs_engine, rest

import purefold as pf
from fuzz import reference

pytestmark = needs_engine  # without one, a chain is its own source
NONE, BLOCK = reference.NONE, reference.BLOCK
SETTINGS = ({"threads": 1, "min_rows": 1}, {"threads": 2, "min_rows": 1}, {})
BIG = 10**7


class Wrong(Exception):
    pass


class Own:
    """A number that runs code wherever it goes, which logs it, and may do more."""

    def __init__(self, n, log, also=None):
        self.n, self.log, self.also = n, log, also

    def __radd__(self, other):
        self.log.append(("row" if other == 0 else "op", other))
        if self.also is not None:
            self.also()
        return other + self.n


def frames(traceback):
    """Without those of the test and of the reference."""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename != reference.FILE and code.co_name not in ("outcome", "ours"):
            yield code.co_name, traceback.tb_lineno
        traceback = traceback.tb_next


def outcome(fold, case):
    """case(log): op, source, steps, and keywords. What came out, what is left of the source, what was done and in which order."""
    log = []
    op, source, steps, *keywords = case(log)
    it = iter(source)
    try:
        answer = repr(fold(op, it, steps, **dict(*keywords)))
    except Exception as error:
        answer = type(error), error.args, type(error.__context__), [*frames(error.__traceback__)]
    try:
        left = rest(it, limit=3)
    except ValueError as error:  # of a strict zip
        left = error.args
    return answer, left, [rest(x, limit=3) if hasattr(x, "__next__") else x for x in log]


def check(case, native=None):
    expected = outcome(reference.fold, case)
    for settings in SETTINGS:

        def ours(op, source, steps, **keywords):
            with pf.config(**settings):
                return pf.fold(op, steps(source), **keywords)

        found = outcome(ours, case)
        assert found == expected, settings
        if native is not None and settings:
            assert pf.last().data["native"] == native, pf.last().data["reason"]


# ---- rows and ops that raise ----------------------------------------------------------------------------------------


def f(x, at):
    if x in at:
        raise Wrong("row", x)
    return x


def inverse(x):
    return 10**9 // (x % BIG)  # a multiple of BIG raises


def pairs(n):
    """Where a row and where an op is to raise: near each other, in one block and in two, on either side of a border."""
    spots = sorted(
        {0, 1, 50, BLOCK - 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK + 7, n - 1} & {*range(n)}
    )
    return [*itertools.product([None, *spots], [None, *spots])]


SIZES = (0, 1, 60, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 60)
OPS = {
    # done without the function, which a few rows are given nonetheless
    "in numbers": (lambda a, b: a + inverse(b)),
    "two parts": (lambda a, b: (a[0] + 1, a[1] + inverse(b))),
    # the function is called on rows that were computed natively
    "called": (lambda a, b: (a * 31 + inverse(b)) & 0xFFFF),
}


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize("filtered", [False, True])
def test_a_row_and_an_op_raise(name, n, filtered):
    op = OPS[name]
    starts = [(0, 0)] if name == "two parts" else [NONE, 0]
    for (row, at), start in itertools.product(pairs(n), starts):
        xs = [*range(1, n + 1)]
        if row is not None:
            xs[row] = None
        if at is not None:
            xs[at] = BIG
        keywords = {} if start is NONE else {"identity": start, "combine": lambda a, b: a}
        for steps in (
            lambda rows: (x + 1 - 1 for x in rows if x != 1 and (not filtered or x % 5 > 2 or x == BIG)),
            lambda rows: map(lambda x: x + 0, rows),
        ):
            check(lambda log, xs=xs, steps=steps, keywords=keywords: (op, xs, steps, keywords), native=n >= 60 or None)


@pytest.mark.parametrize("n", SIZES)
def test_combine_raises(n):
    def combine(a, b):
        if a > 0:
            raise Wrong(a, b)
        return a + b

    for name, op in OPS.items():
        for steps in (lambda rows: (x + 1 for x in rows), lambda rows: (x for x in rows if x % 7)):
            if name != "two parts":
                check(lambda log, op=op, steps=steps: (op, range(5, n + 5), steps, {"identity": 0, "combine": combine}))
                check(
                    lambda log, op=op, steps=steps: (op, [*range(5, n + 5)], steps, {"identity": 0, "combine": combine})
                )


# ---- effects --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("start", [NONE, 0])
def test_the_order_of_effects(n, start):
    for row, at in pairs(n):

        def case(log):
            def op(a, b):
                log.append(("op", b))
                if b == at:
                    raise Wrong("op", b)
                return a + b

            def combine(a, b):
                log.append(("combine", a, b))
                return a - b

            def step(x):
                log.append(("row", x))
                return f(x, (row,))

            keywords = {} if start is NONE else {"identity": start, "combine": combine}
            return op, range(n), lambda rows: (step(x) for x in rows if x % 7 < 4), keywords

        check(case)


def unread(xs):
    yield from xs


def breaks_off(xs):
    for x in xs:
        yield f(x, (BLOCK + 9,))


@pytest.mark.parametrize("make", [iter, tuple, enumerate, dict.fromkeys, unread, breaks_off])
def test_sources_of_all_kinds(make):
    def case(log):
        def op(a, b):
            log.append(b)
            return a + b

        return (
            op,
            make([*range(1, 2 * BLOCK + 5)]),
            (lambda rows: (i + x for i, x in rows)) if make is enumerate else iter,
        )

    check(case)


@pytest.mark.parametrize("which", ["row", "op"])
@pytest.mark.parametrize("how", ["takes", "appends", "edits", "shrinks", "raises"])
@pytest.mark.parametrize("at", [0, 1, 70, BLOCK - 1, BLOCK, BLOCK + 70])
def test_effects_on_the_source(which, how, at):
    for n, own in itertools.product((200, BLOCK + 100, 2 * BLOCK, 2 * BLOCK + 100), (False, True)):

        def case(log):
            xs = [*range(1, n + 1)]
            it = iter(xs)

            def disturb():
                if how == "takes":
                    log.append(next(it, None))
                elif how == "appends":
                    xs.append(5)
                elif how == "edits":
                    xs[at + 1 : at + 3] = [1000, 2000]
                    xs[-1] = 17
                elif how == "shrinks":
                    del xs[-50:]
                else:
                    raise Wrong("own")

            def step(x):
                if which == "row" and x == at + 1:
                    disturb()
                return x

            def op(a, b):
                if which == "op" and b == at + 1:
                    disturb()
                return a + b

            if own:  # nothing else has effects
                if at < n:
                    xs[at] = Own(at + 1, log, disturb)
                add = (lambda a, b: a + b) if which == "op" else (lambda a, b: (a * 3 + b) & 0xFFFF)
                return (
                    add,
                    it,
                    (lambda rows: (0 + x for x in rows)) if which == "row" else (lambda rows: (x for x in rows)),
                    {"identity": 1},
                )
            return op, it, lambda rows: (step(x) for x in rows)

        check(case)


@pytest.mark.parametrize("n", SIZES)
def test_further_leaves_are_steps(n):
    for row, at in pairs(n):
        xs = [*range(1, n + 1)]
        if row is not None:
            xs[row] = None
        if at is not None:
            xs[at] = BIG

        def case(log):
            log.append(b := iter(range(5, 3 * BLOCK)))
            return OPS["in numbers"], xs, lambda rows: map(lambda x, y: x + y - y, rows, b)

        check(case)


@pytest.mark.parametrize("at", [None, 0, 7, 90, BLOCK - 1, BLOCK, BLOCK + 3])
def test_a_source_that_raises_goes_first(at):
    for n, longer in itertools.product((5, 100, BLOCK, BLOCK + 9), (0, 1)):
        for op in (OPS["in numbers"], OPS["called"]):

            def case(log, n=n, longer=longer, op=op):
                pairs = zip(range(5, n + 5), range(n + longer), strict=True)
                return op, pairs, lambda rows: (10**6 // (BIG if y != at else 0) + x for x, y in rows)

            check(case)


def test_an_islice_that_skips():
    halved = lambda a, b: a * 0.5 + b
    for step, n in itertools.product((2, 7, BLOCK - 1, BLOCK, BLOCK + 1, 5000), (50, 3 * BLOCK, 30_000)):
        for settings in SETTINGS:
            with pf.config(**settings):
                it = iter(range(n))
                found = pf.fold(halved, (x for i, x in itertools.islice(enumerate(it), 3, 20_000, step)))
            numbered = [*itertools.islice(range(n), 3, 20_000, step)]
            blocks = [[*block] for _, block in itertools.groupby(numbered, lambda x: x // BLOCK)]
            assert found == functools.reduce(halved, [functools.reduce(halved, block) for block in blocks])
            assert next(it, n) == min(20_000, n)


def test_a_chain_that_ends_before_its_source():
    def work(start, fold):
        it = iter(range(3 * BLOCK))
        log = []
        answer = fold(
            lambda a, b: log.append(b) or a + b,
            itertools.takewhile(lambda x: x < start + 50, (x + 0 for x in it)),
            0,
            lambda a, b: a + b,
        )
        return answer, log, next(it)

    for start, settings in itertools.product((0, BLOCK - 60, BLOCK - 50, BLOCK), SETTINGS):
        with pf.config(**settings):
            answer, log, left = work(start, pf.fold)
            assert (answer, log) == (sum(range(start + 50)), [*range(start + 50)]) and left % BLOCK == 0
            with pytest.raises(Wrong):
                pf.fold(max, map(lambda x: f(x, (start,)), it := iter(range(3 * BLOCK))))
            assert next(it) == (start // BLOCK + 1) * BLOCK


def test_an_accumulator_with_effects():
    """The blocks behind are read when it is done with those before."""

    class Total:
        def __init__(self, n, xs, log):
            self.n, self.xs, self.log = n, xs, log

        def __add__(self, other):
            self.log.append(other)
            self.xs[-1] += 1
            if other == BIG:
                raise Wrong(other)
            return Total(self.n + other, self.xs, self.log)

        def __repr__(self):
            return f"Total({self.n})"

    for n, at in itertools.product((100, BLOCK, BLOCK + 1, 3 * BLOCK + 9), (None, 50, BLOCK, -2)):

        def case(log):
            xs = [*range(n)]
            if at is not None and at < n:
                xs[at] = BIG
            return (
                lambda a, b: a + b,
                xs,
                lambda rows: (x + 0 for x in rows),
                {"identity": Total(0, xs, log), "combine": lambda a, b: (a, b)},
            )

        check(case)


def test_what_is_said_of_wrong_calls():
    check(lambda log: (lambda a, b: a, [1], iter, {"combine": max}))
    check(lambda log: (lambda a, b: a, [], iter))

"""reduce and fold whose function is not called: what it would have made of the rows, part by part, bit by bit.

reduce is held to functools.reduce, fold to the reference of docs/fold.md. `runs` says whether the function was done without."""

from __future__ import annotations

import functools
import itertools
import math
import operator
import struct
from collections import namedtuple

import pytest
from differential.check import needs_engine, rest, same

import purefold as pf
from fuzz import reference

NAN, INF = float("nan"), float("inf")
NONE, BLOCK = reference.NONE, reference.BLOCK
INTS = [3, -7, 0, 2**31, -(2**40), 2**62, 2**62, 2**63 - 1, -(2**63), 1, 1, -1, 12, 5, -(2**62), 7, 6, 2, 2, 9]
FLOATS = [0.0, -0.0, 1.5, -2.25, 1e16, 1.0, -1e16, 1e-300, 0.1, 0.2, -0.3, 5e-324, 1e308, 1e308, -1e308, 3.0, 3.0, 2.0**53, 1.0, -7.5]
SPECIAL = [-0.0, 0.0, NAN, 1.0, INF, -INF, NAN, -0.0, 2.0, 0.0, -1.0, -NAN, 5.0, 5.0, -0.0, 0.0]

SCALAR_STEPS = {
    "a + b": lambda a, b: a + b,
    "b + a": lambda a, b: b + a,
    "a + b * 2": lambda a, b: a + b * 2,
    "operator.add": operator.add,
    "a * b": lambda a, b: a * b,
    "operator.mul": operator.mul,
    "a & b": lambda a, b: a & b,
    "b | a": lambda a, b: b | a,
    "operator.xor": operator.xor,
    "a + 1": lambda a, b: a + 1,
    "a + True": lambda a, b: a + (b > 2),
    "a * truth": lambda a, b: a * (b == b),
    "max": max,
    "min": min,
    "min(b, a)": lambda a, b: min(b, a),
    "max(b, a)": lambda a, b: max(b, a),
    "a < b": lambda a, b: a if a < b else b,
    "a <= b": lambda a, b: a if a <= b else b,
    "a > b": lambda a, b: a if a > b else b,
    "a >= b": lambda a, b: a if a >= b else b,
    "b < a": lambda a, b: a if b < a else b,
    "b <= a": lambda a, b: b if b <= a else a,
    "b if a < b": lambda a, b: b if a < b else a,
    "b if a <= b": lambda a, b: b if a <= b else a,
    "b if a > b": lambda a, b: b if a > b else a,
    "b if a >= b": lambda a, b: b if a >= b else a,
    "a + b if b > 0 else a": lambda a, b: a + b if b > 0 else a,
    "a if b > 3 else a * b": lambda a, b: a if b > 3 else a * b,
    "a ^ b if b else a": lambda a, b: a ^ b if b else a,
    "a & b if b else a": lambda a, b: a & b if b else a,
    "two ways": lambda a, b: a + b * b if b > 0 else a + 3,
    "raises": lambda a, b: a + 100 // (b - 12),
    # out of scope: the function is called, or functools.reduce is
    "a - b": lambda a, b: a - b,
    "affine": lambda a, b: (a * 31 + b) & 0xFFFF,
    "b": lambda a, b: b,
    "a": lambda a, b: a,
    "a + a": lambda a, b: (a + a) & 1023,
    "a if a else b": lambda a, b: a if a else b,
    "a == b": lambda a, b: a if a == b else a + b,
}


def statement(a, b):
    if b < a:
        a = b
    return a


def inner(a, b):
    total = a
    extra = b if b > 2 else -b
    total += extra
    return total


SCALAR_STEPS |= {"statement": statement, "inner": inner}


def unpacked(acc, x):
    n, total = acc
    if x > 4:
        x = 4
    return n + 1, total + x


def better(acc, x):
    low, high = acc
    if x < low:
        low = x
    if x > high:
        high = x
    return low, high


PAIR_STEPS = {
    "count, total": lambda acc, x: (acc[0] + 1, acc[1] + x),
    "total, count": lambda acc, x: (acc[0] + x, 1 + acc[1]),
    "total, product": lambda acc, x: (acc[0] + x, acc[1] * x),
    "min, max": lambda acc, x: (min(acc[0], x), max(acc[1], x)),
    "conditions": lambda acc, x: (acc[0] if acc[0] <= x else x, acc[1] if acc[1] > x else x),
    "count if": lambda acc, x: (acc[0] + 1 if x > 2 else acc[0], acc[1] + x),
    "keeps one": lambda acc, x: (acc[0], acc[1] + x),
    "unpacked": unpacked,
    "better": better,
    "raises": lambda acc, x: (acc[0] + 1, acc[1] + 60 // (x - 12)),
    # out of scope
    "acc itself": lambda acc, x: (acc[0] + 1, acc[1] + x) if x > 0 else acc,
    "swapped": lambda acc, x: (acc[1], acc[0] + x),
    "longer": lambda acc, x: (acc[0] + 1, acc[1] + x, 3) if x == 6 else (acc[0] + 1, acc[1] + x),
    "compared": lambda acc, x: acc if acc < (x, x) else (x, x),
    "largest": lambda acc, x: max(acc, (x, 1)),
    "mean": lambda acc, x: (acc[0] + 1, acc[1] + (x - acc[1]) / (acc[0] + 1)),
}

COLUMNS = {
    "ints": INTS,
    "many ints": INTS * 30,
    "floats": FLOATS,
    "many floats": [x / 7 for x in range(3000)],
    "special": SPECIAL * 3,
    "mixed": [1, 2.5, -3, 0, -0.0, 7.25, 2**53 + 1, 1.0] * 4,
    "bools": [True, False, True, True] * 5,
    "ints and bools": [5, True, 2, False, 1, 1, True, 0] * 4,
    "big": [*INTS, 2**70, 5, -(2**65), *INTS, 8],
    "late float": [*range(40), 1.5, *range(20)],
    "none": [1, 2, 3, None, 4] * 8,
    "text": ["a", "b"] * 4,
    "one": [5],
    "one float": [-0.0],
    "empty": [],
}
STARTS = (NONE, 0, 10, -1, True, 0.0, -0.0, 2.5, NAN, 2**63, -(2**100), None)
PAIRS = (NONE, (0, 0), (2**70, -5), (0.0, 0), (1, 2.5), (True, False), (None, 1), (1,), (1, 2, 3), (INF, -INF), (10**9, -(10**9)))


def start(initial):
    return () if initial is NONE else (initial,)


@needs_engine
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("step", SCALAR_STEPS)
def test_reduce_to_a_number(step, column):
    f, xs = SCALAR_STEPS[step], COLUMNS[column]
    for initial in STARTS:
        same(lambda p, i=initial: p.reduce(f, xs, *start(i)))
        same(lambda p, i=initial: p.reduce(f, (x for x in xs if x is not None), *start(i)))
    same(lambda p: p.reduce(f, map(lambda x: x * x, xs), 1))


@needs_engine
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("step", PAIR_STEPS)
def test_reduce_to_a_tuple(step, column):
    f, xs = PAIR_STEPS[step], COLUMNS[column]
    for initial in PAIRS:
        same(lambda p, i=initial: p.reduce(f, xs, *start(i)))
        same(lambda p, i=initial: p.reduce(f, (x for x in xs if x != 3), *start(i)))


@needs_engine
@pytest.mark.parametrize("column", COLUMNS)
def test_reduce_of_tuples(column):
    xs = COLUMNS[column]
    steps = (
        lambda a, b: (a[0] + b[0], a[1] + b[1]),
        lambda a, b: (a[0] + b[0], a[1] if a[1] < b[1] else b[1]),
        lambda a, b: (a[0] + b[1], a[1] | b[0]),
        lambda a, b: (a[0], a[1] + 1),
    )
    for f in steps:
        same(lambda p, f=f: p.reduce(f, zip(xs, xs[::-1], strict=False)))
        same(lambda p, f=f: p.reduce(f, list(zip(xs, xs[::-1], strict=False))))
        same(lambda p, f=f: p.reduce(f, ((x, x) for x in xs), (1, 1)))


def bits(x, nan_too=False):
    """What a value is, to the bit. Which of two NaNs a sum gives is not settled in CPython either: its paths differ."""
    if type(x) is tuple:
        return tuple(map(bits, x))
    return struct.pack("<d", x if x == x or nan_too else NAN) if type(x) is float else x


@needs_engine
@pytest.mark.parametrize("step", [name for name in SCALAR_STEPS if name != "a + a"])
def test_signs_of_zero_and_of_nan(step):
    f = SCALAR_STEPS[step]
    for rotation in range(len(SPECIAL)):
        xs = SPECIAL[rotation:] + SPECIAL[:rotation]
        for chosen in (xs, [x for x in xs if x == x], [abs(x) - abs(x) for x in xs if x == x and abs(x) < INF], [-x for x in xs]):
            same(lambda p, c=chosen: bits(p.reduce(f, c), "<" in step or ">" in step or step in ("max", "min", "statement")) if c else None)


@needs_engine
def test_rows_that_leave_a_float_sum_alone():
    """With a function of its own: a plan made for other rows would be taken for these too."""
    same(lambda p: p.reduce(lambda a, b: a + b if b > 0 else a, [-1.5, -0.0, -2.0] * 20, -0.0), native=True)


# ---- which object --------------------------------------------------------------------------------------------------

@needs_engine
def test_the_very_object():
    big = [10**12 + i % 5 for i in range(50)]
    floats = [i % 5 / 3 for i in range(50)]
    with pf.config(threads=2, min_rows=1):
        for xs, step in itertools.product((big, floats), (s for s in SCALAR_STEPS if "+" not in s and "*" not in s and any(c in s for c in ("<", ">", "min", "max", "statement")))):
            f = SCALAR_STEPS[step]
            for chain in (lambda xs=xs: xs, lambda xs=xs: (x for x in xs if x), lambda xs=xs: (x for x in xs if x > 1e12 + 3)):
                for initial in ((), (xs[3],), (10**13 if xs is big else 9.0,)):
                    if initial or [*chain()]:
                        assert pf.reduce(f, chain(), *initial) is functools.reduce(f, chain(), *initial), (step, initial)
        low, high = pf.reduce(lambda acc, x: (min(acc[0], x), max(acc[1], x)), big, (10**15, -1))
        assert low is big[0] and high is big[4]
        low, high = pf.reduce(lambda acc, x: (x if x <= acc[0] else acc[0], max(x, acc[1])), big, (10**15, -1))
        assert low is big[45] and high is big[49]


@needs_engine
def test_what_no_row_touches():
    initial, row = (10**12, [1]), (10**12, 2.5)
    with pf.config(threads=2, min_rows=1):
        f = lambda acc, x: (acc[0] + x, acc[1])
        assert pf.reduce(f, (x for x in range(100) if x > 200), initial) is initial
        assert pf.reduce(f, range(0), initial) is initial
        assert pf.reduce(f, range(50), initial)[1] is initial[1]
        add = lambda a, b: (a[0] + b[0], a[1] + b[1])
        assert pf.reduce(add, [row]) is row and pf.fold(add, [row]) is row
        assert pf.reduce(add, (r for r in [row] * 30 if r is None), row) is row
        big = 10**30
        assert pf.reduce(lambda a, b: a + b if b > 100 else a, range(100), big) is big
        assert pf.fold(lambda a, b: a + b, (x for x in [1.5] * 99 if x > 2), big) is big
        kept = namedtuple("Kept", "n total")(10**9, 1.5)
        assert pf.reduce(f, range(20), kept) == (10**9 + 190, 1.5)
        one = object()
        assert pf.reduce(lambda acc, x: (acc[0], acc[1] + x), range(100), (one, 0)) == (one, 4950)


# ---- rows that CPython computes ------------------------------------------------------------------------------------

class Strange:
    def __init__(self, n):
        self.n = n

    def __radd__(self, other):
        return other + self.n

    def __rand__(self, other):
        return other & self.n

    def __gt__(self, other):
        return self.n > other

    def __lt__(self, other):
        return self.n < other


@needs_engine
@pytest.mark.parametrize("step", ["a + b", "a & b", "max", "b if a < b", "a + b if b > 0 else a"])
def test_rows_of_other_types_in_between(step):
    f = SCALAR_STEPS[step]
    for odd in (Strange(5), True, 2**80, 1.5, "x", None):
        for at in (0, 1, 7, 60):
            xs = [*range(1, 100)]
            xs[at] = odd

            def work(p, xs=xs):
                it = iter(xs)
                try:
                    return p.reduce(f, (x for x in it)), rest(it)
                except TypeError as error:
                    return str(error), rest(it)

            same(work)


@needs_engine
def test_an_exception_of_the_function():
    def work(p):
        it = iter(range(5000))
        try:
            p.reduce(lambda acc, x: (acc[0] + 1, acc[1] + 10 // (x - 3000)), (x for x in it), (0, 0))
        except ZeroDivisionError as error:
            frames, tb = [], error.__traceback__
            while tb is not None:
                frames.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
                tb = tb.tb_next
            return str(error), frames, next(it)

    same(work)
    same(lambda p: p.reduce(lambda acc, x: (acc[0] + 1, acc[1] + 10 // (x - 3000)), range(5000), (0, 0)))
    same(lambda p: p.reduce(lambda a, b: a + b, (100 // (x - 77) for x in range(200))))
    same(lambda p: p.reduce(lambda n, _: n + 1, (100 // (x - 77) for x in range(200)), 0))
    same(lambda p: p.reduce(lambda n, _: n + 1, [1, None, "x", 2.5, Strange(1)] * 9, 0))
    same(lambda p: p.reduce(lambda a, b: a + b, [0.5] * 50, 10**400))
    same(lambda p: p.reduce(lambda acc, x: (acc[0] + 1, acc[1] + x, acc[2]), [0.5] * 50, (0, 10**400, None)))


@needs_engine
def test_products_beyond_all_words():
    same(lambda p: p.reduce(operator.mul, range(1, 2000)))
    same(lambda p: p.reduce(lambda a, b: a * b, [2] * 5000, 1))
    same(lambda p: p.reduce(lambda acc, x: (acc[0] * x, acc[1] + 1), range(-60, 300), (1, 0)))
    same(lambda p: p.reduce(lambda acc, x: (acc[0] * x, acc[1] + 1), range(1, 300), (-(2**64), 0)))


@needs_engine
def test_globals_that_change_meanwhile_and_cells():
    k = 3

    def step(a, b):
        return a + b * k

    for k in (3, 2.5, 2**62, True):  # noqa: B007 (a cell of step)
        same(lambda p: p.reduce(step, range(300), 0))
    k = None
    same(lambda p: p.reduce(step, range(300), 0))


@needs_engine
def test_rows_of_nested_loops():
    for xs, ys in ((range(3), range(400)), ([7, 5], [10**12, 2.5, 3]), ([4], [10**13]), ([1, 2, 3], [2**62, 2**62]), ([], [1]), ([1, 2], [])):
        same(lambda p, xs=xs, ys=ys: p.reduce(lambda a, b: a + b, (x * y for x in xs for y in ys)))
        same(lambda p, xs=xs, ys=ys: p.reduce(lambda a, b: a + b, (y for x in xs for y in ys)))
        same(lambda p, xs=xs, ys=ys: p.reduce(lambda a, b: a + b * 2, (x + y for x in xs for y in ys if y != 10**12)))
        same(lambda p, xs=xs, ys=ys: p.reduce(lambda a, b: (a[0] + 1, max(a[1], b)), (x * y for x in xs for y in ys), (0, 0)))
    numbers = [10**13, 1]
    with pf.config(threads=2, min_rows=1):
        assert pf.reduce(operator.add, (y for x in [1] for y in numbers if y > 5)) is numbers[0]


# ---- fold ----------------------------------------------------------------------------------------------------------

def outcome(function, *args):
    try:
        return repr(bits(function(*args)))
    except Exception as error:
        return type(error), error.args


def check_fold(op, xs, steps=iter, identity=NONE, combine=None):
    expected = outcome(reference.fold, op, xs, steps, identity, combine)
    for settings in ({"threads": 2, "min_rows": 1}, {"threads": 1, "min_rows": 1}, {}):
        with pf.config(**settings):
            found = outcome(lambda: pf.fold(op, steps(xs), *start(identity), **({"combine": combine} if combine else {})))
        assert expected == found, settings


SIZES = (1, 17, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 3 * BLOCK + 2, 50_000)


@needs_engine
@pytest.mark.parametrize("n", SIZES)
def test_fold_of_floats(n):
    xs = [(x * 7919 % 1009 - 300) / 7 for x in range(n)]
    for op in (lambda a, b: a + b, lambda a, b: a + b * 1.1, operator.add, max, lambda a, b: a if a < b else b):
        for identity in (NONE, 0.0, -0.0, 0, 2.5):
            check_fold(op, xs, identity=identity)
        check_fold(op, xs, lambda rows: (x for x in rows if x > 0))
        check_fold(op, xs, lambda rows: (x for x in rows if x > 140), identity=1.0)


@needs_engine
@pytest.mark.parametrize("n", SIZES)
def test_fold_to_a_tuple(n):
    xs = [(x * 7919 % 1009 - 300) / 7 for x in range(n)]
    op, join = (lambda acc, x: (acc[0] + 1, acc[1] + x)), lambda a, b: (a[0] + b[0], a[1] + b[1])
    check_fold(op, xs, identity=(0, 0.0), combine=join)
    check_fold(op, xs, lambda rows: (x for x in rows if x > 100), (0, 0), join)
    check_fold(join, xs, lambda rows: ((x, x * 0.1) for x in rows))
    check_fold(join, xs, lambda rows: ((x, x * 0.1) for x in rows if x > 143))
    ends = lambda acc, x: (min(acc[0], x), max(acc[1], x), acc[2] + x)
    check_fold(ends, xs, identity=(INF, -INF, 0.0), combine=lambda a, b: (min(a[0], b[0]), max(a[1], b[1]), a[2] + b[2]))


@needs_engine
def test_fold_whose_rows_fail_in_between():
    for spots in ((5,), (0,), (BLOCK - 1,), (BLOCK,), (BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1), range(BLOCK - 5, BLOCK + 5)):
        xs = [x * 0.1 for x in range(3 * BLOCK)]
        for at in spots:
            xs[at] = 2**70 + at
        check_fold(lambda a, b: a + b, xs)
        check_fold(lambda a, b: a + b, xs, identity=0.0)
        check_fold(lambda acc, x: (acc[0] + 1, acc[1] + x * 0.5), xs, identity=(0, 0), combine=lambda a, b: (a[0] + b[0], a[1] + b[1]))
        for at in spots:
            xs[at] = None
        check_fold(lambda a, b: a + b, xs, lambda rows: (x for x in rows if x is not None))
        check_fold(lambda a, b: a + b, xs)
        check_fold(lambda a, b: a + b, xs, lambda rows: (x * 2 for x in rows), 0.0)


@needs_engine
def test_combine_gets_each_block_once_and_in_order():
    seen = []

    def combine(a, b):
        seen.append((a, b))
        return a + b

    with pf.config(threads=2, min_rows=1):
        assert pf.fold(lambda a, b: a + b, range(3 * BLOCK), 0, combine) == sum(range(3 * BLOCK))
    blocks = [sum(range(i * BLOCK, i * BLOCK + BLOCK)) for i in range(3)]
    assert seen == [(blocks[0], blocks[1]), (blocks[0] + blocks[1], blocks[2])]


# ---- whether it was done without the function -------------------------------------------------------------------------

def parts(consume):
    """The report's `step`, of a call that must not differ."""
    with pf.config(threads=2, min_rows=1):
        consume()
        assert pf.last().data["native"], pf.last().data["reason"]
        return pf.last().data.get("step", [])


@needs_engine
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("a + b", ["acc + output 0"]),
        ("b + a", ["acc + output 0"]),
        ("a + b * 2", ["acc + output 0"]),
        ("operator.xor", ["acc ^ output 0"]),
        ("b | a", ["acc | output 0"]),
        ("a * b", ["acc * output 0"]),
        ("max", ["output 0 if acc < output 0 else acc"]),
        ("min(b, a)", ["acc if acc < output 0 else output 0"]),
        ("b if a <= b", ["output 0 if acc <= output 0 else acc"]),
        ("statement", ["output 0 if acc > output 0 else acc"]),
        ("inner", ["acc + output 0"]),
        ("a + b if b > 0 else a", ["acc + output 0"]),
        ("two ways", ["acc + output 0"]),
        ("a - b", []),
        ("affine", []),
        ("a + a", []),
        ("b", []),
        ("a", []),
    ],
)
def test_reduce_runs_without_its_function(step, expected):
    assert parts(lambda: pf.reduce(SCALAR_STEPS[step], [5, 3, 10**12, 8] * 20)) == expected
    assert parts(lambda: pf.fold(SCALAR_STEPS[step], [5, 3, 10**12, 8] * 20, 1)) == expected


@needs_engine
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("count, total", ["acc[0] + 1", "acc[1] + output 0"]),
        ("min, max", ["output 0 if acc[0] > output 0 else acc[0]", "output 2 if acc[1] < output 2 else acc[1]"]),
        ("keeps one", ["acc[0]", "acc[1] + output 0"]),
        ("count if", ["acc[0] + output 0", "acc[1] + output 1"]),
        ("unpacked", ["acc[0] + 1", "acc[1] + output 0"]),
        ("better", ["output 0 if acc[0] > output 0 else acc[0]", "output 2 if acc[1] < output 2 else acc[1]"]),
        ("acc itself", []),
        ("swapped", []),
        ("mean", []),
    ],
)
def test_reduce_to_a_tuple_runs_without_its_function(step, expected):
    assert parts(lambda: pf.reduce(PAIR_STEPS[step], [5, 3, 10**12, 8] * 20, (0, 0))) == expected
    assert parts(lambda: pf.fold(PAIR_STEPS[step], [5, 3, 10**12, 8] * 20, (0, 0), lambda a, b: a)) == expected


@needs_engine
def test_what_is_not_associative_says_so():
    assert pf.reduce(lambda h, x: h * 31 + x, range(100), 7) == functools.reduce(lambda h, x: h * 31 + x, range(100), 7)
    assert pf.last().data["reason"]["code"] == "not-associative"


@needs_engine
def test_sums_of_floats_are_those_of_reduce_and_not_of_sum():
    xs = [math.sin(i) * 10.0 ** (i % 20) for i in range(30_000)]
    same(lambda p: p.reduce(lambda a, b: a + b, xs), threads=2)
    same(lambda p: p.reduce(lambda a, b: a + b * 0.5, (x for x in xs if x > 0), 0))
    with pf.config(threads=2):
        pf.reduce(lambda a, b: a + b, xs)
        data = pf.last().data
    assert data["native"] and data["rows"]["replayed"] == 1


def test_fold_row_by_row_that_raises():
    """Without a plan: what comes out is given to the function one by one, and so is what is raised."""

    class Own(float):
        def __add__(self, other):
            return float(self) + other

    xs = [1, 2.0, 3, None, Own(1.5), *range(30)]
    with pf.config(min_rows=1, threads=2), pytest.raises(TypeError, match="NoneType"):
        pf.fold(operator.add, map(lambda a, b: int(a * a), iter(xs), [0.5] * 13), 0)

"""exactness.md sections 5 and 6: sources; values, identity and order. And the numbers among measurements.md's Breakers."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import mmap
import operator
import struct
import sys
from array import array
from collections import OrderedDict, deque, namedtuple
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from differential.check import PLAIN, exact, needs_engine, rest, same

import purefold as pf

NAN, INF = float("nan"), float("inf")
EDGES = sorted({s * (2**b + d) for b in (0, 1, 31, 32, 52, 53, 54, 61, 62, 63, 64, 65, 127) for d in (-1, 0, 1) for s in (1, -1)})
FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 0.1, 1e16, -1e16, 2.0**53, 2.0**53 + 2, 2.0**63, -(2.0**63), 2.0**64, 5e-324, -5e-324, 1e308, -1e308, INF, -INF, NAN, 4503599627370497.5, 1e-310]
MIXED = [*EDGES[::3], *FLOATS, True, False, None, 3, -3]


# ---- section 5: sources

@exact()
def test_mmap_and_ctypes(p):
    with mmap.mmap(-1, 8) as m:
        m[:] = b"abcdefgh"
        first = p.list(x for x in m)
    chars = (ctypes.c_char * 3)(b"a", b"b", b"c")
    ints = (ctypes.c_int * 3)(1, 2, 3)
    return first, p.list(x for x in chars), p.sum(x * 2 for x in ints)


@exact()
def test_memoryview_of_a_ctypes_array(p):
    return p.list(x for x in memoryview((ctypes.c_int * 3)(1, 2, 3)))


@pytest.mark.parametrize("code", "bBhHiIlLqQnNfd?c")
def test_memoryview_formats(code):
    def work(p):
        data = bytes(b"\x00\x01\xff\x7f\x80\x02\x03\x04" * 6)
        view = memoryview(data).cast(code)
        views = [view, view[::2], view[::-1], view[1:-1:3], view[:0]]
        return [p.list(x for x in v) for v in views], [p.list(x == 1 for x in v) for v in views]

    same(work)


@pytest.mark.parametrize("others", ["bytes", "range", "floats", "list"])
def test_memoryview_of_bools_beside_other_segments(others):
    def work(p):
        bools = memoryview(bytes(j % 3 > 0 for j in range(100))).cast("?")
        other = {"bytes": bytes(range(70)), "range": range(3, 90), "floats": array("d", [1.5, -0.0] * 40), "list": [1, None, 2.5, True, "a"] * 9}[others]
        answers = []
        for segments in ((bools, other), (other, bools), (bools[::-3], other, bools), (bools, other, bools[:1])):
            for consume in (lambda it: p.list(x for x in it), lambda it: p.list(x is True for x in it), lambda it: p.sum(x for x in it if x is not None and x != "a"), lambda it: p.list((i, x) for i, x in enumerate(it) if x)):
                it = itertools.chain(*segments)
                answers.append((consume(it), rest(it)))
        return answers

    same(work, native=True)


@pytest.mark.parametrize("code", "bBhHiIlLqQfd")
def test_array_codes(code):
    def work(p):
        a = array(code, [0, 1, 2, 100, 127])
        return p.sum(x * 3 for x in a), p.list(x for x in a), p.max(a), p.sum(a), p.list(map(lambda x: x / 2, a))

    same(work)


@exact()
def test_array_of_unicode(p):
    return p.list(x for x in array("u", "aé日")), p.any(x == "é" for x in array("u", "aé"))


@exact()
def test_released_and_multidimensional_views(p):
    view = memoryview(bytes(12)).cast("B", (3, 4))
    outcomes = []
    for v in (view, memoryview(b"").cast("B")):
        try:
            outcomes.append(p.list(x for x in v))
        except Exception as error:
            outcomes.append(repr(error))
    view.release()
    try:
        p.list(x for x in view)
    except (ValueError, NotImplementedError) as error:
        outcomes.append(str(error))
    return outcomes


@exact()
def test_subclasses_with_an_iter_of_their_own(p):
    class L(list):
        def __iter__(self):
            return iter([42])

    class A(array):
        def __iter__(self):
            return iter([42])

    class T(tuple):
        __slots__ = ()

        def __iter__(self):
            return iter([7])

    class B(bytes):
        def __iter__(self):
            return iter([9])

    return [p.sum(x * 1 for x in s) for s in (L([1]), A("i", [1]), T((1,)), B(b"a"))], [p.sum(s) for s in (L([1]), T((1,)), B(b"a"))]


@exact()
def test_float_subclasses(p):
    class F(float):
        def __add__(self, other):
            return 100.0

        __radd__ = __add__

    return p.sum([0.1, F(0.2), 0.3]), p.sum(x + 1 for x in [0.1, F(0.2)]), type(p.max([F(1), 0.5])).__name__, p.sum([0.1] * 3, F(0.0))


@exact()
def test_bool_in_int_columns(p):
    xs = [1, True, 0, False, 2]
    return p.list(xs), p.list(x for x in xs if x), p.sum(xs), p.list(x + x for x in xs), p.list(isinstance(x, bool) for x in xs), p.max(xs), p.min(x for x in xs)


@exact()
def test_dicts_sets_and_views_as_sources(p):
    d = OrderedDict(a=1, b=2)
    d.move_to_end("a")
    return p.list(x for x in d), p.sum(d.values()), p.sum(x for x in {1, 2}), p.list(k * 2 for k in {"a": 1}), p.sum(deque([1, 2]))


@exact()
def test_counts_and_repeats_keep_their_state(p):
    c, f, r, cy = itertools.count(3), itertools.count(0.1, 0.1), itertools.repeat(2, 5), itertools.cycle([1, 2])
    total = p.sum(itertools.islice((x * 2 for x in c), 10)), p.list(itertools.islice(f, 20)), p.sum(map(lambda a, b: a * b, r, range(3))), p.list(itertools.islice(cy, 3))
    acc = itertools.accumulate([1, 2, 3, 4])
    return total, repr(c), repr(f), repr(r), next(cy), p.any(x == 3 for x in acc), list(acc)


@exact()
def test_ranges(p):
    answers = []
    for r in (range(0), range(5, 0), range(10, 0, -3), range(-7, 20, 5), range(2**63 - 5, 2**63 + 5), range(-(2**63), -(2**63) + 5), range(2**64, 2**64 + 3), range(10, -10, -1), range(0, 100, 2**62)):
        answers.append((p.sum(x for x in r), p.list(x * 1 for x in r), p.max(r, default=None), p.sum(r), p.tuple(reversed(r)), p.min((x % 5 for x in r), default="none")))
    return answers


def test_numpy_falls_back():
    np = pytest.importorskip("numpy")

    def work(p):
        a = np.arange(10)
        return repr(p.sum(x * x for x in a)), type(p.max(a)).__name__, repr(p.list(x for x in np.array([0.5, 1]))), repr(p.sum([np.float64(0.1)] * 10))

    same(work)
    assert same(lambda p: p.sum(x * x for x in memoryview(np.arange(10))))


# ---- section 6: values

BINARY = ["+", "-", "*", "/", "//", "%", "&", "|", "^", "<", "<=", ">", ">=", "==", "!="]


@pytest.mark.parametrize("op", BINARY)
def test_binary_operators_on_edges(op):
    f = eval(f"lambda a, b: a {op} b")

    def work(p):
        answers = []
        for b in MIXED:
            for column in (EDGES, FLOATS, [True, False, 3, -4]):
                it = iter(column)
                while True:
                    try:
                        answers.append(p.list(f(a, b) for a in it))
                        break
                    except Exception as error:
                        answers.append(repr(error))
        return answers

    same(work)


@pytest.mark.parametrize("op", ["<<", ">>"])
def test_shifts_on_edges(op):
    f = eval(f"lambda a, b: a {op} b")

    def work(p):
        return [[_outcome(lambda: p.list(f(a, b) for a in [x, x])) for x in (*EDGES, True)] for b in (0, 1, 31, 32, 62, 63, 64, 65, 127, 128, 300, True, -1)]  # noqa: B023

    same(work)


def _outcome(call):
    try:
        return call()
    except Exception as error:
        return repr(error)


@exact()
def test_powers(p):
    ints = [0, 1, -1, 2, -2, 3, 7, 10, -10, 2**31, 2**32, True, False]
    exponents = [0, 1, 2, 3, 5, 20, 62, 63, 64, -1, -2, 0.5, -0.5, 2.0, 1.5, True, False, -0.0, NAN, INF]
    answers = [_outcome(lambda: p.list(x**e for x in [b])) for b in (*ints, *FLOATS) for e in exponents]
    many = [_outcome(lambda: p.list(x**e for x in ints[1:] * 3)) for e in exponents]
    return answers, many, p.list(x**2.0 for x in FLOATS if abs(x) < 1e150), p.list(math.pow(x, 0.5) for x in [0.0, -0.0, 2.0, INF])


@pytest.mark.parametrize(
    "name",
    ["-x", "+x", "~x", "abs(x)", "round(x)", "int(x)", "float(x)", "bool(x)", "not x", "math.floor(x)", "math.ceil(x)", "math.trunc(x)", "math.sqrt(x)", "math.fabs(x)", "math.exp(x)", "math.log(x)",
     "math.sin(x)", "math.cos(x)", "math.tan(x)", "math.isnan(x)", "math.isinf(x)", "math.isfinite(x)", "math.isqrt(x)", "math.hypot(x, 3)", "math.atan2(x, 2)", "math.pow(x, 3)", "math.gcd(x, 12)",
     "divmod(x, 7)", "divmod(x, -0.5)", "min(x, 3)", "max(x, 2.0)", "min(x, x, 1)", "round(x, 1)", "x.real", "x if x else 5", "x and 1", "x or 2", "x is None", "x in (1, 2.5, None)", "x in range(5)",
     "x in {1, 2, 3}", "isinstance(x, int)", "isinstance(x, (float, bool))", "1 < x < 100", "(x, x)", "x == x", "math.log2(x)", "math.log10(x)", "math.log(x, 2)", "math.erf(x)", "math.asinh(x)",
     "math.copysign(1, x)", "math.ldexp(x, 3)", "math.fmod(x, 3)", "math.cbrt(x)", "math.exp2(x)", "math.expm1(x)", "math.log1p(x)", "math.gamma(x)", "math.degrees(x)", "math.comb(x, 2)", "math.factorial(x)",
     "math.nextafter(x, 1)", "math.ulp(x)", "math.acos(x)", "math.atanh(x)", "str(x) == 'a'", "len((x, 1))", "pow(x, 3, 7)", "pow(x, 2)", "x.bit_length()", "x * 2 if x > 1 else x * 0.5"],
)  # fmt: skip
def test_unary_operators_and_functions_on_edges(name):
    f = eval(f"lambda x: {name}")
    if "factorial" in name or "comb" in name:
        columns = [[0, 1, 2, 5, 20, 21, 25, -1, True], [1.0], [None]]
    else:
        columns = [EDGES, FLOATS, [True, False], [None, 1], MIXED, [0.1 * i for i in range(-30, 30)], list(range(-20, 50))]

    def work(p):
        answers = []
        for column in columns:
            it = iter(column)
            for _ in range(100):
                try:
                    answers.append(p.list(f(x) for x in it))
                    break
                except Exception as error:
                    answers.append(repr(error))
            answers.append(_outcome(lambda: p.list(map(f, column[:3]))))  # noqa: B023
        return answers

    same(work)


@exact()
def test_passengers_are_the_very_objects(p):
    class Thing:
        pass

    for column in ([10**6 + i for i in range(50)], [i + 0.5 for i in range(50)], [f"a{i}" for i in range(50)], [Thing() for _ in range(50)], [(i, i) for i in range(50)], [None, 10**20, True, 5.5] * 9):
        for made in (p.list(x for x in column), p.list(column), p.tuple(column), p.list(filter(lambda x: True, column)), p.list(map(lambda x: x, column)), [r[0] for r in p.list((x, 1) for x in column)],
                     [r[1] for r in p.list(enumerate(column))], [r[0] for r in p.list(zip(column, column))], p.list(itertools.islice(column, 0, 99)), p.list(itertools.chain(column))):  # fmt: skip
            assert len(made) == len(column) and all(a is b for a, b in zip(made, column))
    xs = [10**6, 10**6 + 1, 10**6 + 2]
    return p.max(xs) is xs[2], p.min(xs, key=lambda x: -x) is xs[2], p.reduce(lambda a, b: a if a > b else b, xs) is xs[2], p.next(x for x in xs if x % 2) is xs[1], p.list(int(x) for x in xs)[0] is xs[0], p.sum([xs[1]]) is xs[1]


@exact()
def test_one_value_used_twice_is_one_object_two_expressions_are_two(p):
    pairs = p.list((y, y) for y in (x * 1000003 for x in range(5, 20)))
    twice = p.list((x * 1000003, x * 1000003) for x in range(5, 20))
    with_walrus = p.list(((w := x * 1.5), w) for x in range(5))
    return [a is b for a, b in pairs], [a is b for a, b in twice], [a is b for a, b in with_walrus]


@exact()
def test_fields_of_rows_are_passengers(p):
    class Row(NamedTuple):
        a: int
        b: object

    rows = [Row(10**9 + i, object()) for i in range(20)]
    return [x is r.a for x, r in zip(p.list(r.a for r in rows), rows)], [x is r.b for x, r in zip(p.list(r.b for r in rows), rows)], p.max(rows, key=lambda r: r.a) is rows[-1], p.max(rows, key=operator.attrgetter("a")) is rows[-1]


@exact()
def test_constants_are_one_object(p):
    big = p.list(123456789 for _ in range(9))
    floats = p.list(2.5 if x > 3 else x for x in range(9))
    return len({id(x) for x in big}), len({id(x) for x in floats[4:]})


@exact()
def test_small_ints_are_this_versions(p):
    made = p.list(x * 1 for x in range(-10, 1100))
    return [x for x in made if x is not made[0] and any(x is y for y in (int(str(x)),))]


@exact()
def test_computed_nans_are_new_objects(p):
    return len(set(p.list(INF - INF for _ in range(5)))), len(set(p.list([NAN] * 5))), len(set(p.list(array("d", [NAN] * 5)))), len(set(p.list(x for x in [NAN] * 5)))


def bits(xs):
    return [struct.pack("<d", x) for x in xs]


@exact()
def test_true_division_of_big_ints(p):
    big = [2**60 + i * 7 for i in range(50)]
    return bits(p.list(x / (2**59 + 3) for x in big)), bits(p.list(x / 3 for x in EDGES)), bits(p.list(3 / x for x in EDGES if x))


@exact()
def test_int_against_float_is_exact(p):
    xs = [2**53, 2**53 + 1, 2**53 - 1, 2**63 - 1, -(2**63), 2**62 + 1]
    ys = [float(x) for x in xs] + [NAN, INF, -INF]
    return [p.list((x == y, x < y, x <= y, x > y, x >= y, x != y) for x in xs) for y in ys], [p.list((y == x, y < x) for y in ys) for x in xs]


FLOAT_SUMS = {
    "tenths": [0.1] * 1000,
    "mixed sizes": [1e16, 1.0, -1e16] * 400,
    "ints after floats": [1e16, 1, 1.0, -1e16],
    "ints before floats": [1, 2, 3, 0.1, 0.2, 0.3, 5, 7],
    "past C long in the float phase": [0.5, 2**70, 1.0, -(2**70)],
    "past C long": [2**62, 2**62, 2**62, 0.5, 1],
    "random": [((i * 7919) % 1001 - 500) / 7.0 for i in range(5000)],
    "growing": [1.1**i for i in range(1500)],
    "shrinking": [0.9**i * 3 for i in range(3000)],
    "inf": [1.0, INF, 2.0] * 50,
    "inf and minus inf": [1.0, INF, -INF, 2.0],
    "nan": [0.1, NAN, 0.2] * 30,
    "denormals": [5e-324, 1e-310, -5e-324] * 100,
    "overflow": [1e308] * 5,
    "overflow and back": [1e308, 1e308, -1e308, -1e308],
    "minus zeros": [-0.0] * 5,
    "none": [],
    "bools": [True, 0.5, False, True],
    "ties": [2.0**53, 1.0, 1.0, 1.0, -1.0, 3.0] * 20,
    "half ulps": [1.0] + [2.0**-53] * 2000,
    "huge ints": [10**30, 1.5, 10**300],
    "complex": [0.1, 1j, 0.2],
    "true then nan": [True, NAN],
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", FLOAT_SUMS)
def test_float_sums_bit_for_bit(name, threads):
    xs = FLOAT_SUMS[name]

    def work(p):
        answers = [_outcome(lambda s=s: p.sum(xs, s)) for s in (0, 0.0, -0.0, 1e16, 0.1, -5, 2**70, NAN, True)]
        answers += [_outcome(lambda: p.sum(x for x in xs)), _outcome(lambda: p.sum(x * 1 for x in xs)), _outcome(lambda: p.sum(x * 0.1 for x in xs)), _outcome(lambda: p.sum(map(lambda x: x + x, xs), 0.5))]
        answers += [_outcome(lambda: p.sum(x for x in xs if x != 1.0)), _outcome(lambda: p.reduce(lambda a, b: a + b, xs, 0.0)), _outcome(lambda: p.reduce(operator.add, xs))]
        return answers

    same(work, threads=threads)


@pytest.mark.parametrize("n", [1023, 1024, 1025, 4096, 70_000, 200_001])
def test_long_float_sums(n):
    def work(p):
        positive = array("d", (((i * 7919) % 10007) / 3.0 for i in range(n)))
        mixed = [(((i * 104729) % 10007) - 5000) * 1e-3 for i in range(n)]
        return p.sum(positive), p.sum(x for x in positive), p.sum(x * 1.1 for x in mixed), p.sum(mixed), p.sum(x * 0.1 for x in range(n)), p.sum(math.sqrt(x) for x in range(n))

    same(work)


@exact()
def test_int_sums_never_wrap(p):
    big = [2**62, 2**62, 2**62, -(2**63), 2**63 - 1] * 500
    return p.sum(big), p.sum(x * 1 for x in big), p.sum(x * x for x in range(2**31, 2**31 + 3000)), p.sum(range(10**7)), p.sum([2**63 - 1] * 3000), p.sum([-(2**63)] * 3000), p.sum(x * 2**40 for x in range(3000)), p.sum(big, 10**40)


@exact()
def test_sum_refuses_strings_and_takes_lists(p):
    outcomes = [_outcome(lambda s=s: p.sum(["a"], s)) for s in ("", b"", bytearray(), None, [], ())]
    return outcomes, p.sum([[1], [2]], []), p.sum(((1,), (2,)), ()), _outcome(lambda: p.sum(1)), _outcome(lambda: p.sum()), _outcome(lambda: p.sum([1], start=5)), _outcome(lambda: p.sum([1], begin=5))


@exact()
def test_min_max_with_nan(p):
    cases = [[NAN, 1.0], [1.0, NAN], [NAN, NAN, 2.0], [2.0, NAN, 1.0], [1, NAN, 0], [NAN] + list(range(3000)), [float(i) for i in range(3000)] + [NAN, -1.0], [1.0] * 1024 + [NAN] + [0.0] * 1024]
    return [(p.min(c), p.max(c), p.min(x for x in c), p.max(map(lambda x: x * 1.0, c)), p.min(c, key=lambda x: -x)) for c in cases]


@exact()
def test_min_max_keep_the_first_of_equals(p):
    cases = [[1, 1.0, True], [1.0, True, 1], [True, 1, 1.0], [0.0, -0.0], [-0.0, 0.0], [0, -0.0, False], [2, 1, 1.0], [5.0, 5] * 2000, [2**53, float(2**53), 2**53 + 1]]
    return [(p.min(c), p.max(c), p.min(x for x in c), p.max(x for x in c)) for c in cases], [p.max(c, key=lambda x: 0) for c in cases], p.max([(i % 5, i) for i in range(4000)], key=lambda t: t[0])


@pytest.mark.parametrize("settings", [{"min_rows": 1}, {"min_rows": 100, "threads": 1}, {"min_rows": 0, "threads": 2}])
def test_ties_in_long_columns_give_the_first(settings):
    def work(p):
        rows = [(i % 5, i) for i in range(9000)]
        floats = [(float(i % 3), i) for i in range(9000)]
        mixed = [0.0 if i % 2 else -0.0 for i in range(9000)]
        return p.max(rows, key=lambda r: r[0]), p.min(rows, key=operator.itemgetter(0)), p.max(floats, key=lambda r: r[0]), p.min(r for r in floats if r[0] > 0), p.max(mixed), p.min(-x for x in mixed)

    same(work, **settings)


@exact()
def test_min_max_of_nothing_and_of_several(p):
    return [_outcome(c) for c in (lambda: p.min([]), lambda: p.max(x for x in ()), lambda: p.min([], default=3), lambda: p.min(3, 2), lambda: p.max(1, 2.0, key=lambda x: -x), lambda: p.max(1, 2, default=3), lambda: p.min(), lambda: p.min(5),
                                  lambda: p.max((x for x in [1, "a"])), lambda: p.max([1, None]), lambda: p.min([3, 2], key=None), lambda: p.max([1, 2], 5))]  # fmt: skip


@exact()
def test_reduce_of_one_row_is_the_row(p):
    f = lambda a, b: (a * b) % 3
    return [_outcome(lambda c=c: p.reduce(f, c)) for c in ([5], [True], [2.5], [None], ["x"], [5, 7], [True, True], [], (x for x in [9]))], [_outcome(lambda c=c: p.reduce(f, c, 10)) for c in ([], [5], (x for x in ()))], p.reduce(lambda a, b: a + b, [True]), p.reduce(operator.add, (True, True))


@pytest.mark.parametrize(
    "f",
    [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a & b, lambda a, b: a | b, lambda a, b: a ^ b, lambda a, b: a if a < b else b, lambda a, b: b if a < b else a, lambda a, b: (a * b) % 1000003, lambda a, b: (a + b) % 97,
     lambda a, b: a * 3 + b, lambda a, b: a, lambda a, b: b, operator.add, operator.mul, operator.xor, max, min, lambda a, b: a and b, lambda a, b: a or b, lambda a, b: (a * 31 + b) & 0xFFFFFFFF, lambda a, b: a // 2 + b, lambda a, b: abs(a - b), lambda a, b: a + b * 0.5],
)  # fmt: skip
def test_reduce_is_left_to_right(f):
    columns = [list(range(1, 60)), list(range(3000)), [2**62, 2**62, -(2**62)] * 20, [0.1, 0.2, 0.3] * 40, [1, 2.5, True, 3], [NAN, 1.0, 2.0, NAN, 0.5], [True, False, True], [1, 1.0, True], [3, None, 4], [5]]
    if f in (operator.mul,) or f(2, 3) == 6:
        columns[1] = list(range(1, 300))

    def work(p):
        return [(_outcome(lambda c=c: p.reduce(f, c)), _outcome(lambda c=c: p.reduce(f, (x for x in c), 3)), _outcome(lambda c=c: p.reduce(f, filter(None, c)))) for c in columns]

    same(work)


@exact()
def test_libm_is_cpythons(p):
    xs = [i * 0.37 - 50 for i in range(3000)]
    small = [x * 0.1 for x in xs]
    return [bits(p.list(map(f, small))) for f in (math.sin, math.cos, math.tan, math.exp, math.erf, math.erfc, math.asinh, math.atan, math.sinh)], bits(p.list(math.log(abs(x)) for x in xs)), bits(p.list(x**2.0 for x in xs)), bits(p.list(abs(x) ** 0.5 for x in xs)), bits(p.list(math.hypot(x, 1.5) for x in xs)), bits(p.list(round(x, 2) for x in xs))


@exact()
def test_log_of_big_ints(p):
    return p.list(math.log(x) for x in [2**2000, 10**400, 2**63, 2**64]), p.list(math.log(x, 2) for x in [2**2000, 8]), p.list(math.sqrt(x) for x in [2**64, 2**1000]), _outcome(lambda: p.list(math.sqrt(x) for x in [10**400]))


@exact()
def test_foreign_numbers(p):
    xs = [Decimal("1.5"), 2, Fraction(1, 3), 4]
    return _outcome(lambda: p.sum(x * 2 for x in xs)), p.list(x * 2 for x in xs), p.sum(x for x in [Fraction(1, 3), 1, 2]), p.max([Decimal(3), 2.5, 4]), p.sum([Decimal(1), 2])


@exact()
def test_complex_and_strings(p):
    return p.sum([1j, 2, 3.5]), p.list(x * 2 for x in ["a", 3, (1,), [2]]), _outcome(lambda: p.sum(x for x in ["a"])), p.max(["b", "a", "c"]), p.min(x for x in ["é", "z"]), p.any(x == "b" for x in ["a", "b"]), p.list(x == "b" for x in ["a", b"b", None, 3, "b"])


@exact()
def test_none_beside_numbers(p):
    xs = [1, None, 2.5, None, True, 0, None]
    return p.sum(x for x in xs if x is not None), p.list(x for x in xs), p.list(x or 7 for x in xs), p.list(x if x is not None else -1 for x in xs), p.list(x == None for x in xs), _outcome(lambda: p.sum(x * 2 for x in xs)), _outcome(lambda: p.max(xs)), p.any(xs), p.all(xs), p.list(filter(None, xs))  # noqa: E711


@exact()
def test_and_or_not_as_values(p):
    xs = [0, 0.0, -0.0, NAN, None, 5, 2.5, True, False, "", "a"]
    return p.list(x and 1 for x in xs), p.list(x or 1 for x in xs), p.list(x and x or 3.5 for x in xs), p.list(not x for x in xs), p.list(0 < (x or 1) and x for x in xs if type(x) is not str), p.any(x for x in xs), p.all(xs)


Point = namedtuple("Point", "x y z")


class Slots:
    __slots__ = ("x", "y", "z")

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z


class Attrs(Slots):
    pass


ROWS = [(1, 2.5, "a"), (2, None, "b"), (3, 0.5, "a"), (2**63, 1.0, None), (True, 2, "c")] * 3


@pytest.mark.parametrize("kind", ["tuple", "named", "dict", "slots", "attrs"])
def test_rows(kind):
    def work(p):
        if kind == "tuple":
            rows, x, y, z = ROWS, (lambda r: r[0]), (lambda r: r[1]), (lambda r: r[2])
            answers = [p.list(a for a, b, c in rows if b is not None), p.sum(a for a, *_ in rows), _outcome(lambda: p.list(a for a, b in rows)), p.list(r[-1] for r in rows), _outcome(lambda: p.list(r[5] for r in rows))]
            answers += [p.list(map(operator.itemgetter(0), rows)), p.list(map(operator.itemgetter(2, 0), rows)), p.list(itertools.starmap(lambda a, b, c: a, rows))]
        elif kind == "dict":
            rows, x, y, z = [dict(zip("xyz", r)) for r in ROWS], (lambda r: r["x"]), (lambda r: r["y"]), (lambda r: r["z"])
            answers = [_outcome(lambda: p.list(r["nope"] for r in rows)), p.list(map(operator.itemgetter("x"), rows))]
        else:
            make = {"named": Point, "slots": Slots, "attrs": Attrs}[kind]
            rows, x, y, z = [make(*r) for r in ROWS], (lambda r: r.x), (lambda r: r.y), (lambda r: r.z)
            answers = [_outcome(lambda: p.list(r.nope for r in rows)), p.list(map(operator.attrgetter("x"), rows)), _outcome(lambda: p.list(r[0] for r in rows))]
        answers += [p.sum(x(r) for r in rows), p.list(y(r) for r in rows if y(r) is not None), p.list(z(r) == "a" for r in rows), p.max(r for r in map(x, rows))]
        answers += [p.max(rows, key=x) is rows[3], p.any(y(r) is None for r in rows), p.list(x(r) * 2 for r in rows), [a is b for a, b in zip(p.list(r for r in rows if z(r) == "a"), rows[::2])]]
        return answers, sys.getrefcount(rows[0]) - sys.getrefcount(rows[1])

    same(work)


@exact()
def test_rows_with_code_in_their_attributes(p):
    log = []

    class Prop:
        @property
        def x(self):
            log.append("x")
            return len(log)

    class Get:
        def __getattr__(self, name):
            log.append(name)
            return 3

    class GetItem(dict):
        def __missing__(self, key):
            log.append(key)
            return 4

    class Sub(tuple):
        __slots__ = ()

        def __getitem__(self, i):
            log.append(i)
            return 5

    return p.sum(r.x for r in [Prop(), Prop()]), p.list(r.y for r in [Get()]), p.list(r["k"] for r in [GetItem()]), p.list(r[0] for r in [Sub((1,))]), log


@exact()
def test_an_instance_attribute_missing_in_the_middle(p):
    rows = [Attrs(i, 0, 0) for i in range(40)]
    del rows[20].x
    it = iter(rows)
    try:
        return p.sum(r.x for r in it)
    except AttributeError as error:
        return str(error), len(list(it))


@exact()
def test_a_descriptor_put_on_the_class_counts_at_once(p):
    class R:
        def __init__(self):
            self.x = 1

    rows = [R() for _ in range(30)]
    first = p.sum(r.x for r in rows)
    R.x = property(lambda self: 5)
    return first, p.sum(r.x for r in rows)


@exact()
def test_breaker_one_next_takes_one_item(p):
    it = iter([1, 2, 3, 4])
    return p.next(map(lambda x: x * 2, it)), list(it)


@exact()
def test_breaker_leftovers(p):
    a, b = iter(range(5)), iter(range(3))
    first = p.list(zip(a, b)), rest(a, b)
    a, b, c = iter([1, 2, 3]), iter([1]), iter([1, 2])
    return first, _outcome(lambda: p.list(zip(a, b, c, strict=True))), rest(a, b, c)


@exact()
def test_functools_partial_and_operator(p):
    return p.list(map(functools.partial(pow, 2), range(10))), p.list(map(operator.neg, [1, 2.5, True])), p.list(map(operator.mul, [1, 2], [3.5, 4])), p.list(map(functools.partial(operator.sub, 10), range(4))), p.list(map(functools.partial(lambda a, b=2: a - b, b=5), range(4)))


@needs_engine
def test_settings_do_not_change_answers():
    work = lambda p: (p.sum(x * 0.1 for x in range(5000)), p.list(x * 3 for x in range(3000) if x % 7), p.max(x % 100 for x in range(5000)))
    plain = repr(work(PLAIN))
    for settings in ({"threads": 1}, {"threads": 2}, {"threads": 8}, {"tier": 0}, {"tier": 1}, {"min_rows": 1}, {"min_rows": 10**6}):
        with pf.config(**settings):
            assert repr(work(pf)) == plain


class Bare:
    __slots__ = ("a", "b")


def test_what_a_row_lacks_counts_even_where_it_is_not_used():
    """`z["a"]` raises KeyError whatever becomes of its value."""

    def work(p, rows, read, make):
        it = iter(rows)
        try:
            return make(p, (read(z) for z in it)), rest(it)
        except (KeyError, AttributeError, IndexError) as error:
            return type(error), error.args, rest(it)

    whole, lacking = Bare(), Bare()
    whole.a = whole.b = lacking.b = 1
    plain = [Attrs(i, 0, 0) for i in range(20)]
    for instance in plain:
        instance.w = 1
    del plain[12].w
    readers = [
        ([{"a": i} for i in range(12)] + [{}] + [{"a": 1}] * 5, lambda z: z["a"]),
        ([{}], lambda z: z["a"]),
        ([whole] * 12 + [lacking] + [whole] * 5, lambda z: z.a),
        (plain, lambda z: z.w),
        ([(1, 2)] * 12 + [(1,)] + [(1, 2)] * 5, lambda z: z[1]),
        ([(1, 2)] * 12 + [()] + [(1, 2)] * 5, lambda z: (z[0], z[1])[1]),
    ]
    makers = [
        lambda p, chain: p.sum(4 for _ in chain),
        lambda p, chain: p.list(4 for _ in chain),
        lambda p, chain: p.list(chain),
        lambda p, chain: p.any(False for _ in chain),
        lambda p, chain: p.max(y for _ in chain for y in range(2)),
    ]
    for rows, read in readers:
        for make in makers:
            same(lambda p, rows=rows, read=read, make=make: work(p, rows, read, make))


def test_a_refusal_ends_with_its_cause():
    """A list that held a Fraction is refused; the same code over floats alone is not."""

    def natively(xs):
        before = pf.stats()["calls_native"]
        with pf.config(min_rows=1):
            pf.sum(x * 2 for x in xs)
        return pf.stats()["calls_native"] > before

    assert not natively([1.5, Fraction(1, 3)] * 20)
    assert natively([1.5, 2.5] * 20)


@pytest.mark.parametrize("edges", [[2**62, 2**62, -(2**62), -(2**62)], [-(2**62), -(2**62), -1, 2**62], [2**63 - 1, 1, -1], [2**61, 2**62]])
@pytest.mark.parametrize("at", [0, 60, 5000])
@pytest.mark.parametrize("start", [0, 2**63 - 1, -(2**63), 2**63, True])
def test_a_sum_that_was_beyond_64_bits_adds_floats_plainly_for_good(edges, at, start):
    """Where no sampled row is a float: the phase CPython is in shows in the digits, from 3.12 on."""

    def work(p):
        xs = [1, -1, 3] * 7000
        xs[at : at + len(edges)] = edges
        xs[10001:10005] = [1e16, 1.0, -1e16, 0.5]
        return p.sum((x for x in xs), start), p.sum((x + 0 for x in xs), start), p.sum(xs, start)

    same(work, native=True)

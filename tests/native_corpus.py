"""Ordinary one-line functional programs over every kind of source, and the names they are written in.

A program is one expression. `names` has what it needs: purefold's consumers or the builtins, and sources of so many rows.
PROGRAMS run natively; STILL_PLAIN do not yet, and one that comes to is moved. The tests compare their answers
(test_native_coverage.py), the benchmarks their times (bench/small.py).

Asserts are left as they are (PYTEST_DONT_REWRITE): one stands in a program.
"""

# ruff: noqa: F401 (the programs use them)
from __future__ import annotations

import array
import enum
import functools
import math
import operator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, starmap, takewhile
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import purefold as pf


class Trip(NamedTuple):
    carrier: str
    distance: int
    minutes: float | None
    delay: int | None


@dataclass
class Point:
    x: float
    y: float
    tag: str | None = None


@dataclass(slots=True)
class Slotted:
    x: int
    y: float


@dataclass(frozen=True)
class Frozen:
    weight: float
    count: int


class Counter:
    def __init__(self, n: int) -> None:
        self.n = n
        self.half = n / 2


@dataclass
class Cart:
    customer: str
    discount: float
    lines: list[Slotted]


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


def sources(n: int) -> dict[str, Any]:
    """What the programs run over, in n rows."""
    ints = [(i * 7919) % 1013 - 500 for i in range(n)]
    positive = [i % 97 + 1 for i in range(n)]
    floats = [i / 7 - 20 for i in ints]
    bools = [i % 3 == 0 for i in ints]
    gaps = [None if i % 5 == 0 else i for i in ints]
    mixed = [i if i % 2 else float(i) for i in ints]
    words = (["UA", "AA", "", "DL", "UA", "B6"] * n)[:n]
    pairs = [(i, f) for i, f in zip(ints, floats)]
    triples = [(i, f, w) for i, f, w in zip(ints, floats, words)]
    nested = [((i, i + 1), (f, w)) for i, f, w in triples]
    trips = [Trip(w, abs(i), None if i % 7 == 0 else abs(f) + 1, None if i % 5 == 0 else i) for i, f, w in triples]
    dicts: list[dict[str, Any]] = [{"n": i, "price": f, "name": w} for i, f, w in triples]
    points = [Point(f, f * i, w) for i, f, w in triples]
    slotted = [Slotted(i, f) for i, f in pairs]
    frozen = [Frozen(f, i) for i, f in pairs]
    counters = [Counter(i) for i in ints]
    ends = [i + j % 4 for j, i in enumerate(range(0, n, 2))]  # of runs of none to three rows, one behind the other
    runs = [slice(start, end) for start, end in zip(range(0, n, 2), ends)]
    baskets = [pairs[run] for run in runs]
    journeys = [trips[run] for run in runs]
    polygons = [points[run] for run in runs]
    boxes = [tuple(slotted[run]) for run in runs]
    orders = [{"id": j, "paid": j % 3 > 0, "lines": dicts[run]} for j, run in enumerate(runs)]
    carts = [Cart(words[run.start], 0.25, slotted[run]) for run in runs]
    grid = [[ints[run], ints[run][:1]] for run in runs]
    doubles = array.array("d", floats)
    shorts = array.array("h", ints)
    octets = bytes(i % 256 for i in range(n))
    return locals()


LIMIT = 100
RATES = {"UA": 2}
WEIGHTS = (2, 3, 5)
ALLOWED = {1, 2, 3, 50}
SMALL = frozenset({1, 2, 3, 50})
CARRIERS = ("UA", "DL")
MANY = frozenset(range(-90, 90, 3))
NAMES = ["UA", "DL", None]
BRACKETS = [(0, 20, 0.0), (20, 50, 0.2), (50, 100, 0.45)]
FEES = ((0, 1.5), (100, 4.0), (300, 9.5))


def scaled(x, factor=3, *, shift=1):
    return x * factor + shift


def clamp(x, low=-50, high=50):
    return low if x < low else high if x > high else x


def sign(x):
    if x < 0:
        return -1
    elif x > 0:
        return 1
    return 0


def collatz(n):
    if n % 2 == 0:
        return n // 2
    return 3 * n + 1


def speed(trip):
    if trip.minutes is None:
        return None
    return trip.distance / trip.minutes * 60


def quadratic(a, b, c):
    d = b * b - 4 * a * c
    if d < 0:
        return None
    root = math.sqrt(d)
    return (-b + root) / 2, (-b - root) / 2


def adder(n):
    return lambda x: x + n


def add_and_clamp(x):
    y = scaled(x)
    return clamp(y, high=LIMIT)


def swap(pair):
    a, b = pair
    a, b = b, a
    return a, b


def norm(p):
    return math.sqrt(p.x * p.x + p.y * p.y)


def typed(x):
    if isinstance(x, float):
        return x / 2
    if isinstance(x, int):
        return x * 2
    return 0


def leap(y):
    return y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)


def grade(n):
    return "A" if n > 300 else "B" if n > 0 else "C"


def asserted(x):
    assert x > -1000, "never"
    return x + 1


def augmented(x):
    y = x
    y += 2
    y *= 3
    y //= 2
    return y


def walrus(x):
    return y if (y := x % 10) else -1


ten = adder(10)
halve = partial(operator.mul, 0.5)
scaled_by_five = partial(scaled, factor=5)

PROGRAMS = """
sum(scaled(x) for x in ints)
sum(scaled(x, 2, shift=5) for x in ints)
sum(scaled(factor=4, x=x) for x in ints)
sum(map(scaled, ints))
list(map(clamp, ints))
list(map(sign, floats))
list(map(collatz, positive))
list(map(speed, trips))
max(s for s in map(speed, trips) if s is not None)
list(map(ten, ints))
sum(map(adder(3), ints))
list(map(add_and_clamp, ints))
list(map(swap, pairs))
list(map(norm, points))
list(map(typed, mixed))
sum(1 for y in range(1900, 2100) if leap(y))
list(map(grade, ints))
list(map(asserted, ints))
list(map(augmented, ints))
list(map(halve, floats))
list(map(scaled_by_five, ints))
list(map(partial(pow, 2), range(40)))
list(map(partial(max, 0), ints))
list(map(operator.add, ints, floats))
list(map(operator.mul, ints, ints))
list(map(operator.neg, floats))
list(map(operator.itemgetter(1), pairs))
list(map(itemgetter(1, 0), pairs))
list(map(itemgetter("price"), dicts))
list(map(attrgetter("distance"), trips))
list(map(attrgetter("x", "y"), points))
max(trips, key=attrgetter("distance"))
min(pairs, key=itemgetter(1))
max(dicts, key=lambda d: d["price"])
min(points, key=lambda p: abs(p.x - 3))
list(map(lambda x: (y := x * x) + y % 7, ints))
list(filter(lambda x: (y := x % 7) > 2 and y != 5, ints))
list(map(walrus, ints))
list(x in SMALL for x in ints)
sum(x for x in ints if -50 <= x < 50)
sum(x for x in ints if 0 < x % 10 < 5 != x)
list(x or -1 for x in ints)
list(x and x / 2 for x in ints)
list(x or y for x, y in pairs)
list(d or 0 for d in gaps)
sum(d for d in gaps if d)
sum(d for d in gaps if d is not None and d > 10)
sum(0 if d is None else d for d in gaps)
list(not x for x in ints)
list(min(x, 10) for x in ints)
list(max(x, y) for x, y in pairs)
list(max(min(x, 10), -10) for x in ints)
list(min(x, y, 3) for x, y in pairs)
list(divmod(x, 7) for x in ints)
list(divmod(x, 0.3) for x in floats)
list(round(x) for x in floats)
list(round(x) for x in mixed)
list(x ** y for x, y in zip(positive, floats))
list(abs(x) for x in mixed)
list(math.sqrt(abs(x)) for x in floats)
list(math.floor(x) + math.ceil(x) + math.trunc(x) for x in floats)
list(math.sin(x) ** 2 + math.cos(x) ** 2 for x in floats)
list(math.exp(-x * x) for x in floats)
list(math.log(x) for x in positive)
list(math.log(x, 2) for x in positive)
list(math.atan2(y, x) for x, y in pairs)
list(math.gcd(x, 12) for x in ints)
list(math.isqrt(x) for x in positive)
list(math.pow(x, 1.5) for x in positive)
list(math.pi * r ** 2 for r in floats)
list(math.copysign(1, x) for x in floats)
list(math.fabs(x) for x in floats)
list(math.cbrt(x) for x in floats)
list(math.exp2(x) for x in floats)
list(math.degrees(x) for x in floats)
all(math.isfinite(x) for x in floats)
list(x ** 2 for x in ints)
sum(x * x for x in (2**40 + i for i in ints))
list(x * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF for x in ints)
list(x * 6364136223846793005 % (2**61 - 1) for x in ints)
list((x * 6364136223846793005 + 1442695040888963407) % 2**64 >> 33 for x in positive)
list((x * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF) >> 40 for x in ints)
sum(x * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF for x in ints)
list(x ** 0.5 for x in positive)
list(x ** -1 for x in positive)
list(2 ** x for x in range(60))
list(x / y for x, y in zip(ints, positive))
list(x // y for x, y in zip(floats, positive))
list(x % -y for x, y in zip(ints, positive))
list(x << 3 | x >> 2 for x in ints)
list(x & 0xFF ^ 3 for x in ints)
list(~x for x in ints)
list(-x for x in floats)
list(+x for x in bools)
list(x == y for x, y in zip(ints, floats))
sum(bools)
sum(x > 0 for x in ints)
list(int(x) for x in floats)
list(float(x) for x in ints)
list(bool(x) for x in ints)
list(int(b) for b in bools)
list(x in (1, 2, 3) for x in ints)
list(x in {1, 2, 3} for x in ints)
list(x in range(0, 100, 5) for x in ints)
list(w in CARRIERS for w in words)
list(w not in ("UA", "AA") for w in words)
sum(1 for w in words if w == "UA")
sum(1 for w in words if w)
list(w for w in words if w != "DL")
list(w or "none" for w in words)
list((x, x * x) for x in ints)
list((x, (x, -x)) for x in ints)
list(a * b for a, b in pairs)
list(a + c for (a, b), (c, w) in nested)
list(w for (a, b), (c, w) in nested)
list(n[0][1] + n[1][0] for n in nested)
sum(p[0] * p[-1] for p in pairs)
list(t.distance * 2 for t in trips)
list(t for t in trips if t.carrier == "UA" and t.distance > 50)
sum(t.delay for t in trips if t.delay is not None and t.delay > 0)
any(t.minutes is not None and t.distance / t.minutes * 60 > 650 for t in trips)
all(t.delay is not None for t in trips if t.minutes is None)
list(d["n"] * d["price"] for d in dicts)
sum(d["n"] for d in dicts if d["name"] == "UA")
list(d for d in dicts if d["n"] > 0)
list(p.x + p.y for p in points)
sum(p.x for p in points if p.tag == "UA")
list(p for p in points if p.x > 0 and p.y > 0)
sum(s.x for s in slotted)
list(s.y / 2 for s in slotted if s.x)
sum(f.weight * f.count for f in frozen)
sum(c.n + c.half for c in counters)
list(x for x in ints if x > LIMIT)
sum(x * WEIGHTS[0] + WEIGHTS[1] for x in ints)
list(a * b for a, b in zip(ints, floats))
list(i * x for i, x in enumerate(ints))
list(i for i, w in enumerate(words, 1) if w == "UA")
sum(x * y for x, y in zip(doubles, shorts))
sum(octets)
max(octets)
list(b ^ 0x55 for b in octets)
sum(memoryview(doubles))
list(x for x in reversed(ints) if x > 0)
list(x for x in reversed(doubles) if x > 0)
sum(b ^ 0x55 for b in reversed(octets))
list(x + 1 for x in reversed(memoryview(shorts)[::3]))
list(takewhile(lambda x: x != 13, positive))
list(filter(None, ints))
list(filter(lambda x: x % 2, ints))
list(starmap(lambda a, b: a - b, pairs))
list(starmap(operator.sub, pairs))
list(chain(ints, range(5)))
sum(chain(ints, floats))
sum(x * 2 for x in chain(shorts, ints, doubles))
sum(chain.from_iterable([[1, 2], [3]] * 30))
list(x for x in chain(*[ints] * 20) if x > 5)
list(enumerate(chain.from_iterable(map(lambda n: range(n), range(40)))))
list(chain(map(abs, ints), (x * 2 for x in floats), [1, 2]))
sum(x for x in chain([0], (x for x in ints if x > 1), map(int, floats)) if x % 2)
list(zip((x for x in ints if x % 2), floats))
sum(x * y for x, y in zip(filter(None, ints), (y for y in floats if y > 1)))
list(map(lambda p, q: p[0] + q, ((x, x) for x in ints if x), filter(None, ints)))
list(x + 1 for x in chain(chain(ints, range(5)), chain.from_iterable([ints, [1]]), [2]))
list(x * y for x in range(10) for y in range(x))
sum(x * y for x in ints if x > 0 for y in range(3) if y != x)
next(x for x in ints if x > 400)
next((x for x in ints if x > 4000), None)
tuple(x + 1 for x in ints)
min(x * x for x in ints)
max((x for x in ints if x > 9999), default=-1)
max(floats, key=abs)
min(ints, key=lambda x: (x - 3) ** 2)
any(x == 13 for x in ints)
reduce(lambda a, b: a + b, ints)
reduce(lambda a, b: a if a > b else b, ints)
reduce(operator.add, (x * x for x in ints), 0)
reduce(max, ints)
list(lambda_result for lambda_result in map(lambda x, k=2: x * k, ints))
list(isinstance(x, int) for x in mixed)
list(isinstance(x, (int, float)) for x in gaps)
sum(len(p) for p in pairs)
list(x if x > 0 else -x for x in ints)
list((x > 0) - (x < 0) for x in ints)
list(1.0 if x else 0 for x in ints)
list(x * 1.5 if isinstance(x, float) else x for x in mixed)
list(True if x > 0 else None for x in ints)
list(x is None for x in gaps)
list(None for x in ints)
list("even" if x % 2 == 0 else "odd" for x in ints)
list(a for (a, _) in pairs)
list(x * 2 for x in map(float, ints))
list(map(lambda p: p[0] if p[1] > 0 else None, pairs))
sum(map(lambda t: t.distance, filter(lambda t: t.carrier == "UA", trips)))
list(map(lambda t: (t.carrier, t.distance), trips))
list(d["price"] if d["n"] else 0.0 for d in dicts)
list(dict_row["name"] == "UA" and dict_row["n"] > 3 for dict_row in dicts)
list(x for x in ints if not (x < 0 or x > 100))
list(x for x in ints if x in (1, 2) or x is None)
sum(x if x is not None else 0 for x in gaps)
sum((x or 0) for x in gaps)
list(t.minutes and t.distance / t.minutes for t in trips)
list(2.0 * x + 1 if x else x for x in floats)
list(x.n for x in counters if x.half > 0)
list(map(operator.attrgetter("n"), counters))
list(abs(x - y) for x, y in zip(ints, reversed(ints)))
any(map(lambda x: x > 5, ints))
all(map(bool, ints))
sum(map(int, bools))
sum(map(abs, ints))
list(map(max, ints, positive))
list(map(divmod, ints, positive))
list(map(pow, ints, [2] * 300))
list(map(round, floats))
list(map(math.sqrt, positive))
list(map(math.floor, floats))
list(map(lambda x, y: x * y + 1, ints, floats))
sum(x * y for x, y in zip(ints, ints[1:]))
list(enumerate(ints))
list(zip(ints, floats))
list(zip(range(10), floats, words))
list(filter(lambda t: t.minutes, trips))
list(filter(partial(operator.lt, 3), ints))
list(filter(itemgetter(0), pairs))
list(filter(attrgetter("delay"), trips))
sum(1 for _ in ints)
sum(1 for x, y in pairs if x == y)
list((i, t.carrier) for i, t in enumerate(trips) if t.delay)
list(x // 3 * 3 == x for x in ints)
list(x % 2 == 0 and "even" or "odd" for x in ints)
list((x > 0) + (x > 10) * 2 for x in ints)
list(-x if b else x for x, b in zip(ints, bools))
list(math.inf if x == 0 else 1 / x for x in ints)
list(math.tau * x for x in floats)
list(math.exp(math.log(x) / 2) for x in positive)
list(math.log10(x) + math.log2(x) for x in positive)
list(int(x / 3) for x in ints)
list(x == 1 == True for x in ints)
list(1 if x else 2 if x > 3 else 3 for x in ints)
next(t for t in trips if t.distance > 100)
next((i for i, t in enumerate(trips) if t.carrier == "B6"), -1)
min((t for t in trips if t.minutes), key=lambda t: t.minutes)
max((abs(x) for x in floats), default=0)
max(trips, key=itemgetter(1))
max((t.delay for t in trips if t.delay is not None))
reduce(lambda acc, x: acc + x * 2, ints, 0)
reduce(lambda a, b: a * b % 1000003, positive)
reduce(max, (t.distance for t in trips))
reduce(lambda a, b: a | b, ints)
reduce(operator.mul, positive[:10])
reduce(lambda a, b: a + b, floats)
reduce(lambda a, b: a + b * b, floats, 0.0)
reduce(operator.xor, ints)
reduce(lambda a, b: a if a <= b else b, floats)
reduce(lambda acc, x: (acc[0] + 1, acc[1] + x), ints, (0, 0))
reduce(lambda acc, x: (acc[0] if acc[0] < x else x, acc[1] if acc[1] > x else x), floats, (1e9, -1e9))
reduce(lambda acc, x: (acc[0] + 1, acc[1] + x), (t.delay for t in trips if t.delay is not None), (0, 0))
reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]), zip(ints, floats))
tuple(map(lambda x: x * x, range(100)))
sum(range(1000))
sum(floats)
min(doubles)
max(shorts)
list(shorts)
sum(x / 2 for x in memoryview(doubles)[::3])
any(x for x in doubles)
list(w == "UA" for w in words)
list(w is None for w in words)
list(w == t.carrier for w, t in zip(words, trips))
list(x for row in [[1, 2], [3]] * 30 for x in row)
sum(x for p in pairs for x in p)
sum(n * price for basket in baskets for n, price in basket)
list(p[1] for basket in baskets if basket is not None for p in basket if p[0] > 0)
sum(leg.distance for journey in journeys for leg in journey if leg.delay is not None)
max(leg.delay for journey in journeys for leg in journey if leg.delay is not None and leg.carrier == "UA")
list(p for polygon in polygons for p in polygon if p.y > 0)
sum(math.hypot(p.x, p.y) for polygon in polygons for p in polygon)
any(s.x > 510 for box in boxes for s in box)
list((order["id"], line["price"] * line["n"]) for order in orders if order["paid"] for line in order["lines"])
sum(line["n"] for order in orders for line in order["lines"] if line["name"] != "UA")
sum(s.y * (1 - cart.discount) for cart in carts for s in cart.lines if s.x)
list((cart.customer, s) for cart in carts for s in cart.lines if s.x > 100)
sum(x for block in grid for row in block for x in row)
list(x * rate for x in positive for low, high, rate in BRACKETS if low <= x < high)
sum(fee for t in trips for above, fee in FEES if t.distance > above)
sum(map(attrgetter("distance"), chain.from_iterable(journeys)))
list(t for t in chain.from_iterable(journeys) if t.minutes)
max(chain.from_iterable(baskets), key=itemgetter(1))
next((p for polygon in polygons for p in polygon if p.x > 53), None)
reduce(operator.add, (n for basket in baskets for n, _ in basket))
list(x for x in chain(ints, positive) if x > 5)
list(islice((x * x for x in ints), 10))
list(islice((x for x in ints if x % 3), 10))
list(islice(map(abs, ints), 10, None, 3))
list(x - y for x, y in zip(ints, islice(ints, 1, None)))
list(zip(islice(ints, 0, None, 2), islice(ints, 1, None, 2)))
sum(i * x for i, x in enumerate(islice(ints, 5, None)))
sum(i * x for i, x in enumerate(x for x in ints if x > 0))
list(x for i, x in enumerate(filter(None, ints)) if i % 2)
list(enumerate((t.carrier for t in trips if t.delay), 1))
next(islice(filter(None, ints), 5, None))
max(i for i, y in enumerate(x + y for x in ints for y in range(3) if x > y))
sum(math.sqrt((p.x - q.x) ** 2 + (p.y - q.y) ** 2) for p, q in zip(points, points[1:]))
list(int(t.distance // 100) for t in trips)
list(round(t.distance / 7) for t in trips)
list(t.carrier for t in trips)
list(t[1] for t in trips)
list(c for c, d, m, e in trips if d > 200)
list(w < "DL" for w in words)
list(w for w in words if "AB" < w <= "UA")
list(w >= t.carrier for w, t in zip(words, trips))
list(min(w, "C") for w in words)
list(max(w, t.carrier) for w, t in zip(words, trips))
list((a, b) < (3, 4.0) for a, b in pairs)
list((a, b) == (3, 4.0) for a, b in pairs)
list(p == (1, 2.0) for p in pairs)
list(t >= (100, 0.5, "DL") for t in triples)
list(p < q for p, q in zip(pairs, pairs[1:]))
list(n < ((3, 4), (2.0, "UA")) for n in nested)
list((t.carrier, t.distance) > ("DL", 200) for t in trips)
list(min((a, b), (b, a)) for a, b in pairs)
max(trips, key=lambda r: (r.distance, r.carrier))
max(pairs)
min(pairs, key=lambda p: (p[0], p[1]))
max(words)
min(w for w in words if w)
min(mixed)
max(trips, key=itemgetter(0))
min(ints, key=lambda x: (x % 7 == 0, -x))
max((x % 5, x) for x in ints)
max(floats, key=lambda x: int(x) if x > 0 else x)
max(points, key=attrgetter("tag", "x"))
list(math.hypot(x, y) for x, y in pairs)
list(round(x, 2) for x in floats)
list(round(x, 0) for x in ints)
list(round(x, None) for x in floats)
list(round(x, -1) for x in floats)
list(round(x, y % 5) for x, y in zip(floats, ints))
sum(round(x / 7, 3) for x in ints)
list(x in ALLOWED for x in ints)
list(w in RATES for w in words)
list(x not in WEIGHTS for x in mixed)
list(x for x in ints if x in MANY)
list(w in NAMES for w in words)
list(map(lambda x, known=(3, 5, 7): x in known, ints))
list(x in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 10.5, 4, 6, 9, 10, 11) for x in mixed)
list(t for t in trips if t.carrier in NAMES and t.delay not in MANY)
sum(1 for d in gaps if d in MANY or d is None)
"""

STILL_PLAIN = """
sum(y for x in ints if (y := x * x) > 100)
list(map(quadratic, ints, ints, positive))
list(x.real for x in floats)
list(len(w) for w in words)
list(w[0] for w in words if w)
list(w.lower() for w in words)
list(str(x) for x in ints)
list(f"{x}" for x in ints)
list(RATES.get(w, 1) for w in words)
list([x, x + 1] for x in ints)
list(math.fsum(p) for p in pairs)
list(math.dist(p, p) for p in pairs)
list(abs(Level.HIGH - x) for x in ints)
list((lambda y: y * 2)(x) for x in ints)
list(complex(x, 1).imag for x in ints)
list(x.bit_length() for x in ints)
list(x.is_integer() for x in floats)
list(d.get("n", 0) for d in dicts)
list(math.factorial(x % 10) for x in positive)
list(int("7") + x for x in ints)
list(math.lcm(x, 6) for x in ints)
list(pow(x, 3, 7) for x in ints)
list(math.isclose(x, y) for x, y in pairs)
list(math.prod(p) for p in pairs)
list(scaled(*p) for p in pairs)
list(t._replace(distance=0) for t in trips)
list(Trip("UA", x, None, 1) for x in ints)
list(not p for p in pairs)
list(t and 1 for t in trips)
list(a for a, *b in pairs)
list(map(str, ints))
list({"n": x} for x in ints)
list(math.modf(x) for x in floats)
list(math.frexp(x) for x in floats)
list(math.comb(x, 2) for x in positive)
list(float("inf") for x in ints)
list(b for b in octets if b in b"abc")
list(w + "x" for w in words)
list(map(lambda kv: kv[1], RATES.items()))
sum(p.x for p in points if isinstance(p, Point))
list(d * 2 for _, d, *_ in trips)
"""


CONSUMERS = ("sum", "min", "max", "any", "all", "list", "tuple", "next", "reduce")


def names(data: dict[str, Any], consumers: Any) -> dict[str, Any]:
    """What programs are evaluated in. data: of `sources`; consumers: a namespace that has CONSUMERS."""
    return {**globals(), **data, **{name: getattr(consumers, name) for name in CONSUMERS}}


def programs(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]

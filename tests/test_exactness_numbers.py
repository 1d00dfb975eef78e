"""math.hypot and round(x, n), bit for bit: random bits, sums of all sizes apart, halves and their neighbours."""

from __future__ import annotations

import math
import random
import struct
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from differential.check import needs_engine

import purefold as pf

pytestmark = needs_engine

ROWS = 20000


def any_float(rnd: random.Random) -> float:
    return struct.unpack("<d", struct.pack("<Q", rnd.getrandbits(64)))[0]


def sides(rnd: random.Random) -> tuple[float, float]:
    kind = rnd.randrange(5)
    if kind == 0:
        return any_float(rnd), any_float(rnd)
    if kind == 1:  # far apart, by about as much as the small one still counts
        x = rnd.uniform(-1, 1) * 2.0 ** rnd.randint(-1000, 1000)
        return x, x * rnd.uniform(-2, 2) * 2.0 ** rnd.choice((0, -1, -20, -26, -27, -28, -53, -54, 3))
    if kind == 2:
        return rnd.uniform(-1, 1) * 10 ** rnd.randint(-5, 5), rnd.uniform(-1, 1) * 10 ** rnd.randint(-5, 5)
    if kind == 3:
        return float(rnd.randint(-(10**6), 10**6)), float(rnd.randint(-(10**6), 10**6))
    return rnd.uniform(-1, 1) * 2.0 ** rnd.randint(-1074, -1015), rnd.uniform(-1, 1) * 2.0 ** rnd.randint(-1074, -1015)


KNOWN: tuple[float, ...] = (
    2.675,
    0.5,
    1.5,
    2.5,
    -0.5,
    1e22,
    5e21,
    -0.0,
    0.0,
    5e-324,
    1.7976931348623157e308,
    2.0**52,
    2.0**52 + 1,
    2.0**53 - 1,
)
KNOWN += (
    0.125,
    0.375,
    1.005,
    -2.675,
    5.0,
    15.0,
    25.0,
    5e22,
    math.inf,
    -math.inf,
    math.nan,
    4503599627370497.5,
    0.49999999999999994,
)


def to_round(rnd: random.Random) -> tuple[float, int]:
    digits = rnd.choice((0, 1, 2, 2, 2, 3, 4, 6, -1, -2, -3, rnd.randint(-25, 25)))
    kind = rnd.randrange(5)
    if kind == 0:
        return any_float(rnd), digits
    if kind == 1:  # what looks like a tie, and its neighbours
        x = (rnd.randint(-(10 ** rnd.randint(1, 9)), 10**9) + 0.5) / 10 ** max(digits, 0)
        for _ in range(rnd.randint(0, 2)):
            x = math.nextafter(x, rnd.choice((-math.inf, math.inf)))
        return x, digits
    if kind == 2:  # true ties
        return rnd.randint(-(2**20), 2**20) / 2.0 ** rnd.randint(0, 12), digits
    if kind == 3:
        return rnd.randint(-(10**6), 10**6) * 0.5 * 10.0 ** rnd.randint(0, 18), digits
    return rnd.choice(KNOWN), digits


def same_bits(function: Callable[[Any, Any], float], xs: array[float], ys: array[Any]) -> None:
    with pf.config(min_rows=1):
        found = pf.list(map(function, xs, ys))
    for x, y, value in zip(xs, ys, found, strict=True):
        expected = function(x, y)
        assert struct.pack("<d", value) == struct.pack("<d", expected) or value != value != expected != expected, (
            x.hex(),
            y,
        )


@pytest.mark.parametrize("seed", range(3))
def test_hypot(seed: int) -> None:
    rnd = random.Random(seed)
    pairs = [sides(rnd) for _ in range(ROWS)]
    same_bits(math.hypot, array("d", [a for a, _ in pairs]), array("d", [b for _, b in pairs]))
    last = pf.last()
    assert last is not None and last.data["native"]


@pytest.mark.parametrize("seed", range(3))
def test_round_to_digits(seed: int) -> None:
    rnd = random.Random(seed)
    pairs = [to_round(rnd) for _ in range(ROWS)]
    same_bits(lambda x, n: round(x, n), array("d", [a for a, _ in pairs]), array("i", [n for _, n in pairs]))
    for digits in range(-4, 8):

        def rounded(x: float, n: int, digits: int = digits) -> float:
            return round(x, digits)

        same_bits(rounded, array("d", [a for a, _ in pairs]), array("i", [digits] * ROWS))


def test_round_of_an_int_is_that_int() -> None:
    rows = [(10**12 + i, i % 4) for i in range(40)] + [(10**12, -3), (10**12, True), (2**70, 2)]
    with pf.config(min_rows=1):
        rounded = pf.list(round(x, n) for x, n in rows)
        assert rounded == [10**12 + i for i in range(40)] + [10**12, 10**12, 2**70]
        assert all(a is x for a, (x, n) in zip(rounded, rows) if n >= 0)
        assert pf.list(round(b, 2) for b in [True, False] * 20) == [1, 0] * 20
        assert {*map(type, pf.list(round(b, 2) for b in [True, False] * 20))} == {int}

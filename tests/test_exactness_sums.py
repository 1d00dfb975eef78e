"""Sums, bit for bit, where the engine spares itself work: sequences that filters thin, which are never written; floats whose
sum stays in its binade, whose values are not kept; products that are added and chosen in one pass."""

from __future__ import annotations

import math
import random
import struct
from array import array
from collections.abc import Callable, Iterable
from math import sqrt
from typing import Any

import pytest
from differential.check import needs_engine

import purefold as pf

pytestmark = needs_engine


def bits(value: float) -> bytes:
    return b"nan" if value != value else struct.pack("<d", value)


def agree(chain: Callable[[], Iterable[Any]]) -> None:
    """Of any type: the same sum as CPython's, natively, alone and together."""
    expected = sum(chain())
    for threads in (1, 2):
        with pf.config(threads=threads):
            found = pf.sum(chain())
        last = pf.last()
        assert last is not None and last.data["native"], last
        assert type(found) is type(expected)
        assert found == expected if isinstance(expected, int) else bits(found) == bits(expected), (found, expected)


# ---- sequences ----


@pytest.mark.parametrize("m", [1, 2, 3, 7, 63, 64, 65, 100, 1000, 1025, 10**6])
def test_sequence_that_a_filter_thins(m: int) -> None:
    for start, stop, step in (
        (0, 40_000, 1),
        (-20_000, 20_001, 1),
        (5, 90_000, 7),
        (30_000, -30_000, -3),
        (2**44, 2**44 + 5000, 1),
    ):
        for c in {0, 1 % m, m - 1, m // 2}:
            agree(lambda: (x for x in range(start, stop, step) if x % m == c))  # noqa: B023
            agree(lambda: (3 - x * 5 for x in range(start, stop, step) if x % m != c))  # noqa: B023
            agree(lambda: (x + 1 for x in range(start, stop, step) if x % m == c if x % 3 == 1))  # noqa: B023
            agree(lambda: (x for x in range(start, stop, step) if x % m == c or x > 100))  # noqa: B023


def test_sequences_near_the_edge_of_what_fits() -> None:
    for start in (2**52 - 3000, 2**52, -(2**52), 2**62, 2**63 - 5000, -(2**63)):
        agree(lambda: (x for x in range(start, start + 4096)))  # noqa: B023
        agree(lambda: (x - 1 for x in range(start + 1, start + 4097) if x % 2))  # noqa: B023
        agree(lambda: (x for x in range(start, start + 4096) if x % 5 == 2 if x & 4))  # noqa: B023


def test_sequence_with_rows_that_fail() -> None:
    agree(lambda: (x for x in range(10_000) if x % 2 == 0 if 10**6 // (x - 5000 or 1) != 10**6))
    agree(lambda: (x * 3_000_000_000 for x in range(2**31 - 2000, 2**31 + 2000) if x % 2 == 0))


# ---- floats ----


def steady(rnd: random.Random, n: int, first: float, jump: float) -> array[float]:
    """Small values on top of a big one, and now and then one that takes the sum to another binade."""
    xs = array("d", [rnd.random() - rnd.choice((0.0, 0.0, 0.5)) for _ in range(n)])
    xs[0] = first
    for _ in range(rnd.randrange(6)):
        xs[rnd.randrange(1, n)] = rnd.choice((jump, -jump, jump / 3, -first, 0.5, 2.0**-30))
    return xs


@pytest.mark.parametrize("seed", range(12))
def test_floats_on_a_steady_sum(seed: int) -> None:
    rnd = random.Random(seed)
    xs = steady(rnd, 120_000, rnd.choice((1.5e9, -1.5e9, 3e5, 1.0)), rnd.choice((5e9, 2.7e9, 1e300, 4e5)))
    agree(lambda: (x for x in xs))
    agree(lambda: (x * 0.5 + 1.0 for x in xs))
    agree(lambda: (sqrt(x * x + 1.0) for x in xs))
    xs[rnd.randrange(60_000, 120_000)] = rnd.choice((math.inf, -math.inf, math.nan, -0.0))
    agree(lambda: (x for x in xs))


def test_floats_of_which_some_rows_fail() -> None:
    rnd = random.Random(5)
    xs = [rnd.random() for _ in range(100_000)]
    xs[0] = 1.5e9
    xs[70_000] = -2.7e9
    rows: list[Any] = list(xs)
    rows[30_000] = rows[90_001] = 1
    agree(lambda: (x for x in rows))
    agree(lambda: (1.0 / (x - 0.0) for x in xs))


# ---- product-sums that are chosen ----


@pytest.mark.parametrize("rows", [1, 5, 63, 64, 65, 1023, 1024, 1025, 3000])
def test_choice_of_product_sums(rows: int) -> None:
    rnd = random.Random(rows)
    edges = (0.0, -0.0, 1.0, -1.0, 0.25, 0.75, math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308)
    xs = array("d", [rnd.choice(edges) if rnd.randrange(4) == 0 else rnd.uniform(-2, 2) for _ in range(rows)])
    c, d = rnd.uniform(-3, 3), 0.25

    def piecewise(x: float) -> float:
        if x < 0.25:
            return x * x * 0.5 + 1.0
        if x < 0.75:
            return x * x * x - x
        return 2.0 * x - 1.0

    functions: list[Callable[[float], float]] = [
        piecewise,
        lambda x: x * x + c if x > d else x,
        lambda x: x if x > d else x * c - x,
        lambda x: x * c - d if x <= d else 1.5,
        lambda x: -0.0 if x != x else x * x - c,
        lambda x: (x * c + d if x >= 0.0 else c) * x - x,
        lambda x: c * x + 1.0 if x == 1.0 else x * d - 1.0,
        lambda x: (x * x + 1.0 if x > 0 else x * x - 1.0) if x != 0.25 else x * 3.0 + x,
        lambda x: sqrt(x * x + d) / (x * x + 1.0) if x * x < 4.0 else x,
    ]
    with pf.config(min_rows=1):
        for function in functions:
            assert [bits(y) for y in pf.list(map(function, xs))] == [bits(y) for y in map(function, xs)]
            last = pf.last()
            assert last is not None and last.data["native"], last


# ---- few lanes far apart ----


def test_sequence_whose_step_does_not_fit() -> None:
    def functions() -> list[Callable[[int], int]]:
        return [
            lambda x: x * 2**62,
            lambda x: x * -(2**62),
            lambda x: x * 2**62 - 1,
            lambda x: (x * 2**61) * 2,
            lambda x: (x * 2**62) % 7,
        ]

    with pf.config(min_rows=1, threads=1):
        for rows in (
            range(-1, 2, 2),
            range(1, -2, -2),
            range(-1, 2),
            range(-2, 3, 3),
            range(-129, 2, 2),
            range(-641, 2, 2),
        ):
            for f in functions():
                assert pf.list(map(f, rows)) == list(map(f, rows))
                assert pf.sum(map(f, rows)) == sum(map(f, rows))
                assert pf.max(f(x) for x in rows if x % 2) == max(f(x) for x in rows if x % 2)

"""Strs, tuples and keys in order: every comparison that native code makes, held to CPython's on values that are easy to get wrong."""

from __future__ import annotations

import builtins
import itertools
import math
import random
from collections import namedtuple
from typing import Any

import pytest
from differential.check import needs_engine

import purefold as pf

pytestmark = needs_engine

OPERATORS = ("<", "<=", ">", ">=", "==", "!=")
NAN, OTHER_NAN = float("nan"), float("nan")
NUMBERS = (
    0,
    1,
    True,
    False,
    0.0,
    -0.0,
    1.5,
    2**53,
    2**53 + 1,
    float(2**53),
    2**63 - 1,
    -(2**63),
    2.0**63,
    -math.inf,
    NAN,
    OTHER_NAN,
)
TEXTS = (
    "",
    "a",
    "ab",
    "b",
    "\0",
    "\x7f",
    "\xe9",
    "\xff",
    "\u0100",
    "\ud800",
    "\uffff",
    "\U00010000",
    "\U0010ffff",
    "a\u0100",
    "a\xff",
)
Pair = namedtuple("Pair", "a b")


def outcome(expression: str, names: dict[str, Any]) -> object:
    try:
        return eval(expression, names)
    except Exception as error:
        return type(error), error.args


def same(expression: str, names: dict[str, Any], native: bool | None = True) -> None:
    """purefold's answer is CPython's, the very objects included; natively, unless `native` is None."""
    plain = outcome(expression, {**names, **{name: getattr(builtins, name) for name in ("list", "min", "max")}})
    for threads in (1, 2):
        with pf.config(min_rows=1, threads=threads):
            ours = outcome(expression, {**names, "list": pf.list, "min": pf.min, "max": pf.max})
        assert type(ours) is type(plain) and repr(ours) == repr(plain), (expression, plain, ours)
        passed_on = not isinstance(plain, list) and any(plain is value for column in names.values() for value in column)
        assert ours is plain or not passed_on, expression
        said = pf.last()
        assert native is None or (said is not None and said.data["native"] == native), (expression, said)


@pytest.mark.parametrize("op", OPERATORS)
def test_strs(op: str) -> None:
    left, right = [*zip(*itertools.product(TEXTS, TEXTS), strict=True)]
    copies = ["".join(list(text)) for text in right]
    same(f"list(a {op} b for a, b in zip(A, B))", {"A": left, "B": right})
    same(f"list(a {op} b for a, b in zip(A, B))", {"A": left, "B": copies})
    for text in TEXTS:
        same(f"list(a {op} {text!r} for a in A)", {"A": left})
        same(f"list({text!r} {op} a for a in A)", {"A": left})


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("kinds", [(int, int), (float, float), (int, float), (bool, int)])
def test_tuples_of_numbers(op: str, kinds: tuple[type, type]) -> None:
    firsts = [v for v in NUMBERS if type(v) is kinds[0]]
    seconds = [v for v in NUMBERS if type(v) is kinds[1]]
    rows = [*itertools.product(firsts, seconds)]
    left, right = [*zip(*itertools.product(rows, rows), strict=True)]
    for a, b in (("p", "q"), ("(p[0], 1)", "(q[1], 0)"), ("(p, q)", "(q, p)"), ("(p[1], p)", "(q[0], q)")):
        same(f"list({a} {op} {b} for p, q in zip(P, Q))", {"P": left, "Q": right}, None)


@pytest.mark.parametrize("op", OPERATORS)
def test_tuples_whose_items_do_not_compare(op: str) -> None:
    """Equality never raises, and order does only in rows that get that far."""
    rows = [(x, y) for x in range(3) for y in range(3)]
    for other in (
        "(1, 'a')",
        "(1, None)",
        "('a', 1)",
        "(1, (1, 2))",
        "(1,)",
        "(1, 1, 1)",
        "()",
        "(x, y, 0)",
        "(x,)",
        "(None, None)",
    ):
        same(f"list((x, y) {op} {other} for x, y in R)", {"R": rows}, None)
    same(f"list((x, None, y) {op} (y, None, x) for x, y in R)", {"R": rows})


def test_a_nan_is_its_own_equal() -> None:
    rows = [(NAN, 1), (NAN, 2), (OTHER_NAN, 1), (1.0, NAN), (math.nan, 3)] * 8
    for op in OPERATORS:
        same(f"list(p {op} q for p, q in zip(P, Q))", {"P": rows, "Q": rows[1:] + rows[:1], "NAN": ()}, None)
        same(f"list((x, 1) {op} (x, 2) for x, y in P)", {"P": rows}, None)
    for consumer in ("min", "max"):
        same(f"{consumer}(P)", {"P": rows}, None)
        same(f"{consumer}(P, key=lambda p: (p[0], -p[1]))", {"P": rows}, None)


def test_rows_of_another_size_or_class() -> None:
    class Contrary(tuple):
        def __lt__(self, other: object) -> bool:
            return True

    for size in (100, 5000):  # seen by the sample, and not
        rows: list[Any] = [(i % 7, i) for i in range(size)]
        rows[size - 41], rows[size - 37], rows[size - 9] = (3,), (3, 1, 2), Contrary((9, 9))
        same("list(r < (3, 50) for r in R)", {"R": rows}, None)
        same("list(r >= q for r, q in zip(R, R[1:]))", {"R": rows}, None)
        same("max(R)", {"R": rows}, None)
    pairs = [Pair(i % 7, i) for i in range(100)]
    same("list(r < (3, 50) for r in R)", {"R": pairs})
    same("min(R)", {"R": pairs})


def test_a_class_that_learns_to_compare() -> None:
    class Row(namedtuple("Row", "a b")):
        pass

    rows = [Row(i, 2) for i in range(40)]
    same("list(r < (3, 4) for r in R)", {"R": rows})
    Row.__lt__ = lambda self, other: "mine"  # type: ignore[method-assign, assignment, return-value]
    same("list(r < (3, 4) for r in R)", {"R": rows}, False)


KEYS = (
    "lambda r: (r[0], r[1])",
    "lambda r: (r[1], r[0])",
    "lambda r: (r[1], None, r[2])",
    "lambda r: (r[2] > 'a', r[0])",
    "lambda r: (-r[0], r[2], r[1])",
    "lambda r: (r[0],)",
    "lambda r: r[2]",
    "lambda r: r[0] if r[1] else 0.5",
    "lambda r: r[0] == r[1]",
    "lambda r: (r[0] if r[1] else 1.5, r[2])",
    "lambda r: r",
    "None",
)


@pytest.mark.parametrize("key", KEYS)
def test_keys(key: str) -> None:
    """Ties give the first, int and float compare exactly, and what is no key of the usual kinds is CPython's."""
    rnd = random.Random(key)
    for size in (1, 2, 40, 1100, 5000):
        for few in (False, True):
            numbers = [v for v in NUMBERS if v == v and not (few and type(v) is not int)][: 3 if few else 99]
            rows = [
                (rnd.choice(numbers), rnd.choice(numbers), "".join([rnd.choice(TEXTS[: 3 if few else 99])]))
                for _ in range(size)
            ]
            for consumer in ("min", "max"):
                same(f"{consumer}(R, key={key})", {"R": rows}, None)
                same(f"{consumer}((r for r in R if r[0] != r[1]), key={key}, default='none')", {"R": rows}, None)


def test_keys_that_cannot_be_compared() -> None:
    for odd in (None, "a", (1,), [1], NAN, 2**70, True, object()):
        for at in (0, 30, 59):
            for rows in (
                [*range(60)],
                [float(i) for i in range(60)],
                [(i, "a") for i in range(60)],
                [str(i) for i in range(60)],
            ):
                values: list[Any] = [*rows]
                values[at] = (5, odd) if type(rows[0]) is tuple else odd
                for consumer in ("min", "max"):
                    same(f"{consumer}(V)", {"V": values}, None)
                    same(f"{consumer}(V, key=lambda v: (v, 1))", {"V": values}, None)


def test_a_key_that_looks_at_what_it_is_compared_with() -> None:
    """A foreign key sees the very type of the best key so far."""
    seen: list[str] = []

    class Nosy:
        def __lt__(self, other: object) -> bool:
            seen.append(repr(other))
            return False

        __gt__ = __lt__

    values: list[Any] = [True] * 40
    values[30] = Nosy()
    answers = []
    for consumer in (builtins.max, pf.max):
        seen.clear()
        with pf.config(min_rows=1):
            found = [consumer(values) is True, consumer(values, key=lambda v: v) is True]
            found.append(consumer(values, key=lambda v: (v is True or v, 1)) is True)
        answers.append((found, [*seen]))
    assert answers[0] == answers[1]

"""A failed row is replayed and gives an object whose type runs code of its own when it is added, compared or asked for its
truth. From then on nothing that was computed beyond it is used, and nothing more is computed natively: what that code does
to the source, how often it is called and what it raises is as in CPython."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from differential.check import PLAIN, needs_engine

import purefold as pf

pytestmark = needs_engine

ROWS, AT = 60_000, 20_000
CONSUMERS = ("sum", "min", "max", "any", "all", "reduce")


class Foreign:
    """Counts what is done with it; `act` may do anything, and its answer is the operation's, unless it is None."""

    def __init__(self, act: Callable[[int], Any]) -> None:
        self.calls, self.act = 0, act

    def do(self, other: Any) -> Any:
        self.calls += 1
        answer = self.act(self.calls)
        return other if answer is None else answer

    def __add__(self, other: Any) -> Any:
        return self.do(self)

    def __radd__(self, other: Any) -> Any:
        return self.do(other)

    def __lt__(self, other: Any) -> bool:
        return bool(self.do(False))

    def __gt__(self, other: Any) -> bool:
        return bool(self.do(False))

    def __bool__(self) -> bool:
        return bool(self.do(False))


def one_foreign_row(name: str, consumer: Any, act: Callable[[list[float], int], Any], threads: int) -> Any:
    xs = [0.5] * ROWS
    xs[AT] = 0.0
    foreign = Foreign(lambda calls: act(xs, calls))

    def function(x: float) -> Any:
        try:
            return 1.0 / x if name != "any" else 1.0 / x < 0
        except ZeroDivisionError:
            return foreign

    rows = iter(xs)
    chain = map(function, rows)
    with pf.config(threads=threads):
        try:
            result: Any = consumer(lambda a, b: a + b, chain) if name == "reduce" else consumer(chain)
        except Exception as error:
            result = (type(error), error.args)
    result = "the foreign one" if result is foreign else result
    return result, foreign.calls, rows.__length_hint__(), [x for x, _ in zip(chain, range(3), strict=False)]


def edits(xs: list[float], calls: int) -> None:
    xs[AT + 100 : AT + 5000] = [0.25] * 4900


def clears(xs: list[float], calls: int) -> None:
    if calls == 2:
        xs.clear()


def raises(xs: list[float], calls: int) -> None:
    if calls == 300:
        raise ValueError(calls)


def stays(xs: list[float], calls: int) -> bool:
    return True


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("act", [edits, clears, raises, stays])
@pytest.mark.parametrize("name", CONSUMERS)
def test_foreign_object_in_the_middle(name: str, act: Any, threads: int) -> None:
    assert one_foreign_row(name, getattr(pf, name), act, threads) == one_foreign_row(name, getattr(PLAIN, name), act, 1)


def test_a_list_only_stores_it() -> None:
    xs = [0.5] * ROWS
    xs[AT] = 0.0
    foreign = Foreign(lambda calls: None)

    def function(x: float) -> Any:
        try:
            return 1.0 / x
        except ZeroDivisionError:
            return foreign

    found = pf.list(map(function, xs))
    assert found[AT] is foreign and found[:AT] == [2.0] * AT and found[AT + 1 :] == [2.0] * (ROWS - AT - 1)
    last = pf.last()
    assert last is not None and last.data["native"] and last.data["rows"]["fallback"] == 0

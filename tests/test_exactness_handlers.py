"""What a failed row's replay may do, and is not seen in the program: the code of an `except`, of a property, of an exception's
class, of a defaultdict's factory, of an accumulator's type. What was computed beyond the row is not used where any of it could have
changed the source."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any

import pytest
from differential.check import PLAIN, needs_engine

import purefold as pf

pytestmark = needs_engine

AT = 11
SIZES = (100, 5000)


def floats(n: int) -> list[float]:
    xs = [float(i % 97) + 1 for i in range(n)]
    xs[AT] = 0.0
    return xs


def consume(name: str, consumer: Any, chain: Any) -> Any:
    return consumer(lambda a, b: a + b, chain) if name == "reduce" else consumer(chain)


def both(name: str, run: Callable[[Any], Any]) -> None:
    for settings in ({}, {"min_rows": 1, "threads": 1}, {"min_rows": 1, "threads": 2}):
        with pf.config(**settings):
            assert run(lambda chain: consume(name, getattr(pf, name), chain)) == run(
                lambda chain: consume(name, getattr(PLAIN, name), chain)
            )


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", ["sum", "max", "list", "reduce"])
def test_handler_that_edits_the_source(name: str, n: int) -> None:
    def run(consumer: Any) -> Any:
        xs = floats(n)

        def edit() -> None:
            xs[AT + 3 :] = [9.5] * (n - AT - 3)

        def direct(x: float) -> float:
            try:
                return 1.0 / x
            except ZeroDivisionError:
                xs[AT + 3 :] = [9.5] * (n - AT - 3)
                return 2.0

        def by_helper(x: float) -> float:
            try:
                return 1.0 / x
            except ZeroDivisionError:
                edit()
                return 2.0

        first = consumer(map(direct, xs))
        xs[:] = floats(n)
        return first, consumer(by_helper(x) for x in xs)

    both(name, run)


class Reads:
    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    @property
    def prop(self) -> None:
        self.act()

    def __getattr__(self, name: str) -> None:
        if name != "act":
            self.act()

    def __class_getitem__(cls, item: Any) -> None:
        CURRENT[0]()


class Meta(type):
    def __getattr__(cls, name: str) -> None:
        CURRENT[0]()


class WithMeta(metaclass=Meta):
    pass


class Raised(Exception):
    def __init__(self, *args: object) -> None:
        CURRENT[0]()


class Dropped(Exception):
    def __del__(self) -> None:
        CURRENT[0]()


CURRENT: list[Callable[[], None]] = [lambda: None]


def by_property(o: Any, d: Any) -> None:
    o.prop  # noqa: B018


def by_getattr(o: Any, d: Any) -> None:
    o.missing  # noqa: B018


def by_class(o: Any, d: Any) -> None:
    Reads[1]  # type: ignore[type-arg]  # noqa: B018


def by_metaclass(o: Any, d: Any) -> None:
    WithMeta.missing  # noqa: B018


def by_factory(o: Any, d: Any) -> None:
    d["a"]


class Compares:
    def __eq__(self, other: object) -> bool:
        CURRENT[0]()
        return True


COMPARED = [Compares()]


def by_index(o: Any, d: Any) -> None:
    COMPARED.index(1)  # type: ignore[arg-type]


def by_raise(o: Any, d: Any) -> None:
    try:
        raise Raised
    except Raised:
        pass


def by_drop(o: Any, d: Any) -> None:
    try:
        raise Dropped
    except Dropped:
        pass


@pytest.mark.parametrize(
    "act", [by_property, by_getattr, by_class, by_metaclass, by_factory, by_index, by_raise, by_drop]
)
@pytest.mark.parametrize("n", SIZES)
def test_row_of_another_type_runs_code(act: Callable[[Any, Any], None], n: int) -> None:
    def run(consumer: Any) -> Any:
        xs: list[Any] = floats(n)
        xs[AT] = "q"

        def edit() -> None:
            xs[AT + 3 :] = [9.5] * (n - AT - 3)

        CURRENT[0] = edit
        o, d = Reads(edit), collections.defaultdict(edit)

        def function(x: Any) -> float:
            if isinstance(x, float):
                return 1.0 / x
            act(o, d)
            return 2.0

        return consumer(map(function, xs))

    both("sum", run)


@pytest.mark.parametrize("n", [100, 5000, 100_000])
def test_accumulator_that_runs_code(n: int) -> None:
    def run(consumer: Any) -> Any:
        xs: list[Any] = list(range(n))
        xs[30] = None

        class Foreign:
            def __add__(self, other: Any) -> int:
                xs[40:] = [1] * (n - 40)
                return 5

        foreign = Foreign()

        def op(a: Any, b: Any) -> Any:
            return foreign if b is None else a + b

        return consumer(op, (x for x in xs), 0)

    for settings in ({}, {"min_rows": 1, "threads": 1}, {"min_rows": 1, "threads": 2}):
        with pf.config(**settings):
            assert run(pf.reduce) == run(functools.reduce)

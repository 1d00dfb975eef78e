"""`x in S` for a captured S: read anew at each call and whenever other code may have run, whatever the items are."""

from __future__ import annotations

import builtins
import gc
import math
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
from differential.check import needs_engine

import purefold as pf

pytestmark = needs_engine

CONTAINERS: tuple[Callable[[Any], Any], ...] = (list, tuple, set, frozenset, dict.fromkeys)
NAN = float("nan")
ROWS = [0, 1, 2.0, 2.5, True, None, "a", "b", NAN, 2**70, -0.0, math.inf, float(2**70), "", 3] * 60
ALLOWED: Any = None


def asked(rows: Any, box: Any) -> tuple[Any, Any]:
    """What is in the box: by CPython, and by purefold."""
    with pf.config(min_rows=1):
        return builtins.list(x in box for x in rows), pf.list(x in box for x in rows)


def native() -> bool:
    last = pf.last()
    return last is not None and bool(last.data["native"])


@pytest.mark.parametrize("container", CONTAINERS)
def test_items_of_all_kinds(container: Callable[[Any], Any]) -> None:
    for items in (
        (),
        (1,),
        (1.0,),
        (True, None),
        (2**70, "a"),
        (float(2**70),),
        (NAN,),
        (0.0,),
        ("",),
        range(200),
        (*range(60), "b", None),
    ):
        for rows in (
            ROWS,
            [x for x in ROWS if type(x) is int],
            [x for x in ROWS if type(x) is float],
            ["a", "b", "c"] * 100,
        ):
            plain, ours = asked(rows, container(items))
            assert plain == ours, (items, rows)
            assert native()


def test_items_that_are_no_scalars() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return other == 3

        __hash__ = None  # type: ignore[assignment]

    for items in ([Equal()], [1, (1, 2)], [b"a"], [object()]):
        plain, ours = asked([*range(40)], items)
        assert plain == ours
        assert not native()


def test_subclasses_are_looked_up_in_their_own_way() -> None:
    class Every(list):  # type: ignore[type-arg]
        def __contains__(self, item: object) -> bool:
            return True

    for box in (Every([1]), OrderedDict({1: 2})):
        plain, ours = asked([*range(40)], box)
        assert plain == ours
        assert not native()


def test_contents_are_read_at_each_call() -> None:
    rows = [*range(50)]
    changes: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
        ([1], lambda box: box.append(7)),
        ({1}, lambda box: box.add(7)),
        ({1: 0}, lambda box: box.update({7: 0})),
        ([1, 2, 3], lambda box: box.__setitem__(1, 7)),
        ({1, 2, 3}, lambda box: (box.discard(2), box.add(7))),
        ({1: 0, 2: 0}, lambda box: (box.pop(2), box.update({7: 0}))),
    )
    for numbers, change in changes:
        ask = lambda: pf.list(x for x in rows if x in numbers)  # noqa: B023
        with pf.config(min_rows=1):
            assert ask() == [x for x in rows if x in numbers]
            change(numbers)
            assert ask() == [x for x in rows if x in numbers] and 7 in ask()
            assert native()


def test_another_container_under_the_same_name() -> None:
    global ALLOWED
    rows = [*range(50)] + ["a", None, 2.5]
    boxes = [container(items) for items in ((1, 2), (3,), ("a",), (2.5, None)) for container in CONTAINERS] + [
        range(9),
        (1, (2,)),
        5,
        "abc",
    ]
    with pf.config(min_rows=1):
        for ALLOWED in boxes * 3:
            outcomes = []
            for consumer in (builtins.list, pf.list):
                try:
                    outcomes.append(consumer(x for x in rows if x in ALLOWED))
                except TypeError as error:
                    outcomes.append(error.args)
            assert outcomes[0] == outcomes[1], ALLOWED


def test_a_container_changed_while_the_chain_runs() -> None:
    """Another thread puts in what everybody waits for."""
    for wanted in ({-1}, [-1], {-1: 0}):
        add = {set: "add", list: "append", dict: "setdefault"}[type(wanted)]
        timer = threading.Timer(0.2, lambda: getattr(wanted, add)(3))  # noqa: B023
        timer.start()
        before = time.monotonic()
        assert pf.any(x % 7 in wanted for x in range(10**12))
        assert time.monotonic() - before < 20
        timer.join()


def test_a_foreign_row_that_changes_the_container() -> None:
    for threads in (1, 2):
        answers = []
        for consumer in (builtins.list, pf.list):
            numbers = {2, 3}

            class Adder(int):
                def __add__(self, other: int) -> int:
                    numbers.add(5)  # noqa: B023
                    numbers.discard(2)  # noqa: B023
                    return 100

            rows: list[Any] = [*range(10)] * 40
            rows[300] = Adder(1)
            with pf.config(min_rows=1, threads=threads):
                answers.append(consumer((x + 0) in numbers for x in rows))  # noqa: B023
        assert answers[0] == answers[1]


def test_large_containers_are_read_where_there_are_rows_enough() -> None:
    many = set(range(0, 60000, 3))
    few_rows, rows = [*range(100)], [*range(30000)]
    for chosen, natively in ((few_rows, False), (rows, True), (few_rows, False), (rows, True)):
        assert pf.sum(x in many for x in chosen) == builtins.sum(x in many for x in chosen)
        assert native() == natively


def test_nothing_is_kept_for_ever() -> None:
    name = "".join(["no", "body", "else", "s"])
    before = sys.getrefcount(name)
    for i in range(600):
        box = {name, str(i)}
        with pf.config(min_rows=1):
            pf.list(x in box for x in ["a", name] * 10)
    del box
    gc.collect()
    assert sys.getrefcount(name) <= before + 8  # the plans that are still remembered


def test_one_plan_for_many_closures() -> None:
    def ask(box: Any) -> Any:
        return pf.list(x in box for x in range(100))

    with pf.config(min_rows=1):
        for i in range(50):
            assert ask({i, i + 1}) == [x in (i, i + 1) for x in range(100)]
            assert ask(frozenset({i})) == [x == i for x in range(100)]
            assert native()

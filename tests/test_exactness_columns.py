"""Lists whose items are the values: whatever stands wherever in them, and names looked for in columns of text."""

from __future__ import annotations

import builtins
import collections
import itertools
import types
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from differential.check import needs_engine, same

import purefold as pf

pytestmark = needs_engine


class Thing:
    pass


THING = Thing()
ROWS = 2100
# the ends of what is asked for ahead, of a vector, of the list
PLACES = (64, 95, 96, 1023, 1024, 1055, 1056, ROWS - 33, ROWS - 32, ROWS - 1)
ODD = (
    None,
    True,
    0,
    -1,
    2**30,
    -(2**30),
    2**62,
    -(2**63),
    2**63,
    2**80,
    -0.0,
    float("nan"),
    float("inf"),
    "",
    "text",
    b"b",
    (),
    THING,
)
COLUMNS: dict[str, Callable[[int], Any]] = {
    "int": lambda i: i - 1000,
    "long": lambda i: i * 2**40,
    "float": lambda i: i / 7,
    "bool": lambda i: i % 3 == 0,
    "text": lambda i: f"t{i % 11}",
    "thing": lambda i: THING,
    "none or int": lambda i: None if i % 3 else i * 300,
    "none or float": lambda i: None if i % 3 else i / 3,
    "none or text": lambda i: None if i % 3 else f"t{i}",
    "none or thing": lambda i: None if i % 3 else THING,
    "int or float": lambda i: i / 3 if i % 2 else i,
}
VIEWS: dict[str, Callable[[list], Iterable]] = {
    "list": lambda c: c,
    "tuple": tuple,
    "reversed": reversed,
    "every third": lambda c: itertools.islice(c, 1, None, 3),
    "segments": lambda c: itertools.chain(c[:70], tuple(c[70:1100]), c[1100:]),
}


def outcome(ask: Callable[[Any], Any], namespace: Any) -> object:
    try:
        return ask(namespace)
    except Exception as error:
        return type(error), error.args


def check(ask: Callable[[Any], Any]) -> dict[str, Any]:
    """The very objects that CPython gives; what purefold says of the call."""
    plain = outcome(ask, builtins)
    with pf.config(min_rows=1, threads=1):
        ours = outcome(ask, pf)
    assert type(ours) is type(plain), (plain, ours)
    assert isinstance(plain, (list, tuple)) and isinstance(ours, (list, tuple)) and len(ours) == len(plain)
    for a, b in zip(plain, ours):
        assert a is b or (type(a) is type(b) and repr(a) == repr(b)), (a, b)
    said = pf.last()
    return said.data if said is not None else {}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("column", COLUMNS)
def test_whatever_stands_in_a_list(column: str, view: str) -> None:
    for odd in ODD:
        items = [COLUMNS[column](i) for i in range(ROWS)]
        for place in PLACES:
            items[place] = odd
        look = VIEWS[view]
        check(lambda ns, c=items, look=look: ns.list(x for x in look(c)))
        check(lambda ns, c=items, look=look: ns.list(x is None for x in look(c)))
        check(lambda ns, c=items, look=look: ns.list((x, n) for x, n in zip(look(c), range(ROWS)) if x is not None))
        if "thing" not in column:
            check(lambda ns, c=items, look=look: ns.list(x for x in look(c) if x is not None and x == x))


@pytest.mark.parametrize("column", ["int", "long", "float", "bool"])
def test_numbers_beside_odd_ones(column: str) -> None:
    for odd in ODD:
        items = [COLUMNS[column](i) for i in range(ROWS)]
        for place in PLACES:
            items[place] = odd
        check(lambda ns, c=items: ns.list(x * 2 for x in c if isinstance(x, (int, float))))
        check(lambda ns, c=items: ns.list(x + 1 for x in c))


def test_texts_among_things_are_things() -> None:
    items: list[Any] = [None if i % 3 else THING for i in range(ROWS)]
    for place in PLACES:
        items[place] = "text"
    said = check(lambda ns: ns.list(x for x in items if x is not None))
    assert said["native"] and said["rows"].get("replayed", 0) == 0, said


@pytest.mark.parametrize("rows", [1, 2, 31, 32, 33, 34, 1023, 1024, 1025])
def test_short_lists(rows: int) -> None:
    for column in COLUMNS.values():
        items = [column(i) for i in range(rows)]
        check(lambda ns, c=items: ns.list(x for x in c if x is not None))


def test_lists_within_rows() -> None:
    rows: list[list[int]] = [[], [1], list(range(31)), list(range(300, 333)), list(range(1000, 3100)), [2**70, 1]] * 40
    check(lambda ns: ns.list(x + 1 for row in rows for x in row if x != 5))


ALPHABETS = ("ab", "a\xe9", "a\u0100", "a\U00010000")


@pytest.mark.parametrize("length", [*range(20), 31, 32, 33, 64])
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_a_text_in_a_column(alphabet: str, length: int) -> None:
    """One that differs in any one place, or in length, or in nothing but its object."""
    a, b = alphabet
    wanted = b * length
    near = {b * k + a + b * (length - k - 1) for k in range(length)} | {
        a * length,
        b * (length + 1),
        b * max(0, length - 1),
    }
    near |= {other[1] * length for other in ALPHABETS}
    column = [wanted, "".join(list(wanted)), *near] * 40
    others = column[1:] + column[:1]
    said = check(lambda ns: ns.list(x for x in column if x == wanted))
    assert said["native"] and said["rows"].get("replayed", 0) == 0, said
    check(lambda ns: ns.list(wanted == x for x in column))
    check(lambda ns: ns.list(x != wanted for x in column))
    check(lambda ns: ns.list(wanted != x for x in column))
    check(lambda ns: ns.list(i for i, x, y in zip(range(len(column)), column, others) if x != wanted and y == wanted))
    check(lambda ns: ns.list(x == y for x, y in zip(column, others)))
    check(lambda ns: ns.list(i for i, x in enumerate(column) if i % 3 == 0 and x == wanted))


class Text(str):
    """As a key it makes its dict one of another form."""


def with_deleted(i):
    row = {"x": -1, "n": i, "name": "UA", "more": 3}
    del row["x"]
    return row


FILLED: dict[str, Callable[[int], dict]] = {
    "usual": lambda i: {"n": i, "name": "UA"},
    "turned": lambda i: {"name": "AA", "n": i * 2},
    "first deleted": with_deleted,
    "added again": lambda i: {**with_deleted(i), "x": 5},
    "other keys": lambda i: {"a": 1, "b": 2, "c": 3, "n": i + 7, "name": "DL"},
    "many keys": lambda i: {**{str(k): k for k in range(40)}, "n": i - 1, "name": "UA", **{str(k): -k for k in range(300)}},
    "keys of two types": lambda i: {1: 2, "n": i, "name": "UA"},
    "keys of a class": lambda i: {Text("a"): 2, "n": i, "name": "UA"},
    "key of a class": lambda i: {Text("n"): i, "name": "UA"},
    "equal keys": lambda i: {"".join("n"): i, "".join(["na", "me"]): "UA"},
    "attributes": lambda i: vars(types.SimpleNamespace(n=i, name="UA")),
    "shared keys": lambda i: vars(Counted(i)),
    "missing": lambda i: {"name": "UA", "more": 3},
    "None": lambda i: {"n": None, "name": None},
    "beyond": lambda i: {"n": i + 2**63, "name": "UA"},
    "of a class": lambda i: collections.OrderedDict(n=i, name="UA"),
}


class Counted:
    def __init__(self, n: int) -> None:
        self.n, self.name = n, "UA"


@needs_engine
@pytest.mark.parametrize("others", [*FILLED, "all"])
def test_rows_that_are_dicts_filled_in_several_ways(others):
    makers = [FILLED["usual"], *(FILLED.values() if others == "all" else [FILLED[others]])]
    for every in (2, 7, 500):
        rows = [makers[i // every % len(makers) if i % every == every - 1 else 0](i) for i in range(2000)]
        for ask in (
            lambda p, rows=rows: p.list(row["n"] for row in rows),
            lambda p, rows=rows: p.sum(row["n"] for row in rows if row["name"] == "UA"),
            lambda p, rows=rows: p.list(row["name"] for row in rows),
            lambda p, rows=rows: p.list(row["n"] for pair in zip(rows, rows[1:]) for row in pair),
            lambda p, rows=rows: p.list((row["name"], row["n"]) for part in [rows[:700], rows[700:]] for row in part),
        ):
            same(ask)

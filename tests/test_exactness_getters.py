"""itemgetter and attrgetter made anew at each call: a plan holds for all that get the same, and for no other."""

from __future__ import annotations

import builtins
import enum
import itertools
from operator import attrgetter, itemgetter
from types import SimpleNamespace

import pytest
from differential.check import needs_engine

import purefold as pf

LARGE = 10**6


class Text(str):
    def __hash__(self) -> int:
        return hash("b")

    def __eq__(self, other: object) -> bool:
        return other == "b"


class Whole(int):
    def __index__(self) -> int:
        return 2


class Color(enum.IntEnum):
    RED = 1


class Point:
    __slots__ = ("a", "b", "c")

    def __init__(self, a, b, c):
        self.a, self.b, self.c = a, b, c


TUPLES = [(i, i * 2, i * 0.5, -i) for i in range(40)]
DICTS = [
    {"a": i, "b": i * 2, 1: i * 3, ("a", "b"): i * 4, None: i * 5, "ab": i * 6, 2**63: i * 7, -1: i * 8, LARGE: i * 9}
    for i in range(40)
]
POINTS = [Point(i, i * 2, SimpleNamespace(a=i * 3, b=i * 4)) for i in range(40)]


def fresh(text: str) -> str:
    """An equal str that is another object."""
    return "".join(list(text))


def item_words():
    yield from (
        (0,),
        (1,),
        (True,),
        (-1,),
        (Whole(1),),
        (Color.RED,),
        (0, 1),
        (1, 0),
        (1, 1),
        (True, 0),
        (9,),
        (2**63,),
    )
    yield from ((slice(0, 2),), (slice(1, 2),), ((0, 1),), (1.0,), (None,), ("a",), (0, 1, 2), (fresh("1"),))


def key_words():
    yield from (
        ("a",),
        ("b",),
        (fresh("a"),),
        (Text("a"),),
        (fresh("ab"),),
        ("a", "b"),
        ("b", "a"),
        (("a", "b"),),
        (1,),
        (True,),
    )
    yield from (
        (1.0,),
        (None,),
        (2**63,),
        (int("9223372036854775808"),),
        (-1,),
        (LARGE,),
        (int("1000000"),),
        (["a"],),
        ("nope",),
    )
    yield from (((("a", "b"),), "a"), (("a", fresh("b")),), (Whole(1),), (fresh("a"), fresh("b")))


def attribute_words():
    yield from (
        ("a",),
        ("b",),
        (fresh("a"),),
        (Text("a"),),
        ("a", "b"),
        ("b", "a"),
        ("c.a",),
        ("c.b",),
        (fresh("c.a"),),
        ("c",),
    )
    yield from (("a", "c.a"), ("nope",), ("c.nope",), ("a", "a"), ("a.real",), ("a", "b", "c"), ("",))


def attempt(f):
    try:
        return repr(f())
    except Exception as e:
        return type(e), str(e)


CASES = {
    "items": (itemgetter, list(item_words()), TUPLES),
    "keys": (itemgetter, list(key_words()), DICTS),
    "attributes": (attrgetter, list(attribute_words()), POINTS),
}


@pytest.mark.parametrize("how", ["map", "key", "closure", "filter"])
@pytest.mark.parametrize("case", CASES)
def test_in_turns(case, how):
    make, all_words, rows = CASES[case]

    def ask(ns, get):
        if how == "map":
            return ns.list(map(get, rows))
        if how == "key":
            return ns.max(rows, key=get) if case != "attributes" else ns.max(rows, key=get).b
        if how == "closure":
            return ns.list(get(row) for row in rows)
        return len(ns.list(filter(get, rows)))

    for first, second in itertools.permutations(all_words, 2):
        for words in (first, second):
            assert attempt(lambda: ask(pf, make(*words))) == attempt(lambda: ask(builtins, make(*words))), words


@needs_engine
@pytest.mark.parametrize("make", [lambda: itemgetter(fresh("price")), lambda: itemgetter("price")])
def test_equal_ones_are_native(make):
    rows = [{"price": i} for i in range(400)]
    for _ in range(5):
        before = pf.stats()["rows_native"]
        assert pf.sum(map(make(), rows)) == sum(map(make(), rows))
        assert pf.stats()["rows_native"] > before


def test_which_getter_it_is_can_be_seen():
    rows = list(range(40))
    for _ in range(3):
        get, other = itemgetter(1), itemgetter(1)
        assert pf.list(get if x % 2 else other for x in rows) == [get if x % 2 else other for x in rows]
        assert pf.sum((get is other) + (get is get) for x in rows) == len(rows)

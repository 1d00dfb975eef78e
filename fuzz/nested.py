"""Loops in loops over what stands in inner lists: rows of every kind in lists, in lists in lists, in fields of rows, in captured tables.

The source has a type (see values.py), and so has whatever its loops bind. Here and there something else stands. Many programs
ask twice, the second time of rows whose fields or kinds are others, with the table changed.
"""

from __future__ import annotations

import random
from typing import Any

from .expressions import Env
from .generate import Generator
from .program import Program
from .segments import Segments
from .trees import HEADER, Trees

CLASSES = """\
import math
from collections import namedtuple

Named1, Named2, Named3 = (namedtuple(f"Named{n}", [*"abc"[:n]]) for n in (1, 2, 3))


def fill(self, *values):
    for name, value in zip("abc", values):
        setattr(self, name, value)


Attrs = type("Attrs", (), {"__init__": fill, "__repr__": lambda self: "Attrs()"})
Slots = type("Slots", (), {"__init__": fill, "__repr__": lambda self: "Slots()", "__slots__": (*"abc",)})
"""
KINDS = {"tuple": "({},)", "namedtuple": "Named{n}({})", "slots": "Slots({})", "attrs": "Attrs({})", "dict": "dict(zip('abc', ({},)))", "list": "[{}]"}
ODD_ROWS = ("None", "()", "(1,)", "(1, 2, 3, 4)", "[1, 2]", "7", "'ab'", "OBJ0", "{'b': 1}", "Named2(1, None)", "Slots(1)", "Attrs(1)")
ODD_LISTS = ("None", "()", "[]", "5", "'ab'", "{1: 2}", "range(2)", "iter([1, (2, 3)])", "[None]", "[[1, 2], (3,)]", "(7,)")
SOURCES = ("{xs}", "{xs}", "{xs}", "iter({xs})", "reversed({xs})", "islice({xs}, 1, None)", "chain({xs}, {xs})")
OBJECTS = {
    "list": (("list({})", "s"),),
    "tuple": (("tuple({})", "(x for x in s if x is not None)"),),
    "first": (("next({}, 'none')", "(x for x in s if x is not None)"), ("list({})", "islice(s, 5)")),
    "none": (("any({})", "(x is None for x in s)"), ("list({})", "s")),
    "second": (("list({})", "map(operator.itemgetter(1), s)"),),
    "pairs": (("sum({})", "(b for a, b in s if b)"),),
    "starmap": (("max({}, default='none')", "starmap(second, s)"),),
    "max_key": (("max({}, key=operator.itemgetter(1), default='none')", "s"),),
    "min_key": (("min({}, key=zero, default='none')", "s"),),
    "count": (("reduce(count_up, {}, 0)", "s"),),
}


class Nested(Trees):
    items = {  # what fields are
        "ints": ("i",),
        "numbers": ("i", "i", "f", "n", "b"),
        "gaps": ("i?", "f?", "i", "n?"),
        "any": ("i", "f", "b", "s", "i?", "s?", "n?", "o"),
    }
    header = CLASSES + HEADER
    sizes = (0, 9, 9, *(20,) * 9, 40, 70)
    long = (2,)  # a block of fold takes it all

    def __init__(self, rnd: random.Random) -> None:
        super().__init__(rnd)
        self.words = Generator(rnd)
        self.profile, self.plain = self.words.int_profile(), rnd.random() < 0.55
        self.odd = rnd.choice((0,) * 9 + (0.01,))
        self.lists = rnd.random() < 0.8  # or tuples
        self.turned: dict[str, str] = {"tuple": "list"} if rnd.random() < 0.2 else {}  # what stands where a field or row of some kind would
        self.tables: list[tuple[str, Any]] = []
        self.steps: list[str] = []
        self.numbers = rnd.random() < 0.6
        self.ways = Segments.ways if self.numbers else OBJECTS
        self.type = self.inner(rnd.choice((1, 1, 1, 2)))

    # ---- types, and values of them

    def row(self, *inner: Any) -> Any:
        """A row with these fields and others; a field by itself may stand for it."""
        rnd = self.rnd
        fields = [*inner, *(rnd.choice(self.pool) for _ in range(rnd.randint(1, 3 - len(inner))))]
        kind = rnd.choice(("tuple", "tuple", "namedtuple", "slots", "attrs", "dict", "scalar"))
        rnd.shuffle(fields)
        if kind == "scalar":
            return inner[0] if inner else fields[0]
        return ("t", fields) if kind == "tuple" else ("r", kind, dict(zip("abc", fields)))

    def inner(self, depth: int) -> Any:
        """What stands in a list, and has so many lists inside."""
        made = ("l", self.inner(depth - 1)) if depth else self.row()
        return self.row(made) if depth and self.rnd.random() < 0.35 else made

    def item(self) -> str:
        return self.value(self.type)

    def display(self) -> str:
        """Often with something odd where no sample of the rows sees it."""
        text = super().display()
        if self.rnd.random() < 0.6:
            return text
        rows = self.assign("rows", text)
        self.odd, usual = 0.3, self.odd
        odd, self.odd = self.item(), usual
        return f"[*{rows}, *{rows} * 4, {odd}, *{rows} * {self.rnd.randint(1, 9)}]"

    def value(self, of: Any) -> str:
        rnd = self.rnd
        if isinstance(of, str):
            return self.words.value(self.turned.get(of, of), self.profile, self.plain)
        if rnd.random() < self.odd:
            return rnd.choice(ODD_LISTS if of[0] == "l" else ODD_ROWS)
        if of[0] == "l":
            items = [self.value(of[1]) for _ in range(rnd.choice((0, 1, 1, 2, 2, 3, 5)))]
            return self.box(items if rnd.random() >= self.odd / 3 else [*items, rnd.choice(ODD_ROWS)])
        kind, fields = ("tuple", of[1]) if of[0] == "t" else (of[1], of[2].values())
        return KINDS[self.turned.get(kind, kind)].format(", ".join(map(self.value, fields)), n=len(fields))

    def box(self, items: list[str]) -> str:
        return f"[{', '.join(items)}]" if self.lists else f"({''.join(item + ', ' for item in items)})"

    # ---- loops

    def names(self, text: str, of: Any) -> Env:
        """All that can be reached from here."""
        if isinstance(of, str) or of[0] == "l":
            return [(text, of)]
        found = self.words.accesses(text, of)
        return found[:1] + [pair for access, within in found[1:] for pair in self.names(access, within)]

    def target(self, name: str, of: Any) -> tuple[str, Env]:
        fields = of[1] if of[0] == "t" else [*of[2].values()] if of[:2] == ("r", "namedtuple") else []
        if not fields or self.rnd.random() < 0.4:
            return name, self.names(name, of)
        parts = [f"{name}{at}" for at in range(len(fields))]
        return ", ".join(parts) + "," * (len(parts) == 1), [pair for each in zip(parts, fields) for pair in self.names(*each)]

    def expression(self, of: str, env: Env, depth: int) -> str:
        return self.words.make(of, env, depth).replace("~", "-")  # it warns of bools, and of where it stands

    def over(self, bound: Env, env: Env) -> tuple[str, Any] | None:
        """What the next loop runs over, and of what."""
        rnd = self.rnd
        lists = [(text, of[1]) for text, of in rnd.choice((bound, bound, env)) if of[0] == "l"]
        if lists and rnd.random() < 0.85:
            return rnd.choice(lists)
        kind = rnd.choice(("table", "table", "constant", "range", "row", "end", "end"))
        if kind == "table":
            of = self.row()
            self.tables.append((self.assign("T", self.table(of)), of))
            return self.tables[-1]
        if kind == "range":
            return f"range({self.expression('i', env, 0)} & 3)", "i"
        rows = [(text, of[1][0]) for text, of in bound if of[0] == "t" and isinstance(of[1][0], str)]
        if kind == "row" and rows:
            return rnd.choice(rows)
        return None if kind == "end" else ("((1, 2.5), (3, -0.5), (0, 1.0))", ("t", ["i", "f"]))

    def table(self, of: Any) -> str:
        return self.box([self.value(of) for _ in range(self.rnd.choice((0, 1, 2, 3, 6)))])

    def loops(self, of: Any) -> tuple[str, Env]:
        """Up to three in one, with what is asked at each, and the names that the result may use."""
        text, env = "", []
        over: tuple[str, Any] | None = ("s", of)
        for name in "xyz":
            if over is None:
                break
            target, bound = self.target(name, over[1])
            text += f" for {target} in {over[0]}"
            env += bound
            while self.rnd.random() < 0.25:
                text += f" if {self.expression('b', [*env, *bound], 1)}"
            over = self.over(bound, env)
        return text, [*env, *bound]

    def flattened(self, of: Any) -> tuple[str, Any] | None:
        """A step that gives what stands in the lists that its rows are, or have."""
        if not (lists := [(text, within[1]) for text, within in self.names("x", of) if within[0] == "l"]):
            return None
        text, within = self.rnd.choice(lists)
        forms = ["(y for x in s for y in {})", "chain.from_iterable({} for x in s)", "chain.from_iterable(map(lambda x: {}, s))", "((x, y) for x in s for y in {})"]
        form = self.rnd.choice([*forms, *["chain.from_iterable(s)"] * 3 * (text == "x")])
        return form.format(text), ("t", [of, within]) if form.startswith("((") else within

    def result(self, env: Env) -> str:
        rnd = self.rnd
        number = self.expression(rnd.choice("iiffn"), env, 2)
        return number if self.numbers else rnd.choice(("{0}", "({0}, {1})", "({0}, {2})")).format(rnd.choice(env)[0], number, rnd.choice(env)[0])

    # ---- the program

    def made(self) -> str:
        made = self.keep(self.source(SOURCES))
        for step in self.steps:
            made = self.keep(f"{step}({made})")
        return made

    def tree(self) -> str:
        of = self.type
        while self.rnd.random() < 0.4 and (step := self.flattened(of)):
            text, of = step
            self.steps.append(self.assign("f", f"lambda s: {text}"))
        loops, env = self.loops(of)
        self.steps.append(self.assign("f", f"lambda s: ({self.result(env)}{loops})"))
        return self.made()

    def rounds(self) -> list[tuple[str, str]]:
        rnd = self.rnd
        found = [("", self.tree())]
        if rnd.random() < 0.4:
            self.profile, self.odd = self.words.int_profile(), rnd.choice((0, 0, 0, 0.02))
            self.turned = {was: rnd.choice(same) for same in (("i", "f", "i?", "n", "b"), ("f", "i", "n?"), ("s", "s?"), (*KINDS,)) for was in same if rnd.random() < 0.3}
            name, of = rnd.choice(self.tables or [("T", "i")])
            found.append((f"{name}{rnd.choice(('', '[:]', '[1:]')) if self.lists and self.tables else ''} = {self.table(of)}", self.made()))
        return found


def generate(seed: str, rnd: random.Random | None = None) -> Program:
    return Nested(rnd or random.Random(seed)).program(seed, None)

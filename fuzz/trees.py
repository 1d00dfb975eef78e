"""Trees of iterators, as source text: what the generators of one corner of itertools have in common.

Every iterator has a name and is watched, and CPython has taken a few items from some of them before purefold sees
them. Steps and consumers are expressions over `s`, each the body of a function that all programs of a process share.
"""

from __future__ import annotations

import random
import re
from abc import ABC, abstractmethod

from .program import Program, settings

HEADER = """\
import operator
from array import array
from itertools import chain, islice, starmap, takewhile


def begin(it, items):
    try:
        for _ in islice(it, items):
            pass
    except Exception:
        pass


"""
HELPERS = {
    "odd": "x: x % 2",
    "twice": "x: x * 2",
    "zero": "x: 0",
    "minus": "x: -x",
    "pair": "x, y: (x, y)",
    "first": "x, *xs: x",
    "quotient": "x, y: 10 // (y - 3)",
    "larger": "x, y: x if x > y else y",
    "triple": "x, y, z: (x, y, z) if x != 7 else 1 // 0",
    "difference": "x, y, z: x + y - z",
    "second": "i, x: x",
    "count_up": "a, b: a + 1",
    "plus": "a, b: a + b",
    "longer": "a, b: a if a >= b else b",
    "hashed": "a, b: a * 3 - b",
}


class Trees(ABC):
    """Writes one program."""

    items: dict[str, tuple[str, ...]]  # by name: what the sources are filled with
    ways: dict[str, tuple[tuple[str, str], ...]]  # by name: consumers, and what each is given
    sizes: tuple[int, ...]
    header = HEADER
    long: tuple[int, ...]  # how often the items of a long source come again

    def __init__(self, rnd: random.Random) -> None:
        self.rnd = rnd
        self.begun = rnd.choice((0.0, 0.1, 0.4))  # how many iterators
        self.usual = rnd.randrange(100)  # the step that comes again and again
        self.pool = self.items[rnd.choice([*self.items])]
        self.functions: dict[str, str] = {}
        self.lines: list[str] = []
        self.watched: list[str] = []

    @abstractmethod
    def tree(self) -> str:
        """The generator's own part: makes iterators and names the one that is consumed."""

    def rounds(self) -> list[tuple[str, str]]:
        """What is consumed, one after the other, and what is said before each."""
        return [("", self.tree())]

    def item(self) -> str:
        return self.rnd.choice(self.pool)

    def call(self, name: str, body: str, *arguments: object) -> str:
        """The text of a call of the function with this body, which may use what it is given as s, n and k."""
        self.functions[name] = f"def {name}({', '.join('snk'[: len(arguments)])}):\n    return {body}\n\n\n"
        return f"{name}({', '.join(map(str, arguments))})"

    def assign(self, prefix: str, text: str) -> str:
        name = f"{prefix}{len(self.lines)}"
        self.lines.append(f"{name} = {text}")
        return name

    def keep(self, text: str, most: int = 2) -> str:
        """A name for this iterator, which may have been begun."""
        name = self.assign("i", text)
        self.watched.append(name)
        if self.rnd.random() < self.begun:
            self.lines.append(f"begin({name}, {self.rnd.choice((1, most))})")
        return name

    def display(self) -> str:
        """The text of a list or tuple."""
        rnd = self.rnd
        items = [self.item() for _ in range(rnd.choice(self.sizes))]
        text = f"[{', '.join(items)}]" if rnd.random() < 0.6 else f"({''.join(item + ', ' for item in items)})"
        return f"{text} * {rnd.choice(self.long)}" if rnd.random() < 0.06 else text

    def source(self, makes: tuple[str, ...]) -> str:
        """The text of one of these over a new list or tuple."""
        return self.rnd.choice(makes).format(xs=self.assign("xs", self.display()))

    def reach(self) -> str:
        """As many rows as the first source or two would give."""
        sources = [line.split()[0] for line in self.lines if line.startswith("xs")]
        return " + ".join(f"len({name})" for name in sources[: self.rnd.randint(1, 2)])

    def step(self, steps: tuple[str, ...], source: str) -> str:
        at = self.usual % len(steps) if self.rnd.random() < 0.25 else self.rnd.randrange(len(steps))
        return self.call(f"step{at}", steps[at], source, self.rnd.randint(0, 9), self.rnd.randint(1, 3))

    def program(self, seed: str, way: str | None) -> Program:
        rnd = self.rnd
        way = way or rnd.choice([*self.ways])
        rounds = self.rounds()
        lines = [*self.lines, "MARK()", *(f"WATCH({name})" for name in self.watched)]
        for said, whole in rounds:
            lines += [said, "try:"] if said else ["try:"]
            for at, (consumer, given) in enumerate(self.ways[way]):
                lines.append(f"    OUT({consumer.format(whole if given == 's' else self.call(f'given{at}_{way}', given, whole, self.reach()))})")
            lines += ["except Exception as error:", "    FAIL(error)"]
        main = "\n".join([*lines, ""])
        functions = [*self.functions.values()]
        words = set(re.findall(r"\w+", "".join(functions) + main))
        helpers = [f"{name} = lambda {text}\n" for name, text in HELPERS.items() if name in words]
        return Program(seed, (self.header, *helpers, *functions, main), config=settings(rnd), twice=rnd.random() < 0.12)

"""map and zip of several, each of which may drop rows, may have been begun, and fails somewhere."""

from __future__ import annotations

import random

from .program import Program
from .trees import Trees

SOURCES = ("iter({xs})", "iter({xs})", "reversed({xs})", "iter(range(len({xs})))", "iter(array('d', [1.5, 0, 2] * len({xs})))", "chain({xs}, {xs})")
STEPS = (
    "filter(odd, s)",
    "filter(None, s)",
    "(x for x in s if x)",
    "(x for x in s if x % 3)",
    "(12 // x for x in s if x != 2)",
    "(x for x in s)",
    "map(twice, s)",
    "map(abs, s)",
    "(x for i, x in enumerate(s) if i % 3)",
    "(x for i, x in enumerate(map(twice, s)) if i % 3)",
    "islice(map(twice, s), 1, None, 2)",
    "islice(s, n % 4, None, k)",
    "islice((x for x in s), n)",
    "takewhile(lambda x: x != 5, s)",
    "((x, -x) for x in s if x)",
    "(x if x > 0 else None for x in s if x % 5)",
    "(x / 2 for x in s if x > 1)",
    "(x > 2 for x in s if x % 4)",
    "(y for x in s for y in range(x % 3))",
    "starmap(second, ((i, x) for i, x in enumerate(s) if x))",
    "enumerate(filter(odd, s))",
    "(x for i, x in enumerate((x for x in s if x % 3), 5) if i % 4)",
    "islice(filter(None, s), n % 3, (None, 4, 7)[k - 1], 1 + n % 2)",
    "map(twice, islice((x for x in s if x), n))",
    "starmap(first, zip((x for x in s if x), filter(odd, range(30))))",
    "(x for x in map(lambda x, y: x * y, (x for x in s if x % 3), islice(filter(odd, range(40)), 2, 19)) if x % 2)",
    "(x for x, y in zip((x for x in s if x % 3), range(20)) if y % 2)",
)
WHOLES = {
    2: ("zip({})", "zip({})", "zip({}, strict=True)", "map(first, {})", "map(quotient, {})", "map(larger, {})"),
    3: ("zip({})", "zip({})", "zip({}, strict=True)", "map(first, {})", "map(triple, {})", "map(difference, {})"),
}
ABOVE = {
    "if": "(t for t in s if t != 3)",
    "enumerate": "enumerate(s)",
    "both": "enumerate(t for t in s if t != 3)",
    "islice": "islice(s, k - 1, 2 + n, 1 + n % 2)",
    "takewhile": "takewhile(lambda t: t != 4, s)",
}


class Sides(Trees):
    items = {
        "ints": tuple(map(str, range(-9, 10))),
        "positive": tuple(map(str, range(1, 10))),
        "odd ones": ("1", "2", "3", "2**70", "2**63 - 1", "2.5", "True", "nan", "-0.0"),
        "some fail": ("1", "2", "3", "4", "5", "6", "7", "8", "0", "None"),
    }
    ways = {
        "list": (("list({})", "s"),),
        "tuple": (("tuple({})", "s"),),
        "sum": (("sum({})", "(1 for x in s)"),),
        "any": (("any({})", "(x == 3 or x == (3, 3) for x in s)"),),
        "all": (("all({})", "s"),),
        "next": (("next({}, 'none')", "(x for x in s if x)"), ("next({}, 'none')", "(x for x in s if x)"), ("list({})", "s")),
        "max": (("max({}, key=zero, default='none')", "s"),),
        "min": (("min({}, default='none')", "(-i for i, x in enumerate(s))"),),
        "reduce": (("reduce(count_up, {}, 0)", "s"),),
        "longest": (("reduce(longer, {})", "s"),),
    }
    sizes = (0, 5, 12, 12, 20, 20, 40, 40)
    long = (100, 400)

    def child(self) -> str:
        made = self.keep(self.source(SOURCES))
        for _ in range(self.rnd.choice((0, 1, 1, 2, 3))):
            made = self.keep(self.step(STEPS, made))
        return made

    def tree(self) -> str:
        rnd = self.rnd
        children = [self.child() for _ in range(rnd.choice((2, 2, 2, 3)))]
        made = self.keep(rnd.choice(WHOLES[len(children)]).format(", ".join(children)))
        above = rnd.choice((None, None, *ABOVE))
        return self.keep(self.call(f"above_{above}", ABOVE[above], made, rnd.randint(0, 7), rnd.randint(1, 3))) if above else made


def generate(seed: str, rnd: random.Random | None = None, way: str | None = None) -> Program:
    return Sides(rnd or random.Random(seed)).program(seed, way)

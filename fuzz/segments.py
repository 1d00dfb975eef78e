"""itertools.chain over segments, some of them begun, ended or empty: trees of few, which may have steps of their own, or many in one."""

from __future__ import annotations

import random

from .program import Program
from .trees import Trees

SOURCES = ("{xs}", "{xs}", "iter({xs})", "iter({xs})", "reversed({xs})", "range(len({xs}))", "bytes(len({xs}))", "iter(array('d', [1.5] * len({xs})))")
STEPS = (
    "map(twice, s)",
    "map(abs, s)",
    "(x * 2 for x in s)",
    "(x for x in s if x != 2)",
    "(y for x in s for y in (x, x))",
    "(t for t in ((x, -x) for x in s) for _ in range(2))",
    "filter(None, s)",
    "islice(s, 2)",
    "islice(map(twice, s), 1, None, 2)",
    "takewhile(lambda x: x != 3, s)",
    "starmap(second, enumerate(s))",
    "map(operator.add, s, range(n))",
    "map(operator.sub, (x for x in range(n)), s)",
    "(a for a, b in zip(s, (y for y in range(3))))",
    "{1: 2, 3: 4}",
    "iter([s])",
)
ROWS = (  # steps over the segments themselves
    "s",
    "(x for x in s if x)",
    "(x for x in s if x is not None)",
    "filter(None, s)",
    "islice(s, k, None)",
    "map(lambda x: range(len(x)), s)",
    "chain(s, [[1, 2], []])",
    "chain(s, [{1: 2, 3: 4}, (7,), 'ab', [3, 2], 5, [1]])",
)


class Segments(Trees):
    items = {
        "ints": tuple(map(str, range(-9, 10))),
        "odd ones": ("1", "2", "3", "2**70", "None", "2.5", "True", "'a'"),
    }
    ways = {
        "list": (("list({})", "s"),),
        "sum": (("sum({})", "(x * 2 for x in s if x)"),),
        "odd": (("list({})", "((i, x) for i, x in enumerate(s) if x is not None)"),),
        "any": (("any({})", "(x == 3 for x in s)"),),
        "next": (("next({}, 'none')", "(x for x in s if x == 2)"), ("next({}, 'none')", "(x for x in s if x == 3)")),
        "error": (("list({})", "(10 // (x - 3) for x in s)"),),
        "taken": (("list({})", "takewhile(lambda x: x != 3, s)"),),
        "islice": (("list({})", "islice((x for x in s if x), 2, 9)"),),
        "enough": (("list({})", "islice(s, n)"),),
        "enough_rows": (("tuple({})", "islice((x for x in s), n)"), ("list({})", "islice(s, n)")),
        "zip": (("list({})", "zip(s, range(7))"),),
        "zip_first": (("list({})", "((a, b) for a, b in zip(range(7), s))"),),
        "map": (("list({})", "map(pair, (x for x in s), [1, 2, 3, 4])"),),
        "fold": (("fold(hashed, {}, 1)", "(x for x in s if x)"),),
        "max": (("max({}, key=minus, default='none')", "s"),),
        "tuple": (("tuple({})", "s"),),
        "min": (("min({}, default='none')", "(x for x in s if x is not None)"),),
        "floats": (("sum({})", "(x / 3 for x in s)"),),
        "mixed": (("sum({}, 0.1)", "(x for x in s)"),),
        "reduce": (("reduce(plus, {}, 0)", "s"),),
        "longest": (("reduce(longer, {})", "s"),),
        "rare": (("list({})", "(x for x in s if x == -9)"),),
        "all": (("all({})", "map(lambda x: x != 3, s)"),),
        "several": (("list({})", "(y for x in s for y in range(x % 4))"),),
        "beside": (("list({})", "map(pair, s, (y for y in range(20)))"),),
        "enumerated": (("list({})", "enumerate(s)"),),
        "rest": (("any({})", "(x == 4 for x in s)"), ("list({})", "s")),
    }
    sizes = (0, 1, 1, 2, 3, 9, 30)
    long = (100,)

    def __init__(self, rnd: random.Random) -> None:
        super().__init__(rnd)
        self.kind = rnd.choice(("bare", "steps", "steps", "many"))

    def tree(self) -> str:
        return self.many() if self.kind == "many" else self.chains(2)

    def leaf(self) -> str:
        made = self.keep(self.source(SOURCES))
        return made if self.kind == "bare" or self.rnd.random() < 0.25 else self.keep(self.step(STEPS, made))

    def chains(self, depth: int) -> str:
        rnd = self.rnd
        parts = ", ".join([self.chains(depth - 1) if depth and rnd.random() < 0.45 else self.leaf() for _ in range(rnd.randint(0, 3) if depth < 2 else 3)])
        kind = rnd.randint(0, 3)
        if kind == 0:
            self.watched.append(self.assign("i", f"iter([{parts}])"))
            return self.keep(f"chain.from_iterable({self.watched[-1]})", 5)
        return self.keep(f"chain.from_iterable([{parts}])" if kind == 1 else f"chain({parts})", 5)

    def many(self) -> str:
        """More of them than are worth a column each: every segment is a row."""
        rnd = self.rnd
        rows = self.assign("xs", f"[{', '.join(self.display() for _ in range(rnd.choice((9, 12, 30))))}]")
        if rnd.random() < 0.25:
            return self.keep(rnd.choice((f"chain(*{rows})", f"chain.from_iterable({rows})")))
        return self.keep(f"chain.from_iterable({self.keep(self.step(ROWS, self.keep(f'iter({rows})')))})")


def generate(seed: str, rnd: random.Random | None = None, way: str | None = None) -> Program:
    return Segments(rnd or random.Random(seed)).program(seed, way)

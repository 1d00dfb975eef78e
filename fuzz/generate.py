"""Whole small programs for the differential fuzzer, from a seed.

A program builds its sources at module level, says MARK() when they stand, builds a chain (inline, through named
iterators, in a function with a closure, or several times with changed globals), and hands OUT the answer or FAIL
the exception. WATCH names the iterators whose rest is looked at afterwards. The four hooks and LOG (the side
effects) belong to the oracle; everything else is ordinary Python, so a failing program is its own report.
Every class has a __repr__: the default one shows an address, and an order of addresses is no answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .expressions import Env, Expressions
from .program import Program, settings

HEADER = """\
import functools, itertools, math, operator
from array import array
from collections import namedtuple
from functools import partial, reduce as plain_reduce
from itertools import chain, count, cycle, islice, repeat, starmap, takewhile, zip_longest
from typing import NamedTuple
"""

FOREIGN = {
    "Loud": """\
class Loud(int):
    def __mul__(self, other):
        LOG.append(("mul", int(self), other))
        return int(self) * other
    __rmul__ = __mul__
    def __add__(self, other):
        LOG.append(("add", int(self)))
        return Loud(int(self) + other)
    __radd__ = __add__
    def __lt__(self, other):
        LOG.append(("lt", int(self)))
        return int(self) < other
    def __bool__(self):
        LOG.append(("bool", int(self)))
        return int(self) != 0
""",
    "Editor": """\
class Editor(int):
    def __mul__(self, other):
        LOG.append(("edit", len(xs0)))
        EDIT(xs0)
        return int(self) * other
    __rmul__ = __mul__
    def __add__(self, other):
        LOG.append(("edit+", len(xs0)))
        EDIT(xs0)
        return int(self) + other
    __radd__ = __add__
    def __lt__(self, other):
        LOG.append(("edit<", len(xs0)))
        EDIT(xs0)
        return True
    __gt__ = __lt__
""",
    "Rebinder": """\
class Rebinder(int):
    def __mul__(self, other):
        global G0
        G0 = G0 + 1
        LOG.append(("rebind", G0))
        return int(self) * other
    __rmul__ = __add__ = __radd__ = __sub__ = __mul__
""",
    "Half": """\
class Half(float):
    def __add__(self, other):
        LOG.append(("fadd", float(self)))
        return float(self) + other
    __radd__ = __mul__ = __rmul__ = __add__
    def __float__(self):
        LOG.append(("float", 1))
        return 0.25
""",
    "Grumpy": """\
class Grumpy:
    def __eq__(self, other):
        LOG.append("eq")
        return other == 3
    def __mul__(self, other):
        LOG.append("no")
        raise ZeroDivisionError("grumpy", other)
    __rmul__ = __add__ = __radd__ = __lt__ = __gt__ = __mul__
    __hash__ = None
    def __repr__(self):
        return "Grumpy()"
    def __index__(self):
        LOG.append("index")
        return 3
    def __bool__(self):
        LOG.append("bool")
        raise LookupError("no truth")
""",
}
EDITS = (
    "def EDIT(xs): xs[-1] = 7", "def EDIT(xs): xs.append(5) if len(xs) < 60 else xs.pop()", "def EDIT(xs): xs.clear()", "def EDIT(xs): del xs[-2:]",
    "def EDIT(xs): xs[:] = [x for x in xs if x is not None]", "def EDIT(xs): xs.insert(0, 3) if len(xs) < 60 else xs.clear()", "def EDIT(xs): xs[len(xs) // 2] = None",
    "def EDIT(xs): xs.extend(range(4)) if len(xs) < 60 else None", "def EDIT(xs): xs[len(xs) // 2] = 2 ** 70",
)
ROW_KINDS = ("tuple", "tuple", "namedtuple", "typed", "dict", "slots", "attrs")
OPERATOR_2 = ("add", "sub", "mul", "floordiv", "mod", "and_", "or_", "xor", "truediv")
OPERATOR_B = ("lt", "le", "gt", "ge", "eq", "ne")


@dataclass
class Chain:
    text: str
    elem: object  # a type, see values.py
    finite: bool = True
    sequence: bool = False  # may be reversed
    iterator: bool = False


# What becomes of the source between two rounds: another list, the same one changed, other types, functions that are others.
TURNS = (
    "xs0 = type(xs0)([*xs0[1:], *xs0[:1]])",
    "xs0.append(K)",
    "xs0[len(xs0) // 2] = K",
    "xs0[:] = [float(x) for x in xs0]",
    "xs0 = [*xs0, None]",
    "xs0 = [x or 0 for x in xs0] if IX == 1 else tuple(xs0)",
    "del xs0[-1]",
    "xs0.reverse()",
    "G1 = K",
    "f0 = f1",
    "f0.__defaults__ = (K,)",
    "f0.__code__ = f1.__code__",
)


# What the oracle's fold does not always follow: sources that raise, steps that end before their source, several leaves that are one, and
# warnings, which name its own lines. tests/test_exactness_fold_blocks.py does.
BEYOND_FOLD = ("strict", "takewhile", "islice", "zip", "~", "invert")


class Generator(Expressions):
    def __init__(self, rnd) -> None:
        super().__init__(rnd)
        self.head: list[str] = []  # definitions
        self.data: list[str] = []  # sources
        self.body: list[str] = []  # named intermediates of the chain under construction
        self.watch: list[str] = []
        self.counter = 0
        self.steps = 0
        self.pokes: list[tuple[int, str]] = []  # items of the source under construction that are put in afterwards
        self.drops = False  # has a step dropped rows?
        self.used_functions = 0
        self.features: set[str] = set()
        self.cells: Env = []
        self.turning = False  # is the same call made in several rounds?

    def fresh(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    # ---- sources

    def source(self) -> Chain:
        rnd = self.rnd
        roll = rnd.randint(0, 99)
        if roll < 24:
            text, finite = self.range_text()
            src = Chain(text, "i", finite, sequence=True)
        elif roll < 62:
            typ = self.scalar_type()
            src = self.list_source(typ)
        elif roll < 76:
            src = self.row_source()
        elif roll < 87:
            text, typ = self.buffer()
            src = Chain(text, typ, sequence=True)
        elif roll < 91:
            typ = rnd.choice(("o", "s", "o?", "o?"))
            size = rnd.choice((80, 200, 300, 600)) if typ == "o?" and self.chance(50) else self.size()  # more rows than a sample has
            src = Chain(self.column(typ, size), typ if self.chance(60) else rnd.choice(("o", "s")), sequence=True)
        elif roll < 95:
            src = self.foreign_source()
        elif roll < 96:
            src = Chain(rnd.choice(("count(3)", "repeat(4)", "cycle([1, 2, 0])", "count(-2, 3)")), "i", finite=False, iterator=True)
        elif roll < 97 or self.chance(60):
            inner = ", ".join(self.column("i", rnd.randint(0, 4)) for _ in range(rnd.randint(0, 5)))
            src = Chain(f"[{inner}]", ("l", "i"), sequence=True)
        else:
            text = rnd.choice(("{1: 2, 3: 4}", "'héllo'", "{3, 1, 2}", "frozenset((4,))", "(x for x in (5, 6, 7))", "map(int, '123')", "42", "None", "zip('ab', (1, 2))"))
            src = Chain(text, "i", iterator="(x" in text or "map" in text or "zip" in text)
        return self.place(src)

    def list_source(self, typ: str) -> Chain:
        size = self.size()
        text = self.column(typ, size)
        if self.chance(20):
            text = f"tuple({text})" if size > 70 else ("(" + text[1:-1] + (",)" if size == 1 else ")"))
        return Chain(text, typ, sequence=True)

    def row_source(self) -> Chain:
        rnd = self.rnd
        kind = rnd.choice(ROW_KINDS)
        fields = {name: self.scalar_type() for name in "abc"[: rnd.randint(1, 3)]}
        cls = self.fresh("Row")
        names = list(fields)
        if kind == "namedtuple":
            self.head.append(f"{cls} = namedtuple('{cls}', '{' '.join(names)}')")
        elif kind == "typed":
            self.head.append(f"class {cls}(NamedTuple):\n" + "\n".join(f"    {n}: object" for n in names))
        elif kind == "slots":
            self.head.append(f"class {cls}:\n    __slots__ = ({', '.join(map(repr, names))},)\n    __repr__ = lambda self: '{cls}()'\n    def __init__(self, {', '.join(names)}):\n" + "\n".join(f"        self.{n} = {n}" for n in names))
        elif kind == "attrs":
            extra = rnd.choice(("", "", "", "    b = property(lambda self: LOG.append('prop') or 3)\n", "    def __getattr__(self, name):\n        LOG.append(name)\n        return 2\n"))
            if "property" in extra and "b" in names:
                extra = ""
            self.head.append(f"class {cls}:\n{extra}    __repr__ = lambda self: '{cls}()'\n    def __init__(self, {', '.join(names)}):\n" + "\n".join(f"        self.{n} = {n}" for n in names))
        profile, plain = self.int_profile(), self.chance(70)
        rows = []
        size = self.size()
        odd = self.chance(6)  # is a row of another shape among them?
        shown = "list" if kind == "tuple" and self.chance(25) else kind
        for _ in range(min(size, 40)):
            vals = [self.value(t, profile, plain) for t in fields.values()]
            rows.append(self.row_text(shown, cls, names, vals, odd))
        text = "[" + ", ".join(rows) + "]"
        if size > 40:
            text = f"({text} * {size // 40 + 1})[:{size}]"
        elem = ("t", list(fields.values())) if kind == "tuple" else ("r", kind, fields)
        self.features.add("rows:" + kind)
        return Chain(text, elem, sequence=True)

    def row_text(self, kind: str, cls: str, names: list, vals: list, odd: bool) -> str:
        if odd and self.chance(4):
            return self.rnd.choice(("None", "()", "(1,)", "5", "[]", "[1, 2]"))
        if kind == "tuple":
            return "(" + ", ".join(vals) + ",)"
        if kind == "list":
            return "[" + ", ".join(vals) + "]"
        if kind == "dict":
            pairs = [f"'{n}': {v}" for n, v in zip(names, vals)]
            if odd and self.chance(4):
                pairs = pairs[1:]
            return "{" + ", ".join(pairs) + "}"
        return f"{cls}({', '.join(vals)})"

    def foreign_source(self) -> Chain:
        rnd = self.rnd
        name = rnd.choice(("Loud", "Editor", "Rebinder", "Half", "Grumpy", "Decimal", "Fraction"))
        self.features.add("foreign:" + name)
        if self.chance(45):
            return self.foreign_far_inside(name)
        size = rnd.choice((3, 5, 8, 20, 33))
        items = [self.value(rnd.choice(("i", "i", "i", "f", "i?")), "small", True) for _ in range(size)]
        makers = {"Half": "Half(1.5)", "Grumpy": "Grumpy()", "Decimal": "Decimal('1.5')", "Fraction": "Fraction(1, 3)"}
        for _ in range(rnd.randint(1, 3)):
            items[rnd.randint(0, size - 1)] = makers.get(name, f"{name}({rnd.randint(-2, 9)})")
        self.define_foreign(name)
        return Chain("[" + ", ".join(items) + "]", "i", sequence=True)

    def foreign_far_inside(self, name: str) -> Chain:
        """Where no sample of the data sees them: the rows before and behind run natively."""
        rnd = self.rnd
        self.define_foreign(name)
        makers = {"Half": "Half(1.5)", "Grumpy": "Grumpy()", "Decimal": "Decimal('1.5')", "Fraction": "Fraction(1, 3)"}
        size = rnd.choice((200, 300, 1100, 2100))
        typ = rnd.choice(("i", "i", "f"))
        places = sorted(rnd.randint(20, size - 2) for _ in range(rnd.choice((1, 1, 2))))
        self.pokes = [(at, makers.get(name, f"{name}({rnd.randint(-2, 9)})")) for at in places]
        return Chain(self.long_column(typ, size, "small", True), typ, sequence=True)

    def define_foreign(self, name: str) -> None:
        rnd = self.rnd
        if name in FOREIGN:
            self.head.append(FOREIGN[name])
            if name == "Editor":
                self.head.append(rnd.choice(EDITS))
        else:
            self.head.append(f"from {'decimal' if name == 'Decimal' else 'fractions'} import {name}")

    def place(self, src: Chain) -> Chain:
        """Give the source a name, and maybe put a partly advanced iterator over it."""
        rnd = self.rnd
        if not src.finite and self.chance(80):
            return self.bound(src)
        if not self.data or src.iterator or self.pokes or self.chance(75):
            name = f"xs{len(self.data)}"
            self.data.append(f"{name} = {src.text}")
            self.data += [f"{name}[{at}] = {text}" for at, text in self.pokes]
            self.pokes = []
            src.text = name
            if src.iterator:
                self.watch.append(name)
        if src.iterator or not src.sequence:
            return src
        roll = rnd.randint(0, 99)
        if roll < 30:
            it = self.fresh("it")
            make = "reversed" if self.chance(15) else "iter"
            self.data.append(f"{it} = {make}({src.text})")
            taken = rnd.choice((0, 0, 0, 0, 1, 1, 1, 2, 2, 3))
            self.data += [f"next({it}, None)"] * taken
            if self.chance(2):
                self.data.append(f"for _ in range(50): next({it}, None)")
            self.watch.append(it)
            return Chain(it, src.elem, src.finite, iterator=True)
        if roll < 36:
            src.text = f"reversed({src.text})"
            src.sequence, src.iterator = False, True
            self.steps += 1
        elif roll < 40:
            src.text = f"iter({src.text})"
            src.sequence, src.iterator = False, True
        return src

    # ---- rows in scope

    def target(self, elem) -> tuple[str, Env]:
        """A loop target for rows of type `elem`, and the names and accesses it brings into scope."""
        rnd = self.rnd
        name = rnd.choice("xyzvn") + (str(rnd.randint(0, 1)) if self.chance(20) else "")
        if isinstance(elem, str):
            return name, [(name, elem)]
        if elem[0] == "t":
            if self.chance(60) and elem[1]:
                names = [f"{name}{chr(97 + i)}" for i in range(len(elem[1]))]
                env = [(n, t) for n, t in zip(names, elem[1])]
                if self.chance(4):
                    names.append("extra")
                return ("(" if False else "") + ", ".join(names) + ("," if len(names) == 1 else ""), env
            return name, self.accesses(name, elem)
        return name, self.accesses(name, elem)

    def accesses(self, name: str, elem) -> Env:
        env: Env = [(name, elem)]
        if elem[0] == "t":
            env += [(f"{name}[{i - len(elem[1]) if self.chance(10) else i}]", t) for i, t in enumerate(elem[1])]
            if self.chance(2):
                env.append((f"{name}[9]", "i"))
        elif elem[0] == "r":
            form = {"dict": "{}['{}']", "namedtuple": "{}.{}", "typed": "{}.{}"}.get(elem[1], "{}.{}")
            for i, (n, t) in enumerate(elem[2].items()):
                text = form.format(name, n) if elem[1] == "dict" or self.chance(80) or elem[1] in ("slots", "attrs") else f"{name}[{i}]"
                env.append((text, t))
            if self.chance(2):
                env.append((form.format(name, "zz"), "i"))
        else:
            env.append((f"len({name})", "i"))
        return env

    def scope(self, env: Env) -> Env:
        return env + self.cells

    # ---- functions

    def function_of(self, args: list, result) -> str:
        """Text of a callable over rows of these types: lambda, def, closure, partial, operator, getter."""
        rnd = self.rnd
        self.used_functions += 1
        roll = rnd.randint(0, 99)
        simple = all(isinstance(a, str) for a in args)
        if simple and roll < 12:
            text = self.library_function(args, result)
            if text:
                return text
        if len(args) == 1 and not simple and roll < 12:
            text = self.getter(args[0])
            if text:
                return text
        if simple and roll < 40:
            return self.named_function(args, result)
        names, env = [], []
        for i, a in enumerate(args):
            n = "abcde"[i]
            names.append(n)
            env += [(n, a)] if isinstance(a, str) else self.accesses(n, a)
        return f"lambda {', '.join(names)}: {self.make(result, self.scope(env), 2)}"

    def library_function(self, args: list, result) -> str | None:
        rnd = self.rnd
        if len(args) == 2:
            return "operator." + rnd.choice(OPERATOR_B if result == "b" else OPERATOR_2)
        if len(args) == 1:
            if result == "b":
                return rnd.choice(("bool", "operator.truth", "operator.not_", "math.isfinite", "partial(operator.lt, 3)", "partial(operator.ne, 0)"))
            if result == "f":
                return rnd.choice(("float", "math.sqrt", "abs", "math.fabs", "partial(operator.mul, 0.5)", "math.exp"))
            return rnd.choice(("abs", "int", "operator.neg", "operator.invert", "partial(operator.add, 3)", "partial(operator.floordiv, 100)", "partial(max, 3)", "round", "operator.index" if self.chance(30) else "math.floor", "str" if self.chance(30) else "math.trunc"))
        return None

    def getter(self, elem) -> str | None:
        if elem[0] == "t" and elem[1]:
            n = len(elem[1])
            if self.turning and self.chance(40):
                return f"operator.itemgetter(IX % {n})"
            picks = [str(self.rnd.randint(0, n - 1)) for _ in range(self.rnd.choice((1, 1, 2)))]
            return f"operator.itemgetter({', '.join(picks)})"
        if elem[0] == "r":
            name = self.rnd.choice(list(elem[2]))
            return f"operator.itemgetter('{name}')" if elem[1] == "dict" else f"operator.attrgetter('{name}')"
        return None

    def named_function(self, args: list, result) -> str:
        rnd = self.rnd
        name = f"f{len(self.functions)}"
        if self.chance(25) and not self.cells:
            outer, cell = f"make_{name}", "k"
            inner = self.function("inner", args, result, [(cell, "i")])
            body = "\n".join("    " + line for line in inner.split("\n"))
            self.head.append(f"def {outer}({cell}):\n{body}\n    return inner\n{name} = {outer}({rnd.randint(-3, 9)})")
            self.features.add("closure")
        else:
            self.head.append(self.function(name, args, result, list(self.globals)))
        if isinstance(result, str):
            self.functions.append((name, args, result))
        if self.chance(12) and len(args) == 1:
            self.head.append(self.function(name + "b", ["i", args[0]], result, []))
            return f"partial({name}b, {self.literal('i')})"
        return name

    # ---- steps

    def result_type(self) -> object:
        roll = self.rnd.randint(0, 99)
        if roll < 45:
            return "i"
        if roll < 70:
            return "f"
        if roll < 80:
            return "n"
        if roll < 86:
            return "b"
        if roll < 90:
            return "s"
        return ("t", [self.rnd.choice("iifnb") for _ in range(self.rnd.choice((2, 2, 3)))])

    def step(self, ch: Chain) -> Chain:
        rnd = self.rnd
        self.steps += 1
        roll = rnd.randint(0, 99)
        if not ch.finite:
            return self.bound(ch)
        flat = self.flattened(ch) if not isinstance(ch.elem, str) or self.chance(4) else None
        if flat is not None:
            self.drops = True
            return flat
        if self.drops and 62 <= roll < 70 and self.chance(88):  # a zip mostly comes before what drops rows
            roll -= 62
        if roll < 38:
            return self.genexpr(ch)
        if roll < 52:
            out = self.result_type()
            if self.chance(18):
                other = self.source()
                return Chain(f"map({self.function_of([ch.elem, other.elem], out)}, {ch.text}, {other.text})", out, ch.finite or other.finite, iterator=True)
            return Chain(f"map({self.function_of([ch.elem], out)}, {ch.text})", out, ch.finite, iterator=True)
        if roll < 62:
            self.drops = True
            if self.chance(20):
                return Chain(f"filter(None, {ch.text})", ch.elem[0] if isinstance(ch.elem, str) else ch.elem, ch.finite, iterator=True)
            return Chain(f"filter({self.function_of([ch.elem], 'b')}, {ch.text})", ch.elem, ch.finite, iterator=True)
        if roll < 70:
            other = self.source() if self.chance(93) else Chain(ch.text, ch.elem, ch.finite)
            if other.sequence and other.finite and self.chance(15):
                other = Chain(f"islice({other.text}, {rnd.choice(('1, None', '2, None', '0, None, 2', '1, None, 2', '3, 40, 4'))})", other.elem, True, iterator=True)
            strict = rnd.choice(("", "", "", ", strict=True", ", strict=False"))
            pair = [ch, other] if self.chance(70) else [other, ch]
            return Chain(f"zip({pair[0].text}, {pair[1].text}{strict})", ("t", [pair[0].elem, pair[1].elem]), ch.finite or other.finite, iterator=True)
        if roll < 77:
            start = rnd.choice(("", "", "", "", ", 1", ", 1", ", -5", f", start={rnd.randint(0, 9)}"))
            if self.rarely(20):
                start = rnd.choice((f", {2**63 - 3}", f", {2**70}", f", {2**62}"))
            return Chain(f"enumerate({ch.text}{start})", ("t", ["i", ch.elem]), ch.finite, iterator=True)
        if roll < 83:
            return self.bound(ch)
        if roll < 88:
            return Chain(f"takewhile({self.function_of([ch.elem], 'b')}, {ch.text})", ch.elem, ch.finite, iterator=True)
        if roll < 93 and (not ch.iterator or self.chance(15)):
            if self.chance(20):  # segments of several kinds of memory: bools take a byte only where they are alone
                text, typ = self.bools() if self.chance(40) else self.buffer()
                other = self.place(Chain(text, typ, sequence=True))
            else:
                other = self.place(self.list_source(ch.elem)) if isinstance(ch.elem, str) and self.chance(75) else self.source()
            return self.strung(ch, other)
        if 88 <= roll < 97 and not isinstance(ch.elem, str) and ch.elem[0] == "t":
            out = self.result_type()
            return Chain(f"starmap({self.function_of(list(ch.elem[1]), out)}, {ch.text})", out, ch.finite, iterator=True)
        return self.genexpr(ch)

    def flattened(self, ch: Chain) -> Chain | None:
        """itertools.chain over more iterables than anybody counts."""
        if isinstance(ch.elem, str):
            return Chain(f"chain.from_iterable(range(x & 3) for x in {ch.text})", "i", True, iterator=True) if ch.elem == "i" else None
        if ch.elem[0] == "l" and self.chance(60):
            return Chain(f"chain.from_iterable({ch.text})" if self.chance(60) else f"chain(*{ch.text})", ch.elem[1], True, iterator=True)
        if ch.elem[0] == "t" and self.chance(6):
            return Chain(f"chain.from_iterable({ch.text})", "n", True, iterator=True)
        return None

    def strung(self, ch: Chain, other: Chain) -> Chain:
        """itertools.chain over two sources, or over chains of such, which may have been begun."""
        rnd = self.rnd
        parts = [ch.text, other.text]
        finite = ch.finite and other.finite
        elem = ch.elem if ch.elem == other.elem else "n"
        if finite and self.chance(40):
            third = self.place(self.list_source(ch.elem if isinstance(ch.elem, str) else "i"))
            elem = elem if third.elem == elem else "n"
            inner = self.made_chain([other.text, third.text] if self.chance(70) else [third.text])
            if self.chance(40):
                name = self.fresh("c")
                self.body += [f"{name} = {inner}", f"WATCH({name})", *[f"next({name}, None)"] * rnd.choice((0, 0, 1, 2, 4))]
                inner = name
            if not (ch.iterator or other.iterator or third.iterator) and self.chance(20):
                return Chain(f"chain(*[{ch.text}, {other.text}, {third.text}] * {rnd.choice((3, 5, 20))})", elem, True, iterator=True)
            parts = rnd.choice(([ch.text, inner], [inner, ch.text], [inner, "chain()", ch.text], [self.made_chain([inner]), ch.text, "[]"]))
        return Chain(self.made_chain(parts), elem, finite, iterator=True)

    def made_chain(self, parts: list) -> str:
        roll = self.rnd.randint(0, 9)
        if roll < 7:
            return f"chain({', '.join(parts)})"
        source = f"[{', '.join(parts)}]"
        return f"chain.from_iterable({source if roll < 9 else f'iter({source})'})"

    def bound(self, ch: Chain) -> Chain:
        rnd = self.rnd
        if not ch.finite and ch.text.startswith("range") and self.chance(60):
            return self.sure_stop(ch)
        if ch.finite or self.chance(80):
            stop = rnd.choice((0, 1, 3, 10, 10, 20, 30, 30, 50, 100, 100, 100, 1030))
            args = rnd.choice((str(stop), f"{rnd.randint(0, 5)}, {stop}", f"{rnd.randint(0, 5)}, {stop}, {rnd.randint(1, 4)}", f"{rnd.randint(0, 3)}, None" if ch.finite else str(stop), f"{rnd.randint(0, 20)}, None, {rnd.randint(1, 5)}" if ch.finite else str(stop)))
            return Chain(f"islice({ch.text}, {args})", ch.elem, True, iterator=True)
        return Chain(f"zip({ch.text}, range({rnd.randint(0, 30)}))", ("t", [ch.elem, "i"]), True, iterator=True)

    def sure_stop(self, ch: Chain) -> Chain:
        """Over a source too long to be run through: something that is sure to end it early."""
        bound = self.rnd.choice((3, 40, 1500, 20000))
        self.long = self.long or bound > 4096
        text = self.rnd.choice((
            "takewhile(lambda a: a < {1}, enumerate({0}))", "zip({0}, range({1}))", "(x for x in islice({0}, {1}) if x % 3)",
            "islice((x for x in {0} if x % 7 != 2), {1})", "takewhile(lambda p: p[1] < {1}, zip({0}, range({1} + 5)))",
        )).replace("a < {1}", "a[0] < {1}").format(ch.text, bound)
        pair = "enumerate" in text or text.startswith("zip") or "zip(" in text
        return Chain(text, ("t", ["i", "i"]) if pair else "i", True, iterator=True)

    def objects_told_from_none(self, ch: Chain) -> Chain:
        """What can be done with objects of any kind: to see which are None, and to hand them on."""
        text = self.rnd.choice((
            "(x for x in {} if x is not None)", "(x for x in {} for k in (1, 2) if x is not None)", "filter(lambda a: a is not None, {})", "(4 if x is None else x for x in {})",
            "((x, x is None) for x in {})", "(i for i, x in enumerate({}) if x is None)",
        ))
        self.drops = True
        return Chain(text.format(ch.text), "o", ch.finite, iterator=True)

    def genexpr(self, ch: Chain) -> Chain:
        rnd = self.rnd
        if ch.elem == "o?" and self.chance(60):
            return self.objects_told_from_none(ch)
        target, env = self.target(ch.elem)
        scope = self.scope(env)
        clauses = [f"for {target} in {ch.text}"]
        self.walrus += 1 if self.chance(12) and not self.cells else 0  # it binds a name outside, so it is a side effect
        for _ in range(rnd.choice((0, 0, 1, 1, 1, 2))):
            clauses.append(f"if {self.make('b', scope, 2)}")
            self.drops = True
        finite = ch.finite
        if self.chance(14):
            walrus, self.walrus = self.walrus, 0  # no assignment expression in an iterable
            inner, elem = self.inner_iterable(env)
            self.walrus = walrus
            target2, env2 = self.target(elem)
            target2 = "k" if isinstance(elem, str) else target2
            env2 = [("k", elem)] if isinstance(elem, str) else env2
            clauses.append(f"for {target2} in {inner}")
            scope = scope + env2 * 2
            if self.chance(40):
                clauses.append(f"if {self.make('b', scope, 1)}")
            self.features.add("nested")
            self.drops = True
        passes = [(t, ty) for t, ty in env]
        if self.chance(22) and passes:
            out_text, out = rnd.choice(passes)
        else:
            out = self.result_type()
            out_text = self.make(out, scope, 3)
        if self.chance(25) and not isinstance(ch.elem, str):
            out_text, out = env[0]
        self.walrus = 0
        text = f"({out_text} {' '.join(clauses)})"
        if ":=" in text:  # may not stand inside another comprehension's iterable
            name = self.fresh("c")
            self.body.append(f"{name} = {text}")
            text = name
        return Chain(text, out, finite, iterator=True)

    def inner_iterable(self, env: Env) -> tuple[str, object]:
        rnd = self.rnd
        lists = [(t, ty[1]) for t, ty in env if not isinstance(ty, str) and ty[0] == "l"]
        if lists:
            return rnd.choice(lists)
        tuples = [(t, "n") for t, ty in env if not isinstance(ty, str) and ty[0] == "t" and all(isinstance(x, str) for x in ty[1])]
        if tuples and self.chance(50):
            return rnd.choice(tuples)
        roll = rnd.randint(0, 9)
        if roll < 5:
            return f"range({self.make('i', env, 1)} & 3)", "i"
        if roll < 9:
            if self.chance(10):
                return f"({self.make('i', env, 1)}, {self.make('i', env, 0)})", "i"
            return rnd.choice(("range(3)", "(1, 2)", "[0, 1, 5]", "range(2, 7, 2)", "'ab'[:0]" if self.chance(10) else "(4,)")), "i"
        return "xs0", "n"

    # ---- the program

    def chain(self) -> Chain:
        rnd = self.rnd
        ch = self.source()
        steps = rnd.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 5))
        for _ in range(steps):
            ch = self.step(ch)
            if len(ch.text) > 900:
                break
            if self.chance(12) and ch.iterator:
                name = self.fresh("c")
                self.body.append(f"{name} = {ch.text}")
                if self.chance(60):
                    self.body.append(f"WATCH({name})")
                if self.chance(10):
                    self.body.append(f"next({name}, None)")
                ch.text = name
        if not ch.finite:
            ch = self.bound(ch)
        return ch

    def consumer(self, ch: Chain) -> tuple[str, str]:
        """The consuming expression, and the drop-in it uses."""
        rnd = self.rnd
        if self.chance(22) and ch.iterator:
            name = self.fresh("c")
            self.body += [f"{name} = {ch.text}", f"WATCH({name})"]
            ch.text = name
        number = isinstance(ch.elem, str) and ch.elem[0] in "ifnb"
        choices = ["list"] * 5 + ["tuple", "any", "any", "all", "all", "next"]
        if not number and self.chance(70):  # the truth of a row that is an object is no question anybody asks
            choices = ["list"] * 4 + ["tuple", "next"]
        choices += ["sum"] * 5 + ["min", "max"] * 2 + ["reduce"] * 2 if number else ["max", "min"]
        if number and not self.long and "foreign:Editor" not in self.features and not any(word in text for word in BEYOND_FOLD for text in (ch.text, *self.body)):
            choices.append("fold")
        name = rnd.choice(choices)
        if name == "next" and not self.drops and self.chance(70):  # the first row of all is seldom what is looked for
            name = "list"
        text = ch.text
        if name in ("list", "tuple", "any", "all"):
            return f"{name}({text})", name
        if name == "sum":
            start = rnd.choice(("", "", "", "", ", 0.0", ", 5", ", 0.5", ", 1e16", f", {2**63}", f", start={-7}", ", -0.0", ", True", ", nan"))
            if self.chance(4):
                start = rnd.choice((f", {10**400}", ", (1,)", ", 3j"))
            return f"sum({text}{start})", name
        if name in ("min", "max"):
            args = ""
            if self.chance(45):
                args += f", default={rnd.choice(('None', '0', '-1.5', 'OBJ0'))}"
            if (not number and self.chance(65)) or self.chance(35):
                kind = ("t", [rnd.choice("iifnsb") for _ in range(rnd.randint(1, 3))]) if self.chance(30) else rnd.choice("iiffnsb")
                args += f", key={self.function_of([ch.elem], kind)}" if not self.chance(5) else ", key=None"
            return f"{name}({text}{args})", name
        if name == "next":
            default = rnd.choice(("", ", None", ", -1"))
            return (f"next({text}{default})" if ch.iterator else f"next(iter({text}){default})"), name
        if name == "fold":
            op, identity = self.fold_operation()
            return f"fold({op}, {text}{identity if identity.startswith(', (') else rnd.choice(('', identity))})", name
        if self.chance(25):
            op, initial = self.tuple_operation()
            return f"reduce({op}, {text}{initial})", name
        op = self.reduce_operation()
        initial = rnd.choice(("", "", f", {self.literal('n')}"))
        return f"reduce({op}, {text}{initial})", name

    def containers(self) -> list[str]:
        """What rows are looked up in: S0 of any type, S1 a list."""
        rnd = self.rnd
        items = [self.value(rnd.choice("iiifnsb"), self.int_profile(), self.chance(70)) for _ in range(rnd.choice((1, 3, 5, 20, 40)))]
        if self.chance(10):
            items.append(rnd.choice(("None", "nan", "2**70", "(1, 2)", "OBJ0")))
        make = rnd.choice(("[{}]", "({},)", "{{{}}}", "frozenset(({},))", "dict.fromkeys(({},))", "{{{}}} | set(range(90))"))
        self.boxes = ["S0", "S0", "S1"]
        return [f"S0 = {make.format(', '.join(items))}", f"S1 = [{', '.join(items[:3])}]"]

    def reduce_operation(self) -> str:
        self.used_functions += 1
        if self.chance(55):
            return self.rnd.choice((
                "operator.add", "operator.mul", "lambda a, b: a + b", "lambda a, b: a * b % 1000003", "lambda a, b: a if a > b else b", "max", "min",
                "lambda a, b: a - b", "operator.xor", "operator.or_", "operator.and_", "lambda a, b: a + 2 * b", "lambda a, b: b", "lambda a, b: a",
                "lambda a, b: (a * 31 + b) & 0xffffffff", "lambda a, b: a + b if b else a", "lambda a, b: a * 0.5 + b",
                "lambda a, b: b + a", "lambda a, b: a & b", "lambda a, b: b | a", "lambda a, b: a ^ b if b > 0 else a", "lambda a, b: a + 1", "lambda a, b: a + (b > 2)",
                "lambda a, b: min(b, a)", "lambda a, b: max(a, b * b)", "lambda a, b: a if a <= b else b", "lambda a, b: b if a <= b else a", "lambda a, b: b if b > a else a", "lambda a, b: a + 100 // b",
            ))
        if self.chance(40):
            return f"lambda a, b: a {self.rnd.choice('+++&|^')} {self.make('n', [('b', 'n')] + self.cells, 2)}"
        return f"lambda a, b: {self.make('n', [('a', 'n'), ('b', 'n')] + self.cells, 2)}"

    def tuple_operation(self) -> tuple[str, str]:
        """A function of an accumulator of two parts, and what it starts from."""
        rnd = self.rnd
        self.used_functions += 1

        def part(i: int) -> str:
            e = rnd.choice(("b", "b", "1", "b * b", "(b > 2)", self.make("n", [("b", "n")] + self.cells, 1)))
            acc = f"a[{i}]"
            return rnd.choice((f"{acc} + {e}", f"{acc} + {e}", f"{e} + {acc}", f"{acc} * (b % 5)", f"{acc} ^ {e}", f"min({acc}, {e})", f"max({e}, {acc})", acc, f"{acc} if {acc} < b else b", f"{acc} + {e} if b > 1 else {acc}", f"{acc} - {e}"))

        swapped = self.chance(8)
        op = f"lambda a, b: ({part(1 if swapped else 0)}, {part(0 if swapped else 1)})"
        return op, f", ({self.literal(rnd.choice('iin'))}, {self.literal(rnd.choice('iin'))})"

    def fold_operation(self) -> tuple[str, str]:
        self.used_functions += 1
        return self.rnd.choice((
            ("lambda a, b: (a[0] + 1, a[1] + b)", ", (0, 0)"), ("lambda a, b: (min(a[0], b), a[1] + b * b)", ", (10**9, 0)"), ("lambda a, b: a | b", ", 0"), ("min", ""),
            ("operator.add", ", 0"), ("lambda a, b: a + b", ""), ("lambda a, b: a if a > b else b", ""), ("max", ""), ("operator.xor", ", 0"), ("lambda a, b: b", ""), ("lambda a, b: a * b % 1000003", ", 1"),
            ("lambda a, b: a + 100 // b", ", 0"), ("lambda a, b: a * 31 + 100 // (b - 2) & 0xffff", ", 0"),
        ))

    def program(self, seed) -> Program:
        rnd = self.rnd
        mode = rnd.choice(("plain", "plain", "plain", "rounds", "closure", "inline"))
        if self.chance(70):
            self.globals = [("G0", "i"), ("G1", "f")]
        boxes = self.containers() if self.chance(40) else []
        if mode == "closure":
            self.cells = [("K", "n")]
        elif mode == "rounds":
            self.cells = [("K", "n")]
            self.turning = True
        ch = self.chain()
        expr, name = self.consumer(ch)
        lines = [f"G0 = {self.literal('i')}", f"G1 = {self.literal('f')}", *boxes, *self.head, *self.data, "MARK()"]
        lines += [f"WATCH({w})" for w in self.watch]
        call = "\n".join([*self.body, f"OUT({expr})"])
        if mode == "rounds":
            turns = ", ".join(self.literal(kind) for kind in rnd.choice(("inf", "inf", "iin", "iiff", "nnnnn")))
            lines += ["IX = 0", f"for K in ({turns}):", "    try:", indent(call, 8), "    except Exception as error:", "        FAIL(error)", f"    G0 = {self.literal('n')}", "    IX += 1"]
            if self.chance(40):
                lines += ["    try:", "        " + rnd.choice(TURNS), "    except Exception:", "        pass"]
            if boxes:
                lines.append("    " + rnd.choice(("S0 = {*S0, K}", "S1 = [*S1, G0]", "S1.append(K)", "S1[:0] = [G0, G1]", "S1.pop()", "S0 = S1")))
            self.features.add("rounds")
        elif mode == "closure":
            lines += ["def main(K):", "    try:", indent(call, 8), "    except Exception as error:", "        FAIL(error)", f"main({self.literal('i')})"]
            if self.chance(50):
                lines += [f"G0 = {self.literal('i')}", f"main({self.literal('n')})"]
            self.features.add("cell")
        else:
            lines += ["try:", indent(call, 4), "except Exception as error:", "    FAIL(error)"]
        self.features.add(name)
        config = settings(rnd)
        if self.chance(50 if self.long else 2):  # as it comes: few rows are then no business of the engine's
            config = ()
        return Program(
            seed, (HEADER + "\n".join(lines) + "\n",), self.steps, self.used_functions, "all" if self.chance(25) else "consumer", config, self.chance(12),
        )


def indent(text: str, by: int) -> str:
    return "\n".join(" " * by + line for line in text.split("\n"))


def generate(seed, rnd=None) -> Program:
    """The program of this seed; `rnd` may be any Random-like (Hypothesis hands in its own, to shrink it)."""
    return Generator(rnd or random.Random(str(seed))).program(seed)

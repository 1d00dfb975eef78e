"""Expressions and functions over a row, as source text.

`Expressions.make(type, env, depth)` writes an expression of about the wanted type over the names in scope.
About: a few in a hundred are of a wrong type on purpose, and columns with None are guarded only most of the
time, so that TypeErrors, ZeroDivisionErrors and domain errors come up in the middle of the data. Exponents and shift
counts are kept small, since a differential fuzzer that computes 2**(2**63) is waiting, not testing.
"""

from __future__ import annotations

from .values import Values

Env = list  # of (text, type) pairs

INT_OPS = ("+", "+", "-", "-", "*", "*", "//", "%", "&", "|", "^")
COMPARE = ("<", "<=", ">", ">=", "==", "!=")
MATH_1 = ("sqrt", "exp", "log", "sin", "cos", "tan", "fabs", "log2", "log10", "atan", "exp2", "degrees", "radians", "log1p", "expm1", "tanh", "asin")
MATH_1_COMMON = ("sqrt", "fabs", "exp", "log", "sin", "cos", "tan")
ISINSTANCE = ("int", "int", "int", "float", "float", "float", "bool", "bool", "str", "str", "(int, float)", "(int, float)", "(int, float)", "type(None)", "(float, bool)", "(int, str)", "object")


def compatible(have, want: str) -> bool:
    if not isinstance(have, str):
        return False
    base = have[0]
    if want == "i":
        return base in "ib"
    if want == "n":
        return base in "ifnb"
    return base == want


class Expressions(Values):
    """Writes expressions; `self.functions` are the program's helper functions as (name, arg types, result type)."""

    def __init__(self, rnd) -> None:
        super().__init__(rnd)
        self.functions: list[tuple[str, list, str]] = []
        self.walrus = 0
        self.globals: Env = []
        self.boxes: list[str] = []  # names of captured containers

    # ---- leaves

    def leaf(self, want: str, env: Env) -> str:
        rnd = self.rnd
        fits = [(t, ty) for t, ty in env if compatible(ty, want)]
        if fits and self.chance(82):
            text, typ = rnd.choice(fits)
            if typ.endswith("?"):
                return self.guard_none(text, want)
            return text
        if self.globals and self.chance(25):
            fits = [(t, ty) for t, ty in self.globals if compatible(ty, want)]
            if fits:
                return rnd.choice(fits)[0]
        return self.literal(want, env)

    def guard_none(self, text: str, want: str) -> str:
        roll = self.rnd.randint(0, 9)
        if roll < 5:
            return f"({text} if {text} is not None else {self.literal(want)})"
        if roll < 7:
            return f"({text} or {self.literal(want)})"
        if roll < 8 or self.chance(60):
            return f"(0 if {text} is None else {text})"
        return text

    def literal(self, want: str, env: Env = ()) -> str:
        rnd = self.rnd
        if want == "i":
            roll = rnd.randint(0, 19)
            if roll < 17:
                return str(rnd.randint(-9, 20))
            return f"({self.int_text(rnd.choice(('small', 'mid', 'mid', 'e31', 'e31', 'e53', 'e53', 'e62', 'e63', 'e64') if self.chance(25) else ('small', 'mid', 'e31')))})" if roll < 19 else "True"
        if want == "f":
            return f"({self.float_text(self.chance(70))})"
        if want == "n":
            return self.literal(rnd.choice("if"))
        if want == "b":
            names = [(t, ty) for t, ty in env if compatible(ty, "n")]  # a condition is about the row, where it can be
            if names and self.chance(85):
                text, typ = rnd.choice(names)
                return f"({self.guard_none(text, 'n') if typ.endswith('?') else text} {rnd.choice(COMPARE)} {rnd.randint(-3, 9)})"
            return rnd.choice(("True", "False"))
        if want == "s":
            return rnd.choice(("'a'", "'UA'", "'b'", "''"))
        return rnd.choice(("None", "OBJ0" if self.chance(20) else "1", "'x'", "7", "0.5"))

    # ---- the grammar

    def make(self, want, env: Env, depth: int) -> str:
        if not isinstance(want, str):
            if want[0] == "t":
                return "(" + "".join(self.make(t, env, depth - 1) + ", " for t in want[1]) + ")"
            fits = [t for t, ty in env if ty == want]
            return self.rnd.choice(fits) if fits else "None"
        want = want[0]
        if self.rarely(5):
            want = self.rnd.choice("ifnbso")
        if depth <= 0:
            return self.leaf(want, env)
        if self.chance(6):
            return self.ternary(want, env, depth)
        if self.chance(4) and self.functions:
            call = self.call(want, env, depth)
            if call:
                return call
        if self.chance(3):
            return self.use_walrus(want, env, depth)
        return getattr(self, "expr_" + want)(env, depth)

    def ternary(self, want: str, env: Env, depth: int) -> str:
        cond = self.make("b", env, depth - 1)
        return f"({self.make(want, env, depth - 1)} if {cond} else {self.make(want, env, depth - 1)})"

    def call(self, want: str, env: Env, depth: int) -> str | None:
        fits = [f for f in self.functions if compatible(f[2], want) or f[2] == want]
        if not fits:
            return None
        name, args, _ = self.rnd.choice(fits)
        texts = [self.make(a, env, depth - 2) for a in args]
        if self.chance(15) and name.startswith("f") and texts:
            texts[-1] = f"p{len(texts) - 1}={texts[-1]}"
        return f"{name}({', '.join(texts)})"

    def use_walrus(self, want: str, env: Env, depth: int) -> str:
        """`(w := a) op b` with the name used once more; only where a plain name may be bound."""
        if not self.walrus or want not in "ifn":
            return self.make(want, env, depth - 1)
        name = f"w{self.rnd.randint(0, 2)}"
        first = self.make(want, env, depth - 1)
        return f"(({name} := {first}) {self.rnd.choice('+-*')} {name})"

    def wide_int(self, env: Env, d: int) -> str:
        """Ints beyond 64 bits that come back: products under a modulus, hashes under a mask."""
        rnd = self.rnd
        a, b = self.make("i", env, d - 1), self.make("i", env, 0)
        modulus = rnd.choice((7, 97, -97, 1000, 2**31, 10**9 + 7, 2**61 - 1, -(2**40), 2**63 - 1, 2**64, 2**64 - 59, b))
        mask = rnd.choice((255, 2**31 - 1, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 1, 2**64 - 1, b))
        factor = rnd.choice((31, 1103515245, 6364136223846793005, 0x100000001B3, 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 2**62, -(2**63)))
        hashed = f"(({a} * {factor} {rnd.choice('+-^|')} {b}) & {mask})"
        if self.chance(40):
            hashed = f"((({hashed} {rnd.choice('^^+')} ({hashed} >> {rnd.choice((7, 30, 33))})) * {factor}) & {mask})"
        return rnd.choice(
            (
                f"({a} * {factor} % {modulus})",
                f"(({a} * {factor} {rnd.choice('+-')} {b}) % {modulus})",
                f"({a} * {factor} * {b} // {modulus})",
                f"({a} * {factor} >> {rnd.choice((1, 31, 60, 63, 64, 100))})",
                hashed,
                f"({hashed} >> {rnd.choice((1, 11, 32, 33, 60))})",
                f"({hashed} % {modulus})",
                f"({hashed} // {modulus})",
                f"({hashed} & {rnd.choice((1, 15, 1023))})",
                f"(({a} << {rnd.choice((1, 13, 40, 63, 64))}) & {mask})",
                f"int({a} * {factor} {rnd.choice(COMPARE)} {b} * {factor})",
            )
        )

    def expr_i(self, env: Env, d: int) -> str:
        rnd = self.rnd
        if self.rarely(60):
            return self.wide_int(env, d)
        roll = rnd.randint(0, 99)
        if roll < 50:
            return f"({self.make('i', env, d - 1)} {rnd.choice(INT_OPS)} {self.make('i', env, d - 1)})"
        if roll < 55:
            return f"({self.make('i', env, d - 1)} {rnd.choice(('//', '%'))} {rnd.choice((2, 3, -3, 7, 10, -10, 64, 1000))})"
        if roll < 58:
            return f"({self.make('i', env, 0)} ** {rnd.choice((0, 1, 2, 2, 3, 5))})"
        if roll < 59:
            return f"({self.make('i', env, 0)} ** ({self.make('i', env, 0)} % 4))"
        if roll < 62:
            count = rnd.choice((str(rnd.choice((0, 1, 3, 31, 33, 62, 63, 64, 70))), f"({self.make('i', env, 0)} & {rnd.choice((7, 63, 127))})"))
            return f"({self.make('i', env, d - 1)} {rnd.choice(('<<', '>>'))} {count})"
        if roll < 63:
            return f"({self.make('i', env, d - 1)} >> {self.make('i', env, 0)})"
        if roll < 67:
            return f"({rnd.choice(('-', '-', '+', '~'))}{self.make('i', env, d - 1)})"
        if roll < 71:
            return f"abs({self.make('i', env, d - 1)})"
        if roll < 74:
            return f"{rnd.choice(('min', 'max'))}({self.make('i', env, d - 1)}, {self.make('i', env, d - 1)})"
        if roll < 75:
            return f"divmod({self.make('i', env, d - 1)}, {self.make('i', env, 0)})[{rnd.randint(0, 1)}]"
        if roll < 78:
            return f"int({self.make('n', env, d - 1)})"
        if roll < 80:
            return f"round({self.make('n', env, d - 1)})"
        if roll < 82:
            return f"math.{rnd.choice(('floor', 'ceil', 'trunc'))}({self.make('n', env, d - 1)})"
        if roll < 83:
            return f"math.gcd({self.make('i', env, d - 1)}, {self.make('i', env, 0)})"
        if roll < 84:
            return f"math.isqrt({rnd.choice(('abs', ''))}({self.make('i', env, d - 1)}))"
        if roll < 85:
            return f"len({self.make('s', env, 0)})"
        if roll < 87:
            return f"({self.make('i', env, d - 1)} {rnd.choice(('and', 'or'))} {self.make('i', env, d - 1)})"
        if roll < 89:
            return f"({self.make('b', env, d - 1)} {rnd.choice(('+', '*', '-', '&'))} {self.make('i', env, d - 1)})"
        return self.leaf("i", env)

    def expr_f(self, env: Env, d: int) -> str:
        rnd = self.rnd
        roll = rnd.randint(0, 99)
        if roll < 45:
            return f"({self.make('n', env, d - 1)} {rnd.choice('+-*/')} {self.make('f', env, d - 1)})"
        if roll < 55:
            return f"({self.make('i', env, d - 1)} / {self.make('i', env, d - 1)})"
        if roll < 59:
            return f"({self.make('n', env, d - 1)} {rnd.choice(('//', '%'))} {self.make('f', env, 0)})"
        if roll < 63:
            return f"({self.make('f', env, 0)} ** {rnd.choice(('2', '0.5', '-1', '3', '2.0', '0', '1.5', '-0.5'))})"
        if roll < 65:
            return f"({self.make('i', env, 0)} ** {rnd.choice(('-1', '-2', '0.5', '1.5'))})"
        if roll < 75:
            return f"math.{rnd.choice(MATH_1_COMMON if self.chance(75) else MATH_1)}({self.make('n', env, d - 1)})"
        if roll < 78:
            return f"math.{rnd.choice(('hypot', 'atan2', 'pow', 'fmod', 'copysign', 'log'))}({self.make('n', env, d - 1)}, {self.make('n', env, 0)})"
        if roll < 81:
            return f"float({self.make('n', env, d - 1)})"
        if roll < 85:
            return f"(-{self.make('f', env, d - 1)})"
        if roll < 88:
            return f"abs({self.make('f', env, d - 1)})"
        if roll < 90:
            return f"{rnd.choice(('min', 'max'))}({self.make('f', env, d - 1)}, {self.make('n', env, d - 1)})"
        if roll < 91:
            return f"round({self.make('f', env, d - 1)}, {rnd.choice((0, 1, 2, -1))})" if self.chance(40) else self.leaf("f", env)
        if roll < 92:
            return rnd.choice(("math.pi", "math.e", "math.tau"))
        return self.leaf("f", env)

    def expr_n(self, env: Env, d: int) -> str:
        roll = self.rnd.randint(0, 9)
        if roll < 3:
            return f"({self.make('n', env, d - 1)} {self.rnd.choice('+-*')} {self.make('n', env, d - 1)})"
        return self.leaf("n", env) if roll < 5 else (self.expr_i(env, d) if roll < 8 else self.expr_f(env, d))

    def expr_b(self, env: Env, d: int) -> str:
        rnd = self.rnd
        roll = rnd.randint(0, 99)
        if self.chance(5):
            return self.tuples_compared(env, d)
        nullable = [t for t, ty in env if isinstance(ty, str) and ty.endswith("?")]
        if nullable and self.chance(35):
            return f"({rnd.choice(nullable)} {rnd.choice(('is not', 'is not', 'is'))} None)"
        if roll < 32:
            return f"({self.make('n', env, d - 1)} {rnd.choice(COMPARE)} {self.make('n', env, d - 1)})"
        if roll < 46:
            return f"({self.make('i', env, d - 1)} % {rnd.choice((2, 3, 5, 7))} {rnd.choice(('==', '!=', '<'))} {rnd.randint(0, 2)})"
        if roll < 54:
            return f"({self.make('n', env, 0)} {rnd.choice(COMPARE)} {self.make('n', env, d - 1)} {rnd.choice(COMPARE)} {self.make('n', env, 0)})"
        if roll < 60:
            return f"({self.make('b', env, d - 1)} {rnd.choice(('and', 'or'))} {self.make('b', env, d - 1)})"
        if roll < 65:
            return f"(not {self.make('b', env, d - 1)})"
        if roll < 70:
            box = rnd.choice(("(1, 2, 3)", "{0, 5, 7}", "range(3, 30, 4)", "(0, 1.5, None)", "(1,)", "range(10, -5, -3)", "{1.0, 2.5}"))
            if self.boxes and self.chance(60):
                return f"({self.any_leaf(env) if self.chance(40) else self.make('n', env, d - 1)} {rnd.choice(('in', 'not in'))} {rnd.choice(self.boxes)})"
            return f"({self.make('n', env, d - 1)} {rnd.choice(('in', 'in', 'not in'))} {box})"
        if roll < 76 and (self.chance(10) or any(ty == "s" for _, ty in env)):
            if self.chance(50):
                return f"({self.make('s', env, 0)} {rnd.choice(COMPARE)} {self.make('s', env, 0)})"
            words = rnd.choice(("('a', 'UA')", "{'a', 'b'}"))
            return f"({self.make('s', env, 0)} {rnd.choice(('in', 'not in'))} {words})"
        if roll < 80:
            return f"isinstance({self.any_leaf(env)}, {rnd.choice(ISINSTANCE)})"
        if roll < 83:
            return f"math.{rnd.choice(('isnan', 'isinf', 'isfinite'))}({self.make('n', env, d - 1)})"
        if roll < 86:
            return f"bool({self.make('n', env, d - 1)})"
        if roll < 89:
            return f"({self.make('b', env, d - 1)} {rnd.choice(('&', '|', '^', '==', '<'))} {self.make('b', env, d - 1)})"
        if roll < 92:
            return f"({self.any_leaf(env)} {rnd.choice(('==', '!=', 'is', 'is not'))} {rnd.choice(('None', '0', 'OBJ0' if self.chance(10) else '1') if self.chance(40) else ('None', 'None'))})".replace("is 0", "== 0").replace("is not 0", "!= 0").replace("is 1", "== 1").replace("is not 1", "!= 1")
        return self.leaf("b", env)

    def tuples_compared(self, env: Env, d: int) -> str:
        rnd = self.rnd
        rows = [t for t, ty in env if not isinstance(ty, str) and ty[0] in "tr"]
        sides = []
        for _ in range(2):
            items = [rnd.choice((self.any_leaf(env), self.make("n", env, d - 1))) for _ in range(rnd.choice((1, 2, 2, 2, 3)))]
            text = f"({', '.join(items)},)"
            sides.append(rnd.choice(rows) if rows and self.chance(30) else f"({text}, {self.any_leaf(env)})" if self.chance(10) else text)
        return f"({sides[0]} {rnd.choice(COMPARE)} {sides[1]})"

    def any_leaf(self, env: Env) -> str:
        names = [t for t, ty in env if isinstance(ty, str)]
        return self.rnd.choice(names) if names else self.literal("i")

    def expr_s(self, env: Env, d: int) -> str:
        if self.chance(10):
            return f"{self.rnd.choice(('min', 'max'))}({self.leaf('s', env)}, {self.leaf('s', env)})"
        return self.leaf("s", env) if self.chance(80) else self.ternary("s", env, d)

    def expr_o(self, env: Env, d: int) -> str:
        return self.leaf("o", env)

    # ---- functions

    def function(self, name: str, args: list, result, captures: Env) -> str:
        """A def with assignments, branches and several returns, over p0, p1... and what it captures."""
        rnd = self.rnd
        params = [(f"p{i}", t) for i, t in enumerate(args)]
        env = params + captures
        plist = [p for p, _ in params]
        lines: list[str] = []
        self.walrus += 1
        if self.chance(12) and isinstance(result, str):
            plist.append(f"q={self.literal('i')}")
            env = env + [("q", "i")]
        if self.chance(35):
            lines.append(f"    t = {self.make('n', env, 2)}")
            env = env + [("t", "n")]
            if self.chance(25):
                lines.append(f"    t {rnd.choice('+-*')}= {self.make('i', env, 1)}")
            if self.chance(15):
                lines.append(f"    u, t = t, {self.make('n', env, 1)}")
                env = env + [("u", "n")]
        if self.chance(5):
            lines.append(f"    if {self.make('b', env, 1)}: raise {rnd.choice(('ValueError', 'KeyError', 'StopIteration', 'OverflowError'))}({self.any_leaf(env)})")
        if self.chance(45):
            lines.append(f"    if {self.make('b', env, 2)}:")
            lines.append(f"        return {self.make(result, env, 2)}")
            if self.chance(40):
                lines.append(f"    elif {self.make('b', env, 2)}:")
                lines.append(f"        {rnd.choice(('return ' + self.make(result, env, 2), 'pass', 't = 5'))}")
                lines.append("    else:")
                lines.append(f"        return {self.make(result, env, 1)}")
        if not self.chance(3):
            lines.append(f"    return {self.make(result, env, 2)}")
        self.walrus -= 1
        return f"def {name}({', '.join(plist)}):\n" + "\n".join(lines or ["    return None"])

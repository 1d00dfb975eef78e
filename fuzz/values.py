"""Columns of data, as source text.

The fuzzer writes whole programs, so a column is the text of an expression that builds it anew at each
run. What goes in is chosen for where exact engines go wrong: the edges of 31, 53, 62, 63 and 64 bits, the
floats that are not ordinary (nan, inf, -0.0, denormals, huge), None and bools beside numbers, and lengths
around a vector (1,024 lanes) and a morsel.

Types are small strings: ``i`` int (bools may be among them), ``f`` float, ``n`` any number, ``b`` bool,
``s`` str, ``o`` an opaque object; a ``?`` behind them says that None may occur. ``("t", types)`` is a tuple,
``("r", kind, fields)`` a row object.
"""

from __future__ import annotations

EDGES = {
    "e31": 2**31, "e53": 2**53, "e62": 2**62, "e63": 2**63, "e64": 2**64, "e32": 2**32,
    "e128": 2**127,
}
FLOAT_POOL = (
    "0.0", "-0.0", "1.0", "-1.0", "0.5", "1.5", "2.5", "-2.5", "0.1", "0.2", "0.3", "3.75", "-7.25", "1e16", "-1e16",
    "9007199254740993.0", "9.223372036854775807e18", "-9.223372036854775808e18", "1.8446744073709552e19",
    "5e-324", "-5e-324", "2.2250738585072014e-308", "1e-310", "1.7976931348623157e308", "1e308", "-1e308",
    "nan", "inf", "-inf", "1e22", "123456.789", "4503599627370497.5", "1e-17",
)
PLAIN_FLOATS = ("0.0", "1.0", "0.5", "1.5", "2.25", "-3.5", "10.0", "0.1", "0.7", "-12.125", "100.0", "3.0")
WORDS = ("'a'", "'b'", "'UA'", "'SFO'", "''", "'é'", "'日本'", "'\U0001f600'", "'a'", "'ab'", "'\\ud800'", "'\\uffff'")
SMALL_SIZES = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 16, 17, 18, 20, 22, 25, 28, 30, 33, 36, 40)
EDGE_SIZES = (63, 64, 65, 255, 257, 1023, 1024, 1025, 2047, 2049, 5000)
ARRAY_CODES = "bBhHiIlLqQfd"


class Values:
    def __init__(self, rnd) -> None:
        self.rnd = rnd
        self.long = False  # does any column exceed a block of fold?

    def chance(self, percent: int) -> bool:
        return self.rnd.randint(0, 99) < percent

    def rarely(self, permille: int) -> bool:
        return self.rnd.randint(0, 999) < permille

    def size(self) -> int:
        roll = self.rnd.randint(0, 999)
        if roll < 45:
            size = 40000 if roll < 2 else self.rnd.choice(EDGE_SIZES)
            self.long = self.long or size > 4096
            return size
        if roll < 65:
            return self.rnd.choice((0, 1))
        return self.rnd.choice(SMALL_SIZES)

    # ---- single values

    def int_text(self, profile: str) -> str:
        rnd = self.rnd
        if profile == "tiny":
            return str(rnd.randint(-3, 3))
        if profile == "small":
            return str(rnd.randint(-30, 60))
        if profile == "positive":
            return str(rnd.randint(1, 90))
        if profile == "mid":
            return str(rnd.randint(-10**6, 10**6))
        if profile == "huge":
            return str(rnd.choice((10**30, -(10**25), 2**200 + 1, -(2**100))) + rnd.randint(0, 3))
        if profile == "wild":
            return self.int_text(rnd.choice(("tiny", "small", "mid", "e31", "e53", "e62", "e63", "e64", "huge")))
        base = EDGES[profile] * rnd.choice((1, 1, -1))
        return str(base + rnd.randint(-2, 2))

    def int_profile(self) -> str:
        return self.rnd.choice(
            ("tiny", "small", "small", "small", "small", "positive", "positive", "mid", "mid", "e31", "e32", "e53", "e62", "e63", "e64", "wild")
        )

    def float_text(self, plain: bool) -> str:
        rnd = self.rnd
        if plain or self.chance(45):
            return rnd.choice(PLAIN_FLOATS)
        return rnd.choice(FLOAT_POOL)

    def value(self, typ: str, profile: str, plain: bool) -> str:
        rnd = self.rnd
        if typ.endswith("?"):
            return "None" if self.chance(20) else self.value(typ[0], profile, plain)
        if typ == "i":
            return rnd.choice(("True", "False")) if not plain and self.chance(3) else self.int_text(profile)
        if typ == "f":
            return self.float_text(plain)
        if typ == "n":
            roll = rnd.randint(0, 9)
            if roll < 5:
                return self.int_text(profile)
            return self.float_text(plain) if roll < 9 else rnd.choice(("True", "False"))
        if typ == "b":
            return rnd.choice(("True", "False"))
        if typ == "s":
            return rnd.choice(WORDS)
        return rnd.choice(("OBJ0", "OBJ1", "OBJ2", "'text'", "()", "3 + 4j", "b'x'", "7"))

    def scalar_type(self) -> str:
        return self.rnd.choice(("i", "i", "i", "i", "f", "f", "f", "n", "i?", "f?", "n?", "b", "s"))

    # ---- columns

    def column(self, typ: str, size: int) -> str:
        """The text of a list display (or comprehension, when long) of `size` values of `typ`."""
        profile, plain = self.int_profile(), self.chance(55)
        if size <= 70:
            return "[" + ", ".join(self.value(typ, profile, plain) for _ in range(size)) + "]"
        return self.long_column(typ, size, profile, plain)

    def long_column(self, typ: str, size: int, profile: str, plain: bool) -> str:
        """A long column is a formula over its index; a few rows far inside are something else."""
        rnd = self.rnd
        step, mod = rnd.choice((7, 13, 7919, 104729)), rnd.choice((10, 97, 101, 1000, 65537))
        off = rnd.randint(0, 60)
        core = f"(j * {step} % {mod} - {off})"
        kind = typ[0]
        if kind == "f":
            core = rnd.choice((f"{core} * 0.37", f"{core} / 8.0", f"{core} * 1e15 + 0.1", f"1.0 / ({core} + 0.5)"))
        elif kind == "n":
            core = f"({core} if j % 3 else {core} * 0.5)"
        elif kind == "b":
            core = f"{core} > 3"
        elif kind == "s":
            core = "('a', 'b', 'UA')[j % 3]"
        elif kind == "o":
            core = rnd.choice(("(OBJ0, OBJ1)[j % 2]", "(OBJ0, j)[j % 2]", "(OBJ0, j)[j % 2]", "(OBJ0, 'a', 0.5)[j % 3]"))
        elif profile.startswith("e"):
            core = f"{core} * {EDGES[profile] // 64}"
        if typ.endswith("?"):
            every = rnd.choice((5, 17, 500) if kind != "o" else (5, 60, 150, 190))
            core = f"(None if j % {every} == {rnd.choice((3, every - 2))} else {core})"  # the first rows are always looked at
        if plain or self.chance(50):
            return f"[{core} for j in range({size})]"
        pokes = sorted({rnd.randint(0, size - 1) for _ in range(rnd.randint(1, 3))} | ({size - 1} if self.chance(30) else set()))
        table = ", ".join(f"{at}: {self.value(typ, 'wild', False)}" for at in pokes)
        return f"[{{{table}}}.get(j, {core}) for j in range({size})]"

    def range_text(self) -> tuple[str, bool]:
        """A range, and whether it is short enough to be run to its end."""
        rnd = self.rnd
        roll = rnd.randint(0, 19)
        n = self.size()
        if roll < 9:
            return f"range({n})", True
        if roll < 12:
            start = rnd.randint(-20, 20)
            return f"range({start}, {start + n})", True
        if roll < 17:
            step = rnd.choice((2, 3, 7, -1, -2, -3, -7, 1000003, -(2**31)))
            start = rnd.choice((0, 5, -17, 100, 2**31 - 5, 2**53 - 3))
            stop = start + step * n + rnd.choice((0, 0, 1, -1, 2))
            return f"range({start}, {stop}, {step})", True
        if roll < 18:
            base = rnd.choice((2**62, 2**62, 2**63 - 10, -(2**63), -(2**63), 2**63 - 1, rnd.choice((2**64, -(2**64)))))
            step = rnd.choice((1, 2, -1, 2**40))
            return f"range({base}, {base + step * min(n, 40)}, {step})", True
        if roll < 19:
            return rnd.choice((f"range({10**9})", f"range(5, {10**12}, 3)", f"range({10**11}, 0, -7)", f"range({2**63 - 1})", f"range({10**25 if self.chance(40) else 10**18})")), False
        return f"range({rnd.randint(-5, 5)}, {rnd.randint(-5, 25)}, {rnd.choice((1, 1, 2, 3, -1, 10**20))})", True

    def buffer(self) -> tuple[str, str]:
        """An array, bytes, bytearray or memoryview: text and the type of its items."""
        rnd = self.rnd
        n = self.size() if self.chance(85) else rnd.choice((0, 1, 2, 3, 8))
        roll = rnd.randint(0, 9)
        if roll < 4:
            code = rnd.choice(ARRAY_CODES)
            return self.array(code, n), "f" if code in "fd" else "i"
        if roll == 4:
            return f"bytes(j * 7 % 256 for j in range({n}))", "i"
        if roll == 5:
            return f"bytearray(j * 11 % 256 for j in range({n}))", "i"
        if roll == 6 and self.chance(15):
            return "array('u', 'aé日b')", "s"
        code = rnd.choice("bBhHiIlLqQfd")
        inner = f"memoryview({self.array(code, n)})"
        cut = rnd.choice(("", "", "[::2]", "[::-1]", "[1:-1]", "[3::3]", "[::-4]"))
        if roll == 7:
            bytes_text = f"memoryview(bytes(j * 37 % 256 for j in range({n // 8 * 8}))).cast({rnd.choice('bBhHiIlLqQfdnN?c')!r})"
            if self.chance(85):
                bytes_text = f"memoryview(bytearray(j * 37 % 251 for j in range({n // 8 * 8}))).cast({rnd.choice('bBhHiIlLqQnN')!r})"
                return bytes_text + cut, "i"
            return bytes_text + cut, "n"
        return inner + cut, "f" if code in "fd" else "i"

    def bools(self) -> tuple[str, str]:
        return f"memoryview(bytes(j * 5 % 3 for j in range({self.size()}))).cast('?')", "b"

    def array(self, code: str, n: int) -> str:
        rnd = self.rnd
        if code in "fd":
            if n <= 40:
                items = ", ".join(self.float_text(code == "f") for _ in range(n))
                return f"array({code!r}, [{items}])"
            return f"array({code!r}, [j * 7919 % 1001 / {rnd.choice((8.0, 3.0, 7e-3))} for j in range({n})])"
        bits = {"b": 7, "B": 8, "h": 15, "H": 16, "i": 31, "I": 32, "l": 63, "L": 64, "q": 63, "Q": 64}[code]
        low = -(2**bits) if code.islower() else 0
        if n <= 40:
            picks = (low, low + 1, 2**bits - 1, 0, 1, 2, 5, 7, 100, 3, 4, 9, 2 ** (bits - 1))
            return f"array({code!r}, [{', '.join(str(rnd.choice(picks)) for _ in range(n))}])"
        return f"array({code!r}, [j * 31 % 101 for j in range({n})])"

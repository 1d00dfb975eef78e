"""Every op of core/ir/ops.def, on every kind it takes, on edge values: CPython, the evaluator and tier 1 agree bit for bit.

The cases are made from the op table itself, which the engine hands out: an op's `text` is the Python that it stands for, so
a new line in ops.def is tested from the start, or fails here because nobody said what it means in Python. Where native
code bails, CPython takes over and nothing can be wrong; but an op may bail for its documented reasons alone, and tier 1
bails exactly where the evaluator does.
"""

from __future__ import annotations

import itertools
import math
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from differential.check import needs_engine

from purefold import _engine

pytestmark = needs_engine


class Op(NamedTuple):
    name: str
    arity: int
    operands: str
    result: str
    bails: int
    laws: int
    text: str


OPS = {op[0]: Op(*op) for op in getattr(_engine, "_ops", list)()}  # none without an engine
OVERFLOW, ZERO, DOMAIN, INEXACT, KIND, ALWAYS = (1 << bit for bit in range(6))
TERM = 8
TYPES = {"i64": int, "f64": float, "bool": bool, "str": str, "none": type(None)}
KINDS = {
    "num": ("i64", "f64"),
    "bits": ("i64", "bool"),
    "i64": ("i64",),
    "f64": ("f64",),
    "bool": ("bool",),
    "equal": ("i64", "f64", "bool", "str"),
    "order": ("i64", "f64", "str"),
}

POWERS = (7, 31, 32, 50, 52, 53, 62, 63)
INTS = {0, 1, 2, 3, 5, 10, 62, 63, 64, 65, 1000, 3037000499, 3037000500, 2**62 + 2**61}
INTS |= {2**p + d for p in POWERS for d in (-1, 0, 1)}
INTS = tuple(sorted(i for v in INTS for i in (v, -v) if -(2**63) <= i < 2**63))
SMALL = "0 5e-324 2.2250738585072014e-308 1e-300 1e-17 0.1 0.49999999999999994 0.5 0.7 0.9999999999999999 1"
MIDDLING = "1.0000000000000002 1.5 2 2.5 3 7 10 100 171.5 709.78 745.2 1e5 1e16"
FLOATS = [*map(float, SMALL.split()), *map(float, MIDDLING.split()), math.pi / 2, math.pi]
FLOATS += [4503599627370495.5, 4503599627370497.5, 2.0**53, 2.0**53 + 2, 2.0**63, 2.0**63 - 1024, 1e22, 1e300, 1.7e308]
FLOATS += [sys.float_info.max, math.inf, math.nan]
FLOATS = (*FLOATS, *(-f for f in FLOATS))
VALUES: dict[str, tuple[Any, ...]] = {
    "i64": INTS,
    "f64": FLOATS,
    "bool": (False, True),
    "str": ("", "a", "b", "ab", "\0", "é", "ée", "€", "😀", "😀a", "UA", "".join(["U", "A"]), "\x7f", "\xff", "\u0100", "\ud800", "\uffff", "\U0010ffff", "aa\u0100", "a\xff"),
}



def other_hypot(a: float, b: float) -> float:
    """math.hypot as the other versions have it: 3.11's on 3.12 and later, and the other way round."""
    if not (math.isfinite(a) and math.isfinite(b)) or a == b == 0:
        return math.hypot(a, b)
    return norm_of_311(abs(a), abs(b)) if sys.version_info >= (3, 12) else norm_of_312(abs(a), abs(b))


def halves(x: float) -> tuple[float, float]:
    t = x * 134217729.0
    high = t - (t - x)
    return high, x - high


def error_of(a: float, b: float, product: float) -> float:
    (ah, al), (bh, bl) = halves(a), halves(b)
    return ((ah * bh - product) + ah * bl + al * bh) + al * bl


class Sum:
    """A sum that starts at 1, with what its additions lost, each in a place of the caller's choice."""

    def __init__(self) -> None:
        self.value, self.lost = 1.0, [0.0, 0.0, 0.0]

    def add(self, x: float, place: int) -> None:
        before = self.value
        self.value = before + x
        self.lost[place] += (before - self.value) + x

    def less_one(self) -> float:
        return self.value - 1.0 + (self.lost[0] + self.lost[1] + self.lost[2])


def norm_of_312(a: float, b: float) -> float:
    exponent = math.frexp(max(a, b))[1]
    if exponent < -1023:
        tiny = sys.float_info.min
        return tiny * norm_of_312(a / tiny, b / tiny)
    scale, total = math.ldexp(1.0, -exponent), Sum()
    for x in (a * scale, b * scale):
        total.add(x * x, 1)
        total.lost[0] += error_of(x, x, x * x)
    root = math.sqrt(total.less_one())
    total.add(-root * root, 1)
    total.lost[0] += error_of(-root, root, -root * root)
    return (root + total.less_one() / (2.0 * root)) / scale


def norm_of_311(a: float, b: float) -> float:
    most = max(a, b)
    exponent, total = math.frexp(most)[1], Sum()
    if exponent < -1023:
        for x in (a / most, b / most):
            total.add(x * x, 0)
        return most * math.sqrt(total.value - 1.0 + total.lost[0])
    scale = math.ldexp(1.0, -exponent)
    for x in (a * scale, b * scale):
        high, low = halves(x)
        total.add(high * high, 0)
        total.add(2.0 * high * low, 1)
        total.lost[2] += low * low
    root = math.sqrt(total.less_one())
    high, low = halves(root)
    for place, part in enumerate((-high * high, -2.0 * high * low, -low * low)):
        total.add(part, place)
    return (root + total.less_one() / (2.0 * root)) / scale


def near_2_53(x: float, n: float) -> bool:
    return math.isfinite(x) and 2**52 <= abs(x * 10.0**n) < 2**54


def round_to(x: float, n: float) -> float:
    if n % 1 != 0 or abs(n) > 22:
        raise ValueError
    return round(x, int(n))


# What the text column does not say as an expression of its operands.
SPECIAL: dict[str, Callable[..., Any]] = {
    "fexact": lambda a: float(a),  # bails where that rounds
    "toint": int,
    "roundto": round_to,
    "shl": lambda a, b: a << min(b, 100),  # beyond that the int is too large to make, and as far out of 64 bits
    "pow": lambda a, b: a ** (b if type(a) is float or abs(a) < 2 or b < 200 else 200 + b % 2),
}
SPECIAL["hypot311" if sys.version_info >= (3, 12) else "hypot"] = other_hypot
SPECIAL["hypot" if sys.version_info >= (3, 12) else "hypot311"] = math.hypot
# Tested by name below, or (terminators) by every program.
VALUES_FROM_OUTSIDE = {"const", "param", "column", "row", "arg", "large", "rank"}
ANY_KINDS = {"select", "is_kind", "narrow", "in"}


def meaning(op: Op) -> Callable[..., Any]:
    """The Python function that the op's text stands for."""
    if op.name in SPECIAL:
        return SPECIAL[op.name]
    names = "ab"[: op.arity]
    if op.text.replace("math.", "").isidentifier() and op.text != "not":
        source = f"{op.text}({', '.join(names)})"
    elif op.arity == 1:
        source = f"{op.text.removesuffix('x')} a"
    else:
        source = f"a {op.text} b"
    try:
        return eval(f"lambda {', '.join(names)}: {source}", {"math": math})
    except SyntaxError:
        pytest.fail(f"ops.def's text of {op.name} is no Python ({source}); say in SPECIAL what it means")


def in_python(function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    try:
        return function(*operands)
    except (ArithmeticError, ValueError) as error:
        return error


def bits(value: object) -> object:
    """What has to be equal: type and bits, but for the sign and payload of a NaN."""
    if type(value) is float:
        return (float, "nan") if math.isnan(value) else (float, struct.pack("<d", value))
    return (type(value), value)


def finite(value: object) -> bool:
    return type(value) is not float or math.isfinite(value)


def documented(op: Op, reason: int, operands: tuple[Any, ...], answer: Any, result: type) -> bool:
    """Whether ops.def lets the op bail for this reason on these operands, of which CPython says `answer`."""
    if not op.bails & reason:
        return False
    fits = type(answer) is result and (result is not int or -(2**63) <= answer < 2**63)
    if reason == OVERFLOW:
        return isinstance(answer, OverflowError) or not fits
    if reason == ZERO:
        return isinstance(answer, (ZeroDivisionError, ValueError))
    if reason == INEXACT:
        return any(int(float(v)) != v or abs(v) > 2**53 for v in operands)
    if reason == DOMAIN:
        odd = not fits or not finite(answer) or not all(map(finite, operands))
        return odd or (op.name == "roundto" and (operands[1] % 1 != 0 or abs(operands[1]) > 22 or near_2_53(*operands)))
    return False


# ---- programs ----


def program(op: Op, kind: str, operands: str, extra: str = "") -> str:
    """A program of one op; an operand is v (a column), p (a param) or the text of a constant."""
    lines, names = [], []
    columns = params = 0
    for operand in operands.split(","):
        if operand == "v":
            lines.append(f"column {columns}: {kind} from source {columns}")
            names.append(f"%c{columns}")
            columns += 1
        elif operand == "p":
            lines.append(f"param {params}: {kind}")
            names.append(f"%p{params}")
            params += 1
        else:
            names.append(operand)
    masked = extra == "masked"
    if masked:
        lines.append(f"column {columns}: bool from source {columns}")
    lines.append("b0:")
    lines += [f"  %c{i}:{kind} = column {i}" for i in range(columns)]
    lines += [f"  %p{i}:{kind} = param {i}" for i in range(params)]
    if masked:
        lines += [f"  %m:bool = column {columns}", "  branch %m, b1, b2", "b2:", "  end", "b1:"]
    lines += [f"  %r = {op.name}.{kind} {', '.join(names)}", "  yield %r"]
    return "\n".join(lines) + "\n"


def run(text: str, columns: list[tuple[Any, ...]], params: tuple[Any, ...] = ()) -> list[Any]:
    """The evaluator's results, when tier 1 has the same."""
    expected = _engine._ir_run(text, tuple(columns), params, 0, False)
    for wide in (False, True):
        found = _engine._ir_run(text, tuple(columns), params, 1, wide)
        for row, (a, b) in enumerate(zip(expected, found, strict=True)):
            same = a[:3] == b[:3] if a[0] == "bail" or b[0] == "bail" else [*map(bits, a)] == [*map(bits, b)]
            assert same, (text, [column[row] for column in columns], params, "evaluator", a, "tier 1", b, "wide", wide)
    return expected


def check(op: Op, kind: str, function: Callable[..., Any], operands: tuple[Any, ...], got: Any) -> bool:
    """Holds one result to CPython's; whether the op bailed."""
    answer = in_python(function, operands)
    result = TYPES[{"same": kind}.get(op.result, op.result)]
    if got[0] == "bail":
        assert got[1] == op.name, (operands, got)
        assert documented(op, got[3], operands, answer, result), ("a bail that nothing asks for", operands, answer, got)
        return True
    assert bits(got[0]) == bits(answer), (operands, answer, got)
    return False


def plain_ops() -> list[tuple[str, str]]:
    """The ops that compute a value from values of one kind, with each kind."""
    found = []
    for op in OPS.values():
        if op.laws & TERM or op.name in VALUES_FROM_OUTSIDE | ANY_KINDS:
            continue
        found += [(op.name, kind) for kind in KINDS[op.operands]]
    return found


@pytest.mark.parametrize(("name", "kind"), plain_ops())
def test_op(name: str, kind: str) -> None:
    op = OPS[name]
    function = meaning(op)
    cases = list(itertools.product(VALUES[kind], repeat=op.arity))
    columns = [*zip(*cases, strict=True)]
    vector = ",".join("v" * op.arity)
    bailed = 0
    results = run(program(op, kind, vector), columns)
    for case, got in zip(cases, results, strict=True):
        bailed += check(op, kind, function, case, got)
    assert bailed < len(cases), "it never runs"
    # behind a test, with dead lanes between: those neither bail nor trap
    mask = tuple(i % 3 > 0 for i in range(len(cases)))
    masked = run(program(op, kind, vector, "masked"), [*columns, mask])
    assert [got for got, alive in zip(masked, mask) if not alive] == ["end"] * mask.count(False)
    for got, dense, alive in zip(masked, results, mask):
        assert not alive or [*map(repr, got)] == [*map(repr, dense)]


@pytest.mark.parametrize("masked", [False, True])
def test_rank(masked: bool) -> None:
    """Rows are counted where they come by, in their order, across vectors."""
    rows = tuple(i * 7 % 5 for i in range(3000))
    text = "column 0: i64 from source 0\nb0:\n  %x:i64 = column 0\n  %c = lt.i64 %x, 2\n  branch %c, some, others\n"
    text += "some:\n  %k = rank 0\n  jump last(%k)\nothers:\n  " + ("%m = rank 1\n  jump last(%m)\n" if masked else "end\n")
    text += "last(%v: i64):\n  yield %v\n"
    counts = [0, 0]
    expected = []
    for x in rows:
        expected.append((counts[x >= 2],) if masked or x < 2 else "end")
        counts[x >= 2] += 1
    assert run(text, [rows]) == expected


def literal(kind: str, value: Any) -> str | None:
    if kind == "f64":
        return value.hex() if math.isfinite(value) else None
    return {"i64": str, "bool": lambda v: str(v).lower()}.get(kind, lambda v: None)(value)


@pytest.mark.parametrize(("name", "kind"), [case for case in plain_ops() if OPS[case[0]].arity == 2])
def test_op_with_a_scalar(name: str, kind: str) -> None:
    """One operand the same in all rows: a param, or a constant, for which tier 1 has kernels of its own."""
    op = OPS[name]
    function = meaning(op)
    values = VALUES[kind]
    for scalar in values if len(values) < 20 else (*values[::4], *values[-3:]):
        for form in ("v,%s", "%s,v"):
            pairs = [(v, scalar) if form[0] == "v" else (scalar, v) for v in values]
            results = run(program(op, kind, form % "p"), [values], (scalar,))
            for pair, got in zip(pairs, results, strict=True):
                check(op, kind, function, pair, got)
            written = literal(kind, scalar)
            if written is not None:
                constant = run(program(op, kind, form % written), [values])
                assert [*map(repr, constant)] == [*map(repr, results)]


@pytest.mark.parametrize("name", ["fdiv", "mod", "mul", "shl", "add", "sub", "float", "fexact"])
def test_op_on_small_ints(name: str) -> None:
    """Where bounds are known, tier 1 leaves checks out and takes faster ways."""
    op = OPS[name]
    function = meaning(op)
    for limit in (100, 2**31 - 1, 2**31, 2**50 - 1, 2**51):
        values = tuple(sorted({v for e in INTS for v in (e % limit, -(e % limit))} | {limit, -limit}))
        for scalar in (1, 2, 3, 7, 10, 60, 64, 86400, 2**31 - 1, 2**40, -1, -7):
            cases = [(v, scalar)[: op.arity] for v in values]
            form = f"v,{scalar}" if op.arity == 2 else "v"
            for case, got in zip(cases, run(program(op, "i64", form), [values]), strict=True):
                check(op, "i64", function, case, got)


# ---- ops on several kinds ----

MIXED = (None, True, False, 3, -(2**63), 0.5, -0.0, math.nan, "a", "")


def test_select() -> None:
    for kinds, values in (("i64", INTS), ("f64", FLOATS), ("bool", (True, False)), ("str", VALUES["str"])):
        text = f"column 0: bool from source 0\ncolumn 1: {kinds} from source 1\ncolumn 2: {kinds} from source 2\n"
        text += f"b0:\n  %c:bool = column 0\n  %a:{kinds} = column 1\n  %b:{kinds} = column 2\n"
        text += "  %r = select %c, %a, %b\n  yield %r\n"
        cases = [(c, a, b) for a, b in zip(values, reversed(values), strict=True) for c in (True, False)]
        for (c, a, b), got in zip(cases, run(text, [*zip(*cases, strict=True)]), strict=True):
            assert bits(got[0]) == bits(a if c else b)


def test_select_of_several_kinds() -> None:
    several = "none|bool|i64|f64|str"
    text = f"column 0: bool from source 0\ncolumn 1: {several} from source 1\ncolumn 2: {several} from source 2\n"
    text += f"b0:\n  %c:bool = column 0\n  %a:{several} = column 1\n  %b:{several} = column 2\n"
    text += "  %r = select %c, %a, %b\n  yield %r\n"
    cases = [(c, a, b) for a in MIXED for b in MIXED for c in (True, False)]
    for (c, a, b), got in zip(cases, run(text, [*zip(*cases, strict=True)]), strict=True):
        assert bits(got[0]) == bits(a if c else b)


MEMBERS = (0, 1, -1, 3, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**30, 2**70, 0.0, 1.0, 1.5, 2.0**63, -(2.0**63), math.inf)
MEMBERS += (True, False, None, "", "a", "ab", "é", "€", "\ud800", "😀", *map(str, range(40)), *range(1000, 1300))


@pytest.mark.parametrize("container", [list, tuple, set, frozenset, dict.fromkeys])
def test_in(container: Callable[[Any], Any]) -> None:
    parts = [MEMBERS, (), (1,), (1.0,), (True,), (-0.0,), (None,), ("a",), ("",), (2**70,), MEMBERS[::7], MEMBERS[1::3], tuple(range(5000))]
    parts.append((*MEMBERS, math.nan))
    for members in parts:
        box = container(members)
        for kind, values in (*VALUES.items(), ("none", (None,))):
            text = f"column 0: {kind} from source 0\nparam 0: obj\nb0:\n  %a:{kind} = column 0\n  %p:obj = param 0\n"
            text += f"  %r = in.{kind} %a, %p\n  yield %r\n"
            if kind == "i64":
                values = (*values, *range(990, 1310))
            for value, got in zip(values, run(text, [values], (box,)), strict=True):
                if got[0] == "bail":
                    assert got[1] == "in" and value != value and any(member != member for member in members)
                else:
                    assert got == (value in box,), (value, box)


@pytest.mark.parametrize("kinds", ["none", "bool", "i64", "f64", "str", "i64|f64", "none|str"])
def test_is_kind_and_narrow(kinds: str) -> None:
    types = tuple(TYPES[kind] for kind in kinds.split("|"))
    several = "none|bool|i64|f64|str"
    head = f"column 0: {several} from source 0\nb0:\n  %a:{several} = column 0\n"
    for value, got in zip(MIXED, run(head + f"  %r = is_kind %a, {kinds}\n  yield %r\n", [MIXED]), strict=True):
        assert got == (type(value) in types,)
    if len(types) > 1:
        return
    for value, got in zip(MIXED, run(head + f"  %r:{kinds} = narrow %a\n  yield %r\n", [MIXED]), strict=True):
        assert (got[0] == "bail" and got[3] == KIND) if type(value) is not types[0] else bits(got[0]) == bits(value)


def test_a_column_of_other_kinds_bails() -> None:
    for kind, kept in (("i64", 3), ("f64", 0.5), ("bool", True), ("none|i64", None)):
        column = (kept, 2**63, kept, b"", kept, object(), "text", kept)
        text = f"column 0: {kind} from source 0\nb0:\n  %a:{kind} = column 0\n  yield %a\n"
        for value, got in zip(column, run(text, [column]), strict=True):
            assert got == (kept,) if value is kept else got[:2] == ("bail", "column")


def test_values_from_outside_and_ends() -> None:
    text = "column 0: i64 from source 0\nparam 0: f64\nb0:\n  %a:i64 = column 0\n  %p:f64 = param 0\n  %n = row\n"
    text += "  %t = gt.i64 %a, 5\n  branch %t, b1, b2\nb1:\n  %u = gt.i64 %a, 8\n  branch %u, b3, b4\nb3:\n  bail\n"
    text += "b4:\n  end\nb2:\n  jump b5(%a)\nb5(%x: i64):\n  yield %x, %p, %n, true, none, 2.5\n"
    rows = tuple(v % 11 for v in range(3000))
    for row, (value, got) in enumerate(zip(rows, run(text, [rows], (0.25,)), strict=True)):
        if value > 8:
            assert got[:2] == ("bail", "bail")
        else:
            assert got == ("end" if value > 5 else (value, 0.25, row, True, None, 2.5))
    text = "column 0: i64 from source 0\nb0:\n  %a:i64 = column 0\n  %t = gt.i64 %a, 5\n  branch %t, b1, b2\n"
    text += "b1:\n  stop\nb2:\n  yield %a\n"
    for tier in (0, 1):
        assert _engine._ir_run(text, ((1, 2, 7),), (), tier, False) == [(1,), (2,), "stop"]


def test_the_table_is_covered() -> None:
    """Each op is in a test above."""
    covered = (
        {name for name, _ in plain_ops()}
        | VALUES_FROM_OUTSIDE
        | ANY_KINDS
        | {"jump", "branch", "yield", "end", "stop", "bail"}
    )
    assert covered == set(OPS)


@pytest.mark.skipif("PUREFOLD_ISA" in os.environ, reason="is that run")
@pytest.mark.parametrize("isa", ["base", "avx2"])
def test_lower_kernels(isa: str) -> None:
    """The same on the kernels for CPUs that have less."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env={**os.environ, "PUREFOLD_ISA": isa}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

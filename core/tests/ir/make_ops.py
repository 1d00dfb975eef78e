"""Writes ops.txt: what CPython says of every op on edge values, for test_ir.c to hold the evaluator to.

Run it with any supported CPython: `python make_ops.py >ops.txt`; all versions write the same file. A line is
`op kind operand... = kind result`, with floats in hexadecimal and `-` for what native code has to leave to CPython
(an exception, another type, an int beyond 64 bits). libm's functions are left out: their last bits are the
machine's.
"""

import itertools
import math
import operator

INTS = [0, 1, -1, 2, -3, 7, 62, 64, 3037000500, -(2**53), 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, 0.5, 2.5, -3.5, 0.1, 5e-324, -(2.0**63), 1.7976931348623157e308, math.inf, math.nan]
FEW_INTS, FEW_FLOATS = [*INTS[:4], *INTS[-3:]], [*FLOATS[:4], *FLOATS[-3:]]
MORE_FLOATS = [*FLOATS, 0.49999999999999994, 4503599627370497.5, 2.0**63, -math.inf]
BOOLS = [False, True]
KINDS = {bool: "bool", int: "i64", float: "f64"}


def shl(a: int, b: int) -> int:
    return a << (b if b < 100 else 100)


def power(a: int, b: int) -> int:
    return a ** (b if b < 100 or abs(a) < 2 else 100)


def exact(a: int) -> float:
    if int(float(a)) != a:
        raise OverflowError
    return float(a)


ARITHMETIC = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "fdiv": operator.floordiv}
ARITHMETIC["mod"] = operator.mod
COMPARISONS = {name: getattr(operator, name) for name in ("lt", "le", "eq", "ne", "gt", "ge")}
BITS = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}
TWO = [(INTS, ARITHMETIC | {"pow": power, "shl": shl, "shr": operator.rshift, "gcd": math.gcd})]
TWO += [(FLOATS, ARITHMETIC | {"div": operator.truediv, "copysign": math.copysign, "fmod": math.fmod})]
TWO += [(FEW_INTS, BITS | COMPARISONS), (FEW_FLOATS, COMPARISONS)]
TWO += [(BOOLS, BITS | {"eq": operator.eq, "ne": operator.ne})]
ONE = [(INTS, {"neg": operator.neg, "abs": abs, "invert": operator.invert, "truth": bool, "float": float})]
ONE += [(INTS, {"fexact": exact, "isqrt": math.isqrt}), (BOOLS, {"not": operator.not_, "truth": bool, "toint": int})]
ONE += [(MORE_FLOATS, {"neg": operator.neg, "abs": abs, "truth": bool, "int": int, "round": round})]
ONE += [(MORE_FLOATS, {"floor": math.floor, "ceil": math.ceil, "isnan": math.isnan, "isinf": math.isinf})]
ONE += [(MORE_FLOATS, {"isfinite": math.isfinite, "sqrt": math.sqrt, "degrees": math.degrees})]


def text(value: object) -> str:
    if isinstance(value, float):
        return value.hex().replace("+", "").replace(".0000000000000p", "p")
    return str(int(value))  # type: ignore[call-overload]


def line(op: str, function, operands: tuple) -> str:
    """One op on one set of operands."""
    left = f"{op} {KINDS[type(operands[0])]} {' '.join(map(text, operands))} ="
    try:
        result = function(*operands)
    except (ArithmeticError, ValueError):
        return f"{left} -"
    fits = not isinstance(result, int) or -(2**63) <= result < 2**63
    return f"{left} {KINDS[type(result)]} {text(result)}" if type(result) in KINDS and fits else f"{left} -"


def main() -> None:
    for values, ops in ONE:
        for op, function in ops.items():
            for value in values:
                print(line(op, function, (value,)))
    for values, ops in TWO:
        for op, function in ops.items():
            for pair in itertools.product(values, values):
                print(line(op, function, pair))


if __name__ == "__main__":
    main()

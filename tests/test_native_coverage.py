"""Every program of native_corpus.py has to give what CPython gives, and to run natively.

What falls back here unexpectedly is a hole in the builder, not a wrong answer.
"""

from __future__ import annotations

import builtins
import functools
import operator
from types import SimpleNamespace
from typing import Any

import native_corpus
import pytest
from differential.check import needs_engine
from native_corpus import PROGRAMS, STILL_PLAIN, programs

import purefold as pf

pytestmark = needs_engine

ROWS = 300
DATA = native_corpus.sources(ROWS)
PLAIN = native_corpus.names(DATA, SimpleNamespace(**vars(builtins), reduce=functools.reduce))
OURS = native_corpus.names(DATA, pf)


def outcome(program: str, names: dict[str, Any]) -> object:
    code = compile(program, "<program>", "eval")
    try:
        return eval(code, names)
    except Exception as error:
        return type(error), error.args


def same(a: object, b: object) -> bool:
    """Equal types and bits (repr of floats has both), inside of tuples and lists too."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))  # type: ignore[arg-type]
    return a is b or repr(a) == repr(b)


def run(program: str) -> dict[str, Any]:
    """What purefold says of its last call, when the answer is CPython's."""
    expected = outcome(program, PLAIN)
    with pf.config(min_rows=1):
        found = outcome(program, OURS)
    assert same(expected, found), (program, expected, found)
    last = pf.last()
    return last.data if last is not None else {}


@pytest.mark.parametrize("program", programs(PROGRAMS))
def test_runs_natively(program: str) -> None:
    said = run(program)
    assert said.get("native"), said.get("reason") or [step.get("reason") for step in said.get("steps", [])]
    rows = said.get("rows", {})
    assert rows.get("replayed", 0) + rows.get("fallback", 0) <= rows.get("native", 0) / 4, (rows, said.get("bails"))


@pytest.mark.parametrize("program", [line for line in programs(PROGRAMS) if line.startswith("reduce") and "1000003" not in line and "[:10]" not in line])
def test_reduce_does_without_its_function(program: str) -> None:
    run(program)
    said = pf.last().data  # type: ignore[union-attr]
    assert said["step"], said


@pytest.mark.parametrize("program", programs(STILL_PLAIN))
def test_answers_in_cpython(program: str) -> None:
    """Same answer, whoever computes it. Fails when it has become native: then it belongs above."""
    said = run(program)
    rows = said.get("rows", {})
    native = said.get("native") and rows.get("native", 0) > rows.get("replayed", 0) + rows.get("fallback", 0)
    assert not native, "native by now: move it to PROGRAMS"


def test_reduce_of_one_row_is_that_row() -> None:
    """Sums are made of values, not of objects; one row is not summed."""
    with pf.config(min_rows=1):
        for data in ([10**12], [2**70]):
            assert pf.reduce(operator.add, data) is data[0]
            assert pf.reduce(lambda a, b: a + b, (x for x in data)) is data[0]


def test_defaults_of_a_class_are_read_until_they_change() -> None:
    class Row:
        rate = 2
        n: int

    rows = [Row() for _ in range(40)]
    for i, row in enumerate(rows):
        row.n = i
    rows[7].rate = 5
    with pf.config(min_rows=1):
        ask = lambda: pf.sum(r.n * r.rate for r in rows)
        assert ask() == 780 * 2 + 7 * 3
        assert pf.last().data["native"]
        Row.rate = 3
        assert ask() == 780 * 3 + 7 * 2
        Row.rate = property(lambda self: self.n)  # type: ignore[assignment]
        assert ask() == builtins.sum(i * i for i in range(40))


def test_len_of_rows_of_several_lengths() -> None:
    rows: list[tuple[int, ...]] = [(1, 2, 3)] * 60
    rows[55] = (1, 2)
    with pf.config(min_rows=1):
        assert pf.sum(len(r) for r in rows) == 179
        assert pf.list(len(r) * r[0] for r in rows) == [3] * 55 + [2] + [3] * 4


def test_few_rows_of_long_loops_run_natively_and_small_loops_rest() -> None:
    def native(make: Any) -> int:
        before = pf.stats()["calls_native"]
        pf.sum(make())
        return pf.stats()["calls_native"] - before

    assert native(lambda: (x * y for x in range(3) for y in range(50_000)))
    assert native(lambda: (x * y for x in range(3) for y in range(50_000)))
    assert not native(lambda: (x * x for x in range(3)))
    small = lambda: (x * y for x in range(3) for y in range(3))  # noqa: E731
    assert sum(native(small) for _ in range(1000)) < 20

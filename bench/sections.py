"""What is measured. Each section takes the setting (sizes, rounds, plain builtins, C kernels) and the report."""

# ruff: noqa: B023, B905, C417 (lambdas run within their turn of the loop; this is what gets measured)

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable
from math import sqrt
from typing import Any

import small
from flights import PLAIN, QUESTIONS, columns, identical, load
from race import Race, Report, ms, touch_memory

import purefold as pf


def with_threads(threads: int, call: Callable[[], Any], **settings: Any) -> Callable[[], Any]:
    def run() -> Any:
        with pf.config(threads=threads, **settings):
            return call()

    return run


# ---- kernels over ranges and arrays, against C ----------------------------------------------------------------------


def piecewise(x: float) -> float:
    if x < 0.25:
        return x * x * 0.5 + 1.0
    if x < 0.75:
        return x * x * x - x
    return 2.0 * x - 1.0


def p1(ns: Any, n: int) -> int:
    return ns.sum(x * 2 for x in range(n) if x % 2 == 0)


def p2(ns: Any, xs: Any) -> int:
    return ns.sum(x * x for x in xs if x % 3 == 0)


def p3(ns: Any, xs: Any) -> float:
    return ns.sum(sqrt(x * x + 1.0) for x in xs)


def p4a(ns: Any, xs: Any) -> float:
    return ns.sum(map(piecewise, xs))


def kernels(setting: Any, report: Report) -> None:
    """P1, P2, P3, P4a: CPython, purefold on one and two threads, C on one and two threads."""
    c, plain = setting.kernels, setting.plain
    ints = c.ints(50_000_000 // setting.scale)
    floats = c.floats(50_000_000 // setting.scale)
    short = floats[: 20_000_000 // setting.scale]
    n = 100_000_000 // setting.scale
    off = {"disable": ("range_stride",)}
    cases: list[tuple] = [
        ("P1, range_stride off", 2.5, p1, n, off, lambda t: c.p1(n, t)),
        ("P1, range_stride on", None, p1, n, {}, lambda t: c.p1(n, t)),
        ("P2 over array('q')", 0.4, p2, ints, {}, lambda t: c.over("p2", ints, t)),
        ("P3 over array('d')", 2.2, p3, floats, {}, lambda t: c.over("p3", floats, t)),
        ("P4a over array('d')", 2.6, p4a, short, {}, lambda t: c.over("p4a", short, t)),
        ("P2 over memoryview", None, p2, memoryview(ints), {}, lambda t: c.over("p2", ints, t)),
    ]
    rows = []
    for name, target, ask, data, settings, in_c in cases:
        race = Race(
            {
                "CPython": lambda: ask(plain, data),
                "1T": with_threads(1, lambda: ask(pf, data), **settings),
                "2T": with_threads(2, lambda: ask(pf, data), **settings),
                "C 1T": lambda: in_c(1),
                "C 2T": lambda: in_c(2),
            },
            setting.rounds,
            only_close=("C 1T", "C 2T"),
        )
        rows.append(
            (
                name,
                *(ms(race.times[k]) for k in ("CPython", "1T", "2T", "C 1T", "C 2T")),
                f"{race.ratio('CPython', '2T'):.3g}x",
                report.verdict(f"{name}, times C", race.ratio("2T", "C 2T"), target, at_most=True),
                report.answers(name, race),
            )
        )
    report.table(
        "Kernels, ms",
        (
            "kernel",
            "CPython",
            "purefold 1T",
            "purefold 2T",
            "C 1T",
            "C 2T",
            "over CPython",
            "purefold 2T / C 2T",
            "answers",
        ),
        rows,
        "C adds floats in any order and wraps ints at 64 bits; purefold's answers are CPython's.",
    )


# ---- lists of ten million -------------------------------------------------------------------------------------------


def lists(setting: Any, report: Report) -> None:
    c, plain = setting.kernels, setting.plain
    n = 10_000_000 // setting.scale
    ints, floats = c.ints(n).tolist(), c.floats(n).tolist()
    touch_memory(3 * n * (8 + 32))  # three answers of a race at once: a pointer and an object for each row
    cases: list[tuple] = [
        ("sum(map), ints", 6, 9.5, lambda ns: ns.sum(map(lambda x: x * 2, ints))),
        ("sum(map), floats", 6, 9.5, lambda ns: ns.sum(map(lambda x: x * 2.0, floats))),
        ("filter and sum, ints", 6, 9.5, lambda ns: ns.sum(x for x in ints if x % 3 == 0)),
        ("filter and sum, floats", 6, 9.5, lambda ns: ns.sum(x for x in floats if x > 0.5)),
        ("max, ints", None, None, lambda ns: ns.max(abs(x) for x in ints)),
        ("list(map), ints", None, 1.6, lambda ns: ns.list(map(lambda x: x * 2, ints))),
        ("list(map), floats", None, 2.2, lambda ns: ns.list(map(lambda x: x * 2.0, floats))),
        ("list(filter), same objects", None, 4, lambda ns: ns.list(filter(lambda x: x > 0, ints))),
        ("sum of the list itself, ints", None, None, lambda ns: ns.sum(ints)),
        ("reduce(a + b), ints", None, None, lambda ns: ns.reduce(lambda a, b: a + b, ints)),
        ("reduce(a + b), floats", None, None, lambda ns: ns.reduce(lambda a, b: a + b, floats)),
        (
            "reduce to (count, total), ints",
            None,
            None,
            lambda ns: ns.reduce(lambda acc, x: (acc[0] + 1, acc[1] + x), ints, (0, 0)),
        ),
        (
            "chain of a map and a filter, sum",
            None,
            None,
            lambda ns: ns.sum(itertools.chain(map(lambda x: x * 2, ints), (x for x in ints if x % 3 == 0))),
        ),
        (
            "zip over dropped rows, sum",
            None,
            None,
            lambda ns: ns.sum(x * y for x, y in zip((x for x in floats if x > 0.5), floats)),
        ),
        (
            "zip over dropped rows, list",
            None,
            None,
            lambda ns: ns.list(zip((x for x in ints if x % 3 == 0), filter(lambda x: x > 0, ints))),
        ),
    ]
    rows = []
    for name, one, two, ask in cases:
        judge = same_objects if "same objects" in name else None
        race = Race(
            {
                "CPython": lambda: ask(plain),
                "1T": with_threads(1, lambda: ask(pf)),
                "2T": with_threads(2, lambda: ask(pf)),
            },
            setting.rounds,
            **({"judge": judge} if judge else {}),
        )
        rows.append(
            (
                name,
                ms(race.times["CPython"]),
                ms(race.times["1T"]),
                ms(race.times["2T"]),
                report.verdict(f"{name}, 1T", race.ratio("CPython", "1T"), one, at_most=False),
                report.verdict(f"{name}, 2T", race.ratio("CPython", "2T"), two, at_most=False),
                report.answers(name, race),
            )
        )
    report.table(
        f"Lists of {n:,}, ms",
        ("chain", "CPython", "1T", "2T", "1T, times CPython", "2T, times CPython", "answers"),
        rows,
    )


def same_objects(a: list, b: list) -> bool:
    return type(a) is type(b) and len(a) == len(b) and all(x is y for x, y in zip(a, b))


# ---- flights --------------------------------------------------------------------------------------------------------


def flights(setting: Any, report: Report) -> None:
    rows, origin = load()
    if setting.scale > 1:
        rows = rows[:: setting.scale]
    parallel_lists = columns(rows)
    for title, target, data, pick in (
        ("a list of named tuples", 4, rows, lambda q: q.rows),
        ("plain parallel lists", 8, parallel_lists, lambda q: q.columns),
    ):
        lines, ratios = [], []
        for question in QUESTIONS:
            ask = pick(question)
            race = Race(
                {"CPython": lambda: ask(PLAIN, data), "purefold": lambda: ask(pf, data)},
                setting.rounds,
                judge=identical,
            )
            ratios.append(race.ratio("CPython", "purefold"))
            lines.append(
                (
                    question.words,
                    ms(race.times["CPython"]),
                    ms(race.times["purefold"]),
                    f"{ratios[-1]:.3g}x",
                    report.answers(question.words, race),
                )
            )
        median = report.verdict(f"flights over {title}, median", statistics.median(ratios), target, at_most=False)
        report.table(
            f"{len(rows):,} flights over {title}, ms",
            ("question", "CPython", "purefold", "ratio", "answers"),
            lines,
            f"Median ratio: {median}. Rows from {origin}.",
        )


ALL = {
    "kernels": kernels,
    "lists": lists,
    "flights": flights,
    "small": small.small,
    "falling-back": small.falling_back,
    "programs": small.programs,
    "break-even": small.break_even,
    "first": small.first_calls,
}

"""Twelve questions about 336,776 flights, asked twice in one process: in plain CPython and through purefold.

Run it with ``make demo``, or with the path of an interpreter that has purefold. Each question is one line of ordinary
functional Python (see flights.py); what changes between the two runs is only where ``sum``, ``max``, ``list`` and
their like come from. The answers must be identical in type and in bits; the exit code is 1 when one is not.
"""

# ruff: noqa: B905 (plain zip, as people write it)

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from flights import PLAIN, QUESTIONS, brief, columns, identical, load

import purefold as pf


class Outcome(NamedTuple):
    """One question asked both ways. Times are seconds, medians of interleaved runs."""

    words: str
    answer: Any
    same: bool
    plain: float
    fast: float
    how: str

    @property
    def ratio(self) -> float:
        return self.plain / self.fast


def timed(ask: Callable, ns: Any, data: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    answer = ask(ns, data)
    return answer, time.perf_counter() - start


def how_it_ran(stats: dict[str, Any]) -> str:
    """The native share of the rows, or the reason why none ran natively."""
    native = stats["rows_native"]
    others = stats["rows_replayed"] + stats["rows_fallback"]
    if native:
        return f"{100 * native / (native + others):.4g}% native"
    reasons = sorted(stats["fallback_reasons"], key=stats["fallback_reasons"].get, reverse=True)
    return "CPython: " + (reasons[0] if reasons else "too few rows")


def ask_both(words: str, ask: Callable, data: Any, repeats: int) -> Outcome:
    plain_times, fast_times, same = [], [], True
    how = answer = None
    for _ in range(repeats):
        answer, seconds = timed(ask, PLAIN, data)
        plain_times.append(seconds)
        pf.stats(reset=True)
        through, seconds = timed(ask, pf, data)
        fast_times.append(seconds)
        how = how or how_it_ran(pf.stats())
        same = same and identical(answer, through)
    return Outcome(words, answer, same, statistics.median(plain_times), statistics.median(fast_times), how or "")


def print_table(title: str, outcomes: list[Outcome]) -> None:
    heads = ("question", "answer", "identical", "CPython", "purefold", "ratio", "how")
    lines = [
        (
            o.words,
            brief(o.answer),
            "yes" if o.same else "NO",
            f"{o.plain * 1e3:.2f} ms",
            f"{o.fast * 1e3:.2f} ms",
            f"{o.ratio:.1f}x",
            o.how,
        )
        for o in outcomes
    ]
    widths = [max(map(len, cells)) for cells in zip(heads, *lines)]
    right = {3, 4, 5}
    print(f"\n{title}\n")
    for cells in (heads, tuple("-" * w for w in widths), *lines):
        print(
            "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths))).rstrip()
        )
    print(f"\nmedian ratio: {statistics.median(o.ratio for o in outcomes):.1f}x")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="interleaved runs of each question (5)")
    options = parser.parse_args()

    rows, origin = load()
    parallel_lists = columns(rows)
    gc.freeze()  # a collection while timing would walk millions of objects that never die
    print(f"{len(rows):,} flights from {origin}")
    print(f"CPython {sys.version.split()[0]}, purefold {pf.__version__}")

    over_rows = [ask_both(q.words, q.rows, rows, options.repeats) for q in QUESTIONS]
    print_table("Over a list of named tuples", over_rows)
    over_columns = [ask_both(q.words, q.columns, parallel_lists, options.repeats) for q in QUESTIONS]
    print_table("Over plain parallel lists", over_columns)

    print("\nOne of them, explained\n")
    made_up = (f.dep_delay - f.arr_delay for f in rows if f.arr_delay is not None and f.dep_delay > f.arr_delay)
    print(pf.explain(made_up, pf.sum, analyze=True))

    wrong = [o.words for o in over_rows + over_columns if not o.same]
    if wrong:
        print("\nNOT IDENTICAL: " + "; ".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

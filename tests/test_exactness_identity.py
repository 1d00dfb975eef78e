"""exactness.md section 6, "Identity": one value used twice in a row is one object, two expressions are two objects."""

from __future__ import annotations

import pytest
from differential.check import exact, same

import purefold as pf

LARGE = 10**6  # no int around it is one that CPython keeps


def pattern(value, seen=None):
    """Who is who in a nest of tuples."""
    seen = {} if seen is None else seen
    number = seen.setdefault(id(value), len(seen))
    return (number, *(pattern(item, seen) for item in value)) if isinstance(value, tuple) else number


def natively(chain):
    before = pf.stats()["calls_native"]
    with pf.config(min_rows=1):
        out = pf.list(chain)
    assert pf.stats()["calls_native"] == before + 1, pf.last()
    return out


ROWS = {
    "ternary_before": lambda v: (v if v else 5000, v),
    "ternary_behind": lambda v: (v, v if v > LARGE else 5000),
    "ternary_of_computed": lambda v: ((a := v * 7), a if v % 3 else v),
    "ternary_twice": lambda v: ((a := v * 2 if v % 2 else v * 3), a),
    "smaller_of_two": lambda v: (min(v, LARGE + 1), v),
    "and_or": lambda v: (v and v + 1, v or v + 2, v),
    "two_expressions": lambda v: (v * 2, v * 2, v),
    "sometimes_the_operand": lambda v: (v, v * 1 if v % 2 else v),
    "a_tuple_and_its_items": lambda v: ((t := (v * 2, v)), t[0], t[1], (t,)),
    "one_tuple_or_the_other": lambda v: (t := (v * 2, v) if v % 2 else (v * 3, v)) and (t, t[0], t),
    "a_tuple_or_a_new_one": lambda v: ((t := (v * 3, v * 2)), t if v % 2 else (v * 2, v * 3)),
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("source", ["range", "ints", "floats"])
def test_who_is_who_in_a_row(row, source):
    xs = {
        "range": range(LARGE - 3, LARGE + 40),
        "ints": [LARGE + i for i in range(-3, 40)],
        "floats": [float(i) for i in range(40)],
    }[source]
    plain, ours = list(map(ROWS[row], xs)), natively(map(ROWS[row], xs))
    assert plain == ours
    assert [*map(pattern, plain)] == [*map(pattern, ours)]


def test_what_is_made_outside_of_a_nested_for_and_what_is_in_it():
    xs = range(LARGE, LARGE + 20)

    def chains():
        yield ((t, t[0], t[1], y) for x in xs for t in [(x * 2, x * 3)] for y in range(3))
        yield ((x, y, x) for x in xs for y in range(LARGE, LARGE + 3))

    for plain, ours in zip(chains(), chains()):
        assert pattern(tuple(plain)) == pattern(tuple(pf.list(ours)))


@pytest.mark.parametrize("other", [None, "text", 2.5])
def test_bools_where_something_else_was_possible(other):
    """A column that may hold bools and others, and in this call holds bools alone."""
    xs = list(range(1, 50))
    for f in (lambda x: x > 20 if x else other, lambda x: other if x < 0 else x > 20):
        ours = natively(map(f, xs))
        assert ours == list(map(f, xs))
        assert {*map(type, ours)} == {bool}
        assert pf.sum(map(f, xs)) == sum(map(f, xs))
        assert pf.tuple((f(x), x) for x in xs) == tuple((f(x), x) for x in xs)


# A None where no sample of the rows has seen one.
FAR = 577
OBJECT = object()
OBJECTS = [OBJECT] * 1000
BESIDE = [OBJECT, 1] * 500
PAIRS = [(OBJECT, 1), (1, OBJECT)] * 500
INNER = [[OBJECT, 1] * 50] * 50
for rows in (OBJECTS, BESIDE):
    rows[FAR] = None
PAIRS[FAR] = (None, None)
INNER[30] = [*INNER[0], None, 2, None]

UNSEEN_NONES = {
    "kept": lambda p: p.tuple(x for x in BESIDE if x is not None),
    "kept by filter": lambda p: p.list(filter(lambda x: x is not None, BESIDE)),
    "replaced": lambda p: p.list(4 if x is None else x for x in BESIDE),
    "found": lambda p: (p.any(x is None for x in BESIDE), p.next(i for i, x in enumerate(BESIDE) if x is None)),
    "counted": lambda p: p.sum(x is None for x in BESIDE),
    "in a tuple": lambda p: p.sum(1 for a, b in PAIRS if a is None and b is None),
    "of two": lambda p: p.sum(1 for a, b in zip(OBJECTS, BESIDE) if a is not None and b is not None),
    "behind a nested for": lambda p: p.list(x for x in OBJECTS for _ in (1,) if x is not None),
    "beside, behind a nested for": lambda p: p.list(x for x in BESIDE for _ in (1, 2) if x is not None),
    "inside": lambda p: p.sum(1 for row in INNER for x in row if x is not None),
}


@pytest.mark.parametrize("name", UNSEEN_NONES)
def test_none_among_objects_is_told_apart(name):
    same(UNSEEN_NONES[name], native=True)


@exact(native=True)
def test_none_among_ints_after_objects_among_ints(p):
    """A plan that was made for other rows."""

    def without(xs):
        return p.tuple(x for x in xs if x is not None)

    return [
        without(xs)
        for xs in (
            [OBJECT, 1] * 45,
            [1, None, 2] * 30,
            [OBJECT, 1, None, 2.5, True, 2**70] * 20,
            [1] * 30 + [None] + [1] * 40,
        )
    ]


NOTHING = {
    "the least": lambda p, nones: p.min(enumerate(nones()), key=lambda row: row[1], default=0),
    "the least of all": lambda p, nones: p.min(nones(), default=0),
    "compared": lambda p, nones: p.list(x < 3 for x in nones()),
    "equal": lambda p, nones: p.list(x == "a" for x in nones()),
    "more": lambda p, nones: p.list(x + 1 for x in nones()),
    "members": lambda p, nones: p.list(x in {"a", 1} for x in nones()),
    "pairs": lambda p, nones: p.max((x, 1) for x in nones()),
    "folded": lambda p, nones: p.reduce(lambda a, b: a + b, nones(), 0),
}


@pytest.mark.parametrize("name", NOTHING)
@pytest.mark.parametrize("others", [(1.5, 2), ("a", "b"), ("a", 1, 2.5, True), (True, False), (True, 2)])
@pytest.mark.parametrize("first", [None, 7])
def test_rows_that_are_known_to_be_none_where_they_might_be_others(name, others, first):
    """No row is left for what comes of the others: once it was a crash."""
    rows = [first, *[None, *others] * 9]
    same(lambda p: NOTHING[name](p, lambda: ((x if x is not None else None) for x in rows if x is None)))

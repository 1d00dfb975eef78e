"""Names, keys and attributes are found without running code, and not after their class has changed."""

from __future__ import annotations

import collections

import pytest
from differential.check import exact, same
from differential.timers import alarms

ROWS = 300


class Key(str):
    """A str by which dicts find things in a way of its own."""

    calls = 0
    act = staticmethod(lambda: None)
    __hash__ = str.__hash__

    def __eq__(self, other):
        Key.calls += 1
        Key.act()
        return str.__eq__(self, other)


@pytest.fixture(autouse=True)
def calm():
    yield
    Key.calls = 0
    Key.act = staticmethod(lambda: None)


def counted(work):
    Key.calls = 0
    return work(), Key.calls


@exact()
def test_keys_of_rows(p):
    rows = [{Key("a"): i} for i in range(ROWS)]
    return counted(lambda: p.sum(row["a"] for row in rows))


@exact()
def test_attributes_of_rows(p):
    class Row:
        pass

    rows = [Row() for _ in range(ROWS)]
    for i, row in enumerate(rows):
        row.__dict__[Key("a")] = i
    return counted(lambda: p.sum(row.a for row in rows))


@exact()
def test_names_in_classes(p):
    row_type = type("Row", (), {Key("b"): 1})
    rows = [row_type() for _ in range(ROWS)]
    for i, row in enumerate(rows):
        row.a = i
    return counted(lambda: p.sum(row.a for row in rows))


@exact()
def test_globals(p):
    names = {Key("k"): 3}
    function = eval("lambda x: x * k", names)
    return counted(lambda: p.sum(map(function, range(ROWS))))


@exact()
def test_globals_behind_a_key_that_equals_nothing(p):
    class Shy(str):
        __hash__ = str.__hash__

        def __eq__(self, other):
            return False

    function = eval("lambda x: x * k + len((1, 2))", {Shy("k"): 3, "k": 5, Shy("len"): None})
    return p.sum(map(function, range(ROWS)))


@pytest.mark.parametrize("kind", ["key", "attribute"])
def test_one_row_acts_when_it_is_looked_into(kind):
    class Row:
        def __init__(self, a):
            self.a = a

    def work(p):
        Key.act = staticmethod(lambda: None)
        if kind == "key":
            rows = [{"a": i} for i in range(ROWS)]
            rows[250] = {Key("a"): 5}
            Key.act = staticmethod(lambda: rows.__setitem__(251, {"a": 1000}))
            return p.sum(row["a"] for row in rows)
        rows = [Row(i) for i in range(ROWS)]
        rows[250].__dict__.clear()
        rows[250].__dict__[Key("a")] = 5
        Key.act = staticmethod(lambda: rows.__setitem__(251, Row(1000)))
        return p.sum(row.a for row in rows)

    same(work, native=True)


@exact(native=True)
def test_keys_of_several_types_are_read(p):
    rows = [{1: 2, "a": i, None: 3, 2.5: 4, (1, 2): 5} for i in range(ROWS)]
    gone = [dict.fromkeys("abcdef", i) for i in range(ROWS)]
    for row in gone[200:]:
        del row["b"], row["f"]
    split = [type("Row", (), {})() for _ in range(1)] * ROWS
    for row in split:
        row.a = 7
    return p.sum(row["a"] for row in rows), p.sum(row["a"] for row in gone), p.sum(row.a for row in split)


# ---- classes that change ----


def change_of(pair):
    """What may happen to a class of named pairs, by name."""
    return {
        "getitem": lambda: setattr(pair, "__getitem__", lambda self, i: 100),
        "iter": lambda: setattr(pair, "__iter__", lambda self: iter((50, 60))),
        "field": lambda: setattr(pair, "a", property(lambda self: 100)),
        "getattribute": lambda: setattr(pair, "__getattribute__", lambda self, name: 100),
    }


READERS = {
    "index": lambda p, rows: p.sum(row[0] for row in rows),
    "unpack": lambda p, rows: p.sum(a + b for a, b in rows),
    "field": lambda p, rows: p.sum(row.a for row in rows),
}


@pytest.mark.parametrize("change", ["getitem", "iter", "field", "getattribute"])
@pytest.mark.parametrize("reader", READERS)
def test_a_named_tuple_class_changes_between_calls(reader, change):
    def work(p):
        pair = collections.namedtuple("pair", "a b")
        rows = [pair(1, 2)] * ROWS
        before = READERS[reader](p, rows)
        change_of(pair)[change]()
        return before, READERS[reader](p, rows)

    same(work, native=True)


def interrupted(work, action):
    """work(), with one call of the action a few milliseconds after its start."""
    done = []

    def handler():
        if not done:
            done.append(True)
            action()

    with alarms(handler, 0.003):
        return work()


@pytest.mark.parametrize("reader, change", [("index", "getitem"), ("unpack", "iter"), ("field", "field")])
def test_a_named_tuple_class_changes_during_a_call(reader, change):
    def work(p):
        pair = collections.namedtuple("pair", "a b")
        rows = [pair(1, 2)] * 3_000_000
        plain = len(rows) * (3 if reader == "unpack" else 1)
        return interrupted(lambda: READERS[reader](p, rows), change_of(pair)[change]) > plain

    same(work)


@pytest.mark.parametrize("slots", [("a",), ("__dict__",)])
def test_a_class_changes_during_a_call(slots):
    def work(p):
        row_type = type("Row", (), {"__slots__": slots})
        row = row_type()
        row.a = 1
        rows = [row] * 3_000_000
        return interrupted(
            lambda: p.sum(row.a for row in rows), lambda: setattr(row_type, "a", property(lambda self: 100))
        ) > len(rows)

    same(work)


class Plain:
    shared = 7

    def __init__(self, x, odd=False):
        if odd:
            self.other = 0
        self.x = x
        self.y = x / 2


def instances_of_all_kinds():
    """Attributes beside the object, in a dictionary, of the class, missing, in another order, among many."""
    made = [Plain(i) for i in range(40)]
    made[3].__dict__["x"] = 33  # a dictionary by now
    vars(made[5])
    del made[7].y
    made[7].y = 70
    made[9].shared = 99
    made[11] = Plain(11, odd=True)
    for i in range(40):
        setattr(made[13], f"name{i}", i)
    made[15].__dict__ = {"x": 15, "y": 1.5}
    made[19].__dict__ = {"y": 2.5, "x": 19}
    return made


@pytest.mark.parametrize("ask", [lambda o: o.x, lambda o: o.y, lambda o: o.shared, lambda o: (o.x, o.y), lambda o: o.x * 3 + o.shared])
def test_attributes_of_instances(ask):
    def work(p):
        made = instances_of_all_kinds()
        answer = p.list(map(ask, made)), p.list(map(ask, reversed(made)))
        del made[21].x
        try:
            return answer, p.list(map(ask, made))
        except AttributeError as error:
            return answer, str(error)

    assert same(work)["rows_native"] > 40


def test_attributes_that_change_meanwhile():
    """Rows that fail run code, which may move the others' attributes into dictionaries."""

    def work(p):
        made = instances_of_all_kinds()

        class Sly(int):
            def __mul__(self, other):
                for o in made:
                    vars(o)["x"] = 5
                return 1

        made[20].x = Sly(2)
        return p.list(o.x * 2 for o in made)

    same(work)

"""The feeder against CPython: the same chain, once pulled by CPython alone and once with a feeder that hands over some rows.

What the rows yield, where every iterator stands afterwards, its reduced form, the generator's frame, the exception with its
traceback and all reference counts have to be the same.
"""

import gc
import itertools
import random
import sys
import threading
from array import array

import pytest

from purefold import _engine


class Case:
    """A chain to be made anew for each run. `rows` are the source rows that yield, in order; `total` is the number of rows."""

    def __init__(self, name, make, rows, total, any_row=True):
        self.name = name
        self.make = make
        self.rows = list(rows)
        self.total = total
        self.any_row = any_row  # rows that yield nothing may be handed over too


XS = list(range(1000, 1020))
YS = [x * 7 for x in XS]


def triple(x):
    return x * 3


def odd(x):
    return x % 2 == 1


def add(a, b):
    return a + b


def over(make_leaf, n=20):
    """A leaf below a generator expression; the leaf is watched."""

    def make():
        it = make_leaf()
        return (x for x in it), [it]

    return make


def chain_of(build, *leaves):
    def make():
        its = [leaf() for leaf in leaves]
        return build(*its), its

    return make


def started(build, *leaves):
    def make():
        its = [leaf() for leaf in leaves]
        g = build(*its)
        next(g)
        return g, [*its, g]

    return make


def xs():
    return iter(XS)


def ys():
    return iter(YS)


def advanced():
    it = iter(XS)
    next(it), next(it)
    return it


def zs():
    return iter(YS[:12])


LEAVES = {
    "list": (lambda: iter(list(XS)), 20),
    "list_advanced": (advanced, 18),
    "range": (lambda: iter(range(5, 65, 3)), 20),
    "range_down": (lambda: iter(range(65, 5, -3)), 20),
    "tuple": (lambda: iter(tuple(XS)), 20),
    "list_rev": (lambda: reversed(list(XS)), 20),
    "tuple_rev": (lambda: reversed(tuple(XS)), 20),
    "array_q": (lambda: iter(array("q", XS)), 20),
    "array_d": (lambda: iter(array("d", XS)), 20),
    "bytes": (lambda: iter(bytes(range(20))), 20),
    "bytearray": (lambda: iter(bytearray(range(20))), 20),
    "memoryview": (lambda: iter(memoryview(array("i", XS))), 20),
    "memoryview_strided": (lambda: iter(memoryview(array("i", XS))[::2]), 10),
}

# itertools objects may still be reduced up to 3.13, with a warning from 3.12
pytestmark = pytest.mark.filterwarnings("ignore:Pickle, copy, and deepcopy support:DeprecationWarning")

CASES = [Case("leaf_" + k, chain_of(lambda it: it, leaf), range(n), n) for k, (leaf, n) in LEAVES.items()]
CASES += [Case("genexpr_" + k, over(leaf, n), range(n), n) for k, (leaf, n) in LEAVES.items()]


def two_lists():
    a, b = [1, 2, 3], (4, 5)
    return itertools.chain(a, b, range(3), [], array("h", [8, 6]), [9])


def two_iterators():
    a, b = iter([1, 2, 3]), iter((4, 5, 6))
    c = itertools.chain(a, [7, 8], b)
    return c, [a, b, c]


def begun_chain():
    a, b = iter([1, 2, 3]), iter((4, 5, 6))
    c = itertools.chain(a, [7, 8], b, [])
    next(c)
    return (x for x in c), [a, b, c]


def from_iterable():
    a, b = iter([1, 2, 3]), [4, 5]
    source = iter([a, b, b, ()])
    c = itertools.chain.from_iterable(source)
    return map(triple, c), [a, source, c]


def chain_of_chains():
    a, b, d = iter([1, 2, 3]), iter((4, 5, 6)), iter([10])
    inner = itertools.chain(a, [7, 8])
    last = itertools.chain([], d)
    c = itertools.chain(inner, b, [], last)
    return c, [a, b, d, inner, last, c]


def begun_chain_of_chains():
    a, b, ended = iter([1, 2, 3]), iter((4, 5, 6)), itertools.chain([1])
    list(ended)
    inner = itertools.chain(itertools.chain([0], a), [7, 8], ended, [])
    next(inner)
    next(inner)
    source = iter([inner, itertools.chain.from_iterable(iter([b, [9]])), itertools.chain()])
    c = itertools.chain.from_iterable(source)
    next(c)
    return map(triple, c), [a, b, inner, ended, source, c]


def chain_of_unbegun_chains():
    source = iter([[4], (5, 6)])
    inner = itertools.chain(itertools.chain(itertools.chain()), itertools.chain.from_iterable(source), [7])
    c = itertools.chain([1, 2], inner, [8])
    return (x for x in c), [source, inner, c]


def nested():
    it = xs()
    inner = (x * 2 for x in it if x % 3)
    m = map(triple, inner)
    f = filter(None, m)
    return (x + 1 for x in f), [it, inner, m, f]


def enumerate_over_map():
    it = xs()
    m = map(triple, it)
    e = enumerate(m, 7)
    next(e)
    return (x for x in e), [it, m, e]


def zip_of_computed():
    a, b, c = xs(), zs(), ys()
    g = (x + 1 for x in a)
    z = zip(g, map(triple, b), c)
    return z, [a, b, c, g]


def map_of_three():
    a, b, c = zs(), xs(), ys()
    g = (x + 1 for x in b)
    return map(lambda x, y, z: (x, y, z), a, g, c), [a, b, c, g]


def islice_computed(*args, first=0):
    def make():
        it = xs()
        g = (x * 2 for x in it)
        s = itertools.islice(g, *args)
        for _ in range(first):
            next(s)
        return s, [it, g]

    return make


def enumerate_islice_computed():
    it = xs()
    e = enumerate(map(triple, it))
    s = itertools.islice(e, 4, 11)
    return enumerate(s, 100), [it, e, s]


def takewhile_stop():
    it = xs()
    return itertools.takewhile(lambda x: x < 1010, it), [it]


CASES += [
    Case("genexpr_if", chain_of(lambda it: (x * 2 for x in it if x % 2), xs), range(1, 20, 2), 20),
    Case("genexpr_started", started(lambda it: (x * 2 for x in it), xs), range(19), 19),
    Case("genexpr_if_started", started(lambda it: (x * 2 for x in it if x % 2), xs), range(1, 18, 2), 18),
    Case("genexpr_of_genexpr", chain_of(lambda it: (y + 1 for y in (x * 2 for x in it)), xs), range(20), 20),
    Case("map", chain_of(lambda it: map(triple, it), xs), range(20), 20),
    Case("map_two", chain_of(lambda a, b: map(add, a, b), xs, ys), range(20), 20),
    Case("map_two_short", chain_of(lambda a, b: map(add, a, b), xs, zs), range(12), 12),
    Case("map_two_short_first", chain_of(lambda a, b: map(add, a, b), zs, xs), range(12), 12),
    Case("filter", chain_of(lambda it: filter(odd, it), xs), range(1, 20, 2), 20),
    Case("filter_none", chain_of(lambda it: filter(None, it), xs), range(20), 20),
    Case("zip", chain_of(zip, xs, ys), range(20), 20),
    Case("zip_short", chain_of(zip, xs, zs), range(12), 12),
    Case("zip_in_genexpr", chain_of(lambda a, b: (x * y for x, y in zip(a, b)), xs, zs), range(12), 12),
    Case("zip_strict", chain_of(lambda a, b: zip(a, b, strict=True), xs, ys), range(20), 20),
    Case("zip_one", chain_of(lambda a: zip(a), xs), range(20), 20),
    Case("enumerate", chain_of(lambda a: enumerate(a, 5), xs), range(20), 20),
    Case("enumerate_negative", chain_of(lambda a: (i * x for i, x in enumerate(a, -5)), xs), range(20), 20),
    Case("enumerate_over_map", enumerate_over_map, range(19), 19),
    Case("zip_of_computed", zip_of_computed, range(12), 12),
    Case("map_of_three", map_of_three, range(12), 12),
    Case("islice_leaf", chain_of(lambda a: itertools.islice(a, 3, 15, 4), xs), range(3), 3),
    Case("islice_leaf_all", chain_of(lambda a: map(triple, itertools.islice(a, 2, None, 3)), xs), range(6), 6),
    Case("islice_leaf_stop", chain_of(lambda a: (x for x in itertools.islice(a, 7)), xs), range(7), 7),
    Case("islice_islice", chain_of(lambda a: itertools.islice(itertools.islice(a, 1, 19, 2), 1, None, 2), xs), range(4), 4),
    Case("islice_zip", chain_of(lambda a: itertools.islice(zip(a), 3, 15, 4), xs), range(3, 15, 4), 15, False),
    Case("islice_islice_zip", chain_of(lambda a: itertools.islice(itertools.islice(zip(a, YS), 1, 19, 2), 1, None, 2), xs), range(3, 18, 4), 19, False),
    Case("enumerate_islice_zip", chain_of(lambda a: enumerate(itertools.islice(zip(a), 1, 19, 3), 9), xs), range(1, 19, 3), 19, False),
    Case("zip_islice", chain_of(lambda a, b: zip(a, itertools.islice(b, 1, None, 2)), xs, ys), range(10), 10),
    Case("enumerate_islice", chain_of(lambda a: enumerate(itertools.islice(a, 1, 19, 3), 9), xs), range(6), 6),
    Case("islice_computed", islice_computed(30), range(20), 20),
    Case("islice_computed_begun", islice_computed(2, 30, first=3), range(15), 15),
    Case("islice_computed_skip", islice_computed(5, None), range(5, 20), 20),
    Case("takewhile", chain_of(lambda a: itertools.takewhile(lambda x: x < 5000, a), xs), range(20), 20),
    Case("starmap", chain_of(lambda a, b: itertools.starmap(add, zip(a, b)), xs, ys), range(20), 20),
    Case("chain", lambda: (two_lists(), []), range(11), 11),
    Case("chain_iterators", two_iterators, range(8), 8),
    Case("chain_begun", begun_chain, range(7), 7),
    Case("chain_from_iterable", from_iterable, range(7), 7),
    Case("chain_of_chains", chain_of_chains, range(9), 9),
    Case("chain_of_chains_begun", begun_chain_of_chains, range(7), 7),
    Case("chain_of_chains_unbegun", chain_of_unbegun_chains, range(7), 7),
    Case("nested", nested, [r for r, x in enumerate(XS) if x % 3], 20),
]


def state_of(value):
    """Everything about an iterator that can be compared: its reduced form, or its frame."""
    if hasattr(value, "gi_frame"):
        frame = value.gi_frame
        if frame is None:
            return ("finished", value.gi_running)
        return ("suspended", value.gi_running, frame.f_lasti, sorted(frame.f_locals), state_of(frame.f_locals[".0"]))
    if type(value).__name__ == "memory_iterator":
        return "memory_iterator"
    if hasattr(value, "__next__"):
        reduced = value.__reduce__()
        return (type(value).__name__, reduced[0].__name__, [state_of(part) for part in reduced[1:]])
    if isinstance(value, (tuple, list)):
        return [state_of(part) for part in value]
    return getattr(value, "__name__", type(value).__name__) if callable(value) else value


def counts_of(chain, watched):
    found = [sys.getrefcount(chain)] + [sys.getrefcount(it) for it in watched]
    for it in [chain, *watched]:
        for ref in gc.get_referents(it):
            if hasattr(ref, "__next__") and not isinstance(ref, type):
                found.append((type(ref).__name__, sys.getrefcount(ref)))
            elif isinstance(ref, (list, tuple, array, bytearray)) and "iterator" in type(it).__name__:
                found.append((type(ref).__name__, sys.getrefcount(ref)))
    return found


def observe(chain, watched):
    states = [state_of(it) for it in [chain, *watched]]
    counts = counts_of(chain, watched)
    rest = [state_of(list(it)) for it in [*watched, chain]]
    tuples = [ref for it in [chain, *watched] for ref in gc.get_referents(it) if isinstance(ref, tuple)]
    tracked = [gc.is_tracked(ref) for ref in tuples if any(hasattr(part, "__next__") for part in ref)]
    return states, counts, rest, tracked


def run_reference(case, count):
    """CPython alone: `count` items, or all and the end when count is None."""
    chain, watched = case.make()
    got = []
    while count is None or len(got) < count:
        try:
            got.append(next(chain))
        except StopIteration:
            break
    return got, observe(chain, watched)


def run_fed(case, plan, limit):
    chain, watched = case.make()
    got = []
    reason = _engine._feed_demo(chain, plan, got, limit)
    assert reason is None, reason
    return got, observe(chain, watched)


def last_of(case, end):
    return max(_engine._feed_limit(case.make()[0], end), 0)


def random_plan(case, rng):
    handed = [r for r in (range(case.total) if case.any_row else case.rows) if rng.random() < 0.25]
    end = rng.randrange(case.total + 1)
    handed = [r for r in handed if r < end]
    return handed, end


def expected_of(case, handed, end):
    everything, observed = run_reference(case, None)
    assert len(everything) == len(case.rows)
    return [v for r, v in zip(case.rows, everything, strict=True) if r in handed or r >= end], observed


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_to_the_end(case):
    rng = random.Random(case.name)
    plans = [([], case.total), ([], 0), (list(case.rows), case.total)] + [random_plan(case, rng) for _ in range(25)]
    for handed, end in plans:
        end = last_of(case, end)
        handed = [r for r in handed if r < end]
        plan = [("row", r) for r in handed] + [(rng.choice(["transparent", "last"]), end)]
        want, where = expected_of(case, handed, end)
        got, stands = run_fed(case, plan, -1)
        assert got == want, plan
        assert stands == where, plan


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_stop_early(case):
    """The consumer stops at a row that yields: handed over as the last one, or as any other."""
    rng = random.Random(case.name)
    everything, _ = run_reference(case, None)
    for k, stop in enumerate(case.rows):
        handed = [r for r in case.rows[:k] if rng.random() < 0.3]
        for word in ("last", "row"):
            plan = [("row", r) for r in handed] + [(word, stop)]
            _, where = run_reference(case, k + 1)
            got, stands = run_fed(case, plan, len(handed) + 1)
            assert got == [everything[case.rows.index(r)] for r in [*handed, stop]], plan
            assert stands == where, plan


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_untouched(case):
    """Attached and detached without a pull: nothing has happened."""
    _, where = run_reference(case, 0)
    got, stands = run_fed(case, [], 0)
    assert got == [] and stands == where


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_suspend(case):
    """True iterators while user code may look; then on with feeders."""
    rng = random.Random(case.name)
    for _ in range(12):
        at = rng.choice(case.rows)
        end = last_of(case, rng.randrange(at, case.total + 1))
        at = min(at, end)
        want, where = expected_of(case, [], end)
        chain, watched = case.make()
        seen = []

        def look(watched=watched, seen=seen):
            seen.extend(type(ref).__name__ for it in watched for ref in gc.get_referents(it))

        got = []
        plan = [("suspend", at, look), ("suspend", at, look), ("transparent", end)]
        assert _engine._feed_demo(chain, plan, got, -1) is None
        assert got == want, plan
        assert observe(chain, watched) == where
        assert "feeder" not in seen


def frames_of(error):
    frames, tb = [], error.__traceback__
    while tb is not None:
        frames.append((tb.tb_frame.f_code.co_name, tb.tb_lineno))
        tb = tb.tb_next
    return frames[1:]


def fails_at(x):
    if x == 1013:
        raise KeyError(x)
    return x


def enumerate_values(it):
    return map(lambda pair: pair[0] + pair[1], enumerate(map(triple, it), 3))


FAILING = {
    "genexpr": chain_of(lambda it: (fails_at(x) for x in it), xs),
    "genexpr_started": started(lambda it: (fails_at(x) for x in it), xs),
    "inner": chain_of(lambda it: (y for y in (fails_at(x) for x in it)), xs),
    "map": chain_of(lambda it: map(fails_at, it), xs),
    "map_two": chain_of(lambda a, b: map(lambda x, y: fails_at(x) + y, a, b), xs, ys),
    "zip_left": chain_of(lambda a, b: zip((fails_at(x) for x in a), b), xs, ys),
    "zip_right": chain_of(lambda a, b, c: zip(b, (fails_at(x) for x in a), map(triple, c)), xs, ys, ys),
    "zip_first": chain_of(lambda a, b: zip((fails_at(x) for x in a), (y * 2 for y in b)), xs, ys),
    "zip_first_deep": chain_of(
        lambda a, b, c: zip(map(fails_at, a), map(add, (y * 2 for y in b), (y for y in enumerate_values(c)))), xs, ys, xs
    ),
    "filter": chain_of(lambda it: filter(fails_at, it), xs),
    "enumerate": chain_of(lambda it: enumerate(map(fails_at, it)), xs),
    "islice": chain_of(lambda it: itertools.islice(map(fails_at, it), 4, 18), xs),
    "islice_skipped": chain_of(lambda it: itertools.islice(map(fails_at, it), 16, 18), xs),
    "takewhile": chain_of(lambda it: itertools.takewhile(fails_at, it), xs),
    "starmap": chain_of(lambda a, b: itertools.starmap(lambda x, y: fails_at(x), zip(a, b)), xs, ys),
}


@pytest.mark.parametrize("name", FAILING)
@pytest.mark.parametrize("before", [[], [3], [6, 12]])
def test_exception(name, before):
    if name == "islice_skipped":
        before = []
    shift = 1 if name == "genexpr_started" else 0
    case = Case(name, FAILING[name], [], 20)
    chain, watched = case.make()
    with pytest.raises(KeyError) as reference:
        list(chain)
    where = observe(chain, watched)
    chain, watched = case.make()
    got = []
    with pytest.raises(KeyError) as fed:
        _engine._feed_demo(chain, [("row", r - shift) for r in [*before, 13]], got, -1)
    assert fed.value.args == reference.value.args
    assert frames_of(fed.value) == frames_of(reference.value)
    assert fed.value.__context__ is None
    # a frame of the traceback keeps what it holds: same in both
    assert observe(chain, watched) == where


@pytest.mark.parametrize("case", [c for c in CASES if not c.name.startswith("leaf")], ids=lambda c: c.name)
def test_error_of_the_engine(case):
    """An error out of the feeder (an interrupt) propagates through the chain; leaves are at the frontier."""
    for row in {case.rows[0], case.rows[len(case.rows) // 2]}:
        chain, watched = case.make()
        interrupt = KeyboardInterrupt("now")
        with pytest.raises(KeyboardInterrupt):
            _engine._feed_demo(chain, [("error", row, interrupt)], [], -1)
        leaves = [it for it in watched if "iterator" in type(it).__name__ and "chain" not in case.name]
        for leaf in leaves:
            if type(leaf).__name__ != "memory_iterator" and leaf.__reduce__()[1] != ([],):
                remaining = len(list(leaf))
                if "zip" not in case.name and "map_" not in case.name and "islice" not in case.name:
                    assert remaining == case.total - row
        assert all(not getattr(it, "gi_running", False) for it in [chain, *watched])


def test_error_in_suspended_code():
    def interrupt():
        raise KeyboardInterrupt

    it = iter(XS)
    g = (x for x in it)
    with pytest.raises(KeyboardInterrupt):
        _engine._feed_demo(g, [("suspend", 5, interrupt)], [], -1)
    assert g.gi_frame is None and list(it) == XS[5:]


def test_moved_while_suspended():
    """Others take items while the feed is suspended: the chain goes on behind them."""
    for build in (lambda it: (x for x in it), lambda it: map(triple, it), lambda it: filter(None, it), lambda it: it):
        it = iter(XS)
        chain = build(it)
        got = []
        assert _engine._feed_demo(chain, [("suspend", 5, lambda it=it: next(it))], got, -1) is None
        assert got == list(build(iter(XS[6:])))
        assert list(it) == []


def test_generator_is_running_meanwhile():
    it = iter(XS)
    g = (x for x in it)
    seen = []

    def look():
        seen.append(g.gi_running)
        with pytest.raises(ValueError, match="already executing"):
            next(g)

    _engine._feed_demo(g, [("suspend", 3, look), ("transparent", 20)], [], -1)
    assert seen == [True]


def test_transparent_row_sees_true_iterators():
    """Once transparent, user code finds no feeder: a barrier row may look."""
    seen = []

    class Foreign:
        def __mul__(self, other):
            seen.append(type(g.gi_frame.f_locals[".0"]).__name__)
            seen.extend(type(r).__name__ for r in gc.get_referents(g))
            return 0

    values = [1, 2, Foreign(), 4, Foreign()]
    it = iter(values)
    g = (x * 2 for x in it)
    got = []
    assert _engine._feed_demo(g, [("transparent", 1)], got, -1) is None
    assert got == [4, 0, 8, 0]
    assert "feeder" not in seen and seen[0] == "list_iterator"


def test_list_changes_meanwhile():
    values = list(XS)
    it = iter(values)
    got = []
    assert _engine._feed_demo((x for x in it), [("suspend", 5, lambda: values.append(1)), ("transparent", 19)], got, -1) is None
    assert got == [1019, 1]
    values = list(XS)
    got = []
    assert _engine._feed_demo((x for x in values), [("suspend", 5, lambda: values.__delitem__(slice(4, None))), ("row", 9)], got, -1) is None
    assert got == []


SEGMENT_EDITS = {
    "replaced": lambda segments: segments.__setitem__(-1, [7, 8]),
    "one more": lambda segments: segments.append([7, 8]),
    "one less": lambda segments: segments.pop(),
    "one before": lambda segments: segments.insert(0, [7, 8]),
    "one that is done": lambda segments: segments.__delitem__(0),
}


@pytest.mark.parametrize("edit", SEGMENT_EDITS)
@pytest.mark.parametrize("at", [1, 3, 4, 6, 7])
def test_list_of_segments_changes_meanwhile(edit, at):
    def segments():
        return [[0, 1, 2], range(3, 6), (6, 7, 8), [9]]

    plain = segments()
    it = itertools.chain.from_iterable(plain)
    taken = list(itertools.islice(it, at))
    SEGMENT_EDITS[edit](plain)
    ours, got = segments(), []
    plan = [("suspend", at, lambda: SEGMENT_EDITS[edit](ours)), *(("row", row) for row in range(at, 10)), ("transparent", 10)]
    assert _engine._feed_demo((x for x in itertools.chain.from_iterable(ours)), plan, got, -1) is None
    assert taken + got == list(range(at)) + list(it)


@pytest.mark.parametrize("first", [[0, 1, 2], range(3)])
def test_chain_is_moved_to_its_next_segment_meanwhile(first):
    it, got = itertools.chain(first, [3, 4, 5]), []
    plan = [("suspend", 3, lambda: next(it)), *(("row", row) for row in range(3, 6)), ("transparent", 6)]
    assert _engine._feed_demo((x for x in it), plan, got, -1) is None
    assert got == [4, 5]


def test_end_is_latched():
    values = [1, 2, 3]
    it = iter(values)
    _engine._feed_demo((x for x in it), [("transparent", 3)], [], -1)
    values.append(4)
    assert list(it) == []
    it = iter(values)
    got = []
    _engine._feed_demo(map(triple, it), [("row", 3)], got, 1)
    values.append(5)
    assert got == [12] and list(it) == [5]


def test_takewhile_stops_by_itself():
    it = iter(XS)
    t = itertools.takewhile(lambda x: x < 1010, it)
    got = []
    assert _engine._feed_demo(t, [("row", 4), ("last", 10)], got, -1) is None
    assert got == [1004] and list(it) == XS[11:] and list(t) == []


@pytest.mark.parametrize("args", [(7,), (2, 9), (5, 6), (0,), (5, 5), (19, 25)])
def test_islice_over_computed_with_stop(args):
    def make():
        it = iter(XS)
        g = (x * 2 for x in it)
        return itertools.islice(g, *args), [it, g]

    s, _ = make()
    last = _engine._feed_limit(s, 100)
    last = -1 if last == 100 else last
    stop = args[-1]
    chain, watched = make()
    want = list(chain)
    where = observe(chain, watched)
    end = min(stop, 20)
    ends = [("last", last)] if 0 <= last < 20 else [("transparent", end)]
    for handed in ([], [0], [4], [1, 5], list(range(20))):
        handed = [r for r in handed if r < min(last, 20)]
        chain, watched = make()
        got = []
        assert _engine._feed_demo(chain, [("row", r) for r in handed] + ends, got, -1) is None
        emitted = range(args[0] if len(args) > 1 else 0, end)
        shown = [v for r, v in zip(emitted, want) if r in handed or r == last]
        assert got == shown, (handed, ends)
        assert observe(chain, watched) == where


def test_strict_zip_raises_by_itself():
    for a, b in ((5, 4), (4, 5)):
        def make():
            its = [iter(XS[:a]), iter(YS[:b])]
            return (x + y for x, y in zip(*its, strict=True)), its

        chain, watched = make()
        with pytest.raises(ValueError) as reference:
            list(chain)
        rest = [list(it) for it in watched]
        chain, watched = make()
        with pytest.raises(ValueError) as fed:
            _engine._feed_demo(chain, [("transparent", 4)], [], -1)
        assert str(fed.value) == str(reference.value) and [list(it) for it in watched] == rest


def filter_in_zip():
    a, b = xs(), ys()
    f = filter(odd, b)
    return zip(map(triple, a), f), [a, b, f]


def enumerate_over_filter():
    it = xs()
    f = (x for x in it if x % 3 == 0)
    return enumerate(f, 5), [it, f]


def skip_in_map():
    a, b = xs(), ys()
    g = (y + 1 for y in b)
    return map(add, itertools.islice(a, 3, 18, 4), g), [a, b, g]


def step_over_computed():
    it = xs()
    g = (x * 2 for x in it)
    return itertools.islice(g, 1, None, 3), [it, g]


def slices_of_computed():
    it = xs()
    g = (x * 2 for x in it)
    return itertools.islice(map(triple, itertools.islice(g, 2, 15)), 3, 9), [it, g]


@pytest.mark.parametrize(
    ("make", "total"),
    [(filter_in_zip, 20), (enumerate_over_filter, 20), (skip_in_map, 4), (step_over_computed, 20), (slices_of_computed, 20), *[(c.make, c.total) for c in CASES]],
)
def test_every_row_by_row(make, total):
    """Where no row is computed natively, any chain can be handed over."""
    chain, watched = make()
    want = list(chain)
    where = observe(chain, watched)
    for end in sorted({0, min(3, total), min(10, total), total}):
        chain, watched = make()
        got = []
        plan = [("row", r) for r in range(end)] + [("transparent", end)]
        assert _engine._feed_demo(chain, plan, got, -1, True) is None
        assert got == want
        assert observe(chain, watched) == where


def test_refused():
    it = iter(XS)
    assert _engine._feed_demo(zip(YS, itertools.islice(map(triple, it), 0, 9, 2)), [], [], 0) == "unaligned"
    assert _engine._feed_demo(zip(itertools.islice(zip(it), 2, None), YS), [], [], 0) == "unaligned"
    assert _engine._feed_demo(zip(filter(odd, it), YS), [], [], 0) == "unaligned"
    assert next(it) == XS[0]


def test_garbage_in_cycles_is_found():
    """A map whose leaf was replaced for a while is still known to the collector."""

    class Marker:
        pass

    marker = Marker()
    values = [1, 2, marker]
    m = map(triple, iter(values))
    marker.m = m
    gone = []
    import weakref

    weakref.finalize(marker, gone.append, 1)
    _engine._feed_demo(m, [("suspend", 1, gc.collect), ("row", 1)], [], 1)
    del marker, m, values
    gc.collect()
    assert gone == [1]


def test_another_thread_pulls():
    """Nothing crashes and nothing is given twice while another thread pulls leaf and chain."""
    values = list(range(200))
    it = iter(values)
    f = filter(None, it)
    taken = []

    def meanwhile():
        def pull():
            for _ in range(3):
                taken.append(next(f, None))
                taken.append(next(it, None))

        thread = threading.Thread(target=pull)
        thread.start()
        thread.join()

    got = []
    _engine._feed_demo(f, [("row", 50), ("suspend", 100, meanwhile), ("transparent", 150)], got, -1)
    assert taken == list(range(100, 106))
    assert got == [50, *range(106, 200)]


def test_nothing_leaks():
    def once():
        for case in CASES:
            chain, _ = case.make()
            _engine._feed_demo(chain, [("row", case.rows[0]), ("transparent", case.total)], [], -1)

    for _ in range(3):
        once()
    gc.collect()
    before = len(gc.get_objects())
    blocks = sys.getallocatedblocks()
    for _ in range(20):
        once()
    gc.collect()
    assert abs(len(gc.get_objects()) - before) < 20
    assert abs(sys.getallocatedblocks() - blocks) < 200

"""exactness.md section 3: signals, tracing, audit events, recursion depth, warnings."""

from __future__ import annotations

import array
import cProfile
import functools
import gc
import itertools
import math
import signal
import sys
import threading
import time
import types

import pytest
from differential.check import exact, needs_engine, same
from differential.timers import alarms
from test_exactness_memory import check_script

import purefold as pf

HUGE = 10**15


class Interrupted(Exception):
    pass


def interrupt_after(seconds, work):
    """Let a signal handler raise in the middle of `work`; how long after the signal it came out."""
    arrived = []

    def handler(*_):
        arrived.append(time.monotonic())
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    started = time.monotonic()
    try:
        with pytest.raises(Interrupted):
            work()
        return time.monotonic() - started - seconds
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


CHAINS = {
    "range": lambda: pf.sum(x * 2 for x in range(HUGE) if x % 3),
    "map": lambda: pf.sum(map(lambda x: x & 7, range(HUGE))),
    "any": lambda: pf.any(x < 0 for x in range(HUGE)),
    "max": lambda: pf.max(x % 1000 for x in range(HUGE)),
    "next": lambda: pf.next(x for x in range(HUGE) if x < 0),
    "rejected": lambda: pf.list(x for x in range(HUGE) if x < 0),
    "floats": lambda: pf.sum(x * 0.5 for x in range(HUGE)),
    "nested": lambda: pf.sum(y for x in range(HUGE) for y in (x & 1, 2)),
    "plain range": lambda: pf.min(range(HUGE)),
    "reduce": lambda: pf.reduce(lambda a, b: a ^ b, range(HUGE)),
}


@pytest.mark.timing
@pytest.mark.parametrize("name", CHAINS)
def test_ctrl_c_within_100_ms(name):
    with pf.config(threads=2):
        late = min(interrupt_after(0.15, CHAINS[name]) for _ in range(2))
        assert late < 0.1
        assert pf.sum(x * 2 for x in range(1000)) == 999_000  # usable afterwards


def test_keyboard_interrupt_in_the_main_thread():
    check_script("""
        import os, signal, threading, time
        import purefold as pf
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell started in the background
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            pf.sum(x * 2 for x in range(10**15))
        except KeyboardInterrupt:
            pass
        else:
            raise SystemExit("no interrupt")
        assert pf.sum(x * 2 for x in range(10**5)) == 9999900000
    """)


@pytest.mark.parametrize("threads", [1, 2])
def test_keyboard_interrupt_in_the_middle_of_a_row_of_loops_over_lists(threads):
    check_script(
        """
        import os, signal, subprocess
        import purefold as pf
        signal.signal(signal.SIGINT, signal.default_int_handler)
        xs = list(range(1000))
        rows = [xs] * 40
        chains = (
            lambda: (a + b + c for i in range(40) for a in xs for b in xs for c in xs),
            lambda: (a + b + c for r in rows for a in r for b in r for c in r),
        )
        for chain in chains:  # a minute each, and a second for a row
            killer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -INT {os.getpid()}"])
            source = chain()
            try:
                pf.sum(source)
            except KeyboardInterrupt:
                pass
            else:
                raise SystemExit("no interrupt")
            killer.wait()
            assert source.gi_frame is None
            assert pf.sum(x + y for x in rows[0] for y in rows[0]) == 999_000_000
        """,
        timeout=30,
        PUREFOLD_THREADS=str(threads),
    )


def test_iterators_are_settled_at_the_frontier_when_a_handler_raises():
    with pf.config(threads=2, min_rows=1):
        it = iter(range(HUGE))
        chain = (x for x in it if x < 0)
        interrupt_after(0.1, lambda: pf.list(chain))
        position = next(it)
        assert 0 < position < HUGE
        assert chain.gi_frame is None and not chain.gi_running  # a generator that an exception passed through
        assert next(it) == position + 1
        it = iter(range(HUGE))
        mapped = map(lambda x: x & 1, it)
        interrupt_after(0.1, lambda: pf.sum(mapped))
        a, b = next(mapped), next(mapped)
        assert a + b == 1  # a map stays usable


def test_handlers_see_settled_iterators():
    seen = []
    it = iter(range(HUGE))
    chain = (x for x in it if x < 0)

    def handler(*_):
        seen.append(it.__reduce__()[2] if sys.version_info < (3, 12) else it.__reduce__()[1][0].start)
        if len(seen) == 3:
            raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
    try:
        with pytest.raises(Interrupted), pf.config(threads=2, min_rows=1):
            pf.list(chain)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert sorted(seen) == seen and len(set(seen)) == 3


def test_async_exceptions_arrive():
    import ctypes

    done = []

    def work():
        try:
            with pf.config(threads=2, min_rows=1):
                pf.sum(x * 2 for x in range(HUGE))
        except Interrupted:
            done.append(time.monotonic())

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted))
    thread.join(10)
    assert done


def chain_calls(p):
    def f(x):
        return x + 1

    return p.sum(f(x) for x in range(30)), p.list(map(f, [1, 2]))


def traced(install, remove):
    events = []
    install(events)
    try:
        before = pf.stats()
        with pf.config(threads=2, min_rows=1):
            result = chain_calls(pf)
        after = pf.stats()
    finally:
        remove()
    return (
        events,
        result,
        after["calls_native"] - before["calls_native"],
        after["fallback_reasons"].get("traced", 0) > before["fallback_reasons"].get("traced", 0),
    )


@needs_engine
@pytest.mark.parametrize("name", ["settrace", "setprofile", "cProfile"])
def test_steps_aside_while_traced(name):
    profile = cProfile.Profile()
    if name == "settrace":
        ours = traced(
            lambda ev: sys.settrace(lambda f, e, a: ev.append((f.f_code.co_name, e))), lambda: sys.settrace(None)
        )
        assert sum(1 for n, _ in ours[0] if n == "f") == 32
    elif name == "setprofile":
        ours = traced(
            lambda ev: sys.setprofile(lambda f, e, a: ev.append((f.f_code.co_name, e))), lambda: sys.setprofile(None)
        )
        assert sum(1 for n, e in ours[0] if n == "f" and e == "call") == 32
    else:
        ours = traced(lambda ev: profile.enable(), profile.disable)
        assert (
            next(
                s.callcount for s in profile.getstats() if isinstance(s.code, types.CodeType) and s.code.co_name == "f"
            )
            == 32
        )
    assert ours[1] == (465, [2, 3]) and ours[2] == 0 and ours[3]


@needs_engine
@pytest.mark.skipif(sys.version_info < (3, 12), reason="sys.monitoring is new in 3.12")
@pytest.mark.parametrize("local", [False, True])
def test_steps_aside_for_monitoring_tools(local):
    mon = sys.monitoring

    def install(events):
        mon.use_tool_id(4, "test")
        mon.register_callback(4, mon.events.PY_START, lambda code, at: events.append(code.co_name))
        if local:
            mon.set_local_events(
                4, next(c for c in chain_calls.__code__.co_consts if isinstance(c, types.CodeType)), mon.events.PY_START
            )
        else:
            mon.set_events(4, mon.events.PY_START)

    ours = traced(install, lambda: (mon.set_events(4, 0), mon.free_tool_id(4)))
    assert ours[0].count("f") == 32 and ours[2] == 0


@needs_engine
def test_a_trace_function_set_in_the_middle_sees_the_rest():
    def work(p):
        events = []

        class Setter(int):
            def __mul__(self, other):
                sys.settrace(lambda f, e, a: events.append(f.f_code.co_name))
                return 1

        def f(x):
            return x * 2

        xs = [1, 2, Setter(3), 4, 5, 6]
        try:
            result = p.list(map(f, xs))
        finally:
            sys.settrace(None)
        return result, events.count("f")

    same(work)


def test_the_audit_log_is_cpythons():
    check_script("""
        import sys
        import purefold as pf
        pf.sum(x * 2 for x in range(100))
        events, on = [], False
        def hook(event, args):
            if on: events.append((event, repr(args)[:60] if event != "object.__getattr__" else args[1]))
        sys.addaudithook(hook)
        def f(x, k=3): return x * k
        def work(p, k):
            global on
            on = True
            p["sum"](f(x) * k for x in range(100) if x % 3)
            it = iter([1, 2, 3])
            p["list"](zip(map(f, it), enumerate((4, 5))))
            p["max"]([(1, 2)], key=lambda r: r[1])
            p["any"](x > 50 for x in range(100))
            p["sum"](x for x in [1, None, 2] if x is not None)
            on = False
            got = events[:]
            events.clear()
            return got
        import builtins
        plain = work(vars(builtins), 2)
        ours = work(vars(pf), 2)
        assert ours == plain, (ours, plain)
        assert pf.stats()["calls_native"] > 0
    """)


def depth_of_failure(call):
    """How deep one may be for `call` to still work: counts frames down to the RecursionError."""
    limit = sys.getrecursionlimit()

    def dig(n):
        if n == 0:
            return call()
        return dig(n - 1)

    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        try:
            dig(middle)
            low = middle
        except RecursionError:
            high = middle
    return low


def inner(x):
    return x + 1


def outer(x):
    return inner(x) * 2


@needs_engine
@pytest.mark.parametrize(
    "make",
    [
        lambda p: p.sum([1]),
        lambda p: p.sum(x for x in [1]),
        lambda p: p.sum(inner(x) for x in [1]),
        lambda p: p.sum(outer(x) for x in [1]),
        lambda p: p.sum(map(outer, [1])),
        lambda p: p.sum(outer(y) for y in (inner(x) for x in [1])),
        lambda p: p.sum(map(outer, filter(inner, (x for x in [1])))),
        lambda p: p.max([1, 2], key=outer),
        lambda p: p.sum(range(3)),
        lambda p: p.reduce(lambda a, b: a + b, [1, 2, 3]),
        lambda p: p.list(outer(x) if x > 5 else x for x in [1, 2]),
        lambda p: p.any(outer(x) < 0 for x in [1, 2]),
        lambda p: p.all(outer(x) for x in [1, 2]),
        lambda p: p.min(outer(x) for x in [1, 2]),
        lambda p: p.tuple(outer(x) for x in [1, 2]),
        lambda p: p.any([]),
        lambda p: p.min([1]),
        lambda p: p.reduce(max, [1]),
    ],
)
def test_recursion_error_comes_where_cpython_raises_it(make):
    from differential.check import OURS, PLAIN

    with pf.config(threads=2, min_rows=1):
        for _ in range(20):  # a call site that 3.11 has specialised counts one level less
            make(PLAIN), make(OURS)
        plain = depth_of_failure(lambda: make(PLAIN))
        ours = depth_of_failure(lambda: make(OURS))
    assert ours == plain


@needs_engine
@pytest.mark.parametrize("name", ["sum", "min", "max", "any", "all", "list", "tuple", "next", "reduce"])
@pytest.mark.parametrize("turns", [1, 40])
def test_recursion_without_end_ends_where_cpython_ends_it(name, turns):
    from differential.check import OURS, PLAIN

    program = f'''
def deeper(*x):
    return deeper(*x)
for turn in range({turns}):
    try:
        consume({"deeper, [1, 2]" if name == "reduce" else "map(deeper, [1.0])"})
    except RecursionError as error:
        walk(error.__traceback__)
'''

    def depths(consume):
        found = []

        def walk(traceback):
            found.append(0)
            while traceback is not None:
                found[-1] += 1
                traceback = traceback.tb_next

        exec(compile(program, "<program>", "exec"), {"consume": consume, "walk": walk})
        return found

    with pf.config(min_rows=1):
        depths(getattr(PLAIN, name))  # the first of all ends a frame earlier
        assert depths(getattr(OURS, name)) == depths(getattr(PLAIN, name))


@exact()
def test_invert_of_a_bool_warns_each_row(p):
    return p.sum(~x for x in [True, False, True, 5]), p.list(map(lambda b: ~b, [True, 3]))


@exact()
def test_truth_of_not_implemented(p):
    return p.list(1 if x else 2 for x in [1, NotImplemented, 0])


def test_bytes_against_str_under_bb():
    check_script(
        """
        import purefold as pf
        for p in (vars(__builtins__), vars(pf)):
            try:
                p["list"](x == "a" for x in [b"a", b"b"])
            except BytesWarning:
                continue
            raise SystemExit("no warning")
        """,
        "-bb",
    )


def test_warnings_have_the_place_of_the_row():
    import warnings

    def work(p):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            p.list(~x for x in [True, False])
        return [(w.lineno, w.filename, str(w.message)) for w in caught]

    same(work)


def test_collections_in_the_middle_are_harmless():
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        same(lambda p: (p.list((x, x * 2) for x in range(3000)), p.list(x for x in [[1], [2]] * 900)))
    finally:
        gc.set_threshold(*before)


# ---- while a failed row is in CPython ----


def sprinkled(n, every=20):
    """Ints of which every twentieth fails natively: handlers run while one of those is replayed, mostly."""
    xs = list(range(n))
    xs[::every] = [2**200] * len(xs[::every])
    return xs


def test_handlers_see_where_the_source_stands_at_failed_rows():
    it, seen = iter(sprinkled(1_000_000)), []
    with alarms(lambda: seen.append(it.__length_hint__()), 0.002, 0.002):
        pf.list(x + 1 for x in it)
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    "shape",
    [
        lambda it: (it, (x + 1 for x in it)),
        lambda it: (it, map(lambda x: x + 1, it)),
        lambda it: (it, filter(lambda x: x + 1, it)),
        lambda it: (it, map(lambda x, y: x + y, it, (y * 0 for y in iter(range(10**7))))),
        lambda it: (it, map(lambda y, x: x + y, (y * 0 for y in iter(range(10**7))), (x + 0 for x in it))),
        lambda it: (it, (x + i for i, x in enumerate(it))),
        lambda it: (it, itertools.islice(map(lambda x: x + 1, it), 5, 900_000)),
        lambda it: (it, map(lambda x: x + 1, itertools.chain.from_iterable((it,)))),
        lambda it: (m := map(lambda x: x + 1, it), m),
        lambda it: (z := zip(it, range(10**7)), map(lambda pair: pair[0] + pair[1], z)),
    ],
)
def test_handlers_take_items_at_failed_rows(shape):
    shared, chain = shape(iter(sprinkled(600_000)))
    taken = []

    def take():
        if len(taken) < 5:
            taken.append(next(shared, "END"))

    with alarms(take, 0.003, 0.003):
        got = pf.list(chain)
    assert "END" not in taken
    skipped = 5 if isinstance(chain, itertools.islice) else 0
    assert len(got) + len(taken) == 600_000 - skipped


@pytest.mark.parametrize("kind", [list, bytearray, lambda xs: array.array("q", xs)])
def test_a_segment_grows_while_it_is_read(kind):
    size = 4_000_000 if kind is list else 16_000_000  # long enough that the signal comes before its end
    first, done = kind([1] * size), []

    def grow():
        if not done:
            done.append(True)
            first.extend(kind([1] * 10))

    chain = itertools.chain(first, [1] * 1_000_000)
    with alarms(grow, 0.002, 0.002):
        answer = pf.sum(int(math.sqrt(math.sqrt(math.sqrt(x)))) for x in chain)
    assert done
    assert answer == size + 1_000_010


@pytest.mark.parametrize("edit", [lambda segments: segments.pop(), lambda segments: segments.__setitem__(1, [1001] * 10)])
def test_the_list_of_segments_changes(edit):
    first = iter(range(8_000_000))  # long enough that the signal comes before its end
    segments = [first, [1] * 10]
    left = []

    def once():
        if not left:
            left.append(first.__length_hint__())
            edit(segments)

    with alarms(once, 0.002, 0.002):
        ones = pf.sum(math.sqrt(math.sqrt(math.sqrt(x))) == 1 for x in itertools.chain.from_iterable(segments))
    assert left[0] > 0
    assert ones == 1


@exact(native=True)
def test_a_segment_that_has_ended_before(p):
    ended = iter([1.5, 2.5])
    return (
        list(ended),
        p.sum(x * 2 for x in itertools.chain(ended, range(5, 50))),
        p.any(filter(lambda x: x > 100, itertools.chain(ended, range(9)))),
    )


@pytest.mark.parametrize("which", range(1, 8))
@pytest.mark.parametrize(
    "consume", [lambda m: pf.list(m), lambda m: pf.reduce(lambda a, b: a + b, m), lambda m: pf.max(m)]
)
def test_the_collector_takes_items_while_a_plan_is_made(which, consume):
    names = {"LIST": [1, 2], "partial": functools.partial}
    exec(
        f"def g(x, y=(1, {which})): return x + y[0] - {which}\nf = partial(g, y=(3, 4))\nh = lambda x: f(x) if x not in LIST else 5",
        names,
    )
    it, taken, seen = iter(range(1000)), [], []

    def callback(phase, info):
        seen.extend([phase] * (phase == "start"))
        if phase == "start" and len(seen) == which:
            taken.append(next(it, None))

    chain = map(names["h"], it)
    gc.collect()
    before = gc.get_threshold()
    gc.callbacks.append(callback)
    gc.set_threshold(1)
    try:
        with pf.config(min_rows=1):
            answer = consume(chain)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(callback)
    rows = [names["h"](x) for x in range(1000) if x not in taken]
    assert answer in (rows, sum(rows), max(rows))


# ---- items that change while a failed row is in CPython ----


class Edits:
    """Sets all items that are still to come to a number of its own, but for those that fail natively."""

    def __init__(self, n, every):
        self.xs, self.every = sprinkled(n, every), every
        self.it, self.log = iter(self.xs), []

    def __call__(self):
        taken = len(self.xs) - self.it.__length_hint__()
        rest = [1000 + len(self.log)] * (len(self.xs) - taken)
        first = -taken % self.every
        rest[first :: self.every] = [2**200] * len(rest[first :: self.every])
        self.xs[taken:] = rest
        if len(self.xs) - self.it.__length_hint__() == taken:
            self.log.append((taken, rest))
        else:
            self.log.append(None)  # another thread took some of them in between

    def expected(self):
        rows = sprinkled(len(self.xs), self.every)
        for taken, rest in self.log:
            rows[taken:] = rest
        return sum(x * 2 + 1 for x in rows)


@needs_engine
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rate", [12, 20, 50, 400])
def test_a_handler_edits_the_rows_that_are_to_come(rate, threads):
    for delay in (0.0003, 0.0006, 0.001, 0.002):
        edits = Edits(200_000, rate)

        def edit(*_, edits=edits):
            if edits.it.__length_hint__() and len(edits.log) < 4:
                edits()
                signal.setitimer(signal.ITIMER_REAL, 0.0005)

        with pf.config(threads=threads), alarms(edit, delay, delay):
            signal.setitimer(signal.ITIMER_REAL, delay)
            answer = pf.sum(x * 2 + 1 for x in edits.it)
        assert answer == edits.expected()


@needs_engine
@pytest.mark.parametrize("rate", [12, 20, 50, 400])
def test_a_thread_edits_the_rows_that_are_to_come(rate):
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        for delay in (0.0005, 0.001, 0.002, 0.004):
            edits = Edits(200_000, rate)

            def work(edits=edits, delay=delay):
                time.sleep(delay)
                edits()

            thread = threading.Thread(target=work)
            thread.start()
            answer = pf.sum(x * 2 + 1 for x in edits.it)
            thread.join()
            assert None in edits.log or answer == edits.expected()
    finally:
        sys.setswitchinterval(before)


@needs_engine
@pytest.mark.parametrize("rate", [12, 50, 400])
def test_a_finalizer_edits_the_rows_that_are_to_come(rate):
    class Garbage:
        def __init__(self, edits):
            self.itself, self.edits = self, edits

        def __del__(self):
            self.edits()

    before = gc.get_threshold()
    for threshold in (700, 3000, 20_000):
        edits = Edits(50_000, rate)
        gc.collect()
        gc.set_threshold(threshold)
        try:
            Garbage(edits)
            answer = pf.list((x, x * 2) for x in edits.it)
        finally:
            gc.set_threshold(*before)
        rows = sprinkled(50_000, rate)
        for taken, rest in edits.log:
            rows[taken:] = rest
        assert answer == [(x, x * 2) for x in rows]
        gc.collect()
        assert edits.log

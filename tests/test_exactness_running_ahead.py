"""exactness.md section 1: running ahead of user code. One test per line, in its order."""

from __future__ import annotations

import itertools
import math
import signal
import threading
import time
import warnings
from functools import partial

import pytest
from differential.check import exact, needs_engine, rest, same

import purefold as pf

G = 3
STOP = False


class Loud(int):
    """An int subclass whose arithmetic calls back."""

    act = None

    def __mul__(self, other):
        type(self).act(self, other)
        return int(self) * other

    __rmul__ = __mul__


def loud(action):
    return type("Loud", (Loud,), {"act": staticmethod(action)})


@exact()
def test_foreign_row_edits_a_later_row(p):
    xs = [1, 2, None, 3, 5]
    xs[2] = loud(lambda a, b: xs.__setitem__(3, 100))(4)
    return p.sum(x * 2 for x in xs), xs


@pytest.mark.parametrize("to", [201, 250, 299])
@pytest.mark.parametrize("settings", [{}, {"threads": 1}, {"min_rows": 0}])
def test_foreign_row_that_no_sample_sees_edits_a_later_row(to, settings):
    def work(p):
        answers = []
        for consume in (lambda xs: p.sum(x * 2 for x in xs), lambda xs: p.list(map(lambda x: x * 3, xs)), lambda xs: p.max(xs, key=lambda x: x * 2), lambda xs: p.any(x * 2 < 0 for x in xs)):
            for edit in (lambda xs: xs.__setitem__(to, -100), lambda xs: xs.clear(), lambda xs: xs.append(7), lambda xs: xs.append(None), lambda xs: xs.__setitem__(to, 2.5)):
                xs = list(range(300))
                xs[200] = loud(lambda a, b: edit(xs))(4)  # noqa: B023
                it = iter(xs)
                try:
                    answers.append((consume(it), rest(it), len(xs)))
                except TypeError as error:
                    answers.append((str(error), rest(it), len(xs)))
        return answers

    same(work, native=True if "min_rows" not in settings else None, **settings)


@exact()
def test_foreign_row_appends_and_rebinds_a_global(p):
    global G
    G = 3
    xs = [1, 2, 3]

    def action(a, b):
        global G
        G = 1000
        xs.append(7)

    xs[1] = loud(action)(2)
    try:
        return p.sum(x * G for x in xs)
    finally:
        G = 3


@exact()
def test_foreign_row_empties_the_list(p):
    xs = list(range(100))
    xs[5] = loud(lambda a, b: xs.clear())(4)
    it = iter(xs)
    return p.list(x * 2 for x in it), rest(it)


@exact()
def test_foreign_row_replaces_a_helper(p):
    space = {}
    exec("def f(x): return x * 2\ndef make(xs): return (f(x) for x in xs)", space)
    xs = list(range(3000))
    xs[1500] = loud(lambda a, b: space.__setitem__("f", lambda x: -x))(4)
    return p.sum(space["make"](xs))


@exact()
def test_foreign_row_swaps_the_code_of_a_helper(p):
    def f(x):
        return x * 2

    def g(x):
        return x * 3

    xs = list(range(3000))
    xs[1500] = loud(lambda a, b: setattr(f, "__code__", g.__code__))(4)
    return p.sum(map(f, xs)), p.sum(map(f, [1]))


@exact()
def test_purity_of_bytecode_says_nothing_about_foreign_operands(p):
    log = []
    xs = [loud(lambda a, b: log.append((int(a), b)))(i) for i in range(20)]
    return p.sum(x * x for x in xs), log


@pytest.mark.parametrize("n", [5, 1030])
def test_rows_after_the_stopping_row_have_no_effects(n):
    def work(p):
        log, answers = [], []
        for consume in (p.any, lambda c: p.next(c, None), lambda c: p.all(not x for x in c)):
            xs = [0] * n + [1] + [loud(lambda a, b: log.append(int(a)))(i) for i in range(9)]
            it = iter(xs)
            answers += [consume(x * 2 for x in it if x * 2 > 0), len(list(it))]
        return answers, log

    same(work)


@exact()
def test_rows_after_an_exception_have_no_effects(p):
    log = []
    xs = [3, 2, 0, *(loud(lambda a, b: log.append(int(a)))(i) for i in range(9))]
    it = iter(xs)
    try:
        p.sum(6 // x + x * 2 for x in it)
    except ZeroDivisionError as error:
        return repr(error), log, len(list(it))


@exact()
def test_pure_does_not_mean_terminating(p):
    def f(n):
        return 10 ** (10**n) > 5 if n < 3 else n

    return p.any(f(n) > 3 for n in (1, 2, 5, 50)), p.next(f(n) for n in iter((2, 50, 60)))


@exact()
def test_a_row_beyond_the_stop_may_be_endless(p):
    def f(n):
        while n > 10:
            n = n + 1 if n % 2 else n + 1
        return n

    it = iter([1, 2, 3, 11, 12])
    return p.any(f(n) == 3 for n in it), list(it)


def test_a_global_changed_by_a_timer_ends_an_endless_chain():
    global STOP
    for make in (lambda: pf.next(i for i in itertools.count() if STOP), lambda: pf.any(STOP for _ in itertools.repeat(0)),
                 lambda: pf.next(i for i in range(10**15) if STOP), lambda: pf.any(STOP for _ in range(10**15))):  # fmt: skip
        STOP = False
        timer = threading.Timer(0.1, globals().__setitem__, ("STOP", True))
        timer.start()
        with pf.config(threads=2, min_rows=1):
            started = time.monotonic()
            assert make() is not None
        assert time.monotonic() - started < 20
        timer.join()


def test_a_global_changed_by_a_signal_handler_ends_an_endless_chain():
    global STOP
    before = signal.signal(signal.SIGALRM, lambda *_: globals().__setitem__("STOP", True))
    try:
        for make in (lambda: pf.any(STOP for _ in range(10**15)), lambda: pf.next(i for i in range(10**15) if STOP)):
            STOP = False
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pf.config(threads=2, min_rows=1):
                assert make() is not None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        STOP = False


def test_a_cell_changed_by_a_thread_ends_an_endless_chain():
    def work():
        stop = False

        def set_it():
            nonlocal stop
            stop = True

        timer = threading.Timer(0.1, set_it)
        timer.start()
        with pf.config(threads=2, min_rows=1):
            assert pf.any(stop for _ in range(10**15))
        timer.join()

    work()


def raise_stop(x):
    if x == 3:
        raise StopIteration("three")
    return x


@exact()
def test_stop_iteration_out_of_map_ends_it(p):
    it = iter([1, 2, 3, 4, 5])
    m = map(raise_stop, it)
    return p.list(m), rest(m, it)


@exact()
def test_stop_iteration_in_a_generator_is_a_runtime_error(p):
    return p.list(raise_stop(x) for x in [1, 2, 3, 4])


@exact()
def test_stop_iteration_out_of_next_in_a_generator(p):
    empty = iter(())
    return p.sum(next(empty) for x in [1, 2])


@exact()
def test_a_row_warns_once(p):
    def f(x):
        if x % 7 == 0:
            warnings.warn(f"seven {x}", UserWarning, stacklevel=1)
        return x * 2

    return p.sum(f(x) for x in range(40)), p.list(map(f, range(20)))


@exact()
def test_failing_rows_run_foreign_code_once(p):
    log = []
    cls = loud(lambda a, b: log.append(int(a)))
    xs = [cls(i) if i % 3 == 0 else (i if i % 3 == 1 else 2**62) for i in range(2000)]
    return p.list(x * 5 for x in xs), log


@exact()
def test_giving_up_goes_on_from_the_frontier(p):
    log = []
    cls = loud(lambda a, b: log.append(int(a)))
    xs = [2**63 + i if i % 2 else cls(i) for i in range(3000)]
    return p.sum(x * 3 for x in xs), len(log), log[:50]


@exact()
def test_alias_zip(p):
    i = iter(range(11))
    return p.list(zip(i, i)), rest(i)


@exact()
def test_alias_zip_through_steps(p):
    i = iter(range(11))
    return p.list(zip((x * 2 for x in i), map(abs, i))), rest(i)


@exact()
def test_alias_through_a_cell(p):
    it = iter(range(10))
    return p.list((x, next(it)) for x in it), rest(it)


@exact()
def test_alias_through_an_inner_sum(p):
    it = iter(range(10))
    return p.list(x * sum(1 for _ in it) for x in it), rest(it)


@exact()
def test_alias_through_a_default(p):
    it = iter(range(10))

    def f(x, it=it):
        return x + next(it, 0)

    return p.list(f(x) for x in it), rest(it)


@exact()
def test_alias_through_partial(p):
    it = iter(range(10))

    def f(it, x):
        return x + next(it, 0)

    return p.list(map(partial(f, it), it)), rest(it)


@exact()
def test_alias_through_a_bound_method(p):
    it = iter(range(10))
    return p.list(map(it.__next__().__add__, it)), rest(it)


@exact()
def test_alias_through_chain(p):
    it = iter(range(6))
    return p.list(itertools.chain(itertools.islice(it, 2), it)), p.list(zip(it, range(3)))


@exact()
def test_captured_list_is_read_anew(p):
    xs = [5, 1, 2]
    results = []
    for _ in range(4):
        results.append(p.list(xs[0] * x for x in xs))
        xs[0] += 1
    return results


@exact()
def test_mutable_default_is_read_anew(p):
    def f(x, acc=[100]):  # noqa: B006
        return acc[0] + x

    first = p.list(f(x) for x in [1])
    f.__defaults__[0][0] = 101
    return first, p.list(f(x) for x in [1])


@exact()
def test_mutated_default_counts(p):
    def f(x, acc=[0]):  # noqa: B006
        acc[0] += x
        return acc[0]

    return p.list(map(f, range(10))), f.__defaults__


@exact()
def test_scalars_are_parameters(p):
    def work(k):
        return p.sum(x * k for x in range(40))

    return [work(k) for k in (1, 2, 2.5, True, 2**40, 2**62, 10**30, -0.0)]


@exact()
def test_a_rebound_global_is_noticed(p):
    global G
    results = []
    try:
        for value in (1, 2, 2.5, 2**63, True):
            G = value
            results.append(p.list(x * G for x in range(5)))
    finally:
        G = 3
    return results


@exact()
def test_a_rebound_builtin_is_noticed(p):
    space = {"xs": [-1, 2, -3]}
    exec("def make(): return (abs(x) for x in xs)", space)
    first = p.list(space["make"]())
    space["abs"] = lambda x: x - 1
    second = p.list(space["make"]())
    del space["abs"]
    return first, second, p.list(space["make"]())


@exact()
def test_a_rebound_math_function_is_noticed(p):
    first = p.list(math.sqrt(x) for x in range(4))
    sqrt = math.sqrt
    try:
        math.sqrt = lambda x: -x
        second = p.list(math.sqrt(x) for x in range(4))
    finally:
        math.sqrt = sqrt
    return first, second


@exact()
def test_replaced_defaults_and_keyword_defaults_are_noticed(p):
    def f(x, k=2, *, m=3):
        return x * k + m

    first = p.list(f(x) for x in range(4))
    f.__defaults__ = (5,)
    second = p.list(f(x) for x in range(4))
    f.__kwdefaults__ = {"m": 0.5}
    return first, second, p.list(f(x) for x in range(4))


@needs_engine
def test_the_native_road_is_taken_at_all():
    assert same(lambda p: p.sum(x * 2 for x in range(1000) if x % 3), native=True)["rows_native"] == 1000

"""exactness.md sections 7 and 8: the drop-ins themselves, and the rest."""

from __future__ import annotations

import functools
import gc
import itertools
import operator
import pickle
import subprocess
import sys
import typing

import pytest
from differential.check import exact, needs_engine, same
from test_exactness_memory import check_script, run_script

import purefold as pf

FUNCTIONS = ("sum", "min", "max", "any", "all", "next")


@needs_engine
@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_drop_in_shows_of_itself(name):
    import builtins

    ours, plain = getattr(pf, name), getattr(builtins, name)
    assert ours.__name__ == plain.__name__ and ours.__qualname__ == plain.__qualname__
    assert ours.__text_signature__ == plain.__text_signature__
    assert type(ours) is type(plain)
    assert pickle.loads(pickle.dumps(ours)) is ours
    assert ours.__doc__


@needs_engine
def test_type_drop_ins_are_the_types_where_they_can_be():
    assert isinstance([], pf.list) and issubclass(list, pf.list) and pf.list == list and hash(pf.list) == hash(list)  # noqa: E721
    assert isinstance(pf.list(x for x in (1,)), list) and type(pf.list((1,))) is list and type(pf.tuple([1])) is tuple
    assert pf.list[int] == list[int] or typing.get_args(pf.list[int]) == (int,)
    assert {list: 1}[pf.list] == 1
    match [1]:
        case pf.list():
            pass
        case _:
            raise AssertionError

    class Sub(pf.list):
        pass

    assert issubclass(Sub, list) and Sub([1, 2]) == [1, 2] and type(Sub(x for x in (1,))) is Sub
    assert pf.list | None == list | None
    dispatch = functools.singledispatch(lambda x: "other")
    dispatch.register(pf.list, lambda x: "list")
    assert dispatch([]) == "list"


BAD_CALLS = [
    lambda p: p.sum(), lambda p: p.sum(1), lambda p: p.sum([1], 2, 3), lambda p: p.sum([1], foo=1), lambda p: p.sum(iterable=[1]), lambda p: p.min(), lambda p: p.min(1), lambda p: p.min([]), lambda p: p.min([1], foo=2),
    lambda p: p.max(1, 2, default=3), lambda p: p.max(None), lambda p: p.max([1], key=3), lambda p: p.any(), lambda p: p.any(1), lambda p: p.any([1], [2]), lambda p: p.any(iterable=[1]), lambda p: p.all(3.5), lambda p: p.next([1]),
    lambda p: p.next(), lambda p: p.next(iter(()), 1, 2), lambda p: p.next(x for x in ()), lambda p: p.list(1), lambda p: p.list([1], [2]), lambda p: p.list(iterable=[1]), lambda p: p.tuple(1), lambda p: p.tuple(x=1), lambda p: p.reduce(),
    lambda p: p.reduce(lambda a, b: a, []), lambda p: p.reduce(lambda a, b: a, 5), lambda p: p.reduce(None, [1]), lambda p: p.reduce(None, [1, 2]), lambda p: p.reduce(lambda a: a, [1, 2]), lambda p: p.reduce(function=None, sequence=[1]),
    lambda p: p.list(map(None, [1])), lambda p: p.list(map(3, [1])), lambda p: p.sum(map(lambda: 1, [1])), lambda p: p.sum(map(lambda a, b: 1, [1])), lambda p: p.list(filter(lambda: 1, [1])), lambda p: p.list(x.y for x in [1]),
    lambda p: p.sum("ab"), lambda p: p.sum(x for x in "ab"), lambda p: p.list(), lambda p: p.tuple(), lambda p: p.sum(b"ab"), lambda p: p.list(enumerate([1], "a")), lambda p: p.max(None, None), lambda p: p.min({}, default=None),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(BAD_CALLS)))
def test_calls_and_messages(number):
    same(BAD_CALLS[number])


@exact()
def test_lru_cache_hits_misses_and_order(p):
    @functools.lru_cache(maxsize=4)
    def f(x):
        return x * 2

    answers = p.list(f(x % 6) for x in range(40)), p.sum(map(f, [1, 2, 1])), p.any(f(x) > 6 for x in range(9))
    return answers, f.cache_info(), [f.cache_info().misses for x in (5, 4, 3, 2, 1) if f(x) or True]


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


@exact()
def test_recursion(p):
    fact = lambda n: 1 if n < 2 else n * fact(n - 1)
    return p.list(map(fact, range(30))), p.list(even(n) for n in range(20)), p.sum(map(odd, range(30)))


@exact()
def test_recursion_too_deep(p):
    down = lambda n: down(n + 1)
    try:
        p.list(map(down, [1]))
    except RecursionError as error:
        return str(error)


@exact()
def test_functions_with_loops_and_reductions(p):
    def collatz(n):
        steps = 0
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            steps += 1
        return steps

    return p.max(map(collatz, range(1, 300))), p.list(sum(range(x)) for x in range(20)), p.list(n for n in range(2, 60) if all(n % d for d in range(2, int(n**0.5) + 1)))


@exact()
def test_writes_are_seen_in_order(p):
    log, counter = [], {"n": 0}

    def f(x):
        log.append(x)
        counter["n"] += 1
        return x * counter["n"]

    it = iter(range(10))
    return p.list(map(f, it)), p.any(f(x) > 20 for x in range(9)), log, counter


@exact()
def test_writing_a_global_and_a_cell(p):
    total = 0

    def f(x):
        nonlocal total
        total += x
        return total

    return p.list(f(x) for x in range(9)), total


@exact()
def test_arguments_that_are_changed(p):
    rows = [[1], [2], [3]]
    return p.list(r.append(5) for r in rows), p.sum(r.pop() for r in rows), rows


@exact()
def test_code_that_is_replaced_between_calls(p):
    f = lambda x: x + 1
    first = p.list(map(f, range(5)))
    f.__code__ = (lambda x: x * 100).__code__
    return first, p.list(map(f, range(5)))


@exact()
def test_callables_that_are_not_functions(p):
    class C:
        def __init__(self):
            self.n = 0

        def __call__(self, x):
            self.n += 1
            return x * self.n

        def method(self, x):
            return x + self.n

        @classmethod
        def cm(cls, x):
            return x, cls.__name__

        @staticmethod
        def sm(x):
            return -x

    c = C()
    return p.list(map(c, range(5))), p.list(map(c.method, range(3))), p.list(map(C.cm, [1])), p.list(map(C.sm, [1])), p.list(map(str, [1, 2.5, None])), p.list(map("{}-{}".format, [1], [2])), p.list(map([10, 20].__getitem__, [1, 0])), p.list(map(int, "123"))


@exact()
def test_wrapped_functions(p):
    log = []

    def logged(f):
        @functools.wraps(f)
        def inner(*args):
            log.append(args)
            return f(*args)

        return inner

    @logged
    def f(x):
        return x * 2

    return p.list(map(f, range(5))), log


@exact()
def test_exceptions_have_context_and_cause(p):
    def f(x):
        try:
            return 1 // (x - 3)
        except ZeroDivisionError as error:
            raise ValueError(x) from error

    def g(x):
        try:
            return 1 // (x - 3)
        except ZeroDivisionError:
            return [][x]

    outcomes = []
    for h in (f, g):
        try:
            p.list(map(h, range(9)))
        except Exception as error:
            outcomes.append(error)
    return outcomes


@exact()
def test_an_exception_inside_an_except_block_has_its_context(p):
    try:
        raise KeyError("outer")
    except KeyError:
        return p.sum(1 // x for x in [1, 0])


@exact()
def test_an_exception_through_every_step(p):
    boom = lambda x: 1 // (x - 5)
    it = iter(range(10))
    try:
        p.list(itertools.starmap(lambda i, x: x, enumerate(zip(map(boom, filter(lambda x: x != 3, (x for x in it))), range(99)))))
    except ZeroDivisionError as error:
        return error, list(it)


@exact()
def test_nested_calls_of_drop_ins(p):
    return p.sum(p.sum(x * y for y in range(5)) for x in range(6)), p.list(p.tuple(range(n)) for n in range(4)), p.max(p.list(p.min(x, 3) for x in range(9))), p.list(map(p.sum, [[1, 2], [3.5], ()])), p.list(map(p.list, ["ab", ()])), p.sum(map(p.len if hasattr(p, "len") else len, ["ab", ()]))


@exact()
def test_drop_ins_as_functions_of_steps(p):
    return p.list(map(p.max, [1, 5], [3, 2])), p.reduce(p.max, [3, 9, 2]), p.list(filter(p.any, [[0], [1]])), p.list(map(p.next, [iter([1]), iter([2])])), p.list(itertools.starmap(p.min, [(1, 2), (4, 3)]))


@exact()
def test_starargs_and_defaults(p):
    f = lambda *a, **k: (len(a), sorted(k))
    g = lambda a, /, b=2, *, c=3: a + b * c
    return p.list(map(f, [1], [2])), p.list(g(x) for x in range(3)), p.list(g(x, c=1) for x in range(3)), p.list(g(x, b=5) for x in range(3)), p.list(map(functools.partial(g, c=x), [1, 2]) is not None for x in [1])


@exact()
def test_reading_captured_containers(p):
    table, weights, names = [3, 1, 2], (10, 20, 30), {"a": 1}
    return p.list(table[i % 3] for i in range(9)), p.list(weights[i % 3] for i in range(9)), p.sum(names["a"] for _ in range(5)), p.list(x in table for x in range(5)), p.list(len(table) for _ in range(3)), p.list(operator.itemgetter(1)(weights) for _ in range(2))


@needs_engine
def test_threads_are_gone_after_use_when_forking_is_asked_for():
    assert "False" not in check_script("""
        import os, threading
        import purefold as pf
        pf.sum(x * 2 for x in range(10**6))
        print(threading.active_count() == 1, [t.name for t in threading.enumerate()] == ["MainThread"])
    """).stdout


@needs_engine
def test_import_brings_little():
    done = run_script("import sys; before = set(sys.modules); import purefold; print(len(set(sys.modules) - before), 'numpy' in sys.modules, 'llvmlite' in sys.modules)")
    assert done.stdout.split()[1:] == ["False", "False"] and int(done.stdout.split()[0]) < 40


@needs_engine
@pytest.mark.parametrize("flag", ["-O", "-OO", "-bb", "-X dev", "-W error", "-I -S"])
def test_interpreter_flags(flag):
    script = "import sys; sys.path[:0] = %r\nimport purefold as pf\nassert pf.sum(x * 2 for x in range(1000)) == 999000 or 1 / 0\nprint(pf.list(x for x in [1, None] if x))" % [p for p in sys.path if p]
    done = subprocess.run([sys.executable, *flag.split(), "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout == "[1]\n", done.stderr


@needs_engine
def test_stats_add_up():
    with pf.config(threads=2, min_rows=1):
        before = pf.stats()
        pf.sum(x * 2 for x in range(1000))
        pf.sum(x for x in {1, 2})
        after = pf.stats()
    assert after["calls"] - before["calls"] == 2
    assert after["calls_native"] - before["calls_native"] == 1 and after["calls_fallback"] - before["calls_fallback"] == 1
    assert after["rows_native"] - before["rows_native"] == 1000


def test_collecting_while_the_module_is_in_use():
    with pf.config(threads=2, min_rows=1):
        for i in range(200):
            f = eval(f"lambda x: x + {i}")
            assert pf.sum(map(f, range(50))) == 1225 + 50 * i
            del f
            if i % 50 == 0:
                gc.collect()

"""Purity from bytecode: each rule of ext/effects.h, with its reason, its name and its place."""

from __future__ import annotations

import gc
import importlib
import math
import operator
import sys
import types
from functools import partial

import effects_corpus
import pytest
from effects_corpus import (
    CONFIG,
    IMPURE,
    LIMIT,
    NUMBERS,
    PURE,
    Config,
    Point,
    get_first,
    helper,
    p_calls,
    partial_helper,
)

from purefold import _engine

SUPPORTED = sys.version_info[:2] in {(3, 11), (3, 12), (3, 13)}
pytestmark = pytest.mark.skipif(not SUPPORTED, reason="no decoder table for this version")


def verdict(function):
    return _engine._effects(function)


def reason(function):
    v = verdict(function)
    return v["reason"], v["name"]


@pytest.mark.parametrize("function", PURE, ids=lambda f: f.__name__)
def test_pure(function):
    v = verdict(function)
    assert v["pure"], _describe(v)
    assert v["reason"] == "none"
    assert v["function"] is v["file"] is v["name"] is v["unresolved"] is None


def _describe(v):
    return f"{v['reason']} {v['name']} in {v['function']}:{v['line']}:{v['col']}"


@pytest.mark.parametrize(
    "callable_",
    [abs, len, math.sqrt, int, str.upper, operator.add, partial_helper, get_first, Point, ValueError, partial(pow, 2)],
    ids=repr,
)
def test_pure_callables_that_are_no_functions(callable_):
    assert verdict(callable_)["pure"]


@pytest.mark.parametrize("function", IMPURE, ids=lambda f: f.__name__)
def test_impure(function):
    assert not verdict(function)["pure"]
    assert reason(function) == IMPURE[function]


def test_every_impure_function_of_the_corpus_is_in_the_table():
    assert {f.__name__ for f in IMPURE} == {n for n in vars(effects_corpus) if n.startswith("i_")}


@pytest.mark.parametrize(
    ("callable_", "code"),
    [
        (print, "impure-call"),
        (open, "impure-call"),
        (Config, "unknown-call"),
        (3, "not-a-function"),
        (map, "unknown-call"),
    ],
)
def test_impure_callables_that_are_no_functions(callable_, code):
    assert verdict(callable_)["reason"] == code


def test_nonlocal_of_somebody_else():
    n = 0

    def up():
        nonlocal n
        n += 1

    assert reason(up) == ("writes-nonlocal", "n")


def test_own_cells_may_be_written():
    def f(xs):
        n = 0

        def add(x):
            nonlocal n
            n += x

        for x in xs:
            add(x)
        return n

    assert verdict(f)["pure"]


def test_place_is_that_of_the_offending_instruction():
    def outer(x):
        y = x + 1
        return y + inner(y)

    def inner(y):
        return 2 * print(y)

    v = verdict(outer)
    assert v["function"].endswith("<locals>.inner")
    assert v["file"] == __file__
    assert v["line"] == inner.__code__.co_firstlineno + 1
    assert v["col"] == len("        return 2 * ") + 1
    assert v["sentence"]
    assert v["hint"]


def test_captured_cells():
    numbers, n = [1, 2], 3

    def reads(x):
        return numbers[0] + n + x

    def writes(x):
        numbers.append(x)

    assert verdict(reads)["pure"]
    assert reason(writes) == ("mutates-captured", "numbers")


def test_generator_expressions_by_their_code():
    numbers = [1]
    plain = (x * LIMIT + abs(x) for x in numbers if x)
    noisy = (print(x) for x in numbers)
    closing = (x + numbers[0] for x in numbers)
    assert verdict(plain.gi_code)["pure"]
    assert reason(noisy.gi_code) == ("impure-call", "print")
    assert reason(closing.gi_code) == ("unknown-call", None)  # its cells are not known here


def test_names_not_defined_yet():
    namespace = {}
    exec("def f(x): return g(x) + h\ndef k(x): return print(x) + g(x)", namespace)
    v = verdict(namespace["f"])
    assert (v["pure"], v["reason"], v["name"], v["unresolved"]) == (False, "unresolved", "g", ["g", "h"])
    assert v["line"] == 1
    assert verdict(namespace["k"])["reason"] == "impure-call"  # an offence weighs more than a missing name
    namespace.update(g=abs, h=1)
    assert verdict(namespace["f"])["pure"]


def test_empty_cell_is_not_defined_yet():
    def outer():
        def f(x):
            return later(x)

        assert verdict(f)["reason"] == "unresolved"
        later = abs
        assert verdict(f)["pure"]

    outer()


def test_shadowed_builtin_is_what_counts():
    namespace = {"abs": print}
    exec("def f(x): return abs(x)", namespace)
    assert reason(namespace["f"]) == ("impure-call", "print")


def test_module_attributes():
    module = types.ModuleType("m")
    namespace = {"m": module}
    exec("def f(x): return m.g(x)", namespace)
    assert verdict(namespace["f"])["reason"] == "unresolved"
    module.g = abs
    assert verdict(namespace["f"])["pure"]
    module.g = print
    assert verdict(namespace["f"])["reason"] == "impure-call"


def test_a_default_counts_where_it_is_used():
    def f(x, g=print):
        return g(x)

    def h(x):
        return f(x, abs)

    assert reason(f) == ("impure-call", "print")
    assert verdict(h)["pure"]


def test_immutable_default_is_an_argument():
    def f(x, y=()):
        y.append(x)

    assert reason(f) == ("mutates-argument", "y")


def test_large_function_ends():
    body = "\n".join(f"    if x == {i}: y = [y]" for i in range(2000))
    namespace = {}
    exec(f"def f(x, y):\n{body}\n    return y", namespace)
    assert verdict(namespace["f"])["pure"]


def test_endless_contexts_end():
    def f(g, n):
        return f(lambda x: g(x), n - 1) if n else g(0)

    assert verdict(lambda: f(abs, 3))["reason"] in {"none", "too-complex"}


def test_no_user_code_runs_and_nothing_is_audited():
    ran = []

    class Nosy:
        def __getattribute__(self, name):
            ran.append(name)
            return object.__getattribute__(self, name)

        def __hash__(self):
            ran.append("hash")
            return 1

        def __eq__(self, other):
            ran.append("eq")
            return True

    nosy = Nosy()

    def f(x):
        return nosy.a + nosy.b(x) + x[nosy]

    events, armed = [], []

    def hook(event, args):
        if armed:
            events.append(event)

    sys.addaudithook(hook)
    armed.append(True)
    _engine._effects(f)
    for function in PURE:
        _engine._effects(function)
    armed.clear()
    assert ran == []
    assert events == []


def test_nothing_leaks():
    def run():
        for function in [*PURE, *IMPURE]:
            _engine._effects(function)

    run()
    gc.collect()
    before = sys.getrefcount(helper), sys.getrefcount(NUMBERS), sys.getrefcount(CONFIG), len(gc.get_objects())
    for _ in range(5):
        run()
    gc.collect()
    after = sys.getrefcount(helper), sys.getrefcount(NUMBERS), sys.getrefcount(CONFIG), len(gc.get_objects())
    assert after[:3] == before[:3]
    assert after[3] - before[3] < 20


def test_running_out_of_memory_is_a_memory_error_and_leaks_nothing():
    before = _engine._mem_live()
    failures = 0
    for n in range(200):
        _engine._mem_fail_after(n)
        try:
            assert verdict(p_calls)["pure"]
        except MemoryError:
            failures += 1
        finally:
            _engine._mem_fail_after(-1)
        assert _engine._mem_live() == before
    assert 10 < failures < 200


@pytest.mark.parametrize("name", ["statistics", "inspect", "difflib", "textwrap", "ipaddress", "traceback", "argparse"])
def test_the_analysis_of_ordinary_code_ends(name):
    module = importlib.import_module(name)
    functions = [f for f in vars(module).values() if isinstance(f, types.FunctionType)]
    functions += [f for c in vars(module).values() if isinstance(c, type) for f in vars(c).values()]
    for function in functions:
        if isinstance(function, types.FunctionType):
            assert verdict(function)["reason"] not in {"too-complex", "unknown-bytecode"}, function

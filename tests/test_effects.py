"""Purity from bytecode: each rule of ext/effects.h, with its reason, its name and its place."""

# ruff: noqa: B006, B010, F841
from __future__ import annotations

import functools
import gc
import importlib
import itertools
import math
import numbers
import operator
import random
import sys
import time
import types
from collections import namedtuple
from functools import partial, reduce

import pytest

from purefold import _engine

SUPPORTED = sys.version_info[:2] in {(3, 11), (3, 12), (3, 13)}
pytestmark = pytest.mark.skipif(not SUPPORTED, reason="no decoder table for this version")

LIMIT = 3
TABLE = {"a": 1, "b": 2}
NUMBERS = [1, 2, 3]
ROWS = [[1], [2]]
ITERATOR = iter([1, 2, 3])
OBJECTS = [object.__new__(type("Foreign", (), {}))]
COUNTER = 0
FUNCTIONS = {"abs": abs, "print": print}
Point = namedtuple("Point", "x y")


class Config:
    rate = 2

    def __init__(self):
        self.factor = 3

    @property
    def computed(self):
        return 1


CONFIG = Config()


class Number:
    def __add__(self, other):
        return time.time()


NUMBER = Number()


class Gettable(namedtuple("Gettable", "a")):
    def get(self, key):
        return print(key)


class Failure(Exception):
    pass


class NoisyFailure(Exception):
    def __init__(self, text):
        print(text)


def verdict(function):
    return _engine._effects(function)


def reason(function):
    v = verdict(function)
    return v["reason"], v["name"]


# ---- pure ----


def helper(x):
    return x * LIMIT


def fill(target, n):
    for i in range(n):
        target.append(i)


def apply(f, x):
    return f(x)


def make_list(n):
    return [0] * n


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


def p_arithmetic(x, y):
    return (x + y) ** 2 // 3 % 7 - -x


def p_global(x):
    return x + LIMIT


def p_captured_contents(x):
    return TABLE[x] + NUMBERS[0] + TABLE.get(x, 0) + sum(NUMBERS) + ROWS[0][0]


def p_loop(xs):
    total = 0
    for x in xs:
        total += x
    return total


def p_countdown(n):
    s = 0
    while n > 0:
        s += n
        n -= 1
    return s


def p_own_list(n):
    out = []
    for i in range(n):
        out.append(i * i)
    out[0] = 5
    out += [7]
    out.sort(key=lambda v: -v)
    del out[1:2]
    return out


def p_own_grid(n):
    grid = [[0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            grid[i][j] = i * j
    return grid[-1][-1]


def p_own_dict(words):
    counts = {}
    for w in words:
        counts[w] = counts.get(w, 0) + 1
        counts.setdefault(w, 0)
    counts.update(a=1)
    return counts


def p_own_dict_of_lists(pairs):
    groups = {}
    for k, v in pairs:
        groups.setdefault(k, []).append(v)
    return groups


def p_alias_of_own(n):
    out = []
    append = out.append
    for i in range(n):
        append(i)
    return out


def p_comprehensions(xs):
    return [x + 1 for x in xs], {x for x in xs}, {x: 1 for x in xs}, sum(x for x in xs if x)


def p_nested_comprehension(xss):
    return [[y * LIMIT for y in xs] for xs in xss]


def p_walrus_in_comprehension(xs):
    return [y for x in xs if (y := x + 1) > 2], y


def p_calls(x):
    return helper(x) + math.sqrt(x) + abs(min(x, 2)) + round(x, 1) + len(str(x))


def p_recursive(n):
    return 1 if n < 2 else n * p_recursive(n - 1)


def p_mutual(n):
    return even(n)


def p_higher_order(xs):
    return apply(lambda v: v + 1, sum(map(helper, filter(None, xs)))) + reduce(lambda a, b: a + b, xs, 0)


def p_fill_own(n):
    out = []
    fill(out, n)
    return out


def p_fill_helper_made(n):
    out = make_list(n)
    out[0] = 1
    return out


def p_closure(x):
    def inner(y):
        return x + y

    return inner(1)


def p_counter_inside():
    n = 0

    def up():
        nonlocal n
        n += 1
        return n

    return up() + up()


def p_returns_closure(x):
    return lambda y: x + y


def p_raises(x):
    if x < 0:
        raise ValueError(f"negative: {x}")
    if x == 1:
        raise Failure("one")
    if x == 2:
        raise AssertionError("two")
    return x


def p_try(x):
    try:
        return 1 / x
    except (ZeroDivisionError, TypeError):
        return None
    finally:
        x = 0


def p_strings(s):
    return s.strip().upper().split(",") + ["".join(reversed(s))] + [f"{s!r:>10}".replace("a", "b")]


def p_methods_of_constants(x):
    return ", ".join(map(str, x)), "%s" % x, (1).bit_length(), str.upper(x), dict.fromkeys(x)


def p_generator(xs):
    for x in xs:
        if x:
            yield x
    yield from xs


def p_uses_generator(xs):
    return list(p_generator(xs))


def p_unpack(p):
    (a, b), *c = p
    return a, b, c


def p_itertools(xs):
    return list(itertools.islice(itertools.chain(xs, [1]), 3)), list(itertools.accumulate(xs, operator.add))


def p_next_of_own(xs):
    it = iter(xs)
    return next(it, None)


def p_zip(xs, ys):
    return [a * b for i, (a, b) in enumerate(zip(xs, ys))]


def p_namedtuple(x):
    return Point(x, y=1).x


def p_partial(x):
    return partial_helper(x) + get_first(x)


def p_captured_instance(x):
    return x * CONFIG.factor * CONFIG.rate


def p_star(*args, **kwargs):
    kwargs["x"] = args
    return max(*args)


def p_match(x):
    match x:
        case [a, *rest]:
            return a
        case {"k": v}:
            return v
        case str():
            return x
    return None


def p_slices(xs):
    ys = xs[::2]
    ys.append(1)
    zs = xs[1:]
    zs[0] = 2
    return ys


def p_default_function(x, f=math.floor):
    return f(x)


def p_sorted_then_used(words):
    return sorted(words, key=len)[0].strip() + max(words, key=lambda w: w[0]).upper()


def p_isinstance(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool) and len(FUNCTIONS) > 1 and x in FUNCTIONS


def p_getters(rows):
    return sorted(rows, key=operator.itemgetter(1)), sorted(rows, key=operator.attrgetter("x"))


def p_module_constant(xs):
    least = sys.maxsize
    for x in xs:
        least = min(least, x)
    return least


def p_static(x):
    return Tools.twice(x)


class Tools:
    @staticmethod
    def twice(x):
        return 2 * x


partial_helper = partial(apply, helper)
get_first = operator.itemgetter(0)

PURE = [value for name, value in list(globals().items()) if name.startswith("p_")]


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


# ---- not pure ----


def i_global(x):
    global COUNTER
    COUNTER += x


def i_delete_global():
    global COUNTER
    del COUNTER


def i_argument(xs):
    xs.append(1)


def i_argument_item(xs):
    xs[0].append(1)


def i_argument_subscript(d, k):
    d[k] = 1


def i_argument_delete(d, k):
    del d[k]


def i_argument_attribute(obj):
    obj.x = 1


def i_argument_alias(xs):
    ys = xs
    ys.pop()


def i_argument_in_own(xs):
    box = [xs]
    box[0].append(1)


def i_argument_in_loop(rows):
    for row in rows:
        row.sort()


def i_argument_in_comprehension(rows):
    return [row.append(1) for row in rows]


def i_argument_by_helper(xs):
    fill(xs, 2)


def i_argument_plus_list(xs):
    xs += [1]
    return xs


def i_argument_enumerated(rows):
    for _, row in enumerate(rows):
        row[0] = 1


def i_default(x, acc=[]):
    acc.append(x)
    return acc


def i_kwdefault(x, *, acc={}):
    acc[x] = 1


def i_captured(x):
    NUMBERS.append(x)


def i_captured_item(x):
    ROWS[0].append(x)


def i_captured_alias(x):
    box = [ROWS]
    box[0][0] = x


def i_captured_method(x):
    return list(map(NUMBERS.append, x))


def i_captured_iterator(x):
    return next(ITERATOR) + x


def i_captured_iterator_summed(x):
    return sum(ITERATOR) + x


def i_argument_iterator(it):
    return next(it)


def i_maybe_argument(xs, c):
    ys = [] if c else xs
    ys.append(1)


def i_print(x):
    print(x)
    return x


def i_print_in_lambda(xs):
    return sum(map(lambda x: print(x) or x, xs))


def i_print_in_key(xs):
    return sorted(xs, key=print)


def i_random(x):
    return random.random() * x


def i_time(x):
    return time.time() * x


def i_open(x):
    return open(x)


def i_nested_helper(x):
    return [i_print(y) for y in x]


def i_import(x):
    import os

    return os


def i_with(x):
    with x:
        return 1


def i_class(x):
    class Local:
        pass

    return Local


async def i_async(x):
    return x


async def i_await(x):
    await x


def i_unknown_argument_call(f, x):
    return f(x)


def i_unknown_method(x):
    return x.frobnicate()


def i_foreign_operator(x):
    return NUMBER + x


def i_foreign_item(x):
    return OBJECTS[0] + x


def i_foreign_in_own(x):
    return str([NUMBER, x])


def i_foreign_compared(x):
    return [[NUMBER]] == x


def i_foreign_hashed(x):
    return {NUMBER: x}


def i_foreign_sorted(x):
    return sorted([x, NUMBER])


def i_foreign_abc(x):
    return isinstance(x, (int, numbers.Number))


def i_function_from_table(x):
    return FUNCTIONS[x](1)


def i_function_among_keys(x):
    d = {print: 1}
    return [f(x) for f in d]


def i_bound_in_own(x):
    out = []
    out.append(out.missing)
    return out[0].more()


def i_fold_of_folds(x):
    return reduce(reduce, [reduce], reduce)


def i_foreign_property(x):
    return CONFIG.computed + x


def i_foreign_get(x):
    return Gettable(x).get(1)


def i_noisy_exception(x):
    raise NoisyFailure(x)


def i_object_setattr(x):
    object.__setattr__(x, "y", 1)


def i_setattr(x):
    setattr(x, "y", 1)


def i_exec(x):
    exec(x)


def i_type_of_argument(x):
    return type(x)()


def i_getattr_call(x, name):
    return getattr(x, name)()


def i_handler(x):
    try:
        return 1 / x
    except ZeroDivisionError:
        print("zero")


def i_finally(x):
    try:
        return 1 / x
    finally:
        NUMBERS.append(x)


def i_generator(xs):
    for x in xs:
        print(x)
        yield x


def i_uses_generator(xs):
    return sum(i_generator(xs))


def i_partial(xs):
    return list(map(partial(apply, print), xs))


IMPURE = {
    i_global: ("writes-global", "COUNTER"),
    i_delete_global: ("writes-global", "COUNTER"),
    i_argument: ("mutates-argument", "xs"),
    i_argument_item: ("mutates-argument", "xs"),
    i_argument_subscript: ("mutates-argument", "d"),
    i_argument_delete: ("mutates-argument", "d"),
    i_argument_attribute: ("mutates-argument", "obj"),
    i_argument_alias: ("mutates-argument", "xs"),
    i_argument_in_own: ("mutates-argument", "xs"),
    i_argument_in_loop: ("mutates-argument", "rows"),
    i_argument_in_comprehension: ("mutates-argument", "rows"),
    i_argument_by_helper: ("mutates-argument", "xs"),
    i_argument_plus_list: ("mutates-argument", "xs"),
    i_argument_enumerated: ("mutates-argument", "rows"),
    i_default: ("mutates-default", "acc"),
    i_kwdefault: ("mutates-default", "acc"),
    i_captured: ("mutates-captured", "NUMBERS"),
    i_captured_item: ("mutates-captured", "ROWS"),
    i_captured_alias: ("mutates-captured", "ROWS"),
    i_captured_method: ("mutates-captured", "NUMBERS"),
    i_captured_iterator: ("consumes-iterator", "ITERATOR"),
    i_captured_iterator_summed: ("consumes-iterator", "ITERATOR"),
    i_argument_iterator: ("consumes-iterator", "it"),
    i_maybe_argument: ("mutates-argument", "xs"),
    i_print: ("impure-call", "print"),
    i_print_in_lambda: ("impure-call", "print"),
    i_print_in_key: ("impure-call", "print"),
    i_random: ("impure-call", "random"),
    i_time: ("impure-call", "time"),
    i_open: ("impure-call", "open"),
    i_nested_helper: ("impure-call", "print"),
    i_import: ("imports", "os"),
    i_with: ("context-manager", None),
    i_class: ("class-body", None),
    i_async: ("awaits", None),
    i_await: ("awaits", None),
    i_unknown_argument_call: ("unknown-call", "f"),
    i_unknown_method: ("impure-method", "frobnicate"),
    i_foreign_operator: ("unknown-call", "Number"),
    i_foreign_item: ("unknown-call", None),
    i_foreign_in_own: ("unknown-call", None),
    i_foreign_compared: ("unknown-call", "Number"),
    i_foreign_hashed: ("unknown-call", "Number"),
    i_foreign_sorted: ("unknown-call", None),
    i_foreign_abc: ("unknown-call", None),
    i_function_from_table: ("unknown-call", None),
    i_function_among_keys: ("impure-call", "print"),
    i_bound_in_own: ("unknown-call", None),
    i_fold_of_folds: ("unknown-call", None),
    i_foreign_property: ("unknown-call", "computed"),
    i_foreign_get: ("unknown-call", "Gettable"),
    i_noisy_exception: ("unknown-call", "NoisyFailure"),
    i_object_setattr: ("impure-method", "__setattr__"),
    i_setattr: ("impure-call", "setattr"),
    i_exec: ("impure-call", "exec"),
    i_type_of_argument: ("unknown-call", None),
    i_getattr_call: ("unknown-call", None),
    i_handler: ("impure-call", "print"),
    i_finally: ("mutates-captured", "NUMBERS"),
    i_generator: ("impure-call", "print"),
    i_uses_generator: ("impure-call", "print"),
    i_partial: ("unknown-call", "functools.partial"),
}


@pytest.mark.parametrize("function", IMPURE, ids=lambda f: f.__name__)
def test_impure(function):
    assert not verdict(function)["pure"]
    assert reason(function) == IMPURE[function]


def test_every_impure_function_of_this_file_is_in_the_table():
    assert {f.__name__ for f in IMPURE} == {n for n in globals() if n.startswith("i_")}


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


# ---- the decorator ----


@pytest.fixture
def purity():
    return pytest.importorskip("purefold.purity")


def test_decorator_returns_the_very_function(purity):
    def f(x):
        return x + 1

    assert purity.pure(f) is f


def test_decorator_raises_with_place_and_reason(purity):
    def f(xs):
        xs.append(1)

    with pytest.raises(purity.PurityError) as info:
        purity.pure(f)
    text = str(info.value)
    line = f.__code__.co_firstlineno
    assert f"<locals>.f ({__file__}:{line})" in text
    assert f"{__file__}:{line + 1}:9" in text
    assert "mutates-argument" in text
    assert "'xs'" in text
    assert issubclass(purity.PurityError, ValueError)


def test_decorator_wants_a_function(purity):
    with pytest.raises(TypeError):
        purity.pure(3)


def test_proof_waits_for_names(purity):
    namespace = {"pure": purity.pure}
    exec("@pure\ndef even(n): return n == 0 or odd(n - 1)\n@pure\ndef odd(n): return n != 0 and even(n - 1)", namespace)
    assert _engine._prove_pending(namespace["even"]) is True
    assert _engine._prove_pending(namespace["even"]) is False
    assert _engine._prove_pending(abs) is False


def test_late_proof_names_definition_and_use(purity):
    namespace = {"pure": purity.pure}
    exec(compile("@pure\ndef f(n): return g(n)\n", "late.py", "exec"), namespace)
    exec(compile("def g(n): return print(n)\n", "helpers.py", "exec"), namespace)
    with pytest.raises(purity.PurityError) as info:
        _engine._prove_pending(namespace["f"])
    text = str(info.value)
    assert "f (late.py:1)" in text
    assert "helpers.py:1:18" in text
    assert f"used at {__file__}:" in text


def test_name_that_never_comes_fails_at_use(purity):
    namespace = {"pure": purity.pure}
    exec("@pure\ndef f(n): return nowhere(n)", namespace)
    with pytest.raises(purity.PurityError, match="unresolved.*'nowhere'"):
        _engine._prove_pending(namespace["f"])


def test_pending_functions_may_die(purity):
    namespace = {"pure": purity.pure}
    exec("@pure\ndef f(n): return nowhere(n)", namespace)
    del namespace["f"]
    gc.collect()
    assert functools.reduce(lambda a, b: a, [1]) == 1

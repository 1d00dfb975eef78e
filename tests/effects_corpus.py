"""Functions for the purity analysis: PURE ones, and IMPURE ones with the reason and the name that the verdict has to give."""

# ruff: noqa: B006, B010, F841
from __future__ import annotations

import itertools
import math
import numbers
import operator
import random
import sys
import time
from collections import namedtuple
from functools import partial, reduce

LIMIT = 3
TABLE = {"a": 1, "b": 2}
NUMBERS = [1, 2, 3]
ROWS = [[1], [2]]
LARGE = dict.fromkeys(range(20_000), 1)
ITERATOR = iter([1, 2, 3])
OBJECTS = [object.__new__(type("Foreign", (), {}))]
NAMED = {"a": OBJECTS[0]}
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
    return TABLE[x] + NUMBERS[0] + TABLE.get(x, 0) + sum(NUMBERS) + ROWS[0][0] + NUMBERS.index(x) + NUMBERS.copy()[0]


def p_large_table(x):
    return LARGE.get(x, 0) + LARGE[x]


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


def i_captured_method_that_compares(x):
    return OBJECTS.index(x)


def i_captured_method_kept(x, find=OBJECTS.count):
    return find(x)


def i_captured_method_that_gives(x):
    return NAMED.get("a") + x


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
    i_captured_method_that_compares: ("unknown-call", None),
    i_captured_method_kept: ("unknown-call", None),
    i_captured_method_that_gives: ("unknown-call", None),
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

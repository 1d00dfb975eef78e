"""Small functions whose canonical bytecode must be the same on every supported version.

Left out on purpose, because the code of the versions differs: comprehensions (inlined since 3.12), zero-argument
super(), `a and b or c` as a value, computed format specs (see ext/decode.h).
"""

# ruff: noqa: E501, E731, E741, SIM, C4, B, UP, RET, PLR, ARG
# fmt: off
from __future__ import annotations

import math
from functools import reduce

K = 3
NAMES = ("a", "b")
TABLE = {"a": 1}


def f_const(x): return 7
def f_none(x): return None
def f_implicit(x): x + 1
def f_arith(x, y): return x + y * 2 - x // 3 % 4 / 5 ** 6
def f_bits(x, y): return (x & y | x ^ y) << 2 >> 1
def f_unary(x): return -x, +x, ~x, not x
def f_compare(x, y): return x < y, x <= y, x == y, x != y, x > y, x >= y
def f_chain(x): return 0 <= x < 10
def f_chain3(a, b, c, d): return a < b <= c < d
def f_is(x): return x is None, x is not None, x is K, x in NAMES, x not in NAMES
def f_ternary(x): return x if x > 0 else -x
def f_and(x, y): return x and y
def f_or(x, y): return x or y
def f_and_and(x, y, z): return x and y and z
def f_or_or(x, y, z): return x or y or z
def f_mixed_condition(x, y, z): return 1 if x and y or z else 2
def f_not_or(x, y): return not (x or y)
def f_bool_expr(x): return x % 2 == 0 and x % 3 == 0
def f_lambda_default(x, y=2, *, z=3): return x + y + z
def f_varargs(*args, **kwargs): return len(args) + len(kwargs)
def f_global_call(x): return math.sqrt(abs(x)) + K
def f_method(s): return s.strip().upper().split(",")
def f_method_kw(s): return s.split(sep=",", maxsplit=1)
def f_call_kw(x): return sorted(x, key=len, reverse=True)
def f_call_star(f, a, k): return f(*a), f(1, *a), f(**k), f(*a, **k), f(x=1, **k)
def f_call_call(f, x, y): return f(x)(y)
def f_call_ternary(f, g, x, y): return (f if x else g)(y, x if y else 1)
def f_nested_calls(f, g, x): return f(g(x), g(f(x)), x and g(x))
def f_subscr(x): return x[0], x[-1], x["a"], x[1:2], x[:2], x[1:], x[:], x[::2]
def f_attr(x): return x.real + x.imag.real
def f_tuple(x, y): return (x, (y, x), [x, y], {x, y}, {x: y, "k": x})
def f_const_map(x): return {"a": x, "b": 2}
def f_format(x, y): return f"{x}-{y!r}-{x:>3}-{y!s}-{x!a:<2}"
def f_unpack(p):
    a, b = p
    (c, d), *e, f = b
    return a, c, d, e, f
def f_swap(a, b):
    a, b = b, a
    return a - b
def f_walrus(x): return (y := x + 1) * y
def f_if(x):
    if x > 0:
        return 1
    return -1
def f_if_elif(x):
    if x is None:
        y = 0
    elif x < 0 or x > 100:
        y = -1
    elif not x:
        y = 5
    else:
        y = x
    return y + 1
def f_if_pass(x):
    if x:
        pass
    return x
def f_nested_if(x, y):
    if x:
        if y:
            return 1
        else:
            x = 2
    return x
def f_early(x):
    if x is None:
        return None
    if not x % 2:
        return x // 2
    return 3 * x + 1
def f_while(n):
    a, b = 0, 1
    while n > 0:
        a, b = b, a + b
        n -= 1
    return a
def f_while_break(n):
    i = 2
    while True:
        if n % i == 0:
            break
        i += 1
        if i * i > n:
            return n
    return i
def f_collatz(n):
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps
def f_for(xs):
    total = 0
    for x in xs:
        total += x * x
    return total
def f_for_continue(xs):
    n = 0
    for x in xs:
        if x is None:
            continue
        if x < 0:
            break
        n += x
    return n
def f_for_return(xs, y):
    for i, x in enumerate(xs):
        if x == y:
            return i
    return -1
def f_for_nested(n):
    c = 0
    for i in range(n):
        for j in range(i):
            if (i + j) % 2:
                c += 1
    return c
def f_for_if_and(xs):
    for x in xs:
        if x and x > 1:
            return True
    return False
def f_for_if_or(xs):
    for x in xs:
        if x or K:
            return x
def f_append(xs):
    out = []
    for x in xs:
        out.append(x)
    return out
def f_store(xs, i, v):
    xs[i] = v
    xs[1:2] = v
    del xs[i]
    xs.attr = v
def f_aug_subscr(d, k): d[k] += 1
def f_closure(x):
    def inner(y):
        return x + y
    return inner
def f_closure_default(x):
    def inner(y, z=x, *, w=1):
        return y + z + x
    return inner
def f_nonlocal():
    n = 0
    def inc():
        nonlocal n
        n += 1
        return n
    return inc
def f_global_store(x):
    global K
    K = x
    return K
def f_lambda(x): return lambda y: x * y
def f_genexpr(xs): return sum(x * 2 for x in xs)
def f_genexpr_if(xs): return sum(x * 2 for x in xs if x % 2 == 0)
def f_genexpr_ifs(xs): return list(x for x in xs if x is not None if x > 0)
def f_genexpr_and(xs): return any(x > 1 and x < 5 for x in xs if x or K)
def f_genexpr_not(xs): return all(not x for x in xs if not x % 2)
def f_genexpr_ternary(xs): return sum(x if x > 0 else -x for x in xs)
def f_genexpr_two(n): return sum(i * j for i in range(n) for j in range(i) if i != j)
def f_genexpr_tuple(d): return dict((k, len(v)) for k, v in d.items())
def f_genexpr_free(xs, k): return sum(x * k for x in xs)
def f_genexpr_call(xs): return max(math.floor(x) for x in xs)
def f_map(xs): return sum(map(lambda x: x * x, filter(lambda x: x % 2, xs)))
def f_reduce(xs): return reduce(lambda a, b: a + b, xs, 0)
def f_generator(xs):
    for x in xs:
        if x:
            yield x
def f_raise(x):
    if x < 0:
        raise ValueError("negative")
    return x
def f_assert(x):
    assert x > 0, "must be positive"
    return x
def f_try(x):
    try:
        y = 1 // x
    except ZeroDivisionError:
        y = 0
    return y
def f_import(x):
    import os
    return os.path.join(x)
def f_del(x):
    y = x
    del y
    return x
def f_starred(a, b): return [*a, *b], (*a, 1), {*a}, {**b, "x": 1}
def f_match(x):
    match x:
        case 0:
            return "zero"
        case [a, b]:
            return a
    return "other"
# fmt: on


def corpus():
    return [value for name, value in globals().items() if name.startswith("f_")]

"""Makes a failing program smaller while it fails in the same way.

Works on the syntax tree, so it needs to know nothing of the generator: drop a statement, replace an expression by
one of its parts or by a small constant, drop an item of a display, halve a number. Greedy, first big pieces, until
nothing more can go. `fails(text)` decides; it must be deterministic.
"""

from __future__ import annotations

import ast
import copy
import time
from typing import Callable, Iterator

BODY_FIELDS = ("body", "orelse", "finalbody", "handlers")


def variants(tree: ast.Module) -> Iterator[ast.Module]:
    """Smaller neighbours of a program, the most ambitious ones first."""
    nodes = list(ast.walk(tree))
    for i, node in enumerate(nodes):
        for name in BODY_FIELDS:
            block = getattr(node, name, None)
            if isinstance(block, list) and (len(block) > 1 or (block and name == "orelse")):
                for at in reversed(range(len(block))):
                    yield edited(tree, i, lambda n, name=name, at=at: getattr(n, name).pop(at))
    for i, node in enumerate(nodes):
        for name, value in ast.iter_fields(node):
            if isinstance(value, ast.expr):
                for part in replacements(value):
                    yield edited(tree, i, lambda n, name=name, part=part: setattr(n, name, copy.deepcopy(part)))
            elif isinstance(value, list) and value and isinstance(value[0], (ast.expr, ast.comprehension, ast.keyword)):
                yield from thinner_lists(tree, i, name, value)


def thinner_lists(tree: ast.Module, i: int, name: str, value: list) -> Iterator[ast.Module]:
    size = len(value)
    chunk = size // 2
    while chunk >= 1:
        for at in range(0, size, chunk):
            yield edited(tree, i, lambda n, at=at, chunk=chunk: getattr(n, name).__delitem__(slice(at, at + chunk)))
        chunk //= 2
    if isinstance(value[0], ast.expr):
        for at in range(size):
            for part in replacements(value[at]):
                yield edited(tree, i, lambda n, at=at, part=part: getattr(n, name).__setitem__(at, copy.deepcopy(part)))


def replacements(node: ast.expr) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and not isinstance(getattr(child, "ctx", None), (ast.Store, ast.Del)):
            yield child
        elif isinstance(child, ast.comprehension):
            yield child.iter
    if isinstance(node, ast.Constant):
        if type(node.value) is int and abs(node.value) > 3:
            for smaller in (0, 1, node.value // 2, node.value - 1):
                yield ast.Constant(smaller)
        return
    if not isinstance(node, (ast.Name, ast.Lambda)):
        yield ast.Constant(1)


def edited(tree: ast.Module, i: int, change: Callable) -> ast.Module | None:
    new = copy.deepcopy(tree)
    node = next(n for at, n in enumerate(ast.walk(new)) if at == i)
    change(node)
    return new


def shrink(text: str, fails: Callable[[str], bool], seconds: float = 30.0) -> str:
    """The smallest program found within the time that still fails."""
    deadline = time.monotonic() + seconds
    best = ast.unparse(ast.parse(text))
    if not fails(best):
        return text
    progress = True
    while progress and time.monotonic() < deadline:
        progress = False
        for candidate in variants(ast.parse(best)):
            if time.monotonic() > deadline:
                break
            try:
                smaller = ast.unparse(ast.fix_missing_locations(candidate))
                compile(smaller, "<shrink>", "exec")
            except (SyntaxError, ValueError, TypeError, IndexError, AttributeError, RecursionError):
                continue
            if len(smaller) < len(best) and fails(smaller):
                best, progress = smaller, True
                break
    return best

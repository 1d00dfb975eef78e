"""The judge: one program run with the builtins and with purefold, and everything a program can observe compared.

Both runs happen in this process, on inputs built anew by the program itself. The program calls four hooks:

    MARK()      the sources stand: note who is who among their objects, and the reference counts
    WATCH(it)   an iterator whose state and rest are looked at in the end
    OUT(value)  an answer           FAIL(error)  an exception, traceback included

An observation is a list of (what, value) of plain comparable data. Objects of the sources are named by where they
stand, so that "the very same object" can be compared across two runs. Floats are compared by bits, except that a NaN is
a NaN: the sign of nan + -nan is that of whichever operand the C compiler put first, in CPython as in any engine.

What contract.md leaves open is left open here: whether arithmetic returns its own operand (see LAX_IDENTITY).
"""

from __future__ import annotations

import ast
import builtins
import collections
import contextlib
import functools
import gc
import itertools
import operator
import re
import signal
import struct
import sys
import types
import warnings
from typing import Any

from . import reference

FILENAME = "<program>"
REST_LIMIT = 50
DROP_INS = ("sum", "min", "max", "any", "all", "list", "tuple", "next", "reduce", "fold")
SENTINEL = object()
ADDRESS = re.compile("0x[0-9a-f]{6,}")  # in the text of an object without a __repr__: read as the source's object it is


class Opaque:
    """A passenger with no behaviour."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def kinds(node: dict) -> set[str]:
    return {node["kind"]}.union(*map(kinds, node["children"]))


def goes_on(node: dict) -> bool:
    """Some itertools.chain in it has segments that are read when their turn comes."""
    return node.get("more", False) or any(map(goes_on, node["children"]))


def in_row(node: dict) -> bool:
    """Some generator in it has items left of the row before."""
    return node.get("in_row", False) or any(map(in_row, node["children"]))


def source_of(node: dict) -> dict:
    """Where a chain as purefold reads it takes its rows from."""
    return node if kinds(node) <= {"leaf", "zip", "enumerate", "islice", "chain"} else source_of(node["children"][0])


def lengths(node: dict) -> list[int]:
    """What the leaves have left; -1: it is not known."""
    found = [length for child in node["children"] for length in lengths(child)]
    return found or [operator.length_hint(node["object"], -1) if node.get("begun") else -1]


def fold(op: Any, iterable: Any, *identity: Any) -> Any:
    """docs/fold.md for a chain as it stands: what its own steps make of the one block that the generators write."""
    from purefold import _engine

    iterator = iter(iterable)
    chain = _engine._read_chain(iterator) if _engine._unsupported is None else "no engine"
    if isinstance(chain, str) or "flatten" in kinds(chain) or goes_on(chain) or in_row(chain) or source_of(chain) is chain:  # its own source
        return reference.fold(op, iterator, iter, *identity)
    node, rows, error = source_of(chain), [], None
    before = lengths(node)
    try:
        rows = [*iterator]
    except Exception as raised:
        error = raised
    taken = [a - b for a, b in zip(before, lengths(node))]
    untouched = taken[0] == 0 if before[0] >= 0 else not rows and "islice" in kinds(chain)
    ended = "zip" in kinds(node) and (len({*taken}) > 1 or -1 in before)  # it would take once more what it took when it ended
    if error is not None or not (untouched or ended):
        collections.deque(itertools.islice(node["object"], reference.BLOCK - taken[0]), 0)  # the rest of the block
    if error is not None:
        raise error
    return reference.fold(op, ["the block"], lambda block: rows, *identity)


PLAIN = {name: getattr(builtins, name) for name in DROP_INS if hasattr(builtins, name)} | {"reduce": functools.reduce, "fold": fold}


def drop_ins(pf: Any, text: str, names: str) -> dict:
    """The names that the purefold run replaces: the consumers in OUT(...), or every one."""
    full = PLAIN | {name: getattr(pf, name) for name in DROP_INS}
    if names == "all":
        return full
    return PLAIN | {name: full[name] for name in DROP_INS if f"OUT({name}(" in text}


@functools.lru_cache(maxsize=64)
def positions(code: types.CodeType) -> list:
    return list(code.co_positions())


def position(code: types.CodeType, lasti: int) -> Any:
    """Where in the source an instruction stands (the instruction itself differs as 3.11 specialises calls)."""
    return positions(code)[lasti // 2] if lasti >= 0 else None


class Watcher:
    """The hooks of one run, and what they saw."""

    def __init__(self, lax: bool, constants: set[int] = frozenset()) -> None:
        self.lax = lax
        self.constants = constants  # ids of objects that functions hold or names mean: a plan may hold them too
        self.seen: list[tuple[str, Any]] = []
        self.log: list = []
        self.watched: list = []
        self.where: dict[int, str] = {}
        self.keep: list = []
        self.counted: list = []
        self.before: list[int] = []
        self.space: dict = {}

    # ---- hooks

    def mark(self) -> None:
        self.constants |= {id(value) for name, value in self.space.items() if not name.startswith("xs")}
        for name, value in list(self.space.items()):
            if name.startswith("xs"):
                self.mark_one(name, value)
        self.before = [sys.getrefcount(item) for item in self.counted]

    def mark_one(self, path: str, value: Any) -> None:
        if id(value) in self.where or type(value) in (bool, type(None)) or (type(value) is int and -6 < value < 1025):
            return
        if isinstance(value, type):
            return
        if type(value) in (bytes, str, tuple) and len(value) < 2:
            return
        self.where[id(value)] = path
        self.keep.append(value)
        shared = type(value) in (str, bytes) or value is NAN or id(value) in self.constants
        if len(self.counted) < 40 and not shared and not (self.lax and type(value) in (int, float)):
            self.counted.append(value)
        if type(value) in (list, tuple):
            for i, item in enumerate(value):
                self.mark_one(f"{path}[{i}]", item)
        elif type(value) is dict:
            for key, item in value.items():
                self.mark_one(f"{path}[{key!r}]", item)

    def watch(self, it: Any) -> None:
        self.watched.append(it)

    def out(self, value: Any) -> None:
        self.seen.append(("value", self.norm(value, {})))

    def fail(self, error: BaseException) -> None:
        self.seen.append(("exception", self.norm_exception(error, 0)))

    # ---- values

    def norm(self, value: Any, labels: dict) -> Any:
        """Plain data that is equal exactly where two values cannot be told apart."""
        kind = type(value)
        if kind is bool or value is None or value is Ellipsis or value is NotImplemented:
            return value if value is None else (kind.__name__, str(value))
        if kind is int:
            if self.lax or -6 < value < 1025:
                return ("int", value)
            return ("int", value, self.identity(value, labels))
        if kind is float:
            bits = struct.pack("<d", value if value == value else NAN)
            return ("float", bits) if self.lax else ("float", bits, self.identity(value, labels))
        if kind is str:
            return ("str", ADDRESS.sub(lambda found: f"<{self.where.get(int(found[0], 16))}>", value))
        if kind is bytes:
            return ("bytes", value)
        if kind is complex:
            return ("complex", struct.pack("<dd", value.real, value.imag))
        name = self.identity(value, labels)
        if kind is tuple or kind is list:
            if isinstance(name, str):
                return (kind.__name__, name, len(value))
            return (kind.__name__, name, tuple([self.norm(item, labels) for item in value]))
        if isinstance(value, BaseException):
            return self.norm_exception(value, 0)
        if isinstance(name, str):
            return (kind.__name__, name)
        if isinstance(value, (tuple, list, set, frozenset)):
            return (kind.__name__, name, len(value))
        if isinstance(value, dict):
            return (kind.__name__, name, tuple((self.norm(k, labels), self.norm(v, labels)) for k, v in value.items()))
        if isinstance(value, (int, float)):
            return (kind.__name__, repr(float(value)))
        if isinstance(value, Opaque) or kind.__name__ in ("Decimal", "Fraction"):
            return (kind.__name__, str(value))
        return (kind.__name__,)

    def identity(self, value: Any, labels: dict) -> Any:
        """Where a source's own object stands; for others, a number by order of first appearance."""
        known = self.where.get(id(value))
        if known is not None:
            return known
        label = labels.setdefault(id(value), len(labels))
        self.keep.append(value)
        return label

    def norm_exception(self, error: BaseException | None, depth: int) -> Any:
        if error is None or depth > 4:
            return None
        return (
            type(error).__qualname__, self.norm(error.args, {}), self.frames(error), getattr(error, "__notes__", None),
            self.norm_exception(error.__cause__, depth + 1), self.norm_exception(error.__context__, depth + 1),
            error.__suppress_context__,
        )

    @staticmethod
    def frames(error: BaseException) -> list:
        found = []
        tb = error.__traceback__
        while tb is not None:
            code = tb.tb_frame.f_code
            if code.co_filename not in (__file__, reference.FILE):
                found.append((code.co_filename, code.co_name, tb.tb_lineno, position(code, tb.tb_lasti)))
            tb = tb.tb_next
        return found

    # ---- iterators

    def state(self, it: Any, depth: int = 0) -> Any:
        """What can be read from an iterator without taking from it."""
        kind = type(it)
        if kind is types.GeneratorType:
            frame = it.gi_frame
            if frame is None:
                return ("generator", "closed", it.gi_running)
            local = sorted((k, self.state(v, depth + 1)) for k, v in frame.f_locals.items() if k not in ("main", "error"))
            return ("generator", frame.f_lineno, position(frame.f_code, frame.f_lasti), it.gi_running, it.gi_suspended, local)
        if not hasattr(it, "__next__") or depth > 6:
            return self.norm(it, {})
        text = repr(it) if kind in (itertools.count, itertools.repeat) else None
        try:
            reduced = it.__reduce__()
        except (TypeError, RuntimeError) as error:  # the latter: a dict has changed meanwhile
            return (kind.__name__, type(error).__name__)
        parts = [kind.__name__, text]
        for part in reduced[1:] if isinstance(reduced, tuple) else [reduced]:
            parts.append(tuple(self.state(p, depth + 1) for p in part) if type(part) is tuple else self.state(part, depth + 1))
        return tuple(parts)

    def rest(self, it: Any) -> Any:
        """Up to REST_LIMIT further items, how it ended, and that an ended iterator stays ended."""
        found: list = []
        labels: dict = {}
        for _ in range(REST_LIMIT):
            try:
                item = builtins.next(it, SENTINEL)
            except Exception as error:
                found.append(self.norm_exception(error, 0))
                continue
            if item is SENTINEL:
                found.append("end")
                break
            found.append(self.norm(item, labels))
        return found

    def after(self) -> None:
        """Everything left behind: states, rests, the log, latched ends, reference counts."""
        self.seen.append(("log", self.norm(list(self.log), {})))
        for i, it in enumerate(self.watched):
            self.seen.append((f"state {i}", self.state(it)))
        order = self.watched if len(self.seen) % 2 else self.watched[::-1]
        for i, it in enumerate(order):
            if hasattr(it, "__next__"):
                self.seen.append((f"rest {i}", self.rest(it)))
        for i, it in enumerate(self.watched):
            self.seen.append((f"state after rest {i}", self.state(it)))
        for name, value in self.space.items():
            if name.startswith("xs") and type(value) is list:
                self.seen.append((name, (len(value), [self.norm(v, {}) for v in value[:60]])))
                value.append(77)
        for i, it in enumerate(order):
            if hasattr(it, "__next__"):
                self.seen.append((f"end stays {i}", self.rest(it)))
        self.seen.append(("log at the end", self.norm(list(self.log), {})))


def is_lax(tree: ast.AST) -> bool:
    """Does the program hold arithmetic that may return its own operand (and so says nothing by identity)?"""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Mod, ast.UAdd, ast.Pow, ast.FloorDiv, ast.LShift, ast.RShift)):
            return True
        if isinstance(node, ast.Name) and node.id in ("divmod", "abs", "pow", "sum", "reduce", "fold"):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("gcd", "mod", "pos", "pow", "fmod", "isqrt", "index", "lshift", "rshift", "floordiv", "abs"):
            return True
    return False


def constants_of(code: types.CodeType, inner: bool) -> set[int]:
    """Ids of the constants of the functions inside of a module, and of what its loops go over: a name will mean that."""
    found = set()
    for item in code.co_consts:
        if isinstance(item, types.CodeType):
            found |= constants_of(item, True)
        elif inner:
            found.add(id(item))
        if type(item) in (tuple, frozenset):
            found |= {id(part) for part in item}
    return found


class Timeout(BaseException):
    """The program ran too long."""


def observe(codes: list[types.CodeType], names: dict, lax: bool, settings: Any = None) -> list:
    """Run a compiled program once with these drop-ins; what it showed, as comparable data."""
    watcher = Watcher(lax, set().union(*(constants_of(code, inner=False) for code in codes)))
    space: dict = {
        "__name__": "program", "__builtins__": builtins, "MARK": watcher.mark, "WATCH": watcher.watch, "OUT": watcher.out, "FAIL": watcher.fail,
        "LOG": watcher.log, "nan": NAN, "inf": INF, "OBJ0": Opaque("OBJ0"), "OBJ1": Opaque("OBJ1"), "OBJ2": Opaque("OBJ2"), **names,
    }
    watcher.space = space
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with settings or contextlib.nullcontext():
                for code in codes:
                    exec(code, space)
        except Exception as error:
            watcher.fail(error)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watcher.after()
    watcher.seen += [("warning", (w.category.__name__, str(w.message), w.lineno, w.filename)) for w in caught]
    watcher.seen.append(("references", references(watcher)))
    space.clear()  # a class and its globals are a cycle: the next run shall not count this one's garbage
    return watcher.seen


def references(watcher: Watcher) -> list[int]:
    """How the reference counts of the sources' objects moved over the run, once all iterators are dropped."""
    counted, before = watcher.counted, watcher.before
    watcher.watched.clear()
    watcher.keep.clear()
    watcher.log.clear()
    for name in list(watcher.space):
        if not name.startswith("xs"):
            del watcher.space[name]
    gc.collect()
    return [sys.getrefcount(item) - was for item, was in zip(counted, before)]


NAN, INF = float("nan"), float("inf")


def differences(plain: list, ours: list) -> list[tuple[str, Any, Any]]:
    """What differs between two observations; empty when they cannot be told apart."""
    found = []
    for (what, a), (also, b) in zip(plain, ours):
        if what != also:
            found.append((f"{what} / {also}", a, b))
            break
        if a != b:
            found.append((what, a, b))
    if len(plain) != len(ours) and not found:
        longer = plain if len(plain) > len(ours) else ours
        found.append(("one more", longer[min(len(plain), len(ours))], None))
    return found


def raised(name: str, seen: list[tuple[str, Any]]) -> bool:
    return any(what == "exception" and value[0] == name for what, value in seen)


def compiled(text: str) -> tuple[types.CodeType, bool]:
    tree = ast.parse(text, FILENAME)
    return compile(tree, FILENAME, "exec"), is_lax(tree)


shared = functools.lru_cache(maxsize=None)(compiled)


def judge(program: Any, pf: Any) -> list[tuple[str, Any, Any]]:
    """Run `program` both ways and compare; also a second time through purefold when it asks for that."""
    parts = [*map(shared, program.parts[:-1]), compiled(program.parts[-1])]
    codes, lax = [code for code, _ in parts], any(lax for _, lax in parts)
    plain = observe(codes, PLAIN, lax)
    names = drop_ins(pf, program.text, program.names)
    for _ in range(2 if program.twice else 1):
        ours = observe(codes, names, lax, pf.config(**dict(program.config)))
        found = differences(plain, ours)
        if found and raised("RecursionError", plain):  # how deep a call goes changes as CPython warms up; the first run was cold
            found = differences(observe(codes, PLAIN, lax), observe(codes, names, lax, pf.config(**dict(program.config))))
        if found and raised("MemoryError", ours):  # perhaps for what `plain` holds: now the other way round
            plain = []
            ours = observe(codes, names, lax, pf.config(**dict(program.config)))
            plain = observe(codes, PLAIN, lax)
            if raised("MemoryError", plain):
                return []
            found = differences(plain, ours)
        if found:
            return found
    return []


def judge_in_time(program: Any, pf: Any, seconds: int = 10) -> list[tuple[str, Any, Any]]:
    """As judge, under an alarm."""

    judging = True

    def on_alarm(signum: int, frame: object) -> None:
        if judging:  # it may come when all is over
            raise Timeout

    before = signal.signal(signal.SIGALRM, on_alarm)
    gc.freeze()  # every run is followed by a collection, which need not go through all that was there before
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return judge(program, pf)
    except Timeout:
        return [("timeout", None, None)]
    finally:
        judging = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.unfreeze()

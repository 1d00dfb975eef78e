"""`same(work)`: run a piece of work with the builtins and with purefold, and hold the two outcomes against each other.

`work` takes a namespace of consumers (`p.sum`, `p.list`, `p.next`...), builds its own inputs, and returns whatever it
wants compared: an answer, what is left of iterators, a log. Values are compared by type and bits, exceptions by type,
arguments, context and every frame of the traceback. purefold is made to run natively and in parallel on the tiniest input.
"""

from __future__ import annotations

import functools
import warnings
from types import SimpleNamespace

import pytest

import purefold as pf
from fuzz import oracle
from purefold import _engine

PLAIN = SimpleNamespace(**oracle.PLAIN)
OURS = SimpleNamespace(**{name: getattr(pf, name) for name in oracle.DROP_INS})
needs_engine = pytest.mark.skipif(_engine._unsupported is not None, reason=f"no engine here: {_engine._unsupported}")


def capture(work, names):
    """The outcome of one run as comparable data, warnings included."""
    watcher = oracle.Watcher(lax=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            watcher.out(work(names))
        except Exception as error:
            watcher.fail(error)
    kind, value = watcher.seen[0]
    if kind == "exception":  # capture's own frame and this file's are not part of the work
        value = (*value[:2], [frame for frame in value[2] if frame[0] != __file__], *value[3:])
    return kind, value, [(w.category.__name__, str(w.message), w.lineno) for w in caught]


def first_difference(plain, ours, path="outcome"):
    """Where two outcomes part, and what stands there."""
    if type(plain) is type(ours) and isinstance(plain, (tuple, list)) and len(plain) == len(ours):
        for i, (a, b) in enumerate(zip(plain, ours)):
            if a != b:
                return first_difference(a, b, f"{path}[{i}]")
    return f"{path}\nbuiltins: {plain!r:.2000}\npurefold: {ours!r:.2000}"


def same(work, native=None, **settings):
    """Assert equal outcomes; with `native`, also that purefold did (True) or did not (False) run it natively.

    Returns purefold's counts for the run, as `pf.stats()` gives them.
    """
    plain = capture(work, PLAIN)
    with pf.config(**{"threads": 2, "min_rows": 1, **settings}):
        before = pf.stats()
        ours = capture(work, OURS)
        after = pf.stats()
    if ours != plain:
        pytest.fail("purefold differs\n" + first_difference(plain, ours), pytrace=False)
    counts = {key: after[key] - before[key] for key in after if key != "fallback_reasons"}
    old = before["fallback_reasons"]
    counts["fallback_reasons"] = {k: n - old.get(k, 0) for k, n in after["fallback_reasons"].items() if n > old.get(k, 0)}
    if native is not None and _engine._unsupported is None:
        assert (counts["calls_native"] > 0) == native, counts
    return counts


def exact(native=None, **settings):
    """Decorator: a function of a namespace becomes a test that it does the same with purefold."""

    def decorate(work):
        def test():
            same(work, native, **settings)

        functools.update_wrapper(test, work, updated=())
        del test.__wrapped__  # pytest would look for fixtures in work's parameters
        return test

    return decorate


def rest(*iterators, limit=40):
    """What each iterator still gives, and whether it stays at its end."""
    found = []
    for it in iterators:
        items = []
        for _ in range(limit):
            item = next(it, "END")
            items.append(item)
            if item == "END":
                break
        found.append((items, next(it, "END")))
    return found


def same_program(program):
    """As `same`, for a program of fuzz/: how many of its calls ran natively. One that takes too long in CPython as well proves nothing."""
    before = pf.stats()["calls_native"]
    found = oracle.judge_in_time(program, pf)
    if found and found[0][0] != "timeout":
        what, plain, ours = found[0]
        pytest.fail(f"seed {program.seed}: {what}\nbuiltins: {plain}\npurefold: {ours}\nnames: {program.names}, config: {program.config}\n{program.text}", pytrace=False)
    return pf.stats()["calls_native"] - before

"""Functional Python as you already write it, run as fused native code on every core, with CPython's exact answers.

One changed import is all it takes::

    from purefold import sum, reduce

    sum(x * 2 for x in range(10**9) if x % 2 == 0)

The consumers here (``sum min max any all list tuple next reduce``) have the standard library's signatures, messages
and results. What cannot run natively runs in CPython as ever; ``explain`` says which, and why. ``fold`` is a parallel
reduce for operations that the caller declares associative. docs/contract.md states what is promised.
"""

from __future__ import annotations

import builtins as _builtins

from . import _engine

__version__ = "0.1.0"

_LAZY = {
    "Explanation": "_explain",
    "explain": "_explain",
    "last": "_explain",
    "patch": "_patch",
    "pure": "purity",
    "PurityError": "purity",
}

__all__ = [
    "Explanation",
    "PurityError",
    "all",
    "any",
    "config",
    "explain",
    "fold",
    "last",
    "list",
    "max",
    "min",
    "next",
    "patch",
    "pure",
    "reduce",
    "stats",
    "sum",
    "tuple",
]


def __getattr__(name):
    """Brings in what most programs never need, on first use."""
    if name in _LAZY:
        from importlib import import_module

        value = globals()[name] = getattr(import_module("." + _LAZY[name], __name__), name)
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY})


if _engine._unsupported is None:
    from ._config import config
    from ._engine import all, any, fold, list, max, min, next, reduce, sum, tuple

    for _function in (sum, min, max, any, all, next, reduce, fold):
        _function.__module__ = __name__  # pickled by this name

    def stats(reset: bool = False) -> dict:
        """What ran since the process began, or since the last reset, on all threads.

        Keys: calls, calls_native, calls_fallback, rows_native, rows_replayed, rows_fallback, fallback_reasons
        (a dict from reason code to number of calls; docs/reasons.md explains the codes).
        """
        return _engine._stats(reset)

else:  # here purefold steps aside altogether: explain and doctor say why
    from functools import reduce

    from ._config import config
    from ._plain import fold, stats

    all, any, list, max = _builtins.all, _builtins.any, _builtins.list, _builtins.max
    min, next, sum, tuple = _builtins.min, _builtins.next, _builtins.sum, _builtins.tuple

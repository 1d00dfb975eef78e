"""``@pf.pure``: a promise that is checked when it is made.

The decorator proves from bytecode that a function is pure on operands of exact builtin types, and that everything it
calls is. It returns the very function it was given: no wrapper, no cost. What is proven, and by which rules, is
written in docs/contract.md; the reason codes are those of docs/reasons.md.
"""

from __future__ import annotations

from . import _engine

_prove = getattr(_engine, "_prove", None)

if _prove is None:

    class PurityError(ValueError):
        """A function declared pure is not, or cannot be proven to be."""

else:
    PurityError = _engine.PurityError

__all__ = ["PurityError", "pure"]


def pure(function):
    """Proves a Python function pure and returns it, or raises :class:`PurityError`.

    The error is a ``ValueError``. It names the function, the file, line and column of the instruction at fault, and
    the reason. Names that are not defined yet (the function itself in a recursion, helpers further down) are noted,
    and the proof is made at the first use in a chain; the error then names the definition and the use.

    On a Python version without a bytecode table nothing can be proven, so nothing is claimed: the function is
    returned as it is.
    """
    if _prove is not None:
        _prove(function)
    return function

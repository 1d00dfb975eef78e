"""What stands in for the engine where purefold steps aside: free-threaded builds, sub-interpreters, new versions.

``fold`` here is the reference of docs/fold.md over a source without steps.
"""

from functools import reduce
from itertools import islice

_NONE = object()
BLOCK = 4096


def fold(op, iterable, identity=_NONE, combine=None):
    """Reduces each block of 4,096 items left to right, then the blocks' results left to right.

    Raises TypeError for an empty iterable without identity, as reduce does, and for combine without identity.
    """
    if combine is not None and identity is _NONE:
        raise TypeError("fold() needs identity where combine is given")
    start = () if identity is _NONE else (identity,)
    items, results = iter(iterable), []
    while block := [*islice(items, BLOCK)]:
        results.append(reduce(op, block, *start))
    return reduce(combine or op, results) if results else reduce(op, (), *start)


def stats(reset=False):
    """Nothing ran natively, and nothing was counted."""
    return {"calls": 0, "calls_native": 0, "calls_fallback": 0, "rows_native": 0, "rows_replayed": 0,
            "rows_fallback": 0, "fallback_reasons": {}}  # fmt: skip

"""What stands in for the engine where purefold steps aside: free-threaded builds, sub-interpreters, new versions.

``fold`` here is the reference of docs/fold.md over a source without steps.
"""

from contextvars import ContextVar
from functools import reduce
from itertools import islice

_NONE = object()
BLOCK = 4096

_defaults = {"threads": 0, "min_rows": 0, "plan_after": 4096, "tier": "auto", "disable": (), "log": ""}
_settings = ContextVar("purefold.settings", default=_defaults)


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
    if not results and not start:
        raise TypeError("fold() of empty iterable with no identity value")
    return reduce(combine or op, results) if results else identity


def stats(reset=False):
    """Nothing ran natively, and nothing was counted."""
    return {"calls": 0, "calls_native": 0, "calls_fallback": 0, "rows_native": 0, "rows_replayed": 0,
            "rows_fallback": 0, "fallback_reasons": {}}  # fmt: skip


def _config_get():
    return dict(_settings.get())


def _config_set(settings):
    """Kept and shown, though nothing here heeds them. Raises AttributeError for a name that does not exist."""
    _settings.set(_merged(_settings.get(), settings))


def _config_default(settings):
    _defaults.update(_merged(_defaults, settings))


def _merged(old, new):
    for name in new:
        if name not in old:
            raise AttributeError(f"purefold config has no setting {name!r}")
    return {**old, **new, "disable": tuple(new.get("disable", old["disable"]))}

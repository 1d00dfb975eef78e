"""Settings: ``pf.config`` and the environment variables behind it (docs/config.md).

The engine keeps them, context-local; this is only their face.
"""

from __future__ import annotations

import os

from . import _engine

if _engine._unsupported is not None:
    from . import _plain as _engine

_NAMES = ("threads", "min_rows", "plan_after", "tier", "disable", "log")


class _Setting:
    """One setting of the calling context, read and written through the engine."""

    def __init__(self, doc):
        self.__doc__ = doc

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, config, owner=None):
        return self if config is None else _engine._config_get()[self.name]

    def __set__(self, config, value):
        _engine._config_set(_normal({self.name: value}))


class Config:
    """The settings of the calling context (a contextvars context, as with decimal).

    Assign to an attribute to change one from here on, or use ``with pf.config(threads=1): ...`` to change some for a
    block. Raises ValueError for a value that makes no sense and AttributeError for a name that does not exist.
    """

    __slots__ = ()

    threads = _Setting("Threads to use, the caller's own included; 0: one for each CPU this process may use.")
    min_rows = _Setting("Shorter inputs stay in CPython; 0: purefold's choice; 1: all go native and parallel (tests).")
    plan_after = _Setting("Rows of a chain that CPython computes before it is planned; 0: planned at once.")
    tier = _Setting("'auto', 1 (vector interpreter) or 0 (everything runs in CPython).")
    disable = _Setting("Names of rewrite rules that are switched off; 'all' switches purefold off.")
    log = _Setting("'fallback' prints each distinct fallback reason once, to stderr; '' prints nothing.")

    def __call__(self, **settings):
        """A context manager under which these settings hold."""
        return _Override(settings)

    def __repr__(self):
        return "purefold.config(" + ", ".join(f"{k}={v!r}" for k, v in _engine._config_get().items()) + ")"


class _Override:
    """Settings that hold within a ``with`` block; it may be entered again, also while it is active."""

    def __init__(self, settings):
        self._settings = _normal(settings)
        self._before = []

    def __enter__(self):
        before = _engine._config_get()
        _engine._config_set(self._settings)
        self._before.append(before)
        return config

    def __exit__(self, *_):
        _engine._config_set(self._before.pop())


def _normal(settings):
    """Names of things to disable may come as one str, separated by commas, or as any iterable."""
    names = settings.get("disable")
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    return settings if names is None else {**settings, "disable": [*names]}


def _number(text):
    return int(text) if text.isdecimal() else text


def read_environment(environ):
    """Makes PUREFOLD_* the process's defaults. A value that makes no sense is left out, with a RuntimeWarning."""
    for name in _NAMES:
        text = environ.get("PUREFOLD_" + name.upper(), "")
        if not text:
            continue
        try:
            _engine._config_default(_normal({name: text if name in ("disable", "log") else _number(text)}))
        except ValueError as error:
            import warnings

            warnings.warn(f"PUREFOLD_{name.upper()}={text} is ignored: {error}", RuntimeWarning, stacklevel=2)


config = Config()
read_environment(os.environ)

"""The standard library's functools with purefold's reduce; every other name is functools' own."""

import functools as _functools

from . import reduce  # noqa: F401 (the one name that is purefold's)

__all__ = [*_functools.__all__]


def __getattr__(name):
    return getattr(_functools, name)


def __dir__():
    return dir(_functools)

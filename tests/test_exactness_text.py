"""Strings whose text is not where it mostly is: the engine looks at str objects in place."""

from __future__ import annotations

import ctypes
import sys

import pytest
from differential.check import same

LENGTH_AT = 2 * ctypes.sizeof(ctypes.c_ssize_t)  # of PyASCIIObject, behind the object's head


def legacy(text):
    """A str as C extensions could make it up to 3.11: of wchar_t, with no length and no kind until somebody asks."""
    new = ctypes.pythonapi.PyUnicode_FromStringAndSize
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_ssize_t)
    memory = ctypes.pythonapi.PyUnicode_AsUnicode
    memory.restype, memory.argtypes = ctypes.c_void_p, (ctypes.py_object,)
    made = new(None, len(text))
    ctypes.memmove(memory(made), ctypes.create_unicode_buffer(text), len(text) * ctypes.sizeof(ctypes.c_wchar))
    return made


def legacies():
    return [legacy(text) for text in ("abc", "abd", "é", "日本", "x") * 60]


LEGACY = {
    "equal": lambda p: p.list(s == "abc" for s in legacies()),
    "less": lambda p: p.list(s < "abd" for s in legacies()),
    "true": lambda p: (p.sum(1 for s in legacies() if s), p.all(legacies())),
    "pairs": lambda p: p.sum(s == t for s, t in zip(legacies(), legacies()[::-1])),
    "members": lambda p: (p.sum(s in ("abc", "x") for s in legacies()), p.sum(s in {"abc", "é"} for s in legacies())),
    "extremes": lambda p: (p.max(legacies()), p.min(legacies(), key=lambda s: (s, 1))),
    "keys": lambda p: p.max(((s, i) for i, s in enumerate(legacies())), key=lambda row: row[0]),
    "far inside": lambda p: p.sum(s == "abc" for s in ["abc"] * 200 + legacies() + ["abc"] * 200),
    "inner": lambda p: p.sum(s == "abc" for row in [["abc", *legacies()]] * 3 for s in row),
    "outside": lambda p: [p.sum(s == given for s in ["abc", "b"] * 100) for given in legacies()[:5]],
    "a table of them": lambda p: [
        p.sum(s in table for s in ["abc", "b"] * 100) for table in (legacies()[:3], tuple(legacies()[1:2]))
    ],
}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="no such strings any more")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", LEGACY)
def test_strings_that_are_not_ready(name):
    same(LEGACY[name])


def test_strings_longer_than_any_view():
    """4 GiB of text, or rather a str that says so: only its length is asked for."""
    claims = [str(number) for number in range(1000, 1003)]
    lengths = [ctypes.c_ssize_t.from_address(id(text) + LENGTH_AT) for text in claims]
    for length, more in zip(lengths, (0, 1, 4)):
        length.value = 2**32 + more
    try:
        same(lambda p: p.list(1 if text else 0 for text in [*claims, "", "b"] * 50))
        same(lambda p: p.sum(1 for text in ["", "b"] * 500 + claims if text))
        same(lambda p: p.any(claims[:1] * 100))
    finally:
        for length in lengths:
            length.value = 4
